//! The transaction that takes errors in: found, counted, and told of where there is something to tell.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use model::event::{Action, Event};
use model::extra::Telling;
use model::incident::{Change, ChangeKind, Input, State};
use model::{Id, Incident, Labels, NewEvent, Time};
use store::errors::{self, EventRow, Found, HOUR, Head, Hit, Hourly, IssueRow, Tagged};
use store::events::Judged;
use store::ledger::Line;
use store::{Result, Tx};

use super::releases;
use super::report::Report;
use super::rules;
use super::say::{self, Counts};
use super::work::{Move, Work};
use crate::core::Core;
use crate::incident::{Arrived, Moved, arriving, untold, write};
use crate::ingest::{Done, place, tell_what_is_due};
use crate::life::{Life, Seen, Sight};
use crate::notices;

/// Where incidents come from that are issues.
pub const SOURCE: &str = "errors";

/// What became of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is kept.
    Kept {
        /// Its issue.
        issue: Id,
        /// Whether it is the first of it.
        is_new: bool,
    },
    /// It was kept before.
    Known,
    /// Such errors are not wanted.
    Discarded,
}

/// Takes errors in.
///
/// # Errors
/// When the database is gone or full: then nothing of this is kept.
pub fn take(core: &Core, tx: &mut Tx<'_>, reports: &[Arc<Report>]) -> Result<(Vec<Taken>, Done)> {
    tx.lock_flow()?;
    let now = reports.iter().map(|it| it.at).max().unwrap_or(Time::MIN);
    let mut done = Done { at: Some(now), ..Done::default() };
    core.plans_at(now);
    let keys: Vec<i64> = reports.iter().map(|it| it.key).collect();
    let known: HashSet<usize> = errors::known(tx, &keys)?.into_iter().map(|(place, _)| place).collect();
    let is_first = |place: usize| !known.contains(&place) && !keys[..place].contains(&keys[place]);
    let fresh: Vec<usize> = (0..reports.len()).filter(|place| is_first(*place)).collect();
    let mut taken = vec![Taken::Known; reports.len()];
    let mut desk = Desk {
        core,
        reports,
        works: BTreeMap::new(),
        homes: HashMap::new(),
        words: Vec::new(),
        new_there: HashSet::new(),
        now,
    };
    let placed = desk.find(tx, &fresh)?;
    for place in &fresh {
        if !placed.contains_key(place) {
            taken[*place] = Taken::Discarded;
        }
    }
    let kept: Vec<(usize, Id)> = fresh.iter().filter_map(|it| Some((*it, *placed.get(it)?))).collect();
    desk.count(tx, &kept)?;
    // before rules count them
    keep(tx, reports, &kept, now)?;
    for (place, home) in &kept {
        let head = desk.homes[home];
        desk.see(tx, *place, head)?;
        taken[*place] = Taken::Kept { issue: head, is_new: desk.works[&head].is_new };
    }
    core.counters.accepted.add(SOURCE, kept.len() as u64);
    let discarded: Vec<(i64, &str, i64)> = (fresh.iter())
        .filter(|it| !placed.contains_key(it))
        .map(|it| (reports[*it].project.project.id, "discarded", 1))
        .collect();
    errors::count_sent(tx, &discarded, now)?;
    for (place, home) in kept.iter().filter(|(place, home)| reports[*place].id != *home) {
        let said = || say::said(&reports[*place].event);
        core.known_words.add(tx, desk.homes[home], say::MAX_HAYSTACK_BYTES, said)?;
    }
    desk.write(tx, &mut done)?;
    Ok((taken, done))
}

