//! Issues are merged and part again in any order: each says how often it was seen and by how many users, as if nothing
//! had ever been merged.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod reporting;
#[path = "../../store/tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flow::errors::acts::{Acted, IssueAct};
use flow::{Hub, SystemClock};
use model::Id;
use model::project::Settings;
use store::Store;

use reporting::exception;

/// Kinds of errors, each of which is an issue of its own.
const FUNCTIONS: [&str; 5] = ["pay", "ship", "tax", "mail", "scan"];
const KINDS: usize = FUNCTIONS.len();
/// Things that happen in one story.
const STEPS: usize = 40;
/// Stories on each database.
const STORIES: u64 = 6;

/// Numbers that look as if nobody had chosen them.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((it ^ (it >> 31)) % most as u64) as usize
    }
}

/// What happened, and what follows from it.
struct Book {
    /// kind and user of each error
    errors: Vec<(usize, usize)>,
    into: [Option<usize>; KINDS],
    ids: [Id; KINDS],
}

impl Book {
    fn head(&self, kind: usize) -> usize {
        self.into[kind].unwrap_or(kind)
    }

    fn heads(&self) -> Vec<usize> {
        (0..KINDS).filter(|it| self.into[*it].is_none()).collect()
    }

    fn merged(&self) -> Vec<usize> {
        (0..KINDS).filter(|it| self.into[*it].is_some()).collect()
    }

    /// Times and users of an issue.
    fn counts(&self, head: usize) -> (i64, i64) {
        let of: Vec<usize> =
            self.errors.iter().filter(|(kind, _)| self.head(*kind) == head).map(|(_, user)| *user).collect();
        (of.len() as i64, of.iter().collect::<BTreeSet<_>>().len() as i64)
    }
}

struct Shop {
    hub: Hub,
    project: i64,
    book: Book,
}

impl Shop {
    async fn open(store: &Store) -> Shop {
        let hub = reporting::hub(store, Arc::new(SystemClock)).await;
        let book = Book { errors: Vec::new(), into: [None; KINDS], ids: [Id(0); KINDS] };
        Shop { hub, project: 0, book }
    }

    /// A story of its own, in a project of its own.
    async fn begin(&mut self, story: u64) {
        self.project = reporting::project(&self.hub, format!("shop{story}"), Settings::default()).await;
        self.book = Book { errors: Vec::new(), into: [None; KINDS], ids: [Id(0); KINDS] };
        for kind in 0..KINDS {
            self.book.ids[kind] = self.reports(kind, kind).await;
        }
    }

    /// An error of this kind hits this user; the issue that counts it.
    async fn reports(&mut self, kind: usize, user: usize) -> Id {
        let n = self.book.errors.len();
        let event = serde_json::json!({
            "event_id": format!("{n:032x}"), "platform": "python", "release": format!("1.{n}"),
            "user": { "id": user.to_string() }, "exception": exception(FUNCTIONS[kind]),
        });
        let issue = reporting::reports(&self.hub, self.project, &event).await;
        self.book.errors.push((kind, user));
        issue
    }

    async fn does(&self, kind: usize, act: IssueAct) {
        assert_eq!(self.hub.act_on_issue(self.book.ids[kind], act).await.unwrap(), Acted::Done);
    }

    async fn something_happens(&mut self, dice: &mut Dice) {
        let (heads, merged) = (self.book.heads(), self.book.merged());
        match dice.below(8) {
            5 | 6 if heads.len() > 1 => {
                let into = heads[dice.below(heads.len())];
                let others: Vec<usize> = heads.into_iter().filter(|it| *it != into).collect();
                let other = others[dice.below(others.len())];
                self.does(into, IssueAct::Merge(vec![self.book.ids[other]])).await;
                for kind in (0..KINDS).filter(|it| self.book.head(*it) == other).collect::<Vec<_>>() {
                    self.book.into[kind] = Some(into);
                }
            }
            7 if !merged.is_empty() => {
                let other = merged[dice.below(merged.len())];
                match dice.below(2) {
                    0 => self.does(other, IssueAct::Unmerge(Vec::new())).await,
                    _ => {
                        let leaves = IssueAct::Unmerge(vec![self.book.ids[other]]);
                        self.does(self.book.head(other), leaves).await;
                    }
                }
                self.book.into[other] = None;
            }
            _ => {
                let kind = dice.below(KINDS);
                let issue = self.reports(kind, dice.below(6)).await;
                assert_eq!(issue, self.book.ids[self.book.head(kind)]);
            }
        }
    }

    /// Each issue that counts says what the book says.
    async fn is_right(&self, when: &str) {
        for kind in self.book.heads() {
            let id = self.book.ids[kind];
            let head = self.hub.store.read(move |tx| store::errors::head(tx, id)).await.unwrap().unwrap();
            assert_eq!(
                (head.times_seen, head.issue.users_seen),
                self.book.counts(kind),
                "{when}: kind {kind}"
            );
        }
    }
}

#[test]
fn whatever_is_merged_and_parts_again_says_what_it_would_say_by_itself() {
    support::on_both(async |store: Store| {
        let mut shop = Shop::open(&store).await;
        for story in 0..STORIES {
            let mut dice = Dice(story);
            shop.begin(story).await;
            for step in 0..STEPS {
                shop.something_happens(&mut dice).await;
                shop.is_right(&format!("story {story}, step {step}")).await;
            }
            for head in shop.book.heads() {
                shop.does(head, IssueAct::Unmerge(Vec::new())).await;
            }
            shop.book.into = [None; KINDS];
            shop.is_right(&format!("story {story}, at the end")).await;
            // the newest release is that of its own errors again
            for kind in 0..KINDS {
                let last = shop.book.errors.iter().rposition(|(it, _)| *it == kind).unwrap();
                let id = shop.book.ids[kind];
                let head = store.read(move |tx| store::errors::head(tx, id)).await.unwrap().unwrap();
                assert_eq!(head.issue.last_release, format!("1.{last}"), "story {story}: kind {kind}");
            }
        }
        assert!(shop.hub.stop(Duration::from_secs(20)).await);
    });
}

#[test]
fn what_cannot_all_be_merged_is_not_merged_in_part() {
    support::on_both(async |store: Store| {
        let mut shop = Shop::open(&store).await;
        shop.begin(99).await;
        let [into, one, ..] = shop.book.ids;
        let act = shop.hub.act_on_issue(into, IssueAct::Merge(vec![one, Id(7)])).await.unwrap();
        assert!(matches!(act, Acted::Not(_)), "{act:?}");
        shop.does(0, IssueAct::Merge(vec![one])).await;
        let act = shop.hub.act_on_issue(into, IssueAct::Unmerge(vec![one, Id(7)])).await.unwrap();
        assert!(matches!(act, Acted::Not(_)), "{act:?}");
        let merged = store.read(move |tx| store::errors::merged_into(tx, into)).await.unwrap();
        assert_eq!(merged, [one]);
        assert!(shop.hub.stop(Duration::from_secs(20)).await);
    });
}
