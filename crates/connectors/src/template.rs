//! Templates of settings: Jinja, checked when settings are read, bounded when they run.
//!
//! A [`Template`] belongs to a [`Language`], which says how values are escaped, which names it knows and
//! whether a missing name is an error. The messages' languages know:
//!
//! | name | what it is |
//! |---|---|
//! | `kind` | `firing`, `repeated`, `resolved`, `acknowledged` or `test` |
//! | `title`, `body`, `link` | the message in words, and where to read more |
//! | `severity` | `critical`, `error`, `warning`, `notice` or `info` |
//! | `facts` | a list of name and value |
//! | `actions` | a list of `title` and `url` |
//! | `idempotency_key` | constant over all retries |
//! | `status` | `firing` or `resolved`, as Alertmanager has it |
//! | `receiver`, `group_key` | whose message it is, and of which group |
//! | `labels`, `annotations` | what all alerts share |
//! | `alerts` | a list of `title`, `state`, `severity`, `labels`, `annotations`, `started_at`, … |
//! | `notification` | all of it |
//!
//! Beside Jinja's own filters there are `json` (text as JSON, quoted), `truncate(length)`, `urlencode`, and
//! `utc`, which makes `2026-01-31 12:00:00 UTC` of a time.
//! What is no text is written as JSON, and null as nothing.
//!
//! In place of a text a table `{ go = "…" }` may stand: a template in Go's language over Alertmanager's data, with
//! the named templates that Alertmanager has built in and those of the configuration's own files.

mod go;
mod names;

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::LazyLock;

use minijinja::value::{Kwargs, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, context};
use model::Time;
use model::limits::{MAX_LABEL_VALUE_BYTES, TEMPLATE_FUEL};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

pub use go::built_in;
use go::{Go, Written};
pub use names::Names;

/// Bytes of a template as written.
const MAX_TEMPLATE_BYTES: usize = 64 * 1024;
/// Bytes that a message may have once it is rendered.
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
/// How deep macros and blocks may nest.
const MAX_DEPTH: usize = 64;
/// The name that the one template of an environment goes by.
const NAME: &str = "template";

/// How a kind of template is read and written.
pub trait Language: Send + Sync + 'static {
    /// What becomes of values that are printed.
    const ESCAPE: Escape;
    /// Whether a missing name is an error, rather than nothing.
    const STRICT: bool;
    /// The names that it knows.
    const NAMES: &'static [&'static str];
    /// Bytes that it may write.
    const MAX_OUTPUT_BYTES: usize;
}

/// What becomes of values that are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// They stay as they are.
    Nothing,
    /// They cannot break out of HTML.
    Html,
    /// They cannot break out of Slack's markup.
    Slack,
}

const MESSAGE_NAMES: &[&str] = &[
    "kind",
    "title",
    "body",
    "facts",
    "actions",
    "link",
    "severity",
    "idempotency_key",
    "notification",
    "status",
    "receiver",
    "group_key",
    "labels",
    "annotations",
    "alerts",
];

macro_rules! languages {
    ($($(#[$doc:meta])* $name:ident: $escape:ident, $strict:literal, $names:expr, $most:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}
        impl Language for $name {
            const ESCAPE: Escape = Escape::$escape;
            const STRICT: bool = $strict;
            const NAMES: &'static [&'static str] = $names;
            const MAX_OUTPUT_BYTES: usize = $most;
        }
    )*};
}

languages! {
    /// Messages as plain text.
    Plain: Nothing, false, MESSAGE_NAMES, MAX_MESSAGE_BYTES;
    /// Messages as HTML.
    Html: Html, false, MESSAGE_NAMES, MAX_MESSAGE_BYTES;
    /// Messages in Slack's markup.
    Slack: Slack, false, MESSAGE_NAMES, MAX_MESSAGE_BYTES;
    /// Fields of events out of a foreign body; what is missing is an error.
    Mapping: Nothing, true, &["body", "item", "index"], MAX_LABEL_VALUE_BYTES;
}

/// Why a template cannot be used, or did not come to an end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// Over the limit.
    #[error("the template has {0} bytes, the limit is {MAX_TEMPLATE_BYTES}")]
    TooLong(usize),
    /// A name that means nothing here.
    #[error("there is no {name:?} here; known are {known}")]
    UnknownName {
        /// The name.
        name: String,
        /// What there is.
        known: String,
    },
    /// Everything else that the engine finds.
    #[error("{0}")]
    Engine(String),
}

impl From<Error> for BadTemplate {
    fn from(error: Error) -> Self {
        let line = error.line().filter(|line| *line > 1).map(|line| format!(" in line {line}"));
        let what = error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned);
        BadTemplate::Engine(what + &line.unwrap_or_default())
    }
}

