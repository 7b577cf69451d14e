//! The part of an address after the question mark.

use std::str::FromStr;

use axum::http::Uri;

use crate::error::{Answer, Problem};
use crate::limits::{MAX_PAGE, PAGE};

/// Names and values, in their order; a name may be there several times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Everything that the address says.
    pub fn of(uri: &Uri) -> Self {
        let text = uri.query().unwrap_or_default();
        Query(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The same, when only these names are known.
    ///
    /// # Errors
    /// 400 for any other name.
    pub fn known(uri: &Uri, names: &[&str]) -> Answer<Self> {
        let query = Query::of(uri);
        match query.0.iter().find(|(name, _)| !names.contains(&name.as_str())) {
            Some((name, _)) => {
                let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                Err(Problem::wrong(name.as_str(), format!("no such parameter; known are {known}")))
            }
            None => Ok(query),
        }
    }

    /// All values of a name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The last value of a name.
    pub fn last(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The only value of a name; an empty one counts as none.
    ///
    /// # Errors
    /// 400 when it is there twice.
    pub fn one(&self, name: &str) -> Answer<Option<&str>> {
        if self.all(name).nth(1).is_some() {
            return Err(Problem::wrong(name, "is given more than once"));
        }
        Ok(self.last(name).filter(|value| !value.is_empty()))
    }

    /// The only value of a name, read as something.
    ///
    /// # Errors
    /// 400 when it is there twice or cannot be read.
    pub fn parsed<T: FromStr>(&self, name: &str) -> Answer<Option<T>>
    where
        T::Err: std::fmt::Display,
    {
        let value = self.one(name)?;
        value
            .map(|value| value.parse().map_err(|error: T::Err| Problem::wrong(name, error.to_string())))
            .transpose()
    }

    /// How many rows a page may have.
    ///
    /// # Errors
    /// 400 when it is no number from 1 to the most that there may be.
    pub fn limit(&self) -> Answer<usize> {
        match self.parsed::<usize>("limit")? {
            None => Ok(PAGE),
            Some(limit) if (1..=MAX_PAGE).contains(&limit) => Ok(limit),
            Some(limit) => Err(Problem::wrong("limit", format!("{limit} is not from 1 to {MAX_PAGE}"))),
        }
    }
}
