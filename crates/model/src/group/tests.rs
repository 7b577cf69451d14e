//! The ticks of a group, by examples and against a small model.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const TIMING: Timing = Timing {
    group_wait: Duration::from_secs(30),
    group_interval: Duration::from_secs(300),
    repeat_interval: Duration::from_secs(3600),
};

fn at(second: i64) -> Time {
    Time::from_seconds(second)
}

fn member(state: State, told: Told) -> Member {
    Member { incident: Id(1), state, told, flapping: false, once: false, hold: None }
}

fn silenced(member: Member) -> Member {
    Member { hold: Some(Hold::Silence { ids: vec!["s".into()] }), ..member }
}

#[test]
fn what_is_told_once_is_neither_repeated_nor_shown_beside_what_is_new() {
    let once = |state, told| Member { once: true, ..member(state, told) };
    let told = Group { ticked_at: Some(at(0)), told_at: Some(at(0)) };
    let later = at(0) + TIMING.repeat_interval * 2;
    let flush = told.flush(&[once(State::Open, Told::Firing)], &TIMING, later);
    assert_eq!((flush.reason, flush.due_at), (None, None));
    let both = [once(State::Open, Told::Firing), once(State::Open, Told::Nothing)];
    let flush = told.flush(&both, &TIMING, later);
    assert_eq!((flush.reason, flush.shown), (Some(Reason::NewAlerts), vec![1]));
    assert_eq!(flush.told, [Some(Told::Firing), Some(Told::Firing)]);
    // something new was said of it
    let flush = told.flush(&[once(State::Open, Told::Hidden)], &TIMING, later);
    assert_eq!((flush.reason, flush.shown), (Some(Reason::NewAlerts), vec![0]));
}

fn flapping(member: Member) -> Member {
    Member { flapping: true, ..member }
}

fn told(second: i64) -> Group {
    Group { ticked_at: Some(at(second)), told_at: Some(at(second)) }
}

#[test]
fn a_new_group_waits_unless_its_alert_is_old() {
    let group = Group::default();
    assert_eq!(group.due_for_news(&TIMING, at(1000), at(1000)), at(1030));
    assert_eq!(group.due_for_news(&TIMING, at(900), at(1000)), at(1000));
}

#[test]
fn news_wait_for_the_next_tick_of_the_group() {
    let group = told(1000);
    assert_eq!(group.due_for_news(&TIMING, at(1100), at(1100)), at(1300));
    assert_eq!(group.due_for_news(&TIMING, at(1300), at(1300)), at(1600));
    assert_eq!(
        group.due_for_news(&TIMING, at(9999), at(9999)),
        at(10000),
        "the grid goes on from the last tick"
    );
}

#[test]
fn the_first_message_says_what_fires() {
    let flush = Group::default().flush(&[member(State::Open, Told::Nothing)], &TIMING, at(30));
    assert_eq!((flush.reason, flush.shown), (Some(Reason::First), vec![0]));
    assert_eq!((flush.told, flush.due_at), (vec![Some(Told::Firing)], Some(at(3630))));
}

#[test]
fn nothing_new_is_not_told_before_the_repeat_interval() {
    let members = [member(State::Open, Told::Firing)];
    assert_eq!(told(0).flush(&members, &TIMING, at(3599)).reason, None);
    assert_eq!(told(0).flush(&members, &TIMING, at(3600)).reason, Some(Reason::Repeat));
}

#[test]
fn what_somebody_took_is_told_once_and_not_repeated() {
    let flush = told(0).flush(&[member(State::Acknowledged, Told::Firing)], &TIMING, at(300));
    assert_eq!((flush.reason, flush.due_at), (Some(Reason::Acknowledged), None));
    let quiet = told(300).flush(&[member(State::Acknowledged, Told::Acknowledged)], &TIMING, at(99_999));
    assert_eq!(quiet.reason, None);
    let back = told(300).flush(&[member(State::Open, Told::Acknowledged)], &TIMING, at(600));
    assert_eq!(back.reason, Some(Reason::NewAlerts), "the acknowledgement expired: it is news again");
}

