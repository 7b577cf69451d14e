//! Stories of errors: who hears of them, when, and when not.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::time::Duration;

use flow::errors::acts::{Fixed, IssueAct};
use flow::life::{Ignore, More};
use model::incident::State;
use model::{Id, Rules};
use serde_json::json;
use testkit::World;
use testkit::errors::exception;
use testkit::world::simple_rules;

/// Everything in one group, which is told every five minutes.
fn one_group() -> Rules {
    let mut rules = simple_rules();
    rules.root.group_by = model::route::GroupBy::Labels(Vec::new());
    rules.root.timing.group_interval = Duration::from_secs(300);
    rules.root.timing.repeat_interval = Duration::from_secs(3600);
    rules
}

/// Titles and counts of what was told so far, message by message.
fn told(world: &World) -> Vec<Vec<String>> {
    let shown = |says: &model::Notification| {
        let one = |it: &model::notification::Alert| {
            format!(
                "{} {}",
                it.labels.get("culprit").unwrap_or("?"),
                it.annotations.get("times_seen").unwrap()
            )
        };
        says.alerts.iter().map(one).collect()
    };
    world.seen.iter().map(|(_, seen)| shown(&seen.says)).collect()
}

fn why_not(world: &World, id: Id) -> Vec<String> {
    let lines = world.store.read_blocking(|tx| store::ledger::timeline(tx, id, 100)).unwrap();
    lines.into_iter().map(|it| it.change.detail).filter(|it| it.contains("did not fire")).collect()
}

#[test]
fn an_error_is_told_when_it_is_new_and_never_again_and_again() {
    let mut world = World::new(one_group());
    let shop = world.project("shop");
    let first = world.reports(shop, &exception(1, "pay")).unwrap();
    world.settles();
    assert_eq!(told(&world), [["shop in pay 1"]]);
    assert_eq!(world.reports(shop, &exception(1, "pay")), None, "the same one, sent again");
    for n in 2..5 {
        assert_eq!(world.reports(shop, &exception(n, "pay")), Some(first));
    }
    world.passes(Duration::from_secs(2 * 3600));
    assert_eq!(told(&world).len(), 1, "{:?}", told(&world));
    assert_eq!(why_not(&world, first).len(), 1, "its reason is said once: {:?}", why_not(&world, first));
    // another one beside it does not bring it up again
    world.reports(shop, &exception(9, "ship")).unwrap();
    world.passes(Duration::from_secs(301));
    assert_eq!(told(&world)[1..], [["shop in ship 1"]]);
    let incident = world.store.read_blocking(|tx| store::incidents::get(tx, first)).unwrap().unwrap();
    assert_eq!((incident.times_seen, incident.state), (4, State::Open));
}

#[test]
fn rules_say_when_and_how_often() {
    let mut world = World::new(simple_rules());
    let shop = world.project("shop");
    world.rules_that(
        "many",
        json!({
            "project": "shop", "frequency_minutes": 30,
            "when": [{ "is": "events", "more_than": 2, "minutes": 5 }],
        }),
    );
    let id = world.reports(shop, &exception(1, "pay")).unwrap();
    world.reports(shop, &exception(2, "pay"));
    world.passes(Duration::from_secs(10));
    assert!(told(&world).is_empty(), "there are too few yet");
    assert!(why_not(&world, id)[0].contains("more than 2 in 5 minutes"), "{:?}", why_not(&world, id));
    world.reports(shop, &exception(3, "pay"));
    world.settles();
    assert_eq!(told(&world), [["shop in pay 3"]]);
    for n in 4..20 {
        world.reports(shop, &exception(n, "pay"));
    }
    world.passes(Duration::from_secs(1700));
    assert_eq!(told(&world).len(), 1, "it was told within half an hour");
    world.passes(Duration::from_secs(200));
    for n in 20..23 {
        world.reports(shop, &exception(n, "pay"));
    }
    world.passes(Duration::from_secs(600));
    assert_eq!(told(&world)[1..], [["shop in pay 22"]]);
}