/// Writes the errors themselves, and what is counted by project.
fn keep(tx: &mut Tx<'_>, reports: &[Arc<Report>], kept: &[(usize, Id)], now: Time) -> Result<()> {
    let bases: Vec<_> = kept.iter().filter_map(|(place, _)| reports[*place].new_base.as_ref()).collect();
    errors::insert_bases(tx, &bases)?;
    let rows: Vec<EventRow> = kept.iter().map(|(place, home)| row(&reports[*place], *home)).collect();
    errors::insert(tx, &rows.iter().collect::<Vec<_>>())?;
    let mut seen: BTreeMap<(i64, &'static str, &str), i64> = BTreeMap::new();
    let mut sent: BTreeMap<i64, i64> = BTreeMap::new();
    for (place, _) in kept {
        let Report { project, event, .. } = &*reports[*place];
        let known = [("release", &event.release), ("environment", &event.environment)];
        for (kind, value) in known.into_iter().filter_map(|(kind, value)| Some((kind, value.as_deref()?))) {
            *seen.entry((project.project.id, kind, value)).or_default() += 1;
        }
        *sent.entry(project.project.id).or_default() += 1;
    }
    let seen: Vec<_> =
        seen.into_iter().map(|((project, kind, value), n)| (project, kind, value, n)).collect();
    errors::note_seen(tx, &seen, now)?;
    let sent: Vec<_> = sent.into_iter().map(|(project, times)| (project, "event", times)).collect();
    errors::count_sent(tx, &sent, now)
}

fn row(report: &Report, issue: Id) -> EventRow {
    EventRow {
        id: report.id,
        project: report.project.project.id,
        issue,
        event_key: report.key,
        at: Time(report.event.timestamp.as_microsecond()),
        base: report.base,
        user: report.user,
        body: report.body.clone(),
    }
}

/// Everything that one transaction goes by.
struct Desk<'a> {
    core: &'a Core,
    reports: &'a [Arc<Report>],
    /// by the issue that counts
    works: BTreeMap<Id, Work>,
    /// which issue counts for one that a sum leads to
    homes: HashMap<Id, Id>,
    /// what new issues are found by
    words: Vec<(Id, String)>,
    /// reports that are the first of their issue in their environment
    new_there: HashSet<usize>,
    now: Time,
}

