//! Subscribers are told all that they want to hear, in order, until they have heard it, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

#[path = "../../store/tests/support/mod.rs"]
mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use flow::driver::{Act, Retention};
use flow::{Hub, Live, SystemClock};
use futures::future::BoxFuture;
use model::receiver::{Manners, Place, Receiver};
use model::{NewEvent, Notice, Rules, Time, Topic};
use sdk::destination::{Context, Destination, Facts};
use sdk::http::{Guard, Http};
use sdk::{Answer, Listener, Message, Registry, Subscriber};
use serde_json::Value;
use store::Store;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long a test waits for something that must come.
const DEADLINE: Duration = Duration::from_secs(20);

struct Fine;

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Settings {}

impl Destination for Fine {
    const FACTS: Facts = Facts { kind: "fine", title: "Fine", about: "", docs: "", deduplicates: false };
    type Settings = Settings;

    async fn send(_: &Context, _: &Settings, _: &Message) -> Answer {
        Answer::bare(model::delivery::Outcome::delivered())
    }
}

/// Says what it hears, and refuses as many batches as it is told to.
struct Ear {
    hears: UnboundedSender<Notice>,
    refuses: Mutex<u32>,
    batches: Mutex<Vec<usize>>,
}

impl Listener for Ear {
    fn hear<'a>(&'a self, notices: &'a [Notice]) -> BoxFuture<'a, Result<usize, String>> {
        self.batches.lock().unwrap().push(notices.len());
        for notice in notices {
            self.hears.send(notice.clone()).unwrap();
        }
        let mut refuses = self.refuses.lock().unwrap();
        let refused = *refuses > 0;
        *refuses = refuses.saturating_sub(1);
        let answer = if refused { Err("not now".to_owned()) } else { Ok(notices.len()) };
        Box::pin(std::future::ready(answer))
    }

    fn lost(&self, _: u64) {}
}

fn ear(refuses: u32) -> (Arc<Ear>, UnboundedReceiver<Notice>) {
    let (hears, heard) = unbounded_channel();
    (Arc::new(Ear { hears, refuses: Mutex::new(refuses), batches: Mutex::default() }), heard)
}

fn live(ear: Option<&Arc<Ear>>, topics: &[Topic]) -> Live {
    let place = Place {
        id: "ops/fine/0".into(),
        kind: "fine".into(),
        settings: serde_json::json!({}),
        manners: Manners::default(),
    };
    let mut rules = Rules::simple(Receiver { name: "ops".into(), destinations: vec![place] });
    rules.root.timing.group_wait = Duration::ZERO;
    let subscriber = |ear: &Arc<Ear>| Subscriber {
        name: "test/all".to_owned(),
        topics: topics.to_vec(),
        batch: 4,
        batch_bytes: 100_000,
        listener: ear.clone(),
    };
    let live = Live::new(rules, Vec::new(), &Registry::default().destination::<Fine>()).unwrap();
    Live { subscribers: ear.map(subscriber).into_iter().collect(), ..live }
}

async fn hub(store: Store, live: Live) -> Hub {
    let http = Http::new(Guard::default()).unwrap();
    Hub::start(store, live, http, Arc::new(SystemClock), Retention::default()).await.unwrap()
}

async fn next(heard: &mut UnboundedReceiver<Notice>) -> (Topic, Value) {
    let notice = tokio::time::timeout(DEADLINE, heard.recv()).await.expect("a notice must come").unwrap();
    (notice.topic, serde_json::from_str(&notice.data).unwrap())
}

fn alert(n: usize) -> NewEvent {
    NewEvent::raise("test", [("alertname", "Disk".to_owned()), ("n", n.to_string())].into_iter().collect())
}

