//! What some incidents have besides: more that a registered source says of them, and what people add.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::Id;
use crate::time::Time;

/// Acknowledgements that an incident remembers; of more, those are forgotten first that have run out.
pub const MAX_ACKNOWLEDGEMENTS: usize = 100;

/// When an incident is told of, apart from what routes say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Telling {
    /// As routes have it: when it begins, and again as long as it lasts.
    #[default]
    Always,
    /// When something new is said of it, and never again and again: an error that came once is not wrong for ever.
    Once,
    /// Not at all at the moment: nothing has said yet that it is worth a word, or somebody does not want to hear of it.
    Quiet,
}

impl Telling {
    fn is_always(&self) -> bool {
        *self == Telling::Always
    }
}

/// What an incident has besides. Most have nothing of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extra {
    /// The registered source that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Id>,
    /// What kind of system that is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source_kind: String,
    /// What that source calls it; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Whether it is something that happened, and has no end that anybody could tell.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stateless: bool,
    /// When it is told of.
    #[serde(skip_serializing_if = "Telling::is_always")]
    pub telling: Telling,
    /// Where the ticket about it is; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ticket_url: String,
    /// Tags: all that a registered source gave, or those that people added to the labels of another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<AddedTag>,
    /// What programs keep with it, as an object.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub metadata: Value,
    /// Who took it and until when, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acknowledgements: Vec<Acknowledgement>,
    /// How many things that plugins did led to each other before it came to be as it is; 0: what was last said of it,
    /// or done to it, came from outside.
    #[serde(skip_serializing_if = "crate::event::is_none")]
    pub chain: u32,
}

/// A tag, `key=value`, and who put it there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedTag {
    /// The tag as it is written.
    pub tag: String,
    /// The user who added it; `Id(0)`: nobody that is known.
    pub by: Id,
    /// When.
    pub at: Time,
}

/// Somebody's word that they look after it. Of several, the one that lasts longest counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// When they said so, as the line of the timeline has it.
    pub at: Time,
    /// Until when; `None`: until it is over.
    pub until: Option<Time>,
}

impl Acknowledgement {
    /// Whether it has not run out.
    pub fn stands(&self, at: Time) -> bool {
        self.until.is_none_or(|until| until > at)
    }
}

impl Extra {
    /// The acknowledgement that counts.
    pub(crate) fn counting(&self, at: Time) -> Option<&Acknowledgement> {
        let standing = self.acknowledgements.iter().filter(|it| it.stands(at));
        standing.max_by_key(|it| it.until.unwrap_or(Time::MAX))
    }

    /// Adds one in place of those that the same person gave before.
    pub(crate) fn acknowledge(&mut self, new: Acknowledgement) {
        let at = new.at;
        self.end_acknowledgements(at, |it| it.by == new.by);
        if self.acknowledgements.len() >= MAX_ACKNOWLEDGEMENTS {
            let oldest = self.acknowledgements.iter().position(|it| !it.stands(at)).unwrap_or(0);
            self.acknowledgements.remove(oldest);
        }
        self.acknowledgements.push(new);
    }

    /// Ends those that stand and are meant.
    pub(crate) fn end_acknowledgements(&mut self, at: Time, meant: impl Fn(&Acknowledgement) -> bool) {
        for it in self.acknowledgements.iter_mut().filter(|it| it.stands(at) && meant(it)) {
            it.until = Some(at);
        }
    }
}

/// What somebody changes of an incident: what is not given stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edit {
    /// The line that people read, and more of it than fits into one.
    pub description: Option<String>,
    /// How bad it is.
    pub severity: Option<crate::Severity>,
    /// Where it came from; may be empty.
    pub link: Option<String>,
    /// Where the ticket about it is; may be empty.
    pub ticket_url: Option<String>,
    /// What programs keep with it.
    pub metadata: Option<Value>,
    /// All of [`Extra::tags`]. Those that are there already keep who added them, and when.
    pub tags: Option<Vec<AddedTag>>,
    /// Whose tags `tags` are all of: those of others stay. `None`: everybody's.
    pub tags_of: Option<Id>,
    /// One more of them, whatever the others are by then.
    pub new_tag: Option<AddedTag>,
    /// One that goes, whatever the others are by then.
    pub old_tag: Option<String>,
    /// Until when an acknowledgement of this person and time is good.
    pub acknowledgement: Option<Acknowledgement>,
    /// That something has changed, in words; may be empty.
    pub remark: String,
}
