use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::group::Hold;
use crate::incident::{Incident, State};
use crate::{Event, Labels, NewEvent};

mod always;

/// Who is there.
#[derive(Clone, Debug, Default)]
struct World {
    users: BTreeMap<i64, Result<(), Unreached>>,
    schedules: BTreeMap<i64, Vec<i64>>,
    teams: BTreeMap<i64, Team>,
    policies: BTreeMap<i64, Policy>,
    receivers: BTreeMap<String, Result<(), Unreached>>,
}

impl Directory for World {
    fn reaches(&self, user: Id) -> Result<(), Unreached> {
        self.users.get(&user.0).copied().unwrap_or(Err(Unreached::Gone))
    }

    fn on_call(&self, schedule: Id, _: Time) -> Option<Vec<Id>> {
        Some(self.schedules.get(&schedule.0)?.iter().copied().map(Id).collect())
    }

    fn team(&self, team: Id) -> Option<Team> {
        self.teams.get(&team.0).cloned()
    }

    fn policy(&self, policy: Id) -> Option<Policy> {
        self.policies.get(&policy.0).cloned()
    }

    fn reaches_receiver(&self, name: &str) -> Result<(), Unreached> {
        self.receivers.get(name).copied().unwrap_or(Err(Unreached::Gone))
    }
}

fn policy(json: Value) -> Policy {
    serde_json::from_value(json).unwrap()
}

fn target(kind: &str, id: i64) -> Value {
    json!({"kind": kind, "id": Id(id)})
}

fn user(id: i64) -> Value {
    target("user", id)
}

/// Users 1 to 6, of whom 5 has nowhere to be reached and 6 is left alone; schedule 1 has user 2 on call, and 2 nobody;
/// team 1 are 3 and 4, team 2 has policy 2, and team 3 nobody. Of the receivers `null` leads nowhere.
fn world() -> World {
    let team = |members: &[i64], policy: Option<i64>| Team {
        members: members.iter().copied().map(Id).collect(),
        policy: policy.map(Id),
    };
    World {
        users: (1..5)
            .map(|id| (id, Ok(())))
            .chain([(5, Err(Unreached::NoWay)), (6, Err(Unreached::Quiet))])
            .collect(),
        schedules: [(1, vec![2]), (2, vec![])].into(),
        teams: [(1, team(&[3, 4], None)), (2, team(&[3], Some(2))), (3, team(&[], None))].into(),
        policies: [(
            2,
            policy(json!({"name": "second", "steps": [
            {"targets": [user(3)]}, {"after": "2m", "targets": [user(4)]}]})),
        )]
        .into(),
        receivers: [("ops".to_owned(), Ok(())), ("null".to_owned(), Err(Unreached::NoDestination))].into(),
    }
}

/// User 1 at once, whoever is on call after five minutes, and all of it twice, ten minutes apart.
fn example() -> Policy {
    policy(json!({
        "name": "first",
        "steps": [{"targets": [user(1)]}, {"after": "5m", "targets": [target("schedule", 1), user(1)]}],
        "repeat": 1, "repeat_after": "10m", "fallback": [{"kind": "receiver", "name": "ops"}],
    }))
}

fn minute(n: i64) -> Time {
    Time::from_seconds(1_800_000_000 + n * 60)
}

fn whom(applied: &Applied) -> Vec<String> {
    let name = |page: &Page| match &page.to {
        Recipient::User { id } => id.0.to_string(),
        Recipient::Receiver { name } => name.clone(),
    };
    applied.pages.iter().map(name).collect()
}

/// An escalation with all that it goes by, driven by hand.
struct Story {
    world: World,
    plan: Plan,
    severity: Severity,
    now: Escalation,
}

impl Story {
    fn new(policy: &Policy) -> Story {
        let world = world();
        let plan = Plan::of(policy, Some(Id(1)), &world);
        let now = Escalation::start(&plan, minute(0));
        Story { world, plan, severity: Severity::Error, now }
    }

