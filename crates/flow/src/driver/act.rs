//! What people do to incidents, as the hub is asked for it.

use model::Time;
use model::incident::Input;

/// Something that a person does to an incident, with everything it needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Takes it.
    Acknowledge {
        /// Who.
        by: String,
        /// Until when; `None`: until it is over.
        until: Option<Time>,
        /// Why.
        note: String,
    },
    /// Gives it back.
    Unacknowledge {
        /// Who.
        by: String,
    },
    /// Says that it is over.
    Resolve {
        /// Who.
        by: String,
        /// Why.
        note: String,
    },
    /// Puts it off.
    Snooze {
        /// Who.
        by: String,
        /// Until when.
        until: Time,
        /// Why.
        note: String,
    },
    /// Says something about it.
    Note {
        /// Who.
        by: String,
        /// What.
        text: String,
    },
}

impl Act {
    /// As the state machine takes it.
    pub fn input(&self) -> Input<'_> {
        match self {
            Act::Acknowledge { by, until, note } => Input::Acknowledge { by, until: *until, note },
            Act::Unacknowledge { by } => Input::Unacknowledge { by },
            Act::Resolve { by, note } => Input::Resolve { by, note },
            Act::Snooze { by, until, note } => Input::Snooze { by, until: *until, note },
            Act::Note { by, text } => Input::Note { by, text },
        }
    }
}
