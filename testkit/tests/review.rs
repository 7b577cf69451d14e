//! A hostile reader's stories: each is a promise that was once broken, or nearly.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

use std::time::Duration;

use flow::driver::Act;
use model::matcher::{Matchers, parse_list};
use model::route::{GroupBy, Timing};
use model::{Id, Rules};
use testkit::World;
use testkit::world::simple_rules;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

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

fn names(world: &World, id: Id) -> usize {
    world.seen.iter().filter(|(_, seen)| seen.says.alerts.iter().any(|alert| alert.incident == id)).count()
}

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
    rules.inhibitions.push(model::inhibition::Inhibition {
        name: String::new(),
        source: matchers(r#"alertname="Power""#),
        target: matchers(r#"alertname="Host""#),
        equal: Vec::new(),
    });
    let mut world = World::new(rules);
    let source = world.fires(&[("alertname", "Power")]);
    world.acknowledges(source, "ann");
    let target = world.fires(&[("alertname", "Host")]);
    world.passes(seconds(700));
    assert_eq!(names(&world, target), 0);
    world.act(source, Act::Resolve { by: "ann".into(), note: String::new() });
    world.passes(seconds(301));
    assert_eq!(names(&world, target), 1);
}
