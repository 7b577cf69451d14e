//! What is promised about pages: somebody is called, and then somebody else, until it is taken.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

use flow::driver::Act;
use model::escalation::Policy;
use model::schedule::Rota;
use model::{Id, Time};
use serde_json::json;
use store::definitions::Kind;
use testkit::World;
use testkit::people::{paging_rules, two_who_are_paged};
use testkit::spans::minutes;

const DISK: [(&str, &str); 2] = [("alertname", "Disk"), ("severity", "critical")];

#[test]
fn it_rings_on_and_on_until_somebody_takes_it() {
    let (mut world, anns, bobs) = two_who_are_paged();
    let disk = world.fires(&DISK);
    world.settles();
    assert_eq!((world.told_at(&anns[0]), world.told_at(&anns[1])), (vec!["paged"], vec![]));
    world.passes(minutes(6));
    assert_eq!(world.told_at(&anns[1]), ["paged"], "her second way rings five minutes later");
    assert_eq!(world.told_at(&bobs), [""; 0]);
    world.passes(minutes(5));
    assert_eq!(world.told_at(&bobs), ["paged"], "nobody took it, so it is his turn");
    world.acknowledges(disk, "bob");
    world.passes(minutes(120));
    assert_eq!(world.told_at(&anns[0]).len() + world.told_at(&anns[1]).len() + world.told_at(&bobs).len(), 3);
    assert_eq!(world.lines(disk, "ann by step 1 of policy db"), 1);
    assert_eq!(world.lines(disk, "bob by step 2 of policy db"), 1);
    world.clears(&DISK);
    world.passes(minutes(20));
    world.check_at_rest();
}

#[test]
fn a_clock_that_is_set_back_puts_off_nobodys_turn() {
    let (mut world, anns, bobs) = two_who_are_paged();
    world.fires(&DISK);
    world.passes(minutes(1));
    world.clock_jumps(world.now - minutes(6 * 60));
    world.passes(minutes(5));
    assert_eq!(world.told_at(&anns[1]), ["paged"], "her second way");
    world.passes(minutes(5));
    assert_eq!(world.told_at(&bobs), ["paged"], "then Bob");
}

#[test]
fn who_takes_it_at_once_is_left_alone_and_so_is_everybody_else() {
    let (mut world, anns, bobs) = two_who_are_paged();
    let disk = world.fires(&DISK);
    world.settles();
    world.acknowledges(disk, "ann");
    world.passes(minutes(60));
    assert_eq!(world.told_at(&anns[0]), ["paged"]);
    assert_eq!((world.told_at(&anns[1]), world.told_at(&bobs)), (vec![], vec![]));
}

#[test]
fn an_acknowledgement_that_runs_out_goes_on_where_it_was() {
    let (mut world, anns, bobs) = two_who_are_paged();
    let disk = world.fires(&DISK);
    world.settles();
    let until = Some(world.now + minutes(30));
    world.act(disk, Act::Acknowledge { by: "ann".into(), until, note: String::new() });
    world.passes(minutes(29));
    assert_eq!((world.told_at(&anns[0]).len(), world.told_at(&bobs).len()), (1, 0));
    world.passes(minutes(2));
    assert_eq!(world.told_at(&anns[0]).len(), 2, "she had it, so she is asked first");
    world.passes(minutes(11));
    assert_eq!(world.told_at(&bobs), ["paged"]);
}

#[test]
fn a_page_that_finds_nobody_is_an_incident_of_its_own() {
    let mut world = World::new(paging_rules());
    world.user(1000, "ann", 0);
    let steps = json!([{"targets": [{"kind": "user", "id": Id(1000)}]}]);
    world.everybodys::<Policy>(Kind::Policy, 5000, "db", json!({"name": "db", "steps": steps}));
    let disk = world.fires(&DISK);
    world.passes(minutes(1));
    let alarms = |world: &World, name: &str| {
        let told = world.seen.iter().flat_map(|(_, seen)| &seen.says.alerts);
        told.filter(|alert| alert.labels.get("alertname") == Some(name))
            .map(|it| it.state)
            .collect::<Vec<_>>()
    };
    assert_eq!(alarms(&world, "PageFindsNobody").len(), 1, "routes tell of it");
    assert_eq!(world.lines(disk, "step 1 of policy db reaches nobody"), 1);
    world.clears(&DISK);
    world.passes(minutes(20));
    let over = alarms(&world, "PageFindsNobody");
    assert_eq!(over.last(), Some(&model::incident::State::Resolved), "and it ends with what it was about");
    world.check_at_rest();
}

#[test]
fn a_policy_that_is_not_there_is_told_and_not_silent() {
    let mut world = World::new(paging_rules());
    let disk = world.fires(&DISK);
    world.passes(minutes(1));
    assert_eq!(world.lines(disk, "nobody is paged: there is no escalation policy \"db\""), 1);
}

