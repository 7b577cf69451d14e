//! The search of issues: `is:unresolved level:error release:1.2 browser:Firefox KeyError checkout`.
//!
//! A word with a colon asks for something; any other word must be in what an issue says: title, place, messages, or the
//! functions, files and lines of its stack. All must hold. A `!` before a word means that it must not.

use std::cell::LazyCell;
use std::cmp::Reverse;
use std::collections::HashSet;

use flow::life::Life;
use model::incident::State;
use model::{Id, Time};
use store::errors::{Head, Looked};
use store::{Result, Tx};

use crate::error::{Answer, Problem};

/// Words of one search.
const MAX_WORDS: usize = 50;
/// Issues that one search looks at: the newest.
pub(crate) const MAX_LOOKED_AT: i64 = 20_000;

/// Issues that are asked for what is written elsewhere at a time.
const STEP: usize = 200;

/// Which part of what is found is wanted.
#[derive(Clone, Copy)]
pub struct Paging {
    /// What is greatest of the first.
    pub order: fn(&Head) -> i64,
    /// How many are passed over.
    pub from: usize,
    /// How many are wanted at the most.
    pub limit: usize,
}

/// What a search found.
pub struct Found {
    /// The page.
    pub page: Vec<Head>,
    /// Whether there are more after it.
    pub more: bool,
    /// Whether there are issues too old to be looked at.
    pub older: bool,
}

/// A search, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    is: Vec<(bool, String)>,
    tags: Vec<(bool, String, String)>,
    assigned: Vec<(bool, String)>,
    times: Vec<(char, i64)>,
    words: Vec<(bool, String)>,
}

/// What issues may be.
const STATES: [&str; 9] = [
    "unresolved",
    "resolved",
    "ignored",
    "new",
    "ongoing",
    "regressed",
    "escalating",
    "assigned",
    "unassigned",
];

impl Search {
    /// Reads a search.
    ///
    /// # Errors
    /// What cannot be understood.
    pub fn read(text: &str) -> Answer<Self> {
        let words = split(text);
        if words.len() > MAX_WORDS {
            return Err(Problem::wrong(
                "query",
                format!("has {} words, the limit is {MAX_WORDS}", words.len()),
            ));
        }
        let mut search = Search::default();
        for (word, quoted) in words {
            let (wanted, word) = match word.strip_prefix('!').filter(|_| !quoted) {
                Some(rest) => (false, rest.to_owned()),
                None => (true, word),
            };
            match word
                .split_once(':')
                .filter(|(name, value)| !quoted && !name.is_empty() && !value.is_empty())
            {
                None => search.words.push((wanted, word.to_lowercase())),
                Some(("is", state)) if STATES.contains(&state) => search.is.push((wanted, state.to_owned())),
                Some(("is", state)) => {
                    let known = STATES.join(", ");
                    return Err(Problem::wrong("query", format!("is:{state}: known are {known}")));
                }
                Some(("assigned", whom)) => search.assigned.push((wanted, whom.to_owned())),
                Some(("times", count)) => {
                    let (sign, number) = count.split_at(usize::from(count.starts_with(['>', '<'])));
                    let number = number.parse().map_err(|_| {
                        Problem::wrong("query", format!("times:{count}: write it like times:>100"))
                    })?;
                    search.times.push((sign.chars().next().unwrap_or('='), number));
                }
                // what looks like a place in a program is a word
                Some((name, _)) if name.contains(['/', '.', '(']) && !name.starts_with("sentry.") => {
                    search.words.push((wanted, word.to_lowercase()));
                }
                Some((name, value)) => {
                    search.tags.push((wanted, name.trim_start_matches("tags.").to_owned(), value.to_owned()));
                }
            }
        }
        Ok(search)
    }

