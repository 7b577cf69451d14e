//! Who may do what.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use nightbell_server::Options;
use nightbell_server::auth::Peer;
use serde_json::{Value, json};
use support::{Reply, Stage};

/// A request from elsewhere, with these headers.
async fn from(stage: &Stage, peer: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::builder().method(method).uri(path).extension(Peer(peer.parse().unwrap()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if method == "POST" { Body::from(r#"{"key":"a"}"#) } else { Body::empty() };
    stage.send(request.body(body).unwrap()).await
}

async fn token(stage: &Stage, scopes: &[&str]) -> Value {
    stage.post("/api/v1/tokens", &json!({"name": "bot", "scopes": scopes})).await.expect(201)
}

fn bearer(token: &Value) -> String {
    format!("Bearer {}", token["secret"].as_str().unwrap())
}

const ELSEWHERE: &str = "192.0.2.7:4711";
const HERE: &str = "[::1]:4711";

#[tokio::test]
async fn without_a_token_only_this_very_machine_is_answered() {
    let stage = Stage::new().await;
    let status = "/api/v1/status";
    for peer in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        from(&stage, peer, "GET", status, &[]).await.expect(200);
    }
    let refused = from(&stage, ELSEWHERE, "GET", status, &[]).await;
    assert_eq!(refused.header("www-authenticate"), "Bearer realm=\"nightbell\"");
    let said = refused.problem(401);
    assert!(said.contains("only requests from this very machine to localhost are answered"), "{said}");
    let forwarded = from(&stage, HERE, "GET", status, &[("x-forwarded-for", "192.0.2.7")]).await.problem(401);
    assert!(
        forwarded.contains("was forwarded by a proxy (it has the header x-forwarded-for)"),
        "{forwarded}"
    );
    from(&stage, HERE, "GET", status, &[("forwarded", "for=192.0.2.7")]).await.problem(401);
    // what somebody's page, or a name that points here, could do
    let rebound = from(&stage, HERE, "GET", status, &[("host", "evil.example.com:8440")]).await.problem(401);
    assert!(rebound.contains("evil.example.com"), "{rebound}");
    from(&stage, HERE, "GET", status, &[("host", "localhost:8440")]).await.expect(200);
    let headers = [("host", "localhost:8440"), ("origin", "http://evil.example.com")];
    from(&stage, HERE, "POST", "/api/v1/events", &headers).await.problem(403);
    from(&stage, HERE, "POST", "/api/v1/events", &[("sec-fetch-site", "cross-site")]).await.problem(403);
    let own = [("host", "localhost:8440"), ("origin", "http://localhost:8440")];
    from(&stage, HERE, "POST", "/api/v1/events", &own).await.expect(200);
    // a request without a known peer is from nowhere near
    let nobody = Request::builder().uri(status).body(Body::empty()).unwrap();
    stage.send(nobody).await.problem(401);
}

#[tokio::test]
async fn some_doors_are_open() {
    let stage = Stage::with(Options { allow_anonymous_loopback: false, ..Options::default() }).await;
    for path in ["/", "/-/healthy", "/-/ready", "/api/v1/openapi.json"] {
        assert_eq!(from(&stage, ELSEWHERE, "GET", path, &[]).await.status, 200, "{path}");
    }
    let said = from(&stage, HERE, "GET", "/metrics", &[]).await.problem(401);
    assert!(said.starts_with("a token is needed") && !said.contains("this very machine"), "{said}");
    from(&stage, ELSEWHERE, "GET", "/nowhere", &[]).await.problem(404);
    assert!(from(&stage, ELSEWHERE, "GET", "/", &[]).await.text().contains("Every request needs"));
}

#[tokio::test]
async fn a_token_allows_what_its_scopes_say() {
    let stage = Stage::new().await;
    let may = async |scopes: &[&str], method: &str, path: &str| {
        let token = token(&stage, scopes).await;
        from(&stage, ELSEWHERE, method, path, &[("authorization", &bearer(&token))]).await.status.as_u16()
            != 403
    };
    for (scopes, reads, ingests, responds, rules) in [
        (&["read"][..], true, false, false, false),
        (&["ingest"], false, true, false, false),
        (&["respond"], true, false, true, false),
        (&["read", "ingest"], true, true, false, false),
        (&["admin"], true, true, true, true),
    ] {
        assert_eq!(may(scopes, "GET", "/api/v2/alerts").await, reads, "{scopes:?}");
        assert_eq!(may(scopes, "HEAD", "/api/v1/incidents").await, reads, "{scopes:?}");
        assert_eq!(may(scopes, "POST", "/api/v1/events").await, ingests, "{scopes:?}");
        assert_eq!(may(scopes, "POST", "/api/v2/alerts").await, ingests, "{scopes:?}");
        assert_eq!(may(scopes, "GET", "/api/v1/heartbeats/backup").await, ingests, "{scopes:?}");
        assert_eq!(may(scopes, "DELETE", "/api/v2/silence/x").await, responds, "{scopes:?}");
        assert_eq!(may(scopes, "GET", "/api/v1/tokens").await, rules, "{scopes:?}");
        assert_eq!(may(scopes, "POST", "/-/reload").await, rules, "{scopes:?}");
    }
    let token = token(&stage, &["read"]).await;
    let said = from(&stage, ELSEWHERE, "POST", "/api/v1/events", &[("authorization", &bearer(&token))])
        .await
        .problem(403);
    assert_eq!(said, "token \"bot\" lacks the scope ingest, which this needs");
}

#[tokio::test]
async fn tokens_come_in_two_ways_and_bad_ones_are_told_apart() {
    let stage = Stage::new().await;
    let token = token(&stage, &["read"]).await;
    let secret = token["secret"].as_str().unwrap();
    let basic = |user: &str, password: &str| {
        let both = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        format!("Basic {both}")
    };
    let ask = async |value: String| {
        from(&stage, ELSEWHERE, "GET", "/api/v1/status", &[("authorization", &value)]).await
    };
    ask(format!("bearer  {secret} ")).await.expect(200);
    ask(basic("anybody", secret)).await.expect(200);
    ask(basic("", secret)).await.expect(200);
    for (value, said) in [
        ("Bearer nb_wrong".to_owned(), "is not known here"),
        (format!("Bearer {}x", secret), "is not known here"),
        ("Bearer hunter2".to_owned(), "tokens of this server begin with nb_"),
        ("Bearer".to_owned(), "tokens of this server begin with nb_"),
        ("Basic !!".to_owned(), "holds no user:password in base64"),
        ("Digest x".to_owned(), "the scheme \"digest\""),
        (secret.to_owned(), "the scheme"),
    ] {
        let detail = ask(value.clone()).await.problem(401);
        assert!(detail.contains(said), "{value}: {detail}");
        assert!(!detail.contains(secret));
    }
    // even here, a wrong token is not the same as none
    from(&stage, HERE, "GET", "/api/v1/status", &[("authorization", "Bearer nb_wrong")]).await.problem(401);
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked() {
    let stage = Stage::new().await;
    let made = token(&stage, &["respond", "read", "read"]).await;
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("nb_") && secret.len() >= 3 + 27, "{secret}");
    assert_eq!((&made["name"], &made["scopes"]), (&json!("bot"), &json!(["read", "respond"])));
    let listed = stage.get("/api/v1/tokens").await;
    assert!(!listed.text().contains(secret));
    let listed = listed.expect(200);
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["revoked_at"]), (&made["id"], &Value::Null));
    let ask =
        async || from(&stage, ELSEWHERE, "GET", "/api/v1/status", &[("authorization", &bearer(&made))]).await;
    ask().await.expect(200);
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    let revoked = stage.delete(&path).await.expect(200);
    assert_eq!(revoked["revoked_at"], stage.at(0));
    ask().await.problem(401);
    stage.delete(&path).await.expect(200);
    stage.delete("/api/v1/tokens/0000000000000").await.problem(404);
    for (body, said) in [
        (json!({"name": "", "scopes": ["read"]}), "name: is empty"),
        (
            json!({"name": "x", "scopes": []}),
            "scopes: is empty: known are read, ingest, respond, manage, admin",
        ),
        (json!({"name": "x", "scopes": ["write"]}), "scopes[0]: unknown variant `write`"),
        (json!({"name": "x"}), "scopes: is empty"),
        (json!({"name": "x", "scopes": ["read"], "expires_at": stage.at(-1)}), "expires_at: "),
    ] {
        let detail = stage.post("/api/v1/tokens", &body).await.problem(400);
        assert!(detail.contains(said), "{body}: {detail}");
    }
}

#[tokio::test]
async fn a_token_ends_when_it_says() {
    let stage = Stage::new().await;
    let made = stage
        .post("/api/v1/tokens", &json!({"name": "bot", "scopes": ["read"], "for": "1h"}))
        .await
        .expect(201);
    let ask =
        async || from(&stage, ELSEWHERE, "GET", "/api/v1/status", &[("authorization", &bearer(&made))]).await;
    stage.passes(Duration::from_secs(3599));
    ask().await.expect(200);
    stage.passes(Duration::from_secs(1));
    ask().await.problem(401);
}

#[tokio::test]
async fn pages_of_other_sites_may_read_with_a_token_where_alertmanager_lets_them() {
    let stage = Stage::new().await;
    let token = bearer(&token(&stage, &["admin"]).await);
    let origin = ("origin", "https://dash.example.org");
    let read = from(&stage, ELSEWHERE, "GET", "/api/v2/alerts", &[origin, ("authorization", &token)]).await;
    assert_eq!((read.status.as_u16(), read.header("access-control-allow-origin")), (200, "*"));
    let asked = [
        origin,
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization"),
    ];
    let preflight = from(&stage, ELSEWHERE, "OPTIONS", "/api/v2/alerts", &asked).await;
    assert_eq!(
        (preflight.status.as_u16(), preflight.header("access-control-allow-methods")),
        (204, "GET, HEAD")
    );
    let asked = [origin, ("access-control-request-method", "DELETE")];
    let preflight = from(&stage, ELSEWHERE, "OPTIONS", "/api/v2/silence/x", &asked).await;
    assert_eq!(preflight.header("access-control-allow-origin"), "");
    let ours =
        from(&stage, ELSEWHERE, "GET", "/api/v1/incidents", &[origin, ("authorization", &token)]).await;
    assert_eq!(ours.header("access-control-allow-origin"), "");
    from(&stage, HERE, "GET", "/api/v2/alerts", &[origin]).await.problem(403);
}
