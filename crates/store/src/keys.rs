//! Secrets in rows: sealed with a key that is not in the database.
//!
//! A sealed text says which key it was sealed with (`sealed:1:ID:…`), so that keys can be changed: the first one seals,
//! the others still open. It is bound to its row, so that nobody can move it to another. A text that is not sealed is
//! of a time before there was a key, or of a hub without one, and is sealed when the hub starts (`sealed.rs`).

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;

use crate::error::{Result, StoreError};

/// The file with the keys in the folder of the built-in database.
pub const KEY_FILE: &str = "secret.key";
/// Keys that are known at once.
const MAX_KEYS: usize = 16;
/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Digits of what a key is called.
const NAME_DIGITS: usize = 8;
/// Bytes that a file with keys may have.
const MAX_FILE_BYTES: u64 = 4096;
/// What a sealed text begins with: documents begin otherwise.
const MARK: &str = "sealed:1:";

/// The keys of a hub: the first seals, all of them open. None: texts are kept as they are.
#[derive(Clone, Default)]
pub struct Keys(Arc<[Arc<Key>]>);

struct Key {
    name: String,
    key: RandomizedNonceKey,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|it| &it.name)).finish()
    }
}

impl Key {
    fn new(bytes: &[u8]) -> std::result::Result<Self, String> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes);
        let key = key.map_err(|_| format!("a key has {KEY_BYTES} bytes"))?;
        // of a key nothing can be learnt from what it is called
        let sum = digest::digest(&digest::SHA256, &[b"nightbell key ", bytes].concat());
        let mut name = hex(sum.as_ref());
        name.truncate(NAME_DIGITS);
        Ok(Key { name, key })
    }

    fn open(&self, sealed: &str, row: &str) -> Option<String> {
        let mut bytes = BASE64.decode(sealed).ok()?;
        if bytes.len() < NONCE_LEN {
            return None;
        }
        let mut text = bytes.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&bytes).ok()?;
        let clear = self.key.open_in_place(nonce, Aad::from(row), &mut text).ok()?;
        String::from_utf8(clear.to_vec()).ok()
    }
}

impl Keys {
    /// Keys as they are written: each 64 hexadecimal digits, between blanks or commas. The first is to seal with.
    ///
    /// # Errors
    /// In words, without a digit of any.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
        let key = |(n, word): (usize, &str)| {
            let bad = || {
                let what = "64 hexadecimal digits, such as `openssl rand -hex 32` writes";
                format!("key {} is not {what}", n + 1)
            };
            Key::new(&unhex(word).ok_or_else(bad)?).map(Arc::new).map_err(|_| bad())
        };
        let keys: Vec<_> = words.enumerate().map(key).collect::<std::result::Result<_, _>>()?;
        match keys.len() {
            0 => Err("there is no key".to_owned()),
            many if many > MAX_KEYS => Err(format!("there are more than {MAX_KEYS} keys")),
            _ => Ok(Keys(keys.into())),
        }
    }

    /// Those in the file of a folder, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or holds something else.
    pub fn of_folder(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(KEY_FILE);
        let wrong = |why: String| StoreError::NotOurs(format!("{}: {why}", path.display()));
        let facts = match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            facts => facts.map_err(|error| wrong(error.to_string()))?,
        };
        if facts.len() > MAX_FILE_BYTES {
            return Err(wrong(format!("has more than {MAX_FILE_BYTES} bytes")));
        }
        if facts.permissions().mode() & 0o077 != 0 {
            tracing::warn!(
                "{}: others on this machine may read it, and with it the hub's secrets",
                path.display()
            );
        }
        let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
        Keys::parse(&text).map(Some).map_err(wrong)
    }

    /// Makes a key and writes it into a folder, for whoever runs the hub alone.
    pub(crate) fn make(folder: &Path) -> Result<Self> {
        let path = folder.join(KEY_FILE);
        let wrong = |why: String| StoreError::Unavailable(format!("making {}: {why}", path.display()));
        let mut bytes = [0; KEY_BYTES];
        rand::fill(&mut bytes).map_err(|_| wrong("no random numbers are to be had".to_owned()))?;
        let write = || {
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(format!("{}\n", hex(&bytes)).as_bytes())?;
            file.sync_all()?;
            // what is sealed must not outlive the file's name
            File::open(folder)?.sync_all()
        };
        write().map_err(|error| wrong(error.to_string()))?;
        Ok(Keys([Arc::new(Key::new(&bytes).map_err(wrong)?)].into()))
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// These, and others to open with.
    #[must_use]
    pub fn and(&self, older: &Keys) -> Self {
        let known = |key: &&Arc<Key>| self.0.iter().any(|it| it.name == key.name);
        let older = older.0.iter().filter(|key| !known(key));
        Keys(self.0.iter().chain(older).cloned().collect())
    }

    /// A text as it is kept in a row.
    pub(crate) fn seal(&self, text: &str, row: &str) -> Result<String> {
        let Some(first) = self.0.first() else { return Ok(text.to_owned()) };
        let mut bytes = text.as_bytes().to_vec();
        let nonce = first.key.seal_in_place_append_tag(Aad::from(row), &mut bytes);
        let nonce = nonce.map_err(|_| StoreError::Refused(format!("{row} cannot be sealed")))?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut bytes);
        Ok(format!("{MARK}{}:{}", first.name, BASE64.encode(sealed)))
    }

    /// The text that is kept so in a row.
    pub(crate) fn open(&self, kept: String, row: &str) -> std::result::Result<String, String> {
        let Some((name, sealed)) = kept.strip_prefix(MARK).and_then(|rest| rest.split_once(':')) else {
            return Ok(kept);
        };
        let Some(key) = self.0.iter().find(|it| it.name == name) else {
            let known: Vec<&str> = self.0.iter().map(|it| it.name.as_str()).collect();
            let known = if known.is_empty() { "there is none".to_owned() } else { known.join(", ") };
            let where_to = format!("those of database.secret_key or {KEY_FILE}: {known}");
            return Err(format!("it is sealed with the key {name}, which is not among {where_to}"));
        };
        key.open(sealed, row).ok_or_else(|| format!("what was sealed with the key {name} was changed since"))
    }

    /// Whether a text would be kept otherwise now.
    pub(crate) fn is_stale(&self, kept: &str) -> bool {
        let by = kept.strip_prefix(MARK).and_then(|rest| rest.split_once(':')).map(|(name, _)| name);
        self.0.first().is_some_and(|first| by != Some(first.name.as_str()))
    }
}

