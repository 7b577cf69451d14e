//! An incident's way is a trace that a collector understands.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use nightbell_acceptance::hub::{alert, each_at_once};
use nightbell_acceptance::{Hub, PATIENCE, Receiver, Reply};
use serde_json::Value;

/// All spans that a collector has taken.
fn spans(collector: &Receiver) -> Vec<Value> {
    let heard = collector.heard();
    let taken = heard.iter().filter(|it| it.status == 200);
    let resources = taken.flat_map(|it| it.body["resourceSpans"].as_array().cloned().unwrap_or_default());
    let scopes = resources.flat_map(|it| it["scopeSpans"].as_array().cloned().unwrap_or_default());
    scopes.flat_map(|it| it["spans"].as_array().cloned().unwrap_or_default()).collect()
}

fn attribute<'a>(span: &'a Value, name: &str) -> &'a str {
    let all = span["attributes"].as_array().unwrap();
    let found = all.iter().find(|it| it["key"] == name);
    found.and_then(|it| it["value"]["stringValue"].as_str()).unwrap_or_else(|| panic!("no {name} in {span}"))
}

fn named<'a>(spans: &'a [Value], name: &str) -> Vec<&'a Value> {
    spans.iter().filter(|span| span["name"] == name).collect()
}

#[test]
fn an_incident_is_a_trace_from_its_arrival_to_the_answer() {
    let (collector, receiver) = (Receiver::open(), Receiver::open());
    let mut first = true;
    receiver.answers(move |_| Reply::status(if std::mem::take(&mut first) { 503 } else { 200 }));
    let toml = format!(
        "[traces]\nendpoint = \"{}\"\nencoding = \"json\"\nheaders = {{ x-key = \"sesame\" }}\n{}",
        collector.url(""),
        each_at_once(&receiver.url("/hook"))
    );
    let mut hub = Hub::start(&toml);
    hub.alerts(&[alert(&[("alertname", "DiskFull")])]);
    receiver.wait_for("a second try", PATIENCE, |heard| (heard.len() == 2).then_some(()));
    // what is left goes out at the end
    hub.stop();
    let heard = collector.heard();
    assert!(heard.iter().all(|it| it.path == "/v1/traces" && it.header("x-key") == "sesame"), "{heard:#?}");
    let spans = spans(&collector);
    let (opened, tries) = (named(&spans, "incident opened"), named(&spans, "deliver webhook"));
    assert_eq!((opened.len(), tries.len()), (1, 2), "{spans:#?}");
    assert_eq!(attribute(opened[0], "nightbell.title"), "it hurts");
    for it in &tries {
        assert_eq!(it["traceId"], opened[0]["traceId"]);
        assert_eq!(it["parentSpanId"], opened[0]["spanId"]);
        assert_eq!(attribute(it, "nightbell.destination"), "ops/webhook/0");
    }
    let said: Vec<_> = tries.iter().map(|it| attribute(it, "nightbell.status")).collect();
    assert_eq!(said, ["503", "200"]);
    assert_eq!(tries[0]["status"]["code"], 2, "an error: {}", tries[0]);
    assert!(!hub.log().contains("sesame"));
}

#[test]
fn a_collector_that_is_gone_holds_nothing_up() {
    let (collector, receiver) = (Receiver::open(), Receiver::open());
    collector.answers(|_| Reply::status(500));
    let toml =
        format!("[traces]\nendpoint = \"{}\"\n{}", collector.url(""), each_at_once(&receiver.url("/hook")));
    let mut hub = Hub::start(&toml);
    hub.alerts(&[alert(&[("alertname", "DiskFull")])]);
    receiver.wait_for("the alert", PATIENCE, |heard| (!heard.is_empty()).then_some(()));
    let kind = collector.wait_for("the spans", PATIENCE, |heard| {
        heard.first().map(|it| it.header("content-type").to_owned())
    });
    assert_eq!(kind, "application/x-protobuf");
    assert!(hub.stop().success());
    assert!(hub.log().contains("spans of traces were not taken"), "{}", hub.log());
}

#[test]
fn of_many_spans_none_is_lost_between_two_batches() {
    /// More than a few batches of the carrier.
    const INCIDENTS: usize = 3000;
    let collector = Receiver::open();
    let toml = format!(
        "[traces]\nendpoint = \"{}\"\nencoding = \"json\"\n\
         [route]\nreceiver = \"ops\"\ngroup_wait = \"1h\"\n[[receivers.ops.inbox]]\n",
        collector.url("")
    );
    let mut hub = Hub::start(&toml);
    let all: Vec<Value> =
        (0..INCIDENTS).map(|n| alert(&[("alertname", "A"), ("n", &n.to_string())])).collect();
    all.chunks(300).for_each(|some| hub.alerts(some));
    hub.stop();
    assert_eq!(named(&spans(&collector), "incident opened").len(), INCIDENTS);
}
