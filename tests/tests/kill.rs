//! Nothing that was acknowledged is lost, whenever the hub is killed.
//!
//! Senders post alerts and note what was acknowledged; what was not, they send again, as Prometheus does.
//! The hub is killed at a random moment, round after round, and started again on the same data. In the end
//! every acknowledged alert has reached the receiver, no alert under two idempotency keys, and every
//! acknowledged silence is still there.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nightbell_acceptance::hub::{alert, each_at_once};
use nightbell_acceptance::{Dice, Heard, Hub, Receiver, http};
use serde_json::{Value, json};

const ROUNDS: u64 = 20;
const SENDERS: u64 = 3;

#[derive(Default)]
struct Ledger {
    alerts: Mutex<BTreeSet<String>>,
    silences: Mutex<BTreeSet<String>>,
    next: AtomicU64,
    over: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// Posts alerts until the round is over; what was not acknowledged is sent again.
    fn send(&self, hub: SocketAddr, mut dice: Dice) {
        let mut waiting: Vec<String> = Vec::new();
        while !self.over.load(Ordering::Relaxed) {
            if waiting.is_empty() {
                let count = 1 + dice.below(8);
                waiting.extend((0..count).map(|_| self.next.fetch_add(1, Ordering::Relaxed).to_string()));
            }
            let alerts: Vec<Value> =
                waiting.iter().map(|n| alert(&[("alertname", "Kill"), ("n", n)])).collect();
            let answer = http::ask(hub, "POST", "/api/v2/alerts", &[], &json!(alerts).to_string());
            if answer.is_ok_and(|answer| answer.status == 200) {
                lock(&self.alerts).extend(waiting.drain(..));
            }
            if dice.below(10) == 0 {
                self.silence(hub, dice.below(1_000_000));
            }
        }
    }

    fn silence(&self, hub: SocketAddr, n: u64) {
        let matcher = json!({ "name": "never", "value": n.to_string(), "isRegex": false, "isEqual": true });
        let silence = json!({
            "matchers": [matcher], "createdBy": "ann", "comment": "kept",
            "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z",
        });
        let answer = http::ask(hub, "POST", "/api/v2/silences", &[], &silence.to_string());
        if let Ok(answer) = answer.as_ref().map(http::Answer::json).map(|it| it["silenceID"].clone()) {
            lock(&self.silences).extend(answer.as_str().map(str::to_owned));
        }
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the moment of death is drawn by lot, so it must be waited for"
)]
fn whatever_was_acknowledged_arrives() {
    let mut dice = Dice::new(20_261_121);
    let receiver = Receiver::open();
    let mut hub = Hub::start(&each_at_once(&receiver.url("/hook")));
    let ledger = Ledger::default();
    for _ in 0..ROUNDS {
        ledger.over.store(false, Ordering::Relaxed);
        std::thread::scope(|scope| {
            for _ in 0..SENDERS {
                let (address, lot, ledger) = (hub.address(), dice.clone(), &ledger);
                dice.below(2);
                scope.spawn(move || ledger.send(address, lot));
            }
            std::thread::sleep(Duration::from_millis(dice.below(250)));
            hub.kill();
            ledger.over.store(true, Ordering::Relaxed);
        });
        hub.wake();
    }
    let acknowledged = lock(&ledger.alerts).clone();
    println!("{} alerts were acknowledged, {} silences", acknowledged.len(), lock(&ledger.silences).len());
    assert!(acknowledged.len() > 100, "the story is too short to say anything");
    let begin = Instant::now();
    let heard = receiver.wait_for("every acknowledged alert", Duration::from_secs(60), |heard| {
        let arrived: BTreeSet<String> = heard.iter().flat_map(|it| it.labels("n")).collect();
        acknowledged.is_subset(&arrived).then(|| heard.to_vec())
    });
    println!("the last arrived {:?} after the last start", begin.elapsed());
    no_alert_has_two_keys(&heard);
    let kept: BTreeSet<String> = hub
        .get("/api/v2/silences")
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["id"].as_str().map(str::to_owned))
        .collect();
    let lost: Vec<_> = lock(&ledger.silences).difference(&kept).cloned().collect();
    assert!(lost.is_empty(), "silences were lost: {lost:?}");
}

/// A message that comes twice must be known as the same.
fn no_alert_has_two_keys(heard: &[Heard]) {
    let mut keys: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for it in heard {
        assert!(!it.header("idempotency-key").is_empty(), "a message without a key: {it:?}");
        for n in it.labels("n") {
            keys.entry(n).or_default().insert(it.header("idempotency-key"));
        }
    }
    let twice: Vec<_> = keys.iter().filter(|(_, keys)| keys.len() > 1).collect();
    assert!(twice.is_empty(), "alerts that were told under two keys: {twice:?}");
}
