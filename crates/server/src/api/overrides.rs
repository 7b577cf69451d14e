//! Settings that are changed while the hub runs: what is in force, changes, and back to how it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use config::overrides::Change;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::config::RollbackIn;
use crate::app::{By, NotOverridden, Overriding, Shared};
use crate::body::Json as JsonBody;
use crate::error::{Answer, Problem};
use crate::input::{Name, short};
use crate::signed::Signed;
use crate::views::Page;
use crate::views::overrides::{ElementView, OverrideVersionView, SectionView};

/// What is not as the file says.
#[derive(Serialize, ToSchema)]
#[schema(as = Overrides)]
pub(super) struct OverridesView {
    /// The version of the overrides; 0: nothing was ever overridden.
    version: i64,
    /// Why they are not in force, in words; null: they are.
    refused: Option<String>,
    /// The elements that are overridden, as they are in force.
    items: Vec<ElementView>,
}

/// What is to be otherwise.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ConfigChange)]
#[derive(Default)]
pub(super) struct ChangeIn {
    /// Options to set on the element, by path such as `channel` or `http.follow_redirects`.
    #[schema(value_type = Object)]
    set: BTreeMap<String, Value>,
    /// Options to be as in the file again.
    delete: Vec<String>,
    /// Elements to add to the section, by name, each with its options.
    #[schema(value_type = Object)]
    add: BTreeMap<String, Map<String, Value>>,
    /// Names of elements to remove that were added.
    remove: Vec<String>,
    /// Who asks, if it is not clear from the token.
    by: String,
}

/// What came of it.
#[derive(Serialize, ToSchema)]
#[schema(as = ConfigChanged)]
pub(super) struct ChangedView {
    /// The version of the overrides from here on.
    version: i64,
}

/// Lists what is overridden.
#[utoipa::path(
    get,
    path = "/api/v1/config/overrides",
    tag = "server",
    summary = "List what is not as the configuration file says, without secrets",
    security(("token" = ["read"])),
    responses((status = 200, description = "All elements that are overridden", body = OverridesView)),
)]
pub(super) async fn list_overrides(State(app): State<Shared>) -> Answer<Json<OverridesView>> {
    let newest = app.hub.store.read(store::overrides::newest).await?;
    let exposed = app.exposed();
    Ok(Json(OverridesView {
        version: newest.map_or(0, |it| it.version),
        refused: exposed.overrides_refused.clone(),
        items: ElementView::overridden(&exposed, &exposed.overrides),
    }))
}

/// Lists the changes.
#[utoipa::path(
    get,
    path = "/api/v1/config/overrides/versions",
    tag = "server",
    summary = "List the changes of overrides, newest first",
    security(("token" = ["read"])),
    responses((status = 200, description = "The last of them", body = Page<OverrideVersionView>)),
)]
pub(super) async fn list_override_versions(
    State(app): State<Shared>,
) -> Answer<Json<Page<OverrideVersionView>>> {
    let all = app.hub.store.read(store::overrides::list).await?;
    Ok(Json(Page::whole(all.into_iter().map(OverrideVersionView::from).collect())))
}

/// Goes back to overrides as they were.
#[utoipa::path(
    post,
    path = "/api/v1/config/overrides/rollback",
    tag = "server",
    summary = "Go back to the overrides of an earlier version; 0: to none",
    security(("token" = ["admin"])),
    request_body = RollbackIn,
    responses(
        (status = 200, description = "They are in force, as a version of their own", body = ChangedView),
        (status = 400, description = "They cannot be used with the file as it is", body = Problem),
        (status = 404, description = "There is none of this version", body = Problem),
        (status = 409, description = "Not now: the detail says why", body = Problem),
    ),
)]
pub(super) async fn roll_back_overrides(
    State(app): State<Shared>,
    by: Signed,
    JsonBody(wanted): JsonBody<RollbackIn>,
) -> Answer<Json<ChangedView>> {
    let name = short("by", wanted.by)?;
    changed(&app, Overriding::Back(wanted.version), by, &name).await
}

/// Shows a section.
#[utoipa::path(
    get,
    path = "/api/v1/config/{section}",
    tag = "server",
    summary = "Show the elements of a section of the configuration, without secrets",
    description = "The sections are those whose settings can be overridden: `checks`, `defaults`, `incidents`, \
        `integrations`, `log`, `plugins`, `receivers`, `self_watch` and `storm`.",
    security(("token" = ["read"])),
    params(("section" = String, Path, description = "The section, such as `receivers`")),
    responses(
        (status = 200, description = "All that is in it", body = SectionView),
        (status = 404, description = "There is none whose settings can be overridden", body = Problem),
    ),
)]
pub(super) async fn get_config_section(
    State(app): State<Shared>,
    Name(section): Name,
) -> Answer<Json<SectionView>> {
    let found = SectionView::of(&app.exposed(), &section);
    found.map(Json).ok_or_else(|| Problem::not_found("section", format_args!("{section:?} to be overridden")))
}

