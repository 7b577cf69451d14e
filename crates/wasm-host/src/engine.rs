//! What all components run in.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use plugin_host::body::{Around, Body, Component, Engine as RunsComponents};
use tokio::runtime::{Handle, Runtime};
use wasmtime::Engine;
use wasmtime::component::{self, Linker};

use crate::code::{self, Bench, Code};
use crate::config::config;
use crate::outside::{Outside, State};
use crate::pool::Pool;
use crate::ticker::Ticker;
use crate::wire;
use crate::world;

/// Threads that components run on, at the most.
const MAX_THREADS: usize = 4;

/// Runs components.
pub struct Components {
    code: Code,
    heart: OnceLock<Result<Heart, String>>,
}

/// What is there once there are components.
struct Heart {
    engine: Engine,
    linker: Linker<State>,
    ticker: Arc<Ticker>,
    /// threads of their own, so that nothing of the hub's waits for a component that computes
    runtime: Option<Runtime>,
}

impl Components {
    /// Nothing is started before the first of them.
    pub fn new(bench: Bench) -> Self {
        Components { code: Code::new(bench), heart: OnceLock::new() }
    }

    fn heart(&self) -> Result<&Heart, String> {
        self.heart.get_or_init(Heart::new).as_ref().map_err(Clone::clone)
    }

    async fn run(&self, component: Component, around: Around) -> Result<Body, String> {
        let heart = self.heart()?;
        let Around { journal, ear, tasks } = around;
        let file = self.code.of(&component.file, &heart.engine, &journal).await?;
        let loaded = match load(&heart.engine, &file) {
            Ok(loaded) => loaded,
            // it may have been damaged: once more, from the component
            Err(_) => {
                self.code.forget(&file);
                let file = self.code.of(&component.file, &heart.engine, &journal).await?;
                load(&heart.engine, &file)?
            }
        };
        let world = world::look(&heart.linker, &loaded)?;
        let outside = Outside { ear, journal: journal.clone(), tasks: tasks.clone(), hub: Handle::current() };
        let threads = heart.runtime.as_ref().ok_or("it is closing")?.handle().clone();
        let pool = Pool::new(world, outside, &component.limits, heart.ticker.clone());
        Ok(wire::body(pool, threads, journal, &tasks))
    }
}

impl RunsComponents for Components {
    fn start(&self, component: Component, around: Around) -> BoxFuture<'_, Result<Body, String>> {
        self.run(component, around).boxed()
    }
}

#[allow(unsafe_code, reason = "machine code is run that was compiled before")]
fn load(engine: &Engine, file: &Path) -> Result<component::Component, String> {
    let copy = code::Copy::of(file).map_err(|error| format!("{}: {error}", file.display()))?;
    // SAFETY: the file is a copy that nobody else knows of what our own compiler wrote, whole, in a folder that nobody
    // else can write to: see `code`
    let loaded = unsafe { component::Component::deserialize_file(engine, copy.path()) };
    loaded.map_err(|error| format!("{error:#}"))
}

impl Heart {
    fn new() -> Result<Self, String> {
        let engine = Engine::new(&config()).map_err(|error| format!("{error:#}"))?;
        let linker = world::linker(&engine).map_err(|error| format!("{error:#}"))?;
        let threads = std::thread::available_parallelism().map_or(1, |it| it.get().min(MAX_THREADS));
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(threads).thread_name("component").build();
        let runtime = Some(runtime.map_err(|error| format!("starting threads: {error}"))?);
        let ticker = Ticker::start(engine.clone()).map_err(|error| format!("starting a thread: {error}"))?;
        Ok(Heart { engine, linker, ticker, runtime })
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.ticker.end();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
