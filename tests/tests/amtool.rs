//! Alertmanager's own client works with this hub.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::path::PathBuf;
use std::process::{Command, Output};

use nightbell_acceptance::alertmanager::start;
use nightbell_acceptance::tool::{both, find_or_skip, run};
use nightbell_acceptance::{Hub, PATIENCE, Receiver};
use serde_json::Value;

struct Amtool<'a> {
    program: PathBuf,
    hub: &'a Hub,
}

impl Amtool<'_> {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(format!("--alertmanager.url={}", self.hub.url())).args(words);
        command
    }

    /// What it says; it must work.
    fn says(&self, words: &[&str]) -> String {
        run(&mut self.command(words))
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.says(&[words, &["-o", "json"]].concat())).unwrap()
    }

    fn tries(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }
}

fn hub(receiver: &Receiver) -> Hub {
    start(&format!(
        "route:\n  receiver: default\n  group_by: [alertname]\n  group_wait: 0s\n  group_interval: 1s\n  routes:\n  \
         - {{receiver: db, matchers: ['team=db'], continue: true}}\n  - {{receiver: web, matchers: ['team=~db|web']}}\n\
         receivers:\n- {{name: default, webhook_configs: [{{url: '{0}'}}]}}\n- {{name: db}}\n- {{name: web}}\n",
        receiver.url("/hook")
    ))
}

#[test]
fn alerts_are_added_and_found() {
    let Some(program) = find_or_skip("amtool") else { return };
    let receiver = Receiver::open();
    let hub = hub(&receiver);
    let amtool = Amtool { program, hub: &hub };
    amtool.says(&[
        "alert",
        "add",
        "DiskFull",
        "disk=a",
        "--annotation=summary=it is full",
        "--generator-url=http://g/x",
    ]);
    let heard = receiver.wait_count(1, PATIENCE);
    assert_eq!(
        (heard[0].labels("alertname"), &heard[0].body["alerts"][0]["generatorURL"]),
        (vec!["DiskFull".into()], &"http://g/x".into())
    );
    amtool.says(&["alert", "add", "alertname=Odd=Name", "disk=b"]);
    let table = amtool.says(&["alert", "query"]);
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("Alertname"), "{table}");
    assert_eq!(lines.clone().count(), 2, "{table}");
    assert!(lines.all(|line| line.contains("active")), "{table}");
    for (words, names) in [
        (vec!["DiskFull"], vec!["DiskFull"]),
        (vec!["disk=~a|b"], vec!["DiskFull", "Odd=Name"]),
        (vec!["disk!=a"], vec!["Odd=Name"]),
        (vec!["disk!~.*"], vec![]),
        (vec!["--receiver=web"], vec![]),
        (vec!["--inhibited"], vec![]),
    ] {
        let found = amtool.json(&[&["alert", "query"], words.as_slice()].concat());
        let mut found: Vec<&str> =
            found.as_array().unwrap().iter().map(|it| it["labels"]["alertname"].as_str().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, names, "{words:?}");
    }
}

#[test]
fn silences_live_from_add_to_expire() {
    let Some(program) = find_or_skip("amtool") else { return };
    let receiver = Receiver::open();
    let hub = hub(&receiver);
    let amtool = Amtool { program, hub: &hub };
    amtool.says(&["alert", "add", "DiskFull", "disk=a"]);
    let add = ["silence", "add", "--author=ann", "--duration=1h"];
    let id = amtool.says(&[&add[..], &["--comment=new disks", "disk=a"]].concat()).trim().to_owned();
    let other =
        amtool.says(&[&add[..], &["--comment=other", "DiskEmpty", "disk!~a"]].concat()).trim().to_owned();
    let table = amtool.says(&["silence", "query"]);
    assert!(table.starts_with("ID") && table.contains(&id) && table.contains("new disks"), "{table}");
    assert!(table.contains("alertname=\"DiskEmpty\" disk!~\"a\""), "{table}");
    assert_eq!(amtool.says(&["silence", "query", "-q", "disk=a"]).trim(), id);
    assert_eq!(amtool.says(&["silence", "query", "-q", "DiskEmpty"]).trim(), other);
    assert!(amtool.says(&["alert", "query", "--silenced"]).contains("DiskFull"));
    assert!(!amtool.says(&["alert", "query", "--active"]).contains("DiskFull"));

    amtool.says(&["silence", "update", "--duration=2h", "--comment=still", &id]);
    assert!(amtool.says(&["silence", "query", "-q", "disk=a"]).contains(&id), "it is still the same one");
    let exported = amtool.says(&["silence", "query", "-o", "json"]);
    assert!(exported.contains("still"), "{exported}");
    let file = hub.folder().join("silences.json");
    std::fs::write(&file, &exported).unwrap();
    amtool.says(&["silence", "expire", &id, &other]);
    assert_eq!(amtool.says(&["silence", "query", "-q"]), "");
    let expired = amtool.says(&["silence", "query", "--expired", "--within=1h", "-q"]);
    assert_eq!(expired.lines().count(), 2, "{expired}");
    let missing = amtool.tries(&["silence", "expire", "00000000-0000-4000-8000-000000000000"]);
    assert!(!missing.status.success(), "{}", both(&missing));

    amtool.says(&["silence", "import", "--force", &file.to_string_lossy()]);
    let mut back: Vec<String> = amtool.says(&["silence", "query", "-q"]).lines().map(str::to_owned).collect();
    assert_eq!(back.len(), 2);
    assert!(!back.contains(&id) && !back.contains(&other), "what has ended begins under another id");
    back.insert(0, "expire".to_owned());
    back.insert(0, "silence".to_owned());
    amtool.says(&back.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(amtool.says(&["silence", "query", "-q"]), "");
    std::fs::write(&file, "[{\"broken\": \"json\"").unwrap();
    let refused = amtool.tries(&["silence", "import", &file.to_string_lossy()]);
    assert!(!refused.status.success(), "{}", both(&refused));
}

#[test]
fn the_configuration_is_shown_and_routes_are_tried() {
    let Some(program) = find_or_skip("amtool") else { return };
    let receiver = Receiver::open();
    let hub = hub(&receiver);
    let amtool = Amtool { program, hub: &hub };
    let shown = amtool.says(&["config", "show"]);
    assert!(shown.contains("receiver") && shown.contains("default"), "{shown}");
    let tree = amtool.says(&["config", "routes", "show"]);
    assert!(
        tree.contains("default-route") && tree.contains("team=\"db\"") && tree.contains("receiver: web"),
        "{tree}"
    );
    assert_eq!(amtool.says(&["config", "routes", "test", "team=db"]).trim(), "db,web");
    assert_eq!(amtool.says(&["config", "routes", "test", "team=ops"]).trim(), "default");
    let right = amtool.tries(&["config", "routes", "test", "--verify.receivers=web", "team=web"]);
    assert!(right.status.success(), "{}", both(&right));
    assert!(
        !amtool.tries(&["config", "routes", "test", "--verify.receivers=db", "team=web"]).status.success()
    );
    let cluster = amtool.says(&["cluster", "show"]);
    assert!(cluster.contains("ready") && cluster.contains("nightbell-"), "{cluster}");
    let file = hub.folder().join("alertmanager.yml");
    let checked = amtool.says(&["check-config", &file.to_string_lossy()]);
    assert!(checked.contains("SUCCESS") && checked.contains("3 receivers"), "{checked}");
}
