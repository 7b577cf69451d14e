//! The shapes in which our rows are shown.
