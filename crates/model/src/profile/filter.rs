//! Filters: which incidents, and which of their events.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{EventType, MAX_FILTER_VALUES};
use crate::condition::Condition;
use crate::labels::Labels;
use crate::limits::MAX_MATCHERS;
use crate::matcher::{Matcher, Matchers};
use crate::refusal::{self, Refusal};
use crate::severity::Severity;

/// So many tags are looked for without taking any memory.
const FEW_TAGS: usize = 8;

/// `key=value`: what an incident is tagged with. A label is a tag as well.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// What comes before the first `=`; never empty when it was read.
    pub key: String,
    /// What comes after it; may be empty.
    pub value: String,
}

/// A text that is no [`Tag`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no tag; write key=value")]
pub struct BadTag(String);

impl FromStr for Tag {
    type Err = BadTag;

    fn from_str(text: &str) -> Result<Self, BadTag> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Tag { key: key.to_owned(), value: value.to_owned() }),
            _ => Err(BadTag(text.chars().take(40).collect())),
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Which incidents, and which of their events. All parts that are given must fit; a filter in which none is given takes
/// nothing. The fields are public so that a list of incidents can be narrowed by those that a database knows.
///
/// The first nine parts are Argus', which means two things by `tags`, one when it notifies and another when it lists.
/// Here it is one: of tags with the same key one must be there, of each key.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Numbers of sources, of which it must be one.
    #[serde(rename = "sourceSystemIds", deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<i64>,
    /// Types of sources, of which it must be one, in upper or lower case.
    #[serde(deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub source_types: Vec<String>,
    /// Tags: one of each key.
    #[serde(deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Whether it is still wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    /// Whether somebody has taken it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acked: Option<bool>,
    /// Whether it is something that has an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stateful: Option<bool>,
    /// The mildest that it may be. Written as Argus' level, where 1 is the worst.
    #[serde(with = "crate::severity::level", skip_serializing_if = "Option::is_none")]
    pub maxlevel: Option<Severity>,
    /// Types of events, of which it must be one. Incidents that are listed have none: they are taken when one of
    /// their events could be.
    #[serde(deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub event_types: Vec<EventType>,
    /// Leaves out what is over and was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hide_closed_acked: Option<bool>,
    /// Matchers of its labels, all of which must match.
    #[serde(skip_serializing_if = "no_matchers")]
    pub matchers: Matchers,
    /// A condition that must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// Whether others may use it, too. It says nothing about incidents.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub public: bool,
    /// What this takes is left out. It may not have an `exclude` of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude: Option<Box<Filter>>,
}

/// Other systems write `null` for a list that is not given.
fn or_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn no_matchers(matchers: &Matchers) -> bool {
    matchers.0.is_empty()
}

/// What a filter is asked about: an incident as it stands, and the event that there is to tell.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The number of its source, where it has one.
    pub source: Option<i64>,
    /// The type of its source; may be empty.
    pub source_type: &'a str,
    /// Its labels, which are tags, too.
    pub labels: &'a Labels,
    /// Tags beside the labels: of one key there may be several.
    pub tags: &'a [Tag],
    /// How bad it is.
    pub severity: Severity,
    /// Whether it is still wrong.
    pub open: bool,
    /// Whether somebody has taken it.
    pub acked: bool,
    /// Whether it is something that has an end.
    pub stateful: bool,
    /// What there is to tell; `None` where incidents are listed.
    pub event: Option<EventType>,
}

impl Subject<'_> {
    fn has(&self, tag: &Tag) -> bool {
        self.labels.get(&tag.key) == Some(&tag.value) || self.tags.contains(tag)
    }
}

/// The part of a filter that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Miss {
    /// No part is given, so it takes nothing.
    Empty,
    /// It comes from another source.
    Source,
    /// It comes from a source of another type.
    SourceType,
    /// Of some key it has no tag that is asked for.
    Tag,
    /// It is over, or it is not.
    Open,
    /// Somebody has taken it, or nobody has.
    Acked,
    /// It has an end, or none.
    Stateful,
    /// It is not so bad.
    Level,
    /// It is an event of another type.
    EventType,
    /// It is over and was taken.
    ClosedAcked,
    /// A matcher does not match.
    Matcher,
    /// The condition does not hold.
    Condition,
    /// It is excluded.
    Excluded,
}

impl Miss {
    /// What does not fit, in words.
    pub fn words(self) -> &'static str {
        match self {
            Miss::Empty => "no part of it is given",
            Miss::Source => "sourceSystemIds: it comes from another source",
            Miss::SourceType => "source_types: its source is of another type",
            Miss::Tag => "tags: of some key it has none that is asked for",
            Miss::Open => "open: it was over, or it was not",
            Miss::Acked => "acked: somebody had taken it, or nobody had",
            Miss::Stateful => "stateful: it has an end, or none",
            Miss::Level => "maxlevel: it was not so bad",
            Miss::EventType => "event_types: it was an event of another type",
            Miss::ClosedAcked => "hide_closed_acked: it was over and taken",
            Miss::Matcher => "matchers: one does not match",
            Miss::Condition => "condition: it does not hold",
            Miss::Excluded => "exclude: it is excluded",
        }
    }
}

