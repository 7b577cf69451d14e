//! A thousand groups that are due in the same second are told within two, and a group of thousands as a whole.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::time::{Duration, Instant};

use nightbell_acceptance::alertmanager::{Alert, now, send, start};
use nightbell_acceptance::{PATIENCE, Receiver};

const GROUPS: usize = 1000;
/// Alerts of one group.
const MEMBERS: usize = 5000;

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

#[test]
fn five_thousand_alerts_of_one_group_arrive_in_one_message_and_hold_nobody_up() {
    let (large, small, templated) = (Receiver::open(), Receiver::open(), Receiver::open());
    let hub = start(&format!(
        "route:\n  receiver: large\n  group_by: [alertname]\n  group_wait: 0s\n  routes:\n  \
         - {{receiver: small, matchers: [alertname=Other]}}\nreceivers:\n\
         - {{name: large, webhook_configs: [{{url: '{}'}}, {{url: '{}', payload: {{left: '{{{{ .TruncatedAlerts }}}}', \
         told: '{{{{ len .Alerts }}}}'}}}}]}}\n- {{name: small, webhook_configs: [{{url: '{}'}}]}}\n",
        large.url("/hook"),
        templated.url("/hook"),
        small.url("/hook")
    ));
    let alert = |n: usize| {
        let labels = [("alertname", "Many"), ("instance", &format!("host{n:05}:9100")), ("job", "node")];
        Alert::new(&labels).annotated(&[("summary", "The disk of a host is nearly full, and so are others")])
    };
    let began = Instant::now();
    send(&hub, &(0..MEMBERS).map(alert).collect::<Vec<_>>());
    send(&hub, &[Alert::new(&[("alertname", "Other")])]);
    let other = small.wait_count(1, PATIENCE)[0].at.duration_since(began);
    let heard = large.wait_count(1, PATIENCE)[0].clone();
    println!(
        "{MEMBERS} alerts were told after {:?}, another after {other:?}",
        heard.at.duration_since(began)
    );
    let all = heard.body["alerts"].as_array().unwrap();
    assert_eq!((all.len(), &heard.body["truncatedAlerts"]), (MEMBERS, &0.into()));
    let instances = heard.labels("instance");
    assert!(instances.is_sorted() && instances[0] == "host00000:9100", "each once, in order");
    // what is made by a template has fewer, and can say how many it lacks
    let made = templated.wait_count(1, PATIENCE)[0].body.clone();
    assert_eq!((&made["told"], &made["left"]), (&1000.into(), &(MEMBERS - 1000).into()));
    let limit = if cfg!(debug_assertions) { 20 } else { 3 };
    assert!(other <= Duration::from_secs(limit), "the other alert waited for {other:?}");
}
