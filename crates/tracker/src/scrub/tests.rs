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

#[test]
fn what_is_safe_does_not_let_passwords_cookies_and_authorisations_out() {
    let payload = json!({
        "extra": {
            "form": {"card": "4111 1111 1111 1111", "login": [{"password": "p", "user_cookie": "c", "token": "t"}]},
            "password": "p", "token": "t",
        },
        "request": {"headers": {"Authorization": "Digest x"}, "cookies": "sid=1; theme=dark"},
    });
    let safe = ["form", "password", "token", "authorization", "sid"].map(str::to_owned).to_vec();
    let own = Settings { safe: safe.clone(), ..Settings::default() };
    let event = scrubbed(&own, payload.clone());
    let form = |password: &str, cookie: &str| {
        let login = json!([{"password": password, "user_cookie": cookie, "token": "t"}]);
        json!({"card": "4111 1111 1111 1111", "login": login})
    };
    assert_eq!(
        json!(event.extra),
        json!({"form": form(FILTERED, FILTERED), "password": FILTERED, "token": "t"})
    );
    let request = event.request.unwrap();
    assert_eq!((request.headers[0].1.as_str(), request.cookies[0].1.as_str()), (FILTERED, FILTERED));
    // unless somebody says so plainly
    let plainly = Settings { kept_secrets: safe, ..own.clone() };
    let event = scrubbed(&plainly, payload);
    assert_eq!(json!(event.extra), json!({"form": form("p", FILTERED), "password": "p", "token": "t"}));
    let request = event.request.unwrap();
    assert_eq!((request.headers[0].1.as_str(), request.cookies[0].1.as_str()), ("Digest x", "1"));
    let bad = own.check().unwrap_err();
    assert_eq!(bad.at, (Part::Safe, 1), "{}", bad.why);
}

#[test]
fn a_project_has_patterns_of_its_own_and_lets_looks_stay() {
    let own = Settings {
        patterns: vec![r"CUST-\d{4}".to_owned(), r"^\d{8}$".to_owned()],
        safe_looks: vec!["card".to_owned(), "email".to_owned()],
        ..Settings::default()
    };
    own.check().unwrap();
    let event = scrubbed(
        &own,
        json!({
            "message": "CUST-4711 wrote from ann@example.org, not CUST-12",
            "extra": {
                "a": "of CUST-4711", "n": 12345678, "m": 1234567, "card": "4111 1111 1111 1111",
                "c": 4111111111111111_u64, "iban": "GB82WEST12345698765432", "safe": "x12345678",
            },
            "user": {"email": "CUST-4711@example.org", "id": "CUST-4711"},
            "tags": {"customer": "CUST-0001"},
        }),
    );
    let message = event.message.as_ref().unwrap().formatted.as_str();
    assert_eq!(message, "[Filtered] wrote from ann@example.org, not CUST-12");
    assert_eq!(
        json!(event.extra),
        json!({
            "a": "of [Filtered]", "n": FILTERED, "m": 1234567, "card": "4111 1111 1111 1111",
            "c": 4111111111111111_u64, "iban": FILTERED, "safe": "x12345678",
        })
    );
    let user = event.user.as_ref().unwrap();
    assert_eq!(user.email.as_deref(), Some("[Filtered]@example.org"));
    assert_eq!((user.id.as_deref(), event.tags["customer"].as_str()), (Some(FILTERED), FILTERED));
    assert!(event.notes.list.iter().any(|note| note.path == "extra.n"), "{:?}", event.notes.list);
}

#[test]
fn patterns_that_cannot_be_are_refused_with_their_reason() {
    let why = |pattern: &str| {
        let settings =
            Settings { patterns: vec!["ok".to_owned(), pattern.to_owned()], ..Settings::default() };
        let bad = settings.check().unwrap_err();
        assert_eq!(bad.at, (Part::Patterns, 1));
        // it is left out, and the others hold
        let event = scrubbed(&settings, json!({"extra": {"x": "ok"}}));
        assert_eq!(event.extra["x"], FILTERED);
        bad.why
    };
    assert!(why("a(").contains("unclosed group"), "{}", why("a("));
    assert!(why(r"\w{500}").contains("bytes of memory"), "{}", why(r"\w{500}"));
    assert!(why("a*").contains("fits nothing at all"));
    assert!(why("(?=x)").contains("look-around"), "{}", why("(?=x)"));
    let looks = Settings { safe_looks: vec!["cards".to_owned()], ..Settings::default() };
    let bad = looks.check().unwrap_err();
    assert!(bad.at == (Part::SafeLooks, 0) && bad.why.contains("private_key, token"), "{}", bad.why);
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
