//! What every kind must be like, looped over the whole registry.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

extern crate nightbell_connectors as connectors;

mod support;

use std::time::Duration;

use model::delivery::{Fault, Outcome};
use sdk::{Answer, BadSettings};
use serde_json::{Value, json};
use support::fixtures::{FIXTURES, Fixture, Peer, http_settings, send, send_to};
use support::http_peer::{HttpPeer, Say, dead_port};
use support::{SECRET, context, guarded_context, hasty_context, messages};

fn http_fixtures() -> impl Iterator<Item = &'static Fixture> {
    FIXTURES.iter().filter(|fixture| fixture.peer == Peer::Http)
}

/// A kind of destination or source.
struct Kind {
    name: String,
    schema: Value,
    accept: Box<dyn Fn(Value) -> Result<(), BadSettings>>,
}

fn kinds() -> Vec<Kind> {
    let registry = connectors::registry();
    let destinations = registry.destinations().map(|(facts, schema)| {
        let kind = facts.kind;
        let accept = move |settings| connectors::registry().ready(kind, settings).map(drop);
        Kind { name: format!("destination {kind}"), schema: schema.clone(), accept: Box::new(accept) }
    });
    let sources = registry.sources().map(|(facts, schema)| {
        let kind = facts.kind;
        let accept = move |settings| connectors::registry().reader(kind, settings).map(drop);
        Kind { name: format!("source {kind}"), schema: schema.clone(), accept: Box::new(accept) }
    });
    destinations.chain(sources).collect()
}

fn examples(schema: &Value) -> Vec<Value> {
    schema["examples"].as_array().cloned().unwrap_or_default()
}

#[test]
fn every_destination_has_a_fixture() {
    for (facts, _) in connectors::registry().destinations() {
        let found = FIXTURES.iter().any(|fixture| fixture.kind == facts.kind);
        assert!(found, "{} needs a line in tests/support/fixtures.rs", facts.kind);
    }
}

#[test]
fn every_kind_says_what_it_is_and_what_it_needs() {
    let registry = connectors::registry();
    for (facts, _) in registry.destinations().chain(registry.sources()) {
        assert!(!facts.title.is_empty() && facts.about.ends_with('.'), "{}: {:?}", facts.kind, facts.about);
        assert!(!facts.about.contains("  "), "{}: {:?}", facts.kind, facts.about);
    }
    for Kind { name: kind, schema, accept } in kinds() {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let description = property["description"].as_str().unwrap_or_default();
            assert!(description.ends_with('.'), "{kind}: {name} needs a description: {description:?}");
        }
        assert!(!examples(&schema).is_empty(), "{kind} needs an example in its schema");
        for example in examples(&schema) {
            accept(example.clone())
                .unwrap_or_else(|error| panic!("{kind} refuses its example {example}: {error}"));
        }
    }
}

#[test]
fn an_unknown_field_is_refused_by_its_name() {
    for Kind { name: kind, schema, accept } in kinds() {
        let mut example = examples(&schema).remove(0);
        example["no_such_field"] = json!(1);
        let error = accept(example).unwrap_err().to_string();
        assert!(error.contains("no_such_field"), "{kind}: {error}");
    }
}

