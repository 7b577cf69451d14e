//! The registry: kind → connector, and the only list there is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use model::NewEvent;
use model::receiver::Audience;
use schemars::JsonSchema;
use serde_json::Value;

use crate::answer::Answer;
use crate::destination::{Context, Destination, Facts};
use crate::message::Message;
use crate::remarks;
use crate::secret::{self, Secret};
use crate::source::{Refusal, Request, Source};
use crate::surroundings::Surroundings;

mod addresses;

use addresses::Addressing;

/// Settings that do not fit their kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// No such kind.
    #[error("there is no kind {kind:?}; known are {known}")]
    UnknownKind {
        /// What was asked for.
        kind: String,
        /// What there is.
        known: String,
    },
    /// A field that is missing, unknown, or of another type.
    #[error("{path}: {reason}")]
    Field {
        /// Where.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

impl BadSettings {
    /// The same, with none of these in its words.
    fn hiding(self, secrets: &[Secret]) -> Self {
        match self {
            BadSettings::Field { path, reason } => {
                BadSettings::Field { path, reason: secret::hide(reason, secrets) }
            }
            other => other,
        }
    }
}

/// A destination with its settings, ready to be sent to.
pub trait Ready: Send + Sync {
    /// One try.
    fn send<'a>(&'a self, context: &'a Context, message: &'a Message) -> BoxFuture<'a, Answer>;

    /// One try that somebody asked for, with options of the kind's own beside the message.
    fn test<'a>(
        &'a self,
        context: &'a Context,
        message: &'a Message,
        options: &'a Value,
    ) -> BoxFuture<'a, Answer> {
        let _ = options;
        self.send(context, message)
    }

    /// What may go wrong with its settings, without secrets, such as a template that fails on some messages.
    fn remarks(&self) -> &[String] {
        &[]
    }

    /// Alerts that one message to it carries at the most.
    fn most_alerts(&self) -> usize;

    /// Its settings for a log line, without secrets.
    fn describe(&self) -> String {
        String::new()
    }
}

/// A source with its settings, ready to be asked.
pub trait Reader: Send + Sync {
    /// Reads a request.
    ///
    /// # Errors
    /// What is wrong with it.
    fn parse(&self, request: &Request<'_>) -> Result<Vec<NewEvent>, Refusal>;
}

/// Makes a destination ready out of its settings.
pub type MakeReady = Box<dyn Fn(Value) -> Result<Arc<dyn Ready>, BadSettings> + Send + Sync>;
type MakeReader = Box<dyn Fn(Value) -> Result<Arc<dyn Reader>, BadSettings> + Send + Sync>;

/// One kind in the registry.
pub struct Kind<Make> {
    /// What it says of itself.
    pub facts: Facts,
    /// The JSON Schema of its settings.
    pub schema: Value,
    make: Make,
}

/// A kind of destination that was not known when this program was built, such as a plugin's.
pub struct LateKind {
    /// What it says of itself.
    pub facts: Facts,
    /// Who reads it, unless the configuration says otherwise.
    pub audience: Audience,
    /// The JSON Schema of its settings, without references.
    pub schema: Value,
    /// The JSON Schema of what a test of it may be told, if there is anything.
    pub test_options: Option<Value>,
    /// Makes one ready. Settings that it refuses, it tells without secrets.
    pub make: MakeReady,
}

/// A kind of check, which plugins make.
pub struct LateCheck {
    /// The word for it in configuration.
    pub kind: String,
    /// What it does.
    pub about: String,
    /// The JSON Schema of its settings, without references.
    pub schema: Value,
    /// Says what is wrong with settings, without secrets.
    pub fit: Box<dyn Fn(Value) -> Result<(), BadSettings> + Send + Sync>,
}

/// Whose settings of a plugin are meant, beside its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// Each person's.
    Person,
    /// Each project's or service's.
    Project,
}

/// What may be set for a plugin beside its own settings.
pub struct PluginForm {
    /// The JSON Schema of it, without references.
    pub schema: Value,
    /// Puts defaults in, and says what is wrong with the rest, without secrets.
    pub fit: FitForm,
}

