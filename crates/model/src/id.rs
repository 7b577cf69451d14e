//! Identifiers: 63 bits that sort by time, written as 13 letters and digits.
//!
//! Layout, high to low: 41 bits of milliseconds since 2020, 10 bits of node, 12 bits of counter. A row's
//! key is then a plain integer that both databases append in order, and a person can read one aloud
//! (`docs/adr/0002-ids.md` weighs this against UUIDs).

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::Time;

/// 2020-01-01T00:00:00Z, in milliseconds since the Unix epoch: ids count from here.
const EPOCH_MILLIS: i64 = 1_577_836_800_000;
const NODE_BITS: u32 = 10;
const COUNTER_BITS: u32 = 12;
/// Crockford's base 32, lower case: no `i`, `l`, `o`, `u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const TEXT_LEN: usize = 13;

/// An identifier of a row: positive, unique over all nodes of a database, ordered by when it was made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Id(pub i64);

/// A text that is no [`Id`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an id: ids have 13 characters out of 0-9 and a-z without i, l, o and u")]
pub struct BadId(pub String);

impl Id {
    /// No id that was made at this time or later is smaller.
    pub fn first_at(time: Time) -> Self {
        Id((time.as_millis() - EPOCH_MILLIS).max(0) << (NODE_BITS + COUNTER_BITS))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; TEXT_LEN];
        let mut rest = self.0 as u64;
        for slot in text.iter_mut().rev() {
            *slot = ALPHABET[(rest & 31) as usize];
            rest >>= 5;
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Id {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = || BadId(text.chars().take(40).collect());
        if text.len() != TEXT_LEN {
            return Err(bad());
        }
        let mut value: u64 = 0;
        for byte in text.bytes() {
            let digit = ALPHABET.iter().position(|&a| a == byte.to_ascii_lowercase()).ok_or_else(bad)?;
            value = value.checked_mul(32).ok_or_else(bad)? | digit as u64;
        }
        i64::try_from(value).map(Id).map_err(|_| bad())
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Makes ids for one node. Ids made one after another ascend, even when the clock steps back.
#[derive(Debug)]
pub struct IdMaker {
    node: i64,
    /// milliseconds and counter of the last id, as one number
    last: AtomicI64,
}

impl IdMaker {
    /// A maker for the node with this number; only its lowest ten bits count, so numbers are unique
    /// among any 1,024 consecutive starts of nodes.
    pub fn new(node: i64) -> Self {
        Self { node: node & ((1 << NODE_BITS) - 1), last: AtomicI64::new(0) }
    }

    /// The next id at this time. When more than 4,096 are asked for within a millisecond, the counter
    /// runs on into the next one.
    pub fn next(&self, now: Time) -> Id {
        let floor = (now.as_millis() - EPOCH_MILLIS).max(0) << COUNTER_BITS;
        let step = |last: i64| Some(floor.max(last + 1));
        let last = match self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step) {
            Ok(last) | Err(last) => last,
        };
        let tick = floor.max(last + 1);
        let millis = tick >> COUNTER_BITS;
        let counter = tick & ((1 << COUNTER_BITS) - 1);
        Id(millis << (NODE_BITS + COUNTER_BITS) | self.node << COUNTER_BITS | counter)
    }
}

impl IdMaker {
    /// Makes all ids from now on greater than this one, whoever made it: where rows of several nodes are
    /// read in the order of their ids, or after a restart with a clock that was set back.
    pub fn observe(&self, id: Id) {
        let millis = id.0 >> (NODE_BITS + COUNTER_BITS);
        let own = (id.0 >> COUNTER_BITS) & ((1 << NODE_BITS) - 1) == self.node;
        let tick = if own {
            millis << COUNTER_BITS | id.0 & ((1 << COUNTER_BITS) - 1)
        } else {
            // the node's bits weigh more than the counter's: only the next millisecond is surely greater
            ((millis + 1) << COUNTER_BITS) - 1
        };
        self.last.fetch_max(tick, Ordering::Relaxed);
    }
}

impl Id {
    /// When the id was made, to the millisecond: good enough to show, never used to decide.
    pub fn made_at(self) -> Time {
        Time::from_millis((self.0 >> (NODE_BITS + COUNTER_BITS)) + EPOCH_MILLIS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_when_the_clock_steps_back_or_stands_still() {
        let maker = IdMaker::new(3);
        let mut last = Id(0);
        for n in 0..10_000 {
            let id = maker.next(Time::from_millis(1_790_000_000_000 - n % 7));
            assert!(id > last, "{id} after {last}");
            last = id;
        }
    }

    #[test]
    fn two_nodes_never_make_the_same_id() {
        let (a, b) = (IdMaker::new(1), IdMaker::new(2));
        let now = Time::from_millis(1_790_000_000_000);
        let from_a: std::collections::HashSet<_> = (0..5000).map(|_| a.next(now)).collect();
        assert!((0..5000).all(|_| !from_a.contains(&b.next(now))));
    }

    #[test]
    fn what_was_observed_is_exceeded() {
        let (a, b) = (IdMaker::new(1), IdMaker::new(2));
        let late = b.next(Time::from_millis(1_790_000_005_000));
        a.observe(late);
        assert!(a.next(Time::from_millis(1_790_000_000_000)) > late);
        let own = a.next(Time::from_millis(1_790_000_000_000));
        a.observe(own);
        assert_eq!(a.next(Time::from_millis(0)).0, own.0 + 1, "an own id costs no millisecond");
    }

    #[test]
    fn text_round_trips_and_sorts_like_the_number() {
        let maker = IdMaker::new(1);
        let a = maker.next(Time::from_millis(1_790_000_000_000));
        let b = maker.next(Time::from_millis(1_790_000_000_001));
        assert_eq!(a.to_string().parse::<Id>(), Ok(a));
        assert!(a.to_string() < b.to_string());
        assert_eq!(a.made_at(), Time::from_millis(1_790_000_000_000));
        assert!("zzzzzzzzzzzzz".parse::<Id>().is_err());
        assert!("0000000000il0".parse::<Id>().is_err());
    }
}
