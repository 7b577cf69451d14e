//! Users whom a provider of identities knows.

use model::account::{Role, User};
use serde_json::json;

use super::{Desk, Done, shown};
use crate::error::Problem;
use crate::oidc::{Identity, Settings};

impl Desk<'_, '_> {
    /// The user who is this to a provider: known already, made beforehand, or made now, as the settings say. Role, full
    /// name and e-mail address are what the provider says they are.
    ///
    /// # Errors
    /// When the settings let nobody in like this, or the user cannot be.
    pub(crate) fn user_of(&mut self, it: &Identity, settings: &Settings) -> Done<User> {
        let known = store::users::by_identity(self.tx, &it.issuer, &it.subject)?;
        let role = it.role.or(known.as_ref().map(|user| user.role).filter(|_| settings.roles.is_empty()));
        let role = role.ok_or_else(|| Problem::forbidden("none of your groups is let in here"))?;
        let user = match known {
            Some(user) => user,
            None => self.newcomer(it, settings, role)?,
        };
        if !user.is_enabled() {
            return Err(Problem::forbidden("this user is disabled").into());
        }
        self.follow(user, it, role)
    }

    /// Somebody whom the provider knows and we do not yet.
    fn newcomer(&mut self, it: &Identity, settings: &Settings, role: Role) -> Done<User> {
        if it.subject.is_empty() || it.subject.contains('\0') {
            return Err(Problem::forbidden("the provider said not who it is").into());
        }
        let user = match store::users::by_name(self.tx, &it.name)? {
            Some(user) if settings.link_by_name && !user.has_password && !user.machine => user,
            Some(user) => {
                let why = format!(
                    "there is a user {} already, who is not known to come from this provider",
                    user.name
                );
                return Err(Problem::not_in_state(why).into());
            }
            None if settings.create_users => {
                let user = User::new(self.id(), &it.name, role, self.now);
                self.keep_user(user, None)?
            }
            None => {
                return Err(Problem::forbidden("nobody has made a user for you here: ask an admin").into());
            }
        };
        store::users::identify(self.tx, &it.issuer, &it.subject, user.id)?;
        let after = json!({ "issuer": it.issuer, "subject": it.subject });
        self.note("user.identify", ("user", &user.id.to_string()), None, Some(after))?;
        Ok(user)
    }

    /// Takes over what the provider says of a user. The last admin who can log in stays one.
    fn follow(&mut self, before: User, it: &Identity, role: Role) -> Done<User> {
        let mut user = before.clone();
        let is_last = user.role == Role::Admin && store::users::other_admins(self.tx, user.id)? == 0;
        user.role = if is_last { Role::Admin } else { role };
        for (field, said) in [(&mut user.full_name, &it.full_name), (&mut user.email, &it.email)] {
            if !said.is_empty() {
                field.clone_from(said);
            }
        }
        // what cannot be of these stays as it was: it is no reason to keep somebody out
        for bad in user.problems() {
            match bad.field.as_str() {
                "email" => user.email.clone_from(&before.email),
                "full_name" => user.full_name.clone_from(&before.full_name),
                _ => {}
            }
        }
        if user != before {
            store::users::update(self.tx, &user)?;
            self.note("user.update", ("user", &user.id.to_string()), shown(&before), shown(&user))?;
            self.keep_in_step(&user)?;
        }
        Ok(user)
    }
}
