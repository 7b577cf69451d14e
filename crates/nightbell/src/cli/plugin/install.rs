//! `nightbell plugin install`: an environment of Python for a plugin, with what it requires.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use plugin_host::folder::{self, Found};
use plugin_protocol::manifest::{Compat, Runtime};
use plugin_protocol::provides::{is_word, of_package};
use serde_json::{Value, json};

use super::environment::{Environment, ask};
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
        plugins::environments(&self.data)
    }
}

/// Make the environment of a plugin in Python, and install what it requires; of a package, make the plugin, too
#[derive(clap::Args)]
pub struct Install {
    /// Its folder, or the name of a package that is a plugin
    what: String,
    #[command(flatten)]
    data: Data,
    /// The folder of plugins, in which a package gets a folder; plugins/ in that of the environments, if not given
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// The Python that it is made with
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: String,
    /// Packages to install whose own requirements are looked at, too: a system's plugin from PyPI or a folder
    #[arg(long = "package", value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Install the newest that there is, in place of what the lock says
    #[arg(long)]
    upgrade: bool,
}

impl Install {
    pub async fn run(self, output: Output) -> Result<()> {
        let path = Path::new(&self.what);
        let (found, environment) = if path.exists() || self.what.contains('/') {
            let found = folder::read(path).map_err(|bad| anyhow!("{bad}"))?;
            let environment = self.fill(&found).await?;
            (found, environment)
        } else {
            self.make().await?
        };
        let run = &found.manifest.run;
        if let (Some(Compat::Cabot), Some(module)) = (run.compat, &run.module) {
            port(&environment, &found.folder, &plugins::sdk(&self.data.data)?, module).await?;
        }
        let locked = environment.lock().await?;
        let place = self.data.environments().join(found.id());
        let answer = json!({
            "plugin": found.place, "environment": place, "locked": locked
        });
        output.answer(&answer, || format!("{} is installed in {}", found.id(), place.display()))
    }

    /// The environment of a plugin that has a folder, with what its manifest requires.
    async fn fill(&self, found: &Found) -> Result<Environment> {
        let run = &found.manifest.run;
        if run.runtime != Runtime::Python {
            bail!("{}: only plugins with the runtime python have an environment", found.id());
        }
        let place = self.data.environments().join(found.id());
        // who wrote the plugin knows best what it was tried with
        let locks = [found.folder.as_path(), place.as_path()];
        let environment = Environment::at(&place, &self.python, &locks, self.upgrade).await?;
        let mut wanted: Vec<String> = run.requirements.iter().filter(|it| !stands_in(it)).cloned().collect();
        wanted.extend(needs_django(run.compat).then(|| DJANGO.to_owned()));
        environment.install(&wanted, self.upgrade, true).await?;
        for package in &self.packages {
            self.add(&environment, package).await?;
        }
        Ok(environment)
    }

    /// A package with what it requires, but for the systems that it was written for.
    async fn add(&self, environment: &Environment, package: &str) -> Result<()> {
        environment.install(&[package.to_owned()], self.upgrade, false).await?;
        let question = include_str!("templates/requirements.py");
        let said = ask(environment.python().args(["-c", question, package])).await;
        let said = said.with_context(|| format!("asking what {package} requires"))?;
        let more = said.lines().filter(|line| !line.is_empty() && !stands_in(line)).map(str::to_owned);
        environment.install(&more.collect::<Vec<_>>(), self.upgrade, true).await
    }

    /// The folder of a plugin that is a package, which is known by its entry points or by its name, and its
    /// environment.
    async fn make(&self) -> Result<(Found, Environment)> {
        let name = self.what.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
        let name = name.map(str::to_owned).next().unwrap_or_default();
        let id = of_package(&name);
        if !is_word(&id) {
            bail!("{:?} is neither a folder with a plugin.toml nor the name of a package", self.what);
        }
        let plugins = self.plugins.clone().unwrap_or_else(|| self.data.data.join("plugins"));
        let (place, folder) = (self.data.environments().join(&id), plugins.join(&id));
        let locks = [folder.as_path(), place.as_path()];
        let environment = Environment::at(&place, &self.python, &locks, self.upgrade).await?;
        for package in std::iter::once(&self.what).chain(&self.packages) {
            self.add(&environment, package).await?;
        }
        let question = include_str!("templates/provides.py");
        let said = ask(environment.python().args(["-c", question, &name])).await;
        let said = said.with_context(|| format!("looking what {name} provides"))?;
        let said: Value = serde_json::from_str(&said).context("looking what it provides")?;
        let manifest = folder.join("plugin.toml");
        if !manifest.is_file() {
            std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
            let text = manifest_of(&id, &self.what, &said)?;
            std::fs::write(&manifest, text).with_context(|| format!("writing {}", manifest.display()))?;
        }
        let found = folder::read(&folder).map_err(|bad| anyhow!("{bad}"))?;
        if needs_django(found.manifest.run.compat) {
            environment.install(&[DJANGO.to_owned()], self.upgrade, true).await?;
        }
        Ok((found, environment))
    }
}

/// The manifest of a plugin that is a package.
fn manifest_of(id: &str, package: &str, said: &Value) -> Result<String> {
    let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    let mut about = toml::Table::new();
    about.insert("id".to_owned(), id.into());
    about.insert("version".to_owned(), text("version").into());
    about.insert("contract".to_owned(), i64::from(plugin_protocol::CONTRACT).into());
    about.insert("description".to_owned(), text("about").into());
    let mut run = toml::Table::new();
    run.insert("runtime".to_owned(), "python".into());
    run.insert("module".to_owned(), text("module").into());
    match said["compat"].as_str().filter(|it| !it.is_empty()) {
        // what it requires beside the other system is found by its name only
        Some(compat) => run.insert("compat".to_owned(), compat.into()),
        None => run.insert("requirements".to_owned(), toml::Value::Array(vec![package.into()])),
    };
    let mut whole = toml::Table::new();
    whole.insert("plugin".to_owned(), about.into());
    whole.insert("run".to_owned(), run.into());
    toml::to_string(&whole).context("writing its manifest")
}

/// Whether plugins of this system run with Django.
fn needs_django(compat: Option<Compat>) -> bool {
    matches!(compat, Some(Compat::Cabot | Compat::Argus))
}

/// Whether a requirement is one of the systems that we stand in for.
fn stands_in(requirement: &str) -> bool {
    let name = requirement.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
    let name = name.map(str::trim).find(|name| !name.is_empty()).unwrap_or_default();
    STAND_INS.iter().any(|it| name.eq_ignore_ascii_case(it))
}

/// Converts what of these packages is written for Python 2. What cannot be converted is told.
async fn port(environment: &Environment, folder: &Path, sdk: &Path, module: &str) -> Result<()> {
    let path = std::env::join_paths([sdk, folder]).context("a folder with a colon in its name")?;
    let mut command = environment.python();
    command.args(["-m", "nightbell_plugin.compat.port", "--module", module]).env("PYTHONPATH", path);
    ask(&mut command).await.with_context(|| format!("converting {module} to Python 3"))?;
    Ok(())
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
