//! What the command line can do about projects and issues: as much as the API.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use nightbell_acceptance::Hub;
use nightbell_acceptance::errors::{issues, project};
use nightbell_acceptance::http;
use serde_json::{Value, json};

const TOML: &str = "[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n";

fn report(hub: &Hub, made: &Value, n: usize, function: &str) {
    let event = json!({
        "event_id": format!("{n:032x}"), "platform": "python", "release": format!("shop@1.{n}"),
        "user": { "id": format!("u{n}") }, "tags": { "shop": if n.is_multiple_of(2) { "berlin" } else { "rome" } },
        "exception": { "values": [{ "type": "KeyError", "value": "price", "stacktrace": { "frames": [
            { "module": "shop", "function": function, "in_app": true, "context_line": "prices[name]" },
        ] } }] },
    });
    let (id, key) = (made["id"].as_str().unwrap(), made["public_key"].as_str().unwrap());
    let path = format!("/api/{id}/store/?sentry_key={key}");
    assert_eq!(http::ask(hub.address(), "POST", &path, &[], &event.to_string()).unwrap().status, 200);
}

#[test]
fn a_project_is_told_what_to_go_by() {
    let hub = Hub::start(TOML);
    project(&hub, "shop");
    hub.says(&["team", "create", "web"]);
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    std::fs::write(&rules, "error.type:KeyError -> keys\n").unwrap();
    hub.says(&[
        "project",
        "set",
        "shop",
        "--slug",
        "store",
        "--platform",
        "node",
        "--team",
        "web",
        "--origin",
        "https://shop.example",
        "--origin",
        "*.shop.example",
        "--keep-days",
        "30",
        "--keep-issues",
        "500",
        "--resolve-after-days",
        "14",
        "--scrub-field",
        "customer",
        "--scrub-pattern",
        "CUST-[0-9]+",
        "--safe-pattern",
        "email",
        "--grouping",
        &rules.display().to_string(),
    ]);
    // what is not given stays
    hub.says(&["project", "set", "store", "--keep-events", "1000", "--scrub-addresses", "true"]);
    let now = hub.get("/api/v1/projects/store");
    assert_eq!(now["allowed_origins"], json!(["https://shop.example", "*.shop.example"]));
    assert_eq!((&now["platform"], &now["resolve_after_days"]), (&json!("node"), &json!(14)));
    assert_eq!(now["keep"], json!({ "days": 30, "events": 1000, "bytes": 4_294_967_296_i64, "issues": 500 }));
    let scrub = &now["scrub"];
    assert_eq!((&scrub["fields"], &scrub["patterns"]), (&json!(["customer"]), &json!(["CUST-[0-9]+"])));
    assert_eq!((&scrub["safe_patterns"], &scrub["addresses"]), (&json!(["email"]), &json!(true)));
    assert!(now["team"].is_string() && now["grouping"].as_str().unwrap().contains("KeyError"), "{now:#}");
    let shown = hub.says(&["project", "show", "store"]);
    assert!(shown.contains("30 days, 1000 events") && shown.contains("after 14 days"), "{shown}");
    hub.says(&["project", "set", "store", "--origin", "none", "--team", "none", "--scrub-pattern", "none"]);
    let now = hub.get("/api/v1/projects/store");
    assert_eq!(
        (&now["allowed_origins"], &now["team"], &now["scrub"]["patterns"]),
        (&json!([]), &Value::Null, &json!([]))
    );
    // what cannot be is said where it stands
    for (words, why) in [
        (&["--safe-field", "password"][..], "keep_secrets"),
        (&["--scrub-pattern", "a("], "unclosed group"),
        (&["--safe-pattern", "cards"], "private_key"),
        (&["--keep-issues", "0"], "at least 1"),
        (&[], "nothing is to be changed"),
    ] {
        let output = hub.cli(&[&["project", "set", "store"], words].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why), "{words:?}: {said}");
    }
}

