//! What is promised when a hub starts again: after an absence, with another clock, with other rules.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

use std::time::Duration;

use flow::live::Expected;
use flow::stage::Stage;
use flow::{Live, ingest, reload};
use model::event::NewEvent;
use model::flap::{Flapping, OnFlapping};
use model::incident::State;
use model::receiver::Manners;
use model::route::GroupBy;
use model::storm::{Storm, StormRule};
use model::{Id, Rules, Severity, Time};
use store::Store;
use testkit::World;
use testkit::spans::seconds;
use testkit::world::{receiver, simple_rules};

const DAWN: Time = Time::from_seconds(1_790_000_000);
const HOURS: Duration = seconds(6 * 3600);

#[test]
fn a_clock_that_is_set_back_while_nobody_runs_puts_nothing_off() {
    let mut rules = simple_rules();
    rules.root.timing.group_wait = seconds(30);
    rules.flapping =
        Flapping { times: 1, within: seconds(300), calm_after: seconds(60), policy: OnFlapping::Hold };
    rules.storms.all = StormRule { messages: 1, gather: seconds(10), ..StormRule::default() };
    let mut world = World::new(rules);
    // one that waits, one that flaps, and two of which the second is left to a summary
    for name in ["x", "y"] {
        world.fires(&[("alertname", name)]);
        world.passes(seconds(40));
    }
    world.clears(&[("alertname", "x")]);
    world.fires(&[("alertname", "x")]);
    world.clears(&[("alertname", "x")]);
    let flapping = world.fires(&[("alertname", "x")]);
    world.fires(&[("alertname", "z")]);
    world.now = world.now - HOURS;
    world.crash(0);
    world.passes(seconds(700));
    let told = world.told("ops");
    assert!(told.iter().any(|why| why.starts_with("storm")), "{told:?}");
    assert!(!world.incident(flapping).is_flapping(), "{}", world.explains(flapping).join("\n"));
}

#[test]
fn a_budget_does_not_wait_for_a_clock_that_was_set_back() {
    let mut rules = simple_rules();
    rules.root.group_by = GroupBy::All;
    let manners = Manners { per_second: 0.5, ..Manners::default() };
    rules.receivers.insert("ops".to_owned(), receiver("ops", manners));
    let mut world = World::new(rules);
    world.fires(&[("alertname", "x")]);
    world.passes(seconds(5));
    world.clock_jumps(world.now - HOURS);
    world.fires(&[("alertname", "y")]);
    world.passes(seconds(60));
    assert_eq!(world.told("ops").len(), 2);
}

#[test]
fn nothing_ends_for_not_being_heard_of_while_the_hub_was_away() {
    let mut rules = simple_rules();
    rules.resolve_timeout = seconds(240);
    rules.restart_grace = seconds(75);
    let mut world = World::new(rules);
    let id = world.fires(&[("alertname", "x")]);
    world.acknowledges(id, "ann");
    world.passes(seconds(10));
    world.now = world.now + seconds(360);
    world.crash(0);
    world.now = world.now + seconds(20);
    world.fires(&[("alertname", "x")]);
    world.passes(seconds(100));
    let explained = world.explains(id).join("\n");
    assert_eq!(world.incident(id).state, State::Acknowledged, "{explained}");
    assert_eq!(world.told("ops").len(), 1, "{explained}");
}

fn expecting(names: &[&str]) -> Live {
    let expected = |name: &&str| Expected {
        name: (*name).to_owned(),
        every: seconds(60),
        grace: Duration::ZERO,
        labels: Default::default(),
        severity: Severity::Error,
        title: String::new(),
        alerts: Default::default(),
        project: String::new(),
    };
    let rules = Rules { restart_grace: seconds(75), ..simple_rules() };
    Live { heartbeats: names.iter().map(expected).collect(), ..Live::bare(rules) }
}

/// A node that goes by these from now on.
fn node(store: &Store, names: &[&str], now: Time) -> Stage {
    let stage = Stage::open(store.clone(), 1, expecting(names), now).unwrap();
    let core = stage.core.clone();
    let begin = move |tx: &mut store::Tx<'_>| {
        reload::take_over(&core, tx, now)?;
        reload::put_in_force(&core.live(), tx, now)
    };
    store.write_blocking(begin).unwrap();
    stage
}

