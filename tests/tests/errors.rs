//! Errors: any client of Sentry reports to the hub by a DSN of it, and whoever has to know is told.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nightbell_acceptance::documents::{fenced, find_or_skip, port_or_skip, python_or_skip};
use nightbell_acceptance::errors::{PYTHON, issues, project};
use nightbell_acceptance::http::{self, Answer};
use nightbell_acceptance::tool::both;
use nightbell_acceptance::{Hub, PATIENCE, Receiver, Reply, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;

fn told_at(url: &str) -> String {
    format!(
        "[route]\nreceiver = \"ops\"\ngroup_by = \"all\"\ngroup_wait = \"0s\"\ngroup_interval = \"1s\"\n\
         [[receivers.ops.webhook]]\nurl = \"{url}\"\n"
    )
}

fn store_path(made: &Value) -> String {
    let (id, key) = (made["id"].as_str().unwrap(), made["public_key"].as_str().unwrap());
    format!("/api/{id}/store/?sentry_version=7&sentry_key={key}")
}

fn post(hub: &Hub, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    http::ask(hub.address(), "POST", path, headers, body).unwrap()
}

/// An exception as a client writes it, in a function of the program.
fn exception(id: usize, function: &str, line: usize) -> Value {
    json!({
        "event_id": format!("{id:032x}"),
        "platform": "python",
        "release": "1.0",
        "environment": "production",
        "user": { "id": format!("u{}", id % 3) },
        "exception": { "values": [{
            "type": "ZeroDivisionError",
            "value": "division by zero",
            "stacktrace": { "frames": [
                { "filename": "shop.py", "module": "shop", "function": function, "lineno": line,
                  "context_line": "    return total / count", "in_app": true },
            ] },
        }] },
    })
}

#[test]
fn what_is_alike_is_an_issue_and_who_has_to_know_hears_of_the_first() {
    let receiver = Receiver::with(|_| Reply::status(200));
    let hub = Hub::start(&told_at(&receiver.url("/hook")));
    let (made, _) = project(&hub, "shop");
    let path = store_path(&made);
    let first = post(&hub, &path, &[], &exception(1, "mean", 10).to_string());
    assert_eq!((first.status, first.json()), (200, json!({ "id": format!("{:032x}", 1) })), "{first:?}");
    // another line is the same place, the same id is the same error, and another function is another issue
    for (id, function, line) in [(2, "mean", 99), (2, "mean", 99), (3, "median", 10)] {
        assert_eq!(post(&hub, &path, &[], &exception(id, function, line).to_string()).status, 200);
    }
    let heard = receiver.wait_for("both issues", PATIENCE, |heard| {
        let alerts = heard.iter().flat_map(|it| it.body["alerts"].as_array().cloned().unwrap_or_default());
        let all: Vec<Value> = alerts.collect();
        (all.len() >= 2).then_some(all)
    });
    assert_eq!(heard.len(), 2, "{heard:#?}");
    assert_eq!(heard[0]["labels"]["project"], "shop");
    assert_eq!(heard[0]["annotations"]["times_seen"], "1");
    let found = issues(&hub, "is:unresolved%20zerodivision%20mean");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(
        (&found[0]["times_seen"], &found[0]["users_seen"], &found[0]["level"]),
        (&json!(2), &json!(2), &json!("error"))
    );
    let id = found[0]["id"].as_str().unwrap();
    let shown = hub.get(&format!("/api/v1/issues/{id}"));
    assert_eq!(shown["latest"]["event_id"], format!("{:032x}", 2));
    let before = shown["latest"]["previous"].as_str().unwrap();
    let oldest = hub.get(&format!("/api/v1/issues/{id}/events/{before}"));
    assert_eq!((&oldest["previous"], &oldest["event"]["release"]), (&Value::Null, &json!("1.0")));
    let why = hub.get(&format!("/api/v1/issues/{id}/events/latest/grouping"));
    assert_eq!((&why["hashes"][0]["issue"], &why["note"]), (&json!(id), &Value::Null), "{why:#}");
    let rules = json!({ "grouping": "error.type:ZeroDivisionError -> division" }).to_string();
    let changed = http::ask(
        hub.address(),
        "PATCH",
        "/api/v1/projects/shop",
        &[("Content-Type", "application/json")],
        &rules,
    )
    .unwrap();
    assert_eq!(changed.status, 200, "{changed:?}");
    let why = hub.get(&format!("/api/v1/issues/{id}/events/latest/grouping"));
    assert!(why["note"].as_str().unwrap().contains("have changed"), "{why:#}");
    assert_eq!(issues(&hub, "release:1.0%20environment:production").len(), 2);
    assert_eq!(issues(&hub, "release:2.0").len(), 0);
    let said = hub.says(&["issue", "show", id]);
    assert!(said.contains("ZeroDivisionError: division by zero") && said.contains("shop.py"), "{said}");
    // it is an incident as any other
    let explained = hub.says(&["explain", id]);
    assert!(explained.contains("ops"), "{explained}");
}

#[test]
fn an_issue_is_found_by_what_any_of_its_errors_says_as_far_as_there_is_room() {
    let hub = Hub::start("[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n");
    let (made, _) = project(&hub, "shop");
    let says = |id: usize, value: &str| {
        let mut event = exception(id, "mean", 1);
        event["exception"]["values"][0]["value"] = value.into();
        assert_eq!(post(&hub, &store_path(&made), &[], &event.to_string()).status, 200);
    };
    says(1, "basket 17 is empty");
    says(2, "basket 4711 is EMPTY");
    assert_eq!(issues(&hub, "")[0]["times_seen"], 2, "one issue");
    assert_eq!((issues(&hub, "4711%20empty").len(), issues(&hub, "4712").len()), (1, 0));
    (3..40).for_each(|n| says(n, &format!("basket {n}: {}", "x".repeat(350))));
    says(99, "basket 99999999 after all the others");
    assert_eq!(issues(&hub, "99999999").len(), 0, "there is an end to it");
    assert_eq!(issues(&hub, "4711%20empty").len(), 1);
}

#[test]
fn releases_are_compared_by_what_was_seen_in_them() {
    let hub = Hub::start("[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n");
    let (made, _) = project(&hub, "shop");
    let reported = [
        ("mean", "1.0", 3),
        ("mean", "1.1", 1),
        ("median", "1.0", 1),
        ("mode", "1.1", 2),
        ("spread", "1.0", 1),
        ("spread", "1.1", 4),
        ("other", "0.9", 1),
    ];
    let mut id = 0;
    for (function, release, times) in reported {
        for _ in 0..times {
            id += 1;
            let mut event = exception(id, function, 1);
            event["release"] = release.into();
            assert_eq!(post(&hub, &store_path(&made), &[], &event.to_string()).status, 200);
        }
    }
    let compared = hub.says_json(&["issue", "compare", "shop", "1.0", "1.1"]);
    let line = |it: &Value| {
        let place = it["issue"]["culprit"].as_str().unwrap().to_owned();
        (
            it["change"].as_str().unwrap().to_owned(),
            place,
            it["times_before"].clone(),
            it["times_after"].clone(),
        )
    };
    let lines: Vec<_> = compared["items"].as_array().unwrap().iter().map(line).collect();
    let expected =
        [("new", "mode", 0, 2), ("more", "spread", 1, 4), ("less", "mean", 3, 1), ("gone", "median", 1, 0)];
    let expected = expected.map(|(change, function, before, after)| {
        (change.to_owned(), format!("shop in {function}"), json!(before), json!(after))
    });
    assert_eq!(lines, expected);
    // what counts as another issue counts in it
    let id = |at: usize| compared["items"][at]["issue"]["id"].as_str().unwrap().to_owned();
    hub.says(&["issue", "merge", &id(0), &id(3)]);
    let merged = hub.says_json(&["issue", "compare", "shop", "1.0", "1.1"]);
    assert_eq!(
        (&merged["items"][0]["change"], &merged["items"][0]["times_before"]),
        (&json!("more"), &json!(1))
    );
}

#[test]
fn what_is_over_comes_back_only_with_what_is_new_enough() {
    let hub = Hub::start("[route]\nreceiver = \"a\"\ngroup_wait = \"0s\"\n[[receivers.a.inbox]]\n");
    let (made, _) = project(&hub, "shop");
    let path = store_path(&made);
    let report = |id: usize, release: &str| {
        let mut event = exception(id, "mean", 1);
        event["release"] = release.into();
        assert_eq!(post(&hub, &path, &[], &event.to_string()).status, 200);
        issues(&hub, "")[0].clone()
    };
    let id = report(1, "1.0")["id"].as_str().unwrap().to_owned();
    hub.says(&["issue", "resolve", &id, "--in-next"]);
    let after = report(2, "1.0");
    assert_eq!((&after["status"], &after["times_seen"]), (&json!("resolved"), &json!(2)), "it is counted");
    let back = report(3, "1.1");
    assert_eq!((&back["status"], &back["substatus"]), (&json!("unresolved"), &json!("regressed")));
    // nobody wants to hear of it until there is more of it
    hub.says(&["issue", "ignore", &id, "--times", "2"]);
    assert_eq!(report(4, "1.1")["substatus"], "ignored");
    assert_eq!(report(5, "1.1")["substatus"], "escalating");
    // errors of another place count as it
    let other = exception(6, "median", 1);
    assert_eq!(post(&hub, &path, &[], &other.to_string()).status, 200);
    let second = issues(&hub, "median")[0]["id"].as_str().unwrap().to_owned();
    hub.says(&["issue", "merge", &id, &second]);
    let mut again = exception(7, "median", 1);
    again["release"] = "1.1".into();
    assert_eq!(post(&hub, &path, &[], &again.to_string()).status, 200);
    let all = issues(&hub, "");
    assert_eq!((all.len(), &all[0]["times_seen"]), (1, &json!(7)), "{all:#?}");
    let events = hub.get(&format!("/api/v1/issues/{id}/events"));
    assert_eq!(events["items"].as_array().unwrap().len(), 7);
    // and nobody wants any of it
    let act = json!({ "action": "discard" }).to_string();
    assert_eq!(post(&hub, &format!("/api/v1/issues/{id}/actions"), &[], &act).status, 204);
    assert_eq!(post(&hub, &path, &[], &exception(8, "mean", 1).to_string()).status, 200);
    assert!(issues(&hub, "").is_empty());
}

#[test]
fn clients_hear_what_they_understand() {
    let hub = Hub::start("[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n");
    let (made, _) = project(&hub, "shop");
    let (id, key) = (made["id"].as_str().unwrap(), made["public_key"].as_str().unwrap());
    let header = format!("Sentry sentry_version=7, sentry_key={key}, sentry_client=raven-python/6.10.0");
    let auth = ("X-Sentry-Auth", header.as_str());
    let event = exception(1, "mean", 1).to_string();
    for path in [format!("/api/{id}/store/"), format!("/api/{id}/store"), "/api/store/".to_owned()] {
        assert_eq!(post(&hub, &path, &[auth], &event).status, 200, "{path}");
    }
    let envelope = format!(
        "{{\"event_id\":\"{:032x}\"}}\n{{\"type\":\"transaction\"}}\n{{}}\n{{\"type\":\"event\"}}\n{}\n\
         {{\"type\":\"something_new\"}}\n{{}}\n",
        7,
        exception(2, "mean", 1)
    );
    let path = format!("/api/{id}/envelope/?sentry_key={key}&sentry_version=7");
    let answer = post(&hub, &path, &[("Origin", "https://shop.example")], &envelope);
    assert_eq!((answer.status, answer.json()), (200, json!({ "id": format!("{:032x}", 7) })), "{answer:?}");
    assert_eq!(answer.header("x-sentry-rate-limits"), Some("3600:span;transaction:project:not_supported"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
    // browsers of old ask for an image, and what happened stands in its address
    let said: String = event.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for data in [said, STANDARD.encode(&event), STANDARD.encode(&event).replace('+', "%2B")] {
        let path = format!("/api/{id}/store/?sentry_version=4&sentry_key={key}&sentry_data={data}");
        let image = http::ask(hub.address(), "GET", &path, &[], "").unwrap();
        assert_eq!((image.status, image.header("content-type")), (200, Some("image/gif")), "{image:?}");
    }
    let empty = http::ask(hub.address(), "GET", &store_path(&made), &[], "").unwrap();
    assert!(empty.status == 400 && empty.body.contains("sentry_data"), "{empty:?}");
    // a tunnel of a browser says who it is in the envelope only
    let dsn = made["dsn"].as_str().unwrap();
    let tunnelled = format!("{{\"dsn\":\"{dsn}\"}}\n{{\"type\":\"event\"}}\n{}\n", exception(3, "mean", 1));
    assert_eq!(post(&hub, &format!("/api/{id}/envelope/"), &[], &tunnelled).status, 200);
    let preflight =
        http::ask(hub.address(), "OPTIONS", &path, &[("Origin", "https://shop.example")], "").unwrap();
    assert!(
        preflight.status == 200 && preflight.header("access-control-allow-methods").is_some(),
        "{preflight:?}"
    );
    // what is not right is said in their way
    let stranger = format!("/api/{id}/store/?sentry_key={}", "0".repeat(32));
    let refused = post(&hub, &stranger, &[], &event);
    assert!(refused.status == 403 && refused.header("x-sentry-error").is_some(), "{refused:?}");
    assert!(refused.json()["detail"].is_string());
    assert_eq!(post(&hub, "/api/99/store/", &[auth], &event).status, 403, "another project's number");
    assert_eq!(post(&hub, &format!("/api/{id}/store/"), &[auth], "{\"a\":").status, 400);
    assert_eq!(
        post(&hub, &format!("/api/{id}/store/"), &[auth, ("Content-Encoding", "rot13")], &event).status,
        415
    );
    let second = hub.says_json(&["project", "key", "create", "shop", "--rate", "1/3600"]);
    let path = format!("/api/{id}/store/?sentry_key={}", second["public_key"].as_str().unwrap());
    assert_eq!(post(&hub, &path, &[], &exception(4, "mean", 1).to_string()).status, 200);
    let limited = post(&hub, &path, &[], &exception(5, "mean", 1).to_string());
    assert_eq!(limited.status, 429);
    let seconds: u32 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&seconds));
    let said = limited.header("x-sentry-rate-limits").unwrap();
    assert!(said.starts_with(&format!("{seconds}:")), "{said}");
    hub.says(&["project", "key", "revoke", "shop", second["public_key"].as_str().unwrap()]);
    assert_eq!(post(&hub, &path, &[], &exception(6, "mean", 1).to_string()).status, 403);
    assert_eq!(issues(&hub, "")[0]["times_seen"], 4);
    wait_for("what was not kept to be counted", PATIENCE, || {
        let sent = hub.get("/api/v1/projects/shop/sent");
        (sent["totals"]["transaction"] == 1 && sent["totals"]["rate limited"] == 1).then_some(())
    });
}

#[test]
fn only_events_count_and_jobs_say_how_they_are() {
    let toml = "[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n\
                [integrations.nightly]\nkind = \"heartbeat\"\nevery = \"1h\"\n";
    let hub = Hub::start(toml);
    let (made, _) = project(&hub, "shop");
    let key = hub.says_json(&["project", "key", "create", "shop", "--rate", "1/3600"]);
    let (id, key) = (made["id"].as_str().unwrap(), key["public_key"].as_str().unwrap());
    let path = format!("/api/{id}/envelope/?sentry_key={key}&sentry_version=7");
    let send = |items: &[(&str, Value)]| {
        let items: String =
            items.iter().map(|(kind, said)| format!("{{\"type\":\"{kind}\"}}\n{said}\n")).collect();
        post(&hub, &path, &[], &format!("{{}}\n{items}")).status
    };
    let lost =
        json!({ "discarded_events": [{ "reason": "queue_overflow", "category": "error", "quantity": 2 }] });
    for _ in 0..3 {
        assert_eq!(send(&[("client_report", lost.clone())]), 200, "no events, no limit");
    }
    assert_eq!(send(&[("event", exception(1, "mean", 1))]), 200);
    let both = [("event", exception(2, "mean", 1)), ("client_report", lost)];
    assert_eq!(send(&both), 429, "nobody reads on behind an event that is too much");
    let job = |status: &str| {
        assert_eq!(send(&[("check_in", json!({ "monitor_slug": "nightly", "status": status }))]), 200);
        let found = hub.get("/api/v1/incidents?state=open")["items"].as_array().unwrap().clone();
        found.iter().filter(|it| it["key"] == "heartbeat:nightly").count()
    };
    assert_eq!((job("in_progress"), job("error"), job("error"), job("in_progress")), (0, 1, 1, 1));
    assert_eq!(job("ok"), 0, "it is well again");
    wait_for("what was counted", PATIENCE, || {
        let totals = hub.get("/api/v1/projects/shop/sent")["totals"].clone();
        let is_all = totals["lost by client: error queue_overflow"] == 6 && totals["check_in"] == 5;
        (is_all && totals["rate limited"] == 1).then_some(())
    });
}

#[test]
fn an_error_that_was_acknowledged_outlives_the_process() {
    let mut hub = Hub::start("[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n");
    let (made, _) = project(&hub, "shop");
    let path = store_path(&made);
    for id in 0..30 {
        assert_eq!(post(&hub, &path, &[], &exception(id, "mean", 1).to_string()).status, 200);
    }
    hub.kill_and_wake();
    let found = issues(&hub, "");
    assert_eq!((found.len(), &found[0]["times_seen"]), (1, &json!(30)));
    let id = found[0]["id"].as_str().unwrap();
    let events = hub.get(&format!("/api/v1/issues/{id}/events?limit=500"));
    assert_eq!(events["items"].as_array().unwrap().len(), 30);
    assert_eq!(post(&hub, &path, &[], &exception(3, "mean", 1).to_string()).status, 200, "known still");
    assert_eq!(issues(&hub, "")[0]["times_seen"], 30);
}

/// Runs a program that reports an error.
fn run(python: &Path, program: &str, dsn: &str) {
    let mut command = Command::new(python);
    let output = command.args(["-c", program]).env("DSN", dsn).output().unwrap();
    assert!(output.status.success(), "{}", both(&output));
}

const RAVEN: &str = "
import os, sys, raven
def mean(total, count):
    return total / count
client = raven.Client(dsn=os.environ['DSN'], transport=raven.transport.http.HTTPTransport)
try:
    mean(1, 0)
except Exception:
    client.captureException()
";

const SDK: &str = "
import os, sentry_sdk
def mean(total, count):
    return total / count
sentry_sdk.init(dsn=os.environ['DSN'], release='shop@2.0')
try:
    mean(1, 0)
except Exception as error:
    sentry_sdk.capture_exception(error)
sentry_sdk.flush(10)
";

#[test]
fn the_same_error_by_clients_of_ten_years_is_one_issue() {
    let Some(python) = python_or_skip("raven, sentry_sdk", PYTHON) else { return };
    let hub = Hub::start("[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n");
    let (_, dsn) = project(&hub, "shop");
    // the same program, whichever client it has
    let folder = TempDir::new().unwrap();
    for (name, program) in [("raven", RAVEN), ("sdk", SDK)] {
        let file = folder.path().join("shop.py");
        std::fs::write(&file, program).unwrap();
        run(&python, &format!("import runpy; runpy.run_path({:?})", file.display().to_string()), &dsn);
        let times = if name == "raven" { 1 } else { 2 };
        wait_for(name, PATIENCE, || {
            let found = issues(&hub, "");
            found.first().filter(|it| found.len() == 1 && it["times_seen"] == times).map(drop)
        });
    }
    let found = issues(&hub, "release:shop@2.0");
    assert_eq!(found[0]["title"], "ZeroDivisionError: division by zero");
}

#[test]
fn a_plugin_of_sentry_hears_of_an_exception_that_raven_reports() {
    let name = "sentry-notification-plugin.md";
    let (Some(text), Some(python)) = (find_or_skip(name), python_or_skip("raven", PYTHON)) else { return };
    let code = format!("{}\n{}", fenced(&text, "class NotifyDummyPlugin"), fenced(&text, "def notify_users"));
    let client = fenced(&text, "client.captureException()")
        .replace("sentry_dsn", "os.environ['DSN']")
        .replace('\t', "    ");
    let Some((_turn, server)) = port_or_skip(name) else { return };
    let folder = TempDir::new().unwrap();
    let manifest = "[plugin]\nid = 'dummy'\nversion = '1'\ncontract = 1\n[run]\nruntime = 'python'\ncompat = 'sentry'\n\
                    module = 'sentry_notify_dummy.plugin:NotifyDummyPlugin'\n[limits]\nstart = '20s'\n";
    let files = [
        ("plugin.toml", manifest),
        ("sentry_notify_dummy/__init__.py", ""),
        ("sentry_notify_dummy/plugin.py", &code),
    ];
    for (path, text) in files {
        let path: PathBuf = folder.path().join("plugins/dummy").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
    }
    let config = "[server]\nlisten = \"127.0.0.1:0\"\nexternal_url = \"http://bell.example\"\n[plugins]\nfolder = \"plugins\"\n\
         active = [\"dummy\"]\n[route]\nreceiver = \"ops\"\ngroup_by = \"all\"\ngroup_wait = \"0s\"\n\
         [[receivers.ops.notify-dummy]]\n";
    std::fs::write(folder.path().join("nightbell.toml"), config).unwrap();
    let path = folder.path().join("nightbell.toml").display().to_string();
    let mut hub = Hub::prepare(folder, &["--config", &path]);
    hub.wake();
    let (_, dsn) = project(&hub, "shop");
    run(&python, &format!("import os\n{client}"), &dsn);
    let mut said = String::new();
    server.accept().unwrap().0.read_to_string(&mut said).unwrap();
    let issue = issues(&hub, "")[0]["id"].as_str().unwrap().to_owned();
    let wanted = format!(
        "shop ZeroDivisionError: division by zero (1 times seen). http://bell.example/incidents/{issue}"
    );
    assert_eq!(said, wanted);
}
