//! Fields, keys and methods of values: `.Labels.severity`, `.Alerts.Firing`, `.StartsAt.Format "15:04"`.

use super::call::Call;
use super::{Frame, Runner};
use crate::ast::Expr;
use crate::error::Error;
use crate::value::{ANY, Text, Value};

impl<'a> Runner<'a> {
    /// Follows a chain of names; the last one is called with the arguments.
    pub(super) fn fields(
        &mut self,
        frame: &mut Frame<'a>,
        expr: &'a Expr,
        mut value: Value,
        names: &'a [Text],
        call: Call<'a, '_>,
    ) -> Result<Value, Error> {
        let Some((last, names)) = names.split_last() else { return Ok(value) };
        // whether the value stands in a map of anything, where a nil is an error, and a missing key is not
        let mut dynamic = false;
        for name in names {
            (value, dynamic) = self.field(frame, expr, value, name, Call::alone(call.dot), dynamic)?;
        }
        Ok(self.field(frame, expr, value, last, call, dynamic)?.0)
    }

    /// What a value has under a name, and whether that stands in a map of anything.
    fn field(
        &mut self,
        frame: &mut Frame<'a>,
        expr: &'a Expr,
        value: Value,
        name: &'a Text,
        call: Call<'a, '_>,
        dynamic: bool,
    ) -> Result<(Value, bool), Error> {
        if matches!(value, Value::Nil) && !dynamic {
            return Ok((Value::Nil, false));
        }
        let of = value.of();
        if let Some(method) = of.method(name) {
            return Ok((self.call(frame, expr, method, Some(value), call)?, false));
        }
        let name_of_type = if dynamic { ANY.name } else { of.name };
        let what = match &value {
            Value::Nil => format!("nil pointer evaluating interface {{}}.{name}"),
            Value::Map(_) if call.has_arguments() => format!("{name} is not a method but has arguments"),
            Value::Map(map) => {
                let found = map.entries.get(&**name);
                let dynamic = found.is_some() && matches!(map.missing, Value::Nil);
                return Ok((found.unwrap_or(&map.missing).clone(), dynamic));
            }
            Value::Struct(fields) => match fields.field(name) {
                Some(_) if call.has_arguments() => {
                    format!("{name} has arguments but cannot be invoked as function")
                }
                Some(field) => return Ok((field.clone(), false)),
                None => format!("can't evaluate field {name} in type {name_of_type}"),
            },
            _ => format!("can't evaluate field {name} in type {name_of_type}"),
        };
        // in a map of anything another value may stand next time
        Err(match dynamic {
            true => frame.wrong(expr.at, expr, &what),
            false => frame.never(expr.at, expr, &what),
        })
    }
}
