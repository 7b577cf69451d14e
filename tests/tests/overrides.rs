//! Settings are changed while the hub runs: checked as a whole, in force at once, kept, gone back to, and never at the
//! price of the configuration that runs.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use nightbell_acceptance::hub::{LOCAL, alert, each_at_once};
use nightbell_acceptance::receiver::Reply;
use nightbell_acceptance::{Hub, PATIENCE, Receiver, tool};
use serde_json::{Value, json};

const PLACE: &str = "/api/v1/config/receivers/ops%2Fwebhook%2F0";

fn heard(receiver: &Receiver, hub: &Hub, name: &str) {
    hub.alerts(&[alert(&[("alertname", name)])]);
    receiver.wait_for(name, PATIENCE, |heard| {
        heard.iter().any(|it| it.labels("alertname") == [name]).then_some(())
    });
}

fn refused(hub: &Hub, path: &str, change: &Value) -> String {
    let answer = hub.ask("POST", path, &change.to_string());
    assert_eq!(answer.status, 400, "{}", answer.body);
    answer.body
}

#[test]
fn an_override_holds_at_once_and_over_restarts_and_goes_when_it_is_deleted() {
    let (first, second) = (Receiver::open(), Receiver::open());
    let mut hub = Hub::start(&each_at_once(&first.url("/first-hook")));
    heard(&first, &hub, "A");

    let url = format!("url={}", second.url("/second-hook"));
    hub.says(&["config", "override", "set", "receivers/ops/webhook/0", &url, "timeout=7s"]);
    heard(&second, &hub, "B");
    hub.kill_and_wake();
    heard(&second, &hub, "C");
    assert_eq!(hub.ask("POST", "/-/reload", "").status, 200);
    heard(&second, &hub, "D");

    let shown = hub.get(PLACE);
    assert_eq!(shown["options"]["url"], "<secret>", "{shown}");
    assert_eq!(
        (&shown["redacted"], &shown["overridden"]),
        (&json!(["url"]), &json!(["timeout", "url"])),
        "{shown}"
    );
    assert_eq!(shown["options"]["timeout"], "7s", "{shown}");
    let everything = [
        hub.get("/api/v1/config/overrides").to_string(),
        hub.get("/api/v1/config/overrides/versions").to_string(),
        hub.get("/api/v1/config/receivers").to_string(),
        hub.says(&["config", "override", "list"]),
        hub.says(&["config", "override", "show", "receivers"]),
        hub.log(),
    ];
    assert!(everything.iter().all(|text| !text.contains("second-hook")), "{everything:?}");

    // what is shown of a secret may come back with the rest
    hub.says(&["config", "override", "delete", "receivers/ops/webhook/0", "url"]);
    heard(&first, &hub, "E");
    hub.says(&["config", "override", "rollback", "1"]);
    heard(&second, &hub, "F");
    hub.says(&["config", "override", "rollback", "0"]);
    heard(&first, &hub, "G");
    let versions = hub.says_json(&["config", "override", "versions"]);
    let said: Vec<&str> =
        versions["items"].as_array().unwrap().iter().map(|it| it["summary"].as_str().unwrap()).collect();
    let set = "receivers/ops/webhook/0: set timeout, url";
    assert_eq!(
        said,
        ["nothing is overridden", "back to version 1", "receivers/ops/webhook/0: deleted url", set]
    );
    assert_eq!(versions["items"][0]["by"], "ann", "{versions}");
    // who, from where, and what it was and is, without secrets
    let audit = hub.get("/api/v1/audit?action=config.override");
    let set = audit["items"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&set["object"]["id"], &set["object"]["kind"]),
        (&json!("receivers/ops/webhook/0"), &json!("config")),
        "{set}"
    );
    assert_eq!(set["actor"]["address"], "127.0.0.1", "{set}");
    assert_eq!(
        (&set["before"]["overridden"], &set["after"]["options"]["timeout"]),
        (&json!([]), &json!("7s")),
        "{set}"
    );
    assert!(!audit.to_string().contains("second-hook"), "{audit}");
    let back = hub.get("/api/v1/audit?action=config.override_back");
    assert_eq!(back["items"].as_array().unwrap().len(), 2, "{back}");
}

