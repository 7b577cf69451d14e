//! `receivers`: who can be told, and `webhook_configs`.

use std::time::Duration;

use model::time::span;

use super::global::Global;
use super::list;
use super::reader::{Fields, Keys, Reader};
use crate::node::{Node, Value as Tree};
use crate::path::Path;
use crate::problem::Origin;
use crate::yaml::Yaml;

/// How one entry of a list such as `slack_configs` becomes a destination.
type Read = fn(&mut Reader<'_>, &Yaml, &Path, &Global) -> Option<Node>;

/// A kind of receiver.
struct Kind {
    /// The key of its list.
    key: &'static str,
    /// Our word for it.
    kind: &'static str,
    /// How its entries are read.
    read: Read,
    /// Whether an entry that is nothing is one without settings.
    may_be_nothing: bool,
}

const fn kind(key: &'static str, kind: &'static str, read: Read) -> Kind {
    Kind { key, kind, read, may_be_nothing: false }
}

/// Those of which an entry may be nothing, as everything is in `global`.
const fn terse(key: &'static str, kind: &'static str, read: Read) -> Kind {
    Kind { key, kind, read, may_be_nothing: true }
}

/// All kinds of Alertmanager, in the order in which destinations are told.
const KINDS: [Kind; 18] = [
    kind("webhook_configs", "webhook", |reader, yaml, path, global| reader.webhook(yaml, path, global)),
    kind("email_configs", "email", |reader, yaml, path, global| reader.email(yaml, path, global)),
    terse("slack_configs", "slack", |reader, yaml, path, global| reader.slack(yaml, path, global)),
    kind("discord_configs", "discord", |reader, yaml, path, global| reader.discord(yaml, path, global)),
    kind("incidentio_configs", "incidentio", |reader, yaml, path, global| {
        reader.incidentio(yaml, path, global)
    }),
    kind("jira_configs", "jira", |reader, yaml, path, global| reader.jira(yaml, path, global)),
    kind("mattermost_configs", "mattermost", |reader, yaml, path, global| {
        reader.mattermost(yaml, path, global)
    }),
    kind("msteams_configs", "msteams", |reader, yaml, path, global| reader.msteams(yaml, path, global)),
    kind("msteamsv2_configs", "msteamsv2", |reader, yaml, path, global| reader.msteamsv2(yaml, path, global)),
    terse("opsgenie_configs", "opsgenie", |reader, yaml, path, global| reader.opsgenie(yaml, path, global)),
    kind("pagerduty_configs", "pagerduty", |reader, yaml, path, global| reader.pagerduty(yaml, path, global)),
    kind("pushover_configs", "pushover", |reader, yaml, path, global| reader.pushover(yaml, path, global)),
    terse("rocketchat_configs", "rocketchat", |reader, yaml, path, global| {
        reader.rocketchat(yaml, path, global)
    }),
    kind("sns_configs", "sns", |reader, yaml, path, global| reader.sns(yaml, path, global)),
    kind("telegram_configs", "telegram", |reader, yaml, path, global| reader.telegram(yaml, path, global)),
    kind("victorops_configs", "victorops", |reader, yaml, path, global| reader.victorops(yaml, path, global)),
    kind("webex_configs", "webex", |reader, yaml, path, global| reader.webex(yaml, path, global)),
    terse("wechat_configs", "wechat", |reader, yaml, path, global| reader.wechat(yaml, path, global)),
];
/// The keys of a receiver.
const RECEIVER: Keys = Keys { known: &KNOWN, refused: &[("labels", "receivers have no labels")] };
const KNOWN: [&str; KINDS.len() + 1] = {
    let mut keys = ["name"; KINDS.len() + 1];
    let mut n = 0;
    while n < KINDS.len() {
        keys[n] = KINDS[n].key;
        n += 1;
    }
    keys
};
const WEBHOOK: Keys = Keys {
    known: &["send_resolved", "http_config", "url", "url_file", "max_alerts", "timeout", "payload"],
    refused: &[],
};

impl Reader<'_> {
    /// All receivers, by name.
    pub(super) fn receivers(&mut self, yaml: &Yaml, global: &Global) -> Node {
        let path = Path::of(&["receivers"]);
        let mut receivers = Node::table(&yaml.origin);
        for (n, item) in self.items(yaml, &path).iter().enumerate() {
            let path = path.index(n);
            let Some(fields) = self.fields(item, &path, &RECEIVER) else { continue };
            let Some(name) = self.filled(fields.get("name"), &path.key("name")) else {
                self.error(&item.origin, &path, "missing name in receiver");
                continue;
            };
            let text = name.as_text().unwrap_or_default();
            if receivers.get(text).is_some() {
                let message = format!("notification config name {text:?} is not unique");
                self.error(&name.origin, &path.key("name"), message);
                continue;
            }
            let mut receiver = Node::table(&name.origin);
            for kind in &KINDS {
                let Some(configs) = fields.get(kind.key) else { continue };
                let places = self.destinations(kind, configs, &path.key(kind.key), global);
                if !places.items().is_empty() {
                    receiver.set(kind.kind, places);
                }
            }
            receivers.set(text, receiver);
        }
        receivers
    }

    fn destinations(&mut self, kind: &Kind, yaml: &Yaml, path: &Path, global: &Global) -> Node {
        let read = kind.read;
        let mut places = Vec::new();
        for (n, item) in self.items(yaml, path).iter().enumerate() {
            let path = path.index(n);
            match item.is_null() {
                true if kind.may_be_nothing => {
                    places.extend(read(self, &Yaml::empty_map(&item.origin), &path, global));
                }
                true => self.error(&item.origin, &path, format!("missing {} config", kind.kind)),
                false => places.extend(read(self, item, &path, global)),
            }
        }
        list(&yaml.origin, places)
    }

    fn webhook(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &WEBHOOK)?;
        let mut place = Node::table(&yaml.origin);
        self.http(fields.get("http_config"), path, &global.http).put(&mut place);
        self.send_resolved(&mut place, yaml, path, true);
        match self.made_url(&fields, path, ("url", "url_file")) {
            Some(url) => place.set("url", url),
            None => self.error(&yaml.origin, path, "one of url or url_file must be configured"),
        }
        if let Some(payload) = fields.get("payload") {
            let tree = self.tree(payload, &path.key("payload"));
            place.set("payload", tree);
        }
        self.max_alerts_and_timeout(&mut place, &fields, path);
        Some(place)
    }

    /// Where a service is: written here, or as it is globally, or else where it usually is.
    pub(super) fn api_url(
        &mut self,
        place: &mut Node,
        fields: &Fields<'_>,
        path: &Path,
        (key, ours): (&str, &str),
        global: Option<&Node>,
    ) {
        let own = self.static_text(fields.get(key), &path.key(key));
        own.or_else(|| global.cloned()).into_iter().for_each(|url| place.set(ours, url));
    }

    /// `max_alerts` and `timeout`.
    pub(super) fn max_alerts_and_timeout(&mut self, place: &mut Node, fields: &Fields<'_>, path: &Path) {
        let most = fields.get("max_alerts").and_then(|it| self.count(it, &path.key("max_alerts")));
        most.into_iter().for_each(|most| place.set("max_alerts", most));
        let timeout = fields.get("timeout").and_then(|it| self.go_duration(it, &path.key("timeout")));
        timeout.into_iter().for_each(|timeout| place.set("timeout", timeout));
    }

    /// `send_resolved`, written or as Alertmanager has it for the kind.
    pub(super) fn send_resolved(&mut self, place: &mut Node, yaml: &Yaml, path: &Path, default: bool) {
        // a bool that is nothing is false, so this looks at what is written
        let crate::yaml::Value::Map(entries) = &yaml.value else { return };
        let written = entries.iter().find(|(key, _)| key.text == "send_resolved");
        let written = written.and_then(|(_, value)| self.bool(value, &path.key("send_resolved")));
        let node = written.unwrap_or(Node::new(&Origin::Default, Tree::Bool(default)));
        place.set("send_resolved", node);
    }

    /// A span of time as Go writes it, such as `1.5s`; zero is no limit, which is ours to choose then.
    pub(super) fn go_duration(&mut self, yaml: &Yaml, path: &Path) -> Option<Node> {
        let text = self.text(yaml, path)?;
        match parse_go_duration(text) {
            Some(span) if span.is_zero() => None,
            Some(time) => Some(Node::text(&yaml.origin, span::format(time))),
            None => {
                self.error(&yaml.origin, path, format!("{text:?} is not a span of time like 10s or 1m30s"));
                None
            }
        }
    }
}

/// Go's `time.ParseDuration`, but for negative spans, which make no sense here.
fn parse_go_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("μs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let letters =
            rest[digits..].find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len() - digits);
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..digits + letters];
        seconds += number * UNITS.iter().find(|(name, _)| *name == unit)?.1;
        rest = &rest[digits + letters..];
    }
    // to the millisecond, which is as fine as our spans are
    Duration::try_from_secs_f64((seconds * 1000.0).ceil() / 1000.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_go() {
        let ms = |text| parse_go_duration(text).map(|span| span.as_millis());
        assert_eq!(ms("1.5s"), Some(1500));
        assert_eq!(ms("1h2m"), Some(3_720_000));
        assert_eq!(ms("1us"), Some(1), "never zero, which would mean no limit");
        assert_eq!(ms("0"), Some(0));
        for bad in ["", "10", "-1s", "1x", "s", "1..s", "9e9h"] {
            assert_eq!(ms(bad), None, "{bad}");
        }
    }
}
