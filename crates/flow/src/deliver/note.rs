//! Notes: how the parts of delivery talk to each other.

use model::delivery::Delivery;
use model::{Id, Notification, Time};
use sdk::Answer;

/// What a claim found: deliveries with what they say, and when the next row is due.
pub type Found = (Vec<(Delivery, Notification)>, Option<Time>);

/// What the service is told.
#[derive(Debug)]
pub enum Note {
    /// These destinations have something new.
    Ring(Vec<String>),
    /// These deliveries were handed over to their desks.
    Handed(Vec<(Delivery, Notification)>),
    /// A claim came back: what was found, and when the next row is due.
    Claimed(String, store::Result<Found>),
    /// A message was answered.
    Answered(Box<Answered>),
    /// Another node has something new.
    Look,
    /// A look at the queue has ended: which destinations have something pending.
    Waiting(store::Result<Vec<String>>),
    /// What was addressed to destinations that are not there any more has been seen to.
    Settled,
    /// Answers of these destinations are recorded; so many.
    Recorded(Vec<String>, usize),
}

/// An answer with what it answers.
#[derive(Debug)]
pub struct Answered {
    /// The delivery that was tried.
    pub delivery: Delivery,
    /// When the try began.
    pub began: Time,
    /// What came of it.
    pub answer: Answer,
    /// Of the incidents that it told of, those that have a trace.
    pub about: Vec<Id>,
}
