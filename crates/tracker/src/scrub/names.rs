//! Names whose values are secrets.

use std::collections::HashSet;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::{MAX_NAMES, Settings, Verdict};

/// Wherever these occur in a name, without regard to case and to what is no letter or digit.
const PARTS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "credential",
    "mysqlpwd",
    "twofactor",
    "authorization",
    "xauth",
    "authtoken",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "csrftoken",
    "xsrftoken",
    "sessionid",
    "sessiontoken",
    "bearer",
    "creditcard",
    "cardnumber",
    "connectionstring",
];
/// These as a word of the name: `auth` is a secret, `author` is not.
const WORDS: &[&str] = &["auth", "token", "tokens", "otp", "pwd", "pin", "cvc", "cvv", "ssn", "iban", "jwt"];
/// Names of cookies that are a session.
const SESSIONS: &[&str] = &[
    "session",
    "sessionid",
    "sid",
    "connectsid",
    "phpsessid",
    "jsessionid",
    "aspsessionid",
    "aspnetsessionid",
    "csrftoken",
    "xsrftoken",
    "csrf",
    "xsrf",
    "laravelsession",
    "rememberme",
    "remembertoken",
    "symfony",
    "usersession",
];
/// Wherever these occur in a name, its value goes even though the project says that it is safe.
const ALWAYS: &[&str] = &["password", "passwd", "passphrase", "mysqlpwd", "authorization", "cookie"];
/// Characters of a name that are looked at.
const MAX_LENGTH: usize = 256;

/// [`PARTS`], for all: there may be as many scrubbers as projects.
static DEFAULTS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| finder(PARTS));

/// What finds any of these. It cannot fail with so few, and without it nothing would be found: words still are.
fn finder<S: AsRef<[u8]>>(parts: &[S]) -> Option<AhoCorasick> {
    AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(parts).ok()
}

#[derive(Debug, Clone)]
pub(super) struct Names {
    /// what is asked for beside the defaults
    own: Option<AhoCorasick>,
    defaults: bool,
    safe: HashSet<String>,
}

/// Whether a project has to say by itself that values of this name stay.
pub(super) fn is_always_secret(name: &str) -> bool {
    is_always(&bare(name))
}

fn is_always(bare: &str) -> bool {
    bare == "pwd" || SESSIONS.contains(&bare) || ALWAYS.iter().any(|part| bare.contains(part))
}

/// Without case and without all that is neither letter nor digit: `X-Api_Key`, as `xapikey`.
fn bare(name: &str) -> String {
    let mut bare = String::with_capacity(name.len().min(MAX_LENGTH));
    if name.is_ascii() {
        let chars = name.bytes().filter(u8::is_ascii_alphanumeric).take(MAX_LENGTH);
        bare.extend(chars.map(|byte| char::from(byte.to_ascii_lowercase())));
    } else {
        let chars = name.chars().filter(|char| char.is_alphanumeric()).take(MAX_LENGTH);
        bare.extend(chars.flat_map(char::to_lowercase));
    }
    bare
}

impl Names {
    pub(super) fn new(settings: &Settings) -> Self {
        let own = settings.sensitive.iter().take(MAX_NAMES).map(|name| bare(name));
        let own: Vec<String> = own.filter(|part| !part.is_empty()).collect();
        Names {
            own: if own.is_empty() { None } else { finder(&own) },
            defaults: settings.defaults,
            safe: {
                let safe = settings.safe.iter().take(MAX_NAMES).map(|name| bare(name));
                let safe = safe.filter(|name| !settings.defaults || !is_always(name));
                let said = settings.kept_secrets.iter().take(MAX_NAMES).map(|name| bare(name));
                safe.chain(said).collect()
            },
        }
    }

    pub(super) fn is_safe(&self, name: &str) -> bool {
        self.safe.contains(&bare(name))
    }

    /// Whether what is called so goes even inside what is safe.
    pub(super) fn must_go(&self, name: &str) -> bool {
        let bare = bare(name);
        self.defaults && is_always(&bare) && !self.safe.contains(&bare)
    }

    pub(super) fn verdict(&self, name: &str) -> Verdict {
        let bare = bare(name);
        if self.safe.contains(&bare) {
            return Verdict::Safe;
        }
        let defaults = DEFAULTS.as_ref().filter(|_| self.defaults);
        let by_part = defaults.into_iter().chain(&self.own).any(|parts| parts.is_match(&bare));
        if by_part || (self.defaults && has_word(name, &bare)) { Verdict::Secret } else { Verdict::Unknown }
    }

    /// A number under such a name is how many there are: `max_tokens`.
    pub(super) fn is_a_count(&self, name: &str) -> bool {
        self.defaults && bare(name).ends_with("tokens")
    }

    pub(super) fn is_session(&self, name: &str) -> bool {
        let bare = bare(name);
        self.defaults && !self.safe.contains(&bare) && SESSIONS.contains(&bare.as_str())
    }
}

/// `auth_header`, `userAuth` and `AUTH` have the word `auth`; `author` has not.
fn has_word(name: &str, bare: &str) -> bool {
    if !WORDS.iter().any(|word| bare.contains(word)) {
        return false;
    }
    let mut word = String::new();
    let mut before_is_lower = false;
    for char in name.chars().take(MAX_LENGTH) {
        let begins = char.is_uppercase() && before_is_lower;
        if (begins || !char.is_alphanumeric()) && is_word(&word) {
            return true;
        }
        if begins || !char.is_alphanumeric() {
            word.clear();
        }
        if char.is_alphanumeric() {
            word.extend(char.to_lowercase());
        }
        before_is_lower = char.is_lowercase() || char.is_numeric();
    }
    is_word(&word)
}

fn is_word(word: &str) -> bool {
    WORDS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_however_they_are_written() {
        let names = Names::new(&Settings::default());
        for name in [
            "password",
            "PASSWORD",
            "user_password_2",
            "'password'",
            "X-Api-Key",
            "apiKey",
            "api.key",
            "auth",
            "userAuth",
            "AUTH_HEADER",
            "Authorization",
            "token",
            "csrf_token",
            "csrfmiddlewaretoken_token",
            "client_secret",
            "otp",
            "DB_PWD",
            "two-factor",
            "privateKey",
            "aws_secret_access_key",
            "credentials",
        ] {
            assert_eq!(names.verdict(name), Verdict::Secret, "{name}");
        }
        for name in [
            "author",
            "authored_by",
            "option",
            "pinned",
            "tokenizer",
            "name",
            "opinion",
            "monkey",
            "passenger",
        ] {
            assert_eq!(names.verdict(name), Verdict::Unknown, "{name}");
        }
    }

    #[test]
    fn a_project_adds_and_exempts() {
        let settings = Settings {
            sensitive: vec!["Customer-No".to_owned()],
            safe: vec!["token_count".to_owned(), "password_age".to_owned()],
            kept_secrets: vec!["password_hint".to_owned()],
            ..Settings::default()
        };
        let names = Names::new(&settings);
        assert_eq!(names.verdict("customer_no"), Verdict::Secret);
        assert_eq!(names.verdict("the_customerNo_2"), Verdict::Secret);
        assert_eq!(names.verdict("tokenCount"), Verdict::Safe);
        assert_eq!(names.verdict("passwordHint"), Verdict::Safe, "that was said plainly");
        assert_eq!(names.verdict("password_age"), Verdict::Secret, "that was not");
        let none = Names::new(&Settings { defaults: false, ..settings });
        assert_eq!(none.verdict("password"), Verdict::Unknown);
        assert_eq!(none.verdict("customer_no"), Verdict::Secret);
    }
}
