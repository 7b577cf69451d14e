//! Many projects that report far more than they may, and one beside them that does not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::bench::envelopes::{Envelopes, Limit, Project, envelope, nameless};
use crate::bench::figures::{Readings, milliseconds, quantile};
use crate::bench::http::Client;
use crate::bench::load::{Load, post_all, post_paced};
use crate::bench::stage::{Setting, Stage};
use crate::bench::target::Routing;

/// Projects in a full run.
const PROJECTS: usize = 1_000;
/// Errors a second that all of them report together.
const OFFERED: f64 = 10_000.0;
/// What each may report: all together a tenth of what the hub can take, since it is turning away that is measured.
const LIMIT: Limit = Limit { events: 1, seconds: 5 };
/// Seconds that it lasts.
const SECONDS: usize = 60;
/// Errors a second of the one beside them.
const NEIGHBOUR: f64 = 50.0;
/// Issues of each project.
const GROUPS: usize = 5;
/// Clients that report at the same time before that.
const CLIENTS: usize = 8;
/// Envelopes that are made before, and sent again and again.
const BODIES: usize = 5_000;

/// All of it.
pub async fn measure(setting: &Setting) -> Result<Readings> {
    let (projects, seconds) = (setting.size(PROJECTS, 20), setting.size(SECONDS, 2));
    let offered = if setting.quick { OFFERED / 50.0 } else { OFFERED };
    let stage = Stage::open(setting, Routing::ONE_GROUP_WAITS, 1).await?;
    let target = stage.target()?;
    let mut client = Client::connect(target.address).await?;
    let mut all_loud = Vec::new();
    for n in 0..projects {
        all_loud.push(Project::make(&mut client, &format!("loud-{n}")).await?);
    }
    let quiet = Project::make(&mut client, "quiet").await?.path();
    let paths: Vec<String> = all_loud.iter().map(Project::path).collect();
    // what floods is what is known: a loop that fails, not one new error after the other
    let known = projects * GROUPS;
    let bodies = (0..known).map(|n| nameless(n, n / projects)).collect();
    let load = Load { clients: CLIENTS, batch: 1, alerts: known };
    post_all(target.address, &Arc::new(Envelopes::to_many(paths.clone(), bodies)), load).await?;
    for project in &all_loud {
        project.limit(&mut client, LIMIT).await?;
    }
    target.settle().await?;
    let beside = |from: usize, seconds: usize| {
        let count = (NEIGHBOUR * seconds as f64) as usize;
        let bodies = (from..from + count).map(|n| envelope(n, n % GROUPS)).collect();
        (Arc::new(Envelopes::to_many(vec![quiet.clone()], bodies)), count)
    };
    let (alone, count) = beside(0, seconds / 2);
    apart(target.address, alone.clone(), count).await?;
    let (crowded, crowded_count) = beside(count, seconds);
    // one more than a multiple of the projects: each of them sends all sorts
    let bodies = (0..=setting.size(BODIES, 100)).map(|n| nameless(n, n % GROUPS)).collect();
    let loud = Arc::new(Envelopes::to_many(paths, bodies));
    let all = (offered * seconds as f64) as usize;
    tokio::try_join!(
        post_paced(target.address, &loud, all, offered),
        apart(target.address, crowded.clone(), crowded_count),
    )?;
    let usage = target.settle().await?;
    stage.close(Load { clients: 1, batch: 1, alerts: 0 }).await?;
    let p99 = |it: &Envelopes| {
        let mut times: Vec<Duration> = it.answers().into_iter().map(|(_, took)| took).collect();
        milliseconds(quantile(&mut times, 0.99))
    };
    let (taken, shed) = (loud.with(200), loud.with(429));
    if shed == 0 || taken == 0 {
        bail!("{taken} were taken and {shed} turned away, of {all}");
    }
    Ok(vec![
        ("shed_taken", taken as f64 / seconds as f64),
        ("shed_otherwise", (all - taken - shed) as f64),
        ("shed_lost", (count + crowded_count - alone.with(200) - crowded.with(200)) as f64),
        ("shed_alone", p99(&alone)),
        ("shed_neighbour", p99(&crowded) / p99(&alone)),
        ("shed_memory", usage.peak_resident_kib as f64 / 1024.0),
    ])
}

/// The neighbour, on a thread of its own: what is measured is not how busy those are who flood.
async fn apart(target: SocketAddr, errors: Arc<Envelopes>, count: usize) -> Result<()> {
    let reports = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime
            .context("starting a runtime")?
            .block_on(post_paced(target, &errors, count, NEIGHBOUR))
            .map(drop)
    };
    tokio::task::spawn_blocking(reports).await.context("a thread panicked")?
}
