//! Who is on call when, with names beside ids.

use std::collections::HashMap;
use std::time::Duration;

use flow::people::People;
use model::period::Period;
use model::schedule::{Duty, Layer, Override, Rota, Schedule, Shift, Why};
use model::{Id, Time};
use serde::Serialize;
use serde_json::Value;
use store::calendars::Known;
use store::definitions::Definition;
use utoipa::ToSchema;

use crate::limits::MAX_SHOWN_SHIFTS;

/// A user.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Person {
    /// Their id.
    #[schema(value_type = String)]
    pub id: Id,
    /// What they are called; their id, when they are gone.
    pub name: String,
}

/// Why somebody is on call.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WhyView {
    /// `layer` or `override`.
    pub by: &'static str,
    /// The layer's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// The turn of its rotation, counted from the first hand-over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<i64>,
    /// The override's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub r#override: Option<Id>,
    /// Who would be on call otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<Person>,
    /// What was said about the override.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Somebody who is on call.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Duty)]
pub struct DutyView {
    /// Who.
    pub user: Person,
    /// Why.
    #[serde(flatten)]
    pub why: WhyView,
}

/// A time during which somebody is on call for one reason.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Shift)]
pub struct ShiftView {
    /// Who.
    pub user: Person,
    /// From when; the start of what was asked about, when it began before.
    #[schema(value_type = String, format = DateTime)]
    pub from: Time,
    /// Until when; the end of what was asked about, when it goes on.
    #[schema(value_type = String, format = DateTime)]
    pub until: Time,
    /// Why.
    #[serde(flatten)]
    pub why: WhyView,
}

/// From one time until another.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = Period)]
pub struct PeriodView {
    /// From when.
    #[schema(value_type = String, format = DateTime)]
    pub from: Time,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    pub until: Time,
}

impl From<Period> for PeriodView {
    fn from(it: Period) -> Self {
        PeriodView { from: it.from, until: it.until }
    }
}

/// Who is on call by a schedule.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = OnCall)]
pub struct OnCallView {
    /// The schedule's id.
    #[schema(value_type = String)]
    pub schedule: Id,
    /// Its name.
    pub name: String,
    /// By which clock its hours go.
    pub zone: String,
    /// Who is on call; nobody in a gap.
    pub on_call: Vec<DutyView>,
    /// When others are, or nobody; null: not within 400 days.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_change: Option<Time>,
    /// When somebody takes over next who is not on call now.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_handover: Option<Time>,
    /// Who is on call after that.
    pub next: Vec<DutyView>,
    /// The next time at which nobody is, within two weeks.
    pub gap: Option<PeriodView>,
}

/// What one layer says for itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = LayerShifts)]
pub struct LayerView {
    /// What it is called.
    pub name: String,
    /// Who would be on call if there was only this layer.
    pub shifts: Vec<ShiftView>,
}

/// The shifts and gaps of a period.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Shifts)]
pub struct ShiftsView {
    /// The schedule's name.
    pub name: String,
    /// By which clock its hours go.
    pub zone: String,
    /// What is shown.
    pub period: PeriodView,
    /// Who is on call when.
    pub shifts: Vec<ShiftView>,
    /// When nobody is.
    pub gaps: Vec<PeriodView>,
    /// What each layer says for itself; of several that say something at a time the last has the say.
    pub layers: Vec<LayerView>,
    /// What is otherwise, in the order in which it was said.
    pub overrides: Vec<OverrideView>,
    /// What is known of the calendars that layers go by.
    pub calendars: Vec<CalendarView>,
}

/// What is otherwise for a while.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Override)]
pub struct OverrideView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: Id,
    /// From when.
    #[schema(value_type = String, format = DateTime)]
    pub from: Time,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    pub until: Time,
    /// What: `only`, `replace`, `add`, `remove` or `swap`, and whom, by names.
    #[schema(value_type = Object)]
    pub act: Value,
    /// Why.
    pub note: String,
}

/// What is known of a calendar that a layer goes by.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Calendar)]
pub struct CalendarView {
    /// The layer's name.
    pub layer: String,
    /// When it was last fetched or uploaded, also when it was the same; null: never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub fetched_at: Option<Time>,
    /// When it is fetched next; null: somebody uploads it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_fetch: Option<Time>,
    /// How many shifts it says, of the last weeks and the next 400 days.
    pub shifts: usize,
    /// Events that could not be used, titles that are no users' names among them: UID, title and reason.
    #[schema(value_type = Vec<Object>)]
    pub skipped: Value,
    /// How many could not be used.
    pub skipped_count: i64,
    /// Tries in a row that failed; what it said last still counts.
    pub failures: i64,
    /// Why the last did; empty: it did not.
    pub error: String,
}

