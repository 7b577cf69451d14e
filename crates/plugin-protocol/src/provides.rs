//! What a plugin says of itself: in its manifest, or in the answer to `hello`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::{MAX_ABOUT_CHARS, MAX_BATCH, MAX_ID_CHARS, MAX_NAME_CHARS, MAX_PROVIDED};

/// Everything that a plugin provides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provides {
    /// Kinds of destinations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<DestinationKind>,
    /// What it wants to hear of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subscriptions: Vec<Subscription>,
    /// Where it answers over HTTP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Kinds of checks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckKind>,
    /// The schema of its own settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<Value>,
    /// The schema of what each person may set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Value>,
    /// The schema of what may be set for each project or service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<Value>,
}

/// A kind of destination.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DestinationKind {
    /// The word for it in the configuration.
    pub kind: String,
    /// Its name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What it does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Where the other side documents its interface.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub docs: String,
    /// Who reads it.
    #[serde(skip_serializing_if = "Readers::are_people")]
    pub audience: Readers,
    /// Whether the other side drops what it has seen under the same idempotency key.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deduplicates: bool,
    /// The schema of one receiver's settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<Value>,
    /// The schema of what a test may be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_options: Option<Value>,
    /// Deliveries in one call at the most; none: one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<u32>,
    /// Alerts in one message at the most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_alerts: Option<u32>,
}

/// Who reads what a destination is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Readers {
    /// People, who get summaries in a storm.
    #[default]
    People,
    /// Programs, which get everything.
    Machines,
}

impl Readers {
    fn are_people(&self) -> bool {
        *self == Readers::People
    }
}

/// What a plugin wants to hear of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subscription {
    /// What it is called.
    pub name: String,
    /// Which topics, such as `incident.opened` or `incident.*`.
    pub topics: Vec<String>,
    /// Events in one call at the most; none: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<u32>,
    /// Of events that come in, only those that came in by one of these ways, such as `alertmanager`; none: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
}

/// A place where a plugin answers over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// The path under the plugin's own, with `<name>` for what varies.
    pub path: String,
    /// Which methods, in capitals; none: `GET`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Who may.
    pub auth: Access,
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Who has a token of the API.
    #[default]
    Token,
    /// Anybody.
    None,
}

/// A kind of check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckKind {
    /// The word for it in the configuration.
    pub kind: String,
    /// Its name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What it does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The schema of one check's settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<Value>,
}

/// The keys that each thing of a list may have, as a manifest names the lists.
pub const KEYS: [(&str, &[&str]); 4] = [
    (
        "destinations",
        &[
            "kind",
            "title",
            "about",
            "docs",
            "audience",
            "deduplicates",
            "settings",
            "test_options",
            "batch",
            "most_alerts",
        ],
    ),
    ("subscriptions", &["name", "topics", "batch", "sources"]),
    ("routes", &["path", "methods", "auth"]),
    ("checks", &["kind", "title", "about", "settings"]),
];

/// What a plugin may hear of.
pub const TOPICS: [&str; 7] = [
    "event.accepted",
    "incident.opened",
    "incident.acknowledged",
    "incident.resolved",
    "incident.changed",
    "delivery.finished",
    "request.served",
];

/// Whether one of a subscription's topics, which may end in `*`, means this one.
pub fn covers(pattern: &str, topic: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => topic.starts_with(start),
        None => pattern == topic,
    }
}

impl Provides {
    /// What is wrong with it, with where: nothing when it can be used.
    pub fn check(&self) -> Vec<String> {
        let mut wrong = Wrong::default();
        let lists = [
            ("destinations", self.destinations.len()),
            ("subscriptions", self.subscriptions.len()),
            ("routes", self.routes.len()),
            ("checks", self.checks.len()),
        ];
        for (name, length) in lists {
            wrong.unless(length <= MAX_PROVIDED, || format!("{name}: {length} are more than {MAX_PROVIDED}"));
        }
        for (n, it) in self.destinations.iter().enumerate() {
            it.check(&format!("destinations[{n}]"), &mut wrong);
        }
        for (n, it) in self.subscriptions.iter().enumerate() {
            it.check(&format!("subscriptions[{n}]"), &mut wrong);
        }
        for (n, it) in self.routes.iter().enumerate() {
            it.check(&format!("routes[{n}]"), &mut wrong);
        }
        for (n, it) in self.checks.iter().enumerate() {
            wrong.word(&format!("checks[{n}].kind"), &it.kind);
            wrong.schema(&format!("checks[{n}].settings"), it.settings.as_ref());
        }
        for (name, schema) in [("settings", &self.settings), ("user", &self.user), ("project", &self.project)]
        {
            wrong.schema(name, schema.as_ref());
        }
        wrong.twice("destinations", self.destinations.iter().map(|it| it.kind.as_str()));
        wrong.twice("subscriptions", self.subscriptions.iter().map(|it| it.name.as_str()));
        wrong.twice("checks", self.checks.iter().map(|it| it.kind.as_str()));
        // or who may use a method of a path would be as it happens to be looked up
        let claimed: Vec<String> = self.routes.iter().flat_map(Route::claims).collect();
        wrong.twice("routes", claimed.iter().map(String::as_str));
        wrong.0
    }

