//! Who asks, as Argus sees them: an end user, or the machine user of a source.

use std::sync::Arc;

use model::Incident;

use super::refused::Refused;
use crate::app::App;
use crate::auth::{Caller, Scope};
use crate::sources::Entry;

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    /// The same as our own API has it.
    pub caller: Arc<Caller>,
    /// The number of the user; 0 for somebody at this very machine.
    pub pk: i64,
    /// What the ledger calls them.
    pub name: String,
    /// The source whose machine user they are.
    pub source: Option<Arc<Entry>>,
}

impl Asker {
    /// Finds out, and notes that a source was heard of.
    pub async fn find(app: &App, caller: Arc<Caller>) -> Result<Asker, Refused> {
        let source = match caller.user {
            Some(user) => app.sources.book(&app.hub.store, app.now()).await?.of_user(user).cloned(),
            None => None,
        };
        if let Some(entry) = source.as_ref().filter(|it| app.sources.hears(it.source.id, app.now())) {
            app.hub.hear(entry.source.id).await?;
        }
        let pk = caller.user.or(caller.token).map_or(0, |id| id.0);
        Ok(Asker { pk, name: caller.signed(""), source, caller })
    }

    /// Whether they may do everything.
    pub fn is_admin(&self) -> bool {
        self.caller.may(Scope::Admin)
    }

    /// Whether they are the source that an incident comes from.
    pub fn is_source_of(&self, incident: &Incident) -> bool {
        self.source.as_ref().is_some_and(|it| incident.more().source == Some(it.source.id))
    }

    /// How the ledger names them: a source that speaks of its own needs no name there, as events of others have none.
    pub fn signs(&self, incident: &Incident) -> String {
        if self.is_source_of(incident) { String::new() } else { self.name.clone() }
    }

    /// Makes sure that they may change an incident: a source changes only its own.
    ///
    /// # Errors
    /// 403 when they may not.
    pub fn may_change(&self, incident: &Incident) -> Result<(), Refused> {
        if self.source.is_some() && !self.is_source_of(incident) && !self.is_admin() {
            return Err(Refused::forbidden("a source changes its own incidents only"));
        }
        Ok(())
    }
}
