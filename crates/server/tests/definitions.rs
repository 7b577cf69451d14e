//! What people define for themselves, and what comes of it.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use axum::body::Body;
use axum::http::Request;
use model::account::{Role, User};
use model::{Id, Time};
use nightbell_server::accounts::catch_up;
use nightbell_server::auth::Peer;
use serde_json::{Value, json};
use store::Durability;
use support::{Reply, Stage};

const PASSWORD: &str = "correct horse battery";

/// What a user does who has logged in from elsewhere.
struct Somebody {
    cookie: String,
}

impl Somebody {
    async fn new(stage: &Stage, name: &str, role: &str) -> Self {
        let body = json!({ "name": name, "role": role, "password": PASSWORD });
        stage.post("/api/v1/users", &body).await.expect(201);
        let reply =
            elsewhere(stage, "POST", "/api/v1/session", "", json!({"name": name, "password": PASSWORD}))
                .await;
        let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
        reply.expect(200);
        Somebody { cookie }
    }

    async fn ask(&self, stage: &Stage, method: &str, path: &str, body: Value) -> Reply {
        elsewhere(stage, method, path, &self.cookie, body).await
    }

    /// Makes a definition; returns its id.
    async fn make(&self, stage: &Stage, kind: &str, name: &str, spec: Value) -> Value {
        let body = json!({ "name": name, "spec": spec });
        self.ask(stage, "POST", &format!("/api/v1/{kind}"), body).await.expect(201)["id"].clone()
    }
}

async fn elsewhere(stage: &Stage, method: &str, path: &str, cookie: &str, body: Value) -> Reply {
    let peer: std::net::SocketAddr = "192.0.2.7:4711".parse().unwrap();
    let request = Request::builder().method(method).uri(path).extension(Peer(peer));
    let request =
        request.header("host", "bell:8440").header("origin", "http://bell:8440").header("cookie", cookie);
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    stage.send(request.body(body).unwrap()).await
}

/// A destination where this test listens.
fn scripted(stage: &Stage) -> Value {
    let live = stage.hub.core.live();
    json!({ "kind": "scripted", "settings": live.places.values().next().unwrap().place.settings })
}

#[tokio::test]
async fn somebody_sets_up_what_they_want_to_hear_and_hears_it_once_they_have_said_the_code() {
    let mut stage = Stage::new().await;
    let ann = Somebody::new(&stage, "ann", "responder").await;
    let place = ann.make(&stage, "destinations", "phone", scripted(&stage)).await;
    let slot = ann.make(&stage, "timeslots", "always", json!({ "windows": [{}] })).await;
    let filter = ann.make(&stage, "filters", "mine", json!({ "tags": ["team=db"] })).await;
    let spec = json!({ "timeslot": slot, "filters": [filter], "destinations": [place], "active": true });
    ann.make(&stage, "profiles", "work", spec).await;

    let path = format!("/api/v1/destinations/{}/verification", place.as_str().unwrap());
    let sent = ann.ask(&stage, "POST", &path, Value::Null).await.expect(202);
    let title = stage.message().await.title;
    // who asked for it finds the code where it was sent, and nowhere else
    let delivery = format!("/api/v1/deliveries/{}", sent["delivery"].as_str().unwrap());
    let delivery = stage.get(&delivery).await.expect(200);
    assert!(delivery.get("notification").is_none(), "{delivery}");
    let code = title.rsplit(' ').next().unwrap().to_owned();
    assert!(code.len() == 6 && code.bytes().all(|it| it.is_ascii_digit()), "{title}");
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let said = ann.ask(&stage, "PUT", &path, json!({ "code": wrong })).await.problem(400);
    assert!(!said.is_empty());
    ann.ask(&stage, "PUT", &path, json!({})).await.problem(403);
    let confirmed = ann.ask(&stage, "PUT", &path, json!({ "code": code })).await.expect(200);
    assert!(confirmed["spec"]["verified_at"].is_string(), "{confirmed}");
    assert!(confirmed["spec"].get("challenge").is_none());
    ann.ask(&stage, "PUT", &path, json!({ "code": code })).await.problem(409);

    stage.incident(json!({ "alertname": "Disk", "team": "db" })).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(stage.message().await.notification.receiver);
    }
    assert!(
        told.iter().filter(|it| it.starts_with('@')).count() == 1,
        "two by routes and one to her: {told:?}"
    );
}

