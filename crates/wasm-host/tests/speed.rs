//! How long a call takes, and how soon an endless one ends. It is measured, so it is asked for:
//!
//!     cargo test --release -p nightbell-wasm-host --test speed -- --ignored --nocapture
//!
//! Lines that begin with `figure` are for `cargo xtask bench`.
//! `NIGHTBELL_SPEED_COMPONENTS` names more components to be measured, with colons between them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use plugin_host::body::{Around, Body, Component, Ear, Engine as _};
use plugin_host::{Chain, Journal, Peer, Terms};
use plugin_protocol::manifest::Limits;
use plugin_protocol::{Fault, Frame};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;
use wasm_host::{Bench, Components};

/// Calls that are measured, after as many that are not.
const CALLS: usize = 2_000;
/// What a call with a question to the host may take, by the middle one, whatever the guest is written in.
const MOST: Duration = Duration::from_millis(3);
/// How long after its beginning an endless call with a limit of 100 ms is over.
const CUT: Duration = Duration::from_millis(120);

/// What the process does that the other starts.
#[test]
#[ignore = "it compiles for the other one"]
fn compiles() {
    let words: Vec<_> = std::env::args_os().collect();
    let [_, _, .., component, into] = &words[..] else { return };
    if component.to_string_lossy().ends_with(".wasm") {
        wasm_host::compile(Path::new(component), Path::new(into)).unwrap();
    }
}

/// A host that answers at once.
struct AtOnce;

impl Ear for AtOnce {
    fn hear(self: Arc<Self>, _: &Arc<Peer>, _: Frame) {}

    fn ask(
        self: Arc<Self>,
        _: String,
        _: Option<Box<RawValue>>,
        _: Chain,
    ) -> BoxFuture<'static, Result<Value, Fault>> {
        Box::pin(async { Ok(json!({"status": 200, "headers": {}, "body": "ok"})) })
    }
}

async fn start(folder: &Path, file: PathBuf) -> (Components, Body) {
    let this: OsString = std::env::current_exe().unwrap().into();
    let words = ["compiles", "--exact", "--ignored", "--nocapture"].map(OsString::from);
    let bench = Bench::new(folder.join("code"), std::iter::once(this).chain(words).collect(), false);
    let components = Components::new(bench);
    let around = Around {
        journal: Arc::new(Journal::new("it", 100)),
        ear: Arc::new(AtOnce),
        tasks: TaskTracker::new(),
    };
    let limits = Limits { memory: Some(64 << 20), concurrency: Some(1), ..Limits::default() };
    let began = Instant::now();
    let body = components.start(Component { file, limits }, around).await.unwrap();
    println!("  from a file to a body: {:?}", began.elapsed());
    (components, body)
}

async fn ask(body: &Body, method: &'static str, params: &Value, limit: Duration) -> Option<Box<RawValue>> {
    body.peer.ask_raw(method, params, Terms::within(limit)).await.ok()
}

/// A delivery of a kind that it has.
fn deliver(kind: &str, title: &str) -> Value {
    let message = json!({"body": "It is down. ".repeat(140), "kind": "firing", "title": title});
    let settings = json!({"url": "https://hooks.example.com/"});
    json!({"deliveries": [{"id": "0a1b2c3d4e5f6", "key": "k", "kind": kind, "settings": settings, "message": message}]})
}

async fn measure(folder: &Path, file: PathBuf) {
    println!("{}", file.display());
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    let (_components, body) = start(folder, file).await;
    let patience = Duration::from_secs(10);
    let greeting = json!({"plugin": {"id": "it"}, "settings": {}, "generation": 1, "dry_run": false});
    for method in ["hello", "configure"] {
        ask(&body, method, &greeting, patience).await.unwrap();
    }
    // the manifests of the examples have kinds of their names
    let message = deliver(&name.replace('-', "_"), "fetch");
    let mut spans = Vec::new();
    for _ in 0..2 * CALLS {
        let began = Instant::now();
        let answer = ask(&body, "deliver", &message, patience).await.unwrap();
        spans.push(began.elapsed());
        assert!(answer.get().contains("delivered"), "{answer}");
    }
    let mut spans = spans.split_off(CALLS);
    spans.sort();
    let (middle, late) = (spans[CALLS / 2], spans[CALLS * 99 / 100]);
    println!(
        "  a delivery with a question to the host: {middle:?} by the middle, {late:?} by the slowest hundredth"
    );
    println!("figure component_{name} {:.1}", middle.as_secs_f64() * 1e6);
    assert!(cfg!(debug_assertions) || middle <= MOST, "{middle:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures"]
async fn calls_are_quick_and_endless_ones_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let stone = folder.path().join("first.wasm");
    std::fs::write(&stone, include_bytes!("guests/first.wasm")).unwrap();
    let more = std::env::var_os("NIGHTBELL_SPEED_COMPONENTS").unwrap_or_default();
    let more = std::env::split_paths(&more).filter(|it| it.is_file());
    // asked by a task, as the hub's deliveries are, and not by the thread of this test
    let mut tasks = tokio::task::JoinSet::new();
    for file in std::iter::once(stone.clone()).chain(more) {
        let folder = folder.path().to_owned();
        tasks.spawn(async move { measure(&folder, file).await });
        tasks.join_next().await.unwrap().unwrap();
    }
    let (_components, body) = start(folder.path(), stone).await;
    let mut spans = Vec::new();
    for _ in 0..10 {
        let began = Instant::now();
        assert!(ask(&body, "deliver", &deliver("it", "loop"), Duration::from_millis(100)).await.is_none());
        // there is one place: who has it next had to wait until the endless one was gone
        ask(&body, "deliver", &deliver("it", "hello"), Duration::from_secs(10)).await.unwrap();
        spans.push(began.elapsed());
    }
    spans.sort();
    println!(
        "an endless call with a limit of 100 ms: gone after {:?}, at the latest {:?}",
        spans[5], spans[9]
    );
    println!("figure component_cut {:.1}", spans[5].as_secs_f64() * 1e3);
    assert!(cfg!(debug_assertions) || spans[5] <= CUT, "{spans:?}");
}
