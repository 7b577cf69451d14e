//! Where a run of a scenario takes place: a folder, a receiver, and the program under test in between.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::load::{Alerts, Load, post_all};
use super::sink::Sink;
use super::target::{Configuration, Kind, Routing, Target};

/// What to run, and how large.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Who is measured.
    pub kind: Kind,
    /// Where its program lies.
    pub program: PathBuf,
    /// Smaller loads: to see that it works, not how fast.
    pub quick: bool,
    /// The folder in which temporary folders are made: on a disk, not in memory.
    pub room: PathBuf,
    /// A data folder to work in, for a database that was filled before; otherwise each run gets a new one.
    pub data: Option<PathBuf>,
    /// Makes the alerts of this run unlike those of all others.
    pub name: String,
}

impl Setting {
    /// A number for a full run, and a smaller one for a quick run.
    pub fn size(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}

/// A program under test with its receiver and its folder; dropping it ends and removes all of them.
pub struct Stage {
    setting: Setting,
    routing: Routing,
    target: Option<Target>,
    /// What it tells.
    pub sink: Sink,
    /// What is sent.
    pub alerts: Arc<Alerts>,
    data: PathBuf,
    ours: Option<Ours>,
    _folder: TempDir,
}

/// Makes a `nightbell.toml` beside a data folder, for a receiver at this address, where what is measured is ours alone.
pub type Ours = Box<dyn Fn(&Path, SocketAddr) -> Result<String> + Send + Sync>;

impl Stage {
    /// Starts a receiver for so many alerts, and the program.
    pub async fn open(setting: &Setting, routing: Routing, alerts: usize) -> Result<Stage> {
        Stage::open_with(setting, routing, alerts, None).await
    }

    /// The same with a configuration of our own in place of the routing.
    pub async fn open_with(
        setting: &Setting,
        routing: Routing,
        alerts: usize,
        ours: Option<Ours>,
    ) -> Result<Stage> {
        let folder = TempDir::new_in(&setting.room).context("making a folder")?;
        let data = setting.data.clone().unwrap_or_else(|| folder.path().join("data"));
        std::fs::create_dir_all(&data).context("making a folder")?;
        let sink = Sink::open(alerts).await?;
        let alerts = Arc::new(Alerts::new(&setting.name));
        let mut stage = Stage {
            setting: setting.clone(),
            routing,
            target: None,
            sink,
            alerts,
            data,
            ours,
            _folder: folder,
        };
        stage.start().await?;
        Ok(stage)
    }

    /// Starts the program on what its predecessor left.
    pub async fn start(&mut self) -> Result<()> {
        let Setting { kind, program, .. } = &self.setting;
        let ours = self.ours.as_ref().map(|make| make(&self.data, self.sink.address)).transpose()?;
        let text = match ours {
            Some(text) => Configuration::Toml(text),
            None => Configuration::Alertmanager(self.routing.file(self.sink.address)),
        };
        let target = Target::start(*kind, program, &self.data, &text).await?;
        self.target = Some(target);
        Ok(())
    }

    /// `kill -9`.
    pub async fn kill(&mut self) -> Result<()> {
        self.target.take().context("killing what does not run")?.kill().await
    }

    /// Ends the program. In a folder that others work in later, the alerts are over before that: what is left
    /// is a longer past.
    pub async fn close(mut self, load: Load) -> Result<()> {
        if self.setting.data.is_some() && load.alerts > 0 {
            let target = self.target()?;
            post_all(target.address, &Arc::new(self.alerts.over()), load).await?;
            target.settle().await?;
        }
        self.kill().await
    }

    /// The folder that it keeps its data in.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The program, while it runs.
    pub fn target(&self) -> Result<&Target> {
        self.target.as_ref().context("asking what does not run")
    }

    /// Waits until all alerts have arrived. It fails when they do not, and when what arrives is unreadable.
    pub async fn all_delivered(&self, alerts: usize, most: Duration) -> Result<()> {
        let all = self.sink.wait_delivered(alerts, most).await;
        self.readable()?;
        if !all {
            bail!("{} of {alerts} alerts arrived in {} s", self.sink.ledger().delivered, most.as_secs());
        }
        Ok(())
    }

    /// Fails when something arrived that was no webhook: then counts would mean nothing.
    pub fn readable(&self) -> Result<()> {
        match self.sink.ledger().unreadable {
            0 => Ok(()),
            requests => bail!("{requests} requests to the receiver were no webhooks"),
        }
    }
}
