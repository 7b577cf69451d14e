//! Errors that programs report: each is kept, counted and put to an issue, which is an incident.
//!
//! The cast: a door hands in what a client sent ([`arrival`]); what costs time ([`report`]: reading, scrubbing,
//! grouping, compressing) is done beside the database, and so are source maps (`tracked::maps`; they come by
//! [`uploads`]). [`take`] is the transaction: it finds the issues by the events' sums, counts, and moves their
//! incidents on when there is something to tell. Most errors are only counted: the spine hears of one that opens an
//! issue, brings one back, or that a rule of its project finds worth a word. [`crate::life`] says what becomes of an
//! issue, `rules` whether somebody has to know, and [`say`] in which words; [`acts`] are what people do; [`said`] is
//! what users say; [`keep`] forgets errors, and `tend` passes over issues.
//!
//! *Architecture Invariant:* an error is on disk, counted and grouped before its client hears 200.

pub mod acts;
pub mod arrival;
pub mod keep;
mod releases;
pub mod report;
mod rules;
pub mod said;
pub mod say;
pub mod take;
pub(crate) mod tend;
pub mod uploads;
mod work;