    /// A page of the issues that it finds, of one project or of all.
    ///
    /// # Errors
    /// When the database is gone.
    pub fn find(&self, tx: &mut Tx<'_>, project: Option<i64>, paging: Paging, now: Time) -> Result<Found> {
        let (mut all, older) = store::errors::heads(tx, Looked::newest(project, MAX_LOOKED_AT))?;
        all.sort_by_key(|it| (Reverse((paging.order)(it)), Reverse(it.issue.id)));
        let end = paging.from.saturating_add(paging.limit);
        let (mut rest, mut found) = (all.into_iter(), Vec::new());
        // what costs more than a number is looked at no further than the page goes
        while found.len() <= end && rest.len() > 0 {
            let mut some: Vec<Head> = rest.by_ref().take(STEP).collect();
            some.retain(|it| self.takes(it, now));
            self.keep_tagged(tx, &mut some)?;
            self.keep_saying(tx, &mut some)?;
            found.append(&mut some);
        }
        let more = found.len() > end;
        Ok(Found { page: found.into_iter().skip(paging.from).take(paging.limit).collect(), more, older })
    }

    fn keep_tagged(&self, tx: &mut Tx<'_>, some: &mut Vec<Head>) -> Result<()> {
        for (wanted, name, value) in &self.tags {
            let ids: Vec<Id> = some.iter().map(|it| it.issue.id).collect();
            let with = store::errors::tags_with(tx, &ids, name, value)?;
            let mut places = 0..;
            some.retain(|_| places.next().is_some_and(|place| with.contains_key(&place)) == *wanted);
        }
        Ok(())
    }

    fn keep_saying(&self, tx: &mut Tx<'_>, some: &mut Vec<Head>) -> Result<()> {
        if self.words.is_empty() {
            return Ok(());
        }
        let ids: Vec<Id> = some.iter().map(|it| it.issue.id).collect();
        let fits = |text: &str| self.words.iter().all(|(wanted, word)| text.contains(word) == *wanted);
        let saying: HashSet<usize> = store::errors::that_say(tx, &ids, fits)?.into_iter().collect();
        let mut places = 0..;
        some.retain(|_| places.next().is_some_and(|place| saying.contains(&place)));
        Ok(())
    }

    fn takes(&self, head: &Head, now: Time) -> bool {
        // most words do not ask for it
        let life = LazyCell::new(|| Life::from_column(&head.issue.life));
        let is = |state: &str| match state {
            "resolved" => head.state == State::Resolved,
            "unresolved" => head.state != State::Resolved && !life.is_muted(now),
            "assigned" => !life.assignee.is_empty(),
            "unassigned" => life.assignee.is_empty(),
            substatus => head.state != State::Resolved && life.substatus(head.first_seen, now) == substatus,
        };
        self.is.iter().all(|(wanted, state)| is(state) == *wanted)
            && self.assigned.iter().all(|(wanted, whom)| (life.assignee == *whom) == *wanted)
            && self.times.iter().all(|(sign, count)| match sign {
                '>' => head.times_seen > *count,
                '<' => head.times_seen < *count,
                _ => head.times_seen == *count,
            })
    }
}

/// Words, and those in quotes as one, each with whether it was quoted.
fn split(text: &str) -> Vec<(String, bool)> {
    let (mut words, mut word, mut open, mut quoted) = (Vec::new(), String::new(), false, false);
    for c in text.chars() {
        match c {
            '"' => {
                // `name:"a b"` is not a quoted word, but a value with a blank
                quoted |= !open && word.is_empty();
                open = !open;
            }
            c if c.is_whitespace() && !open => {
                if !word.is_empty() {
                    words.push((std::mem::take(&mut word), quoted));
                }
                quoted = false;
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push((word, quoted));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_read_as_people_write_it() {
        let text =
            "is:unresolved !level:info browser:\"Firefox 120\" times:>100 KeyError \"is: this\" app/x.py:12";
        let read = Search::read(text).unwrap();
        assert_eq!(read.is, [(true, "unresolved".to_owned())]);
        let tags = [
            (false, "level".to_owned(), "info".to_owned()),
            (true, "browser".to_owned(), "Firefox 120".to_owned()),
        ];
        assert_eq!(read.tags, tags);
        assert_eq!(read.times, [('>', 100)]);
        let words: Vec<&str> = read.words.iter().map(|(_, word)| word.as_str()).collect();
        assert_eq!(words, ["keyerror", "is: this", "app/x.py:12"]);
        assert!(Search::read("is:nonsense").is_err() && Search::read("times:many").is_err());
        assert_eq!(Search::read("  ").unwrap(), Search::default());
    }
}
