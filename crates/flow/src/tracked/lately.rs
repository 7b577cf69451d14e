//! What was used lately, as much of it as there is room for.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Keeps what is costly to make, and forgets what was not used for the longest time when it weighs too much. One thing
/// that is too heavy alone is kept all the same.
pub(super) struct Lately<K, V> {
    kept: HashMap<K, Kept<V>>,
    weight: usize,
    most: usize,
    uses: u64,
}

struct Kept<V> {
    value: V,
    weight: usize,
    used: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Lately<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Lately { kept: HashMap::new(), weight: 0, most, uses: 0 }
    }

    pub(super) fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.uses += 1;
        let kept = self.kept.get_mut(key)?;
        kept.used = self.uses;
        Some(kept.value.clone())
    }

    pub(super) fn put(&mut self, key: K, value: V, weight: usize) {
        self.uses += 1;
        self.forget(&key);
        self.kept.insert(key, Kept { value, weight, used: self.uses });
        self.weight += weight;
        while self.weight > self.most && self.kept.len() > 1 {
            let oldest = self.kept.iter().min_by_key(|(_, it)| it.used).map(|(key, _)| key.clone());
            oldest.into_iter().for_each(|key| self.forget(&key));
        }
    }

    pub(super) fn forget<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some(gone) = self.kept.remove(key) {
            self.weight -= gone.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_the_longest_time_goes_first() {
        let mut lately = Lately::new(10);
        for (key, weight) in [("a", 4), ("b", 4)] {
            lately.put(key, key, weight);
        }
        assert_eq!(lately.get("a"), Some("a"));
        lately.put("c", "c", 4);
        assert_eq!((lately.get("a"), lately.get("b"), lately.get("c")), (Some("a"), None, Some("c")));
        lately.put("a", "new", 6);
        assert_eq!(
            (lately.get("a"), lately.get("c")),
            (Some("new"), Some("c")),
            "it weighs what it weighs now"
        );
        lately.put("heavy", "heavy", 99);
        assert_eq!((lately.get("a"), lately.get("heavy")), (None, Some("heavy")), "alone, it stays");
        lately.forget("heavy");
        assert_eq!((lately.get("heavy"), lately.weight), (None, 0));
    }
}
