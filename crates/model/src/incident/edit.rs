//! Changes that somebody makes to what is known of an incident, each with a line that says what was and what is.

use serde_json::Value;

use super::{Change, ChangeKind, Incident, State, title_line};
use crate::extra::{Acknowledgement, AddedTag, Edit, Extra};
use crate::fnv::Fnv;
use crate::id::Id;
use crate::labels::Labels;
use crate::time::Time;

/// Characters of a text that a line shows.
const MAX_SHOWN: usize = 200;

/// The annotation that holds a description of more than a line.
pub const DESCRIPTION: &str = "description";

impl Incident {
    /// As [`Extra::chain`].
    pub fn chain(&self) -> u32 {
        self.more().chain
    }

    /// Says how long the chain is at whose end it is as it is from here on.
    pub fn set_chain(&mut self, chain: u32) {
        if self.chain() != chain {
            self.more_mut().chain = chain;
        }
    }

    pub(super) fn edit(&mut self, by: &str, edit: &Edit, at: Time, changes: &mut Vec<Change>) {
        let mut updated = |detail: String| changes.push(Change::new(ChangeKind::Updated, by, detail));
        if let Some(text) = edit.description.as_ref().filter(|it| *it != self.description()) {
            updated(changed("description", self.description(), text));
            self.describe(text);
        }
        if let Some(link) = edit.link.as_ref().filter(|it| **it != self.link) {
            updated(changed("link", &self.link, link));
            self.link.clone_from(link);
        }
        if let Some(url) = edit.ticket_url.as_ref().filter(|it| **it != self.more().ticket_url) {
            updated(changed("ticket_url", &self.more().ticket_url, url));
            self.more_mut().ticket_url.clone_from(url);
        }
        if let Some(metadata) = edit.metadata.as_ref().filter(|it| **it != self.more().metadata) {
            updated(format!("metadata: {} → {}", shown(&self.more().metadata), shown(metadata)));
            self.more_mut().metadata.clone_from(metadata);
        }
        let had = &self.more().tags;
        let mut tags = edit.tags.as_ref().map_or_else(|| had.clone(), |new| replaced(had, new, edit.tags_of));
        tags.retain(|it| edit.old_tag.as_ref() != Some(&it.tag));
        let new = edit.new_tag.as_ref().filter(|new| tags.iter().all(|it| it.tag != new.tag));
        tags.extend(new.cloned());
        if tags != self.more().tags {
            let detail = tags_changed(&self.more().tags, &tags);
            self.retag(&tags);
            if !detail.is_empty() {
                updated(format!("tags: {detail}"));
            }
        }
        if !edit.remark.is_empty() {
            updated(edit.remark.clone());
        }
        if let Some(severity) = edit.severity.filter(|it| *it != self.severity) {
            let detail = format!("{} → {severity}", self.severity);
            self.severity = severity;
            changes.push(Change::new(ChangeKind::SeverityChanged, by, detail));
        }
        if let Some(until) = &edit.acknowledgement {
            self.acknowledged_otherwise(by, until, at, changes);
        }
    }

    /// The text that people read of it, whole.
    pub fn description(&self) -> &str {
        let whole = self.annotations.get(DESCRIPTION).filter(|_| self.more().source.is_some());
        whole.unwrap_or(&self.title)
    }

    /// The number of its source: the id of a registered one, or one that follows from its name and is less than any id.
    pub fn source_number(&self) -> i64 {
        self.more().source.map_or_else(|| number_of_source(&self.source), |id| id.0)
    }

    /// What kind of source it comes from; what is not registered goes by the first part of its name.
    pub fn source_kind(&self) -> &str {
        let more = self.more();
        if more.source.is_some() { &more.source_kind } else { kind_of_source(&self.source) }
    }

    /// Whether it is wrong now, and not just something that happened.
    pub fn is_open(&self) -> bool {
        self.is_active() && !self.more().stateless
    }

    fn describe(&mut self, text: &str) {
        self.title = title_line(text);
        if self.title == text {
            self.annotations.remove(DESCRIPTION);
        } else {
            self.annotations.set(DESCRIPTION, text);
        }
    }

    /// Labels of a registered source's incident follow its tags; the labels of another are its sender's word.
    fn retag(&mut self, tags: &[AddedTag]) {
        if self.more().source.is_some() {
            let mut labels = self.labels.clone();
            for (key, _) in self.more().tags.iter().filter_map(|it| it.tag.split_once('=')) {
                labels.remove(key);
            }
            label(&mut labels, tags);
            self.labels = labels;
        }
        self.more_mut().tags = tags.to_vec();
    }

