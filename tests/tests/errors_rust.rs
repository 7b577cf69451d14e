//! The client of Sentry for Rust, in this very process.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::time::Duration;

use nightbell_acceptance::errors::{dsn, issues, project};
use nightbell_acceptance::{Hub, PATIENCE, wait_for};
use serde_json::json;

const TOML: &str = "[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n";

/// A client that sends errors and nothing else.
fn client(dsn: &str) -> sentry::ClientInitGuard {
    let mut options = sentry::ClientOptions::default();
    options.dsn = Some(dsn.parse().unwrap());
    options.release = Some("shop@2.0".into());
    options.environment = Some("production".into());
    options.attach_stacktrace = true;
    sentry::init(options)
}

#[derive(Debug, thiserror::Error)]
#[error("order {0} cannot be paid")]
struct PaymentError(u32, #[source] std::num::ParseIntError);

fn pay(order: u32) -> Result<u32, PaymentError> {
    "a price".parse().map_err(|error| PaymentError(order, error))
}

#[test]
fn the_client_for_rust_reports_and_is_quiet_when_it_is_told_to_be() {
    let hub = Hub::start(TOML);
    let (made, dsn_of_all) = project(&hub, "shop");
    {
        let sends = client(&dsn_of_all);
        sentry::configure_scope(|scope| {
            scope.set_user(Some(sentry::User { id: Some("7".into()), ..sentry::User::default() }));
            scope.set_tag("shop", "berlin");
        });
        sentry::add_breadcrumb(sentry::Breadcrumb {
            message: Some("cart opened".into()),
            ..sentry::Breadcrumb::default()
        });
        for order in [17, 18] {
            sentry::capture_error(&pay(order).unwrap_err());
        }
        sentry::capture_message("a plain message", sentry::Level::Warning);
        assert!(sends.close(Some(Duration::from_secs(10))), "it is sent");
    }
    let found = wait_for("both issues", PATIENCE, || {
        let found = issues(&hub, "shop:berlin%20release:shop@2.0%20environment:production");
        (found.len() == 2).then_some(found)
    });
    let of = |word: &str| found.iter().find(|it| it["title"].as_str().unwrap().contains(word)).unwrap();
    assert_eq!(of("PaymentError")["times_seen"], 2, "the number of the order does not count");
    assert_eq!(of("a plain message")["level"], "warning");
    let id = of("PaymentError")["id"].as_str().unwrap();
    let event = &hub.get(&format!("/api/v1/issues/{id}/events/latest"))["event"];
    assert_eq!(event["exceptions"].as_array().unwrap().len(), 2, "the cause, too: {event:#}");
    assert_eq!(
        (&event["user"]["id"], &event["breadcrumbs"][0]["message"]),
        (&json!("7"), &json!("cart opened"))
    );
    // one 429 is enough
    let key = hub.says_json(&["project", "key", "create", "shop", "--rate", "1/3600"]);
    {
        let sends = client(&dsn(&hub, &made, key["public_key"].as_str().unwrap()));
        for order in 0..5 {
            sentry::capture_error(&pay(order).unwrap_err());
            assert!(sends.flush(Some(Duration::from_secs(10))));
        }
    }
    let sent = wait_for("what was too much", PATIENCE, || {
        let sent = hub.get("/api/v1/projects/shop/sent");
        (!sent["totals"]["rate limited"].is_null()).then_some(sent)
    });
    assert_eq!(sent["totals"]["rate limited"], 1, "{sent:#}");
    assert_eq!(issues(&hub, "PaymentError")[0]["times_seen"], 3);
}
