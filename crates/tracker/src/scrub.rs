//! Secrets are taken out before anything reaches the disk, a plugin or another group of people.
//!
//! Two ways: by *name* (what stands under `password` is one), and by *look* (a card number is one wherever it
//! stands). Names are looked at where only the sender knows the shape: local variables, extra data, contexts,
//! the request, breadcrumbs. The text of an exception, paths of files and the browser's name are looked at
//! for what they look like only, or not at all: an error that cannot be read is no help.
//!
//! What was taken out is `[Filtered]`, or a word for what it was, and has a line in [`Event::notes`].

mod looks;
mod names;
mod own;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use self::looks::Looks;
use self::names::Names;
use self::own::Own;
use crate::event::{Breadcrumb, Change, Data, Event, Note, Notes, Request, Stacktrace};

pub use self::looks::LOOKS;

/// What stands in the place of a secret.
pub const FILTERED: &str = "[Filtered]";
/// Names that a project may add, and as many that it may exempt.
pub const MAX_NAMES: usize = 200;
/// Patterns that a project may add.
pub const MAX_PATTERNS: usize = 10;
/// Bytes of memory that one of them may take when it is made ready.
pub const MAX_PATTERN_MEMORY: usize = 256 << 10;
/// Levels of data that are looked into; the normaliser leaves no more.
const MAX_LEVELS: usize = 64;

/// How a project wants secrets taken out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Names and looks that everybody's secrets have. Without this only the project's own names are looked for.
    pub defaults: bool,
    /// More names whose values are taken out: parts of names, in any case, without regard to `-` and `_`.
    pub sensitive: Vec<String>,
    /// Names whose values stay, whatever they look like: whole names. What is always a secret goes even so:
    /// passwords, cookies of sessions, authorisations.
    pub safe: Vec<String>,
    /// Names whose values stay even though they are always secrets: whole names.
    pub kept_secrets: Vec<String>,
    /// Regular expressions: what they find is taken out, wherever looks are looked at.
    pub patterns: Vec<String>,
    /// Looks that are none: names out of [`LOOKS`].
    pub safe_looks: Vec<String>,
    /// Addresses of users and clients are taken out, too.
    pub ip_addresses: bool,
    /// Nothing is taken out at all.
    pub off: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            defaults: true,
            sensitive: Vec::new(),
            safe: Vec::new(),
            kept_secrets: Vec::new(),
            patterns: Vec::new(),
            safe_looks: Vec::new(),
            ip_addresses: false,
            off: false,
        }
    }
}

/// What cannot be of settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSettings {
    /// Which of them, and the place in its list.
    pub at: (Part, usize),
    /// Why not.
    pub why: String,
}

/// A list of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// [`Settings::safe`].
    Safe,
    /// [`Settings::patterns`].
    Patterns,
    /// [`Settings::safe_looks`].
    SafeLooks,
}

impl Settings {
    /// Whether all of it can be.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn check(&self) -> Result<(), BadSettings> {
        let bad = |part, index: usize, why: String| Err(BadSettings { at: (part, index), why });
        if let Some(index) = self.safe.iter().position(|name| names::is_always_secret(name)) {
            let why = format!(
                "{:?} is a password, a cookie or an authorisation: those that must stay are named by themselves",
                self.safe[index]
            );
            return bad(Part::Safe, index, why);
        }
        for (index, pattern) in self.patterns.iter().enumerate() {
            if let Err(why) = own::compiled(pattern) {
                return bad(Part::Patterns, index, why);
            }
        }
        match self.safe_looks.iter().position(|name| !LOOKS.contains(&name.as_str())) {
            Some(index) => {
                let why = format!("{:?} is none of {}", self.safe_looks[index], LOOKS.join(", "));
                bad(Part::SafeLooks, index, why)
            }
            None => Ok(()),
        }
    }
}

/// Settings made ready; make one for a project and keep it.
#[derive(Debug, Clone)]
pub struct Scrubber {
    names: Names,
    looks: Looks,
    ip_addresses: bool,
    off: bool,
}

impl Default for Scrubber {
    fn default() -> Self {
        Scrubber::new(&Settings::default())
    }
}

