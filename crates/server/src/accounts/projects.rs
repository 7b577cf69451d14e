//! Projects and their keys.

use flow::tracked::projects::scrubbing;
use model::Id;
use model::project::{Keep, Project, ProjectKey, Rate, Scrub, Settings};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use store::artifacts::Bundle;
use tracker::scrub::{BadSettings, Part};
use utoipa::ToSchema;

use super::{Desk, Done, checked, shown};
use crate::auth::Scope;
use crate::error::{Kind, Problem};
use crate::limits::{MAX_KEYS_OF_PROJECT, MAX_PROJECTS};

/// A project as somebody asks for it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewProject)]
pub struct ProjectIn {
    /// What it is called: 1 to 50 characters out of a-z, 0-9, `-`, `_` and `.`, and no number.
    pub slug: String,
    /// What it is written in or runs on, such as `python`; `other`, if not given.
    #[serde(default)]
    pub platform: Option<String>,
    /// The team whose it is, by name or id.
    #[serde(default)]
    pub team: Option<String>,
}

/// What is to be otherwise about a project; what is not given stays as it is.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = ProjectChange)]
pub struct ProjectChange {
    /// What it is called.
    pub slug: Option<String>,
    /// What it is written in or runs on.
    pub platform: Option<String>,
    /// The team whose it is, by name or id; empty: nobody's in particular.
    pub team: Option<String>,
    /// Pages of which browsers may report, such as `https://shop.example` or `*.shop.example`; none: any.
    pub allowed_origins: Option<Vec<String>>,
    /// What is taken out of events before anything is kept: `enabled`, `fields`, `safe_fields`, `keep_secrets`,
    /// `patterns`, `safe_patterns`, `addresses`.
    #[schema(value_type = Option<Object>)]
    pub scrub: Option<Scrub>,
    /// How much is kept: `days`, `events`, `bytes`, `issues`.
    #[schema(value_type = Option<Object>)]
    pub keep: Option<Keep>,
    /// Which errors get which fingerprint, a rule a line: `error.type:OperationalError -> database-down`.
    pub grouping: Option<String>,
    /// An issue of which nothing was heard for so many days is over; 0: none is by itself.
    pub resolve_after_days: Option<u32>,
}

/// A key as somebody asks for it.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = NewProjectKey)]
pub struct KeyIn {
    /// What it is for.
    pub label: String,
    /// What is taken in at the most: `events` in so many `seconds`; everything, if not given.
    #[schema(value_type = Option<Object>)]
    pub rate: Option<Rate>,
}

/// What is to be otherwise about a key; what is not given stays as it is.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = ProjectKeyChange)]
pub struct KeyChange {
    /// What it is for.
    pub label: Option<String>,
    /// What is taken in at the most; null: everything.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Object>)]
    pub rate: Option<Option<Rate>>,
    /// `true` revokes it, for good: nothing is taken in by it any more.
    pub revoked: bool,
}

/// Tells null from what is not there.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Rate>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A project, and what its programs are known by.
pub type WithKeys = (Project, Vec<ProjectKey>);

impl Desk<'_, '_> {
    /// Makes a project with a first key; `public` is what clients will send.
    ///
    /// # Errors
    /// When it must not or cannot be.
    pub fn create_project(&mut self, it: ProjectIn, public: String) -> Done<WithKeys> {
        let team = self.team_for(it.team.as_deref())?;
        if store::projects::count(self.tx)? >= MAX_PROJECTS {
            let why = format!("there are {MAX_PROJECTS} projects: no more fit");
            return Err(Problem::not_in_state(why).into());
        }
        let project = Project {
            id: store::projects::next_number(self.tx)?,
            slug: it.slug,
            platform: it.platform.unwrap_or_else(|| "other".to_owned()),
            team: team.map(|it| it.id),
            settings: Settings::default(),
            created_at: self.now,
        };
        checked(project.problems())?;
        if !store::projects::insert(self.tx, &project)? {
            return Err(taken(&project.slug).into());
        }
        self.note("project.create", ("project", &project.id.to_string()), None, shown(&project))?;
        let key = self.keep_key(&project, KeyIn { label: "Default".to_owned(), rate: None }, public)?;
        Ok((project, vec![key]))
    }

