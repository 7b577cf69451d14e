//! A link with Alertmanager's name, and its own flags, is all that is needed to take its place.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use nightbell_acceptance::hub::{alert, binary};
use nightbell_acceptance::{PATIENCE, Receiver, http};
use serde_json::json;

#[test]
fn a_link_and_the_flags_that_it_had_are_enough() {
    let receiver = Receiver::open();
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("prometheus-alertmanager");
    std::os::unix::fs::symlink(binary(), &link).unwrap();
    let config = folder.path().join("alertmanager.yml");
    let url = receiver.url("/hook");
    let yml = format!(
        "route: {{receiver: r, group_wait: 0s}}\nreceivers: [{{name: r, webhook_configs: [{{url: '{url}'}}]}}]\n"
    );
    std::fs::write(&config, yml).unwrap();
    let mut child = Command::new(&link)
        .arg(format!("--config.file={}", config.display()))
        .args(["--storage.path", &folder.path().join("data").display().to_string()])
        .args(["--web.listen-address=127.0.0.1:0", "--log.level=debug", "--cluster.listen-address="])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap().parse().unwrap();
    let body = json!([alert(&[("alertname", "Disk")])]).to_string();
    let answer = http::ask(address, "POST", "/api/v2/alerts", &[], &body).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    receiver.wait_count(1, PATIENCE);
    child.kill().unwrap();
    let said = child.wait_with_output().unwrap().stderr;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("have no meaning here: --log.level, --cluster.listen-address"), "{said}");
}
