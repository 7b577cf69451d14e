//! What there is outside of an instance: who answers what it asks, and how much memory it may have.

use std::future::Future as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use plugin_host::body::Ear;
use plugin_host::{Chain, Journal};
use plugin_protocol::Fault;
use plugin_protocol::limits::MAX_LINE_BYTES;
use plugin_protocol::wire::{INTERNAL_ERROR, INVALID_PARAMS, TOO_MUCH};
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
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
    /// The hub, which has connections and clocks.
    pub hub: Handle,
}

impl Outside {
    /// Asks for a component that works at the end of this chain. Both what is answered and what is wrong are texts of
    /// JSON.
    pub async fn ask(&self, method: String, params: String, chain: Chain) -> Result<String, String> {
        self.answer(method, params, chain)
            .await
            .map_err(|fault| serde_json::to_string(&fault).unwrap_or_default())
    }

    async fn answer(&self, method: String, params: String, chain: Chain) -> Result<String, Fault> {
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
        // worked out right here, and not on a thread of the hub's: two threads less to be woken. What it opens or waits
        // for is the hub's all the same
        let asked = AssertUnwindSafe(self.tasks.track_future(self.ear.clone().ask(method, params, chain)));
        let mut asked = std::pin::pin!(asked.catch_unwind());
        let answer = std::future::poll_fn(|context| {
            let _in_the_hub = self.hub.enter();
            asked.as_mut().poll(context)
        });
        let failed = |_| Fault::new(INTERNAL_ERROR, "the host failed, which its own log tells of");
        Ok(answer.await.map_err(failed)??.to_string())
    }
}

/// What belongs to one instance.
pub struct State {
    /// What there is outside of it.
    pub outside: Arc<Outside>,
    /// How much memory it has.
    pub memory: Memory,
    /// At the end of which chain it was asked what it works on.
    pub chain: Chain,
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
