//! "Why was I (not) told?", asked for one person: what their profiles said to each event of an incident, by the
//! evaluator that tells and with what was defined at that moment, what came of it, and whom its policy pages.

use std::collections::HashMap;

use model::account::User;
use model::delivery::{Attempt, Delivery, DeliveryState};
use model::incident::ChangeKind;
use model::maintenance::Maintenance;
use model::notification::Reason;
use model::profile::{Book, EventType, Filter, Miss, Profile, Subject, Timeslot, Verdict, tags_of};
use model::{Id, Reach, Time};
use store::definitions::{Definition, Kind};
use store::ledger::Line;
use store::{Result, Tx, past};

use super::Record;
use super::pages::{self, PageStep};
use crate::core::Core;

/// Lines of a timeline that are looked at.
const LINES: i64 = 1000;
/// Events that are explained, the last ones.
const MOST_MOMENTS: usize = 20;

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Personal {
    /// Whom it is about.
    pub user: User,
    /// The time that was asked for.
    pub at: Option<Time>,
    /// What their profiles said, event by event.
    pub moments: Vec<Moment>,
    /// Whom the incident's policy pages, step by step.
    pub pages: Vec<PageStep>,
    /// When they were paged, as the ledger has it.
    pub paged: Vec<Line>,
    /// The messages by which they were, oldest first.
    pub calls: Vec<Call>,
    /// Who took it, when, as the ledger has it: whoever was to be paged after that was not.
    pub taken: Vec<Line>,
    /// Where they can be told something now.
    pub destinations: Vec<Reachable>,
    /// What waits for them.
    pub waiting: Vec<Waiting>,
}

/// An event of an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// When.
    pub at: Time,
    /// What kind of event.
    pub event: EventType,
    /// The planned maintenance that covered it then.
    pub maintenance: Option<String>,
    /// Whether it was a quiet hour of theirs, for something so bad.
    pub quiet: bool,
    /// What each of their profiles said.
    pub profiles: Vec<Said>,
}

/// What a profile said.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Which.
    pub id: Id,
    /// What it was called.
    pub name: String,
    /// What it said.
    pub verdict: Verdict,
    /// Its filters with their names, and the part of each that did not fit.
    pub filters: Vec<(Id, String, Option<Miss>)>,
    /// Its timeslot, by name.
    pub timeslot: Option<String>,
    /// For how many minutes it collected.
    pub digest_minutes: u32,
    /// Its destinations as deliveries call them, and what came of it there, as it is recorded.
    pub became: Vec<(String, Vec<String>)>,
}

impl Said {
    /// Whether it wanted its person told, then or when the quiet hour ends.
    pub fn wanted(&self) -> bool {
        matches!(self.verdict, Verdict::Told { .. } | Verdict::Quiet)
    }
}

/// A message by which somebody was paged.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// When it was written.
    pub at: Time,
    /// Where it went, as its owner calls it.
    pub name: String,
    /// Which.
    pub delivery: Id,
    /// What became of it.
    pub state: DeliveryState,
    /// After how many tries.
    pub tries: usize,
}

/// Where somebody can be told something.
#[derive(Clone, Debug, PartialEq)]
pub struct Reachable {
    /// As deliveries call it.
    pub place: String,
    /// As its owner calls it.
    pub name: String,
    /// Why it cannot be used; nothing: it can.
    pub why_not: Option<String>,
}

/// Something that is collected for somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// Where.
    pub place: String,
    /// Until when.
    pub until: Time,
}

