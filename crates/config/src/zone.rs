//! The time zone of this machine, which Alertmanager's files and templates call `Local`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;

use jiff::tz::TimeZone;
use model::zone::LOCAL;

use crate::limits::MAX_ZONE_BYTES;

/// The zone that Go's programs take for `Local`: what the variable `TZ` names, be it empty for UTC, a name, a rule or
/// a file; without one what `/etc/localtime` holds; and UTC when there is nothing of the kind.
pub(crate) fn local(environment: &BTreeMap<String, String>) -> TimeZone {
    let zone = match environment.get("TZ") {
        Some(text) => named(text.strip_prefix(':').unwrap_or(text)),
        None => Some(TimeZone::system()),
    };
    zone.filter(|zone| !zone.is_unknown()).unwrap_or(TimeZone::UTC)
}

fn named(text: &str) -> Option<TimeZone> {
    if text.starts_with('/') {
        let mut bytes = Vec::new();
        let file = File::open(text).ok()?;
        file.take(MAX_ZONE_BYTES).read_to_end(&mut bytes).ok()?;
        return TimeZone::tzif(LOCAL, &bytes).ok();
    }
    TimeZone::get(text).or_else(|_| TimeZone::posix(text)).ok()
}

/// What people call it.
pub(crate) fn name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("a zone without a name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_is_where_go_looks_for_it() {
        let local = |text: &str| local(&BTreeMap::from([("TZ".to_owned(), text.to_owned())]));
        let at = "2026-06-01T12:00:00Z".parse().unwrap();
        for (text, hour) in [
            ("Europe/Berlin", 14),
            (":Asia/Tokyo", 21),
            ("ABC-3", 15),
            ("", 12),
            ("UTC", 12),
            ("Nowhere/Land", 12),
            ("/nowhere", 12),
        ] {
            assert_eq!(local(text).to_datetime(at).hour(), hour, "{text}");
        }
    }
}
