//! Errors that programs report: exceptions of Python as their SDK sends them.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::bench::figures::{Readings, milliseconds, quantile};
use crate::bench::http::Client;
use crate::bench::load::Load;
use crate::bench::stage::{Setting, Stage};
use crate::bench::target::Routing;

/// Clients that report at the same time.
const CLIENTS: usize = 8;
/// Issues that the errors belong to.
const GROUPS: usize = 50;
/// Frames of an exception's stack: with them an event has about 19 kB.
const FRAMES: usize = 18;
/// New issues a second, when it is measured how soon somebody hears of one.
const PACE: f64 = 20.0;
/// How long the last of them may take.
const MAX_LAG: Duration = Duration::from_secs(30);

/// All of it.
pub async fn measure(setting: &Setting) -> Result<Readings> {
    let mut readings = throughput(setting).await?;
    readings.extend(latency(setting).await?);
    Ok(readings)
}

/// As many as are taken, in fifty issues, with nobody to tell.
async fn throughput(setting: &Setting) -> Result<Readings> {
    let count = setting.size(20_000, 800);
    let bodies: Arc<Vec<Vec<u8>>> = Arc::new((0..count).map(|n| envelope(n, n % GROUPS)).collect());
    let stage = Stage::open(setting, Routing::ONE_GROUP_WAITS, 1).await?;
    let target = stage.target()?;
    let path = project(&mut Client::connect(target.address).await?).await?;
    let before = target.settle().await?;
    let (bytes_before, next) = (bytes_in(stage.data())?, Arc::new(AtomicUsize::new(0)));
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..CLIENTS {
        let (mut client, next) = (Client::connect(target.address).await?, next.clone());
        let (bodies, path) = (bodies.clone(), path.clone());
        tasks.spawn(async move {
            let mut acks = Vec::new();
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                let sent = Instant::now();
                report(&mut client, &path, body).await?;
                acks.push(sent.elapsed());
            }
            anyhow::Ok(acks)
        });
    }
    let mut acks = Vec::new();
    while let Some(done) = tasks.join_next().await {
        acks.extend(done??);
    }
    let elapsed = begin.elapsed();
    let usage = target.settle().await?;
    let worked = usage.cpu_microseconds - before.cpu_microseconds;
    let found = issues(&mut Client::connect(target.address).await?).await?;
    let seen: i64 = found.iter().filter_map(|it| it["times_seen"].as_i64()).sum();
    if (found.len(), seen) != (GROUPS, count as i64) {
        bail!("{count} errors of {GROUPS} issues became {seen} of {}", found.len());
    }
    let bytes = bytes_in(stage.data())?.saturating_sub(bytes_before);
    stage.close(Load { clients: 1, batch: 1, alerts: 0 }).await?;
    Ok(vec![
        ("errors_rate", count as f64 / elapsed.as_secs_f64()),
        ("errors_cpu", worked as f64 / count as f64),
        ("errors_ack_p50", milliseconds(quantile(&mut acks, 0.5))),
        ("errors_ack_p99", milliseconds(quantile(&mut acks, 0.99))),
        ("errors_memory", usage.peak_resident_kib as f64 / 1024.0),
        ("errors_bytes", bytes as f64 / count as f64),
    ])
}

/// From an exception of a new issue to its webhook.
async fn latency(setting: &Setting) -> Result<Readings> {
    let count = setting.size(300, 20);
    let stage = Stage::open(setting, Routing::EACH_AT_ONCE, count).await?;
    let target = stage.target()?;
    let mut client = Client::connect(target.address).await?;
    let path = project(&mut client).await?;
    target.settle().await?;
    let begin = Instant::now();
    let mut sent = Vec::with_capacity(count);
    for n in 0..count {
        let body = envelope(n, n);
        tokio::time::sleep_until((begin + Duration::from_secs_f64(n as f64 / PACE)).into()).await;
        sent.push(Instant::now());
        report(&mut client, &path, &body).await?;
    }
    stage.all_delivered(count, MAX_LAG).await?;
    let arrived: Vec<_> = stage.sink.ledger().arrivals.iter().filter_map(|arrival| arrival.first).collect();
    stage.close(Load { clients: 1, batch: 1, alerts: 0 }).await?;
    let mut times: Vec<_> =
        sent.iter().zip(arrived).map(|(sent, first)| first.duration_since(*sent)).collect();
    let (p50, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
    Ok(vec![("errors_told_p50", milliseconds(p50)), ("errors_told_p99", milliseconds(p99))])
}

/// Makes a project; where its clients send to.
async fn project(client: &mut Client) -> Result<String> {
    let wish = json!({ "slug": "bench", "platform": "python" });
    let made = client.post("/api/v1/projects", wish.to_string().as_bytes()).await?;
    let made: Value = serde_json::from_slice(&made.body).context("making a project")?;
    let (id, key) = (made["id"].as_str(), made["public_key"].as_str());
    let (id, key) = id.zip(key).with_context(|| format!("a project without id or key: {made}"))?;
    Ok(format!("/api/{id}/envelope/?sentry_version=7&sentry_key={key}"))
}

async fn report(client: &mut Client, path: &str, body: &[u8]) -> Result<()> {
    let answer = client.post_with(path, "Content-Encoding: gzip\r\n", body).await?;
    if answer.status != 200 {
        bail!("an error was answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    Ok(())
}

async fn issues(client: &mut Client) -> Result<Vec<Value>> {
    let answer = client.get("/api/v1/issues?limit=500").await?;
    let read: Value = serde_json::from_slice(&answer.body).context("reading issues")?;
    Ok(read["items"].as_array().cloned().unwrap_or_default())
}

/// Bytes of all files in a folder.
fn bytes_in(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).context("reading a folder")? {
        let entry = entry.context("reading a folder")?;
        // the log is copied into the database and starts over: its pages are counted there
        if !entry.file_name().to_string_lossy().ends_with("-wal") {
            bytes += entry.metadata().context("reading a folder")?.len();
        }
    }
    Ok(bytes)
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
fn envelope(n: usize, group: usize) -> Vec<u8> {
    let (id, trace) =
        (format!("{:016x}{:016x}", mixed(n), mixed(n + 1)), format!("{:016x}", mixed(n * 3 + 2)));
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
    let event = json!({
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
    let event = event.to_string();
    let mut text = String::with_capacity(event.len() + 300);
    // writing to a string cannot fail
    let _ = write!(
        text,
        "{{\"event_id\":\"{id}\",\"sent_at\":\"2026-11-21T10:00:00Z\"}}\n\
         {{\"type\":\"event\",\"content_type\":\"application/json\",\"length\":{}}}\n{event}\n",
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
