//! Components as plugins: told like any other, and cut where they do what they must not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use model::delivery::Outcome;
use plugin_host::State;
use serde_json::{Value, json};
use support::{FIRST, Stage, stone};

/// How long a component may go on that nobody waits for: much more than it does, since a test may be slowed by others.
const SOON: Duration = Duration::from_secs(3);

/// What the process does that the others start.
#[test]
#[ignore = "it compiles for the other tests"]
fn compiles() {
    let words: Vec<_> = std::env::args_os().collect();
    let [.., component, into] = &words[..] else { return };
    let meant = component.to_string_lossy().ends_with(".wasm");
    if let (true, Err(why)) = (meant, wasm_host::compile(Path::new(component), Path::new(into))) {
        eprintln!("{why}");
        std::process::exit(1);
    }
}

fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Retry { reason, .. } | Outcome::Rejected { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_component_is_told_like_any_plugin_and_an_instance_serves_again() {
    let stage = Stage::of(&stone()).await;
    for n in 1..=3 {
        assert_eq!(stage.receipt("hello").await, n.to_string());
    }
    let status = stage.host.list().remove(0);
    assert_eq!((status.state, status.pid, status.starts), (State::Ready, None, 1));
    assert_eq!((status.sdk.as_str(), status.destinations.join(" ")), ("by hand", "stone".to_owned()));
    assert!(stage.log().contains("has settings"), "{}", stage.log());
    stage.close().await;
}

#[tokio::test]
async fn an_instance_that_nobody_needs_goes_by_itself() {
    let stage = Stage::of(&stone()).await;
    for n in 1..=2 {
        assert_eq!(stage.receipt("hello").await, n.to_string());
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(299)).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    tokio::time::resume();
    assert_eq!(stage.receipt("hello").await, "3", "it is kept for a while");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(301)).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    tokio::time::resume();
    // what is told now is told to one that remembers nothing
    assert_eq!(stage.receipt("hello").await, "1");
    stage.close().await;
}

#[tokio::test]
async fn one_that_was_made_when_the_world_was_new_still_runs() {
    let stage = Stage::of(FIRST).await;
    assert_eq!(stage.receipt("hello").await, "1");
    stage.close().await;
}

#[tokio::test]
async fn one_that_is_stopped_is_discarded_and_another_takes_its_place() {
    let stage = Stage::of(&stone()).await;
    assert_eq!(stage.receipt("hello").await, "1");
    for (title, words) in [
        ("trap", "unreachable"),
        ("memory", "unreachable"),
        ("deep", "call stack exhausted"),
        ("nonsense", "not JSON"),
        ("error", "too late (-32001)"),
    ] {
        let why = reason(stage.tell(title).await.outcome);
        assert!(why.contains(words), "{title}: {why}");
    }
    // after an error that the component itself answered, it goes on
    assert_eq!(stage.receipt("hello").await, "3");
    assert_eq!(stage.host.plugin("stone").unwrap().state(), State::Ready);
    assert!(stage.log().contains("stopped and discarded"), "{}", stage.log());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_endless_loop_is_cut_and_nobody_waits_for_it() {
    let stage = Stage::of(&stone()).await;
    assert_eq!(stage.receipt("hello").await, "1");
    let began = Instant::now();
    let limit = Duration::from_millis(100);
    // as many as there are places: whoever comes then needs one of them
    let looping = futures::future::join_all((0..8).map(|_| stage.tell_within("loop", limit)));
    let meanwhile = async {
        let asked = Instant::now();
        tokio::time::sleep(Duration::from_millis(10)).await;
        asked.elapsed()
    };
    let (answers, waited) = tokio::join!(looping, meanwhile);
    for why in answers.into_iter().map(|it| reason(it.outcome)) {
        assert!(why.contains(" within "), "{why}: {}", stage.log());
    }
    assert!(waited < SOON, "the hub stood still for {waited:?}");
    assert_eq!(stage.receipt("hello").await, "1", "it was discarded");
    assert!(began.elapsed() < SOON, "it took {:?}", began.elapsed());
    assert!(stage.log().contains("its time was over"), "{}", stage.log());
    stage.close().await;
}

#[tokio::test]
async fn memory_is_what_the_manifest_says() {
    let stage = Stage::with(&stone(), "[limits]\nmemory = '65536'\n", Value::Null).await;
    let why = stage.until("waiting", |state| matches!(state, State::Waiting { .. })).await;
    assert!(why.why().unwrap().contains("memory"), "{why:?}");
    stage.close().await;
}

#[tokio::test]
async fn only_the_hosts_of_the_manifest_are_asked() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let more = format!("[permissions]\nnetwork = 'fetch'\nhosts = ['127.0.0.1:{port}']\n");
    let stage = Stage::with(&stone(), &more, Value::Null).await;
    let place = stage.place(&format!("http://127.0.0.1:{port}/hook"));
    let served = tokio::time::timeout(SOON, support::serve_once(listener));
    let (told, request) = tokio::join!(stage.tell_at(&*place, "fetch"), served);
    assert_eq!(told.outcome, Outcome::Delivered { receipt: "1".to_owned() });
    let request = request.unwrap();
    assert!(request.starts_with("POST /hook") && request.ends_with("a stone"), "{request}");
    let elsewhere = stage.place("http://127.0.0.2:1/hook");
    let why = reason(stage.tell_at(&*elsewhere, "fetch").await.outcome);
    assert!(why.contains("\"127.0.0.2\" is not among permissions.hosts"), "{why}");
    stage.close().await;
}

