//! What is promised about who is on call: calendars say it, those who take over hear of it, and gaps are told before
//! they come.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

use flow::calendars::Said;
use model::Id;
use model::escalation::Policy;
use model::schedule::Rota;
use serde_json::{Value, json};
use store::definitions::Kind;
use testkit::World;
use testkit::people::paging_rules;
use testkit::spans::{hours, minutes};

const DISK: [(&str, &str); 2] = [("alertname", "Disk"), ("severity", "critical")];
const SCHEDULE: Id = Id(6000);

/// A schedule of one layer, and a policy that pages by it.
fn schedule(world: &mut World, turns: &Value, notices: &Value) {
    let layer = json!({ "name": "rota", "turns": turns });
    let schedule = json!({ "name": "db", "zone": "Europe/Berlin", "layers": [layer], "notices": notices });
    world.everybodys::<Rota>(Kind::Schedule, SCHEDULE.0, "db", json!({ "schedule": schedule }));
    let steps = json!([{ "targets": [{ "kind": "schedule", "id": SCHEDULE }] }]);
    world.everybodys::<Policy>(Kind::Policy, 5000, "db", json!({ "name": "db", "steps": steps }));
}

fn by_calendar() -> Value {
    json!({ "calendar": { "url": "https://calendar.example.org/rota.ics", "every": "30m" } })
}

fn new(events: &str) -> Said {
    let body = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n").into_bytes();
    Said::New { body, etag: "\"1\"".to_owned(), last_modified: String::new() }
}

fn failed() -> Said {
    Said::Failed { why: "the answer was 500".to_owned(), after: None }
}

fn event(uid: u32, title: &str, lines: &str) -> String {
    let lines = lines.replace('\n', "\r\n");
    format!("BEGIN:VEVENT\r\nUID:{uid}\r\nSUMMARY:{title}\r\n{lines}\r\nEND:VEVENT\r\n")
}

fn pages(world: &World, place: &str) -> usize {
    world.told_at(place).iter().filter(|reason| **reason == "paged").count()
}

/// The notices that somebody got.
fn notices(world: &World, place: &str) -> Vec<String> {
    let seen = world.seen.iter().filter(|(name, seen)| name == place && seen.says.reason.name() == "on_call");
    let words = |it: &model::notification::Alert| {
        format!("{}. {}", it.title, it.annotations.get("description").unwrap_or_default())
    };
    seen.map(|(_, seen)| words(&seen.says.alerts[0])).collect()
}

/// Ann has the week that began on Monday the 21st at nine, Bob the next one, and so on.
fn rota() -> String {
    let weekly = "RRULE:FREQ=WEEKLY;INTERVAL=2";
    let from = |day: u32| format!("DTSTART;TZID=Europe/Berlin:202609{day}T090000");
    let ann = format!("{}\nDURATION:P1W\n{weekly}\nEXDATE;TZID=Europe/Berlin:20261019T090000", from(21));
    let bob = format!("{}\nDURATION:P1W\n{weekly}", from(28));
    event(1, "Ann ", &ann) + &event(2, "BOB", &bob)
}

#[test]
fn whoever_the_calendar_names_is_paged_from_the_first_fetch_on() {
    // a Monday, hours after the first shift began
    let mut world = World::new(paging_rules());
    let (_, anns) = world.user(1000, "ann", 1);
    let (_, bobs) = world.user(2000, "bob", 1);
    schedule(&mut world, &by_calendar(), &json!({ "gap": "0" }));
    // one event makes no sense, and one names nobody
    let odd = event(3, "cleo", "DTSTART:20260922T000000Z\nDTEND:20260921T000000Z")
        + &event(4, "nobody-knows", "DTSTART:20260923T000000Z\nDTEND:20260924T000000Z");
    assert!(world.calendar(SCHEDULE, "rota", new(&(rota() + &odd))));
    world.fires(&DISK);
    world.settles();
    assert_eq!((pages(&world, &anns[0]), pages(&world, &bobs[0])), (1, 0), "what goes on already counts");
    world.passes(minutes(1));
    let troubles = world.troubles();
    assert_eq!(troubles, ["Something is wrong with the calendar of layer rota of schedule db"]);
    world.clears(&DISK);
    world.settles();
    world.now = "2026-09-28T07:00:00Z".parse().unwrap();
    world.fires(&DISK);
    world.settles();
    assert_eq!((pages(&world, &anns[0]), pages(&world, &bobs[0])), (1, 1), "handed over at nine in Berlin");
}

