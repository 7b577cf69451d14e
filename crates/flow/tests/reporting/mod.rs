//! A hub with projects, and programs that report to them.

use std::sync::Arc;

use flow::driver::Retention;
use flow::errors::take::Taken;
use flow::{Clock, Hub, Live};
use model::project::{Project, ProjectKey, Settings};
use model::receiver::Receiver;
use model::{Id, Rules, Time};
use sdk::Registry;
use sdk::http::{Guard, Http};
use serde_json::Value;
use store::{Durability, Store, Tx};
use tracker::{Door, Intake, Limits};

pub async fn hub(store: &Store, clock: Arc<dyn Clock>) -> Hub {
    let rules = Rules::simple(Receiver { name: "ops".into(), destinations: Vec::new() });
    let live = Live::new(rules, Vec::new(), &Registry::default()).unwrap();
    Hub::start(store.clone(), live, Http::new(Guard::default()).unwrap(), clock, Retention::default())
        .await
        .unwrap()
}

/// A project with one key; its number.
pub async fn project(hub: &Hub, slug: String, settings: Settings) -> i64 {
    let make = move |tx: &mut Tx<'_>| {
        let id = store::projects::next_number(tx)?;
        let platform = "python".to_owned();
        let project = Project { id, slug, platform, team: None, settings, created_at: Time(0) };
        assert!(store::projects::insert(tx, &project)?);
        let (public, label) = (public_key(id), String::new());
        let key = ProjectKey {
            id: Id(id),
            project: id,
            public,
            label,
            rate: None,
            created_at: Time(0),
            revoked_at: None,
        };
        store::projects::insert_key(tx, &key)?;
        Ok(id)
    };
    let id = hub.store.write(Durability::Disk, make).await.unwrap();
    hub.know_projects().await.unwrap();
    id
}

fn public_key(project: i64) -> String {
    format!("key{project}")
}

/// An exception in a function of a program.
pub fn exception(function: &str) -> Value {
    serde_json::json!({ "values": [{ "type": "E", "stacktrace": { "frames": [
        { "module": "shop", "function": function, "in_app": true },
    ] } }] })
}

/// A program reports an error: the issue that counts it.
pub async fn reports(hub: &Hub, project: i64, event: &Value) -> Id {
    let text = event.to_string();
    let open = move || Intake::whole(Door::Store, None, "", Limits::default(), text.as_bytes());
    let key = hub.core.known_projects().key(&public_key(project)).unwrap().clone();
    match hub.report(&key, None, open).await.unwrap().event {
        Some((_, Taken::Kept { issue, .. })) => issue,
        other => panic!("{other:?}"),
    }
}
