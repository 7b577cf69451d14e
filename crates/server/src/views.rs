//! The shapes in which our rows are shown.

pub mod words;
