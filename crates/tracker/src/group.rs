//! Which events are the same error.
//!
//! A tree of components is made of what an event says: exceptions, their stacks, the frames' modules,
//! functions and lines of source. Two variants of it are hashed: `app`, where only frames of the program
//! count, and `system`, where all do. An event belongs to the group that knows one of its hashes, the first
//! one first; the others are then attached to that group. So a client that marks its frames otherwise still
//! comes to the same group, and an algorithm can be replaced without splitting what is there: each hash names
//! the one it was made by.
//!
//! In front of all that come what people have said: a `checksum` of old clients, the rules of the project,
//! and the `fingerprint` of the event.
//!
//! Numbers of lines, addresses, variables, who caught the exception and which client it was never count.

mod component;
mod fingerprint;
mod frame;
mod function;
mod look;
mod parameterise;
mod rules;

use std::borrow::Cow;

use serde::Serialize;

pub use self::component::Component;
use self::component::hash_of;
pub(crate) use self::fingerprint::filled_in;
use self::frame::Scope;
use self::parameterise::parameterised;
pub use self::rules::{Matcher, Rule, RuleError, Rules};
use crate::event::{Event, Exception, Kind, Stacktrace};

/// The way of grouping of this version. It changes its name when the same event would get another hash.
pub const ALGORITHM: &str = "nightbell:1";

/// How an event is grouped, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grouping<'a> {
    /// What made it.
    pub algorithm: &'static str,
    /// The rule of the project that said so, as it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'a str>,
    /// What that rule calls the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What was looked at, the one that counts most first.
    pub variants: Vec<Variant<'a>>,
}

/// One way to look at an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Variant<'a> {
    /// `checksum`, `custom`, `app`, `system`, `message`, …
    pub name: &'static str,
    /// Its hash, if it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Why it does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'static str>,
    /// The words that people have chosen, with their variables put in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fingerprint: Vec<String>,
    /// What was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<Component<'a>>,
}

/// By what a group is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Hash {
    /// What made it.
    pub algorithm: &'static str,
    /// The variant it is of.
    pub variant: &'static str,
    /// 32 hexadecimal digits.
    pub value: String,
}

impl Grouping<'_> {
    /// The hashes in the order in which a group is looked for. There is always one.
    pub fn hashes(&self) -> Vec<Hash> {
        let mut hashes: Vec<Hash> = Vec::with_capacity(2);
        for variant in &self.variants {
            let Some(value) = &variant.hash else { continue };
            if hashes.iter().all(|known| known.value != *value) {
                hashes.push(Hash { algorithm: self.algorithm, variant: variant.name, value: value.clone() });
            }
        }
        hashes
    }
}

/// Groups an event that has been normalised and scrubbed.
pub fn group<'a>(event: &'a Event, rules: &'a Rules) -> Grouping<'a> {
    let rule = rules.first_for(event);
    let mut grouping = Grouping {
        algorithm: ALGORITHM,
        rule: rule.map(|rule| rule.text.as_str()),
        title: rule.and_then(|rule| rule.title.as_ref()).map(|title| filled_in(event, title)),
        variants: Vec::new(),
    };
    let words = match rule {
        Some(rule) => &rule.fingerprint,
        None => &event.fingerprint,
    };
    if rule.is_none()
        && let Some(checksum) = &event.checksum
    {
        grouping.variants = vec![of_checksum(checksum)];
        return grouping;
    }
    let resolved = fingerprint::resolve(event, words);
    match resolved {
        Some(resolved) if !resolved.with_default => {
            let hash = hash_of(resolved.parts.iter().map(String::as_str));
            grouping.variants.push(Variant {
                name: "custom",
                hash: Some(hash),
                hint: None,
                fingerprint: resolved.parts,
                component: None,
            });
            let others = of_event(event, &[]).into_iter().map(|variant| Variant {
                hash: None,
                hint: Some("a fingerprint was given"),
                ..variant
            });
            grouping.variants.extend(others);
        }
        salted => {
            let parts = salted.map(|resolved| resolved.parts).unwrap_or_default();
            grouping.variants = of_event(event, &parts);
        }
    }
    grouping
}

fn of_checksum(checksum: &str) -> Variant<'static> {
    let is_hash = checksum.len() == 32 && checksum.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = if is_hash { checksum.to_ascii_lowercase() } else { hash_of([checksum]) };
    Variant {
        name: "checksum",
        hash: Some(hash),
        hint: None,
        fingerprint: vec![checksum.to_owned()],
        component: None,
    }
}

