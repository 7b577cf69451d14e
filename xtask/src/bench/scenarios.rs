//! The situations in which both are measured.

mod argus;
mod components;
mod crash;
mod crowd;
mod errors;
mod filled;
mod guests;
mod plugins;
mod reports;
mod scale;
mod shed;
mod speed;
mod tracked;

use anyhow::Result;
use clap::ValueEnum;

use super::figures::Readings;
use super::stage::Setting;
use super::target::Kind;

pub use filled::fill;

/// A situation; one may stand behind several lines of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Scenario {
    /// Taking in batches, nothing to deliver
    AcceptBatch,
    /// Taking in single alerts, nothing to deliver
    AcceptSingle,
    /// Taking in and delivering each alert by itself
    Deliver,
    /// From POST to webhook at a steady pace
    Latency,
    /// Many active alerts
    Memory,
    /// kill -9 while alerts are on their way
    Kill,
    /// kill -9 after delivery, and the same alerts again
    KillResend,
    /// kill -9 after silences were made
    KillSilences,
    /// A receiver that answers 500 for a minute
    Failing,
    /// A receiver that answers 429 and says for how long
    TooMany,
    /// Many routes, many silences, a long file, a long message
    Scale,
    /// The same as `deliver` and `latency` with all that a configuration may have in it
    FullFile,
    /// A plugin in Python
    Plugins,
    /// A hundred plugins, some of which fail, and the receivers beside them
    Crowd,
    /// How soon plugins of each sort are ready
    Starts,
    /// Plugins that are WebAssembly components
    Components,
    /// Taking in incidents through Argus' door
    Argus,
    /// Errors that programs report
    Errors,
    /// Ten million errors, and reading them
    PastErrors,
    /// A thousand projects that report far more than they may
    Shed,
    /// The first four again, and reading, with millions of past incidents
    Filled,
}

impl Scenario {
    /// Those that are run again on a filled database.
    pub const ON_FILLED: &[Scenario] =
        &[Scenario::AcceptBatch, Scenario::AcceptSingle, Scenario::Deliver, Scenario::Latency];

    /// Its name, as on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether it says something about this program.
    pub fn is_for(self, kind: Kind) -> bool {
        let ours = matches!(
            self,
            Scenario::Filled
                | Scenario::Scale
                | Scenario::FullFile
                | Scenario::Plugins
                | Scenario::Crowd
                | Scenario::Starts
                | Scenario::Components
                | Scenario::Argus
                | Scenario::Errors
                | Scenario::PastErrors
                | Scenario::Shed
        );
        match kind {
            Kind::Nightbell => true,
            Kind::Alertmanager => !ours,
            Kind::Bugsink => self == Scenario::Errors,
        }
    }

    /// Runs it once. (What `Filled` adds is only the reading: see [`fill`] for the rest.)
    pub async fn run(self, setting: &Setting) -> Result<Readings> {
        match self {
            Scenario::AcceptBatch => speed::accept_batch(setting).await,
            Scenario::AcceptSingle => speed::accept_single(setting).await,
            Scenario::Deliver => speed::deliver(setting).await,
            Scenario::Latency => speed::latency(setting).await,
            Scenario::Memory => speed::memory(setting).await,
            Scenario::Kill => crash::on_the_way(setting).await,
            Scenario::KillResend => crash::sent_again(setting).await,
            Scenario::KillSilences => crash::silences(setting).await,
            Scenario::Failing => errors::failing(setting).await,
            Scenario::TooMany => errors::too_many(setting).await,
            Scenario::Scale => tokio::task::spawn_blocking(scale::measure).await?,
            Scenario::FullFile => speed::full_file(setting).await,
            Scenario::Plugins => plugins::measure(setting).await,
            Scenario::Crowd => crowd::measure(setting).await,
            Scenario::Starts => crowd::starts(setting).await,
            Scenario::Components => tokio::task::spawn_blocking(components::measure).await?,
            Scenario::Argus => argus::measure(setting).await,
            Scenario::Errors => reports::measure(setting).await,
            Scenario::PastErrors => tracked::measure(setting).await,
            Scenario::Shed => shed::measure(setting).await,
            Scenario::Filled => filled::reading(setting).await,
        }
    }
}
