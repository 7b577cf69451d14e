//! Clients of Sentry as their makers publish them: each reports errors of every kind, and is quiet when told to be.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;

use nightbell_acceptance::errors::{PYTHON, dsn, issues, project};
use nightbell_acceptance::{Hub, PATIENCE, skip, tool, wait_for};
use serde_json::Value;

/// The folder of @sentry/node.
const NODE: &str = "NIGHTBELL_TEST_ERRORS_NODE";
const TOML: &str = "[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n";

/// A client, by the command that runs its program.
struct Client {
    name: &'static str,
    program: PathBuf,
    words: Vec<String>,
    folder: PathBuf,
}

impl Client {
    /// Those that are here; of others it is said that they are not.
    fn all() -> Vec<Client> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("errors");
        let script = |name: &str| scripts.join(name).display().to_string();
        let named = |variable: &str| {
            let value = std::env::var_os(variable).map(PathBuf::from);
            if value.is_none() {
                skip(&format!("{variable} is not set; `cargo xtask test` sets it"), false);
            }
            value
        };
        let mut all = Vec::new();
        if let Some(program) = named(PYTHON) {
            for name in ["raven", "sentry_sdk"] {
                let words = vec![script("report.py"), name.to_owned()];
                all.push(Client { name, program: program.clone(), words, folder: PathBuf::new() });
            }
        }
        if let Some(folder) = named(NODE) {
            let words = vec![script("report.js")];
            all.push(Client { name: "@sentry/node", program: "node".into(), words, folder });
        }
        all
    }

    fn run(&self, dsn: &str, times: Option<usize>) {
        let mut command = Command::new(&self.program);
        command.args(&self.words).args(times.map(|it| it.to_string()));
        tool::run(command.env("DSN", dsn).env("SENTRY", &self.folder));
    }
}

#[test]
fn every_client_reports_every_kind_of_error() {
    for client in Client::all() {
        let hub = Hub::start(TOML);
        let (_, dsn) = project(&hub, "shop");
        client.run(&dsn, None);
        let found = wait_for(client.name, PATIENCE, || {
            let found = issues(&hub, "");
            (found.len() == 4).then_some(found)
        });
        let titles: Vec<&str> = found.iter().map(|it| it["title"].as_str().unwrap()).collect();
        let of = |word: &str| -> &Value {
            let at = titles.iter().position(|title| title.contains(word));
            &found[at.unwrap_or_else(|| panic!("{}: no {word} in {titles:?}", client.name))]
        };
        assert_eq!(of("the ground is reached")["times_seen"], 2, "{}: recursion counts once", client.name);
        assert_eq!(of("PaymentError: order 17 cannot be paid")["times_seen"], 1);
        assert_eq!(of("a plain message")["level"], "warning");
        assert_eq!(issues(&hub, "shop:berlin%20release:shop@2.0%20environment:production").len(), 4);
        let id = of("PaymentError")["id"].as_str().unwrap();
        let event = &hub.get(&format!("/api/v1/issues/{id}/events/latest"))["event"];
        assert_eq!(event["exceptions"].as_array().unwrap().len(), 2, "{}: the cause, too", client.name);
        assert_eq!(event["user"]["id"], "7");
        assert_eq!(event["breadcrumbs"][0]["message"], "cart opened");
    }
}

#[test]
fn every_client_is_quiet_when_it_is_told_to_be() {
    for client in Client::all() {
        let hub = Hub::start(TOML);
        let (made, _) = project(&hub, "shop");
        let key = hub.says_json(&["project", "key", "create", "shop", "--rate", "1/3600"]);
        client.run(&dsn(&hub, &made, key["public_key"].as_str().unwrap()), Some(5));
        let sent = wait_for(client.name, PATIENCE, || {
            let sent = hub.get("/api/v1/projects/shop/sent");
            (!sent["totals"]["rate limited"].is_null()).then_some(sent)
        });
        assert_eq!(sent["totals"]["rate limited"], 1, "{}: one 429 is enough: {sent:#}", client.name);
        assert_eq!(issues(&hub, "")[0]["times_seen"], 1);
    }
}
