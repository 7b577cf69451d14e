//! Plugins that are WebAssembly components, with the real binary: told and heard like any other, from sources in
//! languages that are far from machine code.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nightbell_acceptance::hub::alert;
use nightbell_acceptance::{Hub, PATIENCE, Receiver, skip, tool, wait_for};
use serde_json::Value;
use tempfile::TempDir;

/// A component that was written by hand when the world of plugins was new: it answers that all is delivered, and its
/// receipt is how many calls its instance had.
const FIRST: &[u8] = include_bytes!("../../crates/wasm-host/tests/guests/first.wasm");

const MANIFEST: &str = "[plugin]\nid = 'stone'\nversion = '1'\ncontract = 1\n[run]\nruntime = 'wasm'\n\
    component = 'stone.wasm'\n[[destinations]]\nkind = 'stone'\n[[subscriptions]]\nname = 'openings'\n\
    topics = ['incident.opened']\n";

/// How long it may take to compile an interpreter, unhurried by an optimiser.
const COMPILING: Duration = Duration::from_secs(240);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A hub with the plugin of this id, which is there already, and these receivers.
fn hub_of(folder: TempDir, id: &str, receivers: &str) -> Hub {
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[outbound]\nallow_private = true\n[plugins]\nfolder = \"plugins\"\n\
         active = [\"{id}\"]\n[route]\nreceiver = \"ops\"\ngroup_by = \"all\"\ngroup_wait = \"0s\"\n\
         {receivers}"
    );
    std::fs::write(folder.path().join("nightbell.toml"), config).unwrap();
    let path = folder.path().join("nightbell.toml").display().to_string();
    let mut hub = Hub::prepare(folder, &["--config", &path]);
    hub.wake();
    hub
}

fn delivered(hub: &Hub, count: usize) -> Vec<Value> {
    wait_for("deliveries", PATIENCE, || {
        let all = hub.get("/api/v1/deliveries?state=delivered")["items"].as_array().unwrap().clone();
        (all.len() >= count).then_some(all)
    })
}

#[test]
fn a_component_is_told_and_hears_and_is_replaced_by_another() {
    let folder = TempDir::new().unwrap();
    let plugin = folder.path().join("plugins/stone");
    std::fs::create_dir_all(&plugin).unwrap();
    std::fs::write(plugin.join("plugin.toml"), MANIFEST).unwrap();
    std::fs::write(plugin.join("stone.wasm"), FIRST).unwrap();
    let component = plugin.join("stone.wasm");
    let hub = hub_of(folder, "stone", "[[receivers.ops.stone]]\n");
    hub.alerts(&[alert(&[("alertname", "Disk")])]);
    let told = delivered(&hub, 1);
    assert_eq!(told[0]["destination"], "ops/stone/0");
    let listed = hub.says(&["plugin", "list"]);
    assert!(listed.contains("stone") && listed.contains("ready"), "{listed}");
    let shown = hub.says(&["plugin", "show", "stone"]);
    assert!(shown.contains("runtime  wasm") && shown.contains("sdk      by hand"), "{shown}");
    wait_for("what it heard", PATIENCE, || {
        hub.says(&["plugin", "logs", "stone"]).contains("\"topic\":\"incident.opened\"").then_some(())
    });
    // a file that is no component: what is told waits
    std::fs::write(&component, "#!/bin/sh").unwrap();
    assert_eq!(hub.ask("POST", "/-/reload", "").status, 200);
    let state = wait_for("a bad end", PATIENCE, || {
        Some(hub.get("/api/v1/plugins/stone")).filter(|it| it["state"] == "waiting")
    });
    assert!(state["why"].as_str().unwrap().contains("compiling it"), "{state}");
    hub.alerts(&[alert(&[("alertname", "Fire")])]);
    assert_eq!(delivered(&hub, 1).len(), 1);
    std::fs::write(&component, FIRST).unwrap();
    assert_eq!(hub.ask("POST", "/-/reload", "").status, 200);
    delivered(&hub, 2);
    // its code was kept
    let log = hub.says(&["plugin", "logs", "stone"]);
    assert_eq!(log.matches("it was compiled in").count(), 1, "{log}");
    let starts = hub.get("/api/v1/plugins/stone")["starts"].as_u64().unwrap();
    hub.says(&["plugin", "restart", "stone"]);
    wait_for("another start", PATIENCE, || {
        let it = hub.get("/api/v1/plugins/stone");
        (it["state"] == "ready" && it["starts"].as_u64() > Some(starts)).then_some(())
    });
}

