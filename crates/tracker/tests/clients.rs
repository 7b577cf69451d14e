//! What real clients sent: raven-python 6.10.0, sentry_sdk 2.75.0, @sentry/node 11.12.0, @sentry/browser 11.12.0 in
//! Chromium, sentry 0.49.5 for Rust. The bodies in `recorded/` are theirs, but for the paths and addresses of the
//! machine that they ran on.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use tracker::{
    Arrival, Door, Event, Intake, ItemKind, Limits, Rules, Scrubber, group, normalise::time, process,
};

fn body(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded").join(format!("{name}.body"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(name: &str) -> tracker::Envelope {
    let (door, encoding) = match name.split('-').next().unwrap() {
        "raven" => (Door::Store, "deflate"),
        "sdk" => (Door::Envelope, "gzip"),
        _ => (Door::Envelope, ""),
    };
    Intake::whole(door, None, encoding, Limits::default(), &body(name)).unwrap()
}

fn event(name: &str) -> Event {
    let envelope = read(name);
    let arrival = Arrival {
        received: "2026-11-21T18:36:40Z".parse().unwrap(),
        sent_at: envelope.header.sent_at.as_deref().and_then(time::parse),
        event_id: envelope.header.event_id.as_deref(),
        client_ip: Some("192.0.2.1"),
    };
    process(envelope.event().expect(name), &arrival, &Scrubber::default()).unwrap()
}

fn hashes(name: &str) -> Vec<String> {
    let (event, rules) = (event(name), Rules::default());
    group(&event, &rules).hashes().into_iter().map(|hash| hash.value).collect()
}

#[test]
fn each_client_has_its_golden_event() {
    for client in ["raven", "sdk", "node"] {
        for story in ["chained", "message", "async"] {
            let name = format!("{client}-{story}");
            insta::assert_json_snapshot!(name.clone(), event(&name));
        }
    }
    for name in ["raven-log", "sdk-log", "browser-chained", "browser-message", "rust-chained", "rust-message"]
    {
        insta::assert_json_snapshot!(name, event(name));
    }
}

#[test]
fn one_error_by_raven_and_by_sentry_sdk_is_one_group() {
    for story in ["single", "other-site", "chained", "recursion-10", "async", "key", "log"] {
        let (raven, sdk) = (hashes(&format!("raven-{story}")), hashes(&format!("sdk-{story}")));
        assert_eq!(raven[0], sdk[0], "{story}");
    }
}

#[test]
fn another_call_site_is_another_group_and_a_deeper_recursion_is_not() {
    for client in ["raven", "sdk"] {
        let of = |story: &str| hashes(&format!("{client}-{story}"))[0].clone();
        assert_ne!(of("single"), of("other-site"));
        assert_ne!(of("single"), of("chained"));
        assert_ne!(of("single"), of("async"));
    }
}

#[test]
fn titles_and_places_are_what_people_look_for() {
    for (name, title, culprit) in [
        ("raven-chained", "PaymentError: order 17 cannot be paid", "shop in pay"),
        ("sdk-chained", "PaymentError: order 17 cannot be paid", "shop in pay"),
        ("sdk-single", "ZeroDivisionError: division by zero", "shop in price"),
        ("raven-message", "paid 17 in 2.5 s", "http://shop.example.org/pay"),
        ("sdk-message", "a plain message", "http://shop.example.org/pay"),
        ("raven-log", "no stock of apples for user 4711", "http://shop.example.org/pay"),
        ("node-chained", "PaymentError: order 17 cannot be paid", "pay(report)"),
        ("rust-chained", "PaymentError: order 17 cannot be paid", "main.rs in till::shop::checkout"),
    ] {
        let event = event(name);
        assert_eq!((event.title.as_str(), event.culprit.as_str()), (title, culprit), "{name}");
    }
}

#[test]
fn what_clients_forget_to_hide_is_hidden() {
    for name in ["raven-chained", "sdk-chained", "rust-chained", "rust-message"] {
        let stored = serde_json::to_string(&event(name)).unwrap();
        for secret in
            ["4111 1111 1111 1111", "\"password\":\"hunter2\"", "\"abc\"", "[\"sessionid\",\"12345\"]"]
        {
            assert!(!stored.contains(secret), "{name} has {secret}");
        }
    }
}

