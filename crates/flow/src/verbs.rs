//! What people do: take, end, put off and talk about incidents; make and end silences; bring dead letters
//! back. Each is one transaction, and durable before it is answered.

use std::time::Duration;

use model::incident::Input;
use model::matcher::Matchers;
use model::profile::Subject;
use model::silence::{BadSilence, SilenceState};
use model::time_interval::TimeInterval;
use model::{Id, Incident, Labels, Notification, Silence, Time};
use store::{Result, StoreError, Tx};

use crate::core::Core;
use crate::incident::apply_to;
use crate::ingest::{Done, place, take_alarms};
use crate::tell;

/// Does something to one incident, at the end of a [`chain`](model::NewEvent::chain) that is so long; `None`: there is
/// none with this id.
///
/// # Errors
/// When the database is gone or full.
pub fn act(
    core: &Core,
    tx: &mut Tx<'_>,
    id: Id,
    (input, chain): (&Input<'_>, u32),
    now: Time,
) -> Result<Option<(Incident, Done)>> {
    tx.lock_flow()?;
    let Some(mut incident) = store::incidents::get(tx, id)? else { return Ok(None) };
    incident.set_chain(chain);
    let moved = apply_to(core, tx, vec![incident.clone()], input, now)?;
    let after = moved.first().map_or(incident, |it| it.after.clone());
    let mut done = Done { at: Some(now), ..Done::default() };
    place(core, tx, moved, None, &mut done, now)?;
    take_alarms(core, tx, &mut done, now)?;
    done.told(tell::tick(core, tx, tell::Room::Little, now)?);
    Ok(Some((after, done)))
}

/// A silence as somebody asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSilence {
    /// The one to change; empty: a new one.
    pub id: String,
    /// What it silences.
    pub matchers: Matchers,
    /// From when.
    pub starts_at: Time,
    /// Until when.
    pub ends_at: Time,
    /// Within which times only.
    pub recurrence: Option<TimeInterval>,
    /// Who asks.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// Why a silence was not made.
#[derive(Debug, thiserror::Error)]
pub enum NotSilenced {
    /// It cannot be.
    #[error("{0}")]
    Bad(#[from] BadSilence),
    /// There is none with this id.
    #[error("silence not found")]
    Unknown,
    /// The database is gone or full.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes or changes a silence, and returns its id. As in Alertmanager, one whose matchers or start change is
/// ended, and another made in its place; one that has ended is never changed.
///
/// # Errors
/// When it cannot be, there is none to change, or the database is gone.
pub fn silence(
    tx: &mut Tx<'_>,
    new: NewSilence,
    fresh_id: String,
    now: Time,
) -> std::result::Result<String, NotSilenced> {
    let mut silence = Silence {
        id: new.id,
        matchers: new.matchers,
        starts_at: new.starts_at,
        ends_at: new.ends_at,
        recurrence: new.recurrence,
        created_by: new.created_by,
        comment: new.comment,
        updated_at: now,
    };
    let old = if silence.id.is_empty() { None } else { store::silences::get(tx, &silence.id)? };
    if old.is_none() && !silence.id.is_empty() {
        return Err(NotSilenced::Unknown);
    }
    if let Some(old) = old {
        let state = old.state(now);
        let same_start = match state {
            SilenceState::Pending => silence.starts_at >= now,
            // clients give back less of a time than we keep: to the second, as in Alertmanager
            _ => silence.starts_at.as_seconds() == old.starts_at.as_seconds(),
        };
        if state != SilenceState::Expired && same_start && old.matchers == silence.matchers {
            if state == SilenceState::Active {
                silence.starts_at = old.starts_at;
            }
            silence.check(now)?;
            store::silences::put(tx, &silence)?;
            return Ok(silence.id);
        }
        silence.check(now)?;
        if state != SilenceState::Expired {
            expire_silence(tx, &old.id, now)?;
        }
    }
    silence.check(now)?;
    // a silence does not reach into the past
    silence.starts_at = silence.starts_at.max(now);
    silence.id = fresh_id;
    store::silences::put(tx, &silence)?;
    Ok(silence.id)
}

/// Ends a silence now; says whether there was one that had not ended.
///
/// # Errors
/// When the database is gone or full.
pub fn expire_silence(tx: &mut Tx<'_>, id: &str, now: Time) -> Result<Option<bool>> {
    let Some(mut silence) = store::silences::get(tx, id)? else { return Ok(None) };
    if silence.state(now) == SilenceState::Expired {
        return Ok(Some(false));
    }
    silence.starts_at = silence.starts_at.min(now);
    silence.ends_at = now;
    silence.updated_at = now;
    store::silences::put(tx, &silence)?;
    Ok(Some(true))
}

/// What a silence would catch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preview {
    /// Active incidents that match.
    pub active: Vec<Incident>,
    /// How many incidents are active in all.
    pub active_total: usize,
    /// Incidents of the last week that match, those above included, as far as they were looked at.
    pub last_week: usize,
    /// How many there were in the last week in all, as far as they were looked at.
    pub last_week_total: usize,
}

impl Preview {
    /// The share of all active incidents that it would catch, or of the last week's when none is active.
    pub fn share(&self) -> f64 {
        let (part, whole) = match self.active_total {
            0 => (self.last_week, self.last_week_total),
            total => (self.active.len(), total),
        };
        if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
    }
}

/// How far back a preview looks.
const PREVIEW_SPAN: Duration = Duration::from_secs(7 * 86_400);
/// How many incidents a preview looks at, at the most.
pub const PREVIEW_SCAN: i64 = 20_000;

/// As of when an incident is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// As it is.
    Now,
    /// As it stood when it opened: open, and nobody had it.
    ItsOpening,
}

impl AsOf {
    /// What filters look at then.
    pub fn of(self, subject: Subject<'_>) -> Subject<'_> {
        match self {
            AsOf::Now => subject,
            AsOf::ItsOpening => subject.as_it_opened(),
        }
    }
}

/// Works out what a silence, a maintenance or a profile would catch now and would have caught in the last week, of as
/// many of the newest incidents as `scan`. What is over by now was open then.
///
/// # Errors
/// When the database is gone.
pub fn preview(
    tx: &mut Tx<'_>,
    takes: impl Fn(&Incident, AsOf) -> bool,
    scan: i64,
    now: Time,
) -> Result<Preview> {
    let (mut preview, since) = (Preview::default(), now - PREVIEW_SPAN);
    let keep = |incident: &Incident| {
        let recent = incident.is_active() || incident.last_seen >= since;
        let takes_now = recent && takes(incident, AsOf::Now);
        let took = takes_now || (recent && takes(incident, AsOf::ItsOpening));
        preview.active_total += usize::from(incident.is_active());
        preview.last_week_total += usize::from(recent);
        preview.last_week += usize::from(took);
        if incident.is_active() && takes_now {
            preview.active.push(incident.clone());
        }
        false
    };
    store::incidents::page(tx, store::incidents::Which::All, None, 1, scan, keep)?;
    Ok(preview)
}

/// Plans a test message to every destination of a receiver; returns the deliveries' ids, or `None` when
/// there is no such receiver.
///
/// # Errors
/// When the database is gone or full.
pub fn test_receiver(
    core: &Core,
    tx: &mut Tx<'_>,
    receiver: &str,
    now: Time,
) -> Result<Option<(Vec<Id>, Done)>> {
    let live = core.live();
    if !live.rules.receivers.contains_key(receiver) {
        return Ok(None);
    }
    let places = live.places.values().filter(|place| place.receiver == receiver);
    let messages: Vec<(model::Delivery, Notification)> =
        places.map(|place| tell::test_message(core, &live, place, now)).collect();
    store::deliveries::insert(tx, &messages)?;
    let rung = messages.iter().map(|(delivery, _)| delivery.destination.clone()).collect();
    let ids = messages.iter().map(|(delivery, _)| delivery.id).collect();
    Ok(Some((ids, Done { rung, ..Done::default() })))
}

/// Plans a message with a few words of the hub's own to somebody's destination, confirmed or not; `None`: it is not
/// there, or cannot be used.
///
/// # Errors
/// When the database is gone or full.
pub fn word(
    core: &Core,
    tx: &mut Tx<'_>,
    destination: Id,
    title: &str,
    now: Time,
) -> Result<Option<(Id, Done)>> {
    let (live, people) = (core.live(), core.people(tx)?);
    let Some(Ok(place)) = people.destination(destination).map(|it| it.place.clone()) else { return Ok(None) };
    core.observe_ids(tx)?;
    let message = tell::word(core, &live, &place, title, now);
    let (id, rung) = (message.0.id, vec![message.0.destination.clone()]);
    store::deliveries::insert(tx, &[message])?;
    Ok(Some((id, Done { rung, ..Done::default() })))
}

/// What keeps such an incident back now, in words; for explanations of label sets.
///
/// # Errors
/// When the database is gone.
pub fn silences_matching(core: &Core, tx: &mut Tx<'_>, labels: &Labels, now: Time) -> Result<Vec<Silence>> {
    Ok(core.silences(tx, now)?.matching(labels, now).cloned().collect())
}
