//! What plugins said that they provide, remembered beside their state folders: so that one that does not start still
//! has its kinds.

use std::path::{Path, PathBuf};

use model::fnv::Fnv;
use plugin_protocol::Provides;
use serde::{Deserialize, Serialize};

use crate::folder::Found;
use crate::places::Places;
use crate::spec::Spec;

/// Bytes of what is remembered of one plugin.
const MAX_REMEMBERED_BYTES: usize = 4 * 1024 * 1024;

/// The file of an environment that names what is installed there, and is written anew whenever that changes.
pub const INSTALLED: &str = "requirements.lock";

/// What a plugin said, and of which files.
#[derive(Serialize, Deserialize)]
pub struct Memory {
    /// The files that it was of.
    pub of: String,
    /// What it said.
    pub provides: Provides,
}

/// What a plugin said when it was last asked.
pub fn read(places: &Places, id: &str) -> Option<Memory> {
    let file = std::fs::File::open(path(places, id)).ok()?;
    let limited = std::io::Read::take(file, MAX_REMEMBERED_BYTES as u64);
    serde_json::from_reader(limited).ok()
}

/// Remembers what it said.
pub fn write(places: &Places, spec: &Spec, provides: &Provides) {
    let memory = Memory { of: spec.identity.clone(), provides: provides.clone() };
    let path = path(places, spec.found.id());
    // without it, the plugin is asked again the next time
    if let Ok(text) = serde_json::to_string(&memory)
        && let Err(error) = std::fs::write(&path, text)
    {
        tracing::warn!("{}: {error}", path.display());
    }
}

/// Beside its state folder, where it cannot write itself.
fn path(places: &Places, id: &str) -> PathBuf {
    places.states.join(format!("{id}.json"))
}

/// Changes when the plugin's own files do, what is installed in its environment, if it has one, or this program: names,
/// sizes and times of what is in its folder, and of the list that is written when something was installed.
pub fn identity(found: &Found, environment: &Path) -> String {
    const MAX_FILES: usize = 5_000;
    let mut files = Vec::new();
    let is_one_file = found.manifest.run.file.is_some();
    let mut open = vec![if is_one_file { found.place.clone() } else { found.folder.clone() }];
    open.push(environment.join(INSTALLED));
    while let Some(path) = open.pop() {
        if files.len() > MAX_FILES {
            break;
        }
        let Ok(facts) = std::fs::symlink_metadata(&path) else { continue };
        if facts.is_dir() {
            let inside = std::fs::read_dir(&path).into_iter().flatten();
            open.extend(inside.filter_map(|it| Some(it.ok()?.path())));
            continue;
        }
        let changed = facts.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        files.push(format!("{} {} {:?}", path.display(), facts.len(), changed));
    }
    files.sort();
    let version = env!("CARGO_PKG_VERSION");
    let mut sum = Fnv::default();
    sum.add(files.join("\n").as_bytes());
    format!("{} files, {:016x}, {version}", files.len(), sum.sum())
}
