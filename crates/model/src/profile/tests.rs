use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Labels;
use crate::incident::{Change, ChangeKind};

fn filter(json: Value) -> Filter {
    serde_json::from_value(json).unwrap()
}

/// Owns what a subject borrows.
#[derive(Clone, Debug)]
struct Thing {
    source: Option<i64>,
    source_type: String,
    labels: Labels,
    tags: Vec<Tag>,
    severity: Severity,
    open: bool,
    acked: bool,
    stateful: bool,
    event: Option<EventType>,
}

impl Thing {
    fn subject(&self) -> Subject<'_> {
        Subject {
            source: self.source,
            source_type: &self.source_type,
            labels: &self.labels,
            tags: &self.tags,
            severity: self.severity,
            open: self.open,
            acked: self.acked,
            stateful: self.stateful,
            event: self.event,
        }
    }
}

fn thing() -> Thing {
    Thing {
        source: Some(3),
        source_type: "nav".into(),
        labels: [("host", "db1"), ("room", "b12")].into_iter().collect(),
        tags: vec!["customer=acme".parse().unwrap(), "customer=umbrella".parse().unwrap()],
        severity: Severity::Error,
        open: true,
        acked: false,
        stateful: true,
        event: Some(EventType::Start),
    }
}

fn miss(json: Value) -> Option<Miss> {
    filter(json).miss(&thing().subject())
}

#[test]
fn every_part_must_fit_and_the_one_that_does_not_is_named() {
    let all = json!({
        "sourceSystemIds": [1, 3], "source_types": ["NAV"], "tags": ["host=db1"], "open": true, "acked": false,
        "stateful": true, "maxlevel": 2, "event_types": ["STA", "END"], "hide_closed_acked": true,
        "matchers": ["room=~\"b.*\""], "condition": "severity == 'error'", "exclude": {"tags": ["host=db2"]},
    });
    assert_eq!(miss(all.clone()), None);
    for (part, value, want) in [
        ("sourceSystemIds", json!([1]), Miss::Source),
        ("source_types", json!(["zabbix"]), Miss::SourceType),
        ("tags", json!(["host=db2"]), Miss::Tag),
        ("open", json!(false), Miss::Open),
        ("acked", json!(true), Miss::Acked),
        ("stateful", json!(false), Miss::Stateful),
        ("maxlevel", json!(1), Miss::Level),
        ("event_types", json!(["ACK"]), Miss::EventType),
        ("matchers", json!(["room=\"c1\""]), Miss::Matcher),
        ("condition", json!("level > 2"), Miss::Condition),
        ("exclude", json!({"tags": ["room=b12"]}), Miss::Excluded),
    ] {
        let mut other = all.clone();
        other[part] = value;
        assert_eq!(miss(other), Some(want), "{part}");
    }
    let over = Thing { open: false, acked: true, ..thing() };
    assert_eq!(filter(json!({"hide_closed_acked": true})).miss(&over.subject()), Some(Miss::ClosedAcked));
    assert_eq!(filter(json!({"hide_closed_acked": true})).miss(&thing().subject()), None);
}

#[test]
fn a_filter_in_which_nothing_is_given_takes_nothing() {
    for empty in [
        json!({}),
        json!({"sourceSystemIds": [], "tags": null, "open": null, "maxlevel": null, "event_types": []}),
        json!({"hide_closed_acked": false}),
        json!({"exclude": {}}),
    ] {
        assert!(filter(empty.clone()).is_empty());
        assert_eq!(miss(empty), Some(Miss::Empty));
    }
    assert_eq!(miss(json!({"exclude": {"open": false}})), None, "everything but what is over");
}

#[test]
fn of_tags_with_one_key_one_must_be_there_and_of_every_key() {
    assert_eq!(miss(json!({"tags": ["host=db1", "host=db2"]})), None);
    assert_eq!(miss(json!({"tags": ["host=db1", "room=b12", "customer=umbrella"]})), None);
    assert_eq!(miss(json!({"tags": ["host=db1", "room=c1"]})), Some(Miss::Tag));
    assert_eq!(miss(json!({"tags": ["nothing=x"]})), Some(Miss::Tag));
}

