//! The demo's hub: the real binary, started, killed and started again on the same data.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::client::Client;
use crate::keeper::Kept;

/// How long the hub may take until it answers.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// The hub.
pub struct Hub {
    binary: PathBuf,
    folder: PathBuf,
    address: SocketAddr,
    /// None while it is dead.
    kept: Option<Kept>,
}

impl Hub {
    /// Starts a hub on fresh data that tells these receivers.
    pub fn start(binary: PathBuf, port: u16, receivers: SocketAddr) -> Result<Hub> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_err() {
            bail!("port {port} is taken: stop what listens there, or choose another with --port");
        }
        // from the first start on, the folder is its keeper's to remove
        let folder = tempfile::Builder::new().prefix("nightbell-demo-").tempdir()?.keep();
        let config = include_str!("nightbell.toml").replace("PORT", &port.to_string());
        let config = config.replace("RECEIVERS", &receivers.to_string());
        std::fs::write(folder.join("nightbell.toml"), config).context("writing the configuration")?;
        let mut hub = Hub { binary, folder, address, kept: None };
        hub.wake()?;
        Ok(hub)
    }

    /// Starts the process, and waits until it answers.
    #[expect(clippy::disallowed_methods, reason = "another process gives no bell to wait for")]
    pub fn wake(&mut self) -> Result<()> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let program = [
            text(&self.binary),
            "serve".to_owned(),
            "--config".to_owned(),
            text(&self.folder.join("nightbell.toml")),
            "--listen".to_owned(),
            self.address.to_string(),
            "--data".to_owned(),
            text(&self.folder.join("data")),
        ];
        let log = self.folder.join("log");
        let kept = self.kept.insert(Kept::start(&program, "TERM", &log, Some(&self.folder))?);
        let client = Client { hub: self.address };
        let begin = Instant::now();
        while begin.elapsed() < START_DEADLINE && kept.runs() {
            if client.is_healthy() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        bail!(
            "the hub did not start; its log ends with\n{}",
            lines[lines.len().saturating_sub(10)..].join("\n")
        );
    }

    /// Kills the process with SIGKILL: it gets no chance to save anything.
    pub fn kill(&mut self) -> Result<()> {
        self.kept.take().context("the hub is dead already")?.kill()
    }

    /// Whether the process is running.
    pub fn runs(&self) -> bool {
        self.kept.as_ref().is_some_and(Kept::runs)
    }

    /// How to ask it things.
    pub fn client(&self) -> Client {
        Client { hub: self.address }
    }

    /// Where its data and log are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
