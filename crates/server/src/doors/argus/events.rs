//! Events of incidents: lines of their timelines, and what adds some.

use flow::driver::Act;
use model::extra::Edit;
use model::incident::ChangeKind;
use model::profile::EventType;
use model::{Id, Incident, Time};
use serde_json::Value;
use store::Tx;
use store::ledger::Line;

use super::call::{Answer, Call, Reply};
use super::fields::Fields;
use super::list::{Cursor, Page, page_size};
use super::mapping;
use super::refused::Refused;
use super::shown::{self, Actors};
use crate::sources::Book;

/// Lines of a timeline that are shown: the last ones.
pub(super) const MAX_LINES: i64 = 1000;
/// Characters of what an event says.
const MAX_TEXT: usize = 16_000;

/// What a machine user may say of its source's incidents.
const OF_SOURCES: [EventType; 6] = [
    EventType::Start,
    EventType::End,
    EventType::Restart,
    EventType::Other,
    EventType::Change,
    EventType::Stateless,
];
/// What everybody else may say.
const OF_USERS: [EventType; 3] = [EventType::Close, EventType::Reopen, EventType::Other];

/// An event as it was sent.
#[derive(Clone, Debug)]
pub(super) struct Said {
    kind: EventType,
    at: Time,
    text: String,
}

/// A timeline with what is needed to show it.
pub(super) struct Timeline {
    pub incident: Incident,
    pub lines: Vec<Line>,
    pub actors: Actors,
}

impl Timeline {
    /// Of an incident; `None`: there is none of this number.
    pub fn read(tx: &mut Tx<'_>, id: Id) -> store::Result<Option<Timeline>> {
        let Some(incident) = store::incidents::get(tx, id)? else { return Ok(None) };
        let lines = store::ledger::timeline(tx, id, MAX_LINES)?;
        let actors = Actors::of(tx, &lines)?;
        Ok(Some(Timeline { incident, lines, actors }))
    }
}

impl Call {
    /// The timeline of the incident that the path names.
    pub(super) async fn timeline(&self) -> Result<Timeline, Refused> {
        let pk = self.number(0)?;
        let found = self.app.hub.store.read(move |tx| Timeline::read(tx, Id(pk))).await?;
        found.ok_or_else(Refused::not_found)
    }

    /// Does something to an incident, and gives the line that says so.
    pub(super) async fn told(
        &self,
        incident: &Incident,
        act: Act,
        kind: ChangeKind,
    ) -> Result<(Timeline, Line), Refused> {
        let (before, id) = (self.app.hub.core.id(self.app.now()), incident.id);
        let by = act.input().by().to_owned();
        self.act(id, act).await?;
        let found = self.app.hub.store.read(move |tx| Timeline::read(tx, id)).await?;
        let timeline = found.ok_or_else(Refused::not_found)?;
        let is_it = |line: &&Line| line.id > before && line.change.kind == kind && line.change.by == by;
        let line = timeline.lines.iter().rev().find(is_it).cloned();
        let line = line.ok_or_else(|| Refused::whole("The incident is not as it was: look at it again."))?;
        Ok((timeline, line))
    }
}

/// `GET incidents/N/events/`.
pub(super) async fn list(call: Call) -> Answer {
    let (timeline, book) = (call.timeline().await?, call.book().await?);
    let Timeline { incident, lines, actors } = &timeline;
    let events = lines.iter().rev().filter_map(|line| shown::event(incident, line, actors, &book));
    Reply::ok(&events.collect::<Vec<_>>())
}

/// `GET incidents/N/events/M/`.
pub(super) async fn get(call: Call) -> Answer {
    let (timeline, book) = (call.timeline().await?, call.book().await?);
    let id = Id(call.number(1)?);
    let line = timeline.lines.iter().find(|line| line.id == id).ok_or_else(Refused::not_found)?;
    let event = shown::event(&timeline.incident, line, &timeline.actors, &book);
    Reply::ok(&event.ok_or_else(Refused::not_found)?)
}

/// `GET incidents/events/`.
pub(super) async fn all(call: Call) -> Answer {
    let book = call.book().await?;
    let (from, size) = (Cursor::read(&call.query)?, page_size(&call.query));
    let page = call.app.hub.store.read(move |tx| page(tx, &book, from, size)).await?;
    Reply::ok(&page.shown(&call, |(_, event)| event.clone()))
}

/// A page of the events of whole incidents: as many of these as it takes to fill it. Each has one at least, or has
/// lost them, so that no page looks at more incidents than it may have events.
fn page(tx: &mut Tx<'_>, book: &Book, from: Cursor, size: usize) -> store::Result<Page<(Id, Value)>> {
    let (mut events, mut at, mut more) = (Vec::new(), from, None);
    for _ in 0..size {
        if events.len() >= size {
            break;
        }
        let all = |_: &Incident| true;
        let (found, next) = match at {
            Cursor::Older(id) => {
                store::incidents::page(tx, store::incidents::Which::All, Some(id), 1, 1, all)?
            }
            Cursor::Newer(id) => {
                store::incidents::page_after(tx, store::incidents::Which::All, id, 1, 1, all)?
            }
        };
        more = next;
        let Some(incident) = found.into_iter().next() else { break };
        let lines = store::ledger::timeline(tx, incident.id, MAX_LINES)?;
        let actors = Actors::of(tx, &lines)?;
        let mut own: Vec<Value> =
            lines.iter().rev().filter_map(|line| shown::event(&incident, line, &actors, book)).collect();
        if matches!(at, Cursor::Newer(_)) {
            own.reverse();
        }
        events.extend(own.into_iter().map(|event| (incident.id, event)));
        at = match at {
            Cursor::Older(_) => Cursor::Older(incident.id),
            Cursor::Newer(_) => Cursor::Newer(incident.id),
        };
    }
    Ok(Page::new(events, from, more, |(id, _)| *id))
}

