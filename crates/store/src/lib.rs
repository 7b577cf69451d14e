//! Everything remembered: SQLite and PostgreSQL behind one SQL text.
//!
//! [`Store`] runs functions inside transactions; [`Tx`] is what they are given. Each table has a module
//! with the functions that read and write it, which take `&mut Tx`, so that what happens together shows in
//! signatures. Rows are the truth; nothing here remembers anything between two calls.

pub mod answers;
pub mod artifacts;
pub mod audit;
pub mod calendar_links;
pub mod calendars;
pub mod db;
pub mod definitions;
pub mod deliveries;
pub mod digests;
pub mod duty;
pub mod error;
pub mod errors;
pub mod escalations;
pub mod events;
pub mod failovers;
pub mod groups;
pub mod heartbeats;
pub mod inbox;
pub mod incidents;
pub mod invitations;
pub mod keys;
pub mod ledger;
pub mod logins;
pub mod maintained;
mod migrate;
pub mod notices;
pub mod overrides;
pub mod past;
#[cfg(test)]
mod plans;
pub mod plugins;
pub mod projects;
pub mod requests;
pub mod retention;
pub mod rules;
mod sealed;
pub mod sessions;
pub mod silences;
pub mod sources;
pub mod stats;
pub mod storms;
pub mod teams;
pub mod tokens;
pub mod users;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

use db::Session;
use db::memory::Memory;
use db::postgres::{COMMIT_THEN_SYNC, Postgres, Shared};
use db::sqlite::{Job, Reply, Sqlite};
pub use db::{Engine, Row, Tx, Value};
pub use error::{Readable, Result, StoreError, Unreadable};
pub use keys::Keys;
pub use stats::Stats;

/// Reading functions that run at once; more wait.
const MAX_READS: usize = 4;

/// How much a caller waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Until it is on disk: accepted events, recorded answers, people's words.
    Disk,
    /// Until it can be seen by others: what could be done again from the rows on its left.
    Lazy,
}

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder for the database inside the process.
    Folder(PathBuf),
    /// A PostgreSQL server, by URL.
    Url(String),
}

/// What is done about secrets when a database is opened.
enum Sealing {
    /// They are opened with the keys that there are.
    AsItIs,
    /// They are sealed with these, or with a key in the folder.
    With(Option<Keys>),
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    backend: Arc<Backend>,
    stats: Arc<Stats>,
    keys: Keys,
    node: i64,
}

enum Backend {
    Sqlite { sqlite: Sqlite, reads: Arc<Semaphore>, _lock: Option<std::fs::File> },
    Memory(Memory),
    Postgres(Shared),
}

impl Store {
    /// Opens the database, creating or migrating it, and registers this process as a node of it. Secrets in it are
    /// opened with the keys of its folder, if there are any.
    ///
    /// # Errors
    /// When it cannot be reached, is in use by another process, or was written by a newer program.
    pub async fn open(location: &Location) -> Result<Self> {
        Store::open_as(location, Sealing::AsItIs).await
    }

    /// The same for a hub, which has all secrets in it sealed: with these keys, or with one that lies in the database's
    /// folder, and is made there at the first time. What cannot be opened is said in the log.
    ///
    /// # Errors
    /// As [`Store::open`], or when there is something else in the file with the key.
    pub async fn open_sealed(location: &Location, keys: Option<Keys>) -> Result<Self> {
        let store = Store::open_as(location, Sealing::With(keys)).await?;
        if store.keys.is_none() {
            tracing::warn!(
                "secrets that are set while the hub runs lie in the database in the clear: there is no \
                 database.secret_key"
            );
            return Ok(store);
        }
        for closed in store.write(Durability::Disk, sealed::seal_all).await? {
            tracing::error!("{closed}; put that key beside the others, and nothing is lost");
        }
        Ok(store)
    }

    async fn open_as(location: &Location, sealing: Sealing) -> Result<Self> {
        match location {
            Location::Folder(folder) => {
                let folder = folder.clone();
                blocking(move || Store::open_folder_as(&folder, true, sealing)).await
            }
            Location::Url(url) => {
                let postgres = Arc::new(Postgres::open(url, tokio::runtime::Handle::current())?);
                let keys = match sealing {
                    Sealing::With(Some(keys)) => keys,
                    Sealing::With(None) | Sealing::AsItIs => Keys::default(),
                };
                let mut store = Store::of(Backend::Postgres(postgres), keys, Arc::default());
                store.write(Durability::Disk, migrate::run).await?;
                store.node = store.write(Durability::Disk, migrate::register_node).await?;
                Ok(store)
            }
        }
    }

