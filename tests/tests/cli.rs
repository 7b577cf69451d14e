//! Every command, for people and for programs.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::time::Duration;

use nightbell_acceptance::hub::{command, each_at_once};
use nightbell_acceptance::tool::both;
use nightbell_acceptance::{Hub, PATIENCE, Receiver, Reply, wait_for};
use serde_json::Value;

fn plain(words: &[&str]) -> String {
    let output = command(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", both(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn json(words: &[&str]) -> Value {
    let text = plain(&[words, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error}: {text}"))
}

fn sent(hub: &Hub, words: &[&str]) -> String {
    let answer = hub.says_json(&[&["send"], words].concat());
    answer["items"][0]["incident"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[test]
fn what_needs_no_server() {
    let kinds = plain(&["kinds"]);
    assert!(kinds.contains("webhook") && kinds.contains("https://api.slack.com/"), "{kinds}");
    assert!(json(&["kinds"])["items"].as_array().unwrap().iter().any(|it| it["kind"] == "slack"));
    assert!(plain(&["kinds", "slack"]).contains("channel"));
    assert!(plain(&["completions", "bash"]).contains("nightbell"));
    assert!(json(&["completions", "zsh"])["script"].as_str().unwrap().contains("nightbell"));
    let schema: Value = serde_json::from_str(&plain(&["config", "schema"])).unwrap();
    assert!(schema["properties"]["server"].is_object());
    assert!(json(&["config", "show"])["configuration"]["route"]["receiver"] == "default");
    assert!(plain(&["--version"]).starts_with("nightbell "));
    for (what, word) in [
        ("openapi", "\"openapi\""),
        ("destinations", "slack"),
        ("sources", "webhook"),
        ("cli", "nightbell send"),
        ("metrics", "nightbell_"),
    ] {
        assert!(plain(&["gen", what]).contains(word), "{what}");
    }
}

#[test]
fn mistakes_are_told_in_a_line_with_what_would_be_right() {
    for (words, code, said) in [
        (&["incidents", "list", "--server", "http://127.0.0.1:1"][..], 1, "is it running?"),
        (&["incidents", "list", "--server", "ftp://x"], 1, "http://127.0.0.1:8440"),
        (&["kinds", "pigeon"], 1, "known are"),
        (&["check"], 1, "--config FILE"),
        (&["incidents", "ack", "nonsense"], 2, "13 characters"),
        (&["incidents", "snooze", "0000000000000", "--for", "soon"], 2, "30s, 5m"),
        (&["send"], 2, "team=db"),
        (&["send", "team"], 2, "team=db"),
        (&["send", "a=b", "--severity", "bad"], 2, "critical, error"),
        (&["route", "test", "a=b", "--at", "tomorrow"], 2, "+2h"),
        (&["silence", "add", "--for", "1h", "--comment", "x", "=~"], 2, "expected"),
        (&["serve", "--listen", "8440"], 2, "127.0.0.1:8440"),
        (&["frobnicate"], 2, "unrecognized"),
    ] {
        let output = command(words).output().unwrap();
        let text = both(&output);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {text}");
        assert!(text.contains(said), "{words:?}: {text}");
        if code == 1 {
            assert_eq!(text.trim().lines().count(), 1, "{words:?}: {text}");
        }
    }
}

#[test]
fn the_life_of_an_incident() {
    let receiver = Receiver::open();
    let hub = Hub::start(&each_at_once(&receiver.url("/hook")));
    assert!(hub.says(&["incidents", "list"]).contains("nothing is wrong"));
    let said =
        hub.says(&["send", "--severity", "critical", "--title", "Disk is full", "team=db", "host=db1"]);
    assert!(said.contains("opened"), "{said}");
    let id = sent(&hub, &["team=db", "host=db1"]);
    let list = hub.says(&["incidents", "list", "--search", "disk"]);
    assert!(list.contains(&id) && list.contains("critical") && list.contains("Disk is full"), "{list}");
    assert_eq!(hub.says_json(&["incidents", "list", "--match", "team=web"])["items"], serde_json::json!([]));

    let said = hub.says(&["incidents", "ack", &id, "--by", "bob", "--note", "on it", "--for", "2h"]);
    assert!(said.contains("acknowledged, taken by bob"), "{said}");
    assert_eq!(hub.says_json(&["incidents", "unack", &id])["state"], "open");
    let said = hub.says(&["incidents", "snooze", &id, "--for", "30m"]);
    assert!(said.contains("put off until"), "{said}");
    hub.says(&["incidents", "note", &id, "a new disk is on its way"]);
    hub.says_json(&["incidents", "note", &id, "it has come"]);
    let shown = hub.says(&["incidents", "show", &id]);
    for word in
        ["Disk is full", "acknowledged", "bob", "on it", "a new disk is on its way", "ann", "host=db1"]
    {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    assert!(hub.says_json(&["incidents", "show", &id])["timeline"].as_array().unwrap().len() > 4);
    assert_eq!(hub.says_json(&["incidents", "resolve", &id, "--note", "done"])["state"], "resolved");
    let again = hub.cli(&["incidents", "ack", &id]);
    assert!(!again.status.success() && both(&again).contains("resolved"), "{}", both(&again));
    assert!(hub.says(&["incidents", "list", "--state", "resolved"]).contains(&id));

    let explained = hub.says(&["explain", &id]);
    assert!(explained.contains("Disk is full") && explained.contains("Route {}"), "{explained}");
    assert_eq!(hub.says_json(&["explain", &id])["subject"], "incident");
}

#[test]
fn deliveries_are_shown_retried_and_buried() {
    let receiver = Receiver::with(|_| Reply::status(404));
    let hub = Hub::start(&each_at_once(&receiver.url("/hook")));
    sent(&hub, &["n=1"]);
    let dead = wait_for("a dead letter", PATIENCE, || {
        let list = hub.says_json(&["deliveries", "list", "--state", "dead"]);
        list["items"][0]["id"].as_str().map(str::to_owned)
    });
    assert!(hub.says(&["deliveries", "list"]).contains(&dead));
    let shown = hub.says(&["deliveries", "show", &dead]);
    assert!(shown.contains("404") && shown.contains("rejected"), "{shown}");
    receiver.answers(|_| Reply::status(200));
    assert!(hub.says(&["deliveries", "retry", &dead]).contains("sent again"));
    wait_for("it to be delivered", PATIENCE, || {
        let shown = hub.says_json(&["deliveries", "show", &dead]);
        (shown["state"] == "delivered").then_some(())
    });
    receiver.answers(|_| Reply::status(404));
    sent(&hub, &["n=2"]);
    let dead = wait_for("another dead letter", PATIENCE, || {
        let list = hub.says_json(&["deliveries", "list", "--state", "dead"]);
        list["items"][0]["id"].as_str().map(str::to_owned)
    });
    hub.says_json(&["deliveries", "bury", &dead, "--note", "not worth it"]);
    let shown = hub.says(&["deliveries", "show", &dead]);
    assert!(shown.contains("buried") && shown.contains("not worth it"), "{shown}");
}

#[test]
fn silences_are_made_previewed_and_ended() {
    let hub = Hub::start(&each_at_once("http://127.0.0.1:9/hook"));
    sent(&hub, &["team=db", "host=db1"]);
    sent(&hub, &["team=web", "host=web1"]);
    sent(&hub, &["team=ops", "host=ops1"]);
    let preview = hub.says(&["silence", "preview", "team=db"]);
    assert!(preview.contains("db1") || preview.contains("1 of"), "{preview}");
    assert_eq!(hub.says_json(&["silence", "preview", "team=db"])["active"].as_array().unwrap().len(), 1);
    let add = ["silence", "add", "--for", "2h", "--comment", "new disks", "team=db", "host=~\"db.*\""];
    let id = hub.says(&add).trim().to_owned();
    assert_eq!(id.len(), 36, "{id}");
    let list = hub.says(&["silence", "list"]);
    assert!(list.contains(&id) && list.contains("new disks") && list.contains("ann"), "{list}");
    assert!(hub.says(&["silence", "expire", &id]).contains("has ended"));
    assert!(!hub.says(&["silence", "list"]).contains(&id));
    let all = hub.says_json(&["silence", "list", "--state", "expired"]);
    assert_eq!(all["items"][0]["id"], id.as_str());
}

#[test]
fn a_silence_of_nearly_everything_wants_to_be_confirmed() {
    let hub = Hub::start(&each_at_once("http://127.0.0.1:9/hook"));
    for n in 0..4 {
        sent(&hub, &["team=db", &format!("n={n}")]);
    }
    let add = ["silence", "add", "--for", "2h", "--comment", "all of it", "team=~.+"];
    let refused = hub.cli(&add);
    assert!(!refused.status.success() && both(&refused).contains("--yes"), "{}", both(&refused));
    hub.says(&[&add[..], &["--yes"]].concat());
}

#[test]
fn routes_and_receivers_are_tried_out() {
    let receiver = Receiver::open();
    let toml = format!(
        "{}[[route.routes]]\nmatchers = ['team=\"web\"']\nreceiver = \"web\"\n\
         [[receivers.web.webhook]]\nurl = \"{}\"\n",
        each_at_once(&receiver.url("/ops")),
        receiver.url("/web"),
    );
    let hub = Hub::start(&toml);
    let said = hub.says(&["route", "test", "team=web", "--at", "+2h"]);
    assert!(said.contains("receiver web") && said.contains("chosen"), "{said}");
    assert_eq!(hub.says_json(&["route", "test", "team=web"])["receivers"], serde_json::json!(["web"]));
    let config = hub.config_file();
    let offline = json(&["route", "test", "team=db", "--config", &config.to_string_lossy()]);
    assert_eq!(offline["receivers"], serde_json::json!(["ops"]));
    assert!(hub.says(&["route", "list"]).contains("team=\"web\""));
    assert!(hub.says(&["receiver", "list"]).contains("web/webhook/0"));

    let said = hub.says(&["receiver", "test", "web"]);
    assert!(said.contains("web/webhook/0: delivered (200)"), "{said}");
    assert_eq!(receiver.heard()[0].path, "/web");
    receiver.answers(|_| Reply::status(401));
    let failed = hub.cli(&["receiver", "test", "web", "--json"]);
    assert_eq!(failed.status.code(), Some(1), "{}", both(&failed));
    let unknown = hub.cli(&["receiver", "test", "nobody"]);
    assert!(both(&unknown).contains("nobody"), "{}", both(&unknown));
}

#[test]
fn the_files_of_a_stopped_server_are_read_and_mended() {
    let receiver = Receiver::with(|_| Reply::status(404));
    let mut hub = Hub::start(&each_at_once(&receiver.url("/hook")));
    let id = sent(&hub, &["team=db", "--title", "Disk is full"]);
    let dead = wait_for("a dead letter", PATIENCE, || {
        let list = hub.says_json(&["deliveries", "list", "--state", "dead"]);
        list["items"][0]["id"].as_str().map(str::to_owned)
    });
    let running = hub.says_json(&["incidents", "list"]);
    let explained = hub.says_json(&["explain", &id]);
    hub.stop();
    let data = hub.data().to_string_lossy().into_owned();
    let files = |words: &[&str]| json(&[words, &["--data", &data]].concat());
    assert_eq!(files(&["incidents", "list"]), running, "the same shape, with and without a server");
    assert_eq!(files(&["explain", &id])["routes"], explained["routes"]);
    assert!(plain(&["incidents", "show", &id, "--data", &data]).contains("Disk is full"));
    files(&["deliveries", "retry", &dead]);
    files(&["deliveries", "bury", &dead]);
    assert_eq!(files(&["deliveries", "show", &dead])["state"], "buried");
    files(&["deliveries", "retry", &dead]);
    let add = ["silence", "add", "--for", "1h", "--comment", "x", "team=web"];
    let silence = files(&add)["id"].as_str().unwrap().to_owned();
    assert_eq!(files(&["silence", "list"])["items"][0]["id"], silence.as_str());
    let refused = command(&["incidents", "ack", &id, "--data", &data]).output().unwrap();
    assert!(!refused.status.success() && both(&refused).contains("running server"), "{}", both(&refused));
    receiver.answers(|_| Reply::status(200));
    hub.wake();
    receiver.wait_for("what was retried", Duration::from_secs(10), |heard| {
        heard.iter().any(|it| it.status == 200).then_some(())
    });
    assert_eq!(hub.says_json(&["silence", "list"])["items"][0]["id"], silence.as_str());
}

#[test]
fn a_long_past_is_made_up_quickly() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_string_lossy().into_owned();
    assert_eq!(json(&["bench-fill", "--data", &data, "--incidents", "2000"])["incidents"], 2000);
    let list = json(&["incidents", "list", "--state", "all", "--limit", "5", "--data", &data]);
    let id = list["items"][0]["id"].as_str().unwrap();
    assert!(list["next"].is_string());
    let explained = plain(&["explain", id, "--data", &data]);
    assert!(explained.contains("resolved") && explained.contains("delivered"), "{explained}");
}