    /// A project by number or slug, and its keys.
    ///
    /// # Errors
    /// When there is none.
    pub fn get_project(&mut self, text: &str) -> Done<WithKeys> {
        let project = self.project(text)?;
        let keys = store::projects::keys_of(self.tx, project.id)?;
        Ok((project, keys))
    }

    /// Projects after one of them, in the order in which they were made.
    ///
    /// # Errors
    /// When the database is gone.
    pub fn list_projects(&mut self, after: i64, limit: i64) -> Done<Vec<WithKeys>> {
        let mut found = Vec::new();
        for project in store::projects::page(self.tx, after, limit)? {
            let keys = store::projects::keys_of(self.tx, project.id)?;
            found.push((project, keys));
        }
        Ok(found)
    }

    /// Changes a project.
    ///
    /// # Errors
    /// When it must not or cannot be.
    pub fn change_project(&mut self, text: &str, change: ProjectChange) -> Done<WithKeys> {
        let before = self.project(text)?;
        self.must_run_project(&before)?;
        let mut project = before.clone();
        if let Some(team) = change.team {
            let named = Some(team.as_str()).filter(|team| !team.is_empty());
            project.team = self.team_for(named)?.map(|it| it.id);
        }
        project.slug = change.slug.unwrap_or(project.slug);
        project.platform = change.platform.unwrap_or(project.platform);
        let settings = &mut project.settings;
        settings.allowed_origins = change.allowed_origins.unwrap_or_else(|| settings.allowed_origins.clone());
        settings.scrub = change.scrub.unwrap_or_else(|| settings.scrub.clone());
        settings.keep = change.keep.unwrap_or(settings.keep);
        settings.resolve_after_days = change.resolve_after_days.unwrap_or(settings.resolve_after_days);
        if let Some(text) = change.grouping {
            let read = text.parse::<tracker::Rules>();
            read.map_err(|wrong| Problem::wrong("grouping", wrong.to_string()))?;
            settings.grouping = text;
        }
        if project != before {
            checked(project.problems())?;
            if project.settings.scrub != before.settings.scrub {
                readable(&project.settings.scrub)?;
            }
            if project.slug != before.slug && store::projects::named(self.tx, &project.slug)?.is_some() {
                return Err(taken(&project.slug).into());
            }
            store::projects::update(self.tx, &project)?;
            if project.slug != before.slug {
                self.settings_follow(&before.slug, Some(&project.slug))?;
            }
            let object = project.id.to_string();
            self.note("project.update", ("project", &object), shown(&before), shown(&project))?;
        }
        let keys = store::projects::keys_of(self.tx, project.id)?;
        Ok((project, keys))
    }

    /// Forgets a project with everything that belongs to it.
    ///
    /// # Errors
    /// When it must not be, or there is none.
    pub fn delete_project(&mut self, text: &str) -> Done<Project> {
        let project = self.project(text)?;
        self.must_run_project(&project)?;
        store::projects::delete(self.tx, project.id, self.now)?;
        self.settings_follow(&project.slug, None)?;
        self.note("project.delete", ("project", &project.id.to_string()), shown(&project), None)?;
        Ok(project)
    }

    /// Makes another key; `public` is what clients will send.
    ///
    /// # Errors
    /// When it must not or cannot be.
    pub fn add_project_key(&mut self, text: &str, it: KeyIn, public: String) -> Done<(Project, ProjectKey)> {
        let project = self.project(text)?;
        self.must_run_project(&project)?;
        if store::projects::keys_of(self.tx, project.id)?.len() >= MAX_KEYS_OF_PROJECT {
            let why = format!("{:?} has {MAX_KEYS_OF_PROJECT} keys: no more fit", project.slug);
            return Err(Problem::not_in_state(why).into());
        }
        let key = self.keep_key(&project, it, public)?;
        Ok((project, key))
    }

