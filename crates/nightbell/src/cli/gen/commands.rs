//! The page of all commands, made of what they say of themselves.

use std::fmt::Write as _;

use clap::{Arg, CommandFactory};

use crate::cli::Cli;

/// All commands on one page.
pub fn page() -> String {
    let mut text = "# The command line\n\nThis page is generated from the code: edit it there.\n".to_owned();
    let mut command = Cli::command();
    command.build();
    section(&mut text, &command, "nightbell");
    text
}

fn section(text: &mut String, command: &clap::Command, path: &str) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    // writing to a String cannot fail
    let _ = write!(text, "\n## `{path}`\n\n{about}.\n");
    let own = |arg: &&Arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str());
    let args: Vec<&Arg> = command.get_arguments().filter(own).collect();
    let does_something = !command.has_subcommands() || command.is_args_conflicts_with_subcommands_set();
    if does_something || path == "nightbell" {
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").lines().map(str::trim).collect::<Vec<_>>().join(" ");
        let _ = write!(text, "\n    {usage}\n");
    }
    if !args.is_empty() && does_something {
        text.push_str("\n| argument | meaning |\n|---|---|\n");
        for arg in args {
            let _ = writeln!(text, "| {} | {} |", name(arg), meaning(arg));
        }
    }
    if let Some(more) = command.get_after_help() {
        let _ = write!(text, "\n{more}\n");
    }
    let shown = |command: &&clap::Command| !command.is_hide_set() && command.get_name() != "help";
    for inner in command.get_subcommands().filter(shown) {
        section(text, inner, &format!("{path} {}", inner.get_name()));
    }
}

fn name(arg: &Arg) -> String {
    let value = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    let value = value.filter(|_| arg.get_action().takes_values());
    match (arg.get_long(), value) {
        (Some(long), Some(value)) => format!("`--{long} <{value}>`"),
        (Some(long), None) => format!("`--{long}`"),
        (None, value) => format!("`<{}>`", value.unwrap_or_else(|| arg.get_id().to_string().to_uppercase())),
    }
}

fn meaning(arg: &Arg) -> String {
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
    let possible = arg.get_possible_values();
    if !possible.is_empty() && arg.get_action().takes_values() {
        let names: Vec<&str> = possible.iter().map(clap::builder::PossibleValue::get_name).collect();
        let _ = write!(text, " (one of {})", names.join(", "));
    }
    if let Some(variable) = arg.get_env() {
        let _ = write!(text, "; also `{}`", variable.to_string_lossy());
    }
    let defaults = arg.get_default_values();
    // who sits at the keyboard is not a matter of the program
    if arg.get_id() == "by" {
        text.push_str("; by default the user");
    } else if !defaults.is_empty() && !arg.is_hide_default_value_set() && arg.get_action().takes_values() {
        let defaults: Vec<String> = defaults.iter().map(|it| it.to_string_lossy().into_owned()).collect();
        let _ = write!(text, "; by default `{}`", defaults.join(","));
    }
    text
}
