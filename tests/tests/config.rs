//! Configuration is strict, told where it came from, and its secrets appear nowhere.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::process::Output;

use nightbell_acceptance::hub::{LOCAL, alert, command};
use nightbell_acceptance::tool::both;
use nightbell_acceptance::{Hub, PATIENCE, Receiver, Reply, wait_for};

const SECRET: &str = "hush-hush-4711";

fn run(words: &[&str]) -> Output {
    command(words).output().unwrap()
}

fn file(toml: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nightbell.toml");
    std::fs::write(&path, toml).unwrap();
    let path = path.to_string_lossy().into_owned();
    (folder, path)
}

/// A configuration with a secret in every place that takes one.
fn with_secrets(receiver: &str) -> String {
    format!(
        "{LOCAL}[route]\nreceiver = \"ops\"\ngroup_by = [\"...\"]\ngroup_wait = \"0s\"\n\
         [[receivers.ops.webhook]]\nurl = \"{receiver}/{SECRET}\"\n\
         [[receivers.ops.slack]]\nurl = \"{receiver}/{SECRET}/slack\"\n"
    )
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place() {
    let (_folder, path) = file(
        "[server]\nlisten = \"nowhere\"\nmax_body_bites = 3\n[route]\nreceiver = \"nobody\"\n\
         [incidents]\nresolve_timeout = \"soon\"\n\
         [[receivers.ops.pigeon]]\n",
    );
    for words in [&["check", "--config", &path][..], &["serve", "--config", &path]] {
        let output = run(words);
        let said = both(&output);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
        for (place, what) in [
            (":2:", "listen"),
            (":3:", "max_body_bytes"),
            (":5:", "nobody"),
            (":7:", "soon"),
            (":8:", "pigeon"),
        ] {
            let line = said.lines().find(|line| line.contains(what));
            assert!(line.is_some_and(|line| line.contains(place)), "{words:?} {what}: {said}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = run(&["serve", "--config", "/nowhere/nightbell.toml"]);
    let said = both(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("/nowhere/nightbell.toml") && said.contains("No such file"), "{said}");
    assert_eq!(said.lines().count(), 1, "an error is one line: {said}");
}

#[test]
fn the_environment_lies_over_the_file_and_show_says_so() {
    let (_folder, path) =
        file("[server]\nlisten = \"127.0.0.1:1\"\n[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n");
    let mut show = command(&["config", "show", "--config", &path]);
    let said = both(&show.env("NIGHTBELL_SERVER__LISTEN", "127.0.0.1:2").output().unwrap());
    assert!(said.contains("listen = \"127.0.0.1:2\" # NIGHTBELL_SERVER__LISTEN"), "{said}");
    assert!(said.contains(&format!("receiver = \"a\" # {path}:4:")), "{said}");
    let mut wrong = command(&["check", "--config", &path]);
    let output = wrong.env("NIGHTBELL_SERVER__LISTN", "127.0.0.1:2").output().unwrap();
    let said = both(&output);
    assert!(!output.status.success() && said.contains("NIGHTBELL_SERVER__LISTEN"), "{said}");
}

#[test]
fn two_files_share_the_work_and_may_not_both_route() {
    let (folder, path) = file("[server]\nexternal_url = \"http://bell.example\"\n");
    let yml = folder.path().join("alertmanager.yml").to_string_lossy().into_owned();
    std::fs::write(&yml, "route: {receiver: theirs}\nreceivers: [{name: theirs}]\n").unwrap();
    let words = ["config", "show", "--config", &path, "--alertmanager-config", &yml];
    let said = both(&run(&words));
    assert!(said.contains("receiver = \"theirs\"") && said.contains("http://bell.example"), "{said}");
    std::fs::write(&path, "[route]\nreceiver = \"ours\"\n[[receivers.ours.inbox]]\n").unwrap();
    let output = run(&["check", "--config", &path, "--alertmanager-config", &yml]);
    let said = both(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("nightbell.toml:1:1: route: ") && said.contains("alertmanager.yml"), "{said}");
}

#[test]
fn what_links_begin_with_is_shown_also_when_nobody_says_it() {
    let (folder, ours) = file("[server]\nlisten = \"127.0.0.1:4711\"\n");
    let yml = folder.path().join("alertmanager.yml").to_string_lossy().into_owned();
    std::fs::write(&yml, "route: {receiver: theirs}\nreceivers: [{name: theirs}]\n").unwrap();
    let words = ["config", "show", "--config", &ours, "--alertmanager-config", &yml];
    let said = both(&run(&words));
    let line = said.lines().find(|line| line.starts_with("external_url = ")).unwrap();
    let derived = ":4711\" # derived from the name of this machine and the port";
    assert!(line.starts_with("external_url = \"http://") && line.ends_with(derived), "{line}");
    assert!(both(&run(&["config", "show"])).contains("external_url = \"\" # default"));
}

#[test]
fn secrets_appear_in_no_output_and_no_log() {
    let (_folder, path) = file(&with_secrets("http://127.0.0.1:9"));
    let mut said = String::new();
    for words in [
        &["config", "show", "--config", &path][..],
        &["config", "show", "--json", "--config", &path],
        &["check", "--config", &path],
        &["check", "--json", "--config", &path],
        &["route", "test", "--json", "--config", &path, "team=db"],
    ] {
        let output = run(words);
        assert!(output.status.success(), "{words:?}: {}", both(&output));
        said.push_str(&both(&output));
    }
    for words in
        [&["--help"][..], &["serve", "--help"], &["incidents", "list", "--help"], &["config", "schema"]]
    {
        let mut help = command(words);
        help.env("NIGHTBELL_TOKEN", SECRET).env("NIGHTBELL_DATABASE__URL", SECRET);
        said.push_str(&both(&help.output().unwrap()));
    }
    // a secret where none belongs, a reference to nothing, and a syntax error in a line that holds one
    for wrong in [
        format!("[server]\nlisten = \"{SECRET}\"\n[[receivers.a.webhook]]\nurl = \"{SECRET}\"\n"),
        format!("[[receivers.a.webhook]]\nurl = {{ env = \"NOT_SET\" }}\nheaders = \"{SECRET}\"\n"),
        format!("[[receivers.a.slack]]\nurl = \"https://x/{SECRET}\nchannel = 3\n"),
        format!("[[receivers.a.slack]]\nurl = [\"{SECRET}\"]\n"),
    ] {
        let (_folder, path) = file(&wrong);
        let output = run(&["check", "--config", &path]);
        assert!(!output.status.success(), "{wrong}");
        let text = both(&output);
        // what stands where no secret belongs is not known to be one
        said.extend(
            text.lines().filter(|line| !line.contains("server.listen")).map(|line| format!("{line}\n")),
        );
    }
    let said_wrong = both(&run(&["serve", "--database", &format!("mysql://u:{SECRET}@h/d")]));
    assert!(said_wrong.contains("postgres://"), "{said_wrong}");
    said.push_str(&said_wrong);
    let unreached = format!("postgres://u:{SECRET}@127.0.0.1:1/d?connect_timeout=1");
    let output = run(&["serve", "--database", &unreached]);
    assert_eq!(output.status.code(), Some(1));
    said.push_str(&both(&output));
    assert!(!said.contains(SECRET), "{said}");
}

#[test]
fn a_running_hub_never_says_a_secret() {
    let receiver = Receiver::with(|_| Reply::status(500));
    // the loudest log there is
    let hub = Hub::start(&format!(
        "[log]\nlevel = \"debug\"\n{}",
        with_secrets(&receiver.url("")).replace(LOCAL, "")
    ));
    hub.alerts(&[alert(&[("alertname", "A")])]);
    receiver.wait_count(2, PATIENCE);
    wait_for("a try on record", PATIENCE, || {
        let dead = hub.get("/api/v1/deliveries");
        let first = dead["items"][0]["attempts"].as_i64()?;
        (first > 0).then_some(())
    });
    std::fs::write(hub.config_file(), with_secrets("ftp://127.0.0.1")).unwrap();
    let refused = hub.ask("POST", "/-/reload", "");
    assert_ne!(refused.status, 200);
    let mut said = refused.body;
    for path in [
        "/api/v1/deliveries",
        "/api/v1/receivers",
        "/api/v1/status",
        "/api/v2/status",
        "/api/v2/receivers",
        "/metrics",
        "/api/v1/routes",
        "/api/v1/incidents",
        "/",
    ] {
        let answer = hub.ask("GET", path, "");
        assert_eq!(answer.status, 200, "{path}");
        said.push_str(&answer.body);
    }
    let id = hub.get("/api/v1/incidents")["items"][0]["id"].as_str().unwrap().to_owned();
    said.push_str(&hub.get(&format!("/api/v1/explain/{id}")).to_string());
    said.push_str(&hub.log());
    let line = said.lines().find(|line| line.contains(SECRET));
    assert!(line.is_none(), "{line:?}");
}

#[test]
fn without_any_file_everything_goes_to_an_inbox() {
    let hub = Hub::start_with(&[]);
    assert!(hub.log().contains("inbox of receiver `default`"), "{}", hub.log());
    hub.alerts(&[alert(&[("alertname", "A")])]);
    assert_eq!(hub.get("/api/v1/incidents")["items"].as_array().unwrap().len(), 1);
}

#[test]
fn flags_lie_over_the_file() {
    let (_folder, path) = file(&format!("{LOCAL}[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n"));
    let hub = Hub::start_with(&["--config", &path, "--route-prefix", "/night"]);
    assert_eq!(hub.ask("GET", "/night/-/healthy", "").status, 200);
    assert_eq!(hub.ask("GET", "/-/healthy", "").status, 404);
    assert!(hub.data().join("nightbell.db").is_file());
}
