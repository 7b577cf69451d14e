//! What clients of all ages write, and what nobody should.

use serde_json::json;

use super::*;

fn arrival() -> Arrival<'static> {
    Arrival { received: "2026-11-21T10:00:00Z".parse().unwrap(), ..Arrival::default() }
}

fn read(payload: serde_json::Value) -> Event {
    event(payload.to_string().as_bytes(), &arrival()).unwrap()
}

fn noted(event: &Event) -> Vec<(&str, Change)> {
    event.notes.list.iter().map(|note| (note.path.as_str(), note.what)).collect()
}

#[test]
fn old_names_are_understood() {
    let event = read(json!({
        "event_id": "9EC79C33-EC99-42AB-8353-589FCB2E04DC",
        "culprit": "shop.views in pay",
        "level": 40,
        "sentry.interfaces.Message": {"message": "paid %s in %d s", "params": [17, 2]},
        "sentry.interfaces.Exception": {"type": "KeyError", "value": "'id'", "module": "shop"},
        "sentry.interfaces.Stacktrace": {"frames": [{"filename": "shop.py", "function": "pay", "lineno": "12"}]},
        "sentry.interfaces.Http": {"url": "http://shop.example.org/pay?a=1#top", "headers": [["USER_AGENT", "curl"]]},
        "sentry.interfaces.User": {"id": 7, "is_authenticated": true},
        "sentry.interfaces.Query": {"query": "SELECT 1", "engine": "sqlite"},
        "tags": [["shop", "berlin"], ["answer", 42], ["broken"]],
        "platform": "python",
    }));
    assert_eq!(event.event_id, "9ec79c33ec9942ab8353589fcb2e04dc");
    assert_eq!(event.transaction.as_deref(), Some("shop.views in pay"));
    assert_eq!(event.level, Level::Error);
    let message = event.message.as_ref().unwrap();
    assert_eq!(
        (message.formatted.as_str(), message.template.as_deref()),
        ("paid 17 in 2 s", Some("paid %s in %d s"))
    );
    let frames = &event.exceptions[0].stacktrace.as_ref().unwrap().frames;
    assert_eq!((frames[0].lineno, frames[0].in_app), (Some(12), true));
    let request = event.request.as_ref().unwrap();
    assert_eq!(request.url.as_deref(), Some("http://shop.example.org/pay"));
    assert_eq!(request.query, [("a".to_owned(), "1".to_owned())]);
    assert_eq!(request.headers, [("User-Agent".to_owned(), "curl".to_owned())]);
    assert_eq!(event.user.as_ref().unwrap().identity().as_deref(), Some("id:7"));
    assert_eq!(event.tags.get("answer").map(String::as_str), Some("42"));
    assert_eq!(event.legacy["query"]["engine"], "sqlite");
    assert!(event.notes.is_empty(), "{:?}", event.notes);
}

#[test]
fn every_form_of_an_exception_is_one() {
    let one = json!({"type": "KeyError", "value": "'id'"});
    for form in [json!({"values": [one]}), json!([one]), one.clone(), json!({"values": one})] {
        let event = read(json!({"exception": form}));
        assert_eq!(event.exceptions.len(), 1, "{form}");
        assert_eq!(event.kind, Kind::Error);
    }
    let split = read(json!({"exception": {"value": "TypeError: x is undefined"}}));
    assert_eq!(split.exceptions[0].ty.as_deref(), Some("TypeError"));
    assert_eq!(split.exceptions[0].value.as_deref(), Some("x is undefined"));
}

#[test]
fn a_clock_that_is_off_is_corrected() {
    let sent = json!({"timestamp": "2026-11-21T08:00:00Z", "breadcrumbs": [{"timestamp": 1795248000.0}]})
        .to_string();
    let mut arrival = arrival();
    arrival.sent_at = time::parse("2026-11-21T08:00:05Z");
    let event = super::event(sent.as_bytes(), &arrival).unwrap();
    assert_eq!(event.timestamp.to_string(), "2026-11-21T09:59:55Z");
    assert_eq!(event.breadcrumbs[0].timestamp.unwrap().to_string(), "2026-11-21T09:59:55Z");
    arrival.sent_at = time::parse("2026-11-21T09:59:30Z");
    let event = super::event(sent.as_bytes(), &arrival).unwrap();
    assert_eq!(event.timestamp.to_string(), "2026-11-21T08:00:00Z", "half a minute is the network's");
    for (time, ok) in
        [("2026-10-01T00:00:00Z", false), ("2026-11-22T00:00:00Z", false), ("2026-11-01T00:00:00Z", true)]
    {
        let event = read(json!({"timestamp": time}));
        assert_eq!(event.notes.is_empty(), ok, "{time}");
        assert_eq!(event.timestamp == event.received, !ok, "{time}");
    }
}

