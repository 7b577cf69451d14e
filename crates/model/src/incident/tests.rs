//! The state machine, by examples and by properties.

use proptest::prelude::*;

use super::*;
use crate::event::NewEvent;
use crate::flap::OnFlapping;

const FLAPPING: Flapping = Flapping {
    times: 3,
    within: Duration::from_secs(300),
    calm_after: Duration::from_secs(200),
    policy: OnFlapping::Hold,
};
const OFF: Flapping = Flapping { times: 0, ..FLAPPING };
pub(super) const POLICY: Policy = Policy { reopen_within: Duration::from_secs(600), flapping: OFF };

fn event(second: i64, action: Action) -> Event {
    let mut new = NewEvent::raise("test", [("alertname", "DiskFull")].into_iter().collect());
    new.action = action;
    Event::arrive(new, Id(second + 1), Time::from_seconds(second))
}

fn kinds(changes: &[Change]) -> Vec<ChangeKind> {
    changes.iter().map(|change| change.kind).collect()
}

pub(super) fn opened() -> Incident {
    Incident::open(&event(0, Action::Raise)).0
}

#[test]
fn a_repeated_raise_is_counted_and_tells_nothing() {
    let at = Time::from_seconds(60);
    let (next, changes) = opened().apply(&Input::Event(&event(60, Action::Raise)), &POLICY, at);
    assert_eq!((next.times_seen, next.last_seen, changes), (2, at, vec![]));
    assert_eq!(next.version, 1);
}

#[test]
fn a_clear_resolves_once_and_a_raise_reopens_within_the_window() {
    let clear = event(10, Action::Clear);
    let (over, changes) = opened().apply(&Input::Event(&clear), &POLICY, clear.arrived_at);
    assert_eq!(kinds(&changes), [ChangeKind::Resolved]);
    assert_eq!(over.apply(&Input::Event(&clear), &POLICY, clear.arrived_at).1, vec![]);
    let again = event(20, Action::Raise);
    let (open, changes) = over.apply(&Input::Event(&again), &POLICY, again.arrived_at);
    assert_eq!((kinds(&changes), open.state), (vec![ChangeKind::Reopened], State::Open));
    let (dead, _) = over.apply(&Input::Deadline, &POLICY, Time::from_seconds(611));
    assert!(!dead.is_live());
}

#[test]
fn silence_of_the_sender_times_out_at_the_time_it_gave() {
    let mut raise = event(0, Action::Raise);
    raise.ends_at = Some(Time::from_seconds(300));
    let (incident, _) = Incident::open(&raise);
    assert_eq!(incident.due_at(), raise.ends_at);
    let (over, changes) = incident.apply(&Input::Deadline, &POLICY, Time::from_seconds(3000));
    assert_eq!(kinds(&changes), [ChangeKind::TimedOut]);
    assert_eq!(over.resolved_at, raise.ends_at);
    assert_eq!(over.reopens_until, Some(Time::from_seconds(3600)));
}

#[test]
fn an_acknowledgement_expires() {
    let until = Some(Time::from_seconds(100));
    let ack = Input::Acknowledge { by: "ann", until, note: "" };
    let (taken, changes) = opened().apply(&ack, &POLICY, Time::from_seconds(1));
    assert_eq!((taken.state, kinds(&changes)), (State::Acknowledged, vec![ChangeKind::Acknowledged]));
    assert_eq!(taken.apply(&ack, &POLICY, Time::from_seconds(2)).1, vec![], "twice is once");
    let (back, changes) = taken.apply(&Input::Deadline, &POLICY, Time::from_seconds(100));
    assert_eq!((back.state, kinds(&changes)), (State::Open, vec![ChangeKind::AcknowledgementExpired]));
}

#[test]
fn a_severity_change_is_a_line_in_the_timeline() {
    let mut worse = event(5, Action::Raise);
    worse.severity = Some(Severity::Critical);
    let (_, changes) = opened().apply(&Input::Event(&worse), &POLICY, worse.arrived_at);
    assert_eq!(changes[0].detail, "warning → critical");
}

fn raise_until(second: i64, end: Option<i64>) -> Event {
    let mut raise = event(second, Action::Raise);
    raise.ends_at = end.map(Time::from_seconds);
    raise
}

