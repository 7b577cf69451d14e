//! From entries as written to the rules that the flow goes by.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use model::condition::Condition;
use model::inhibition::Inhibition;
use model::limits::{MAX_MATCHERS, MAX_ROUTE_DEPTH};
use model::matcher::{self, Matchers};
use model::route::{GroupBy, Route, Timing};
use model::time_interval::TimeInterval;
use model::zone::LOCAL;

use crate::entries::{Grouping, InhibitEntry, RouteEntry};
use crate::nearest::hint;
use crate::node::{Node, Value};
use crate::path::Path;
use crate::problem::Problems;
use crate::read::{plain_words, read};
use crate::zone;

/// What routes may refer to.
pub(crate) struct Known<'a> {
    /// The whole file, to know where things stand.
    pub(crate) root: &'a Node,
    /// Names of receivers, also of those that something is wrong with.
    pub(crate) receivers: BTreeSet<&'a str>,
    /// Names of time intervals, likewise.
    pub(crate) intervals: BTreeSet<&'a str>,
}

impl<'a> Known<'a> {
    /// All that is there by name.
    pub(crate) fn of(root: &'a Node) -> Self {
        let (receivers, intervals) = (root.names("receivers"), root.names("time_intervals"));
        Known { root, receivers: receivers.collect(), intervals: intervals.collect() }
    }
}

/// Makes the routing tree, and tells of everything that leads nowhere.
pub(crate) struct Tree<'a> {
    known: Known<'a>,
    problems: &'a mut Problems,
}

impl<'a> Tree<'a> {
    /// A maker of trees.
    pub(crate) fn new(known: Known<'a>, problems: &'a mut Problems) -> Self {
        Tree { known, problems }
    }

