//! People are told by what they have asked for in their profiles: each event of an incident by itself, at once or with
//! others: in a digest, when their quiet hours end, when a planned maintenance is over, in the summary of a storm.

use std::collections::BTreeMap;
use std::time::Duration;

use model::notification::Reason;
use model::profile::{EventType, Subject, Told, tags_of};
use model::receiver::Audience;
use model::{Id, Incident, Labels, Time};
use store::digests::Collected;
use store::groups::GroupRow;
use store::{Result, Tx};

use super::fate::{self, Fate};
use super::say::{self, Shown, notification};
use super::storm::Weather;
use super::{Holds, Plan, Tick, keep, planned};
use crate::core::Core;
use crate::incident::{Moved, untold};
use crate::live::{Live, LivePlace};
use crate::people::People;

/// Incidents of digests that one run tells of at the most.
const DIGESTED_PER_RUN: i64 = 1024;

/// Something that happened to an incident, with those who want to hear of it.
struct News<'a> {
    incident: &'a Incident,
    /// Each destination, with the first of its events that somebody wants to hear of there.
    wanted: Vec<(Told, EventType)>,
}

/// Tells people of what has moved.
pub(crate) fn tell_people(core: &Core, tx: &mut Tx<'_>, moved: &[Moved], now: Time) -> Result<Tick> {
    if moved.is_empty() {
        return Ok(Tick::default());
    }
    let people = core.people(tx)?;
    if people.book().profiles().len() == 0 {
        return Ok(Tick::default());
    }
    let news: Vec<News> = moved.iter().filter_map(|it| heard(&people, it, now)).collect();
    if news.is_empty() {
        return Ok(Tick::default());
    }
    core.observe_ids(tx)?;
    let live = core.live();
    let holds = Holds::find(core, tx, &news.iter().map(|it| it.incident).collect::<Vec<_>>(), now)?;
    let (mut plan, mut due) = (Plan::default(), None);
    let places = news.iter().flat_map(|it| &it.wanted).map(|(it, _)| people.called(it.destination)).collect();
    plan.weather = Weather::over(tx, &live, places)?;
    for News { incident, wanted } in news {
        for (told, event) in wanted {
            let called = people.called(told.destination);
            let line = |detail: String| untold(core, incident.id, detail, live.version, now);
            match fate::of(&people, &told, incident, holds.0.get(&incident.id), now) {
                Fate::Untold(why) => plan.lines.push(line(format!("not told to {called}: {why}"))),
                Fate::Later { at, held_by, why } => {
                    let began = event.begins();
                    let it = Collected { place: called.clone(), incident: incident.id, held_by, began };
                    let at = store::digests::collect(tx, &it, at)?;
                    due = [due, Some(at)].into_iter().flatten().min();
                    if !why.is_empty() {
                        plan.lines.push(line(format!("not told to {called} yet: {why}")));
                    }
                }
                Fate::Told(place) => {
                    tell_one(core, &live, &mut plan, &place, told.owner, reason(event), incident, now);
                }
            }
        }
    }
    plan.weather.write(tx)?;
    let due = [due, plan.weather.due()].into_iter().flatten().min();
    let tick = keep(core, tx, plan, now)?;
    Ok(Tick { due: [due, tick.due].into_iter().flatten().min(), ..tick })
}

/// Tells somebody of one thing at once, unless there is a storm of such at their destination.
#[expect(clippy::too_many_arguments, reason = "a message says what to whom, why and when")]
fn tell_one(
    core: &Core,
    live: &Live,
    plan: &mut Plan,
    place: &LivePlace,
    owner: Id,
    reason: Reason,
    incident: &Incident,
    now: Time,
) {
    let name = &place.place.id;
    let storm = match place.place.manners.audience {
        Audience::People => plan.weather.message(live, name, now),
        _ => None,
    };
    match storm {
        None => say_to(core, live, plan, place, owner, reason, vec![incident], now),
        Some(since) => {
            let held = [(incident, true)].into_iter();
            plan.lines.extend(plan.weather.hold(core, live, name, name, since, held, now));
        }
    }
}