#[test]
fn of_several_ends_that_senders_give_the_latest_counts_and_a_time_out_gives_way() {
    let (long, _) = Incident::open(&raise_until(0, Some(300)));
    let after =
        |it: &Incident, event: &Event| it.apply(&Input::Event(event), &POLICY, event.arrived_at).0.ends_at;
    assert_eq!(after(&long, &raise_until(10, Some(60))), Some(Time::from_seconds(300)));
    assert_eq!(after(&long, &raise_until(10, Some(600))), Some(Time::from_seconds(600)));
    assert_eq!(after(&long, &raise_until(10, None)), None, "one that does not end by itself");
    let times_out = Incident { times_out: true, ..long };
    assert_eq!(after(&times_out, &raise_until(10, Some(60))), Some(Time::from_seconds(60)));
}

#[test]
fn an_end_that_is_said_again_later_moves_and_a_beginning_before_it_belongs_to_it() {
    let over = |end: i64| {
        let mut clear = event(50, Action::Clear);
        clear.ends_at = Some(Time::from_seconds(end));
        clear
    };
    let policy = Policy { reopen_within: Duration::ZERO, flapping: OFF };
    let (first, _) = opened().apply(&Input::Event(&over(20)), &policy, Time::from_seconds(50));
    let (later, changes) = first.apply(&Input::Event(&over(40)), &policy, Time::from_seconds(50));
    assert_eq!((later.resolved_at, changes), (Some(Time::from_seconds(40)), vec![]));
    assert_eq!(
        later.apply(&Input::Event(&over(30)), &policy, Time::from_seconds(50)).0.resolved_at,
        later.resolved_at
    );
    let again = |start: i64| {
        let mut raise = event(60, Action::Raise);
        raise.started_at = Time::from_seconds(start);
        later.apply(&Input::Event(&raise), &policy, Time::from_seconds(60)).0.started_at
    };
    assert_eq!((again(30), again(45)), (Time::from_seconds(0), Time::from_seconds(45)));
}

/// Begins and ends at these seconds, in turn; the first beginning is at zero.
fn moves(policy: &Policy, seconds: &[i64]) -> (Incident, Vec<(i64, ChangeKind)>) {
    let (mut incident, mut told) = (opened(), Vec::new());
    for (n, second) in seconds.iter().enumerate() {
        let action = if n % 2 == 0 { Action::Clear } else { Action::Raise };
        let at = Time::from_seconds(*second);
        let (next, changes) = incident.apply(&Input::Event(&event(*second, action)), policy, at);
        told.extend(kinds(&changes).into_iter().map(|kind| (*second, kind)));
        incident = next;
    }
    (incident, told)
}

fn flaps(told: &[(i64, ChangeKind)]) -> Vec<(i64, ChangeKind)> {
    let is_one = |kind| matches!(kind, ChangeKind::Flapping | ChangeKind::Calmed);
    told.iter().copied().filter(|(_, kind)| is_one(*kind)).collect()
}

#[test]
fn what_begins_more_often_than_named_within_the_window_flaps_until_it_is_calm() {
    let policy = Policy { reopen_within: Duration::ZERO, flapping: FLAPPING };
    let (third, told) = moves(&policy, &[10, 20, 30, 40, 50]);
    assert!(!third.is_flapping() && flaps(&told).is_empty(), "three times is not too often");
    let (fourth, told) = moves(&policy, &[10, 20, 30, 40, 50, 60]);
    assert_eq!(flaps(&told), [(60, ChangeKind::Flapping)]);
    assert_eq!((fourth.flap.times, fourth.flap.since), (4, Some(Time::from_seconds(0))));
    assert_eq!(fourth.due_at(), Some(Time::from_seconds(260)));
    let (over, _) = moves(&policy, &[10, 20, 30, 40, 50, 60, 70]);
    assert_eq!((over.flap.calm_at, over.is_live()), (Some(Time::from_seconds(270)), true));
    let (calm, changes) = over.apply(&Input::Deadline, &policy, Time::from_seconds(270));
    assert_eq!((kinds(&changes), calm.is_flapping()), (vec![ChangeKind::Calmed], false));
    assert_eq!(changes[0].detail, format!("it began 4 times since {}", Time::from_seconds(0)));
    let (_, told) = moves(&policy, &[10, 20, 30, 40, 50, 60, 70, 280]);
    assert_eq!(
        flaps(&told),
        [(60, ChangeKind::Flapping), (280, ChangeKind::Calmed)],
        "once more is no flapping"
    );
}