/// See [`PluginForm::fit`].
pub type FitForm = Box<dyn Fn(Value) -> Result<Value, BadSettings> + Send + Sync>;

/// There is a kind of that name already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is a kind {kind:?} already: {title}")]
pub struct TwoOfOneName {
    /// The name.
    pub kind: String,
    /// What is called so.
    pub title: String,
}

/// All kinds that this program knows.
#[derive(Default)]
pub struct Registry {
    destinations: BTreeMap<&'static str, Kind<MakeReady>>,
    audiences: BTreeMap<&'static str, Audience>,
    local: BTreeSet<&'static str>,
    addressing: BTreeMap<&'static str, Addressing>,
    test_options: BTreeMap<&'static str, Value>,
    sources: BTreeMap<&'static str, Kind<MakeReader>>,
    checks: BTreeMap<String, LateCheck>,
    plugins: BTreeMap<String, Value>,
    forms: BTreeMap<Whose, BTreeMap<String, PluginForm>>,
    surroundings: Surroundings,
}

impl Registry {
    /// With these around all settings for which nothing else is said.
    #[must_use]
    pub fn surroundings(mut self, surroundings: Surroundings) -> Self {
        self.surroundings = surroundings;
        self
    }

    /// What is around all settings for which nothing else is said: the built-in templates, over which a
    /// configuration reads its own.
    pub fn built_in(&self) -> &Surroundings {
        &self.surroundings
    }

    /// Adds a kind of destination.
    ///
    /// # Panics
    /// When there is one of that name: the list is fixed when the program is built.
    #[must_use]
    pub fn destination<D: Destination>(mut self) -> Self {
        let schema = schema_of::<D::Settings>();
        let marked = schema.clone();
        let make: MakeReady = Box::new(move |raw| {
            let secrets = secret::needles(&raw, &marked);
            let hide = |error: BadSettings| error.hiding(&secrets);
            let (settings, remarks) = remarks::heard(|| read(raw));
            let settings: D::Settings = settings.map_err(hide)?;
            D::check(&settings).map_err(field_error).map_err(hide)?;
            let remarks = hidden(remarks, &secrets);
            Ok(Arc::new(WithSettings::<D> { settings, secrets, remarks }))
        });
        self.audiences.insert(D::FACTS.kind, D::AUDIENCE);
        self.addressing.insert(
            D::FACTS.kind,
            Addressing { fields: D::ADDRESS, read: D::address, is_account: D::is_account },
        );
        if D::LOCAL {
            self.local.insert(D::FACTS.kind);
        }
        let kind = Kind { facts: D::FACTS, schema, make };
        assert!(self.destinations.insert(D::FACTS.kind, kind).is_none(), "two kinds named {}", D::FACTS.kind);
        self
    }

    /// Adds a kind of source.
    ///
    /// # Panics
    /// When there is one of that name.
    #[must_use]
    pub fn source<S: Source>(mut self) -> Self {
        let schema = schema_of::<S::Settings>();
        let marked = schema.clone();
        let make: MakeReader = Box::new(move |raw| {
            let secrets = secret::needles(&raw, &marked);
            let hide = |error: BadSettings| error.hiding(&secrets);
            let settings: S::Settings = read(raw).map_err(hide)?;
            S::check(&settings).map_err(field_error).map_err(hide)?;
            Ok(Arc::new(ReaderWithSettings::<S>(settings)))
        });
        let kind = Kind { facts: S::FACTS, schema, make };
        assert!(self.sources.insert(S::FACTS.kind, kind).is_none(), "two sources named {}", S::FACTS.kind);
        self
    }

    /// Adds a kind of destination that was not known when this program was built.
    ///
    /// # Errors
    /// When there is one of that name.
    pub fn late(&mut self, kind: LateKind) -> Result<(), TwoOfOneName> {
        let LateKind { facts, audience, schema, test_options, make } = kind;
        if let Some(known) = self.destinations.get(facts.kind) {
            let title = known.facts.title.to_owned();
            return Err(TwoOfOneName { kind: facts.kind.to_owned(), title });
        }
        self.audiences.insert(facts.kind, audience);
        self.test_options.extend(test_options.map(|schema| (facts.kind, schema)));
        self.destinations.insert(facts.kind, Kind { facts, schema, make });
        Ok(())
    }

