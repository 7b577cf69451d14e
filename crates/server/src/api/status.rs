//! The server itself.

use axum::Json;
use axum::extract::State;
use model::Time;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::error::Answer;

/// How the server is doing.
#[derive(Serialize, ToSchema)]
#[schema(as = ServerStatus)]
pub(super) struct StatusView {
    /// Its version.
    version: String,
    /// The commit that it was built from; may be empty.
    revision: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Time,
    /// Its own time.
    #[schema(value_type = String, format = DateTime)]
    now: Time,
    /// The number of this node among all that ever opened the database.
    node: i64,
    /// `sqlite` or `postgres`.
    database: &'static str,
    /// The version of the rules in force.
    rules: i64,
    /// How the configuration in force came to be.
    configuration: ConfigurationView,
    /// What is wrong now.
    incidents: IncidentCounts,
    /// What is to be told.
    deliveries: DeliveryCounts,
    /// Whether requests from the server's own machine need no token.
    anonymous_loopback: bool,
}

/// How the configuration in force came to be.
#[derive(Serialize, ToSchema)]
#[schema(as = ConfigurationInForce)]
struct ConfigurationView {
    /// Who or what put it in force on this node: `start`, `SIGHUP`, or somebody.
    by: String,
    /// Whether it is what the configuration files said. After a rollback it is not, until they are loaded again.
    of_files: bool,
    /// The version that it went back to; null: none.
    rolled_back_to: Option<i64>,
}

/// How many incidents are active.
#[derive(Serialize, ToSchema)]
struct IncidentCounts {
    /// Wrong, and nobody has taken them.
    open: i64,
    /// Wrong, and somebody has.
    acknowledged: i64,
    /// Begin and end too often for their state to say much.
    flapping: i64,
}

/// How many deliveries are not settled, or settled badly.
#[derive(Serialize, ToSchema)]
struct DeliveryCounts {
    /// Not done yet.
    pending: i64,
    /// Dead letters.
    dead: i64,
    /// When the oldest pending one was planned.
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest_pending: Option<Time>,
}

/// Tells how the server is doing.
#[utoipa::path(
    get,
    path = "/api/v1/status",
    tag = "server",
    summary = "Tell how the server is doing",
    security(("token" = ["read"])),
    responses((status = 200, description = "Version, and what is to be done", body = StatusView)),
)]
pub(super) async fn get_status(State(app): State<Shared>) -> Answer<Json<StatusView>> {
    let counts = app.hub.store.read(|tx| {
        let flapping = store::incidents::count_flapping(tx)?;
        Ok((store::incidents::count_active(tx)?, flapping, store::deliveries::backlog(tx)?))
    });
    let ((open, acknowledged), flapping, (pending, dead, oldest_pending)) = counts.await?;
    let live = app.hub.core.live();
    Ok(Json(StatusView {
        version: app.version.version.clone(),
        revision: app.version.revision.clone(),
        started_at: app.started_at,
        now: app.now(),
        node: app.hub.store.node(),
        database: match app.hub.store.engine() {
            store::Engine::Sqlite => "sqlite",
            store::Engine::Postgres => "postgres",
        },
        rules: live.version,
        configuration: ConfigurationView {
            by: live.applied.by.clone(),
            of_files: live.applied.rolled_back_to.is_none(),
            rolled_back_to: live.applied.rolled_back_to,
        },
        incidents: IncidentCounts { open, acknowledged, flapping },
        deliveries: DeliveryCounts { pending, dead, oldest_pending },
        anonymous_loopback: app.options.allow_anonymous_loopback,
    }))
}
