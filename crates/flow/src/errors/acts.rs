//! What people do about issues: each is one transaction with its line in the audit log.

use std::collections::BTreeSet;

use model::extra::Telling;
use model::incident::{Change, ChangeKind, Input};
use model::time::span::format as spelt;
use model::{Id, Time};
use serde_json::{Value, json};
use store::errors::{self, Head};
use store::{Durability, Result, Tx};

use super::releases;
use crate::audit::Signature;
use crate::core::Core;
use crate::driver::Hub;
use crate::incident::line;
use crate::ingest::Done;
use crate::life::{Ignore, Life, Mute, ResolvedIn};
use crate::verbs;

/// Errors that go in one step when an issue is not wanted any more.
const STEP: i64 = 500;

/// Something that a person does about an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssueAct {
    /// It is over: now, or by a release.
    Resolve(Option<Fixed>),
    /// It is not.
    Unresolve,
    /// Nobody wants to hear of it, until something.
    Ignore(Ignore),
    /// Somebody does again.
    Unignore,
    /// A user or a team (`team:` and its name) looks after it; empty: nobody.
    Assign(String),
    /// Others count as this one.
    Merge(Vec<Id>),
    /// Others, or all, count as themselves again.
    Unmerge(Vec<Id>),
    /// It goes with all its errors, and no more like them are taken in.
    Discard,
}

/// By what something is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fixed {
    /// By this release.
    In(String),
    /// By the release after the newest of its project.
    InNext,
}

impl IssueAct {
    fn name(&self) -> &'static str {
        match self {
            IssueAct::Resolve(_) => "issue.resolve",
            IssueAct::Unresolve => "issue.unresolve",
            IssueAct::Ignore(_) => "issue.ignore",
            IssueAct::Unignore => "issue.unignore",
            IssueAct::Assign(_) => "issue.assign",
            IssueAct::Merge(_) => "issue.merge",
            IssueAct::Unmerge(_) => "issue.unmerge",
            IssueAct::Discard => "issue.discard",
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acted {
    /// It is done.
    Done,
    /// There is no such issue.
    Unknown,
    /// It cannot be, in words.
    Not(String),
}

/// Does something about an issue.
///
/// # Errors
/// When the database is gone or full.
pub fn act(core: &Core, tx: &mut Tx<'_>, sign: &Signature, id: Id, act: &IssueAct) -> Result<(Acted, Done)> {
    tx.lock_flow()?;
    let Some(mut head) = errors::head(tx, id)? else { return Ok((Acted::Unknown, Done::default())) };
    let mut desk = Desk { core, sign, now: sign.at, done: Done { at: Some(sign.at), ..Done::default() } };
    let before = standing(&head);
    let mut life = Life::from_column(&head.issue.life);
    let not = desk.change(tx, &mut head, &mut life, act)?;
    if let Some(why) = not {
        return Ok((Acted::Not(why), desk.done));
    }
    // what merging changes was written when it was counted anew
    if !matches!(act, IssueAct::Merge(_) | IssueAct::Unmerge(_)) {
        head.issue.life = life.to_column();
        errors::put(tx, &[&head.issue])?;
    }
    let after = errors::head(tx, id)?.map(|it| standing(&it));
    sign.write(tx, act.name(), ("incident", &id.to_string()), Some(before), after)?;
    Ok((Acted::Done, desk.done))
}

/// What the audit log keeps of an issue.
fn standing(head: &Head) -> Value {
    let life: Value = serde_json::from_str(&head.issue.life).unwrap_or_default();
    json!({ "state": head.state.name(), "life": life, "merged_into": head.issue.merged_into })
}

struct Desk<'a> {
    core: &'a Core,
    sign: &'a Signature,
    now: Time,
    done: Done,
}

impl Desk<'_> {
    fn by(&self) -> &str {
        &self.sign.actor.name
    }

