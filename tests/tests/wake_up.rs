//! Somebody is woken: by the first channel, by the second, then the next person, who takes it by the link in a mail.
//! Each of them can be told afterwards why they were called, or were not.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use nightbell_acceptance::hub::alert;
use nightbell_acceptance::{Hub, MailHost, PATIENCE, Receiver, http, wait_for};
use serde_json::{Value, json};

/// A hub that mails, and pages by a policy.
fn start(mail: &MailHost) -> Hub {
    Hub::start_exactly(&format!(
        "[server]\nallow_anonymous_loopback = true\nexternal_url = \"http://bell.example\"\n\
         [outbound]\nallow_private = true\n\
         [incidents]\nresolve_timeout = \"1h\"\n[route]\nreceiver = \"nobody\"\nescalate = \"db\"\n\
         [[receivers.nobody.inbox]]\n[defaults.email]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
         from = \"bell@example.org\"\n",
        mail.smtp
    ))
}

/// Somebody's own, confirmed, way to be told something.
fn way(hub: &Hub, owner: &str, name: &str, url: &str) -> Value {
    let spec = json!({ "kind": "webhook", "settings": { "url": url } });
    let made = hub.post("/api/v1/destinations", &json!({ "name": name, "owner": owner, "spec": spec }));
    let path = format!("/api/v1/destinations/{}/verification", made["id"].as_str().unwrap());
    assert_eq!(hub.ask("PUT", &path, "{}").status, 200);
    made["id"].clone()
}

/// Ann, who is called at once and soon again elsewhere; Bob, who gets a mail when she does not answer; and Cleo, who
/// would be next an hour later.
fn people(hub: &Hub, pager: &str, phone: &str) {
    for name in ["ann", "bob", "cleo"] {
        let mut user = json!({ "name": name, "role": "responder" });
        if name != "ann" {
            user["email"] = format!("{name}@example.org").into();
        }
        hub.post("/api/v1/users", &user);
    }
    let (pager, phone) = (way(hub, "ann", "pager", pager), way(hub, "ann", "phone", phone));
    let calls = json!([{ "destination": pager }, { "after": "1s", "destination": phone }]);
    let reach = json!({ "rules": { "high": calls } });
    hub.post("/api/v1/reach", &json!({ "name": "mine", "owner": "ann", "spec": reach }));
    let user = |name: &str| json!([{ "kind": "user", "name": name }]);
    let steps = json!([
        { "targets": user("ann") },
        { "after": "2s", "targets": user("bob") },
        { "after": "1h", "targets": user("cleo") },
    ]);
    hub.post("/api/v1/policies", &json!({ "name": "db", "owner": "everybody", "spec": { "steps": steps } }));
}

#[test]
fn who_does_not_answer_is_called_again_then_the_next_one_who_takes_it_by_the_link() {
    let (mail, ann) = (MailHost::open(), Receiver::open());
    let mut hub = start(&mail);
    people(&hub, &ann.url("/pager"), &ann.url("/phone"));
    hub.alerts(&[alert(&[("alertname", "Disk"), ("severity", "critical")])]);
    let heard = ann.wait_count(2, PATIENCE);
    assert_eq!(heard.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(), ["/pager", "/phone"]);
    let told = mail.wait_for("bob@example.org", 0);
    let link = told.after("Acknowledge: http://bell.example").to_owned();
    assert!(link.starts_with("/ack/"), "{}", told.text);

    let incident = || hub.get("/api/v1/incidents?match=alertname%3DDisk")["items"][0].clone();
    let shown = http::ask(hub.address(), "GET", &link, &[], "").unwrap();
    assert!(shown.status == 200 && shown.body.contains("You act as <b>bob</b>"), "{}", shown.body);
    assert_eq!(incident()["state"], "open", "whatever looks at mails takes nothing");
    let taken = http::ask(hub.address(), "POST", &link, &[], "note=on+my+way").unwrap();
    assert_eq!(taken.status, 200, "{}", taken.body);
    let taken = wait_for("Bob to have it", PATIENCE, || {
        Some(incident()).filter(|it| it["state"] == "acknowledged" && it["acknowledged_by"] == "bob")
    });

    let id = taken["id"].as_str().unwrap().to_owned();
    let why = |hub: &Hub, name: &str| hub.says(&["explain", &id, "--user", name]);
    let (anns, bobs, cleos) = (why(&hub, "ann"), why(&hub, "bob"), why(&hub, "cleo"));
    assert_eq!(anns.matches(": paged: ann by step 1 of policy db").count(), 1, "{anns}");
    for name in ["pager", "phone"] {
        assert!(anns.contains(&format!("called at {name:?} by message")), "by which ways: {anns}");
    }
    assert!([&anns, &bobs, &cleos].iter().all(|said| said.contains(": taken by bob.")), "{cleos}");
    assert_eq!(bobs.matches(": paged: bob by step 2 of policy db").count(), 1, "{bobs}");
    assert!(cleos.contains("Policy \"db\" pages by step 3") && !cleos.contains(": paged:"), "{cleos}");
    // nobody is called any more, not even by a hub that was killed and looks at all of it anew
    hub.kill_and_wake();
    assert_eq!((ann.heard().len(), mail.to("bob@example.org").len()), (2, 1));
    assert_eq!(mail.to("cleo@example.org").len(), 0);
    assert_eq!(why(&hub, "bob").matches(": paged:").count(), 1);
}
