//! Who may send, and how much: by the key of a project.

use std::sync::Arc;

use axum::http::header;
use flow::tracked::projects::KeyInForce;
use tracker::{Credentials, Door, Places, Refusal};

use super::{Asked, Limit, No};
use crate::app::App;
use crate::limits::RETRY_AFTER_SECONDS;
use crate::shares::Share;

/// Somebody whose key is good.
#[derive(Clone)]
pub(super) struct Admitted {
    pub(super) key: Arc<KeyInForce>,
    /// Its place among the requests that are worked on.
    pub(super) _share: Arc<Share>,
}

impl Admitted {
    /// Counts an event; when the key has sent too many: after how many seconds there may be more. Only events count,
    /// and what only events come by is counted before it is read.
    pub(super) fn count_event(&self, app: &App) -> Result<(), u32> {
        let Some(rate) = self.key.key.rate else { return Ok(()) };
        app.rates.take(self.key.key.id, rate, app.now()).inspect_err(|_| self.note_refused(app))
    }

    /// Whether it may not send as much as it likes.
    pub(super) fn is_limited(&self) -> bool {
        self.key.key.rate.is_some()
    }

    fn note_refused(&self, app: &App) {
        self.key.conduct.note_refused(app.now());
        app.hub.core.tally.add(self.key.project.project.id, "rate limited", 1);
    }
}

/// Where a request may say who sends it.
pub(super) fn places<'a>(asked: &'a Asked, dsn: Option<&'a str>) -> Places<'a> {
    Places {
        x_sentry_auth: asked.text("x-sentry-auth"),
        authorization: asked.text(header::AUTHORIZATION.as_str()),
        query: asked.uri.query(),
        dsn,
    }
}

/// Looks whether a key is good for this request.
pub(super) async fn admit(app: &App, asked: &Asked, said: &Credentials) -> Result<Admitted, No> {
    let found = known(app, said).await?;
    let project = &found.project;
    let mut named = [asked.project.as_deref(), said.project.as_deref()].into_iter().flatten();
    if !named.all(|text| project.project.is_named(text)) {
        return Err(Refusal::forbidden("the key is not of this project: take the DSN from its page").into());
    }
    if let Some(origin) = asked.text(header::ORIGIN.as_str())
        && !project.project.allows_origin(origin)
    {
        return Err(Refusal::forbidden("the project does not take reports of pages of this origin").into());
    }
    let Some(share) = app.shares.take(project.project.id).await else {
        app.hub.core.tally.add(project.project.id, "too many at once", 1);
        return Err(No::Limited(Limit::Project(RETRY_AFTER_SECONDS)));
    };
    let admitted = Admitted { key: found.clone(), _share: Arc::new(share) };
    if asked.door != Door::Envelope {
        admitted.count_event(app).map_err(No::of_key)?;
    }
    Ok(admitted)
}

async fn known(app: &App, said: &Credentials) -> Result<Arc<KeyInForce>, No> {
    let find = || app.hub.core.known_projects().key(&said.key).cloned();
    if let Some(found) = find() {
        return Ok(found);
    }
    // it may have been made on another node a moment ago
    if app.rates.may_look(app.now()) {
        app.hub.know_projects().await.map_err(|error| No::Unavailable(error.to_string()))?;
    }
    find().ok_or_else(|| Refusal::forbidden("the key is not known here, or was revoked").into())
}
