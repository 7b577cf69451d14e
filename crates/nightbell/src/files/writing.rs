//! What can be done on the files of a stopped server; it takes effect when the server starts.

use std::sync::Arc;

use flow::audit::{self, Signature};
use flow::verbs::{NewSilence, NotSilenced};
use model::Time;
use model::id::IdMaker;
use serde::Deserialize;
use serde_json::Value;
use store::Tx;

use super::accounts::somebody;
use super::{Found, id, none, reading, shown};
use crate::words;

#[derive(Deserialize)]
struct SilenceWish {
    matchers: Vec<String>,
    starts_at: Time,
    ends_at: Time,
    created_by: String,
    comment: String,
}

pub fn silence(tx: &mut Tx<'_>, body: &Value, node: i64) -> Found {
    let wish: SilenceWish = match serde_json::from_value(body.clone()) {
        Ok(wish) => wish,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let matchers = match reading::matchers(wish.matchers.iter().map(String::as_str)) {
        Ok(matchers) => matchers,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let new = NewSilence {
        id: String::new(),
        matchers,
        starts_at: wish.starts_at,
        ends_at: wish.ends_at,
        recurrence: None,
        created_by: wish.created_by,
        comment: wish.comment,
    };
    let now = words::now();
    match audit::silence(tx, &signature(node), new, fresh_uuid()) {
        Ok(id) => {
            let made = store::silences::get(tx, &id)?;
            Ok(made.map_or_else(
                || none("silence", &id),
                |it| shown(&server::views::silence::SilenceView::new(it, now)),
            ))
        }
        Err(NotSilenced::Store(error)) => Err(error),
        Err(bad) => Ok(Err(bad.to_string())),
    }
}

/// A random UUID (version 4), as Alertmanager's clients expect of a silence.
fn fresh_uuid() -> String {
    let bits: u128 = rand::random();
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

pub fn expire(tx: &mut Tx<'_>, id: &str, node: i64) -> Found {
    match audit::expire_silence(tx, &signature(node), id)? {
        None => Ok(none("silence", id)),
        Some(_) => Ok(Ok(Value::Null)),
    }
}

pub fn retry(tx: &mut Tx<'_>, text: &str, node: i64) -> Found {
    let done = audit::retry_delivery(tx, &signature(node), id(text))?;
    if done { reading::delivery(tx, text) } else { Ok(none("dead or buried delivery", text)) }
}

pub fn bury(tx: &mut Tx<'_>, text: &str, body: &Value, node: i64) -> Found {
    let note = body["note"].as_str().unwrap_or_default();
    let note = if note.is_empty() { "buried by a person" } else { note };
    let done = audit::bury_delivery(tx, &signature(node), id(text), note)?;
    if done { reading::delivery(tx, text) } else { Ok(none("pending or dead delivery", text)) }
}

/// Who does it, for the audit log.
fn signature(node: i64) -> Signature {
    let at = words::now();
    Signature { id: IdMaker::new(node).next(at), at, actor: Arc::new(somebody()), chain: 0 }
}
