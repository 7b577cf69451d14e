//! A real Prometheus fires and resolves at this hub, and the receiver hears of both.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nightbell_acceptance::tool::find_or_skip;
use nightbell_acceptance::{Heard, Hub, Receiver, wait_for};

/// How long Prometheus may take until it has fired; it starts, scrapes, evaluates and sends.
const FIRES: Duration = Duration::from_secs(40);

struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn rules(folder: &Path, expression: &str) {
    let text = format!(
        "groups:\n- name: g\n  interval: 1s\n  rules:\n  - alert: Fired\n    expr: {expression}\n    \
         labels: {{team: db}}\n    \
         annotations: {{summary: 'value {{{{ $value }}}}'}}\n"
    );
    std::fs::write(folder.join("rules.yml"), text).unwrap();
}

/// It says every `resend` again what fires, and that it is over four times as long after that.
fn start(program: &Path, folder: &Path, hub: &Hub, resend: &str) -> (Prometheus, String) {
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\n\
         alerting:\n  alertmanagers:\n  - static_configs: [{{targets: ['{}']}}]\n",
        hub.address()
    );
    std::fs::write(folder.join("prometheus.yml"), config).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let log = std::fs::File::create(folder.join("prometheus.log")).unwrap();
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
        .arg(format!("--web.listen-address={free}"))
        .args(["--web.enable-lifecycle".to_owned(), format!("--rules.alert.resend-delay={resend}")]);
    let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    (Prometheus(child), free.to_string())
}

fn hub(receiver: &Receiver) -> Hub {
    nightbell_acceptance::alertmanager::start(&format!(
        "route: {{receiver: sink, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
         receivers: [{{name: sink, webhook_configs: [{{url: '{}'}}]}}]\n",
        receiver.url("/hook")
    ))
}

fn reload(address: &str) {
    let address = address.parse().unwrap();
    wait_for("Prometheus to reload", FIRES, || {
        let answer = nightbell_acceptance::http::ask(address, "POST", "/-/reload", &[], "");
        answer.is_ok_and(|answer| answer.status == 200).then_some(())
    });
}

/// The one message that says that it is over.
fn resolved(receiver: &Receiver) -> Heard {
    let over = |it: &&Heard| it.body["status"] == "resolved";
    receiver.wait_for("that it is over", FIRES, |heard| heard.iter().find(over).cloned())
}

#[test]
fn prometheus_fires_and_resolves() {
    let Some(program) = find_or_skip("prometheus") else { return };
    let receiver = Receiver::open();
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(&receiver);
    rules(folder.path(), "vector(42) > 1");
    let (_prometheus, address) = start(&program, folder.path(), &hub, "1s");
    let fired = receiver.wait_for("the alert", FIRES, |heard| heard.first().cloned());
    assert_eq!(fired.body["status"], "firing");
    assert_eq!(fired.labels("team"), ["db"]);
    assert_eq!(fired.body["alerts"][0]["annotations"]["summary"], "value 42");
    assert!(fired.body["alerts"][0]["generatorURL"].as_str().unwrap().starts_with("http"));

    rules(folder.path(), "vector(0) > 1");
    reload(&address);
    let resolved = resolved(&receiver);
    assert_eq!(resolved.labels("alertname"), ["Fired"]);
    assert_eq!(resolved.body["groupKey"], fired.body["groupKey"]);
    let firing = receiver.heard().iter().filter(|it| it.body["status"] == "firing").count();
    assert_eq!(firing, 1, "it was told of more than once");
}

#[test]
fn neither_sides_restart_is_heard_by_the_receiver() {
    let Some(program) = find_or_skip("prometheus") else { return };
    let receiver = Receiver::open();
    let folder = tempfile::tempdir().unwrap();
    let mut hub = hub(&receiver);
    hub.keep_address();
    rules(folder.path(), "vector(42) > 1");
    let (prometheus, _) = start(&program, folder.path(), &hub, "6s");
    hub.wait_delivered(1);
    let seen = |hub: &Hub| hub.get("/api/v1/incidents")["items"][0]["times_seen"].as_i64().unwrap_or(0);
    let heard_of_again = |hub: &Hub| {
        let before = seen(hub);
        wait_for("Prometheus to say it again", FIRES, || (seen(hub) > before).then_some(()));
    };
    hub.kill_and_wake();
    heard_of_again(&hub);
    drop(prometheus);
    let (_prometheus, address) = start(&program, folder.path(), &hub, "6s");
    heard_of_again(&hub);
    assert_eq!(receiver.heard().len(), 1, "a restart was heard");
    rules(folder.path(), "vector(0) > 1");
    reload(&address);
    resolved(&receiver);
    assert_eq!(receiver.heard().len(), 2);
}
