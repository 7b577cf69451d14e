//! Shared pieces of the acceptance stories.
