//! Overrides and swaps: people take and give their own shifts, and who runs a schedule does all of it.

use flow::calendars::Read;
use model::account::User;
use model::period::Period;
use model::schedule::{Act, MAX_OVERRIDES, Override, Rota, Shift};
use model::zone::Zone;
use model::{Id, Time};
use serde::Deserialize;
use serde_json::{Value, json};
use store::Tx;
use store::calendars::Known;
use store::definitions::{self, Definition, Kind};
use utoipa::ToSchema;

use super::defined::{About, Defined as _, Ground};
use super::definitions::{read, refused};
use super::{Desk, Done, Fail, names};
use crate::auth::Scope;
use crate::error::Problem;

/// How long an override that is over is shown with its schedule, in seconds.
const REMEMBERED: std::time::Duration = std::time::Duration::from_secs(90 * 86_400);
/// How far ahead a shift is looked for that is to be swapped, in days.
const AHEAD_DAYS: u64 = 100;

/// What is to be otherwise for a while.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOverride)]
pub struct OverrideIn {
    /// From when; now, if not given.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Time>,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    pub until: Time,
    /// What.
    pub act: ActIn,
    /// Why.
    #[serde(default)]
    pub note: String,
}

/// What an override does; users by name or id.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = OverrideAct)]
pub enum ActIn {
    /// This user is on call, and nobody else.
    Only {
        /// Who.
        user: String,
    },
    /// When the one is on call, the other stands in.
    Replace {
        /// Who would be on call.
        user: String,
        /// Who stands in.
        with: String,
    },
    /// This user is on call in addition.
    Add {
        /// Who.
        user: String,
    },
    /// This user is not on call.
    Remove {
        /// Who.
        user: String,
    },
    /// When one of them is on call, the other is instead.
    Swap {
        /// One.
        one: String,
        /// The other.
        other: String,
    },
}

/// Two shifts whose owners take each other's.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSwap)]
pub struct SwapIn {
    /// One shift.
    pub one: ShiftOf,
    /// The other.
    pub other: ShiftOf,
    /// Why.
    #[serde(default)]
    pub note: String,
}

/// A shift of somebody.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftOf {
    /// Whose, by name or id.
    pub user: String,
    /// A time within it; their next shift, if not given.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Time>,
}

/// A schedule by its id, or by its name when only one has it.
///
/// # Errors
/// When there is none, or several have the name.
pub(crate) fn schedule_named(tx: &mut Tx<'_>, text: &str) -> Done<Definition<Rota>> {
    if let Ok(id) = text.parse::<Id>()
        && let Some(found) = definitions::get(tx, Kind::Schedule, id)?
    {
        return Ok(found);
    }
    let mut named = definitions::all::<Rota>(tx, Kind::Schedule, None)?;
    named.retain(|it| it.name == text);
    match named.len() {
        0 => Err(Problem::not_found("schedule", format_args!("{text:?}")).into()),
        1 => Ok(named.remove(0)),
        _ => {
            let ids: Vec<String> = named.iter().map(|it| it.id.to_string()).collect();
            let why =
                format!("several schedules are called {text:?}: say which by its id, {}", ids.join(", "));
            Err(Problem::not_in_state(why).into())
        }
    }
}

impl Desk<'_, '_> {
    pub(super) fn schedule(&mut self, text: &str) -> Done<Definition<Rota>> {
        schedule_named(self.tx, text)
    }

    /// A schedule as it would be, which is checked and not kept; `of` is the one that it would replace.
    ///
    /// # Errors
    /// When it makes no sense.
    pub fn preview_schedule(
        &mut self,
        ground: &Ground,
        of: Option<&str>,
        mut spec: serde_json::Map<String, Value>,
    ) -> Done<Rota> {
        let of = of.map(|text| self.schedule(text)).transpose()?;
        let id = match &of {
            Some(before) => {
                Rota::keep_hidden(&before.body, &mut spec);
                before.id
            }
            None => self.id(),
        };
        let name = of.map_or("preview".to_owned(), |it| it.name);
        let about = About { id, owner: Id(0), name, by: self.caller.user };
        names::resolve(self.tx, Kind::Schedule, about.owner, &mut spec)?;
        let rota: Rota = read(&about, spec)?;
        self.check(ground, &about, None, &rota)?;
        let people = ground.core.people(self.tx)?;
        Ok(people.with_calendars(id, rota))
    }

    /// Makes that something is otherwise for a while.
    ///
    /// # Errors
    /// When it must not be, or makes no sense.
    pub fn add_override(&mut self, ground: &Ground, schedule: &str, it: OverrideIn) -> Done<(Id, Override)> {
        let schedule = self.schedule(schedule)?;
        let act = self.act(it.act)?;
        let made = Override {
            id: self.id(),
            from: it.from.unwrap_or(self.now),
            until: it.until,
            act,
            note: it.note,
        };
        let id = schedule.id;
        let mut kept = self.keep_overrides(ground, schedule, vec![made])?;
        Ok((id, kept.remove(0)))
    }

