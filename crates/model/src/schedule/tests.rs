use std::time::Duration;

use jiff::civil::DateTime;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::weekly::{TimeOfDay, Weekdays, Window};

const ZONES: [&str; 5] =
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"];
/// Minutes between two looks of the model that goes step by step.
const STEP: i64 = 1;

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

fn schedule(json: Value) -> Schedule {
    serde_json::from_value(json).unwrap()
}

fn user(n: i64) -> Value {
    json!(Id(n))
}

fn names(duties: &[Duty]) -> Vec<i64> {
    duties.iter().map(|duty| duty.user.0).collect()
}

/// Weekly on Mondays at 09:00 for 1, 2 and 3; 9 at night from Friday to Sunday.
fn example() -> Schedule {
    schedule(json!({
        "name": "database", "zone": "Europe/Berlin",
        "layers": [
            {"name": "weeks", "turns": {"rotation": {
                "first_handover": "2026-03-02T09:00:00", "unit": "weeks",
                "participants": [user(1), user(2), user(3)]}}},
            {"name": "weekend nights", "turns": {"rotation": {
                "first_handover": "2026-03-06T00:00:00", "unit": "days", "participants": [user(9)]}},
             "restrictions": [{"weekdays": ["friday", "saturday"], "start": "22:00", "end": "06:00"}]},
        ],
    }))
}

fn shifts(schedule: &Schedule, overrides: &[Override], from: &str, until: &str) -> Vec<String> {
    let roster = Roster { schedule, overrides };
    let resolved = roster.resolve(Period::new(time(from), time(until)));
    resolved.shifts.iter().map(|it| format!("{} {} to {}", it.user.0, it.from, it.until)).collect()
}

#[test]
fn a_later_layer_has_the_say_within_its_hours() {
    assert_eq!(
        shifts(&example(), &[], "2026-03-06T12:00:00Z", "2026-03-09T12:00:00Z"),
        [
            "1 2026-03-06T12:00:00Z to 2026-03-06T21:00:00Z",
            "9 2026-03-06T21:00:00Z to 2026-03-06T23:00:00Z",
            "9 2026-03-06T23:00:00Z to 2026-03-07T05:00:00Z",
            "1 2026-03-07T05:00:00Z to 2026-03-07T21:00:00Z",
            "9 2026-03-07T21:00:00Z to 2026-03-07T23:00:00Z",
            "9 2026-03-07T23:00:00Z to 2026-03-08T05:00:00Z",
            "1 2026-03-08T05:00:00Z to 2026-03-09T08:00:00Z",
            "2 2026-03-09T08:00:00Z to 2026-03-09T12:00:00Z",
        ]
    );
}

#[test]
fn a_handover_at_nine_stays_at_nine() {
    let daily = schedule(json!({
        "name": "days", "zone": "Europe/Berlin",
        "layers": [{"name": "days", "turns": {"rotation": {
            "first_handover": "2026-03-28T09:00:00", "unit": "days", "participants": [user(1), user(2)]}}}],
    }));
    assert_eq!(
        shifts(&daily, &[], "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z"),
        [
            "1 2026-03-28T08:00:00Z to 2026-03-29T07:00:00Z",
            "2 2026-03-29T07:00:00Z to 2026-03-30T07:00:00Z",
            "1 2026-03-30T07:00:00Z to 2026-03-31T00:00:00Z",
        ]
    );
}

fn hourly(first: &str) -> Schedule {
    schedule(json!({
        "name": "hours", "zone": "Europe/Berlin",
        "layers": [{"name": "hours", "turns": {"rotation": {
            "first_handover": first, "unit": "hours", "participants": [user(1), user(2), user(3), user(4)]}}}],
    }))
}

