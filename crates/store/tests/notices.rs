//! What subscribers are to be told, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use model::{Id, Notice, Time, Topic};
use store::notices::{self, Addressed, Taking};
use store::{Durability, Result, Store, Tx};
use support::on_both;

const NOW: Time = Time::from_seconds(1_790_000_000);
const LATER: Time = Time::from_seconds(1_790_000_060);

fn notice(id: i64, data: &str) -> Notice {
    Notice { id: Id(id), topic: Topic::IncidentOpened, at: NOW, data: data.to_owned() }
}

fn write(tx: &mut Tx<'_>, subscriber: &str, ids: &[i64], data: &str) -> Result<()> {
    let all: Vec<Notice> = ids.iter().map(|id| notice(*id, data)).collect();
    notices::write(tx, &all.iter().map(|notice| Addressed { subscriber, notice }).collect::<Vec<_>>())
}

fn take(
    tx: &mut Tx<'_>,
    subscriber: &str,
    node: i64,
    at: Time,
    batch: usize,
    bytes: usize,
) -> Result<Vec<i64>> {
    let taking = Taking { subscriber, node, at, lease_until: LATER, batch, bytes };
    Ok(notices::take(tx, &taking)?.into_iter().map(|it| it.id.0).collect())
}

#[test]
fn each_subscriber_is_told_in_order_and_what_it_heard_does_not_come_again() {
    on_both(async |store: Store| {
        let done = store.write(Durability::Disk, |tx| {
            notices::see(tx, &["a/x", "b/x"], NOW)?;
            write(tx, "a/x", &[5, 3, 9, 7], "{\"n\":\"ü\"}")?;
            write(tx, "b/x", &[5], "{}")?;
            let first = take(tx, "a/x", 1, NOW, 3, 100_000)?;
            // the same comes again until it was heard
            let again = take(tx, "a/x", 1, NOW, 3, 100_000)?;
            notices::heard(tx, "a/x", 1, &[Id(3), Id(5), Id(7)])?;
            // one that was written late by another node is not taken for heard
            write(tx, "a/x", &[4], "{}")?;
            let rest = take(tx, "a/x", 1, NOW, 3, 100_000)?;
            let whole = notices::take(
                tx,
                &Taking { subscriber: "b/x", node: 1, at: NOW, lease_until: LATER, batch: 9, bytes: 9 },
            )?;
            Ok((first, again, rest, whole))
        });
        let (first, again, rest, whole) = done.await.unwrap();
        assert_eq!((first, again, rest), (vec![3, 5, 7], vec![3, 5, 7], vec![4, 9]));
        assert_eq!(whole, [notice(5, "{}")]);
    });
}

#[test]
fn one_node_at_a_time_and_no_more_bytes_than_fit() {
    on_both(async |store: Store| {
        let done = store.write(Durability::Disk, |tx| {
            notices::see(tx, &["a/x"], NOW)?;
            write(tx, "a/x", &[1, 2, 3, 4], &format!("\"{}\"", "z".repeat(1000)))?;
            let mine = take(tx, "a/x", 1, NOW, 9, 3000)?;
            let theirs = take(tx, "a/x", 2, NOW, 9, 3000)?;
            // one that is too big goes by itself
            let alone = take(tx, "a/x", 1, NOW, 9, 10)?;
            notices::give_back(tx, "a/x", 1)?;
            let given = take(tx, "a/x", 2, NOW, 9, 3000)?;
            // whoever took it is gone
            let over = take(tx, "a/x", 3, LATER, 9, 3000)?;
            // nobody wants it
            let unknown = take(tx, "c/x", 3, LATER, 9, 3000)?;
            notices::end_leases(tx)?;
            let anew = take(tx, "a/x", 4, NOW, 1, 3000)?;
            Ok([mine, theirs, alone, given, over, unknown, anew])
        });
        let done = done.await.unwrap();
        assert_eq!(done, [vec![1, 2], vec![], vec![1], vec![1, 2], vec![1, 2], vec![], vec![1]]);
    });
}

#[test]
fn beyond_the_limit_the_oldest_go_counted_and_those_who_are_gone_are_forgotten() {
    on_both(async |store: Store| {
        let done = store.write(Durability::Disk, |tx| {
            notices::see(tx, &["a/x", "b/x"], NOW)?;
            write(tx, "a/x", &[1, 2, 3, 4, 5], "{}")?;
            write(tx, "b/x", &[1, 2, 3], "{}")?;
            let mut trim = |of: &str, most: i64, bytes: i64| match notices::excess(tx, of, most, bytes)? {
                Some(last) => notices::drop_until(tx, of, last),
                None => Ok(0),
            };
            let much = 100_000;
            let dropped =
                [trim("a/x", 4, much)?, trim("a/x", 4, much)?, trim("b/x", 3, much)?, trim("a/x", 9, 800)?];
            let backlog = notices::backlog(tx, "a/x")?;
            let left = take(tx, "a/x", 1, NOW, 9, 9000)?;
            notices::see(tx, &["b/x"], LATER)?;
            let mut swept = Vec::new();
            for _ in 0..4 {
                swept.push(notices::sweep(tx, LATER, 2)?);
            }
            let waiting = [notices::is_waiting(tx, "a/x")?, notices::is_waiting(tx, "b/x")?];
            assert_eq!([notices::last_id(tx, "a/x")?, notices::last_id(tx, "b/x")?], [None, Some(Id(3))]);
            Ok((dropped, backlog, left, swept, waiting))
        });
        let (dropped, backlog, left, swept, waiting) = done.await.unwrap();
        assert_eq!(dropped, [1, 0, 0, 1], "four have more than 800 bytes");
        assert_eq!(backlog, (3, 2));
        assert_eq!(left, [3, 4, 5]);
        assert_eq!(swept, [2, 2, 0, 0], "three notices and their subscriber");
        assert_eq!(waiting, [false, true]);
    });
}
