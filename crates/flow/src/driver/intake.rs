//! Requests that come at the same time are taken in together: one run of the flow for all of them costs
//! hardly more than one for each would.
//!
//! The first request that finds nobody waiting *leads*: it asks the store for a transaction. Those that come
//! before that has begun ride along; where each is one of a crowd, it waits a little for them. What goes wrong
//! for all of them together is tried again for each by itself, so that nobody fails for another's sake.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{NewEvent, Time};
use store::{Durability, Result, StoreError, Tx};
use tokio::sync::{Notify, oneshot};

use super::Hub;
use crate::core::Core;
use crate::ingest::{self, Accepted, Arrivals, Done};
use crate::tell;

/// Events that share a run of the flow at the most, but for those of one request: what one tick can tell.
const MAX_EVENTS_TOGETHER: usize = tell::GROUPS_PER_TICK as usize;

/// So many requests of a crowd are worth a transaction.
const ENOUGH: usize = 8;
/// How long one of a crowd waits until there are so many.
const MAX_GATHERING: Duration = Duration::from_millis(4);

/// What a request brings.
pub(crate) trait Load: Clone + Send + Sync + 'static {
    /// What becomes of it.
    type Fate: Send + 'static;

    /// Whether many more are about to come, so that all are quicker when each waits a little.
    fn is_of_crowd(&self) -> bool {
        false
    }

    /// How many events it has.
    fn events(&self) -> usize;

    /// Takes the loads of some requests in; says what became of each.
    fn take_in(core: &Core, tx: &mut Tx<'_>, loads: &[Self], at: Time) -> Result<(Vec<Self::Fate>, Done)>;

    /// Where requests of this sort wait.
    fn intake(hub: &Hub) -> &Intake<Self>;
}

impl Load for Arrivals {
    type Fate = Vec<Accepted>;

    fn events(&self) -> usize {
        self.len()
    }

    fn take_in(core: &Core, tx: &mut Tx<'_>, loads: &[Self], at: Time) -> Result<(Vec<Self::Fate>, Done)> {
        let (accepted, done) = ingest::accept(core, tx, loads.iter().cloned().collect(), at)?;
        let mut accepted = accepted.into_iter();
        Ok((loads.iter().map(|it| accepted.by_ref().take(it.len()).collect()).collect(), done))
    }

    fn intake(hub: &Hub) -> &Intake<Self> {
        &hub.intake
    }
}

/// A request's load, and who waits for what becomes of it.
struct Waiting<L: Load> {
    load: L,
    at: Time,
    answer: oneshot::Sender<Result<L::Fate>>,
}

/// The requests that wait, and whether one of them leads. Bounded by the places in [`Hub::accept`].
struct Queue<L: Load> {
    waiting: VecDeque<Waiting<L>>,
    is_led: bool,
}

impl<L: Load> Queue<L> {
    fn has_enough(&self) -> bool {
        self.waiting.len() >= ENOUGH || self.waiting.iter().any(|it| !it.load.is_of_crowd())
    }
}

/// Where requests wait for a transaction. Cheap to clone.
pub(crate) struct Intake<L: Load>(Arc<Gate<L>>);

struct Gate<L: Load> {
    queue: Mutex<Queue<L>>,
    /// somebody has come for whom nobody waits for others
    enough: Notify,
}

impl<L: Load> Default for Intake<L> {
    fn default() -> Self {
        let queue = Mutex::new(Queue { waiting: VecDeque::new(), is_led: false });
        Intake(Arc::new(Gate { queue, enough: Notify::new() }))
    }
}

impl<L: Load> Clone for Intake<L> {
    fn clone(&self) -> Self {
        Intake(self.0.clone())
    }
}

impl<L: Load> Intake<L> {
    fn queue(&self) -> MutexGuard<'_, Queue<L>> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until as many have come as a transaction is worth, or one that is not of a crowd.
    async fn gathered(&self) {
        let enough = self.0.enough.notified();
        if !self.queue().has_enough() {
            // who waits longer than that waits for nobody
            let _ = tokio::time::timeout(MAX_GATHERING, enough).await;
        }
    }

    /// Adds a request; `true`: it has to lead.
    fn join(&self, request: Waiting<L>) -> bool {
        let mut queue = self.queue();
        queue.waiting.push_back(request);
        if queue.has_enough() {
            self.0.enough.notify_waiters();
        }
        !std::mem::replace(&mut queue.is_led, true)
    }

