//! Code of documents that describe how Cabot, Argus, Sentry and LUNA are extended, cut out and run as it is, with the
//! real binary.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;

use nightbell_acceptance::documents::{fenced, find_or_skip, indented, port_or_skip, python_or_skip};
use nightbell_acceptance::hub::alert;
use nightbell_acceptance::{Heard, Hub, PATIENCE, Receiver, Reply, tool, wait_for};
use serde_json::json;
use tempfile::TempDir;

/// A hub with one plugin, which has these files, under this Python; `more` is about receivers.
fn hub_with(active: &str, python: &Path, files: &[(&str, &str)], more: &str) -> Hub {
    let folder = TempDir::new().unwrap();
    for (path, text) in files {
        let path = folder.path().join("plugins").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nexternal_url = \"http://bell.example\"\n[plugins]\nfolder = \"plugins\"\nactive = [\"{active}\"]\npython = {:?}\n\
         [route]\nreceiver = \"ops\"\ngroup_by = \"all\"\ngroup_wait = \"0s\"\n[[receivers.ops.inbox]]\n{more}",
        python.display().to_string()
    );
    std::fs::write(folder.path().join("nightbell.toml"), config).unwrap();
    let path = folder.path().join("nightbell.toml").display().to_string();
    let mut hub = Hub::prepare(folder, &["--config", &path]);
    hub.wake();
    hub
}

/// Waits until it is known that a destination was told.
fn delivered(hub: &Hub, destination: &str) {
    wait_for("an answer to be recorded", PATIENCE, || {
        let all = hub.get("/api/v1/deliveries?state=delivered");
        all["items"].as_array()?.iter().any(|it| it["destination"] == destination).then_some(())
    });
}

fn manifest(id: &str, compat: &str, module: &str) -> String {
    format!(
        "[plugin]\nid = '{id}'\nversion = '1'\ncontract = 1\n[run]\nruntime = 'python'\ncompat = '{compat}'\n\
         module = '{module}'\n[limits]\nstart = '20s'\n"
    )
}

/// The plugin that LUNA's document on plugins shows, but for the address of its store.
fn plugin_of_luna(store: &str) -> Option<String> {
    let text = find_or_skip("luna-handlers-plugins.md")?;
    let code = indented(&text, "from abc import abstractmethod", "logger.debug(await resp.text())");
    assert!(code.contains("http://127.0.0.1:5020"));
    Some(code.replace("http://127.0.0.1:5020", store))
}

