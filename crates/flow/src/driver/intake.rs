//! Requests that come at the same time are taken in together: one run of the flow for all of them costs
//! hardly more than one for each would.
//!
//! The first request that finds nobody waiting *leads*: it asks the store for a transaction. Those that come
//! before that has begun ride along. What goes wrong for all of them together is tried again for each by
//! itself, so that nobody fails for another's sake.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{NewEvent, Time};
use store::{Durability, Result, StoreError};
use tokio::sync::oneshot;

use super::Hub;
use crate::ingest::{self, Accepted, Arrivals, Done};
use crate::tell;

/// Events that share a run of the flow at the most, but for those of one request: what one tick can tell.
const MAX_EVENTS_TOGETHER: usize = tell::GROUPS_PER_TICK as usize;

/// A request's events, and who waits for what becomes of them.
struct Waiting {
    arrivals: Arrivals,
    at: Time,
    answer: oneshot::Sender<Result<Vec<Accepted>>>,
}

/// The requests that wait, and whether one of them leads. Bounded by the places in [`Hub::accept`].
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    is_led: bool,
}

/// Where requests wait for a transaction. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Intake(Arc<Mutex<Queue>>);

impl Intake {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request; `true`: it has to lead.
    fn join(&self, request: Waiting) -> bool {
        let mut queue = self.queue();
        queue.waiting.push_back(request);
        !std::mem::replace(&mut queue.is_led, true)
    }

    /// The first requests, as many as are taken in together. Unless some are left, whoever comes next leads.
    fn take(&self) -> Ride {
        let mut queue = self.queue();
        let (mut riders, mut events) = (Vec::new(), 0);
        while let Some(next) = queue.waiting.pop_front() {
            let more = next.arrivals.len();
            if events > 0 && events + more > MAX_EVENTS_TOGETHER {
                queue.waiting.push_front(next);
                break;
            }
            events += more;
            riders.push(next);
        }
        queue.is_led = !queue.waiting.is_empty();
        Ride { riders, leaves_some: queue.is_led }
    }
}

/// Requests that are taken in together.
struct Ride {
    riders: Vec<Waiting>,
    /// whether others were too many to come along
    leaves_some: bool,
}

impl Hub {
    /// Takes events in together with those of other requests.
    pub(super) async fn take_in(&self, new: Vec<NewEvent>) -> Result<Vec<Accepted>> {
        let at = self.clock.now();
        let (answer, answered) = oneshot::channel();
        let arrivals = ingest::arrive(&self.core, new, at);
        if self.intake.join(Waiting { arrivals, at, answer }) {
            // a task of its own: the others must not be left when this request's sender goes away
            self.tracker.spawn(self.clone().lead());
        }
        answered.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the hub is stopping".to_owned())))
    }

    async fn lead(self) {
        let mut leaves_some = true;
        while leaves_some {
            let begun = Arc::new(Mutex::new(None));
            let result = self.store.write(Durability::Disk, {
                let (core, intake, begun) = (self.core.clone(), self.intake.clone(), begun.clone());
                move |tx| {
                    // with other nodes, most of the waiting is for this
                    tx.lock_flow()?;
                    let ride = intake.take();
                    let at = ride.riders.iter().map(|it| it.at).max().unwrap_or(Time::MIN);
                    let arrivals = ride.riders.iter().map(|it| it.arrivals.clone()).collect();
                    *begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(ride);
                    ingest::accept(&core, tx, arrivals, at)
                }
            });
            let result = self.noted(result.await);
            let begun = begun.lock().unwrap_or_else(PoisonError::into_inner).take();
            // without a transaction, nobody has begun
            let ride = begun.unwrap_or_else(|| self.intake.take());
            leaves_some = ride.leaves_some;
            self.answer(ride.riders, result).await;
        }
    }

    /// Tells each rider what became of its events.
    async fn answer(&self, riders: Vec<Waiting>, result: Result<(Vec<Accepted>, Done)>) {
        match result {
            Ok((accepted, done)) => {
                self.follow(done);
                let mut accepted = accepted.into_iter();
                for it in riders {
                    let own = accepted.by_ref().take(it.arrivals.len()).collect();
                    // who has gone away does not need the answer
                    let _ = it.answer.send(Ok(own));
                }
            }
            Err(StoreError::Refused(_) | StoreError::BadRow(_)) if riders.len() > 1 => {
                for it in riders {
                    let _ = it.answer.send(self.take_alone(it.arrivals, it.at).await);
                }
            }
            Err(error) => riders.into_iter().for_each(|it| drop(it.answer.send(Err(error.clone())))),
        }
    }

    async fn take_alone(&self, arrivals: Arrivals, at: Time) -> Result<Vec<Accepted>> {
        let core = self.core.clone();
        let result = self.store.write(Durability::Disk, move |tx| ingest::accept(&core, tx, arrivals, at));
        let (accepted, done) = self.noted(result.await)?;
        self.follow(done);
        Ok(accepted)
    }
}
