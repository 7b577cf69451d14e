use jiff::ToSpan;
use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::zone::LOCAL;

/// An interval of these spells.
fn interval(spells: Value) -> TimeInterval {
    serde_json::from_value(json!({"name": "test", "time_intervals": spells})).unwrap()
}

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

/// One range of times.
fn hours(start: &str, end: &str) -> Value {
    json!({"start_time": start, "end_time": end})
}

/// That one spell holds at some times and not at others.
#[track_caller]
fn holds(spell: Value, yes: &[&str], no: &[&str]) {
    let interval = interval(json!([spell]));
    for at in yes {
        assert!(interval.contains(time(at)), "{at}");
    }
    for at in no {
        assert!(!interval.contains(time(at)), "{at}");
    }
}

#[track_caller]
fn changes(interval: &TimeInterval, at: &str, next: Option<&str>) {
    assert_eq!(interval.next_change(time(at)), next.map(time), "after {at}");
}

#[test]
fn all_that_is_given_must_fit() {
    holds(json!({}), &["2026-01-01T00:00:00Z"], &[]);
    holds(
        json!({"weekdays": ["monday:friday"], "times": [hours("09:00", "17:00")]}),
        &["2026-07-06T09:00:00Z", "2026-07-10T16:59:59.999999Z"],
        &["2026-07-06T08:59:59Z", "2026-07-06T17:00:00Z", "2026-07-11T12:00:00Z"],
    );
    holds(
        json!({"days_of_month": ["-3:-1"], "months": ["January:march", 6], "years": ["2026:2027", 2030]}),
        &["2026-01-29T00:00:00Z", "2027-02-26T12:00:00Z", "2030-06-30T23:59:59Z"],
        &["2026-01-28T23:59:59Z", "2026-04-30T12:00:00Z", "2028-02-29T12:00:00Z"],
    );
    holds(
        json!({"times": [hours("00:00", "06:00"), hours("22:00", "24:00")]}),
        &["2026-01-01T05:59:59Z", "2026-01-01T23:59:59Z"],
        &["2026-01-01T06:00:00Z", "2026-01-01T21:59:59Z"],
    );
    assert!(!interval(json!([])).contains(time("2026-01-01T00:00:00Z")));
}

#[test]
fn days_that_a_month_lacks_are_nowhere() {
    holds(json!({"days_of_month": ["30:31"]}), &["2026-04-30T12:00:00Z"], &["2026-02-28T12:00:00Z"]);
    holds(json!({"days_of_month": ["1:31"]}), &["2026-02-28T12:00:00Z"], &[]);
    holds(json!({"days_of_month": ["-31:-29"]}), &["2028-02-01T00:00:00Z"], &["2026-02-01T00:00:00Z"]);
    holds(json!({"days_of_month": ["27:-1"]}), &["2026-02-28T00:00:00Z"], &["2026-03-26T00:00:00Z"]);
}

#[test]
fn places_have_their_own_time() {
    holds(
        json!({"times": [hours("09:00", "17:00")], "location": "Australia/Sydney"}),
        &["2026-01-06T22:00:00Z", "2026-07-06T23:00:00Z", "2026-04-06T13:00:00+10:00"],
        &["2026-01-06T21:59:00Z", "2026-07-06T22:59:00Z", "2026-04-06T13:00:00Z"],
    );
    holds(
        json!({"days_of_month": ["-1"], "location": "America/New_York"}),
        &["2026-04-01T03:59:59Z"],
        &["2026-03-31T03:59:59Z", "2026-04-01T04:00:00Z"],
    );
}