/// The incident about a heartbeat, if it is active.
fn missed(store: &Store) -> bool {
    let found = store.read_blocking(|tx| store::incidents::live_by_keys(tx, &["heartbeat:x"])).unwrap();
    found.into_iter().any(|(_, it)| it.unwrap().is_active())
}

#[test]
fn heartbeats_that_came_while_the_hub_was_away_are_not_missed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_folder(folder.path(), false).unwrap();
    node(&store, &["x"], DAWN).run(DAWN).unwrap();
    let later = DAWN + seconds(600);
    let again = node(&store, &["x"], later);
    again.run(later + seconds(70)).unwrap();
    assert!(!missed(&store));
    again.run(later + seconds(80)).unwrap();
    assert!(missed(&store));
}

#[test]
fn the_absence_of_a_heartbeat_ends_with_it_or_with_the_next_ping() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_folder(folder.path(), false).unwrap();
    node(&store, &["x"], DAWN).run(DAWN + seconds(90)).unwrap();
    assert!(missed(&store));
    let at = DAWN + seconds(100);
    node(&store, &[], at).run(at + seconds(100)).unwrap();
    assert!(!missed(&store));
    // a row that knows nothing of what is open
    let at = DAWN + seconds(300);
    let again = node(&store, &["x"], at);
    again.run(at + seconds(90)).unwrap();
    assert!(missed(&store));
    let forget = store.write_blocking(|tx| store::heartbeats::remove(tx, "x"));
    forget.unwrap();
    let core = again.core.clone();
    store.write_blocking(move |tx| ingest::beat(&core, tx, "x", at + seconds(95))).unwrap();
    assert!(!missed(&store));
}

#[test]
fn a_storms_summary_waits_for_the_node_that_knows_its_receiver() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_folder(folder.path(), false).unwrap();
    let stage = node(&store, &[], DAWN);
    let alert = NewEvent::raise("test", [("alertname", "x")].into_iter().collect());
    let (accepted, _) = stage.accept(vec![alert], DAWN).unwrap();
    let incident: Id = accepted[0].incident.unwrap();
    let mut storm = Storm::default();
    let rule = StormRule { messages: 1, ..StormRule::default() };
    assert_eq!([storm.message(&rule, DAWN), storm.message(&rule, DAWN)], [false, true]);
    let written = store.write_blocking(move |tx| {
        store::storms::put(tx, &[("new", &storm)])?;
        store::storms::hold(tx, &[("new".to_owned(), incident)])?;
        store::rules::keep(tx, "newer rules, of another node", &Default::default(), DAWN)
    });
    written.unwrap();
    let held = || store.read_blocking(|tx| store::storms::count_held(tx, "new")).unwrap();
    stage.run(DAWN + seconds(1000)).unwrap();
    assert_eq!(held(), 1, "it is not this node's to tell");
    // the other node is gone, and its rules with it
    let gone = node(&store, &["y"], DAWN + seconds(1001));
    gone.run(DAWN + seconds(2000)).unwrap();
    assert_eq!(held(), 0);
    let lines = store.read_blocking(|tx| store::ledger::timeline(tx, incident, 100)).unwrap();
    let words = "no summary is told: receiver new is gone";
    assert!(lines.iter().any(|line| line.change.detail == words), "{lines:#?}");
}

#[test]
fn a_summary_is_told_of_what_was_silenced_while_it_gathered() {
    let mut rules = simple_rules();
    rules.storms.all = StormRule { messages: 1, gather: seconds(10), ..StormRule::default() };
    let mut world = World::new(rules);
    for n in 0..3 {
        world.fires(&[("alertname", "x"), ("n", &n.to_string())]);
    }
    world.silences(r#"n="2""#, seconds(3600));
    world.passes(seconds(30));
    let (_, last) = world.seen.iter().find(|(_, seen)| seen.says.storm.is_some()).unwrap();
    let counted = last.says.storm.as_ref().unwrap().incidents;
    let shown: Vec<_> = last.says.alerts.iter().map(|alert| alert.labels.get("n").unwrap()).collect();
    assert_eq!((counted, shown), (2, vec!["1"]));
}
