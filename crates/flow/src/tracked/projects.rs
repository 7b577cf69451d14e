//! Projects and keys, made ready: all of them in memory, read again as a whole when one has changed, which a number in
//! the database says.

use std::collections::HashMap;
use std::sync::Arc;

use model::project::{Project, ProjectKey, Scrub};
use store::{Result, Tx};
use tracker::Scrubber;

use super::turns::Conduct;

/// The version of what has to be read.
const NONE: i64 = -1;

/// A project with what it needs at hand for each error.
pub struct ProjectInForce {
    /// The project.
    pub project: Project,
    /// What takes secrets out.
    pub scrubber: Scrubber,
    /// What it groups by beside what everybody does.
    pub grouping: tracker::Rules,
}

/// A key that is good, and its project.
pub struct KeyInForce {
    /// The key.
    pub key: ProjectKey,
    /// Its project.
    pub project: Arc<ProjectInForce>,
    /// How whoever has it behaves.
    pub conduct: Arc<Conduct>,
}

/// All projects, at one moment.
#[derive(Clone, Default)]
pub struct Projects {
    /// The number of the rows that this was made of.
    version: i64,
    by_id: Arc<HashMap<i64, Arc<ProjectInForce>>>,
    keys: Arc<HashMap<String, Arc<KeyInForce>>>,
}

impl Projects {
    /// What there is now: this very thing, if nothing has changed.
    ///
    /// # Errors
    /// When the database is gone.
    pub(crate) fn now(self: &Arc<Self>, tx: &mut Tx<'_>) -> Result<Arc<Self>> {
        let version = store::projects::current_version(tx)?;
        if version == self.version {
            return Ok(self.clone());
        }
        let ready = |it: Project| {
            let before = self.by_id.get(&it.id).filter(|before| before.project == it);
            (it.id, before.cloned().unwrap_or_else(|| Arc::new(ProjectInForce::new(it))))
        };
        let by_id: HashMap<i64, Arc<ProjectInForce>> =
            store::projects::all(tx)?.into_iter().map(ready).collect();
        let in_force = |key: ProjectKey| {
            let project = by_id.get(&key.project)?.clone();
            let conduct = self.keys.get(&key.public).map(|it| it.conduct.clone()).unwrap_or_default();
            Some((key.public.clone(), Arc::new(KeyInForce { key, project, conduct })))
        };
        let keys = store::projects::keys(tx)?.into_iter().filter_map(in_force).collect();
        Ok(Arc::new(Projects { version, keys: Arc::new(keys), by_id: Arc::new(by_id) }))
    }

    /// Grows with what it is made of.
    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    /// The same, to be read again: what it was made of may have been undone.
    pub(crate) fn unsure(&self) -> Arc<Self> {
        Arc::new(Projects { version: NONE, ..self.clone() })
    }

    /// The key that clients send so.
    pub fn key(&self, public: &str) -> Option<&Arc<KeyInForce>> {
        self.keys.get(public)
    }

    /// A project.
    pub fn get(&self, id: i64) -> Option<&Arc<ProjectInForce>> {
        self.by_id.get(&id)
    }

    /// The project of this slug or number.
    pub fn named(&self, text: &str) -> Option<&Arc<ProjectInForce>> {
        self.all().find(|it| it.project.is_named(text))
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<ProjectInForce>> {
        self.by_id.values()
    }
}

impl ProjectInForce {
    /// Made ready.
    pub fn new(project: Project) -> Self {
        let scrubber = Scrubber::new(&scrubbing(&project.settings.scrub));
        // they were read when they were set; a version that reads them otherwise goes by none
        let grouping = project.settings.grouping.parse().unwrap_or_default();
        ProjectInForce { project, scrubber, grouping }
    }
}

/// What a project says of secrets, as it is gone by.
pub fn scrubbing(it: &Scrub) -> tracker::scrub::Settings {
    tracker::scrub::Settings {
        defaults: true,
        sensitive: it.fields.clone(),
        safe: it.safe_fields.clone(),
        kept_secrets: it.keep_secrets.clone(),
        patterns: it.patterns.clone(),
        safe_looks: it.safe_patterns.clone(),
        ip_addresses: it.addresses,
        off: !it.enabled,
    }
}
