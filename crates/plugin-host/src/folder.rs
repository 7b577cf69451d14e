//! Finding plugins: one folder each with a `plugin.toml`, or one file of Python, in the folder of plugins.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use plugin_protocol::limits::MAX_MANIFEST_BYTES;
use plugin_protocol::manifest::{About, Compat, Manifest, Run, Runtime};
use plugin_protocol::provides::is_word;
use plugin_protocol::{CONTRACT, limits};
use serde_json::Value;

/// The name of a manifest.
pub const MANIFEST: &str = "plugin.toml";
/// Entries of the folder of plugins that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// A plugin that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its folder, or that of its file.
    pub folder: PathBuf,
    /// Where it is written what it is: its manifest, or its file.
    pub place: PathBuf,
    /// What it is.
    pub manifest: Manifest,
}

impl Found {
    /// What it is called.
    pub fn id(&self) -> &str {
        &self.manifest.plugin.id
    }

    /// Whether it is a file that nobody wrote a manifest for.
    pub fn is_bare(&self) -> bool {
        self.place.extension().is_some_and(|it| it == "py")
    }
}

/// Something that is no plugin, or not a usable one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", place.display())]
pub struct BadPlugin {
    /// Where.
    pub place: PathBuf,
    /// What is wrong, and what would be right.
    pub why: String,
}

/// Everything in a folder: what is usable, and what is not.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// By id.
    pub found: BTreeMap<String, Found>,
    /// In the order of their names.
    pub bad: Vec<BadPlugin>,
    /// Ids that more than one of them has, with the others: which of them is meant, nobody knows.
    pub twice: BTreeMap<String, BadPlugin>,
}

/// Looks through a folder. One that is not there has nothing in it.
pub fn discover(folder: &Path) -> Discovery {
    let mut discovery = Discovery::default();
    let Ok(entries) = std::fs::read_dir(folder) else { return discovery };
    let mut paths: Vec<PathBuf> = entries.take(MAX_ENTRIES).filter_map(|it| Some(it.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let read = match () {
            () if name.starts_with(['.', '_']) => continue,
            () if path.join(MANIFEST).is_file() => read(&path),
            () if path.extension().is_some_and(|it| it == "py") && path.is_file() => bare(folder, &path),
            () => continue,
        };
        match read {
            Ok(found) => match discovery.found.get(found.id()) {
                Some(other) => {
                    let why = format!("the plugin {:?} is in {} already", found.id(), other.place.display());
                    let bad = BadPlugin { place: found.place.clone(), why };
                    discovery.twice.insert(found.id().to_owned(), bad.clone());
                    discovery.bad.push(bad);
                }
                None => drop(discovery.found.insert(found.id().to_owned(), found)),
            },
            Err(bad) => discovery.bad.push(bad),
        }
    }
    discovery
}

/// Reads the plugin in a folder.
///
/// # Errors
/// When its manifest is not there, or not right.
pub fn read(folder: &Path) -> Result<Found, BadPlugin> {
    let place = folder.join(MANIFEST);
    let bad = |why: String| BadPlugin { place: place.clone(), why };
    let text = text_of(&place).map_err(bad)?;
    let mut manifest: Manifest = manifest(&text).map_err(bad)?;
    put_in_files(&mut manifest, folder).map_err(bad)?;
    Ok(Found { folder: folder.to_owned(), place, manifest })
}

/// Reads a manifest.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn manifest(text: &str) -> Result<Manifest, String> {
    let manifest: Manifest = toml::from_str(text).map_err(|error| in_one_line(&error.to_string()))?;
    let mut wrong = manifest.check();
    wrong.extend(strangers(text));
    if wrong.is_empty() { Ok(manifest) } else { Err(in_one_line(&wrong.join("; "))) }
}

/// Keys that nobody knows in what a manifest says of destinations and the like: on the wire they are ignored, since
/// either side may be newer, but in a file they are slips of the pen.
fn strangers(text: &str) -> Vec<String> {
    let table: toml::Table = text.parse().unwrap_or_default();
    let mut wrong = Vec::new();
    for (section, known) in plugin_protocol::provides::KEYS {
        for (n, item) in table.get(section).and_then(|it| it.as_array()).into_iter().flatten().enumerate() {
            let keys = item.as_table().into_iter().flatten().map(|(key, _)| key);
            wrong.extend(
                keys.filter(|key| !known.contains(&key.as_str()))
                    .map(|key| format!("{section}[{n}].{key}: unknown key; known are {}", known.join(", "))),
            );
        }
    }
    wrong
}

/// A file of Python that nobody wrote a manifest for: LUNA's way.
fn bare(folder: &Path, file: &Path) -> Result<Found, BadPlugin> {
    let bad = |why: String| BadPlugin { place: file.to_owned(), why };
    let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let id = name.to_ascii_lowercase();
    if !is_word(&id) {
        return Err(bad(format!(
            "{name:?} cannot be the id of a plugin: small letters, digits, - and _, {} at the most",
            limits::MAX_ID_CHARS
        )));
    }
    let about = About { id, version: "0".to_owned(), contract: CONTRACT, ..About::default() };
    let run = Run {
        runtime: Runtime::Python,
        file: Some(file.display().to_string()),
        compat: Some(Compat::Luna),
        ..Run::default()
    };
    let mut manifest = Manifest { plugin: about, run, ..Manifest::default() };
    // what such a file may do is seen only when it runs, so it may do what its like may there
    manifest.permissions.serve = true;
    manifest.permissions.emit = true;
    Ok(Found { folder: folder.to_owned(), place: file.to_owned(), manifest })
}

