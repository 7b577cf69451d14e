//! Listening for answers where messages were read: a mailbox, Slack, Telegram. All three ask from here, so that they
//! work behind a firewall and without anything in between.
//!
//! Each is a loop that ends only when it is dropped. What goes wrong is said in the log, and tried again after a pause
//! that grows.

pub mod mail;
pub mod slack;
pub mod telegram;

use std::time::Duration;

/// How soon it is tried again after something went wrong; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How late at the most.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How long a place where only one node may listen is taken for; it is taken anew before each turn.
const TURN: Duration = Duration::from_secs(90);
/// How often a node that must not listen asks whether it may.
const OTHERS_TURN: Duration = Duration::from_secs(20);

/// A pause that grows while things go wrong.
#[derive(Debug)]
struct Pause(Duration);

impl Pause {
    fn new() -> Self {
        Pause(FIRST_PAUSE)
    }

    /// All is well again.
    fn reset(&mut self) {
        self.0 = FIRST_PAUSE;
    }

    /// Something went wrong: waits, at least as long as was asked for.
    async fn wait(&mut self, asked: Option<Duration>) {
        let wait = asked.unwrap_or_default().max(self.0).min(LONGEST_PAUSE);
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
        tokio::time::sleep(wait).await;
    }
}
