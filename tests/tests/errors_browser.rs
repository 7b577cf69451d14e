//! Pages in a browser report by @sentry/browser: from another origin, through a tunnel, built and mapped back.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::process::Command;

use nightbell_acceptance::errors::{Builders, dsn, issues, project, token};
use nightbell_acceptance::{Hub, PATIENCE, Receiver, Reply, skip, tool, wait_for};
use tempfile::TempDir;

const TOML: &str = "[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n";
/// Seconds that a browser may take before it is ended.
const PATIENCE_SECONDS: &str = "90";

/// A page that is served by somebody else than the hub.
struct Page(Receiver);

impl Page {
    fn of(script: String) -> Self {
        let html = "<!doctype html><body><script src=\"/app.min.js\"></script></body>";
        Page(Receiver::with(move |asked| {
            let (kind, text) = match asked.path.split('?').next() {
                Some("/app.min.js") => ("text/javascript", script.clone()),
                Some("/") => ("text/html", html.to_owned()),
                _ => return Reply::status(404),
            };
            Reply::Whole(200, vec![("Content-Type", kind.to_owned())], text)
        }))
    }

    /// Looks at it with a browser until all is sent.
    fn visit(&self, browser: &str, query: &str) {
        let profile = TempDir::new().unwrap();
        let mut command = Command::new("timeout");
        command.args([PATIENCE_SECONDS, browser, "--headless", "--no-sandbox", "--disable-gpu"]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        // the page's own clock: it stands still while something is fetched
        command.args(["--virtual-time-budget=60000", "--dump-dom", &self.0.url(&format!("/?{query}"))]);
        let seen = tool::run(&mut command);
        assert!(seen.contains("all is sent"), "{seen}");
    }
}

fn browser() -> Option<&'static str> {
    let found =
        ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|it| tool::find(it).is_some());
    if found.is_none() {
        skip("there is no chromium here", false);
    }
    found
}

#[test]
fn a_page_reports_across_origins_and_through_a_tunnel() {
    let (Some(browser), Some(builders)) = (browser(), Builders::find_or_skip()) else { return };
    let hub = Hub::start(TOML);
    let (made, dsn) = project(&hub, "shop");
    let folder = TempDir::new().unwrap();
    let file = builders.build("browser.ts", folder.path());
    let (ci, place) = (token(&hub, "ingest"), folder.path().display().to_string());
    builders.sentry_cli_says(&hub, &ci, &["sourcemaps", "inject", &place]);
    builders.sentry_cli_says(&hub, &ci, &["sourcemaps", "upload", "--wait", &place]);
    let page = Page::of(std::fs::read_to_string(file).unwrap());
    page.visit(browser, &format!("dsn={dsn}"));
    let found = wait_for("three issues", PATIENCE, || Some(issues(&hub, "")).filter(|it| it.len() == 3));
    let titles: Vec<&str> = found.iter().map(|it| it["title"].as_str().unwrap()).collect();
    for word in
        ["PaymentError: order 17 cannot be paid", "RangeError: the ground is reached", "a plain message"]
    {
        assert!(titles.contains(&word), "no {word} in {titles:?}");
    }
    let id = found.iter().find(|it| it["title"].as_str().unwrap().starts_with("Pay")).unwrap()["id"]
        .as_str()
        .unwrap();
    let event = &hub.get(&format!("/api/v1/issues/{id}/events/latest"))["event"];
    let exceptions = event["exceptions"].as_array().unwrap();
    assert_eq!(exceptions.len(), 2, "the cause, too: {event:#}");
    let cause = exceptions[0]["stacktrace"]["frames"].as_array().unwrap().last().unwrap();
    assert_eq!((&cause["function"], &cause["lineno"]), (&"charge".into(), &7.into()), "{event:#}");
    assert!(cause["filename"].as_str().unwrap().ends_with("pay.ts"), "{cause}");
    assert_eq!((&event["user"]["id"], &event["tags"]["shop"]), (&"7".into(), &"berlin".into()));
    assert_eq!(event["sdk"]["name"], "sentry.javascript.browser");
    let agent = event["request"]["headers"].to_string();
    assert!(agent.contains("Mozilla/5.0"), "{agent}");
    // a tunnel is told nothing but what is in the envelope
    let tunnel = format!("http://{}/api/{}/envelope/", hub.address(), made["id"].as_str().unwrap());
    page.visit(browser, &format!("dsn={dsn}&tunnel={tunnel}"));
    wait_for("the same again", PATIENCE, || {
        let found = issues(&hub, "");
        (found.len() == 3 && found.iter().all(|it| it["times_seen"] == 2)).then_some(())
    });
}

#[test]
fn a_page_is_quiet_when_it_is_told_to_be() {
    let (Some(browser), Some(builders)) = (browser(), Builders::find_or_skip()) else { return };
    let hub = Hub::start(TOML);
    let (made, _) = project(&hub, "shop");
    let key = hub.says_json(&["project", "key", "create", "shop", "--rate", "1/3600"]);
    let dsn = dsn(&hub, &made, key["public_key"].as_str().unwrap());
    let folder = TempDir::new().unwrap();
    let file = builders.build("browser.ts", folder.path());
    Page::of(std::fs::read_to_string(file).unwrap()).visit(browser, &format!("dsn={dsn}&times=5"));
    let sent = wait_for("what was too much", PATIENCE, || {
        let sent = hub.get("/api/v1/projects/shop/sent");
        (!sent["totals"]["rate limited"].is_null()).then_some(sent)
    });
    assert_eq!(sent["totals"]["rate limited"], 1, "one 429 is enough: {sent:#}");
    assert_eq!(issues(&hub, "")[0]["times_seen"], 1);
}
