//! Whether somebody has to know of an error: what the rules of its project say, each with its reason.

use std::cell::RefCell;

use model::alert_rule::{Count, Facts, Happened, Judgement, MAX_COUNTED};
use model::{AlertRule, Id, Time};
use store::{Result, Tx, errors};

use super::report::Report;
use super::say;
use super::work::Work;
use crate::core::Core;
use crate::life::Verdict;

/// Rules of a project that are asked.
const MAX_RULES: usize = 100;
/// What a project goes by that has no rules of its own.
const DEFAULT: &str = "default";
/// What the verdict of a rule begins with that somebody has to know of.
const FIRED: &str = "fired:";

/// What fires, in words; nothing: nobody has to know. Every verdict that is another than the last one of its rule
/// becomes a line in the ledger.
pub(super) fn judge(
    core: &Core,
    tx: &mut Tx<'_>,
    report: &Report,
    work: &mut Work,
    (happened, new_there): (Happened, bool),
    now: Time,
) -> Result<Option<String>> {
    let project = &report.project.project;
    let people = core.people(tx)?;
    let own = people.alert_rules_of(project.id, &project.slug);
    let plain = AlertRule::default_for(&project.slug);
    let rules: Vec<(&str, &AlertRule)> = if own.is_empty() {
        vec![(DEFAULT, &plain)]
    } else {
        own.iter()
            .map(|it| (it.name.as_str(), &it.body))
            .filter(|(_, it)| !it.disabled)
            .take(MAX_RULES)
            .collect()
    };
    let latest = match rules.iter().any(|(_, rule)| asks_for_release(rule)) {
        true => errors::seen(tx, project.id, "release", 1)?.into_iter().next().map(|(name, ..)| name),
        false => None,
    };
    let attributes = |name: &str| attribute(report, name);
    let facts = Facts {
        happened,
        is_new_in_environment: new_there,
        tags: &report.tags,
        attributes: &attributes,
        times: work.head.times_seen + work.times,
        first_seen: work.head.first_seen,
        assignee: &work.life.assignee,
        latest_release: latest.as_deref().unwrap_or_default(),
        now,
    };
    let (family, tx) = (family(tx, work.head.issue.id, &rules)?, RefCell::new(tx));
    let count = |it: Count| {
        let mut tx = tx.borrow_mut();
        match it {
            Count::Events { since, most } => errors::count_since(&mut tx, &family, since, most.into()),
            Count::Users { since, most } => errors::count_users_since(&mut tx, &family, since, most.into()),
            Count::About { since, until } => about(&mut tx, &family, (since, until), now),
        }
    };
    let (mut fired, mut judged) = (Vec::new(), Vec::new());
    for (name, rule) in rules {
        let known = work.life.verdicts.iter().find(|it| it.rule == name);
        let fired_at = known.and_then(|it| it.fired_at);
        let Judgement { fires, why } = rule.judge(&facts, fired_at, count)?;
        if fires {
            fired.push(if name == DEFAULT { why.clone() } else { format!("{name}: {why}") });
        }
        let said = format!("{} {why}", if fires { FIRED } else { "did not fire:" });
        judged.push(Verdict {
            rule: name.to_owned(),
            fired_at: if fires { Some(now) } else { fired_at },
            said,
        });
    }
    note(work, judged);
    Ok((!fired.is_empty()).then(|| fired.join("; ")))
}

/// How many errors of issues that count as one came from a time until another: counted one by one as long as they are
/// few, and by the hours where there are more.
fn about(tx: &mut Tx<'_>, family: &[Id], (since, until): (Time, Option<Time>), now: Time) -> Result<i64> {
    let most = i64::from(MAX_COUNTED);
    let (least, about) = errors::estimate(tx, family, (since, until.unwrap_or(Time::MAX)), now)?;
    if least >= most {
        return Ok(about);
    }
    let counted = errors::count_between(tx, family, (since, until.unwrap_or(Time::MAX)), most)?;
    Ok(if counted >= most { counted.max(about) } else { counted })
}

/// Remembers verdicts, and forgets those of rules that are gone; what is another than before, and is not told of
/// anyway, is for the ledger.
fn note(work: &mut Work, judged: Vec<Verdict>) {
    work.life.verdicts.retain(|known| judged.iter().any(|it| it.rule == known.rule));
    for it in judged {
        let known = work.life.verdicts.iter_mut().find(|known| known.rule == it.rule);
        // what fires is told, and says why there
        let is_news = known.as_ref().is_none_or(|known| known.said != it.said);
        if is_news && !it.said.starts_with(FIRED) {
            work.lines.push(format!("rule {:?} {}", it.rule, it.said));
        }
        match known {
            Some(known) => *known = it,
            None => work.life.verdicts.push(it),
        }
    }
}

/// The issues that count as one, where a rule counts.
fn family(tx: &mut Tx<'_>, issue: Id, rules: &[(&str, &AlertRule)]) -> Result<Vec<Id>> {
    use model::alert_rule::Condition::{Events, Percent, Users};
    let counts = |rule: &AlertRule| {
        rule.when.iter().any(|it| matches!(it, Events { .. } | Users { .. } | Percent { .. }))
    };
    if rules.iter().any(|(_, rule)| counts(rule)) { errors::family(tx, issue) } else { Ok(vec![issue]) }
}

fn asks_for_release(rule: &AlertRule) -> bool {
    rule.filters.iter().any(|it| matches!(it, model::alert_rule::Filter::LatestRelease))
}

/// What an error says under a name.
fn attribute(report: &Report, name: &str) -> Option<String> {
    let (event, last) = (&report.event, report.event.exceptions.last());
    match name {
        "message" => Some(say::message(event)),
        "title" => Some(event.title.clone()),
        "culprit" => Some(event.culprit.clone()),
        "platform" => Some(event.platform.clone()),
        "type" | "exception.type" => last.and_then(|it| it.ty.clone()),
        "value" | "exception.value" => last.and_then(|it| it.value.clone()),
        "exception.module" => last.and_then(|it| it.module.clone()),
        "logger" => event.logger.clone(),
        "transaction" => event.transaction.clone(),
        "http.url" => event.request.as_ref().and_then(|it| it.url.clone()),
        "http.method" => event.request.as_ref().and_then(|it| it.method.clone()),
        "user.id" => event.user.as_ref().and_then(|it| it.id.clone()),
        "user.email" => event.user.as_ref().and_then(|it| it.email.clone()),
        "user.username" => event.user.as_ref().and_then(|it| it.username.clone()),
        _ => None,
    }
}