impl From<Known> for CalendarView {
    fn from(it: Known) -> Self {
        CalendarView {
            layer: it.layer,
            fetched_at: it.fetched_at,
            next_fetch: it.due_at,
            shifts: it.shifts.len(),
            skipped: serde_json::from_str(&it.skipped).unwrap_or_default(),
            skipped_count: it.skipped_count,
            failures: it.failures,
            error: it.error,
        }
    }
}

/// A schedule, to be shown with names.
pub struct Shown<'a> {
    people: &'a People,
    rota: &'a Rota,
    notes: HashMap<Id, &'a Override>,
}

impl<'a> Shown<'a> {
    /// This one.
    pub fn new(people: &'a People, rota: &'a Rota) -> Self {
        Shown { people, rota, notes: rota.overrides.iter().map(|it| (it.id, it)).collect() }
    }

    fn person(&self, id: Id) -> Person {
        Person { id, name: self.people.name_of(id) }
    }

    fn why(&self, why: Why, layers: &[Layer]) -> WhyView {
        let none =
            WhyView { by: "layer", layer: None, turn: None, r#override: None, instead_of: None, note: None };
        match why {
            Why::Layer { layer, turn } => {
                WhyView { layer: layers.get(layer).map(|it| it.name.clone()), turn: Some(turn), ..none }
            }
            Why::Override { id, instead_of } => WhyView {
                by: "override",
                r#override: Some(id),
                instead_of: instead_of.map(|id| self.person(id)),
                note: self.notes.get(&id).map(|it| it.note.clone()).filter(|note| !note.is_empty()),
                ..none
            },
        }
    }

    fn duty(&self, it: Duty) -> DutyView {
        DutyView { user: self.person(it.user), why: self.why(it.why, &self.rota.schedule.layers) }
    }

    fn shift(&self, it: Shift, layers: &[Layer]) -> ShiftView {
        ShiftView {
            user: self.person(it.user),
            from: it.from,
            until: it.until,
            why: self.why(it.why, layers),
        }
    }

    /// Who is on call at a time.
    pub fn on_call(&self, of: &Definition<Rota>, at: Time) -> OnCallView {
        const TWO_WEEKS: Duration = Duration::from_secs(14 * 86_400);
        let roster = self.rota.roster();
        let outlook = roster.outlook(at);
        let gaps = roster.resolve(Period::new(at, at + TWO_WEEKS)).gaps;
        OnCallView {
            schedule: of.id,
            name: of.name.clone(),
            zone: self.rota.schedule.zone.name().to_owned(),
            on_call: outlook.now.into_iter().map(|it| self.duty(it)).collect(),
            next_change: outlook.next_change,
            next_handover: outlook.next_handover,
            next: outlook.next.into_iter().map(|it| self.duty(it)).collect(),
            gap: gaps.first().copied().map(PeriodView::from),
        }
    }

    /// The shifts of a period; `None`: there are too many to be shown.
    pub fn shifts(&self, name: &str, period: Period, calendars: Vec<Known>) -> Option<ShiftsView> {
        let schedule = &self.rota.schedule;
        let resolved = self.rota.roster().resolve(period);
        let mut room = MAX_SHOWN_SHIFTS.checked_sub(resolved.shifts.len())?;
        let mut layers = Vec::with_capacity(schedule.layers.len());
        for layer in &schedule.layers {
            let alone = Rota {
                schedule: Schedule { layers: vec![layer.clone()], ..schedule.clone() },
                overrides: Vec::new(),
            };
            let shifts = alone.roster().resolve(period).shifts;
            room = room.checked_sub(shifts.len())?;
            let own = std::slice::from_ref(layer);
            let shifts = shifts.into_iter().map(|it| self.shift(it, own)).collect();
            layers.push(LayerView { name: layer.name.clone(), shifts });
        }
        Some(ShiftsView {
            name: name.to_owned(),
            zone: schedule.zone.name().to_owned(),
            period: resolved.period.into(),
            shifts: resolved.shifts.into_iter().map(|it| self.shift(it, &schedule.layers)).collect(),
            gaps: resolved.gaps.into_iter().map(PeriodView::from).collect(),
            layers,
            overrides: self.overrides(period),
            calendars: calendars.into_iter().map(CalendarView::from).collect(),
        })
    }

    /// What is otherwise in a period.
    pub fn overrides(&self, period: Period) -> Vec<OverrideView> {
        let within = self.rota.overrides.iter().filter(|it| !it.period().intersect(period).is_empty());
        within.map(|it| self.over(it)).collect()
    }

    /// An override with names.
    pub fn over(&self, it: &Override) -> OverrideView {
        let mut act = serde_json::to_value(it.act).unwrap_or_default();
        for (field, user) in it.act.people() {
            act[field] = self.people.name_of(user).into();
        }
        OverrideView { id: it.id, from: it.from, until: it.until, act, note: it.note.clone() }
    }
}