/// Where a text stands says which looks are secrets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Among data: a value of its own.
    Value,
    /// In a message, where an address of a person has no business either.
    Message,
}

impl Scrubber {
    /// For these settings. Names beyond [`MAX_NAMES`] are not looked at: whoever takes settings in refuses more.
    pub fn new(settings: &Settings) -> Self {
        Scrubber {
            names: Names::new(settings),
            looks: Looks::new(settings.defaults, &settings.safe_looks, Own::new(&settings.patterns)),
            ip_addresses: settings.ip_addresses,
            off: settings.off,
        }
    }

    /// Takes the secrets out of an event.
    pub fn scrub(&self, event: &mut Event) {
        if self.off {
            return;
        }
        let mut notes = std::mem::take(&mut event.notes);
        let mut walk = Walk { scrubber: self, notes: &mut notes, path: Vec::with_capacity(8) };
        walk.event(event);
        event.notes = notes;
    }

    /// Takes the secrets out of data that is no event's: feedback, say.
    pub fn scrub_text(&self, text: &mut String) {
        if !self.off {
            self.looks.replace(text, Place::Message);
        }
    }
}

/// One pass over an event. The path is written down only when something is found.
struct Walk<'s> {
    scrubber: &'s Scrubber,
    notes: &'s mut Notes,
    path: Vec<Step>,
}

/// A step of the path. Names are borrowed for as long as the step is on it, which no type can say while the
/// value beside the name is changed, so short ones are copied.
enum Step {
    Field(&'static str),
    Key(String),
    Index(usize),
}

impl Walk<'_> {
    fn note(&mut self) {
        let path = &self.path;
        self.notes.push(|| {
            let steps: Vec<String> = path
                .iter()
                .map(|step| match step {
                    Step::Field(name) => (*name).to_owned(),
                    Step::Key(name) => name.chars().take(60).collect(),
                    Step::Index(index) => index.to_string(),
                })
                .collect();
            Note { path: steps.join("."), what: Change::Scrubbed, was: None }
        });
    }

    /// Looks at what stands at one step further.
    fn at(&mut self, step: Step, look: impl FnOnce(&mut Self)) {
        self.path.push(step);
        look(self);
        self.path.pop();
    }

    fn event(&mut self, event: &mut Event) {
        if let Some(message) = &mut event.message {
            self.at(Step::Field("message"), |walk| {
                walk.text(&mut message.formatted, Place::Message);
                message.params.iter_mut().for_each(|param| walk.text(param, Place::Message));
            });
        }
        for (index, exception) in event.exceptions.iter_mut().enumerate() {
            self.at(Step::Field("exceptions"), |walk| {
                walk.at(Step::Index(index), |walk| {
                    walk.optional("value", &mut exception.value, Place::Message);
                    walk.stack(exception.stacktrace.as_mut());
                    walk.stack(exception.raw_stacktrace.as_mut());
                    if let Some(mechanism) = &mut exception.mechanism {
                        walk.data("mechanism", &mut mechanism.data);
                    }
                });
            });
        }
        for thread in &mut event.threads {
            self.at(Step::Field("threads"), |walk| {
                walk.stack(thread.stacktrace.as_mut());
                walk.stack(thread.raw_stacktrace.as_mut());
            });
        }
        self.stack(event.stacktrace.as_mut());
        self.stack(event.raw_stacktrace.as_mut());
        self.breadcrumbs(&mut event.breadcrumbs);
        self.at(Step::Field("tags"), |walk| {
            for (name, value) in &mut event.tags {
                walk.named(name, value);
            }
        });
        if let Some(request) = &mut event.request {
            self.at(Step::Field("request"), |walk| walk.request(request));
        }
        if let Some(user) = &mut event.user {
            self.at(Step::Field("user"), |walk| {
                if walk.scrubber.ip_addresses && user.ip_address.take().is_some() {
                    walk.note();
                }
                for value in [&mut user.id, &mut user.username].into_iter().flatten() {
                    walk.text(value, Place::Value);
                }
                // by which people are told apart: only what the project asks for goes
                if let Some(email) = &mut user.email {
                    walk.own(email);
                }
                walk.members(&mut user.data, MAX_LEVELS);
            });
        }
        self.data("contexts", &mut event.contexts);
        self.data("extra", &mut event.extra);
        self.data("legacy", &mut event.legacy);
        if let Some(security) = &mut event.security {
            self.data("security", &mut security.report);
            self.optional("blocked", &mut security.blocked, Place::Value);
            self.optional("document", &mut security.document, Place::Value);
        }
        self.optional("transaction", &mut event.transaction, Place::Message);
        self.optional("server_name", &mut event.server_name, Place::Value);
    }

