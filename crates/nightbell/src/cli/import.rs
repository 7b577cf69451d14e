//! `nightbell import`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;
use config::{ConfigError, Imported};
use serde_json::json;

use crate::output::{self, Output};

/// Paths of secrets that are told one by one.
const MOST_PATHS: usize = 3;

/// Take a configuration over from another system
#[derive(Subcommand)]
pub enum Command {
    /// Write an alertmanager.yml as a nightbell.toml of the same meaning
    Alertmanager(Args),
}

#[derive(clap::Args)]
pub struct Args {
    /// The alertmanager.yml
    file: PathBuf,
    /// Where the result goes, in place of the standard output; must not be there yet
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Command {
    pub fn run(self, output: Output) -> Result<()> {
        let Command::Alertmanager(args) = self;
        let into = args.output.as_deref().map(|path| path.parent().unwrap_or(Path::new("")));
        let imported = config::import_alertmanager(&args.file, into, &connectors::registry());
        let imported = imported.map_err(|error| match error {
            ConfigError::Read { path, source } => {
                anyhow::Error::new(source).context(format!("reading {}", path.display()))
            }
            other => other.into(),
        })?;
        for warning in &imported.warnings {
            output.warning(&warning.to_string());
        }
        if !imported.secrets.is_empty() {
            output.warning(&about_secrets(&imported));
        }
        match &args.output {
            None if output.json => output.answer(&json!({ "toml": imported.toml }), String::new),
            // to be read by a program: not one character is replaced
            None => output::print(&imported.toml),
            Some(path) => {
                write(path, &imported.toml).with_context(|| format!("writing {}", path.display()))?;
                let told = json!({ "output": path.display().to_string() });
                output.answer(&told, || format!("written to {}", path.display()))
            }
        }
    }
}

fn about_secrets(imported: &Imported) -> String {
    let first = imported.secrets.iter().take(MOST_PATHS).cloned().collect::<Vec<_>>().join(", ");
    let more = match imported.secrets.len().saturating_sub(MOST_PATHS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "warning: secrets are written out, as they were: {first}{more}; \
         {{ file = \"…\" }} or {{ env = \"…\" }} keeps them elsewhere"
    )
}

/// For its owner's eyes only, and never over a file that is there.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}
