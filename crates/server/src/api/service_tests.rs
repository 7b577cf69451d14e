//! Service tests: a kind of destination is tried out with options that anybody can edit, and says what came of it.

use axum::Json;
use axum::extract::{Query, State};
use model::Severity;
use model::delivery::Outcome;
use sdk::secret::{REDACTED, redact};
use sdk::{BadSettings, MessageKind, Registry, sample};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::app::{App, Exposed, Shared};
use crate::body::OptionalJson;
use crate::error::{Answer, Problem};
use crate::input::{Name, short};
use crate::limits::SERVICE_TEST_TIME;
use crate::views::Page;
use crate::views::words;

/// Which destination a test is of.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct OfIn {
    /// A destination such as `ops/slack/0`: its settings take the place of the defaults.
    #[param(required = false)]
    destination: String,
}

/// What a test of a kind may be told, with what goes where nothing is said: to be edited and posted back.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceTest)]
pub(super) struct ServiceTestView {
    /// The kind.
    kind: String,
    /// The destination whose settings these are; empty: of none.
    destination: String,
    /// The settings of the place to send to, with `<secret>` in the place of secrets that are set. Left as it is, that
    /// stands for them.
    #[schema(value_type = Object)]
    settings: Value,
    /// What is sent.
    message: MessageView,
    /// What else the kind understands.
    #[schema(value_type = Object)]
    options: Value,
}

/// The message of a test.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceTestMessage)]
struct MessageView {
    /// `firing`, `repeated`, `acknowledged`, `resolved` or `test`.
    #[schema(value_type = String)]
    kind: MessageKind,
    /// What it is about.
    title: String,
    /// How bad it is.
    #[schema(value_type = words::Severity)]
    severity: Severity,
}

/// A test to be made. What is left out is as the `GET` says.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = NewServiceTest)]
pub(super) struct ServiceTestIn {
    /// The kind, as the path says it.
    kind: Option<String>,
    /// A destination whose settings go where none are given.
    destination: String,
    /// Settings of the place to send to.
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
    /// What is sent.
    message: MessageIn,
    /// What else the kind understands.
    #[schema(value_type = Object)]
    options: Map<String, Value>,
}

/// The message of a test.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = NewServiceTestMessage)]
struct MessageIn {
    /// `firing`, `repeated`, `acknowledged`, `resolved` or `test`.
    #[schema(value_type = Option<String>)]
    kind: Option<MessageKind>,
    /// What it is about.
    title: Option<String>,
    /// How bad it is.
    #[schema(value_type = Option<words::Severity>)]
    severity: Option<Severity>,
}

/// What came of a test.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceTested)]
pub(super) struct TestedView {
    /// Whether the other side took it.
    success: bool,
    /// What it calls it, or why it was not taken.
    message: String,
    /// `delivered`, `accepted`, `retry` or `rejected`.
    outcome: &'static str,
    /// The status, where the channel has such numbers.
    status: Option<i64>,
    /// The beginning of what the other side said, without secrets.
    text: String,
}

/// Lists what can be tested.
#[utoipa::path(
    get,
    path = "/api/v1/service-tests",
    tag = "receivers",
    summary = "List what each kind of destination may be told in a test",
    security(("token" = ["admin"])),
    responses((status = 200, description = "All kinds of destinations", body = Page<ServiceTestView>)),
)]
pub(super) async fn list_service_tests(State(app): State<Shared>) -> Json<Page<ServiceTestView>> {
    let (kinds, exposed) = (app.kinds(), app.exposed());
    let all = kinds.destinations().map(|(facts, _)| ServiceTestView::of_kind(&kinds, &exposed, facts.kind));
    Json(Page::whole(all.collect()))
}

/// Shows what a test may be told.
#[utoipa::path(
    get,
    path = "/api/v1/service-tests/{kind}",
    tag = "receivers",
    summary = "Show what a test of a kind of destination may be told, to be edited and posted back",
    security(("token" = ["admin"])),
    params(("kind" = String, Path, description = "The kind, such as `slack`"), OfIn),
    responses(
        (status = 200, description = "The options with their defaults", body = ServiceTestView),
        (status = 404, description = "There is no such kind or destination", body = Problem),
    ),
)]
pub(super) async fn get_service_test(
    State(app): State<Shared>,
    Name(kind): Name,
    of: Result<Query<OfIn>, axum::extract::rejection::QueryRejection>,
) -> Answer<Json<ServiceTestView>> {
    let Query(of) = of.map_err(|error| Problem::bad(error.body_text()))?;
    let kinds = app.kinds();
    let schema = schema_of(&kinds, &kind)?;
    let mut view = ServiceTestView::of_kind(&kinds, &app.exposed(), &kind);
    if !of.destination.is_empty() {
        let mut settings = settings_of(&app, &kind, &of.destination)?;
        redact(&mut settings, schema);
        view.settings = settings;
        view.message.title = sample::test_title(&of.destination);
        view.destination = of.destination;
    }
    Ok(Json(view))
}

