//! Leave to page: steps, what rings later and what stands in all ask here whether somebody may be paged about an
//! incident now. What keeps pages back is told once in its ledger.

use std::collections::HashMap;
use std::time::Duration;

use model::escalation::Leave;
use model::{Incident, Time};
use store::escalations::Escalating;
use store::{Result, Tx};

use super::{Holds, Plan};
use crate::core::Core;
use crate::incident::untold;

/// How long a page waits that something keeps back, before it is looked at again.
pub(super) const HELD: Duration = Duration::from_secs(60);

/// What keeps some incidents back at one time.
pub(super) struct Leaves {
    holds: Holds,
    now: Time,
}

impl Leaves {
    /// Of nothing.
    pub(super) fn none(now: Time) -> Self {
        Leaves { holds: Holds(HashMap::new()), now }
    }

    pub(super) fn find(core: &Core, tx: &mut Tx<'_>, incidents: &[&Incident], now: Time) -> Result<Self> {
        // what nobody is paged about for another reason need not be asked for
        let open = incidents.iter().copied().filter(|it| Leave::of(it, None, now) == Leave::Given);
        Ok(Leaves { holds: Holds::find(core, tx, &open.collect::<Vec<_>>(), now)?, now })
    }

    /// Whether somebody may be paged about one of them.
    pub(super) fn of(&self, incident: &Incident) -> Leave {
        Leave::of(incident, self.holds.0.get(&incident.id), self.now)
    }
}

/// Remembers what keeps the pages of an incident back, and tells what is new of that.
pub(super) fn note(
    core: &Core,
    plan: &mut Plan,
    row: &mut Escalating,
    leave: &Leave,
    incident: &Incident,
    now: Time,
) {
    let held = if let Leave::Held(why) = leave { why.as_str() } else { "" };
    if held != row.held && !held.is_empty() {
        let detail = format!("nobody is paged: {held}");
        plan.lines.push(untold(core, incident.id, detail, core.live().version, now));
    }
    held.clone_into(&mut row.held);
}

/// The same for an incident whose row is not at hand.
pub(super) fn note_of(
    core: &Core,
    tx: &mut Tx<'_>,
    plan: &mut Plan,
    leave: &Leave,
    incident: &Incident,
    now: Time,
) -> Result<()> {
    for mut row in store::escalations::of(tx, &[incident.id])? {
        let before = row.held.clone();
        note(core, plan, &mut row, leave, incident, now);
        if row.held != before {
            store::escalations::put(tx, &row)?;
        }
    }
    Ok(())
}
