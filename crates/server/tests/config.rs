//! The history of the configuration, rollbacks and replays.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use serde_json::json;
use support::Stage;

#[tokio::test]
async fn what_was_in_force_is_listed_and_shown() {
    let stage = Stage::new().await;
    let history = stage.get("/api/v1/config/history").await.expect(200);
    assert_eq!((&history["items"][0]["version"], &history["next"]), (&json!(1), &json!(null)), "{history}");
    let one = stage.get("/api/v1/config/history/1").await.expect(200);
    assert_eq!((&one["version"], &one["rolled_back_to"]), (&json!(1), &json!(null)), "{one}");
    stage.get("/api/v1/config/history/2").await.problem(404);
    let said = stage.get("/api/v1/config/history/first").await.problem(400);
    assert!(said.contains("version: is not a number"), "{said}");
    let status = stage.get("/api/v1/status").await.expect(200);
    assert_eq!(status["configuration"]["of_files"], true, "{status}");
}

#[tokio::test]
async fn a_rollback_that_cannot_be_says_why() {
    let stage = Stage::new().await;
    let path = "/api/v1/config/rollback";
    let said = stage.post(path, &json!({ "version": 9 })).await.problem(404);
    assert!(said.contains("no configuration 9"), "{said}");
    let said = stage.post(path, &json!({ "version": 1, "by": "ann" })).await.problem(409);
    assert!(said.contains("it is in force"), "{said}");
    stage.post(path, &json!({ "version": "1" })).await.problem(400);
    stage.post(path, &json!({})).await.problem(400);
}

#[tokio::test]
async fn a_replay_compares_and_refuses_what_is_no_configuration() {
    let stage = Stage::new().await;
    let event = json!({ "key": "disk", "labels": { "team": "db" } });
    stage.post("/api/v1/events", &event).await.expect(200);
    stage.passes(std::time::Duration::from_secs(60));
    let path = "/api/v1/replay";
    let body = json!({ "config": "as it is", "format": "toml", "since": "1h" });
    let same = stage.post(path, &body).await.expect(200);
    assert_eq!((&same["events"], &same["items"]), (&json!(1), &json!([])), "{same}");
    assert_eq!(same["told_before"], same["told_after"], "{same}");
    let wrong = json!({ "config": "nonsense", "format": "alertmanager", "since": "1h" });
    let said = stage.post(path, &wrong).await.problem(400);
    assert!(said.contains("config: nonsense is no configuration"), "{said}");
    stage.post(path, &json!({ "config": "as it is", "format": "yaml", "since": "1h" })).await.problem(400);
    stage.post(path, &json!({ "config": "as it is", "format": "toml" })).await.problem(400);
}
