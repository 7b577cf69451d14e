//! Programs and how they end.

use model::delivery::{Fault, Outcome};
use sdk::{Answer, Context};
use serde_json::{Value, json};

use crate::support::{SECRET, context, hasty_context, messages};

async fn run_with(script: &str, context: &Context, fields: Value) -> Answer {
    let mut settings = json!({"program": "/bin/sh", "args": ["-c", script]});
    settings.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    connectors::registry().ready("exec", settings).unwrap().send(context, &messages::firing()).await
}

async fn run(script: &str) -> Answer {
    run_with(script, &context(), json!({})).await
}

fn is_down(answer: &Answer) -> bool {
    matches!(answer.outcome, Outcome::Retry { fault: Fault::Destination, .. })
}

#[tokio::test]
async fn the_exit_code_says_what_became_of_it() {
    let answer = run("echo out; echo complaint >&2").await;
    assert_eq!((answer.outcome, answer.status), (Outcome::delivered(), Some(0)));
    assert_eq!(answer.text, "out\ncomplaint\n");
    for (script, words) in [
        ("exit 75", "exit code 75: asked to be tried again"),
        ("exit 3", "exit code 3"),
        ("kill -9 $$", "killed by signal 9"),
    ] {
        let answer = run(script).await;
        assert!(is_down(&answer) && answer.outcome.words() == words, "{answer:?}");
    }
    let answer = run_with("exit 3", &context(), json!({"reject_codes": [3]})).await;
    assert_eq!((answer.outcome, answer.status), (Outcome::rejected("exit code 3"), Some(3)));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_tried_again() {
    let ready = connectors::registry().ready("exec", json!({"program": "/no/such/program"})).unwrap();
    let answer = ready.send(&context(), &messages::firing()).await;
    assert!(
        is_down(&answer) && answer.outcome.words().starts_with("/no/such/program does not start"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn the_environment_is_what_is_listed() {
    let fields = json!({"env": {"KEY": SECRET}, "pass_env": ["CARGO_MANIFEST_DIR"], "directory": "/"});
    let answer =
        run_with("env | cut -d= -f1 | sort | tr '\\n' ' '; pwd; echo $KEY", &context(), fields).await;
    let (names, rest) = answer.text.split_once("PWD ").unwrap();
    let theirs = names
        .split(' ')
        .filter(|name| !name.starts_with("NIGHTBELL_") && !["", "_", "SHLVL", "OLDPWD"].contains(name));
    assert_eq!(theirs.collect::<Vec<_>>(), ["CARGO_MANIFEST_DIR", "KEY", "PATH"]);
    assert!(rest.contains("/\n<secret>\n"), "{rest:?}");
}

/// Reads who is alive until a process is gone; `/proc` has no bell to wait for.
fn is_gone(pid: &str) -> bool {
    let state = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/stat"));
    (0..200_000).any(|_| state(pid).map_or(true, |stat| stat.contains(") Z ")))
}

#[tokio::test]
async fn when_time_is_up_the_whole_group_is_killed() {
    let answer = run_with("sleep 1000 & echo $!; sleep 1000", &hasty_context(), json!({})).await;
    assert!(
        is_down(&answer) && answer.outcome.words() == "no end within 60ms, so it was killed",
        "{answer:?}"
    );
    assert!(is_gone(answer.text.trim()), "{answer:?}");
}

#[tokio::test]
async fn what_a_program_leaves_behind_does_not_hold_us_up() {
    let answer = run("sleep 1000 & echo $!").await;
    assert_eq!(answer.outcome, Outcome::delivered());
    assert!(is_gone(answer.text.trim()), "{answer:?}");
}

#[tokio::test]
async fn a_program_that_is_given_up_from_outside_is_killed_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let fields = json!({"env": {"OUT": pid}});
    let (context, script) = (context(), "echo $$ > $OUT.new; mv $OUT.new $OUT; sleep 1000");
    let running = run_with(script, &context, fields);
    tokio::select! {
        answer = running => panic!("{answer:?}"),
        () = async { while !pid.exists() { tokio::task::yield_now().await } } => {}
    }
    assert!(is_gone(std::fs::read_to_string(&pid).unwrap().trim()));
}

#[tokio::test]
async fn a_program_need_not_read_and_may_say_too_much() {
    assert_eq!(run("exec <&-; exit 0").await.outcome, Outcome::delivered());
    let answer = run("yes | head -c 3000000; yes no | head -c 3000000 >&2").await;
    assert_eq!(answer.outcome, Outcome::delivered());
    assert!(answer.text.len() <= 1024 && answer.text.starts_with("y\n") && answer.text.contains("no\n"));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let refusal = |fields: Value| connectors::registry().ready("exec", fields).err().unwrap().to_string();
    assert_eq!(refusal(json!({"program": ""})), "program: is empty");
    assert_eq!(refusal(json!({"program": "x", "env": {"A=B": "c"}})), "env.A=B: is no name of a variable");
    assert!(refusal(json!({"program": "x", "args": ["a\0"]})).contains("NUL"));
    assert!(refusal(json!({"program": "x", "reject_codes": [75]})).starts_with("reject_codes: 75"));
    assert!(refusal(json!({"program": "x", "reject_codes": [0]})).starts_with("reject_codes: 0"));
}