#[test]
fn what_is_ignored_resolved_and_merged_is_told_when_that_says_so() {
    let mut world = World::new(simple_rules());
    let shop = world.project("shop");
    let id = world.reports(shop, &exception(1, "pay")).unwrap();
    world.settles();
    let three_more = Some(More { count: 3, within: None });
    world.does(id, IssueAct::Ignore(Ignore { times: three_more, ..Ignore::default() }));
    world.reports(shop, &exception(2, "pay"));
    world.reports(shop, &exception(3, "pay"));
    world.passes(Duration::from_secs(3600));
    assert_eq!(told(&world).len(), 1, "nobody wants to hear of it");
    world.reports(shop, &exception(4, "pay"));
    world.passes(Duration::from_secs(400));
    assert_eq!(told(&world)[1..], [["shop in pay 4"]]);
    // over by the next release
    world.does(id, IssueAct::Resolve(Some(Fixed::InNext)));
    world.passes(Duration::from_secs(400));
    let after_end = world.seen.len();
    world.reports(shop, &exception(5, "pay"));
    world.passes(Duration::from_secs(3600));
    assert_eq!(world.seen.len(), after_end, "an error of the old release brings nothing back");
    let mut newer = exception(6, "pay");
    newer["release"] = "1.1".into();
    assert_eq!(world.reports(shop, &newer), Some(id), "long after others would have opened another");
    world.passes(Duration::from_secs(400));
    assert_eq!(told(&world).last().unwrap(), &["shop in pay 6"]);
    // what counts as another is told as that one
    let other = world.reports(shop, &exception(7, "ship")).unwrap();
    world.passes(Duration::from_secs(400));
    world.does(id, IssueAct::Merge(vec![other]));
    let before = world.seen.len();
    assert_eq!(world.reports(shop, &exception(8, "ship")), Some(id));
    world.passes(Duration::from_secs(3600));
    assert_eq!(world.seen.len(), before);
    world.does(other, IssueAct::Unmerge(Vec::new()));
    assert_eq!(world.reports(shop, &exception(9, "ship")), Some(other));
}

#[test]
fn what_is_ignored_until_there_is_much_of_it_at_once_is_told_then() {
    let mut world = World::new(simple_rules());
    let shop = world.project("shop");
    let id = world.reports(shop, &exception(1, "pay")).unwrap();
    world.passes(Duration::from_secs(1));
    let burst = Some(More { count: 3, within: Some(Duration::from_secs(600)) });
    world.does(id, IssueAct::Ignore(Ignore { times: burst, ..Ignore::default() }));
    for n in 2..8 {
        world.reports(shop, &exception(n, "pay"));
        world.passes(Duration::from_secs(301));
    }
    assert_eq!(told(&world).len(), 1, "never three within ten minutes: {:?}", told(&world));
    world.passes(Duration::from_secs(700));
    for n in 8..11 {
        world.reports(shop, &exception(n, "pay"));
    }
    world.passes(Duration::from_secs(400));
    assert_eq!(told(&world)[1..], [["shop in pay 10"]]);
    // as many more are to come when another issue joins
    let three_more = Some(More { count: 3, within: None });
    world.does(id, IssueAct::Ignore(Ignore { times: three_more, ..Ignore::default() }));
    let other = world.reports(shop, &exception(11, "ship")).unwrap();
    for n in 12..20 {
        world.reports(shop, &exception(n, "ship"));
    }
    world.passes(Duration::from_secs(400));
    world.does(id, IssueAct::Merge(vec![other]));
    let before = world.seen.len();
    world.reports(shop, &exception(20, "pay"));
    world.reports(shop, &exception(21, "ship"));
    world.passes(Duration::from_secs(3600));
    assert_eq!(world.seen.len(), before, "two of three");
    world.reports(shop, &exception(22, "pay"));
    world.passes(Duration::from_secs(400));
    assert_eq!(told(&world).last().unwrap(), &["shop in pay 22"]);
}

#[test]
fn silences_hold_errors_back_as_they_do_alerts() {
    let mut world = World::new(simple_rules());
    let shop = world.project("shop");
    world.silences("project=shop", Duration::from_secs(600));
    world.reports(shop, &exception(1, "pay")).unwrap();
    world.passes(Duration::from_secs(300));
    assert!(told(&world).is_empty());
    world.passes(Duration::from_secs(700));
    assert_eq!(told(&world), [["shop in pay 1"]]);
}