#[test]
fn what_begins_seldom_does_not_flap_and_off_is_off() {
    let policy = Policy { reopen_within: Duration::ZERO, flapping: FLAPPING };
    let (_, told) = moves(&policy, &[110, 120, 230, 240, 350, 360, 470, 480, 590, 600]);
    assert_eq!(flaps(&told), []);
    let often: Vec<i64> = (1..100).collect();
    let (incident, told) = moves(&POLICY, &often);
    assert_eq!((flaps(&told), incident.flap), (vec![], Flap::default()));
}

fn inputs() -> impl Strategy<Value = Vec<(u8, i64)>> {
    prop::collection::vec((0u8..11, 0i64..400), 1..40)
}

proptest! {
    /// After any history: what is resolved has an end and no owner, what is open has none, deadlines that
    /// have passed are gone, and the same input twice changes nothing more (raises are counted, though).
    #[test]
    fn the_machine_is_total_and_keeps_its_invariants(steps in inputs(), flapping in any::<bool>()) {
        let policy = Policy { flapping: if flapping { FLAPPING } else { OFF }, ..POLICY };
        let mut incident = opened();
        let mut now = 0;
        for (what, wait) in steps {
            now += wait;
            let at = Time::from_seconds(now);
            let mut raise = event(now, Action::Raise);
            raise.ends_at = (wait % 3 == 0).then(|| at + Duration::from_secs(120));
            let clear = event(now, Action::Clear);
            let until = at + Duration::from_secs(90);
            let edit = Edit { ticket_url: Some(format!("t{}", wait % 3)), ..Edit::default() };
            let input = match what {
                0 | 1 => Input::Event(&raise),
                2 => Input::Event(&clear),
                3 => Input::Acknowledge { by: "ann", until: Some(until), note: "" },
                4 => Input::Snooze { by: "ann", until, note: "" },
                5 => Input::Resolve { by: "ann", note: "", end: None },
                6 => Input::Unacknowledge { by: "ann" },
                7 => Input::Acknowledge { by: "bob", until: None, note: "" },
                8 => Input::Reopen { by: "ann", note: "" },
                9 => Input::Edit { by: "ann", edit: &edit },
                _ => Input::Deadline,
            };
            let (next, _) = incident.apply(&input, &policy, at);
            prop_assert_eq!(next.state == State::Resolved, next.resolved_at.is_some());
            prop_assert_eq!(next.state == State::Acknowledged, next.acknowledged_by.is_some());
            prop_assert!(next.due_at().is_none_or(|due| due > at), "due {:?} at {at}", next.due_at());
            prop_assert!(next.started_at <= at);
            prop_assert_eq!(next.is_flapping(), next.flap.calm_at.is_some());
            prop_assert!(next.flap.calm_at.is_none_or(|_| next.is_live()), "what flaps can come back");
            prop_assert!(!next.is_flapping() || next.flap.times > FLAPPING.times);
            let (again, changes) = next.apply(&input, &policy, at);
            prop_assert_eq!(changes, vec![]);
            prop_assert_eq!(again.state, next.state);
            incident = next;
        }
    }

    /// Against a plain reading of the rule: it begins to flap with a beginning that is one too many within the
    /// window, counted from when it was last calm, and ends when nothing has moved for long enough.
    #[test]
    fn flapping_is_what_the_rule_says(waits in prop::collection::vec(1i64..250, 1..60)) {
        let policy = Policy { reopen_within: Duration::from_secs(3600), flapping: FLAPPING };
        let (mut begun, mut flapping, mut last, mut now) = (vec![0], false, 0, 0);
        let (mut seconds, mut expected) = (Vec::new(), Vec::new());
        for (n, wait) in waits.into_iter().enumerate() {
            now += wait;
            seconds.push(now);
            if flapping && now - last >= 200 {
                flapping = false;
                expected.push((now, ChangeKind::Calmed));
                begun = vec![*begun.last().unwrap()];
            }
            if n % 2 == 1 {
                begun.push(now);
                let recent = begun.iter().filter(|began| now - **began <= 300).count();
                if !flapping && recent > 3 {
                    flapping = true;
                    expected.push((now, ChangeKind::Flapping));
                }
            }
            last = now;
        }
        prop_assert_eq!(flaps(&moves(&policy, &seconds).1), expected);
    }
}
