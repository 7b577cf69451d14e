//! What is a sign of health and what is none, and what becomes of plugins that have nothing to do: with time that
//! passes at once.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod scripted;
#[path = "support/telling.rs"]
mod telling;

use std::time::Duration;

use model::delivery::Outcome;
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

/// What it does, it says when it is asked; and it refuses what is bad.
fn does_much(method: &str, params: &Value) -> Option<(Duration, Value)> {
    let bad = json!({"errors": [{"path": "url", "message": "there is nobody there"}]});
    let said = match method {
        "deliver" => {
            let id = params["deliveries"][0]["id"].clone();
            json!({"outcomes": [{"id": id, "outcome": "delivered", "receipt": "told"}]})
        }
        "test" => json!({"outcome": "delivered", "receipt": "tested"}),
        "ticket" => json!({"id": "T-1"}),
        "validate" if params["value"]["url"] == "bad" => bad,
        "validate" => json!({"value": params["value"]}),
        "configure" if params["settings"]["url"] == "bad" => bad,
        "health" => json!({"status": "degraded", "detail": "the disk is nearly full"}),
        "start" => json!({"routes": [{"path": "/x"}]}),
        _ => return usual(method, json!({}), &["test", "ticket", "validate"]),
    };
    Some((Duration::ZERO, said))
}

const URL: &str = "type = 'object'\nproperties = { url = { type = 'string' } }\n";

fn manifest(more: &str) -> String {
    format!("[[destinations]]\nkind = 'it'\n[settings]\n{URL}[user]\n{URL}{more}")
}

#[tokio::test(start_paused = true)]
async fn one_that_is_idle_can_do_what_it_can_do_while_it_runs() {
    let mut stage = Stage::with(&manifest("[limits]\nidle_stop = '1s'\n"), false, does_much).await;
    let idle = |state: &State| *state == State::Idle;
    stage.until("idle", idle).await;
    assert_eq!(stage.host.makers_of_tickets(), ["it"]);
    let place = stage.registry.ready("it", json!({})).unwrap();
    let context = telling::context(Duration::from_secs(10));
    let tested = place.test(&context, &telling::message("Test"), &json!({})).await;
    assert_eq!(tested.outcome, Outcome::Delivered { receipt: "tested".to_owned() });
    stage.until("idle", idle).await;
    let wrong = stage.host.look_at_form("it", None, json!({"url": "bad"})).await.unwrap_err();
    assert_eq!(wrong[0].to_string(), "url: there is nobody there");
    stage.until("idle", idle).await;
    let why = stage.apply(json!({"url": "bad"})).await.unwrap_err();
    assert!(why.contains("plugins.settings.it.url: there is nobody there"), "{why}");
    assert_eq!(stage.starts(), 4, "it was stopped in between");
    stage.close().await;
}

