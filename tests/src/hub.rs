//! The real binary on a folder of its own.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{self, Answer};
use crate::{PATIENCE, wait_for};

/// How long the binary may take until it listens.
const START: Duration = Duration::from_secs(30);

/// What every story's configuration begins with: receivers are on this machine, and so are we.
pub const LOCAL: &str = "[server]\nallow_anonymous_loopback = true\n[outbound]\nallow_private = true\n";

/// A running hub, or one between two lives.
pub struct Hub {
    folder: TempDir,
    words: Vec<String>,
    wrapper: Vec<String>,
    child: Option<Child>,
    address: SocketAddr,
}

/// The binary: named by `NIGHTBELL_TEST_BINARY`, else built where this test was built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("NIGHTBELL_TEST_BINARY") {
            return path.into();
        }
        let own = std::env::current_exe().unwrap();
        let folder = own.ancestors().nth(2).unwrap();
        // as old as it may be, what is tested is what is built from these sources
        if let Some(cargo) = std::env::var_os("CARGO") {
            let mut build = Command::new(cargo);
            build
                .args(["build", "--quiet", "--package", "nightbell", "--target-dir"])
                .arg(folder.parent().unwrap());
            if folder.ends_with("release") {
                build.arg("--release");
            }
            assert!(build.status().unwrap().success(), "the binary could not be built");
        }
        let binary = folder.join("nightbell");
        assert!(binary.is_file(), "{} is not there: run `cargo build -p nightbell`", binary.display());
        binary
    })
}

/// The binary with these words, in an environment without any of our variables.
pub fn command(words: &[&str]) -> Command {
    clean(Command::new(binary()), words)
}

fn clean(mut command: Command, words: &[&str]) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NIGHTBELL_") {
            command.env_remove(name);
        }
    }
    command.args(words).env("USER", "ann").stdin(Stdio::null());
    command
}

impl Hub {
    /// Starts one with this `nightbell.toml`, behind [`LOCAL`].
    pub fn start(toml: &str) -> Self {
        Hub::start_exactly(&format!("{LOCAL}{toml}"))
    }

    /// Starts one with this `nightbell.toml` and nothing else.
    pub fn start_exactly(toml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("nightbell.toml");
        std::fs::write(&config, toml).unwrap();
        let mut hub = Hub::prepare(folder, &["--config", &config.to_string_lossy()]);
        hub.wake();
        hub
    }

    /// Starts one on this database of PostgreSQL, which may ask this machine and is asked by it without a token.
    pub fn start_on(database: &str, toml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("nightbell.toml");
        std::fs::write(&config, format!("{LOCAL}[database]\nurl = \"{database}\"\n{toml}")).unwrap();
        let mut hub = Hub::prepare(folder, &["--config", &config.to_string_lossy()]);
        hub.words.retain(|word| word != "--data" && !word.ends_with("/data"));
        hub.wake();
        hub
    }

    /// Starts one with these words after `serve`.
    pub fn start_with(words: &[&str]) -> Self {
        let mut hub = Hub::prepare(tempfile::tempdir().unwrap(), words);
        hub.wake();
        hub
    }

    /// One that was not started yet, with these words after `serve`; [`Hub::wake`] starts it.
    pub fn prepare(folder: TempDir, words: &[&str]) -> Self {
        let data = folder.path().join("data").to_string_lossy().into_owned();
        let ours = ["serve", "--listen", "127.0.0.1:0", "--data", &data];
        let words = ours.iter().chain(words).map(|word| (*word).to_owned()).collect();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Hub { folder, words, wrapper: Vec::new(), child: None, address }
    }

    /// Listens at the address that it has now from the next start on, too, for those who know it by that.
    pub fn keep_address(&mut self) {
        let address = self.address.to_string();
        self.words
            .iter_mut()
            .filter(|word| *word == "127.0.0.1:0")
            .for_each(|word| word.clone_from(&address));
    }

    /// Words to run the binary by, such as `prlimit --fsize=…`, from the next start on.
    pub fn wrapped_in(&mut self, words: &[&str]) {
        self.wrapper = words.iter().map(|word| (*word).to_owned()).collect();
    }

