//! What comes beside errors: what users say of them, and the tally.

use model::Time;
use store::errors::Feedback;
use store::{Durability, Result};

use super::report::event_key;
use crate::driver::Hub;

/// What a user said about an error that hit them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The id that the client gave the error; empty: it is about none.
    pub event_id: String,
    /// Name, address and words, as JSON.
    pub words: String,
}

impl Hub {
    /// Writes down what was counted.
    pub(crate) async fn write_tally(&self) -> Result<()> {
        let (counts, now) = (self.core.tally.take(), self.clock.now());
        if counts.is_empty() {
            return Ok(());
        }
        let write = move |tx: &mut store::Tx<'_>| {
            let counts: Vec<_> =
                counts.iter().map(|((project, what), times)| (*project, what.as_str(), *times)).collect();
            store::errors::count_sent(tx, &counts, now)
        };
        self.store.write(Durability::Lazy, write).await
    }

    /// Keeps what users of a project said, with the error that it is about where that is known by now.
    ///
    /// # Errors
    /// When the database is gone or full.
    pub async fn feedback(&self, project: i64, said: Vec<Said>) -> Result<()> {
        let at: Time = self.clock.now();
        let core = self.core.clone();
        let keep = move |tx: &mut store::Tx<'_>| {
            said.into_iter().try_for_each(|Said { event_id, words }| {
                let key = (!event_id.is_empty()).then(|| event_key(project, &event_id));
                let known = key.map(|key| store::errors::known(tx, &[key])).transpose()?;
                let issue = known.and_then(|found| found.first().map(|(_, issue)| *issue));
                let feedback = Feedback { id: core.id(at), issue, event_key: key, at, said: words };
                store::errors::insert_feedback(tx, &feedback, project)
            })
        };
        self.store.write(Durability::Disk, keep).await
    }
}