    /// Adds a kind of check.
    ///
    /// # Errors
    /// When there is one of that name.
    pub fn check(&mut self, kind: LateCheck) -> Result<(), TwoOfOneName> {
        if let Some(known) = self.checks.get(&kind.kind) {
            return Err(TwoOfOneName { kind: kind.kind, title: known.about.clone() });
        }
        self.checks.insert(kind.kind.clone(), kind);
        Ok(())
    }

    /// The kinds of checks, by name.
    pub fn checks(&self) -> impl Iterator<Item = &LateCheck> {
        self.checks.values()
    }

    /// A kind of check.
    pub fn check_kind(&self, kind: &str) -> Option<&LateCheck> {
        self.checks.get(kind)
    }

    /// Adds a plugin with the JSON Schema of its own settings.
    pub fn plugin(&mut self, id: &str, schema: Value) {
        self.plugins.insert(id.to_owned(), schema);
    }

    /// Adds what each person, or each project, may set for a plugin.
    pub fn add_form(&mut self, plugin: &str, whose: Whose, form: PluginForm) {
        self.forms.entry(whose).or_default().insert(plugin.to_owned(), form);
    }

    /// The plugins for which each person, or each project, may set something.
    pub fn with_forms(&self, whose: Whose) -> impl Iterator<Item = &str> {
        self.forms.get(&whose).into_iter().flat_map(|forms| forms.keys().map(String::as_str))
    }

    /// What each person, or each project, may set for this plugin.
    pub fn form(&self, plugin: &str, whose: Whose) -> Option<&PluginForm> {
        self.forms.get(&whose)?.get(plugin)
    }

    /// The plugins: id and settings schema.
    pub fn plugins(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.plugins.iter().map(|(id, schema)| (id.as_str(), schema))
    }

    /// The kinds of destinations: facts and settings schema, by name.
    pub fn destinations(&self) -> impl Iterator<Item = (&Facts, &Value)> {
        self.destinations.values().map(|kind| (&kind.facts, &kind.schema))
    }

    /// Who reads what destinations of a kind are told, unless the configuration says otherwise.
    pub fn audience(&self, kind: &str) -> Audience {
        self.audiences.get(kind).copied().unwrap_or_default()
    }

    /// The schema of what a test of a kind may be told, if there is anything.
    pub fn test_options(&self, kind: &str) -> Option<&Value> {
        self.test_options.get(kind)
    }

    /// Whether destinations of a kind do something on this very machine.
    pub fn is_local(&self, kind: &str) -> bool {
        self.local.contains(kind)
    }

    /// The kinds of sources: facts and settings schema, by name.
    pub fn sources(&self) -> impl Iterator<Item = (&Facts, &Value)> {
        self.sources.values().map(|kind| (&kind.facts, &kind.schema))
    }

    /// Makes a destination ready.
    ///
    /// # Errors
    /// When there is no such kind, or the settings do not fit it.
    pub fn ready(&self, kind: &str, settings: Value) -> Result<Arc<dyn Ready>, BadSettings> {
        self.ready_within(kind, settings, &self.surroundings)
    }

    /// Makes a destination ready whose settings may refer to what is around them.
    ///
    /// # Errors
    /// As [`Registry::ready`].
    pub fn ready_within(
        &self,
        kind: &str,
        settings: Value,
        surroundings: &Surroundings,
    ) -> Result<Arc<dyn Ready>, BadSettings> {
        let known = || self.destinations.keys().copied().collect::<Vec<_>>().join(", ");
        let found = self.destinations.get(kind);
        let found =
            found.ok_or_else(|| BadSettings::UnknownKind { kind: kind.to_owned(), known: known() })?;
        surroundings.around(|| (found.make)(settings))
    }

    /// Makes a source ready.
    ///
    /// # Errors
    /// When there is no such kind, or the settings do not fit it.
    pub fn reader(&self, kind: &str, settings: Value) -> Result<Arc<dyn Reader>, BadSettings> {
        let known = || self.sources.keys().copied().collect::<Vec<_>>().join(", ");
        let found = self.sources.get(kind);
        (found.ok_or_else(|| BadSettings::UnknownKind { kind: kind.to_owned(), known: known() })?.make)(
            settings,
        )
    }

