//! "Why was I (not) told?" is answered by what told, also for the past: whatever is done, both say the same.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

use std::collections::HashSet;
use std::time::Duration;

use flow::explain::{Personal, explain_to};
use model::account::{Membership, Role, Team, User};
use model::maintenance::Maintenance;
use model::profile::{Filter, Timeslot, Verdict};
use model::schedule::{Listed, Rota};
use model::{Id, Reach, Time};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use store::calendars::Known;
use store::definitions::Kind;
use testkit::World;
use testkit::people::Somebody;
use testkit::world::simple_rules;

/// What one run does.
const STEPS: usize = 40;
/// How many runs there are.
const SEEDS: u64 = 6;

fn known(world: &mut World, id: Id, name: &str) {
    let user = User::new(id, name, Role::Responder, world.now);
    assert!(world.store.write_blocking(move |tx| store::users::insert(tx, &user)).unwrap());
}

fn explained(
    world: &World,
    incident: Id,
    user: Id,
    at: Option<Time>,
) -> (Personal, flow::explain::Explanation) {
    let core = world.core();
    let found = world.store.read_blocking(|tx| {
        let user = store::users::get(tx, user)?.unwrap();
        explain_to(&core, tx, incident, user, at, world.now)
    });
    let explanation = found.unwrap().unwrap();
    (explanation.person.clone().unwrap(), explanation)
}

fn one<'a>(rng: &mut StdRng, of: &[&'a str]) -> &'a str {
    of[rng.random_range(0..of.len())]
}

fn filter(rng: &mut StdRng) -> Value {
    match rng.random_range(0..6) {
        0 => json!({"tags": [format!("team={}", one(rng, &["db", "web"]))]}),
        1 => json!({"maxlevel": rng.random_range(1..=5)}),
        2 => json!({"open": true, "exclude": {"tags": ["team=web"]}}),
        3 => json!({"acked": rng.random_bool(0.5)}),
        4 => json!({"event_types": [one(rng, &["STA", "END", "ACK", "CHI"])]}),
        _ => json!({"matchers": ["alertname=~\"A.*\""], "hide_closed_acked": true}),
    }
}

fn windows(rng: &mut StdRng) -> Value {
    let hour = rng.random_range(0..24);
    match rng.random_bool(0.6) {
        true => json!([{}]),
        false => json!([{"start": format!("{hour:02}:00"), "end": format!("{:02}:30", (hour + 5) % 24)}]),
    }
}

/// Somebody changes what they defined.
fn change(world: &mut World, rng: &mut StdRng, who: &mut Somebody) {
    match rng.random_range(0..5) {
        0 => {
            let body = filter(rng);
            world.owned::<Filter>(Kind::Filter, who.id.0 + 2, who.id, "filter", body);
        }
        1 => {
            let slot = json!({"name": "slot", "windows": windows(rng)});
            world.owned::<Timeslot>(Kind::Timeslot, who.id.0 + 1, who.id, "slot", slot);
        }
        2 => {
            let quiet = json!({"windows": windows(rng), "broken_by": one(rng, &["critical", "warning"])});
            let reach = if rng.random_bool(0.5) { json!({ "quiet": quiet }) } else { json!({}) };
            world.owned::<Reach>(Kind::Reach, who.id.0 + 9, who.id, "reach", reach);
        }
        3 => {
            who.profile.body.active = rng.random_bool(0.7);
            who.profile.body.digest_minutes = if rng.random_bool(0.3) { 7 } else { 0 };
            world.defines(Kind::Profile, &who.profile);
        }
        _ => {
            who.destination.body.verified_at = rng.random_bool(0.8).then_some(world.now);
            world.defines(Kind::Destination, &who.destination);
        }
    }
}

fn happens(world: &mut World, rng: &mut StdRng, ids: &mut HashSet<Id>) {
    let (name, team) = (one(rng, &["A1", "A2", "B1"]).to_owned(), one(rng, &["db", "web"]).to_owned());
    let severity = one(rng, &["critical", "warning", "info"]).to_owned();
    let labels = [("alertname", name.as_str()), ("team", team.as_str())];
    match rng.random_range(0..5) {
        0 | 1 => {
            let event = model::event::NewEvent {
                severity: model::Severity::from_word(&severity),
                ..model::event::NewEvent::raise("world", labels.into_iter().collect())
            };
            ids.extend(world.accept(vec![event])[0].incident);
        }
        2 => world.clears(&labels),
        3 => {
            if let Some(id) = ids.iter().min().copied() {
                world.acknowledges(id, "bob");
            }
        }
        _ => {
            let id = ids.iter().max().copied();
            id.into_iter().for_each(|id| world.acknowledges(id, "carl"));
        }
    }
}

