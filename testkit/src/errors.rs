//! Errors that programs report to a world.

use flow::errors::acts::{Acted, IssueAct};
use flow::errors::take::Taken;
use model::project::{Project, Settings};
use model::{AlertRule, Id};
use serde_json::{Value, json};
use store::definitions::{Definition, Kind};

use crate::world::World;

/// An exception as a client writes it, raised in a function of the program.
pub fn exception(n: usize, function: &str) -> Value {
    json!({
        "event_id": format!("{n:032x}"), "platform": "python", "level": "error", "release": "1.0",
        "exception": { "values": [{
            "type": "ValueError", "value": "no price",
            "stacktrace": { "frames": [
                { "module": "shop", "function": function, "lineno": n, "context_line": "raise", "in_app": true },
            ] },
        }] },
    })
}

impl World {
    /// A project comes into being; its number.
    pub fn project(&mut self, slug: &str) -> i64 {
        let (slug, now) = (slug.to_owned(), self.now);
        let make = move |tx: &mut store::Tx<'_>| {
            let id = store::projects::next_number(tx)?;
            let settings = Settings::default();
            let project =
                Project { id, slug, platform: "python".into(), team: None, settings, created_at: now };
            assert!(store::projects::insert(tx, &project)?);
            Ok(id)
        };
        self.store.write_blocking(make).unwrap()
    }

    /// A project goes by other settings from now on.
    pub fn project_goes_by(&mut self, project: i64, change: impl FnOnce(&mut Settings) + Send + 'static) {
        let write = move |tx: &mut store::Tx<'_>| {
            let mut it = store::projects::named(tx, &project.to_string())?.unwrap();
            change(&mut it.settings);
            store::projects::update(tx, &it)
        };
        self.store.write_blocking(write).unwrap();
    }

    /// What the driver does about issues every minute.
    pub fn tends(&mut self) {
        let done = self.nodes[0].stage.tend_issues(self.now).unwrap();
        self.hand(0, done);
    }

    /// A program reports an error; its issue, if it is kept.
    pub fn reports(&mut self, project: i64, event: &Value) -> Option<Id> {
        let (taken, done) = self.nodes[0].stage.report(project, &event.to_string(), self.now).unwrap();
        self.hand(0, done);
        match taken {
            Taken::Kept { issue, .. } => Some(issue),
            Taken::Known | Taken::Discarded => None,
        }
    }

    /// Somebody does something about an issue.
    pub fn does(&mut self, id: Id, act: IssueAct) {
        let (acted, done) = self.nodes[0].stage.act_on_issue(id, act, self.now).unwrap();
        assert_eq!(acted, Acted::Done);
        self.hand(0, done);
    }

    /// A project has this alert rule from now on.
    pub fn rules_that(&mut self, name: &str, spec: Value) {
        let body: AlertRule = serde_json::from_value(spec).unwrap();
        body.check().unwrap();
        let (id, now, name) = (self.nodes[0].stage.core.id(self.now), self.now, name.to_owned());
        let rule = Definition { id, owner: Id(0), name, body, created_at: now, updated_at: now };
        let put = move |tx: &mut store::Tx<'_>| store::definitions::put(tx, Kind::AlertRule, &rule);
        assert!(self.store.write_blocking(put).unwrap());
    }
}
