//! What commands print: calm tables and sentences for people, JSON for programs.

use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

/// Characters of a cell, unless it is the last one of its row.
const MAX_CELL: usize = 60;

/// Where a command's answer goes.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Whether programs read it.
    pub json: bool,
}

impl Output {
    /// The answer in both forms; `text` is made only when people read it.
    pub fn answer<T: Serialize>(self, value: &T, text: impl FnOnce() -> String) -> Result<()> {
        if self.json {
            let json = serde_json::to_string_pretty(value).context("writing JSON")?;
            return print(&json);
        }
        print(&harmless(&text()))
    }
}

impl Output {
    /// What is probably not meant, on standard error.
    pub fn warning(self, what: &str) {
        if self.json {
            eprintln!("{}", serde_json::json!({ "warning": what }));
        } else {
            eprintln!("nightbell: {}", harmless(what));
        }
    }

    /// What went wrong, on standard error.
    pub fn failure(self, why: &str) {
        if self.json {
            eprintln!("{}", serde_json::json!({ "error": why }));
        } else {
            eprintln!("nightbell: {}", harmless(why));
        }
    }
}

/// Prints a text and an end of line where it has none. A reader that has gone away (`| head`) is no failure.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(end.as_bytes()))
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("writing to standard output")
        }
        _ => Ok(()),
    }
}

/// Without anything that steers a terminal: most of what is printed was written by strangers.
pub fn harmless(text: &str) -> String {
    let steers = |c: char| c.is_control() && c != '\n';
    // marks that make a text read in another order than it is written in
    let turns =
        |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    text.chars().map(|c| if steers(c) || turns(c) { '\u{fffd}' } else { c }).collect()
}

/// Rows under headings, as wide as they need.
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    nothing: &'static str,
}

impl Table {
    /// A table with these headings; `nothing` is said when it has no rows.
    pub fn new<const N: usize>(headings: [&'static str; N], nothing: &'static str) -> Self {
        Table { headings: headings.to_vec(), rows: Vec::new(), nothing }
    }

    /// Adds a row. A cell is one line; only the last may be long.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        let line = |cell: String| cell.replace(['\n', '\r', '\t'], " ");
        let last = N.saturating_sub(1);
        let fit = |(at, cell): (usize, String)| if at == last { line(cell) } else { shortened(&line(cell)) };
        self.rows.push(cells.into_iter().enumerate().map(fit).collect());
    }

    /// The table as text.
    pub fn text(&self) -> String {
        if self.rows.is_empty() {
            return self.nothing.to_owned();
        }
        let headings: Vec<String> = self.headings.iter().map(|heading| heading.to_uppercase()).collect();
        let all = || std::iter::once(&headings).chain(&self.rows);
        let width = |at: usize| all().map(|row| row[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..headings.len()).map(width).collect();
        let mut text = String::new();
        for row in all() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn shortened(cell: &str) -> String {
    if cell.chars().count() <= MAX_CELL {
        return cell.to_owned();
    }
    cell.chars().take(MAX_CELL - 1).chain(['…']).collect()
}

/// A field of a JSON object as plain text; empty when it is not there.
pub fn field(value: &Value, path: &str) -> String {
    let found = path.split('.').try_fold(value, |value, key| value.get(key));
    match found {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A JSON object of texts as `name=value name=value`.
pub fn pairs(value: &Value) -> String {
    let entries = value.as_object().into_iter().flatten();
    let pair = |(name, value): (&String, &Value)| format!("{name}={}", value.as_str().unwrap_or_default());
    entries.map(pair).collect::<Vec<_>>().join(" ")
}

/// A time as people read it: to the second, with a space. Anything else stays as it is.
pub fn moment(text: &str) -> String {
    match text.parse::<model::Time>() {
        Ok(time) => model::Time::from_seconds(time.as_seconds()).to_string().replace('T', " "),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_need() {
        let mut table = Table::new(["id", "title"], "nothing");
        assert_eq!(table.text(), "nothing");
        table.row(["1".to_owned(), "disk\nfull".to_owned()]);
        table.row(["12345".to_owned(), String::new()]);
        assert_eq!(table.text(), "ID     TITLE\n1      disk full\n12345\n");
    }

    #[test]
    fn long_cells_are_shortened_but_for_the_last() {
        let mut table = Table::new(["a", "b"], "");
        table.row(["x".repeat(100), "y".repeat(100)]);
        let text = table.text();
        assert!(text.contains(&format!("{}…  {}", "x".repeat(59), "y".repeat(100))), "{text}");
    }

    #[test]
    fn strangers_do_not_steer_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{202e}c\nd"), "a\u{fffd}[2Jb\u{fffd}c\nd");
    }

    #[test]
    fn times_are_read_to_the_second() {
        assert_eq!(moment("2026-01-31T12:00:00.123456Z"), "2026-01-31 12:00:00Z");
        assert_eq!(moment("soon"), "soon");
    }
}