#[test]
fn a_night_belongs_to_the_day_on_which_it_starts() {
    let night = json!({"times": [hours("22:00", "06:00")], "weekdays": ["friday"]});
    // 2026-07-10 is a Friday
    holds(
        night.clone(),
        &["2026-07-10T22:00:00Z", "2026-07-11T00:00:00Z", "2026-07-11T05:59:59Z"],
        &["2026-07-10T05:00:00Z", "2026-07-10T21:59:59Z", "2026-07-11T06:00:00Z", "2026-07-11T22:00:00Z"],
    );
    let night = interval(json!([night]));
    changes(&night, "2026-07-10T12:00:00Z", Some("2026-07-10T22:00:00Z"));
    changes(&night, "2026-07-10T22:00:00Z", Some("2026-07-11T06:00:00Z"));
    holds(
        json!({"times": [hours("22:00", "00:00")], "days_of_month": [31], "years": [2026]}),
        &["2026-12-31T23:59:59Z"],
        &["2027-01-01T00:00:00Z"],
    );
}

#[test]
fn the_next_change_is_found_over_months() {
    let weekend = interval(json!([{"weekdays": ["saturday", "sunday"], "location": "Europe/Berlin"}]));
    changes(&weekend, "2026-07-10T12:00:00Z", Some("2026-07-10T22:00:00Z"));
    // Sunday follows without a gap, although the week of ranges begins with it
    changes(&weekend, "2026-07-10T22:00:00Z", Some("2026-07-12T22:00:00Z"));
    // the clock is put back on this Sunday
    changes(&weekend, "2026-10-23T22:00:00Z", Some("2026-10-25T23:00:00Z"));

    let years = interval(json!([{"years": [2026]}]));
    changes(&years, "2025-02-01T00:00:00Z", Some("2026-01-01T00:00:00Z"));
    changes(&years, "2026-02-01T00:00:00.000001Z", Some("2027-01-01T00:00:00Z"));
    changes(&years, "2027-01-01T00:00:00Z", None);
    changes(&years, "2020-01-01T00:00:00Z", None);
    let leap_day = interval(json!([{"months": ["february"], "days_of_month": [29]}]));
    changes(&leap_day, "2026-03-01T00:00:00Z", Some("2028-02-29T00:00:00Z"));
    changes(&leap_day, "2024-03-01T00:00:00Z", None);
}

#[test]
fn what_follows_without_a_gap_is_no_change() {
    let hours = |start, end| json!({"times": [hours(start, end)]});
    let all_day = interval(json!([hours("00:00", "12:00"), hours("12:00", "24:00")]));
    changes(&all_day, "2026-07-10T11:00:00Z", None);
    changes(&interval(json!([{}, {"weekdays": ["monday"]}])), "2026-07-10T11:00:00Z", None);
    changes(&interval(json!([])), "2026-07-10T11:00:00Z", None);
    let chain = interval(json!([hours("01:00", "03:00"), hours("05:00", "06:00"), hours("02:00", "05:00")]));
    changes(&chain, "2026-07-10T01:30:00Z", Some("2026-07-10T06:00:00Z"));
    changes(&chain, "2026-07-10T06:00:00Z", Some("2026-07-11T01:00:00Z"));
}

#[test]
fn the_ends_of_time_are_harmless() {
    let office = interval(json!([{"times": [hours("22:00", "06:00")], "location": "America/New_York"}]));
    for at in [Time(i64::MIN), Time(i64::MAX), Time::MIN, Time::MAX] {
        let _ = (office.contains(at), office.next_change(at));
    }
}

#[test]
fn it_is_written_as_it_is_read() {
    let json = json!({"name": "last days", "time_intervals": [
        {
            "times": [hours("09:05", "24:00"), hours("22:00", "06:30")],
            "weekdays": ["monday:friday", "sunday"],
            "days_of_month": ["1:5", "-3:-1", "10"],
            "months": ["january:march", "december"],
            "years": ["2026:2028", "2030"],
            "location": "Europe/Berlin",
        },
        {},
    ]});
    let interval: TimeInterval = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(&interval).unwrap(), json);
    // other ways to write the same
    let other = json!({
        "weekdays": ["Monday:FRIDAY"], "months": ["1:3", 12], "days_of_month": [-1], "times": null,
        "location": "utc",
    });
    let other: Spell = serde_json::from_value(other).unwrap();
    let same = json!({
        "weekdays": ["monday:friday"], "months": ["january:march", "december"], "days_of_month": ["-1"],
    });
    assert_eq!(serde_json::to_value(&other).unwrap(), same);
    assert_eq!(serde_json::from_value::<Spell>(same).unwrap(), other);
}

