//! What is a sign of health and what is none, and what becomes of plugins that have nothing to do: with time that passes
//! at once.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod scripted;

use std::time::Duration;

use plugin_host::State;
use scripted::{Stage, usual};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

const CHECK: &str = "[[checks]]\nkind = 'look'\n[checks.settings]\ntype = 'object'\n\
                     additionalProperties = true\n";

/// Looks as long as it is told to, and is well.
fn looks(method: &str, params: &Value) -> Option<(Duration, Value)> {
    match method {
        "check" => {
            let seconds = params["settings"]["seconds"].as_u64()?;
            Some((Duration::from_secs(seconds), json!({"status": "passing"})))
        }
        _ => usual(method, json!({}), &[]),
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_does_one_thing_at_a_time_is_not_sick_while_it_does_it() {
    let stage = Stage::with(CHECK, true, looks).await;
    // long enough to meet every question for health
    for seconds in [20, 25] {
        let said = stage.host.check("look", json!({"seconds": seconds}), Duration::from_secs(30)).await;
        assert_eq!(said.map(|it| it.status), Ok("passing".to_owned()), "{}", stage.log());
    }
    // not even when it takes longer than anybody waits
    let late = stage.host.check("look", json!({"seconds": 40}), Duration::from_secs(15)).await;
    assert!(late.is_err_and(|why| why.contains("no answer within")));
    let said = stage.host.check("look", json!({"seconds": 1}), Duration::from_secs(60)).await;
    assert!(said.is_ok(), "{said:?}");
    assert_eq!(stage.starts(), 1);
    stage.close().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_says_it_is_well_and_never_answers_what_it_is_asked_is_started_anew() {
    let stage = Stage::with(CHECK, false, looks).await;
    let began = Instant::now();
    let never = stage.host.check("look", json!({}), Duration::from_secs(10)).await;
    assert!(never.is_err(), "{never:?}");
    // one that is only late is left alone
    sleep_until(began + Duration::from_secs(29)).await;
    assert_eq!((stage.starts(), stage.host.plugin("it").unwrap().state()), (1, State::Ready));
    let sick = stage.until("sick", |state| matches!(state, State::Waiting { .. })).await;
    assert!(sick.why().unwrap().contains("makes no progress: its answer to check is overdue"), "{sick:?}");
    stage.until("ready", |state| *state == State::Ready).await;
    let said = stage.host.check("look", json!({"seconds": 1}), Duration::from_secs(10)).await;
    assert!(said.is_ok(), "{said:?}");
    stage.close().await;
}
