//! Many definitions at once.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;

use model::PluginSettings;
use store::definitions::Kind;

use super::definitions::ask_plugin;
use crate::accounts::{Applied, ApplyIn, within};
use crate::app::Shared;
use crate::body::Json as JsonBody;
use crate::error::{Answer, Problem};
use crate::signed::Signed;
use crate::views::Page;

/// Applies definitions.
#[utoipa::path(
    post,
    path = "/api/v1/definitions/apply",
    tag = "people",
    summary = "Make or change many definitions at once",
    description = "All of them are kept, or none. What is there already under its kind, owner and name is changed, and \
        left alone when it says the same; nothing is taken back. Names may stand where ids belong.",
    security(("token" = ["respond:team"])),
    request_body = ApplyIn,
    responses((status = 200, description = "What became, or would become, of each", body = Page<Applied>)),
)]
pub(super) async fn apply_definitions(
    State(app): State<Shared>,
    by: Signed,
    JsonBody(mut it): JsonBody<ApplyIn>,
) -> Answer<Json<Page<Applied>>> {
    let ground = app.ground();
    // plugins take their time, which nobody waits for in a transaction
    for (n, item) in it.items.iter_mut().enumerate().filter(|(_, it)| it.kind == Kind::PluginSettings.name())
    {
        let asked = item.clone();
        let before = app.desk(&by.caller, by.actor.clone(), move |desk| desk.set_before(&asked)).await;
        let asked = ask_plugin::<PluginSettings>(&app, &item.name, before?.as_ref(), &mut item.spec).await;
        asked.map_err(|wrong| within(wrong, n))?;
    }
    let would = Arc::new(Mutex::new(None));
    let (slot, dry_run) = (would.clone(), it.dry_run);
    let done = app.desk(&by.caller, by.actor, move |desk| {
        let applied = desk.apply(&ground, &it.items);
        if dry_run || applied.is_err() {
            // what was made ready of what is undone now must not be remembered
            ground.core.forget();
        }
        let applied = applied?;
        if dry_run {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(applied);
            return Err(Problem::not_in_state("nothing of a dry run is kept").into());
        }
        Ok(applied)
    });
    let done = done.await;
    let would = would.lock().unwrap_or_else(PoisonError::into_inner).take();
    let applied = match would {
        Some(would) => would,
        None => done?,
    };
    app.hub.ring();
    Ok(Json(Page::whole(applied)))
}
