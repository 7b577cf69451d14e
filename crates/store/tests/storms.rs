//! What is remembered of storms, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use model::event::{Event, NewEvent};
use model::storm::{Storm, StormRule};
use model::{Id, Incident, Labels, Time};
use store::events::Texts;
use store::{Durability, Store, storms};
use support::on_both;

fn at(second: i64) -> Time {
    Time::from_seconds(1_790_000_000 + second)
}

fn incident(id: i64) -> Incident {
    let labels: Labels = [("alertname", "Disk")].into_iter().collect();
    Incident::open(&Event::arrive(NewEvent::raise("test", labels), Id(id), at(id))).0
}

#[test]
fn a_storm_and_what_it_hid_come_back_until_it_is_over() {
    on_both(async |store: Store| {
        let span = Duration::from_secs;
        let rule = StormRule {
            messages: 1,
            within: span(60),
            gather: span(10),
            again_after: span(60),
            over_after: span(60),
        };
        let mut storm = Storm::default();
        assert_eq!([storm.message(&rule, at(0)), storm.message(&rule, at(1))], [false, true]);
        let (kept, incidents) = (storm.clone(), [incident(7), incident(8)]);
        let known = incidents.clone();
        let written = store.write(Durability::Disk, move |tx| {
            let rows = known.iter().map(|it| (it, Arc::new(Texts::of(&it.labels, &it.annotations))));
            store::incidents::insert(tx, &rows.collect::<Vec<_>>())?;
            storms::put(tx, &[("ops", &Storm::default())])?;
            storms::put(tx, &[("ops", &kept), ("calm", &Storm::default())])?;
            let held = [("ops".to_owned(), Id(7)), ("ops".to_owned(), Id(8)), ("ops".to_owned(), Id(7))];
            storms::hold(tx, &held)
        });
        written.await.unwrap();
        let ours = [("ops".to_owned(), storm.clone())];
        assert_eq!(store.read(|tx| storms::of(tx, &["nobody", "ops"])).await.unwrap(), ours);
        assert_eq!(store.read(|tx| storms::due(tx, at(10), 9)).await.unwrap(), []);
        assert_eq!(store.read(|tx| storms::due(tx, at(11), 9)).await.unwrap(), ours);
        assert_eq!(store.read(storms::next_due).await.unwrap(), Some(at(11)));
        assert_eq!(store.read(storms::all).await.unwrap(), ours);
        let held = store.read(|tx| storms::held(tx, "ops", 1)).await.unwrap();
        assert_eq!(held, incidents[1..], "the latest first");
        assert_eq!(store.read(|tx| storms::count_held(tx, "ops")).await.unwrap(), 2);
        store.write(Durability::Disk, |tx| storms::release(tx, "ops")).await.unwrap();
        assert_eq!(store.read(|tx| storms::count_held(tx, "ops")).await.unwrap(), 0);
    });
}
