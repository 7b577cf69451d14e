//! The recorder: many answers in one durable transaction.

use std::time::Duration;

use model::delivery::{Attempt, Delivery, Health};
use store::{Durability, Store};
use tokio::sync::mpsc;

use super::note::Note;

/// Answers that wait to be recorded at the most; beyond that nothing is sent.
pub const MAX_UNRECORDED: usize = 1024;
/// Answers recorded in one transaction at the most.
const MAX_BATCH: usize = 512;
/// How long until recording is tried again when the database is gone.
const RETRY: Duration = Duration::from_millis(500);

/// What is recorded.
#[derive(Clone, Debug)]
pub enum Record {
    /// A try and what became of its delivery.
    Try(Box<(Delivery, Attempt)>),
    /// A delivery that was settled without a try.
    Settled(Box<Delivery>),
    /// How a destination is doing.
    Health(String, Health),
}

/// Records until the last sender is gone. Nothing is dropped while the database is away: the sending side
/// stops at [`MAX_UNRECORDED`] instead.
pub(crate) async fn run(
    store: Store,
    mut records: mpsc::Receiver<Record>,
    notes: mpsc::WeakUnboundedSender<Note>,
) {
    let mut batch = Vec::new();
    while records.recv_many(&mut batch, MAX_BATCH).await > 0 {
        loop {
            let kept = batch.clone();
            match store.write(Durability::Disk, move |tx| write(tx, &kept)).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(%error, answers = batch.len(), "answers could not be recorded yet");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
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

impl Record {
    fn destination(&self) -> &str {
        match self {
            Record::Try(it) => &it.0.destination,
            Record::Settled(delivery) => &delivery.destination,
            Record::Health(destination, _) => destination,
        }
    }
}

/// Writes what is to be recorded.
///
/// # Errors
/// When the database is gone or full.
pub fn write(tx: &mut store::Tx<'_>, records: &[Record]) -> store::Result<()> {
    let (mut tries, mut settled) = (Vec::new(), Vec::new());
    for record in records {
        match record {
            Record::Try(it) => tries.push((**it).clone()),
            Record::Settled(delivery) => settled.push((**delivery).clone()),
            Record::Health(destination, health) => store::deliveries::set_health(tx, destination, health)?,
        }
    }
    store::deliveries::record(tx, &tries)?;
    store::deliveries::settle(tx, &settled)
}
