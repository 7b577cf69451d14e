//! Argus' API, without sockets: what its clients send and expect.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::argus::{Source, with_token};
use support::{NOW, Stage};

fn pks(page: &Value) -> Vec<i64> {
    page["results"].as_array().unwrap().iter().map(|it| it["pk"].as_i64().unwrap()).collect()
}

fn types(events: &Value) -> Vec<&str> {
    events.as_array().unwrap().iter().rev().map(|it| it["type"]["value"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_incident_is_posted_seen_changed_and_ended() {
    let stage = Stage::new().await;
    let source = Source::new(&stage, "zino").await;
    let sent = json!({
        "source_incident_id": "case-7", "details_url": "case/7", "level": 2, "metadata": { "a": [1] },
        "tags": [{ "tag": "host=a" }, { "tag": "host=b" }, { "tag": "team=db" }],
    });
    let shown = source.post(sent).await.expect(201);
    let pk = shown["pk"].as_i64().unwrap();
    let mut names: Vec<&str> = shown["source"].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["base_url", "name", "pk", "type", "user"], "a key more would break clients");
    assert_eq!(shown["details_url"], "https://zino.example.org/ui/case/7");
    assert_eq!(
        (&shown["level"], &shown["end_time"], &shown["start_time"]),
        (&json!(2), &json!("infinity"), &json!(NOW))
    );
    assert_eq!(shown["tags"].as_array().unwrap().len(), 3);
    assert_eq!(
        [&shown["open"], &shown["stateful"], &shown["acked"]],
        [true, true, false].map(|it| json!(it)).each_ref()
    );
    assert_eq!(
        stage.get(&format!("/api/v2/incidents/{pk}/")).await.expect(200),
        shown,
        "what was answered is what is there"
    );
    let plain = stage.get(&format!("/api/v3/incidents/{pk}/")).await.expect(200);
    assert_eq!(plain["tags"], json!(["host=a", "host=b", "team=db"]));
    assert!(plain["source"].get("last_seen").is_some());

    let path = format!("/api/v2/incidents/{pk}/");
    let change = json!({ "level": 1, "ticket_url": "https://t/1", "tags": [{ "tag": "team=web" }] });
    let changed = source.ask("PATCH", &path, &change).await.expect(200);
    assert_eq!((&changed["level"], &changed["ticket_url"]), (&json!(1), &json!("https://t/1")));
    let refused =
        source.ask("PATCH", &path, &json!({ "start_time": "2020-01-01T00:00:00Z", "level": 9 })).await;
    let refused = refused.expect(400);
    assert_eq!(refused["start_time"][0], "The field is not allowed to be changed.");
    assert!(refused["level"][0].as_str().unwrap().contains("1 (critical)"));
    let ours = stage.get("/api/v1/incidents?limit=1").await.expect(200);
    assert_eq!(ours["items"][0]["labels"], json!({ "source": "zino", "source_type": "zino", "team": "web" }));
    assert_eq!(ours["items"][0]["severity"], "critical");

    let ended = source.event(pk, "END").await.expect(201);
    let mut names: Vec<&str> = ended.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["actor", "description", "incident", "pk", "received", "timestamp", "type"]);
    assert_eq!((&ended["type"]["value"], &ended["actor"]["username"]), (&json!("END"), &json!("zino")));
    assert_eq!(stage.get(&path).await.expect(200)["end_time"], NOW);
    assert_eq!(source.event(pk, "END").await.expect(201)["type"]["value"], "END", "in vain, but kept");
    assert_eq!(source.event(pk, "RES").await.expect(201)["type"]["value"], "RES");
    assert_eq!(stage.get(&path).await.expect(200)["end_time"], "infinity");
    let events = stage.get(&format!("{path}events/")).await.expect(200);
    assert_eq!(types(&events), ["STA", "CHI", "CHI", "CHI", "END", "END", "RES"]);
    let one = &events[0];
    let again = stage.get(&format!("{path}events/{}/", one["pk"])).await.expect(200);
    assert_eq!((&again["pk"], &again["type"]), (&one["pk"], &one["type"]));
}

#[tokio::test]
async fn what_is_wrong_is_said_by_field_and_nothing_is_kept() {
    let stage = Stage::new().await;
    let source = Source::new(&stage, "zino").await;
    let wrong =
        json!({ "level": "x", "start_time": "never", "tags": [{ "tag": "A=b" }], "ticket_url": "ftp://x" });
    let said = source.post(wrong).await.expect(400);
    let names: Vec<&String> = said.as_object().unwrap().keys().collect();
    assert_eq!(names, ["level", "start_time", "tags", "ticket_url"]);
    let said = source.ask("POST", "/api/v2/incidents/", &json!({})).await.expect(400);
    assert!(said.get("start_time").is_some() && said.get("tags").is_some(), "{said}");
    assert_eq!(stage.get("/api/v2/incidents/?count").await.expect(200)["count"], 0);
    source.opens("one").await;
    let twice = source.post(json!({ "source_incident_id": "one" })).await.expect(400);
    assert!(
        twice["source_incident_id"][0].as_str().unwrap().contains("no two are called the same"),
        "{twice}"
    );
    let pk = source.opens("two").await;
    source.event(pk, "END").await.expect(201);
    stage.passes(Duration::from_secs(86_400));
    assert_eq!(source.post(json!({ "source_incident_id": "two" })).await.status.as_u16(), 400, "never again");
    let other = Source::new(&stage, "nav").await;
    other.opens("one").await;
    assert_eq!(
        other.event(pk, "OTH").await.expect(403),
        json!({ "detail": "a source changes its own incidents only" })
    );
    assert_eq!(stage.post("/api/v2/incidents/", &json!({ "start_time": NOW, "tags": [] })).await.status, 400);
    let named = json!({ "start_time": NOW, "tags": [], "source": source.pk });
    assert_eq!(stage.post("/api/v2/incidents/", &named).await.expect(201)["source"]["name"], "zino");
}

#[tokio::test]
async fn ends_are_open_closed_ahead_or_none() {
    let stage = Stage::new().await;
    let source = Source::new(&stage, "zino").await;
    let none = source.post(json!({ "end_time": null })).await.expect(201);
    assert_eq!(
        [&none["stateful"], &none["open"], &none["end_time"]],
        [&json!(false), &json!(false), &Value::Null]
    );
    let over = source
        .post(json!({ "start_time": "2026-06-01T10:00:00Z", "end_time": "2026-06-01T11:00:00Z" }))
        .await;
    let over = over.expect(201);
    assert_eq!((&over["open"], &over["end_time"]), (&json!(false), &json!("2026-06-01T11:00:00Z")));
    let ahead = source.post(json!({ "end_time": stage.at(60) })).await.expect(201);
    assert_eq!((&ahead["open"], &ahead["end_time"]), (&json!(true), &json!(stage.at(60))));
    let pk = none["pk"].as_i64().unwrap();
    let path = format!("/api/v2/incidents/{pk}/");
    let said = stage.post(&format!("{path}events/"), &json!({ "type": "CLO" })).await.expect(400);
    assert!(said["type"][0].as_str().unwrap().contains("stateless"), "{said}");
    source.event(pk, "LES").await.expect(201);
    stage.passes(Duration::from_secs(3600));
    stage.until(&format!("/api/v2/incidents/{}/", ahead["pk"]), |it| it["open"] == false).await;
    let events = stage.get(&format!("{path}events/")).await.expect(200);
    assert_eq!(types(&events), ["LES", "LES"], "it has no end");
    for (query, wanted) in
        [("stateful=false", vec![&none]), ("open=false&stateful=true", vec![&ahead, &over])]
    {
        let page = stage.get(&format!("/api/v2/incidents/?{query}")).await.expect(200);
        let wanted: Vec<i64> = wanted.into_iter().map(|it| it["pk"].as_i64().unwrap()).collect();
        assert_eq!(pks(&page), wanted, "{query}");
    }
}

#[tokio::test]
async fn users_close_reopen_and_take_and_are_told_when_that_is_in_vain() {
    let stage = Stage::new().await;
    let source = Source::new(&stage, "zino").await;
    let path = format!("/api/v2/incidents/{}/", source.opens("a").await);
    let (events, acks) = (format!("{path}events/"), format!("{path}acks/"));
    for (kind, status) in
        [("CLO", 201), ("CLO", 400), ("REO", 201), ("REO", 400), ("OTH", 201), ("STA", 400), ("ACK", 400)]
    {
        assert_eq!(stage.post(&events, &json!({ "type": kind })).await.status.as_u16(), status, "{kind}");
    }
    let first = json!({ "timestamp": NOW, "description": "mine", "expiration": stage.at(60) });
    let first = stage.post(&acks, &first).await.expect(201);
    assert_eq!(
        (&first["event"]["type"]["value"], &first["expiration"]),
        (&json!("ACK"), &json!(stage.at(60)))
    );
    assert_eq!(first["event"]["description"], "mine");
    let second = source
        .ask("POST", &acks, &json!({ "timestamp": NOW, "expiration": stage.at(600) }))
        .await
        .expect(201);
    assert_eq!(stage.get(&acks).await.expect(200).as_array().unwrap().len(), 2);
    assert_eq!(stage.get(&path).await.expect(200)["acked"], true);
    stage.passes(Duration::from_secs(120));
    assert_eq!(stage.get(&path).await.expect(200)["acked"], true, "the second one stands");
    let one = format!("{acks}{}/", second["pk"]);
    let other = Source::new(&stage, "nav").await;
    let longer = json!({ "expiration": stage.at(6000) });
    other.ask("PATCH", &one, &longer).await.expect(403);
    let shorter =
        stage.ask("PATCH", &one, json!({ "expiration": stage.at(-1) }).to_string()).await.expect(200);
    assert_eq!(shorter["expiration"], stage.at(-1));
    let same = stage.ask("PATCH", &one, "{}").await.expect(200);
    assert_eq!(same, shorter, "what is not given stays");
    assert!(stage.ask("PUT", &one, "{}").await.expect(400).get("expiration").is_some());
    assert_eq!(stage.get(&path).await.expect(200)["acked"], false);
    let gone = json!({ "timestamp": NOW, "expiration": stage.at(-5) });
    assert!(stage.post(&acks, &gone).await.expect(400).get("expiration").is_some());
    let missing = stage.post(&acks, &json!({})).await.expect(400);
    assert_eq!(missing["timestamp"][0], "This field is required.");
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let stage = Stage::new().await;
    let source = Source::new(&stage, "zino").await;
    let mut all = Vec::new();
    for n in 0..5 {
        let tags = json!([{ "tag": format!("n={n}") }, { "tag": "all=x" }]);
        let more = json!({ "source_incident_id": format!("n{n}"), "level": n + 1, "tags": tags });
        all.push(source.post(more).await.expect(201)["pk"].as_i64().unwrap());
    }
    stage.incident(json!({ "alertname": "DiskFull", "n": "1" })).await;
    let own = source.ask("GET", "/api/v2/incidents/mine/?page_size=2", &Value::Null).await.expect(200);
    assert_eq!((pks(&own), &own["previous"]), (vec![all[4], all[3]], &Value::Null));
    let next = own["next"].as_str().unwrap().strip_prefix("http://bell.example.org").unwrap();
    let second = source.ask("GET", next, &Value::Null).await.expect(200);
    assert_eq!(pks(&second), [all[2], all[1]]);
    let back = second["previous"].as_str().unwrap().strip_prefix("http://bell.example.org").unwrap();
    assert_eq!(pks(&source.ask("GET", back, &Value::Null).await.expect(200)), [all[4], all[3]]);
    let zino = format!("source__id__in={}", source.pk);
    for (query, count) in [
        (String::new(), 6),
        (zino.clone(), 5),
        ("source__name__in=zino,nav".into(), 5),
        ("source__type__in=zino".into(), 5),
        ("source__type__in=api".into(), 1),
        ("tags=n=1".into(), 2),
        ("tags=n=1,n=2,all=x".into(), 2),
        ("tags=n=1&tags=all=x".into(), 1),
        (format!("level__lte=2&{zino}"), 2),
        ("source_incident_id=n3".into(), 1),
        (format!("id__in={},{}", all[0], all[1]), 2),
        ("acked=true".into(), 0),
        ("open=true".into(), 6),
        ("ticket=true".into(), 0),
        ("search=HURTS".into(), 5),
        ("start_time__gte=2026-06-01T12:00:01Z".into(), 0),
        ("end_time__isnull=true".into(), 0),
        ("duration__gte=1".into(), 0),
        ("nobody_knows=1".into(), 6),
    ] {
        let page = stage.get(&format!("/api/v2/incidents/?{query}")).await.expect(200);
        assert_eq!(pks(&page).len(), count, "{query}");
        let counted = stage.get(&format!("/api/v2/incidents/?count&{query}")).await.expect(200);
        assert_eq!(counted["count"], count, "{query}");
    }
    assert!(stage.get("/api/v2/incidents/?open=maybe").await.expect(400).get("open").is_some());
    let events = stage.get("/api/v2/incidents/events/?page_size=3").await.expect(200);
    assert_eq!(events["results"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn tags_come_and_go_and_the_same_is_done_to_several() {
    let stage = Stage::new().await;
    let source = Source::new(&stage, "zino").await;
    let (a, b) = (source.opens("a").await, source.opens("b").await);
    let tags = format!("/api/v2/incidents/{a}/tags/");
    stage.post(&tags, &json!({ "tag": "owner=ann" })).await.expect(201);
    assert!(stage.post(&tags, &json!({ "tag": "Owner" })).await.expect(400).get("tag").is_some());
    assert_eq!(source.ask("DELETE", &format!("{tags}owner=ann/"), &Value::Null).await.status.as_u16(), 403);
    assert_eq!(stage.delete(&format!("{tags}owner=ann/")).await.status.as_u16(), 204);
    assert_eq!(stage.get(&tags).await.expect(200), json!([]));
    // of several who say something at once nobody undoes what another has said
    let all: Vec<Value> = (0..8).map(|n| json!({ "tag": format!("n{n}=x") })).collect();
    futures::future::join_all(all.iter().map(|it| stage.post(&tags, it))).await;
    assert_eq!(stage.get(&tags).await.expect(200).as_array().unwrap().len(), 8);
    let ours: model::Id = stage.incident(json!({ "alertname": "DiskFull" })).await.parse().unwrap();
    let tags = format!("/api/v2/incidents/{}/tags/", ours.0);
    stage.post(&tags, &json!({ "tag": "owner=ann" })).await.expect(201);
    let shown = stage.get(&tags).await.expect(200);
    assert_eq!([&shown[0]["tag"], &shown[1]["tag"]], ["alertname=DiskFull", "owner=ann"]);
    assert_eq!(stage.delete(&format!("{tags}alertname=DiskFull/")).await.status.as_u16(), 403);

    let bulk = |what: &str| format!("/api/v2/incidents/{what}/bulk/");
    let done = stage
        .post(&bulk("acks"), &json!({ "ids": [a, b, 99], "ack": { "timestamp": NOW } }))
        .await
        .expect(201);
    let changes = &done["changes"];
    assert_eq!([&changes[a.to_string()]["status"], &changes["99"]["status"]], [201, 404]);
    let done =
        stage.post(&bulk("events"), &json!({ "ids": [a, b], "event": { "type": "CLO" } })).await.expect(201);
    assert_eq!(done["changes"][b.to_string()]["event"]["type"]["value"], "CLO");
    let again =
        stage.post(&bulk("events"), &json!({ "ids": [a, b], "event": { "type": "CLO" } })).await.expect(400);
    assert_eq!(again["changes"][a.to_string()]["status"], 400);
    let done = stage
        .post(&bulk("ticket_url"), &json!({ "ids": [a], "ticket_url": "https://t/9" }))
        .await
        .expect(201);
    assert_eq!(done["changes"][a.to_string()]["ticket_url"], "https://t/9");
    let one = format!("/api/v2/incidents/{a}/automatic-ticket/");
    assert_eq!(stage.ask("PUT", &one, "{}").await.expect(200)["ticket_url"], "https://t/9");
    let other = format!("/api/v2/incidents/{b}/automatic-ticket/");
    assert!(stage.ask("PUT", &other, "{}").await.expect(400).is_string(), "none is set up");
}

#[tokio::test]
async fn a_source_that_is_silent_is_noticed_until_it_is_heard_of() {
    let stage = Stage::new().await;
    let source = Source::new(&stage, "zino").await;
    let path = "/api/v2/incidents/sources/heartbeat/";
    assert_eq!(
        source.ask("GET", path, &Value::Null).await.expect(405)["detail"].as_str().unwrap(),
        "Method \"GET\" is not allowed here."
    );
    assert_eq!(source.ask("POST", path, &Value::Null).await.status.as_u16(), 204);
    assert_eq!(stage.post(path, &Value::Null).await.status.as_u16(), 403, "nobody else has one");
    let own = format!("/api/v3/incidents/sources/{}/", source.pk);
    assert_eq!(stage.get(&own).await.expect(200)["last_seen"], NOW);
    let often = json!({ "heartbeat_frequency": 60 }).to_string();
    stage.ask("PATCH", &own, often).await.expect(200);
    assert!(
        stage
            .ask("PATCH", &own, json!({ "heartbeat_frequency": 5 }).to_string())
            .await
            .expect(400)
            .get("heartbeat_frequency")
            .is_some()
    );
    stage.passes(Duration::from_secs(60));
    source.ask("GET", "/api/v2/incidents/mine/", &Value::Null).await.expect(200);
    stage.passes(Duration::from_secs(65));
    assert_eq!(
        stage.get("/api/v2/incidents/?open=true").await.expect(200)["results"],
        json!([]),
        "any word counts"
    );
    stage.passes(Duration::from_secs(10));
    let open = stage.until("/api/v2/incidents/?open=true", |it| it["results"] != json!([])).await;
    assert_eq!(
        (&open["results"][0]["level"], &open["results"][0]["description"]),
        (&json!(4), &json!("Source zino (zino) is silent"))
    );
    source.ask("POST", path, &Value::Null).await;
    stage.until("/api/v2/incidents/?open=true", |it| it["results"] == json!([])).await;
}

#[tokio::test]
async fn tokens_are_got_renewed_and_ended() {
    let stage = Stage::new().await;
    let password = "correct horse battery";
    let user = json!({ "name": "ann", "role": "responder", "full_name": "Ann Bo", "password": password });
    stage.post("/api/v1/users", &user).await.expect(201);
    let login = "/api/v2/auth/token/login/";
    let wrong = stage.post(login, &json!({ "username": "ann", "password": "no" })).await.expect(400);
    assert!(wrong["non_field_errors"][0].is_string(), "{wrong}");
    let got = stage
        .post(login, &json!({ "username": "ann", "password": "correct horse battery" }))
        .await
        .expect(200);
    let token = got["token"].as_str().unwrap();
    assert_eq!(got["expiry"], stage.at(36_000));
    let me = with_token(&stage, token, "GET", "/api/v2/auth/user/", &Value::Null).await.expect(200);
    assert_eq!(me, json!({ "username": "ann", "first_name": "Ann", "last_name": "Bo", "email": "" }));
    let renewed = with_token(&stage, token, "POST", login, &Value::Null).await.expect(200);
    let renewed = renewed["token"].as_str().unwrap();
    assert_eq!(
        with_token(&stage, renewed, "POST", "/api/v2/auth/token/logout/", &Value::Null).await.status.as_u16(),
        204
    );
    let refused = with_token(&stage, renewed, "GET", "/api/v2/incidents/", &Value::Null).await;
    assert_eq!((refused.status.as_u16(), refused.header("www-authenticate")), (401, "Token"));
    assert!(refused.json()["detail"].is_string());
    with_token(&stage, token, "GET", "/api/v2/incidents/", &Value::Null).await.expect(200);
    assert_eq!(with_token(&stage, "", "POST", login, &json!({})).await.status.as_u16(), 401);
}

#[tokio::test]
async fn paths_are_where_they_are_with_argus() {
    let stage = Stage::new().await;
    let moved = stage.get("/api/v2/incidents?open=true").await;
    assert_eq!((moved.status.as_u16(), moved.header("location")), (301, "/api/v2/incidents/?open=true"));
    assert_eq!(stage.get("/api/v2/incidents/open/").await.expect(404), json!({ "detail": "Not found." }));
    assert_eq!(stage.get("/api/v2/incidents/open+unacked/").await.status.as_u16(), 404);
    assert_eq!(stage.get("/api/v1/incidents/").await.status.as_u16(), 410);
    let not = stage.delete("/api/v2/incidents/").await;
    assert_eq!((not.status.as_u16(), not.header("allow")), (405, "GET, POST"));
    let about = stage.get("/api/").await.expect(200);
    assert_eq!(about["api-version"]["stable"], "v2");
    assert!(about["destination_plugins"].as_array().is_some_and(|kinds| !kinds.is_empty()));
    for path in ["/api/v2/schema/", "/api/v3/schema/", "/api/schema/"] {
        assert_eq!(stage.get(path).await.expect(200)["openapi"], "3.0.3");
    }
    assert!(stage.get("/api/v2/schema/swagger-ui/").await.text().contains("/api/v2/incidents/"));
    // the door beside it is where it was
    stage.get("/api/v2/status").await.expect(200);
    assert_eq!(stage.get("/api/v2/alerts/").await.expect(200), json!([]));
    let kinds = stage.get("/api/v2/incidents/source-types/").await.expect(200);
    assert!(kinds.as_array().unwrap().contains(&json!({ "name": "alertmanager" })));
    stage.post("/api/v2/incidents/source-types/", &json!({ "name": "NAV" })).await.expect(201);
    assert_eq!(stage.get("/api/v2/incidents/source-types/nav/").await.expect(200)["name"], "nav");
}

#[tokio::test]
async fn an_alert_of_prometheus_is_an_incident_of_argus_and_the_other_way_round() {
    let stage = Stage::new().await;
    let labels = json!({ "alertname": "DiskFull", "severity": "critical" });
    let alert = json!([{ "labels": labels, "annotations": { "summary": "full" } }]);
    stage.ask("POST", "/api/v2/alerts", alert.to_string()).await.expect(200);
    let page = stage.get("/api/v2/incidents/").await.expect(200);
    let seen = &page["results"][0];
    assert_eq!(
        (&seen["description"], &seen["level"], &seen["end_time"]),
        (&json!("full"), &json!(1), &json!("infinity"))
    );
    assert_eq!(seen["source"]["type"]["name"], "alertmanager");
    let source = stage.get(&format!("/api/v2/incidents/sources/{}/", seen["source"]["pk"])).await.expect(200);
    assert_eq!(source, seen["source"]);
    let path = format!("/api/v2/incidents/{}/", seen["pk"]);
    stage
        .ask("PUT", &format!("{path}ticket_url/"), json!({ "ticket_url": "https://t/1" }).to_string())
        .await
        .expect(200);
    stage.ask("POST", "/api/v2/alerts", alert.to_string()).await.expect(200);
    assert_eq!(stage.get(&path).await.expect(200)["ticket_url"], "https://t/1", "what a person adds stays");
    let zino = Source::new(&stage, "zino").await;
    zino.opens("a").await;
    let alerts = stage.get("/api/v2/alerts").await.expect(200);
    let sources: Vec<&Value> = alerts.as_array().unwrap().iter().map(|it| &it["labels"]["source"]).collect();
    assert!(sources.contains(&&json!("zino")), "{sources:?}");
}
