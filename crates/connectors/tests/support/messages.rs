//! The messages that every destination is shown in: one of each kind, and arbitrary ones.

use model::incident::State;
use model::notification::{Alert, FlapCount, Notification, Reason};
use model::{Id, Labels, Severity, Time};
use proptest::prelude::*;
use sdk::Message;

/// One of each kind, by name.
#[allow(dead_code, reason = "not every test binary needs all of them")]
pub fn all() -> [(&'static str, Message); 5] {
    let [repeated, acknowledged, test] = [Reason::Repeat, Reason::Acknowledged, Reason::Test]
        .map(|reason| Message::render(notification(reason)));
    [
        ("firing", firing()),
        ("repeated", repeated),
        ("resolved", Message::render(notification(Reason::AllResolved))),
        ("acknowledged", acknowledged),
        ("test", test),
    ]
}

/// A message about two alerts, one of them new.
pub fn firing() -> Message {
    Message::render(notification(Reason::First))
}

/// Seconds after a Saturday noon.
fn at(seconds: i64) -> Time {
    Time::from_seconds(1_794_657_600 + seconds)
}

fn alert(id: i64, instance: &str, state: State) -> Alert {
    let labels =
        [("alertname", "DiskFull"), ("instance", instance), ("note", r#"<b>&"quoted"</b>"#), ("team", "db")];
    let annotations = [
        ("description", "The data disk has 3 % left,\nand fills by 1 % an hour."),
        ("runbook_url", "https://wiki.example/disk?a=1&b=2"),
        ("summary", "Disk is full"),
    ];
    Alert {
        incident: Id(id),
        state,
        severity: Severity::Critical,
        title: format!("Disk is full on {instance} <→ “now”>"),
        labels: labels.into_iter().collect(),
        annotations: annotations.into_iter().collect(),
        started_at: Time(at(-60).0 + 250_000),
        ends_at: match state {
            State::Resolved => Some(at(0)),
            _ => Some(at(300)),
        },
        link: "https://prometheus.example/graph?g0.expr=disk+%3E+97".to_owned(),
        acknowledged_by: (state == State::Acknowledged).then(|| "ann".to_owned()),
        flapping: None,
        chain: 0,
    }
}

fn notification(reason: Reason) -> Notification {
    let (first, second) = match reason {
        Reason::AllResolved => (State::Resolved, State::Resolved),
        Reason::Acknowledged => (State::Acknowledged, State::Open),
        _ => (State::Open, State::Open),
    };
    let mut alerts = vec![alert(1001, "db1:9100", first), alert(1002, "db2:9100", second)];
    if reason == Reason::Test {
        alerts.truncate(1);
    }
    let (common_labels, common_annotations) = Notification::common(&alerts);
    Notification {
        idempotency_key: format!("0000000000abc-{}", reason.name()),
        reason,
        receiver: "ops".to_owned(),
        route: "root/db".to_owned(),
        group_key: r#"{}/{team="db"}:{alertname="DiskFull"}"#.to_owned(),
        group_labels: [("alertname", "DiskFull")].into_iter().collect(),
        common_labels,
        common_annotations,
        external_url: "https://bell.example".to_owned(),
        alerts,
        truncated: if reason == Reason::Repeat { 3 } else { 0 },
        storm: None,
        at: at(30),
    }
}

fn labels() -> impl Strategy<Value = Labels> {
    let text = prop_oneof!["\\PC{0,12}", any::<String>(), Just("x".repeat(5000)), "[&<>\"'|\r\n\0]{0,8}"];
    let name = prop_oneof!["[a-z_]{1,6}", any::<String>(), Just("description".to_owned())];
    proptest::collection::vec((name, text), 0..6).prop_map(|all| all.into_iter().collect())
}

fn arbitrary_alert() -> impl Strategy<Value = Alert> {
    let state = prop_oneof![Just(State::Open), Just(State::Acknowledged), Just(State::Resolved)];
    let times = (any::<i64>(), proptest::option::of(any::<i64>()));
    (any::<i64>(), state, any::<String>(), labels(), labels(), times, any::<String>()).prop_map(
        |(id, state, title, labels, annotations, (start, end), link)| Alert {
            incident: Id(id & i64::MAX),
            state,
            severity: Severity::ALL[(id & 3) as usize],
            title,
            labels,
            annotations,
            started_at: Time(start),
            ends_at: end.map(Time),
            acknowledged_by: (id % 2 == 0).then(|| link.clone()),
            flapping: (id % 3 == 0).then_some(FlapCount { times: 7, since: end.map(Time) }),
            chain: 0,
            link,
        },
    )
}

/// Any message at all.
#[allow(dead_code, reason = "not every test binary needs it")]
pub fn arbitrary() -> impl Strategy<Value = Message> {
    let reasons = [
        Reason::First,
        Reason::NewAlerts,
        Reason::AllResolved,
        Reason::SomeResolved,
        Reason::Acknowledged,
        Reason::Flapping,
        Reason::Calmed,
        Reason::Repeat,
        Reason::Test,
    ];
    let alerts = proptest::collection::vec(arbitrary_alert(), 0..14);
    let words = (any::<String>(), any::<String>(), any::<String>());
    (0usize..7, alerts, words, any::<u64>(), any::<i64>()).prop_map(
        move |(reason, alerts, (key, receiver, url), truncated, at)| {
            let (common_labels, common_annotations) = Notification::common(&alerts);
            Message::render(Notification {
                idempotency_key: key,
                reason: reasons[reason],
                group_key: receiver.clone(),
                receiver,
                route: String::new(),
                group_labels: common_labels.clone(),
                common_labels,
                common_annotations,
                external_url: url,
                alerts,
                truncated,
                storm: None,
                at: Time(at),
            })
        },
    )
}
