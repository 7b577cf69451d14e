//! Who is on call, ahead of time: who comes and who goes is told so, and what is wrong with schedules is told before it
//! matters.
//!
//! Each look works out all that there is to say from the schedules, policies and calendars as they are. What was said
//! already is remembered in rows: hand-overs by who was told of which, findings by a sum of their words. A finding is
//! an event of the hub's own, and so an incident, which routes tell and which ends when it is not so any more.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use model::escalation::{Plan as Laid, Target, Unreached, Urgency};
use model::event::{Action, NewEvent};
use model::fnv::Fnv;
use model::notification::Reason;
use model::period::Period;
use model::receiver::Audience;
use model::schedule::Rota;
use model::zone::Zone;
use model::{Id, Labels, Severity, Time};
use store::calendars::Known;
use store::definitions::{Definition, current_version};
use store::duty::Told;
use store::{Result, Tx};

use super::pages::SOURCE;
use super::{Plan, Tick, keep, words};
use crate::core::Core;
use crate::live::{Live, LivePlace};
use crate::people::People;

/// How often all of it is looked at, if nothing happens before.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// How long changes are collected before they are looked at.
const SETTLE: Duration = Duration::from_secs(30);
/// How late somebody is told of a hand-over.
const LATE: Duration = Duration::from_secs(600);
/// How long is remembered who was told of a hand-over.
const REMEMBERED: Duration = Duration::from_secs(86_400);
/// Hand-overs of one schedule that one look tells.
const MOST_HANDOVERS: usize = 64;
/// Tries in a row after which somebody has to know that a calendar cannot be fetched.
const FAILURES: i64 = 3;
/// Events of a calendar that cannot be used and are named.
const NAMED: usize = 5;

/// The rows that know when it was looked at last, when it is next, and at which version of what people define.
const LOOKED: &str = "duty looked at";
const DUE: &str = "duty due";
const VERSION: &str = "duty version";

/// Something that somebody has to know.
struct Finding {
    kind: &'static str,
    severity: Severity,
    title: String,
    description: String,
    labels: Vec<(&'static str, String)>,
}

/// When [`pass`] has something to do next.
pub(crate) fn next(tx: &mut Tx<'_>) -> Result<Option<Time>> {
    let version = |tx: &mut Tx<'_>, name| store::rules::version(tx, name);
    let (looked, due) = (Time(version(tx, LOOKED)?), Time(version(tx, DUE)?));
    let is_known = current_version(tx)? == version(tx, VERSION)?;
    let scheduled = Some(due).filter(|due| *due > Time::MIN);
    let changed = Some(looked + SETTLE).filter(|_| !is_known);
    Ok([scheduled, changed].into_iter().flatten().min())
}

/// Looks at all schedules and policies, if it is time to.
pub(crate) fn pass(core: &Core, tx: &mut Tx<'_>, alarms: &mut Vec<NewEvent>, now: Time) -> Result<Tick> {
    let looked = Time(store::rules::version(tx, LOOKED)?);
    let live = core.live();
    let due = next(tx)?;
    // routes may page by now where there was nothing to look at
    let is_due = due.map_or(live.escalates, |due| due <= now);
    // what was looked at later than now was before the clock was set back
    if looked <= now && !is_due {
        return Ok(Tick::default());
    }
    let people = core.people(tx)?;
    let mut look =
        Look { core, live: &live, people: &people, plan: Plan::default(), now, due: now + LOOK_EVERY };
    let findings = look.findings(tx)?;
    say(tx, findings, alarms)?;
    look.handovers(tx)?;
    store::duty::sweep(tx, now - REMEMBERED)?;
    let nothing =
        !live.escalates && people.schedules().next().is_none() && people.policies().next().is_none();
    let due = if nothing { Time::MIN } else { look.due.max(now + Duration::from_secs(1)) };
    for (name, value) in [(LOOKED, now.0), (DUE, due.0), (VERSION, current_version(tx)?)] {
        store::rules::set_version(tx, name, value)?;
    }
    if look.plan.deliveries.is_empty() {
        return Ok(Tick { due: Some(due).filter(|_| !nothing), ..Tick::default() });
    }
    core.observe_ids(tx)?;
    Ok(Tick { due: Some(due), ..keep(core, tx, look.plan, now)? })
}

/// Raises what is new or otherwise than it was, and ends what is not so any more.
fn say(tx: &mut Tx<'_>, findings: BTreeMap<String, Finding>, alarms: &mut Vec<NewEvent>) -> Result<()> {
    let known = store::duty::findings(tx)?;
    for key in known.keys().filter(|key| !findings.contains_key(*key)) {
        store::duty::forget(tx, key)?;
        alarms.push(NewEvent {
            key: key.clone(),
            action: Action::Clear,
            ..NewEvent::raise(SOURCE, Labels::new())
        });
    }
    for (key, it) in findings {
        let mut sum = Fnv::default();
        [it.severity.name(), &it.title, &it.description].iter().for_each(|text| sum.add(text.as_bytes()));
        let sum = i64::from_ne_bytes(sum.sum().to_ne_bytes());
        if known.get(&key) == Some(&sum) {
            continue;
        }
        store::duty::find(tx, &key, sum)?;
        let mut labels = Labels::new();
        labels.set("alertname", it.kind);
        it.labels.into_iter().for_each(|(name, value)| labels.set(name, value));
        alarms.push(NewEvent {
            key,
            severity: Some(it.severity),
            title: it.title,
            annotations: [("description", it.description.as_str())].into_iter().collect(),
            ..NewEvent::raise(SOURCE, labels)
        });
    }
    Ok(())
}

struct Look<'a> {
    core: &'a Core,
    live: &'a Live,
    people: &'a People,
    plan: Plan,
    now: Time,
    /// When is to be looked again.
    due: Time,
}