#[test]
fn errors_say_what_would_be_right() {
    let hours = |start, end| json!({"times": [hours(start, end)]});
    for (spell, error) in [
        (
            json!({"weekdays": ["blurgsday:friday"]}),
            "\"blurgsday\" is not a weekday; write sunday to saturday",
        ),
        (json!({"weekdays": ["1:3"]}), "\"1\" is not a weekday"),
        (json!({"weekdays": [" monday"]}), "\" monday\" is not a weekday"),
        (
            json!({"weekdays": ["friday:monday"]}),
            "\"friday:monday\" ends before it starts; weeks start on sunday",
        ),
        (json!({"weekdays": ["monday:friday:sunday"]}), "more than one colon"),
        (json!({"weekdays": "monday"}), "expected a sequence"),
        (json!({"days_of_month": ["0"]}), "\"0\" is not a day of the month; write 1 to 31"),
        (json!({"days_of_month": [32]}), "\"32\" is not a day of the month"),
        (json!({"days_of_month": ["-32:-1"]}), "\"-32\" is not a day of the month"),
        (json!({"days_of_month": [1.5]}), "expected a day of the month: 1 to 31"),
        (json!({"days_of_month": ["-15:5"]}), "counts from the end if the first does"),
        (json!({"days_of_month": ["10:-25"]}), "\"10:-25\" ends before it starts"),
        // in Alertmanager too, although longer months have such days
        (json!({"days_of_month": ["28:-1"]}), "the last day may not be before the first in any month"),
        (json!({"days_of_month": ["10:9"]}), "\"10:9\" ends before it starts"),
        (json!({"months": ["martius:june"]}), "\"martius\" is not a month; write january to december"),
        (json!({"months": ["0:13"]}), "\"0\" is not a month"),
        (json!({"months": ["december:january"]}), "ends before it starts; years start in january"),
        (
            json!({"years": ["2022:2020"]}),
            "\"2022:2020\" ends before it starts; write the earlier year first",
        ),
        (json!({"years": ["99999"]}), "\"99999\" is not a year"),
        (json!({"years": []}), "an empty list would never fit"),
        (json!({"years": vec![2026; 65]}), "65 ranges, the most is 64"),
        (
            hours("9:00", "17:00"),
            "start_time \"9:00\" is not a time of the day; write HH:MM, such as '09:30'",
        ),
        (hours("09:00", "24:01"), "end_time \"24:01\" is not a time"),
        (hours("01:60", "02:00"), "start_time \"01:60\" is not a time"),
        (hours("24:00", "17:00"), "start_time 24:00 is the end of a day"),
        (hours("17:31", "17:31"), "both 17:31; write 00:00 and 24:00 for the whole day"),
        (json!({"times": [{"start_time": "14:03"}]}), "missing field `end_time`"),
        (
            json!({"times": [{"start_time": "14:03", "end_time": "15:00", "zone": ""}]}),
            "unknown field `zone`",
        ),
        (json!({"weekday": ["monday"]}), "unknown field `weekday`"),
        (
            json!({"location": "Europe/Atlantis"}),
            "location \"Europe/Atlantis\" is no IANA time zone; write a name",
        ),
        (json!({"location": "Local"}), "may differ from node to node"),
    ] {
        let have = serde_json::from_value::<Spell>(spell.clone()).unwrap_err().to_string();
        assert!(have.contains(error), "{spell}: {have}");
    }
    for (interval, error) in [
        (json!({"name": ""}), "missing name in time interval"),
        (json!({"time_intervals": []}), "missing field `name`"),
        (json!({"name": "x", "intervals": []}), "unknown field `intervals`"),
        (json!({"name": "x", "time_intervals": vec![json!({}); 513]}), "more than 512 time_intervals"),
    ] {
        let have = serde_json::from_value::<TimeInterval>(interval.clone()).unwrap_err().to_string();
        assert!(have.contains(error), "{interval}: {have}");
    }
}

