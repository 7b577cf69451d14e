//! Something to be told, and the surroundings in which it is.

use std::sync::Arc;
use std::time::Duration;

use model::notification::Reason;
use model::{Labels, Notification, Time};
use sdk::{Context, Message};

/// So long, and wherever to.
pub fn context(timeout: Duration) -> Context {
    let guard = sdk::http::Guard { allow_private: true, allow: Vec::new() };
    Context {
        http: sdk::http::Http::new(guard).unwrap(),
        inbox: Arc::new(NoInbox),
        now: Time::from_seconds(1_700_000_000),
        timeout,
        destination: "ops/stress/0".to_owned(),
        people: Arc::default(),
    }
}

struct NoInbox;

impl sdk::Inbox for NoInbox {
    fn keep(&self, _: &str, _: &Message, _: Time) -> futures::future::BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

/// A message with this title.
pub fn message(title: &str) -> Message {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let key = format!("key-{}", NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let notification = Notification {
        idempotency_key: key,
        reason: Reason::First,
        receiver: "ops".to_owned(),
        route: "root".to_owned(),
        group_key: "{}:{}".to_owned(),
        group_labels: Labels::default(),
        common_labels: Labels::default(),
        common_annotations: Labels::default(),
        external_url: "https://bell.example".to_owned(),
        alerts: Vec::new(),
        truncated: 0,
        storm: None,
        at: Time::from_seconds(1_700_000_000),
    };
    Message { title: title.to_owned(), ..Message::render(notification) }
}
