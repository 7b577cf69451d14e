//! What is promised about those who are not to be paged: they are not, whatever brings the page about.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

use std::time::Duration;

use flow::driver::Act;
use model::escalation::Policy;
use model::maintenance::Maintenance;
use model::{Id, Reach};
use serde_json::json;
use store::definitions::Kind;
use testkit::World;
use testkit::people::{paging_rules, two_who_are_paged};
use testkit::receiver::Mode;
use testkit::spans::minutes;

const DISK: [(&str, &str); 2] = [("alertname", "Disk"), ("severity", "critical")];
const IS_DISK: &str = "{alertname=\"Disk\"}";

fn acknowledges_for(world: &mut World, disk: Id, span: Duration) {
    let until = Some(world.now + span);
    world.act(disk, Act::Acknowledge { by: "ann".into(), until, note: String::new() });
}

fn snoozes(world: &mut World, disk: Id, span: Duration) {
    let until = world.now + span;
    world.act(disk, Act::Snooze { by: "ann".into(), until, note: String::new() });
}

fn gives_back(world: &mut World, disk: Id) {
    world.act(disk, Act::Unacknowledge { by: "ann".into() });
}

/// Ann alone, whose second way stands in for her first within two minutes, and that one never confirms anything.
fn with_stand_in() -> (World, Vec<String>) {
    let mut world = World::new(paging_rules());
    let (ann, anns) = world.user(1000, "ann", 2);
    world.stands_in(Id(1002), Id(1001), minutes(2));
    let rules = json!([{"destination": Id(1001)}]);
    world.owned::<Reach>(Kind::Reach, 1100, ann, "", json!({"rules": {"high": rules, "low": rules}}));
    let steps = json!([{"targets": [{"kind": "user", "id": ann}]}]);
    let policy = json!({"name": "db", "steps": steps, "repeat_after": "12h"});
    world.everybodys::<Policy>(Kind::Policy, 5000, "db", policy);
    world.modes.insert(anns[0].clone(), Mode::Vague);
    (world, anns)
}

#[test]
fn an_acknowledgement_that_expires_under_a_silence_pages_when_the_silence_ends() {
    let (mut world, anns, bobs) = two_who_are_paged();
    let disk = world.fires(&DISK);
    world.settles();
    acknowledges_for(&mut world, disk, minutes(10));
    world.silences(IS_DISK, minutes(30));
    world.passes(minutes(29));
    assert_eq!((world.told_at(&anns[0]).len(), world.told_at(&bobs).len()), (1, 0));
    assert_eq!(world.lines(disk, "nobody is paged: silenced"), 1);
    world.passes(minutes(3));
    assert_eq!(world.told_at(&anns[0]).len(), 2, "she had it, so she is asked first");
    world.passes(minutes(10));
    assert_eq!(world.told_at(&bobs), ["paged"]);
}

#[test]
fn what_is_given_back_or_snoozed_no_more_under_a_silence_pages_nobody() {
    let (mut world, anns, _) = two_who_are_paged();
    let disk = world.fires(&DISK);
    world.settles();
    world.acknowledges(disk, "ann");
    world.silences(IS_DISK, minutes(30));
    gives_back(&mut world, disk);
    world.passes(minutes(5));
    assert_eq!(world.told_at(&anns[0]).len(), 1);
    snoozes(&mut world, disk, minutes(10));
    world.passes(minutes(20));
    assert_eq!(world.told_at(&anns[0]).len(), 1);
    world.passes(minutes(8));
    assert_eq!(world.told_at(&anns[0]).len(), 2);
}

#[test]
fn what_opens_again_or_gets_worse_under_a_silence_pages_nobody() {
    let (mut world, anns, _) = two_who_are_paged();
    let disk = world.fires(&DISK);
    world.settles();
    world.clears(&DISK);
    world.passes(minutes(1));
    world.silences(IS_DISK, minutes(30));
    assert_eq!(world.fires(&DISK), disk, "it opens again");
    world.passes(minutes(25));
    assert_eq!((world.told_at(&anns[0]).len(), world.told_at(&anns[1]).len()), (1, 0));
    world.passes(minutes(8));
    assert_eq!(world.told_at(&anns[0]).len(), 2);
}

