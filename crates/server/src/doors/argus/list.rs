//! Lists of incidents, newest first, a page at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Id, Incident, Time};
use serde_json::json;
use store::Tx;
use store::incidents::Which;

use super::call::{Answer, Call, Reply};
use super::filter::Filter;
use super::mapping;
use super::refused::Refused;
use super::shown;
use crate::query::Query;
use crate::sources::Book;

/// Incidents of a page, when the request names no number.
pub(super) const PAGE: usize = 100;
/// Incidents of a page at the most.
const MAX_PAGE: usize = 1000;
/// Rows that one page looks at when a filter leaves most of them out; the answer then says where to go on.
const MAX_SCAN: i64 = 20_000;
/// Rows that are looked at for a count; the answer says when there are more.
const MAX_COUNTED: i64 = 100_000;

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cursor {
    /// With what is older than this.
    Older(Id),
    /// Before what is newer than this.
    Newer(Id),
}

impl Cursor {
    /// The place that a request names; none: the newest.
    pub fn read(query: &Query) -> Result<Cursor, Refused> {
        let Some(text) = query.last("cursor").filter(|text| !text.is_empty()) else {
            return Ok(Cursor::Older(Id(i64::MAX)));
        };
        let read = |rest: &str| rest.parse::<Id>().ok();
        let found = match text.split_at_checked(1) {
            Some(("o", id)) => read(id).map(Cursor::Older),
            // nothing is newer than the largest number
            Some(("n", id)) => read(id).filter(|id| id.0 < i64::MAX).map(Cursor::Newer),
            _ => None,
        };
        found.ok_or_else(|| Refused::Detail(axum::http::StatusCode::NOT_FOUND, "Invalid cursor".to_owned()))
    }

    fn text(self) -> String {
        match self {
            Cursor::Older(id) => format!("o{id}"),
            Cursor::Newer(id) => format!("n{id}"),
        }
    }
}

/// A page of something that has ids, newest first, and where others are.
pub(super) struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where older ones are, if there may be any.
    pub next: Option<Cursor>,
    /// Where newer ones are, if there may be any.
    pub previous: Option<Cursor>,
}

impl<T> Page<T> {
    /// Of what was found from a place on, and where the search may go on.
    pub fn new(mut items: Vec<T>, from: Cursor, more: Option<Id>, id: impl Fn(&T) -> Id) -> Self {
        let (next, previous) = match from {
            Cursor::Older(Id(i64::MAX)) => (more.map(Cursor::Older), None),
            Cursor::Older(id_from) => {
                let newest = items.first().map_or(Id((id_from.0 - 1).max(0)), &id);
                (more.map(Cursor::Older), Some(Cursor::Newer(newest)))
            }
            Cursor::Newer(id_from) => {
                items.reverse();
                let oldest = items.last().map_or(Id(id_from.0 + 1), &id);
                (Some(Cursor::Older(oldest)), more.map(Cursor::Newer))
            }
        };
        Page { items, next, previous }
    }

    /// As JSON.
    pub fn shown(&self, call: &Call, show: impl Fn(&T) -> serde_json::Value) -> serde_json::Value {
        let address = |cursor: Option<Cursor>| {
            let cursor = cursor?;
            let query = call.uri.query().unwrap_or_default();
            let mut text = form_urlencoded::Serializer::new(String::new());
            text.append_pair("cursor", &cursor.text());
            let others = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "cursor");
            text.extend_pairs(others);
            Some(call.address(&format!("{}?{}", call.uri.path(), text.finish())))
        };
        json!({
            "next": address(self.next),
            "previous": address(self.previous),
            "results": self.items.iter().map(show).collect::<Vec<_>>(),
        })
    }
}

/// How many a page may have.
pub(super) fn page_size(query: &Query) -> usize {
    let asked = query.last("page_size").and_then(|text| text.parse().ok());
    asked.filter(|size| *size > 0).unwrap_or(PAGE).min(MAX_PAGE)
}

/// `GET incidents/`.
pub(super) async fn all(call: Call) -> Answer {
    let mut filter = Filter::read(&call.query, false)?;
    filter.kept = call.kept_filters().await?;
    list(call, filter, None).await
}

/// `GET incidents/mine/`.
pub(super) async fn mine(call: Call) -> Answer {
    let mut filter = Filter::read(&call.query, true)?;
    filter.kept = call.kept_filters().await?;
    let own = call.asker()?.source.as_ref().map(|it| it.source.id);
    // who is no source has none
    list(call, filter, Some(own.unwrap_or(Id(0)))).await
}

