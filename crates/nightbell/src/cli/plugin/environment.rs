//! An environment of Python, and what is in it: made and filled by uv where there is one, else by the module venv and
//! pip.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use plugin_host::INSTALLED;
use serde_json::Value;
use tokio::process::Command;

/// What each package in one version was downloaded as: `name==version`, and the sums of its files.
type Sums = BTreeMap<String, Vec<String>>;

/// An environment.
pub struct Environment {
    folder: PathBuf,
    python: PathBuf,
    uv: bool,
    /// the versions that are to be, in a file for the tool; what is not in there may be any
    locked: Option<tempfile::NamedTempFile>,
    /// what a lock said of packages, or the tool when it got them
    sums: Mutex<Sums>,
}

impl Environment {
    /// The one in a folder; made with this Python if it is not there. The versions are those of the lock that is found
    /// first, unless all are to be the newest.
    pub async fn at(folder: &Path, python: &str, locks: &[&Path], upgrade: bool) -> Result<Self> {
        let own = folder.join("bin/python");
        let uv = Command::new("uv").arg("--version").output().await.is_ok_and(|it| it.status.success());
        let lock = locks.iter().map(|it| it.join(INSTALLED)).find(|it| it.is_file());
        let lock = lock.filter(|_| !upgrade);
        let lock =
            lock.map(|lock| std::fs::read_to_string(&lock).with_context(|| lock.display().to_string()));
        let lock = lock.transpose()?.unwrap_or_default();
        let locked = match pins(&lock) {
            pins if pins.is_empty() => None,
            pins => Some(file_of(&pins.join("\n"))?),
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
        let sums = sums_of(&lock);
        let it = Environment { folder: folder.to_owned(), python: own, uv, locked, sums: Mutex::default() };
        if !uv && !folder.join("bin/pip").exists() {
            // another time it was made by uv
            ask(it.python().args(["-m", "ensurepip"])).await.context("making pip")?;
        }
        it.restore(&sums).await?;
        *it.sums() = sums;
        Ok(it)
    }

    fn sums(&self) -> std::sync::MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Installs what a lock knows the sums of, each as it was and not otherwise.
    async fn restore(&self, sums: &Sums) -> Result<()> {
        if sums.is_empty() {
            return Ok(());
        }
        let wanted = file_of(&as_lock(sums.keys().map(String::as_str), sums))?;
        let mut command = self.tool("install");
        command.args(["--quiet", "--no-deps", "--require-hashes", "-r"]).arg(wanted.path());
        let installed = ask(&mut command).await;
        installed.context("installing what the lock says: what has another sum than there is refused")?;
        Ok(())
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
        let report = file_of("")?;
        let reports = self.reports().await;
        if reports {
            command.arg("--report").arg(report.path());
        }
        ask(command.args(wanted)).await.with_context(|| format!("installing {}", wanted.join(" ")))?;
        if reports {
            let said = std::fs::read_to_string(report.path()).context("reading what was installed")?;
            let said = serde_json::from_str(&said).unwrap_or_default();
            self.sums().extend(downloaded(&said));
        }
        Ok(())
    }

    /// Whether the tool writes down what it got, which pip does since its version 22.2.
    async fn reports(&self) -> bool {
        if self.uv {
            return false;
        }
        let said = ask(self.python().args(["-m", "pip", "--version"])).await.unwrap_or_default();
        let version = said.split_whitespace().nth(1).unwrap_or_default().to_owned();
        let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        (parts.next(), parts.next()) >= (Some(22), Some(2))
    }

    /// Writes down what is in it, in which version and with which sums, as far as they are known, and says it.
    pub async fn lock(&self) -> Result<Vec<String>> {
        let frozen = ask(&mut self.tool("freeze")).await?;
        if self.uv {
            // without an index there are no sums
            let pinned = file_of(&pins(&frozen).join("\n"))?;
            let mut compile = self.tool("compile");
            compile.args(["--quiet", "--no-deps", "--no-header", "--no-annotate", "--generate-hashes"]);
            let compiled = ask(compile.arg(pinned.path())).await.unwrap_or_default();
            self.sums().extend(sums_of(&compiled));
        }
        let text = as_lock(frozen.lines(), &self.sums());
        let lock = self.folder.join(INSTALLED);
        std::fs::write(&lock, text).with_context(|| format!("writing {}", lock.display()))?;
        Ok(frozen.lines().map(str::to_owned).collect())
    }
}

fn file_of(text: &str) -> Result<tempfile::NamedTempFile> {
    let file = tempfile::Builder::new().suffix(".txt").tempfile().context("making a file")?;
    std::fs::write(file.path(), text).context("writing a file")?;
    Ok(file)
}

/// The versions in a lock, without what it says of where things came from, for which there is no version.
fn pins(lock: &str) -> Vec<&str> {
    let lines =
        lock.lines().map(|line| line.split(" --").next().unwrap_or(line).trim_end_matches('\\').trim());
    lines.filter(|line| line.contains("==") && !line.starts_with('#')).collect()
}

/// The sums in a lock, of what has any.
fn sums_of(lock: &str) -> Sums {
    let mut sums = Sums::new();
    // a line that ends with a backslash goes on in the next
    for line in lock.replace("\\\n", " ").lines().filter(|line| !line.trim_start().starts_with('#')) {
        let mut words = line.split_whitespace();
        let Some(pin) = words.next().filter(|pin| pin.contains("==")) else { continue };
        // what stands between them, such as `; python_version < "3.11"`, belongs to the pin
        let (all, between): (Vec<&str>, Vec<&str>) = words.partition(|word| word.starts_with("--hash="));
        if !all.is_empty() {
            let pin = std::iter::once(pin).chain(between).collect::<Vec<_>>().join(" ");
            let all = all.into_iter().map(|word| word.trim_start_matches("--hash=").to_owned());
            sums.insert(pin, all.collect());
        }
    }
    sums
}

/// What pip says that it has got.
fn downloaded(report: &Value) -> Sums {
    let packages = report["install"].as_array().into_iter().flatten();
    let sum = |package: &Value| {
        let (about, info) = (&package["metadata"], &package["download_info"]["archive_info"]);
        // one that somebody named by its address has no version in a lock
        let named = package["is_direct"].as_bool() == Some(true);
        let sum = info["hashes"]["sha256"].as_str().filter(|_| !named)?;
        Some((
            format!("{}=={}", about["name"].as_str()?, about["version"].as_str()?),
            vec![format!("sha256:{sum}")],
        ))
    };
    packages.filter_map(sum).collect()
}

/// The text of a lock, with the sums of what has any.
fn as_lock<'a>(lines: impl Iterator<Item = &'a str>, sums: &Sums) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line);
        // tools write names of packages in different ways
        let found = sums.iter().find(|(pin, _)| plain(pin) == plain(line));
        for sum in found.into_iter().flat_map(|(_, all)| all) {
            text.push_str(&format!(" \\\n    --hash={sum}"));
        }
        text.push('\n');
    }
    text
}

