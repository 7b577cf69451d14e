//! Making plugins with the real binary: what `install` puts where, offline, and what `run --watch` does when a file
//! changes.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use nightbell_acceptance::documents::python_or_skip;
use nightbell_acceptance::hub::command;
use nightbell_acceptance::{Hub, PATIENCE, tool, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;

const MANIFEST: &str = "[plugin]\nid = 'bells'\nversion = '1'\ncontract = 1\n[run]\nruntime = 'python'\n\
    module = 'bells'\n[[destinations]]\nkind = 'bells'\n";

/// Says what the package that it requires says, and in which environment it runs.
const BELLS: &str = r#"
import sys
import clapper
from nightbell_plugin import Delivered, Plugin

plugin = Plugin()


@plugin.destination("bells")
async def ring(delivery):
    return Delivered(f"{clapper.SOUND} in {sys.prefix}")
"#;

/// Makes a wheel of a package with one module, which requires what is never installed.
const WHEEL: &str = r#"
import os, sys, zipfile
name, version, _ = os.path.basename(sys.argv[1]).split("-", 2)
module, sound, needs = sys.argv[2:5]
needs = needs and f"Requires-Dist: {needs}\n"
facts = f"{name}-{version}.dist-info/"
files = {
    module + ".py": sound,
    facts + "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
    facts + "WHEEL": "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    facts + "entry_points.txt": f"[nightbell.plugins]\n{module} = {module}:plugin\n" if module == "ringer" else "",
}
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    for name, text in files.items():
        wheel.writestr(name, text)
    wheel.writestr(facts + "RECORD", "".join(f"{name},,\n" for name in [*files, facts + "RECORD"]))
"#;

fn bells(folder: &Path, text: &str) {
    let plugin = folder.join("plugins/bells");
    std::fs::create_dir_all(&plugin).unwrap();
    std::fs::write(plugin.join("plugin.toml"), MANIFEST).unwrap();
    std::fs::write(plugin.join("bells.py"), text).unwrap();
}

/// Runs the binary in this folder, without a way to an index of packages; whether it worked, and what it said.
fn nightbell(folder: &Path, words: &[&str]) -> (bool, String) {
    offline(folder, command(words))
}

fn offline(folder: &Path, mut command: Command) -> (bool, String) {
    let wheels = folder.join("wheels");
    std::fs::create_dir_all(&wheels).unwrap();
    command.env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", &wheels);
    command.env("UV_OFFLINE", "1").env("UV_NO_CACHE", "1").env("UV_FIND_LINKS", &wheels);
    let output = command.current_dir(folder).output().unwrap();
    (output.status.success(), tool::both(&output))
}

#[test]
fn what_is_installed_is_found_by_the_plugin_and_only_there() {
    let Some(python) = python_or_skip("ensurepip", "NIGHTBELL_TEST_VENV_PYTHON") else { return };
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    bells(folder, BELLS);
    let (works, said) = nightbell(folder, &["plugin", "test", "plugins/bells"]);
    assert!(!works && said.contains("clapper"), "{said}");
    wheel(&python, folder, "clapper-1.0", "clapper", "SOUND = 'ding'\n", "sentry>=5");
    let install = ["plugin", "install", "plugins/bells", "--python", python.to_str().unwrap()];
    let wanted = [&install[..], &["--package", "clapper-1.0-py3-none-any.whl"]].concat();
    // a second time changes nothing
    for _ in 0..2 {
        let (works, said) = nightbell(folder, &wanted);
        assert!(works && said.contains("bells is installed in data/plugin-env/bells"), "{said}");
    }
    let lock = std::fs::read_to_string(folder.join("data/plugin-env/bells/requirements.lock")).unwrap();
    assert!(lock.starts_with("clapper @ file://") && lock.lines().count() == 1, "{lock}");
    let (works, said) = nightbell(folder, &["plugin", "test", "plugins/bells"]);
    assert!(works && said.contains("ding in ") && said.contains("plugin-env/bells"), "{said}");
    // what is not to be had is named
    let (works, said) = nightbell(folder, &[&install[..], &["--package", "no-such-clapper"]].concat());
    assert!(!works && said.contains("installing no-such-clapper"), "{said}");
}

/// Puts a wheel of this name and version into a folder.
fn wheel(python: &Path, folder: &Path, name: &str, module: &str, text: &str, needs: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let file = format!("{name}-py3-none-any.whl");
    tool::run(Command::new(python).args(["-c", WHEEL, &file, module, text, needs]).current_dir(folder));
}

#[test]
fn what_was_installed_is_installed_again_until_somebody_wants_the_newest() {
    let Some(python) = python_or_skip("ensurepip", "NIGHTBELL_TEST_VENV_PYTHON") else { return };
    let folder = TempDir::new().unwrap();
    let (folder, wheels) = (folder.path(), folder.path().join("wheels"));
    bells(folder, BELLS);
    let plugin = folder.join("plugins/bells");
    let manifest = MANIFEST.replace("module = 'bells'\n", "module = 'bells'\nrequirements = ['clapper']\n");
    std::fs::write(plugin.join("plugin.toml"), manifest).unwrap();
    let install = |more: &[&str]| {
        let words = ["plugin", "install", "plugins/bells", "--python", python.to_str().unwrap()];
        let (works, said) = nightbell(folder, &[&words[..], more].concat());
        assert!(works, "{said}");
    };
    let locked = |data: &str| {
        let path = folder.join(data).join("plugin-env/bells");
        let text = std::fs::read_to_string(path.join("requirements.lock")).unwrap();
        text.split_whitespace().next().unwrap().to_owned()
    };
    wheel(&python, &wheels, "clapper-1.0", "clapper", "SOUND = 'ding'\n", "");
    install(&[]);
    assert_eq!(locked("data"), "clapper==1.0");
    wheel(&python, &wheels, "clapper-2.0", "clapper", "SOUND = 'dong'\n", "");
    // an environment that was lost is as it was
    let environment = folder.join("data/plugin-env/bells");
    for part in ["bin", "lib"] {
        std::fs::remove_dir_all(environment.join(part)).unwrap();
    }
    install(&[]);
    assert_eq!(locked("data"), "clapper==1.0");
    // and so is that of somebody else, if the plugin says what it was tried with
    std::fs::write(plugin.join("requirements.lock"), "# as of today\nclapper==1.0\n").unwrap();
    install(&["--data", "other"]);
    assert_eq!(locked("other"), "clapper==1.0");
    install(&["--upgrade"]);
    assert_eq!(locked("data"), "clapper==2.0");
    let (works, said) = nightbell(folder, &["plugin", "test", "plugins/bells"]);
    assert!(works && said.contains("dong in "), "{said}");
    let (works, said) = nightbell(folder, &["plugin", "test", "plugins/bells", "--data", "other"]);
    assert!(works && said.contains("ding in "), "{said}");
}

#[test]
fn what_is_not_as_the_lock_says_is_not_installed() {
    let Some(python) = python_or_skip("ensurepip", "NIGHTBELL_TEST_VENV_PYTHON") else { return };
    let folder = TempDir::new().unwrap();
    let (folder, wheels) = (folder.path(), folder.path().join("wheels"));
    bells(folder, BELLS);
    let manifest = MANIFEST.replace("module = 'bells'\n", "module = 'bells'\nrequirements = ['clapper']\n");
    std::fs::write(folder.join("plugins/bells/plugin.toml"), manifest).unwrap();
    // pip says the sums of all that it gets, uv those of what an index has
    let without_uv = folder.join("without-uv");
    std::fs::create_dir(&without_uv).unwrap();
    std::fs::write(without_uv.join("uv"), "#!/bin/sh\nexit 1\n").unwrap();
    tool::run(Command::new("chmod").arg("755").arg(without_uv.join("uv")));
    let words = ["plugin", "install", "plugins/bells", "--python", python.to_str().unwrap()];
    let install = || nightbell(folder, &words);
    let install_by_pip = || {
        let mut install = command(&words);
        let all = std::env::var_os("PATH").unwrap();
        let path = std::iter::once(without_uv.clone()).chain(std::env::split_paths(&all));
        install.env("PATH", std::env::join_paths(path).unwrap());
        offline(folder, install)
    };
    wheel(&python, &wheels, "clapper-1.0", "clapper", "SOUND = 'ding'\n", "");
    let (works, said) = install_by_pip();
    assert!(works, "{said}");
    let environment = folder.join("data/plugin-env/bells");
    let lock = std::fs::read_to_string(environment.join("requirements.lock")).unwrap();
    assert!(lock.starts_with("clapper==1.0 \\\n    --hash=sha256:"), "{lock}");
    // somebody puts another file in the place of the one that was tried
    wheel(&python, &wheels, "clapper-1.0", "clapper", "SOUND = 'boom'\n", "");
    for part in ["bin", "lib"] {
        std::fs::remove_dir_all(environment.join(part)).unwrap();
    }
    for (works, said) in [install_by_pip(), install()] {
        assert!(!works && said.contains("has another sum than there is refused"), "{said}");
    }
    let (_, said) = nightbell(folder, &["plugin", "test", "plugins/bells"]);
    assert!(!said.contains("boom"), "{said}");
    // the lock of whoever wrote the plugin counts in the same way
    let lock = environment.join("requirements.lock");
    std::fs::rename(&lock, folder.join("plugins/bells/requirements.lock")).unwrap();
    let (works, said) = install();
    assert!(!works && said.contains("refused"), "{said}");
    // whoever wants the newest wants it as it is
    let words = ["plugin", "install", "plugins/bells", "--upgrade", "--python", python.to_str().unwrap()];
    let (works, said) = nightbell(folder, &words);
    assert!(works, "{said}");
    let (works, said) = nightbell(folder, &["plugin", "test", "plugins/bells"]);
    assert!(works && said.contains("boom in "), "{said}");
}

#[test]
fn a_package_that_is_a_plugin_gets_a_folder_by_its_entry_point() {
    let Some(python) = python_or_skip("ensurepip", "NIGHTBELL_TEST_VENV_PYTHON") else { return };
    let folder = TempDir::new().unwrap();
    let (folder, wheels) = (folder.path(), folder.path().join("wheels"));
    wheel(&python, &wheels, "bell_ringer-1.5", "ringer", BELLS, "clapper");
    wheel(&python, &wheels, "clapper-1.0", "clapper", "SOUND = 'ding'\n", "");
    let install =
        |name: &str| nightbell(folder, &["plugin", "install", name, "--python", python.to_str().unwrap()]);
    let (works, said) = install("bell-ringer==1.5");
    assert!(works && said.contains("bell-ringer is installed in data/plugin-env/bell-ringer"), "{said}");
    let (works, said) = nightbell(folder, &["plugin", "test", "data/plugins/bell-ringer"]);
    assert!(works && said.contains("ding in "), "{said}");
    let manifest = std::fs::read_to_string(folder.join("data/plugins/bell-ringer/plugin.toml")).unwrap();
    assert!(manifest.contains("version = \"1.5\"") && manifest.contains("ringer:plugin"), "{manifest}");
    let (works, said) = install("clapper");
    assert!(!works && said.contains("has no entry point nightbell.plugins"), "{said}");
    assert!(!folder.join("data/plugins/clapper").exists());
}

/// How long an install may take: an environment is made for it.
const INSTALLING: Duration = Duration::from_secs(180);

/// Waits for the end of what was begun.
fn job(hub: &Hub, path: &str, body: &Value) -> Value {
    let begun = hub.ask("POST", path, &body.to_string());
    assert_eq!(begun.status, 202, "{begun:?}");
    let path = format!("/api/v1/plugin-jobs/{}", begun.json()["id"]);
    wait_for("the end of a job", INSTALLING, || {
        let it = hub.get(&path);
        (it["state"] != "running").then_some(it)
    })
}

#[test]
fn over_the_api_plugins_are_looked_at_installed_and_tried() {
    let Some(python) = python_or_skip("ensurepip", "NIGHTBELL_TEST_VENV_PYTHON") else { return };
    let folder = TempDir::new().unwrap();
    let wheels = folder.path().join("wheels");
    bells(folder.path(), BELLS);
    let manifest = MANIFEST.replace("module = 'bells'\n", "module = 'bells'\nrequirements = ['clapper']\n");
    std::fs::write(folder.path().join("plugins/bells/plugin.toml"), manifest).unwrap();
    wheel(&python, &wheels, "clapper-1.0", "clapper", "SOUND = 'ding'\n", "");
    let ringer = BELLS.replace("\"bells\"", "\"ringer\"");
    wheel(&python, &wheels, "bell_ringer-1.5", "ringer", &ringer, "clapper");
    let config = |install: bool| {
        format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[plugins]\nfolder = \"plugins\"\nactive = []\npython = {python:?}\n\
             remote_install = {install}\n[route]\nreceiver = \"ops\"\n[[receivers.ops.inbox]]\n"
        )
    };
    let file = folder.path().join("nightbell.toml");
    std::fs::write(&file, config(false)).unwrap();
    let links = wheels.display();
    let [pip, uv] = [format!("PIP_FIND_LINKS={links}"), format!("UV_FIND_LINKS={links}")];
    let mut hub = Hub::prepare(folder, &["--config", &file.display().to_string()]);
    hub.wrapped_in(&["env", "PIP_NO_INDEX=1", &pip, "UV_OFFLINE=1", "UV_NO_CACHE=1", &uv]);
    hub.wake();
    // whose machine it is has not said so, and nobody else can
    let refused = hub.ask("POST", "/api/v1/plugins/bells/install", "");
    assert!(refused.status == 403 && refused.body.contains("plugins.remote_install"), "{refused:?}");
    let refused = hub.ask("POST", "/api/v1/config/plugins", r#"{"set": {"remote_install": true}}"#);
    assert!(refused.status == 400 && refused.body.contains("cannot be changed"), "{refused:?}");
    let looked = job(&hub, "/api/v1/plugins/bells/check", &Value::Null);
    assert_eq!((&looked["state"], &looked["report"]["good"]), (&json!("done"), &json!(false)), "{looked}");
    assert!(looked["report"]["log"].to_string().contains("clapper"), "{looked}");
    std::fs::write(&file, config(true)).unwrap();
    assert_eq!(hub.ask("POST", "/-/reload", "").status, 200);
    let installed = job(&hub, "/api/v1/plugins/bells/install", &json!({}));
    assert_eq!(installed["state"], "done", "{installed}");
    assert!(installed["log"].to_string().contains("bells is installed in"), "{installed}");
    let looked = job(&hub, "/api/v1/plugins/bells/check", &Value::Null);
    assert_eq!(looked["report"]["good"], true, "{looked:#}");
    let package = json!({ "package": "bell-ringer==1.5" });
    let installed = job(&hub, "/api/v1/plugins/bell-ringer/install", &package);
    assert_eq!(installed["state"], "done", "{installed}");
    let gone = job(&hub, "/api/v1/plugins/no-bell/install", &json!({ "package": "no-bell==1" }));
    assert!(gone["state"] == "failed" && gone["log"].to_string().contains("no-bell"), "{gone}");
    for id in ["bells", "bell-ringer"] {
        hub.post(&format!("/api/v1/plugins/{id}/enable"), &json!({}));
        let tried = hub.post(&format!("/api/v1/plugins/{id}/test"), &json!({}));
        let items = tried["items"].as_array().unwrap();
        let sent: Vec<&str> = items.iter().map(|it| it["sent"].as_str().unwrap()).collect();
        assert_eq!(sent, ["firing", "repeated", "acknowledged", "resolved", "test"]);
        let rings = |it: &Value| it["success"] == true && it["message"].to_string().contains("ding in ");
        assert!(items.iter().all(rings), "{tried:#}");
    }
    let audit = hub.get("/api/v1/audit?limit=100").to_string();
    assert!(audit.contains("plugin.install") && audit.contains("bell-ringer==1.5"), "{audit}");
}

#[test]
fn only_what_has_an_environment_is_installed() {
    let folder = TempDir::new().unwrap();
    bells(folder.path(), BELLS);
    let manifest = MANIFEST.replace("'python'\nmodule = 'bells'", "'process'\ncommand = ['./bells']");
    std::fs::write(folder.path().join("plugins/bells/plugin.toml"), manifest).unwrap();
    std::fs::write(folder.path().join("plugins/bells/bells"), "").unwrap();
    let (works, said) = nightbell(folder.path(), &["plugin", "install", "plugins/bells"]);
    assert!(!works && said.contains("only plugins with the runtime python"), "{said}");
    assert!(!folder.path().join("data").exists());
}

/// A plugin that runs, and what is said.
struct Running {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Running {
    fn start(folder: &Path) -> Self {
        let words = ["plugin", "run", "plugins/bells", "--watch", "--test"];
        let mut run = command(&words);
        run.current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = run.spawn().unwrap();
        let (say, lines) = mpsc::channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let say = say.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    // whoever has heard enough is gone
                    let _ = say.send(line);
                }
            });
        }
        Running { child, lines, said: String::new() }
    }

    /// Until a line has this in it.
    fn hears(&mut self, word: &str) {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("{word:?} is not said: {}", self.said));
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(word) {
                return;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // one that has ended is not there any more
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_plugin_that_is_watched_is_started_anew_when_its_files_change() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    let folder = TempDir::new().unwrap();
    let says = |word: &str| {
        format!(
            "from nightbell_plugin import Delivered, Plugin\nplugin = Plugin()\n\n\n\
             @plugin.destination('bells')\nasync def ring(delivery):\n    return Delivered('{word}')\n"
        )
    };
    bells(folder.path(), &says("first"));
    let file = folder.path().join("plugins/bells/bells.py");
    let mut running = Running::start(folder.path());
    running.hears("first");
    std::fs::write(&file, says("second")).unwrap();
    running.hears("second");
    // what cannot run is told of, and what is mended runs
    std::fs::write(&file, "plugin = (\n").unwrap();
    running.hears("SyntaxError");
    std::fs::write(&file, says("third")).unwrap();
    running.hears("third");
    let manifest = folder.path().join("plugins/bells/plugin.toml");
    std::fs::write(&manifest, MANIFEST.replace("contract = 1", "contract = 'one'")).unwrap();
    running.hears("not started anew");
    std::fs::write(&manifest, MANIFEST.replace("version = '1'", "version = '2'")).unwrap();
    std::fs::write(&file, says("fourth")).unwrap();
    running.hears("fourth");
    tool::run(Command::new("kill").args(["-INT", &running.child.id().to_string()]));
    let ended = wait_for("its end", PATIENCE, || running.child.try_wait().unwrap());
    assert!(ended.success(), "{ended}: {}", running.said);
}
