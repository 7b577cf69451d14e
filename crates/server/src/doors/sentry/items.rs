//! What travels beside events: what users say is kept, check-ins are pings of heartbeats, and the rest is counted.

use flow::errors::said::Said;
use serde_json::{Value, json};
use tracker::{Envelope, Item, ItemKind};

use super::No;
use crate::app::App;

/// Kinds of loss that one report of a client may count.
const MAX_LOSSES: usize = 100;
/// Characters of a word that is counted.
const MAX_WORD_CHARS: usize = 60;

/// Takes in everything but events.
pub(super) async fn take(app: &App, project: i64, envelope: &Envelope) -> Result<(), No> {
    for (what, times) in &envelope.dropped {
        app.hub.core.tally.add(project, what, i64::try_from(*times).unwrap_or(i64::MAX));
    }
    for item in &envelope.items {
        // one that cannot be read is no reason to refuse what came with it
        let read = tracker::json::parse(&tracker::json::text(&item.payload)).ok().map(|it| plain(&it));
        let Some(said) = read else {
            app.hub.core.tally.add(project, "malformed", 1);
            continue;
        };
        match item.kind {
            ItemKind::Event | ItemKind::Security => app.hub.core.tally.add(project, "second event", 1),
            ItemKind::Feedback | ItemKind::UserReport => {
                feedback(app, project, envelope, item, &said).await?
            }
            ItemKind::CheckIn => check_in(app, project, &said).await?,
            ItemKind::ClientReport => losses(app, project, &said),
        }
    }
    Ok(())
}

async fn feedback(app: &App, project: i64, around: &Envelope, item: &Item, said: &Value) -> Result<(), No> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let inner = &said["contexts"]["feedback"];
    let (event_id, words) = if item.kind == ItemKind::Feedback {
        let words = json!({
            "name": inner["name"], "email": inner["contact_email"], "comments": inner["message"], "url": inner["url"],
        });
        (text(&inner["associated_event_id"]), words)
    } else {
        let words = json!({ "name": said["name"], "email": said["email"], "comments": said["comments"] });
        (text(&said["event_id"]), words)
    };
    let event_id = tracker::normalise::event_id(&event_id).or_else(|| around.header.event_id.clone());
    let said = Said { event_id: event_id.unwrap_or_default(), words: words.to_string() };
    app.hub.feedback(project, said).await.map_err(|error| No::Unavailable(error.to_string()))?;
    app.hub.core.tally.add(project, "feedback", 1);
    Ok(())
}

/// A job says that it lives: a ping of the heartbeat of its name. One that failed is none, so that it is missed.
async fn check_in(app: &App, project: i64, said: &Value) -> Result<(), No> {
    let slug = said["monitor_slug"].as_str().unwrap_or_default();
    let is_good = said["status"] != "error";
    let heard = is_good && app.hub.beat(slug).await.map_err(|error| No::Unavailable(error.to_string()))?;
    app.hub.core.tally.add(project, if heard { "check_in" } else { "check_in without heartbeat" }, 1);
    Ok(())
}

/// What a client did not send, as it counts it.
fn losses(app: &App, project: i64, said: &Value) {
    let lists = ["discarded_events", "rate_limited_events", "filtered_events"];
    let all = lists.iter().flat_map(|list| said[*list].as_array().into_iter().flatten());
    for it in all.take(MAX_LOSSES) {
        let word = |name: &str| -> String {
            let text = it[name].as_str().unwrap_or("unknown");
            text.chars().filter(|c| c.is_ascii_graphic()).take(MAX_WORD_CHARS).collect()
        };
        let times = it["quantity"].as_i64().unwrap_or(1).max(0);
        app.hub.core.tally.add(
            project,
            &format!("lost by client: {} {}", word("category"), word("reason")),
            times,
        );
    }
}

/// The same as plain JSON: items beside events are small, and no deeper than their reader lets them be.
fn plain(value: &tracker::json::Value<'_>) -> Value {
    use tracker::json::Value as Read;
    match value {
        Read::Null | Read::Cut(_) => Value::Null,
        Read::Bool(it) => (*it).into(),
        Read::Int(it) => (*it).into(),
        Read::Float(it) => (*it).into(),
        Read::Text(it) => it.as_ref().into(),
        Read::List(all) => all.iter().map(plain).collect(),
        Read::Map(all) => all.iter().map(|(name, it)| (name.to_string(), plain(it))).collect(),
    }
}
