//! Somebody asks the command line why they were not told, of a hub that runs and of one that does not.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use nightbell_acceptance::hub::{alert, each_at_once};
use nightbell_acceptance::{Hub, Receiver};
use serde_json::json;

#[test]
fn why_somebody_was_told_or_not_is_said_event_by_event() {
    let receiver = Receiver::open();
    let mut hub = Hub::start(&each_at_once(&receiver.url("/hook")));
    hub.post("/api/v1/users", &json!({"name": "ann", "role": "responder"}));
    let own = |kind: &str, name: &str, spec: serde_json::Value| {
        let made = hub.post(&format!("/api/v1/{kind}"), &json!({"name": name, "owner": "ann", "spec": spec}));
        made["id"].clone()
    };
    let slot = own("timeslots", "always", json!({"windows": [{}]}));
    let filter = own("filters", "web", json!({"tags": ["team=web"]}));
    let url = json!({"kind": "webhook", "settings": {"url": receiver.url("/ann")}});
    let place = own("destinations", "pager", url);
    own(
        "profiles",
        "work",
        json!({"timeslot": slot, "filters": [filter], "destinations": [place], "active": true}),
    );
    hub.alerts(&[
        alert(&[("alertname", "Disk"), ("team", "db")]),
        alert(&[("alertname", "Net"), ("team", "web")]),
    ]);
    hub.wait_delivered(2);
    let id_of = |name: &str| {
        let all = hub.get(&format!("/api/v1/incidents?match=alertname%3D{name}"));
        all["items"][0]["id"].as_str().unwrap().to_owned()
    };
    let (disk, net) = (id_of("Disk"), id_of("Net"));
    let said = hub.says(&["explain", &disk, "--user", "ann"]);
    assert!(said.contains("Profile \"work\": no filter takes it: \"web\" (tags:"), "{said}");
    let said = hub.says(&["explain", &net, "--user", "ann", "--at", "2100-01-01T00:00:00Z"]);
    assert!(said.contains("filter \"web\" takes it") && said.contains("nobody has confirmed yet"), "{said}");
    let nobody = hub.cli(&["explain", &net, "--user", "nobody"]);
    assert!(!nobody.status.success());
    hub.stop();
    let data = hub.data();
    let said = hub.says(&["explain", &disk, "--user", "ann", "--data", data.to_str().unwrap()]);
    assert!(said.contains("no filter takes it"), "{said}");
}