    fn put(&mut self, input: Input, at: Time) -> Applied {
        let applied = self.now.apply(input, &Leave::Given, &self.plan, self.severity, &self.world, at);
        self.now = applied.next;
        applied
    }

    /// Who is paged when nobody does anything, with the minute and the alarms.
    fn run(&mut self) -> Vec<(i64, Vec<String>, usize)> {
        let mut told = Vec::new();
        for _ in 0..100 {
            let Some(due) = self.now.due else { return told };
            let applied = self.put(Input::Deadline, due);
            told.push((due.since(minute(0)).as_secs() as i64 / 60, whom(&applied), applied.alarms.len()));
        }
        panic!("it does not end: {told:?}");
    }
}

fn strings(all: &[&str]) -> Vec<String> {
    all.iter().map(|it| (*it).to_owned()).collect()
}

#[test]
fn steps_come_one_after_another_and_again_until_it_gives_up_aloud() {
    let mut story = Story::new(&example());
    assert_eq!(
        story.run(),
        [
            (0, strings(&["1"]), 0),
            (5, strings(&["2", "1"]), 0),
            (15, strings(&["1"]), 0),
            (20, strings(&["2", "1"]), 0),
            (30, strings(&["ops"]), 1),
        ]
    );
    assert_eq!((story.now.stage, story.now.reached), (Stage::Exhausted, 7));
}

#[test]
fn it_rests_while_somebody_has_it_and_goes_on_with_who_was_paged_last() {
    let mut story = Story::new(&example());
    story.put(Input::Deadline, minute(0));
    assert_eq!(whom(&story.put(Input::Deadline, minute(5))), ["2", "1"]);
    let taken = story.put(Input::Taken, minute(6));
    assert_eq!((taken.next.stage, taken.next.due, taken.pages.len()), (Stage::Resting, None, 0));
    assert_eq!(story.put(Input::Taken, minute(7)), taken, "twice is once");
    assert_eq!(story.put(Input::Deadline, minute(60)).pages, []);
    assert_eq!(whom(&story.put(Input::GivenBack, minute(66))), ["2", "1"]);
    assert_eq!(story.now.due, Some(minute(76)));
    let over = story.put(Input::Resolved, minute(70));
    assert_eq!((over.next.stage, over.next.due), (Stage::Ended, None));
    assert_eq!(story.put(Input::GivenBack, minute(71)).next.stage, Stage::Ended);
    assert_eq!(whom(&story.put(Input::Reopened, minute(80))), ["1"]);
}

#[test]
fn what_everybody_let_pass_begins_at_its_start_when_it_is_given_back() {
    let mut story = Story::new(&example());
    story.run();
    story.put(Input::Taken, minute(40));
    assert_eq!(whom(&story.put(Input::GivenBack, minute(50))), ["1"]);
    assert_eq!((story.now.round, story.now.due), (0, Some(minute(55))));
}

