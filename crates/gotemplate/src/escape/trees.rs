//! Escaping of whole trees, and of what they use.

use std::collections::HashMap;
use std::sync::Arc;

use super::context::{Context, Delim, Slash, State, UrlPart};
use super::step::step;
use crate::ast::{Branch, Node, Pipe, Range, Tree, Trees, What, used};
use crate::error::{Error, Stage};
use crate::escaper::Escaper;
use crate::limits::{MAX_ESCAPE_STEPS, MAX_ESCAPED_TEMPLATES, MAX_NESTING};
use crate::value::Text;

/// A tree that is safe in HTML, and all that it uses.
pub(crate) fn escape(tree: &Tree, trees: &Trees) -> Result<(Tree, Trees), Error> {
    let mut escape = Escape { trees, uses: HashMap::new(), steps: 0, depth: 0 };
    let (nodes, end) = escape.tree(tree, Context::default())?;
    if end.state != State::Text {
        let what = format!("ends in a non-text context: {:?}", end.state);
        return Err(Error::at(Stage::Escape, &tree.source.name, &tree.source.text, 0, &what));
    }
    let escaped = Tree { name: tree.name.clone(), source: tree.source.clone(), nodes };
    let made = escape.uses.into_values().filter_map(|used| Some((used.name, used.tree?)));
    Ok((escaped, made.collect()))
}

/// A template as it is used somewhere.
struct Use {
    /// What it goes by there.
    name: Text,
    /// The context behind it.
    end: Context,
    tree: Option<Arc<Tree>>,
}

struct Escape<'t> {
    trees: &'t Trees,
    uses: HashMap<(Text, Context), Use>,
    steps: usize,
    depth: usize,
}

/// What is being escaped: where it was read from, and the contexts at the jumps out of a loop.
struct Place<'t> {
    tree: &'t Tree,
    jumps: Vec<Context>,
}

impl Place<'_> {
    fn wrong<T>(&self, at: usize, what: &str) -> Result<T, Error> {
        let source = &self.tree.source;
        Err(Error::at(Stage::Escape, &source.name, &source.text, at, what))
    }
}

/// Where nodes end; nowhere, when all of them jump.
type Ends = Option<Context>;

impl<'t> Escape<'t> {
    fn tree(&mut self, tree: &Tree, context: Context) -> Result<(Vec<Node>, Context), Error> {
        let mut place = Place { tree, jumps: Vec::new() };
        let (nodes, end) = self.nodes(&mut place, &tree.nodes, Some(context))?;
        Ok((nodes, end.unwrap_or(context)))
    }

    fn nodes(
        &mut self,
        place: &mut Place<'_>,
        nodes: &[Node],
        mut context: Ends,
    ) -> Result<(Vec<Node>, Ends), Error> {
        let mut escaped = Vec::with_capacity(nodes.len());
        for node in nodes {
            // what is behind a jump is never reached
            let Some(here) = context else { break };
            self.steps += 1;
            if self.steps > MAX_ESCAPE_STEPS {
                return place.wrong(0, "there is too much to escape");
            }
            let (node, next) = self.node(place, node, here)?;
            escaped.push(node);
            context = next;
        }
        Ok((escaped, context))
    }

    fn node(&mut self, place: &mut Place<'_>, node: &Node, context: Context) -> Result<(Node, Ends), Error> {
        Ok(match node {
            Node::Text { at, text } => {
                let (text, end) = self.text(place, *at, text, context)?;
                (Node::Text { at: *at, text }, Some(end))
            }
            Node::Action(pipe) => {
                let (pipe, end) = action(place, pipe, context)?;
                (Node::Action(pipe), Some(end))
            }
            Node::Branch(branch) => self.branch(place, branch, context)?,
            Node::Range(range) => self.range(place, range, context)?,
            Node::Template { at, name, pipe } => {
                let (name, end) = self.template(place, *at, name, context)?;
                (Node::Template { at: *at, name, pipe: pipe.clone() }, Some(end))
            }
            Node::Break | Node::Continue => {
                place.jumps.push(context);
                (node.clone(), None)
            }
        })
    }

