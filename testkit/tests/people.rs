//! What is promised to people who say themselves what they want to hear of.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

use model::Time;
use serde_json::json;
use store::definitions::Kind;
use testkit::World;
use testkit::spans::minutes;
use testkit::world::simple_rules;

const DISK: [(&str, &str); 2] = [("alertname", "Disk"), ("team", "db")];
const NET: [(&str, &str); 2] = [("alertname", "Net"), ("team", "net")];

fn always() -> serde_json::Value {
    json!([{"weekdays": [1, 2, 3, 4, 5, 6, 7]}])
}

#[test]
fn people_hear_of_what_they_asked_for_beside_what_routes_say() {
    let mut world = World::new(simple_rules());
    let ann = world.somebody(1, json!({"tags": ["team=db"]}), always());
    let disk = world.fires(&DISK);
    world.fires(&NET);
    world.settles();
    assert_eq!(world.told_at(&ann.place()), ["first"]);
    assert_eq!(world.told("ops").len(), 2, "routes tell as ever");
    world.fires(&DISK);
    world.acknowledges(disk, "bob");
    world.settles();
    world.clears(&DISK);
    world.settles();
    assert_eq!(world.told_at(&ann.place()), ["first", "acknowledged", "all_resolved"]);
    world.passes(minutes(10));
    world.check_at_rest();
}

#[test]
fn what_is_told_at_night_is_told_on_both_sides_of_midnight() {
    let mut world = World::new(simple_rules());
    let nights = json!([{"weekdays": [1, 2, 3, 4, 5, 6, 7], "start": "22:00", "end": "06:00"}]);
    let ann = world.somebody(1, json!({"tags": ["team=db"]}), nights);
    let midnight: Time = "2026-09-22T00:00:00Z".parse().unwrap();
    let mut told = 0;
    for (minute, tells) in [(-150, false), (-60, true), (60, true), (350, true), (370, false)] {
        let until = Time(midnight.0 + minute * 60_000_000);
        world.passes(until.since(world.now));
        world.fires(&DISK);
        world.settles();
        told += usize::from(tells);
        let firsts = world.told_at(&ann.place()).iter().filter(|it| **it != "all_resolved").count();
        assert_eq!(firsts, told, "{minute} minutes after midnight");
        world.clears(&DISK);
        world.passes(minutes(1));
    }
}

#[test]
fn a_digest_tells_once_and_leaves_out_what_is_over() {
    let mut world = World::new(simple_rules());
    let mut ann = world.somebody(1, json!({"open": true}), always());
    ann.profile.body.digest_minutes = 30;
    world.defines(Kind::Profile, &ann.profile);
    world.fires(&DISK);
    world.passes(minutes(10));
    let net = world.fires(&NET);
    world.fires(&[("alertname", "Fan")]);
    world.passes(minutes(10));
    world.clears(&NET);
    assert_eq!(world.told_at(&ann.place()), [""; 0]);
    world.passes(minutes(11));
    assert_eq!(world.told_at(&ann.place()), ["digest"]);
    let (_, seen) = world.seen.iter().find(|(name, _)| *name == ann.place()).unwrap();
    let mut names: Vec<_> = seen.says.alerts.iter().map(|it| it.labels.get("alertname").unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Disk", "Fan"]);
    assert_eq!(world.lines(net, "it was over before the digest was sent"), 1);
    world.passes(minutes(60));
    assert_eq!(world.told_at(&ann.place()), ["digest"], "it is told once");
}

#[test]
fn who_is_not_told_finds_out_why() {
    let mut world = World::new(simple_rules());
    let mut ann = world.somebody(1, json!({"tags": ["team=db"]}), always());
    ann.destination.body.verified_at = None;
    world.defines(Kind::Destination, &ann.destination);
    let bob = world.somebody(2, json!({"open": true}), always());
    let disk = world.fires(&DISK);
    assert_eq!(world.lines(disk, "nobody has confirmed yet that it reaches them"), 1);
    world.silences("{team=\"net\"}", minutes(60));
    let net = world.fires(&NET);
    world.settles();
    assert_eq!(world.lines(net, &format!("not told to {}: silenced", bob.place())), 1);
    assert_eq!(world.told_at(&bob.place()), ["first"]);
    assert_eq!(world.told_at(&ann.place()), [""; 0]);
}

#[test]
fn a_change_of_a_profile_holds_from_the_next_event_on_also_on_other_nodes() {
    let mut world = World::seeded(7, simple_rules(), 3);
    let mut ann = world.somebody(1, json!({"tags": ["team=db"]}), always());
    world.fires(&DISK);
    world.settles();
    ann.profile.body.active = false;
    world.defines(Kind::Profile, &ann.profile);
    world.clears(&DISK);
    world.settles();
    assert_eq!(world.told_at(&ann.place()), ["first"]);
    world.takes_back(Kind::Destination, ann.destination.id);
    ann.profile.body.active = true;
    world.defines(Kind::Profile, &ann.profile);
    let disk = world.fires(&DISK);
    world.settles();
    assert_eq!(world.lines(disk, "there is no such destination any more"), 1);
}

#[test]
fn an_acknowledgement_that_expires_is_no_event_and_a_note_that_stands_for_one_is() {
    let mut world = World::new(simple_rules());
    let anything = world.somebody(1, json!({"event_types": ["OTH"]}), always());
    let ends = world.somebody(2, json!({"event_types": ["END"]}), always());
    let disk = world.fires(&DISK);
    let until = Some(world.now + minutes(5));
    world.act(disk, flow::driver::Act::Acknowledge { by: "bob".into(), until, note: String::new() });
    world.passes(minutes(10));
    assert_eq!(world.incident(disk).acknowledged_by, None);
    assert_eq!(world.told_at(&anything.place()), [""; 0]);
    let text = model::profile::EventType::End.noted("it had ended before");
    world.act(disk, flow::driver::Act::Note { by: "zino".into(), text });
    world.settles();
    assert_eq!((world.told_at(&anything.place()).len(), world.told_at(&ends.place()).len()), (0, 1));
}

#[test]
fn a_message_to_somebody_is_tried_again_and_sent_once() {
    let mut world = World::new(simple_rules());
    let ann = world.somebody(1, json!({"tags": ["team=db"]}), always());
    world.modes.insert(ann.place(), testkit::Mode::Broken);
    world.fires(&DISK);
    world.passes(minutes(2));
    assert_eq!(world.told_at(&ann.place()), [""; 0]);
    world.modes.remove(&ann.place());
    world.passes(minutes(2));
    world.crash(0);
    world.passes(minutes(2));
    assert_eq!(world.told_at(&ann.place()), ["first"]);
    world.check_at_rest();
}
