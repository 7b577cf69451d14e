//! Alert rules: when somebody has to know of an error. Pure: what has to be counted is asked of whoever looks.

mod holds;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::refusal::{Refusal, at_most};
use crate::time::Time;

/// Conditions of a rule, and filters of it.
const MAX_PARTS: usize = 50;
/// The longest window that something is counted in, in minutes: 30 days.
const MAX_MINUTES: u32 = 30 * 24 * 60;
/// The most that is counted.
pub const MAX_COUNTED: u32 = 100_000;

/// What a rule may ask of an error beside its tags.
pub const ATTRIBUTES: [&str; 16] = [
    "message",
    "title",
    "culprit",
    "platform",
    "logger",
    "transaction",
    "type",
    "value",
    "exception.type",
    "exception.value",
    "exception.module",
    "http.url",
    "http.method",
    "user.id",
    "user.email",
    "user.username",
];

/// When somebody has to know of an error of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertRule {
    /// The project, by slug or number.
    pub project: String,
    /// Only in this environment; empty: in any.
    #[serde(default)]
    pub environment: String,
    /// What has to happen.
    pub when: Vec<Condition>,
    /// How many of `when` must hold.
    #[serde(default = "Match::any", skip_serializing_if = "Match::is_any")]
    pub action_match: Match,
    /// What must be so besides.
    #[serde(default)]
    pub filters: Vec<Filter>,
    /// How many of `filters` must hold, if there are any.
    #[serde(default = "Match::all", skip_serializing_if = "Match::is_all")]
    pub filter_match: Match,
    /// For how long after it has fired it does not fire again for the same issue.
    #[serde(default = "half_an_hour")]
    pub frequency_minutes: u32,
    /// It is kept, and does nothing.
    #[serde(default)]
    pub disabled: bool,
}

fn half_an_hour() -> u32 {
    30
}

/// How many of several must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// Each.
    All,
    /// One.
    Any,
    /// Not one.
    None,
}

impl Match {
    fn any() -> Self {
        Match::Any
    }

    fn all() -> Self {
        Match::All
    }

    fn is_any(&self) -> bool {
        *self == Match::Any
    }

    fn is_all(&self) -> bool {
        *self == Match::All
    }
}

/// What has to happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Condition {
    /// It is the first of its issue; of a rule for one environment: the first of its issue there.
    FirstSeen,
    /// Its issue was over.
    Regression,
    /// Nobody wanted to hear of its issue, and there is more of it now than they said, or their time is over.
    Unmuted,
    /// Anything.
    EveryEvent,
    /// There were more than so many errors of its issue in so many minutes.
    Events {
        /// So many.
        more_than: u32,
        /// In so many minutes.
        minutes: u32,
    },
    /// It hit more than so many users in so many minutes.
    Users {
        /// So many.
        more_than: u32,
        /// In so many minutes.
        minutes: u32,
    },
    /// There were so many percent more errors of its issue in so many minutes than in as many before.
    Percent {
        /// So many percent.
        more_than: u32,
        /// In so many minutes.
        minutes: u32,
    },
}

/// What must hold besides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Filter {
    /// Its issue was first seen more than so many minutes ago.
    OlderThan {
        /// Minutes.
        minutes: u32,
    },
    /// Its issue was first seen at most so many minutes ago.
    NewerThan {
        /// Minutes.
        minutes: u32,
    },
    /// Its issue was seen at least so often.
    SeenAtLeast {
        /// So often.
        times: u32,
    },
    /// Somebody looks after its issue: this one, or anybody if nobody is named.
    Assigned {
        /// A user, or `team:` and a team.
        #[serde(default)]
        to: String,
    },
    /// Nobody looks after its issue.
    Unassigned,
    /// It is of the latest release of its project.
    LatestRelease,
    /// It is at least so bad: `debug`, `info`, `warning`, `error` or `fatal`.
    LevelAtLeast {
        /// How bad.
        level: String,
    },
    /// A tag of it.
    Tag(Question),
    /// Something else that it says: one of [`ATTRIBUTES`].
    Attribute(Question),
}

