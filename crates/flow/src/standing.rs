//! Where incidents stand: what keeps each of them from being told now.

use model::group::Hold;
use model::{Id, Incident, Time};
use store::{Result, Tx};

use crate::core::Core;
use crate::tell;

/// Everything that keeps these incidents back now, apart from their routes' own times: silences,
/// inhibitions (one a source), snoozes, planned maintenance.
///
/// # Errors
/// When the database is gone.
pub fn holds(core: &Core, tx: &mut Tx<'_>, incidents: &[&Incident], now: Time) -> Result<Vec<(Id, Hold)>> {
    let mut holds = tell::inhibited(tx, &core.live(), incidents)?;
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
