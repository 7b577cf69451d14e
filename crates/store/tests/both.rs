//! What the store promises, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use std::sync::Arc;

use model::delivery::{Attempt, Delivery, DeliveryState, Health, Outcome};
use model::event::{Event, NewEvent};
use model::group::{Group, Told};
use model::incident::{Change, ChangeKind, Incident};
use model::notification::Reason;
use model::{Id, Labels, Notification, Silence, Time};
use store::deliveries::Tried;
use store::events::{Judged, Texts};
use store::groups::{GroupRow, MemberChange};
use store::ledger::Line;
use store::{Durability, Store, StoreError};
use support::on_both;

fn at(second: i64) -> Time {
    Time::from_seconds(1_790_000_000 + second)
}

fn event(id: i64, name: &str) -> Event {
    let labels: Labels = [("alertname", name), ("ünï", "çødé \"'\\ \u{1F514}")].into_iter().collect();
    Event::arrive(NewEvent::raise("test", labels), Id(id), at(id))
}

fn judged(id: i64, verdict: &str) -> Judged {
    Judged {
        event: event(id, "Disk"),
        incident: (verdict == "opened").then_some(Id(id)),
        verdict: verdict.into(),
    }
}

fn texts(judged: Vec<Judged>) -> Vec<(Judged, Arc<Texts>)> {
    let texts = |it: &Judged| Arc::new(Texts::of(&it.event.labels, &it.event.annotations));
    judged.into_iter().map(|it| (it.clone(), texts(&it))).collect()
}

fn keep_events(tx: &mut store::Tx<'_>, events: &[Judged]) -> store::Result<()> {
    store::events::insert(tx, &texts(events.to_vec()))
}

fn keep_incidents(tx: &mut store::Tx<'_>, incidents: &[&Incident]) -> store::Result<()> {
    let rows = incidents.iter().map(|it| (*it, Arc::new(Texts::of(&it.labels, &it.annotations))));
    store::incidents::insert(tx, &rows.collect::<Vec<_>>())
}

fn delivery(id: i64, destination: &str, lane: i64) -> (Delivery, Notification) {
    let delivery = Delivery {
        id: Id(id),
        group: None,
        receiver: "ops".into(),
        destination: destination.into(),
        lane,
        reason: Reason::First,
        state: DeliveryState::Pending,
        attempts: 0,
        created_at: at(id),
        due_at: at(id),
        settled_at: None,
        note: String::new(),
    };
    let says = Notification {
        idempotency_key: format!("nb-{id}"),
        reason: Reason::First,
        receiver: "ops".into(),
        route: "{}".into(),
        group_key: format!("{{}}:{{lane=\"{lane}\"}}"),
        group_labels: Labels::new(),
        common_labels: Labels::new(),
        common_annotations: Labels::new(),
        external_url: String::new(),
        alerts: Vec::new(),
        truncated: 0,
        storm: None,
        at: at(id),
    };
    (delivery, says)
}

async fn insert_deliveries(store: &Store, all: Vec<(Delivery, Notification)>) {
    store.write(Durability::Disk, move |tx| store::deliveries::insert(tx, &all)).await.unwrap();
}

async fn claim(store: &Store, destination: &'static str, now: Time, limit: i64) -> Vec<i64> {
    let claim = move |tx: &mut store::Tx<'_>| {
        store::deliveries::claim(tx, destination, now, now + std::time::Duration::from_secs(60), limit)
    };
    let found = store.write(Durability::Lazy, claim).await.unwrap();
    found.into_iter().map(|(delivery, _)| delivery.id.0).collect()
}

