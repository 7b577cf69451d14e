//! Errors are kept within the bounds of their projects: what is old goes, and of what is too much, that which there is
//! plenty of. An issue keeps its newest error as long as it is there.

use model::project::{Keep, Project};
use model::{Id, Time};
use store::errors::{self, Plenty, Weight};
use store::{Durability, Result};

use super::tend::Tending;
use crate::driver::Hub;

/// Errors that go in one step.
const STEP: i64 = 500;
/// Steps of one issue in one sweep, so that others have their turn.
const STEPS: usize = 20;
/// Texts that one step looks at.
const BASES: i64 = 500;

/// What is to go of an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Going {
    issue: Id,
    before: Time,
    events: i64,
}

/// What has to go so that a project keeps no more than it may: the oldest of those issues that there is most of. So
/// rare ones stay, and recent ones.
fn excess(plenty: &[Plenty], bases: i64, keep: &Keep) -> Vec<Going> {
    let sum = |what: fn(&Weight) -> i64| plenty.iter().map(|it| what(&it.weight)).sum::<i64>();
    let (events, bytes) = (sum(|it| it.events), sum(|it| it.bytes));
    // by bytes, as many events as have them on the average, with what they are compressed against
    let bytes = bytes.saturating_add(bases);
    let over_bytes = bytes.saturating_sub(keep.bytes).max(0);
    let by_bytes = if bytes > 0 { over_bytes.saturating_mul(events) / bytes } else { 0 };
    let mut over = events.saturating_sub(keep.events).max(by_bytes);
    if over <= 0 {
        return Vec::new();
    }
    // a level to which the greatest are brought down: all above it together are what is too much
    let mut counts: Vec<i64> = plenty.iter().map(|it| it.weight.events).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let (mut level, mut above) = (counts.first().copied().unwrap_or(0), 0i64);
    for (place, count) in counts.iter().enumerate() {
        above += count;
        let next = counts.get(place + 1).copied().unwrap_or(0);
        let width = place as i64 + 1;
        level = ((above - over) / width).max(1);
        if level >= next {
            break;
        }
    }
    let mut going = Vec::new();
    for it in plenty.iter().filter(|it| it.weight.events > level) {
        let events = (it.weight.events - level).min(over);
        over -= events;
        if events > 0 {
            going.push(Going { issue: it.issue, before: Time::MAX, events });
        }
    }
    going
}

impl Hub {
    /// Forgets what projects need not keep. What goes wrong is said in the log and tried again at the next sweep.
    pub(crate) async fn sweep_errors(&self, now: Time) {
        let projects = self.core.known_projects();
        for project in projects.all() {
            let (id, keep) = (project.project.id, project.project.settings.keep);
            let swept = match self.sweep_project(id, keep, now).await {
                Ok(()) => self.tend_issues(&project.project, now).await,
                not => not,
            };
            if let Err(error) = swept {
                tracing::warn!(%error, project = id, "what is old of a project could not be swept");
            }
        }
        if let Err(error) = self.sweep_uploads(now).await {
            tracing::warn!(%error, "what is old of uploads could not be swept");
        }
        if let Err(error) = self.sweep_what_is_left(now).await {
            tracing::warn!(%error, "what projects left behind could not be swept");
        }
    }

    async fn sweep_project(&self, project: i64, keep: Keep, now: Time) -> Result<()> {
        let since = keep.since(now);
        let since_hour = since.0 / errors::HOUR;
        self.trim_bundles(project, since).await?;
        let sweep = move |tx: &mut store::Tx<'_>| errors::sweep_project(tx, project, since);
        self.store.write(Durability::Lazy, sweep).await?;
        let weigh = move |tx: &mut store::Tx<'_>| {
            Ok((errors::plenty(tx, project)?, errors::weigh_bases(tx, project)?))
        };
        let (plenty, bases) = self.store.read(weigh).await?;
        let old = plenty.iter().filter(|it| it.since_hour < since_hour && it.weight.events > 1);
        let mut going: Vec<Going> =
            old.map(|it| Going { issue: it.issue, before: since, events: i64::MAX }).collect();
        going.extend(excess(&plenty, bases, &keep));
        for it in going {
            let mut left = it.events;
            for _ in 0..STEPS {
                let step = left.min(STEP);
                let evict = move |tx: &mut store::Tx<'_>| errors::evict(tx, it.issue, it.before, step);
                let gone = self.store.write(Durability::Lazy, evict).await?;
                left -= gone.events;
                if gone.events < step || left <= 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Passes over the issues of a project.
    async fn tend_issues(&self, project: &Project, now: Time) -> Result<()> {
        let mut tending = Tending::new(project, now);
        while let Some(durability) = tending.lasting() {
            let written = self.store.write(durability, tending.stepping(self.core.clone())).await;
            let done;
            (tending, done) = self.noted(written)?;
            self.follow(done);
        }
        Ok(())
    }

    async fn sweep_what_is_left(&self, now: Time) -> Result<()> {
        for project in self.store.read(errors::gone_projects).await? {
            let step = move |tx: &mut store::Tx<'_>| errors::forget_project(tx, project, now, STEP);
            while self.store.write(Durability::Lazy, step).await? > 0 {}
        }
        let mut after = Some(Id(0));
        while let Some(from) = after {
            after =
                self.store.write(Durability::Lazy, move |tx| errors::sweep_bases(tx, from, BASES)).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(id: i64, events: i64) -> Plenty {
        Plenty { issue: Id(id), weight: Weight { events, bytes: events * 10 }, since_hour: 0 }
    }

    fn gone(going: &[Going]) -> Vec<(i64, i64)> {
        going.iter().map(|it| (it.issue.0, it.events)).collect()
    }

    #[test]
    fn of_too_much_that_goes_which_there_is_plenty_of() {
        let keep = |events, bytes| Keep { days: 1, events, bytes, issues: 1 };
        let all = [issue(1, 1000), issue(2, 100), issue(3, 2)];
        assert!(excess(&all, 0, &keep(2000, 1 << 30)).is_empty());
        assert_eq!(gone(&excess(&all, 0, &keep(502, 1 << 30))), [(1, 600)]);
        assert_eq!(gone(&excess(&all, 0, &keep(102, 1 << 30))), [(1, 950), (2, 50)]);
        // by bytes: half of them
        assert_eq!(gone(&excess(&all, 0, &keep(5000, 5510))), [(1, 551)]);
        // what they are compressed against are bytes, too
        assert_eq!(gone(&excess(&all, 11_020, &keep(5000, 11_020))), [(1, 551)]);
        // the last one of an issue stays
        assert_eq!(gone(&excess(&all, 0, &keep(1, 1 << 30))), [(1, 999), (2, 99), (3, 1)]);
        assert!(excess(&[], 0, &keep(1, 1)).is_empty());
    }
}
