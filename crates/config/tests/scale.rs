//! How long a large file takes to load. It means something in a release build only:
//! `cargo test --release -p nightbell-config --test scale -- --ignored --nocapture`.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot be taken has failed")]

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use nightbell_config::{Format, Source, load_text};

const LINES: usize = 20_000;

/// A file as large teams have it: a route and a receiver each, with Slack, mail and a webhook.
fn yml() -> String {
    let mut routes = String::new();
    let mut receivers = String::from("receivers:\n- name: default\n");
    let mut lines = 8;
    for n in 0.. {
        if lines >= LINES {
            break;
        }
        write!(
            routes,
            "  - receiver: team-{n}\n    matchers: ['team=\"t{n}\"', 'env=~\"prod|stage\"']\n    \
             group_by: [alertname, cluster]\n    continue: true\n    group_wait: 45s\n"
        )
        .unwrap();
        write!(
            receivers,
            "- name: team-{n}\n  slack_configs:\n  - channel: '#team-{n}'\n    api_url: https://hooks.slack.example/{n}\n    \
             title: '{{{{ .CommonLabels.alertname }}}} {{{{ len .Alerts.Firing }}}}'\n    \
             text: '{{{{ range .Alerts }}}}{{{{ .Annotations.summary }}}}{{{{ end }}}}'\n    send_resolved: true\n  \
             email_configs:\n  - to: team-{n}@example.org\n    send_resolved: true\n  webhook_configs:\n  \
             - url: https://hooks.example/{n}\n    max_alerts: 50\n"
        )
        .unwrap();
        lines += 17;
    }
    format!(
        "global:\n  smtp_smarthost: mail.example.org:587\n  smtp_from: bell@example.org\n\
         route:\n  receiver: default\n  routes:\n{routes}{receivers}"
    )
}

#[test]
#[ignore = "a measurement, for a release build"]
fn twenty_thousand_lines_are_loaded_in_half_a_second() {
    let (text, registry) = (yml(), connectors::registry());
    assert!(text.lines().count() >= LINES, "{}", text.lines().count());
    let load = || {
        let source =
            Source { name: "a.yml", text: &text, directory: Path::new(""), format: Format::Alertmanager };
        let begin = Instant::now();
        let config = load_text(source, [], &registry).unwrap();
        (begin.elapsed(), config.rules.receivers.len())
    };
    let mut times: Vec<_> = (0..5).map(|_| load()).collect();
    times.sort_unstable();
    println!("{} lines, {} receivers", text.lines().count(), times[2].1);
    println!("figure loading {:.1}", times[2].0.as_secs_f64() * 1e3);
    assert!(times[2].0 <= Duration::from_millis(500), "{times:?}");
}