    /// Changes an issue, or says why not.
    fn change(
        &mut self,
        tx: &mut Tx<'_>,
        head: &mut Head,
        life: &mut Life,
        act: &IssueAct,
    ) -> Result<Option<String>> {
        let id = head.issue.id;
        if let Some(other) = head.issue.merged_into.filter(|_| !matches!(act, IssueAct::Unmerge(_))) {
            return Ok(Some(format!("it counts as issue {other}: do it there, or unmerge it first")));
        }
        match act {
            IssueAct::Resolve(fixed) => {
                let end = match fixed {
                    None => None,
                    Some(Fixed::In(release)) => Some(ResolvedIn::Release(release.clone())),
                    Some(Fixed::InNext) => match releases::newest(tx, head.issue.project)? {
                        Some(newest) => Some(ResolvedIn::After(newest)),
                        None => {
                            let why = "no error of its project says of which release it is: resolve it now, or in one";
                            return Ok(Some(why.to_owned()));
                        }
                    },
                };
                let note = match &end {
                    None => String::new(),
                    Some(ResolvedIn::Release(release)) => format!("in release {release}"),
                    Some(ResolvedIn::After(release)) => format!("in the release after {release}"),
                };
                (life.resolved_in, life.mute) = (end, None);
                let by = self.by().to_owned();
                self.input(tx, id, &Input::Resolve { by: &by, note: &note, end: None })?;
            }
            IssueAct::Unresolve => {
                life.resolved_in = None;
                let by = self.by().to_owned();
                self.input(tx, id, &Input::Reopen { by: &by, note: "" })?;
            }
            IssueAct::Ignore(ignore) => {
                let mute = ignore.mute(head.times_seen, head.issue.users_seen, self.now);
                self.telling(tx, id, Telling::Quiet, &format!("ignored {}", until(&mute)))?;
                life.mute = Some(mute);
            }
            IssueAct::Unignore => {
                life.mute = None;
                self.telling(tx, id, Telling::Once, "no longer ignored")?;
            }
            IssueAct::Assign(whom) => {
                life.assignee.clone_from(whom);
                let said = if whom.is_empty() {
                    "assigned to nobody".to_owned()
                } else {
                    format!("assigned to {whom}")
                };
                self.note(tx, id, ChangeKind::Noted, &said)?;
            }
            IssueAct::Merge(others) => return self.merge(tx, head, others),
            IssueAct::Unmerge(others) => return self.unmerge(tx, head, others),
            IssueAct::Discard => {
                for it in errors::family(tx, id)? {
                    errors::discard_hashes(tx, it)?;
                }
                self.hush(tx, id, "discarded: no more errors like it are taken in")?;
            }
        }
        Ok(None)
    }

    fn input(&mut self, tx: &mut Tx<'_>, id: Id, input: &Input<'_>) -> Result<()> {
        if let Some((_, done)) = verbs::act(self.core, tx, id, (input, 0), self.now)? {
            self.done.join(done);
        }
        Ok(())
    }

    fn note(&self, tx: &mut Tx<'_>, id: Id, kind: ChangeKind, said: &str) -> Result<()> {
        let change = Change { kind, by: self.by().to_owned(), detail: said.to_owned() };
        store::ledger::write(tx, &[line(self.core, id, change, self.core.live().version, self.now)])
    }

    /// Lets an incident be told of otherwise than before.
    fn telling(&self, tx: &mut Tx<'_>, id: Id, telling: Telling, said: &str) -> Result<()> {
        let Some(mut incident) = store::incidents::get(tx, id)? else { return Ok(()) };
        incident.extra.get_or_insert_default().telling = telling;
        incident.version += 1;
        store::incidents::update(tx, &[&incident])?;
        if telling == Telling::Quiet {
            store::groups::leave(tx, &[id])?;
        }
        let kind = if telling == Telling::Quiet { ChangeKind::Suppressed } else { ChangeKind::Released };
        self.note(tx, id, kind, said)
    }

    /// Ends an incident without a word to anybody.
    fn hush(&mut self, tx: &mut Tx<'_>, id: Id, said: &str) -> Result<()> {
        self.telling(tx, id, Telling::Quiet, said)?;
        let by = self.by().to_owned();
        self.input(tx, id, &Input::Resolve { by: &by, note: said, end: None })
    }

    fn merge(&mut self, tx: &mut Tx<'_>, head: &Head, others: &[Id]) -> Result<Option<String>> {
        let (id, mut joining) = (head.issue.id, BTreeSet::new());
        // all of it or nothing
        for other in others {
            let Some(it) = errors::head(tx, *other)? else {
                return Ok(Some(format!("there is no issue {other}")));
            };
            if *other == id || it.issue.project != head.issue.project {
                let why = if *other == id { "is this one itself" } else { "is of another project" };
                return Ok(Some(format!("issue {other} {why}")));
            }
            match it.issue.merged_into {
                None => joining.insert(*other),
                Some(into) if into == id => continue,
                Some(elsewhere) => {
                    return Ok(Some(format!("issue {other} counts as {elsewhere}: merge that one")));
                }
            };
        }
        for other in joining {
            for it in errors::family(tx, other)? {
                errors::set_merged(tx, it, Some(id))?;
            }
            self.hush(tx, other, &format!("merged into issue {id}"))?;
            self.note(tx, id, ChangeKind::Noted, &format!("issue {other} was merged into it"))?;
        }
        recounted(tx, id)?;
        Ok(None)
    }