/// Explains an incident to somebody.
pub(super) fn explain(
    core: &Core,
    tx: &mut Tx<'_>,
    record: &Record<'_>,
    user: User,
    at: Option<Time>,
    now: Time,
) -> Result<Personal> {
    let timeline = store::ledger::timeline(tx, record.incident.id, LINES)?;
    let people = core.people(tx)?;
    let own = people.destinations_of(user.id);
    let mut events: Vec<(Time, EventType)> = timeline
        .iter()
        .filter(|line| at.is_none_or(|at| line.at <= at))
        .filter_map(|line| Some((line.at, EventType::at(record.incident, &line.change)?)))
        .collect();
    if let (Some(_), Some((last, _))) = (at, events.last().copied()) {
        events.retain(|(at, _)| *at == last);
    }
    let events = events.split_off(events.len().saturating_sub(MOST_MOMENTS));
    let mut moments = Vec::new();
    for (at, event) in events {
        moments.push(moment(tx, record, &timeline, &user, (at, event))?);
    }
    let theirs = |place: &str| own.iter().any(|(id, _)| people.called(*id) == place);
    let waiting = store::digests::of_incident(tx, record.incident.id)?.into_iter();
    let waiting = waiting.filter(|(it, _)| theirs(&it.place));
    let named = |line: &&Line| {
        line.change.kind == ChangeKind::Paged
            && line.change.detail.split([' ', ',']).next() == Some(user.name.as_str())
    };
    let is_taken = |line: &&Line| line.change.kind == ChangeKind::Acknowledged;
    let calls = own.iter().flat_map(|(id, name)| calls(record, &people.called(*id), name));
    let mut calls: Vec<Call> = calls.collect();
    calls.sort_by_key(|it| (it.at, it.delivery));
    let reachable = own.iter().map(|(id, name)| Reachable {
        place: people.called(*id),
        name: name.clone(),
        why_not: people.usable_place(*id).err(),
    });
    Ok(Personal {
        at,
        moments,
        pages: pages::steps(tx, record, &people, &user, at, now)?,
        paged: timeline.iter().filter(named).cloned().collect(),
        calls,
        taken: timeline.iter().filter(is_taken).cloned().collect(),
        destinations: reachable.collect(),
        waiting: waiting.map(|(it, until)| Waiting { place: it.place, until }).collect(),
        user,
    })
}

/// The pages that went to a place.
fn calls(record: &Record<'_>, place: &str, name: &str) -> Vec<Call> {
    let pages =
        record.deliveries.iter().filter(|(it, _)| it.reason == Reason::Paged && it.destination == place);
    let call = |(it, attempts): &(Delivery, Vec<Attempt>)| Call {
        at: it.created_at,
        name: name.to_owned(),
        delivery: it.id,
        state: it.state,
        tries: attempts.len(),
    };
    pages.map(call).collect()
}

/// What somebody had defined at a time, as the evaluator has it.
struct Then {
    book: Book,
    profiles: Vec<Definition<Profile>>,
    filters: HashMap<Id, String>,
    timeslots: HashMap<Id, String>,
}

impl Then {
    fn read(tx: &mut Tx<'_>, user: &User, at: Time) -> Result<Then> {
        let (user, account) = (user.id, user.zone());
        let profiles = past::definitions::<Profile>(tx, Kind::Profile, Some(user), at)?;
        let (mut filters, mut timeslots) = (HashMap::new(), HashMap::new());
        let (mut names, mut slot_names) = (HashMap::new(), HashMap::new());
        for profile in profiles.iter().map(|it| &it.body) {
            for id in &profile.filters {
                if let Some(it) = past::definition::<Filter>(tx, Kind::Filter, *id, at)? {
                    names.insert(*id, it.name);
                    filters.insert(*id, it.body);
                }
            }
            if let Some(it) = past::definition::<Timeslot>(tx, Kind::Timeslot, profile.timeslot, at)? {
                slot_names.insert(profile.timeslot, it.name);
                timeslots.insert(profile.timeslot, it.body);
            }
        }
        let reach = past::definitions::<Reach>(tx, Kind::Reach, Some(user), at)?;
        let clock = account.clone().map(|zone| (user, Reach::default().person(Some(zone))));
        let said = reach.iter().map(|it| (it.owner, it.body.person(account.clone())));
        let people = clock.into_iter().chain(said).collect();
        let all = profiles.iter().map(|it| it.body.clone()).collect();
        let book = Book::new(all, &timeslots, &filters, people);
        Ok(Then { book, profiles, filters: names, timeslots: slot_names })
    }
}

