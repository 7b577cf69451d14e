//! The last arrow: pending deliveries become tries, and tries become recorded answers.
//!
//! * [`desk`] is the pure part: one desk for each destination knows what was claimed for it, how many
//!   messages are under way, how the destination is doing, and what may go next.
//! * [`service`] is the part that waits: it claims rows, sends, and hands answers to the recorder.
//! * [`recorder`] writes many answers in one durable transaction.
//! * `ways` says how whoever reads a message can answer it.

pub mod desk;
pub mod note;
pub mod recorder;
pub mod service;
pub(crate) mod ways;

pub use desk::Desk;
pub use service::Service;
