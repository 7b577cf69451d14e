//! Webhooks of any make: templates say where in a JSON body things are.

use std::collections::BTreeMap;

use minijinja::context;
use minijinja::value::Value;
use model::{Action, Labels, NewEvent, Severity, Time};
use schemars::JsonSchema;
use sdk::{Facts, Refusal, Request, Source};
use serde::Deserialize;

use crate::template::{BadTemplate, Expression, Mapping, Names, Template, cut};

/// Events out of one request.
const MAX_ITEMS: usize = 1000;
/// Bytes that all fields of one request may take together.
const MAX_TOTAL_BYTES: usize = 16 * 1024 * 1024;
/// From here on a number is milliseconds, not seconds: the year 5138 in seconds, 1973 in milliseconds.
const FIRST_MILLIS: f64 = 1e11;

/// The kind `webhook` of sources.
pub struct WebhookSource;

/// Where in a body things are. Templates know `body`, the whole of it, `item`, the part that this event is
/// made of, and `index`, its number.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "items": "body.checks",
    "key": "{{ item.id }}",
    "title": "{{ item.name }} on {{ item.host }}",
    "severity": "{{ item.level | default('warning') }}",
    "action": "{{ 'clear' if item.ok else 'raise' }}",
    "labels": {"host": "{{ item.host }}", "team": "db"},
    "annotations": {"description": "{{ item.output | default('') }}"},
}))]
pub struct Settings {
    /// An expression for the list of things to make an event of each, e.g. `body.alerts`; by default the
    /// whole body makes one event.
    items: Option<Expression<Mapping>>,
    /// What the event is about: events of one key make one incident. By default its labels.
    key: Option<Template<Mapping>>,
    /// One line for people.
    title: Option<Template<Mapping>>,
    /// How bad it is: `critical`, `error`, `warning`, `notice` or `info`, a word that other systems have
    /// for one of these, or 1 (the worst) to 5. Nothing means `warning`.
    severity: Option<Template<Mapping>>,
    /// What is said: `raise`, `clear` or `note`, or a word that other systems have for these, such as
    /// `firing` and `resolved`, `down` and `up`. By default everything is a raise.
    action: Option<Template<Mapping>>,
    /// Labels, for routing and grouping. One that comes out empty is left out.
    #[serde(default)]
    labels: BTreeMap<String, Template<Mapping>>,
    /// More for people. One that comes out empty is left out.
    #[serde(default)]
    annotations: BTreeMap<String, Template<Mapping>>,
    /// A link to where it came from.
    link: Option<Template<Mapping>>,
    /// When it began: a time like `2026-01-31T12:00:00Z`, or seconds or milliseconds since 1970. By default
    /// when the request came.
    started_at: Option<Template<Mapping>>,
}

impl Source for WebhookSource {
    const FACTS: Facts = Facts {
        kind: "webhook",
        title: "Webhook",
        about: "Takes in JSON of any shape: templates say where in it key, title, severity, labels \
                and the rest are. A field that a template asks for must be there, or the request is \
                refused with its name; `| default('…')` says what to take instead.",
        docs: "",
        deduplicates: false,
    };
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.key.is_none() && settings.labels.is_empty() {
            return Err("labels: or `key` must be given, so that events can be told apart".to_owned());
        }
        let names = |what: &str, map: &BTreeMap<String, Template<Mapping>>| {
            map.keys().any(String::is_empty).then(|| format!("{what}: has an empty name"))
        };
        match names("labels", &settings.labels).or_else(|| names("annotations", &settings.annotations)) {
            Some(text) => Err(text),
            None => Ok(()),
        }
    }

    fn parse(settings: &Settings, request: &Request<'_>) -> Result<Vec<NewEvent>, Refusal> {
        let body: Value = serde_json::from_slice(request.body)
            .map_err(|error| Refusal(format!("the body is not JSON: {error}")))?;
        let items = items(settings, &body)?;
        let mut budget = MAX_TOTAL_BYTES;
        let mut events = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let names = context! { body => body.clone(), item, index };
            let mut reader =
                Reader { names: names.into(), budget, place: settings.items.is_some().then_some(index) };
            let event = reader.event(settings, request)?;
            budget = reader.budget;
            let place = reader.place();
            event.check().map_err(|error| Refusal(format!("{place}{error}")))?;
            events.push(event);
        }
        Ok(events)
    }
}

fn items(settings: &Settings, body: &Value) -> Result<Vec<Value>, Refusal> {
    let Some(expression) = &settings.items else { return Ok(vec![body.clone()]) };
    let refuse = |reason: String| Refusal(format!("items: {reason}"));
    let list = expression
        .evaluate(&context! { body => body.clone(), item => body.clone(), index => 0 })
        .map_err(|error| refuse(error.to_string()))?;
    // an object can be gone through, too, but its names alone are hardly what is meant
    let is_list =
        matches!(list.kind(), minijinja::value::ValueKind::Seq | minijinja::value::ValueKind::Iterable);
    if !is_list {
        return Err(refuse(format!("not a list, but {}", list.kind())));
    }
    let found: Vec<Value> =
        list.try_iter().map_err(|error| refuse(error.to_string()))?.take(MAX_ITEMS + 1).collect();
    match found.len() > MAX_ITEMS {
        true => Err(refuse(format!("more than {MAX_ITEMS} in one request"))),
        false => Ok(found),
    }
}