/// What is explained of an incident to somebody is what was done.
fn agrees(world: &World, incident: Id, who: &Somebody) {
    let (person, whole) = explained(world, incident, who.id, None);
    let context = || format!("seed {}: {:#?}", world.seed, person.text());
    let wanted_at: HashSet<Time> = person
        .moments
        .iter()
        .filter(|it| it.profiles.iter().any(|said| said.wanted()))
        .map(|it| it.at)
        .collect();
    for (delivery, _) in whole.deliveries.iter().filter(|(it, _)| it.destination == who.place()) {
        if !["digest", "storm", "storm_over", "paged"].contains(&delivery.reason.name()) {
            assert!(
                wanted_at.contains(&delivery.created_at),
                "told at {} {}",
                delivery.created_at,
                context()
            );
        }
    }
    for moment in &person.moments {
        for said in moment.profiles.iter().filter(|said| said.wanted()) {
            let waits = person.waiting.iter().any(|it| it.place == who.place());
            let recorded = said.became.iter().all(|(_, words)| !words.is_empty());
            assert!(recorded || waits, "nothing is recorded of {} {}", moment.at, context());
            assert_eq!(moment.quiet, said.verdict == Verdict::Quiet, "{}", context());
        }
    }
    let told_of = |line: &&store::ledger::Line| {
        line.change.detail.starts_with(&format!("not told to {}", who.place()))
            && !line.change.detail.contains("the digest was sent")
            && !line.change.detail.contains(" yet: ")
    };
    for line in whole.timeline.iter().filter(told_of) {
        let collected = person.moments.iter().any(|it| it.at < line.at);
        assert!(wanted_at.contains(&line.at) || collected, "{line:?} {}", context());
    }
}

#[test]
fn what_is_explained_is_what_was_told_whatever_changes_meanwhile() {
    for seed in 0..SEEDS {
        let mut world = World::seeded(seed, simple_rules(), 1);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut people: Vec<Somebody> =
            (1..=3).map(|id| world.somebody(id, json!({"tags": ["team=db"]}), json!([{}]))).collect();
        for who in &people {
            known(&mut world, who.id, &format!("user{}", who.id.0));
        }
        let mut ids = HashSet::new();
        for step in 0..STEPS {
            world.passes(Duration::from_secs(rng.random_range(1..700)));
            match rng.random_range(0..6) {
                0 | 1 => {
                    let which = rng.random_range(0..people.len());
                    change(&mut world, &mut rng, &mut people[which]);
                }
                2 if step % 3 == 0 => {
                    let body = json!({
                        "description": "x", "starts_at": world.now, "ends_at": world.now + Duration::from_secs(3000),
                        "filters": [filter(&mut rng)], "mode": one(&mut rng, &["suppress", "collect"]),
                    });
                    let (id, name) = (9000 + step as i64, format!("works {step}"));
                    world.everybodys::<Maintenance>(Kind::Maintenance, id, &name, body);
                }
                _ => happens(&mut world, &mut rng, &mut ids),
            }
        }
        for incident in &ids {
            people.iter().for_each(|who| agrees(&world, *incident, who));
        }
    }
}

