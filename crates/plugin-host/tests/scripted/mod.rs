//! A host with one guest in this very process, whose answers are a script: so that time can pass at once.

mod first_guest;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use plugin_host::body::{Around, Body, Component, End, Engine, Mortal};
use plugin_host::{Host, Peer, Places, State, Unusable, Wanted};
use plugin_protocol::wire::NO_SUCH_METHOD;
use plugin_protocol::{Fault, Frame};
use sdk::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What a guest answers, and after how long; nothing: never.
pub type Script = fn(&str, &Value) -> Option<(Duration, Value)>;

/// What nobody needs to think about in a script.
pub fn usual(method: &str, provides: Value, features: &[&str]) -> Option<(Duration, Value)> {
    let answer = match method {
        "hello" => json!({"protocol": 1, "features": features, "provides": provides}),
        "deliver" | "test" | "check" | "ticket" | "validate" | "request" | "events" => return None,
        "health" => json!({"status": "ok"}),
        _ => json!({}),
    };
    Some((Duration::ZERO, answer))
}

/// Runs guests.
struct Scripted {
    script: Script,
    /// whether a guest does one thing at a time
    alone: bool,
}

struct Ending {
    over: CancellationToken,
    ended: watch::Receiver<bool>,
}

impl Engine for Scripted {
    fn start(&self, _: Component, around: Around) -> BoxFuture<'_, Result<Body, String>> {
        let (peer, mut lines) = Peer::new();
        let (peer, over) = (Arc::new(peer), CancellationToken::new());
        let (end, ended) = watch::channel(false);
        let (script, alone, wire, stopped) = (self.script, self.alone, peer.clone(), over.clone());
        let tasks = around.tasks.clone();
        around.tasks.spawn(async move {
            let serve = async {
                while let Some(line) = lines.recv().await {
                    let Ok(Frame::Request { id, method, params }) = Frame::read(line.trim_end().as_bytes())
                    else {
                        continue;
                    };
                    let params = params.map_or(Value::Null, |raw| serde_json::from_str(raw.get()).unwrap());
                    let (wire, stopped) = (wire.clone(), stopped.clone());
                    let answered = async move {
                        let Some((after, answer)) = script(&method, &params) else { return };
                        tokio::time::sleep(after).await;
                        let answer = match answer {
                            Value::Null => Err(Fault::new(NO_SUCH_METHOD, "there is none")),
                            answer => Ok(serde_json::value::to_raw_value(&answer).unwrap()),
                        };
                        wire.answered(&id, answer);
                    };
                    if alone {
                        answered.await;
                    } else {
                        tasks.spawn(async move {
                            tokio::select! {
                                () = answered => {}
                                () = stopped.cancelled() => {}
                            }
                        });
                    }
                }
            };
            tokio::select! {
                () = serve => {}
                () = stopped.cancelled() => {}
            }
            wire.close("it was ended");
            end.send_replace(true);
        });
        Box::pin(async move { Ok(Body::new(peer, None, Ending { over, ended })) })
    }
}

impl Mortal for Ending {
    fn ended(&self) -> BoxFuture<'_, End> {
        let mut ended = self.ended.clone();
        Box::pin(async move {
            let _ = ended.wait_for(|is| *is).await;
            End { why: "it was ended".to_owned(), misconfigured: false }
        })
    }

    fn end(&self) -> BoxFuture<'_, End> {
        self.over.cancel();
        self.ended()
    }

    fn kill(&self) -> BoxFuture<'_, End> {
        self.end()
    }
}

/// A host with a plugin named `it`.
pub struct Stage {
    pub host: Host,
    pub folder: TempDir,
    pub registry: Registry,
    wanted: Wanted,
}

impl Stage {
    /// With these lines in its manifest, and a guest that does one thing at a time, or many.
    pub async fn with(manifest: &str, alone: bool, script: Script) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let states = folder.path().join("state");
        let places = Places { states, ..Places::default() };
        let host = Host::with_engine(places, Some(Arc::new(Scripted { script, alone })));
        let wanted = Wanted {
            folder: folder.path().join("plugins"),
            active: vec!["it".to_owned()],
            ..Wanted::default()
        };
        put(folder.path(), manifest);
        let mut stage = Stage { host, folder, registry: Registry::default(), wanted };
        stage.apply(json!({})).await.unwrap();
        stage.until("ready", |state| *state == State::Ready).await;
        stage
    }

    /// Reads everything again, with these settings.
    pub async fn apply(&mut self, settings: Value) -> Result<(), String> {
        let learned = self.host.learn(&self.wanted).await.map_err(|bad| bad[0].to_string())?;
        let mut registry = Registry::default();
        self.host.register(&learned, &mut registry).map_err(|bad| bad[0].to_string())?;
        let settings = BTreeMap::from([("it".to_owned(), settings)]);
        self.host.apply(learned, &settings).await.map_err(|all| all[0].to_string())?;
        self.registry = registry;
        Ok(())
    }

    /// The same with a host that has just begun, whatever there is.
    pub async fn begin_anew(&mut self, alone: bool, script: Script) {
        assert!(self.host.stop(Duration::from_secs(20)).await, "not everything ended");
        let places = Places { states: self.folder.path().join("state"), ..Places::default() };
        self.host = Host::with_engine(places, Some(Arc::new(Scripted { script, alone })));
        let learned = self.host.learn_or(&self.wanted, Unusable::Waits).await.unwrap();
        let mut registry = Registry::default();
        self.host.register(&learned, &mut registry).unwrap();
        let settings = BTreeMap::from([("it".to_owned(), json!({"url": "good"}))]);
        self.host.apply(learned, &settings).await.unwrap();
        self.registry = registry;
    }

    /// Who listens to its first subscription.
    pub async fn listener(&self) -> Arc<dyn sdk::Listener> {
        let learned = self.host.learn(&self.wanted).await.unwrap();
        self.host.subscribers(&learned)[0].listener.clone()
    }

    /// Waits until it is like this.
    pub async fn until(&self, what: &str, is: impl Fn(&State) -> bool) -> State {
        let mut states = self.host.plugin("it").unwrap().states();
        let waited = tokio::time::timeout(Duration::from_secs(600), states.wait_for(|state| is(state))).await;
        waited.map(|state| state.unwrap().clone()).unwrap_or_else(|_| panic!("never {what}: {}", self.log()))
    }

    pub fn starts(&self) -> u64 {
        self.host.plugin("it").unwrap().starts()
    }

    pub fn log(&self) -> String {
        self.host.log("it").unwrap().join("\n")
    }

    pub async fn close(self) {
        assert!(self.host.stop(Duration::from_secs(20)).await, "not everything ended");
    }
}

/// Writes the plugin's folder.
pub fn put(folder: &Path, manifest: &str) {
    let plugin = folder.join("plugins/it");
    std::fs::create_dir_all(&plugin).unwrap();
    let head =
        "[plugin]\nid = 'it'\nversion = '1'\ncontract = 1\n[run]\nruntime = 'wasm'\ncomponent = 'it.wasm'\n";
    std::fs::write(plugin.join("plugin.toml"), format!("{head}{manifest}")).unwrap();
    std::fs::write(plugin.join("it.wasm"), "not looked at").unwrap();
}
