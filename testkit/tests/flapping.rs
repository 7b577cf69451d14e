//! What is promised about things that begin and end all the time.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

use std::time::Duration;

use model::flap::{Flapping, OnFlapping};
use model::incident::State;
use model::receiver::Manners;
use model::route::Route;
use model::{Id, Rules};
use testkit::World;
use testkit::spans::seconds;
use testkit::world::{receiver, simple_rules};

const DISK: [(&str, &str); 1] = [("alertname", "Disk")];
const TOLD_BEFORE: [&str; 4] = ["first", "all_resolved", "first", "all_resolved"];

/// What begins three times within ten minutes flaps, until it has not moved for five.
fn rules(policy: OnFlapping) -> Rules {
    let mut rules = simple_rules();
    rules.root.timing.group_interval = seconds(10);
    rules.reopen_within = Duration::ZERO;
    rules.flapping = Flapping { times: 2, within: seconds(600), calm_after: seconds(300), policy };
    rules
}

/// Begins and ends so many times, twenty seconds each.
fn moves(world: &mut World, times: usize) -> Id {
    let mut id = Id(0);
    for _ in 0..times {
        id = world.fires(&DISK);
        world.passes(seconds(20));
        world.clears(&DISK);
        world.passes(seconds(20));
    }
    id
}

#[test]
fn what_flaps_is_seen_to_and_told_as_ever_unless_somebody_says_otherwise() {
    let mut world = World::new(rules(OnFlapping::Notify));
    let id = moves(&mut world, 4);
    assert_eq!(world.told("ops"), [TOLD_BEFORE, TOLD_BEFORE].concat());
    assert!(world.incident(id).is_flapping());
    assert_eq!(world.lines(id, "It flaps: it began 4 times since"), 1);
    assert_eq!(world.seen[4].1.says.alerts[0].flapping.unwrap().times, 3, "its messages say so");
    world.passes(seconds(300));
    assert!(!world.incident(id).is_flapping());
    assert_eq!(world.lines(id, "calmed: it began 4 times since"), 1);
    world.check_at_rest();
}

#[test]
fn what_is_held_is_not_told_while_it_flaps_and_each_change_says_so() {
    let mut world = World::new(rules(OnFlapping::Hold));
    let id = moves(&mut world, 5);
    assert_eq!(world.fires(&DISK), id, "it is one incident that comes back");
    world.passes(seconds(299));
    assert_eq!(world.told("ops"), TOLD_BEFORE);
    // three times over and three times back, since it began to flap
    assert_eq!(world.lines(id, "is not told to ops: flapping since"), 6);
    assert_eq!(world.lines(id, "Held back now: on route {} (on_flapping = hold): flapping since"), 1);
    world.passes(seconds(20));
    assert_eq!(world.told("ops")[4..], ["first"], "calm, and wrong: that is told");
    assert_eq!(world.lines(id, "no longer flapping since"), 1);
    world.clears(&DISK);
    world.passes(seconds(20));
    assert_eq!(world.told("ops")[4..], ["first", "all_resolved"]);
    world.check_at_rest();
}

#[test]
fn an_end_that_was_held_is_told_when_it_is_calm() {
    let mut rules = rules(OnFlapping::Hold);
    // so slow that the end of the second time is not told before the third begins
    rules.root.timing.group_interval = seconds(45);
    let mut world = World::new(rules);
    let id = moves(&mut world, 3);
    assert_eq!(world.told("ops").last(), Some(&"first"));
    world.passes(seconds(400));
    assert_eq!(world.told("ops").last(), Some(&"all_resolved"));
    assert_eq!(world.incident(id).state, State::Resolved);
    world.check_at_rest();
}

#[test]
fn what_is_summarised_is_told_once_when_it_begins_to_flap_and_once_when_it_is_calm() {
    let mut world = World::new(rules(OnFlapping::Summarise));
    let id = moves(&mut world, 7);
    assert_eq!(world.told("ops")[4..], ["flapping"]);
    let says = &world.seen.last().unwrap().1.says;
    assert!(says.is_firing() && says.alerts[0].flapping.unwrap().since.is_some());
    world.passes(seconds(300));
    assert_eq!(world.told("ops")[4..], ["flapping", "calmed"]);
    let says = &world.seen.last().unwrap().1.says;
    let flapping = says.alerts[0].flapping.unwrap();
    assert_eq!((flapping.times, flapping.since, says.status()), (7, None, "resolved"));
    assert_eq!(world.lines(id, "is not told to ops: flapping since"), 9);
    world.check_at_rest();
}

#[test]
fn what_is_wrong_when_it_is_calm_goes_on_as_any_other() {
    let mut world = World::new(rules(OnFlapping::Summarise));
    moves(&mut world, 4);
    world.fires(&DISK);
    world.passes(seconds(320));
    assert_eq!(world.told("ops")[4..], ["flapping", "calmed"]);
    assert_eq!(world.seen.last().unwrap().1.says.status(), "firing");
    world.clears(&DISK);
    world.passes(seconds(20));
    assert_eq!(world.told("ops")[4..], ["flapping", "calmed", "all_resolved"]);
    world.check_at_rest();
}

#[test]
fn those_who_do_not_hear_of_ends_hear_that_something_flaps_though_it_is_over_at_the_moment() {
    let mut rules = rules(OnFlapping::Summarise);
    let manners = Manners { send_resolved: false, ..Manners::default() };
    rules.receivers.insert("ops".to_owned(), receiver("ops", manners));
    rules.root.timing.group_wait = seconds(25);
    let mut world = World::new(rules);
    moves(&mut world, 4);
    assert_eq!(world.told("ops"), ["flapping"], "it was over each time before its group had waited");
}

#[test]
fn it_is_calm_in_time_even_if_nobody_was_running() {
    let mut world = World::new(rules(OnFlapping::Hold));
    moves(&mut world, 3);
    let id = world.fires(&DISK);
    world.settles();
    world.crash(0);
    world.clock_jumps(world.now + seconds(3600));
    world.passes(seconds(20));
    assert_eq!(world.told("ops")[4..], ["first"]);
    assert!(!world.incident(id).is_flapping());
    world.check_at_rest();
}

#[test]
fn each_route_has_its_own_policy() {
    let mut rules = rules(OnFlapping::Hold);
    rules.receivers.insert("db".to_owned(), receiver("db", Manners::default()));
    let child = Route {
        path: "{}/{}".to_owned(),
        receiver: "db".to_owned(),
        r#continue: true,
        on_flapping: Some(OnFlapping::Notify),
        ..rules.root.clone()
    };
    let second =
        Route { path: "{}/{}#2".to_owned(), receiver: "ops".to_owned(), on_flapping: None, ..child.clone() };
    rules.root.children = vec![child, second];
    let mut world = World::new(rules);
    moves(&mut world, 4);
    assert_eq!(world.told("db"), [TOLD_BEFORE, TOLD_BEFORE].concat());
    assert_eq!(world.told("ops"), TOLD_BEFORE);
}

#[test]
fn a_silence_goes_before_and_what_it_hid_is_told_when_it_ends() {
    let mut world = World::new(rules(OnFlapping::Summarise));
    world.silences(r#"alertname="Disk""#, seconds(130));
    let id = moves(&mut world, 3);
    assert_eq!(world.told("ops"), [""; 0]);
    assert!(world.lines(id, "silenced by") > 0);
    world.passes(seconds(30));
    assert_eq!(world.told("ops"), ["flapping"]);
}