#[test]
fn an_acknowledgement_that_expires_during_maintenance_pages_when_that_is_over() {
    let (mut world, anns, _) = two_who_are_paged();
    let disk = world.fires(&DISK);
    world.settles();
    acknowledges_for(&mut world, disk, minutes(10));
    let (from, until) = (world.now, world.now + minutes(30));
    let window = json!({
        "description": "new disks", "starts_at": from, "ends_at": until, "filters": [{"tags": ["alertname=Disk"]}],
    });
    world.everybodys::<Maintenance>(Kind::Maintenance, 7000, "disks", window);
    world.passes(minutes(29));
    assert_eq!(world.told_at(&anns[0]).len(), 1);
    assert_eq!(world.lines(disk, "nobody is paged: covered by planned maintenance"), 1);
    world.passes(minutes(3));
    assert_eq!(world.told_at(&anns[0]).len(), 2);
}

#[test]
fn a_policy_that_comes_later_pages_nobody_about_what_somebody_has() {
    let (mut world, anns, bobs) = two_who_are_paged();
    let mut without = paging_rules();
    without.root.escalate = None;
    world.reloads(without);
    let disk = world.fires(&DISK);
    world.settles();
    world.acknowledges(disk, "ann");
    world.reloads(paging_rules());
    world.fires(&DISK);
    world.passes(minutes(60));
    assert_eq!((world.told_at(&anns[0]).len(), world.told_at(&bobs).len()), (0, 0));
    assert_eq!(world.troubles(), [""; 0]);
    gives_back(&mut world, disk);
    world.settles();
    assert_eq!(world.told_at(&anns[0]), ["paged"]);
    snoozes(&mut world, disk, minutes(30));
    world.passes(minutes(29));
    assert_eq!((world.told_at(&anns[0]).len(), world.told_at(&bobs).len()), (1, 0));
}

#[test]
fn a_snooze_that_ends_pages_nobody_about_what_somebody_has() {
    let (mut world, anns, bobs) = two_who_are_paged();
    let disk = world.fires(&DISK);
    world.settles();
    snoozes(&mut world, disk, minutes(30));
    world.acknowledges(disk, "ann");
    world.passes(minutes(120));
    assert_eq!((world.told_at(&anns[0]).len(), world.told_at(&bobs).len()), (1, 0));
    gives_back(&mut world, disk);
    world.settles();
    assert_eq!(world.told_at(&anns[0]).len(), 2);
}

#[test]
fn an_acknowledgement_that_expires_during_a_snooze_pages_when_that_ends() {
    let (mut world, anns, _) = two_who_are_paged();
    let disk = world.fires(&DISK);
    world.settles();
    snoozes(&mut world, disk, minutes(30));
    acknowledges_for(&mut world, disk, minutes(10));
    world.passes(minutes(29));
    assert_eq!(world.told_at(&anns[0]).len(), 1);
    world.passes(minutes(2));
    assert_eq!(world.told_at(&anns[0]).len(), 2);
}

#[test]
fn what_was_to_ring_later_does_not_ring_after_a_snooze_and_waits_for_the_end_of_a_silence() {
    let (mut world, anns, _) = two_who_are_paged();
    let disk = world.fires(&DISK);
    world.passes(minutes(1));
    snoozes(&mut world, disk, minutes(60));
    world.passes(minutes(59));
    assert_eq!(world.told_at(&anns[1]), [""; 0]);
    world.passes(minutes(2));
    assert_eq!(
        (world.told_at(&anns[0]).len(), world.told_at(&anns[1]).len()),
        (2, 0),
        "from her first way on"
    );
    world.silences(IS_DISK, minutes(30));
    world.passes(minutes(29));
    assert_eq!(world.told_at(&anns[1]), [""; 0]);
    assert_eq!(world.lines(disk, "nobody is paged: silenced"), 1, "{:?}", world.explains(disk));
    world.passes(minutes(3));
    assert_eq!(world.told_at(&anns[1]), ["paged"]);
}

