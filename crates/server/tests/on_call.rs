//! Who is on call by the API: shown, previewed, changed for a while by whom it may be, and fetched by calendars.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use nightbell_server::auth::Peer;
use serde_json::{Value, json};
use support::{Reply, Stage};

const PASSWORD: &str = "correct horse battery";

/// What a user does who has logged in from elsewhere.
struct Somebody {
    id: Value,
    cookie: String,
}

impl Somebody {
    async fn new(stage: &Stage, name: &str) -> Self {
        Somebody::who_is(stage, name, "responder").await
    }

    async fn who_is(stage: &Stage, name: &str, role: &str) -> Self {
        let body = json!({ "name": name, "role": role, "password": PASSWORD });
        let id = stage.post("/api/v1/users", &body).await.expect(201)["id"].clone();
        let log_in = json!({ "name": name, "password": PASSWORD });
        let reply = elsewhere(stage, "POST", "/api/v1/session", "", log_in).await;
        let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
        reply.expect(200);
        Somebody { id, cookie }
    }

    async fn ask(&self, stage: &Stage, method: &str, path: &str, body: Value) -> Reply {
        elsewhere(stage, method, path, &self.cookie, body).await
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

/// The team `db` of Ann, Bob and Max, who runs it; Ann and Bob take turns of a day from noon to noon. Eve is elsewhere.
async fn team(stage: &Stage) -> [Somebody; 4] {
    let mut all = Vec::new();
    for name in ["ann", "bob", "max", "eve"] {
        all.push(Somebody::new(stage, name).await);
    }
    stage.post("/api/v1/teams", &json!({ "name": "db" })).await.expect(201);
    for (name, role) in [("ann", "responder"), ("bob", "responder"), ("max", "manager")] {
        joins(stage, "db", name, role).await;
    }
    let rotation =
        json!({ "first_handover": "2026-05-31T12:00:00", "unit": "days", "participants": ["ann", "bob"] });
    let layer = json!({ "name": "days", "turns": { "rotation": rotation } });
    let body = json!({ "name": "db", "owner": "team:db", "spec": { "schedule": { "layers": [layer] } } });
    stage.post("/api/v1/schedules", &body).await.expect(201);
    all.try_into().unwrap_or_else(|_| panic!("four of them"))
}

/// Who is on call this many hours from now.
async fn on_call(stage: &Stage, hours: i64) -> Vec<String> {
    let answer = stage.get(&format!("/api/v1/on-call?at={}", stage.at(hours * 3600))).await.expect(200);
    let names = answer["items"][0]["on_call"].as_array().unwrap().clone();
    names.iter().map(|it| it["user"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn who_is_on_call_is_shown_with_names_and_reasons() {
    let stage = Stage::new().await;
    let [ann, ..] = team(&stage).await;
    // it is noon on the first of June: Bob has just taken over
    let answer = stage.get("/api/v1/on-call").await.expect(200);
    let db = &answer["items"][0];
    assert_eq!(
        (&db["name"], &db["on_call"][0]["layer"], &db["gap"]),
        (&json!("db"), &json!("days"), &Value::Null)
    );
    assert_eq!((&db["on_call"][0]["user"]["name"], &db["next"][0]["user"]["id"]), (&json!("bob"), &ann.id));
    assert_eq!(db["next_handover"], "2026-06-02T12:00:00Z");
    let shifts = stage.get("/api/v1/schedules/db/shifts?to=2026-06-04T00:00:00Z").await.expect(200);
    let who: Vec<_> =
        shifts["shifts"].as_array().unwrap().iter().map(|it| it["user"]["name"].clone()).collect();
    assert_eq!(who, ["bob", "ann", "bob"]);
    assert_eq!((&shifts["gaps"], shifts["layers"][0]["shifts"].as_array().unwrap().len()), (&json!([]), 3));
    for (path, status) in [
        ("/api/v1/schedules/db/shifts?to=2027-06-04T00:00:00Z", 400),
        ("/api/v1/schedules/db/shifts?from=2026-07-01T00:00:00Z&to=2026-06-04T00:00:00Z", 400),
        ("/api/v1/schedules/nope/shifts", 404),
        ("/api/v1/on-call?schedule=nope", 404),
        ("/api/v1/on-call?user=nope", 404),
        ("/api/v1/on-call?at=soon", 400),
    ] {
        stage.get(path).await.problem(status);
    }
    assert_eq!(stage.get("/api/v1/on-call?user=eve").await.expect(200)["items"], json!([]));
    assert_eq!(stage.get("/api/v1/on-call?user=ann").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_schedule_is_seen_before_it_is_kept() {
    let stage = Stage::new().await;
    team(&stage).await;
    let first = "2026-06-01T12:00:00";
    let rotation = json!({ "first_handover": first, "unit": "hours", "every": 12, "participants": ["ann"] });
    let layer =
        json!({ "name": "days", "turns": { "rotation": rotation }, "ends_at": "2026-06-02T00:00:00Z" });
    let body = json!({ "spec": { "schedule": { "layers": [layer] } }, "until": "2026-06-03T00:00:00Z" });
    let seen = stage.post("/api/v1/schedules/preview", &body).await.expect(200);
    assert_eq!(seen["gaps"], json!([{ "from": "2026-06-02T00:00:00Z", "until": "2026-06-03T00:00:00Z" }]));
    assert_eq!(on_call(&stage, 0).await, ["bob"], "nothing was kept");
    let body = json!({ "spec": { "schedule": { "layers": [{ "name": "x", "turns": { "shifts": [{ "user": "zoe",
        "from": "2026-06-02T00:00:00Z", "until": "2026-06-03T00:00:00Z" }] } }] } } });
    let reply = stage.post("/api/v1/schedules/preview", &body).await;
    assert_eq!(reply.json()["errors"][0]["path"], "spec.schedule.layers[0].turns.shifts[0].user");
    reply.problem(400);
}

#[tokio::test]
async fn people_take_and_give_their_own_shifts_and_who_runs_the_team_does_all_of_it() {
    let stage = Stage::new().await;
    let [ann, bob, max, eve] = team(&stage).await;
    let path = "/api/v1/schedules/db/overrides";
    let over = |act: Value| json!({ "until": "2026-06-01T20:00:00Z", "act": act });
    let replace = |user: &str, with: &str| over(json!({ "kind": "replace", "user": user, "with": with }));
    // Bob gives his shift to Ann, who gives it back by taking the override back
    let made = bob.ask(&stage, "POST", path, replace("bob", "ann")).await.expect(201);
    assert_eq!(made["act"], json!({ "kind": "replace", "user": "bob", "with": "ann" }));
    assert_eq!(
        (on_call(&stage, 1).await, on_call(&stage, 9).await),
        (vec!["ann".to_owned()], vec!["bob".to_owned()])
    );
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    eve.ask(&stage, "DELETE", &one, Value::Null).await.problem(403);
    ann.ask(&stage, "DELETE", &one, Value::Null).await.expect(204);
    ann.ask(&stage, "DELETE", &one, Value::Null).await.problem(404);
    // Ann takes Bob's; nobody leaves a gap, gives away what is another's, or gives to strangers
    ann.ask(&stage, "POST", path, replace("bob", "ann")).await.expect(201);
    for (who, body) in [
        (&ann, over(json!({ "kind": "remove", "user": "ann" }))),
        (&ann, replace("bob", "max")),
        (&eve, replace("ann", "bob")),
    ] {
        who.ask(&stage, "POST", path, body).await.problem(403);
    }
    for body in [replace("ann", "eve"), replace("ann", "ann"), replace("ann", "zoe")] {
        let who = if body["act"]["with"] == "ann" { &max } else { &ann };
        who.ask(&stage, "POST", path, body).await.problem(400);
    }
    eve.ask(&stage, "POST", path, over(json!({ "kind": "add", "user": "eve" }))).await.problem(400);
    max.ask(&stage, "POST", path, over(json!({ "kind": "only", "user": "eve" }))).await.expect(201);
    assert_eq!(on_call(&stage, 1).await, ["eve"]);
    let over_already = json!({ "from": "2026-05-01T00:00:00Z", "until": "2026-05-02T00:00:00Z",
        "act": { "kind": "add", "user": "ann" } });
    max.ask(&stage, "POST", path, over_already).await.problem(400);
    let lines = stage.get("/api/v1/audit?action=schedule.override").await.expect(200);
    assert_eq!(lines["items"].as_array().unwrap().len(), 4, "{lines}");
}

#[tokio::test]
async fn two_shifts_are_swapped_whole() {
    let stage = Stage::new().await;
    let [ann, _, max, _] = team(&stage).await;
    let swap = |one: Value, other: Value| json!({ "one": one, "other": other });
    let body = swap(json!({ "user": "ann" }), json!({ "user": "bob", "at": "2026-06-03T13:00:00Z" }));
    let made = ann.ask(&stage, "POST", "/api/v1/schedules/db/swaps", body).await.expect(201);
    let periods: Vec<_> =
        made["items"].as_array().unwrap().iter().map(|it| (&it["from"], &it["until"])).collect();
    assert_eq!(periods[0], (&json!("2026-06-02T12:00:00Z"), &json!("2026-06-03T12:00:00Z")));
    assert_eq!(periods[1], (&json!("2026-06-03T12:00:00Z"), &json!("2026-06-04T12:00:00Z")));
    let mut who = Vec::new();
    for hours in [1, 25, 49, 73] {
        who.extend(on_call(&stage, hours).await);
    }
    assert_eq!(who, ["bob", "bob", "ann", "ann"]);
    for (one, other) in [
        (json!({ "user": "ann" }), json!({ "user": "eve" })),
        (json!({ "user": "bob" }), json!({ "user": "bob" })),
        (json!({ "user": "ann", "at": "2026-06-01T13:00:00Z" }), json!({ "user": "bob" })),
    ] {
        max.ask(&stage, "POST", "/api/v1/schedules/db/swaps", swap(one, other)).await.problem(400);
    }
}

#[tokio::test]
async fn a_link_shows_shifts_until_it_is_revoked() {
    let stage = Stage::new().await;
    let [ann, bob, ..] = team(&stage).await;
    let made = ann.ask(&stage, "POST", "/api/v1/calendar-links", Value::Null).await.expect(201);
    let link = made["link"].as_str().unwrap();
    let path = link[link.find("/calendars/").unwrap()..].to_owned();
    let feed = elsewhere(&stage, "GET", &path, "", Value::Null).await;
    assert_eq!(feed.header("content-type"), "text/calendar; charset=utf-8");
    let (etag, modified) = (feed.header("etag").to_owned(), feed.header("last-modified").to_owned());
    assert_eq!(modified, "Mon, 01 Jun 2026 12:00:00 GMT");
    let text = feed.text();
    assert!(text.contains("SUMMARY:On call: db\r\n") && text.contains("DTSTART:20260602T120000Z"), "{text}");
    assert!(!text.contains("20260601T120000Z\r\nDTEND"), "that is Bob's");
    let uids = |text: &str| {
        text.lines().filter(|line| line.starts_with("UID:")).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut unique = uids(&text);
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), uids(&text).len());
    // the same on the next minute, and the same events two days later
    stage.passes(Duration::from_secs(60));
    let same = elsewhere(&stage, "GET", &path, "", Value::Null).await;
    assert_eq!(
        (same.header("etag"), same.header("last-modified"), same.text()),
        (etag.as_str(), modified.as_str(), text.clone())
    );
    stage.passes(Duration::from_secs(2 * 86_400));
    let next = elsewhere(&stage, "GET", &path, "", Value::Null).await;
    assert_ne!(next.header("etag"), etag);
    let known = uids(&text);
    assert!(uids(&next.text()).iter().filter(|uid| known.contains(*uid)).count() + 1 >= known.len());
    // others can neither guess nor revoke it
    assert_eq!(
        bob.ask(&stage, "GET", "/api/v1/calendar-links", Value::Null).await.expect(200)["items"],
        json!([])
    );
    let one = format!("/api/v1/calendar-links/{}", made["id"].as_str().unwrap());
    bob.ask(&stage, "DELETE", &one, Value::Null).await.problem(404);
    bob.ask(&stage, "POST", "/api/v1/calendar-links", json!({ "user": "ann" })).await.problem(403);
    ann.ask(&stage, "DELETE", &one, Value::Null).await.expect(204);
    elsewhere(&stage, "GET", &path, "", Value::Null).await.problem(404);
    elsewhere(&stage, "GET", "/calendars/x.ics", "", Value::Null).await.problem(404);
    // who is locked out takes their links along
    let made =
        bob.ask(&stage, "POST", "/api/v1/calendar-links", json!({ "schedule": "db" })).await.expect(201);
    let link = made["link"].as_str().unwrap();
    let path = link[link.find("/calendars/").unwrap()..].to_owned();
    assert!(elsewhere(&stage, "GET", &path, "", Value::Null).await.text().contains("SUMMARY:ann"));
    stage.ask("PATCH", "/api/v1/users/bob", json!({ "disabled": true }).to_string()).await.expect(200);
    elsewhere(&stage, "GET", &path, "", Value::Null).await.problem(404);
}

#[tokio::test]
async fn a_calendar_is_uploaded_where_no_address_is_given() {
    let stage = Stage::new().await;
    let [ann, ..] = team(&stage).await;
    let layers = json!([{ "name": "rota", "turns": { "calendar": {} } }]);
    let body = json!({ "name": "rota", "owner": "everybody", "spec": { "schedule": { "layers": layers } } });
    stage.post("/api/v1/schedules", &body).await.expect(201);
    let text = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Eve\r\nDTSTART:20260601T000000Z\r\n\
                DTEND:20260603T000000Z\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:2\r\nSUMMARY:Zoe\r\n\
                DTSTART:20260601T000000Z\r\nDTEND:20260603T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let path = "/api/v1/schedules/rota/calendars/rota";
    let known = stage.ask("PUT", path, text).await.expect(200);
    assert_eq!(
        (&known["shifts"], &known["skipped_count"], &known["skipped"][0]["title"]),
        (&json!(1), &json!(1), &json!("Zoe"))
    );
    let now = stage.get("/api/v1/on-call?schedule=rota").await.expect(200);
    assert_eq!(now["items"][0]["on_call"][0]["user"]["name"], "eve");
    stage.ask("PUT", path, "<html>").await.problem(400);
    stage.ask("PUT", "/api/v1/schedules/db/calendars/days", text).await.problem(409);
    ann.ask(&stage, "PUT", path, json!("x")).await.problem(403);
    let listed = stage.get("/api/v1/schedules/rota/calendars").await.expect(200);
    assert_eq!(listed["items"][0]["skipped"][0]["reason"], "its title, \"Zoe\", is the name of no user");
    stage.post("/api/v1/schedules/rota/fetch", &Value::Null).await.problem(409);
}

#[tokio::test]
async fn a_user_who_is_needed_stays_until_somebody_takes_their_place() {
    let stage = Stage::new().await;
    let [ann, bob, ..] = team(&stage).await;
    let targets = json!([{ "kind": "user", "name": "bob" }, { "kind": "user", "name": "ann" }]);
    let policy = json!({ "steps": [{ "targets": targets }] });
    let body = json!({ "name": "db", "owner": "everybody", "spec": policy });
    let id = stage.post("/api/v1/policies", &body).await.expect(201)["id"].clone();
    bob.ask(&stage, "POST", "/api/v1/calendar-links", Value::Null).await.expect(201);
    let filter = json!({ "name": "all", "spec": { "maxlevel": 5, "public": true } });
    let filter = bob.ask(&stage, "POST", "/api/v1/filters", filter).await.expect(201)["id"].clone();
    let slot = ann.ask(
        &stage,
        "POST",
        "/api/v1/timeslots",
        json!({ "name": "always", "spec": { "windows": [{}] } }),
    );
    let slot = slot.await.expect(201)["id"].clone();
    let profile = json!({ "timeslot": slot, "filters": [filter], "destinations": [], "active": true });
    ann.ask(&stage, "POST", "/api/v1/profiles", json!({ "name": "mine", "spec": profile })).await.expect(201);

    ann.ask(&stage, "DELETE", "/api/v1/users/bob", Value::Null).await.problem(403);
    let reply = stage.delete("/api/v1/users/bob").await;
    assert_eq!(reply.json()["used_by"], json!(["policy \"db\"", "profile \"mine\"", "schedule \"db\""]));
    reply.problem(409);
    stage.delete("/api/v1/users/bob?replace_with=bob").await.problem(400);
    let gone = stage.delete("/api/v1/users/bob?replace_with=max").await.expect(200);
    assert_eq!(gone["changed"], json!(["schedule \"db\"", "policy \"db\"", "filter \"all\""]));
    assert_eq!(on_call(&stage, 1).await, ["max"]);
    stage.get("/api/v1/users/bob").await.problem(404);
    bob.ask(&stage, "GET", "/api/v1/session", Value::Null).await.problem(401);
    let policy = stage.get(&format!("/api/v1/policies/{}", id.as_str().unwrap())).await.expect(200);
    let targets = policy["spec"]["steps"][0]["targets"].as_array().unwrap();
    assert_eq!((targets.len(), &targets[1]["id"]), (2, &ann.id));
    let links = stage.get("/api/v1/calendar-links").await.expect(200);
    assert_eq!(links["items"], json!([]));
    // nobody needs Eve
    stage.delete("/api/v1/users/eve").await.expect(200);
}

#[tokio::test]
async fn what_is_handed_over_takes_along_what_it_needs() {
    let stage = Stage::new().await;
    let [_, bob, ..] = team(&stage).await;
    // Bob's own schedule, by which his own policy pages, which others' policy leads to
    let rotation =
        json!({ "first_handover": "2026-06-01T00:00:00", "unit": "weeks", "participants": ["ann"] });
    let layers = json!([{ "name": "weeks", "turns": { "rotation": rotation } }]);
    let schedule = json!({ "name": "bobs", "spec": { "schedule": { "layers": layers } } });
    bob.ask(&stage, "POST", "/api/v1/schedules", schedule).await.expect(201);
    let steps = json!([{ "targets": [{ "kind": "schedule", "name": "bobs" }] }]);
    let policy = json!({ "name": "bobs", "spec": { "steps": steps } });
    bob.ask(&stage, "POST", "/api/v1/policies", policy).await.expect(201);
    let steps = json!([{ "targets": [{ "kind": "policy", "name": "bobs" }] }]);
    stage
        .post("/api/v1/policies", &json!({ "name": "all", "owner": "everybody", "spec": { "steps": steps } }))
        .await
        .expect(201);
    // and a filter of his by which a maintenance goes
    let filter = json!({ "name": "db", "spec": { "tags": ["team=db"], "public": true } });
    let filter = bob.ask(&stage, "POST", "/api/v1/filters", filter).await.expect(201)["id"].clone();
    let works = json!({ "description": "x", "starts_at": "2026-06-01T00:00:00Z", "filter_ids": [filter] });
    stage
        .post("/api/v1/maintenance", &json!({ "name": "works", "owner": "everybody", "spec": works }))
        .await
        .expect(201);

    let reply = stage.delete("/api/v1/users/bob").await;
    let used_by = ["maintenance \"works\"", "policy \"all\"", "policy \"bobs\"", "schedule \"db\""];
    assert_eq!(reply.json()["used_by"], json!(used_by));
    stage.delete("/api/v1/users/bob?replace_with=max").await.expect(200);
    for (kind, name) in [("schedules", "bobs"), ("policies", "bobs"), ("filters", "db")] {
        let all = stage.get(&format!("/api/v1/{kind}?owner=max")).await.expect(200);
        assert_eq!(all["items"][0]["name"], name, "{kind}: {all}");
    }
}

#[tokio::test]
async fn a_team_takes_what_it_defined_along_or_hands_it_over() {
    let stage = Stage::new().await;
    team(&stage).await;
    stage.post("/api/v1/teams", &json!({ "name": "web" })).await.expect(201);
    let schedule = |name: &str| json!([{ "targets": [{ "kind": "schedule", "name": name }] }]);
    let body = json!({ "name": "web", "owner": "team:web", "spec": { "steps": schedule("db") } });
    stage.post("/api/v1/policies", &body).await.expect(201);
    let steps = json!([{ "targets": [{ "kind": "team", "name": "db" }] }]);
    stage
        .post("/api/v1/policies", &json!({ "name": "all", "owner": "everybody", "spec": { "steps": steps } }))
        .await
        .expect(201);
    let reply = stage.delete("/api/v1/teams/db").await;
    assert_eq!(reply.json()["used_by"], json!(["policy \"all\"", "policy \"web\""]));
    reply.problem(409);
    stage.delete("/api/v1/teams/db?hand_over_to=everybody").await.problem(409);
    let schedules = stage.get("/api/v1/schedules").await.expect(200);
    assert_eq!(schedules["items"][0]["owner"], "team:db", "nothing half done");
    stage.delete("/api/v1/teams/db?hand_over_to=team:db").await.problem(400);
    stage.delete("/api/v1/teams/db?hand_over_to=team:web").await.expect(200);
    let schedules = stage.get("/api/v1/schedules").await.expect(200);
    assert_eq!(schedules["items"][0]["owner"], "team:web");
    stage.get("/api/v1/teams/db").await.problem(404);
    // the one that is left is needed by the policy for all, so that goes first
    stage.delete("/api/v1/teams/web").await.problem(409);
    let policies = stage.get("/api/v1/policies?owner=everybody").await.expect(200);
    stage
        .delete(&format!("/api/v1/policies/{}", policies["items"][0]["id"].as_str().unwrap()))
        .await
        .expect(200);
    stage.delete("/api/v1/teams/web").await.expect(200);
    assert_eq!(stage.get("/api/v1/schedules").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn many_definitions_are_kept_together_or_not_at_all() {
    let stage = Stage::new().await;
    team(&stage).await;
    let item = |kind: &str, name: &str, spec: Value| {
        let owner = "everybody";
        json!({ "kind": kind, "name": name, "owner": owner, "spec": spec })
    };
    let to = |kind: &str, name: &str| json!({ "steps": [{ "targets": [{ "kind": kind, "name": name }] }] });
    let items = vec![
        item("policy", "first", to("policy", "second")),
        item("policy", "second", to("schedule", "late")),
        item("schedule", "late", json!({ "schedule": { "layers": [] } })),
    ];
    let path = "/api/v1/definitions/apply";
    let would = stage.post(path, &json!({ "items": items, "dry_run": true })).await.expect(200);
    assert_eq!(would["items"][0]["result"], "created");
    assert_eq!(stage.get("/api/v1/policies").await.expect(200)["items"], json!([]));
    let mut wrong = items.clone();
    wrong.push(item("policy", "third", to("user", "zoe")));
    let reply = stage.post(path, &json!({ "items": wrong })).await;
    assert_eq!(reply.json()["errors"][0]["path"], "items[3].spec.steps[0].targets[0].id");
    reply.problem(400);
    assert_eq!(stage.get("/api/v1/policies").await.expect(200)["items"], json!([]));
    let results = |answer: &Value| {
        answer["items"].as_array().unwrap().iter().map(|it| it["result"].clone()).collect::<Vec<_>>()
    };
    let done = stage.post(path, &json!({ "items": items })).await.expect(200);
    assert_eq!(results(&done), ["created", "created", "created"]);
    let mut again = items.clone();
    again[2]["spec"]["schedule"]["zone"] = "Europe/Berlin".into();
    let done = stage.post(path, &json!({ "items": again })).await.expect(200);
    assert_eq!(results(&done), ["unchanged", "unchanged", "changed"]);
    assert_eq!(done["items"][2]["before"]["schedule"]["zone"], "UTC");
    let lines = stage.get("/api/v1/audit?action=policy").await.expect(200);
    assert_eq!(lines["items"].as_array().unwrap().len(), 2, "what is unchanged leaves no line: {lines}");
}

/// A hub whose incidents go by the policy `db` of the team `db`, or, in the zone `dmz`, by everybody's `all`.
async fn paged(stage: &Stage) {
    stage.post("/api/v1/teams", &json!({ "name": "db" })).await.expect(201);
    stage.post("/api/v1/teams", &json!({ "name": "web" })).await.expect(201);
    let steps = json!([{ "targets": [{ "kind": "receiver", "name": "all" }] }]);
    let all = json!({ "name": "all", "owner": "everybody", "spec": { "steps": steps } });
    stage.post("/api/v1/policies", &all).await.expect(201);
    let db = json!({ "name": "db", "owner": "team:db", "spec": { "steps": steps } });
    stage.post("/api/v1/policies", &db).await.expect(201);
    let live = stage.hub.core.live();
    let mut rules = live.rules.clone();
    rules.root.escalate = Some("db".to_owned());
    let mut zone = rules.root.children[0].clone();
    zone.matchers = model::matcher::Matchers(model::matcher::parse_list(r#"zone="dmz""#).unwrap());
    zone.escalate = Some("all".to_owned());
    rules.root.children = vec![zone];
    stage.hub.reload(flow::Live::new(rules, Vec::new(), &live.kinds).unwrap()).await.unwrap();
}

async fn joins(stage: &Stage, team: &str, name: &str, role: &str) {
    let path = format!("/api/v1/teams/{team}/members/{name}");
    stage.ask("PUT", &path, json!({ "role": role }).to_string()).await.expect(200);
}

#[tokio::test]
async fn a_responder_of_a_team_acts_on_its_incidents_and_on_no_others() {
    let stage = Stage::new().await;
    paged(&stage).await;
    let ann = Somebody::who_is(&stage, "ann", "viewer").await;
    let theirs = stage.incident(json!({ "alertname": "DiskFull" })).await;
    let others = stage.incident(json!({ "alertname": "DiskFull", "zone": "dmz" })).await;
    let act = async |it: &str, what: &str, body: Value| {
        ann.ask(&stage, "POST", &format!("/api/v1/incidents/{it}/{what}"), body).await
    };
    let said = act(&theirs, "ack", Value::Null).await.problem(403);
    assert_eq!(said, "ann is a viewer, and this needs respond");

    for (team, role) in [("web", "responder"), ("db", "viewer")] {
        joins(&stage, team, "ann", role).await;
        let said = act(&theirs, "ack", Value::Null).await.problem(403);
        assert!(said.ends_with("or to be a responder in a team whose incident this is"), "{role}: {said}");
    }
    joins(&stage, "db", "ann", "responder").await;
    let who = ann.ask(&stage, "GET", "/api/v1/session", Value::Null).await.expect(200);
    assert_eq!((&who["scopes"], who["responds_for"].as_array().unwrap().len()), (&json!(["read"]), 2));
    assert_eq!(act(&theirs, "ack", Value::Null).await.expect(200)["acknowledged_by"], "ann");
    act(&theirs, "unack", Value::Null).await.expect(200);
    act(&theirs, "snooze", json!({ "for": "1h" })).await.expect(200);
    act(&theirs, "note", json!({ "text": "the disk is full" })).await.expect(200);
    for what in ["ack", "unack", "resolve"] {
        act(&others, what, Value::Null).await.problem(403);
    }
    act(&others, "snooze", json!({ "for": "1h" })).await.problem(403);
    act(&others, "note", json!({ "text": "what is it?" })).await.problem(403);
    act("0000000000001", "ack", Value::Null).await.problem(404);
    let ticket = |it: &str| format!("/api/v1/incidents/{it}/ticket");
    ann.ask(&stage, "POST", &ticket(&others), json!({})).await.problem(403);
    ann.ask(&stage, "POST", &ticket(&theirs), json!({})).await.problem(409);

    // the same through Argus' door, and nothing that is everybody's
    let through_argus = async |it: &str| {
        let path = format!("/api/v2/incidents/{}/acks/", it.parse::<model::Id>().unwrap().0);
        let ack = json!({ "timestamp": "2026-06-01T12:00:00Z" });
        ann.ask(&stage, "POST", &path, ack).await.status.as_u16()
    };
    assert_eq!((through_argus(&theirs).await, through_argus(&others).await), (201, 403));
    let silence = json!({ "matchers": ["zone=dmz"], "for": "1h", "comment": "works" });
    ann.ask(&stage, "POST", "/api/v1/silences", silence).await.problem(403);
    let event = json!({ "title": "x" });
    ann.ask(&stage, "POST", "/api/v1/events", event).await.problem(403);

    act(&theirs, "resolve", Value::Null).await.expect(200);
    stage.delete("/api/v1/teams/db/members/ann").await.expect(204);
    act(&theirs, "note", json!({ "text": "again" })).await.problem(403);
}

#[tokio::test]
async fn a_responder_of_a_team_says_where_they_are_reached_and_takes_its_shifts() {
    let stage = Stage::new().await;
    team(&stage).await;
    let joe = Somebody::who_is(&stage, "joe", "viewer").await;
    joe.ask(&stage, "POST", "/api/v1/filters", json!({ "name": "all", "spec": {} })).await.problem(403);
    let until = stage.at(3600);
    let shift = json!({ "until": until, "act": { "kind": "replace", "user": "bob", "with": "joe" } });
    joe.ask(&stage, "POST", "/api/v1/schedules/db/overrides", shift.clone()).await.problem(403);

    joins(&stage, "db", "joe", "responder").await;
    joe.ask(&stage, "POST", "/api/v1/filters", json!({ "name": "all", "spec": {} })).await.expect(201);
    // what touches others takes more
    let steps = json!({ "steps": [{ "targets": [{ "kind": "user", "name": "joe" }] }] });
    joe.ask(&stage, "POST", "/api/v1/policies", json!({ "name": "mine", "spec": steps })).await.problem(403);
    let window = json!({ "from": stage.at(60), "until": stage.at(3600), "filters": [{}] });
    let window = json!({ "name": "quiet", "spec": window });
    joe.ask(&stage, "POST", "/api/v1/maintenance", window).await.problem(403);
    let theirs = json!({ "name": "all", "owner": "team:db", "spec": {} });
    joe.ask(&stage, "POST", "/api/v1/filters", theirs).await.problem(403);
    let everybodys = json!({ "name": "all", "owner": "everybody", "spec": {} });
    joe.ask(&stage, "POST", "/api/v1/filters", everybodys).await.problem(403);
    joe.ask(&stage, "POST", "/api/v1/schedules/db/overrides", shift).await.expect(201);
    assert_eq!(on_call(&stage, 0).await, ["joe"]);
    joe.ask(&stage, "POST", "/api/v1/calendar-links", Value::Null).await.expect(201);
}

#[tokio::test]
async fn a_token_does_in_a_team_what_its_scopes_say() {
    let stage = Stage::new().await;
    paged(&stage).await;
    let ann = Somebody::who_is(&stage, "ann", "viewer").await;
    let path = "/api/v1/users/ann/tokens";
    let asked = |name: &str| json!({ "name": name, "scopes": ["respond"] });
    ann.ask(&stage, "POST", path, asked("early")).await.problem(400);
    joins(&stage, "db", "ann", "responder").await;
    let incident = stage.incident(json!({ "alertname": "DiskFull" })).await;
    let ack = async |body: Value| {
        let made = ann.ask(&stage, "POST", path, body).await.expect(201);
        let request = stage.request("POST", &format!("/api/v1/incidents/{incident}/ack"));
        let bearer = format!("Bearer {}", made["secret"].as_str().unwrap());
        stage.send(request.header("authorization", bearer).body(Body::empty()).unwrap()).await
    };
    ack(asked("phone")).await.expect(200);
    ack(json!({ "name": "all that I may" })).await.expect(200);
    ack(json!({ "name": "looks", "scopes": ["read"] })).await.problem(403);
    let more = json!({ "name": "more", "scopes": ["manage"] });
    ann.ask(&stage, "POST", path, more).await.problem(400);
}
