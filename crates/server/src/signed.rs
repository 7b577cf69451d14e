//! Who comes, as handlers are told: to act in their name, or to find out who they are.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use flow::Hub;
use flow::driver::Act;
use flow::errors::acts::{Acted, IssueAct};
use model::account::Actor;
use model::incident::State;
use model::{Id, Incident};

use crate::app::{App, Shared};
use crate::auth::{Caller, Peer, Scope};
use crate::error::{Answer, Problem};
use crate::limits::MAX_AGENT_CHARS;

/// Who asks, for a handler that does something in their name.
pub struct Signed {
    /// Who.
    pub caller: Arc<Caller>,
    /// The same for the audit log.
    pub actor: Actor,
    /// The hub, which does everything in their name.
    pub hub: Hub,
}

impl FromRequestParts<Shared> for Signed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Answer<Self> {
        let caller = parts.extensions.get::<Arc<Caller>>().cloned();
        let caller = caller.ok_or_else(|| Problem::internal("nobody was let in, and yet somebody asks"))?;
        Ok(Signed::of(app, caller, &parts.headers, parts.extensions.get::<Peer>().copied()))
    }
}

impl Signed {
    /// What somebody does who was let in.
    pub(crate) fn of(app: &App, caller: Arc<Caller>, headers: &HeaderMap, peer: Option<Peer>) -> Self {
        let actor = caller.actor(app.address(headers, peer));
        Signed { hub: app.hub.signed(actor.clone()).chained(caller.chain), caller, actor }
    }

    /// Makes sure that who asks may act on an incident: for all, or for a team whose it is.
    ///
    /// # Errors
    /// 403 when they may not; 503 when the database is gone.
    pub(crate) async fn must_respond_to(&self, incident: Id) -> Answer<()> {
        if self.caller.may(Scope::Respond) {
            return Ok(());
        }
        let core = self.hub.core.clone();
        let looked = self.hub.store.read(move |tx| {
            let is_there = store::incidents::get(tx, incident)?.is_some();
            Ok(is_there.then_some(flow::whose::teams_of(&core, tx, incident)?))
        });
        // what is not there is found not to be by whoever goes on
        if looked.await?.is_none_or(|teams| self.caller.responds_for(&teams)) {
            return Ok(());
        }
        let lacks = self.caller.lacks(Scope::Respond);
        Err(Problem::forbidden(format!("{lacks}, or to be a responder in a team whose incident this is")))
    }

    /// Does something to an incident, which need not be there.
    ///
    /// # Errors
    /// As [`Signed::must_respond_to`].
    pub(crate) async fn act(&self, incident: Id, act: Act) -> Answer<Option<Incident>> {
        self.must_respond_to(incident).await?;
        Ok(self.hub.act(incident, act).await?)
    }

    /// Does something to an incident, and makes sure that it is so now.
    ///
    /// # Errors
    /// As [`Signed::must_respond_to`]; 404 when there is none; 409 when it cannot be, as the incident is now.
    pub(crate) async fn accomplish(&self, id: Id, act: Act) -> Answer<Incident> {
        let incident = self.act(id, act.clone()).await?.ok_or_else(|| Problem::not_found("incident", id))?;
        if is_so(&act, &incident) {
            return Ok(incident);
        }
        let detail = format!("incident {id} is {}, so this cannot be done", incident.state.name());
        Err(Problem::not_in_state(detail))
    }

    /// Does something about an issue, which need not be there.
    ///
    /// # Errors
    /// As [`Signed::must_respond_to`].
    pub(crate) async fn act_on_issue(&self, issue: Id, act: IssueAct) -> Answer<Acted> {
        self.must_respond_to(issue).await?;
        Ok(self.hub.act_on_issue(issue, act).await?)
    }
}

/// Whether an incident is as somebody wanted it to be.
fn is_so(wanted: &Act, incident: &Incident) -> bool {
    match wanted {
        Act::Acknowledge { .. } => incident.state == State::Acknowledged,
        Act::Unacknowledge { .. } => incident.state == State::Open,
        Act::Resolve { .. } => incident.state == State::Resolved,
        Act::Snooze { until, .. } => incident.snoozed_until == Some(*until),
        _ => true,
    }
}

/// Who comes to log in, as far as that can be seen.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    /// Where from.
    pub address: Option<IpAddr>,
    /// What the browser calls itself.
    pub agent: String,
    /// Whether it is somebody at this very machine, with nothing in between.
    pub local: bool,
}

impl Visitor {
    /// Who sends these headers from there.
    pub fn of(app: &App, headers: &HeaderMap, peer: Option<Peer>) -> Self {
        let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Visitor {
            address: app.address(headers, peer),
            agent: agent.unwrap_or_default().chars().take(MAX_AGENT_CHARS).collect(),
            local: is_from_here(headers, peer),
        }
    }
}

impl FromRequestParts<Shared> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Self::Rejection> {
        Ok(Visitor::of(app, &parts.headers, parts.extensions.get::<Peer>().copied()))
    }
}

/// What a proxy adds: then the peer is not who asks.
pub(crate) const FORWARDED: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

/// Whether a request comes from this very machine with nothing in between.
fn is_from_here(headers: &HeaderMap, peer: Option<Peer>) -> bool {
    let is_loopback = peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback());
    is_loopback && !FORWARDED.iter().any(|name| headers.contains_key(*name))
}