#[test]
fn what_happens_is_told_in_the_order_in_which_it_happened() {
    support::on_both(async |store: Store| {
        let (ear, mut heard) = ear(0);
        let hub = hub(store, live(Some(&ear), &Topic::ALL)).await;
        let id = hub.accept(vec![alert(1)]).await.unwrap()[0].incident.unwrap();
        let (topic, data) = next(&mut heard).await;
        assert_eq!((topic, data["verdict"].as_str()), (Topic::EventAccepted, Some("opened")));
        let (topic, data) = next(&mut heard).await;
        assert_eq!((topic, data["id"].as_str()), (Topic::IncidentOpened, Some(id.to_string().as_str())));
        assert_eq!((&data["state"], &data["change"]["kind"]), (&"open".into(), &"opened".into()));
        let (topic, data) = next(&mut heard).await;
        assert_eq!((topic, &data["state"]), (Topic::DeliveryFinished, &"delivered".into()));
        let acknowledge = Act::Acknowledge { by: "ann".into(), until: None, note: String::new() };
        hub.act(id, acknowledge).await.unwrap().unwrap();
        let (topic, data) = next(&mut heard).await;
        assert_eq!((topic, &data["acknowledged_by"]), (Topic::IncidentAcknowledged, &"ann".into()));
        hub.act(id, Act::Note { by: "ann".into(), text: "hm".into() }).await.unwrap().unwrap();
        let (topic, data) = next(&mut heard).await;
        assert_eq!((topic, &data["change"]["detail"]), (Topic::IncidentChanged, &"hm".into()));
        hub.in_passing(Topic::RequestServed, hub.clock.now(), || serde_json::json!({ "status": 200 }));
        assert_eq!(next(&mut heard).await, (Topic::RequestServed, serde_json::json!({ "status": 200 })));
        assert!(hub.stop(DEADLINE).await);
    });
}

#[test]
fn how_long_a_chain_is_goes_with_what_it_led_to() {
    support::on_both(async |store: Store| {
        let (ear, mut heard) = ear(0);
        let hub = hub(store, live(Some(&ear), &Topic::ALL)).await;
        let id = hub.accept(vec![NewEvent { chain: 3, ..alert(1) }]).await.unwrap()[0].incident.unwrap();
        for topic in [Topic::EventAccepted, Topic::IncidentOpened, Topic::DeliveryFinished] {
            let told = next(&mut heard).await;
            assert_eq!((told.0, &told.1["chain"]), (topic, &3.into()));
        }
        let note = || Act::Note { by: "ann".into(), text: "hm".into() };
        let plugin = hub.signed(model::account::Actor::default()).chained(5);
        plugin.act(id, note()).await.unwrap().unwrap();
        let told = next(&mut heard).await;
        assert_eq!((told.0, &told.1["chain"]), (Topic::IncidentChanged, &5.into()));
        // what comes from outside is at the end of none
        hub.act(id, note()).await.unwrap().unwrap();
        let told = next(&mut heard).await;
        assert_eq!((told.0, told.1.get("chain")), (Topic::IncidentChanged, None));
        assert!(hub.stop(DEADLINE).await);
    });
}

#[test]
fn what_was_refused_comes_again_and_what_was_heard_does_not() {
    support::on_both(async |store: Store| {
        let (first, mut heard) = ear(1);
        let topics = [Topic::EventAccepted];
        let hub = hub(store.clone(), live(Some(&first), &topics)).await;
        hub.accept((0..10).map(alert).collect()).await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 14 {
            seen.push(next(&mut heard).await.1["labels"]["n"].as_str().unwrap().parse::<usize>().unwrap());
        }
        assert_eq!(seen, [0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(*first.batches.lock().unwrap(), [4, 4, 4, 2]);
        assert!(hub.stop(DEADLINE).await);
        // one that refuses all leaves its rows to the next
        let (second, mut heard) = ear(u32::MAX);
        let hub = self::hub(store.clone(), live(Some(&second), &topics)).await;
        hub.accept(vec![alert(10)]).await.unwrap();
        next(&mut heard).await;
        assert!(hub.stop(DEADLINE).await);
        let (third, mut heard) = ear(0);
        let hub = self::hub(store.clone(), live(None, &topics)).await;
        // nobody listens: nothing is written
        hub.accept(vec![alert(11)]).await.unwrap();
        hub.reload(live(Some(&third), &topics)).await.unwrap();
        hub.accept(vec![alert(12)]).await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 2 {
            seen.push(next(&mut heard).await.1["labels"]["n"].as_str().unwrap().to_owned());
        }
        assert_eq!(seen, ["10", "12"]);
        assert!(hub.stop(DEADLINE).await);
        let waiting = store.read(|tx| store::notices::backlog(tx, "test/all")).await.unwrap();
        assert_eq!(waiting, (0, 0));
    });
}

#[test]
fn what_is_said_in_passing_is_bounded_and_the_oldest_goes() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&store::Location::Folder(folder.path().to_owned())).await.unwrap();
        let (ear, mut heard) = ear(1);
        let hub = hub(store, live(Some(&ear), &[Topic::RequestServed])).await;
        let say = |n: usize| hub.in_passing(Topic::RequestServed, hub.clock.now(), || n.into());
        say(0);
        // it is refused, and waits for its next time
        assert_eq!(next(&mut heard).await.1, 0);
        let most = flow::couriers::MAX_IN_PASSING;
        (1..most + 10).for_each(say);
        let subscribed = hub.subscribed("test/").await.unwrap();
        assert_eq!((subscribed[0].waiting, subscribed[0].dropped), (most as u64, 10));
        assert_eq!(next(&mut heard).await.1, 10);
        assert!(hub.stop(DEADLINE).await);
    });
}

