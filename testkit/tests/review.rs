//! A hostile reader's stories: each is a promise that was once broken, or nearly.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

use std::collections::HashSet;
use std::time::Duration;

use flow::driver::Act;
use flow::live::Expected;
use flow::{Core, Live, ingest};
use model::event::Action;
use model::matcher::{Matchers, parse_list};
use model::receiver::Manners;
use model::route::{GroupBy, Timing};
use model::{Id, NewEvent, Rules, Time};
use sdk::Registry;
use store::retention::{Keep, sweep};
use testkit::receiver::Scripted;
use testkit::spans::seconds;
use testkit::world::{place_of, receiver, simple_rules};
use testkit::{Mode, World};

const DAY: Duration = Duration::from_secs(86_400);

fn matchers(text: &str) -> Matchers {
    Matchers(parse_list(text).unwrap())
}

/// Groups by `alertname`, with Alertmanager's usual times, and no re-opening.
fn grouped() -> Rules {
    let mut rules = simple_rules();
    rules.root.group_by = GroupBy::Labels(vec!["alertname".to_owned()]);
    rules.root.timing =
        Timing { group_wait: seconds(30), group_interval: seconds(300), repeat_interval: seconds(4 * 3600) };
    rules.reopen_within = Duration::ZERO;
    rules
}

fn with_manners(mut rules: Rules, manners: Manners) -> Rules {
    rules.receivers.insert("ops".to_owned(), receiver("ops", manners));
    rules
}

/// Retention's usual times, until nothing is left to do.
fn sweeps(world: &World, limit: i64) {
    let keep = Keep {
        resolved_since: world.now - DAY * 90,
        repeats_since: world.now - DAY,
        audit_since: world.now - DAY,
        most_incidents: 0,
        most_bytes: 0,
        configurations: 1,
    };
    for _ in 0..1000 {
        if world.store.write_blocking(move |tx| sweep(tx, &keep, limit)).unwrap() == 0 {
            return;
        }
    }
    panic!("retention does not come to an end");
}

fn names(world: &World, id: Id) -> usize {
    world.seen.iter().filter(|(_, seen)| seen.says.alerts.iter().any(|alert| alert.incident == id)).count()
}

// ---- twice ----

#[test]
fn what_waits_for_a_small_budget_is_sent_once() {
    let manners = Manners { concurrency: 8, per_second: 0.02, ..Manners::default() };
    let mut world = World::new(with_manners(simple_rules(), manners));
    for n in 0..16 {
        world.fires(&[("alertname", "Disk"), ("n", &n.to_string())]);
    }
    world.passes(seconds(900));
    // a world only looks at destinations that something waits for
    world.fires(&[("alertname", "Disk"), ("n", "last")]);
    world.passes(seconds(600));
    let keys: HashSet<Id> = world.seen.iter().map(|(_, seen)| seen.delivery).collect();
    assert_eq!(world.seen.len(), keys.len(), "sent again after its answer was recorded");
    assert_eq!(keys.len(), 17);
}

#[test]
fn what_is_under_way_is_not_sent_beside_itself_when_the_clock_jumps_ahead() {
    let mut world = World::new(simple_rules());
    world.fires(&[("alertname", "Disk")]);
    world.work(0);
    world.clock_jumps(world.now + seconds(3600));
    world.work(0);
    assert_eq!(world.seen.len(), 1);
}

#[test]
fn an_incident_whose_labels_change_is_repeated_once_an_interval() {
    let mut rules = simple_rules();
    rules.root.timing.repeat_interval = seconds(3600);
    let mut world = World::new(rules);
    for n in 0..5 {
        let labels = [("alertname", "Disk".to_owned()), ("used", format!("{n}%"))].into_iter().collect();
        world.accept(vec![NewEvent { key: "disk".into(), ..NewEvent::raise("world", labels) }]);
        world.passes(seconds(60));
    }
    let before = world.seen.len();
    world.passes(seconds(3600 + 300));
    let repeats = world.seen[before..].iter().filter(|(_, seen)| seen.says.reason.name() == "repeat").count();
    assert_eq!(repeats, 1, "one incident, one receiver, one interval");
}

