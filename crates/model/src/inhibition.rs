//! Inhibition: while one thing is wrong, another need not be told.

use std::collections::BTreeMap;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::incident::Incident;
use crate::labels::Labels;
use crate::matcher::{Index, LazyIndex, Matchers};

/// A rule: while an active incident matches `source`, those that match `target` and have the same values
/// in all labels of `equal` are not told. A label that both lack counts as equal, as in Alertmanager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inhibition {
    /// What it is called in explanations; made from its place when not given.
    #[serde(default)]
    pub name: String,
    /// What inhibits.
    pub source: Matchers,
    /// What is inhibited.
    pub target: Matchers,
    /// Labels in which both must agree.
    #[serde(default)]
    pub equal: Vec<String>,
}

impl Inhibition {
    /// Whether such an incident can inhibit others.
    pub fn is_source(&self, labels: &Labels) -> bool {
        self.source.matches(labels)
    }

    /// Whether such an incident can be inhibited by others.
    pub fn is_target(&self, labels: &Labels) -> bool {
        self.target.matches(labels)
    }

    /// What source and target must have in common, as one number to look sources up by.
    pub fn equal_hash(&self, labels: &Labels) -> i64 {
        let values: Labels =
            self.equal.iter().map(|name| (name.as_str(), labels.get(name).unwrap_or_default())).collect();
        values.fingerprint().cast_signed()
    }

    /// Whether `source` inhibits `target`. Two incidents that match both sides do not inhibit each other
    /// (Alertmanager: `source alerts that also match the target side are skipped for such targets`).
    pub fn inhibits(&self, source: &Labels, target: &Labels) -> bool {
        self.is_source(source)
            && self.is_target(target)
            && !(self.is_target(source) && self.is_source(target))
            && self
                .equal
                .iter()
                .all(|name| source.get(name).unwrap_or_default() == target.get(name).unwrap_or_default())
    }

    /// Names this very rule, so that stored sources of another configuration are not taken for its own.
    pub fn fingerprint(&self) -> i64 {
        let parts =
            [("s", self.source.to_string()), ("t", self.target.to_string()), ("e", self.equal.join("\n"))];
        parts.into_iter().collect::<Labels>().fingerprint().cast_signed()
    }
}

/// All rules there are. They are many in a large configuration, and most concern few incidents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Inhibitions {
    rules: Vec<Inhibition>,
    #[serde(skip)]
    sources: LazyIndex,
    #[serde(skip)]
    targets: LazyIndex,
}

impl Inhibitions {
    /// Those of some incidents that can inhibit others, under each rule that concerns any.
    pub fn sources<'a>(&self, incidents: &[&'a Incident]) -> Vec<(&Inhibition, Vec<&'a Incident>)> {
        let index = self.sources.of(self.rules.iter().map(|rule| &rule.source));
        self.concerned(index, Inhibition::is_source, incidents)
    }

    /// Those of some incidents that others can inhibit, under each rule that concerns any.
    pub fn targets<'a>(&self, incidents: &[&'a Incident]) -> Vec<(&Inhibition, Vec<&'a Incident>)> {
        let index = self.targets.of(self.rules.iter().map(|rule| &rule.target));
        self.concerned(index, Inhibition::is_target, incidents)
    }

    fn concerned<'a>(
        &self,
        index: &Index,
        is_concerned: impl Fn(&Inhibition, &Labels) -> bool,
        incidents: &[&'a Incident],
    ) -> Vec<(&Inhibition, Vec<&'a Incident>)> {
        let mut found: BTreeMap<usize, Vec<&Incident>> = BTreeMap::new();
        for incident in incidents {
            for place in index.candidates(&incident.labels) {
                if is_concerned(&self.rules[place], &incident.labels) {
                    found.entry(place).or_default().push(incident);
                }
            }
        }
        found.into_iter().map(|(place, incidents)| (&self.rules[place], incidents)).collect()
    }
}

impl From<Vec<Inhibition>> for Inhibitions {
    fn from(rules: Vec<Inhibition>) -> Self {
        Inhibitions { rules, ..Inhibitions::default() }
    }
}

impl Deref for Inhibitions {
    type Target = [Inhibition];

    fn deref(&self) -> &[Inhibition] {
        &self.rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher::Matcher;

    fn rule() -> Inhibition {
        let one = |value: &str| [Matcher::equal("severity", value)].into_iter().collect();
        Inhibition {
            name: String::new(),
            source: one("critical"),
            target: one("warning"),
            equal: vec!["cluster".into(), "zone".into()],
        }
    }

    fn labels(severity: &str, cluster: &str) -> Labels {
        [("severity", severity), ("cluster", cluster)].into_iter().collect()
    }

    #[test]
    fn sources_inhibit_targets_that_agree_with_them() {
        let rule = rule();
        assert!(rule.inhibits(&labels("critical", "a"), &labels("warning", "a")));
        assert!(!rule.inhibits(&labels("critical", "a"), &labels("warning", "b")));
        assert!(!rule.inhibits(&labels("warning", "a"), &labels("warning", "a")));
        assert_eq!(rule.equal_hash(&labels("critical", "a")), rule.equal_hash(&labels("warning", "a")));
    }

    #[test]
    fn what_matches_both_sides_does_not_inhibit_its_like() {
        let both = Inhibition { target: rule().source, ..rule() };
        assert!(!both.inhibits(&labels("critical", "a"), &labels("critical", "a")));
    }
}
