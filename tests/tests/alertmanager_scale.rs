//! A thousand groups that are due in the same second are told within two.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::time::Duration;

use nightbell_acceptance::alertmanager::{Alert, now, send, start};
use nightbell_acceptance::{PATIENCE, Receiver};

const GROUPS: usize = 1000;

#[test]
fn a_thousand_groups_that_are_due_at_once_are_told_within_two_seconds() {
    let receivers: Vec<Receiver> = (0..4).map(|_| Receiver::open()).collect();
    let url = |n: usize| receivers[n].url("/hook");
    let routes: String =
        (1..4).map(|n| format!("  - {{receiver: r{n}, matchers: ['shard=\"{n}\"']}}\n")).collect();
    let all: String =
        (0..4).map(|n| format!("- {{name: r{n}, webhook_configs: [{{url: '{}'}}]}}\n", url(n))).collect();
    let hub = start(&format!(
        "route:\n  receiver: r0\n  group_by: ['...']\n  group_wait: 2s\n  routes:\n{routes}receivers:\n{all}"
    ));
    let alert = |n: usize| Alert::new(&[("n", &n.to_string()), ("shard", &(n % 4).to_string())]).from(now());
    send(&hub, &(0..GROUPS).map(alert).collect::<Vec<_>>());
    let heard = receivers.iter().flat_map(|receiver| receiver.wait_count(GROUPS / 4, PATIENCE));
    let at: Vec<std::time::Instant> = heard.map(|it| it.at).collect();
    let (first, last) = (at.iter().min().unwrap(), at.iter().max().unwrap());
    let took = last.duration_since(*first);
    println!("{GROUPS} groups were told in {took:?}");
    // without optimisation, beside other tests, it may take longer
    let limit = if cfg!(debug_assertions) { 10 } else { 2 };
    assert!(took <= Duration::from_secs(limit), "{took:?}");
}
