//! Routes: the tree that says who must know.
//!
//! Walked as Alertmanager walks its own: depth first; a node whose children match is left out itself; the
//! walk ends at the first matching child that does not `continue`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::flap::OnFlapping;
use crate::labels::Labels;
use crate::limits::MAX_ROUTE_DEPTH;
use crate::matcher::{LazyIndex, Matchers};
use crate::severity::Severity;

/// A node of the routing tree, with all that it inherits filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Its path from the root in words, Alertmanager's way: `{}/{team="db"}`. It names the node in group
    /// keys, explanations and metrics, and stays the same while its matchers do.
    pub path: String,
    /// What must match; the root has none.
    pub matchers: Matchers,
    /// What must hold besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// Who is told.
    pub receiver: String,
    /// What makes a group.
    pub group_by: GroupBy,
    /// When groups are told.
    pub timing: Timing,
    /// Names of time intervals in which nobody is told.
    #[serde(default)]
    pub mute: Vec<String>,
    /// Names of time intervals outside of which nobody is told; none: always.
    #[serde(default)]
    pub active: Vec<String>,
    /// What is done about incidents that flap; `None`: what the rules say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_flapping: Option<OnFlapping>,
    /// The name of the escalation policy by which people are paged until somebody takes it; `None`: nobody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalate: Option<String>,
    /// Whether siblings after a match are asked, too.
    #[serde(default)]
    pub r#continue: bool,
    /// More particular routes, asked in their order. They stay as they are once the tree was walked.
    #[serde(default)]
    pub children: Vec<Route>,
    /// Finds those of the children that can match.
    #[serde(skip)]
    pub index: LazyIndex,
}

/// What makes a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupBy {
    /// The values of these labels; with no labels, everything is one group.
    Labels(Vec<String>),
    /// All labels: every alert is its own group.
    All,
}

/// When groups are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// How long a new group gathers before it is told for the first time.
    #[serde(with = "crate::time::span")]
    pub group_wait: Duration,
    /// How long after that until it is told of what is new.
    #[serde(with = "crate::time::span")]
    pub group_interval: Duration,
    /// How long until it is told again although nothing is new.
    #[serde(with = "crate::time::span")]
    pub repeat_interval: Duration,
}

/// Alertmanager's defaults.
impl Default for Timing {
    fn default() -> Self {
        Timing {
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_secs(300),
            repeat_interval: Duration::from_secs(4 * 3600),
        }
    }
}

/// Why a node of the tree was or was not chosen for a label set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The node.
    pub path: String,
    /// Its receiver.
    pub receiver: String,
    /// What was found.
    pub verdict: VerdictKind,
    /// In words: the matcher that failed, the child that was chosen.
    pub because: String,
}

/// What was found about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// It tells its receiver.
    Chosen,
    /// It matches, but leaves it to a child.
    LeftToChild,
    /// A matcher or the condition does not hold.
    NoMatch,
    /// A sibling before it matched and does not `continue`.
    NotReached,
}

impl Route {
    /// A root that tells one receiver everything, grouped by `alertname` as most files do.
    pub fn root(receiver: &str) -> Self {
        Route {
            path: "{}".to_owned(),
            matchers: Matchers::default(),
            condition: None,
            receiver: receiver.to_owned(),
            group_by: GroupBy::Labels(Vec::new()),
            timing: Timing::default(),
            mute: Vec::new(),
            active: Vec::new(),
            on_flapping: None,
            escalate: None,
            r#continue: false,
            children: Vec::new(),
            index: LazyIndex::default(),
        }
    }

    /// The path of a child with these matchers. Alertmanager writes the same (`Route.Key`); a condition,
    /// which it does not know, is added in the braces of its own.
    pub fn child_path(parent: &str, matchers: &Matchers, condition: Option<&Condition>) -> String {
        let condition = condition.map(|it| format!("{{if {}}}", it.source())).unwrap_or_default();
        format!("{parent}/{matchers}{condition}")
    }

