//! A receiver that is down is treated with manners, and told soon after it is back.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nightbell_acceptance::hub::{alert, each_at_once};
use nightbell_acceptance::{Hub, PATIENCE, Receiver, Reply};

/// How long it is down: an hour in a few seconds.
const OUTAGE: Duration = Duration::from_secs(8);
/// Requests that it may get meanwhile: those that were under way when it failed (16 go at once), a probe each
/// quarter of a second, and some slack.
const MOST_REQUESTS: usize = 16 + 32 + 8;

#[test]
fn an_outage_costs_few_requests_and_ends_soon() {
    let down = Arc::new(AtomicBool::new(true));
    let is_down = down.clone();
    let receiver =
        Receiver::with(move |_| Reply::status(if is_down.load(Ordering::Relaxed) { 500 } else { 200 }));
    let healthy = Receiver::open();
    let mut toml = each_at_once(&receiver.url("/hook"));
    toml.push_str(&format!("[[receivers.ops.webhook]]\nurl = \"{}\"\n", healthy.url("/hook")));
    let hub = Hub::start(&toml);
    let alerts: Vec<_> = (0..30).map(|n| alert(&[("alertname", "Down"), ("n", &n.to_string())])).collect();
    let begin = Instant::now();
    hub.alerts(&alerts);
    // a sick receiver slows nobody else
    healthy.wait_count(30, Duration::from_secs(3));
    receiver.stays_at(MOST_REQUESTS, OUTAGE.saturating_sub(begin.elapsed()));
    let during = receiver.heard().len();
    println!("{during} requests in an outage of {OUTAGE:?}");
    down.store(false, Ordering::Relaxed);
    let back = Instant::now();
    receiver.wait_for("everything", Duration::from_secs(2), |heard| {
        (heard.iter().filter(|it| it.status == 200).count() >= 30).then_some(())
    });
    println!("all was delivered {:?} after it was back", back.elapsed());
}

#[test]
fn a_pause_that_was_asked_for_is_kept() {
    let pause = Duration::from_secs(3);
    let receiver = Receiver::with(move |_| Reply::Status(429, "Retry-After", pause.as_secs().to_string()));
    let hub = Hub::start(&each_at_once(&receiver.url("/hook")));
    hub.alerts(&[alert(&[("alertname", "A")])]);
    let first = receiver.wait_count(1, PATIENCE)[0].at;
    receiver.answers(|_| Reply::status(200));
    // what comes meanwhile waits as well
    hub.alerts(&[alert(&[("alertname", "B")])]);
    let heard = receiver.wait_count(3, PATIENCE);
    for it in &heard[1..] {
        let after = it.at.duration_since(first);
        assert!(
            after >= pause.saturating_sub(Duration::from_millis(50)),
            "asked for {pause:?}, came after {after:?}"
        );
        assert!(after < pause + Duration::from_secs(3), "came only after {after:?}");
    }
}
