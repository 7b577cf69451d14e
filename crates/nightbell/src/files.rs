//! The files of a stopped server.

use std::path::Path;

use anyhow::{Result, bail};
use serde_json::Value;

/// An open database.
pub struct Files;

impl Files {
    /// Opens.
    pub async fn open(_folder: &Path) -> Result<Self> {
        Ok(Files)
    }

    /// Reads.
    pub async fn get(&self, path: &str, _query: &[(&str, String)]) -> Result<Value> {
        bail!("{path}")
    }

    /// Does.
    pub async fn post(&self, path: &str, _body: &Value) -> Result<Value> {
        bail!("{path}")
    }

    /// Ends.
    pub async fn delete(&self, path: &str) -> Result<Value> {
        bail!("{path}")
    }
}