/// A spell as numbers, with its own idea of when it holds: the model for the properties.
#[derive(Clone, Debug)]
struct Model {
    hours: Vec<(i64, i64)>,
    weekdays: Vec<(i16, i16)>,
    days: Vec<(i16, i16)>,
    months: Vec<(i16, i16)>,
    zone: &'static str,
}

impl Model {
    fn json(&self) -> Value {
        let names = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
        let clock = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
        let mut json = json!({"location": self.zone});
        let mut put = |field: &str, list: Vec<Value>| {
            if !list.is_empty() {
                json[field] = list.into();
            }
        };
        let pairs = |list: &[(i16, i16)]| list.iter().map(|(a, b)| format!("{a}:{b}").into()).collect();
        let weekdays =
            self.weekdays.iter().map(|(a, b)| format!("{}:{}", names[*a as usize], names[*b as usize]));
        let hours = self.hours.iter().map(|(a, b)| json!({"start_time": clock(*a), "end_time": clock(*b)}));
        put("times", hours.collect());
        put("weekdays", weekdays.map(Value::from).collect());
        put("days_of_month", pairs(&self.days));
        put("months", pairs(&self.months));
        json
    }

    fn is_day(&self, date: Date) -> bool {
        let fits = |list: &[(i16, i16)], wanted: &[i16]| {
            list.is_empty() || list.iter().any(|(first, last)| wanted.iter().any(|n| first <= n && n <= last))
        };
        // a day has two numbers, from either end of its month
        let (from_start, days) = (i16::from(date.day()), i16::from(date.days_in_month()));
        let from_end = from_start - days - 1;
        let picked = self.days.iter().any(|(first, last)| {
            let begun = if *first > 0 { *first <= from_start } else { *first <= from_end };
            begun && if *last > 0 { from_start <= *last } else { from_end <= *last }
        });
        fits(&self.weekdays, &[date.weekday().to_sunday_zero_offset().into()])
            && fits(&self.months, &[date.month().into()])
            && (picked || self.days.is_empty())
    }

    fn contains(&self, wall: DateTime) -> bool {
        let whole = [(0, 24 * 60)];
        let hours: &[_] = if self.hours.is_empty() { &whole } else { &self.hours };
        [wall.date(), wall.date().yesterday().unwrap()].into_iter().filter(|date| self.is_day(*date)).any(
            |date| {
                let midnight = date.at(0, 0, 0, 0);
                hours.iter().any(|(start, end)| {
                    let end = if end < start { end + 24 * 60 } else { *end };
                    midnight + start.minutes() <= wall && wall < midnight + end.minutes()
                })
            },
        )
    }
}

/// Zones and the days around which their clocks are put forward or back, at midnight in Beirut.
const ZONES: [(&str, &[&str]); 5] = [
    ("Europe/Berlin", &["2026-03-29T00:00:00Z", "2026-10-25T00:00:00Z"]),
    ("America/New_York", &["2026-03-08T06:00:00Z", "2026-11-01T05:00:00Z"]),
    ("Australia/Lord_Howe", &["2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z"]),
    ("Asia/Beirut", &["2026-03-28T22:00:00Z", "2026-10-24T21:00:00Z"]),
    ("UTC", &["2027-12-31T12:00:00Z", "2028-02-28T12:00:00Z"]),
];

fn ordered(a: i16, b: i16) -> (i16, i16) {
    (a.min(b), a.max(b))
}

