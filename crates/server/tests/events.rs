//! Taking events in by our own API.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use axum::body::Body;
use serde_json::{Value, json};
use support::Stage;

#[tokio::test]
async fn an_event_opens_an_incident_and_somebody_is_told() {
    let mut stage = Stage::new().await;
    let event = json!({
        "key": "disk/db1", "severity": "critical", "title": "Disk is full", "labels": {"team": "db", "host": "db1"},
        "annotations": {"description": "100 %"}, "link": "https://example.org/d", "started_at": stage.at(-60),
    });
    let answer = stage.post("/api/v1/events", &event).await.expect(200);
    let accepted = &answer["items"][0];
    assert_eq!((&accepted["index"], &accepted["verdict"]), (&json!(0), &json!("opened")));
    assert_eq!(answer["next"], Value::Null);
    let told = [stage.message().await, stage.message().await];
    let mut receivers: Vec<_> = told.iter().map(|it| it.notification.receiver.as_str()).collect();
    receivers.sort_unstable();
    assert_eq!(receivers, ["db", "web"]);
    let incident =
        stage.get(&format!("/api/v1/incidents/{}", accepted["incident"].as_str().unwrap())).await.expect(200);
    assert_eq!(
        (&incident["title"], &incident["severity"], &incident["state"], &incident["key"]),
        (&json!("Disk is full"), &json!("critical"), &json!("open"), &json!("disk/db1"))
    );
    let shown =
        stage.get(&format!("/api/v1/events/{}", accepted["event"].as_str().unwrap())).await.expect(200);
    assert_eq!((&shown["source"], &shown["incident"]), (&json!("api"), &accepted["incident"]));
    assert_eq!(shown["started_at"], stage.at(-60));
}

