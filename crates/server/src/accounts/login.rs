//! Logging in and out.

use std::sync::Arc;

use model::account::User;
use model::{Id, Time};
use sdk::Secret;
use serde::Deserialize;
use store::Durability;
use store::sessions::Session;
use utoipa::ToSchema;

use super::{AcceptIn, Desk, Done, shown};
use crate::app::App;
use crate::auth::{self, Caller};
use crate::error::{Answer, Kind, Problem};
use crate::limits::{MAX_SESSIONS, SEEN_EVERY, SESSION_IDLE, SESSION_LIFE};
use crate::oidc;
use crate::signed::Visitor;
use crate::tries::Trying;
use crate::views::account::SessionView;

/// Name and password.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Login)]
pub struct Login {
    /// The user's name.
    pub name: String,
    /// The user's password.
    #[schema(value_type = String, format = Password)]
    pub password: Secret,
}

/// A session that has just begun.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// Who.
    pub user: User,
    /// What is kept of it.
    pub session: Session,
    /// What the browser has from here on.
    pub secret: String,
}

/// Whether a session is good at a time: neither too old nor too long unused.
pub(crate) fn is_good(session: &Session, now: Time) -> bool {
    session.expires_at > now && now.since(session.seen_at) < SESSION_IDLE
}

impl App {
    /// Begins a session of whoever has this name and this password.
    ///
    /// # Errors
    /// 401 when nobody has; 429 after too many tries; 503 when there is too much to do.
    pub(crate) async fn log_in(&self, login: Login, visitor: &Visitor) -> Answer<LoggedIn> {
        if login.name.is_empty() || login.password.expose().is_empty() {
            return Err(Problem::wrong("name", "is empty, or there is no password: both are needed"));
        }
        let (by_address, by_name) = (Trying::login(visitor.address), Trying::name(&login.name));
        self.tries.take(&by_address, self.now())?;
        // nobody elsewhere can use up the tries of who sits here
        if !visitor.local {
            self.tries.take(&by_name, self.now())?;
        }
        let name = login.name.clone();
        let found = self.hub.store.read(move |tx| {
            let Some(user) = store::users::by_name(tx, &name)? else { return Ok(None) };
            let hash = store::users::password(tx, user.id)?;
            Ok(Some((user, hash)))
        });
        let found = found.await?;
        let known = found.clone().filter(|(user, _)| user.is_enabled() && !user.machine);
        let hash = known.and_then(|(_, hash)| hash);
        let is_right = self.passwords.verify(login.password.expose().to_owned(), hash).await?;
        let Some((user, _)) = found.filter(|_| is_right) else {
            self.note_refused(&login.name, visitor).await?;
            return Err(Problem::new(Kind::WrongPassword, "this name and this password do not go together"));
        };
        self.tries.give_back(&by_name);
        self.begin_session(user.id, visitor, "password").await
    }

    /// Somebody tried a wrong password. Names that nobody has are not kept: they may be passwords in the wrong place.
    /// The line is written all the same, so that it takes as long.
    async fn note_refused(&self, name: &str, visitor: &Visitor) -> Answer<()> {
        let (caller, actor) =
            (Arc::new(Caller::system("login")), Caller::system("login").actor(visitor.address));
        let name = name.to_owned();
        self.desk(&caller, actor, move |desk| {
            let known = store::users::by_name(desk.tx, &name)?;
            let id = known.map(|user| user.id.to_string()).unwrap_or_default();
            Ok(desk.note("session.refuse", ("user", &id), None, None)?)
        })
        .await
    }

    /// Begins a session of a user who has shown who they are.
    ///
    /// # Errors
    /// 401 when they are locked out meanwhile.
    pub(crate) async fn begin_session(&self, user: Id, visitor: &Visitor, how: &str) -> Answer<LoggedIn> {
        let (visitor, how) = (visitor.clone(), how.to_owned());
        let (core, now) = (self.hub.core.clone(), self.now());
        let begun = self.hub.store.write(Durability::Disk, move |tx| {
            let ids = || core.id(now);
            let caller = match store::users::get(tx, user)? {
                Some(user) => Caller::user(&user),
                None => Caller::system("login"),
            };
            let actor = Arc::new(caller.actor(visitor.address));
            Desk::open(tx, &ids, now, (&caller, actor), |desk| desk.begin_session(user, &visitor, &how))
        });
        begun.await?
    }

    /// Begins a login by the provider of identities.
    ///
    /// # Errors
    /// When there is none, it cannot be reached, or too much is under way.
    pub(crate) async fn set_out(&self, visitor: &Visitor) -> Answer<oidc::Start> {
        self.tries.take(&Trying::login(visitor.address), self.now())?;
        self.provider()?.start(&self.base_url(), self.now()).await
    }