#[test]
fn a_turn_that_the_clock_skips_is_left_out_and_one_that_it_shows_twice_is_longer() {
    assert_eq!(
        shifts(&hourly("2026-03-29T01:00:00"), &[], "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"),
        ["1 2026-03-29T00:00:00Z to 2026-03-29T01:00:00Z", "3 2026-03-29T01:00:00Z to 2026-03-29T02:00:00Z"]
    );
    assert_eq!(
        shifts(&hourly("2026-10-25T01:30:00"), &[], "2026-10-24T23:30:00Z", "2026-10-25T02:30:00Z"),
        ["1 2026-10-24T23:30:00Z to 2026-10-25T00:30:00Z", "2 2026-10-25T00:30:00Z to 2026-10-25T02:30:00Z",]
    );
}

fn overriding(id: i64, from: &str, until: &str, act: Act) -> Override {
    Override { id: Id(id), from: time(from), until: time(until), act, note: String::new() }
}

#[test]
fn overrides_apply_one_after_another_and_say_instead_of_whom() {
    let schedule = example();
    let (from, until) = ("2026-03-10T00:00:00Z", "2026-03-12T00:00:00Z");
    let on_call = |acts: &[Act]| {
        let overrides: Vec<_> = (1..).zip(acts).map(|(id, act)| overriding(id, from, until, *act)).collect();
        let roster = Roster { schedule: &schedule, overrides: &overrides };
        assert_eq!(names(&roster.on_call(time(until))), [2], "it is over then");
        roster.on_call(time(from))
    };
    let [two, seven, eight] = [2, 7, 8].map(Id);
    assert_eq!(names(&on_call(&[])), [2]);
    let stands_in = on_call(&[Act::Replace { user: two, with: seven }]);
    assert_eq!(stands_in, [Duty { user: seven, why: Why::Override { id: Id(1), instead_of: Some(two) } }]);
    assert_eq!(names(&on_call(&[Act::Replace { user: eight, with: seven }])), [2]);
    assert_eq!(names(&on_call(&[Act::Add { user: seven }, Act::Replace { user: two, with: eight }])), [8, 7]);
    assert_eq!(names(&on_call(&[Act::Add { user: two }])), [2]);
    assert_eq!(names(&on_call(&[Act::Remove { user: two }])), Vec::<i64>::new());
    assert_eq!(names(&on_call(&[Act::Remove { user: two }, Act::Only { user: seven }])), [7]);
    let swap = Act::Swap { one: seven, other: two };
    assert_eq!(names(&on_call(&[swap])), [7]);
    assert_eq!(names(&on_call(&[swap, swap])), [2]);
}

#[test]
fn the_outlook_names_the_next_change_and_who_takes_over() {
    let schedule = example();
    let gap = [overriding(1, "2026-03-12T00:00:00Z", "2026-03-20T00:00:00Z", Act::Remove { user: Id(2) })];
    let roster = Roster { schedule: &schedule, overrides: &gap };
    let outlook = roster.outlook(time("2026-03-11T00:00:00Z"));
    assert_eq!(names(&outlook.now), [2]);
    assert_eq!(outlook.next_change, Some(time("2026-03-12T00:00:00Z")));
    assert_eq!((outlook.next_handover, names(&outlook.next)), (Some(time("2026-03-13T21:00:00Z")), vec![9]));
    let gaps = roster.resolve(Period::new(time("2026-03-11T00:00:00Z"), time("2026-03-14T00:00:00Z"))).gaps;
    assert_eq!(gaps, [Period::new(time("2026-03-12T00:00:00Z"), time("2026-03-13T21:00:00Z"))]);
}

#[test]
fn one_person_for_good_never_changes() {
    let alone = schedule(json!({
        "name": "alone", "layers": [{"name": "all", "turns": {"rotation": {
            "first_handover": "2026-01-01T00:00:00", "unit": "weeks", "participants": [user(1)]}}}],
    }));
    let roster = Roster { schedule: &alone, overrides: &[] };
    let outlook = roster.outlook(time("2026-06-01T00:00:00Z"));
    assert_eq!((outlook.next_change, outlook.next_handover, outlook.next), (None, None, vec![]));
    assert_eq!(roster.on_call(time("2025-12-31T23:59:59Z")), []);
}

