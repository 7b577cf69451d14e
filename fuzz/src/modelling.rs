//! Questions that people write about labels and times.

use model::condition::Condition;
use model::matcher::{self, Matcher, Matchers, Op};
use model::time_interval::TimeInterval;
use model::{Labels, Severity, Time};

use crate::{halves, is_greedy};

/// Matchers as they stand in configuration, links and on command lines.
pub fn matchers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(one) = matcher::parse(text) {
        check_matcher(&one);
    }
    let all = match matcher::parse_list(text) {
        Ok(all) => Matchers(all),
        Err(bad) => {
            assert!(!bad.to_string().is_empty());
            if let matcher::BadMatcher::Syntax { at, .. } = bad {
                assert!((1..=text.chars().count() + 1).contains(&at));
            }
            return;
        }
    };
    all.0.iter().for_each(check_matcher);
    let shown = all.to_string();
    assert_eq!(matcher::parse_list(&shown).as_ref(), Ok(&all.0), "{shown}");
    let json = serde_json::to_string(&all).expect("it is JSON");
    assert_eq!(serde_json::from_str::<Matchers>(&json).expect(&json), all);
}

fn check_matcher(one: &Matcher) {
    let shown = one.to_string();
    let again = matcher::parse(&shown).expect(&shown);
    assert_eq!(again, *one, "{shown}");

    let opposite = match one.op {
        Op::Equal => Op::NotEqual,
        Op::NotEqual => Op::Equal,
        Op::Regex => Op::NotRegex,
        Op::NotRegex => Op::Regex,
    };
    let opposite = Matcher::new(&one.name, opposite, &one.value).expect("its parts are good");
    // a plain alternation is not matched as an expression is, but must match the same
    let grouped = Matcher::new(&one.name, one.op, format!("(?:{})", one.value)).ok();
    let grouped = grouped.filter(|_| one.op.is_regex() && !one.value.contains(['(', ')', 'Q']));
    for value in one.value.split('|').chain(["", "a", "\n", &one.value]) {
        let answer = one.matches_value(value);
        assert_eq!(again.matches_value(value), answer);
        assert_eq!(opposite.matches_value(value), !answer);
        assert!(grouped.as_ref().is_none_or(|it| it.matches_value(value) == answer), "{one} {value:?}");
        assert!(one.op.is_regex() || answer == ((value == one.value) == one.is_equal()));
    }
}

/// Microseconds since 1970, and an interval as JSON.
pub fn time_interval(data: &[u8]) {
    let (at, json) = halves(data);
    let at = std::str::from_utf8(at).ok().and_then(|at| at.trim().parse().ok());
    let (Some(at), Ok(interval)) = (at.map(Time), serde_json::from_slice::<TimeInterval>(json)) else {
        return;
    };
    let written = serde_json::to_string(&interval).expect("it is JSON");
    assert_eq!(serde_json::from_str::<TimeInterval>(&written).expect(&written), interval);

    let now = interval.contains(at);
    let next = interval.next_change(at);
    // without a change there is none for two years
    let end = next.unwrap_or(Time(at.0.saturating_add(2 * 365 * 86_400_000_000)).min(Time::MAX).max(at));
    if let Some(next) = next {
        assert!(next > at, "{next} is not after {at}");
        assert_ne!(interval.contains(next), now, "no change at {next}");
        assert_eq!(interval.contains(Time(next.0 - 1)), now, "there is a change before {next}");
    }
    for part in 1..100 {
        let between = Time(at.0 + (end.0 - at.0) / 100 * part);
        assert_eq!(interval.contains(between), now, "there is a change before {between}");
    }
}

/// A condition of a route.
pub fn condition(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    if is_greedy(source) {
        return;
    }
    let condition = match Condition::new(source) {
        Ok(condition) => condition,
        Err(bad) => return assert!(!bad.to_string().is_empty()),
    };
    let written = serde_json::to_string(&condition).expect("it is JSON");
    assert_eq!(serde_json::from_str::<Condition>(&written).expect(&written), condition);

    let opposite = Condition::new(&format!("not ({source})")).ok();
    let labels: Labels = [("cpu", "91"), ("note", ""), ("team", "db")].into_iter().collect();
    for (labels, severity) in
        [(Labels::new(), Severity::Info), (labels.clone(), Severity::Critical), (labels, Severity::Warning)]
    {
        let holds = condition.holds(&labels, severity);
        assert_eq!(condition.holds(&labels, severity), holds, "it changes its mind");
        let not = opposite.as_ref().is_some_and(|it| it.holds(&labels, severity));
        assert!(!(holds && not), "both it and its opposite hold");
    }
}
