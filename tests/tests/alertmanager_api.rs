//! Programs that ask Alertmanager get their answers here: Grafana's data source, dashboards, old clients.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use nightbell_acceptance::alertmanager::{Alert, ahead, now, send, start, start_with};
use nightbell_acceptance::{Hub, PATIENCE, Receiver, http};
use serde_json::{Value, json};

fn hub(receiver: &Receiver) -> Hub {
    start(&format!(
        "global: {{resolve_timeout: 5m}}\nroute: {{receiver: sink, group_by: [alertname], group_wait: 0s}}\n\
         receivers: [{{name: sink, webhook_configs: [{{url: '{}'}}]}}]\n",
        receiver.url("/hook")
    ))
}

/// The calls that Grafana's Alertmanager data source makes of a Prometheus Alertmanager, in the order of a person's
/// way through its pages: the health check, alert groups, silences, a silence from an alert, its change and end.
#[test]
fn grafanas_data_source_finds_its_way() {
    let receiver = Receiver::open();
    let hub = hub(&receiver);
    let status = hub.get("/api/v2/status");
    assert!(status["config"]["original"].as_str().unwrap().contains("sink"), "{status}");
    assert!(status["versionInfo"]["version"].is_string() && status["uptime"].is_string());
    send(&hub, &[Alert::new(&[("alertname", "Disk"), ("instance", "a")]).annotated(&[("summary", "full")])]);
    let groups = hub
        .get("/api/v2/alerts/groups?silenced=true&active=true&inhibited=true&filter=alertname%3D%22Disk%22");
    let alert = &groups[0]["alerts"][0];
    assert_eq!(
        (&groups[0]["receiver"]["name"], &groups[0]["labels"]),
        (&json!("sink"), &json!({"alertname": "Disk"}))
    );
    assert_eq!(
        (&alert["status"]["state"], &alert["annotations"]["summary"]),
        (&json!("active"), &json!("full"))
    );
    assert_eq!(hub.get("/api/v2/receivers"), json!([{"name": "sink"}]));
    let label = |name: &str| {
        let value = &alert["labels"][name];
        json!({ "name": name, "value": value, "isRegex": false, "isEqual": true })
    };
    let mut silence = json!({
        "matchers": [label("alertname"), label("instance")], "startsAt": now().to_string(),
        "endsAt": ahead(7200).to_string(), "comment": "created from an alert", "createdBy": "admin", "id": "",
    });
    let id = hub.post("/api/v2/silences", &silence)["silenceID"].clone();
    let listed = hub.get("/api/v2/silences");
    assert_eq!((&listed[0]["id"], &listed[0]["status"]["state"]), (&id, &json!("active")));
    let alerts = hub.get("/api/v2/alerts?silenced=true&active=false&inhibited=false");
    assert_eq!(alerts[0]["status"]["silencedBy"], json!([id]));
    silence["id"] = id.clone();
    silence["startsAt"] = listed[0]["startsAt"].clone();
    silence["comment"] = json!("changed");
    assert_eq!(hub.post("/api/v2/silences", &silence)["silenceID"], id);
    let path = format!("/api/v2/silence/{}", id.as_str().unwrap());
    assert_eq!(hub.get(&path)["comment"], "changed");
    assert_eq!(hub.ask("DELETE", &path, "").status, 200);
    assert_eq!(hub.get(&path)["status"]["state"], "expired");
}