impl Look<'_> {
    fn look_again(&mut self, at: Time) {
        if at > self.now {
            self.due = self.due.min(at);
        }
    }

    fn findings(&mut self, tx: &mut Tx<'_>) -> Result<BTreeMap<String, Finding>> {
        let mut findings = BTreeMap::new();
        let people = self.people;
        let targets = people
            .policies()
            .flat_map(|it| it.body.steps.iter().flat_map(|step| &step.targets).chain(&it.body.fallback));
        let used: HashSet<Id> = targets
            .filter_map(|it| if let Target::Schedule { id } = it { Some(*id) } else { None })
            .collect();
        for schedule in people.schedules().filter(|it| used.contains(&it.id)) {
            findings.extend(self.gap(schedule).map(|it| (format!("gap:{}", schedule.id), it)));
        }
        for name in self.live.rules.root.nodes().iter().filter_map(|route| route.escalate.as_deref()) {
            let Some(policy) = people.policy_named(name) else {
                let finding = Finding {
                    kind: "PolicyMissing",
                    severity: Severity::Error,
                    title: format!("There is no escalation policy {name}"),
                    description: "A route pages by this policy. As long as there is none of this name, nobody is paged."
                        .to_owned(),
                    labels: vec![("policy", name.to_owned())],
                };
                findings.insert(format!("policy named:{name}"), finding);
                continue;
            };
            let directory = people.directory(self.live, Severity::Critical, self.now);
            let laid = Laid::of(&policy.body, Some(policy.id), &directory);
            if let Some(why) = laid.reaches_nobody(&directory, self.now) {
                let why = Unreached::list(why);
                let finding = Finding {
                    kind: "PolicyReachesNobody",
                    severity: Severity::Error,
                    title: format!("Escalation policy {name} would reach nobody now"),
                    description: format!("If it began now, nobody would be paged: {why}."),
                    labels: vec![("policy", name.to_owned())],
                };
                findings.insert(format!("policy:{}", policy.id), finding);
            }
        }
        for (schedule, layer, _) in people.calendars() {
            let known = store::calendars::get(tx, schedule.id, layer)?;
            let found = known.and_then(|it| calendar(schedule, &it));
            findings.extend(found.map(|it| (format!("calendar:{}:{layer}", schedule.id), it)));
        }
        Ok(findings)
    }

    /// The first gap of a schedule of which it is time to warn.
    fn gap(&mut self, schedule: &Definition<Rota>) -> Option<Finding> {
        let (notices, roster) = (&schedule.body.schedule.notices, schedule.body.roster());
        if notices.gap.is_zero() {
            return None;
        }
        let ahead = roster.resolve(Period::new(self.now, self.now + notices.gap));
        let gap = *ahead.gaps.first()?;
        self.look_again(gap.from);
        self.look_again(gap.until);
        let zone = &schedule.body.schedule.zone;
        let ends = roster.outlook(gap.from).next_change;
        let until = ends.map_or("further notice".to_owned(), |at| clock(zone, at));
        let (has_begun, name) = (gap.from <= self.now, &schedule.name);
        let (title, since) = match has_begun {
            true => (format!("Nobody is on call by schedule {name} until {until}"), "now".to_owned()),
            false => {
                let from = clock(zone, gap.from);
                (format!("Nobody will be on call by schedule {name} from {from} until {until}"), from)
            }
        };
        Some(Finding {
            kind: "OnCallGap",
            severity: if has_begun { Severity::Error } else { Severity::Warning },
            title,
            description: format!(
                "A policy pages by this schedule. From {since} until {until} that finds nobody: let somebody take it, \
                 such as by `nightbell oncall override`."
            ),
            labels: vec![("schedule", name.clone())],
        })
    }

    /// Tells those who come and go of the hand-overs for which it is time.
    fn handovers(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        let people = self.people;
        for schedule in people.schedules() {
            let Some(lead) = schedule.body.schedule.notices.handover else { continue };
            let roster = schedule.body.roster();
            let (from, until) = (self.now - LATE, self.now + lead);
            let ahead = roster.resolve(Period::new(from, until + Duration::from_micros(1)));
            let mut times: Vec<Time> = ahead.shifts.iter().flat_map(|it| [it.from, it.until]).collect();
            times.retain(|at| *at > from && *at <= until);
            times.sort_unstable();
            times.dedup();
            for at in times.into_iter().take(MOST_HANDOVERS) {
                self.handover(tx, schedule, at)?;
            }
            if let Some(next) = roster.outlook(until).next_change {
                self.look_again(next - lead);
            }
        }
        Ok(())
    }

    fn handover(&mut self, tx: &mut Tx<'_>, schedule: &Definition<Rota>, at: Time) -> Result<()> {
        let roster = schedule.body.roster();
        let users = |at: Time| roster.on_call(at).into_iter().map(|duty| duty.user).collect::<Vec<Id>>();
        let (before, after) = (users(at - Duration::from_micros(1)), users(at));
        let names = |all: &[Id], except: &[Id]| {
            let others = all.iter().filter(|it| !except.contains(it)).map(|it| self.people.name_of(*it));
            others.collect::<Vec<_>>().join(", ")
        };
        let (coming, going) = (names(&after, &before), names(&before, &after));
        let name = &schedule.name;
        let own = |user: Id| self.people.zone_of(user).unwrap_or_else(|| schedule.body.schedule.zone.clone());
        let mut said = Vec::new();
        for user in after.iter().filter(|it| !before.contains(it)) {
            let zone = own(*user);
            let until = roster.ends(*user, at).map(|until| format!(" until {}", clock(&zone, until)));
            let until = until.unwrap_or_default();
            let before = if going.is_empty() { String::new() } else { format!("Before you: {going}.") };
            let title = format!("You are on call by {name} from {}{until}", clock(&zone, at));
            said.push((*user, true, title, before));
        }
        for user in before.iter().filter(|it| !after.contains(it)) {
            let then = match (coming.is_empty(), after.is_empty()) {
                (false, _) => format!("After you: {coming}."),
                (true, false) => format!("Still on call: {}.", names(&after, &[])),
                (true, true) => "Nobody is on call after you.".to_owned(),
            };
            let at = clock(&own(*user), at);
            said.push((*user, false, format!("You are no longer on call by {name} from {at}"), then));
        }
        for (user, comes, title, more) in said {
            if store::duty::tell(tx, Told { schedule: schedule.id, at, user, comes })? {
                self.tell(user, (&title, &more));
            }
        }
        Ok(())
    }

    /// Tells somebody where it rings at once for what is not urgent. Quiet hours do not keep it back: they would find
    /// out too late.
    fn tell(&mut self, user: Id, what: (&str, &str)) {
        let usable = self.people.usable(user);
        let rings = self.people.contact_rules(user).rings(Urgency::Low, self.now, &usable);
        let at_once = rings.iter().filter(|it| it.at <= self.now);
        let mut places: Vec<Arc<LivePlace>> =
            at_once.filter_map(|it| self.people.usable_place(it.destination).ok()).collect();
        // what pages by itself would take it for something that is wrong
        let is_for_people = |it: &Arc<LivePlace>| it.place.manners.audience == Audience::People;
        if places.iter().any(is_for_people) {
            places.retain(is_for_people);
        }
        for place in &places {
            let mut message = words(self.core, self.live, place, Reason::OnCall, what, self.now);
            message.0.receiver = format!("@{user}");
            message.1.receiver.clone_from(&message.0.receiver);
            self.core.counters.planned.add(Reason::OnCall.name(), 1);
            self.plan.deliveries.push(message);
        }
    }
}

