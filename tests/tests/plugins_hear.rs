//! Plugins that subscribe, with the real binary: told all, in order, whoever is killed.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::process::Command;

use nightbell_acceptance::hub::alert;
use nightbell_acceptance::{Hub, PATIENCE, tool, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Writes what it hears into its state folder: a line each, and one when the batch is done.
const ARCHIVE: &str = r#"
import json
import os
from nightbell_plugin import Plugin

plugin = Plugin()


def write(name, lines):
    with open(os.path.join(plugin.state, name), "a") as out:
        # what a death has cut off does not spoil the next line
        out.write("\n" + "".join(line + "\n" for line in lines))
        out.flush()
        os.fsync(out.fileno())


@plugin.subscription("archive", topics=["incident.*", "event.accepted"], batch=8)
async def archive(events):
    write("archive", [json.dumps([it.topic, it.id, it.data]) for it in events])


@plugin.subscription("traffic", topics=["request.served"])
async def traffic(events):
    write("traffic", [json.dumps([it.topic, it.id, it.data]) for it in events])
"#;

const MANIFEST: &str = "[plugin]\nid = 'archive'\nversion = '1'\ncontract = 1\n[run]\nruntime = 'python'\n\
    module = 'archive'\n";

fn hub() -> Hub {
    hub_with("archive", &[("archive/plugin.toml", MANIFEST), ("archive/archive.py", ARCHIVE)])
}

/// A hub with one plugin, which has these files.
fn hub_with(active: &str, files: &[(&str, &str)]) -> Hub {
    let folder = TempDir::new().unwrap();
    for (path, text) in files {
        let path = folder.path().join("plugins").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[plugins]\nfolder = \"plugins\"\nactive = [\"{active}\"]\n\
         [route]\nreceiver = \"ops\"\n[[receivers.ops.inbox]]\n"
    );
    std::fs::write(folder.path().join("nightbell.toml"), config).unwrap();
    let path = folder.path().join("nightbell.toml").display().to_string();
    let mut hub = Hub::prepare(folder, &["--config", &path]);
    hub.wake();
    hub
}

/// Topic, id and data of what the plugin heard, in the order in which it did.
fn heard(hub: &Hub, name: &str) -> Vec<(String, String, Value)> {
    let file = hub.folder().join("data/plugin-state/archive").join(name);
    let text = std::fs::read_to_string(file).unwrap_or_default();
    // a line that is being written is read the next time
    let lines =
        text.split_inclusive('\n').filter_map(|line| serde_json::from_str(line.strip_suffix('\n')?).ok());
    lines.collect()
}

/// Each notice once, in the order in which it first came.
fn once(all: &[(String, String, Value)]) -> Vec<(String, String, Value)> {
    let mut seen = std::collections::BTreeSet::new();
    all.iter().filter(|(_, id, _)| seen.insert(id.clone())).cloned().collect()
}

fn plugin(hub: &Hub) -> Value {
    hub.get("/api/v1/plugins/archive")
}

fn wait_told(hub: &Hub) {
    wait_for("all to be told", PATIENCE, || {
        let it = plugin(hub);
        let waits =
            it["subscriptions"].as_array()?.iter().find(|it| it["name"] == "archive")?["waiting"].clone();
        (waits == json!(0)).then_some(())
    });
}

fn kill_plugin(hub: &Hub) {
    // it may just be between two lives
    if let Some(pid) = plugin(hub)["pid"].as_u64() {
        Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    }
}

#[test]
fn a_plugin_hears_everything_in_order_whoever_is_killed() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    let mut hub = hub();
    let (rounds, each) = (6, 10);
    for round in 0..rounds {
        let alerts = (round * each..(round + 1) * each)
            .map(|n| alert(&[("alertname", "Disk"), ("n", &format!("{n:03}"))]))
            .collect::<Vec<_>>();
        hub.alerts(&alerts);
        match round % 3 {
            0 => kill_plugin(&hub),
            1 => hub.kill_and_wake(),
            _ => {}
        }
    }
    wait_told(&hub);
    let all = heard(&hub, "archive");
    let told = once(&all);
    let ids: Vec<&String> = told.iter().map(|(_, id, _)| id).collect();
    assert!(ids.is_sorted(), "what happened first comes first");
    for topic in ["event.accepted", "incident.opened"] {
        let of = told.iter().filter(|(it, ..)| it == topic);
        let found: Vec<&str> = of.map(|(_, _, data)| data["labels"]["n"].as_str().unwrap()).collect();
        let wanted: Vec<String> = (0..rounds * each).map(|n| format!("{n:03}")).collect();
        assert_eq!(found, wanted, "{topic}");
    }
    // what was answered does not come again, and what is said is what the API says
    hub.kill_and_wake();
    let opened = told.iter().rfind(|(topic, ..)| topic == "incident.opened").unwrap();
    let id = opened.2["id"].as_str().unwrap();
    let mut shown = hub.get(&format!("/api/v1/incidents/{id}"));
    hub.post(&format!("/api/v1/incidents/{id}/ack"), &json!({ "by": "ann" }));
    wait_for("the word that somebody took it", PATIENCE, || {
        heard(&hub, "archive").iter().any(|(topic, ..)| topic == "incident.acknowledged").then_some(())
    });
    wait_told(&hub);
    assert_eq!(heard(&hub, "archive").len(), all.len() + 1, "what was answered came again");
    for field in opened.2.as_object().unwrap().keys().filter(|field| *field != "change") {
        assert_eq!(opened.2[field], shown[field].take(), "{field}");
    }
}

#[test]
fn a_plugin_hears_of_requests_and_shows_what_it_hears() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    let hub = hub();
    wait_for("a plugin that is ready", PATIENCE, || (plugin(&hub)["state"] == "ready").then_some(()));
    hub.alerts(&[alert(&[("alertname", "Disk")])]);
    let posted = wait_for("word of the request", PATIENCE, || {
        heard(&hub, "traffic").into_iter().find(|(_, _, data)| data["method"] == "POST")
    });
    assert_eq!(posted.0, "request.served");
    assert_eq!((&posted.2["route"], &posted.2["status"]), (&json!("/api/v2/alerts"), &json!(200)));
    assert!(posted.2["duration_ms"].as_f64().unwrap() < 60_000.0);
    wait_told(&hub);
    let shown = hub.says(&["plugin", "show", "archive"]);
    assert!(shown.contains("hears    traffic: request.served; ") && shown.contains(", 0 dropped"), "{shown}");
}

#[test]
fn what_only_the_plugin_itself_subscribes_to_is_heard_from_the_next_reload_on() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    // its manifest says enough for it not to be asked before its first start
    let manifest = format!("{MANIFEST}[[destinations]]\nkind = 'shelf'\n");
    let hub = hub_with("archive", &[("archive/plugin.toml", &manifest), ("archive/archive.py", ARCHIVE)]);
    wait_for("a plugin that is ready", PATIENCE, || (plugin(&hub)["state"] == "ready").then_some(()));
    let shown = plugin(&hub);
    assert_eq!(shown["subscriptions"], json!([]));
    assert!(shown["log"].to_string().contains("heard from the next reload on"), "{shown}");
    assert_eq!(hub.ask("POST", "/-/reload", "").status, 200);
    hub.alerts(&[alert(&[("alertname", "Disk")])]);
    wait_for("the incident", PATIENCE, || {
        heard(&hub, "archive").iter().any(|(topic, ..)| topic == "incident.opened").then_some(())
    });
}
