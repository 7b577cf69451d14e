//! All plugins of a hub: found, asked what they provide, started, changed and stopped together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use plugin_protocol::Provides;
use plugin_protocol::calls::Complaint;
use plugin_protocol::manifest::{Manifest, Runtime};
use sdk::http::Http;
use sdk::registry::Whose;
use sdk::{Registry, Subscriber, secret};
use serde_json::{Map, Value};
use tokio_util::task::TaskTracker;

use crate::body::{Ear, Engine};
use crate::folder::{BadPlugin, Discovery, Found, discover};
use crate::greeting;
use crate::guest::{GuestEar, NoServices, Services};
use crate::kinds::{self, Forms};
use crate::memory;
use crate::places::Places;
use crate::plugin::{self, Plugin, Running, State, World};
use crate::schema::Schema;
use crate::spec::Spec;
use crate::subscribers::subscriber;
use crate::users::{self, User};

mod learned;
mod status;

use learned::{Known, of_kind};
pub use learned::{Learned, Unusable, Wanted};
pub use status::Status;

/// All plugins.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    places: Arc<Places>,
    engine: Option<Arc<dyn Engine>>,
    tasks: TaskTracker,
    known: Mutex<BTreeMap<String, Known>>,
    plugins: Mutex<BTreeMap<String, Arc<Plugin>>>,
    /// Those that are not wanted any more, until they have ended
    leaving: Mutex<Vec<Arc<Plugin>>>,
    behind: Mutex<Behind>,
}

/// What is behind a host.
#[derive(Clone)]
struct Behind {
    services: Arc<dyn Services>,
    http: Option<Http>,
}

impl Inner {
    fn plugin(&self, id: &str) -> Option<Arc<Plugin>> {
        lock(&self.plugins).get(id).cloned()
    }

    fn world(self: &Arc<Self>) -> World {
        let inner = Arc::downgrade(self);
        let tasks = self.tasks.clone();
        let ears = move |plugin: &Arc<Plugin>| {
            let none = || Behind { services: Arc::new(NoServices), http: None };
            let Behind { services, http } =
                inner.upgrade().map_or_else(none, |inner| lock(&inner.behind).clone());
            Arc::new(GuestEar::new(plugin, services, http, tasks.clone())) as Arc<dyn Ear>
        };
        World {
            places: self.places.clone(),
            engine: self.engine.clone(),
            tasks: self.tasks.clone(),
            ears: Arc::new(ears),
        }
    }
}

impl Host {
    /// A host without plugins, and with no hub behind it.
    pub fn new(places: Places) -> Self {
        Self::with_engine(places, None)
    }

    /// The same with what runs components; without, there are processes only.
    pub fn with_engine(places: Places, engine: Option<Arc<dyn Engine>>) -> Self {
        Host(Arc::new(Inner {
            places: Arc::new(places),
            engine,
            tasks: TaskTracker::new(),
            known: Mutex::default(),
            plugins: Mutex::default(),
            leaving: Mutex::default(),
            behind: Mutex::new(Behind { services: Arc::new(NoServices), http: None }),
        }))
    }

    /// A host without plugins and with no hub behind it, in the same surroundings, for which plugins keep what they
    /// keep in another folder.
    #[must_use]
    pub fn apart(&self, states: PathBuf) -> Self {
        let places = Places { states, ..Places::clone(&self.0.places) };
        Self::with_engine(places, self.0.engine.clone())
    }

    pub(crate) fn world(&self) -> World {
        self.0.world()
    }

