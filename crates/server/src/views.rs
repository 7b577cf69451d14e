//! The shapes in which our rows are shown.

pub mod account;
pub mod artifacts;
pub mod config;
pub mod delivery;
pub mod duty;
pub mod event;
pub mod explanation;
pub mod incident;
pub mod issue;
pub mod overrides;
pub mod person;
pub mod preview;
pub mod project;
pub mod replay;
pub mod route;
pub mod silence;
pub mod words;

use model::Id;
use serde::Serialize;
use utoipa::ToSchema;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The page.
    pub items: Vec<T>,
    /// Give this as `cursor` to go on; null at the end. A page may have fewer items than asked for, even
    /// none, and still not be the last: no search looks at too many rows at once.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page that goes on after an id.
    pub fn new(items: Vec<T>, next: Option<Id>) -> Self {
        Page { items, next: next.map(|id| id.to_string()) }
    }

    /// A list that is shown whole.
    pub fn whole(items: Vec<T>) -> Self {
        Page { items, next: None }
    }

    /// What was asked for with one row more than shown, so as to see whether there is more.
    pub fn cut<R>(mut rows: Vec<R>, limit: usize, id: impl Fn(&R) -> Id, show: impl Fn(R) -> T) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(id);
        Page::new(rows.into_iter().map(show).collect(), next)
    }
}
