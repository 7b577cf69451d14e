//! Alertmanager's door, held against what Alertmanager itself answered (`alertmanager/record.py`), and what
//! goes beyond it.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use std::collections::BTreeMap;

use axum::body::Body;
use serde::Deserialize;
use serde_json::{Value, json};
use support::Stage;

/// One recorded exchange.
#[derive(Deserialize)]
struct Exchange {
    name: String,
    method: String,
    path: String,
    body: Option<Value>,
    content_type: Option<String>,
    #[serde(default)]
    request_headers: BTreeMap<String, String>,
    /// What Alertmanager answered; a status of 0: nothing, since it panicked.
    status: u16,
    answer: Value,
    /// Headers of its answer that clients go by.
    headers: BTreeMap<String, String>,
    /// What we answer, where that is something else; without an answer, only the status counts.
    ours: Option<Ours>,
    /// Why.
    why: Option<String>,
}

#[derive(Deserialize)]
struct Ours {
    status: u16,
    answer: Option<Value>,
}

/// Without what differs from run to run, and without what newer Alertmanagers have.
fn tidy(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(name, it)| name != "mutedBy" || *it != json!([]));
            fields.map(|(name, it)| (name, tidy(it))).collect()
        }
        Value::Array(items) => items.into_iter().map(tidy).collect(),
        Value::String(text) if text.starts_with("2026-06-01T12:0") => json!("[now]"),
        Value::String(text)
            if text.len() == 36 && text.matches('-').count() == 4 && !text.starts_with("00000000") =>
        {
            json!("[uuid]")
        }
        other => other,
    }
}

