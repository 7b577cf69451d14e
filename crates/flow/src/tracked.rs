//! What a node remembers for the sake of errors that programs report: [`projects`] and their keys, errors that wait
//! to be written ([`report`]), what they are compressed against ([`pack`]), their source maps ([`maps`]) and those
//! that are on their way ([`uploads`]), what is counted and not written down yet ([`tally`]), which words issues are
//! known to be found by ([`words`]), and whose turn it is ([`turns`]). Rows are the truth for all of it but what is
//! counted, and turns.

mod lately;
pub mod maps;
pub mod pack;
pub mod projects;
pub mod report;
pub mod tally;
pub mod turns;
pub mod uploads;
pub mod words;
