//! Logging in by a provider of identities, against a small one that signs what a test wants it to.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/provider.rs"]
mod provider;
mod support;

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Request;
use model::account::Role;
use nightbell_server::Options;
use nightbell_server::auth::Peer;
use nightbell_server::oidc::Settings;
use provider::{Provider, Wish};
use serde_json::{Value, json};
use support::{Reply, Stage};

fn settings(provider: &Provider) -> Settings {
    Settings {
        issuer: provider.issuer(),
        client_id: "bell".into(),
        client_secret: Some(sdk::Secret::new("client-hush")),
        scopes: vec!["profile".into(), "email".into()],
        name_claim: "preferred_username".into(),
        full_name_claim: "name".into(),
        email_claim: "email".into(),
        groups_claim: "groups".into(),
        roles: BTreeMap::from([("ops".to_owned(), Role::Responder), ("bosses".to_owned(), Role::Admin)]),
        default_role: None,
        create_users: true,
        link_by_name: false,
        label: "the company".into(),
    }
}

async fn stage(settings: Settings) -> Stage {
    Stage::with(Options { oidc: Some(settings), ..Options::default() }).await
}

async fn get(stage: &Stage, path: &str, cookie: &str) -> Reply {
    let peer = Peer("192.0.2.7:4711".parse().unwrap());
    let mut request = Request::builder().uri(path).extension(peer);
    if !cookie.is_empty() {
        request = request.header("cookie", cookie);
    }
    stage.send(request.body(Body::empty()).unwrap()).await
}

fn cookies(reply: &Reply) -> Vec<String> {
    let all = reply.headers.get_all("set-cookie").iter();
    all.map(|it| it.to_str().unwrap().split(';').next().unwrap().to_owned()).collect()
}

/// A login that has set out: what the browser keeps, and what the provider was asked.
struct Out {
    cookie: String,
    asked: BTreeMap<String, String>,
}

async fn set_out(stage: &Stage) -> Out {
    let reply = get(stage, "/auth/oidc/start", "").await;
    assert_eq!(reply.status, 303, "{}", reply.text());
    let url = reply.header("location").to_owned();
    let (_, query) = url.split_once('?').unwrap();
    let asked = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    Out { cookie: cookies(&reply)[0].clone(), asked }
}

/// A whole login, of whoever the provider says it is.
async fn log_in(stage: &Stage, provider: &Provider, wish: Wish) -> Reply {
    let out = set_out(stage).await;
    let code = provider.confirm(&out.asked, wish);
    let path = format!("/auth/oidc/callback?code={code}&state={}", out.asked["state"]);
    get(stage, &path, &out.cookie).await
}

fn ann() -> Value {
    json!({
        "sub": "4711", "preferred_username": "ann", "name": "Ann B.", "email": "ann@example.org",
        "groups": ["ops", "others"],
    })
}

#[track_caller]
fn session(reply: &Reply) -> String {
    assert_eq!(reply.status, 303, "{}", reply.text());
    cookies(reply).into_iter().find(|it| it.starts_with("nightbell=")).unwrap()
}

#[tokio::test]
async fn who_the_provider_knows_is_let_in_as_their_groups_say() {
    let provider = Provider::start();
    let stage = stage(settings(&provider)).await;
    assert!(get(&stage, "/login", "").await.text().contains("Log in by the company"));
    let out = set_out(&stage).await;
    assert_eq!(out.asked["code_challenge_method"], "S256");
    assert_eq!(out.asked["scope"], "openid profile email");
    assert!(out.asked["redirect_uri"].ends_with("/auth/oidc/callback"));
    for wish in [Wish::rs256(ann()), Wish::es256(ann())] {
        let cookie = session(&log_in(&stage, &provider, wish).await);
        let me = get(&stage, "/api/v1/session", &cookie).await.expect(200);
        let user = &me["user"];
        assert_eq!((user["name"].as_str(), user["role"].as_str()), (Some("ann"), Some("responder")));
        assert_eq!(
            (user["full_name"].as_str(), user["email"].as_str()),
            (Some("Ann B."), Some("ann@example.org"))
        );
    }
    let users = stage.get("/api/v1/users").await.expect(200);
    assert_eq!(users["items"].as_array().unwrap().len(), 1, "who came twice is one");
    // another group, another role; an address that nobody verified is nobody's
    let mut promoted = ann();
    promoted["groups"] = json!("bosses");
    promoted["preferred_username"] = json!("renamed");
    promoted["email"] = json!("evil@example.org");
    promoted["email_verified"] = json!(false);
    session(&log_in(&stage, &provider, Wish::rs256(promoted)).await);
    let user = stage.get("/api/v1/users/ann").await.expect(200);
    assert_eq!((user["role"].as_str(), user["email"].as_str()), (Some("admin"), Some("ann@example.org")));
    let lines = stage.get("/api/v1/audit?action=user").await.expect(200);
    let actions: Vec<_> = lines["items"].as_array().unwrap().iter().map(|it| it["action"].clone()).collect();
    assert_eq!(actions, ["user.update", "user.update", "user.identify", "user.create"]);
}