#[test]
fn a_plugin_of_luna_is_named_told_of_events_and_not_told_of_them_twice() {
    let store = Receiver::with(|_| Reply::status(201));
    let Some(code) = plugin_of_luna(store.url("").trim_end_matches('/')) else { return };
    let Some(python) = python_or_skip("aiohttp", "NIGHTBELL_TEST_LUNA_PYTHON") else { return };
    let files = [("event_sending_plugin_example.py", code.as_str())];
    let mut hub = hub_with("event_sending_plugin_example", &python, &files, "");
    hub.alerts(&[alert(&[("alertname", "Disk"), ("n", "1")])]);
    let objects = |heard: &[Heard]| {
        let posted = heard.iter().filter(|it| it.path.ends_with("/objects"));
        let events = posted.flat_map(|it| it.body["events"].as_array().cloned().unwrap_or_default());
        events.map(|it| it["meta"]["labels"]["n"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let wait = |count: usize| {
        store.wait_for("objects", PATIENCE, |heard| Some(objects(heard)).filter(|all| all.len() >= count))
    };
    assert_eq!(wait(1), ["1"]);
    assert_eq!(store.heard()[0].path, "/1/buckets?bucket=plugin_test_bucket");
    wait_for("its answer to be noted", PATIENCE, || {
        let it = hub.get("/api/v1/plugins/event_sending_plugin_example");
        (it["subscriptions"][0]["waiting"] == json!(0)).then_some(())
    });
    hub.kill_and_wake();
    hub.alerts(&[alert(&[("alertname", "Disk"), ("n", "2")])]);
    assert_eq!(wait(2), ["1", "2"]);
}

#[test]
fn a_plugin_of_sentry_is_heard_on_the_port_of_its_document() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    let name = "sentry-notification-plugin.md";
    let Some(text) = find_or_skip(name) else { return };
    let code = format!("{}\n{}", fenced(&text, "class NotifyDummyPlugin"), fenced(&text, "def notify_users"));
    let Some((_turn, server)) = port_or_skip(name) else { return };
    let module = "sentry_notify_dummy.plugin:NotifyDummyPlugin";
    let files = [
        ("dummy/plugin.toml", manifest("dummy", "sentry", module)),
        ("dummy/sentry_notify_dummy/__init__.py", String::new()),
        ("dummy/sentry_notify_dummy/plugin.py", code),
    ];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let hub = hub_with("dummy", Path::new("python3"), &files, "[[receivers.ops.notify-dummy]]\n");
    is_heard_by(&server, &hub);
}

/// An alert is seen on the port as the document's plugin tells of it.
fn is_heard_by(server: &TcpListener, hub: &Hub) {
    let wanted = alert(&[("alertname", "ZeroDivisionError"), ("project", "shop")]);
    hub.alerts(&[wanted]);
    let mut said = String::new();
    server.accept().unwrap().0.read_to_string(&mut said).unwrap();
    let incident = hub.get("/api/v1/incidents")["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(said, format!("shop it hurts (1 times seen). http://bell.example/incidents/{incident}"));
    delivered(hub, "ops/notify-dummy/0");
}

/// A Python with all that this one has but the published plugins, where the package in the folder `source` is installed
/// as Sentry's document says.
fn installed(python: &Path, environment: &Path, source: &Path) -> PathBuf {
    tool::run(Command::new(python).args(["-m", "venv", "--without-pip"]).arg(environment));
    let own = environment.join("bin/python");
    let packages = |python: &Path| {
        let words = ["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"];
        PathBuf::from(tool::run(Command::new(python).args(words)).trim())
    };
    for package in std::fs::read_dir(packages(python)).unwrap() {
        let package = package.unwrap();
        if !package.file_name().to_string_lossy().starts_with("sentry_plugins") {
            tool::run(Command::new("cp").arg("-r").arg(package.path()).arg(packages(&own)));
        }
    }
    let pip = |words: &[&str]| {
        let mut pip = Command::new(&own);
        pip.args(["-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check"]).args(words);
        tool::run(pip.current_dir(source));
    };
    pip(&["install", "--no-index", "--no-deps", "--no-build-isolation", "-e", "."]);
    // what it requires is there: `sentry`
    pip(&["check"]);
    own
}

#[test]
fn a_package_for_sentry_is_installed_as_its_document_says_and_found_by_its_entry_points() {
    let name = "sentry-notification-plugin.md";
    let Some(text) = find_or_skip(name) else { return };
    let Some(python) = python_or_skip("setuptools", "NIGHTBELL_TEST_SENTRY_PYTHON") else { return };
    let Some((_turn, server)) = port_or_skip(name) else { return };
    let folder = TempDir::new().unwrap();
    let source = folder.path().join("sentry-notify-dummy");
    std::fs::create_dir_all(source.join("sentry_notify_dummy")).unwrap();
    let code = format!("{}\n{}", fenced(&text, "class NotifyDummyPlugin"), fenced(&text, "def notify_users"));
    let setup = fenced(&text, "entry_points");
    std::fs::write(source.join("setup.py"), setup).unwrap();
    std::fs::write(source.join("sentry_notify_dummy/__init__.py"), "").unwrap();
    std::fs::write(source.join("sentry_notify_dummy/plugin.py"), code).unwrap();
    let own = installed(&python, &folder.path().join("environment"), &source);
    // whatever is installed there, by its entry points
    let manifest = format!("{}[permissions]\nread = [{source:?}]\n", manifest("dummy", "sentry", "*"));
    let files = [("dummy/plugin.toml", manifest.as_str())];
    let hub = hub_with("dummy", &own, &files, "[[receivers.ops.notify-dummy]]\n");
    is_heard_by(&server, &hub);
}

#[test]
fn a_plugin_of_cabot_is_told_and_its_settings_of_people_are_looked_at() {
    let Some(text) = find_or_skip("cabot-alert-plugin.md") else { return };
    let Some(python) = python_or_skip("django", "NIGHTBELL_TEST_DJANGO_PYTHON") else { return };
    let (before, after) = text.split_once("### AlertPluginUserData").unwrap();
    let imports = indented(before, "from cabot.cabotapp", "from cabot.cabotapp");
    let user_data = indented(after, "from django.db", "favorite_bone");
    let class = indented(&text, "class SkeletonAlert(AlertPlugin)", "return");
    let files = [
        ("bones/plugin.toml", manifest("bones", "cabot", "cabot_alert_skeleton")),
        ("bones/cabot_alert_skeleton/__init__.py", String::new()),
        ("bones/cabot_alert_skeleton/models.py", format!("{imports}\n{user_data}\n{class}")),
    ];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let receiver = |bone: &str| {
        format!(
            "[[receivers.ops.cabot-skeleton]]\n\
             users = [{{ name = \"sally\", settings = {{ favorite_bone = \"{bone}\" }} }}]\n"
        )
    };
    let hub = hub_with("bones", &python, &files, &receiver("femur"));
    hub.alerts(&[alert(&[("alertname", "Disk"), ("service", "web")])]);
    delivered(&hub, "ops/cabot-skeleton/0");
    let described = hub.says(&["plugin", "show", "bones"]);
    assert!(described.contains("ready"), "{described}");
    // the field of the document's class has 50 characters
    let file = hub.config_file();
    let config = std::fs::read_to_string(&file).unwrap().replace("femur", &"x".repeat(51));
    std::fs::write(&file, config).unwrap();
    let refused = hub.ask("POST", "/-/reload", "");
    assert!(refused.status == 500 && refused.body.contains("longer than 50 characters"), "{refused:?}");
}

/// A medium as Argus's document describes one: a class that inherits from this one, with a static method `send` of
/// these parameters, and settings of a destination that say where to send.
fn medium(base: &str, send: &str, pager: &str) -> String {
    let (module, class) = base.rsplit_once('.').unwrap();
    format!(
        r#"
import json
from urllib.request import Request, urlopen
from {module} import {class}

class Pager({class}):
    MEDIA_SLUG = "pager"
    MEDIA_NAME = "Pager"
    MEDIA_SETTINGS_KEY = "number"
    MEDIA_JSON_SCHEMA = {{
        "type": "object",
        "required": ["number"],
        "properties": {{"number": {{"type": "string", "title": "Number"}}}},
    }}

    @staticmethod
    def {send}:
        for destination in destinations:
            body = {{"to": destination.settings["number"], "label": destination.label, "type": event.type,
                     "incident": event.incident.description}}
            urlopen(Request("{pager}", json.dumps(body).encode(), {{"Content-Type": "application/json"}}))
"#
    )
}

/// A mail server that takes everything; gives whom the mails are for.
fn mails() -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, mails) = mpsc::channel();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            // whoever ends early has nothing more to say
            let _ = take_mail(&mut connection, &sender);
        }
    });
    (port, mails)
}

