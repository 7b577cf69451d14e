//! Projects: programs that report their errors, and what they are known by.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::labels::Labels;
use crate::refusal::{Refusal, at_most};
use crate::time::Time;

/// Characters of a project's slug.
pub const MAX_SLUG_CHARS: usize = 50;
/// Bytes of a platform's name or of a key's label.
pub const MAX_WORD_BYTES: usize = 100;
/// Origins that a project allows, and fields that it names, at the most.
pub const MAX_NAMED: usize = 200;
/// Patterns of a project's own that are taken out.
pub const MAX_PATTERNS: usize = 10;
/// Bytes of one of them.
pub const MAX_PATTERN_BYTES: usize = 500;
/// The longest time without an error after which an issue is over by itself, in days.
pub const MAX_RESOLVE_DAYS: u32 = 3_650;
/// Bytes of a project's rules of grouping.
pub const MAX_GROUPING_BYTES: usize = 64 * 1024;
/// Characters of a public key: 128 bits in hexadecimal digits, as clients expect them.
pub const PUBLIC_KEY_CHARS: usize = 32;
/// The longest time over which a key's rate is counted.
pub const MAX_RATE_SECONDS: u32 = 86_400;

/// Labels that say what an incident is about, the project or service: the first that is there.
pub const LABELS: [&str; 4] = ["project", "service", "job", "namespace"];

/// The project or service that something with these labels is about.
pub fn of(labels: &Labels) -> Option<&str> {
    LABELS.iter().find_map(|name| labels.get(name).filter(|value| !value.is_empty()))
}

/// A program that reports its errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Project {
    /// Its number, by which clients name it.
    pub id: i64,
    /// What people call it. No two projects are called the same.
    pub slug: String,
    /// What it is written in or runs on, such as `python`.
    pub platform: String,
    /// Whose it is; `None`: nobody's in particular.
    pub team: Option<Id>,
    /// What it goes by.
    pub settings: Settings,
    /// When it was made.
    pub created_at: Time,
}

/// What a project goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Pages of which browsers may report, such as `https://shop.example` or `*.shop.example`; none: any.
    pub allowed_origins: Vec<String>,
    /// What is taken out of events before anything is kept.
    pub scrub: Scrub,
    /// How much is kept.
    pub keep: Keep,
    /// Which errors get which fingerprint: a rule a line, as their reader has them.
    pub grouping: String,
    /// An issue of which nothing was heard for so many days is over; zero: none is by itself.
    pub resolve_after_days: u32,
}

/// What is taken out of events before anything is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scrub {
    /// Whether anything is.
    pub enabled: bool,
    /// Names of fields whose values go, beside those that are known (`password`, `token` and the like).
    pub fields: Vec<String>,
    /// Names of fields that stay whatever is in them, but for passwords, cookies and authorisations.
    pub safe_fields: Vec<String>,
    /// Names of fields that stay even though they are passwords, cookies or authorisations.
    pub keep_secrets: Vec<String>,
    /// Regular expressions: what they find goes, wherever it stands.
    pub patterns: Vec<String>,
    /// What does not go by its looks: `card`, `email` and the like.
    pub safe_patterns: Vec<String>,
    /// Whether addresses of users go, too.
    pub addresses: bool,
}

impl Default for Scrub {
    fn default() -> Self {
        Scrub {
            enabled: true,
            fields: Vec::new(),
            safe_fields: Vec::new(),
            keep_secrets: Vec::new(),
            patterns: Vec::new(),
            safe_patterns: Vec::new(),
            addresses: false,
        }
    }
}

/// How much of a project is kept. Of what is too much, what there is plenty of goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keep {
    /// Events older than so many days go.
    pub days: u32,
    /// Events at the most.
    pub events: i64,
    /// Bytes of events at the most, as they are kept.
    pub bytes: i64,
    /// Issues at the most: of more, the quietest go.
    pub issues: i64,
}

impl Default for Keep {
    fn default() -> Self {
        Keep { days: 90, events: 1_000_000, bytes: 4 << 30, issues: 100_000 }
    }
}

impl Project {
    /// Whether a text is its slug or number.
    pub fn is_named(&self, text: &str) -> bool {
        self.slug == text || self.id.to_string() == text
    }

