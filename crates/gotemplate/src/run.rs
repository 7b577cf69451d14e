//! Running a template: nodes write, expressions give values, and everything is counted.

mod call;
mod field;

use std::fmt::Display;

use crate::ast::{Branch, Command, Expr, Node, Pipe, Range, Tree, Trees, What};
use crate::error::{Error, Stage, column, line};
use crate::limits::Limits;
use crate::print;
use crate::value::{Env, OUT_OF_STEPS};
use crate::value::{Text, Value};

/// Runs a template over some data.
pub(crate) fn run(
    tree: &Tree,
    trees: &Trees,
    data: &Value,
    env: &Env<'_>,
    limits: &Limits,
) -> Result<String, Error> {
    let mut runner = Runner { env, trees, limits, output: String::new(), depth: 0 };
    let mut frame = Frame { tree, variables: vec![data.clone()] };
    runner.nodes(&mut frame, &tree.nodes, data)?;
    Ok(runner.output)
}

/// What is the same for all templates of one run.
struct Runner<'a> {
    env: &'a Env<'a>,
    trees: &'a Trees,
    limits: &'a Limits,
    output: String,
    depth: usize,
}

/// One template that runs, with its variables by place.
struct Frame<'a> {
    tree: &'a Tree,
    variables: Vec<Value>,
}

/// Where to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// How many characters of a node an error quotes.
const QUOTED_CHARS: usize = 200;

impl Frame<'_> {
    /// An error at a node that prints itself like this.
    fn wrong(&self, at: usize, node: &dyn Display, what: &str) -> Error {
        let Tree { name, source, .. } = self.tree;
        let mut context = node.to_string();
        if context.len() > QUOTED_CHARS {
            context = context.chars().take(QUOTED_CHARS).chain("...".chars()).collect();
        }
        let (line, column) = (line(&source.text, at), column(&source.text, at));
        let limit = what.ends_with(OUT_OF_STEPS) || what.starts_with("limit: ");
        Error {
            stage: if limit { Stage::Limit } else { Stage::Run },
            template: source.name.to_string(),
            line,
            text: format!(
                "template: {}:{line}:{column}: executing {name:?} at <{context}>: {what}",
                source.name
            ),
        }
    }

    /// The same for what fails on all values.
    fn never(&self, at: usize, node: &dyn Display, what: &str) -> Error {
        Error { stage: Stage::Type, ..self.wrong(at, node, what) }
    }

    fn set(&mut self, slot: usize, value: Value) {
        if self.variables.len() <= slot {
            self.variables.resize(slot + 1, Value::Nil);
        }
        self.variables[slot] = value;
    }

    fn variable(&self, slot: usize) -> Value {
        self.variables.get(slot).cloned().unwrap_or_default()
    }
}

