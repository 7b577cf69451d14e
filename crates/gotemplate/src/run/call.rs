//! Calling functions and methods: as many arguments as they take, each of the right type.

use std::fmt::Display;

use super::{Frame, Runner};
use crate::ast::{Command, Expr, What};
use crate::error::Error;
use crate::value::{ANYS, Function, Param, Value};

/// What something is called with.
pub(super) struct Call<'a, 'd> {
    /// Shown by errors.
    pub command: Option<&'a Command>,
    pub words: &'a [Expr],
    pub dot: &'d Value,
    /// What the command before gave.
    pub last: Option<Value>,
}

impl<'a, 'd> Call<'a, 'd> {
    /// Without arguments.
    pub(super) fn alone(dot: &'d Value) -> Self {
        Call { command: None, words: &[], dot, last: None }
    }

    pub(super) fn has_arguments(&self) -> bool {
        !self.words.is_empty() || self.last.is_some()
    }
}

impl<'a> Runner<'a> {
    /// Calls a function, or a method of a value.
    pub(super) fn call(
        &mut self,
        frame: &mut Frame<'a>,
        expr: &'a Expr,
        function: &'static Function,
        receiver: Option<Value>,
        call: Call<'a, '_>,
    ) -> Result<Value, Error> {
        let name = function.name;
        let count = call.words.len() + usize::from(call.last.is_some());
        let want = function.takes.len();
        if count < want || (count > want && function.rest.is_none()) {
            let least = if function.rest.is_some() { "at least " } else { "" };
            let what = format!("wrong number of args for {name}: want {least}{want} got {count}");
            return Err(frame.never(expr.at, expr, &what));
        }
        // these two stop at the first argument that decides, before they look at the others
        let decides = if receiver.is_none() { crate::builtins::decides(function) } else { None };
        let mut values = Vec::with_capacity(count + 1);
        values.extend(receiver);
        for (index, word) in call.words.iter().enumerate() {
            let value = self.argument(frame, word, param(function, index), call.dot)?;
            if decides.is_some_and(|truth| value.is_true() == truth) {
                return Ok(value);
            }
            values.push(value);
        }
        let shown: &dyn Display = match call.command {
            Some(command) => command,
            None => expr,
        };
        if let Some(last) = call.last {
            let value = fit(last, param(function, call.words.len()));
            values.push(value.map_err(|what| frame.wrong(expr.at, shown, &what))?);
        }
        let result =
            self.env.spend(1 + values.len() as u64).and_then(|()| (function.call)(self.env, &values));
        result.map_err(|what| frame.wrong(expr.at, shown, &format!("error calling {name}: {what}")))
    }

    /// The value of an argument that must fit.
    fn argument(
        &mut self,
        frame: &mut Frame<'a>,
        word: &'a Expr,
        param: Param,
        dot: &Value,
    ) -> Result<Value, Error> {
        let found = match (&word.what, param) {
            (What::Nil, Param::Any | Param::Reflect | Param::Strings | Param::List) => Ok(Value::Nil),
            (What::Nil, param) => Err(format!("cannot assign nil to {}", param.name())),
            (What::Text(_, value), Param::Str) => Ok(value.clone()),
            (What::Number(number), Param::Int(of)) if number.int.is_some() => {
                Ok(Value::Named(of, number.int.unwrap_or_default()))
            }
            (What::Bool(_) | What::Text(..) | What::Number(_), Param::Any | Param::Reflect) => {
                return self.term(frame, word, dot);
            }
            (What::Bool(_) | What::Text(..) | What::Number(_), param) => Err(match param {
                Param::Str => format!("expected string; found {word}"),
                Param::Int(_) => format!("expected integer; found {word}"),
                param => format!("can't handle {word} for arg of type {}", param.name()),
            }),
            _ => fit(self.term(frame, word, dot)?, param),
        };
        found.map_err(|what| frame.wrong(word.at, word, &what))
    }
}

/// What the argument at this place must be.
fn param(function: &Function, index: usize) -> Param {
    function.takes.get(index).copied().or(function.rest).unwrap_or(Param::Any)
}

/// The value, when it is what is asked for.
fn fit(value: Value, param: Param) -> Result<Value, String> {
    let fits = match (param, &value) {
        (Param::Any | Param::Reflect, _) => true,
        (Param::Str, Value::Str(_)) | (Param::Time, Value::Time(_)) => true,
        (_, Value::Nil) => return Err(format!("invalid value; expected {}", param.name())),
        (Param::List, Value::List(list)) => list.of.name == ANYS.name,
        (Param::Strings, Value::List(list)) => {
            list.of.name != ANYS.name && list.items.iter().all(|item| matches!(item, Value::Str(_)))
        }
        (Param::Int(of), value) => value.of().name == of.name,
        (Param::Struct(of), Value::Struct(fields)) => std::ptr::eq(fields.of, of),
        _ => false,
    };
    match fits {
        true => Ok(value),
        false => Err(format!("wrong type for value; expected {}; got {}", param.name(), value.of().name)),
    }
}
