//! What rings when somebody is paged, as they said themselves.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::MAX_WAIT;
use crate::id::Id;
use crate::refusal::{self, Refusal};
use crate::severity::Severity;
use crate::time::{Time, span};

/// Contacts of one person for one urgency.
pub const MAX_CONTACTS: usize = 32;

/// How urgent a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// Wake them.
    High,
    /// They should know.
    Low,
}

impl Urgency {
    /// Errors and what is critical are of high urgency.
    pub fn of(severity: Severity) -> Urgency {
        if severity >= Severity::Error { Urgency::High } else { Urgency::Low }
    }
}

/// What rings when somebody is paged: "at once by push, after five minutes by SMS, after ten by phone".
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContactRules {
    /// For pages of high urgency.
    pub high: Vec<Contact>,
    /// For pages of low urgency.
    pub low: Vec<Contact>,
}

/// One thing that rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// How long after the page; it does not ring when the incident was taken by then.
    #[serde(default, with = "span")]
    pub after: Duration,
    /// The id of a destination of theirs.
    pub destination: Id,
    /// Whether it stands in for another: it does not ring when an earlier one of this page was delivered for sure.
    #[serde(default)]
    pub unless_confirmed: bool,
}

/// Something that rings at some time, unless the incident was taken by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    /// When.
    pub at: Time,
    /// Where.
    pub destination: Id,
    /// Whether it is left out when an earlier one of this page was delivered for sure.
    pub unless_confirmed: bool,
}

impl ContactRules {
    /// Everything that rings for a page, by time. Who has no rule for this urgency is told at once at all of
    /// `destinations`: theirs that can be used.
    pub fn rings(&self, urgency: Urgency, paged_at: Time, destinations: &[Id]) -> Vec<Ring> {
        let contacts = match urgency {
            Urgency::High => &self.high,
            Urgency::Low => &self.low,
        };
        // a destination that is gone must not leave its person without a page
        let usable = contacts.iter().filter(|contact| destinations.contains(&contact.destination));
        let mut rings: Vec<Ring> = usable
            .map(|it| Ring {
                at: paged_at + it.after,
                destination: it.destination,
                unless_confirmed: it.unless_confirmed,
            })
            .collect();
        if rings.is_empty() {
            let all = destinations.iter().copied();
            rings.extend(all.map(|destination| Ring { at: paged_at, destination, unless_confirmed: false }));
        }
        rings.sort_by_key(|ring| ring.at);
        rings
    }

    /// Whether they can be used; `owns` knows the destinations of their person.
    ///
    /// # Errors
    /// The first thing that is wrong, naming the field.
    pub fn check(&self, owns: &dyn Fn(Id) -> bool) -> Result<(), Refusal> {
        for (name, contacts) in [("high", &self.high), ("low", &self.low)] {
            refusal::at_most(name, contacts.len(), MAX_CONTACTS)?;
            for (n, contact) in contacts.iter().enumerate() {
                if contact.after > MAX_WAIT {
                    let [given, most] = [contact.after, MAX_WAIT].map(span::format);
                    return Err(Refusal::new(
                        format!("{name}[{n}].after"),
                        format!("is {given}; the longest is {most}"),
                    ));
                }
                if !owns(contact.destination) {
                    return Err(Refusal::new(format!("{name}[{n}].destination"), "is none of yours"));
                }
            }
        }
        Ok(())
    }
}
