//! Checks: what plugins look at now and then becomes events.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use config::Check;
use flow::Hub;
use model::event::Action;
use model::{Labels, NewEvent, Severity};
use plugin_host::Host;
use plugin_protocol::calls::CheckAnswer;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Within this time after it is put in force, a check is made for the first time: not all at once.
const SPREAD: Duration = Duration::from_secs(5);
/// How many looks may be missed before what a check said is over by itself.
const MISSED: u32 = 3;
/// The shortest time after which it is.
const LEAST_PATIENCE: Duration = Duration::from_secs(300);
/// Characters of a detail that a title shows.
const MAX_TITLE_CHARS: usize = 200;

/// The checks in force.
pub struct Checks {
    host: Host,
    hub: Hub,
    tasks: TaskTracker,
    running: Mutex<BTreeMap<String, (Check, CancellationToken)>>,
}

impl Checks {
    /// None yet.
    pub fn new(host: Host, hub: Hub) -> Self {
        Checks { host, hub, tasks: TaskTracker::new(), running: Mutex::default() }
    }

    /// Makes these from here on; those that are as they were go on as they are.
    pub fn put_in_force(&self, checks: &BTreeMap<String, Check>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|name, (check, stop)| {
            let stays = checks.get(name) == Some(check);
            if !stays {
                stop.cancel();
            }
            stays
        });
        for (name, check) in checks {
            if running.contains_key(name) {
                continue;
            }
            let stop = CancellationToken::new();
            running.insert(name.clone(), (check.clone(), stop.clone()));
            let (host, hub, check) = (self.host.clone(), self.hub.clone(), check.clone());
            self.tasks.spawn(async move {
                tokio::select! {
                    () = go_on(host, hub, check) => {}
                    () = stop.cancelled() => {}
                }
            });
        }
    }

    /// Makes none any more.
    pub fn stop(&self) {
        self.put_in_force(&BTreeMap::new());
    }
}

/// Looks again and again.
async fn go_on(host: Host, hub: Hub, check: Check) {
    let first = SPREAD.min(check.every).mul_f64(rand::random());
    let mut ticks = interval_at(Instant::now() + first, check.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut failures, mut was_well) = (0, false);
    loop {
        ticks.tick().await;
        let said = host.check(&check.kind, check.settings.clone(), check.deadline).await;
        let passes = matches!(&said, Ok(said) if said.status == "passing");
        failures = if passes { 0 } else { failures + 1 };
        if passes && was_well || !passes && failures < check.failures {
            continue;
        }
        match hub.accept(vec![event(&check, said)]).await {
            Ok(_) => was_well = passes,
            // said again after the next look
            Err(error) => tracing::warn!("the check {} could not be recorded: {error}", check.name),
        }
    }
}

/// What a look is as an event. One that could not be made is told of as well: nobody knows how that is any more.
fn event(check: &Check, said: Result<CheckAnswer, String>) -> NewEvent {
    let (status, severity, detail, more) = match said {
        Ok(CheckAnswer { status, detail, labels }) => match status.as_str() {
            "passing" => ("passing", check.severity, detail, labels),
            "warning" => ("warning", check.severity.min(Severity::Warning), detail, labels),
            _ => ("failing", check.severity, detail, labels),
        },
        Err(why) => {
            let severity = check.severity.min(Severity::Warning);
            ("unknown", severity, format!("the check could not be made: {why}"), BTreeMap::new())
        }
    };
    let own = [("alertname", "CheckFailed"), ("check", &check.name), ("kind", &check.kind)];
    let mut labels: Labels = own.into_iter().collect();
    for (name, value) in check.labels.iter().chain(&more) {
        // the check's own labels name it
        if labels.get(name).is_none() && !name.is_empty() && !value.is_empty() {
            labels.set(name.clone(), value.clone());
        }
    }
    let shown: String = detail.chars().take(MAX_TITLE_CHARS).collect();
    let title = if shown.is_empty() { status.to_owned() } else { shown.replace('\n', " ") };
    let annotations = [("status", status), ("description", detail.as_str())];
    NewEvent {
        key: format!("check/{}", check.name),
        action: if status == "passing" { Action::Clear } else { Action::Raise },
        severity: Some(severity),
        title: format!("{}: {title}", check.name),
        annotations: annotations.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        resolve_after: Some((check.every * MISSED + check.deadline).max(LEAST_PATIENCE)),
        ..NewEvent::raise(&format!("check/{}", check.kind), labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check() -> Check {
        Check {
            name: "shop".to_owned(),
            kind: "page".to_owned(),
            settings: serde_json::Value::Null,
            every: Duration::from_secs(60),
            deadline: Duration::from_secs(10),
            failures: 1,
            severity: Severity::Critical,
            labels: [("team".to_owned(), "web".to_owned()), ("check".to_owned(), "x".to_owned())].into(),
        }
    }

    fn said(status: &str, detail: &str) -> NewEvent {
        let labels = [("host".to_owned(), "a".to_owned()), ("kind".to_owned(), "x".to_owned())].into();
        event(&check(), Ok(CheckAnswer { status: status.to_owned(), detail: detail.to_owned(), labels }))
    }

    #[test]
    fn what_a_check_says_is_an_event_of_its_own_key() {
        let failing = said("failing", "500 from\nthe shop");
        assert_eq!((failing.key.as_str(), failing.action), ("check/shop", Action::Raise));
        assert_eq!(
            (failing.severity, failing.title.as_str()),
            (Some(Severity::Critical), "shop: 500 from the shop")
        );
        let labels: Vec<_> = failing.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(labels, ["alertname=CheckFailed", "check=shop", "host=a", "kind=page", "team=web"]);
        assert!(failing.check().is_ok());
        assert_eq!(said("warning", "").severity, Some(Severity::Warning));
        assert_eq!(said("odd", "").severity, Some(Severity::Critical));
        assert_eq!(said("passing", "").action, Action::Clear);
        let unknown = event(&check(), Err("the plugin web is failed".to_owned()));
        assert!(unknown.title.contains("could not be made") && unknown.severity == Some(Severity::Warning));
    }
}
