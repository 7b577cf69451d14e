//! What people define: destinations, timeslots, filters, profiles, schedules, escalation policies, maintenance, and how
//! they want to be reached. One shape for all: a name, an owner, and a `spec`, which `docs/on-call.md` describes.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use model::escalation::Policy;
use model::maintenance::Maintenance;
use model::profile::{Filter, Profile, Timeslot};
use model::schedule::Rota;
use model::{AlertRule, Id, OwnedDestination, PluginSettings, Reach, Time};
use serde::Serialize;
use serde_json::{Map, Value};
use store::definitions::{self, Kind};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::{Defined, DefinitionChange, DefinitionIn, DefinitionShown, put_back};
use crate::app::Shared;
use crate::body::Json as JsonBody;
use crate::error::{Answer, Problem, Wrong};
use crate::query::Query;
use crate::signed::Signed;
use crate::views::Page;

/// Something that somebody has defined.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Definition)]
pub(super) struct DefinitionView {
    /// Its id.
    #[schema(value_type = String)]
    id: Id,
    /// Whose it is: a user, `team:` and a team, or `everybody`.
    owner: String,
    /// What it is called.
    name: String,
    /// What it says, without secrets.
    #[schema(value_type = Object)]
    spec: Value,
    /// Why it cannot be read, such as that the key is lost that it was sealed with; missing: it can be. It can be
    /// deleted all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Time,
}

impl From<DefinitionShown> for DefinitionView {
    fn from(it: DefinitionShown) -> Self {
        let DefinitionShown { id, owner, name, spec, unreadable, created_at, updated_at } = it;
        DefinitionView { id, owner, name, spec, unreadable, created_at, updated_at }
    }
}

async fn list<T: Defined>(app: Shared, by: Signed, uri: Uri) -> Answer<Json<Page<DefinitionView>>> {
    let owner = Query::known(&uri, &["owner"])?.one("owner")?.map(str::to_owned);
    let ground = app.ground();
    let found =
        app.desk(&by.caller, by.actor, move |desk| desk.list_defined::<T>(&ground, owner.as_deref())).await?;
    Ok(Json(Page::whole(found.into_iter().map(DefinitionView::from).collect())))
}

