//! Argus' API, versions 2 and 3, so that its clients, glue services and scripts work unchanged.
//!
//! An incident is an incident, whichever door it came through. `mapping` is the one place where what is Argus' and
//! what is ours are held side by side, and `table` is the one list of routes: what is served, guarded and described
//! is read from it. Where Argus answers with a bug, this does not; `docs/argus.md` says what is different on purpose.

mod about;
mod acks;
mod asker;
mod bulk;
mod call;
mod destinations;
mod events;
mod fields;
mod filter;
mod filters;
mod incident;
mod list;
mod maintenance;
mod mapping;
mod owned;
mod post;
mod profiles;
mod refused;
mod schema;
mod serve;
mod shown;
mod sources;
mod table;
mod tags;
mod timeslots;
mod tokens;

pub(crate) use refused::from_problem;
pub(crate) use serve::{is_ours, lost, needs, routes};
