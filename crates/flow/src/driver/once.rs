//! Requests that carry a key of their own: the second of two that are the same gets the first one's answer.

use model::NewEvent;
use store::Durability;
use store::requests::Answered;

use super::{Hub, NotAccepted};
use crate::ingest::{self, Accepted};

/// The name of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// What its sender calls it.
    pub key: String,
    /// A hash of its body.
    pub body_hash: String,
}

/// What became of a named request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was done now, and this is the answer.
    Now(String),
    /// It had been done before, and this was the answer.
    Before(String),
    /// Another request has this name.
    Another,
}

impl Hub {
    /// Takes events in, unless a request of this name did before. The answer is kept in the same
    /// transaction as what it acknowledges.
    ///
    /// # Errors
    /// As [`Hub::accept`].
    pub async fn accept_once(
        &self,
        events: Vec<NewEvent>,
        once: Once,
        answer: impl FnOnce(&[Accepted]) -> String + Send + 'static,
    ) -> std::result::Result<Taken, NotAccepted> {
        let _place = self.accepting.try_acquire().map_err(|_| NotAccepted::Busy)?;
        let (core, now) = (self.core.clone(), self.clock.now());
        let result = self.store.write(Durability::Disk, move |tx| {
            tx.lock_flow()?;
            if let Some(before) = store::requests::get(tx, &once.key)? {
                let same = before.body_hash == once.body_hash;
                return Ok((if same { Taken::Before(before.answer) } else { Taken::Another }, None));
            }
            let (accepted, done) = ingest::accept(&core, tx, ingest::arrive(&core, events, now), now)?;
            let answer = answer(&accepted);
            let answered = Answered { body_hash: once.body_hash, answer: answer.clone() };
            store::requests::put(tx, &once.key, &answered, now)?;
            Ok((Taken::Now(answer), Some(done)))
        });
        let (taken, done) = self.noted(result.await)?;
        if let Some(done) = done {
            self.follow(done);
        }
        Ok(taken)
    }
}
