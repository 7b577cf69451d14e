//! What programs report: exceptions of Python as their SDK sends them, and the project that they report to.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::figures::{Readings, milliseconds, quantile};
use super::http::Client;
use super::load::Heap;

/// Frames of an exception's stack: with them an event has about 19 kB.
const FRAMES: usize = 18;

/// Envelopes, made before they are sent: each goes to the project whose turn it is.
pub struct Envelopes {
    paths: Vec<String>,
    bodies: Vec<Vec<u8>>,
    taken: Range<u16>,
    answers: Mutex<Vec<(u16, Duration)>>,
}

impl Envelopes {
    /// How many were answered so.
    pub fn with(&self, status: u16) -> usize {
        self.answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter(|(it, _)| *it == status)
            .count()
    }

    /// Those of one project, which takes them all.
    pub fn to_one(path: String, bodies: Vec<Vec<u8>>) -> Envelopes {
        Envelopes { paths: vec![path], bodies, taken: 200..201, answers: Mutex::default() }
    }

    /// Those of many projects, which may have enough of them; the bodies are sent again and again.
    pub fn to_many(paths: Vec<String>, bodies: Vec<Vec<u8>>) -> Envelopes {
        Envelopes { paths, bodies, taken: 200..504, answers: Mutex::default() }
    }

    /// The answers so far, each with how long it took.
    pub fn answers(&self) -> Vec<(u16, Duration)> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Heap for Envelopes {
    fn path(&self, number: usize) -> &str {
        &self.paths[number % self.paths.len()]
    }

    fn lines(&self) -> &str {
        "Content-Encoding: gzip\r\n"
    }

    fn body(&self, numbers: Range<usize>) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bodies[numbers.start % self.bodies.len()])
    }

    fn taken(&self) -> Range<u16> {
        self.taken.clone()
    }

    fn answered(&self, status: u16, took: Duration) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push((status, took));
    }
}

/// What it took to take so many errors in.
pub struct Reported {
    /// So many.
    pub count: usize,
    /// From the first request until all are in issues.
    pub elapsed: Duration,
    /// How long each answer took.
    pub acks: Vec<Duration>,
    /// Processor time, in microseconds.
    pub worked: u64,
    /// The most memory, in KiB.
    pub peak_kib: u64,
}

impl Reported {
    /// As lines of the table have it.
    pub fn readings(mut self) -> Readings {
        let count = self.count as f64;
        vec![
            ("errors_rate", count / self.elapsed.as_secs_f64()),
            ("errors_cpu", self.worked as f64 / count),
            ("errors_ack_p50", milliseconds(quantile(&mut self.acks, 0.5))),
            ("errors_ack_p99", milliseconds(quantile(&mut self.acks, 0.99))),
            ("errors_memory", self.peak_kib as f64 / 1024.0),
        ]
    }
}

/// How many errors a project may report in how long.
#[derive(Clone, Copy)]
pub struct Limit {
    /// So many,
    pub events: u32,
    /// in so many seconds.
    pub seconds: u32,
}

/// A project that the target has.
pub struct Project {
    id: String,
    key: String,
}

impl Project {
    /// Makes one.
    pub async fn make(client: &mut Client, slug: &str) -> Result<Project> {
        let wish = json!({ "slug": slug, "platform": "python" });
        let made = client.post("/api/v1/projects", wish.to_string().as_bytes()).await?;
        let made: Value = serde_json::from_slice(&made.body).context("making a project")?;
        let (id, key) = (made["id"].as_str(), made["public_key"].as_str());
        let (id, key) = id.zip(key).with_context(|| format!("a project without id or key: {made}"))?;
        Ok(Project { id: id.to_owned(), key: key.to_owned() })
    }

    /// Where its programs report to.
    pub fn path(&self) -> String {
        format!("/api/{}/envelope/?sentry_version=7&sentry_key={}", self.id, self.key)
    }

    /// Limits what its programs may report from here on.
    pub async fn limit(&self, client: &mut Client, Limit { events, seconds }: Limit) -> Result<()> {
        let change = json!({ "rate": { "events": events, "seconds": seconds } }).to_string();
        let path = format!("/api/v1/projects/{}/keys/{}", self.id, self.key);
        match client.patch(&path, change.as_bytes()).await?.status {
            200 => Ok(()),
            status => bail!("limiting a key was answered {status}"),
        }
    }
}

/// Words that code is made of here.
const WORDS: [&str; 16] = [
    "order",
    "total",
    "basket",
    "customer",
    "invoice",
    "session",
    "request",
    "payload",
    "worker",
    "queue",
    "price",
    "discount",
    "stock",
    "shipment",
    "address",
    "token_count",
];

/// A number that looks like chance and is always the same.
fn mixed(n: usize) -> usize {
    let n = (n as u64).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (n ^ (n >> 31)) as usize
}

