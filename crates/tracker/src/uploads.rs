//! What sentry-cli and plugins of bundlers upload beside events: source maps, in archives, in pieces.
//!
//! A client asks how large pieces may be ([`options`]), says which pieces an archive is made of ([`Assemble`]), sends
//! those that are not there ([`piece`]), and asks again until it hears that the archive was taken in ([`State`]). What
//! is in an archive is read by [`bundle`].

pub mod bundle;

use std::io::Read;

use serde::Deserialize;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::refusal::Refusal;

/// Bytes of a piece. Clients want a power of two.
pub const PIECE_BYTES: usize = 1 << 20;
/// Pieces that come in one request.
pub const PIECES_OF_REQUEST: usize = 8;
/// Bytes of a request of pieces: so many, and what is said around them.
pub const MAX_REQUEST_BYTES: usize = PIECES_OF_REQUEST * PIECE_BYTES + (64 << 10);
/// Bytes of an archive.
pub const MAX_BUNDLE_BYTES: usize = 128 << 20;
/// Projects that one archive is for.
pub const MAX_PROJECTS: usize = 20;
/// Characters of a release's name, and of a build's.
pub const MAX_RELEASE_CHARS: usize = 250;

/// What a client is told before it uploads; `url`: where pieces are sent.
pub fn options(url: &str) -> Value {
    json!({
        "url": url,
        "chunkSize": PIECE_BYTES,
        "chunksPerRequest": PIECES_OF_REQUEST,
        "maxRequestSize": PIECES_OF_REQUEST * PIECE_BYTES,
        "maxFileSize": MAX_BUNDLE_BYTES,
        "maxWait": 60,
        "concurrency": 2,
        "hashAlgorithm": "sha1",
        "compression": ["gzip"],
        // sentry-cli before version 3 looks for the first word, and then sends what the others mean
        "accept": ["release_files", "artifact_bundles", "artifact_bundles_v2"],
    })
}

/// An archive as a client names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Assemble {
    /// The sum of all of it.
    pub checksum: String,
    /// The sums of its pieces, in their order.
    #[serde(default)]
    pub chunks: Vec<String>,
    /// The projects that it is for, by slug or number.
    #[serde(default)]
    pub projects: Vec<Named>,
    /// The release, for builds that have no debug ids.
    #[serde(default)]
    pub version: Option<String>,
    /// Which build of it.
    #[serde(default)]
    pub dist: Option<String>,
}

/// A slug, or a number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Named {
    /// By number.
    Number(i64),
    /// By slug, or by a number in a text.
    Text(String),
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Named::Number(number) => write!(f, "{number}"),
            Named::Text(text) => f.write_str(text),
        }
    }
}

impl Assemble {
    /// Makes sure that it can be, and writes its sums in lower case.
    ///
    /// # Errors
    /// With what is not right.
    pub fn checked(mut self) -> Result<Self, Refusal> {
        let sums = std::iter::once(&mut self.checksum).chain(&mut self.chunks);
        for sum in sums {
            *sum = checksum(sum)?;
        }
        let most = MAX_BUNDLE_BYTES / PIECE_BYTES;
        if self.chunks.len() > most {
            let why =
                format!("an archive of {} pieces is larger than {MAX_BUNDLE_BYTES} bytes", self.chunks.len());
            return Err(Refusal::too_large(why));
        }
        if self.chunks.is_empty() {
            return Err(Refusal::malformed("chunks is empty: an archive has at least one piece"));
        }
        if self.projects.is_empty() || self.projects.len() > MAX_PROJECTS {
            return Err(Refusal::malformed(format!("projects names 1 to {MAX_PROJECTS} projects")));
        }
        for text in [&self.version, &self.dist].into_iter().flatten() {
            name(text)?;
        }
        Ok(self)
    }
}

/// A sum, in lower case.
///
/// # Errors
/// When it is none.
pub fn checksum(text: &str) -> Result<String, Refusal> {
    if text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Refusal::malformed("a checksum is a SHA-1: 40 hexadecimal digits"))
}

/// The name of a release or of a build of it.
///
/// # Errors
/// When no event could say it.
pub fn name(text: &str) -> Result<&str, Refusal> {
    let is_good = !text.trim().is_empty()
        && text.chars().count() <= MAX_RELEASE_CHARS
        && !text.contains(|c: char| c.is_control());
    if is_good {
        return Ok(text);
    }
    Err(Refusal::malformed(format!("a release has 1 to {MAX_RELEASE_CHARS} characters in one line")))
}