    /// This and another together, such as a manifest and an answer to `hello`: each may say of a thing what the
    /// other leaves
    /// out.
    ///
    /// # Errors
    /// What they say in different words.
    pub fn and(&self, other: &Provides) -> Result<Provides, String> {
        let as_json = |it: &Provides| {
            let gathered = Provides { routes: gathered(&it.routes), ..it.clone() };
            serde_json::to_value(gathered).unwrap_or_default()
        };
        let (mut mine, theirs) = (as_json(self), as_json(other));
        merge(&mut mine, theirs, "")?;
        serde_json::from_value(mine).map_err(|error| error.to_string())
    }
}

/// Tables of lists, things of lists by what they are called, and what is written of each.
fn merge(mine: &mut Value, theirs: Value, at: &str) -> Result<(), String> {
    let inside = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    match (mine, theirs) {
        (Value::Object(mine), Value::Object(theirs)) => {
            for (name, value) in theirs {
                match mine.get_mut(&name) {
                    // schemas are told as a whole
                    Some(have) if name == "settings" || name == "user" || name == "project" => {
                        same(have, &value, &inside(&name))?;
                    }
                    Some(have) => merge(have, value, &inside(&name))?,
                    None => drop(mine.insert(name, value)),
                }
            }
            Ok(())
        }
        (Value::Array(mine), Value::Array(theirs))
            if mine.iter().chain(&theirs).all(|it| name_of(it).is_some()) =>
        {
            for value in theirs {
                let name = name_of(&value).unwrap_or_default();
                match mine.iter_mut().find(|have| name_of(have).as_ref() == Some(&name)) {
                    Some(have) => merge(have, value, &inside(&name))?,
                    None => mine.push(value),
                }
            }
            Ok(())
        }
        (mine, theirs) => same(mine, &theirs, at),
    }
}

/// What a kind or a subscription is called. A route is known by its path and by who may use it: one path may have a
/// method for everybody, and another for some.
fn name_of(thing: &Value) -> Option<String> {
    let text = |name: &str| thing.get(name)?.as_str();
    let route = || Some(format!("{} for {}", text("path")?, text("auth").unwrap_or("token")));
    text("kind").or_else(|| text("name")).map(str::to_owned).or_else(route)
}

/// Routes with all methods of a path together that the same people may use.
fn gathered(routes: &[Route]) -> Vec<Route> {
    let mut all: Vec<Route> = Vec::new();
    for route in routes {
        match all.iter_mut().find(|it| it.path == route.path && it.auth == route.auth) {
            // what says nothing means something, which has to be said beside others
            Some(known) => known.methods = known.taken().chain(route.taken()).map(str::to_owned).collect(),
            None => all.push(route.clone()),
        }
    }
    for route in &mut all {
        route.methods.sort();
    }
    all
}

fn same(mine: &Value, theirs: &Value, at: &str) -> Result<(), String> {
    if mine == theirs {
        Ok(())
    } else {
        Err(format!("{at}: the manifest and the plugin itself say different things"))
    }
}

impl DestinationKind {
    fn check(&self, at: &str, wrong: &mut Wrong) {
        wrong.word(&format!("{at}.kind"), &self.kind);
        wrong.length(&format!("{at}.title"), &self.title, MAX_NAME_CHARS);
        wrong.length(&format!("{at}.about"), &self.about, MAX_ABOUT_CHARS);
        wrong.length(&format!("{at}.docs"), &self.docs, MAX_ABOUT_CHARS);
        wrong.schema(&format!("{at}.settings"), self.settings.as_ref());
        wrong.schema(&format!("{at}.test_options"), self.test_options.as_ref());
        wrong.batch(&format!("{at}.batch"), self.batch);
        wrong.unless(self.most_alerts != Some(0), || format!("{at}.most_alerts: must not be 0"));
    }
}

