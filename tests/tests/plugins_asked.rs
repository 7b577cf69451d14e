//! What plugins are asked beside deliveries: about settings, for tests, checks and tickets.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use nightbell_acceptance::hub::alert;
use nightbell_acceptance::{Hub, PATIENCE, http, tool, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Rooms: only some exist, none is told of twice, and the last must stay. What it looks at is a file.
const ROOMS: &str = r#"
import os
import time
from nightbell_plugin import Check, Delivered, Invalid, Plugin, Rejected, Ticket

plugin = Plugin(settings_schema={"type": "object", "properties": {"token": {"type": "string", "x-secret": True}}})
ROOM = {"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]}
OPTIONS = {"type": "object", "properties": {"words": {"type": "string", "default": "hello"}}}


@plugin.destination("rooms", settings=ROOM, test_options=OPTIONS)
async def tell(delivery):
    with open(os.path.join(plugin.state, delivery.settings["room"]), "a") as room:
        room.write(delivery.message.kind + "\n")


@plugin.validate("destination", "rooms")
def look(value, others):
    if os.path.exists(os.path.join(plugin.state, "hang")):
        time.sleep(60)
    room = value["room"].lower()
    if room == "cellar":
        raise Invalid("room", "there is no such room")
    if any(other["room"].lower() == room for other in others):
        raise Invalid("room", "is told already")
    return {"room": room}


@plugin.validate("removal", "rooms")
def going(value):
    if value["room"] == "vault":
        raise Invalid("", "somebody must watch the vault")


@plugin.validate("settings")
def own(value):
    if value.get("token") == "wrong":
        raise Invalid("token", "is not known")


@plugin.test("rooms")
async def test(settings, options):
    if options["words"] == "shout":
        return Rejected("too loud")
    return Delivered(options["words"] + " " + settings["room"])


@plugin.check("door", settings={"type": "object", "properties": {"name": {"type": "string"}}})
async def door(settings):
    path = os.path.join(plugin.state, settings["name"])
    return Check("failing", "is open", {"door": settings["name"]}) if os.path.exists(path) else Check()


@plugin.ticket
async def ticket(wanted):
    return Ticket("OPS-17", "https://tickets.example/OPS-17", wanted.incident["title"] + " " + wanted.note)
"#;

const MANIFEST: &str =
    "[plugin]\nid = 'rooms'\nversion = '1'\ncontract = 1\n[run]\nruntime = 'python'\nmodule = 'rooms'\n";

fn hub() -> Hub {
    let folder = TempDir::new().unwrap();
    let plugin = folder.path().join("plugins/rooms");
    std::fs::create_dir_all(&plugin).unwrap();
    std::fs::write(plugin.join("plugin.toml"), MANIFEST).unwrap();
    std::fs::write(plugin.join("rooms.py"), ROOMS).unwrap();
    let config = "[server]\nlisten = \"127.0.0.1:0\"\n[plugins]\nfolder = \"plugins\"\nactive = [\"rooms\"]\n\
        [route]\nreceiver = \"ops\"\ngroup_by = \"all\"\ngroup_wait = \"0s\"\n\
        [[receivers.ops.rooms]]\nroom = \"Hall\"\n\
        [checks.front]\nkind = \"door\"\nname = \"open\"\nevery = \"100ms\"\nlabels = { team = \"house\" }\n";
    std::fs::write(folder.path().join("nightbell.toml"), config).unwrap();
    let path = folder.path().join("nightbell.toml").display().to_string();
    let mut hub = Hub::prepare(folder, &["--config", &path]);
    hub.wake();
    wait_for("the plugin", PATIENCE, || (hub.get("/api/v1/plugins/rooms")["state"] == "ready").then_some(()));
    hub
}

fn change(hub: &Hub, place: &str, change: &Value) -> (u16, String) {
    let answer = hub.ask("POST", &format!("/api/v1/config/{place}"), &change.to_string());
    (answer.status, answer.body)
}

#[test]
fn settings_are_looked_at_by_the_plugin_with_the_path_of_what_is_wrong() {
    let hub = hub();
    let place = "receivers/ops%2Frooms%2F0";
    let (status, body) = change(&hub, place, &json!({"set": {"room": "Cellar"}}));
    assert!(
        status == 400 && body.contains("receivers.ops.rooms[0].room") && body.contains("no such room"),
        "{body}"
    );
    let (status, body) = change(&hub, "receivers", &json!({"add": {"ops/rooms/1": {"room": "HALL"}}}));
    assert!(status == 400 && body.contains("is told already"), "{body}");
    let (status, body) = change(&hub, "plugins/rooms", &json!({"set": {"token": "wrong"}}));
    assert!(status == 400 && body.contains("plugins.settings.rooms.token"), "{body}");
    let (status, body) = change(&hub, "plugins/rooms", &json!({"set": {"tokn": "x"}}));
    assert!(status == 400 && body.contains("did you mean `token`"), "{body}");
    assert_eq!(hub.get("/api/v1/config/overrides")["version"], 0);

    // what is cleaned is what deliveries get
    let (status, body) = change(&hub, place, &json!({"set": {"room": "ATTIC"}}));
    assert_eq!(status, 200, "{body}");
    hub.alerts(&[alert(&[("alertname", "A")])]);
    let told = hub.data().join("plugin-state/rooms/attic");
    wait_for("the room", PATIENCE, || told.exists().then_some(()));

    let (status, body) = change(&hub, "receivers", &json!({"add": {"ops/rooms/1": {"room": "vault"}}}));
    assert_eq!(status, 200, "{body}");
    let (status, body) = change(&hub, "receivers", &json!({"remove": ["ops/rooms/1"]}));
    assert!(status == 400 && body.contains("somebody must watch the vault"), "{body}");

    // one that does not answer makes nobody wait longer than it may take
    std::fs::write(hub.data().join("plugin-state/rooms/hang"), "").unwrap();
    let (status, body) = change(&hub, place, &json!({"set": {"room": "cellar"}}));
    assert_eq!(status, 200, "{body}");
}

#[test]
fn what_people_keep_for_themselves_is_looked_at_beside_what_they_have() {
    let hub = hub();
    let tokens = ["jo", "ann"].map(|name| {
        let password = "a good long password";
        let email = format!("{name}@bell.example");
        let user = json!({ "name": name, "role": "responder", "email": email, "password": password });
        hub.post("/api/v1/users", &user);
        let login = json!({ "username": name, "password": password });
        hub.post("/api/v2/token-auth/", &login)["token"].as_str().unwrap().to_owned()
    });
    let ask = |who: usize, method: &str, path: &str, body: Value| {
        let bearer = format!("Bearer {}", tokens[who]);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = http::ask(hub.address(), method, path, &[("Authorization", &bearer)], &body).unwrap();
        (answer.status, answer.body)
    };
    let room =
        |name: &str, room: &str| json!({"name": name, "spec": {"kind": "rooms", "settings": {"room": room}}});
    let all = "/api/v1/destinations";
    let (status, body) = ask(0, "POST", all, room("bad", "Cellar"));
    assert!(status == 400 && body.contains("spec.settings.room") && body.contains("no such room"), "{body}");
    let (status, body) = ask(0, "POST", all, room("mine", "Hall"));
    assert!(status == 201 && body.contains(r#""room":"hall""#), "{body}");
    let mine: Value = serde_json::from_str(&body).unwrap();
    let (status, body) = ask(0, "POST", all, room("twice", "HALL"));
    assert!(status == 400 && body.contains("is told already"), "{body}");
    // what others have is theirs
    let (status, body) = ask(1, "POST", all, room("mine", "hall"));
    assert_eq!(status, 201, "{body}");
    let one = format!("{all}/{}", mine["id"].as_str().unwrap());
    let spec = |room: &str| json!({"spec": {"kind": "rooms", "settings": {"room": room}}});
    let (status, body) = ask(0, "PATCH", &one, spec("cellar"));
    assert!(status == 400 && body.contains("no such room"), "{body}");
    let (status, body) = ask(0, "PATCH", &one, spec("VAULT"));
    assert!(status == 200 && body.contains(r#""room":"vault""#), "{body}");
    let (status, body) = ask(0, "DELETE", &one, Value::Null);
    assert!(status == 409 && body.contains("somebody must watch the vault"), "{body}");

    // the same by Argus' door
    let all = "/api/v2/notificationprofiles/destinations/";
    let room = |room: &str| json!({"media": "rooms", "label": room, "settings": {"room": room}});
    for (bad, why) in [("cellar", "no such room"), ("VAULT", "is told already")] {
        let (status, body) = ask(0, "POST", all, room(bad));
        assert!(status == 400 && body.contains(why) && !body.contains("spec"), "{body}");
    }
    let (status, body) = ask(0, "POST", all, room("Study"));
    assert!(status == 201 && body.contains(r#""room":"study""#), "{body}");
    let pk = serde_json::from_str::<Value>(&body).unwrap()["pk"].clone();
    let one = format!("{all}{pk}/");
    let (status, body) = ask(0, "PATCH", &one, json!({"settings": {"room": "cellar"}}));
    assert!(status == 400 && body.contains("no such room"), "{body}");
    let (status, body) = ask(0, "DELETE", &one, Value::Null);
    assert_eq!(status, 204, "{body}");
}

#[test]
fn tests_are_the_plugins_own_with_options_that_have_defaults() {
    let hub = hub();
    let offered = hub.get("/api/v1/service-tests/rooms?destination=ops/rooms/0");
    assert_eq!(
        (&offered["options"]["words"], &offered["settings"]["room"]),
        (&json!("hello"), &json!("Hall"))
    );
    let answer = hub.post("/api/v1/service-tests/rooms", &offered);
    assert_eq!((&answer["success"], &answer["message"]), (&json!(true), &json!("hello Hall")), "{answer}");
    let loud = json!({"settings": {"room": "x"}, "options": {"words": "shout"}});
    let answer = hub.post("/api/v1/service-tests/rooms", &loud);
    assert_eq!((&answer["success"], &answer["message"]), (&json!(false), &json!("too loud")), "{answer}");
    let said = hub.says(&["receiver", "test", "ops"]);
    assert!(said.contains("hello Hall"), "{said}");
    let wrong = tool::both(&hub.cli(&["receiver", "try", "rooms", "--set", "room=x", "--option", "word=y"]));
    assert!(wrong.contains("did you mean `words`"), "{wrong}");
}

#[test]
fn what_a_check_finds_is_an_incident_until_it_passes_and_a_ticket_is_made_for_it() {
    let hub = hub();
    let open = hub.data().join("plugin-state/rooms/open");
    std::fs::write(&open, "").unwrap();
    let incident = wait_for("the incident", PATIENCE, || {
        let page = hub.get("/api/v1/incidents?state=open");
        page["items"].as_array().unwrap().iter().find(|it| it["key"] == "check/front").cloned()
    });
    assert_eq!((&incident["title"], &incident["severity"]), (&json!("front: is open"), &json!("critical")));
    assert_eq!((&incident["labels"]["door"], &incident["labels"]["team"]), (&json!("open"), &json!("house")));

    let id = incident["id"].as_str().unwrap();
    let made = hub.post(&format!("/api/v1/incidents/{id}/ticket"), &json!({"by": "ann", "note": "please"}));
    assert_eq!((&made["plugin"], &made["id"]), (&json!("rooms"), &json!("OPS-17")), "{made}");
    assert_eq!(made["title"], "front: is open please", "{made}");
    let timeline = hub.get(&format!("/api/v1/incidents/{id}/timeline")).to_string();
    assert!(timeline.contains("https://tickets.example/OPS-17"), "{timeline}");
    // the incident says where it is, also to clients of Argus, who may have one made, too
    let theirs = hub.get("/api/v2/incidents/?search=front");
    let theirs = &theirs["results"][0];
    assert_eq!(theirs["ticket_url"], "https://tickets.example/OPS-17", "{theirs}");
    let path = format!("/api/v2/incidents/{}", theirs["pk"]);
    hub.ask("PUT", &format!("{path}/ticket_url/"), r#"{"ticket_url": ""}"#);
    let made = hub.ask("PUT", &format!("{path}/automatic-ticket/"), "{}");
    assert!(made.status == 200 && made.body.contains("https://tickets.example/OPS-17"), "{}", made.body);
    assert_eq!(hub.get("/api/")["ticket_plugin"], "rooms");
    let none = hub.ask("POST", &format!("/api/v1/incidents/{id}/ticket"), r#"{"plugin": "nobody"}"#);
    assert!(none.status == 409 && none.body.contains("nobody does not run here"), "{}", none.body);

    std::fs::remove_file(&open).unwrap();
    wait_for("the end", PATIENCE, || {
        (hub.get(&format!("/api/v1/incidents/{id}"))["state"] == "resolved").then_some(())
    });
    let wrong =
        std::fs::read_to_string(hub.config_file()).unwrap().replace("kind = \"door\"", "kind = \"dor\"");
    std::fs::write(hub.config_file(), wrong).unwrap();
    let answer = hub.ask("POST", "/-/reload", "");
    assert!(answer.status >= 400 && answer.body.contains("did you mean `door`"), "{}", answer.body);
}

#[test]
fn a_plugin_is_enabled_disabled_and_removed_over_the_api_and_idle_ones_are_started_on_demand() {
    let hub = hub();
    let bell = hub.folder().join("plugins/bell");
    std::fs::create_dir_all(&bell).unwrap();
    let manifest =
        MANIFEST.replace("rooms", "bell") + "[limits]\nidle_stop = '1s'\n[[destinations]]\nkind = 'bell'\n";
    std::fs::write(bell.join("plugin.toml"), manifest).unwrap();
    let code = "from nightbell_plugin import Plugin\nplugin = Plugin()\n\n\n@plugin.destination('bell')\n\
        async def ring(delivery):\n    pass\n";
    std::fs::write(bell.join("bell.py"), code).unwrap();
    hub.says(&["plugin", "enable", "bell"]);
    let state =
        |id: &str| hub.get(&format!("/api/v1/plugins/{id}"))["state"].as_str().unwrap_or_default().to_owned();
    wait_for("it to be idle", PATIENCE, || (state("bell") == "idle").then_some(()));
    hub.says(&["receiver", "try", "bell"]);
    assert_eq!(hub.get("/api/v1/plugins/bell")["starts"], 2);
    let again = tool::both(&hub.cli(&["plugin", "enable", "bell"]));
    assert!(again.contains("is active already"), "{again}");

    // what is in use stays
    let used = tool::both(&hub.cli(&["plugin", "disable", "rooms"]));
    assert!(used.contains("receivers.ops.rooms") && used.contains("no such kind"), "{used}");
    hub.says(&["plugin", "disable", "bell"]);
    assert_eq!(hub.ask("GET", "/api/v1/plugins/bell", "").status, 404);
    hub.says(&["plugin", "enable", "bell"]);
    hub.says(&["plugin", "remove", "bell"]);
    assert!(!bell.exists() && hub.folder().join("plugins/rooms").exists());
    let gone = hub.ask("DELETE", "/api/v1/plugins/bell", "");
    assert_eq!(gone.status, 404, "{}", gone.body);
    assert_eq!(hub.ask("DELETE", "/api/v1/plugins/..%2Frooms", "").status, 404);
}
