//! Who asks, and what they may: API tokens, and the trust in whoever sits at this very machine.
//!
//! A token is `nb_` and 192 random bits. Only its SHA-256 is kept, and looked up by: there is nothing to
//! compare in constant time, and nothing to steal from the database. A good one is remembered for some
//! seconds, so that a busy sender does not cost a query a request.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
pub use model::account::Scope;
use model::account::{Actor, ActorKind, Role, User};
use model::{Id, Time};
use sha2::{Digest, Sha256};
use store::tokens::Token;

use crate::limits::{MAX_TOKENS_REMEMBERED, SECRET_BYTES, TOKEN_BYTES, TOKEN_MEMORY};

/// What every token begins with, so that people and scanners know one when they see one.
pub const PREFIX: &str = "nb_";

/// Where a request comes from, as the accepting socket saw it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What kind of somebody.
    pub kind: ActorKind,
    /// What they are called: the user's name, or the token's when it belongs to nobody; empty for somebody at this
    /// very machine.
    pub name: String,
    /// The token that they came with.
    pub token: Option<Id>,
    /// The user.
    pub user: Option<Id>,
    /// What the user is to the hub.
    pub role: Option<Role>,
    /// The session that they came with.
    pub session: Option<Id>,
    /// What they may.
    pub scopes: Vec<Scope>,
    /// Teams for which they may do what needs [`Scope::Respond`], though it be for no others.
    pub teams: Vec<Id>,
    /// At the end of how long a [`chain`](model::NewEvent::chain) they ask; 0 for everybody but plugins.
    pub chain: u32,
}

/// What a route needs of who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// That they may do this, whomever it is about.
    Everywhere(Scope),
    /// That they may respond for all, or for a team: its handler finds out whether it is that team's.
    RespondSomewhere,
}

impl Need {
    /// What a description of the API calls the second.
    pub const RESPOND_SOMEWHERE: &str = "respond:team";

    /// The scope that is enough for it in any case.
    pub fn scope(self) -> Scope {
        match self {
            Need::Everywhere(scope) => scope,
            Need::RespondSomewhere => Scope::Respond,
        }
    }

    /// As a description of the API says it.
    pub fn from_name(name: &str) -> Option<Need> {
        match name {
            Need::RESPOND_SOMEWHERE => Some(Need::RespondSomewhere),
            name => Scope::from_name(name).map(Need::Everywhere),
        }
    }
}

impl Caller {
    fn of(kind: ActorKind, name: &str, scopes: &[Scope]) -> Self {
        let (scopes, teams, name) = (scopes.to_vec(), Vec::new(), name.to_owned());
        Caller { kind, name, token: None, user: None, role: None, session: None, scopes, teams, chain: 0 }
    }

    /// Somebody at this very machine.
    pub fn local() -> Self {
        Caller::of(ActorKind::Local, "", &[Scope::Admin])
    }

    /// The hub itself, which may do nothing in nobody's name.
    pub fn system(why: &str) -> Self {
        Caller::of(ActorKind::System, why, &[])
    }

    /// A plugin, which does something at the end of a chain that is so long.
    pub fn plugin(name: &str, chain: u32) -> Self {
        let caller =
            Caller::of(ActorKind::Plugin, &format!("plugin {name}"), &[Scope::Ingest, Scope::Respond]);
        Caller { chain, ..caller }
    }

    /// A user who has shown who they are.
    pub fn user(user: &User) -> Self {
        let caller = Caller::of(ActorKind::User, &user.name, user.role.scopes());
        Caller { user: Some(user.id), role: Some(user.role), ..caller }
    }

    /// A user with a session, who may respond for these teams.
    pub fn with_session(user: &User, session: Id, teams: Vec<Id>) -> Self {
        Caller { session: Some(session), teams, ..Caller::user(user) }
    }

    /// Whoever has a token: a user who does no more than they may, in these teams, too, or the token itself.
    pub fn with_token(token: &Token, user: Option<&User>, teams: Vec<Id>) -> Self {
        let scopes: Vec<Scope> = token.scopes.split_whitespace().filter_map(Scope::from_name).collect();
        let caller = match user {
            Some(user) => {
                let lets = scopes.iter().any(|scope| scope.covers(Scope::Respond));
                let teams = if lets { teams } else { Vec::new() };
                Caller { scopes: user.role.limit(&scopes), teams, ..Caller::user(user) }
            }
            None => Caller::of(ActorKind::Token, &token.name, &scopes),
        };
        Caller { token: Some(token.id), ..caller }
    }

