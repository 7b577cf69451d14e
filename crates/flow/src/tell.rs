//! Groups that are due are told: each tick becomes deliveries, or reasons why not.

use std::collections::HashMap;
use std::time::Duration;

use model::delivery::{Delivery, DeliveryState};
use model::group::{Group, Hold, Member, Told};
use model::incident::{Change, ChangeKind, State};
use model::notification::Reason;
use model::receiver::Audience;
use model::{Id, Incident, Notification, Route, Time};
use sdk::sample;
use store::groups::{GroupRow, MemberChange, MemberRow};
use store::ledger::Line;
use store::{Result, Tx};

use crate::core::Core;
use crate::deliver::desk::lease;
use crate::incident::{line, untold};
use crate::live::{Live, LivePlace};
use crate::standing;
use say::{Shown, notification, refusal, wants};
use storm::Weather;

mod begun;
mod due;
mod duty;
mod failover;
pub(crate) mod fate;
mod leave;
mod maintenance;
mod pages;
mod people;
mod say;
mod storm;

pub(crate) use begun::tell_begun;
pub(crate) use due::{GROUPS_PER_TICK, Room, tick};
pub(crate) use duty::{next as next_duty, pass as pass_duty};
pub(crate) use failover::pass_failovers;
pub(crate) use maintenance::{note_maintained, pass_maintenance};
pub(crate) use pages::{follow_escalations, pass_escalations};
pub(crate) use people::{pass_digests, tell_people};
pub(crate) use storm::pass as pass_storms;

/// Everything that one run writes.
#[derive(Default)]
struct Plan {
    deliveries: Vec<(Delivery, Notification)>,
    told: Vec<(Id, Id)>,
    members: Vec<MemberChange>,
    clocks: Vec<(Id, Group, Option<Time>)>,
    ended: Vec<Id>,
    lines: Vec<Line>,
    weather: Weather,
}

/// What a run of [`tick`] led to.
#[derive(Default)]
pub(crate) struct Tick {
    /// Deliveries that this node's desks have now.
    pub handed: Vec<(Delivery, Notification)>,
    /// Destinations whose desks have to claim what is new.
    pub rung: Vec<String>,
    /// When groups are due next because of this.
    pub due: Option<Time>,
}

