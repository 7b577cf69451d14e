//! Plugins are asked about people's own destinations of their kinds, before these are kept and before they go. That may
//! take a while, so it is done before the work at the desk, and only where a plugin has something to say.

use model::{Id, OwnedDestination};
use plugin_host::asking::Settings;
use plugin_protocol::calls::Complaint;
use serde_json::Value;
use store::definitions::{self, Definition, Kind};

use super::{Desk, Done, put_back};
use crate::app::App;
use crate::error::{Answer, Problem, Wrong};
use crate::signed::Signed;

/// The field that settings stand in.
const SETTINGS: &str = "spec.settings";

impl Desk<'_, '_> {
    /// The settings of the destinations of a kind that an owner has, for whom who asks may define some, but for one.
    fn beside(&mut self, owner: Id, but: Option<Id>, kind: &str) -> Done<Vec<Value>> {
        self.must_set_up(Kind::Destination, owner)?;
        let all = definitions::all::<OwnedDestination>(self.tx, Kind::Destination, Some(owner))?;
        let others = all.into_iter().filter(|it| it.body.kind == kind && Some(it.id) != but);
        Ok(others.map(|it| it.body.settings).collect())
    }
}

impl App {
    /// Has a plugin look at a destination that somebody wants to have: its settings are as the plugin writes them then.
    ///
    /// # Errors
    /// When who asks may not define it for this owner, or the plugin says what is wrong.
    pub(crate) async fn may_make(
        &self,
        by: &Signed,
        owner: Option<String>,
        kind: &str,
        settings: &mut Value,
    ) -> Answer<()> {
        if !self.plugins.looks_at(kind) {
            return Ok(());
        }
        let of = kind.to_owned();
        let others = self.desk(&by.caller, by.actor.clone(), move |desk| {
            let owner = desk.owner_named(owner.as_deref())?;
            desk.beside(owner, None, &of)
        });
        self.looked_at(kind, settings, others.await?).await
    }

    /// The same of other settings for one that there is. What is not there or cannot be read is told of elsewhere.
    ///
    /// # Errors
    /// As [`App::may_make`].
    pub(crate) async fn may_change(&self, by: &Signed, id: Id, settings: &mut Value) -> Answer<()> {
        let Some(before) = self.of_a_plugin(id).await? else { return Ok(()) };
        put_back(settings, &before.body.settings);
        let (owner, kind) = (before.owner, before.body.kind.clone());
        let others = self.desk(&by.caller, by.actor.clone(), move |desk| desk.beside(owner, Some(id), &kind));
        self.looked_at(&before.body.kind, settings, others.await?).await
    }

    /// The same of one that is to go.
    ///
    /// # Errors
    /// When who asks may not define it, or the plugin says why it must not go.
    pub(crate) async fn may_remove(&self, by: &Signed, id: Id) -> Answer<()> {
        let Some(before) = self.of_a_plugin(id).await? else { return Ok(()) };
        let owner = before.owner;
        self.desk(&by.caller, by.actor.clone(), move |desk| desk.must_set_up(Kind::Destination, owner))
            .await?;
        let OwnedDestination { kind, settings: value, .. } = before.body;
        let it = Settings { path: String::new(), kind, value, others: Vec::new() };
        let looked = self.plugins.look_at_known("removal", it).await;
        let words = |all: Vec<Complaint>| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        looked.map(drop).map_err(|wrong| Problem::not_in_state(words(wrong)))
    }

    /// A destination, if a plugin looks at such.
    async fn of_a_plugin(&self, id: Id) -> Answer<Option<Definition<OwnedDestination>>> {
        let found = self
            .hub
            .store
            .read(move |tx| definitions::look::<OwnedDestination>(tx, Kind::Destination, id))
            .await?;
        Ok(found.and_then(Result::ok).filter(|it| self.plugins.looks_at(&it.body.kind)))
    }

    async fn looked_at(&self, kind: &str, settings: &mut Value, others: Vec<Value>) -> Answer<()> {
        let (path, value) = (SETTINGS.to_owned(), settings.clone());
        let it = Settings { path, kind: kind.to_owned(), value, others };
        let looked = self.plugins.look_at_known("destination", it).await;
        let wrong = |it: Complaint| Wrong::new(it.path, it.message);
        let looked =
            looked.map_err(|all| Problem::all_wrong(all.into_iter().map(wrong).collect::<Vec<_>>()))?;
        if let Some(cleaned) = looked {
            *settings = cleaned;
        }
        Ok(())
    }
}
