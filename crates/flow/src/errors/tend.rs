//! What becomes of issues without anybody doing anything, in a pass over those of a project: what is over and long past
//! is forgotten, what was quiet for as long as the project says is over, and of too many the quietest go.

use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use model::incident::{Input, State};
use model::project::Project;
use model::{Id, Time};
use store::errors::{self, Head, Looked};
use store::{Durability, Result, Tx};

use crate::core::Core;
use crate::ingest::Done;
use crate::life::Life;
use crate::verbs;

/// Issues that one step looks at.
const STEP: i64 = 500;
/// Steps of a pass that look: at a million issues.
const STEPS: usize = 2_000;
/// Values of tags that an issue keeps.
const MAX_TAGS: i64 = 2_000;
/// Issues that one step ends, or forgets so that there is room.
const FEW: usize = 100;
/// Issues that a pass forgets at the most so that there is room. There is a pass every minute: more than can come.
const MAX_FORGOTTEN: usize = 100_000;
/// Under which word the project's page counts what went so that there is room.
const FORGOTTEN: &str = "issue forgotten: more than keep.issues";

/// A pass over the issues of a project; each step is a transaction.
pub(crate) struct Tending {
    project: i64,
    /// what is over and was not seen since goes
    since: Time,
    /// what was not seen for so many days is over; zero: nothing is by itself
    days: u32,
    /// issues that there may be
    most: i64,
    now: Time,
    /// from where the next step looks on; nothing: all were looked at
    looked: Option<Looked>,
    steps: usize,
    /// what the next step ends
    quiet: Vec<Id>,
    /// what goes at the end
    quietest: Quietest,
}

/// How loud an issue is: the least go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Loudness {
    rank: Rank,
    last_seen: Time,
    id: Id,
}

/// What an issue is worth keeping for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Over,
    Ignored,
    /// it was never seen again, as those are of which there are too many
    SeenOnce,
    SeenAgain,
    Assigned,
}

/// The least loud of all that it was shown, so many of them.
#[derive(Default)]
struct Quietest {
    most: usize,
    heap: BinaryHeap<Loudness>,
}

impl Quietest {
    fn see(&mut self, it: Loudness) {
        if self.most == 0 {
            return;
        }
        self.heap.push(it);
        if self.heap.len() > self.most {
            self.heap.pop();
        }
    }

    /// One that there is no more of in the database leaves room.
    fn is_one_less(&mut self) {
        self.most = self.most.saturating_sub(1);
        if self.heap.len() > self.most {
            self.heap.pop();
        }
    }

    fn some(&mut self) -> Vec<Loudness> {
        (0..FEW).map_while(|_| self.heap.pop()).collect()
    }
}

fn loudness(it: &Head, life: &Life, now: Time) -> Loudness {
    let rank = match () {
        () if it.state == State::Resolved => Rank::Over,
        () if life.is_muted(now) => Rank::Ignored,
        () if !life.assignee.is_empty() => Rank::Assigned,
        () if it.times_seen <= 1 => Rank::SeenOnce,
        () => Rank::SeenAgain,
    };
    Loudness { rank, last_seen: it.last_seen, id: it.issue.id }
}

impl Tending {
    pub(crate) fn new(project: &Project, now: Time) -> Self {
        let (id, settings) = (project.id, &project.settings);
        Tending {
            project: id,
            since: settings.keep.since(now),
            days: settings.resolve_after_days,
            most: settings.keep.issues,
            now,
            looked: Some(Looked::newest(Some(id), STEP)),
            steps: 0,
            quiet: Vec::new(),
            quietest: Quietest::default(),
        }
    }

    /// How durable the next step has to be; nothing: it is over. What may be told of waits for the disk.
    pub(crate) fn lasting(&self) -> Option<Durability> {
        match () {
            () if !self.quiet.is_empty() => Some(Durability::Disk),
            () if self.looked.is_some() || !self.quietest.heap.is_empty() => Some(Durability::Lazy),
            () => None,
        }
    }

    /// What one transaction does to go on: the pass as it is then, and what has to be told.
    pub(crate) fn stepping(
        mut self,
        core: Arc<Core>,
    ) -> impl FnOnce(&mut Tx<'_>) -> Result<(Self, Done)> + Send {
        move |tx| {
            let done = self.step(&core, tx)?;
            Ok((self, done))
        }
    }

    fn step(&mut self, core: &Core, tx: &mut Tx<'_>) -> Result<Done> {
        let mut done = Done { at: Some(self.now), ..Done::default() };
        if !self.quiet.is_empty() {
            let some = self.quiet.split_off(self.quiet.len().saturating_sub(FEW));
            for id in some {
                self.ends(core, tx, id, &mut done)?;
            }
            return Ok(done);
        }
        match self.looked.take() {
            Some(looked) => self.look(tx, looked)?,
            None => self.make_room(core, tx)?,
        }
        Ok(done)
    }

