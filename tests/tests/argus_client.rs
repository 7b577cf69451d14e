//! Argus' own client for programs, as it is published: every call that it has, by both of its faces.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::path::Path;
use std::process::Command;

use nightbell_acceptance::{Hub, skip, tool};
use serde_json::json;

/// The Python with the client in it.
const PYTHON: &str = "NIGHTBELL_TEST_ARGUS_PYTHON";

#[test]
fn every_call_of_the_client_works_by_both_of_its_faces() {
    let Some(python) = std::env::var_os(PYTHON) else {
        skip(&format!("{PYTHON} names no Python with argus-api-client; `cargo xtask test` makes one"), false);
        return;
    };
    let hub = Hub::start("[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n");
    let source = json!({ "name": "zino", "type": "zino", "base_url": "https://zino.example.org" });
    hub.post("/api/v2/incidents/sources/", &source);
    let token = hub.post("/api/v1/users/zino/tokens", &json!({ "name": "glue" }));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("argus/client.py");
    let root = format!("{}/api/v2", hub.url());
    let mut story = Command::new(python);
    story.arg(script).arg(root).arg(token["secret"].as_str().unwrap());
    assert_eq!(tool::run(&mut story).trim(), "every call did what it should");
}