    /// The first requests, as many as are taken in together. Unless some are left, whoever comes next leads.
    fn take(&self) -> Ride<L> {
        let mut queue = self.queue();
        let (mut riders, mut events) = (Vec::new(), 0);
        while let Some(next) = queue.waiting.pop_front() {
            let more = next.load.events();
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
struct Ride<L: Load> {
    riders: Vec<Waiting<L>>,
    /// whether others were too many to come along
    leaves_some: bool,
}

impl Hub {
    /// Takes events in together with those of other requests.
    pub(super) async fn take_in(&self, new: Vec<NewEvent>) -> Result<Vec<Accepted>> {
        let at = self.clock.now();
        self.ride(ingest::arrive(&self.core, new, at), at).await
    }

    /// Takes a load in together with those of other requests.
    pub(crate) async fn ride<L: Load>(&self, load: L, at: Time) -> Result<L::Fate> {
        let (answer, answered) = oneshot::channel();
        if L::intake(self).join(Waiting { load, at, answer }) {
            // a task of its own: the others must not be left when this request's sender goes away
            self.tracker.spawn(self.clone().lead::<L>());
        }
        answered.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the hub is stopping".to_owned())))
    }

    async fn lead<L: Load>(self) {
        let mut leaves_some = true;
        while leaves_some {
            L::intake(&self).gathered().await;
            let begun = Arc::new(Mutex::new(None));
            let result = self.store.write(Durability::Disk, {
                let (core, intake, begun) = (self.core.clone(), L::intake(&self).clone(), begun.clone());
                move |tx| {
                    // with other nodes, most of the waiting is for this
                    tx.lock_flow()?;
                    let ride = intake.take();
                    let at = ride.riders.iter().map(|it| it.at).max().unwrap_or(Time::MIN);
                    let loads: Vec<L> = ride.riders.iter().map(|it| it.load.clone()).collect();
                    *begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(ride);
                    L::take_in(&core, tx, &loads, at)
                }
            });
            let result = self.noted(result.await);
            let begun = begun.lock().unwrap_or_else(PoisonError::into_inner).take();
            // without a transaction, nobody has begun
            let ride = begun.unwrap_or_else(|| L::intake(&self).take());
            leaves_some = ride.leaves_some;
            self.answer(ride.riders, result).await;
        }
    }

    /// Tells each rider what became of its load.
    async fn answer<L: Load>(&self, riders: Vec<Waiting<L>>, result: Result<(Vec<L::Fate>, Done)>) {
        match result {
            Ok((fates, done)) => {
                self.follow(done);
                for (it, fate) in riders.into_iter().zip(fates) {
                    // who has gone away does not need the answer
                    let _ = it.answer.send(Ok(fate));
                }
            }
            Err(StoreError::Refused(_) | StoreError::BadRow(_)) if riders.len() > 1 => {
                for it in riders {
                    let _ = it.answer.send(self.take_alone(it.load, it.at).await);
                }
            }
            Err(error) => riders.into_iter().for_each(|it| drop(it.answer.send(Err(error.clone())))),
        }
    }

    async fn take_alone<L: Load>(&self, load: L, at: Time) -> Result<L::Fate> {
        let core = self.core.clone();
        let take = move |tx: &mut Tx<'_>| L::take_in(&core, tx, &[load], at);
        let (fates, done) = self.noted(self.store.write(Durability::Disk, take).await)?;
        self.follow(done);
        let lost = || StoreError::Refused("nothing became of a request".to_owned());
        fates.into_iter().next().ok_or_else(lost)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    /// Whether it is of a crowd.
    #[derive(Clone)]
    struct Rider(bool);

    impl Load for Rider {
        type Fate = ();

        fn is_of_crowd(&self) -> bool {
            self.0
        }

        fn events(&self) -> usize {
            1
        }

        fn take_in(_: &Core, _: &mut Tx<'_>, _: &[Self], _: Time) -> Result<(Vec<Self::Fate>, Done)> {
            Err(StoreError::Refused("nobody goes anywhere here".to_owned()))
        }

        fn intake(_: &Hub) -> &Intake<Self> {
            unreachable!("there is no hub")
        }
    }

    #[tokio::test]
    async fn a_crowd_gathers_for_a_moment_and_nobody_else_waits_for_it() {
        let intake = Intake::default();
        let join = |is_of_crowd| {
            let (answer, _) = oneshot::channel();
            intake.join(Waiting { load: Rider(is_of_crowd), at: Time::MIN, answer })
        };
        assert!(join(false), "it leads");
        assert!(intake.gathered().now_or_never().is_some(), "one alone waits for nobody");
        assert_eq!(intake.take().riders.len(), 1);

        assert!((1..ENOUGH).map(|_| join(true)).filter(|leads| *leads).count() <= 1);
        let mut gathered = Box::pin(intake.gathered());
        assert!(gathered.as_mut().now_or_never().is_none());
        join(true);
        assert!(gathered.now_or_never().is_some(), "so many are enough");
        assert_eq!(intake.take().riders.len(), ENOUGH);

        join(true);
        let mut gathered = Box::pin(intake.gathered());
        assert!(gathered.as_mut().now_or_never().is_none());
        join(false);
        assert!(gathered.now_or_never().is_some(), "who is not of the crowd does not wait for it");
        assert_eq!(intake.take().riders.len(), 2);

        join(true);
        // nobody comes any more, and it does not wait for ever
        intake.gathered().await;
    }
}
