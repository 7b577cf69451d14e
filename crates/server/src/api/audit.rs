//! The audit log: who changed what.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use model::account::{ActorKind, name_key};
use model::{Id, Time};
use store::audit::Entry;

use crate::app::Shared;
use crate::error::{Answer, Problem};
use crate::limits::MAX_SCAN;
use crate::query::Query;
use crate::times;
use crate::views::Page;
use crate::views::account::AuditView;

/// What somebody looks for.
struct Wanted {
    actor: Option<String>,
    kind: Option<ActorKind>,
    action: Option<String>,
    object: Option<String>,
    object_id: Option<String>,
    since: Option<Time>,
    until: Option<Time>,
}

impl Wanted {
    fn of(query: &Query) -> Answer<Self> {
        let text = |name: &str| -> Answer<Option<String>> { Ok(query.one(name)?.map(str::to_owned)) };
        let time = |name: &str| -> Answer<Option<Time>> {
            let wrong = || Problem::wrong(name, "is not a time like 2026-01-31T12:00:00Z");
            query.one(name)?.map(|text| times::parse(text).ok_or_else(wrong)).transpose()
        };
        let kind = query.one("kind")?.map(|word| {
            let known = || ActorKind::ALL.map(ActorKind::name).join(", ");
            let wrong = || Problem::wrong("kind", format!("{word:?} is none of {}", known()));
            ActorKind::from_name(word).ok_or_else(wrong)
        });
        Ok(Wanted {
            actor: text("actor")?,
            kind: kind.transpose()?,
            action: text("action")?,
            object: text("object")?,
            object_id: text("object_id")?,
            since: time("since")?,
            until: time("until")?,
        })
    }

    fn fits(&self, it: &Entry) -> bool {
        let is_actor = |text: &String| {
            name_key(&it.actor.name) == name_key(text)
                || it.actor.id.is_some_and(|id| id.to_string() == *text)
        };
        // `user` stands for all of `user.create`, `user.update` and so on
        let is_action = |text: &String| {
            it.action.strip_prefix(text.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.actor.as_ref().is_none_or(is_actor)
            && self.kind.is_none_or(|kind| it.actor.kind == kind)
            && self.action.as_ref().is_none_or(is_action)
            && self.object.as_ref().is_none_or(|text| it.object_kind == *text)
            && self.object_id.as_ref().is_none_or(|text| it.object_id == *text)
            && self.since.is_none_or(|since| it.at >= since)
            && self.until.is_none_or(|until| it.at < until)
    }
}

/// Lists the audit log.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    tag = "accounts",
    summary = "Show who changed what, from where, what it was before and what it is now",
    description = "Newest first. Secrets are left out.",
    security(("token" = ["admin"])),
    params(
        ("actor" = Option<String>, Query, description = "Only what this user or token did, by name or id"),
        ("kind" = Option<String>, Query, description = "Only what this kind of somebody did: `user`, `token`, \
            `local`, `plugin` or `system`"),
        ("action" = Option<String>, Query, description = "Only this, such as `user.create`, or `user` for all that \
            was done to users"),
        ("object" = Option<String>, Query, description = "Only what was done to this kind of thing, such as `silence`"),
        ("object_id" = Option<String>, Query, description = "Only what was done to the thing with this id"),
        ("since" = Option<String>, Query, description = "Only from this time on"),
        ("until" = Option<String>, Query, description = "Only before this time"),
        ("limit" = Option<usize>, Query, description = "How many, up to 500; 50 if not given"),
        ("cursor" = Option<String>, Query, description = "Go on from here: `next` of the page before"),
    ),
    responses((status = 200, description = "A page of the log", body = Page<AuditView>)),
)]
pub(super) async fn list_audit(State(app): State<Shared>, uri: Uri) -> Answer<Json<Page<AuditView>>> {
    let names = ["actor", "kind", "action", "object", "object_id", "since", "until", "limit", "cursor"];
    let query = Query::known(&uri, &names)?;
    let (before, limit, wanted) = (query.parsed::<Id>("cursor")?, query.limit()?, Wanted::of(&query)?);
    // nothing later than asked for need be looked at
    let from = wanted.until.map(Id::first_at);
    let before = [before, from].into_iter().flatten().min();
    let read =
        move |tx: &mut store::Tx<'_>| store::audit::page(tx, before, limit, MAX_SCAN, |it| wanted.fits(it));
    let (found, next) = app.hub.store.read(read).await?;
    Ok(Json(Page::new(found.into_iter().map(AuditView::from).collect(), next)))
}
