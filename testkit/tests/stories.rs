//! Stories that read as the promise they keep.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

use flow::driver::Act;
use model::receiver::Manners;
use model::route::{GroupBy, Timing};
use model::{Rules, Time};
use testkit::spans::seconds;
use testkit::world::{place_of, receiver, simple_rules};
use testkit::{Mode, World};

/// Everything in one group by `alertname`, with Alertmanager's usual times.
fn grouped() -> Rules {
    let mut rules = simple_rules();
    rules.root.group_by = GroupBy::Labels(vec!["alertname".to_owned()]);
    rules.root.timing =
        Timing { group_wait: seconds(30), group_interval: seconds(300), repeat_interval: seconds(4 * 3600) };
    rules
}

#[test]
fn an_alert_is_told_once_its_group_has_waited_and_its_end_at_the_next_tick() {
    let mut world = World::new(grouped());
    world.fires(&[("alertname", "Disk"), ("host", "a")]);
    world.passes(seconds(29));
    assert_eq!(world.told("ops"), [""; 0]);
    world.fires(&[("alertname", "Disk"), ("host", "b")]);
    world.passes(seconds(1));
    assert_eq!(world.told("ops"), ["first"]);
    assert_eq!(world.seen[0].1.says.alerts.len(), 2, "both are in one message");
    world.clears(&[("alertname", "Disk"), ("host", "a")]);
    world.passes(seconds(299));
    assert_eq!(world.told("ops"), ["first"]);
    world.passes(seconds(1));
    assert_eq!(world.told("ops"), ["first", "some_resolved"]);
    world.clears(&[("alertname", "Disk"), ("host", "b")]);
    world.passes(seconds(300));
    assert_eq!(world.told("ops"), ["first", "some_resolved", "all_resolved"]);
    world.check_at_rest();
}

#[test]
fn what_stays_wrong_is_repeated_and_what_somebody_took_is_not() {
    let mut world = World::new(grouped());
    let id = world.fires(&[("alertname", "Disk")]);
    world.passes(seconds(30));
    world.clock_jumps(world.now + seconds(4 * 3600));
    world.settles();
    assert_eq!(world.told("ops"), ["first", "repeat"]);
    world.acknowledges(id, "ann");
    for _ in 0..10 {
        world.clock_jumps(world.now + seconds(4 * 3600));
        world.settles();
    }
    assert_eq!(world.told("ops"), ["first", "repeat"]);
    assert!(world.explains(id).iter().any(|line| line.contains("does not want acknowledgements")));
}

#[test]
fn the_same_alert_again_is_counted_and_not_told_again() {
    let mut world = World::new(simple_rules());
    let id = world.fires(&[("alertname", "Disk")]);
    world.settles();
    for _ in 0..100 {
        assert_eq!(world.fires(&[("alertname", "Disk")]), id);
        world.settles();
    }
    assert_eq!(world.told("ops"), ["first"]);
    assert_eq!(world.incident(id).times_seen, 101);
}

