//! What becomes of an issue when it is seen again, and what people have said about it: pure.

use std::cmp::Ordering;
use std::time::Duration;

use model::Time;
use model::alert_rule::Happened;
use model::incident::State;
use serde::{Deserialize, Serialize};

/// What is remembered of an issue beside its incident and its counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Life {
    /// By what it is over, when that is not simply now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_in: Option<ResolvedIn>,
    /// Until when nobody wants to hear of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mute: Option<Mute>,
    /// Who looks after it: a user, or `team:` and a team; empty: nobody.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub assignee: String,
    /// When it came back last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regressed_at: Option<Time>,
    /// When there was more of it than somebody wanted to hear nothing of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalated_at: Option<Time>,
    /// What the rules of its project said last, by their names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Verdict>,
}

/// By which release an issue is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResolvedIn {
    /// By this one, and those after it.
    Release(String),
    /// By the one after this one.
    After(String),
}

/// Until when nobody wants to hear of an issue. Whatever comes first ends it; nothing: for good.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mute {
    /// Until this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Until it was seen so often in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<i64>,
    /// Until it has hit so many users in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<i64>,
    /// Until it was seen so often within a span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times_within: Option<Within>,
    /// Until it has hit so many users within a span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users_within: Option<Within>,
}

/// So many within a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Within {
    /// So many.
    pub count: i64,
    /// Within so long.
    #[serde(with = "model::time::span")]
    pub span: Duration,
    /// What came before does not count: whoever ignores an issue knows of it.
    pub since: Time,
}

/// How long somebody wants to hear nothing of an issue, as they say it: until whatever comes first; nothing: for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignore {
    /// Until this time.
    pub until: Option<Time>,
    /// Until it was seen so many times more.
    pub times: Option<More>,
    /// Until it has hit so many users more.
    pub users: Option<More>,
}

/// So many more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct More {
    /// So many.
    pub count: u32,
    /// Within so long; `None`: in all.
    pub within: Option<Duration>,
}

/// How much there was of an issue within the spans that its mute has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lately {
    /// How often it was seen.
    pub times: i64,
    /// Users that it has hit.
    pub users: i64,
}

/// What a rule said of an issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The rule's name.
    pub rule: String,
    /// When it last found it worth a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fired_at: Option<Time>,
    /// What it said last, and why.
    pub said: String,
}

/// An issue as an event finds it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Whether it is new.
    pub is_new: bool,
    /// Where its incident stands.
    pub state: State,
    /// The event's release; empty: it says none.
    pub release: &'a str,
    /// How often it was seen, this time included.
    pub times: i64,
    /// Users that it has hit.
    pub users: i64,
    /// The same within the spans of its mute.
    pub lately: Lately,
    /// How the event's release stands to the one that the issue was resolved by, if that is known.
    pub by_resolved: Option<Ordering>,
    /// The time.
    pub now: Time,
}

/// What an event is to its issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The first one.
    First,
    /// It was over, and is back.
    Regression,
    /// Nobody wanted to hear of it, and there is more of it now than they said.
    Unmuted,
    /// One more.
    Again,
    /// Somebody does not want to hear of it.
    Muted,
    /// It is over, and this is of a program that is older than what ended it.
    OlderRelease,
}

impl Sight {
    /// What rules are asked about; nothing where nobody wants to hear of it.
    pub fn happened(self) -> Option<Happened> {
        match self {
            Sight::First => Some(Happened::First),
            Sight::Regression => Some(Happened::Regression),
            Sight::Unmuted => Some(Happened::Unmuted),
            Sight::Again => Some(Happened::Again),
            Sight::Muted | Sight::OlderRelease => None,
        }
    }
}

impl Life {
    /// What an event is to this issue; what follows from that is remembered.
    pub fn see(&mut self, seen: &Seen<'_>) -> Sight {
        if seen.is_new {
            return Sight::First;
        }
        if seen.state == State::Resolved {
            // whoever ignores what is over does not want to hear that it is back, either
            if self.mute.as_ref().is_some_and(|mute| !mute.is_over(seen)) {
                return Sight::Muted;
            }
            if self.resolved_in.as_ref().is_some_and(|it| it.is_before(seen)) {
                return Sight::OlderRelease;
            }
            (self.resolved_in, self.mute) = (None, None);
            self.regressed_at = Some(seen.now);
            return Sight::Regression;
        }
        match &self.mute {
            None => Sight::Again,
            Some(mute) if mute.is_over(seen) => {
                // that its time is over does not mean that there is more of it
                if mute.has_grown(seen) {
                    self.escalated_at = Some(seen.now);
                }
                self.mute = None;
                Sight::Unmuted
            }
            Some(_) => Sight::Muted,
        }
    }