/// Tells what was collected and is due. What began and is over by then is not worth a word, but where somebody wants to
/// hear of all that happened; what has to wait for something else is collected on.
pub(crate) fn pass_digests(core: &Core, tx: &mut Tx<'_>, now: Time) -> Result<Tick> {
    let due = store::digests::take(tx, now, DIGESTED_PER_RUN)?;
    if due.is_empty() {
        return Ok(Tick::default());
    }
    let mut next = (due.len() as i64 == DIGESTED_PER_RUN).then_some(now);
    let mut by_place: BTreeMap<String, Vec<Collected>> = BTreeMap::new();
    for it in due {
        by_place.entry(it.place.clone()).or_default().push(it);
    }
    core.observe_ids(tx)?;
    let (live, people) = (core.live(), core.people(tx)?);
    let mut plan = Plan::default();
    for (name, collected) in by_place {
        let ids: Vec<Id> = collected.iter().map(|it| it.incident).collect();
        let found = store::incidents::get_many(tx, &ids)?;
        let incidents: Vec<&Incident> = found.iter().map(|(_, it)| it).collect();
        let holds = Holds::find(core, tx, &incidents, now)?;
        let (place, owner) = (people.destination_of(&name), people.owner_of(&name).unwrap_or(Id(0)));
        let mut told = Vec::new();
        for (nth, incident) in &found {
            let fate = match place {
                _ if came_and_went(incident, &collected[*nth])
                    && !fate::tells_what_is_over(&people, collected[*nth].held_by) =>
                {
                    Fate::Untold("it was over before the digest was sent".to_owned())
                }
                None => Fate::Untold("it is gone, or cannot be used".to_owned()),
                Some(id) => {
                    let hold = holds.0.get(&incident.id);
                    fate::at(&people, (id, owner), incident, hold, Duration::ZERO, now)
                }
            };
            match fate {
                Fate::Told(place) => told.push((place, incident)),
                Fate::Later { at, held_by, .. } => {
                    let it = Collected { held_by, ..collected[*nth].clone() };
                    next = [next, Some(store::digests::collect(tx, &it, at)?)].into_iter().flatten().min();
                }
                Fate::Untold(why) => {
                    let detail = format!("not told to {name}: {why}");
                    plan.lines.push(untold(core, incident.id, detail, live.version, now));
                }
            }
        }
        if let Some((place, _)) = told.first().cloned() {
            let incidents = told.into_iter().map(|(_, it)| it).collect();
            say_to(core, &live, &mut plan, &place, owner, Reason::Digest, incidents, now);
        }
    }
    let tick = keep(core, tx, plan, now)?;
    Ok(Tick { due: [next, tick.due].into_iter().flatten().min(), ..tick })
}

/// Whether all of an incident took place while it was collected. What has no end is not over, and that something which
/// had begun before is over is news.
fn came_and_went(incident: &Incident, collected: &Collected) -> bool {
    !incident.is_active() && collected.began && !incident.more().stateless
}

/// Who wants to hear of what has happened to an incident: each destination once, for the first of its events that
/// somebody wants to hear of there. Where it is a quiet hour, that is found out again.
fn heard<'a>(people: &People, moved: &'a Moved, now: Time) -> Option<News<'a>> {
    let mut news = News { incident: &moved.after, wanted: Vec::new() };
    let tags = tags_of(&moved.after);
    for event in moved.changes.iter().filter_map(|change| EventType::at(&moved.after, change)) {
        let evaluation = people.book().evaluate(&Subject::of(&moved.after, &tags, Some(event), now), now);
        for told in evaluation.told.into_iter().chain(evaluation.quiet) {
            if !news.wanted.iter().any(|(it, _)| it.destination == told.destination) {
                news.wanted.push((told, event));
            }
        }
    }
    (!news.wanted.is_empty()).then_some(news)
}

/// Why it is told, in the words of notifications.
fn reason(event: EventType) -> Reason {
    match event {
        EventType::Start | EventType::Stateless => Reason::First,
        EventType::Restart | EventType::Reopen => Reason::NewAlerts,
        EventType::End | EventType::Close => Reason::AllResolved,
        EventType::Acknowledge => Reason::Acknowledged,
        EventType::Change => Reason::Changed,
        EventType::Other => Reason::Noted,
    }
}

/// One message to somebody about these incidents.
#[expect(clippy::too_many_arguments, reason = "a message says what to whom, why and when")]
pub(super) fn say_to(
    core: &Core,
    live: &Live,
    plan: &mut Plan,
    place: &LivePlace,
    owner: Id,
    reason: Reason,
    incidents: Vec<&Incident>,
    now: Time,
) {
    let about = match incidents.as_slice() {
        [one] => format!("incident:{}", one.key),
        _ => "digest".to_owned(),
    };
    let shown = incidents.into_iter().map(Shown::alone).collect();
    say(core, live, plan, place, &format!("@{owner}"), about, reason, shown, now);
}

/// One message to a destination that belongs to no group of a route; those about the same go one after another.
#[expect(clippy::too_many_arguments, reason = "a message says what to whom, why and when")]
pub(super) fn say(
    core: &Core,
    live: &Live,
    plan: &mut Plan,
    place: &LivePlace,
    receiver: &str,
    about: String,
    reason: Reason,
    shown: Vec<Shown<'_>>,
    now: Time,
) {
    let id = core.id(now);
    let labels = match shown.as_slice() {
        [one] => one.incident.labels.clone(),
        _ => Labels::new(),
    };
    let group = GroupRow {
        id,
        route: String::new(),
        receiver: receiver.to_owned(),
        group_key: about,
        labels,
        clock: model::group::Group::default(),
        due_at: None,
    };
    let most = say::fits(place.ready.most_alerts(), &place.place);
    let notification = notification(live, &group, id, reason, shown, most, now);
    plan.told.extend(notification.alerts.iter().map(|alert| (alert.incident, id)));
    core.counters.planned.add(reason.name(), 1);
    let delivery = planned(id, receiver, &place.place.id, &group.group_key, reason, now);
    plan.deliveries.push((delivery, notification));
}