    /// Opens a database in a folder from a thread without a runtime. Without `durable`, commits do not wait
    /// for the disk: for tests, where the machine does not lose power.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_folder(folder: &Path, durable: bool) -> Result<Self> {
        Store::open_folder_as(folder, durable, Sealing::AsItIs)
    }

    fn open_folder_as(folder: &Path, durable: bool, sealing: Sealing) -> Result<Self> {
        let wrong = |what: &str, error: std::io::Error| {
            StoreError::Unavailable(format!("{what} {}: {error}", folder.display()))
        };
        std::fs::create_dir_all(folder).map_err(|error| wrong("creating", error))?;
        let lock =
            std::fs::File::options().create(true).truncate(false).write(true).open(folder.join("lock"));
        let lock = lock.map_err(|error| wrong("opening the lock in", error))?;
        if lock.try_lock().is_err() {
            let folder = folder.display();
            return Err(StoreError::NotOurs(format!(
                "{folder} is in use by another nightbell: stop it first"
            )));
        }
        let in_folder = Keys::of_folder(folder)?;
        let keys = match (sealing, in_folder) {
            (Sealing::With(Some(keys)), in_folder) => keys.and(&in_folder.unwrap_or_default()),
            (_, Some(keys)) => keys,
            (Sealing::With(None), None) => Keys::make(folder)?,
            (Sealing::AsItIs, None) => Keys::default(),
        };
        let stats = Arc::new(Stats::default());
        let sqlite = Sqlite::open(&folder.join("nightbell.db"), durable, keys.clone(), stats.clone())?;
        let backend =
            Backend::Sqlite { sqlite, reads: Arc::new(Semaphore::new(MAX_READS)), _lock: Some(lock) };
        let mut store = Store::of(backend, keys, stats);
        store.write_blocking(migrate::run)?;
        store.node = store.write_blocking(migrate::register_node)?;
        Ok(store)
    }

    fn of(backend: Backend, keys: Keys, stats: Arc<Stats>) -> Self {
        Store { backend: Arc::new(backend), stats, keys, node: 0 }
    }

    /// A database of nobody's, in memory: for what is worked out and thrown away. One caller at a time.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn in_memory() -> Result<Self> {
        let mut store = Store::of(Backend::Memory(Memory::open()?), Keys::default(), Arc::default());
        store.write_blocking(migrate::run)?;
        store.node = store.write_blocking(migrate::register_node)?;
        Ok(store)
    }

    /// The number of this process among all that ever opened this database.
    pub fn node(&self) -> i64 {
        self.node
    }

    /// What it has done so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Which database it is.
    pub fn engine(&self) -> Engine {
        match &*self.backend {
            Backend::Sqlite { .. } | Backend::Memory(_) => Engine::Sqlite,
            Backend::Postgres(_) => Engine::Postgres,
        }
    }

    /// Runs a function in a transaction: what it wrote is kept when it returns `Ok`, undone otherwise.
    ///
    /// # Errors
    /// The function's own, or the database's.
    pub async fn write<T, F>(&self, durability: Durability, write: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        match &*self.backend {
            Backend::Sqlite { sqlite, .. } => {
                let (job, answer) = job(durability, write);
                sqlite.jobs().send(job).await.map_err(|_| closed())?;
                answer.await.map_err(|_| panicked())?
            }
            Backend::Memory(memory) => memory.run(write),
            Backend::Postgres(pool) => {
                let (lazy, keys) = (durability == Durability::Lazy, self.keys.clone());
                in_session(pool, move |session| {
                    session.holds_flow = false;
                    session.script("BEGIN")?;
                    if lazy {
                        session.script("SET LOCAL synchronous_commit TO OFF")?;
                    }
                    let result = write(&mut Tx { session: Session::Postgres(session), keys });
                    session.script(match &result {
                        Err(_) => "ROLLBACK",
                        Ok(_) if session.holds_flow && !lazy => COMMIT_THEN_SYNC,
                        Ok(_) => "COMMIT",
                    })?;
                    result
                })
                .await
            }
        }
    }

    /// Runs a function that only reads, on a snapshot of its own.
    ///
    /// # Errors
    /// The function's own, or the database's.
    pub async fn read<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        match &*self.backend {
            Backend::Sqlite { reads, .. } => {
                let permit = reads.clone().acquire_owned().await.map_err(|_| closed())?;
                let backend = self.backend.clone();
                // a caller that goes away leaves the work, and its place, behind
                blocking(move || {
                    let _permit = permit;
                    match &*backend {
                        Backend::Sqlite { sqlite, .. } => sqlite.read(read),
                        Backend::Postgres(_) | Backend::Memory(_) => Err(closed()),
                    }
                })
                .await
            }
            Backend::Memory(memory) => memory.run(read),
            Backend::Postgres(pool) => {
                let keys = self.keys.clone();
                in_session(pool, move |session| {
                    session.script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
                    let result = read(&mut Tx { session: Session::Postgres(session), keys });
                    session.script("ROLLBACK")?;
                    result
                })
                .await
            }
        }
    }

    /// Hears what other nodes on the same database ring ([`Tx::ring_others`]), until the connection is lost.
    /// `ring` is called with nothing when listening begins, since what was rung before may have been missed, and
    /// then with the number of each node that rings, this one among them.
    ///
    /// # Errors
    /// When the connection is lost; on SQLite at once, since there are no other nodes.
    pub async fn listen(&self, ring: impl FnMut(Option<i64>)) -> Result<()> {
        match &*self.backend {
            Backend::Sqlite { .. } | Backend::Memory(_) => {
                Err(StoreError::NotOurs("there are no other nodes".to_owned()))
            }
            Backend::Postgres(pool) => pool.listen(ring).await,
        }
    }

    /// [`Store::write`] for threads without a runtime, on SQLite only.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_blocking<T, F>(&self, write: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let sqlite = match &*self.backend {
            Backend::Sqlite { sqlite, .. } => sqlite,
            Backend::Memory(memory) => return memory.run(write),
            Backend::Postgres(_) => {
                return Err(StoreError::NotOurs("this needs the embedded database".to_owned()));
            }
        };
        let (job, answer) = job(Durability::Disk, write);
        sqlite.jobs().blocking_send(job).map_err(|_| closed())?;
        answer.blocking_recv().map_err(|_| panicked())?
    }

    /// [`Store::read`] for threads without a runtime, on SQLite only.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read_blocking<T>(&self, read: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        match &*self.backend {
            Backend::Sqlite { sqlite, .. } => sqlite.read(read),
            Backend::Memory(memory) => memory.run(read),
            Backend::Postgres(_) => Err(StoreError::NotOurs("this needs the embedded database".to_owned())),
        }
    }

    /// [`Store::read`] for work that is done beside the runtime, on a thread of its own that may wait.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read_beside<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        match &*self.backend {
            Backend::Sqlite { .. } | Backend::Memory(_) => self.read_blocking(read),
            Backend::Postgres(_) => {
                let runtime = tokio::runtime::Handle::try_current().map_err(|_| closed())?;
                runtime.block_on(self.read(read))
            }
        }
    }

    /// Waits for what is under way and closes the files. Other clones must be gone, or it does nothing.
    pub fn close(self) {
        if let Some(Backend::Sqlite { sqlite, .. }) = Arc::into_inner(self.backend) {
            sqlite.close();
        }
    }
}

