//! The flow: ingest, detect, incident, route, deliver, and the driver that runs them.
//!
//! ```text
//! source ──▶ ingest ──▶ detect ──▶ incident ──▶ route ──▶ deliver ──▶ destination
//! ```
//!
//! * [`ingest`] takes events in and answers when they are on disk.
//! * [`detect`] turns what did *not* happen (a heartbeat, a word before a time-out) into events and inputs.
//! * [`sources`] notices which registered sources are silent.
//! * [`incident`] moves the state machines on, one for each key.
//! * [`route`] puts incidents into groups, and [`tell`] plans deliveries when a group is due.
//! * [`deliver`] keeps the promises: leases, retries, breakers, budgets, dead letters.
//! * [`errors`] takes in what programs report of their errors, and makes issues of them, which are incidents;
//!   [`tracked`] is what is remembered for that.
//! * [`verbs`] are what people do, and [`audit`] is where that is signed; [`explain`] is what they ask afterwards.
//! * [`answers`] is how whoever was told something takes it from where they read it.
//! * [`people`] is what people have defined for themselves, such as where they can be told something.
//! * [`calendars`] are fetched where a layer of a schedule goes by one.
//! * [`self_watch`] tells others that the flow works, and tries whether messages arrive.
//! * [`notices`] are what those who subscribe to the hub are told, and [`couriers`] tell them.
//! * [`trace`] is what the flow did as spans, for those who look at many programs at once.
//! * [`stage`] is a node whose clock somebody else holds, and [`replay`] tells on two of them what other rules
//!   would have told.
//! * [`reload`] puts other rules in force. [`driver`] runs all of it; [`core`] is what all of it shares.
//!
//! *Architecture Invariant:* a step reads rows, writes rows in the same transaction, takes no input but the
//! clock, and may be run at any time by any node. What has no verdict yet gets one at the next run.

pub mod answers;
pub mod audit;
pub mod calendars;
pub mod clock;
pub mod core;
pub mod counters;
pub mod couriers;
pub mod deliver;
pub mod detect;
pub mod driver;
pub mod errors;
pub mod explain;
pub mod incident;
pub mod ingest;
pub mod life;
pub mod live;
pub mod notices;
pub mod people;
pub mod reload;
pub mod replay;
pub mod rooms;
pub mod route;
pub mod self_watch;
mod set_back;
mod signer;
pub mod sources;
pub mod stage;
pub mod standing;
pub mod tell;
pub mod trace;
pub mod tracked;
pub mod verbs;
pub mod whose;

pub use crate::clock::{Clock, SystemClock};
pub use crate::core::Core;
pub use crate::driver::Hub;
pub use crate::live::Live;
