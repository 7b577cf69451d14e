//! The link in a message: who reads it takes what it is about, and programs that look at mails take nothing.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use axum::body::Body;
use axum::http::Request;
use nightbell_server::auth::Peer;
use sdk::Message;
use serde_json::{Value, json};
use support::connectors::mailbox;
use support::{Reply, Stage};
use tokio::sync::mpsc::UnboundedReceiver;

/// Ann, who hears of everything by mail.
async fn ann(stage: &Stage, role: &str) -> UnboundedReceiver<Message> {
    // each test has an address of its own
    let address = format!("ann.{}@example.org", stage.folder.path().file_name().unwrap().to_string_lossy());
    let mail = mailbox(&address);
    let user = json!({ "name": "ann", "role": role, "email": address });
    stage.post("/api/v1/users", &user).await.expect(201);
    let places = stage.get("/api/v1/destinations?owner=ann").await.expect(200);
    let place = places["items"][0].clone();
    assert_eq!(place["spec"]["managed"], true, "{places}");
    assert!(place["spec"]["verified_at"].is_string(), "who is sure of it has said so: {place}");
    let make = async |kind: &str, spec: Value| {
        let body = json!({ "name": "mine", "owner": "ann", "spec": spec });
        stage.post(&format!("/api/v1/{kind}"), &body).await.expect(201)["id"].clone()
    };
    let slot = make("timeslots", json!({ "windows": [{}] })).await;
    let filter = make("filters", json!({ "maxlevel": 5 })).await;
    let spec =
        json!({ "timeslot": slot, "filters": [filter], "destinations": [place["id"]], "active": true });
    make("profiles", spec).await;
    mail
}

/// With where people reach the hub.
async fn stage() -> Stage {
    let stage = Stage::new().await;
    let live = stage.hub.core.live();
    let mut rules = live.rules.clone();
    rules.external_url = "https://bell.example.org".to_owned();
    stage.hub.core.set_live(flow::Live {
        kinds: live.kinds.clone(),
        accounts: live.accounts.clone(),
        places: live.places.clone(),
        version: live.version,
        ..flow::Live::bare(rules)
    });
    stage
}

async fn next(mail: &mut UnboundedReceiver<Message>) -> Message {
    tokio::time::timeout(std::time::Duration::from_secs(10), mail.recv()).await.unwrap().unwrap()
}

fn link(message: &Message) -> String {
    let first = &message.actions[0];
    assert_eq!(first.title, "Acknowledge");
    first.url.strip_prefix("https://bell.example.org").unwrap().to_owned()
}

async fn state(stage: &Stage, incident: &str) -> Value {
    stage.get(&format!("/api/v1/incidents/{incident}")).await.expect(200)
}

/// As a browser does it, from elsewhere and without having logged in.
async fn visit(stage: &Stage, method: &str, path: &str, form: &str) -> Reply {
    let peer: std::net::SocketAddr = "192.0.2.7:4711".parse().unwrap();
    let request = Request::builder().method(method).uri(path).extension(Peer(peer));
    let request = request.header("host", "bell.example.org").header("origin", "https://bell.example.org");
    stage.send(request.body(Body::from(form.to_owned())).unwrap()).await
}

#[tokio::test]
async fn the_link_shows_when_looked_at_and_takes_when_asked_to_once() {
    let stage = stage().await;
    let mut mail = ann(&stage, "responder").await;
    let incident = stage.incident(json!({ "alertname": "<Disk>", "severity": "critical" })).await;
    let link = link(&next(&mut mail).await);
    for method in ["GET", "HEAD", "GET"] {
        let seen = visit(&stage, method, &link, "").await;
        assert_eq!(seen.status.as_u16(), 200, "{}", seen.text());
        assert_eq!(
            (seen.header("cache-control"), seen.header("referrer-policy")),
            ("no-store", "same-origin")
        );
        let text = seen.text();
        assert!(
            method == "HEAD" || (text.contains("You act as <b>ann</b>") && text.contains("&lt;Disk&gt;")),
            "{text}"
        );
    }
    assert_eq!(state(&stage, &incident).await["state"], "open", "looking takes nothing");
    let wrong = visit(&stage, "POST", &link, "for=soon").await;
    assert_eq!(wrong.status.as_u16(), 400);
    assert!(
        wrong.text().contains("is not a span of time") && wrong.text().contains("<form"),
        "{}",
        wrong.text()
    );
    let taken = visit(&stage, "POST", &link, "note=on+my+way&for=2h").await;
    assert_eq!(taken.status.as_u16(), 200, "{}", taken.text());
    let now = state(&stage, &incident).await;
    assert_eq!((&now["state"], &now["acknowledged_by"]), (&json!("acknowledged"), &json!("ann")));
    assert_eq!(now["acknowledged_until"], json!("2026-06-01T14:00:00Z"), "{now}");
    for (method, status) in [("POST", 409), ("GET", 409)] {
        assert_eq!(visit(&stage, method, &link, "").await.status.as_u16(), status, "it is good once");
    }
    let audit = stage.get("/api/v1/audit?action=incident.acknowledge").await.expect(200);
    let line = &audit["items"][0];
    assert_eq!(
        (&line["actor"]["name"], &line["after"]["note"]),
        (&json!("ann"), &json!("on my way")),
        "{line}"
    );
    assert!(!audit.to_string().contains(link.rsplit('/').next().unwrap()));
}