/// A question about a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Of which name.
    pub name: String,
    /// What it must be to `value`.
    pub how: How,
    /// What it is held against.
    #[serde(default)]
    pub value: String,
    /// It must not.
    #[serde(default)]
    pub not: bool,
}

/// How a text is held against another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The same.
    Equals,
    /// Has it in it.
    Contains,
    /// Begins with it.
    StartsWith,
    /// Ends with it.
    EndsWith,
    /// Is there at all.
    IsSet,
}

/// What an error is to its issue, as conditions ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// The first.
    First,
    /// It was over.
    Regression,
    /// There is more of it than nobody wanted to hear of.
    Unmuted,
    /// One more.
    Again,
}

/// What is counted for a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Errors of its issue.
    Events {
        /// Since then,
        since: Time,
        /// up to so many: more need not be told apart.
        most: u32,
    },
    /// Users that it hit.
    Users {
        /// Since then,
        since: Time,
        /// up to so many.
        most: u32,
    },
    /// Errors of its issue: exactly up to [`MAX_COUNTED`], and about how many where there are more.
    About {
        /// Since then,
        since: Time,
        /// until then; `None`: until now.
        until: Option<Time>,
    },
}

/// An error as rules look at it.
pub struct Facts<'a> {
    /// What it is to its issue.
    pub happened: Happened,
    /// Whether it is the first of its issue in its environment.
    pub is_new_in_environment: bool,
    /// Its tags.
    pub tags: &'a BTreeMap<String, String>,
    /// What it says, by the names of [`Filter::Attribute`].
    pub attributes: &'a dyn Fn(&str) -> Option<String>,
    /// How often its issue was seen, this time included.
    pub times: i64,
    /// When its issue was first seen.
    pub first_seen: Time,
    /// Who looks after its issue; empty: nobody.
    pub assignee: &'a str,
    /// The latest release of its project; empty: unknown.
    pub latest_release: &'a str,
    /// The time.
    pub now: Time,
}

/// What a rule says, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Whether somebody has to know.
    pub fires: bool,
    /// Why, or why not. It has no numbers that change with every error.
    pub why: String,
}

impl Judgement {
    fn no(why: impl Into<String>) -> Self {
        Judgement { fires: false, why: why.into() }
    }
}