#[test]
fn a_step_that_reaches_nobody_is_told_with_the_reasons_and_the_fallback_is_paged() {
    let receiver = |name| json!({"kind": "receiver", "name": name});
    let gone = [user(77), receiver("x")];
    let [nobody_on_call, no_members] = [target("schedule", 2), target("team", 3)];
    let nobody = json!([nobody_on_call, user(5), no_members, gone[0], gone[1], user(6), receiver("null")]);
    let mut story = Story::new(&policy(json!({
        "name": "nobody", "steps": [{"targets": nobody}], "fallback": [user(4)]})));
    let applied = story.put(Input::Deadline, minute(0));
    assert_eq!(whom(&applied), ["4"]);
    let [Alarm::NobodyReached { step: 0, round: 0, targets, fallback: true }] = &*applied.alarms else {
        panic!("{:?}", applied.alarms)
    };
    let reasons: Vec<Unreached> = targets.iter().map(|(_, why)| *why).collect();
    let [nobody_on_call, no_way, no_members, gone] =
        [Unreached::NobodyOnCall, Unreached::NoWay, Unreached::NoMembers, Unreached::Gone];
    let last = [Unreached::Quiet, Unreached::NoDestination];
    assert_eq!(reasons, [nobody_on_call, no_way, no_members, gone, gone, last[0], last[1]]);
    assert_eq!(
        Unreached::list([gone, gone, last[0]]),
        "somebody is not there any more, it is their quiet hour"
    );

    let mut silent = Story::new(&policy(json!({"name": "silent", "steps": [{"targets": [user(77)]}]})));
    assert!(matches!(
        &*silent.put(Input::Deadline, minute(0)).alarms,
        [Alarm::NobodyReached { fallback: false, .. }]
    ));
    assert_eq!(
        silent.put(Input::Deadline, minute(5)).alarms,
        [Alarm::Exhausted { reached: 0, fallback: false }]
    );
}

#[test]
fn a_step_for_what_is_bad_is_left_out_and_made_good_when_it_gets_worse() {
    let mut story = Story::new(&policy(json!({
        "name": "gated", "repeat_after": "5m",
        "steps": [{"targets": [user(1)], "only": {"severity": "critical"}}, {"after": "5m", "targets": [user(2)]}]})));
    assert_eq!(story.put(Input::Worsened, minute(0)).pages, [], "nothing was left out yet");
    assert_eq!(whom(&story.put(Input::Deadline, minute(5))), ["2"]);
    story.severity = Severity::Critical;
    assert_eq!(whom(&story.put(Input::Worsened, minute(6))), ["1"]);
    assert_eq!(story.put(Input::Worsened, minute(7)).pages, [], "twice is once");
    assert_eq!(whom(&story.put(Input::Deadline, minute(11))), ["2"]);
}

#[test]
fn a_step_can_be_for_some_hours_only() {
    // minute 0 is 08:00 on a Friday
    let during = json!({"name": "noon", "time_intervals": [{"times": [{"start_time": "12:00", "end_time": "13:00"}]}]});
    let policy =
        policy(json!({"name": "hours", "steps": [{"targets": [user(1)], "only": {"during": during}}]}));
    let mut story = Story::new(&policy);
    assert_eq!(story.put(Input::Deadline, minute(0)).pages, []);
    assert_eq!(story.put(Input::Worsened, minute(1)).next.due, Some(minute(5)), "it was not too mild");
    assert_eq!(whom(&story.put(Input::Reopened, minute(2))), Vec::<String>::new(), "it is not over");
    story.put(Input::Resolved, minute(3));
    assert_eq!(whom(&story.put(Input::Reopened, minute(4 * 60 + 1))), ["1"]);
}

#[test]
fn steps_that_are_late_do_not_come_all_at_once() {
    let mut story = Story::new(&example());
    assert_eq!(whom(&story.put(Input::Deadline, minute(600))), ["1"]);
    assert_eq!(story.now.due, Some(minute(605)));
}

#[test]
fn policies_that_it_leads_to_are_laid_out_in_it() {
    let policy = policy(json!({"name": "nested", "steps": [
        {"targets": [user(1), target("team", 2)], "only": {"severity": "warning"}},
        {"after": "1m", "targets": [target("team", 1)]},
        {"after": "4m", "targets": [target("policy", 2)]}]}));
    assert_eq!(policy.check(Some(Id(1)), &world()), Ok(()));
    let mut story = Story::new(&policy);
    let told: Vec<_> = story.run().into_iter().map(|(minute, whom, _)| (minute, whom.join(" "))).collect();
    let want = [(0, "1 3"), (1, "3 4"), (2, "4"), (5, "3"), (7, "4"), (12, "")];
    assert_eq!(told, want.map(|(minute, whom)| (minute, whom.to_owned())));
    assert_eq!(story.plan.steps[3].gates.iter().filter(|gate| gate.severity.is_some()).count(), 1);
    assert_eq!(story.plan.steps.iter().map(|it| it.step).collect::<Vec<_>>(), [0, 0, 1, 0, 2, 2]);
}

