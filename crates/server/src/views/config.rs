//! Configurations of the history, as the API shows them.

use model::Time;
use serde::Serialize;
use store::rules::Kept;
use utoipa::ToSchema;

/// A configuration that was put in force.
#[derive(Serialize, ToSchema)]
#[schema(as = ConfigVersion)]
pub struct ConfigVersionView {
    /// Its number: greater ones came later.
    version: i64,
    /// When it came into force.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// Who or what put it in force: `start`, `SIGHUP`, or somebody.
    by: String,
    /// What it changed, in words.
    summary: String,
    /// The version that it went back to; null: it was what the files said.
    rolled_back_to: Option<i64>,
    /// All of it as TOML without secrets; null in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<String>,
}

impl From<Kept> for ConfigVersionView {
    fn from(it: Kept) -> Self {
        ConfigVersionView {
            version: it.version,
            at: it.at,
            by: it.applied.by,
            summary: it.applied.summary,
            rolled_back_to: it.applied.rolled_back_to,
            config: Some(it.applied.config).filter(|text| !text.is_empty()),
        }
    }
}