/// The example `hook-LANG` with what `build` makes of it in a copy of its folder.
fn example(lang: &str, host: &str, build: impl FnOnce(&Path, &Path)) -> TempDir {
    let folder = TempDir::new().unwrap();
    let plugin = folder.path().join("plugins").join(format!("hook_{lang}"));
    std::fs::create_dir_all(&plugin).unwrap();
    let sources = root().join("plugins/examples").join(format!("hook-{lang}"));
    for name in ["plugin.toml", "plugin.js", "plugin.py"] {
        if let Ok(text) = std::fs::read_to_string(sources.join(name)) {
            std::fs::write(plugin.join(name), text.replace("hooks.example.com", host)).unwrap();
        }
    }
    build(&plugin, &root().join("plugins/wit"));
    folder
}

/// What stands in this variable, or a loud word that the story is not told.
fn tool_or_skip(variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from);
    if found.is_none() {
        skip(&format!("{variable} is not set; `cargo xtask test` sets it where npm and pip work"), false);
    }
    found
}

/// A guest is checked, told, asks only whom it may, and refuses what it refuses.
fn tells(lang: &str, build: impl FnOnce(&Path, &Path)) -> (Hub, PathBuf) {
    let receiver = Receiver::open();
    let url = receiver.url("/hook");
    let host = url.trim_start_matches("http://").trim_end_matches("/hook");
    let id = format!("hook_{lang}");
    let folder = example(lang, host, build);
    let plugin = folder.path().join("plugins").join(&id);
    let other = "[[receivers.ops.HOOK]]\nurl = \"http://127.0.0.2:9/\"\n".replace("HOOK", &id);
    let receivers =
        format!("[[receivers.ops.{id}]]\nurl = \"{url}\"\n{other}[plugins.settings.{id}]\nprefix = \"! \"\n");
    let hub = hub_of(folder, &id, &receivers);
    hub.alerts(&[alert(&[("alertname", "Disk")])]);
    let heard = receiver.wait_count(1, COMPILING);
    let body: &Value = &heard[0].body;
    assert_eq!(body["text"], "! [FIRING:1] it hurts");
    let told = delivered(&hub, 1);
    assert_eq!(told[0]["destination"], format!("ops/{id}/0"));
    let refused = wait_for("a refusal", PATIENCE, || {
        let all = hub.get("/api/v1/deliveries");
        let of = |it: &&Value| it["destination"] == format!("ops/{id}/1");
        let it = all["items"].as_array().unwrap().iter().find(of)?.to_string();
        it.contains("permissions.hosts").then_some(it)
    });
    assert!(refused.contains("127.0.0.2"), "{refused}");
    (hub, plugin)
}

#[test]
fn javascript_is_told_as_a_component() {
    let Some(tool) = tool_or_skip("NIGHTBELL_TEST_COMPONENTIZE_QJS") else { return };
    let (_hub, plugin) = tells("js", |plugin, wit| {
        let mut build = Command::new(&tool);
        build.args(["--sync", "--stub-wasi", "--world", "destination", "--wit"]).arg(wit);
        tool::run(build.current_dir(plugin).args(["--js", "plugin.js", "-o", "plugin.wasm"]));
    });
    let mut check = nightbell_acceptance::hub::command(&["plugin", "check"]);
    let said = tool::run(check.arg(&plugin));
    assert!(said.contains("it says hello"), "{said}");
}

