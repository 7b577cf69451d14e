//! The part of the log that the writer comes to next, kept in memory.
//!
//! SQLite writes its log in frames that are no multiple of a page of the kernel's, and writes over the log that it has
//! copied instead of making it longer and shorter. A page of which only a part is written over has to be in memory: the
//! kernel reads it from the disk first, while the writer, and with it whoever waits for a commit, stands still. On a
//! machine that is short of memory, or that takes it from what rests, the log of a minute ago is not in memory any
//! more. So it is asked for ahead, outside the writer, in large steps that a disk likes.

use std::fs::File;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

use crate::error::Result;

/// What is asked for at a time: some dozens of commits.
const STEP: u64 = 1024 * 1024;
/// Bytes before the first frame of a log, and before the page in each frame.
const LOG_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

/// How many pages the log has, as of the last commit.
#[derive(Clone, Default)]
pub(super) struct Written(Arc<AtomicU64>);

impl Written {
    /// Follows what this connection writes.
    pub(super) fn by(writer: &mut Connection) -> Result<Self> {
        let written = Written::default();
        let pages = written.0.clone();
        writer.wal_hook(Some(move |_: &mut _, length| {
            pages.store(u64::try_from(length).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(written)
    }

    /// How many.
    pub(super) fn pages(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How far the log was asked for.
pub(super) struct Ahead {
    log: Written,
    frame: u64,
    written: u64,
    asked: u64,
}

impl Ahead {
    /// For a log with pages of the size that this connection writes.
    pub(super) fn of(writer: &Connection, log: Written) -> Result<Self> {
        let page: u32 = writer.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        Ok(Ahead { log, frame: u64::from(page) + FRAME_HEADER, written: 0, asked: 0 })
    }

    /// Asks for what comes next, if it is time to. An advice: whoever cannot follow it does not.
    pub(super) fn ask(&mut self, log: &File) {
        let written = LOG_HEADER + self.log.pages() * self.frame;
        let Some(next) = self.next(written) else { return };
        // whenever the log is copied as a whole, it is written from its beginning again
        for part in [next, 0..STEP] {
            advise(log, &part);
        }
    }

    fn next(&mut self, written: u64) -> Option<Range<u64>> {
        if written < self.written {
            self.asked = 0;
        }
        self.written = written;
        let from = self.asked.max(written);
        if from - written > STEP / 2 {
            return None;
        }
        self.asked = from + STEP;
        Some(from..self.asked)
    }
}

#[cfg(target_os = "linux")]
fn advise(log: &File, part: &Range<u64>) {
    let length = NonZeroU64::new(part.end - part.start);
    let _ = rustix::fs::fadvise(log, part.start, length, rustix::fs::Advice::WillNeed);
}

#[cfg(not(target_os = "linux"))]
fn advise(_: &File, _: &Range<u64>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_next_was_always_asked_for_and_only_once() {
        let mut ahead = Ahead { log: Written::default(), frame: 4120, written: 0, asked: 0 };
        for _ in 0..3 {
            let mut asked = Vec::new();
            for written in (32..20 * STEP).step_by(200_000) {
                asked.extend(ahead.next(written));
                assert!(ahead.asked >= written + STEP / 2 && ahead.asked <= written + STEP + STEP / 2);
            }
            assert!(asked.windows(2).all(|two| two[0].end == two[1].start), "{asked:?}");
            assert_eq!(asked[0].start, 32, "the log began anew");
        }
        assert!(ahead.next(60 * STEP).is_some_and(|it| it.start == 60 * STEP), "a large commit passed it by");
    }

    #[test]
    fn the_length_of_the_log_is_known_after_each_commit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("any.db");
        let mut writer = Connection::open(&path).unwrap();
        writer.pragma_update(None, "journal_mode", "WAL").unwrap();
        let written = Written::by(&mut writer).unwrap();
        let mut ahead = Ahead::of(&writer, written).unwrap();
        writer.execute_batch("CREATE TABLE any (it TEXT); INSERT INTO any VALUES (1)").unwrap();
        let log = File::open(folder.path().join("any.db-wal")).unwrap();
        ahead.ask(&log);
        assert_eq!(ahead.written, log.metadata().unwrap().len());
        assert!(ahead.asked >= STEP);
    }
}