    /// Text without comments, and where it leads.
    fn text(
        &mut self,
        place: &Place<'_>,
        at: usize,
        text: &Text,
        mut context: Context,
    ) -> Result<(Text, Context), Error> {
        let mut out = String::new();
        let (mut written, mut from) = (0, 0);
        while from < text.len() {
            self.steps += 1;
            if self.steps > MAX_ESCAPE_STEPS {
                return place.wrong(at, "there is too much to escape");
            }
            let (next, bytes) = match step(context, &text[from..]) {
                Ok(step) => step,
                Err(what) => return place.wrong(at + from, &what),
            };
            let to = from + bytes;
            if matches!(context.state, State::Text | State::Rcdata) {
                // a sign that begins no tag cannot be taken for one later
                let end = if next.state != context.state {
                    text[from..to].rfind('<').map_or(to, |it| from + it)
                } else {
                    to
                };
                for (lone, _) in text[from..end].match_indices('<') {
                    let doctype =
                        text[from + lone..].get(..9).is_some_and(|it| it.eq_ignore_ascii_case("<!doctype"));
                    if !doctype {
                        out.push_str(&text[written..from + lone]);
                        out.push_str("&lt;");
                        written = from + lone + 1;
                    }
                }
            } else if context.is_comment() && context.delim == Delim::None {
                match context.state {
                    // a line stays a line, and what a comment parts stays parted
                    State::JsBlockComment
                        if text[from..to].contains(['\n', '\r', '\u{2028}', '\u{2029}']) =>
                    {
                        out.push('\n')
                    }
                    State::JsBlockComment | State::CssBlockComment => out.push(' '),
                    _ => {}
                }
                written = to;
            }
            if next.state != context.state && next.is_comment() && next.delim == Delim::None {
                let mark = if next.state == State::Comment { "<!--".len() } else { "/*".len() };
                out.push_str(&text[written..to - mark]);
                written = to;
            }
            if bytes == 0 && next == context {
                return place.wrong(at + from, "it cannot be told what this text is");
            }
            (context, from) = (next, to);
        }
        if written == 0 && out.is_empty() {
            return Ok((text.clone(), context));
        }
        if !context.is_comment() || context.delim != Delim::None {
            out.push_str(&text[written..]);
        }
        Ok((out.into(), context))
    }

    fn branch(
        &mut self,
        place: &mut Place<'_>,
        branch: &Branch,
        context: Context,
    ) -> Result<(Node, Ends), Error> {
        let mut arms = Vec::with_capacity(branch.arms.len());
        let mut end: Ends = None;
        let at = branch.arms.first().map_or(0, |(pipe, _)| pipe.at);
        let word = if branch.with { "with" } else { "if" };
        for (pipe, nodes) in &branch.arms {
            let (nodes, next) = self.nodes(place, nodes, Some(context))?;
            arms.push((pipe.clone(), nodes));
            end = join(place, at, word, end, next)?;
        }
        let (otherwise, next) = self.nodes(place, &branch.otherwise, Some(context))?;
        end = join(place, at, word, end, next)?;
        Ok((Node::Branch(Branch { with: branch.with, arms, otherwise }), end))
    }

    fn range(
        &mut self,
        place: &mut Place<'_>,
        range: &Range,
        context: Context,
    ) -> Result<(Node, Ends), Error> {
        let outer = std::mem::take(&mut place.jumps);
        let (mut body, first) = self.nodes(place, &range.body, Some(context))?;
        let mut again = join_all(place, range.at, first)?;
        if let Some(start) = again.filter(|end| *end != context) {
            // the second time round it begins where the first ended, and must end there again
            let (_, second) = self.nodes(place, &range.body, Some(start))?;
            let second = join_all(place, range.at, second)?;
            again = join(place, range.at, "range", again, second)?;
            let begin = join(place, range.at, "range", Some(context), again)?.unwrap_or(context);
            body = self.nodes(place, &range.body, Some(begin))?.0;
        }
        place.jumps = outer;
        let (otherwise, other) = self.nodes(place, &range.otherwise, Some(context))?;
        let end = join(place, range.at, "range", again, other)?;
        let range = Range { at: range.at, pipe: range.pipe.clone(), body, otherwise };
        Ok((Node::Range(range), end))
    }

    /// The name of a template as it is used here, and the context behind it.
    fn template(
        &mut self,
        place: &Place<'_>,
        at: usize,
        name: &Text,
        context: Context,
    ) -> Result<(Text, Context), Error> {
        let key = (name.clone(), context);
        if let Some(used) = self.uses.get(&key) {
            return Ok((used.name.clone(), used.end));
        }
        let Some(tree) = self.trees.get(name).cloned() else {
            return place.wrong(at, &format!("no such template {name:?}"));
        };
        if self.uses.len() >= MAX_ESCAPED_TEMPLATES || self.depth >= MAX_NESTING {
            return place.wrong(at, "templates use each other too often to be escaped");
        }
        let own: Text = match context == Context::default() {
            true => name.clone(),
            false => format!("{name}$htmltemplate_{}", self.uses.len()).into(),
        };
        // one that uses itself is taken to end where it begins, and if not, where it ended at the first try
        let mut end = context;
        for _ in 0..2 {
            self.uses.insert(key.clone(), Use { name: own.clone(), end, tree: None });
            self.depth += 1;
            let escaped = self.tree(&tree, context);
            self.depth -= 1;
            let (nodes, found) = escaped?;
            if found == end || !self.recurs(name) {
                let tree = Tree { name: name.clone(), source: tree.source.clone(), nodes };
                self.uses.insert(key, Use { name: own.clone(), end: found, tree: Some(Arc::new(tree)) });
                return Ok((own, found));
            }
            end = found;
        }
        place.wrong(at, &format!("cannot compute output context for template {name}"))
    }

