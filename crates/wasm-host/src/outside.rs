//! What there is outside of an instance: who answers what it asks, and how much memory it may have.

use std::sync::Arc;

use plugin_host::Journal;
use plugin_host::body::Ear;
use plugin_protocol::Fault;
use plugin_protocol::limits::MAX_LINE_BYTES;
use plugin_protocol::wire::{INTERNAL_ERROR, INVALID_PARAMS, TOO_MUCH};
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use wasmtime::ResourceLimiter;

/// Instances of modules, tables and memories that one component may be made of, each.
const MAX_PARTS: usize = 1_000;
/// Bytes that an entry of a table is counted as.
const ENTRY: usize = 8;

/// What there is outside of a component.
pub struct Outside {
    /// Who answers what it asks.
    pub ear: Arc<dyn Ear>,
    /// Its log.
    pub journal: Arc<Journal>,
    /// Where tasks run.
    pub tasks: TaskTracker,
    /// The threads of the hub, which have its connections.
    pub hub: Handle,
}

impl Outside {
    /// Asks for a component. Both what is answered and what is wrong are texts of JSON.
    pub async fn ask(&self, method: String, params: String) -> Result<String, String> {
        self.answer(method, params).await.map_err(|fault| serde_json::to_string(&fault).unwrap_or_default())
    }

    async fn answer(&self, method: String, params: String) -> Result<String, Fault> {
        if params.len() > MAX_LINE_BYTES {
            let length = params.len();
            return Err(Fault::new(TOO_MUCH, format!("{length} bytes are more than {MAX_LINE_BYTES}")));
        }
        let params = match params.as_str() {
            "" => None,
            _ => Some(
                RawValue::from_string(params)
                    .map_err(|error| Fault::new(INVALID_PARAMS, error.to_string()))?,
            ),
        };
        let asked = self.tasks.spawn_on(self.ear.clone().ask(method, params), &self.hub);
        let failed = |error: tokio::task::JoinError| Fault::new(INTERNAL_ERROR, error.to_string());
        let answer = AbortOnDropHandle::new(asked).await.map_err(failed)??;
        Ok(answer.to_string())
    }
}

/// What belongs to one instance.
pub struct State {
    /// What there is outside of it.
    pub outside: Arc<Outside>,
    /// How much memory it has.
    pub memory: Memory,
}

/// How much memory it has, of all its parts together.
pub struct Memory {
    /// Bytes that it may have.
    pub most: usize,
    /// Bytes that it has.
    pub used: usize,
}

impl Memory {
    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        let fits = used <= self.most;
        if fits {
            self.used = used;
        }
        fits
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current.saturating_mul(ENTRY), desired.saturating_mul(ENTRY)))
    }

    fn instances(&self) -> usize {
        MAX_PARTS
    }

    fn tables(&self) -> usize {
        MAX_PARTS
    }

    fn memories(&self) -> usize {
        MAX_PARTS
    }
}
