//! Log: one line of JSON per message, in a file or on standard output.

use std::io::Write;
use std::path::{Path, PathBuf};

use model::delivery::Outcome;
use model::receiver::Audience;
use schemars::JsonSchema;
use sdk::{Answer, Context, Destination, Facts, Message};
use serde::Deserialize;

use crate::shape;

/// The kind `log`.
pub struct Log;

/// Where the lines go.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"path": "/var/log/nightbell/messages.jsonl"}))]
pub struct Settings {
    /// The file to append to; it is made when it is not there. Without one, lines go to standard output.
    path: Option<PathBuf>,
    /// Waits until each line is on the disk.
    #[serde(default)]
    fsync: bool,
}

impl Destination for Log {
    const FACTS: Facts = Facts {
        kind: "log",
        title: "Log",
        about: "Appends each message as one line of JSON to a file, or writes it to standard output. \
                The file is opened for each line, so it may be rotated at any time.",
        docs: "",
        deduplicates: false,
    };
    const AUDIENCE: Audience = Audience::Machines;
    const LOCAL: bool = true;
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        match &settings.path {
            Some(path) if path.as_os_str().is_empty() => Err("path: is empty".to_owned()),
            None if settings.fsync => Err("fsync: needs a `path`".to_owned()),
            _ => Ok(()),
        }
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let mut line = match shape::json(message) {
            Ok(line) => line,
            Err(reason) => return Answer::bare(Outcome::rejected(reason)),
        };
        line.push(b'\n');
        let (path, fsync) = (settings.path.clone(), settings.fsync);
        // a disk that hangs must not hang the other destinations
        let writing = tokio::task::spawn_blocking(move || match path {
            Some(path) => append(&path, &line, fsync),
            None => std::io::stdout().lock().write_all(&line),
        });
        let outcome = match tokio::time::timeout(context.timeout, writing).await {
            Ok(Ok(Ok(()))) => Outcome::delivered(),
            Ok(Ok(Err(error))) => Outcome::down(format!("the line cannot be written: {error}")),
            Ok(Err(error)) => Outcome::down(format!("the line cannot be written: {error}")),
            Err(_) => Outcome::down(format!("the line is not written within {:?}", context.timeout)),
        };
        Answer::bare(outcome)
    }
}

/// One write, so that lines of several writers do not mix.
fn append(path: &Path, line: &[u8], fsync: bool) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(line)?;
    if fsync { file.sync_data() } else { Ok(()) }
}