    /// Whether a template comes back to itself.
    fn recurs(&self, name: &Text) -> bool {
        let mut seen = std::collections::HashSet::new();
        let mut queue = vec![name.clone()];
        while let Some(next) = queue.pop() {
            let Some(tree) = self.trees.get(&next) else { continue };
            let mut uses = Vec::new();
            used(&tree.nodes, &mut uses);
            for (_, used) in uses {
                if used == name {
                    return true;
                }
                if seen.insert(used.clone()) {
                    queue.push(used.clone());
                }
            }
        }
        false
    }
}

fn join(place: &Place<'_>, at: usize, word: &str, one: Ends, other: Ends) -> Result<Ends, Error> {
    let (Some(a), Some(b)) = (one, other) else { return Ok(one.or(other)) };
    match a.join(b) {
        Some(joined) => Ok(Some(joined)),
        None => {
            let what =
                format!("{{{{{word}}}}} branches end in different contexts: {:?}, {:?}", a.state, b.state);
            place.wrong(at, &what)
        }
    }
}

/// The end of a loop's body together with its jumps.
fn join_all(place: &mut Place<'_>, at: usize, mut end: Ends) -> Result<Ends, Error> {
    for jump in std::mem::take(&mut place.jumps) {
        end = join(place, at, "range", end, Some(jump))?;
    }
    Ok(end)
}

/// An action with its escapers, and the context behind it.
fn action(place: &Place<'_>, pipe: &Pipe, context: Context) -> Result<(Pipe, Context), Error> {
    let mut pipe = pipe.clone();
    if !pipe.variables.is_empty() {
        return Ok((pipe, context));
    }
    let mut context = context.nudge();
    let in_url = |first: Escaper| match context.url {
        UrlPart::Start => vec![Escaper::UrlFilter, first],
        UrlPart::PreQuery => vec![first],
        _ => vec![Escaper::UrlPart],
    };
    let is_url = matches!(
        context.state,
        State::Url
            | State::CssDouble
            | State::CssSingle
            | State::CssDoubleUrl
            | State::CssSingleUrl
            | State::CssUrl
    );
    if is_url && context.url == UrlPart::Unknown {
        return place.wrong(pipe.at, &format!("{{{{{pipe}}}}} appears in an ambiguous context within a URL"));
    }
    let mut escapers = match context.state {
        State::Url | State::CssDoubleUrl | State::CssSingleUrl | State::CssUrl => in_url(Escaper::UrlWhole),
        State::CssDouble | State::CssSingle => in_url(Escaper::CssString),
        State::Text => vec![Escaper::Html],
        State::Rcdata => vec![Escaper::Rcdata],
        State::AttrName | State::Tag => {
            context.state = State::AttrName;
            vec![Escaper::AttributeName]
        }
        State::Srcset => vec![Escaper::Srcset],
        State::Js => {
            // behind a value a slash divides
            context.slash = Slash::Division;
            vec![Escaper::JsValue]
        }
        State::JsDouble | State::JsSingle => vec![Escaper::JsString],
        State::JsTemplate => vec![Escaper::JsTemplate],
        State::JsRegexp => vec![Escaper::JsRegexp],
        State::Css => vec![Escaper::CssValue],
        _ if context.is_comment() => vec![Escaper::Comment],
        _ => Vec::new(),
    };
    match context.delim {
        Delim::None => {}
        Delim::SpaceOrTagEnd => escapers.push(Escaper::Unquoted),
        Delim::Double | Delim::Single => escapers.push(Escaper::Attribute),
    }
    check_own(place, &pipe, &mut escapers, context)?;
    pipe.escapers = escapers;
    Ok((pipe, context))
}

/// A pipeline may escape by itself, in its last stage, where that says the same as what would be added.
fn check_own(
    place: &Place<'_>,
    pipe: &Pipe,
    escapers: &mut Vec<Escaper>,
    context: Context,
) -> Result<(), Error> {
    for (index, command) in pipe.commands.iter().enumerate() {
        let What::Function(function) = &command.words[0].what else { continue };
        let own = function.name;
        if !matches!(own, "html" | "urlquery") {
            continue;
        }
        let is_last = index + 1 == pipe.commands.len();
        if !is_last || (own == "html" && context.delim == Delim::SpaceOrTagEnd) {
            return place.wrong(pipe.at, &format!("predefined escaper {own:?} disallowed in template"));
        }
        let same = |escaper: &Escaper| match own {
            "html" => matches!(escaper, Escaper::Html | Escaper::Rcdata | Escaper::Attribute),
            _ => matches!(escaper, Escaper::UrlPart | Escaper::UrlWhole),
        };
        escapers.retain(|escaper| !same(escaper));
    }
    Ok(())
}
