//! Fields of an event by the names that fingerprints and rules know them by.

use std::borrow::Cow;

use crate::event::{Event, Exception, Frame};

impl Event {
    /// The exception that was raised last, which is the one that people see.
    pub fn last_exception(&self) -> Option<&Exception> {
        self.exceptions.last()
    }

    /// The stacks of the event, that of the last exception first.
    pub(crate) fn stacks(&self) -> impl Iterator<Item = &crate::event::Stacktrace> {
        let of_exceptions =
            self.exceptions.iter().rev().filter_map(|exception| exception.stacktrace.as_ref());
        let of_threads = self.threads.iter().filter(|thread| thread.crashed || self.threads.len() == 1);
        let of_threads = of_threads.filter_map(|thread| thread.stacktrace.as_ref());
        of_exceptions.chain(self.stacktrace.as_ref()).chain(of_threads)
    }

    /// The frame where it happened: the innermost one of the program, or else the innermost.
    pub fn crash_frame(&self) -> Option<&Frame> {
        let stack = self.stacks().next()?;
        stack.frames.iter().rev().find(|frame| frame.in_app).or(stack.frames.last())
    }

    /// The text of the message, if the event has one.
    pub fn text(&self) -> Option<&str> {
        self.message.as_ref().map(|message| message.formatted.as_str())
    }
}

/// The value of a field by its name; `None` for a name that nobody knows, `Some(Err(what))` for one that has
/// no value here.
pub(crate) fn variable<'a>(event: &'a Event, name: &str) -> Option<Result<Cow<'a, str>, String>> {
    let value: Option<Cow<'a, str>> = match name {
        "transaction" => event.transaction.as_deref().map(Into::into),
        "message" => {
            let text = event.text().or(event.last_exception().and_then(|last| last.value.as_deref()));
            text.map(Into::into)
        }
        "error.type" | "type" => event.last_exception().and_then(|last| last.ty.as_deref()).map(Into::into),
        "error.value" | "value" => {
            event.last_exception().and_then(|last| last.value.as_deref()).map(Into::into)
        }
        "stack.function" | "function" => of_frame(event, |frame| frame.function.as_deref()),
        "stack.module" | "module" => of_frame(event, |frame| frame.module.as_deref()),
        "stack.abs_path" | "path" => {
            of_frame(event, |frame| frame.abs_path.as_deref().or(frame.filename.as_deref()))
        }
        "stack.filename" | "filename" => of_frame(event, |frame| frame.filename.as_deref()),
        "stack.package" | "package" => of_frame(event, |frame| frame.package.as_deref()),
        "level" => Some(event.level.as_str().into()),
        "logger" => event.logger.as_deref().map(Into::into),
        "release" => event.release.as_deref().map(Into::into),
        "environment" => event.environment.as_deref().map(Into::into),
        "server_name" => event.server_name.as_deref().map(Into::into),
        "platform" => Some(event.platform.as_str().into()),
        _ => {
            let tag = name.strip_prefix("tags.")?;
            return Some(match event.tags.get(tag) {
                Some(value) => Ok(value.as_str().into()),
                None => Err(format!("<no-value-for-tag-{tag}>")),
            });
        }
    };
    let short = name.trim_start_matches("error.").trim_start_matches("stack.");
    Some(value.ok_or_else(|| format!("<no-{}>", short.replace('_', "-"))))
}

fn of_frame<'a>(event: &'a Event, of: impl Fn(&'a Frame) -> Option<&'a str>) -> Option<Cow<'a, str>> {
    event.crash_frame().and_then(of).map(Into::into)
}
