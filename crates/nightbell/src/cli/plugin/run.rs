//! `nightbell plugin run`: a plugin on the bench, which is started anew when its files change.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

use super::bench::{Bench, END_TIME, as_line, found_at};
use super::install::Data;
use crate::{log, words};

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Run a plugin without a server until Ctrl-C, and show what it says
#[derive(clap::Args)]
pub struct Run {
    /// Its folder, or its file
    folder: PathBuf,
    #[command(flatten)]
    data: Data,
    /// Start it anew whenever its files change
    #[arg(long)]
    watch: bool,
    /// Send a test message, really, whenever it has started
    #[arg(long)]
    test: bool,
    /// Which of its kinds that is sent to; the first, if not given
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// A setting of the destination, such as room=alerts; JSON where it is no text
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = words::setting)]
    set: Vec<(String, Value)>,
    /// A setting of the plugin
    #[arg(long = "plugin-set", value_name = "NAME=VALUE", value_parser = words::setting)]
    plugin_set: Vec<(String, Value)>,
}

impl Run {
    pub async fn run(self) -> Result<()> {
        log::start(&config::Log::default())?;
        let mut bench = Bench::of(&self.folder, &self.data, &words::table(&self.plugin_set)).await?;
        self.try_out(&bench).await;
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = String::new();
        loop {
            tokio::select! {
                stopped = tokio::signal::ctrl_c() => {
                    stopped?;
                    break;
                }
                _ = ticks.tick(), if self.watch => {}
            }
            let changed = match found_at(&self.folder) {
                Ok(found) => bench.take(found, &words::table(&self.plugin_set)).await,
                Err(error) => Err(error),
            };
            match changed {
                Ok(false) => {}
                Ok(true) => {
                    told.clear();
                    self.try_out(&bench).await;
                }
                // what is being written may be wrong for a while, and is told of once
                Err(error) => {
                    let words = format!("{error:#}");
                    if told != words {
                        tracing::error!("not started anew: {words}");
                        told = words;
                    }
                }
            }
        }
        bench.host.stop(END_TIME).await;
        Ok(())
    }

    async fn try_out(&self, bench: &Bench) {
        if !self.test {
            return;
        }
        match bench.send_test(self.kind.as_deref(), words::table(&self.set)).await {
            Ok(answer) => tracing::info!("{}", as_line("test", &answer)),
            Err(error) => tracing::error!("{error:#}"),
        }
    }
}
