//! Traces, for those who follow one thing through many programs.
//!
//! An incident is a trace: a span for each run that changed it, from the arrival of what did to the commit, and
//! one for each try to tell of it. The ids of a trace and of its first span are worked out from the incident's,
//! so that they need not be kept, and all nodes agree on them.
//!
//! Spans are a by-product: when nobody takes them away fast enough, they are dropped, and counted.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use model::delivery::Outcome;
use model::incident::Change;
use model::{Id, Incident, Time};
use store::deliveries::Tried;
use tokio::sync::mpsc;

/// Spans that wait to be taken away, at the most.
const MAX_WAITING: usize = 8192;
/// Incidents that a span is about, at the most.
const MAX_ABOUT: usize = 32;

/// Something that took time.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// What it is called.
    pub name: String,
    /// The incidents that it is about, at least one: it is in the trace of the first, and linked to the others.
    pub about: Vec<Id>,
    /// Whether it is the first of its trace, under which all others are.
    pub is_first: bool,
    /// Whether it asked somebody else.
    pub is_call: bool,
    /// When it began.
    pub began: Time,
    /// When it ended.
    pub ended: Time,
    /// What else there is to know.
    pub attributes: Vec<(&'static str, String)>,
    /// What went wrong; `None`: nothing.
    pub fault: Option<String>,
}

/// Where spans go: nowhere, until somebody takes them.
#[derive(Debug, Default)]
pub struct Traces {
    out: OnceLock<Out>,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Out {
    spans: mpsc::Sender<Span>,
    /// of the numbers that random bits of an id can make, the least that is sampled
    least: u64,
}

/// Bits of an id that count as random, as in W3C's trace contexts.
const RANDOM_BITS: u32 = 56;

impl Traces {
    /// Begins to collect the traces of this share of all incidents, `0.0..=1.0`. `None`: somebody else does.
    pub fn start(&self, share: f64) -> Option<mpsc::Receiver<Span>> {
        let (spans, taken) = mpsc::channel(MAX_WAITING);
        let left_out = (1.0 - share.clamp(0.0, 1.0)) * (1u64 << RANDOM_BITS) as f64;
        self.out.set(Out { spans, least: left_out as u64 }).ok().map(|()| taken)
    }

    /// Spans that were dropped, since nobody took them away fast enough.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether anybody takes spans.
    pub(crate) fn are_wanted(&self) -> bool {
        self.out.get().is_some()
    }

    /// Which of these incidents have a trace, as far as a span can be about them.
    pub(crate) fn of(&self, incidents: impl Iterator<Item = Id>) -> Vec<Id> {
        let Some(out) = self.out.get() else { return Vec::new() };
        incidents.filter(|id| out.samples(*id)).take(MAX_ABOUT).collect()
    }

    /// An incident has changed in a run that began at one time and is on disk at the other.
    pub(crate) fn changed(&self, it: &Incident, is_new: bool, changes: &[Change], began: Time, ended: Time) {
        let about = self.of(std::iter::once(it.id));
        if about.is_empty() {
            return;
        }
        let changes: Vec<&str> = changes.iter().map(|change| change.kind.name()).collect();
        let attributes = vec![
            ("nightbell.incident", it.id.to_string()),
            ("nightbell.title", it.title.clone()),
            ("nightbell.severity", it.severity.name().to_owned()),
            ("nightbell.source", it.source.clone()),
            ("nightbell.changes", changes.join(", ")),
        ];
        self.add(Span {
            name: format!("incident {}", changes.first().copied().unwrap_or("moved")),
            about,
            is_first: is_new,
            is_call: false,
            began,
            ended,
            attributes,
            fault: None,
        });
    }

    /// A destination of this kind was told of these.
    pub(crate) fn tried(&self, tried: &Tried, kind: &str, about: Vec<Id>, now: Time) {
        if about.is_empty() {
            return;
        }
        let Tried { delivery, attempt, .. } = tried;
        let failed = matches!(attempt.outcome, Outcome::Retry { .. } | Outcome::Rejected { .. });
        let mut attributes = vec![
            ("nightbell.delivery", delivery.id.to_string()),
            ("nightbell.destination", delivery.destination.clone()),
            ("nightbell.reason", delivery.reason.name().to_owned()),
            ("nightbell.attempt", attempt.number.to_string()),
            ("nightbell.outcome", attempt.outcome.name().to_owned()),
        ];
        attributes.extend(attempt.status.map(|status| ("nightbell.status", status.to_string())));
        self.add(Span {
            name: format!("deliver {kind}"),
            about,
            is_first: false,
            is_call: true,
            began: attempt.at,
            ended: now,
            attributes,
            fault: failed.then(|| attempt.outcome.words().to_owned()),
        });
    }

    fn add(&self, span: Span) {
        if self.out.get().is_some_and(|out| out.spans.try_send(span).is_err()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Out {
    fn samples(&self, incident: Id) -> bool {
        trace_id(incident) as u64 & ((1 << RANDOM_BITS) - 1) >= self.least
    }
}

/// The id of an incident's trace.
pub fn trace_id(incident: Id) -> u128 {
    let bits = incident.0 as u64;
    u128::from(mix(bits)) << 64 | u128::from(mix(!bits))
}

/// The id of the first span of an incident's trace.
pub fn first_span_id(incident: Id) -> u64 {
    mix(mix(incident.0 as u64))
}

/// Spreads the bits of a number over all of another, one to one (the finish of SplitMix64), and never zero.
fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(about: Vec<Id>) -> Span {
        let (began, ended) = (Time::from_millis(1), Time::from_millis(2));
        let (is_first, is_call) = (false, false);
        Span { name: "x".into(), about, is_first, is_call, began, ended, attributes: Vec::new(), fault: None }
    }

    #[test]
    fn nothing_is_collected_until_somebody_takes_it() {
        let traces = Traces::default();
        assert_eq!(traces.of([Id(1)].into_iter()), []);
        traces.add(span(vec![Id(1)]));
        assert_eq!(traces.dropped(), 0);
    }

    #[test]
    fn of_a_share_about_that_many_are_sampled_and_always_the_same() {
        let traces = Traces::default();
        let _taken = traces.start(0.25).expect("nobody else takes them");
        let sampled = |id: &i64| !traces.of([Id(*id << 20)].into_iter()).is_empty();
        let first: Vec<i64> = (1..=4000).filter(sampled).collect();
        assert!((900..1100).contains(&first.len()), "{} of 4000", first.len());
        assert_eq!((1..=4000).filter(sampled).collect::<Vec<_>>(), first);
    }

    #[test]
    fn what_nobody_takes_away_is_dropped_and_counted() {
        let traces = Traces::default();
        let taken = traces.start(1.0).expect("nobody else takes them");
        for _ in 0..MAX_WAITING + 7 {
            traces.add(span(traces.of([Id(5)].into_iter())));
        }
        assert_eq!((traces.dropped(), taken.len()), (7, MAX_WAITING));
    }

    #[test]
    fn traces_have_ids_of_their_own() {
        let ids: std::collections::HashSet<u128> = (0..10_000).map(|id| trace_id(Id(id))).collect();
        assert_eq!(ids.len(), 10_000);
        assert_ne!(trace_id(Id(1)) as u64, first_span_id(Id(1)));
    }
}