/// A template of some language, compiled.
pub struct Template<L: Language> {
    engine: Engine,
    source: String,
    language: PhantomData<fn() -> L>,
}

/// What a template is written in.
enum Engine {
    Jinja(Box<Environment<'static>>),
    Go(Box<Go>),
}

impl<L: Language> Template<L> {
    /// Reads and checks a template.
    ///
    /// # Errors
    /// When it is too long, not in the language, or asks for names, filters or functions that there are not.
    pub fn new(source: &str) -> Result<Self, BadTemplate> {
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(BadTemplate::TooLong(source.len()));
        }
        let mut environment = environment(L::ESCAPE, undefined::<L>());
        let names = with_room(source, || {
            environment.add_template_owned(NAME, source.to_owned())?;
            Ok(environment.get_template(NAME)?.undeclared_variables(false))
        })?;
        check_names::<L>(names, &environment)?;
        check_words(environment.clone())?;
        let engine = Engine::Jinja(Box::new(environment));
        Ok(Template { engine, source: source.to_owned(), language: PhantomData })
    }

    /// Reads a Go template, which may use the named ones around it ([`sdk::Surroundings`]), and tries it on samples.
    ///
    /// # Errors
    /// When it is too long, not in the language, or asks for what there is not. What fails on the values of a sample
    /// alone is [remarked](sdk::remarks) upon.
    pub fn go(source: &str) -> Result<Self, BadTemplate> {
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(BadTemplate::TooLong(source.len()));
        }
        let engine = Engine::Go(Box::new(Go::new::<L>(source)?));
        Ok(Template { engine, source: source.to_owned(), language: PhantomData })
    }

    /// Renders it with these names.
    ///
    /// # Errors
    /// When it runs out of fuel or room, or asks for what is missing.
    pub fn render(&self, names: &Names<'_>) -> Result<String, BadTemplate> {
        let environment = match &self.engine {
            Engine::Jinja(environment) => environment,
            Engine::Go(go) => return go.render(names.sample()?),
        };
        let mut output = Bounded { bytes: Vec::new(), room: L::MAX_OUTPUT_BYTES };
        let template = environment.get_template(NAME)?;
        match template.render_captured_to(names.value().clone(), &mut output) {
            Ok(_) => Ok(String::from_utf8_lossy(&output.bytes).into_owned()),
            Err(error) if error.kind() == ErrorKind::WriteFailure => {
                Err(BadTemplate::Engine(format!("it writes more than {} bytes", L::MAX_OUTPUT_BYTES)))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl<L: Language> fmt::Debug for Template<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.source)
    }
}

impl<'de, L: Language> Deserialize<'de> for Template<L> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let template = match Written::deserialize(deserializer)? {
            Written::Jinja(source) => Template::new(&source),
            Written::Go(source) => Template::go(&source),
        };
        template.map_err(serde::de::Error::custom)
    }
}

impl<L: Language> JsonSchema for Template<L> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Template".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        if !is_about_messages::<L>() {
            return json_schema!({ "type": "string", "format": "template" });
        }
        json_schema!({
            "type": ["string", "object"],
            "format": "template",
            "properties": { "go": { "type": "string" } },
            "required": ["go"],
            "additionalProperties": false,
        })
    }
}

/// An expression of some language, such as `body.alerts`, compiled.
pub struct Expression<L: Language> {
    expression: minijinja::Expression<'static, 'static>,
    source: String,
    language: PhantomData<fn() -> L>,
}

/// What all expressions are compiled in: these are always strict about what they ask for.
static EXPRESSIONS: LazyLock<Environment<'static>> =
    LazyLock::new(|| environment(Escape::Nothing, UndefinedBehavior::Strict));

impl<L: Language> Expression<L> {
    /// Reads and checks an expression.
    ///
    /// # Errors
    /// As [`Template::new`].
    pub fn new(source: &str) -> Result<Self, BadTemplate> {
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(BadTemplate::TooLong(source.len()));
        }
        let (expression, names) = with_room(source, || {
            let expression = EXPRESSIONS.compile_expression_owned(source.to_owned())?;
            let names = expression.undeclared_variables(false);
            Ok((expression, names))
        })?;
        check_names::<L>(names, &EXPRESSIONS)?;
        Ok(Expression { expression, source: source.to_owned(), language: PhantomData })
    }

    /// Works it out with these names.
    ///
    /// # Errors
    /// When it runs out of fuel, or what it asks for is missing.
    pub fn evaluate(&self, names: &Value) -> Result<Value, BadTemplate> {
        let value = self.expression.eval(names.clone())?;
        match value.is_undefined() {
            true => Err(BadTemplate::Engine(format!("`{}` is undefined", self.source))),
            false => Ok(value),
        }
    }
}

