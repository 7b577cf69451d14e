//! Plugins in other languages than Python: their packages' own tests, an example of each with the real binary, and
//! beginnings that work as they are.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;

use nightbell_acceptance::hub::alert;
use nightbell_acceptance::{Hub, PATIENCE, Receiver, Reply, skip, tool, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;

fn plugins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins")
}

/// Copies the files of a folder.
fn copy(from: &Path, into: &Path, with_tests: bool) {
    std::fs::create_dir_all(into).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        let is_test = path.to_string_lossy().ends_with("_test.go");
        if path.is_file() && (with_tests || !is_test) {
            std::fs::copy(&path, into.join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// A folder of plugins with this example in it, and the package that it needs.
fn example(name: &str, package: &str, into: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let place = folder.path().join("plugins").join(name);
    copy(&plugins().join("examples").join(name), &place, true);
    copy(&plugins().join(package), &place.join(into), false);
    folder
}

fn hub(folder: TempDir, name: &str, more: &str) -> Hub {
    let config = folder.path().join("nightbell.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[outbound]\nallow_private = true\n[plugins]\nfolder = \"plugins\"\n\
         active = [\"{name}\"]\n[route]\nreceiver = \"ops\"\ngroup_by = \"all\"\ngroup_wait = \"0s\"\n\
         group_interval = \"1s\"\n{more}"
    );
    std::fs::write(&config, text).unwrap();
    let mut hub = Hub::prepare(folder, &["--config", &config.display().to_string()]);
    hub.wake();
    hub
}

fn nightbell(folder: &Path, words: &[&str]) -> (bool, String) {
    let output = nightbell_acceptance::hub::command(words).current_dir(folder).output().unwrap();
    (output.status.success(), tool::both(&output))
}

fn keeps_the_contract(folder: &Path, plugin: &str) {
    let (good, said) = nightbell(folder, &["plugin", "check", plugin]);
    assert!(good && said.contains("the plugin keeps the contract"), "{said}");
}

fn build_go(folder: &Path, name: &str) {
    // what it builds anew is kept where Go keeps it anyway
    tool::run(Command::new("go").args(["build", "-o", name, "."]).current_dir(folder));
}

/// Runs the tests of an example, which the package's own host for tests makes short.
fn passes_its_tests(folder: &Path, words: &[&str]) {
    tool::run(Command::new(words[0]).args(&words[1..]).current_dir(folder));
}

#[test]
fn the_packages_pass_their_own_tests() {
    if tool::find_or_skip("node").is_some() {
        tool::run(Command::new("node").args(["--test", "tests/"]).current_dir(plugins().join("typescript")));
    }
    if tool::find_or_skip("go").is_some() {
        tool::run(Command::new("go").args(["vet", "./..."]).current_dir(plugins().join("go")));
        tool::run(Command::new("go").args(["test", "-count=1", "./..."]).current_dir(plugins().join("go")));
    }
}

#[test]
fn a_board_in_javascript_gets_cards_and_shows_what_is_open() {
    let Some(_) = tool::find_or_skip("node") else { return };
    let folder = example("board", "typescript", "nightbell-plugin");
    passes_its_tests(&folder.path().join("plugins/board"), &["node", "--test"]);
    keeps_the_contract(folder.path(), "plugins/board");
    let mut answers = [503].into_iter();
    let cards = Receiver::with(move |_| Reply::status(answers.next().unwrap_or(200)));
    let hub = hub(folder, "board", &format!("[[receivers.ops.board]]\nurl = \"{}\"\n", cards.url("/cards")));
    hub.alerts(&[alert(&[("alertname", "Disk"), ("n", "1")])]);
    // the first is refused for now, and comes again under its key
    let heard = cards.wait_count(2, PATIENCE);
    let keys: Vec<&str> = heard.iter().map(|it| it.header("idempotency-key")).collect();
    assert!(keys[0] == keys[1] && !keys[0].is_empty(), "{keys:?}");
    assert_eq!(
        (&heard[1].body["column"], &heard[1].body["title"]),
        (&json!("inbox"), &json!("[FIRING:1] it hurts"))
    );
    hub.wait_delivered(1);
    let open = |count: usize| {
        wait_for("the page", PATIENCE, || {
            let answer = hub.ask("GET", "/plugins/board/open", "");
            (answer.status == 200 && answer.json().as_array().unwrap().len() == count).then(|| answer.json())
        })
    };
    assert_eq!(open(1), json!([{ "title": "it hurts", "state": "open" }]));
    let incident = hub.get("/api/v1/incidents")["items"][0]["id"].as_str().unwrap().to_owned();
    hub.post(&format!("/api/v1/incidents/{incident}/resolve"), &json!({ "by": "ann" }));
    open(0);
    let log = hub.says(&["plugin", "logs", "board"]);
    assert!(log.contains("a board is there"), "{log}");
}

/// Hands on the lines of each connection.
fn lines_of(listener: TcpListener) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            for line in BufReader::new(connection.unwrap()).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        }
    });
    lines
}