#[test]
fn a_silence_keeps_quiet_says_so_and_ends() {
    let mut world = World::new(grouped());
    let silence = world.silences(r#"alertname="Disk""#, seconds(400));
    let id = world.fires(&[("alertname", "Disk")]);
    world.passes(seconds(60));
    assert_eq!(world.told("ops"), [""; 0]);
    assert!(world.explains(id).iter().any(|line| line.contains(&format!("silenced by {silence}"))));
    world.passes(seconds(600));
    assert_eq!(world.told("ops"), ["first"], "told at the first tick after the silence");
    assert!(world.explains(id).iter().any(|line| line.contains("no longer silenced")));
}

#[test]
fn a_snooze_ends_at_its_time() {
    let mut world = World::new(grouped());
    let id = world.fires(&[("alertname", "Disk")]);
    let until = world.now + seconds(1000);
    world.act(id, Act::Snooze { by: "ann".into(), until, note: "deploying".into() });
    world.passes(seconds(999));
    assert_eq!(world.told("ops"), [""; 0]);
    world.passes(seconds(400));
    assert_eq!(world.told("ops"), ["first"]);
}

#[test]
fn an_alert_without_a_word_times_out_even_while_nobody_is_running() {
    let mut world = World::new(grouped());
    let mut event = model::NewEvent::raise("world", [("alertname", "Disk")].into_iter().collect());
    event.resolve_after = Some(seconds(120));
    let id = world.accept(vec![event])[0].incident.unwrap();
    world.passes(seconds(30));
    world.crash(0);
    world.clock_jumps(world.now + seconds(3600));
    world.settles();
    world.passes(seconds(300));
    assert_eq!(world.told("ops"), ["first", "all_resolved"]);
    assert_eq!(world.incident(id).resolved_at, Some(world.incident(id).first_seen + seconds(120)));
}

#[test]
fn a_receiver_that_is_down_costs_few_tries_and_gets_everything_soon_after() {
    let mut world = World::new(simple_rules());
    world.modes.insert(place_of("ops"), Mode::Broken);
    for n in 0..1000 {
        world.fires(&[("alertname", "Disk"), ("n", &n.to_string())]);
    }
    world.passes(seconds(60));
    let tries = world.seen.len();
    assert!(tries <= 200, "{tries} tries in a minute");
    world.modes.clear();
    world.passes(seconds(3));
    assert_eq!(world.told("ops").len(), 1000);
    world.check_at_rest();
}

#[test]
fn a_receiver_that_asks_for_peace_gets_it() {
    let mut world = World::new(simple_rules());
    world.modes.insert(place_of("ops"), Mode::Busy(10));
    for n in 0..50 {
        world.fires(&[("alertname", "Disk"), ("n", &n.to_string())]);
    }
    world.settles();
    let (asked, tries) = (world.now, world.seen.len());
    world.modes.clear();
    world.passes(seconds(9));
    assert_eq!(world.seen.len(), tries, "nothing is sent before its time");
    world.passes(seconds(2));
    assert_eq!(world.told("ops").len(), 50);
    assert!(world.seen[tries..].iter().all(|(_, seen)| seen.at >= asked + seconds(10)));
}

#[test]
fn what_is_refused_for_good_waits_on_the_dead_letter_list_and_can_be_sent_again() {
    let mut world = World::new(simple_rules());
    world.modes.insert(place_of("ops"), Mode::Refusing);
    let id = world.fires(&[("alertname", "Disk")]);
    world.passes(seconds(5));
    assert_eq!(world.seen.len(), 1, "a refusal is not tried again");
    let dead = world.store.read_blocking(|tx| {
        store::deliveries::page(tx, Some(model::delivery::DeliveryState::Dead), None, None, 10)
    });
    let dead = dead.unwrap()[0].clone();
    assert!(world.explains(id).iter().any(|line| line.contains("dead")));
    world.modes.clear();
    let now = world.now;
    assert!(world.store.write_blocking(move |tx| store::deliveries::revive(tx, dead.id, now)).unwrap());
    world.settles();
    assert_eq!(world.told("ops"), ["first"]);
    assert_eq!(world.seen[0].1.says, world.seen[1].1.says, "the same words under the same key");
}

#[test]
fn a_crash_between_send_and_record_repeats_the_same_key_and_nothing_else() {
    let mut world = World::new(simple_rules());
    world.fires(&[("alertname", "Disk")]);
    world.work(0);
    world.crash(0);
    world.settles();
    assert_eq!(world.seen.len(), 2);
    assert_eq!(world.seen[0].1.says.idempotency_key, world.seen[1].1.says.idempotency_key);
    world.crash(0);
    world.settles();
    assert_eq!(world.seen.len(), 2, "what was recorded is never sent again");
}

#[test]
fn of_two_nodes_one_sends() {
    let mut world = World::seeded(7, simple_rules(), 2);
    for n in 0..20 {
        world.fires(&[("alertname", "Disk"), ("n", &n.to_string())]);
    }
    world.work(0);
    world.work(1);
    world.settles();
    assert_eq!(world.seen.len(), 20);
    world.check_at_rest();
}

#[test]
fn inhibition_keeps_the_lesser_trouble_quiet_until_the_greater_is_over() {
    let mut rules = grouped();
    let one = |name: &str| [model::Matcher::equal("alertname", name)].into_iter().collect();
    rules.inhibitions = vec![model::inhibition::Inhibition {
        name: "power".to_owned(),
        source: one("PowerOut"),
        target: one("HostDown"),
        equal: vec!["site".to_owned()],
    }]
    .into();
    let mut world = World::new(rules);
    world.fires(&[("alertname", "PowerOut"), ("site", "a")]);
    let quiet = world.fires(&[("alertname", "HostDown"), ("site", "a")]);
    world.fires(&[("alertname", "HostDown"), ("site", "b")]);
    world.passes(seconds(30));
    let alerts: Vec<_> = world.seen.iter().flat_map(|(_, seen)| &seen.says.alerts).collect();
    assert!(alerts.iter().all(|alert| alert.incident != quiet));
    assert_eq!(alerts.len(), 2);
    assert!(world.explains(quiet).iter().any(|line| line.contains("inhibited by incident")));
    let would_hold = |site| world.would_hold(&[("alertname", "HostDown"), ("site", site)]);
    assert_eq!((would_hold("a").len(), would_hold("b").len()), (1, 0), "asked before it happens, too");
    world.clears(&[("alertname", "PowerOut"), ("site", "a")]);
    world.passes(seconds(300));
    assert!(world.seen.iter().any(|(_, seen)| seen.says.alerts.iter().any(|alert| alert.incident == quiet)));
}

#[test]
fn a_muted_route_speaks_when_its_time_comes() {
    let mut rules = grouped();
    let muted = r#"{"name": "first hour", "time_intervals": [{"times": [{"start_time": "00:00", "end_time": "24:00"}],
        "months": ["september"]}]}"#;
    let interval: model::time_interval::TimeInterval = serde_json::from_str(muted).unwrap();
    rules.intervals.insert(interval.name.clone(), interval);
    let mut child = rules.root.clone();
    child.matchers = [model::Matcher::equal("alertname", "Disk")].into_iter().collect();
    child.path = model::Route::child_path("{}", &child.matchers, None);
    child.mute = vec!["first hour".to_owned()];
    rules.root.children.push(child);
    let mut world = World::new(rules);
    let id = world.fires(&[("alertname", "Disk")]);
    world.passes(seconds(40));
    assert_eq!(world.told("ops"), [""; 0]);
    assert!(world.explains(id).iter().any(|line| line.contains("muted by time interval first hour")));
    world.clock_jumps("2026-10-01T00:00:00Z".parse::<Time>().unwrap());
    world.passes(seconds(301));
    assert_eq!(world.told("ops"), ["first"]);
}

