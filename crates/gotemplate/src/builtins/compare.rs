//! `eq`, `ne`, `lt`, `le`, `gt`, `ge`: like is compared with like.

use std::cmp::Ordering;

use crate::value::Value;

/// What a value is to a comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    Float,
    Text,
}

fn kind(value: &Value) -> Option<Kind> {
    match value {
        Value::Bool(_) => Some(Kind::Bool),
        Value::Int(_) | Value::Named(..) => Some(Kind::Int),
        Value::Float(_) => Some(Kind::Float),
        Value::Str(_) | Value::Safe(..) => Some(Kind::Text),
        _ => None,
    }
}

const INCOMPATIBLE: &str = "incompatible types for comparison";
const INVALID: &str = "invalid type for comparison";

/// Whether the first is any of the others.
pub(super) fn eq(all: &[Value]) -> Result<Value, String> {
    let (first, others) = all.split_first().ok_or("missing argument for comparison")?;
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        let same = match (kind(first), kind(other), first, other) {
            (_, _, Value::Nil, other) | (_, _, other, Value::Nil) => matches!(other, Value::Nil),
            (Some(one), Some(two), ..) if one == two => same(first, other),
            (None, None, Value::Time(one), Value::Time(two)) => one == two,
            (None, None, one, two) if one.of().name == two.of().name => {
                return Err(format!("non-comparable type {}: {}", shown(one), one.of().name));
            }
            _ => return Err(INCOMPATIBLE.to_owned()),
        };
        if same {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

/// A value in an error.
fn shown(value: &Value) -> String {
    crate::print::shown(value)
}

pub(super) fn ne(all: &[Value]) -> Result<Value, String> {
    match eq(all)? {
        Value::Bool(same) => Ok(Value::Bool(!same)),
        other => Ok(other),
    }
}

fn same(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Bool(one), Value::Bool(two)) => one == two,
        (Value::Float(one), Value::Float(two)) => one == two,
        _ => match (one.as_str(), two.as_str()) {
            (Some(one), Some(two)) => one == two,
            _ => one.as_int() == two.as_int(),
        },
    }
}

pub(super) fn less(all: &[Value]) -> Result<bool, String> {
    Ok(order(&all[0], &all[1])? == Some(Ordering::Less))
}

pub(super) fn less_or_equal(all: &[Value]) -> Result<bool, String> {
    Ok(matches!(order(&all[0], &all[1])?, Some(Ordering::Less | Ordering::Equal)))
}

/// Which one is smaller; none is when one of them is no number at all.
fn order(one: &Value, two: &Value) -> Result<Option<Ordering>, String> {
    match (kind(one), kind(two)) {
        (None, _) | (_, None) => Err(INVALID.to_owned()),
        (Some(a), Some(b)) if a != b => Err(INCOMPATIBLE.to_owned()),
        (Some(Kind::Bool), _) => Err(INVALID.to_owned()),
        _ => Ok(match (one, two) {
            (Value::Float(one), Value::Float(two)) => one.partial_cmp(two),
            _ => match (one.as_str(), two.as_str()) {
                (Some(one), Some(two)) => Some(one.cmp(two)),
                _ => Some(one.as_int().cmp(&two.as_int())),
            },
        }),
    }
}
