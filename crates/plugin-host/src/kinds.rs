//! Plugins' kinds of destinations, as the registry knows kinds.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures::future::BoxFuture;
use model::delivery::Outcome;
use model::limits::MAX_ALERTS_PER_NOTIFICATION;
use model::project;
use model::receiver::Audience;
use plugin_protocol::Provides;
use plugin_protocol::calls::{Complaint, Delivery, OfProject, Person, Test, TestParams};
use plugin_protocol::limits::{MAX_PAYLOAD_BYTES, TEST_TIME};
use plugin_protocol::provides::{CheckKind, DestinationKind, Readers};
use plugin_protocol::wire::NO_SUCH_METHOD;
use sdk::destination::lasting;
use sdk::registry::{LateCheck, LateKind, PluginForm, Ready, Whose};
use sdk::{Answer, BadSettings, Context, Facts, Message, MessageKind, Secret, Somebody, secret};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::deliver::{DEADLINE_BYTES, answer_of};
use crate::peer::Unanswered;
use crate::plugin::Plugin;
use crate::schema::Schema;

/// The feature of plugins that make tests in their own way.
const TEST: &str = "test";

/// Finds a plugin that is to run.
pub type Find = Arc<dyn Fn(&str) -> Option<Arc<Plugin>> + Send + Sync>;

/// The schemas of what may be set for a plugin beside its own settings.
#[derive(Clone, Default)]
pub struct Forms {
    people: Option<Arc<Schema>>,
    projects: Option<Arc<Schema>>,
}

impl Forms {
    /// Those that a plugin has.
    ///
    /// # Errors
    /// When one is none.
    pub fn of(said: &Provides) -> Result<Self, String> {
        let ready = |name: &str, said: &Option<Value>| {
            let schema = said.as_ref().map(|said| Schema::new(Some(said)).map(Arc::new)).transpose();
            schema.map_err(|why| format!("{name}: {why}"))
        };
        Ok(Forms { people: ready("user", &said.user)?, projects: ready("project", &said.project)? })
    }

    /// The same, for the registry.
    pub fn each(&self) -> impl Iterator<Item = (Whose, PluginForm)> {
        let all = [(Whose::Person, &self.people), (Whose::Project, &self.projects)];
        all.into_iter().filter_map(|(whose, schema)| Some((whose, form(schema.clone()?))))
    }
}

/// A kind of a plugin, for the registry.
///
/// # Errors
/// When its schema is none.
pub fn late(plugin: &str, said: &DestinationKind, forms: &Forms, find: &Find) -> Result<LateKind, String> {
    let schema =
        Schema::new(said.settings.as_ref()).map_err(|why| format!("{}.settings: {why}", said.kind))?;
    let title = if said.title.is_empty() { &said.kind } else { &said.title };
    let about = match said.about.as_str() {
        "" => format!("Of the plugin {plugin}."),
        about => format!("{} Of the plugin {plugin}.", about.trim()),
    };
    let facts = Facts {
        kind: lasting(&said.kind),
        title: lasting(title),
        about: lasting(&about),
        docs: lasting(&said.docs),
        deduplicates: said.deduplicates,
    };
    let audience = match said.audience {
        Readers::People => Audience::People,
        Readers::Machines => Audience::Machines,
    };
    let json = schema.json().clone();
    let test_options = match &said.test_options {
        None => None,
        given => {
            let schema =
                Schema::new(given.as_ref()).map_err(|why| format!("{}.test_options: {why}", said.kind))?;
            Some(schema.json().clone())
        }
    };
    let (plugin, said, find, forms) = (plugin.to_owned(), said.clone(), find.clone(), forms.clone());
    let make = Box::new(move |raw: Value| {
        let secrets = secret::needles(&raw, schema.json());
        let settings = schema.fit(raw).map_err(|all| first(&all))?;
        let (plugin, kind, find) = (plugin.clone(), said.kind.clone(), find.clone());
        let batch = said.batch.unwrap_or(1) as usize;
        let most_alerts = said.most_alerts.map_or(MAX_ALERTS_PER_NOTIFICATION, |most| most as usize);
        let mut shown = settings.clone();
        secret::redact(&mut shown, schema.json());
        let options = said.test_options.clone();
        let ready = PluginPlace {
            plugin,
            kind,
            settings,
            shown,
            secrets,
            batch,
            most_alerts,
            options,
            forms: forms.clone(),
            hidden_from: Mutex::default(),
            find,
        };
        Ok(Arc::new(ready) as Arc<dyn Ready>)
    });
    Ok(LateKind { facts, audience, schema: json, test_options, make })
}

