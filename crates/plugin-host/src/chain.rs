//! Chains: a plugin hears of something and does something about it, which a plugin hears of, and so on. One that comes
//! back to where it began would never end, so how long it is is counted, and it ends at a limit.
//!
//! The length is kept where things are: events, incidents, alerts and notices have a `chain`. What a plugin is asked
//! is at the end of the chain of what it is about; what it does because of that is one link more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use plugin_protocol::Fault;
use plugin_protocol::limits::MAX_CHAIN;
use plugin_protocol::wire::CIRCLE;
use serde::Deserialize;

/// The chain at whose end a plugin is asked something.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    length: u32,
    refused: Arc<AtomicBool>,
}

impl Chain {
    /// One of so many links.
    pub fn of(length: u32) -> Self {
        Chain { length, refused: Arc::default() }
    }

    /// How many links it has.
    pub fn length(&self) -> u32 {
        self.length
    }

    /// How long it is with what a plugin wants to do because of it.
    ///
    /// # Errors
    /// When that would be too long: then it is a circle.
    pub fn next(&self, method: &str) -> Result<u32, Fault> {
        if self.length < MAX_CHAIN {
            return Ok(self.length + 1);
        }
        self.refused.store(true, Ordering::Release);
        let why = format!(
            "{method}: {} things that plugins did have led to each other before this one, and no more than \
             {MAX_CHAIN} may: it goes in a circle. A plugin must not answer what it hears of with something that it, \
             or another one, hears of in the same way",
            self.length
        );
        Err(Fault::new(CIRCLE, why))
    }

    /// Whether something was refused to whoever was asked at its end: then it is of no use to ask again.
    pub fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }
}

/// The length of the chain that the data of a notice tells of.
pub fn of_notice(data: &str) -> u32 {
    #[derive(Deserialize)]
    struct Chained {
        #[serde(default)]
        chain: u32,
    }
    // most have none, and need not be read to know that
    if !data.contains("\"chain\":") {
        return 0;
    }
    serde_json::from_str::<Chained>(data).map_or(0, |it| it.chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_ends_at_its_limit_in_words() {
        let chain = Chain::default();
        assert_eq!(chain.next("emit"), Ok(1));
        let last = Chain::of(MAX_CHAIN - 1);
        assert_eq!(last.next("emit"), Ok(MAX_CHAIN));
        assert!(!last.was_refused());
        let long = Chain::of(MAX_CHAIN);
        let fault = long.clone().next("emit").unwrap_err();
        assert_eq!(fault.code, CIRCLE);
        assert!(fault.message.starts_with("emit: 8 things"), "{fault}");
        assert!(long.was_refused());
    }

    #[test]
    fn only_the_chain_of_what_a_notice_is_about_counts() {
        assert_eq!(of_notice(r#"{"id":"a","chain":3}"#), 3);
        for other in [r#"{"labels":{"chain":"7"}}"#, r#"{"metadata":{"chain":7}}"#, r#"{"chain":"7"}"#, "{}"]
        {
            assert_eq!(of_notice(other), 0, "{other}");
        }
    }
}
