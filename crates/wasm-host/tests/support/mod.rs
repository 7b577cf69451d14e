//! A host with one component.

#[path = "../../../plugin-host/tests/support/telling.rs"]
mod telling;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::delivery::Outcome;
use plugin_host::{Host, Places, State, Wanted};
use sdk::registry::Ready;
use sdk::{Answer, Registry};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wasm_host::{Bench, Components};

pub use telling::{context, message};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// The text of the component that misbehaves on request.
pub const STONE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/stone.wat");
/// The same, as it was when the world of plugins was new.
pub const FIRST: &[u8] = include_bytes!("../guests/first.wasm");

/// The component that misbehaves on request.
pub fn stone() -> Vec<u8> {
    wat::parse_file(STONE).unwrap()
}

/// A host with a plugin named `stone`.
pub struct Stage {
    pub host: Host,
    folder: TempDir,
    wanted: Wanted,
    registry: Registry,
}

impl Stage {
    /// With this component.
    pub async fn of(component: &[u8]) -> Self {
        Self::with(component, "", Value::Null).await
    }

    /// With more lines in its manifest, and settings.
    pub async fn with(component: &[u8], more: &str, settings: Value) -> Self {
        Self::made(component, more, settings, |_| {}).await
    }

    /// With a bench on which components are compiled differently.
    pub async fn bench(component: &[u8], change: impl FnOnce(&mut Bench)) -> Self {
        Self::made(component, "", Value::Null, change).await
    }

    async fn made(component: &[u8], more: &str, settings: Value, change: impl FnOnce(&mut Bench)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plugin = folder.path().join("plugins/stone");
        std::fs::create_dir_all(&plugin).unwrap();
        let manifest = format!(
            "[plugin]\nid = 'stone'\nversion = '1'\ncontract = 1\n[run]\nruntime = 'wasm'\ncomponent = 'stone.wasm'\n\
             [[destinations]]\nkind = 'stone'\n[destinations.settings]\ntype = 'object'\n\
             [destinations.settings.properties.url]\ntype = 'string'\n[settings]\ntype = 'object'\n\
             [settings.properties.bad]\ntype = 'boolean'\n[settings.properties.word]\ntype = 'string'\n{more}"
        );
        std::fs::write(plugin.join("plugin.toml"), manifest).unwrap();
        std::fs::write(plugin.join("stone.wasm"), component).unwrap();
        let this = std::env::current_exe().unwrap();
        let words = ["compiles", "--exact", "--ignored", "--nocapture"];
        let compiler = std::iter::once(this.into()).chain(words.map(Into::into)).collect();
        let mut bench = Bench::new(folder.path().join("code"), compiler, false);
        change(&mut bench);
        let places = Places { states: folder.path().join("state"), ..Places::default() };
        let host = Host::with_engine(places, Some(Arc::new(Components::new(bench))));
        let http = context(PATIENCE).http;
        host.serve(Arc::new(plugin_host::NoServices), Some(http));
        let wanted = Wanted {
            folder: folder.path().join("plugins"),
            active: vec!["stone".to_owned()],
            ..Wanted::default()
        };
        let mut stage = Stage { host, folder, wanted, registry: Registry::default() };
        stage.apply(settings).await.unwrap();
        stage
    }

    /// Reads everything again, with these settings.
    pub async fn apply(&mut self, settings: Value) -> Result<(), String> {
        let learned = self.host.learn(&self.wanted).await.map_err(|bad| bad[0].to_string())?;
        let mut registry = Registry::default();
        self.host.register(&learned, &mut registry).map_err(|bad| bad[0].to_string())?;
        let applied = self.host.apply(learned, &BTreeMap::from([("stone".to_owned(), settings)])).await;
        applied.map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        self.registry = registry;
        Ok(())
    }

    pub fn place(&self, url: &str) -> Arc<dyn Ready> {
        self.registry.ready("stone", json!({ "url": url })).unwrap()
    }

    /// Tells something, and gives the answer.
    pub async fn tell(&self, title: &str) -> Answer {
        self.tell_within(title, PATIENCE).await
    }

    pub async fn tell_within(&self, title: &str, limit: Duration) -> Answer {
        self.place("http://nobody.example/").send(&context(limit), &message(title)).await
    }

    pub async fn tell_at(&self, place: &dyn Ready, title: &str) -> Answer {
        place.send(&context(PATIENCE), &message(title)).await
    }

    /// The receipt of something that is delivered.
    pub async fn receipt(&self, title: &str) -> String {
        match self.tell(title).await.outcome {
            Outcome::Delivered { receipt } => receipt,
            other => panic!("{title}: {other:?}; log: {}", self.log()),
        }
    }

    /// Waits until the plugin is like this.
    pub async fn until(&self, what: &str, is: impl Fn(&State) -> bool) -> State {
        let mut states = self.host.plugin("stone").unwrap().states();
        let waited = tokio::time::timeout(PATIENCE, states.wait_for(|state| is(state))).await;
        waited.map(|state| state.unwrap().clone()).unwrap_or_else(|_| {
            panic!("never {what}, but {:?}: {}", self.host.plugin("stone").unwrap().state(), self.log())
        })
    }

    pub async fn ready(&self) {
        self.until("ready", |state| *state == State::Ready).await;
    }

    /// Starts the plugin anew.
    pub async fn restart(&mut self) {
        self.ready().await;
        let plugin = self.host.plugin("stone").unwrap();
        let before = plugin.starts();
        plugin.restart();
        self.until("started anew", |state| plugin.starts() > before && *state != State::Starting).await;
    }

    pub fn log(&self) -> String {
        self.host.log("stone").unwrap().join("\n")
    }

    /// Where code is kept.
    pub fn code(&self) -> PathBuf {
        self.folder.path().join("code")
    }

    pub fn component(&self) -> PathBuf {
        self.folder.path().join("plugins/stone/stone.wasm")
    }

    /// Ends everything.
    pub async fn close(self) {
        assert!(self.host.stop(PATIENCE).await, "not everything ended");
    }
}

/// Answers one request, and gives it.
pub async fn serve_once(listener: tokio::net::TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = String::new();
    let mut chunk = [0; 4096];
    while !request.ends_with("a stone") {
        let read = stream.read(&mut chunk).await.unwrap();
        assert!(read > 0, "{request}");
        request.push_str(&String::from_utf8_lossy(&chunk[..read]));
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await.unwrap();
    request
}
