//! What issues are found by grows: errors of one issue say different things, and whoever has one of them before their
//! eyes looks for its words. Each issue keeps so much of them; what came after that is found by its tags.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use model::Id;
use store::{Result, Tx};

/// Texts and issues that this node remembers not to look at again.
const MAX_REMEMBERED: usize = 20_000;
/// Stands for all texts of an issue: it keeps no more.
const FULL: u64 = 0;

/// What need not be looked at: issues that keep no more words, and texts that they have.
#[derive(Default)]
pub struct KnownWords(Mutex<HashSet<(Id, u64)>>);

impl KnownWords {
    fn has(&self, issue: Id, text: u64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&(issue, text))
    }

    fn note(&self, issue: Id, text: u64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert((issue, text));
    }

    /// Lets an issue be found by what one of its errors says, as far as there is room in so many bytes. Most are full
    /// already, and nobody asks what is said.
    ///
    /// # Errors
    /// When the database is gone or full.
    pub(crate) fn add(
        &self,
        tx: &mut Tx<'_>,
        issue: Id,
        room: usize,
        said: impl FnOnce() -> String,
    ) -> Result<()> {
        if self.has(issue, FULL) {
            return Ok(());
        }
        let text = said();
        let sum = sum(&text);
        if self.has(issue, sum) {
            return Ok(());
        }
        let Some(before) = store::errors::words(tx, issue)? else { return Ok(()) };
        // remembered is only what was read: what is written now may yet be taken back
        if before.len() + text.len() >= room {
            self.note(issue, FULL);
        } else if before.contains(text.as_str()) {
            self.note(issue, sum);
        } else {
            store::errors::add_words(tx, issue, &format!("{text}\n"))?;
        }
        Ok(())
    }
}

fn sum(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish().max(FULL + 1)
}
