//! What is Argus' and what is ours, side by side: the one place that knows both.
//!
//! | Argus | here |
//! |---|---|
//! | level 1 … 5 | [`Severity::level`] |
//! | description | title, and the annotation `description` where it is more than a line |
//! | `details_url` | link |
//! | tags | labels, the first value of each key; all of them in `Extra::tags` |
//! | source | the labels `source` and `source_type`, and `Extra::source` |
//! | `end_time` null | `Extra::stateless`: it ends by itself, and is never open |
//! | events | lines of the timeline |
//! | settings of media `email` | those of a destination that goes through the hub's own account |
//! | acknowledgements | lines of the timeline, and `Extra::acknowledgements` |

use model::incident::{Change, ChangeKind};
use model::profile::EventType;
use model::{Id, Incident, Severity, Time};
use serde_json::{Value, json};
use store::ledger::Line;
use store::sources::Source;

/// The level of an incident for which none is given: the mildest.
pub(super) const DEFAULT_LEVEL: i64 = 5;
/// What an end that is not known is called.
pub(super) const INFINITY: &str = "infinity";

/// The severity of a level.
pub(super) fn severity(level: i64) -> Result<Severity, String> {
    Severity::from_level(level)
        .ok_or_else(|| format!("{level} is no level: write 1 (critical) to 5 (information)"))
}

/// The key of a source's incident, by what the source calls it.
pub(super) fn key(source: Id, name: &str) -> String {
    format!("argus:{source}:{name}")
}

/// The key of a source's incident that the source has no name for.
pub(super) fn nameless_key(source: Id, incident: Id) -> String {
    format!("argus:{source}#{incident}")
}

/// What events of a source come through.
pub(super) fn origin(source: &Source) -> String {
    format!("argus/{}", source.name)
}

/// Where a destination of the media `email` is; here it is `to`, a list.
pub(super) const EMAIL_ADDRESS: &str = "email_address";
/// Whether such a one is kept in step with its account; here that is no setting.
pub(super) const SYNCED: &str = "synced";

/// Settings of a destination as they are kept here.
pub(super) fn settings_as_ours(mut settings: Value) -> Value {
    let Some(fields) = settings.as_object_mut() else { return settings };
    if let Some(address) = fields.remove(EMAIL_ADDRESS) {
        fields.insert("to".to_owned(), json!([address]));
        fields.remove(SYNCED);
    }
    settings
}

/// The same as Argus has them.
pub(super) fn settings_as_theirs(kind: &str, settings: Value) -> Value {
    let only =
        settings.as_object().filter(|all| kind == "email" && all.len() == 1).and_then(|all| all.get("to"));
    match only.and_then(Value::as_array).map(Vec::as_slice) {
        Some([address]) => json!({ EMAIL_ADDRESS: address }),
        _ => settings,
    }
}

/// What people say of a destination that goes through the hub's own account.
pub(super) fn account_schema(kind: &str) -> Option<Value> {
    let (name, title, format) = match kind {
        "email" => (EMAIL_ADDRESS, "E-mail address", "email"),
        "sms" => ("phone_number", "Phone number, such as +4791234567", "phone"),
        _ => return None,
    };
    let field = json!({ "type": "string", "title": title, "format": format });
    let mut schema = json!({ "type": "object", "required": [name], "properties": { name: field } });
    schema["title"] = format!("Settings of {kind}").into();
    Some(schema)
}

/// An address as it leads somewhere: what has no host is the source's own.
pub(super) fn absolute(base: &str, url: &str) -> String {
    if url.is_empty() || url.contains("://") || base.is_empty() {
        return url.to_owned();
    }
    format!("{}/{}", base.trim_end_matches('/'), url.trim_start_matches('/'))
}

/// When an incident was over, as Argus writes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    /// It has none.
    Stateless,
    /// Not yet.
    Open,
    /// Then; it may lie ahead.
    At(Time),
}

/// When it was over.
pub(super) fn end(incident: &Incident) -> End {
    match (incident.more().stateless, incident.resolved_at.or(sure_end(incident))) {
        (true, _) => End::Stateless,
        (false, Some(at)) => End::At(at),
        (false, None) => End::Open,
    }
}

/// An end that its source has said; for how long others may be silent is none.
fn sure_end(incident: &Incident) -> Option<Time> {
    incident.ends_at.filter(|_| incident.more().source.is_some() && !incident.times_out)
}

/// What a line of a timeline is as an event, and what it says. Lines about what is told are none, and a stateless
/// incident has no end that could be told of.
pub(super) fn event(incident: &Incident, line: &Line) -> Option<(EventType, String)> {
    let Change { kind, detail, .. } = &line.change;
    let text = match kind {
        ChangeKind::Opened => String::new(),
        ChangeKind::Noted => EventType::in_note(detail).map_or(detail.as_str(), |(_, text)| text).to_owned(),
        ChangeKind::Snoozed | ChangeKind::Unacknowledged | ChangeKind::SnoozeEnded => {
            format!("{} {detail}", kind.name().replace('_', " ")).trim().to_owned()
        }
        ChangeKind::SeverityChanged => format!("level: {detail}"),
        _ => detail.clone(),
    };
    EventType::at(incident, &line.change).map(|event| (event, text))
}

/// When what a line says happened.
pub(super) fn happened(incident: &Incident, line: &Line) -> Time {
    match line.change.kind {
        ChangeKind::Opened => incident.started_at,
        ChangeKind::Resolved | ChangeKind::TimedOut => {
            incident.resolved_at.filter(|end| *end <= line.at).unwrap_or(line.at)
        }
        _ => line.at,
    }
}

/// What people call a type of events.
pub(super) fn display(kind: EventType) -> &'static str {
    match kind {
        EventType::Start => "Incident start",
        EventType::End => "Incident end",
        EventType::Change => "Incident change",
        EventType::Restart => "Incident restart",
        EventType::Close => "Close",
        EventType::Reopen => "Reopen",
        EventType::Acknowledge => "Acknowledge",
        EventType::Other => "Other",
        EventType::Stateless => "Stateless",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_severities_and_addresses_lead_somewhere() {
        assert_eq!((severity(1), severity(5)), (Ok(Severity::Critical), Ok(Severity::Info)));
        assert!(severity(0).is_err() && severity(6).is_err());
        assert_eq!(absolute("https://zino/x/", "/case/1"), "https://zino/x/case/1");
        assert_eq!(absolute("https://zino", "http://other/1"), "http://other/1");
        assert_eq!(
            (absolute("", "/case/1").as_str(), absolute("https://zino", "").as_str()),
            ("/case/1", "")
        );
    }

    #[test]
    fn notes_carry_types_and_nothing_else_passes_for_one() {
        let opened = Incident::open(&model::Event::arrive(
            model::NewEvent::raise("t", model::Labels::new()),
            Id(1),
            Time(0),
        ));
        let read = |detail: String| {
            let change = Change { kind: ChangeKind::Noted, by: "ann".into(), detail };
            event(&opened.0, &Line { id: Id(2), incident: Id(1), at: Time(0), change, rules: 0 }).unwrap()
        };
        for (kind, text) in [(EventType::End, "x"), (EventType::Other, "y"), (EventType::Other, "[END] z")] {
            assert_eq!(read(kind.noted(text)), (kind, text.to_owned()));
        }
    }
}
