//! A hostile reader's tests of the store, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use model::delivery::{Attempt, Delivery, DeliveryState, Outcome};
use model::event::{Event, NewEvent};
use model::incident::Incident;
use model::notification::Reason;
use model::{Id, Labels, Notification, Time};
use store::events::Texts;
use store::{Durability, Engine, Store};
use support::on_both;

fn at(second: i64) -> Time {
    Time::from_seconds(1_790_000_000 + second)
}

fn delivery(id: i64) -> (Delivery, Notification) {
    let delivery = Delivery {
        id: Id(id),
        group: None,
        receiver: "ops".into(),
        destination: "ops/x/0".into(),
        lane: id,
        reason: Reason::First,
        state: DeliveryState::Pending,
        attempts: 0,
        created_at: at(0),
        due_at: at(0),
        settled_at: None,
        note: String::new(),
    };
    let says = Notification {
        idempotency_key: format!("nb-{id}"),
        reason: Reason::First,
        receiver: "ops".into(),
        route: "{}".into(),
        group_key: "{}".into(),
        group_labels: Labels::new(),
        common_labels: Labels::new(),
        common_annotations: Labels::new(),
        external_url: String::new(),
        alerts: Vec::new(),
        truncated: 0,
        storm: None,
        at: at(0),
    };
    (delivery, says)
}

/// What a receiver answers must never keep answers from being recorded: a batch that cannot be written is
/// tried again for ever, and nothing else of this node is recorded meanwhile.
#[test]
fn any_answer_can_be_recorded() {
    on_both(async |store: Store| {
        let new = vec![delivery(1)];
        store.write(Durability::Disk, move |tx| store::deliveries::insert(tx, &new)).await.unwrap();
        let outcome = Outcome::Delivered { receipt: "a\0b".into() };
        let attempt = Attempt {
            delivery: Id(1),
            number: 1,
            at: at(1),
            latency_micros: 1,
            outcome,
            status: Some(200),
            answer: "a\0b".into(),
        };
        let settled =
            Delivery { state: DeliveryState::Delivered, attempts: 1, note: "a\0b".into(), ..delivery(1).0 };
        let tries = vec![store::deliveries::Tried { delivery: settled, attempt, lease_until: Time(0) }];
        let recorded = store.write(Durability::Disk, move |tx| store::deliveries::record(tx, &tries)).await;
        assert!(recorded.is_ok(), "{recorded:?} on {:?}", store.engine());
    });
}

/// A node that loses its power or its network inside a transaction holds the lock of the flow until the
/// server notices: by default, after two hours.
#[test]
fn a_node_that_is_gone_does_not_hold_the_others_up() {
    on_both(async |store: Store| {
        if store.engine() == Engine::Sqlite {
            return;
        }
        let shown = |name: &'static str| {
            let store = store.clone();
            async move {
                let sql = format!("SELECT current_setting('{name}')");
                store.read(move |tx| tx.query_one(&sql, &[], |row| row.string(0))).await.unwrap().unwrap()
            }
        };
        let idle = shown("idle_in_transaction_session_timeout").await;
        let lock = shown("lock_timeout").await;
        assert!(
            idle != "0" && lock != "0",
            "idle_in_transaction_session_timeout {idle}, lock_timeout {lock}"
        );
    });
}

/// Readers whose callers have gone away (a client that hangs up) still count as readers.
#[test]
fn reads_that_nobody_waits_for_any_more_count() {
    on_both(async |store: Store| {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // every reader stays until the other end is gone
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(std::sync::Mutex::new(gate));
        for _ in 0..40 {
            let (now, most, gate) = (now.clone(), most.clone(), gate.clone());
            let read = store.read(move |_| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let _ = gate.lock().unwrap().recv();
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            });
            // the caller hangs up
            let _ = tokio::time::timeout(Duration::from_millis(20), read).await;
        }
        drop(open);
        let most = most.load(Ordering::SeqCst);
        assert!(most <= 12, "{most} readers at once on {:?}", store.engine());
    });
}

/// Without it, giving free pages back does nothing, and says for ever that it did something.
#[test]
fn free_pages_can_be_given_back() {
    on_both(async |store: Store| {
        if store.engine() == Engine::Sqlite {
            let mode = store.read(|tx| tx.query_one("PRAGMA auto_vacuum", &[], |row| row.int(0))).await;
            assert_eq!(mode.unwrap(), Some(2));
        }
    });
}

/// A session that comes back from a function that failed is not inside its transaction.
#[test]
fn what_fails_leaves_nothing_behind_for_the_next() {
    on_both(async |store: Store| {
        for _ in 0..30 {
            let failed = store
                .write(Durability::Lazy, |tx| {
                    store::rules::bump(tx, "x")?;
                    tx.execute("INSERT INTO nowhere VALUES (1)", &[])
                })
                .await;
            assert!(failed.is_err());
            let version = store.read(|tx| store::rules::version(tx, "x")).await.unwrap();
            assert_eq!(version, 0);
        }
        store.write(Durability::Disk, |tx| store::rules::bump(tx, "x")).await.unwrap();
        assert_eq!(store.read(|tx| store::rules::version(tx, "x")).await.unwrap(), 1);
    });
}

#[test]
fn a_page_of_large_incidents_is_a_short_one_and_says_where_to_go_on() {
    on_both(async |store: Store| {
        let large = |id: i64| {
            let mut new = NewEvent::raise("test", [("alertname", "Disk")].into_iter().collect());
            new.annotations.set("text", "x".repeat(store::incidents::MAX_PAGE_BYTES / 4));
            Incident::open(&Event::arrive(new, Id(id), at(id))).0
        };
        let keep = move |tx: &mut store::Tx<'_>| {
            let all: Vec<Incident> = (1..=10).map(large).collect();
            let texts = all.iter().map(|it| (it, Arc::new(Texts::of(&it.labels, &it.annotations))));
            store::incidents::insert(tx, &texts.collect::<Vec<_>>())
        };
        store.write(Durability::Disk, keep).await.unwrap();
        let (mut seen, mut from) = (Vec::new(), None);
        loop {
            let page = move |tx: &mut store::Tx<'_>| {
                store::incidents::page(tx, store::incidents::Which::All, from, 1000, 100, |_| true)
            };
            let (page, more) = store.read(page).await.unwrap();
            assert!(page.len() <= 4, "{}", page.len());
            seen.extend(page.into_iter().map(|it| it.id.0));
            let Some(more) = more else { break };
            from = Some(more);
        }
        assert_eq!(seen, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    });
}