#[test]
fn events_come_back_as_they_were_and_wait_until_judged() {
    on_both(async |store: Store| {
        let events = vec![judged(1, "opened"), judged(2, ""), judged(3, "repeated")];
        let kept = events.clone();
        store.write(Durability::Disk, move |tx| keep_events(tx, &kept)).await.unwrap();
        let found = store.read(|tx| store::events::get(tx, Id(1))).await.unwrap();
        assert_eq!(found, Some(events[0].clone()));
        let waiting = store.read(|tx| store::events::waiting(tx, 10)).await.unwrap();
        assert_eq!(waiting, [events[1].event.clone()]);
        store
            .write(Durability::Disk, |tx| store::events::judge(tx, &texts(vec![judged(2, "opened")])))
            .await
            .unwrap();
        assert!(store.read(|tx| store::events::waiting(tx, 10)).await.unwrap().is_empty());
        assert_eq!(store.read(|tx| store::events::list(tx, None, Some(Id(3)), 10)).await.unwrap().len(), 2);
        assert_eq!(store.read(|tx| store::events::list(tx, Some(Id(2)), None, 10)).await.unwrap().len(), 1);
        assert_eq!(store.read(store::events::last_id).await.unwrap(), Some(Id(3)));
    });
}

#[test]
fn a_failed_function_leaves_nothing_and_harms_no_neighbour() {
    on_both(async |store: Store| {
        let good = store.write(Durability::Disk, |tx| keep_events(tx, &[judged(1, "opened")]));
        let bad = store.write(Durability::Disk, |tx| {
            keep_events(tx, &[judged(2, "opened")])?;
            Err::<(), _>(StoreError::Refused("changed my mind".into()))
        });
        let panics = store.write::<(), _>(Durability::Disk, |tx| {
            keep_events(tx, &[judged(3, "opened")])?;
            panic!("on purpose")
        });
        let twice = store.write(Durability::Disk, |tx| keep_events(tx, &[judged(4, ""), judged(4, "")]));
        let (good, bad, panics, twice) = futures::join!(good, bad, panics, twice);
        assert!(good.is_ok() && bad.is_err() && panics.is_err() && twice.is_err());
        let all = store.read(|tx| store::events::list(tx, None, None, 10)).await.unwrap();
        assert_eq!(all.iter().map(|it| it.event.id.0).collect::<Vec<_>>(), [1]);
        store.write(Durability::Disk, |tx| keep_events(tx, &[judged(5, "opened")])).await.unwrap();
    });
}

#[test]
fn incidents_are_found_by_key_while_they_live_and_when_due() {
    on_both(async |store: Store| {
        let (mut incident, _) = Incident::open(&event(7, "Disk"));
        incident.ends_at = Some(at(100));
        let (kept, key) = (incident.clone(), incident.key.clone());
        store.write(Durability::Disk, move |tx| keep_incidents(tx, &[&kept])).await.unwrap();
        let find = move |tx: &mut store::Tx<'_>| store::incidents::live_by_keys(tx, &["nothing", &key]);
        assert_eq!(store.read(find.clone()).await.unwrap(), [(1, Ok(incident.clone()))]);
        assert_eq!(store.read(|tx| store::incidents::due(tx, at(99), 10)).await.unwrap(), []);
        assert_eq!(
            store.read(|tx| store::incidents::due(tx, at(100), 10)).await.unwrap(),
            [Ok(incident.clone())]
        );
        assert_eq!(store.read(store::incidents::next_due).await.unwrap(), Some(at(100)));
        let policy = model::incident::Policy {
            reopen_within: std::time::Duration::ZERO,
            flapping: Default::default(),
        };
        let (over, _) = incident.apply(&model::incident::Input::Deadline, &policy, at(101));
        store.write(Durability::Disk, move |tx| store::incidents::update(tx, &[&over])).await.unwrap();
        assert_eq!(store.read(find).await.unwrap(), []);
        assert_eq!(store.read(store::incidents::count_active).await.unwrap(), (0, 0));
        let which = store::incidents::Which::Resolved;
        let page =
            store.read(move |tx| store::incidents::page(tx, which, None, 10, 100, |_| true)).await.unwrap();
        assert_eq!((page.0.len(), page.1), (1, None));
    });
}

