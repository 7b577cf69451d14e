//! What plugins are asked beside deliveries: whether settings are right, how something is, and for a ticket.

use std::time::Duration;

use futures::future::join_all;
use plugin_protocol::calls::{
    Check, CheckAnswer, CheckParams, Complaint, Ticket, TicketAnswer, TicketParams, Validate, ValidateParams,
};
use plugin_protocol::limits::{CONFIGURE_TIME, TICKET_TIME};
use sdk::registry::Whose;
use sdk::{Secret, secret};
use serde_json::Value;

use crate::host::{Host, Learned};
use crate::schema::Schema;

/// The feature of plugins that look at settings.
const VALIDATE: &str = "validate";
/// The feature of plugins that make tickets.
const TICKET: &str = "ticket";

/// Settings of a destination that somebody wants to have, or to be rid of.
#[derive(Clone)]
pub struct Settings {
    /// Where they stand, such as `receivers.ops.foo[0]`.
    pub path: String,
    /// The kind of destination.
    pub kind: String,
    /// As they are written.
    pub value: Value,
    /// Those of the other destinations of this kind in the same receiver, or of the same owner.
    pub others: Vec<Value>,
}

/// What plugins say of settings.
#[derive(Debug, Default)]
pub struct Looked {
    /// Settings as they are best written, by path: of those that plugins write otherwise.
    pub cleaned: Vec<(String, Value)>,
    /// What is wrong, with the whole path.
    pub wrong: Vec<Complaint>,
}

impl Host {
    /// Asks plugins that can, and that run or are idle, about destinations: `destination` when these are wanted,
    /// `removal` when they are to go. Everybody is asked at once, and no longer than one may take: who does not answer
    /// has nothing to say.
    pub async fn look_at(&self, what: &str, learned: &Learned, all: Vec<Settings>) -> Looked {
        let asked = all.into_iter().map(async |it| {
            let path = it.path.clone();
            let known = learned.of_kind(&it.kind).map(|(id, said)| (id.to_owned(), said.settings.clone()));
            (path, self.look_at_one(what, known, it).await)
        });
        let mut looked = Looked::default();
        for (path, said) in join_all(asked).await {
            match said {
                Ok(Some(cleaned)) => looked.cleaned.push((path, cleaned)),
                Ok(None) => {}
                Err(wrong) => looked.wrong.extend(wrong),
            }
        }
        looked
    }

    /// The same about one of a plugin that is in force: as it is best written, when that is otherwise.
    ///
    /// # Errors
    /// What is wrong, with the whole path.
    pub async fn look_at_known(&self, what: &str, it: Settings) -> Result<Option<Value>, Vec<Complaint>> {
        let known = self.of_kind(&it.kind);
        self.look_at_one(what, known, it).await
    }

    /// Whether a plugin that is in force has this kind of destination, and looks at settings.
    pub fn looks_at(&self, kind: &str) -> bool {
        let plugin = self.of_kind(kind).and_then(|(id, _)| self.plugin(&id));
        plugin.is_some_and(|plugin| plugin.has(VALIDATE))
    }

    /// Asks a plugin, if it can and runs or is idle, about what somebody wants to set for it, for themselves or for a
    /// project: as it is best written, when that is otherwise. What does not fit the plugin's schema is told of
    /// elsewhere.
    ///
    /// # Errors
    /// What is wrong, each with its path below the settings.
    pub async fn look_at_form(
        &self,
        id: &str,
        project: Option<&str>,
        value: Value,
    ) -> Result<Option<Value>, Vec<Complaint>> {
        let (whose, what) = match project {
            None => (Whose::Person, "user"),
            Some(_) => (Whose::Project, "project"),
        };
        let Some((plugin, schema)) = self.plugin(id).zip(self.form(id, whose)) else { return Ok(None) };
        if !plugin.has(VALIDATE) {
            return Ok(None);
        }
        let Some(running) = plugin.awake(CONFIGURE_TIME).await else { return Ok(None) };
        plugin.journal.hide(&secret::needles(&value, schema.json()));
        let Ok(fit) = schema.fit(value) else { return Ok(None) };
        let (kind, others, project) = (String::new(), Vec::new(), project.unwrap_or_default().to_owned());
        let params = ValidateParams { what: what.to_owned(), kind, value: fit.clone(), others, project };
        let Ok(answer) = running.call::<Validate>(&params, CONFIGURE_TIME).await else { return Ok(None) };
        if answer.errors.is_empty() {
            return Ok(answer.value.filter(|value| value.is_object() && *value != fit));
        }
        let hidden = |it: Complaint| Complaint { message: plugin.journal.hidden(it.message), path: it.path };
        Err(answer.errors.into_iter().map(hidden).collect())
    }

