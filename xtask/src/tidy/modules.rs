//! Modules: no cycle among siblings, at any depth, and no file that nobody declares.
//!
//! Sources are read as text, not parsed: paths that begin with `crate`, `super` or `self`, and those of
//! `use`, followed through re-exports. Parent and child may know each other. Test modules may know all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::paths::{self, Mention};
use super::{Problem, lexer, line_of};

/// A module's path from the crate's root; the root itself is empty.
type ModulePath = Vec<String>;

/// A module as it lies on disk.
struct Module {
    /// Relative to the root of the repository.
    file: PathBuf,
    /// What it mentions, with lines for places; nothing for test modules.
    mentions: Vec<(Mention, usize)>,
}

/// All modules of one target.
#[derive(Default)]
struct Modules(BTreeMap<ModulePath, Module>);

/// Checks the modules of one package.
pub fn check(root: &Path, package: &Value) -> Result<Vec<Problem>> {
    let manifest = Path::new(package["manifest_path"].as_str().context("a package has no manifest")?);
    let folder = manifest.parent().context("a manifest lies nowhere")?;
    let mut reached = BTreeSet::new();
    let mut problems = Vec::new();
    for target in package["targets"].as_array().context("a package has no targets")? {
        let source = Path::new(target["src_path"].as_str().context("a target has no source")?);
        let mut modules = Modules::default();
        let children = source.parent().unwrap_or(folder).to_owned();
        modules.load(root, Vec::new(), source, &children, false)?;
        reached.extend(modules.0.values().map(|module| module.file.clone()));
        problems.extend(modules.cycles());
    }
    let mut files = Vec::new();
    sources_below(&folder.join("src"), &mut files)?;
    for file in files {
        let file = file.strip_prefix(root).unwrap_or(&file);
        if !reached.contains(file) {
            problems.push(Problem::new(file, 1, "dead file: no `mod` leads here"));
        }
    }
    Ok(problems)
}

