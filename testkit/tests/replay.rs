//! A replay tells what other rules would have told of what was recorded, and nothing else.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::time::Duration;

use flow::driver::Act;
use flow::replay::{Change, Difference, Read, Tape, compare};
use model::matcher::Matchers;
use model::receiver::Manners;
use model::route::Route;
use model::{Rules, Time};
use testkit::World;
use testkit::spans::minutes;
use testkit::world::{place_of, receiver, simple_rules};

const HOUR: Duration = Duration::from_secs(3600);

/// Waits a minute, and repeats every hour.
fn patient_rules() -> Rules {
    let mut rules = simple_rules();
    rules.root.timing.group_wait = minutes(1);
    rules.root.timing.repeat_interval = HOUR;
    rules
}

fn tape(world: &World, from: Time) -> Tape {
    let read = Read { from, until: world.now, events: 10_000 };
    world.store.read_blocking(|tx| Tape::read(tx, &read)).unwrap()
}

fn replay(world: &World, from: Time, old: Rules, new: Rules) -> Difference {
    compare(&tape(world, from), old, new, &mut || true).unwrap()
}

/// A few hours with everything in them that people and senders do.
fn eventful() -> (World, Time) {
    let mut world = World::new(patient_rules());
    world.fires(&[("alertname", "Old"), ("team", "db")]);
    world.passes(minutes(90));
    let from = world.now;
    world.silences(r#"alertname="Quiet""#, minutes(30));
    world.fires(&[("alertname", "Disk"), ("team", "db")]);
    world.fires(&[("alertname", "Quiet"), ("team", "db")]);
    world.passes(minutes(10));
    let taken = world.fires(&[("alertname", "Net"), ("team", "web")]);
    world.passes(minutes(5));
    world.acknowledges(taken, "ann");
    world.clears(&[("alertname", "Disk"), ("team", "db")]);
    world.passes(minutes(40));
    let done = world.fires(&[("alertname", "Done"), ("team", "web")]);
    world.passes(minutes(2));
    world.act(done, Act::Resolve { by: "ann".into(), note: String::new(), end: None });
    world.passes(minutes(70));
    (world, from)
}

#[test]
fn the_same_rules_tell_the_same_and_what_really_was_told() {
    let (world, from) = eventful();
    let same = replay(&world, from, patient_rules(), patient_rules());
    assert!(same.is_none(), "{same:?}");
    let told: Vec<Time> = world.seen.iter().map(|(_, seen)| seen.at).filter(|at| *at >= from).collect();
    assert!(told.len() > 5, "{told:?}");
    assert_eq!((same.told_before, same.told_after), (told.len(), told.len()), "{told:?}");
    assert_eq!((same.events, same.silences), (5, 1));
}

#[test]
fn a_route_of_its_own_moves_messages_to_another_receiver() {
    let (world, from) = eventful();
    let mut new = patient_rules();
    let db = receiver("db", Manners::default());
    new.receivers.insert("db".to_owned(), db);
    let matchers = Matchers(model::matcher::parse_list(r#"team="db""#).unwrap());
    let path = Route::child_path(&new.root.path, &matchers, None);
    let route = Route { path, matchers, receiver: "db".to_owned(), ..new.root.clone() };
    new.root.children.push(route);
    let difference = replay(&world, from, patient_rules(), new);
    let to = |place: &str, change: Change| {
        let fits = |it: &&flow::replay::Item| it.destination == place && it.change == change;
        difference.items.iter().filter(fits).count()
    };
    assert!(difference.gone > 0 && difference.gone == difference.new, "{difference:?}");
    assert_eq!(to(&place_of("ops"), Change::Gone), difference.gone);
    assert_eq!(to(&place_of("db"), Change::New), difference.new);
    assert!(difference.items.iter().all(|it| it.group.get("team") == Some("db")), "{difference:?}");
}

#[test]
fn a_longer_wait_moves_the_first_word() {
    let mut world = World::new(patient_rules());
    let from = world.now;
    world.passes(minutes(5));
    let began = world.now;
    world.fires(&[("alertname", "Disk")]);
    world.passes(minutes(20));
    let mut new = patient_rules();
    new.root.timing.group_wait = minutes(3);
    let difference = replay(&world, from, patient_rules(), new);
    assert_eq!((difference.moved, difference.new, difference.gone), (1, 0, 0), "{difference:?}");
    let item = &difference.items[0];
    assert_eq!((item.before, item.after), (Some(began + minutes(1)), Some(began + minutes(3))));
}

#[test]
fn a_window_with_too_many_events_begins_later_and_says_so() {
    let mut world = World::new(patient_rules());
    let from = world.now;
    for n in 0..20 {
        world.fires(&[("alertname", "A"), ("n", &n.to_string())]);
        world.passes(Duration::from_secs(1));
    }
    let read = Read { from, until: world.now, events: 5 };
    let tape = world.store.read_blocking(|tx| Tape::read(tx, &read)).unwrap();
    assert_eq!((tape.events, tape.from), (5, from + Duration::from_secs(15)));
    assert!(tape.notes[0].contains("more than 5 events"), "{:?}", tape.notes);
    let mut looks = 3;
    let mut patience = || {
        looks -= 1;
        looks > 0
    };
    let cut = compare(&tape, patient_rules(), patient_rules(), &mut patience).unwrap();
    assert!(
        cut.until < tape.until && cut.notes.iter().any(|it| it.starts_with("cut: what comes after")),
        "{cut:?}"
    );
    assert!(cut.is_none());
}

#[test]
fn repeats_that_retention_has_forgotten_do_not_end_an_incident() {
    let mut world = World::new(patient_rules());
    let from = world.now;
    for _ in 0..60 {
        let mut event = model::NewEvent::raise("world", [("alertname", "Disk")].into_iter().collect());
        event.resolve_after = Some(minutes(5));
        world.accept(vec![event]);
        world.passes(minutes(1));
    }
    let told = world.seen.len();
    let forget = |tx: &mut store::Tx<'_>| tx.execute("DELETE FROM events WHERE verdict = 'repeated'", &[]);
    world.store.write_blocking(forget).unwrap();
    let same = replay(&world, from, patient_rules(), patient_rules());
    assert_eq!((same.events, same.told_before), (1, told), "{same:?}");
}
