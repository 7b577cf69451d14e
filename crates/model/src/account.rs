//! Who uses the hub: users and teams, what their roles allow, and who did what.

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_EMAIL_BYTES, MAX_FULL_NAME_BYTES, MAX_USER_NAME_BYTES};
use crate::refusal::Refusal;
use crate::zone::Zone;
use crate::{Id, Time};

/// What somebody may do: what a role allows, and what a token is limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// To see everything but tokens and the audit log.
    Read,
    /// To send events, alerts and pings.
    Ingest,
    /// To act on incidents, silences and deliveries, and to see what `read` sees.
    Respond,
    /// To run teams, and to do what `respond` does.
    Manage,
    /// Everything.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 5] = [Scope::Read, Scope::Ingest, Scope::Respond, Scope::Manage, Scope::Admin];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Ingest => "ingest",
            Scope::Respond => "respond",
            Scope::Manage => "manage",
            Scope::Admin => "admin",
        }
    }

    /// The scope of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// Whether whoever has this may do what needs the other.
    pub fn covers(self, needed: Scope) -> bool {
        match self {
            Scope::Admin => true,
            Scope::Manage => matches!(needed, Scope::Read | Scope::Respond | Scope::Manage),
            Scope::Respond => matches!(needed, Scope::Read | Scope::Respond),
            Scope::Read | Scope::Ingest => self == needed,
        }
    }
}

/// What somebody is to the hub, or to a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees.
    Viewer,
    /// Sees, and acts on what is wrong.
    Responder,
    /// That, and runs teams.
    Manager,
    /// Everything.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Role; 4] = [Role::Viewer, Role::Responder, Role::Manager, Role::Admin];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Responder => "responder",
            Role::Manager => "manager",
            Role::Admin => "admin",
        }
    }

    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What it allows.
    pub fn scopes(self) -> &'static [Scope] {
        match self {
            Role::Viewer => &[Scope::Read],
            Role::Responder => &[Scope::Ingest, Scope::Respond],
            Role::Manager => &[Scope::Ingest, Scope::Manage],
            Role::Admin => &[Scope::Admin],
        }
    }

    /// Whether it allows what needs this.
    pub fn may(self, needed: Scope) -> bool {
        self.scopes().iter().any(|scope| scope.covers(needed))
    }

    /// What is left of these scopes for somebody of this role: a token never does more than its user may.
    pub fn limit(self, scopes: &[Scope]) -> Vec<Scope> {
        let whole = scopes.iter().copied().filter(|scope| self.may(*scope));
        let parts = self.scopes().iter().copied().filter(|own| scopes.iter().any(|scope| scope.covers(*own)));
        let mut left: Vec<Scope> = whole.chain(parts).collect();
        left.sort_unstable();
        left.dedup();
        left
    }
}

/// Somebody who uses the hub, or a machine that does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// Its id.
    pub id: Id,
    /// What they log in with. No two users have the same, however it is written.
    pub name: String,
    /// What people call them; may be empty.
    pub full_name: String,
    /// Their e-mail address; may be empty.
    pub email: String,
    /// Their phone number as E.164 writes it, such as `+4915112345678`; may be empty.
    pub phone: String,
    /// Their time zone by its name in the IANA database, such as `Europe/Berlin`.
    pub time_zone: String,
    /// What they may do.
    pub role: Role,
    /// Whether it is a machine: it has tokens, but no password, and no session.
    pub machine: bool,
    /// Whether they have a password.
    pub has_password: bool,
    /// Since when they are locked out.
    pub disabled_at: Option<Time>,
    /// When they were made.
    pub created_at: Time,
    /// When they last asked for something, to the minute.
    pub last_seen: Option<Time>,
}

impl User {
    /// Somebody new, of whom nothing is known but this.
    pub fn new(id: Id, name: &str, role: Role, now: Time) -> Self {
        User {
            id,
            name: name.to_owned(),
            full_name: String::new(),
            email: String::new(),
            phone: String::new(),
            time_zone: "UTC".to_owned(),
            role,
            machine: false,
            has_password: false,
            disabled_at: None,
            created_at: now,
            last_seen: None,
        }
    }

    /// Whether they may use the hub at all.
    pub fn is_enabled(&self) -> bool {
        self.disabled_at.is_none()
    }

    /// Everything about them that cannot be.
    pub fn problems(&self) -> Vec<Refusal> {
        let checks = [
            ("name", check_name(&self.name)),
            ("full_name", check_text(&self.full_name, MAX_FULL_NAME_BYTES)),
            ("email", if self.email.is_empty() { Ok(()) } else { check_email(&self.email) }),
            ("phone", if self.phone.is_empty() { Ok(()) } else { check_phone(&self.phone) }),
            ("time_zone", check_time_zone(&self.time_zone)),
        ];
        refused(checks)
    }
}

/// How names are compared: users and teams whose names differ only in case are one.
pub fn name_key(name: &str) -> String {
    name.to_lowercase()
}

