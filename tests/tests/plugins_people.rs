//! Plugins and people: whom a message is for, who is on duty, and what each has set for the plugin.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use nightbell_acceptance::hub::alert;
use nightbell_acceptance::tool::both;
use nightbell_acceptance::{Hub, PATIENCE, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Writes down whom it is told to call, and by which number.
const CALLS: &str = r#"
import json
import os
import sys
from nightbell_plugin import Invalid, Plugin

PERSON = {
    "type": "object",
    "properties": {
        "number": {"type": "string", "minLength": 3},
        "pin": {"type": "string", "writeOnly": True},
        "voice": {"type": "string", "default": "low"},
    },
    "required": ["number"],
}
PROJECT = {
    "type": "object",
    "properties": {
        "room": {"type": "string", "pattern": "^#"},
        "key": {"type": "string", "x-secret": True},
        "loud": {"type": "boolean", "default": False},
    },
}
plugin = Plugin(user_schema=PERSON, project_schema=PROJECT)


@plugin.validate("user")
def look(value):
    if value["number"] == "666":
        raise Invalid("number", "nobody answers there")
    return {**value, "number": value["number"].replace(" ", "")}


@plugin.validate("project")
def look_for(value, project):
    if value.get("room") == '#' + project:
        raise Invalid("room", "a project is not its own room")


@plugin.route("/set", auth="none")
async def is_set(request):
    return {
        "jo": await plugin.host.settings(user="jo"),
        "shop": await plugin.host.settings(project="shop"),
        "other": await plugin.host.settings(project="other"),
    }


@plugin.destination("calls")
async def call(delivery):
    people = {
        "recipients": [[it.name, it.email, it.settings] for it in delivery.recipients],
        "on_duty": [[it.name, it.settings] for it in delivery.on_duty],
    }
    with open(os.path.join(plugin.state, "projects"), "a") as projects:
        for it in delivery.message.notification.alerts:
            projects.write(json.dumps([it.project, delivery.set_for(it.project)]) + "\n")
    print("the pin is", [it.settings.get("pin") for it in delivery.recipients], file=sys.stderr)
    with open(os.path.join(plugin.state, "told"), "w") as told:
        json.dump(people, told)
"#;
const MANIFEST: &str = "[plugin]\nid = 'calls'\nversion = '1'\ncontract = 1\n\
    [run]\nruntime = 'python'\nmodule = 'calls'\n[permissions]\nserve = true\n";

fn hub() -> Hub {
    let folder = TempDir::new().unwrap();
    let plugin = folder.path().join("plugins/calls");
    std::fs::create_dir_all(&plugin).unwrap();
    std::fs::write(plugin.join("plugin.toml"), MANIFEST).unwrap();
    std::fs::write(plugin.join("calls.py"), CALLS).unwrap();
    let config = "[server]\nlisten = \"127.0.0.1:0\"\n[plugins]\nfolder = \"plugins\"\nactive = [\"calls\"]\n\
        [route]\nreceiver = \"ops\"\ngroup_by = \"all\"\ngroup_wait = \"0s\"\n\
        [[receivers.ops.calls]]\nrecipients = [\"jo\", \"team:web\", \"nobody\"]\non_duty = [\"web rota\"]\n";
    std::fs::write(folder.path().join("nightbell.toml"), config).unwrap();
    let path = folder.path().join("nightbell.toml").display().to_string();
    let mut hub = Hub::prepare(folder, &["--config", &path]);
    hub.wake();
    // one that has not begun yet is not asked whether it likes what is set
    wait_for("the plugin", PATIENCE, || (hub.get("/api/v1/plugins/calls")["state"] == "ready").then_some(()));
    hub
}

fn sets(hub: &Hub, owner: &str, settings: &Value) -> (u16, String) {
    let body = json!({ "name": "calls", "owner": owner, "spec": { "settings": settings } });
    let answer = hub.ask("POST", "/api/v1/plugin-settings", &body.to_string());
    (answer.status, answer.body)
}

#[test]
fn a_plugin_is_told_whom_a_message_is_for_and_what_they_have_set() {
    let hub = hub();
    let user = |name: &str| {
        let email = format!("{name}@bell.example");
        let body =
            json!({ "name": name, "role": "responder", "email": email, "password": "a good long password" });
        hub.post("/api/v1/users", &body)["id"].as_str().unwrap().to_owned()
    };
    let (_jo, ann, _bob) = (user("jo"), user("ann"), user("bob"));
    hub.post("/api/v1/teams", &json!({ "name": "web" }));
    for name in ["ann", "jo"] {
        let path = format!("/api/v1/teams/web/members/{name}");
        assert_eq!(hub.ask("PUT", &path, &json!({ "role": "responder" }).to_string()).status / 100, 2);
    }
    let shift = json!({ "user": ann, "from": "2020-01-01T00:00:00Z", "until": "2120-01-01T00:00:00Z" });
    let layers = json!([{ "name": "always", "turns": { "shifts": [shift] } }]);
    let rota =
        json!({ "name": "web rota", "owner": "everybody", "spec": { "schedule": { "layers": layers } } });
    hub.post("/api/v1/schedules", &rota);

    // the form is what the plugin says, and what does not fit it is refused
    let form = hub.get("/api/v1/plugins/calls")["person_settings"].clone();
    assert_eq!(form["properties"]["voice"]["default"], "low", "{form}");
    let (status, said) = sets(&hub, "jo", &json!({ "number": "1" }));
    assert!(status == 400 && said.contains("spec.settings.number"), "{said}");
    let (status, said) = sets(&hub, "jo", &json!({ "number": "666" }));
    assert!(
        status == 400 && said.contains("spec.settings.number") && said.contains("nobody answers"),
        "{said}"
    );
    let (status, said) = sets(&hub, "jo", &json!({ "number": "11 2", "pin": "hush-hush-hush" }));
    assert!(status == 201 && !said.contains("hush-hush-hush"), "{said}");
    assert_eq!(sets(&hub, "ann", &json!({ "number": "113", "voice": "high" })).0, 201);
    let other = json!({ "name": "doors", "owner": "jo", "spec": { "settings": {} } });
    let answer = hub.ask("POST", "/api/v1/plugin-settings", &other.to_string());
    assert!(answer.status == 400 && answer.body.contains("calls"), "{}", answer.body);

    hub.alerts(&[alert(&[("alertname", "Disk")])]);
    let told = hub.data().join("plugin-state/calls/told");
    let told: Value =
        wait_for("a call", PATIENCE, || serde_json::from_slice(&std::fs::read(&told).ok()?).ok());
    let jo = json!({ "number": "112", "pin": "hush-hush-hush", "voice": "low" });
    let ann = json!({ "number": "113", "voice": "high" });
    let recipients = json!([["jo", "jo@bell.example", jo], ["ann", "ann@bell.example", ann]]);
    assert_eq!(told, json!({ "recipients": recipients, "on_duty": [["ann", ann]] }));
    let log = hub.says(&["plugin", "logs", "calls"]);
    assert!(log.contains("the pin is") && !log.contains("hush-hush-hush"), "{log}");
}

#[test]
fn what_is_set_for_a_project_or_service_comes_with_each_message_about_it() {
    let hub = hub();
    let sets = |owner: Option<&str>, name: &str, settings: &Value| {
        let mut body = json!({ "name": name, "spec": { "settings": settings } });
        if let Some(owner) = owner {
            body["owner"] = owner.into();
        }
        let answer = hub.ask("POST", "/api/v1/plugin-settings", &body.to_string());
        (answer.status, answer.body)
    };
    for team in ["web", "db"] {
        hub.post("/api/v1/teams", &json!({ "name": team }));
    }
    hub.post("/api/v1/projects", &json!({ "slug": "store", "team": "web" }));
    let jo = json!({ "name": "jo", "role": "responder", "password": "a good long password" });
    hub.post("/api/v1/users", &jo);

    // the form, what does not fit it, what the plugin refuses, and whose it may be
    let form = hub.get("/api/v1/plugins/calls")["project_settings"].clone();
    assert_eq!(form["properties"]["loud"]["default"], false, "{form}");
    for (owner, name, settings, words) in [
        (None, "calls/store", json!({ "room": "store" }), "spec.settings.room"),
        (None, "calls/store", json!({ "room": "#store" }), "not its own room"),
        (Some("team:db"), "calls/store", json!({}), "its team's or everybody's"),
        (Some("jo"), "calls/store", json!({}), "its team's or everybody's"),
        (Some("jo"), "calls/disk", json!({}), "a team's or everybody's"),
        (None, "calls/", json!({}), "the plugin's id, a slash and the project"),
        (None, "other/store", json!({}), "calls"),
    ] {
        let (status, said) = sets(owner, name, &settings);
        assert!(status == 400 && said.contains(words), "{name}: {said}");
    }
    let (status, said) = sets(None, "calls/store", &json!({ "room": "#desk", "key": "hush-hush-hush" }));
    assert!(status == 201 && said.contains("team:web") && !said.contains("hush-hush-hush"), "{said}");
    let (status, said) = sets(Some("everybody"), "calls/store", &json!({}));
    assert!(status == 400 && said.contains("set already"), "{said}");
    let said =
        hub.says(&["plugin", "settings", "calls", "--project", "disks", "--owner", "team:db", "room=#db"]);
    assert_eq!(said.trim(), "room = \"#db\"");
    let said = hub.says(&["plugin", "settings", "calls", "--project", "disks", "loud=true", "room=null"]);
    assert_eq!(said.trim(), "loud = true");
    // it follows a project that is called otherwise, with what is secret in it
    assert_eq!(hub.ask("PATCH", "/api/v1/projects/store", r#"{"slug": "shop"}"#).status, 200);
    let said = hub.says(&["plugin", "settings", "calls", "--project", "shop", "loud=true"]);
    assert_eq!(said.trim(), "key = \"<secret>\"\nloud = true\nroom = \"#desk\"");

    hub.alerts(&[
        alert(&[("alertname", "A"), ("project", "shop")]),
        alert(&[("alertname", "B"), ("service", "disks")]),
    ]);
    let told = hub.data().join("plugin-state/calls/projects");
    let told = wait_for("both calls", PATIENCE, || {
        let text = std::fs::read_to_string(&told).ok()?;
        let all: Vec<Value> = text.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
        (all.len() == 2).then_some(all)
    });
    let shop = json!({ "room": "#desk", "key": "hush-hush-hush", "loud": true });
    for it in [json!(["shop", shop]), json!(["disks", { "loud": true }])] {
        assert!(told.contains(&it), "{told:?}");
    }
    let set = hub.ask("GET", "/plugins/calls/set", "");
    let set: Value = serde_json::from_str(&set.body).unwrap_or_else(|_| panic!("{}", set.body));
    assert_eq!(set["shop"], shop);
    assert_eq!(set["other"], json!({ "loud": false }));
    assert_eq!(set["jo"], json!({}), "nothing is set that fits");

    // and goes with it
    assert_eq!(hub.ask("DELETE", "/api/v1/projects/shop", "").status / 100, 2);
    let left = hub.get("/api/v1/plugin-settings");
    assert_eq!(left["items"].as_array().map(Vec::len), Some(1), "{left}");
}

#[test]
fn what_people_set_for_a_plugin_comes_by_a_file_of_which_all_is_kept_or_nothing() {
    let hub = hub();
    hub.says(&["user", "create", "jo", "--role", "responder"]);
    let file = hub.folder().join("people.toml");
    let words = ["definitions", "apply", file.to_str().unwrap()];
    let write = |number: &str, pin: &str| {
        let text = format!(
            "[[plugin-settings]]\nname = \"calls\"\nowner = \"jo\"\n[plugin-settings.spec.settings]\n\
             number = \"{number}\"\npin = \"{pin}\"\n[[timeslots]]\nname = \"mondays\"\nowner = \"jo\"\n\
             [[timeslots.spec.windows]]\nweekdays = [\"monday\"]\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    let kept = || {
        let all = hub.says_json(&["definitions", "list"]);
        let count = |kind: &str| all[kind].as_array().map_or(0, Vec::len);
        (count("timeslots"), count("plugin-settings"))
    };
    // the plugin is asked, by its schema and by what it says itself
    for (number, why) in [("1", "number"), ("666", "nobody answers")] {
        write(number, "hush-hush-hush");
        let refused = hub.cli(&words);
        assert!(!refused.status.success() && both(&refused).contains(why), "{}", both(&refused));
        assert!(!both(&refused).contains("hush-hush-hush"), "{}", both(&refused));
        assert_eq!(kept(), (0, 0));
    }
    write("112", "hush-hush-hush");
    let would = hub.says(&[words[0], words[1], words[2], "--dry-run"]);
    assert_eq!((would.matches(": would be created").count(), kept()), (2, (0, 0)), "{would}");
    let made = hub.says(&words);
    assert_eq!((made.matches(": created").count(), kept()), (2, (1, 1)), "{made}");
    assert!(!made.contains("hush-hush-hush"), "{made}");
    // as it is shown it can be applied again
    for (pin, number, becomes) in [("<secret>", "112", "unchanged"), ("<secret>", "113", "changed")] {
        write(number, pin);
        let again = hub.says(&words);
        assert!(again.contains(&format!("\"calls\" of jo: {becomes}")), "{again}");
    }
    let set = hub.ask("GET", "/plugins/calls/set", "");
    let set: Value = serde_json::from_str(&set.body).unwrap_or_else(|_| panic!("{}", set.body));
    assert_eq!((&set["jo"]["number"], &set["jo"]["pin"]), (&json!("113"), &json!("hush-hush-hush")));
}
