//! Registered sources are heard of.

use model::Id;
use store::Durability;

use super::{Hub, NotAccepted};
use crate::ingest;

impl Hub {
    /// Notes that a registered source was heard of, and ends the incident of its silence.
    ///
    /// # Errors
    /// When the database is gone or full.
    pub async fn hear(&self, source: Id) -> std::result::Result<(), NotAccepted> {
        let (core, now) = (self.core.clone(), self.clock.now());
        let heard = self.store.write(Durability::Lazy, move |tx| ingest::hear(&core, tx, source, now)).await;
        let done = self.noted(heard)?;
        self.follow(done);
        Ok(())
    }
}