#[test]
fn any_number_of_tags_means_what_a_few_do() {
    let others = |key: &str| -> Vec<String> { (0..1000).map(|n| format!("{key}=other{n}")).collect() };
    for (key, is_there) in [("host", true), ("customer", true), ("floor", false)] {
        let mut tags = others(key);
        assert_eq!(miss(json!({ "tags": tags })), Some(Miss::Tag));
        tags.pop();
        tags.push(format!("{key}={}", if key == "host" { "db1" } else { "umbrella" }));
        assert_eq!(miss(json!({ "tags": tags })).is_none(), is_there, "{key}");
        tags[0] = "room=b13".into();
        assert_eq!(miss(json!({ "tags": tags })), Some(Miss::Tag), "of each key one");
    }
}

#[test]
fn a_list_shows_what_could_notify() {
    let listed = Thing { event: None, ..thing() };
    let takes = |json| filter(json).takes(&listed.subject());
    assert!(takes(json!({"event_types": ["ACK"]})));
    assert!(takes(json!({"open": true, "exclude": {"event_types": ["CHI"]}})));
    assert!(!takes(json!({"event_types": ["ACK"], "exclude": {"tags": ["host=db1"]}})));
}

#[test]
fn filters_that_make_no_sense_are_refused_with_their_field() {
    for (json, what) in [
        (json!({"maxlevel": 6}), "6 is no level; write 1 (critical) to 5 (information)"),
        (json!({"tags": ["=x"]}), "\"=x\" is no tag; write key=value"),
        (json!({"event_types": ["XYZ"]}), "unknown variant `XYZ`"),
        (json!({"colour": "red"}), "unknown field `colour`"),
        (json!({"condition": "nope == 1"}), "asks for \"nope\""),
    ] {
        let bad = serde_json::from_value::<Filter>(json).unwrap_err().to_string();
        assert!(bad.contains(what), "{bad}");
    }
    let nested = filter(json!({"exclude": {"open": true, "exclude": {"open": true}}}));
    assert!(nested.check().unwrap_err().to_string().starts_with("exclude.exclude: "));
    let long = filter(json!({"exclude": {"tags": vec!["a=b"; MAX_FILTER_VALUES + 1]}}));
    assert!(long.check().unwrap_err().to_string().starts_with("exclude.tags: has 1001 entries"));
}

#[test]
fn what_was_not_given_is_not_written() {
    let json = json!({"sourceSystemIds": [1], "open": true, "maxlevel": 3, "event_types": ["STA"], "tags": ["a=b=c"]});
    assert_eq!(serde_json::to_value(filter(json.clone())).unwrap(), json);
    assert_eq!(serde_json::to_value(Filter::default()).unwrap(), json!({}));
}

#[test]
fn lines_of_the_timeline_are_events_of_a_type() {
    let of = |kind, by: &str| {
        EventType::of(&Change { kind, by: by.into(), detail: String::new() }).map(EventType::code)
    };
    assert_eq!(of(ChangeKind::Resolved, ""), Some("END"));
    assert_eq!(of(ChangeKind::Resolved, "ann"), Some("CLO"));
    assert_eq!(of(ChangeKind::Suppressed, ""), None);
    for it in EventType::ALL {
        assert_eq!(EventType::from_code(it.code()), Some(it));
        assert_eq!(serde_json::to_value(it).unwrap(), it.code());
    }
}

/// Profiles, timeslots and filters whose ids are their places.
struct World {
    profiles: Vec<Profile>,
    timeslots: HashMap<Id, Timeslot>,
    filters: HashMap<Id, Filter>,
    people: HashMap<Id, Person>,
}

impl World {
    fn book(&self) -> Book {
        Book::new(self.profiles.clone(), &self.timeslots, &self.filters, self.people.clone())
    }
}

fn profile(id: i64, owner: i64, filters: &[i64], destinations: &[i64]) -> Profile {
    Profile {
        id: Id(id),
        owner: Id(owner),
        name: format!("profile {id}"),
        timeslot: Id(1),
        filters: filters.iter().copied().map(Id).collect(),
        destinations: destinations.iter().copied().map(Id).collect(),
        active: true,
        digest_minutes: 0,
    }
}

