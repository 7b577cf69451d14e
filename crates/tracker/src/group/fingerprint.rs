//! Fingerprints: words by which somebody wants events grouped, with `{{ default }}` for what would have been and
//! `{{ variables }}` of the event.

use super::look::variable;
use super::parameterise::parameterised;
use crate::event::Event;
use crate::texts::clipped;

/// Characters of a part after its variables are put in.
const MAX_PART: usize = 4_096;

/// What a fingerprint comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// Its parts, without the default.
    pub(crate) parts: Vec<String>,
    /// The ordinary grouping counts beside them.
    pub(crate) with_default: bool,
}

/// Puts the variables in. `None` when the fingerprint says no more than the default.
pub(crate) fn resolve(event: &Event, fingerprint: &[String]) -> Option<Resolved> {
    let mut resolved = Resolved { parts: Vec::new(), with_default: false };
    for part in fingerprint {
        if is_default(part) {
            resolved.with_default = true;
        } else {
            resolved.parts.push(filled_in(event, part));
        }
    }
    (!resolved.parts.is_empty()).then_some(resolved)
}

fn is_default(part: &str) -> bool {
    name_of(part.trim()).is_some_and(|name| name == "default")
}

fn name_of(place: &str) -> Option<&str> {
    place.strip_prefix("{{")?.strip_suffix("}}").map(str::trim)
}

/// A text with `{{ variables }}` in it. What has no value says so: `<no-type>`.
pub(crate) fn filled_in(event: &Event, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let Some(end) = rest[at..].find("}}") else { break };
        out.push_str(&rest[..at]);
        let name = rest[at + 2..at + end].trim();
        match variable(event, name) {
            Some(Ok(value)) if name == "message" || name.ends_with("value") => {
                out.push_str(&parameterised(&value));
            }
            Some(Ok(value)) => out.push_str(&value),
            Some(Err(missing)) => out.push_str(&missing),
            None => out.push_str(&format!("<unrecognized-variable-{name}>")),
        }
        rest = &rest[at + end + 2..];
        if out.len() > MAX_PART {
            return clipped(&out, MAX_PART).to_owned();
        }
    }
    out.push_str(rest);
    out
}
