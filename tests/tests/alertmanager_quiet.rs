//! In Alertmanager's place, what is silenced or inhibited is not told, and told when nothing keeps it back any
//! more.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::time::Duration;

use model::Time;
use nightbell_acceptance::alertmanager::{Alert, ago, ahead, now, send, start, start_with, told};
use nightbell_acceptance::hub::command;
use nightbell_acceptance::tool::both;
use nightbell_acceptance::{Hub, PATIENCE, Receiver};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

fn file(repeat: &str, receiver: &Receiver) -> String {
    format!(
        "route:\n  receiver: default\n  group_by: []\n  group_wait: 500ms\n  group_interval: 1s\n  \
         repeat_interval: {repeat}\n\
         inhibit_rules:\n- source_match: {{alertname: JobDown}}\n  target_match: {{alertname: InstanceDown}}\n  \
         equal: [job, zone]\n\
         receivers:\n- name: default\n  webhook_configs:\n  - url: '{}'\n",
        receiver.url("/hook")
    )
}

fn alert(name: &str, zone: &str) -> Alert {
    Alert::new(&[("alertname", name), ("job", "testjob"), ("zone", zone)])
}

/// `name/zone:status` of each alert.
fn names(heard: &nightbell_acceptance::Heard) -> Vec<String> {
    let zones = told(heard, "zone");
    let names = heard.labels("alertname");
    names.iter().zip(zones).map(|(name, zone)| format!("{name}/{zone}")).collect()
}

fn silence(hub: &Hub, matcher: Value, from: Time, until: Time) -> String {
    let silence = json!({
        "matchers": [matcher], "startsAt": from.to_string(), "endsAt": until.to_string(), "createdBy": "ann",
        "comment": "works",
    });
    hub.post("/api/v2/silences", &silence)["silenceID"].as_str().unwrap().to_owned()
}

#[test]
fn what_was_inhibited_is_told_again_when_its_inhibitor_is_over() {
    let receiver = Receiver::open();
    let hub = start(&file("1h", &receiver));
    send(&hub, &[alert("test1", "aa"), alert("InstanceDown", "aa"), alert("InstanceDown", "ab")]);
    let first = ["InstanceDown/aa:firing", "InstanceDown/ab:firing", "test1/aa:firing"];
    assert_eq!(names(&receiver.wait_count(1, PATIENCE)[0]), first);
    send(&hub, &[alert("JobDown", "aa")]);
    let second = ["InstanceDown/ab:firing", "JobDown/aa:firing", "test1/aa:firing"];
    assert_eq!(names(&receiver.wait_count(2, PATIENCE)[1]), second);
    send(&hub, &[alert("JobDown", "aa").until(now())]);
    let third =
        ["InstanceDown/aa:firing", "InstanceDown/ab:firing", "JobDown/aa:resolved", "test1/aa:firing"];
    assert_eq!(names(&receiver.wait_count(3, PATIENCE)[2]), third);
    receiver.stays_at(3, 2 * SECOND);
}

#[test]
fn what_ends_with_its_inhibitor_is_shown_with_it() {
    let receiver = Receiver::open();
    let hub = start(&file("1h", &receiver));
    send(&hub, &[alert("InstanceDown", "aa"), alert("JobDown", "aa")]);
    assert_eq!(names(&receiver.wait_count(1, PATIENCE)[0]), ["JobDown/aa:firing"]);
    send(&hub, &[alert("InstanceDown", "aa").until(now()), alert("JobDown", "aa").until(now())]);
    let heard = receiver.wait_count(2, PATIENCE);
    assert_eq!(names(&heard[1]), ["InstanceDown/aa:resolved", "JobDown/aa:resolved"]);
    receiver.stays_at(2, SECOND);
}

#[test]
fn silences_keep_alerts_out_of_messages_and_ends_of_silences_bring_them_back() {
    let receiver = Receiver::open();
    let hub = start(&file("1ms", &receiver));
    send(&hub, &[alert("test1", "a"), alert("test2", "a")]);
    assert_eq!(names(&receiver.wait_count(1, PATIENCE)[0]), ["test1/a:firing", "test2/a:firing"]);
    let matcher = json!({ "name": "alertname", "value": "test1", "isRegex": false });
    silence(&hub, matcher, now(), ahead(2));
    let without = |heard: &[nightbell_acceptance::Heard]| {
        let silent = heard.iter().filter(|it| names(it) == ["test2/a:firing"]).count();
        (silent > 0 && names(heard.last()?).len() == 2).then_some(silent)
    };
    let silent = receiver.wait_for("both again", PATIENCE, without);
    assert!((1..=3).contains(&silent), "{silent} ticks in two seconds");
}