// ---- never, or late ----

#[test]
fn a_clock_set_back_does_not_put_off_what_a_known_group_has_to_tell() {
    let mut world = World::new(grouped());
    world.fires(&[("alertname", "Disk"), ("host", "a")]);
    world.passes(seconds(30));
    world.clock_jumps(world.now - seconds(6 * 3600));
    world.fires(&[("alertname", "Disk"), ("host", "b")]);
    world.passes(seconds(600));
    assert_eq!(world.told("ops"), ["first", "new_alerts"]);
}

#[test]
fn a_clock_set_back_does_not_put_off_a_new_group() {
    let mut world = World::new(grouped());
    world.fires(&[("alertname", "Disk")]);
    world.clock_jumps(world.now - seconds(6 * 3600));
    world.passes(seconds(600));
    assert_eq!(world.told("ops"), ["first"]);
}

#[test]
fn a_clock_set_back_does_not_put_off_another_try() {
    let mut world = World::new(simple_rules());
    world.modes.insert(place_of("ops"), Mode::Busy(10));
    world.fires(&[("alertname", "Disk")]);
    world.settles();
    world.modes.clear();
    world.clock_jumps(world.now - seconds(6 * 3600));
    world.passes(seconds(600));
    assert_eq!(world.told("ops"), ["first"]);
}

#[test]
fn what_is_still_to_be_told_is_not_forgotten() {
    let mut world = World::new(grouped());
    let labels = [("alertname", "Disk")].into_iter().collect();
    let raise = NewEvent { started_at: Some(world.now - DAY * 200), ..NewEvent::raise("world", labels) };
    world.accept(vec![raise.clone()]);
    world.passes(seconds(30));
    assert_eq!(world.told("ops"), ["first"]);
    // a sender whose clock is wrong says that it was over long ago
    let clear = NewEvent { action: Action::Clear, ends_at: Some(world.now - DAY * 100), ..raise };
    world.accept(vec![clear]);
    sweeps(&world, 200);
    world.passes(seconds(600));
    assert_eq!(world.told("ops"), ["first", "all_resolved"]);
}