#[test]
fn what_was_to_ring_later_waits_for_the_end_of_a_quiet_hour() {
    let (mut world, anns, _) = two_who_are_paged();
    // it is 14:13 UTC
    let rules = json!([{"destination": Id(1001)}, {"after": "5m", "destination": Id(1002)}]);
    let quiet = json!({"windows": [{"start": "14:15", "end": "15:00"}]});
    let reach = json!({"rules": {"high": rules, "low": rules}, "quiet": quiet});
    world.owned::<Reach>(Kind::Reach, 1100, Id(1000), "", reach);
    let disk = world.fires(&DISK);
    world.passes(minutes(40));
    assert_eq!((world.told_at(&anns[0]).len(), world.told_at(&anns[1]).len()), (1, 0));
    assert_eq!(world.lines(disk, "it is their quiet hour until"), 1, "{:?}", world.explains(disk));
    world.passes(minutes(10));
    assert_eq!(world.told_at(&anns[1]), ["paged"], "nobody has taken it meanwhile");
}

#[test]
fn nobody_stands_in_for_a_page_while_it_is_silenced_or_after_a_snooze() {
    let (mut world, anns) = with_stand_in();
    let disk = world.fires(&DISK);
    world.passes(minutes(1));
    world.silences(IS_DISK, minutes(30));
    world.passes(minutes(29));
    assert_eq!(world.told_at(&anns[1]), [""; 0]);
    assert_eq!(world.lines(disk, "nobody is paged: silenced"), 1, "{:?}", world.explains(disk));
    world.passes(minutes(3));
    assert_eq!(world.told_at(&anns[1]), ["paged"]);

    let (mut world, anns) = with_stand_in();
    let disk = world.fires(&DISK);
    world.passes(minutes(1));
    snoozes(&mut world, disk, minutes(60));
    world.passes(minutes(59));
    assert_eq!(world.told_at(&anns[1]), [""; 0]);
    world.passes(minutes(4));
    assert_eq!((world.told_at(&anns[0]).len(), world.told_at(&anns[1]).len()), (2, 1), "paged anew");
}

#[test]
fn nobody_stands_in_for_those_who_are_left_alone() {
    let (mut world, anns) = with_stand_in();
    let quiet = json!({"windows": [{"start": "14:14", "end": "15:00"}]});
    let rules = json!([{"destination": Id(1001)}]);
    let reach = json!({"rules": {"high": rules, "low": rules}, "quiet": quiet});
    world.owned::<Reach>(Kind::Reach, 1100, Id(1000), "", reach);
    let disk = world.fires(&DISK);
    world.passes(minutes(40));
    assert_eq!((world.told_at(&anns[0]).len(), world.told_at(&anns[1]).len()), (1, 0));
    assert_eq!(world.lines(disk, "it is their quiet hour until"), 1, "{:?}", world.explains(disk));
    world.passes(minutes(10));
    assert_eq!(world.told_at(&anns[1]), ["paged"]);
}

#[test]
fn a_policy_that_is_not_there_is_told_once_and_pages_when_it_is_there() {
    let mut world = World::new(paging_rules());
    let (ann, anns) = world.user(1000, "ann", 1);
    let disk = world.fires(&DISK);
    for _ in 0..5 {
        world.passes(minutes(2));
        world.fires(&DISK);
    }
    assert_eq!(world.lines(disk, "nobody is paged: there is no escalation policy \"db\""), 1);
    let [missing, nobody] = ["There is no escalation policy db", "Paging finds nobody for Disk"];
    let mut troubles = world.troubles();
    troubles.sort();
    assert_eq!(troubles, [nobody, missing]);
    let steps = json!([{"targets": [{"kind": "user", "id": ann}]}]);
    let policy = json!({"name": "db", "steps": steps, "repeat_after": "12h"});
    world.everybodys::<Policy>(Kind::Policy, 5000, "db", policy);
    world.passes(minutes(3));
    assert_eq!(world.told_at(&anns[0]), ["paged"]);
    assert_eq!(world.troubles(), [""; 0], "and nothing is wrong any more");
}