#[tokio::test]
async fn nobody_has_codes_sent_until_one_fits() {
    let mut stage = Stage::new().await;
    let ann = Somebody::new(&stage, "ann", "responder").await;
    let place = ann.make(&stage, "destinations", "phone", scripted(&stage)).await;
    let path = format!("/api/v1/destinations/{}/verification", place.as_str().unwrap());
    for _ in 0..6 {
        ann.ask(&stage, "POST", &path, Value::Null).await.expect(202);
        stage.message().await;
    }
    let reply = ann.ask(&stage, "POST", &path, Value::Null).await;
    assert!(!reply.header("retry-after").is_empty());
    reply.problem(429);
    // others may
    let bob = Somebody::new(&stage, "bob", "responder").await;
    let place = bob.make(&stage, "destinations", "phone", scripted(&stage)).await;
    let path = format!("/api/v1/destinations/{}/verification", place.as_str().unwrap());
    bob.ask(&stage, "POST", &path, Value::Null).await.expect(202);
}

#[tokio::test]
async fn an_account_in_a_chat_is_one_persons_and_the_second_who_says_it_is_theirs_is_told() {
    let stage = Stage::new().await;
    let (ann, bob) =
        (Somebody::new(&stage, "ann", "responder").await, Somebody::new(&stage, "bob", "responder").await);
    let settings = |channel: &str| json!({ "channel": channel, "password": "hush-hush" });
    let chat = |channel: &str| json!({ "kind": "scripted", "settings": settings(channel) });
    let confirm = async |who: &Somebody, name: &str, channel: &str| {
        let place = who.make(&stage, "destinations", name, chat(channel)).await;
        let path = format!("/api/v1/destinations/{}/verification", place.as_str().unwrap());
        (stage.ask("PUT", &path, "{}").await, path)
    };
    confirm(&ann, "mine", "account of a person").await.0.expect(200);
    let (reply, path) = confirm(&bob, "mine", "account of a person").await;
    let why = reply.problem(409);
    assert!(why.contains("ann is known by this account in scripted already"), "{why}");
    let why = bob.ask(&stage, "POST", &path, Value::Null).await.problem(409);
    assert!(why.contains("ann"), "{why}");
    // a channel is anybody's to hear
    confirm(&ann, "channel", "account of many").await.0.expect(200);
    confirm(&bob, "channel", "account of many").await.0.expect(200);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_field_and_nothing_is_kept() {
    let stage = Stage::new().await;
    let ann = Somebody::new(&stage, "ann", "responder").await;
    for (kind, spec, field) in [
        ("filters", json!({ "maxlevel": 9 }), "spec.maxlevel"),
        ("filters", json!({ "colour": 1 }), "spec.colour"),
        ("timeslots", json!({ "windows": [{ "weekdays": [9] }] }), "spec.windows[0].weekdays"),
        ("destinations", json!({ "kind": "pigeon", "settings": {} }), "spec.kind"),
        ("schedules", json!({ "schedule": { "zone": "Mars/Base" } }), "spec.schedule.zone"),
        ("policies", json!({ "steps": [] }), "spec.steps"),
        (
            "profiles",
            json!({ "timeslot": "00000000000zz", "filters": [], "destinations": [], "active": true }),
            "spec.timeslot",
        ),
    ] {
        let body = json!({ "name": "x", "spec": spec });
        let reply = ann.ask(&stage, "POST", &format!("/api/v1/{kind}"), body).await;
        let problem = reply.json();
        reply.problem(400);
        assert_eq!(problem["errors"][0]["path"], field, "{problem}");
        let all = ann.ask(&stage, "GET", &format!("/api/v1/{kind}"), Value::Null).await.expect(200);
        assert_eq!(all["items"], json!([]));
    }
}

#[tokio::test]
async fn what_is_in_use_stays_and_what_is_others_is_left_alone() {
    let stage = Stage::new().await;
    let ann = Somebody::new(&stage, "ann", "responder").await;
    let bob = Somebody::new(&stage, "bob", "responder").await;
    let slot = ann.make(&stage, "timeslots", "always", json!({ "windows": [{}] })).await;
    let spec = json!({ "timeslot": slot, "filters": [], "destinations": [], "active": true });
    let profile = ann.make(&stage, "profiles", "work", spec.clone()).await;
    let slot_path = format!("/api/v1/timeslots/{}", slot.as_str().unwrap());
    let why = ann.ask(&stage, "DELETE", &slot_path, Value::Null).await.problem(409);
    assert!(why.contains("in use by profile \"work\""), "{why}");
    bob.ask(&stage, "PATCH", &slot_path, json!({ "name": "mine" })).await.problem(403);
    let taken = json!({ "name": "work", "spec": spec.clone() });
    bob.ask(&stage, "POST", "/api/v1/profiles", taken.clone()).await.problem(400);
    ann.ask(&stage, "POST", "/api/v1/profiles", taken).await.problem(400);
    let everybodys = json!({ "name": "work", "owner": "everybody", "spec": { "windows": [{}] } });
    bob.ask(&stage, "POST", "/api/v1/timeslots", everybodys.clone()).await.problem(403);
    stage.post("/api/v1/timeslots", &everybodys).await.expect(201);
    let path = format!("/api/v1/profiles/{}", profile.as_str().unwrap());
    ann.ask(&stage, "DELETE", &path, Value::Null).await.expect(200);
    ann.ask(&stage, "DELETE", &slot_path, Value::Null).await.expect(200);
    let audit = stage.get("/api/v1/audit?action=timeslot.delete").await.expect(200);
    assert_eq!(audit["items"][0]["actor"]["name"], "ann", "{audit}");
}

#[tokio::test]
async fn secrets_of_a_destination_are_never_shown_and_stay_when_they_come_back_hidden() {
    let stage = Stage::new().await;
    let ann = Somebody::new(&stage, "ann", "responder").await;
    let id = ann.make(&stage, "destinations", "phone", scripted(&stage)).await;
    let path = format!("/api/v1/destinations/{}", id.as_str().unwrap());
    let shown = ann.ask(&stage, "GET", &path, Value::Null).await.expect(200);
    assert_eq!(shown["spec"]["settings"]["password"], "<secret>", "{shown}");
    // sent back as it is shown, with another channel
    let mut spec = shown["spec"].clone();
    spec["settings"]["channel"] = "another".into();
    ann.ask(&stage, "PATCH", &path, json!({ "name": "mobile", "spec": spec })).await.expect(200);
    let id: model::Id = serde_json::from_value(id).unwrap();
    let kept = stage.hub.store.read(move |tx| {
        store::definitions::get::<model::OwnedDestination>(tx, store::definitions::Kind::Destination, id)
    });
    let kept = kept.await.unwrap().unwrap();
    assert_eq!(kept.body.settings, json!({ "channel": "another", "password": "hush-hush" }));
    let audit = stage.get("/api/v1/audit").await.expect(200).to_string();
    assert!(!audit.contains("hush-hush"), "{audit}");
}

#[tokio::test]
async fn filters_of_others_are_for_their_use_when_public_and_a_person_has_so_many_of_a_kind() {
    let stage = Stage::new().await;
    let ann = Somebody::new(&stage, "ann", "responder").await;
    let bob = Somebody::new(&stage, "bob", "responder").await;
    let hers = ann.make(&stage, "filters", "hers", json!({ "open": true })).await;
    let for_all = ann.make(&stage, "filters", "for all", json!({ "open": true, "public": true })).await;
    let slot = bob.make(&stage, "timeslots", "always", json!({ "windows": [{}] })).await;
    let spec =
        |filter: &Value| json!({ "timeslot": slot, "filters": [filter], "destinations": [], "active": true });
    let body = json!({ "name": "his", "spec": spec(&hers) });
    let refused = bob.ask(&stage, "POST", "/api/v1/profiles", body).await;
    assert_eq!(refused.json()["errors"][0]["path"], "spec.filters[0]");
    refused.problem(400);
    bob.make(&stage, "profiles", "his", spec(&for_all)).await;
    let place = scripted(&stage);
    bob.make(&stage, "destinations", "phone", place.clone()).await;
    let twice = json!({ "name": "again", "spec": place });
    let why = bob.ask(&stage, "POST", "/api/v1/destinations", twice).await.problem(400);
    assert!(why.contains("\"phone\""), "{why}");

    let users = stage.get("/api/v1/users/bob").await.expect(200);
    let owner: model::Id = serde_json::from_value(users["id"].clone()).unwrap();
    let fill = stage.hub.store.write(store::Durability::Disk, move |tx| {
        for number in 0..500 {
            let name = format!("filter {number}");
            let (id, at) = (model::Id(number + 1), model::Time(0));
            let body = json!({ "open": true });
            let it = store::definitions::Definition { id, owner, name, body, created_at: at, updated_at: at };
            store::definitions::put(tx, store::definitions::Kind::Filter, &it)?;
        }
        Ok(())
    });
    fill.await.unwrap();
    let one_more = json!({ "name": "one more", "spec": { "open": true } });
    let why = bob.ask(&stage, "POST", "/api/v1/filters", one_more).await.problem(409);
    assert!(why.contains("500"), "{why}");
}

#[tokio::test]
async fn who_had_an_address_before_addresses_were_destinations_gets_theirs_at_the_start() {
    let stage = Stage::new().await;
    let cleo = json!({ "name": "cleo", "role": "responder", "email": "cleo@example.org" });
    stage.post("/api/v1/users", &cleo).await.expect(201);
    // as they were kept then
    let old = stage.hub.store.write(Durability::Disk, |tx| {
        for (id, name, email) in
            [(1, "ann", "ann@example.org"), (2, "bob", "bob@example.org"), (3, "dan", "")]
        {
            let user = User::new(Id(id), name, Role::Responder, Time(0));
            assert!(store::users::insert(tx, &User { email: email.to_owned(), ..user })?);
        }
        let robot = User::new(Id(4), "robot", Role::Responder, Time(0));
        store::users::insert(tx, &User { email: "r@example.org".to_owned(), machine: true, ..robot })
    });
    assert!(old.await.unwrap());
    let own = json!({ "kind": "email", "settings": { "to": ["Bob@example.org"] } });
    let own = json!({ "name": "mine", "owner": "bob", "spec": own });
    stage.post("/api/v1/destinations", &own).await.expect(201);

    assert_eq!(catch_up(&stage.app).await.unwrap(), 2);
    let places = async |name: &str| {
        let all = stage.get(&format!("/api/v1/destinations?owner={name}")).await.expect(200);
        let all = all["items"].as_array().unwrap().clone();
        let shown = |it: Value| {
            (it["name"].clone(), it["spec"]["managed"] == true, it["spec"]["verified_at"].clone())
        };
        all.into_iter().map(shown).collect::<Vec<_>>()
    };
    let address = json!("The account's address");
    assert_eq!(places("ann").await, [(address, true, Value::Null)], "nobody knows any more who said it");
    assert_eq!(places("bob").await, [(json!("mine"), true, Value::Null)], "theirs becomes it");
    assert_eq!(
        (places("dan").await.len(), places("robot").await.len(), places("cleo").await.len()),
        (0, 0, 1)
    );
    let log = stage.get("/api/v1/audit?action=destination.create").await.expect(200)["items"].clone();
    let by_start = |it: &&Value| it["actor"]["name"] == "start";
    assert_eq!(log.as_array().unwrap().iter().filter(by_start).count(), 1, "{log}");
    assert_eq!(catch_up(&stage.app).await.unwrap(), 0, "once");
}
