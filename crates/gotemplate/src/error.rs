//! What is wrong with a template, in Go's own words.

/// Which part of the work found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The text is not in the language, or uses what there is not.
    Parse,
    /// The text cannot be escaped safely for where its values stand in HTML.
    Escape,
    /// It asks values of a type for what no value of that type has.
    Type,
    /// It fails on these values.
    Run,
    /// It goes over a limit.
    Limit,
}

/// What is wrong with a template: `template: name:line:column: executing "name" at <.Foo>: …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    /// Which part of the work found it.
    pub stage: Stage,
    /// The file or template that it is in; empty for an inline text.
    pub template: String,
    /// The line in it, from 1.
    pub line: usize,
    /// All of it in words.
    pub text: String,
}

impl Error {
    /// An error of a source at a byte of it.
    pub(crate) fn at(stage: Stage, file: &str, source: &str, at: usize, what: &str) -> Self {
        let line = line(source, at);
        let text = match stage {
            Stage::Escape => format!("html/template:{file}:{line}: {what}"),
            _ => format!("template: {file}:{line}: {what}"),
        };
        Error { stage, template: file.to_owned(), line, text }
    }
}

/// The line in which a byte stands, from 1.
pub(crate) fn line(source: &str, at: usize) -> usize {
    source.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// How many bytes of its line stand before a byte.
pub(crate) fn column(source: &str, at: usize) -> usize {
    let before = source.get(..at).unwrap_or(source);
    at - before.rfind('\n').map_or(0, |newline| newline + 1)
}
