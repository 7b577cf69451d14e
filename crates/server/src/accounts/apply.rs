//! Many definitions at once, as a file has them: all of them are kept, or none.

use model::escalation::Policy;
use model::maintenance::Maintenance;
use model::profile::{Filter, Profile, Timeslot};
use model::schedule::Rota;
use model::{AlertRule, Id, OwnedDestination, PluginSettings, Reach};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::definitions::{self, Kind};
use utoipa::ToSchema;

use super::defined::{About, Defined, Ground};
use super::definitions::{read, refused};
use super::{Desk, Done, Fail, names};
use crate::error::Problem;

/// Definitions that are applied at once.
const MAX_APPLIED: usize = 2000;

/// Definitions as they are to be. What is there already under its kind, owner and name is changed.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApplyDefinitions)]
pub struct ApplyIn {
    /// They may refer to each other by name, in any order.
    pub items: Vec<ApplyItem>,
    /// Only to see what would become of them: nothing is kept.
    #[serde(default)]
    pub dry_run: bool,
}

/// One definition.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyItem {
    /// `destination`, `timeslot`, `filter`, `profile`, `schedule`, `policy`, `maintenance`, `reach`, `alert_rule` or
    /// `plugin-settings`.
    pub kind: String,
    /// What it is called.
    pub name: String,
    /// Whose it is; whoever asks, if not given.
    pub owner: Option<String>,
    /// What it says. A schedule without `overrides` keeps those that it has.
    #[schema(value_type = Object)]
    pub spec: Map<String, Value>,
}

/// What became of one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Applied {
    /// Its kind.
    pub kind: &'static str,
    /// What it is called.
    pub name: String,
    /// Whose it is.
    pub owner: String,
    /// Its id.
    #[schema(value_type = String)]
    pub id: Id,
    /// `created`, `changed` or `unchanged`.
    pub result: &'static str,
    /// What it said before, without secrets; null: it was not there.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// What it says, without secrets.
    #[schema(value_type = Object)]
    pub after: Value,
}

/// In which order kinds are kept: what others refer to comes first.
const ORDER: [Kind; 10] = [
    Kind::Destination,
    Kind::Timeslot,
    Kind::Filter,
    Kind::Maintenance,
    Kind::Schedule,
    Kind::Policy,
    Kind::Profile,
    Kind::Reach,
    Kind::AlertRule,
    Kind::PluginSettings,
];

impl Desk<'_, '_> {
    /// Keeps all of them, or none; the answer is in their order.
    ///
    /// # Errors
    /// When one must not be, or makes no sense: the path says which.
    pub fn apply(&mut self, ground: &Ground, items: &[ApplyItem]) -> Done<Vec<Applied>> {
        if items.len() > MAX_APPLIED {
            return Err(Problem::wrong("items", format!("has more than {MAX_APPLIED}")).into());
        }
        let mut kinds = Vec::with_capacity(items.len());
        for (n, it) in items.iter().enumerate() {
            let kind = ORDER.iter().position(|kind| kind.name() == it.kind);
            let known = || ORDER.map(Kind::name).join(", ");
            let wrong = || Problem::wrong(format!("items[{n}].kind"), format!("is none of {}", known()));
            kinds.push(kind.ok_or_else(wrong)?);
        }
        let mut left: Vec<usize> = (0..items.len()).collect();
        left.sort_by_key(|n| kinds[*n]);
        let mut applied: Vec<Option<Applied>> = items.iter().map(|_| None).collect();
        // policies may lead to others that come later: as long as one more can be kept, the others are tried again
        while !left.is_empty() {
            let before = left.len();
            let mut failed: Option<Fail> = None;
            let mut later = Vec::new();
            for n in left {
                match self.apply_one(ground, ORDER[kinds[n]], &items[n]) {
                    Ok(done) => applied[n] = Some(done),
                    Err(Fail::Problem(problem)) => {
                        failed.get_or_insert(Fail::Problem(Box::new(within(*problem, n))));
                        later.push(n);
                    }
                    Err(error) => return Err(error),
                }
            }
            left = later;
            if let Some(fail) = failed.filter(|_| left.len() == before) {
                return Err(fail);
            }
        }
        Ok(applied.into_iter().flatten().collect())
    }

