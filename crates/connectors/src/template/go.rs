//! Go templates: Alertmanager's language over Alertmanager's data, made of our messages.
//!
//! What is built in under Alertmanager's names stands in `defaults.tmpl` and `email.tmpl`; a configuration's own
//! files are read over a copy of [`built_in`]'s set.

use std::fmt;
use std::sync::{Arc, LazyLock};

use gotemplate::alertmanager::{self, Alert, Data, kv};
use gotemplate::{Error, Functions, Limits, Mode, Moment, Set, Stage, Text};
use model::incident::State;
use model::notification::{self, Notification, Reason};
use model::{Id, Labels, Severity, Time};
use sdk::Surroundings;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{BadTemplate, Escape, Language, is_about_messages};

/// What there is without any configuration.
static BUILT_IN: LazyLock<Surroundings> = LazyLock::new(|| {
    let functions =
        Functions::new().with(alertmanager::FUNCTIONS).regex_dialect(model::matcher::regex_from_go);
    let mut set = Set::new(functions);
    for (name, text) in
        [("defaults.tmpl", include_str!("defaults.tmpl")), ("email.tmpl", include_str!("email.tmpl"))]
    {
        let read = set.parse(name, text);
        assert!(read.is_ok(), "a built-in template is bad: {read:?}");
    }
    Surroundings { templates: Arc::new(set) }
});

/// The templates that are built in.
pub fn built_in() -> Surroundings {
    BUILT_IN.clone()
}

/// A Go template, compiled.
pub(super) struct Go {
    text: Text,
    limits: Limits,
}

impl Go {
    /// Reads a template, and tries it on a notification of each kind. What fails on these alone is
    /// [remarked](sdk::remarks) upon: other notifications have other alerts and labels.
    pub(super) fn new<L: Language>(source: &str) -> Result<Self, BadTemplate> {
        if !is_about_messages::<L>() {
            return Err(BadTemplate::Engine("a Go template can only be about a message".to_owned()));
        }
        let mode = if L::ESCAPE == Escape::Html { Mode::Html } else { Mode::Text };
        let text = Surroundings::current().templates.text(source, mode).map_err(plain)?;
        let limits = Limits { output_bytes: L::MAX_OUTPUT_BYTES, ..Limits::default() };
        let go = Go { text, limits };
        let mut may_fail = false;
        for (when, sample) in SAMPLES.iter() {
            match go.run(sample) {
                Err(error) if error.stage == Stage::Run && !may_fail => {
                    may_fail = true;
                    sdk::remark(&format!("a template fails {when}, in {}", plain(error)));
                }
                Err(error) if error.stage == Stage::Run => {}
                tried => tried.map(drop).map_err(plain)?,
            }
        }
        Ok(go)
    }

    /// Renders it over a message's data.
    pub(super) fn render(&self, sample: &Sample) -> Result<String, BadTemplate> {
        self.run(sample).map_err(plain)
    }

    fn run(&self, sample: &Sample) -> Result<String, Error> {
        self.text.render(&sample.data, &self.limits, sample.at)
    }
}

/// An error as the field that holds the template shows it. What the inline text is called is left out, since it
/// has no name.
fn plain(error: Error) -> BadTemplate {
    let text = error.text.replacen("template: :", "line ", 1).replacen("html/template::", "line ", 1);
    let text = text.replacen(" executing \"\" at", " at", 1);
    BadTemplate::Engine(text)
}

/// Data and the time that it is of.
pub(super) struct Sample {
    data: gotemplate::Value,
    at: jiff::Timestamp,
}

impl Sample {
    /// Of a message, or of what is tried before there is one.
    pub(super) fn new(notification: &Notification) -> Result<Self, String> {
        let data = Data {
            status: notification.status(),
            alerts: notification.alerts.iter().map(alert).collect(),
            notification_reason: reason(notification.reason).into(),
            group_labels: labels(&notification.group_labels),
            common_labels: labels(&notification.common_labels),
            common_annotations: labels(&notification.common_annotations),
            external_url: notification.external_url.as_str().into(),
            truncated_alerts: notification.truncated,
            ..Data::new(&quoted(&notification.receiver))
        };
        Ok(Sample { data: data.value()?, at: notification.at.to_timestamp() })
    }
}

