//! What only grows with every start and every reload is swept, but not what is still referred to.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use std::sync::Arc;

use model::event::{Event, NewEvent};
use model::{Id, Incident, Time};
use store::events::Texts;
use store::retention::{Keep, sweep};
use store::rules::Applied;
use store::{Durability, Store, Tx};
use support::on_both;

fn day(number: i64) -> Time {
    Time::from_seconds(1_790_000_000 + number * 86_400)
}

fn keep(resolved_since: Time) -> Keep {
    Keep {
        resolved_since,
        repeats_since: resolved_since,
        audit_since: resolved_since,
        most_incidents: 0,
        most_bytes: 0,
        configurations: 1,
    }
}

/// Sweeps at most two rows of a kind at a time, until nothing is left to do.
async fn sweeps(store: &Store, keep: Keep) {
    for _ in 0..100 {
        if store.write(Durability::Lazy, move |tx| sweep(tx, &keep, 2)).await.unwrap() == 0 {
            return;
        }
    }
    panic!("retention does not come to an end");
}

async fn count(store: &Store, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table}");
    store.read(move |tx| tx.query_one(&sql, &[], |row| row.int(0))).await.unwrap().unwrap()
}

fn open(tx: &mut Tx<'_>, id: i64, at: Time) -> store::Result<()> {
    let event = Event::arrive(NewEvent::raise("test", Default::default()), Id(id), at);
    let (incident, _) = Incident::open(&event);
    store::incidents::insert(tx, &[(&incident, Arc::new(Texts::of(&incident.labels, &incident.annotations)))])
}

#[test]
fn rules_go_when_nothing_that_is_kept_was_told_by_them() {
    on_both(async |store: Store| {
        for number in 0..10 {
            let text = format!("{{\"number\":{number}}}");
            let kept =
                move |tx: &mut Tx<'_>| store::rules::keep(tx, &text, &Default::default(), day(number * 10));
            assert!(store.write(Durability::Disk, kept).await.unwrap().1);
        }
        // what began on the 35th day was routed by the fourth rules, which came on the 30th, and later ones
        store.write(Durability::Disk, |tx| open(tx, 1, day(35))).await.unwrap();
        sweeps(&store, keep(day(1000))).await;
        let versions = store
            .read(|tx| tx.query("SELECT version FROM rules ORDER BY version", &[], |row| row.int(0)))
            .await
            .unwrap();
        assert_eq!(versions, [4, 5, 6, 7, 8, 9, 10]);
        // without it, those go that are older than anything would be kept
        let gone = |tx: &mut Tx<'_>| tx.execute("DELETE FROM incidents", &[]);
        store.write(Durability::Disk, gone).await.unwrap();
        sweeps(&store, keep(day(75))).await;
        assert_eq!(count(&store, "rules").await, 3);
        sweeps(&store, keep(day(1000))).await;
        assert_eq!(store.read(store::rules::newest).await.unwrap(), 10, "those in force stay");
        assert_eq!(count(&store, "rules").await, 1);
    });
}

#[test]
fn configurations_are_kept_with_who_applied_them_and_the_newest_stay() {
    on_both(async |store: Store| {
        for number in 0..6 {
            let applied = Applied { config: format!("# {number}"), by: "ann".into(), ..Default::default() };
            let kept = move |tx: &mut Tx<'_>| store::rules::keep(tx, "{}", &applied, day(number));
            assert_eq!(store.write(Durability::Disk, kept.clone()).await.unwrap(), (number + 1, true));
            assert_eq!(store.write(Durability::Disk, kept).await.unwrap(), (number + 1, false), "no news");
        }
        sweeps(&store, Keep { configurations: 3, ..keep(day(1000)) }).await;
        let history = store.read(|tx| store::rules::history(tx, 10)).await.unwrap();
        assert_eq!(history.iter().map(|it| it.version).collect::<Vec<_>>(), [6, 5, 4]);
        assert!(history.iter().all(|it| it.applied.config.is_empty()), "a list has no texts");
        let kept = store.read(|tx| store::rules::kept(tx, 5)).await.unwrap().unwrap();
        assert_eq!((kept.applied.config.as_str(), kept.applied.by.as_str()), ("# 4", "ann"));
        assert_eq!(store.read(|tx| store::rules::kept(tx, 1)).await.unwrap(), None);
    });
}