/// Shows an element.
#[utoipa::path(
    get,
    path = "/api/v1/config/{section}/{element}",
    tag = "server",
    summary = "Show an element of the configuration, without secrets",
    security(("token" = ["read"])),
    params(
        ("section" = String, Path, description = "The section, such as `receivers`"),
        ("element" = String, Path, description = "The element, such as `ops%2Fslack%2F0`"),
    ),
    responses(
        (status = 200, description = "The element as it is in force", body = ElementView),
        (status = 404, description = "There is none of this name", body = Problem),
    ),
)]
pub(super) async fn get_config_element(
    State(app): State<Shared>,
    Path((section, element)): Path<(String, String)>,
) -> Answer<Json<ElementView>> {
    let found = ElementView::of(&app.exposed(), &section, &element);
    found.map(Json).ok_or_else(|| Problem::not_found("element", format_args!("{element:?} in {section:?}")))
}

/// Changes a section.
#[utoipa::path(
    post,
    path = "/api/v1/config/{section}",
    tag = "server",
    summary = "Override settings of a section that has one element, or add elements and remove them",
    description = "What is in force is replaced as by a reload, at once and as a whole. When it cannot be, the answer \
        says all that is wrong, and everything stays as it was.",
    security(("token" = ["admin"])),
    params(("section" = String, Path, description = "The section, such as `incidents`")),
    request_body = ChangeIn,
    responses(
        (status = 200, description = "It is in force", body = ChangedView),
        (status = 400, description = "It cannot be: each error says where and why", body = Problem),
        (status = 404, description = "There is none whose settings can be overridden", body = Problem),
        (status = 409, description = "Not now: the detail says why", body = Problem),
    ),
)]
pub(super) async fn change_config_section(
    State(app): State<Shared>,
    by: Signed,
    Name(section): Name,
    JsonBody(change): JsonBody<ChangeIn>,
) -> Answer<Json<ChangedView>> {
    change_config(&app, by, section, String::new(), change).await
}

/// Changes an element.
#[utoipa::path(
    post,
    path = "/api/v1/config/{section}/{element}",
    tag = "server",
    summary = "Override settings of an element, or have them as in the file again",
    description = "What is in force is replaced as by a reload, at once and as a whole. When it cannot be, the answer \
        says all that is wrong, and everything stays as it was.",
    security(("token" = ["admin"])),
    params(
        ("section" = String, Path, description = "The section, such as `receivers`"),
        ("element" = String, Path, description = "The element, such as `ops%2Fslack%2F0`"),
    ),
    request_body = ChangeIn,
    responses(
        (status = 200, description = "It is in force", body = ChangedView),
        (status = 400, description = "It cannot be: each error says where and why", body = Problem),
        (status = 404, description = "There is none whose settings can be overridden", body = Problem),
        (status = 409, description = "Not now: the detail says why", body = Problem),
    ),
)]
pub(super) async fn change_config_element(
    State(app): State<Shared>,
    by: Signed,
    Path((section, element)): Path<(String, String)>,
    JsonBody(change): JsonBody<ChangeIn>,
) -> Answer<Json<ChangedView>> {
    change_config(&app, by, section, element, change).await
}

async fn change_config(
    app: &Shared,
    by: Signed,
    section: String,
    element: String,
    change: ChangeIn,
) -> Answer<Json<ChangedView>> {
    let name = short("by", change.by)?;
    let ChangeIn { set, delete, add, remove, .. } = change;
    let change = Change { set, delete, add, remove };
    changed(app, Overriding::Change { section, element, change }, by, &name).await
}

/// Has it done, for somebody who calls themselves so.
pub(super) async fn changed(
    app: &Shared,
    wanted: Overriding,
    by: Signed,
    name: &str,
) -> Answer<Json<ChangedView>> {
    let by = By { name: by.caller.signed(name), actor: Arc::new(by.actor) };
    let version = app.configuring.override_settings(wanted, by).await.map_err(problem)?;
    Ok(Json(ChangedView { version }))
}

/// Why it was not, as an answer.
pub(super) fn problem(why: NotOverridden) -> Problem {
    match why {
        NotOverridden::Unknown(what) => Problem::new(crate::error::Kind::NotFound, what),
        NotOverridden::Wrong(all) => Problem::all_wrong(all),
        NotOverridden::Unusable(why) => Problem::not_in_state(why),
        NotOverridden::Forbidden(why) => Problem::forbidden(why),
        NotOverridden::Store(error) => error.into(),
    }
}
