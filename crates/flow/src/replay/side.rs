//! One of the two hubs of a replay: the real steps on a database in memory.

use std::sync::Arc;

use model::delivery::DeliveryState;
use model::{Delivery, Id, Notification, Rules, Time};
use store::{Result, Store, StoreError};

use super::difference::Told;
use super::tape::{Happening, Tape, What};
use crate::ingest::Done;
use crate::live::Live;
use crate::stage::Stage;

/// Runs of the steps at one moment after which they are not going to come to rest.
const MAX_RUNS: usize = 10_000;
/// Messages that are taken from a destination's queue at once.
const CLAIM: i64 = 500;

/// A hub in memory.
pub(super) struct Side {
    stage: Stage,
    store: Store,
    now: Time,
    told: Vec<Told>,
}

impl Side {
    /// One that goes by these rules, with the tape's silences.
    pub fn new(rules: Rules, tape: &Tape) -> Result<Self> {
        let store = Store::in_memory()?;
        let now = tape.happenings.first().map_or(tape.from, |first| first.at.min(tape.from));
        let silences = Arc::new(tape.silences.clone());
        store.write_blocking(move |tx| silences.iter().try_for_each(|it| store::silences::put(tx, it)))?;
        let stage = Stage::open(store.clone(), 1, Live::bare(rules), now)?;
        Ok(Side { stage, store, now, told: Vec::new() })
    }

    /// Time passes; `false`: not all of it, since patience has come to an end.
    pub fn run_until(&mut self, end: Time, patience: &mut dyn FnMut() -> bool) -> Result<bool> {
        let (mut runs, mut last) = (0, Time::MIN);
        while let Some(due) = self.stage.next_due()?.filter(|due| *due <= end) {
            if !patience() {
                return Ok(false);
            }
            self.now = self.now.max(due);
            runs = if self.now == last { runs + 1 } else { 0 };
            last = self.now;
            if runs > MAX_RUNS {
                return Err(StoreError::Refused(format!("the steps do not come to rest at {last}")));
            }
            let done = self.stage.run(self.now)?;
            self.deliver(done)?;
        }
        self.now = self.now.max(end);
        Ok(patience())
    }

    /// Something happens now.
    pub fn happens(&mut self, happening: &Happening) -> Result<()> {
        let done = match &happening.what {
            What::Events(events) => Some(self.stage.accept(events.clone(), self.now)?.1),
            What::Act(key, act) => match self.incident(key)? {
                Some(id) => self.stage.act(id, act.clone(), self.now)?.map(|(_, done)| done),
                None => None,
            },
        };
        self.deliver(done.unwrap_or_default())
    }

    /// What is known by this key now.
    fn incident(&self, key: &str) -> Result<Option<Id>> {
        let found = self.store.read_blocking(|tx| store::incidents::live_by_keys(tx, &[key]))?;
        let mut found: Vec<_> = found.into_iter().filter_map(|(_, it)| it.ok()).collect();
        found.sort_by_key(|it| (it.is_active(), it.id));
        Ok(found.last().map(|it| it.id))
    }

    /// Whatever is planned is delivered at once, and remembered.
    fn deliver(&mut self, done: Done) -> Result<()> {
        let now = self.now;
        for name in done.rung {
            loop {
                let of = name.clone();
                let sent = self.store.write_blocking(move |tx| {
                    let claimed = store::deliveries::claim(tx, &of, now, now, CLAIM)?;
                    let settled: Vec<Delivery> = claimed.iter().map(|(it, _)| delivered(it, now)).collect();
                    store::deliveries::settle(tx, &settled)?;
                    Ok(claimed)
                })?;
                let more = !sent.is_empty();
                self.told.extend(
                    sent.into_iter()
                        .map(|(it, says): (Delivery, Notification)| Told::new(now, it.destination, &says)),
                );
                if !more {
                    break;
                }
            }
        }
        Ok(())
    }

    /// What it told at these times.
    pub fn told(self, when: impl Fn(Time) -> bool) -> Vec<Told> {
        self.told.into_iter().filter(|it| when(it.at)).collect()
    }
}

fn delivered(delivery: &Delivery, now: Time) -> Delivery {
    Delivery { state: DeliveryState::Delivered, settled_at: Some(now), ..delivery.clone() }
}
