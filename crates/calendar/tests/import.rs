//! Calendars as others write them.
#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

use model::period::Period;
use model::zone::Zone;
use model::{Id, Time};
use nightbell_calendar::{BadCalendar, Import, MAX_OCCURRENCES, read};

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

fn calendar(events: &str) -> String {
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{}\r\nEND:VCALENDAR\r\n", events.replace('\n', "\r\n"))
}

fn import(text: &str, from: &str, until: &str) -> Import {
    let berlin = Zone::named("Europe/Berlin").unwrap();
    read(text.as_bytes(), &berlin, Period::new(time(from), time(until))).unwrap()
}

fn lines(import: &Import) -> Vec<String> {
    let line = |it: &nightbell_calendar::Occurrence| {
        format!("{} {} to {}", it.title, it.period.from, it.period.until)
    };
    import.occurrences.iter().map(line).collect()
}

fn event(lines: &str) -> String {
    format!("BEGIN:VEVENT\nUID:1\nSUMMARY:ann\n{lines}\nEND:VEVENT")
}

fn year(lines: &str) -> Import {
    import(&calendar(&event(lines)), "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")
}

/// Why the event of these lines is skipped.
fn reason(event_lines: &str) -> String {
    let import = year(event_lines);
    assert_eq!((lines(&import).len(), import.skipped.len()), (0, 1), "{event_lines}");
    assert_eq!((import.skipped[0].uid.as_str(), import.skipped[0].title.as_str()), ("1", "ann"));
    import.skipped[0].reason.clone()
}

const GOOGLE: &str = include_str!("calendars/google.ics");
const OUTLOOK: &str = include_str!("calendars/outlook.ics");

#[test]
fn a_rota_of_google_keeps_to_its_clock_and_knows_changes_of_single_weeks() {
    let import = import(GOOGLE, "2026-03-11T12:00:00Z", "2026-04-14T00:00:00Z");
    assert_eq!(
        lines(&import),
        [
            // it was going on already
            "Ann 2026-03-09T08:00:00Z to 2026-03-16T08:00:00Z",
            "Bob 2026-03-16T08:00:00Z to 2026-03-23T08:00:00Z",
            // somebody else stands in for Ann, and clocks are put forward meanwhile
            "Cleo 2026-03-23T08:00:00Z to 2026-03-30T07:00:00Z",
            // Bob's of the thirtieth is left out
            "Ann 2026-04-06T07:00:00Z to 2026-04-13T07:00:00Z",
            "Bob 2026-04-13T07:00:00Z to 2026-04-20T07:00:00Z",
        ]
    );
    assert_eq!(import.skipped, []);
}

#[test]
fn a_calendar_of_outlook_says_itself_what_its_time_zones_are() {
    let import = import(OUTLOOK, "2026-03-25T00:00:00Z", "2026-04-05T00:00:00Z");
    assert_eq!(
        lines(&import),
        [
            "J\u{fc}rgen 2026-03-26T17:00:00Z to 2026-03-27T08:00:00Z",
            "bank holiday 2026-03-31T22:00:00Z to 2026-04-01T22:00:00Z",
            "J\u{fc}rgen 2026-04-02T16:00:00Z to 2026-04-03T07:00:00Z",
        ]
    );
    let reasons: Vec<_> = import.skipped.iter().map(|it| (it.uid.as_str(), it.reason.as_str())).collect();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert_eq!(reasons[0].0, "zone-nobody-knows");
    assert!(
        reasons[0].1.starts_with("its time zone \"Moon/Far Side\" is none that is known"),
        "{}",
        reasons[0].1
    );
}

#[test]
fn titles_are_names_of_users_whatever_their_case() {
    let mut import = import(GOOGLE, "2026-03-11T12:00:00Z", "2026-04-14T00:00:00Z");
    let shifts =
        import.shifts(&|name| ["ann", "bob"].iter().position(|it| *it == name).map(|n| Id(n as i64)));
    assert_eq!(shifts.iter().map(|it| it.user.0).collect::<Vec<_>>(), [0, 1, 0, 1]);
    assert_eq!(import.skipped.len(), 1);
    assert_eq!(import.skipped[0].reason, "its title, \"Cleo\", is the name of no user");
}

