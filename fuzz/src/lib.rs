//! What is fuzzed, as plain functions: bytes in, and a panic when something is not as it must be.
//!
//! Three things drive them: cargo-fuzz (`fuzz_targets/`), which needs a nightly compiler; `shake`, which
//! does not; and the tests, which try every file of `corpus/` and `regressions/`. An input that made a
//! target panic is made as small as it can be and put into `regressions/<target>/`, so that it never does
//! again.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

mod calendars;
mod configuration;
mod connecting;
mod modelling;
mod plugging;
mod templating;
mod tracking;
mod wire;

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target. A new one has a line here, a file in `fuzz_targets/` with its entry in `Cargo.toml`, and
/// some seeds in `corpus/`.
pub const TARGETS: &[Target] = &[
    ("alert_json", wire::alert_json),
    ("events_json", wire::events_json),
    ("retry_after", wire::retry_after),
    ("matchers", modelling::matchers),
    ("time_interval", modelling::time_interval),
    ("condition", modelling::condition),
    ("ical", calendars::ical),
    ("nightbell_toml", configuration::nightbell_toml),
    ("alertmanager_yml", configuration::alertmanager_yml),
    ("webhook_body", connecting::webhook_body),
    ("webhook_settings", connecting::webhook_settings),
    ("body_template", connecting::body_template),
    ("message_text", connecting::message_text),
    ("mail_reply", connecting::mail_reply),
    ("go_template", templating::go_template),
    ("go_template_file", templating::go_template_file),
    ("plugin_line", plugging::plugin_line),
    ("plugin_manifest", plugging::plugin_manifest),
    ("sentry_auth", tracking::sentry_auth),
    ("sentry_form", tracking::sentry_form),
    ("sentry_body", tracking::sentry_body),
    ("sentry_event", tracking::sentry_event),
    ("sentry_report", tracking::sentry_report),
    ("sentry_items", tracking::sentry_items),
    ("source_map", tracking::source_map),
    ("upload_archive", tracking::upload_archive),
    ("grouping_rules", tracking::grouping_rules),
];

/// The target of this name.
pub fn target(name: &str) -> Option<fn(&[u8])> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}

/// The `main` of a file in `fuzz_targets/`.
#[macro_export]
macro_rules! fuzz {
    ($name:ident) => {
        // Its hook would end the process on every panic, even on one that is caught.
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(init: drop(std::panic::take_hook()), |data: &[u8]| {
            let target = $crate::target(stringify!($name));
            target.expect("it is in TARGETS")(data)
        });

        #[cfg(not(fuzzing))]
        fn main() {
            eprintln!("cargo +nightly fuzz run {0}, or: cargo run --bin shake {0}", stringify!($name));
        }
    };
}

/// All connectors that are built in.
static REGISTRY: LazyLock<sdk::Registry> = LazyLock::new(connectors::registry);

/// Inputs of two parts have a line of three dashes between them; without one, the second part is empty.
fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    const LINE: &[u8] = b"\n---\n";
    match data.windows(LINE.len()).position(|window| window == LINE) {
        Some(at) => (&data[..at], &data[at + LINE.len()..]),
        None => (data, &[]),
    }
}

/// Whether an expression may ask for much memory. The template engine counts steps, not bytes, so
/// `'x' * 99999999` gets what it asks for; that is known, and no news.
fn is_greedy(source: &str) -> bool {
    let grows = ["*", "format", "indent", "batch", "slice"].iter().any(|word| source.contains(word));
    let numbers = source.split(|c: char| !c.is_ascii_digit() && c != '_').map(|digits| digits.parse::<f64>());
    grows && numbers.map(|number| number.unwrap_or(1.0).max(1.0)).product::<f64>() > 99_999.0
}

/// The seeds of a target, and the inputs that it once failed on: files with what is in them.
pub fn seeds(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["corpus", "regressions"].map(|folder| here.join(folder).join(name));
    let entries = folders.into_iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files.into_iter().filter_map(|file| std::fs::read(&file).ok().map(|bytes| (file, bytes))).collect()
}