#[test]
fn silences_made_here_show_there_and_the_other_way_round() {
    let receiver = Receiver::open();
    let hub = hub(&receiver);
    let theirs = json!({
        "matchers": [{"name": "team", "value": "db", "isRegex": false}], "startsAt": now().to_string(),
        "endsAt": ahead(3600).to_string(), "comment": "theirs", "createdBy": "ann",
    });
    let id = hub.post("/api/v2/silences", &theirs)["silenceID"].clone();
    let ours = hub.get("/api/v1/silences");
    assert_eq!((&ours["items"][0]["id"], &ours["items"][0]["comment"]), (&id, &json!("theirs")));
    let made = json!({
        "matchers": ["team=\"web\""], "ends_at": ahead(3600).to_string(), "comment": "ours", "created_by": "bob",
    });
    let made = hub.post("/api/v1/silences", &made);
    let listed = hub.get("/api/v2/silences?filter=team%3Dweb");
    assert_eq!((&listed[0]["comment"], listed.as_array().unwrap().len()), (&json!("ours"), 1), "{made}");
}

#[test]
fn dashboards_find_alertmanagers_metrics() {
    let receiver = Receiver::open();
    let hub = hub(&receiver);
    send(&hub, &[Alert::new(&[("alertname", "Disk")])]);
    hub.wait_delivered(1);
    assert_eq!(hub.ask("POST", "/api/v2/alerts", r#"[{"labels":{"a":""}}]"#).status, 400);
    let page = hub.ask("GET", "/metrics", "").body;
    for line in [
        "alertmanager_alerts{state=\"active\"} 1",
        "alertmanager_alerts_received_total{version=\"v2\"} 1",
        "alertmanager_alerts_invalid_total{version=\"v2\"} 1",
        "alertmanager_notifications_total{integration=\"webhook\"} 1",
        "alertmanager_notifications_failed_total{integration=\"webhook\"} 0",
        "alertmanager_silences{state=\"active\"} 0",
        "alertmanager_config_last_reload_successful 1",
        "alertmanager_cluster_members 1",
        "alertmanager_dispatcher_aggregation_groups 1",
    ] {
        assert!(page.contains(line), "{line} is not in {page}");
    }
    std::fs::write(hub.folder().join("alertmanager.yml"), "route: {receiver: nobody}\n").unwrap();
    assert_eq!(hub.ask("POST", "/-/reload", "").status, 500);
    assert!(hub.ask("GET", "/metrics", "").body.contains("alertmanager_config_last_reload_successful 0"));
}

#[test]
fn a_message_is_what_receivers_of_alertmanager_expect() {
    let receiver = Receiver::open();
    let hub = hub(&receiver);
    let labels = |n: &str| Alert::new(&[("alertname", "Disk"), ("instance", n)]);
    send(&hub, &[labels("b"), labels("a")]);
    let heard = receiver.wait_count(1, PATIENCE)[0].clone();
    let body = &heard.body;
    assert_eq!(
        (&body["version"], &body["status"], &body["receiver"]),
        (&json!("4"), &json!("firing"), &json!("sink"))
    );
    assert_eq!((&body["groupKey"], &body["truncatedAlerts"]), (&json!("{}:{alertname=\"Disk\"}"), &json!(0)));
    assert_eq!(
        (&body["commonLabels"], &body["commonAnnotations"]),
        (&json!({"alertname": "Disk"}), &json!({}))
    );
    assert_eq!(heard.labels("instance"), ["a", "b"], "by instance, whatever came first");
    let names: Vec<&String> = body["alerts"][0].as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        ["annotations", "endsAt", "fingerprint", "generatorURL", "labels", "startsAt", "status"]
    );
    let fingerprint = &hub.get("/api/v2/alerts?filter=instance%3Da")[0]["fingerprint"];
    assert_eq!(
        (&body["alerts"][0]["fingerprint"], body["alerts"][0]["endsAt"].clone()),
        (fingerprint, Value::from("0001-01-01T00:00:00Z"))
    );
}

/// What a message has for the links of its receivers.
fn external_url(words: &[&str], file: &str) -> (String, String) {
    let receiver = Receiver::open();
    let yml = format!(
        "route: {{receiver: sink, group_wait: 0s}}\n\
         receivers: [{{name: sink, webhook_configs: [{{url: '{}'}}]}}]\n{file}",
        receiver.url("/hook")
    );
    let hub = start_with(&yml, words);
    let prefix =
        words.iter().skip_while(|word| **word != "--route-prefix").nth(1).copied().unwrap_or_default();
    let prefix = prefix.trim_end_matches('/');
    let body = json!([{"labels": {"alertname": "Disk"}}]).to_string();
    assert_eq!(hub.ask("POST", &format!("{prefix}/api/v2/alerts"), &body).status, 200);
    let heard = receiver.wait_count(1, PATIENCE)[0].clone();
    let url = heard.body["externalURL"].as_str().unwrap().to_owned();
    let shown = hub.ask("GET", &format!("{prefix}/api/v1/config"), "").body;
    let why = if words.contains(&"--external-url") { "--external-url" } else { "" };
    assert!(shown.contains(&format!("external_url = {url:?} # {why}")), "{url} {why}: {shown}");
    (url, hub.address().port().to_string())
}

#[test]
fn links_lead_to_this_machine_when_nobody_says_where() {
    let (url, port) = external_url(&[], "");
    let host = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix(&format!(":{port}")));
    assert!(host.is_some_and(|host| !host.is_empty()), "{url} has no name and port {port}");
    let (url, port) = external_url(&["--route-prefix", "/am"], "");
    assert!(url.ends_with(&format!(":{port}/am")), "{url}");
    let asked = ["--external-url", "https://bell.example.org/", "--route-prefix", "/"];
    assert_eq!(external_url(&asked, "").0, "https://bell.example.org");
    let folder = tempfile::tempdir().unwrap();
    let ours = folder.path().join("nightbell.toml");
    let ours = ours.to_str().unwrap();
    std::fs::write(ours, "[log]\nlevel = \"info\"\n").unwrap();
    let (url, port) = external_url(&["--config", ours], "");
    assert!(url.starts_with("http://") && url.ends_with(&format!(":{port}")), "{url}");
    std::fs::write(ours, "[server]\nexternal_url = \"https://a.example\"\n").unwrap();
    assert_eq!(external_url(&["--config", ours], "").0, "https://a.example");
    let asked = ["--config", ours, "--external-url", "https://b.example"];
    assert_eq!(external_url(&asked, "").0, "https://b.example", "the command line goes before the file");
}

