//! What is done to plugins of a running server when somebody wants it over the API, and takes its time: to look whether
//! one keeps the contract, and to install one.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use plugin_host::folder::{Found, discover};
use plugin_host::{Host, conformance};
use server::NotOverridden;
use server::jobs::{Beginning, Progress, Told, Work};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use super::reload::Inner;
use crate::plugins;

/// How long an install may take.
const INSTALL_TIME: Duration = Duration::from_secs(15 * 60);
/// How long a plugin that was looked at may take to end.
const END_TIME: Duration = Duration::from_secs(15);
/// Bytes of what an install says that are read.
const MAX_SAID: u64 = 1024 * 1024;
/// Variables that tools which install packages need; what else the hub has in its environment is none of theirs.
const HANDED_ON: [&str; 15] = [
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "XDG_CACHE_HOME",
];
/// What the names of those begin with that say where packages come from.
const OF_TOOLS: [&str; 2] = ["PIP_", "UV_"];

impl Inner {
    /// Gets ready to do it, or says why it cannot be done.
    pub(super) fn work_on_plugin(
        &self,
        id: &str,
        work: Work,
        told: Told,
    ) -> Result<Beginning, NotOverridden> {
        let turn = self.workshop.clone().try_lock_owned().map_err(|_| {
            let why = "another plugin is being looked at or installed: one at a time";
            NotOverridden::Unusable(why.to_owned())
        })?;
        let wanted = self.in_force().settings.config.plugins.clone();
        let folder = self.plugins_folder(wanted.folder.as_deref());
        let found = discover(&folder).found.remove(&id.to_ascii_lowercase()).ok_or_else(|| {
            NotOverridden::Unknown(format!("there is no plugin {id:?} in {}", folder.display()))
        });
        let (tasks, stop) = (self.tasks.clone(), self.stop.clone());
        let install = match work {
            Work::Check => {
                let (found, host) = (found?, self.host.clone());
                if wanted.users.contains_key(found.id()) {
                    let why = "it runs as a user of its own: look at it as that user, with `nightbell plugin check`";
                    return Err(NotOverridden::Unusable(why.to_owned()));
                }
                return Ok(Box::new(move || {
                    tasks.spawn(async move {
                        let looked = stop.run_until_cancelled(check(&host, &found, &told)).await;
                        told(Progress::Ended(looked.unwrap_or_else(stopping)));
                        drop(turn);
                    });
                }));
            }
            Work::Install { .. } if !wanted.remote_install => {
                let why = "plugins are not installed over HTTP here: plugins.remote_install is not true";
                return Err(NotOverridden::Forbidden(why.to_owned()));
            }
            Work::Install { package: Some(package), upgrade } => (package, upgrade),
            Work::Install { package: None, upgrade } => (found?.folder.display().to_string(), upgrade),
        };
        // environments lie in a folder of the one that is named
        let environment = self.host.environment("any");
        let home = environment.ancestors().nth(2).unwrap_or(Path::new(".")).to_owned();
        let command = installing(&install, &home, &folder, &wanted.python)?;
        Ok(Box::new(move || {
            tasks.spawn(async move {
                let installed = stop.run_until_cancelled(run(command, &told)).await;
                told(Progress::Ended(installed.unwrap_or_else(stopping)));
                drop(turn);
            });
        }))
    }
}

fn stopping() -> Result<(), String> {
    Err("the server is stopping".to_owned())
}

/// Looks at one, beside the one that runs.
async fn check(host: &Host, found: &Found, told: &Told) -> Result<(), String> {
    let states = tempfile::tempdir().map_err(|error| format!("making a folder: {error}"))?;
    plugins::provide(host).map_err(|error| format!("{error:#}"))?;
    let apart = host.apart(states.path().to_owned());
    let report = conformance::look(&apart, found).await;
    apart.stop(END_TIME).await;
    told(Progress::Checked(Box::new(report)));
    Ok(())
}

/// This very program, as who is at the machine would run it.
fn installing(
    (what, upgrade): &(String, bool),
    home: &Path,
    folder: &Path,
    python: &str,
) -> Result<Command, NotOverridden> {
    let unusable = |error: std::io::Error| NotOverridden::Unusable(format!("finding this program: {error}"));
    let mut command = Command::new(std::env::current_exe().map_err(unusable)?);
    command.args(["plugin", "install", what, "--python", python]).arg("--data").arg(home);
    command.arg("--plugins").arg(std::path::absolute(folder).map_err(unusable)?);
    if *upgrade {
        command.arg("--upgrade");
    }
    let wanted = |name: &str| HANDED_ON.contains(&name) || OF_TOOLS.iter().any(|it| name.starts_with(it));
    let all = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(wanted));
    command.env_clear().envs(all).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// Runs it to its end, and says what it says.
async fn run(mut command: Command, told: &Told) -> Result<(), String> {
    let mut child = command.spawn().map_err(|error| format!("it cannot be begun: {error}"))?;
    let said = |output: Option<Box<dyn AsyncRead + Unpin + Send>>| async move {
        let Some(output) = output else { return };
        let mut lines = BufReader::new(output.take(MAX_SAID)).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            told(Progress::Line(line));
        }
    };
    let (output, errors) = (child.stdout.take().map(boxed), child.stderr.take().map(boxed));
    let whole = async {
        let (status, (), ()) = tokio::join!(child.wait(), said(output), said(errors));
        status
    };
    match tokio::time::timeout(INSTALL_TIME, whole).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("{status}: the log says why")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("it was ended after {INSTALL_TIME:?}")),
    }
}

fn boxed(output: impl AsyncRead + Unpin + Send + 'static) -> Box<dyn AsyncRead + Unpin + Send> {
    Box::new(output)
}