/// What a user's name may be: what Django allows of ASCII, and nothing that reads as an id, since both name users in
/// addresses.
fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.@+-".contains(&byte);
    if name.is_empty() || name.len() > MAX_USER_NAME_BYTES || !name.bytes().all(plain) {
        return Err(format!(
            "must have 1 to {MAX_USER_NAME_BYTES} characters out of a-z, A-Z, 0-9 and _.@+-"
        ));
    }
    if name.parse::<Id>().is_ok() {
        return Err("reads as an id: choose another".to_owned());
    }
    if name.bytes().all(|byte| byte == b'.') {
        return Err("must have more than dots".to_owned());
    }
    Ok(())
}

/// The name of a team: a short line that reads as no id.
fn check_team_name(name: &str) -> Result<(), String> {
    if name.trim() != name || name.is_empty() || name.contains('/') {
        return Err("must be there, without `/` and without blanks around it".to_owned());
    }
    if name.parse::<Id>().is_ok() {
        return Err("reads as an id: choose another".to_owned());
    }
    check_text(name, MAX_USER_NAME_BYTES)
}

fn check_text(text: &str, limit: usize) -> Result<(), String> {
    if text.len() > limit {
        return Err(format!("has {} bytes, the limit is {limit}", text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err("has a control character in it".to_owned());
    }
    Ok(())
}

/// An address that mail could go to: the parts around the last `@` are there, and nothing in it ends it.
fn check_email(text: &str) -> Result<(), String> {
    let right = "is not an e-mail address like ann@example.org";
    check_text(text, MAX_EMAIL_BYTES)?;
    let (local, domain) = text.rsplit_once('@').ok_or(right)?;
    let odd = |c: char| c.is_whitespace() || "<>,;:\"()[]\\".contains(c);
    let bad_domain = domain.is_empty() || domain.split('.').any(str::is_empty) || domain.contains('@');
    if local.is_empty() || local.contains('@') || bad_domain || text.contains(odd) {
        return Err(right.to_owned());
    }
    Ok(())
}

/// A number as E.164 has them: up to fifteen digits, of which the first is not 0.
fn check_phone(text: &str) -> Result<(), String> {
    let digits = text.strip_prefix('+').unwrap_or_default();
    let fits = (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !fits || digits.starts_with('0') {
        return Err(
            "is not a number like +4915112345678: a plus, the country and the rest, digits only".into()
        );
    }
    Ok(())
}

impl User {
    /// By which clock they go, if they have said so: UTC is what users have who never said anything.
    pub fn zone(&self) -> Option<Zone> {
        Some(&self.time_zone).filter(|it| *it != "UTC").and_then(|it| Zone::named(it).ok())
    }
}

fn check_time_zone(name: &str) -> Result<(), String> {
    Zone::named(name).map(drop).map_err(|bad| bad.to_string())
}

/// The checks that failed, each with its field.
fn refused<const N: usize>(checks: [(&str, Result<(), String>); N]) -> Vec<Refusal> {
    let refused = |(field, check): (&str, Result<(), String>)| Some(Refusal::new(field, check.err()?));
    checks.into_iter().filter_map(refused).collect()
}

/// People who look after something together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Team {
    /// Its id.
    pub id: Id,
    /// What it is called. No two teams are called the same, however it is written.
    pub name: String,
    /// What it is for; may be empty.
    pub about: String,
    /// When it was made.
    pub created_at: Time,
}

impl Team {
    /// What the name of a team begins with where a user's could stand.
    pub const PREFIX: &str = "team:";

    /// What it is called where a user could stand.
    pub fn prefixed(&self) -> String {
        format!("{}{}", Team::PREFIX, self.name)
    }

    /// Everything about it that cannot be.
    pub fn problems(&self) -> Vec<Refusal> {
        let checks =
            [("name", check_team_name(&self.name)), ("about", check_text(&self.about, MAX_FULL_NAME_BYTES))];
        refused(checks)
    }
}

/// That somebody belongs to a team, and what they are to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Membership {
    /// The team.
    pub team: Id,
    /// The user.
    pub user: Id,
    /// What they are to it.
    pub role: Role,
}

/// What kind of somebody did something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    /// A user, with a session or a token of their own.
    User,
    /// Whoever has a token that belongs to nobody.
    Token,
    /// Somebody at the very machine of the hub: without a token, or with the files of a stopped one.
    Local,
    /// A plugin.
    Plugin,
    /// The hub itself.
    #[default]
    System,
}

impl ActorKind {
    /// All of them.
    pub const ALL: [ActorKind; 5] =
        [ActorKind::User, ActorKind::Token, ActorKind::Local, ActorKind::Plugin, ActorKind::System];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            ActorKind::User => "user",
            ActorKind::Token => "token",
            ActorKind::Local => "local",
            ActorKind::Plugin => "plugin",
            ActorKind::System => "system",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Who did something, as the audit log has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// What kind of somebody.
    pub kind: ActorKind,
    /// The user's or the token's id.
    pub id: Option<Id>,
    /// What they are called.
    pub name: String,
    /// Where they asked from: an address, or empty.
    pub address: String,
}

