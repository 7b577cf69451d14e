//! What is promised of what people collect: they hear of all that they cannot know otherwise, by their own clock.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

use model::event::NewEvent;
use model::extra::Extra;
use model::incident::State;
use model::{Id, Labels, Reach};
use serde_json::{Value, json};
use store::definitions::Kind;
use testkit::World;
use testkit::people::Somebody;
use testkit::spans::minutes;
use testkit::world::simple_rules;

const NET: [(&str, &str); 2] = [("alertname", "Net"), ("host", "web1")];

fn always() -> Value {
    json!([{"weekdays": [1, 2, 3, 4, 5, 6, 7]}])
}

/// Who collects what this filter takes for ten minutes.
fn who_collects(filter: Value) -> (World, Somebody) {
    let mut world = World::new(simple_rules());
    let mut ann = world.somebody(1, filter, always());
    ann.profile.body.digest_minutes = 10;
    world.defines(Kind::Profile, &ann.profile);
    (world, ann)
}

/// What the messages to a place showed, and whether it was over.
fn shown(world: &World, place: &str) -> Vec<(String, bool)> {
    let seen = world.seen.iter().filter(|(name, _)| name == place);
    let alerts = seen.flat_map(|(_, seen)| &seen.says.alerts);
    let name = |labels: &Labels| labels.get("alertname").unwrap().to_owned();
    alerts.map(|it| (name(&it.labels), it.state == State::Resolved)).collect()
}

fn net(is_over: bool) -> (String, bool) {
    ("Net".to_owned(), is_over)
}

#[test]
fn who_was_told_that_it_began_hears_that_it_is_over_after_their_quiet_hour() {
    let mut world = World::new(simple_rules());
    let ann = world.somebody(1, json!({"maxlevel": 5}), always());
    world.fires(&NET);
    world.passes(minutes(1));
    let quiet = json!({"windows": [{"start": "14:00", "end": "16:00"}]});
    world.owned::<Reach>(Kind::Reach, 1009, ann.id, "reach", json!({"quiet": quiet}));
    world.clears(&NET);
    world.passes(minutes(30));
    assert_eq!(shown(&world, &ann.place()), [net(false)]);
    world.passes(minutes(90));
    assert_eq!(shown(&world, &ann.place()), [net(false), net(true)]);
}

#[test]
fn who_was_told_that_it_is_over_hears_nothing_of_what_came_and_went_since() {
    let (mut world, ann) = who_collects(json!({"maxlevel": 5}));
    world.fires(&NET);
    world.passes(minutes(11));
    world.clears(&NET);
    world.passes(minutes(11));
    assert_eq!(shown(&world, &ann.place()), [net(false), net(true)]);
    let net = world.fires(&NET);
    world.passes(minutes(1));
    world.clears(&NET);
    world.passes(minutes(15));
    assert_eq!(shown(&world, &ann.place()).len(), 2);
    assert_eq!(world.lines(net, "it was over before the digest was sent"), 1);
}

#[test]
fn a_digest_of_ends_tells_of_them() {
    let (mut world, ann) = who_collects(json!({"event_types": ["END"]}));
    world.fires(&NET);
    world.passes(minutes(1));
    world.clears(&NET);
    world.passes(minutes(15));
    assert_eq!(shown(&world, &ann.place()), [net(true)]);
}

#[test]
fn a_digest_tells_of_what_has_no_end() {
    let (mut world, ann) = who_collects(json!({"maxlevel": 5}));
    let labels: Labels = NET.iter().copied().collect();
    let extra = Some(Box::new(Extra { stateless: true, ..Extra::default() }));
    let ends_at = Some(world.now + minutes(5));
    world.accept(vec![NewEvent { extra, ends_at, ..NewEvent::raise("world", labels) }]);
    world.passes(minutes(15));
    let told: Vec<String> = shown(&world, &ann.place()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(told, ["Net"]);
}

#[test]
fn hours_go_by_the_clock_of_the_account_unless_their_owner_names_another() {
    let mut world = World::new(simple_rules());
    world.user(1000, "ann", 0);
    // it is 14:13 UTC: 16:13 in Berlin
    let ann = world.somebody(1, json!({"maxlevel": 5}), json!([{"start": "16:00", "end": "17:00"}]));
    world.fires(&NET);
    world.settles();
    assert_eq!(world.told_at(&ann.place()), [""; 0]);
    let moves = |tx: &mut store::Tx<'_>| {
        let mut user = store::users::get(tx, Id(1000))?.unwrap();
        user.time_zone = "Europe/Berlin".to_owned();
        store::users::update(tx, &user)
    };
    world.store.write_blocking(moves).unwrap();
    let fan = world.fires(&[("alertname", "Fan")]);
    world.settles();
    assert_eq!(world.told_at(&ann.place()), ["first"], "{:?}", world.explains(fan));
    let quiet = json!({"windows": [{"start": "16:00", "end": "16:30"}]});
    world.owned::<Reach>(Kind::Reach, 1009, ann.id, "reach", json!({ "quiet": quiet }));
    let disk = world.fires(&[("alertname", "Disk")]);
    world.settles();
    assert_eq!(world.lines(disk, "it is their quiet hour until 2026-09-21T14:30:00Z"), 1);
    world.owned::<Reach>(Kind::Reach, 1009, ann.id, "reach", json!({ "zone": "UTC" }));
    world.fires(&[("alertname", "Door")]);
    world.settles();
    assert_eq!(
        world.told_at(&ann.place()),
        ["first"],
        "it is a quarter past two by the clock that they named"
    );
}
