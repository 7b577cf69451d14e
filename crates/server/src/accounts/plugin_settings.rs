//! What is set for plugins, each after its own schemas: by people for themselves, and for projects and services.

use model::refusal::Refusal;
use model::{Id, PluginSettings, Time};
use sdk::registry::{PluginForm, Whose};
use sdk::secret::REDACTED;
use serde_json::{Map, Value, json};
use store::Tx;
use store::definitions::{self, Definition, Kind};

use super::defined::{About, Defined, Ground, of_settings, put_back};
use super::{Desk, Done, EVERYBODY};
use crate::error::Problem;

impl Defined for PluginSettings {
    const KIND: Kind = Kind::PluginSettings;

    fn owner(tx: &mut Tx<'_>, name: &str) -> Done<Option<Id>> {
        let (_, Some(project)) = PluginSettings::parts(name) else { return Ok(None) };
        let project = store::projects::named(tx, project)?;
        Ok(Some(project.and_then(|it| it.team).unwrap_or(EVERYBODY)))
    }

    fn fill(spec: &mut Map<String, Value>, about: &About) {
        let (plugin, project) = PluginSettings::parts(&about.name);
        spec.insert("plugin".to_owned(), plugin.into());
        spec.insert("project".to_owned(), project.into());
    }

    fn strip(spec: &mut Map<String, Value>) {
        ["plugin", "project"].into_iter().for_each(|name| drop(spec.remove(name)));
    }

    fn check(&self, tx: &mut Tx<'_>, ground: &Ground, about: &About, _: Time) -> Done<Result<(), Refusal>> {
        let Some(known) = form(self, ground) else {
            let whose = whose(self);
            let known: Vec<&str> = ground.kinds.with_forms(whose).collect();
            let known = if known.is_empty() { "none has any".to_owned() } else { known.join(", ") };
            let (who, form) = match whose {
                Whose::Person => ("people", "is the plugin's id"),
                Whose::Project => ("projects", "is the plugin's id, a slash and the project"),
            };
            let why = format!("{form}, and {:?} has no settings for {who}: {known}", self.plugin);
            return Ok(Err(Refusal::new("name", why)));
        };
        if let Some(project) = &self.project
            && let Err(bad) = may_be_set(tx, about, project)?
        {
            return Ok(Err(bad));
        }
        let fits = (known.fit)(Value::Object(self.settings.clone()));
        Ok(fits.map(drop).map_err(|error| of_settings("plugin", error)))
    }

    fn hide(&self, ground: &Ground, spec: &mut Map<String, Value>) {
        match (form(self, ground), spec.get_mut("settings")) {
            (Some(known), Some(settings)) => sdk::secret::redact(settings, &known.schema),
            // of a plugin that is gone nobody knows what is secret
            (None, Some(settings)) => *settings = Value::String(REDACTED.to_owned()),
            _ => {}
        }
    }

    fn keep_hidden(before: &Self, spec: &mut Map<String, Value>) {
        if let Some(settings) = spec.get_mut("settings") {
            put_back(settings, &Value::Object(before.settings.clone()));
        }
    }
}

fn whose(it: &PluginSettings) -> Whose {
    if it.project.is_some() { Whose::Project } else { Whose::Person }
}

/// What such settings go by.
fn form<'a>(it: &PluginSettings, ground: &'a Ground) -> Option<&'a PluginForm> {
    ground.kinds.form(&it.plugin, whose(it))
}

/// Whether this owner may have settings of this project or service: it is a team's or everybody's, of a project with a
/// team that team's or everybody's, and nobody else has set the same.
fn may_be_set(tx: &mut Tx<'_>, about: &About, project: &str) -> Done<Result<(), Refusal>> {
    if project.is_empty() {
        return Ok(Err(Refusal::new("name", "is the plugin's id, a slash and the project")));
    }
    let team = store::projects::named(tx, project)?.and_then(|it| it.team);
    let is_theirs = match team {
        Some(team) => about.owner == team,
        None => store::teams::get(tx, about.owner)?.is_some(),
    };
    if !is_theirs && about.owner != EVERYBODY {
        let whose = if team.is_some() { "its team's" } else { "a team's" };
        let why = format!("what is set for {project:?} is {whose} or everybody's");
        return Ok(Err(Refusal::new("owner", why)));
    }
    let mut others = definitions::all::<Value>(tx, Kind::PluginSettings, None)?;
    others.retain(|it| it.name == about.name && it.id != about.id);
    Ok(match others.first() {
        Some(other) => Err(Refusal::new("name", format!("is set already, by another owner ({})", other.id))),
        None => Ok(()),
    })
}

impl Desk<'_, '_> {
    /// What is set for a project follows it: under its new name, or to nowhere if it is gone.
    pub(super) fn settings_follow(&mut self, project: &str, now: Option<&str>) -> Done<()> {
        let all = definitions::all::<PluginSettings>(self.tx, Kind::PluginSettings, None)?;
        for it in all.into_iter().filter(|it| it.body.project.as_deref() == Some(project)) {
            let (object, was) = (it.id.to_string(), json!({ "name": it.name }));
            let object = ("plugin-settings", object.as_str());
            let Some(now) = now else {
                definitions::delete(self.tx, Kind::PluginSettings, it.id, self.now)?;
                self.note("plugin-settings.delete", object, Some(was), None)?;
                continue;
            };
            let name = format!("{}/{now}", it.body.plugin);
            let body = PluginSettings { project: Some(now.to_owned()), ..it.body };
            let after = Definition { name, body, updated_at: self.now, ..it };
            if !definitions::put(self.tx, Kind::PluginSettings, &after)? {
                let why = format!("there are settings of {:?} for {now:?} already", after.body.plugin);
                return Err(Problem::wrong("slug", why).into());
            }
            self.note("plugin-settings.update", object, Some(was), Some(json!({ "name": after.name })))?;
        }
        Ok(())
    }
}