#[test]
fn a_silence_over_everything_ends_when_it_is_deleted() {
    let receiver = Receiver::open();
    let hub = start(&file("1ms", &receiver));
    let all = json!({ "name": "alertname", "value": ".+", "isRegex": true });
    let id = silence(&hub, all, ago(10), ahead(100));
    send(&hub, &[alert("test1", "a"), alert("test2", "a")]);
    receiver.stays_at(0, 2 * SECOND);
    assert_eq!(hub.ask("DELETE", &format!("/api/v2/silence/{id}"), "").status, 200);
    assert_eq!(names(&receiver.wait_count(1, PATIENCE)[0]), ["test1/a:firing", "test2/a:firing"]);
}

#[test]
fn an_end_that_is_silenced_is_told_to_nobody() {
    let receiver = Receiver::open();
    let hub = start(&file("1h", &receiver));
    send(&hub, &[alert("test1", "a")]);
    receiver.wait_count(1, PATIENCE);
    silence(&hub, json!({ "name": "zone", "value": "a", "isRegex": false }), now(), ahead(100));
    send(&hub, &[alert("test1", "a").until(now())]);
    receiver.stays_at(1, 3 * SECOND);
    assert_eq!(hub.get("/api/v2/alerts"), json!([]));
}

#[test]
fn any_text_is_a_label_and_can_be_routed_by() {
    let receiver = Receiver::open();
    let hub = start(&format!(
        "route:\n  receiver: default\n  routes:\n  - receiver: webhook\n    matchers: ['foo🙂=bar']\n    \
         group_by: ['foo🙂']\n    group_wait: 0s\nreceivers:\n- name: default\n- name: webhook\n  \
         webhook_configs: [{{url: '{}'}}]\n",
        receiver.url("/hook")
    ));
    let labels = [("foo🙂", "bar"), ("00", "b"), ("Σ", "c"), ("a", "dΘ")];
    send(&hub, &[Alert::new(&labels)]);
    let heard = receiver.wait_count(1, PATIENCE);
    assert_eq!(heard[0].body["groupLabels"], json!({ "foo🙂": "bar" }));
    let filters = "filter=00%3Db&filter=%CE%A3%3Dc&filter=%22foo%5Cxf0%5Cx9f%5Cx99%5Cx82%22%3Dbar";
    for path in ["alerts", "alerts/groups"] {
        assert_eq!(hub.get(&format!("/api/v2/{path}?{filters}")).as_array().unwrap().len(), 1, "{path}");
        assert_eq!(hub.get(&format!("/api/v2/{path}?filter=00%3Dx")), json!([]), "{path}");
    }
    silence(&hub, json!({ "name": "fooΣ", "value": "bar🙂", "isRegex": false }), now(), ahead(60));
    let silences = hub.get("/api/v2/silences?filter=foo%CE%A3%3Dbar%F0%9F%99%82");
    assert_eq!(silences[0]["matchers"][0]["name"], "fooΣ");
}

#[test]
fn everything_is_under_the_prefix() {
    let receiver = Receiver::open();
    let hub = start_with(&file("1h", &receiver), &["--route-prefix", "/foo"]);
    let cluster = &hub.get("/foo/api/v2/status")["cluster"];
    assert_eq!(
        (&cluster["status"], &cluster["peers"][0]["address"]),
        (&json!("ready"), &json!(hub.address().to_string()))
    );
    assert_eq!(hub.ask("GET", "/foo/-/ready", "").status, 200);
    assert_eq!(hub.ask("GET", "/api/v2/status", "").status, 404);
    assert_eq!(hub.ask("GET", "/", "").header("location"), Some("/foo"));
}

#[test]
fn a_stopped_hub_explains_what_is_muted_in_a_zone_without_a_name() {
    // evening where it is morning in UTC, and morning where it is evening there; no zone of any database
    let utc = now().as_seconds() / 3600 % 24;
    let here = if utc < 12 { 18 } else { 6 };
    let zone = format!("XYZ{}", utc - here);
    let yml = format!(
        "route: {{receiver: ops, group_wait: 0s, routes: [{{mute_time_intervals: [rest]}}]}}\n\
         receivers: [{{name: ops}}]\n\
         time_intervals:\n- name: rest\n  time_intervals:\n  - location: Local\n    \
         times: [{{start_time: '{:02}:00', end_time: '{:02}:59'}}]\n",
        here - 1,
        here + 1,
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alertmanager.yml");
    std::fs::write(&path, yml).unwrap();
    let mut hub = Hub::prepare(folder, &["--alertmanager-config", &path.to_string_lossy()]);
    hub.wrapped_in(&["env", &format!("TZ={zone}")]);
    hub.wake();
    send(&hub, &[alert("InstanceDown", "eu")]);
    let id = hub.says_json(&["incidents", "list"])["items"][0]["id"].as_str().unwrap().to_owned();
    let muted = |said: &str| said.lines().any(|line| line.contains("Held back now") && line.contains("rest"));
    let running = hub.says(&["explain", &id]);
    assert!(muted(&running), "{running}");
    hub.stop();
    let stopped =
        command(&["explain", &id, "--data", &hub.data().to_string_lossy()]).env("TZ", &zone).output();
    let stopped = both(&stopped.unwrap());
    assert!(muted(&stopped), "{stopped}");
}