#[test]
fn the_end_is_told_once_to_those_who_heard_the_beginning() {
    let flush = told(0).flush(&[member(State::Resolved, Told::Firing)], &TIMING, at(300));
    assert_eq!((flush.reason, flush.told), (Some(Reason::AllResolved), vec![None]));
    let unheard = Group::default().flush(&[member(State::Resolved, Told::Nothing)], &TIMING, at(30));
    assert_eq!((unheard.reason, unheard.told, unheard.due_at), (None, vec![None], None));
    let some = [member(State::Resolved, Told::Firing), member(State::Open, Told::Firing)];
    assert_eq!(told(0).flush(&some, &TIMING, at(300)).reason, Some(Reason::SomeResolved));
}

#[test]
fn what_was_over_before_it_was_told_is_shown_beside_others_and_makes_no_message_alone() {
    let unheard = member(State::Resolved, Told::Nothing);
    let beside = [unheard.clone(), member(State::Resolved, Told::Firing)];
    let flush = told(0).flush(&beside, &TIMING, at(300));
    assert_eq!((flush.reason, flush.shown), (Some(Reason::AllResolved), vec![0, 1]));
    let beside = [unheard.clone(), member(State::Open, Told::Firing)];
    assert_eq!(told(0).flush(&beside, &TIMING, at(300)).reason, Some(Reason::SomeResolved));
    assert_eq!(told(0).flush(std::slice::from_ref(&unheard), &TIMING, at(300)).reason, None);
    let beside_held = [unheard, silenced(member(State::Open, Told::Firing))];
    assert_eq!(told(0).flush(&beside_held, &TIMING, at(300)).reason, None);
}

#[test]
fn what_a_message_left_out_is_news_when_nothing_keeps_it_back_any_more() {
    let alone = told(0).flush(&[silenced(member(State::Open, Told::Firing))], &TIMING, at(300));
    assert_eq!((alone.reason, alone.told), (None, vec![Some(Told::Firing)]));
    let beside = [silenced(member(State::Open, Told::Firing)), member(State::Open, Told::Nothing)];
    let flush = told(0).flush(&beside, &TIMING, at(300));
    assert_eq!(flush.told, [Some(Told::Hidden), Some(Told::Firing)]);
    let back = told(300).flush(&[member(State::Open, Told::Hidden)], &TIMING, at(600));
    assert_eq!(back.reason, Some(Reason::NewAlerts));
    let over = told(300).flush(&[member(State::Resolved, Told::Hidden)], &TIMING, at(600));
    assert_eq!(over.reason, Some(Reason::AllResolved), "they have heard that it began");
}

#[test]
fn a_repeat_waits_for_a_tick() {
    let timing =
        Timing { group_interval: Duration::from_secs(2), repeat_interval: Duration::from_secs(3), ..TIMING };
    let flush = Group::default().flush(&[member(State::Open, Told::Nothing)], &timing, at(2));
    assert_eq!(flush.due_at, Some(at(6)), "ticks are at 4, 6, 8; the interval is over at 5");
}

#[test]
fn what_is_silenced_is_asked_again_at_every_tick() {
    let flush = Group::default().flush(&[silenced(member(State::Open, Told::Nothing))], &TIMING, at(30));
    assert_eq!((flush.reason, flush.due_at), (None, Some(at(330))));
    assert_eq!(flush.told, [Some(Told::Nothing)]);
}

