//! What goes over the wire, and what comes of the answers of peers that do not speak HTTP.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

extern crate nightbell_connectors as connectors;

mod support;

#[path = "wire/alertmanager.rs"]
mod alertmanager;
#[path = "wire/email.rs"]
mod email;
#[path = "wire/email_kept.rs"]
mod email_kept;
#[path = "wire/exec.rs"]
mod exec;
#[path = "wire/log_and_tcp.rs"]
mod log_and_tcp;
#[path = "wire/sns.rs"]
mod sns;

use support::fixtures::{FIXTURES, send};
use support::messages;

/// One snapshot per fixture, with a message of each kind.
#[tokio::test]
async fn golden_messages() {
    for fixture in FIXTURES {
        let mut all = String::new();
        for (name, message) in messages::all() {
            let (answer, wire) = send(fixture, &message).await;
            all.push_str(&format!("======== {name}\n{}\n======== {answer:?}\n\n", wire.trim_end()));
        }
        insta::assert_snapshot!(fixture.name, all);
    }
}
