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

#[test]
#[ignore = "a measurement, for a release build"]
fn an_event_is_held_against_ten_thousand_profiles_in_two_milliseconds() {
    use std::collections::HashMap;

    use model::Id;
    use model::profile::{Book, Filter, Profile, Subject, Timeslot};

    let mut filters: HashMap<Id, Filter> = HashMap::new();
    let mut slots: HashMap<Id, Timeslot> = HashMap::new();
    let profiles = (0..10_000i64).map(|n| {
        let filter = match n % 4 {
            0 => serde_json::json!({ "tags": [format!("host=db{}", n % 500)] }),
            1 => serde_json::json!({ "maxlevel": 1 + n % 5 }),
            2 => serde_json::json!({ "matchers": [format!("team=\"t{}\",env=~\"prod|stage\"", n % 100)] }),
            _ => serde_json::json!({ "open": true, "event_types": ["STA"], "exclude": { "tags": ["team=t1"] } }),
        };
        let windows = serde_json::json!([{ "start": format!("{:02}:00", n % 24), "end": "23:30" }]);
        let slot = serde_json::json!({ "name": "slot", "windows": windows });
        filters.insert(Id(20_000 + n), serde_json::from_value(filter).unwrap());
        slots.insert(Id(40_000 + n), serde_json::from_value(slot).unwrap());
        let mut profile = Profile::new(Id(n), Id(n / 4), "mine");
        (profile.timeslot, profile.filters) = (Id(40_000 + n), vec![Id(20_000 + n)]);
        profile.destinations = vec![Id(60_000 + n)];
        profile
    });
    let profiles: Vec<Profile> = profiles.collect();
    let book = Book::new(profiles, &slots, &filters, HashMap::new());
    let labels: Labels = [("host", "db7"), ("team", "t3"), ("env", "prod")].into_iter().collect();
    let at = model::Time::from_seconds(1_790_000_000);
    let subject = Subject {
        source: Some(7),
        source_type: "zino",
        labels: &labels,
        tags: &[],
        severity: Severity::Error,
        open: true,
        acked: false,
        stateful: true,
        event: Some(model::profile::EventType::Start),
    };
    let (rounds, begin) = (100, Instant::now());
    for _ in 0..rounds {
        assert!(book.evaluate(&subject, at).told.len() > 1000);
    }
    let each = begin.elapsed() / rounds;
    println!("figure profiles {:.4}", each.as_secs_f64() * 1e3);
    assert!(each <= Duration::from_millis(2), "{each:?}");
}

#[test]
#[ignore = "a measurement, for a release build"]
fn who_is_on_call_by_a_thousand_schedules_of_three_layers_is_known_in_twenty_milliseconds() {
    let turns = |first: &str, unit: &str| {
        serde_json::json!({ "rotation": {
            "first_handover": first, "unit": unit, "participants": (1..=8).map(model::Id).collect::<Vec<_>>() } })
    };
    let rota = |n: usize| -> model::schedule::Rota {
        let zone = ["Europe/Oslo", "America/New_York", "Asia/Kolkata", "UTC"][n % 4];
        let weekends = serde_json::json!([{ "weekdays": [6, 7] }]);
        let nights = serde_json::json!([{ "start": "22:00", "end": "06:00" }]);
        let layers = serde_json::json!([
            { "name": "weeks", "turns": turns("2025-01-06T09:00:00", "weeks") },
            { "name": "nights", "turns": turns("2025-01-06T22:00:00", "days"), "restrictions": nights },
            { "name": "weekends", "turns": turns("2025-01-04T00:00:00", "hours"), "restrictions": weekends },
        ]);
        let schedule = serde_json::json!({ "name": format!("s{n}"), "zone": zone, "layers": layers });
        serde_json::from_value(serde_json::json!({ "schedule": schedule })).unwrap()
    };
    let rotas: Vec<_> = (0..1000).map(rota).collect();
    let at = model::Time::from_seconds(1_790_000_000);
    let (rounds, begin) = (20, Instant::now());
    for _ in 0..rounds {
        assert!(rotas.iter().all(|it| it.roster().on_call(at).len() == 1));
    }
    let each = begin.elapsed() / rounds;
    println!("figure schedules {:.4}", each.as_secs_f64() * 1e3);
    assert!(each <= Duration::from_millis(20), "{each:?}");
}
