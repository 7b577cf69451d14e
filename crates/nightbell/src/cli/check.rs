//! `nightbell check`.

use ::config::{Level, Problem};
use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::Told;
use crate::output::Output;
use crate::plugins;
use crate::settings::Files;

/// Check a configuration and tell all that is wrong with it
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    files: Files,
}

impl Args {
    pub fn run(self, output: Output) -> Result<()> {
        if self.files.are_none() {
            bail!("which file? give --config FILE, --alertmanager-config FILE or both");
        }
        let problems = self.files.check(&plugins::look(&self.files)?.kinds)?;
        let errors = problems.iter().filter(|problem| problem.level == Level::Error).count();
        let list: Vec<Value> = problems.iter().map(as_json).collect();
        let answer = json!({ "valid": errors == 0, "problems": list });
        output.answer(&answer, || as_text(&problems, errors))?;
        if errors > 0 { Err(Told.into()) } else { Ok(()) }
    }
}

/// A problem for programs.
pub fn as_json(problem: &Problem) -> Value {
    json!({
        "level": problem.level,
        "origin": problem.origin.to_string(),
        "path": problem.path,
        "message": problem.message,
    })
}

fn as_text(problems: &[Problem], errors: usize) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let sum = match (errors, problems.len() - errors) {
        (0, 0) => "the configuration is good".to_owned(),
        (0, warnings) => format!("the configuration can be used; {warnings} warnings"),
        (errors, _) => format!("{errors} errors: the configuration cannot be used"),
    };
    [lines, vec![sum]].concat().join("\n")
}
