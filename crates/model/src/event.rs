//! Events: immutable facts as received.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::extra::Extra;
use crate::id::Id;
use crate::labels::Labels;
use crate::limits::{MAX_KEY_BYTES, MAX_LABEL_NAME_BYTES, MAX_LABEL_VALUE_BYTES, MAX_LABELS};
use crate::severity::Severity;
use crate::time::Time;

/// What an event says about its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Something is wrong, or still is.
    #[default]
    Raise,
    /// It is over.
    Clear,
    /// Worth a line in the timeline; changes no state.
    Note,
}

impl Action {
    /// The word for it, as in columns and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Action::Raise => "raise",
            Action::Clear => "clear",
            Action::Note => "note",
        }
    }

    /// The action of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Action::Raise, Action::Clear, Action::Note].into_iter().find(|action| action.name() == name)
    }
}

/// An event as a door hands it in: checked by [`NewEvent::check`], not yet remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Which door or integration it came through, e.g. `alertmanager`, `api`, `webhook/ci`, `heartbeat`.
    pub source: String,
    /// What it is about: events of one key make one incident. Empty: the labels' fingerprint.
    pub key: String,
    /// What it says.
    pub action: Action,
    /// How bad it is; `None` keeps the incident's, or takes the `severity` label's word.
    pub severity: Option<Severity>,
    /// One line for people; empty: made from the annotations or labels.
    pub title: String,
    /// What it is about, for routing and grouping.
    pub labels: Labels,
    /// More about it, for people.
    pub annotations: Labels,
    /// A link to where it came from (Alertmanager's `generatorURL`); empty when there is none.
    pub link: String,
    /// When it began, as the sender says; `None`: on arrival.
    pub started_at: Option<Time>,
    /// When it is over if nothing is heard until then; a time in the past is a clear.
    pub ends_at: Option<Time>,
    /// Over after this long without a word; used when `ends_at` is not given.
    pub resolve_after: Option<Duration>,
    /// What its incident has besides. An event that brings this opens an incident of its own, or nothing: there is
    /// never a second one of its key.
    pub extra: Option<Box<Extra>>,
    /// How many things that plugins did led to each other before this was said, the saying among them; 0: it comes
    /// from outside.
    pub chain: u32,
}

impl NewEvent {
    /// A raise with these labels and nothing else.
    pub fn raise(source: &str, labels: Labels) -> Self {
        NewEvent {
            source: source.to_owned(),
            key: String::new(),
            action: Action::Raise,
            severity: None,
            title: String::new(),
            labels,
            annotations: Labels::new(),
            link: String::new(),
            started_at: None,
            ends_at: None,
            resolve_after: None,
            extra: None,
            chain: 0,
        }
    }

    /// Whether it can be taken in. Label names are any non-empty UTF-8, as Alertmanager has it since 0.27.
    ///
    /// # Errors
    /// The first thing that is wrong, naming the field.
    pub fn check(&self) -> Result<(), BadEvent> {
        if self.labels.is_empty() && self.key.is_empty() {
            return Err(BadEvent::Nameless);
        }
        if self.key.len() > MAX_KEY_BYTES {
            return Err(BadEvent::TooLong {
                what: "key".into(),
                bytes: self.key.len(),
                limit: MAX_KEY_BYTES,
            });
        }
        for (what, set) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            check_set(what, set)?;
        }
        let texts =
            [("title", &self.title), ("link", &self.link), ("source", &self.source), ("key", &self.key)];
        for (what, text) in texts {
            if text.contains('\0') {
                return Err(BadEvent::NulByte { what: what.into() });
            }
            if text.len() > MAX_LABEL_VALUE_BYTES {
                let limit = MAX_LABEL_VALUE_BYTES;
                return Err(BadEvent::TooLong { what: what.into(), bytes: text.len(), limit });
            }
        }
        if let (Some(start), Some(end)) = (self.started_at, self.ends_at)
            && end < start
        {
            return Err(BadEvent::EndsBeforeStart { start, end });
        }
        Ok(())
    }

    /// The key that it goes by: its own, or its labels' fingerprint as 16 hexadecimal digits.
    pub fn effective_key(&self) -> String {
        if self.key.is_empty() { format!("{:016x}", self.labels.fingerprint()) } else { self.key.clone() }
    }
}

fn check_set(what: &str, set: &Labels) -> Result<(), BadEvent> {
    if set.len() > MAX_LABELS {
        return Err(BadEvent::TooMany { what: what.into(), count: set.len(), limit: MAX_LABELS });
    }
    for (name, value) in set.iter() {
        if name.is_empty() {
            return Err(BadEvent::EmptyName { what: what.into() });
        }
        if name.contains('\0') || value.contains('\0') {
            return Err(BadEvent::NulByte { what: format!("{what}.{}", name.replace('\0', "\\0")) });
        }
        if name.len() > MAX_LABEL_NAME_BYTES {
            let what = format!("a name in {what}");
            return Err(BadEvent::TooLong { what, bytes: name.len(), limit: MAX_LABEL_NAME_BYTES });
        }
        if value.len() > MAX_LABEL_VALUE_BYTES {
            let what = format!("{what}.{name}");
            return Err(BadEvent::TooLong { what, bytes: value.len(), limit: MAX_LABEL_VALUE_BYTES });
        }
    }
    Ok(())
}