#[test]
fn what_leads_nowhere_or_back_is_refused_with_its_field() {
    let check = |change: Value| {
        let mut json = serde_json::to_value(example()).unwrap();
        for (name, value) in change.as_object().unwrap() {
            json[name] = value.clone();
        }
        let mut world = world();
        // both lead back to policy 1
        world
            .policies
            .insert(3, policy(json!({"name": "back", "steps": [{"targets": [target("policy", 1)]}]})));
        world.teams.insert(4, Team { members: vec![], policy: Some(Id(3)) });
        world.policies.insert(1, policy(json.clone()));
        policy(json).check(Some(Id(1)), &world).unwrap_err().to_string()
    };
    let to = |kind, id| json!({"steps": [{"targets": [user(1), target(kind, id)]}]});
    for (change, what) in [
        (json!({"name": ""}), "name: is empty"),
        (json!({"steps": []}), "steps: is empty"),
        (json!({"steps": [{"targets": []}]}), "steps[0].targets: is empty"),
        (
            json!({"steps": [{"after": "8d", "targets": [user(1)]}]}),
            "steps[0].after: is 8d; the longest is 1w",
        ),
        (json!({"repeat": 101}), "repeat: is 101; the most is 100"),
        (json!({"repeat_after": "59s"}), "repeat_after: is 59s; write 1m to 1w"),
        (to("user", 77), "steps[0].targets[1]: there is no such user"),
        (to("schedule", 77), "steps[0].targets[1]: there is no such schedule"),
        (to("team", 77), "steps[0].targets[1]: there is no such team"),
        (to("policy", 77), "steps[0].targets[1]: there is no such policy"),
        (
            json!({"steps": [{"targets": [{"kind": "receiver", "name": "x"}]}]}),
            "steps[0].targets[0]: there is no such receiver",
        ),
        (to("policy", 1), "steps[0].targets[1]: leads back"),
        (to("policy", 3), "steps[0].targets[1]: leads back"),
        (to("team", 4), "steps[0].targets[1]: leads back"),
        (json!({"fallback": [target("policy", 2)]}), "fallback[0]: leads to a policy"),
        (json!({"fallback": [user(77)]}), "fallback[0]: there is no such user"),
    ] {
        let why = check(change);
        assert!(why.starts_with(what), "{why}");
    }
    assert_eq!(example().check(None, &world()), Ok(()));
    assert_eq!(serde_json::to_value(example()).unwrap()["steps"][1]["after"], "5m");
}

#[test]
fn policies_that_lead_to_very_many_steps_are_bounded() {
    let mut world = world();
    for id in 10..16 {
        let next = json!([{"targets": vec![target("policy", id + 1); 40]}]);
        world.policies.insert(id, policy(json!({"name": "wide", "steps": next})));
    }
    world.policies.insert(16, example());
    let plan = Plan::of(&world.policies[&10], Some(Id(10)), &world);
    assert!(plan.steps.len() <= MAX_PLANNED_STEPS);
    assert!(plan.flaws[0].reason.starts_with("there are more than 512 steps"), "{:?}", plan.flaws[0]);
}

