//! SQLite inside the process: one writer, some readers, and commits that share a sync.
//!
//! The cast: the *writer* thread owns the only connection that writes. It takes jobs from a bounded queue,
//! runs all that are waiting in one transaction, each in a savepoint of its own, and commits without
//! waiting for the disk (WAL, `synchronous=NORMAL`). Jobs that must be durable are then handed to the
//! *syncer* thread, which asks the kernel for one `fdatasync` of the log for all that came in meanwhile and
//! only then lets their callers go on. So the writer never waits for the disk, and n callers share a sync.
//! The same thread asks for the part of the log [`super::ahead`] of the writer, which so waits for no read either.
//! The *checkpointer* thread copies the log into the database file behind them.
//!
//! Why this is as safe as `synchronous=FULL`: a commit is a run of frames in the log, each with a checksum
//! that chains to the one before; after a loss of power SQLite takes the log up to the first frame that is
//! not whole. A sync of the log after a commit therefore makes that commit and all before it durable,
//! whoever asks for it. Before it overwrites a log that it has copied, SQLite syncs by itself.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::mpsc;

use super::ahead::{Ahead, Written};
use super::{Row, Session, Tx, Value};
use crate::error::{Result, StoreError};
use crate::keys::Keys;
use crate::stats::Stats;

/// Jobs that may wait for the writer; callers wait for room.
const MAX_WAITING_JOBS: usize = 4096;
/// Jobs that share a transaction at the most, so that no caller waits for ever longer ones.
const MAX_JOBS_PER_COMMIT: usize = 512;
/// Memory for pages of the writer, in KiB (SQLite counts negative sizes in KiB).
const WRITER_CACHE_KIB: i64 = 24 * 1024;
/// Memory for pages of each reader, in KiB.
const READER_CACHE_KIB: i64 = 4 * 1024;
/// Idle readers that keep their pages. Others are those of a moment at which many read at once, and find what they need
/// among the pages that the system keeps.
const WARM_READERS: usize = 2;
/// Commits after which the checkpointer is rung. Each costs two syncs of its own, and the same hot pages are
/// copied but once however often they were written in between.
const COMMITS_PER_CHECKPOINT: u32 = 512;
/// Changed rows after which it is rung, too: large transactions fill the log sooner.
const CHANGES_PER_CHECKPOINT: u64 = 30_000;
/// Pages in the log above which the checkpointer tries to come to its end, so that it is started over: 16 MiB.
const LOG_PAGES_AIM: u64 = 4 * 1024;
/// Tries at that. The first copies most, the second syncs what was copied, and the third is quicker than the next
/// commit.
const MAX_TRIES: usize = 4;
/// Pages written while the log was copied, above which the writer has so much to do that another try would be in vain.
const LOG_PAGES_LEFT: u64 = 256;
/// Pages in the log above which the writer itself makes room: 64 MiB.
const LOG_PAGES_LIMIT: u64 = 16 * 1024;
/// Prepared statements that a connection keeps.
pub(crate) const STATEMENTS: usize = 256;

