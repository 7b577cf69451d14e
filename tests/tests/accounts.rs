//! People come in: the first by the link that the start prints, others by the command line, each with what they may do.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::io::Write as _;
use std::process::{Output, Stdio};

use nightbell_acceptance::hub::command;
use nightbell_acceptance::tool::both;
use nightbell_acceptance::{Hub, http};
use serde_json::{Value, json};

const TOML: &str =
    "[server]\nallow_anonymous_loopback = false\n[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n";
const PASSWORD: &str = "correct horse battery";

/// The links that the log has told so far.
fn links(hub: &Hub) -> Vec<String> {
    let log = hub.log();
    let words = log.split_whitespace().filter(|word| word.contains("/invite/"));
    words.map(|word| word.split_once("/invite/").unwrap().1.to_owned()).collect()
}

/// A command that reads this from its standard input.
fn typed(words: &[&str], text: &str) -> Output {
    let mut command = command(words);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn says(output: &Output) -> String {
    assert!(output.status.success(), "{}", both(output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn post(hub: &Hub, path: &str, headers: &[(&str, &str)], body: &Value) -> http::Answer {
    http::ask(hub.address(), "POST", path, headers, &body.to_string()).unwrap()
}

fn log_in(hub: &Hub, name: &str, password: &str) -> http::Answer {
    post(hub, "/api/v1/session", &[], &json!({ "name": name, "password": password }))
}

fn with_token(hub: &Hub, token: &str, method: &str, path: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    http::ask(hub.address(), method, path, &[("Authorization", &bearer)], "").unwrap().status
}

#[test]
fn the_first_admin_comes_by_a_link_that_is_printed_once() {
    let mut hub = Hub::start_exactly(TOML);
    let told = links(&hub);
    assert_eq!(told.len(), 1, "{}", hub.log());
    hub.kill_and_wake();
    assert_eq!(links(&hub), told, "it is not said again: {}", hub.log());
    let accept = json!({ "secret": told[0], "name": "ann", "password": PASSWORD });
    let accepted = post(&hub, "/api/v1/invitations/accept", &[], &accept);
    assert_eq!(accepted.status, 200, "{}", accepted.body);
    assert_eq!(accepted.json()["user"]["role"], "admin");
    assert_eq!(post(&hub, "/api/v1/invitations/accept", &[], &accept).status, 404, "it is good once");
    let cookie = accepted.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let mine = [("Cookie", cookie.as_str())];
    assert_eq!(http::ask(hub.address(), "GET", "/api/v1/users", &mine, "").unwrap().status, 200);
    let robot = json!({ "name": "robot", "role": "viewer", "machine": true });
    assert_eq!(post(&hub, "/api/v1/users", &mine, &robot).status, 403, "a cookie alone changes nothing");
    let origin = format!("http://{}", hub.address());
    let page = [("Cookie", cookie.as_str()), ("Origin", origin.as_str())];
    assert_eq!(post(&hub, "/api/v1/users", &page, &robot).status, 201);
    // it outlives the process, and its secret is in no file
    hub.kill_and_wake();
    assert_eq!(http::ask(hub.address(), "GET", "/api/v1/users", &mine, "").unwrap().status, 200);
    assert_eq!(links(&hub), told);
    hub.stop();
    let secret = cookie.split_once('=').unwrap().1;
    for entry in std::fs::read_dir(hub.data()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for secret in [secret, PASSWORD, &told[0]] {
            assert!(!bytes.windows(secret.len()).any(|it| it == secret.as_bytes()), "a secret is kept");
        }
    }
}

#[test]
fn users_are_made_on_a_stopped_server_and_let_in_when_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_string_lossy().into_owned();
    let offline = |words: &[&str]| command(&[words, &["--data", &data]].concat()).output().unwrap();
    says(&offline(&["user", "create", "ann", "--role", "admin", "--email", "ann@example.org"]));
    says(&typed(&["user", "password", "ann", "--data", &data], &format!("{PASSWORD}\n")));
    says(&offline(&["user", "create", "ci+db@web", "--role", "responder", "--machine"]));
    let token = says(&offline(&["token", "create", "--user", "ci+db@web", "--scope", "ingest"]));
    let too_much = offline(&["token", "create", "--user", "ci+db@web", "--scope", "admin"]);
    assert!(both(&too_much).contains("who may not have admin"), "{}", both(&too_much));
    let twice = offline(&["user", "create", "ANN", "--role", "viewer"]);
    assert!(both(&twice).contains("there is a user \"ANN\" already"), "{}", both(&twice));
    let short = typed(&["user", "password", "ann", "--data", &data], "short\n");
    assert!(both(&short).contains("must have 12 characters"), "{}", both(&short));
    says(&offline(&["team", "create", "DB people"]));
    says(&offline(&["team", "add", "DB people", "ann", "--role", "manager"]));
    let members = offline(&["team", "list", "DB people", "--json"]);
    let members: Value = serde_json::from_str(&says(&members)).unwrap();
    assert_eq!(members["members"][0]["name"], "ann");

    let config = folder.path().join("nightbell.toml");
    std::fs::write(&config, TOML).unwrap();
    let mut hub = Hub::prepare(folder, &["--config", &config.to_string_lossy()]);
    hub.wake();
    assert!(links(&hub).is_empty(), "there are users: {}", hub.log());
    assert_eq!(log_in(&hub, "ann", "not the password").status, 401);
    let inside = log_in(&hub, "Ann", PASSWORD);
    assert_eq!(inside.status, 200, "{}", inside.body);
    let events = with_token(&hub, &token, "GET", "/api/v1/heartbeats/none");
    assert_eq!((events, with_token(&hub, &token, "GET", "/api/v1/incidents")), (404, 403));

    let admin = {
        let cookie = inside.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let csrf = inside.json()["csrf_token"].as_str().unwrap().to_owned();
        let headers = [("Cookie", cookie.as_str()), ("X-CSRF-Token", csrf.as_str())];
        let made = post(&hub, "/api/v1/users/ann/tokens", &headers, &json!({ "name": "shell" }));
        assert_eq!(made.status, 201, "{}", made.body);
        made.json()["secret"].as_str().unwrap().to_owned()
    };
    let online = |words: &[&str]| {
        command(words).env("NIGHTBELL_SERVER", hub.url()).env("NIGHTBELL_TOKEN", &admin).output().unwrap()
    };
    says(&online(&["user", "create", "bob", "--role", "viewer", "--time-zone", "Europe/Berlin"]));
    let link = says(&online(&["user", "invite", "bob", "--expires", "1h"]));
    assert!(link.starts_with(&format!("{}/invite/", hub.url())), "{link}");
    let secret = link.rsplit('/').next().unwrap();
    let page = http::ask(hub.address(), "GET", &format!("/invite/{secret}"), &[], "").unwrap();
    assert!(page.status == 200 && page.body.contains("<b>bob</b>"), "{}", page.body);
    let accept = json!({ "secret": secret, "password": "a good long password" });
    assert_eq!(post(&hub, "/api/v1/invitations/accept", &[], &accept).status, 200);
    says(&online(&["user", "role", "bob", "responder"]));
    says(&online(&["user", "disable", "bob", "ci+db@web"]));
    assert_eq!(with_token(&hub, &token, "GET", "/api/v1/heartbeats/none"), 401, "out at once");
    assert_eq!(log_in(&hub, "bob", "a good long password").status, 401);
    says(&online(&["user", "enable", "bob"]));
    assert_eq!(log_in(&hub, "bob", "a good long password").status, 200);
    let listed: Value = serde_json::from_str(&says(&online(&["user", "list", "--json"]))).unwrap();
    let bob = listed["items"].as_array().unwrap().iter().find(|it| it["name"] == "bob").unwrap().clone();
    assert_eq!((bob["role"].as_str(), bob["time_zone"].as_str()), (Some("responder"), Some("Europe/Berlin")));
    let last = online(&["user", "disable", "ann"]);
    assert!(both(&last).contains("the last admin"), "{}", both(&last));

    let secrets = [PASSWORD, "a good long password", secret, token.as_str(), admin.as_str(), "argon2id"];
    the_log_tells_who_did_it(&hub, &admin, &secrets);
}

/// Who made, changed and locked out whom is in the audit log; these secrets are neither there nor in the hub's log.
fn the_log_tells_who_did_it(hub: &Hub, admin: &str, secrets: &[&str]) {
    let bearer = format!("Bearer {admin}");
    let audit = http::ask(hub.address(), "GET", "/api/v1/audit?limit=500", &[("Authorization", &bearer)], "");
    let audit = audit.unwrap();
    let lines = audit.json()["items"].as_array().unwrap().clone();
    let by = |action: &str, name: &str, kind: &str| {
        let is_it = |it: &&Value| {
            it["action"] == action && it["actor"]["name"] == name && it["actor"]["kind"] == kind
        };
        lines.iter().filter(is_it).count()
    };
    assert_eq!((by("user.create", "ann", "local"), by("user.create", "ann", "user")), (2, 1));
    assert_eq!((by("user.disable", "ann", "user"), by("user.password", "invitation", "system")), (2, 1));
    for secret in secrets {
        assert!(!audit.body.contains(*secret), "{secret} is in the audit log");
        assert!(!hub.log().contains(*secret), "{secret} is in the log");
    }
}

#[test]
fn behind_https_the_cookie_is_bound_to_it() {
    let toml = format!(
        "{}\n",
        TOML.replace("[route]", "external_url = \"https://bell.example.org/night\"\n[route]")
    );
    let hub = Hub::start_exactly(&toml);
    let told = links(&hub);
    assert!(hub.log().contains("https://bell.example.org/night/invite/"), "{}", hub.log());
    let accept = json!({ "secret": told[0], "name": "ann", "password": PASSWORD });
    let accepted = post(&hub, "/night/api/v1/invitations/accept", &[], &accept);
    let cookie = accepted.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("__Host-nightbell=")
            && cookie.ends_with("; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax; Secure"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    let create = |origin: &str| {
        let headers = [("Cookie", cookie), ("Origin", origin)];
        post(&hub, "/night/api/v1/teams", &headers, &json!({ "name": origin.replace('/', "") })).status
    };
    assert_eq!(create("https://bell.example.org"), 201, "what the browser calls this server");
    assert_eq!(create("http://bell.example.org"), 403);
    // the other name is not listened to
    let plain = cookie.replace("__Host-", "");
    let asked = http::ask(hub.address(), "GET", "/night/api/v1/session", &[("Cookie", &plain)], "").unwrap();
    assert_eq!(asked.status, 401);
}