#[test]
fn a_policy_that_never_comes_is_told_again_when_the_incident_opens_again_and_ends_with_it() {
    let mut world = World::new(paging_rules());
    let disk = world.fires(&DISK);
    world.passes(minutes(1));
    world.clears(&DISK);
    world.passes(minutes(1));
    assert_eq!(world.troubles(), ["There is no escalation policy db"]);
    world.fires(&DISK);
    world.passes(minutes(1));
    assert_eq!(world.lines(disk, "nobody is paged: there is no escalation policy \"db\""), 2);
    assert_eq!(world.troubles().len(), 2);
}

#[test]
fn an_escalation_that_is_stuck_is_told_though_another_step_found_nobody() {
    let mut world = World::new(paging_rules());
    world.user(1000, "ann", 0);
    let steps = json!([{"targets": [{"kind": "user", "id": Id(1000)}]}]);
    world.everybodys::<Policy>(Kind::Policy, 5000, "db", json!({"name": "db", "steps": steps}));
    let disk = world.fires(&DISK);
    world.passes(minutes(1));
    let broken = move |tx: &mut store::Tx<'_>| {
        let mut row = store::escalations::of(tx, &[disk])?.remove(0);
        (row.state.due, row.due_at) = (None, None);
        store::escalations::put(tx, &row)
    };
    world.store.write_blocking(broken).unwrap();
    world.passes(minutes(10));
    let troubles = world.troubles();
    assert!(troubles.contains(&"Paging does not go on for Disk".to_owned()), "{troubles:?}");
    let seen = world.seen.iter().flat_map(|(_, seen)| &seen.says.alerts);
    let stuck = seen.filter(|it| it.labels.get("alertname") == Some("EscalationStuck")).count();
    assert_eq!(stuck, 1, "once");
}

#[test]
fn a_receiver_that_leads_nowhere_is_nobody_and_the_fallback_is_paged() {
    let mut rules = paging_rules();
    let null = model::receiver::Receiver { name: "null".to_owned(), destinations: Vec::new() };
    rules.receivers.insert("null".to_owned(), null);
    let mut world = World::new(rules);
    let (ann, anns) = world.user(1000, "ann", 1);
    let to_null = json!([{"kind": "receiver", "name": "null"}]);
    let policy = json!({
        "name": "db", "steps": [{"targets": to_null}], "fallback": [{"kind": "user", "id": ann}], "repeat_after": "12h",
    });
    world.everybodys::<Policy>(Kind::Policy, 5000, "db", policy);
    let disk = world.fires(&DISK);
    world.passes(minutes(1));
    assert_eq!(world.told_at(&anns[0]), ["paged"]);
    let why = "step 1 of policy db reaches nobody (a receiver has no destination); its fall-back was paged";
    assert_eq!(world.lines(disk, why), 1, "{:?}", world.explains(disk));
}

#[test]
fn who_is_left_alone_is_said_to_be_and_not_to_have_no_destination() {
    let (mut world, ..) = two_who_are_paged();
    let reach = json!({"quiet": {"windows": [{"start": "14:00", "end": "15:00"}]}});
    world.owned::<Reach>(Kind::Reach, 1100, Id(1000), "", reach);
    let disk = world.fires(&DISK);
    world.passes(minutes(1));
    let why = "step 1 of policy db reaches nobody (it is their quiet hour); nobody was paged";
    assert_eq!(world.lines(disk, why), 1, "{:?}", world.explains(disk));
}
