//! Messages: a notification rendered for people, not yet for a channel.

use std::fmt::Write as _;

use model::incident::State;
use model::notification::{Alert, FlapCount, Notification, Reason, StormSummary};
use model::severity::Severity;
use model::time::Time;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

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
    /// How whoever reads it can answer; nothing where there is nothing to answer, or nobody would hear it.
    #[serde(skip)]
    pub answers: Option<Answers>,
}

/// What an action is called that takes an incident.
pub const ACKNOWLEDGE: &str = "Acknowledge";

/// The ways of answering a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// What an answer shows to say which message it answers. It is as good as a password for what the message is about.
    pub token: Secret,
    /// The page where it is answered; empty: there is none.
    pub page: String,
    /// The mailbox that is looked into for answers, with `{token}` where the token may stand; empty: there is none.
    pub mail_to: String,
    /// Whether buttons in Slack are heard.
    pub slack: bool,
    /// The bot whose buttons in Telegram are heard, by its token.
    pub telegram: Option<Secret>,
}

impl Answers {
    /// Where answers by mail go.
    pub fn reply_to(&self) -> Option<String> {
        (!self.mail_to.is_empty()).then(|| self.mail_to.replace(TOKEN, self.token.expose()))
    }
}

/// What stands for the token in the address of a mailbox.
pub const TOKEN: &str = "{token}";

impl Message {
    /// The same, which can be answered in these ways.
    #[must_use]
    pub fn answered_by(mut self, answers: Answers) -> Self {
        if !answers.page.is_empty() {
            self.actions.insert(0, Link { title: ACKNOWLEDGE.to_owned(), url: answers.page.clone() });
        }
        self.answers = Some(answers);
        self
    }

    /// The same as others may see it: without what would let them answer in its reader's name.
    #[must_use]
    pub fn unanswerable(mut self) -> Self {
        if let Some(answers) = self.answers.take() {
            self.actions.retain(|it| it.url.is_empty() || it.url != answers.page);
        }
        self
    }
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
            answers: None,
        }
    }
}

fn kind_of(notification: &Notification) -> MessageKind {
    match notification.reason {
        // nothing that anybody else need keep
        Reason::Test | Reason::OnCall => MessageKind::Test,
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
        _ if let Some(storm) = &notification.storm => return format!("[{}] {storm}", storm.mark()),
        MessageKind::Firing if notification.reason == Reason::Flapping => "FLAPPING".to_owned(),
        MessageKind::Firing if notification.reason == Reason::Calmed => format!("CALM, FIRING:{firing}"),
        MessageKind::Resolved if notification.reason == Reason::Calmed => "CALM, RESOLVED".to_owned(),
        MessageKind::Firing => format!("FIRING:{firing}"),
        MessageKind::Repeated => format!("STILL FIRING:{firing}"),
        MessageKind::Resolved => "RESOLVED".to_owned(),
        MessageKind::Acknowledged => "ACKNOWLEDGED".to_owned(),
        MessageKind::Test => "TEST".to_owned(),
    };
    let first = notification.alerts.first().map_or("nothing", |alert| alert.title.as_str());
    if notification.reason == Reason::OnCall {
        return first.to_owned();
    }
    let more = if total > 1 { format!(" (and {} more)", total - 1) } else { String::new() };
    format!("[{mark}] {first}{more}")
}

fn storm_body(storm: &StormSummary) -> String {
    let now = if storm.over { "It is over" } else { "Until it is over, there is no message for each" };
    let mut text = format!("A storm of alerts since {}. {now}.\n", moment(storm.since));
    for it in &storm.by {
        // writing to a String cannot fail
        let _ = writeln!(text, "{it} (firing: {})", it.firing);
    }
    text
}

/// What is said beside the title of a word of the hub's own, which is about nothing that is wrong.
fn words(notification: &Notification) -> String {
    let first = notification.alerts.first();
    let more = first.and_then(|alert| alert.annotations.get("description")).unwrap_or_default();
    if more.is_empty() { first.map_or(String::new(), |alert| alert.title.clone()) } else { more.to_owned() }
}

fn body(notification: &Notification) -> String {
    if notification.reason == Reason::OnCall {
        return words(notification);
    }
    let mut text = notification.storm.as_ref().map(storm_body).unwrap_or_default();
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
            let _ = writeln!(text, "  {}", description.trim().replace('\n', "\n  "));
        }
        let _ = writeln!(text, "  {}", times(alert));
        if let Some(flapping) = alert.flapping {
            let _ = writeln!(text, "  {}", flaps(flapping));
        }
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
    let start = moment(alert.started_at);
    match (alert.state, alert.ends_at, &alert.acknowledged_by) {
        (State::Resolved, Some(end), _) => format!("from {start} to {}", moment(end)),
        (State::Acknowledged, _, Some(by)) => format!("since {start}, taken by {by}"),
        _ => format!("since {start}"),
    }
}

fn flaps(FlapCount { times, since }: FlapCount) -> String {
    match since {
        Some(since) => format!("flapping: it began {times} times since {}", moment(since)),
        None => format!("calm again; it had begun {times} times"),
    }
}

