//! Whether somebody's destination reaches them: they are sent a code there, and say it here.

use model::destination::{CODE_LIFE, CODE_TRIES, Challenge};
use model::{Id, OwnedDestination};
use store::definitions::{Definition, Kind};

use super::definitions::DefinitionShown;
use super::{Desk, Done, Ground};
use crate::auth::{Scope, hash_hex};
use crate::error::Problem;

/// The codes that there are: six digits.
const CODES: u32 = 1_000_000;

impl Desk<'_, '_> {
    /// Makes a code for a destination, which is to be sent there.
    ///
    /// # Errors
    /// When it must not be, or there is none with this id.
    pub fn challenge(&mut self, ground: &Ground, id: Id) -> Done<String> {
        let before = self.defined::<OwnedDestination>(id)?;
        self.must_set_up(Kind::Destination, before.owner)?;
        self.must_be_free(ground, before.owner, &before.body)?;
        let code = format!("{:06}", rand::random_range(0..CODES));
        let challenge =
            Challenge { hash: hash_of(id, &code), expires_at: self.now + CODE_LIFE, tries: CODE_TRIES };
        let body = OwnedDestination { challenge: Some(challenge), ..before.body.clone() };
        self.keep_defined(
            ground,
            Some(&before),
            Definition { body, updated_at: self.now, ..before.clone() },
        )?;
        Ok(code)
    }

    /// Somebody says the code that they were sent, or who runs the hub says that none is needed. A wrong one counts,
    /// and is no failure of the transaction.
    ///
    /// # Errors
    /// When it must not be, or there is none with this id.
    pub fn confirm(
        &mut self,
        ground: &Ground,
        id: Id,
        code: Option<&str>,
    ) -> Done<Result<DefinitionShown, Problem>> {
        let before = self.defined::<OwnedDestination>(id)?;
        self.must_set_up(Kind::Destination, before.owner)?;
        let keep = |desk: &mut Self, body: OwnedDestination| {
            let after = Definition { body, updated_at: desk.now, ..before.clone() };
            let kept = desk.keep_defined(ground, Some(&before), after)?;
            desk.show(ground, kept)
        };
        let verified =
            OwnedDestination { verified_at: Some(self.now), challenge: None, ..before.body.clone() };
        self.must_be_free(ground, before.owner, &before.body)?;
        let Some(code) = code else {
            self.must(Scope::Admin)?;
            return keep(self, verified).map(Ok);
        };
        let Some(challenge) = before.body.challenge.clone().filter(|it| it.expires_at > self.now) else {
            return Ok(Err(Problem::not_in_state("no code was sent there of late: ask for one first")));
        };
        if challenge.hash == hash_of(id, code.trim()) {
            return keep(self, verified).map(Ok);
        }
        let tries = challenge.tries.saturating_sub(1);
        let left = (tries > 0).then_some(Challenge { tries, ..challenge });
        keep(self, OwnedDestination { challenge: left, ..before.body.clone() })?;
        Ok(Err(Problem::wrong("code", format!("is not the code that was sent; {tries} more tries"))))
    }
}

impl Desk<'_, '_> {
    /// Makes sure that nobody else is known by somebody's account in a chat: else nobody knows who presses a button
    /// there.
    ///
    /// # Errors
    /// When another user has confirmed it; it says who.
    pub(crate) fn must_be_free(&mut self, ground: &Ground, owner: Id, it: &OwnedDestination) -> Done<()> {
        let kinds = &ground.kinds;
        let address = kinds.address(&it.kind, &mut it.settings.clone()).ok().flatten();
        let Some(address) = address.filter(|address| kinds.is_account(&it.kind, address)) else {
            return Ok(());
        };
        let (people, live) = (ground.core.people(self.tx)?, ground.core.live());
        let others = people.who_is(&live, &it.kind, &address);
        let Some(other) = others.into_iter().find(|user| user.id != owner) else { return Ok(()) };
        let why = format!(
            "{} is known by this account in {} already, and buttons that are pressed with it are theirs: they have to \
             delete that destination first",
            other.name, it.kind
        );
        Err(Problem::not_in_state(why).into())
    }
}

fn hash_of(id: Id, code: &str) -> String {
    hash_hex(format!("{id}:{code}").as_bytes())
}
