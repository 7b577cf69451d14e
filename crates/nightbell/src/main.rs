//! Nightbell, the alert hub: one binary, both server and command line.
//!
//! The table of contents:
//!
//! * [`cli`]: the command line; one file for each group of commands.
//! * [`serve`]: the wiring of the server: configuration, database, flow, HTTP, signals.
//! * [`plugins`]: which plugins there are, and what they provide.
//! * [`settings`]: which files and variables the server's configuration is made of.
//! * [`memory`]: how the allocator is set up.
//! * [`log`]: what the server says about itself.
//! * [`client`]: how commands ask a running server.
//! * [`files`]: how they work on the files of a stopped one.
//! * [`output`] and [`words`]: how they print, and how they read what people type.

mod cli;
mod client;
mod files;
mod log;
mod memory;
mod output;
mod plugins;
mod serve;
mod settings;
mod words;

use std::process::ExitCode;

fn main() -> ExitCode {
    memory::share_heaps();
    cli::main()
}
