//! Messages to try things with.

use model::incident::State;
use model::notification::{Alert, Notification, Reason};
use model::{Id, Labels, Severity, Time};

use crate::message::{Message, MessageKind};

/// What all sample messages are about.
const TITLE: &str = "The disk of db1 is full";

/// The title of a test message to a destination.
pub fn test_title(destination: &str) -> String {
    format!("A test message from Nightbell to {destination}")
}

/// The alert of a test message.
pub fn test_alert(id: Id, title: &str, severity: Severity, at: Time) -> Alert {
    Alert {
        incident: id,
        state: State::Open,
        severity,
        title: title.to_owned(),
        labels: [("alertname", "Test"), ("severity", severity.name())].into_iter().collect(),
        annotations: [("summary", title)].into_iter().collect(),
        started_at: at,
        ends_at: None,
        link: String::new(),
        acknowledged_by: None,
        flapping: None,
        chain: 0,
    }
}

/// A message of a kind, about one alert; its key is its own.
pub fn message(
    kind: MessageKind,
    title: &str,
    severity: Severity,
    key: &str,
    receiver: &str,
    at: Time,
) -> Message {
    let (reason, state) = match kind {
        MessageKind::Firing => (Reason::First, State::Open),
        MessageKind::Repeated => (Reason::Repeat, State::Open),
        MessageKind::Acknowledged => (Reason::Acknowledged, State::Acknowledged),
        MessageKind::Resolved => (Reason::AllResolved, State::Resolved),
        MessageKind::Test => (Reason::Test, State::Open),
    };
    let alert = match kind {
        MessageKind::Test => test_alert(Id(1), title, severity, at),
        _ => disk_alert(state, title, severity, at),
    };
    let name = alert.labels.get("alertname").unwrap_or_default().to_owned();
    let (common_labels, common_annotations) = Notification::common(std::slice::from_ref(&alert));
    Message::render(Notification {
        idempotency_key: key.to_owned(),
        reason,
        receiver: receiver.to_owned(),
        route: "root".to_owned(),
        group_key: format!("{{}}:{{alertname={name:?}}}"),
        group_labels: [("alertname", name.as_str())].into_iter().collect(),
        common_labels,
        common_annotations,
        external_url: String::new(),
        alerts: vec![alert],
        truncated: 0,
        storm: None,
        at,
    })
}

fn disk_alert(state: State, title: &str, severity: Severity, at: Time) -> Alert {
    let labels: Labels = [("alertname", "DiskFull"), ("instance", "db1:9100"), ("severity", severity.name())]
        .into_iter()
        .collect();
    let annotations = [("summary", title), ("description", "/var/lib/postgresql has 2 % left.")];
    Alert {
        incident: Id(1),
        state,
        severity,
        title: title.to_owned(),
        labels,
        annotations: annotations.into_iter().collect(),
        started_at: at,
        ends_at: (state == State::Resolved).then_some(at),
        link: "https://prometheus.example/graph".to_owned(),
        acknowledged_by: (state == State::Acknowledged).then(|| "ann".to_owned()),
        flapping: None,
        chain: 0,
    }
}

/// One message of each kind, by name, in the order in which they may come.
pub fn all(receiver: &str, at: Time) -> [(&'static str, Message); 5] {
    [
        ("firing", MessageKind::Firing),
        ("repeated", MessageKind::Repeated),
        ("acknowledged", MessageKind::Acknowledged),
        ("resolved", MessageKind::Resolved),
        ("test", MessageKind::Test),
    ]
    .map(|(name, kind)| {
        (name, message(kind, TITLE, Severity::Critical, &format!("sample-{name}"), receiver, at))
    })
}
