//! Where things that plugins need are on this machine.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where things are on this machine.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Where each plugin has its state, in a folder named like it.
    pub states: PathBuf,
    /// Where each plugin that needs one has its environment of Python, in a folder named like it.
    pub environments: PathBuf,
    /// Where the Python package of ours is.
    pub sdk: PathBuf,
    /// The Python that is used where there is no environment.
    pub python: PathBuf,
    /// The environment of the hub.
    pub environment: BTreeMap<OsString, OsString>,
    /// Whether a plugin that cannot be isolated as it should be is refused.
    pub require_isolation: bool,
    /// What interpreters said of themselves.
    pub interpreters: Interpreters,
}

/// An interpreter, and what it must be able to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The program.
    pub program: PathBuf,
    /// Its folders.
    pub needs: Vec<PathBuf>,
}

/// What interpreters said of themselves, by the names that they were asked under: asking takes as long as starting one.
#[derive(Clone, Debug, Default)]
pub struct Interpreters(Arc<Mutex<BTreeMap<PathBuf, Interpreter>>>);

impl Interpreters {
    /// The one of this name, if it is still there.
    pub fn get(&self, name: &Path) -> Option<Interpreter> {
        self.all().get(name).filter(|it| it.program.is_file()).cloned()
    }

    /// Keeps what it said.
    pub fn keep(&self, name: &Path, interpreter: &Interpreter) {
        self.all().insert(name.to_owned(), interpreter.clone());
    }

    /// Forgets all: the same names may be others by now.
    pub fn forget(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Interpreter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// The folder of a plugin's state.
    pub fn state(&self, id: &str) -> PathBuf {
        self.states.join(id)
    }

    /// The Python for a plugin: that of its own environment, or the common one.
    pub fn python_of(&self, id: &str) -> PathBuf {
        let own = self.environments.join(id).join("bin/python");
        if own.is_file() { own } else { self.python.clone() }
    }

    /// A program by its name.
    pub fn on_path(&self, name: &str) -> Option<PathBuf> {
        let path = self.environment.get(OsStr::new("PATH"))?;
        std::env::split_paths(path).map(|folder| folder.join(name)).find(|program| program.is_file())
    }
}
