//! Tests: every listing uses an index, however long the past is. SQLite's plans do not depend on what is in
//! the tables, so that empty ones say it as well as full ones.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

use std::cell::RefCell;

use model::delivery::DeliveryState;
use model::{Id, Time};

use crate::incidents::Which;
use crate::retention::Keep;
use crate::{Result, Store, Tx};

thread_local! {
    static STATEMENTS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Notes a statement of this thread.
pub(crate) fn note(sql: &str) {
    STATEMENTS.with_borrow_mut(|all| all.push(sql.to_owned()));
}

/// Tables that have a row a thing of the configuration, or a few.
const SMALL: [&str; 9] = [
    "health",
    "heartbeats",
    "tokens",
    "versions",
    "rules",
    "nodes",
    "subscribers",
    "sources",
    "source_kinds",
];

/// The statements that a function runs, with the steps of their plans.
fn plans<T>(tx: &mut Tx<'_>, run: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Vec<(String, String)> {
    STATEMENTS.take();
    run(tx).unwrap();
    let mut all = Vec::new();
    for sql in STATEMENTS.take() {
        let steps = tx.query(&format!("EXPLAIN QUERY PLAN {sql}"), &[], |row| row.string(3)).unwrap();
        all.extend(steps.into_iter().map(|step| (sql.clone(), step)));
    }
    all
}

fn steps<T>(tx: &mut Tx<'_>, run: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Vec<String> {
    plans(tx, run).into_iter().map(|(_, step)| step).collect()
}

/// The steps that go through a whole table, or sort what they found.
fn slow_steps<T>(tx: &mut Tx<'_>, run: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Vec<String> {
    let is_slow = |step: &String, sql: &str| {
        let mut words = step.split(' ');
        match (words.next(), words.next()) {
            (Some("SCAN"), Some(table)) => {
                let by_id = sql.contains(&format!("FROM {table} ORDER BY id LIMIT"));
                let made_here = ["oldest", "step", "CONSTANT", "counted"].contains(&table);
                !step.contains(" USING ") && !by_id && !made_here && !SMALL.contains(&table)
            }
            _ => step.contains("TEMP B-TREE FOR ORDER BY"),
        }
    };
    let plans = plans(tx, run);
    assert!(!plans.is_empty(), "nothing was run");
    plans
        .into_iter()
        .filter(|(sql, step)| is_slow(step, sql))
        .map(|(sql, step)| format!("{step}: {sql}"))
        .collect()
}

fn on_empty(test: impl FnOnce(&mut Tx<'_>) -> Result<()> + Send + 'static) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_folder(folder.path(), false).unwrap();
    // plans are made on the thread that runs the test
    store.read_blocking(test).unwrap();
}

#[test]
fn every_list_of_deliveries_goes_by_the_index_of_its_filter() {
    on_empty(|tx| {
        let ways = [
            (None, None, "PRIMARY KEY"),
            // what most are in: the newest are found at once
            (Some(DeliveryState::Delivered), None, "PRIMARY KEY"),
            (Some(DeliveryState::Pending), None, "deliveries_pending"),
            (Some(DeliveryState::Dead), None, "deliveries_dead"),
            (Some(DeliveryState::Buried), None, "deliveries_buried"),
            (Some(DeliveryState::Delivered), Some("x"), "deliveries_settled"),
            (Some(DeliveryState::Dead), Some("x"), "deliveries_dead"),
            (Some(DeliveryState::Buried), Some("x"), "deliveries_buried"),
        ];
        for (state, destination, index) in ways {
            for before in [None, Some(Id(7))] {
                let plan = steps(tx, |tx| crate::deliveries::page(tx, state, destination, before, 50));
                let [step] = &plan[..] else { panic!("{state:?} {destination:?}: {plan:?}") };
                assert!(step.contains(index), "{state:?} {destination:?}: {step}");
            }
        }
        // what is pending for a destination is picked without a look at its rows
        let (pending, settled) = ("COVERING INDEX deliveries_due", "INDEX deliveries_settled");
        for (state, indexes) in
            [(Some(DeliveryState::Pending), vec![pending]), (None, vec![pending, settled])]
        {
            let plan = steps(tx, |tx| crate::deliveries::page(tx, state, Some("x"), None, 50));
            let by_index: Vec<_> = plan.iter().filter(|step| step.contains(" INDEX ")).collect();
            assert!(plan.iter().all(|step| !step.starts_with("SCAN")), "{state:?}: {plan:?}");
            let as_said = by_index.iter().zip(&indexes).all(|(step, index)| step.contains(index));
            assert!(by_index.len() == indexes.len() && as_said, "{state:?}: {plan:?}");
        }
        Ok(())
    });
}

#[test]
fn every_list_of_incidents_goes_by_the_index_of_its_filter() {
    on_empty(|tx| {
        let ways = [
            (Which::Active, "incidents_active"),
            // what most are: the newest are found at once
            (Which::Resolved, "PRIMARY KEY"),
            (Which::Flapping, "incidents_flapping"),
            (Which::All, "PRIMARY KEY"),
        ];
        for (which, index) in ways {
            let plan = steps(tx, |tx| crate::incidents::page(tx, which, None, 50, 500, |_| true));
            assert!(plan.len() == 1 && plan[0].contains(index), "{which:?}: {plan:?}");
        }
        Ok(())
    });
}

#[test]
fn counts_are_lengths_of_indexes() {
    on_empty(|tx| {
        let plan = steps(tx, crate::incidents::count_active);
        assert!(plan.len() == 1 && plan[0].contains("COVERING INDEX incidents_active"), "{plan:?}");
        let plan = steps(tx, crate::deliveries::backlog);
        assert!(plan[0].contains("COVERING INDEX deliveries_"), "{plan:?}");
        assert!(plan[1].contains("COVERING INDEX deliveries_dead"), "{plan:?}");
        assert!(plan[2].contains("INDEX deliveries_pending"), "{plan:?}");
        let plan = steps(tx, crate::groups::counts);
        let has = |index: &str| plan.iter().any(|step| step.contains(index));
        assert!(has("groups USING COVERING INDEX") && has("members USING INDEX members_held"), "{plan:?}");
        Ok(())
    });
}

#[test]
fn nothing_that_is_read_or_swept_goes_through_a_whole_table() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_folder(folder.path(), false).unwrap();
    let sweep = |tx: &mut Tx<'_>| {
        let (resolved_since, repeats_since, audit_since) = (Time(9), Time(9), Time(9));
        let keep = Keep {
            resolved_since,
            repeats_since,
            audit_since,
            most_incidents: 9,
            most_bytes: 9,
            configurations: 9,
        };
        crate::retention::sweep(tx, &keep, 10)
    };
    let all = store.write_blocking(move |tx| {
        let mut all = slow_steps(tx, sweep);
        all.extend(slow_steps(tx, |tx| crate::deliveries::claim(tx, "x", Time(1), Time(2), 10)));
        all.extend(slow_steps(tx, |tx| crate::deliveries::end_leases(tx, Time(1))));
        all.extend(slow_steps(tx, |tx| crate::notices::drop_until(tx, "x", Id(1))));
        all.extend(slow_steps(tx, |tx| crate::notices::sweep(tx, Time(9), 10)));
        Ok(all)
    });
    let mut slow = all.unwrap();
    let read = store.read_blocking(|tx| {
        let mut all = slow_steps(tx, |tx| crate::events::list(tx, None, None, 50));
        all.extend(slow_steps(tx, |tx| crate::events::list(tx, Some(Id(1)), None, 50)));
        all.extend(slow_steps(tx, |tx| crate::events::waiting(tx, 50)));
        all.extend(slow_steps(tx, crate::events::last_id));
        all.extend(slow_steps(tx, |tx| crate::inbox::page(tx, None, None, 50)));
        all.extend(slow_steps(tx, |tx| crate::inbox::page(tx, Some("x"), None, 50)));
        all.extend(slow_steps(tx, |tx| crate::silences::ending_after(tx, Time(1))));
        all.extend(slow_steps(tx, |tx| crate::ledger::timeline(tx, Id(1), 50)));
        all.extend(slow_steps(tx, |tx| crate::ledger::deliveries_of(tx, Id(1), 50)));
        all.extend(slow_steps(tx, |tx| crate::deliveries::attempts(tx, Id(1))));
        all.extend(slow_steps(tx, |tx| crate::deliveries::next_due(tx, "x")));
        all.extend(slow_steps(tx, |tx| crate::deliveries::lines_busy(tx, &[(1, "x")])));
        all.extend(slow_steps(tx, crate::deliveries::destinations_waiting));
        all.extend(slow_steps(tx, crate::deliveries::last_id));
        all.extend(slow_steps(tx, |tx| crate::notices::is_waiting(tx, "x")));
        all.extend(slow_steps(tx, |tx| crate::notices::backlog(tx, "x")));
        all.extend(slow_steps(tx, |tx| crate::notices::last_id(tx, "x")));
        all.extend(slow_steps(tx, |tx| crate::notices::excess(tx, "x", 10, 10)));
        all.extend(slow_steps(tx, |tx| crate::incidents::due(tx, Time(1), 50)));
        all.extend(slow_steps(tx, crate::incidents::next_due));
        all.extend(slow_steps(tx, |tx| crate::escalations::due(tx, Time(1), 50)));
        all.extend(slow_steps(tx, |tx| crate::escalations::of(tx, &[Id(1)])));
        all.extend(slow_steps(tx, crate::escalations::next_due));
        all.extend(slow_steps(tx, crate::digests::next_due));
        all.extend(slow_steps(tx, |tx| crate::digests::of_incident(tx, Id(1))));
        all.extend(slow_steps(tx, crate::maintained::next_due));
        all.extend(slow_steps(tx, |tx| crate::past::incident(tx, Id(1), Time(1))));
        all.extend(slow_steps(tx, |tx| crate::incidents::live_by_keys(tx, &["x"])));
        all.extend(slow_steps(tx, |tx| crate::incidents::active_after(tx, Id(1), 50)));
        all.extend(slow_steps(tx, |tx| crate::groups::due(tx, Time(1), 50)));
        all.extend(slow_steps(tx, crate::groups::next_due));
        all.extend(slow_steps(tx, |tx| crate::groups::after(tx, Id(1), 50)));
        all.extend(slow_steps(tx, |tx| crate::groups::by_keys(tx, &[("x", "y")])));
        all.extend(slow_steps(tx, |tx| crate::groups::of_incidents(tx, &[Id(1)])));
        all.extend(slow_steps(tx, |tx| crate::groups::members(tx, &[Id(1)])));
        all.extend(slow_steps(tx, |tx| crate::groups::count_members(tx, Id(1), 50)));
        all.extend(slow_steps(tx, |tx| crate::storms::due(tx, Time(0), 50)));
        all.extend(slow_steps(tx, |tx| crate::storms::held(tx, "x", 50)));
        Ok(all)
    });
    slow.extend(read.unwrap());
    assert!(slow.is_empty(), "{slow:#?}");
}