#[test]
fn a_shift_is_whole_again_whatever_was_asked_for() {
    let schedule = example();
    let roster = Roster { schedule: &schedule, overrides: &[] };
    let cut = roster.resolve(Period::new(time("2026-03-10T00:00:00Z"), time("2026-03-11T00:00:00Z")));
    let whole = roster.whole(cut.shifts[0]);
    assert_eq!((whole.from, whole.until), (time("2026-03-09T08:00:00Z"), time("2026-03-13T21:00:00Z")));
}

#[test]
fn a_period_without_an_end_is_looked_at_as_far_as_the_limit() {
    let schedule = hourly("2026-01-01T00:00:00");
    let roster = Roster { schedule: &schedule, overrides: &[] };
    let resolved = roster.resolve(Period::new(time("2026-01-01T00:00:00Z"), Time::MAX));
    assert_eq!(
        resolved.period.until,
        time("2026-01-01T00:00:00Z") + Duration::from_secs(LOOK_AHEAD_DAYS * 86_400)
    );
    let ends = roster.resolve(Period::new(Time::MAX, Time(i64::MAX)));
    assert!(ends.shifts.len() <= 1);
    assert_eq!(roster.resolve(Period::new(Time(5), Time(4))).shifts, []);
}

#[test]
fn what_makes_no_sense_is_refused_with_its_field() {
    let refused = |path: &str, value: Value| {
        let mut json = serde_json::to_value(example()).unwrap();
        *json.pointer_mut(path).unwrap() = value;
        schedule(json).check(&|id| id.0 < 10).unwrap_err().to_string()
    };
    let rotation = "/layers/1/turns/rotation";
    let cases = [
        ("/name", json!(" "), "name: is empty"),
        ("/layers/1/name", json!(""), "layers[1].name: is empty"),
        (&format!("{rotation}/participants"), json!([]), "layers[1].turns.rotation.participants: is empty"),
        (
            &format!("{rotation}/participants"),
            json!([user(1), user(10)]),
            "layers[1].turns.rotation.participants[1]: there is no such user",
        ),
        (&format!("{rotation}/every"), json!(0), "layers[1].turns.rotation.every: is 0; write 1 to 366"),
        (&format!("{rotation}/every"), json!(u32::MAX), "layers[1].turns.rotation.every: is 4294967295"),
        ("/layers/1/restrictions", json!([]), "layers[1].restrictions: is empty"),
        ("/layers/1/restrictions/0/weekdays", json!([]), "layers[1].restrictions[0].weekdays: is empty"),
    ];
    for (path, value, what) in cases {
        let why = refused(path, value);
        assert!(why.starts_with(what), "{why}");
    }
    assert_eq!(example().check(&|id| id.0 < 10), Ok(()));
    let same =
        overriding(1, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", Act::Swap { one: Id(1), other: Id(1) });
    assert!(same.check(&|_| true).unwrap_err().to_string().starts_with("act.other: is the same"));
    let backwards = Override { until: Time(0), ..same };
    assert!(backwards.check(&|_| true).unwrap_err().to_string().starts_with("until: is"));
}

#[test]
fn a_layer_that_goes_by_a_calendar_is_checked_and_shows_nobody_where_that_is() {
    let with = |calendar: Value| {
        let layer = json!({"name": "rota", "turns": {"calendar": calendar}});
        schedule(json!({"name": "db", "layers": [layer]}))
    };
    let refused = |calendar: Value| with(calendar).check(&|_| true).map_err(|bad| bad.to_string());
    let field = "layers[0].turns.calendar";
    for (calendar, why) in [
        (json!({"url": "ftp://example.org/"}), format!("{field}.url: is no address")),
        (json!({"url": "https://example.org/a b"}), format!("{field}.url: is no address")),
        (json!({"url": "rota.ics"}), format!("{field}.url: is no address")),
        (json!({"every": "10s"}), format!("{field}.every: is 10s; write 1m to 1d")),
        (json!({"every": "2d"}), format!("{field}.every: is 2d; write 1m to 1d")),
    ] {
        let said = refused(calendar).unwrap_err();
        assert!(said.starts_with(&why), "{said}");
    }
    assert_eq!(refused(json!({})), Ok(()));
    let good = with(json!({"url": "webcal://example.org/secret"}));
    assert_eq!(good.check(&|_| true), Ok(()));
    let (_, calendar) = good.calendars().next().unwrap();
    assert_eq!(calendar.address().as_deref(), Some("https://example.org/secret"));
    assert!(!format!("{good:?}").contains("secret"));
    let twice = Schedule { layers: [good.layers.clone(), good.layers.clone()].concat(), ..good };
    assert!(
        twice.check(&|_| true).unwrap_err().to_string().starts_with("layers[1].name: is the name of another")
    );
    let notices = |notices: Value| schedule(json!({"name": "db", "notices": notices})).check(&|_| true);
    assert_eq!(notices(json!({"handover": "1d", "gap": "0"})), Ok(()));
    let said = notices(json!({"gap": "5w"})).unwrap_err().to_string();
    assert_eq!(said, "notices.gap: is 5w; the longest is 4w");
}

#[test]
fn schedules_and_overrides_are_written_as_they_are_read() {
    let json = serde_json::to_value(example()).unwrap();
    assert_eq!(schedule(json.clone()), example());
    assert_eq!(json["layers"][0]["turns"]["rotation"]["first_handover"], "2026-03-02T09:00:00");
    let swap =
        overriding(1, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", Act::Swap { one: Id(1), other: Id(2) });
    let json = serde_json::to_value(&swap).unwrap();
    assert_eq!(json["act"]["kind"], "swap");
    assert_eq!(serde_json::from_value::<Override>(json).unwrap(), swap);
    assert!(serde_json::from_value::<Schedule>(json!({"name": "x", "zone": "Europe/Atlantis"})).is_err());
}

/// The model that goes step by step: it asks jiff what the clock shows, and remembers the latest that it ever did.
struct Steps<'a> {
    schedule: &'a Schedule,
    overrides: &'a [Override],
    latest: DateTime,
}

impl Steps<'_> {
    fn on_call(&mut self, at: Time) -> Vec<i64> {
        let zoned = at.to_timestamp().to_zoned(self.schedule.zone.tz().clone());
        self.latest = self.latest.max(zoned.datetime());
        let mut people = Vec::new();
        for layer in &self.schedule.layers {
            let says = self.says(layer, at, &zoned);
            if !says.is_empty() {
                people = says;
            }
        }
        for it in self.overrides.iter().filter(|it| it.from <= at && at < it.until) {
            people = match it.act {
                Act::Only { user } => vec![user.0],
                Act::Add { user } => [people, vec![user.0]].concat(),
                Act::Remove { user } => people.into_iter().filter(|it| *it != user.0).collect(),
                Act::Replace { user, with } => {
                    people.into_iter().map(|it| if it == user.0 { with.0 } else { it }).collect()
                }
                Act::Swap { one, other } => people
                    .into_iter()
                    .map(|it| {
                        if it == one.0 {
                            other.0
                        } else if it == other.0 {
                            one.0
                        } else {
                            it
                        }
                    })
                    .collect(),
            };
        }
        people.sort_unstable();
        people.dedup();
        people
    }

    fn says(&self, layer: &Layer, at: Time, zoned: &jiff::Zoned) -> Vec<i64> {
        if layer.starts_at.is_some_and(|start| at < start) || layer.ends_at.is_some_and(|end| end <= at) {
            return Vec::new();
        }
        if layer.restrictions.as_ref().is_some_and(|hours| !hours.0.iter().any(|it| holds(it, zoned))) {
            return Vec::new();
        }
        match &layer.turns {
            Turns::Shifts(all) | Turns::Calendar(Calendar { shifts: all, .. }) => {
                all.iter().filter(|it| it.from <= at && at < it.until).map(|it| it.user.0).collect()
            }
            Turns::Rotation(it) => {
                if layer.starts_at.is_none() && self.latest < it.first_handover {
                    return Vec::new();
                }
                let passed = self.latest.duration_since(it.first_handover).as_secs();
                let unit = match it.unit {
                    Unit::Hours => 3600,
                    Unit::Days => 86_400,
                    Unit::Weeks => 604_800,
                };
                let turn = passed.div_euclid(unit * i64::from(it.every));
                vec![it.participants[turn.rem_euclid(it.participants.len() as i64) as usize].0]
            }
        }
    }
}

