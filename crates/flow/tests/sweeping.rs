//! What projects need not keep goes by itself: what is old, what is too much, and what was deleted.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod reporting;
#[path = "../../store/tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use flow::errors::acts::{Acted, IssueAct};
use flow::{Clock, Hub, SystemClock};
use model::project::{Keep, Settings};
use model::{Id, Time};
use store::{Durability, Store, Tx};

use reporting::{exception, hub};

const DAY: Duration = Duration::from_secs(86_400);
/// How long a test waits for something that must come.
const DEADLINE: Duration = Duration::from_secs(20);

/// A clock that stands still.
struct Standing(Time);

impl Clock for Standing {
    fn now(&self) -> Time {
        self.0
    }
}

async fn project(hub: &Hub, slug: &str, keep: Keep) -> i64 {
    reporting::project(hub, slug.to_owned(), Settings { keep, ..Settings::default() }).await
}

async fn reports(hub: &Hub, project: i64, function: &str, ids: std::ops::Range<usize>) -> Id {
    let mut last = Id(0);
    for n in ids {
        let event = serde_json::json!({
            "event_id": format!("{n:032x}"), "platform": "python", "exception": exception(function),
        });
        last = reporting::reports(hub, project, &event).await;
    }
    last
}

/// Errors that are kept of an issue; nothing: it is gone.
async fn kept(store: &Store, issue: Id) -> Option<usize> {
    let read = move |tx: &mut Tx<'_>| {
        let head = store::errors::head(tx, issue)?;
        let events = store::errors::page(tx, &[issue], Id(i64::MAX), 1000)?.len();
        Ok(head.map(|_| events))
    };
    store.read(read).await.unwrap()
}

async fn becomes(store: &Store, issue: Id, wanted: Option<usize>, what: &str) {
    let asking = async {
        while kept(store, issue).await != wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(DEADLINE, asking).await;
    assert!(in_time.is_ok(), "{what}: {:?} are kept", kept(store, issue).await);
}

#[test]
fn what_need_not_be_kept_goes_when_a_hub_has_started() {
    support::on_both(async |store: Store| {
        let now = SystemClock.now();
        let past = hub(&store, Arc::new(Standing(now - DAY * 100))).await;
        let month = Keep { days: 30, ..Keep::default() };
        let (old, few) = (project(&past, "old", month).await, Keep { events: 10, ..month });
        let stays = reports(&past, old, "pay", 0..5).await;
        let over = reports(&past, old, "ship", 5..8).await;
        assert_eq!(past.act_on_issue(over, IssueAct::Resolve(None)).await.unwrap(), Acted::Done);
        assert!(past.stop(DEADLINE).await);
        let lately = hub(&store, Arc::new(Standing(now - DAY))).await;
        let many = project(&lately, "many", few).await;
        let plenty = reports(&lately, many, "pay", 0..30).await;
        let rare = reports(&lately, many, "ship", 30..32).await;
        let gone = project(&lately, "gone", month).await;
        let lost = reports(&lately, gone, "pay", 0..3).await;
        let delete = move |tx: &mut Tx<'_>| store::projects::delete(tx, gone, now);
        store.write(Durability::Disk, delete).await.unwrap();
        assert!(lately.stop(DEADLINE).await);
        // the first sweep is at the start
        let hub = hub(&store, Arc::new(SystemClock)).await;
        becomes(&store, stays, Some(1), "an issue that is not over keeps its newest").await;
        becomes(&store, over, None, "what is over and old goes as a whole").await;
        becomes(&store, plenty, Some(8), "of too much, what there is plenty of goes").await;
        becomes(&store, rare, Some(2), "what is rare stays").await;
        becomes(&store, lost, None, "what belongs to a project that was deleted").await;
        let read = move |tx: &mut Tx<'_>| {
            let head = store::errors::head(tx, stays)?.unwrap();
            let left = [old, many].map(|project| store::errors::weigh(tx, project));
            Ok((head.times_seen, left.map(Result::unwrap).map(|it| it.events)))
        };
        let (times, left) = store.read(read).await.unwrap();
        assert_eq!((times, left), (5, [1, 10]), "how often it was seen stays known");
        assert!(hub.stop(DEADLINE).await);
    });
}

/// Whoever looked long ago and is late must not put what was there then in the place of what is there now.
#[test]
fn a_late_reader_does_not_bring_back_the_projects_of_the_past() {
    support::on_both(async |store: Store| {
        let hub = hub(&store, Arc::new(SystemClock)).await;
        let (begun, begins) = std::sync::mpsc::channel();
        let (go, goes) = std::sync::mpsc::channel::<()>();
        let core = hub.core.clone();
        let late = store.read(move |tx| {
            store::projects::current_version(tx)?;
            begun.send(()).unwrap();
            goes.recv().unwrap();
            core.people(tx)?;
            core.projects(tx).map(drop)
        });
        let early = async {
            tokio::task::spawn_blocking(move || begins.recv().unwrap()).await.unwrap();
            let new = project(&hub, "new", Keep::default()).await;
            go.send(()).unwrap();
            new
        };
        let (done, new) = futures::join!(late, early);
        done.unwrap();
        assert!(hub.core.known_projects().get(new).is_some());
        assert!(hub.stop(DEADLINE).await);
    });
}