fn slot(windows: Value) -> Timeslot {
    serde_json::from_value(json!({"name": "slot", "windows": windows})).unwrap()
}

fn world() -> World {
    let filters = [
        json!({"tags": ["host=db1"]}),
        json!({"open": true, "maxlevel": 2}),
        json!({"sourceSystemIds": [4]}),
        json!({}),
    ];
    let night = json!([{"weekdays": ["friday"], "start": "22:00", "end": "06:00"}]);
    World {
        profiles: vec![profile(10, 1, &[3, 2, 1], &[100, 101]), profile(11, 1, &[1], &[100])],
        timeslots: [(Id(1), Timeslot::all_the_time()), (Id(2), slot(night))].into(),
        filters: (1..).zip(filters).map(|(id, json)| (Id(id), filter(json))).collect(),
        people: [(Id(1), Person { zone: Zone::named("Europe/Oslo").unwrap(), quiet: None })].into(),
    }
}

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

/// What the first profile says.
fn verdict(world: &World, time: &str) -> Verdict {
    world.book().evaluate(&thing().subject(), at(time)).verdicts[0].1
}

#[test]
fn a_destination_is_told_once_and_knows_which_profiles_say_so() {
    let mut world = world();
    world.profiles[0].digest_minutes = 15;
    let evaluation = world.book().evaluate(&thing().subject(), at("2026-06-01T12:00:00Z"));
    let told: Vec<_> =
        evaluation.told.iter().map(|it| (it.destination.0, it.profiles.len(), it.digest_minutes)).collect();
    assert_eq!(told, [(100, 2, 0), (101, 1, 15)]);
    assert_eq!(evaluation.verdicts[0], (Id(10), Verdict::Told { filter: Id(2) }), "the first that takes it");
    let misses = world.book().misses(Id(10), &thing().subject());
    assert_eq!(misses, [(Id(3), Some(Miss::Source)), (Id(2), None), (Id(1), None)]);
}

#[test]
fn every_profile_that_does_not_tell_says_why() {
    const NOON: &str = "2026-06-05T12:00:00Z";
    let with = |change: &dyn Fn(&mut World)| {
        let mut world = world();
        change(&mut world);
        verdict(&world, NOON)
    };
    assert_eq!(with(&|it| it.profiles[0].active = false), Verdict::Inactive);
    assert_eq!(with(&|it| it.profiles[0].filters = vec![]), Verdict::NoFilter);
    assert_eq!(with(&|it| it.profiles[0].filters = vec![Id(77)]), Verdict::NoFilter);
    assert_eq!(with(&|it| it.profiles[0].filters = vec![Id(3), Id(4)]), Verdict::NoFilterFits);
    assert_eq!(with(&|it| it.profiles[0].timeslot = Id(77)), Verdict::NoTimeslot);
    assert_eq!(with(&|it| it.profiles[0].timeslot = Id(2)), Verdict::OutsideTimeslot);
    assert_eq!(with(&|it| it.profiles[0].destinations = vec![]), Verdict::NoDestination);
    let quiet = |broken_by| {
        with(&|it| {
            let person = it.people.get_mut(&Id(1)).unwrap();
            person.quiet = Some(Quiet { windows: Weekly::always(), broken_by });
        })
    };
    assert_eq!(quiet(None), Verdict::Quiet);
    assert_eq!(quiet(Some(Severity::Critical)), Verdict::Quiet);
    assert_eq!(quiet(Some(Severity::Error)), Verdict::Told { filter: Id(2) });
}

#[test]
fn a_timeslot_crosses_midnight_by_the_clock_of_its_person() {
    let mut world = world();
    world.profiles[0].timeslot = Id(2);
    // Oslo is two hours ahead in June; the fifth is a Friday
    for (time, holds) in [
        ("2026-06-05T19:59:59Z", false),
        ("2026-06-05T20:00:00Z", true),
        ("2026-06-06T03:59:59Z", true),
        ("2026-06-06T04:00:00Z", false),
        ("2026-06-06T20:00:00Z", false),
    ] {
        assert_eq!(verdict(&world, time) != Verdict::OutsideTimeslot, holds, "{time}");
    }
}

