//! Why something that people wrote cannot be taken.

use serde::Serialize;

/// What is wrong with something that a person wrote: where, and what would be right. Each door shows it in the shape
/// of its own errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Refusal {
    /// The field as it is called in JSON, such as `layers[1].participants`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl Refusal {
    /// A refusal of this field.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Refusal {
        Refusal { field: field.into(), reason: reason.into() }
    }

    /// The same, of a field that lies within another.
    pub fn within(self, outer: &str) -> Refusal {
        let dot = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        Refusal { field: format!("{outer}{dot}{}", self.field), ..self }
    }
}

/// Refuses a list that is longer than it may be.
pub fn at_most(field: &str, count: usize, limit: usize) -> Result<(), Refusal> {
    if count <= limit {
        return Ok(());
    }
    Err(Refusal::new(field, format!("has {count} entries, the limit is {limit}")))
}

/// Bytes of a name that people give to something.
pub const MAX_NAME_BYTES: usize = 200;

/// Refuses a name that is empty, too long or cannot be kept.
pub fn name(field: &str, name: &str) -> Result<(), Refusal> {
    match () {
        () if name.trim().is_empty() => Err(Refusal::new(field, "is empty; give it a name")),
        () if name.contains('\0') => Err(Refusal::new(field, "contains a NUL byte")),
        () if name.len() > MAX_NAME_BYTES => {
            Err(Refusal::new(field, format!("has {} bytes, the limit is {MAX_NAME_BYTES}", name.len())))
        }
        () => Ok(()),
    }
}