    /// Ends a login by the provider of identities: a session of whoever it says it is.
    ///
    /// # Errors
    /// When its word does not hold, or the configuration lets nobody in like this.
    pub(crate) async fn log_in_by_provider(
        &self,
        state: &str,
        code: &str,
        visitor: &Visitor,
    ) -> Answer<LoggedIn> {
        let provider = self.provider()?;
        let identity = provider.finish(state, code.to_owned(), &self.base_url(), self.now()).await?;
        let caller = Arc::new(Caller::system("oidc"));
        let (actor, settings) = (caller.actor(visitor.address), provider.settings.clone());
        let user = self.desk(&caller, actor, move |desk| desk.user_of(&identity, &settings)).await?;
        self.auth.forget();
        self.begin_session(user.id, visitor, "oidc").await
    }

    fn provider(&self) -> Answer<&oidc::Oidc> {
        let none = || Problem::new(Kind::NotFound, "no provider of identities is configured here");
        self.oidc.as_ref().ok_or_else(none)
    }

    /// Accepts an invitation, and logs in whoever does.
    ///
    /// # Errors
    /// When it is not good, or they cannot be what they ask for; 429 after too many tries.
    pub(crate) async fn accept_invitation(&self, it: AcceptIn, visitor: &Visitor) -> Answer<LoggedIn> {
        self.tries.take(&Trying::login(visitor.address), self.now())?;
        // first, since hashing takes long
        let secret = it.secret.clone();
        let caller = Arc::new(Caller::system("invitation"));
        let actor = caller.actor(visitor.address);
        self.desk(&caller, actor.clone(), move |desk| desk.invitation_of(secret.expose())).await?;
        let hash = self.passwords.hash(it.password.expose().to_owned()).await?;
        let user = self.desk(&caller, actor, move |desk| desk.accept(it, &hash)).await?;
        self.auth.forget();
        self.begin_session(user.id, visitor, "invitation").await
    }
}

impl Desk<'_, '_> {
    /// Begins a session.
    fn begin_session(&mut self, user: Id, visitor: &Visitor, how: &str) -> Done<LoggedIn> {
        let refused = || Problem::new(Kind::WrongPassword, "this user may not log in");
        let user = store::users::get(self.tx, user)?.filter(|it| it.is_enabled() && !it.machine);
        let user = user.ok_or_else(refused)?;
        let session = Session {
            id: self.id(),
            user: user.id,
            created_at: self.now,
            seen_at: self.now,
            expires_at: self.now + SESSION_LIFE,
            agent: visitor.agent.clone(),
            address: visitor.address.map(|address| address.to_string()).unwrap_or_default(),
        };
        let secret = auth::secret();
        store::sessions::insert(self.tx, &session, &auth::hash_hex(secret.as_bytes()))?;
        store::sessions::keep_newest(self.tx, user.id, MAX_SESSIONS)?;
        store::users::seen(self.tx, user.id, self.now)?;
        let mut after = shown(&SessionView::from(session.clone()));
        if let Some(after) = &mut after {
            after["by"] = how.into();
        }
        self.note("session.create", ("session", &session.id.to_string()), None, after)?;
        Ok(LoggedIn { user, session, secret })
    }

    /// Ends the session of who asks.
    ///
    /// # Errors
    /// When they have none.
    pub(crate) fn log_out(&mut self) -> Done<()> {
        let session = self.caller.session;
        let id = session.ok_or_else(|| Problem::not_in_state("there is no session to end"))?;
        if store::sessions::end(self.tx, id)? {
            self.note("session.end", ("session", &id.to_string()), None, None)?;
        }
        Ok(())
    }

    /// A user's sessions, newest first.
    ///
    /// # Errors
    /// When who asks is neither an admin nor the user.
    pub fn list_sessions(&mut self, user: &str) -> Done<Vec<Session>> {
        let user = self.user(user)?;
        self.must_be(&user)?;
        let mut found = store::sessions::of_user(self.tx, user.id)?;
        found.retain(|it| is_good(it, self.now));
        Ok(found)
    }

    /// Logs a user out everywhere.
    ///
    /// # Errors
    /// When who asks is neither an admin nor the user.
    pub fn end_sessions(&mut self, user: &str) -> Done<u64> {
        let user = self.user(user)?;
        self.must_be(&user)?;
        let ended = store::sessions::end_all(self.tx, user.id, None)?;
        let after = serde_json::json!({ "ended": ended });
        self.note("session.end_all", ("user", &user.id.to_string()), None, Some(after))?;
        Ok(ended)
    }
}

/// Notes that somebody was seen, if that is news. What cannot be noted is not worth an error.
pub(crate) async fn note_seen(app: &App, user: &User, session: Option<&Session>, now: Time) {
    let news = |last: Time| now.since(last) >= SEEN_EVERY;
    let of_user = user.last_seen.is_none_or(news).then_some(user.id);
    let of_session = session.filter(|it| news(it.seen_at)).map(|it| it.id);
    if of_user.is_none() && of_session.is_none() {
        return;
    }
    let noted = app.hub.store.write(Durability::Lazy, move |tx| {
        of_user.map_or(Ok(()), |id| store::users::seen(tx, id, now))?;
        of_session.map_or(Ok(()), |id| store::sessions::seen(tx, id, now))
    });
    if let Err(error) = noted.await {
        tracing::debug!(%error, "when somebody was seen could not be noted");
    }
}
