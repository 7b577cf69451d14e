//! Calendars by which layers of schedules go: fetched, read, and remembered.
//!
//! What a calendar said last counts until it says something else: a server that is gone, an answer that is no calendar
//! and an event that makes no sense change nothing for the rest. What is odd is remembered beside it, to be shown and
//! warned of ([`crate::tell`] does that).
//!
//! Calendars are hostile, and may take a while to be read: that is done between two transactions, on a thread of its
//! own, so that nobody who writes waits for it.

use std::collections::HashMap;
use std::time::Duration;

use calendar::{Import, MAX_BYTES};
use futures::StreamExt as _;
use model::fnv::Fnv;
use model::period::Period;
use model::schedule::{Calendar, LOOK_AHEAD_DAYS};
use model::zone::Zone;
use model::{Id, Time};
use sdk::http::{Http, Outgoing};
use store::calendars::{self, Known};
use store::{Durability, Result, StoreError, Tx};

use crate::core::Core;
use crate::driver::Hub;
use crate::people::People;

/// How often is looked whether one is due.
const LOOK: Duration = Duration::from_secs(2);
/// How long a fetch may take.
const FETCH_LIMIT: Duration = Duration::from_secs(30);
/// How long one is left to the node that fetches it.
const LEASE: Duration = Duration::from_secs(120);
/// Calendars that are fetched at once.
const AT_ONCE: usize = 4;
/// Calendars that one look takes up.
const PER_LOOK: usize = 32;
/// After the first failure; doubled with each.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// How long after a failure at the most, also when its server says so.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// A text that was read so long ago is read again: users come and go, and so does the time that it is asked about.
const READ_EVERY: Duration = Duration::from_secs(3600);
/// How far back shifts are remembered, in days.
const LOOK_BACK_DAYS: u64 = 35;

/// A calendar that is to be fetched.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetch {
    schedule: Id,
    layer: String,
    url: String,
    etag: String,
    last_modified: String,
}

/// Something to be done with a calendar, outside of the database.
#[derive(Clone, PartialEq, Eq)]
pub enum Job {
    /// It is to be fetched.
    Fetch(Fetch),
    /// What it said last is to be read again: time has passed, or other users are there.
    ReadAgain {
        /// The schedule.
        schedule: Id,
        /// The name of its layer.
        layer: String,
    },
}

impl Job {
    /// The schedule, and the name of its layer.
    fn of(&self) -> (Id, String) {
        match self {
            Job::Fetch(it) => (it.schedule, it.layer.clone()),
            Job::ReadAgain { schedule, layer } => (*schedule, layer.clone()),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A calendar.
    New {
        /// Its text.
        body: Vec<u8>,
        /// What its server calls this version of it; may be empty.
        etag: String,
        /// When it was changed last, in its server's words; may be empty.
        last_modified: String,
    },
    /// It is as it was.
    Same,
    /// Nobody asked: what it said last is read again.
    Again,
    /// Nothing of use.
    Failed {
        /// Why.
        why: String,
        /// How long its server wants to be left alone.
        after: Option<Duration>,
    },
}

/// A text that is to be read, and what it was to say when it was taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    text: String,
    /// By which clock it goes.
    zone: Zone,
    /// When it was fetched, if it is known already.
    fetched_at: Option<Time>,
}

/// What a text comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    text: Text,
    result: std::result::Result<Import, String>,
}

impl Text {
    /// One that somebody uploads for a layer that goes by this clock.
    pub fn new(text: &str, zone: Zone) -> Self {
        Text { text: text.replace('\0', ""), zone, fetched_at: None }
    }

    /// Reads it. This takes its time, and no transaction waits for it.
    pub fn read(self, now: Time) -> Read {
        const DAY: u64 = 86_400;
        let days = |count: u64| Duration::from_secs(count * DAY);
        let within = Period::new(now - days(LOOK_BACK_DAYS), now + days(LOOK_AHEAD_DAYS));
        let result = calendar::read(self.text.as_bytes(), &self.zone, within);
        Read { text: self, result: result.map_err(|bad| bad.to_string()) }
    }