/// What becomes of an archive, as clients understand it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// These pieces are not there.
    Missing(Vec<String>),
    /// It is being worked on.
    Assembling,
    /// It was taken in.
    Ok,
    /// It was not, and why.
    Error(String),
}

impl State {
    /// As it is answered.
    pub fn to_json(&self) -> Value {
        let (state, missing, detail) = match self {
            State::Missing(pieces) => ("not_found", pieces.as_slice(), None),
            State::Assembling => ("assembling", [].as_slice(), None),
            State::Ok => ("ok", [].as_slice(), None),
            State::Error(why) => ("error", [].as_slice(), Some(why)),
        };
        json!({ "state": state, "missingChunks": missing, "detail": detail })
    }
}

/// A sum of bytes, as clients name pieces and archives by it.
#[derive(Default)]
pub struct Sum(Sha1);

impl Sum {
    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// 40 hexadecimal digits.
    pub fn text(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A piece as it was sent: under a sum, and perhaps compressed.
///
/// # Errors
/// When it is too large, cannot be read, or is not what it is said to be.
pub fn piece(sum: &str, bytes: &[u8], is_gzip: bool) -> Result<(String, Vec<u8>), Refusal> {
    let sum = checksum(sum)?;
    let bytes = if is_gzip {
        let mut plain = Vec::new();
        let mut reader = flate2::read::GzDecoder::new(bytes).take(PIECE_BYTES as u64 + 1);
        let read = reader.read_to_end(&mut plain);
        read.map_err(|error| Refusal::malformed(format!("the piece {sum} is no gzip: {error}")))?;
        plain
    } else {
        bytes.to_vec()
    };
    if bytes.len() > PIECE_BYTES {
        return Err(Refusal::too_large(format!("the piece {sum} is larger than {PIECE_BYTES} bytes")));
    }
    let mut real = Sum::default();
    real.add(&bytes);
    let real = real.text();
    if real != sum {
        return Err(Refusal::malformed(format!(
            "the piece {sum} has the checksum {real}: it was damaged on its way"
        )));
    }
    Ok((sum, bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn a_piece_is_what_its_sum_says() {
        let sum = "a9993e364706816aba3e25717850c26c9cd0d89d";
        assert_eq!(piece(&sum.to_uppercase(), b"abc", false).unwrap(), (sum.to_owned(), b"abc".to_vec()));
        assert_eq!(piece(sum, &gzip(b"abc"), true).unwrap().1, b"abc");
        for (sum, bytes, is_gzip, status) in [
            (sum, b"abd".to_vec(), false, 400),
            (sum, b"abc".to_vec(), true, 400),
            ("abc", b"abc".to_vec(), false, 400),
            (sum, gzip(&vec![0; PIECE_BYTES + 1]), true, 413),
            (sum, vec![0; PIECE_BYTES + 1], false, 413),
        ] {
            assert_eq!(piece(sum, &bytes, is_gzip).unwrap_err().status(), status, "{sum}");
        }
    }

    #[test]
    fn what_cannot_be_an_archive_is_refused() {
        let sum = "A9993E364706816ABA3E25717850C26C9CD0D89D";
        let read = |value: Value| serde_json::from_value::<Assemble>(value).unwrap().checked();
        let good =
            read(json!({ "checksum": sum, "chunks": [sum], "projects": ["shop", 7], "version": null }))
                .unwrap();
        assert_eq!(good.chunks, [sum.to_lowercase()]);
        assert_eq!(good.projects.iter().map(ToString::to_string).collect::<Vec<_>>(), ["shop", "7"]);
        for bad in [
            json!({ "checksum": "x", "chunks": [sum], "projects": ["shop"] }),
            json!({ "checksum": sum, "chunks": ["../x"], "projects": ["shop"] }),
            json!({ "checksum": sum, "chunks": [], "projects": ["shop"] }),
            json!({ "checksum": sum, "chunks": [sum], "projects": [] }),
            json!({ "checksum": sum, "chunks": vec![sum; 1000], "projects": ["shop"] }),
            json!({ "checksum": sum, "chunks": [sum], "projects": ["shop"], "version": "a\nb" }),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
        assert_eq!(State::Missing(vec!["a".into()]).to_json()["missingChunks"], json!(["a"]));
        assert_eq!(State::Error("no".into()).to_json()["detail"], "no");
    }
}
