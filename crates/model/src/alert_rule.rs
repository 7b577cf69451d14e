//! Alert rules: when somebody has to know of an error. Pure: what has to be counted is asked of whoever looks.

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
    /// One of these must hold.
    pub when: Vec<Condition>,
    /// And all of these.
    #[serde(default)]
    pub filters: Vec<Filter>,
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
            filters: Vec::new(),
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
                && rank(level).is_none()
            {
                let why = format!("{level:?} is none of {}", LEVELS.join(", "));
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
        if let Some(filter) = self.filters.iter().find(|it| !it.holds(facts)) {
            return Ok(Judgement::no(format!("a filter leaves it out: {}", filter.words())));
        }
        let again = fired_at.map(|at| at + Duration::from_secs(u64::from(self.frequency_minutes) * 60));
        if again.is_some_and(|at| facts.now < at) {
            return Ok(Judgement::no(format!(
                "it was told within the last {} minutes",
                self.frequency_minutes
            )));
        }
        for condition in &self.when {
            if condition.holds(facts, &mut count)? {
                return Ok(Judgement { fires: true, why: condition.words() });
            }
            // what was first seen in staging is news in production
            let is_news = facts.is_new_in_environment && !self.environment.is_empty();
            if *condition == Condition::FirstSeen && is_news {
                let why = format!("it is new in the environment {}", self.environment);
                return Ok(Judgement { fires: true, why });
            }
        }
        let words: Vec<String> = self.when.iter().map(Condition::words).collect();
        Ok(Judgement::no(format!("none of its conditions holds: {}", words.join("; "))))
    }
}

impl Condition {
    fn holds<E>(
        &self,
        facts: &Facts<'_>,
        count: &mut impl FnMut(Count) -> Result<i64, E>,
    ) -> Result<bool, E> {
        let ago = |minutes: u32| facts.now - Duration::from_secs(u64::from(minutes) * 60);
        Ok(match *self {
            Condition::FirstSeen => facts.happened == Happened::First,
            Condition::Regression => facts.happened == Happened::Regression,
            Condition::Unmuted => facts.happened == Happened::Unmuted,
            Condition::EveryEvent => true,
            Condition::Events { more_than, minutes } => {
                let (since, most) = (ago(minutes), more_than.saturating_add(1));
                count(Count::Events { since, most })? > i64::from(more_than)
            }
            Condition::Users { more_than, minutes } => {
                let (since, most) = (ago(minutes), more_than.saturating_add(1));
                count(Count::Users { since, most })? > i64::from(more_than)
            }
            Condition::Percent { more_than, minutes } => {
                let mut since = |minutes| count(Count::Events { since: ago(minutes), most: MAX_COUNTED });
                let (both, now) = (since(minutes.saturating_mul(2))?, since(minutes)?);
                let before = both - now;
                before > 0 && (now - before) * 100 > before * i64::from(more_than)
            }
        })
    }

    fn words(&self) -> String {
        match self {
            Condition::FirstSeen => "it is new".to_owned(),
            Condition::Regression => "it was over, and is back".to_owned(),
            Condition::Unmuted => "it was ignored until now".to_owned(),
            Condition::EveryEvent => "it happened".to_owned(),
            Condition::Events { more_than, minutes } => format!("more than {more_than} in {minutes} minutes"),
            Condition::Users { more_than, minutes } => {
                format!("more than {more_than} users in {minutes} minutes")
            }
            Condition::Percent { more_than, minutes } => {
                format!("{more_than} % more in {minutes} minutes than before")
            }
        }
    }
}

impl Filter {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        let age = facts.now.since(facts.first_seen);
        let span = |minutes: &u32| Duration::from_secs(u64::from(*minutes) * 60);
        let tag = |name: &str| facts.tags.get(name).cloned();
        match self {
            Filter::OlderThan { minutes } => age > span(minutes),
            Filter::NewerThan { minutes } => age <= span(minutes),
            Filter::SeenAtLeast { times } => facts.times >= i64::from(*times),
            Filter::Assigned { to } if to.is_empty() => !facts.assignee.is_empty(),
            Filter::Assigned { to } => facts.assignee == to,
            Filter::Unassigned => facts.assignee.is_empty(),
            Filter::LatestRelease => tag("release").is_some_and(|it| it == facts.latest_release),
            Filter::LevelAtLeast { level } => tag("level").and_then(|it| rank(&it)) >= rank(level),
            Filter::Tag(question) => question.holds(tag(&question.name).as_deref()),
            Filter::Attribute(question) => question.holds((facts.attributes)(&question.name).as_deref()),
        }
    }

    fn words(&self) -> String {
        match self {
            Filter::OlderThan { minutes } => format!("older than {minutes} minutes"),
            Filter::NewerThan { minutes } => format!("newer than {minutes} minutes"),
            Filter::SeenAtLeast { times } => format!("seen at least {times} times"),
            Filter::Assigned { to } if to.is_empty() => "assigned".to_owned(),
            Filter::Assigned { to } => format!("assigned to {to}"),
            Filter::Unassigned => "assigned to nobody".to_owned(),
            Filter::LatestRelease => "of the latest release".to_owned(),
            Filter::LevelAtLeast { level } => format!("at least {level}"),
            Filter::Tag(question) => format!("tag {}", question.words()),
            Filter::Attribute(question) => question.words(),
        }
    }
}

impl Question {
    fn holds(&self, text: Option<&str>) -> bool {
        let wanted = self.value.to_lowercase();
        let holds = text.filter(|it| !it.is_empty()).is_some_and(|text| {
            let text = text.to_lowercase();
            match self.how {
                How::Equals => text == wanted,
                How::Contains => text.contains(&wanted),
                How::StartsWith => text.starts_with(&wanted),
                How::EndsWith => text.ends_with(&wanted),
                How::IsSet => true,
            }
        });
        holds != self.not
    }

    fn words(&self) -> String {
        let not = if self.not { "not " } else { "" };
        let how = match self.how {
            How::Equals => "equal to",
            How::Contains => "with",
            How::StartsWith => "beginning with",
            How::EndsWith => "ending with",
            How::IsSet => return format!("{} {not}set", self.name),
        };
        format!("{} {not}{how} {:?}", self.name, self.value)
    }
}

const LEVELS: [&str; 5] = ["debug", "info", "warning", "error", "fatal"];

fn rank(level: &str) -> Option<usize> {
    LEVELS.iter().position(|it| *it == level)
}

#[cfg(test)]
mod tests;