    /// The same, on a thread where it keeps nobody waiting.
    ///
    /// # Errors
    /// When reading it panicked.
    pub async fn read_beside(self, now: Time) -> Result<Read> {
        let panicked = |_| StoreError::Refused("a function panicked while a calendar was read".to_owned());
        tokio::task::spawn_blocking(move || self.read(now)).await.map_err(panicked)
    }
}

impl Hub {
    /// Fetches calendars until the hub stops.
    pub(crate) async fn follow_calendars(self, http: Http) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stopping() => return,
                _ = looks.tick() => {}
            }
            let working = self.look_at_calendars(&http);
            tokio::select! {
                () = self.stopping() => return,
                result = working => if let Err(error) = result {
                    tracing::warn!(%error, "calendars could not be looked after");
                },
            }
        }
    }

    async fn look_at_calendars(&self, http: &Http) -> Result<()> {
        let (core, now) = (self.core.clone(), self.clock.now());
        let is_due = self.store.read(move |tx| Ok(!work(&*core.people(tx)?, tx, now)?.is_empty())).await?;
        if !is_due {
            return Ok(());
        }
        let core = self.core.clone();
        let jobs = self.store.write(Durability::Lazy, move |tx| claim(&core, tx, now)).await?;
        let doing = jobs.into_iter().map(|job| async move {
            let said = match &job {
                Job::Fetch(it) => fetch(http, it, now).await,
                Job::ReadAgain { .. } => Said::Again,
            };
            (job.of(), said)
        });
        let mut said = futures::stream::iter(doing).buffer_unordered(AT_ONCE);
        while let Some((of, said)) = said.next().await {
            self.hear_calendar(of, said).await?;
        }
        self.ring();
        Ok(())
    }

    async fn hear_calendar(&self, (schedule, layer): (Id, String), said: Said) -> Result<()> {
        let (core, now) = (self.core.clone(), self.clock.now());
        if let Said::Failed { why, .. } = &said {
            tracing::warn!(%schedule, layer, why, "a calendar could not be fetched");
        }
        let (people, of) = (core.clone(), layer.clone());
        let taken_up = self.store.read(move |tx| {
            let text = text_of(&people, tx, (schedule, &of), &said)?;
            Ok((said, text))
        });
        let (said, text) = taken_up.await?;
        let read = match text {
            Some(text) => Some(text.read_beside(now).await?),
            None => None,
        };
        let taken = move |tx: &mut Tx<'_>| take(&core, tx, (schedule, &layer), (said, read), now);
        self.store.write(Durability::Lazy, taken).await
    }
}

async fn fetch(http: &Http, it: &Fetch, now: Time) -> Said {
    const OK: u16 = 200;
    const NOT_MODIFIED: u16 = 304;
    let mut headers = vec![("accept", "text/calendar, */*;q=0.1".to_owned())];
    let known = [("if-none-match", &it.etag), ("if-modified-since", &it.last_modified)];
    headers.extend(known.into_iter().filter(|(_, it)| !it.is_empty()).map(|(name, it)| (name, it.clone())));
    let asks_for_new = headers.len() > 1;
    let request = Outgoing { headers, ..Outgoing::get(&it.url, FETCH_LIMIT) };
    let response = match http.fetch(request, MAX_BYTES).await {
        Ok(response) => response,
        Err(error) => return Said::Failed { why: error.to_string(), after: None },
    };
    let header = |name| response.header(name).unwrap_or_default().chars().take(200).collect();
    match response.status {
        OK => Said::New {
            body: response.body.to_vec(),
            etag: header("etag"),
            last_modified: header("last-modified"),
        },
        NOT_MODIFIED if asks_for_new => Said::Same,
        status => Said::Failed {
            why: format!("the answer was {status}"),
            after: sdk::answer::retry_after_of(&response, now),
        },
    }
}

/// What is to be done with a calendar.
enum Work {
    Fetch { schedule: Id, layer: String, url: String, address: String },
    ReadAgain { schedule: Id, layer: String },
    Forget { schedule: Id, layer: String },
}