#[test]
fn a_clock_that_is_set_back_over_a_restart_does_not_change_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_folder(folder.path(), false).unwrap();
    let (ear, _heard) = ear(0);
    let topics = [Topic::IncidentOpened, Topic::IncidentChanged];
    let stage = |node: i64, at: Time| {
        let stage = flow::stage::Stage::open(store.clone(), node, live(Some(&ear), &topics), at).unwrap();
        let core = stage.core.clone();
        store.write_blocking(move |tx| flow::reload::take_over(&core, tx, at)).unwrap();
        stage
    };
    let later = Time::from_seconds(1_790_003_600);
    let first = stage(1, later);
    let id = first.accept(vec![alert(1)], later).unwrap().0[0].incident.unwrap();
    // long after the last event and delivery
    let then = later + Duration::from_secs(60);
    first.act(id, Act::Note { by: "ann".into(), text: "one".into() }, then).unwrap();
    let earlier = later - Duration::from_secs(3600);
    stage(2, earlier).act(id, Act::Note { by: "ann".into(), text: "two".into() }, earlier).unwrap();
    let told = store.write_blocking(move |tx| {
        store::notices::see(tx, &["test/all"], later)?;
        let taking = store::notices::Taking {
            subscriber: "test/all",
            node: 2,
            at: later,
            lease_until: later,
            batch: 9,
            bytes: 100_000,
        };
        store::notices::take(tx, &taking)
    });
    let told = told.unwrap().into_iter().map(|it| serde_json::from_str::<Value>(&it.data).unwrap());
    let details: Vec<_> = told.map(|it| it["change"]["detail"].clone()).collect();
    assert_eq!(details[1..], ["one", "two"]);
}

#[test]
fn two_nodes_tell_one_subscriber_everything_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(url) = support::fresh_database().await else {
            eprintln!("SKIPPED ON POSTGRESQL: NIGHTBELL_TEST_POSTGRES is not set");
            return;
        };
        let (ear, mut heard) = ear(0);
        let open = async || {
            let store = Store::open(&store::Location::Url(url.clone())).await.unwrap();
            hub(store, live(Some(&ear), &[Topic::EventAccepted])).await
        };
        let (first, second) = (open().await, open().await);
        for n in 0..40 {
            let through = if n % 2 == 0 { &first } else { &second };
            through.accept(vec![alert(n)]).await.unwrap();
        }
        let mut seen = Vec::new();
        while seen.len() < 40 {
            seen.push(next(&mut heard).await.1["labels"]["n"].as_str().unwrap().parse::<usize>().unwrap());
        }
        assert!(seen.is_sorted(), "{seen:?}");
        assert!(first.stop(DEADLINE).await && second.stop(DEADLINE).await);
        assert!(heard.try_recv().is_err(), "nothing twice");
    });
}