fn holds(window: &Window, wall: &jiff::Zoned) -> bool {
    let minute = u32::try_from(i32::from(wall.hour()) * 60 + i32::from(wall.minute())).unwrap();
    let today = i64::from(wall.weekday().to_monday_one_offset());
    let is_day = |day: i64| window.weekdays.iso().any(|it| it == day);
    let (start, end) = (window.start.seconds() / 60, window.end.seconds() / 60);
    match end > start {
        true => is_day(today) && (start..end).contains(&minute),
        false => (is_day(today) && start <= minute) || (is_day((today + 5) % 7 + 1) && minute < end),
    }
}

/// Minutes from the start of the period that is looked at, some of them before it.
fn moments() -> impl Strategy<Value = i64> {
    -1500i64..6000
}

fn people(most: usize) -> impl Strategy<Value = Vec<Id>> {
    prop::collection::vec((1i64..6).prop_map(Id), 1..most)
}

fn hours() -> impl Strategy<Value = Weekly> {
    let at = |most: u32| (0..=most).prop_map(|n| TimeOfDay::from_seconds(n * 60).unwrap());
    let window = (prop::collection::vec(1i64..8, 1..7), at(1439), at(1440)).prop_map(|(days, start, end)| {
        let end = if end == start { TimeOfDay::END } else { end };
        Window { weekdays: Weekdays::from_iso(days).unwrap(), start, end }
    });
    prop::collection::vec(window, 1..3).prop_map(Weekly)
}

