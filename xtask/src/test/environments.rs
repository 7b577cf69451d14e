//! Environments for tests that need packages of Python or of node: made once, in the target folder, when pip or npm
//! works.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::shell;

/// An environment, and the variable that tells the tests of it.
struct Environment {
    name: &'static str,
    variable: &'static str,
    packages: Packages,
}

/// What is installed.
enum Packages {
    /// Of Python, a file as pip reads it; and what is installed without the packages that it requires, if anything.
    Python { file: &'static str, alone: Option<&'static str> },
    /// Of node, a `package.json`; and what of theirs is wanted, in `node_modules`: a program, or a package's folder.
    Node { file: &'static str, wanted: &'static str },
}

const ENVIRONMENTS: &[Environment] = &[
    Environment {
        name: "python-django",
        variable: "NIGHTBELL_TEST_DJANGO_PYTHON",
        packages: Packages::Python {
            file: "plugins/python/tests/django.txt",
            alone: Some("plugins/python/tests/django-published.txt"),
        },
    },
    Environment {
        name: "python-sentry",
        variable: "NIGHTBELL_TEST_SENTRY_PYTHON",
        packages: Packages::Python {
            file: "plugins/python/tests/sentry.txt",
            alone: Some("plugins/python/tests/sentry-published.txt"),
        },
    },
    Environment {
        name: "python-luna",
        variable: "NIGHTBELL_TEST_LUNA_PYTHON",
        packages: Packages::Python { file: "plugins/python/tests/luna.txt", alone: None },
    },
    Environment {
        name: "python-components",
        variable: "NIGHTBELL_TEST_COMPONENTIZE_PYTHON",
        packages: Packages::Python { file: "plugins/examples/hook-py/requirements.txt", alone: None },
    },
    Environment {
        name: "node-components",
        variable: "NIGHTBELL_TEST_COMPONENTIZE_QJS",
        packages: Packages::Node {
            file: "plugins/examples/hook-js/package.json",
            wanted: ".bin/componentize-qjs",
        },
    },
    Environment {
        name: "python-errors",
        variable: "NIGHTBELL_TEST_ERRORS_PYTHON",
        packages: Packages::Python { file: "tests/errors/clients.txt", alone: None },
    },
    Environment {
        name: "python-argus",
        variable: "NIGHTBELL_TEST_ARGUS_PYTHON",
        packages: Packages::Python { file: "tests/argus/client.txt", alone: None },
    },
    Environment {
        name: "node-errors",
        variable: "NIGHTBELL_TEST_ERRORS_NODE",
        packages: Packages::Node { file: "tests/errors/package.json", wanted: "@sentry/node" },
    },
    Environment {
        name: "node-maps",
        variable: "NIGHTBELL_TEST_ERRORS_MAPS",
        packages: Packages::Node { file: "tests/errors/maps/package.json", wanted: ".bin" },
    },
];

/// The variable that names the folder of the documents that describe how other systems are extended.
const DOCUMENTS: &str = "NIGHTBELL_TEST_DOCUMENTS";

/// Where those documents are, for the tests, which then must not leave out what is in them.
pub fn documents() -> Option<(&'static str, PathBuf)> {
    if std::env::var_os(DOCUMENTS).is_some() {
        return None; // whoever sets it knows better
    }
    let folder = shell::root().join("../shared/seeds");
    if !folder.is_dir() {
        println!(
            "warning: no documents in {}, their tests are skipped: {DOCUMENTS} names another",
            folder.display()
        );
        return None;
    }
    Some((DOCUMENTS, folder))
}

/// Makes those that are not there and gives the variables. One that cannot be made is told, and its tests are skipped.
pub fn provide() -> Vec<(&'static str, PathBuf)> {
    let mut made = Vec::new();
    for environment in ENVIRONMENTS {
        if std::env::var_os(environment.variable).is_some() {
            continue; // whoever sets it knows better
        }
        match environment.make() {
            Ok(program) => made.push((environment.variable, program)),
            Err(why) => {
                println!("warning: no environment {}, its tests are skipped: {why:#}", environment.name);
            }
        }
    }
    made
}

impl Environment {
    /// The program in it. It is made anew when what belongs into it has changed.
    fn make(&self) -> Result<PathBuf> {
        let folder = shell::target_folder()?.join(self.name);
        let (program, wanted) = match self.packages {
            Packages::Python { file, alone } => {
                let wanted = format!("{}{}", read(file)?, alone.map_or(Ok(String::new()), read)?);
                (folder.join("bin/python"), wanted)
            }
            Packages::Node { file, wanted } => (folder.join("node_modules").join(wanted), read(file)?),
        };
        let mark = folder.join("made-of.txt");
        if program.exists() && fs::read_to_string(&mark).is_ok_and(|had| had == wanted) {
            return Ok(program);
        }
        shell::timed(&format!("the environment {}", self.name), || self.packages.install(&folder))?;
        fs::write(&mark, wanted).with_context(|| format!("writing {}", mark.display()))?;
        Ok(program)
    }
}

impl Packages {
    fn install(&self, folder: &Path) -> Result<()> {
        let place = folder.display().to_string();
        match self {
            Packages::Python { file, alone } => {
                shell::run(&mut shell::command("python3", ["-m", "venv", "--clear", &place]))?;
                let python = folder.join("bin/python");
                let install = |what: &[&str]| {
                    let words =
                        ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"];
                    let mut pip = shell::command(&python.to_string_lossy(), words);
                    shell::run(pip.args(what))
                };
                install(&["-r", file])?;
                alone.map_or(Ok(()), |alone| install(&["--no-deps", "-r", alone]))
            }
            Packages::Node { file, .. } => {
                fs::create_dir_all(folder).with_context(|| format!("making {place}"))?;
                fs::write(folder.join("package.json"), read(file)?)
                    .with_context(|| format!("writing into {place}"))?;
                let words = ["install", "--silent", "--no-audit", "--no-fund", "--prefix", &place];
                shell::run(&mut shell::command("npm", words))
            }
        }
    }
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(shell::root().join(file)).with_context(|| format!("reading {file}"))
}