    /// The nodes that such an incident goes to, in order. Every label set that the root takes goes
    /// somewhere; the root of a checked tree takes all.
    pub fn find<'a>(&'a self, labels: &Labels, severity: Severity) -> Vec<&'a Route> {
        let mut found = Vec::new();
        self.walk(labels, severity, 0, &mut found);
        found
    }

    fn walk<'a>(
        &'a self,
        labels: &Labels,
        severity: Severity,
        depth: usize,
        found: &mut Vec<&'a Route>,
    ) -> bool {
        if depth > MAX_ROUTE_DEPTH || !self.takes(labels, severity) {
            return false;
        }
        let before = found.len();
        let index = self.index.of(self.children.iter().map(|child| &child.matchers));
        for child in index.candidates(labels).into_iter().map(|place| &self.children[place]) {
            if child.walk(labels, severity, depth + 1, found) && !child.r#continue {
                break;
            }
        }
        if found.len() == before {
            found.push(self);
        }
        true
    }

    /// The same walk, saying of every node what was found.
    pub fn explain(&self, labels: &Labels, severity: Severity) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        self.explain_into(labels, severity, None, &mut verdicts);
        verdicts
    }

    fn explain_into(
        &self,
        labels: &Labels,
        severity: Severity,
        taken_by: Option<&str>,
        verdicts: &mut Vec<Verdict>,
    ) -> bool {
        let mut say = |verdict, because: String| {
            verdicts.push(Verdict {
                path: self.path.clone(),
                receiver: self.receiver.clone(),
                verdict,
                because,
            });
            verdicts.len() - 1
        };
        if let Some(sibling) = taken_by {
            say(VerdictKind::NotReached, format!("{sibling} matched before it and does not continue"));
            return false;
        }
        if let Some(refusal) = self.refusal(labels, severity) {
            say(VerdictKind::NoMatch, refusal);
            return false;
        }
        let own = say(VerdictKind::Chosen, "it matches, and no child does".to_owned());
        let (mut taken, mut chosen) = (None, Vec::new());
        for child in &self.children {
            if child.explain_into(labels, severity, taken, verdicts) {
                chosen.push(child.path.as_str());
                if !child.r#continue {
                    taken = Some(child.path.as_str());
                }
            }
        }
        if !chosen.is_empty() {
            verdicts[own].verdict = VerdictKind::LeftToChild;
            verdicts[own].because = format!("left to {}", chosen.join(" and "));
        }
        true
    }

    /// Whether this node takes it: asked of thousands of nodes for each incident, so nothing is put into words.
    fn takes(&self, labels: &Labels, severity: Severity) -> bool {
        self.matchers.matches(labels)
            && self.condition.as_ref().is_none_or(|condition| condition.holds(labels, severity))
    }

    /// Why this node does not take it; `None`: it does.
    fn refusal(&self, labels: &Labels, severity: Severity) -> Option<String> {
        if let Some(matcher) = self.matchers.0.iter().find(|matcher| !matcher.matches(labels)) {
            let have =
                labels.get(&matcher.name).map_or("is not there".to_owned(), |value| format!("is {value:?}"));
            return Some(format!("{matcher} does not match: {} {have}", matcher.name));
        }
        let condition = self.condition.as_ref().filter(|condition| !condition.holds(labels, severity))?;
        Some(format!("the condition {:?} does not hold", condition.source()))
    }

    /// The labels that its groups of such an incident share.
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        match &self.group_by {
            GroupBy::All => labels.clone(),
            GroupBy::Labels(names) => labels.project(names.iter().map(String::as_str)),
        }
    }

    /// Alertmanager's group key: path and group labels.
    pub fn group_key(&self, group_labels: &Labels) -> String {
        format!("{}:{group_labels}", self.path)
    }

    /// The node with this path and receiver, here or below.
    pub fn node(&self, path: &str, receiver: &str) -> Option<&Route> {
        if self.path == path && self.receiver == receiver {
            return Some(self);
        }
        // a path begins with the paths of all nodes above it
        let may_be_below = path.starts_with(&self.path);
        self.children.iter().filter(|_| may_be_below).find_map(|child| child.node(path, receiver))
    }

    /// This node and all below it, in the order of the walk.
    pub fn nodes(&self) -> Vec<&Route> {
        let below = self.children.iter().flat_map(Route::nodes);
        std::iter::once(self).chain(below).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher;
    use proptest::prelude::*;

    fn route(matchers: &str, receiver: &str, children: Vec<Route>) -> Route {
        Route {
            matchers: Matchers(matcher::parse_list(matchers).unwrap()),
            children,
            ..Route::root(receiver)
        }
    }

    /// Fills the paths in, as the configuration does.
    fn tree(mut root: Route) -> Route {
        fn name(route: &mut Route) {
            let parent = route.path.clone();
            for child in &mut route.children {
                child.path = Route::child_path(&parent, &child.matchers, child.condition.as_ref());
                name(child);
            }
        }
        name(&mut root);
        root
    }

    fn receivers(root: &Route, team: &str) -> Vec<String> {
        let labels = [("team", team)].into_iter().collect();
        root.find(&labels, Severity::Error).iter().map(|route| route.receiver.clone()).collect()
    }

    fn example() -> Route {
        let mut audit = route(r#"team=~"db|web""#, "audit", vec![]);
        audit.r#continue = true;
        tree(route(
            "{}",
            "all",
            vec![audit, route(r#"team="db""#, "db", vec![]), route(r#"team="db""#, "late", vec![])],
        ))
    }

    #[test]
    fn the_first_match_wins_unless_it_continues() {
        assert_eq!(receivers(&example(), "db"), ["audit", "db"]);
        assert_eq!(receivers(&example(), "web"), ["audit"]);
        assert_eq!(receivers(&example(), "ops"), ["all"]);
    }

    #[test]
    fn every_node_says_why() {
        let labels = [("team", "db")].into_iter().collect();
        let verdicts = example().explain(&labels, Severity::Error);
        let kinds: Vec<_> = verdicts.iter().map(|v| (v.receiver.as_str(), v.verdict)).collect();
        assert_eq!(
            kinds,
            [
                ("all", VerdictKind::LeftToChild),
                ("audit", VerdictKind::Chosen),
                ("db", VerdictKind::Chosen),
                ("late", VerdictKind::NotReached),
            ]
        );
        let labels = [("team", "ops")].into_iter().collect();
        let refused = &example().explain(&labels, Severity::Error)[2];
        assert_eq!(refused.because, r#"team="db" does not match: team is "ops""#);
    }

    #[test]
    fn a_condition_is_asked_besides_the_matchers() {
        let mut bad = route("{}", "bad", vec![]);
        bad.condition = Some(Condition::new("level <= 1").unwrap());
        let root = tree(route("{}", "all", vec![bad]));
        assert_eq!(root.find(&Labels::new(), Severity::Critical)[0].receiver, "bad");
        assert_eq!(root.find(&Labels::new(), Severity::Error)[0].receiver, "all");
        assert_eq!(root.children[0].path, "{}/{}{if level <= 1}");
    }

    fn trees() -> impl Strategy<Value = Route> {
        let leaf = ("[ab]=~?\"[xy]\"", any::<bool>()).prop_map(|(matchers, goes_on)| {
            let mut leaf = route(&matchers, &matchers, vec![]);
            leaf.r#continue = goes_on;
            leaf
        });
        leaf.prop_recursive(3, 24, 4, |inner| {
            (prop::collection::vec(inner, 0..4), any::<bool>()).prop_map(|(children, goes_on)| {
                let mut node = route("{}", "inner", children);
                node.r#continue = goes_on;
                node
            })
        })
    }

    /// Nodes that the walk never comes to, since a node above them does not match or is not reached.
    fn below_refused(route: &Route, labels: &Labels) -> usize {
        let mut taken = false;
        let missed = route.children.iter().map(|child| {
            let matches = !taken && child.refusal(labels, Severity::Info).is_none();
            let missed = if matches { below_refused(child, labels) } else { child.nodes().len() - 1 };
            taken |= matches && !child.r#continue;
            missed
        });
        missed.sum()
    }

    proptest! {
        /// What `explain` calls chosen is what `find` finds, in the same order, and somebody is always told.
        #[test]
        fn explaining_and_finding_agree(
            children in prop::collection::vec(trees(), 0..4),
            pairs in prop::collection::btree_map("[ab]", "[xy]", 0..3),
        ) {
            let root = tree(route("{}", "root", children));
            let labels: Labels = pairs.into_iter().collect();
            let found: Vec<_> = root.find(&labels, Severity::Info).iter().map(|r| r.path.clone()).collect();
            let explained = root.explain(&labels, Severity::Info);
            prop_assert_eq!(explained.len(), root.nodes().len() - below_refused(&root, &labels));
            let chosen: Vec<_> =
                explained.into_iter().filter(|v| v.verdict == VerdictKind::Chosen).map(|v| v.path).collect();
            prop_assert!(!found.is_empty());
            prop_assert_eq!(found, chosen);
        }
    }
}