    /// Lets two users take each other's shifts.
    ///
    /// # Errors
    /// When it must not be, or they have no such shifts.
    pub fn swap(&mut self, ground: &Ground, schedule: &str, it: SwapIn) -> Done<(Id, Vec<Override>)> {
        let schedule = self.schedule(schedule)?;
        let rota = ground.core.people(self.tx)?.with_calendars(schedule.id, schedule.body.clone());
        let one = self.shift(&rota, "one", &it.one)?;
        let other = self.shift(&rota, "other", &it.other)?;
        if one.user == other.user {
            return Err(
                Problem::wrong("other.user", "is the same as one.user: a swap takes two people").into()
            );
        }
        let overlap = Period::new(one.from, one.until).intersect(Period::new(other.from, other.until));
        if !overlap.is_empty() {
            let why = format!(
                "these shifts overlap from {} until {}: nobody can take both",
                overlap.from, overlap.until
            );
            return Err(Problem::wrong("other.at", why).into());
        }
        let stand_in = |desk: &Self, shift: Shift, with: Id| Override {
            id: desk.id(),
            from: shift.from.max(desk.now),
            until: shift.until,
            act: Act::Replace { user: shift.user, with },
            note: it.note.clone(),
        };
        let both = vec![stand_in(self, one, other.user), stand_in(self, other, one.user)];
        let id = schedule.id;
        Ok((id, self.keep_overrides(ground, schedule, both)?))
    }

    /// Takes an override back.
    ///
    /// # Errors
    /// When it must not be, or there is none.
    pub fn remove_override(&mut self, schedule: &str, id: Id) -> Done<Override> {
        let mut schedule = self.schedule(schedule)?;
        let known = schedule.body.overrides.iter().position(|it| it.id == id);
        let known = known.ok_or_else(|| Problem::not_found("override", id))?;
        let gone = schedule.body.overrides.remove(known);
        let is_theirs = gone.act.people().any(|(_, user)| Some(user) == self.caller.user);
        if !(is_theirs && self.caller.responds()) {
            self.must_define(schedule.owner)?;
        }
        self.put_rota(schedule, &[("schedule.override", Some(&gone), None)])?;
        Ok(gone)
    }

    /// The schedule for a layer of which a calendar may be uploaded, and the clock by which it goes.
    ///
    /// # Errors
    /// When it must not be, or the layer does not go by one that is uploaded.
    pub fn calendar_layer(&mut self, schedule: &str, layer: &str) -> Done<(Id, Zone)> {
        let schedule = self.schedule(schedule)?;
        self.must_define(schedule.owner)?;
        let calendar = schedule.body.schedule.calendars().find(|(name, _)| *name == layer);
        if calendar.is_none_or(|(_, calendar)| calendar.url.is_some()) {
            let why = format!(
                "schedule {:?} has no layer {layer:?} that goes by a calendar without a URL",
                schedule.name
            );
            return Err(Problem::not_in_state(why).into());
        }
        Ok((schedule.id, schedule.body.schedule.zone))
    }

    /// Takes a calendar that a layer is to go by, which was read before.
    ///
    /// # Errors
    /// As [`Desk::calendar_layer`], or when it is none.
    pub fn upload_calendar(
        &mut self,
        ground: &Ground,
        schedule: &str,
        layer: &str,
        read: Read,
    ) -> Done<Known> {
        let (schedule, _) = self.calendar_layer(schedule, layer)?;
        let kept = flow::calendars::upload(&ground.core, self.tx, (schedule, layer), read, self.now)?;
        let kept = kept.map_err(Problem::bad)?;
        let after = json!({ "layer": layer, "shifts": kept.shifts.len(), "skipped": kept.skipped_count });
        self.note("schedule.calendar", ("schedule", &schedule.to_string()), None, Some(after))?;
        Ok(kept)
    }

    /// Lets the calendars of a schedule be fetched now; says how many there are.
    ///
    /// # Errors
    /// When there is no such schedule.
    pub fn fetch_calendars(&mut self, schedule: &str) -> Done<u64> {
        let schedule = self.schedule(schedule)?;
        if !self.caller.responds_for([&schedule.owner]) {
            self.must(Scope::Respond)?;
        }
        Ok(store::calendars::hurry(self.tx, schedule.id, self.now)?)
    }

    fn act(&mut self, it: ActIn) -> Done<Act> {
        let mut user = |field: &str, text: &str| -> Done<Id> {
            let found: Option<User> = store::users::named(self.tx, text)?;
            let known = found
                .ok_or_else(|| Problem::wrong(format!("act.{field}"), format!("there is no user {text:?}")));
            Ok(known?.id)
        };
        Ok(match it {
            ActIn::Only { user: who } => Act::Only { user: user("user", &who)? },
            ActIn::Add { user: who } => Act::Add { user: user("user", &who)? },
            ActIn::Remove { user: who } => Act::Remove { user: user("user", &who)? },
            ActIn::Replace { user: who, with } => {
                Act::Replace { user: user("user", &who)?, with: user("with", &with)? }
            }
            ActIn::Swap { one, other } => {
                Act::Swap { one: user("one", &one)?, other: user("other", &other)? }
            }
        })
    }