/// Tells these groups, which are due, with these members. How what becomes of them is written depends on
/// whether they have rows.
fn tell_all(
    core: &Core,
    tx: &mut Tx<'_>,
    due: &[&GroupRow],
    members: &[Vec<MemberRow>],
    write_groups: impl FnOnce(&mut Tx<'_>, &Plan) -> Result<()>,
    now: Time,
) -> Result<Tick> {
    // lanes are sent in the order of ids: what is planned now must come after what others have planned
    core.observe_ids(tx)?;
    let live = core.live();
    let newest = store::rules::newest(tx)?;
    rejoin(core, tx, &live, newest, due, members, now)?;
    let incidents: Vec<&Incident> = members.iter().flatten().map(|member| &member.incident).collect();
    let holds = Holds::find(core, tx, &incidents, now)?;
    // what had begun before and waited for its group is looked at when the maintenance is over, too
    let anew = |row: &&MemberRow| {
        let hold = holds.0.get(&row.incident.id).filter(|hold| hold.is_maintenance());
        hold.is_some_and(|hold| hold.to_string() != row.hold)
    };
    let covered: Vec<&Incident> = members.iter().flatten().filter(anew).map(|row| &row.incident).collect();
    maintenance::note_maintained(core, tx, covered.into_iter(), now)?;
    let mut plan = Plan { weather: Weather::find(tx, &live, due)?, ..Plan::default() };
    for (group, members) in due.iter().zip(members) {
        match live.rules.route(&group.route, &group.receiver) {
            Some(route) => tell(core, &live, route, group, members, &holds, &mut plan, now),
            // another node goes by newer rules, and knows this route: it is for that one to tell
            None if newest > live.version => plan.clocks.push((group.id, group.clock, Some(now + LATER))),
            None => end(core, &live, group, members, &mut plan, now),
        }
    }
    drop_repeats_behind_others(core, tx, &live, &mut plan, now)?;
    write_groups(tx, &plan)?;
    plan.weather.write(tx)?;
    let due = plan.clocks.iter().filter_map(|(_, _, due)| *due).chain(plan.weather.due()).min();
    let tick = keep(core, tx, plan, now)?;
    Ok(Tick { due: [due, tick.due].into_iter().flatten().min(), ..tick })
}

/// Writes what was planned, and gives it to those who deliver.
fn keep(core: &Core, tx: &mut Tx<'_>, mut plan: Plan, now: Time) -> Result<Tick> {
    let handed = hand_over(core, tx, &mut plan, now)?;
    write(tx, &plan)?;
    let due = failover::watch(core, tx, &plan.deliveries, now)?;
    let (handed, mut rung) = split(plan.deliveries, &handed);
    rung.sort_unstable();
    rung.dedup();
    Ok(Tick { handed, rung, due })
}

/// Gives deliveries to this node's desks at once, where those have room and nothing of the same lane is
/// before them: they are written as leased, and need not be claimed. Returns which.
fn hand_over(core: &Core, tx: &mut Tx<'_>, plan: &mut Plan, now: Time) -> Result<Vec<bool>> {
    let mut handed: Vec<bool> =
        plan.deliveries.iter().map(|(delivery, _)| core.rooms.has_room(&delivery.destination)).collect();
    if !handed.contains(&true) {
        return Ok(handed);
    }
    let lines: Vec<_> = plan.deliveries.iter().map(|(delivery, _)| delivery.line()).collect();
    for busy in store::deliveries::lines_busy(tx, &lines)? {
        handed[busy] = false;
    }
    for (handed, (delivery, _)) in handed.iter_mut().zip(&mut plan.deliveries) {
        let place = core.place(&delivery.destination);
        let Some(place) = place.filter(|_| *handed && core.rooms.take(&delivery.destination)) else {
            *handed = false;
            continue;
        };
        delivery.due_at = now + lease(&place.place.manners);
    }
    Ok(handed)
}

fn split(
    deliveries: Vec<(Delivery, Notification)>,
    handed: &[bool],
) -> (Vec<(Delivery, Notification)>, Vec<String>) {
    let (mut ours, mut rung) = (Vec::new(), Vec::new());
    for (it, handed) in deliveries.into_iter().zip(handed) {
        if *handed {
            ours.push(it);
        } else {
            rung.push(it.0.destination);
        }
    }
    (ours, rung)
}

/// How long a group or a storm's summary waits for the node that knows its route or receiver.
const LATER: Duration = Duration::from_secs(5);

/// What is active in groups whose routes are gone finds its groups under the rules in force, before those
/// end: it may have come in through a node that had older ones.
fn rejoin(
    core: &Core,
    tx: &mut Tx<'_>,
    live: &Live,
    newest: i64,
    due: &[&GroupRow],
    members: &[Vec<MemberRow>],
    now: Time,
) -> Result<()> {
    let gone = |group: &GroupRow| live.rules.route(&group.route, &group.receiver).is_none();
    let left = due.iter().zip(members).filter(|(group, _)| newest <= live.version && gone(group));
    let left: Vec<&Incident> =
        left.flat_map(|(_, members)| members).map(|it| &it.incident).filter(|it| it.is_active()).collect();
    if left.is_empty() {
        return Ok(());
    }
    let rings = crate::route::join_anew(core, tx, &left, now)?;
    store::groups::ring(tx, &rings)
}

/// What keeps incidents back, apart from their routes' own times.
pub(crate) struct Holds(pub(crate) HashMap<Id, Hold>);

impl Holds {
    /// Of several holds on one incident the last counts.
    pub(crate) fn find(core: &Core, tx: &mut Tx<'_>, incidents: &[&Incident], now: Time) -> Result<Self> {
        Ok(Holds(standing::holds(core, tx, incidents, now)?.into_iter().collect()))
    }
}

#[expect(clippy::too_many_arguments, reason = "one tick of one group needs to see all of this")]
fn tell(
    core: &Core,
    live: &Live,
    route: &Route,
    group: &GroupRow,
    rows: &[MemberRow],
    holds: &Holds,
    plan: &mut Plan,
    now: Time,
) {
    let mute = live.rules.mute(route, now);
    let on_flapping = live.rules.on_flapping(route);
    let hold = |row: &MemberRow| holds.0.get(&row.incident.id).or(mute.as_ref());
    let members: Vec<Member> = rows.iter().map(|row| say::member(row, hold(row), on_flapping)).collect();
    let flush = group.clock.flush(&members, &route.timing, now);
    for ((row, member), told) in rows.iter().zip(&members).zip(&flush.told) {
        note_hold(core, live, row, member, flush.reason.is_some(), plan, now);
        let hold = member.hold.as_ref().map(ToString::to_string).unwrap_or_default();
        let same = *told == Some(row.told) && hold == row.hold;
        if !same {
            let now = told.map(|told: Told| (told, hold));
            plan.members.push(MemberChange { group: group.id, incident: member.incident, now });
        }
    }
    if flush.told.iter().all(Option::is_none) {
        plan.ended.push(group.id);
    }
    let mut told = false;
    if let Some(reason) = flush.reason {
        let shown: Vec<Shown> = flush.shown.iter().map(|&n| Shown::of(&rows[n], &members[n])).collect();
        told = deliver(core, live, group, reason, &shown, plan, now);
    }
    // what nobody wanted to hear does not put off what they do
    let told_at = if told { Some(now) } else { group.clock.told_at };
    let clock = Group { ticked_at: Some(now), told_at };
    let due_at = if told { flush.due_at } else { clock.due_after_silence(&members, &route.timing, now) };
    plan.clocks.push((group.id, clock, due_at));
}

/// A line in the ledger whenever what keeps an incident back comes, goes or changes.
fn note_hold(
    core: &Core,
    live: &Live,
    row: &MemberRow,
    member: &Member,
    telling: bool,
    plan: &mut Plan,
    now: Time,
) {
    let hold = member.hold.as_ref().map(ToString::to_string).unwrap_or_default();
    // what is over and was not told because of it must say so, too
    let is_over = member.state == State::Resolved && !member.flapping;
    if is_over && row.told == Told::Nothing && member.hold.is_none() {
        if telling {
            return;
        }
        let detail = "it was over before it was told".to_owned();
        plan.lines.push(untold(core, member.incident, detail, live.version, now));
        return;
    }
    let untold_end = is_over && member.hold.is_some() && row.told != Told::Nothing;
    if hold == row.hold && !untold_end {
        return;
    }
    let change = match (&member.hold, untold_end) {
        (Some(_), true) => (ChangeKind::Suppressed, format!("its end is not told: {hold}")),
        (Some(_), false) => (ChangeKind::Suppressed, hold),
        (None, _) => (ChangeKind::Released, format!("no longer {}", row.hold)),
    };
    let change = Change { kind: change.0, by: String::new(), detail: change.1 };
    plan.lines.push(line(core, member.incident, change, live.version, now));
}

/// The route of this group is not in the rules any more: its members have found their new groups, and this
/// one ends without a word.
fn end(core: &Core, live: &Live, group: &GroupRow, rows: &[MemberRow], plan: &mut Plan, now: Time) {
    for row in rows {
        let detail = format!("route {} is gone from the configuration", group.route);
        plan.lines.push(untold(core, row.incident.id, detail, live.version, now));
        plan.members.push(MemberChange { group: group.id, incident: row.incident.id, now: None });
    }
    plan.ended.push(group.id);
}

/// A delivery for each destination of the receiver that wants to hear of this; in a storm people are left to
/// its summary. Says whether anybody is told.
fn deliver(
    core: &Core,
    live: &Live,
    group: &GroupRow,
    reason: Reason,
    shown: &[Shown<'_>],
    plan: &mut Plan,
    now: Time,
) -> bool {
    let before = plan.deliveries.len();
    // one message, however many destinations it has
    let mut storm = None;
    let places = live.rules.receivers.get(&group.receiver).map(|receiver| receiver.destinations.as_slice());
    for place in places.unwrap_or_default() {
        let wanted: Vec<Shown> = shown.iter().copied().filter(|it| wants(&place.manners, it)).collect();
        if let Some(why) = refusal(&place.manners, reason, &wanted) {
            for Shown { incident, .. } in shown.iter().filter(|it| it.news) {
                let detail = format!("not told to {}: {why}", place.id);
                plan.lines.push(untold(core, incident.id, detail, live.version, now));
            }
            continue;
        }
        if place.manners.audience == Audience::People {
            let receiver = &group.receiver;
            let since = *storm.get_or_insert_with(|| plan.weather.message(live, receiver, now));
            if let Some(since) = since {
                let held = wanted.iter().map(|it| (it.incident, it.news));
                plan.lines.extend(plan.weather.hold(core, live, receiver, &place.id, since, held, now));
                continue;
            }
        }
        let id = core.id(now);
        let most = say::most_alerts(live, place);
        let notification = notification(live, group, id, reason, wanted, most, now);
        plan.told.extend(notification.alerts.iter().map(|alert| (alert.incident, id)));
        core.counters.planned.add(reason.name(), 1);
        let delivery = planned(id, &group.receiver, &place.id, &group.group_key, reason, now);
        plan.deliveries.push((Delivery { group: Some(group.id), ..delivery }, notification));
    }
    // what a summary tells counts as told
    plan.deliveries.len() > before || storm.flatten().is_some()
}

/// A delivery that belongs to no group; those of one thread are sent one after another.
fn planned(id: Id, receiver: &str, destination: &str, thread: &str, reason: Reason, now: Time) -> Delivery {
    Delivery {
        id,
        group: None,
        receiver: receiver.to_owned(),
        destination: destination.to_owned(),
        lane: store::deliveries::lane(thread, destination),
        reason,
        state: DeliveryState::Pending,
        attempts: 0,
        created_at: now,
        due_at: now,
        settled_at: None,
        note: String::new(),
    }
}

/// Constant over retries, since it is made from the delivery's id.
pub(crate) fn idempotency_key(delivery: Id) -> String {
    format!("nb-{delivery}")
}

/// A message to try out one destination, as a delivery like any other.
pub(crate) fn test_message(
    core: &Core,
    live: &Live,
    place: &LivePlace,
    now: Time,
) -> (Delivery, Notification) {
    word(core, live, place, &sample::test_title(&place.place.id), now)
}

/// A message with a few words of the hub's own, as a delivery like any other.
pub(crate) fn word(
    core: &Core,
    live: &Live,
    place: &LivePlace,
    title: &str,
    now: Time,
) -> (Delivery, Notification) {
    words(core, live, place, Reason::Test, (title, ""), now)
}

/// The same for this reason, with something more to say.
fn words(
    core: &Core,
    live: &Live,
    place: &LivePlace,
    reason: Reason,
    (title, more): (&str, &str),
    now: Time,
) -> (Delivery, Notification) {
    let id = core.id(now);
    let group = GroupRow {
        id,
        route: String::new(),
        receiver: place.receiver.clone(),
        group_key: format!("{}:{id}", reason.name()),
        labels: [("alertname", if reason == Reason::Test { "Test" } else { "OnCall" })].into_iter().collect(),
        clock: Group::default(),
        due_at: None,
    };
    let most = say::fits(place.ready.most_alerts(), &place.place);
    let mut notification = notification(live, &group, id, reason, Vec::new(), most, now);
    let mut alert = sample::test_alert(id, title, model::Severity::Info, now);
    alert.labels.set("alertname", group.labels.get("alertname").unwrap_or_default());
    if !more.is_empty() {
        alert.annotations.set("description", more);
    }
    notification.alerts.push(alert);
    (notification.common_labels, notification.common_annotations) =
        Notification::common(&notification.alerts);
    let delivery = planned(id, &group.receiver, &place.place.id, &group.group_key, reason, now);
    (delivery, notification)
}

/// A repeat never queues up behind a message that has not arrived yet: that one says the same.
fn drop_repeats_behind_others(
    core: &Core,
    tx: &mut Tx<'_>,
    live: &Live,
    plan: &mut Plan,
    now: Time,
) -> Result<()> {
    let repeats: Vec<usize> =
        (0..plan.deliveries.len()).filter(|&n| plan.deliveries[n].0.reason == Reason::Repeat).collect();
    let lines: Vec<_> = repeats.iter().map(|&n| plan.deliveries[n].0.line()).collect();
    let busy = store::deliveries::lines_busy(tx, &lines)?;
    for place in busy.into_iter().rev() {
        let (delivery, _) = plan.deliveries.remove(repeats[place]);
        for (incident, _) in plan.told.iter().filter(|(_, id)| *id == delivery.id) {
            let detail =
                format!("not repeated to {}: an earlier message is still on its way", delivery.destination);
            plan.lines.push(untold(core, *incident, detail, live.version, now));
        }
        plan.told.retain(|(_, id)| *id != delivery.id);
    }
    Ok(())
}

/// Writes what became of groups that have rows.
fn update(tx: &mut Tx<'_>, plan: &Plan) -> Result<()> {
    store::groups::change_members(tx, &plan.members)?;
    store::groups::tick(tx, &plan.clocks)?;
    store::groups::remove(tx, &plan.ended)
}

fn write(tx: &mut Tx<'_>, plan: &Plan) -> Result<()> {
    store::deliveries::insert(tx, &plan.deliveries)?;
    store::ledger::tell(tx, &plan.told)?;
    store::ledger::write(tx, &plan.lines)
}
