//! What a component and its host say to each other: `plugins/wit/plugin.wit`, and what is wrong with a component that
//! was made for something else.

use plugin_host::Level;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};
use wasmtime::{Engine, Result, StoreContextMut};

use crate::outside::State;

/// The package and the version of it that is spoken here. A component that was made for another version with the same
/// first number is understood as well.
const PACKAGE: &str = "nightbell:plugin";
const VERSION: &str = "1.0.0";

/// Who answers a method: its interface, and the function in it.
const METHODS: [(&str, &str, &str); 9] = [
    ("hello", REQUIRED, "hello"),
    ("configure", REQUIRED, "configure"),
    ("deliver", "destinations", "deliver"),
    ("events", "subscriptions", "events"),
    ("validate", "validation", "validate"),
    ("test", "testing", "test"),
    ("check", "checks", "check"),
    ("ticket", "tickets", "ticket"),
    ("request", "routes", "request"),
];
/// The interface that every plugin exports. It never grows: what is new is an interface of its own.
const REQUIRED: &str = "guest";

/// A component that can be run.
pub struct World {
    /// All but its own memory.
    pub ready: InstancePre<State>,
    /// Its functions by the methods that they answer.
    pub functions: Vec<(&'static str, ComponentExportIndex)>,
}

fn full_name(interface: &str) -> String {
    format!("{PACKAGE}/{interface}@{VERSION}")
}

/// What the host does for components.
pub fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    let mut host = linker.instance(&full_name("host"))?;
    host.func_wrap("log", |store: StoreContextMut<'_, State>, (level, text): (String, String)| {
        store.data().outside.journal.write(Level::of(&level), &text);
        Ok(())
    })?;
    host.func_wrap_async("ask", |store: StoreContextMut<'_, State>, (method, params): (String, String)| {
        let State { outside, chain, .. } = store.data();
        let (outside, chain) = (outside.clone(), chain.clone());
        Box::new(async move { Ok((outside.ask(method, params, chain).await,)) })
    })?;
    Ok(linker)
}

/// Looks whether a component was made for this world.
///
/// # Errors
/// In words, when it was not.
pub fn look(linker: &Linker<State>, component: &Component) -> Result<World, String> {
    let engine = linker.engine();
    let kind = component.component_type();
    let host = format!("{PACKAGE}/host@1.");
    let strange = |name: &&str| !name.starts_with(&host);
    let strange: Vec<&str> = kind.imports(engine).map(|(name, _)| name).filter(strange).collect();
    if !strange.is_empty() {
        return Err(format!(
            "it asks for {}, and here is only {}: build it for a world of plugin.wit, without WASI \
             (--stub-wasi of componentize-qjs and of componentize-py)",
            strange.join(", "),
            full_name("host"),
        ));
    }
    let ready = linker.instantiate_pre(component);
    let ready = ready.map_err(|error| format!("it asks for more than this host has: {error:#}"))?;
    let functions = METHODS.iter().filter_map(|(method, interface, function)| {
        let interface = component.get_export_index(None, full_name(interface).as_str())?;
        Some((*method, component.get_export_index(Some(&interface), *function)?))
    });
    let functions: Vec<_> = functions.collect();
    for (method, interface, function) in METHODS.iter().filter(|(_, interface, _)| *interface == REQUIRED) {
        if !functions.iter().any(|(known, _)| known == method) {
            let have: Vec<&str> = kind.exports(engine).map(|(name, _)| name).collect();
            let have = if have.is_empty() { "nothing".to_owned() } else { have.join(", ") };
            let wanted = full_name(interface);
            return Err(format!(
                "it lacks the function {function:?} of {wanted}, which every plugin exports; it exports {have}"
            ));
        }
    }
    Ok(World { ready, functions })
}
