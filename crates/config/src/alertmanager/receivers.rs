//! `receivers`: who can be told, and `webhook_configs`.

use std::rc::Rc;
use std::time::Duration;

use model::time::span;

use super::global::Global;
use super::http::Http;
use super::list;
use super::reader::{Keys, Reader};
use crate::node::{Node, Value as Tree};
use crate::path::Path;
use crate::problem::Origin;
use crate::yaml::Yaml;

const RECEIVER: Keys = Keys {
    known: &["name", "webhook_configs", "email_configs", "slack_configs"],
    refused: &[
        ("labels", "receivers have no labels"),
        ("discord_configs", "there is no such destination yet"),
        ("incidentio_configs", "there is no such destination yet"),
        ("jira_configs", "there is no such destination yet"),
        ("mattermost_configs", "there is no such destination yet"),
        ("msteams_configs", "there is no such destination yet"),
        ("msteamsv2_configs", "there is no such destination yet"),
        ("opsgenie_configs", "there is no such destination yet"),
        ("pagerduty_configs", "there is no such destination yet"),
        ("pushover_configs", "there is no such destination yet"),
        ("rocketchat_configs", "there is no such destination yet"),
        ("sns_configs", "there is no such destination yet"),
        ("telegram_configs", "there is no such destination yet"),
        ("victorops_configs", "there is no such destination yet"),
        ("webex_configs", "there is no such destination yet"),
        ("wechat_configs", "there is no such destination yet"),
    ],
};
const WEBHOOK: Keys = Keys {
    known: &["send_resolved", "http_config", "url", "url_file", "max_alerts", "timeout"],
    refused: &[("payload", "the body of a webhook is Alertmanager's own")],
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
            for kind in ["webhook", "email", "slack"] {
                let key = format!("{kind}_configs");
                let Some(configs) = fields.get(&key) else { continue };
                let places = self.destinations(kind, configs, &path.key(&key), global);
                if !places.items().is_empty() {
                    receiver.set(kind, places);
                }
            }
            receivers.set(text, receiver);
        }
        receivers
    }

    fn destinations(&mut self, kind: &str, yaml: &Yaml, path: &Path, global: &Global) -> Node {
        let mut places = Vec::new();
        for (n, item) in self.items(yaml, path).iter().enumerate() {
            let path = path.index(n);
            if item.is_null() && kind != "slack" {
                self.error(&item.origin, &path, format!("missing {kind} config"));
                continue;
            }
            places.extend(match kind {
                "webhook" => self.webhook(item, &path, global),
                "email" => self.email(item, &path, global),
                _ => self.slack(item, &path, global),
            });
        }
        list(&yaml.origin, places)
    }

    fn webhook(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &WEBHOOK)?;
        let mut place = Node::table(&yaml.origin);
        self.http(fields.get("http_config"), path, global).put(&mut place);
        self.send_resolved(&mut place, yaml, path, true);
        match self.url(&fields, path, ("url", "url_file")) {
            Some(url) => place.set("url", url),
            // a template was refused already
            None if fields.get("url").is_some() => {}
            None => self.error(&yaml.origin, path, "one of url or url_file must be configured"),
        }
        let most = fields.get("max_alerts").and_then(|it| self.count(it, &path.key("max_alerts")));
        most.into_iter().for_each(|most| place.set("max_alerts", most));
        let timeout = fields.get("timeout").and_then(|it| self.go_duration(it, &path.key("timeout")));
        timeout.into_iter().for_each(|timeout| place.set("timeout", timeout));
        Some(place)
    }

    /// What `http_config` says; the global one where there is none.
    pub(super) fn http(&mut self, own: Option<&Rc<Yaml>>, path: &Path, global: &Global) -> Http {
        let own = own.map(|http| self.http_config(http, &path.key("http_config")));
        own.unwrap_or_else(|| global.http.clone())
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
