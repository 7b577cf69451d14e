//! Archives that are being taken in on this node, and what became of those that were not.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Time;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tracker::uploads::State;

/// Archives that are worked on or wait for it.
const MAX_JOBS: usize = 20;
/// Archives that are worked on at once.
const AT_ONCE: usize = 1;
/// How long it is remembered that an archive could not be taken in.
const FAILURES: Duration = Duration::from_secs(600);

/// An archive that is to be put together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upload {
    /// The projects that it is for.
    pub projects: Vec<i64>,
    /// The sum of all of it.
    pub checksum: String,
    /// The sums of its pieces, in their order.
    pub pieces: Vec<String>,
    /// The release; empty: it goes by ids of builds only.
    pub release: String,
    /// Which build of it; empty: any.
    pub build: String,
}

/// What is being made of uploads on this node.
pub(crate) struct Uploads {
    jobs: Mutex<HashMap<Upload, Job>>,
    places: Semaphore,
}

#[derive(Clone)]
enum Job {
    Working,
    Failed(String, Time),
}

impl Default for Uploads {
    fn default() -> Self {
        Uploads { jobs: Mutex::default(), places: Semaphore::new(AT_ONCE) }
    }
}

impl Uploads {
    fn jobs(&self) -> MutexGuard<'_, HashMap<Upload, Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its turn.
    pub(crate) async fn place(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.places.acquire().await
    }

    /// What became of it so far; one that failed is told once, so that it can be tried again.
    pub(crate) fn state(&self, upload: &Upload) -> Option<State> {
        let mut jobs = self.jobs();
        match jobs.get(upload).cloned()? {
            Job::Working => Some(State::Assembling),
            Job::Failed(why, _) => {
                jobs.remove(upload);
                Some(State::Error(why))
            }
        }
    }

    /// Notes that it is worked on; `false`: there is too much to do.
    pub(crate) fn begin(&self, upload: &Upload, now: Time) -> bool {
        let mut jobs = self.jobs();
        jobs.retain(|_, job| match job {
            Job::Working => true,
            Job::Failed(_, at) => *at + FAILURES > now && *at <= now,
        });
        if jobs.len() >= MAX_JOBS {
            return false;
        }
        jobs.insert(upload.clone(), Job::Working);
        true
    }

    pub(crate) fn end(&self, upload: &Upload, failed: Option<String>, now: Time) {
        let mut jobs = self.jobs();
        match failed {
            Some(why) => drop(jobs.insert(upload.clone(), Job::Failed(why, now))),
            None => drop(jobs.remove(upload)),
        }
    }
}
