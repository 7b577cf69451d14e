//! What is looked at in a plugin, and that each look can fail: for each there is a guest that does that one thing
//! wrong.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/python.rs"]
mod python;

use std::path::Path;
use std::time::Duration;

use futures::StreamExt as _;
use plugin_host::conformance::{Report, look};
use plugin_host::{Host, Places, folder};

/// How many guests are looked at at the same time.
const AT_ONCE: usize = 5;

/// What a guest does wrong, and the first thing that is found.
const WRONG: [(&str, &str); 22] = [
    ("bad-default", "its defaults fit its schemas"),
    ("strict", "it ignores words that it does not know"),
    ("dies-of-a-kind", "it says of each delivery what came of it, also of kinds that it does not have"),
    ("silent-of-a-kind", "it says of each delivery what came of it, also of kinds that it does not have"),
    ("lies-of-a-kind", "it says of each delivery what came of it, also of kinds that it does not have"),
    ("of-others", "it says of each delivery what came of it, also of kinds that it does not have"),
    ("dies-of-twins", "it takes a delivery that is there twice"),
    ("drops-cancelled", "it answers what is cancelled, and goes on"),
    ("dies-of-settings", "it answers when settings are bad"),
    ("hangs-at-validate", "it looks at settings"),
    ("breaks-settings", "it looks at settings"),
    ("odd-test", "it can be tested"),
    ("no-ticket", "it makes a ticket, or says why not"),
    ("odd-check", "it looks at what it is to check"),
    ("all-is-well", "it looks at what it is to check"),
    ("odd-status", "it answers requests over HTTP"),
    ("numbers-only", "it puts together a line that comes in pieces, and takes ids that are texts"),
    ("no-pieces", "it puts together a line that comes in pieces, and takes ids that are texts"),
    ("dies-of-garbage", "it goes on after lines that are no messages, or ends"),
    ("answers-garbage-with-garbage", "it goes on after lines that are no messages, or ends"),
    ("chokes-on-length", "it goes on after a line that is too long, or ends"),
    ("waits-for-the-rest", "it ends when its input is closed within a line"),
];

async fn looked_at(wish: &str) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let (program, prefix) = python::python();
    let manifest = format!(
        "[plugin]\nid = 'rude'\nversion = '1'\ncontract = 1\n[run]\nruntime = 'process'\n\
         command = [{program:?}, './rude.py', '{wish}']\n[permissions]\nread = [{prefix:?}]\nserve = true\n"
    );
    let plugin = folder.path().join("rude");
    std::fs::create_dir(&plugin).unwrap();
    std::fs::write(plugin.join("plugin.toml"), manifest).unwrap();
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/rude.py");
    std::fs::copy(guest, plugin.join("rude.py")).unwrap();
    let states = folder.path().join("state");
    std::fs::create_dir(&states).unwrap();
    let environment = [("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())].into();
    let host = Host::new(Places { states, environment, ..Places::default() });
    let report = look(&host, &folder::read(&plugin).unwrap()).await;
    assert!(host.stop(Duration::from_secs(20)).await, "not everything ended");
    report
}

#[tokio::test]
async fn a_guest_that_keeps_the_contract_is_found_to() {
    let report = looked_at("").await;
    assert!(report.is_good(), "{report:#?}");
    // everything was looked at of which something can be wrong
    for (_, rule) in WRONG {
        assert!(report.findings.iter().any(|it| it.rule == rule), "{rule}");
    }
    assert!(!report.remarks.iter().any(|it| it.contains("given nothing to do")), "{:?}", report.remarks);
}

#[tokio::test]
async fn whatever_a_guest_does_wrong_is_found() {
    let looks = futures::stream::iter(WRONG).map(|(wish, rule)| async move {
        let report = looked_at(wish).await;
        let wrong = report.findings.iter().find(|it| it.wrong.is_some());
        assert_eq!(wrong.map(|it| it.rule), Some(rule), "{wish}: {report:#?}");
    });
    looks.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}
