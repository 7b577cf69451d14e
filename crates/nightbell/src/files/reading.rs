//! What can be seen in the files of a stopped server.

use std::path::Path;
use std::time::Instant;

use flow::live::Live;
use flow::replay::{MAX_EVENTS, MAX_TIME, Read, Tape};
use flow::{Core, verbs};
use model::delivery::DeliveryState;
use model::matcher::{self, Matchers};
use model::receiver::Receiver;
use model::time::span;
use model::{Delivery, Incident, Route, Rules, Silence, Time};
use serde::Deserialize;
use serde_json::{Value, json};
use server::ConfigFormat;
use server::limits::{MAX_HISTORY, MAX_SCAN};
use server::views::Page;
use server::views::config::ConfigVersionView;
use server::views::delivery::{DeliveryDetail, DeliveryView};
use server::views::explanation::ExplanationView;
use server::views::incident::{IncidentView, LineView};
use server::views::replay::DifferenceView;
use server::views::silence::SilenceView;
use store::Tx;
use store::incidents::Which;

use super::{Found, Query, id, none, shown};
use crate::{plugins, settings, words};

/// Lines of a timeline.
const LINES: i64 = 1000;
/// The name under which the flow keeps which rules everything was last routed by.
const ROUTED_BY: &str = "routed by";

