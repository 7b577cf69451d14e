//! A whole hub, with its real driver and delivery service, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

#[path = "../../store/tests/support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use flow::driver::{Act, Retention};
use flow::{Hub, Live, SystemClock};
use model::delivery::Outcome;
use model::receiver::{Manners, Place, Receiver};
use model::route::GroupBy;
use model::{NewEvent, Rules};
use sdk::destination::{Context, Destination, Facts};
use sdk::http::{Guard, Http};
use sdk::{Answer, Message, Registry};
use store::{Location, Store};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long a test waits for something that must come.
const DEADLINE: Duration = Duration::from_secs(20);

static CHANNELS: LazyLock<Mutex<HashMap<String, UnboundedSender<Message>>>> = LazyLock::new(Mutex::default);

struct Channel;

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Settings {
    name: String,
}

impl Destination for Channel {
    const FACTS: Facts =
        Facts { kind: "channel", title: "Channel", about: "", docs: "", deduplicates: false };
    type Settings = Settings;

    async fn send(_: &Context, settings: &Settings, message: &Message) -> Answer {
        let sender = CHANNELS.lock().unwrap().get(&settings.name).cloned().unwrap();
        Answer::bare(match sender.send(message.clone()) {
            Ok(()) => Outcome::delivered(),
            Err(_) => Outcome::down("nobody listens"),
        })
    }
}

fn rules(channel: &str) -> Rules {
    let place = Place {
        id: "ops/channel/0".into(),
        kind: "channel".into(),
        settings: serde_json::json!({ "name": channel }),
        manners: Manners::default(),
    };
    let mut rules = Rules::simple(Receiver { name: "ops".into(), destinations: vec![place] });
    rules.root.group_by = GroupBy::All;
    rules.root.timing.group_wait = Duration::ZERO;
    rules.root.timing.group_interval = Duration::from_millis(100);
    rules
}

async fn hub(store: Store, channel: &str) -> Hub {
    let live = Live::new(rules(channel), Vec::new(), &Registry::default().destination::<Channel>()).unwrap();
    let http = Http::new(Guard::default()).unwrap();
    Hub::start(store, live, http, Arc::new(SystemClock), Retention::default()).await.unwrap()
}

fn listen(channel: &str) -> UnboundedReceiver<Message> {
    let (sender, receiver) = unbounded_channel();
    CHANNELS.lock().unwrap().insert(channel.to_owned(), sender);
    receiver
}

async fn next(messages: &mut UnboundedReceiver<Message>) -> Message {
    tokio::time::timeout(DEADLINE, messages.recv()).await.expect("a message must come").unwrap()
}

fn alert(n: usize) -> NewEvent {
    NewEvent::raise("test", [("alertname", "Disk".to_owned()), ("n", n.to_string())].into_iter().collect())
}

#[test]
fn what_is_accepted_is_told_and_explained() {
    support::on_both(async |store: Store| {
        let channel = format!("told {:?}", store.engine());
        let mut messages = listen(&channel);
        let hub = hub(store.clone(), &channel).await;
        let mut updates = hub.updates();
        let accepted = hub.accept(vec![alert(1)]).await.unwrap();
        let id = accepted[0].incident.unwrap();
        assert_eq!(accepted[0].verdict, "opened");
        assert_eq!(next(&mut messages).await.notification.alerts[0].incident, id);
        assert_eq!(updates.recv().await.unwrap().changes, ["opened"]);
        let again = hub.accept(vec![alert(1)]).await.unwrap();
        assert_eq!((again[0].incident, again[0].verdict.as_str()), (Some(id), "repeated"));
        let resolve = Act::Resolve { by: "ann".into(), note: "fixed".into(), end: None };
        hub.act(id, resolve).await.unwrap().unwrap();
        assert_eq!(next(&mut messages).await.notification.status(), "resolved");
        assert!(hub.stop(DEADLINE).await, "everything ends in time");
        let (core, now) = (hub.core.clone(), hub.clock.now());
        let explained =
            store.read(move |tx| flow::explain::explain(&core, tx, id, now)).await.unwrap().unwrap();
        let text = explained.text().join("\n");
        assert!(text.contains("resolved by ann: fixed") && text.contains("try 1"), "{text}");
        assert_eq!(explained.deliveries.len(), 2);
    });
}

