//! Which of many lists of matchers can match a label set, found without asking each.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::OnceLock;

use super::{Matchers, Op, Pattern};
use crate::labels::Labels;

/// Lists of matchers by a value that one of their matchers asks for: of hundreds of routes with `team="…"` a
/// label set is asked about those of its own team.
#[derive(Debug, Default)]
pub struct Index {
    /// By label and value, the places of the lists that can match only with it.
    by_label: Vec<(String, HashMap<String, Vec<usize>>)>,
    /// Places of lists that ask for no value that could be looked up.
    others: Vec<usize>,
}

impl Index {
    /// The index of these lists, which are called by their places from then on.
    pub fn of<'a>(lists: impl Iterator<Item = &'a Matchers> + Clone) -> Self {
        let mut lists_with: HashMap<&str, HashMap<&str, usize>> = HashMap::new();
        for (name, value) in lists.clone().flat_map(|list| &list.0).flat_map(wanted) {
            *lists_with.entry(name).or_default().entry(value).or_default() += 1;
        }
        let mut by_label: HashMap<&str, HashMap<String, Vec<usize>>> = HashMap::new();
        let mut others = Vec::new();
        for (place, list) in lists.enumerate() {
            // the one that tells most apart: whose label has the most values
            let best = list.0.iter().filter(|matcher| wanted(matcher).next().is_some());
            let best = best.max_by_key(|it| lists_with.get(it.name.as_str()).map_or(0, HashMap::len));
            let Some(best) = best else {
                others.push(place);
                continue;
            };
            let values = by_label.entry(&best.name).or_default();
            for (_, value) in wanted(best) {
                match values.entry(value.to_owned()) {
                    Entry::Occupied(mut places) => places.get_mut().push(place),
                    Entry::Vacant(none) => drop(none.insert(vec![place])),
                }
            }
        }
        let by_label = by_label.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
        Index { by_label, others }
    }

    /// Places of the lists that can match, ascending. Every list that does match is among them.
    pub fn candidates(&self, labels: &Labels) -> Vec<usize> {
        let mut found = self.others.clone();
        for (name, values) in &self.by_label {
            found.extend(labels.get(name).and_then(|value| values.get(value)).into_iter().flatten());
        }
        found.sort_unstable();
        found
    }
}

/// The values with which alone a matcher can match, with its label; none when there are others, too. Labels that
/// are not there read as the empty text, so a matcher that takes it cannot be looked up.
fn wanted(matcher: &super::Matcher) -> impl Iterator<Item = (&str, &str)> {
    let values: &[String] = match (&matcher.op, &matcher.pattern) {
        (Op::Equal, _) => std::slice::from_ref(&matcher.value),
        (Op::Regex, Some(Pattern::OneOf(values))) => values,
        _ => &[],
    };
    let takes_empty = values.iter().any(String::is_empty);
    values.iter().filter(move |_| !takes_empty).map(|value| (matcher.name.as_str(), value.as_str()))
}

/// An [`Index`] that is made when it is first asked for. It is no part of what it is the index of: a copy begins
/// without one, and all are equal. What it is of must not change once it is made.
#[derive(Default)]
pub struct LazyIndex(OnceLock<Index>);

impl LazyIndex {
    /// The index of these lists.
    pub fn of<'a>(&self, lists: impl Iterator<Item = &'a Matchers> + Clone) -> &Index {
        self.0.get_or_init(|| Index::of(lists))
    }
}

impl Clone for LazyIndex {
    fn clone(&self) -> Self {
        LazyIndex::default()
    }
}

impl PartialEq for LazyIndex {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for LazyIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LazyIndex")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::matcher::parse_list;

    fn lists(texts: &[String]) -> Vec<Matchers> {
        texts.iter().map(|text| Matchers(parse_list(text).unwrap())).collect()
    }

    #[test]
    fn only_lists_of_the_own_team_are_asked() {
        let texts: Vec<String> = (0..200).map(|n| format!(r#"{{severity=~"a|b",team="t{n}"}}"#)).collect();
        let lists = lists(&texts);
        let labels: Labels = [("team", "t7"), ("severity", "a")].into_iter().collect();
        assert_eq!(Index::of(lists.iter()).candidates(&labels), [7]);
        assert!(Index::of(lists.iter()).candidates(&Labels::new()).is_empty());
    }

    proptest! {
        #[test]
        fn whatever_matches_is_among_the_candidates(
            texts in prop::collection::vec(
                prop::collection::vec((0..3usize, 0..4usize, 0..6usize), 0..3), 0..8),
            labels in prop::collection::vec((0..3usize, 0..3usize), 0..4),
        ) {
            let (names, values) = (["a", "b", "c"], ["x", "y", "", "x|y", "x|", "x.*"]);
            let texts: Vec<String> = texts.iter().map(|list| {
                let one = |(name, op, value): &(usize, usize, usize)| {
                    format!("{}{}{:?}", names[*name], ["=", "!=", "=~", "!~"][*op], values[*value])
                };
                format!("{{{}}}", list.iter().map(one).collect::<Vec<_>>().join(","))
            }).collect();
            let lists = lists(&texts);
            let labels: Labels = labels.iter().map(|(n, v)| (names[*n], values[*v])).collect();
            let candidates = Index::of(lists.iter()).candidates(&labels);
            prop_assert!(candidates.windows(2).all(|pair| pair[0] < pair[1]));
            for place in (0..lists.len()).filter(|n| lists[*n].matches(&labels)) {
                prop_assert!(candidates.contains(&place), "{} by {labels}", texts[place]);
            }
        }
    }
}