fn take_mail(connection: &mut TcpStream, mails: &mpsc::Sender<String>) -> std::io::Result<()> {
    let lines = BufReader::new(connection.try_clone()?).lines();
    connection.write_all(b"220 here\r\n")?;
    let mut in_text = false;
    for line in lines {
        let line = line?;
        if in_text && line != "." {
            continue;
        }
        if let Some(to) = line.strip_prefix("rcpt TO:<").or_else(|| line.strip_prefix("RCPT TO:<")) {
            let _ = mails.send(to.split('>').next().unwrap_or_default().to_owned());
        }
        in_text = line.eq_ignore_ascii_case("data");
        connection.write_all(if in_text { b"354 go on\r\n" } else { b"250 good\r\n" })?;
    }
    Ok(())
}

#[test]
fn media_of_argus_page_and_send_short_messages_as_their_document_says() {
    let Some(text) = find_or_skip("argus-notification-destinations.md") else { return };
    let Some(python) = python_or_skip("django", "NIGHTBELL_TEST_DJANGO_PYTHON") else { return };
    let word = |begins: &str| text.split_whitespace().find(|word| word.starts_with(begins)).unwrap();
    let base = word("argus.notificationprofile.media.base.");
    let short = text.lines().find(|line| line.contains("media.sms_as_email.")).unwrap().trim_end_matches('¶');
    let send = text
        .split_once("send(")
        .map(|(_, rest)| format!("send({}", rest.split(')').next().unwrap()))
        .unwrap();
    let gateway = text.lines().find(|line| line.starts_with("SMS_GATEWAY_ADDRESS = ")).unwrap();
    let pages = Receiver::open();
    let (port, mails) = mails();
    let files = [
        ("media/plugin.toml", manifest("media", "argus", &format!("{short},own_media.Pager"))),
        ("media/own_media.py", medium(base, &format!("{send})"), &pages.url("/page"))),
    ];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let number = word("+34");
    let receivers = format!(
        "[[receivers.ops.argus-pager]]\nlabel = \"Operations\"\nnumber = \"7\"\n\
         [[receivers.ops.argus-sms]]\nphone_number = \"{number}\"\n\
         [plugins.settings.media]\nEMAIL_HOST = \"127.0.0.1\"\nEMAIL_PORT = {port}\n\
         SMS_GATEWAY_MODE = \"recipient\"\n{gateway}\n"
    );
    let hub = hub_with("media", &python, &files, &receivers);
    hub.alerts(&[alert(&[("alertname", "Disk")])]);
    let heard = pages.wait_count(1, PATIENCE);
    let wanted = json!({ "to": "7", "label": "Operations", "type": "STA", "incident": "it hurts" });
    assert_eq!(heard[0].body, wanted);
    let address = word("sms+");
    assert_eq!(mails.recv_timeout(PATIENCE).unwrap(), address);
    delivered(&hub, "ops/argus-pager/0");
    delivered(&hub, "ops/argus-sms/0");
}