#[tokio::test]
async fn a_word_that_does_not_hold_lets_nobody_in() {
    let provider = Provider::start();
    let stage = stage(settings(&provider)).await;
    let with = |field: &str, value: Value| {
        let mut claims = ann();
        claims[field] = value;
        Wish::rs256(claims)
    };
    let wishes = [
        ("another nonce", with("nonce", json!("other"))),
        ("another issuer", with("iss", json!("https://evil.example.org"))),
        ("another audience", with("aud", json!("other"))),
        ("one audience too many", with("aud", json!(["bell", "other"]))),
        ("ended", with("exp", json!(provider.now() - 3600))),
        ("from the future", with("iat", json!(provider.now() + 3600))),
        ("not signed", Wish::unsigned(ann())),
        ("signed with the secret that we have, too", Wish::hs256(ann(), "client-hush")),
        ("signed by somebody else", Wish::forged(ann())),
        ("another access token", with("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA"))),
    ];
    for (what, wish) in wishes {
        let reply = log_in(&stage, &provider, wish).await;
        assert_eq!(reply.status, 403, "{what}: {}", reply.text());
        assert!(!cookies(&reply).iter().any(|it| it.starts_with("nightbell=")), "{what}");
    }
    assert_eq!(stage.get("/api/v1/users").await.expect(200)["items"], json!([]));
    session(&log_in(&stage, &provider, Wish::rs256(ann())).await);
}

#[tokio::test]
async fn a_login_ends_where_it_began_and_once() {
    let provider = Provider::start();
    let stage = stage(settings(&provider)).await;
    let out = set_out(&stage).await;
    let code = provider.confirm(&out.asked, Wish::rs256(ann()));
    let path = format!("/auth/oidc/callback?code={code}&state={}", out.asked["state"]);
    assert_eq!(get(&stage, &path, "").await.status, 400, "another browser");
    let other = set_out(&stage).await;
    assert_eq!(get(&stage, &path, &other.cookie).await.status, 400, "another login");
    session(&get(&stage, &path, &out.cookie).await);
    assert_eq!(get(&stage, &path, &out.cookie).await.status, 400, "a second time");
    let late = set_out(&stage).await;
    let code = provider.confirm(&late.asked, Wish::rs256(ann()));
    stage.passes(nightbell_server::limits::OIDC_LOGIN_TIME);
    let path = format!("/auth/oidc/callback?code={code}&state={}", late.asked["state"]);
    assert_eq!(get(&stage, &path, &late.cookie).await.status, 400, "too late");
    let refused = get(&stage, "/auth/oidc/callback?error=%3Cb%3Edenied", "").await;
    assert!(refused.status == 403 && refused.text().contains("&lt;b&gt;denied"), "{}", refused.text());
}

#[tokio::test]
async fn the_configuration_says_who_becomes_a_user() {
    let provider = Provider::start();
    let stage = stage(Settings { create_users: false, link_by_name: true, ..settings(&provider) }).await;
    assert_eq!(log_in(&stage, &provider, Wish::rs256(ann())).await.status, 403, "nobody made them");
    stage.post("/api/v1/users", &json!({"name": "ann", "role": "viewer"})).await.expect(201);
    session(&log_in(&stage, &provider, Wish::rs256(ann())).await);
    assert_eq!(stage.get("/api/v1/users/ann").await.expect(200)["role"], "responder");
    // who has a password here is nobody's to take over
    let local = json!({ "name": "root", "role": "admin", "password": "correct horse battery" });
    stage.post("/api/v1/users", &local).await.expect(201);
    let mut thief = ann();
    thief["sub"] = json!("666");
    thief["preferred_username"] = json!("root");
    assert_eq!(log_in(&stage, &provider, Wish::rs256(thief)).await.status, 409);
    let mut stranger = ann();
    stranger["groups"] = json!(["others"]);
    assert_eq!(log_in(&stage, &provider, Wish::rs256(stranger)).await.status, 403, "none of their groups");
    stage.ask("PATCH", "/api/v1/users/ann", r#"{"disabled":true}"#).await.expect(200);
    assert_eq!(log_in(&stage, &provider, Wish::rs256(ann())).await.status, 403, "disabled");
}

#[tokio::test]
async fn a_password_works_whatever_becomes_of_the_provider() {
    let provider = Provider::start();
    let stage = stage(settings(&provider)).await;
    let local = json!({ "name": "root", "role": "admin", "password": "correct horse battery" });
    stage.post("/api/v1/users", &local).await.expect(201);
    drop(provider);
    assert_eq!(get(&stage, "/auth/oidc/start", "").await.status, 503);
    let login = json!({ "name": "root", "password": "correct horse battery" });
    stage.post("/api/v1/session", &login).await.expect(200);
}

#[tokio::test]
async fn without_a_provider_there_is_no_such_way_in() {
    let stage = Stage::new().await;
    assert_eq!(get(&stage, "/auth/oidc/start", "").await.status, 404);
    assert!(!get(&stage, "/login", "").await.text().contains("/auth/oidc"));
}

#[tokio::test]
async fn a_login_that_begins_at_one_node_ends_at_another_and_once() {
    let provider = Provider::start();
    let one = stage(settings(&provider)).await;
    let other = one.another().await;
    let out = set_out(&one).await;
    let code = provider.confirm(&out.asked, Wish::rs256(ann()));
    let path = format!("/auth/oidc/callback?code={code}&state={}", out.asked["state"]);
    session(&get(&other, &path, &out.cookie).await);
    assert_ne!(get(&one, &path, &out.cookie).await.status, 303, "nobody ends it twice");
    let late = set_out(&one).await;
    other.passes(std::time::Duration::from_secs(601));
    let code = provider.confirm(&late.asked, Wish::rs256(ann()));
    let path = format!("/auth/oidc/callback?code={code}&state={}", late.asked["state"]);
    assert!(get(&other, &path, &late.cookie).await.text().contains("took too long"));
}
