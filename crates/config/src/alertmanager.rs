//! `alertmanager.yml`: read as it is, translated into the tree of a `nightbell.toml` of the same meaning.
//!
//! The rules are those of prometheus/alertmanager's `config/config.go`, `config/notifiers.go` and
//! `dispatch/route.go`, and so are the words of errors where they are known. What the translation does not
//! understand it refuses, with place and reason: a setting that is ignored in silence is a page that never
//! comes. What only the whole shows (receivers that are not defined, groups by the same label twice) is
//! told when the tree is read, as for any other file.

mod chats;
mod email;
mod global;
mod http;
mod incidentio;
mod jira;
mod mattermost;
mod opsgenie;
mod pagerduty;
mod pushover;
mod reader;
mod receivers;
mod rocketchat;
mod route;
mod servers;
mod shown;
mod slack;
mod sns;
mod telegram;
mod texts;
mod times;
mod tracing;
mod victorops;
mod webex;
mod wechat;

use crate::node::{Node, Value as Tree};
use crate::path::Path;
use crate::problem::Problems;
use crate::yaml;

use global::Global;
use reader::{Keys, Reader};

const TOP: Keys = Keys {
    known: &[
        "global",
        "route",
        "inhibit_rules",
        "receivers",
        "templates",
        "mute_time_intervals",
        "time_intervals",
        "tracing",
    ],
    refused: &[("event_recorder", "Nightbell keeps all events in its own database")],
};

/// An `alertmanager.yml`.
pub(crate) struct Parsed {
    /// The tree of a `nightbell.toml` of the same meaning.
    pub(crate) root: Node,
    /// The file as it was written, without its secrets.
    pub(crate) shown: String,
}

/// Reads and translates. `None`: something is wrong with it, and the problems say what.
pub(crate) fn parse(name: &str, text: &str, problems: &mut Problems) -> Option<Parsed> {
    let before = problems.errors();
    let document = yaml::parse(name, text, problems)?;
    let mut reader = Reader { problems };
    if document.is_null() {
        reader.error(&document.origin, &Path::default(), "no route provided in config");
        return None;
    }
    let path = Path::default();
    let fields = reader.fields(&document, &path, &TOP)?;
    let global = Global::read(&mut reader, fields.get("global"));
    let mut root = Node::table(&document.origin);
    if let Some(timeout) = &global.resolve_timeout {
        let mut incidents = Node::table(&timeout.origin);
        incidents.set("resolve_timeout", timeout.clone());
        root.set("incidents", incidents);
    }
    root.set("outbound", outbound(&document.origin));
    match fields.get("route") {
        Some(route) => {
            let route = reader.route(route, &Path::of(&["route"]));
            root.set("route", route);
        }
        None => reader.error(&document.origin, &path, "no routes provided"),
    }
    if let Some(templates) = fields.get("templates") {
        let files = reader.texts(templates, &Path::of(&["templates"]));
        let mut section = Node::table(&templates.origin);
        section.set("files", list(&templates.origin, files));
        root.set("templates", section);
    }
    let receivers = fields.get("receivers").map(|list| reader.receivers(list, &global));
    receivers.into_iter().for_each(|receivers| root.set("receivers", receivers));
    let inhibit = fields.get("inhibit_rules").map(|list| reader.inhibit_rules(list));
    inhibit.into_iter().for_each(|inhibit| root.set("inhibit", inhibit));
    let traces = fields.get("tracing").and_then(|tracing| reader.tracing(tracing));
    traces.into_iter().for_each(|traces| root.set("traces", traces));
    let times = reader.time_intervals(fields.get("mute_time_intervals"), fields.get("time_intervals"));
    times.into_iter().for_each(|times| root.set("time_intervals", times));
    (problems.errors() == before).then(|| Parsed { root, shown: shown::text(&document) })
}

/// Networks that an `alertmanager.yml` may send to beside the public ones: those of one's own house.
/// Alertmanager knows no such guard, and the file is the operator's word; link-local addresses, where clouds
/// keep their credentials, stay refused.
const OWN_NETWORKS: [&str; 6] =
    ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

fn outbound(origin: &crate::problem::Origin) -> Node {
    let networks = OWN_NETWORKS.map(|network| Node::new(origin, Tree::Text(network.to_owned())));
    let mut outbound = Node::table(origin);
    outbound.set("allow", list(origin, networks.to_vec()));
    outbound
}

/// A list of texts as a node.
fn list(origin: &crate::problem::Origin, items: Vec<Node>) -> Node {
    Node::new(origin, Tree::List(items))
}