impl Subscription {
    fn check(&self, at: &str, wrong: &mut Wrong) {
        wrong.word(&format!("{at}.name"), &self.name);
        wrong.batch(&format!("{at}.batch"), self.batch);
        wrong.unless(!self.topics.is_empty(), || format!("{at}.topics: names none"));
        let of_events = self.topics.iter().any(|topic| covers(topic, TOPICS[0]));
        wrong.unless(self.sources.is_empty() || of_events, || {
            format!("{at}.sources: is for the topic {} only", TOPICS[0])
        });
        for topic in &self.topics {
            let known = TOPICS.iter().any(|known| covers(topic, known));
            wrong.unless(known, || {
                format!("{at}.topics: there is no topic {topic:?}; known are {}", TOPICS.join(", "))
            });
        }
    }
}

impl Route {
    /// The methods that it takes: without any, those that only look.
    pub fn taken(&self) -> impl Iterator<Item = &str> {
        let looking: &[&str] = if self.methods.is_empty() { &["GET", "HEAD"] } else { &[] };
        looking.iter().copied().chain(self.methods.iter().map(String::as_str))
    }

    /// Each method with the path that it is of, whatever the parts of the path are called that vary.
    fn claims(&self) -> impl Iterator<Item = String> {
        let varies = |part: &str| part.starts_with('<') && part.ends_with('>');
        let parts = self.path.split('/').map(|part| if varies(part) { "<>" } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        self.taken().map(move |method| format!("{method} {path}"))
    }

    fn check(&self, at: &str, wrong: &mut Wrong) {
        let path = &self.path;
        let fine = path.starts_with('/')
            && path.len() <= MAX_ABOUT_CHARS
            && !path.split('/').any(|part| part == ".." || part == ".")
            && path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '\\' | '%'));
        wrong.unless(fine, || {
            format!(
                "{at}.path: {path:?} is no path such as /item/<id>: a slash first, plain characters, no .."
            )
        });
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        for method in &self.methods {
            wrong.unless(known.contains(&method.as_str()), || {
                format!("{at}.methods: {method:?} is none of {}", known.join(", "))
            });
        }
    }
}

/// What is wrong, in words that begin with where.
#[derive(Default)]
pub(crate) struct Wrong(pub(crate) Vec<String>);

impl Wrong {
    pub(crate) fn unless(&mut self, fine: bool, what: impl FnOnce() -> String) {
        if !fine {
            self.0.push(what());
        }
    }

    /// An id or a kind.
    pub(crate) fn word(&mut self, at: &str, word: &str) {
        self.unless(is_word(word), || {
            format!(
                "{at}: {word:?} must be a small letter and then small letters, digits, - or _, \
                 {MAX_ID_CHARS} characters at the most"
            )
        });
    }

    pub(crate) fn length(&mut self, at: &str, text: &str, most: usize) {
        self.unless(text.chars().count() <= most, || format!("{at}: is longer than {most} characters"));
    }

    fn batch(&mut self, at: &str, batch: Option<u32>) {
        let fine = batch.is_none_or(|batch| (1..=MAX_BATCH).contains(&batch));
        self.unless(fine, || format!("{at}: must be within 1 to {MAX_BATCH}"));
    }

    /// The schema of settings, which are always a table.
    fn schema(&mut self, at: &str, schema: Option<&Value>) {
        let fine = schema.is_none_or(|schema| {
            schema.is_object() && schema.get("type").is_none_or(|is| is.as_str() == Some("object"))
        });
        self.unless(fine, || format!("{at}: must be a JSON Schema of type object"));
    }

    fn twice<'a>(&mut self, at: &str, names: impl Iterator<Item = &'a str>) {
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            self.unless(seen.insert(name), || format!("{at}: {name:?} is there twice"));
        }
    }
}

/// What the plugin is called that a package of Python is: names of packages are written in several ways.
pub fn of_package(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

/// Whether this may be an id or a kind.
pub fn is_word(word: &str) -> bool {
    let mut characters = word.chars();
    word.len() <= MAX_ID_CHARS
        && characters.next().is_some_and(|c| c.is_ascii_lowercase())
        && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
}

#[cfg(test)]
mod tests;