#[test]
fn profiles_and_people_that_make_no_sense_are_refused() {
    let bad = Profile { digest_minutes: 2000, ..profile(1, 1, &[], &[]) };
    assert!(bad.check().unwrap_err().to_string().starts_with("digest_minutes: is 2000"));
    assert!(profile(1, 1, &[1; 65], &[]).check().unwrap_err().to_string().starts_with("filters: has 65"));
    let bad = slot(json!([{"weekdays": []}]));
    assert!(bad.check().unwrap_err().to_string().starts_with("windows[0].weekdays: is empty"));
    let quiet = Some(Quiet { windows: bad.windows, broken_by: None });
    let bad = Person { quiet, ..Person::default() };
    assert!(bad.check().unwrap_err().to_string().starts_with("quiet.windows[0].weekdays"));
}

fn texts(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(of).prop_map(str::to_owned)
}

fn tags() -> impl Strategy<Value = Vec<Tag>> {
    let tag = (texts(&["a", "b", "c"]), texts(&["x", "y"])).prop_map(|(key, value)| Tag { key, value });
    prop::collection::vec(tag, 0..4)
}

fn severities() -> impl Strategy<Value = Severity> {
    prop::sample::select(Severity::ALL.to_vec())
}

fn event_types() -> impl Strategy<Value = EventType> {
    prop::sample::select(EventType::ALL.to_vec())
}

fn some<S: Strategy>(of: S) -> impl Strategy<Value = Vec<S::Value>>
where
    S::Value: Clone,
{
    prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(of, 1..3)]
}