    fn apply_one(&mut self, ground: &Ground, kind: Kind, it: &ApplyItem) -> Done<Applied> {
        match kind {
            Kind::Destination => self.apply_as::<OwnedDestination>(ground, it),
            Kind::Timeslot => self.apply_as::<Timeslot>(ground, it),
            Kind::Filter => self.apply_as::<Filter>(ground, it),
            Kind::Profile => self.apply_as::<Profile>(ground, it),
            Kind::Schedule => self.apply_as::<Rota>(ground, it),
            Kind::Policy => self.apply_as::<Policy>(ground, it),
            Kind::Maintenance => self.apply_as::<Maintenance>(ground, it),
            Kind::Reach => self.apply_as::<Reach>(ground, it),
            Kind::AlertRule => self.apply_as::<AlertRule>(ground, it),
            // the plugin has been asked by then
            Kind::PluginSettings => self.apply_as::<PluginSettings>(ground, it),
        }
    }

    /// What somebody has set for a plugin up to now, whatever the file says.
    ///
    /// # Errors
    /// When it must not be, or the owner is not there.
    pub fn set_before(&mut self, it: &ApplyItem) -> Done<Option<Value>> {
        let owner = self.owner_for::<PluginSettings>(it.owner.as_deref(), &it.name)?;
        self.must_set_up(Kind::PluginSettings, owner)?;
        let own = definitions::all::<PluginSettings>(self.tx, Kind::PluginSettings, Some(owner))?;
        let known = own.into_iter().find(|known| known.name == it.name);
        Ok(known.map(|it| Value::Object(it.body.settings)))
    }

    fn apply_as<T: Defined>(&mut self, ground: &Ground, it: &ApplyItem) -> Done<Applied> {
        let owner = self.owner_for::<T>(it.owner.as_deref(), &it.name)?;
        self.must_set_up(T::KIND, owner)?;
        let own = definitions::all::<T>(self.tx, T::KIND, Some(owner))?;
        let before = own.into_iter().find(|known| known.name == it.name);
        let id = before.as_ref().map_or(Id(0), |it| it.id);
        let mut spec = it.spec.clone();
        if let Some(before) = &before {
            T::keep_hidden(&before.body, &mut spec);
            // what people have arranged among themselves is no part of a file that does not speak of it
            if T::KIND == Kind::Schedule && !spec.contains_key("overrides") {
                let was = serde_json::to_value(&before.body).unwrap_or_default();
                spec.insert("overrides".to_owned(), was["overrides"].clone());
            }
        }
        names::resolve(self.tx, T::KIND, owner, &mut spec)?;
        let (kept, was, result) = match before {
            None => {
                (self.make(ground, owner, it.name.clone(), |about| read::<T>(about, spec))?, None, "created")
            }
            Some(before) => {
                let mut body: T =
                    read(&About { id, owner, name: it.name.clone(), by: self.caller.user }, spec)?;
                T::follow(&before.body, &mut body, self.now).map_err(|bad| refused(bad.within("spec")))?;
                let was = Some(self.show(ground, before.clone())?.spec);
                match serde_json::to_value(&body).ok() == serde_json::to_value(&before.body).ok() {
                    true => (before, was, "unchanged"),
                    false => (self.remake(ground, before, it.name.clone(), |_| Ok(body))?, was, "changed"),
                }
            }
        };
        let shown = self.show(ground, kept)?;
        let (kind, name, owner, after) = (T::KIND.name(), shown.name, shown.owner, shown.spec);
        Ok(Applied { kind, name, owner, id: shown.id, result, before: was, after })
    }
}

/// The same, of one of many.
pub(crate) fn within(mut problem: Problem, n: usize) -> Problem {
    for wrong in &mut problem.errors {
        let dot = if wrong.path.is_empty() { "" } else { "." };
        wrong.path = format!("items[{n}]{dot}{}", wrong.path);
    }
    problem.detail = format!("items[{n}]: {}", problem.detail);
    problem
}