fn sources_below(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            sources_below(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

impl Modules {
    /// Reads a file and those that it declares. `children` is the folder that its modules lie in.
    fn load(
        &mut self,
        root: &Path,
        path: ModulePath,
        file: &Path,
        children: &Path,
        test: bool,
    ) -> Result<()> {
        let Ok(source) = std::fs::read_to_string(file) else {
            // the compiler says so better than we could
            return Ok(());
        };
        let code = lexer::code(&source);
        for (name, at) in paths::declared_modules(&code) {
            let begin = code[..at].rfind([';', '{', '}']).map_or(0, |end| end + 1);
            let test = test || code[begin..at].contains("cfg(test)");
            let (file, children) = match path_attribute(&source[begin..at]) {
                Some(given) => (children.join(given), children.to_owned()),
                None => place_of(children, &name),
            };
            let path = path.iter().cloned().chain([name]).collect();
            self.load(root, path, &file, &children, test)?;
        }
        let code = if test { String::new() } else { lexer::without_tests(&code) };
        let mentions = paths::mentions(&code).into_iter().map(|mention| {
            let line = line_of(&code, mention.at);
            (mention, line)
        });
        let file = file.strip_prefix(root).unwrap_or(file).to_owned();
        self.0.insert(path, Module { file, mentions: mentions.collect() });
        Ok(())
    }

    /// The module that a path means, seen from a module: the longest part of it that is one, through
    /// re-exports.
    fn resolve(&self, from: &[String], segments: &[String], depth: usize) -> Option<ModulePath> {
        let (first, mut rest) = segments.split_first()?;
        let mut at: ModulePath = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.to_vec(),
            "super" => from.split_last()?.1.to_vec(),
            name => {
                let child: ModulePath = from.iter().cloned().chain([name.to_owned()]).collect();
                self.0.contains_key(&child).then_some(child)?
            }
        };
        while let Some((next, after)) = rest.split_first() {
            let child: ModulePath = at.iter().cloned().chain([next.clone()]).collect();
            if next == "super" {
                at.pop()?;
            } else if self.0.contains_key(&child) {
                at = child;
            } else {
                break;
            }
            rest = after;
        }
        let Some(item) = rest.first() else { return Some(at) };
        let brought =
            self.0.get(&at)?.mentions.iter().find(|(mention, _)| mention.brings.as_ref() == Some(item));
        match brought {
            Some((mention, _)) if depth > 0 => self.resolve(&at, &mention.segments, depth - 1).or(Some(at)),
            _ => Some(at),
        }
    }

    /// Who knows whom among siblings, with the first place that says so.
    fn edges(&self) -> BTreeMap<ModulePath, BTreeMap<ModulePath, (PathBuf, usize)>> {
        let mut edges: BTreeMap<ModulePath, BTreeMap<ModulePath, (PathBuf, usize)>> = BTreeMap::new();
        for (from, module) in &self.0 {
            for (mention, line) in &module.mentions {
                let Some(to) = self.resolve(from, &mention.segments, 8) else { continue };
                let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                if shared == from.len() || shared == to.len() {
                    continue;
                }
                let known = edges.entry(from[..=shared].to_vec()).or_default();
                known.entry(to[..=shared].to_vec()).or_insert_with(|| (module.file.clone(), *line));
            }
        }
        edges
    }

    /// One problem for every knot of modules that know each other: its shortest cycle.
    fn cycles(&self) -> Vec<Problem> {
        let edges = self.edges();
        let mut problems = Vec::new();
        let mut told: BTreeSet<ModulePath> = BTreeSet::new();
        for start in edges.keys() {
            let Some(cycle) = shortest_cycle(&edges, start) else { continue };
            if cycle.iter().any(|module| told.contains(module)) {
                continue;
            }
            let names = cycle.iter().chain([start]).map(|module| module.join("::")).collect::<Vec<_>>();
            let next = cycle.get(1).unwrap_or(start);
            let (file, line) = &edges[start][next];
            problems.push(Problem::new(file, *line, format!("modules form a cycle: {}", names.join(" → "))));
            told.extend(cycle);
        }
        problems
    }
}

type Edges = BTreeMap<ModulePath, BTreeMap<ModulePath, (PathBuf, usize)>>;

/// The shortest way from a module back to itself, beginning with it.
fn shortest_cycle(edges: &Edges, start: &ModulePath) -> Option<Vec<ModulePath>> {
    let mut came_from: BTreeMap<&ModulePath, &ModulePath> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in edges.get(at).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                let mut way = vec![at.clone()];
                while let Some(before) = came_from.get(way.last()?) {
                    way.push((*before).clone());
                }
                way.reverse();
                return Some(way);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}

/// Where a declared module lies, and where its own modules do.
fn place_of(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let children = folder.join(name);
    let beside = folder.join(format!("{name}.rs"));
    (if beside.is_file() { beside } else { children.join("mod.rs") }, children)
}

/// The file that `#[path = "…"]` names.
fn path_attribute(attributes: &str) -> Option<&str> {
    let (_, after) = attributes.rsplit_once("#[path")?;
    after.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Modules from `(path, source)`, as if each were a file of its own.
    fn modules(sources: &[(&str, &str)]) -> Modules {
        let mut modules = Modules::default();
        for (path, source) in sources {
            let path: ModulePath =
                path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
            let file = PathBuf::from(format!("{}.rs", path.join("/")));
            let mentions = paths::mentions(source).into_iter().map(|mention| (mention, 1)).collect();
            modules.0.insert(path, Module { file, mentions });
        }
        modules
    }

    fn cycles(sources: &[(&str, &str)]) -> Vec<String> {
        modules(sources).cycles().into_iter().map(|problem| problem.what).collect()
    }

    #[test]
    fn a_cycle_is_told_once_and_by_its_shortest_way() {
        let found = cycles(&[
            ("", ""),
            ("a", "use crate::b::X;"),
            ("b", "fn f() { crate::c::g() }"),
            ("c", "use crate::a;"),
        ]);
        assert_eq!(found, ["modules form a cycle: a → b → c → a"]);
    }

    #[test]
    fn re_exports_lead_to_where_things_are() {
        let found = cycles(&[
            ("", "pub use b::Thing;"),
            ("a", "pub fn f(x: crate::Thing) {}"),
            ("b", "use super::a;"),
        ]);
        assert_eq!(found, ["modules form a cycle: a → b → a"]);
    }

    #[test]
    fn parents_and_children_may_know_each_other_but_not_siblings_of_any_depth() {
        assert_eq!(
            cycles(&[("", "use a::X;"), ("a", "use self::b::Y;"), ("a::b", "use super::X; use crate::Z;")])
                .len(),
            0
        );
        let found =
            cycles(&[("", ""), ("a", ""), ("a::b", "use super::c;"), ("a::c", "use crate::a::b::X;")]);
        assert_eq!(found, ["modules form a cycle: a::b → a::c → a::b"]);
    }
}