    /// The tree.
    pub(crate) fn make(&mut self, entry: &RouteEntry) -> Option<Route> {
        let path = Path::of(&["route"]);
        let before = self.problems.errors();
        // the words are Alertmanager's own
        if entry.receiver.as_deref().unwrap_or_default().is_empty() {
            self.error(&path, "root route must specify a default receiver");
        }
        if !entry.matchers.is_empty() {
            self.error(&path.key("matchers"), "root route must not have any matchers");
        }
        if entry.condition.is_some() {
            self.error(&path.key("condition"), "root route must not have a condition");
        }
        if !entry.mute_time_intervals.is_empty() {
            self.error(&path.key("mute_time_intervals"), "root route must not have any mute time intervals");
        }
        if !entry.active_time_intervals.is_empty() {
            self.error(
                &path.key("active_time_intervals"),
                "root route must not have any active time intervals",
            );
        }
        if entry.r#continue {
            self.error(&path.key("continue"), "cannot have continue in root route");
        }
        let above = Route::root(entry.receiver.as_deref().unwrap_or_default());
        let route = self.node(entry, &path, &above, "{}".to_owned(), 0);
        self.warn_of_unused(&route);
        (self.problems.errors() == before).then_some(route)
    }

    fn error(&mut self, path: &Path, message: impl Into<String>) {
        self.problems.error(&self.known.root.origin_at(path), path, message);
    }

    /// One node with all below it. What it does not set is as `above`.
    fn node(&mut self, entry: &RouteEntry, path: &Path, above: &Route, name: String, depth: usize) -> Route {
        let matchers = if depth == 0 { Matchers::default() } else { self.matchers(&entry.matchers, path) };
        let condition = self.condition(entry, path);
        let mut route = Route {
            path: name,
            receiver: self.receiver(entry, path, above),
            group_by: self.group_by(entry, path, above),
            timing: self.timing(entry, path, above),
            mute: self.intervals(&entry.mute_time_intervals, &path.key("mute_time_intervals")),
            active: self.intervals(&entry.active_time_intervals, &path.key("active_time_intervals")),
            on_flapping: entry.on_flapping.or(above.on_flapping),
            escalate: entry.escalate.clone().or_else(|| above.escalate.clone()),
            r#continue: entry.r#continue,
            children: Vec::new(),
            index: matcher::LazyIndex::default(),
            matchers,
            condition,
        };
        if depth == MAX_ROUTE_DEPTH && !entry.routes.is_empty() {
            self.error(&path.key("routes"), format!("routes are nested more than {MAX_ROUTE_DEPTH} deep"));
            return route;
        }
        let mut names = BTreeSet::new();
        for (n, child) in entry.routes.iter().enumerate() {
            let path = path.key("routes").index(n);
            let name = self.child_name(child, &route, &mut names);
            let child = self.node(child, &path, &route, name, depth + 1);
            route.children.push(child);
        }
        route
    }

    /// Alertmanager's `Route.Key`. It gives the same key to siblings with the same matchers; the key names
    /// groups here, so the second such sibling gets `#2`, the third `#3`.
    fn child_name(&mut self, entry: &RouteEntry, above: &Route, names: &mut BTreeSet<String>) -> String {
        let texts = entry.matchers.iter().filter_map(|text| matcher::parse_list(text).ok()).flatten();
        let condition = entry.condition.as_deref().and_then(|text| Condition::new(text).ok());
        let plain = Route::child_path(&above.path, &sorted(texts.collect()), condition.as_ref());
        let mut name = plain.clone();
        let mut number = 1;
        while !names.insert(name.clone()) {
            number += 1;
            name = format!("{plain}#{number}");
        }
        name
    }

    fn matchers(&mut self, texts: &[String], path: &Path) -> Matchers {
        let path = path.key("matchers");
        let found = matchers(texts);
        for (n, error) in found.errors {
            self.error(&path.index(n), error);
        }
        if found.matchers.0.len() > MAX_MATCHERS {
            self.error(&path, matcher::BadMatcher::TooMany.to_string());
        }
        found.matchers
    }

    fn condition(&mut self, entry: &RouteEntry, path: &Path) -> Option<Condition> {
        let text = entry.condition.as_deref()?;
        match Condition::new(text) {
            Ok(condition) => Some(condition),
            Err(error) => {
                self.error(&path.key("condition"), error.to_string());
                None
            }
        }
    }

    fn receiver(&mut self, entry: &RouteEntry, path: &Path, above: &Route) -> String {
        let Some(name) = entry.receiver.as_deref().filter(|name| !name.is_empty()) else {
            return above.receiver.clone();
        };
        if !self.known.receivers.contains(name) {
            let hint = hint(name, &Vec::from_iter(self.known.receivers.iter().copied()));
            let message = format!("undefined receiver {name:?} used in route{hint}");
            self.error(&path.key("receiver"), message);
        }
        name.to_owned()
    }

    fn intervals(&mut self, names: &[String], path: &Path) -> Vec<String> {
        for (n, name) in names.iter().enumerate() {
            if !self.known.intervals.contains(name.as_str()) {
                let hint = hint(name, &Vec::from_iter(self.known.intervals.iter().copied()));
                let message = format!("undefined time interval {name:?} used in route{hint}");
                self.error(&path.index(n), message);
            }
        }
        names.to_vec()
    }

    fn group_by(&mut self, entry: &RouteEntry, path: &Path, above: &Route) -> GroupBy {
        let path = path.key("group_by");
        let names = match &entry.group_by {
            None => return above.group_by.clone(),
            Some(Grouping::All) => return GroupBy::All,
            Some(Grouping::Labels(names)) => names,
        };
        let labels: Vec<&String> = names.iter().filter(|name| *name != "...").collect();
        match (labels.len() < names.len(), labels.is_empty()) {
            (true, true) => return GroupBy::All,
            (true, false) => {
                let message = "cannot have wildcard group_by (`...`) and other labels at the same time";
                self.error(&path, message);
            }
            (false, _) => {}
        }
        let mut seen = BTreeSet::new();
        for (n, name) in names.iter().enumerate() {
            if name.is_empty() {
                self.error(&path.index(n), "invalid label name \"\" in group_by list");
            } else if !seen.insert(name) {
                self.error(&path.index(n), format!("duplicated label {name:?} in group_by"));
            }
        }
        GroupBy::Labels(labels.into_iter().cloned().collect())
    }

    fn timing(&mut self, entry: &RouteEntry, path: &Path, above: &Route) -> Timing {
        for (name, span) in
            [("group_interval", entry.group_interval), ("repeat_interval", entry.repeat_interval)]
        {
            if span.is_some_and(|span| span.is_zero()) {
                self.error(&path.key(name), format!("{name} cannot be zero"));
            }
        }
        Timing {
            group_wait: entry.group_wait.unwrap_or(above.timing.group_wait),
            group_interval: entry.group_interval.unwrap_or(above.timing.group_interval),
            repeat_interval: entry.repeat_interval.unwrap_or(above.timing.repeat_interval),
        }
    }

    /// Tells of receivers and time intervals that no route refers to.
    fn warn_of_unused(&mut self, root: &Route) {
        let nodes = root.nodes();
        let told: BTreeSet<&str> = nodes.iter().map(|route| route.receiver.as_str()).collect();
        let held: BTreeSet<&str> = nodes
            .iter()
            .flat_map(|route| route.mute.iter().chain(&route.active))
            .map(String::as_str)
            .collect();
        let sections = [
            ("receivers", &self.known.receivers, told, "no route tells this receiver"),
            ("time_intervals", &self.known.intervals, held, "no route refers to this time interval"),
        ];
        for (section, names, used, message) in sections {
            for name in names.iter().filter(|name| !used.contains(*name)) {
                let path = Path::of(&[section, name]);
                self.problems.warning(&self.known.root.origin_at(&path), &path, message);
            }
        }
    }
}

