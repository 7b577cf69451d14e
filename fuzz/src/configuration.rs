//! Configuration files.

use std::path::Path;

use config::limits::MAX_FILE_BYTES;
use config::{Config, ConfigError, Format, Invalid, Level, Origin, ShowAs, Source, load_text};
use sdk::secret::REDACTED;
use serde_json::Value;

use crate::REGISTRY;

/// `nightbell.toml`.
pub fn nightbell_toml(data: &[u8]) {
    any(data, Format::Toml);
}

/// `alertmanager.yml`.
pub fn alertmanager_yml(data: &[u8]) {
    any(data, Format::Alertmanager);
}

fn load(name: &str, text: &str, format: Format) -> Result<Config, ConfigError> {
    let source = Source { name, text, directory: Path::new("/nowhere"), format };
    load_text(source, [], &REGISTRY)
}

fn any(data: &[u8], format: Format) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // a secret may be in a file, and some files have no end
    if ["/dev", "/proc", "/sys"].iter().any(|folder| text.contains(folder)) {
        return;
    }
    match load("fuzzed", text, format) {
        Ok(config) => check(&config, text),
        Err(ConfigError::Invalid(Invalid(problems))) => {
            assert!(problems.iter().any(|problem| problem.level == Level::Error));
            let lines = text.matches(['\n', '\r']).count() + 1;
            for problem in problems {
                assert!(!problem.message.is_empty());
                if let Origin::File { line, column, .. } = problem.origin {
                    // an end that is missing is missed behind the last line
                    assert!((1..=lines + 1).contains(&line), "{problem:?}");
                    assert!((1..=text.len() + 1).contains(&column), "{problem:?}");
                }
            }
        }
        Err(error) => assert!(text.len() > MAX_FILE_BYTES, "{error}"),
    }
}

fn check(config: &Config, text: &str) {
    assert_eq!(config.rules.check(), Ok(()));
    assert!(config.warnings.iter().all(|problem| problem.level == Level::Warning));
    let json = config.show(ShowAs::Json);
    assert!(serde_json::from_str::<Value>(&json).is_ok_and(|it| it["configuration"].is_object()), "{json}");
    if text.contains(REDACTED) {
        return;
    }
    // secrets cannot come back; everything else must
    let shown = config.show(ShowAs::Toml).replace(REDACTED, "http://x.example/");
    let again = load("shown", &shown, Format::Toml).unwrap_or_else(|error| panic!("{error}\n{shown}"));
    let json = |config: &Config| serde_json::to_value(&config.rules).expect("it is JSON");
    assert_eq!(json(&again), json(config), "{shown}");
}
