//! Who is told at a place, for those that are told of people: plugins.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::account::Team;
use model::receiver::Place;
use model::{Id, Time};
use sdk::{OfProjects, Somebody, Told};
use serde_json::Value;
use store::definitions::Kind;
use store::{Result, Tx};

use super::{People, all};

/// People whom one message names at the most, told and on duty each.
pub const MAX_TOLD: usize = 500;

/// What is set for plugins: by people, by whose it is and by plugin, and for projects.
#[derive(Default)]
pub(super) struct PluginSettings {
    people: HashMap<Id, Arc<BTreeMap<String, Value>>>,
    projects: Arc<OfProjects>,
}

impl PluginSettings {
    pub(super) fn read(tx: &mut Tx<'_>) -> Result<Self> {
        let mut people: HashMap<Id, BTreeMap<String, Value>> = HashMap::new();
        let mut projects = OfProjects::new();
        for it in all::<model::PluginSettings>(tx, Kind::PluginSettings)? {
            let model::PluginSettings { plugin, project, settings } = it.body;
            let (of, name) = match project {
                None => (people.entry(it.owner).or_default(), plugin),
                Some(project) => (projects.entry(plugin).or_default(), project),
            };
            of.insert(name, Value::Object(settings));
        }
        let people = people.into_iter().map(|(owner, its)| (owner, Arc::new(its))).collect();
        Ok(PluginSettings { people, projects: Arc::new(projects) })
    }
}

impl People {
    /// What somebody, by name or id, has set for a plugin: null, if nothing; `None`: there is nobody of that name.
    pub fn set_by(&self, plugin: &str, user: &str) -> Option<Value> {
        let by_name = || self.users.values().find(|it| it.name.eq_ignore_ascii_case(user)).map(|it| it.id);
        let id = user.parse().ok().filter(|id| self.knows(*id)).or_else(by_name)?;
        let id = self.user(id)?.id;
        let set = self.plugin_settings.people.get(&id).and_then(|all| all.get(plugin));
        Some(set.cloned().unwrap_or_default())
    }

    /// What is set for a plugin for a project or service.
    pub fn set_for(&self, plugin: &str, project: &str) -> Option<Value> {
        self.plugin_settings.projects.get(plugin)?.get(project).cloned()
    }

    /// Whom a message to this place is for: its owner, or whom the configuration names; and who is on duty at this
    /// time. Who is not there, or locked out, is left out.
    pub fn told(&self, place: &Place, at: Time) -> Arc<Told> {
        let manners = &place.manners;
        let mut told = Told { projects: self.plugin_settings.projects.clone(), ..Told::default() };
        match self.owner_of(&place.id) {
            Some(owner) => self.add(&mut told.recipients, self.members(owner)),
            None => {
                for name in &manners.recipients {
                    self.add(&mut told.recipients, self.named(name));
                }
            }
        }
        for name in &manners.on_duty {
            let schedule = self.schedules.values().filter(|it| it.name == *name);
            let schedule = schedule.min_by_key(|it| (it.owner, it.id));
            let duty = schedule.map(|it| it.body.roster().on_call(at)).unwrap_or_default();
            self.add(&mut told.on_duty, duty.into_iter().map(|duty| duty.user).collect());
        }
        Arc::new(told)
    }

    /// A user alone, or who belongs to a team.
    pub(crate) fn members(&self, owner: Id) -> Vec<Id> {
        self.teams.get(&owner).map_or_else(|| vec![owner], |crew| crew.members.clone())
    }

    fn named(&self, name: &str) -> Vec<Id> {
        match name.strip_prefix(Team::PREFIX) {
            Some(team) => {
                let found = self.teams.values().find(|crew| crew.name.eq_ignore_ascii_case(team));
                found.map(|crew| crew.members.clone()).unwrap_or_default()
            }
            None => {
                let found = self.users.values().find(|user| user.name.eq_ignore_ascii_case(name));
                found.map(|user| user.id).into_iter().collect()
            }
        }
    }

    /// Adds those who are there and were not yet.
    fn add(&self, to: &mut Vec<Somebody>, users: Vec<Id>) {
        for id in users {
            let Some(user) = self.user(id) else { continue };
            if to.len() < MAX_TOLD && to.iter().all(|other| other.id != id) {
                let settings = self.plugin_settings.people.get(&id).cloned().unwrap_or_default();
                let (name, email) = (user.name.clone(), user.email.clone());
                to.push(Somebody { id, name, email, settings });
            }
        }
    }
}