/// A kind of check of a plugin, for the registry.
///
/// # Errors
/// When its schema is none.
pub fn check(plugin: &str, said: &CheckKind) -> Result<LateCheck, String> {
    let schema =
        Schema::new(said.settings.as_ref()).map_err(|why| format!("{}.settings: {why}", said.kind))?;
    let about = if said.about.is_empty() { format!("Of the plugin {plugin}.") } else { said.about.clone() };
    let (kind, json) = (said.kind.clone(), schema.json().clone());
    let fit = Box::new(move |raw: Value| schema.fit(raw).map(drop).map_err(|all| first(&all)));
    Ok(LateCheck { kind, about, schema: json, fit })
}

fn form(schema: Arc<Schema>) -> PluginForm {
    let json = schema.json().clone();
    let fit = Box::new(move |raw: Value| schema.fit(raw).map_err(|all| first(&all)));
    PluginForm { schema: json, fit }
}

fn first(complaints: &[Complaint]) -> BadSettings {
    let Some(Complaint { path, message }) = complaints.first() else {
        return BadSettings::Field { path: "settings".to_owned(), reason: "do not fit".to_owned() };
    };
    let path = if path.is_empty() { "settings".to_owned() } else { path.clone() };
    BadSettings::Field { path, reason: message.clone() }
}

/// A destination that a plugin is to tell.
struct PluginPlace {
    plugin: String,
    kind: String,
    settings: Value,
    shown: Value,
    secrets: Vec<Secret>,
    batch: usize,
    most_alerts: usize,
    /// the schema of what a test may be told
    options: Option<Value>,
    /// what may be set for the plugin by people and for projects
    forms: Forms,
    /// the plugin whose log knows the secrets
    hidden_from: Mutex<Weak<Plugin>>,
    find: Find,
}

impl Ready for PluginPlace {
    fn send<'a>(&'a self, context: &'a Context, message: &'a Message) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            let answer = match message.kind {
                // whoever asks for a test without saying more gets the plugin's own, with its defaults
                MessageKind::Test => self.tried(context, message, &json!({})).await,
                _ => self.tell(context, message).await,
            };
            answer.hiding(&self.secrets)
        })
    }

    fn test<'a>(
        &'a self,
        context: &'a Context,
        message: &'a Message,
        options: &'a Value,
    ) -> BoxFuture<'a, Answer> {
        Box::pin(async move { self.tried(context, message, options).await.hiding(&self.secrets) })
    }

    fn most_alerts(&self) -> usize {
        self.most_alerts
    }

    fn describe(&self) -> String {
        format!("{} of the plugin {}: {}", self.kind, self.plugin, self.shown)
    }
}

impl PluginPlace {
    /// Has the plugin make a test in its own way, if it has one; else it is told the message.
    async fn tried(&self, context: &Context, message: &Message, options: &Value) -> Answer {
        let Some(plugin) = (self.find)(&self.plugin) else { return self.tell(context, message).await };
        let limit = context.timeout.min(TEST_TIME);
        let until = Instant::now() + limit;
        let running = match plugin.ready(limit).await {
            Ok(running) => running,
            Err(why) => return Answer::bare(Outcome::down(why)),
        };
        if !plugin.has(TEST) {
            return self.tell(context, message).await;
        }
        let options = match Schema::new(self.options.as_ref()).map(|schema| schema.fit(options.clone())) {
            Ok(Ok(options)) => options,
            Ok(Err(wrong)) => {
                let all: Vec<String> = wrong.iter().map(ToString::to_string).collect();
                return Answer::bare(Outcome::rejected(format!("options: {}", all.join("; "))));
            }
            Err(why) => return Answer::bare(Outcome::rejected(format!("options: {why}"))),
        };
        self.hide_from(&plugin);
        let projects = self.projects(&plugin, context, message);
        let (kind, settings) = (self.kind.clone(), self.settings.clone());
        let params = TestParams { kind, settings, options, projects };
        let left = until.duration_since(Instant::now());
        let answer = match running.call::<Test>(&params, left).await {
            Ok(outcome) => answer_of(outcome),
            // it has none for this kind
            Err(Unanswered::Fault(fault)) if fault.code == NO_SUCH_METHOD => {
                return self.tell(context, message).await;
            }
            Err(why) => Answer::bare(Outcome::down(why.to_string())),
        };
        plugin.journal.hiding(answer)
    }

