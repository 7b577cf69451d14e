//! What an incident was to somebody.

use flow::explain::{Call, Moment, PageStep, Personal, Reachable, Said, Waiting};
use model::profile::Verdict;
use model::{Id, Time};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::incident::LineView;

/// What an incident was to somebody, by what they had defined at the time.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = PersonalExplanation)]
pub struct PersonView {
    /// Who.
    pub user: String,
    /// The time that was asked for; null: all that happened.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Time>,
    /// What their profiles said, event by event.
    pub moments: Vec<MomentView>,
    /// Whom the incident's policy pages, step by step.
    pub pages: Vec<PageView>,
    /// When they were paged.
    pub paged: Vec<LineView>,
    /// The messages by which they were, oldest first.
    pub calls: Vec<CallView>,
    /// Who took it.
    pub taken: Vec<LineView>,
    /// Where they can be told something now.
    pub destinations: Vec<ReachableView>,
    /// What is collected for them, and until when.
    pub waiting: Vec<WaitingView>,
}

/// An event of an incident, and what somebody's profiles said to it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ExplainedMoment)]
pub struct MomentView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// What kind of event: `STA`, `END`, `ACK`, …
    pub event: &'static str,
    /// The planned maintenance that covered it; null: none did.
    pub maintenance: Option<String>,
    /// Whether it was a quiet hour of theirs, for something so bad.
    pub quiet: bool,
    /// What each profile said.
    pub profiles: Vec<SaidView>,
}

/// What a profile said to an event.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ExplainedProfile)]
pub struct SaidView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: Id,
    /// What it was called.
    pub name: String,
    /// `told`, `inactive`, `no_filter`, `no_filter_fits`, `no_timeslot`, `outside_timeslot`, `no_destination` or
    /// `quiet`.
    #[schema(value_type = String)]
    pub verdict: Value,
    /// Its filters, with the part of each that did not fit; null: it took the event.
    #[schema(value_type = Vec<Object>)]
    pub filters: Vec<Value>,
    /// Its timeslot; null: it was not there any more.
    pub timeslot: Option<String>,
    /// For how many minutes it collected; 0: it told at once.
    pub digest_minutes: u32,
    /// Its destinations, each with what is recorded of it.
    #[schema(value_type = Vec<Object>)]
    pub became: Vec<Value>,
}

/// A target of a step of a policy.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ExplainedPage)]
pub struct PageView {
    /// The policy.
    pub policy: String,
    /// Which of its steps, counted from one; 0: the fall-back.
    pub step: usize,
    /// When it comes, if nobody takes the incident before.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// Whom it pages, in words.
    pub target: String,
    /// Who is on call by it, and by what.
    #[schema(value_type = Vec<Object>)]
    pub on_call: Vec<Value>,
    /// Whether that is whoever asks.
    pub includes: bool,
}

/// A message by which somebody was paged.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ExplainedCall)]
pub struct CallView {
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// Where it went, as its owner calls it.
    pub name: String,
    /// The delivery.
    #[schema(value_type = String)]
    pub delivery: Id,
    /// What became of it.
    pub state: &'static str,
    /// After how many tries.
    pub tries: usize,
}

/// Where somebody can be told something.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ReachableDestination)]
pub struct ReachableView {
    /// As deliveries call it.
    pub destination: String,
    /// As its owner calls it.
    pub name: String,
    /// Why it cannot be used; null: it can.
    pub why_not: Option<String>,
}

/// Something that is collected for somebody.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = WaitingIncident)]
pub struct WaitingView {
    /// Where.
    pub destination: String,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    pub until: Time,
}

impl From<Personal> for PersonView {
    fn from(it: Personal) -> Self {
        PersonView {
            user: it.user.name,
            at: it.at,
            moments: it.moments.into_iter().map(MomentView::from).collect(),
            pages: it.pages.into_iter().map(PageView::from).collect(),
            paged: it.paged.into_iter().map(LineView::from).collect(),
            calls: it.calls.into_iter().map(CallView::from).collect(),
            taken: it.taken.into_iter().map(LineView::from).collect(),
            destinations: it.destinations.into_iter().map(ReachableView::from).collect(),
            waiting: it.waiting.into_iter().map(WaitingView::from).collect(),
        }
    }
}

impl From<Call> for CallView {
    fn from(it: Call) -> Self {
        let Call { at, name, delivery, state, tries } = it;
        CallView { at, name, delivery, state: state.name(), tries }
    }
}

impl From<Moment> for MomentView {
    fn from(it: Moment) -> Self {
        MomentView {
            at: it.at,
            event: it.event.code(),
            maintenance: it.maintenance,
            quiet: it.quiet,
            profiles: it.profiles.into_iter().map(SaidView::from).collect(),
        }
    }
}

impl From<Said> for SaidView {
    fn from(it: Said) -> Self {
        let filters = it.filters.into_iter().map(|(id, name, miss)| {
            json!({ "id": id, "name": name, "miss": miss, "words": miss.map(model::profile::Miss::words) })
        });
        let became =
            it.became.into_iter().map(|(place, words)| json!({ "destination": place, "recorded": words }));
        SaidView {
            id: it.id,
            name: it.name,
            verdict: word(it.verdict),
            filters: filters.collect(),
            timeslot: it.timeslot,
            digest_minutes: it.digest_minutes,
            became: became.collect(),
        }
    }
}

/// The word for a verdict.
fn word(it: Verdict) -> Value {
    json!(it)["verdict"].take()
}

impl From<PageStep> for PageView {
    fn from(it: PageStep) -> Self {
        let on_call = it.on_call.into_iter().map(|(user, by)| json!({ "user": user, "by": by }));
        PageView {
            policy: it.policy,
            step: it.step,
            at: it.at,
            target: it.target,
            on_call: on_call.collect(),
            includes: it.includes,
        }
    }
}

impl From<Reachable> for ReachableView {
    fn from(it: Reachable) -> Self {
        ReachableView { destination: it.place, name: it.name, why_not: it.why_not }
    }
}

impl From<Waiting> for WaitingView {
    fn from(it: Waiting) -> Self {
        WaitingView { destination: it.place, until: it.until }
    }
}
