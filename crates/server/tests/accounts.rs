//! Users, sessions, invitations, teams, tokens of users, and the audit log of what is done to them.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use nightbell_server::auth::Peer;
use nightbell_server::limits::{LOGINS_BY_ADDRESS, LOGINS_BY_NAME, SESSION_IDLE};
use serde_json::{Value, json};
use support::{Reply, Stage};

const ELSEWHERE: &str = "192.0.2.7:4711";
const PASSWORD: &str = "correct horse battery";

/// A request from elsewhere, with these headers.
async fn ask(stage: &Stage, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Reply {
    from(stage, ELSEWHERE, method, path, headers, body).await
}

async fn from(
    stage: &Stage,
    peer: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Value,
) -> Reply {
    let mut request = Request::builder().method(method).uri(path).extension(Peer(peer.parse().unwrap()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    stage.send(request.header("host", "bell:8440").body(body).unwrap()).await
}

async fn user(stage: &Stage, name: &str, role: &str) -> Value {
    let body = json!({ "name": name, "role": role, "password": PASSWORD });
    stage.post("/api/v1/users", &body).await.expect(201)
}

/// Logs in from elsewhere; gives the cookie.
async fn log_in(stage: &Stage, name: &str) -> String {
    let reply = ask(stage, "POST", "/api/v1/session", &[], json!({"name": name, "password": PASSWORD})).await;
    let cookie = reply.header("set-cookie").to_owned();
    reply.expect(200);
    cookie.split(';').next().unwrap().to_owned()
}

/// Does something as a page of this server would.
async fn with(stage: &Stage, cookie: &str, method: &str, path: &str, body: Value) -> Reply {
    ask(stage, method, path, &[("cookie", cookie), ("origin", "http://bell:8440")], body).await
}

async fn audit(stage: &Stage, query: &str) -> Vec<Value> {
    let page = stage.get(&format!("/api/v1/audit?{query}")).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_user_logs_in_is_known_by_the_cookie_and_logs_out() {
    let stage = Stage::new().await;
    let ann = user(&stage, "Ann", "responder").await;
    assert_eq!((ann["has_password"].as_bool(), ann.get("password")), (Some(true), None));
    let reply =
        ask(&stage, "POST", "/api/v1/session", &[], json!({"name": "aNN", "password": PASSWORD})).await;
    let set = reply.header("set-cookie").to_owned();
    assert!(set.starts_with("nightbell=") && set.contains("; Path=/; "), "{set}");
    assert!(set.contains("; HttpOnly; SameSite=Lax") && !set.contains("Secure"), "{set}");
    assert_eq!(reply.header("cache-control"), "no-store");
    let begun = reply.expect(200);
    assert_eq!(begun["user"]["id"], ann["id"]);
    let cookie = set.split(';').next().unwrap();
    let me = ask(&stage, "GET", "/api/v1/session", &[("cookie", cookie)], Value::Null).await.expect(200);
    assert_eq!((me["kind"].as_str(), me["user"]["name"].as_str()), (Some("user"), Some("Ann")));
    assert_eq!((&me["scopes"], &me["csrf_token"]), (&json!(["ingest", "respond"]), &begun["csrf_token"]));
    let sessions = with(&stage, cookie, "GET", "/api/v1/users/ann/sessions", Value::Null).await.expect(200);
    assert_eq!(sessions["items"][0]["address"], "192.0.2.7");
    let out = with(&stage, cookie, "DELETE", "/api/v1/session", Value::Null).await;
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{}", out.header("set-cookie"));
    out.expect(204);
    ask(&stage, "GET", "/api/v1/session", &[("cookie", cookie)], Value::Null).await.problem(401);
}

#[tokio::test]
async fn who_is_nobody_cannot_be_told_from_who_has_another_password() {
    let stage = Stage::new().await;
    user(&stage, "ann", "viewer").await;
    stage
        .post("/api/v1/users", &json!({"name": "robot", "role": "viewer", "machine": true}))
        .await
        .expect(201);
    let mut said = Vec::new();
    for name in ["ann", "bob", "robot", "x\u{0}y"] {
        let body = json!({ "name": name, "password": "not the password" });
        said.push(ask(&stage, "POST", "/api/v1/session", &[], body).await.problem(401));
    }
    said.dedup();
    assert_eq!(said, ["this name and this password do not go together"]);
    let refused = audit(&stage, "action=session.refuse").await;
    let named: Vec<bool> = refused.iter().map(|it| it["object"]["id"] != "").collect();
    assert_eq!(named, [false, true, false, true], "names that nobody has are not kept: {refused:?}");
}

#[tokio::test]
async fn a_session_changes_something_from_our_own_pages_only() {
    let stage = Stage::new().await;
    user(&stage, "ann", "responder").await;
    let cookie = log_in(&stage, "ann").await;
    let cookie = cookie.as_str();
    let event = json!({ "key": "a" });
    let post = async |headers: &[(&str, &str)]| {
        let headers: Vec<_> = headers.iter().copied().chain([("cookie", cookie)]).collect();
        ask(&stage, "POST", "/api/v1/events", &headers, event.clone()).await.status.as_u16()
    };
    assert_eq!(post(&[]).await, 403, "nothing says where it comes from");
    assert_eq!(post(&[("origin", "http://bell:8440")]).await, 200);
    assert_eq!(post(&[("sec-fetch-site", "same-origin")]).await, 200);
    for origin in ["http://evil.example", "null", "http://bell:8441", "bell:8440.evil.example"] {
        assert_eq!(post(&[("origin", origin)]).await, 403, "{origin}");
    }
    assert_eq!(post(&[("sec-fetch-site", "cross-site")]).await, 403);
    assert_eq!(post(&[("sec-fetch-site", "same-site"), ("origin", "http://bell:8440")]).await, 403);
    let me = ask(&stage, "GET", "/api/v1/session", &[("cookie", cookie)], Value::Null).await.expect(200);
    let csrf = me["csrf_token"].as_str().unwrap();
    assert_eq!(post(&[("x-csrf-token", csrf)]).await, 200);
    assert_eq!(post(&[("x-csrf-token", "0")]).await, 403);
    assert_eq!(post(&[("x-csrf-token", csrf), ("origin", "http://evil.example")]).await, 403);
    // a link that is followed from elsewhere shows things, and does nothing
    let linked = [("cookie", cookie), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    ask(&stage, "GET", "/api/v1/incidents", &linked, Value::Null).await.expect(200);
    ask(&stage, "GET", "/api/v1/heartbeats/backup", &linked, Value::Null).await.problem(403);
    // a page of another site does not log anybody in
    let login = json!({ "name": "ann", "password": PASSWORD });
    let evil = [("origin", "http://evil.example")];
    ask(&stage, "POST", "/api/v1/session", &evil, login).await.problem(403);
    // two cookies of one name: one of them is somebody else's
    let two = format!("{cookie}; nightbell=other");
    ask(&stage, "GET", "/api/v1/session", &[("cookie", &two)], Value::Null).await.problem(401);
}

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it_and_when_the_password_changes() {
    let stage = Stage::new().await;
    user(&stage, "ann", "viewer").await;
    let (here, there) = (log_in(&stage, "ann").await, log_in(&stage, "ann").await);
    let alive = async |cookie: &str| {
        ask(&stage, "GET", "/api/v1/session", &[("cookie", cookie)], Value::Null).await.status == 200
    };
    assert!(alive(&here).await && alive(&there).await);
    let path = "/api/v1/users/ann/password";
    let change = json!({ "password": "another good password" });
    with(&stage, &here, "PUT", path, change.clone()).await.problem(401);
    let change = json!({ "password": "another good password", "current": PASSWORD });
    with(&stage, &here, "PUT", path, json!({"password": "short", "current": PASSWORD})).await.problem(400);
    with(&stage, &here, "PUT", path, change).await.expect(200);
    assert!(alive(&here).await && !alive(&there).await, "elsewhere one is logged out at once");
    stage.passes(SESSION_IDLE - Duration::from_secs(1));
    assert!(alive(&here).await);
    stage.passes(SESSION_IDLE + Duration::from_secs(1));
    assert!(!alive(&here).await);
}

#[tokio::test]
async fn who_is_disabled_is_out_at_once() {
    let stage = Stage::new().await;
    let admin = user(&stage, "root", "admin").await;
    user(&stage, "ann", "responder").await;
    let cookie = log_in(&stage, "ann").await;
    let made = with(&stage, &cookie, "POST", "/api/v1/users/ann/tokens", json!({"name": "cli"})).await;
    let token = made.expect(201);
    let bearer = format!("Bearer {}", token["secret"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    ask(&stage, "GET", "/api/v1/incidents", &headers, Value::Null).await.expect(200);
    let disable = json!({ "disabled": true });
    let gone = stage.ask("PATCH", "/api/v1/users/ANN", disable.to_string()).await.expect(200);
    assert_eq!(gone["disabled"], true);
    ask(&stage, "GET", "/api/v1/incidents", &headers, Value::Null).await.problem(401);
    ask(&stage, "GET", "/api/v1/incidents", &[("cookie", &cookie)], Value::Null).await.problem(401);
    let login = json!({ "name": "ann", "password": PASSWORD });
    ask(&stage, "POST", "/api/v1/session", &[], login).await.problem(401);
    // in again, the token is good again, and the session stays ended
    stage.ask("PATCH", "/api/v1/users/ann", json!({"disabled": false}).to_string()).await.expect(200);
    ask(&stage, "GET", "/api/v1/incidents", &headers, Value::Null).await.expect(200);
    ask(&stage, "GET", "/api/v1/incidents", &[("cookie", &cookie)], Value::Null).await.problem(401);
    // nobody locks out the last who could let others in
    let path = format!("/api/v1/users/{}", admin["id"].as_str().unwrap());
    for change in [json!({"disabled": true}), json!({"role": "viewer"})] {
        let said = stage.ask("PATCH", &path, change.to_string()).await.problem(409);
        assert_eq!(said, "root is the last admin who can log in: make another first");
    }
}

#[tokio::test]
async fn roles_say_who_may_what_and_tokens_never_do_more() {
    let stage = Stage::new().await;
    let all = [("vic", "viewer"), ("rob", "responder"), ("max", "manager"), ("amy", "admin")];
    for (name, role) in all {
        user(&stage, name, role).await;
    }
    for (name, role) in all {
        let cookie = log_in(&stage, name).await;
        let may = async |method: &str, path: &str, body: Value| {
            with(&stage, &cookie, method, path, body).await.status != 403
        };
        let rank = ["viewer", "responder", "manager", "admin"].iter().position(|it| *it == role).unwrap();
        assert!(may("GET", "/api/v1/incidents", Value::Null).await, "{role}");
        assert_eq!(may("POST", "/api/v1/events", json!({"key": "x"})).await, rank >= 1, "{role}");
        assert_eq!(may("POST", "/api/v1/teams", json!({"name": role})).await, rank >= 2, "{role}");
        assert_eq!(may("POST", "/api/v1/users", json!({})).await, rank >= 3, "{role}");
        assert_eq!(may("GET", "/api/v1/audit", Value::Null).await, rank >= 3, "{role}");
        assert_eq!(may("GET", "/api/v1/users/amy/tokens", Value::Null).await, rank >= 3, "{role}");
    }
    let vic = log_in(&stage, "vic").await;
    let said = with(&stage, &vic, "POST", "/api/v1/events", json!({"key": "x"})).await.problem(403);
    assert_eq!(said, "vic is a viewer, and this needs ingest");
    let wish = json!({ "name": "ci", "scopes": ["respond"] });
    let said = with(&stage, &vic, "POST", "/api/v1/users/vic/tokens", wish.clone()).await.problem(400);
    assert_eq!(said, "scopes: vic is a viewer, who may not have respond");
    // what an admin gives shrinks with the user
    let token = stage.post("/api/v1/users/rob/tokens", &wish).await.expect(201);
    assert!(token["user"].is_string());
    let bearer = format!("Bearer {}", token["secret"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let retry = "/api/v1/deliveries/0000000000000/retry";
    ask(&stage, "POST", retry, &headers, Value::Null).await.problem(404);
    stage.ask("PATCH", "/api/v1/users/rob", r#"{"role":"viewer"}"#).await.expect(200);
    ask(&stage, "POST", retry, &headers, Value::Null).await.problem(403);
    ask(&stage, "GET", "/api/v1/incidents", &headers, Value::Null).await.expect(200);
    // a token does not change whose it is
    let own = json!({ "email": "evil@example.org" });
    ask(&stage, "PATCH", "/api/v1/users/rob", &headers, own).await.problem(403);
    ask(&stage, "POST", "/api/v1/users/rob/tokens", &headers, json!({"name": "x"})).await.problem(403);
    ask(&stage, "PUT", "/api/v1/users/rob/password", &headers, json!({"password": PASSWORD}))
        .await
        .problem(403);
}

#[tokio::test]
async fn people_say_of_themselves_what_is_theirs_to_say() {
    let stage = Stage::new().await;
    user(&stage, "ann", "viewer").await;
    user(&stage, "bob", "viewer").await;
    let ann = log_in(&stage, "ann").await;
    let change =
        json!({ "email": "ann@example.org", "phone": "+4915112345678", "time_zone": "Europe/Berlin" });
    let now = with(&stage, &ann, "PATCH", "/api/v1/users/ann", change).await.expect(200);
    assert_eq!(
        (now["email"].as_str(), now["time_zone"].as_str()),
        (Some("ann@example.org"), Some("Europe/Berlin"))
    );
    with(&stage, &ann, "PATCH", "/api/v1/users/ann", json!({"role": "admin"})).await.problem(403);
    with(&stage, &ann, "PATCH", "/api/v1/users/bob", json!({"email": "x@y"})).await.problem(403);
    let bad = json!({ "phone": "0171", "time_zone": "Nowhere/Land" });
    let said = with(&stage, &ann, "PATCH", "/api/v1/users/ann", bad).await.problem(400);
    assert!(
        said.starts_with("phone: is not a number like")
            && said.contains("time_zone: \"Nowhere/Land\" is no IANA"),
        "{said}"
    );
    // how to reach others is for those who run things
    let bob = log_in(&stage, "bob").await;
    let seen = with(&stage, &bob, "GET", "/api/v1/users/ann", Value::Null).await.expect(200);
    assert!(seen.get("email").is_none() && seen.get("phone").is_none(), "{seen}");
    let said = stage.ask("PATCH", "/api/v1/users/bob", r#"{"name":"ANN"}"#).await.problem(409);
    assert!(said.contains("there is a user \"ANN\" already"), "{said}");
    stage.post("/api/v1/users", &json!({"name": "Bob", "role": "viewer"})).await.problem(409);
    let said = stage.post("/api/v1/users", &json!({"name": "a b", "role": "king"})).await.problem(400);
    assert!(said.contains("role"), "{said}");
    stage.get("/api/v1/users/nobody").await.problem(404);
}

#[tokio::test]
async fn a_team_is_run_by_its_managers() {
    let stage = Stage::new().await;
    for name in ["ann", "bob", "cid"] {
        user(&stage, name, "viewer").await;
    }
    stage.post("/api/v1/teams", &json!({"name": "DB people", "about": "databases"})).await.expect(201);
    stage.post("/api/v1/teams", &json!({"name": "db PEOPLE"})).await.problem(409);
    let team = "/api/v1/teams/DB%20people";
    let manager = json!({ "role": "manager" }).to_string();
    stage.ask("PUT", &format!("{team}/members/ann"), manager).await.expect(200);
    let (ann, bob) = (log_in(&stage, "ann").await, log_in(&stage, "bob").await);
    let put = async |cookie: &str, name: &str, role: &str| {
        let path = format!("{team}/members/{name}");
        with(&stage, cookie, "PUT", &path, json!({"role": role})).await.status.as_u16()
    };
    assert_eq!(put(&bob, "bob", "viewer").await, 403);
    assert_eq!(put(&ann, "bob", "responder").await, 200);
    assert_eq!(put(&ann, "bob", "admin").await, 403, "nobody gives more than they have");
    assert_eq!(put(&bob, "cid", "viewer").await, 403);
    with(&stage, &ann, "PATCH", team, json!({"about": "all of them"})).await.expect(200);
    with(&stage, &ann, "DELETE", team, Value::Null).await.problem(403);
    let shown = with(&stage, &bob, "GET", team, Value::Null).await.expect(200);
    let members = shown["members"].as_array().unwrap();
    let members: Vec<_> = members.iter().map(|it| (it["name"].as_str(), it["role"].as_str())).collect();
    assert_eq!(members, [(Some("ann"), Some("manager")), (Some("bob"), Some("responder"))]);
    let detail = stage.get("/api/v1/users/bob").await.expect(200);
    assert_eq!(detail["teams"][0]["name"], "DB people");
    with(&stage, &bob, "DELETE", &format!("{team}/members/bob"), Value::Null).await.expect(204);
    with(&stage, &bob, "DELETE", &format!("{team}/members/ann"), Value::Null).await.problem(403);
    stage.delete(team).await.expect(200);
    stage.get(team).await.problem(404);
}

#[tokio::test]
async fn an_invitation_is_looked_at_often_and_accepted_once() {
    let stage = Stage::new().await;
    let wish = json!({ "role": "responder", "email": "ann@example.org" });
    let made = stage.post("/api/v1/invitations", &wish).await.expect(201);
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(made["link"].as_str().unwrap().ends_with(&format!("/invite/{secret}")));
    let path = format!("/invite/{secret}");
    for _ in 0..3 {
        let page = ask(&stage, "GET", &path, &[], Value::Null).await;
        assert!(page.text().contains("name=\"name\"") && page.text().contains("new-password"));
        assert!(page.header("content-security-policy").contains("form-action 'self'"));
    }
    let accept = json!({ "secret": secret, "name": "ann", "password": PASSWORD });
    let weak = json!({ "secret": secret, "name": "ann", "password": "short" });
    ask(&stage, "POST", "/api/v1/invitations/accept", &[], weak).await.problem(400);
    let odd = json!({ "secret": secret, "name": "a b", "password": PASSWORD });
    ask(&stage, "POST", "/api/v1/invitations/accept", &[], odd).await.problem(400);
    let reply = ask(&stage, "POST", "/api/v1/invitations/accept", &[], accept.clone()).await;
    let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
    let begun = reply.expect(200);
    assert_eq!(
        (begun["user"]["role"].as_str(), begun["user"]["email"].as_str()),
        (Some("responder"), Some("ann@example.org"))
    );
    ask(&stage, "GET", "/api/v1/session", &[("cookie", &cookie)], Value::Null).await.expect(200);
    ask(&stage, "POST", "/api/v1/invitations/accept", &[], accept).await.problem(404);
    assert_eq!(ask(&stage, "GET", &path, &[], Value::Null).await.status, 404);
    // another for the same user: to choose a password
    let made = stage.post("/api/v1/invitations", &json!({"user": "ann", "for": "1h"})).await.expect(201);
    let again = json!({ "secret": made["secret"], "password": "a password of another kind" });
    stage.passes(Duration::from_secs(3600));
    ask(&stage, "POST", "/api/v1/invitations/accept", &[], again).await.problem(404);
    let made = stage.post("/api/v1/invitations", &json!({"user": "ann"})).await.expect(201);
    let path = format!("/api/v1/invitations/{}", made["id"].as_str().unwrap());
    stage.delete(&path).await.expect(204);
    stage.delete(&path).await.problem(404);
    for wish in [json!({"user": "nobody"}), json!({"user": "ann", "role": "admin"}), json!({"for": "100d"})] {
        assert!(stage.post("/api/v1/invitations", &wish).await.status.is_client_error(), "{wish}");
    }
}

#[tokio::test]
async fn pages_work_without_scripts() {
    let stage = Stage::new().await;
    user(&stage, "ann", "viewer").await;
    let form = async |path: &str, body: String, headers: &[(&str, &str)]| {
        let mut request = stage.request("POST", path).header("host", "bell:8440");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        stage.send(request.body(Body::from(body)).unwrap()).await
    };
    let wrong = form("/login", "name=%22%3E%3Cb%3E&password=nothing".into(), &[]).await;
    assert_eq!(wrong.status, 401);
    assert!(
        wrong.text().contains("&quot;&gt;&lt;b&gt;") && !wrong.text().contains("\"><b>"),
        "{}",
        wrong.text()
    );
    let right = format!("name=ann&password={}", PASSWORD.replace(' ', "+"));
    let evil = form("/login", right.clone(), &[("origin", "http://evil.example")]).await;
    assert_eq!(evil.status, 403);
    let inside = form("/login", right, &[("origin", "http://bell:8440")]).await;
    assert_eq!((inside.status.as_u16(), inside.header("location")), (303, "/"));
    let cookie = inside.header("set-cookie").split(';').next().unwrap().to_owned();
    let out = form("/logout", String::new(), &[("origin", "http://bell:8440"), ("cookie", &cookie)]).await;
    assert_eq!((out.status.as_u16(), out.header("location")), (303, "/login"));
    let made = stage.post("/api/v1/invitations", &json!({"name": "bob"})).await.expect(201);
    let path = format!("/invite/{}", made["secret"].as_str().unwrap());
    let short = form(&path, "password=short".into(), &[]).await;
    assert!(short.status == 400 && short.text().contains("must have 12 characters"), "{}", short.text());
    let accepted = form(&path, "password=long+enough+for+now&time_zone=Asia%2FTokyo".into(), &[]).await;
    assert_eq!(accepted.status, 303, "{}", accepted.text());
    assert_eq!(stage.get("/api/v1/users/bob").await.expect(200)["time_zone"], "Asia/Tokyo");
    let large = form("/login", "x".repeat(20_000), &[]).await;
    assert_eq!(large.status, 413);
}

#[tokio::test]
async fn the_link_to_an_incident_leads_to_its_page_by_way_of_the_login() {
    let stage = Stage::new().await;
    user(&stage, "ann", "viewer").await;
    let event = json!({"title": "<b>Disk</b>", "link": "javascript:alert(1)", "labels": {"team": "db"}});
    let raised = stage.post("/api/v1/events", &json!([event])).await.expect(200);
    let path = format!("/incidents/{}", raised["items"][0]["incident"].as_str().unwrap());
    let open = async |path: &str, cookie: &str| {
        let request =
            Request::builder().uri(path).header("host", "bell.example:8440").header("cookie", cookie);
        stage.send(request.body(Body::empty()).unwrap()).await
    };
    let stranger = open(&path, "").await;
    let login = format!("/login?next={path}");
    assert_eq!((stranger.status.as_u16(), stranger.header("location")), (303, login.as_str()));
    let form = open(&login, "").await.text();
    assert!(form.contains(&format!("name=\"next\" value=\"{path}\"")), "{form}");
    assert!(!open("/login?next=//evil.example/", "").await.text().contains("evil"));
    let log_in = async |next: &str| {
        let body = format!("name=ann&password={}&next={next}", PASSWORD.replace(' ', "+"));
        let request = stage.request("POST", "/login").header("host", "bell.example:8440");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        stage.send(request.body(Body::from(body)).unwrap()).await
    };
    assert_eq!(log_in("//evil.example/").await.header("location"), "/");
    let inside = log_in(&path).await;
    assert_eq!((inside.status.as_u16(), inside.header("location")), (303, path.as_str()));
    let cookie = inside.header("set-cookie").split(';').next().unwrap().to_owned();
    let page = open(&path, &cookie).await;
    let text = page.text();
    assert_eq!(page.status, 200, "{text}");
    for part in [
        "<h1>&lt;b&gt;Disk&lt;/b&gt;</h1>",
        "<dt>team</dt><dd><pre>db</pre></dd>",
        "<h2>Timeline</h2>",
        "opened",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("javascript:"), "{text}");
    assert_eq!(open("/incidents/zzz", &cookie).await.status, 404);
}

#[tokio::test]
async fn who_may_act_on_an_incident_does_so_on_its_page() {
    let stage = Stage::new().await;
    user(&stage, "ann", "viewer").await;
    user(&stage, "bob", "responder").await;
    let id = stage.incident(json!({ "alertname": "A" })).await;
    let path = format!("/incidents/{id}");
    let (ann, bob) = (log_in(&stage, "ann").await, log_in(&stage, "bob").await);
    let post = async |cookie: &str, origin: &str, form: &str| {
        let request =
            Request::builder().method("POST").uri(&path).extension(Peer(ELSEWHERE.parse().unwrap()));
        let request = request.header("host", "bell:8440").header("cookie", cookie).header("origin", origin);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        stage.send(request.body(Body::from(form.to_owned())).unwrap()).await
    };
    let ours = "http://bell:8440";
    let shown = async |cookie: &str| with(&stage, cookie, "GET", &path, Value::Null).await.text();
    assert!(!shown(&ann).await.contains("<form"), "who may not act is offered nothing");
    assert_eq!(post(&ann, ours, "act=acknowledge").await.status, 403);
    let form = shown(&bob).await;
    assert!(form.contains("You act as <b>bob</b>") && !form.contains("unacknowledge"), "{form}");
    let seen = "; seen once, <time datetime=\"2026-06-01T12:00:00Z\">2026-06-01 12:00:00 UTC</time>";
    assert!(form.contains(seen), "{form}");
    assert_eq!(post(&bob, "https://evil.example", "act=acknowledge").await.status, 403);
    assert_eq!(post(&bob, ours, "act=explode").await.status, 400);
    assert_eq!(post(&bob, ours, "act=acknowledge&for=for+ever").await.status, 400);
    let taken = post(&bob, ours, "act=acknowledge&for=2h&note=looking").await;
    assert_eq!((taken.status.as_u16(), taken.header("location")), (303, path.as_str()));
    let now = stage.get(&format!("/api/v1/incidents/{id}")).await.expect(200);
    assert_eq!(
        (&now["acknowledged_by"], &now["acknowledged_until"]),
        (&json!("bob"), &json!(stage.at(7200)))
    );
    let page = shown(&bob).await;
    assert!(page.contains("acknowledged by bob: looking") && page.contains("unacknowledge"), "{page}");
    assert_eq!(post(&bob, ours, "act=unacknowledge").await.status, 303);
    assert_eq!(post(&bob, ours, "act=resolve").await.status, 303);
    assert!(!shown(&bob).await.contains("<form"), "what is over needs nobody");
    assert_eq!(post(&bob, ours, "act=acknowledge").await.status, 409);
    let gone = post("nightbell=nothing", ours, "act=resolve").await;
    assert_eq!(
        (gone.status.as_u16(), gone.header("location")),
        (303, path.as_str()),
        "and from there to the login"
    );
}

#[tokio::test]
async fn tries_are_counted_by_name_and_by_address() {
    let stage = Stage::new().await;
    user(&stage, "ann", "viewer").await;
    let wrong = json!({ "name": "ann", "password": "not the password" });
    let right = json!({ "name": "ann", "password": PASSWORD });
    let path = "/api/v1/session";
    for n in 0..LOGINS_BY_NAME {
        from(&stage, &format!("192.0.2.{n}:1"), "POST", path, &[], wrong.clone()).await.problem(401);
    }
    let refused = from(&stage, "198.51.100.1:1", "POST", path, &[], right.clone()).await;
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    refused.problem(429);
    // nobody elsewhere locks out who sits here
    from(&stage, "127.0.0.1:1", "POST", path, &[], right.clone()).await.expect(200);
    stage.passes(Duration::from_secs(wait));
    from(&stage, "198.51.100.1:1", "POST", path, &[], right).await.expect(200);
    for n in 0..LOGINS_BY_ADDRESS {
        let guess = json!({ "secret": format!("guess {n}"), "password": PASSWORD });
        ask(&stage, "POST", "/api/v1/invitations/accept", &[], guess).await.problem(404);
    }
    let guess = json!({ "name": "bob", "password": "whatever" });
    ask(&stage, "POST", path, &[], guess).await.problem(429);
}

#[tokio::test]
async fn the_audit_log_tells_who_changed_what_and_keeps_no_secret() {
    let stage = Stage::new().await;
    let amy = user(&stage, "amy", "admin").await;
    let cookie = log_in(&stage, "amy").await;
    let post = async |path: &str, body: Value| with(&stage, &cookie, "POST", path, body).await;
    let token = post("/api/v1/tokens", json!({"name": "ci", "scopes": ["read"]})).await.expect(201);
    let invited = post("/api/v1/invitations", json!({"role": "admin"})).await.expect(201);
    let silence = json!({ "matchers": ["team=\"db\""], "for": "1h", "comment": "works", "confirm": true });
    let silence = post("/api/v1/silences", silence).await.expect(201);
    let id = stage.incident(json!({"alertname": "A"})).await;
    post(&format!("/api/v1/incidents/{id}/ack"), json!({"note": "mine"})).await.expect(200);
    post(&format!("/api/v1/incidents/{id}/note"), json!({"text": "looking"})).await.expect(200);
    let path = format!("/api/v1/silences/{}", silence["id"].as_str().unwrap());
    with(&stage, &cookie, "DELETE", &path, Value::Null).await.expect(200);
    let lines = audit(&stage, "actor=amy").await;
    let actions: Vec<_> = lines.iter().map(|it| it["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        [
            "silence.expire",
            "incident.note",
            "incident.acknowledge",
            "silence.create",
            "invitation.create",
            "token.create",
            "session.create",
        ]
    );
    let ack = &lines[2];
    assert_eq!((&ack["before"]["state"], &ack["after"]["state"]), (&json!("open"), &json!("acknowledged")));
    assert_eq!(ack["actor"], json!({"kind": "user", "id": amy["id"], "name": "amy", "address": "192.0.2.7"}));
    assert_eq!(
        (&ack["object"], &ack["after"]["note"]),
        (&json!({"kind": "incident", "id": id}), &json!("mine"))
    );
    let made = &audit(&stage, "action=user.create").await[0];
    assert_eq!(
        (made["actor"]["kind"].as_str(), made["after"]["name"].as_str()),
        (Some("local"), Some("amy"))
    );
    let applied = audit(&stage, "action=config&kind=system").await;
    assert_eq!(applied.len(), 1, "{applied:?}");
    let all = json!(audit(&stage, "limit=500").await).to_string();
    let cookie = cookie.split_once('=').unwrap().1;
    for secret in [PASSWORD, cookie, token["secret"].as_str().unwrap(), invited["secret"].as_str().unwrap()] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    assert!(!all.contains("argon2"), "{all}");
    // page by page
    let first = stage.get("/api/v1/audit?limit=2").await.expect(200);
    let next = stage.get(&format!("/api/v1/audit?limit=2&cursor={}", first["next"].as_str().unwrap())).await;
    assert_ne!(next.expect(200)["items"][0]["id"], first["items"][0]["id"]);
    for query in ["kind=king", "since=yesterday", "who=ann", "limit=0"] {
        stage.get(&format!("/api/v1/audit?{query}")).await.problem(400);
    }
    // what is refused leaves no line
    let before = audit(&stage, "limit=500").await.len();
    stage.post("/api/v1/users", &json!({"name": "a b", "role": "viewer"})).await.problem(400);
    stage.post("/api/v1/users", &json!({"name": "AMY", "role": "viewer"})).await.problem(409);
    assert_eq!(audit(&stage, "limit=500").await.len(), before);
}
