//! What is promised about answers: whoever was told takes it from where they read it; and about other providers, which
//! stand in for those that do not say that they have a message.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

use std::time::Duration;

use flow::answers::{NotTaken, Verb, Who};
use model::escalation::Policy;
use model::incident::State;
use model::{Id, OwnedDestination, Reach};
use serde_json::json;
use store::definitions::{Definition, Kind};
use testkit::World;
use testkit::people::{paging_rules, two_who_are_paged};
use testkit::receiver::Mode;
use testkit::spans::minutes;

const DISK: [(&str, &str); 2] = [("alertname", "Disk"), ("severity", "critical")];
const ACK: Verb = Verb::Acknowledge(None);

fn page() -> Who {
    Who::Page("192.0.2.7".to_owned())
}

/// The same with one person, whose first way has the second to stand in for it.
fn with_stand_in(after: Duration) -> (World, Vec<String>) {
    let mut world = World::new(paging_rules());
    let (ann, anns) = world.user(1000, "ann", 2);
    world.stands_in(Id(1002), Id(1001), after);
    let rules = json!([{"destination": Id(1001)}]);
    world.owned::<Reach>(Kind::Reach, 1100, ann, "", json!({"rules": {"high": rules, "low": rules}}));
    let steps = json!([{"targets": [{"kind": "user", "id": ann}]}]);
    world.everybodys::<Policy>(Kind::Policy, 5000, "db", json!({"name": "db", "steps": steps}));
    (world, anns)
}

#[test]
fn the_night_ends_when_somebody_takes_it_by_the_link_in_their_message() {
    let (mut world, anns, bobs) = two_who_are_paged();
    let disk = world.fires(&DISK);
    world.settles();
    assert_eq!((world.told_at(&anns[0]).len(), world.told_at(&anns[1]).len()), (1, 0));
    world.passes(minutes(6));
    assert_eq!(world.told_at(&anns[1]), ["paged"], "her second way");
    world.passes(minutes(5));
    assert_eq!(world.told_at(&bobs), ["paged"], "then Bob");
    let link = world.token(&bobs).unwrap();
    assert_eq!(world.answers(&link, page(), ACK), Ok("bob".to_owned()));
    let taken = world.incident(disk);
    assert_eq!((taken.state, taken.acknowledged_by.as_deref()), (State::Acknowledged, Some("bob")));
    world.passes(minutes(60));
    assert_eq!([&anns[0], &anns[1], &bobs].map(|place| world.told_at(place).len()), [1, 1, 1]);
    assert_eq!(world.lines(disk, "acknowledged by bob"), 1);
}

#[test]
fn a_link_is_good_once_for_whom_it_was_and_for_a_week() {
    let (mut world, anns, _) = two_who_are_paged();
    let disk = world.fires(&DISK);
    world.settles();
    let link = world.token(&anns[0]).unwrap();
    // of another key, delivery or length
    for forged in ["", "x", &link[1..], &format!("A{}", &link[1..]), &format!("{}A", &link[..link.len() - 1])]
    {
        if *forged != link {
            assert_eq!(world.answers(forged, page(), ACK), Err(NotTaken::Unknown), "{forged}");
        }
    }
    // the key outlives the process
    world.crash(0);
    let until = Verb::Acknowledge(Some(minutes(30)));
    assert_eq!(world.answers(&link, page(), until), Ok("ann".to_owned()));
    assert_eq!(world.answers(&link, page(), ACK), Err(NotTaken::Given), "once");
    // when it runs out she is paged again, with another link
    world.passes(minutes(32));
    assert_eq!((world.incident(disk).state, world.told_at(&anns[0]).len()), (State::Open, 2));
    let again = world.token(&anns[0]).unwrap();
    assert_ne!(again, link);
    world.now = world.now + Duration::from_secs(8 * 86_400);
    assert_eq!(world.answers(&again, page(), ACK), Err(NotTaken::Expired));
}

#[test]
fn who_is_locked_out_or_may_only_look_takes_nothing() {
    let (mut world, anns, bobs) = two_who_are_paged();
    let disk = world.fires(&DISK);
    world.passes(minutes(11));
    let (anns, bobs) = (world.token(&anns[0]).unwrap(), world.token(&bobs).unwrap());
    world.locks_out(Id(1000));
    assert_eq!(world.answers(&anns, page(), ACK), Err(NotTaken::Withdrawn));
    world.takes_back(Kind::Destination, Id(2001));
    assert_eq!(world.answers(&bobs, page(), ACK), Err(NotTaken::Withdrawn));
    assert_eq!(world.incident(disk).state, State::Open);
}

/// One of Ann's destinations.
fn anns(world: &World) -> Definition<OwnedDestination> {
    let found = world.store.read_blocking(|tx| store::definitions::get(tx, Kind::Destination, Id(1001)));
    found.unwrap().unwrap()
}

#[test]
fn what_somebody_was_told_is_not_answered_in_the_name_of_who_has_their_destination_now() {
    let (mut world, places, _) = two_who_are_paged();
    let disk = world.fires(&DISK);
    world.settles();
    let token = world.token(&places[0]).unwrap();
    // Ann leaves, and Bob gets what others need of hers
    let handed_over = Definition { owner: Id(2000), name: "of ann".into(), ..anns(&world) };
    world.defines(Kind::Destination, &handed_over);
    assert_eq!(world.answers(&token, page(), ACK), Err(NotTaken::Withdrawn));
    assert_eq!(world.incident(disk).state, State::Open);
}

