//! Overrides and defaults of kinds, laid over a file: what is taken, what is refused, and what is shown.

#![expect(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

mod kinds;

use std::path::Path;

use nightbell_config::overrides::Change;
use nightbell_config::{Config, ConfigError, Format, Overrides, ShowAs, Source, load_overridden};
use serde_json::{Value, json};

const FILE: &str = "[route]\nreceiver = \"ops\"\n[defaults.webhook]\nformat = \"nightbell\"\nsend_resolved = false\n\
    bearer_token = \"by-default\"\n[[receivers.ops.webhook]]\nurl = \"http://a.example/secret-path\"\n\
    [[receivers.ops.webhook]]\nurl = \"http://b.example/\"\nformat = \"alertmanager\"\n";

fn over(changes: &[(&str, &str, Value)]) -> Overrides {
    let mut all = Overrides::default();
    for (section, element, json) in changes {
        let map = |name: &str| json[name].as_object().cloned().unwrap_or_default();
        let add = map("add").into_iter().map(|(name, it)| (name, it.as_object().cloned().unwrap()));
        let change =
            Change { set: map("set").into_iter().collect(), add: add.collect(), ..Change::default() };
        all = all.changed(section, element, &change).map_err(|bad| format!("{bad:?}")).unwrap().0;
    }
    all
}

fn load(changes: &[(&str, &str, Value)]) -> Result<Config, String> {
    let source =
        Source { name: "it.toml", text: FILE, directory: Path::new("/nowhere"), format: Format::Toml };
    load_overridden(source, [], &over(changes), &kinds::registry()).map_err(|error| match error {
        ConfigError::Invalid(invalid) => invalid.to_string(),
        other => other.to_string(),
    })
}

#[test]
fn defaults_go_where_a_destination_says_nothing() {
    let config = load(&[]).unwrap();
    let [first, second] = &*config.rules.receivers["ops"].destinations else { panic!("two") };
    assert_eq!(
        (&first.settings["format"], &second.settings["format"]),
        (&json!("nightbell"), &json!("alertmanager"))
    );
    assert_eq!(first.settings["bearer_token"], "by-default");
    assert!(!first.manners.send_resolved && !second.manners.send_resolved);
    assert_eq!(config.defaults.get("webhook").unwrap()["format"], "nightbell");
    let shown = config.show(ShowAs::Toml);
    assert!(
        shown.contains("format = \"nightbell\" # it.toml:4:") && !shown.contains("by-default"),
        "{shown}"
    );
    let changed = load(&[("defaults", "webhook", json!({"set": {"format": "alertmanager"}}))]).unwrap();
    assert_eq!(changed.rules.receivers["ops"].destinations[0].settings["format"], "alertmanager");
}

#[test]
fn overrides_go_before_the_file_and_show_where_they_are_from() {
    let config = load(&[
        ("receivers", "ops/webhook/0", json!({"set": {"url": "http://c.example/hush", "timeout": "3s"}})),
        ("receivers", "", json!({"add": {"ops/webhook/2": {"url": "http://d.example/"}, "ops/inbox/0": {}}})),
        ("incidents", "", json!({"set": {"flapping.times": 4}})),
        ("defaults", "slack", json!({"set": {"channel": "#ops"}})),
    ])
    .unwrap();
    let ids: Vec<&str> = config.rules.receivers["ops"].destinations.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["ops/webhook/0", "ops/webhook/1", "ops/webhook/2", "ops/inbox/0"]);
    let first = &config.rules.receivers["ops"].destinations[0];
    assert_eq!(
        (&first.settings["url"], first.manners.timeout.as_secs()),
        (&json!("http://c.example/hush"), 3)
    );
    assert_eq!(config.rules.flapping.times, 4);
    let shown = config.show(ShowAs::Toml);
    assert!(shown.contains("timeout = \"3s\" # override") && !shown.contains("hush"), "{shown}");
}

#[test]
fn what_makes_no_sense_with_the_file_is_told_with_its_place() {
    for (section, element, json, says) in [
        ("receivers", "ops/webhook/0", json!({"set": {"ulr": "x"}}), "ulr: unknown key; did you mean `url`?"),
        (
            "receivers",
            "ops/webhook/7",
            json!({"set": {"url": "x"}}),
            "there is none in the file to be overridden",
        ),
        ("receivers", "opps/webhook/0", json!({"set": {"url": "x"}}), "did you mean `ops`?"),
        ("receivers", "ops", json!({"set": {"url": "x"}}), "such as ops/slack/0"),
        (
            "receivers",
            "",
            json!({"add": {"ops/webhook/1": {"url": "http://x.example"}}}),
            "is in the file, too",
        ),
        (
            "receivers",
            "",
            json!({"add": {"ops/webhook/3": {"url": "http://x.example"}}}),
            "there are only 2 before",
        ),
        ("receivers", "", json!({"add": {"ops/wehbook/0": {}}}), "did you mean `webhook`?"),
        (
            "receivers",
            "ops/webhook/0",
            json!({"set": {"url": {"file": "/etc/shadow"}}}),
            "gives the secret itself",
        ),
        ("receivers", "ops/webhook/0", json!({"set": {"url": {"env": "HOME"}}}), "gives the secret itself"),
        ("receivers", "ops/webhook/0", json!({"set": {"url": "<secret>"}}), "leave it out to keep"),
        ("receivers", "ops/webhook/0", json!({"set": {"url.x": 1}}), "x would be in a text"),
        ("defaults", "wbhook", json!({"set": {"url": "x"}}), "did you mean `webhook`?"),
        ("incidents", "", json!({"set": {"reopen_within": "soon"}}), "incidents.reopen_within"),
        ("integrations", "ci", json!({"set": {"kind": "webhook"}}), "there is none in the file"),
        ("plugins", "foo", json!({"set": {"url": "x"}}), "plugins.settings.foo: unknown key"),
    ] {
        let problem = load(&[(section, element, json)]).err().unwrap_or_default();
        assert!(problem.contains(says) && problem.contains("override: "), "{section}/{element}: {problem:?}");
    }
}
