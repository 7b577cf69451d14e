//! What stories of errors share: a project, and what the hub has made of its programs' reports.

use serde_json::Value;

use crate::Hub;

/// The variable that names a Python which has clients of Sentry.
pub const PYTHON: &str = "NIGHTBELL_TEST_ERRORS_PYTHON";

/// A new project as the command line shows it, and the address that its programs report to.
pub fn project(hub: &Hub, slug: &str) -> (Value, String) {
    let made = hub.says_json(&["project", "create", slug, "--platform", "python"]);
    let dsn = dsn(hub, &made, made["public_key"].as_str().unwrap());
    (made, dsn)
}

/// The address for a key of a project.
pub fn dsn(hub: &Hub, project: &Value, key: &str) -> String {
    format!("http://{key}@{}/{}", hub.address(), project["id"].as_str().unwrap())
}

/// The issues that a search finds; what is to be escaped in a URL is escaped already.
pub fn issues(hub: &Hub, query: &str) -> Vec<Value> {
    hub.get(&format!("/api/v1/issues?query={query}"))["items"].as_array().unwrap().clone()
}