#[test]
fn a_page_stops_after_its_scan_and_says_where_to_go_on() {
    on_both(async |store: Store| {
        let all: Vec<Incident> = (1..=30).map(|id| Incident::open(&event(id, "Disk")).0).collect();
        store
            .write(Durability::Disk, move |tx| keep_incidents(tx, &all.iter().collect::<Vec<_>>()))
            .await
            .unwrap();
        let which = store::incidents::Which::Active;
        let none =
            store.read(move |tx| store::incidents::page(tx, which, None, 5, 10, |_| false)).await.unwrap();
        assert_eq!(none, (vec![], Some(Id(21))));
        let some = store
            .read(move |tx| store::incidents::page(tx, which, Some(Id(21)), 5, 100, |_| true))
            .await
            .unwrap();
        assert_eq!(some.0.iter().map(|it| it.id.0).collect::<Vec<_>>(), [20, 19, 18, 17, 16]);
        assert_eq!(some.1, Some(Id(16)));
    });
}

#[test]
fn groups_keep_their_members_and_their_clock() {
    on_both(async |store: Store| {
        let (incident, _) = Incident::open(&event(7, "Disk"));
        let group = GroupRow {
            id: Id(50),
            route: "{}".into(),
            receiver: "ops".into(),
            group_key: "{}:{}".into(),
            labels: Labels::new(),
            clock: Group::default(),
            due_at: Some(at(30)),
        };
        let kept = (incident.clone(), group.clone());
        store
            .write(Durability::Disk, move |tx| {
                keep_incidents(tx, &[&kept.0])?;
                store::groups::insert(tx, [&kept.1])?;
                store::groups::join(tx, &[(Id(50), Id(7))])?;
                store::groups::join(tx, &[(Id(50), Id(7))])?;
                store::groups::ring(tx, &[(Id(50), at(40))])
            })
            .await
            .unwrap();
        assert_eq!(
            store.read(|tx| store::groups::due(tx, at(30), 5)).await.unwrap(),
            std::slice::from_ref(&group)
        );
        let found =
            store.read(|tx| store::groups::by_keys(tx, &[("db", "{}:{}"), ("ops", "{}:{}")])).await.unwrap();
        assert_eq!(found, [(1, group)]);
        let members = store.read(|tx| store::groups::members(tx, &[Id(50)])).await.unwrap();
        assert_eq!((members.len(), members[0].1.told, &members[0].1.incident), (1, Told::Nothing, &incident));
        let clock = Group { ticked_at: Some(at(30)), told_at: Some(at(30)) };
        store
            .write(Durability::Disk, move |tx| {
                let now = Some((Told::Firing, "why".to_owned()));
                store::groups::change_members(tx, &[MemberChange { group: Id(50), incident: Id(7), now }])?;
                store::groups::tick(tx, &[(Id(50), clock, None)])?;
                store::groups::remove(tx, &[Id(50)])
            })
            .await
            .unwrap();
        assert_eq!(store.read(store::groups::next_due).await.unwrap(), None);
        let mine = store.read(|tx| store::groups::of_incidents(tx, &[Id(7)])).await.unwrap();
        assert_eq!(mine[0].1.clock, clock, "a group with members is not removed");
        store
            .write(Durability::Disk, |tx| {
                store::groups::change_members(
                    tx,
                    &[MemberChange { group: Id(50), incident: Id(7), now: None }],
                )?;
                store::groups::remove(tx, &[Id(50)])
            })
            .await
            .unwrap();
        assert!(store.read(|tx| store::groups::after(tx, Id(0), 5)).await.unwrap().is_empty());
    });
}

