//! Users, teams, sessions, invitations, tokens and projects: what is done to them, by whom it may be done, and the line
//! that it leaves in the audit log.
//!
//! Everything is done at a [`Desk`], inside one transaction: by the handlers of the API, and by commands on the files
//! of a stopped server. So each rule stands here once.

mod apply;
mod asked;
mod calendar_links;
mod defined;
mod definitions;
mod duty;
mod invitations;
mod leaving;
mod login;
mod names;
mod oidc;
mod own;
mod plugin_settings;
mod projects;
mod teams;
mod tokens;
mod users;
mod verification;

pub(crate) use apply::within;
pub use apply::{Applied, ApplyIn, ApplyItem};
pub use calendar_links::{CalendarLinkIn, LinkShown};
pub use defined::{About, Defined, EVERYBODY, Ground, put_back};
pub(crate) use defined::{MAX_GUARDED, whole, would_cover};
pub(crate) use definitions::read_spec;
pub use definitions::{DefinitionChange, DefinitionIn, DefinitionShown};
pub(crate) use duty::schedule_named;
pub use duty::{ActIn, OverrideIn, ShiftOf, SwapIn};
pub use invitations::{AcceptIn, InvitationIn, Invited, first_admin};
pub use leaving::Leaving;
pub use login::{LoggedIn, Login};
pub(crate) use login::{is_good, note_seen};
pub use own::catch_up;
pub use projects::{KeyChange, KeyIn, ProjectChange, ProjectIn, WithKeys, fresh_public_key};
pub use teams::{MemberIn, TeamChange, TeamIn};
pub use tokens::{NewToken, TokenIn};
pub use users::{UserChange, UserIn};

use std::sync::Arc;

use flow::audit::Signature;
use model::account::{Actor, User};
use model::refusal::Refusal;
use model::{Id, Time};
use serde::Serialize;
use serde_json::Value;
use store::{Durability, StoreError, Tx};

use crate::app::App;
use crate::auth::{Caller, Scope};
use crate::error::{Answer, Problem, Wrong};

/// Why something was not done.
#[derive(Debug)]
pub enum Fail {
    /// It cannot be, or must not.
    Problem(Box<Problem>),
    /// The database is gone or full.
    Store(StoreError),
}

impl From<Problem> for Fail {
    fn from(problem: Problem) -> Self {
        Fail::Problem(Box::new(problem))
    }
}

impl From<StoreError> for Fail {
    fn from(error: StoreError) -> Self {
        Fail::Store(error)
    }
}

/// What is done at a desk.
pub type Done<T> = std::result::Result<T, Fail>;

/// Where ids come from.
pub type Ids<'a> = &'a dyn Fn() -> Id;

/// Where accounts are looked after: in one transaction, at one time, for somebody.
pub struct Desk<'a, 'tx> {
    /// The transaction.
    pub tx: &'a mut Tx<'tx>,
    /// The time.
    pub now: Time,
    /// Who asks.
    pub caller: &'a Caller,
    actor: Arc<Actor>,
    ids: Ids<'a>,
}

impl Desk<'_, '_> {
    /// Opens a desk for somebody, has something done at it, and closes it: what was written stays only when all of it
    /// was done.
    ///
    /// # Errors
    /// When the database is gone or full.
    pub fn open<T>(
        tx: &mut Tx<'_>,
        ids: Ids<'_>,
        now: Time,
        (caller, actor): (&Caller, Arc<Actor>),
        work: impl FnOnce(&mut Desk<'_, '_>) -> Done<T>,
    ) -> store::Result<Answer<T>> {
        let mut problem = None;
        let done = tx.part(|tx| {
            work(&mut Desk { tx, now, caller, actor, ids }).map_err(|fail| match fail {
                Fail::Store(error) => error,
                Fail::Problem(it) => {
                    problem = Some(*it);
                    StoreError::Refused("a desk was left with a problem".to_owned())
                }
            })
        })?;
        match (done, problem) {
            (Ok(done), _) => Ok(Ok(done)),
            (Err(_), Some(problem)) => Ok(Err(problem)),
            (Err(error), None) => Err(error),
        }
    }