#[test]
fn what_flaps_is_told_once_and_stays_until_it_is_calm() {
    let over = flapping(member(State::Resolved, Told::Firing));
    let flush = told(0).flush(std::slice::from_ref(&over), &TIMING, at(300));
    assert_eq!((flush.reason, flush.shown), (Some(Reason::Flapping), vec![0]));
    assert_eq!(flush.told, [Some(Told::Flapping)], "it may be over only for the moment");
    let hold = Some(Hold::Flapping { since: at(0) });
    for state in [State::Open, State::Resolved, State::Acknowledged] {
        let moving = [Member { hold: hold.clone(), ..flapping(member(state, Told::Flapping)) }];
        let flush = told(300).flush(&moving, &TIMING, at(9999));
        assert_eq!((flush.reason, flush.told), (None, vec![Some(Told::Flapping)]));
    }
    let calm = told(300).flush(&[member(State::Open, Told::Flapping)], &TIMING, at(600));
    assert_eq!((calm.reason, calm.told), (Some(Reason::Calmed), vec![Some(Told::Firing)]));
    let over = told(300).flush(&[member(State::Resolved, Told::Flapping)], &TIMING, at(600));
    assert_eq!((over.reason, over.told), (Some(Reason::Calmed), vec![None]));
}

#[test]
fn what_is_held_while_it_flaps_is_told_as_it_is_when_it_is_calm() {
    let hold = Some(Hold::Flapping { since: at(0) });
    let held = Member { hold, ..flapping(member(State::Resolved, Told::Firing)) };
    let flush = told(0).flush(&[held], &TIMING, at(300));
    assert_eq!((flush.reason, flush.told), (None, vec![Some(Told::Firing)]));
    let calm = told(300).flush(&[member(State::Resolved, Told::Firing)], &TIMING, at(600));
    assert_eq!(calm.reason, Some(Reason::AllResolved));
}

fn members() -> impl Strategy<Value = Vec<Member>> {
    let state = prop_oneof![Just(State::Open), Just(State::Acknowledged), Just(State::Resolved)];
    let told = (0i64..7).prop_map(Told::from_column);
    let one = (state, told, any::<bool>(), any::<bool>()).prop_map(|(state, told, held, flaps)| {
        let member = Member { flapping: flaps, ..member(state, told) };
        if held { silenced(member) } else { member }
    });
    prop::collection::vec(one, 0..6)
}

proptest! {
    /// Whatever the members: a second tick at once tells nothing, nothing that is kept back is shown, what
    /// fires freely and untold is always told, and what is still wrong stays in the group.
    #[test]
    fn a_tick_is_idempotent_and_forgets_nothing(members in members(), told_before in prop::option::of(0i64..5000)) {
        let now = at(5000);
        let group = Group { ticked_at: told_before.map(at), told_at: told_before.map(at) };
        let flush = group.flush(&members, &TIMING, now);
        prop_assert!(flush.shown.iter().all(|&n| members[n].hold.is_none()));
        prop_assert_eq!(flush.reason.is_none(), flush.shown.is_empty());
        for (n, member) in members.iter().enumerate() {
            if member.hold.is_none() && is_new(member) {
                prop_assert!(flush.shown.contains(&n));
            }
            if member.hold.is_none() && (is_news_of_flapping(member) || is_news_of_calm(member)) {
                prop_assert!(flush.shown.contains(&n));
            }
            prop_assert_eq!(flush.told[n].is_none(), member.state == State::Resolved && !member.flapping);
        }
        let after: Vec<Member> = members.iter().zip(&flush.told)
            .filter_map(|(m, told)| Some(Member { told: (*told)?, ..m.clone() })).collect();
        let told_at = if flush.reason.is_some() { Some(now) } else { group.told_at };
        let again = Group { ticked_at: Some(now), told_at }.flush(&after, &TIMING, now);
        prop_assert_eq!(again.reason, None);
        prop_assert!(flush.due_at.is_none_or(|due| due > now));
        // as long as something fires that nobody took, there is a next time
        if after.iter().any(|m| m.state == State::Open && m.told != Told::Moved && !m.flapping) {
            prop_assert!(flush.due_at.is_some());
        }
    }
}