    /// Whether they may do what needs this.
    pub fn may(&self, needed: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.covers(needed))
    }

    /// Whether they may respond for somebody: for all, or for one of their teams.
    pub fn responds(&self) -> bool {
        self.may(Scope::Respond) || !self.teams.is_empty()
    }

    /// Whether they may respond for all, or for one of these teams.
    pub fn responds_for<'a>(&self, teams: impl IntoIterator<Item = &'a Id>) -> bool {
        self.may(Scope::Respond) || teams.into_iter().any(|team| self.teams.contains(team))
    }

    /// Whether they may ask for what a route needs.
    pub fn has(&self, need: Need) -> bool {
        match need {
            Need::Everywhere(scope) => self.may(scope),
            Need::RespondSomewhere => self.responds(),
        }
    }

    /// Why they may not do what needs this.
    pub fn lacks(&self, needed: Scope) -> String {
        let (name, scope) = (&self.name, needed.name());
        match (self.role, self.token) {
            (Some(role), None) => format!("{name} is a {}, and this needs {scope}", role.name()),
            _ => format!("token {name:?} lacks the scope {scope}, which this needs"),
        }
    }

    /// Whether this is the user, with a session of their own: a token does not change whose it is.
    pub fn is_at_desk_of(&self, user: Id) -> bool {
        self.user == Some(user) && self.session.is_some()
    }

    /// How the ledger names them: what they call themselves, and who they are known as.
    pub fn signed(&self, by: &str) -> String {
        match (by.trim(), self.name.as_str()) {
            ("", "") => "somebody at this machine".to_owned(),
            ("", name) => name.to_owned(),
            (by, name) if name.is_empty() || by == name => by.to_owned(),
            (by, name) if self.kind == ActorKind::User => format!("{by} (as {name})"),
            (by, name) => format!("{by} (with token {name})"),
        }
    }

    /// How the audit log names them.
    pub fn actor(&self, from: Option<IpAddr>) -> Actor {
        let address = from.map(|address| address.to_canonical().to_string()).unwrap_or_default();
        Actor { kind: self.kind, id: self.user.or(self.token), name: self.name.clone(), address }
    }
}

/// Tokens and sessions that were good a moment ago.
#[derive(Debug, Default)]
pub struct Auth(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    callers: HashMap<Hash, Remembered>,
    /// Grows whenever everything is forgotten.
    generation: u64,
}

/// The hash of a token.
type Hash = [u8; 32];

/// Somebody who was let in.
#[derive(Debug)]
pub(crate) struct Remembered {
    /// Who.
    pub caller: Arc<Caller>,
    /// Until when this may be gone by.
    pub until: Time,
    /// What [`store::users::access`] was when it was read: it is of no use when that has changed.
    pub access: i64,
}

impl Auth {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn remembered(&self, hash: &[u8; 32], access: i64, now: Time) -> Option<Arc<Caller>> {
        let known = self.known();
        let found = known.callers.get(hash).filter(|it| it.access == access);
        found.filter(|it| it.until > now && it.until <= now + TOKEN_MEMORY).map(|it| it.caller.clone())
    }

    /// To be asked before something is read that will be remembered.
    pub(crate) fn generation(&self) -> u64 {
        self.known().generation
    }

    /// Remembers what was read, unless everything was forgotten since: then it may have changed.
    pub(crate) fn remember(&self, hash: [u8; 32], it: Remembered, generation: u64) {
        let mut known = self.known();
        if known.generation != generation {
            return;
        }
        if known.callers.len() >= MAX_TOKENS_REMEMBERED {
            known.callers.clear();
        }
        known.callers.insert(hash, it);
    }

    /// Forgets everything: when a token is revoked, a session ends, or a user is not who they were.
    pub fn forget(&self) {
        let mut known = self.known();
        known.callers.clear();
        known.generation += 1;
    }
}

