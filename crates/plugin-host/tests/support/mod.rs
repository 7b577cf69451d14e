//! A host with one guest that misbehaves on request.

mod python;
mod telling;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::delivery::Outcome;
use plugin_host::{Host, Places, State, Wanted};
use sdk::registry::Ready;
use sdk::{Answer, Registry};
use serde_json::Value;
use tempfile::TempDir;

pub use python::python;
pub use telling::{context, message};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A host with a plugin named `stress`.
pub struct Stage {
    pub host: Host,
    pub folder: TempDir,
    pub wanted: Wanted,
    pub registry: Registry,
}

/// The manifest of the guest with these wishes, and more lines.
pub fn manifest(wishes: &[&str], more: &str) -> String {
    let (program, prefix) = python();
    let mut command = vec![program.display().to_string(), "./stress.py".to_owned()];
    command.extend(wishes.iter().map(|wish| (*wish).to_owned()));
    let more = match more.contains("[permissions]") {
        true => more.replace("[permissions]", &format!("[permissions]\nread = [{prefix:?}]")),
        false => format!("[permissions]\nread = [{prefix:?}]\n{more}"),
    };
    format!(
        "[plugin]\nid = 'stress'\nversion = '1'\ncontract = 1\n[run]\nruntime = 'process'\ncommand = {command:?}\n\
         [[destinations]]\nkind = 'stress'\ntitle = 'Stress'\n[destinations.settings]\ntype = 'object'\n\
         [destinations.settings.properties.key]\ntype = 'string'\nx-secret = true\n\
         [settings]\ntype = 'object'\n[settings.properties.url]\ntype = 'string'\n\
         [settings.properties.token]\ntype = 'string'\nwriteOnly = true\n{more}"
    )
}

pub fn put(folder: &Path, manifest: &str) {
    let plugin = folder.join("plugins/stress");
    std::fs::create_dir_all(&plugin).unwrap();
    std::fs::write(plugin.join("plugin.toml"), manifest).unwrap();
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/stress.py");
    std::fs::copy(guest, plugin.join("stress.py")).unwrap();
}

impl Stage {
    /// With a guest that does these things wrong.
    pub async fn with(wishes: &[&str]) -> Self {
        Self::of(&manifest(wishes, "")).await
    }

    /// With a manifest.
    pub async fn of(manifest: &str) -> Self {
        let mut stage = Self::empty(manifest);
        stage.apply(Value::Null).await.unwrap();
        stage
    }

    /// The same before anything is found.
    pub fn empty(manifest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), manifest);
        let environment = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HUB_SECRET", "hush")];
        let places = Places {
            states: folder.path().join("state"),
            environment: environment.map(|(name, value)| (name.into(), value.into())).into(),
            ..Places::default()
        };
        std::fs::create_dir_all(&places.states).unwrap();
        let host = Host::new(places);
        let active = vec!["stress".to_owned()];
        let wanted = Wanted { folder: folder.path().join("plugins"), active, ..Wanted::default() };
        Stage { host, folder, wanted, registry: Registry::default() }
    }

    /// Reads everything again, with these settings of the plugin.
    pub async fn apply(&mut self, settings: Value) -> Result<(), String> {
        let learned = self.host.learn(&self.wanted).await.map_err(|bad| bad[0].to_string())?;
        let mut registry = Registry::default();
        self.host.register(&learned, &mut registry).map_err(|bad| bad[0].to_string())?;
        let settings = BTreeMap::from([("stress".to_owned(), settings)]);
        let applied = self.host.apply(learned, &settings).await;
        applied.map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        self.registry = registry;
        Ok(())
    }

    pub fn place(&self) -> Arc<dyn Ready> {
        self.registry.ready("stress", serde_json::json!({"key": "key-of-the-place"})).unwrap()
    }

    /// Tells something, and gives the answer.
    pub async fn tell(&self, title: &str) -> Answer {
        self.tell_within(title, Duration::from_secs(10)).await
    }

    pub async fn tell_within(&self, title: &str, timeout: Duration) -> Answer {
        self.place().send(&context(timeout), &message(title)).await
    }

    /// The receipt of something that is delivered.
    pub async fn receipt(&self, title: &str) -> String {
        match self.tell(title).await.outcome {
            Outcome::Delivered { receipt } => receipt,
            other => panic!("{title}: {other:?}; log: {:?}", self.host.log("stress")),
        }
    }

    /// Waits until the plugin is like this.
    pub async fn until(&self, what: &str, is: impl Fn(&State) -> bool) -> State {
        let mut states = self.host.plugin("stress").unwrap().states();
        let waited = tokio::time::timeout(PATIENCE, states.wait_for(|state| is(state))).await;
        waited.map(|state| state.unwrap().clone()).unwrap_or_else(|_| {
            let state = self.host.plugin("stress").unwrap().state();
            panic!("never {what}, but {state:?}; log: {:?}", self.host.log("stress"))
        })
    }

    pub async fn ready(&self) {
        self.until("ready", |state| *state == State::Ready).await;
    }

    pub fn pid(&self) -> u32 {
        self.host.running("stress").unwrap().pid.unwrap()
    }

    pub fn log(&self) -> String {
        self.host.log("stress").unwrap().join("\n")
    }

    /// Ends everything.
    pub async fn close(self) {
        assert!(self.host.stop(PATIENCE).await, "not everything ended");
    }
}

/// Whether there is a process of this number that still runs.
pub fn lives(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // what is dead and not yet waited for has a Z
    !status.is_empty() && !status.contains(") Z ")
}