/// What is wrong with a calendar, if anything is.
fn calendar(schedule: &Definition<Rota>, it: &Known) -> Option<Finding> {
    let (name, layer) = (&schedule.name, &it.layer);
    let mut wrong = Vec::new();
    if it.failures >= FAILURES {
        wrong.push(format!("It cannot be fetched: {}. What it said last still counts.", it.error));
    }
    if it.skipped_count > 0 {
        let skipped: Vec<serde_json::Value> = serde_json::from_str(&it.skipped).unwrap_or_default();
        let line = |it: &serde_json::Value| {
            let text = |field: &str| it[field].as_str().unwrap_or_default().to_owned();
            format!("{:?}: {}", text("title"), text("reason"))
        };
        let lines: Vec<String> = skipped.iter().take(NAMED).map(line).collect();
        let more = it.skipped_count - i64::try_from(lines.len()).unwrap_or(0);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        wrong.push(format!("Some of its events cannot be used: {}{more}.", lines.join("; ")));
    }
    (!wrong.is_empty()).then(|| Finding {
        kind: "CalendarTrouble",
        severity: Severity::Warning,
        title: format!("Something is wrong with the calendar of layer {layer} of schedule {name}"),
        description: wrong.join(" "),
        labels: vec![("schedule", name.clone()), ("layer", layer.clone())],
    })
}

/// A time as the clock shows it: `Mon 2026-11-23 09:00 CET`.
fn clock(zone: &Zone, at: Time) -> String {
    at.to_timestamp().to_zoned(zone.tz().clone()).strftime("%a %Y-%m-%d %H:%M %Z").to_string()
}
