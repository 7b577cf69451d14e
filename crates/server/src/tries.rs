//! How often somebody may try: to log in, to accept an invitation, to make tokens. By where they come from, and by the
//! name that they try.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::account::name_key;
use model::{Id, Time};

use crate::error::{Answer, Kind, Problem};
use crate::limits::{
    CODES_BY_USER, LOGINS_BY_ADDRESS, LOGINS_BY_NAME, MAX_TRIES_REMEMBERED, TOKENS_BY_ADDRESS, TRIES_WITHIN,
};

/// What is tried, and by whom as far as that counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Trying {
    /// To log in or to accept an invitation, from an address.
    Login(Origin),
    /// To log in under a name.
    Name(String),
    /// To make tokens, from an address.
    Tokens(Origin),
    /// To have a code sent somewhere: who asks, by their user's id.
    Code(Option<Id>),
}

/// Where a request came from, as far as one person is not many: a v6 network counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin(Option<IpAddr>);

impl Trying {
    pub(crate) fn login(from: Option<IpAddr>) -> Self {
        Trying::Login(Origin::of(from))
    }

    pub(crate) fn name(name: &str) -> Self {
        // of names that are too long to be anybody's, the beginning will do
        Trying::Name(name_key(name).chars().take(model::limits::MAX_USER_NAME_BYTES).collect())
    }

    pub(crate) fn tokens(from: Option<IpAddr>) -> Self {
        Trying::Tokens(Origin::of(from))
    }

    /// What those share who are too many to be told apart.
    fn crowd(&self) -> Trying {
        match self {
            Trying::Login(_) => Trying::Login(Origin(None)),
            Trying::Name(_) => Trying::Name(String::new()),
            Trying::Tokens(_) => Trying::Tokens(Origin(None)),
            Trying::Code(_) => Trying::Code(None),
        }
    }

    fn most(&self) -> u32 {
        match self {
            Trying::Login(_) => LOGINS_BY_ADDRESS,
            Trying::Name(_) => LOGINS_BY_NAME,
            Trying::Tokens(_) => TOKENS_BY_ADDRESS,
            Trying::Code(_) => CODES_BY_USER,
        }
    }
}

impl Origin {
    fn of(address: Option<IpAddr>) -> Self {
        Origin(address.map(|address| match address.to_canonical() {
            IpAddr::V6(v6) => {
                let mut network = v6.segments();
                network[4..].fill(0);
                IpAddr::from(network)
            }
            v4 => v4,
        }))
    }
}

/// Tries of a while ago, which come back one by one.
#[derive(Debug, Default)]
pub(crate) struct Tries(Mutex<HashMap<Trying, Used>>);

/// What was used up of what there is, and when that was so.
#[derive(Clone, Copy, Debug)]
struct Used {
    tries: f64,
    at: Time,
}

impl Used {
    /// What is left of it at a time; under a clock that was set back, all of it.
    fn after(self, now: Time, most: u32) -> f64 {
        let back = now.since(self.at).as_secs_f64() / TRIES_WITHIN.as_secs_f64() * f64::from(most);
        (self.tries - back).max(0.0)
    }
}

impl Tries {
    /// Takes one try.
    ///
    /// # Errors
    /// 429 with Retry-After, when there is none left.
    pub(crate) fn take(&self, what: &Trying, now: Time) -> Answer<()> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_TRIES_REMEMBERED && !all.contains_key(what) {
            all.retain(|what, used| used.after(now, what.most()) > 0.0);
        }
        let full = all.len() >= MAX_TRIES_REMEMBERED && !all.contains_key(what);
        let what = if full { what.crowd() } else { what.clone() };
        let most = what.most();
        let used = all.get(&what).map_or(0.0, |used| used.after(now, most));
        if used + 1.0 > f64::from(most) {
            let wait = TRIES_WITHIN.mul_f64((used + 1.0 - f64::from(most)) / f64::from(most));
            return Err(too_many(wait));
        }
        all.insert(what, Used { tries: used + 1.0, at: now });
        Ok(())
    }

    /// Gives a try back: it was none of somebody who guesses.
    pub(crate) fn give_back(&self, what: &Trying) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(used) = all.get_mut(what) {
            used.tries = (used.tries - 1.0).max(0.0);
        }
    }
}

fn too_many(wait: Duration) -> Problem {
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
    let detail = format!("too many tries: come again in {seconds} seconds");
    Problem { retry_after: Some(seconds), ..Problem::new(Kind::TooMany, detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_seconds(1_790_000_000);

    fn from(text: &str) -> Trying {
        Trying::login(Some(text.parse().unwrap()))
    }

    #[test]
    fn tries_run_out_and_come_back() {
        let tries = Tries::default();
        let ann = Trying::name("Ann");
        for _ in 0..LOGINS_BY_NAME {
            tries.take(&ann, NOW).unwrap();
        }
        let refused = tries.take(&Trying::name("aNN"), NOW).unwrap_err();
        let wait = refused.retry_after.unwrap();
        assert_eq!((refused.status, wait), (429, (60 / LOGINS_BY_NAME) + 1));
        tries.take(&Trying::name("bob"), NOW).unwrap();
        tries.take(&ann, NOW + Duration::from_secs(wait.into())).unwrap();
        tries.take(&ann, NOW + Duration::from_secs(wait.into())).unwrap_err();
        tries.give_back(&ann);
        tries.take(&ann, NOW + Duration::from_secs(wait.into())).unwrap();
    }

    #[test]
    fn a_network_of_version_six_is_one_origin() {
        assert_eq!(from("2001:db8::1"), from("2001:db8::ffff:1"));
        assert_ne!(from("2001:db8::1"), from("2001:db8:0:1::1"));
        assert_eq!(from("::ffff:192.0.2.1"), from("192.0.2.1"));
        assert_ne!(from("192.0.2.1"), from("192.0.2.2"));
    }

    #[test]
    fn memory_is_bounded_and_a_crowd_shares_what_there_is() {
        let tries = Tries::default();
        for n in 0..MAX_TRIES_REMEMBERED {
            tries.take(&Trying::name(&format!("user{n}")), NOW).unwrap();
        }
        for n in 0..LOGINS_BY_NAME {
            tries.take(&Trying::name(&format!("other{n}")), NOW).unwrap();
        }
        assert_eq!(tries.take(&Trying::name("one more"), NOW).unwrap_err().status, 429);
        tries.take(&Trying::name("user1"), NOW).unwrap();
        assert!(tries.0.lock().unwrap().len() <= MAX_TRIES_REMEMBERED + 3);
        // later there is room again
        tries.take(&Trying::name("one more"), NOW + TRIES_WITHIN).unwrap();
        assert!(tries.0.lock().unwrap().len() < 3);
    }
}
