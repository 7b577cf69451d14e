//! Two hubs on one PostgreSQL are one: each takes alerts, every alert is told under one key, and what a hub
//! that is killed leaves, the other takes up.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nightbell_acceptance::hub::{alert, each_at_once};
use nightbell_acceptance::{Hub, PATIENCE, Receiver, postgres, wait_for};
use serde_json::Value;

#[test]
fn two_hubs_share_the_work_and_one_may_die() {
    let Some(database) = postgres::database_or_skip() else { return };
    let receiver = Receiver::open();
    let hub = || Hub::start_on(&database, &each_at_once(&receiver.url("/hook")));
    let (mut first, second) = (hub(), hub());
    // what is overridden on one holds on the other as well
    let change = serde_json::json!({ "set": { "reopen_within": "7m" } });
    first.post("/api/v1/config/incidents", &change);
    wait_for("the other's override", PATIENCE, || {
        let there = second.get("/api/v1/config/incidents").to_string();
        there.contains("7m").then_some(())
    });
    let mut acknowledged = BTreeSet::new();
    for n in 0..60 {
        let alerts: Vec<Value> =
            (0..3).map(|m| alert(&[("alertname", "Two"), ("n", &format!("{n}.{m}"))])).collect();
        if n == 40 {
            first.kill();
        }
        // Prometheus sends to every hub that it knows
        for hub in [&first, &second] {
            if n < 40 || std::ptr::eq(hub, &second) {
                hub.alerts(&alerts);
            }
        }
        acknowledged.extend((0..3).map(|m| format!("{n}.{m}")));
    }
    let heard = receiver.wait_for("every alert", Duration::from_secs(60), |heard| {
        let all: BTreeSet<String> = heard.iter().flat_map(|it| it.labels("n")).collect();
        acknowledged.is_subset(&all).then(|| heard.to_vec())
    });
    let mut keys: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for it in &heard {
        for n in it.labels("n") {
            keys.entry(n).or_default().insert(it.header("idempotency-key"));
        }
    }
    let twice: Vec<_> = keys.iter().filter(|(_, keys)| keys.len() > 1).collect();
    assert!(twice.is_empty(), "told under two keys: {twice:?}");
    println!("{} requests for {} alerts", heard.len(), acknowledged.len());
    // the other knows everything
    let count = wait_for("all incidents", PATIENCE, || {
        let page = second.get("/api/v1/incidents?limit=500");
        page["items"].as_array().map(Vec::len).filter(|count| *count == 180)
    });
    assert_eq!(count, acknowledged.len());
}
