//! Overrides: settings that are changed while the hub runs, kept in the database, and laid over the files.

use std::path::Path;
use std::sync::Weak;

use config::Overrides;
use config::overrides::{BadChange, Change};
use flow::audit::Signature;
use plugin_host::Unusable;
use plugin_protocol::calls::Complaint;
use serde_json::Value;
use server::error::Wrong;
use server::{By, NotOverridden, Overriding};
use store::Durability;
use store::overrides::Version;
use store::rules::Applied;

use super::in_force::{InForce, Standing, all_in_words, load, settings_of_plugins};
use super::reload::Inner;

/// Deletes a file, or a folder with all that is in it. One that is a link goes alone.
fn delete(path: &Path) -> std::io::Result<()> {
    let facts = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        facts => facts?,
    };
    if facts.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
}

fn wrongs(all: Vec<Complaint>) -> Vec<Wrong> {
    all.into_iter().map(|it| Wrong::new(it.path, it.message)).collect()
}

impl Inner {
    /// The plugins that run, with one more or one less.
    fn with_plugin(&self, id: &str, active: bool) -> Result<Change, NotOverridden> {
        let mut names = self.in_force().settings.config.plugins.active.clone();
        let is_it = |name: &String| name.eq_ignore_ascii_case(id);
        if names.iter().any(is_it) == active {
            let how = if active { "is active already" } else { "is not active" };
            return Err(NotOverridden::Unusable(format!("the plugin {id} {how}")));
        }
        if active {
            names.push(id.to_owned());
        } else {
            names.retain(|name| !is_it(name));
        }
        Ok(Change { set: [("active".to_owned(), names.into())].into(), ..Change::default() })
    }

    /// Ends a plugin, if it runs, and deletes its files.
    pub async fn try_remove(&self, id: String, by: By) -> Result<i64, NotOverridden> {
        let places = &self.in_force().settings.config.plugins.clone();
        let folder = self.plugins_folder(places.folder.as_deref());
        let found = plugin_host::folder::discover(&folder).found.remove(&id.to_ascii_lowercase());
        let found = found.ok_or_else(|| {
            NotOverridden::Unknown(format!("there is no plugin {id:?} in {}", folder.display()))
        })?;
        let running = self.host.plugin(found.id());
        let is_active = places.active.iter().any(|name| name.eq_ignore_ascii_case(found.id()));
        let version = match is_active {
            true => self.try_override(Overriding::RemovePlugin(found.id().to_owned()), by.clone()).await?,
            false => Standing::read(&self.hub.store).await.map_err(NotOverridden::Store)?.version,
        };
        if let Some(plugin) = running {
            // a plugin whose files go while it runs says confusing things
            plugin.ended().await;
        }
        let own = if found.is_bare() { found.place.clone() } else { found.folder.clone() };
        let environment = self.host.environment(found.id());
        let shown = own.display().to_string();
        let deleted =
            tokio::task::spawn_blocking(move || delete(&own).and_then(|()| delete(&environment))).await;
        match deleted {
            Ok(Ok(())) => {
                tracing::warn!("{} removed the plugin {id}: {shown} is deleted", by.name);
                self.note(&by, "plugin.delete", ("plugin", id), None, None).await?;
                Ok(version)
            }
            Ok(Err(error)) => {
                let state = "the plugin does not run any more, but its files cannot be deleted";
                Err(NotOverridden::Unusable(format!("{state}: {shown}: {error}")))
            }
            Err(error) => Err(NotOverridden::Unusable(error.to_string())),
        }
    }

