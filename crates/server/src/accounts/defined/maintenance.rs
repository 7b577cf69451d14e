//! What is insisted on when maintenance is planned: that it is meant, and that what has begun is remembered.

use std::collections::HashMap;

use flow::verbs::AsOf;
use model::maintenance::{MAX_FILTERS, Maintenance};
use model::profile::{Filter, Subject, tags_of};
use model::refusal::Refusal;
use model::{Id, Incident, Time};
use serde_json::{Map, Value};
use store::Tx;
use store::definitions::{self, Definition, Kind};

use super::{About, Defined, Ground, Needed};
use crate::accounts::Done;

/// Incidents that are looked at, the newest, to find out how much one would cover. People wait meanwhile.
pub(crate) const MAX_GUARDED: i64 = 5000;

impl Defined for Maintenance {
    const KIND: Kind = Kind::Maintenance;

    fn fill(spec: &mut Map<String, Value>, about: &About) {
        // nobody says of themselves that they are somebody else
        spec.remove("created_by");
        if let Some(by) = about.by {
            spec.insert("created_by".to_owned(), by.to_string().into());
        }
    }

    fn check(&self, _: &mut Tx<'_>, _: &Ground, _: &About, _: Time) -> Done<Result<(), Refusal>> {
        Ok(Maintenance::check(self))
    }

    fn follow(before: &Self, after: &mut Self, now: Time) -> Result<(), Refusal> {
        after.created_by = before.created_by;
        before.may_become(after, now)
    }

    fn guard(&self, before: Option<&Self>, tx: &mut Tx<'_>, now: Time) -> Done<Result<(), Refusal>> {
        let covers = |it: &Self| (it.filters.clone(), it.filter_ids.clone(), it.guard_percent);
        // one that is ended, or lasts longer, covers what it covered
        if before.is_some_and(|before| covers(before) == covers(self)) {
            return Ok(Ok(()));
        }
        let whole = whole(self.clone(), tx)?;
        let covers = |it: &Incident, as_of| would_cover(&whole, it, as_of, now);
        let found = flow::verbs::preview(tx, covers, MAX_GUARDED, now)?;
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let guarded = self.guard(count(found.last_week), count(found.last_week_total));
        Ok(guarded.map_err(|broad| Refusal::new("guard_percent", broad.to_string())))
    }

    fn kept(it: &Definition<Self>, tx: &mut Tx<'_>, now: Time) -> store::Result<()> {
        store::maintained::ring(tx, it.id, now)
    }

    fn refers_to(&self) -> Vec<Needed> {
        let filters = self.filter_ids.iter().enumerate();
        filters.map(|(n, id)| (Kind::Filter, *id, format!("filter_ids[{n}]"))).collect()
    }

    fn may_go(&self, now: Time) -> Result<(), String> {
        match self.may_be_deleted(now) {
            true => Ok(()),
            false => Err("it has begun: end it, so that it is remembered".to_owned()),
        }
    }
}

/// A maintenance with the filters that it names.
///
/// # Errors
/// When the database is gone.
pub(crate) fn whole(it: Maintenance, tx: &mut Tx<'_>) -> store::Result<Maintenance> {
    let mut kept: HashMap<Id, Filter> = HashMap::new();
    for id in it.filter_ids.iter().take(MAX_FILTERS) {
        kept.extend(definitions::get(tx, Kind::Filter, *id)?.map(|filter| (*id, filter.body)));
    }
    Ok(it.with_filters(|id| kept.get(&id).cloned()))
}

/// Whether it covers an incident while it is in force.
pub(crate) fn would_cover(it: &Maintenance, incident: &Incident, as_of: AsOf, now: Time) -> bool {
    let tags = tags_of(incident);
    it.would_cover(&as_of.of(Subject::of(incident, &tags, None, now)))
}