#[test]
fn what_is_cut_is_noted() {
    let event = read(json!({
        "release": "x".repeat(1000),
        "message": "y".repeat(20_000),
        "tags": {"long": "z".repeat(500)},
        "level": "loud",
        "timestamp": "yesterday",
        "environment": "a/b",
        "breadcrumbs": (0..300).map(|index| json!({"message": index.to_string()})).collect::<Vec<_>>(),
        "user": "nobody",
        "extra": {"deep": json!([[[[[[[[[[1]]]]]]]]]]), "long": "w".repeat(100_000)},
    }));
    assert_eq!(
        noted(&event),
        [
            ("timestamp", Change::Invalid),
            ("level", Change::Invalid),
            ("release", Change::Shortened),
            ("environment", Change::Invalid),
            ("message", Change::Shortened),
            ("tags.long", Change::Shortened),
            ("extra.deep.0.0.0.0.0.0.0", Change::TooDeep),
            ("extra.long", Change::Shortened),
            ("breadcrumbs", Change::LeftOut),
            ("user", Change::Invalid),
        ]
    );
    assert_eq!(event.notes.list[2].was, Some(1000));
    assert_eq!(event.release.as_ref().unwrap().chars().count(), 250);
    assert!(event.release.unwrap().ends_with('…'));
    assert_eq!(event.environment.as_deref(), Some("a-b"));
    assert_eq!(event.breadcrumbs[0].message.as_deref(), Some("200"));
}

#[test]
fn a_million_frames_become_the_ends_of_the_stack() {
    let frames =
        (0..40_000).map(|index| format!("{{\"function\":\"f{index}\"}}")).collect::<Vec<_>>().join(",");
    let payload = format!("{{\"exception\":{{\"type\":\"E\",\"stacktrace\":{{\"frames\":[{frames}]}}}}}}");
    let event = event(payload.as_bytes(), &arrival()).unwrap();
    let stack = event.exceptions[0].stacktrace.as_ref().unwrap();
    assert_eq!(stack.frames.len(), stack::MAX_FRAMES);
    assert_eq!(stack.omitted.map(|omitted| (omitted.before, omitted.frames)), Some((125, 39_750)));
    assert_eq!(stack.frames[0].function.as_deref(), Some("f0"));
    assert_eq!(stack.frames[249].function.as_deref(), Some("f39999"));
    assert_eq!(noted(&event), [("exceptions.0.stacktrace", Change::LeftOut)]);
}

#[test]
fn ten_thousand_levels_become_a_note() {
    let payload =
        format!("{{\"message\":\"m\",\"extra\":{{\"a\":{}1{}}}}}", "[".repeat(10_000), "]".repeat(10_000));
    let event = event(payload.as_bytes(), &arrival()).unwrap();
    assert_eq!(noted(&event), [("extra.a.0.0.0.0.0.0.0", Change::TooDeep)]);
    assert_eq!(event.text(), Some("m"));
}

#[test]
fn what_is_kept_has_a_size() {
    let vars: serde_json::Map<_, _> =
        (0..60).map(|index| (format!("v{index}"), json!("x".repeat(2_000)))).collect();
    let frame = json!({"function": "f", "vars": vars, "context_line": "y".repeat(500),
        "pre_context": vec!["z".repeat(400); 50]});
    let exception = json!({"type": "E", "stacktrace": {"frames": vec![frame; 300]}});
    let event = read(json!({"exception": vec![exception; 3], "extra": {"e": vec!["w".repeat(9_000); 50]}}));
    let stored = serde_json::to_string(&event).unwrap();
    assert!(stored.len() < 4 << 20, "{}", stored.len());
    assert_eq!(serde_json::from_str::<Event>(&stored).unwrap(), event);
}

