//! A feed says what the schedule says: read as a layer's calendar, the same people are on call at any time.
#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

use std::time::Duration;

use model::period::Period;
use model::schedule::{Calendar, Layer, MIN_POLL, Notices, Rota, Rotation, Schedule, Turns, Unit};
use model::weekly::{TimeOfDay, Weekdays, Weekly, Window};
use model::zone::Zone;
use model::{Id, Time};
use nightbell_calendar::{Entry, feed, read, uid};
use proptest::prelude::*;

const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"];
/// Weekends on which clocks change somewhere, and one on which none does.
const STARTS: [i64; 4] = [1_774_569_600, 1_792_713_600, 1_775_088_000, 1_779_999_900];
const DAY: u64 = 86_400;

fn names(id: Id) -> String {
    format!("user-{}", id.0)
}

fn layers() -> impl Strategy<Value = Layer> {
    let people = prop::collection::vec((1i64..6).prop_map(Id), 1..4);
    let unit = prop::sample::select(vec![Unit::Hours, Unit::Days, Unit::Weeks]);
    let hours = (prop::collection::vec(1i64..8, 1..7), 0u32..48, 0u32..48).prop_map(|(days, start, end)| {
        let at = |half_hours: u32| TimeOfDay::from_seconds(half_hours * 1800).unwrap();
        let end = if end == start { TimeOfDay::END } else { at(end) };
        Weekly(vec![Window { weekdays: Weekdays::from_iso(days).unwrap(), start: at(start), end }])
    });
    (people, unit, 3u32..30, prop::option::of(hours)).prop_map(|(participants, unit, every, restrictions)| {
        let every = if unit == Unit::Hours { every } else { every % 4 + 1 };
        let first_handover = "2026-01-05T09:30:00".parse().unwrap();
        let rotation = Rotation { first_handover, every, unit, participants };
        let turns = Turns::Rotation(rotation);
        Layer { name: "layer".into(), turns, restrictions, starts_at: None, ends_at: None }
    })
}

fn schedule(zone: &str, layers: Vec<Layer>) -> Rota {
    let schedule =
        Schedule { name: "db".into(), zone: Zone::named(zone).unwrap(), layers, notices: Notices::default() };
    Rota { schedule, overrides: Vec::new() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_feed_that_is_read_as_a_calendar_says_the_same(
        zone in prop::sample::select(ZONES.to_vec()),
        other in prop::sample::select(ZONES.to_vec()),
        start in prop::sample::select(STARTS.to_vec()),
        layers in prop::collection::vec(layers(), 1..3),
    ) {
        let rota = schedule(zone, layers);
        let roster = rota.roster();
        let period = Period::new(Time::from_seconds(start), Time::from_seconds(start) + Duration::from_secs(9 * DAY));
        let shifts: Vec<_> = roster.resolve(period).shifts.into_iter().map(|it| roster.whole(it)).collect();
        let entries: Vec<Entry> = shifts.iter().map(|it| Entry {
            uid: uid(Id(1), it),
            title: names(it.user),
            description: String::new(),
            period: Period::new(it.from, it.until),
        }).collect();
        let mut uids: Vec<&str> = entries.iter().map(|it| it.uid.as_str()).collect();
        uids.sort_unstable();
        uids.dedup();
        prop_assert_eq!(uids.len(), entries.len(), "each shift has a UID of its own");
        let text = feed("db", &entries, period.from);
        let mut import = read(text.as_bytes(), &Zone::named(other).unwrap(), period).unwrap();
        let user = |name: &str| name.strip_prefix("user-").map(|id| Id(id.parse().unwrap()));
        let listed = import.shifts(&user);
        prop_assert_eq!(&import.skipped, &[]);
        let turns = Turns::Calendar(Calendar { url: None, every: MIN_POLL, shifts: listed });
        let layer = Layer { name: "read".into(), turns, restrictions: None, starts_at: None, ends_at: None };
        let again = schedule(other, vec![layer]);
        let mut at = period.from;
        while at < period.until {
            let users = |rota: &Rota| rota.roster().on_call(at).into_iter().map(|it| it.user).collect::<Vec<_>>();
            prop_assert_eq!(users(&rota), users(&again), "at {}", at);
            at = at + Duration::from_secs(900);
        }
    }
}
