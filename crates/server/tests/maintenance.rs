//! Planned maintenance, previews and explanations for people over our API.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use serde_json::{Value, json};
use support::Stage;

fn window(change: Value) -> Value {
    let mut spec = json!({
        "description": "new disks", "starts_at": "2026-06-01T11:00:00Z", "ends_at": "2026-06-01T14:00:00Z",
        "filters": [{ "tags": ["team=db"] }],
    });
    for (name, value) in change.as_object().unwrap() {
        spec[name] = value.clone();
    }
    spec
}

async fn make(stage: &Stage, kind: &str, name: &str, spec: Value) -> Value {
    let body = json!({ "name": name, "owner": "everybody", "spec": spec });
    stage.post(&format!("/api/v1/{kind}"), &body).await.expect(201)
}

#[tokio::test]
async fn what_would_match_is_seen_before_and_too_much_has_to_be_meant() {
    let stage = Stage::new().await;
    for (name, team) in [("Disk", "db"), ("Fan", "db"), ("Net", "web"), ("Rack", "web"), ("Door", "web")] {
        stage.incident(json!({ "alertname": name, "team": team })).await;
    }
    let filter = json!({ "spec": { "tags": ["team=db"] } });
    let seen = stage.post("/api/v1/filters/preview", &filter).await.expect(200);
    assert_eq!(
        (&seen["active_count"], &seen["active_total"], &seen["last_week"]),
        (&json!(2), &json!(5), &json!(2))
    );
    assert_eq!(seen["needs_confirmation"], false);
    let kept = make(&stage, "filters", "db", json!({ "tags": ["team=db"] })).await;
    let by_id = stage.post("/api/v1/profiles/preview", &json!({ "filters": [kept["id"]] })).await.expect(200);
    assert_eq!(by_id["active"], seen["active"], "one evaluator for all");
    let maintenance = async |spec: Value| {
        stage.post("/api/v1/maintenance/preview", &json!({ "spec": spec })).await.expect(200)
    };
    let narrow = maintenance(window(json!({ "filter_ids": [kept["id"]] }))).await;
    assert_eq!((&narrow["active_count"], &narrow["needs_confirmation"]), (&json!(2), &json!(false)));
    let broad = window(json!({ "filters": [{ "tags": ["team=web"] }] }));
    assert_eq!(maintenance(broad.clone()).await["needs_confirmation"], true);
    let refused = json!({ "name": "broad", "owner": "everybody", "spec": broad });
    let refused = stage.post("/api/v1/maintenance", &refused).await;
    assert_eq!(refused.json()["errors"][0]["path"], "spec.guard_percent");
    let why = refused.problem(400);
    assert!(why.contains("it covers 3 of 5") && why.contains("50 %"), "{why}");
    let mut meant = broad;
    meant["guard_percent"] = 60.into();
    let made = make(&stage, "maintenance", "broad", meant.clone()).await;
    // what covers no more than before is not asked again, though all that is open is covered by now
    meant["ends_at"] = "2026-06-01T15:00:00Z".into();
    let path = format!("/api/v1/maintenance/{}", made["id"].as_str().unwrap());
    let patched = json!({ "spec": meant });
    stage.ask("PATCH", &path, patched.to_string()).await.expect(200);
    for (path, body, field) in [
        ("/api/v1/filters/preview", json!({ "spec": { "maxlevel": 9 } }), "spec.maxlevel"),
        ("/api/v1/profiles/preview", json!({ "filters": ["00000000000zz"] }), "filters"),
        ("/api/v1/maintenance/preview", json!({ "spec": window(json!({ "filters": [] })) }), "spec.filters"),
    ] {
        let reply = stage.post(path, &body).await;
        assert_eq!(reply.json()["errors"][0]["path"], field);
        reply.problem(400);
    }
}

