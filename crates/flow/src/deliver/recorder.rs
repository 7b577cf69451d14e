//! The recorder: many answers in one durable transaction.

use std::sync::Arc;
use std::time::Duration;

use model::delivery::{Delivery, DeliveryState, Health, Outcome};
use store::deliveries::Tried;
use store::{Durability, Store, StoreError};
use tokio::sync::mpsc;

use super::note::Note;
use crate::core::Core;
use crate::notices;

/// Answers that wait to be recorded at the most; beyond that nothing is sent.
pub const MAX_UNRECORDED: usize = 1024;
/// Answers recorded in one transaction at the most.
const MAX_BATCH: usize = 512;
/// How long a small batch waits for more, when the last one was not alone either.
const LINGER: Duration = Duration::from_millis(1);
/// Answers that are enough to share a transaction.
const CROWD: usize = 64;
/// How long until recording is tried again when the database is gone.
const RETRY: Duration = Duration::from_millis(500);

/// What is recorded.
#[derive(Clone, Debug)]
pub enum Record {
    /// A try and what became of its delivery.
    Try(Box<Tried>),
    /// A delivery that was settled without a try.
    Settled(Box<Delivery>),
    /// How a destination is doing.
    Health(String, Health),
}

/// Records until the last sender is gone. Nothing is dropped while the database is away: the sending side
/// stops at [`MAX_UNRECORDED`] instead.
pub(crate) async fn run(
    core: Arc<Core>,
    store: Store,
    mut records: mpsc::Receiver<Record>,
    notes: mpsc::WeakUnboundedSender<Note>,
) {
    let mut batch = Vec::new();
    let mut crowd = 0;
    while records.recv_many(&mut batch, MAX_BATCH).await > 0 {
        if crowd > 1 && batch.len() < CROWD {
            // where many are answered one by one, a moment's wait lets them share a transaction
            tokio::time::sleep(LINGER).await;
            while batch.len() < MAX_BATCH {
                let Ok(record) = records.try_recv() else { break };
                batch.push(record);
            }
        }
        crowd = batch.len();
        keep(&core, &store, &batch).await;
        core.ring_couriers();
        let mut destinations: Vec<String> =
            batch.iter().map(|record| record.destination().to_owned()).collect();
        let count = batch.len();
        destinations.sort_unstable();
        destinations.dedup();
        batch.clear();
        if let Some(notes) = notes.upgrade() {
            // the service may have ended; then nobody is to be told
            let _ = notes.send(Note::Recorded(destinations, count));
        }
    }
}

/// Writes records, however long the database is away. When it refuses one of them, each is written by itself.
async fn keep(core: &Arc<Core>, store: &Store, batch: &[Record]) {
    let mut one_by_one = false;
    loop {
        let (by, kept) = (core.clone(), batch.to_vec());
        let written = store.write(Durability::Disk, move |tx| match one_by_one {
            false => write(&by, tx, &kept).map(|()| 0),
            true => kept.iter().map(|record| write_alone(&by, tx, record)).sum(),
        });
        match written.await {
            Ok(refused) => {
                core.counters.failures.add("record", refused);
                return;
            }
            Err(StoreError::Refused(_) | StoreError::BadRow(_)) if !one_by_one => one_by_one = true,
            Err(error) => {
                tracing::warn!(%error, answers = batch.len(), "answers could not be recorded yet");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Writes one record, without what was answered when the database does not take that; returns how many it
/// refused.
fn write_alone(core: &Core, tx: &mut store::Tx<'_>, record: &Record) -> store::Result<u64> {
    let Err(error) = tx.part(|tx| write(core, tx, std::slice::from_ref(record)))? else { return Ok(0) };
    tracing::error!(%error, destination = record.destination(), "an answer cannot be recorded");
    let mut plain = record.clone();
    if let Record::Try(it) = &mut plain {
        let note = format!("its answer could not be recorded: {error}");
        it.attempt.answer.clear();
        match &mut it.attempt.outcome {
            Outcome::Delivered { receipt } | Outcome::Accepted { receipt, .. } => receipt.clear(),
            Outcome::Retry { reason, .. } | Outcome::Rejected { reason } => reason.clone_from(&note),
        }
        it.delivery.note = note;
    }
    if let Err(error) = tx.part(|tx| write(core, tx, std::slice::from_ref(&plain)))? {
        // a try goes out again when its lease ends, until it is too old
        tracing::error!(%error, destination = record.destination(), "nor without what was answered");
    }
    Ok(1)
}

impl Record {
    /// The delivery that it is about, if that may be over with it.
    fn delivery(&self) -> Option<&Delivery> {
        match self {
            Record::Try(it) => Some(&it.delivery),
            Record::Settled(delivery) => Some(&**delivery),
            Record::Health(..) => None,
        }
        .filter(|it| it.state != DeliveryState::Pending)
    }

    fn destination(&self) -> &str {
        match self {
            Record::Try(it) => &it.delivery.destination,
            Record::Settled(delivery) => &delivery.destination,
            Record::Health(destination, _) => destination,
        }
    }
}

/// Writes what is to be recorded.
///
/// # Errors
/// When the database is gone or full.
pub fn write(core: &Core, tx: &mut store::Tx<'_>, records: &[Record]) -> store::Result<()> {
    let pending = notices::pending(core, tx, records.iter().filter_map(|it| Some(it.delivery()?.id)))?;
    let (mut tries, mut settled) = (Vec::new(), Vec::new());
    for record in records {
        match record {
            Record::Try(it) => tries.push((**it).clone()),
            Record::Settled(delivery) => settled.push((**delivery).clone()),
            Record::Health(destination, health) => {
                store::deliveries::set_health(tx, destination, health)?;
                if let Some(since) = health.open_since {
                    store::failovers::hasten_all(tx, destination, since)?;
                }
            }
        }
    }
    store::deliveries::record(tx, &tries)?;
    store::deliveries::settle(tx, &settled)?;
    // whoever stands in for them need not wait any longer
    let refused = records.iter().filter_map(Record::delivery).filter(|it| it.state == DeliveryState::Dead);
    let refused: Vec<_> = refused.filter_map(|it| Some((it.id, it.settled_at?))).collect();
    store::failovers::hasten(tx, &refused)?;
    notices::of_finished(core, tx, &pending)
}
