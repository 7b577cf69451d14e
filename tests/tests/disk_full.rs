//! A disk that is full is told to senders, and when there is room again all goes on by itself.
//!
//! The disk is made "full" by the limit on the size of a file that a process may write: the database gets
//! an error for what goes beyond, as from a full disk, and the limit can be lifted while it runs.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::process::Command;

use nightbell_acceptance::hub::{alert, each_at_once};
use nightbell_acceptance::tool::{find_or_skip, run};
use nightbell_acceptance::{Hub, PATIENCE, Receiver, wait_for};
use serde_json::json;

/// Bytes that a file may have: the database is small to begin with.
const LIMIT: u64 = 1_500_000;

#[test]
fn senders_are_asked_to_come_again_and_nothing_acknowledged_is_lost() {
    let Some(prlimit) = find_or_skip("prlimit") else { return };
    let receiver = Receiver::open();
    let mut hub = Hub::start(&each_at_once(&receiver.url("/hook")));
    hub.stop();
    // SIGXFSZ would end the process; ignored, a write beyond the limit is an error like that of a full disk
    hub.wrapped_in(&["sh", "-c", "trap '' XFSZ; exec \"$@\"", "wrapped"]);
    hub.wake();
    let limit = |bytes: &str| {
        run(Command::new(&prlimit).args([&format!("--pid={}", hub.pid()), &format!("--fsize={bytes}:")]))
    };
    limit(&LIMIT.to_string());

    let long = "x".repeat(4000);
    let mut acknowledged = Vec::new();
    let post = |n: usize| {
        let n = n.to_string();
        let body = json!([alert(&[("alertname", "Full"), ("n", &n), ("long", &long)])]).to_string();
        (n, hub.ask("POST", "/api/v2/alerts", &body))
    };
    let refused = (0..5000).find_map(|n| {
        let (n, answer) = post(n);
        match answer.status {
            200 => {
                acknowledged.push(n);
                None
            }
            _ => Some(answer),
        }
    });
    let refused = refused.expect("the disk never was full");
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    println!("{} alerts fitted", acknowledged.len());
    // what can be answered without writing still is
    assert_eq!(hub.ask("GET", "/-/healthy", "").status, 200);
    assert_eq!(hub.ask("GET", "/api/v2/alerts", "").status, 200);

    limit("unlimited");
    let n = wait_for("it to take alerts again", PATIENCE, || {
        let (n, answer) = post(9999);
        (answer.status == 200).then_some(n)
    });
    acknowledged.push(n);
    receiver.wait_for("every acknowledged alert", PATIENCE, |heard| {
        let all: std::collections::BTreeSet<String> = heard.iter().flat_map(|it| it.labels("n")).collect();
        acknowledged.iter().all(|n| all.contains(n)).then_some(())
    });
}