    /// The schema of a kind of destination.
    pub fn destination_schema(&self, kind: &str) -> Option<&Value> {
        self.destinations.get(kind).map(|kind| &kind.schema)
    }

    /// The schema of a kind of source.
    pub fn source_schema(&self, kind: &str) -> Option<&Value> {
        self.sources.get(kind).map(|kind| &kind.schema)
    }
}

/// The JSON Schema of a type, without references, so that redaction and forms can walk it.
pub fn schema_of<T: JsonSchema>() -> Value {
    let settings =
        schemars::generate::SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

fn read<T: serde::de::DeserializeOwned>(settings: Value) -> Result<T, BadSettings> {
    serde_path_to_error::deserialize(settings).map_err(|error| {
        let path = error.path().to_string();
        let reason = without_value(error.into_inner().to_string());
        BadSettings::Field { path: if path == "." { "settings".to_owned() } else { path }, reason }
    })
}

/// A check's text begins with the field it is about: `url: …`.
fn field_error(text: String) -> BadSettings {
    let (path, reason) = text.split_once(": ").unwrap_or(("settings", &text));
    BadSettings::Field { path: path.to_owned(), reason: reason.to_owned() }
}

/// serde repeats a value of the wrong type, which may be a secret in the wrong place:
/// ``invalid type: string "hush", expected a map`` becomes `invalid type: string, expected a map`.
fn without_value(reason: String) -> String {
    let Some(rest) =
        ["invalid type: ", "invalid value: "].iter().find_map(|start| reason.strip_prefix(start))
    else {
        return reason;
    };
    match (rest.find(['"', '`']), rest.rfind(", expected ")) {
        (Some(from), Some(to)) if from < to => {
            let value = reason.len() - rest.len() + from..reason.len() - rest.len() + to;
            format!("{}{}", reason[..value.start].trim_end(), &reason[value.end..])
        }
        _ => reason,
    }
}

struct WithSettings<D: Destination> {
    settings: D::Settings,
    /// What no answer may repeat, whoever wrote it.
    secrets: Vec<Secret>,
    /// What was remarked when the settings were read.
    remarks: Vec<String>,
}

fn hidden(remarks: Vec<String>, secrets: &[Secret]) -> Vec<String> {
    remarks.into_iter().map(|remark| secret::hide(remark, secrets)).collect()
}

impl<D: Destination> Ready for WithSettings<D> {
    fn send<'a>(&'a self, context: &'a Context, message: &'a Message) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            let (answer, said) = remarks::heard_within(D::send(context, &self.settings, message)).await;
            let said = hidden(said, &self.secrets);
            for remark in &said {
                tracing::warn!(destination = context.destination, "{remark}");
            }
            answer.hiding(&self.secrets).with_remarks(&said)
        })
    }

    fn remarks(&self) -> &[String] {
        &self.remarks
    }

    fn most_alerts(&self) -> usize {
        D::most_alerts(&self.settings)
    }

    fn describe(&self) -> String {
        format!("{:?}", self.settings)
    }
}

struct ReaderWithSettings<S: Source>(S::Settings);

impl<S: Source> Reader for ReaderWithSettings<S> {
    fn parse(&self, request: &Request<'_>) -> Result<Vec<NewEvent>, Refusal> {
        S::parse(&self.0, request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_do_not_repeat_values_of_the_wrong_type() {
        for (said, shown) in [
            (
                r#"invalid type: string "hu\"sh, expected x", expected a map"#,
                "invalid type: string, expected a map",
            ),
            ("invalid type: integer `5`, expected a string", "invalid type: integer, expected a string"),
            ("invalid type: map, expected a string", "invalid type: map, expected a string"),
            ("missing field `url`", "missing field `url`"),
        ] {
            assert_eq!(without_value(said.to_owned()), shown);
        }
    }

    #[test]
    fn an_unknown_kind_is_told_what_there_is() {
        let error = Registry::default().ready("pigeon", Value::Null).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("there is no kind \"pigeon\"; known are "));
    }
}
