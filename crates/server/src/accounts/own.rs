//! The destination that is kept in step with the address of an account.

use std::collections::HashSet;
use std::sync::Arc;

use model::account::{ActorKind, User};
use model::{Id, OwnedDestination};
use serde_json::{Value, json};
use store::Durability;
use store::definitions::{self, Definition, Kind};

use super::defined::users_of;
use super::{Desk, Done};
use crate::app::App;
use crate::auth::{Caller, Scope};
use crate::error::Problem;

/// Users that are read at once.
const PAGE: i64 = 500;
/// The kind of the destination that is kept in step with an account.
const KIND: &str = "email";
/// What it is called, if nothing else of its owner is.
const LABEL: &str = "The account's address";

/// Whether a destination is the one at this address, through the hub's own account.
fn is_at(it: &OwnedDestination, address: &str) -> bool {
    let at = |to: &Value| to.as_str().is_some_and(|to| to.eq_ignore_ascii_case(address));
    let to = &it.settings["to"];
    it.kind == KIND
        && it.settings.as_object().is_some_and(|all| all.len() == 1)
        && (at(to) || to.as_array().is_some_and(|all| matches!(all.as_slice(), [one] if at(one))))
}

impl Desk<'_, '_> {
    /// Keeps the managed destination of a user in step with their address: it comes, changes and goes with it.
    ///
    /// # Errors
    /// When the address is taken away while something needs its destination.
    pub(crate) fn keep_in_step(&mut self, user: &User) -> Done<()> {
        // who says of themselves where they are has yet to show it
        let is_sure = self.caller.kind == ActorKind::System || self.caller.may(Scope::Admin);
        self.follow_address(user, is_sure)
    }

    fn follow_address(&mut self, user: &User, is_sure: bool) -> Done<()> {
        let own: Vec<Definition<OwnedDestination>> =
            definitions::all(self.tx, Kind::Destination, Some(user.id))?;
        let managed = own.iter().find(|it| it.body.managed);
        // a machine is told nothing by mail
        let address = if user.machine { "" } else { user.email.as_str() };
        match managed {
            Some(it) if address.is_empty() => return self.take_away(it),
            Some(it) if is_at(&it.body, address) => return Ok(()),
            None if address.is_empty() => return Ok(()),
            _ => {}
        }
        let verified_at = is_sure.then_some(self.now);
        let known = own.iter().find(|it| is_at(&it.body, address));
        let after = match (managed, known) {
            // the one that they made themselves at this address becomes it, and the old one is theirs to delete
            (managed, Some(known)) => {
                if let Some(before) = managed {
                    let body = OwnedDestination { managed: false, ..before.body.clone() };
                    self.keep_managed(Definition { body, ..before.clone() }, Some(before))?;
                }
                let verified_at = known.body.verified_at.or(verified_at);
                let body = OwnedDestination { managed: true, verified_at, ..known.body.clone() };
                return self.keep_managed(Definition { body, ..known.clone() }, Some(known));
            }
            (Some(before), None) => {
                let settings = json!({ "to": [address] });
                let body = OwnedDestination { settings, verified_at, challenge: None, ..before.body.clone() };
                Definition { body, ..before.clone() }
            }
            (None, None) => {
                let new = OwnedDestination::new(KIND, json!({ "to": [address] }));
                let body = OwnedDestination { managed: true, verified_at, ..new };
                let mut names =
                    std::iter::once(LABEL.to_owned()).chain((2..).map(|n| format!("{LABEL} ({n})")));
                let free = |name: &String| own.iter().all(|it| it.name != *name);
                let name = names.find(free).unwrap_or_else(|| LABEL.to_owned());
                let (id, now) = (self.id(), self.now);
                Definition { id, owner: user.id, name, body, created_at: now, updated_at: now }
            }
        };
        self.keep_managed(after, managed)
    }

    fn keep_managed(
        &mut self,
        it: Definition<OwnedDestination>,
        before: Option<&Definition<OwnedDestination>>,
    ) -> Done<()> {
        let it = Definition { updated_at: self.now, ..it };
        definitions::put(self.tx, Kind::Destination, &it)?;
        let shown = |it: &Definition<OwnedDestination>| {
            let body = &it.body;
            let (settings, verified_at) = (&body.settings, body.verified_at);
            json!({ "name": it.name, "settings": settings, "managed": body.managed, "verified_at": verified_at })
        };
        let action = if before.is_some() { "destination.update" } else { "destination.create" };
        self.note(action, ("destination", &it.id.to_string()), before.map(shown), Some(shown(&it)))?;
        Ok(())
    }

    fn take_away(&mut self, it: &Definition<OwnedDestination>) -> Done<()> {
        if let Some(user) = users_of(self.tx, Kind::Destination, it.id)? {
            let why = format!("its destination {:?} is in use by {user}; change that first", it.name);
            return Err(Problem::wrong("email", why).into());
        }
        definitions::delete(self.tx, Kind::Destination, it.id, self.now)?;
        let was = json!({ "name": it.name, "settings": it.body.settings });
        self.note("destination.delete", ("destination", &it.id.to_string()), Some(was), None)?;
        Ok(())
    }
}

/// At the start: users who have an address from before addresses were destinations get theirs, which they have to
/// confirm, since nobody knows any more who said it. Returns how many did.
///
/// # Errors
/// When the database is gone or full.
pub async fn catch_up(app: &App) -> store::Result<usize> {
    let (core, now) = (app.hub.core.clone(), app.now());
    let made = app.hub.store.write(Durability::Disk, move |tx| {
        let (ids, caller) = (|| core.id(now), Caller::system("start"));
        let actor = Arc::new(caller.actor(None));
        Desk::open(tx, &ids, now, (&caller, actor), |desk| {
            // two nodes that start at once ask one after the other
            desk.tx.lock_flow()?;
            let all = definitions::all::<OwnedDestination>(desk.tx, Kind::Destination, None)?;
            let have: HashSet<Id> = all.iter().filter(|it| it.body.managed).map(|it| it.owner).collect();
            let (mut made, mut after) = (0, None);
            loop {
                let page = store::users::page(desk.tx, after, PAGE)?;
                let Some(last) = page.last() else { return Ok(made) };
                after = Some(last.id);
                let lacks = |it: &&User| !it.email.is_empty() && !it.machine && !have.contains(&it.id);
                for user in page.iter().filter(lacks) {
                    desk.follow_address(user, false)?;
                    made += 1;
                }
            }
        })
    });
    Ok(made.await?.unwrap_or_default())
}
