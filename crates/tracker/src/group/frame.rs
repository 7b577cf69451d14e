//! Frames and stacks: module, function and line of source count, never its number.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher};

use super::component::Component;
use super::function;
use crate::event::{Frame, Stacktrace};

/// A line of source that is longer is not written by people.
const MAX_CONTEXT: usize = 120;
/// Languages whose clients send lines of source that are of the release that runs.
const WITH_CONTEXT: &[&str] = &["javascript", "node", "python", "php", "ruby", "go", "elixir"];
/// Recursion through so many functions is recognised.
const MAX_CYCLE: usize = 3;

/// Which frames count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those of the program.
    App,
    /// All.
    System,
}

/// A stack's component.
pub(crate) fn stacktrace<'a>(platform: &str, stack: &'a Stacktrace, scope: Scope) -> Component<'a> {
    let mut frames: Vec<Component<'a>> =
        stack.frames.iter().map(|frame| self::frame(platform, frame, scope)).collect();
    collapse(&mut frames);
    let stack = Component::of("stacktrace", frames);
    if stack.contributes {
        return stack;
    }
    let why = if scope == Scope::App { "no frame of the program counts" } else { "no frame counts" };
    stack.without(why)
}

/// Some frame of it has something to tell it by.
pub(crate) fn can_count(platform: &str, stack: &Stacktrace) -> bool {
    stack.frames.iter().any(|frame| self::frame(platform, frame, Scope::System).contributes)
}

fn frame<'a>(platform: &str, frame: &'a Frame, scope: Scope) -> Component<'a> {
    let mut parts = Vec::with_capacity(3);
    parts.extend(place(frame));
    parts.extend(function(platform, frame));
    parts.extend(context(platform, frame));
    let component = Component::of("frame", parts);
    if scope == Scope::App && !frame.in_app {
        return component.without("not code of the program");
    }
    component
}

/// The module, or else the name of the file.
fn place(frame: &Frame) -> Option<Component<'_>> {
    if let Some(module) = &frame.module {
        return Some(Component::value("module", module.as_str()));
    }
    let filename = frame.filename.as_deref()?;
    let of_the_web = |path: &str| path.starts_with("http://") || path.starts_with("https://");
    if frame.abs_path.as_deref().is_some_and(of_the_web) {
        return Some(Component::ignored("filename", filename, "it is a URL"));
    }
    if matches!(filename, "<anonymous>" | "[native code]" | "native" | "<string>" | "<stdin>") {
        return Some(Component::ignored("filename", filename, "it is no file"));
    }
    let base = filename.rsplit(['/', '\\']).next().unwrap_or(filename);
    let base: Cow<'_, str> = match base.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => base.to_lowercase().into(),
        false => base.into(),
    };
    Some(Component::value("filename", base))
}

fn function<'a>(platform: &str, frame: &'a Frame) -> Option<Component<'a>> {
    let name = frame.function.as_deref()?;
    let cleaned = function::cleaned(platform, name);
    if cleaned.is_empty() {
        return Some(Component::ignored("function", name, "it has no name"));
    }
    let hint = (cleaned != name).then_some("without what compilers and runtimes add");
    Some(Component::value("function", cleaned).with_hint(hint))
}

fn context<'a>(platform: &str, frame: &'a Frame) -> Option<Component<'a>> {
    let line = frame.context_line.as_deref()?;
    if !WITH_CONTEXT.contains(&platform) {
        return Some(Component::ignored("context_line", line, "not looked at in this language"));
    }
    let line = line.trim();
    if line.is_empty() {
        return None;
    }
    if line.chars().count() > MAX_CONTEXT {
        return Some(Component::ignored("context_line", line, "it is too long to be written by people"));
    }
    let tidy = !line.contains(['\t', '\n', '\r']) && !line.contains("  ");
    let line: Cow<'a, str> =
        if tidy { line.into() } else { line.split_whitespace().collect::<Vec<_>>().join(" ").into() };
    Some(Component::value("context_line", line))
}

/// Recursion counts once: frames that repeat those directly before them do not count.
fn collapse(frames: &mut [Component<'_>]) {
    let mut counted: Vec<(usize, u64)> = Vec::with_capacity(frames.len());
    for index in 0..frames.len() {
        if !frames[index].contributes {
            continue;
        }
        counted.push((index, fingerprint(&frames[index])));
        for cycle in 1..=MAX_CYCLE.min(counted.len() / 2) {
            let (before, last) = counted.split_at(counted.len() - cycle);
            let repeated = before[before.len() - cycle..].iter().map(|(_, hash)| hash);
            if repeated.eq(last.iter().map(|(_, hash)| hash)) {
                for (index, _) in last {
                    frames[*index].contributes = false;
                    frames[*index].hint = Some("the same as before: recursion");
                }
                counted.truncate(counted.len() - cycle);
                break;
            }
        }
    }
}

fn fingerprint(frame: &Component<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    frame.each_value(&mut |id, value| (id, value).hash(&mut hasher));
    hasher.finish()
}
