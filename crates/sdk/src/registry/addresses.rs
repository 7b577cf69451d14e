//! Where people are reached: what their own destinations say, and whose account they go through.

use serde_json::Value;

use super::{BadSettings, Registry, field_error};

/// How a kind says where people are reached ([`crate::Destination::ADDRESS`], [`crate::Destination::address`]).
#[derive(Clone, Copy)]
pub(super) struct Addressing {
    pub(super) fields: &'static [&'static str],
    pub(super) read: fn(&mut Value) -> Result<Option<String>, String>,
    pub(super) is_account: fn(&str) -> bool,
}

impl Registry {
    /// The settings of a kind that say where somebody is reached, and nothing of through whose account.
    pub fn address_fields(&self, kind: &str) -> &'static [&'static str] {
        self.addressing.get(kind).map_or(&[], |it| it.fields)
    }

    /// Where a person's own settings reach them, as [`crate::Destination::address`] has it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn address(&self, kind: &str, settings: &mut Value) -> Result<Option<String>, BadSettings> {
        let Some(it) = self.addressing.get(kind) else { return Ok(None) };
        (it.read)(settings).map_err(field_error)
    }

    /// Whether an address is one person's own account there, as [`crate::Destination::is_account`] has it.
    pub fn is_account(&self, kind: &str, address: &str) -> bool {
        self.addressing.get(kind).is_some_and(|it| (it.is_account)(address))
    }

    /// A person's own settings with those of the hub's account beneath them, where they say no more than where the
    /// person is reached. Whoever brings as little as a port of their own brings all of it: else the hub's secrets
    /// would go where they want.
    pub fn with_account(&self, kind: &str, own: &Value, account: Option<&Value>) -> Value {
        let fields = self.address_fields(kind);
        let (Some(said), Some(Value::Object(account))) = (own.as_object(), account) else {
            return own.clone();
        };
        if fields.is_empty() || said.keys().any(|name| !fields.contains(&name.as_str())) {
            return own.clone();
        }
        let mut all = account.clone();
        all.retain(|name, _| !fields.contains(&name.as_str()));
        all.extend(said.clone());
        Value::Object(all)
    }
}
