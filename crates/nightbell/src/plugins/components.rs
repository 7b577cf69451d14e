//! What runs plugins that are WebAssembly components, if that is built in.

use std::path::Path;
use std::sync::Arc;

use plugin_host::Places;
use plugin_host::body::Engine;

/// What the program starts itself with to compile a component.
#[cfg(feature = "wasm")]
pub const COMPILE_COMPONENT: &str = "compile-component";

/// What runs components. Their code is kept below the folder of the database.
#[cfg(feature = "wasm")]
pub fn engine(data: &Path, places: &Places) -> Option<Arc<dyn Engine>> {
    // one that was replaced since it was started is gone from its place, and yet compiles for itself
    let this = std::env::current_exe().ok().filter(|it| it.exists());
    let this = this.unwrap_or_else(|| "/proc/self/exe".into());
    let compiler = vec![this.into(), COMPILE_COMPONENT.into()];
    let bench = wasm_host::Bench::new(data.join("plugin-code"), compiler, places.require_isolation);
    Some(Arc::new(wasm_host::Components::new(bench)))
}

/// Nothing runs components.
#[cfg(not(feature = "wasm"))]
pub fn engine(_: &Path, _: &Places) -> Option<Arc<dyn Engine>> {
    None
}
