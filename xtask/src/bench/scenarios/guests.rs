//! Plugins of each sort that do next to nothing: what is measured is how soon they are ready.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::bench::guest::Mood;
use crate::shell;
use crate::test::environments;

/// A plugin with these files, run by this Python if it is one in Python.
pub struct Guest {
    run: String,
    files: Vec<(&'static str, &'static str)>,
    python: PathBuf,
    program: Option<PathBuf>,
}

const SENTRY: &str = "
from sentry.plugins.bases.notify import NotificationPlugin
class Bench(NotificationPlugin):
    title = slug = 'bench'
    def notify_users(self, group, event): pass
";
const LUNA: &str = "
import aiohttp
from luna_plugins.base.plugins_meta.base_plugins import BaseBackgroundPlugin
class Bench(BaseBackgroundPlugin):
    async def initialize(self): pass
    async def start(self): pass
    async def close(self): pass
";
const CABOT: &str = "
from django.db import models
from cabot.cabotapp.alert import AlertPlugin, AlertPluginUserData
class BenchData(AlertPluginUserData):
    name = 'Bench'
    word = models.CharField(max_length=50)
class Bench(AlertPlugin):
    name = 'Bench'
    def send_alert(self, service, users, officers): pass
";

/// All for which there is a language, each with the line of the table that it stands in.
pub fn all() -> Result<Vec<(&'static str, Guest)>> {
    let program = std::env::current_exe().context("looking for this program")?;
    let command = |words: &[String]| format!("runtime = \"process\"\ncommand = {words:?}");
    let python = |compat: &str, module: &str| {
        format!("runtime = \"python\"\ncompat = \"{compat}\"\nmodule = \"{module}\"")
    };
    let plain = |run: String| Guest { run, files: Vec::new(), python: "python3".into(), program: None };
    let words = [program.display().to_string(), "bench-guest".to_owned(), Mood::Well.name()];
    let mut all = vec![("start_rust", plain(command(&words)))];
    if let Some(program) = go()? {
        let run = command(&["./guest".to_owned()]);
        all.push(("start_go", Guest { program: Some(program), ..plain(run) }));
    }
    let sentry = vec![("bench.py", SENTRY)];
    all.push(("start_sentry", Guest { files: sentry, ..plain(python("sentry", "bench:Bench")) }));
    let environments = environments::provide();
    let environment = |variable: &str| {
        let made = environments.iter().find(|(name, _)| *name == variable).map(|(_, python)| python.clone());
        made.or_else(|| std::env::var_os(variable).map(PathBuf::from))
    };
    if let Some(with_aiohttp) = environment("NIGHTBELL_TEST_LUNA_PYTHON") {
        let run = python("luna", "bench");
        all.push((
            "start_luna",
            Guest { files: vec![("bench.py", LUNA)], python: with_aiohttp, ..plain(run) },
        ));
    }
    if let Some(with_django) = environment("NIGHTBELL_TEST_DJANGO_PYTHON") {
        let files = vec![("bench/__init__.py", ""), ("bench/models.py", CABOT)];
        all.push(("start_cabot", Guest { files, python: with_django, ..plain(python("cabot", "bench")) }));
    }
    Ok(all)
}

/// The example in Go, built where there is a Go.
fn go() -> Result<Option<PathBuf>> {
    if shell::find("go", &[]).is_none() {
        println!("warning: there is no go, its plugin is left out");
        return Ok(None);
    }
    let folder = shell::target_folder()?.join("bench-go");
    let (examples, package) =
        (shell::root().join("plugins/examples/ports"), shell::root().join("plugins/go"));
    std::fs::create_dir_all(folder.join("nightbell")).context("making a folder")?;
    for (from, into) in [(examples, folder.clone()), (package, folder.join("nightbell"))] {
        for file in std::fs::read_dir(&from).with_context(|| from.display().to_string())? {
            let path = file.context("reading a folder")?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_source = name.ends_with(".go") && !name.ends_with("_test.go");
            if is_source || (name == "go.mod" && into == folder) {
                std::fs::copy(&path, into.join(name)).context("copying a source")?;
            }
        }
    }
    shell::run(shell::command("go", ["build", "-o", "guest", "."]).current_dir(&folder))?;
    Ok(Some(folder.join("guest")))
}

impl Guest {
    /// The plugin's files, and a configuration with it.
    pub fn write(&self, data: &Path) -> Result<String> {
        let folder = data.with_extension("plugins").join("guest");
        let manifest = format!(
            "[plugin]\nid = \"guest\"\nversion = \"1\"\ncontract = 1\n[run]\n{}\n[limits]\nstart = \"20s\"\n\
             [permissions]\nemit = true\nserve = true\n",
            self.run
        );
        for (path, text) in [("plugin.toml", manifest.as_str())].iter().chain(&self.files) {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(&folder)).context("making a folder")?;
            std::fs::write(path, text).context("writing a plugin")?;
        }
        if let Some(program) = &self.program {
            std::fs::copy(program, folder.join("guest")).context("copying a plugin")?;
        }
        Ok(format!(
            "[plugins]\nfolder = {:?}\nactive = [\"guest\"]\npython = {:?}\n[route]\nreceiver = \"all\"\n\
             [[receivers.all.inbox]]\n",
            data.with_extension("plugins").display().to_string(),
            self.python.display().to_string(),
        ))
    }
}