fn work(people: &People, tx: &mut Tx<'_>, now: Time) -> Result<Vec<Work>> {
    let mut known: HashMap<(Id, String), calendars::Brief> =
        calendars::brief(tx)?.into_iter().map(|it| ((it.schedule, it.layer.clone()), it)).collect();
    let mut work = Vec::new();
    for (definition, layer, calendar) in people.calendars() {
        let (schedule, layer) = (definition.id, layer.to_owned());
        let known = known.remove(&(schedule, layer.clone()));
        let address = address(calendar);
        // what lies further ahead was before the clock was set back
        let is_due = |at: Time| at <= now || at > now + model::schedule::MAX_POLL + LONGEST_PAUSE;
        match (&known, calendar.address()) {
            (known, Some(url))
                if known.as_ref().is_none_or(|it| it.address != address || it.due_at.is_none_or(is_due)) =>
            {
                work.push(Work::Fetch { schedule, layer, url, address });
            }
            (Some(known), _) if now.since(known.read_at) >= READ_EVERY => {
                work.push(Work::ReadAgain { schedule, layer });
            }
            _ => {}
        }
    }
    work.extend(known.into_keys().map(|(schedule, layer)| Work::Forget { schedule, layer }));
    work.truncate(PER_LOOK);
    Ok(work)
}

/// A sum of where a calendar is; empty: somebody uploads it.
fn address(calendar: &Calendar) -> String {
    let mut sum = Fnv::default();
    calendar.address().map_or_else(String::new, |url| {
        sum.add(url.as_bytes());
        format!("{:016x}", sum.sum())
    })
}

/// Takes up what is due: nobody else fetches it for a while.
///
/// # Errors
/// When the database is gone or full.
pub fn claim(core: &Core, tx: &mut Tx<'_>, now: Time) -> Result<Vec<Job>> {
    let people = core.people(tx)?;
    let mut jobs = Vec::new();
    for it in work(&people, tx, now)? {
        match it {
            Work::Forget { schedule, layer } => calendars::delete(tx, schedule, &layer, now)?,
            Work::ReadAgain { schedule, layer } => jobs.push(Job::ReadAgain { schedule, layer }),
            Work::Fetch { schedule, layer, url, address } => {
                let mut known = known(tx, (schedule, &layer))?;
                if known.address != address {
                    // another calendar: what the old one said counts until this one says something
                    known = Known {
                        address,
                        etag: String::new(),
                        last_modified: String::new(),
                        failures: 0,
                        ..known
                    };
                }
                known.due_at = Some(now + LEASE);
                calendars::put(tx, &known, None, now)?;
                let Known { schedule, layer, etag, last_modified, .. } = known;
                jobs.push(Job::Fetch(Fetch { schedule, layer, url, etag, last_modified }));
            }
        }
    }
    Ok(jobs)
}

fn known(tx: &mut Tx<'_>, (schedule, layer): (Id, &str)) -> Result<Known> {
    let known = calendars::get(tx, schedule, layer)?;
    let none = || Known { schedule, layer: layer.to_owned(), skipped: "[]".to_owned(), ..Known::default() };
    Ok(known.unwrap_or_else(none))
}

/// What has to be read before [`take`]; `None`: nothing.
///
/// # Errors
/// When the database is gone.
pub fn text_of(core: &Core, tx: &mut Tx<'_>, of: (Id, &str), said: &Said) -> Result<Option<Text>> {
    let people = core.people(tx)?;
    let Some((zone, _)) = layer_of(&people, of) else { return Ok(None) };
    Ok(match said {
        Said::New { body, .. } => Some(Text::new(&String::from_utf8_lossy(body), zone.clone())),
        Said::Same | Said::Again => {
            let (text, known) = (calendars::body(tx, of.0, of.1)?, known(tx, of)?);
            Some(Text { text, zone: zone.clone(), fetched_at: known.fetched_at })
        }
        Said::Failed { .. } => None,
    })
}