fn moment(
    tx: &mut Tx<'_>,
    record: &Record<'_>,
    timeline: &[Line],
    user: &User,
    (at, event): (Time, EventType),
) -> Result<Moment> {
    let incident = past::incident(tx, record.incident.id, at)?.unwrap_or_else(|| record.incident.clone());
    let tags = tags_of(&incident);
    let (active, acked) = stood(timeline, at);
    let open = active && !incident.more().stateless;
    let subject = Subject { open, acked, ..Subject::of(&incident, &tags, Some(event), at) };
    let then = Then::read(tx, user, at)?;
    let verdicts = then.book.evaluate(&subject, at).verdicts;
    let said = then.profiles.iter().zip(verdicts).map(|(profile, (id, verdict))| {
        let filters = then.book.misses(id, &subject).into_iter();
        let mut said = Said {
            id,
            name: profile.name.clone(),
            verdict,
            filters: filters
                .map(|(id, miss)| (id, then.filters.get(&id).cloned().unwrap_or_default(), miss))
                .collect(),
            timeslot: then.timeslots.get(&profile.body.timeslot).cloned(),
            digest_minutes: profile.body.digest_minutes,
            became: Vec::new(),
        };
        if said.wanted() {
            let places = profile.body.destinations.iter();
            said.became = places.map(|id| became(record, timeline, *id, at)).collect();
        }
        said
    });
    let profiles = said.collect();
    let covering = maintenance(tx, &Subject { event: None, ..subject }, at)?;
    let person = then.book.person(user.id);
    let quiet = person.is_some_and(|it| it.is_left_alone(incident.severity, at));
    Ok(Moment { at, event, maintenance: covering, quiet, profiles })
}

/// Whether an incident was active and taken by then, as its timeline has it.
fn stood(timeline: &[Line], at: Time) -> (bool, bool) {
    let (mut active, mut acked) = (true, false);
    for line in timeline.iter().take_while(|line| line.at <= at) {
        match line.change.kind {
            ChangeKind::Opened | ChangeKind::Reopened => (active, acked) = (true, false),
            ChangeKind::Resolved | ChangeKind::TimedOut => active = false,
            ChangeKind::Acknowledged => acked = true,
            ChangeKind::Unacknowledged | ChangeKind::AcknowledgementExpired => acked = false,
            _ => {}
        }
    }
    (active, acked)
}

/// The planned maintenance that covered something then.
fn maintenance(tx: &mut Tx<'_>, subject: &Subject<'_>, at: Time) -> Result<Option<String>> {
    for it in past::definitions::<Maintenance>(tx, Kind::Maintenance, None, at)? {
        if !it.body.is_in_force(at) {
            continue;
        }
        let mut kept = HashMap::new();
        for id in &it.body.filter_ids {
            kept.extend(
                past::definition::<Filter>(tx, Kind::Filter, *id, at)?.map(|filter| (*id, filter.body)),
            );
        }
        if it.body.with_filters(|id| kept.get(&id).cloned()).covers(subject, at) {
            return Ok(Some(it.name));
        }
    }
    Ok(None)
}

/// What came of an event at a destination: what is written of that moment, and of what was collected then.
fn became(record: &Record<'_>, timeline: &[Line], destination: Id, at: Time) -> (String, Vec<String>) {
    let is_it = |name: &str| name.starts_with('@') && name.ends_with(&format!("/{destination}"));
    let mut words = Vec::new();
    for (delivery, attempts) in record.deliveries.iter().filter(|(it, _)| is_it(&it.destination)) {
        let then = delivery.created_at == at;
        if then || (delivery.created_at > at && gathers(delivery.reason)) {
            let tries = attempts.len();
            let (reason, state) = (delivery.reason.name(), delivery.state.name());
            let when = delivery.created_at;
            words.push(format!("message {} ({reason}) of {when}: {state}, {tries} tries", delivery.id));
        }
    }
    let place = record.deliveries.iter().map(|(it, _)| it.destination.as_str()).find(|it| is_it(it));
    let mut place = place.map(str::to_owned);
    for line in timeline.iter().filter(|line| line.at >= at && line.change.kind == ChangeKind::Suppressed) {
        let Some(rest) = line.change.detail.strip_prefix("not told to ") else { continue };
        let name = rest.split([' ', ':']).next().unwrap_or_default();
        let later = line.at > at && (rest.contains("the digest was sent") || rest.contains("no summary"));
        if is_it(name) && (line.at == at || later) {
            place = Some(name.to_owned());
            words.push(line.change.detail.clone());
        }
    }
    (place.unwrap_or_else(|| format!("destination {destination}")), words)
}

