//! What can be seen in the files of a stopped server.

use std::collections::{BTreeMap, HashMap};

use flow::live::Live;
use flow::{Core, verbs};
use model::delivery::DeliveryState;
use model::matcher::{self, Matchers};
use model::receiver::Receiver;
use model::time_interval::TimeInterval;
use model::{Delivery, Incident, Route, Rules, Silence, Time};
use serde::Deserialize;
use serde_json::{Value, json};
use server::limits::MAX_SCAN;
use server::views::Page;
use server::views::delivery::{DeliveryDetail, DeliveryView};
use server::views::explanation::ExplanationView;
use server::views::incident::{IncidentView, LineView};
use server::views::silence::SilenceView;
use store::Tx;
use store::incidents::Which;

use super::{Found, Query, id, none, shown};
use crate::words;

/// Lines of a timeline.
const LINES: i64 = 1000;
/// The name under which the flow keeps which rules everything was last routed by.
const ROUTED_BY: &str = "routed by";

pub fn incidents(tx: &mut Tx<'_>, query: &Query) -> Found {
    let state = query.get("state").unwrap_or("active");
    let which = match state {
        "resolved" => Which::Resolved,
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
    let preview = verbs::preview(tx, &matchers, words::now())?;
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

pub fn tokens(tx: &mut Tx<'_>) -> Found {
    let all = store::tokens::list(tx)?;
    Ok(Ok(json!({ "items": all.iter().map(token).collect::<Vec<_>>(), "next": null })))
}

/// A token without its secret.
pub fn token(it: &store::tokens::Token) -> Value {
    json!({
        "id": it.id,
        "name": it.name,
        "scopes": it.scopes.split_whitespace().collect::<Vec<_>>(),
        "created_at": it.created_at,
        "expires_at": it.expires_at,
        "revoked_at": it.revoked_at,
    })
}

pub fn explain(tx: &mut Tx<'_>, text: &str) -> Found {
    let core = Core::new(0, last_rules(tx)?);
    let found = flow::explain::explain(&core, tx, id(text), words::now())?;
    Ok(found
        .map_or_else(|| none("event, incident or delivery", text), |it| shown(&ExplanationView::from(it))))
}

/// What of kept rules can be read again.
#[derive(Deserialize)]
struct KeptRules {
    root: Route,
    #[serde(default)]
    intervals: BTreeMap<String, TimeInterval>,
}

/// The rules that were in force last, as far as they are kept: receivers' settings are not.
fn last_rules(tx: &mut Tx<'_>) -> store::Result<Live> {
    let version = store::rules::version(tx, ROUTED_BY)?;
    let kept = store::rules::get(tx, version)?.and_then(|text| serde_json::from_str::<KeptRules>(&text).ok());
    let mut rules = Rules::simple(Receiver { name: String::new(), destinations: Vec::new() });
    if let Some(kept) = kept {
        rules.root = kept.root;
        rules.intervals = kept.intervals;
    }
    Ok(Live { rules, version, places: HashMap::new(), heartbeats: Vec::new() })
}
