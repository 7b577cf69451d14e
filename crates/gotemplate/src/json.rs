//! Values as JSON, as Go's `json.Marshal` writes them: keys sorted, and what is special in HTML escaped.

use std::fmt::Write;

use crate::float::general;
use crate::value::Env;
use crate::value::Value;

/// A value as JSON.
///
/// # Errors
/// When it has no form in JSON, or is too long.
pub fn to_json(value: &Value, env: &Env<'_>) -> Result<String, String> {
    let mut out = String::new();
    write(&mut out, value, env)?;
    Ok(out)
}

fn write(out: &mut String, value: &Value, env: &Env<'_>) -> Result<(), String> {
    env.spend(1)?;
    if out.len() > crate::limits::MAX_VALUE_BYTES {
        return Err(format!("limit: it makes a text of more than {} bytes", crate::limits::MAX_VALUE_BYTES));
    }
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Value::Int(number) | Value::Named(_, number) => out.push_str(&number.to_string()),
        Value::Float(number) if !number.is_finite() => {
            return Err("json: unsupported value".to_owned());
        }
        Value::Float(number) => out.push_str(&float(*number)),
        Value::Str(text) | Value::Safe(_, text) => {
            env.spend_bytes(text.len())?;
            quote(out, text);
        }
        Value::Time(moment) => quote(out, &moment.rfc3339()),
        Value::List(list) => {
            out.push('[');
            for (index, item) in list.items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write(out, item, env)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (index, (key, item)) in map.entries.iter().enumerate() {
                entry(out, index, key, item, env)?;
            }
            out.push('}');
        }
        Value::Struct(fields) => {
            out.push('{');
            for (index, (field, item)) in fields.of.fields.iter().zip(&fields.values).enumerate() {
                entry(out, index, field.json, item, env)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn entry(out: &mut String, index: usize, key: &str, item: &Value, env: &Env<'_>) -> Result<(), String> {
    out.push_str(if index > 0 { "," } else { "" });
    quote(out, key);
    out.push(':');
    write(out, item, env)
}

fn float(number: f64) -> String {
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = general(size, None, 21);
        // a small exponent has no zero before it
        return format!("{sign}{}", text.replace("e-0", "e-"));
    }
    format!("{sign}{size}")
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        // writing to a text cannot fail
        let _ = match char {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            '\0'..='\x1f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(out, "\\u{:04x}", u32::from(char))
            }
            char => out.write_char(char),
        };
    }
    out.push('"');
}
