//! A plugin in Python: how much, how soon, and what it takes.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::bench::figures::{Readings, milliseconds, quantile};
use crate::bench::http::Client;
use crate::bench::load::{Load, post_all, post_paced};
use crate::bench::stage::{Setting, Stage};
use crate::bench::target::{Routing, memory_of};

/// How long deliveries may lag behind the last alert.
const MAX_LAG: Duration = Duration::from_secs(120);
/// How long a plugin may take until it is ready.
const MAX_START: Duration = Duration::from_secs(20);
/// How often the hub is asked how far it is: each look costs it some, which counts as its own.
const LOOK: Duration = Duration::from_millis(20);
/// Alerts a second, when they are seldom.
const SELDOM: f64 = 50.0;

/// Two kinds that take everything at once: one in batches, one by one in threads, as the plugins of other systems
/// are run.
const GUEST: &str = r#"
from nightbell_plugin import Plugin

plugin = Plugin()


@plugin.destination("quick", batch=64)
async def quick(deliveries):
    return [None] * len(deliveries)


@plugin.destination("threads")
def threads(delivery):
    return None
"#;
const MANIFEST: &str = "[plugin]\nid = \"guest\"\nversion = \"1\"\ncontract = 1\n[run]\nruntime = \"python\"\n\
    module = \"guest\"\n[limits]\nconcurrency = 64\n";

/// All of it, on a new folder for each.
pub async fn measure(setting: &Setting) -> Result<Readings> {
    let mut readings = Readings::new();
    let load = Load { clients: 8, batch: 64, alerts: setting.size(20_480, 2_048) };
    let (rate, cpu) = told(setting, "quick", load).await?;
    readings.extend([("plugin_rate", rate), ("plugin_cpu", cpu)]);
    let load = Load { alerts: setting.size(5_120, 1_024), ..load };
    let (rate, _) = told(setting, "threads", load).await?;
    readings.push(("plugin_threads", rate));
    readings.extend(one_in_flight(setting).await?);
    Ok(readings)
}

/// How many a second a plugin takes, and how much processor time of the hub each takes.
async fn told(setting: &Setting, kind: &str, load: Load) -> Result<(f64, f64)> {
    let stage = stage(setting, kind, load.alerts).await?;
    let target = stage.target()?;
    let mut client = Client::connect(target.address).await?;
    ready(&mut client, "guest").await?;
    let before = target.settle().await?;
    let posted = post_all(target.address, &stage.alerts, load).await?;
    let end = delivered(&mut client, kind, load.alerts).await?;
    let worked = target.settle().await?.cpu_microseconds - before.cpu_microseconds;
    let seconds = end.duration_since(posted.begin).as_secs_f64();
    stage.close(load).await?;
    Ok((load.alerts as f64 / seconds, worked as f64 / load.alerts as f64))
}

/// One at a time: from the hub's hand to the plugin's answer, beside that to a webhook's; and what the plugin takes
/// when it is idle. One after the other, as a protocol is measured; and seldom, when everybody sleeps in between and
/// what is waited for is mostly that a processor wakes.
async fn one_in_flight(setting: &Setting) -> Result<Readings> {
    let (alerts, mut readings) = (setting.size(300, 50), Readings::new());
    for (pace, names) in [
        (None, ["plugin_p50", "plugin_p50_more", "plugin_p99", "plugin_p99_more"]),
        (
            Some(SELDOM),
            ["plugin_seldom_p50", "plugin_seldom_p50_more", "plugin_seldom_p99", "plugin_seldom_p99_more"],
        ),
    ] {
        let (mut webhook, _) = one_by_one(setting, "webhook", alerts, pace).await?;
        let (mut plugin, idle) = one_by_one(setting, "quick", alerts, pace).await?;
        let mut at = |part: f64| {
            let [plugin, webhook] =
                [&mut plugin, &mut webhook].map(|times| milliseconds(quantile(times, part)) * 1000.0);
            [plugin, plugin - webhook]
        };
        let figures = [at(0.5), at(0.99)];
        readings.extend(names.into_iter().zip(figures.into_iter().flatten()));
        if pace.is_some() {
            readings.extend([("plugin_start", idle.start), ("plugin_memory", idle.memory)]);
        }
    }
    Ok(readings)
}

/// What a plugin takes that has little to do: milliseconds until it is ready, and MiB.
struct Idle {
    start: f64,
    memory: f64,
}

