//! Projects: the command line makes them, on a running server and on the files of a stopped one.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use nightbell_acceptance::Hub;
use nightbell_acceptance::hub::command;
use nightbell_acceptance::tool::both;
use serde_json::Value;

const TOML: &str = "[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n";

#[test]
fn a_project_is_made_with_a_dsn_that_leads_to_the_hub() {
    let mut hub = Hub::start(TOML);
    let made: Value =
        serde_json::from_str(&hub.says(&["project", "create", "shop", "--platform", "python", "--json"]))
            .unwrap();
    let (key, address) = (made["public_key"].as_str().unwrap(), hub.address());
    assert_eq!((made["id"].as_str(), made["slug"].as_str()), (Some("1"), Some("shop")));
    assert!(key.len() == 32 && key.bytes().all(|it| it.is_ascii_hexdigit()), "{key}");
    assert_eq!(made["dsn"], format!("http://{key}@{address}/1"));
    let said = hub.says(&["project", "create", "web", "--platform", "javascript"]);
    assert!(said.contains("/2\n") && said.contains("@sentry/browser"), "{said}");
    let second = hub.says(&["project", "key", "create", "shop", "--label", "workers", "--rate", "600/60"]);
    let shown = hub.says(&["project", "show", "shop"]);
    assert!(shown.contains(second.trim()) && shown.contains("600 events in 60 seconds"), "{shown}");
    hub.says(&["project", "key", "revoke", "shop", key]);
    let shown = hub.get("/api/v1/projects/shop");
    assert_ne!(shown["public_key"], key, "the one that is good");
    let log = hub.get("/api/v1/audit");
    let actions: Vec<&str> =
        log["items"].as_array().unwrap().iter().map(|it| it["action"].as_str().unwrap()).collect();
    for action in ["project.create", "project_key.create", "project_key.revoke"] {
        assert!(actions.contains(&action), "{actions:?}");
    }
    // the same on the files of a stopped server
    hub.stop();
    let data = hub.data().display().to_string();
    let run = |words: &[&str]| {
        let output = command(&[words, &["--data", &data]].concat()).output().unwrap();
        (output.status.success(), both(&output))
    };
    let (done, said) = run(&["project", "list"]);
    assert!(done && said.contains("shop") && said.contains("web"), "{said}");
    let (done, said) = run(&["project", "create", "shop"]);
    assert!(!done && said.contains("there is a project \"shop\" already"), "{said}");
    let (done, said) = run(&["project", "create", "jobs", "--platform", "ruby"]);
    assert!(done && said.contains("/3\n") && said.contains("sentry-ruby"), "{said}");
    let (done, said) = run(&["project", "delete", "web"]);
    assert!(done, "{said}");
}