/// Whether a message of this kind tells of what was collected.
fn gathers(reason: Reason) -> bool {
    matches!(reason, Reason::Digest | Reason::Storm | Reason::StormOver)
}

impl Personal {
    /// The answer in sentences.
    pub fn text(&self) -> Vec<String> {
        let mut text = vec![match self.at {
            Some(at) => format!("For {} at {at}:", self.user.name),
            None => format!("For {}:", self.user.name),
        }];
        if self.user.disabled_at.is_some() {
            text.push("They are locked out, so nobody pages them.".to_owned());
        }
        if self.moments.is_empty() {
            text.push("Nothing had happened to it by then that anybody could be told of.".to_owned());
        }
        for moment in &self.moments {
            moment.write(&mut text);
        }
        text.extend(self.pages.iter().map(|step| step.text(&self.user.name)));
        text.extend(self.paged.iter().map(|line| format!("{}: paged: {}.", line.at, line.change.detail)));
        text.extend(self.calls.iter().map(|it| {
            let (at, name, state) = (it.at, &it.name, it.state.name());
            format!("{at}: called at {name:?} by message {}: {state}, {} tries.", it.delivery, it.tries)
        }));
        text.extend(self.taken.iter().map(|line| format!("{}: taken by {}.", line.at, line.change.by)));
        for it in &self.destinations {
            let state =
                it.why_not.as_ref().map_or("can be used".to_owned(), |why| format!("cannot be used: {why}"));
            text.push(format!("Destination {:?} ({}) {state}.", it.name, it.place));
        }
        if self.destinations.is_empty() {
            text.push("They have no destination of their own.".to_owned());
        }
        text.extend(
            self.waiting.iter().map(|it| format!("It waits to be told to {} until {}.", it.place, it.until)),
        );
        text
    }
}

impl Moment {
    fn write(&self, text: &mut Vec<String>) {
        text.push(format!("{}: {}.", self.at, self.event.code()));
        if let Some(name) = &self.maintenance {
            text.push(format!("  Planned maintenance {name:?} covered it."));
        }
        if self.quiet {
            text.push("  It was their quiet hour.".to_owned());
        }
        if self.profiles.is_empty() {
            text.push("  They had no notification profile.".to_owned());
        }
        for said in &self.profiles {
            text.push(format!("  Profile {:?}: {}.", said.name, said.words()));
            for (place, words) in &said.became {
                let words = if words.is_empty() {
                    "collected, or nothing is recorded".to_owned()
                } else {
                    words.join("; ")
                };
                text.push(format!("    {place}: {words}."));
            }
        }
    }
}

impl Said {
    fn words(&self) -> String {
        let named = |id: &Id| self.filters.iter().find(|(it, ..)| it == id).map(|(_, name, _)| name.as_str());
        let slot = self.timeslot.as_deref().unwrap_or_default();
        match self.verdict {
            Verdict::Told { filter } if self.digest_minutes > 0 => {
                let name = named(&filter).unwrap_or_default();
                format!("filter {name:?} takes it, to be told in a digest of {} minutes", self.digest_minutes)
            }
            Verdict::Told { filter } => format!("filter {:?} takes it", named(&filter).unwrap_or_default()),
            Verdict::Inactive => "is not in use".to_owned(),
            Verdict::NoFilter => "has no filter, so it tells nothing".to_owned(),
            Verdict::NoFilterFits => {
                let misses = self
                    .filters
                    .iter()
                    .map(|(_, name, miss)| format!("{name:?} ({})", miss.map_or("takes it", Miss::words)));
                format!("no filter takes it: {}", misses.collect::<Vec<_>>().join(", "))
            }
            Verdict::NoTimeslot => "has no timeslot any more".to_owned(),
            Verdict::OutsideTimeslot => format!("outside its timeslot {slot:?}"),
            Verdict::NoDestination => "has no destination".to_owned(),
            Verdict::Quiet => "would tell it, but it was their quiet hour".to_owned(),
        }
    }
}
