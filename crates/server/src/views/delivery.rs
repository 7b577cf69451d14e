//! Deliveries and their tries.

use model::delivery::{Attempt, Delivery, DeliveryState, Outcome};
use model::notification::Reason;
use model::{Id, Notification, Time};
use serde::Serialize;
use utoipa::ToSchema;

use super::words;

/// A promise to tell one destination one thing.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryView {
    /// What it is.
    #[serde(flatten)]
    pub core: DeliveryCore,
    /// Tries so far.
    pub attempts: i64,
}

/// A delivery with every try and what it says.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = DeliveryWithAttempts)]
pub struct DeliveryDetail {
    /// What it is.
    #[serde(flatten)]
    pub core: DeliveryCore,
    /// Every try, the first first.
    pub attempts: Vec<AttemptView>,
    /// What it says, before it is rendered for a channel; null when that is no longer kept, and of what the hub sent to
    /// somebody's own destination to try it: codes are for who reads them there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub notification: Option<Notification>,
}

/// What a delivery is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeliveryCore {
    /// Its id.
    #[schema(value_type = String)]
    pub id: Id,
    /// The group that is told of; null for a test.
    #[schema(value_type = Option<String>)]
    pub group: Option<Id>,
    /// The receiver's name.
    pub receiver: String,
    /// The destination, such as `ops/slack/0`.
    pub destination: String,
    /// Why the receiver was told.
    #[schema(value_type = words::Reason)]
    pub reason: Reason,
    /// Where it stands.
    #[schema(value_type = words::DeliveryState)]
    pub state: DeliveryState,
    /// When it was planned.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it may be tried next.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Time,
    /// When it was settled.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub settled_at: Option<Time>,
    /// In words: why it is where it is.
    pub note: String,
}

/// One try.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub struct AttemptView {
    /// 1 for the first.
    pub number: i64,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// How long it took, in microseconds.
    pub latency_micros: i64,
    /// What came of it.
    #[schema(value_type = words::Outcome)]
    pub outcome: &'static str,
    /// What the destination calls what it took; empty when it did not say, or took nothing.
    pub receipt: String,
    /// Why it was not taken; empty when it was.
    pub reason: String,
    /// The status that was answered, where the channel has such numbers.
    pub status: Option<i64>,
    /// The first kilobyte of what was answered.
    pub answer: String,
}

impl From<Delivery> for DeliveryCore {
    fn from(it: Delivery) -> Self {
        DeliveryCore {
            id: it.id,
            group: it.group,
            receiver: it.receiver,
            destination: it.destination,
            reason: it.reason,
            state: it.state,
            created_at: it.created_at,
            due_at: it.due_at,
            settled_at: it.settled_at,
            note: it.note,
        }
    }
}

impl From<Delivery> for DeliveryView {
    fn from(it: Delivery) -> Self {
        DeliveryView { attempts: it.attempts, core: it.into() }
    }
}

impl DeliveryDetail {
    /// A delivery with its tries.
    pub fn new(delivery: Delivery, attempts: Vec<Attempt>, notification: Option<Notification>) -> Self {
        let attempts = attempts.into_iter().map(AttemptView::from).collect();
        let is_private = delivery.reason == Reason::Test && delivery.destination.starts_with('@');
        let notification = notification.filter(|_| !is_private);
        DeliveryDetail { core: delivery.into(), attempts, notification }
    }
}

impl From<Attempt> for AttemptView {
    fn from(it: Attempt) -> Self {
        let outcome = it.outcome.name();
        let words = it.outcome.words().to_owned();
        let taken = matches!(it.outcome, Outcome::Delivered { .. } | Outcome::Accepted { .. });
        let (receipt, reason) = if taken { (words, String::new()) } else { (String::new(), words) };
        AttemptView {
            number: it.number,
            at: it.at,
            latency_micros: it.latency_micros,
            outcome,
            receipt,
            reason,
            status: it.status,
            answer: it.answer,
        }
    }
}
