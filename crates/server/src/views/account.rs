//! Users, teams, sessions, invitations, tokens and the audit log.

use model::account::{Membership, Role, Team, User};
use model::{Id, Time};
use serde::Serialize;
use serde_json::Value;
use store::audit::Entry;
use store::invitations::Invitation;
use store::sessions::Session;
use store::tokens::Token;
use utoipa::ToSchema;

use super::words;
use crate::auth::Scope;

/// A user.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// Their id.
    #[schema(value_type = String)]
    pub id: Id,
    /// What they log in with.
    pub name: String,
    /// What people call them; may be empty.
    pub full_name: String,
    /// Their e-mail address; only for themselves and those who run teams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Their phone number; only for themselves and those who run teams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Their time zone.
    pub time_zone: String,
    /// What they may do.
    #[schema(value_type = words::Role)]
    pub role: Role,
    /// Whether it is a machine.
    pub machine: bool,
    /// Whether they have a password.
    pub has_password: bool,
    /// Whether they are locked out.
    pub disabled: bool,
    /// Since when they are.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub disabled_at: Option<Time>,
    /// When they were made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When they last asked for something, to the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen: Option<Time>,
}

impl UserView {
    /// A user, with or without how to reach them.
    pub fn new(it: User, whole: bool) -> Self {
        UserView {
            id: it.id,
            name: it.name,
            full_name: it.full_name,
            email: whole.then_some(it.email),
            phone: whole.then_some(it.phone),
            time_zone: it.time_zone,
            role: it.role,
            machine: it.machine,
            has_password: it.has_password,
            disabled: it.disabled_at.is_some(),
            disabled_at: it.disabled_at,
            created_at: it.created_at,
            last_seen: it.last_seen,
        }
    }
}

/// A user, and the teams that they belong to.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = UserDetail)]
pub struct UserDetail {
    /// The user.
    #[serde(flatten)]
    pub user: UserView,
    /// The teams.
    pub teams: Vec<TeamOf>,
}

/// A team that somebody belongs to.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = TeamOfUser)]
pub struct TeamOf {
    /// Its id.
    #[schema(value_type = String)]
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// What they are to it.
    #[schema(value_type = words::Role)]
    pub role: Role,
}

impl From<(Membership, Team)> for TeamOf {
    fn from((member, team): (Membership, Team)) -> Self {
        TeamOf { id: team.id, name: team.name, role: member.role }
    }
}

/// A team.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Team)]
pub struct TeamView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// What it is for; may be empty.
    pub about: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
}

impl From<Team> for TeamView {
    fn from(it: Team) -> Self {
        TeamView { id: it.id, name: it.name, about: it.about, created_at: it.created_at }
    }
}

/// A team, and who belongs to it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = TeamDetail)]
pub struct TeamDetail {
    /// The team.
    #[serde(flatten)]
    pub team: TeamView,
    /// Who belongs to it.
    pub members: Vec<MemberView>,
}

/// Somebody who belongs to a team.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub struct MemberView {
    /// The user's id.
    #[schema(value_type = String)]
    pub id: Id,
    /// The user's name.
    pub name: String,
    /// What people call them; may be empty.
    pub full_name: String,
    /// What they are to the team.
    #[schema(value_type = words::Role)]
    pub role: Role,
}

impl From<(Membership, User)> for MemberView {
    fn from((member, user): (Membership, User)) -> Self {
        MemberView { id: user.id, name: user.name, full_name: user.full_name, role: member.role }
    }
}

/// A session without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: Id,
    /// The user's id.
    #[schema(value_type = String)]
    pub user: Id,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When something was last asked for, to the minute.
    #[schema(value_type = String, format = DateTime)]
    pub seen_at: Time,
    /// When it ends, however busy it is.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
    /// What the browser calls itself; may be empty.
    pub agent: String,
    /// Where the login came from; may be empty.
    pub address: String,
}

impl From<Session> for SessionView {
    fn from(it: Session) -> Self {
        SessionView {
            id: it.id,
            user: it.user,
            created_at: it.created_at,
            seen_at: it.seen_at,
            expires_at: it.expires_at,
            agent: it.agent,
            address: it.address,
        }
    }
}

