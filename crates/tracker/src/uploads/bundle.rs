//! Archives of a build's files: zip, with a manifest that says what each file is.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};

use serde::Deserialize;
use zip::ZipArchive;

use crate::refusal::Refusal;
use crate::sourcemap::MAX_MAP;
use crate::texts::debug_id;

/// Files of an archive.
pub const MAX_FILES: usize = 10_000;
/// Bytes of a manifest.
const MAX_MANIFEST: u64 = 8 << 20;
/// Bytes of the maps of an archive when they are unpacked.
pub const MAX_UNPACKED: u64 = 512 << 20;
/// Characters of the name of a file.
const MAX_URL: usize = 1024;
/// Bytes with which an archive ends; before them is, in one of another form, where the rest of its end is.
const END: usize = 22;
const LOCATOR: usize = 20;

/// A file of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltFile {
    /// Where it is served from: a URL, or `~` and a path for any host.
    pub url: String,
    /// What it is.
    pub kind: FileKind,
    /// The id of its build.
    pub debug_id: Option<String>,
    /// Its source map, as the file names it: to be read from where the file is.
    pub source_map: Option<String>,
}

/// What a file of a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A source map.
    Map,
    /// What browsers run. Only that it is there is of use.
    Built,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    files: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// An archive that is open.
pub struct Bundle<R> {
    archive: ZipArchive<R>,
    files: Vec<(String, BuiltFile)>,
    unpacked: u64,
}

impl<R: Read + Seek> Bundle<R> {
    /// Opens an archive and reads what it says is in it.
    ///
    /// # Errors
    /// When it is none, says nothing of its files, or has too many.
    pub fn open(mut reader: R) -> Result<Self, Refusal> {
        check_end(&mut reader)?;
        let mut archive = ZipArchive::new(reader).map_err(|error| unreadable("the archive", &error))?;
        let manifest =
            archive.by_name("manifest.json").map_err(|error| unreadable("manifest.json", &error))?;
        let bytes = all_of(manifest, MAX_MANIFEST, "manifest.json")?;
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|error| unreadable("manifest.json", &error))?;
        if manifest.files.len() > MAX_FILES {
            return Err(too_many(manifest.files.len()));
        }
        let files = manifest.files.into_iter().filter_map(|(path, entry)| Some((path, entry.file()?)));
        Ok(Bundle { files: files.collect(), archive, unpacked: 0 })
    }

    /// Its files that are of use.
    pub fn files(&self) -> impl Iterator<Item = &BuiltFile> {
        self.files.iter().map(|(_, file)| file)
    }

    /// What is in one of its files, by its place among [`Bundle::files`].
    ///
    /// # Errors
    /// When it is not there, cannot be unpacked, or is too large, alone or with those before it.
    pub fn read(&mut self, place: usize) -> Result<Vec<u8>, Refusal> {
        let Some((path, _)) = self.files.get(place) else {
            return Err(Refusal::malformed("the archive has no such file"));
        };
        let file = self.archive.by_name(path).map_err(|error| unreadable(path, &error))?;
        let bytes = all_of(file, MAX_MAP as u64, path)?;
        self.unpacked += bytes.len() as u64;
        if self.unpacked > MAX_UNPACKED {
            let why =
                format!("the source maps of the archive have more than {MAX_UNPACKED} bytes when unpacked");
            return Err(Refusal::too_large(why));
        }
        Ok(bytes)
    }
}

impl Entry {
    fn file(self) -> Option<BuiltFile> {
        let header = |names: &[&str]| {
            let mut found =
                self.headers.iter().filter(|(name, _)| names.iter().any(|it| name.eq_ignore_ascii_case(it)));
            found.next().map(|(_, value)| value.trim().to_owned())
        };
        let kind = match self.kind.as_str() {
            "source_map" => FileKind::Map,
            "minified_source" => FileKind::Built,
            _ => return None,
        };
        let debug_id = header(&["debug-id"]).and_then(|it| debug_id(&it));
        let source_map = header(&["sourcemap", "x-sourcemap"]).filter(|it| it.len() <= MAX_URL);
        (self.url.len() <= MAX_URL).then_some(BuiltFile { url: self.url, kind, debug_id, source_map })
    }
}

