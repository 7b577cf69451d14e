//! What is promised of what is told later: after a quiet hour, after planned maintenance, in the summary of a storm.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

use std::time::Duration;

use model::maintenance::Maintenance;
use model::storm::StormRule;
use model::{Id, Reach, Time};
use serde_json::{Value, json};
use store::definitions::{Definition, Kind};
use testkit::World;
use testkit::spans::minutes;
use testkit::world::simple_rules;

const DISK: [(&str, &str); 2] = [("alertname", "Disk"), ("host", "db1")];
const FAN: [(&str, &str); 2] = [("alertname", "Fan"), ("host", "db1")];
const NET: [(&str, &str); 2] = [("alertname", "Net"), ("host", "web1")];

fn always() -> Value {
    json!([{"weekdays": [1, 2, 3, 4, 5, 6, 7]}])
}

/// The names of what the last message to a place shows, in their order.
fn shown(world: &World, place: &str) -> Vec<String> {
    let (_, seen) = world.seen.iter().rev().find(|(name, _)| name == place).unwrap();
    let names = seen.says.alerts.iter().map(|it| it.labels.get("alertname").unwrap().to_owned());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}

/// A maintenance of `db1` from now on, for so long.
fn maintenance(world: &mut World, change: Value) -> Id {
    let mut body = json!({
        "description": "new disks", "starts_at": "2026-09-21T14:13:20Z", "ends_at": "2026-09-21T15:13:20Z",
        "filters": [{"matchers": ["host=\"db1\""]}],
    });
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    world.everybodys::<Maintenance>(Kind::Maintenance, 7000, "disks", body)
}

#[test]
fn a_clock_that_is_set_back_keeps_nothing_back_for_longer() {
    let mut world = World::new(simple_rules());
    // what she collects for ten minutes
    let mut ann = world.somebody(1, json!({"maxlevel": 5}), always());
    ann.profile.body.digest_minutes = 10;
    world.defines(Kind::Profile, &ann.profile);
    // and what he does not want to hear of now, a quarter past two in the afternoon
    let bob = world.somebody(2, json!({"maxlevel": 5}), always());
    let quiet = json!({"windows": [{"start": "14:00", "end": "16:00"}]});
    world.owned::<Reach>(Kind::Reach, 2009, bob.id, "reach", json!({"quiet": quiet}));
    world.fires(&NET);
    // a maintenance that was in force by the wrong clock, and is not yet by the right one
    maintenance(&mut world, json!({}));
    world.fires(&FAN);
    world.passes(minutes(1));
    world.clock_jumps(world.now - minutes(48 * 60));
    world.passes(minutes(20));
    assert_eq!(world.told_at(&ann.place()), ["digest"; 2], "what was collected, and what nothing keeps back");
    world.passes(minutes(90));
    assert_eq!(shown(&world, &bob.place()), ["Fan", "Net"], "when his quiet hour ends today");
}

#[test]
fn what_a_quiet_hour_held_back_is_told_once_when_it_ends_without_what_is_over() {
    let mut world = World::new(simple_rules());
    let ann = world.somebody(1, json!({"maxlevel": 5}), always());
    // it is a quarter past two in the afternoon
    let quiet = json!({"windows": [{"weekdays": [1, 2, 3, 4, 5, 6, 7], "start": "14:00", "end": "16:00"}]});
    world.owned::<Reach>(Kind::Reach, 1009, ann.id, "reach", json!({"quiet": quiet}));
    let disk = world.fires(&DISK);
    world.passes(minutes(30));
    let net = world.fires(&NET);
    world.passes(minutes(10));
    world.clears(&NET);
    world.acknowledges(disk, "bob");
    world.passes(minutes(30));
    assert_eq!(world.told_at(&ann.place()), [""; 0]);
    assert!(
        world.lines(disk, "not told to @scripted") >= 1 && world.lines(disk, "their quiet hour until") >= 1
    );
    world.passes(minutes(60));
    assert_eq!(
        (world.told_at(&ann.place()), shown(&world, &ann.place())),
        (vec!["digest"], vec!["Disk".to_owned()])
    );
    assert_eq!(world.lines(net, "it was over before the digest was sent"), 1);
    world.fires(&FAN);
    world.settles();
    assert_eq!(world.told_at(&ann.place()), ["digest", "first"], "the hour is over");
    world.check_at_rest();
}

