//! The section `[templates]`: files of Go templates, read over those that are built in.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use sdk::Surroundings;
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_TEMPLATE_BYTES, MAX_TEMPLATE_FILES};
use crate::node::{Node, Value};
use crate::path::Path;
use crate::problem::Problems;
use crate::read::read;

/// Templates that settings may use by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Templates {
    /// Files in the language of Go's templates, with `*`, `?` and `[…]` for parts of their names. What they define
    /// takes the place of what has the same name before them, or is built in.
    pub(crate) files: Vec<String>,
}

/// Reads the files; relative ones begin at a folder, without which none is opened. What is wrong with one is told
/// where it is named.
pub(crate) fn load(
    root: &Node,
    directory: Option<&FilePath>,
    built_in: &Surroundings,
    local: &TimeZone,
    problems: &mut Problems,
) -> Surroundings {
    let path = Path::of(&["templates"]);
    let mut set = (*built_in.templates).clone().in_zone(local.clone());
    let (Some(node), Some(directory)) = (root.get("templates"), directory) else {
        return Surroundings { templates: Arc::new(set) };
    };
    let section: Option<Templates> = read(node, &path, problems);
    let mut count = 0;
    for (n, pattern) in section.unwrap_or_default().files.iter().enumerate() {
        let path = path.key("files").index(n);
        let origin = root.origin_at(&path);
        let found = match files(directory, pattern) {
            Ok(found) => found,
            Err(what) => {
                problems.error(&origin, &path, what);
                continue;
            }
        };
        if found.is_empty() {
            problems.warning(&origin, &path, format!("there is no file {pattern}"));
        }
        count += found.len();
        if count > MAX_TEMPLATE_FILES {
            problems.error(&origin, &path, format!("more than {MAX_TEMPLATE_FILES} files of templates"));
            break;
        }
        for file in found {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let parsed = contents(&file).and_then(|text| set.parse(&name, &text).map_err(|bad| bad.text));
            if let Err(what) = parsed {
                problems.error(&origin, &path, format!("{}: {what}", file.display()));
            }
        }
    }
    Surroundings { templates: Arc::new(set) }
}

/// The files that a pattern stands for, in the order of their names. As in Go, `*` stays within a folder.
fn files(directory: &FilePath, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    // the folder is as it is, whatever signs are in its name
    let whole = match FilePath::new(pattern).is_absolute() {
        true => pattern.to_owned(),
        false => format!("{}/{pattern}", glob::Pattern::escape(&directory_name(directory))),
    };
    let found = glob::glob_with(&whole, options).map_err(|bad| format!("{pattern}: {}", bad.msg))?;
    // what may not be looked into is as good as empty, as in Alertmanager
    Ok(found.filter_map(Result::ok).take(MAX_TEMPLATE_FILES + 1).collect())
}

fn directory_name(directory: &FilePath) -> String {
    let name = directory.to_string_lossy();
    if name.is_empty() { ".".to_owned() } else { name.into_owned() }
}

fn contents(file: &FilePath) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|open| open.take(MAX_TEMPLATE_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_TEMPLATE_BYTES {
        return Err(format!("more than {MAX_TEMPLATE_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "not in UTF-8".to_owned())
}

/// Makes patterns lead to the same files from another folder than `folder`, where they began.
pub(crate) fn move_patterns(root: &mut Node, folder: &FilePath) {
    let Some(mut section) = root.take("templates") else { return };
    if let Some(files) = section.take("files") {
        let moved = files.items().iter().map(|it| match it.as_text() {
            Some(pattern) if FilePath::new(pattern).is_relative() => {
                let folder = glob::Pattern::escape(&directory_name(folder));
                Node::text(&it.origin, format!("{folder}/{pattern}"))
            }
            _ => it.clone(),
        });
        let moved = Value::List(moved.collect());
        section.set("files", Node::new(&files.origin, moved));
    }
    root.set("templates", section);
}
