//! Plugins' subscriptions: what they want to hear of, and how they are told.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use model::{Notice, Topic};
use plugin_protocol::calls::{Call as _, Events};
use plugin_protocol::limits::{EVENTS_TIME, MAX_PAYLOAD_BYTES};
use plugin_protocol::provides::{Subscription, covers};
use sdk::{Listener, Subscriber};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::chain::{self, Chain};
use crate::kinds::Find;
use crate::peer::{Terms, Unanswered};

/// Events in one call, unless the plugin says otherwise.
const BATCH: u32 = 64;
/// How long a batch waits for a plugin that is being started.
const STARTING: Duration = Duration::from_secs(5);

/// A subscription of a plugin, for the flow.
pub fn subscriber(plugin: &str, said: &Subscription, find: &Find) -> Subscriber {
    let wanted = |topic: &Topic| said.topics.iter().any(|pattern| covers(pattern, topic.name()));
    Subscriber {
        name: format!("{plugin}/{}", said.name),
        topics: Topic::ALL.into_iter().filter(wanted).collect(),
        batch: said.batch.unwrap_or(BATCH) as usize,
        batch_bytes: MAX_PAYLOAD_BYTES,
        listener: Arc::new(PluginEar {
            plugin: plugin.to_owned(),
            subscription: said.name.clone(),
            sources: said.sources.clone(),
            find: find.clone(),
        }),
    }
}

/// A plugin that listens.
struct PluginEar {
    plugin: String,
    subscription: String,
    sources: Vec<String>,
    find: Find,
}

#[derive(Serialize)]
struct Params<'a> {
    subscription: &'a str,
    events: Vec<Happening<'a>>,
}

#[derive(Serialize)]
struct Happening<'a> {
    topic: &'static str,
    id: model::Id,
    at: model::Time,
    data: &'a RawValue,
}

impl Listener for PluginEar {
    fn hear<'a>(&'a self, notices: &'a [Notice]) -> BoxFuture<'a, Result<usize, String>> {
        Box::pin(self.tell(notices))
    }

    fn lost(&self, count: u64) {
        if let Some(plugin) = (self.find)(&self.plugin) {
            let subscription = &self.subscription;
            plugin.journal.note(&format!(
                "{count} events for the subscription {subscription} were dropped, the oldest: too many waited"
            ));
        }
    }
}

impl PluginEar {
    async fn tell(&self, notices: &[Notice]) -> Result<usize, String> {
        // what it does not want to hear of it has heard
        let (all, notices) = (notices, alike(notices));
        let wanted: Vec<&Notice> = notices.iter().filter(|it| is_from(&self.sources, it)).collect();
        if wanted.is_empty() && !all.is_empty() {
            return Ok(notices.len());
        }
        let gone = || format!("the plugin {} does not run here", self.plugin);
        let plugin = (self.find)(&self.plugin).ok_or_else(gone)?;
        let running = plugin.ready(STARTING).await?;
        // its place is held until it has answered, however late
        let place = running.hearing(&self.subscription).try_acquire_owned();
        let place = place.map_err(|_| "the plugin has not answered the last batch yet".to_owned())?;
        let chain = Chain::of(notices.first().map_or(0, |first| chain::of_notice(&first.data)));
        let events = wanted.iter().map(|it| {
            let data = serde_json::from_str::<&RawValue>(&it.data).map_err(|error| error.to_string())?;
            Ok(Happening { topic: it.topic.name(), id: it.id, at: it.at, data })
        });
        let events = events.collect::<Result<Vec<_>, String>>()?;
        let params = Params { subscription: &self.subscription, events };
        let time = running.limits.at_most(EVENTS_TIME);
        let terms = Terms { permit: Some(place), chain: chain.clone(), ..Terms::within(time) };
        let answer = running.peer.ask_raw(Events::METHOD, &params, terms).await;
        let Err(why) = answer else { return Ok(notices.len()) };
        let (count, subscription) = (notices.len(), &self.subscription);
        let is_circle = matches!(why, Unanswered::Fault(_)) && chain.was_refused();
        let why = plugin.journal.hidden(why.to_string());
        let comes = if is_circle { "do not come again, since they lead in a circle" } else { "come again" };
        plugin.journal.note(&format!(
            "{count} events for the subscription {subscription} {comes}; they were not taken: {why}"
        ));
        if is_circle { Ok(count) } else { Err(why) }
    }
}

/// Whether a notice is none of an event, or of one that came in by one of these ways. One that is too big to be told
/// does not say.
fn is_from(sources: &[String], notice: &Notice) -> bool {
    #[derive(Deserialize)]
    struct Event {
        source: Option<String>,
    }
    if sources.is_empty() || notice.topic != Topic::EventAccepted {
        return true;
    }
    let source = serde_json::from_str::<Event>(&notice.data).ok().and_then(|event| event.source);
    source.is_none_or(|source| sources.contains(&source))
}

/// Those from the first on that are at the ends of equally long chains, so that what is refused because of one is not
/// refused because of another.
fn alike(notices: &[Notice]) -> &[Notice] {
    let mut lengths = notices.iter().map(|it| chain::of_notice(&it.data));
    let Some(first) = lengths.next() else { return notices };
    let more = lengths.take_while(|length| *length == first).count();
    &notices[..=more]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_one_chain_go_together() {
        let notice = |chain: u32| {
            let (id, at) = (model::Id(1), model::Time::from_seconds(1));
            Notice { id, at, topic: Topic::IncidentOpened, data: format!("{{\"chain\":{chain}}}") }
        };
        let all = [0, 0, 3, 3, 0].map(notice);
        let mut left = &all[..];
        let mut together = Vec::new();
        while !left.is_empty() {
            together.push(alike(left).len());
            left = &left[alike(left).len()..];
        }
        assert_eq!(together, [2, 2, 1]);
    }

    #[test]
    fn a_subscription_names_topics_or_all_that_begin_so() {
        let find: Find = Arc::new(|_| None);
        let topics = vec!["incident.*".to_owned(), "request.served".to_owned()];
        let said = Subscription { name: "archive".to_owned(), topics, batch: Some(3), sources: Vec::new() };
        let it = subscriber("foo", &said, &find);
        assert_eq!((it.name.as_str(), it.batch), ("foo/archive", 3));
        let names: Vec<_> = it.topics.iter().map(|topic| topic.name()).collect();
        let incidents = ["incident.opened", "incident.acknowledged", "incident.resolved", "incident.changed"];
        assert_eq!(names[..4], incidents);
        assert_eq!(names[4..], ["request.served"]);
        let known = Topic::ALL.map(Topic::name);
        assert_eq!(known, plugin_protocol::provides::TOPICS, "the contract and the flow have the same words");
    }
}