/// Looks at how an archive ends, before anything is made of as many files as it says: nothing has to be read that has
/// more of them than are taken.
fn check_end<R: Read + Seek>(reader: &mut R) -> Result<(), Refusal> {
    let failed = |error: std::io::Error| unreadable("the archive", &error);
    let length = reader.seek(SeekFrom::End(0)).map_err(failed)?;
    let mut end = Vec::new();
    reader.seek(SeekFrom::Start(length.saturating_sub((END + LOCATOR) as u64))).map_err(failed)?;
    reader.take((END + LOCATOR) as u64).read_to_end(&mut end).map_err(failed)?;
    let at = end.len().saturating_sub(END);
    if !end[at..].starts_with(b"PK\x05\x06") || end.len() < END {
        return Err(Refusal::malformed("the archive does not end as a zip archive does"));
    }
    let count = usize::from(u16::from_le_bytes([end[at + 10], end[at + 11]]));
    // more of them are counted elsewhere
    if count > MAX_FILES || end.starts_with(b"PK\x06\x07") {
        return Err(too_many(count));
    }
    reader.seek(SeekFrom::Start(0)).map_err(failed).map(drop)
}

fn all_of(reader: impl Read, limit: u64, what: &str) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let read = reader.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(what, &error))?;
    if bytes.len() as u64 > limit {
        return Err(Refusal::too_large(format!("{what} has more than {limit} bytes when unpacked")));
    }
    Ok(bytes)
}

fn too_many(count: usize) -> Refusal {
    Refusal::too_large(format!("the archive has {count} files, the limit is {MAX_FILES}"))
}

fn unreadable(what: &str, error: &dyn std::fmt::Display) -> Refusal {
    Refusal::malformed(format!("{what} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use serde_json::{Value, json};
    use zip::write::SimpleFileOptions;

    use super::*;

    /// An archive as sentry-cli writes it: some bytes of its own before it.
    fn archive(manifest: &Value, files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let all = files.iter().map(|(name, bytes)| (*name, bytes.to_vec()));
        for (name, bytes) in all.chain([("manifest.json", manifest.to_string().into_bytes())]) {
            writer.start_file(name, SimpleFileOptions::default()).unwrap();
            writer.write_all(&bytes).unwrap();
        }
        let mut bytes = b"SYSB\x02\0\0\0".to_vec();
        bytes.extend(writer.finish().unwrap().into_inner());
        bytes
    }

    fn manifest() -> Value {
        json!({ "org": "any", "files": {
            "files/_/_/app.js": { "type": "minified_source", "url": "~/app.js",
                "headers": { "Sourcemap": "app.js.map", "debug-id": "04FE3E874EBE59FC9C8293A839730767" } },
            "files/_/_/app.js.map": { "type": "source_map", "url": "~/app.js.map" },
            "files/_/_/shop.ts": { "type": "source", "url": "~/shop.ts" },
        } })
    }

    #[test]
    fn an_archive_says_what_its_files_are() {
        let bytes = archive(&manifest(), &[("files/_/_/app.js", b"x"), ("files/_/_/app.js.map", b"{}")]);
        let mut bundle = Bundle::open(Cursor::new(bytes)).unwrap();
        let files: Vec<BuiltFile> = bundle.files().cloned().collect();
        assert_eq!(files.len(), 2);
        assert_eq!((files[0].kind, files[0].url.as_str()), (FileKind::Built, "~/app.js"));
        assert_eq!(files[0].source_map.as_deref(), Some("app.js.map"));
        assert_eq!(files[0].debug_id.as_deref(), Some("04fe3e87-4ebe-59fc-9c82-93a839730767"));
        assert_eq!(bundle.read(1).unwrap(), b"{}");
    }

    #[test]
    fn bombs_and_what_is_no_archive_are_refused() {
        let bomb = vec![b' '; MAX_MAP + 1];
        let bytes = archive(&manifest(), &[("files/_/_/app.js.map", &bomb)]);
        assert!(bytes.len() < MAX_MAP / 100, "it is small");
        let mut bundle = Bundle::open(Cursor::new(bytes.clone())).unwrap();
        assert_eq!(bundle.read(1).unwrap_err().status(), 413);
        assert_eq!(bundle.read(0).unwrap_err().status(), 400, "it is not in the archive");
        assert_eq!(bundle.read(7).unwrap_err().status(), 400);
        let mut many = bytes.clone();
        let count = many.len() - 12;
        many[count..count + 2].copy_from_slice(&u16::MAX.to_le_bytes());
        assert_eq!(Bundle::open(Cursor::new(many)).err().unwrap().status(), 413);
        let no_manifest = {
            let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
            writer.start_file("a", SimpleFileOptions::default()).unwrap();
            writer.finish().unwrap().into_inner()
        };
        for bad in [b"".to_vec(), b"no archive".to_vec(), bytes[..bytes.len() - 1].to_vec(), no_manifest] {
            assert_eq!(Bundle::open(Cursor::new(bad)).err().unwrap().status(), 400);
        }
        assert!(Bundle::open(Cursor::new(archive(&json!({ "files": [] }), &[]))).is_err());
    }
}
