//! `cargo xtask bench`: Nightbell beside Alertmanager, and beside Bugsink where that is installed: same machine, same
//! hour, same load.
//!
//! The cast: a generator (`load`) posts alerts to the program under test (`target`), which tells a receiver
//! (`sink`) that notes what arrives when. A `stage` holds the three with their folder. `scenarios` are the
//! situations they are put in; `figures` names what is read from them and what it must reach; `report`
//! writes it down.

#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock: time is what it measures, not what it decides on"
)]

mod bugsink;
mod ceiling;
mod envelopes;
mod figures;
pub mod guest;
mod http;
mod load;
mod machine;
mod mails;
mod report;
mod scenarios;
mod sink;
mod stage;
mod target;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;
use tokio::signal::unix::{SignalKind, signal};

use self::figures::Figures;
use self::machine::{Machine, Others};
use self::report::Report;
use self::scenarios::Scenario;
use self::stage::Setting;
use self::target::Kind;
use crate::shell;

/// Set when we have replaced ourselves by an optimised build.
const OPTIMISED: &str = "XTASK_BENCH_OPTIMISED";
/// Where the figures of a complete run are written, from the root of the repository.
const DOCUMENT: &str = "docs/benchmarks.md";

/// What of the benchmark is run.
#[derive(clap::Args)]
pub struct Args {
    /// Only these scenarios, separated by commas
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// How often each is run: speeds are medians, promises the worst
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=99))]
    runs: u16,
    /// Small loads, one run: to see that everything works
    #[arg(long)]
    quick: bool,
    /// Who is measured
    #[arg(long, value_enum, default_value_t = Targets::Both)]
    target: Targets,
    /// Write the figures of this part into the document, too, as a section of their own until the next complete run
    #[arg(long, requires = "only", conflicts_with = "quick")]
    section: bool,
    /// A virtual environment that Bugsink is installed in: errors are measured with it, too
    #[arg(long, value_name = "FOLDER")]
    bugsink: Option<PathBuf>,
    /// A file that is locked during each run, so that others on this machine who lock it, too, wait
    #[arg(long)]
    lock: Option<PathBuf>,
}

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Targets {
    /// Ours
    Nightbell,
    /// The one it replaces
    Alertmanager,
    /// One after the other
    Both,
}

/// Measures, prints, and writes the document when the run was complete.
pub fn run(args: &Args) -> Result<()> {
    if cfg!(debug_assertions) && std::env::var_os(OPTIMISED).is_none() {
        return run_optimised();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let report = runtime.context("starting the runtime")?.block_on(async {
        // when we are told to stop, dropping the work kills the programs and removes the folders
        let (mut interrupt, mut end) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            report = measure(args) => report.map(Some),
            _ = interrupt.recv() => Ok(None),
            _ = end.recv() => Ok(None),
        }
    })?;
    let report = report.context("stopped before the end")?;
    println!("\n{}", report.text());
    if args.only.is_empty() && !args.quick && args.target == Targets::Both {
        std::fs::write(shell::root().join(DOCUMENT), report.markdown())
            .with_context(|| format!("writing {DOCUMENT}"))?;
        println!("written to {DOCUMENT}");
    } else if args.section {
        let path = shell::root().join(DOCUMENT);
        let before = std::fs::read_to_string(&path).with_context(|| format!("reading {DOCUMENT}"))?;
        let names: Vec<String> = args.only.iter().map(|scenario| scenario.name()).collect();
        let after = report::with_section(&before, &names.join(", "), &report.section());
        std::fs::write(&path, after).with_context(|| format!("writing {DOCUMENT}"))?;
        println!("written to {DOCUMENT}, as a section");
    } else {
        println!("{DOCUMENT} is left as it is: this was not a complete run");
    }
    Ok(())
}

/// Becomes an optimised build of ourselves: a slow generator would measure itself.
fn run_optimised() -> Result<()> {
    let mut again = shell::cargo(["run", "--release", "--quiet", "--package", "xtask", "--"]);
    let error = again.args(std::env::args_os().skip(1)).env(OPTIMISED, "1").exec();
    Err(error).context("starting an optimised build")
}

