//! Errors that programs report: exceptions of Python as their SDK sends them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::bench::bugsink;
use crate::bench::envelopes::{Envelopes, Project, Reported, envelope};
use crate::bench::figures::{Readings, milliseconds, quantile};
use crate::bench::http::Client;
use crate::bench::load::{Load, Posted, post_all, post_paced};
use crate::bench::stage::{Setting, Stage};
use crate::bench::target::{Kind, Routing};

/// Clients that report at the same time.
const CLIENTS: usize = 8;
/// Issues that the errors belong to.
const GROUPS: usize = 50;
/// New issues a second, when it is measured how soon somebody hears of one.
const PACE: f64 = 20.0;
/// How long the last of them may take.
const MAX_LAG: Duration = Duration::from_secs(30);

/// All of it.
pub async fn measure(setting: &Setting) -> Result<Readings> {
    if setting.kind == Kind::Bugsink {
        return bugsink::measure(setting, |n| envelope(n, n % GROUPS), CLIENTS).await;
    }
    let mut readings = throughput(setting).await?;
    readings.extend(latency(setting).await?);
    Ok(readings)
}

/// As many as are taken, in fifty issues, with nobody to tell.
async fn throughput(setting: &Setting) -> Result<Readings> {
    let count = setting.size(20_000, 800);
    let bodies = (0..count).map(|n| envelope(n, n % GROUPS)).collect();
    let stage = Stage::open(setting, Routing::ONE_GROUP_WAITS, 1).await?;
    let target = stage.target()?;
    let path = Project::make(&mut Client::connect(target.address).await?, "bench").await?.path();
    let before = target.settle().await?;
    let bytes_before = bytes_in(stage.data())?;
    let load = Load { clients: CLIENTS, batch: 1, alerts: count };
    let Posted { elapsed, acks, .. } =
        post_all(target.address, &Arc::new(Envelopes::to_one(path, bodies)), load).await?;
    let usage = target.settle().await?;
    let worked = usage.cpu_microseconds - before.cpu_microseconds;
    let found = issues(&mut Client::connect(target.address).await?).await?;
    let seen: i64 = found.iter().filter_map(|it| it["times_seen"].as_i64()).sum();
    if (found.len(), seen) != (GROUPS, count as i64) {
        bail!("{count} errors of {GROUPS} issues became {seen} of {}", found.len());
    }
    let bytes = bytes_in(stage.data())?.saturating_sub(bytes_before);
    stage.close(Load { clients: 1, batch: 1, alerts: 0 }).await?;
    let mut readings =
        Reported { count, elapsed, acks, worked, peak_kib: usage.peak_resident_kib }.readings();
    readings.push(("errors_bytes", bytes as f64 / count as f64));
    Ok(readings)
}

/// From an exception of a new issue to its webhook.
async fn latency(setting: &Setting) -> Result<Readings> {
    let count = setting.size(300, 20);
    let stage = Stage::open(setting, Routing::EACH_AT_ONCE, count).await?;
    let target = stage.target()?;
    let mut client = Client::connect(target.address).await?;
    let path = Project::make(&mut client, "bench").await?.path();
    target.settle().await?;
    let bodies = (0..count).map(|n| envelope(n, n)).collect();
    let sent = post_paced(target.address, &Arc::new(Envelopes::to_one(path, bodies)), count, PACE).await?;
    stage.all_delivered(count, MAX_LAG).await?;
    let arrived: Vec<_> = stage.sink.ledger().arrivals.iter().filter_map(|arrival| arrival.first).collect();
    stage.close(Load { clients: 1, batch: 1, alerts: 0 }).await?;
    let mut times: Vec<_> =
        sent.iter().zip(arrived).map(|(sent, first)| first.duration_since(*sent)).collect();
    let (p50, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
    Ok(vec![("errors_told_p50", milliseconds(p50)), ("errors_told_p99", milliseconds(p99))])
}

async fn issues(client: &mut Client) -> Result<Vec<Value>> {
    let answer = client.get("/api/v1/issues?limit=500").await?;
    let read: Value = serde_json::from_slice(&answer.body).context("reading issues")?;
    Ok(read["items"].as_array().cloned().unwrap_or_default())
}

/// Bytes of all files in a folder.
pub fn bytes_in(folder: &Path) -> Result<u64> {
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
