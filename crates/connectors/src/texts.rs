//! Templates in more shapes than a text: secrets that are worked out for each message, texts that are HTML
//! or not by another setting, and whole trees of values.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sdk::http::parse_url;
use sdk::secret::{REDACTED, SCHEMA_MARK};
use sdk::{Message, Secret};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::template::{Html, Plain, Template};
use crate::words::Words;

/// A secret that may be a template, such as a key that depends on a label. What comes of it is a secret, too.
pub struct SecretText(Template<Plain>);

impl SecretText {
    /// The secret for a message. Who sends it hides it in the answer ([`sdk::Answer::hiding`]).
    ///
    /// # Errors
    /// When the template does not come to an end, or there is nothing; in words that begin with the field.
    pub fn say(&self, field: &str, words: &Words<'_>) -> Result<Secret, String> {
        let text = words.exactly(field, Some(&self.0))?.unwrap_or_default();
        match text.trim() {
            "" => Err(format!("{field}: is empty")),
            text => Ok(Secret::new(text)),
        }
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Template::deserialize(deserializer).map(SecretText)
    }
}

impl JsonSchema for SecretText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretText".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Template::<Plain>::json_schema(generator);
        schema.insert("format".to_owned(), "password".into());
        schema.insert(SCHEMA_MARK.to_owned(), true.into());
        schema
    }
}

/// A URL that counts as secret: as it is written, whatever signs are in it, or `{ go = "…" }` where it depends on
/// the message.
#[derive(Debug)]
pub enum SecretUrl {
    /// Always the same.
    Fixed(Secret),
    /// Worked out for each message.
    Made(SecretText),
}

impl SecretUrl {
    /// Whether it can be used, as far as that can be said before there is a message.
    ///
    /// # Errors
    /// In words that begin with the field.
    pub fn check(&self, field: &str) -> Result<(), String> {
        match self {
            SecretUrl::Fixed(url) => {
                parse_url(url.expose()).map(drop).map_err(|bad| format!("{field}: {bad}"))
            }
            SecretUrl::Made(_) => Ok(()),
        }
    }

    /// The URL for a message. Who sends there hides it in the answer ([`sdk::Answer::hiding`]).
    ///
    /// # Errors
    /// As [`SecretText::say`].
    pub fn say(&self, field: &str, message: &Message) -> Result<Secret, String> {
        match self {
            SecretUrl::Fixed(url) => Ok(url.clone()),
            SecretUrl::Made(template) => template.say(field, &Words::of(message)),
        }
    }
}

impl<'de> Deserialize<'de> for SecretUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(SecretUrl::Fixed(Secret::new(text))),
            made => SecretText::deserialize(made).map(SecretUrl::Made).map_err(serde::de::Error::custom),
        }
    }
}

impl JsonSchema for SecretUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretUrl".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        SecretText::json_schema(generator)
    }
}

/// A template of which another setting says whether it writes HTML.
pub struct TextOrHtml {
    text: Template<Plain>,
    html: Template<Html>,
}

impl TextOrHtml {
    /// What it says; nothing where it fails on the message.
    pub fn say(&self, field: &str, as_html: bool, words: &Words<'_>) -> Option<String> {
        match as_html {
            true => words.say(field, Some(&self.html)),
            false => words.say(field, Some(&self.text)),
        }
    }
}

impl fmt::Debug for TextOrHtml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl<'de> Deserialize<'de> for TextOrHtml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = Value::deserialize(deserializer)?;
        let bad = serde::de::Error::custom;
        let text = Template::deserialize(&source).map_err(bad)?;
        let html = Template::deserialize(&source).map_err(bad)?;
        Ok(TextOrHtml { text, html })
    }
}

impl JsonSchema for TextOrHtml {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Template::<Plain>::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Template::<Plain>::json_schema(generator)
    }
}

/// A value of any shape, in which every text is a template.
#[derive(Debug)]
pub enum Tree {
    /// A template. When what it says is JSON other than a text, it is taken as such.
    Text(Box<Template<Plain>>),
    /// Trees by name.
    Table(BTreeMap<String, Tree>),
    /// Trees in a row.
    List(Vec<Tree>),
    /// A number, yes or no, or nothing.
    Bare(Value),
}

/// What a template at a field says.
type Say<'a, E> = dyn Fn(&str, &Template<Plain>) -> Result<Option<String>, E> + 'a;