#[test]
fn a_claim_takes_the_first_of_each_lane_and_leases_it() {
    on_both(async |store: Store| {
        let all =
            vec![delivery(1, "a", 10), delivery(2, "a", 10), delivery(3, "a", 20), delivery(4, "b", 30)];
        insert_deliveries(&store, all).await;
        assert_eq!(claim(&store, "a", at(0), 10).await, Vec::<i64>::new(), "nothing is due yet");
        assert_eq!(claim(&store, "a", at(5), 10).await, [1, 3]);
        assert_eq!(claim(&store, "a", at(6), 10).await, Vec::<i64>::new(), "leased, and the lane is busy");
        assert_eq!(claim(&store, "a", at(66), 10).await, [1, 3], "a lease ends by itself");
        let waiting = store.read(store::deliveries::destinations_waiting).await.unwrap();
        assert_eq!(waiting, ["a", "b"]);
        let back = |lease: Time| {
            let back = [(Id(1), lease)];
            store.write(Durability::Lazy, move |tx| store::deliveries::give_back(tx, &back, at(66)))
        };
        back(at(65)).await.unwrap();
        assert_eq!(claim(&store, "a", at(66), 10).await, Vec::<i64>::new(), "that lease had ended");
        back(at(126)).await.unwrap();
        assert_eq!(claim(&store, "a", at(66), 10).await, [1]);
        store.write(Durability::Disk, |tx| store::deliveries::end_leases(tx, at(67))).await.unwrap();
        assert_eq!(claim(&store, "a", at(67), 10).await, [1, 3]);
    });
}

#[test]
fn destinations_do_not_wait_for_each_other_whatever_their_lanes() {
    on_both(async |store: Store| {
        insert_deliveries(&store, vec![delivery(1, "a", 10), delivery(2, "b", 10)]).await;
        assert_eq!(claim(&store, "b", at(5), 10).await, [2]);
    });
}

#[test]
fn what_was_pending_before_lanes_were_numbered_otherwise_is_still_first() {
    on_both(async |store: Store| {
        insert_deliveries(&store, vec![delivery(1, "a", 10), delivery(2, "b", 10), delivery(3, "a", 20)])
            .await;
        let unreadable = "UPDATE messages SET body = 'what is this' WHERE delivery_id = 2";
        let number = move |tx: &mut store::Tx<'_>| {
            tx.execute(unreadable, &[])?;
            store::deliveries::number_lanes(tx)
        };
        store.write(Durability::Disk, number).await.unwrap();
        let of_thread = |id: i64, destination: &str, thread: i64| {
            let (before, says) = delivery(id, destination, thread);
            (Delivery { lane: store::deliveries::lane(&says.group_key, destination), ..before }, says)
        };
        insert_deliveries(&store, vec![of_thread(4, "a", 10), of_thread(5, "a", 30)]).await;
        assert_eq!(claim(&store, "a", at(9), 10).await, [1, 3, 5], "4 comes after 1");
    });
}

#[test]
fn lanes_of_one_thread_lie_beside_each_other_and_are_not_the_same() {
    let names: Vec<String> = (0..200).map(|n| format!("all/webhook/{n}")).collect();
    let lanes = |thread: &str| -> Vec<i64> {
        let mut lanes: Vec<i64> = names.iter().map(|name| store::deliveries::lane(thread, name)).collect();
        lanes.sort_unstable();
        lanes.dedup();
        assert_eq!(lanes.len(), names.len());
        lanes
    };
    let (one, other) = (lanes("{}:{alertname=\"Disk1\"}"), lanes("{}:{alertname=\"Disk2\"}"));
    let apart = |lanes: &[i64]| lanes[lanes.len() - 1] - lanes[0] < 1 << 24;
    assert!(apart(&one) && apart(&other));
    assert!(one[199] < other[0] || other[199] < one[0]);
}