/// Makes a test.
#[utoipa::path(
    post,
    path = "/api/v1/service-tests/{kind}",
    tag = "receivers",
    summary = "Send a message to a place of a kind, really and at once, and tell what came of it",
    description = "Nothing is kept and nothing is tried again. That the other side does not take it is an answer, too: \
        then `success` is false.",
    security(("token" = ["admin"])),
    params(("kind" = String, Path, description = "The kind, such as `slack`")),
    request_body = Option<ServiceTestIn>,
    responses(
        (status = 200, description = "What came of it", body = TestedView),
        (status = 400, description = "The settings or options do not fit the kind", body = Problem),
        (status = 403, description = "It does something on the server's own machine, with other settings than the \
            configuration file's", body = Problem),
        (status = 404, description = "There is no such kind or destination", body = Problem),
    ),
)]
pub(super) async fn make_service_test(
    State(app): State<Shared>,
    Name(kind): Name,
    OptionalJson(wanted): OptionalJson<ServiceTestIn>,
) -> Answer<Json<TestedView>> {
    tried(&app, kind, wanted).await.map(Json)
}

/// Makes a test.
pub(super) async fn tried(app: &App, kind: String, wanted: ServiceTestIn) -> Answer<TestedView> {
    let kinds = app.kinds();
    let schema = schema_of(&kinds, &kind)?;
    if let Some(other) = wanted.kind.as_ref().filter(|other| **other != kind) {
        return Err(Problem::wrong("kind", format!("is {other:?}, and the path says {kind:?}")));
    }
    let exposed = app.exposed();
    let mut settings = match wanted.destination.as_str() {
        "" => defaults_of(&exposed, &kind),
        id => settings_of(app, &kind, id)?,
    };
    let before = settings.clone();
    put_over(&mut settings, wanted.settings);
    if kinds.is_local(&kind) && (wanted.destination.is_empty() || settings != before) {
        let why = "does something on the server's own machine: only a destination of the configuration file is tried, \
                   as it is there";
        return Err(Problem::forbidden(format!("{kind} {why}")));
    }
    check_names("settings", Some(schema), &settings)?;
    if let Some(path) = still_hidden(&settings, "settings") {
        return Err(Problem::wrong(path, "is what is shown in the place of a secret: give the secret"));
    }
    let ready = kinds.ready_within(&kind, settings.clone(), &exposed.templates).map_err(wrong)?;
    let destination = match wanted.destination {
        id if id.is_empty() => format!("test/{kind}/0"),
        id => id,
    };
    let MessageIn { kind: sort, title, severity } = wanted.message;
    let title = short("message.title", title.unwrap_or_else(|| sample::test_title(&destination)))?;
    let now = app.now();
    let (sort, severity) = (sort.unwrap_or(MessageKind::Test), severity.unwrap_or(Severity::Info));
    // several may be made at the same moment
    let key = format!("test-{now}-{}", sort as u8);
    let receiver = destination.split('/').next().unwrap_or_default();
    let mut message = sample::message(sort, &title, severity, &key, receiver, now);
    message.notification.external_url.clone_from(&app.hub.core.live().rules.external_url);
    let mut options = kinds.test_options(&kind).map(defaults_in).unwrap_or_else(|| json!({}));
    put_over(&mut options, wanted.options);
    check_names("options", kinds.test_options(&kind), &options)?;
    let answer = app.hub.try_once(ready, message, options, SERVICE_TEST_TIME, &destination).await;
    // what was given is nobody's to repeat, whoever answers
    let answer = answer.hiding(&sdk::secret::needles(&settings, schema));
    Ok(answer.into())
}

impl ServiceTestIn {
    /// One of this sort, to a place with these settings.
    pub(super) fn of(sort: MessageKind, settings: Map<String, Value>) -> Self {
        let message = MessageIn { kind: Some(sort), ..MessageIn::default() };
        ServiceTestIn { settings, message, ..ServiceTestIn::default() }
    }
}

impl ServiceTestView {
    fn of_kind(kinds: &Registry, exposed: &Exposed, kind: &str) -> Self {
        let mut settings = kinds.destination_schema(kind).map(defaults_in).unwrap_or_default();
        let given = defaults_of(exposed, kind);
        put_over(&mut settings, given.as_object().cloned().unwrap_or_default());
        if let Some(schema) = kinds.destination_schema(kind) {
            redact(&mut settings, schema);
        }
        let message = MessageView {
            kind: MessageKind::Test,
            title: sample::test_title(&format!("test/{kind}/0")),
            severity: Severity::Info,
        };
        let options = kinds.test_options(kind).map_or_else(|| json!({}), defaults_in);
        ServiceTestView { kind: kind.to_owned(), destination: String::new(), settings, message, options }
    }
}

