//! Our own JSON shape of a message: what `exec`, `log`, `tcp` and `webhook` with `format = "nightbell"` say.
//!
//! ```json
//! {
//!   "version": 1,
//!   "kind": "firing",
//!   "title": "[FIRING:1] Disk is full on db1",
//!   "body": "✗ critical — Disk is full on db1\n  since 2026-11-14T11:59:00Z",
//!   "facts": [["alertname", "DiskFull"]],
//!   "actions": [{"title": "Open in Nightbell", "url": "https://bell.example/incidents/00000000000z9"}],
//!   "link": "https://bell.example/incidents/00000000000z9",
//!   "severity": "critical",
//!   "idempotency_key": "…",
//!   "notification": {"reason": "first", "receiver": "ops", "group_key": "…", "alerts": […], …}
//! }
//! ```
//!
//! `kind` is one of `firing`, `repeated`, `resolved`, `acknowledged` and `test`. `notification` is the whole
//! notification as the API shows it. Fields may be added under the same `version`; none changes its meaning.

use sdk::Message;
use serde::Serialize;

/// The version of the shape.
const VERSION: u8 = 1;
/// What a message of usual size takes.
const USUAL_BYTES: usize = 4096;

#[derive(Serialize)]
struct Shape<'a> {
    version: u8,
    #[serde(flatten)]
    message: &'a Message,
}

/// A message in our own shape, on one line.
///
/// # Errors
/// Never in practice: nothing in a message refuses to be JSON.
pub fn json(message: &Message) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    let shape = Shape { version: VERSION, message };
    serde_json::to_writer(&mut bytes, &shape).map_err(|error| format!("the message is no JSON: {error}"))?;
    Ok(bytes)
}