pub fn incidents(tx: &mut Tx<'_>, query: &Query) -> Found {
    let state = query.get("state").unwrap_or("active");
    let which = match state {
        "resolved" => Which::Resolved,
        "flapping" => Which::Flapping,
        "all" => Which::All,
        _ => Which::Active,
    };
    let search = query.get("search").unwrap_or_default().to_lowercase();
    let matchers = match matchers(query.all("match")) {
        Ok(matchers) => matchers,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let of_severity = |it: &Incident| query.get("severity").is_none_or(|word| word == it.severity.name());
    let keep = |it: &Incident| {
        let in_state = !matches!(state, "open" | "acknowledged") || it.state.name() == state;
        in_state
            && of_severity(it)
            && matchers.matches(&it.labels)
            && (search.is_empty() || mentions(it, &search))
    };
    let (found, next) = store::incidents::page(tx, which, query.cursor(), query.limit(), MAX_SCAN, keep)?;
    Ok(shown(&Page::new(found.into_iter().map(IncidentView::from).collect(), next)))
}

fn mentions(incident: &Incident, text: &str) -> bool {
    let values = incident.labels.iter().chain(incident.annotations.iter()).map(|(_, value)| value);
    [incident.title.as_str(), &incident.key]
        .into_iter()
        .chain(values)
        .any(|it| it.to_lowercase().contains(text))
}

/// Matchers as they are written.
pub fn matchers<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Matchers, String> {
    let all: Result<Vec<_>, _> = texts.map(matcher::parse).collect();
    all.map(Matchers).map_err(|bad| bad.to_string())
}

pub fn incident(tx: &mut Tx<'_>, text: &str) -> Found {
    let found = store::incidents::get(tx, id(text))?;
    Ok(found.map_or_else(|| none("incident", text), |it| shown(&IncidentView::from(it))))
}

pub fn timeline(tx: &mut Tx<'_>, text: &str) -> Found {
    let lines = store::ledger::timeline(tx, id(text), LINES)?;
    Ok(shown(&Page::whole(lines.into_iter().map(LineView::from).collect())))
}

pub fn deliveries(tx: &mut Tx<'_>, query: &Query) -> Found {
    let state = query.get("state").and_then(DeliveryState::from_name);
    let limit = query.limit();
    let mut found = match query.get("incident") {
        None => store::deliveries::page(tx, state, query.get("destination"), query.cursor(), MAX_SCAN)?,
        Some(incident) => {
            let ids = store::ledger::deliveries_of(tx, id(incident), MAX_SCAN)?;
            let all = ids
                .into_iter()
                .map(|id| store::deliveries::get(tx, id))
                .collect::<store::Result<Vec<_>>>()?;
            all.into_iter().flatten().collect()
        }
    };
    let fits = |name: &str, have: &str| query.get(name).is_none_or(|wanted| wanted == have);
    found.retain(|it| {
        fits("state", it.state.name())
            && fits("destination", &it.destination)
            && fits("receiver", &it.receiver)
    });
    Ok(shown(&Page::cut(found, limit, |it: &Delivery| it.id, DeliveryView::from)))
}

pub fn delivery(tx: &mut Tx<'_>, text: &str) -> Found {
    let Some(found) = store::deliveries::get(tx, id(text))? else { return Ok(none("delivery", text)) };
    let attempts = store::deliveries::attempts(tx, found.id)?;
    let notification = store::deliveries::notification(tx, found.id)?;
    Ok(shown(&DeliveryDetail::new(found, attempts, notification)))
}

pub fn silences(tx: &mut Tx<'_>, query: &Query) -> Found {
    let now = words::now();
    let state = query.get("state").unwrap_or_default();
    let from = if matches!(state, "expired" | "all") { Time::MIN } else { now };
    let mut all = store::silences::ending_after(tx, from)?;
    all.retain(|it: &Silence| matches!(state, "" | "all") || json!(it.state(now)) == state);
    Ok(shown(&Page::whole(all.into_iter().map(|it| SilenceView::new(it, now)).collect())))
}

pub fn preview(tx: &mut Tx<'_>, body: &Value) -> Found {
    let texts = body["matchers"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let matchers = match matchers(texts) {
        Ok(matchers) => matchers,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let takes = |it: &Incident, _| matchers.matches(&it.labels);
    let preview = verbs::preview(tx, takes, verbs::PREVIEW_SCAN, words::now())?;
    let (share, count) = (preview.share(), preview.active.len());
    let active: Vec<IncidentView> = preview.active.into_iter().map(IncidentView::from).collect();
    Ok(Ok(json!({
        "active": active,
        "active_count": count,
        "active_total": preview.active_total,
        "last_week": preview.last_week,
        "last_week_total": preview.last_week_total,
        "share": share,
    })))
}

pub fn explain(tx: &mut Tx<'_>, text: &str, query: &Query) -> Found {
    let (core, now) = (Core::new(0, last_rules(tx)?), words::now());
    let found = match query.get("user") {
        None => flow::explain::explain(&core, tx, id(text), now)?,
        Some(name) => {
            let Some(user) = store::users::named(tx, name)? else { return Ok(none("user", name)) };
            let at = query.get("at").and_then(|at| at.parse().ok());
            flow::explain::explain_to(&core, tx, id(text), user, at, now)?
        }
    };
    Ok(found
        .map_or_else(|| none("event, incident or delivery", text), |it| shown(&ExplanationView::from(it))))
}

pub fn config_history(tx: &mut Tx<'_>) -> Found {
    let kept = store::rules::history(tx, MAX_HISTORY)?;
    Ok(shown(&Page::whole(kept.into_iter().map(ConfigVersionView::from).collect())))
}

pub fn config_version(tx: &mut Tx<'_>, version: &str) -> Found {
    let kept = store::rules::kept(tx, version.parse().unwrap_or_default())?;
    Ok(kept.map_or_else(|| none("configuration", version), |it| shown(&ConfigVersionView::from(it))))
}

/// Replays the window before now under another configuration, and under the one that was in force last.
pub fn replay(tx: &mut Tx<'_>, body: &Value, data: &Path) -> Found {
    let newest = store::rules::newest(tx)?;
    let kept = store::rules::kept(tx, newest)?.filter(|it| !it.applied.config.is_empty());
    let Some(kept) = kept else { return Ok(Err("no configuration is kept to compare with".to_owned())) };
    let (old, new) = match rules_of_both(&kept.applied.config, body, data) {
        Ok(both) => both,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let since = body["since"].as_str().and_then(|text| span::parse(text).ok()).unwrap_or_default();
    let until = words::now();
    let tape = Tape::read(tx, &Read { from: until - since, until, events: MAX_EVENTS })?;
    let began = Instant::now();
    let difference = flow::replay::compare(&tape, old, new, &mut || began.elapsed() < MAX_TIME)?;
    Ok(shown(&DifferenceView::from(difference)))
}

fn rules_of_both(old: &str, body: &Value, data: &Path) -> Result<(Rules, Rules), String> {
    let told = |lines: Vec<String>| lines.join("\n");
    let is_toml = body["format"] != "alertmanager";
    let new = body["config"].as_str().filter(|_| is_toml);
    // nothing is started for it: a plugin's kinds are known by its manifest, or by what it said when it last ran
    let kinds = plugins::glance([Some(old), new].into_iter().flatten(), data);
    let old = settings::rules_of(old, ConfigFormat::Toml, &kinds).map_err(told)?;
    let format = if is_toml { ConfigFormat::Toml } else { ConfigFormat::Alertmanager };
    let mut new =
        settings::rules_of(body["config"].as_str().unwrap_or_default(), format, &kinds).map_err(told)?;
    if !is_toml {
        new.complete_with(&old);
    }
    Ok((old, new))
}

/// What of kept rules can be read again.
#[derive(Deserialize)]
struct KeptRules {
    root: Route,
    #[serde(default)]
    intervals: Value,
}

/// The rules that were in force last, as far as they are kept: receivers' settings are not.
fn last_rules(tx: &mut Tx<'_>) -> store::Result<Live> {
    let version = store::rules::version(tx, ROUTED_BY)?;
    let kept = store::rules::get(tx, version)?.and_then(|text| serde_json::from_str::<KeptRules>(&text).ok());
    let mut rules = Rules::simple(Receiver { name: String::new(), destinations: Vec::new() });
    if let Some(kept) = kept {
        rules.root = kept.root;
        rules.intervals = config::kept_intervals(&kept.intervals, settings::environment());
    }
    Ok(Live { version, ..Live::bare(rules) })
}