async fn create<T: Defined>(
    app: Shared,
    by: Signed,
    mut it: DefinitionIn,
) -> Answer<(StatusCode, Json<DefinitionView>)> {
    let ground = app.ground();
    ask_plugin::<T>(&app, &it.name, None, &mut it.spec).await?;
    if let (Kind::Destination, Some(kind)) = (T::KIND, it.spec.get("kind").and_then(Value::as_str)) {
        let kind = kind.to_owned();
        if let Some(settings) = it.spec.get_mut("settings") {
            app.may_make(&by, it.owner.clone(), &kind, settings).await?;
        }
    }
    let made = app.desk(&by.caller, by.actor, move |desk| desk.define::<T>(&ground, it)).await?;
    app.hub.ring();
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Has a plugin look at what somebody sets for it, beside its schema, before that is kept.
pub(super) async fn ask_plugin<T: Defined>(
    app: &Shared,
    name: &str,
    before: Option<&Value>,
    spec: &mut Map<String, Value>,
) -> Answer<()> {
    let Some(settings) = spec.get_mut("settings").filter(|_| T::KIND == Kind::PluginSettings) else {
        return Ok(());
    };
    if let Some(before) = before {
        put_back(settings, before);
    }
    let (plugin, project) = PluginSettings::parts(name);
    match app.plugins.look_at_form(plugin, project, settings.clone()).await {
        Ok(None) => Ok(()),
        Ok(Some(cleaned)) => {
            *settings = cleaned;
            Ok(())
        }
        Err(wrong) => {
            let wrong = wrong.into_iter().map(|it| it.below("spec.settings"));
            Err(Problem::all_wrong(wrong.map(|it| Wrong::new(it.path, it.message)).collect()))
        }
    }
}

async fn get<T: Defined>(app: Shared, by: Signed, id: Id) -> Answer<Json<DefinitionView>> {
    let ground = app.ground();
    let found = app.desk(&by.caller, by.actor, move |desk| desk.get_defined::<T>(&ground, id)).await?;
    Ok(Json(found.into()))
}

async fn change<T: Defined>(
    app: Shared,
    by: Signed,
    id: Id,
    mut it: DefinitionChange,
) -> Answer<Json<DefinitionView>> {
    let ground = app.ground();
    if let (Kind::PluginSettings, Some(spec)) = (T::KIND, &mut it.spec) {
        let before =
            app.hub.store.read(move |tx| definitions::look::<PluginSettings>(tx, T::KIND, id)).await?;
        let before = before.and_then(Result::ok);
        let name = it.name.as_ref().or(before.as_ref().map(|it| &it.name)).cloned().unwrap_or_default();
        let had = before.map(|it| Value::Object(it.body.settings));
        ask_plugin::<T>(&app, &name, had.as_ref(), spec).await?;
    }
    let settings = it.spec.as_mut().and_then(|spec| spec.get_mut("settings"));
    if let (Kind::Destination, Some(settings)) = (T::KIND, settings) {
        app.may_change(&by, id, settings).await?;
    }
    let changed = app.desk(&by.caller, by.actor, move |desk| desk.redefine::<T>(&ground, id, it)).await?;
    app.hub.ring();
    Ok(Json(changed.into()))
}

async fn delete<T: Defined>(app: Shared, by: Signed, id: Id) -> Answer<Json<DefinitionView>> {
    if T::KIND == Kind::Destination {
        app.may_remove(&by, id).await?;
    }
    let ground = app.ground();
    let gone = app.desk(&by.caller, by.actor, move |desk| desk.undefine::<T>(&ground, id)).await?;
    app.hub.ring();
    Ok(Json(gone.into()))
}

/// The five things that can be done with definitions of a kind, at an address of its own.
macro_rules! kinds {
    ($($module:ident, $kind:ty, $all:literal, $one:literal, $plural:literal, $singular:literal;)*) => {
        $(mod $module {
            use super::*;

            #[utoipa::path(
                get,
                path = $all,
                tag = "people",
                operation_id = concat!("list_", stringify!($module)),
                summary = concat!("List ", $plural),
                security(("token" = ["read"])),
                params(("owner" = Option<String>, Query, description = "Only those of this owner")),
                responses((status = 200, description = "All there are", body = Page<DefinitionView>)),
            )]
            pub(in super::super) async fn list_all(
                State(app): State<Shared>,
                by: Signed,
                uri: Uri,
            ) -> Answer<Json<Page<DefinitionView>>> {
                list::<$kind>(app, by, uri).await
            }

            #[utoipa::path(
                post,
                path = $all,
                tag = "people",
                operation_id = concat!("create_", stringify!($module)),
                summary = concat!("Make ", $singular),
                description = "Everybody for themselves; who runs a team, for it; who runs all teams, for everybody.",
                security(("token" = ["respond:team"])),
                request_body = DefinitionIn,
                responses(
                    (status = 201, description = "As it is kept", body = DefinitionView),
                    (status = 400, description = "It makes no sense, or there is one of this name", body = Problem),
                ),
            )]
            pub(in super::super) async fn create_one(
                State(app): State<Shared>,
                by: Signed,
                JsonBody(it): JsonBody<DefinitionIn>,
            ) -> Answer<(StatusCode, Json<DefinitionView>)> {
                create::<$kind>(app, by, it).await
            }

            #[utoipa::path(
                get,
                path = $one,
                tag = "people",
                operation_id = concat!("get_", stringify!($module)),
                summary = concat!("Show ", $singular),
                security(("token" = ["read"])),
                params(("id" = String, Path, description = "Its id")),
                responses(
                    (status = 200, description = "What it says", body = DefinitionView),
                    (status = 404, description = "There is none with this id", body = Problem),
                ),
            )]
            pub(in super::super) async fn get_one(
                State(app): State<Shared>,
                by: Signed,
                Path(id): Path<Id>,
            ) -> Answer<Json<DefinitionView>> {
                get::<$kind>(app, by, id).await
            }

            #[utoipa::path(
                patch,
                path = $one,
                tag = "people",
                operation_id = concat!("change_", stringify!($module)),
                summary = concat!("Change ", $singular),
                security(("token" = ["respond:team"])),
                params(("id" = String, Path, description = "Its id")),
                request_body = DefinitionChange,
                responses(
                    (status = 200, description = "As it is now", body = DefinitionView),
                    (status = 400, description = "It makes no sense, or there is one of this name", body = Problem),
                    (status = 404, description = "There is none with this id", body = Problem),
                ),
            )]
            pub(in super::super) async fn change_one(
                State(app): State<Shared>,
                by: Signed,
                Path(id): Path<Id>,
                JsonBody(it): JsonBody<DefinitionChange>,
            ) -> Answer<Json<DefinitionView>> {
                change::<$kind>(app, by, id, it).await
            }

            #[utoipa::path(
                delete,
                path = $one,
                tag = "people",
                operation_id = concat!("delete_", stringify!($module)),
                summary = concat!("Take ", $singular, " back"),
                security(("token" = ["respond:team"])),
                params(("id" = String, Path, description = "Its id")),
                responses(
                    (status = 200, description = "As it was", body = DefinitionView),
                    (status = 404, description = "There is none with this id", body = Problem),
                    (status = 409, description = "Something needs it", body = Problem),
                ),
            )]
            pub(in super::super) async fn delete_one(
                State(app): State<Shared>,
                by: Signed,
                Path(id): Path<Id>,
            ) -> Answer<Json<DefinitionView>> {
                delete::<$kind>(app, by, id).await
            }
        })*

        /// The routes of all kinds.
        pub(super) fn routes() -> OpenApiRouter<Shared> {
            OpenApiRouter::new()
                $(
                    .routes(routes!($module::list_all, $module::create_one))
                    .routes(routes!($module::get_one, $module::change_one, $module::delete_one))
                )*
        }
    };
}

kinds! {
    destinations, OwnedDestination, "/api/v1/destinations", "/api/v1/destinations/{id}",
        "people's own destinations", "a destination";
    timeslots, Timeslot, "/api/v1/timeslots", "/api/v1/timeslots/{id}", "timeslots", "a timeslot";
    filters, Filter, "/api/v1/filters", "/api/v1/filters/{id}", "filters", "a filter";
    profiles, Profile, "/api/v1/profiles", "/api/v1/profiles/{id}", "notification profiles", "a notification profile";
    schedules, Rota, "/api/v1/schedules", "/api/v1/schedules/{id}", "on-call schedules", "an on-call schedule";
    policies, Policy, "/api/v1/policies", "/api/v1/policies/{id}", "escalation policies", "an escalation policy";
    maintenance, Maintenance, "/api/v1/maintenance", "/api/v1/maintenance/{id}", "planned maintenance",
        "a planned maintenance";
    reach, Reach, "/api/v1/reach", "/api/v1/reach/{id}", "how people want to be reached",
        "how somebody wants to be reached";
    plugin_settings, PluginSettings, "/api/v1/plugin-settings", "/api/v1/plugin-settings/{id}",
        "what is set for plugins, by people and for projects", "what is set for a plugin";
    alert_rules, AlertRule, "/api/v1/alert-rules", "/api/v1/alert-rules/{id}", "alert rules of projects",
        "an alert rule of a project";
}