    pub(crate) fn id(&self) -> Id {
        (self.ids)()
    }

    /// Writes a line into the audit log.
    pub(crate) fn note(
        &mut self,
        action: &str,
        object: (&str, &str),
        before: Option<Value>,
        after: Option<Value>,
    ) -> store::Result<()> {
        let sign = Signature { id: self.id(), at: self.now, actor: self.actor.clone(), chain: 0 };
        sign.write(self.tx, action, object, before, after)
    }

    /// Makes sure that who asks may do what needs this.
    fn must(&self, needed: Scope) -> Done<()> {
        if self.caller.may(needed) {
            return Ok(());
        }
        Err(Problem::forbidden(self.caller.lacks(needed)).into())
    }

    /// Makes sure that who asks may respond for somebody, which is enough for what is their own.
    fn must_respond(&self) -> Done<()> {
        if self.caller.responds() {
            return Ok(());
        }
        Err(Problem::forbidden(self.caller.lacks(Scope::Respond)).into())
    }

    /// Makes sure that who asks is an admin, or this user with a session of their own: a token does not change whose
    /// it is.
    fn must_be(&self, user: &User) -> Done<()> {
        if self.caller.may(Scope::Admin) || self.caller.is_at_desk_of(user.id) {
            return Ok(());
        }
        let why = format!("only an admin does this, or {} when logged in", user.name);
        Err(Problem::forbidden(why).into())
    }

    /// The user whom an address means.
    fn user(&mut self, text: &str) -> Done<User> {
        let found = store::users::named(self.tx, text)?;
        found.ok_or_else(|| Problem::not_found("user", format_args!("{text:?}")).into())
    }
}

/// What the audit log keeps of something.
fn shown(it: &impl Serialize) -> Option<Value> {
    serde_json::to_value(it).ok()
}

/// All that is wrong with the fields of something, or nothing.
fn checked(bad: Vec<Refusal>) -> Done<()> {
    if bad.is_empty() {
        return Ok(());
    }
    let wrong = bad.into_iter().map(|it| Wrong::new(it.field, it.reason)).collect();
    Err(Problem::all_wrong(wrong).into())
}

impl App {
    /// What definitions are held against.
    pub(crate) fn ground(&self) -> Ground {
        Ground { kinds: self.kinds(), core: self.hub.core.clone() }
    }

    /// Looks something up, while others write.
    ///
    /// # Errors
    /// What it says, or 503 when the database is gone.
    pub(crate) async fn look_up<T, F>(&self, work: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Done<T> + Send + 'static,
    {
        let found = self.hub.store.read(move |tx| match work(tx) {
            Ok(found) => Ok(Ok(found)),
            Err(Fail::Problem(problem)) => Ok(Err(*problem)),
            Err(Fail::Store(error)) => Err(error),
        });
        found.await?
    }

    /// Has something looked up at a desk, for somebody, while others write.
    ///
    /// # Errors
    /// As [`App::look_up`].
    pub(crate) async fn look_up_for<T, F>(&self, caller: &Arc<Caller>, actor: Actor, work: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Desk<'_, '_>) -> Done<T> + Send + 'static,
    {
        let (core, now, caller) = (self.hub.core.clone(), self.now(), caller.clone());
        let work = move |tx: &mut Tx<'_>| {
            let ids = || core.id(now);
            work(&mut Desk { tx, now, caller: &caller, actor: Arc::new(actor), ids: &ids })
        };
        self.look_up(work).await
    }

    /// Has something done at a desk, for somebody; it is on disk when this returns.
    ///
    /// # Errors
    /// What it says, or 503 when the database is gone or full.
    pub(crate) async fn desk<T, F>(&self, caller: &Arc<Caller>, actor: Actor, work: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Desk<'_, '_>) -> Done<T> + Send + 'static,
    {
        let (core, now, caller) = (self.hub.core.clone(), self.now(), caller.clone());
        let done = self.hub.store.write(Durability::Disk, move |tx| {
            let ids = || core.id(now);
            Desk::open(tx, &ids, now, (&caller, Arc::new(actor)), work)
        });
        done.await?
    }
}