fn plain_filters() -> impl Strategy<Value = Filter> {
    let flag = || prop::option::weighted(0.2, any::<bool>());
    let matchers = some(texts(&[r#"a="x""#, r#"b="y""#, r#"a!="x""#, r#"c=~"x|y""#]));
    (
        (some(1i64..4), some(texts(&["nav", "Zabbix"])), tags(), some(event_types())),
        (flag(), flag(), flag(), flag()),
        (prop::option::weighted(0.2, severities()), matchers),
    )
        .prop_map(
            |(
                (sources, source_types, tags, event_types),
                (open, acked, stateful, hide),
                (level, matchers),
            )| {
                Filter {
                    sources,
                    source_types,
                    tags,
                    open,
                    acked,
                    stateful,
                    maxlevel: level,
                    event_types,
                    hide_closed_acked: hide,
                    matchers: matchers.iter().map(|it| crate::matcher::parse(it).unwrap()).collect(),
                    condition: None,
                    public: false,
                    exclude: None,
                }
            },
        )
}

fn filters() -> impl Strategy<Value = Filter> {
    (plain_filters(), prop::option::weighted(0.3, plain_filters()))
        .prop_map(|(filter, exclude)| Filter { exclude: exclude.map(Box::new), ..filter })
}

fn vec_of(ids: std::ops::Range<i64>, most: usize) -> impl Strategy<Value = Vec<i64>> {
    prop::collection::vec(ids, 0..most)
}

fn things() -> impl Strategy<Value = Thing> {
    let labels = prop::collection::btree_map("[abc]", "[xy]", 0..3);
    (
        (prop::option::of(1i64..4), texts(&["nav", "zabbix", ""]), labels, tags(), severities()),
        (any::<bool>(), any::<bool>(), any::<bool>(), prop::option::of(event_types())),
    )
        .prop_map(|((source, source_type, labels, tags, severity), (open, acked, stateful, event))| {
            Thing {
                source,
                source_type,
                labels: labels.into_iter().collect(),
                tags,
                severity,
                open,
                acked,
                stateful,
                event,
            }
        })
}

/// What the reference says of a filter, in its own words.
fn by_the_words(filter: &Filter, it: &Thing) -> bool {
    let tags: Vec<String> =
        it.labels.iter().map(|(k, v)| format!("{k}={v}")).chain(it.tags.iter().map(Tag::to_string)).collect();
    let keys = filter.tags.iter().map(|tag| &tag.key);
    let tags_fit = keys.clone().all(|key| {
        filter.tags.iter().filter(|tag| tag.key == *key).any(|tag| tags.contains(&tag.to_string()))
    });
    let fits = |want: Option<bool>, have: bool| want.is_none() || want == Some(have);
    let given = serde_json::to_value(filter).unwrap();
    let given = given.as_object().unwrap();
    let says_something = given.iter().any(|(name, value)| match name.as_str() {
        "hide_closed_acked" => value == true,
        "exclude" => !filter.exclude.as_ref().unwrap().is_empty(),
        _ => true,
    });
    let excluded = filter.exclude.as_ref().is_some_and(|exclude| {
        by_the_words(exclude, it) && (it.event.is_some() || exclude.event_types.is_empty())
    });
    says_something
        && tags_fit
        && (filter.sources.is_empty() || it.source.is_some_and(|source| filter.sources.contains(&source)))
        && (filter.source_types.is_empty()
            || filter.source_types.iter().any(|name| name.to_lowercase() == it.source_type))
        && fits(filter.open, it.open)
        && fits(filter.acked, it.acked)
        && fits(filter.stateful, it.stateful)
        && filter.maxlevel.is_none_or(|most| it.severity.level() <= most.level())
        && (filter.event_types.is_empty() || it.event.is_none_or(|event| filter.event_types.contains(&event)))
        && !(filter.hide_closed_acked == Some(true) && !it.open && it.acked)
        && filter.matchers.matches(&it.labels)
        && !excluded
}

proptest! {
    /// What notifies is listed, and a filter is what its words say.
    #[test]
    fn filters_are_what_their_words_say(filter in filters(), thing in things()) {
        let takes = filter.takes(&thing.subject());
        prop_assert_eq!(takes, by_the_words(&filter, &thing));
        let listed = Thing { event: None, ..thing };
        prop_assert!(!takes || filter.takes(&listed.subject()), "it notifies and is not listed");
        let written = serde_json::to_string(&filter).unwrap();
        prop_assert_eq!(serde_json::from_str::<Filter>(&written).unwrap(), filter);
    }

    /// The files find exactly what reading every filter of every profile would find.
    #[test]
    fn filing_changes_nothing(
        all in prop::collection::vec(filters(), 1..12),
        profiles in prop::collection::vec((vec_of(0..14, 4), vec_of(100..104, 3)), 0..8),
        thing in things(),
    ) {
        let filters: HashMap<Id, Filter> = (0..).zip(all).map(|(id, filter)| (Id(id), filter)).collect();
        let profiles: Vec<_> =
            (1000..).zip(&profiles).map(|(id, (filters, places))| profile(id, 1, filters, places)).collect();
        let world = World { profiles, filters, ..world() };
        let evaluation = world.book().evaluate(&thing.subject(), Time(0));
        let mut destinations = std::collections::BTreeSet::<Id>::new();
        for (profile, (id, verdict)) in world.profiles.iter().zip(&evaluation.verdicts) {
            let known = profile.filters.iter().filter_map(|id| Some((id, world.filters.get(id)?)));
            let first = known.clone().find(|(_, filter)| by_the_words(filter, &thing)).map(|(id, _)| *id);
            let want = match first {
                None if known.count() == 0 => Verdict::NoFilter,
                None => Verdict::NoFilterFits,
                Some(_) if profile.destinations.is_empty() => Verdict::NoDestination,
                Some(filter) => {
                    destinations.extend(&profile.destinations);
                    Verdict::Told { filter }
                }
            };
            prop_assert_eq!((id, verdict), (&profile.id, &want));
            let own: Vec<&Filter> = profile.filters.iter().filter_map(|id| world.filters.get(id)).collect();
            prop_assert_eq!(first.is_some(), Filter::any(own, &thing.subject()), "the preview differs");
        }
        let told: Vec<Id> = evaluation.told.iter().map(|it| it.destination).collect();
        prop_assert_eq!(told.len(), destinations.len());
        prop_assert!(told.iter().all(|it| destinations.contains(it)));
    }
}
