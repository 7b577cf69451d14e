//! Whether somebody's destination reaches them.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use model::Id;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::definitions::DefinitionView;
use crate::app::{App, Shared};
use crate::auth::Scope;
use crate::body::Json as JsonBody;
use crate::error::{Answer, Problem};
use crate::signed::Signed;
use crate::tries::Trying;

/// What was sent.
#[derive(Serialize, ToSchema)]
#[schema(as = CodeSent)]
pub(super) struct CodeSent {
    /// The delivery, whose fate can be looked at.
    #[schema(value_type = String)]
    delivery: Id,
}

/// The code that somebody was sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Confirmation)]
pub(super) struct ConfirmationIn {
    /// Six digits. An admin may leave them out.
    code: Option<String>,
}

/// Sends a code.
#[utoipa::path(
    post,
    path = "/api/v1/destinations/{id}/verification",
    tag = "people",
    summary = "Send a code to a destination",
    description = "Nothing else is sent there before somebody has said it.",
    security(("token" = ["respond:team"])),
    params(("id" = String, Path, description = "The destination's id")),
    responses(
        (status = 202, description = "It is on its way", body = CodeSent),
        (status = 404, description = "There is none with this id", body = Problem),
        (status = 409, description = "It is somebody else's account, or nothing can be sent there", body = Problem),
        (status = 429, description = "Too many codes were asked for: see Retry-After", body = Problem),
    ),
)]
pub(super) async fn send_code(
    State(app): State<Shared>,
    by: Signed,
    Path(id): Path<Id>,
) -> Answer<(StatusCode, Json<CodeSent>)> {
    let delivery = app.send_code(&by, id).await?;
    Ok((StatusCode::ACCEPTED, Json(CodeSent { delivery })))
}

impl App {
    /// Has a code sent to somebody's destination.
    ///
    /// # Errors
    /// When it must not be, somebody asks too often, or nothing can be sent there.
    pub(crate) async fn send_code(&self, by: &Signed, id: Id) -> Answer<Id> {
        // an admin needs none
        if !by.caller.may(Scope::Admin) {
            self.tries.take(&Trying::Code(by.caller.user), self.now())?;
        }
        let ground = self.ground();
        let code = self.desk(&by.caller, by.actor.clone(), move |desk| desk.challenge(&ground, id)).await?;
        let sent = by.hub.word(id, format!("Your code for Nightbell is {code}")).await?;
        sent.ok_or_else(|| Problem::not_in_state("its settings do not fit its kind any more"))
    }
}

/// Takes a code.
#[utoipa::path(
    put,
    path = "/api/v1/destinations/{id}/verification",
    tag = "people",
    summary = "Say the code that a destination was sent",
    security(("token" = ["respond:team"])),
    params(("id" = String, Path, description = "The destination's id")),
    request_body = ConfirmationIn,
    responses(
        (status = 200, description = "The destination, which is in use from now on", body = DefinitionView),
        (status = 400, description = "It is another code", body = Problem),
        (status = 404, description = "There is none with this id", body = Problem),
        (status = 409, description = "No code was sent of late", body = Problem),
    ),
)]
pub(super) async fn confirm(
    State(app): State<Shared>,
    by: Signed,
    Path(id): Path<Id>,
    JsonBody(it): JsonBody<ConfirmationIn>,
) -> Answer<Json<DefinitionView>> {
    let ground = app.ground();
    let confirm = app.desk(&by.caller, by.actor, move |desk| desk.confirm(&ground, id, it.code.as_deref()));
    let confirmed = confirm.await??;
    app.hub.ring();
    Ok(Json(confirmed.into()))
}