    fn unmerge(&mut self, tx: &mut Tx<'_>, head: &Head, others: &[Id]) -> Result<Option<String>> {
        // of one that is merged, itself is meant
        let (target, others) = match head.issue.merged_into {
            Some(target) => (target, vec![head.issue.id]),
            None => (head.issue.id, others.to_vec()),
        };
        let merged = errors::merged_into(tx, target)?;
        if let Some(other) = others.iter().find(|it| !merged.contains(it)) {
            return Ok(Some(format!("issue {other} does not count as {target}")));
        }
        let is_leaving = |it: &Id| others.is_empty() || others.contains(it);
        for other in merged.into_iter().filter(is_leaving) {
            errors::set_merged(tx, other, None)?;
            self.telling(tx, other, Telling::Quiet, &format!("no longer merged into issue {target}"))?;
            let by = self.by().to_owned();
            self.input(tx, other, &Input::Reopen { by: &by, note: "" })?;
            self.telling(tx, other, Telling::Once, "errors of it are told of again")?;
            recounted(tx, other)?;
        }
        recounted(tx, target)?;
        Ok(None)
    }
}

/// Counts an issue anew that others have joined or left. Who ignores it until there are so many more goes on to.
fn recounted(tx: &mut Tx<'_>, id: Id) -> Result<()> {
    let before = errors::head(tx, id)?;
    errors::recount(tx, id)?;
    let Some((before, mut after)) = before.zip(errors::head(tx, id)?) else { return Ok(()) };
    let mut life = Life::from_column(&after.issue.life);
    if let Some(mute) = &mut life.mute {
        let users = after.issue.users_seen - before.issue.users_seen;
        mute.shift(after.times_seen - before.times_seen, users);
    }
    after.issue.life = life.to_column();
    let family = errors::family(tx, id)?;
    let newest = releases::newest_of(tx, after.issue.project, &family)?;
    if !newest.is_empty() {
        after.issue.last_release = newest;
    }
    errors::put(tx, &[&after.issue])
}

fn until(mute: &Mute) -> String {
    let parts = [
        mute.until.map(|at| format!("until {at}")),
        mute.times.map(|times| format!("until it was seen {times} times")),
        mute.users.map(|users| format!("until it has hit {users} users")),
        mute.times_within.map(|it| format!("until it was seen {} times within {}", it.count, spelt(it.span))),
        mute.users_within.map(|it| format!("until it has hit {} users within {}", it.count, spelt(it.span))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "for good".to_owned() } else { parts.join(", or ") }
}

impl Hub {
    /// Does something about an issue.
    ///
    /// # Errors
    /// When the database is gone or full.
    pub async fn act_on_issue(&self, id: Id, wanted: IssueAct) -> Result<Acted> {
        let (core, sign, is_end) = (self.core.clone(), self.signature(), wanted == IssueAct::Discard);
        let written = self.store.write(Durability::Disk, move |tx| act(&core, tx, &sign, id, &wanted)).await;
        let (acted, done) = self.noted(written)?;
        self.follow(done);
        if is_end && acted == Acted::Done {
            self.forget_issue(id).await?;
        }
        Ok(acted)
    }

    /// Forgets all errors of an issue, some at a time, and then the issue.
    async fn forget_issue(&self, id: Id) -> Result<()> {
        let family = self.store.read(move |tx| errors::family(tx, id)).await?;
        // itself last: as long as it is there, it is known what is left of it
        for it in family.into_iter().rev() {
            let step = move |tx: &mut Tx<'_>| errors::evict(tx, it, Time::MAX, STEP);
            while self.store.write(Durability::Lazy, step).await?.events > 0 {}
            self.store
                .write(Durability::Disk, move |tx| {
                    errors::forget_events(tx, it)?;
                    errors::forget_issue(tx, it)
                })
                .await?;
        }
        Ok(())
    }
}
