//! The hub gives signs of life while it works, notices when an alert that always fires stops, and tries its
//! receivers.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use nightbell_acceptance::hub::{alert, each_at_once};
use nightbell_acceptance::{Hub, PATIENCE, Receiver, Reply, tool, wait_for};

/// What is told of to the receiver that wants to know of everything.
fn heard_of(receiver: &Receiver, name: &str, status: &str) {
    receiver.wait_for(name, PATIENCE, |heard| {
        heard.iter().any(|it| it.body["status"] == status && it.labels("alertname") == [name]).then_some(())
    });
}

#[test]
fn pings_go_out_while_deliveries_do_and_stop_when_one_is_overdue() {
    let (watcher, receiver) = (Receiver::open(), Receiver::open());
    let toml = format!(
        "[self_watch]\nping_url = \"{}\"\nping_every = \"1s\"\noverdue_after = \"1s\"\n{}",
        watcher.url("/alive"),
        each_at_once(&receiver.url("/hook"))
    );
    let hub = Hub::start(&toml);
    watcher.wait_count(2, PATIENCE);
    receiver.answers(|_| Reply::status(503));
    hub.alerts(&[alert(&[("alertname", "A")])]);
    wait_for("a ping to be withheld", PATIENCE, || {
        hub.log().contains("a ping of the self-watch was withheld: a delivery has been waiting").then_some(())
    });
    let before = watcher.heard().len();
    receiver.answers(|_| Reply::status(200));
    watcher.wait_count(before + 1, PATIENCE);
    let metrics = hub.ask("GET", "/metrics", "").body;
    assert!(metrics.contains("nightbell_self_watch_pings_total{outcome=\"withheld\"}"), "{metrics}");
}

#[test]
fn the_first_ping_goes_out_at_the_start() {
    let (watcher, receiver) = (Receiver::open(), Receiver::open());
    let toml = format!(
        "[self_watch]\nping_url = \"{}\"\nping_every = \"1h\"\n{}",
        watcher.url("/alive"),
        each_at_once(&receiver.url("/hook"))
    );
    let hub = Hub::start(&toml);
    watcher.wait_count(1, PATIENCE);
    assert!(!hub.log().contains("withheld"), "{}", hub.log());
}

#[test]
fn an_alert_that_always_fires_is_missed_when_it_stops() {
    let receiver = Receiver::open();
    let toml = format!(
        "{}\n[integrations.watchdog]\nkind = \"heartbeat\"\nevery = \"2s\"\nalerts = ['alertname=\"Watchdog\"']\n",
        each_at_once(&receiver.url("/hook"))
    );
    let hub = Hub::start(&toml);
    // it never came
    heard_of(&receiver, "HeartbeatMissed", "firing");
    hub.alerts(&[alert(&[("alertname", "Other")])]);
    hub.alerts(&[alert(&[("alertname", "Watchdog")])]);
    heard_of(&receiver, "HeartbeatMissed", "resolved");
}

#[test]
fn a_canary_that_does_not_arrive_opens_an_incident_which_the_next_one_ends() {
    let (receiver, shaky) = (Receiver::open(), Receiver::open());
    shaky.answers(|_| Reply::status(404));
    let toml = format!(
        "[self_watch]\ncanary = [\"shaky\"]\ncanary_every = \"2s\"\ncanary_within = \"10s\"\n{}\
         [[receivers.shaky.webhook]]\nurl = \"{}\"\n",
        each_at_once(&receiver.url("/hook")),
        shaky.url("/shaky")
    );
    let hub = Hub::start(&toml);
    heard_of(&receiver, "CanaryFailed", "firing");
    shaky.answers(|_| Reply::status(200));
    heard_of(&receiver, "CanaryFailed", "resolved");
    let metrics = hub.ask("GET", "/metrics", "").body;
    let counted = |outcome: &str| {
        format!("nightbell_canaries_total{{destination=\"shaky/webhook/0\",outcome=\"{outcome}\"}}")
    };
    assert!(metrics.contains(&counted("failed")) && metrics.contains(&counted("arrived")), "{metrics}");
}

#[test]
fn a_canary_for_nobody_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nightbell.toml");
    let toml = "[self_watch]\ncanary = [\"nobody\"]\n[route]\nreceiver = \"ops\"\n[[receivers.ops.inbox]]\n";
    std::fs::write(&file, toml).unwrap();
    let check =
        nightbell_acceptance::hub::command(&["check", "--config", file.to_str().unwrap()]).output().unwrap();
    let said = tool::both(&check);
    assert!(!check.status.success() && said.contains(":2:"), "{said}");
    assert!(said.contains("self_watch.canary[0]: there is no receiver \"nobody\""), "{said}");
}
