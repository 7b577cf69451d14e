//! `nightbell plugin install`: an environment of Python for a plugin, with what it requires.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use plugin_host::{INSTALLED, folder};
use plugin_protocol::manifest::{Compat, Runtime};
use serde_json::json;
use tokio::process::Command;

use crate::output::Output;
use crate::plugins;

/// Distributions of the systems that a plugin was written for: we stand in for them, so they are never installed.
/// `BeautifulSoup` is one of Python 2 that plugins of Sentry name.
const STAND_INS: [&str; 6] =
    ["sentry", "cabot", "argus-server", "argus_server", "nightbell-plugin", "BeautifulSoup"];
/// What plugins of Cabot and Argus need beside what they say.
const DJANGO: &str = "django>=4.2,<6";

/// Where environments of Python are.
#[derive(clap::Args)]
pub struct Data {
    /// The folder where environments are kept: that of the server's database, or `plugins.home`
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
}

impl Data {
    /// The folder with a folder for each plugin.
    pub fn environments(&self) -> PathBuf {
        self.data.join("plugin-env")
    }
}

/// Make the environment of a plugin in Python, and install what it requires
#[derive(clap::Args)]
pub struct Install {
    /// Its folder
    folder: PathBuf,
    #[command(flatten)]
    data: Data,
    /// The Python that it is made with
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: String,
    /// Packages to install whose own requirements are looked at, too: a system's plugin from PyPI or a folder
    #[arg(long = "package", value_name = "PACKAGE")]
    packages: Vec<String>,
}

impl Install {
    pub async fn run(self, output: Output) -> Result<()> {
        let found = folder::read(&self.folder).map_err(|bad| anyhow!("{bad}"))?;
        let run = &found.manifest.run;
        if run.runtime != Runtime::Python {
            bail!("{}: only plugins with the runtime python have an environment", found.id());
        }
        let environment = self.data.environments().join(found.id());
        let python = environment.join("bin/python");
        if !python.is_file() {
            std::fs::create_dir_all(&environment)
                .with_context(|| format!("making {}", environment.display()))?;
            ask(Command::new(&self.python).args(["-m", "venv"]).arg(&environment))
                .await
                .context("making the environment (Debian has the module venv in the package python3-venv)")?;
        }
        let needs_django = matches!(run.compat, Some(Compat::Cabot | Compat::Argus));
        let mut wanted: Vec<String> = run.requirements.iter().filter(|it| !stands_in(it)).cloned().collect();
        wanted.extend(needs_django.then(|| DJANGO.to_owned()));
        if !wanted.is_empty() {
            pip(&python, &[], &wanted).await?;
        }
        for package in &self.packages {
            pip(&python, &["--no-deps"], std::slice::from_ref(package)).await?;
            let more = requirements_of(&python, package).await?;
            let more: Vec<String> = more.into_iter().filter(|it| !stands_in(it)).collect();
            if !more.is_empty() {
                pip(&python, &[], &more).await?;
            }
        }
        if let (Some(Compat::Cabot), Some(module)) = (run.compat, &run.module) {
            port(&python, &found.folder, &plugins::sdk(&self.data.data)?, module).await?;
        }
        let locked = ask(Command::new(&python).args(["-m", "pip", "freeze"])).await?;
        let lock = environment.join(INSTALLED);
        std::fs::write(&lock, &locked).with_context(|| format!("writing {}", lock.display()))?;
        let answer = json!({ "environment": environment, "locked": locked.lines().collect::<Vec<_>>() });
        output.answer(&answer, || format!("{} is installed in {}", found.id(), environment.display()))
    }
}

/// Whether a requirement is one of the systems that we stand in for.
fn stands_in(requirement: &str) -> bool {
    let name = requirement.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
    let name = name.map(str::trim).find(|name| !name.is_empty()).unwrap_or_default();
    STAND_INS.iter().any(|it| name.eq_ignore_ascii_case(it))
}

async fn pip(python: &Path, flags: &[&str], wanted: &[String]) -> Result<()> {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(flags).args(wanted);
    ask(&mut command).await.with_context(|| format!("installing {}", wanted.join(" ")))?;
    Ok(())
}

/// Converts what of these packages is written for Python 2. What cannot be converted is told.
async fn port(python: &Path, folder: &Path, sdk: &Path, module: &str) -> Result<()> {
    let path = std::env::join_paths([sdk, folder]).context("a folder with a colon in its name")?;
    let mut command = Command::new(python);
    command.args(["-m", "nightbell_plugin.compat.port", "--module", module]).env("PYTHONPATH", path);
    ask(&mut command).await.with_context(|| format!("converting {module} to Python 3"))?;
    Ok(())
}

/// What an installed package says that it requires.
async fn requirements_of(python: &Path, package: &str) -> Result<Vec<String>> {
    let question = include_str!("templates/requirements.py");
    let said = ask(Command::new(python).args(["-c", question, package])).await;
    let said = said.with_context(|| format!("asking what {package} requires"))?;
    Ok(said.lines().map(str::to_owned).filter(|line| !line.is_empty()).collect())
}

/// Runs a program; what it says, or what it complains of.
async fn ask(command: &mut Command) -> Result<String> {
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

    #[test]
    fn systems_that_we_stand_in_for_are_not_installed() {
        for one in ["sentry", "sentry>=5.0.0", "Sentry (>=5)", "argus-server>=1.9"] {
            assert!(stands_in(one), "{one}");
        }
        for other in ["sentry-sdk", "requests", "cabot-alert-slack==0.8"] {
            assert!(!stands_in(other), "{other}");
        }
    }
}
