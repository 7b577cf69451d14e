//! Routes: the tree, and who would be told of what.

use axum::Json;
use axum::extract::State;
use flow::explain::Explanation;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::events::severity_of;
use crate::app::{App, Shared};
use crate::body::Json as JsonBody;
use crate::error::{Answer, Problem};
use crate::input::{LabelsIn, SeverityIn, TimeIn, time};
use crate::views::explanation::ExplanationView;
use crate::views::route::RouteView;
use crate::views::words;

/// The routing tree.
#[derive(Serialize, ToSchema)]
pub(super) struct Routes {
    /// All routes in the order in which they are asked, without what is below each.
    items: Vec<RouteView>,
    /// The root, with everything below it.
    tree: RouteView,
}

/// Shows the routing tree.
#[utoipa::path(
    get,
    path = "/api/v1/routes",
    tag = "routes",
    summary = "Show the routing tree",
    security(("token" = ["read"])),
    responses((status = 200, description = "The tree, and the same as a list", body = Routes)),
)]
pub(super) async fn list_routes(State(app): State<Shared>) -> Json<Routes> {
    let live = app.hub.core.live();
    let root = &live.rules.root;
    Json(Routes {
        items: root.nodes().into_iter().map(RouteView::flat).collect(),
        tree: RouteView::tree(root),
    })
}

/// An incident that might be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LabelSet)]
pub(super) struct LabelsQuestion {
    /// Its labels.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    labels: LabelsIn,
    /// How bad it is; without it, what the label `severity` says.
    #[schema(value_type = Option<words::Severity>)]
    severity: Option<SeverityIn>,
    /// When; now, if not given.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<TimeIn>,
}

impl LabelsQuestion {
    /// What would become of it.
    pub(super) async fn answer(self, app: &App) -> Answer<Explanation> {
        let at = time("at", self.at.map_or(app.now(), |TimeIn(at)| at))
            .map_err(|wrong| Problem::all_wrong(vec![wrong]))?;
        let (core, labels) = (app.hub.core.clone(), self.labels.0);
        let severity = severity_of(self.severity, &labels);
        Ok(app.hub.store.read(move |tx| flow::explain::labels(&core, tx, &labels, severity, at)).await?)
    }
}

/// Tells who would be told.
#[utoipa::path(
    post,
    path = "/api/v1/routes/test",
    tag = "routes",
    summary = "Tell who would be told of a label set, and why",
    security(("token" = ["read"])),
    request_body = LabelsQuestion,
    responses((status = 200, description = "Who would be told, what each route says, and what would keep \
        it back", body = ExplanationView)),
)]
pub(super) async fn test_routes(
    State(app): State<Shared>,
    JsonBody(question): JsonBody<LabelsQuestion>,
) -> Answer<Json<ExplanationView>> {
    Ok(Json(question.answer(&app).await?.into()))
}
