//! Argus' API as somebody meets it who tries everything: what is odd is refused by its field, and nobody changes what
//! is others'.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::argus::{Person, ROOT, Source, with_token};
use support::{NOW, Stage};

fn tags(incident: &Value) -> Vec<&str> {
    incident["tags"].as_array().unwrap().iter().map(|it| it["tag"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn cursors_that_nobody_gave_out_are_refused_or_lead_to_nothing() {
    let stage = Stage::new().await;
    stage.incident(json!({ "alertname": "DiskFull" })).await;
    for path in ["incidents/", "incidents/mine/", "incidents/events/"] {
        let id = |number: i64| model::Id(number);
        let largest = format!("n{}", id(i64::MAX));
        for cursor in [largest.as_str(), "o-1", "x1", "o", "%C3%BC", "n1.5", "o0000000000000000"] {
            let reply = stage.get(&format!("/api/v2/{path}?cursor={cursor}")).await;
            assert_eq!(reply.expect(404), json!({ "detail": "Invalid cursor" }), "{path} {cursor}");
        }
        for cursor in [format!("o{}", id(0)), format!("o{}", id(1)), format!("n{}", id(i64::MAX - 1))] {
            let page = stage.get(&format!("/api/v2/{path}?cursor={cursor}")).await.expect(200);
            assert_eq!(page["results"], json!([]), "{path} {cursor}");
            for other in ["next", "previous"] {
                let Some(url) = page[other].as_str() else { continue };
                let path = url.split_once("/api/").unwrap().1;
                stage.get(&format!("/api/{path}")).await.expect(200);
            }
        }
    }
}

#[tokio::test]
async fn a_filter_and_a_profile_both_count() {
    let stage = Stage::new().await;
    let ann = Person::new(&stage, "ann").await;
    for labels in [json!({ "team": "x", "site": "a" }), json!({ "team": "x", "site": "b" })] {
        stage.incident(labels).await;
    }
    let mut filters = Vec::new();
    for tag in ["team=x", "site=b"] {
        let new = json!({ "name": tag, "filter": { "tags": [tag] } });
        filters.push(ann.make("filters/", new).await["pk"].clone());
    }
    let slot = ann.get("timeslots/").await[0]["pk"].clone();
    let profile = json!({ "name": "p", "timeslot": slot, "filters": [filters[1]], "destinations": [] });
    let profile = ann.make("", profile).await["pk"].clone();
    for (query, count) in [
        (format!("filter_pk={}", filters[0]), 2),
        (format!("notificationprofile_pk={profile}"), 1),
        (format!("filter_pk={}&notificationprofile_pk={profile}", filters[0]), 1),
    ] {
        let counted = ann.get(&format!("/api/v2/incidents/?count&{query}")).await;
        assert_eq!(counted["count"], count, "{query}");
    }
    let bob = Person::new(&stage, "bob").await;
    for (query, field) in [
        (format!("filter_pk={}", filters[0]), "filter_pk"),
        (format!("filter_pk=&notificationprofile_pk={profile}"), "notificationprofile_pk"),
        ("filter_pk=x".into(), "filter_pk"),
    ] {
        let why = bob.ask("GET", &format!("/api/v2/incidents/?{query}"), Value::Null).await.expect(400);
        assert!(why.get(field).is_some(), "{query}: {why}");
    }
}

#[tokio::test]
async fn who_says_all_tags_says_all_of_their_own() {
    let stage = Stage::new().await;
    let (source, ann) = (Source::new(&stage, "zino").await, Person::new(&stage, "ann").await);
    let posted =
        source.post(json!({ "tags": [{ "tag": "host=a" }, { "tag": "team=db" }] })).await.expect(201);
    let one = format!("/api/v2/incidents/{}/", posted["pk"]);
    ann.ask("POST", &format!("{one}tags/"), json!({ "tag": "owner=ann" })).await.expect(201);
    // a glue service sends all that it knows
    let known = json!({ "tags": [{ "tag": "host=b" }] });
    let changed = source.ask("PATCH", &one, &known).await.expect(200);
    assert_eq!(tags(&changed), ["host=b", "owner=ann"]);
    let changed = ann.ask("PATCH", &one, json!({ "tags": [] })).await.expect(200);
    assert_eq!(tags(&changed), ["host=b"]);
    // an admin says all of them
    let all = json!({ "tags": ["seen=yes"] }).to_string();
    assert_eq!(tags(&stage.ask("PATCH", &one, all).await.expect(200)), ["seen=yes"]);
    let many: Vec<String> = (0..200).map(|n| format!("n{n}=x")).collect();
    let why = ann.ask("PATCH", &one, json!({ "tags": many })).await.expect(400);
    assert!(why["tags"].to_string().contains("more than 200"), "{why}");
    assert_eq!(tags(&stage.get(&one).await.expect(200)), ["seen=yes"], "nothing is half saved");
}

#[tokio::test]
async fn what_an_acknowledgement_says_is_read_wherever_it_stands() {
    let stage = Stage::new().await;
    let source = Source::new(&stage, "zino").await;
    let acks = format!("/api/v2/incidents/{}/acks/", source.opens("one").await);
    for odd in [json!("x".repeat(16_001)), json!(["no"]), json!("a\u{0}b")] {
        let ack = json!({ "timestamp": NOW, "event": { "description": odd } });
        let why = stage.post(&acks, &ack).await.expect(400);
        assert!(why.get("description").is_some(), "{why}");
    }
    assert_eq!(stage.get(&acks).await.expect(200), json!([]));
    let ack = json!({ "timestamp": NOW, "event": { "description": "mine" } });
    assert_eq!(stage.post(&acks, &ack).await.expect(201)["event"]["description"], "mine");
}

#[tokio::test]
async fn nothing_is_no_value_and_put_says_all() {
    let stage = Stage::new().await;
    let max = Person::with_role(&stage, "max", "admin").await;
    let slot = max.get("timeslots/").await[0]["pk"].clone();
    let filter = max.make("filters/", json!({ "name": "f", "filter": { "open": true } })).await["pk"].clone();
    let new = json!({ "name": "p", "timeslot": slot, "filters": [filter], "destinations": [] });
    let profile = max.make("", new).await;
    let planned = json!({ "start_time": "2026-07-01T12:00:00Z", "filters": [filter] });
    let planned = max.make("/api/v2/plannedmaintenance/", planned).await;
    let source = json!({ "name": "nav", "type": "nav", "username": "nav" });
    let source = max.make("/api/v2/incidents/sources/", source).await;
    let paths = [
        (format!("{ROOT}{}/", profile["pk"]), vec!["timeslot", "filters"]),
        (format!("{ROOT}filters/{filter}/"), vec!["name", "filter"]),
        (format!("{ROOT}timeslots/{slot}/"), vec!["name", "time_recurrences"]),
        (format!("/api/v2/plannedmaintenance/{}/", planned["pk"]), vec!["start_time", "filters"]),
        (format!("/api/v2/incidents/sources/{}/", source["pk"]), vec!["name", "type"]),
    ];
    for (path, needed) in paths {
        let before = max.get(&path).await;
        let why = max.ask("PUT", &path, json!({})).await.expect(400);
        for field in &needed {
            assert_eq!(why[field], json!(["This field is required."]), "PUT {path}");
            let why = max.ask("PATCH", &path, json!({ *field: null })).await.expect(400);
            assert!(why.get(field).is_some(), "PATCH {path} {field}: {why}");
        }
        let all = path.rsplit_once('/').unwrap().0.rsplit_once('/').unwrap().0;
        let nothing: Value = needed.iter().map(|field| ((*field).to_owned(), Value::Null)).collect();
        let why = max.ask("POST", &format!("{all}/"), nothing).await.expect(400);
        assert!(needed.iter().all(|field| why.get(*field).is_some()), "POST {all}: {why}");
        assert_eq!(max.get(&path).await, before, "nothing is half saved");
    }
    let why = max.ask("POST", "preview/", json!({})).await.expect(400);
    assert_eq!(why["filters"], json!(["This field is required."]));
    let many: Vec<i64> = (1..=65).collect();
    let why = max.ask("POST", "preview/", json!({ "filters": many })).await.expect(400);
    assert!(why["filters"].to_string().contains("65"), "{why}");
    let text = json!({ "filter": "{\"open\": true}" });
    assert_eq!(max.ask("POST", "filterpreview/", text).await.expect(200), json!([]));
    let odd = max.ask("POST", "filterpreview/", json!({ "filter": { "nonsense": 1 } })).await.expect(400);
    assert!(odd["filter"].to_string().contains("nonsense"), "{odd}");
    let other = json!({ "username": "max" });
    let path = format!("/api/v2/incidents/sources/{}/", source["pk"]);
    assert!(max.ask("PATCH", &path, other).await.expect(400).get("username").is_some());
}

#[tokio::test]
async fn ends_of_days_are_ends_only() {
    let stage = Stage::new().await;
    let ann = Person::new(&stage, "ann").await;
    let slot = |name: &str, start: &str, end: &str| {
        let times = json!([{ "days": [1], "start": start, "end": end }]);
        json!({ "name": name, "time_recurrences": times })
    };
    let made = ann.make("timeslots/", slot("late", "23:59:59.999999", "23:59:59.999999")).await;
    let shown = &made["time_recurrences"][0];
    assert_eq!((&shown["start"], &shown["end"]), (&json!("23:59:59"), &json!("23:59:59.999999")));
    for odd in ["08:00:00.x", "23:59:59.9nonsense", "08:00:00.", "08:00:00.1234567"] {
        let why = ann.ask("POST", "timeslots/", slot("odd", "07:00:00", odd)).await.expect(400);
        assert!(why.get("time_recurrences").is_some(), "{odd}: {why}");
    }
}

#[tokio::test]
async fn a_destination_that_comes_back_as_it_was_shown_keeps_its_secrets() {
    let stage = Stage::new().await;
    let ann = Person::new(&stage, "ann").await;
    let mut made = ann.destination("anns").await;
    let path = format!("destinations/{}/", made["pk"]);
    made["label"] = json!("other");
    let sent = json!({ "media": made["media"], "label": "other", "settings": made["settings"] });
    let again = ann.ask("PATCH", &path, sent).await.expect(200);
    assert_eq!((&again["label"], &again["settings"]), (&made["label"], &made["settings"]));
    let id = model::Id(made["pk"].as_i64().unwrap());
    let stored = stage.hub.store.read(move |tx| {
        store::definitions::get::<model::OwnedDestination>(tx, store::definitions::Kind::Destination, id)
    });
    let body = stored.await.unwrap().unwrap().body;
    assert_eq!(body.settings["password"], "hush-hush");
    assert!(body.verified_at.is_some(), "it leads nowhere else");
    // a label need not be said, and two without one are not in each other's way
    for channel in ["one", "two"] {
        let settings = json!({ "channel": channel, "password": "x" });
        let new = json!({ "media": "scripted", "label": null, "settings": settings });
        assert!(ann.make("destinations/", new).await["label"].as_str().unwrap().starts_with("scripted "));
    }
}

#[tokio::test]
async fn what_others_use_stays_public_and_what_others_planned_can_be_ended() {
    let stage = Stage::new().await;
    let (ann, bob) = (Person::with_role(&stage, "ann", "manager").await, Person::new(&stage, "bob").await);
    let new = json!({ "name": "f", "filter": { "tags": ["host=db1"] }, "public": true });
    let filter = ann.make("filters/", new).await["pk"].clone();
    let one = format!("filters/{filter}/");
    let slot = bob.get("timeslots/").await[0]["pk"].clone();
    let profile = json!({ "name": "p", "timeslot": slot, "filters": [filter], "destinations": [] });
    let profile = bob.make("", profile).await;
    let why = ann.ask("PATCH", &one, json!({ "public": false })).await.expect(400);
    assert!(why["public"].to_string().contains("in use"), "{why}");
    assert_eq!(ann.get(&one).await["public"], true);
    assert_eq!(bob.ask("DELETE", &format!("{}/", profile["pk"]), Value::Null).await.status.as_u16(), 204);
    assert_eq!(ann.ask("PATCH", &one, json!({ "public": false })).await.expect(200)["public"], false);
    // by a filter of hers; who runs teams as she does may end it
    let planned = json!({ "start_time": NOW, "filters": [filter] });
    let planned = ann.make("/api/v2/plannedmaintenance/", planned).await;
    let max = Person::with_role(&stage, "max", "manager").await;
    let path = format!("/api/v2/plannedmaintenance/{}/", planned["pk"]);
    let end = json!({ "end_time": stage.at(60) });
    assert_eq!(max.ask("PATCH", &path, end).await.expect(200)["end_time"], stage.at(60));
    let hers = json!({ "start_time": NOW, "filters": [filter] });
    let why = max.ask("POST", "/api/v2/plannedmaintenance/", hers).await.expect(400);
    assert!(why.get("filters").is_some(), "{why}");
}

#[tokio::test]
async fn pages_are_where_they_lead_and_say_what_was_asked_only() {
    let stage = Stage::new().await;
    let max = Person::with_role(&stage, "max", "admin").await;
    let schema = max.get("media/scripted/json_schema/").await;
    let page =
        schema["json_schema"]["$id"].as_str().unwrap().split_once("bell.example.org").unwrap().1.to_owned();
    let page = stage.get(&page).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.text().contains("&quot;properties&quot;"), "{}", page.text());
    assert_eq!(stage.get("/json-schema/%3Cb%3E").await.status.as_u16(), 404);
    for (path, to) in [("/api", "/api/"), ("/api/schema", "/api/schema/")] {
        let moved = stage.get(path).await;
        assert_eq!((moved.status.as_u16(), moved.header("location")), (301, to));
    }
    let odd = axum::http::Request::builder()
        .uri("/api/v2/schema/swagger-ui/")
        .header("host", "x\"><script>alert(1)</script>")
        .body(axum::body::Body::empty());
    let page = stage.send(odd.unwrap()).await;
    assert!(!page.text().contains("<script>"), "{}", page.text());
    // who names a type of sources is known afterwards
    max.make("/api/v2/incidents/source-types/", json!({ "name": "NAV" })).await;
    let again =
        max.ask("POST", "/api/v2/incidents/source-types/", json!({ "name": "nav" })).await.expect(400);
    assert!(again.get("name").is_some(), "{again}");
    let log = stage.get("/api/v1/audit").await.expect(200).to_string();
    assert!(log.contains("source_type.create"), "{log}");
}

#[tokio::test]
async fn a_token_ends_none_that_may_do_more_and_makes_no_more_than_fit() {
    let stage = Stage::new().await;
    let ann = Person::new(&stage, "ann").await;
    let token = async |path: &str, scopes: &[&str]| {
        let new = json!({ "name": "looks", "scopes": scopes });
        stage.post(path, &new).await.expect(201)["secret"].as_str().unwrap().to_owned()
    };
    let read = token("/api/v1/users/ann/tokens", &["read"]).await;
    let other = token("/api/v1/users/ann/tokens", &["read"]).await;
    let (all, list) = ("/api/v2/auth/token/logoutall/", "/api/v2/incidents/");
    assert_eq!(with_token(&stage, &read, "POST", all, &Value::Null).await.status.as_u16(), 204);
    for gone in [&read, &other] {
        assert_eq!(with_token(&stage, gone, "GET", list, &Value::Null).await.status.as_u16(), 401);
    }
    ann.get(list).await;
    assert_eq!(ann.ask("POST", all, Value::Null).await.status.as_u16(), 204);
    assert_eq!(ann.ask("GET", list, Value::Null).await.status.as_u16(), 401);
    // nobody's token makes others like it, up to a number
    let nobodys = token("/api/v1/tokens", &["read"]).await;
    let renew = "/api/v2/auth/token/login/";
    let mut made = 0;
    let refused = loop {
        let reply = with_token(&stage, &nobodys, "POST", renew, &Value::Null).await;
        if reply.status.as_u16() != 200 {
            break reply;
        }
        made += 1;
        assert!(made < 1000, "there is no end to it");
        // not faster than they may be made
        if made % 60 == 0 {
            stage.passes(Duration::from_secs(60));
        }
    };
    assert_eq!((made > 0, refused.status.as_u16()), (true, 409));
}

#[tokio::test]
async fn tokens_are_got_and_renewed_only_so_often_from_one_place() {
    for path in ["/api/v2/auth/token/login/", "/api/v2/auth/refresh-token/", "/api/v2/token-auth/"] {
        let stage = Stage::new().await;
        // none of them has as many as one may have
        let people = [Person::new(&stage, "ann").await, Person::new(&stage, "bob").await];
        let mut refused = None;
        for who in people.iter().flat_map(|it| [it; 70]) {
            let reply = who.ask("POST", path, Value::Null).await;
            if reply.status.as_u16() != 200 {
                refused = Some((reply.status.as_u16(), reply.header("retry-after").is_empty()));
                break;
            }
        }
        assert_eq!(refused, Some((429, false)), "{path}");
    }
}
