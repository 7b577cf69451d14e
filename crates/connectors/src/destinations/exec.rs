//! Exec: a program of one's own, told by its standard input.
//!
//! What the program starts in its process group is killed with it, when its time is up as well as when it
//! has come to its end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use model::delivery::{Outcome, answer_head};
use model::limits::MAX_ANSWER_BYTES;
use model::receiver::Audience;
use rustix::process::{Pid, Signal, kill_process_group};
use schemars::JsonSchema;
use sdk::{Answer, Context, Destination, Facts, Message, Secret};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use crate::shape;
use crate::template::cut;

/// The exit code with which a program asks to be called again: `EX_TEMPFAIL` of sysexits.h.
const TRY_AGAIN: i32 = 75;
/// How long is waited for the last of the output once a program has ended.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// Characters of one environment variable.
const MAX_VARIABLE_CHARS: usize = 4096;

/// The kind `exec`.
pub struct Exec;

/// Which program.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "program": "/usr/local/bin/siren",
    "args": ["--loud"],
    "pass_env": ["LANG"],
    "env": {"SIREN_TOKEN": "the-token"},
}))]
pub struct Settings {
    /// The program: a path, or a name to be found on the PATH. No shell is involved.
    program: String,
    /// Its arguments.
    #[serde(default)]
    args: Vec<String>,
    /// The folder that it runs in.
    directory: Option<PathBuf>,
    /// Variables of the hub's own environment to hand on, besides `PATH`.
    #[serde(default)]
    pass_env: Vec<String>,
    /// Variables to set. Their values count as secret.
    #[serde(default)]
    env: BTreeMap<String, Secret>,
    /// Exit codes that mean that the message will never be taken, so that it is not tried again.
    #[serde(default)]
    reject_codes: Vec<i32>,
}

impl Destination for Exec {
    const FACTS: Facts = Facts {
        kind: "exec",
        title: "Program",
        about: "Runs a program with the message as JSON on its standard input, and the main facts in \
                variables: `NIGHTBELL_KIND`, `_TITLE`, `_SEVERITY`, `_STATUS`, `_RECEIVER`, \
                `_DESTINATION`, `_GROUP_KEY`, `_LINK`, `_ALERTS` (how many) and `_IDEMPOTENCY_KEY`. \
                Exit code 0 means that the message is taken, 75 or death by a signal that it should \
                be tried again, one of `reject_codes` that it never will be; any other counts as a \
                fault.",
        docs: "",
        deduplicates: false,
    };
    const AUDIENCE: Audience = Audience::Machines;
    const LOCAL: bool = true;
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.program.is_empty() {
            return Err("program: is empty".to_owned());
        }
        let is_name = |name: &str| !name.is_empty() && !name.contains(['=', '\0']);
        if let Some(name) = settings.env.keys().find(|name| !is_name(name)) {
            return Err(format!("env.{name}: is no name of a variable"));
        }
        if let Some(name) = settings.pass_env.iter().find(|name| !is_name(name)) {
            return Err(format!("pass_env: {name:?} is no name of a variable"));
        }
        let texts = settings.args.iter().chain([&settings.program]).map(String::as_str);
        if texts.chain(settings.env.values().map(Secret::expose)).any(|text| text.contains('\0')) {
            return Err("args: neither program, args nor env can have a NUL".to_owned());
        }
        match settings.reject_codes.iter().find(|code| !(1..=255).contains(*code) || **code == TRY_AGAIN) {
            Some(code) => Err(format!("reject_codes: {code} is not within 1 to 255, or means to try again")),
            None => Ok(()),
        }
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let input = match shape::json(message) {
            Ok(input) => input,
            Err(reason) => return Answer::bare(Outcome::rejected(reason)),
        };
        let child = command(context, settings, message).spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => {
                return Answer::bare(Outcome::down(format!("{} does not start: {error}", settings.program)));
            }
        };
        // dropped on every way out of here, also when we are given up from outside
        let group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
        let mut output = Output::default();
        let run = run(&mut child, &input, &group, &mut output);
        let ended = tokio::time::timeout(context.timeout, run).await;
        let text = output.text();
        match ended {
            Ok(Ok(status)) => answer(settings, status, text),
            Ok(Err(error)) => {
                let outcome = Outcome::down(format!("{} cannot be waited for: {error}", settings.program));
                Answer { outcome, status: None, text }
            }
            Err(_) => {
                let outcome = Outcome::down(format!("no end within {:?}, so it was killed", context.timeout));
                Answer { outcome, status: None, text }
            }
        }
    }
}

