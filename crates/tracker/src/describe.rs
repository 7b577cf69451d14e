//! What an event is called: its title, where it happened, and the tags that follow from its fields.
//!
//! This comes after secrets are taken out, so that none of them gets into a title.

use std::borrow::Cow;

use crate::event::{Event, Frame, Kind, Names};
use crate::texts::shortened;

/// Characters of a title.
pub const MAX_TITLE: usize = 256;
/// Characters of a culprit.
pub const MAX_CULPRIT: usize = 200;
/// Characters of a tag's value.
const MAX_TAG: usize = 200;

/// Sets title, culprit and location.
pub fn describe(event: &mut Event) {
    event.title = shortened(&title(event), MAX_TITLE);
    event.culprit = shortened(&culprit(event), MAX_CULPRIT);
    event.location =
        event.crash_frame().and_then(file).map(|file| shortened(file, MAX_TITLE)).unwrap_or_default();
}

fn title(event: &Event) -> String {
    let Some(exception) = event.last_exception() else {
        let text = event.text().and_then(first_line);
        return text.map_or_else(|| "<unlabeled event>".to_owned(), str::to_owned);
    };
    let synthetic = exception.mechanism.as_ref().is_some_and(|mechanism| mechanism.synthetic);
    let function = event.crash_frame().and_then(|frame| frame.function.as_deref());
    let value = exception.value.as_deref().and_then(first_line);
    match (&exception.ty, value) {
        (Some(_), _) if synthetic && function.is_some() => function.unwrap_or_default().to_owned(),
        (Some(ty), Some(value)) => format!("{ty}: {value}"),
        (Some(ty), None) => ty.clone(),
        (None, Some(value)) => value.to_owned(),
        (None, None) => function.map_or_else(|| "<unknown>".to_owned(), str::to_owned),
    }
}

fn culprit(event: &Event) -> String {
    if let Some(transaction) = &event.transaction {
        return transaction.clone();
    }
    if let Some(frame) = event.crash_frame() {
        let place = frame.module.as_deref().or(file(frame));
        match (place, &frame.function) {
            (Some(place), Some(function)) if is_javascript(event) => return format!("{function}({place})"),
            (Some(place), Some(function)) => return format!("{place} in {function}"),
            (Some(only), None) => return only.to_owned(),
            (None, Some(only)) => return only.clone(),
            (None, None) => {}
        }
    }
    let document = event.security.as_ref().and_then(|security| security.document.as_ref());
    let url = event.request.as_ref().and_then(|request| request.url.as_ref());
    match event.kind {
        Kind::Csp | Kind::Nel => event.security.as_ref().and_then(|security| security.directive.clone()),
        _ => None,
    }
    .or(document.cloned())
    .or(url.cloned())
    .unwrap_or_default()
}

fn is_javascript(event: &Event) -> bool {
    matches!(event.platform.as_str(), "javascript" | "node")
}

fn file(frame: &Frame) -> Option<&str> {
    frame.filename.as_deref().or(frame.abs_path.as_deref())
}

fn first_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty())
}

/// All tags of an event: its own, and those that follow from its fields. Where the sender has set one itself,
/// that holds.
pub fn tags(event: &Event) -> Names {
    let mut tags = event.tags.clone();
    let mut add = |name: &str, value: Option<Cow<'_, str>>| {
        if let Some(value) = value.filter(|value| !value.is_empty())
            && !tags.contains_key(name)
        {
            tags.insert(name.to_owned(), shortened(&value.replace('\n', " "), MAX_TAG));
        }
    };
    add("level", Some(event.level.as_str().into()));
    add("logger", event.logger.as_deref().map(Cow::from));
    add("server_name", event.server_name.as_deref().map(Cow::from));
    add("transaction", event.transaction.as_deref().map(Cow::from));
    add("release", event.release.as_deref().map(Cow::from));
    add("dist", event.dist.as_deref().map(Cow::from));
    add("environment", event.environment.as_deref().map(Cow::from));
    add("user", event.user.as_ref().and_then(|user| user.identity()).map(Cow::from));
    let url = event.request.as_ref().and_then(|request| request.url.as_deref());
    add("url", url.map(Cow::from));
    let mechanism = event.last_exception().and_then(|last| last.mechanism.as_ref());
    add("mechanism", mechanism.map(|mechanism| mechanism.ty.as_str().into()));
    let handled = mechanism.and_then(|mechanism| mechanism.handled);
    add("handled", handled.map(|handled| if handled { "yes".into() } else { "no".into() }));
    for (name, with_version) in [("browser", true), ("os", true), ("runtime", true), ("device", false)] {
        let Some(context) = event.contexts.get(name).and_then(|context| context.as_object()) else {
            continue;
        };
        let text =
            |key: &str| context.get(key).and_then(|value| value.as_str()).filter(|text| !text.is_empty());
        if !with_version {
            add(name, text("model").or(text("family")).or(text("name")).map(Cow::from));
            continue;
        }
        let Some(value) = text("name") else { continue };
        add(&format!("{name}.name"), Some(value.into()));
        let full = text("version").map_or_else(|| value.to_owned(), |version| format!("{value} {version}"));
        add(name, Some(full.into()));
    }
    tags
}
