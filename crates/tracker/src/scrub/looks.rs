//! Secrets that show by what they look like.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::Regex;
use serde_json::Number;

use super::own::Own;
use super::{FILTERED, Place};

/// In the place of a card's number.
const CARD: &str = "[card]";
const IBAN: &str = "[iban]";
const SSN: &str = "[ssn]";
const TOKEN: &str = "[token]";
const KEY: &str = "[private key]";
const EMAIL: &str = "[email]";
const PASSWORD: &str = "[password]";

/// Digits of a text without which it holds no number of a card or an account, nor one of US social security.
const FEWEST_DIGITS: usize = 9;

/// Without one of these a text holds no other secret; found in one pass, in any case.
static WORDS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = ["@", "-----BEGIN", "://", "eyJ", "bearer", "basic", "token"];
    let builder =
        AhoCorasick::builder().ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA)).build(words);
    builder.ok()
});

/// Everything that is known by its looks, as a project may exempt it.
pub const LOOKS: [&str; 7] = ["private_key", "token", "url_password", "ssn", "card", "iban", "email"];

#[derive(Debug, Clone)]
pub(super) struct Looks {
    pub(super) on: bool,
    /// which of [`LOOKS`] the project lets stay
    safe: [bool; LOOKS.len()],
    own: Own,
}

/// The places of these in [`LOOKS`].
#[derive(Debug, Clone, Copy)]
enum Look {
    PrivateKey,
    Token,
    UrlPassword,
    Ssn,
    Card,
    Iban,
    Email,
}

/// What a text has in it, found by looking at each byte once.
#[derive(Debug, Clone, Copy, Default)]
struct Hints {
    digits: bool,
    at: bool,
    dashes: bool,
    scheme: bool,
    bearer: bool,
    dotted_token: bool,
}

impl Looks {
    pub(super) fn new(on: bool, safe: &[String], own: Own) -> Self {
        Looks { on, safe: LOOKS.map(|name| safe.iter().any(|it| it == name)), own }
    }

    fn goes(&self, look: Look) -> bool {
        !self.safe[look as usize]
    }

    /// Whether it is worth looking closer. Of thousands of texts hardly one is.
    pub(super) fn may_have(&self, text: &str, place: Place) -> bool {
        (self.on && self.hints(text, place).any()) || self.own.is_in(text)
    }

    /// Replaces what the project's own patterns find; says whether there was anything.
    pub(super) fn replace_own(&self, text: &mut String) -> bool {
        self.own.replace(text)
    }

    fn hints(&self, text: &str, place: Place) -> Hints {
        let bytes = text.as_bytes();
        if bytes.len() < 6 {
            return Hints::default();
        }
        let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count() >= FEWEST_DIGITS;
        let Some(words) = WORDS.as_ref() else {
            return Hints { digits, at: true, dashes: true, scheme: true, bearer: true, dotted_token: true };
        };
        let mut hints = Hints { digits, ..Hints::default() };
        for found in words.find_iter(bytes) {
            match found.pattern().as_usize() {
                0 => hints.at = true,
                1 => hints.dashes = true,
                2 => hints.scheme = true,
                3 => hints.dotted_token = true,
                _ => hints.bearer = true,
            }
        }
        // a password in a URL stands before an `@`
        hints.scheme &= hints.at;
        hints.at &= place == Place::Message;
        hints
    }

    /// Replaces what looks like a secret; says whether there was one.
    pub(super) fn replace(&self, text: &mut String, place: Place) -> bool {
        let found = self.on && self.replace_known(text, place);
        // after the others: of what those have found, nothing is left to look at
        self.replace_own(text) || found
    }

    fn replace_known(&self, text: &mut String, place: Place) -> bool {
        let hints = self.hints(text, place);
        if !hints.any() {
            return false;
        }
        let mut found = false;
        let mut with = |look: Look, regex: &LazyLock<Option<Regex>>, replacement: &str| {
            let Some(regex) = regex.as_ref().filter(|_| self.goes(look)) else { return };
            if let std::borrow::Cow::Owned(replaced) = regex.replace_all(text, replacement) {
                *text = replaced;
                found = true;
            }
        };
        if hints.dashes {
            with(Look::PrivateKey, &PRIVATE_KEY, KEY);
        }
        if hints.bearer {
            with(Look::Token, &BEARER, "${1} [token]");
        }
        if hints.dotted_token {
            with(Look::Token, &JWT, TOKEN);
        }
        if hints.scheme {
            with(Look::UrlPassword, &IN_URL, "${1}[password]@");
        }
        if hints.digits {
            with(Look::Ssn, &US_SSN, SSN);
            found |= numbers(text, (self.goes(Look::Card), self.goes(Look::Iban)));
        }
        if hints.at
            && let Some(regex) = EMAIL_ADDRESS.as_ref().filter(|_| self.goes(Look::Email))
        {
            let replaced = regex.replace_all(text, |captures: &regex::Captures<'_>| {
                // the host behind a password that was taken out of a URL is no address
                let whole = &captures[0];
                if whole.starts_with(PASSWORD) { whole.to_owned() } else { EMAIL.to_owned() }
            });
            if let std::borrow::Cow::Owned(replaced) = replaced {
                found |= *text != replaced;
                *text = replaced;
            }
        }
        found
    }

    /// What stands in the place of a number in JSON, if that is a card's or the project does not want it.
    pub(super) fn of_number(&self, number: &Number) -> Option<&'static str> {
        let digits =
            number.as_u64().filter(|it| self.on && self.goes(Look::Card) && *it >= 100_000_000_000_000);
        if digits.is_some_and(|it| is_card(it.to_string().bytes())) {
            return Some(CARD);
        }
        (!self.own.is_none() && self.own.is_in(&number.to_string())).then_some(FILTERED)
    }
}