fn plain(pin: &str) -> String {
    pin.to_ascii_lowercase().replace(['_', '.'], "-")
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const LOCK: &str = "# as of today\nclapper==1.0 \\\n    --hash=sha256:ab \\\n    --hash=sha256:cd\n\
        Bell_Ringer==2.0\ntongue==3 ; python_version < \"3.12\" --hash=sha256:ef\ngong @ file:///gong.whl\n";

    #[test]
    fn a_lock_says_versions_and_sums_and_is_written_as_it_was_read() {
        let sums = sums_of(LOCK);
        let all = |pin: &str| sums.get(pin).map(|all| all.join(" "));
        assert_eq!(all("clapper==1.0").as_deref(), Some("sha256:ab sha256:cd"));
        assert_eq!(all("tongue==3 ; python_version < \"3.12\"").as_deref(), Some("sha256:ef"));
        assert_eq!(sums.len(), 2);
        let lines = ["Clapper==1.0", "gong @ file:///gong.whl"];
        let text = as_lock(lines.into_iter(), &sums);
        assert_eq!(
            text,
            "Clapper==1.0 \\\n    --hash=sha256:ab \\\n    --hash=sha256:cd\ngong @ file:///gong.whl\n"
        );
        assert_eq!(pins(&text), ["Clapper==1.0"]);
        assert_eq!(sums_of(&text).len(), 1);
    }

    #[test]
    fn what_pip_says_of_what_it_got_has_a_sum_unless_it_was_named_by_its_address() {
        let package = |name: &str, is_direct: bool| {
            json!({"metadata": {"name": name, "version": "1"}, "is_direct": is_direct,
                "download_info": {"archive_info": {"hashes": {"sha256": "ab"}}}})
        };
        let said = json!({"version": "1", "install": [package("clapper", false), package("gong", true)]});
        assert_eq!(downloaded(&said), Sums::from([("clapper==1".to_owned(), vec!["sha256:ab".to_owned()])]));
        assert_eq!(downloaded(&Value::Null), Sums::new());
    }
}