#[tokio::test]
async fn settings_come_to_all_instances_and_bad_ones_are_refused() {
    let mut stage = Stage::of(&stone()).await;
    assert_eq!(stage.receipt("hello").await, "1");
    let refused = stage.apply(json!({"bad": true})).await.unwrap_err();
    assert!(refused.contains("bad: must not be"), "{refused}");
    stage.apply(json!({"word": "new"})).await.unwrap();
    assert_eq!(stage.receipt("hello").await, "2", "it serves on");
    assert_eq!(stage.host.plugin("stone").unwrap().starts(), 1);
    stage.close().await;
}

#[tokio::test]
async fn what_is_no_component_of_this_world_is_refused_in_words() {
    let module = wat::parse_str("(module)").unwrap();
    let nothing = wat::parse_str("(component)").unwrap();
    let wasi = r#"(component (import "wasi:cli/environment@0.2.0" (instance)))"#;
    let wasi = wat::parse_str(wasi).unwrap();
    let later = String::from_utf8(std::fs::read(support::STONE).unwrap()).unwrap();
    let next = wat::parse_str(later.replace("@1.0.0", "@2.0.0")).unwrap();
    let within = wat::parse_str(
        later
            .replace("\"log\" (func (param", "\"write\" (func (param")
            .replace("(func $host \"log\")", "(func $host \"write\")"),
    )
    .unwrap();
    for (bytes, words) in [
        (&b"#!/bin/sh"[..], "compiling it"),
        (&stone()[..stone().len() / 2], "compiling it"),
        (&module, "compiling it"),
        (&nothing, "it lacks the function \"hello\" of nightbell:plugin/guest@1.0.0"),
        (&wasi, "it asks for wasi:cli/environment@0.2.0, and here is only nightbell:plugin/host@1.0.0"),
        (&next, "it asks for nightbell:plugin/host@2.0.0"),
        (&within, "it asks for more than this host has"),
    ] {
        let stage = Stage::of(bytes).await;
        let state = stage.until("waiting", |state| state.why().is_some()).await;
        assert!(state.why().unwrap().contains(words), "{words} not in {state:?}");
        stage.close().await;
    }
}

#[tokio::test]
async fn one_of_a_later_world_runs_as_long_as_it_asks_for_nothing_new() {
    let text = std::fs::read_to_string(support::STONE).unwrap().replace("@1.0.0", "@1.7.3");
    let stage = Stage::of(&wat::parse_str(text).unwrap()).await;
    assert_eq!(stage.receipt("hello").await, "1");
    stage.close().await;
}

#[tokio::test]
async fn what_takes_too_much_to_compile_is_given_up() {
    // ten thousand functions that add up a thousand numbers each
    let body = "(i32.add (local.get 0) ".repeat(40) + "(i32.const 1)" + &")".repeat(40);
    let functions: String = (0..20_000).map(|_| format!("(func (param i32) (result i32) {body})")).collect();
    let bomb = wat::parse_str(format!("(component (core module {functions}))")).unwrap();
    let in_time = Stage::bench(&bomb, |bench| bench.time = Duration::from_millis(200)).await;
    let state = in_time.until("waiting", |state| state.why().is_some()).await;
    assert!(state.why().unwrap().contains("took longer than 200ms"), "{state:?}");
    in_time.close().await;
    let in_memory = Stage::bench(&bomb, |bench| bench.memory = 100 * 1024 * 1024).await;
    let state = in_memory.until("waiting", |state| state.why().is_some()).await;
    assert!(state.why().unwrap().contains("compiling it: "), "{state:?}");
    in_memory.close().await;
}

#[tokio::test]
async fn code_is_kept_and_never_taken_from_others() {
    let mut stage = Stage::of(&stone()).await;
    stage.ready().await;
    let code = stage.code();
    let kept = || std::fs::read_dir(&code).unwrap().map(|it| it.unwrap().path()).collect::<Vec<_>>();
    let files = kept();
    assert_eq!(files.len(), 1, "{files:?}");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&stage.code()), mode(&files[0])), (0o700, 0o600));
    stage.restart().await;
    assert_eq!(stage.receipt("hello").await, "1");
    assert_eq!(stage.log().matches("it was compiled in").count(), 1, "{}", stage.log());
    // one that is damaged while it runs harms nobody, and is made anew
    std::fs::write(&files[0], "no code").unwrap();
    assert_eq!(stage.receipt("hello").await, "2");
    stage.restart().await;
    assert_eq!(stage.receipt("hello").await, "1");
    assert_eq!(kept().len(), 1);
    assert_eq!(stage.log().matches("it was compiled in").count(), 2, "{}", stage.log());
    // one that others could have written is not run
    std::fs::set_permissions(&files[0], std::fs::Permissions::from_mode(0o620)).unwrap();
    stage.restart().await;
    let state = stage.until("waiting", |state| state.why().is_some()).await;
    assert!(state.why().unwrap().contains("nobody else may have rights to it"), "{state:?}");
    // another component in the same place is another component
    std::fs::write(stage.component(), wat::parse_str("(component)").unwrap()).unwrap();
    stage.apply(Value::Null).await.unwrap();
    let lacks = |state: &State| state.why().is_some_and(|why| why.contains("it lacks"));
    stage.until("replaced", lacks).await;
    stage.close().await;
}
