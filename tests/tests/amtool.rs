//! Alertmanager's own client works with this hub.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::process::Command;

use nightbell_acceptance::hub::each_at_once;
use nightbell_acceptance::tool::{find_or_skip, run};
use nightbell_acceptance::{Hub, PATIENCE, Receiver};

#[test]
fn amtool_adds_queries_and_silences() {
    let Some(program) = find_or_skip("amtool") else { return };
    let receiver = Receiver::open();
    let hub = Hub::start(&each_at_once(&receiver.url("/hook")));
    let amtool = |words: &[&str]| {
        let mut command = Command::new(&program);
        run(command.arg(format!("--alertmanager.url={}", hub.url())).args(words))
    };
    amtool(&["alert", "add", "alertname=DiskFull", "team=db", "--annotation=summary=it is full"]);
    let heard = receiver.wait_count(1, PATIENCE);
    assert_eq!(heard[0].labels("alertname"), ["DiskFull"]);
    let found = amtool(&["alert", "query", "team=db"]);
    assert!(found.contains("DiskFull") && found.contains("active"), "{found}");
    assert!(!amtool(&["alert", "query", "team=web"]).contains("DiskFull"));

    let id = amtool(&["silence", "add", "--author=ann", "--comment=new disks", "--duration=1h", "team=db"]);
    let id = id.trim();
    let found = amtool(&["silence", "query"]);
    assert!(found.contains(id) && found.contains("new disks"), "{found}");
    assert!(amtool(&["alert", "query", "--silenced"]).contains("DiskFull"));
    assert!(!amtool(&["alert", "query", "--active"]).contains("DiskFull"));
    amtool(&["silence", "expire", id]);
    assert!(!amtool(&["silence", "query"]).contains(id));
    assert!(amtool(&["silence", "query", "--expired"]).contains(id));
    assert!(amtool(&["config", "show"]).contains("receiver"));
}
