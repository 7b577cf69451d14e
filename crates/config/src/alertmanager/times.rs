//! `time_intervals` and `mute_time_intervals`, which is what they were called before they could also be
//! active ones.

use std::rc::Rc;

use super::list;
use super::reader::{Keys, Reader};
use crate::node::Node;
use crate::path::Path;
use crate::problem::Origin;
use crate::yaml::Yaml;

const NAMED: Keys = Keys { known: &["name", "time_intervals"], refused: &[] };
const SPAN: Keys =
    Keys { known: &["times", "weekdays", "days_of_month", "months", "years", "location"], refused: &[] };
const CLOCK: Keys = Keys { known: &["start_time", "end_time"], refused: &[] };

impl Reader<'_> {
    /// All named times, of both lists.
    pub(super) fn time_intervals(
        &mut self,
        mute: Option<&Rc<Yaml>>,
        times: Option<&Rc<Yaml>>,
    ) -> Option<Node> {
        let mut all = Node::table(&Origin::Default);
        let lists =
            [("mute_time_intervals", "mute time interval", mute), ("time_intervals", "time interval", times)];
        for (key, what, yaml) in lists {
            let Some(yaml) = yaml else { continue };
            let path = Path::of(&[key]);
            for (n, item) in self.items(yaml, &path).iter().enumerate() {
                self.named(item, &path.index(n), what, &mut all);
            }
        }
        all.entries().is_some_and(|entries| !entries.is_empty()).then_some(all)
    }

    fn named(&mut self, yaml: &Yaml, path: &Path, what: &str, all: &mut Node) {
        let Some(fields) = self.fields(yaml, path, &NAMED) else { return };
        let Some(name) = self.filled(fields.get("name"), &path.key("name")) else {
            self.error(&yaml.origin, path, format!("missing name in {what}"));
            return;
        };
        let text = name.as_text().unwrap_or_default();
        if all.get(text).is_some() {
            self.error(&name.origin, &path.key("name"), format!("{what} {text:?} is not unique"));
            return;
        }
        let mut spans = Vec::new();
        if let Some(yaml) = fields.get("time_intervals") {
            let path = path.key("time_intervals");
            for (n, item) in self.items(yaml, &path).iter().enumerate() {
                spans.extend(self.span(item, &path.index(n)));
            }
        }
        all.set(text, list(&name.origin, spans));
    }

    fn span(&mut self, yaml: &Yaml, path: &Path) -> Option<Node> {
        let mut span = Node::table(&yaml.origin);
        // `- ` alone is a span without conditions in Go, which always holds
        if yaml.is_null() {
            return Some(span);
        }
        let fields = self.fields(yaml, path, &SPAN)?;
        for key in ["weekdays", "days_of_month", "months", "years"] {
            let Some(yaml) = fields.get(key) else { continue };
            let texts = self.texts(yaml, &path.key(key));
            span.set(key, list(&yaml.origin, texts));
        }
        let location = self.filled(fields.get("location"), &path.key("location"));
        location.into_iter().for_each(|location| span.set("location", location));
        if let Some(yaml) = fields.get("times") {
            let path = path.key("times");
            let items = self.items(yaml, &path).iter().enumerate();
            let times = items.filter_map(|(n, item)| self.clock(item, &path.index(n))).collect();
            span.set("times", list(&yaml.origin, times));
        }
        Some(span)
    }

    fn clock(&mut self, yaml: &Yaml, path: &Path) -> Option<Node> {
        let fields = self.fields(yaml, path, &CLOCK)?;
        let start = self.filled(fields.get("start_time"), &path.key("start_time"));
        let end = self.filled(fields.get("end_time"), &path.key("end_time"));
        let (Some(start), Some(end)) = (start, end) else {
            self.error(&yaml.origin, path, "both start and end times must be provided");
            return None;
        };
        // `nightbell.toml` may cross midnight, Alertmanager may not. Times of this form sort as texts; what
        // is of another form is told of later.
        let is_clock = |node: &Node| node.as_text().is_some_and(|text| text.len() == "09:00".len());
        if is_clock(&start) && is_clock(&end) && start.as_text() >= end.as_text() {
            self.error(&yaml.origin, path, "start time cannot be equal or greater than end time");
        }
        let mut times = Node::table(&yaml.origin);
        times.set("start_time", start);
        times.set("end_time", end);
        Some(times)
    }
}