/// What a job leaves behind: to be told how the commit went.
pub(crate) type Reply = Box<dyn FnOnce(Result<()>) + Send>;
/// A unit of work: given a transaction, or the reason why there is none. `false` undoes what it did.
pub(crate) type Work = Box<dyn FnOnce(Result<&mut Tx<'_>>) -> (bool, Reply) + Send>;

/// What the writer is asked to do.
pub(crate) enum Job {
    /// To change something.
    Write {
        /// What.
        work: Work,
        /// Whether the caller waits for the disk.
        durable: bool,
    },
    /// To let the log start over, between two transactions.
    MakeRoom,
}

/// The running threads, and the way to them.
pub(crate) struct Sqlite {
    jobs: mpsc::Sender<Job>,
    readers: Readers,
    threads: Vec<JoinHandle<()>>,
    keys: Keys,
}

impl Sqlite {
    /// Opens or creates the database at `path`.
    pub fn open(path: &Path, durable: bool, keys: Keys, stats: Arc<Stats>) -> Result<Self> {
        let mut writer = connect(path, WRITER_CACHE_KIB)?;
        // makes the log exist before it is opened for syncing
        writer.execute_batch(
            "BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS nodes (id INTEGER PRIMARY KEY); COMMIT;",
        )?;
        let log = log_path(path);
        let log = File::options()
            .read(true)
            .write(true)
            .open(&log)
            .map_err(|error| StoreError::Unavailable(format!("opening {}: {error}", log.display())))?;
        let written = Written::by(&mut writer)?;
        let ahead = Ahead::of(&writer, written.clone())?;
        let checkpoints = connect(path, READER_CACHE_KIB)?;
        let (jobs, waiting) = mpsc::channel(MAX_WAITING_JOBS);
        let (synced, to_sync) = std_mpsc::channel();
        let (ring, rung) = std_mpsc::sync_channel(1);
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
            thread.map_err(|error| StoreError::Unavailable(format!("starting {name}: {error}")))
        };
        let writer = Writer {
            connection: writer,
            to_sync: synced,
            ring,
            commits: 0,
            checked: 0,
            durable,
            keys: keys.clone(),
            stats: stats.clone(),
        };
        let threads = vec![
            spawn("store-writer", Box::new(move || writer.run(waiting)))?,
            spawn("store-syncer", Box::new(move || sync_all(&log, ahead, &to_sync, &stats)))?,
            spawn("store-checkpoint", {
                let jobs = jobs.downgrade();
                Box::new(move || checkpoint_all(&checkpoints, &written, &rung, &jobs))
            })?,
        ];
        Ok(Sqlite {
            jobs,
            readers: Readers { path: path.to_owned(), idle: std::sync::Mutex::default() },
            threads,
            keys,
        })
    }

    /// The queue to the writer.
    pub fn jobs(&self) -> &mpsc::Sender<Job> {
        &self.jobs
    }

    /// Runs a reading function on this thread, on a snapshot of its own.
    pub fn read<T>(&self, read: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let reader = self.readers.take()?;
        reader.execute_batch("BEGIN")?;
        let result = read(&mut Tx { session: Session::Sqlite(&reader), keys: self.keys.clone() });
        reader.execute_batch("ROLLBACK")?;
        self.readers.put(reader);
        result
    }

    /// Waits for what is under way, and ends the threads.
    pub fn close(self) {
        drop(self.jobs);
        for thread in self.threads {
            // a thread that panicked has said so already
            let _ = thread.join();
        }
    }
}

fn log_path(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

fn connect(path: &Path, cache_kib: i64) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    // of a new file only: free pages can be given back to the system in small steps
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "foreign_keys", "OFF")?;
    // plans do not depend on the values of parameters, so statements are never prepared again for new ones
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// Idle connections for reading; as many are open as were ever needed at once, which the store bounds.
struct Readers {
    path: PathBuf,
    idle: std::sync::Mutex<Vec<Connection>>,
}

impl Readers {
    fn take(&self) -> Result<Connection> {
        let idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(connection)
    }

    fn put(&self, connection: Connection) {
        let idle = || self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if idle().len() < WARM_READERS {
            idle().push(connection);
            return;
        }
        // what cannot give memory back keeps it: it can be used all the same
        let _ = connection.execute_batch("PRAGMA shrink_memory");
        // the warm ones are taken first
        idle().insert(0, connection);
    }
}

struct Writer {
    connection: Connection,
    to_sync: std_mpsc::Sender<Vec<Reply>>,
    ring: std_mpsc::SyncSender<()>,
    /// since the checkpointer was rung
    commits: u32,
    /// changed rows when it was
    checked: u64,
    durable: bool,
    keys: Keys,
    stats: Arc<Stats>,
}

