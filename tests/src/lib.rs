//! What the acceptance stories share: the real binary, receivers with a script, and patience with an end.
//!
//! * [`Hub`] is the real binary on a folder of its own; it is killed when it is dropped.
//! * [`Receiver`] is a web server on this machine that answers as it is told to and remembers what it heard.
//! * [`MailHost`] is a mail server with a mailbox.
//! * [`http`] is how stories speak to both: plain enough to send what no library would.
//! * [`wait_for`] asks again until there is an answer, at most so long; nothing here sleeps to be in time.
//!
//! Every story says what it promises in its first lines. Failures tell what the hub logged.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a story that cannot go on has failed")]

pub mod alertmanager;
pub mod documents;
pub mod errors;
pub mod http;
pub mod hub;
pub mod mailhost;
pub mod postgres;
pub mod receiver;
pub mod skip;
pub mod tool;

use std::time::{Duration, Instant};

pub use hub::Hub;
pub use mailhost::MailHost;
pub use receiver::{Heard, Receiver, Reply};
pub use skip::{is_promised, skip};

/// How long anything may take that should take no time at all.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How often [`wait_for`] asks.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Asks until there is an answer, and fails when there is none in time.
#[expect(clippy::disallowed_methods, reason = "another process gives no bell to wait for")]
pub fn wait_for<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited {limit:?} for {what}");
        std::thread::sleep(ASK_EVERY);
    }
}

/// Numbers that look random and are the same for the same seed: a story that failed can be told again.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// With this seed, or the one in `NIGHTBELL_TEST_SEED`.
    pub fn new(seed: u64) -> Self {
        let given = std::env::var("NIGHTBELL_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or(seed);
        println!("to tell this story again: NIGHTBELL_TEST_SEED={seed}");
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % end.max(1)
    }
}
