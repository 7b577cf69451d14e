//! Go's `text/template` and `html/template`: the language of Alertmanager's notification templates.
//!
//! Written from the public documentation of the two packages and compared with what they do (`tests/golden/`).
//! The cast, in the order in which a text meets it:
//!
//! - [`Set`] holds named templates, read from files, and the [`Functions`] that they may call. It is filled once,
//!   and then shared.
//! - `lex` and `parse` turn text into trees (`ast`); a name that nobody defined, be it of a function, a variable
//!   or a template, is found here and not when an alert is to be told.
//! - `escape` goes over the trees for HTML and marks each action with what makes its value safe where it
//!   stands: between tags, in an attribute, a URL, a script, a style.
//! - [`Text`] is what comes of it: an inline text compiled against a set.
//! - `run` renders it over a [`Value`], within [`Limits`], at a time that it is told. Fields and methods are
//!   tables ([`value::Type`]), functions are rows of tables ([`value::Function`]): the built-in ones, and
//!   [`alertmanager`]'s.
//! - `print`, [`Moment`] and `json` write values as Go's `fmt`, `time` and `encoding/json` do.
//!
//! All input is taken for hostile: sources, depths, steps, texts, lists and output have [`limits`], and what
//! goes over one is an [`Error`], never a panic.
//!
//! ```
//! use gotemplate::{Functions, Limits, Mode, Set, Value, alertmanager};
//!
//! let mut set = Set::new(Functions::new().with(alertmanager::FUNCTIONS));
//! set.parse("greeting.tmpl", r#"{{ define "greeting" }}Hello {{ . | toUpper }}{{ end }}"#)?;
//! let text = set.text(r#"{{ template "greeting" . }}!"#, Mode::Text)?;
//! let now = jiff::Timestamp::UNIX_EPOCH;
//! assert_eq!(text.render(&Value::text("you"), &Limits::default(), now)?, "Hello YOU!");
//! # Ok::<(), gotemplate::Error>(())
//! ```

pub mod alertmanager;
mod ast;
mod builtins;
mod error;
mod escape;
mod escaper;
mod float;
mod functions;
mod json;
mod lex;
pub mod limits;
mod parse;
mod print;
mod regexes;
mod run;
mod set;
pub mod value;

pub use error::{Error, Stage};
pub use functions::Functions;
pub use json::to_json;
pub use limits::Limits;
pub use set::{Mode, Set, Text};
pub use value::{DURATION, Env, Moment, TIME, Value};
