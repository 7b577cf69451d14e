//! From text to trees.

mod operand;
mod pipeline;

use std::collections::HashMap;
use std::sync::Arc;

use crate::ast::{Branch, Node, Pipe, Range, Source, Tree};
use crate::error::{Error, Stage};
use crate::functions::Functions;
use crate::lex::{Kind, Token, Wrong, lex};
use crate::limits::{MAX_NESTING, MAX_SOURCE_BYTES};
use crate::value::Text;

/// Reads a source: the trees of what it defines, and that of itself.
pub(crate) fn parse(
    name: &str,
    text: &str,
    functions: &Functions,
) -> Result<(Tree, HashMap<Text, Arc<Tree>>), Error> {
    if text.len() > MAX_SOURCE_BYTES {
        let what = format!("{} bytes, the limit is {MAX_SOURCE_BYTES}", text.len());
        return Err(Error::at(Stage::Limit, name, "", 0, &what));
    }
    let error = |(at, what): Wrong| Error::at(Stage::Parse, name, text, at, &what);
    let source = Arc::new(Source { name: name.into(), text: text.into() });
    let tokens = lex(text).map_err(error)?;
    let mut parser = Parser {
        tokens,
        at: 0,
        functions,
        source: source.clone(),
        variables: vec!["$".into()],
        defined: HashMap::new(),
        nesting: 0,
        ranges: 0,
    };
    let (nodes, end) = parser.nodes().map_err(error)?;
    match end {
        End::File => Ok((Tree { name: name.into(), source, nodes }, parser.defined)),
        End::Word(word) => Err(error((word.at, format!("unexpected {{{{{}}}}}", word.text)))),
    }
}

/// What a list of nodes ends with.
enum End<'s> {
    File,
    /// `end` or `else`; what follows it is not read yet.
    Word(Token<'s>),
}

struct Parser<'s> {
    tokens: Vec<Token<'s>>,
    at: usize,
    functions: &'s Functions,
    source: Arc<Source>,
    /// The variables that can be seen, by place.
    variables: Vec<Text>,
    defined: HashMap<Text, Arc<Tree>>,
    nesting: usize,
    ranges: usize,
}

type Parsed<T> = Result<T, Wrong>;