#[test]
fn quiet_hours_that_change_are_looked_at_anew_and_those_without_an_end_say_so() {
    let mut world = World::new(simple_rules());
    let ann = world.somebody(1, json!({"maxlevel": 5}), always());
    world.owned::<Reach>(Kind::Reach, 1009, ann.id, "reach", json!({"quiet": {"windows": [{}]}}));
    let disk = world.fires(&DISK);
    assert_eq!(world.lines(disk, "it is their quiet hour, which does not end"), 1);
    let quiet = json!({"windows": [{"start": "14:00", "end": "23:00"}]});
    world.owned::<Reach>(Kind::Reach, 1009, ann.id, "reach", json!({ "quiet": quiet }));
    world.fires(&FAN);
    world.passes(minutes(1));
    world.owned::<Reach>(Kind::Reach, 1009, ann.id, "reach", json!({}));
    let (id, now) = (ann.id, world.now);
    world.store.write_blocking(move |tx| store::digests::ring(tx, id, now)).unwrap();
    world.passes(minutes(1));
    assert_eq!(shown(&world, &ann.place()), ["Fan"]);
}

#[test]
fn after_maintenance_what_is_still_wrong_is_told_at_once_to_routes_and_to_people() {
    let mut world = World::new(simple_rules());
    let ann = world.somebody(1, json!({"maxlevel": 5}), always());
    maintenance(&mut world, json!({}));
    let disk = world.fires(&DISK);
    let fan = world.fires(&FAN);
    world.passes(minutes(20));
    world.clears(&FAN);
    world.fires(&NET);
    world.passes(minutes(39));
    assert_eq!(
        (world.told("ops").len(), world.told_at(&ann.place())),
        (1, vec!["first"]),
        "but of the network"
    );
    assert_eq!(world.lines(disk, "yet: covered by planned maintenance \"disks\""), 1);
    world.passes(minutes(1) + Duration::from_secs(5));
    assert_eq!(
        (world.told("ops"), shown(&world, "ops/scripted/0")),
        (vec!["first"; 2], vec!["Disk".to_owned()])
    );
    assert_eq!(
        (world.told_at(&ann.place()), shown(&world, &ann.place())),
        (vec!["first", "digest"], vec!["Disk".to_owned()])
    );
    assert_eq!(world.lines(fan, "it was over before the digest was sent"), 1);
    world.check_at_rest();
}

#[test]
fn one_that_collects_tells_all_that_happened_in_one_message_at_its_end() {
    let mut world = World::new(simple_rules());
    let ann = world.somebody(1, json!({"maxlevel": 5}), always());
    maintenance(&mut world, json!({"mode": "collect"}));
    world.fires(&DISK);
    world.fires(&FAN);
    world.fires(&[("alertname", "Cable"), ("host", "db1")]);
    world.passes(minutes(20));
    world.clears(&FAN);
    world.clears(&[("alertname", "Cable"), ("host", "db1")]);
    world.passes(minutes(39));
    assert_eq!((world.told("ops").len(), world.told_at(&ann.place()).len()), (0, 0));
    world.passes(minutes(1) + Duration::from_secs(5));
    let mut told = world.told("ops");
    told.sort_unstable();
    assert_eq!(told, ["digest", "first"], "what was, and what still is");
    let digest =
        world.seen.iter().find(|(name, it)| name == "ops/scripted/0" && it.says.reason.name() == "digest");
    assert_eq!(digest.unwrap().1.says.alerts.len(), 2);
    assert_eq!(world.told_at(&ann.place()), ["digest"]);
    assert_eq!(shown(&world, &ann.place()), ["Cable", "Disk", "Fan"]);
    world.passes(minutes(30));
    assert_eq!(world.told_at(&ann.place()), ["digest"]);
    world.check_at_rest();
}

