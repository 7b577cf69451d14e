//! Looks through open incidents for those whose escalation does not go on as it must.

use std::collections::HashMap;
use std::time::Duration;

use model::escalation::{Escalation, Finding, Input, audit};
use model::{Id, Incident, Time};
use store::escalations::{Escalating, NO_POLICY};
use store::{Result, Tx};

use super::alarms::Trouble;
use super::{Run, policy_of};

/// How often all open incidents are looked through, and how many one run looks at.
const AUDIT_EVERY: Duration = Duration::from_secs(60);
const AUDITED_PER_RUN: i64 = 500;
/// How late a step may be.
const GRACE: Duration = Duration::from_secs(120);
/// The rows that know when that was done last, and how far it has come.
const AUDITED_AT: &str = "escalations audited";
const AUDITED_TO: &str = "escalations audited to";

impl Run<'_> {
    /// Looks at some incidents at a time. One that was never started, since its route or its policy is there only now,
    /// is started; of others somebody has to know.
    pub(super) fn audit_some(&mut self, tx: &mut Tx<'_>) -> Result<Option<Time>> {
        let (last, cursor) = (store::rules::version(tx, AUDITED_AT)?, store::rules::version(tx, AUDITED_TO)?);
        if self.now < Time(last) + AUDIT_EVERY && self.now >= Time(last) {
            return Ok(None);
        }
        let incidents = store::incidents::active_after(tx, Id(cursor), AUDITED_PER_RUN)?;
        let ids: Vec<Id> = incidents.iter().map(|it| it.id).collect();
        let mut known: HashMap<Id, Escalating> =
            store::escalations::of(tx, &ids)?.into_iter().map(|it| (it.incident, it)).collect();
        let mut due = None;
        for incident in incidents.iter().filter(|it| policy_of(self.live, it).is_some()) {
            let row = known.remove(&incident.id);
            due = [due, self.audit_one(tx, incident, row)?].into_iter().flatten().min();
        }
        let full = incidents.len() as i64 == AUDITED_PER_RUN;
        let next = incidents.last().filter(|_| full).map_or(0, |it| it.id.0);
        store::rules::set_version(tx, AUDITED_TO, next)?;
        if !full {
            store::rules::set_version(tx, AUDITED_AT, self.now.0)?;
        }
        Ok(due)
    }

    fn audit_one(
        &mut self,
        tx: &mut Tx<'_>,
        incident: &Incident,
        row: Option<Escalating>,
    ) -> Result<Option<Time>> {
        let started = row.as_ref().filter(|it| it.policy != NO_POLICY);
        // what is kept back is looked at later than its step says
        let state = started.map(|it| Escalation { due: it.due_at, ..it.state });
        let why = match audit(incident, state.as_ref(), self.now, GRACE) {
            None => return Ok(None),
            Some(Finding::NotStarted) => {
                let begun = self.begin(tx, incident, row.as_ref())?;
                let Some(mut begun) = begun.filter(|it| row.as_ref() != Some(it)) else { return Ok(None) };
                self.look_at(tx, &[incident])?;
                self.apply(tx, &mut begun, Input::Deadline, incident)?;
                store::escalations::put(tx, &begun)?;
                return Ok(begun.due_at);
            }
            Some(Finding::NoNextStep { .. }) => "there is no next step".to_owned(),
            Some(Finding::Overdue { due }) => format!("its next step was due at {due}"),
        };
        // what somebody knows already is not said every minute
        if !self.is_known(tx, incident, Trouble::Stuck)? {
            self.alarm(incident, Trouble::Stuck, &why);
        }
        Ok(None)
    }
}