impl Desk<'_> {
    /// The issues of these reports, known or new, by their places; those that are not wanted have none.
    fn find(&mut self, tx: &mut Tx<'_>, fresh: &[usize]) -> Result<HashMap<usize, Id>> {
        let hashes: Vec<(usize, i64, &str)> = fresh
            .iter()
            .flat_map(|place| {
                let report = &self.reports[*place];
                report.hashes.iter().map(move |it| (*place, report.project.project.id, it.value.as_str()))
            })
            .collect();
        let keys: Vec<(i64, &str)> = hashes.iter().map(|(_, project, hash)| (*project, *hash)).collect();
        // where a sum leads; nothing: such errors are not wanted
        let mut leads: HashMap<(i64, &str), Option<Id>> = HashMap::new();
        for (place, found) in errors::by_hashes(tx, &keys)? {
            let home = match found {
                Found::Discarded => None,
                Found::Issue(head) => {
                    let home = head.issue.id;
                    self.works_on(tx, *head)?;
                    Some(home)
                }
            };
            leads.insert(keys[place], home);
        }
        let (mut placed, mut attached) = (HashMap::new(), Vec::new());
        for place in fresh {
            let report = &self.reports[*place];
            let project = report.project.project.id;
            let known = report.hashes.iter().find_map(|it| leads.get(&(project, it.value.as_str())).copied());
            let home = match known {
                Some(None) => continue,
                Some(Some(home)) => home,
                None => self.begin(report),
            };
            placed.insert(*place, home);
            for it in &report.hashes {
                if let Entry::Vacant(vacant) = leads.entry((project, it.value.as_str())) {
                    vacant.insert(Some(home));
                    attached.push((project, it.value.as_str(), it.algorithm, home));
                }
            }
        }
        // after the issues, which it looks for
        let new: Vec<IssueRow> =
            self.works.values().filter(|it| it.is_new).map(|it| it.head.issue.clone()).collect();
        errors::insert_issues(tx, &new.iter().collect::<Vec<_>>())?;
        let words: Vec<(Id, &str)> = self.words.iter().map(|(id, said)| (*id, said.as_str())).collect();
        errors::insert_words(tx, &words)?;
        errors::attach_hashes(tx, &attached)?;
        Ok(placed)
    }

    /// Works on an issue, or on the one that it counts as.
    fn works_on(&mut self, tx: &mut Tx<'_>, home: Head) -> Result<()> {
        if self.homes.contains_key(&home.issue.id) {
            return Ok(());
        }
        let id = home.issue.id;
        let head = match home.issue.merged_into.map(|it| errors::head(tx, it)).transpose()?.flatten() {
            Some(head) => head,
            None => home,
        };
        self.homes.insert(id, head.issue.id);
        self.homes.insert(head.issue.id, head.issue.id);
        self.works.entry(head.issue.id).or_insert_with(|| Work::on(head, false));
        Ok(())
    }

    /// An issue that begins with a report; its id is the report's.
    fn begin(&mut self, report: &Report) -> Id {
        let release = report.event.release.clone().unwrap_or_default();
        let issue = IssueRow {
            id: report.id,
            project: report.project.project.id,
            merged_into: None,
            life: Life::default().to_column(),
            users_seen: 0,
            first_release: release.clone(),
            last_release: release,
        };
        let head =
            Head { issue, state: State::Open, times_seen: 0, first_seen: report.at, last_seen: report.at };
        self.homes.insert(report.id, report.id);
        self.words.push((report.id, say::haystack(&report.event)));
        self.works.insert(report.id, Work::on(head, true));
        report.id
    }

    /// Counts by issue: hours, tags, users.
    fn count(&mut self, tx: &mut Tx<'_>, kept: &[(usize, Id)]) -> Result<()> {
        let mut hours: BTreeMap<(Id, i64), (i64, i64)> = BTreeMap::new();
        let (mut tags, mut users, mut environments) = (Vec::new(), Vec::new(), Vec::new());
        for (place, home) in kept {
            let report = &self.reports[*place];
            let hour = hours.entry((*home, report.id.made_at().0 / HOUR)).or_default();
            hour.0 += 1;
            hour.1 += report.body.len() as i64;
            for (name, value) in &report.tags {
                let tagged = Tagged { issue: *home, name, value };
                match name.as_str() {
                    "environment" => environments.push((*place, tagged)),
                    _ => tags.push(tagged),
                }
            }
            users.extend(report.user.map(|user| Hit { home: *home, head: self.homes[home], user }));
        }
        let hours: Vec<Hourly> = hours
            .into_iter()
            .map(|((issue, hour), (times, bytes))| Hourly { issue, hour, times, kept: times, bytes })
            .collect();
        errors::count_hours(tx, &hours)?;
        errors::count_tags(tx, &tags, self.now)?;
        let of: Vec<Tagged<'_>> = environments.iter().map(|(_, tagged)| *tagged).collect();
        let new = errors::count_and_tell_new(tx, &of, self.now)?;
        self.new_there = new.into_iter().map(|it| environments[it].0).collect();
        for place in errors::note_users(tx, &users)? {
            if let Some(work) = self.works.get_mut(&users[place].head) {
                work.head.issue.users_seen += 1;
                work.row_changed = true;
            }
        }
        Ok(())
    }

    /// What one report is to its issue, and whether somebody has to know.
    fn see(&mut self, tx: &mut Tx<'_>, place: usize, issue: Id) -> Result<()> {
        let report = &self.reports[place];
        let Some(work) = self.works.get_mut(&issue) else { return Ok(()) };
        let release = report.event.release.as_deref().unwrap_or_default();
        work.times += 1;
        let before = (work.life.clone(), work.head.issue.last_release.clone());
        let project = report.project.project.id;
        let by_resolved = match work.life.resolved_in.as_ref().filter(|_| !release.is_empty()) {
            Some(end) => releases::order(tx, project, release, end.release())?,
            None => None,
        };
        let seen = Seen {
            is_new: work.is_new && work.times == 1,
            state: work.head.state,
            release,
            times: work.head.times_seen + work.times,
            users: work.head.issue.users_seen,
            lately: work.lately(tx, self.now)?,
            by_resolved,
            now: self.now,
        };
        let sight = work.life.see(&seen);
        releases::note(tx, project, &mut work.head.issue, release)?;
        if sight == Sight::Regression {
            work.head.state = State::Open;
        }
        let fired = match sight.happened() {
            Some(happened) => {
                let new_there = self.new_there.contains(&place);
                rules::judge(self.core, tx, report, work, (happened, new_there), self.now)?
            }
            None => None,
        };
        // it begins or comes back even where nobody has to know
        let begins = matches!(sight, Sight::First | Sight::Regression);
        match fired {
            Some(why) => work.moves = Some(Move { place, telling: Telling::Once, why }),
            None if begins && work.moves.is_none() => {
                work.moves = Some(Move { place, telling: Telling::Quiet, why: String::new() });
            }
            None => {}
        }
        work.row_changed |= before != (work.life.clone(), work.head.issue.last_release.clone());
        Ok(())
    }

    /// Writes issues and incidents, and tells what there is to tell.
    fn write(mut self, tx: &mut Tx<'_>, done: &mut Done) -> Result<()> {
        let mut rows = Vec::new();
        for work in self.works.values_mut().filter(|it| it.row_changed) {
            work.head.issue.life = work.life.to_column();
            rows.push(&work.head.issue);
        }
        errors::put(tx, &rows)?;
        let still = |it: &&Work| it.moves.is_none() && it.times > 0;
        let seen: Vec<(Id, i64)> =
            self.works.values().filter(still).map(|it| (it.head.issue.id, it.times)).collect();
        errors::touch(tx, &seen, self.now)?;
        let moving: Vec<Id> = self
            .works
            .values()
            .filter(|it| it.moves.is_some() && !it.is_new)
            .map(|it| it.head.issue.id)
            .collect();
        let before: HashMap<Id, Incident> =
            store::incidents::get_many(tx, &moving)?.into_iter().map(|(_, it)| (it.id, it)).collect();
        let (mut moved, mut judged) = (Vec::new(), Vec::new());
        for work in self.works.values().filter(|it| it.moves.is_some()) {
            if let Some((it, arrived)) = self.incident_of(work, before.get(&work.head.issue.id)) {
                moved.push(it);
                judged.push(arrived);
            }
        }
        let said = self.works.values().flat_map(|it| it.lines.iter().map(|said| (it.head.issue.id, said)));
        let version = self.core.live().version;
        let lines: Vec<Line> =
            said.map(|(issue, said)| untold(self.core, issue, said.clone(), version, self.now)).collect();
        store::ledger::write(tx, &lines)?;
        if moved.is_empty() {
            return Ok(());
        }
        core_write(self.core, tx, moved, &judged, self.now, done)
    }

    /// The incident of an issue that moves, as it becomes.
    fn incident_of(&self, work: &Work, before: Option<&Incident>) -> Option<(Moved, Arrived)> {
        let Move { place, telling, why } = work.moves.as_ref()?;
        let report = &self.reports[*place];
        let times = work.head.times_seen + work.times;
        let counts = Counts { times, users: work.head.issue.users_seen };
        let event = self.event_of(report, work.head.issue.id, counts, why);
        let texts = arriving(event.clone());
        let moved = if work.is_new {
            let (mut after, mut opened) = Incident::open(&event);
            opened.detail.clone_from(why);
            after.id = work.head.issue.id;
            after.times_seen = times;
            after.extra.get_or_insert_default().telling = *telling;
            Moved { before: None, after, changes: vec![opened], texts: Some(texts.1.clone()) }
        } else {
            let before = before?;
            let policy = self.core.live().rules.policy();
            let (mut after, mut changes) = before.apply(&Input::Event(&event), &policy, self.now);
            after.times_seen = times;
            after.extra.get_or_insert_default().telling = *telling;
            if !changes.iter().any(|it| it.kind == ChangeKind::Reopened) {
                changes.push(Change { kind: ChangeKind::Alerted, by: String::new(), detail: why.clone() });
                after.version += 1;
            }
            Moved { before: Some(before.clone()), after, changes, texts: None }
        };
        let verdict = moved.changes.last().map_or("repeated", |it| it.kind.name()).to_owned();
        let judged = Judged { event, incident: Some(moved.after.id), verdict };
        Some((moved, (judged, texts.1)))
    }

    /// The error as an event of the spine.
    fn event_of(&self, report: &Report, issue: Id, counts: Counts, why: &str) -> Event {
        let project = &report.project.project;
        let labels: Labels = say::labels(&project.slug, &report.event);
        let hash = report.hashes.first().map_or("", |it| it.value.as_str());
        let base = self.core.live().rules.external_url.clone();
        let link = if base.is_empty() { String::new() } else { format!("{base}/incidents/{issue}") };
        let new = NewEvent {
            key: format!("errors:{}:{hash}", project.id),
            action: Action::Raise,
            severity: Some(say::severity(report.event.level)),
            title: report.event.title.replace('\0', " "),
            annotations: say::annotations(&report.event, report.id, counts, why),
            link,
            ..NewEvent::raise(SOURCE, labels)
        };
        Event::arrive(new, report.id, report.at)
    }
}

/// Moves incidents on as events of any other source do.
fn core_write(
    core: &Core,
    tx: &mut Tx<'_>,
    moved: Vec<Moved>,
    judged: &[Arrived],
    now: Time,
    done: &mut Done,
) -> Result<()> {
    write(core, tx, &moved, now)?;
    store::events::insert(tx, judged)?;
    notices::of_events(core, tx, judged, now)?;
    let again: Vec<Id> = moved
        .iter()
        .filter(|it| it.changes.iter().any(|change| change.kind == ChangeKind::Alerted))
        .map(|it| it.after.id)
        .collect();
    store::groups::forget_told(tx, &again)?;
    let mut begun = Vec::new();
    place(core, tx, moved, Some(&mut begun), done, now)?;
    tell_what_is_due(core, tx, begun, done, now)
}