#[test]
fn accounts_are_looked_up_without_going_through_all_of_them() {
    on_empty(|tx| {
        let mut all = Vec::new();
        all.extend(slow_steps(tx, |tx| crate::users::named(tx, "x")));
        all.extend(slow_steps(tx, |tx| crate::users::page(tx, None, 50)));
        all.extend(slow_steps(tx, |tx| crate::users::by_identity(tx, "x", "y")));
        all.extend(slow_steps(tx, |tx| crate::teams::page(tx, None, 50)));
        all.extend(slow_steps(tx, |tx| crate::teams::members(tx, Id(1))));
        all.extend(slow_steps(tx, |tx| crate::teams::of_user(tx, Id(1))));
        all.extend(slow_steps(tx, |tx| crate::sessions::by_hash(tx, "x")));
        all.extend(slow_steps(tx, |tx| crate::sessions::of_user(tx, Id(1))));
        all.extend(slow_steps(tx, |tx| crate::tokens::of_user(tx, Id(1))));
        all.extend(slow_steps(tx, |tx| crate::audit::page(tx, None, 50, 500, |_| true)));
        assert!(all.is_empty(), "{all:#?}");
        Ok(())
    });
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_folder(folder.path(), false).unwrap();
    let slow = store.write_blocking(|tx| {
        let mut all = slow_steps(tx, |tx| crate::sessions::end_all(tx, Id(1), None));
        all.extend(slow_steps(tx, |tx| crate::teams::delete(tx, Id(1), Time(0))));
        Ok(all)
    });
    assert_eq!(slow.unwrap(), [""; 0]);
}

