//! The developers' one door: `cargo xtask <what>`. This file is the table of contents.

mod keeper;
mod postgres;
mod shell;

mod bench;
mod ci;
mod demo;
mod fmt;
mod fuzz;
mod r#gen;
mod seeds;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The developers' one door.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// A hub with a short story, and then yours to play with
    Demo(demo::Args),
    /// Everything that must pass, with all that it needs set up by itself
    Test(test::Args),
    /// All that is asked of a change: formatting, lints, tidiness, generated files, licences, tests
    Ci(ci::Args),
    /// Nightbell beside Alertmanager: speed, cost, crashes; writes docs/benchmarks.md
    Bench(bench::Args),
    /// A plugin that the benchmark starts
    #[command(hide = true)]
    BenchGuest(bench::guest::Args),
    /// Format the sources
    Fmt(fmt::Args),
    /// What the compiler does not check: layers, cycles, dead files, lengths, words
    Tidy,
    /// Write the files that follow from the code: OpenAPI, schemas, reference pages
    Gen(r#gen::Args),
    /// Run many seeds of the simulated world
    Seeds(seeds::Args),
    /// Fuzz every target for a while
    Fuzz(fuzz::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Demo(args) => demo::run(&args),
        Task::Test(args) => test::run(&args),
        Task::Ci(args) => ci::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::BenchGuest(args) => bench::guest::run(&args),
        Task::Fmt(args) => fmt::run(&args),
        Task::Tidy => tidy::run(),
        Task::Gen(args) => r#gen::run(&args),
        Task::Seeds(args) => seeds::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
    };
    if let Err(error) = done {
        if !error.is::<shell::Told>() {
            eprintln!("error: {error:#}");
        }
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