/// Runs all that is asked for.
async fn measure(args: &Args) -> Result<Report> {
    let kinds: &[Kind] = match args.target {
        Targets::Nightbell => &[Kind::Nightbell],
        Targets::Alertmanager => &[Kind::Alertmanager],
        Targets::Both => &[Kind::Nightbell, Kind::Alertmanager],
    };
    let mut programs = BTreeMap::new();
    for &kind in kinds {
        programs.insert(kind, kind.program()?);
    }
    let mut peers: Vec<String> =
        programs.get(&Kind::Alertmanager).map(|path| version(path)).into_iter().collect();
    if let Some(environment) = &args.bugsink {
        let environment = environment.canonicalize().context("looking for Bugsink")?;
        peers.push(format!("{} where errors are taken in", bugsink::version(&environment)?));
        programs.insert(Kind::Bugsink, environment);
    }
    let other = if peers.is_empty() { "nothing".to_owned() } else { peers.join(" and ") };
    let asked = if args.only.is_empty() { Scenario::value_variants() } else { &args.only };
    let runs = if args.quick { 1 } else { usize::from(args.runs) };
    // beside what cargo builds: on a disk, while the system's temporary folder may lie in memory
    let room = shell::target_folder()?.join("bench");
    std::fs::create_dir_all(&room).context("making a folder")?;

    let machine = Machine::look(&room)?;
    let others = Others::watch()?;
    let (quick, lock) = (args.quick, args.lock.clone());
    let mut bench = Bench { programs, quick, runs, room, lock, figures: Figures::default() };
    if args.quick {
        bench.figures.note("quick: small loads, whose figures say nothing about speed or memory".to_owned());
    }
    let ceiling = ceiling::measure().await?;
    for &scenario in asked {
        if scenario == Scenario::Filled {
            bench.run_filled().await?;
        } else {
            bench.run(scenario, None).await?;
        }
    }
    let Bench { mut figures, room, .. } = bench;
    // it stays when somebody else's run still uses it
    let _ = std::fs::remove_dir(&room);
    let others = others.share(machine.cores)?;
    let date = jiff::Zoned::now().date().to_string();
    (figures.sync_milliseconds, figures.cores) = (machine.fdatasync_milliseconds, machine.cores);
    Ok(Report { figures, machine, others, ceiling, runs, date, other })
}

/// The first line that a program says about its version.
fn version(program: &Path) -> String {
    let said = shell::output(std::process::Command::new(program).arg("--version")).unwrap_or_default();
    // "alertmanager, version 0.25.0 (branch: …)"
    said.split(" (").next().unwrap_or_default().replace(',', "").trim().to_owned()
}

/// A benchmark on its way.
struct Bench {
    programs: BTreeMap<Kind, PathBuf>,
    quick: bool,
    runs: usize,
    room: PathBuf,
    lock: Option<PathBuf>,
    figures: Figures,
}

impl Bench {
    /// Runs a scenario as often as asked, the programs taking turns, so that all see the same hour.
    async fn run(&mut self, scenario: Scenario, data: Option<&Path>) -> Result<()> {
        for run in 1..=self.runs {
            for (&kind, program) in &self.programs {
                if !scenario.is_for(kind) || (data.is_some() && kind != Kind::Nightbell) {
                    continue;
                }
                let what = format!("{}, {}, run {run}", scenario.name(), kind.title());
                eprintln!("{what}");
                let setting = Setting {
                    kind,
                    program: program.clone(),
                    quick: self.quick,
                    room: self.room.clone(),
                    data: data.map(Path::to_owned),
                    name: format!("{}Run{run}", scenario.name()),
                };
                let _turn = self.turn()?;
                match scenario.run(&setting).await {
                    Ok(readings) => self.figures.enter(data.is_some(), kind, readings),
                    // one that fails says so in the report; the others still run
                    Err(error) => self.figures.note(format!("{what}: {error:#}")),
                }
            }
        }
        Ok(())
    }

    /// Waits until nobody else holds the lock, and holds it until what is returned is dropped.
    fn turn(&self) -> Result<Option<File>> {
        let Some(path) = &self.lock else { return Ok(None) };
        let file = File::create(path).context("opening the lock")?;
        file.lock().context("waiting for the lock")?;
        Ok(Some(file))
    }

    /// Runs the first scenarios and the reading on a database with a long past.
    async fn run_filled(&mut self) -> Result<()> {
        let Some(program) = self.programs.get(&Kind::Nightbell) else { return Ok(()) };
        let folder = tempfile::TempDir::new_in(&self.room).context("making a folder")?;
        let data = folder.path().join("data");
        eprintln!("filling a database with past incidents");
        if !scenarios::fill(program, &data, self.quick).await? {
            self.figures.note("filled: skipped, since nightbell has no bench-fill yet".to_owned());
            return Ok(());
        }
        for &scenario in Scenario::ON_FILLED {
            self.run(scenario, Some(&data)).await?;
        }
        self.run(Scenario::Filled, Some(&data)).await?;
        Ok(())
    }
}
