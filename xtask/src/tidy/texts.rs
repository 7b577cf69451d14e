//! Texts: how long files and lines are, and words that must not stand in them.

use std::path::Path;

use anyhow::Result;

use super::{Problem, lexer};
use crate::shell;

/// Lines of a source file without its inline tests.
const MAX_LINES: usize = 500;
/// Lines of a source file with its tests, or of a file of tests.
const MAX_LINES_WITH_TESTS: usize = 800;
/// Characters of a line.
const MAX_WIDTH: usize = 120;
/// Kinds of files that people write and these rules are for.
const KINDS: &[&str] = &[
    "rs", "sql", "toml", "md", "py", "sh", "ts", "tsx", "js", "go", "css", "html", "yml", "yaml", "service",
];
/// Kinds whose lines have a limit: prose and data have none.
const NARROW_KINDS: &[&str] = &["rs", "sql", "py", "sh", "ts", "tsx", "js", "go"];

/// Notes that nobody would find again, unless they name an issue: `TODO(#12)`.
const NOTES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
/// Paths of somebody's machine.
const FORBIDDEN: &[&str] = &[concat!("/wo", "rk/"), concat!("/ho", "me/")];

/// Checks every file that git knows or would add.
pub fn check(root: &Path) -> Result<Vec<Problem>> {
    let list = shell::output(&mut shell::command(
        "git",
        ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    ))?;
    let mut problems = Vec::new();
    for file in list.split('\0').map(Path::new) {
        let kind = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if !KINDS.contains(&kind) || file.starts_with("docs/reference") {
            continue;
        }
        // deleted but not committed yet, or not text
        let Ok(text) = std::fs::read_to_string(root.join(file)) else { continue };
        if kind == "rs" {
            problems.extend(lengths(file, &text));
        }
        for (line, text) in text.lines().enumerate() {
            problems.extend(words(text).map(|what| Problem::new(file, line + 1, what)));
            // a link cannot be broken into two
            if NARROW_KINDS.contains(&kind) && text.chars().count() > MAX_WIDTH && !text.contains("://") {
                let what =
                    format!("line of {} characters, at most {MAX_WIDTH} are allowed", text.chars().count());
                problems.push(Problem::new(file, line + 1, what));
            }
        }
    }
    Ok(problems)
}

fn lengths(file: &Path, text: &str) -> Option<Problem> {
    let all = text.lines().count();
    let of_tests = file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs");
    let (length, most) = if of_tests || all > MAX_LINES_WITH_TESTS {
        (all, MAX_LINES_WITH_TESTS)
    } else {
        (all - test_lines(text), MAX_LINES)
    };
    (length > most)
        .then(|| Problem::new(file, most + 1, format!("file of {length} lines, at most {most} are allowed")))
}

/// Lines of inline test modules: those that are blank without them and were not before.
fn test_lines(text: &str) -> usize {
    let code = lexer::code(text);
    let without = lexer::without_tests(&code);
    code.lines().zip(without.lines()).filter(|(with, without)| with != without).count()
}

fn words(line: &str) -> impl Iterator<Item = String> {
    let notes = NOTES.iter().filter(|note| {
        line.match_indices(**note).any(|(at, _)| {
            let whole_word = !line[..at].ends_with(|before: char| before.is_alphanumeric());
            whole_word && !line[at + note.len()..].starts_with("(#")
        })
    });
    let notes = notes.map(|note| format!("{note} without an issue: write {note}(#12)"));
    let paths = FORBIDDEN.iter().filter(|path| line.contains(**path));
    notes.chain(paths.map(|path| format!("{path} is a path of somebody's machine")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_need_an_issue() {
        let note = NOTES[0];
        assert_eq!(words(&format!("// {note}: later")).count(), 1);
        assert_eq!(words(&format!("// {note}(#12): later")).count(), 0);
        assert_eq!(words(&format!("MAS{note}")).count(), 0);
        assert_eq!(words(&format!("cd {}x", FORBIDDEN[0])).count(), 1);
    }

    #[test]
    fn inline_tests_count_only_over_the_larger_limit() {
        let code = "fn a() {}\n".repeat(MAX_LINES);
        let tests =
            |lines: usize| format!("{code}#[cfg(test)]\nmod tests {{\n{}}}\n", "fn b() {}\n".repeat(lines));
        let file = Path::new("src/a.rs");
        assert_eq!(lengths(file, &tests(200)), None);
        assert!(lengths(file, &tests(400)).is_some());
        assert!(lengths(file, &format!("{code}fn c() {{}}\n")).is_some());
        assert_eq!(lengths(Path::new("tests/a.rs"), &format!("{code}fn c() {{}}\n")), None);
    }
}
