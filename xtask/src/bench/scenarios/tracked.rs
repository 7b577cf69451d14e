//! Errors of a long past: what they take on the disk, and how soon one finds something among them.

use std::sync::Arc;

use anyhow::{Context, Result};

use super::filled::{fill_with, timed_get};
use super::reports::bytes_in;
use crate::bench::envelopes::{Envelopes, Project, envelope};
use crate::bench::figures::{Readings, milliseconds, quantile};
use crate::bench::http::Client;
use crate::bench::load::{Load, post_all};
use crate::bench::stage::{Setting, Stage};
use crate::bench::target::Routing;

/// Clients that report at the same time.
const CLIENTS: usize = 8;
/// Errors in a full run.
const ERRORS: usize = 10_000_000;
/// Issues in a full run.
const ISSUES: usize = 10_000;
/// Errors of each issue that come in through the door; the others are like them.
const OF_EACH: usize = 2;
/// How often each page is read.
const READS: usize = 300;
/// What is looked for: by states and tags, by words of which all issues have one, by words that few have.
const SEARCHES: [&str; 5] = [
    "is:unresolved level:error",
    "is:unresolved release:shop@1.4.2 region:eu-1 !is:ignored",
    "price times:>1",
    "framework.layer3 is:new",
    "shop.part77.step12",
];

/// All of it.
pub async fn measure(setting: &Setting) -> Result<Readings> {
    let (errors, issues) = (setting.size(ERRORS, 4_000), setting.size(ISSUES, 100));
    let mut stage = Stage::open(setting, Routing::ONE_GROUP_WAITS, 1).await?;
    let empty = report(&stage, issues).await?;
    stage.kill().await?;
    fill_with(&setting.program, stage.data(), "--errors", errors).await?;
    let bytes = bytes_in(stage.data())?.saturating_sub(empty);
    stage.start().await?;
    let target = stage.target()?;
    target.settle().await?;
    let mut client = Client::connect(target.address).await?;
    let (mut listing, mut showing, mut searching) = (Vec::new(), Vec::new(), Vec::new());
    for read in 0..READS {
        let list = timed_get(&mut client, "/api/v1/issues?limit=50", &mut listing).await?;
        let ids: Vec<_> =
            list["items"].as_array().into_iter().flatten().filter_map(|item| item["id"].as_str()).collect();
        let id = ids.get(read % ids.len().max(1)).context("the list has no issues")?;
        timed_get(&mut client, &format!("/api/v1/issues/{id}"), &mut showing).await?;
        let words = SEARCHES[read % SEARCHES.len()].replace(' ', "%20").replace('>', "%3E");
        timed_get(&mut client, &format!("/api/v1/issues?limit=50&query={words}"), &mut searching).await?;
    }
    let usage = target.settle().await?;
    stage.close(Load { clients: 1, batch: 1, alerts: 0 }).await?;
    Ok(vec![
        ("past_errors_bytes", bytes as f64 / errors as f64),
        ("past_errors_list", milliseconds(quantile(&mut listing, 0.99))),
        ("past_errors_issue", milliseconds(quantile(&mut showing, 0.99))),
        ("past_errors_search", milliseconds(quantile(&mut searching, 0.99))),
        ("past_errors_memory", usage.peak_resident_kib as f64 / 1024.0),
    ])
}

/// Reports some of each issue; the bytes that there were before.
async fn report(stage: &Stage, issues: usize) -> Result<u64> {
    let target = stage.target()?;
    let path = Project::make(&mut Client::connect(target.address).await?, "bench").await?.path();
    target.settle().await?;
    let before = bytes_in(stage.data())?;
    let count = issues * OF_EACH;
    let bodies = (0..count).map(|n| envelope(n, n % issues)).collect();
    let load = Load { clients: CLIENTS, batch: 1, alerts: count };
    post_all(target.address, &Arc::new(Envelopes::to_one(path, bodies)), load).await?;
    Ok(before)
}