#[test]
fn browsers_report_in_several_forms() {
    let csp = json!({"csp-report": {
        "document-uri": "https://shop.example.org/pay?order=17", "effective-directive": "script-src-elem",
        "violated-directive": "script-src-elem", "blocked-uri": "https://cdn.example.com/evil.js?x=1"
    }});
    let newer = json!([{"type": "deprecation", "body": {}}, {"type": "csp-violation",
        "url": "https://shop.example.org/pay",
        "body": {"effectiveDirective": "script-src-elem", "blockedURL": "https://cdn.example.com/evil.js"}}]);
    for report in [csp, newer] {
        let event = security_report(report.to_string().as_bytes(), &arrival()).unwrap();
        assert_eq!(event.kind, Kind::Csp);
        assert_eq!(event.text(), Some("Blocked 'script-src-elem' from 'cdn.example.com'"), "{report}");
        assert_eq!(event.security.unwrap().document.as_deref(), Some("https://shop.example.org/pay"));
    }
    let own = json!({"csp-report": {"document-uri": "https://a.org/", "blocked-uri": "https://a.org/x",
        "violated-directive": "img-src *"}});
    let event = security_report(own.to_string().as_bytes(), &arrival()).unwrap();
    assert_eq!(event.text(), Some("Blocked 'img-src' from 'self:'"));
    let staple = json!({"expect-staple-report": {"hostname": "a.org"}});
    let event = security_report(staple.to_string().as_bytes(), &arrival()).unwrap();
    assert_eq!((event.kind, event.text()), (Kind::ExpectStaple, Some("Expect-Staple failed for 'a.org'")));
    assert_eq!(security_report(b"{}", &arrival()).unwrap_err().status(), 400);
}

#[test]
fn only_what_is_no_object_is_no_event() {
    for body in ["[]", "1", "\"x\"", "{", "", "{\"a\":}"] {
        assert_eq!(event(body.as_bytes(), &arrival()).unwrap_err().status(), 400, "{body}");
    }
    assert_eq!(event(b"{}", &arrival()).unwrap().kind, Kind::Message);
}

/// JSON of any shape under the names that events have.
fn anything() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|truth| json!(truth)),
        any::<i64>().prop_map(|number| json!(number)),
        any::<i32>().prop_map(|number| json!(f64::from(number) / 8.0)),
        "\\PC{0,12}".prop_map(|text| json!(text)),
    ];
    let names = prop::sample::select(vec![
        "values",
        "frames",
        "stacktrace",
        "type",
        "value",
        "module",
        "function",
        "filename",
        "abs_path",
        "vars",
        "in_app",
        "exception",
        "message",
        "logentry",
        "formatted",
        "params",
        "tags",
        "user",
        "id",
        "request",
        "headers",
        "cookies",
        "query_string",
        "data",
        "env",
        "url",
        "contexts",
        "extra",
        "breadcrumbs",
        "timestamp",
        "level",
        "fingerprint",
        "threads",
        "sdk",
        "settings",
        "debug_meta",
        "images",
        "csp",
        "sentry.interfaces.Http",
        "mechanism",
        "lineno",
        "pre_context",
        "platform",
        "release",
        "environment",
        "culprit",
        "modules",
        "event_id",
        "checksum",
        "template",
    ]);
    leaf.prop_recursive(7, 80, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            prop::collection::vec((names.clone(), inner), 0..8).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

/// An exception with neither type, value nor stack is none that anything can be found by.
#[test]
fn an_exception_that_says_nothing_is_grouped_by_what_the_event_says() {
    let rules = crate::Rules::default();
    let hashes = |payload: serde_json::Value| {
        let event = event(payload.to_string().as_bytes(), &arrival()).unwrap();
        crate::group(&event, &rules).hashes().into_iter().map(|it| it.value).collect::<Vec<_>>()
    };
    let nothing = hashes(json!({ "exception": { "module": false } }));
    assert_eq!(nothing.len(), 1, "{nothing:?}");
    let said = |text: &str| hashes(json!({ "exception": { "module": "shop" }, "message": text }));
    assert_ne!(said("the disk is full"), nothing);
    assert_eq!(said("the disk is full"), hashes(json!({ "message": "the disk is full" })));
}

proptest::proptest! {
    #[test]
    fn any_json_becomes_an_event_that_can_be_kept(payload in anything()) {
        if payload.is_object() {
            let mut event = event(payload.to_string().as_bytes(), &arrival()).unwrap();
            crate::Scrubber::default().scrub(&mut event);
            crate::describe::describe(&mut event);
            let stored = serde_json::to_string(&event).unwrap();
            let back: Event = serde_json::from_str(&stored).unwrap();
            proptest::prop_assert_eq!(serde_json::to_string(&back).unwrap(), stored);
            let rules = crate::Rules::default();
            let hashes = crate::group(&event, &rules).hashes();
            proptest::prop_assert!(!hashes.is_empty());
            proptest::prop_assert_eq!(crate::group(&back, &rules).hashes(), hashes);
        }
        let _ = security_report(payload.to_string().as_bytes(), &arrival());
    }
}
