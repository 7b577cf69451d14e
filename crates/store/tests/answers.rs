//! What people answer, and who stands in for whom, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use model::{Id, Time};
use store::failovers::Waiting;
use store::{Durability, Store, answers, failovers};
use support::on_both;

const NOW: Time = Time::from_seconds(1_800_000_000);

fn at(seconds: i64) -> Time {
    Time(NOW.0 + seconds * 1_000_000)
}

#[test]
fn a_secret_is_made_once_and_an_answer_is_given_once() {
    on_both(async |store: Store| {
        let secret =
            |fresh: &'static str| store.write(Durability::Disk, move |tx| answers::secret(tx, "key", fresh));
        assert_eq!(
            (secret("one").await.unwrap(), secret("two").await.unwrap()),
            ("one".into(), "one".into())
        );
        let give =
            |way: &'static str| store.write(Durability::Disk, move |tx| answers::give(tx, Id(7), way, NOW));
        assert!(give("page").await.unwrap());
        assert!(!give("page").await.unwrap() && give("mail ack").await.unwrap());
        assert!(store.read(|tx| answers::was_given(tx, Id(7), "page")).await.unwrap());
        assert!(!store.read(|tx| answers::was_given(tx, Id(8), "page")).await.unwrap());
        // what it answered is not there any more
        assert_eq!(store.write(Durability::Disk, |tx| answers::sweep(tx, NOW, 10)).await.unwrap(), 0);
        assert_eq!(store.write(Durability::Disk, |tx| answers::sweep(tx, at(1), 10)).await.unwrap(), 2);
    });
}

#[test]
fn one_node_listens_at_a_time() {
    on_both(async |store: Store| {
        let listen = |node: i64, now: i64| {
            let take = move |tx: &mut store::Tx<'_>| answers::listen(tx, "mail", node, at(now), at(now + 90));
            store.write(Durability::Disk, take)
        };
        assert!(listen(1, 0).await.unwrap());
        assert!(!listen(2, 80).await.unwrap() && listen(1, 80).await.unwrap());
        assert!(listen(2, 171).await.unwrap(), "the other has not been heard of");
        assert!(!listen(1, 172).await.unwrap());
    });
}

#[test]
fn what_waits_for_its_confirmation_is_taken_when_it_is_due_or_hopeless() {
    on_both(async |store: Store| {
        let waiting =
            |id: i64, place: &str| Waiting { delivery: Id(id), destination: place.into(), due_at: at(100) };
        let all = [waiting(1, "@a/1"), waiting(2, "@a/1"), waiting(3, "@b/2")];
        store.write(Durability::Disk, move |tx| failovers::put(tx, &all)).await.unwrap();
        let take = |now: i64| store.write(Durability::Disk, move |tx| failovers::take(tx, at(now), 10));
        assert_eq!(take(99).await.unwrap(), []);
        assert_eq!(store.read(failovers::next_due).await.unwrap(), Some(at(100)));
        store.write(Durability::Disk, |tx| failovers::hasten(tx, &[(Id(3), at(5))])).await.unwrap();
        let ids = |all: Vec<Waiting>| all.into_iter().map(|it| it.delivery.0).collect::<Vec<_>>();
        assert_eq!(ids(take(5).await.unwrap()), [3]);
        store.write(Durability::Disk, |tx| failovers::hasten_all(tx, "@a/1", at(6))).await.unwrap();
        assert_eq!(ids(take(6).await.unwrap()), [1, 2]);
        assert_eq!(store.read(failovers::next_due).await.unwrap(), None);
    });
}