impl Filter {
    /// Whether no part is given: such a filter takes nothing.
    pub fn is_empty(&self) -> bool {
        let Filter { sources, source_types, tags, open, acked, stateful, maxlevel, event_types, .. } = self;
        sources.is_empty()
            && source_types.is_empty()
            && tags.is_empty()
            && [open, acked, stateful].iter().all(|it| it.is_none())
            && maxlevel.is_none()
            && event_types.is_empty()
            && !self.hide_closed_acked.unwrap_or_default()
            && self.matchers.0.is_empty()
            && self.condition.is_none()
            && self.exclude.as_ref().is_none_or(|exclude| exclude.is_empty())
    }

    /// Whether it takes this. What notifies, what is listed and what a preview shows is all decided here.
    pub fn takes(&self, subject: &Subject<'_>) -> bool {
        self.miss(subject).is_none()
    }

    /// Whether any of these filters takes this: profiles and previews with several filters mean their union.
    pub fn any<'f>(filters: impl IntoIterator<Item = &'f Filter>, subject: &Subject<'_>) -> bool {
        filters.into_iter().any(|filter| filter.takes(subject))
    }

    /// The first part that does not fit; `None` when it takes this. What costs least is asked first.
    pub fn miss(&self, subject: &Subject<'_>) -> Option<Miss> {
        let other = |want: Option<bool>, have: bool| want.is_some_and(|want| want != have);
        let out_of =
            |among: &[i64], it: Option<i64>| !among.is_empty() && !it.is_some_and(|it| among.contains(&it));
        Some(match () {
            () if self.maxlevel.is_some_and(|least| subject.severity < least) => Miss::Level,
            () if other(self.open, subject.open) => Miss::Open,
            () if other(self.acked, subject.acked) => Miss::Acked,
            () if other(self.stateful, subject.stateful) => Miss::Stateful,
            () if self.hide_closed_acked == Some(true) && !subject.open && subject.acked => Miss::ClosedAcked,
            () if self.is_other_event(subject) => Miss::EventType,
            () if out_of(&self.sources, subject.source) => Miss::Source,
            () if self.is_other_type(subject) => Miss::SourceType,
            () if !self.has_one_of_each_key(subject) => Miss::Tag,
            () if !self.matchers.matches(subject.labels) => Miss::Matcher,
            () if self.is_empty() => Miss::Empty,
            () if self.condition.as_ref().is_some_and(|it| !it.holds(subject.labels, subject.severity)) => {
                Miss::Condition
            }
            () if self.exclude.as_ref().is_some_and(|it| it.excludes(subject)) => Miss::Excluded,
            () => return None,
        })
    }

    fn is_other_event(&self, subject: &Subject<'_>) -> bool {
        let among = &self.event_types;
        !among.is_empty() && subject.event.is_some_and(|event| !among.contains(&event))
    }

    fn is_other_type(&self, subject: &Subject<'_>) -> bool {
        let among = &self.source_types;
        !among.is_empty() && !among.iter().any(|it| it.eq_ignore_ascii_case(subject.source_type))
    }

    fn has_one_of_each_key(&self, subject: &Subject<'_>) -> bool {
        if self.tags.len() <= FEW_TAGS {
            let has = |key: &str| self.tags.iter().any(|tag| tag.key == key && subject.has(tag));
            return self.tags.iter().all(|tag| has(&tag.key));
        }
        // each is looked for once: somebody's thousand tags must not keep everybody waiting
        let mut keys: HashMap<&str, bool> = HashMap::new();
        for tag in &self.tags {
            let found = keys.entry(&tag.key).or_default();
            *found = *found || subject.has(tag);
        }
        keys.into_values().all(|found| found)
    }

    /// One that leaves out some events of an incident leaves it in a list, for the sake of the others.
    fn excludes(&self, subject: &Subject<'_>) -> bool {
        (subject.event.is_some() || self.event_types.is_empty()) && self.takes(subject)
    }

    /// The tags by key: of each of these lists one must be there.
    pub fn tags_by_key(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut keys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for tag in &self.tags {
            keys.entry(&tag.key).or_default().push(&tag.value);
        }
        keys
    }

    /// The matchers that ask for exactly one value, which an index or a database can look up.
    pub fn equal_matchers(&self) -> impl Iterator<Item = &Matcher> {
        self.matchers.0.iter().filter(|it| it.is_equal() && !it.is_regex() && !it.value.is_empty())
    }

    /// Whether it can be used. One that is empty can, and takes nothing.
    ///
    /// # Errors
    /// The first thing that is wrong, naming the field.
    pub fn check(&self) -> Result<(), Refusal> {
        let lists = [
            ("sourceSystemIds", self.sources.len(), MAX_FILTER_VALUES),
            ("source_types", self.source_types.len(), MAX_FILTER_VALUES),
            ("tags", self.tags.len(), MAX_FILTER_VALUES),
            ("event_types", self.event_types.len(), MAX_FILTER_VALUES),
            ("matchers", self.matchers.0.len(), MAX_MATCHERS),
        ];
        lists.into_iter().try_for_each(|(field, count, limit)| refusal::at_most(field, count, limit))?;
        match &self.exclude {
            Some(exclude) if exclude.exclude.is_some() => Err(Refusal::new(
                "exclude.exclude",
                "what is excluded cannot be included again; write another filter",
            )),
            Some(exclude) => exclude.check().map_err(|bad| bad.within("exclude")),
            None => Ok(()),
        }
    }
}
