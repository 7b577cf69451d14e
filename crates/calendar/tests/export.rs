//! The calendars that we write.
#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

use model::period::Period;
use model::schedule::{Roster, Schedule, Shift, Why};
use model::zone::Zone;
use model::{Id, Time};
use nightbell_calendar::{Entry, feed, read, uid};
use proptest::prelude::*;

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

#[test]
fn a_feed_is_as_rfc_5545_wants_it() {
    let entry = Entry {
        uid: "7-8-9@nightbell".into(),
        title: "Ann, on call; \"db\" \\ nights".into(),
        description: "Zeile 1\nZeile 2 ist so lang, daß sie gefaltet wird: äöüäöüäöüäöüäöüäöüäöü\u{7}".into(),
        period: Period::new(time("2026-03-28T08:00:00Z"), time("2026-03-29T07:00:00Z")),
    };
    let text = feed("Nächte", &[entry], time("2026-03-01T00:00:00Z"));
    let want = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Nightbell//On call//EN\nCALSCALE:GREGORIAN\n\
        METHOD:PUBLISH\nNAME:Nächte\nX-WR-CALNAME:Nächte\nREFRESH-INTERVAL;VALUE=DURATION:PT1H\n\
        X-PUBLISHED-TTL:PT1H\nBEGIN:VEVENT\nUID:7-8-9@nightbell\nDTSTAMP:20260301T000000Z\n\
        DTSTART:20260328T080000Z\nDTEND:20260329T070000Z\nSUMMARY:Ann\\, on call\\; \"db\" \\\\ nights\n\
        DESCRIPTION:Zeile 1\\nZeile 2 ist so lang\\, daß sie gefaltet wird: äöüä\n öüäöüäöüäöüäöüäöü\n\
        TRANSP:TRANSPARENT\nEND:VEVENT\nEND:VCALENDAR\n";
    assert_eq!(text, want.replace('\n', "\r\n"));
}

#[test]
fn a_shift_has_one_uid_whenever_the_calendar_is_fetched() {
    let schedule: Schedule = serde_json::from_value(serde_json::json!({
        "name": "weeks", "zone": "Europe/Berlin", "layers": [{"name": "weeks", "turns": {"rotation": {
            "first_handover": "2026-03-02T09:00:00", "unit": "weeks", "participants": [Id(1), Id(2)]}}}]}))
    .unwrap();
    let roster = Roster { schedule: &schedule, overrides: &[] };
    let uids = |from: &str| -> Vec<String> {
        let shifts = roster.resolve(Period::new(time(from), time("2026-04-20T00:00:00Z"))).shifts;
        shifts.into_iter().map(|it| uid(Id(5), &roster.whole(it))).collect()
    };
    let first = uids("2026-03-10T00:00:00Z");
    assert_eq!(first, uids("2026-03-12T17:00:00Z"));
    assert_eq!(first[1..], uids("2026-03-17T00:00:00Z"));
    let mut unique = first.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), first.len());
    let shift = Shift { user: Id(1), from: Time(0), until: Time(9), why: Why::Layer { layer: 0, turn: 0 } };
    let other = Shift { why: Why::Override { id: Id(3), instead_of: None }, ..shift };
    assert_ne!(uid(Id(5), &shift), uid(Id(5), &other));
    assert_ne!(uid(Id(5), &shift), uid(Id(6), &shift));
}

proptest! {
    /// What we write is what we read, and no line is too long.
    #[test]
    fn what_is_written_is_read_again(
        entries in prop::collection::vec(("\\PC{0,90}", "(\\PC|\n){0,200}", 0i64..4_000_000, 1i64..30_000_000), 0..6),
        name in "\\PC{0,100}",
    ) {
        let entries: Vec<Entry> = entries.into_iter().enumerate().map(|(n, (title, description, from, long))| Entry {
            uid: format!("{n}@nightbell"),
            title: title.trim().to_owned(),
            description,
            period: Period::new(Time::from_seconds(from * 100), Time::from_seconds(from * 100 + long)),
        }).collect();
        let text = feed(&name, &entries, Time(0));
        prop_assert!(text.split("\r\n").all(|line| line.len() <= 75));
        prop_assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
        let import = read(text.as_bytes(), &Zone::UTC, Period::new(Time(0), Time::MAX)).unwrap();
        prop_assert_eq!(&import.skipped, &[]);
        let mut got: Vec<_> = import.occurrences.into_iter().map(|it| (it.uid, it.title, it.period)).collect();
        got.sort();
        let want: Vec<_> = entries.into_iter().map(|it| (it.uid, it.title, it.period)).collect();
        prop_assert_eq!(got, want);
    }
}
