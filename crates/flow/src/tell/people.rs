//! People are told by what they have asked for in their profiles: each event of an incident by itself, at once or in a
//! digest.

use std::collections::BTreeMap;
use std::time::Duration;

use model::notification::Reason;
use model::profile::{EventType, Subject, Told, tags_of};
use model::{Id, Incident, Labels, Time};
use store::groups::GroupRow;
use store::{Result, Tx};

use super::say::{self, Shown, notification};
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
    reason: Reason,
    told: Vec<Told>,
}

/// Tells people of what has moved.
pub(crate) fn tell_people(core: &Core, tx: &mut Tx<'_>, moved: &[Moved], now: Time) -> Result<Tick> {
    if moved.is_empty() {
        return Ok(Tick::default());
    }
    let people = core.people(tx)?;
    let news: Vec<News> = moved.iter().filter_map(|it| heard(&people, it, now)).collect();
    if news.is_empty() {
        return Ok(Tick::default());
    }
    core.observe_ids(tx)?;
    let live = core.live();
    let incidents: Vec<&Incident> = news.iter().map(|it| it.incident).collect();
    let holds = Holds::find(core, tx, &incidents, now)?;
    let (mut plan, mut due) = (Plan::default(), None);
    for News { incident, reason, told } in news {
        for told in told {
            let untold = |why: &str| {
                let detail = format!("not told to {}: {why}", called(&people, told.destination));
                untold(core, incident.id, detail, live.version, now)
            };
            let place = match place(&people, told.destination) {
                Ok(place) => place,
                Err(why) => {
                    plan.lines.push(untold(&why));
                    continue;
                }
            };
            if let Some(hold) = holds.0.get(&incident.id) {
                plan.lines.push(untold(&hold.to_string()));
                continue;
            }
            if told.digest_minutes > 0 {
                let wait = Duration::from_secs(u64::from(told.digest_minutes) * 60);
                let at = store::digests::collect(tx, &place.place.id, incident.id, now + wait)?;
                due = [due, Some(at)].into_iter().flatten().min();
                continue;
            }
            say_to(core, &live, &mut plan, &place, told.owner, reason, vec![incident], now);
        }
    }
    let tick = keep(core, tx, plan, now)?;
    Ok(Tick { due: [due, tick.due].into_iter().flatten().min(), ..tick })
}

/// Tells what was collected and is due. What is over by then is not worth a word.
pub(crate) fn pass_digests(core: &Core, tx: &mut Tx<'_>, now: Time) -> Result<Tick> {
    let due = store::digests::take(tx, now, DIGESTED_PER_RUN)?;
    if due.is_empty() {
        return Ok(Tick::default());
    }
    let again = (due.len() as i64 == DIGESTED_PER_RUN).then_some(now);
    let mut by_place: BTreeMap<String, Vec<Id>> = BTreeMap::new();
    for (place, incident) in due {
        by_place.entry(place).or_default().push(incident);
    }
    core.observe_ids(tx)?;
    let (live, people) = (core.live(), core.people(tx)?);
    let mut plan = Plan::default();
    for (name, ids) in by_place {
        let found = store::incidents::get_many(tx, &ids)?;
        let incidents: Vec<&Incident> = found.iter().map(|(_, it)| it).collect();
        let holds = Holds::find(core, tx, &incidents, now)?;
        let place = people.place(&name);
        let mut told = Vec::new();
        for incident in incidents {
            let why = match (&place, holds.0.get(&incident.id)) {
                (None, _) => "it is gone, or cannot be used".to_owned(),
                _ if !incident.is_active() => "it was over before the digest was sent".to_owned(),
                (_, Some(hold)) => hold.to_string(),
                (Some(_), None) => {
                    told.push(incident);
                    continue;
                }
            };
            let detail = format!("not told to {name}: {why}");
            plan.lines.push(untold(core, incident.id, detail, live.version, now));
        }
        if let Some(place) = place.filter(|_| !told.is_empty()) {
            let owner = people.owner_of(&name).unwrap_or(Id(0));
            say_to(core, &live, &mut plan, &place, owner, Reason::Digest, told, now);
        }
    }
    let tick = keep(core, tx, plan, now)?;
    Ok(Tick { due: [again, tick.due].into_iter().flatten().min(), ..tick })
}

/// Who wants to hear of what has happened to an incident: each destination once, for the first of its events that
/// somebody wants to hear of there.
fn heard<'a>(people: &People, moved: &'a Moved, now: Time) -> Option<News<'a>> {
    let mut news = News { incident: &moved.after, reason: Reason::Noted, told: Vec::new() };
    let tags = tags_of(&moved.after);
    for event in moved.changes.iter().filter_map(|change| EventType::at(&moved.after, change)) {
        let evaluation = people.book().evaluate(&Subject::of(&moved.after, &tags, Some(event), now), now);
        if evaluation.told.is_empty() {
            continue;
        }
        if news.told.is_empty() {
            news.reason = reason(event);
        }
        for told in evaluation.told {
            if !news.told.iter().any(|it| it.destination == told.destination) {
                news.told.push(told);
            }
        }
    }
    (!news.told.is_empty()).then_some(news)
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

/// A destination that can be sent to, or in words why it is not.
pub(super) fn place(people: &People, id: Id) -> std::result::Result<std::sync::Arc<LivePlace>, String> {
    let known = people.destination(id).ok_or("there is no such destination any more")?;
    if known.definition.body.verified_at.is_none() {
        return Err("nobody has confirmed yet that it reaches them".to_owned());
    }
    known.place.clone()
}

pub(super) fn called(people: &People, id: Id) -> String {
    people.destination(id).map_or_else(|| format!("destination {id}"), |it| it.definition.body.place_id(id))
}

/// One message about these incidents.
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
    let id = core.id(now);
    let (about, labels) = match incidents.as_slice() {
        [one] => (format!("incident:{}", one.key), one.labels.clone()),
        _ => ("digest".to_owned(), Labels::new()),
    };
    let receiver = format!("@{owner}");
    let group = GroupRow {
        id,
        route: String::new(),
        receiver: receiver.clone(),
        group_key: about,
        labels,
        clock: model::group::Group::default(),
        due_at: None,
    };
    let most = say::fits(place.ready.most_alerts(), &place.place);
    let shown = incidents.into_iter().map(Shown::alone).collect();
    let notification = notification(live, &group, id, reason, shown, most, now);
    plan.told.extend(notification.alerts.iter().map(|alert| (alert.incident, id)));
    core.counters.planned.add(reason.name(), 1);
    let delivery = planned(id, &receiver, &place.place.id, &group.group_key, reason, now);
    plan.deliveries.push((delivery, notification));
}