    /// Looks at some issues.
    fn look(&mut self, tx: &mut Tx<'_>, mut looked: Looked) -> Result<()> {
        if self.steps == 0 {
            let over = errors::count_issues(tx, self.project)? - self.most;
            self.quietest.most = usize::try_from(over).unwrap_or(0).min(MAX_FORGOTTEN);
            for id in errors::merged_in(tx, self.project)? {
                errors::trim_tags(tx, id, MAX_TAGS)?;
            }
        }
        self.steps += 1;
        let (some, older) = errors::heads(tx, looked)?;
        let Some(last) = some.last() else { return Ok(()) };
        looked.before = last.issue.id;
        for it in &some {
            let (id, life) = (it.issue.id, Life::from_column(&it.issue.life));
            let is_over = it.state == State::Resolved;
            if is_over && it.last_seen < self.since {
                forget(tx, id)?;
                self.quietest.is_one_less();
                continue;
            }
            errors::trim_tags(tx, id, MAX_TAGS)?;
            if !is_over && !life.is_muted(self.now) && self.is_quiet(it) {
                self.quiet.push(id);
            }
            self.quietest.see(loudness(it, &life, self.now));
        }
        self.looked = Some(looked).filter(|_| older && self.steps < STEPS);
        Ok(())
    }

    fn is_quiet(&self, it: &Head) -> bool {
        self.days > 0 && it.last_seen < self.now - Duration::from_secs(u64::from(self.days) * 86_400)
    }

    /// An issue of which nothing was heard for so long is over, unless that has changed meanwhile.
    fn ends(&self, core: &Core, tx: &mut Tx<'_>, id: Id, done: &mut Done) -> Result<()> {
        let still = errors::head(tx, id)?.filter(|it| {
            let is_wrong = it.state != State::Resolved && it.issue.merged_into.is_none();
            is_wrong && self.is_quiet(it)
        });
        if still.is_none() {
            return Ok(());
        }
        let note = format!("not seen for {} days, after which issues of its project are over", self.days);
        let over = Input::Resolve { by: "", note: &note, end: None };
        if let Some((_, told)) = verbs::act(core, tx, id, (&over, 0), self.now)? {
            done.join(told);
        }
        Ok(())
    }

    /// Forgets some of the quietest. Their incidents go with them, at once.
    fn make_room(&mut self, core: &Core, tx: &mut Tx<'_>) -> Result<()> {
        for it in self.quietest.some() {
            // what was seen meanwhile stays until the next pass
            if errors::head(tx, it.id)?.is_none_or(|now| now.last_seen != it.last_seen) {
                continue;
            }
            let family = errors::family(tx, it.id)?;
            forget(tx, it.id)?;
            // as if they had been over since for ever: retention takes what is oldest
            store::incidents::set_aside(tx, &family, Time(0))?;
            core.tally.add(self.project, FORGOTTEN, 1);
        }
        Ok(())
    }
}

/// Forgets an issue with all that counts as it.
fn forget(tx: &mut Tx<'_>, issue: Id) -> Result<()> {
    for id in errors::family(tx, issue)? {
        errors::forget_events(tx, id)?;
        errors::forget_issue(tx, id)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quietest_are_those_that_are_over_then_ignored_then_seen_once_and_longest_ago() {
        let loud = |id: i64, rank, at: i64| Loudness { rank, last_seen: Time(at), id: Id(id) };
        let all = [
            loud(1, Rank::SeenOnce, 50),
            loud(2, Rank::Over, 90),
            loud(3, Rank::SeenAgain, 1),
            loud(4, Rank::Ignored, 5),
            loud(5, Rank::SeenOnce, 40),
            loud(6, Rank::Assigned, 0),
            loud(7, Rank::Over, 80),
        ];
        let went = |most: usize, gone: usize| {
            let mut quietest = Quietest { most, ..Quietest::default() };
            all.into_iter().for_each(|it| quietest.see(it));
            (0..gone).for_each(|_| quietest.is_one_less());
            let mut went: Vec<i64> = quietest.some().into_iter().map(|it| it.id.0).collect();
            went.reverse();
            went
        };
        assert_eq!(went(7, 0), [7, 2, 4, 5, 1, 3, 6]);
        assert_eq!(went(4, 0), [7, 2, 4, 5]);
        assert_eq!(went(4, 3), [7], "what is forgotten anyway leaves room");
        assert!(went(0, 0).is_empty() && went(2, 5).is_empty());
    }
}