    /// Starts the process, and waits until it listens.
    pub fn wake(&mut self) {
        let mut words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let mut command = match self.wrapper.split_first() {
            None => clean(Command::new(binary()), &words),
            Some((first, rest)) => {
                words.insert(0, binary().to_str().unwrap());
                let rest: Vec<&str> = rest.iter().map(String::as_str).chain(words).collect();
                clean(Command::new(first), &rest)
            }
        };
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        self.child = Some(child);
        let (sender, line) = mpsc::channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines();
            // the rest is read and dropped, so that the process never waits for us
            let _ = sender.send(lines.next().transpose().ok().flatten().unwrap_or_default());
            lines.for_each(drop);
        });
        let line = line.recv_timeout(START).unwrap_or_default();
        let address =
            line.strip_prefix("listening on http://").and_then(|rest| rest.split('/').next()?.parse().ok());
        self.address = address.unwrap_or_else(|| panic!("no address in {line:?}; the log:\n{}", self.log()));
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("nightbell.toml")
    }

    /// The folder of its database.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// What it logged so far, over all of its lives.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    /// Kills it: it gets no chance to save anything.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Kills it and starts it again on the same data.
    pub fn kill_and_wake(&mut self) {
        self.kill();
        self.wake();
    }

    /// Sends a signal, such as `HUP`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("it is not running").id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Tells it to stop, and waits until it has.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait_end(PATIENCE)
    }

    /// Waits until it has ended by itself.
    pub fn wait_end(&mut self, limit: Duration) -> ExitStatus {
        let mut child = self.child.take().expect("it is not running");
        let status = wait_for("the hub to end", limit, || child.try_wait().unwrap());
        let _ = child.wait();
        status
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it is not running").id()
    }

    /// Asks it.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn try_ask(&self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        http::ask(self.address, method, path, &[], body)
    }

    /// Asks it; it must answer, whatever it says.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let answer = self.try_ask(method, path, body);
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}; the log:\n{}", self.log()))
    }

    /// Reads something; it must be there.
    pub fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, "");
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
        answer.json()
    }

    /// Sends something that must be taken.
    pub fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.ask("POST", path, &body.to_string());
        assert!((200..300).contains(&answer.status), "POST {path}: {} {}", answer.status, answer.body);
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    /// Sends alerts as Prometheus does; they must be taken.
    pub fn alerts(&self, alerts: &[Value]) {
        self.post("/api/v2/alerts", &json!(alerts));
    }

    /// Waits until so many deliveries are known to have arrived: from then on they are never sent again.
    pub fn wait_delivered(&self, count: usize) {
        wait_for("answers to be recorded", PATIENCE, || {
            let delivered = self.get("/api/v1/deliveries?state=delivered");
            (delivered["items"].as_array().unwrap().len() >= count).then_some(())
        });
    }

    /// One of its commands, asking this very hub.
    pub fn cli(&self, words: &[&str]) -> Output {
        command(words).env("NIGHTBELL_SERVER", self.url()).output().unwrap()
    }

    /// The same, which must work; what it printed.
    pub fn says(&self, words: &[&str]) -> String {
        let output = self.cli(words);
        let said = crate::tool::both(&output);
        assert!(output.status.success(), "{words:?}: {said}\nthe log:\n{}", self.log());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same with `--json`.
    pub fn says_json(&self, words: &[&str]) -> Value {
        let text = self.says(&[words, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error}: {text}"))
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.char_indices().rev().nth(8000).map_or(0, |(at, _)| at);
            eprintln!("the hub's log:\n{}", &log[from..]);
        }
    }
}

/// An alert as Prometheus sends it.
pub fn alert(labels: &[(&str, &str)]) -> Value {
    let labels: serde_json::Map<_, _> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let annotations = json!({ "summary": "it hurts" });
    json!({ "labels": labels, "annotations": annotations, "generatorURL": "http://prom.example/graph" })
}

/// A routing that tells a receiver of each alert by itself, at once.
pub fn each_at_once(url: &str) -> String {
    format!(
        "[incidents]\nresolve_timeout = \"1h\"\n\
         [route]\nreceiver = \"ops\"\ngroup_by = [\"...\"]\ngroup_wait = \"0s\"\ngroup_interval = \"1s\"\n\
         repeat_interval = \"4h\"\n[[receivers.ops.webhook]]\nurl = \"{url}\"\n"
    )
}
