//! What the store promises about calendars, links to them, and what was told of who is on call; on both databases.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use model::account::{Role, User};
use model::schedule::Listed;
use model::{Id, Time};
use store::Durability::Disk;
use store::calendar_links::{self as links, About, Link};
use store::calendars::{self, Known};
use store::duty::{self, Told};
use store::{definitions, users};
use support::on_both;

fn at(second: i64) -> Time {
    Time::from_seconds(1_790_000_000 + second)
}

#[test]
fn a_calendar_is_kept_by_its_layer_and_nodes_hear_when_it_says_something_else() {
    on_both(async |store| {
        let put = async |it: Known, body: Option<&'static str>| {
            store.write(Disk, move |tx| calendars::put(tx, &it, body, at(0))).await.unwrap();
            store.read(definitions::current_version).await.unwrap()
        };
        let shift = Listed { user: Id(7), from: at(0), until: at(60) };
        let known = Known {
            schedule: Id(1),
            layer: "rota".into(),
            address: "abc".into(),
            etag: "\"1\"".into(),
            shifts: vec![shift],
            skipped: "[]".into(),
            fetched_at: Some(at(1)),
            read_at: at(1),
            due_at: Some(at(9)),
            ..Known::default()
        };
        let first = put(known.clone(), Some("BEGIN")).await;
        let failed = Known { failures: 1, error: "gone".into(), due_at: Some(at(20)), ..known.clone() };
        assert_eq!(put(failed.clone(), None).await, first, "nobody need hear of a failure");
        let found = store.read(|tx| calendars::get(tx, Id(1), "rota")).await.unwrap();
        assert_eq!(found, Some(failed.clone()));
        assert_eq!(store.read(|tx| calendars::body(tx, Id(1), "rota")).await.unwrap(), "BEGIN");
        let other = Known { shifts: vec![Listed { until: at(61), ..shift }], ..known.clone() };
        assert!(put(other, Some("END")).await > first);
        let brief = store.read(calendars::brief).await.unwrap();
        assert_eq!((brief.len(), brief[0].due_at), (1, Some(at(9))));
        assert_eq!(store.read(|tx| calendars::of(tx, Id(2))).await.unwrap(), []);
        store.write(Disk, |tx| calendars::delete(tx, Id(1), "rota", at(0))).await.unwrap();
        assert_eq!(store.read(calendars::all).await.unwrap(), []);
    });
}

#[test]
fn links_are_found_by_their_hash_and_go_with_what_they_show() {
    on_both(async |store| {
        let link = |id: i64, owner: i64, about: About| Link {
            id: Id(id),
            owner: Id(owner),
            about,
            created_at: at(0),
            etag: String::new(),
            changed_at: at(0),
        };
        let all = [
            link(1, 7, About::User(Id(7))),
            link(2, 7, About::Schedule(Id(70))),
            link(3, 8, About::Schedule(Id(70))),
            link(4, 8, About::Schedule(Id(71))),
        ];
        for it in all.clone() {
            let hash = format!("hash {}", it.id.0);
            store.write(Disk, move |tx| links::insert(tx, &it, &hash)).await.unwrap();
        }
        assert_eq!(store.read(|tx| links::by_hash(tx, "hash 3")).await.unwrap(), Some(all[2].clone()));
        assert_eq!(store.read(|tx| links::by_hash(tx, "hash 5")).await.unwrap(), None);
        store.write(Disk, |tx| links::changed(tx, Id(3), "e", at(5))).await.unwrap();
        let found = store.read(|tx| links::get(tx, Id(3))).await.unwrap().unwrap();
        assert_eq!((found.etag.as_str(), found.changed_at), ("e", at(5)));
        let left = async |gone: About| {
            store.write(Disk, move |tx| links::delete_of(tx, gone)).await.unwrap();
            let left = store.read(|tx| links::list(tx, None, 10)).await.unwrap();
            left.iter().map(|it| it.id.0).collect::<Vec<_>>()
        };
        assert_eq!(left(About::Schedule(Id(71))).await, [1, 2, 3]);
        assert_eq!(left(About::User(Id(7))).await, [3], "what they made goes, too");
        assert!(store.write(Disk, |tx| links::delete(tx, Id(3))).await.unwrap());
        assert!(!store.write(Disk, |tx| links::delete(tx, Id(3))).await.unwrap());
    });
}

#[test]
fn a_hand_over_is_told_once_to_each_and_a_finding_is_known_until_it_is_forgotten() {
    on_both(async |store| {
        let it = Told { schedule: Id(1), at: at(60), user: Id(7), comes: true };
        let tell = async |it: Told| store.write(Disk, move |tx| duty::tell(tx, it)).await.unwrap();
        assert!(tell(it).await && !tell(it).await);
        assert!(tell(Told { comes: false, ..it }).await && tell(Told { user: Id(8), ..it }).await);
        assert_eq!(store.write(Disk, |tx| duty::sweep(tx, at(60))).await.unwrap(), 0);
        assert_eq!(store.write(Disk, |tx| duty::sweep(tx, at(61))).await.unwrap(), 3);
        for sum in [4, i64::MIN] {
            store.write(Disk, move |tx| duty::find(tx, "gap:1", sum)).await.unwrap();
        }
        assert_eq!(store.read(duty::findings).await.unwrap(), [("gap:1".to_owned(), i64::MIN)].into());
        store.write(Disk, |tx| duty::forget(tx, "gap:1")).await.unwrap();
        assert!(store.read(duty::findings).await.unwrap().is_empty());
    });
}

#[test]
fn a_user_who_is_forgotten_leaves_no_way_in() {
    on_both(async |store| {
        let user = User::new(Id(7), "ann", Role::Admin, at(0));
        assert!(store.write(Disk, move |tx| users::insert(tx, &user)).await.unwrap());
        store
            .write(Disk, |tx| {
                users::identify(tx, "https://id", "sub", Id(7))?;
                store::teams::put_member(
                    tx,
                    model::account::Membership { team: Id(9), user: Id(7), role: Role::Manager },
                    at(0),
                )
            })
            .await
            .unwrap();
        store.write(Disk, |tx| users::delete(tx, Id(7), at(0))).await.unwrap();
        assert_eq!(store.read(|tx| users::by_identity(tx, "https://id", "sub")).await.unwrap(), None);
        assert_eq!(store.read(|tx| store::teams::of_user(tx, Id(7))).await.unwrap(), []);
        let again = User::new(Id(8), "ann", Role::Viewer, at(1));
        assert!(store.write(Disk, move |tx| users::insert(tx, &again)).await.unwrap(), "the name is free");
    });
}
