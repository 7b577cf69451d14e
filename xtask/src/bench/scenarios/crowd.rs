//! Many plugins, some of which fail: what they cost the hub, and what the receivers beside them notice.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::plugins::{answered, json, ready};
use crate::bench::figures::{Readings, milliseconds, quantile};
use crate::bench::guest::Mood;
use crate::bench::http::Client;
use crate::bench::load::{Load, post_all, post_paced};
use crate::bench::stage::{Setting, Stage};
use crate::bench::target::Routing;
use crate::shell;

/// Plugins in a crowd.
const CROWD: usize = 100;
/// How long the hub is watched while nothing happens.
const IDLE: Duration = Duration::from_secs(10);
/// How long deliveries may lag behind.
const MAX_LAG: Duration = Duration::from_secs(60);
/// What the plugin that is killed has under way.
const UNDER_WAY: usize = 64;
/// Nothing more is posted.
const NOTHING: Load = Load { clients: 1, batch: 1, alerts: 0 };

/// A plugin of the crowd: how it is, and whether it is told of alerts.
struct Member {
    mood: Mood,
    is_told: bool,
}

/// All of it, on a new folder for each.
pub async fn measure(setting: &Setting) -> Result<Readings> {
    let alerts = setting.size(1_500, 100);
    let well = |is_told: bool| Member { mood: Mood::Well, is_told };
    let (alone, bare) = beside(setting, "Alone", Vec::new(), alerts).await?;
    // as many are told either way: what is compared is how they are
    let crowd = |moods: &[Mood]| {
        let told = moods.iter().map(|mood| Member { mood: *mood, is_told: true });
        told.chain((moods.len()..CROWD).map(|_| well(false))).collect::<Vec<_>>()
    };
    let (good, full) = beside(setting, "Well", crowd(&[Mood::Well; 10]), alerts).await?;
    let (bad, _) = beside(setting, "Failing", crowd(&Mood::FAILING), alerts).await?;
    let (one, _) = beside(setting, "One", vec![well(true)], alerts).await?;
    let (stress, _) =
        beside(setting, "Stress", vec![Member { mood: Mood::All, is_told: true }], alerts).await?;
    let each = (full.memory_kib.saturating_sub(bare.memory_kib)) as f64 / 1024.0 / CROWD as f64;
    let busy = full.cpu_microseconds.saturating_sub(bare.cpu_microseconds) as f64 / 1000.0;
    Ok(vec![
        ("crowd_memory", each),
        ("crowd_idle", busy / IDLE.as_secs_f64()),
        ("crowd_alone_p99", alone),
        ("crowd_well_p99", good),
        ("crowd_failing_p99", bad),
        ("crowd_times", bad / good),
        ("stress_times", stress / one),
        ("plugin_killed", killed(setting).await?),
    ])
}

/// What an idle hub takes.
struct Idle {
    memory_kib: u64,
    cpu_microseconds: u64,
}

/// The p99 from POST to webhook in milliseconds beside these plugins, and what they cost while nothing happens.
async fn beside(setting: &Setting, name: &str, crowd: Vec<Member>, alerts: usize) -> Result<(f64, Idle)> {
    let setting = Setting { data: None, name: format!("{}{name}", setting.name), ..setting.clone() };
    let awaited: Vec<usize> = (0..crowd.len()).filter(|at| crowd[*at].mood == Mood::Well).collect();
    let config = move |data: &Path, sink: SocketAddr| write(data, sink, &crowd, 8);
    let stage = Stage::open_with(&setting, Routing::EACH_AT_ONCE, alerts, Some(Box::new(config))).await?;
    let target = stage.target()?;
    let mut client = Client::connect(target.address).await?;
    for at in awaited {
        ready(&mut client, &format!("guest{at}")).await?;
    }
    let before = target.settle().await?;
    tokio::time::sleep(IDLE).await;
    let after = target.usage()?;
    let idle = Idle {
        memory_kib: after.resident_kib,
        cpu_microseconds: after.cpu_microseconds - before.cpu_microseconds,
    };
    let sent = post_paced(target.address, &stage.alerts, alerts, 50.0).await?;
    stage.all_delivered(alerts, MAX_LAG).await?;
    let arrived: Vec<_> = stage.sink.ledger().arrivals.iter().filter_map(|arrival| arrival.first).collect();
    let mut times: Vec<_> =
        sent.iter().zip(arrived).map(|(sent, first)| first.duration_since(*sent)).collect();
    let p99 = milliseconds(quantile(&mut times, 0.99));
    stage.close(NOTHING).await?;
    Ok((p99, idle))
}

