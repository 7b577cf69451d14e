//! What Alertmanager adds to the language: its functions, up to release 0.34, and its data.
//!
//! See <https://prometheus.io/docs/alerting/latest/notifications/>.

mod data;
mod functions;
mod kv;

pub use data::{Alert, Data};
pub use functions::FUNCTIONS;
pub use kv::kv;