#[test]
fn no_error_about_settings_shows_a_secret() {
    for Kind { name: kind, schema, accept } in kinds() {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if !property.to_string().contains(sdk::secret::SCHEMA_MARK) {
                continue;
            }
            for wrong in [
                json!(987_654_321),
                json!([[987_654_321]]),
                json!({"a": {"b": 987_654_321}}),
                json!("987654321\n"),
            ] {
                let mut example = examples(&schema).remove(0);
                example[name] = wrong;
                let error = accept(example).err().map(|error| error.to_string()).unwrap_or_default();
                assert!(!error.contains("987654321"), "{kind}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn every_destination_takes_every_kind_of_message() {
    for fixture in FIXTURES {
        for (name, message) in messages::all() {
            let (answer, wire) = send(fixture, &message).await;
            assert!(
                matches!(answer.outcome, Outcome::Delivered { .. }),
                "{} {name}: {answer:?}",
                fixture.name
            );
            // closing what was told of before needs no words
            let said = ["DiskFull", "Disk is full", "team", "/close?"];
            assert!(said.iter().any(|word| wire.contains(word)), "{wire}");
        }
    }
}

#[tokio::test]
async fn no_secret_is_shown_whatever_the_other_side_says() {
    for fixture in FIXTURES {
        let settings = http_settings(fixture, 1);
        let ready = connectors::registry().ready(fixture.kind, settings.clone()).unwrap();
        assert!(!ready.describe().contains(SECRET), "{}: {}", fixture.name, ready.describe());
        assert!(!ready.describe().is_empty());
        let registry = connectors::registry();
        let mut shown = settings;
        sdk::secret::redact(&mut shown, registry.destination_schema(fixture.kind).unwrap());
        assert!(!shown.to_string().contains(SECRET), "{}: {shown}", fixture.name);
    }
    for fixture in http_fixtures() {
        for status in [200, 400, 429, 500] {
            let peer = HttpPeer::start(Say::Echo(status));
            let answer = send_to(fixture, peer.port, &context(), &messages::firing()).await;
            let basic = "bWU6czNjcjN0LXB3"; // me:s3cr3t-pw
            let shown = format!("{answer:?}");
            assert!(!shown.contains(SECRET) && !shown.contains(basic), "{} {status}: {shown}", fixture.name);
            assert!(shown.contains("<secret>"), "{} {status}: {shown}", fixture.name);
        }
        let answer = send_to(fixture, dead_port(), &context(), &messages::firing()).await;
        assert!(!format!("{answer:?}").contains(SECRET), "{}: {answer:?}", fixture.name);
    }
}

/// What an outcome is, in a word and with the wait that was asked for.
fn word(answer: &Answer) -> (&'static str, Option<Duration>) {
    match &answer.outcome {
        Outcome::Delivered { .. } => ("delivered", None),
        Outcome::Accepted { .. } => ("accepted", None),
        Outcome::Retry { after, fault: Fault::Pace, .. } => ("pace", *after),
        Outcome::Retry { after, fault: Fault::Destination, .. } => ("down", *after),
        Outcome::Rejected { .. } => ("rejected", None),
    }
}

#[tokio::test]
async fn answers_over_http_mean_what_they_mean() {
    const LATER: &[(&str, &str)] = &[("Retry-After", "17")];
    // half a minute after the tests' present
    const DATE: &[(&str, &str)] = &[("Retry-After", "Sat, 14 Nov 2026 12:01:00 GMT")];
    let (seventeen, thirty) = (Some(Duration::from_secs(17)), Some(Duration::from_secs(30)));
    let with = |status, headers| Say::Status(status, headers, Vec::new());
    let cases = [
        (Say::status(200), ("delivered", None)),
        (Say::status(204), ("delivered", None)),
        (Say::status(302), ("rejected", None)),
        (Say::status(400), ("rejected", None)),
        (Say::status(401), ("rejected", None)),
        (Say::status(404), ("rejected", None)),
        (Say::status(408), ("down", None)),
        (Say::status(429), ("pace", None)),
        (with(429, LATER), ("pace", seventeen)),
        (with(429, DATE), ("pace", thirty)),
        (with(503, LATER), ("pace", seventeen)),
        (Say::status(500), ("down", None)),
        (Say::status(503), ("down", None)),
        (Say::Garbage, ("down", None)),
        (Say::Status(500, &[], vec![b'x'; 4 << 20]), ("down", None)),
    ];
    for fixture in http_fixtures() {
        for (say, expected) in cases.clone() {
            // such services never say yes in so few words
            if expected.0 == "delivered" && fixture.says.is_some() {
                continue;
            }
            let peer = HttpPeer::start(say);
            let answer = send_to(fixture, peer.port, &context(), &messages::firing()).await;
            assert_eq!(word(&answer), expected, "{}: {answer:?}", fixture.name);
            assert!(answer.text.len() <= model::limits::MAX_ANSWER_BYTES);
        }
    }
}

#[tokio::test]
async fn who_does_not_answer_is_tried_again_and_who_must_not_be_asked_is_not() {
    for fixture in http_fixtures() {
        let peer = HttpPeer::start(Say::Nothing);
        let answer = send_to(fixture, peer.port, &hasty_context(), &messages::firing()).await;
        assert_eq!((word(&answer), answer.status), (("down", None), None), "{}: {answer:?}", fixture.name);
        let answer = send_to(fixture, dead_port(), &context(), &messages::firing()).await;
        assert_eq!(word(&answer), ("down", None), "{}: {answer:?}", fixture.name);
        let answer = send_to(fixture, peer.port, &guarded_context(), &messages::firing()).await;
        assert_eq!(word(&answer), ("rejected", None), "{}: {answer:?}", fixture.name);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_undo_what_the_status_says() {
    for fixture in http_fixtures().filter(|it| it.kind != "slack" && it.says.is_none()) {
        let peer = HttpPeer::start(Say::HalfABody);
        let answer = send_to(fixture, peer.port, &context(), &messages::firing()).await;
        assert_eq!(
            (word(&answer).0, answer.status),
            ("delivered", Some(200)),
            "{}: {answer:?}",
            fixture.name
        );
        assert_eq!(answer.text, "part");
    }
}

#[tokio::test]
async fn a_retry_has_the_same_idempotency_key() {
    for fixture in http_fixtures() {
        let peer = HttpPeer::start(Say::status(500));
        let mut context = context();
        for _ in 0..2 {
            send_to(fixture, peer.port, &context, &messages::firing()).await;
            assert_eq!(
                peer.next().header("idempotency-key"),
                Some("0000000000abc-first"),
                "{}",
                fixture.name
            );
            context.now = context.now + Duration::from_secs(60);
        }
    }
}

#[test]
fn the_reference_shows_every_kind() {
    let registry = connectors::registry();
    let page = sdk::reference_markdown(&registry);
    for (facts, schema) in registry.destinations().chain(registry.sources()) {
        assert!(page.contains(&format!("\n## `{}`: {}\n", facts.kind, facts.title)), "{}", facts.kind);
        for name in schema["properties"].as_object().into_iter().flat_map(|all| all.keys()) {
            assert!(page.contains(&format!("| `{name}` |")), "{}: {name}", facts.kind);
        }
    }
}