#[test]
fn one_odd_event_never_breaks_the_rest() {
    let odd = "BEGIN:VEVENT\nUID:odd\nSUMMARY:bob\nDTSTART:yesterday\nDTEND:20260102T000000Z\nEND:VEVENT";
    let good = event("DTSTART:20260105T090000Z\nDTEND:20260106T090000Z");
    let cut = "BEGIN:VEVENT\nUID:cut\nDTSTART:20260105T0900";
    let text = calendar(&format!("{odd}\nBEGIN:VALARM\n{good}\n{cut}"));
    let import = import(&text, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    assert_eq!(lines(&import).len(), 0, "within an alarm that has no end");
    let import = self::import(
        &calendar(&format!("{odd}\n{good}\n{cut}")),
        "2026-01-01T00:00:00Z",
        "2027-01-01T00:00:00Z",
    );
    assert_eq!(lines(&import), ["ann 2026-01-05T09:00:00Z to 2026-01-06T09:00:00Z"]);
    let skipped: Vec<_> = import.skipped.iter().map(|it| (it.uid.as_str(), it.reason.as_str())).collect();
    assert_eq!(
        skipped,
        [
            ("odd", "DTSTART is \"yesterday\", which is no date, time or duration"),
            ("cut", "the calendar is cut off within it"),
        ]
    );
}

#[test]
fn what_is_odd_is_said() {
    let start = "DTSTART:20260105T090000Z";
    for (lines, what) in [
        ("DTEND:20260105T090000Z", "it has no DTSTART"),
        (start, "it has neither an end nor a duration"),
        (&format!("{start}\nDTEND:20260105T080000Z"), "it ends before it starts"),
        (&format!("{start}\nDTEND:20280105T080000Z"), "it lasts longer than 366 days"),
        (&format!("{start}\nDURATION:P1H"), "DURATION is \"P1H\", which is no date"),
        (&format!("{start}\nDURATION:PT1H\nRRULE:FREQ=SECONDLY"), "it recurs too often"),
        (
            &format!(
                "{start}\nDURATION:PT1H\nRRULE:FREQ=DAILY;BYHOUR=1,2,3,4,5;BYMINUTE=1,2,3,4,5;BYSECOND=1,2,3,4"
            ),
            "it recurs too often",
        ),
        (&format!("{start}\nDURATION:PT1H\nRRULE:INTERVAL=2"), "it recurs by a rule without FREQ"),
        (
            &format!("{start}\nDURATION:PT1H\nRRULE:FREQ=DAILY;INTERVAL=0"),
            "it recurs by a rule with INTERVAL=0",
        ),
        (&format!("{start}\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;BYDAY=2MO"), "it recurs by a rule with BYDAY"),
        (
            &format!("{start}\nDURATION:PT1H\nRRULE:FREQ=YEARLY;BYWEEKNO=3"),
            "it recurs by a rule with BYWEEKNO, which is not supported",
        ),
        (
            &format!("{start}\nDURATION:PT1H\nRECURRENCE-ID;RANGE=THISANDFUTURE:20260105T090000Z"),
            "it changes all occurrences",
        ),
        ("DTSTART:00010105T090000Z\nDURATION:PT1H", "DTSTART is \"00010105T090000Z\""),
    ] {
        let why = reason(lines);
        assert!(why.starts_with(what), "{why}");
    }
}

#[test]
fn days_floating_times_dates_and_periods_are_read() {
    assert_eq!(
        lines(&year("DTSTART;VALUE=DATE:20260701")),
        ["ann 2026-06-30T22:00:00Z to 2026-07-01T22:00:00Z"]
    );
    assert_eq!(
        lines(&year("DTSTART:20260701T090000\nDURATION:P1DT12H")),
        ["ann 2026-07-01T07:00:00Z to 2026-07-02T19:00:00Z"]
    );
    assert_eq!(
        lines(&year(
            "DTSTART;TZID=/example.org/2005/America/New_York:20260701T090000\nDTEND:20260701T140000Z"
        )),
        ["ann 2026-07-01T13:00:00Z to 2026-07-01T14:00:00Z"]
    );
    let dates = "DTSTART:20260701T090000Z\nDURATION:PT1H\nRDATE:20260801T090000Z,20260802T090000Z\n\
                 RDATE;VALUE=PERIOD:20260901T090000Z/PT3H,20260902T090000Z/20260902T100000Z\n\
                 EXDATE;VALUE=DATE:20260802\nEXDATE:20260701T090000Z";
    assert_eq!(
        lines(&year(dates)),
        [
            "ann 2026-08-01T09:00:00Z to 2026-08-01T10:00:00Z",
            "ann 2026-09-01T09:00:00Z to 2026-09-01T12:00:00Z",
            "ann 2026-09-02T09:00:00Z to 2026-09-02T10:00:00Z",
        ]
    );
}

#[test]
fn versions_and_cancellations_count() {
    let at = |lines: &str| format!("BEGIN:VEVENT\nUID:1\nSUMMARY:ann\nDURATION:PT1H\n{lines}\nEND:VEVENT\n");
    let old = at("SEQUENCE:1\nDTSTART:20260101T000000Z");
    let new = at("SEQUENCE:2\nDTSTART:20260201T000000Z\nRRULE:FREQ=DAILY;COUNT=3");
    let without = at("STATUS:CANCELLED\nRECURRENCE-ID:20260202T000000Z\nDTSTART:20260202T000000Z");
    let text = calendar(&format!("{new}{old}{without}"));
    let import = import(&text, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    assert_eq!(
        lines(&import),
        [
            "ann 2026-02-01T00:00:00Z to 2026-02-01T01:00:00Z",
            "ann 2026-02-03T00:00:00Z to 2026-02-03T01:00:00Z"
        ]
    );
    assert_eq!(lines(&year("DTSTART:20260701T090000Z\nSTATUS:CANCELLED")).len(), 0);
}

#[test]
fn what_recurs_for_ever_or_too_often_is_bounded() {
    let daily = event(
        "DTSTART:19700101T000000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13",
    );
    let import = import(&calendar(&daily), "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    assert_eq!(import.occurrences.len(), MAX_OCCURRENCES);
    assert_eq!(import.skipped_count, 1);
    // counted from their start, they use up what a calendar may cost
    let counted = "BEGIN:VEVENT\nUID:#\nSUMMARY:x\nDTSTART:19700101T000000Z\nDURATION:PT1H\n\
        RRULE:FREQ=DAILY;COUNT=99999999\nEND:VEVENT\n";
    let many: String = (0..200).map(|n| counted.replace('#', &n.to_string())).collect();
    let import = self::import(&calendar(&many), "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z");
    assert!(import.skipped_count > 100 && import.occurrences.len() > 10);
    assert!(import.skipped[0].reason.contains("too far from its start"));
    // and so does what is looked at and then left out
    let all = |most: u32| (0..most).map(|it| it.to_string()).collect::<Vec<_>>().join(",");
    let chosen = format!(
        "DTSTART:19700101T000000Z\nDURATION:PT1H\nRRULE:FREQ=YEARLY;COUNT=9999;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR={};\
         BYMINUTE=0,15,30,45;BYSETPOS=1",
        all(24)
    );
    let import = self::import(&calendar(&event(&chosen)), "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z");
    assert!(import.skipped[0].reason.contains("too far from its start"), "{:?}", import.skipped);
    let never = event("DTSTART:20260101T000000Z\nDURATION:PT1H\nRRULE:FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=31");
    let import = self::import(&calendar(&never), "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    assert_eq!((import.occurrences.len(), import.skipped_count), (0, 0));
    assert_eq!(read(b"hello", &Zone::UTC, Period::new(Time(0), Time(1))), Err(BadCalendar::NotOne));
}
