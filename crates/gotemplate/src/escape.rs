//! `html/template`: every action is marked with what makes its value safe where it stands.
//!
//! The text between the actions is read as HTML (`step`, with `js` and `css` for the languages in it), so that it is
//! known of each action whether its value stands between tags, in an attribute, a URL, a script or a style
//! (`context`). A template that is used in several places is escaped for each of them.

mod context;
mod css;
mod js;
mod names;
mod step;
mod trees;
mod values;

pub(crate) use trees::escape;

use crate::escaper::Escaper;
use crate::print;
use crate::value::Env;
use crate::value::{Safe, Value};

/// What stands in place of what cannot be made safe.
const FAILSAFE: &str = "ZgotmplZ";

/// Makes a value safe.
pub(crate) fn apply(escapers: &[Escaper], value: &Value, env: &Env<'_>) -> Result<String, String> {
    let mut value = value.clone();
    for escaper in escapers {
        value = one(*escaper, &value, env)?;
    }
    match value {
        Value::Str(text) | Value::Safe(_, text) => Ok(text.as_ref().to_owned()),
        other => text(&other, env),
    }
}

/// The text that a value is; nothing for nil.
fn text(value: &Value, env: &Env<'_>) -> Result<String, String> {
    match value {
        Value::Nil => Ok(String::new()),
        Value::Str(text) | Value::Safe(_, text) => Ok(text.as_ref().to_owned()),
        other => print::value(other, env),
    }
}

fn one(escaper: Escaper, of: &Value, env: &Env<'_>) -> Result<Value, String> {
    if escaper == Escaper::JsValue {
        return env.made(js::value(of, env)?);
    }
    let text = text(of, env)?;
    let (is_html, is_url) =
        (matches!(of, Value::Safe(Safe::Html, _)), matches!(of, Value::Safe(Safe::Url, _)));
    let safe = match escaper {
        Escaper::Html if is_html => text,
        Escaper::Html | Escaper::Rcdata => values::html(&text, is_html),
        Escaper::Attribute if is_html => values::html(&values::strip_tags(&text), true),
        Escaper::Attribute => values::html(&text, false),
        Escaper::Unquoted if is_html => values::unquoted(&values::strip_tags(&text), true),
        Escaper::Unquoted => values::unquoted(&text, false),
        Escaper::AttributeName => values::attribute_name(&text),
        Escaper::Comment => String::new(),
        // what is known to be a URL stays known as one
        Escaper::UrlFilter if is_url => return Ok(of.clone()),
        Escaper::UrlFilter => values::filter_url(&text),
        Escaper::UrlWhole => values::url(&text, true),
        Escaper::UrlPart => values::url(&text, is_url),
        Escaper::Srcset if is_url => values::url(&text, true).replace(',', "%2c"),
        Escaper::Srcset => values::srcset(&text),
        Escaper::JsValue | Escaper::JsString => js::string(&text),
        Escaper::JsTemplate => js::template(&text),
        Escaper::JsRegexp => js::regexp(&text),
        Escaper::CssValue => css::value(&text),
        Escaper::CssString => css::quoted(&text),
    };
    env.made(safe)
}
