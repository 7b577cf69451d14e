//! A new configuration is in force as a whole, or the old one stays and the hub says why.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use nightbell_acceptance::hub::{LOCAL, alert, each_at_once};
use nightbell_acceptance::{Hub, PATIENCE, Receiver, wait_for};

fn write(hub: &Hub, toml: &str) {
    std::fs::write(hub.config_file(), format!("{LOCAL}{toml}")).unwrap();
}

fn lines(hub: &Hub, what: &str) -> usize {
    hub.log().matches(what).count()
}

fn hang_up(hub: &Hub, what: &str) {
    let before = lines(hub, what);
    hub.signal("HUP");
    wait_for(what, PATIENCE, || (lines(hub, what) > before).then_some(()));
}

#[test]
fn a_hangup_signal_reloads_and_a_bad_file_changes_nothing() {
    let (first, second) = (Receiver::open(), Receiver::open());
    let hub = Hub::start(&each_at_once(&first.url("/first")));
    hub.alerts(&[alert(&[("alertname", "A")])]);
    first.wait_count(1, PATIENCE);

    write(&hub, &each_at_once(&second.url("/second")));
    hang_up(&hub, "the configuration was reloaded");
    hub.alerts(&[alert(&[("alertname", "B")])]);
    let heard = second.wait_count(1, PATIENCE);
    assert_eq!(heard[0].labels("alertname"), ["B"]);

    write(&hub, "[route]\nreceiver = \"nobody\"\n[receivrs]\n");
    hang_up(&hub, "the old one stays in force");
    let log = hub.log();
    assert!(log.contains("receivrs") && log.contains("nobody"), "the log does not say why: {log}");
    hub.alerts(&[alert(&[("alertname", "C")])]);
    let heard = second.wait_count(2, PATIENCE);
    assert_eq!(heard[1].labels("alertname"), ["C"]);
    assert_eq!(first.heard().len(), 1);
}

#[test]
fn the_endpoint_reloads_and_says_what_is_wrong() {
    let (first, second) = (Receiver::open(), Receiver::open());
    let hub = Hub::start(&each_at_once(&first.url("/first")));
    write(&hub, "[route]\nreceiver = \"nobody\"\n");
    let answer = hub.ask("POST", "/-/reload", "");
    assert!(answer.status >= 400 && answer.body.contains("nobody"), "{} {}", answer.status, answer.body);
    hub.alerts(&[alert(&[("alertname", "A")])]);
    first.wait_count(1, PATIENCE);

    write(&hub, &each_at_once(&second.url("/second")));
    assert_eq!(hub.ask("POST", "/-/reload", "").status, 200);
    hub.alerts(&[alert(&[("alertname", "B")])]);
    second.wait_count(1, PATIENCE);
}

#[test]
fn a_termination_signal_ends_it_cleanly_and_nothing_is_lost() {
    let receiver = Receiver::open();
    let mut hub = Hub::start(&each_at_once(&receiver.url("/hook")));
    hub.alerts(&(0..50).map(|n| alert(&[("alertname", "T"), ("n", &n.to_string())])).collect::<Vec<_>>());
    assert!(hub.stop().success());
    assert!(hub.log().contains("stopped"), "{}", hub.log());
    hub.wake();
    receiver.wait_for("all alerts", PATIENCE, |heard| {
        let all: std::collections::BTreeSet<String> = heard.iter().flat_map(|it| it.labels("n")).collect();
        (all.len() == 50).then_some(())
    });
}
