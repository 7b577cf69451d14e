//! What was made not long ago, by what it was made of: clients, TLS, tokens.

use std::sync::{Mutex, PoisonError};

/// Values that are kept by key. Beyond it, what was not asked for the longest is made again when it is wanted.
const MAX_KEPT: usize = 256;

/// Keeps what is costly to make. Keys are compared one by one: they hold secrets, which are not hashed.
pub struct Recent<K, V>(Mutex<Vec<(K, V)>>);

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Recent(Mutex::default())
    }
}

impl<K: PartialEq + Clone, V: Clone> Recent<K, V> {
    /// What was made of `key`, or is now. Others wait meanwhile, so that nothing is made twice.
    ///
    /// # Errors
    /// When it could not be made; that is not kept.
    pub fn get_or<E>(&self, key: &K, make: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.iter().position(|(have, _)| have == key) {
            kept[..=at].rotate_right(1);
            return Ok(kept[0].1.clone());
        }
        let value = make()?;
        kept.truncate(MAX_KEPT - 1);
        kept.insert(0, (key.clone(), value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_last_is_kept() {
        let recent = Recent::<usize, usize>::default();
        let get = |key| recent.get_or(&key, || Err(())).is_ok();
        for n in 0..MAX_KEPT {
            recent.get_or(&n, || Ok::<_, ()>(n)).unwrap();
        }
        assert!(get(0));
        recent.get_or(&MAX_KEPT, || Ok::<_, ()>(0)).unwrap();
        assert!(get(0) && !get(1) && get(2));
    }
}
