//! A program that runs beside us and never outlives us.
//!
//! A drop guard alone is not enough: Ctrl-C and `kill -9` run no drops. So a small shell stands between:
//! it holds the reading end of a pipe whose writing end is ours. However we end, the pipe closes, and the
//! shell stops the program and removes its folder.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::shell;

/// Arguments: the signal to stop it with, the log file, the folder to remove at the end (or nothing), and
/// then the program. The shell itself must not die of a Ctrl-C in the terminal: it has to clean up. A
/// program that does not stop when told to is killed.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
signal=$1 log=$2 folder=$3
shift 3
(trap - TERM HUP; exec "$@") >>"$log" 2>&1 </dev/null &
program=$!
exec 2>/dev/null # or the shell tells of what it kills
echo "$program"
read -r word
kill -"$signal" "$program"
(sleep 20; kill -KILL "$program") >/dev/null &
impatience=$!
wait "$program"
kill -KILL "$impatience"
if [ -n "$folder" ] && [ "$word" != keep ]; then rm -rf -- "$folder"; fi
"#;

/// A program with its keeper; dropping it stops the program and waits until it has ended.
#[derive(Debug)]
pub struct Kept {
    keeper: Child,
    pid: u32,
}

impl Kept {
    /// Starts a program whose output goes to `log`. It is stopped with `signal` (`INT`, `TERM`), and then
    /// `folder` is removed.
    pub fn start(program: &[String], signal: &str, log: &Path, folder: Option<&Path>) -> Result<Kept> {
        let mut keeper = Command::new("sh");
        keeper.args(["-c", SCRIPT, "keeper", signal]).arg(log);
        keeper.arg(folder.unwrap_or(Path::new(""))).args(program).current_dir(shell::root());
        keeper.stdin(Stdio::piped()).stdout(Stdio::piped());
        // settings meant for a real hub, such as its database, must not reach one of ours
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("NIGHTBELL_"))
        {
            keeper.env_remove(name);
        }
        let mut keeper = keeper.spawn().context("starting a shell")?;
        let mut line = String::new();
        if let Some(stdout) = keeper.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).context("reading a process number")?;
        }
        let pid = line.trim().parse().with_context(|| format!("starting {}", program.join(" ")))?;
        Ok(Kept { keeper, pid })
    }

    /// The program's number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the program is still running.
    pub fn runs(&self) -> bool {
        // one that has ended stays a zombie until its keeper is told to stop
        let state = shell::output(&mut shell::command("ps", ["-o", "stat=", "-p", &self.pid.to_string()]));
        state.is_ok_and(|state| !state.trim().is_empty() && !state.trim().starts_with('Z'))
    }

    /// Ends the program at once, giving it no chance to tidy up. Its folder stays.
    pub fn kill(mut self) -> Result<()> {
        if !shell::succeeds(&mut shell::command("kill", ["-KILL", &self.pid.to_string()])) {
            bail!("could not kill process {}", self.pid);
        }
        let keeper = self.keeper.stdin.as_mut().context("the keeper has no input")?;
        keeper.write_all(b"keep\n").context("talking to the keeper")
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