    fn acknowledged_otherwise(
        &mut self,
        by: &str,
        new: &Acknowledgement,
        at: Time,
        changes: &mut Vec<Change>,
    ) {
        let is_meant =
            |it: &&mut Acknowledgement| it.by == new.by && it.at == new.at && it.until != new.until;
        let Some(known) = self.more_mut().acknowledgements.iter_mut().find(is_meant) else { return };
        let word = |until: Option<Time>| until.map_or("for good".to_owned(), |at| format!("until {at}"));
        let detail = format!("acknowledgement by {}: {} → {}", known.by, word(known.until), word(new.until));
        known.until = new.until;
        changes.push(Change::new(ChangeKind::Updated, by, detail));
        if self.state == State::Resolved {
            return;
        }
        let was = self.state;
        self.settle_acknowledgements(at);
        if was == State::Acknowledged && self.state == State::Open {
            changes.push(Change::new(ChangeKind::AcknowledgementExpired, "", new.by.clone()));
        }
    }
}

/// The number of a source that nobody has registered.
pub fn number_of_source(name: &str) -> i64 {
    let mut sum = Fnv::default();
    sum.add(name.as_bytes());
    // ids were as small as this in the first days of 2020
    (sum.sum() & ((1 << 52) - 1)).cast_signed()
}