    fn stack(&mut self, stack: Option<&mut Stacktrace>) {
        let Some(stack) = stack else { return };
        for (index, frame) in stack.frames.iter_mut().enumerate() {
            self.path.push(Step::Field("stacktrace"));
            self.path.push(Step::Index(index));
            self.at(Step::Field("vars"), |walk| walk.members(&mut frame.vars, MAX_LEVELS));
            let lines =
                frame.pre_context.iter_mut().chain(&mut frame.context_line).chain(&mut frame.post_context);
            for line in lines {
                self.text(line, Place::Value);
            }
            self.path.truncate(self.path.len() - 2);
        }
    }

    fn breadcrumbs(&mut self, breadcrumbs: &mut [Breadcrumb]) {
        self.path.push(Step::Field("breadcrumbs"));
        for (index, crumb) in breadcrumbs.iter_mut().enumerate() {
            self.at(Step::Index(index), |walk| {
                walk.optional("message", &mut crumb.message, Place::Message);
                walk.data("data", &mut crumb.data);
            });
        }
        self.path.pop();
    }

    fn request(&mut self, request: &mut Request) {
        self.optional("url", &mut request.url, Place::Value);
        self.at(Step::Field("query"), |walk| walk.pairs(&mut request.query));
        self.at(Step::Field("headers"), |walk| {
            for (name, value) in &mut request.headers {
                match name.as_str() {
                    "User-Agent" => {}
                    "X-Forwarded-For" | "X-Real-Ip" | "Forwarded" | "Cf-Connecting-Ip" | "True-Client-Ip"
                        if walk.scrubber.ip_addresses =>
                    {
                        walk.filter(name, value);
                    }
                    "Set-Cookie" | "Authorization" | "Proxy-Authorization"
                        if walk.scrubber.looks.on && !walk.scrubber.names.is_safe(name) =>
                    {
                        walk.filter(name, value);
                    }
                    _ => walk.named(name, value),
                }
            }
        });
        self.at(Step::Field("cookies"), |walk| {
            for (name, value) in &mut request.cookies {
                if walk.scrubber.names.is_session(name) {
                    walk.filter(name, value);
                } else {
                    walk.named(name, value);
                }
            }
        });
        self.at(Step::Field("data"), |walk| walk.json(&mut request.data, MAX_LEVELS));
        if self.scrubber.ip_addresses {
            for name in ["REMOTE_ADDR", "HTTP_X_FORWARDED_FOR"] {
                if let Some(address) = request.env.get_mut(name) {
                    *address = Json::String(FILTERED.to_owned());
                    self.at(Step::Field("env"), |walk| walk.at(Step::Field(name), Walk::note));
                }
            }
        }
        self.data("env", &mut request.env);
    }

    fn data(&mut self, field: &'static str, data: &mut Data) {
        self.at(Step::Field(field), |walk| walk.members(data, MAX_LEVELS));
    }

    fn pairs(&mut self, pairs: &mut [(String, String)]) {
        for (name, value) in pairs {
            self.named(name, value);
        }
    }

    /// A text with a name.
    fn named(&mut self, name: &str, value: &mut String) {
        match self.scrubber.names.verdict(name) {
            Verdict::Secret if !value.is_empty() => self.filter(name, value),
            Verdict::Safe | Verdict::Secret => {}
            Verdict::Unknown => self.at(Step::Key(name.to_owned()), |walk| walk.text(value, Place::Value)),
        }
    }

