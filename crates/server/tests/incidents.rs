//! Incidents: lists, verbs, explanations, and live changes.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use support::Stage;
use tower::ServiceExt;

fn titles(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|it| it["title"].as_str().unwrap()).collect()
}

async fn filled() -> (Stage, Vec<String>) {
    let stage = Stage::new().await;
    let events = json!([
        {"title": "Disk is full", "labels": {"team": "db", "host": "db1"}, "severity": "critical"},
        {"title": "Disk is slow", "labels": {"team": "db", "host": "db2"}, "severity": "info"},
        {"title": "Page is down", "labels": {"team": "web", "host": "w1"}, "annotations": {"runbook": "See DISK-7"}},
        {"title": "over", "key": "over"}, {"key": "over", "action": "clear"},
    ]);
    let answer = stage.post("/api/v1/events", &events).await.expect(200);
    let ids =
        answer["items"].as_array().unwrap().iter().map(|it| it["incident"].as_str().unwrap().to_owned());
    let ids = ids.take(4).collect();
    (stage, ids)
}

#[tokio::test]
async fn incidents_are_found() {
    let (stage, ids) = filled().await;
    stage.post(&format!("/api/v1/incidents/{}/ack", ids[1]), &json!({})).await.expect(200);
    for (query, found) in [
        ("", &["over", "Page is down", "Disk is slow", "Disk is full"][..]),
        ("state=all", &["over", "Page is down", "Disk is slow", "Disk is full"]),
        ("state=active", &["Page is down", "Disk is slow", "Disk is full"]),
        ("state=open", &["Page is down", "Disk is full"]),
        ("state=acknowledged", &["Disk is slow"]),
        ("state=resolved", &["over"]),
        ("severity=critical", &["Disk is full"]),
        ("source=api&key=over", &["over"]),
        ("source=alertmanager", &[]),
        ("match=team%3Ddb&match=host%3D~%22.*2%22", &["Disk is slow"]),
        ("match=%7Bteam!%3D%22db%22%7D", &["over", "Page is down"]),
        ("search=DISK", &["Page is down", "Disk is slow", "Disk is full"]),
        ("search=w1", &["Page is down"]),
        ("limit=2", &["over", "Page is down"]),
    ] {
        let page = stage.get(&format!("/api/v1/incidents?{query}")).await.expect(200);
        assert_eq!(titles(&page), found, "{query}");
    }
    let page = stage.get("/api/v1/incidents?limit=3").await.expect(200);
    let rest = stage
        .get(&format!("/api/v1/incidents?limit=3&cursor={}", page["next"].as_str().unwrap()))
        .await
        .expect(200);
    assert_eq!((titles(&rest), &rest["next"]), (vec!["Disk is full"], &Value::Null));
    for (query, said) in [
        ("state=sad", "state: \"sad\" is not a state; known are all, active"),
        ("severity=9", "severity: \"9\" is not a severity"),
        ("match=x", "match[0]: at character 2"),
        ("filter=x", "filter: no such parameter; known are state"),
        ("cursor=%F0", "cursor: "),
    ] {
        let detail = stage.get(&format!("/api/v1/incidents?{query}")).await.problem(400);
        assert!(detail.starts_with(said), "{query}: {detail}");
    }
}

#[tokio::test]
async fn people_do_things_with_incidents_and_the_timeline_tells() {
    let (stage, ids) = filled().await;
    let at = |verb: &str| format!("/api/v1/incidents/{}/{verb}", ids[0]);
    let taken = stage.post(&at("ack"), &json!({"by": "ann", "note": "on it", "for": "2h"})).await.expect(200);
    assert_eq!((&taken["state"], &taken["acknowledged_by"]), (&json!("acknowledged"), &json!("ann")));
    assert_eq!(taken["acknowledged_until"], stage.at(7200));
    let back = stage.ask("POST", &at("unack"), "").await.expect(200);
    assert_eq!((&back["state"], &back["acknowledged_by"]), (&json!("open"), &Value::Null));
    let later = stage.post(&at("snooze"), &json!({"by": "ann", "until": stage.at(600)})).await.expect(200);
    assert_eq!(later["snoozed_until"], stage.at(600));
    stage.post(&at("note"), &json!({"by": "bob", "text": "new disk ordered"})).await.expect(200);
    let over = stage.post(&at("resolve"), &json!({"by": "bob", "note": "swapped"})).await.expect(200);
    assert_eq!((&over["state"], &over["resolved_at"]), (&json!("resolved"), &json!(stage.at(0))));
    stage.post(&at("resolve"), &json!({})).await.expect(200);
    let timeline = stage.get(&at("timeline")).await.expect(200);
    let lines: Vec<_> = timeline["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            format!(
                "{} {} {}",
                it["kind"].as_str().unwrap(),
                it["by"].as_str().unwrap(),
                it["detail"].as_str().unwrap()
            )
        })
        .filter(|line| !line.starts_with("suppressed") && !line.starts_with("released"))
        .collect();
    let snoozed = format!("snoozed ann {}", stage.at(600));
    let local = "unacknowledged somebody at this machine ";
    let told = [
        "opened  ",
        "acknowledged ann on it",
        local,
        &snoozed,
        "noted bob new disk ordered",
        "resolved bob swapped",
    ];
    assert_eq!(lines, told);
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let (stage, ids) = filled().await;
    let at = |n: usize, verb: &str| format!("/api/v1/incidents/{}/{verb}", ids[n]);
    for (path, body, status, said) in [
        (at(3, "ack"), json!({}), 409, "is resolved, so this cannot be done"),
        (at(3, "unack"), json!({}), 409, "is resolved"),
        (at(3, "snooze"), json!({"for": "1h"}), 409, "is resolved"),
        (at(0, "snooze"), json!({}), 400, "until: is missing"),
        (at(0, "snooze"), json!({"for": "0s"}), 400, "for: must be longer than zero"),
        (
            at(0, "snooze"),
            json!({"for": "1h", "until": "2026-06-02T00:00:00Z"}),
            400,
            "for: is given beside `until`",
        ),
        (
            at(0, "snooze"),
            json!({"until": "2026-05-01T00:00:00Z"}),
            400,
            "until: 2026-05-01T00:00:00Z has passed",
        ),
        (at(0, "ack"), json!({"until": "never"}), 400, "until: \"never\" is not a time"),
        (at(0, "ack"), json!({"who": "ann"}), 400, "who: unknown field `who`"),
        (at(0, "ack"), json!({"by": "x".repeat(5000)}), 400, "by: has 5000 bytes, the limit is 4096"),
        (at(0, "ack"), json!({"by": "\0"}), 400, "by: contains a NUL byte"),
        (at(0, "unack"), json!({"note": "x"}), 400, "note: giving back takes no note"),
        (at(0, "note"), json!({"text": " "}), 400, "text: is empty"),
        (at(0, "note"), json!({}), 400, "missing field `text`"),
        (
            at(0, "note"),
            json!({"text": "x".repeat(20_000)}),
            400,
            "text: has 20000 bytes, the limit is 16384",
        ),
        ("/api/v1/incidents/0000000000000/ack".into(), json!({}), 404, "there is no incident 0000000000000"),
        ("/api/v1/incidents/nothing/ack".into(), json!({}), 400, "id: \"nothing\" is not an id"),
    ] {
        let detail = stage.post(&path, &body).await.problem(status);
        assert!(detail.contains(said), "{path} {body:.80}: {detail}");
    }
    for path in ["/api/v1/incidents/0000000000000", "/api/v1/incidents/0000000000000/timeline"] {
        stage.get(path).await.problem(404);
    }
    assert!(stage.get("/api/v1/incidents/%FF").await.problem(400).contains("UTF-8"));
    stage.ask("PATCH", "/api/v1/incidents", "").await.problem(405);
}

