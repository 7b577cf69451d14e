//! How fast, for how much processor time and memory.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::bench::figures::{Readings, milliseconds, quantile};
use crate::bench::load::{Load, Posted, post_all, post_paced};
use crate::bench::stage::{Setting, Stage};
use crate::bench::target::Routing;

/// How long deliveries may lag behind the last alert.
const MAX_LAG: Duration = Duration::from_secs(180);

/// Batches from 8 clients into one waiting group.
pub async fn accept_batch(setting: &Setting) -> Result<Readings> {
    let load = Load { clients: 8, batch: 64, alerts: setting.size(102_400, 6_400) };
    accept(setting, load, ["accept_batch_rate", "accept_batch_cpu", "accept_batch_ack"]).await
}

/// Single alerts from 64 clients into one waiting group.
pub async fn accept_single(setting: &Setting) -> Result<Readings> {
    let load = Load { clients: 64, batch: 1, alerts: setting.size(51_200, 3_200) };
    accept(setting, load, ["accept_single_rate", "accept_single_cpu", "accept_single_ack"]).await
}

async fn accept(setting: &Setting, load: Load, [rate, cpu, ack]: [&'static str; 3]) -> Result<Readings> {
    let stage = Stage::open(setting, Routing::ONE_GROUP_WAITS, load.alerts).await?;
    let target = stage.target()?;
    let before = target.settle().await?;
    let Posted { elapsed, mut acks, .. } = post_all(target.address, &stage.alerts, load).await?;
    let worked = target.settle().await?.cpu_microseconds - before.cpu_microseconds;
    stage.close(load).await?;
    Ok(vec![
        (rate, load.alerts as f64 / elapsed.as_secs_f64()),
        (cpu, worked as f64 / load.alerts as f64),
        (ack, milliseconds(quantile(&mut acks, 0.99))),
    ])
}

/// Each alert its own notification, in batches and one by one.
pub async fn deliver(setting: &Setting) -> Result<Readings> {
    let alerts = setting.size(20_480, 2_048);
    let batch = Load { clients: 8, batch: 64, alerts };
    let mut readings = delivered(setting, batch, ["deliver_batch_rate", "deliver_batch_cpu"]).await?;
    let single = Load { clients: 8, batch: 1, alerts };
    let setting = Setting { name: format!("{}Single", setting.name), ..setting.clone() };
    readings.extend(delivered(&setting, single, ["deliver_single_rate", "deliver_single_cpu"]).await?);
    Ok(readings)
}

/// The same again, with all that a configuration may have around it.
pub async fn full_file(setting: &Setting) -> Result<Readings> {
    let load = Load { clients: 8, batch: 64, alerts: setting.size(20_480, 2_048) };
    let mut readings = delivered_by(setting, Routing::FULL, load, ["full_rate", "full_cpu"]).await?;
    let setting = Setting { name: format!("{}Paced", setting.name), ..setting.clone() };
    let ids = ["full_50_p50", "full_50_p90", "full_50_p99", "full_50_max"];
    readings.extend(paced_by(&setting, Routing::FULL, setting.size(600, 100), 50.0, ids).await?);
    Ok(readings)
}

async fn delivered(setting: &Setting, load: Load, ids: [&'static str; 2]) -> Result<Readings> {
    delivered_by(setting, Routing::EACH_AT_ONCE, load, ids).await
}

async fn delivered_by(
    setting: &Setting,
    routing: Routing,
    load: Load,
    [rate, cpu]: [&'static str; 2],
) -> Result<Readings> {
    let stage = Stage::open(setting, routing, load.alerts).await?;
    let target = stage.target()?;
    let before = target.settle().await?;
    let posted = post_all(target.address, &stage.alerts, load).await?;
    stage.all_delivered(load.alerts, MAX_LAG).await?;
    let worked = target.settle().await?.cpu_microseconds - before.cpu_microseconds;
    let last = stage.sink.ledger().last_first().context("nothing was delivered")?;
    let seconds = last.duration_since(posted.begin).as_secs_f64();
    stage.close(load).await?;
    Ok(vec![(rate, load.alerts as f64 / seconds), (cpu, worked as f64 / load.alerts as f64)])
}

/// From POST to webhook, at two paces.
pub async fn latency(setting: &Setting) -> Result<Readings> {
    let slow = ["latency_50_p50", "latency_50_p90", "latency_50_p99", "latency_50_max"];
    let mut readings = paced(setting, setting.size(600, 100), 50.0, slow).await?;
    let fast = ["latency_1000_p50", "latency_1000_p90", "latency_1000_p99", "latency_1000_max"];
    let setting = Setting { name: format!("{}Fast", setting.name), ..setting.clone() };
    readings.extend(paced(&setting, setting.size(10_000, 1_000), 1_000.0, fast).await?);
    Ok(readings)
}

async fn paced(
    setting: &Setting,
    alerts: usize,
    per_second: f64,
    ids: [&'static str; 4],
) -> Result<Readings> {
    paced_by(setting, Routing::EACH_AT_ONCE, alerts, per_second, ids).await
}

async fn paced_by(
    setting: &Setting,
    routing: Routing,
    alerts: usize,
    per_second: f64,
    ids: [&'static str; 4],
) -> Result<Readings> {
    let stage = Stage::open(setting, routing, alerts).await?;
    let target = stage.target()?;
    target.settle().await?;
    let sent = post_paced(target.address, &stage.alerts, alerts, per_second).await?;
    stage.all_delivered(alerts, MAX_LAG).await?;
    let arrived: Vec<_> = stage.sink.ledger().arrivals.iter().filter_map(|arrival| arrival.first).collect();
    stage.close(Load { clients: 8, batch: 64, alerts }).await?;
    let mut times: Vec<_> =
        sent.iter().zip(arrived).map(|(sent, first)| first.duration_since(*sent)).collect();
    let shares = [0.5, 0.9, 0.99, 1.0];
    let figures = ids.iter().zip(shares).map(|(id, share)| (*id, milliseconds(quantile(&mut times, share))));
    Ok(figures.collect())
}

/// Many active alerts, each its own group, all delivered.
pub async fn memory(setting: &Setting) -> Result<Readings> {
    let alerts = setting.size(100_000, 5_000);
    let stage = Stage::open(setting, Routing::EACH_AT_ONCE, alerts).await?;
    let target = stage.target()?;
    post_all(target.address, &stage.alerts, Load { clients: 8, batch: 64, alerts }).await?;
    stage.all_delivered(alerts, MAX_LAG).await?;
    let usage = target.settle().await?;
    Ok(vec![
        ("memory_peak", usage.peak_resident_kib as f64 / 1024.0),
        ("memory_after", usage.resident_kib as f64 / 1024.0),
    ])
}
