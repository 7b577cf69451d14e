//! Silences: people's word that something need not be told for a while.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::labels::Labels;
use crate::matcher::{Matcher, Matchers, Op};
use crate::time::Time;
use crate::time_interval::TimeInterval;

/// A silence: what matches is not told while it is in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Its id: a UUID, since Alertmanager's clients insist on one.
    pub id: String,
    /// What it silences.
    pub matchers: Matchers,
    /// From when.
    pub starts_at: Time,
    /// Until when; in the past once expired.
    pub ends_at: Time,
    /// Only within these times, when it recurs; always within its span otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<TimeInterval>,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// When it was last changed.
    pub updated_at: Time,
}

/// Where a silence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SilenceState {
    /// It will be in force later.
    Pending,
    /// It is in force, or recurs and will be again.
    Active,
    /// It is over.
    Expired,
}

/// Why a silence cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSilence {
    /// Nothing to match by.
    #[error("at least one matcher required")]
    NoMatchers,
    /// It would silence everything.
    #[error("at least one matcher must not match the empty string")]
    MatchesEverything,
    /// Over before it begins.
    #[error("end time must not be before start time")]
    EndsBeforeStart,
    /// Over already.
    #[error("end time can't be in the past")]
    EndsInThePast,
}

impl Silence {
    /// Whether it can be made now. The texts are Alertmanager's.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, at: Time) -> Result<(), BadSilence> {
        match () {
            () if self.matchers.0.is_empty() => Err(BadSilence::NoMatchers),
            () if self.matchers.0.iter().all(matches_nothing) => Err(BadSilence::MatchesEverything),
            () if self.ends_at < self.starts_at => Err(BadSilence::EndsBeforeStart),
            () if self.ends_at <= at => Err(BadSilence::EndsInThePast),
            () => Ok(()),
        }
    }

    /// Where it stands.
    pub fn state(&self, at: Time) -> SilenceState {
        match () {
            () if at < self.starts_at => SilenceState::Pending,
            () if at < self.ends_at => SilenceState::Active,
            () => SilenceState::Expired,
        }
    }

    /// Whether it silences anything at this moment.
    pub fn is_in_force(&self, at: Time) -> bool {
        self.state(at) == SilenceState::Active
            && self.recurrence.as_ref().is_none_or(|times| times.contains(at))
    }
}

/// Whether a matcher asks for the absence of a label. As in Alertmanager, one that only excludes something does
/// not count: `severity!="critical"` is a silence that people make.
fn matches_nothing(matcher: &Matcher) -> bool {
    matches!(matcher.op, Op::Equal | Op::Regex) && matcher.matches_value("")
}

/// Many silences, found by the labels that they are about.
///
/// Most silences name some label exactly (`alertname="X"`, `instance="Y"`), so they are filed under one
/// such pair, and a label set is held only against those filed under its own pairs and the few that name
/// none.
#[derive(Debug, Default)]
pub struct SilenceSet {
    all: Vec<Silence>,
    by_pair: HashMap<String, HashMap<String, Vec<usize>>>,
    unfiled: Vec<usize>,
}

impl SilenceSet {
    /// Files these silences.
    pub fn new(all: Vec<Silence>) -> Self {
        let mut set = SilenceSet { all, ..Self::default() };
        for (at, silence) in set.all.iter().enumerate() {
            let exact = silence.matchers.0.iter().filter(|m| m.op == Op::Equal && !m.value.is_empty());
            // the longest value is the most telling one: an instance rather than a severity
            match exact.max_by_key(|matcher| matcher.value.len()) {
                Some(m) => {
                    let of_name = set.by_pair.entry(m.name.clone()).or_default();
                    of_name.entry(m.value.clone()).or_default().push(at);
                }
                None => set.unfiled.push(at),
            }
        }
        set
    }

    /// The silences in force that match, as many as there are.
    pub fn matching<'a>(&'a self, labels: &'a Labels, at: Time) -> impl Iterator<Item = &'a Silence> {
        let filed = labels.iter().filter_map(|(name, value)| self.by_pair.get(name)?.get(value));
        let candidates = filed.flatten().chain(&self.unfiled).map(|&n| &self.all[n]);
        candidates.filter(move |silence| silence.is_in_force(at) && silence.matchers.matches(labels))
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher;
    use proptest::prelude::*;

    fn silence(matchers: &str) -> Silence {
        Silence {
            id: matchers.to_owned(),
            matchers: Matchers(matcher::parse_list(matchers).unwrap()),
            starts_at: Time::from_seconds(10),
            ends_at: Time::from_seconds(20),
            recurrence: None,
            created_by: "ann".into(),
            comment: "works".into(),
            updated_at: Time::from_seconds(10),
        }
    }

    #[test]
    fn a_silence_that_would_match_everything_is_refused() {
        let at = Time::from_seconds(0);
        assert_eq!(silence(r#"a="b""#).check(at), Ok(()));
        assert_eq!(silence(r#"a=~".*""#).check(at), Err(BadSilence::MatchesEverything));
        assert_eq!(silence("a=").check(at), Err(BadSilence::MatchesEverything));
        assert_eq!(silence(r#"severity!="critical""#).check(at), Ok(()));
        assert_eq!(silence(r#"a="b""#).check(Time::from_seconds(20)), Err(BadSilence::EndsInThePast));
    }

    #[test]
    fn it_is_in_force_from_its_start_to_before_its_end() {
        let silence = silence(r#"a="b""#);
        let states = [9, 10, 19, 20].map(|second| silence.is_in_force(Time::from_seconds(second)));
        assert_eq!(states, [false, true, true, false]);
    }

    proptest! {
        /// The files find exactly what reading all silences would find.
        #[test]
        fn filing_changes_nothing(
            matchers in prop::collection::vec("[abc](=|!=|=~)\"[xyz]\"(,[abc](=|!=)\"[xyz]\")?", 0..12),
            pairs in prop::collection::btree_map("[abc]", "[xyz]", 0..3),
        ) {
            let all: Vec<Silence> = matchers.iter().map(|text| silence(text)).collect();
            let labels: Labels = pairs.into_iter().collect();
            let at = Time::from_seconds(15);
            let mut plain: Vec<_> = all.iter().filter(|s| s.matchers.matches(&labels)).map(|s| &s.id).collect();
            let set = SilenceSet::new(all.clone());
            let mut filed: Vec<_> = set.matching(&labels, at).map(|s| &s.id).collect();
            plain.sort();
            filed.sort();
            prop_assert_eq!(plain, filed);
        }
    }
}