#[test]
fn what_is_wrong_is_refused_with_its_place_and_what_runs_stays() {
    let first = Receiver::open();
    let hub = Hub::start(&each_at_once(&first.url("/hook")));
    let wrong = refused(&hub, PLACE, &json!({"set": {"ulr": "http://x.example"}}));
    assert!(
        wrong.contains("receivers.ops.webhook[0].ulr") && wrong.contains("did you mean `url`"),
        "{wrong}"
    );
    let wrong = refused(&hub, PLACE, &json!({"delete": ["url"]}));
    assert!(wrong.contains("is not overridden"), "{wrong}");
    let program = json!({"add": {"ops/exec/0": {"program": "/bin/sh"}}});
    let wrong = refused(&hub, "/api/v1/config/receivers", &program);
    assert!(wrong.contains("in the configuration file only"), "{wrong}");
    let wrong = refused(&hub, PLACE, &json!({"set": {"url": {"file": "/etc/passwd"}}}));
    assert!(wrong.contains("gives the secret itself"), "{wrong}");
    assert_eq!(hub.ask("POST", "/api/v1/config/server", r#"{"set": {"listen": ":1"}}"#).status, 404);
    let typo = tool::both(&hub.cli(&["config", "override", "set", "incidents", "reopen_witin=5m"]));
    assert!(typo.contains("did you mean `reopen_within`"), "{typo}");
    assert_eq!(hub.get("/api/v1/config/overrides")["version"], 0);
    heard(&first, &hub, "A");
    assert_eq!(hub.get("/api/v1/status")["rules"], 1);
}

#[test]
fn a_file_that_does_not_go_with_an_override_is_refused_and_a_start_goes_without() {
    let (first, added) = (Receiver::open(), Receiver::open());
    let mut hub = Hub::start(&each_at_once(&first.url("/hook")));
    let url = format!("url={}", added.url("/added"));
    hub.says(&["config", "override", "add", "receivers/ops/webhook/1", &url]);
    heard(&added, &hub, "A");
    heard(&first, &hub, "B");
    let element = hub.get("/api/v1/config/receivers/ops%2Fwebhook%2F1");
    assert_eq!(element["added"], true, "{element}");

    // the file gets one of the same number
    let more = format!("[[receivers.ops.webhook]]\nurl = \"{}\"\n", first.url("/other"));
    let toml = format!("{LOCAL}{}{more}", each_at_once(&first.url("/hook")));
    std::fs::write(hub.config_file(), toml).unwrap();
    let answer = hub.ask("POST", "/-/reload", "");
    assert!(
        answer.status >= 400 && answer.body.contains("take the override of receivers/ops/webhook/1 out"),
        "{}",
        answer.body
    );
    heard(&added, &hub, "C");

    hub.kill_and_wake();
    let overrides = hub.get("/api/v1/config/overrides");
    assert!(
        overrides["refused"].as_str().unwrap().contains("was added, and is in the file, too"),
        "{overrides}"
    );
    assert!(hub.log().contains("the files go alone"), "{}", hub.log());
    heard(&first, &hub, "D");
    hub.says(&["config", "override", "remove", "receivers/ops/webhook/1"]);
    assert_eq!(hub.get("/api/v1/config/overrides")["refused"], Value::Null);
    heard(&first, &hub, "E");
}

#[test]
fn a_service_test_really_sends_and_tells_what_came_of_it() {
    let (first, other) = (Receiver::open(), Receiver::open());
    let config =
        format!("[defaults.webhook]\nformat = \"nightbell\"\n{}", each_at_once(&first.url("/hush-hook")));
    let hub = Hub::start(&config);
    let offered = hub.get("/api/v1/service-tests/webhook");
    assert_eq!(
        (&offered["settings"]["format"], &offered["message"]["kind"]),
        (&json!("nightbell"), &json!("test"))
    );
    assert!(hub.get("/api/v1/service-tests")["items"].as_array().unwrap().len() > 10);

    // the settings of a destination, as they are shown
    let mut wanted = hub.get("/api/v1/service-tests/webhook?destination=ops/webhook/0");
    assert_eq!(wanted["settings"]["url"], "<secret>", "{wanted}");
    wanted["message"]["title"] = "Is this on?".into();
    let answer = hub.post("/api/v1/service-tests/webhook", &wanted);
    assert_eq!((&answer["success"], &answer["status"]), (&json!(true), &json!(200)), "{answer}");
    let body = first.wait_for("the test", PATIENCE, |heard| heard.first().map(|it| it.body.to_string()));
    assert!(body.contains("Is this on?"), "{body}");

    let url = format!("url={}", other.url("/other"));
    hub.says(&["receiver", "try", "webhook", "--set", &url]);
    other.wait_count(1, PATIENCE);
    other.answers(|_| Reply::status(500));
    let failed = hub.cli(&["receiver", "try", "webhook", "--set", &url]);
    assert!(!failed.status.success() && tool::both(&failed).contains("retry"), "{}", tool::both(&failed));
    let wrong = refused(&hub, "/api/v1/service-tests/webhook", &json!({"settings": {"ulr": "x"}}));
    assert!(wrong.contains("settings.ulr") && wrong.contains("did you mean `url`"), "{wrong}");
    let wrong = refused(
        &hub,
        "/api/v1/service-tests/webhook",
        &json!({"destination": "ops/webhook/0", "options": {"x": 1}}),
    );
    assert!(wrong.contains("options.x"), "{wrong}");
    let program = r#"{"settings": {"program": "/bin/true"}}"#;
    assert_eq!(hub.ask("POST", "/api/v1/service-tests/exec", program).status, 403);
    assert!(!hub.log().contains("hush-hook"));
}

#[test]
fn what_is_sealed_with_a_lost_key_is_listed_and_can_be_deleted() {
    let receiver = Receiver::open();
    let mut hub = Hub::start(&each_at_once(&receiver.url("/hook")));
    let spec = json!({ "kind": "webhook", "settings": { "url": receiver.url("/phone") } });
    let phone = json!({ "name": "phone", "owner": "everybody", "spec": spec });
    let id = hub.post("/api/v1/destinations", &phone)["id"].as_str().unwrap().to_owned();
    hub.kill();
    let (key, aside) = (hub.data().join("secret.key"), hub.data().join("aside"));
    std::fs::rename(&key, &aside).unwrap();
    hub.wake();
    let listed = hub.get("/api/v1/destinations")["items"][0].clone();
    assert_eq!(
        (&listed["name"], &listed["owner"], &listed["spec"]),
        (&json!("phone"), &json!("everybody"), &json!({}))
    );
    assert!(listed["unreadable"].as_str().unwrap().contains("sealed with the key"), "{listed}");
    let path = format!("/api/v1/destinations/{id}");
    assert_eq!(hub.get(&path), listed);
    let changed = hub.ask("PATCH", &path, &json!({ "name": "other" }).to_string());
    assert!(changed.status == 409 && changed.body.contains("can only be deleted"), "{}", changed.body);
    let gone = hub.ask("DELETE", &path, "");
    assert_eq!(gone.status, 200, "{}", gone.body);
    assert_eq!(hub.get("/api/v1/destinations")["items"], json!([]));
    assert!(hub.get("/api/v1/audit").to_string().contains("destination.delete"));
}

#[test]
fn a_secret_that_is_set_lies_sealed_on_disk_and_without_its_key_the_hub_says_so() {
    let (first, second) = (Receiver::open(), Receiver::open());
    let mut hub = Hub::start(&each_at_once(&first.url("/first-hook")));
    let url = format!("url={}", second.url("/second-hook"));
    hub.says(&["config", "override", "set", "receivers/ops/webhook/0", &url]);
    heard(&second, &hub, "A");
    hub.kill();
    let files =
        || std::fs::read_dir(hub.data()).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_file());
    let holds = |path: std::path::PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(11).any(|part| part == b"second-hook")
    };
    assert_eq!(files().filter(|it| holds(it.clone())).count(), 0);

    // without the key: as in the files, said everywhere, and nothing is lost
    let (key, aside) = (hub.data().join("secret.key"), hub.data().join("aside"));
    std::fs::rename(&key, &aside).unwrap();
    hub.wake();
    heard(&first, &hub, "B");
    let said = hub.get("/api/v1/config/overrides")["refused"].to_string();
    assert!(said.contains("version 1 cannot be read") && said.contains("sealed with the key"), "{said}");
    let change = json!({ "set": { "timeout": "7s" } }).to_string();
    let answer = hub.ask("POST", PLACE, &change);
    assert!(answer.status == 409 && answer.body.contains("sealed with the key"), "{}", answer.body);
    hub.kill();
    std::fs::rename(&aside, &key).unwrap();
    hub.wake();
    heard(&second, &hub, "C");
}