#[test]
fn a_thousand_alerts_from_many_senders_arrive_once_each() {
    support::on_both(async |store: Store| {
        let channel = format!("thousand {:?}", store.engine());
        let mut messages = listen(&channel);
        let hub = hub(store, &channel).await;
        let senders = (0..20).map(|sender| {
            let hub = hub.clone();
            async move {
                for n in 0..50 {
                    hub.accept(vec![alert(sender * 50 + n)]).await.unwrap();
                }
            }
        });
        futures::future::join_all(senders).await;
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            let message = next(&mut messages).await;
            assert!(seen.insert(message.notification.alerts[0].labels.get("n").unwrap().to_owned()));
        }
        assert!(hub.stop(DEADLINE).await);
        assert!(messages.try_recv().is_err(), "nothing twice");
    });
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let location = Location::Folder(folder.path().to_owned());
    runtime.block_on(async {
        // nobody listens yet: what is accepted stays pending over the restart
        drop(listen("restart"));
        let store = Store::open(&location).await.unwrap();
        let hub = hub(store.clone(), "restart").await;
        hub.accept((0..10).map(alert).collect()).await.unwrap();
        assert!(hub.stop(DEADLINE).await);
        drop(hub);
        store.close();
        let mut messages = listen("restart");
        let hub = self::hub(Store::open(&location).await.unwrap(), "restart").await;
        for _ in 0..10 {
            next(&mut messages).await;
        }
        assert!(hub.stop(DEADLINE).await);
    });
}

#[test]
fn two_nodes_on_one_server_share_the_work_and_tell_everything_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(url) = support::fresh_database().await else {
            eprintln!("SKIPPED ON POSTGRESQL: NIGHTBELL_TEST_POSTGRES is not set");
            return;
        };
        let mut messages = listen("two nodes");
        let first = hub(Store::open(&Location::Url(url.clone())).await.unwrap(), "two nodes").await;
        let second = hub(Store::open(&Location::Url(url)).await.unwrap(), "two nodes").await;
        let send = |hub: Hub, from: usize| async move {
            for n in from..from + 100 {
                hub.accept(vec![alert(n)]).await.unwrap();
            }
        };
        // half of the alerts come through both nodes at once
        tokio::join!(send(first.clone(), 0), send(second.clone(), 50));
        let mut seen = std::collections::HashSet::new();
        for _ in 0..150 {
            let message = next(&mut messages).await;
            assert!(seen.insert(message.notification.alerts[0].labels.get("n").unwrap().to_owned()));
        }
        assert!(first.stop(DEADLINE).await && second.stop(DEADLINE).await);
        assert!(messages.try_recv().is_err(), "nothing twice");
    });
}

#[test]
fn who_rides_with_one_that_fails_does_not_fail_with_it() {
    support::on_both(async |store: Store| {
        let channel = format!("riders {:?}", store.engine());
        let mut messages = listen(&channel);
        let hub = hub(store.clone(), &channel).await;
        let refuse = match store.engine() {
            store::Engine::Sqlite => {
                r#"CREATE TRIGGER odd BEFORE INSERT ON events WHEN NEW.labels LIKE '%"n":"0"%'
                   BEGIN SELECT RAISE(ABORT, 'odd'); END"#
            }
            store::Engine::Postgres => {
                r#"ALTER TABLE events ADD CONSTRAINT odd CHECK (labels NOT LIKE '%"n":"0"%')"#
            }
        };
        store.write(store::Durability::Disk, |tx| tx.execute(refuse, &[])).await.unwrap();
        let requests = (0..20).map(|n| hub.accept(vec![alert(n), alert(100 + n)]));
        let answers = futures::future::join_all(requests).await;
        assert!(answers[0].is_err(), "its event cannot be kept");
        for (n, answer) in answers.iter().enumerate().skip(1) {
            let verdicts: Vec<&str> = answer.as_ref().unwrap().iter().map(|it| it.verdict.as_str()).collect();
            assert_eq!(verdicts, ["opened", "opened"], "request {n}");
        }
        let mut seen = std::collections::HashSet::new();
        for _ in 0..38 {
            let message = next(&mut messages).await;
            assert!(seen.insert(message.notification.alerts[0].labels.get("n").unwrap().to_owned()));
        }
        assert!(!seen.contains("100"), "nothing is kept of a request that failed");
        assert!(hub.stop(DEADLINE).await);
    });
}

/// A lost connection to listen on costs latency only, and is made again.
#[test]
fn a_node_listens_again_after_its_connection_was_lost() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(url) = support::fresh_database().await else {
            eprintln!("SKIPPED ON POSTGRESQL: NIGHTBELL_TEST_POSTGRES is not set");
            return;
        };
        let mut messages = listen("listens");
        let store = Store::open(&Location::Url(url)).await.unwrap();
        let hub = hub(store.clone(), "listens").await;
        let mut ended = Vec::new();
        for _ in 0..2 {
            let ends = "SELECT pid::bigint, pg_terminate_backend(pid)::text FROM pg_stat_activity \
                        WHERE query LIKE 'LISTEN%' AND datname = current_database()";
            let listener = async {
                loop {
                    let found =
                        store.read(move |tx| tx.query_one(ends, &[], |row| row.int(0))).await.unwrap();
                    if let Some(pid) = found.filter(|pid| !ended.contains(pid)) {
                        return pid;
                    }
                }
            };
            ended.push(tokio::time::timeout(DEADLINE, listener).await.expect("it listens again"));
        }
        hub.accept(vec![alert(1)]).await.unwrap();
        next(&mut messages).await;
        assert!(hub.stop(DEADLINE).await);
    });
}
