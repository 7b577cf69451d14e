//! What things are and what follows from them: pure, no I/O, no clock, no async.
//!
//! The cast, in the order in which the flow meets them:
//!
//! * [`event`]: an immutable fact as received, and what a door hands in before it is one.
//! * [`incident`]: the state machine of one key, and the [`incident::Change`]s that it goes through.
//! * [`extra`]: what some incidents have besides, and what people change of them.
//! * [`flap`]: when one of them comes and goes too often, and what to do then.
//! * [`matcher`], [`condition`]: questions about labels.
//! * [`route`]: the tree that says who must know; [`group`]: when a group of incidents is told.
//! * [`silence`], [`inhibition`], [`time_interval`]: reasons not to tell.
//! * [`receiver`]: who can be told; [`destination`]: where a person or a team can be;
//!   [`notification`]: what they are told, before it is rendered.
//! * [`notice`]: what somebody who listens to the hub itself is told of.
//! * [`storm`]: when a receiver is sent more than its people could read.
//! * [`rules`]: all of that as one value, as configured.
//! * [`delivery`]: a promise to tell one receiver one thing, its attempts, and the manners of retrying.
//! * [`zone`], [`weekly`], [`period`]: clocks on walls, hours of the week, and times from one moment until another.
//! * [`schedule`]: who is on call when, and why.
//! * [`escalation`]: who is paged, one after another, until somebody takes the incident.
//! * [`profile`]: what people want to hear of, when, and where.
//! * [`maintenance`]: times in which something is known to be wrong.
//! * [`project`]: programs that report their errors, and what they are known by; [`alert_rule`]: when somebody has to
//!   know of one.
//! * [`refusal`]: what is wrong with something that a person wrote, and where.
//! * [`account`]: who uses the hub, and what they may.
//! * [`stack`]: where conditions and templates are read, whatever is in them.
//!
//! *Architecture Invariant:* nothing here reads a clock, a file, a socket or a random source; what
//! would need one is a parameter.

pub mod account;
pub mod alert_rule;
pub mod condition;
pub mod delivery;
pub mod destination;
pub mod escalation;
pub mod event;
pub mod extra;
pub mod flap;
pub mod fnv;
pub mod group;
pub mod id;
pub mod incident;
pub mod inhibition;
pub mod labels;
pub mod limits;
pub mod maintenance;
pub mod matcher;
pub mod notice;
pub mod notification;
pub mod order;
pub mod period;
pub mod profile;
pub mod project;
pub mod receiver;
pub mod refusal;
pub mod route;
pub mod rules;
pub mod schedule;
pub mod severity;
pub mod silence;
pub mod stack;
pub mod storm;
pub mod time;
pub mod time_interval;
pub mod weekly;
pub mod zone;

pub use alert_rule::AlertRule;
pub use delivery::{Delivery, Outcome};
pub use destination::{OwnedDestination, PluginSettings, Reach};
pub use event::{Action, Event, NewEvent};
pub use id::Id;
pub use incident::{Change, Incident};
pub use labels::Labels;
pub use matcher::Matcher;
pub use notice::{Notice, Topic};
pub use notification::Notification;
pub use project::Project;
pub use route::Route;
pub use rules::Rules;
pub use severity::Severity;
pub use silence::Silence;
pub use time::Time;