    /// Everything about it that cannot be.
    pub fn problems(&self) -> Vec<Refusal> {
        let checks = [
            check_slug(&self.slug),
            check_word("platform", &self.platform),
            at_most("settings.allowed_origins", self.settings.allowed_origins.len(), MAX_NAMED),
            at_most("settings.scrub.fields", self.settings.scrub.fields.len(), MAX_NAMED),
            at_most("settings.scrub.safe_fields", self.settings.scrub.safe_fields.len(), MAX_NAMED),
            at_most("settings.scrub.keep_secrets", self.settings.scrub.keep_secrets.len(), MAX_NAMED),
            at_most("settings.scrub.patterns", self.settings.scrub.patterns.len(), MAX_PATTERNS),
            at_most("settings.scrub.safe_patterns", self.settings.scrub.safe_patterns.len(), MAX_NAMED),
            self.settings.check_patterns(),
            self.settings.check_resolving(),
            self.settings.words().try_for_each(|(field, word)| check_word(field, word)),
            self.settings.keep.check(),
            match self.settings.grouping.len() {
                0..=MAX_GROUPING_BYTES => Ok(()),
                bytes => {
                    let why = format!("has {bytes} bytes, the limit is {MAX_GROUPING_BYTES}");
                    Err(Refusal::new("settings.grouping", why))
                }
            },
        ];
        checks.into_iter().filter_map(Result::err).collect()
    }

    /// Whether browsers may report of a page of this origin.
    pub fn allows_origin(&self, origin: &str) -> bool {
        let allowed = &self.settings.allowed_origins;
        allowed.is_empty() || allowed.iter().any(|pattern| origin_fits(pattern, origin))
    }
}

impl Settings {
    fn words(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let origins = self.allowed_origins.iter().map(|it| ("settings.allowed_origins", it.as_str()));
        let fields = self.scrub.fields.iter().map(|it| ("settings.scrub.fields", it.as_str()));
        let safe = self.scrub.safe_fields.iter().map(|it| ("settings.scrub.safe_fields", it.as_str()));
        let secrets = self.scrub.keep_secrets.iter().map(|it| ("settings.scrub.keep_secrets", it.as_str()));
        let looks = self.scrub.safe_patterns.iter().map(|it| ("settings.scrub.safe_patterns", it.as_str()));
        origins.chain(fields).chain(safe).chain(secrets).chain(looks)
    }

    fn check_patterns(&self) -> Result<(), Refusal> {
        match self.scrub.patterns.iter().position(|it| it.is_empty() || it.len() > MAX_PATTERN_BYTES) {
            None => Ok(()),
            Some(n) => {
                let why = format!("must have 1 to {MAX_PATTERN_BYTES} bytes");
                Err(Refusal::new(format!("settings.scrub.patterns[{n}]"), why))
            }
        }
    }

    fn check_resolving(&self) -> Result<(), Refusal> {
        match self.resolve_after_days {
            0..=MAX_RESOLVE_DAYS => Ok(()),
            _ => Err(Refusal::new("settings.resolve_after_days", format!("is more than {MAX_RESOLVE_DAYS}"))),
        }
    }
}

impl Keep {
    fn check(&self) -> Result<(), Refusal> {
        match () {
            () if self.days == 0 => Err(Refusal::new("settings.keep.days", "must be at least 1")),
            () if self.events < 1 => Err(Refusal::new("settings.keep.events", "must be at least 1")),
            () if self.bytes < 1 => Err(Refusal::new("settings.keep.bytes", "must be at least 1")),
            () if self.issues < 1 => Err(Refusal::new("settings.keep.issues", "must be at least 1")),
            () => Ok(()),
        }
    }

    /// Events that arrived before this time go.
    pub fn since(&self, now: Time) -> Time {
        now - Duration::from_secs(u64::from(self.days) * 86_400)
    }
}

