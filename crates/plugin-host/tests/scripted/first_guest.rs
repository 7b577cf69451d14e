//! A guest as it was when the contract was new: what it said then is still understood, and what it reads is still said.

use std::sync::LazyLock;
use std::time::Duration;

use model::delivery::{Fault, Outcome};
use plugin_host::asking::Settings;
use plugin_protocol::calls::TicketParams;
use serde_json::{Value, json};

use super::Stage;
use crate::telling;

/// What it answers. This file is not changed any more: a host of another day understands it.
static ANSWERS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../guests/contract-1.json")).unwrap());

/// What it reads of what it is asked.
const READS: [(&str, &[&str]); 8] = [
    (
        "hello",
        &["/protocol/min", "/protocol/max", "/features", "/concurrency", "/plugin/id", "/plugin/state"],
    ),
    ("configure", &["/settings", "/generation", "/dry_run"]),
    ("start", &[]),
    (
        "deliver",
        &[
            "/deliveries/0/id",
            "/deliveries/0/key",
            "/deliveries/0/deadline_ms",
            "/deliveries/0/kind",
            "/deliveries/0/destination",
            "/deliveries/0/settings/room",
            "/deliveries/0/message/kind",
            "/deliveries/0/message/title",
            "/deliveries/0/message/body",
            "/deliveries/0/message/notification/alerts",
            "/deliveries/0/recipients",
            "/deliveries/0/on_duty",
        ],
    ),
    ("test", &["/kind", "/settings/room", "/options/words"]),
    ("check", &["/kind", "/settings", "/deadline_ms"]),
    ("ticket", &["/key", "/incident", "/by", "/note"]),
    ("validate", &["/what", "/kind", "/value/room", "/others"]),
];

/// As it was recorded; an error where it is not told what it reads.
fn recorded(method: &str, params: &Value) -> Option<(Duration, Value)> {
    let reads = READS.iter().find(|(name, _)| *name == method).map_or(&[][..], |(_, reads)| reads);
    if reads.iter().any(|path| params.pointer(path).is_none()) {
        return Some((Duration::ZERO, Value::Null));
    }
    let answer = match method {
        "deliver" => {
            let one = &params["deliveries"][0];
            let mut outcome = ANSWERS["deliver"][one["message"]["title"].as_str()?].clone();
            outcome["id"] = one["id"].clone();
            json!({ "outcomes": [outcome] })
        }
        _ => ANSWERS[method].clone(),
    };
    Some((Duration::ZERO, answer))
}

#[tokio::test(start_paused = true)]
async fn a_guest_of_the_first_days_is_understood_and_told_what_it_reads() {
    let mut stage = Stage::with("[permissions]\nserve = true\n", false, recorded).await;
    let status = stage.host.list().remove(0);
    let routes: Vec<&str> = status.routes.iter().map(|route| route.path.as_str()).collect();
    assert_eq!((status.sdk.as_str(), status.destinations.join(" ")), ("recorded 1.0", "it".to_owned()));
    assert_eq!(routes, ["/item/<id>", "/later"]);
    let (place, context) =
        (stage.registry.ready("it", json!({})).unwrap(), telling::context(Duration::from_secs(10)));
    let after = Some(Duration::from_millis(1500));
    for (title, meant) in [
        ("delivered", Outcome::Delivered { receipt: "msg-17".to_owned() }),
        ("retry", Outcome::Retry { after, reason: "down".to_owned(), fault: Fault::Pace }),
        ("rejected", Outcome::rejected("no such room".to_owned())),
        ("skipped", Outcome::Delivered { receipt: "skipped: nobody is there".to_owned() }),
    ] {
        let told = place.send(&context, &telling::message(title)).await;
        assert_eq!(told.outcome, meant, "{title}");
    }
    let tested = place.test(&context, &telling::message("Test"), &json!({})).await;
    assert_eq!(tested.outcome, Outcome::Delivered { receipt: "tested".to_owned() });
    let found = stage.host.check("look", json!({}), Duration::from_secs(10)).await.unwrap();
    assert_eq!((found.status.as_str(), found.labels["disk"].as_str()), ("warning", "a"));
    let (key, by) = ("ticket-1".to_owned(), "ann".to_owned());
    let wanted = TicketParams { key, incident: json!({}), by, note: String::new() };
    assert_eq!(stage.host.ticket("it", &wanted).await.unwrap().id, "OPS-17");
    let settings = Settings {
        path: "settings".to_owned(),
        kind: "it".to_owned(),
        value: json!({"room": "x"}),
        others: Vec::new(),
    };
    let wrong = stage.host.look_at_known("destination", settings).await.unwrap_err();
    assert_eq!(wrong[0].to_string(), "settings.room: there is no such room");
    stage.apply(json!({"url": "x"})).await.unwrap();
    stage.close().await;
}
