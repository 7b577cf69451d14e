//! Whether conditions and filters hold, and how they are said in words.

use std::time::Duration;

use super::{Condition, Count, Facts, Filter, Happened, How, Question};

impl Condition {
    pub(super) fn holds<E>(
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
                let middle = ago(minutes);
                let since = ago(minutes.saturating_mul(2));
                let before = count(Count::About { since, until: Some(middle) })?;
                let now = match before {
                    0 => 0,
                    _ => count(Count::About { since: middle, until: None })?,
                };
                before > 0 && (now - before) * 100 > before * i64::from(more_than)
            }
        })
    }

    pub(super) fn words(&self) -> String {
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
    pub(super) fn holds(&self, facts: &Facts<'_>) -> bool {
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

    pub(super) fn words(&self) -> String {
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

    pub(super) fn words(&self) -> String {
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

/// How bad something is, from the least on.
pub(super) const LEVELS: [&str; 5] = ["debug", "info", "warning", "error", "fatal"];

pub(super) fn rank(level: &str) -> Option<usize> {
    LEVELS.iter().position(|it| *it == level)
}
