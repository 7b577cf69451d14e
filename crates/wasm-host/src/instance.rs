//! One component at work: its memory, and its functions.

use std::sync::Arc;

use plugin_host::Chain;
use plugin_protocol::Fault;
use plugin_protocol::wire::INTERNAL_ERROR;
use tokio::time::Instant;
use wasmtime::component::TypedFunc;
use wasmtime::{Result, Store};

use crate::outside::{Memory, Outside, State};
use crate::world::World;

/// Characters of an error that are kept.
const MAX_ERROR: usize = 2_000;

type Function = TypedFunc<(String,), (Result<String, String>,)>;

/// One component at work.
pub struct Instance {
    store: Store<State>,
    functions: Vec<(&'static str, Function)>,
    /// The settings that it has.
    pub settings: Option<Arc<str>>,
    /// What it was asked so far.
    pub calls: u32,
    /// When it was made.
    pub born: Instant,
    /// When it was last used.
    pub used: Instant,
    /// Bytes of memory that it had when it was new.
    pub small: usize,
}

impl Instance {
    /// A new one. What it does at its start is done.
    ///
    /// # Errors
    /// When that fails.
    pub async fn new(world: &World, outside: Arc<Outside>, memory: usize) -> Result<Self> {
        let state = State { outside, memory: Memory { most: memory, used: 0 }, chain: Chain::default() };
        let mut store = Store::new(world.ready.engine(), state);
        store.limiter(|state| &mut state.memory);
        // at every tick it lets others have their turn, and may be dropped
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let instance = world.ready.instantiate_async(&mut store).await?;
        let functions = world.functions.iter().map(|(method, at)| {
            Ok((*method, instance.get_typed_func::<(String,), (Result<String, String>,)>(&mut store, at)?))
        });
        let functions = functions.collect::<Result<Vec<_>>>()?;
        let (born, small) = (Instant::now(), store.data().memory.used);
        Ok(Instance { store, functions, settings: None, calls: 0, born, used: born, small })
    }

    /// Bytes of memory that it has.
    pub fn size(&self) -> usize {
        self.store.data().memory.used
    }

    /// Asks it, at the end of a chain. Nothing: it has no function for that. After an error of the engine it cannot be
    /// asked any more.
    ///
    /// # Errors
    /// When it was stopped while it computed.
    pub async fn ask(
        &mut self,
        method: &str,
        params: String,
        chain: Chain,
    ) -> Result<Option<Result<String, Fault>>> {
        let Some((_, function)) = self.functions.iter().find(|(known, _)| *known == method) else {
            return Ok(None);
        };
        self.calls += 1;
        self.store.data_mut().chain = chain;
        // ticks that went by while nobody asked it are none of this call's
        self.store.set_epoch_deadline(1);
        let (answer,) = function.call_async(&mut self.store, (params,)).await?;
        self.used = Instant::now();
        Ok(Some(answer.map_err(|said| fault(&said))))
    }
}

/// An error in the words of a plugin: one of JSON-RPC, or a text.
fn fault(said: &str) -> Fault {
    let text = || Fault::new(INTERNAL_ERROR, said.chars().take(MAX_ERROR).collect::<String>());
    serde_json::from_str::<Fault>(said).ok().filter(|fault| fault.code != 0).unwrap_or_else(text)
}