    /// The shift of somebody that is meant, whole.
    fn shift(&mut self, rota: &Rota, field: &str, of: &ShiftOf) -> Done<Shift> {
        let found = store::users::named(self.tx, &of.user)?;
        let wrong = |name: &str, why: String| Fail::from(Problem::wrong(format!("{field}.{name}"), why));
        let user = found.ok_or_else(|| wrong("user", format!("there is no user {:?}", of.user)))?;
        let from = of.at.unwrap_or(self.now);
        let until =
            of.at.map_or(from + std::time::Duration::from_secs(AHEAD_DAYS * 86_400), |at| Time(at.0 + 1));
        let roster = rota.roster();
        let shifts = roster.resolve(Period::new(from, until)).shifts;
        // who has one now means that by their next only when there is no other
        let is_next = |it: &&Shift| it.user == user.id && (of.at.is_some() || it.from > self.now);
        let own = |it: &&Shift| it.user == user.id;
        let shift = shifts.iter().find(is_next).or_else(|| shifts.iter().find(own)).copied();
        let whole = shift.map(|it| roster.whole(it)).filter(|it| it.until > self.now);
        whole.ok_or_else(|| {
            let why = match of.at {
                Some(at) => format!("{} has no shift at {at}, or it is over", user.name),
                None => format!("{} has no shift within {AHEAD_DAYS} days", user.name),
            };
            wrong("at", why)
        })
    }

    fn keep_overrides(
        &mut self,
        ground: &Ground,
        mut schedule: Definition<Rota>,
        made: Vec<Override>,
    ) -> Done<Vec<Override>> {
        let people = ground.core.people(self.tx)?;
        let everybody = people.with_calendars(schedule.id, schedule.body.clone()).people();
        for it in &made {
            it.check(&|id| people.user(id).is_some()).map_err(refused)?;
            if it.until <= self.now {
                return Err(Problem::wrong("until", format!("is {}, which is over already", it.until)).into());
            }
            self.may_override(&schedule, &everybody, it.act)?;
        }
        let since = self.now - REMEMBERED;
        schedule.body.overrides.retain(|it| it.until > since);
        if schedule.body.overrides.len() + made.len() > MAX_OVERRIDES {
            schedule.body.overrides.retain(|it| it.until > self.now);
        }
        schedule.body.overrides.extend(made.iter().cloned());
        if schedule.body.overrides.len() > MAX_OVERRIDES {
            return Err(
                Problem::not_in_state(format!("it has {MAX_OVERRIDES} overrides: no more fit")).into()
            );
        }
        let lines: Vec<_> = made.iter().map(|it| ("schedule.override", None, Some(it))).collect();
        self.put_rota(schedule, &lines)?;
        Ok(made)
    }

    /// Makes sure that who asks may do this: who runs the schedule all, and those who are on it, or in the team whose
    /// it is, what is about their own shifts.
    fn may_override(&mut self, schedule: &Definition<Rota>, everybody: &[Id], act: Act) -> Done<()> {
        let Err(fail) = self.must_define(schedule.owner) else { return Ok(()) };
        let Some(own) = self.caller.user.filter(|_| self.caller.responds()) else {
            return Err(fail);
        };
        let is_about_own = match act {
            Act::Only { user } | Act::Add { user } => user == own,
            Act::Replace { user, with } => user == own || with == own,
            Act::Swap { one, other } => one == own || other == own,
            // that may leave a gap
            Act::Remove { .. } => false,
        };
        if !is_about_own {
            let why = "people take and give their own shifts, with somebody who takes them; the rest is for who runs \
                       the schedule";
            return Err(Problem::forbidden(why).into());
        }
        for (field, user) in act.people() {
            let belongs = everybody.contains(&user)
                || schedule.owner == user
                || store::teams::member(self.tx, schedule.owner, user)?.is_some();
            if !belongs {
                let why = "is neither on this schedule nor in its team: who runs it may do this";
                return Err(Problem::wrong(format!("act.{field}"), why).into());
            }
        }
        Ok(())
    }

    fn put_rota(
        &mut self,
        mut schedule: Definition<Rota>,
        lines: &[(&str, Option<&Override>, Option<&Override>)],
    ) -> Done<()> {
        schedule.updated_at = self.now;
        definitions::put(self.tx, Kind::Schedule, &schedule)?;
        let of = schedule.id.to_string();
        for (action, before, after) in lines {
            let shown = |it: &Override| json!({ "schedule": schedule.name, "override": it });
            self.note(action, ("schedule", &of), before.map(shown), after.map(shown))?;
        }
        Ok(())
    }
}