#[test]
fn maintenance_that_is_ended_early_is_over_at_once_and_one_within_another_goes_on() {
    let mut world = World::new(simple_rules());
    let ann = world.somebody(1, json!({"maxlevel": 5}), always());
    let id = maintenance(&mut world, json!({}));
    let longer = json!({
        "description": "fans", "starts_at": world.now, "ends_at": world.now + minutes(90),
        "filters": [{"tags": ["alertname=Fan"]}],
    });
    world.everybodys::<Maintenance>(Kind::Maintenance, 7001, "fans", longer);
    world.fires(&DISK);
    world.fires(&FAN);
    world.passes(minutes(10));
    let now = world.now;
    maintenance(&mut world, json!({"ends_at": now}));
    world.store.write_blocking(move |tx| store::maintained::ring(tx, id, now)).unwrap();
    world.passes(Duration::from_secs(5));
    assert_eq!(
        (shown(&world, "ops/scripted/0"), shown(&world, &ann.place())),
        (vec!["Disk".to_owned()], vec!["Disk".to_owned()])
    );
    world.passes(minutes(81));
    assert_eq!(
        (shown(&world, "ops/scripted/0"), shown(&world, &ann.place())),
        (vec!["Fan".to_owned()], vec!["Fan".to_owned()])
    );
}

#[test]
fn maintenance_that_recurs_is_over_every_time() {
    let mut rules = simple_rules();
    rules.root.timing.group_interval = minutes(600);
    let mut world = World::new(rules);
    let times = json!({"name": "disks", "time_intervals": [{
        "times": [{"start_time": "14:00", "end_time": "15:00"}]}]});
    maintenance(&mut world, json!({"recurrence": times, "ends_at": null}));
    for day in 1..=2 {
        world.fires(&DISK);
        let end: Time = format!("2026-09-{}T15:00:05Z", 20 + day).parse().unwrap();
        world.passes(end.since(world.now) - Duration::from_secs(10));
        assert_eq!(world.told("ops").len(), (day - 1) * 2, "on day {day}");
        world.passes(Duration::from_secs(10));
        assert_eq!(world.told("ops").len(), day * 2 - 1);
        world.clears(&DISK);
        world.passes(minutes(23 * 60 + 30));
    }
}

#[test]
fn in_a_storm_somebody_gets_a_summary_at_their_own_destination() {
    let mut rules = simple_rules();
    rules.storms.all = StormRule {
        messages: 3,
        within: minutes(1),
        gather: Duration::from_secs(10),
        again_after: minutes(5),
        over_after: minutes(2),
    };
    let mut world = World::new(rules);
    let ann = world.somebody(1, json!({"maxlevel": 5}), always());
    let mut last = Id(0);
    for n in 0..20 {
        last = world.fires(&[("alertname", "Disk"), ("n", &n.to_string())]);
        world.passes(Duration::from_secs(1));
    }
    assert_eq!(world.told_at(&ann.place()), ["first", "first", "first", "storm"]);
    world.passes(minutes(20));
    assert_eq!(world.told_at(&ann.place()).last(), Some(&"storm_over"));
    assert_eq!(world.lines(last, &format!("not told to {} by itself, but in a summary", ann.place())), 1);
    let mut gone: Definition<_> = ann.destination.clone();
    gone.body.verified_at = None;
    world.defines(Kind::Destination, &gone);
    world.check_at_rest();
}

#[test]
fn what_waited_for_its_group_when_maintenance_began_is_told_when_that_is_over() {
    let mut rules = simple_rules();
    rules.root.timing.group_wait = Duration::from_secs(30);
    rules.root.timing.group_interval = minutes(45);
    let mut world = World::new(rules);
    world.fires(&DISK);
    world.passes(Duration::from_secs(10));
    maintenance(&mut world, json!({}));
    world.passes(minutes(59));
    assert_eq!(world.told("ops"), [""; 0]);
    world.passes(Duration::from_secs(60));
    assert_eq!(world.told("ops"), ["first"], "not a group interval later");
}