#[test]
fn many_claimers_never_take_the_same_delivery() {
    on_both(async |store: Store| {
        insert_deliveries(&store, (1..=200).map(|id| delivery(id, "a", id)).collect()).await;
        let claims = (0..20).map(|_| claim(&store, "a", at(1000), 10));
        let mut taken: Vec<i64> = futures::future::join_all(claims).await.into_iter().flatten().collect();
        taken.sort_unstable();
        let before = taken.len();
        taken.dedup();
        assert_eq!(before, taken.len(), "one was taken twice");
        assert_eq!(taken.len(), 200);
    });
}

#[test]
fn answers_are_recorded_once_and_a_settled_delivery_stays_settled() {
    on_both(async |store: Store| {
        insert_deliveries(&store, vec![delivery(1, "a", 10), delivery(2, "a", 10)]).await;
        let attempt = Attempt {
            delivery: Id(1),
            number: 1,
            at: at(5),
            latency_micros: 1234,
            outcome: Outcome::Delivered { receipt: "r1".into() },
            status: Some(200),
            answer: "ok".into(),
        };
        let mut done = delivery(1, "a", 10).0;
        (done.state, done.attempts, done.settled_at) = (DeliveryState::Delivered, 1, Some(at(5)));
        let tried = Tried { delivery: done.clone(), attempt: attempt.clone(), lease_until: Time(0) };
        let again = tried.clone();
        store.write(Durability::Disk, move |tx| store::deliveries::record(tx, &[tried])).await.unwrap();
        store.write(Durability::Disk, move |tx| store::deliveries::record(tx, &[again])).await.unwrap();
        assert_eq!(store.read(|tx| store::deliveries::attempts(tx, Id(1))).await.unwrap(), [attempt]);
        assert_eq!(store.read(|tx| store::deliveries::get(tx, Id(1))).await.unwrap(), Some(done));
        assert!(
            !store.write(Durability::Disk, |tx| store::deliveries::revive(tx, Id(1), at(9))).await.unwrap()
        );
        assert_eq!(claim(&store, "a", at(9), 10).await, [2], "its lane is free");
        assert!(
            store
                .write(Durability::Disk, |tx| store::deliveries::bury(tx, Id(2), "no", at(9)))
                .await
                .unwrap()
        );
        assert_eq!(store.read(store::deliveries::backlog).await.unwrap(), (0, 0, None));
        assert!(
            store.write(Durability::Disk, |tx| store::deliveries::revive(tx, Id(2), at(9))).await.unwrap()
        );
        assert_eq!(store.read(store::deliveries::backlog).await.unwrap().0, 1);
        let page =
            |state| move |tx: &mut store::Tx<'_>| store::deliveries::page(tx, state, Some("a"), None, 10);
        assert_eq!(store.read(page(Some(DeliveryState::Delivered))).await.unwrap().len(), 1);
        assert_eq!(store.read(page(None)).await.unwrap().len(), 2);
        let busy =
            |tx: &mut store::Tx<'_>| store::deliveries::lines_busy(tx, &[(99, "a"), (10, "a"), (10, "b")]);
        assert_eq!(store.read(busy).await.unwrap(), [1]);
    });
}

