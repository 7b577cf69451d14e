//! Receivers that are sick for a while.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::bench::figures::{Readings, quantile};
use crate::bench::load::{Load, post_all};
use crate::bench::sink::Mood;
use crate::bench::stage::{Setting, Stage};
use crate::bench::target::Routing;

/// Alerts in each situation, and how they are sent.
const LOAD: Load = Load { clients: 8, batch: 64, alerts: 1_000 };
/// How long after its recovery a receiver may still have to wait: a group interval and a bit.
const MAX_LAG: Duration = Duration::from_secs(330);
/// When nothing has come for so long, nothing more will.
const QUIET: Duration = Duration::from_secs(1);

/// It answers 500 for a minute.
pub async fn failing(setting: &Setting) -> Result<Readings> {
    let stage = Stage::open(setting, Routing::EACH_AT_ONCE, LOAD.alerts).await?;
    stage.sink.set_mood(Mood::Failing);
    post_all(stage.target()?.address, &stage.alerts, LOAD).await?;
    tokio::time::sleep(Duration::from_secs(setting.size(60, 5) as u64)).await;
    let requests = stage.sink.ledger().requests;
    let recovery = stage.sink.set_mood(Mood::Healthy);
    let mut lags = lags(&stage, recovery).await?;
    Ok(vec![
        ("sick_requests", requests as f64),
        ("sick_lost", (LOAD.alerts - lags.len()) as f64),
        ("sick_after_p50", quantile(&mut lags, 0.5).as_secs_f64()),
        ("sick_after_max", quantile(&mut lags, 1.0).as_secs_f64()),
    ])
}

/// It answers 429 for ten seconds, and asks each time for ten seconds of rest.
pub async fn too_many(setting: &Setting) -> Result<Readings> {
    const SECONDS: u64 = 10;
    // long enough that a group's next turn is no retry, short enough to wait for it
    let routing = Routing { group_interval_seconds: 20, ..Routing::EACH_AT_ONCE };
    let stage = Stage::open(setting, routing, LOAD.alerts).await?;
    stage.sink.set_mood(Mood::TooMany { retry_after_seconds: SECONDS });
    post_all(stage.target()?.address, &stage.alerts, LOAD).await?;
    tokio::time::sleep(Duration::from_secs(SECONDS)).await;
    let recovery = stage.sink.set_mood(Mood::Healthy);
    let mut lags = lags(&stage, recovery).await?;
    let early = stage.sink.ledger().early;
    Ok(vec![
        ("busy_lost", (LOAD.alerts - lags.len()) as f64),
        ("busy_early", early as f64),
        ("busy_after_max", quantile(&mut lags, 1.0).as_secs_f64()),
    ])
}

/// Waits for all alerts; how long after the recovery each of those that came has come.
async fn lags(stage: &Stage, recovery: Instant) -> Result<Vec<Duration>> {
    stage.sink.wait_delivered(LOAD.alerts, MAX_LAG).await;
    stage.sink.wait_quiet(QUIET, MAX_LAG).await;
    stage.readable()?;
    let ledger = stage.sink.ledger();
    let firsts = ledger.arrivals.iter().filter_map(|arrival| arrival.first);
    Ok(firsts.map(|first| first.duration_since(recovery)).collect())
}