#[test]
fn a_watch_of_ports_in_go_brings_in_what_it_sees_and_sends_lines() {
    let Some(_) = tool::find_or_skip("go") else { return };
    let folder = example("ports", "go", "nightbell");
    // the package is a part of the plugin's own module
    std::fs::remove_file(folder.path().join("plugins/ports/nightbell/go.mod")).unwrap();
    passes_its_tests(&folder.path().join("plugins/ports"), &["go", "test", "-count=1", "."]);
    build_go(&folder.path().join("plugins/ports"), "ports");
    keeps_the_contract(folder.path(), "plugins/ports");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let lines = lines_of(listener);
    // a port that was free a moment ago
    let closed: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = format!("[plugins.settings.ports]\nwatch = [\"{closed}\"]\nevery_ms = 20\n");
    let mut hub =
        hub(folder, "ports", &format!("[[receivers.ops.line]]\naddress = \"{address}\"\n{settings}"));
    let next = || lines.recv_timeout(PATIENCE).unwrap();
    let line = next();
    assert!(line.contains(" [FIRING:1] ") && line.contains("connection refused"), "{line}");
    hub.wait_delivered(1);
    // it is known over a restart, and taken back when the port answers
    hub.kill_and_wake();
    let open = TcpListener::bind(closed).unwrap();
    let _open = lines_of(open);
    let line = next();
    assert!(line.contains("[RESOLVED]"), "{line}");
    let incidents = hub.get("/api/v1/incidents");
    let all: Vec<&Value> = incidents["items"].as_array().unwrap().iter().collect();
    assert_eq!(all.len(), 1, "{incidents}");
}

/// A beginning in this language, built, keeps the contract and delivers each sort of message.
fn begins(language: &str, build: impl Fn(&Path) -> bool) {
    let folder = TempDir::new().unwrap();
    let (made, said) = nightbell(folder.path(), &["plugin", "new", "door-bell_2", "--lang", language]);
    assert!(made, "{said}");
    if !build(&folder.path().join("plugins/door-bell_2")) {
        return;
    }
    keeps_the_contract(folder.path(), "plugins/door-bell_2");
    let test = ["plugin", "test", "plugins/door-bell_2", "--set", "room=alerts"];
    let (good, said) = nightbell(folder.path(), &test);
    assert!(good && said.contains("to alerts: [RESOLVED] The disk of db1 is full"), "{said}");
}

#[test]
fn a_new_plugin_in_typescript_works_as_it_is() {
    let Some(_) = tool::find_or_skip("node") else { return };
    begins("typescript", |_| true);
}

#[test]
fn a_new_plugin_in_go_works_as_it_is() {
    let Some(_) = tool::find_or_skip("go") else { return };
    begins("go", |folder| {
        build_go(folder, "door-bell_2");
        true
    });
}

#[test]
fn a_new_plugin_in_rust_works_as_it_is() {
    begins("rust", |folder| {
        // of what it needs, the versions that this program is built of are here
        std::fs::copy(plugins().join("../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--release", "--offline"]).current_dir(folder);
        build.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0").env_remove("CARGO_TARGET_DIR");
        let output = build.output().unwrap();
        let said = tool::both(&output);
        // what it needs is what this program is built of, unless only its results were brought here
        let absent =
            ["no matching package", "--offline", "failed to download"].iter().any(|it| said.contains(it));
        if !output.status.success() && absent {
            skip(&format!("serde_json cannot be had offline: {said}"), false);
            return false;
        }
        assert!(output.status.success(), "{said}");
        true
    });
}

#[test]
fn a_new_plugin_of_the_shell_works_as_it_is() {
    let Some(_) = tool::find_or_skip("jq") else { return };
    begins("shell", |_| true);
}
