//! What travels beside events: what users say is kept, check-ins are pings of heartbeats, and the rest is counted.

use flow::errors::said::Said;
use serde_json::json;
use tracker::items::{self, CheckIn, CheckInStatus, ClientReport, Feedback};
use tracker::{Envelope, Item, ItemKind};

use super::No;
use crate::app::App;

/// Takes in everything but events.
pub(super) async fn take(app: &App, project: i64, envelope: &Envelope) -> Result<(), No> {
    let count = |what: &str, times: u64| {
        app.hub.core.tally.add(project, what, i64::try_from(times).unwrap_or(i64::MAX));
    };
    for (what, times) in &envelope.dropped {
        count(what, *times);
    }
    for item in &envelope.items {
        let taken = match item.kind {
            ItemKind::Event | ItemKind::Security => Some("second event"),
            ItemKind::Feedback | ItemKind::UserReport => match items::feedback(&item.payload) {
                Some(said) => Some(feedback(app, project, envelope, item, said).await?),
                None => None,
            },
            ItemKind::CheckIn => match items::check_in(&item.payload) {
                Some(said) => Some(check_in(app, &said).await?),
                None => None,
            },
            ItemKind::ClientReport => match items::client_report(&item.payload) {
                Some(said) => {
                    losses(&said, count);
                    continue;
                }
                None => None,
            },
        };
        // one that cannot be read is no reason to refuse what came with it
        count(taken.unwrap_or("malformed"), 1);
    }
    Ok(())
}

async fn feedback(
    app: &App,
    project: i64,
    around: &Envelope,
    item: &Item,
    said: Feedback,
) -> Result<&'static str, No> {
    // in its present form it is an event itself, whose id the envelope has
    let of_envelope = || around.header.event_id.clone().filter(|_| item.kind == ItemKind::UserReport);
    let words = json!({ "name": said.name, "email": said.email, "comments": said.comments, "url": said.url });
    let event_id = said.event_id.or_else(of_envelope).unwrap_or_default();
    let said = Said { event_id, words: words.to_string() };
    app.hub.feedback(project, said).await.map_err(|error| No::Unavailable(error.to_string()))?;
    Ok("feedback")
}

/// A job says how it is: done is a ping of the heartbeat of its name, failed is a ping that was missed, and begun is
/// nothing yet.
async fn check_in(app: &App, said: &CheckIn) -> Result<&'static str, No> {
    let heard = match said.status {
        CheckInStatus::Ok => app.hub.beat(&said.monitor).await,
        CheckInStatus::Error => app.hub.fail(&said.monitor).await,
        CheckInStatus::InProgress => return Ok("check_in"),
    };
    let heard = heard.map_err(|error| No::Unavailable(error.to_string()))?;
    Ok(if heard { "check_in" } else { "check_in without heartbeat" })
}

/// What a client did not send, as it counts it.
fn losses(said: &ClientReport, count: impl Fn(&str, u64)) {
    for ((reason, category), times) in &said.discarded {
        count(&format!("lost by client: {category} {reason}"), *times);
    }
}
