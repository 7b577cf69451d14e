//! What travels beside events: what users say is kept, check-ins are pings of heartbeats, and the rest is counted.

use flow::errors::said::Said;
use flow::tracked::projects::ProjectInForce;
use serde_json::json;
use tracker::items::{self, CheckIn, CheckInStatus, ClientReport, Feedback};
use tracker::{Envelope, Item, ItemKind};

use super::No;
use crate::app::App;

/// Takes in everything but events.
pub(super) async fn take(app: &App, project: &ProjectInForce, envelope: &Envelope) -> Result<(), No> {
    let number = project.project.id;
    let mut said = Vec::new();
    let count = |what: &str, times: u64| {
        app.hub.core.tally.add(number, what, i64::try_from(times).unwrap_or(i64::MAX));
    };
    for (what, times) in &envelope.dropped {
        count(what, *times);
    }
    for item in &envelope.items {
        let taken = match item.kind {
            ItemKind::Event | ItemKind::Security => Some("second event"),
            ItemKind::Feedback | ItemKind::UserReport => match items::feedback(&item.payload) {
                Some(it) => {
                    said.push(words(project, envelope, item, it));
                    Some("feedback")
                }
                None => None,
            },
            ItemKind::CheckIn => match items::check_in(&item.payload) {
                Some(said) => Some(check_in(app, project, &said).await?),
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
    if said.is_empty() {
        return Ok(());
    }
    app.hub.feedback(number, said).await.map_err(|error| No::Unavailable(error.to_string()))
}

/// What a user says, without what is nobody's business. Who it is stays: they want an answer.
fn words(project: &ProjectInForce, around: &Envelope, item: &Item, mut said: Feedback) -> Said {
    project.scrubber.scrub_text(&mut said.comments);
    said.url.iter_mut().for_each(|url| project.scrubber.scrub_text(url));
    // in its present form it is an event itself, whose id the envelope has
    let of_envelope = || around.header.event_id.clone().filter(|_| item.kind == ItemKind::UserReport);
    let words = json!({ "name": said.name, "email": said.email, "comments": said.comments, "url": said.url });
    let event_id = said.event_id.or_else(of_envelope).unwrap_or_default();
    Said { event_id, words: words.to_string() }
}

/// A job says how it is: done is a ping of the heartbeat of its name, failed is a ping that was missed, and begun is
/// nothing yet. A heartbeat that is of another project hears nothing of it.
async fn check_in(app: &App, project: &ProjectInForce, said: &CheckIn) -> Result<&'static str, No> {
    let live = app.hub.core.live();
    let of = live.heartbeats.iter().find(|it| it.name == said.monitor).map(|it| it.project.as_str());
    if of.is_some_and(|of| !of.is_empty() && !project.project.is_named(of)) {
        return Ok("check_in of another project's heartbeat");
    }
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
