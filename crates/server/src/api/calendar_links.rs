//! Links by which programs for calendars fetch who is on call, and what they fetch.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use calendar::{Entry, feed, uid};
use flow::people::People;
use model::period::Period;
use model::schedule::{Rota, Shift, Why};
use model::{Id, Time};
use serde::Serialize;
use store::calendar_links::{self as links, About, Link};
use store::definitions::Definition;
use store::{Durability, Tx};
use utoipa::ToSchema;

use crate::accounts::{CalendarLinkIn, LinkShown};
use crate::app::Shared;
use crate::auth;
use crate::body::OptionalJson;
use crate::error::{Answer, Problem};
use crate::input::{Name, PathId};
use crate::limits::{FEED_DAYS, MAX_FEED_ENTRIES};
use crate::signed::Signed;
use crate::views::Page;

const DAY: i64 = 86_400;

/// A link, without what makes it secret.
#[derive(Serialize, ToSchema)]
#[schema(as = CalendarLink)]
pub(super) struct LinkView {
    /// Its id.
    #[schema(value_type = String)]
    id: Id,
    /// Who made it; empty: somebody at the hub's machine.
    owner: String,
    /// What it shows: a `schedule`, or a `user`.
    kind: &'static str,
    /// Which one.
    name: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// The link itself, shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

impl LinkView {
    fn new(it: LinkShown, link: Option<String>) -> Self {
        let LinkShown { id, owner, kind, name, created_at } = it;
        LinkView { id, owner, kind, name, created_at, link }
    }
}

/// Lists links.
#[utoipa::path(
    get,
    path = "/api/v1/calendar-links",
    tag = "people",
    summary = "List your links to calendars; an admin sees all",
    security(("token" = ["read"])),
    responses((status = 200, description = "Without what makes them secret", body = Page<LinkView>)),
)]
pub(super) async fn list_calendar_links(
    State(app): State<Shared>,
    by: Signed,
) -> Answer<Json<Page<LinkView>>> {
    let found = app.desk(&by.caller, by.actor, |desk| desk.calendar_links()).await?;
    Ok(Json(Page::whole(found.into_iter().map(|it| LinkView::new(it, None)).collect())))
}

/// Makes a link.
#[utoipa::path(
    post,
    path = "/api/v1/calendar-links",
    tag = "people",
    summary = "Make a link by which a program for calendars fetches who is on call",
    description = "Of a schedule, or of a user: of yourself, if nothing is said. Whoever has the link sees the shifts, \
        so it is shown this once; revoke it when it got about.",
    security(("token" = ["respond:team"])),
    request_body = CalendarLinkIn,
    responses(
        (status = 201, description = "The link", body = LinkView),
        (status = 404, description = "There is no such schedule or user", body = Problem),
        (status = 409, description = "There are too many", body = Problem),
    ),
)]
pub(super) async fn make_calendar_link(
    State(app): State<Shared>,
    by: Signed,
    OptionalJson(it): OptionalJson<CalendarLinkIn>,
) -> Answer<(StatusCode, Json<LinkView>)> {
    let made = app.desk(&by.caller, by.actor, move |desk| desk.make_calendar_link(&it));
    let (shown, secret) = made.await?;
    let link = format!("{}/calendars/{secret}.ics", app.base_url());
    Ok((StatusCode::CREATED, Json(LinkView::new(shown, Some(link)))))
}

