//! Where incidents stand: what keeps each of them from being told now.

use std::collections::HashMap;

use model::group::Hold;
use model::{Id, Incident, Time};
use store::{Result, Tx};

use crate::core::Core;
use crate::live::Live;

/// Everything that keeps these incidents back now, apart from their routes' own times: silences,
/// inhibitions (one a source), snoozes, planned maintenance.
///
/// # Errors
/// When the database is gone.
pub fn holds(core: &Core, tx: &mut Tx<'_>, incidents: &[&Incident], now: Time) -> Result<Vec<(Id, Hold)>> {
    let mut holds = inhibited(tx, &core.live(), incidents)?;
    let (silences, people) = (core.silences(tx, now)?, core.people(tx)?);
    for incident in incidents {
        if !silences.is_empty() {
            let ids: Vec<String> = silences.matching(&incident.labels, now).map(|it| it.id.clone()).collect();
            if !ids.is_empty() {
                holds.push((incident.id, Hold::Silence { ids }));
            }
        }
        if let Some(until) = incident.snoozed_until.filter(|until| *until > now) {
            holds.push((incident.id, Hold::Snooze { until }));
        }
        if let Some(it) = people.maintenance_of(incident, now) {
            holds.push((incident.id, Hold::Maintenance { name: it.name.clone() }));
        }
    }
    Ok(holds)
}

/// Which of these incidents others inhibit, under any rule.
pub(crate) fn inhibited(tx: &mut Tx<'_>, live: &Live, incidents: &[&Incident]) -> Result<Vec<(Id, Hold)>> {
    let mut found = Vec::new();
    for (inhibition, targets) in live.rules.inhibitions.targets(incidents) {
        let candidates = store::rules::inhibitors(tx, inhibition, &targets)?;
        let mut sources: Vec<Id> = candidates.iter().map(|(_, id)| *id).collect();
        sources.sort_unstable();
        sources.dedup();
        let sources: HashMap<Id, Incident> =
            store::incidents::get_many(tx, &sources)?.into_iter().map(|(_, it)| (it.id, it)).collect();
        for (place, source) in candidates {
            let target = targets[place];
            let really = sources.get(&source).is_some_and(|source| {
                source.id != target.id
                    && source.is_active()
                    && inhibition.inhibits(&source.labels, &target.labels)
            });
            if really {
                found.push((target.id, Hold::Inhibition { rule: inhibition.name.clone(), source }));
            }
        }
    }
    Ok(found)
}
