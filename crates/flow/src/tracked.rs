//! What a node remembers for the sake of errors that programs report: [`projects`] and their keys, what errors are
//! compressed against ([`pack`]), their source maps ([`maps`]) and those that are on their way ([`uploads`]), and what
//! is counted and not written down yet ([`tally`]). Rows are the truth for all of it but the last.

pub mod maps;
pub mod pack;
pub mod projects;
pub mod tally;
pub mod uploads;
