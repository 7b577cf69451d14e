//! Calendars by which layers of schedules go: fetched, read, and remembered.
//!
//! What a calendar said last counts until it says something else: a server that is gone, an answer that is no calendar
//! and an event that makes no sense change nothing for the rest. What is odd is remembered beside it, to be shown and
//! warned of ([`crate::tell`] does that).

use std::collections::HashMap;
use std::time::Duration;

use calendar::{Import, MAX_BYTES};
use futures::StreamExt as _;
use model::fnv::Fnv;
use model::period::Period;
use model::schedule::{Calendar, LOOK_AHEAD_DAYS, Listed};
use model::zone::Zone;
use model::{Id, Time};
use sdk::http::{Http, Outgoing};
use store::calendars::{self, Known};
use store::{Durability, Result, Tx};

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
    /// Nothing of use.
    Failed {
        /// Why.
        why: String,
        /// How long its server wants to be left alone.
        after: Option<Duration>,
    },
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
        let fetches = self.store.write(Durability::Lazy, move |tx| claim(&core, tx, now)).await?;
        let fetching = fetches.into_iter().map(|it| async {
            let said = fetch(http, &it, now).await;
            (it, said)
        });
        let mut said = futures::stream::iter(fetching).buffer_unordered(AT_ONCE);
        while let Some((it, said)) = said.next().await {
            let (core, now) = (self.core.clone(), self.clock.now());
            if let Said::Failed { why, .. } = &said {
                tracing::warn!(schedule = %it.schedule, layer = it.layer, why, "a calendar could not be fetched");
            }
            let taken = move |tx: &mut Tx<'_>| take(&core, tx, (it.schedule, &it.layer), said, now);
            self.store.write(Durability::Lazy, taken).await?;
        }
        self.ring();
        Ok(())
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

/// Takes up what is due: nobody else does for a while.
///
/// # Errors
/// When the database is gone or full.
pub fn claim(core: &Core, tx: &mut Tx<'_>, now: Time) -> Result<Vec<Fetch>> {
    let people = core.people(tx)?;
    let mut fetches = Vec::new();
    for it in work(&people, tx, now)? {
        match it {
            Work::Forget { schedule, layer } => calendars::delete(tx, schedule, &layer, now)?,
            Work::ReadAgain { schedule, layer } => read_again(&people, tx, (schedule, &layer), now)?,
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
                fetches.push(Fetch { schedule, layer, url, etag, last_modified });
            }
        }
    }
    Ok(fetches)
}

fn known(tx: &mut Tx<'_>, (schedule, layer): (Id, &str)) -> Result<Known> {
    let known = calendars::get(tx, schedule, layer)?;
    let none = || Known { schedule, layer: layer.to_owned(), skipped: "[]".to_owned(), ..Known::default() };
    Ok(known.unwrap_or_else(none))
}

/// Remembers what a calendar says; nothing is remembered of a layer that is gone.
///
/// # Errors
/// When the database is gone or full.
pub fn take(core: &Core, tx: &mut Tx<'_>, of: (Id, &str), said: Said, now: Time) -> Result<()> {
    let people = core.people(tx)?;
    let Some((zone, every)) = layer_of(&people, of) else { return calendars::delete(tx, of.0, of.1, now) };
    let mut it = known(tx, of)?;
    let (result, body, after) = match said {
        Said::New { body, etag, last_modified } => {
            let body = String::from_utf8_lossy(&body).replace('\0', "");
            let read = read(&people, zone, &body, now);
            if read.is_ok() {
                (it.etag, it.last_modified) = (etag, last_modified);
            }
            (read, Some(body), None)
        }
        Said::Same => {
            let body = calendars::body(tx, of.0, of.1)?;
            (read(&people, zone, &body, now), None, None)
        }
        Said::Failed { why, after } => (Err(why), None, after),
    };
    match result {
        Ok(import) => {
            keep(&mut it, import, now);
            (it.failures, it.error, it.fetched_at, it.due_at) =
                (0, String::new(), Some(now), Some(now + every));
            calendars::put(tx, &it, body.as_deref(), now)
        }
        Err(why) => {
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
    text: &str,
    now: Time,
) -> Result<std::result::Result<Known, String>> {
    let people = core.people(tx)?;
    let Some((zone, _)) = layer_of(&people, of) else {
        return Ok(Err("it has no layer of this name that goes by a calendar".to_owned()));
    };
    let text = text.replace('\0', "");
    let import = match read(&people, zone, &text, now) {
        Ok(import) => import,
        Err(why) => return Ok(Err(why)),
    };
    let mut it = Known { schedule: of.0, layer: of.1.to_owned(), ..Known::default() };
    keep(&mut it, import, now);
    it.fetched_at = Some(now);
    calendars::put(tx, &it, Some(&text), now)?;
    Ok(Ok(it))
}

fn read_again(people: &People, tx: &mut Tx<'_>, of: (Id, &str), now: Time) -> Result<()> {
    let Some((zone, _)) = layer_of(people, of) else { return Ok(()) };
    let (mut it, body) = (known(tx, of)?, calendars::body(tx, of.0, of.1)?);
    match read(people, zone, &body, now) {
        Ok(import) => keep(&mut it, import, now),
        // there is none yet
        Err(_) => it.read_at = now,
    }
    calendars::put(tx, &it, None, now)
}

fn layer_of<'a>(people: &'a People, (schedule, layer): (Id, &str)) -> Option<(&'a Zone, Duration)> {
    let schedule = &people.schedule(schedule)?.body.schedule;
    let (_, calendar) = schedule.calendars().find(|(name, _)| *name == layer)?;
    Some((&schedule.zone, calendar.every))
}

/// What a text comes to: shifts, and what could not be used.
fn read(
    people: &People,
    zone: &Zone,
    text: &str,
    now: Time,
) -> std::result::Result<(Vec<Listed>, Import), String> {
    const DAY: u64 = 86_400;
    let days = |count: u64| Duration::from_secs(count * DAY);
    let within = Period::new(now - days(LOOK_BACK_DAYS), now + days(LOOK_AHEAD_DAYS));
    let mut import = calendar::read(text.as_bytes(), zone, within).map_err(|bad| bad.to_string())?;
    let users = people.by_name();
    let shifts = import.shifts(&|name| users.get(name).copied());
    Ok((shifts, import))
}

fn keep(it: &mut Known, (shifts, import): (Vec<Listed>, Import), now: Time) {
    it.skipped = serde_json::to_string(&import.skipped).unwrap_or_else(|_| "[]".to_owned());
    it.skipped_count = i64::try_from(import.skipped_count).unwrap_or(i64::MAX);
    it.shifts = shifts;
    it.read_at = now;
}
