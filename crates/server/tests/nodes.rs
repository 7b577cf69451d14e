//! What one node does, others know: who may not come in any more, and who changed settings.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use nightbell_server::auth::Peer;
use serde_json::{Value, json};
use support::{Reply, Stage};

async fn ask(stage: &Stage, token: &str) -> Reply {
    let peer = Peer("192.0.2.7:4711".parse().unwrap());
    let request = Request::builder().uri("/api/v1/incidents").extension(peer);
    let request = request.header("authorization", format!("Bearer {token}"));
    stage.send(request.body(Body::empty()).unwrap()).await
}

async fn token(stage: &Stage, user: &str) -> Value {
    stage.post(&format!("/api/v1/users/{user}/tokens"), &json!({ "name": "cli" })).await.expect(201)
}

/// Waits until a token is refused. The clock of the stages stands still, so that nothing runs out meanwhile.
async fn is_refused(stage: &Stage, token: &str) {
    for _ in 0..500 {
        stage.hub.ring();
        if ask(stage, token).await.status == 401 {
            return;
        }
        tokio::time::timeout(Duration::from_millis(20), std::future::pending::<()>()).await.unwrap_err();
    }
    panic!("it is still let in");
}

#[tokio::test]
async fn who_is_locked_out_at_one_node_is_not_remembered_at_another() {
    let one = Stage::new().await;
    let other = one.another().await;
    for name in ["ann", "bob"] {
        one.post("/api/v1/users", &json!({ "name": name, "role": "viewer" })).await.expect(201);
    }
    let (ann, bob) = (token(&one, "ann").await, token(&one, "bob").await);
    let [ann, bob_secret] = [&ann, &bob].map(|it| it["secret"].as_str().unwrap());
    for secret in [ann, bob_secret] {
        ask(&other, secret).await.expect(200);
        ask(&other, secret).await.expect(200);
    }
    one.ask("PATCH", "/api/v1/users/ann", json!({ "disabled": true }).to_string()).await.expect(200);
    is_refused(&other, ann).await;
    ask(&other, bob_secret).await.expect(200);
    one.delete(&format!("/api/v1/users/bob/tokens/{}", bob["id"].as_str().unwrap())).await;
    is_refused(&other, bob_secret).await;
}

#[tokio::test]
async fn settings_are_changed_with_the_name_and_address_of_whoever_does() {
    let stage = Stage::new().await;
    stage.post("/api/v1/plugins/nothing/restart", &json!({})).await.problem(404);
    let lines = stage.get("/api/v1/audit?action=plugin.restart").await.expect(200);
    assert_eq!(lines["items"], json!([]), "nothing was done");
}
