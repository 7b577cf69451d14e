//! Argus' API for what people want to hear of: profiles, timeslots, filters, destinations, without sockets.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use serde_json::{Value, json};
use support::Stage;
use support::argus::{Person, ROOT};

fn pks(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|it| it["pk"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn a_profile_is_made_changed_and_tells() {
    let stage = Stage::new().await;
    let ann = Person::new(&stage, "ann").await;
    let slots = ann.get("timeslots/").await;
    assert_eq!(
        (&slots[0]["name"], &slots[0]["time_recurrences"][0]["all_day"]),
        (&json!("All the time"), &json!(true))
    );
    let filter =
        ann.make("filters/", json!({ "name": "bad", "filter": { "tags": ["team=x"], "maxlevel": 2 } })).await;
    assert_eq!(filter["filter"], json!({ "tags": ["team=x"], "maxlevel": 2 }));
    let to = ann.destination("anns").await;
    assert!(!to.to_string().contains("hush-hush"), "{to}");
    let (slot, filters, places) = (&slots[0]["pk"], [&filter["pk"]], [&to["pk"]]);
    let new = json!({ "name": "mine", "timeslot": slot, "filters": filters, "destinations": places, "active": true });
    let profile = ann.make("", new).await;
    assert_eq!(
        (&profile["timeslot"], &profile["filters"][0], &profile["destinations"][0]),
        (&slots[0], &filter, &to)
    );
    let one = format!("{}/", profile["pk"]);
    stage.incident(json!({ "alertname": "DiskFull", "team": "x", "severity": "critical" })).await;
    stage.incident(json!({ "alertname": "DiskFull", "team": "y", "severity": "critical" })).await;
    stage.incident(json!({ "alertname": "DiskFull", "team": "x", "severity": "info" })).await;
    let listed = ann.get(&format!("{one}incidents/")).await;
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let previewed = ann.ask("POST", "preview/", json!({ "filters": [filter["pk"]] })).await.expect(200);
    let by_blob =
        ann.ask("POST", "filterpreview/", json!({ "tags": ["team=x"], "maxlevel": 2 })).await.expect(200);
    assert_eq!((&previewed, &by_blob), (&listed, &listed), "one evaluator for all");
    // without its timeslot, which crashes Argus
    let quiet = ann.ask("PATCH", &one, json!({ "active": false })).await.expect(200);
    assert_eq!((&quiet["active"], &quiet["timeslot"]), (&json!(false), &slots[0]));
    assert_eq!(ann.ask("DELETE", &one, Value::Null).await.status.as_u16(), 204);
    assert_eq!(ann.get("").await, json!([]));
    // what it told while it was active
    let told = |it: &Value| {
        let is_hers = it["destination"].as_str().is_some_and(|place| place.starts_with("@scripted/"));
        is_hers && it["reason"] != "test"
    };
    let once = |it: &Value| it["items"].as_array().unwrap().iter().filter(|it| told(it)).count() == 1;
    stage.until("/api/v1/deliveries", once).await;
}

#[tokio::test]
async fn what_is_in_use_stays_and_what_is_others_is_not_there() {
    let stage = Stage::new().await;
    let (ann, bob) = (Person::new(&stage, "ann").await, Person::new(&stage, "bob").await);
    let filter =
        ann.make("filters/", json!({ "name": "f", "filter": { "open": true }, "public": true })).await;
    let hidden = ann.make("filters/", json!({ "name": "g", "filter": { "open": true } })).await;
    let slot = bob.get("timeslots/").await[0]["pk"].clone();
    assert_eq!(pks(&bob.get("filters/").await), [filter["pk"].as_i64().unwrap()]);
    let wrong = json!({ "timeslot": slot, "filters": [hidden["pk"]], "destinations": [] });
    assert!(bob.ask("POST", "", wrong).await.expect(400).get("filters").is_some());
    let profile =
        bob.make("", json!({ "timeslot": slot, "filters": [filter["pk"]], "destinations": [] })).await;
    let used = ann.ask("DELETE", &format!("filters/{}/", filter["pk"]), Value::Null).await.expect(400);
    assert!(used.as_str().unwrap().contains("in use"), "{used}");
    let used = bob.ask("DELETE", &format!("timeslots/{slot}/"), Value::Null).await.expect(400);
    assert!(used.is_string(), "{used}");
    let path = format!("{}/", profile["pk"]);
    assert_eq!(ann.ask("GET", &path, Value::Null).await.expect(404), json!({ "detail": "Not found." }));
    assert_eq!(
        ann.ask("PATCH", &format!("timeslots/{slot}/"), json!({ "name": "x" })).await.status.as_u16(),
        404
    );
    assert_eq!(stage.get(ROOT).await.status.as_u16(), 403, "nobody in particular has none");
    // two people may have the same name for theirs
    for person in [&ann, &bob] {
        let slot = person.get("timeslots/").await[0]["pk"].clone();
        person.make("", json!({ "name": "same", "timeslot": slot, "filters": [], "destinations": [] })).await;
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_field() {
    let stage = Stage::new().await;
    let ann = Person::new(&stage, "ann").await;
    let slot = |start: &str, end: &str| {
        let times = json!([{ "days": [1, 7], "start": start, "end": end }]);
        json!({ "name": "n", "time_recurrences": times })
    };
    let odd_day = json!([{ "days": [8], "all_day": true }]);
    for (path, body, field) in [
        ("filters/", json!({ "name": "f", "filter": { "maxlevel": 9 } }), "filter"),
        ("filters/", json!({ "name": "f", "filter": { "nonsense": 1 } }), "filter"),
        ("filters/", json!({ "filter": {} }), "name"),
        ("timeslots/", json!({ "name": "n", "time_recurrences": odd_day }), "time_recurrences"),
        ("timeslots/", slot("25:00", "26:00"), "time_recurrences"),
        ("timeslots/", json!({ "time_recurrences": [] }), "name"),
        ("destinations/", json!({ "media": "pigeon", "label": "x", "settings": {} }), "media"),
        (
            "destinations/",
            json!({ "media": "scripted", "label": "x", "settings": { "nonsense": 1 } }),
            "settings",
        ),
        ("", json!({ "name": "p" }), "timeslot"),
        ("", json!({ "name": "p", "timeslot": 1, "filters": [], "destinations": [] }), "timeslot"),
    ] {
        let said = ann.ask("POST", path, body.clone()).await.expect(400);
        assert!(said.get(field).is_some(), "{path} {body}: {said}");
    }
    // Argus has none that cross midnight
    let night = ann.make("timeslots/", slot("22:00:00", "06:00:00")).await;
    let shown = json!({ "days": [1, 7], "start": "22:00:00", "end": "06:00:00", "all_day": false });
    assert_eq!(night["time_recurrences"][0], shown);
    let renamed = ann
        .ask("PATCH", &format!("timeslots/{}/", night["pk"]), json!({ "name": "night" }))
        .await
        .expect(200);
    assert_eq!(
        (&renamed["name"], &renamed["time_recurrences"]),
        (&json!("night"), &night["time_recurrences"])
    );
}

#[tokio::test]
async fn destinations_and_media_are_shown_in_both_shapes() {
    let stage = Stage::new().await;
    let (ann, bob) = (Person::new(&stage, "ann").await, Person::new(&stage, "bob").await);
    let to = ann.destination("shared").await;
    let settings = json!({ "channel": "shared", "password": "hush-hush" });
    let again = json!({ "media": "scripted", "label": "y", "settings": settings });
    assert!(ann.ask("POST", "destinations/", again).await.expect(400).get("settings").is_some());
    let path = format!("destinations/{}/", to["pk"]);
    assert_eq!(ann.get(&format!("{path}duplicate/")).await, json!({ "is_duplicate": false }));
    bob.destination("shared").await;
    assert_eq!(ann.get(&format!("{path}duplicate/")).await, json!({ "is_duplicate": true }));
    assert_eq!(to["media"]["slug"], "scripted");
    assert!(to.get("managed").is_none());
    assert_eq!(ann.get(&format!("/api/v3/notificationprofiles/{path}")).await["managed"], false);
    let named = ann.ask("PATCH", &path, json!({ "label": "other" })).await.expect(200);
    assert_eq!(named["label"], "other");
    assert_eq!(ann.ask("PUT", &path, json!({})).await.status.as_u16(), 405, "as there");
    assert_eq!(ann.ask("PATCH", &path, json!({ "media": "email" })).await.status.as_u16(), 400);
    assert_eq!(ann.ask("DELETE", &path, Value::Null).await.status.as_u16(), 204);
    let media = ann.get("media/").await;
    assert!(media.as_array().unwrap().iter().any(|it| it["slug"] == "scripted" && it["installed"] == true));
    assert_eq!(ann.get("media/scripted/").await["slug"], "scripted");
    assert!(ann.get("media/scripted/json_schema/").await["json_schema"]["properties"].is_object());
    assert_eq!(ann.ask("GET", "media/pigeon/", Value::Null).await.status.as_u16(), 404);
}

#[tokio::test]
async fn a_destination_that_somebodys_contact_rules_name_stays() {
    let stage = Stage::new().await;
    let ann = Person::new(&stage, "ann").await;
    let to = ann.destination("anns").await;
    let id = model::Id(to["pk"].as_i64().unwrap());
    let rules = json!({ "high": [{ "destination": id }] });
    let reach = json!({ "name": "mine", "owner": "ann", "spec": { "rules": rules } });
    let made = stage.post("/api/v1/reach", &reach).await.expect(201);
    // two of them would say different things of one person
    let twice = json!({ "name": "other", "owner": "ann", "spec": {} });
    let twice = stage.post("/api/v1/reach", &twice).await;
    assert_eq!(twice.json()["errors"][0]["path"], "owner");
    assert!(twice.problem(400).contains("in \"mine\": change that"));
    let changed = json!({ "name": "own", "spec": { "rules": { "high": [{ "destination": id }] } } });
    let changed_path = format!("/api/v1/reach/{}", made["id"].as_str().unwrap());
    stage.ask("PATCH", &changed_path, changed.to_string()).await.expect(200);
    stage.ask("PATCH", &changed_path, json!({ "name": "mine" }).to_string()).await.expect(200);
    let path = format!("destinations/{}/", to["pk"]);
    let why = ann.ask("DELETE", &path, Value::Null).await.expect(400);
    assert!(why.as_str().unwrap().contains("in use by reach \"mine\""), "{why}");
    stage.delete(&format!("/api/v1/reach/{}", made["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(ann.ask("DELETE", &path, Value::Null).await.status.as_u16(), 204);
}

#[tokio::test]
async fn the_address_of_the_account_is_one_destination_in_both_shapes() {
    let stage = Stage::new().await;
    let ann = Person::new(&stage, "ann").await;
    let change = async |it: Value| stage.ask("PATCH", "/api/v1/users/ann", it.to_string()).await.expect(200);
    let v3 = "/api/v3/notificationprofiles/destinations/";
    assert_eq!(ann.get("destinations/").await, json!([]));
    change(json!({ "email": "ann@example.org" })).await;
    let all = ann.get("destinations/").await;
    let settings = json!({ "email_address": "ann@example.org", "synced": true });
    assert_eq!(
        (&all[0]["settings"], &all[0]["media"]["slug"], pks(&all).len()),
        (&settings, &json!("email"), 1)
    );
    assert_eq!(all[0]["suggested_label"], "ann@example.org");
    let new = ann.get(v3).await;
    assert_eq!(
        (&new[0]["settings"], &new[0]["managed"]),
        (&json!({ "email_address": "ann@example.org" }), &json!(true))
    );
    let one = format!("destinations/{}/", all[0]["pk"]);
    let why = ann.ask("DELETE", &one, Value::Null).await.expect(400);
    assert!(why.as_str().unwrap().contains("account"), "{why}");
    let label = ann.ask("PATCH", &one, json!({ "label": "work" })).await.expect(200);
    assert_eq!((&label["label"], &label["settings"]), (&json!("work"), &settings));
    // it follows the account
    change(json!({ "email": "ann@example.com" })).await;
    assert_eq!(ann.get(&one).await["settings"]["email_address"], "ann@example.com");
    // other settings make it hers, and the account has another
    let other = json!({ "settings": { "email_address": "me@home.example", "synced": true } });
    let hers = ann.ask("PATCH", &one, other).await.expect(200);
    assert_eq!(hers["settings"], json!({ "email_address": "me@home.example", "synced": false }));
    let all = ann.get("destinations/").await;
    assert_eq!((pks(&all).len(), &all[1]["settings"]["email_address"]), (2, &json!("ann@example.com")));
    let same =
        json!({ "media": "email", "label": "again", "settings": { "email_address": "ME@home.example" } });
    let why = ann.ask("POST", "destinations/", same).await.expect(400);
    assert!(why["settings"].to_string().contains("already"), "{why}");
    let schema = ann.get("media/email/json_schema/").await;
    assert_eq!(schema["json_schema"]["required"], json!(["email_address"]));
    // without an address there is none; what somebody made themselves stays
    change(json!({ "email": "" })).await;
    assert_eq!(pks(&ann.get("destinations/").await), [hers["pk"].as_i64().unwrap()]);
    // one that they have at that address already becomes it
    change(json!({ "email": "me@home.example" })).await;
    let all = ann.get(v3).await;
    assert_eq!((pks(&all).len(), &all[0]["managed"]), (1, &json!(true)));
}

#[tokio::test]
async fn how_somebody_is_reached_is_not_for_everybody_to_know() {
    let stage = Stage::new().await;
    let ann = Person::new(&stage, "ann").await;
    let bob = Person::new(&stage, "bob").await;
    let max = Person::with_role(&stage, "max", "manager").await;
    let user = json!({ "email": "ann@example.org" }).to_string();
    let id = stage.ask("PATCH", "/api/v1/users/ann", user).await.expect(200)["id"].clone();
    let id: model::Id = id.as_str().unwrap().parse().unwrap();
    let path = format!("/api/v2/auth/users/{}/", id.0);
    for (who, email) in [(&ann, "ann@example.org"), (&bob, ""), (&max, "ann@example.org")] {
        let shown = who.get(&path).await;
        assert_eq!((&shown["username"], &shown["email"]), (&json!("ann"), &json!(email)));
    }
}

#[tokio::test]
async fn where_somebody_says_they_are_is_told_nothing_before_they_have_shown_it() {
    let mut stage = Stage::new().await;
    let ann = Person::new(&stage, "ann").await;
    let settings = stage.hub.core.live().places.values().next().unwrap().place.settings.clone();
    let new = json!({ "media": "scripted", "label": "phone", "settings": settings });
    let made = ann.make("destinations/", new.clone()).await;
    // a code is on its way, and nothing else
    let title = stage.message().await.title;
    let path = format!("/api/v1/destinations/{}/verification", model::Id(made["pk"].as_i64().unwrap()));
    let shown = stage.get(path.trim_end_matches("/verification")).await.expect(200);
    assert_eq!(shown["spec"]["verified_at"], Value::Null);
    let code = title.rsplit(' ').next().unwrap();
    let shown = stage.ask("PUT", &path, json!({ "code": code }).to_string()).await.expect(200);
    assert!(shown["spec"]["verified_at"].is_string());
    // an admin's word is good enough
    let max = Person::with_role(&stage, "max", "admin").await;
    let made = max.make("destinations/", new).await;
    let path = format!("/api/v1/destinations/{}", model::Id(made["pk"].as_i64().unwrap()));
    assert!(stage.get(&path).await.expect(200)["spec"]["verified_at"].is_string());
}

#[tokio::test]
async fn the_accounts_address_cannot_be_taken_away_while_something_needs_it() {
    let stage = Stage::new().await;
    let ann = Person::new(&stage, "ann").await;
    stage
        .ask("PATCH", "/api/v1/users/ann", json!({ "email": "ann@example.org" }).to_string())
        .await
        .expect(200);
    let place = ann.get("destinations/").await[0]["pk"].clone();
    let slot = ann.get("timeslots/").await[0]["pk"].clone();
    let profile = json!({ "name": "p", "timeslot": slot, "filters": [], "destinations": [place] });
    ann.make("", profile).await;
    let why = stage.ask("PATCH", "/api/v1/users/ann", json!({ "email": "" }).to_string()).await.problem(400);
    assert!(why.contains("in use by profile \"p\""), "{why}");
    let user = stage.get("/api/v1/users/ann").await.expect(200);
    assert_eq!(user["email"], "ann@example.org", "nothing is half done");
}

#[tokio::test]
async fn maintenance_is_planned_by_those_who_run_teams_and_seen_by_everybody() {
    let stage = Stage::new().await;
    let ann = Person::with_role(&stage, "ann", "manager").await;
    let bob = Person::new(&stage, "bob").await;
    const PLANNED: &str = "/api/v2/plannedmaintenance/";
    let filter = ann.make("filters/", json!({ "name": "db", "filter": { "tags": ["host=db1"] } })).await;
    let new = json!({
        "start_time": "2026-06-01T14:00:00+02:00", "description": "new disks\nin all of them",
        "filters": [filter["pk"]],
    });
    assert_eq!(bob.ask("POST", PLANNED, new.clone()).await.status.as_u16(), 403);
    let made = ann.make(PLANNED, new).await;
    assert_eq!(
        (&made["start_time"], &made["end_time"], &made["created_by"], &made["filters"]),
        (&json!("2026-06-01T12:00:00Z"), &json!("infinity"), &json!("ann"), &json!([filter["pk"]]))
    );
    let one = format!("{PLANNED}{}/", made["pk"]);
    assert_eq!((bob.get(PLANNED).await, bob.get(&one).await), (json!([made]), made.clone()));
    let used = ann.ask("DELETE", &format!("filters/{}/", filter["pk"]), Value::Null).await.expect(400);
    assert!(used.as_str().unwrap().contains("in use by maintenance"), "{used}");
    // it covers what its filter takes, as it is by then
    let id = stage.incident(json!({ "alertname": "Disk", "host": "db1" })).await;
    let path = format!("/api/v1/explain/{id}");
    assert!(stage.get(&path).await.expect(200).to_string().contains("covered by planned maintenance"));
    // it has begun: its start is fixed, it is ended rather than deleted, and changes no more half a day later
    let start = json!({ "start_time": "2026-06-01T11:00:00Z" });
    assert!(ann.ask("PATCH", &one, start).await.expect(400).get("start_time").is_some());
    let begun = ann.ask("DELETE", &one, Value::Null).await.expect(400);
    assert!(begun.as_str().unwrap().contains("has begun"), "{begun}");
    let end = json!({ "end_time": "2026-06-01T13:00:00Z" });
    assert_eq!(ann.ask("PATCH", &one, end.clone()).await.expect(200)["end_time"], "2026-06-01T13:00:00Z");
    let whole = json!({ "start_time": made["start_time"], "filters": made["filters"], "end_time": null });
    assert_eq!(ann.ask("PUT", &one, whole).await.expect(200)["end_time"], "infinity");
    ann.ask("PATCH", &one, end).await.expect(200);
    stage.passes(std::time::Duration::from_secs(13 * 3600));
    assert!(
        ann.ask("PATCH", &one, json!({ "description": "x" })).await.expect(400).get("end_time").is_some()
    );
    // one that has not begun goes
    let later = json!({ "start_time": "2026-07-01T12:00:00Z", "filters": [filter["pk"]] });
    let later = ann.make(PLANNED, later).await;
    assert_eq!(
        ann.ask("DELETE", &format!("{PLANNED}{}/", later["pk"]), Value::Null).await.status.as_u16(),
        204
    );
    for (body, field) in [
        (json!({ "filters": [filter["pk"]] }), "start_time"),
        (json!({ "start_time": "2026-07-01T12:00:00Z", "filters": [] }), "filters"),
        (json!({ "start_time": "2026-07-01T12:00:00Z", "filters": [1] }), "filters"),
        (json!({ "start_time": "soon", "filters": [filter["pk"]] }), "start_time"),
        (
            json!({ "start_time": "2026-07-02T12:00:00Z", "end_time": "2026-07-01T12:00:00Z",
                "filters": [filter["pk"]] }),
            "end_time",
        ),
    ] {
        let said = ann.ask("POST", PLANNED, body.clone()).await.expect(400);
        assert!(said.get(field).is_some(), "{body}: {said}");
    }
    assert_eq!(ann.ask("GET", "/api/v2/plannedmaintenance/77/", Value::Null).await.status.as_u16(), 404);
    assert_eq!(ann.ask("GET", "/api/v3/plannedmaintenance/", Value::Null).await.status.as_u16(), 404);
}
