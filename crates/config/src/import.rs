//! Foreign configurations, written anew as a `nightbell.toml`.

use std::path::{Path as FilePath, PathBuf};

use sdk::Registry;

use crate::alertmanager;
use crate::error::{ConfigError, Invalid};
use crate::load::{Format, Source, load_text, read_file};
use crate::path::Path;
use crate::problem::{Problem, Problems};
use crate::schema::{View, schema};
use crate::secrets;
use crate::show::section;
use crate::templates;

/// What the sections are for, to those who see them for the first time.
const ABOUT: [(&str, &str); 7] = [
    ("incidents", "How incidents live."),
    ("outbound", "Where messages may go beside public addresses. Alertmanager sends anywhere."),
    ("templates", "Templates of texts, in Alertmanager's language."),
    ("route", "Who is told what and when: the first route that matches takes it, unless it says `continue`."),
    ("receivers", "Who can be told, and where."),
    ("inhibit", "What need not be told while something else is wrong."),
    ("time_intervals", "Times that routes are muted or active in, by name."),
];

/// A configuration that was translated.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The text of the `nightbell.toml`. Secrets that were written out are written out in it.
    pub toml: String,
    /// Where in it secrets are written out, such as `receivers.ops.webhook[0].url`.
    pub secrets: Vec<String>,
    /// What is probably not meant.
    pub warnings: Vec<Problem>,
}

/// Translates an `alertmanager.yml`. With `into`, the folder that the result will be in, paths of files are
/// written so that they lead to the same files from there.
///
/// # Errors
/// When the file cannot be read or is wrong; then everything that is wrong with it is told.
pub fn import_alertmanager(
    path: &FilePath,
    into: Option<&FilePath>,
    registry: &Registry,
) -> Result<Imported, ConfigError> {
    let name = path.display().to_string();
    let text = read_file(path)?;
    let directory = path.parent().unwrap_or(FilePath::new(""));
    let source = Source { name: &name, text: &text, directory, format: Format::Alertmanager };
    let config = load_text(source, [], registry)?;
    let mut problems = Problems::default();
    let Some(parsed) = alertmanager::parse(&name, &text, &mut problems) else {
        return Err(ConfigError::Invalid(Invalid(problems.finish())));
    };
    let mut root = parsed.root;
    let schema = schema(registry);
    let view = View::whole(&schema);
    if let Some(folder) = into.and_then(|into| elsewhere(directory, into)) {
        secrets::move_references(&mut root, &view, &folder);
        templates::move_patterns(&mut root, &folder);
    }
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let mut toml = format!("# The same as {}, written for Nightbell.\n", file.escape_debug());
    for entry in root.entries().into_iter().flatten() {
        if let Some((_, about)) = ABOUT.iter().find(|(section, _)| *section == entry.key) {
            toml.push_str(&format!("\n# {about}"));
        }
        section(&entry.node, &Path::of(&[&entry.key]), false, &mut toml);
    }
    let secrets = secrets::written_out(&root, &view).iter().map(ToString::to_string).collect();
    Ok(Imported { toml, secrets, warnings: config.warnings })
}

/// The folder that paths began at, when they will begin at another.
fn elsewhere(from: &FilePath, into: &FilePath) -> Option<PathBuf> {
    let whole = |path: &FilePath| {
        let path = if path.as_os_str().is_empty() { FilePath::new(".") } else { path };
        std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).ok()
    };
    let from = whole(from)?;
    (whole(into)? != from).then_some(from)
}
