//! Whose an incident is: the teams that its escalation may page, whose project it comes from, and that look after it.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod reporting;
#[path = "../../store/tests/support/mod.rs"]
mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use flow::errors::acts::{Acted, IssueAct};
use flow::{Hub, SystemClock};
use model::account::Team;
use model::escalation::{Escalation, Stage};
use model::project::Settings;
use model::{Id, Time};
use serde_json::{Value, json};
use store::definitions::{Definition, Kind};
use store::escalations::Escalating;
use store::{Durability, Store, Tx};

const NOW: Time = Time(1_790_000_000_000_000);
const PATIENCE: Duration = Duration::from_secs(20);
const DB: Id = Id(1);
const WEB: Id = Id(2);
const NIGHT: Id = Id(3);
const ALL: Id = Id(4);

fn team(tx: &mut Tx<'_>, id: Id, name: &str) {
    let team = Team { id, name: name.to_owned(), about: String::new(), created_at: NOW };
    assert!(store::teams::insert(tx, &team).unwrap());
}

fn define(tx: &mut Tx<'_>, kind: Kind, (id, owner): (Id, Id), mut body: Value) {
    let name = format!("{kind:?} {id}");
    if kind == Kind::Policy {
        body["name"] = json!(name);
    }
    let it = Definition { id, owner, name, body, created_at: NOW, updated_at: NOW };
    assert!(store::definitions::put(tx, kind, &it).unwrap());
}

async fn goes_by(hub: &Hub, incident: Id, policy: Id) {
    let state = Escalation {
        stage: Stage::Running,
        round: 0,
        next: 0,
        due: None,
        last: 0,
        reached: 0,
        too_mild: false,
    };
    let it = Escalating { incident, policy, state, due_at: None, held: String::new() };
    hub.store.write(Durability::Disk, move |tx| store::escalations::put(tx, &it)).await.unwrap();
}

async fn teams_of(hub: &Hub, incident: Id) -> HashSet<Id> {
    let core = hub.core.clone();
    hub.store.read(move |tx| flow::whose::teams_of(&core, tx, incident)).await.unwrap()
}

#[test]
fn an_incident_is_whose_policy_pages_whose_project_it_is_and_who_looks_after_it() {
    support::on_both(async |store: Store| {
        let hub = reporting::hub(&store, Arc::new(SystemClock)).await;
        let project = reporting::project(&hub, "shop".to_owned(), Settings::default()).await;
        let issue =
            reporting::reports(&hub, project, &json!({ "exception": reporting::exception("pay") })).await;
        assert!(teams_of(&hub, issue).await.is_empty());

        let [schedule, own, names, turns, leads, circle] = [11, 12, 13, 14, 15, 16].map(Id);
        let made = hub.store.write(Durability::Disk, move |tx| {
            for (id, name) in [(DB, "DB people"), (WEB, "web"), (NIGHT, "night"), (ALL, "all")] {
                team(tx, id, name);
            }
            let layers = json!({ "schedule": { "name": "nights", "layers": [] } });
            define(tx, Kind::Schedule, (schedule, NIGHT), layers);
            let user = json!([{ "targets": [{ "kind": "user", "id": "0000000000077" }] }]);
            define(tx, Kind::Policy, (own, DB), json!({ "steps": user }));
            let steps = json!([{ "targets": [{ "kind": "team", "id": WEB }] }]);
            define(tx, Kind::Policy, (names, Id(0)), json!({ "steps": steps }));
            let steps = json!([{ "targets": [{ "kind": "schedule", "id": schedule }] }]);
            define(tx, Kind::Policy, (turns, Id(77)), json!({ "steps": steps }));
            let steps =
                json!([{ "targets": [{ "kind": "policy", "id": own }, { "kind": "policy", "id": circle }] }]);
            let fallback = json!([{ "kind": "team", "id": ALL }]);
            define(tx, Kind::Policy, (leads, Id(0)), json!({ "steps": steps, "fallback": fallback }));
            let steps = json!([{ "targets": [{ "kind": "policy", "id": leads }] }]);
            define(tx, Kind::Policy, (circle, Id(0)), json!({ "steps": steps }));
            Ok(())
        });
        made.await.unwrap();
        for (policy, teams) in [
            (own, &[DB][..]),
            (names, &[WEB]),
            (turns, &[NIGHT]),
            (leads, &[DB, ALL]),
            (circle, &[DB, ALL]),
            (store::escalations::NO_POLICY, &[]),
        ] {
            goes_by(&hub, issue, policy).await;
            assert_eq!(teams_of(&hub, issue).await, teams.iter().copied().collect(), "policy {policy}");
        }

        let assigned = hub.act_on_issue(issue, IssueAct::Assign("team:db PEOPLE".to_owned())).await.unwrap();
        assert_eq!(assigned, Acted::Done);
        assert_eq!(teams_of(&hub, issue).await, [DB].into());
        for (from, to, team) in [("DB people", "team:all", DB), ("team:db PEOPLE", "team:night", NIGHT)] {
            let handed = move |tx: &mut Tx<'_>| flow::whose::hand_over_issues(tx, from, to);
            hub.store.write(Durability::Disk, handed).await.unwrap();
            assert_eq!(teams_of(&hub, issue).await, [team].into(), "{from}");
        }
        let belongs = hub.store.write(Durability::Disk, move |tx| {
            let mut it = store::projects::named(tx, "shop")?.unwrap();
            it.team = Some(WEB);
            store::projects::update(tx, &it)
        });
        belongs.await.unwrap();
        assert_eq!(teams_of(&hub, issue).await, [NIGHT, WEB].into());
        assert!(teams_of(&hub, Id(99)).await.is_empty(), "what is not there is nobody's");
        assert!(hub.stop(PATIENCE).await);
    });
}
