//! Environments of Python for tests that need packages: made once, in the target folder, when pip works.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::shell;

/// An environment, and the variable that tells the tests of it.
struct Environment {
    name: &'static str,
    variable: &'static str,
    /// What is installed, a file as pip reads it.
    packages: &'static str,
    /// What is installed without the packages that it requires, if anything.
    alone: Option<&'static str>,
}

const ENVIRONMENTS: &[Environment] = &[
    Environment {
        name: "python-django",
        variable: "NIGHTBELL_TEST_DJANGO_PYTHON",
        packages: "plugins/python/tests/django.txt",
        alone: Some("plugins/python/tests/django-published.txt"),
    },
    Environment {
        name: "python-sentry",
        variable: "NIGHTBELL_TEST_SENTRY_PYTHON",
        packages: "plugins/python/tests/sentry.txt",
        alone: Some("plugins/python/tests/sentry-published.txt"),
    },
    Environment {
        name: "python-luna",
        variable: "NIGHTBELL_TEST_LUNA_PYTHON",
        packages: "plugins/python/tests/luna.txt",
        alone: None,
    },
    Environment {
        name: "python-argus",
        variable: "NIGHTBELL_TEST_ARGUS_PYTHON",
        packages: "tests/argus/client.txt",
        alone: None,
    },
];

/// Makes those that are not there and gives the variables. One that cannot be made is told, and its tests are skipped.
pub fn provide() -> Vec<(&'static str, PathBuf)> {
    let mut made = Vec::new();
    for environment in ENVIRONMENTS {
        if std::env::var_os(environment.variable).is_some() {
            continue; // whoever sets it knows better
        }
        match environment.make() {
            Ok(python) => made.push((environment.variable, python)),
            Err(why) => {
                println!("warning: no environment {}, its tests are skipped: {why:#}", environment.name);
            }
        }
    }
    made
}

impl Environment {
    /// The Python in it. It is made anew when what belongs into it has changed.
    fn make(&self) -> Result<PathBuf> {
        let folder = shell::target_folder()?.join(self.name);
        let python = folder.join("bin/python");
        let wanted = format!("{}{}", read(self.packages)?, self.alone.map_or(Ok(String::new()), read)?);
        let mark = folder.join("made-of.txt");
        if python.exists() && fs::read_to_string(&mark).is_ok_and(|had| had == wanted) {
            return Ok(python);
        }
        shell::timed(&format!("the environment {}", self.name), || {
            let place = folder.display().to_string();
            shell::run(&mut shell::command("python3", ["-m", "venv", "--clear", &place]))?;
            Self::install(&python, &["-r", self.packages])?;
            self.alone.map_or(Ok(()), |alone| Self::install(&python, &["--no-deps", "-r", alone]))
        })?;
        fs::write(&mark, wanted).with_context(|| format!("writing {}", mark.display()))?;
        Ok(python)
    }

    fn install(python: &Path, what: &[&str]) -> Result<()> {
        let words = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"];
        let mut pip = shell::command(&python.to_string_lossy(), words);
        shell::run(pip.args(what))
    }
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(shell::root().join(file)).with_context(|| format!("reading {file}"))
}
