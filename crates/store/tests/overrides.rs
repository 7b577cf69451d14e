//! What was overridden is kept version by version, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use model::Time;
use store::overrides::{self, KEPT, Version};
use store::{Durability, Store};
use support::on_both;

fn version(number: i64) -> Version {
    Version {
        version: number,
        at: Time::from_seconds(1_800_000_000 + number),
        by: "ann".to_owned(),
        summary: "log: set level".to_owned(),
        rolled_back_to: (number == 3).then_some(1),
        document: Ok(format!("{{\"log\":{{\"\":{{\"set\":{{\"level\":\"{number} ü\"}}}}}}}}")),
    }
}

#[test]
fn each_change_is_a_version_and_no_two_have_one_number() {
    on_both(async |store: Store| {
        assert!(store.read(overrides::newest).await.unwrap().is_none());
        for number in 1..=3 {
            let kept = store.write(Durability::Disk, move |tx| overrides::keep(tx, &version(number))).await;
            assert!(kept.unwrap());
        }
        let twice = Version { summary: "of another node".to_owned(), ..version(3) };
        assert!(!store.write(Durability::Disk, move |tx| overrides::keep(tx, &twice)).await.unwrap());
        assert!(store.read(overrides::newest).await.unwrap() == Some(version(3)));
        assert!(store.read(|tx| overrides::get(tx, 2)).await.unwrap() == Some(version(2)));
        let listed = store.read(overrides::list).await.unwrap();
        let numbers: Vec<i64> = listed.iter().map(|it| it.version).collect();
        assert_eq!(numbers, [3, 2, 1]);
        assert!(listed.iter().all(|it| it.document.as_deref() == Ok("")));
        store.write(Durability::Disk, |tx| overrides::keep(tx, &version(KEPT + 2))).await.unwrap();
        assert!(store.read(|tx| overrides::get(tx, 2)).await.unwrap().is_none(), "the oldest are forgotten");
        assert!(store.read(|tx| overrides::get(tx, 3)).await.unwrap().is_some());
    });
}