/// Remembers what a calendar says; nothing is remembered of a layer that is gone, nor where what was read is not what
/// is to be read by now: then it is done again.
///
/// # Errors
/// When the database is gone or full.
pub fn take(
    core: &Core,
    tx: &mut Tx<'_>,
    of: (Id, &str),
    (said, read): (Said, Option<Read>),
    now: Time,
) -> Result<()> {
    let people = core.people(tx)?;
    let Some((zone, every)) = layer_of(&people, of) else { return calendars::delete(tx, of.0, of.1, now) };
    let mut it = known(tx, of)?;
    let is_known = !matches!(said, Said::New { .. });
    let read =
        read.filter(|read| read.text.zone == *zone && (!is_known || read.text.fetched_at == it.fetched_at));
    let (result, after, body) = match (&said, read) {
        (Said::Failed { why, after }, _) => (Err(why.clone()), *after, None),
        (_, Some(Read { text, result })) => (result, None, (!is_known).then_some(text.text)),
        (_, None) => return Ok(()),
    };
    match (result, said) {
        (Ok(import), Said::Again) => {
            keep(&people, &mut it, import, now);
            calendars::put(tx, &it, None, now)
        }
        (Err(_), Said::Again) => {
            // there is none yet
            it.read_at = now;
            calendars::put(tx, &it, None, now)
        }
        (Ok(import), said) => {
            keep(&people, &mut it, import, now);
            if let Said::New { etag, last_modified, .. } = said {
                (it.etag, it.last_modified) = (etag, last_modified);
            }
            (it.failures, it.error, it.fetched_at, it.due_at) =
                (0, String::new(), Some(now), Some(now + every));
            calendars::put(tx, &it, body.as_deref(), now)
        }
        (Err(why), _) => {
            let doubled = FIRST_PAUSE * (1 << it.failures.clamp(0, 6));
            let pause = after.map_or(doubled, |after| after.max(doubled)).min(LONGEST_PAUSE);
            (it.failures, it.error, it.due_at) = (it.failures + 1, why, Some(now + pause));
            calendars::put(tx, &it, None, now)
        }
    }
}

/// Remembers a calendar that somebody uploads for a layer; the error says why it is none.
///
/// # Errors
/// When the database is gone or full.
pub fn upload(
    core: &Core,
    tx: &mut Tx<'_>,
    of: (Id, &str),
    read: Read,
    now: Time,
) -> Result<std::result::Result<Known, String>> {
    let people = core.people(tx)?;
    let Some((zone, _)) = layer_of(&people, of) else {
        return Ok(Err("it has no layer of this name that goes by a calendar".to_owned()));
    };
    if read.text.zone != *zone {
        return Ok(Err("the schedule goes by another clock since a moment ago: send it again".to_owned()));
    }
    let import = match read.result {
        Ok(import) => import,
        Err(why) => return Ok(Err(why)),
    };
    let mut it = Known { schedule: of.0, layer: of.1.to_owned(), ..Known::default() };
    keep(&people, &mut it, import, now);
    it.fetched_at = Some(now);
    calendars::put(tx, &it, Some(&read.text.text), now)?;
    Ok(Ok(it))
}

fn layer_of<'a>(people: &'a People, (schedule, layer): (Id, &str)) -> Option<(&'a Zone, Duration)> {
    let schedule = &people.schedule(schedule)?.body.schedule;
    let (_, calendar) = schedule.calendars().find(|(name, _)| *name == layer)?;
    Some((&schedule.zone, calendar.every))
}

/// Makes shifts of what a calendar says, by the names of those who are there now.
fn keep(people: &People, it: &mut Known, mut import: Import, now: Time) {
    let users = people.by_name();
    it.shifts = import.shifts(&|name| users.get(name).copied());
    it.skipped = serde_json::to_string(&import.skipped).unwrap_or_else(|_| "[]".to_owned());
    it.skipped_count = i64::try_from(import.skipped_count).unwrap_or(i64::MAX);
    it.read_at = now;
}