/// A secret that cannot be guessed, to be shown once.
pub(crate) fn secret() -> String {
    let random: [u8; SECRET_BYTES] = rand::random();
    URL_SAFE_NO_PAD.encode(random)
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
    let token = Token {
        id,
        user: None,
        name: name.to_owned(),
        scopes,
        created_at: now,
        expires_at,
        revoked_at: None,
    };
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
    fn a_token_has_more_bits_than_can_be_guessed_and_only_its_hash_is_kept() {
        let (token, secret, hash) = mint(Id(1), "ci", &[Scope::Read, Scope::Ingest], Time(5), None);
        assert!(TOKEN_BYTES * 8 >= 160 && secret.len() == 3 + 32 && secret.starts_with("nb_"));
        assert_eq!((token.scopes.as_str(), hash.len()), ("read ingest", 64));
        assert_eq!(hash, hash_hex(secret.as_bytes()));
        assert_ne!(secret, mint(Id(1), "ci", &[], Time(5), None).1);
    }

    fn ann(role: Role) -> User {
        User::new(Id(7), "ann", role, Time(0))
    }

    #[test]
    fn the_ledger_says_who_and_how() {
        let token = mint(Id(1), "bot", &[], Time(5), None).0;
        let bot = Caller::with_token(&token, None, Vec::new());
        assert_eq!((bot.signed(""), bot.signed("ann")), ("bot".into(), "ann (with token bot)".into()));
        assert_eq!(Caller::local().signed("ann"), "ann");
        let user = Caller::user(&ann(Role::Viewer));
        assert_eq!(
            (user.signed(""), user.signed("Ann"), user.signed("bob")),
            ("ann".to_owned(), "Ann (as ann)".to_owned(), "bob (as ann)".to_owned(),)
        );
    }

    #[test]
    fn a_token_never_does_more_than_its_user() {
        let token = mint(Id(1), "ci", &[Scope::Admin], Time(5), None).0;
        let caller = Caller::with_token(&token, Some(&ann(Role::Viewer)), Vec::new());
        assert!(caller.may(Scope::Read) && !caller.may(Scope::Respond) && !caller.is_at_desk_of(Id(7)));
        assert!(Caller::with_session(&ann(Role::Viewer), Id(3), Vec::new()).is_at_desk_of(Id(7)));
        assert_eq!(caller.actor(None).id, Some(Id(7)));
    }

    #[test]
    fn in_a_team_a_token_does_what_its_scopes_and_the_role_there_both_say() {
        let with = |scopes: &[Scope], teams: &[i64]| {
            let token = mint(Id(1), "ci", scopes, Time(5), None).0;
            Caller::with_token(&token, Some(&ann(Role::Viewer)), teams.iter().map(|id| Id(*id)).collect())
        };
        let both = with(&[Scope::Respond], &[1, 2]);
        assert!(both.responds() && both.responds_for(&[Id(2), Id(9)]) && !both.responds_for(&[Id(9)]));
        assert!(both.has(Need::RespondSomewhere) && !both.has(Need::Everywhere(Scope::Respond)));
        let (looks, alone) = (with(&[Scope::Read], &[1]), with(&[Scope::Admin], &[]));
        assert!(!looks.responds() && !looks.responds_for(&[Id(1)]) && !alone.responds());
        assert!(Caller::local().responds_for(&[]), "who may for all may for what is nobody's");
    }

    #[test]
    fn what_was_read_before_all_was_forgotten_is_not_remembered() {
        let (auth, caller, now) = (Auth::default(), Arc::new(Caller::local()), Time(5));
        let generation = auth.generation();
        let known = || Remembered { caller: caller.clone(), until: now + TOKEN_MEMORY, access: 3 };
        auth.remember([1; 32], known(), generation);
        assert!(auth.remembered(&[1; 32], 3, now).is_some());
        assert!(auth.remembered(&[1; 32], 4, now).is_none(), "another node has locked somebody out");
        auth.forget();
        assert!(auth.remembered(&[1; 32], 3, now).is_none());
        auth.remember([1; 32], known(), generation);
        assert!(auth.remembered(&[1; 32], 3, now).is_none());
    }
}