fn job<T, F>(durability: Durability, write: F) -> (Job, oneshot::Receiver<Result<T>>)
where
    T: Send + 'static,
    F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
{
    let (sender, answer) = oneshot::channel();
    let work = move |tx: Result<&mut Tx<'_>>| {
        let result = tx.and_then(write);
        let keep = result.is_ok();
        // a caller that has gone away does not need the answer
        let reply: Reply = Box::new(move |commit| drop(sender.send(commit.and(result))));
        (keep, reply)
    };
    (Job::Write { work: Box::new(work), durable: durability == Durability::Disk }, answer)
}

async fn in_session<T, F>(pool: &Shared, run: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(&mut db::postgres::Session) -> Result<T> + Send + 'static,
{
    let (mut session, permit) = pool.take().await?;
    let pool = pool.clone();
    // a caller that goes away leaves the work behind, which gives session and place back itself
    blocking(move || {
        let result = run(&mut session);
        // a session with trouble may lead to a server that is none any more, such as one that only reads
        if !matches!(result, Err(StoreError::Unavailable(_))) {
            pool.put(session);
        }
        drop(permit);
        result
    })
    .await
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(run).await.map_err(|_| panicked())?
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

fn panicked() -> StoreError {
    StoreError::Refused("a function panicked inside its transaction, which was undone".to_owned())
}