/// The variants that the event itself gives; `salt` is what people have added to the default.
fn of_event<'a>(event: &'a Event, salt: &[String]) -> Vec<Variant<'a>> {
    let variant = |name, component: Component<'a>, hint| Variant {
        name,
        hash: component.contributes.then(|| component.hash(salt)),
        hint: if component.contributes { None } else { hint },
        fingerprint: salt.to_vec(),
        component: Some(component),
    };
    if !event.exceptions.is_empty() {
        let [app, system] = [Scope::App, Scope::System].map(|scope| exceptions(event, scope));
        // of one that says nothing at all, the rest of the event may say something
        if system.contributes {
            let app = with_frames_or_alone(app, &system);
            return vec![
                variant("app", app, Some("no frame of the program counts")),
                variant("system", system, None),
            ];
        }
    }
    if let Some(stack) = stack_alone(event) {
        let [app, system] =
            [Scope::App, Scope::System].map(|scope| frame::stacktrace(&event.platform, stack, scope));
        if system.contributes {
            return vec![
                variant("app", app, Some("no frame of the program counts")),
                variant("system", system, None),
            ];
        }
    }
    if let Some(security) = &event.security {
        let salts = [("directive", &security.directive), ("blocked", &security.blocked)];
        let parts = salts.into_iter().filter_map(|(id, value)| Some(Component::value(id, value.as_deref()?)));
        let mut parts: Vec<_> = parts.collect();
        parts.insert(0, Component::value("type", name_of(event.kind)));
        return vec![variant("security", Component::of("security", parts), None)];
    }
    if let Some(template) = event.legacy.get("template").and_then(|template| template.as_object()) {
        let text = |key: &str| template.get(key).and_then(|value| value.as_str());
        let parts: Vec<_> = [("filename", text("filename")), ("context_line", text("context_line"))]
            .into_iter()
            .filter_map(|(id, value)| Some(Component::value(id, value?)))
            .collect();
        if !parts.is_empty() {
            return vec![variant("template", Component::of("template", parts), None)];
        }
    }
    vec![variant("message", Component::of("message", vec![message(event)]), None)]
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Error => "error",
        Kind::Message => "message",
        Kind::Csp => "csp",
        Kind::Hpkp => "hpkp",
        Kind::ExpectCt => "expectct",
        Kind::ExpectStaple => "expectstaple",
        Kind::Nel => "nel",
    }
}

/// The text of a message, or what stands for it.
fn message(event: &Event) -> Component<'_> {
    let text = event.message.as_ref().map(|message| match &message.template {
        Some(template) => template.as_str(),
        None => message.formatted.as_str(),
    });
    match text.map(|text| (text, parameterised(text))) {
        Some((_, counted)) if counted.is_empty() => Component::value("text", "<blank>"),
        Some((text, counted)) => {
            let hint = (counted != text).then_some("without what varies");
            Component::value("text", counted).with_hint(hint)
        }
        None => Component::value("text", "<none>").with_hint(Some("the event says nothing")),
    }
}

fn stack_alone(event: &Event) -> Option<&Stacktrace> {
    let thread = match event.threads.as_slice() {
        [only] => Some(only),
        several => {
            several.iter().find(|thread| thread.crashed).or(several.iter().find(|thread| thread.current))
        }
    };
    thread.and_then(|thread| thread.stacktrace.as_ref()).or(event.stacktrace.as_ref())
}

fn exceptions<'a>(event: &'a Event, scope: Scope) -> Component<'a> {
    let parts = event.exceptions.iter().map(|exception| self::exception(&event.platform, exception, scope));
    let mut parts: Vec<_> = parts.collect();
    match parts.len() {
        1 => parts.remove(0),
        _ => Component::of("chained_exception", parts),
    }
}

/// Its type and its stack; what it says only when it has no stack that could count.
fn exception<'a>(platform: &str, exception: &'a Exception, scope: Scope) -> Component<'a> {
    let mut parts = Vec::with_capacity(3);
    let synthetic = exception.mechanism.as_ref().is_some_and(|mechanism| mechanism.synthetic);
    if let Some(ty) = &exception.ty {
        parts.push(match synthetic {
            true => Component::ignored("type", ty.as_str(), "it is made up by the client"),
            false => Component::value("type", ty.as_str()),
        });
    }
    let stack = exception.stacktrace.as_ref();
    let could_count = stack.is_some_and(|stack| frame::can_count(platform, stack));
    if let Some(value) = &exception.value {
        parts.push(match could_count {
            true => Component::ignored("value", value.as_str(), "the stack counts"),
            false => {
                let counted = parameterised(value);
                let hint = (counted != value.as_str()).then_some("without what varies");
                Component::value("value", counted).with_hint(hint)
            }
        });
    }
    if let Some(stack) = stack {
        parts.push(frame::stacktrace(platform, stack, scope));
    }
    Component::of("exception", parts)
}

/// Types alone are no group of the program's where there are stacks: then the system's variant counts by itself.
fn with_frames_or_alone<'a>(app: Component<'a>, system: &Component<'_>) -> Component<'a> {
    if has_stack(system) && !has_stack(&app) {
        return app.without("no frame of the program counts");
    }
    app
}

fn has_stack(component: &Component<'_>) -> bool {
    component.contributes && (component.id == "stacktrace" || component.parts.iter().any(has_stack))
}

/// The text without what varies, for those who compare texts elsewhere.
pub fn without_what_varies(text: &str) -> Cow<'_, str> {
    parameterised(text)
}

#[cfg(test)]
mod tests;