/// `POST incidents/N/events/`.
pub(super) async fn post(call: Call) -> Answer {
    let incident = call.incident().await?;
    let said = Said::read(&call, Fields::new(call.object()?), &incident)?;
    Reply::created(&say(&call, &incident, said).await?)
}

impl Said {
    /// Reads what was sent about an incident, and whether who asks may say so.
    pub fn read(call: &Call, mut fields: Fields, incident: &Incident) -> Result<Said, Refused> {
        let asker = call.asker()?;
        let own = asker.is_source_of(incident);
        asker.may_change(incident)?;
        let code = fields.needed_text("type", 20);
        let kind = EventType::from_code(&code);
        let allowed: &[EventType] = if own { &OF_SOURCES } else { &OF_USERS };
        if !code.is_empty() && !kind.is_some_and(|kind| allowed.contains(&kind)) {
            let codes = allowed.iter().map(|it| it.code()).collect::<Vec<_>>().join(", ");
            let who = if own { "a source" } else { "a user" };
            fields.wrong("type", format!("{code:?} is no event that {who} may post; these are: {codes}"));
        }
        let at = if own { fields.needed_time("timestamp") } else { fields.time("timestamp") };
        let text = fields.text("description", MAX_TEXT).unwrap_or_default();
        fields.done()?;
        let kind = kind.unwrap_or(EventType::Other);
        Ok(Said { kind, at: at.unwrap_or_else(|| call.app.now()), text })
    }

    /// What it does to an incident, and which line says so; `None`: it is noted, and does nothing.
    fn act(&self, incident: &Incident, by: &str) -> Option<(Act, ChangeKind)> {
        let (by, note, open) = (by.to_owned(), self.text.clone(), incident.is_active());
        match self.kind {
            _ if incident.more().stateless && !matches!(self.kind, EventType::Change) => None,
            EventType::End | EventType::Close if open => {
                Some((Act::Resolve { by, note, end: Some(self.at) }, ChangeKind::Resolved))
            }
            EventType::Restart | EventType::Reopen if !open => {
                Some((Act::Reopen { by, note }, ChangeKind::Reopened))
            }
            EventType::Change => {
                let remark = if note.is_empty() { "changed".to_owned() } else { note };
                let edit = Box::new(Edit { remark, ..Edit::default() });
                Some((Act::Edit { by, edit }, ChangeKind::Updated))
            }
            _ => None,
        }
    }
}

/// Does what was said, and shows the event. What a source says in vain is kept without effect; a person is told.
pub(super) async fn say(call: &Call, incident: &Incident, said: Said) -> Result<Value, Refused> {
    let asker = call.asker()?;
    let (by, own) = (asker.signs(incident), asker.is_source_of(incident));
    let (act, kind) = match said.act(incident, &by) {
        Some(act) => act,
        None if own || said.kind == EventType::Other => {
            let by = asker.name.clone();
            (Act::Note { by, text: said.kind.noted(&said.text) }, ChangeKind::Noted)
        }
        None => return Err(Refused::field("type", in_vain(incident, said.kind))),
    };
    let (timeline, line) = call.told(incident, act, kind).await?;
    let book = call.book().await?;
    let event = shown::event(&timeline.incident, &line, &timeline.actors, &book);
    let mut event = event.ok_or_else(Refused::not_found)?;
    // the line has when it was told
    event["timestamp"] = shown::time(said.at);
    Ok(event)
}

/// Why what somebody says does nothing.
fn in_vain(incident: &Incident, kind: EventType) -> String {
    let name = mapping::display(kind);
    match kind {
        _ if incident.more().stateless => {
            format!("{name}: the incident is stateless, and neither opens nor closes")
        }
        EventType::Close => format!("{name}: the incident is closed already"),
        _ => format!("{name}: the incident is open already"),
    }
}

#[cfg(test)]
mod tests {
    use model::event::{Event, NewEvent};
    use model::extra::Extra;

    use super::*;

    fn said(kind: EventType) -> Said {
        Said { kind, at: Time(5), text: String::new() }
    }

    #[test]
    fn what_does_something_depends_on_where_the_incident_stands() {
        let mut new = NewEvent::raise("t", [("a", "b")].into_iter().collect());
        let (open, _) = Incident::open(&Event::arrive(new.clone(), Id(1), Time(0)));
        let over = Incident { state: model::incident::State::Resolved, ..open.clone() };
        new.extra = Some(Box::new(Extra { stateless: true, ..Extra::default() }));
        let (stateless, _) = Incident::open(&Event::arrive(new, Id(1), Time(0)));
        let does = |kind, it: &Incident| said(kind).act(it, "").map(|(_, kind)| kind);
        for (kind, when_open, when_over) in [
            (EventType::End, Some(ChangeKind::Resolved), None),
            (EventType::Close, Some(ChangeKind::Resolved), None),
            (EventType::Restart, None, Some(ChangeKind::Reopened)),
            (EventType::Reopen, None, Some(ChangeKind::Reopened)),
            (EventType::Start, None, None),
            (EventType::Stateless, None, None),
            (EventType::Other, None, None),
            (EventType::Change, Some(ChangeKind::Updated), Some(ChangeKind::Updated)),
        ] {
            assert_eq!((does(kind, &open), does(kind, &over)), (when_open, when_over), "{kind:?}");
            let changes = (kind == EventType::Change).then_some(ChangeKind::Updated);
            assert_eq!(does(kind, &stateless), changes, "{kind:?} of a stateless one");
        }
    }
}