/// Alertmanager makes a regular expression of a receiver's name, since its own pages filter by one.
fn quoted(receiver: &str) -> String {
    let mut out = String::with_capacity(receiver.len());
    for char in receiver.chars() {
        if r"\.+*?()|[]{}^$".contains(char) {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

/// Why now, in Alertmanager's words where it has some.
fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::First => "first notification",
        Reason::NewAlerts => "new alerts added",
        Reason::AllResolved => "all alerts resolved",
        Reason::SomeResolved => "some alerts resolved",
        Reason::Repeat => "repeat interval elapsed",
        Reason::Acknowledged => "acknowledged",
        Reason::Flapping => "flapping",
        Reason::Calmed => "calm again",
        Reason::Storm => "storm",
        Reason::StormOver => "storm over",
        Reason::Changed => "changed",
        Reason::Noted => "noted",
        Reason::Paged => "paged",
        Reason::Digest => "digest",
        Reason::OnCall => "on call",
        Reason::Test => "test",
    }
}

fn labels(labels: &Labels) -> gotemplate::Value {
    kv(labels.iter().map(|(name, value)| (name.into(), value.into())))
}

fn alert(alert: &notification::Alert) -> Alert {
    let resolved = alert.state == State::Resolved;
    let end = alert.ends_at.filter(|_| resolved);
    Alert {
        status: if resolved { "resolved" } else { "firing" },
        labels: labels(&alert.labels),
        annotations: labels(&alert.annotations),
        starts_at: Moment::utc(alert.started_at.to_timestamp()),
        ends_at: end.map_or_else(Moment::zero, |end| Moment::utc(end.to_timestamp())),
        generator_url: alert.link.as_str().into(),
        fingerprint: format!("{:016x}", alert.labels.fingerprint()).into(),
    }
}

/// What templates are tried on before they are taken.
static SAMPLES: LazyLock<Vec<(&str, Sample)>> = LazyLock::new(|| {
    let all = [
        (
            "on a sample of two alerts that fire and one that is over",
            sample(Reason::First, &[(1, State::Open), (2, State::Open), (3, State::Resolved)]),
        ),
        ("on a sample of one alert that is over", sample(Reason::AllResolved, &[(1, State::Resolved)])),
    ];
    all.into_iter().filter_map(|(when, sample)| Some((when, Sample::new(&sample).ok()?))).collect()
});

fn sample(reason: Reason, alerts: &[(i64, State)]) -> Notification {
    let at = Time::from_seconds(1_767_323_045);
    let pairs = |pairs: &[(&str, &str)]| -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let one = |(number, state): &(i64, State)| {
        let instance = format!("host{number}:9100");
        notification::Alert {
            incident: Id(*number),
            state: *state,
            severity: Severity::Critical,
            title: "Disk is almost full".to_owned(),
            labels: pairs(&[
                ("alertname", "DiskFull"),
                ("instance", &instance),
                ("job", "node"),
                ("severity", "critical"),
            ]),
            annotations: pairs(&[
                ("description", "The disk has less than 5 % left."),
                ("runbook_url", "https://runbooks.example/disk"),
                ("summary", "Disk is almost full"),
            ]),
            started_at: at,
            ends_at: (*state == State::Resolved).then(|| at + std::time::Duration::from_secs(600)),
            link: "https://prometheus.example/graph".to_owned(),
            acknowledged_by: None,
            flapping: None,
            chain: 0,
        }
    };
    let alerts: Vec<notification::Alert> = alerts.iter().map(one).collect();
    let (common_labels, common_annotations) = Notification::common(&alerts);
    Notification {
        idempotency_key: "sample".to_owned(),
        reason,
        receiver: "sample".to_owned(),
        route: String::new(),
        group_key: "{}:{}".to_owned(),
        group_labels: pairs(&[("alertname", "DiskFull")]),
        common_labels,
        common_annotations,
        external_url: "https://nightbell.example".to_owned(),
        alerts,
        truncated: 0,
        storm: None,
        at,
    }
}

/// What may stand in settings: a Jinja text, or `{ go = "…" }`.
pub(super) enum Written {
    /// Jinja.
    Jinja(String),
    /// Go.
    Go(String),
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a template, or a table with `go`")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Written, E> {
        Ok(Written::Jinja(text.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Written, E> {
        Ok(Written::Jinja(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
        let mut go = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != "go" {
                return Err(serde::de::Error::unknown_field(&key, &["go"]));
            }
            go = Some(map.next_value()?);
        }
        go.map(Written::Go).ok_or_else(|| serde::de::Error::missing_field("go"))
    }
}

#[cfg(test)]
mod tests;