#[tokio::test]
async fn what_was_open_is_guarded_as_it_stood_then() {
    let stage = Stage::new().await;
    for name in ["Disk", "Fan", "Net", "Rack"] {
        let id = stage.incident(json!({ "alertname": name })).await;
        stage.post(&format!("/api/v1/incidents/{id}/resolve"), &json!({})).await.expect(200);
    }
    let all = window(json!({ "filters": [{ "open": true }] }));
    let seen = stage.post("/api/v1/maintenance/preview", &json!({ "spec": all })).await.expect(200);
    assert_eq!(
        [&seen["active_count"], &seen["last_week"], &seen["last_week_total"], &seen["needs_confirmation"]],
        [&json!(0), &json!(4), &json!(4), &json!(true)]
    );
    let broad = json!({ "name": "broad", "owner": "everybody", "spec": all });
    let why = stage.post("/api/v1/maintenance", &broad).await.problem(400);
    assert!(why.contains("it covers 4 of 4"), "{why}");
    let filter = json!({ "spec": { "open": true, "acked": false } });
    let seen = stage.post("/api/v1/filters/preview", &filter).await.expect(200);
    assert_eq!((&seen["active_count"], &seen["last_week"]), (&json!(0), &json!(4)));
}

#[tokio::test]
async fn maintenance_that_has_begun_keeps_its_start_and_collects_where_that_is_said() {
    let stage = Stage::new().await;
    let made = make(&stage, "maintenance", "disks", window(json!({ "mode": "collect" }))).await;
    assert_eq!(made["spec"]["mode"], "collect");
    let path = format!("/api/v1/maintenance/{}", made["id"].as_str().unwrap());
    let other_start = json!({ "spec": window(json!({ "starts_at": "2026-06-01T10:00:00Z" })) });
    let reply = stage.ask("PATCH", &path, other_start.to_string()).await;
    assert_eq!(reply.json()["errors"][0]["path"], "spec.starts_at");
    reply.problem(400);
    stage.delete(&path).await.problem(409);
    let ended = json!({ "spec": window(json!({ "ends_at": "2026-06-01T12:00:00Z" })) });
    stage.ask("PATCH", &path, ended.to_string()).await.expect(200);
}

#[tokio::test]
async fn an_incident_is_explained_to_a_person() {
    let stage = Stage::new().await;
    stage.post("/api/v1/users", &json!({ "name": "ann", "role": "responder" })).await.expect(201);
    let filter = make(&stage, "filters", "web", json!({ "tags": ["team=web"] })).await;
    let own = |kind: &str, name: &str, spec: Value| {
        (format!("/api/v1/{kind}"), json!({ "name": name, "owner": "ann", "spec": spec }))
    };
    let (path, body) = own("timeslots", "always", json!({ "windows": [{}] }));
    let slot = stage.post(&path, &body).await.expect(201);
    let spec =
        json!({ "timeslot": slot["id"], "filters": [filter["id"]], "destinations": [], "active": true });
    let (path, body) = own("profiles", "work", spec);
    stage.post(&path, &body).await.expect(201);
    let id = stage.incident(json!({ "alertname": "Disk", "team": "db" })).await;
    let said = stage.get(&format!("/api/v1/incidents/{id}/explain?user=ann")).await.expect(200);
    let person = &said["person"];
    assert_eq!((&person["user"], &person["moments"][0]["event"]), (&json!("ann"), &json!("STA")));
    let profile = &person["moments"][0]["profiles"][0];
    assert_eq!((&profile["name"], &profile["verdict"]), (&json!("work"), &json!("no_filter_fits")));
    assert_eq!(
        (&profile["filters"][0]["name"], &profile["filters"][0]["miss"]),
        (&json!("web"), &json!("tag"))
    );
    assert!(said["text"].to_string().contains("no destination of their own"), "{said}");
    let then = stage.get(&format!("/api/v1/explain/{id}?user=ann&at=2026-05-01T00:00:00Z")).await.expect(200);
    assert_eq!(then["person"]["moments"], json!([]));
    assert!(stage.get(&format!("/api/v1/explain/{id}")).await.expect(200).get("person").is_none());
    stage.get(&format!("/api/v1/explain/{id}?user=bob")).await.problem(400);
    stage.get(&format!("/api/v1/explain/{id}?at=2026-05-01T00:00:00Z")).await.problem(400);
    stage.get(&format!("/api/v1/explain/{id}?user=ann&at=soon")).await.problem(400);
    stage.get("/api/v1/explain/00000000000zz?user=ann").await.problem(404);
}
