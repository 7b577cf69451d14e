//! One odd thing holds nobody else up: a slow look at the queue, an answer that cannot be recorded.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

#[path = "../../store/tests/support/mod.rs"]
mod support;

use std::sync::{Arc, Mutex, mpsc as std_mpsc};
use std::time::Duration;

use flow::driver::Retention;
use flow::{Hub, Live, SystemClock};
use futures::FutureExt;
use model::delivery::{DeliveryState, Outcome};
use model::receiver::{Manners, Place, Receiver};
use model::route::GroupBy;
use model::{NewEvent, Rules};
use sdk::destination::{Context, Destination, Facts};
use sdk::http::{Guard, Http};
use sdk::{Answer, Message, Registry};
use store::{Durability, Engine, Location, Store};
use tokio::sync::Semaphore;

/// How long a test waits for something that must come.
const DEADLINE: Duration = Duration::from_secs(20);

/// Readers that a store lets in at once.
const READERS: usize = 4;

/// Takes everything, and repeats the title in its answer.
struct Echo;

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

static HEARD: Semaphore = Semaphore::const_new(0);

impl Destination for Echo {
    const FACTS: Facts = Facts { kind: "echo", title: "Echo", about: "", docs: "", deduplicates: false };
    type Settings = Nothing;

    async fn send(_: &Context, _: &Nothing, message: &Message) -> Answer {
        HEARD.add_permits(1);
        let text = message.notification.alerts[0].title.clone();
        Answer { outcome: Outcome::delivered(), status: Some(200), text }
    }
}

async fn hub(store: Store) -> Hub {
    let place = Place {
        id: "ops/echo/0".into(),
        kind: "echo".into(),
        settings: serde_json::json!({}),
        manners: Manners::default(),
    };
    let mut rules = Rules::simple(Receiver { name: "ops".into(), destinations: vec![place] });
    rules.root.group_by = GroupBy::All;
    rules.root.timing.group_wait = Duration::ZERO;
    let live = Live::new(rules, Vec::new(), &Registry::default().destination::<Echo>()).unwrap();
    let http = Http::new(Guard::default()).unwrap();
    Hub::start(store, live, http, Arc::new(SystemClock), Retention::default()).await.unwrap()
}

fn alert(title: &str) -> NewEvent {
    NewEvent { title: title.into(), ..NewEvent::raise("test", [("title", title)].into_iter().collect()) }
}

/// One test at a time counts what is heard.
static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn heard(count: u32) {
    tokio::time::timeout(DEADLINE, HEARD.acquire_many(count)).await.expect("it must come").unwrap().forget();
}

#[test]
fn a_slow_look_at_the_queue_delays_no_message() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let _one = ONE.lock().await;
        let store = Store::open(&Location::Folder(folder.path().to_owned())).await.unwrap();
        // none of its tasks has begun: this runtime has one thread
        let hub = hub(store.clone()).await;
        let (open, gate) = std_mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let (inside, came) = std_mpsc::channel();
        let reader = || {
            let (gate, inside) = (gate.clone(), inside.clone());
            Box::pin(store.read(move |_| {
                inside.send(()).unwrap();
                let _ = gate.lock().unwrap().recv();
                Ok(())
            }))
        };
        let (mut first, mut second): (Vec<_>, Vec<_>) =
            ((0..READERS).map(|_| reader()).collect(), (0..READERS).map(|_| reader()).collect());
        // as many as there may be read before the service remembers, and as many more after it, who are in
        // before it looks at the queue
        first.iter_mut().for_each(|it| assert!(it.now_or_never().is_none()));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        second.iter_mut().for_each(|it| assert!(it.now_or_never().is_none()));
        (0..READERS).for_each(|_| open.send(()).unwrap());
        futures::future::try_join_all(first).await.unwrap();
        let second = futures::future::try_join_all(second);
        let all_inside =
            tokio::task::spawn_blocking(move || (0..2 * READERS).for_each(|_| came.recv().unwrap()));
        let second = match futures::future::select(second, all_inside).await {
            futures::future::Either::Right((_, second)) => second,
            futures::future::Either::Left(_) => panic!("nobody has let them go"),
        };
        hub.accept(vec![alert("meanwhile")]).await.unwrap();
        heard(1).await;
        drop(open);
        second.await.unwrap();
        assert!(hub.stop(DEADLINE).await);
    });
}

#[test]
fn an_answer_that_cannot_be_recorded_holds_up_no_other() {
    support::on_both(async |store: Store| {
        let _one = ONE.lock().await;
        let refuse = match store.engine() {
            Engine::Sqlite => {
                "CREATE TRIGGER odd BEFORE INSERT ON attempts WHEN NEW.answer = 'odd' \
                 BEGIN SELECT RAISE(ABORT, 'odd'); END"
            }
            Engine::Postgres => "ALTER TABLE attempts ADD CONSTRAINT odd CHECK (answer <> 'odd')",
        };
        store.write(Durability::Disk, |tx| tx.execute(refuse, &[])).await.unwrap();
        let hub = hub(store.clone()).await;
        hub.accept(["a", "b", "odd", "c"].map(alert).to_vec()).await.unwrap();
        heard(4).await;
        assert!(hub.stop(DEADLINE).await, "the recorder comes to an end");
        let all = store.read(|tx| store::deliveries::page(tx, None, None, None, 10)).await.unwrap();
        assert_eq!(all.len(), 4);
        for delivery in all {
            assert_eq!(delivery.state, DeliveryState::Delivered, "{delivery:?}");
            let tries = store.read(move |tx| store::deliveries::attempts(tx, delivery.id)).await.unwrap();
            assert_eq!(tries.len(), 1, "{delivery:?}");
        }
        assert_eq!(hub.core.counters.failures.all().get("record"), Some(&1));
    });
}
