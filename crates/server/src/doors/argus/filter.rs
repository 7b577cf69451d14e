//! What lists of incidents are asked for: every parameter that Argus has for them.

use std::collections::BTreeMap;

use model::profile::{self, Subject, tags_of};
use model::{Id, Incident, Time};

use super::fields::{check_tag, read_time};
use super::mapping::{self, End};
use super::refused::Refused;
use crate::query::Query;
use crate::sources::Book;

/// Values that one parameter may list.
const MAX_VALUES: usize = 1000;

/// What is asked for; what is not given is `None` or empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub open: Option<bool>,
    acked: Option<bool>,
    stateful: Option<bool>,
    ticket: Option<bool>,
    hide_closed_acked: bool,
    token_expiry: Option<bool>,
    /// Values by key: of each key, one.
    tags: BTreeMap<String, Vec<String>>,
    level_at_most: Option<i64>,
    minutes_at_least: Option<i64>,
    pub ids: Option<Vec<Id>>,
    pub sources: Option<Vec<i64>>,
    source_names: Option<Vec<String>>,
    source_kinds: Option<Vec<String>>,
    /// What its source calls it.
    pub name: Option<String>,
    started: Span,
    ended: Span,
    has_no_end: Option<bool>,
    search: String,
    /// Filters that somebody keeps: of each list, one must take it.
    pub kept: Vec<Vec<profile::Filter>>,
}

/// From a time until a time.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    from: Option<Time>,
    until: Option<Time>,
}

impl Span {
    fn holds(self, at: Time) -> bool {
        self.from.is_none_or(|from| at >= from) && self.until.is_none_or(|until| at <= until)
    }

    fn is_given(self) -> bool {
        self.from.is_some() || self.until.is_some()
    }
}

impl Filter {
    /// Reads the parameters. As with Argus, those that nobody knows are overlooked; those of sources and levels are
    /// where only the source that asks is meant.
    ///
    /// # Errors
    /// 400 for one that cannot be read.
    pub fn read(query: &Query, mine: bool) -> Result<Filter, Refused> {
        let mut filter = Filter {
            open: boolean(query, "open")?,
            acked: boolean(query, "acked")?,
            stateful: boolean(query, "stateful")?,
            ticket: boolean(query, "ticket")?,
            hide_closed_acked: boolean(query, "hide_closed_acked")?.unwrap_or(false),
            token_expiry: boolean(query, "token_expiry")?,
            tags: tags(query)?,
            minutes_at_least: number(query, "duration__gte")?,
            ids: numbers(query, "id__in")?.map(|ids| ids.into_iter().map(Id).collect()),
            name: given(query, "source_incident_id").map(str::to_owned),
            started: span(query, "start_time__gte", "start_time__lte")?,
            ended: span(query, "end_time__gte", "end_time__lte")?,
            has_no_end: boolean(query, "end_time__isnull")?,
            search: query.last("search").unwrap_or_default().trim().to_lowercase(),
            ..Filter::default()
        };
        if !mine {
            filter.level_at_most = number(query, "level__lte")?;
            filter.sources = numbers(query, "source__id__in")?;
            filter.source_names = words(query, "source__name__in")?;
            filter.source_kinds = words(query, "source__type__in")?;
        }
        Ok(filter)
    }

    /// Whether an incident is asked for.
    pub fn takes(&self, it: &Incident, book: &Book, now: Time) -> bool {
        let is = |want: Option<bool>, have: bool| want.is_none_or(|want| want == have);
        let more = it.more();
        is(self.open, it.is_open())
            && is(self.acked, it.is_acknowledged(now))
            && is(self.stateful, !more.stateless)
            && is(self.ticket, !more.ticket_url.is_empty())
            && is(self.has_no_end, more.stateless)
            && is(self.token_expiry, has_tag(it, "problem_type", "token_expiry"))
            && !(self.hide_closed_acked && !it.is_open() && it.is_acknowledged(now))
            && self.level_at_most.is_none_or(|level| it.severity.level() <= level)
            && self.ids.as_ref().is_none_or(|ids| ids.contains(&it.id))
            && self.sources.as_ref().is_none_or(|sources| sources.contains(&it.source_number()))
            && self.name.as_ref().is_none_or(|name| *name == more.name)
            && self.started.holds(it.started_at)
            && self.takes_end(it, now)
            && self.takes_source(it, book)
            && self.tags.iter().all(|(key, values)| values.iter().any(|value| has_tag(it, key, value)))
            && self.kept.iter().all(|filters| takes_any(filters, it, now))
            && self.finds(it)
    }