/// From the death of a plugin until all that it had under way is known to be tried again, in milliseconds.
async fn killed(setting: &Setting) -> Result<f64> {
    let setting = Setting { data: None, name: format!("{}Killed", setting.name), ..setting.clone() };
    let crowd = [Member { mood: Mood::Hangs, is_told: true }];
    let config = move |data: &Path, sink: SocketAddr| write(data, sink, &crowd, UNDER_WAY);
    let stage = Stage::open_with(&setting, Routing::EACH_AT_ONCE, UNDER_WAY, Some(Box::new(config))).await?;
    let target = stage.target()?;
    let mut client = Client::connect(target.address).await?;
    let plugin = ready(&mut client, "guest0").await?;
    let pid = plugin["pid"].as_u64().context("the plugin has no process")?;
    post_all(target.address, &stage.alerts, Load { clients: 1, batch: UNDER_WAY, alerts: UNDER_WAY }).await?;
    stage.all_delivered(UNDER_WAY, MAX_LAG).await?;
    target.settle().await?;
    let begin = Instant::now();
    shell::run(&mut shell::command("kill", ["-9", &pid.to_string()]))?;
    let end = answered(&mut client, "kind0", "retry", UNDER_WAY, Duration::from_millis(1)).await?;
    stage.close(NOTHING).await?;
    Ok(milliseconds(end.duration_since(begin)))
}

/// The plugins, and a configuration that tells each alert to a webhook and to those that are told.
fn write(data: &Path, sink: SocketAddr, crowd: &[Member], concurrency: usize) -> Result<String> {
    let folder = data.with_extension("plugins");
    let program = std::env::current_exe().context("looking for this program")?;
    let ids: Vec<String> = (0..crowd.len()).map(|at| format!("guest{at}")).collect();
    let mut text = String::new();
    // writing to a string cannot fail
    let _ = write!(
        text,
        "[plugins]\nfolder = {:?}\nactive = {ids:?}\n[route]\nreceiver = \"all\"\ngroup_by = \"all\"\n\
         group_wait = \"0s\"\n[[receivers.all.webhook]]\nurl = \"http://{sink}/hook\"\nsend_resolved = false\n",
        folder.display().to_string(),
    );
    for (at, Member { mood, is_told }) in crowd.iter().enumerate() {
        plugin(&folder.join(&ids[at]), &ids[at], at, &program, *mood)?;
        if *is_told {
            let _ = writeln!(text, "[[receivers.all.kind{at}]]\nconcurrency = {concurrency}");
        }
    }
    Ok(text)
}

fn plugin(folder: &Path, id: &str, at: usize, program: &Path, mood: Mood) -> Result<()> {
    std::fs::create_dir_all(folder).context("making a folder")?;
    let manifest = format!(
        "[plugin]\nid = \"{id}\"\nversion = \"1\"\ncontract = 1\n[run]\nruntime = \"process\"\n\
         command = [{:?}, \"bench-guest\", \"{}\"]\n[limits]\nconcurrency = {UNDER_WAY}\nmemory = \"64MiB\"\n\
         [[destinations]]\nkind = \"kind{at}\"\n",
        program.display().to_string(),
        mood.name(),
    );
    std::fs::write(folder.join("plugin.toml"), manifest).context("writing a plugin")
}

/// How long plugins of each sort take from their start until they are ready; those whose languages are not here are
/// left out.
pub async fn starts(setting: &Setting) -> Result<Readings> {
    let mut readings = Readings::new();
    for (row, guest) in super::guests::all()? {
        let setting = Setting { data: None, name: format!("{}{row}", setting.name), ..setting.clone() };
        let config = move |data: &Path, _: SocketAddr| guest.write(data);
        let stage = Stage::open_with(&setting, Routing::EACH_AT_ONCE, 0, Some(Box::new(config))).await?;
        let mut client = Client::connect(stage.target()?.address).await?;
        let plugin = ready(&mut client, "guest").await.with_context(|| row.to_owned())?;
        let took = plugin["ready_after_ms"].as_f64().context("the plugin does not say when it was ready")?;
        // a start that fails is no figure
        json(&mut client, "/api/v1/plugins/guest").await?;
        stage.close(NOTHING).await?;
        readings.push((row, took));
    }
    Ok(readings)
}
