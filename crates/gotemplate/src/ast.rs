//! What a template says, once it is read. Nodes print themselves as Go prints them, since errors quote them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::escaper::Escaper;
use crate::value::{Function, Text, Value};

/// A named template, read.
#[derive(Debug)]
pub(crate) struct Tree {
    /// What it goes by.
    pub name: Text,
    /// Where it was read from, for errors.
    pub source: Arc<Source>,
    pub nodes: Vec<Node>,
}

/// A file or an inline text.
#[derive(Debug)]
pub(crate) struct Source {
    pub name: Text,
    pub text: Text,
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text { at: usize, text: Text },
    Action(Pipe),
    Branch(Branch),
    Range(Range),
    Template { at: usize, name: Text, pipe: Option<Pipe> },
    Break,
    Continue,
}

/// An `if` or a `with`.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub with: bool,
    pub arms: Vec<(Pipe, Vec<Node>)>,
    pub otherwise: Vec<Node>,
}

#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub at: usize,
    pub pipe: Pipe,
    pub body: Vec<Node>,
    pub otherwise: Vec<Node>,
}

#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    pub at: usize,
    /// What is declared or set, with its place among the variables.
    pub variables: Vec<(Text, usize)>,
    pub assigns: bool,
    pub commands: Vec<Command>,
    /// What makes its value safe to stand where it stands in HTML.
    pub escapers: Vec<Escaper>,
}

#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub at: usize,
    /// At least one; the first is what is done, if it can be done.
    pub words: Vec<Expr>,
}

#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub at: usize,
    pub what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Dot,
    Nil,
    Bool(bool),
    /// As written, and what it means.
    Text(Text, Value),
    Number(Number),
    Field(Vec<Text>),
    Variable {
        name: Text,
        slot: usize,
        fields: Vec<Text>,
    },
    Function(&'static Function),
    Chain(Box<Expr>, Vec<Text>),
    Pipe(Box<Pipe>),
}

/// A number as written, and what it may be taken for.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub text: Text,
    pub int: Option<i64>,
    pub float: Option<f64>,
    /// Whether it is an integer where nothing else is asked for.
    pub is_int: bool,
}

/// Named templates.
pub(crate) type Trees = HashMap<Text, Arc<Tree>>;

/// The templates that nodes use, and where.
pub(crate) fn used<'t>(nodes: &'t [Node], uses: &mut Vec<(usize, &'t Text)>) {
    for node in nodes {
        match node {
            Node::Template { at, name, .. } => uses.push((*at, name)),
            Node::Branch(branch) => {
                branch.arms.iter().for_each(|(_, nodes)| used(nodes, uses));
                used(&branch.otherwise, uses);
            }
            Node::Range(range) => {
                used(&range.body, uses);
                used(&range.otherwise, uses);
            }
            Node::Text { .. } | Node::Action(_) | Node::Break | Node::Continue => {}
        }
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, _)) in self.variables.iter().enumerate() {
            write!(f, "{}{name}", if index > 0 { ", " } else { "" })?;
        }
        if !self.variables.is_empty() {
            f.write_str(if self.assigns { " = " } else { " := " })?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            write!(f, "{}{command}", if index > 0 { " | " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words.iter().enumerate() {
            let space = if index > 0 { " " } else { "" };
            match &word.what {
                What::Pipe(pipe) => write!(f, "{space}({pipe})")?,
                _ => write!(f, "{space}{word}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Dot => f.write_str("."),
            What::Nil => f.write_str("nil"),
            What::Bool(yes) => write!(f, "{yes}"),
            What::Text(written, _) => f.write_str(written),
            What::Number(number) => f.write_str(&number.text),
            What::Field(fields) => chain(f, fields),
            What::Variable { name, fields, .. } => {
                f.write_str(name)?;
                chain(f, fields)
            }
            What::Function(function) => f.write_str(function.name),
            What::Chain(of, fields) => {
                match &of.what {
                    What::Pipe(pipe) => write!(f, "({pipe})")?,
                    _ => write!(f, "{of}")?,
                }
                chain(f, fields)
            }
            What::Pipe(pipe) => write!(f, "{pipe}"),
        }
    }
}

fn chain(f: &mut fmt::Formatter<'_>, fields: &[Text]) -> fmt::Result {
    fields.iter().try_for_each(|field| write!(f, ".{field}"))
}
