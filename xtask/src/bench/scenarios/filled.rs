//! A database with millions of past incidents: the first scenarios again, and reading.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::bench::figures::{Readings, milliseconds, quantile};
use crate::bench::http::Client;
use crate::bench::load::Load;
use crate::bench::stage::{Setting, Stage};
use crate::bench::target::Routing;

/// Past incidents in a full run.
const INCIDENTS: usize = 2_000_000;
/// Past incidents in a quick run.
const INCIDENTS_QUICK: usize = 20_000;
/// How often each page is read.
const READS: usize = 500;
/// The newest incidents, an object with them in `items`.
const LIST: &str = "/api/v1/incidents?limit=50";

/// Fills a data folder with past incidents. Says no when the program has no means for that yet.
///
/// The means is a hidden subcommand, since only the program knows its own tables:
/// `nightbell bench-fill --data DIR --incidents N`.
pub async fn fill(program: &Path, data: &Path, quick: bool) -> Result<bool> {
    let mut probe = Command::new(program);
    probe.args(["bench-fill", "--help"]).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    if !probe.status().await.context("asking for bench-fill")?.success() {
        return Ok(false);
    }
    let incidents = if quick { INCIDENTS_QUICK } else { INCIDENTS };
    fill_with(program, data, "--incidents", incidents).await.map(|()| true)
}

/// Has the program fill a data folder with so much of something.
pub(super) async fn fill_with(program: &Path, data: &Path, what: &str, count: usize) -> Result<()> {
    let mut fill = Command::new(program);
    fill.arg("bench-fill").arg("--data").arg(data).args([what, &count.to_string()]);
    let status = fill.kill_on_drop(true).status().await.context("filling a database")?;
    if !status.success() {
        bail!("bench-fill failed ({status})");
    }
    Ok(())
}

/// How long the list of incidents and the explanation of one take.
pub async fn reading(setting: &Setting) -> Result<Readings> {
    let stage = Stage::open(setting, Routing::ONE_GROUP_WAITS, 0).await?;
    let target = stage.target()?;
    target.settle().await?;
    let mut client = Client::connect(target.address).await?;
    let (mut listing, mut explaining) = (Vec::new(), Vec::new());
    for read in 0..READS {
        let list = timed_get(&mut client, LIST, &mut listing).await?;
        let ids: Vec<_> =
            list["items"].as_array().into_iter().flatten().filter_map(|item| item["id"].as_str()).collect();
        let id = ids.get(read % ids.len().max(1)).context("the list has no incidents")?;
        timed_get(&mut client, &format!("/api/v1/incidents/{id}/explain"), &mut explaining).await?;
    }
    stage.close(Load { clients: 1, batch: 1, alerts: 0 }).await?;
    Ok(vec![
        ("list_p99", milliseconds(quantile(&mut listing, 0.99))),
        ("explain_p99", milliseconds(quantile(&mut explaining, 0.99))),
    ])
}

/// Reads JSON, and notes how long that took.
pub(super) async fn timed_get(
    client: &mut Client,
    path: &str,
    times: &mut Vec<Duration>,
) -> Result<serde_json::Value> {
    let begin = Instant::now();
    let answer = client.get(path).await?;
    times.push(begin.elapsed());
    if answer.status != 200 {
        bail!("{path} was answered {}", answer.status);
    }
    serde_json::from_slice(&answer.body).with_context(|| format!("reading {path}"))
}