#[tokio::test]
async fn nobody_takes_anything_by_a_link_that_is_not_theirs_any_more() {
    let stage = stage().await;
    let mut mail = ann(&stage, "responder").await;
    let incident = stage.incident(json!({ "alertname": "Disk", "severity": "critical" })).await;
    let link = link(&next(&mut mail).await);
    assert_eq!(visit(&stage, "POST", "/ack/AAAA", "").await.status.as_u16(), 404);
    let foreign = Request::builder().method("POST").uri(&link).header("host", "bell.example.org");
    let foreign = foreign.header("origin", "https://evil.example").body(Body::empty()).unwrap();
    assert_eq!(stage.send(foreign).await.status.as_u16(), 403, "a page elsewhere cannot press the button");
    stage.ask("PATCH", "/api/v1/users/ann", json!({ "disabled": true }).to_string()).await.expect(200);
    for method in ["GET", "POST"] {
        assert_eq!(visit(&stage, method, &link, "").await.status.as_u16(), 404, "she is locked out");
    }
    assert_eq!(state(&stage, &incident).await["state"], "open");
}

#[tokio::test]
async fn who_may_only_look_gets_no_link() {
    let stage = stage().await;
    let mut mail = ann(&stage, "viewer").await;
    stage.incident(json!({ "alertname": "Disk", "severity": "critical" })).await;
    let message = next(&mut mail).await;
    assert!(message.actions.iter().all(|it| it.title != "Acknowledge") && message.answers.is_none());
}

#[tokio::test]
async fn who_responds_for_a_team_takes_what_is_the_teams_by_the_link() {
    let stage = stage().await;
    let mut mail = ann(&stage, "viewer").await;
    for team in ["db", "web"] {
        stage.post("/api/v1/teams", &json!({ "name": team })).await.expect(201);
    }
    let role = json!({ "role": "responder" }).to_string();
    stage.ask("PUT", "/api/v1/teams/db/members/ann", role).await.expect(200);
    // she hears of everything, by a profile of her own, and what is the web people's is not hers to take
    let steps = json!([{ "targets": [{ "kind": "receiver", "name": "all" }] }]);
    for team in ["db", "web"] {
        let policy = json!({ "name": team, "owner": format!("team:{team}"), "spec": { "steps": steps } });
        stage.post("/api/v1/policies", &policy).await.expect(201);
    }
    let live = stage.hub.core.live();
    let mut rules = live.rules.clone();
    let mut web = rules.root.children[1].clone();
    web.matchers = model::matcher::Matchers(model::matcher::parse_list(r#"zone="web""#).unwrap());
    (rules.root.escalate, web.escalate) = (Some("db".to_owned()), Some("web".to_owned()));
    rules.root.children = vec![web];
    let accounts = live.accounts.clone();
    let live = flow::Live::new(rules, Vec::new(), &live.kinds).unwrap();
    stage.hub.reload(flow::Live { accounts, kinds: stage.app.kinds(), ..live }).await.unwrap();

    let theirs = stage.incident(json!({ "alertname": "Disk", "severity": "critical" })).await;
    let taken = visit(&stage, "POST", &link(&next(&mut mail).await), "note=mine").await;
    assert_eq!(taken.status.as_u16(), 200, "{}", taken.text());
    assert_eq!(state(&stage, &theirs).await["acknowledged_by"], "ann");
    let others = stage.incident(json!({ "alertname": "Web", "zone": "web", "severity": "critical" })).await;
    let mut message = next(&mut mail).await;
    while message.answers.is_none() {
        // that she has taken the first
        message = next(&mut mail).await;
    }
    let refused = visit(&stage, "POST", &link(&message), "").await;
    assert_eq!(refused.status.as_u16(), 403, "{}", refused.text());
    assert_eq!(state(&stage, &others).await["state"], "open");
}

#[tokio::test]
async fn the_ledger_does_not_tell_the_link() {
    let mut stage = stage().await;
    let mut mail = ann(&stage, "responder").await;
    let incident = stage.incident(json!({ "alertname": "Disk", "severity": "critical" })).await;
    let token = link(&next(&mut mail).await).rsplit('/').next().unwrap().to_owned();
    assert!(stage.message().await.answers.is_none(), "what goes to nobody in particular cannot be answered");
    let told = |it: &Value| it["items"].as_array().unwrap().len() == 2;
    let deliveries = stage.until("/api/v1/deliveries?state=delivered", told).await;
    let explained = stage.get(&format!("/api/v1/explain/{incident}")).await.text();
    for text in [deliveries.to_string(), explained] {
        assert!(!text.contains(&token));
    }
}
