//! What holds whatever happens.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn targets() -> impl Strategy<Value = Vec<Value>> {
    let one = prop_oneof![
        4 => (1i64..7).prop_map(user),
        2 => (1i64..4).prop_map(|id| target("schedule", id)),
        2 => (1i64..5).prop_map(|id| target("team", id)),
        1 => (1i64..4).prop_map(|id| target("policy", id)),
        1 => prop::sample::select(vec!["ops", "null", "nobody"])
            .prop_map(|name| json!({"kind": "receiver", "name": name})),
    ];
    prop::collection::vec(one, 0..4)
}

fn policies() -> impl Strategy<Value = Policy> {
    let gate = prop_oneof![3 => Just(json!({})), 1 => Just(json!({"severity": "error"}))];
    let step = (0u64..8, targets(), gate).prop_map(
        |(after, targets, only)| json!({"after": format!("{after}m"), "targets": targets, "only": only}),
    );
    (prop::collection::vec(step, 0..5), 0u16..3, 0u64..4, targets()).prop_map(|(steps, repeat, wait, fallback)| {
        let wait = format!("{wait}m");
        policy(json!({"name": "any", "steps": steps, "repeat": repeat, "repeat_after": wait, "fallback": fallback}))
    })
}

fn inputs() -> impl Strategy<Value = Input> {
    prop::sample::select(vec![
        Input::Deadline,
        Input::Deadline,
        Input::Taken,
        Input::GivenBack,
        Input::Worsened,
        Input::Resolved,
        Input::Reopened,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// Whatever happens, in whatever order and however the policies change under way: who has an open incident knows
    /// when it goes on, or was told that it does not; nothing that is done reaches nobody in silence.
    #[test]
    fn nothing_is_ever_forgotten(
        mut policies in prop::collection::vec(policies(), 3),
        changed in policies(),
        happens in prop::collection::vec((inputs(), 0i64..20, any::<bool>(), any::<bool>()), 1..30),
    ) {
        let mut world = world();
        let first = policies.remove(0);
        world.policies = (2..).zip(policies).collect();
        world.policies.insert(1, first.clone());
        let plans = [Plan::of(&first, Some(Id(1)), &world), Plan::of(&changed, Some(Id(1)), &world)];
        let mut incident = incident();
        let (mut at, mut now) = (0, Escalation::start(&plans[0], minute(0)));
        let silence = Hold::Silence { ids: Vec::new() };
        for (input, later, other, is_held) in happens {
            at += later;
            // what the incident does with the same
            incident.state = match (input, incident.state) {
                (Input::Resolved, _) => State::Resolved,
                (Input::Reopened, State::Resolved) | (Input::GivenBack, State::Acknowledged) => State::Open,
                (Input::Taken, State::Open) => State::Acknowledged,
                (_, state) => state,
            };
            let severity = if input == Input::Worsened { Severity::Error } else { Severity::Warning };
            let plan = &plans[usize::from(other)];
            let leave = Leave::of(&incident, is_held.then_some(&silence), minute(at));
            let applied = now.apply(input, &leave, plan, severity, &world, minute(at));
            now = applied.next;
            // what is kept back stays due
            let is_due = now.due.is_some_and(|due| due <= minute(at));
            prop_assert!(!is_due || matches!(leave, Leave::Held(_)), "what is due is done: {:?}", now);
            let found = audit(&incident, Some(&now), minute(at), Duration::ZERO);
            let is_late = matches!(found, Some(Finding::Overdue { .. }));
            prop_assert!(found.is_none() || (is_late && is_due), "{:?}", found);
            prop_assert!(applied.pages.is_empty() && applied.alarms.is_empty() || leave == Leave::Given);
            prop_assert_eq!(now.stage == Stage::Running, now.due.is_some());
            prop_assert!(now.stage != Stage::Running || incident.state == State::Open);
            for page in &applied.pages {
                let known = match &page.to {
                    Recipient::User { id } => world.reaches(*id).is_ok(),
                    Recipient::Receiver { name } => world.reaches_receiver(name).is_ok(),
                };
                prop_assert!(known);
            }
            let again = now.apply(Input::Deadline, &leave, plan, severity, &world, minute(at));
            prop_assert_eq!((again.next, again.pages.len(), again.alarms.len()), (now, 0, 0));
        }
    }

    /// Left alone, each step is done at its time in each round, reaches somebody or says so; then it gives up aloud.
    #[test]
    fn left_alone_it_does_every_step_and_gives_up_aloud(policy in policies(), critical in any::<bool>()) {
        let world = world();
        let plan = Plan::of(&policy, Some(Id(1)), &world);
        let severity = if critical { Severity::Critical } else { Severity::Info };
        let mut story = Story { now: Escalation::start(&plan, minute(0)), plan, severity, world };
        let mut done = Vec::new();
        let mut alarms = Vec::new();
        while let Some(due) = story.now.due {
            let applied = story.put(Input::Deadline, due);
            let steps: BTreeSet<_> = applied.pages.iter().filter_map(|page| page.step).collect();
            let failed = applied.alarms.iter().filter_map(|it| match it {
                Alarm::NobodyReached { step, .. } => Some(*step),
                Alarm::Exhausted { .. } => None,
            });
            done.extend(steps.iter().copied().chain(failed).map(|step| (due, step)));
            alarms.extend(applied.alarms);
        }
        prop_assert_eq!(story.now.stage, Stage::Exhausted);
        let exhausted = alarms.iter().filter(|it| matches!(it, Alarm::Exhausted { .. })).count();
        prop_assert_eq!(exhausted, 1);
        let ends_aloud = matches!(alarms.last(), Some(Alarm::Exhausted { .. }));
        prop_assert!(ends_aloud);
        let plan = &story.plan;
        let first = plan.steps.first().map_or(Duration::ZERO, |step| step.after);
        let last = plan.steps.last().map_or(Duration::ZERO, |step| step.after);
        for round in 0..=u32::from(plan.repeat) {
            let begins = minute(0) + (last - first + plan.wait) * round;
            for step in plan.steps.iter().filter(|step| step.is_open(severity, minute(0))) {
                let at = begins + step.after;
                // who was paged by another step of the same moment is not paged again
                let somebody = done.iter().any(|(when, _)| *when == at);
                prop_assert!(somebody, "step {} of round {round} was not done at {at}", step.step);
            }
        }
    }
}
