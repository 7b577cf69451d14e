//! Invitations: links that are good once, to become a user or to choose a password.

use model::account::{Role, User};
use model::{Id, Time};
use sdk::Secret;
use serde::Deserialize;
use store::Durability;
use store::invitations::Invitation;
use utoipa::ToSchema;

use super::{Desk, Done, shown};
use crate::app::App;
use crate::auth::{self, Scope};
use crate::error::Problem;
use crate::input::{SpanIn, short};
use crate::limits::{INVITATION_LIFE, MAX_INVITATION_LIFE, MAX_INVITATIONS};
use crate::views::account::InvitationView;
use crate::views::words;

/// An invitation as somebody asks for it: of a user who is there and is to choose a password, or of somebody new.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewInvitation)]
pub struct InvitationIn {
    /// Name or id of a user who is to choose a password. Then nothing else but `for` is given.
    pub user: Option<String>,
    /// The name that a new user will have; whoever accepts chooses one, if it is not given.
    #[serde(default)]
    pub name: String,
    /// The e-mail address that a new user will have.
    #[serde(default)]
    pub email: String,
    /// What a new user will be; a viewer, if not given.
    #[schema(value_type = Option<words::Role>)]
    pub role: Option<Role>,
    /// How long it is good, up to 90 days; 7 days, if not given.
    #[schema(value_type = Option<String>)]
    pub r#for: Option<SpanIn>,
}

/// An invitation that was just made.
#[derive(Clone, Debug)]
pub struct Invited {
    /// What is kept of it.
    pub invitation: Invitation,
    /// What its link ends with, which is shown this once.
    pub secret: String,
}

/// Who somebody is who accepts an invitation, as far as it does not say so.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AcceptInvitation)]
pub struct AcceptIn {
    /// What the link ends with.
    #[schema(value_type = String, format = Password)]
    pub secret: Secret,
    /// The name that they choose; needed when the invitation gives none.
    #[serde(default)]
    pub name: String,
    /// What people call them.
    #[serde(default)]
    pub full_name: String,
    /// Their time zone, such as `Europe/Berlin`.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// The password that they choose.
    #[schema(value_type = String, format = Password)]
    pub password: Secret,
}

impl Desk<'_, '_> {
    /// Makes an invitation.
    ///
    /// # Errors
    /// When it must not or cannot be.
    pub fn invite(&mut self, it: InvitationIn) -> Done<Invited> {
        self.must(Scope::Admin)?;
        let life = it.r#for.map_or(INVITATION_LIFE, |SpanIn(span)| span);
        if life.is_zero() || life > MAX_INVITATION_LIFE {
            return Err(Problem::wrong("for", "must be longer than zero and no more than 90 days").into());
        }
        let invited = match &it.user {
            Some(text) => {
                let user = self.user(text)?;
                if !it.name.is_empty() || !it.email.is_empty() || it.role.is_some() {
                    let why = "is given beside name, e-mail address or role, which this user has already";
                    return Err(Problem::wrong("user", why).into());
                }
                if user.machine || !user.is_enabled() {
                    let why = format!("{} is a machine or disabled, and does not log in", user.name);
                    return Err(Problem::wrong("user", why).into());
                }
                self.invitation(Some(user.id), user.name, user.email, user.role)
            }
            None => {
                let role = it.role.unwrap_or(Role::Viewer);
                // what cannot be of the user that it will make is said now
                let name = if it.name.is_empty() { "somebody" } else { &it.name };
                let user = User { email: it.email.clone(), ..User::new(Id(1), name, role, self.now) };
                super::checked(user.problems())?;
                self.invitation(None, it.name, it.email, role)
            }
        };
        let invited = Invitation { expires_at: self.now + life, ..invited };
        self.keep_invitation(invited)
    }

    fn invitation(&self, user: Option<Id>, name: String, email: String, role: Role) -> Invitation {
        Invitation {
            id: self.id(),
            user,
            name,
            email,
            role,
            made_by: self.caller.signed(""),
            created_at: self.now,
            expires_at: self.now + INVITATION_LIFE,
            used_at: None,
        }
    }

    fn keep_invitation(&mut self, invitation: Invitation) -> Done<Invited> {
        let secret = auth::secret();
        store::invitations::insert(self.tx, &invitation, &auth::hash_hex(secret.as_bytes()))?;
        let after = shown(&InvitationView::from(invitation.clone()));
        self.note("invitation.create", ("invitation", &invitation.id.to_string()), None, after)?;
        Ok(Invited { invitation, secret })
    }