#[tokio::test]
async fn we_answer_as_alertmanager_does() {
    let stage = Stage::new().await;
    let exchanges: Vec<Exchange> = serde_json::from_str(include_str!("alertmanager/exchanges.json")).unwrap();
    assert!(exchanges.len() > 180);
    let (mut silence, mut wrong) = (String::new(), Vec::new());
    for it in exchanges {
        let reply = stage.send(request(&stage, &it, &silence)).await;
        let is_json = reply.header("content-type") == "application/json" && !reply.body.is_empty();
        let answer = match reply.text().trim() {
            "" => Value::Null,
            _ if is_json => reply.json(),
            text => json!(text),
        };
        if let Some(id) = answer["silenceID"].as_str() {
            silence = id.to_owned();
        }
        let ours = it.ours.is_some();
        let (status, expected) = match it.ours {
            Some(ours) => {
                assert!(it.why.is_some(), "{}: why do we differ?", it.name);
                (ours.status, ours.answer)
            }
            None => (it.status, Some(it.answer)),
        };
        let answer = tidy(answer);
        if reply.status != status || expected.as_ref().is_some_and(|expected| *expected != answer) {
            wrong.push(format!(
                "{}: {status} {}\n  was answered {} {answer}",
                it.name,
                expected.unwrap_or_default(),
                reply.status
            ));
        }
        let compared = ["content-type", "access-control-allow-origin", "allow"].into_iter().filter(|_| !ours);
        for name in compared.filter(|name| it.headers.contains_key(*name) && it.method != "HEAD") {
            if sorted(reply.header(name)) != sorted(&it.headers[name]) {
                let have = reply.header(name);
                wrong.push(format!("{}: {name}: {}\n  was answered {have}", it.name, it.headers[name]));
            }
        }
        // since 0.26
        if is_json && reply.header("cache-control") != "no-store" {
            wrong.push(format!("{}: may be cached", it.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn request(stage: &Stage, it: &Exchange, silence: &str) -> axum::http::Request<Body> {
    let body = match &it.body {
        Some(Value::String(text)) => text.clone(),
        Some(body) => body.to_string(),
        None => String::new(),
    };
    let content_type = it.content_type.as_deref().unwrap_or("application/json");
    let mut request = stage.request(&it.method, &it.path.replace("{silence}", silence));
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    for (name, value) in &it.request_headers {
        request = request.header(name, value);
    }
    request.body(Body::from(body.replace("{silence}", silence))).unwrap()
}

/// A list's order says nothing.
fn sorted(list: &str) -> Vec<String> {
    let mut words: Vec<String> = list.split(',').map(|word| word.trim().to_owned()).collect();
    words.sort();
    words
}

#[tokio::test]
async fn times_beyond_all_that_can_be_kept_are_cut_and_lose_no_alert() {
    let stage = Stage::new().await;
    let ends = [("a", "1066-10-14T09:00:00Z", "9999-12-31T23:59:59Z"), ("b", "0001-01-01T00:00:01Z", "")];
    let alerts =
        ends.map(|(name, start, end)| json!({"labels": {"n": name}, "startsAt": start, "endsAt": end}));
    assert_eq!(stage.post("/api/v2/alerts", &json!(alerts)).await.status, 200);
    let shown = stage.get("/api/v2/alerts").await.expect(200);
    for alert in shown.as_array().unwrap() {
        assert_eq!(alert["startsAt"], "1970-01-01T00:00:00.000Z", "{alert}");
    }
    assert!(shown[1]["endsAt"].as_str().unwrap().starts_with("9999-12-30T"), "{shown}");
}

#[tokio::test]
async fn what_would_be_lost_is_refused() {
    let stage = Stage::new().await;
    let many: serde_json::Map<String, Value> = (0..10_000).map(|n| (format!("l{n}"), json!("v"))).collect();
    for (body, status, said) in [
        (
            r#"[{"labels":{"a":"1","a":"2"}}]"#.to_owned(),
            400,
            "labels: the name \"a\" is given more than once",
        ),
        (r#"[{"labels":{"a":"1"}}] x"#.to_owned(), 400, "trailing characters"),
        (json!([{"labels": many}]).to_string(), 400, "labels has 10000 entries, the limit is 256"),
        (r#"[{"labels":{"a":"\u0000"}}]"#.to_owned(), 400, "labels.a contains a NUL byte"),
        (format!(r#"[{{"labels":{{"a":"{}"}}}}]"#, "x".repeat(70_000)), 400, "labels.a has 70000 bytes"),
        (
            format!(r#"[{{"labels":{{"a":"{}"}}}}]"#, "x".repeat(300_000)),
            413,
            "the body may have 262144 bytes",
        ),
        (
            format!("[{}]", vec!["{}"; 10_001].join(",")),
            413,
            "10001 alerts in one request, the limit is 10000",
        ),
        ("[null]".to_owned(), 400, "invalid type: null"),
        (format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)), 400, "invalid type: sequence"),
    ] {
        let reply = stage.ask("POST", "/api/v2/alerts", body.clone()).await;
        let told = reply.json();
        let told = told.as_str().or(told["message"].as_str()).unwrap_or_default();
        assert!(reply.status == status && told.contains(said), "{body:.80}: {} {told}", reply.status);
        assert_eq!(reply.header("content-type"), "application/json");
    }
    let reply =
        stage.ask("POST", "/api/v2/alerts", Body::from(&b"[{\"labels\":{\"a\":\"\xff\"}}]"[..])).await;
    assert_eq!(reply.status, 400);
    assert_eq!(stage.get("/api/v2/alerts").await.expect(200), json!([]));
    let text = stage.get("/metrics").await.text();
    assert!(text.contains("nightbell_events_refused_total{source=\"alertmanager\"}"), "{text}");
}

#[tokio::test]
async fn alerts_become_incidents_and_end_when_they_say() {
    let mut stage = Stage::new().await;
    let alert =
        json!([{"labels": {"alertname": "Disk", "severity": "page"}, "annotations": {"summary": "full"}}]);
    stage.post("/api/v2/alerts", &alert).await.expect(200);
    let message = stage.message().await;
    assert_eq!((message.notification.receiver.as_str(), message.severity.name()), ("all", "critical"));
    let incident = &stage.get("/api/v1/incidents").await.expect(200)["items"][0];
    assert_eq!((&incident["title"], &incident["severity"]), (&json!("full"), &json!("critical")));
    assert_eq!((&incident["source"], &incident["ends_at"]), (&json!("alertmanager"), &json!(stage.at(300))));
    assert_eq!(incident["key"].as_str().unwrap().len(), 16);
    stage.passes(std::time::Duration::from_secs(301));
    assert_eq!(stage.get("/api/v2/alerts").await.expect(200), json!([]));
    stage
        .until("/api/v1/incidents?state=resolved", |page| page["items"].as_array().unwrap().len() == 1)
        .await;
}

#[tokio::test]
async fn what_alertmanager_does_not_know_has_a_place_in_its_words() {
    let stage = Stage::new().await;
    let id = stage.incident(json!({"team": "web"})).await;
    stage.post(&format!("/api/v1/incidents/{id}/snooze"), &json!({"for": "1h"})).await.expect(200);
    let alerts = stage.get("/api/v2/alerts").await.expect(200);
    let status = &alerts[0]["status"];
    assert_eq!((&status["state"], &status["silencedBy"]), (&json!("suppressed"), &json!([])));
    assert_eq!(status["mutedBy"], json!([format!("snoozed until {}", stage.at(3600))]));
    // it never times out, which Alertmanager has no way to say
    assert!(alerts[0]["endsAt"].as_str().unwrap() > stage.at(0).as_str());
}

#[tokio::test]
async fn a_silence_keeps_its_id_when_a_client_gives_its_start_back_to_the_millisecond() {
    let stage = Stage::new().await;
    stage.passes(std::time::Duration::from_micros(123_456));
    let mut silence = json!({
        "matchers": [{"name": "a", "value": "b", "isRegex": false}], "startsAt": stage.at(0), "endsAt": stage.at(60),
        "createdBy": "ann", "comment": "works",
    });
    let made = stage.post("/api/v2/silences", &silence).await.expect(200);
    let path = format!("/api/v2/silence/{}", made["silenceID"].as_str().unwrap());
    let shown = stage.get(&path).await.expect(200);
    assert_eq!(shown["startsAt"], "2026-06-01T12:00:00.123Z");
    silence["id"] = made["silenceID"].clone();
    silence["startsAt"] = shown["startsAt"].clone();
    silence["endsAt"] = json!(stage.at(600));
    stage.passes(std::time::Duration::from_secs(5));
    assert_eq!(stage.post("/api/v2/silences", &silence).await.expect(200), made);
    let own =
        stage.get(&format!("/api/v1/silences/{}", made["silenceID"].as_str().unwrap())).await.expect(200);
    assert_eq!((&own["state"], &own["starts_at"]), (&json!("active"), &json!("2026-06-01T12:00:00.123456Z")));
}

#[tokio::test]
async fn many_alerts_are_listed_in_order() {
    let stage = Stage::new().await;
    let alerts: Vec<Value> =
        (0..2500).map(|n| json!({"labels": {"alertname": "Many", "n": n.to_string()}})).collect();
    for some in alerts.chunks(500) {
        stage.post("/api/v2/alerts", &json!(some)).await.expect(200);
    }
    let listed = stage.get("/api/v2/alerts").await.expect(200);
    let prints: Vec<&str> =
        listed.as_array().unwrap().iter().map(|it| it["fingerprint"].as_str().unwrap()).collect();
    assert!(prints.len() == 2500 && prints.is_sorted());
    let groups = stage.get("/api/v2/alerts/groups").await.expect(200);
    assert_eq!((groups.as_array().unwrap().len(), groups[0]["alerts"].as_array().unwrap().len()), (1, 2500));
    let found = stage.get("/api/v2/alerts?filter=n%3D7").await.expect(200);
    assert_eq!(found.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_status_shows_a_configuration_that_amtool_can_read() {
    let stage = Stage::new().await;
    let status = stage.get("/api/v2/status").await.expect(200);
    assert_eq!(status["cluster"], json!({"peers": [], "status": "disabled"}));
    assert_eq!(
        (&status["uptime"], &status["versionInfo"]["version"]),
        (&json!("2026-06-01T12:00:00.000Z"), &json!("0.34.0"))
    );
    assert_eq!(
        (&status["versionInfo"]["branch"], &status["versionInfo"]["revision"]),
        (&json!("nightbell-0.0.0"), &json!("abc")),
    );
    let original = status["config"]["original"].as_str().unwrap();
    assert!(!original.contains("hush-hush"));
    insta::assert_snapshot!(original);
}
