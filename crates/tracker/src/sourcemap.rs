//! Source maps: from a minified file's line and column to those that people wrote.
//!
//! The caller looks the maps up by what [`wanted`] says, since they lie in rows; [`apply`] puts them to use,
//! before an event is grouped, so that a new build with other short names is not a new group. The stack as it
//! was sent is kept beside.

use std::borrow::Cow;

use sourcemap::{DecodedMap, Token};

use crate::event::{Event, Frame, Stacktrace};
use crate::normalise::in_app;
use crate::refusal::Refusal;
use crate::texts::shortened;

/// Bytes of a source map that is read.
pub const MAX_MAP: usize = 32 << 20;
/// Built files of one event that maps are looked for.
pub const MAX_WANTED: usize = 20;
/// Bytes in memory of one place that a map knows.
const TOKEN_BYTES: usize = 32;
/// Lines of source before and after the one that matters.
const LINES: u32 = 5;
/// Characters of a line of source.
const MAX_LINE: usize = 256;
/// Characters of a file's name, or a function's.
const MAX_NAME: usize = 256;

/// A source map that has been read. Keep it: reading costs more than using.
#[derive(Debug)]
pub struct SourceMap {
    map: DecodedMap,
    weight: usize,
}

/// What there is for a built file.
#[derive(Debug, Clone, Copy)]
pub enum Found<'m> {
    /// Its map.
    Map(&'m SourceMap),
    /// None, and why: its frames say so.
    Missing(&'m str),
    /// None, and nobody expects one.
    Nothing,
}

/// A map that an event could use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The built file, as its frames name it: a URL, or a path.
    pub file: String,
    /// Its id, when the client knows it; it is the better of the two.
    pub debug_id: Option<String>,
}

impl SourceMap {
    /// Reads one: a plain map, one of sections, or React Native's.
    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > MAX_MAP {
            return Err(Refusal::too_large(format!("the source map is larger than {MAX_MAP} bytes")));
        }
        match sourcemap::decode_slice(bytes) {
            Ok(map) => {
                let tokens = match &map {
                    DecodedMap::Regular(map) => map.get_token_count() as usize,
                    DecodedMap::Hermes(map) => map.get_token_count() as usize,
                    // those of its sections are not counted before they are needed
                    DecodedMap::Index(_) => bytes.len() / 4,
                };
                Ok(SourceMap { map, weight: bytes.len() + tokens * TOKEN_BYTES })
            }
            Err(error) => Err(Refusal::malformed(format!("no source map: {error}"))),
        }
    }

    /// The id that a build tool wrote into it.
    pub fn debug_id(&self) -> Option<String> {
        self.map.debug_id().map(|id| id.to_string())
    }

    /// About how many bytes it takes in memory.
    pub fn weight(&self) -> usize {
        self.weight
    }

    fn token(&self, frame: &Frame) -> Option<Token<'_>> {
        let line = frame.lineno?.checked_sub(1)?;
        let column = frame.colno.unwrap_or(1).saturating_sub(1);
        self.map.lookup_token(line, column).filter(Token::has_source)
    }
}

/// The maps that an event could use, each once.
pub fn wanted(event: &Event) -> Vec<Wanted> {
    if !is_javascript(event) {
        return Vec::new();
    }
    let stacks = event.exceptions.iter().filter_map(|exception| exception.stacktrace.as_ref());
    let threads = event.threads.iter().filter_map(|thread| thread.stacktrace.as_ref());
    let frames = stacks.chain(threads).chain(&event.stacktrace).flat_map(|stack| &stack.frames);
    let mut wanted: Vec<Wanted> = frames
        .filter(|frame| frame.lineno.is_some())
        .filter_map(file_of)
        .filter(|file| !file.starts_with("node:") && !file.starts_with('<'))
        .map(|file| Wanted { file: file.to_owned(), debug_id: event.debug_ids.get(file).cloned() })
        .collect();
    wanted.sort();
    wanted.dedup();
    // those that have an id come first: they are the likeliest to be there
    wanted.sort_by_key(|it| it.debug_id.is_none());
    wanted.truncate(MAX_WANTED);
    wanted
}

/// A file without what stands behind its path.
pub fn plain(file: &str) -> &str {
    file.split(['?', '#']).next().unwrap_or(file)
}

