//! The last words of a plugin: what it wrote to its log, bounded in lines, in bytes and in lines a second.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sdk::secret::hide;
use sdk::{Answer, Secret};
use tokio::time::Instant;

/// Lines that are kept.
const MAX_LINES: usize = 500;
/// Bytes of one line; what is longer is cut.
const MAX_LINE: usize = 4096;

/// Secrets that are looked for.
const MAX_SECRETS: usize = 2_000;
/// Shorter lines of a secret are left alone: they would be found everywhere.
const SHORTEST_LINE: usize = 8;

/// Its log.
#[derive(Debug)]
pub struct Journal {
    plugin: String,
    /// whether what goes over the wire is for people, too
    shows_wire: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    lines: VecDeque<String>,
    rate: u32,
    second: Option<Instant>,
    in_second: u32,
    dropped: u64,
    secrets: Vec<Secret>,
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For whoever writes the plugin.
    Debug,
    /// For the record.
    Info,
    /// Somebody should look at it.
    Warning,
    /// Something did not work.
    Error,
}

impl Level {
    /// By its name; what is not known is for the record.
    pub fn of(name: &str) -> Level {
        match name {
            "debug" | "trace" => Level::Debug,
            "warning" | "warn" => Level::Warning,
            "error" | "critical" | "fatal" => Level::Error,
            _ => Level::Info,
        }
    }
}

impl Journal {
    /// An empty one, for so many lines a second.
    pub fn new(plugin: &str, rate: u32) -> Self {
        let inner = Inner { rate, ..Inner::default() };
        Journal { plugin: plugin.to_owned(), shows_wire: AtomicBool::new(false), inner: Mutex::new(inner) }
    }

    /// What must not be seen in it from here on, beside what must not be already. Of a text of several lines, each
    /// line counts: a log has lines.
    pub fn hide(&self, secrets: &[Secret]) {
        let mut inner = self.lock();
        for secret in secrets {
            let lines = secret.expose().lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
            let lines: Vec<Secret> = lines.filter(|line| *line != secret.expose()).map(Secret::new).collect();
            for it in std::iter::once(secret.clone()).chain(lines) {
                if !inner.secrets.contains(&it) {
                    // the longest first, so that no part is replaced inside of a whole
                    let longer = |other: &Secret| other.expose().len() > it.expose().len();
                    let at = inner.secrets.partition_point(longer);
                    inner.secrets.insert(at, it);
                }
            }
        }
        let most = inner.secrets.len().min(MAX_SECRETS);
        inner.secrets.truncate(most);
    }

    /// How many lines a second it takes from here on.
    pub fn set_rate(&self, rate: u32) {
        self.lock().rate = rate;
    }

    /// Something that the plugin says.
    pub fn write(&self, level: Level, text: &str) {
        let mut inner = self.lock();
        let now = Instant::now();
        if inner.second.is_none_or(|began| now.duration_since(began) >= Duration::from_secs(1)) {
            inner.second = Some(now);
            inner.in_second = 0;
            let dropped = std::mem::take(&mut inner.dropped);
            if dropped > 0 {
                let words = format!("{dropped} lines were dropped: more than {} a second", inner.rate);
                tracing::warn!(plugin = self.plugin, "{words}");
                inner.keep(words);
            }
        }
        inner.in_second += 1;
        if inner.in_second > inner.rate {
            inner.dropped += 1;
            return;
        }
        let line = hide(one_line(text), &inner.secrets);
        match level {
            Level::Debug => tracing::debug!(plugin = self.plugin, "{line}"),
            Level::Info => tracing::info!(plugin = self.plugin, "{line}"),
            Level::Warning => tracing::warn!(plugin = self.plugin, "{line}"),
            Level::Error => tracing::error!(plugin = self.plugin, "{line}"),
        }
        inner.keep(line);
    }

    /// Whether it has taken as much as it takes within a second.
    pub fn is_full(&self) -> bool {
        let inner = self.lock();
        let began = inner.second.is_some_and(|began| began.elapsed() < Duration::from_secs(1));
        began && inner.in_second > inner.rate
    }

    /// Something that the host says about the plugin: never dropped.
    pub fn note(&self, text: &str) {
        let mut inner = self.lock();
        let line = hide(one_line(text), &inner.secrets);
        tracing::info!(plugin = self.plugin, "{line}");
        inner.keep(line);
    }

    /// What goes over the wire of its process is noted from here on: for somebody who writes it.
    pub fn show_wire(&self) {
        self.shows_wire.store(true, Ordering::Relaxed);
    }

    /// Lines that one side says to the other.
    pub fn said(&self, who: &str, lines: &[u8]) {
        if self.shows_wire.load(Ordering::Relaxed) {
            String::from_utf8_lossy(lines).lines().for_each(|line| self.note(&format!("{who}: {line}")));
        }
    }

    /// The last of it, oldest first.
    pub fn last(&self, lines: usize) -> Vec<String> {
        let inner = self.lock();
        let skip = inner.lines.len().saturating_sub(lines);
        inner.lines.iter().skip(skip).cloned().collect()
    }

    /// An answer without what must not be seen.
    pub fn hiding(&self, answer: Answer) -> Answer {
        answer.hiding(&self.lock().secrets)
    }

    /// A text without what must not be seen.
    pub fn hidden(&self, text: String) -> String {
        hide(text, &self.lock().secrets)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, line: String) {
        self.lines.push_back(line);
        while self.lines.len() > MAX_LINES {
            self.lines.pop_front();
        }
    }
}

/// One line without control characters, of bounded length.
fn one_line(text: &str) -> String {
    let mut line: String =
        text.chars().take(MAX_LINE).map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_cut_and_counted_and_secrets_are_hidden() {
        let journal = Journal::new("foo", 3);
        journal.hide(&[Secret::new("hush-hush")]);
        for n in 0..10 {
            journal.write(Level::Info, &format!("{n} hush-hush\u{7}"));
        }
        assert_eq!(journal.last(9), ["0 <secret>", "1 <secret>", "2 <secret>"]);
        assert!(journal.is_full());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!journal.is_full());
        journal.write(Level::Info, "calm");
        assert_eq!(journal.last(2), ["7 lines were dropped: more than 3 a second", "calm"]);
    }
}
