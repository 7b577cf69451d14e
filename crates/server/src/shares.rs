//! Places for those who report errors, apart from those of all other requests, so that a flood of errors delays no
//! alerts. Whoever finds none waits a moment, in the order of coming and before anything of the body is read: many
//! projects that begin at the same time are all heard. One project never has most of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests that are worked on, or wait, for each place.
const HERE_FOR_A_PLACE: usize = 4;
/// Of a hundred places, one project may have so many requests here.
const ONE_OF_HUNDRED: usize = 20;
/// How long a request waits for a place: well within what clients wait for an answer.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// Stands for the project of a request that does not say whose it is before its body is read.
pub(crate) const NOBODY: i64 = 0;

/// Who has places.
pub(crate) struct Shares {
    places: Arc<Semaphore>,
    most: usize,
    most_of_one: usize,
    here: Mutex<Here>,
}

#[derive(Default)]
struct Here {
    all: usize,
    by: HashMap<i64, usize>,
}

/// A place, until it is dropped.
pub(crate) struct Share {
    _here: Entered,
    _place: OwnedSemaphorePermit,
}

/// Somebody who works or waits.
struct Entered {
    of: Arc<Shares>,
    project: i64,
}

impl Shares {
    /// Of so many places.
    pub(crate) fn of(places: usize) -> Arc<Self> {
        let most_of_one = (places * ONE_OF_HUNDRED / 100).max(1);
        let most = places.saturating_mul(HERE_FOR_A_PLACE);
        Arc::new(Shares {
            places: Arc::new(Semaphore::new(places)),
            most,
            most_of_one,
            here: Mutex::default(),
        })
    }

    /// A place for a project; none, when it has enough, or too many wait, or for too long.
    pub(crate) async fn take(self: &Arc<Self>, project: i64) -> Option<Share> {
        let here = self.enter(project)?;
        let place = tokio::time::timeout(MAX_WAIT, self.places.clone().acquire_owned()).await;
        Some(Share { _here: here, _place: place.ok()?.ok()? })
    }

    fn enter(self: &Arc<Self>, project: i64) -> Option<Entered> {
        let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        if here.all >= self.most {
            return None;
        }
        let own = here.by.entry(project).or_default();
        if *own >= self.most_of_one {
            return None;
        }
        *own += 1;
        here.all += 1;
        Some(Entered { of: self.clone(), project })
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut here = self.of.here.lock().unwrap_or_else(PoisonError::into_inner);
        here.all -= 1;
        if let Some(own) = here.by.get_mut(&self.project) {
            *own -= 1;
            if *own == 0 {
                here.by.remove(&self.project);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_project_takes_what_others_need_and_who_finds_no_place_waits_for_one() {
        let shares = Shares::of(10);
        let one = |project| shares.take(project).now_or_never().flatten();
        let mut loud: Vec<Share> = (0..2).map(|_| one(1).unwrap()).collect();
        assert!(one(1).is_none(), "a fifth of all is enough for one");
        loud.extend((0..8).map(|n| one(2 + n).unwrap()));
        let mut waiting = Box::pin(shares.take(99));
        assert!(waiting.as_mut().now_or_never().is_none(), "all places are taken");
        loud.pop();
        assert!(waiting.now_or_never().flatten().is_some());
        loud.extend(one(50));
        assert!(shares.take(51).await.is_none(), "nobody waits for ever");
        drop(loud);
        assert!(shares.here.lock().unwrap().by.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_wait_and_no_more() {
        let shares = Shares::of(1);
        let works = shares.take(1).await;
        let mut waiting: Vec<_> = (2..5).map(|project| Box::pin(shares.take(project))).collect();
        assert!(waiting.iter_mut().all(|it| it.as_mut().now_or_never().is_none()), "three wait");
        assert!(matches!(shares.take(5).now_or_never(), Some(None)), "and no more");
        drop(works);
        assert!(matches!(waiting[0].as_mut().now_or_never(), Some(Some(_))), "in the order of coming");
    }
}
