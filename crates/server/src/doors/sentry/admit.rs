//! Who may send, and how much: by the key of a project.

use std::sync::Arc;

use axum::http::header;
use flow::tracked::projects::{KeyInForce, ProjectInForce};
use tracker::{Credentials, Places, Refusal};

use super::{Asked, No};
use crate::app::App;

/// Somebody whose key is good.
pub(super) struct Admitted {
    pub(super) project: Arc<ProjectInForce>,
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

/// Looks whether a key is good for this request, and counts it.
pub(super) async fn admit(app: &App, asked: &Asked, said: &Credentials) -> Result<Admitted, No> {
    let found = known(app, said).await?;
    let KeyInForce { key, project } = &*found;
    let number = project.project.id.to_string();
    let is_this = |named: &str| named == number || named == project.project.slug;
    let named = [asked.project.as_deref(), said.project.as_deref()].into_iter().flatten();
    if !named.into_iter().all(is_this) {
        return Err(Refusal::forbidden("the key is not of this project: take the DSN from its page").into());
    }
    if let Some(origin) = asked.text(header::ORIGIN.as_str())
        && !project.project.allows_origin(origin)
    {
        return Err(Refusal::forbidden("the project does not take reports of pages of this origin").into());
    }
    if let Some(rate) = key.rate
        && let Err(seconds) = app.rates.take(key.id, rate, app.now())
    {
        app.hub.core.tally.add(project.project.id, "rate limited", 1);
        return Err(No::Limited(seconds));
    }
    Ok(Admitted { project: project.clone() })
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
