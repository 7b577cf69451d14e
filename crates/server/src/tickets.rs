//! Tickets: somebody wants one for an incident, whichever door they ask at, and a plugin makes it.

use flow::driver::Act;
use model::extra::Edit;
use model::limits::MAX_NOTE_BYTES;
use model::{Id, Incident};
use plugin_protocol::calls::{TicketAnswer, TicketParams};

use crate::app::App;
use crate::error::{Answer, Problem};
use crate::input::is_web;
use crate::signed::Signed;
use crate::views::incident::IncidentView;

/// A ticket that is wanted.
pub(crate) struct Wanted {
    /// For which incident.
    pub incident: Id,
    /// Which plugin makes it; empty: the one that can.
    pub plugin: String,
    /// Who wants it.
    pub by: String,
    /// What to say in it.
    pub note: String,
}

/// A ticket that there is.
pub(crate) struct Made {
    /// Which plugin made it.
    pub plugin: String,
    /// What and where it is.
    pub ticket: TicketAnswer,
    /// The incident as it is now.
    pub incident: Incident,
}

impl App {
    /// Has a plugin make a ticket. The incident's timeline names it, and the incident says where it is.
    ///
    /// # Errors
    /// When there is no such incident, or no plugin that makes tickets, or it did not make this one.
    pub(crate) async fn make_ticket(&self, signed: &Signed, wanted: Wanted) -> Answer<Made> {
        let Wanted { incident: id, plugin, by, note } = wanted;
        signed.must_respond_to(id).await?;
        let incident = self.hub.store.read(move |tx| store::incidents::get(tx, id)).await?;
        let incident = incident.ok_or_else(|| Problem::not_found("incident", id))?;
        let plugin = match (plugin.as_str(), self.plugins.makers_of_tickets().as_slice()) {
            ("", []) => return Err(Problem::not_in_state("no plugin that runs makes tickets")),
            ("", [one]) => one.clone(),
            ("", several) => {
                let why = format!("several plugins make tickets, name one of {}", several.join(", "));
                return Err(Problem::wrong("plugin", why));
            }
            _ => plugin,
        };
        let incident = serde_json::to_value(IncidentView::from(incident));
        let incident = incident.map_err(|error| Problem::internal(error.to_string()))?;
        let params = TicketParams { key: format!("ticket-{id}"), incident, by: by.clone(), note };
        let ticket = self.plugins.ticket(&plugin, &params).await.map_err(Problem::not_in_state)?;
        let words = [&ticket.id, &ticket.title, &ticket.url].map(String::as_str);
        let words: Vec<&str> = words.into_iter().filter(|it| !it.is_empty()).collect();
        let said = format!("ticket by {plugin}: {}", words.join(", "));
        // no letter takes more than four bytes
        let said: String = said.chars().take(MAX_NOTE_BYTES / 4).collect();
        let mut incident = signed.hub.act(id, Act::Note { by: by.clone(), text: said }).await?;
        // what is no address of a page is not made a link
        if is_web(&ticket.url) {
            let edit = Box::new(Edit { ticket_url: Some(ticket.url.clone()), ..Edit::default() });
            incident = signed.hub.act(id, Act::Edit { by, edit }).await?;
        }
        let incident = incident.ok_or_else(|| Problem::not_found("incident", id))?;
        Ok(Made { plugin, ticket, incident })
    }
}
