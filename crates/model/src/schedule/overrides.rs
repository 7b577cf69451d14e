//! Overrides: what is otherwise than the layers say, for a while.

use serde::{Deserialize, Serialize};

use super::duty::{Duty, Why};
use crate::id::Id;
use crate::period::Period;
use crate::refusal::{self, Refusal};
use crate::time::Time;

/// Something that is otherwise than the layers say, for a while. Of several at once each sees what the ones before it
/// left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Its id, by which explanations name it.
    pub id: Id,
    /// From when.
    pub from: Time,
    /// Until when.
    pub until: Time,
    /// What is otherwise.
    pub act: Act,
    /// Why, in words of the one who made it; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What an override does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// This person is on call, and nobody else: also where nobody would be.
    Only {
        /// Who.
        user: Id,
    },
    /// When the one is on call, the other stands in.
    Replace {
        /// Who would be on call.
        user: Id,
        /// Who stands in.
        with: Id,
    },
    /// This person is on call in addition.
    Add {
        /// Who.
        user: Id,
    },
    /// This person is not on call. That may leave a gap.
    Remove {
        /// Who.
        user: Id,
    },
    /// When one of them is on call, the other is instead: both ways. For a swap of two shifts that are not next to one
    /// another make two replacements.
    Swap {
        /// One.
        one: Id,
        /// The other.
        other: Id,
    },
}

impl Act {
    /// Whom it names.
    pub fn people(self) -> impl Iterator<Item = (&'static str, Id)> {
        let (first, second) = match self {
            Act::Only { user } | Act::Add { user } | Act::Remove { user } => (("user", user), None),
            Act::Replace { user, with } => (("user", user), Some(("with", with))),
            Act::Swap { one, other } => (("one", one), Some(("other", other))),
        };
        std::iter::once(first).chain(second)
    }
}

impl Override {
    /// Whether it can be made; `exists` knows who is there.
    ///
    /// # Errors
    /// The first thing that is wrong, naming the field.
    pub fn check(&self, exists: &dyn Fn(Id) -> bool) -> Result<(), Refusal> {
        if self.until <= self.from {
            return Err(Refusal::new(
                "until",
                format!("is {}, which is not after from, {}", self.until, self.from),
            ));
        }
        refusal::at_most("note", self.note.len(), crate::limits::MAX_NOTE_BYTES)?;
        if let Some((field, _)) = self.act.people().find(|(_, user)| !exists(*user)) {
            return Err(Refusal::new(format!("act.{field}"), "there is no such user"));
        }
        match self.act {
            Act::Replace { user, with } if user == with => {
                Err(Refusal::new("act.with", "is the same as user; name who stands in"))
            }
            Act::Swap { one, other } if one == other => {
                Err(Refusal::new("act.other", "is the same as one; a swap takes two people"))
            }
            _ => Ok(()),
        }
    }

    /// When it is in force.
    pub fn period(&self) -> Period {
        Period::new(self.from, self.until)
    }

    /// Changes who is on call while it is in force.
    pub(super) fn apply(&self, people: &mut Vec<Duty>) {
        let duty = |user, instead_of| Duty { user, why: Why::Override { id: self.id, instead_of } };
        let stand_in = |people: &mut Vec<Duty>, user: Id, with: Id| {
            for it in people.iter_mut().filter(|it| it.user == user) {
                *it = duty(with, Some(user));
            }
        };
        match self.act {
            Act::Only { user } => *people = vec![duty(user, None)],
            Act::Replace { user, with } => stand_in(people, user, with),
            Act::Add { user } => people.push(duty(user, None)),
            Act::Remove { user } => people.retain(|it| it.user != user),
            Act::Swap { one, other } => {
                for it in people.iter_mut() {
                    match it.user {
                        user if user == one => *it = duty(other, Some(one)),
                        user if user == other => *it = duty(one, Some(other)),
                        _ => {}
                    }
                }
            }
        }
        // whoever is on call twice is so for the first reason
        let mut seen = Vec::with_capacity(people.len());
        people.retain(|it| {
            let new = !seen.contains(&it.user);
            seen.push(it.user);
            new
        });
    }
}
