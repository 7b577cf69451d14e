//! A replay shows what another configuration would have told, and tells nobody.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use nightbell_acceptance::hub::{alert, each_at_once};
use nightbell_acceptance::{Hub, PATIENCE, Receiver, hub, tool};

/// The same routing, but that the database team has a receiver of its own. Its secret is nowhere.
const OTHER: &str = "
route:
  receiver: ops
  group_by: ['...']
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 4h
  routes: [{receiver: db, matchers: ['team=\"db\"']}]
receivers:
- {name: ops, webhook_configs: [{url_file: /nowhere/url}]}
- {name: db, webhook_configs: [{url_file: /nowhere/url}]}
";

#[test]
fn a_changed_configuration_is_compared_with_the_one_in_force() {
    let receiver = Receiver::open();
    let mut hub = Hub::start(&each_at_once(&receiver.url("/hook")));
    hub.alerts(&[
        alert(&[("alertname", "A"), ("team", "db")]),
        alert(&[("alertname", "B"), ("team", "web")]),
    ]);
    receiver.wait_count(2, PATIENCE);
    let other = hub.folder().join("new.yml");
    std::fs::write(&other, OTHER).unwrap();
    let other = other.to_str().unwrap().to_owned();
    let words = ["replay", "--since", "1h", "--config", &other];

    let answer = hub.says_json(&words);
    let counts = ["events", "told_before", "told_after", "new", "gone", "moved"].map(|it| answer[it].clone());
    assert_eq!(counts, [2, 2, 2, 1, 1, 0].map(serde_json::Value::from), "{answer}");
    let items = answer["items"].as_array().unwrap();
    let told: Vec<_> =
        items.iter().map(|it| (it["change"].as_str().unwrap(), it["receiver"].as_str().unwrap())).collect();
    assert_eq!(told, [("new", "db"), ("gone", "ops")]);
    assert!(items.iter().all(|it| it["group"]["team"] == "db"), "{answer}");

    let text = hub.says(&words);
    assert!(text.contains("1 new, 1 gone, 0 at another time"), "{text}");
    let strict = hub.cli(&[&words[..], &["--fail-on-difference"]].concat());
    assert_eq!(strict.status.code(), Some(1), "{}", tool::both(&strict));

    // the file in force makes no difference
    let own = hub.config_file().to_str().unwrap().to_owned();
    let same = hub.says_json(&["replay", "--config", &own, "--fail-on-difference"]);
    assert_eq!(same["items"], serde_json::json!([]), "{same}");
    assert_eq!(receiver.heard().len(), 2, "a replay tells nobody");

    // and the same on the files of a stopped server
    assert!(hub.stop().success());
    let data = hub.data().to_str().unwrap().to_owned();
    let output = hub::command(&["replay", "--config", &other, "--data", &data, "--json"]).output().unwrap();
    let offline: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((offline["new"].as_i64(), offline["gone"].as_i64()), (Some(1), Some(1)), "{offline}");
}

#[test]
fn a_wrong_configuration_is_refused_with_its_lines() {
    let receiver = Receiver::open();
    let hub = Hub::start(&each_at_once(&receiver.url("/hook")));
    let other = hub.folder().join("new.toml");
    std::fs::write(&other, "[route]\nreceiver = \"nobody\"\n").unwrap();
    let output = hub.cli(&["replay", "--config", other.to_str().unwrap()]);
    let said = tool::both(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("nobody") && said.contains(":2:"), "{said}");
}
