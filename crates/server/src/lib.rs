//! HTTP: our own API, the compatible doors, tokens, OpenAPI, live updates.
//!
//! The cast, in the order in which a request meets them:
//!
//! * [`serve`](serve()) accepts connections and keeps slow ones from tying it up.
//! * [`front`] stands before every handler: limits, who asks ([`admission`]), time-outs, counts.
//! * [`accounts`] is what is done to users, teams, sessions and tokens, and to what people define, whoever asks.
//! * [`api`] is our own API, one file a resource; [`doors`] are other systems' APIs, which turn foreign
//!   requests into our commands and our rows into foreign JSON.
//! * [`views`] are the shapes in which our rows are shown; [`error`] is where errors become answers.
//! * [`jobs`] are what is done to plugins and takes its time.
//! * [`openapi`] is the description of it all. Which scope a route needs is read from it.
//!
//! *Architecture Invariant:* no rule of a foreign system leaks inward, and nothing is answered with 2xx
//! before what it acknowledges is on disk.

pub mod accounts;
pub mod admission;
pub mod api;
pub mod app;
pub mod auth;
pub mod body;
pub mod cookies;
pub mod counts;
pub mod doors;
pub mod error;
pub mod front;
pub mod input;
pub mod jobs;
pub mod limits;
pub mod metrics;
pub mod oidc;
pub mod openapi;
pub mod pages;
pub mod passwords;
pub mod plugins;
mod proxies;
pub mod query;
mod rates;
mod refusals;
pub mod router;
mod search;
pub mod serve;
mod shares;
pub mod signed;
mod sources;
mod tickets;
pub mod times;
mod tries;
pub mod views;

pub use app::{
    App, By, ConfigFormat, Configuring, Exposed, Integration, NotOverridden, NotRolledBack, Options,
    Overriding, Setup, Version,
};
pub use plugins::GuestServices;
pub use router::{openapi, openapi_json, router};
pub use serve::serve;