    /// The newest invitations.
    ///
    /// # Errors
    /// When who asks is no admin.
    pub fn list_invitations(&mut self) -> Done<Vec<Invitation>> {
        self.must(Scope::Admin)?;
        Ok(store::invitations::list(self.tx, MAX_INVITATIONS)?)
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// When it must not be, or there is none that is good.
    pub fn withdraw(&mut self, id: Id) -> Done<()> {
        self.must(Scope::Admin)?;
        if !store::invitations::use_up(self.tx, id, self.now)? {
            return Err(Problem::not_found("invitation that is good", id).into());
        }
        self.note("invitation.withdraw", ("invitation", &id.to_string()), None, None)?;
        Ok(())
    }

    /// The invitation that a link ends with, if it is good.
    ///
    /// # Errors
    /// When it is not.
    pub fn invitation_of(&mut self, secret: &str) -> Done<Invitation> {
        let found = store::invitations::by_hash(self.tx, &auth::hash_hex(secret.as_bytes()))?;
        let found = found.filter(|it| it.is_good(self.now));
        found.ok_or_else(|| {
            Problem::not_found("invitation", "like this: it was used, has ended, or never was").into()
        })
    }

    /// Accepts an invitation: whoever does is a user with this password from here on.
    ///
    /// # Errors
    /// When it is not good, or they cannot be what they ask for.
    pub(crate) fn accept(&mut self, it: AcceptIn, hash: &str) -> Done<User> {
        let invitation = self.invitation_of(it.secret.expose())?;
        if !store::invitations::use_up(self.tx, invitation.id, self.now)? {
            return Err(Problem::not_in_state("somebody accepted it just now").into());
        }
        let user = match invitation.user {
            Some(id) => {
                let user = store::users::get(self.tx, id)?.filter(User::is_enabled);
                let user = user.ok_or_else(|| Problem::not_in_state("there is no such user any more"))?;
                if !it.name.is_empty() && it.name != user.name {
                    return Err(Problem::wrong("name", format!("is {} already", user.name)).into());
                }
                self.keep_password(user, hash)?
            }
            None => {
                let given = invitation.name.is_empty() || it.name.is_empty() || it.name == invitation.name;
                if !given {
                    return Err(Problem::wrong("name", format!("must be {}", invitation.name)).into());
                }
                let name = if invitation.name.is_empty() { it.name } else { invitation.name };
                let mut user = User::new(self.id(), &name, invitation.role, self.now);
                user.time_zone = it.time_zone.unwrap_or(user.time_zone);
                user.full_name = short("full_name", it.full_name)?;
                user.email = invitation.email;
                self.keep_user(user, Some(hash))?
            }
        };
        self.note("invitation.accept", ("invitation", &invitation.id.to_string()), None, shown(&user))?;
        Ok(user)
    }

    /// An invitation for the first admin, if nobody uses this hub yet and there is none.
    fn invite_first(&mut self) -> Done<Option<Invited>> {
        // two nodes that start at once ask one after the other
        self.tx.lock_flow()?;
        let waiting = store::invitations::list(self.tx, MAX_INVITATIONS)?;
        let waiting = waiting.iter().any(|it| it.role == Role::Admin && it.is_good(self.now));
        if waiting || store::users::count(self.tx)? > 0 {
            return Ok(None);
        }
        let first = self.invitation(None, String::new(), String::new(), Role::Admin);
        self.keep_invitation(first).map(Some)
    }
}

/// What the link of the first admin's invitation ends with; none, when there is a user or such an invitation already.
///
/// # Errors
/// When the database is gone or full.
pub async fn first_admin(app: &App) -> store::Result<Option<(String, Time)>> {
    let (core, now) = (app.hub.core.clone(), app.now());
    let made = app.hub.store.write(Durability::Disk, move |tx| {
        let (ids, caller) = (|| core.id(now), auth::Caller::system("start"));
        let actor = std::sync::Arc::new(caller.actor(None));
        Desk::open(tx, &ids, now, (&caller, actor), |desk| desk.invite_first())
    });
    // nothing in it is anybody's to get wrong
    Ok(made.await?.ok().flatten().map(|it| (it.secret, it.invitation.expires_at)))
}
