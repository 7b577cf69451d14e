//! A hub that is told to stop does so within a limit, whatever others do, and takes up again what it left.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::io::Write;
use std::time::{Duration, Instant};

use nightbell_acceptance::hub::{alert, each_at_once};
use nightbell_acceptance::{Hub, PATIENCE, Receiver, Reply, http};

#[test]
fn neither_slow_receivers_nor_slow_senders_hold_it_up() {
    let receiver = Receiver::with(|_| Reply::Hang);
    let toml = each_at_once(&receiver.url("/hook"));
    let mut hub = Hub::start_exactly(&format!(
        "[server]\nshutdown_timeout = \"1s\"\n[outbound]\nallow_private = true\n{toml}"
    ));
    hub.alerts(&[alert(&[("alertname", "A")])]);
    let first = receiver.wait_count(1, PATIENCE);
    let mut slow = http::connect(hub.address()).unwrap();
    slow.write_all(b"POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[").unwrap();
    let begin = Instant::now();
    assert!(hub.stop().success(), "{}", hub.log());
    let took = begin.elapsed();
    println!("it stopped within {took:?}");
    assert!(took < Duration::from_secs(5), "it took {took:?}");

    receiver.answers(|_| Reply::status(200));
    hub.wake();
    let heard = receiver.wait_count(2, PATIENCE);
    assert_eq!(heard[1].header("idempotency-key"), first[0].header("idempotency-key"));
    assert_eq!(heard[1].status, 200);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let receiver = Receiver::with(|_| Reply::Hang);
    let toml = each_at_once(&receiver.url("/hook"));
    let mut hub = Hub::start_exactly(&format!(
        "[server]\nshutdown_timeout = \"60s\"\n[outbound]\nallow_private = true\n{toml}"
    ));
    let mut slow = http::connect(hub.address()).unwrap();
    slow.write_all(b"POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[").unwrap();
    hub.signal("INT");
    nightbell_acceptance::wait_for("it to begin to stop", PATIENCE, || {
        hub.log().contains("stopping").then_some(())
    });
    hub.signal("INT");
    hub.wait_end(Duration::from_secs(5));
}
