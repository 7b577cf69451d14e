//! Incidents through Argus' door, one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::bench::figures::{Readings, milliseconds, quantile};
use crate::bench::http::Client;
use crate::bench::load::Load;
use crate::bench::stage::{Setting, Stage};
use crate::bench::target::Routing;

/// Clients that post at the same time.
const CLIENTS: usize = 8;

/// All of it, on a new folder, with nothing to deliver.
pub async fn measure(setting: &Setting) -> Result<Readings> {
    let incidents = setting.size(20_480, 1_600);
    let stage = Stage::open(setting, Routing::ONE_GROUP_WAITS, incidents).await?;
    let target = stage.target()?;
    let mut client = Client::connect(target.address).await?;
    let source = json!({ "name": "bench", "type": "bench", "base_url": "https://bench.example.org" });
    let made = client.post("/api/v2/incidents/sources/", source.to_string().as_bytes()).await?;
    let made: Value = serde_json::from_slice(&made.body).context("registering a source")?;
    let source = made["pk"].as_i64().context("a source without a number")?;
    let before = target.settle().await?;
    let next = Arc::new(AtomicUsize::new(0));
    let start = format!("{:.0}", Timestamp::now());
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..CLIENTS {
        let (mut client, next) = (Client::connect(target.address).await?, next.clone());
        let start = start.clone();
        tasks.spawn(async move {
            let mut acks = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= incidents {
                    return anyhow::Ok(acks);
                }
                let (body, sent) = (body(source, number, &start), Instant::now());
                let answer = client.post("/api/v2/incidents/", body.as_bytes()).await?;
                if answer.status != 201 {
                    let body = String::from_utf8_lossy(&answer.body);
                    bail!("an incident was answered {}: {body}", answer.status);
                }
                acks.push(sent.elapsed());
            }
        });
    }
    let mut acks = Vec::new();
    while let Some(done) = tasks.join_next().await {
        acks.extend(done??);
    }
    let elapsed = begin.elapsed();
    let worked = target.settle().await?.cpu_microseconds - before.cpu_microseconds;
    stage.close(Load { clients: 1, batch: 1, alerts: 0 }).await?;
    Ok(vec![
        ("argus_rate", incidents as f64 / elapsed.as_secs_f64()),
        ("argus_cpu", worked as f64 / incidents as f64),
        ("argus_ack", milliseconds(quantile(&mut acks, 0.99))),
    ])
}

fn body(source: i64, number: usize, start: &str) -> String {
    let incident = json!({
        "source": source,
        "source_incident_id": format!("case-{number}"),
        "start_time": start,
        "details_url": format!("/case/{number}"),
        "description": "The link between two routers is down",
        "level": 1 + number % 5,
        "tags": [
            { "tag": format!("host=host-{:04}.example.com", number % 10_000) },
            { "tag": "interface=ge-0/0/1" },
            { "tag": "problem_type=linkDown" },
            { "tag": "team=network" },
        ],
    });
    incident.to_string()
}