/// Emits a new event for each incident that it hears of. It says nothing of why: the host knows what it was asked.
const ECHO: &str = r#"
import { ask } from "nightbell:plugin/host@1.0.0";

export const guest = {
  hello: () => JSON.stringify({ protocol: 1, sdk: "by hand", features: [] }),
  configure: () => "{}",
};

export const subscriptions = {
  events(params) {
    for (const { data } of JSON.parse(params).events) {
      const event = { key: `echo-${data.id}`, title: "echo", labels: { alertname: "Echo" } };
      ask("emit", JSON.stringify({ events: [event] }));
    }
    return "{}";
  },
};
"#;

#[test]
fn a_component_that_answers_itself_is_stopped() {
    let Some(tool) = tool_or_skip("NIGHTBELL_TEST_COMPONENTIZE_QJS") else { return };
    let folder = TempDir::new().unwrap();
    let plugin = folder.path().join("plugins/stone");
    std::fs::create_dir_all(&plugin).unwrap();
    let manifest = MANIFEST.replace("[[destinations]]\nkind = 'stone'", "[permissions]\nemit = true");
    std::fs::write(plugin.join("plugin.toml"), manifest).unwrap();
    std::fs::write(plugin.join("plugin.js"), ECHO).unwrap();
    let mut build = Command::new(&tool);
    build.args(["--sync", "--stub-wasi", "--world", "listener", "--wit"]).arg(root().join("plugins/wit"));
    tool::run(build.current_dir(&plugin).args(["--js", "plugin.js", "-o", "stone.wasm"]));
    let hub = hub_of(folder, "stone", "[[receivers.ops.inbox]]\n");
    hub.alerts(&[alert(&[("alertname", "Disk")])]);
    let log = wait_for("word of the circle", COMPILING, || {
        Some(hub.get("/api/v1/plugins/stone")["log"].to_string())
            .filter(|it| it.contains("it goes in a circle"))
    });
    let all = hub.get("/api/v1/incidents")["items"].as_array().unwrap().clone();
    let mut chains: Vec<u64> = all.iter().map(|it| it["chain"].as_u64().unwrap_or_default()).collect();
    chains.sort_unstable();
    assert_eq!(chains, (0..=8).collect::<Vec<u64>>(), "{log}");
}

#[test]
fn a_new_component_is_built_and_keeps_the_contract() {
    let Some(tool) = tool_or_skip("NIGHTBELL_TEST_COMPONENTIZE_QJS") else { return };
    let folder = TempDir::new().unwrap();
    let mut new =
        nightbell_acceptance::hub::command(&["plugin", "new", "stone", "--lang", "javascript-component"]);
    let said = tool::run(new.current_dir(folder.path()));
    assert!(said.contains("nightbell plugin check plugins/stone"), "{said}");
    let plugin = folder.path().join("plugins/stone");
    let manifest = std::fs::read_to_string(plugin.join("plugin.toml")).unwrap();
    assert!(manifest.contains("id = \"stone\"") && !manifest.contains("hook_js"), "{manifest}");
    let package: Value =
        serde_json::from_slice(&std::fs::read(plugin.join("package.json")).unwrap()).unwrap();
    let build = package["scripts"]["build"].as_str().unwrap();
    let words = build.strip_prefix("componentize-qjs ").unwrap().split(' ');
    tool::run(Command::new(&tool).args(words).current_dir(&plugin));
    let said = tool::run(nightbell_acceptance::hub::command(&["plugin", "check"]).arg(&plugin));
    assert!(said.contains("it says hello"), "{said}");
}

#[test]
fn python_is_told_as_a_component() {
    let Some(python) = tool_or_skip("NIGHTBELL_TEST_COMPONENTIZE_PYTHON") else { return };
    tells("py", |plugin, wit| {
        let mut build = Command::new(python.with_file_name("componentize-py"));
        build.arg("-d").arg(wit).args(["-w", "destination", "componentize", "plugin", "--stub-wasi"]);
        tool::run(build.current_dir(plugin).args(["-o", "plugin.wasm"]));
    });
}