impl Writer {
    fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        while let Some(first) = waiting.blocking_recv() {
            let (mut batch, mut next) = (Vec::new(), Some(first));
            let mut make_room = false;
            while let Some(job) = next.take() {
                match job {
                    Job::Write { work, durable } => batch.push((work, durable)),
                    Job::MakeRoom => make_room = true,
                }
                if batch.len() < MAX_JOBS_PER_COMMIT {
                    next = waiting.try_recv().ok();
                }
            }
            self.commit(batch);
            if make_room {
                // copies what the checkpointer could not catch up with; the next write starts the log over
                let copied = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
                let _ =
                    copied.inspect_err(|error| tracing::warn!(%error, "the log could not be started over"));
            }
        }
        let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }

    /// Runs the jobs in one transaction and tells each how it went.
    fn commit(&mut self, batch: Vec<(Work, bool)>) {
        let (began, count) = (Instant::now(), batch.len());
        if batch.is_empty() {
            return;
        }
        if let Err(error) = self.connection.execute_batch("BEGIN IMMEDIATE") {
            let error = StoreError::from(error);
            batch.into_iter().for_each(|(work, _)| refuse(work, &error));
            return;
        }
        let mut replies = Vec::with_capacity(count);
        let mut jobs = batch.into_iter();
        let mut lost = None;
        for (work, durable) in jobs.by_ref() {
            replies.push((durable, self.run_one(work)));
            // out of room or memory, SQLite may have undone the whole transaction by itself
            if self.connection.is_autocommit() {
                lost = Some(StoreError::Unavailable("the transaction was undone: no room?".to_owned()));
                break;
            }
        }
        let result = match lost {
            Some(error) => Err(error),
            None => self.connection.execute_batch("COMMIT").map_err(StoreError::from),
        };
        if result.is_err() && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        if let Err(error) = &result {
            jobs.for_each(|(work, _)| refuse(work, error));
        }
        self.stats.committed(count, began.elapsed());
        self.answer(replies, &result);
    }

    /// One job in its savepoint, undone when it fails or panics.
    fn run_one(&self, work: Work) -> Reply {
        let mut tx = Tx { session: Session::Sqlite(&self.connection), keys: self.keys.clone() };
        if let Err(error) = self.connection.prepare_cached("SAVEPOINT job").and_then(|mut s| s.execute([])) {
            return catch(work, Err(error.into())).1;
        }
        let (keep, reply) = catch(work, Ok(&mut tx));
        let end = if keep { &["RELEASE job"][..] } else { &["ROLLBACK TO job", "RELEASE job"] };
        for sql in end {
            // fails only when the transaction is gone, which the caller looks for
            let _ = self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
        }
        reply
    }

    fn answer(&mut self, replies: Vec<(bool, Reply)>, result: &Result<()>) {
        let mut durable = Vec::new();
        for (must_sync, reply) in replies {
            if must_sync && self.durable && result.is_ok() {
                durable.push(reply);
            } else {
                reply(result.clone());
            }
        }
        if !durable.is_empty() {
            // the syncer outlives the writer
            let _ = self.to_sync.send(durable);
        }
        self.commits += 1;
        let changes = self.connection.total_changes();
        let full = self.commits >= COMMITS_PER_CHECKPOINT || changes - self.checked >= CHANGES_PER_CHECKPOINT;
        if full && self.ring.try_send(()).is_ok() {
            (self.commits, self.checked) = (0, changes);
        }
    }
}

/// Runs a job; one that panics is undone, its caller learns of it, and the writer lives on.
fn catch(work: Work, tx: Result<&mut Tx<'_>>) -> (bool, Reply) {
    match catch_unwind(AssertUnwindSafe(|| work(tx))) {
        Ok(done) => done,
        // its reply was dropped while unwinding, which tells the caller
        Err(_) => (false, Box::new(|_| ())),
    }
}

/// Tells a job's caller why it was not run.
fn refuse(work: Work, error: &StoreError) {
    let (_, reply) = catch(work, Err(error.clone()));
    reply(Err(error.clone()));
}

