//! Registered sources, remembered for some seconds: every request of a source asks who it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Id, Time};
use store::sources::Source;
use store::{Result, Store, Tx};

/// How long the book is good without asking the database: a source that another node registered is known here then.
const GOOD_FOR: Duration = Duration::from_secs(5);
/// How often it is noted at the most that a source was heard of: well within what its silence may last.
const HEARD_EVERY: Duration = Duration::from_secs(5);

/// What is remembered of them.
#[derive(Default)]
pub(crate) struct Sources {
    known: Mutex<Known>,
    heard: Mutex<HashMap<Id, Time>>,
}

/// The book, while it is good.
#[derive(Default)]
struct Known {
    book: Option<(Time, Arc<Book>)>,
    /// How often it was forgotten: what somebody began to read before that is of no use after.
    forgotten: u64,
}

/// A registered source with the name of its user.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The source.
    pub source: Source,
    /// The name of its machine user.
    pub user: String,
}

/// All registered sources.
#[derive(Debug, Default)]
pub(crate) struct Book {
    entries: HashMap<Id, Arc<Entry>>,
    by_user: HashMap<Id, Id>,
}

impl Book {
    /// Reads all there are.
    pub fn read(tx: &mut Tx<'_>) -> Result<Book> {
        let mut book = Book::default();
        for source in store::sources::all(tx)? {
            let user = store::users::get(tx, source.user)?.map(|user| user.name).unwrap_or_default();
            book.by_user.insert(source.user, source.id);
            book.entries.insert(source.id, Arc::new(Entry { source, user }));
        }
        Ok(book)
    }

    /// A source.
    pub fn get(&self, id: Id) -> Option<&Arc<Entry>> {
        self.entries.get(&id)
    }

    /// The source that comes as this user.
    pub fn of_user(&self, user: Id) -> Option<&Arc<Entry>> {
        self.entries.get(self.by_user.get(&user)?)
    }

    /// All of them, in the order in which they were registered.
    pub fn all(&self) -> Vec<&Arc<Entry>> {
        let mut all: Vec<_> = self.entries.values().collect();
        all.sort_by_key(|it| it.source.id);
        all
    }
}

impl Sources {
    /// The sources as they were some seconds ago, or are now.
    pub(crate) async fn book(&self, store: &Store, now: Time) -> Result<Arc<Book>> {
        let forgotten = {
            let known = self.known();
            if let Some((_, book)) =
                known.book.as_ref().filter(|(at, _)| *at <= now && now.since(*at) < GOOD_FOR)
            {
                return Ok(book.clone());
            }
            known.forgotten
        };
        let book = Arc::new(store.read(Book::read).await?);
        let mut known = self.known();
        if known.forgotten == forgotten {
            known.book = Some((now, book.clone()));
        }
        Ok(book)
    }

    /// Forgets the book: a source has changed.
    pub(crate) fn forget(&self) {
        let mut known = self.known();
        *known = Known { book: None, forgotten: known.forgotten + 1 };
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it has to be noted that a source was heard of now.
    pub(crate) fn hears(&self, source: Id, now: Time) -> bool {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let last = heard.get(&source).copied();
        // one that lies ahead was before the clock was set back
        let is_recent = last.is_some_and(|at| at <= now && now.since(at) < HEARD_EVERY);
        if !is_recent {
            heard.insert(source, now);
        }
        !is_recent
    }
}