#[test]
fn other_rules_take_what_is_wrong_with_them() {
    let mut world = World::new(grouped());
    let id = world.fires(&[("alertname", "Disk")]);
    world.passes(seconds(30));
    let mut rules = grouped();
    rules.receivers.insert("db".to_owned(), receiver("db", Manners::default()));
    rules.root.receiver = "db".to_owned();
    world.reloads(rules);
    world.passes(seconds(60));
    assert_eq!((world.told("ops"), world.told("db")), (vec!["first"], vec!["first"]));
    world.clears(&[("alertname", "Disk")]);
    world.passes(seconds(600));
    assert_eq!(world.told("db"), ["first", "all_resolved"]);
    assert!(world.explains(id).iter().any(|line| line.contains("gone from the configuration")));
}

#[test]
fn an_escalated_incident_reaches_its_new_route_and_ends_on_both() {
    let mut rules = simple_rules();
    let mut child = rules.root.clone();
    child.condition = Some(model::condition::Condition::new("severity == 'critical'").unwrap());
    child.path = model::Route::child_path("{}", &child.matchers, child.condition.as_ref());
    child.receiver = "pager".to_owned();
    rules.receivers.insert("pager".to_owned(), receiver("pager", Manners::default()));
    rules.root.children.push(child);
    let mut world = World::new(rules);
    let mut event = model::NewEvent::raise("world", [("alertname", "Disk")].into_iter().collect());
    world.accept(vec![event.clone()]);
    world.settles();
    event.severity = Some(model::Severity::Critical);
    world.accept(vec![event]);
    world.settles();
    assert_eq!((world.told("ops"), world.told("pager")), (vec!["first"], vec!["first"]));
    world.clears(&[("alertname", "Disk")]);
    world.passes(seconds(301));
    assert_eq!(world.told("ops"), ["first", "all_resolved"]);
    assert_eq!(world.told("pager"), ["first", "all_resolved"]);
}