fn line(seed: usize) -> String {
    let word = |n: usize| WORDS[mixed(seed.wrapping_mul(7).wrapping_add(n)) % WORDS.len()];
    format!("    {} = self.{}({}, {}={})", word(1), word(2), word(3), word(4), mixed(seed) % 1000)
}

fn frame(group: usize, at: usize) -> Value {
    // the outer half is the same in all programs: a framework
    let seed = if at < FRAMES / 2 { at } else { group * 1000 + at };
    let lines = |from: usize| -> Vec<String> { (0..5).map(|n| line(seed * 20 + from + n)).collect() };
    let own = at >= FRAMES / 2;
    let module = if own { format!("shop.part{group}.step{at}") } else { format!("framework.layer{at}") };
    json!({
        "filename": format!("{}.py", module.replace('.', "/")),
        "abs_path": format!("/srv/app/{}.py", module.replace('.', "/")),
        "module": module,
        "function": format!("{}_{at}", WORDS[mixed(seed) % WORDS.len()]),
        "lineno": 10 + mixed(seed) % 400,
        "pre_context": lines(0), "context_line": line(seed * 20 + 5), "post_context": lines(6),
        "in_app": own,
        "vars": { "self": format!("<{module}.Step object>"), "count": mixed(seed) % 97, "name": WORDS[at % 16] },
    })
}

/// An envelope with the exception `n`, of an issue, as the SDK for Python sends it.
pub fn envelope(n: usize, group: usize) -> Vec<u8> {
    packed(n, group, &format!("{:016x}{:016x}", mixed(n), mixed(n + 1)))
}

/// The same for sending again and again: it has no id, so that it is another error each time.
pub fn nameless(n: usize, group: usize) -> Vec<u8> {
    packed(n, group, "")
}

fn packed(n: usize, group: usize, id: &str) -> Vec<u8> {
    let trace = format!("{:016x}", mixed(n * 3 + 2));
    let frames: Vec<Value> = (0..FRAMES).map(|at| frame(group, at)).collect();
    let modules: serde_json::Map<String, Value> = (0..60)
        .map(|n| (format!("package-{}", WORDS[n % 16].repeat(1 + n / 16)), format!("{}.{n}", n % 9).into()))
        .collect();
    let crumbs: Vec<Value> = (0..12)
        .map(|at| {
            json!({ "type": "log", "category": "shop", "level": "info", "timestamp": "2026-11-21T10:00:00Z",
            "message": format!("{} {} was looked at", WORDS[at], mixed(n * 12 + at) % 100_000) })
        })
        .collect();
    let mut event = json!({
        "event_id": id, "timestamp": "2026-11-21T10:00:00.000000Z", "platform": "python", "level": "error",
        "release": "shop@1.4.2", "environment": "production", "server_name": format!("web-{}", n % 8),
        "transaction": format!("{n:07}"), "logger": "shop",
        "user": { "id": format!("{}", mixed(n) % 5000), "email": format!("u{}@example.com", mixed(n) % 5000) },
        "tags": { "region": format!("eu-{}", n % 3), "plan": if n.is_multiple_of(5) { "gold" } else { "free" } },
        "exception": { "values": [{
            "type": "ValueError", "value": format!("order {} has no price", mixed(n) % 1_000_000), "module": "builtins",
            "mechanism": { "type": "logging", "handled": true }, "stacktrace": { "frames": frames },
        }] },
        "breadcrumbs": { "values": crumbs },
        "contexts": { "runtime": { "name": "CPython", "version": "3.11.2" },
            "trace": { "trace_id": trace, "span_id": &trace[..8], "op": "http.server" } },
        "request": { "url": format!("https://shop.example/basket/{}", mixed(n) % 9999), "method": "POST",
            "headers": { "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)", "Accept": "*/*" } },
        "modules": modules, "sdk": { "name": "sentry.python", "version": "2.75.0" },
        "extra": { "sys.argv": ["/srv/app/run.py", "serve"] },
    });
    let header = json!({ "event_id": id, "sent_at": "2026-11-21T10:00:00Z" });
    let header = if id.is_empty() { json!({}) } else { header };
    if let Some(event) = event.as_object_mut().filter(|_| id.is_empty()) {
        event.remove("event_id");
    }
    let event = event.to_string();
    let mut text = String::with_capacity(event.len() + 300);
    // writing to a string cannot fail
    let _ = write!(
        text,
        "{header}\n{{\"type\":\"event\",\"content_type\":\"application/json\",\"length\":{}}}\n{event}\n",
        event.len()
    );
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // writing to memory cannot fail
    let _ = encoder.write_all(text.as_bytes());
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn envelopes_have_the_size_that_the_figures_name() {
        let packed = envelope(7, 7);
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
        assert!((17_000..=21_000).contains(&text.len()), "{} bytes", text.len());
        assert!((2_500..=4_000).contains(&packed.len()), "{} bytes packed", packed.len());
        assert_eq!(text.lines().count(), 3);
    }
}
