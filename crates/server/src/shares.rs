//! How many places of those that work on requests projects may take: never all of them, and none of them most, so that
//! a flood of errors delays neither alerts nor the errors of others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// All projects together may take so many of four places.
const OF_FOUR: usize = 3;
/// One may take so many of a hundred.
const ONE_OF_HUNDRED: usize = 20;

/// Who has places.
pub(crate) struct Shares {
    most: usize,
    most_of_one: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by: HashMap<i64, usize>,
}

/// A place, until it is dropped.
pub(crate) struct Share {
    of: Arc<Shares>,
    project: i64,
}

impl Shares {
    /// Of so many places.
    pub(crate) fn of(places: usize) -> Arc<Self> {
        let (most, most_of_one) = ((places * OF_FOUR / 4).max(1), (places * ONE_OF_HUNDRED / 100).max(1));
        Arc::new(Shares { most, most_of_one, taken: Mutex::default() })
    }

    /// A place for a project; none, when it has enough, or all have.
    pub(crate) fn take(self: &Arc<Self>, project: i64) -> Option<Share> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.most {
            return None;
        }
        let own = taken.by.entry(project).or_default();
        if *own >= self.most_of_one {
            return None;
        }
        *own += 1;
        taken.all += 1;
        Some(Share { of: self.clone(), project })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.of.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(own) = taken.by.get_mut(&self.project) {
            *own -= 1;
            if *own == 0 {
                taken.by.remove(&self.project);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_project_takes_what_others_need_and_all_of_them_leave_some() {
        let shares = Shares::of(40);
        let mut loud: Vec<Share> = (0..8).map(|_| shares.take(1).unwrap()).collect();
        assert!(shares.take(1).is_none(), "a fifth of all is enough for one");
        loud.extend((0..22).map(|n| shares.take(2 + n).unwrap()));
        assert!(shares.take(99).is_none(), "a quarter is left to alerts");
        loud.remove(0);
        assert!(shares.take(1).is_some());
        loud.clear();
        assert!(shares.taken.lock().unwrap().by.is_empty());
    }
}