#[test]
fn silences_change_their_version_and_rules_keep_theirs() {
    on_both(async |store: Store| {
        let silence = Silence {
            id: "2c6e1a30-0000-4000-8000-000000000000".into(),
            matchers: model::matcher::Matchers(model::matcher::parse_list(r#"a="b",c=~"d|e""#).unwrap()),
            starts_at: at(0),
            ends_at: at(10),
            recurrence: None,
            created_by: "ann".into(),
            comment: "works".into(),
            updated_at: at(0),
        };
        let before = store.read(store::silences::current_version).await.unwrap();
        let kept = silence.clone();
        store.write(Durability::Disk, move |tx| store::silences::put(tx, &kept)).await.unwrap();
        assert!(store.read(store::silences::current_version).await.unwrap() > before);
        assert_eq!(store.read(|tx| store::silences::ending_after(tx, at(9))).await.unwrap(), [silence]);
        assert_eq!(store.read(|tx| store::silences::ending_after(tx, at(10))).await.unwrap(), []);
        let keep = |text: &'static str| {
            store.write(Durability::Disk, move |tx| store::rules::keep(tx, text, &Default::default(), at(0)))
        };
        assert_eq!(keep("one").await.unwrap(), (1, true));
        assert_eq!(keep("one").await.unwrap(), (1, false));
        assert_eq!(keep("two").await.unwrap(), (2, true));
        assert_eq!(store.read(|tx| store::rules::get(tx, 1)).await.unwrap().as_deref(), Some("one"));
    });
}

#[test]
fn small_things_come_back_as_they_were() {
    on_both(async |store: Store| {
        let token = store::tokens::Token {
            user: None,
            id: Id(3),
            name: "ci".into(),
            scopes: "read ingest".into(),
            created_at: at(0),
            expires_at: Some(at(10)),
            revoked_at: None,
        };
        let kept = token.clone();
        let health = Health { faults: 3, last_fault: "500".into(), ..Health::default() };
        let remembered = health.clone();
        store
            .write(Durability::Disk, move |tx| {
                store::tokens::insert(tx, &kept, "hash")?;
                store::deliveries::set_health(tx, "a", &Health::default())?;
                store::deliveries::set_health(tx, "a", &remembered)?;
                for id in [Id(8), Id(9)] {
                    store::inbox::keep(tx, id, "ops/inbox/0", "nb-1", at(1), r#"{"title":"x"}"#)?;
                }
                let answered = store::requests::Answered { body_hash: "h".into(), answer: "a".into() };
                store::requests::put(tx, "key", &answered, at(1))?;
                let beat = store::heartbeats::Heartbeat {
                    name: "cron".into(),
                    last_at: None,
                    due_at: at(9),
                    overdue: false,
                };
                store::heartbeats::put(tx, &beat)
            })
            .await
            .unwrap();
        assert_eq!(store.read(|tx| store::tokens::by_hash(tx, "hash")).await.unwrap(), Some(token));
        assert_eq!(store.read(store::deliveries::healths).await.unwrap(), [("a".to_owned(), health)]);
        assert_eq!(store.read(|tx| store::inbox::page(tx, None, None, 10)).await.unwrap().len(), 1);
        assert_eq!(store.read(|tx| store::inbox::page(tx, Some("x"), None, 10)).await.unwrap().len(), 0);
        assert_eq!(store.read(|tx| store::requests::get(tx, "key")).await.unwrap().unwrap().answer, "a");
        assert_eq!(store.read(store::heartbeats::all).await.unwrap()[0].due_at, at(9));
        assert!(store.write(Durability::Disk, |tx| store::tokens::revoke(tx, Id(3), at(2))).await.unwrap());
        assert!(!store.write(Durability::Disk, |tx| store::tokens::revoke(tx, Id(3), at(2))).await.unwrap());
    });
}

#[test]
fn what_is_over_and_old_is_swept_with_all_that_belongs_to_it() {
    on_both(async |store: Store| {
        let (open, _) = Incident::open(&event(1, "Open"));
        let (old, _) = Incident::open(&event(2, "Old"));
        let policy = model::incident::Policy {
            reopen_within: std::time::Duration::ZERO,
            flapping: Default::default(),
        };
        let (old, _) =
            old.apply(&model::incident::Input::Resolve { by: "", note: "", end: None }, &policy, at(10));
        store
            .write(Durability::Disk, move |tx| {
                keep_incidents(tx, &[&open, &old])?;
                keep_events(tx, &[judged(1, "opened"), judged(2, "opened"), judged(3, "repeated")])?;
                let change = Change { kind: ChangeKind::Opened, by: String::new(), detail: String::new() };
                store::ledger::write(
                    tx,
                    &[Line { id: Id(4), incident: Id(2), at: at(2), change, rules: 1 }],
                )?;
                store::deliveries::insert(tx, &[delivery(5, "a", 1)])?;
                store::ledger::tell(tx, &[(Id(2), Id(5))])
            })
            .await
            .unwrap();
        let keep = store::retention::Keep {
            resolved_since: at(100),
            repeats_since: at(0),
            audit_since: at(0),
            most_incidents: 0,
            most_bytes: 0,
            configurations: 1,
        };
        let sweep = || store.write(Durability::Disk, move |tx| store::retention::sweep(tx, &keep, 10));
        assert_eq!(sweep().await.unwrap(), 0, "a pending delivery tells of it");
        store.write(Durability::Disk, |tx| store::deliveries::bury(tx, Id(5), "", at(11))).await.unwrap();
        assert!(sweep().await.unwrap() > 0);
        assert_eq!(store.read(|tx| store::incidents::get(tx, Id(2))).await.unwrap(), None);
        assert!(store.read(|tx| store::incidents::get(tx, Id(1))).await.unwrap().is_some());
        assert!(store.read(|tx| store::ledger::timeline(tx, Id(2), 10)).await.unwrap().is_empty());
        assert_eq!(store.read(|tx| store::deliveries::get(tx, Id(5))).await.unwrap(), None);
        assert_eq!(sweep().await.unwrap(), 0);
    });
}

#[test]
fn a_database_over_its_size_forgets_the_oldest_and_gives_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_folder(folder.path(), false).unwrap();
    let policy =
        model::incident::Policy { reopen_within: std::time::Duration::ZERO, flapping: Default::default() };
    for step in 0..20 {
        store
            .write_blocking(move |tx| {
                let over = (1..=500).map(|n| {
                    let mut it = Incident::open(&event(step * 500 + n, "Disk")).0;
                    it.annotations.set("description", "x".repeat(2000));
                    it.apply(&model::incident::Input::Resolve { by: "", note: "", end: None }, &policy, at(0))
                        .0
                });
                let over: Vec<Incident> = over.collect();
                keep_incidents(tx, &over.iter().collect::<Vec<_>>())
            })
            .unwrap();
    }
    let size = || {
        store.read_blocking(|tx| tx.query_one("PRAGMA page_count", &[], |row| row.int(0))).unwrap().unwrap()
    };
    let before = size();
    let keep = store::retention::Keep {
        resolved_since: Time::MIN,
        repeats_since: Time::MIN,
        audit_since: Time::MIN,
        most_incidents: 0,
        most_bytes: 10 * 1024 * 1024,
        configurations: 1,
    };
    while store.write_blocking(move |tx| store::retention::sweep(tx, &keep, 200)).unwrap() > 0 {}
    while store.write_blocking(store::retention::shrink).unwrap() > 0 {}
    assert!(size() < before * 3 / 4, "{before} pages before, {} after", size());
    let left = store
        .read_blocking(|tx| store::incidents::page(tx, store::incidents::Which::All, None, 1, 1, |_| true));
    assert_eq!(left.unwrap().0[0].id, Id(10_000), "the newest stays");
}

#[test]
fn a_second_process_is_kept_out_and_a_newer_database_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_folder(folder.path(), true).unwrap();
    let Err(refused) = Store::open_folder(folder.path(), true) else { panic!("two at once") };
    assert!(refused.to_string().contains("in use by another nightbell"), "{refused}");
    assert_eq!(store.node(), 1);
    store.close();
    let again = Store::open_folder(folder.path(), true).unwrap();
    assert_eq!(again.node(), 2);
    again.close();
    let raw = rusqlite::Connection::open(folder.path().join("nightbell.db")).unwrap();
    raw.execute_batch("INSERT INTO schema_migrations (version) VALUES (999)").unwrap();
    drop(raw);
    let Err(refused) = Store::open_folder(folder.path(), true) else { panic!("a newer schema was opened") };
    assert!(refused.to_string().contains("run a newer one"), "{refused}");
}