/// Revokes a link.
#[utoipa::path(
    delete,
    path = "/api/v1/calendar-links/{id}",
    tag = "people",
    summary = "Revoke a link to a calendar",
    security(("token" = ["respond:team"])),
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 204, description = "It leads nowhere any more"),
        (status = 404, description = "There is none of yours with this id", body = Problem),
    ),
)]
pub(super) async fn revoke_calendar_link(
    State(app): State<Shared>,
    by: Signed,
    PathId(id): PathId,
) -> Answer<StatusCode> {
    app.desk(&by.caller, by.actor, move |desk| desk.revoke_calendar_link(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a link leads to.
#[utoipa::path(
    get,
    path = "/calendars/{name}",
    tag = "people",
    summary = "Who is on call, as a calendar",
    description = "Shifts of the last 30 days and the next 180, as iCalendar (RFC 5545).",
    security(()),
    params(("name" = String, Path, description = "What the link ends with")),
    responses(
        (status = 200, description = "The calendar", body = String, content_type = "text/calendar"),
        (status = 304, description = "It is as it was"),
        (status = 404, description = "It is no link, or was revoked", body = Problem),
    ),
)]
pub(super) async fn calendar(
    State(app): State<Shared>,
    Name(name): Name,
    headers: HeaderMap,
) -> Answer<Response> {
    let (core, now) = (app.hub.core.clone(), app.now());
    let hash = auth::hash_hex(name.strip_suffix(".ics").unwrap_or(&name).as_bytes());
    let made = app.hub.store.read(move |tx| {
        let people = core.people(tx)?;
        let link = links::by_hash(tx, &hash)?;
        Ok(link.and_then(|link| Some((entries(&people, &link, now)?, link))))
    });
    let found = made.await?;
    let ((name, entries), mut link) =
        found.ok_or_else(|| Problem::not_found("calendar", "under this link"))?;
    // the time of the making is no part of what it says
    let etag = auth::hash_hex(feed(&name, &entries, Time::MIN).as_bytes())[..32].to_owned();
    if etag != link.etag {
        link.etag.clone_from(&etag);
        link.changed_at = now;
        let note = move |tx: &mut Tx<'_>| links::changed(tx, link.id, &etag, now);
        app.hub.store.write(Durability::Lazy, note).await?;
    }
    Ok(answer(&headers, &link.etag, link.changed_at, || feed(&name, &entries, link.changed_at)))
}

/// The calendar, unless who asks has it.
fn answer(headers: &HeaderMap, etag: &str, changed_at: Time, text: impl FnOnce() -> String) -> Response {
    let given = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let quoted = format!("\"{etag}\"");
    let has = match (given(header::IF_NONE_MATCH), given(header::IF_MODIFIED_SINCE)) {
        (Some(known), _) => {
            known.split(',').map(|it| it.trim().trim_start_matches("W/")).any(|it| it == quoted || it == "*")
        }
        (None, Some(since)) => {
            let since = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(since);
            since.is_ok_and(|since| changed_at.as_seconds() <= since.as_second())
        }
        (None, None) => false,
    };
    let modified = changed_at.to_timestamp().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let text_of = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    let common = [
        (header::ETAG, text_of(&quoted)),
        (header::LAST_MODIFIED, text_of(&modified)),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ];
    if has {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("text/calendar; charset=utf-8"))];
    (common, kind, text()).into_response()
}

/// What a link shows: a name, and events. Nothing when what it is about is gone, or who it is about is locked out.
fn entries(people: &People, link: &Link, now: Time) -> Option<(String, Vec<Entry>)> {
    // whole days, so that it is the same all day long
    let today = Time::from_seconds(now.as_seconds().div_euclid(DAY) * DAY);
    let days = |count: u64| Duration::from_secs(count * 86_400);
    let period = Period::new(today - days(FEED_DAYS.0), today + days(FEED_DAYS.1));
    if link.owner != Id(0) {
        people.user(link.owner)?;
    }
    let (name, mut entries): (String, Vec<Entry>) = match link.about {
        About::Schedule(id) => {
            let schedule = people.schedule(id)?;
            let shifts = shifts(schedule, period, None);
            let title = |shift: &Shift| people.name_of(shift.user);
            (schedule.name.clone(), shifts.map(|it| entry(people, schedule, it, title(&it))).collect())
        }
        About::User(user) => {
            let name = people.user(user)?.name.clone();
            let mut schedules: Vec<_> =
                people.schedules().filter(|it| it.body.people().contains(&user)).collect();
            schedules.sort_by_key(|it| it.id);
            let all = schedules.into_iter().flat_map(|schedule| {
                let title = format!("On call: {}", schedule.name);
                shifts(schedule, period, Some(user)).map(move |it| entry(people, schedule, it, title.clone()))
            });
            (format!("{name} on call"), all.take(MAX_FEED_ENTRIES).collect())
        }
    };
    entries.sort_by(|a, b| (a.period, &a.uid).cmp(&(b.period, &b.uid)));
    entries.truncate(MAX_FEED_ENTRIES);
    Some((name, entries))
}

/// The shifts of a period, those at its edges whole.
fn shifts(of: &Definition<Rota>, period: Period, user: Option<Id>) -> impl Iterator<Item = Shift> {
    let roster = of.body.roster();
    let resolved = roster.resolve(period).shifts.into_iter();
    let own = resolved.filter(move |it| user.is_none_or(|user| it.user == user)).take(MAX_FEED_ENTRIES);
    own.map(move |it| {
        let is_cut = it.from <= period.from || it.until >= period.until;
        if is_cut { roster.whole(it) } else { it }
    })
}

fn entry(people: &People, of: &Definition<Rota>, shift: Shift, title: String) -> Entry {
    let description = match shift.why {
        Why::Layer { layer, .. } => {
            let layer = of.body.schedule.layers.get(layer).map_or("", |it| it.name.as_str());
            format!("By layer {layer} of schedule {}", of.name)
        }
        Why::Override { id, instead_of } => {
            let instead = instead_of.map(|user| format!(", in place of {}", people.name_of(user)));
            let note = of.body.overrides.iter().find(|it| it.id == id).map(|it| it.note.as_str());
            let note = note.filter(|note| !note.is_empty()).map(|note| format!(": {note}"));
            format!(
                "By an override of schedule {}{}{}",
                of.name,
                instead.unwrap_or_default(),
                note.unwrap_or_default()
            )
        }
    };
    Entry { uid: uid(of.id, &shift), title, description, period: Period::new(shift.from, shift.until) }
}