fn sync_all(log: &File, mut ahead: Ahead, to_sync: &std_mpsc::Receiver<Vec<Reply>>, stats: &Stats) {
    let mut failed: Option<StoreError> = None;
    while let Ok(mut replies) = to_sync.recv() {
        while let Ok(more) = to_sync.try_recv() {
            replies.extend(more);
        }
        let began = Instant::now();
        // after a failure the kernel may count lost pages as written, and the next sync would call it a
        // success: nothing is promised any more until a restart has read the log from the disk
        let result = match &failed {
            Some(error) => Err(StoreError::clone(error)),
            None => log.sync_data().map_err(|error| {
                StoreError::Unavailable(format!(
                    "the disk failed a sync, restart after a look at it: {error}"
                ))
            }),
        };
        if failed.is_none() {
            failed = result.as_ref().err().cloned();
        }
        stats.synced(replies.len(), began.elapsed());
        replies.into_iter().for_each(|reply| reply(result.clone()));
        ahead.ask(log);
    }
}

/// Copies the log into the database whenever it is rung. When writers are so busy that the log never
/// comes to an end, asks the writer to make room between two commits.
fn checkpoint_all(
    connection: &Connection,
    written: &Written,
    rung: &std_mpsc::Receiver<()>,
    jobs: &mpsc::WeakSender<Job>,
) {
    while rung.recv().is_ok() {
        match copy_log(connection, written) {
            Ok(pages) if pages > LOG_PAGES_LIMIT => {
                let Some(jobs) = jobs.upgrade() else { return };
                let _ = jobs.blocking_send(Job::MakeRoom);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the log could not be copied into the database"),
        }
    }
}

/// Copies the log, and what was written meanwhile, unless that is so much that there is no end to it; returns how many
/// pages it had.
fn copy_log(connection: &Connection, written: &Written) -> rusqlite::Result<u64> {
    // negative while another copies it
    let copy = || -> rusqlite::Result<u64> {
        let pages: i64 = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))?;
        Ok(u64::try_from(pages).unwrap_or(0))
    };
    let mut pages = copy()?;
    for _ in 1..MAX_TRIES {
        let left = written.pages().saturating_sub(pages);
        if pages < LOG_PAGES_AIM || left == 0 || left > LOG_PAGES_LEFT {
            break;
        }
        pages = copy()?;
    }
    Ok(pages)
}

pub(crate) fn execute(connection: &Connection, sql: &str, values: &[Value<'_>]) -> Result<u64> {
    let mut statement = connection.prepare_cached(sql)?;
    for (place, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(place + 1, value)?;
    }
    Ok(statement.raw_execute()? as u64)
}

pub(crate) fn execute_many<R, const N: usize>(
    connection: &Connection,
    sql: &str,
    rows: &[R],
    bind: impl for<'r> Fn(&'r R) -> [Value<'r>; N],
) -> Result<u64> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut changed = 0;
    for row in rows {
        for (place, value) in bind(row).iter().enumerate() {
            statement.raw_bind_parameter(place + 1, value)?;
        }
        changed += statement.raw_execute()? as u64;
    }
    Ok(changed)
}

pub(crate) fn query(
    connection: &Connection,
    sql: &str,
    values: &[Value<'_>],
    each: &mut dyn FnMut(&Row<'_>) -> Result<()>,
) -> Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    for (place, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(place + 1, value)?;
    }
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        each(&Row::Sqlite(row))?;
    }
    Ok(())
}

pub(crate) fn query_many<K, const N: usize>(
    connection: &Connection,
    sql: &str,
    keys: &[K],
    bind: impl for<'k> Fn(&'k K) -> [Value<'k>; N],
    each: &mut dyn FnMut(usize, &Row<'_>) -> Result<()>,
) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(sql)?;
    for (place, key) in keys.iter().enumerate() {
        for (column, value) in bind(key).iter().enumerate() {
            statement.raw_bind_parameter(column + 1, value)?;
        }
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            each(place, &Row::Sqlite(row))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_cannot_be_copied_now_needs_no_room() {
        let connection = Connection::open_in_memory().unwrap();
        // SQLite says -1 for want of a log, and while another copies it
        assert_eq!(copy_log(&connection, &Written::default()).unwrap(), 0);
    }
}