/// Whether a pattern such as `https://*.shop.example` or `shop.example` takes an origin.
fn origin_fits(pattern: &str, origin: &str) -> bool {
    let (scheme, host) = origin.split_once("://").unwrap_or(("", origin));
    let (wanted_scheme, wanted) = pattern.split_once("://").unwrap_or(("", pattern));
    let is_scheme = wanted_scheme.is_empty() || wanted_scheme.eq_ignore_ascii_case(scheme);
    // a pattern without a port takes any
    let bare = match host.rsplit_once(':') {
        Some((name, port)) if !wanted.contains(':') && port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    };
    let (bare, wanted) = (bare.to_ascii_lowercase(), wanted.to_ascii_lowercase());
    let is_host = match wanted.strip_prefix("*.") {
        Some(domain) => bare.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
        None => wanted == "*" || bare == wanted,
    };
    is_scheme && is_host
}

/// What programs of a project are known by. It is public: whoever has the program can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProjectKey {
    /// Its id.
    pub id: Id,
    /// The project.
    pub project: i64,
    /// What clients send.
    pub public: String,
    /// What it is for, in words; may be empty.
    pub label: String,
    /// What is taken in at the most; `None`: everything.
    pub rate: Option<Rate>,
    /// When it was made.
    pub created_at: Time,
    /// When it was revoked: nothing is taken in any more.
    pub revoked_at: Option<Time>,
}

impl ProjectKey {
    /// Everything about it that cannot be.
    pub fn problems(&self) -> Vec<Refusal> {
        let label = if self.label.is_empty() { Ok(()) } else { check_word("label", &self.label) };
        let rate = match self.rate {
            Some(Rate { events: 0, .. }) => Err(Refusal::new("rate.events", "must be at least 1")),
            Some(Rate { seconds, .. }) if seconds == 0 || seconds > MAX_RATE_SECONDS => {
                Err(Refusal::new("rate.seconds", format!("is not from 1 to {MAX_RATE_SECONDS}")))
            }
            _ => Ok(()),
        };
        [label, rate].into_iter().filter_map(Result::err).collect()
    }
}

/// So many events in so long a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Events.
    pub events: u32,
    /// Seconds.
    pub seconds: u32,
}

fn check_slug(slug: &str) -> Result<(), Refusal> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    match () {
        () if slug.is_empty() || slug.chars().count() > MAX_SLUG_CHARS => {
            Err(Refusal::new("slug", format!("must have 1 to {MAX_SLUG_CHARS} characters")))
        }
        () if !slug.chars().all(fits) || !slug.starts_with(|c: char| c.is_ascii_alphanumeric()) => {
            let right = "must be made of a-z, 0-9, `-`, `_` and `.`, with a letter or digit first";
            Err(Refusal::new("slug", format!("{slug:?} {right}")))
        }
        () if slug.bytes().all(|it| it.is_ascii_digit()) => {
            Err(Refusal::new("slug", format!("{slug:?} looks like a project's number: add a letter")))
        }
        () => Ok(()),
    }
}

fn check_word(field: &str, word: &str) -> Result<(), Refusal> {
    match () {
        () if word.trim().is_empty() => Err(Refusal::new(field, "is empty")),
        () if word.len() > MAX_WORD_BYTES => {
            Err(Refusal::new(field, format!("has {} bytes, the limit is {MAX_WORD_BYTES}", word.len())))
        }
        () if word.chars().any(char::is_control) => {
            Err(Refusal::new(field, "contains a character that cannot be printed"))
        }
        () => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_fit_by_scheme_host_and_subdomain() {
        let fits = |pattern: &str, origin: &str| origin_fits(pattern, origin);
        assert!(fits("shop.example", "https://shop.example") && fits("*", "http://x"));
        assert!(fits("https://shop.example", "https://SHOP.example:8443"));
        assert!(!fits("https://shop.example", "http://shop.example"));
        assert!(fits("*.shop.example", "https://a.b.shop.example"));
        assert!(fits("*.shop.example", "https://shop.example"));
        assert!(!fits("*.shop.example", "https://badshop.example"));
        assert!(!fits("shop.example:81", "https://shop.example:82"));
    }

    #[test]
    fn a_slug_is_no_number() {
        assert!(check_slug("shop-2").is_ok());
        for slug in ["", "42", "Shop", "-a", "a b", "ä"] {
            assert!(check_slug(slug).is_err(), "{slug}");
        }
    }
}
