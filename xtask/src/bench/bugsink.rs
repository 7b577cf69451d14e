//! Bugsink beside us, where it is installed: the same errors, reported by the same generator.
//!
//! It answers when an event is in a file and a line in a table says so, and groups it later, in another process: so
//! its rate is taken from the first request until the last event is in an issue, as ours is.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::envelopes::{Envelopes, Reported};
use super::figures::Readings;
use super::http::Client;
use super::load::{Load, Posted, post_all};
use super::stage::Setting;
use super::target::{Usage, free_address, usage_with_children};
use crate::keeper::Kept;
use crate::shell;

/// What its servers are told with: the settings lie in the working folder.
const SETTINGS: [(&str, &str); 2] = [("PYTHONPATH", "."), ("DJANGO_SETTINGS_MODULE", "bugsink_conf")];
/// Processes that take requests: two for each processor, as is usual for gunicorn.
const WORKERS: &str = "--workers=4";
/// How long it may take to answer at all, and to group all that it took.
const MAX_START: Duration = Duration::from_secs(60);
const MAX_WORK: Duration = Duration::from_secs(240);
/// How often it is asked how far it is.
const LOOKS: Duration = Duration::from_millis(500);

/// Its version, for the report.
pub fn version(environment: &Path) -> Result<String> {
    let said = shell::output(&mut Command::new(environment.join("bin/bugsink-show-version")))?;
    Ok(format!("Bugsink {}", said.trim()))
}

/// A running Bugsink; dropping it ends all its processes.
struct Bugsink {
    python: PathBuf,
    folder: PathBuf,
    processes: Vec<Kept>,
    address: SocketAddr,
}

impl Bugsink {
    /// Makes its databases in a folder, and a project: the path that its programs report to.
    fn prepare(environment: &Path, folder: &Path) -> Result<String> {
        let run = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(environment.join("bin").join(program));
            command.current_dir(folder).envs(SETTINGS).args(arguments).stderr(Stdio::null());
            shell::output(&mut command)
        };
        let base = format!("--base-dir={}", folder.display());
        run("bugsink-create-conf", &["--template=singleserver", "--host=127.0.0.1", &base])?;
        run("bugsink-manage", &["migrate"])?;
        run("bugsink-manage", &["migrate", "--database=snappea"])?;
        let made = "from projects.models import Project; it = Project.objects.create(name='bench'); \
                    print('made', it.id, it.sentry_key.hex)";
        let said = run("bugsink-manage", &["shell", "-c", made])?;
        let mut words = said.lines().rev().find_map(|line| line.strip_prefix("made "));
        let (id, key) = words.take().and_then(|it| it.split_once(' ')).context("Bugsink made no project")?;
        Ok(format!("/api/{id}/envelope/?sentry_version=7&sentry_key={key}"))
    }

    /// Starts the server and the worker behind it, and waits until the server answers.
    async fn start(environment: &Path, folder: &Path) -> Result<Bugsink> {
        let address = free_address()?;
        let python = environment.join("bin/python");
        let mut it = Bugsink { python, folder: folder.to_owned(), processes: Vec::new(), address };
        let bind = format!("--bind={address}");
        let server = ["gunicorn", &bind, WORKERS, "--timeout=30", "bugsink.wsgi"];
        for arguments in [&server[..], &["bugsink-runsnappea"]] {
            let mut program = vec!["env".to_owned(), format!("--chdir={}", folder.display())];
            program.extend(SETTINGS.map(|(name, value)| format!("{name}={value}")));
            program.push(environment.join("bin").join(arguments[0]).display().to_string());
            program.extend(arguments[1..].iter().map(|it| (*it).to_owned()));
            let log = folder.join(format!("{}.log", arguments[0]));
            it.processes.push(Kept::start(&program, "TERM", &log, None)?);
        }
        let (begin, mut ticks) = (Instant::now(), tokio::time::interval(LOOKS));
        while begin.elapsed() < MAX_START {
            ticks.tick().await;
            let Ok(mut client) = Client::connect(address).await else { continue };
            if client.get("/health/ready").await.is_ok_and(|answer| answer.status < 500) {
                return Ok(it);
            }
        }
        bail!("Bugsink was not ready after {} s", MAX_START.as_secs())
    }

    /// Events that are in issues.
    fn grouped(&self) -> Result<usize> {
        let ask = "import sqlite3; print(sqlite3.connect('db.sqlite3', timeout=60).execute(\
                   'select coalesce(sum(digested_event_count), 0) from issues_issue').fetchone()[0])";
        let said = shell::output(Command::new(&self.python).current_dir(&self.folder).args(["-c", ask]))?;
        said.trim().parse().context("Bugsink's count of events")
    }

    /// Waits until so many are.
    async fn all_grouped(&self, count: usize) -> Result<()> {
        let (begin, mut ticks) = (Instant::now(), tokio::time::interval(LOOKS));
        while begin.elapsed() < MAX_WORK {
            ticks.tick().await;
            if self.grouped()? >= count {
                return Ok(());
            }
        }
        bail!("Bugsink grouped {} of {count} errors in {} s", self.grouped()?, MAX_WORK.as_secs())
    }

    /// What all its processes have used.
    fn usage(&self) -> Result<Usage> {
        let mut all = Usage::default();
        for process in &self.processes {
            all += usage_with_children(process.pid())?;
        }
        Ok(all)
    }
}

/// As many errors as are taken, in fifty issues, as [`super::scenarios`] has it for ours; fewer, for they take long.
pub async fn measure(setting: &Setting, envelope: fn(usize) -> Vec<u8>, clients: usize) -> Result<Readings> {
    let count = setting.size(800, 80);
    let folder = tempfile::TempDir::new_in(&setting.room).context("making a folder")?;
    let path = Bugsink::prepare(&setting.program, folder.path())?;
    let bugsink = Bugsink::start(&setting.program, folder.path()).await?;
    let before = bugsink.usage()?;
    let bodies = (0..count).map(envelope).collect();
    let load = Load { clients, batch: 1, alerts: count };
    let begin = Instant::now();
    let Posted { acks, .. } =
        post_all(bugsink.address, &Arc::new(Envelopes::to_one(path, bodies)), load).await?;
    bugsink.all_grouped(count).await?;
    let (elapsed, usage) = (begin.elapsed(), bugsink.usage()?);
    let worked = usage.cpu_microseconds.saturating_sub(before.cpu_microseconds);
    Ok(Reported { count, elapsed, acks, worked, peak_kib: usage.peak_resident_kib }.readings())
}
