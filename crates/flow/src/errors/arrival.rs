//! How what clients send comes in: worked on beside the database, by few at once, then written in one transaction.

use std::net::IpAddr;
use std::sync::Arc;

use model::Time;
use store::{Durability, Result as Stored, StoreError, Tx};
use tracker::{Envelope, Refusal};

use super::report::{NotReported, Report, read, ready};
use super::take::{self, Taken};
use crate::core::Core;
use crate::driver::Hub;
use crate::driver::intake::{Intake, Load};
use crate::ingest::Done;
use crate::tracked::maps::{Gathering, look};
use crate::tracked::projects::KeyInForce;

/// What became of a request.
pub struct Reported {
    /// Everything else that was in it.
    pub envelope: Envelope,
    /// The id of the event that was in it, and what became of that.
    pub event: Option<(String, Taken)>,
}

/// How far an event has come.
enum Opened {
    /// There is none.
    Nothing,
    /// Its source maps have to be looked up.
    Unmapped(Box<(tracker::Event, Gathering)>),
    /// Its event is ready to be kept.
    Ready(Box<Stored<Report>>),
}

impl Hub {
    /// Takes in what a client sent: when this returns, its event is on disk, counted and grouped. `open` says what was
    /// sent, and may take its time.
    ///
    /// # Errors
    /// When it cannot be read, too many are waiting already, or the database is gone or full.
    pub async fn report(
        &self,
        key: &KeyInForce,
        peer: Option<IpAddr>,
        open: impl FnOnce() -> Result<Envelope, Refusal> + Send + 'static,
    ) -> Result<Reported, NotReported> {
        let _place = self.place_to_accept().map_err(NotReported::NotAccepted)?;
        let project = key.project.clone();
        let (at, number) = (self.clock.now(), project.project.id);
        let turn = self.core.reporting.take(&key.conduct, at).await;
        let finish = {
            let (core, store) = (self.core.clone(), self.store.clone());
            move |maps: &Gathering, event| ready(&core, &store, project.clone(), (event, maps), at)
        };
        let first = {
            let (core, finish) = (self.core.clone(), finish.clone());
            beside(move || {
                let mut envelope = open()?;
                let Some(place) = envelope.items.iter().position(|it| it.kind.is_event()) else {
                    return Ok((envelope, Opened::Nothing));
                };
                let item = envelope.items.remove(place);
                let event = read(&item, &envelope.header, peer, at)?;
                let maps = Gathering::new(&core.maps, number, &event, at);
                let opened = match maps.lacks() {
                    None => Opened::Ready(Box::new(finish(&maps, event))),
                    Some(_) => Opened::Unmapped(Box::new((event, maps))),
                };
                Ok((envelope, opened))
            })
        };
        let (envelope, opened) = first.await?.map_err(NotReported::Refused)?;
        let mut report = match opened {
            Opened::Nothing => return Ok(Reported { envelope, event: None }),
            Opened::Ready(report) => (*report)?,
            Opened::Unmapped(lacking) => {
                let (event, maps) = *lacking;
                let maps = self.gather(maps, at).await?;
                beside(move || finish(&maps, event)).await??
            }
        };
        report.is_of_crowd = turn.is_of_crowd();
        let (event_id, new_base) = (report.event.event_id.clone(), report.new_base.clone());
        let (taken, ()) = tokio::join!(self.ride(Arc::new(report), at), turn.end());
        let taken = taken?;
        key.conduct.note_taken(at);
        if let Some(base) = new_base.filter(|_| matches!(taken, Taken::Kept { .. })) {
            self.core.packer.remember(&base, at)?;
        }
        Ok(Reported { envelope, event: Some((event_id, taken)) })
    }

    /// Looks up the source maps that an error lacks, each beside what is written meanwhile.
    async fn gather(&self, mut maps: Gathering, at: Time) -> Result<Gathering, StoreError> {
        while let Some(ask) = maps.lacks().cloned() {
            let core = self.core.clone();
            let looked = self.store.read(move |tx| look(&core.maps, tx, &ask, at)).await?;
            if let Some(bundle) = looked.unnoted {
                let note = move |tx: &mut store::Tx<'_>| store::artifacts::touch(tx, bundle, at);
                self.store.write(Durability::Lazy, note).await?;
            }
            let core = self.core.clone();
            maps = beside(move || {
                maps.put(&core.maps, looked, at);
                maps
            })
            .await?;
        }
        Ok(maps)
    }
}

/// An error that a program reports.
impl Load for Arc<Report> {
    type Fate = Taken;

    fn is_of_crowd(&self) -> bool {
        self.as_ref().is_of_crowd
    }

    fn events(&self) -> usize {
        1
    }

    fn take_in(core: &Core, tx: &mut Tx<'_>, loads: &[Self], _at: Time) -> Stored<(Vec<Self::Fate>, Done)> {
        take::take(core, tx, loads)
    }

    fn intake(hub: &Hub) -> &Intake<Self> {
        &hub.reports
    }
}

/// Has something done on a thread where it keeps nobody waiting.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    let panicked = |_| StoreError::Refused("a function panicked while an error was read".to_owned());
    tokio::task::spawn_blocking(work).await.map_err(panicked)
}