/// Matchers as read, and what is wrong with which of the texts.
struct Found {
    matchers: Matchers,
    errors: Vec<(usize, String)>,
}

fn matchers(texts: &[String]) -> Found {
    let (mut all, mut errors) = (Vec::new(), Vec::new());
    for (n, text) in texts.iter().enumerate() {
        match matcher::parse_list(text) {
            Ok(some) => all.extend(some),
            Err(error) => errors.push((n, error.to_string())),
        }
    }
    Found { matchers: sorted(all), errors }
}

/// In Alertmanager's order (`labels.Matchers.Less`), so that routes have the same paths as there.
fn sorted(mut matchers: Vec<matcher::Matcher>) -> Matchers {
    matchers.sort_by(|a, b| (&a.name, &a.value, a.op).cmp(&(&b.name, &b.value, b.op)));
    Matchers(matchers)
}

/// What is urgent.
pub(crate) fn urgent(root: &Node, texts: &[String], problems: &mut Problems) -> Matchers {
    let path = Path::of(&["incidents", "urgent"]);
    let found = matchers(texts);
    for (n, error) in found.errors {
        let path = path.index(n);
        problems.error(&root.origin_at(&path), &path, error);
    }
    found.matchers
}

/// Makes the inhibitions.
pub(crate) fn inhibitions(root: &Node, problems: &mut Problems) -> Vec<Inhibition> {
    let path = Path::of(&["inhibit"]);
    let Some(list) = root.get("inhibit") else { return Vec::new() };
    if !matches!(list.value, Value::List(_)) {
        problems.error(&root.origin_at(&path), &path, "must be a list of tables: write [[inhibit]]");
    }
    let make = |(n, node): (usize, &Node)| {
        let path = path.index(n);
        let entry: InhibitEntry = read(node, &path, problems)?;
        let mut side = |texts: &[String], key: &str| {
            let found = matchers(texts);
            for (n, error) in found.errors {
                let path = path.key(key).index(n);
                problems.error(&root.origin_at(&path), &path, error);
            }
            found.matchers
        };
        let (source, target) = (side(&entry.source, "source"), side(&entry.target, "target"));
        for (at, _) in entry.equal.iter().enumerate().filter(|(_, name)| name.is_empty()) {
            let path = path.key("equal").index(at);
            problems.error(&root.origin_at(&path), &path, "invalid label name \"\" in equal list");
        }
        let name = if entry.name.is_empty() { format!("inhibit[{n}]") } else { entry.name };
        Some(Inhibition { name, source, target, equal: entry.equal })
    };
    list.items().iter().enumerate().filter_map(make).collect()
}