/// The kind of a source that nobody has registered.
pub fn kind_of_source(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

/// Adds a label for each key of these tags: of several with one key, the first.
pub fn label(labels: &mut Labels, tags: &[AddedTag]) {
    for (key, value) in tags.iter().rev().filter_map(|it| it.tag.split_once('=')) {
        labels.set(key, value);
    }
}

fn changed(what: &str, was: &str, is: &str) -> String {
    format!("{what}: {:?} → {:?}", cut(was), cut(is))
}

fn shown(value: &Value) -> String {
    cut(&value.to_string())
}

fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// Tags in place of those that somebody added, or of all.
fn replaced(had: &[AddedTag], new: &[AddedTag], of: Option<Id>) -> Vec<AddedTag> {
    let known = |it: &AddedTag| had.iter().find(|have| have.tag == it.tag).unwrap_or(it).clone();
    let stays =
        |it: &&AddedTag| of.is_some_and(|own| it.by != own) && new.iter().all(|new| new.tag != it.tag);
    new.iter().map(known).chain(had.iter().filter(stays).cloned()).collect()
}

fn tags_changed(was: &[AddedTag], is: &[AddedTag]) -> String {
    let gone = was.iter().filter(|old| is.iter().all(|new| new.tag != old.tag)).map(|it| ("-", it));
    let new = is.iter().filter(|new| was.iter().all(|old| old.tag != new.tag)).map(|it| ("+", it));
    let words: Vec<String> = gone.chain(new).map(|(sign, it)| format!("{sign}{}", cut(&it.tag))).collect();
    words.join(" ")
}

/// What [`Incident::more`] gives where there is nothing.
pub(super) static NOTHING: std::sync::LazyLock<Extra> = std::sync::LazyLock::new(Extra::default);

#[cfg(test)]
mod tests {
    use super::super::tests::{POLICY, opened};
    use super::super::{Input, Policy};
    use super::*;
    use crate::severity::Severity;

    fn at(second: i64) -> Time {
        Time::from_seconds(second)
    }

    fn edited(it: &Incident, edit: &Edit) -> (Incident, Vec<(ChangeKind, String)>) {
        let (next, changes) = it.apply(&Input::Edit { by: "ann", edit }, &POLICY, at(10));
        assert_eq!(
            next.apply(
                &Input::Edit { by: "ann", edit: &Edit { remark: String::new(), ..edit.clone() } },
                &POLICY,
                at(10)
            )
            .1,
            vec![]
        );
        (next, changes.into_iter().map(|it| (it.kind, it.detail)).collect())
    }

    fn sourced(tags: &[&str]) -> Incident {
        let mut it = opened();
        it.extra = Some(Box::new(Extra { source: Some(Id(7)), tags: added(tags), ..Extra::default() }));
        let mut labels = Labels::new();
        labels.set("source", "zino");
        label(&mut labels, &it.more().tags);
        Incident { labels, ..it }
    }

    fn added(tags: &[&str]) -> Vec<AddedTag> {
        tags.iter().map(|tag| AddedTag { tag: (*tag).to_owned(), by: Id(1), at: at(0) }).collect()
    }

    #[test]
    fn every_change_says_what_was_and_what_is() {
        let edit = Edit {
            description: Some("x".repeat(300)),
            severity: Some(Severity::Critical),
            ticket_url: Some("https://t/1".into()),
            metadata: Some(serde_json::json!({ "a": 1 })),
            ..Edit::default()
        };
        let (it, said) = edited(&sourced(&[]), &edit);
        assert_eq!((it.description().len(), it.title.len(), it.severity), (300, 200, Severity::Critical));
        assert_eq!(said[1], (ChangeKind::Updated, r#"ticket_url: "" → "https://t/1""#.into()));
        assert_eq!(said[2], (ChangeKind::Updated, r#"metadata: null → {"a":1}"#.into()));
        assert_eq!(said[3], (ChangeKind::SeverityChanged, "warning → critical".into()));
        let (short, _) = edited(&it, &Edit { description: Some("x".into()), ..Edit::default() });
        assert_eq!((short.title.as_str(), short.annotations.get(DESCRIPTION)), ("x", None));
    }

    #[test]
    fn labels_follow_the_tags_of_a_registered_source_only() {
        let edit = Edit { tags: Some(added(&["b=2", "b=3", "c=4"])), ..Edit::default() };
        let (it, said) = edited(&sourced(&["a=1", "b=3"]), &edit);
        assert_eq!(said, [(ChangeKind::Updated, "tags: -a=1 +b=2 +c=4".to_owned())]);
        assert_eq!(it.labels, [("source", "zino"), ("b", "2"), ("c", "4")].into_iter().collect());
        let (other, _) = edited(&opened(), &edit);
        assert_eq!((&other.labels, other.more().tags.len()), (&opened().labels, 3));
    }

    #[test]
    fn tags_of_others_stay_when_somebody_says_all_of_theirs() {
        let by = |by: i64, tag: &str| AddedTag { tag: tag.to_owned(), by: Id(by), at: at(0) };
        let mut it = sourced(&["a=1", "b=1"]);
        it.more_mut().tags.push(by(2, "owner=ann"));
        let all = |it: &Incident| -> Vec<String> {
            it.more().tags.iter().map(|it| format!("{} {}", it.tag, it.by.0)).collect()
        };
        let edit = |tags: &[AddedTag], of: Option<i64>| Edit {
            tags: Some(tags.to_vec()),
            tags_of: of.map(Id),
            ..Edit::default()
        };
        let (next, said) = edited(&it, &edit(&[by(1, "b=1"), by(1, "c=1")], Some(1)));
        assert_eq!(all(&next), ["b=1 1", "c=1 1", "owner=ann 2"]);
        assert_eq!(said[0].1, "tags: -a=1 +c=1");
        let (next, _) = edited(&it, &edit(&[by(2, "a=1")], Some(2)));
        assert_eq!(all(&next), ["a=1 1", "b=1 1"], "what is there keeps who added it");
        assert_eq!(all(&edited(&it, &edit(&[], None)).0), Vec::<String>::new());
    }

    #[test]
    fn of_several_acknowledgements_the_longest_counts() {
        let take = |it: &Incident, by, until: Option<i64>, now| {
            it.apply(&Input::Acknowledge { by, until: until.map(at), note: "" }, &POLICY, at(now)).0
        };
        let both = take(&take(&opened(), "ann", None, 1), "bob", Some(100), 2);
        assert_eq!((both.acknowledged_by.as_deref(), both.acknowledged_until), (Some("ann"), None));
        let later = both.apply(&Input::Deadline, &POLICY, at(200)).0;
        assert_eq!(later.state, State::Acknowledged);
        let again = take(&both, "ann", Some(50), 3);
        assert_eq!(
            (again.acknowledged_by.as_deref(), again.acknowledged_until),
            (Some("bob"), Some(at(100)))
        );
        let ends = Acknowledgement { by: "bob".into(), at: at(2), until: Some(at(9)) };
        let (left, said) = edited(&again, &Edit { acknowledgement: Some(ends), ..Edit::default() });
        assert_eq!((left.acknowledged_by.as_deref(), left.acknowledged_until), (Some("ann"), Some(at(50))));
        assert_eq!(said.len(), 1);
        let back = left.apply(&Input::Deadline, &POLICY, at(50)).0;
        assert_eq!((back.state, back.is_acknowledged(at(50))), (State::Open, false));
    }

    #[test]
    fn what_is_over_comes_back_when_somebody_says_so() {
        let policy = Policy { reopen_within: std::time::Duration::ZERO, ..POLICY };
        let taken =
            opened().apply(&Input::Acknowledge { by: "ann", until: None, note: "" }, &policy, at(1)).0;
        let end = Input::Resolve { by: "ann", note: "", end: Some(at(-5)) };
        let over = taken.apply(&end, &policy, at(9)).0;
        assert_eq!((over.resolved_at, over.is_live()), (Some(over.started_at), false), "not before it began");
        assert!(over.is_acknowledged(at(10)), "it stays known that somebody took it");
        let (back, changes) = over.apply(&Input::Reopen { by: "bob", note: "no" }, &policy, at(20));
        assert_eq!(changes, [Change::new(ChangeKind::Reopened, "bob", "no")]);
        assert_eq!((back.state, back.resolved_at, back.is_acknowledged(at(20))), (State::Open, None, false));
        assert_eq!(back.apply(&Input::Reopen { by: "bob", note: "no" }, &policy, at(21)).1, vec![]);
    }
}