pub(crate) const OVERRIDES: &str = "config_overrides";
pub(crate) const DEFINITIONS: &str = "definitions";

/// What a version of overrides is bound to.
pub(crate) fn override_row(version: i64) -> String {
    row_of(OVERRIDES, version)
}

/// What a definition is bound to, as it is and as it was.
pub(crate) fn definition_row(id: i64) -> String {
    row_of(DEFINITIONS, id)
}

pub(crate) fn row_of(table: &str, id: i64) -> String {
    format!("{table}/{id}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 2 * KEY_BYTES || !text.is_ascii() {
        return None;
    }
    (0..KEY_BYTES).map(|n| u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(digit: char) -> Keys {
        Keys::parse(&digit.to_string().repeat(64)).unwrap()
    }

    #[test]
    fn what_is_sealed_is_opened_by_its_key_in_its_row_alone() {
        let (one, two) = (keys('1'), keys('2'));
        let sealed = one.seal("{\"a\":1}", "t/1").unwrap();
        assert!(!sealed.contains("\"a\"") && sealed != one.seal("{\"a\":1}", "t/1").unwrap(), "{sealed}");
        assert_eq!(one.open(sealed.clone(), "t/1").unwrap(), "{\"a\":1}");
        assert!(one.open(sealed.clone(), "t/2").unwrap_err().contains("changed since"));
        let other = two.open(sealed.clone(), "t/1").unwrap_err();
        assert!(other.contains("not among") && other.contains("secret_key"), "{other}");
        assert!(Keys::default().open(sealed.clone(), "t/1").unwrap_err().contains("there is none"));
        // a new key first: the old one still opens, and what it sealed is stale
        let both = two.and(&one).and(&one);
        assert_eq!(both.0.len(), 2);
        assert!(both.is_stale(&sealed) && both.is_stale("{}"));
        assert_eq!(both.open(sealed.clone(), "t/1").unwrap(), "{\"a\":1}");
        assert!(!both.is_stale(&both.seal("", "t/1").unwrap()));
        let mut torn = sealed;
        torn.truncate(MARK.len() + NAME_DIGITS + 5);
        assert!(both.open(torn, "t/1").is_err());
    }

    #[test]
    fn without_a_key_texts_are_kept_as_they_are() {
        let none = Keys::default();
        assert_eq!(none.seal("{}", "t/1").unwrap(), "{}");
        assert!(!none.is_stale("{}"));
    }

    #[test]
    fn keys_are_hexadecimal_and_their_errors_say_none_of_them() {
        let good = "ab".repeat(32);
        assert_eq!(Keys::parse(&format!("{good}\n{}, \n", "cd".repeat(32))).unwrap().0.len(), 2);
        for bad in ["", "  ", "xyz", &"ab".repeat(31), &"gg".repeat(32), &"ä".repeat(32)] {
            let why = Keys::parse(bad).unwrap_err();
            assert!(bad.trim().is_empty() || !why.contains(bad), "{why}");
        }
        assert!(!format!("{:?}", keys('a')).contains("aaaa"));
        assert!(Keys::parse(&format!("{good} ").repeat(17)).is_err());
    }
}