    /// Changes or revokes a key, named by its id or by what clients send.
    ///
    /// # Errors
    /// When it must not or cannot be.
    pub fn change_project_key(
        &mut self,
        text: &str,
        key: &str,
        change: KeyChange,
    ) -> Done<(Project, ProjectKey)> {
        let project = self.project(text)?;
        self.must_run_project(&project)?;
        let keys = store::projects::keys_of(self.tx, project.id)?;
        let before = keys.into_iter().find(|it| it.id.to_string() == key || it.public == key);
        let before = before.ok_or_else(|| {
            Problem::not_found("key", format_args!("{key:?} of project {:?}", project.slug))
        })?;
        let mut now = before.clone();
        now.label = change.label.unwrap_or(now.label);
        now.rate = change.rate.unwrap_or(now.rate);
        if change.revoked {
            now.revoked_at = now.revoked_at.or(Some(self.now));
        }
        if now != before {
            checked(now.problems())?;
            store::projects::update_key(self.tx, &now)?;
            let is_end = now.revoked_at != before.revoked_at;
            let action = if is_end { "project_key.revoke" } else { "project_key.update" };
            let object = now.id.to_string();
            self.note(action, ("project_key", &object), shown(&before), shown(&now))?;
        }
        Ok((project, now))
    }

    /// What was uploaded for a project before an upload, the newest first.
    ///
    /// # Errors
    /// When there is no such project.
    pub fn list_artifacts(&mut self, text: &str, before: Id, limit: i64) -> Done<Vec<Bundle>> {
        let project = self.project(text)?;
        Ok(store::artifacts::page(self.tx, project.id, before, limit)?)
    }

    /// Forgets an upload of a project.
    ///
    /// # Errors
    /// When it must not be, or there is none.
    pub fn delete_artifacts(&mut self, text: &str, upload: Id) -> Done<()> {
        let project = self.project(text)?;
        self.must_run_project(&project)?;
        let found = store::artifacts::get(self.tx, upload)?.filter(|it| it.project == project.id);
        let found = found.ok_or_else(|| {
            Problem::not_found("upload", format_args!("{upload} of project {:?}", project.slug))
        })?;
        store::artifacts::retire(self.tx, upload)?;
        let before = json!({ "project": project.id, "release": found.release, "maps": found.files });
        self.note("artifacts.delete", ("artifacts", &upload.to_string()), Some(before), None)?;
        Ok(())
    }

    fn keep_key(&mut self, project: &Project, it: KeyIn, public: String) -> Done<ProjectKey> {
        let key = ProjectKey {
            id: self.id(),
            project: project.id,
            public,
            label: it.label,
            rate: it.rate,
            created_at: self.now,
            revoked_at: None,
        };
        checked(key.problems())?;
        store::projects::insert_key(self.tx, &key)?;
        self.note("project_key.create", ("project_key", &key.id.to_string()), None, shown(&key))?;
        Ok(key)
    }

    pub(crate) fn project(&mut self, text: &str) -> Done<Project> {
        let found = store::projects::named(self.tx, text)?;
        found.ok_or_else(|| Problem::not_found("project", format_args!("{text:?}")).into())
    }

    /// The team that is meant, for which who asks may make projects.
    fn team_for(&mut self, text: Option<&str>) -> Done<Option<model::account::Team>> {
        let Some(text) = text else {
            self.must(Scope::Manage)?;
            return Ok(None);
        };
        let team = store::teams::named(self.tx, text)?;
        let team = team.ok_or_else(|| Problem::wrong("team", format!("there is no team {text:?}")))?;
        self.must_run(&team)?;
        Ok(Some(team))
    }

    /// Makes sure that who asks runs the project's team, or all teams.
    pub(crate) fn must_run_project(&mut self, project: &Project) -> Done<()> {
        match project.team.map(|id| store::teams::get(self.tx, id)).transpose()?.flatten() {
            Some(team) => self.must_run(&team),
            None => self.must(Scope::Manage),
        }
    }
}

/// A key that nobody can guess, as clients send it.
pub fn fresh_public_key() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Whether what a project says of secrets can be gone by.
fn readable(scrub: &Scrub) -> Result<(), Problem> {
    scrubbing(scrub).check().map_err(|BadSettings { at: (part, index), why }| {
        let (field, hint) = match part {
            Part::Safe => ("safe_fields", " in keep_secrets"),
            Part::Patterns => ("patterns", ""),
            Part::SafeLooks => ("safe_patterns", ""),
        };
        Problem::wrong(format!("scrub.{field}[{index}]"), format!("{why}{hint}"))
    })
}

fn taken(slug: &str) -> Problem {
    Problem::new(Kind::NameTaken, format!("there is a project {slug:?} already"))
}