impl Actor {
    /// Somebody at the very machine of the hub.
    pub fn local() -> Self {
        Actor { kind: ActorKind::Local, ..Actor::default() }
    }

    /// The hub itself, for this reason.
    pub fn system(why: &str) -> Self {
        Actor { name: why.to_owned(), ..Actor::default() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user() -> User {
        User::new(Id(1), "ann", Role::Viewer, Time(0))
    }

    fn wrong(user: &User) -> Vec<String> {
        user.problems().into_iter().map(|bad| bad.field).collect()
    }

    #[test]
    fn scopes_cover_what_they_say() {
        assert!(Scope::Admin.covers(Scope::Ingest) && Scope::Respond.covers(Scope::Read));
        assert!(Scope::Manage.covers(Scope::Respond) && !Scope::Manage.covers(Scope::Ingest));
        assert!(!Scope::Ingest.covers(Scope::Read) && !Scope::Read.covers(Scope::Respond));
        assert!(Scope::ALL.iter().all(|scope| Scope::from_name(scope.name()) == Some(*scope)));
    }

    #[test]
    fn each_role_allows_what_those_below_it_do() {
        for pair in Role::ALL.windows(2) {
            for scope in Scope::ALL.into_iter().filter(|scope| pair[0].may(*scope)) {
                assert!(pair[1].may(scope), "{:?} lacks {scope:?} of {:?}", pair[1], pair[0]);
            }
        }
        assert!(!Role::Viewer.may(Scope::Ingest) && !Role::Manager.may(Scope::Admin));
        assert!(Role::ALL.iter().all(|role| Role::from_name(role.name()) == Some(*role)));
        assert!(ActorKind::ALL.iter().all(|kind| ActorKind::from_name(kind.name()) == Some(*kind)));
    }

    #[test]
    fn a_token_shrinks_with_its_user() {
        assert_eq!(Role::Responder.limit(&[Scope::Admin]), [Scope::Ingest, Scope::Respond]);
        assert_eq!(Role::Viewer.limit(&[Scope::Respond]), [Scope::Read]);
        assert_eq!(Role::Viewer.limit(&[Scope::Ingest]), []);
        assert_eq!(Role::Manager.limit(&[Scope::Respond]), [Scope::Respond]);
        assert_eq!(Role::Admin.limit(&[Scope::Read]), [Scope::Read]);
    }

    proptest! {
        #[test]
        fn a_limited_token_does_what_both_allow_and_nothing_else(
            role in prop::sample::select(&Role::ALL[..]),
            scopes in prop::collection::vec(prop::sample::select(&Scope::ALL[..]), 0..4),
        ) {
            let left = role.limit(&scopes);
            for needed in Scope::ALL {
                let both = role.may(needed) && scopes.iter().any(|scope| scope.covers(needed));
                prop_assert_eq!(left.iter().any(|scope| scope.covers(needed)), both, "{:?}", needed);
            }
        }
    }

    #[test]
    fn fields_that_make_no_sense_are_named() {
        assert_eq!(wrong(&user()), [""; 0]);
        for name in ["", "a b", "a/b", "ann:x", "bär", "0000000000001", "..", &"x".repeat(151)] {
            assert_eq!(wrong(&User { name: name.to_owned(), ..user() }), ["name"], "{name}");
        }
        for name in ["ann", "ann.b@example.org", "007", "a+b_c-d", "1234567890123456"] {
            assert_eq!(wrong(&User { name: name.to_owned(), ..user() }), [""; 0], "{name}");
        }
        for email in ["x", "@x", "x@", "a b@x", "a@b@c", "a@b..c", "a@b\n", "Ann <a@b>", "a@b,c@d"] {
            assert_eq!(wrong(&User { email: email.to_owned(), ..user() }), ["email"], "{email}");
        }
        for phone in ["0171", "+0171234567", "+49 171 1234567", "+1234567890123456", "+12", "4917112345678"] {
            assert_eq!(wrong(&User { phone: phone.to_owned(), ..user() }), ["phone"], "{phone}");
        }
        for zone in ["", "Nowhere/Land", "Local", "../UTC"] {
            assert_eq!(wrong(&User { time_zone: zone.to_owned(), ..user() }), ["time_zone"], "{zone}");
        }
        let full = User {
            email: "ann@example.org".into(),
            phone: "+4915112345678".into(),
            time_zone: "Europe/Berlin".into(),
            ..user()
        };
        assert_eq!(wrong(&full), [""; 0]);
        let team =
            |name: &str| Team { id: Id(1), name: name.into(), about: String::new(), created_at: Time(0) };
        assert!(team("Database people").problems().is_empty());
        assert!(
            ["", " x", "a/b", "a\nb", "0000000000001"].iter().all(|name| !team(name).problems().is_empty())
        );
    }
}