/// Makes the time intervals: one table or a list of tables each.
pub(crate) fn intervals(
    root: &Node,
    local: &TimeZone,
    problems: &mut Problems,
) -> BTreeMap<String, TimeInterval> {
    let entries = root.get("time_intervals").and_then(Node::entries).into_iter().flatten();
    let make = |entry: &crate::node::Entry| {
        let path = Path::of(&["time_intervals", &entry.key]);
        if entry.key.is_empty() {
            problems.error(&entry.origin, &path, "missing name in time interval");
            return None;
        }
        // Alertmanager's shape has a list; so that a problem's place can be found, each is read by itself
        let is_list = matches!(entry.node.value, Value::List(_));
        let spans = if is_list { entry.node.items() } else { std::slice::from_ref(&entry.node) };
        let mut whole = Vec::new();
        for (n, span) in spans.iter().enumerate() {
            let path = if is_list { path.index(n) } else { path.clone() };
            interval(&entry.key, vec![span.to_json()], span, local, &path, problems)?;
            warn_of_local(span, local, &path, problems);
            whole.push(span.to_json());
        }
        let interval = interval(&entry.key, whole, &entry.node, local, &path, problems)?;
        Some((entry.key.clone(), interval))
    };
    entries.filter_map(make).collect()
}

/// Says which zone the machine's own is, and that it is no other's.
fn warn_of_local(span: &Node, local: &TimeZone, path: &Path, problems: &mut Problems) {
    let is_local = |node: &&Node| node.as_text() == Some(LOCAL);
    if let Some(node) = span.get("location").filter(is_local) {
        let here = zone::name(local);
        let message = format!(
            "Local is the time zone of this machine, {here}; of several nodes each has its own, so name it"
        );
        problems.warning(&node.origin, &path.key("location"), message);
    }
}

/// Reads an interval in Alertmanager's shape. `node` is its only span, for problems.
fn interval(
    name: &str,
    spans: Vec<serde_json::Value>,
    node: &Node,
    local: &TimeZone,
    path: &Path,
    problems: &mut Problems,
) -> Option<TimeInterval> {
    match in_zone(name, spans, local) {
        Ok(interval) => Some(interval),
        Err(error) => {
            // the first two steps lead into the shape around the span
            let steps = Path::from_serde(error.path()).0.into_iter().skip(2).collect();
            let place = Path(steps);
            let message = plain_words(&error.into_inner().to_string());
            problems.error(&node.origin_at(&place), &path.join(&place), message);
            None
        }
    }
}

/// Reads an interval with this zone for `Local`.
fn in_zone(
    name: &str,
    mut spans: Vec<serde_json::Value>,
    local: &TimeZone,
) -> Result<TimeInterval, serde_path_to_error::Error<serde_json::Error>> {
    let mut take_local = |span: &mut serde_json::Value| {
        let is_local = span["location"] == LOCAL;
        span.as_object_mut().filter(|_| is_local).and_then(|span| span.remove("location")).is_some()
    };
    let are_local: Vec<bool> = spans.iter_mut().map(&mut take_local).collect();
    let json = serde_json::json!({ "name": name, "time_intervals": spans });
    let mut interval: TimeInterval = serde_path_to_error::deserialize(json)?;
    let spells = interval.spells.iter_mut().zip(are_local);
    spells.filter(|(_, is_local)| *is_local).for_each(|(spell, _)| spell.set_zone(local.clone()));
    Ok(interval)
}

/// The time intervals of rules that were kept, by name: where the zone of the machine had no name, it is the zone of
/// this machine, as the environment says it. What cannot be read is left out.
pub fn kept_intervals(
    kept: &serde_json::Value,
    environment: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, TimeInterval> {
    let local = zone::local(&environment.into_iter().collect());
    let all = kept.as_object().into_iter().flatten();
    let read = |(name, interval): (&String, &serde_json::Value)| {
        let spans = interval["time_intervals"].as_array().cloned().unwrap_or_default();
        Some((name.clone(), in_zone(name, spans, &local).ok()?))
    };
    all.filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_without_a_name_is_found_again() {
        let spans = vec![serde_json::json!({
            "times": [{"start_time": "09:00", "end_time": "17:00"}], "location": LOCAL,
        })];
        let environment = [("TZ".to_owned(), "ABC-3".to_owned())];
        let local = zone::local(&environment.clone().into());
        let written = BTreeMap::from([("office", in_zone("office", spans, &local).unwrap())]);
        let read = kept_intervals(&serde_json::to_value(&written).unwrap(), environment);
        assert_eq!(read["office"], written["office"]);
        let contains = |text: &str| read["office"].contains(text.parse().unwrap());
        assert!(contains("2026-06-01T06:00:00Z") && !contains("2026-06-01T14:00:00Z"));
    }
}
