//! A hostile reader's tests of desks and of the real driver.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

#[path = "../../store/tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flow::deliver::Desk;
use flow::driver::Retention;
use flow::{Hub, Live, SystemClock};
use model::delivery::Outcome;
use model::receiver::{Manners, Place, Receiver};
use model::route::GroupBy;
use model::{NewEvent, Rules, Time};
use sdk::destination::{Context, Destination, Facts};
use sdk::http::{Guard, Http};
use sdk::{Answer, Message, Registry};
use store::{Location, Store};
use tokio::sync::{Notify, Semaphore};

const NOW: Time = Time::from_seconds(1_790_000_000);

/// A ring that comes while a claim is under way is not forgotten when that claim, which may have been made
/// before the new row was there, comes back empty.
#[test]
fn a_ring_during_a_claim_is_heard() {
    let manners = Manners::default();
    let mut desk = Desk::new(Default::default());
    assert!(desk.want(&manners, NOW).is_some());
    desk.ring();
    desk.claimed(Vec::new(), None);
    assert!(desk.want(&manners, NOW).is_some(), "waits for the next sweep, up to a second");
}

/// What a node that is gone had claimed waits for the lease: that must be a matter of minutes.
#[test]
fn a_lease_is_not_longer_than_what_was_claimed_needs() {
    let manners = Manners { concurrency: 1, ..Manners::default() };
    let claim = Desk::new(Default::default()).want(&manners, NOW).unwrap();
    let lease = claim.lease_until.since(NOW);
    assert!(lease <= Duration::from_secs(300), "{} messages are leased for {lease:?}", claim.limit);
}

static SENT: AtomicUsize = AtomicUsize::new(0);
/// How many more messages the receiver takes; the next one waits.
static GATE: Semaphore = Semaphore::const_new(0);
static HEARD: Notify = Notify::const_new();

struct Slow;

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

impl Destination for Slow {
    const FACTS: Facts = Facts { kind: "slow", title: "Slow", about: "", docs: "", deduplicates: false };
    type Settings = Nothing;

    async fn send(_: &Context, _: &Nothing, _: &Message) -> Answer {
        GATE.acquire().await.unwrap().forget();
        SENT.fetch_add(1, Ordering::SeqCst);
        HEARD.notify_one();
        Answer::bare(Outcome::delivered())
    }
}

async fn hub(url: &str) -> Hub {
    let place = Place {
        id: "ops/slow/0".into(),
        kind: "slow".into(),
        settings: serde_json::json!({}),
        manners: Manners { concurrency: 1, ..Manners::default() },
    };
    let mut rules = Rules::simple(Receiver { name: "ops".into(), destinations: vec![place] });
    rules.root.group_by = GroupBy::All;
    rules.root.timing.group_wait = Duration::ZERO;
    let live = Live::new(rules, Vec::new(), &Registry::default().destination::<Slow>()).unwrap();
    let store = Store::open(&Location::Url(url.to_owned())).await.unwrap();
    let http = Http::new(Guard::default()).unwrap();
    Hub::start(store, live, http, Arc::new(SystemClock), Retention::default()).await.unwrap()
}

/// A node that is stopped in peace gives back what it has claimed and not tried.
#[test]
fn what_a_stopped_node_had_claimed_goes_on_at_another_node() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(url) = support::fresh_database().await else {
            eprintln!("SKIPPED ON POSTGRESQL: NIGHTBELL_TEST_POSTGRES is not set");
            return;
        };
        let first = hub(&url).await;
        let alert = |n: u32| NewEvent::raise("test", [("n", n.to_string())].into_iter().collect());
        first.accept((0..6).map(alert).collect()).await.unwrap();
        let heard = |count: usize| async move {
            while SENT.load(Ordering::SeqCst) < count {
                tokio::time::timeout(Duration::from_secs(10), HEARD.notified()).await.expect("it must come");
            }
        };
        GATE.add_permits(2);
        heard(2).await;
        // what is under way may end, and nothing else begins
        let (stopped, ()) = tokio::join!(first.stop(Duration::from_secs(10)), async { GATE.add_permits(1) });
        assert!(stopped && SENT.load(Ordering::SeqCst) <= 3);
        let second = hub(&url).await;
        GATE.add_permits(10);
        heard(6).await;
        assert!(second.stop(Duration::from_secs(10)).await);
        assert_eq!(SENT.load(Ordering::SeqCst), 6, "the rest waits for leases to end");
    });
}
