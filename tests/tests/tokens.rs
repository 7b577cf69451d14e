//! Who may do what: no token, a token of too little, one that has ended, one that was revoked.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use nightbell_acceptance::hub::{alert, command};
use nightbell_acceptance::tool::both;
use nightbell_acceptance::{Hub, PATIENCE, http, wait_for};
use serde_json::json;
use tempfile::TempDir;

const TOML: &str =
    "[server]\nallow_anonymous_loopback = false\n[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n";

/// A hub that lets nobody in without a token, and one for an admin that was made before it started.
fn closed_hub() -> (Hub, String) {
    let folder = tempfile::tempdir().unwrap();
    let admin = create_offline(&folder);
    let config = folder.path().join("nightbell.toml");
    std::fs::write(&config, TOML).unwrap();
    let mut hub = Hub::prepare(folder, &["--config", &config.to_string_lossy()]);
    hub.wake();
    (hub, admin)
}

fn create_offline(folder: &TempDir) -> String {
    let data = folder.path().join("data");
    let output = command(&["token", "create", "me", "--data", &data.to_string_lossy()]).output().unwrap();
    assert!(output.status.success(), "{}", both(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn status(hub: &Hub, token: &str, method: &str, path: &str, body: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let headers = if token.is_empty() { vec![] } else { vec![("Authorization", bearer.as_str())] };
    http::ask(hub.address(), method, path, &headers, body).unwrap().status
}

fn create(hub: &Hub, admin: &str, words: &[&str]) -> String {
    let output = hub_command(hub, admin, &[&["token", "create"], words].concat());
    assert!(output.status.success(), "{}", both(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn hub_command(hub: &Hub, token: &str, words: &[&str]) -> std::process::Output {
    command(words).env("NIGHTBELL_SERVER", hub.url()).env("NIGHTBELL_TOKEN", token).output().unwrap()
}

#[test]
fn nobody_is_let_in_without_a_token_but_to_see_whether_it_runs() {
    let (hub, admin) = closed_hub();
    let alerts = json!([alert(&[("alertname", "A")])]).to_string();
    for (method, path, body) in [
        ("GET", "/api/v1/incidents", ""),
        ("POST", "/api/v2/alerts", alerts.as_str()),
        ("POST", "/api/v1/events", "{\"key\": \"a\"}"),
        ("POST", "/-/reload", ""),
        ("GET", "/api/v1/tokens", ""),
        ("GET", "/metrics", ""),
    ] {
        assert_eq!(status(&hub, "", method, path, body), 401, "{method} {path}");
        assert_eq!(status(&hub, "nb_guessed", method, path, body), 401, "{method} {path}");
        assert_eq!(status(&hub, &admin, method, path, body), 200, "{method} {path}");
    }
    assert_eq!(status(&hub, "", "GET", "/-/healthy", ""), 200);
    let output = hub_command(&hub, "", &["incidents", "list"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(both(&output).contains("NIGHTBELL_TOKEN"), "{}", both(&output));
}

#[test]
fn a_token_does_what_its_scopes_say_and_no_more() {
    let (hub, admin) = closed_hub();
    let read = create(&hub, &admin, &["reader", "--scope", "read"]);
    let ingest = create(&hub, &admin, &["sender", "--scope", "ingest"]);
    let respond = create(&hub, &admin, &["person", "--scope", "respond"]);
    let event = "{\"key\": \"a\", \"title\": \"It hurts\"}";
    assert_eq!(status(&hub, &read, "POST", "/api/v1/events", event), 403);
    assert_eq!(status(&hub, &ingest, "POST", "/api/v1/events", event), 200);
    assert_eq!(status(&hub, &ingest, "GET", "/api/v1/incidents", ""), 403);
    assert_eq!(status(&hub, &respond, "GET", "/api/v1/incidents", ""), 200);
    let shown = hub_command(&hub, &read, &["incidents", "list", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    let ack = format!("/api/v1/incidents/{}/ack", shown["items"][0]["id"].as_str().unwrap());
    assert_eq!(status(&hub, &read, "POST", &ack, "{}"), 403);
    assert_eq!(status(&hub, &respond, "POST", &ack, "{}"), 200);
    assert_eq!(status(&hub, &respond, "GET", "/api/v1/tokens", ""), 403);
    assert_eq!(status(&hub, &respond, "POST", "/-/reload", ""), 403);
}

#[test]
fn a_token_ends_when_it_said_and_when_it_is_revoked() {
    let (mut hub, admin) = closed_hub();
    let short = create(&hub, &admin, &["short", "--scope", "read", "--expires", "1s"]);
    let long = create(&hub, &admin, &["long", "--scope", "read"]);
    assert_eq!(status(&hub, &long, "GET", "/api/v1/incidents", ""), 200);
    wait_for("the short one to end", PATIENCE, || {
        (status(&hub, &short, "GET", "/api/v1/incidents", "") == 401).then_some(())
    });
    let listed = hub_command(&hub, &admin, &["token", "list", "--json"]);
    let text = String::from_utf8(listed.stdout).unwrap();
    assert!(!text.contains(&long) && !text.contains(&admin), "a list shows tokens: {text}");
    let listed: serde_json::Value = serde_json::from_str(&text).unwrap();
    let of_name =
        |name: &str| listed["items"].as_array().unwrap().iter().find(|it| it["name"] == name).cloned();
    let id = of_name("long").unwrap()["id"].as_str().unwrap().to_owned();
    assert!(hub_command(&hub, &admin, &["token", "revoke", &id]).status.success());
    assert_eq!(status(&hub, &long, "GET", "/api/v1/incidents", ""), 401);
    // it stays so, and the others stay good
    hub.kill_and_wake();
    assert_eq!(status(&hub, &long, "GET", "/api/v1/incidents", ""), 401);
    assert_eq!(status(&hub, &admin, "GET", "/api/v1/incidents", ""), 200);
}

#[test]
fn tokens_are_in_no_log_and_not_in_the_files() {
    let (mut hub, admin) = closed_hub();
    assert_eq!(status(&hub, &admin, "GET", "/api/v1/incidents", ""), 200);
    assert!(!hub.log().contains(&admin), "{}", hub.log());
    hub.stop();
    for entry in std::fs::read_dir(hub.data()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(admin.len()).any(|it| it == admin.as_bytes()), "a token is kept in the clear");
    }
}

#[test]
fn a_command_for_the_files_of_a_running_hub_says_what_to_do() {
    let (hub, _) = closed_hub();
    let output = command(&["token", "list", "--data", &hub.data().to_string_lossy()]).output().unwrap();
    let said = both(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("in use") && said.contains("leave out --data"), "{said}");
    let nowhere = command(&["incidents", "list", "--data", "/nowhere"]).output().unwrap();
    assert!(both(&nowhere).contains("no nightbell.db"), "{}", both(&nowhere));
    assert!(!std::path::Path::new("/nowhere").exists());
}
