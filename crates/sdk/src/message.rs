//! Messages: a notification rendered for people, not yet for a channel.

use std::fmt::Write as _;

use model::incident::State;
use model::notification::{Alert, Notification, Reason};
use model::severity::Severity;
use serde::{Deserialize, Serialize};

/// What kind of message it is: destinations choose colours and words by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageKind {
    /// Something is wrong and new.
    Firing,
    /// Something still is wrong.
    Repeated,
    /// It is over.
    Resolved,
    /// Somebody took it.
    Acknowledged,
    /// A test.
    Test,
}

/// A link with its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// What it says.
    pub title: String,
    /// Where it leads.
    pub url: String,
}

/// A rendered notification: what every channel can say in its own way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// What kind it is.
    pub kind: MessageKind,
    /// One line.
    pub title: String,
    /// Some lines of plain text.
    pub body: String,
    /// Names and values worth a table: what the alerts share.
    pub facts: Vec<(String, String)>,
    /// What a reader may do next.
    pub actions: Vec<Link>,
    /// Where to read more; may be empty.
    pub link: String,
    /// How bad it is.
    pub severity: Severity,
    /// Constant over all retries.
    pub idempotency_key: String,
    /// Everything, for channels that can say more.
    pub notification: Notification,
}

/// Alerts that the text body lists one by one.
const LISTED_ALERTS: usize = 10;

impl Message {
    /// Renders a notification with the built-in words.
    pub fn render(notification: Notification) -> Self {
        let kind = kind_of(&notification);
        Message {
            kind,
            title: title(kind, &notification),
            body: body(&notification),
            facts: notification.common_labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            actions: actions(&notification),
            link: link(&notification),
            severity: notification.severity(),
            idempotency_key: notification.idempotency_key.clone(),
            notification,
        }
    }
}

fn kind_of(notification: &Notification) -> MessageKind {
    match notification.reason {
        Reason::Test => MessageKind::Test,
        Reason::Repeat => MessageKind::Repeated,
        Reason::Acknowledged => MessageKind::Acknowledged,
        _ if notification.is_firing() => MessageKind::Firing,
        _ => MessageKind::Resolved,
    }
}

fn count(notification: &Notification, question: fn(&Alert) -> bool) -> usize {
    notification.alerts.iter().filter(|alert| question(alert)).count()
}

/// `[FIRING:2] Disk is full on db1 (and 1 more)`
fn title(kind: MessageKind, notification: &Notification) -> String {
    let firing = count(notification, |alert| alert.state != State::Resolved);
    let truncated = usize::try_from(notification.truncated).unwrap_or(usize::MAX);
    let total = notification.alerts.len().saturating_add(truncated);
    let mark = match kind {
        MessageKind::Firing => format!("FIRING:{firing}"),
        MessageKind::Repeated => format!("STILL FIRING:{firing}"),
        MessageKind::Resolved => "RESOLVED".to_owned(),
        MessageKind::Acknowledged => "ACKNOWLEDGED".to_owned(),
        MessageKind::Test => "TEST".to_owned(),
    };
    let first = notification.alerts.first().map_or("nothing", |alert| alert.title.as_str());
    let more = if total > 1 { format!(" (and {} more)", total - 1) } else { String::new() };
    format!("[{mark}] {first}{more}")
}

fn body(notification: &Notification) -> String {
    let mut text = String::new();
    for alert in notification.alerts.iter().take(LISTED_ALERTS) {
        // writing to a String cannot fail
        let _ = writeln!(text, "{} {} — {}", mark(alert), alert.severity, alert.title);
        let own =
            alert.labels.iter().filter(|(name, value)| notification.common_labels.get(name) != Some(value));
        let own: Vec<String> = own.map(|(name, value)| format!("{name}={value}")).collect();
        if !own.is_empty() {
            let _ = writeln!(text, "  {}", own.join(", "));
        }
        let description = alert.annotations.get("description").filter(|text| *text != alert.title);
        if let Some(description) = description {
            let _ = writeln!(text, "  {}", description.trim());
        }
        let _ = writeln!(text, "  {}", times(alert));
    }
    let listed = notification.alerts.len().min(LISTED_ALERTS);
    let truncated = usize::try_from(notification.truncated).unwrap_or(usize::MAX);
    let rest = (notification.alerts.len() - listed).saturating_add(truncated);
    if rest > 0 {
        let _ = writeln!(text, "… and {rest} more");
    }
    text.truncate(text.trim_end().len());
    text
}

fn mark(alert: &Alert) -> &'static str {
    match alert.state {
        State::Open => "✗",
        State::Acknowledged => "◐",
        State::Resolved => "✓",
    }
}

fn times(alert: &Alert) -> String {
    match (alert.state, &alert.ends_at, &alert.acknowledged_by) {
        (State::Resolved, Some(end), _) => format!("from {} to {end}", alert.started_at),
        (State::Acknowledged, _, Some(by)) => format!("since {}, taken by {by}", alert.started_at),
        _ => format!("since {}", alert.started_at),
    }
}

fn link(notification: &Notification) -> String {
    if notification.external_url.is_empty() {
        return String::new();
    }
    match notification.alerts.as_slice() {
        [alert] => format!("{}/incidents/{}", notification.external_url, alert.incident),
        _ => format!("{}/incidents", notification.external_url),
    }
}

fn actions(notification: &Notification) -> Vec<Link> {
    let mut actions = Vec::new();
    let mut add = |title: &str, url: &str| {
        if !url.is_empty() {
            actions.push(Link { title: title.to_owned(), url: url.to_owned() });
        }
    };
    add("Open in Nightbell", &link(notification));
    for name in ["runbook_url", "dashboard_url"] {
        let title = if name == "runbook_url" { "Runbook" } else { "Dashboard" };
        add(title, notification.common_annotations.get(name).unwrap_or_default());
    }
    if let [alert] = notification.alerts.as_slice() {
        add("Source", &alert.link);
    }
    actions
}