fn layers(base: Time) -> impl Strategy<Value = Layer> {
    let at = move |minute: i64| Time(base.0 + minute * 60_000_000);
    let unit = prop::sample::select(vec![Unit::Hours, Unit::Days, Unit::Weeks]);
    let first = (-40i64..4, 0i64..1440).prop_map(move |(day, minute)| {
        let wall = base.to_timestamp().to_zoned(jiff::tz::TimeZone::UTC).datetime();
        wall + jiff::SignedDuration::from_mins(day * 1440 + minute)
    });
    let rotation =
        (first, 1u32..9, unit, people(5)).prop_map(|(first_handover, every, unit, participants)| {
            Turns::Rotation(Rotation { first_handover, every, unit, participants })
        });
    let listed =
        prop::collection::vec(((1i64..6).prop_map(Id), moments(), 1i64..2000), 0..6).prop_map(move |all| {
            let shift = |(user, from, long)| Listed { user, from: at(from), until: at(from + long) };
            all.into_iter().map(shift).collect::<Vec<_>>()
        });
    let calendar = |shifts| Turns::Calendar(Calendar { url: None, every: MIN_POLL, shifts });
    let listed = (listed, any::<bool>())
        .prop_map(move |(all, is_calendar)| if is_calendar { calendar(all) } else { Turns::Shifts(all) });
    let turns = prop_oneof![4 => rotation, 1 => listed];
    let bound = || prop::option::weighted(0.3, moments());
    (turns, prop::option::of(hours()), bound(), bound()).prop_map(move |(turns, restrictions, start, end)| {
        Layer { name: "layer".into(), turns, restrictions, starts_at: start.map(at), ends_at: end.map(at) }
    })
}

fn acts() -> impl Strategy<Value = Act> {
    let id = || (1i64..8).prop_map(Id);
    prop_oneof![
        id().prop_map(|user| Act::Only { user }),
        (id(), id()).prop_map(|(user, with)| Act::Replace { user, with }),
        id().prop_map(|user| Act::Add { user }),
        id().prop_map(|user| Act::Remove { user }),
        (id(), id()).prop_map(|(one, other)| Act::Swap { one, other }),
    ]
}

