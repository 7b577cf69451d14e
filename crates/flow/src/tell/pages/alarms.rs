//! Something about pages that somebody has to know: an incident of its own, which ends with the one it is about.

use model::escalation::{Alarm, Unreached};
use model::event::{Action, NewEvent};
use model::{Id, Incident, Labels, Severity};
use store::{Result, Tx};

use super::{Run, SOURCE};

/// What can be wrong. Each is an incident for itself: that one is known says nothing of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    FindsNobody,
    Exhausted,
    Stuck,
}

impl Trouble {
    const ALL: [Trouble; 3] = [Trouble::FindsNobody, Trouble::Exhausted, Trouble::Stuck];

    fn name(self) -> &'static str {
        match self {
            Trouble::FindsNobody => "PageFindsNobody",
            Trouble::Exhausted => "EscalationExhausted",
            Trouble::Stuck => "EscalationStuck",
        }
    }

    fn title(self, incident: &Incident) -> String {
        let about = &incident.title;
        match self {
            Trouble::FindsNobody => format!("Paging finds nobody for {about}"),
            Trouble::Exhausted => format!("Nobody has taken {about}"),
            Trouble::Stuck => format!("Paging does not go on for {about}"),
        }
    }

    fn key(self, incident: Id) -> String {
        match self {
            Trouble::FindsNobody => format!("escalation:{incident}"),
            Trouble::Exhausted => format!("escalation:{incident}:exhausted"),
            Trouble::Stuck => format!("escalation:{incident}:stuck"),
        }
    }

    /// What is wrong, with the reasons in words.
    pub(super) fn of(alarm: &Alarm, policy: &str) -> (Trouble, String) {
        match alarm {
            Alarm::NobodyReached { step, targets, fallback, .. } => {
                let then = if *fallback { "its fall-back was paged" } else { "nobody was paged" };
                let why = Unreached::list(targets.iter().map(|(_, why)| *why));
                let why = if why.is_empty() { why } else { format!(" ({why})") };
                let step = step + 1;
                (Trouble::FindsNobody, format!("step {step} of policy {policy} reaches nobody{why}; {then}"))
            }
            Alarm::Exhausted { reached, .. } => {
                let why = format!(
                    "all steps of policy {policy} are done, {reached} pages went out, and nobody took it"
                );
                (Trouble::Exhausted, why)
            }
        }
    }
}

impl Run<'_> {
    pub(super) fn alarm(&mut self, incident: &Incident, trouble: Trouble, why: &str) {
        let mut labels: Labels = incident.labels.clone();
        labels.set("alertname", trouble.name());
        labels.set("incident", incident.id.to_string());
        let description = format!("{}: {why}", incident.title);
        self.alarms.push(NewEvent {
            key: trouble.key(incident.id),
            severity: Some(Severity::Critical),
            title: trouble.title(incident),
            annotations: [("description", description.as_str())].into_iter().collect(),
            ..NewEvent::raise(SOURCE, labels)
        });
    }

    pub(super) fn is_known(&self, tx: &mut Tx<'_>, incident: &Incident, trouble: Trouble) -> Result<bool> {
        store::incidents::is_active(tx, &trouble.key(incident.id))
    }

    /// What was wrong about pages is over.
    pub(super) fn all_clear(&mut self, tx: &mut Tx<'_>, incident: &Incident) -> Result<()> {
        for trouble in Trouble::ALL {
            if self.is_known(tx, incident, trouble)? {
                let (key, labels) = (trouble.key(incident.id), Labels::new());
                let clear = NewEvent::raise(SOURCE, labels);
                self.alarms.push(NewEvent { key, action: Action::Clear, ..clear });
            }
        }
        Ok(())
    }
}