/// How long each try takes: so many a second, or each as soon as the one before it was taken, at which time that was
/// mostly told, too.
async fn one_by_one(
    setting: &Setting,
    kind: &str,
    alerts: usize,
    pace: Option<f64>,
) -> Result<(Vec<Duration>, Idle)> {
    let stage = stage(setting, kind, alerts).await?;
    let target = stage.target()?;
    let mut client = Client::connect(target.address).await?;
    let plugin = ready(&mut client, "guest").await?;
    match pace {
        Some(pace) => drop(post_paced(target.address, &stage.alerts, alerts, pace).await?),
        None => drop(post_all(target.address, &stage.alerts, Load { clients: 1, batch: 1, alerts }).await?),
    }
    delivered(&mut client, kind, alerts).await?;
    let times = latencies(&mut client, alerts).await?;
    let pid = plugin["pid"].as_u64().context("the plugin has no process")?;
    let memory = memory_of(pid)? as f64 / 1024.0;
    let start = plugin["ready_after_ms"].as_f64().context("the plugin does not say when it was ready")?;
    stage.close(Load { clients: 1, batch: 1, alerts: 0 }).await?;
    Ok((times, Idle { start, memory }))
}

async fn stage(setting: &Setting, kind: &str, alerts: usize) -> Result<Stage> {
    let setting = Setting { data: None, ..setting.clone() };
    let kind = kind.to_owned();
    let config = move |data: &Path, sink: SocketAddr| write(data, &kind, sink);
    Stage::open_with(&setting, Routing::EACH_AT_ONCE, alerts, Some(Box::new(config))).await
}

/// The plugin, and a configuration that tells each alert to it.
fn write(data: &Path, kind: &str, sink: SocketAddr) -> Result<String> {
    let folder = data.with_extension("plugins").join("guest");
    std::fs::create_dir_all(&folder).context("making a folder")?;
    std::fs::write(folder.join("plugin.toml"), MANIFEST).context("writing a plugin")?;
    std::fs::write(folder.join("guest.py"), GUEST).context("writing a plugin")?;
    let mut text = String::new();
    // writing to a string cannot fail
    let _ = write!(
        text,
        "[plugins]\nfolder = {:?}\nactive = [\"guest\"]\n[route]\nreceiver = \"guest\"\ngroup_by = \"all\"\n\
         group_wait = \"0s\"\n[[receivers.guest.{kind}]]\nconcurrency = 64\n",
        data.with_extension("plugins").display().to_string(),
    );
    if kind == "webhook" {
        let _ = writeln!(text, "url = \"http://{sink}/\"");
    }
    Ok(text)
}

/// Asks until the plugin is ready; there is no event for that.
pub async fn ready(client: &mut Client, id: &str) -> Result<Value> {
    let begin = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    while begin.elapsed() < MAX_START {
        ticks.tick().await;
        let plugin = json(client, &format!("/api/v1/plugins/{id}")).await?;
        if plugin["state"] == "ready" {
            return Ok(plugin);
        }
    }
    bail!("the plugin {id} was not ready after {MAX_START:?}")
}

async fn delivered(client: &mut Client, kind: &str, alerts: usize) -> Result<Instant> {
    answered(client, kind, "delivered", alerts, LOOK).await
}

/// Asks, at this pace, until so many answers of one sort are recorded.
pub async fn answered(
    client: &mut Client,
    kind: &str,
    outcome: &str,
    count: usize,
    pace: Duration,
) -> Result<Instant> {
    let begin = Instant::now();
    let mut ticks = tokio::time::interval(pace);
    let line = format!("kind=\"{kind}\",outcome=\"{outcome}\"}}");
    while begin.elapsed() < MAX_LAG {
        ticks.tick().await;
        let page = client.get("/metrics").await?;
        let page = String::from_utf8_lossy(&page.body).into_owned();
        let found = page.lines().filter(|it| it.contains(&line)).filter_map(|it| it.rsplit(' ').next());
        let found: f64 = found.filter_map(|found| found.parse::<f64>().ok()).sum();
        if found >= count as f64 {
            return Ok(Instant::now());
        }
    }
    bail!("not all of {count} deliveries were answered {outcome:?} within {MAX_LAG:?}")
}

async fn latencies(client: &mut Client, alerts: usize) -> Result<Vec<Duration>> {
    let list = json(client, &format!("/api/v1/deliveries?limit={}", alerts.min(500))).await?;
    let mut times = Vec::new();
    for item in list["items"].as_array().into_iter().flatten() {
        let id = item["id"].as_str().unwrap_or_default();
        let delivery = json(client, &format!("/api/v1/deliveries/{id}")).await?;
        let micros = delivery["attempts"][0]["latency_micros"].as_u64();
        times.push(Duration::from_micros(micros.context("a delivery without a try")?));
    }
    if times.is_empty() {
        bail!("no delivery was listed");
    }
    Ok(times)
}

/// What the API shows there.
pub async fn json(client: &mut Client, path: &str) -> Result<Value> {
    let answer = client.get(path).await?;
    serde_json::from_slice(&answer.body).with_context(|| format!("reading {path}"))
}