impl Tree {
    /// The value for a message. A text whose template fails on it is empty.
    pub fn say(&self, field: &str, words: &Words<'_>) -> Value {
        match self.made(field, &|field, template| Ok::<_, Infallible>(words.say(field, Some(template)))) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// The value for a message.
    ///
    /// # Errors
    /// As [`Words::exactly`].
    pub fn exactly(&self, field: &str, words: &Words<'_>) -> Result<Value, String> {
        self.made(field, &|field, template| words.exactly(field, Some(template)))
    }

    fn made<E>(&self, field: &str, say: &Say<'_, E>) -> Result<Value, E> {
        match self {
            Tree::Text(template) => {
                let text = say(field, template)?.unwrap_or_default();
                Ok(match serde_json::from_str(&text) {
                    Ok(Value::String(_) | Value::Null) | Err(_) => Value::String(text),
                    Ok(value) => value,
                })
            }
            Tree::Table(entries) => {
                let entries = entries
                    .iter()
                    .map(|(name, tree)| Ok((name.clone(), tree.made(&format!("{field}.{name}"), say)?)));
                entries.collect::<Result<_, E>>().map(Value::Object)
            }
            Tree::List(items) => {
                let items =
                    items.iter().enumerate().map(|(n, tree)| tree.made(&format!("{field}[{n}]"), say));
                items.collect::<Result<_, E>>().map(Value::Array)
            }
            Tree::Bare(value) => Ok(value.clone()),
        }
    }

    fn of<E: serde::de::Error>(value: Value) -> Result<Self, E> {
        let is_template = |fields: &serde_json::Map<String, Value>| {
            fields.len() == 1 && fields.get("go").is_some_and(Value::is_string)
        };
        let template = |source: Value| {
            let template = Template::deserialize(&source).map_err(E::custom)?;
            Ok(Tree::Text(Box::new(template)))
        };
        match value {
            Value::String(_) => template(value),
            Value::Object(fields) if is_template(&fields) => template(Value::Object(fields)),
            Value::Object(fields) => {
                let entries = fields.into_iter().map(|(name, value)| Ok((name, Tree::of(value)?)));
                entries.collect::<Result<_, E>>().map(Tree::Table)
            }
            Value::Array(items) => items.into_iter().map(Tree::of).collect::<Result<_, E>>().map(Tree::List),
            bare => Ok(Tree::Bare(bare)),
        }
    }
}

// the value is there already, so it is no deeper than its reader allows
impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Tree::of(Value::deserialize(deserializer)?)
    }
}

impl JsonSchema for Tree {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tree".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use serde_json::json;

    #[test]
    fn every_text_of_a_tree_is_a_template() {
        let message = messages::firing();
        let words = Words::of(&message);
        let tree = json!({
            "team": "{{ labels.team }}", "deep": [{"n": "{{ alerts | length }}"}, 7, null, true],
            "labels": "{{ alerts[0].labels | json }}", "text": "\"{{ kind }}\"", "none": "{{ labels.nope }}",
        });
        let said = serde_json::from_value::<Tree>(tree).unwrap().say("details", &words);
        assert_eq!(said["team"], "db");
        assert_eq!(said["deep"], json!([{"n": 2}, 7, null, true]));
        assert_eq!(said["labels"]["instance"], "db1:9100");
        assert_eq!((&said["text"], &said["none"]), (&json!("\"firing\""), &json!("")));
        let bad = serde_json::from_value::<Tree>(json!({"a": ["{{ nobody }}"]})).unwrap_err().to_string();
        assert!(bad.contains("there is no \"nobody\" here"), "{bad}");
    }

    #[test]
    fn a_secret_may_be_worked_out_and_is_never_shown_nor_empty() {
        let message = messages::firing();
        let words = Words::of(&message);
        let secret: SecretText = serde_json::from_value(json!("key-of-{{ labels.team }} ")).unwrap();
        assert_eq!(secret.say("key", &words).unwrap().expose(), "key-of-db");
        assert_eq!(format!("{secret:?}"), REDACTED);
        let secret: SecretText = serde_json::from_value(json!("{{ labels.nope }}")).unwrap();
        assert_eq!(secret.say("key", &words).unwrap_err(), "key: is empty");
    }

    #[test]
    fn a_text_is_html_when_it_is_told_so() {
        let message = messages::firing();
        let words = Words::of(&message);
        let text: TextOrHtml = serde_json::from_value(json!("<b>{{ '<' }}</b>")).unwrap();
        assert_eq!(text.say("message", true, &words).unwrap(), "<b>&lt;</b>");
        assert_eq!(text.say("message", false, &words).unwrap(), "<b><</b>");
    }
}