fn model() -> impl Strategy<Value = Model> {
    // many ranges begin or end where clocks are changed
    let minute = || prop_oneof![0..24 * 60i64, (0..12i64).prop_map(|n| n * 30), Just(24 * 60)];
    let hours = (minute(), minute()).prop_filter("hours", |(start, end)| start != end && *start != 24 * 60);
    let some = |range: std::ops::Range<i16>| {
        prop::collection::vec((range.clone(), range).prop_map(|(a, b)| ordered(a, b)), 0..2)
    };
    let days = prop_oneof![
        Just(vec![]),
        some(1..32),
        (1..16i16, -12..0i16).prop_map(|(first, last)| vec![(first, last)]),
        (-31..0i16, -31..0i16).prop_map(|(a, b)| vec![ordered(a, b)]),
    ];
    let months = prop_oneof![3 => Just(vec![]), 1 => some(1..13)];
    let zone = prop::sample::select(ZONES.to_vec()).prop_map(|(zone, _)| zone);
    (prop::collection::vec(hours, 0..3), some(0..7), days, months, zone)
        .prop_map(|(hours, weekdays, days, months, zone)| Model { hours, weekdays, days, months, zone })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_calendar_is_walked_as_a_clock_walks_it(
        models in prop::collection::vec(model(), 1..4),
        (zone, around) in prop::sample::select(ZONES.to_vec()),
        late in any::<bool>(),
        before_minutes in 0..3000i64,
        micros in 0..60_000_000i64,
    ) {
        const MINUTES: i64 = 4000;
        let spells: Vec<Value> = models.iter().map(Model::json).collect();
        let interval = interval(spells.into());
        let written = serde_json::to_string(&interval).unwrap();
        prop_assert_eq!(&serde_json::from_str::<TimeInterval>(&written).unwrap(), &interval);

        let start = time(around[usize::from(late)]).0 - before_minutes * 60_000_000;
        let database = TimeZoneDatabase::bundled();
        let zones: Vec<_> = models.iter().map(|model| database.get(model.zone).unwrap()).collect();
        let want = |at: Time| {
            models.iter().zip(&zones).any(|(model, zone)| {
                model.contains(at.to_timestamp().to_zoned(zone.clone()).datetime())
            })
        };
        let at = Time(start + micros);
        let now = want(at);
        prop_assert_eq!(interval.contains(at), now);
        let mut change = None;
        for minute in 1..=MINUTES {
            let at = Time(start + minute * 60_000_000);
            let there = want(at);
            prop_assert_eq!(interval.contains(at), there, "{} in {}", at, zone);
            if there != now && change.is_none() {
                change = Some(at);
            }
        }
        let end = Time(start + MINUTES * 60_000_000);
        prop_assert_eq!(interval.next_change(at).filter(|change| *change <= end), change);
    }

    #[test]
    fn every_change_is_one_and_nothing_changes_before_it(
        models in prop::collection::vec(model(), 1..4),
        day in 0..700i64,
    ) {
        let interval = interval(models.iter().map(Model::json).collect::<Vec<_>>().into());
        let at = Time(time("2026-01-01T00:00:00Z").0 + day * 86_400_000_000);
        let Some(change) = interval.next_change(at) else { return Ok(()) };
        let now = interval.contains(at);
        prop_assert_ne!(interval.contains(change), now);
        for n in 0..1000 {
            let between = Time(at.0 + (change.0 - 1 - at.0) / 999 * n);
            prop_assert_eq!(interval.contains(between), now, "{}", between);
        }
        prop_assert_eq!(interval.contains(Time(change.0 - 1)), now);
    }
}

#[test]
fn a_spell_can_be_put_into_any_zone() {
    let read = |location: &str| {
        let times = json!([{"start_time": "09:00", "end_time": "17:00"}]);
        let spell: Spell = serde_json::from_value(json!({"times": times, "location": location})).unwrap();
        spell
    };
    let mut moved = read("UTC");
    moved.set_zone(jiff::tz::TimeZone::get("Europe/Berlin").unwrap());
    assert_eq!(serde_json::to_value(&moved).unwrap(), serde_json::to_value(read("Europe/Berlin")).unwrap());
    moved.set_zone(jiff::tz::TimeZone::posix("ABC-3").unwrap());
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    assert!(moved.contains(at("2026-06-01T06:00:00Z")) && !moved.contains(at("2026-06-01T14:00:00Z")));
    assert_eq!(serde_json::to_value(&moved).unwrap()["location"], LOCAL);
}
