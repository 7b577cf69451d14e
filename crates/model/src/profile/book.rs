//! All profiles there are, filed by what they ask for.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Filter, Miss, Person, Profile, Subject, Timeslot};
use crate::id::Id;
use crate::time::Time;
use crate::weekly::Weekly;
use crate::zone::Zone;

/// All profiles there are. It is made once for each change of them, and asked for each event.
///
/// Filters that say the same are one, and are filed under something that they insist on: a tag, a label, a source or
/// its type. So an event is held only against the filters filed under what it has, and the few that insist on nothing.
#[derive(Debug, Default)]
pub struct Book {
    profiles: Vec<Entry>,
    people: HashMap<Id, Person>,
    /// Hours by a clock: those of many people are the same.
    slots: Vec<(Weekly, Zone)>,
    filters: Vec<Filed>,
    by_source: HashMap<i64, Vec<usize>>,
    by_type: HashMap<String, Vec<usize>>,
    by_pair: HashMap<String, HashMap<String, Vec<usize>>>,
    unfiled: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    profile: Profile,
    /// Where its hours are among the slots; `None` when its timeslot is not there.
    slot: Option<usize>,
    /// Those of its filters that are there, with their places among all.
    filters: Vec<(Id, usize)>,
}

/// A filter, with the places of the profiles that have it and which of theirs it is.
#[derive(Debug)]
struct Filed {
    filter: Filter,
    used_by: Vec<(usize, usize)>,
}

/// Whether a profile tells something, and if not, why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It does.
    Told {
        /// The first of its filters that takes it.
        filter: Id,
    },
    /// It is not in use.
    Inactive,
    /// It has no filter, or only some that are not there any more.
    NoFilter,
    /// None of its filters takes it; [`Book::misses`] says why.
    NoFilterFits,
    /// Its timeslot is not there any more.
    NoTimeslot,
    /// Its timeslot does not hold.
    OutsideTimeslot,
    /// It has no destination.
    NoDestination,
    /// Its person is left alone at this hour.
    Quiet,
}

/// A destination that is told, once, however many profiles say so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Which.
    pub destination: Id,
    /// Whose profiles say so.
    pub owner: Id,
    /// The profiles that say so.
    pub profiles: Vec<Id>,
    /// For how many minutes it may wait for others; the least that any of the profiles says, zero: it is told at once.
    pub digest_minutes: u32,
}

/// What all profiles say to one event.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Evaluation {
    /// Who is told.
    pub told: Vec<Told>,
    /// Who would be, were it not their quiet hour.
    pub quiet: Vec<Told>,
    /// Each profile, in the order in which they were given, with what it says.
    pub verdicts: Vec<(Id, Verdict)>,
}

impl Book {
    /// Files these profiles. What they refer to is looked up by id.
    pub fn new(
        profiles: Vec<Profile>,
        timeslots: &HashMap<Id, Timeslot>,
        filters: &HashMap<Id, Filter>,
        people: HashMap<Id, Person>,
    ) -> Book {
        let mut book = Book { people, ..Book::default() };
        let (mut slots, mut known, mut by_id) = (HashMap::new(), HashMap::new(), HashMap::new());
        for (place, profile) in profiles.into_iter().enumerate() {
            let zone = book.people.get(&profile.owner).map(|person| person.zone.clone()).unwrap_or_default();
            let slot = timeslots.get(&profile.timeslot).map(|slot| {
                *slots.entry((slot.windows.clone(), zone.name().to_owned())).or_insert_with(|| {
                    book.slots.push((slot.windows.clone(), zone));
                    book.slots.len() - 1
                })
            });
            let mut own = Vec::with_capacity(profile.filters.len());
            for id in &profile.filters {
                let Some(filter) = filters.get(id) else { continue };
                let at = *by_id.entry(*id).or_insert_with(|| {
                    // written alike is meant alike; what cannot be written is nobody else's
                    let written = serde_json::to_string(filter).unwrap_or_else(|_| id.to_string());
                    *known.entry(written).or_insert_with(|| book.file(filter.clone()))
                });
                book.filters[at].used_by.push((place, own.len()));
                own.push((*id, at));
            }
            book.profiles.push(Entry { profile, slot, filters: own });
        }
        book
    }

    fn file(&mut self, filter: Filter) -> usize {
        let at = self.filters.len();
        let tags = filter.tags_by_key();
        if let Some((key, values)) = tags.iter().min_by_key(|(_, values)| values.len()) {
            let of_key = self.by_pair.entry((*key).to_owned()).or_default();
            for value in values {
                of_key.entry((*value).to_owned()).or_default().push(at);
            }
        } else if let Some(matcher) = filter.equal_matchers().max_by_key(|it| it.value.len()) {
            // the longest value is the most telling one: an instance rather than a severity
            let of_name = self.by_pair.entry(matcher.name.clone()).or_default();
            of_name.entry(matcher.value.clone()).or_default().push(at);
        } else if !filter.sources.is_empty() {
            filter.sources.iter().for_each(|source| self.by_source.entry(*source).or_default().push(at));
        } else if !filter.source_types.is_empty() {
            let types = filter.source_types.iter().map(|it| it.to_ascii_lowercase());
            types.for_each(|it| self.by_type.entry(it).or_default().push(at));
        } else {
            self.unfiled.push(at);
        }
        self.filters.push(Filed { filter, used_by: Vec::new() });
        at
    }