#[test]
fn issues_are_read_and_acted_on() {
    let hub = Hub::start(TOML);
    let (made, _) = project(&hub, "shop");
    (1..=4).for_each(|n| report(&hub, &made, n, "pay"));
    report(&hub, &made, 5, "ship");
    let id = |word: &str| issues(&hub, word)[0]["id"].as_str().unwrap().to_owned();
    let (pay, ship) = (id("pay"), id("ship"));
    let status = |id: &str| {
        let shown = hub.get(&format!("/api/v1/issues/{id}"));
        let word = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
        (word("status"), word("substatus"), word("assignee"))
    };
    let events = hub.says(&["issue", "events", &pay, "--limit", "3"]);
    assert!(
        events.contains("shop@1.4") && !events.contains("shop@1.1") && events.contains("id:u3"),
        "{events}"
    );
    let listed = hub.says_json(&["issue", "events", &pay, "--limit", "3"]);
    let cursor = listed["next"].as_str().unwrap();
    let rest = hub.says_json(&["issue", "events", &pay, "--cursor", cursor]);
    assert_eq!(rest["items"].as_array().unwrap().len(), 1, "{rest:#}");
    let oldest = rest["items"][0]["id"].as_str().unwrap();
    let shown = hub.says(&["issue", "show", &pay, "--event", oldest]);
    assert!(shown.contains(&format!("{:032x}", 1)), "{shown}");
    let tags = hub.says(&["issue", "tags", &pay, "shop"]);
    assert!(tags.contains("berlin") && tags.contains("rome") && !tags.contains("release"), "{tags}");
    let why = hub.says(&["issue", "grouping", &pay]);
    assert!(why.contains("+ function \"pay\"") && why.contains(&format!("leads to {pay}")), "{why}");
    // done and undone
    hub.says(&["issue", "resolve", &pay, &ship]);
    assert_eq!(status(&pay).0, "resolved");
    hub.says(&["issue", "unresolve", &pay, &ship]);
    assert_eq!((status(&pay).0.as_str(), status(&ship).0.as_str()), ("unresolved", "unresolved"));
    hub.says(&["issue", "ignore", &pay, "--times", "2", "--times-within", "1h"]);
    let ignored = hub.get(&format!("/api/v1/issues/{pay}"))["ignored"].clone();
    assert_eq!(
        (&ignored["times_within"]["count"], &ignored["times_within"]["span"]),
        (&json!(2), &json!("1h")),
        "{ignored}"
    );
    report(&hub, &made, 6, "pay");
    assert_eq!(status(&pay).1, "ignored");
    hub.says(&["issue", "unignore", &pay]);
    assert_ne!(status(&pay).1, "ignored");
    hub.says(&["team", "create", "web"]);
    hub.says(&["issue", "assign", "team:web", &pay]);
    assert_eq!(status(&pay).2, "team:web");
    hub.says(&["issue", "assign", "nobody", &pay]);
    assert_eq!(status(&pay).2, "");
    hub.says(&["issue", "merge", &pay, &ship]);
    assert_eq!(issues(&hub, "")[0]["times_seen"], 6);
    hub.says(&["issue", "unmerge", &pay, &ship]);
    let counts = |id: &str| {
        let shown = hub.get(&format!("/api/v1/issues/{id}"));
        (shown["times_seen"].clone(), shown["users_seen"].clone())
    };
    assert_eq!((counts(&pay), counts(&ship)), ((json!(5), json!(5)), (json!(1), json!(1))));
    hub.says(&["issue", "comment", &pay, "the price list is late again"]);
    assert!(hub.says(&["explain", &pay]).contains("the price list is late again"));
    hub.says(&["issue", "discard", &ship]);
    report(&hub, &made, 7, "ship");
    assert!(issues(&hub, "ship").is_empty(), "no more like it");
    let output = hub.cli(&["issue", "ignore", &pay, "--times-within", "1h"]);
    assert!(!output.status.success(), "within an hour of what?");
}

#[test]
fn who_looks_after_an_issue_goes_on_under_another_name_and_hands_over_when_they_go() {
    let hub = Hub::start(TOML);
    let (made, _) = project(&hub, "shop");
    report(&hub, &made, 1, "pay");
    let pay = issues(&hub, "")[0]["id"].as_str().unwrap().to_owned();
    let assignee = || hub.get(&format!("/api/v1/issues/{pay}"))["assignee"].clone();
    let ask = |method: &str, path: &str, body: &Value| {
        let answer = http::ask(hub.address(), method, path, &[], &body.to_string()).unwrap();
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
    };
    hub.says(&["team", "create", "web"]);
    hub.says(&["team", "create", "ops"]);
    hub.says(&["issue", "assign", "team:web", &pay]);
    ask("PATCH", "/api/v1/teams/web", &json!({ "name": "the \"web\"" }));
    assert_eq!(assignee(), "team:the \"web\"");
    ask("DELETE", "/api/v1/teams/the%20%22web%22?hand_over_to=team:ops", &json!({}));
    assert_eq!(assignee(), "team:ops");
    ask("DELETE", "/api/v1/teams/ops", &json!({}));
    assert_eq!(assignee(), "", "whoever is called that later has nothing to do with it");

    for name in ["ann", "bob", "cleo"] {
        ask("POST", "/api/v1/users", &json!({ "name": name, "role": "admin" }));
    }
    hub.says(&["issue", "assign", "ann", &pay]);
    ask("PATCH", "/api/v1/users/ann", &json!({ "name": "anna" }));
    assert_eq!(assignee(), "anna");
    ask("DELETE", "/api/v1/users/anna?replace_with=bob", &json!({}));
    assert_eq!(assignee(), "bob");
    ask("DELETE", "/api/v1/users/bob", &json!({}));
    assert_eq!(assignee(), "");
}