#[tokio::test]
async fn everything_explains_itself() {
    let (mut stage, ids) = filled().await;
    stage.message().await;
    let path = format!("/api/v1/deliveries?state=delivered&incident={}", ids[0]);
    let told = stage.until(&path, |page| page["items"].as_array().unwrap().len() == 2).await;
    let incident = stage.get(&format!("/api/v1/explain/{}", ids[0])).await.expect(200);
    assert_eq!((&incident["subject"], &incident["receivers"]), (&json!("incident"), &json!(["db", "web"])));
    assert_eq!(incident["deliveries"][0]["attempts"][0]["answer"], "thanks");
    let text = incident["text"].as_array().unwrap();
    assert!(
        text.iter().any(|line| line.as_str().unwrap().contains("\"Disk is full\" is open, critical")),
        "{text:?}"
    );
    assert_eq!(stage.get(&format!("/api/v1/incidents/{}/explain", ids[0])).await.expect(200), incident);
    let delivery =
        stage.get(&format!("/api/v1/explain/{}", told["items"][0]["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(
        (&delivery["subject"], &delivery["incident"]["title"]),
        (&json!("delivery"), &json!("Disk is full"))
    );
    let events = stage.get(&format!("/api/v1/events?incident={}", ids[3])).await.expect(200);
    let clear = stage
        .get(&format!("/api/v1/explain/{}", events["items"][0]["id"].as_str().unwrap()))
        .await
        .expect(200);
    assert_eq!((&clear["subject"], &clear["event"]["verdict"]), (&json!("event"), &json!("resolved")));
    let question = json!({"labels": {"team": "web"}, "severity": "page"});
    let labels = stage.post("/api/v1/explain", &question).await.expect(200);
    assert_eq!((&labels["subject"], &labels["receivers"]), (&json!("labels"), &json!(["web"])));
    stage.get("/api/v1/explain/0000000000000").await.problem(404);
    assert!(stage.post("/api/v1/explain", &json!({})).await.problem(400).contains("missing field `labels`"));
}

#[tokio::test]
async fn changes_are_sent_as_they_happen() {
    let stage = Stage::new().await;
    let request =
        stage.request("GET", "/api/v1/live?match=team%3Ddb").body(axum::body::Body::empty()).unwrap();
    let response = stage.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut events = response.into_body().into_data_stream();
    let mut next = async || {
        let next = tokio::time::timeout(Duration::from_secs(10), events.next()).await.unwrap();
        next.map(|bytes| String::from_utf8(bytes.unwrap().to_vec()).unwrap())
    };
    assert_eq!(next().await.unwrap(), "event: ready\ndata: {}\n\n");
    stage.incident(json!({"team": "web"})).await;
    let id = stage.incident(json!({"team": "db"})).await;
    let sent = next().await.unwrap();
    let data = sent.strip_prefix("event: incident\ndata: ").unwrap();
    let update: Value = serde_json::from_str(data.trim()).unwrap();
    assert_eq!((&update["incident"]["id"], &update["changes"]), (&json!(id), &json!(["opened"])));
    stage.post(&format!("/api/v1/incidents/{id}/ack"), &json!({"by": "ann"})).await.expect(200);
    assert!(next().await.unwrap().contains("\"changes\":[\"acknowledged\"]"));
    stage.get("/api/v1/live?match=x").await.problem(400);
}