#[test]
fn what_a_calendar_said_counts_until_it_says_something_else() {
    let mut world = World::new(paging_rules());
    let (_, anns) = world.user(1000, "ann", 1);
    let (_, bobs) = world.user(2000, "bob", 1);
    schedule(&mut world, &by_calendar(), &json!({ "gap": "0" }));
    assert!(world.calendar(SCHEDULE, "rota", new(&rota())));
    assert!(!world.calendar(SCHEDULE, "rota", failed()), "it is not due yet");
    // its server is gone for a day, and then says what is no calendar
    let mut tries = 0;
    for _ in 0..(24 * 60) {
        world.time_goes_by(minutes(1));
        let page = Said::New {
            body: b"<html>log in</html>".to_vec(),
            etag: "x".into(),
            last_modified: String::new(),
        };
        tries += u32::from(world.calendar(SCHEDULE, "rota", if tries % 2 == 0 { failed() } else { page }));
    }
    assert!(
        (20..40).contains(&tries),
        "{tries} tries: each is longer after the one before, an hour at the most"
    );
    world.settles();
    assert!(world.troubles()[0].contains("calendar"), "{:?}", world.troubles());
    world.fires(&DISK);
    world.settles();
    assert_eq!(pages(&world, &anns[0]), 1);
    world.clears(&DISK);
    // it is back, and somebody else has the week
    world.time_goes_by(hours(1));
    let week = "DTSTART;TZID=Europe/Berlin:20260921T090000\nDURATION:P1W";
    assert!(world.calendar(SCHEDULE, "rota", new(&event(1, "bob", week))));
    world.passes(minutes(2));
    assert_eq!(world.troubles(), [""; 0], "all is well again");
    world.fires(&DISK);
    world.settles();
    assert_eq!((pages(&world, &anns[0]), pages(&world, &bobs[0])), (1, 1));
}

#[test]
fn a_calendar_that_did_not_change_goes_on_with_time_and_knows_users_who_come() {
    let mut world = World::new(paging_rules());
    schedule(&mut world, &by_calendar(), &json!({ "gap": "0" }));
    assert!(world.calendar(SCHEDULE, "rota", new(&rota())));
    world.passes(minutes(1));
    assert_eq!(
        world.troubles().len(),
        2,
        "nobody is known yet, and nobody would be paged: {:?}",
        world.troubles()
    );
    let (_, anns) = world.user(1000, "ann", 1);
    world.user(2000, "bob", 1);
    assert!(!world.calendar(SCHEDULE, "rota", failed()), "what it said is read again, and not fetched");
    world.passes(minutes(1));
    assert_eq!(world.troubles(), [""; 0]);
    world.passes(minutes(30));
    assert!(world.calendar(SCHEDULE, "rota", Said::Same));
    world.fires(&DISK);
    world.settles();
    assert_eq!(pages(&world, &anns[0]), 1);
}

#[test]
fn what_was_read_by_a_clock_that_is_another_by_then_is_read_again() {
    let mut world = World::new(paging_rules());
    world.user(1000, "ann", 1);
    schedule(&mut world, &by_calendar(), &json!({ "gap": "0" }));
    let shifts = |world: &World| world.store.read_blocking(store::calendars::all).unwrap()[0].shifts.clone();
    let floating = || new(&event(1, "ann", "DTSTART:20260921T090000\nDURATION:P1D"));
    let due = world.calendar_while(SCHEDULE, "rota", floating(), |world| {
        let layer = json!({ "name": "rota", "turns": by_calendar() });
        let schedule = json!({ "name": "db", "zone": "America/New_York", "layers": [layer] });
        world.everybodys::<Rota>(Kind::Schedule, SCHEDULE.0, "db", json!({ "schedule": schedule }));
    });
    assert!(due && shifts(&world).is_empty());
    world.time_goes_by(minutes(3));
    assert!(world.calendar(SCHEDULE, "rota", floating()));
    assert_eq!(shifts(&world)[0].from, "2026-09-21T13:00:00Z".parse().unwrap());
    // who comes meanwhile is known
    world.time_goes_by(minutes(31));
    let bobs = || new(&event(1, "bob", "DTSTART:20260921T090000\nDURATION:P1D"));
    assert!(world.calendar_while(SCHEDULE, "rota", bobs(), |world| drop(world.user(2000, "bob", 1))));
    assert_eq!(shifts(&world)[0].user, Id(2000));
}

#[test]
fn a_layer_that_is_gone_takes_its_calendar_along() {
    let mut world = World::new(paging_rules());
    world.user(1000, "ann", 1);
    schedule(&mut world, &by_calendar(), &json!({}));
    assert!(world.calendar(SCHEDULE, "rota", new(&rota())));
    schedule(&mut world, &json!({ "shifts": [] }), &json!({ "gap": "0" }));
    world.calendar(SCHEDULE, "rota", failed());
    assert_eq!(world.store.read_blocking(store::calendars::all).unwrap(), []);
}

/// Ann and Bob take turns of a day, handed over at nine in Berlin.
fn daily(world: &mut World, notices: &Value) -> (String, String) {
    let (ann, anns) = world.user(1000, "ann", 1);
    let (bob, bobs) = world.user(2000, "bob", 1);
    let rotation =
        json!({ "first_handover": "2026-09-21T09:00:00", "unit": "days", "participants": [ann, bob] });
    schedule(world, &json!({ "rotation": rotation }), notices);
    (anns[0].clone(), bobs[0].clone())
}