#[test]
fn clients_see_a_version_of_alertmanager_and_receivers_in_the_order_of_the_file() {
    let hub = start("route: {receiver: zoo}\nreceivers: [{name: zoo}, {name: ant}, {name: Bee}]\n");
    assert_eq!(hub.get("/api/v2/receivers"), json!([{"name": "zoo"}, {"name": "ant"}, {"name": "Bee"}]));
    let info = hub.get("/api/v2/status")["versionInfo"].clone();
    let version = info["version"].as_str().unwrap();
    assert!(version.starts_with("0.3"), "karma wants 0.22 at the least: {info}");
    assert!(info["branch"].as_str().unwrap().starts_with("nightbell-"), "{info}");
    let page = hub.ask("GET", "/metrics", "").body;
    assert!(page.contains(&format!("alertmanager_build_info{{version=\"{version}\"")), "{page}");
    assert!(page.contains("nightbell_build_info{version="), "{page}");
}

#[test]
fn who_is_refused_for_want_of_a_token_finds_it_in_the_log() {
    let hub = start("route: {receiver: a}\nreceivers: [{name: a}]\n");
    let forwarded = [("x-forwarded-for", "192.0.2.7")];
    for _ in 0..2 {
        let answer = http::ask(hub.address(), "POST", "/api/v2/alerts", &forwarded, "[]").unwrap();
        assert_eq!(answer.status, 401);
    }
    let log = hub.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("refused POST /api/v2/alerts")).collect();
    assert_eq!(lines.len(), 1, "once a minute at the most: {log}");
    for part in ["from 127.0.0.1", "x-forwarded-for", "nightbell token create"] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
}