    fn takes_end(&self, it: &Incident, now: Time) -> bool {
        let end = match mapping::end(it) {
            End::Stateless => return !self.ended.is_given() && self.minutes_at_least.is_none(),
            End::Open => Time::MAX,
            End::At(at) => at,
        };
        let minutes = end.min(now).since(it.started_at).as_secs() / 60;
        let long_enough = |least: i64| i64::try_from(minutes).unwrap_or(i64::MAX) >= least;
        self.ended.holds(end) && self.minutes_at_least.is_none_or(long_enough)
    }

    fn takes_source(&self, it: &Incident, book: &Book) -> bool {
        let known = it.more().source.and_then(|id| book.get(id));
        let name = known.map_or(it.source.as_str(), |entry| entry.source.name.as_str());
        let kind = known.map_or(it.source_kind(), |entry| entry.source.kind.as_str());
        self.source_names.as_ref().is_none_or(|names| names.iter().any(|it| it == name))
            && self
                .source_kinds
                .as_ref()
                .is_none_or(|kinds| kinds.iter().any(|it| it.eq_ignore_ascii_case(kind)))
    }

    fn finds(&self, it: &Incident) -> bool {
        let holds = |text: &str| text.to_lowercase().contains(&self.search);
        self.search.is_empty()
            || holds(it.description())
            || holds(&it.more().name)
            || it.labels.iter().any(|(_, value)| holds(value))
            || it.more().tags.iter().any(|tag| holds(&tag.tag))
    }
}

/// The same that decides what notification profiles tell.
fn takes_any(filters: &[profile::Filter], it: &Incident, now: Time) -> bool {
    let tags = tags_of(it);
    profile::Filter::any(filters, &Subject::of(it, &tags, None, now))
}

/// Whether an incident has a tag; a label is one.
fn has_tag(it: &Incident, key: &str, value: &str) -> bool {
    let added = it.more().tags.iter().any(|tag| tag.tag.split_once('=') == Some((key, value)));
    added || (it.more().source.is_none() && it.labels.get(key) == Some(value))
}

fn given<'a>(query: &'a Query, name: &str) -> Option<&'a str> {
    query.last(name).filter(|text| !text.is_empty())
}

fn boolean(query: &Query, name: &str) -> Result<Option<bool>, Refused> {
    let Some(text) = given(query, name) else { return Ok(None) };
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(Some(true)),
        "false" | "0" | "no" => Ok(Some(false)),
        _ => Err(Refused::field(name, format!("{text:?} is neither true nor false"))),
    }
}

fn number(query: &Query, name: &str) -> Result<Option<i64>, Refused> {
    let wrong = |text: &str| Refused::field(name, format!("{text:?} is not a whole number"));
    given(query, name).map(|text| text.trim().parse().map_err(|_| wrong(text))).transpose()
}

/// Values that are separated by commas, or given one by one.
fn words(query: &Query, name: &str) -> Result<Option<Vec<String>>, Refused> {
    let all = query.all(name).flat_map(|text| text.split(',')).map(str::trim);
    let all: Vec<String> = all.filter(|word| !word.is_empty()).map(str::to_owned).collect();
    if all.len() > MAX_VALUES {
        return Err(Refused::field(name, format!("lists {} values, the limit is {MAX_VALUES}", all.len())));
    }
    Ok((!all.is_empty()).then_some(all))
}

fn numbers(query: &Query, name: &str) -> Result<Option<Vec<i64>>, Refused> {
    let wrong = |word: &String| Refused::field(name, format!("{word:?} is not a whole number"));
    let read = |words: Vec<String>| words.iter().map(|it| it.parse().map_err(|_| wrong(it))).collect();
    words(query, name)?.map(read).transpose()
}

fn span(query: &Query, from: &str, until: &str) -> Result<Span, Refused> {
    let time = |name: &str| {
        let wrong =
            |text: &str| Refused::field(name, format!("{text:?} is not a time like 2026-01-31T12:00:00Z"));
        // a plus sign that was not encoded is read as a blank
        let text = given(query, name).map(|text| match text.rsplit_once(' ') {
            Some((time, zone)) if time.contains('T') => format!("{time}+{zone}"),
            _ => text.to_owned(),
        });
        text.map(|text| {
            if text == mapping::INFINITY {
                Ok(Time::MAX)
            } else {
                read_time(&text).ok_or_else(|| wrong(&text))
            }
        })
        .transpose()
    };
    Ok(Span { from: time(from)?, until: time(until)? })
}

fn tags(query: &Query) -> Result<BTreeMap<String, Vec<String>>, Refused> {
    let mut tags: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for word in words(query, "tags")?.unwrap_or_default() {
        let wrong = || check_tag(&word).err().unwrap_or_default();
        let (key, value) = word.split_once('=').ok_or_else(|| Refused::field("tags", wrong()))?;
        tags.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    Ok(tags)
}
