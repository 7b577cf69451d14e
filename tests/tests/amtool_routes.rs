//! Alertmanager's own client routes by the file that this hub shows, as the hub does.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::process::Command;

use nightbell_acceptance::alertmanager;
use nightbell_acceptance::tool::{find_or_skip, run};

/// Everything that routes are made of; the secrets are for nobody to see.
const ROUTES: &str = r#"
global:
  slack_api_url: https://hooks.slack.com/services/hush-hush
  http_config: {basic_auth: {username: bell, password: hush-hush}}
route:
  receiver: default
  group_by: [alertname]
  routes:
  - matchers: [team="db", severity=~"warning|critical"]
    receiver: db
    routes:
    - matchers: ['host!~"db[0-9]+"']
      receiver: db-other
      continue: true
    - match: {severity: critical}
      receiver: db-page
  - match_re: {team: 'we.|net'}
    receiver: web
    continue: true
  - matchers: ['{team!="db", env=""}']
    receiver: nowhere
    mute_time_intervals: [never]
  - matchers: [env=~".+"]
    receiver: env
receivers:
- name: default
  webhook_configs: [{url: 'https://pages.example/hush-hush'}]
- name: db
  slack_configs: [{channel: '#db'}]
- name: db-other
- name: db-page
- name: web
- name: nowhere
- name: env
time_intervals:
- name: never
  time_intervals: [{years: ['2001']}]
"#;

#[test]
fn amtool_and_nightbell_route_alike() {
    let Some(program) = find_or_skip("amtool") else { return };
    let hub = alertmanager::start(ROUTES);
    let url = format!("--alertmanager.url={}", hub.url());
    let amtool = |words: &[&str]| run(Command::new(&program).arg(&url).args(words));
    for labels in [
        "team=db",
        "team=db severity=warning",
        "team=db severity=critical host=db1",
        "team=db severity=critical host=web1",
        "team=db severity=warning host=db1",
        "team=db severity=critically host=db1",
        "team=web",
        "team=web env=prod",
        "team=webs env=prod",
        "team=net severity=critical",
        "env=prod",
        "alertname=x",
    ] {
        let labels: Vec<&str> = labels.split(' ').collect();
        let mut theirs: Vec<String> = amtool(&[&["config", "routes", "test"], &labels[..]].concat())
            .trim()
            .split(',')
            .map(str::to_owned)
            .collect();
        let answer = hub.says_json(&[&["route", "test"], &labels[..]].concat());
        let mut ours: Vec<String> = serde_json::from_value(answer["receivers"].clone()).unwrap();
        theirs.sort();
        ours.sort();
        assert_eq!(ours, theirs, "{labels:?}");
    }
    let shown = amtool(&["config", "show"]);
    assert!(
        shown.contains("mute_time_intervals:\n    - never\n") && shown.contains("password: <secret>"),
        "{shown}"
    );
    assert!(!shown.contains("hush-hush"), "{shown}");
    assert!(amtool(&["config", "routes"]).contains("db-page"));
}
