//! How what clients send comes in: worked on beside the database, by few at once, then written in one transaction.

use std::net::IpAddr;
use std::sync::Arc;

use store::{Durability, StoreError};
use tracker::{Envelope, Item, ItemKind, Refusal};

use super::report::{NotReported, Read, Report, read, ready};
use super::take::{self, Taken};
use crate::driver::Hub;
use crate::ingest::Done;
use crate::tracked::projects::ProjectInForce;

/// What became of a request.
pub struct Reported {
    /// Everything else that was in it.
    pub envelope: Envelope,
    /// The id of the event that was in it, and what became of that.
    pub event: Option<(String, Taken)>,
}

/// What the first look at a request led to.
enum Opened {
    /// There is no event in it.
    Nothing,
    /// Its event is ready to be kept.
    Ready(Box<Result<Report, StoreError>>),
    /// What its event is compressed against has to be looked up.
    Unknown(Box<Read>),
}

impl Hub {
    /// Takes in what a client sent: when this returns, its event is on disk, counted and grouped. `open` says what was
    /// sent, and may take its time.
    ///
    /// # Errors
    /// When it cannot be read, too many are waiting already, or the database is gone or full.
    pub async fn report(
        &self,
        project: Arc<ProjectInForce>,
        peer: Option<IpAddr>,
        open: impl FnOnce() -> Result<Envelope, Refusal> + Send + 'static,
    ) -> Result<Reported, NotReported> {
        let _place = self.place_to_accept().map_err(NotReported::NotAccepted)?;
        let (core, at, number) = (self.core.clone(), self.clock.now(), project.project.id);
        let permit = self.core.reporting.acquire().await;
        let first = {
            let (core, project) = (core.clone(), project.clone());
            beside(move || {
                let mut envelope = open()?;
                let is_event = |it: &Item| matches!(it.kind, ItemKind::Event | ItemKind::Security);
                let Some(place) = envelope.items.iter().position(is_event) else {
                    return Ok((envelope, Opened::Nothing));
                };
                let item = envelope.items.remove(place);
                let read = read(&project, &item, &envelope.header, peer, at)?;
                let opened = match core.packer.remembered(number, read.primary(), at) {
                    Some(base) => Opened::Ready(Box::new(ready(&core, project, read, Some(&base), at))),
                    None => Opened::Unknown(Box::new(read)),
                };
                Ok((envelope, opened))
            })
        };
        let (envelope, opened) = first.await?.map_err(NotReported::Refused)?;
        let report = match opened {
            Opened::Nothing => return Ok(Reported { envelope, event: None }),
            Opened::Ready(report) => (*report)?,
            Opened::Unknown(read) => {
                let hash = read.primary().to_owned();
                let row = self.store.read(move |tx| store::errors::base_for(tx, number, &hash)).await?;
                beside(move || {
                    let base = row.map(|row| core.packer.remember(&row, at)).transpose()?;
                    ready(&core, project, *read, base.as_deref(), at)
                })
                .await??
            }
        };
        drop(permit);
        let (event_id, new_base) = (report.event.event_id.clone(), report.new_base.clone());
        let taken = self.take_report(report).await?;
        if let Some(base) = new_base.filter(|_| matches!(taken, Taken::Kept { .. })) {
            self.core.packer.remember(&base, at)?;
        }
        Ok(Reported { envelope, event: Some((event_id, taken)) })
    }

    async fn take_report(&self, report: Report) -> Result<Taken, StoreError> {
        let core = self.core.clone();
        let written = self.store.write(Durability::Disk, move |tx| take::take(&core, tx, &[report])).await;
        let (mut taken, done): (Vec<Taken>, Done) = self.noted(written)?;
        self.follow(done);
        Ok(taken.pop().unwrap_or(Taken::Known))
    }
}

/// Has something done on a thread where it keeps nobody waiting.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    let panicked = |_| StoreError::Refused("a function panicked while an error was read".to_owned());
    tokio::task::spawn_blocking(work).await.map_err(panicked)
}
