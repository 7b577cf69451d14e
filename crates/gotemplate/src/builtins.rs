//! The functions that are part of the language.

mod compare;
mod text;

use std::sync::Arc;

use crate::print;
use crate::value::Env;
use crate::value::Param::{Any, Reflect, Str};
use crate::value::{Function, List, Param, Value};

macro_rules! functions {
    ($($name:literal: $takes:expr, $rest:expr, $call:expr;)*) => {
        /// All of them.
        pub(crate) static FUNCTIONS: &[Function] =
            &[$(Function { name: $name, takes: $takes, rest: $rest, call: $call }),*];
    };
}

const MORE: Option<Param> = Some(Reflect);

functions! {
    "and": &[Reflect], MORE, |_, all| Ok(last(all));
    "call": &[Reflect], MORE, |_, all| Err(not_a_function(&all[0]));
    "eq": &[Reflect], MORE, |_, all| compare::eq(all);
    "ge": &[Reflect, Reflect], None, |_, all| Ok(Value::Bool(!compare::less(all)?));
    "gt": &[Reflect, Reflect], None, |_, all| Ok(Value::Bool(!compare::less_or_equal(all)?));
    "html": &[], Some(Any), |env, all| env.made(text::html(&printable(all, env)?));
    "index": &[Reflect], MORE, |_, all| index(all);
    "js": &[], Some(Any), |env, all| env.made(text::js(&printable(all, env)?));
    "le": &[Reflect, Reflect], None, |_, all| Ok(Value::Bool(compare::less_or_equal(all)?));
    "len": &[Reflect], None, |_, all| len(&all[0]);
    "lt": &[Reflect, Reflect], None, |_, all| Ok(Value::Bool(compare::less(all)?));
    "ne": &[Reflect, Reflect], None, |_, all| compare::ne(all);
    "not": &[Reflect], None, |_, all| Ok(Value::Bool(!all[0].is_true()));
    "or": &[Reflect], MORE, |_, all| Ok(last(all));
    "print": &[], Some(Any), |env, all| env.made(print::sprint(all, env)?);
    "printf": &[Str], Some(Any), |env, all| env.made(print::sprintf(all, env)?);
    "println": &[], Some(Any), |env, all| env.made(print::sprintln(all, env)?);
    "slice": &[Reflect], MORE, |_, all| slice(all);
    "urlquery": &[], Some(Any), |env, all| env.made(text::urlquery(&printable(all, env)?));
}

/// All of them as one text, with nothing in Go's words.
fn printable(all: &[Value], env: &Env<'_>) -> Result<String, String> {
    let shown = |value: &Value| match value {
        Value::Nil => Value::text("<no value>"),
        other => other.clone(),
    };
    print::sprint(&all.iter().map(shown).collect::<Vec<_>>(), env)
}

/// Which argument ends `and` and `or`: the first that is false, or true.
pub(crate) fn decides(function: &Function) -> Option<bool> {
    match function.name {
        "and" => Some(false),
        "or" => Some(true),
        _ => None,
    }
}

/// What `and` and `or` give when no argument decided before the last.
fn last(all: &[Value]) -> Value {
    all.last().cloned().unwrap_or_default()
}

fn not_a_function(value: &Value) -> String {
    match value {
        Value::Nil => "call of nil".to_owned(),
        value => format!("non-function of type {}", value.of().name),
    }
}

fn len(value: &Value) -> Result<Value, String> {
    let length = match value {
        Value::Str(text) | Value::Safe(_, text) => text.len(),
        Value::List(list) => list.items.len(),
        Value::Map(map) => map.entries.len(),
        Value::Nil => return Err("len of nil pointer".to_owned()),
        other => return Err(format!("len of type {}", other.of().name)),
    };
    Ok(Value::Int(length as i64))
}

/// A number that may be an index into so many.
fn index_of(value: &Value, room: usize) -> Result<usize, String> {
    let number = match value {
        Value::Int(number) | Value::Named(_, number) => *number,
        Value::Nil => return Err("cannot index slice/array with nil".to_owned()),
        other => return Err(format!("cannot index slice/array with type {}", other.of().name)),
    };
    match usize::try_from(number) {
        Ok(index) if index < room => Ok(index),
        _ => Err(format!("index out of range: {number}")),
    }
}

fn index(all: &[Value]) -> Result<Value, String> {
    let mut item = all[0].clone();
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".to_owned());
    }
    for key in &all[1..] {
        item = match &item {
            Value::List(list) => list.items[index_of(key, list.items.len())?].clone(),
            Value::Str(text) | Value::Safe(_, text) => {
                let byte = text.as_bytes()[index_of(key, text.len())?];
                Value::Int(i64::from(byte))
            }
            Value::Map(map) => match key {
                Value::Str(key) => map.entries.get(key).unwrap_or(&map.missing).clone(),
                Value::Nil => return Err("value is nil; should be of type string".to_owned()),
                other => {
                    return Err(format!("value has type {}; should be string", other.of().name));
                }
            },
            Value::Nil => return Err("index of nil pointer".to_owned()),
            other => return Err(format!("can't index item of type {}", other.of().name)),
        };
    }
    Ok(item)
}

fn slice(all: &[Value]) -> Result<Value, String> {
    let length = match &all[0] {
        Value::Nil => return Err("slice of untyped nil".to_owned()),
        _ if all.len() > 4 => return Err(format!("too many slice indexes: {}", all.len() - 1)),
        Value::Str(_) | Value::Safe(..) if all.len() == 4 => {
            return Err("cannot 3-index slice a string".to_owned());
        }
        Value::Str(text) | Value::Safe(_, text) => text.len(),
        Value::List(list) => list.items.len(),
        other => return Err(format!("can't slice item of type {}", other.of().name)),
    };
    let mut ends = [0, length];
    for (end, value) in ends.iter_mut().zip(&all[1..]) {
        *end = index_of(value, length + 1)?;
    }
    let most = all.get(3).map_or(Ok(length), |value| index_of(value, length + 1))?;
    let [from, to] = ends;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    if to > most {
        return Err(format!("invalid slice index: {to} > {most}"));
    }
    match &all[0] {
        Value::List(list) => part(list, from, to),
        Value::Str(text) | Value::Safe(_, text) => {
            // half a character is shown as one that cannot be read, as Go's is
            Ok(Value::text(String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned()))
        }
        _ => Ok(Value::Nil),
    }
}

fn part(list: &Arc<List>, from: usize, to: usize) -> Result<Value, String> {
    Value::list_of(list.of, list.items[from..to].to_vec())
}
