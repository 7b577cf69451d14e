//! Every configuration that was in force can be looked at and gone back to, and no secret is in its history.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use nightbell_acceptance::hub::{LOCAL, alert, each_at_once};
use nightbell_acceptance::{Hub, PATIENCE, Receiver, tool, wait_for};

/// A routing whose receiver has its address, which is secret, from a file.
fn by_file(name: &str) -> String {
    each_at_once("X").replace("url = \"X\"", &format!("url = {{ file = \"{name}\" }}"))
}

fn write(hub: &Hub, toml: &str) {
    std::fs::write(hub.config_file(), format!("{LOCAL}{toml}")).unwrap();
}

fn reload(hub: &Hub) {
    let answer = hub.ask("POST", "/-/reload", "");
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn a_rollback_holds_at_once_and_until_the_files_are_loaded_again() {
    let (first, second) = (Receiver::open(), Receiver::open());
    let hub = Hub::start(&each_at_once(&first.url("/first-hook")));
    write(&hub, &each_at_once(&second.url("/second-hook")).replace("\"4h\"", "\"5h\""));
    reload(&hub);
    hub.alerts(&[alert(&[("alertname", "A")])]);
    second.wait_count(1, PATIENCE);

    let history = hub.says_json(&["config", "history"]);
    let items = history["items"].as_array().unwrap();
    let versions: Vec<i64> = items.iter().map(|it| it["version"].as_i64().unwrap()).collect();
    assert_eq!(versions, [2, 1], "{history}");
    assert_eq!((&items[1]["by"], &items[0]["by"]), (&"start".into(), &"somebody at this machine".into()));
    assert_eq!(items[0]["summary"], "changed route", "{history}");
    let diff = hub.says(&["config", "diff", "1"]);
    assert!(diff.contains("-repeat_interval = \"4h\"\n+repeat_interval = \"5h\""), "{diff}");

    // the addresses were written out: this process remembers them, its history does not
    hub.says(&["config", "rollback", "1"]);
    hub.alerts(&[alert(&[("alertname", "B")])]);
    let heard = first.wait_for("the first receiver", PATIENCE, |heard| {
        heard.iter().find(|it| it.labels("alertname") == ["B"]).map(|it| it.labels("alertname"))
    });
    assert_eq!(heard, ["B"]);
    let status = hub.get("/api/v1/status");
    assert_eq!(status["rules"], 3, "a rollback is a version of its own: {status}");
    assert_eq!(status["configuration"]["of_files"], false, "{status}");
    assert_eq!(status["configuration"]["rolled_back_to"], 1, "{status}");
    assert!(hub.log().contains("ann went back to configuration 1, which is 3 now"), "{}", hub.log());

    reload(&hub);
    let status = hub.get("/api/v1/status");
    assert_eq!(
        (&status["rules"], &status["configuration"]["of_files"]),
        (&4.into(), &true.into()),
        "{status}"
    );
    let all =
        hub.says_json(&["config", "history"]).to_string() + &hub.get("/api/v1/config/history/1").to_string();
    assert!(!all.contains("first-hook") && !all.contains("second-hook"), "{all}");

    let again = hub.cli(&["config", "rollback", "4"]);
    assert!(tool::both(&again).contains("in force already"), "{}", tool::both(&again));
    let none = hub.cli(&["config", "rollback", "99"]);
    assert!(tool::both(&none).contains("there is no configuration 99"), "{}", tool::both(&none));
}

#[test]
fn after_a_restart_what_refers_to_its_secrets_comes_back_and_what_does_not_is_refused() {
    let (first, second) = (Receiver::open(), Receiver::open());
    let mut hub = Hub::start(&each_at_once(&first.url("/written-out")));
    std::fs::write(hub.folder().join("url"), first.url("/by-file")).unwrap();
    write(&hub, &by_file("url"));
    reload(&hub);
    write(&hub, &each_at_once(&second.url("/second")));
    hub.signal("HUP");
    wait_for("the reload", PATIENCE, || (hub.get("/api/v1/status")["rules"] == 3).then_some(()));
    assert_eq!(hub.says_json(&["config", "history"])["items"][0]["by"], "SIGHUP");
    hub.kill_and_wake();
    assert_eq!(hub.get("/api/v1/status")["rules"], 3, "a start with the same file changes nothing");

    let refused = hub.cli(&["config", "rollback", "1"]);
    let said = tool::both(&refused);
    assert!(!refused.status.success() && said.contains("receivers.ops.webhook[0].url"), "{said}");
    assert!(said.contains("the history keeps none"), "{said}");
    assert_eq!(hub.get("/api/v1/status")["rules"], 3, "what was in force stays");

    hub.says(&["config", "rollback", "2"]);
    hub.alerts(&[alert(&[("alertname", "C")])]);
    first.wait_for("the file's address", PATIENCE, |heard| {
        heard.iter().any(|it| it.labels("alertname") == ["C"]).then_some(())
    });
    // the files are what counts after a start
    hub.kill_and_wake();
    assert_eq!(hub.get("/api/v1/status")["configuration"]["of_files"], true);
}