/// Reads one event out of one item.
struct Reader {
    names: Names<'static>,
    /// Bytes that may still be written.
    budget: usize,
    /// The item's number, where there are several.
    place: Option<usize>,
}

impl Reader {
    fn place(&self) -> String {
        self.place.map(|index| format!("item {index}: ")).unwrap_or_default()
    }

    fn refusal(&self, field: &str, reason: impl std::fmt::Display) -> Refusal {
        Refusal(format!("{}{field}: {reason}", self.place()))
    }

    fn text(&mut self, field: &str, template: Option<&Template<Mapping>>) -> Result<String, Refusal> {
        let Some(template) = template else { return Ok(String::new()) };
        let text = template.render(&self.names).map_err(|error: BadTemplate| self.refusal(field, error))?;
        match self.budget.checked_sub(text.len()) {
            Some(rest) => self.budget = rest,
            None => {
                return Err(self.refusal(field, format!("all fields take more than {MAX_TOTAL_BYTES} bytes")));
            }
        }
        Ok(text)
    }

    fn word(&mut self, field: &str, template: Option<&Template<Mapping>>) -> Result<String, Refusal> {
        Ok(self.text(field, template)?.trim().to_owned())
    }

    fn labels(&mut self, field: &str, map: &BTreeMap<String, Template<Mapping>>) -> Result<Labels, Refusal> {
        let mut labels = Vec::with_capacity(map.len());
        for (name, template) in map {
            let value = self.text(&format!("{field}.{name}"), Some(template))?;
            if !value.is_empty() {
                labels.push((name.clone(), value));
            }
        }
        Ok(labels.into_iter().collect())
    }

    fn event(&mut self, settings: &Settings, request: &Request<'_>) -> Result<NewEvent, Refusal> {
        let severity = self.word("severity", settings.severity.as_ref())?;
        let action = self.word("action", settings.action.as_ref())?;
        let started_at = self.word("started_at", settings.started_at.as_ref())?;
        let labels = self.labels("labels", &settings.labels)?;
        Ok(NewEvent {
            key: self.word("key", settings.key.as_ref())?,
            action: action_of(&action).map_err(|reason| self.refusal("action", reason))?,
            severity: severity_of(&severity).map_err(|reason| self.refusal("severity", reason))?,
            title: self.word("title", settings.title.as_ref())?,
            annotations: self.labels("annotations", &settings.annotations)?,
            link: self.word("link", settings.link.as_ref())?,
            started_at: time_of(&started_at).map_err(|reason| self.refusal("started_at", reason))?,
            ..NewEvent::raise(&format!("webhook/{}", request.integration), labels)
        })
    }
}

fn action_of(word: &str) -> Result<Action, String> {
    Ok(match word.to_ascii_lowercase().as_str() {
        "" | "raise" | "firing" | "fire" | "alert" | "alerting" | "trigger" | "triggered" | "problem"
        | "open" | "opened" | "down" | "failing" | "failed" | "failure" | "critical" | "error"
        | "warning" => Action::Raise,
        "clear" | "cleared" | "resolved" | "resolve" | "ok" | "okay" | "recovery" | "recovered"
        | "closed" | "close" | "up" | "passing" | "passed" | "success" | "normal" => Action::Clear,
        "note" | "info" => Action::Note,
        _ => return Err(format!("{:?} is none of raise, clear and note", cut(word, 40))),
    })
}

fn severity_of(word: &str) -> Result<Option<Severity>, String> {
    if word.is_empty() {
        return Ok(None);
    }
    let found = word.parse().ok().and_then(Severity::from_level).or_else(|| Severity::from_word(word));
    let bad =
        || format!("{:?} is no severity; known are critical, error, warning, notice and info", cut(word, 40));
    found.map(Some).ok_or_else(bad)
}

