//! Connections to mail servers that are kept for the next mail: a few for each, for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sdk::Recent;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::talk::{Reply, Talk, Trouble};

/// Connections to one server at once; who wants another one waits. Mail servers take some dozens from one address.
const MAX_OPEN: usize = 20;
/// Of these, how many are kept while there is nothing to send.
const MAX_IDLE: usize = 8;
/// How long a connection is kept without a mail: servers close them after some minutes, or ten seconds when they are
/// busy. It is closed within twice that time.
const IDLE_TIME: Duration = Duration::from_secs(10);
/// How long a connection is used, so that a server that moves is followed.
const LIFE: Duration = Duration::from_secs(300);
/// Mails over one connection, which is what large providers take.
const MAX_MAILS: u32 = 100;

/// The connections of a hub, each by all that it depends on.
pub(super) struct Lanes<K>(Recent<K, Arc<Lane>>);

impl<K> Default for Lanes<K> {
    fn default() -> Self {
        Lanes(Recent::default())
    }
}

impl<K: PartialEq + Clone> Lanes<K> {
    pub(super) fn lane(&self, which: &K) -> Arc<Lane> {
        let made: Result<_, std::convert::Infallible> = self.0.get_or(which, || Ok(Arc::default()));
        match made {
            Ok(lane) => lane,
            Err(never) => match never {},
        }
    }
}

/// The connections to one server.
pub(super) struct Lane {
    places: Semaphore,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// The one that was used last at the end.
    talks: Vec<Kept>,
    /// Whether somebody will look for those that were not used for long.
    is_watched: bool,
}

/// A connection that has been used, or may be.
pub(super) struct Kept {
    pub(super) talk: Talk,
    began: Instant,
    used: Instant,
    mails: u32,
}

impl Kept {
    pub(super) fn new(talk: Talk) -> Self {
        let now = Instant::now();
        Kept { talk, began: now, used: now, mails: 0 }
    }

    fn is_good(&self, now: Instant) -> bool {
        self.mails < MAX_MAILS && now - self.began < LIFE && now - self.used < IDLE_TIME
    }
}

impl Default for Lane {
    fn default() -> Self {
        Lane { places: Semaphore::new(MAX_OPEN), idle: Mutex::default() }
    }
}

impl Lane {
    /// Waits until one more connection may be open.
    pub(super) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        // it is never closed
        self.places.acquire().await.ok()
    }

    /// A connection that was kept and still seems to be one.
    pub(super) fn take(&self) -> Option<Kept> {
        let now = Instant::now();
        loop {
            let mut kept = self.idle().talks.pop()?;
            if kept.is_good(now) && kept.talk.is_open() {
                return Some(kept);
            }
        }
    }

    /// Says the mail itself; the connection is kept when all went well.
    pub(super) async fn finish(self: &Arc<Self>, mut kept: Kept, mail: &[u8]) -> Result<Reply, Trouble> {
        let reply = kept.talk.content(mail).await?;
        kept.mails += 1;
        kept.used = Instant::now();
        if kept.is_good(kept.used) {
            self.keep(kept);
        }
        Ok(reply)
    }

    #[expect(clippy::disallowed_methods, reason = "nothing is lost when it ends with the program")]
    fn keep(self: &Arc<Self>, kept: Kept) {
        let mut idle = self.idle();
        if idle.talks.len() >= MAX_IDLE {
            return;
        }
        idle.talks.push(kept);
        if !std::mem::replace(&mut idle.is_watched, true) {
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    /// Closes what was not used for long, and says whether anything is left.
    fn tidy(&self) -> bool {
        let now = Instant::now();
        let mut idle = self.idle();
        let (good, _old): (Vec<Kept>, Vec<Kept>) = idle.talks.drain(..).partition(|kept| kept.is_good(now));
        idle.talks = good;
        idle.is_watched = !idle.talks.is_empty();
        idle.is_watched
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tidies up for as long as anything is kept.
async fn watch(lane: Weak<Lane>) {
    loop {
        tokio::time::sleep(IDLE_TIME).await;
        if !lane.upgrade().is_some_and(|lane| lane.tidy()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;

    /// A connection, and its server's end.
    async fn connection() -> (Kept, DuplexStream) {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        theirs.write_all(b"220 here\r\n250 hello\r\n").await.unwrap();
        (Kept::new(Talk::begin(Box::new(ours), false, "bell").await.unwrap()), theirs)
    }

    /// What a server hears until the connection is closed, and how long that takes.
    async fn heard(mut theirs: DuplexStream) -> (String, Duration) {
        let (began, mut said) = (Instant::now(), String::new());
        theirs.read_to_string(&mut said).await.unwrap();
        (said, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_used_is_closed_within_twice_its_time_and_nothing_is_left_running() {
        let lane = Arc::new(Lane::default());
        let (kept, theirs) = connection().await;
        lane.keep(kept);
        let (said, after) = heard(theirs).await;
        assert_eq!(said, "EHLO bell\r\nQUIT\r\n");
        assert!((IDLE_TIME..=IDLE_TIME * 2).contains(&after), "{after:?}");
        assert!(!lane.idle().is_watched, "there is nothing to watch");
        // who comes next is watched as well
        let (kept, theirs) = connection().await;
        lane.keep(kept);
        assert!(heard(theirs).await.1 <= IDLE_TIME * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_used_for_long_is_not_used_again() {
        let lane = Arc::new(Lane::default());
        let (kept, _theirs) = connection().await;
        lane.idle().talks.push(kept);
        tokio::time::advance(IDLE_TIME - Duration::from_millis(1)).await;
        let mut kept = lane.take().unwrap();
        kept.used = Instant::now();
        lane.idle().talks.push(kept);
        tokio::time::advance(IDLE_TIME).await;
        assert!(lane.take().is_none() && lane.idle().talks.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn none_is_used_for_ever_or_for_any_number_of_mails() {
        let (mut kept, _theirs) = connection().await;
        for _ in 0..(LIFE.as_secs() / 5) {
            assert!(kept.is_good(Instant::now()));
            tokio::time::advance(Duration::from_secs(5)).await;
            kept.used = Instant::now();
        }
        assert!(!kept.is_good(kept.used), "a server that moves is followed");
        let (mut kept, _theirs) = connection().await;
        kept.mails = MAX_MAILS;
        assert!(!kept.is_good(kept.used));
    }

    #[tokio::test(start_paused = true)]
    async fn only_some_are_kept_and_the_others_end_as_they_should() {
        let lane = Arc::new(Lane::default());
        let mut ends = Vec::new();
        for _ in 0..=MAX_IDLE {
            let (kept, theirs) = connection().await;
            lane.keep(kept);
            ends.push(theirs);
        }
        assert_eq!(lane.idle().talks.len(), MAX_IDLE);
        let (said, after) = heard(ends.pop().unwrap()).await;
        assert_eq!((said.as_str(), after), ("EHLO bell\r\nQUIT\r\n", Duration::ZERO));
    }
}