impl Hints {
    fn any(self) -> bool {
        self.digits || self.at || self.dashes || self.scheme || self.bearer || self.dotted_token
    }
}

fn regex(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

static PRIVATE_KEY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(
        r"-----BEGIN [A-Z0-9 ]*(?:PRIVATE|SECRET) KEY[A-Z ]*-----(?s:.*?)(?:-----END [A-Z0-9 ]*KEY[A-Z ]*-----|$)",
    )
});
static BEARER: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(r"(?i)\b(Bearer|Basic|Token)[ :=]+[A-Za-z0-9._~+/-]{8,}=*"));
static JWT: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"));
static IN_URL: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(r#"([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@"']*:)[^\s/@"'\[]+@"#));
static US_SSN: LazyLock<Option<Regex>> = LazyLock::new(|| regex(r"\b[0-8]\d{2}-\d{2}-\d{4}\b"));
static EMAIL_ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(r"(?:\[password\]|[A-Za-z0-9._%+'-]+)@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
});

/// Cards and accounts, as far as they go: runs of digits in groups, told from other numbers by their sums.
fn numbers(text: &mut String, (cards, ibans): (bool, bool)) -> bool {
    let mut out = String::new();
    let mut copied = 0;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let begins = bytes[at].is_ascii_alphanumeric()
            && (at == 0 || !matches!(bytes[at - 1], b'.' | b'_') && !bytes[at - 1].is_ascii_alphanumeric());
        if !begins {
            at += 1;
            continue;
        }
        let card = card_at(bytes, at).filter(|_| cards);
        let (end, what) = match (card, iban_at(bytes, at).filter(|_| ibans)) {
            (Some(end), _) => (end, CARD),
            (None, Some(end)) => (end, IBAN),
            (None, None) => {
                while at < bytes.len() && bytes[at].is_ascii_alphanumeric() {
                    at += 1;
                }
                continue;
            }
        };
        out.push_str(&text[copied..at]);
        out.push_str(what);
        (at, copied) = (end, end);
    }
    if copied == 0 {
        return false;
    }
    out.push_str(&text[copied..]);
    *text = out;
    true
}

/// The end of a card's number that begins here: digits, with one blank or hyphen between groups.
fn card_at(bytes: &[u8], from: usize) -> Option<usize> {
    let mut digits = [0u8; 20];
    let mut count = 0;
    let mut at = from;
    let mut end = from;
    while at < bytes.len() {
        match bytes[at] {
            digit @ b'0'..=b'9' => {
                if count == 19 {
                    return None;
                }
                digits[count] = digit;
                count += 1;
                end = at + 1;
            }
            b' ' | b'-' if at == end && count > 0 => {}
            _ => break,
        }
        at += 1;
    }
    let joined = bytes.get(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    (!joined && is_card(digits[..count].iter().copied())).then_some(end)
}

/// Of a length and a beginning that issuers use, and with the right last digit.
fn is_card(digits: impl Iterator<Item = u8>) -> bool {
    let digits: Vec<u32> = digits.map(|digit| u32::from(digit - b'0')).collect();
    let begins = |count: usize| digits.iter().take(count).fold(0, |number, digit| number * 10 + digit);
    let known = match digits.len() {
        14 => matches!(begins(2), 36 | 38) || matches!(begins(3), 300..=305),
        15 => matches!(begins(2), 34 | 37),
        16 | 19 => {
            begins(1) == 4
                || matches!(begins(2), 35 | 51..=55 | 62 | 65)
                || matches!(begins(4), 2221..=2720 | 6011)
                || matches!(begins(2), 50 | 56..=58 | 60 | 63 | 67)
        }
        _ => false,
    };
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| if index % 2 == 1 { doubled(*digit) } else { *digit })
        .sum();
    known && sum.is_multiple_of(10)
}

/// The end of an IBAN that begins here: two letters, two digits, up to 30 letters and digits in groups of
/// four, and the right sum.
fn iban_at(bytes: &[u8], from: usize) -> Option<usize> {
    let head = bytes.get(from..from + 4)?;
    if !(head[..2].iter().all(u8::is_ascii_uppercase) && head[2..].iter().all(u8::is_ascii_digit)) {
        return None;
    }
    let mut chars = Vec::with_capacity(34);
    let mut at = from;
    let mut best = None;
    while at < bytes.len() && chars.len() < 34 {
        match bytes[at] {
            byte if byte.is_ascii_uppercase() || byte.is_ascii_digit() => chars.push(byte),
            b' ' if chars.len().is_multiple_of(4) => {}
            _ => break,
        }
        at += 1;
        let ended = bytes.get(at).is_none_or(|next| !next.is_ascii_alphanumeric());
        if ended && chars.len() >= 15 && has_sum_of_iban(&chars) {
            best = Some(at);
        }
    }
    best
}

fn has_sum_of_iban(chars: &[u8]) -> bool {
    let turned = chars[4..].iter().chain(&chars[..4]);
    let rest = turned.fold(0u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
    });
    rest == 1
}