async fn list(call: Call, filter: Filter, own: Option<Id>) -> Answer {
    let book = call.book().await?;
    let now = call.app.now();
    let search = Search { filter, own, book: book.clone(), now };
    if call.query.last("count").is_some() {
        let (count, is_all) = call.app.hub.store.read(move |tx| search.count(tx)).await?;
        let mut counted = json!({ "count": count, "params": params(&call) });
        if !is_all {
            counted["at_least"] = json!(true);
        }
        return Reply::ok(&counted);
    }
    let (from, size) = (Cursor::read(&call.query)?, page_size(&call.query));
    let page = call.app.hub.store.read(move |tx| search.page(tx, from, size)).await?;
    Reply::ok(&page.shown(&call, |it| shown::incident(it, &book, call.version, now)))
}

fn params(call: &Call) -> BTreeMap<String, Vec<String>> {
    let mut params: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(call.uri.query().unwrap_or_default().as_bytes()) {
        if name != "count" {
            params.entry(name.into_owned()).or_default().push(value.into_owned());
        }
    }
    params
}

/// What is looked for.
struct Search {
    filter: Filter,
    /// Of this source only.
    own: Option<Id>,
    book: Arc<Book>,
    now: Time,
}

impl Search {
    fn takes(&self, it: &Incident) -> bool {
        self.own.is_none_or(|own| it.more().source == Some(own))
            && self.filter.takes(it, &self.book, self.now)
    }

    /// Which rows are looked at.
    fn which(&self) -> Which {
        let only = match self.filter.sources.as_deref() {
            Some([one]) => self.book.get(Id(*one)).map(|it| it.source.id),
            _ => None,
        };
        match self.own.or(only) {
            Some(source) => Which::OfSource(source),
            None if self.filter.open == Some(true) => Which::Active,
            None => Which::All,
        }
    }

    /// The incidents that it can only be, where the filter says so much: by number, or by what a source calls it.
    fn candidates(&self, tx: &mut Tx<'_>) -> store::Result<Option<Vec<Incident>>> {
        let ids = match (&self.filter.ids, &self.filter.name) {
            (Some(ids), _) => ids.clone(),
            (None, Some(name)) => {
                let sources = self.book.all().into_iter().map(|it| it.source.id);
                let sources = sources.filter(|id| self.own.is_none_or(|own| own == *id));
                let keys: Vec<String> = sources.map(|id| mapping::key(id, name)).collect();
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                store::incidents::used_keys(tx, &keys)?.into_iter().map(|(_, id)| id).collect()
            }
            (None, None) => return Ok(None),
        };
        let mut found: Vec<Incident> =
            store::incidents::get_many(tx, &ids)?.into_iter().map(|(_, it)| it).collect();
        found.retain(|it| self.takes(it));
        found.sort_by_key(|it| std::cmp::Reverse(it.id));
        found.dedup_by_key(|it| it.id);
        Ok(Some(found))
    }

    fn page(&self, tx: &mut Tx<'_>, from: Cursor, size: usize) -> store::Result<Page<Incident>> {
        if let Some(mut found) = self.candidates(tx)? {
            match from {
                Cursor::Older(id) => found.retain(|it| it.id < id),
                Cursor::Newer(id) => {
                    found.retain(|it| it.id > id);
                    found.reverse();
                }
            }
            let more = (found.len() > size).then(|| found[size - 1].id);
            found.truncate(size);
            return Ok(Page::new(found, from, more, |it| it.id));
        }
        let keep = |it: &Incident| self.takes(it);
        let (found, more) = match from {
            Cursor::Older(id) => store::incidents::page(tx, self.which(), Some(id), size, MAX_SCAN, keep)?,
            Cursor::Newer(id) => store::incidents::page_after(tx, self.which(), id, size, MAX_SCAN, keep)?,
        };
        Ok(Page::new(found, from, more, |it| it.id))
    }

    /// How many there are, and whether that is all of them.
    fn count(&self, tx: &mut Tx<'_>) -> store::Result<(usize, bool)> {
        if let Some(found) = self.candidates(tx)? {
            return Ok((found.len(), true));
        }
        let mut count = 0;
        let keep = |it: &Incident| {
            count += usize::from(self.takes(it));
            false
        };
        let (_, more) = store::incidents::page(tx, self.which(), None, 1, MAX_COUNTED, keep)?;
        Ok((count, more.is_none()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_lead_to_each_other() {
        let id = |it: &Id| *it;
        let first = Page::new(vec![Id(9), Id(8)], Cursor::Older(Id(i64::MAX)), Some(Id(8)), id);
        assert_eq!((first.next, first.previous), (Some(Cursor::Older(Id(8))), None));
        let second = Page::new(vec![Id(7), Id(6)], Cursor::Older(Id(8)), None, id);
        assert_eq!((second.next, second.previous), (None, Some(Cursor::Newer(Id(7)))));
        let back = Page::new(vec![Id(8), Id(9)], Cursor::Newer(Id(7)), None, id);
        assert_eq!(
            (back.items, back.next, back.previous),
            (vec![Id(9), Id(8)], Some(Cursor::Older(Id(8))), None)
        );
    }
}
