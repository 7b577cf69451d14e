//! What the history keeps of a configuration means the same, and holds no secret.

#![expect(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

use std::path::{Path, PathBuf};

use nightbell_config::{ConfigError, Format, ShowAs, Source, load, load_kept, load_rules, load_text};

fn whole_corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/alertmanager");
    let files =
        [folder.clone(), folder.join("newer")].into_iter().flat_map(|it| std::fs::read_dir(it).unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "yml")).collect()
}

fn source(text: &str, format: Format) -> Source<'_> {
    Source { name: "it", text, directory: Path::new("/nowhere"), format }
}

#[test]
fn rules_are_the_same_from_the_history_and_without_secrets() {
    let kinds = connectors::registry();
    let mut compared = 0;
    for path in whole_corpus() {
        let Ok(config) = load(&path, [], &kinds) else { continue };
        let rules = serde_json::to_value(&config.rules).unwrap();
        let kept = config.show(ShowAs::Kept);
        let again = load_rules(source(&kept, Format::Toml), &kinds);
        let again = again.unwrap_or_else(|error| panic!("{}: {error}\n{kept}", path.display()));
        assert_eq!(serde_json::to_value(again).unwrap(), rules, "{}", path.display());
        // no file that it names is where it is said to be
        let text = std::fs::read_to_string(&path).unwrap();
        let bare = load_rules(source(&text, Format::Alertmanager), &kinds);
        let bare = bare.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(serde_json::to_value(bare).unwrap(), rules, "{}", path.display());
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn secrets_come_back_by_reference_and_those_written_out_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("url"), "http://hooks.example/by-file").unwrap();
    let kinds = connectors::registry();
    let toml = "[route]\nreceiver = \"ops\"\n[[receivers.ops.webhook]]\nurl = { file = \"url\" }\n\
                [[receivers.ops.webhook]]\nurl = { env = \"HOOK\" }\n";
    let environment = || [("HOOK".to_owned(), "http://hooks.example/by-env".to_owned())];
    let from = Source { name: "it", text: toml, directory: folder.path(), format: Format::Toml };
    let kept = load_text(from, environment(), &kinds).unwrap().show(ShowAs::Kept);
    assert!(!kept.contains("hooks.example"), "{kept}");
    let back = load_kept("configuration 1", &kept, environment(), &kinds).unwrap();
    let urls: Vec<_> =
        back.rules.receivers["ops"].destinations.iter().map(|it| it.settings["url"].clone()).collect();
    assert_eq!(urls, ["http://hooks.example/by-file", "http://hooks.example/by-env"]);

    let toml = toml.replace("{ file = \"url\" }", "\"http://hooks.example/written-out\"");
    let from = Source { text: &toml, ..from };
    let kept = load_text(from, environment(), &kinds).unwrap().show(ShowAs::Kept);
    let refused = match load_kept("configuration 2", &kept, environment(), &kinds) {
        Err(ConfigError::Invalid(invalid)) => invalid.to_string(),
        other => panic!("{other:?}"),
    };
    let said = "receivers.ops.webhook[0].url: this secret was written out in the file";
    assert!(refused.contains(said) && !refused.contains("webhook[1]"), "{refused}");
}
