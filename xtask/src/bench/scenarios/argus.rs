//! Incidents through Argus' door, which somebody wants to hear of by mail.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::bench::figures::{Readings, milliseconds, quantile};
use crate::bench::http::Client;
use crate::bench::load::{Heap, Load, Posted, post_all, post_paced};
use crate::bench::mails::{MARK, Mails};
use crate::bench::scenarios::scale;
use crate::bench::stage::{Setting, Stage};
use crate::bench::target::Routing;

/// Clients that post at the same time.
const CLIENTS: usize = 8;
/// How long mails may lag behind the last incident.
const MAX_LAG: Duration = Duration::from_secs(120);
/// What is sent when nothing is.
const NOTHING: Load = Load { clients: 1, batch: 1, alerts: 0 };

/// All of it, on a new folder for each.
pub async fn measure(setting: &Setting) -> Result<Readings> {
    let mut readings = taken(setting, setting.size(20_480, 1_600)).await?;
    let slow = mailed(setting, "Slow", 1.0, setting.size(40, 5)).await?;
    let fast = mailed(setting, "Fast", 200.0, setting.size(4_000, 200)).await?;
    readings.extend([
        ("argus_mail_p50", slow.p50),
        ("argus_mail_p99", fast.p99),
        ("argus_mail_lost", fast.lost),
        ("argus_memory", slow.memory.max(fast.memory)),
    ]);
    readings.extend(tokio::task::spawn_blocking(|| scale::figures(&scale::OF_PEOPLE)).await??);
    Ok(readings)
}

/// A hub with one source of incidents, and somebody who wants to hear of all of them by mail.
struct Place {
    stage: Stage,
    mails: Mails,
    incidents: Arc<Incidents>,
}

/// Incidents of one source, all of this second.
struct Incidents {
    source: i64,
    start: String,
}

impl Place {
    async fn open(setting: &Setting, incidents: usize) -> Result<Place> {
        let mails = Mails::open(incidents).await?;
        let stage = Stage::open(setting, Routing::ONE_GROUP_WAITS, incidents).await?;
        let mut client = Client::connect(stage.target()?.address).await?;
        somebody(&mut client, mails.address).await?;
        let source = json!({ "name": "bench", "type": "bench", "base_url": "https://bench.example.org" });
        let made = make(&mut client, "/api/v2/incidents/sources/", &source).await?;
        let source = made["pk"].as_i64().context("a source without a number")?;
        let incidents = Arc::new(Incidents { source, start: format!("{:.0}", Timestamp::now()) });
        Ok(Place { stage, mails, incidents })
    }
}

impl Heap for Incidents {
    fn path(&self, _number: usize) -> &str {
        "/api/v2/incidents/"
    }

    fn body(&self, numbers: Range<usize>) -> Cow<'_, [u8]> {
        body(self.source, numbers.start, &self.start).into_bytes().into()
    }

    fn taken(&self) -> Range<u16> {
        201..202
    }
}

/// As fast as eight clients can.
async fn taken(setting: &Setting, incidents: usize) -> Result<Readings> {
    let place = Place::open(setting, incidents).await?;
    let target = place.stage.target()?;
    let before = target.settle().await?;
    let load = Load { clients: CLIENTS, batch: 1, alerts: incidents };
    let Posted { begin, elapsed, mut acks } = post_all(target.address, &place.incidents, load).await?;
    tokio::time::timeout(MAX_LAG, place.mails.wait(incidents)).await.context("mails are missing")??;
    let told = begin.elapsed();
    let worked = target.settle().await?.cpu_microseconds - before.cpu_microseconds;
    place.stage.close(NOTHING).await?;
    Ok(vec![
        ("argus_rate", incidents as f64 / elapsed.as_secs_f64()),
        ("argus_told", incidents as f64 / told.as_secs_f64()),
        ("argus_cpu", worked as f64 / incidents as f64),
        ("argus_ack", milliseconds(quantile(&mut acks, 0.99))),
    ])
}

/// From POST to mail, in milliseconds, and what was lost on the way.
struct Mailed {
    p50: f64,
    p99: f64,
    lost: f64,
    memory: f64,
}

/// At an even pace.
async fn mailed(setting: &Setting, name: &str, per_second: f64, incidents: usize) -> Result<Mailed> {
    let setting = Setting { data: None, name: format!("{}{name}", setting.name), ..setting.clone() };
    let place = Place::open(&setting, incidents).await?;
    let target = place.stage.target()?;
    let sent = post_paced(target.address, &place.incidents, incidents, per_second).await?;
    // what does not come in time is lost, and counted below
    let _ = tokio::time::timeout(MAX_LAG, place.mails.wait(incidents)).await;
    let arrived = place.mails.arrived();
    let lost = arrived.iter().filter(|it| it.is_none()).count();
    let times = sent.iter().zip(arrived).filter_map(|(sent, came)| Some(came?.duration_since(*sent)));
    let mut times: Vec<Duration> = times.collect();
    let memory = target.usage()?.resident_kib as f64 / 1024.0;
    place.stage.close(NOTHING).await?;
    let mut at = |part| milliseconds(quantile(&mut times, part));
    Ok(Mailed { p50: at(0.5), p99: at(0.99), lost: lost as f64, memory })
}

/// A user with a profile for everything, at any time, by mail.
async fn somebody(client: &mut Client, mails: SocketAddr) -> Result<()> {
    let user = json!({ "name": "ann", "role": "responder", "password": "a good long password" });
    make(client, "/api/v1/users", &user).await?;
    let settings = json!({
        "host": mails.ip().to_string(), "port": mails.port(), "tls": "none",
        "from": "bell@bench.example", "to": ["ann@bench.example"],
    });
    let email = json!({ "kind": "email", "settings": settings });
    let place = defined(client, "destinations", &email).await?;
    let path = format!("/api/v1/destinations/{}/verification", place.as_str().unwrap_or_default());
    let answer = client.put(&path, b"{}").await?;
    if answer.status != 200 {
        bail!("confirming a destination: {}", String::from_utf8_lossy(&answer.body));
    }
    let slot = defined(client, "timeslots", &json!({ "windows": [{}] })).await?;
    let filter = defined(client, "filters", &json!({ "maxlevel": 5 })).await?;
    let profile = json!({ "timeslot": slot, "filters": [filter], "destinations": [place], "active": true });
    defined(client, "profiles", &profile).await?;
    Ok(())
}

async fn defined(client: &mut Client, kind: &str, spec: &Value) -> Result<Value> {
    let body = json!({ "name": kind, "owner": "ann", "spec": spec });
    Ok(make(client, &format!("/api/v1/{kind}"), &body).await?["id"].clone())
}

async fn make(client: &mut Client, path: &str, body: &Value) -> Result<Value> {
    let answer = client.post(path, body.to_string().as_bytes()).await?;
    if answer.status != 201 {
        bail!("{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    serde_json::from_slice(&answer.body).with_context(|| format!("reading what {path} says"))
}

fn body(source: i64, number: usize, start: &str) -> String {
    let incident = json!({
        "source": source,
        "source_incident_id": format!("{MARK}{number}"),
        "start_time": start,
        "details_url": format!("/case/{number}"),
        "description": format!("{MARK}{number} The link between two routers is down"),
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