impl<L: Language> fmt::Debug for Expression<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.source)
    }
}

impl<'de, L: Language> Deserialize<'de> for Expression<L> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Expression::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl<L: Language> JsonSchema for Expression<L> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Expression".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "expression" })
    }
}

/// Whether its templates are about messages, and not about what comes in.
fn is_about_messages<L: Language>() -> bool {
    L::NAMES == MESSAGE_NAMES
}

/// Reads a template or an expression where it is no danger.
fn with_room<T: Send>(
    source: &str,
    read: impl FnOnce() -> Result<T, Error> + Send,
) -> Result<T, BadTemplate> {
    Ok(model::stack::with_room(source.len(), read).map_err(BadTemplate::Engine)??)
}

fn undefined<L: Language>() -> UndefinedBehavior {
    if L::STRICT { UndefinedBehavior::Strict } else { UndefinedBehavior::Chainable }
}

/// The one place where environments are made.
fn environment(escape: Escape, undefined: UndefinedBehavior) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(undefined);
    environment.set_fuel(Some(TEMPLATE_FUEL));
    environment.set_recursion_limit(MAX_DEPTH);
    // without it errors do not name what is missing
    environment.set_debug(true);
    // it would show everything there is to whoever reads the message
    environment.remove_global("debug");
    let auto_escape = match escape {
        Escape::Nothing => AutoEscape::None,
        Escape::Html => AutoEscape::Html,
        Escape::Slack => AutoEscape::Custom("slack".into()),
    };
    environment.set_auto_escape_callback(move |_| auto_escape.clone());
    environment.set_formatter(print);
    environment.add_filter("json", json);
    environment.add_filter("truncate", truncate);
    environment.add_filter("urlencode", urlencode);
    environment.add_filter("utc", utc);
    environment
}

fn check_names<L: Language>(
    names: impl IntoIterator<Item = String>,
    environment: &Environment<'_>,
) -> Result<(), BadTemplate> {
    let is_known =
        |name: &str| L::NAMES.contains(&name) || environment.globals().any(|(global, _)| global == name);
    match names.into_iter().filter(|name| !is_known(name)).min() {
        Some(name) => Err(BadTemplate::UnknownName { name, known: L::NAMES.join(", ") }),
        None => Ok(()),
    }
}

/// A dry run without any values: finds filters, tests and functions that there are not, which the engine
/// only notices on the way. What else goes wrong is for want of values.
fn check_words(mut environment: Environment<'static>) -> Result<(), BadTemplate> {
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    let mut output = Bounded { bytes: Vec::new(), room: MAX_MESSAGE_BYTES };
    let template = environment.get_template(NAME)?;
    match template.render_captured_to(context! {}, &mut output) {
        Err(error) if matches!(error.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest) => {
            Err(error.into())
        }
        _ => Ok(()),
    }
}

/// Collects output up to a limit.
struct Bounded {
    bytes: Vec<u8>,
    room: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.room {
            return Err(io::Error::other("no room"));
        }
        self.room -= bytes.len();
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a value into the output: text as it is, null as nothing, everything else as JSON; escaped as the
/// language wants it.
fn print(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(());
    }
    let text = match value.as_str() {
        Some(text) => text.to_owned(),
        None => json(value)?,
    };
    match state.auto_escape() {
        _ if value.is_safe() => output.write_str(&text)?,
        AutoEscape::Html => write!(output, "{}", minijinja::HtmlEscape(&text))?,
        AutoEscape::Custom(_) => output.write_str(&escape_slack(&text))?,
        _ => output.write_str(&text)?,
    }
    Ok(())
}

/// Takes the meaning out of the three characters that Slack's markup is made of.
pub fn escape_slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The filter `json`: a value as JSON, fit to stand in a JSON body.
fn json(value: &Value) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| {
        Error::new(ErrorKind::BadSerialization, "cannot be written as JSON").with_source(error)
    })
}

/// The filter `truncate`: at most so many characters, the last one an ellipsis where something was cut.
fn truncate(text: String, length: Option<usize>, options: Kwargs) -> Result<String, Error> {
    let named: Option<usize> = options.get("length")?;
    options.assert_all_used()?;
    Ok(cut(&text, length.or(named).unwrap_or(255)))
}

/// The filter `urlencode`: fit to stand in a query.
fn urlencode(text: String) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The filter `utc`: a time as people read it, to the second; what is none stays as it is.
fn utc(text: String) -> String {
    text.parse::<Time>().map_or(text, sdk::message::moment)
}

/// At most so many characters, the last one an ellipsis where something was cut.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) if most == 0 => String::new(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests;
