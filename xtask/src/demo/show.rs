//! How the story looks in a terminal: chapters, what happens, what was heard, promises kept and broken.

use std::io::IsTerminal;
use std::time::Duration;

use super::receivers::Heard;

/// Lines of an explanation that are shown; the rest is counted.
const MAX_EXPLAINED: usize = 24;

/// Writes the story; counts its chapters and its broken promises.
pub struct Show {
    colour: bool,
    /// Time to read after each chapter.
    pause: Duration,
    chapters: usize,
    kept: usize,
    broken: usize,
}

impl Show {
    /// A show with this much time to read after each chapter.
    pub fn new(pause: Duration) -> Show {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Show { colour, pause, chapters: 0, kept: 0, broken: 0 }
    }

    /// Begins a chapter.
    pub fn chapter(&mut self, title: &str) {
        if self.chapters > 0 {
            self.rest();
        }
        self.chapters += 1;
        println!("\n{}", self.paint("1;36", &format!("{}. {title}", self.chapters)));
    }

    /// Gives the reader time.
    #[expect(clippy::disallowed_methods, reason = "people read at their own pace")]
    pub fn rest(&self) {
        std::thread::sleep(self.pause);
    }

    /// What happens.
    pub fn says(&self, what: &str) {
        println!("   {what}");
    }

    /// What a receiver heard, and what it answered.
    pub fn heard(&self, heard: &Heard) {
        let answer =
            if heard.taken() { self.paint("32", "200") } else { self.paint("31", &heard.status.to_string()) };
        let receiver = self.paint("1", &format!("{:>4}", heard.receiver));
        let key = self.paint("2", &format!("key …{}", tail(&heard.key)));
        println!("   {receiver} ◀ {} {key} ─▶ {answer}", heard.title);
    }

    /// What the hub says of itself.
    pub fn explains(&self, lines: &[String]) {
        for line in lines.iter().take(MAX_EXPLAINED) {
            println!("   {} {}", self.paint("2", "│"), self.paint("33", line));
        }
        if lines.len() > MAX_EXPLAINED {
            println!(
                "   {}",
                self.paint("2", &format!("│ … and {} more lines", lines.len() - MAX_EXPLAINED))
            );
        }
    }

    /// A promise, and whether it was kept.
    pub fn promise(&mut self, promise: &str, kept: bool) {
        let mark = if kept { self.paint("1;32", "✓") } else { self.paint("1;31", "✗") };
        println!("   {mark} {promise}");
        *(if kept { &mut self.kept } else { &mut self.broken }) += 1;
    }

    /// Something to try, with what it is for.
    pub fn hint(&self, command: &str, what: &str) {
        println!("   {}  {}", self.paint("1", command), self.paint("2", &format!("# {what}")));
    }

    /// The sum of it: promises kept and broken.
    pub fn sum(&self) -> (usize, usize) {
        let text = format!("{} promises kept, {} broken", self.kept, self.broken);
        println!("\n{}", self.paint(if self.broken == 0 { "1;32" } else { "1;31" }, &text));
        (self.kept, self.broken)
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The end of a key, which is where keys differ.
fn tail(key: &str) -> &str {
    let from = key.char_indices().rev().nth(7).map_or(0, |(at, _)| at);
    &key[from..]
}
