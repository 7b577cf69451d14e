//! Whatever comes over the wire is answered or cut off within bounds, and neighbours do not notice.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use nightbell_acceptance::hub::{alert, each_at_once};
use nightbell_acceptance::{Hub, PATIENCE, Receiver, http};
use serde_json::{Map, Value, json};

/// A hub that is impatient, so that the story is short.
fn hub(receiver: &Receiver) -> Hub {
    let toml = each_at_once(&receiver.url("/hook"));
    Hub::start_exactly(&format!(
        "[server]\nallow_anonymous_loopback = true\nheader_timeout = \"2s\"\nrequest_timeout = \"5s\"\n\
         max_body_bytes = 1000000\n[outbound]\nallow_private = true\n{toml}"
    ))
}

/// It still takes alerts and delivers them.
fn is_well(hub: &Hub, receiver: &Receiver, name: &str) {
    let begin = Instant::now();
    hub.alerts(&[alert(&[("alertname", name)])]);
    receiver.wait_for(name, PATIENCE, |heard| {
        heard.iter().any(|it| it.labels("alertname") == [name]).then_some(())
    });
    assert!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
}

fn refused(hub: &Hub, path: &str, body: &str) -> http::Answer {
    let answer = hub.ask("POST", path, body);
    assert!((400..500).contains(&answer.status), "{path}: {} {}", answer.status, answer.body);
    assert!(answer.body.len() > 10, "{path}: a refusal without a reason");
    answer
}

#[test]
fn bodies_that_are_not_right_are_refused_with_a_reason() {
    let receiver = Receiver::open();
    let hub = hub(&receiver);
    for path in ["/api/v2/alerts", "/api/v1/events"] {
        for body in ["", "{", "42", "\"text\"", "[[]]", "[{\"labels\": 3}]", "[{\"labels\": {\"a\": [1]}}]"] {
            refused(&hub, path, body);
        }
        refused(&hub, path, &"[".repeat(100_000));
    }
    // at Alertmanager's door, this is a list without alerts
    refused(&hub, "/api/v1/events", "null");
    let labels: Map<String, Value> = (0..10_000).map(|n| (format!("l{n}"), json!("x"))).collect();
    refused(&hub, "/api/v2/alerts", &json!([{ "labels": labels }]).to_string());
    refused(&hub, "/api/v2/alerts", &json!([{ "labels": { "": "x" } }]).to_string());
    is_well(&hub, &receiver, "Well");
    assert_eq!(receiver.heard().len(), 1, "something that was refused was told");
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let receiver = Receiver::open();
    let hub = hub(&receiver);
    let long = json!([{ "labels": { "alertname": "x".repeat(2_000_000) } }]).to_string();
    let answer = hub.ask("POST", "/api/v2/alerts", &long);
    assert_eq!(answer.status, 413, "{}", answer.body);
    // one that says it is without end is not waited for
    let mut stream = http::connect(hub.address()).unwrap();
    let head = "POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Content-Length: 99999999999\r\n\r\n[";
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(http::read_answer(&mut stream).unwrap().status, 413);
    is_well(&hub, &receiver, "Well");
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let receiver = Receiver::open();
    let hub = hub(&receiver);
    let body = b"[{\"labels\":{\"alertname\":\"\xff\xfe\"}}]";
    let mut stream = http::connect(hub.address()).unwrap();
    let head = format!(
        "POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    assert_eq!(http::read_answer(&mut stream).unwrap().status, 400);
    is_well(&hub, &receiver, "Well");
}

#[test]
fn half_requests_and_slow_clients_are_cut_off_and_slow_nobody_down() {
    let receiver = Receiver::open();
    let hub = hub(&receiver);
    let starts: [&[u8]; 4] = [
        b"",
        b"POST /api/v2/al",
        b"POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nX-",
        b"POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[{\"labels\"",
    ];
    let mut slow = Vec::new();
    for start in starts.iter().cycle().take(400) {
        let mut stream = http::connect(hub.address()).unwrap();
        stream.write_all(start).unwrap();
        slow.push(stream);
    }
    is_well(&hub, &receiver, "While they wait");
    let begin = Instant::now();
    for mut stream in slow {
        let mut answer = Vec::new();
        // an answer or none: what counts is that it ends
        let _ = stream.read_to_end(&mut answer);
    }
    assert!(begin.elapsed() < Duration::from_secs(25), "they were held for {:?}", begin.elapsed());
    is_well(&hub, &receiver, "Afterwards");
}

#[test]
fn what_is_no_http_is_cut_off() {
    let receiver = Receiver::open();
    let hub = hub(&receiver);
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1_000_000));
    for bytes in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..], b"GET\r\n\r\n", long.as_bytes()]
    {
        let mut stream = http::connect(hub.address()).unwrap();
        // it may cut the connection before it has read all
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    is_well(&hub, &receiver, "Well");
}