    /// Its secrets are to be seen in no log, before the plugin hears them. Once is enough for each plugin.
    fn hide_from(&self, plugin: &Arc<Plugin>) {
        let mut known = self.hidden_from.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Arc::downgrade(plugin);
        if !known.ptr_eq(&now) {
            plugin.journal.hide(&self.secrets);
            *known = now;
        }
    }

    /// People in the plugin's words, with what they have set for it, whose secrets are to be seen in no log.
    fn people(&self, plugin: &Plugin, people: &[Somebody]) -> Vec<Person> {
        let person = |it: &Somebody| {
            let settings = set(plugin, it.settings.get(&self.plugin), self.forms.people.as_deref());
            Person { id: it.id.to_string(), name: it.name.clone(), email: it.email.clone(), settings }
        };
        people.iter().map(person).collect()
    }

    /// The projects that a message is about, with what is set for them: for plugins that want to know.
    fn projects(&self, plugin: &Plugin, context: &Context, message: &Message) -> Vec<OfProject> {
        let Some(schema) = self.forms.projects.as_deref() else { return Vec::new() };
        let known = context.people.projects.get(&self.plugin);
        let names: BTreeSet<&str> =
            message.notification.alerts.iter().filter_map(|it| project::of(&it.labels)).collect();
        let of = |name: &str| {
            let settings = set(plugin, known.and_then(|all| all.get(name)), Some(schema));
            OfProject { name: name.to_owned(), settings }
        };
        names.into_iter().map(of).collect()
    }

    async fn tell(&self, context: &Context, message: &Message) -> Answer {
        let Some(plugin) = (self.find)(&self.plugin) else {
            let why = format!("the plugin {} does not run here", self.plugin);
            return Answer::bare(Outcome::down(why));
        };
        self.hide_from(&plugin);
        let id = message.idempotency_key.clone();
        let delivery = Delivery {
            id: id.clone(),
            key: id.clone(),
            deadline_ms: 0,
            kind: self.kind.clone(),
            destination: context.destination.clone(),
            settings: self.settings.clone(),
            message,
            recipients: self.people(&plugin, &context.people.recipients),
            on_duty: self.people(&plugin, &context.people.on_duty),
            projects: self.projects(&plugin, context, message),
        };
        let json = match fitting(&delivery) {
            Ok(json) => json,
            Err(why) => return Answer::bare(Outcome::rejected(why)),
        };
        let chain = message.notification.chain();
        let answer = plugin.deliver((&id, json), self.batch, chain, context.timeout).await;
        // the plugin knows more secrets than these settings have
        plugin.journal.hiding(answer)
    }
}

/// What is set for a plugin, with its defaults, whose secrets are to be seen in no log.
pub fn set(plugin: &Plugin, set: Option<&Value>, schema: Option<&Schema>) -> Map<String, Value> {
    let mut set = set.cloned().unwrap_or_else(|| json!({}));
    if let Some(schema) = schema {
        plugin.journal.hide(&secret::needles(&set, schema.json()));
        // what does not fit a newer schema is still what was set
        set = schema.fit(set.clone()).unwrap_or(set);
    }
    match set {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// A delivery as it is told, with as many alerts as fit.
///
/// # Errors
/// In words, when it is too long with one.
fn fitting(delivery: &Delivery<&Message>) -> Result<Box<RawValue>, String> {
    let fits = |json: &RawValue| json.get().len() + DEADLINE_BYTES <= MAX_PAYLOAD_BYTES;
    let mut json = to_raw_value(delivery).map_err(|error| error.to_string())?;
    if fits(&json) {
        return Ok(json);
    }
    let mut shorter: Value = serde_json::from_str(json.get()).map_err(|error| error.to_string())?;
    while !fits(&json) {
        if !shorten(&mut shorter["message"]) {
            return Err(format!("{} bytes are more than a plugin can be told at once", json.get().len()));
        }
        json = to_raw_value(&shorter).map_err(|error| error.to_string())?;
    }
    Ok(json)
}

/// Leaves out half of the alerts, and counts them; `false`: there is one, or none.
fn shorten(message: &mut Value) -> bool {
    let notification = &mut message["notification"];
    let truncated = notification["truncated"].as_u64().unwrap_or_default();
    let Some(alerts) = notification["alerts"].as_array_mut().filter(|alerts| alerts.len() > 1) else {
        return false;
    };
    let kept = alerts.len() / 2;
    let left_out = alerts.len() - kept;
    alerts.truncate(kept);
    notification["truncated"] = (truncated + left_out as u64).into();
    true
}
