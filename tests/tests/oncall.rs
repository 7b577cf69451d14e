//! A rota in a calendar pages whoever it names; people see who is on call, stand in for each other and take it along.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::sync::{Arc, Mutex};

use nightbell_acceptance::tool::both;
use nightbell_acceptance::{Hub, PATIENCE, Receiver, Reply, http, wait_for};
use serde_json::{Value, json};

const TOML: &str = "[route]\nreceiver = \"a\"\nescalate = \"db\"\n[[receivers.a.inbox]]\n";

/// What the calendar server says: an entity tag and a rota.
type Rota = Arc<Mutex<(u16, String, String)>>;

/// A server with one calendar, which answers as one does.
fn calendars() -> (Receiver, Rota) {
    let rota: Rota = Arc::new(Mutex::new((200, String::new(), String::new())));
    let own = rota.clone();
    let server = Receiver::with(move |heard| {
        let (status, etag, body) = own.lock().unwrap().clone();
        if status != 200 {
            return Reply::status(status);
        }
        if heard.header("if-none-match") == etag {
            return Reply::status(304);
        }
        let headers = vec![("ETag", etag), ("Content-Type", "text/calendar".to_owned())];
        Reply::Whole(200, headers, body)
    });
    (server, rota)
}

/// A calendar by which somebody has every week since some Monday of 2020, and an event that makes no sense.
fn weekly(name: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY: {name}\r\n\
         DTSTART:20200106T090000Z\r\nDURATION:P1W\r\nRRULE:FREQ=WEEKLY\r\nEND:VEVENT\r\n\
         BEGIN:VEVENT\r\nUID:2\r\nSUMMARY:Nobody Knows\r\nDTSTART:20200106T090000Z\r\nDURATION:P1D\r\n\
         RRULE:FREQ=DAILY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

/// What people define, as a file.
fn definitions(ann: &Receiver, bob: &Receiver, calendar: &Receiver) -> String {
    let place = |owner: &str, url: String| {
        format!(
            "[[destinations]]\nname = \"pager\"\nowner = \"{owner}\"\n\
             [destinations.spec]\nkind = \"webhook\"\nsettings.url = \"{url}\"\n"
        )
    };
    let (ann, bob) = (place("ann", ann.url("/ann")), place("bob", bob.url("/bob")));
    let url = calendar.url("/secret-address/rota.ics");
    // the policy comes before what it needs
    format!(
        "{ann}{bob}[[policies]]\nname = \"db\"\nowner = \"everybody\"\n\
         [[policies.spec.steps]]\ntargets = [{{ kind = \"schedule\", name = \"rota\" }}]\n\
         [[schedules]]\nname = \"rota\"\nowner = \"everybody\"\n[schedules.spec.schedule]\nnotices.gap = \"0\"\n\
         [[schedules.spec.schedule.layers]]\nname = \"calendar\"\nturns.calendar.url = \"{url}\"\n"
    )
}

fn on_call(hub: &Hub) -> Value {
    hub.says_json(&["oncall", "rota"])["items"][0]["on_call"].clone()
}

fn wait_on_call(hub: &Hub, name: &str) {
    wait_for(&format!("{name} on call"), PATIENCE, || {
        let now = on_call(hub);
        (now[0]["user"]["name"] == name).then_some(())
    });
}

#[test]
fn a_rota_in_a_calendar_pages_whoever_it_names() {
    let (server, rota) = calendars();
    *rota.lock().unwrap() = (200, "\"one\"".to_owned(), weekly("Ann"));
    let (ann, bob) = (Receiver::open(), Receiver::open());
    let hub = Hub::start(TOML);
    for name in ["ann", "bob"] {
        hub.says(&["user", "create", name, "--role", "responder"]);
    }
    let file = hub.folder().join("people.toml");
    std::fs::write(&file, definitions(&ann, &bob, &server)).unwrap();
    let file = file.to_str().unwrap();

    let would = hub.says(&["definitions", "apply", file, "--dry-run"]);
    assert!(would.contains("schedule \"rota\" of everybody: would be created"), "{would}");
    assert!(!would.contains("secret-address"), "{would}");
    assert_eq!(hub.says_json(&["definitions", "list", "schedules"])["schedules"], json!([]));
    let made = hub.says(&["definitions", "apply", file]);
    assert_eq!(made.matches(": created").count(), 4, "{made}");
    let again = hub.says(&["definitions", "apply", file]);
    assert_eq!(again.matches(": unchanged").count(), 4, "{again}");
    let shown = hub.says(&["definitions", "show", "schedules", "rota"]);
    assert!(shown.contains("<secret>") && !shown.contains("secret-address"), "{shown}");
    let places = hub.says_json(&["definitions", "list", "destinations"]);
    for it in places["destinations"].as_array().unwrap() {
        let path = format!("/api/v1/destinations/{}/verification", it["id"].as_str().unwrap());
        assert_eq!(hub.ask("PUT", &path, "{}").status, 200);
    }

    wait_on_call(&hub, "ann");
    hub.says(&["send", "--title", "disk full", "--severity", "critical", "alertname=Disk"]);
    ann.wait_count(1, PATIENCE);
    assert_eq!(bob.heard().len(), 0);
    let shifts = hub.says(&["oncall", "shifts", "rota"]);
    assert!(shifts.contains("ann") && shifts.contains("Nobody Knows"), "{shifts}");

    // the calendar changes, and only then is it sent again
    hub.says(&["oncall", "fetch", "rota"]);
    server.wait_for("a question whether it has changed", PATIENCE, |heard| {
        heard.iter().find(|it| it.header("if-none-match") == "\"one\"" && it.status == 304).map(|_| ())
    });
    *rota.lock().unwrap() = (200, "\"two\"".to_owned(), weekly("BOB"));
    hub.says(&["oncall", "fetch", "rota"]);
    wait_on_call(&hub, "bob");
    // its server is gone: what it said last counts, and the schedule shows why
    rota.lock().unwrap().0 = 500;
    hub.says(&["oncall", "fetch", "rota"]);
    wait_for("the failure", PATIENCE, || {
        let text = hub.says(&["oncall", "shifts", "rota"]);
        text.contains("it cannot be fetched (1 tries): the answer was 500").then_some(())
    });
    wait_on_call(&hub, "bob");
}

#[test]
fn people_see_who_is_on_call_stand_in_for_each_other_and_take_it_along() {
    let hub = Hub::start(TOML);
    for name in ["ann", "bob", "cleo"] {
        hub.says(&["user", "create", name, "--role", "responder"]);
    }
    let file = hub.folder().join("rota.json");
    let rotation =
        json!({ "first_handover": "2026-01-05T09:00:00", "unit": "weeks", "participants": ["ann", "bob"] });
    let layers = json!([{ "name": "weeks", "turns": { "rotation": rotation } }]);
    let rota = json!({ "name": "rota", "owner": "everybody", "spec": { "schedule": { "layers": layers } } });
    std::fs::write(&file, json!({ "schedules": [rota] }).to_string()).unwrap();
    let file = file.to_str().unwrap();
    let preview = hub.says(&["oncall", "preview", file]);
    assert!(preview.contains("ann") && preview.contains("bob"), "{preview}");
    assert!(hub.says(&["oncall"]).contains("there are no schedules"));
    hub.says(&["definitions", "apply", file]);

    let at = |time: &str| hub.says_json(&["oncall", "rota", "--at", time])["items"][0].clone();
    let then = at("2026-01-05T09:00:00Z");
    assert_eq!(
        (&then["on_call"][0]["user"]["name"], &then["next"][0]["user"]["name"]),
        (&json!("ann"), &json!("bob"))
    );
    assert_eq!(then["next_handover"], "2026-01-12T09:00:00Z");
    assert_eq!(at("2026-01-05T08:59:59Z")["on_call"], json!([]));
    assert!(hub.says(&["oncall", "--next"]).contains("bob"));

    let now = on_call(&hub)[0]["user"]["name"].as_str().unwrap().to_owned();
    let id = hub.says(&[
        "oncall",
        "override",
        "rota",
        "--replace",
        &now,
        "--with",
        "cleo",
        "--for",
        "1h",
        "--note",
        "dentist",
    ]);
    let duty = on_call(&hub);
    assert_eq!((&duty[0]["user"]["name"], &duty[0]["instead_of"]["name"]), (&json!("cleo"), &json!(now)));
    let listed = hub.says(&["oncall", "overrides", "rota"]);
    assert!(listed.contains(&format!("cleo in place of {now}")) && listed.contains("dentist"), "{listed}");
    // a file that does not speak of overrides leaves them alone
    assert!(hub.says(&["definitions", "apply", file]).contains("unchanged"));
    hub.says(&["oncall", "cancel", "rota", id.trim()]);
    assert_eq!(on_call(&hub)[0]["user"]["name"], now.as_str());
    let swapped = hub.says(&["oncall", "swap", "rota", "ann", "bob"]);
    assert!(swapped.contains("bob in place of ann") && swapped.contains("ann in place of bob"), "{swapped}");

    let link = hub.says(&["oncall", "link", "--schedule", "rota"]);
    let path = link.trim().strip_prefix(&hub.url()).unwrap().to_owned();
    let feed = hub.ask("GET", &path, "");
    assert!(feed.status == 200 && feed.body.starts_with("BEGIN:VCALENDAR"), "{}", feed.body);
    assert!(feed.body.contains("SUMMARY:ann") && feed.body.contains("SUMMARY:bob"), "{}", feed.body);
    let header = |name: &str| feed.headers.iter().find(|(have, _)| have == name).unwrap().1.clone();
    for (name, value) in [("If-None-Match", header("etag")), ("If-Modified-Since", header("last-modified"))] {
        let same = http::ask(hub.address(), "GET", &path, &[(name, &value)], "").unwrap();
        assert_eq!((same.status, same.body.as_str()), (304, ""), "{name}");
    }
    let links = hub.says_json(&["oncall", "links"]);
    assert!(!links.to_string().contains(path.rsplit('/').next().unwrap().trim_end_matches(".ics")));
    hub.says(&["oncall", "unlink", links["items"][0]["id"].as_str().unwrap()]);
    assert_eq!(hub.ask("GET", &path, "").status, 404);

    let refused = hub.cli(&["user", "delete", "bob"]);
    assert!(both(&refused).contains("bob is needed by schedule \"rota\""), "{}", both(&refused));
    let gone = hub.says(&["user", "delete", "bob", "--replace-with", "cleo"]);
    assert!(gone.contains("changed: schedule \"rota\""), "{gone}");
    assert_eq!(at("2026-01-12T09:00:00Z")["on_call"][0]["user"]["name"], "cleo");
    let gone = hub.says(&["definitions", "delete", "schedules", "rota"]);
    assert!(gone.contains("schedule rota is gone"), "{gone}");
}
