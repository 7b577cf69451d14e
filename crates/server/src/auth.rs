//! Who asks, and what they may: API tokens, and the trust in whoever sits at this very machine.
//!
//! A token is `nb_` and 192 random bits. Only its SHA-256 is kept, and looked up by: there is nothing to
//! compare in constant time, and nothing to steal from the database. A good one is remembered for some
//! seconds, so that a busy sender does not cost a query a request.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{Id, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::tokens::Token;
use utoipa::ToSchema;

use crate::limits::{MAX_TOKENS_REMEMBERED, TOKEN_BYTES, TOKEN_MEMORY};

/// What every token begins with, so that people and scanners know one when they see one.
pub const PREFIX: &str = "nb_";

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// To see everything but tokens.
    Read,
    /// To send events, alerts and pings.
    Ingest,
    /// To act on incidents, silences and deliveries, and to see what `read` sees.
    Respond,
    /// Everything.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 4] = [Scope::Read, Scope::Ingest, Scope::Respond, Scope::Admin];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Ingest => "ingest",
            Scope::Respond => "respond",
            Scope::Admin => "admin",
        }
    }

    /// The scope of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// Whether whoever has this may do what needs the other.
    pub fn covers(self, needed: Scope) -> bool {
        self == needed || self == Scope::Admin || (self == Scope::Respond && needed == Scope::Read)
    }
}

/// Where a request comes from, as the accepting socket saw it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's name; empty for somebody at this very machine.
    pub name: String,
    /// The token; none for somebody at this very machine.
    pub token: Option<Id>,
    /// What they may.
    pub scopes: Vec<Scope>,
}

impl Caller {
    /// Somebody at this very machine.
    pub fn local() -> Self {
        Caller { name: String::new(), token: None, scopes: vec![Scope::Admin] }
    }

    /// Whether they may do what needs this.
    pub fn may(&self, needed: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.covers(needed))
    }

    /// How the ledger names them: what they call themselves, and the token they came with.
    pub fn signed(&self, by: &str) -> String {
        match (by.trim(), self.name.as_str()) {
            ("", "") => "somebody at this machine".to_owned(),
            ("", name) => name.to_owned(),
            (by, name) if name.is_empty() || by == name => by.to_owned(),
            (by, name) => format!("{by} (with token {name})"),
        }
    }
}

/// Tokens that were good a moment ago.
#[derive(Debug, Default)]
pub struct Auth(Mutex<HashMap<Hash, (Arc<Caller>, Time)>>);

/// The hash of a token.
type Hash = [u8; 32];

impl Auth {
    pub(crate) fn remembered(&self, hash: &[u8; 32], now: Time) -> Option<Arc<Caller>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(hash)
            .filter(|(_, until)| *until > now && *until <= now + TOKEN_MEMORY)
            .map(|(it, _)| it.clone())
    }

    pub(crate) fn remember(&self, hash: [u8; 32], caller: Arc<Caller>, until: Time) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_TOKENS_REMEMBERED {
            known.clear();
        }
        known.insert(hash, (caller, until));
    }

    /// Forgets everything: when a token is revoked.
    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Makes a token: its row, the secret that is shown once, and the hash to keep.
pub fn mint(
    id: Id,
    name: &str,
    scopes: &[Scope],
    now: Time,
    expires_at: Option<Time>,
) -> (Token, String, String) {
    let random: [u8; TOKEN_BYTES] = rand::random();
    let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let scopes = scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" ");
    let token = Token { id, name: name.to_owned(), scopes, created_at: now, expires_at, revoked_at: None };
    let hash = hex(&hash(&secret));
    (token, secret, hash)
}

/// The hash of a text as 64 hexadecimal digits.
pub(crate) fn hash_hex(text: &[u8]) -> String {
    hex(&Sha256::digest(text))
}

pub(crate) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_cover_what_they_say() {
        assert!(Scope::Admin.covers(Scope::Ingest) && Scope::Respond.covers(Scope::Read));
        assert!(!Scope::Ingest.covers(Scope::Read) && !Scope::Read.covers(Scope::Respond));
        assert!(Scope::ALL.iter().all(|scope| Scope::from_name(scope.name()) == Some(*scope)));
    }

    #[test]
    fn a_token_has_more_bits_than_can_be_guessed_and_only_its_hash_is_kept() {
        let (token, secret, hash) = mint(Id(1), "ci", &[Scope::Read, Scope::Ingest], Time(5), None);
        assert!(TOKEN_BYTES * 8 >= 160 && secret.len() == 3 + 32 && secret.starts_with("nb_"));
        assert_eq!((token.scopes.as_str(), hash.len()), ("read ingest", 64));
        assert_eq!(hash, hash_hex(secret.as_bytes()));
        assert_ne!(secret, mint(Id(1), "ci", &[], Time(5), None).1);
    }

    #[test]
    fn the_ledger_says_who_and_how() {
        let bot = Caller { name: "bot".into(), token: Some(Id(1)), scopes: vec![] };
        assert_eq!((bot.signed(""), bot.signed("ann")), ("bot".into(), "ann (with token bot)".into()));
        assert_eq!(Caller::local().signed("ann"), "ann");
    }
}
