//! Other systems' APIs: thin translators.

pub mod alertmanager;
pub mod argus;
pub mod plugins;
pub mod sentry;
