//! Writing values as Go's `fmt` does: `print`, `println`, and the value of an action.

mod number;
mod printf;
mod quote;

pub(crate) use printf::sprintf;
pub(crate) use quote::is_print;

use crate::limits::MAX_VALUE_BYTES;
use crate::value::Env;
use crate::value::Value;

/// How a value is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub verb: char,
    pub plus: bool,
    /// `%+v`: with the names of fields.
    pub names: bool,
    pub minus: bool,
    pub sharp: bool,
    pub space: bool,
    pub zero: bool,
    pub width: Option<usize>,
    pub precision: Option<usize>,
}

impl Style {
    pub(crate) const PLAIN: Style = Style {
        verb: 'v',
        plus: false,
        names: false,
        minus: false,
        sharp: false,
        space: false,
        zero: false,
        width: None,
        precision: None,
    };
}

/// A value as an action prints it: what a pointer points to, without a mark.
pub(crate) fn value(value: &Value, env: &Env<'_>) -> Result<String, String> {
    let mut out = Writer { out: String::new(), env: Some(env) };
    printf::value(&mut out, value, Style::PLAIN)?;
    match value {
        Value::Struct(_) if out.out.starts_with('&') => Ok(out.out[1..].to_owned()),
        _ => Ok(out.out),
    }
}

/// A value in an error, cut when it is long.
pub(crate) fn shown(value: &Value) -> String {
    let mut out = Writer { out: String::new(), env: None };
    // what there is no room for is not shown
    let _ = printf::value(&mut out, value, Style { verb: 's', ..Style::PLAIN });
    out.out.chars().take(200).collect()
}

/// All of them, with spaces between two of which neither is a text.
pub(crate) fn sprint(all: &[Value], env: &Env<'_>) -> Result<String, String> {
    let mut out = Writer { out: String::new(), env: Some(env) };
    let is_text = |value: &Value| value.as_str().is_some();
    for (index, value) in all.iter().enumerate() {
        if index > 0 && !is_text(value) && !is_text(&all[index - 1]) {
            out.push(" ")?;
        }
        printf::value(&mut out, value, Style::PLAIN)?;
    }
    Ok(out.out)
}

/// All of them, with spaces between and a newline at the end.
pub(crate) fn sprintln(all: &[Value], env: &Env<'_>) -> Result<String, String> {
    let mut out = Writer { out: String::new(), env: Some(env) };
    for (index, value) in all.iter().enumerate() {
        if index > 0 {
            out.push(" ")?;
        }
        printf::value(&mut out, value, Style::PLAIN)?;
    }
    out.push("\n")?;
    Ok(out.out)
}

/// What is written, with an end.
pub(crate) struct Writer<'a> {
    pub out: String,
    pub env: Option<&'a Env<'a>>,
}

impl Writer<'_> {
    pub(crate) fn push(&mut self, text: &str) -> Result<(), String> {
        if text.len() > MAX_VALUE_BYTES - self.out.len().min(MAX_VALUE_BYTES) {
            return Err(format!("limit: it makes a text of more than {MAX_VALUE_BYTES} bytes"));
        }
        self.out.push_str(text);
        Ok(())
    }

    /// Counts the writing of one value.
    pub(crate) fn step(&self) -> Result<(), String> {
        match self.env {
            Some(env) => env.spend(1),
            None if self.out.len() > 1000 => Err("that is enough of it".to_owned()),
            None => Ok(()),
        }
    }
}
