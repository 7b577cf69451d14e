//! The state machine, by examples and by properties.

use proptest::prelude::*;

use super::*;
use crate::event::NewEvent;

const POLICY: Policy = Policy { reopen_within: Duration::from_secs(600) };

fn event(second: i64, action: Action) -> Event {
    let mut new = NewEvent::raise("test", [("alertname", "DiskFull")].into_iter().collect());
    new.action = action;
    Event::arrive(new, Id(second + 1), Time::from_seconds(second))
}

fn kinds(changes: &[Change]) -> Vec<ChangeKind> {
    changes.iter().map(|change| change.kind).collect()
}

fn opened() -> Incident {
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
    let policy = Policy { reopen_within: Duration::ZERO };
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

fn inputs() -> impl Strategy<Value = Vec<(u8, i64)>> {
    prop::collection::vec((0u8..8, 0i64..400), 1..40)
}

proptest! {
    /// After any history: what is resolved has an end and no owner, what is open has none, deadlines that
    /// have passed are gone, and the same input twice changes nothing more (raises are counted, though).
    #[test]
    fn the_machine_is_total_and_keeps_its_invariants(steps in inputs()) {
        let mut incident = opened();
        let mut now = 0;
        for (what, wait) in steps {
            now += wait;
            let at = Time::from_seconds(now);
            let mut raise = event(now, Action::Raise);
            raise.ends_at = (wait % 3 == 0).then(|| at + Duration::from_secs(120));
            let clear = event(now, Action::Clear);
            let until = at + Duration::from_secs(90);
            let input = match what {
                0 | 1 => Input::Event(&raise),
                2 => Input::Event(&clear),
                3 => Input::Acknowledge { by: "ann", until: Some(until), note: "" },
                4 => Input::Snooze { by: "ann", until, note: "" },
                5 => Input::Resolve { by: "ann", note: "" },
                6 => Input::Unacknowledge { by: "ann" },
                _ => Input::Deadline,
            };
            let (next, _) = incident.apply(&input, &POLICY, at);
            prop_assert_eq!(next.state == State::Resolved, next.resolved_at.is_some());
            prop_assert_eq!(next.state == State::Acknowledged, next.acknowledged_by.is_some());
            prop_assert!(next.due_at().is_none_or(|due| due > at), "due {:?} at {at}", next.due_at());
            prop_assert!(next.started_at <= at);
            let (again, changes) = next.apply(&input, &POLICY, at);
            prop_assert_eq!(changes, vec![]);
            prop_assert_eq!(again.state, next.state);
            incident = next;
        }
    }
}