/// A time as people read it, to the second.
pub fn moment(time: Time) -> String {
    time.to_timestamp().strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
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

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Id, Labels};

    fn notification(reason: Reason, alerts: &[(State, i64)], truncated: u64) -> Notification {
        let alert = |(state, number): &(State, i64)| Alert {
            incident: Id(*number),
            state: *state,
            severity: Severity::Error,
            title: format!("Disk {number} is full"),
            labels: [("disk", number.to_string()), ("team", "db".to_owned())].into_iter().collect(),
            annotations: [("description", "It fills.\nSoon.")].into_iter().collect(),
            started_at: Time(1_794_657_600_250_000),
            ends_at: (*state == State::Resolved).then(|| Time::from_seconds(1_794_657_660)),
            link: "https://p.example/g".to_owned(),
            acknowledged_by: (*state == State::Acknowledged).then(|| "ann".to_owned()),
            flapping: None,
            chain: 0,
        };
        let alerts: Vec<Alert> = alerts.iter().map(alert).collect();
        let (common_labels, common_annotations) = Notification::common(&alerts);
        Notification {
            idempotency_key: "k".to_owned(),
            reason,
            receiver: "ops".to_owned(),
            route: String::new(),
            group_key: "{}:{}".to_owned(),
            group_labels: Labels::new(),
            common_labels,
            common_annotations,
            external_url: "https://bell.example".to_owned(),
            alerts,
            truncated,
            storm: None,
            at: Time::from_seconds(1_794_657_600),
        }
    }

    #[test]
    fn who_comes_on_call_is_told_so_and_nothing_that_looks_wrong() {
        let message = Message::render(notification(Reason::OnCall, &[(State::Open, 1)], 0));
        assert_eq!((message.kind, message.title.as_str()), (MessageKind::Test, "Disk 1 is full"));
        assert_eq!(message.body, "It fills.\nSoon.");
    }

    #[test]
    fn words_say_that_something_flaps_and_that_it_is_calm() {
        use State::{Open, Resolved};
        let mut flapping = notification(Reason::Flapping, &[(Open, 1)], 0);
        let since = Some(Time::from_seconds(1_794_657_000));
        flapping.alerts[0].flapping = Some(FlapCount { times: 4, since });
        let message = Message::render(flapping);
        assert_eq!(
            (message.kind, message.title.as_str()),
            (MessageKind::Firing, "[FLAPPING] Disk 1 is full")
        );
        assert!(
            message.body.ends_with("  flapping: it began 4 times since 2026-11-14 11:50:00 UTC"),
            "{}",
            message.body
        );
        let mut calm = notification(Reason::Calmed, &[(Resolved, 1)], 0);
        calm.alerts[0].flapping = Some(FlapCount { times: 9, since: None });
        let message = Message::render(calm);
        assert_eq!(
            (message.kind, message.title.as_str()),
            (MessageKind::Resolved, "[CALM, RESOLVED] Disk 1 is full")
        );
        assert!(message.body.ends_with("  calm again; it had begun 9 times"));
    }

    #[test]
    fn words_say_what_is_and_what_was() {
        use State::{Acknowledged, Open, Resolved};
        let message = Message::render(notification(Reason::SomeResolved, &[(Open, 1), (Resolved, 2)], 3));
        assert_eq!(
            (message.kind, message.title.as_str()),
            (MessageKind::Firing, "[FIRING:1] Disk 1 is full (and 4 more)")
        );
        assert_eq!(
            message.body,
            "✗ error — Disk 1 is full\n  disk=1\n  It fills.\n  Soon.\n  since 2026-11-14 12:00:00 UTC\n\
             ✓ error — Disk 2 is full\n  disk=2\n  It fills.\n  Soon.\n  \
             from 2026-11-14 12:00:00 UTC to 2026-11-14 12:01:00 UTC\n… and 3 more"
        );
        assert_eq!(message.facts, [("team".to_owned(), "db".to_owned())]);
        let message = Message::render(notification(Reason::Acknowledged, &[(Acknowledged, 1)], 0));
        assert_eq!(
            (message.kind, message.title.as_str()),
            (MessageKind::Acknowledged, "[ACKNOWLEDGED] Disk 1 is full")
        );
        assert!(message.body.ends_with("since 2026-11-14 12:00:00 UTC, taken by ann"), "{}", message.body);
        assert_eq!(message.link, "https://bell.example/incidents/0000000000001");
        assert_eq!(
            message.actions.iter().map(|link| link.title.as_str()).collect::<Vec<_>>(),
            ["Open in Nightbell", "Source"]
        );
    }

    #[test]
    fn nothing_at_all_and_more_than_all_can_be_said() {
        assert_eq!(Message::render(notification(Reason::First, &[], u64::MAX)).kind, MessageKind::Resolved);
        let many: Vec<(State, i64)> = (1..40).map(|number| (State::Open, number)).collect();
        let message = Message::render(notification(Reason::Repeat, &many, u64::MAX));
        assert_eq!(message.body.matches("Disk").count(), LISTED_ALERTS);
    }
}