/// The names under which a file may have been uploaded, the most exact first: its URL, and its path on any host.
///
/// ```
/// use tracker::sourcemap::names;
///
/// assert_eq!(names("https://shop.example/js/app.js?v=2"), ["https://shop.example/js/app.js", "~/js/app.js"]);
/// assert_eq!(names("~/js/app.js"), ["~/js/app.js"]);
/// ```
pub fn names(file: &str) -> Vec<String> {
    let plain = plain(file);
    let path = match plain.split_once("://") {
        Some((_, rest)) => rest.find('/').map(|at| &rest[at..]),
        None => Some(plain).filter(|path| path.starts_with('/')),
    };
    std::iter::once(plain.to_owned()).chain(path.map(|path| format!("~{path}"))).collect()
}

/// Where the map of a built file is that names it so; nothing: it is in the file itself, or cannot be.
///
/// ```
/// use tracker::sourcemap::resolve;
///
/// assert_eq!(resolve("~/js/app.js", "../maps/app.js.map").as_deref(), Some("~/maps/app.js.map"));
/// assert_eq!(resolve("https://a.example/js/app.js", "/m/app.map").as_deref(), Some("https://a.example/m/app.map"));
/// ```
pub fn resolve(file: &str, reference: &str) -> Option<String> {
    let reference = plain(reference);
    if reference.is_empty() || reference.starts_with("data:") {
        return None;
    }
    if reference.contains("://") || reference.starts_with("~/") {
        return Some(reference.to_owned());
    }
    // what stands before the path of the file
    let root = match file.find("://") {
        Some(at) => file[at + 3..].find('/').map_or(file.len(), |slash| at + 3 + slash),
        None if file.starts_with('~') => 1,
        None => 0,
    };
    let (origin, path) = file.split_at(root);
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let whole =
        if reference.starts_with('/') { reference.to_owned() } else { format!("{folder}/{reference}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    Some(format!("{origin}/{}", parts.join("/")))
}

fn is_javascript(event: &Event) -> bool {
    matches!(event.platform.as_str(), "javascript" | "node")
}

fn file_of(frame: &Frame) -> Option<&str> {
    frame.abs_path.as_deref().or(frame.filename.as_deref())
}

/// Puts maps to use on every stack of an event: `find` gives the map of a built file. Says how many frames
/// were mapped. Frames of files that ought to have a map and have none say why.
///
/// Title, culprit and location are to be set anew afterwards: [`crate::describe::describe`].
pub fn apply<'m>(event: &mut Event, find: impl Fn(&str) -> Found<'m>) -> usize {
    if !is_javascript(event) {
        return 0;
    }
    let mut mapped = 0;
    let stacks = event.exceptions.iter_mut().map(|it| (&mut it.stacktrace, &mut it.raw_stacktrace));
    let threads = event.threads.iter_mut().map(|it| (&mut it.stacktrace, &mut it.raw_stacktrace));
    for (stack, raw) in stacks.chain(threads).chain([(&mut event.stacktrace, &mut event.raw_stacktrace)]) {
        let Some(stack) = stack else { continue };
        let before = stack.clone();
        let count = map_stack(stack, &find);
        if count > 0 {
            raw.get_or_insert(before);
        }
        mapped += count;
    }
    mapped
}

fn map_stack<'m>(stack: &mut Stacktrace, find: &impl Fn(&str) -> Found<'m>) -> usize {
    let mut mapped = 0;
    // what the caller's position is called is the name of the function that it calls
    let mut called: Option<String> = None;
    for frame in &mut stack.frames {
        let found = match file_of(frame) {
            Some(file) if frame.lineno.is_some() => find(file),
            _ => Found::Nothing,
        };
        let token = match found {
            Found::Map(map) => map.token(frame),
            Found::Missing(why) => {
                frame.unmapped = Some(why.to_owned());
                None
            }
            Found::Nothing => None,
        };
        let Some(token) = token else {
            if matches!(found, Found::Map(_)) {
                let (line, column) = (frame.lineno.unwrap_or(0), frame.colno.unwrap_or(0));
                frame.unmapped = Some(format!("its source map does not know line {line}, column {column}"));
            }
            called = None;
            continue;
        };
        mapped += 1;
        frame.function = called.take();
        called = token.get_name().map(|name| shortened(name, MAX_NAME));
        place(frame, &token);
        source(frame, &token);
        frame.in_app = in_app::infer("javascript", frame);
    }
    mapped
}

/// File, module, line and column as they were written.
fn place(frame: &mut Frame, token: &Token<'_>) {
    let source = token.get_source().unwrap_or_default();
    let path = plain_path(source);
    frame.module = module(&path);
    frame.filename = Some(shortened(&path, MAX_NAME));
    frame.abs_path = Some(shortened(source, 4 * MAX_NAME));
    frame.lineno = token.get_src_line().checked_add(1);
    frame.colno = token.get_src_col().checked_add(1);
}

