//! Measurements of what must not grow with the configuration. They mean something in a release build only:
//! `cargo test --release -p nightbell-testkit --test scale -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot be taken has failed")]

use std::time::{Duration, Instant};

use model::matcher::{self, Matchers};
use model::{Labels, NewEvent, Route, Severity, Silence};
use testkit::World;
use testkit::world::simple_rules;

const ROUTES: usize = 10_000;
const SILENCES: usize = 50_000;
const BATCHES: usize = 60;
const BATCH: usize = 64;

fn matchers(text: &str) -> Matchers {
    Matchers(matcher::parse_list(text).unwrap())
}

#[test]
#[ignore = "a measurement, for a release build"]
fn an_alert_finds_its_way_through_ten_thousand_routes_in_a_millisecond() {
    let mut root = Route::root("ops");
    root.children = (0..ROUTES)
        .map(|n| {
            let matchers = matchers(&format!("team=\"t{n}\",env=~\"prod|stage\",severity!=\"info\""));
            let path = Route::child_path("{}", &matchers, None);
            Route { path, matchers, ..Route::root("ops") }
        })
        .collect();
    let labels: Labels = [
        ("alertname", "Disk"),
        ("env", "prod"),
        ("instance", "a:9100"),
        ("job", "node"),
        ("severity", "page"),
        ("team", &format!("t{}", ROUTES - 1)),
    ]
    .into_iter()
    .collect();
    let (rounds, begin) = (200, Instant::now());
    for _ in 0..rounds {
        let found = root.find(&labels, Severity::Error);
        assert!(found.len() == 1 && found[0].path.contains(&format!("t{}\"", ROUTES - 1)));
    }
    let each = begin.elapsed() / rounds;
    println!("figure routes {:.4}", each.as_secs_f64() * 1e3);
    assert!(each <= Duration::from_millis(1), "{each:?}");
}

/// How long it takes to take so many alerts in and to tell of each.
fn accepts(world: &mut World, round: &str) -> Duration {
    let begin = Instant::now();
    for batch in 0..BATCHES {
        let alert = |n: usize| {
            let labels = [("alertname", "Disk".to_owned()), ("instance", format!("{round}-{batch}-{n}"))];
            NewEvent::raise("test", labels.into_iter().collect())
        };
        world.accept((0..BATCH).map(alert).collect());
    }
    begin.elapsed()
}

#[test]
#[ignore = "a measurement, for a release build"]
fn fifty_thousand_silences_slow_accept_and_flush_by_a_fifth_at_the_most() {
    let mut world = World::new(simple_rules());
    accepts(&mut world, "warm");
    let mut without = (0..5).map(|n| accepts(&mut world, &format!("without{n}"))).collect::<Vec<_>>();
    let (from, until) = (world.now, world.now + Duration::from_secs(86_400));
    let silences: Vec<Silence> = (0..SILENCES)
        .map(|n| Silence {
            id: format!("00000000-0000-4000-8000-{n:012}"),
            matchers: matchers(&format!("alertname=\"Disk\",instance=\"host-{n}:9100\"")),
            starts_at: from,
            ends_at: until,
            recurrence: None,
            created_by: "ann".into(),
            comment: "works".into(),
            updated_at: from,
        })
        .collect();
    let put = move |tx: &mut store::Tx<'_>| silences.iter().try_for_each(|it| store::silences::put(tx, it));
    world.store.write_blocking(put).unwrap();
    let first = accepts(&mut world, "reading");
    let mut with = (0..5).map(|n| accepts(&mut world, &format!("with{n}"))).collect::<Vec<_>>();
    without.sort_unstable();
    with.sort_unstable();
    let ratio = with[2].as_secs_f64() / without[2].as_secs_f64();
    println!(
        "{} alerts: {:?} without silences, {first:?} when {SILENCES} are read, {:?} with them",
        BATCHES * BATCH,
        without[2],
        with[2]
    );
    println!("figure silences {ratio:.3}");
    assert!(ratio <= 1.2, "{ratio}");
}