#[tokio::test(start_paused = true)]
async fn settings_that_need_a_new_process_are_asked_about_before_it_ends() {
    let mut stage = Stage::with(&manifest("[env]\nurl = 'IT_URL'\n"), false, does_much).await;
    let why = stage.apply(json!({"url": "bad"})).await.unwrap_err();
    assert!(why.contains("plugins.settings.it.url: there is nobody there"), "{why}");
    assert_eq!((stage.starts(), stage.host.plugin("it").unwrap().state()), (1, State::Ready));
    stage.apply(json!({"url": "good"})).await.unwrap();
    let plugin = stage.host.plugin("it").unwrap();
    stage.until("ready anew", |state| *state == State::Ready && plugin.starts() == 2).await;
    stage.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_well_or_not_permitted_is_said() {
    let stage = Stage::with(&manifest(""), false, does_much).await;
    assert!(
        stage.log().contains("it has routes, which are not served: permissions.serve"),
        "{}",
        stage.log()
    );
    assert_eq!((stage.host.list()[0].routes.len(), &stage.host.list()[0].degraded), (0, &None));
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert_eq!(stage.host.list()[0].degraded.as_deref(), Some("the disk is nearly full"));
    stage.close().await;
}

#[tokio::test(start_paused = true)]
async fn no_call_takes_longer_than_a_call_may() {
    let stage = Stage::with(&format!("{CHECK}[limits]\ncall = '2s'\n"), false, looks).await;
    let began = Instant::now();
    let why = stage.host.check("look", json!({"seconds": 5}), Duration::from_secs(30)).await.unwrap_err();
    assert!(why.contains("no answer within 2s"), "{why}");
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    stage.close().await;
    let more = format!("{}[limits]\ncall = '2s'\n", manifest(""));
    let stage = Stage::with(&more, false, looks).await;
    let (place, context) =
        (stage.registry.ready("it", json!({})).unwrap(), telling::context(Duration::from_secs(30)));
    let told = place.send(&context, &telling::message("hello")).await;
    assert!(
        matches!(&told.outcome, Outcome::Retry { reason, .. } if reason.contains("within 2s")),
        "{told:?}"
    );
    stage.close().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_broken_when_the_hub_begins_does_not_run_and_what_is_for_it_waits() {
    let mut stage = Stage::with(&manifest(""), false, does_much).await;
    let file = stage.folder.path().join("plugins/it/plugin.toml");
    let context = telling::context(Duration::from_secs(10));
    for broken in [Some("[plugin"), None] {
        match broken {
            Some(text) => std::fs::write(&file, text).unwrap(),
            None => std::fs::remove_dir_all(file.parent().unwrap()).unwrap(),
        }
        // a hub that runs goes on as it was
        stage.apply(json!({})).await.unwrap_err();
        stage.begin_anew(false, does_much).await;
        let state = stage.until("told of", |state| state.why().is_some()).await;
        assert!(matches!(state, State::Misconfigured { .. }), "{state:?}");
        // it has its kinds, with which the configuration can be read
        let place = stage.registry.ready("it", json!({})).unwrap();
        let told = place.send(&context, &telling::message("hello")).await;
        let Outcome::Retry { reason, .. } = told.outcome else { panic!("{told:?}") };
        assert!(reason.contains("is misconfigured"), "{reason}");
    }
    scripted::put(stage.folder.path(), &manifest(""));
    stage.apply(json!({})).await.unwrap();
    stage.until("ready", |state| *state == State::Ready).await;
    let place = stage.registry.ready("it", json!({})).unwrap();
    let told = place.send(&context, &telling::message("hello")).await;
    assert_eq!(told.outcome, Outcome::Delivered { receipt: "told".to_owned() });
    stage.close().await;
}

/// Does not take events that came in by another way than it wants.
fn hears(method: &str, params: &Value) -> Option<(Duration, Value)> {
    match method {
        "events" => {
            let events = params["events"].as_array()?;
            let fine = !events.is_empty() && events.iter().all(|it| it["data"]["source"] != "other");
            Some((Duration::ZERO, if fine { json!({}) } else { Value::Null }))
        }
        _ => usual(method, json!({}), &[]),
    }
}

#[tokio::test(start_paused = true)]
async fn events_of_other_sources_than_it_wants_are_not_told() {
    const WANTS: &str =
        "[[subscriptions]]\nname = 's'\ntopics = ['event.*', 'incident.opened']\nsources = ['one', 'two']\n";
    let stage = Stage::with(WANTS, false, hears).await;
    let listener = stage.listener().await;
    let notice = |n: i64, topic, data: Value| {
        let at = model::Time::from_seconds(1_700_000_000);
        model::Notice { id: model::Id(n), topic, at, data: data.to_string() }
    };
    let event = |n, source: &str| notice(n, model::Topic::EventAccepted, json!({"source": source}));
    let all = [event(1, "one"), event(2, "other"), event(3, "two")];
    assert_eq!(listener.hear(&all).await, Ok(3));
    // with nothing for it, it is not asked
    assert_eq!(listener.hear(&all[1..2]).await, Ok(1));
    // what is no event is told, and so is one that does not say where it is from
    let others = [
        notice(4, model::Topic::IncidentOpened, json!({})),
        notice(5, model::Topic::EventAccepted, json!({})),
    ];
    assert_eq!(listener.hear(&others).await, Ok(2));
    stage.close().await;
}