impl From<sdk::Answer> for TestedView {
    fn from(answer: sdk::Answer) -> Self {
        let (success, outcome, message) = match answer.outcome {
            Outcome::Delivered { receipt } => (true, "delivered", receipt),
            Outcome::Accepted { receipt, .. } => (true, "accepted", receipt),
            Outcome::Retry { reason, .. } => (false, "retry", reason),
            Outcome::Rejected { reason } => (false, "rejected", reason),
        };
        TestedView { success, message, outcome, status: answer.status, text: answer.text }
    }
}

fn schema_of<'a>(kinds: &'a Registry, kind: &str) -> Answer<&'a Value> {
    kinds.destination_schema(kind).ok_or_else(|| {
        let known: Vec<&str> = kinds.destinations().map(|(facts, _)| facts.kind).collect();
        Problem::not_found("kind of destination", format_args!("{kind:?}; known are {}", known.join(", ")))
    })
}

/// The settings of a destination that is configured.
fn settings_of(app: &App, kind: &str, id: &str) -> Answer<Value> {
    let live = app.hub.core.live();
    let place = live.places.get(id).filter(|place| place.place.kind == kind);
    let place =
        place.ok_or_else(|| Problem::not_found("destination", format_args!("{id:?} of the kind {kind}")))?;
    Ok(place.place.settings.clone())
}

/// What the configuration says of all destinations of a kind, as far as it is the kind's.
fn defaults_of(exposed: &Exposed, kind: &str) -> Value {
    let mut all = exposed.defaults.get(kind).cloned().unwrap_or_else(|| json!({}));
    if let Some(fields) = all.as_object_mut() {
        fields.retain(|name, _| !config::is_manner(name));
    }
    all
}

/// What stands where nothing is said, as far as a schema says it.
fn defaults_in(schema: &Value) -> Value {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let given =
        properties.filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())));
    given.filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>().into()
}

/// Lays some values over others. What stands for a secret leaves the secret.
fn put_over(below: &mut Value, above: Map<String, Value>) {
    if !below.is_object() {
        *below = json!({});
    }
    let Some(fields) = below.as_object_mut() else { return };
    for (name, value) in above {
        match (value, fields.get_mut(&name)) {
            (Value::String(text), Some(_)) if text == REDACTED => {}
            (Value::Null, _) => drop(fields.remove(&name)),
            (Value::Object(inner), Some(kept)) if holds(&inner, REDACTED) => put_over(kept, inner),
            (value, _) => drop(fields.insert(name, value)),
        }
    }
}

fn holds(fields: &Map<String, Value>, text: &str) -> bool {
    fields.values().any(|value| match value {
        Value::String(it) => it == text,
        Value::Object(inner) => holds(inner, text),
        _ => false,
    })
}

/// Where something still stands for a secret that nobody has given.
fn still_hidden(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::String(text) => (text == REDACTED).then(|| path.to_owned()),
        Value::Object(fields) => {
            fields.iter().find_map(|(name, value)| still_hidden(value, &format!("{path}.{name}")))
        }
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(n, item)| still_hidden(item, &format!("{path}[{n}]")))
        }
        _ => None,
    }
}

/// Refuses what a schema does not know, with the nearest that it does. Without a schema, nothing is known.
fn check_names(what: &str, schema: Option<&Value>, given: &Value) -> Answer<()> {
    let is_open = |schema: &Value| {
        let open = schema.get("additionalProperties").is_some_and(|open| *open != Value::Bool(false));
        open || ["anyOf", "oneOf", "allOf", "patternProperties"].iter().any(|word| schema.get(word).is_some())
    };
    if schema.is_some_and(is_open) {
        return Ok(());
    }
    let known = schema.and_then(|schema| schema["properties"].as_object());
    let known: Vec<&str> = known.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let mut names = given.as_object().into_iter().flatten().map(|(name, _)| name);
    match names.find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let hint = config::hint(name, &known);
            Err(Problem::wrong(format!("{what}.{name}"), format!("unknown option{hint}")))
        }
    }
}

fn wrong(bad: BadSettings) -> Problem {
    match bad {
        BadSettings::Field { path, reason } if path == "settings" => Problem::wrong("settings", reason),
        BadSettings::Field { path, reason } => Problem::wrong(format!("settings.{path}"), reason),
        other => Problem::bad(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_a_secret_leaves_it() {
        let mut settings = json!({"url": "http://a", "http": {"token": "hush", "proxy": "x"}, "gone": 1});
        let given =
            json!({"url": REDACTED, "http": {"token": REDACTED, "proxy": "y"}, "gone": null, "new": 2});
        put_over(&mut settings, given.as_object().cloned().unwrap());
        assert_eq!(settings, json!({"url": "http://a", "http": {"token": "hush", "proxy": "y"}, "new": 2}));
        assert_eq!(still_hidden(&settings, "settings"), None);
        put_over(&mut settings, json!({"key": REDACTED}).as_object().cloned().unwrap());
        assert_eq!(still_hidden(&settings, "settings").as_deref(), Some("settings.key"));
    }
}
