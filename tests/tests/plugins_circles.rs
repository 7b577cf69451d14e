//! Plugins that answer what they hear of with something that they hear of again, with the real binary: the circle
//! ends, and all else goes on.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use nightbell_acceptance::hub::{alert, command};
use nightbell_acceptance::{Hub, PATIENCE, tool, wait_for};
use serde_json::Value;
use tempfile::TempDir;

/// How many things that plugins do may lead to each other.
const MAX_CHAIN: usize = 8;

/// Emits a new event for each incident that it hears of, or whose label `by` is one of `ANSWERS`. It hears of every
/// incident, and remembers of which.
const ECHO: &str = r#"
import itertools
import os
from nightbell_plugin import Plugin

plugin = Plugin()
numbers = itertools.count()


@plugin.subscription("hears", topics=["incident.opened"], batch=4)
async def hears(events):
    for it in events:
        labels = it.data["labels"]
        with open(os.path.join(plugin.state, "heard"), "a") as out:
            out.write(labels["alertname"] + "\n")
        if labels.get("by", "") in ANSWERS:
            more = {"alertname": "Echo", "by": plugin.id}
            await plugin.host.emit({"key": f"{plugin.id}-{next(numbers)}", "title": "echo", "labels": more})
"#;

/// Rejects all that it is told, and emits a new event for each delivery that is given up.
const SAD: &str = r#"
import itertools
from nightbell_plugin import Plugin, Rejected

plugin = Plugin()
numbers = itertools.count()


@plugin.destination("sad")
async def refuse(delivery):
    return Rejected("no")


@plugin.subscription("hears", topics=["delivery.finished"])
def hears(events):
    for it in events:
        if it.data["state"] == "dead":
            number = next(numbers)
            labels = {"alertname": "Echo", "n": str(number)}
            event = {"key": f"sad-{number}", "title": "sad", "labels": labels}
            plugin.host.wait(plugin.host.emit(event))
"#;

/// Emits by itself, more often than a chain may be long.
const POLLER: &str = r#"
from nightbell_plugin import Plugin

plugin = Plugin()


@plugin.background
async def poll():
    for number in range(30):
        await plugin.host.emit({"key": f"poll-{number}", "title": "poll", "labels": {"alertname": "Poll"}})
"#;

fn hub(plugins: &[(&str, &str)], receiver: &str) -> Hub {
    let folder = TempDir::new().unwrap();
    for (id, text) in plugins {
        let path = folder.path().join("plugins").join(id);
        std::fs::create_dir_all(&path).unwrap();
        let manifest = format!(
            "[plugin]\nid = '{id}'\nversion = '1'\ncontract = 1\n[run]\nruntime = 'python'\nmodule = '{id}'\n\
             [permissions]\nemit = true\n"
        );
        std::fs::write(path.join("plugin.toml"), manifest).unwrap();
        std::fs::write(path.join(format!("{id}.py")), text).unwrap();
    }
    let active: Vec<&str> = plugins.iter().map(|(id, _)| *id).collect();
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[plugins]\nfolder = \"plugins\"\nactive = {active:?}\n\
         [route]\nreceiver = \"ops\"\ngroup_by = \"all\"\ngroup_wait = \"0s\"\n[[receivers.ops.{receiver}]]\n"
    );
    std::fs::write(folder.path().join("nightbell.toml"), config).unwrap();
    let path = folder.path().join("nightbell.toml").display().to_string();
    let mut hub = Hub::prepare(folder, &["--config", &path]);
    hub.wake();
    hub
}

fn echo(answers: &[&str]) -> String {
    format!("ANSWERS = {answers:?}\n{ECHO}")
}

/// The lengths of the chains of all incidents of this name.
fn chains(hub: &Hub, name: &str) -> Vec<usize> {
    let all = hub.get("/api/v1/incidents?limit=500");
    let named = all["items"].as_array().unwrap().iter().filter(|it| it["labels"]["alertname"] == name);
    let mut lengths: Vec<usize> = named.map(|it| it["chain"].as_u64().unwrap_or_default() as usize).collect();
    lengths.sort_unstable();
    lengths
}

