//! Headers of one's own: names with one value or several.

use std::fmt;

use reqwest::header::{HeaderName, HeaderValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::secret::Secret;

/// Headers that are not for the settings to choose, with what chooses them.
const OWN_HEADERS: [(&str, &str); 5] = [
    ("content-type", "is what the message's form says"),
    ("idempotency-key", "is the hub's own"),
    ("x-nightbell-signature", "is the hub's own"),
    ("content-length", "is worked out"),
    ("transfer-encoding", "is worked out"),
];

/// What a header says: a text, or a list of texts to be sent one by one. All of it counts as secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Values(Vec<Secret>);

impl Values {
    /// The values.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Secret::expose)
    }
}

impl From<Secret> for Values {
    fn from(value: Secret) -> Self {
        Values(vec![value])
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Values, E> {
                Ok(Values(vec![Secret::new(text)]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Values, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element()? {
                    values.push(value);
                }
                Ok(Values(values))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Values {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HeaderValues".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let secret = generator.subschema_for::<Secret>();
        json_schema!({ "anyOf": [secret, { "type": "array", "items": secret }] })
    }
}

/// Whether a header of the settings can be sent.
pub(super) fn check(name: &str, values: &Values) -> Result<(), String> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("headers.{name}: is no name of a header"))?;
    if values.iter().any(|value| HeaderValue::from_str(value).is_err()) {
        return Err(format!("headers.{name}: cannot stand in a header"));
    }
    match OWN_HEADERS.iter().find(|(own, _)| name.eq_ignore_ascii_case(own)) {
        Some((_, why)) => Err(format!("headers.{name}: {why}")),
        None => Ok(()),
    }
}
