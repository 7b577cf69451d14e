//! Deliveries, receivers, routes, sources, kinds, and the server itself.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use nightbell_server::Options;
use serde_json::{Value, json};
use support::Stage;

fn count(page: &Value) -> usize {
    page["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn deliveries_are_listed_shown_and_brought_back() {
    let mut stage = Stage::new().await;
    let event = json!({"title": "refuse this", "labels": {"team": "web"}});
    stage.post("/api/v1/events", &event).await.expect(200);
    stage.incident(json!({"a": "fine"})).await;
    let dead = stage.until("/api/v1/deliveries?state=dead", |page| count(page) == 1).await;
    stage.until("/api/v1/deliveries?state=delivered", |page| count(page) == 1).await;
    let dead = &dead["items"][0];
    assert_eq!((&dead["destination"], &dead["attempts"]), (&json!("web/scripted/0"), &json!(1)));
    let path = format!("/api/v1/deliveries/{}", dead["id"].as_str().unwrap());
    let shown = stage.get(&path).await.expect(200);
    let attempt = &shown["attempts"][0];
    assert_eq!((&attempt["outcome"], &attempt["reason"]), (&json!("rejected"), &json!("as scripted")));
    assert_eq!((&attempt["status"], &attempt["number"]), (&json!(400), &json!(1)));
    assert_eq!(shown["notification"]["alerts"][0]["title"], "refuse this");
    for (query, found) in [
        ("", 2),
        ("receiver=web", 1),
        ("destination=all/scripted/0", 1),
        ("state=buried", 0),
        ("limit=1", 1),
        ("state=dead&receiver=all", 0),
    ] {
        assert_eq!(
            count(&stage.get(&format!("/api/v1/deliveries?{query}")).await.expect(200)),
            found,
            "{query}"
        );
    }
    let page = stage.get("/api/v1/deliveries?limit=1").await.expect(200);
    let rest = stage
        .get(&format!("/api/v1/deliveries?limit=5&cursor={}", page["next"].as_str().unwrap()))
        .await
        .expect(200);
    assert_eq!((count(&rest), &rest["next"]), (1, &Value::Null));
    while stage.told.try_recv().is_ok() {}
    stage.ask("POST", &format!("{path}/retry"), "").await.expect(200);
    assert!(stage.message().await.title.contains("refuse this"));
    stage.until(&path, |it| it["state"] == "dead" && it["attempts"].as_array().unwrap().len() == 2).await;
    let buried = stage.post(&format!("{path}/bury"), &json!({"note": "no use"})).await.expect(200);
    assert_eq!((&buried["state"], &buried["note"]), (&json!("buried"), &json!("no use")));
    let said = stage.post(&format!("{path}/bury"), &json!({})).await.problem(409);
    assert!(said.ends_with("is buried: only dead and pending ones are buried"), "{said}");
    let delivered = stage.get("/api/v1/deliveries?state=delivered").await.expect(200);
    let path = format!("/api/v1/deliveries/{}", delivered["items"][0]["id"].as_str().unwrap());
    stage.ask("POST", &format!("{path}/retry"), "").await.problem(409);
    for path in ["/api/v1/deliveries/0000000000000/retry", "/api/v1/deliveries/0000000000000/bury"] {
        stage.ask("POST", path, "").await.problem(404);
    }
    stage.get("/api/v1/deliveries/0000000000000").await.problem(404);
    assert!(
        stage
            .get("/api/v1/deliveries?state=lost")
            .await
            .problem(400)
            .contains("known are pending, delivered, dead, buried")
    );
}

#[tokio::test]
async fn receivers_show_how_they_are_without_secrets_and_can_be_tested() {
    let mut stage = Stage::new().await;
    let receivers = stage.get("/api/v1/receivers").await;
    assert!(!receivers.text().contains("hush-hush"));
    let receivers = receivers.expect(200);
    let names: Vec<_> =
        receivers["items"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["all", "db", "web"]);
    let place = &receivers["items"][1]["destinations"][0];
    assert_eq!((&place["id"], &place["kind"]), (&json!("db/scripted/0"), &json!("scripted")));
    assert_eq!(
        (&place["health"]["state"], &place["settings"]["password"]),
        (&json!("ok"), &json!("<secret>"))
    );
    let planned = stage.ask("POST", "/api/v1/receivers/db/test", "").await.expect(202);
    assert_eq!(planned["deliveries"].as_array().unwrap().len(), 1);
    assert_eq!(stage.message().await.notification.receiver, "db");
    let path = format!("/api/v1/deliveries/{}", planned["deliveries"][0].as_str().unwrap());
    stage.until(&path, |it| it["state"] == "delivered").await;
    assert!(
        stage
            .ask("POST", "/api/v1/receivers/n%C3%B6/test", "")
            .await
            .problem(404)
            .contains("no receiver \"nö\"")
    );
}

#[tokio::test]
async fn routes_are_shown_and_tested() {
    let stage = Stage::new().await;
    let routes = stage.get("/api/v1/routes").await.expect(200);
    assert_eq!((count(&routes), routes["tree"]["children"].as_array().unwrap().len()), (3, 2));
    assert_eq!(routes["items"][1]["path"], "{}/{team=\"db\"}");
    assert_eq!(
        (&routes["items"][2]["group_by"], &routes["items"][2]["group_wait"]),
        (&json!(["..."]), &json!("0s"))
    );
    let tested = stage.post("/api/v1/routes/test", &json!({"labels": {"team": "db"}})).await.expect(200);
    assert_eq!(tested["receivers"], json!(["db", "web"]));
    let verdicts: Vec<_> =
        tested["routes"].as_array().unwrap().iter().map(|it| it["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["left_to_child", "chosen", "chosen"]);
    let tested = stage.post("/api/v1/routes/test", &json!({"labels": {}})).await.expect(200);
    assert_eq!(tested["routes"][1]["because"], "team=\"db\" does not match: team is not there");
    for (body, said) in [
        (json!({"labels": {"a": "b"}, "severity": "x"}), "severity: \"x\" is not a severity"),
        (
            json!({"labels": {"a": "b"}, "at": "1950-01-01T00:00:00Z"}),
            "at: 1950-01-01T00:00:00Z is before 1970",
        ),
        (json!({"labels": []}), "labels: invalid type: sequence"),
    ] {
        assert!(stage.post("/api/v1/routes/test", &body).await.problem(400).starts_with(said), "{body}");
    }
}

#[tokio::test]
async fn integrations_read_what_others_send() {
    let stage = Stage::new().await;
    let listed = stage.get("/api/v1/integrations").await.expect(200);
    assert_eq!(listed["items"], json!([{"name": "ci", "kind": "lines", "path": "/api/v1/integrations/ci"}]));
    let answer = stage.ask("POST", "/api/v1/integrations/ci", "one\ntwo\none").await.expect(200);
    let verdicts: Vec<_> =
        answer["items"].as_array().unwrap().iter().map(|it| it["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["opened", "opened", "repeated"]);
    let partly = stage
        .ask("POST", "/api/v1/integrations/ci", format!("three\n{}", "x".repeat(2000)))
        .await
        .expect(400);
    assert_eq!(
        (&partly["items"][0]["verdict"], &partly["errors"][0]["path"]),
        (&json!("opened"), &json!("[1].key"))
    );
    let refused = stage.ask("POST", "/api/v1/integrations/ci", Body::from(&b"\xff"[..])).await.problem(400);
    assert_eq!(refused, "the body is not UTF-8");
    assert!(
        stage
            .ask("POST", "/api/v1/integrations/cd", "x")
            .await
            .problem(404)
            .contains("no integration \"cd\"")
    );
    let event = stage.get("/api/v1/events?limit=1").await.expect(200);
    assert_eq!(event["items"][0]["source"], "lines/ci");
}

#[tokio::test]
async fn heartbeats_beat() {
    let stage = Stage::new().await;
    let listed = stage.get("/api/v1/heartbeats").await.expect(200);
    assert_eq!(
        (&listed["items"][0]["name"], &listed["items"][0]["last_at"]),
        (&json!("backup"), &Value::Null)
    );
    let beat = stage.ask("POST", "/api/v1/heartbeats/backup", "anything").await.expect(200);
    assert_eq!((&beat["last_at"], &beat["due_at"]), (&json!(stage.at(0)), &json!(stage.at(3660))));
    stage.passes(Duration::from_secs(3661));
    stage.until("/api/v1/heartbeats", |page| page["items"][0]["overdue"] == true).await;
    let open = stage.until("/api/v1/incidents?state=open", |page| count(page) == 1).await;
    assert_eq!(open["items"][0]["labels"]["heartbeat"], "backup");
    assert_eq!(stage.get("/api/v1/heartbeats/backup").await.expect(200)["overdue"], false);
    assert_eq!(count(&stage.get("/api/v1/incidents?state=open").await.expect(200)), 0);
    stage.get("/api/v1/heartbeats/other").await.problem(404);
}

#[tokio::test]
async fn the_server_tells_of_itself() {
    let stage = Stage::new().await;
    stage.incident(json!({"a": "b"})).await;
    let status = stage.get("/api/v1/status").await.expect(200);
    assert_eq!((&status["version"], &status["incidents"]["open"]), (&json!("0.0.0"), &json!(1)));
    assert_eq!((&status["database"], &status["started_at"]), (&json!("sqlite"), &json!(stage.at(0))));
    assert_eq!(stage.get("/api/v1/config").await.text(), "# none\n");
    let kinds = stage.get("/api/v1/kinds").await.expect(200);
    let words: Vec<_> =
        kinds["items"].as_array().unwrap().iter().map(|it| (&it["what"], &it["kind"])).collect();
    let [email, scripted, lines] =
        [("destination", "email"), ("destination", "scripted"), ("source", "lines")]
            .map(|(what, kind)| (json!(what), json!(kind)));
    let all = [&email, &scripted, &lines].map(|(what, kind)| (what, kind));
    assert_eq!(words, all);
    assert_eq!(kinds["items"][1]["settings"]["properties"]["password"]["x-secret"], true);
    assert_eq!(stage.get("/api/v1/inbox").await.expect(200), json!({"items": [], "next": null}));
    let home = stage.get("/").await;
    assert!(
        home.text().contains("href=\"/api/v1/openapi.json\"")
            && home.header("content-type").starts_with("text/html")
    );
    let (policy, page) = (home.header("content-security-policy").to_owned(), home.text());
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
    assert!(policy.contains("connect-src 'self'") && !policy.contains("unsafe"), "{policy}");
    // what links hold is never read as HTML
    assert!(page.contains("silences/new") && page.contains("textContent") && !page.contains("innerHTML"));
    assert!(!["PREFIX", "ACCESS", "SCRIPT"].iter().any(|word| page.contains(word)), "{page}");
    assert!(stage.get("/api/v1/nothing").await.problem(404).contains("/api/v1/nothing"));
    assert!(stage.ask("PUT", "/api/v1/status", "").await.problem(405).contains("does not take PUT"));
}

#[tokio::test]
async fn metrics_count_what_was_done() {
    let mut stage = Stage::new().await;
    stage.incident(json!({"team": "web"})).await;
    stage.message().await;
    stage.until("/api/v1/deliveries?state=delivered", |page| count(page) == 1).await;
    stage.ask("POST", "/api/v1/events", "{").await.problem(400);
    stage.get("/somewhere/else").await.problem(404);
    let page = stage.get("/metrics").await;
    assert!(page.header("content-type").starts_with("application/openmetrics-text"));
    let text = page.text();
    for line in [
        "nightbell_events_accepted_total{source=\"api\"} 1.0",
        "nightbell_changes_total{kind=\"opened\"} 1.0",
        "nightbell_incidents{state=\"open\"} 1.0",
        "nightbell_deliveries_planned_total{reason=\"first\"} 1.0",
        "nightbell_delivery_attempts_total{kind=\"scripted\",outcome=\"delivered\"} 1.0",
        "nightbell_deliveries{state=\"dead\"} 0.0",
        "nightbell_http_requests_total{route=\"/api/v1/events\",method=\"POST\",status=\"200\"} 1",
        "nightbell_http_requests_total{route=\"/api/v1/events\",method=\"POST\",status=\"400\"} 1",
        "nightbell_http_requests_total{route=\"other\",method=\"GET\",status=\"404\"} 1",
        "nightbell_http_request_duration_seconds_count{route=\"/api/v1/events\"} 2",
        "nightbell_build_info{version=\"0.0.0\",revision=\"abc\"} 1.0",
        "alertmanager_build_info{version=\"0.34.0\",revision=\"abc\",branch=\"nightbell-0.0.0\"} 1.0",
        "nightbell_database_up 1.0",
        "nightbell_oldest_pending_delivery_age_seconds 0.0",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    for name in [
        "nightbell_commits_total",
        "nightbell_sync_duration_seconds_total",
        "nightbell_due_lag_seconds",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
    ] {
        assert!(text.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn the_management_endpoints_are_alertmanagers() {
    let stage = Stage::new().await;
    for path in ["/-/healthy", "/-/ready"] {
        let reply = stage.get(path).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "OK"), "{path}");
    }
    let first = stage.ask("POST", "/-/reload", "").await;
    assert_eq!((first.status.as_u16(), first.text().as_str()), (200, ""));
    let second = stage.ask("PUT", "/-/reload", "").await;
    assert_eq!(
        (second.status.as_u16(), second.text().as_str()),
        (500, "failed to reload config: line 3: no\n")
    );
    assert_eq!(stage.reloads.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn everything_may_be_under_a_prefix() {
    let stage = Stage::with(Options { prefix: "/bell".into(), ..Options::default() }).await;
    assert_eq!(stage.get("/bell/-/healthy").await.status, 200);
    stage.get("/bell/api/v1/status").await.expect(200);
    stage.get("/bell/api/v2/alerts").await.expect(200);
    assert!(stage.get("/bell").await.text().contains("href=\"/bell/metrics\""));
    for path in ["/", "/bell/"] {
        assert_eq!(stage.get(path).await.header("location"), "/bell", "{path}");
    }
    stage.get("/api/v1/status").await.problem(404);
    stage.get("/bell/nothing").await.problem(404);
    // what needs a token needs it there, too
    let peer = nightbell_server::auth::Peer("192.0.2.1:1".parse().unwrap());
    let request =
        axum::http::Request::builder().uri("/bell/api/v1/status").extension(peer).body(Body::empty());
    stage.send(request.unwrap()).await.problem(401);
}
