//! Rules of recurrence, against another reading of them.
#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

use model::Time;
use model::period::Period;
use model::zone::Zone;
use nightbell_calendar::read;
use proptest::prelude::*;

const START: &str = "20260105T090000";

/// What we make of a rule within ten years of its start.
fn ours(rule: &str, start: &str) -> Vec<i64> {
    let text = format!(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\n\
         DTSTART:{start}Z\nDURATION:PT1H\nRRULE:{rule}\nEND:VEVENT\nEND:VCALENDAR\n"
    );
    let within =
        Period::new("1990-01-01T00:00:00Z".parse().unwrap(), "2036-01-01T00:00:00Z".parse().unwrap());
    let import = read(text.as_bytes(), &Zone::UTC, within).unwrap();
    assert_eq!(import.skipped, [], "{rule}");
    import.occurrences.iter().map(|it| it.period.from.as_seconds()).collect()
}

/// The same by the crate `rrule`.
fn theirs(rule: &str, start: &str) -> Vec<i64> {
    let set: rrule::RRuleSet = format!("DTSTART:{start}Z\nRRULE:{rule}").parse().unwrap();
    let last = "2036-01-01T00:00:00Z".parse::<Time>().unwrap().as_seconds();
    let all = set.all(u16::MAX).dates.into_iter().map(|at| at.timestamp());
    all.take_while(|at| *at < last).take(4000).collect()
}

#[test]
fn rules_of_rotas_mean_what_they_say() {
    for rule in [
        "FREQ=DAILY;COUNT=10",
        "FREQ=DAILY;INTERVAL=3;UNTIL=20260301T090000Z",
        "FREQ=WEEKLY;BYDAY=MO,WE,FR;COUNT=20",
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=SU,MO;COUNT=20",
        "FREQ=WEEKLY;INTERVAL=2;WKST=MO;BYDAY=SU,MO;COUNT=20",
        "FREQ=MONTHLY;BYDAY=1MO;COUNT=12",
        "FREQ=MONTHLY;BYDAY=-1FR;COUNT=12",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=12",
        "FREQ=MONTHLY;BYMONTHDAY=31;COUNT=12",
        "FREQ=MONTHLY;BYMONTHDAY=-1,15;COUNT=12",
        "FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU;COUNT=9",
        "FREQ=YEARLY;BYDAY=20MO;COUNT=3",
        "FREQ=YEARLY;BYYEARDAY=1,100,-1;COUNT=9",
        "FREQ=YEARLY;COUNT=5",
        "FREQ=DAILY;BYHOUR=9,21;BYMINUTE=0,30;COUNT=9",
    ] {
        assert_eq!(ours(rule, START), theirs(rule, START), "{rule}");
    }
}

fn part(name: &'static str, values: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
    let list = prop::collection::vec(values, 1..4).prop_map(move |all| format!(";{name}={}", all.join(",")));
    prop_oneof![2 => Just(String::new()), 1 => list].boxed()
}

fn rules() -> impl Strategy<Value = String> {
    let days = prop::sample::select(vec!["MO", "TU", "WE", "TH", "FR", "SA", "SU"]);
    let nth = prop::sample::select(vec!["1", "2", "5", "-1", "-2"]);
    let frequency = prop::sample::select(vec!["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]);
    let weeks = prop::sample::select(vec!["", ";WKST=SU", ";WKST=WE"]);
    (frequency, 1u8..5, 1u8..40, weeks, any::<bool>()).prop_flat_map(
        move |(frequency, interval, count, week, each)| {
            // the other reading wants days with a number and days without one to fit both
            let each = each || !matches!(frequency, "MONTHLY" | "YEARLY");
            let weekdays = (nth.clone(), days.clone())
                .prop_map(move |(nth, day)| format!("{}{day}", if each { "" } else { nth }));
            let number = |range: std::ops::Range<i16>| {
                range.prop_filter("zero", |n| *n != 0).prop_map(|n| n.to_string())
            };
            let nothing = || Just(String::new()).boxed();
            // RFC 5545 knows no days of the month in weeks, and days of the year in years only
            let month_days =
                if frequency == "WEEKLY" { nothing() } else { part("BYMONTHDAY", number(-31..32)) };
            let year_days =
                if frequency == "YEARLY" { part("BYYEARDAY", number(-366..367)) } else { nothing() };
            (
                part("BYMONTH", number(1..13)),
                month_days,
                year_days,
                part("BYDAY", weekdays),
                part("BYHOUR", (0i16..24).prop_map(|n| n.to_string())),
            )
                .prop_map(move |(months, month_days, year_days, weekdays, hours)| {
                    let dates = format!("{months}{month_days}{year_days}{weekdays}{hours}");
                    format!("FREQ={frequency};INTERVAL={interval};COUNT={count}{week}{dates}")
                })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn two_readings_of_a_rule_agree(rule in rules(), day in 1u8..29, month in 1u8..13) {
        let start = format!("2026{month:02}{day:02}T090000");
        prop_assert_eq!(ours(&rule, &start), theirs(&rule, &start), "{}", rule);
    }

    /// A rule that is not counted is not looked at from its start on, which must make no difference.
    #[test]
    fn where_one_begins_to_look_makes_no_difference(rule in rules(), years in 1i64..3) {
        let rule = rule.split(';').filter(|part| !part.starts_with("COUNT")).collect::<Vec<_>>().join(";");
        let read = |from: i64| {
            let text = format!(
                "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\n\
                 DTSTART:{START}Z\nDURATION:PT1H\nRRULE:{rule}\nEND:VEVENT\nEND:VCALENDAR\n"
            );
            let start = Time::from_seconds(1_767_603_600 + from * 365 * 86_400);
            let within = Period::new(start, Time::from_seconds(1_767_603_600 + 3 * 365 * 86_400));
            read(text.as_bytes(), &Zone::UTC, within).unwrap().occurrences
        };
        let (all, late) = (read(0), read(years));
        prop_assume!(all.len() < nightbell_calendar::MAX_OCCURRENCES);
        let edge = Time::from_seconds(1_767_603_600 + years * 365 * 86_400);
        let tail: Vec<_> = all.into_iter().filter(|it| it.period.until > edge).collect();
        prop_assert_eq!(late, tail);
    }
}