    async fn look_at_one(
        &self,
        what: &str,
        known: Option<(String, Option<Value>)>,
        it: Settings,
    ) -> Result<Option<Value>, Vec<Complaint>> {
        let Settings { path, kind, value, others } = it;
        let known =
            known.and_then(|(id, schema)| Some((self.plugin(&id)?, Schema::new(schema.as_ref()).ok()?)));
        let Some((plugin, schema)) = known.filter(|(plugin, _)| plugin.has(VALIDATE)) else {
            return Ok(None);
        };
        let Some(running) = plugin.awake(CONFIGURE_TIME).await else { return Ok(None) };
        plugin.journal.hide(&secret::needles(&value, schema.json()));
        // what does not fit has been told of already, or will be
        let Ok(fit) = schema.fit(value) else { return Ok(None) };
        let others = others.into_iter().filter_map(|it| schema.fit(it).ok()).collect();
        let (what, project) = (what.to_owned(), String::new());
        let params = ValidateParams { what, kind, value: fit.clone(), others, project };
        let Ok(answer) = running.call::<Validate>(&params, CONFIGURE_TIME).await else { return Ok(None) };
        if answer.errors.is_empty() {
            return Ok(answer.value.filter(|value| value.is_object() && *value != fit));
        }
        let wrong = answer.errors.into_iter().map(|it| {
            let message = plugin.journal.hidden(it.message);
            Complaint { message, path: it.path }.below(&path)
        });
        Err(wrong.collect())
    }

    /// Has a check made.
    ///
    /// # Errors
    /// Why it could not be, in words.
    pub async fn check(&self, kind: &str, settings: Value, limit: Duration) -> Result<CheckAnswer, String> {
        let (id, schema) =
            self.check_kind(kind).ok_or_else(|| format!("there is no kind of check {kind:?}"))?;
        let plugin = self.plugin(&id).ok_or_else(|| format!("the plugin {id} does not run here"))?;
        let secrets: Vec<Secret> = secret::needles(&settings, schema.json());
        plugin.journal.hide(&secrets);
        let settings = schema
            .fit(settings)
            .map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        let limit = plugin.spec().limits.at_most(limit);
        let until = tokio::time::Instant::now() + limit;
        let running = plugin.ready(limit).await?;
        let left = until.duration_since(tokio::time::Instant::now());
        let deadline_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let params = CheckParams { kind: kind.to_owned(), settings, deadline_ms };
        let said = running.call::<Check>(&params, left).await;
        let said = said.map_err(|why| plugin.journal.hidden(why.to_string()))?;
        let labels = said.labels.into_iter().map(|(name, value)| (name, plugin.journal.hidden(value)));
        let labels = labels.collect();
        Ok(CheckAnswer { detail: plugin.journal.hidden(said.detail), labels, ..said })
    }

    /// The plugins that can make tickets, and run or are idle.
    pub fn makers_of_tickets(&self) -> Vec<String> {
        let can = |id: &String| self.plugin(id).is_some_and(|plugin| plugin.has(TICKET));
        self.list().into_iter().map(|status| status.id).filter(can).collect()
    }

    /// Has a plugin make a ticket.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub async fn ticket(&self, id: &str, params: &TicketParams) -> Result<TicketAnswer, String> {
        let plugin = self.plugin(id).ok_or_else(|| format!("the plugin {id} does not run here"))?;
        let running = plugin.ready(TICKET_TIME).await?;
        if !plugin.has(TICKET) {
            return Err(format!("the plugin {id} makes no tickets"));
        }
        let said = running.call::<Ticket>(params, TICKET_TIME).await;
        let said = said.map_err(|why| plugin.journal.hidden(why.to_string()))?;
        let hidden = |text: String| plugin.journal.hidden(text);
        Ok(TicketAnswer { id: hidden(said.id), url: hidden(said.url), title: hidden(said.title) })
    }
}