/// Of `webpack:///./src/shop.js?3f2a`, `src/shop.js`.
fn plain_path(source: &str) -> Cow<'_, str> {
    let path = source.split_once("://").map_or(source, |(_, path)| path);
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let mut path = path.trim_start_matches('/');
    while let Some(rest) = path.strip_prefix("./").or_else(|| path.strip_prefix("../")) {
        path = rest;
    }
    path.replace("/./", "/").into()
}

/// Of `src/shop/pay.ts`, `src/shop/pay`.
fn module(path: &str) -> Option<String> {
    let stem = match path.rsplit_once('.') {
        Some((stem, ending)) if !ending.contains('/') && !stem.is_empty() => stem,
        _ => path,
    };
    (!stem.is_empty()).then(|| shortened(stem, MAX_NAME))
}

/// The lines around, if the map has them.
fn source(frame: &mut Frame, token: &Token<'_>) {
    frame.pre_context.clear();
    frame.post_context.clear();
    frame.context_line = None;
    let Some(view) = token.get_source_view() else { return };
    let at = token.get_src_line();
    let line = |number: u32| view.get_line(number).map(|line| shortened(line.trim_end(), MAX_LINE));
    let Some(context) = line(at) else { return };
    frame.context_line = Some(context);
    frame.pre_context = (at.saturating_sub(LINES)..at).filter_map(line).collect();
    frame.post_context = (at.saturating_add(1)..=at.saturating_add(LINES)).map_while(line).collect();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A file of three lines, built into one line: `function pay` at column 0, `charge()` within it at 14,
    /// `throw` at 30.
    fn map(name: &str) -> SourceMap {
        let mut builder = sourcemap::SourceMapBuilder::new(Some("app.min.js"));
        let source = builder.add_source("webpack:///./src/shop/pay.ts");
        builder.set_source_contents(
            source,
            Some("function pay() {\n  charge();\n}\nfunction charge() {\n  throw new Error(name);\n}\n"),
        );
        builder.add(0, 0, 0, 0, Some("webpack:///./src/shop/pay.ts"), Some("pay"), false);
        builder.add(0, 14, 1, 2, Some("webpack:///./src/shop/pay.ts"), Some(name), false);
        builder.add(0, 30, 4, 2, Some("webpack:///./src/shop/pay.ts"), None, false);
        let mut bytes = Vec::new();
        builder.into_sourcemap().to_writer(&mut bytes).unwrap();
        SourceMap::read(&bytes).unwrap()
    }

    fn event(names: [&str; 2], file: &str) -> Event {
        let payload = json!({
            "platform": "javascript",
            "exception": {"type": "Error", "value": "no", "stacktrace": {"frames": [
                {"filename": "https://shop.example.org/vendor.js", "function": "run",
                 "lineno": 1, "colno": 2, "in_app": true},
                {"filename": file, "function": names[0], "lineno": 1, "colno": 15, "in_app": true},
                {"filename": file, "function": names[1], "lineno": 1, "colno": 31, "in_app": true},
            ]}},
            "debug_meta": {"images": [{"type": "sourcemap", "code_file": file,
                "debug_id": "C0FFEE00-0000-4000-8000-000000000000"}]},
        });
        crate::normalise::event(payload.to_string().as_bytes(), &crate::Arrival::default()).unwrap()
    }

    fn of(is_its: bool, map: &SourceMap) -> Found<'_> {
        if is_its { Found::Map(map) } else { Found::Missing("nothing was uploaded") }
    }

    #[test]
    fn two_builds_of_one_source_are_one_group() {
        let rules = crate::Rules::default();
        let map = map("charge");
        let hashes = [
            ("https://shop.example.org/app.1a2b.js", ["n", "t"]),
            ("https://shop.example.org/app.9f8e.js", ["x", "y"]),
        ]
        .map(|(file, names)| {
            let mut event = event(names, file);
            assert_eq!(apply(&mut event, |wanted| of(wanted == file, &map)), 2);
            crate::group(&event, &rules).hashes().into_iter().map(|hash| hash.value).collect::<Vec<_>>()
        });
        assert_eq!(hashes[0], hashes[1]);
    }

    #[test]
    fn frames_say_what_people_wrote() {
        let file = "https://shop.example.org/app.js";
        let mut event = event(["n", "t"], file);
        let wanted = wanted(&event);
        assert_eq!(wanted.len(), 2);
        assert_eq!(wanted[0].file, file, "the one with an id");
        assert_eq!(wanted[0].debug_id.as_deref(), Some("c0ffee00-0000-4000-8000-000000000000"));
        let map = map("charge");
        apply(&mut event, |wanted| of(wanted == file, &map));
        let exception = &event.exceptions[0];
        let frames = &exception.stacktrace.as_ref().unwrap().frames;
        assert_eq!(frames[0].function.as_deref(), Some("run"), "without a map it stays");
        assert_eq!(frames[0].unmapped.as_deref(), Some("nothing was uploaded"));
        let last = &frames[2];
        assert_eq!(
            (last.module.as_deref(), last.function.as_deref()),
            (Some("src/shop/pay"), Some("charge"))
        );
        assert_eq!((last.lineno, last.colno), (Some(5), Some(3)));
        assert_eq!(last.context_line.as_deref(), Some("  throw new Error(name);"));
        assert_eq!((last.pre_context.len(), last.post_context.first().map(String::as_str)), (4, Some("}")));
        assert!(map.weight() > 300, "{}", map.weight());
        let raw = exception.raw_stacktrace.as_ref().unwrap();
        assert_eq!(raw.frames[2].function.as_deref(), Some("t"));
    }

    #[test]
    fn the_stack_of_a_thread_is_mapped_before_it_groups() {
        let file = "https://shop.example.org/app.js";
        let hashes = ["t", "y"].map(|built| {
            let frames =
                json!([{ "filename": file, "function": built, "lineno": 1, "colno": 31, "in_app": true }]);
            let thread = json!({ "id": "1", "current": true, "stacktrace": { "frames": frames } });
            let payload =
                json!({ "platform": "javascript", "message": "slow", "threads": { "values": [thread] } });
            let payload = payload.to_string();
            let mut event = crate::normalise::event(payload.as_bytes(), &crate::Arrival::default()).unwrap();
            assert_eq!(wanted(&event).len(), 1);
            let map = map("charge");
            assert_eq!(apply(&mut event, |wanted| of(wanted == file, &map)), 1);
            let thread = &event.threads[0];
            assert_eq!(thread.stacktrace.as_ref().unwrap().frames[0].module.as_deref(), Some("src/shop/pay"));
            assert_eq!(thread.raw_stacktrace.as_ref().unwrap().frames[0].function.as_deref(), Some(built));
            let rules = crate::Rules::default();
            let groups = crate::group(&event, &rules);
            groups.hashes().into_iter().map(|hash| hash.value).collect::<Vec<_>>()
        });
        assert_eq!(hashes[0], hashes[1]);
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for bytes in
            [&b""[..], b"{}", b"[]", b"{\"version\":3,\"mappings\":\"!!!\",\"sources\":[],\"names\":[]}"]
        {
            let _ = SourceMap::read(bytes).map(|map| map.debug_id());
        }
        assert_eq!(SourceMap::read(b"no map").unwrap_err().status(), 400);
        assert_eq!(SourceMap::read(&vec![b' '; MAX_MAP + 1]).unwrap_err().status(), 413);
    }

    #[test]
    fn files_are_found_by_their_names() {
        assert_eq!(names("app:///main.js"), ["app:///main.js", "~/main.js"]);
        assert_eq!(names("/srv/app.js#x"), ["/srv/app.js", "~/srv/app.js"]);
        assert_eq!(
            (names("a.js"), names("https://a.org")),
            (vec!["a.js".into()], vec!["https://a.org".into()])
        );
        for (file, reference, wanted) in [
            ("~/a/b.js", "b.js.map", Some("~/a/b.js.map")),
            ("~/b.js", "./m/../../../b.js.map?x", Some("~/b.js.map")),
            ("https://a.org/x/b.js", "b.map", Some("https://a.org/x/b.map")),
            ("https://a.org", "b.map", Some("https://a.org/b.map")),
            ("/srv/b.js", "b.map", Some("/srv/b.map")),
            ("~/b.js", "https://cdn.org/b.map", Some("https://cdn.org/b.map")),
            ("~/b.js", "data:application/json;base64,e30=", None),
            ("~/b.js", "", None),
        ] {
            assert_eq!(resolve(file, reference).as_deref(), wanted, "{file} {reference}");
        }
    }

    #[test]
    fn paths_are_plain() {
        for (source, path, module) in [
            ("webpack:///./src/a.js?1f", "src/a.js", "src/a"),
            ("../../src/./b.ts", "src/b.ts", "src/b"),
            ("https://a.org/c.min.js", "a.org/c.min.js", "a.org/c.min"),
            ("d", "d", "d"),
        ] {
            assert_eq!(plain_path(source), path);
            assert_eq!(super::module(path).as_deref(), Some(module));
        }
    }
}