fn time_of(text: &str) -> Result<Option<Time>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(number) = text.parse::<f64>() {
        let seconds = if number.abs() >= FIRST_MILLIS { number / 1000.0 } else { number };
        // a cast of a number that is too large ends at the largest there is
        let time = Time((seconds * 1e6).round() as i64);
        let fits = (Time::MIN..=Time::MAX).contains(&time) && number.is_finite();
        return if fits { Ok(Some(time)) } else { Err(format!("{:?} is out of range", cut(text, 40))) };
    }
    let bad = || format!("{:?} is not a time like 2026-01-31T12:00:00Z, nor a number", cut(text, 40));
    text.parse().map(Some).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn settings(fields: serde_json::Value) -> Settings {
        serde_json::from_value(fields).unwrap()
    }

    fn parse(settings: &Settings, body: &[u8]) -> Result<Vec<NewEvent>, String> {
        let now = Time::from_seconds(0);
        let request = Request { integration: "ci", body, content_type: "application/json", now };
        WebhookSource::parse(settings, &request).map_err(|refusal| refusal.0)
    }

    fn mapping() -> Settings {
        settings(json!({
            "items": "body.checks",
            "key": "{{ body.site }}/{{ item.id }}",
            "title": "{{ item.name | default('no name') }}",
            "severity": "{{ item.level }}",
            "action": "{{ item.state }}",
            "labels": {"host": "{{ item.host }}", "zone": "{{ item.zone | default('') }}"},
            "annotations": {"number": "{{ index }}"},
            "link": "https://ci.example/{{ item.id }}",
            "started_at": "{{ item.at }}",
        }))
    }

    #[test]
    fn a_body_is_read_as_the_templates_say() {
        let body = json!({"site": "x", "checks": [
            {"id": 7, "level": 1, "state": "DOWN", "host": "db1", "at": 1_700_000_000, "name": " Disk "},
            {"id": 8, "level": "P3", "state": "resolved", "host": "db2", "at": "2026-01-31T12:00:00+01:00",
             "zone": "a"},
        ]});
        let events = parse(&mapping(), body.to_string().as_bytes()).unwrap();
        insta::assert_debug_snapshot!(events);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let check = |change: serde_json::Value| {
            let mut item = json!({"id": 7, "level": "info", "state": "ok", "host": "db1", "at": 1});
            item.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let good = json!({"id": 7, "level": "info", "state": "ok", "host": "db1", "at": 1});
            parse(&mapping(), json!({"site": "x", "checks": [good, item]}).to_string().as_bytes())
                .unwrap_err()
        };
        assert_eq!(
            check(json!({"level": "dire"})),
            "item 1: severity: \"dire\" is no severity; known are critical, error, warning, notice and info"
        );
        assert_eq!(
            check(json!({"state": "odd"})),
            "item 1: action: \"odd\" is none of raise, clear and note"
        );
        assert_eq!(
            check(json!({"at": "noon"})),
            "item 1: started_at: \"noon\" is not a time like 2026-01-31T12:00:00Z, nor a number"
        );
        assert_eq!(check(json!({"at": 1e40})), "item 1: started_at: \"1e+40\" is out of range");
        assert_eq!(check(json!({"host": "a\0b"})), "item 1: labels.host contains a NUL byte");
        let missing = json!({"site": "x", "checks": [{"id": 1, "level": "info", "state": "ok", "at": 1}]});
        assert_eq!(
            parse(&mapping(), missing.to_string().as_bytes()).unwrap_err(),
            "item 0: labels.host: `item.host` is undefined"
        );
        assert_eq!(parse(&mapping(), b"{}").unwrap_err(), "items: `body.checks` is undefined");
        assert_eq!(parse(&mapping(), br#"{"checks":{}}"#).unwrap_err(), "items: not a list, but map");
        assert!(parse(&mapping(), b"{").unwrap_err().starts_with("the body is not JSON"));
        assert!(parse(&mapping(), &[b'['; 200]).unwrap_err().contains("recursion limit"));
    }

    #[test]
    fn one_body_may_be_one_event() {
        let one = settings(json!({"labels": {"name": "{{ body.name }}{{ item.name }}"}}));
        let event = parse(&one, br#"{"name":"a"}"#).unwrap().remove(0);
        assert_eq!(
            (event.labels.get("name"), event.action, event.source.as_str()),
            (Some("aa"), Action::Raise, "webhook/ci")
        );
        assert_eq!(
            parse(&one, br#"{"name":null}"#).unwrap_err(),
            "at least one label or a key is needed to know the event by"
        );
        assert!(
            WebhookSource::check(&settings(json!({"title": "x"})))
                .unwrap_err()
                .starts_with("labels: or `key`")
        );
    }

    #[test]
    fn a_body_cannot_make_more_than_there_is_room_for() {
        let many = json!({"site": "x", "checks": vec![0; MAX_ITEMS + 1]}).to_string();
        assert_eq!(parse(&mapping(), many.as_bytes()).unwrap_err(), "items: more than 1000 in one request");
        let copies = settings(json!({"items": "body.all", "labels": {"big": "{{ body.big }}"}}));
        let body = json!({"big": "x".repeat(60_000), "all": vec![0; 1000]}).to_string();
        assert_eq!(
            parse(&copies, body.as_bytes()).unwrap_err(),
            "item 279: labels.big: all fields take more than 16777216 bytes"
        );
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(
            body in proptest::collection::vec(any::<u8>(), 0..60),
            text in any::<String>(),
        ) {
            let _ = parse(&mapping(), &body);
            let item = json!({"id": text, "level": "info", "state": "ok", "host": text, "at": text});
            let _ = parse(&mapping(), json!({"site": text, "checks": [item]}).to_string().as_bytes());
        }
    }
}