    fn filter(&mut self, name: &str, value: &mut String) {
        if value == FILTERED {
            return;
        }
        FILTERED.clone_into(value);
        self.at(Step::Key(name.to_owned()), Walk::note);
    }

    fn members(&mut self, data: &mut Data, levels: usize) {
        for (name, value) in data.iter_mut() {
            let verdict = match value {
                Json::Null | Json::Bool(_) => Verdict::Safe,
                _ => self.scrubber.names.verdict(name),
            };
            match verdict {
                Verdict::Safe if value.is_object() || value.is_array() => {
                    self.at(Step::Key(name.clone()), |walk| walk.inside_safe(value, levels));
                }
                Verdict::Safe => {}
                Verdict::Secret => self.taken_out(name, value),
                Verdict::Unknown if self.has_nothing(value) => {}
                Verdict::Unknown => {
                    self.at(Step::Key(name.clone()), |walk| walk.json(value, levels));
                }
            }
        }
    }

    fn taken_out(&mut self, name: &str, value: &mut Json) {
        let already = value.as_str() == Some(FILTERED);
        let counts = value.is_number() && self.scrubber.names.is_a_count(name);
        if !already && !counts {
            *value = Json::String(FILTERED.to_owned());
            self.at(Step::Key(name.to_owned()), Walk::note);
        }
    }

    /// Of what is to stay, what is always a secret goes.
    fn inside_safe(&mut self, value: &mut Json, levels: usize) {
        match value {
            Json::Array(list) if levels > 0 => {
                for (index, value) in list.iter_mut().enumerate() {
                    self.at(Step::Index(index), |walk| walk.inside_safe(value, levels - 1));
                }
            }
            Json::Object(members) if levels > 0 => {
                for (name, value) in members.iter_mut() {
                    if !value.is_null() && !value.is_boolean() && self.scrubber.names.must_go(name) {
                        self.taken_out(name, value);
                    } else {
                        self.at(Step::Key(name.clone()), |walk| walk.inside_safe(value, levels - 1));
                    }
                }
            }
            _ => {}
        }
    }

    /// Most values are short texts without anything in them: they cost no step of the path.
    fn has_nothing(&self, value: &Json) -> bool {
        match value {
            Json::String(text) => !self.scrubber.looks.may_have(text, Place::Value),
            Json::Number(number) => self.scrubber.looks.of_number(number).is_none(),
            Json::Array(list) => list.is_empty(),
            Json::Object(members) => members.is_empty(),
            Json::Null | Json::Bool(_) => true,
        }
    }

    fn json(&mut self, value: &mut Json, levels: usize) {
        match value {
            Json::String(text) => self.text(text, Place::Value),
            Json::Array(list) if levels > 0 => {
                // pairs, as some write maps
                if let [Json::String(name), Json::String(text)] = list.as_mut_slice()
                    && self.scrubber.names.verdict(name) == Verdict::Secret
                {
                    let name = name.clone();
                    self.filter(&name, text);
                    return;
                }
                for (index, value) in list.iter_mut().enumerate() {
                    if !self.has_nothing(value) {
                        self.at(Step::Index(index), |walk| walk.json(value, levels - 1));
                    }
                }
            }
            Json::Object(members) if levels > 0 => self.members(members, levels - 1),
            Json::Number(number) => {
                if let Some(what) = self.scrubber.looks.of_number(number) {
                    *value = Json::String(what.to_owned());
                    self.note();
                }
            }
            _ => {}
        }
    }

    fn optional(&mut self, field: &'static str, text: &mut Option<String>, place: Place) {
        if let Some(text) = text {
            self.at(Step::Field(field), |walk| walk.text(text, place));
        }
    }

    /// What only the project's own patterns are held against.
    fn own(&mut self, text: &mut String) {
        if self.scrubber.looks.replace_own(text) {
            self.note();
        }
    }

    fn text(&mut self, text: &mut String, place: Place) {
        if self.scrubber.looks.replace(text, place) {
            self.note();
        }
    }
}

/// What a name says of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It is one.
    Secret,
    /// The project says that it is none.
    Safe,
    /// Look at the value.
    Unknown,
}

#[cfg(test)]
mod tests;