#[test]
fn a_database_of_an_earlier_version_gets_the_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_folder(folder.path(), false).unwrap();
    let back = store.write_blocking(|tx| {
        // tables that came later take their indexes with them
        let begin = [include_str!("../migrations/0001_spine.sql"), include_str!("../migrations/0002_ends.sql")];
        let is_old = |name: &str| begin.iter().any(|sql| sql.contains(&format!("CREATE TABLE {name} (")));
        let made = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' \
                    AND name <> 'schema_migrations'";
        for name in tx.query(made, &[], |row| row.string(0))?.iter().filter(|name| !is_old(name)) {
            tx.script(&format!("DROP TABLE {name}"))?;
        }
        let made = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql LIKE '%of_destination%'";
        for name in tx.query(made, &[], |row| row.string(0))? {
            tx.script(&format!("DROP INDEX {name}"))?;
        }
        let rest = "DROP INDEX incidents_active; CREATE INDEX incidents_active ON incidents (id) WHERE state < 2; \
                      DROP INDEX deliveries_pending; DROP INDEX deliveries_buried; \
                      ALTER TABLE rules DROP COLUMN config; ALTER TABLE rules DROP COLUMN by_whom; \
                      ALTER TABLE rules DROP COLUMN summary; ALTER TABLE rules DROP COLUMN rolled_back_to; \
                      DROP INDEX incidents_flapping; ALTER TABLE incidents DROP COLUMN flap; \
                      ALTER TABLE incidents DROP COLUMN flapping; \
                      DROP INDEX deliveries_tests; DROP INDEX members_held; DROP INDEX deliveries_settled; \
                      CREATE INDEX deliveries_tests ON deliveries (id) WHERE group_id IS NULL; \
                      DROP INDEX tokens_of_user; ALTER TABLE tokens DROP COLUMN user_id; \
                      DROP INDEX incidents_of_source; DROP INDEX incidents_sourced; \
                      ALTER TABLE incidents DROP COLUMN extra; ALTER TABLE incidents DROP COLUMN source_id; \
                      DELETE FROM schema_migrations WHERE version > 2;";
        tx.script(rest)
    });
    back.unwrap();
    store.close();
    let store = Store::open_folder(folder.path(), false).unwrap();
    let plan =
        store.read_blocking(|tx| Ok(steps(tx, |tx| crate::deliveries::page(tx, None, Some("x"), None, 50))));
    assert!(plan.unwrap().iter().any(|step| step.contains("deliveries_settled")));
}