#[test]
fn when_two_are_known_by_one_account_it_says_which_two() {
    let (mut world, places, _) = two_who_are_paged();
    let mut first = anns(&world);
    first.body.settings = json!({"account": "U1"});
    world.defines(Kind::Destination, &first);
    world
        .defines(Kind::Destination, &Definition { id: Id(2009), owner: Id(2000), name: "x".into(), ..first });
    world.fires(&DISK);
    world.settles();
    let (token, chat) = (world.token(&places[0]).unwrap(), Who::Chat("scripted", "U1".to_owned()));
    let both = NotTaken::Several("ann and bob".to_owned());
    assert_eq!(world.answers(&token, chat.clone(), ACK), Err(both));
    world.takes_back(Kind::Destination, Id(2009));
    assert_eq!(world.answers(&token, chat, ACK), Ok("ann".to_owned()));
}

#[test]
fn mail_must_come_from_whom_it_went_to_and_a_button_from_somebody_known() {
    let (mut world, anns, _) = two_who_are_paged();
    let disk = world.fires(&DISK);
    world.settles();
    let token = world.token(&anns[0]).unwrap();
    let mail = |from: &str| Who::Mail(from.to_owned());
    assert_eq!(
        world.answers(&token, mail("eve@example.org"), ACK),
        Err(NotTaken::Stranger("ann".to_owned()))
    );
    let chat = |id: &str| Who::Chat("scripted", id.to_owned());
    assert!(matches!(world.answers(&token, chat("nobody"), ACK), Err(NotTaken::Stranger(_))));
    assert_eq!(world.incident(disk).state, State::Open);
    assert_eq!(world.answers(&token, mail("ANN@example.org"), ACK), Ok("ann".to_owned()));
    assert_eq!(
        world.answers(&token, mail("ann@example.org"), ACK),
        Err(NotTaken::Given),
        "the same mail again"
    );
    let resolve = Verb::Resolve;
    assert_eq!(world.answers(&token, mail("ann@example.org"), resolve), Ok("ann".to_owned()));
    assert_eq!(world.incident(disk).state, State::Resolved);
    assert_eq!(world.answers(&token, page(), ACK), Err(NotTaken::Over));
}

#[test]
fn what_is_over_has_no_link() {
    let (mut world, anns, _) = two_who_are_paged();
    world.fires(&DISK);
    world.settles();
    assert!(world.token(&anns[0]).is_some());
    let ops = testkit::world::place_of("ops");
    assert!(world.token(&ops).is_none(), "nobody in particular reads it, and no buttons are heard");
}

#[test]
fn a_provider_that_refuses_is_stood_in_for_at_once() {
    let (mut world, anns) = with_stand_in(minutes(10));
    world.modes.insert(anns[0].clone(), Mode::Refusing);
    let disk = world.fires(&DISK);
    world.passes(Duration::from_secs(2));
    assert_eq!((world.told_at(&anns[0]).len(), world.told_at(&anns[1])), (0, vec!["paged"]));
    let words = format!("{} did not take it (answered 400), so {} is told in its place", anns[0], anns[1]);
    assert_eq!(world.lines(disk, &words), 1, "{:?}", world.explains(disk));
    world.passes(minutes(30));
    assert_eq!(world.told_at(&anns[1]).len(), 1);
}

#[test]
fn a_provider_that_is_down_is_stood_in_for_as_soon_as_that_is_known() {
    let (mut world, anns) = with_stand_in(minutes(10));
    world.modes.insert(anns[0].clone(), Mode::Broken);
    let disk = world.fires(&DISK);
    world.passes(minutes(5));
    assert_eq!(world.told_at(&anns[1]), ["paged"], "before the ten minutes are over");
    assert_eq!(world.lines(disk, "is down (answered 500)"), 1, "{:?}", world.explains(disk));
    // from now on it is known from the start
    let other = world.fires(&[("alertname", "Cpu"), ("severity", "critical")]);
    world.passes(Duration::from_secs(2));
    assert_eq!(world.lines(other, "is down (answered 500)"), 1, "{:?}", world.explains(other));
}

#[test]
fn a_provider_that_confirms_nothing_in_time_is_stood_in_for_and_one_that_does_is_not() {
    let (mut world, anns) = with_stand_in(minutes(2));
    world.modes.insert(anns[0].clone(), Mode::Vague);
    let disk = world.fires(&DISK);
    world.passes(Duration::from_secs(110));
    assert_eq!(world.told_at(&anns[1]), [""; 0]);
    world.passes(Duration::from_secs(20));
    assert_eq!(world.told_at(&anns[1]), ["paged"]);
    assert_eq!(world.lines(disk, "has not confirmed it within 2m"), 1, "{:?}", world.explains(disk));

    let (mut world, anns) = with_stand_in(minutes(2));
    world.fires(&DISK);
    world.passes(minutes(10));
    assert_eq!((world.told_at(&anns[0]).len(), world.told_at(&anns[1]).len()), (1, 0), "it has confirmed");
}

#[test]
fn nobody_stands_in_when_it_was_taken_meanwhile() {
    let (mut world, anns) = with_stand_in(minutes(2));
    world.modes.insert(anns[0].clone(), Mode::Vague);
    let disk = world.fires(&DISK);
    world.passes(minutes(1));
    world.acknowledges(disk, "bob");
    world.passes(minutes(30));
    assert_eq!(world.told_at(&anns[1]), [""; 0]);
}

#[test]
fn a_crash_forgets_nobody_who_stands_in() {
    let (mut world, anns) = with_stand_in(minutes(2));
    world.modes.insert(anns[0].clone(), Mode::Mute);
    world.fires(&DISK);
    world.crash(0);
    world.passes(minutes(1));
    world.crash(0);
    world.passes(minutes(2));
    assert_eq!(world.told_at(&anns[1]), ["paged"]);
}