#[test]
fn who_comes_and_who_goes_hear_of_it_once_and_in_time() {
    let mut world = World::new(paging_rules());
    // it is 07:50 in Berlin, on Ann's last morning
    world.now = "2026-09-22T05:50:00Z".parse().unwrap();
    let (ann, bob) = daily(&mut world, &json!({ "handover": "1h" }));
    world.passes(minutes(5));
    assert_eq!((notices(&world, &ann), notices(&world, &bob)), (vec![], vec![]), "too early");
    world.passes(minutes(6));
    assert_eq!(
        notices(&world, &ann),
        ["You are no longer on call by db from Tue 2026-09-22 09:00 CEST. After you: bob."]
    );
    assert_eq!(
        notices(&world, &bob),
        [
            "You are on call by db from Tue 2026-09-22 09:00 CEST until Wed 2026-09-23 09:00 CEST. Before you: ann."
        ]
    );
    world.crash(0);
    world.passes(hours(2));
    assert_eq!((notices(&world, &ann).len(), notices(&world, &bob).len()), (1, 1));
    world.check_at_rest();
}

#[test]
fn who_stands_in_at_short_notice_hears_of_it_too() {
    let mut world = World::new(paging_rules());
    let (ann, bob) = daily(&mut world, &json!({ "handover": "1h" }));
    let mut rota: store::definitions::Definition<Rota> = world
        .store
        .read_blocking(|tx| store::definitions::get(tx, Kind::Schedule, SCHEDULE))
        .unwrap()
        .unwrap();
    let over = json!({
        "id": Id(77), "from": world.now, "until": world.now + hours(2),
        "act": { "kind": "replace", "user": Id(1000), "with": Id(2000) },
    });
    rota.body.overrides.push(serde_json::from_value(over).unwrap());
    world.defines(Kind::Schedule, &rota);
    world.passes(minutes(2));
    assert!(
        notices(&world, &bob)[0]
            .starts_with("You are on call by db from Mon 2026-09-21 16:13 CEST until Mon")
    );
    assert!(notices(&world, &ann)[0].starts_with("You are no longer on call by db"));
    world.passes(hours(3));
    assert_eq!((notices(&world, &ann).len(), notices(&world, &bob).len()), (2, 2), "and back again");
}

#[test]
fn nobody_is_told_of_hand_overs_unless_the_schedule_says_so() {
    let mut world = World::new(paging_rules());
    world.now = "2026-09-22T06:00:00Z".parse().unwrap();
    let (ann, bob) = daily(&mut world, &json!({}));
    world.passes(hours(2));
    assert_eq!((notices(&world, &ann), notices(&world, &bob)), (vec![], vec![]));
    assert_eq!(world.troubles(), [""; 0]);
}

#[test]
fn a_gap_is_told_before_it_comes_and_ends_when_somebody_fills_it() {
    let mut world = World::new(paging_rules());
    let (ann, _) = world.user(1000, "ann", 1);
    let shift = |from: &str, until: &str| json!({ "user": ann, "from": from, "until": until });
    let mut shifts = vec![
        shift("2026-09-21T00:00:00Z", "2026-09-21T20:00:00Z"),
        shift("2026-09-21T22:00:00Z", "2026-09-30T00:00:00Z"),
    ];
    schedule(&mut world, &json!({ "shifts": shifts }), &json!({ "gap": "4h" }));
    world.passes(hours(1) + minutes(40));
    assert_eq!(world.troubles(), [""; 0], "it is 15:53, and the gap begins at 20:00");
    world.passes(minutes(30));
    let ahead = "Nobody will be on call by schedule db from Mon 2026-09-21 22:00 CEST until Tue 2026-09-22 00:00 CEST";
    assert_eq!(world.troubles(), [ahead]);
    let mut filled = shifts.clone();
    filled.push(shift("2026-09-21T19:00:00Z", "2026-09-21T23:00:00Z"));
    schedule(&mut world, &json!({ "shifts": filled }), &json!({ "gap": "4h" }));
    world.passes(minutes(1));
    assert_eq!(world.troubles(), [""; 0]);
    schedule(&mut world, &json!({ "shifts": shifts }), &json!({ "gap": "4h" }));
    world.passes(hours(3) + minutes(45));
    let now = world.troubles();
    assert!(
        now.contains(&"Nobody is on call by schedule db until Tue 2026-09-22 00:00 CEST".to_owned()),
        "{now:?}"
    );
    assert!(now.contains(&"Escalation policy db would reach nobody now".to_owned()), "{now:?}");
    world.passes(hours(2) + minutes(1));
    assert_eq!(world.troubles(), [""; 0], "she is back");
    shifts.truncate(0);
    schedule(&mut world, &json!({ "shifts": shifts }), &json!({ "gap": "0" }));
    world.passes(minutes(1));
    assert_eq!(world.troubles().len(), 1, "gaps are meant here, but the policy is not to reach nobody");
    world.check_at_rest();
}
