//! What browsers report of themselves: Content-Security-Policy and its kin, in the forms of `report-uri` and of the
//! Reporting API.

use std::borrow::Cow;

use super::reading::{Path, Reading, Room};
use crate::event::{Data, Kind, Level, Message, Security};
use crate::json::Value;
use crate::refusal::Refusal;

const REPORT: Room = Room { bytes: 16 << 10, text: 2_048, members: 60, depth: 4 };
const MAX_URL: usize = 2_048;

/// A report and the words for it.
pub(crate) struct Reported {
    pub(crate) kind: Kind,
    pub(crate) security: Security,
    pub(crate) message: Message,
    pub(crate) level: Level,
}

/// Names under which a report stands in an event of old clients.
pub(crate) fn kind_of_interface(key: &str) -> Option<Kind> {
    Some(match key {
        "csp" | "sentry.interfaces.Csp" => Kind::Csp,
        "hpkp" => Kind::Hpkp,
        "expectct" => Kind::ExpectCt,
        "expectstaple" => Kind::ExpectStaple,
        "nel" => Kind::Nel,
        _ => return None,
    })
}

/// What kind of report this is, and where its words stand; nothing: none that is known.
pub(crate) fn known<K: PartialEq<str>>(members: &[(K, Value<'_>)]) -> Option<(Kind, &'static str)> {
    let member = |name: &str| members.iter().find(|(key, _)| *key == *name).map(|(_, value)| value);
    Some(match member("type").and_then(Value::as_str) {
        _ if member("csp-report").is_some() => (Kind::Csp, "csp-report"),
        _ if member("expect-ct-report").is_some() => (Kind::ExpectCt, "expect-ct-report"),
        _ if member("expect-staple-report").is_some() => (Kind::ExpectStaple, "expect-staple-report"),
        _ if member("known-pins").is_some() => (Kind::Hpkp, ""),
        Some("csp-violation") => (Kind::Csp, "body"),
        Some("network-error") => (Kind::Nel, "body"),
        _ => return None,
    })
}

/// The report in a body. Of a list, the first one that is known.
pub(crate) fn report(read: &mut Reading, value: Value<'_>) -> Result<Reported, Refusal> {
    let none = || Refusal::malformed("no report of a browser that is known: csp-report, csp-violation, …");
    let reports = match value {
        Value::List(list) => list,
        one => vec![one],
    };
    for report in reports {
        let Value::Map(members) = report else { continue };
        let Some((kind, key)) = known(&members) else { continue };
        let url = members.iter().find(|(key, _)| key == "url").and_then(|(_, url)| url.as_str());
        let url = url.map(str::to_owned);
        let inner = match key {
            "" => Value::Map(members),
            key => members.into_iter().find(|(name, _)| name == key).map_or(Value::Null, |(_, value)| value),
        };
        return Ok(reported(read, kind, inner, url));
    }
    Err(none())
}

/// One report whose kind is known.
pub(crate) fn reported(read: &mut Reading, kind: Kind, value: Value<'_>, url: Option<String>) -> Reported {
    let data = read.map(value, &mut { REPORT }, &Path::of("security").key("report"));
    let mut security = Security { document: url.as_deref().map(without_query), ..Security::default() };
    let text = match kind {
        Kind::Csp => csp(&data, &mut security),
        Kind::Nel => {
            security.directive = first(&data, &["type", "phase"]);
            security.blocked = url.as_deref().map(origin);
            format!("network error {}", security.directive.as_deref().unwrap_or("of an unknown type"))
        }
        _ => {
            let host = first(&data, &["hostname"]).unwrap_or_else(|| "an unknown host".to_owned());
            let what = match kind {
                Kind::Hpkp => "Public key pinning",
                Kind::ExpectCt => "Expect-CT",
                _ => "Expect-Staple",
            };
            let text = format!("{what} failed for '{host}'");
            security.blocked = Some(host);
            text
        }
    };
    security.report = data;
    let level = if kind == Kind::Csp || kind == Kind::Nel { Level::Warning } else { Level::Error };
    Reported { kind, security, message: Message { formatted: text, ..Message::default() }, level }
}

fn csp(data: &Data, security: &mut Security) -> String {
    let directive = first(data, &["effective-directive", "effectiveDirective"])
        .or_else(|| first(data, &["violated-directive", "violatedDirective"]));
    let directive = directive.and_then(|text| text.split_whitespace().next().map(str::to_owned));
    let blocked = first(data, &["blocked-uri", "blockedURL", "blocked-url"]);
    let document = first(data, &["document-uri", "documentURL"]);
    if let Some(document) = &document {
        security.document = Some(without_query(document));
    }
    let page = document.as_deref().map(origin);
    let blocked = match blocked.as_deref() {
        None | Some("" | "self") => "self".to_owned(),
        Some(uri) if page.as_deref() == Some(&*origin(uri)) => "self".to_owned(),
        Some(uri) => origin(uri),
    };
    let name = directive.as_deref().unwrap_or("unknown directive");
    let text = match &*blocked {
        "inline" | "eval" => format!("Blocked {blocked} code by '{name}'"),
        "self" => format!("Blocked '{name}' from 'self:'"),
        other => format!("Blocked '{name}' from '{other}'"),
    };
    security.directive = directive;
    security.blocked = Some(blocked);
    text
}

fn first(data: &Data, keys: &[&str]) -> Option<String> {
    let text = keys.iter().find_map(|key| data.get(*key)?.as_str()).filter(|text| !text.is_empty());
    text.map(|text| text.chars().take(MAX_URL).collect())
}

/// A URL without what differs from request to request.
fn without_query(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or(url).chars().take(MAX_URL).collect()
}

/// The host of a URL, with its scheme when that says more than the web; of `data:` and `blob:`, that.
fn origin(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once(':') else { return without_query(url) };
    match rest.strip_prefix("//") {
        Some(rest) => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
            let host: Cow<'_, str> = host.rsplit_once('@').map_or(host.into(), |(_, host)| host.into());
            if matches!(scheme, "http" | "https") { host.into_owned() } else { format!("{scheme}://{host}") }
        }
        None => format!("{scheme}:"),
    }
}
