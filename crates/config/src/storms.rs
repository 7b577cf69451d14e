//! The section `[storm]`.

use std::collections::BTreeMap;
use std::time::Duration;

use model::storm::{MAX_MESSAGES, StormRule, StormRules};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::sections::some_time;

/// When a receiver is sent so much that its people could not read it. In a storm they get a summary when it
/// begins, others while there is more to tell, and one when it is over; machines get everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Storms {
    /// More messages than this within the window are a storm, up to 1000; 0: there is none.
    #[serde(deserialize_with = "storm_messages")]
    #[schemars(range(max = 1000))]
    pub(crate) messages: u32,
    /// The window. Not zero.
    #[serde(serialize_with = "model::time::span::serialize", deserialize_with = "some_time")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub(crate) within: Duration,
    /// How long the first summary gathers what it tells of.
    #[serde(with = "model::time::span")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub(crate) gather: Duration,
    /// How long after a summary the next one comes, if there is more to tell by then. Not zero.
    #[serde(serialize_with = "model::time::span::serialize", deserialize_with = "some_time")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub(crate) again_after: Duration,
    /// It is over when there were not as many messages for so long. Not zero.
    #[serde(serialize_with = "model::time::span::serialize", deserialize_with = "some_time")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub(crate) over_after: Duration,
    /// How many messages are a storm at one receiver, by its name: the number in place of `messages`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "storm_receivers")]
    pub(crate) receivers: BTreeMap<String, u32>,
}

impl Default for Storms {
    fn default() -> Self {
        let StormRule { messages, within, gather, again_after, over_after } = StormRule::default();
        Storms { messages, within, gather, again_after, over_after, receivers: BTreeMap::new() }
    }
}

impl From<Storms> for StormRules {
    fn from(entry: Storms) -> Self {
        let Storms { messages, within, gather, again_after, over_after, receivers } = entry;
        let rule = |messages| StormRule { messages, within, gather, again_after, over_after };
        let receivers = receivers.into_iter().map(|(name, messages)| (name, rule(messages)));
        StormRules { all: rule(messages), receivers: receivers.collect() }
    }
}

fn storm_messages<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    few_enough(u32::deserialize(deserializer)?)
}

fn storm_receivers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, u32>, D::Error> {
    let receivers = BTreeMap::<String, u32>::deserialize(deserializer)?;
    receivers.into_iter().map(|(name, messages)| Ok((name, few_enough(messages)?))).collect()
}

fn few_enough<E: serde::de::Error>(messages: u32) -> Result<u32, E> {
    match messages <= MAX_MESSAGES {
        true => Ok(messages),
        false => Err(E::custom(format!("{messages} is more than {MAX_MESSAGES}"))),
    }
}
