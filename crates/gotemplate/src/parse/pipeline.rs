//! Pipelines: declarations, commands, and the words of commands.

use super::{Parsed, Parser, wrong};
use crate::ast::{Command, Expr, Pipe, What};
use crate::lex::{Kind, Token};

impl<'s> Parser<'s> {
    /// A pipeline and what ends it.
    pub(super) fn pipe(&mut self, where_: &str, end: Kind) -> Parsed<Pipe> {
        let at = self.peek().at;
        let (variables, assigns) = self.declaration(where_)?;
        let mut commands = Vec::new();
        loop {
            let token = self.peek();
            match token.kind {
                kind if kind == end && !commands.is_empty() => {
                    self.next();
                    break;
                }
                kind if kind == end => return wrong(token, format!("missing value for {where_}")),
                Kind::Bool
                | Kind::Char
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::Raw
                | Kind::Quoted
                | Kind::Variable
                | Kind::LeftParen => {
                    commands.push(self.command()?);
                }
                _ => return self.unexpected(where_),
            }
        }
        if let Some((stage, command)) = commands.iter().enumerate().skip(1).find(|(_, it)| !can_run(it)) {
            let what = format!("non executable command in pipeline stage {}", stage + 1);
            return Err((command.at, what));
        }
        // what is declared can be seen only behind the pipeline
        let variables = match assigns {
            true => variables.into_iter().map(|(token, slot)| (token.text.into(), slot)).collect(),
            false => variables.into_iter().map(|(token, _)| self.declare(token)).collect(),
        };
        Ok(Pipe { at, variables, assigns, commands, escapers: Vec::new() })
    }

    fn declare(&mut self, token: Token<'s>) -> (crate::value::Text, usize) {
        self.variables.push(token.text.into());
        (token.text.into(), self.variables.len() - 1)
    }

    /// `$x :=`, `$x =`, or in a range `$x, $y :=`.
    fn declaration(&mut self, where_: &str) -> Parsed<(Vec<(Token<'s>, usize)>, bool)> {
        let mut names = Vec::new();
        let start = self.at;
        while let Some(variable) = self.take(Kind::Variable) {
            names.push(variable);
            let next = self.next();
            match next.kind {
                Kind::Declare if names.len() == 1 || where_ == "range" => {
                    return Ok((names.into_iter().map(|name| (name, 0)).collect(), false));
                }
                Kind::Assign if names.len() == 1 || where_ == "range" => {
                    let found = names.into_iter().map(|name| Ok((name, self.slot(name)?)));
                    return Ok((found.collect::<Parsed<_>>()?, true));
                }
                Kind::Comma if where_ == "range" && names.len() == 1 => {}
                Kind::Comma => {
                    return wrong(next, format!("too many declarations in {where_}"));
                }
                _ => break,
            }
        }
        if names.len() > 1 {
            return self.unexpected(where_);
        }
        self.at = start;
        Ok((Vec::new(), false))
    }

    /// Words up to the end of the pipeline or its next stage.
    fn command(&mut self) -> Parsed<Command> {
        let at = self.peek().at;
        let mut words: Vec<Expr> = Vec::new();
        loop {
            let Some(operand) = self.operand()? else { return self.unexpected("operand") };
            words.push(operand);
            let token = self.peek();
            match token.kind {
                Kind::Close | Kind::RightParen => break,
                Kind::Pipe => {
                    self.next();
                    if matches!(self.peek().kind, Kind::Close | Kind::RightParen | Kind::Pipe) {
                        return wrong(token, "missing value for command");
                    }
                    break;
                }
                Kind::End => return wrong(token, "unexpected EOF"),
                _ if token.spaced => {}
                _ => return self.unexpected("operand"),
            }
        }
        if words.len() > 1 && matches!(words[0].what, What::Nil) {
            return Err((at, "nil is not a command".to_owned()));
        }
        Ok(Command { at, words })
    }
}

fn can_run(command: &Command) -> bool {
    !matches!(command.words[0].what, What::Bool(_) | What::Dot | What::Nil | What::Number(_) | What::Text(..))
}
