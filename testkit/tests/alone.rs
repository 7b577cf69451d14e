//! One odd thing holds nobody else up: a huge group, a row that cannot be read.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

use model::route::{GroupBy, Timing};
use model::{Id, NewEvent, Rules};
use testkit::World;
use testkit::spans::seconds;
use testkit::world::simple_rules;

fn grouped() -> Rules {
    let mut rules = simple_rules();
    rules.root.group_by = GroupBy::Labels(vec!["alertname".to_owned()]);
    rules.root.timing =
        Timing { group_wait: seconds(30), group_interval: seconds(300), repeat_interval: seconds(4 * 3600) };
    rules
}

/// Runs a statement on the world's database.
fn breaks(world: &World, sql: &'static str, id: Id) {
    let changed = world.store.write_blocking(move |tx| tx.execute(sql, &[id.into()])).unwrap();
    assert_eq!(changed, 1);
}

fn kinds(world: &World, id: Id) -> Vec<(&'static str, String)> {
    let lines = world.store.read_blocking(|tx| store::ledger::timeline(tx, id, 100)).unwrap();
    lines.into_iter().map(|line| (line.change.kind.name(), line.change.detail)).collect()
}

const NO_LABELS: &str = "UPDATE incidents SET labels = '{\"alert' WHERE id = $1";

#[test]
fn a_huge_group_is_not_told_inside_an_accept() {
    let mut world = World::new(grouped());
    let huge = |n: u32| {
        let labels = [("alertname", "Huge".to_owned()), ("n", n.to_string())].into_iter().collect();
        NewEvent::raise("world", labels)
    };
    world.accept((0..2000).map(huge).collect());
    world.fires(&[("alertname", "Small")]);
    world.clock_jumps(world.now + seconds(30));
    world.fires(&[("alertname", "Other")]);
    let planned = world.store.read_blocking(|tx| store::deliveries::page(tx, None, None, None, 10)).unwrap();
    assert_eq!(planned.len(), 1, "the accept tells what is small, and nothing else");
    world.settles();
    assert_eq!(world.told("ops"), ["first", "first"]);
    // the small one first, although it came later
    let alerts: Vec<usize> =
        world.seen.iter().map(|(_, seen)| seen.says.alerts.len() + seen.says.truncated as usize).collect();
    assert_eq!(alerts, [1, 2000]);
}

#[test]
fn many_groups_of_some_size_are_told_in_several_runs() {
    let mut world = World::new(grouped());
    for group in 0..30 {
        let alert = |n: u32| {
            let labels = [("alertname", group.to_string()), ("n", n.to_string())].into_iter().collect();
            NewEvent::raise("world", labels)
        };
        world.accept((0..500).map(alert).collect());
    }
    world.clock_jumps(world.now + seconds(30));
    assert!(world.run(0), "there is more to do");
    let planned = world.store.read_blocking(|tx| store::deliveries::page(tx, None, None, None, 50)).unwrap();
    assert!((1..30).contains(&planned.len()), "{} groups in one run", planned.len());
    world.settles();
    assert_eq!(world.told("ops").len(), 30);
}

#[test]
fn an_incident_that_cannot_be_read_keeps_nobody_from_being_told() {
    let mut world = World::new(grouped());
    let broken = world.fires(&[("alertname", "Disk"), ("host", "a")]);
    world.fires(&[("alertname", "Disk"), ("host", "b")]);
    world.fires(&[("alertname", "Slow")]);
    breaks(&world, NO_LABELS, broken);
    world.clock_jumps(world.now + seconds(30));
    world.fires(&[("alertname", "Other")]);
    world.settles();
    world.passes(seconds(31));
    assert_eq!(world.told("ops"), ["first"; 3]);
    let (kind, why) = kinds(&world, broken).pop().unwrap();
    assert_eq!(kind, "suppressed");
    assert!(why.contains("cannot be read"), "{why}");
}

#[test]
fn a_deadline_of_an_incident_that_cannot_be_read_holds_up_no_other() {
    let mut world = World::new(simple_rules());
    let alert = |host: &str| NewEvent {
        ends_at: Some(world.now + seconds(60)),
        ..NewEvent::raise("world", [("host", host)].into_iter().collect())
    };
    let alerts = vec![alert("a"), alert("b")];
    let broken = world.accept(alerts)[0].incident.unwrap();
    world.settles();
    breaks(&world, NO_LABELS, broken);
    world.passes(seconds(400));
    assert_eq!(world.told("ops"), ["first", "first", "all_resolved"]);
}

#[test]
fn an_event_of_an_incident_that_cannot_be_read_opens_a_new_one() {
    let mut world = World::new(simple_rules());
    let broken = world.fires(&[("host", "a")]);
    world.settles();
    breaks(&world, NO_LABELS, broken);
    let new = world.fires(&[("host", "a")]);
    assert_ne!(new, broken);
    world.passes(seconds(400));
    assert_eq!(world.told("ops"), ["first", "new_alerts"]);
    assert!(kinds(&world, broken).pop().unwrap().1.contains("cannot be read"));
}

#[test]
fn a_group_that_cannot_be_told_keeps_no_alert_from_being_accepted() {
    let mut world = World::new(grouped());
    world.fires(&[("alertname", "Odd")]);
    world.fires(&[("alertname", "Slow")]);
    // whatever it may be that the database refuses
    let sql = "CREATE TRIGGER odd BEFORE INSERT ON messages WHEN NEW.body LIKE '%Odd%' \
               BEGIN SELECT RAISE(ABORT, 'odd'); END";
    world.store.write_blocking(|tx| tx.execute(sql, &[])).unwrap();
    world.clock_jumps(world.now + seconds(30));
    world.fires(&[("alertname", "Other")]);
    world.settles();
    world.passes(seconds(31));
    assert_eq!(world.told("ops"), ["first", "first"]);
    world.store.write_blocking(|tx| tx.execute("DROP TRIGGER odd", &[])).unwrap();
    world.passes(seconds(120));
    assert_eq!(world.told("ops"), ["first"; 3]);
}
