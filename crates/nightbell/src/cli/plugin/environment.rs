//! An environment of Python, and what is in it: made and filled by uv where there is one, else by the module venv and
//! pip.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use plugin_host::INSTALLED;
use tokio::process::Command;

/// An environment.
pub struct Environment {
    folder: PathBuf,
    python: PathBuf,
    uv: bool,
    /// the versions that are to be, in a file for the tool; what is not in there may be any
    locked: Option<tempfile::NamedTempFile>,
}

impl Environment {
    /// The one in a folder; made with this Python if it is not there. The versions are those of the lock that is found
    /// first, unless all are to be the newest.
    pub async fn at(folder: &Path, python: &str, locks: &[&Path], upgrade: bool) -> Result<Self> {
        let own = folder.join("bin/python");
        let uv = Command::new("uv").arg("--version").output().await.is_ok_and(|it| it.status.success());
        let lock = locks.iter().map(|it| it.join(INSTALLED)).find(|it| it.is_file());
        let locked = match lock.filter(|_| !upgrade) {
            Some(lock) => Some(versions(&lock)?),
            None => None,
        };
        if !own.is_file() {
            std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
            let mut make = if uv {
                let mut make = Command::new("uv");
                make.args(["venv", "--quiet", "--allow-existing", "--python", python]);
                make
            } else {
                let mut make = Command::new(python);
                make.args(["-m", "venv"]);
                make
            };
            ask(make.arg(folder))
                .await
                .context("making the environment (Debian has the module venv in the package python3-venv)")?;
        }
        let it = Environment { folder: folder.to_owned(), python: own, uv, locked };
        if !uv && !folder.join("bin/pip").exists() {
            // another time it was made by uv
            ask(it.python().args(["-m", "ensurepip"])).await.context("making pip")?;
        }
        Ok(it)
    }

    /// Its Python.
    pub fn python(&self) -> Command {
        Command::new(&self.python)
    }

    /// The tool, with the beginning of what it is to do.
    fn tool(&self, what: &str) -> Command {
        let mut command = if self.uv { Command::new("uv") } else { self.python() };
        if self.uv {
            command.args(["pip", what, "--python"]).arg(&self.python);
        } else {
            command.args(["-m", "pip", what, "--disable-pip-version-check"]);
        }
        command
    }

    /// Installs what is wanted, with or without what that requires.
    pub async fn install(&self, wanted: &[String], upgrade: bool, with_others: bool) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let mut command = self.tool("install");
        command.arg("--quiet");
        if upgrade {
            command.arg("--upgrade");
        }
        if !with_others {
            command.arg("--no-deps");
        }
        if let Some(locked) = &self.locked {
            command.arg("--constraint").arg(locked.path());
        }
        ask(command.args(wanted)).await.with_context(|| format!("installing {}", wanted.join(" ")))?;
        Ok(())
    }

    /// Writes down what is in it, in which version, and says it.
    pub async fn lock(&self) -> Result<String> {
        let locked = ask(&mut self.tool("freeze")).await?;
        let lock = self.folder.join(INSTALLED);
        std::fs::write(&lock, &locked).with_context(|| format!("writing {}", lock.display()))?;
        Ok(locked)
    }
}

/// The versions in a lock, without what it says of where things came from, for which there is no version.
fn versions(lock: &Path) -> Result<tempfile::NamedTempFile> {
    let text = std::fs::read_to_string(lock).with_context(|| lock.display().to_string())?;
    let lines =
        text.lines().map(|line| line.split(" --").next().unwrap_or(line).trim_end_matches('\\').trim());
    let pinned: Vec<&str> = lines.filter(|line| line.contains("==") && !line.starts_with('#')).collect();
    let file = tempfile::Builder::new().suffix(".txt").tempfile().context("making a file")?;
    std::fs::write(file.path(), pinned.join("\n")).context("writing a file")?;
    Ok(file)
}

/// Runs a program; what it says, or what it complains of.
pub async fn ask(command: &mut Command) -> Result<String> {
    let output = command.output().await.with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = complaint.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        bail!("{}: {last}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