    /// Changes the overrides: what they make of the configuration is put in force first, and then they are kept. When
    /// either fails, everything is as it was.
    pub async fn try_override(&self, wanted: Overriding, by: By) -> Result<i64, NotOverridden> {
        if let Some(version) = self.hub.core.live().applied.rolled_back_to {
            let why = "load the files again before anything is overridden: what runs is configuration";
            return Err(NotOverridden::Unusable(format!("{why} {version} of the history")));
        }
        let standing = Standing::read(&self.hub.store).await.map_err(NotOverridden::Store)?;
        if let (Some(why), false) = (&standing.refused, matches!(wanted, Overriding::Back(_))) {
            let or = "go back to a version that can be (0: everything as in the files) to do without them";
            return Err(NotOverridden::Unusable(format!("{why}; {or}")));
        }
        let (action, object) = wanted.action();
        let audited = |wanted: &Overriding| {
            let app = self.app.get().and_then(Weak::upgrade)?;
            Some(server::views::overrides::audited(&app.exposed(), wanted))
        };
        let was = audited(&wanted);
        let (all, summary, rolled_back_to) = self.wanted(&standing, wanted.clone()).await?;
        let loaded = load(&self.wishes, &self.host, &all, Unusable::IsRefused).await;
        let (settings, known) = loaded.map_err(|why| NotOverridden::Wrong(why.all()))?;
        let before = self.in_force().clone();
        // who may not go is asked only where somebody takes it out here: a file is its owner's word
        let gone = |id: &str| {
            !settings.rules.receivers.values().flat_map(|it| &it.destinations).any(|it| it.id == id)
        };
        let going = settings_of_plugins(&before.settings, gone);
        let looked = self.host.look_at("removal", &before.known.learned, going).await;
        if !looked.wrong.is_empty() {
            return Err(NotOverridden::Wrong(wrongs(looked.wrong)));
        }
        let version = standing.version + 1;
        let applied = Applied { config: settings.as_kept(), by: by.name.clone(), ..Applied::default() };
        let document = serde_json::to_string(&all).map_err(|error| error.to_string());
        let new = Standing { version, all, refused: None };
        let put = self.put_in_force(InForce { settings, known, standing: new }, applied).await;
        put.map_err(|all| NotOverridden::Wrong(wrongs(all)))?;
        let at = self.hub.clock.now();
        let name = by.name.clone();
        let row =
            Version { version, at, by: name.clone(), summary: summary.clone(), rolled_back_to, document };
        let (sign, becomes) = (self.sign(&by), audited(&wanted));
        let kept = self.hub.store.write(Durability::Disk, move |tx| {
            let kept = store::overrides::keep(tx, &row)?;
            if kept {
                sign.write(tx, action, (object.0, &object.1), was, becomes)?;
            }
            Ok(kept)
        });
        let kept = kept.await;
        let failed = match kept {
            Ok(true) => {
                tracing::info!("{name} changed settings over the API, version {version}: {summary}");
                return Ok(version);
            }
            Ok(false) => {
                let why = "another node has just changed the overrides; look at them and try again";
                NotOverridden::Unusable(why.to_owned())
            }
            Err(error) => NotOverridden::Store(error),
        };
        let applied = Applied { config: before.settings.as_kept(), by: name, ..Applied::default() };
        if let Err(why) = self.put_in_force(before, applied).await {
            let why = all_in_words(&why);
            tracing::error!("overrides could not be kept, and are in force until the next reload: {why}");
        }
        Err(failed)
    }

    fn sign(&self, by: &By) -> Signature {
        let at = self.hub.clock.now();
        Signature { id: self.hub.core.id(at), at, actor: by.actor.clone(), chain: 0 }
    }

    /// Writes a line into the audit log.
    async fn note(
        &self,
        by: &By,
        action: &'static str,
        object: (&'static str, String),
        was: Option<Value>,
        becomes: Option<Value>,
    ) -> Result<(), NotOverridden> {
        let sign = self.sign(by);
        let noted = self
            .hub
            .store
            .write(Durability::Disk, move |tx| sign.write(tx, action, (object.0, &object.1), was, becomes));
        noted.await.map_err(NotOverridden::Store)
    }

    /// What is wanted of the overrides: all of them, in words what is new, and the version that is gone back to.
    async fn wanted(
        &self,
        standing: &Standing,
        wanted: Overriding,
    ) -> Result<(Overrides, String, Option<i64>), NotOverridden> {
        let (section, element, change) = match wanted {
            Overriding::Back(0) => {
                return Ok((Overrides::default(), "nothing is overridden".to_owned(), Some(0)));
            }
            Overriding::Back(version) => {
                let kept = self.hub.store.read(move |tx| store::overrides::get(tx, version)).await;
                let kept = kept.map_err(NotOverridden::Store)?;
                let unknown =
                    || NotOverridden::Unknown(format!("there are no overrides of version {version}"));
                let kept = kept.ok_or_else(unknown)?;
                let document = kept.document.map_err(NotOverridden::Unusable)?;
                let all = serde_json::from_str(&document);
                let all = all.map_err(|error| NotOverridden::Unusable(error.to_string()))?;
                return Ok((all, format!("back to version {version}"), Some(version)));
            }
            Overriding::RemovePlugin(id) => {
                let change = self.with_plugin(&id, false)?;
                ("plugins".to_owned(), String::new(), change)
            }
            Overriding::Plugin { id, active } => {
                let change = self.with_plugin(&id, active)?;
                ("plugins".to_owned(), String::new(), change)
            }
            Overriding::Change { section, element, change } => (section, element, change),
        };
        let changed = standing.all.changed(&section, &element, &change);
        let (all, summary) = changed.map_err(|bad| match bad {
            BadChange::Section(why) => NotOverridden::Unknown(why),
            BadChange::Wrong(path, why) => NotOverridden::Wrong(vec![Wrong::new(path, why)]),
        })?;
        Ok((all, summary, None))
    }
}