#[test]
fn sessions_are_counted() {
    let envelope = read("node-session");
    assert_eq!(envelope.items, []);
    assert_eq!(envelope.dropped.get("session"), Some(&1));
    assert_eq!(read("node-single").items[0].kind, ItemKind::Event);
}

/// Says how long one event takes; run with `cargo test --release -p nightbell-tracker --test clients --
/// --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn timing() {
    let body = large();
    let rounds = 2_000u32;
    let scrubber = Scrubber::default();
    let rules = Rules::default();
    let mut spent = [std::time::Duration::ZERO; 4];
    let mut size = (0, 0);
    for _ in 0..rounds {
        let start = std::time::Instant::now();
        let envelope = Intake::whole(Door::Envelope, None, "gzip", Limits::default(), &body).unwrap();
        let item = envelope.event().unwrap();
        let decoded = std::time::Instant::now();
        let event = process(
            item,
            &Arrival { received: "2026-11-21T18:36:40Z".parse().unwrap(), ..Arrival::default() },
            &scrubber,
        )
        .unwrap();
        let processed = std::time::Instant::now();
        let hashes = group(&event, &rules).hashes();
        let grouped = std::time::Instant::now();
        let stored = serde_json::to_string(&event).unwrap();
        let written = std::time::Instant::now();
        assert_eq!(hashes.len(), 2);
        size = (item.payload.len(), stored.len());
        for (slot, took) in spent.iter_mut().zip([
            decoded - start,
            processed - decoded,
            grouped - processed,
            written - grouped,
        ]) {
            *slot += took;
        }
    }
    println!("{} bytes gzipped, {} of JSON, {} kept", body.len(), size.0, size.1);
    for (what, took) in ["decode", "normalise, scrub, describe", "group", "write"].iter().zip(spent) {
        println!("{what}: {:.1} µs", took.as_secs_f64() * 1e6 / f64::from(rounds));
    }
}

/// An exception of about 19 kB as sentry_sdk sends it: 30 frames of an ordinary web program.
fn large() -> Vec<u8> {
    use std::io::Write;
    let frame = |index: usize| {
        serde_json::json!({
            "filename": format!("shop/views/part{index}.py"),
            "abs_path": format!("/srv/shop/shop/views/part{index}.py"),
            "module": format!("shop.views.part{index}"), "function": format!("handle_request_{index}"),
            "lineno": 100 + index,
            "pre_context": ["def handle(self, request):", "    order = self.orders.get(request.id)",
                "    if order is None:",
                "        raise NotFound(request.id)", "    total = sum(line.price for line in order.lines)"],
            "context_line": format!("    return self.next_{index}(request, order, total)"),
            "post_context": ["", "def other(self):", "    pass", "", "class Next(View):"],
            "vars": {"self": "<shop.views.View object at 0x7f0000000000>", "request": "<Request 'POST /pay'>",
                "total": "100",
                "order": {"id": "17", "customer": "'Ann'", "lines": ["<Line 1>", "<Line 2>"]}},
            "in_app": index.is_multiple_of(3),
        })
    };
    let event = serde_json::json!({
        "event_id": "9ec79c33ec9942ab8353589fcb2e04dc", "platform": "python", "level": "error",
        "timestamp": "2026-11-21T18:36:37.058278Z",
        "exception": {"values": [{"type": "PaymentError", "value": "order 17 cannot be paid", "module": "shop.errors",
            "stacktrace": {"frames": (0..26).map(frame).collect::<Vec<_>>()}}]},
        "breadcrumbs": {"values": (0..10).map(|index| serde_json::json!({"message": format!("query {index}"),
            "category": "query",
            "data": {"took": index}, "timestamp": "2026-11-21T18:36:37.045861Z"})).collect::<Vec<_>>()},
        "request": {"url": "http://shop.example.org/pay", "method": "POST",
            "headers": {"User-Agent": "Mozilla/5.0", "Accept": "*/*"}},
        "tags": {"shop": "berlin"}, "user": {"id": "7"}, "release": "shop@1.2.0", "environment": "production",
        "modules": (0..40).map(|index| (format!("package-{index}"), "1.2.3".into())).collect::<serde_json::Map<_, _>>(),
    })
    .to_string();
    let body = format!("{{}}\n{{\"type\":\"event\",\"length\":{}}}\n{event}\n", event.len());
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    encoder.finish().unwrap()
}