#[test]
fn when_all_steps_are_done_it_says_so() {
    let (mut world, ..) = two_who_are_paged();
    let disk = world.fires(&DISK);
    world.passes(minutes(30));
    assert_eq!(world.lines(disk, "all steps of policy db are done, 2 pages went out"), 1);
}

#[test]
fn what_is_silenced_pages_nobody_until_the_silence_ends() {
    let (mut world, anns, _) = two_who_are_paged();
    world.silences("{alertname=\"Disk\"}", minutes(30));
    let disk = world.fires(&DISK);
    world.passes(minutes(29));
    assert_eq!(world.told_at(&anns[0]), [""; 0]);
    assert_eq!(world.lines(disk, "nobody is paged: silenced"), 1);
    world.passes(minutes(3));
    assert_eq!(world.told_at(&anns[0]), ["paged"]);
}

#[test]
fn whoever_is_on_call_is_paged_also_on_the_weekend_when_the_clock_changes() {
    let mut world = World::new(paging_rules());
    // nothing has happened yet that a jump could pass over
    world.now = "2026-10-24T06:00:00Z".parse().unwrap();
    let (ann, anns) = world.user(1000, "ann", 1);
    let (bob, bobs) = world.user(2000, "bob", 1);
    // by turns of a day, handed over at nine in Berlin, where the clock is put back on 2026-10-25
    let rotation = json!({
        "first_handover": "2026-10-23T09:00:00", "every": 1, "unit": "days", "participants": [ann, bob],
    });
    let layer = json!({"name": "all", "turns": {"rotation": rotation}});
    let schedule = json!({"name": "db", "zone": "Europe/Berlin", "layers": [layer]});
    world.everybodys::<Rota>(Kind::Schedule, 6000, "db", json!({"schedule": schedule}));
    let steps = json!([{"targets": [{"kind": "schedule", "id": Id(6000)}]}]);
    world.everybodys::<Policy>(Kind::Policy, 5000, "db", json!({"name": "db", "steps": steps}));
    let mut expected = (0, 0);
    // a minute before and after nine o'clock, which is 07:00 UTC on the 24th and 08:00 UTC on the 25th
    for (time, is_ann) in [
        ("2026-10-24T06:59:00Z", true),
        ("2026-10-24T07:01:00Z", false),
        ("2026-10-25T07:59:00Z", false),
        ("2026-10-25T08:01:00Z", true),
    ] {
        let time: Time = time.parse().unwrap();
        // all that was wrong is over: a clock that jumps passes over nothing
        world.now = time;
        world.fires(&DISK);
        world.settles();
        if is_ann {
            expected.0 += 1
        } else {
            expected.1 += 1
        }
        let told = |place: &str| world.told_at(place).iter().filter(|it| **it == "paged").count();
        assert_eq!((told(&anns[0]), told(&bobs[0])), expected, "{time}");
        world.clears(&DISK);
        world.passes(minutes(1));
    }
}

#[test]
fn a_crash_loses_no_page_and_sends_none_twice() {
    let (mut world, anns, bobs) = two_who_are_paged();
    world.fires(&DISK);
    world.crash(0);
    world.settles();
    world.passes(minutes(6));
    world.crash(0);
    world.passes(minutes(6));
    world.crash(0);
    world.settles();
    let told = [&anns[0], &anns[1], &bobs].map(|place| world.told_at(place).len());
    assert_eq!(told, [1, 1, 1]);
}

#[test]
fn what_was_open_before_its_route_had_a_policy_is_paged_all_the_same() {
    let (mut world, anns, _) = two_who_are_paged();
    let mut without = paging_rules();
    without.root.escalate = None;
    world.reloads(without);
    world.fires(&DISK);
    world.passes(minutes(5));
    assert_eq!(world.told_at(&anns[0]), [""; 0]);
    world.reloads(paging_rules());
    world.passes(minutes(3));
    assert_eq!(world.told_at(&anns[0]), ["paged"]);
}

#[test]
fn nobody_hears_of_what_maintenance_covers_before_it_is_over() {
    let (mut world, anns, _) = two_who_are_paged();
    let (from, until) = (world.now, world.now + minutes(30));
    let window = json!({
        "description": "new disks", "starts_at": from, "ends_at": until, "filters": [{"tags": ["alertname=Disk"]}],
    });
    world.everybodys::<model::maintenance::Maintenance>(Kind::Maintenance, 7000, "disks", window);
    let disk = world.fires(&DISK);
    world.passes(minutes(29));
    assert_eq!((world.told_at(&anns[0]).len(), world.told("ops").len()), (0, 0));
    assert_eq!(
        world.lines(disk, "covered by planned maintenance \"disks\""),
        3,
        "kept back, not paged, and now"
    );
    world.passes(minutes(10));
    assert_eq!((world.told_at(&anns[0]), world.told("ops")), (vec!["paged"], vec!["first"]));
}