/// Why an event cannot be taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEvent {
    /// Neither key nor labels.
    #[error("at least one label or a key is needed to know the event by")]
    Nameless,
    /// A label without a name.
    #[error("a name in {what} is empty")]
    EmptyName {
        /// The field.
        what: String,
    },
    /// A NUL, which PostgreSQL cannot keep in text.
    #[error("{what} contains a NUL byte")]
    NulByte {
        /// The field.
        what: String,
    },
    /// A text over its limit.
    #[error("{what} has {bytes} bytes, the limit is {limit}")]
    TooLong {
        /// The field.
        what: String,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A set over its limit.
    #[error("{what} has {count} entries, the limit is {limit}")]
    TooMany {
        /// The field.
        what: String,
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Over before it began.
    #[error("it ends at {end}, before it starts at {start}")]
    EndsBeforeStart {
        /// The start.
        start: Time,
        /// The end.
        end: Time,
    },
}

/// An event as remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its id, made on arrival.
    pub id: Id,
    /// Which door or integration it came through.
    pub source: String,
    /// What it is about.
    pub key: String,
    /// What it says.
    pub action: Action,
    /// How bad it is, where it says so.
    pub severity: Option<Severity>,
    /// One line for people; may be empty.
    pub title: String,
    /// What it is about, for routing and grouping.
    pub labels: Labels,
    /// More about it, for people.
    pub annotations: Labels,
    /// A link to where it came from; may be empty.
    pub link: String,
    /// When it began, as the sender says, or else when it arrived.
    pub started_at: Time,
    /// When it is over if nothing is heard until then.
    pub ends_at: Option<Time>,
    /// Whether that end is no word of the sender's, but how long it may be silent. Not remembered: what it
    /// means for the incident is.
    #[serde(default, skip_serializing)]
    pub times_out: bool,
    /// What its incident has besides. Not remembered here: the incident has it.
    #[serde(skip)]
    pub extra: Option<Box<Extra>>,
    /// As [`NewEvent::chain`]. Not remembered: its incident has it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub chain: u32,
    /// When it arrived.
    pub arrived_at: Time,
}

impl Event {
    /// What a door handed in, with an id and a time of arrival. A raise whose end has passed is a clear.
    pub fn arrive(new: NewEvent, id: Id, at: Time) -> Self {
        let key = new.effective_key();
        let times_out = new.ends_at.is_none() && new.resolve_after.is_some();
        let ends_at = new.ends_at.or(new.resolve_after.map(|span| at + span));
        let over = new.action == Action::Raise && ends_at.is_some_and(|end| end <= at);
        let action = if over { Action::Clear } else { new.action };
        let severity = new.severity.or_else(|| new.labels.get("severity").and_then(Severity::from_word));
        let start = new.started_at.unwrap_or(at);
        Event {
            id,
            source: new.source,
            key,
            action,
            severity,
            title: new.title,
            labels: new.labels,
            annotations: new.annotations,
            link: new.link,
            started_at: ends_at.map_or(start, |end| start.min(end)),
            ends_at,
            times_out,
            extra: new.extra,
            chain: new.chain,
            arrived_at: at,
        }
    }
}

/// Whether there are none of what is counted, which then need not be written.
pub(crate) fn is_none(count: &u32) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Labels {
        [("alertname", "DiskFull")].into_iter().collect()
    }

    #[test]
    fn a_raise_whose_end_has_passed_is_a_clear() {
        let mut new = NewEvent::raise("test", labels());
        new.ends_at = Some(Time::from_seconds(100));
        let at = |second| Event::arrive(new.clone(), Id(1), Time::from_seconds(second)).action;
        assert_eq!((at(99), at(100)), (Action::Raise, Action::Clear));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mut new = NewEvent::raise("test", Labels::new());
        assert_eq!(new.check(), Err(BadEvent::Nameless));
        new.labels.set("", "x");
        assert_eq!(new.check().unwrap_err().to_string(), "a name in labels is empty");
        new.labels = (0..10_000).map(|n| (format!("l{n}"), "v")).collect();
        assert_eq!(new.check().unwrap_err().to_string(), "labels has 10000 entries, the limit is 256");
        new.labels = labels();
        new.annotations.set("summary", "x".repeat(70_000));
        assert!(new.check().unwrap_err().to_string().starts_with("annotations.summary has 70000 bytes"));
    }
}
