//! What is a secret, and what only looks like one.

use serde_json::json;

use super::*;
use crate::Arrival;

fn scrubbed(settings: &Settings, payload: serde_json::Value) -> Event {
    let mut event = crate::normalise::event(payload.to_string().as_bytes(), &Arrival::default()).unwrap();
    event.notes = Notes::default();
    Scrubber::new(settings).scrub(&mut event);
    event
}

fn value(text: &str) -> String {
    let event = scrubbed(&Settings::default(), json!({"extra": {"x": text}}));
    event.extra["x"].as_str().unwrap().to_owned()
}

fn message(text: &str) -> String {
    scrubbed(&Settings::default(), json!({"message": text})).message.unwrap().formatted
}

#[test]
fn secrets_are_known_by_their_names_everywhere() {
    let event = scrubbed(
        &Settings::default(),
        json!({
            "exception": {"type": "E", "stacktrace": {"frames": [{
                "function": "f", "vars": {"password": "hunter2", "form": {"api_key": "k", "name": "Ann"},
                "'secret'": "s"}}]}},
            "request": {
                "url": "https://shop.example.org/pay", "query_string": "token=abc&order=17",
                "headers": {"Authorization": "Digest xyz", "Accept": "*/*", "X-Api-Key": "k"},
                "cookies": "sid=1; theme=dark", "data": "{\"card\": {\"cvc\": 123, \"name\": \"Ann\"}}",
            },
            "extra": {"auth": {"user": "ann"}, "author": "ann", "max_tokens": 500,
            "pairs": [["password", "x"], ["a", "b"]]},
            "tags": {"access_token": "abc"},
            "breadcrumbs": [{"data": {"client_secret": "x"}}],
            "user": {"id": 7, "data": {"passwd": "x"}},
            "contexts": {"session": {"jwt": "x"}},
        }),
    );
    let vars = &event.exceptions[0].stacktrace.as_ref().unwrap().frames[0].vars;
    assert_eq!(
        json!(vars),
        json!({"password": FILTERED, "form": {"api_key": FILTERED, "name": "Ann"}, "'secret'": FILTERED})
    );
    let request = event.request.as_ref().unwrap();
    let pairs = |list: &[(String, String)]| {
        list.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(pairs(&request.query), ["token=[Filtered]", "order=17"]);
    assert_eq!(pairs(&request.headers), ["Accept=*/*", "Authorization=[Filtered]", "X-Api-Key=[Filtered]"]);
    assert_eq!(pairs(&request.cookies), ["sid=[Filtered]", "theme=dark"]);
    assert_eq!(request.data, json!({"card": {"cvc": FILTERED, "name": "Ann"}}));
    assert_eq!(
        json!(event.extra),
        json!({"auth": FILTERED, "author": "ann", "max_tokens": 500, "pairs": [["password", FILTERED], ["a", "b"]]})
    );
    assert_eq!(event.tags["access_token"], FILTERED);
    assert_eq!(event.breadcrumbs[0].data["client_secret"], FILTERED);
    assert_eq!(event.user.as_ref().unwrap().data["passwd"], FILTERED);
    assert_eq!(event.contexts["session"]["jwt"], FILTERED);
    let paths: Vec<&str> = event.notes.list.iter().map(|note| note.path.as_str()).collect();
    assert!(paths.contains(&"exceptions.0.stacktrace.0.vars.form.api_key"), "{paths:?}");
    assert!(paths.contains(&"request.query.token"), "{paths:?}");
    assert_eq!(event.notes.list.len(), 14, "{paths:?}");
}

#[test]
fn secrets_are_known_by_their_looks() {
    for (text, expected) in [
        ("card 4111 1111 1111 1111 declined", "card [card] declined"),
        ("4111-1111-1111-1111", "[card]"),
        ("378282246310005", "[card]"),
        ("pay to DE89 3704 0044 0532 0130 00 now", "pay to [iban] now"),
        ("GB82WEST12345698765432", "[iban]"),
        ("ssn 078-05-1120", "ssn [ssn]"),
        ("Authorization: Bearer abcdef123456", "Authorization: Bearer [token]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N", "[token]"),
        ("postgres://shop:hunter2@db/shop", "postgres://shop:[password]@db/shop"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nrest", "[private key]\nrest"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", "[private key]"),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
    assert_eq!(message("user ann@example.org not found"), "user [email] not found");
    assert_eq!(
        message("cannot reach amqp://u:p@mq.example.org"),
        "cannot reach amqp://u:[password]@mq.example.org"
    );
}

#[test]
fn what_only_looks_like_a_secret_stays() {
    for text in [
        "4111 1111 1111 1112",
        "1700000000000000000",
        "order 1234567890123456",
        "9ec79c33ec9942ab8353589fcb2e04dc",
        "2026-11-21T10:00:00.123456789Z",
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
        "DE00 3704 0044 0532 0130 00",
        "ann@example.org",
        "the token was not found",
        "https://example.org/@ann",
        "1234-56-789012",
    ] {
        assert_eq!(value(text), text);
    }
}

#[test]
fn numbers_may_be_cards() {
    let event = scrubbed(
        &Settings::default(),
        json!({"extra": {"a": 4111111111111111_u64, "b": 1700000000000000000_u64}}),
    );
    assert_eq!(json!(event.extra), json!({"a": "[card]", "b": 1700000000000000000_u64}));
}

#[test]
fn a_project_has_its_say() {
    let payload = json!({
        "extra": {"password": "p", "customer_no": "4711", "card": "4111 1111 1111 1111"},
        "user": {"id": 7, "ip_address": "192.0.2.7"},
        "request": {"env": {"REMOTE_ADDR": "192.0.2.7"}, "headers": {"X-Forwarded-For": "192.0.2.7"}},
    });
    let own = Settings {
        sensitive: vec!["customer no".to_owned()],
        safe: vec!["card".to_owned()],
        ip_addresses: true,
        ..Settings::default()
    };
    let event = scrubbed(&own, payload.clone());
    assert_eq!(
        json!(event.extra),
        json!({"password": FILTERED, "customer_no": FILTERED, "card": "4111 1111 1111 1111"})
    );
    assert_eq!(event.user.unwrap().ip_address, None);
    let request = event.request.unwrap();
    assert_eq!(request.env["REMOTE_ADDR"], FILTERED);
    assert_eq!(request.headers[0].1, FILTERED);
    let off = scrubbed(&Settings { off: true, ..own }, payload.clone());
    assert_eq!(off, scrubbed(&Settings { defaults: false, ..Settings::default() }, payload));
    assert!(off.notes.is_empty());
}

proptest::proptest! {
    #[test]
    fn scrubbing_twice_is_scrubbing_once(text in "x\\PC{0,60}", card in proptest::bool::ANY) {
        let text = if card { format!("{text} 4111 1111 1111 1111 a:b@c.de Bearer 0123456789") } else { text };
        let once = message(&text);
        proptest::prop_assert_eq!(&message(&once), &once);
        let once = value(&text);
        proptest::prop_assert_eq!(&value(&once), &once);
    }
}
