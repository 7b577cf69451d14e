//! How much CPU the steps take for an alert, without HTTP: `cargo run --release --example pipeline`.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]
use std::sync::Arc;
use std::time::{Duration, Instant};

use flow::core::Core;
use flow::ingest;
use flow::live::Live;
use model::route::GroupBy;
use model::{Labels, NewEvent, Time};
use store::Store;
use testkit::receiver::Scripted;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}

fn events(from: usize, n: usize) -> Vec<NewEvent> {
    (from..from + n)
        .map(|i| {
            let labels: Labels = [
                ("alertname", "BenchAlert".to_string()), ("instance", format!("host-{i}.example.com:9100")), ("job", "node".into()),
                ("severity", "warning".into()), ("cluster", "eu-west-1".into()), ("team", "infrastructure".into()), ("n", i.to_string()),
            ].into_iter().collect();
            let mut e = NewEvent::raise("alertmanager", labels);
            e.annotations = [("summary", format!("Something is wrong with host-{i}")), ("description", "The thing has been wrong for more than five minutes, please look at it.".into()), ("runbook_url", "https://runbooks.example.com/bench".into())].into_iter().collect();
            e.ends_at = Some(Time::from_seconds(1_890_000_000));
            e.link = "http://prometheus.example.com/graph?g0.expr=up".into();
            e
        })
        .collect()
}

fn main() {
    let own = std::env::args().nth(1).as_deref() != Some("one");
    let batch: usize = std::env::args().nth(2).and_then(|s| s.parse().ok()).unwrap_or(64);
    let dir = tempfile::tempdir_in(".").unwrap();
    let store = Store::open_folder(dir.path(), false).unwrap();
    let mut rules = testkit::world::simple_rules();
    if !own { rules.root.group_by = GroupBy::Labels(vec![]); rules.root.timing.group_wait = Duration::from_secs(3600); }
    let live = Live::new(rules, vec![], &sdk::Registry::default().destination::<Scripted>()).unwrap();
    let core = Arc::new(Core::new(1, live));
    let now = Time::from_seconds(1_790_000_000);
    let total = 100_000;
    let mut done = 0;
    let (c0, t0) = (cpu(), Instant::now());
    let clients: usize = std::env::args().nth(3).and_then(|s| s.parse().ok()).unwrap_or(0);
    if clients > 0 {
        let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        rt.block_on(async {
            let mut set = Vec::new();
            for k in 0..clients {
                let (store, core) = (store.clone(), core.clone());
                set.push(tokio::spawn(async move {
                    let each = total / clients;
                    let mut at = 0;
                    while at < each {
                        let e = events(k * each + at, batch);
                        let c = core.clone();
                        store.write(store::Durability::Disk, move |tx| ingest::accept(&c, tx, e, now)).await.unwrap();
                        at += batch;
                    }
                }));
            }
            for s in set { s.await.unwrap(); }
        });
        done = total;
    }
    while done < total {
        let e = events(done, batch);
        let c = core.clone();
        store.write_blocking(move |tx| ingest::accept(&c, tx, e, now)).unwrap();
        done += batch;
    }
    let (c1, t1) = (cpu(), t0.elapsed());
    println!("accept: {:.0}/s {:.1} CPU us each", done as f64 / t1.as_secs_f64(), (c1 - c0) * 1e6 / done as f64);
    if own {
        let t0 = Instant::now();
        let mut n = 0;
        loop {
            let found = store.write_blocking(move |tx| {
                let f = store::deliveries::claim(tx, "ops/scripted/0", now, now + Duration::from_secs(60), 64)?;
                let tries: Vec<_> = f.iter().map(|(d, _)| {
                    let mut d = d.clone(); d.state = model::delivery::DeliveryState::Delivered; d.attempts = 1; d.settled_at = Some(now);
                    let a = model::delivery::Attempt { delivery: d.id, number: 1, at: now, latency_micros: 10, outcome: model::Outcome::delivered(), status: Some(200), answer: String::new() };
                    (d, a)
                }).collect();
                store::deliveries::record(tx, &tries)?;
                Ok(f.len())
            }).unwrap();
            n += found;
            if found == 0 { break; }
        }
        println!("claim+record: {:.0}/s {:.1} CPU us each", n as f64 / t0.elapsed().as_secs_f64(), (cpu() - c1) * 1e6 / n as f64);
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|l| l.starts_with("VmHWM")).unwrap());
    println!("db {} MiB wal {} MiB", std::fs::metadata(dir.path().join("nightbell.db")).unwrap().len() >> 20, std::fs::metadata(dir.path().join("nightbell.db-wal")).unwrap().len() >> 20);
}
