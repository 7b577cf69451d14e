//! What functions may know and use while a text is rendered.

use std::cell::Cell;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use regex::Regex;

use super::{Text, Value};
use crate::limits::MAX_VALUE_BYTES;
use crate::regexes::Regexes;

/// What a function may know and use while a text is rendered.
pub struct Env<'a> {
    /// The time that it is; nothing here reads a clock.
    pub now: Timestamp,
    /// What the whole text is rendered over.
    pub data: &'a Value,
    /// The time zone that Go calls `Local`.
    pub local: &'a TimeZone,
    regexes: &'a Regexes,
    steps: Cell<u64>,
}

/// How many bytes of text are as much work as one step.
const BYTES_A_STEP: usize = 64;
/// How many steps the compiling of a regular expression is worth.
const REGEX_STEPS: u64 = 2000;
/// What a function says when it may not go on.
pub(crate) const OUT_OF_STEPS: &str = "it takes too many steps";

impl<'a> Env<'a> {
    pub(crate) fn new(
        regexes: &'a Regexes,
        local: &'a TimeZone,
        data: &'a Value,
        now: Timestamp,
        steps: u64,
    ) -> Self {
        Env { now, data, local, regexes, steps: Cell::new(steps) }
    }

    /// Takes so much work off what is left.
    ///
    /// # Errors
    /// When there is nothing left.
    pub fn spend(&self, steps: u64) -> Result<(), String> {
        match self.steps.get().checked_sub(steps) {
            Some(left) => {
                self.steps.set(left);
                Ok(())
            }
            None => {
                self.steps.set(0);
                Err(OUT_OF_STEPS.to_owned())
            }
        }
    }

    /// Takes the work of making or reading so many bytes off what is left.
    ///
    /// # Errors
    /// When there is nothing left.
    pub fn spend_bytes(&self, bytes: usize) -> Result<(), String> {
        self.spend((bytes / BYTES_A_STEP) as u64)
    }

    /// A text that a function made, unless it is too long.
    ///
    /// # Errors
    /// When it is longer than any text may be.
    pub fn made(&self, text: String) -> Result<Value, String> {
        self.spend_bytes(text.len())?;
        match text.len() > MAX_VALUE_BYTES {
            true => Err(format!("it makes a text of more than {MAX_VALUE_BYTES} bytes")),
            false => Ok(Value::Str(text.into())),
        }
    }

    /// A regular expression, compiled.
    ///
    /// # Errors
    /// When it is none, or too large.
    pub fn regex(&self, pattern: &Text) -> Result<Regex, String> {
        self.regexes.get(pattern, || self.spend(REGEX_STEPS))
    }
}