#[test]
fn a_database_in_memory_undoes_what_fails() {
    let store = Store::in_memory().unwrap();
    let keep =
        |text: &'static str| move |tx: &mut Tx<'_>| store::rules::keep(tx, text, &Applied::default(), day(0));
    store.write_blocking(keep("one")).unwrap();
    let failed = store.write_blocking(move |tx| {
        keep("two")(tx)?;
        Err::<(), _>(store::StoreError::Refused("no".into()))
    });
    assert!(failed.is_err());
    assert_eq!(store.read_blocking(store::rules::newest).unwrap(), 1);
}

#[test]
fn of_all_nodes_that_ever_started_only_the_last_number_stays() {
    on_both(async |store: Store| {
        for id in 2..10_i64 {
            let register =
                move |tx: &mut Tx<'_>| tx.execute("INSERT INTO nodes (id) VALUES ($1)", &[id.into()]);
            store.write(Durability::Disk, register).await.unwrap();
        }
        sweeps(&store, keep(day(0))).await;
        let nodes = store.read(|tx| tx.query("SELECT id FROM nodes", &[], |row| row.int(0))).await.unwrap();
        assert_eq!(nodes, [9]);
    });
}

#[test]
fn the_health_of_destinations_that_are_gone_is_forgotten() {
    on_both(async |store: Store| {
        let remember = |tx: &mut Tx<'_>| {
            ["a", "b", "c"]
                .iter()
                .try_for_each(|it| store::deliveries::set_health(tx, it, &Default::default()))
        };
        store.write(Durability::Disk, remember).await.unwrap();
        let forget = |tx: &mut Tx<'_>| store::deliveries::forget_healths(tx, |name| name == "b");
        assert_eq!(store.write(Durability::Disk, forget).await.unwrap(), 2);
        let left = store.read(store::deliveries::healths).await.unwrap();
        assert_eq!(left.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["b"]);
    });
}

#[test]
fn a_storms_summary_goes_with_what_it_tells_of_and_not_as_a_test() {
    on_both(async |store: Store| {
        let planned = |id: i64, reason: &str| {
            format!(
                "INSERT INTO deliveries (id, receiver, destination, lane, reason, state, attempts, created_at, due_at, \
                 lease_until, settled_at, note) VALUES ({id}, 'r', 'r/x/0', 1, '{reason}', 1, 1, 0, 0, 0, 1, '')"
            )
        };
        let (test, summary) = (planned(8, "test"), planned(9, "storm"));
        let written = store.write(Durability::Disk, move |tx| {
            open(tx, 3, day(0))?;
            tx.execute(&test, &[])?;
            tx.execute(&summary, &[])?;
            store::ledger::tell(tx, &[(Id(3), Id(9))])
        });
        written.await.unwrap();
        sweeps(&store, keep(day(1))).await;
        assert_eq!(count(&store, "deliveries").await, 1, "the summary");
    });
}

#[test]
fn maintenance_goes_that_was_over_long_ago_and_documents_as_they_were_before() {
    use model::maintenance::Maintenance;
    use store::definitions::{self, Definition, Kind};

    let window = |id: i64, ends_at: Option<Time>| {
        let body = serde_json::json!({
            "description": "x", "starts_at": day(0), "ends_at": ends_at, "filters": [{"open": true}],
        });
        let body: Maintenance = serde_json::from_value(body).unwrap();
        let name = format!("window {id}");
        Definition { id: Id(id), owner: Id(0), name, body, created_at: day(0), updated_at: day(0) }
    };
    on_both(async |store: Store| {
        for it in [window(1, Some(day(1))), window(2, Some(day(20))), window(3, None)] {
            let put = move |tx: &mut Tx<'_>| definitions::put(tx, Kind::Maintenance, &it);
            assert!(store.write(Durability::Disk, put).await.unwrap());
        }
        for (id, at) in [(2, 3), (2, 15)] {
            let it = Definition { updated_at: day(at), ..window(id, Some(day(20))) };
            let put = move |tx: &mut Tx<'_>| definitions::put(tx, Kind::Maintenance, &it);
            assert!(store.write(Durability::Disk, put).await.unwrap());
        }
        assert_eq!((count(&store, "definitions").await, count(&store, "definitions_past").await), (3, 2));
        sweeps(&store, keep(day(10))).await;
        assert_eq!((count(&store, "definitions").await, count(&store, "definitions_past").await), (2, 1));
    });
}