#[test]
fn what_moves_to_a_group_that_was_there_is_told_there_soon() {
    let mut rules = grouped();
    rules.root.group_by = GroupBy::Labels(Vec::new());
    rules.receivers.insert("db".to_owned(), receiver("db", Manners::default()));
    let before = {
        let mut rules = rules.clone();
        let mut child = rules.root.clone();
        child.matchers = matchers(r#"team="db""#);
        child.path = model::Route::child_path("{}", &child.matchers, None);
        child.receiver = "db".to_owned();
        rules.root.children.push(child);
        rules
    };
    let mut world = World::new(before);
    world.fires(&[("alertname", "Disk")]);
    let moved = world.fires(&[("alertname", "Slow"), ("team", "db")]);
    world.passes(seconds(60));
    assert_eq!((world.told("ops"), world.told("db")), (vec!["first"], vec!["first"]));
    world.reloads(rules);
    world.passes(seconds(900));
    assert_eq!(world.told("ops"), ["first", "new_alerts"], "ops has not heard of {moved}");
}

#[test]
fn a_new_alert_is_in_the_message_that_tells_of_it() {
    let manners = Manners { max_alerts: 10, ..Manners::default() };
    let mut world = World::new(with_manners(grouped(), manners));
    for n in 0..10 {
        world.fires(&[("alertname", "Disk"), ("n", &n.to_string())]);
    }
    world.passes(seconds(31));
    let new = world.fires(&[("alertname", "Disk"), ("n", "new")]);
    world.passes(seconds(600));
    assert_eq!(world.told("ops"), ["first", "new_alerts"]);
    assert_eq!(names(&world, new), 1);
}

#[test]
fn an_acknowledgement_that_nobody_hears_of_does_not_put_off_a_repeat() {
    let mut world = World::new(grouped());
    world.fires(&[("alertname", "Disk"), ("host", "a")]);
    let taken = world.fires(&[("alertname", "Disk"), ("host", "b")]);
    world.passes(seconds(30));
    world.clock_jumps(world.now + seconds(4 * 3600 - 900));
    world.settles();
    world.acknowledges(taken, "ann");
    world.passes(seconds(1500));
    assert_eq!(world.told("ops"), ["first", "repeat"]);
}

#[test]
fn a_source_is_found_among_many_that_do_not_count() {
    let mut rules = simple_rules();
    rules.root.timing.group_wait = seconds(10);
    rules.inhibitions = vec![model::inhibition::Inhibition {
        name: "worse".to_owned(),
        source: matchers(r#"severity=~"warning|critical""#),
        target: matchers(r#"severity="warning""#),
        equal: vec!["cluster".to_owned()],
    }]
    .into();
    let mut world = World::new(rules);
    for n in 0..120 {
        world.fires(&[("severity", "warning"), ("cluster", "a"), ("n", &n.to_string())]);
    }
    let worse = world.fires(&[("severity", "critical"), ("cluster", "a")]);
    world.passes(seconds(15));
    assert_eq!(names(&world, worse), 1);
    assert_eq!(world.seen.len(), 1, "all others are inhibited");
}

// ---- two nodes with different rules, as in every rolling change of the configuration ----

fn core_with(store: &store::Store, node: i64, rules: Rules, now: Time) -> Core {
    let live = Live::new(rules, Vec::new(), &Registry::default().destination::<Scripted>()).unwrap();
    let live = store.write_blocking(move |tx| live.kept(tx, now)).unwrap();
    Core::new(node, live)
}

/// Accepts through one node, ticks on the other; returns how many messages are planned in the end.
fn planned_in_a_rolling_change(accepts_with_new: bool) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let store = store::Store::open_folder(folder.path(), false).unwrap();
    let now = Time::from_seconds(1_790_000_000);
    let mut rules = grouped();
    let old = std::sync::Arc::new(core_with(&store, 1, rules.clone(), now));
    rules.receivers.insert("db".to_owned(), receiver("db", Manners::default()));
    rules.root.receiver = "db".to_owned();
    let new = std::sync::Arc::new(core_with(&store, 2, rules, now));
    let core = new.clone();
    store.write_blocking(move |tx| flow::reload::reroute_all(&core, tx, now)).unwrap();
    let (accepting, ticking) = if accepts_with_new { (new.clone(), old) } else { (old, new.clone()) };
    let alert = NewEvent::raise("world", [("alertname", "Disk")].into_iter().collect());
    store
        .write_blocking(move |tx| {
            ingest::accept(&accepting, tx, ingest::arrive(&accepting, vec![alert], now), now)
        })
        .unwrap();
    for (core, at) in [(ticking.clone(), 30), (ticking, 60), (new.clone(), 90), (new, 900)] {
        store.write_blocking(move |tx| ingest::run(&core, tx, now + seconds(at))).unwrap();
    }
    store.read_blocking(|tx| store::deliveries::page(tx, None, None, None, 10)).unwrap().len()
}

#[test]
fn what_a_node_with_old_rules_accepts_is_told_by_one_with_new_rules() {
    assert_eq!(planned_in_a_rolling_change(false), 1);
}

#[test]
fn what_a_node_with_new_rules_accepts_is_not_dropped_by_one_with_old_rules() {
    assert_eq!(planned_in_a_rolling_change(true), 1);
}

fn beats(name: &str) -> Expected {
    Expected {
        alerts: Default::default(),
        project: String::new(),
        name: name.to_owned(),
        every: seconds(60),
        grace: seconds(0),
        labels: Default::default(),
        severity: model::Severity::Critical,
        title: String::new(),
    }
}

#[test]
fn a_heartbeat_that_another_node_expects_is_not_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = store::Store::open_folder(folder.path(), false).unwrap();
    let now = Time::from_seconds(1_790_000_000);
    let node = |number: i64, names: &[&str]| {
        let heartbeats = names.iter().map(|name| beats(name)).collect();
        let registry = Registry::default().destination::<Scripted>();
        let live = Live::new(grouped(), heartbeats, &registry).unwrap();
        let core = std::sync::Arc::new(Core::new(number, live));
        let live = core.live();
        store.write_blocking(move |tx| flow::reload::put_in_force(&live, tx, now)).unwrap();
        core
    };
    let names = || -> Vec<String> {
        let all = store.read_blocking(store::heartbeats::all).unwrap();
        all.into_iter().map(|it| it.name).collect()
    };
    let old = node(1, &["x"]);
    let new = node(2, &["x", "y"]);
    let run = |core: &std::sync::Arc<Core>, at: u64| {
        let core = core.clone();
        store.write_blocking(move |tx| ingest::run(&core, tx, now + seconds(at))).unwrap()
    };
    run(&old, 10);
    assert_eq!(names(), ["x", "y"], "the old node does not know y");
    assert_eq!(run(&new, 61).moved.len(), 2, "both are missed");
    // an old node that starts again is no reason to wait for nothing
    node(3, &["x"]);
    run(&new, 70);
    assert_eq!(names(), ["x", "y"]);
    // what is not in the configuration any more goes when that comes into force
    drop(node(4, &[]));
    assert_eq!(names(), [""; 0]);
}

// ---- the ledger ----

#[test]
fn what_is_over_before_it_was_told_says_so() {
    let mut world = World::new(grouped());
    let id = world.fires(&[("alertname", "Disk")]);
    world.passes(seconds(10));
    world.clears(&[("alertname", "Disk")]);
    world.passes(seconds(600));
    assert_eq!(world.told("ops"), [""; 0]);
    let text = world.explains(id).join("\n");
    assert!(text.contains("not told"), "{text}");
}

#[test]
fn an_explanation_after_a_reload_is_by_the_rules_that_routed_it_last() {
    let mut world = World::new(grouped());
    let id = world.fires(&[("alertname", "Disk")]);
    world.passes(seconds(30));
    let mut rules = grouped();
    rules.receivers.insert("db".to_owned(), receiver("db", Manners::default()));
    rules.root.receiver = "db".to_owned();
    world.reloads(rules);
    world.passes(seconds(60));
    assert_eq!(world.told("db"), ["first"]);
    let text = world.explains(id).join("\n");
    assert!(text.contains("(receiver db): chosen"), "{text}");
}

#[test]
fn a_message_stays_in_the_ledger_of_what_is_still_wrong() {
    let mut world = World::new(grouped());
    let wrong = world.fires(&[("alertname", "Disk"), ("host", "a")]);
    world.fires(&[("alertname", "Disk"), ("host", "b")]);
    world.passes(seconds(30));
    world.clears(&[("alertname", "Disk"), ("host", "b")]);
    world.passes(seconds(300));
    assert_eq!(world.told("ops"), ["first", "some_resolved"]);
    // nothing happens for a hundred days
    world.now = world.now + DAY * 100;
    sweeps(&world, 200);
    let text = world.explains(wrong).join("\n");
    assert!(text.contains("(first) to"), "{text}");
}

#[test]
fn what_an_acknowledgement_leaves_untold_is_not_said_of_others() {
    let mut world = World::new(grouped());
    let open = world.fires(&[("alertname", "Disk"), ("host", "a")]);
    let taken = world.fires(&[("alertname", "Disk"), ("host", "b")]);
    world.passes(seconds(30));
    world.acknowledges(taken, "ann");
    world.passes(seconds(600));
    assert!(world.explains(taken).join("\n").contains("does not want acknowledgements"));
    assert!(!world.explains(open).join("\n").contains("does not want acknowledgements"));
}

// ---- retention ----

#[test]
fn what_ended_long_ago_goes_although_something_older_ended_lately() {
    let mut world = World::new(grouped());
    world.fires(&[("alertname", "Old")]);
    let short = world.fires(&[("alertname", "Short")]);
    world.passes(seconds(30));
    world.clears(&[("alertname", "Short")]);
    world.passes(seconds(301));
    world.now = world.now + DAY * 100;
    world.settles();
    world.clears(&[("alertname", "Old")]);
    world.passes(seconds(301));
    sweeps(&world, 1);
    let found = world.store.read_blocking(|tx| store::incidents::get(tx, short)).unwrap();
    assert_eq!(found, None);
}

#[test]
fn events_that_nothing_came_of_are_forgotten() {
    let mut world = World::new(grouped());
    world.clears(&[("alertname", "Never raised")]);
    world.now = world.now + DAY * 1000;
    sweeps(&world, 200);
    assert_eq!(world.store.read_blocking(|tx| store::events::list(tx, None, None, 10)).unwrap(), []);
}

#[test]
fn messages_that_were_only_a_test_are_forgotten() {
    let mut world = World::new(grouped());
    let (core, now) = (core_with(&world.store, 9, grouped(), world.now), world.now);
    world.store.write_blocking(move |tx| flow::verbs::test_receiver(&core, tx, "ops", now)).unwrap();
    world.settles();
    assert_eq!(world.told("ops"), ["test"]);
    world.now = world.now + DAY * 1000;
    sweeps(&world, 200);
    let left = world.store.read_blocking(|tx| store::deliveries::page(tx, None, None, None, 10)).unwrap();
    assert_eq!(left, []);
}

// ---- input ----

#[test]
fn no_text_of_an_event_may_hold_what_postgresql_cannot_keep() {
    let good = NewEvent::raise("world", [("alertname", "Disk")].into_iter().collect());
    assert!(NewEvent { title: "a\0b".into(), ..good.clone() }.check().is_err(), "title");
    assert!(NewEvent { key: "a\0b".into(), ..good.clone() }.check().is_err(), "key");
    assert!(NewEvent { link: "a\0b".into(), ..good }.check().is_err(), "link");
}

// ---- silences, mutes and inhibitions, as in Alertmanager ----

#[test]
fn a_silence_made_between_two_messages_keeps_the_end_quiet_and_says_so() {
    let mut world = World::new(grouped());
    let id = world.fires(&[("alertname", "Disk")]);
    world.passes(seconds(30));
    world.silences(r#"alertname="Disk""#, seconds(3600));
    world.clears(&[("alertname", "Disk")]);
    world.passes(seconds(4000));
    assert_eq!(world.told("ops"), ["first"]);
    assert!(world.explains(id).join("\n").contains("its end is not told"));
    // and what comes back is news
    world.fires(&[("alertname", "Disk")]);
    world.passes(seconds(301));
    assert_eq!(world.told("ops"), ["first", "first"]);
}

#[test]
fn an_acknowledged_source_still_inhibits_and_a_resolved_one_does_not() {
    let mut rules = grouped();
    rules.root.group_by = GroupBy::All;
    rules.inhibitions = vec![model::inhibition::Inhibition {
        name: String::new(),
        source: matchers(r#"alertname="Power""#),
        target: matchers(r#"alertname="Host""#),
        equal: Vec::new(),
    }]
    .into();
    let mut world = World::new(rules);
    let source = world.fires(&[("alertname", "Power")]);
    world.acknowledges(source, "ann");
    let target = world.fires(&[("alertname", "Host")]);
    world.passes(seconds(700));
    assert_eq!(names(&world, target), 0);
    world.act(source, Act::Resolve { by: "ann".into(), note: String::new(), end: None });
    world.passes(seconds(301));
    assert_eq!(names(&world, target), 1);
}