impl<'a> Runner<'a> {
    fn nodes(&mut self, frame: &mut Frame<'a>, nodes: &'a [Node], dot: &Value) -> Result<Flow, Error> {
        for node in nodes {
            match self.node(frame, node, dot)? {
                Flow::Next => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, frame: &mut Frame<'a>, node: &'a Node, dot: &Value) -> Result<Flow, Error> {
        match node {
            Node::Text { at, text } => self.write(frame, *at, text, text)?,
            Node::Action(pipe) => {
                let value = self.pipe(frame, pipe, dot)?;
                if pipe.variables.is_empty() {
                    self.print(frame, pipe, &value)?;
                }
            }
            Node::Branch(branch) => return self.deeper(frame, 0, |it, frame| it.branch(frame, branch, dot)),
            Node::Range(range) => {
                return self.deeper(frame, range.at, |it, frame| it.range(frame, range, dot));
            }
            Node::Template { at, name, pipe } => {
                self.deeper(frame, *at, |it, frame| it.template(frame, *at, name, pipe.as_ref(), dot))?;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    /// Runs this one level deeper.
    fn deeper<T>(
        &mut self,
        frame: &mut Frame<'a>,
        at: usize,
        run: impl FnOnce(&mut Self, &mut Frame<'a>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.depth >= self.limits.depth {
            let what = format!("limit: templates run within each other more than {} deep", self.depth);
            return Err(frame.wrong(at, &frame.tree.name, &what));
        }
        self.depth += 1;
        let result = run(self, frame);
        self.depth -= 1;
        result
    }

    fn spend(&self, frame: &Frame<'_>, at: usize, node: &dyn Display, steps: u64) -> Result<(), Error> {
        self.env.spend(steps).map_err(|what| frame.wrong(at, node, &what))
    }

    fn write(&mut self, frame: &Frame<'_>, at: usize, node: &dyn Display, text: &str) -> Result<(), Error> {
        self.spend(frame, at, node, 1)?;
        if text.len() > self.limits.output_bytes - self.output.len() {
            let what = format!("limit: it writes more than {} bytes", self.limits.output_bytes);
            return Err(frame.wrong(at, node, &what));
        }
        self.output.push_str(text);
        Ok(())
    }

    fn print(&mut self, frame: &Frame<'_>, pipe: &Pipe, value: &Value) -> Result<(), Error> {
        if !pipe.escapers.is_empty() {
            let escaped = crate::escape::apply(&pipe.escapers, value, self.env);
            let escaped = escaped.map_err(|what| frame.wrong(pipe.at, pipe, &what))?;
            return self.write(frame, pipe.at, pipe, &escaped);
        }
        match value {
            Value::Nil => self.write(frame, pipe.at, pipe, "<no value>"),
            Value::Str(text) | Value::Safe(_, text) => self.write(frame, pipe.at, pipe, text),
            value => {
                let text = print::value(value, self.env);
                self.write(frame, pipe.at, pipe, &text.map_err(|what| frame.wrong(pipe.at, pipe, &what))?)
            }
        }
    }

    fn branch(&mut self, frame: &mut Frame<'a>, branch: &'a Branch, dot: &Value) -> Result<Flow, Error> {
        for (pipe, nodes) in &branch.arms {
            let value = self.pipe(frame, pipe, dot)?;
            if value.is_true() {
                return self.nodes(frame, nodes, if branch.with { &value } else { dot });
            }
        }
        self.nodes(frame, &branch.otherwise, dot)
    }

    fn range(&mut self, frame: &mut Frame<'a>, range: &'a Range, dot: &Value) -> Result<Flow, Error> {
        let value = self.pipe(frame, &range.pipe, dot)?;
        let mut each = |it: &mut Self, index: &dyn Fn() -> Value, item: &Value| {
            it.spend(frame, range.at, &range.pipe, 1)?;
            match range.pipe.variables.as_slice() {
                [] => {}
                [(_, slot)] => frame.set(*slot, item.clone()),
                [(_, first), (_, second), ..] => {
                    frame.set(*first, index());
                    frame.set(*second, item.clone());
                }
            }
            Ok(it.nodes(frame, &range.body, item)? != Flow::Break)
        };
        let mut any = false;
        match &value {
            Value::List(list) => {
                for (index, item) in list.items.iter().enumerate() {
                    any = true;
                    if !each(self, &|| Value::Int(index as i64), item)? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for (key, item) in &map.entries {
                    any = true;
                    if !each(self, &|| Value::Str(key.clone()), item)? {
                        break;
                    }
                }
            }
            Value::Int(count) => {
                for index in 0..*count {
                    any = true;
                    if !each(self, &|| Value::Int(index), &Value::Int(index))? {
                        break;
                    }
                }
            }
            Value::Nil => {}
            other => {
                let shown = print::value(other, self.env).unwrap_or_default();
                let what = format!("range can't iterate over {shown}");
                return Err(frame.wrong(range.pipe.at, &range.pipe, &what));
            }
        }
        match any {
            true => Ok(Flow::Next),
            false => self.nodes(frame, &range.otherwise, dot),
        }
    }

    fn template(
        &mut self,
        frame: &mut Frame<'a>,
        at: usize,
        name: &Text,
        pipe: Option<&'a Pipe>,
        dot: &Value,
    ) -> Result<(), Error> {
        let node = || match pipe {
            Some(pipe) => format!("{{{{template {name:?} {pipe}}}}}"),
            None => format!("{{{{template {name:?}}}}}"),
        };
        let Some(tree) = self.trees.get(name) else {
            return Err(frame.wrong(at, &node(), &format!("template {name:?} not defined")));
        };
        self.env.spend(1).map_err(|what| frame.wrong(at, &node(), &what))?;
        let data = match pipe {
            Some(pipe) => self.pipe(frame, pipe, dot)?,
            None => Value::Nil,
        };
        let mut inner = Frame { tree, variables: vec![data.clone()] };
        self.nodes(&mut inner, &tree.nodes, &data)?;
        Ok(())
    }

    /// The value of a pipeline, which its variables get, too.
    fn pipe(&mut self, frame: &mut Frame<'a>, pipe: &'a Pipe, dot: &Value) -> Result<Value, Error> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(frame, command, dot, value)?);
        }
        let value = value.unwrap_or_default();
        for (_, slot) in &pipe.variables {
            frame.set(*slot, value.clone());
        }
        Ok(value)
    }

    /// The value of a command, whose last argument is what the one before it gave.
    fn command(
        &mut self,
        frame: &mut Frame<'a>,
        command: &'a Command,
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Value, Error> {
        let first = &command.words[0];
        self.spend(frame, first.at, first, 1)?;
        let words = &command.words[1..];
        let call = call::Call { command: Some(command), words, dot, last };
        match &first.what {
            What::Field(fields) => self.fields(frame, first, dot.clone(), fields, call),
            What::Chain(of, fields) => {
                let value = self.term(frame, of, dot)?;
                self.fields(frame, first, value, fields, call)
            }
            What::Variable { slot, fields, .. } if !fields.is_empty() => {
                let value = frame.variable(*slot);
                self.fields(frame, first, value, fields, call)
            }
            What::Function(function) => self.call(frame, first, function, None, call),
            _ => {
                if !call.words.is_empty() || call.last.is_some() {
                    let what = format!("can't give argument to non-function {first}");
                    return Err(match first.what {
                        What::Pipe(_) => frame.wrong(command.at, command, &what),
                        _ => frame.wrong(first.at, first, &what),
                    });
                }
                self.term(frame, first, dot)
            }
        }
    }

    /// The value of an operand by itself.
    fn term(&mut self, frame: &mut Frame<'a>, expr: &'a Expr, dot: &Value) -> Result<Value, Error> {
        let none = |frame: &Frame<'a>, what: &str| Err(frame.wrong(expr.at, expr, what));
        match &expr.what {
            What::Dot => Ok(dot.clone()),
            What::Nil => none(frame, "nil is not a command"),
            What::Bool(yes) => Ok(Value::Bool(*yes)),
            What::Text(_, value) => Ok(value.clone()),
            What::Number(number) => match (number.is_int, number.int, number.float) {
                (true, Some(int), _) => Ok(Value::Int(int)),
                (_, _, Some(float)) => Ok(Value::Float(float)),
                _ => none(frame, "unexpected empty number"),
            },
            What::Variable { slot, fields, .. } if fields.is_empty() => Ok(frame.variable(*slot)),
            What::Pipe(pipe) => self.deeper(frame, expr.at, |it, frame| it.pipe(frame, pipe, dot)),
            What::Field(fields) => self.fields(frame, expr, dot.clone(), fields, call::Call::alone(dot)),
            What::Variable { slot, fields, .. } => {
                let value = frame.variable(*slot);
                self.fields(frame, expr, value, fields, call::Call::alone(dot))
            }
            What::Chain(of, fields) => {
                let value = self.term(frame, of, dot)?;
                self.fields(frame, expr, value, fields, call::Call::alone(dot))
            }
            What::Function(function) => self.call(frame, expr, function, None, call::Call::alone(dot)),
        }
    }
}
