//! What this door is: for programs, and for people. All of it is read from the one list of routes.

use std::fmt::Write as _;

use serde_json::json;

use super::call::{Answer, Call, Reply, Version};
use super::schema::described;

/// The version of Argus whose API this is.
const ARGUS_VERSION: &str = "2.10.2";

/// `GET /api/`.
pub(super) async fn metadata(call: Call) -> Answer {
    let kinds = call.app.kinds();
    let kinds: Vec<&str> = kinds.destinations().map(|(facts, _)| facts.kind).collect();
    Reply::ok(&json!({
        "server-version": ARGUS_VERSION,
        "api-version": { "stable": "v2", "unstable": "v3" },
        "jsonapi-schema": {
            "stable": call.address("/api/v2/schema/"),
            "v2": call.address("/api/v2/schema/"),
            "v3": call.address("/api/v3/schema/"),
        },
        "ticket_plugin": call.app.plugins.makers_of_tickets().first(),
        "destination_plugins": kinds,
    }))
}

/// `GET schema/`.
pub(super) async fn schema(call: Call) -> Answer {
    Reply::ok(&described(call.version, call.routes))
}

/// `GET schema/swagger-ui/` and `GET schema/redoc/`: the same for people.
pub(super) async fn page(call: Call) -> Answer {
    let description = described(call.version, call.routes);
    let mut rows = String::new();
    for (path, operations) in description["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            let summary = operation["summary"].as_str().unwrap_or_default();
            // writing to a string cannot fail
            let _ = writeln!(
                rows,
                "<tr><td>{}</td><td><code>{path}</code></td><td>{summary}</td></tr>",
                method.to_ascii_uppercase()
            );
        }
    }
    let version = if call.version == Version::V2 { "v2" } else { "v3" };
    let schema = format!("{}/api/{version}/schema/", call.app.options.prefix);
    Reply::page(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Argus' API</title>\n\
         <h1>Argus' API, as Nightbell serves it</h1>\n<p>The same for programs: <a href=\"{schema}\">{schema}</a></p>\n\
         <table>\n{rows}</table></html>\n"
    ))
}
