//! Replays: what another configuration would have told.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use flow::replay::{self, Difference, MAX_EVENTS, MAX_TIME, Read, Tape};
use model::Rules;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::{App, ConfigFormat, Shared};
use crate::body::Json as JsonBody;
use crate::error::{Answer, Problem, Wrong};
use crate::input::{SpanIn, TimeIn, time};
use crate::views::replay::DifferenceView;

/// What to replay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Replay)]
pub(super) struct ReplayIn {
    /// The other configuration, as text. No environment, secret or file is read for it.
    config: String,
    /// How it is written.
    format: ConfigFormat,
    /// How far back the window begins, such as `24h`.
    #[schema(value_type = String)]
    since: SpanIn,
    /// When it ends; now, if not given.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<TimeIn>,
}

/// Tells what another configuration would have told.
#[utoipa::path(
    post,
    path = "/api/v1/replay",
    tag = "routes",
    summary = "Tell which notifications another configuration would have sent for what was recorded",
    security(("token" = ["admin"])),
    request_body = ReplayIn,
    responses((status = 200, description = "What differs from what the configuration in force would have sent \
        for the same events. Nothing is sent", body = DifferenceView)),
)]
pub(super) async fn replay(
    State(app): State<Shared>,
    JsonBody(asked): JsonBody<ReplayIn>,
) -> Answer<Json<DifferenceView>> {
    // it goes along with the work, which a sender that goes away leaves behind
    let place = app.replaying.clone().try_acquire_owned();
    let place = place.map_err(|_| Problem::unavailable("a replay is under way"))?;
    let new = rules(&app, &asked)?;
    let until = asked.until.map_or(Ok(app.now()), |TimeIn(at)| time("until", at));
    let until = until.map_err(|wrong| Problem::all_wrong(vec![wrong]))?;
    let read = Read { from: until - asked.since.0, until, events: MAX_EVENTS };
    let (tape, place) = app.hub.store.read(move |tx| Ok((Tape::read(tx, &read)?, place))).await?;
    let old = app.hub.core.live().rules.clone();
    let compared = tokio::task::spawn_blocking(move || {
        let _place = place;
        within(&tape, old, new, MAX_TIME)
    });
    let compared = compared.await;
    let difference = compared.map_err(|_| Problem::internal("a bug of this server: please report it"))?;
    Ok(Json(difference?.into()))
}

/// Compares for as long as that may take.
fn within(tape: &Tape, old: Rules, new: Rules, limit: Duration) -> store::Result<Difference> {
    let began = Instant::now();
    replay::compare(tape, old, new, &mut || began.elapsed() < limit)
}

/// The rules of the configuration. What an `alertmanager.yml` does not speak of is as it is in force.
fn rules(app: &App, asked: &ReplayIn) -> Answer<Rules> {
    let read = app.configuring.rules_of(&asked.config, asked.format);
    let wrong = |lines: Vec<String>| {
        Problem::all_wrong(lines.into_iter().map(|line| Wrong::new("config", line)).collect())
    };
    let mut rules = read.map_err(wrong)?;
    if asked.format == ConfigFormat::Alertmanager {
        rules.complete_with(&app.hub.core.live().rules);
    }
    Ok(rules)
}