fn command(context: &Context, settings: &Settings, message: &Message) -> Command {
    let mut command = Command::new(&settings.program);
    command.args(&settings.args).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    if let Some(directory) = &settings.directory {
        command.current_dir(directory);
    }
    for name in settings.pass_env.iter().map(String::as_str).chain(["PATH"]) {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(settings.env.iter().map(|(name, value)| (name, value.expose())));
    command.envs(facts(context, message));
    command
}

fn facts(context: &Context, message: &Message) -> impl Iterator<Item = (&'static str, OsString)> {
    let notification = &message.notification;
    let kind = serde_json::to_value(message.kind).unwrap_or_default();
    let alerts = notification.alerts.len().to_string();
    let all = [
        ("NIGHTBELL_KIND", kind.as_str().unwrap_or_default().to_owned()),
        ("NIGHTBELL_TITLE", message.title.clone()),
        ("NIGHTBELL_SEVERITY", message.severity.name().to_owned()),
        ("NIGHTBELL_STATUS", notification.status().to_owned()),
        ("NIGHTBELL_RECEIVER", notification.receiver.clone()),
        ("NIGHTBELL_DESTINATION", context.destination.clone()),
        ("NIGHTBELL_GROUP_KEY", notification.group_key.clone()),
        ("NIGHTBELL_LINK", message.link.clone()),
        ("NIGHTBELL_ALERTS", alerts),
        ("NIGHTBELL_IDEMPOTENCY_KEY", message.idempotency_key.clone()),
    ];
    // a NUL would keep the program from starting
    all.into_iter().map(|(name, value)| (name, cut(&value.replace('\0', " "), MAX_VARIABLE_CHARS).into()))
}

/// Feeds a program, listens to it, and waits for its end.
async fn run(
    child: &mut Child,
    input: &[u8],
    group: &Group,
    output: &mut Output,
) -> std::io::Result<ExitStatus> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // one that does not read to the end may still do its work
            let _ = stdin.write_all(input).await;
        }
    };
    let Output { stdout: out_head, stderr: error_head } = output;
    let talk = async { tokio::join!(feed, listen(stdout, out_head), listen(stderr, error_head)) };
    tokio::pin!(talk);
    let status = tokio::select! {
        status = child.wait() => status?,
        _ = &mut talk => {
            let status = child.wait().await?;
            group.kill();
            return Ok(status);
        }
    };
    // what it left behind may keep the pipes open
    group.kill();
    let _ = tokio::time::timeout(LAST_WORDS, talk).await;
    Ok(status)
}

/// Reads to the end and keeps the beginning.
async fn listen(pipe: Option<impl AsyncRead + Unpin>, head: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = pipe.read(&mut chunk).await {
        let room = MAX_ANSWER_BYTES.saturating_sub(head.len());
        head.extend_from_slice(&chunk[..length.min(room)]);
    }
}

/// The beginning of what a program says.
#[derive(Default)]
struct Output {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Output {
    fn text(&self) -> String {
        let mut all = self.stdout.clone();
        if !self.stdout.is_empty() && !self.stderr.is_empty() && !self.stdout.ends_with(b"\n") {
            all.push(b'\n');
        }
        // complaints count for more than chatter
        all.truncate(MAX_ANSWER_BYTES.saturating_sub(self.stderr.len()).max(MAX_ANSWER_BYTES / 2));
        all.extend_from_slice(&self.stderr);
        answer_head(&all)
    }
}

/// A process group that does not outlive this value.
struct Group(Option<Pid>);

impl Group {
    fn kill(&self) {
        if let Some(leader) = self.0 {
            // that there is nobody left to kill is what we want
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

fn answer(settings: &Settings, status: ExitStatus, text: String) -> Answer {
    let code = status.code();
    let outcome = match code {
        Some(0) => Outcome::delivered(),
        Some(TRY_AGAIN) => Outcome::down(format!("exit code {TRY_AGAIN}: asked to be tried again")),
        Some(code) if settings.reject_codes.contains(&code) => Outcome::rejected(format!("exit code {code}")),
        Some(code) => Outcome::down(format!("exit code {code}")),
        None => {
            let signal = std::os::unix::process::ExitStatusExt::signal(&status).unwrap_or_default();
            Outcome::down(format!("killed by signal {signal}"))
        }
    };
    Answer { outcome, status: code.map(i64::from), text }
}
