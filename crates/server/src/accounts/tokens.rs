//! Tokens: of users, and such that stand for themselves.

use std::time::Duration;

use model::account::User;
use model::{Id, Time};
use serde::Deserialize;
use store::tokens::Token;
use utoipa::ToSchema;

use super::{Desk, Done, shown};
use crate::auth::{Caller, Scope, mint};
use crate::error::{Answer, Problem};
use crate::input::{SpanIn, TimeIn, deadline, short};
use crate::limits::MAX_TOKENS_OF_USER;
use crate::views::account::TokenView;
use crate::views::words;

/// A token as somebody asks for it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewToken)]
pub struct TokenIn {
    /// What to call it: who or what uses it.
    name: String,
    /// What it allows; of a user's token: what the user's role allows, if not given.
    #[schema(value_type = Vec<words::Scope>)]
    #[serde(default)]
    scopes: Vec<Scope>,
    /// When it ends; when it is revoked, if neither this nor `for` is given.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<TimeIn>,
    /// How long it is good, such as `90d`.
    #[schema(value_type = Option<String>)]
    r#for: Option<SpanIn>,
}

/// A token that was just made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What is kept of it.
    pub token: Token,
    /// The token itself, which is shown this once.
    pub secret: String,
}

impl TokenIn {
    /// One of this name that is good for so long, and allows what its user may.
    pub fn lasting(name: &str, life: Duration) -> Self {
        TokenIn { name: name.to_owned(), scopes: Vec::new(), expires_at: None, r#for: Some(SpanIn(life)) }
    }

    fn checked(self, now: Time) -> Answer<(String, Vec<Scope>, Option<Time>)> {
        let name = short("name", self.name.trim().to_owned())?;
        if name.is_empty() {
            return Err(Problem::wrong("name", "is empty: say who or what uses the token"));
        }
        let mut scopes = self.scopes;
        scopes.sort_unstable();
        scopes.dedup();
        Ok((name, scopes, deadline("expires_at", self.expires_at, self.r#for, now)?))
    }
}

impl Desk<'_, '_> {
    /// Makes a token that belongs to nobody, and stands for itself.
    ///
    /// # Errors
    /// When it must not or cannot be.
    pub fn create_token(&mut self, it: TokenIn) -> Done<NewToken> {
        self.must(Scope::Admin)?;
        let (name, scopes, expires_at) = it.checked(self.now)?;
        if scopes.is_empty() {
            let known = Scope::ALL.map(Scope::name).join(", ");
            return Err(Problem::wrong("scopes", format!("is empty: known are {known}")).into());
        }
        self.keep_token(None, &name, &scopes, expires_at)
    }

    /// Makes a token of a user, which does no more than they may.
    ///
    /// # Errors
    /// When it must not or cannot be.
    pub fn create_token_of(&mut self, user: &str, it: TokenIn) -> Done<NewToken> {
        let user = self.user(user)?;
        self.must_be(&user)?;
        let (name, mut scopes, expires_at) = it.checked(self.now)?;
        if !user.is_enabled() {
            return Err(Problem::not_in_state(format!("{} is disabled", user.name)).into());
        }
        // what they may in teams, a token lets them do there
        let in_teams = (!store::teams::responding(self.tx, user.id)?.is_empty()).then_some(Scope::Respond);
        if scopes.is_empty() {
            scopes = user.role.scopes().to_vec();
            scopes.extend(in_teams.filter(|it| !user.role.may(*it)));
        }
        let may = |scope: Scope| user.role.may(scope) || in_teams.is_some_and(|it| it.covers(scope));
        if let Some(scope) = scopes.iter().find(|scope| !may(**scope)) {
            let (name, role, scope) = (&user.name, user.role.name(), scope.name());
            let why = format!("{name} is a {role}, who may not have {scope}");
            return Err(Problem::wrong("scopes", why).into());
        }
        self.has_room_for_token(&user)?;
        self.keep_token(Some(&user), &name, &scopes, expires_at)
    }

    /// Makes a token like the one that who asks came with: the same name and scopes, and good for as long as that was.
    ///
    /// # Errors
    /// When they came without one, or have too many.
    pub fn renew_token(&mut self) -> Done<NewToken> {
        let old = self.own_token()?;
        let user = old.user.map(|id| store::users::get(self.tx, id)).transpose()?.flatten();
        match &user {
            Some(user) => self.has_room_for_token(user)?,
            None => {
                let all = store::tokens::list(self.tx)?.into_iter();
                let alike = all.filter(|it| it.user.is_none() && it.name == old.name);
                has_room(&old.name, alike, self.now)?;
            }
        }
        let expires_at = old.expires_at.map(|end| self.now + end.since(old.created_at));
        let scopes: Vec<Scope> = old.scopes.split_whitespace().filter_map(Scope::from_name).collect();
        self.keep_token(user.as_ref(), &old.name, &scopes, expires_at)
    }

    /// Revokes the token that who asks came with, or all of the user whose it is: but for those that may do more than
    /// it, since whoever finds one that only reads must not end what others work with.
    ///
    /// # Errors
    /// When they came without one.
    pub fn end_tokens(&mut self, all: bool) -> Done<()> {
        let own = self.own_token()?;
        let user = own.user.filter(|_| all).map(|id| store::users::get(self.tx, id)).transpose()?.flatten();
        let ended = match &user {
            Some(user) => store::tokens::of_user(self.tx, user.id)?,
            None => vec![own],
        };
        let teams = user.as_ref().map(|user| store::teams::responding(self.tx, user.id)).transpose()?;
        let (caller, teams) = (self.caller, teams.unwrap_or_default());
        let may_no_more = |token: &Token| {
            let theirs = Caller::with_token(token, user.as_ref(), teams.clone());
            Scope::ALL.into_iter().all(|scope| caller.may(scope) || !theirs.may(scope))
                && theirs.teams.iter().all(|team| caller.responds_for([team]))
        };
        for token in ended.into_iter().filter(may_no_more) {
            if store::tokens::revoke(self.tx, token.id, self.now)? {
                let was = shown(&TokenView::from(token.clone()));
                self.note("token.revoke", ("token", &token.id.to_string()), was, None)?;
            }
        }
        Ok(())
    }

    fn own_token(&mut self) -> Done<Token> {
        let missing = || Problem::not_in_state("there is no token to do this with");
        let id = self.caller.token.ok_or_else(missing)?;
        Ok(store::tokens::get(self.tx, id)?.ok_or_else(missing)?)
    }

    fn has_room_for_token(&mut self, user: &User) -> Done<()> {
        has_room(&user.name, store::tokens::of_user(self.tx, user.id)?.into_iter(), self.now)
    }

    fn keep_token(
        &mut self,
        user: Option<&User>,
        name: &str,
        scopes: &[Scope],
        expires_at: Option<Time>,
    ) -> Done<NewToken> {
        let (mut token, secret, hash) = mint(self.id(), name, scopes, self.now, expires_at);
        token.user = user.map(|user| user.id);
        store::tokens::insert(self.tx, &token, &hash)?;
        let after = shown(&TokenView::from(token.clone()));
        self.note("token.create", ("token", &token.id.to_string()), None, after)?;
        Ok(NewToken { token, secret })
    }

    /// All tokens, newest first.
    ///
    /// # Errors
    /// When who asks is no admin.
    pub fn list_tokens(&mut self) -> Done<Vec<Token>> {
        self.must(Scope::Admin)?;
        Ok(store::tokens::list(self.tx)?)
    }

    /// A user's tokens, newest first.
    ///
    /// # Errors
    /// When who asks is neither an admin nor the user.
    pub fn list_tokens_of(&mut self, user: &str) -> Done<Vec<Token>> {
        let user = self.user(user)?;
        self.must_be(&user)?;
        Ok(store::tokens::of_user(self.tx, user.id)?)
    }

    /// Revokes a token; of this user, if one is named. One that was revoked stays so.
    ///
    /// # Errors
    /// When it must not be, or there is none.
    pub fn revoke_token(&mut self, user: Option<&str>, id: Id) -> Done<Token> {
        let not_there = || Problem::not_found("token", id);
        let owner = match user {
            Some(user) => {
                let user = self.user(user)?;
                self.must_be(&user)?;
                Some(user.id)
            }
            None => {
                self.must(Scope::Admin)?;
                None
            }
        };
        let before = store::tokens::get(self.tx, id)?.ok_or_else(not_there)?;
        if owner.is_some() && before.user != owner {
            return Err(not_there().into());
        }
        if !store::tokens::revoke(self.tx, id, self.now)? {
            return Ok(before);
        }
        let token = store::tokens::get(self.tx, id)?.ok_or_else(not_there)?;
        let (was, is) = (shown(&TokenView::from(before)), shown(&TokenView::from(token.clone())));
        self.note("token.revoke", ("token", &id.to_string()), was, is)?;
        Ok(token)
    }
}

/// Makes sure that one more token fits beside those that somebody has.
fn has_room(name: &str, tokens: impl Iterator<Item = Token>, now: Time) -> Done<()> {
    if tokens.filter(|it| it.is_good(now)).count() >= MAX_TOKENS_OF_USER {
        let why = format!("{name} has {MAX_TOKENS_OF_USER} tokens: revoke some");
        return Err(Problem::not_in_state(why).into());
    }
    Ok(())
}
