//! Whatever is read, there is a configuration that holds together or a list of what is wrong; never a panic.

#![expect(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

use std::path::Path;

use nightbell_config::{Config, ConfigError, EXAMPLE, Format, Level, ShowAs, Source, load_text};
use proptest::prelude::*;

const ALERTMANAGER: &str = "
global:
  resolve_timeout: 10m
  smtp_smarthost: mail.example.org:25
  smtp_from: a@example.org
route:
  receiver: ops
  group_by: ['...']
  routes:
  - match_re: {service: ^(a|b)$}
    continue: yes
  - &x
    matchers: [team=~\"db|web\"]
    group_wait: 5s
    mute_time_intervals: [nights]
  - <<: *x
    receiver: dev
receivers:
- name: ops
  webhook_configs:
  - url: http://x/
    http_config: {basic_auth: {username: u, password: p}}
- name: dev
  email_configs:
  - to: b@example.org
    headers: {X-A: b}
inhibit_rules:
- source_match: {severity: critical}
  target_matchers: [severity=\"warning\"]
  equal: [a]
time_intervals:
- name: nights
  time_intervals:
  - times: [{start_time: 09:00, end_time: '17:00'}]
    weekdays: [sunday]
";

fn read(format: Format, text: &str, environment: &[(String, String)]) -> Result<Config, ConfigError> {
    let source = Source { name: "x", text, directory: Path::new("/nowhere"), format };
    let result = load_text(source, environment.iter().cloned(), &connectors::registry());
    match &result {
        Ok(config) => {
            assert_eq!(config.rules.check(), Ok(()));
            assert!(config.warnings.iter().all(|problem| problem.level == Level::Warning));
            config.show(ShowAs::Json);
            let shown = config.show(ShowAs::Toml);
            // secrets cannot come back; everything else must
            let shown = shown.replace("<secret>", "http://x.example/");
            if !shown.contains("file = ") && !shown.contains("env = ") {
                let source = Source { name: "shown", text: &shown, format: Format::Toml, ..source };
                let again = load_text(source, [], &connectors::registry())
                    .unwrap_or_else(|error| panic!("{error}\n{shown}"));
                let json = |config: &Config| serde_json::to_value(&config.rules).unwrap();
                assert_eq!(json(&again), json(config), "{shown}");
            }
        }
        Err(ConfigError::Invalid(invalid)) => {
            assert!(invalid.0.iter().any(|problem| problem.level == Level::Error));
            assert!(invalid.0.iter().all(|problem| !problem.message.is_empty()));
        }
        Err(_) => {}
    }
    result
}

/// A text with some of it cut out, doubled or replaced.
fn changed(text: &'static str) -> impl Strategy<Value = String> {
    let edit = (0..text.len(), 0usize..40, "[a-z0-9 =:.,'\"\\[\\]{}<*&#~\n-]{0,6}", any::<bool>());
    prop::collection::vec(edit, 0..6).prop_map(move |edits| {
        let mut text = text.to_owned();
        for (start, length, new, double) in edits {
            let start = start.min(text.len());
            let end = (start + length).min(text.len());
            let Some(old) = text.get(start..end).map(str::to_owned) else { continue };
            let new = if double { format!("{old}{new}{old}") } else { new };
            text.replace_range(start..end, &new);
        }
        text
    })
}

fn environments() -> impl Strategy<Value = Vec<(String, String)>> {
    let step = prop::sample::select(vec![
        "SERVER",
        "LISTEN",
        "ROUTE",
        "ROUTES",
        "RECEIVERS",
        "OPS",
        "SLACK",
        "EMAIL",
        "0",
        "1",
        "URL",
        "TO",
        "INHIBIT",
        "GROUP_BY",
        "DATABASE",
        "RETENTION",
        "AGE",
        "TIME_INTERVALS",
        "HOLIDAYS",
        "",
        "X",
    ]);
    let name = prop::collection::vec(step, 1..6).prop_map(|steps| format!("NIGHTBELL_{}", steps.join("__")));
    let value = prop_oneof![
        "\\PC{0,12}",
        Just("[{ url = 'http://x' }]".to_owned()),
        Just("{ env = 'X' }".to_owned()),
        Just("['a', 5]".to_owned()),
        Just("1h".to_owned()),
    ];
    prop::collection::vec((name, value), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,300}|[a-z \n:=\\[\\]{}'\"#&*<-]{0,200}") {
        let _ = read(Format::Toml, &text, &[]);
        let _ = read(Format::Alertmanager, &text, &[]);
    }

    #[test]
    fn a_changed_example_is_read_or_refused(text in changed(EXAMPLE), environment in environments()) {
        let _ = read(Format::Toml, &text, &environment);
    }

    #[test]
    fn a_changed_alertmanager_file_is_read_or_refused(
        text in changed(ALERTMANAGER),
        environment in environments(),
    ) {
        let _ = read(Format::Alertmanager, &text, &environment);
    }
}

#[test]
fn the_seeds_are_good() {
    let warnings = |format, text| read(format, text, &[]).map(|config| config.warnings.len());
    assert_eq!(warnings(Format::Toml, EXAMPLE).unwrap(), 0);
    assert_eq!(warnings(Format::Alertmanager, ALERTMANAGER).unwrap(), 0);
}

#[test]
fn files_over_the_limit_are_refused() {
    let text = "#".repeat(nightbell_config::limits::MAX_FILE_BYTES + 1);
    assert!(matches!(read(Format::Toml, &text, &[]), Err(ConfigError::TooLarge { .. })));
}
