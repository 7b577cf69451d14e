//! What is promised about storms.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

use model::notification::StormSummary;
use model::receiver::{Audience, Manners};
use model::storm::StormRule;
use model::{Id, Rules};
use testkit::World;
use testkit::spans::seconds;
use testkit::world::{place_of, receiver, simple_rules};

/// `ops` with people and, as its second destination, a machine; more than three messages a minute are a storm.
fn rules() -> Rules {
    let mut rules = simple_rules();
    rules.root.timing.group_interval = seconds(10);
    rules.storms.all = StormRule {
        messages: 3,
        within: seconds(60),
        gather: seconds(10),
        again_after: seconds(300),
        over_after: seconds(120),
    };
    let mut ops = receiver("ops", Manners::default());
    let mut machine = receiver("machine", Manners { audience: Audience::Machines, ..Manners::default() });
    ops.destinations.append(&mut machine.destinations);
    rules.receivers.insert("ops".to_owned(), ops);
    rules
}

/// So many alerts, one a second.
fn storm(world: &mut World, from: usize, count: usize) -> Vec<Id> {
    let alert = |n: usize| {
        let id = world.fires(&[("alertname", "Disk"), ("service", "db"), ("n", &n.to_string())]);
        world.passes(seconds(1));
        id
    };
    (from..from + count).map(alert).collect()
}

fn summaries(world: &World) -> Vec<StormSummary> {
    world.seen.iter().filter_map(|(_, seen)| seen.says.storm.clone()).collect()
}

#[test]
fn in_a_storm_people_get_one_summary_and_machines_get_everything() {
    let mut world = World::new(rules());
    let ids = storm(&mut world, 0, 30);
    assert_eq!(world.told("ops"), ["first", "first", "first", "storm"]);
    assert_eq!(world.told("machine"), ["first"; 30]);
    let summary = &summaries(&world)[0];
    assert_eq!((summary.messages, summary.incidents, summary.over), (10, 10, false), "what it could gather");
    let by = &summary.by[0];
    assert_eq!((by.alertname.as_str(), by.service.as_str(), by.incidents, by.firing), ("Disk", "db", 10, 10));
    for id in &ids[3..] {
        let explained = world.explains(*id).join("\n");
        let line = format!("not told to {} by itself, but in a summary: a storm since", place_of("ops"));
        assert!(explained.contains(&line), "{explained}");
    }
    assert!(!world.explains(ids[2]).join("\n").contains("storm"));
}

#[test]
fn in_a_long_storm_what_is_new_is_summed_up_again() {
    let mut world = World::new(rules());
    storm(&mut world, 0, 330);
    assert_eq!(world.told("ops")[3..], ["storm", "storm"]);
    let counts: Vec<u64> = summaries(&world).iter().map(|it| it.incidents).collect();
    assert_eq!(counts, [10, 310], "each tells of the whole storm");
}

#[test]
fn when_a_storm_is_over_people_hear_what_still_fires() {
    let mut world = World::new(rules());
    storm(&mut world, 0, 30);
    for n in 0..28 {
        world.clears(&[("alertname", "Disk"), ("service", "db"), ("n", &n.to_string())]);
    }
    world.passes(seconds(200));
    assert_eq!(world.told("ops")[3..], ["storm", "storm_over"]);
    let (_, last) = world.seen.iter().rev().find(|(_, seen)| seen.says.storm.is_some()).unwrap();
    let summary = last.says.storm.as_ref().unwrap();
    assert_eq!((summary.incidents, summary.by[0].incidents, summary.by[0].firing), (30, 30, 2));
    assert_eq!((last.says.alerts.len(), last.says.status()), (2, "firing"));
    storm(&mut world, 100, 2);
    assert_eq!(world.told("ops")[5..], ["first", "first"], "from then on each is told again");
    world.check_at_rest();
}

#[test]
fn a_storm_survives_a_restart_and_is_over_in_time() {
    let mut world = World::new(rules());
    storm(&mut world, 0, 6);
    world.crash(0);
    storm(&mut world, 6, 4);
    assert_eq!(world.told("ops"), ["first"; 3]);
    world.crash(0);
    world.clock_jumps(world.now + seconds(3600));
    world.settles();
    assert_eq!(world.told("ops")[3..], ["storm_over"], "over before it was told of");
    assert_eq!(summaries(&world)[0].incidents, 7);
    world.check_at_rest();
}

#[test]
fn without_a_word_in_the_configuration_there_is_no_storm() {
    let mut rules = rules();
    rules.storms.all.messages = 0;
    let mut world = World::new(rules);
    storm(&mut world, 0, 30);
    assert_eq!(world.told("ops"), ["first"; 30]);
}

#[test]
fn each_receiver_has_its_own_measure() {
    let mut rules = rules();
    rules.storms.receivers.insert("ops".to_owned(), StormRule { messages: 20, ..rules.storms.all });
    let mut world = World::new(rules);
    storm(&mut world, 0, 19);
    assert_eq!(world.told("ops"), ["first"; 19]);
}