impl AlertRule {
    /// What a project goes by that has no rules of its own.
    pub fn default_for(project: &str) -> Self {
        AlertRule {
            project: project.to_owned(),
            environment: String::new(),
            when: vec![Condition::FirstSeen, Condition::Regression, Condition::Unmuted],
            action_match: Match::Any,
            filters: Vec::new(),
            filter_match: Match::All,
            frequency_minutes: 0,
            disabled: false,
        }
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// What does not.
    pub fn check(&self) -> Result<(), Refusal> {
        at_most("when", self.when.len(), MAX_PARTS)?;
        at_most("filters", self.filters.len(), MAX_PARTS)?;
        if self.project.is_empty() {
            return Err(Refusal::new("project", "is empty: name a project by its slug"));
        }
        if self.when.is_empty() {
            return Err(Refusal::new("when", "is empty: the rule would never fire"));
        }
        if self.frequency_minutes > MAX_MINUTES {
            return Err(Refusal::new("frequency_minutes", format!("is more than {MAX_MINUTES}")));
        }
        for (n, it) in self.when.iter().enumerate() {
            if let Condition::Events { more_than, minutes }
            | Condition::Users { more_than, minutes }
            | Condition::Percent { more_than, minutes } = it
            {
                if *minutes == 0 || *minutes > MAX_MINUTES {
                    return Err(Refusal::new(
                        format!("when[{n}].minutes"),
                        format!("is not from 1 to {MAX_MINUTES}"),
                    ));
                }
                if *more_than >= MAX_COUNTED {
                    return Err(Refusal::new(
                        format!("when[{n}].more_than"),
                        format!("is not below {MAX_COUNTED}"),
                    ));
                }
            }
        }
        for (n, it) in self.filters.iter().enumerate() {
            if let Filter::Attribute(Question { name, .. }) = it
                && !ATTRIBUTES.contains(&name.as_str())
            {
                let why = format!("{name:?} is none of {}", ATTRIBUTES.join(", "));
                return Err(Refusal::new(format!("filters[{n}].name"), why));
            }
            if let Filter::LevelAtLeast { level } = it
                && holds::rank(level).is_none()
            {
                let why = format!("{level:?} is none of {}", holds::LEVELS.join(", "));
                return Err(Refusal::new(format!("filters[{n}].level"), why));
            }
        }
        Ok(())
    }

    /// Whether it is about this project.
    pub fn is_of(&self, project: i64, slug: &str) -> bool {
        self.project == slug || self.project.parse() == Ok(project)
    }

    /// What it says of an error that came now, when it last fired for the same issue at `fired_at`. What conditions
    /// need to know is asked of `count`.
    ///
    /// # Errors
    /// What `count` says.
    pub fn judge<E>(
        &self,
        facts: &Facts<'_>,
        fired_at: Option<Time>,
        mut count: impl FnMut(Count) -> Result<i64, E>,
    ) -> Result<Judgement, E> {
        let tag = |name: &str| facts.tags.get(name).map_or("", String::as_str);
        if !self.environment.is_empty() && tag("environment") != self.environment {
            return Ok(Judgement::no(format!("it is not of the environment {}", self.environment)));
        }
        if let Some(why) = self.left_out(facts) {
            return Ok(Judgement::no(why));
        }
        let again = fired_at.map(|at| at + Duration::from_secs(u64::from(self.frequency_minutes) * 60));
        if again.is_some_and(|at| facts.now < at) {
            return Ok(Judgement::no(format!(
                "it was told within the last {} minutes",
                self.frequency_minutes
            )));
        }
        let mut held = Vec::new();
        for condition in &self.when {
            match self.reason(condition, facts, &mut count)? {
                Some(why) if self.action_match == Match::None => {
                    return Ok(Judgement::no(format!("one of its conditions holds: {why}")));
                }
                Some(why) => held.push(why),
                None if self.action_match == Match::All => {
                    return Ok(Judgement::no(format!(
                        "not all of its conditions hold: {}",
                        condition.words()
                    )));
                }
                None => {}
            }
            // the others need not be counted
            if self.action_match == Match::Any && !held.is_empty() {
                break;
            }
        }
        let words = || self.when.iter().map(Condition::words).collect::<Vec<_>>().join("; ");
        Ok(match self.action_match {
            Match::Any if held.is_empty() => {
                Judgement::no(format!("none of its conditions holds: {}", words()))
            }
            Match::Any | Match::All => Judgement { fires: true, why: held.join(", and ") },
            Match::None => Judgement { fires: true, why: format!("none of these: {}", words()) },
        })
    }

    /// Why filters leave an error out, if they do.
    fn left_out(&self, facts: &Facts<'_>) -> Option<String> {
        let mut words = self.filters.iter().filter(|it| !it.holds(facts)).map(Filter::words);
        match self.filter_match {
            Match::All => words.next().map(|it| format!("a filter leaves it out: {it}")),
            Match::Any => {
                let words: Vec<String> = words.collect();
                let all = !words.is_empty() && words.len() == self.filters.len();
                all.then(|| format!("no filter lets it in: {}", words.join("; ")))
            }
            Match::None => {
                let holds = self.filters.iter().find(|it| it.holds(facts));
                holds.map(|it| format!("a filter leaves it out: not {}", it.words()))
            }
        }
    }

    /// Why a condition holds, if it does.
    fn reason<E>(
        &self,
        condition: &Condition,
        facts: &Facts<'_>,
        count: &mut impl FnMut(Count) -> Result<i64, E>,
    ) -> Result<Option<String>, E> {
        if condition.holds(facts, count)? {
            return Ok(Some(condition.words()));
        }
        // what was first seen in staging is news in production
        let is_news = facts.is_new_in_environment && !self.environment.is_empty();
        let is_new_there = *condition == Condition::FirstSeen && is_news;
        Ok(is_new_there.then(|| format!("it is new in the environment {}", self.environment)))
    }
}

#[cfg(test)]
mod tests;
