//! From what a plugin is to be to a body that runs it.

use std::sync::Arc;

use crate::body::{Around, Body, Component, Engine};
use crate::folder::inside;
use crate::launch::launch;
use crate::places::Places;
use crate::process::Process;
use crate::spec::Spec;

/// Gives a plugin a body: a process, or what the engine makes of its component.
///
/// # Errors
/// In words, when it cannot be started.
pub async fn start(
    spec: &Spec,
    places: &Places,
    engine: Option<&Arc<dyn Engine>>,
    around: Around,
) -> Result<Body, String> {
    if let Some(name) = spec.found.manifest.run.component.as_deref() {
        let engine = engine.ok_or("the runtime `wasm` is not built into this program")?;
        let file = inside(&spec.found.folder, name).map_err(|why| format!("run.component: {why}"))?;
        return engine.start(Component { file, limits: spec.limits.clone() }, around).await;
    }
    let interpreter = spec.interpreter(places).await?;
    let launch = launch(spec, places, interpreter.as_ref())?;
    Process::start(launch, around).await
}