fn text_of(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut bytes = Vec::new();
    let limited = file.take(MAX_MANIFEST_BYTES as u64 + 1);
    { limited }.read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() > MAX_MANIFEST_BYTES {
        return Err(format!("is longer than {MAX_MANIFEST_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

/// Puts the contents of files where a schema names one.
fn put_in_files(manifest: &mut Manifest, folder: &Path) -> Result<(), String> {
    let mut schemas: Vec<(String, &mut Option<Value>)> = Vec::new();
    for it in &mut manifest.destinations {
        schemas.push((format!("destinations.{}.settings", it.kind), &mut it.settings));
        schemas.push((format!("destinations.{}.test_options", it.kind), &mut it.test_options));
    }
    for it in &mut manifest.checks {
        schemas.push((format!("checks.{}.settings", it.kind), &mut it.settings));
    }
    schemas.push(("settings".to_owned(), &mut manifest.settings));
    schemas.push(("user".to_owned(), &mut manifest.user));
    schemas.push(("project".to_owned(), &mut manifest.project));
    for (at, schema) in schemas {
        let Some(Value::Object(fields)) = schema else { continue };
        let Some(name) = fields.get("file").and_then(Value::as_str).filter(|_| fields.len() == 1) else {
            continue;
        };
        let path = inside(folder, name).map_err(|why| format!("{at}.file: {why}"))?;
        let text = text_of(&path).map_err(|why| format!("{at}.file: {name}: {why}"))?;
        let read = serde_json::from_str(&text).map_err(|error| format!("{at}.file: {name}: {error}"))?;
        *schema = Some(read);
    }
    Ok(())
}

/// A file of a plugin: inside its folder, also when links are followed.
///
/// # Errors
/// When it is somewhere else, or not there.
pub fn inside(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let folder = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
    let path = folder.join(name).canonicalize().map_err(|error| format!("{name}: {error}"))?;
    if !path.starts_with(&folder) {
        return Err(format!("{name}: leads out of the plugin's folder"));
    }
    Ok(path)
}

fn in_one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    const SMALL: &str = "[plugin]\nid = 'foo'\nversion = '1'\ncontract = 1\n\
        [run]\nruntime = 'process'\ncommand = ['./foo']\n";

    #[test]
    fn folders_and_files_are_found_and_bad_ones_are_told_of() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a/plugin.toml", SMALL);
        write(folder.path(), "b/plugin.toml", SMALL);
        write(folder.path(), "c/plugin.toml", &SMALL.replace("command", "comand"));
        write(folder.path(), "event_sending.py", "");
        write(folder.path(), "Straße.py", "");
        write(folder.path(), "notes.txt", "");
        let discovery = discover(folder.path());
        assert_eq!(discovery.found.keys().collect::<Vec<_>>(), ["event_sending", "foo"]);
        let bad: Vec<String> = discovery.bad.iter().map(ToString::to_string).collect();
        assert_eq!(bad.len(), 3, "{bad:?}");
        let told = bad.join("\n");
        for words in ["Straße", "already", "unknown field `comand`"] {
            assert!(told.contains(words), "{words} not in {told}");
        }
        assert!(discover(Path::new("/nowhere/at/all")).found.is_empty());
    }

    #[test]
    fn a_slip_of_the_pen_within_a_list_is_told() {
        let with = |line: &str| manifest(&format!("{SMALL}[[destinations]]\nkind = 'foo'\n{line}\n"));
        assert!(with("title = 'Foo'").is_ok());
        let why = with("setings = { type = 'object' }").unwrap_err();
        assert!(why.contains("destinations[0].setings: unknown key; known are kind, title"), "{why}");
    }

    #[test]
    fn a_schema_may_be_in_a_file_of_the_plugin_but_of_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "secret.json", "{}");
        write(folder.path(), "p/s.json", r#"{"properties": {"url": {"type": "string"}}}"#);
        write(folder.path(), "p/plugin.toml", &format!("{SMALL}[settings]\nfile = 's.json'\n"));
        let found = read(&folder.path().join("p")).unwrap();
        assert_eq!(found.manifest.settings.unwrap()["properties"]["url"]["type"], "string");
        write(folder.path(), "p/plugin.toml", &format!("{SMALL}[settings]\nfile = '../secret.json'\n"));
        assert!(read(&folder.path().join("p")).unwrap_err().why.contains("leads out"));
        std::os::unix::fs::symlink(folder.path().join("secret.json"), folder.path().join("p/link.json"))
            .unwrap();
        write(folder.path(), "p/plugin.toml", &format!("{SMALL}[settings]\nfile = 'link.json'\n"));
        assert!(read(&folder.path().join("p")).unwrap_err().why.contains("leads out"));
    }
}
