//! What was delivered is not told again, whatever happens to the hub afterwards.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::time::Duration;

use nightbell_acceptance::hub::{alert, each_at_once};
use nightbell_acceptance::{Hub, PATIENCE, Receiver, Reply};

#[test]
fn the_same_alerts_after_a_kill_are_not_told_again() {
    let receiver = Receiver::open();
    let mut hub = Hub::start(&each_at_once(&receiver.url("/hook")));
    let alerts = [alert(&[("alertname", "A")]), alert(&[("alertname", "B")])];
    hub.alerts(&alerts);
    receiver.wait_count(2, PATIENCE);
    hub.wait_delivered(2);
    hub.kill_and_wake();
    hub.alerts(&alerts);
    // an alert that is new is told at once: by then the old ones would have been, too
    hub.alerts(&[alert(&[("alertname", "New")])]);
    receiver.wait_count(3, PATIENCE);
    receiver.stays_at(3, Duration::from_secs(3));
    assert_eq!(receiver.heard()[2].labels("alertname"), ["New"]);
}

#[test]
fn an_answer_that_was_not_recorded_is_asked_for_under_the_same_key() {
    let receiver = Receiver::with(|_| Reply::Cut);
    let mut hub = Hub::start(&each_at_once(&receiver.url("/hook")));
    hub.alerts(&[alert(&[("alertname", "A")])]);
    receiver.wait_count(1, PATIENCE);
    hub.kill();
    receiver.answers(|_| Reply::status(200));
    let before = receiver.heard().len();
    hub.wake();
    let heard = receiver.wait_count(before + 1, PATIENCE);
    let key = heard[0].header("idempotency-key");
    assert!(!key.is_empty() && heard.iter().all(|it| it.header("idempotency-key") == key), "{heard:#?}");
}
