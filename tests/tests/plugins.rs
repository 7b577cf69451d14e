//! Plugins with the real binary: found, told, killed, asked, and never in anybody's way.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nightbell_acceptance::hub::alert;
use nightbell_acceptance::{Dice, Hub, PATIENCE, Receiver, http, tool, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Writes what it is told into its state folder, and has a route, a value and events of its own.
const DIARY: &str = r#"
import os
from nightbell_plugin import Plugin, Response

plugin = Plugin()


@plugin.destination("diary", settings={"type": "object", "properties": {"page": {"type": "string"}},
                                       "required": ["page"]})
async def write(delivery):
    with open(os.path.join(plugin.state, delivery.settings["page"]), "a") as page:
        page.write(delivery.id + " " + delivery.message.title + "\n")
        page.flush()
        os.fsync(page.fileno())


@plugin.route("/count/<page>", methods=["POST"], auth="none")
async def count(request):
    seen = (await plugin.host.kv.get("seen") or 0) + 1
    await plugin.host.kv.set("seen", seen)
    await plugin.host.emit({"key": "counted", "labels": {"alertname": "Counted", "page": request.arguments["page"]}})
    return Response(str(seen), status=201, headers={"x-diary": "yes"})
"#;

const MANIFEST: &str = "[plugin]\nid = 'diary'\nversion = '1'\ncontract = 1\n[run]\nruntime = 'python'\n\
    module = 'diary'\n[permissions]\nemit = true\nserve = true\n[limits]\nconcurrency = 64\n";

fn diary(folder: &Path) {
    let plugin = folder.join("plugins/diary");
    std::fs::create_dir_all(&plugin).unwrap();
    std::fs::write(plugin.join("plugin.toml"), MANIFEST).unwrap();
    std::fs::write(plugin.join("diary.py"), DIARY).unwrap();
}

fn config(more: &str) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[outbound]\nallow_private = true\n[plugins]\nfolder = \"plugins\"\n\
         active = [\"diary\"]\n[route]\nreceiver = \"ops\"\ngroup_by = \"all\"\ngroup_wait = \"0s\"\n\
         [[receivers.ops.diary]]\npage = \"one\"\n{more}"
    )
}

fn hub_with(more: &str) -> Hub {
    let folder = TempDir::new().unwrap();
    diary(folder.path());
    std::fs::write(folder.path().join("nightbell.toml"), config(more)).unwrap();
    let path = folder.path().join("nightbell.toml").display().to_string();
    let mut hub = Hub::prepare(folder, &["--config", &path]);
    hub.wake();
    hub
}

/// What the diary has: each message's id and title.
fn pages(hub: &Hub) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(hub.folder().join("data/plugin-state/diary/one")).unwrap_or_default();
    let line = |line: &str| line.split_once(' ').map(|(id, title)| (id.to_owned(), title.to_owned()));
    text.lines().filter_map(line).collect()
}

fn wait_pages(hub: &Hub, count: usize) -> Vec<(String, String)> {
    wait_for("the diary", PATIENCE, || {
        let all = pages(hub);
        let different: BTreeSet<_> = all.iter().map(|(id, _)| id).collect();
        (different.len() >= count).then_some(all)
    })
}

fn plugin_of(hub: &Hub) -> Value {
    hub.get("/api/v1/plugins/diary")
}

fn kill_plugin(hub: &Hub) {
    let pid = plugin_of(hub)["pid"].as_u64();
    // it may just be between two lives
    if let Some(pid) = pid {
        Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    }
}

fn alerts(from: usize, to: usize) -> Vec<Value> {
    (from..to).map(|n| alert(&[("alertname", "Disk"), ("n", &n.to_string())])).collect()
}

#[test]
fn a_plugin_is_told_like_any_destination_and_what_it_asks_is_done() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    let hub = hub_with("");
    hub.alerts(&alerts(0, 1));
    let told = wait_pages(&hub, 1);
    assert_eq!(told[0].1, "[FIRING:1] it hurts");
    let listed = hub.says(&["plugin", "list"]);
    assert!(listed.contains("diary") && listed.contains("ready"), "{listed}");
    let deliveries = hub.get("/api/v1/deliveries");
    assert_eq!(deliveries["items"][0]["destination"], "ops/diary/0");
    // its route, the value that it keeps, and the event that it brings in
    for n in 1..=2 {
        let answer = hub.ask("POST", "/plugins/diary/count/seven", "");
        assert_eq!((answer.status, answer.header("x-diary")), (201, Some("yes")), "{answer:?}");
        assert_eq!(answer.body, n.to_string());
    }
    assert_eq!(hub.ask("GET", "/plugins/diary/count/seven", "").status, 405);
    assert_eq!(hub.ask("GET", "/plugins/diary/nothing", "").status, 404);
    assert_eq!(hub.ask("GET", "/plugins/nobody/x", "").status, 404);
    let told = wait_pages(&hub, 2);
    assert!(told.iter().any(|(_, title)| title.contains("Counted")), "{told:?}");
}

