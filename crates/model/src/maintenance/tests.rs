use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Labels, Severity};

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

fn maintenance(change: Value) -> Maintenance {
    let mut json = json!({
        "description": "new disks", "starts_at": "2026-06-01T00:00:00Z", "filters": [{"tags": ["host=db1"]}],
    });
    for (name, value) in change.as_object().unwrap() {
        json[name] = value.clone();
    }
    serde_json::from_value(json).unwrap()
}

/// Saturday nights by Berlin's clock, from 22:00 to 02:00.
fn nights() -> Value {
    json!({"name": "nights", "time_intervals": [{
        "times": [{"start_time": "22:00", "end_time": "02:00"}], "weekdays": ["saturday"],
        "location": "Europe/Berlin"}]})
}

fn covers(it: &Maintenance, host: &str, at: &str) -> bool {
    let labels: Labels = [("host", host)].into_iter().collect();
    let subject = Subject {
        source: None,
        source_type: "",
        labels: &labels,
        tags: &[],
        severity: Severity::Error,
        open: true,
        acked: false,
        stateful: true,
        event: None,
    };
    it.covers(&subject, time(at))
}

#[test]
fn it_covers_what_all_filters_take_while_it_is_in_force() {
    let once = maintenance(json!({"ends_at": "2026-06-02T00:00:00Z"}));
    assert!(covers(&once, "db1", "2026-06-01T00:00:00Z"));
    assert!(!covers(&once, "db1", "2026-06-02T00:00:00Z") && !covers(&once, "db1", "2026-05-31T23:59:59Z"));
    assert!(!covers(&once, "db2", "2026-06-01T12:00:00Z"));
    let two = maintenance(json!({"filters": [{"tags": ["host=db1"]}, {"maxlevel": 1}]}));
    assert!(!covers(&two, "db1", "2026-06-01T12:00:00Z"), "as in Argus all must fit");
    let none = maintenance(json!({"filters": []}));
    assert!(!covers(&none, "db1", "2026-06-01T12:00:00Z"));
}

#[test]
fn a_time_that_recurs_knows_its_start_and_its_end() {
    let weekly = maintenance(json!({"recurrence": nights(), "ends_at": "2026-12-05T23:00:00Z"}));
    assert!(covers(&weekly, "db1", "2026-06-06T23:00:00Z"));
    assert!(!covers(&weekly, "db1", "2026-06-07T00:00:00Z"));
    let night = weekly.occurrence(time("2026-06-06T23:00:00Z"));
    assert_eq!(night, Some(Period::new(time("2026-06-06T20:00:00Z"), time("2026-06-07T00:00:00Z"))));
    // in the night to the last Sunday of October the hour from two to three is shown twice, but not this one
    let long = weekly.occurrence(time("2026-10-24T23:59:59Z")).unwrap();
    assert_eq!((long.from, long.until), (time("2026-10-24T20:00:00Z"), time("2026-10-25T00:00:00Z")));
    let last = weekly.occurrence(time("2026-12-05T22:00:00Z")).unwrap();
    assert_eq!(last.until, time("2026-12-05T23:00:00Z"), "its end cuts it off");
    assert_eq!(weekly.occurrence(time("2026-06-10T00:00:00Z")), None);
    let open = maintenance(json!({}));
    assert_eq!(open.occurrence(time("2026-06-10T00:00:00Z")).unwrap().until, Time::MAX);
}

#[test]
fn what_is_still_wrong_is_told_when_it_ends() {
    let held = |incident, state, still_covered| Held { incident: Id(incident), state, still_covered };
    let all = [
        held(1, State::Open, false),
        held(2, State::Resolved, false),
        held(3, State::Open, true),
        held(4, State::Acknowledged, false),
    ];
    let settled = |mode: &str| maintenance(json!({"mode": mode})).settle(&all);
    assert_eq!(settled("suppress"), Settled { reopen: vec![Id(1)], tell: vec![] });
    assert_eq!(settled("collect"), Settled { reopen: vec![Id(1)], tell: vec![Id(2), Id(4)] });
}