fn state(world: &World, id: Id) -> Option<State> {
    let found = world.store.read_blocking(|tx| store::incidents::get(tx, id)).unwrap();
    found.map(|it| it.state)
}

#[test]
fn an_issue_of_which_nothing_is_heard_for_long_is_over_and_says_why() {
    let mut world = World::new(simple_rules());
    let shop = world.project("shop");
    let id = world.reports(shop, &exception(1, "pay")).unwrap();
    let ignored = world.reports(shop, &exception(2, "ship")).unwrap();
    world.does(ignored, IssueAct::Ignore(Ignore::default()));
    world.settles();
    world.time_goes_by(Duration::from_secs(20 * 86_400));
    world.tends();
    assert_eq!(state(&world, id), Some(State::Open), "nobody has asked for it");
    world.project_goes_by(shop, |it| it.resolve_after_days = 14);
    let fresh = world.reports(shop, &exception(3, "scan")).unwrap();
    world.tends();
    world.passes(Duration::from_secs(400));
    assert_eq!(state(&world, id), Some(State::Resolved));
    let others = [state(&world, ignored), state(&world, fresh)];
    assert_eq!(others, [Some(State::Open); 2], "what is ignored waits for something else");
    let said = world.explains(id).join("\n");
    assert!(said.contains("not seen for 14 days"), "{said}");
    assert_eq!(world.reports(shop, &exception(4, "pay")), Some(id), "it is back");
    world.passes(Duration::from_secs(400));
    assert_eq!(told(&world).last().unwrap(), &["shop in pay 2"]);
}

#[test]
fn however_many_kinds_of_errors_there_are_a_project_keeps_only_so_many_issues() {
    let mut world = World::new(simple_rules());
    let shop = world.project("shop");
    world.project_goes_by(shop, |it| it.keep.issues = 10);
    let rare = world.reports(shop, &exception(1, "pay")).unwrap();
    world.reports(shop, &exception(2, "pay"));
    let of_ann = world.reports(shop, &exception(3, "ship")).unwrap();
    world.does(of_ann, IssueAct::Assign("ann".to_owned()));
    let over = world.reports(shop, &exception(4, "scan")).unwrap();
    world.does(over, IssueAct::Resolve(None));
    world.passes(Duration::from_secs(600));
    // every error is one of its own
    let mut flood = Vec::new();
    for n in 0..50 {
        let function = format!("kind_{}", "x".repeat(n + 1));
        flood.extend(world.reports(shop, &exception(100 + n, &function)));
        world.passes(Duration::from_secs(1));
    }
    world.tends();
    let looked = store::errors::Looked::newest(Some(shop), 100);
    let (left, _) = world.store.read_blocking(|tx| store::errors::heads(tx, looked)).unwrap();
    let left: Vec<Id> = left.iter().map(|it| it.issue.id).rev().collect();
    let stays: Vec<Id> = [rare, of_ann].into_iter().chain(flood[42..].iter().copied()).collect();
    assert_eq!(left, stays, "what is rare, what somebody looks after, and what is recent");
    world.tends();
    assert_eq!(state(&world, rare), Some(State::Open), "there is room now");
    // nothing is left of those that went, whatever retention has time for
    let since = world.now - Duration::from_secs(90 * 86_400);
    let keep = store::retention::Keep {
        resolved_since: since,
        repeats_since: since,
        audit_since: since,
        most_incidents: 0,
        most_bytes: 0,
        configurations: 10,
    };
    world.passes(Duration::from_secs(600));
    let sweep = move |tx: &mut store::Tx<'_>| store::retention::sweep(tx, &keep, 100);
    while world.store.write_blocking(sweep).unwrap() > 0 {}
    assert_eq!((state(&world, over), state(&world, flood[0])), (None, None));
    assert_ne!(world.reports(shop, &exception(999, "scan")), Some(over), "it begins anew");
}
