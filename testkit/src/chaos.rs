//! Chaos: a world in which the seed decides what happens, in which order, and what goes wrong.

use std::time::Duration;

use flow::driver::Act;
use model::flap::{Flapping, OnFlapping};
use model::receiver::Manners;
use model::route::{GroupBy, Route};
use model::storm::StormRule;
use model::{Id, Rules};
use rand::Rng;

use crate::receiver::Mode;
use crate::world::{World, place_of, receiver, simple_rules};

/// Things that happen in one history.
const STEPS: usize = 120;
/// Seconds until a small budget has let through what is left of one.
const MOST_WAITING: usize = 300;

/// Lives through one history and checks it after every step and at rest.
pub fn live_through(seed: u64) {
    let nodes = if seed.is_multiple_of(3) { 2 } else { 1 };
    let mut world = World::seeded(seed, rules(seed), nodes);
    for _ in 0..STEPS {
        something_happens(&mut world);
        world.check();
    }
    world.modes.clear();
    world.clock_is_right();
    // a rolling change comes to its end
    let last = world.rules().clone();
    world.reloads(last);
    // long enough for every silence, snooze, lease, pause and interval to end
    for _ in 0..8 {
        world.time_goes_by(Duration::from_secs(400));
        world.settles();
        world.passes(Duration::from_secs(3));
    }
    // a small budget takes its time
    for _ in 0..MOST_WAITING {
        if world.nothing_waits() {
            break;
        }
        world.passes(Duration::from_secs(1));
    }
    world.check_at_rest();
}

/// The rules that histories change to and back: without the second receiver, or in other groups.
fn other_rules(seed: u64) -> Rules {
    let mut rules = rules(seed);
    if seed.is_multiple_of(2) {
        rules.root.children.clear();
    } else {
        rules.root.group_by = GroupBy::Labels(vec!["host".to_owned()]);
    }
    rules
}

/// Rules that differ by the seed: grouping, waits, a second receiver, inhibition.
fn rules(seed: u64) -> Rules {
    let mut rules = simple_rules();
    rules.root.group_by = match seed % 4 {
        0 => GroupBy::All,
        1 => GroupBy::Labels(vec!["alertname".to_owned()]),
        2 => GroupBy::Labels(Vec::new()),
        _ => GroupBy::Labels(vec!["alertname".to_owned(), "host".to_owned()]),
    };
    rules.root.timing.group_wait = Duration::from_secs(seed % 3 * 5);
    rules.root.timing.group_interval = Duration::from_secs(20);
    rules.root.timing.repeat_interval = Duration::from_secs(300);
    if seed % 5 < 3 {
        rules.flapping = Flapping {
            times: 1,
            within: Duration::from_secs(300),
            calm_after: Duration::from_secs(100),
            policy: OnFlapping::ALL[(seed % 5) as usize],
        };
    }
    if seed % 11 < 3 {
        let seconds = Duration::from_secs;
        let (within, gather, again_after) = (seconds(60), seconds(5), seconds(40));
        rules.storms.all = StormRule { messages: 3, within, gather, again_after, over_after: seconds(100) };
    }
    let manners = Manners {
        concurrency: 2,
        per_second: if seed.is_multiple_of(7) { 2.0 } else { 0.0 },
        send_acknowledged: seed.is_multiple_of(2),
        ..Manners::default()
    };
    rules.receivers.insert("db".to_owned(), receiver("db", manners));
    let matchers = model::matcher::Matchers(model::matcher::parse_list(r#"host="h1""#).unwrap_or_default());
    let path = Route::child_path("{}", &matchers, None);
    rules.root.children.push(Route {
        path,
        matchers,
        r#continue: seed.is_multiple_of(5),
        receiver: "db".to_owned(),
        ..rules.root.clone()
    });
    if seed.is_multiple_of(2) {
        let one = |value: &str| [model::Matcher::equal("alertname", value)].into_iter().collect();
        rules.inhibitions = vec![model::inhibition::Inhibition {
            name: "a over b".to_owned(),
            source: one("a"),
            target: one("b"),
            equal: vec!["host".to_owned()],
        }]
        .into();
    }
    rules
}

fn something_happens(world: &mut World) {
    let node = world.rng.random_range(0..world.nodes.len());
    match world.rng.random_range(0..100) {
        0..25 => alert(world),
        25..40 => drop(world.run(node)),
        40..55 => world.work(node),
        55..68 => {
            let under_way = world.nodes[node].under_way.len();
            if under_way > 0 {
                let which = world.rng.random_range(0..under_way);
                world.answer(node, which);
            }
        }
        68..76 => world.record(node),
        76..88 => {
            let seconds = world.rng.random_range(1..40);
            world.time_goes_by(Duration::from_millis(seconds * 700));
        }
        88..92 => somebody_acts(world),
        92..95 => {
            let mode = [Mode::Well, Mode::Broken, Mode::Mute, Mode::Busy(7), Mode::Refusing];
            let mode = mode[world.rng.random_range(0..mode.len())];
            let name = if world.rng.random() { "ops" } else { "db" };
            world.modes.insert(place_of(name), mode);
        }
        95..97 => {
            let span = Duration::from_secs(world.rng.random_range(5..200));
            world.silences(r#"alertname="a""#, span);
        }
        97 => match world.rng.random_range(0..4) {
            0 => clock_is_set(world),
            // back a little, as time services do
            _ => world.now = world.now - Duration::from_millis(300),
        },
        98 => match world.rng.random_range(0..3) {
            0 => world.forgets(Duration::from_secs(60)),
            1 => world.reloads_one(node, rules(world.seed)),
            _ => world.reloads_one(node, other_rules(world.seed)),
        },
        _ => world.crash(node),
    }
}

/// Somebody sets the clock by hours. Of several nodes that share a server each has its own, which this world
/// does not play.
fn clock_is_set(world: &mut World) {
    let by = Duration::from_secs(world.rng.random_range(1..6 * 3600));
    let to = if world.rng.random() { world.now + by } else { world.now - by };
    if world.nodes.len() == 1 {
        world.clock_jumps(to);
    }
}

fn alert(world: &mut World) {
    let name = ["a", "b", "c"][world.rng.random_range(0..3)];
    let host = ["h1", "h2"][world.rng.random_range(0..2)];
    let labels = [("alertname", name), ("host", host)];
    if world.rng.random_range(0..3) > 0 {
        world.fires(&labels);
    } else {
        world.clears(&labels);
    }
}

fn somebody_acts(world: &mut World) {
    let incidents: Vec<Id> = world.accepted.iter().filter_map(|it| it.incident).collect();
    if incidents.is_empty() {
        return;
    }
    let id = incidents[world.rng.random_range(0..incidents.len())];
    let (by, note) = ("ann".to_owned(), String::new());
    let later = world.now + Duration::from_secs(world.rng.random_range(5..120));
    let act = match world.rng.random_range(0..4) {
        0 => Act::Acknowledge { by, until: Some(later), note },
        1 => Act::Resolve { by, note, end: None },
        2 => Act::Snooze { by, until: later, note },
        _ => Act::Note { by, text: "looking".to_owned() },
    };
    world.act(id, act);
}