#[test]
fn one_that_covers_too_much_is_refused() {
    let guarded = maintenance(json!({"guard_percent": 20}));
    assert_eq!(guarded.guard(2, 10), Ok(()));
    assert!(
        guarded.guard(3, 10).unwrap_err().to_string().starts_with("it covers 3 of 10, and its guard is 20 %")
    );
    assert_eq!((guarded.guard(1, 1), guarded.guard(0, 0)), (Ok(()), Ok(())));
    assert!(guarded.guard(u64::MAX, u64::MAX).is_err());
}

#[test]
fn what_makes_no_sense_is_refused_with_its_field() {
    for (change, what) in [
        (json!({"ends_at": "2026-06-01T00:00:00Z"}), "ends_at: is 2026-06-01"),
        (json!({"filters": []}), "filters: is empty"),
        (json!({"filters": [{"open": true}, {}]}), "filters[1]: takes nothing"),
        (
            json!({"filters": [{"exclude": {"open": true, "exclude": {"open": true}}}]}),
            "filters[0].exclude.exclude: ",
        ),
        (json!({"guard_percent": 0}), "guard_percent: is 0; write 1 to 100"),
        (json!({"recurrence": {"name": "never"}}), "recurrence: has no time_intervals"),
        (json!({"description": "x".repeat(MAX_NOTE_BYTES + 1)}), "description: has 16385 bytes"),
    ] {
        let why = maintenance(change).check().unwrap_err().to_string();
        assert!(why.starts_with(what), "{why}");
    }
    assert_eq!(maintenance(json!({"recurrence": nights()})).check(), Ok(()));
}

#[test]
fn what_has_begun_is_ended_and_not_deleted() {
    let mut it = maintenance(json!({"ends_at": "2026-06-02T00:00:00Z"}));
    let later = maintenance(json!({"starts_at": "2026-06-01T12:00:00Z", "ends_at": "2026-06-03T00:00:00Z"}));
    let refused = |at: &str| it.may_become(&later, time(at)).err().map(|bad| bad.field);
    assert_eq!(refused("2026-05-31T00:00:00Z"), None);
    assert_eq!(refused("2026-06-01T00:00:00Z").as_deref(), Some("starts_at"));
    assert_eq!(refused("2026-06-02T12:00:00Z").as_deref(), Some("ends_at"));
    assert!(
        it.may_be_deleted(time("2026-05-31T00:00:00Z")) && !it.may_be_deleted(time("2026-06-01T00:00:00Z"))
    );
    it.end(time("2026-06-01T06:00:00Z"));
    assert_eq!(
        (it.ends_at, it.phase(time("2026-06-01T06:00:00Z"))),
        (Some(time("2026-06-01T06:00:00Z")), Phase::Past)
    );
    it.end(time("2026-06-01T09:00:00Z"));
    assert_eq!(it.ends_at, Some(time("2026-06-01T06:00:00Z")));
}

proptest! {
    /// A walk in steps of a quarter of an hour comes to the same starts, ends and next changes.
    #[test]
    fn occurrences_and_changes_are_what_a_walk_finds(
        start in 0i64..2000, long in 1i64..3000, bounded: bool, recurs: bool, ask in 0i64..4000,
    ) {
        const QUARTER: i64 = 900;
        // a Friday three weeks before clocks are put back
        let at = |n: i64| Time::from_seconds(1_790_899_200 + n * QUARTER);
        let mut it = maintenance(json!({}));
        it.starts_at = at(start);
        it.ends_at = bounded.then(|| at(start + long));
        it.recurrence = recurs.then(|| serde_json::from_value(nights()).unwrap());
        let now = it.is_in_force(at(ask));
        let change = (ask + 1..ask + 4000).find(|n| it.is_in_force(at(*n)) != now).map(at);
        prop_assert_eq!(it.next_change(at(ask)).filter(|next| *next < at(ask + 4000)), change);
        let occurrence = it.occurrence(at(ask));
        prop_assert_eq!(occurrence.is_some(), now);
        if let Some(period) = occurrence {
            let from = (0..=ask).rev().take_while(|n| it.is_in_force(at(*n))).last().map(at);
            prop_assert_eq!(Some(period.from), from);
            prop_assert_eq!(Some(period.until).filter(|until| *until < at(ask + 4000)), change);
        }
    }
}
