//! A hostile reader's tests of the store, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use store::{Durability, Engine, Store};
use support::on_both;

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
