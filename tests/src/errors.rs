//! What stories of errors share: a project, and what the hub has made of its programs' reports.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::{Hub, skip, tool};

/// The variable that names a Python which has clients of Sentry.
pub const PYTHON: &str = "NIGHTBELL_TEST_ERRORS_PYTHON";

/// A new project as the command line shows it, and the address that its programs report to.
pub fn project(hub: &Hub, slug: &str) -> (Value, String) {
    let made = hub.says_json(&["project", "create", slug, "--platform", "python"]);
    let dsn = dsn(hub, &made, made["public_key"].as_str().unwrap());
    (made, dsn)
}

/// The address for a key of a project.
pub fn dsn(hub: &Hub, project: &Value, key: &str) -> String {
    format!("http://{key}@{}/{}", hub.address(), project["id"].as_str().unwrap())
}

/// The issues that a search finds; what is to be escaped in a URL is escaped already.
pub fn issues(hub: &Hub, query: &str) -> Vec<Value> {
    hub.get(&format!("/api/v1/issues?query={query}"))["items"].as_array().unwrap().clone()
}

/// The variable that names the folder of sentry-cli and esbuild, beside which @sentry/browser is.
const MAPS: &str = "NIGHTBELL_TEST_ERRORS_MAPS";

/// The programs that build and upload what browsers run.
pub struct Builders {
    programs: PathBuf,
    /// the package of sentry-cli
    cli: &'static str,
}

impl Builders {
    /// Where they are, or a loud word that the story is not told.
    pub fn find_or_skip() -> Option<Self> {
        let found =
            std::env::var_os(MAPS).map(|it| Builders { programs: PathBuf::from(it), cli: "@sentry/cli" });
        if found.is_none() {
            skip(&format!("{MAPS} is not set; `cargo xtask test` sets it"), false);
        }
        found
    }

    /// The same with the sentry-cli before this one, which bundlers' plugins still bring along.
    pub fn of_old(self) -> Self {
        Builders { cli: "sentry-cli-2", ..self }
    }

    /// Where packages are.
    fn packages(&self) -> &Path {
        self.programs.parent().unwrap()
    }

    /// A source of the tests.
    pub fn source(name: &str) -> String {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("errors/maps").join(name).display().to_string()
    }

    /// Builds a source into `app.min.js` in a folder, with a map beside it.
    pub fn build(&self, source: &str, folder: &Path) -> PathBuf {
        let file = folder.join("app.min.js");
        let mut esbuild = Command::new(self.programs.join("esbuild"));
        esbuild.arg(Builders::source(source)).args([
            "--bundle",
            "--minify",
            "--sourcemap",
            "--log-level=warning",
        ]);
        esbuild.arg(format!("--outfile={}", file.display()));
        // where what it needs of others is
        tool::run(esbuild.env("NODE_PATH", self.packages()));
        file
    }

    /// Runs sentry-cli for the project `shop` of a hub.
    pub fn sentry_cli(&self, hub: &Hub, token: &str, words: &[&str]) -> Output {
        let mut command = Command::new(self.packages().join(self.cli).join("bin/sentry-cli"));
        command.args(words).env("SENTRY_URL", hub.url()).env("SENTRY_AUTH_TOKEN", token);
        command.env("SENTRY_ORG", "any").env("SENTRY_PROJECT", "shop").env("SENTRY_LOG_LEVEL", "info");
        command.output().unwrap()
    }

    /// The same, when it has to work; what it said.
    pub fn sentry_cli_says(&self, hub: &Hub, token: &str, words: &[&str]) -> String {
        let output = self.sentry_cli(hub, token, words);
        assert!(output.status.success(), "{words:?}: {}", tool::both(&output));
        tool::both(&output)
    }
}

/// A new token with a scope.
pub fn token(hub: &Hub, scope: &str) -> String {
    hub.says_json(&["token", "create", scope, "--scope", scope])["secret"].as_str().unwrap().to_owned()
}