    /// Whether somebody does not want to hear of it now.
    pub fn is_muted(&self, now: Time) -> bool {
        self.mute.as_ref().is_some_and(|mute| mute.until.is_none_or(|until| now < until))
    }

    /// What it is among those that are wrong, in a word.
    pub fn substatus(&self, first_seen: Time, now: Time) -> &'static str {
        /// How long something is new, or has come back.
        const NEW: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);
        let is_fresh = |at: Option<Time>| at.is_some_and(|at| now < at + NEW);
        match () {
            () if self.is_muted(now) => "ignored",
            () if is_fresh(self.escalated_at) && self.escalated_at >= self.regressed_at => "escalating",
            () if is_fresh(self.regressed_at) => "regressed",
            () if is_fresh(Some(first_seen)) => "new",
            () => "ongoing",
        }
    }

    /// From its column; what cannot be read is as if nothing had been said.
    pub fn from_column(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// As its column has it.
    pub fn to_column(&self) -> String {
        // texts, times and numbers can always be written
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl ResolvedIn {
    /// The release that it names.
    pub fn release(&self) -> &str {
        match self {
            ResolvedIn::Release(release) | ResolvedIn::After(release) => release,
        }
    }

    /// Whether an event is of a time before the end: of an older release, or of none that it says.
    fn is_before(&self, seen: &Seen<'_>) -> bool {
        if seen.release.is_empty() {
            return true;
        }
        match self {
            ResolvedIn::Release(_) => seen.by_resolved == Some(Ordering::Less),
            ResolvedIn::After(_) => seen.by_resolved.is_some_and(Ordering::is_le),
        }
    }
}

impl Mute {
    fn is_over(&self, seen: &Seen<'_>) -> bool {
        self.until.is_some_and(|until| until <= seen.now) || self.has_grown(seen)
    }

    /// Whether there is more of it than they wanted not to hear of.
    fn has_grown(&self, seen: &Seen<'_>) -> bool {
        self.times.is_some_and(|times| times <= seen.times)
            || self.users.is_some_and(|users| users <= seen.users)
            || self.times_within.is_some_and(|it| it.count <= seen.lately.times)
            || self.users_within.is_some_and(|it| it.count <= seen.lately.users)
    }

    /// Goes on with as many still to come when what counts has become more or less without anything having happened:
    /// by others that joined the issue or left it.
    pub(super) fn shift(&mut self, times: i64, users: i64) {
        self.times = self.times.map(|it| it.saturating_add(times));
        self.users = self.users.map(|it| it.saturating_add(users));
    }
}

impl Within {
    /// From when on it is counted.
    pub(super) fn begins(&self, now: Time) -> Time {
        self.since.max(now - self.span)
    }
}

impl Ignore {
    /// What an issue goes by that was seen so often and by so many users until now.
    pub fn mute(&self, times: i64, users: i64, now: Time) -> Mute {
        let in_all = |more: Option<More>, until_now: i64| {
            more.filter(|it| it.within.is_none()).map(|it| until_now.saturating_add(it.count.into()))
        };
        let within = |more: Option<More>| {
            let it = more?;
            Some(Within { count: it.count.into(), span: it.within?, since: now })
        };
        Mute {
            until: self.until,
            times: in_all(self.times, times),
            users: in_all(self.users, users),
            times_within: within(self.times),
            users_within: within(self.users),
        }
    }
}

#[cfg(test)]
mod tests {
    use tracker::release::compare;

    use super::*;

    const NOW: Time = Time::from_seconds(1_790_000_000);

    fn seen(state: State, release: &str) -> Seen<'_> {
        let lately = Lately { times: 3, users: 1 };
        Seen { is_new: false, state, release, times: 5, users: 2, lately, by_resolved: None, now: NOW }
    }

    /// By the order of their names.
    fn seen_after<'a>(end: &str, release: &'a str) -> Seen<'a> {
        Seen { by_resolved: compare(release, end), ..seen(State::Resolved, release) }
    }

    #[test]
    fn releases_are_ordered_by_their_numbers() {
        let is_before = |release: &str, end: &str| {
            ResolvedIn::Release(end.to_owned()).is_before(&seen_after(end, release))
        };
        for (older, newer) in [
            ("1.9.2", "1.10.0"),
            ("shop@1.0", "shop@2"),
            ("v1.0-rc.1", "v1.0"),
            ("1.0-alpha", "1.0-beta"),
            ("1.0-rc.2", "1.0-rc.10"),
            ("1.0+44", "1.0+45"),
        ] {
            assert!(is_before(older, newer) && !is_before(newer, older), "{older} {newer}");
        }
        for (one, other) in [("1.0", "1.0.0"), ("abc123", "1.0"), ("1.0", "abc123"), ("shop@1.0", "till@2.0")]
        {
            assert!(!is_before(one, other), "{one} {other}");
        }
        let same = seen_after("1.0.0", "1.0");
        assert!(ResolvedIn::After("1.0.0".into()).is_before(&same), "the same by another name");
        let earlier = Seen { by_resolved: Some(Ordering::Less), ..seen(State::Resolved, "abc123") };
        assert!(ResolvedIn::Release("def456".into()).is_before(&earlier), "commits, by their times");
    }

    #[test]
    fn what_is_resolved_in_a_release_comes_back_with_that_release_and_not_with_an_older_one() {
        let resolved = |it: ResolvedIn| Life { resolved_in: Some(it), ..Life::default() };
        let mut life = resolved(ResolvedIn::Release("1.2.0".into()));
        assert_eq!(life.see(&seen_after("1.2.0", "1.1.9")), Sight::OlderRelease);
        assert_eq!(life.see(&seen(State::Resolved, "")), Sight::OlderRelease, "no release counts as older");
        assert_eq!(life.see(&seen_after("1.2.0", "1.2.0")), Sight::Regression);
        assert_eq!((life.resolved_in.clone(), life.substatus(Time(0), NOW)), (None, "regressed"));
        let mut next = resolved(ResolvedIn::After("1.2.0".into()));
        assert_eq!(next.see(&seen_after("1.2.0", "1.2.0")), Sight::OlderRelease);
        assert_eq!(next.see(&seen_after("1.2.0", "1.2.1")), Sight::Regression);
        assert_eq!(Life::default().see(&seen(State::Resolved, "")), Sight::Regression, "over at once");
    }

    #[test]
    fn a_mute_ends_by_whatever_comes_first() {
        let muted = |it: Mute| Life { mute: Some(it), ..Life::default() };
        assert_eq!(muted(Mute::default()).see(&seen(State::Open, "")), Sight::Muted);
        let until = |until| muted(Mute { until: Some(until), ..Mute::default() });
        assert_eq!(until(NOW + std::time::Duration::from_secs(1)).see(&seen(State::Open, "")), Sight::Muted);
        let mut over = until(NOW);
        assert_eq!((over.is_muted(NOW), over.substatus(Time(0), NOW)), (false, "ongoing"));
        assert_eq!(over.see(&seen(State::Open, "")), Sight::Unmuted);
        assert_eq!(over.substatus(Time(0), NOW), "ongoing", "its time was over: there is no more of it");
        assert_eq!(muted(Mute::default()).see(&seen(State::Resolved, "")), Sight::Muted, "over, and ignored");
        assert_eq!(until(NOW).see(&seen(State::Resolved, "")), Sight::Regression);
        let mut counted = muted(Mute { times: Some(5), users: Some(9), ..Mute::default() });
        assert_eq!(counted.see(&seen(State::Open, "")), Sight::Unmuted);
        assert_eq!(counted.see(&seen(State::Open, "")), Sight::Again);
        assert_eq!(counted.substatus(Time(0), NOW), "escalating");
        assert_eq!(Life::from_column(&counted.to_column()), counted);
    }

    #[test]
    fn a_mute_may_be_for_as_long_as_there_are_few_within_a_span() {
        let hour = Duration::from_secs(3600);
        let ignore = |times, users| {
            let more = |count: Option<u32>| count.map(|count| More { count, within: Some(hour) });
            Ignore { times: more(times), users: more(users), ..Ignore::default() }.mute(5, 2, NOW)
        };
        let sees = |mute: Mute| {
            let mut life = Life { mute: Some(mute), ..Life::default() };
            assert_eq!(Life::from_column(&life.to_column()), life);
            life.see(&seen(State::Open, ""))
        };
        assert_eq!(sees(ignore(Some(4), None)), Sight::Muted, "three of late, whatever was before");
        assert_eq!(sees(ignore(Some(3), None)), Sight::Unmuted);
        assert_eq!(sees(ignore(Some(4), Some(2))), Sight::Muted);
        assert_eq!(sees(ignore(Some(4), Some(1))), Sight::Unmuted);
        let within = ignore(Some(4), None).times_within.unwrap();
        assert_eq!(within.begins(NOW + hour / 2), NOW, "nothing counts from before");
        assert_eq!(within.begins(NOW + hour * 2), NOW + hour);
    }

    #[test]
    fn as_many_more_are_to_come_when_others_join() {
        let more = |count| Some(More { count, within: None });
        let mut mute = Ignore { times: more(4), users: more(1), ..Ignore::default() }.mute(5, 2, NOW);
        assert_eq!((mute.times, mute.users, mute.times_within), (Some(9), Some(3), None));
        mute.shift(10, 3);
        assert_eq!((mute.times, mute.users), (Some(19), Some(6)));
    }
}
