//! Names in definitions, where ids belong: people write `ann` rather than what the hub knows her by.

use model::Id;
use serde_json::{Map, Value};
use store::Tx;
use store::definitions::{self, Kind};

use super::Done;
use crate::error::Problem;

/// What a name stands for.
#[derive(Clone, Copy)]
enum Named {
    User,
    Team,
    /// A definition: its kind, and whether only its owner's count.
    Definition(Kind, bool),
}

/// Puts ids where a definition has names. What is of another shape is left to whoever reads it.
///
/// # Errors
/// When there is nothing of a name, or several things.
pub(super) fn resolve(tx: &mut Tx<'_>, kind: Kind, owner: Id, spec: &mut Map<String, Value>) -> Done<()> {
    let mut names = Names { tx, owner };
    match kind {
        Kind::Schedule => names.schedule(spec),
        Kind::Policy => names.policy(spec),
        Kind::Profile => {
            names.field("spec", spec, "timeslot", Named::Definition(Kind::Timeslot, true))?;
            names.list("spec", spec, "filters", Named::Definition(Kind::Filter, true))?;
            names.list("spec", spec, "destinations", Named::Definition(Kind::Destination, true))
        }
        Kind::Reach => {
            let Some(Value::Object(rules)) = spec.get_mut("rules") else { return Ok(()) };
            for urgency in ["high", "low"] {
                for (path, contact) in objects(rules, urgency) {
                    let path = format!("spec.rules.{path}");
                    names.field(&path, contact, "destination", Named::Definition(Kind::Destination, true))?;
                }
            }
            Ok(())
        }
        Kind::Destination
        | Kind::Timeslot
        | Kind::Filter
        | Kind::Maintenance
        | Kind::PluginSettings
        | Kind::AlertRule => Ok(()),
    }
}

/// The objects in a list, each with where it is.
fn objects<'a>(
    of: &'a mut Map<String, Value>,
    field: &'a str,
) -> impl Iterator<Item = (String, &'a mut Map<String, Value>)> {
    let list = of.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten();
    list.enumerate().filter_map(move |(n, it)| Some((format!("{field}[{n}]"), it.as_object_mut()?)))
}

struct Names<'a, 'tx> {
    tx: &'a mut Tx<'tx>,
    owner: Id,
}

impl Names<'_, '_> {
    fn schedule(&mut self, spec: &mut Map<String, Value>) -> Done<()> {
        if let Some(Value::Object(schedule)) = spec.get_mut("schedule") {
            for (path, layer) in objects(schedule, "layers") {
                let path = format!("spec.schedule.{path}.turns");
                let Some(Value::Object(turns)) = layer.get_mut("turns") else { continue };
                if let Some(Value::Object(rotation)) = turns.get_mut("rotation") {
                    self.list(&format!("{path}.rotation"), rotation, "participants", Named::User)?;
                }
                for (place, shift) in objects(turns, "shifts") {
                    self.field(&format!("{path}.{place}"), shift, "user", Named::User)?;
                }
            }
        }
        for (path, it) in objects(spec, "overrides") {
            let Some(Value::Object(act)) = it.get_mut("act") else { continue };
            for field in ["user", "with", "one", "other"] {
                self.field(&format!("spec.{path}.act"), act, field, Named::User)?;
            }
        }
        Ok(())
    }

    fn policy(&mut self, spec: &mut Map<String, Value>) -> Done<()> {
        for (path, step) in objects(spec, "steps") {
            self.targets(&format!("spec.{path}"), step, "targets")?;
        }
        self.targets("spec", spec, "fallback")
    }

    fn targets(&mut self, path: &str, of: &mut Map<String, Value>, field: &str) -> Done<()> {
        for (place, target) in objects(of, field) {
            let named = match target.get("kind").and_then(Value::as_str) {
                Some("user") => Named::User,
                Some("team") => Named::Team,
                Some("schedule") => Named::Definition(Kind::Schedule, false),
                Some("policy") => Named::Definition(Kind::Policy, false),
                _ => continue,
            };
            // `name` as for a receiver, or `id`
            if !target.contains_key("id")
                && let Some(name) = target.remove("name")
            {
                target.insert("id".to_owned(), name);
            }
            self.field(&format!("{path}.{place}"), target, "id", named)?;
        }
        Ok(())
    }

    fn field(&mut self, path: &str, of: &mut Map<String, Value>, field: &str, named: Named) -> Done<()> {
        match of.get_mut(field) {
            Some(value) => self.put(&format!("{path}.{field}"), value, named),
            None => Ok(()),
        }
    }

    fn list(&mut self, path: &str, of: &mut Map<String, Value>, field: &str, named: Named) -> Done<()> {
        let Some(Value::Array(list)) = of.get_mut(field) else { return Ok(()) };
        let all = list.iter_mut().enumerate();
        all.into_iter().try_for_each(|(n, value)| self.put(&format!("{path}.{field}[{n}]"), value, named))
    }

    fn put(&mut self, path: &str, value: &mut Value, named: Named) -> Done<()> {
        let Some(text) = value.as_str() else { return Ok(()) };
        if let Some(id) = self.find(path, text, named)? {
            *value = id.to_string().into();
            return Ok(());
        }
        if text.parse::<Id>().is_ok() {
            // whoever reads it says what is wrong with it
            return Ok(());
        }
        let what = match named {
            Named::User => "user",
            Named::Team => "team",
            Named::Definition(kind, _) => kind.name(),
        };
        Err(Problem::wrong(path, format!("there is no {what} {text:?}")).into())
    }

    fn find(&mut self, path: &str, text: &str, named: Named) -> Done<Option<Id>> {
        let (kind, own) = match named {
            Named::User => return Ok(store::users::named(self.tx, text)?.map(|it| it.id)),
            Named::Team => return Ok(store::teams::named(self.tx, text)?.map(|it| it.id)),
            Named::Definition(kind, own) => (kind, own),
        };
        if let Ok(id) = text.parse::<Id>()
            && definitions::kind_of(self.tx, id)? == Some(kind)
        {
            return Ok(Some(id));
        }
        let mut found = definitions::all::<Value>(self.tx, kind, None)?;
        found.retain(|it| it.name == text);
        let of_owner = |owner: Id| found.iter().find(|it| it.owner == owner).map(|it| it.id);
        // one's own before everybody's before others'
        let nearest = of_owner(self.owner).or_else(|| of_owner(Id(0)));
        if nearest.is_some() {
            return Ok(nearest);
        }
        found.retain(|it| !own || (kind == Kind::Filter && it.body["public"] == true));
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one.id)),
            _ => {
                let why = format!("several owners have a {} {text:?}: write its id", kind.name());
                Err(Problem::wrong(path, why).into())
            }
        }
    }
}