/// A schedule, its overrides, and the start of four days.
fn worlds() -> impl Strategy<Value = (Schedule, Vec<Override>, Time)> {
    // the weekends on which the clocks of some zone change, and one on which none does
    let starts = prop::sample::select(vec![
        1_774_569_600i64,
        1_792_713_600,
        1_772_841_600,
        1_793_404_800,
        1_775_088_000,
        1_790_985_600,
        1_779_999_900,
    ]);
    (prop::sample::select(ZONES.to_vec()), starts).prop_flat_map(|(zone, start)| {
        let base = Time::from_seconds(start);
        let at = move |minute: i64| Time(base.0 + minute * 60_000_000);
        let overrides = prop::collection::vec((acts(), moments(), 1i64..1500), 0..4).prop_map(move |all| {
            let make = |(id, (act, from, long)): (i64, (Act, i64, i64))| Override {
                id: Id(id),
                from: at(from),
                until: at(from + long),
                act,
                note: String::new(),
            };
            (1..).zip(all).map(make).collect::<Vec<_>>()
        });
        let schedule = prop::collection::vec(layers(base), 0..4).prop_map(move |layers| Schedule {
            name: "world".into(),
            zone: Zone::named(zone).unwrap(),
            layers,
            notices: Notices::default(),
        });
        (schedule, overrides, Just(base))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Going step by step comes to the same, whatever the clocks do.
    #[test]
    fn what_is_worked_out_is_what_going_step_by_step_finds((schedule, overrides, start) in worlds()) {
        let end = start + Duration::from_secs(4 * 86_400);
        let roster = Roster { schedule: &schedule, overrides: &overrides };
        let resolved = roster.resolve(Period::new(start, end));
        let outlook = roster.outlook(start);
        let mut steps = Steps { schedule: &schedule, overrides: &overrides, latest: DateTime::MIN };
        let mut first: Option<Vec<i64>> = None;
        let (mut change, mut handover) = (None, None);
        let mut at = start - Duration::from_secs(3 * 86_400);
        while at < end {
            let found = steps.on_call(at);
            if at >= start {
                let mut shifts: Vec<i64> =
                    resolved.shifts.iter().filter(|it| it.from <= at && at < it.until).map(|it| it.user.0).collect();
                shifts.sort_unstable();
                prop_assert_eq!(&shifts, &found, "shifts at {}", at);
                let gap = resolved.gaps.iter().any(|gap| gap.contains(at));
                prop_assert_eq!(gap, found.is_empty(), "gap at {}", at);
                let mut now = names(&roster.on_call(at));
                now.sort_unstable();
                prop_assert_eq!(&now, &found, "on call at {}", at);
                let first = first.get_or_insert_with(|| found.clone());
                if found != *first {
                    change = change.or(Some(at));
                }
                if found.iter().any(|it| !first.contains(it)) {
                    handover = handover.or(Some(at));
                }
            }
            at = at + Duration::from_secs(STEP as u64 * 60);
        }
        let early = |at: Option<Time>| at.filter(|at| *at < end);
        prop_assert_eq!(early(outlook.next_change), change);
        prop_assert_eq!(early(outlook.next_handover), handover);
        for duty in &outlook.now {
            let ends = early(roster.ends(duty.user, start));
            let mut steps = Steps { schedule: &schedule, overrides: &overrides, latest: DateTime::MIN };
            let mut at = start - Duration::from_secs(3 * 86_400);
            let mut found = None;
            while at < end && found.is_none() {
                let on = steps.on_call(at).contains(&duty.user.0);
                found = (at >= start && !on).then_some(at);
                at = at + Duration::from_secs(STEP as u64 * 60);
            }
            prop_assert_eq!(ends, found, "{} is on call", duty.user);
        }
        for shift in &resolved.shifts {
            let whole = roster.whole(*shift);
            prop_assert!(whole.from <= shift.from && shift.until <= whole.until);
            prop_assert!(shift.from == start || whole.from == shift.from);
            prop_assert!(shift.until == end || whole.until == shift.until);
        }
    }
}