#[test]
fn whoever_is_killed_nothing_is_lost_and_what_was_answered_is_not_told_again() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    let mut hub = hub_with("");
    let total = 48;
    for round in 0..6 {
        hub.alerts(&alerts(round * 8, (round + 1) * 8));
        match round % 3 {
            0 => kill_plugin(&hub),
            1 => hub.kill_and_wake(),
            _ => {}
        }
    }
    wait_pages(&hub, total);
    hub.wait_delivered(total);
    let answered = pages(&hub).len();
    hub.kill_and_wake();
    hub.alerts(&alerts(total, total + 1));
    wait_pages(&hub, total + 1);
    assert_eq!(pages(&hub).len(), answered + 1, "what was answered came again");
}

/// Ids of all deliveries whose answers are recorded.
fn recorded(hub: &Hub) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page = hub.get(&format!("/api/v1/deliveries?state=delivered&limit=500{cursor}"));
        let ids =
            page["items"].as_array().unwrap().iter().map(|it| format!("nb-{}", it["id"].as_str().unwrap()));
        all.extend(ids);
        let Some(next) = page["next"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

/// How often each delivery was told.
fn told(hub: &Hub) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for (id, _) in pages(hub) {
        *times.entry(id).or_default() += 1;
    }
    times
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the moment of death is drawn by lot, so it must be waited for"
)]
fn at_whatever_moment_plugin_or_hub_are_killed_nothing_is_lost_or_told_again_after_its_answer() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    let mut dice = Dice::new(20_261_121);
    let mut hub = hub_with("");
    let mut taken = 0;
    let mut final_times: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..8 {
        let over = AtomicBool::new(false);
        let address = hub.address();
        taken = std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let mut next = taken;
                while !over.load(Ordering::Relaxed) {
                    let body = json!(alerts(next, next + 4)).to_string();
                    let answer = http::ask(address, "POST", "/api/v2/alerts", &[], &body);
                    // what was not acknowledged is sent again, under the same labels
                    next += if answer.is_ok_and(|answer| answer.status == 200) { 4 } else { 0 };
                }
                next
            });
            std::thread::sleep(Duration::from_millis(dice.below(200)));
            let both = dice.below(3);
            if both > 0 {
                kill_plugin(&hub);
            }
            if both != 1 {
                std::thread::sleep(Duration::from_millis(dice.below(20)));
                hub.kill();
            }
            over.store(true, Ordering::Relaxed);
            sender.join().unwrap()
        });
        hub.kill_and_wake();
        let answered = recorded(&hub);
        let times = told(&hub);
        for id in answered {
            let count = times[&id];
            let before = final_times.entry(id).or_insert(count);
            assert_eq!(*before, count, "an answer was recorded, and the same was told again");
        }
    }
    assert!(taken > 50, "the story is too short to say anything");
    wait_for("all that was acknowledged", Duration::from_secs(60), || {
        (told(&hub).len() >= taken).then_some(())
    });
    wait_for("their answers", PATIENCE, || (recorded(&hub).len() >= taken).then_some(()));
    let times = told(&hub);
    let again = final_times.iter().filter(|(id, count)| times[*id] != **count).count();
    println!("{taken} were acknowledged, {} told twice", times.values().filter(|count| **count > 1).count());
    assert_eq!(again, 0, "answers were recorded, and the same was told again");
}

#[test]
fn a_plugin_that_is_stuck_slows_nobody_else() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    let receiver = Receiver::open();
    let hub = hub_with(&format!("[[receivers.ops.webhook]]\nurl = \"{}\"\n", receiver.url("/hook")));
    let pid = wait_for("a process", PATIENCE, || plugin_of(&hub)["pid"].as_u64());
    Command::new("kill").args(["-STOP", &pid.to_string()]).status().unwrap();
    hub.alerts(&alerts(0, 30));
    receiver.wait_count(30, Duration::from_secs(3));
    // nobody need wait for what it does not answer either
    kill_plugin(&hub);
    wait_pages(&hub, 30);
}

#[test]
fn plugins_come_and_go_with_the_configuration() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    let hub = hub_with("");
    hub.alerts(&alerts(0, 1));
    wait_pages(&hub, 1);
    let file = hub.config_file();
    // one that is not there is refused, and everything stays as it was
    std::fs::write(&file, config("").replace("\"diary\"", "\"diary\", \"nobody\"")).unwrap();
    let refused = hub.ask("POST", "/-/reload", "");
    assert_eq!(refused.status, 500);
    assert!(
        refused.body.contains("there is no plugin \"nobody\" in this folder; there is diary"),
        "{refused:?}"
    );
    assert_eq!(plugin_of(&hub)["state"], "ready");
    // a setting that its schema does not know is told of with file and line
    std::fs::write(&file, config("").replace("page =", "pgae =")).unwrap();
    let refused = hub.ask("POST", "/-/reload", "");
    assert!(refused.body.contains("did you mean `page`?"), "{refused:?}");
    // without it, its process ends
    let pid = plugin_of(&hub)["pid"].as_u64().unwrap();
    let without = "[[receivers.ops.inbox]]\n";
    let text = config("")
        .replace("active = [\"diary\"]\n", "")
        .replace("[[receivers.ops.diary]]\npage = \"one\"\n", without);
    std::fs::write(&file, text).unwrap();
    assert_eq!(hub.ask("POST", "/-/reload", "").status, 200);
    assert_eq!(hub.get("/api/v1/plugins")["items"], json!([]));
    wait_for("its end", PATIENCE, || (!Path::new(&format!("/proc/{pid}")).exists()).then_some(()));
    // and back again
    std::fs::write(&file, config("")).unwrap();
    assert_eq!(hub.ask("POST", "/-/reload", "").status, 200);
    hub.alerts(&alerts(1, 2));
    wait_pages(&hub, 2);
}

