//! What the store promises about what people define, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use model::{Id, Time};
use store::Durability::Disk;
use store::definitions::{self, Definition, Kind};
use store::digests::{self, Collected};
use store::{maintained, past};
use support::on_both;

fn at(second: i64) -> Time {
    Time::from_seconds(1_790_000_000 + second)
}

fn definition(id: i64, owner: i64, name: &str) -> Definition<Vec<i64>> {
    let body = vec![id];
    Definition { id: Id(id), owner: Id(owner), name: name.into(), body, created_at: at(0), updated_at: at(0) }
}

#[test]
fn definitions_are_kept_by_owner_and_name_and_change_their_version() {
    on_both(async |store| {
        let put = async |kind: Kind, it: Definition<Vec<i64>>| {
            store.write(Disk, move |tx| definitions::put(tx, kind, &it)).await.unwrap()
        };
        let version = async || store.read(definitions::current_version).await.unwrap();
        let before = version().await;
        assert!(put(Kind::Filter, definition(1, 7, "mine")).await);
        assert!(version().await > before);
        let before = version().await;
        assert!(!put(Kind::Filter, definition(2, 7, "mine")).await, "no two of one name");
        assert_eq!(version().await, before);
        assert!(put(Kind::Filter, definition(3, 8, "mine")).await, "but of two owners");
        assert!(put(Kind::Timeslot, definition(4, 7, "mine")).await, "and of two kinds");
        let changed = Definition { body: vec![9], updated_at: at(5), ..definition(1, 7, "other") };
        assert!(put(Kind::Filter, changed.clone()).await);
        let found = async |kind: Kind, id: i64| {
            store.read(move |tx| definitions::get::<Vec<i64>>(tx, kind, Id(id))).await.unwrap()
        };
        assert_eq!(found(Kind::Filter, 1).await, Some(changed));
        assert_eq!(found(Kind::Timeslot, 1).await, None, "it is a filter");
        assert_eq!(store.read(|tx| definitions::kind_of(tx, Id(4))).await.unwrap(), Some(Kind::Timeslot));
        let mine =
            store.read(|tx| definitions::all::<Vec<i64>>(tx, Kind::Filter, Some(Id(7)))).await.unwrap();
        assert_eq!(mine.len(), 1);
        let unreadable = store.read(|tx| definitions::all::<String>(tx, Kind::Filter, None)).await.unwrap();
        assert_eq!(unreadable, [], "what cannot be read is left out");
        let delete = async |second: i64| {
            store
                .write(Disk, move |tx| definitions::delete(tx, Kind::Filter, Id(1), at(second)))
                .await
                .unwrap()
        };
        assert!(delete(9).await && !delete(10).await);
        let was = async |second: i64| {
            let was = store.read(move |tx| past::definition::<Vec<i64>>(tx, Kind::Filter, Id(1), at(second)));
            was.await.unwrap().map(|it| it.body)
        };
        assert_eq!((was(-1).await, was(0).await, was(4).await), (None, Some(vec![1]), Some(vec![1])));
        assert_eq!((was(5).await, was(8).await, was(9).await), (Some(vec![9]), Some(vec![9]), None));
        let mine = store.read(|tx| past::definitions::<Vec<i64>>(tx, Kind::Filter, Some(Id(7)), at(6)));
        assert_eq!(mine.await.unwrap().len(), 1);
        assert_eq!(store.write(Disk, |tx| definitions::delete_of(tx, Id(7), Time(90))).await.unwrap(), 1);
        let left = store.read(|tx| definitions::all::<Vec<i64>>(tx, Kind::Filter, None)).await.unwrap();
        assert_eq!(left.iter().map(|it| it.id).collect::<Vec<_>>(), [Id(3)]);
    });
}

#[test]
fn what_is_collected_is_due_together_and_taken_once() {
    on_both(async |store| {
        let collect = async |place: &'static str, incident: i64, second: i64| {
            let it =
                Collected { place: place.to_owned(), incident: Id(incident), held_by: Id(0), began: true };
            store.write(Disk, move |tx| digests::collect(tx, &it, at(second))).await.unwrap()
        };
        assert_eq!(collect("@a", 1, 60).await, at(60));
        assert_eq!(collect("@a", 2, 90).await, at(60), "it goes with what is there already");
        assert_eq!(collect("@a", 3, 30).await, at(30), "and what is there with what is due sooner");
        assert_eq!(collect("@b", 1, 100).await, at(100));
        assert_eq!(store.read(digests::next_due).await.unwrap(), Some(at(30)));
        let take =
            async |second: i64| store.write(Disk, move |tx| digests::take(tx, at(second), 10)).await.unwrap();
        assert_eq!(take(29).await, []);
        let due: Vec<_> = take(30).await.into_iter().map(|it| (it.place, it.incident.0)).collect();
        assert_eq!(due, [("@a".to_owned(), 1), ("@a".to_owned(), 2), ("@a".to_owned(), 3)]);
        assert_eq!(take(30).await, []);
        assert_eq!(store.read(digests::next_due).await.unwrap(), Some(at(100)));
    });
}

#[test]
fn what_is_kept_back_for_different_reasons_is_due_by_itself_and_can_be_rung() {
    on_both(async |store| {
        let collect = async |incident: i64, held_by: i64, second: i64| {
            let it = Collected {
                place: "@a".to_owned(),
                incident: Id(incident),
                held_by: Id(held_by),
                began: true,
            };
            store.write(Disk, move |tx| digests::collect(tx, &it, at(second))).await.unwrap()
        };
        assert_eq!(collect(1, 0, 60).await, at(60));
        assert_eq!(collect(2, 7, 900).await, at(900), "the night is longer than a digest");
        assert_eq!(collect(3, 9, 800).await, at(800));
        let covered = [(Id(9), Id(3), at(800)), (Id(9), Id(4), at(800)), (Id(8), Id(4), at(500))];
        store.write(Disk, move |tx| maintained::note(tx, &covered)).await.unwrap();
        assert_eq!(store.read(maintained::next_due).await.unwrap(), Some(at(500)));
        store.write(Disk, |tx| maintained::ring(tx, Id(9), at(10))).await.unwrap();
        let due = store.write(Disk, |tx| maintained::take(tx, at(10), 10)).await.unwrap();
        assert_eq!(due, [(Id(9), Id(3)), (Id(9), Id(4))]);
        let due = store.write(Disk, |tx| digests::take(tx, at(10), 10)).await.unwrap();
        assert_eq!(due.iter().map(|it| it.incident).collect::<Vec<_>>(), [Id(3)]);
        let of_one = store.read(|tx| digests::of_incident(tx, Id(2))).await.unwrap();
        assert_eq!(of_one.iter().map(|(it, at)| (it.held_by, *at)).collect::<Vec<_>>(), [(Id(7), at(900))]);
    });
}