#[tokio::test]
async fn many_events_come_in_one_request() {
    let stage = Stage::new().await;
    let events = json!([
        {"key": "a"}, {"key": "b"}, {"key": "a"}, {"key": "a", "action": "clear"}, {"key": "c", "action": "note"},
    ]);
    let answer = stage.post("/api/v1/events", &events).await.expect(200);
    let verdicts: Vec<_> =
        answer["items"].as_array().unwrap().iter().map(|it| it["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["opened", "opened", "repeated", "resolved", "nothing open has this key"]);
    assert_eq!(stage.post("/api/v1/events", &json!([])).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn of_a_list_the_good_events_are_taken_in() {
    let stage = Stage::new().await;
    let late = stage.at(200_000);
    let events =
        json!([{"key": "good"}, {"labels": {}}, {"key": "late", "started_at": late}, {"key": "too"}]);
    let reply = stage.post("/api/v1/events", &events).await;
    let problem = reply.expect(400);
    let items: Vec<_> =
        problem["items"].as_array().unwrap().iter().map(|it| it["index"].as_u64().unwrap()).collect();
    assert_eq!(items, [0, 3]);
    let paths: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|it| it["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["[1].labels", "[2].started_at"]);
    assert_eq!(stage.get("/api/v1/incidents").await.expect(200)["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn bad_input_is_refused_with_its_place_and_nothing_is_stored() {
    let stage = Stage::new().await;
    let many: serde_json::Map<String, Value> = (0..10_000).map(|n| (format!("l{n}"), json!("v"))).collect();
    let cases: Vec<(String, &str)> = vec![
        (String::new(), "the body is empty"),
        ("{".into(), "EOF while parsing an object"),
        ("nonsense".into(), "expected ident"),
        ("{} {}".into(), "after the document: trailing characters"),
        ("[1]".into(), "[0]: invalid type: integer `1`"),
        ("\"x\"".into(), "invalid type: string"),
        ("{}".into(), "labels: at least one label or a key is needed"),
        (r#"{"key":"a","colour":"red"}"#.into(), "colour: unknown field `colour`"),
        (r#"{"labels":{"a":1}}"#.into(), "labels.a: invalid type: integer `1`, expected a string"),
        (r#"{"labels":{"a":"1","a":"2"}}"#.into(), r#"labels: the name "a" is given more than once"#),
        (r#"{"labels":{"a":""}}"#.into(), r#"the value of "a" is empty"#),
        (r#"{"labels":{"":"x"}}"#.into(), "labels: a name in labels is empty"),
        (r#"[{"key":"a"},{"labels":["a"]}]"#.into(), "[1].labels: invalid type: sequence"),
        (r#"{"key":"a","severity":"dreadful"}"#.into(), r#"severity: "dreadful" is not a severity"#),
        (r#"{"key":"a","action":"shout"}"#.into(), "action: unknown variant `shout`"),
        (r#"{"key":"a","started_at":"soon"}"#.into(), r#"started_at: "soon" is not a time"#),
        (r#"{"key":"a","started_at":"1950-01-01T00:00:00Z"}"#.into(), "is before 1970"),
        (r#"{"key":"a","started_at":"2126-01-01T00:00:00Z"}"#.into(), "is more than a day ahead"),
        (r#"{"key":"a","ends_at":"9999-12-31T23:59:59Z"}"#.into(), "is later than any time that can be kept"),
        (r#"{"key":"a","resolve_after":"ages"}"#.into(), r#"resolve_after: "ages" is not a span of time"#),
        (r#"{"key":"a","title":"\u0000"}"#.into(), "title: title contains a NUL byte"),
        (r#"{"labels":{"a":"\u0000"}}"#.into(), "labels.a: labels.a contains a NUL byte"),
        (json!({"key": "k".repeat(2000)}).to_string(), "key: key has 2000 bytes, the limit is 1024"),
        (json!({"labels": many}).to_string(), "labels: labels has 10000 entries, the limit is 256"),
    ];
    for (body, said) in cases {
        let detail = stage.ask("POST", "/api/v1/events", body.clone()).await.problem(400);
        assert!(detail.contains(said), "{:.100} was answered: {detail}", body);
    }
    let reply = stage.ask("POST", "/api/v1/events", Body::from(&b"{\"key\":\"\xff\"}"[..])).await;
    assert!(reply.problem(400).contains("invalid unicode code point"));
    let late = json!({"key": "a", "started_at": stage.at(0), "ends_at": stage.at(-1)});
    assert!(stage.post("/api/v1/events", &late).await.problem(400).starts_with("ends_at: it ends at"));
    assert_eq!(stage.get("/api/v1/events").await.expect(200)["items"], json!([]));
    assert_eq!(stage.incident(json!({"a": "still well"})).await.len(), 13);
}

#[tokio::test]
async fn too_much_is_refused() {
    let stage =
        Stage::with(nightbell_server::Options { max_body_bytes: 1000, max_events: 3, ..Default::default() })
            .await;
    let large = json!({"key": "a", "annotations": {"text": "x".repeat(1000)}});
    assert!(stage.post("/api/v1/events", &large).await.problem(413).contains("may have 1000 bytes"));
    let many = json!([{"key": "a"}, {"key": "b"}, {"key": "c"}, {"key": "d"}]);
    assert!(
        stage
            .post("/api/v1/events", &many)
            .await
            .problem(413)
            .contains("4 events in one request, the limit is 3")
    );
    assert_eq!(stage.get("/api/v1/events").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_request_with_a_name_is_done_once() {
    let stage = Stage::new().await;
    let send = |key: &'static str, body: Value| {
        let request = stage.request("POST", "/api/v1/events").header("idempotency-key", key);
        stage.send(request.body(Body::from(body.to_string())).unwrap())
    };
    let first = send("one", json!([{"key": "a"}, {"labels": {}}])).await;
    let again = send("one", json!([{"key": "a"}, {"labels": {}}])).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (again.status, ""));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.header("content-type"), "application/problem+json");
    assert_eq!(first.expect(400), again.expect(400));
    assert!(
        send("one", json!({"key": "b"}))
            .await
            .problem(409)
            .contains("another request had the Idempotency-Key \"one\"")
    );
    let other = send("two", json!({"key": "a"})).await.expect(200);
    assert_eq!(other["items"][0]["verdict"], "repeated");
    assert!(send("", json!({"key": "a"})).await.problem(400).contains("Idempotency-Key"));
    assert_eq!(stage.get("/api/v1/events").await.expect(200)["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn events_are_listed_page_by_page() {
    let stage = Stage::new().await;
    let incident = stage.incident(json!({"a": "1"})).await;
    for _ in 0..4 {
        stage.incident(json!({"a": "2"})).await;
    }
    let page = stage.get("/api/v1/events?limit=3").await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 3);
    let next = page["next"].as_str().unwrap();
    let rest = stage.get(&format!("/api/v1/events?limit=3&cursor={next}")).await.expect(200);
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (2, &Value::Null));
    let own = stage.get(&format!("/api/v1/events?incident={incident}")).await.expect(200);
    assert_eq!(own["items"].as_array().unwrap().len(), 1);
    for (query, said) in [
        ("limit=0", "limit: 0 is not from 1 to 500"),
        ("limit=x", "limit: invalid digit"),
        ("cursor=x", "cursor: \"x\" is not an id"),
        ("limit=1&limit=2", "limit: is given more than once"),
        ("page=2", "page: no such parameter; known are incident, limit, cursor"),
    ] {
        let detail = stage.get(&format!("/api/v1/events?{query}")).await.problem(400);
        assert!(detail.starts_with(said), "{query}: {detail}");
    }
    assert!(stage.get("/api/v1/events/0000000000000").await.problem(404).contains("there is no event"));
    assert!(stage.get("/api/v1/events/x").await.problem(400).contains("is not an id"));
}