/// An invitation without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Invitation)]
pub struct InvitationView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: Id,
    /// The user who is to choose a password; null: whoever accepts becomes a user.
    #[schema(value_type = Option<String>)]
    pub user: Option<Id>,
    /// The name that the user has or will have; empty: whoever accepts chooses one.
    pub name: String,
    /// The e-mail address that the user has or will have; may be empty.
    pub email: String,
    /// What the user is or will be.
    #[schema(value_type = words::Role)]
    pub role: Role,
    /// Who made it.
    pub made_by: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// Until when it is good.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
    /// When it was accepted or taken back.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub used_at: Option<Time>,
}

impl From<Invitation> for InvitationView {
    fn from(it: Invitation) -> Self {
        InvitationView {
            id: it.id,
            user: it.user,
            name: it.name,
            email: it.email,
            role: it.role,
            made_by: it.made_by,
            created_at: it.created_at,
            expires_at: it.expires_at,
            used_at: it.used_at,
        }
    }
}

/// A new invitation, with its link.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = InvitationWithLink)]
pub struct InvitedView {
    /// The link to hand over. It is shown this once, and good once. Made without a server, it is only the path.
    pub link: String,
    /// What the link ends with.
    pub secret: String,
    /// What is known about it.
    #[serde(flatten)]
    pub invitation: InvitationView,
}

impl InvitedView {
    /// Of an invitation whose link begins so.
    pub fn new(invitation: Invitation, secret: String, base: &str) -> Self {
        let link = format!("{base}/invite/{secret}");
        InvitedView { link, secret, invitation: invitation.into() }
    }
}

/// A token without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: Id,
    /// The id of the user whose it is; null: it stands for itself.
    #[schema(value_type = Option<String>)]
    pub user: Option<Id>,
    /// What its owner calls it.
    pub name: String,
    /// What it allows; of a user's: no more than the user may.
    #[schema(value_type = Vec<words::Scope>)]
    pub scopes: Vec<Scope>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it ends; null: when it is revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Time>,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Time>,
}

impl From<Token> for TokenView {
    fn from(it: Token) -> Self {
        TokenView {
            id: it.id,
            user: it.user,
            scopes: it.scopes.split_whitespace().filter_map(Scope::from_name).collect(),
            name: it.name,
            created_at: it.created_at,
            expires_at: it.expires_at,
            revoked_at: it.revoked_at,
        }
    }
}

/// A new token, with its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = TokenWithSecret)]
pub struct NewTokenView {
    /// The token itself. It is shown this once.
    pub secret: String,
    /// What is known about it.
    #[serde(flatten)]
    pub token: TokenView,
}

impl NewTokenView {
    /// Of a token and what it is.
    pub fn new(token: Token, secret: String) -> Self {
        NewTokenView { secret, token: token.into() }
    }
}

/// A line of the audit log.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: Id,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// Who did it.
    pub actor: ActorView,
    /// What was done, such as `user.create`.
    pub action: String,
    /// What it was done to.
    pub object: ObjectView,
    /// What that was before, without secrets.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// What it is now, without secrets.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
}

/// Who did something.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Actor)]
pub struct ActorView {
    /// What kind of somebody.
    #[schema(value_type = words::ActorKind)]
    pub kind: model::account::ActorKind,
    /// The user's or the token's id.
    #[schema(value_type = Option<String>)]
    pub id: Option<Id>,
    /// What they are called; empty for somebody at this very machine.
    pub name: String,
    /// The address that they asked from; may be empty.
    pub address: String,
}

/// What something was done to.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AuditObject)]
pub struct ObjectView {
    /// What kind of thing, such as `user`.
    pub kind: String,
    /// Its id or name.
    pub id: String,
}

impl From<Entry> for AuditView {
    fn from(it: Entry) -> Self {
        let actor = ActorView {
            kind: it.actor.kind,
            id: it.actor.id,
            name: it.actor.name,
            address: it.actor.address,
        };
        AuditView {
            id: it.id,
            at: it.at,
            actor,
            action: it.action,
            object: ObjectView { kind: it.object_kind, id: it.object_id },
            before: it.before,
            after: it.after,
        }
    }
}
