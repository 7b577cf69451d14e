//! Nodes on one PostgreSQL hear each other ring, and go on hearing after a lost connection.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use std::time::Duration;

use store::{Durability, Location, Store, Tx};
use tokio::sync::mpsc::unbounded_channel;

const DEADLINE: Duration = Duration::from_secs(20);

#[test]
fn a_ring_is_heard_once_it_is_committed_and_a_lost_connection_is_told() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(url) = support::fresh_database().await else {
            eprintln!("SKIPPED ON POSTGRESQL: NIGHTBELL_TEST_POSTGRES is not set");
            return;
        };
        let location = Location::Url(url);
        let (first, second) = (Store::open(&location).await.unwrap(), Store::open(&location).await.unwrap());
        let (sender, mut heard) = unbounded_channel();
        let listens = second.listen(move |ring| sender.send(ring).unwrap());
        let rings = async {
            let mut next = async || tokio::time::timeout(DEADLINE, heard.recv()).await.expect("it must come");
            assert_eq!(next().await, Some(None), "it has begun to listen");
            let undone = first.write(Durability::Lazy, |tx| {
                tx.ring_others(5)?;
                tx.execute("INSERT INTO nowhere VALUES (1)", &[])
            });
            assert!(undone.await.is_err());
            first.write(Durability::Lazy, |tx| tx.ring_others(7)).await.unwrap();
            assert_eq!(next().await, Some(Some(7)));
            let end = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE query LIKE 'LISTEN%' \
                       AND datname = current_database()";
            let end = move |tx: &mut Tx<'_>| tx.query(end, &[], |row| row.string(0));
            assert_eq!(first.read(end).await.unwrap(), ["true"]);
        };
        let (lost, ()) = tokio::join!(listens, rings);
        assert!(lost.is_err());
    });
}

/// The lock of the flow is held by one transaction after another, on all nodes: they must not wait for the disk
/// inside it, nor may a durable write return before the disk has it.
#[test]
fn the_lock_of_the_flow_is_not_held_over_a_sync() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(url) = support::fresh_database().await else {
            eprintln!("SKIPPED ON POSTGRESQL: NIGHTBELL_TEST_POSTGRES is not set");
            return;
        };
        let store = Store::open(&Location::Url(url)).await.unwrap();
        let flushed = |tx: &mut Tx<'_>| {
            let sql = "SELECT CAST(pg_current_wal_flush_lsn() - '0/0' AS BIGINT)";
            Ok(tx.query_one(sql, &[], |row| row.int(0))?.unwrap())
        };
        for n in 0..20 {
            let locks = n % 2 == 0;
            let written = store
                .write(Durability::Disk, move |tx| {
                    if locks {
                        tx.lock_flow()?;
                    }
                    store::rules::bump(tx, "x")?;
                    let sql = "SELECT CAST(pg_current_wal_insert_lsn() - '0/0' AS BIGINT), \
                               current_setting('synchronous_commit')";
                    tx.query_one(sql, &[], |row| Ok((row.int(0)?, row.string(1)?)))
                })
                .await;
            let (inserted, _) = written.unwrap().unwrap();
            let flushed = store.read(flushed).await.unwrap();
            assert!(flushed >= inserted, "write {n} is not on disk: {flushed} < {inserted}");
        }
    });
}
