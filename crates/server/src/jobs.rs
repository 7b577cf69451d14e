//! What is done to plugins and takes its time: they are looked at, and installed. The last of it is remembered as long
//! as the server runs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Time;
use plugin_host::conformance::Report;

/// Jobs that are remembered.
const MAX_JOBS: usize = 20;
/// Lines of the log of one; the first of more are forgotten.
const MAX_LINES: usize = 200;
/// Characters of a line.
const MAX_CHARS: usize = 500;

/// What is to be done to a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// To look whether it keeps the contract. Nothing is sent, and nothing reaches the hub.
    Check,
    /// To make its environment of Python, with what it requires.
    Install {
        /// The package that it is, in one version: then its folder is made, too.
        package: Option<String>,
        /// Whether the newest is taken in place of what the lock says.
        upgrade: bool,
    },
}

/// How it goes.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Something was said.
    Line(String),
    /// It was looked at.
    Checked(Box<Report>),
    /// It is done, or cannot be, in words.
    Ended(Result<(), String>),
}

/// What begins a job for which all is ready.
pub type Beginning = Box<dyn FnOnce() + Send>;

/// Who is told how it goes.
pub type Told = Arc<dyn Fn(Progress) + Send + Sync>;

/// One job.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: u64,
    pub(crate) what: &'static str,
    pub(crate) plugin: String,
    pub(crate) by: String,
    pub(crate) begun_at: Time,
    /// nothing: it is under way
    pub(crate) ended: Option<Result<(), String>>,
    pub(crate) report: Option<Report>,
    pub(crate) lines: VecDeque<String>,
}

/// The last jobs.
#[derive(Clone, Default)]
pub struct Jobs(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    begun: u64,
    jobs: VecDeque<Job>,
}

impl Jobs {
    /// One more; whoever does it says how it goes.
    pub(crate) fn begin(&self, work: &Work, plugin: &str, by: &str, now: Time) -> (u64, Told) {
        let what = match work {
            Work::Check => "check",
            Work::Install { .. } => "install",
        };
        let mut kept = self.lock();
        kept.begun += 1;
        let id = kept.begun;
        if kept.jobs.len() == MAX_JOBS {
            kept.jobs.pop_front();
        }
        let (plugin, by) = (plugin.to_owned(), by.to_owned());
        let (ended, report, lines) = (None, None, VecDeque::new());
        kept.jobs.push_back(Job { id, what, plugin, by, begun_at: now, ended, report, lines });
        let jobs = self.clone();
        (id, Arc::new(move |progress| jobs.note(id, progress)))
    }

    fn note(&self, id: u64, progress: Progress) {
        let mut kept = self.lock();
        let Some(job) = kept.jobs.iter_mut().find(|job| job.id == id) else { return };
        match progress {
            Progress::Line(line) => {
                if job.lines.len() == MAX_LINES {
                    job.lines.pop_front();
                }
                job.lines.push_back(line.chars().take(MAX_CHARS).collect());
            }
            Progress::Checked(report) => job.report = Some(*report),
            Progress::Ended(how) => job.ended = Some(how),
        }
    }

    /// One that did not even begin.
    pub(crate) fn forget(&self, id: u64) {
        self.lock().jobs.retain(|job| job.id != id);
    }

    /// All, the newest first.
    pub(crate) fn all(&self) -> Vec<Job> {
        self.lock().jobs.iter().rev().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_what_is_forgotten_may_still_speak() {
        let jobs = Jobs::default();
        let begin = || jobs.begin(&Work::Check, "bell", "ann", Time::from_seconds(7));
        let (_, first) = begin();
        for _ in 0..MAX_JOBS {
            begin();
        }
        first(Progress::Ended(Ok(())));
        assert_eq!(jobs.all().len(), MAX_JOBS);
        assert!(jobs.all().iter().all(|job| job.ended.is_none() && job.id > 1));
        let (id, told) = begin();
        for n in 0..=MAX_LINES {
            told(Progress::Line(format!("{n} {}", "x".repeat(MAX_CHARS))));
        }
        told(Progress::Ended(Err("no".to_owned())));
        let job = jobs.all().remove(0);
        assert_eq!((job.id, job.lines.len(), job.ended), (id, MAX_LINES, Some(Err("no".to_owned()))));
        assert!(job.lines[0].starts_with("1 x") && job.lines[0].len() == MAX_CHARS);
        jobs.forget(id);
        assert_eq!(jobs.all().len(), MAX_JOBS - 1);
    }
}
