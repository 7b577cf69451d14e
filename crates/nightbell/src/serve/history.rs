//! What one configuration changed of another, in words.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// Sections whose entries have names of their own.
const NAMED: [&str; 5] = ["receivers", "integrations", "time_intervals", "checks", "defaults"];
/// Names that a summary lists; the rest are counted.
const MAX_NAMES: usize = 12;

/// What changed between two configurations of the history: `changed route; new receivers.db`.
pub fn summary(before: &str, after: &str) -> String {
    if before.is_empty() {
        return "the first that is kept".to_owned();
    }
    let (before, after) = (parts(before), parts(after));
    let changed = after.iter().filter(|(name, value)| before.get(*name).is_some_and(|old| old != *value));
    let new = after.keys().filter(|name| !before.contains_key(*name));
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let words = [
        ("changed", changed.map(|(name, _)| name.as_str()).collect::<Vec<_>>()),
        ("new", new.map(String::as_str).collect()),
        ("gone", gone.map(String::as_str).collect()),
    ];
    let said: Vec<String> =
        words.iter().filter(|(_, names)| !names.is_empty()).map(|(word, names)| list(word, names)).collect();
    if said.is_empty() { "nothing but secrets, if anything".to_owned() } else { said.join("; ") }
}

fn list(word: &str, names: &[&str]) -> String {
    let more = names.len().saturating_sub(MAX_NAMES);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{word} {}{rest}", names.iter().take(MAX_NAMES).copied().collect::<Vec<_>>().join(", "))
}

/// The sections, and those of names one by one.
fn parts(text: &str) -> BTreeMap<String, Value> {
    // it was written by us; of what is no TOML nothing is said
    let table: Table = text.parse().unwrap_or_default();
    let mut parts = BTreeMap::new();
    for (section, value) in table {
        match value {
            Value::Table(entries) if NAMED.contains(&section.as_str()) => {
                parts.extend(entries.into_iter().map(|(name, value)| (format!("{section}.{name}"), value)));
            }
            value => drop(parts.insert(section, value)),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn a_summary_names_what_changed() {
        let before = "[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n[[receivers.b.inbox]]\n";
        let after = "[route]\nreceiver = \"c\"\n[[receivers.a.inbox]]\n[[receivers.c.inbox]]\n";
        assert_eq!(summary(before, after), "changed route; new receivers.c; gone receivers.b");
        assert_eq!(summary(before, before), "nothing but secrets, if anything");
        assert_eq!(summary("", after), "the first that is kept");
    }
}