#[test]
fn a_new_plugin_is_a_minute_away() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    let folder = TempDir::new().unwrap();
    let nightbell = |words: &[&str]| {
        let output = nightbell_acceptance::hub::command(words).current_dir(folder.path()).output().unwrap();
        (output.status.success(), tool::both(&output))
    };
    let (made, said) = nightbell(&["plugin", "new", "chimes"]);
    assert!(made, "{said}");
    let (good, said) = nightbell(&["plugin", "check", "plugins/chimes"]);
    assert!(good && said.contains("the plugin keeps the contract"), "{said}");
    let (good, said) = nightbell(&["plugin", "test", "plugins/chimes", "--set", "room=alerts"]);
    assert!(good && said.contains("to alerts: [RESOLVED] The disk of db1 is full"), "{said}");
    assert!(!said.contains("\"method\""), "{said}");
    let (good, said) = nightbell(&["plugin", "test", "plugins/chimes", "--set", "room=alerts", "--wire"]);
    let wire =
        ["| host: {\"jsonrpc\":\"2.0\",\"id\":", "\"method\":\"deliver\"", "| plugin: {", "\"outcomes\":[{"];
    assert!(good && wire.iter().all(|words| said.contains(words)), "{said}");
    let (good, said) = nightbell(&["plugin", "test", "plugins/chimes", "--set", "rom=alerts"]);
    assert!(!good && said.contains("rom"), "{said}");
    // the one for some 150 services comes with the program
    let (made, said) = nightbell(&["plugin", "new", "apprise"]);
    assert!(made && said.contains("now: nightbell plugin install plugins/apprise"), "{said}");
    let manifest = std::fs::read_to_string(folder.path().join("plugins/apprise/plugin.toml")).unwrap();
    assert!(manifest.contains("module = \"nightbell_apprise\""), "{manifest}");
    let (again, said) = nightbell(&["plugin", "new", "chimes"]);
    assert!(!again && said.contains("is there already"), "{said}");
}

#[test]
fn kapacitors_foo_is_two_files_and_a_reload() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    let rooms = Receiver::open();
    let hub = hub_with("");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/examples/foo");
    let folder = hub.folder().join("plugins/foo");
    std::fs::create_dir_all(&folder).unwrap();
    for file in ["plugin.toml", "foo.py"] {
        std::fs::copy(example.join(file), folder.join(file)).unwrap();
    }
    let foo = |settings: &str| {
        let text = config("[[receivers.ops.foo]]\n[[receivers.ops.foo]]\nroom = \"oncall\"\n");
        format!(
            "{}\n[plugins.settings.foo]\n{settings}\n",
            text.replace("[\"diary\"]", "[\"diary\", \"foo\"]")
        )
    };
    let reload = |settings: &str| {
        std::fs::write(hub.config_file(), foo(settings)).unwrap();
        hub.ask("POST", "/-/reload", "")
    };
    // as Kapacitor says it: must specify the Foo server URL
    let refused = reload("room = \"x\"");
    assert!(refused.status == 500 && refused.body.contains("\"url\" is a required property"), "{refused:?}");
    let told = |from: usize| -> Vec<Value> {
        let heard = rooms.wait_count(from + 2, PATIENCE);
        let mut said: Vec<Value> = heard[from..from + 2].iter().map(|it| it.body.clone()).collect();
        said.sort_by_key(|it| it["room"].to_string());
        said
    };
    assert_eq!(reload(&format!("url = \"{}\"", rooms.url("/foo"))).status, 200);
    hub.alerts(&alerts(0, 1));
    let wanted = |room: &str| json!({ "room": room, "message": "[FIRING:1] it hurts" });
    assert_eq!(told(0), [wanted("alerts"), wanted("oncall")]);
    // another room while it runs
    let pid = hub.get("/api/v1/plugins/foo")["pid"].clone();
    assert_eq!(reload(&format!("url = \"{}\"\nroom = \"cellar\"", rooms.url("/foo"))).status, 200);
    hub.alerts(&alerts(1, 2));
    assert_eq!(told(2), [wanted("cellar"), wanted("oncall")]);
    assert_eq!(hub.get("/api/v1/plugins/foo")["pid"], pid);
}
