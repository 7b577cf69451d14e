//! Users.

use model::account::{Role, User, name_key};
use model::{Id, Time};
use sdk::Secret;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{Desk, Done, checked, shown};
use crate::auth::Scope;
use crate::error::{Kind, Problem};
use crate::limits::MAX_USERS;
use crate::views::words;

/// A user as somebody asks for them.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUser)]
pub struct UserIn {
    /// What they log in with: 1 to 150 characters out of a-z, A-Z, 0-9 and `_.@+-`.
    pub name: String,
    /// What they may do.
    #[schema(value_type = words::Role)]
    pub role: Role,
    /// What people call them.
    #[serde(default)]
    pub full_name: String,
    /// Their e-mail address.
    #[serde(default)]
    pub email: String,
    /// Their phone number, such as `+4915112345678`.
    #[serde(default)]
    pub phone: String,
    /// Their time zone, such as `Europe/Berlin`; UTC, if not given.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// Whether it is a machine: it has tokens, but no password, and does not log in.
    #[serde(default)]
    pub machine: bool,
    /// Their password; without one they choose it by an invitation.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    pub password: Option<Secret>,
}

/// What is to be otherwise about a user; what is not given stays as it is.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UserChange)]
pub struct UserChange {
    /// What they log in with.
    pub name: Option<String>,
    /// What they may do.
    #[schema(value_type = Option<words::Role>)]
    pub role: Option<Role>,
    /// What people call them.
    pub full_name: Option<String>,
    /// Their e-mail address.
    pub email: Option<String>,
    /// Their phone number.
    pub phone: Option<String>,
    /// Their time zone.
    pub time_zone: Option<String>,
    /// Whether they are locked out.
    pub disabled: Option<bool>,
}

impl UserChange {
    /// Whether it is about what people say of themselves only.
    fn is_personal(&self) -> bool {
        self.name.is_none() && self.role.is_none() && self.disabled.is_none()
    }

    fn apply(self, user: &mut User, now: Time) {
        let set = |field: &mut String, new: Option<String>| {
            if let Some(new) = new {
                *field = new;
            }
        };
        set(&mut user.name, self.name);
        set(&mut user.full_name, self.full_name);
        set(&mut user.email, self.email);
        set(&mut user.phone, self.phone);
        set(&mut user.time_zone, self.time_zone);
        user.role = self.role.unwrap_or(user.role);
        user.disabled_at = match self.disabled {
            Some(true) => user.disabled_at.or(Some(now)),
            Some(false) => None,
            None => user.disabled_at,
        };
    }
}

impl Desk<'_, '_> {
    /// Makes a user, with the hash of a password if they have one.
    ///
    /// # Errors
    /// When who asks is no admin, the user cannot be, or there is one of this name.
    pub fn create_user(&mut self, it: UserIn, password: Option<&str>) -> Done<User> {
        self.must(Scope::Admin)?;
        if it.machine && password.is_some() {
            return Err(Problem::wrong("password", "a machine has none: make a token for it").into());
        }
        let mut user = User::new(self.id(), &it.name, it.role, self.now);
        user.time_zone = it.time_zone.unwrap_or(user.time_zone);
        (user.full_name, user.email, user.phone) = (it.full_name, it.email, it.phone);
        user.machine = it.machine;
        self.keep_user(user, password)
    }

    /// Keeps a user who is new, whoever it is that asks.
    pub(super) fn keep_user(&mut self, mut user: User, password: Option<&str>) -> Done<User> {
        checked(user.problems())?;
        if store::users::count(self.tx)? >= MAX_USERS {
            return Err(Problem::not_in_state(format!("there are {MAX_USERS} users: no more fit")).into());
        }
        if !store::users::insert(self.tx, &user)? {
            return Err(taken(&user.name).into());
        }
        if let Some(hash) = password {
            store::users::set_password(self.tx, user.id, Some(hash))?;
            user.has_password = true;
        }
        self.note("user.create", ("user", &user.id.to_string()), None, shown(&user))?;
        self.keep_in_step(&user)?;
        Ok(user)
    }

    /// A user by name or id.
    ///
    /// # Errors
    /// When there is none.
    pub fn get_user(&mut self, text: &str) -> Done<User> {
        self.user(text)
    }

    /// Users after one of them, in the order in which they were made.
    ///
    /// # Errors
    /// When the database is gone.
    pub fn list_users(&mut self, after: Option<Id>, limit: i64) -> Done<Vec<User>> {
        Ok(store::users::page(self.tx, after, limit)?)
    }

    /// Changes a user. Who is locked out is logged out everywhere, too.
    ///
    /// # Errors
    /// When it must not or cannot be.
    pub fn change_user(&mut self, text: &str, change: UserChange) -> Done<User> {
        let before = self.user(text)?;
        if change.is_personal() {
            self.must_be(&before)?;
        } else {
            self.must(Scope::Admin)?;
        }
        let mut user = before.clone();
        change.apply(&mut user, self.now);
        if user == before {
            return Ok(user);
        }
        checked(user.problems())?;
        let key = name_key(&user.name);
        if key != name_key(&before.name) && store::users::by_name(self.tx, &user.name)?.is_some() {
            return Err(taken(&user.name).into());
        }
        let was_admin = before.role == Role::Admin && before.is_enabled() && !before.machine;
        let is_admin = user.role == Role::Admin && user.is_enabled();
        if was_admin && !is_admin && store::users::other_admins(self.tx, user.id)? == 0 {
            let why = format!("{} is the last admin who can log in: make another first", before.name);
            return Err(Problem::not_in_state(why).into());
        }
        flow::whose::hand_over_issues(self.tx, &before.name, &user.name)?;
        store::users::update(self.tx, &user)?;
        if !user.is_enabled() {
            store::sessions::end_all(self.tx, user.id, None)?;
            store::invitations::use_up_all(self.tx, user.id, self.now)?;
        }
        let action = match (before.is_enabled(), user.is_enabled()) {
            (true, false) => "user.disable",
            (false, true) => "user.enable",
            _ => "user.update",
        };
        self.note(action, ("user", &user.id.to_string()), shown(&before), shown(&user))?;
        self.keep_in_step(&user)?;
        Ok(user)
    }

    /// Keeps the hash of a user's new password, and logs them out everywhere but here.
    ///
    /// # Errors
    /// When it must not or cannot be.
    pub fn set_password(&mut self, text: &str, hash: &str) -> Done<User> {
        let user = self.user(text)?;
        self.must_be(&user)?;
        self.keep_password(user, hash)
    }

    pub(super) fn keep_password(&mut self, mut user: User, hash: &str) -> Done<User> {
        if user.machine {
            return Err(Problem::wrong("password", "a machine has none: make a token for it").into());
        }
        store::users::set_password(self.tx, user.id, Some(hash))?;
        let here = self.caller.session.filter(|_| self.caller.is_at_desk_of(user.id));
        store::sessions::end_all(self.tx, user.id, here)?;
        store::invitations::use_up_all(self.tx, user.id, self.now)?;
        let before = json!({ "has_password": user.has_password });
        user.has_password = true;
        let after = json!({ "has_password": true });
        self.note("user.password", ("user", &user.id.to_string()), Some(before), Some(after))?;
        Ok(user)
    }
}

fn taken(name: &str) -> Problem {
    Problem::new(Kind::NameTaken, format!("there is a user {name:?} already, however it is written"))
}