    /// The profiles, in the order in which they were given.
    pub fn profiles(&self) -> impl ExactSizeIterator<Item = &Profile> {
        self.profiles.iter().map(|entry| &entry.profile)
    }

    /// For each profile the first of its filters that takes it.
    fn fitting(&self, subject: &Subject<'_>) -> Vec<Option<usize>> {
        let pairs = subject.labels.iter().chain(subject.tags.iter().map(|tag| (&*tag.key, &*tag.value)));
        let by_pair = pairs.filter_map(|(key, value)| self.by_pair.get(key)?.get(value)).flatten();
        let by_source = subject.source.and_then(|source| self.by_source.get(&source)).into_iter().flatten();
        let by_type = self.by_type.get(&subject.source_type.to_ascii_lowercase()).into_iter().flatten();
        let candidates = by_pair.chain(by_source).chain(by_type).chain(&self.unfiled);
        let mut fits: Vec<Option<usize>> = vec![None; self.profiles.len()];
        for Filed { filter, used_by } in candidates.map(|n| &self.filters[*n]) {
            if filter.takes(subject) {
                for (place, which) in used_by {
                    fits[*place] = Some(fits[*place].map_or(*which, |other| other.min(*which)));
                }
            }
        }
        fits
    }

    /// What all profiles say to this, at this time: who is told, and of each profile why, or why not.
    ///
    /// Takes a few steps for each profile, and looks at those filters that are filed under something the subject has.
    pub fn evaluate(&self, subject: &Subject<'_>, at: Time) -> Evaluation {
        let fits = self.fitting(subject);
        let mut holds: Vec<Option<bool>> = vec![None; self.slots.len()];
        let mut evaluation = Evaluation::default();
        evaluation.verdicts.reserve_exact(self.profiles.len());
        let (mut told, mut quiet) = (HashMap::new(), HashMap::new());
        for (entry, fitting) in self.profiles.iter().zip(fits) {
            let in_slot = |slot: usize| {
                let (windows, zone) = &self.slots[slot];
                *holds[slot].get_or_insert_with(|| windows.contains(zone, at))
            };
            let verdict = self.verdict(entry, fitting, subject, at, in_slot);
            evaluation.verdicts.push((entry.profile.id, verdict));
            match verdict {
                Verdict::Told { .. } => join(&mut evaluation.told, &mut told, &entry.profile),
                Verdict::Quiet => join(&mut evaluation.quiet, &mut quiet, &entry.profile),
                _ => {}
            }
        }
        evaluation
    }

    fn verdict(
        &self,
        Entry { profile, slot, filters }: &Entry,
        fitting: Option<usize>,
        subject: &Subject<'_>,
        at: Time,
        in_slot: impl FnOnce(usize) -> bool,
    ) -> Verdict {
        if !profile.active {
            return Verdict::Inactive;
        }
        let Some((filter, _)) = fitting.map(|which| filters[which]) else {
            return if filters.is_empty() { Verdict::NoFilter } else { Verdict::NoFilterFits };
        };
        match slot.map(in_slot) {
            None => return Verdict::NoTimeslot,
            Some(false) => return Verdict::OutsideTimeslot,
            Some(true) => {}
        }
        match () {
            () if profile.destinations.is_empty() => Verdict::NoDestination,
            () if self.is_left_alone(profile.owner, subject, at) => Verdict::Quiet,
            () => Verdict::Told { filter },
        }
    }

    /// Of each filter of a profile the part that does not fit; `None` where the filter takes it.
    pub fn misses(&self, profile: Id, subject: &Subject<'_>) -> Vec<(Id, Option<Miss>)> {
        let entry = self.profiles.iter().find(|entry| entry.profile.id == profile);
        let filters = entry.into_iter().flat_map(|entry| &entry.filters);
        filters.map(|(id, at)| (*id, self.filters[*at].filter.miss(subject))).collect()
    }

    /// What holds for all profiles of somebody.
    pub fn person(&self, owner: Id) -> Option<&Person> {
        self.people.get(&owner)
    }

    fn is_left_alone(&self, owner: Id, subject: &Subject<'_>, at: Time) -> bool {
        self.person(owner).is_some_and(|person| person.is_left_alone(subject.severity, at))
    }
}

/// Adds the destinations of a profile to those that others have named.
fn join(all: &mut Vec<Told>, places: &mut HashMap<Id, usize>, profile: &Profile) {
    for destination in &profile.destinations {
        let place = *places.entry(*destination).or_insert_with(|| {
            all.push(Told {
                destination: *destination,
                owner: profile.owner,
                profiles: Vec::new(),
                digest_minutes: profile.digest_minutes,
            });
            all.len() - 1
        });
        let told = &mut all[place];
        told.digest_minutes = told.digest_minutes.min(profile.digest_minutes);
        if told.profiles.last() != Some(&profile.id) {
            told.profiles.push(profile.id);
        }
    }
}