    /// Finds what is wanted and learns what each provides: from its manifest, from what it said when it was last
    /// asked, or by asking it. Nothing else changes yet.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub async fn learn(&self, wanted: &Wanted) -> Result<Learned, Vec<BadPlugin>> {
        self.learn_or(wanted, Unusable::IsRefused).await
    }

    /// The same, with what becomes of those that cannot be used.
    ///
    /// # Errors
    /// As [`Host::learn`].
    pub async fn learn_or(&self, wanted: &Wanted, unusable: Unusable) -> Result<Learned, Vec<BadPlugin>> {
        self.0.places.interpreters.forget();
        let states = &self.0.places.states;
        let made = sdk::make_private(states).and_then(|()| match wanted.users.is_empty() {
            true => Ok(()),
            false => users::let_through(states),
        });
        if let (false, Err(error)) = (wanted.active.is_empty(), made) {
            return Err(vec![BadPlugin { place: states.clone(), why: format!("cannot be made: {error}") }]);
        }
        let discovery = discover(&wanted.folder);
        let (mut known, mut bad) = (BTreeMap::new(), Vec::new());
        for id in &wanted.active {
            match self.learn_one(id, wanted, &discovery).await {
                Ok(it) => drop(known.insert(it.found.id().to_owned(), it)),
                Err(wrong) if unusable == Unusable::Waits => {
                    tracing::error!("{wrong}; it does not run, and what is for it waits");
                    let id = id.to_ascii_lowercase();
                    let broken = self.broken(&id, &wanted.folder, wrong);
                    known.insert(id, broken);
                }
                Err(wrong) => bad.push(wrong),
            }
        }
        if bad.is_empty() { Ok(Learned(known)) } else { Err(bad) }
    }

    /// What is known of plugins without starting any: by what they said when they last ran, or else by their
    /// manifests. What is not there is left out.
    pub fn glance(&self, wanted: &Wanted) -> Learned {
        let discovery = discover(&wanted.folder);
        let known = wanted.active.iter().filter_map(|id| {
            let found =
                discovery.found.get(id).or_else(|| discovery.found.get(&id.to_ascii_lowercase()))?.clone();
            let said = memory::read(&self.0.places, found.id()).map(|memory| memory.provides);
            let provides = said.unwrap_or_else(|| found.manifest.provides());
            let (limits, identity) = (found.manifest.limits.clone(), String::new());
            let (user, broken) = (None, None);
            Some((found.id().to_owned(), Known { found, limits, user, identity, provides, broken }))
        });
        Learned(known.collect())
    }

    /// One that cannot be used, as it was when it last ran.
    fn broken(&self, id: &str, folder: &Path, wrong: BadPlugin) -> Known {
        let mut manifest = Manifest::default();
        id.clone_into(&mut manifest.plugin.id);
        let provides = memory::read(&self.0.places, id).map(|memory| memory.provides).unwrap_or_default();
        let limits = manifest.limits();
        let found = Found { folder: folder.join(id), place: wrong.place, manifest };
        Known { found, limits, user: None, identity: String::new(), provides, broken: Some(wrong.why) }
    }

    async fn learn_one(&self, id: &str, wanted: &Wanted, discovery: &Discovery) -> Result<Known, BadPlugin> {
        // a file is named as it is written, and LUNA's names may have capitals
        let found = discovery.found.get(id).or_else(|| discovery.found.get(&id.to_ascii_lowercase()));
        let Some(found) = found.cloned() else { return Err(missing(id, &wanted.folder, discovery)) };
        if let Some(other) = discovery.twice.get(found.id()) {
            return Err(other.clone());
        }
        let narrower = wanted.limits.get(found.id()).cloned().unwrap_or_default();
        let limits = found.manifest.limits().narrowed(&narrower);
        let declared = found.manifest.provides();
        let is_enough = !declared.destinations.is_empty() || declared.settings.is_some();
        let user = wanted.users.get(found.id()).map(|name| user(&found, name)).transpose();
        let user = user.map_err(|why| BadPlugin { place: found.place.clone(), why })?;
        let identity = memory::identity(&found, &self.environment(found.id()));
        let bare = || Spec::bare(found.clone(), limits.clone(), identity.clone());
        let provides = match memory::read(&self.0.places, found.id()) {
            Some(memory) if memory.of == identity => memory.provides,
            _ if is_enough => declared,
            memory => {
                match (self.ask_what_it_provides(Spec { user: user.clone(), ..bare() }).await, memory) {
                    (Ok(said), _) => said,
                    // one that cannot say it now may still be waited for: what is for it waits
                    (Err(why), Some(memory)) => {
                        tracing::warn!(
                            "{}: {why}; it is taken for what it was before",
                            found.place.display()
                        );
                        memory.provides
                    }
                    (Err(why), None) => return Err(BadPlugin { place: found.place, why }),
                }
            }
        };
        Ok(Known { found, limits, user, identity, provides, broken: None })
    }

    /// Starts a plugin for as long as it takes to say hello.
    async fn ask_what_it_provides(&self, spec: Spec) -> Result<Provides, String> {
        let world = self.0.world();
        let plugin = Arc::new(Plugin::new(spec.clone()));
        let process = plugin::start(&plugin, &spec, &world).await?;
        let said = greeting::hello(&process, &spec, &world.places).await;
        process.end().await;
        match said {
            Ok(hello) => {
                memory::write(&self.0.places, &spec, &hello.provides);
                Ok(hello.provides)
            }
            Err(bad) => {
                let last = plugin.journal.last(5).join("; ");
                let last = if last.is_empty() { last } else { format!(" (it last said: {last})") };
                Err(format!("{}{last}", bad.why))
            }
        }
    }

    /// Adds all kinds and settings of these plugins to a registry.
    ///
    /// # Errors
    /// Everything that cannot be used: two kinds of one name, schemas that are none.
    pub fn register(&self, learned: &Learned, registry: &mut Registry) -> Result<(), Vec<BadPlugin>> {
        let (mut bad, find) = (Vec::new(), self.find());
        for (id, known) in &learned.0 {
            let mut wrong = |why: String| bad.push(BadPlugin { place: known.found.place.clone(), why });
            match Schema::new(known.provides.settings.as_ref()) {
                Ok(schema) => registry.plugin(id, schema.json().clone()),
                Err(why) => wrong(format!("settings: {why}")),
            }
            for kind in &known.provides.checks {
                let added = kinds::check(id, kind)
                    .and_then(|late| registry.check(late).map_err(|two| two.to_string()));
                if let Err(why) = added {
                    wrong(why);
                }
            }
            let forms = match Forms::of(&known.provides) {
                Ok(forms) => forms,
                Err(why) => {
                    wrong(why);
                    continue;
                }
            };
            forms.each().for_each(|(whose, form)| registry.add_form(id, whose, form));
            for kind in &known.provides.destinations {
                let added = kinds::late(id, kind, &forms, &find)
                    .and_then(|late| registry.late(late).map_err(|two| two.to_string()));
                if let Err(why) = added {
                    wrong(why);
                }
            }
        }
        if bad.is_empty() { Ok(()) } else { Err(bad) }
    }

    /// Who of these plugins wants to hear what happens in the hub.
    pub fn subscribers(&self, learned: &Learned) -> Arc<[Subscriber]> {
        let find = self.find();
        let of = |(id, known): (&String, &Known)| {
            let said = known.provides.subscriptions.iter();
            said.map(|said| subscriber(id, said, &find)).collect::<Vec<_>>()
        };
        learned.0.iter().flat_map(of).collect()
    }

    /// Lives of a plugin that have not ended yet.
    fn leaving(&self, id: &str) -> Vec<Arc<Plugin>> {
        let mut leaving = lock(&self.0.leaving);
        leaving.retain(|plugin| !matches!(plugin.state(), State::Stopped));
        leaving.iter().filter(|plugin| plugin.id == id).cloned().collect()
    }

    fn find(&self) -> kinds::Find {
        let inner = Arc::downgrade(&self.0);
        Arc::new(move |id| inner.upgrade()?.plugin(id))
    }

    /// Puts plugins and their settings in force: starts what is new, changes what runs, stops what is not wanted any
    /// more.
    ///
    /// # Errors
    /// What is wrong with settings; then everything stays as it was, as far as plugins have not taken theirs yet.
    pub async fn apply(
        &self,
        learned: Learned,
        settings: &BTreeMap<String, Value>,
    ) -> Result<(), Vec<Complaint>> {
        let known = learned.0;
        let (mut specs, mut wrong) = (Vec::new(), Vec::new());
        for (id, it) in &known {
            let path = format!("plugins.settings.{id}");
            let schema = match Schema::new(it.provides.settings.as_ref()) {
                Ok(schema) => schema,
                Err(message) => {
                    wrong.push(Complaint { path, message });
                    continue;
                }
            };
            let given = settings.get(id).cloned().unwrap_or(Value::Null);
            let secrets = secret::needles(&given, schema.json());
            // nobody knows what one may be set that cannot be read
            let fit = if it.broken.is_some() { Ok(given) } else { schema.fit(given) };
            match fit {
                Ok(settings) => {
                    let bare = Spec::bare(it.found.clone(), it.limits.clone(), it.identity.clone());
                    let (user, broken) = (it.user.clone(), it.broken.clone());
                    specs.push(Spec { settings, secrets, user, broken, generation: 1, ..bare });
                }
                Err(all) => wrong.extend(all.into_iter().map(|it| it.below(&path))),
            }
        }
        // everybody is asked, at once, before anybody is changed
        let asked = specs.iter().filter_map(|spec| {
            let plugin = self.0.plugin(spec.found.id())?;
            Some(async move { plugin.would_take(spec).await })
        });
        wrong.extend(join_all(asked).await.into_iter().flatten());
        if !wrong.is_empty() {
            return Err(wrong);
        }
        for spec in specs {
            let id = spec.found.id().to_owned();
            match self.0.plugin(&id) {
                Some(plugin) => plugin.take(spec).await,
                None => {
                    let plugin = Arc::new(Plugin::new(spec));
                    lock(&self.0.plugins).insert(id, plugin.clone());
                    let (before, world) = (self.leaving(&plugin.id), self.0.world());
                    self.0.tasks.spawn(async move {
                        // the same plugin must not run twice, not even while its last life ends
                        for last in before {
                            last.ended().await;
                        }
                        plugin.live(world).await;
                    });
                }
            }
        }
        lock(&self.0.plugins).retain(|id, plugin| {
            let wanted = known.contains_key(id);
            if !wanted {
                plugin.stop();
                lock(&self.0.leaving).push(plugin.clone());
            }
            wanted
        });
        *lock(&self.0.known) = known;
        Ok(())
    }

    /// The plugin that a kind of check is of, and what its settings may be.
    pub(crate) fn check_kind(&self, kind: &str) -> Option<(String, Schema)> {
        let known = lock(&self.0.known);
        known.iter().find_map(|(id, it)| {
            let said = it.provides.checks.iter().find(|it| it.kind == kind)?;
            Some((id.clone(), Schema::new(said.settings.as_ref()).ok()?))
        })
    }

    /// The plugin that a kind of destination is of, and the schema of its settings.
    pub(crate) fn of_kind(&self, kind: &str) -> Option<(String, Option<Value>)> {
        let known = lock(&self.0.known);
        of_kind(&known, kind).map(|(id, said)| (id.to_owned(), said.settings.clone()))
    }

    /// What each person, or each project, may set for a plugin, if there is anything.
    pub(crate) fn form(&self, id: &str, whose: Whose) -> Option<Schema> {
        let known = lock(&self.0.known);
        let said = &known.get(id)?.provides;
        let said = match whose {
            Whose::Person => &said.user,
            Whose::Project => &said.project,
        };
        Schema::new(Some(said.as_ref()?)).ok()
    }

    /// What somebody, or a project, has set for a plugin as the plugin hears it: with its defaults, its secrets
    /// hidden in the plugin's log from now on. Nothing, where it has nothing of the kind.
    pub fn as_set(&self, id: &str, whose: Whose, set: Option<&Value>) -> Map<String, Value> {
        let known = self.plugin(id).zip(self.form(id, whose));
        known.map(|(plugin, form)| kinds::set(&plugin, set, Some(&form))).unwrap_or_default()
    }

    /// Names the hub that is behind it, and the way out for what is fetched. What plugins ask before that is answered
    /// with `-32006`.
    pub fn serve(&self, services: Arc<dyn Services>, http: Option<Http>) {
        *lock(&self.0.behind) = Behind { services, http };
    }

    /// The folder that a plugin has its environment of Python in, if it has one.
    pub fn environment(&self, id: &str) -> PathBuf {
        self.0.places.environments.join(id)
    }

    /// The folder that the package for Python is to be in.
    pub fn sdk(&self) -> &Path {
        &self.0.places.sdk
    }

    /// Stops all plugins, in an orderly way as far as there is time; says whether all ended.
    pub async fn stop(&self, limit: Duration) -> bool {
        let plugins: Vec<_> = lock(&self.0.plugins).values().cloned().collect();
        plugins.iter().for_each(|plugin| plugin.stop());
        self.0.tasks.close();
        tokio::time::timeout(limit, self.0.tasks.wait()).await.is_ok()
    }

    /// A plugin that is to run.
    pub fn plugin(&self, id: &str) -> Option<Arc<Plugin>> {
        self.0.plugin(id)
    }

    /// What runs of a plugin, if it takes work.
    pub fn running(&self, id: &str) -> Option<Arc<Running>> {
        self.plugin(id)?.running()
    }
}

/// The user that a plugin is to run as, who can reach its files.
fn user(found: &Found, name: &str) -> Result<User, String> {
    let bad = |why: String| format!("plugins.users.{}: {why}", found.id());
    if found.manifest.run.runtime == Runtime::Wasm {
        return Err(bad("a component is no process, and so has no user".to_owned()));
    }
    let user = User::named(name).map_err(bad)?;
    user.may_reach(&found.folder).map_err(bad)?;
    Ok(user)
}

fn missing(id: &str, folder: &Path, discovery: &Discovery) -> BadPlugin {
    let named = |bad: &&BadPlugin| {
        let folder = bad.place.parent().and_then(Path::file_name).is_some_and(|name| name == id);
        folder || bad.place.file_stem().is_some_and(|stem| stem == id)
    };
    if let Some(bad) = discovery.bad.iter().find(named) {
        return bad.clone();
    }
    let known: Vec<&str> = discovery.found.keys().map(String::as_str).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let why = format!("there is no plugin {id:?} in this folder; there is {known}");
    BadPlugin { place: folder.to_owned(), why }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