impl<'s> Parser<'s> {
    fn peek(&self) -> Token<'s> {
        // the last one is the end, and it is never passed
        self.tokens[self.at]
    }

    fn next(&mut self) -> Token<'s> {
        let token = self.peek();
        if token.kind != Kind::End {
            self.at += 1;
        }
        token
    }

    fn take(&mut self, kind: Kind) -> Option<Token<'s>> {
        (self.peek().kind == kind).then(|| self.next())
    }

    fn expect(&mut self, kind: Kind, where_: &str) -> Parsed<Token<'s>> {
        self.take(kind).map_or_else(|| self.unexpected(where_), Ok)
    }

    fn unexpected<T>(&self, where_: &str) -> Parsed<T> {
        let token = self.peek();
        match token.kind {
            Kind::End => wrong(token, "unexpected EOF"),
            _ => wrong(token, format!("unexpected {token} in {where_}")),
        }
    }

    /// Runs this one level deeper.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting == MAX_NESTING {
            return wrong(self.peek(), format!("blocks and parentheses nest more than {MAX_NESTING} deep"));
        }
        self.nesting += 1;
        let result = read(self);
        self.nesting -= 1;
        result
    }

    /// Runs this with variables that are forgotten behind it.
    fn scope<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let seen = self.variables.len();
        let result = read(self);
        self.variables.truncate(seen);
        result
    }

    /// Nodes up to an `end`, an `else` or the end of all.
    fn nodes(&mut self) -> Parsed<(Vec<Node>, End<'s>)> {
        let mut nodes = Vec::new();
        loop {
            let token = self.next();
            match token.kind {
                Kind::Text => nodes.push(Node::Text { at: token.at, text: token.text.into() }),
                Kind::Open => match self.peek() {
                    word if word.kind != Kind::Keyword => {
                        let pipe = self.pipe("command", Kind::Close)?;
                        nodes.push(Node::Action(pipe));
                    }
                    word if matches!(word.text, "end" | "else") => {
                        self.next();
                        return Ok((nodes, End::Word(word)));
                    }
                    word => {
                        self.next();
                        let node = self.deeper(|parser| parser.statement(word))?;
                        nodes.extend(node);
                    }
                },
                _ => return Ok((nodes, End::File)),
            }
        }
    }

    fn statement(&mut self, word: Token<'s>) -> Parsed<Option<Node>> {
        match word.text {
            "if" => self.scope(|parser| parser.branch(false)).map(Some),
            "with" => self.scope(|parser| parser.branch(true)).map(Some),
            "range" => self.scope(|parser| parser.range(word)).map(Some),
            "template" => self.template(word).map(Some),
            "block" => self.block(word).map(Some),
            "define" => self.define(word).map(|()| None),
            jump => {
                if self.take(Kind::Close).is_none() {
                    return self.unexpected(&format!("{{{{{jump}}}}}"));
                }
                match (self.ranges, jump) {
                    (0, _) => wrong(word, format!("{{{{{jump}}}}} outside {{{{range}}}}")),
                    (_, "break") => Ok(Some(Node::Break)),
                    _ => Ok(Some(Node::Continue)),
                }
            }
        }
    }

    /// Nodes up to an `end` or `else` that must come.
    fn block_nodes(&mut self) -> Parsed<(Vec<Node>, Token<'s>)> {
        match self.scope(Self::nodes)? {
            (_, End::File) => wrong(self.peek(), "unexpected EOF"),
            (nodes, End::Word(word)) => Ok((nodes, word)),
        }
    }

    /// Nodes up to an `end` that must come.
    fn last_nodes(&mut self, what: &str) -> Parsed<Vec<Node>> {
        let (nodes, word) = self.block_nodes()?;
        if word.text == "else" {
            return wrong(word, format!("unexpected {{{{else}}}} in {what}"));
        }
        self.expect(Kind::Close, "end")?;
        Ok(nodes)
    }

    fn branch(&mut self, with: bool) -> Parsed<Node> {
        let word = if with { "with" } else { "if" };
        let mut arms = Vec::new();
        loop {
            let pipe = self.pipe(word, Kind::Close)?;
            let (nodes, end) = self.block_nodes()?;
            arms.push((pipe, nodes));
            if end.text == "end" {
                self.expect(Kind::Close, "end")?;
                return Ok(Node::Branch(Branch { with, arms, otherwise: Vec::new() }));
            }
            if self.peek().kind == Kind::Keyword && self.peek().text == word {
                self.next();
                continue;
            }
            self.expect(Kind::Close, "else")?;
            let otherwise = self.last_nodes("else")?;
            return Ok(Node::Branch(Branch { with, arms, otherwise }));
        }
    }

    fn range(&mut self, word: Token<'s>) -> Parsed<Node> {
        let pipe = self.pipe("range", Kind::Close)?;
        self.ranges += 1;
        let body = self.block_nodes();
        self.ranges -= 1;
        let (body, end) = body?;
        let where_ = if end.text == "else" { "else" } else { "end" };
        self.expect(Kind::Close, where_)?;
        let otherwise = if end.text == "else" { self.last_nodes("else")? } else { Vec::new() };
        Ok(Node::Range(Range { at: word.at, pipe, body, otherwise }))
    }

    /// The name of a template as `template`, `block` and `define` have it.
    fn name(&mut self, where_: &str) -> Parsed<Text> {
        match self.peek() {
            token if matches!(token.kind, Kind::Quoted | Kind::Raw) => {
                self.next();
                operand::unquote(token)
            }
            _ => self.unexpected(where_),
        }
    }

    fn template(&mut self, word: Token<'s>) -> Parsed<Node> {
        let name = self.name("template clause")?;
        let pipe = match self.take(Kind::Close) {
            Some(_) => None,
            None => Some(self.pipe("template clause", Kind::Close)?),
        };
        Ok(Node::Template { at: word.at, name, pipe })
    }

    fn block(&mut self, word: Token<'s>) -> Parsed<Node> {
        let name = self.name("block clause")?;
        let pipe: Pipe = self.pipe("block clause", Kind::Close)?;
        self.definition(name.clone(), "block clause")?;
        Ok(Node::Template { at: word.at, name, pipe: Some(pipe) })
    }

    fn define(&mut self, word: Token<'s>) -> Parsed<()> {
        if self.nesting > 1 {
            return wrong(word, "unexpected {{define}}");
        }
        let name = self.name("define clause")?;
        self.expect(Kind::Close, "define clause")?;
        self.definition(name, "define clause")
    }

    /// What stands between `define` and its `end`: a template of its own, with variables of its own.
    fn definition(&mut self, name: Text, where_: &str) -> Parsed<()> {
        let outer = std::mem::replace(&mut self.variables, vec!["$".into()]);
        let ranges = std::mem::take(&mut self.ranges);
        let nodes = self.last_nodes(where_)?;
        self.variables = outer;
        self.ranges = ranges;
        let blank = is_blank(&nodes);
        // an empty definition does not take the place of one that says something
        let known = self.defined.get(&name).filter(|tree| !is_blank(&tree.nodes));
        if !blank && known.is_some() {
            return wrong(self.peek(), format!("template: multiple definition of template {name:?}"));
        }
        if !(blank && self.defined.contains_key(&name)) {
            let tree = Tree { name: name.clone(), source: self.source.clone(), nodes };
            self.defined.insert(name, Arc::new(tree));
        }
        Ok(())
    }
}

/// Whether they say nothing.
pub(crate) fn is_blank(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| matches!(node, Node::Text { text, .. } if text.trim().is_empty()))
}

fn wrong<T>(token: Token<'_>, what: impl Into<String>) -> Parsed<T> {
    Err((token.at, what.into()))
}
