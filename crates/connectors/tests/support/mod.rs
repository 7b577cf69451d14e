//! What the tests share: messages, scripted peers, and one line per destination that ties them together.
#![allow(dead_code, reason = "each test binary uses its own part of it")]

pub mod fixtures;
pub mod http_peer;
pub mod messages;
pub mod smtp_peer;
pub mod tcp_peer;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use model::Time;
use sdk::http::{Guard, Http};
use sdk::{Context, Message};
use serde_json::Value;

/// Half a minute after noon on a Saturday.
pub const NOW: Time = Time::from_seconds(1_794_657_630);

/// What every secret in the fixtures has in it.
pub const SECRET: &str = "s3cr3t";

/// A context that may talk to this machine, with time enough.
pub fn context() -> Context {
    context_with(Guard { allow_private: true, allow: Vec::new() }, Duration::from_secs(20))
}

/// A context for peers that never answer.
pub fn hasty_context() -> Context {
    context_with(Guard { allow_private: true, allow: Vec::new() }, Duration::from_millis(60))
}

/// A context as it is unless the operator allows more.
pub fn guarded_context() -> Context {
    context_with(Guard::default(), Duration::from_secs(20))
}

fn context_with(guard: Guard, timeout: Duration) -> Context {
    Context {
        http: Http::new(guard).unwrap(),
        inbox: Arc::new(Kept::default()),
        now: NOW,
        timeout,
        destination: "ops/fixture/0".to_owned(),
        people: Arc::default(),
    }
}

/// An inbox that remembers.
#[derive(Default)]
pub struct Kept(pub Mutex<Vec<String>>);

impl sdk::Inbox for Kept {
    fn keep(&self, destination: &str, message: &Message, at: Time) -> BoxFuture<'_, Result<(), String>> {
        let line = format!("{destination} at {at}: {}", serde_json::to_string_pretty(message).unwrap());
        self.0.lock().unwrap().push(line);
        Box::pin(async { Ok(()) })
    }
}

/// JSON in lines with its fields by name, anything else as it is.
pub fn readable(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => serde_json::to_string_pretty(&by_name(value)).unwrap(),
        Err(_) => text.to_owned(),
    }
}

/// serde_json keeps fields in order or does not, as some crate in the build may want it.
fn by_name(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let sorted: std::collections::BTreeMap<String, Value> = fields.into_iter().collect();
            sorted.into_iter().map(|(name, value)| (name, by_name(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(by_name).collect(),
        other => other,
    }
}