#[test]
fn somebody_finds_out_which_part_of_which_filter_said_no_and_what_they_had_then() {
    let mut world = World::new(simple_rules());
    let mut ann = world.somebody(1, json!({"tags": ["team=web"], "maxlevel": 5}), json!([{}]));
    known(&mut world, ann.id, "ann");
    let disk = world.fires(&[("alertname", "Disk"), ("team", "db")]);
    let opened = world.now;
    world.passes(Duration::from_secs(60));
    // later they want it after all, and later still they want nothing
    world.owned::<Filter>(Kind::Filter, 1002, ann.id, "filter", json!({"tags": ["team=db"]}));
    world.acknowledges(disk, "bob");
    let acked = world.now;
    world.passes(Duration::from_secs(60));
    ann.profile.body.active = false;
    world.defines(Kind::Profile, &ann.profile);
    world.passes(Duration::from_secs(60));
    world.clears(&[("alertname", "Disk"), ("team", "db")]);
    world.settles();
    let (person, explanation) = explained(&world, disk, ann.id, None);
    let verdicts: Vec<_> =
        person.moments.iter().map(|it| (it.event.code(), it.profiles[0].verdict)).collect();
    assert_eq!(verdicts[0], ("STA", Verdict::NoFilterFits));
    assert_eq!(verdicts[1], ("ACK", Verdict::Told { filter: Id(1002) }));
    assert_eq!(verdicts[2], ("END", Verdict::Inactive));
    let text = explanation.text().join("\n");
    for words in ["tags: of some key it has none", "(acknowledged)", "is not in use", "can be used"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let (then, _) = explained(&world, disk, ann.id, Some(opened + Duration::from_secs(30)));
    assert_eq!(then.moments.len(), 1);
    assert_eq!((then.moments[0].at, then.moments[0].event.code()), (opened, "STA"));
    let (then, _) = explained(&world, disk, ann.id, Some(acked));
    assert_eq!(then.moments[0].event.code(), "ACK");
    let (before, _) = explained(&world, disk, ann.id, Some(opened - Duration::from_secs(9)));
    assert!(before.text().join("\n").contains("Nothing had happened"));
}

#[test]
fn somebody_finds_out_who_was_on_call_by_which_layer_when_it_paged() {
    let mut rules = simple_rules();
    rules.root.escalate = Some("db".to_owned());
    let mut world = World::new(rules);
    let (ann, _) = world.user(1, "ann", 1);
    let (bob, bobs) = world.user(2, "bob", 1);
    let rota = json!({"schedule": {"name": "nights", "layers": [{"name": "first", "turns": {"rotation": {
        "participants": [ann, bob], "first_handover": "2026-09-20T00:00:00", "unit": "days"}}}]}});
    let schedule = world.everybodys::<Rota>(Kind::Schedule, 8001, "nights", rota);
    let policy = json!({"name": "db", "steps": [{"targets": [{"kind": "schedule", "id": schedule}]}]});
    world.everybodys::<model::escalation::Policy>(Kind::Policy, 8002, "db", policy);
    let disk = world.fires(&[("alertname", "Disk")]);
    world.passes(Duration::from_secs(60));
    assert_eq!(world.told_at(&bobs[0]), ["paged"]);
    let (person, _) = explained(&world, disk, ann, None);
    let step = &person.pages[0];
    assert_eq!((step.step, step.includes, step.on_call[0].0.as_str()), (1, false, "bob"));
    assert!(step.on_call[0].1.contains("first") && person.paged.is_empty());
    let (person, _) = explained(&world, disk, bob, None);
    assert!(person.pages[0].includes && person.paged.len() == 1);
    let tomorrow = world.now + Duration::from_secs(86_400);
    let (person, _) = explained(&world, disk, ann, Some(tomorrow));
    assert!(person.pages[0].includes, "it would be their turn then");
}

#[test]
fn who_was_in_a_team_and_what_a_calendar_said_is_explained_as_it_was() {
    const DAY: Duration = Duration::from_secs(86_400);
    let mut rules = simple_rules();
    rules.root.escalate = Some("db".to_owned());
    let mut world = World::new(rules);
    let ((ann, _), (bob, _)) = (world.user(1, "ann", 1), world.user(2, "bob", 1));
    let began = world.now;
    let joins = move |tx: &mut store::Tx<'_>| {
        let team = Team { id: Id(50), name: "db".into(), about: String::new(), created_at: began };
        store::teams::insert(tx, &team)?;
        store::teams::put_member(tx, Membership { team: Id(50), user: ann, role: Role::Responder }, began)
    };
    world.store.write_blocking(joins).unwrap();
    let rota =
        json!({"schedule": {"name": "nights", "layers": [{"name": "cal", "turns": {"calendar": {}}}]}});
    let schedule = world.everybodys::<Rota>(Kind::Schedule, 8001, "nights", rota);
    let targets = json!([{"kind": "team", "id": Id(50)}, {"kind": "schedule", "id": schedule}]);
    let policy = json!({"name": "db", "steps": [{ "targets": targets }]});
    world.everybodys::<model::escalation::Policy>(Kind::Policy, 8002, "db", policy);
    let says = |world: &World, user: Id| {
        let (from, until, at) = (began - DAY, began + DAY * 30, world.now);
        let shifts = vec![Listed { user, from, until }];
        let known = Known { schedule, layer: "cal".into(), shifts, skipped: "[]".into(), ..Known::default() };
        world.store.write_blocking(move |tx| store::calendars::put(tx, &known, None, at)).unwrap();
    };
    says(&world, ann);
    world.passes(Duration::from_secs(5));
    let disk = world.fires(&[("alertname", "Disk")]);
    let then = world.now;
    world.passes(DAY);
    // Bob is there in her place, in the team as well as in the calendar
    let now = world.now;
    let changes = move |tx: &mut store::Tx<'_>| {
        store::teams::remove_member(tx, Id(50), ann, now)?;
        store::teams::put_member(tx, Membership { team: Id(50), user: bob, role: Role::Responder }, now)
    };
    world.store.write_blocking(changes).unwrap();
    says(&world, bob);
    world.passes(Duration::from_secs(60));
    let includes = |at: Time| {
        let of = |user: Id| {
            let (person, _) = explained(&world, disk, user, Some(at));
            person.pages.iter().map(|step| step.includes).collect::<Vec<_>>()
        };
        (of(ann), of(bob))
    };
    assert_eq!(includes(then), (vec![true, true], vec![false, false]), "then it was Ann");
    assert_eq!(includes(world.now), (vec![false, false], vec![true, true]), "now it is Bob");
}
