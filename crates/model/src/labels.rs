//! Label sets: sorted, without duplicates, written as a JSON object.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fnv::Fnv;

/// Names and values that describe what happened where; also used for annotations.
///
/// Kept as a sorted vector: a set has a dozen entries, is read far more often than changed, and must have
/// one order for its fingerprint. Shared, since an event's set is also its incident's, before and after a
/// change, and that of each alert in a message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<Vec<(String, String)>>);

/// What all empty sets share.
static EMPTY: LazyLock<Arc<Vec<(String, String)>>> = LazyLock::new(Arc::default);

impl Default for Labels {
    fn default() -> Self {
        Labels::new()
    }
}

impl Labels {
    /// No labels.
    pub fn new() -> Self {
        Labels(EMPTY.clone())
    }

    /// The value of a label.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(have, _)| have.as_str().cmp(name)).ok()?;
        Some(&self.0[at].1)
    }

    /// Sets a label, replacing what it was.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        let all = Arc::make_mut(&mut self.0);
        match all.binary_search_by(|(have, _)| have.cmp(&name)) {
            Ok(at) => all[at].1 = value,
            Err(at) => all.insert(at, (name, value)),
        }
    }

    /// Takes a label away.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        let at = self.0.binary_search_by(|(have, _)| have.as_str().cmp(name)).ok()?;
        Some(Arc::make_mut(&mut self.0).remove(at).1)
    }

    /// Drops every entry for which the question is answered with no.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        Arc::make_mut(&mut self.0).retain(|(name, value)| keep(name, value));
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Only the labels with these names, as far as they are there.
    pub fn project<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Labels {
        names.into_iter().filter_map(|name| Some((name.to_owned(), self.get(name)?.to_owned()))).collect()
    }

    /// Keeps what is the same in both.
    pub fn intersect(&mut self, other: &Labels) {
        // the alerts of one message often share all of it
        if !Arc::ptr_eq(&self.0, &other.0) && self != other {
            self.retain(|name, value| other.get(name) == Some(value));
        }
    }

    /// Prometheus' fingerprint: FNV-1a over `name 0xff value 0xff` in order of names
    /// (`model.LabelSet.Fingerprint` of prometheus/common), which Alertmanager's clients know alerts by.
    pub fn fingerprint(&self) -> u64 {
        let mut sum = Fnv::default();
        for text in self.0.iter().flat_map(|(name, value)| [name, value]) {
            sum.add(text.as_bytes());
            sum.add(&[0xff]);
        }
        sum.sum()
    }

    /// The set as a JSON object, for a text column.
    pub fn to_json(&self) -> String {
        // A map of strings always serializes; the fallback is never taken.
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// `{name="value", …}`, as Prometheus prints label sets.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (n, (name, value)) in self.iter().enumerate() {
            write!(f, "{}{name}={value:?}", if n == 0 { "" } else { ", " })?;
        }
        f.write_str("}")
    }
}

/// Later entries replace earlier ones of the same name.
impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let mut all: Vec<(String, String)> = entries.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        if all.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            return Labels(Arc::new(all));
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        // the sort is stable, so among equals the last one was written last
        all.reverse();
        all.dedup_by(|a, b| a.0 == b.0);
        all.reverse();
        Labels(Arc::new(all))
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of names and text values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut all = Vec::with_capacity(map.size_hint().unwrap_or(8).min(64));
                while let Some(entry) = map.next_entry::<String, String>()? {
                    all.push(entry);
                }
                Ok(all.into_iter().collect())
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_is_prometheus_own() {
        // computed by prometheus/common for {alertname="a", instance="b"} and the empty set
        assert_eq!(Labels::new().fingerprint(), 0xcbf2_9ce4_8422_2325);
        let one: Labels = [("b", "2"), ("a", "1")].into_iter().collect();
        let other: Labels = [("a", "1"), ("b", "2")].into_iter().collect();
        assert_eq!(one.fingerprint(), other.fingerprint());
    }

    #[test]
    fn the_last_of_two_equal_names_wins() {
        let labels: Labels = [("b", "1"), ("a", "1"), ("b", "2")].into_iter().collect();
        assert_eq!(labels.to_json(), r#"{"a":"1","b":"2"}"#);
        assert_eq!(serde_json::from_str::<Labels>(r#"{"b":"1","a":"1","b":"2"}"#).unwrap(), labels);
    }
}
