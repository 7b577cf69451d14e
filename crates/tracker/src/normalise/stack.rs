//! Exceptions, threads and their stacks.

use super::in_app;
use super::reading::{Path, Reading, Room, keep_ends};
use crate::event::{Change, Exception, Frame, Mechanism, Omitted, Stacktrace, Thread};
use crate::json::Value;

/// Frames of one stack; of a longer one the first and the last half of this are kept.
pub const MAX_FRAMES: usize = 250;
/// Frames of all stacks of an event.
const MAX_FRAMES_IN_ALL: usize = 1_500;
/// What a stack may still have when the others have used it all.
const MIN_FRAMES: usize = 10;
/// Exceptions of a chain: the first and the last half of this.
const MAX_EXCEPTIONS: usize = 50;
/// Threads; the one that crashed is among those kept.
const MAX_THREADS: usize = 100;
/// Lines of source code before and after the one that matters.
const MAX_LINES: usize = 7;
/// Characters of a line of source code.
const MAX_LINE: usize = 256;
/// Characters of a name: of a function, a module, a class.
const MAX_NAME: usize = 256;
/// Characters of a path or URL.
const MAX_PATH: usize = 1_024;
/// Characters of what an exception says.
const MAX_VALUE: usize = 8_192;
/// For the local variables of one frame.
const VARIABLES: Room = Room { bytes: 8 << 10, text: 1_024, members: 60, depth: 5 };
/// For the local variables of all frames.
const VARIABLES_IN_ALL: usize = 128 << 10;
/// For what a mechanism says.
const MECHANISM: Room = Room { bytes: 4 << 10, text: 512, members: 30, depth: 3 };

/// What all stacks of an event share.
pub(crate) struct Stacks<'p> {
    pub(crate) platform: &'p str,
    frames_left: usize,
    variables_left: usize,
}

impl<'p> Stacks<'p> {
    pub(crate) fn new(platform: &'p str) -> Self {
        Stacks { platform, frames_left: MAX_FRAMES_IN_ALL, variables_left: VARIABLES_IN_ALL }
    }

    pub(crate) fn exceptions(&mut self, read: &mut Reading, value: Value<'_>) -> Vec<Exception> {
        let path = Path::of("exceptions");
        let mut values = read.values(value, &path);
        let count = values.len();
        if keep_ends(&mut values, MAX_EXCEPTIONS).is_some() {
            read.note(&path, Change::LeftOut, Some(count));
        }
        let mut out = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            let exception = self.exception(read, value, &path.index(index));
            out.extend(exception);
        }
        out
    }

    fn exception(&mut self, read: &mut Reading, value: Value<'_>, path: &Path<'_>) -> Option<Exception> {
        let mut exception = Exception::default();
        for (key, value) in read.fields(value, path)? {
            let path = path.key(&key);
            match &*key {
                "type" => exception.ty = read.word(value, MAX_NAME, &path),
                "value" => exception.value = read.text(value, MAX_VALUE, &path),
                "module" => exception.module = read.word(value, MAX_NAME, &path),
                "thread_id" => exception.thread_id = read.word(value, MAX_NAME, &path),
                "mechanism" => exception.mechanism = mechanism(read, value, &path),
                "stacktrace" => exception.stacktrace = self.stacktrace(read, value, &path),
                "raw_stacktrace" => exception.raw_stacktrace = self.stacktrace(read, value, &path),
                _ => {}
            }
        }
        split_class(&mut exception);
        (exception != Exception::default()).then_some(exception)
    }

    pub(crate) fn threads(&mut self, read: &mut Reading, value: Value<'_>) -> Vec<Thread> {
        let path = Path::of("threads");
        let mut values = read.values(value, &path);
        let count = values.len();
        if count > MAX_THREADS {
            read.note(&path, Change::LeftOut, Some(count));
            let matters = |thread: &Value<'_>| {
                ["crashed", "current"].iter().any(|key| thread.get(key) == Some(&Value::Bool(true)))
            };
            values.sort_by_key(|thread| !matters(thread));
            values.truncate(MAX_THREADS);
        }
        let mut out = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            let path = path.index(index);
            let Some(fields) = read.fields(value, &path) else { continue };
            let mut thread = Thread::default();
            for (key, value) in fields {
                let path = path.key(&key);
                match &*key {
                    "id" => thread.id = read.word(value, MAX_NAME, &path),
                    "name" => thread.name = read.word(value, MAX_NAME, &path),
                    "crashed" => thread.crashed = value == Value::Bool(true),
                    "current" => thread.current = value == Value::Bool(true),
                    "stacktrace" => thread.stacktrace = self.stacktrace(read, value, &path),
                    "raw_stacktrace" => thread.raw_stacktrace = self.stacktrace(read, value, &path),
                    _ => {}
                }
            }
            out.push(thread);
        }
        out
    }

    /// A stack, as `{"frames": [...]}` or a bare list.
    pub(crate) fn stacktrace(
        &mut self,
        read: &mut Reading,
        value: Value<'_>,
        path: &Path<'_>,
    ) -> Option<Stacktrace> {
        let mut frames = match value {
            Value::List(frames) => frames,
            other => {
                let fields = read.fields(other, path)?;
                match fields.into_iter().rev().find(|(key, _)| key == "frames")?.1 {
                    Value::List(frames) => frames,
                    other => {
                        let _ = read.values(other, path);
                        return None;
                    }
                }
            }
        };
        let count = frames.len();
        let keep = self.frames_left.clamp(MIN_FRAMES, MAX_FRAMES);
        let omitted = keep_ends(&mut frames, keep).map(|(before, frames)| Omitted { before, frames });
        if omitted.is_some() {
            read.note(path, Change::LeftOut, Some(count));
        }
        self.frames_left = self.frames_left.saturating_sub(frames.len());
        let mut out = Vec::with_capacity(frames.len());
        for (index, frame) in frames.into_iter().enumerate() {
            let frame = self.frame(read, frame, &path.index(index));
            out.extend(frame);
        }
        (!out.is_empty()).then_some(Stacktrace { frames: out, omitted })
    }

    fn frame(&mut self, read: &mut Reading, value: Value<'_>, path: &Path<'_>) -> Option<Frame> {
        let mut frame = Frame::default();
        let mut in_app = None;
        for (key, value) in read.fields(value, path)? {
            let path = path.key(&key);
            match &*key {
                "filename" => frame.filename = read.word(value, MAX_PATH, &path),
                "abs_path" => frame.abs_path = read.word(value, MAX_PATH, &path),
                "module" => frame.module = read.word(value, MAX_NAME, &path),
                "function" => frame.function = read.word(value, MAX_NAME, &path),
                "package" => frame.package = read.word(value, MAX_PATH, &path),
                "instruction_addr" => frame.instruction_addr = read.word(value, 40, &path),
                "lineno" => frame.lineno = number(&value),
                "colno" => frame.colno = number(&value),
                "context_line" => frame.context_line = read.text(value, MAX_LINE, &path),
                "pre_context" => frame.pre_context = lines(read, value, &path, true),
                "post_context" => frame.post_context = lines(read, value, &path, false),
                "vars" => frame.vars = self.variables(read, value, &path),
                "in_app" => {
                    in_app = match value {
                        Value::Bool(own) => Some(own),
                        _ => None,
                    }
                }
                _ => {}
            }
        }
        complete(&mut frame);
        frame.in_app = in_app.unwrap_or_else(|| in_app::infer(self.platform, &frame));
        Some(frame)
    }

    fn variables(&mut self, read: &mut Reading, value: Value<'_>, path: &Path<'_>) -> crate::event::Data {
        let given = VARIABLES.bytes.min(self.variables_left);
        let mut room = Room { bytes: given, ..VARIABLES };
        let variables = read.map(value, &mut room, path);
        self.variables_left = self.variables_left.saturating_sub(given - room.bytes);
        variables
    }
}