/// Until a plugin's log has so many lines that say why it was refused something.
fn wait_refused(hub: &Hub, id: &str, times: usize) -> Value {
    wait_for("word of the circle", PATIENCE, || {
        let it = hub.get(&format!("/api/v1/plugins/{id}"));
        let says = |line: &&Value| line.to_string().contains("it goes in a circle");
        (it["log"].as_array()?.iter().filter(says).count() >= times).then_some(it)
    })
}

fn wait_heard(hub: &Hub, id: &str) {
    wait_for("all to be heard", PATIENCE, || {
        let it = hub.get(&format!("/api/v1/plugins/{id}"));
        it["subscriptions"].as_array()?.iter().all(|it| it["waiting"] == 0).then_some(())
    });
}

#[test]
fn a_plugin_that_answers_itself_is_stopped_and_hears_all_else() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    let hub = hub(&[("echo", &echo(&["", "echo"]))], "inbox");
    hub.alerts(&[alert(&[("alertname", "Disk")])]);
    let it = wait_refused(&hub, "echo", 1);
    assert!(it["log"].to_string().contains("emit: 8 things that plugins did"), "{it}");
    wait_heard(&hub, "echo");
    assert_eq!(chains(&hub, "Echo"), (1..=MAX_CHAIN).collect::<Vec<_>>());
    assert_eq!(chains(&hub, "Disk"), [0]);
    // what comes from outside begins anew
    hub.alerts(&[alert(&[("alertname", "Disk"), ("n", "2")])]);
    wait_refused(&hub, "echo", 2);
    wait_heard(&hub, "echo");
    assert_eq!(chains(&hub, "Echo").len(), 2 * MAX_CHAIN);
    let heard = std::fs::read_to_string(hub.folder().join("data/plugin-state/echo/heard")).unwrap();
    assert_eq!(heard.lines().filter(|name| *name == "Disk").count(), 2);
    assert_eq!(hub.get("/api/v1/plugins/echo")["state"], "ready");
    // who checks the plugin is told before
    let folder = hub.folder().join("plugins/echo").display().to_string();
    let checked = command(&["plugin", "check", &folder]).output().unwrap();
    let (said, wanted) =
        (tool::both(&checked), "it hears of incident.opened and may bring that about itself");
    assert!(checked.status.success() && said.contains(wanted), "{said}");
}

#[test]
fn two_plugins_that_answer_each_other_are_stopped() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    let hub = hub(&[("ping", &echo(&["", "pong"])), ("pong", &echo(&["ping"]))], "inbox");
    hub.alerts(&[alert(&[("alertname", "Disk")])]);
    wait_refused(&hub, "ping", 1);
    assert_eq!(chains(&hub, "Echo"), (1..=MAX_CHAIN).collect::<Vec<_>>());
}

#[test]
fn a_plugin_that_tells_of_its_own_failures_is_stopped() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    let hub = hub(&[("sad", SAD)], "sad");
    hub.alerts(&[alert(&[("alertname", "Disk")])]);
    wait_refused(&hub, "sad", 1);
    wait_heard(&hub, "sad");
    let lengths = chains(&hub, "Echo");
    assert!(lengths.contains(&MAX_CHAIN), "{lengths:?}");
    assert!(lengths.iter().all(|length| (1..=MAX_CHAIN).contains(length)), "{lengths:?}");
}

#[test]
fn what_a_plugin_says_by_itself_is_never_refused() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    let hub = hub(&[("poller", POLLER)], "inbox");
    wait_for("thirty incidents", PATIENCE, || (chains(&hub, "Poll").len() == 30).then_some(()));
    assert!(chains(&hub, "Poll").iter().all(|length| *length == 1));
    let log = hub.get("/api/v1/plugins/poller")["log"].to_string();
    assert!(!log.contains("circle"), "{log}");
}