#[test]
fn what_rings_is_what_its_person_said() {
    let rules: ContactRules = serde_json::from_value(json!({"high": [
        {"destination": Id(1)},
        {"after": "10m", "destination": Id(3)},
        {"after": "5m", "destination": Id(2), "unless_confirmed": true},
        {"destination": Id(9)}]}))
    .unwrap();
    let rings = |urgency, own: &[i64]| {
        let own: Vec<Id> = own.iter().copied().map(Id).collect();
        let all = rules.rings(urgency, minute(0), &own);
        all.iter().map(|it| (it.at.since(minute(0)).as_secs() / 60, it.destination.0)).collect::<Vec<_>>()
    };
    assert_eq!(rings(Urgency::of(Severity::Error), &[1, 2, 3]), [(0, 1), (5, 2), (10, 3)]);
    assert_eq!(
        rings(Urgency::of(Severity::Warning), &[1, 2]),
        [(0, 1), (0, 2)],
        "without a rule all at once"
    );
    assert_eq!(rings(Urgency::High, &[7]), [(0, 7)], "of the rules nothing is left");
    let refused = rules.check(&|id| id.0 < 9).unwrap_err().to_string();
    assert_eq!(refused, "high[3].destination: is none of yours");
}

fn incident() -> Incident {
    let labels: Labels = [("alertname", "DiskFull")].into_iter().collect();
    Incident::open(&Event::arrive(NewEvent::raise("test", labels), Id(1), minute(0))).0
}

#[test]
fn nobody_is_paged_without_leave_whatever_happens() {
    let silence = Hold::Silence { ids: vec!["s".to_owned()] };
    let taken = Incident { state: State::Acknowledged, ..incident() };
    let snoozed = Incident { snoozed_until: Some(minute(9)), ..incident() };
    let over = Incident { state: State::Resolved, ..incident() };
    let leave = |it: &Incident, hold: Option<&Hold>, at| Leave::of(it, hold, minute(at));
    assert_eq!(leave(&incident(), Some(&silence), 0), Leave::Held("silenced by s".to_owned()));
    assert_eq!([leave(&taken, Some(&silence), 0), leave(&snoozed, None, 8)], [Leave::Rests, Leave::Rests]);
    assert_eq!([leave(&snoozed, None, 9), leave(&over, None, 0)], [Leave::Given, Leave::Over]);
    let mut story = Story::new(&example());
    for input in [Input::Deadline, Input::GivenBack, Input::Worsened, Input::Reopened] {
        let held = Leave::Held(String::new());
        let [rests, held] = [Leave::Rests, held].map(|leave| {
            let applied =
                story.now.apply(input, &leave, &story.plan, story.severity, &story.world, minute(0));
            assert_eq!((applied.pages, applied.alarms), (vec![], vec![]), "{input:?} {leave:?}");
            applied.next
        });
        assert_eq!((rests.stage, held.due), (Stage::Resting, Some(minute(0))), "{input:?}");
        story.now = held;
    }
    assert_eq!(whom(&story.put(Input::Deadline, minute(2))), ["1"], "and then it goes on where it was");
}

#[test]
fn the_auditor_finds_what_fell_out() {
    let grace = Duration::from_secs(60);
    let mut story = Story::new(&example());
    let running = story.now;
    let look = |incident: &Incident, escalation, at| audit(incident, escalation, minute(at), grace);
    assert_eq!(look(&incident(), None, 0), Some(Finding::NotStarted));
    assert_eq!(look(&incident(), Some(&running), 1), None);
    assert_eq!(look(&incident(), Some(&running), 2), Some(Finding::Overdue { due: minute(0) }));
    let taken = story.put(Input::Taken, minute(0)).next;
    assert_eq!(look(&incident(), Some(&taken), 2), Some(Finding::NoNextStep { stage: Stage::Resting }));
    let is_taken = Incident { state: State::Acknowledged, ..incident() };
    assert_eq!(look(&is_taken, Some(&taken), 2), None);
    let snoozed = Incident { snoozed_until: Some(minute(9)), ..incident() };
    assert_eq!((look(&snoozed, None, 8), look(&snoozed, None, 9)), (None, Some(Finding::NotStarted)));
    let lost = Escalation { due: None, ..running };
    assert_eq!(look(&incident(), Some(&lost), 0), Some(Finding::NoNextStep { stage: Stage::Running }));
}