/// What says nothing is left out, and what a URL says of a file is put where files are.
fn complete(frame: &mut Frame) {
    if frame.function.as_deref().is_some_and(|name| matches!(name, "?" | "<unknown>")) {
        frame.function = None;
    }
    if frame.abs_path.is_none() && frame.filename.as_deref().is_some_and(|name| name.contains("://")) {
        frame.abs_path.clone_from(&frame.filename);
    }
    if frame.filename.is_none() {
        frame.filename.clone_from(&frame.abs_path);
    }
    if let Some((_, rest)) = frame.filename.as_deref().and_then(|name| name.split_once("://")) {
        // of https://host/static/app.js, /static/app.js
        let path = rest.find('/').map_or(rest, |at| &rest[at..]);
        let path = path.split(['?', '#']).next().unwrap_or(path).to_owned();
        frame.filename = Some(path);
    }
}

/// Some clients send `TypeError: x is undefined` as the value and nothing as the class.
fn split_class(exception: &mut Exception) {
    if exception.ty.is_some() {
        return;
    }
    let Some(value) = &exception.value else { return };
    let Some((class, rest)) = value.split_once(": ") else { return };
    let is_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.');
    let is_class = ["Error", "Exception", "Warning"].iter().any(|end| class.ends_with(end));
    if is_class && class.len() <= MAX_NAME && class.chars().all(is_name) {
        let (class, rest) = (class.to_owned(), rest.to_owned());
        exception.ty = Some(class);
        exception.value = Some(rest);
    }
}

fn mechanism(read: &mut Reading, value: Value<'_>, path: &Path<'_>) -> Option<Mechanism> {
    let mut mechanism = Mechanism::default();
    for (key, value) in read.fields(value, path)? {
        let path = path.key(&key);
        let truth = match value {
            Value::Bool(truth) => Some(truth),
            _ => None,
        };
        match &*key {
            "type" => mechanism.ty = read.word(value, MAX_NAME, &path).unwrap_or_default(),
            "handled" => mechanism.handled = truth,
            "synthetic" => mechanism.synthetic = truth.unwrap_or_default(),
            "is_exception_group" => mechanism.is_exception_group = truth.unwrap_or_default(),
            "exception_id" => mechanism.exception_id = value.as_int(),
            "parent_id" => mechanism.parent_id = value.as_int(),
            "data" => mechanism.data = read.map(value, &mut { MECHANISM }, &path),
            _ => {}
        }
    }
    Some(mechanism)
}

fn number(value: &Value<'_>) -> Option<u32> {
    value.as_int().and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0)
}

/// Lines of source code; of too many, those next to the one that matters.
fn lines(read: &mut Reading, value: Value<'_>, path: &Path<'_>, before: bool) -> Vec<String> {
    let Value::List(mut list) = value else { return Vec::new() };
    let surplus = list.len().saturating_sub(MAX_LINES);
    if surplus > 0 {
        if before {
            list.drain(..surplus);
        } else {
            list.truncate(MAX_LINES);
        }
    }
    list.into_iter()
        .enumerate()
        .map(|(index, line)| read.text(line, MAX_LINE, &path.index(index)).unwrap_or_default())
        .collect()
}
