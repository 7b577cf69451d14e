//! Migrations: forward only, by themselves, one text for both databases.

use crate::db::{Engine, Tx};
use crate::deliveries;
use crate::error::{Result, StoreError};

/// All migrations, in order. A released one is never changed.
const MIGRATIONS: [&str; 28] = [
    include_str!("../migrations/0001_spine.sql"),
    include_str!("../migrations/0002_ends.sql"),
    include_str!("../migrations/0003_listings.sql"),
    include_str!("../migrations/0004_config_history.sql"),
    include_str!("../migrations/0005_flapping.sql"),
    include_str!("../migrations/0006_storms.sql"),
    include_str!("../migrations/0007_tests.sql"),
    include_str!("../migrations/0008_plugins.sql"),
    include_str!("../migrations/0009_notices.sql"),
    include_str!("../migrations/0010_definitions.sql"),
    include_str!("../migrations/0011_overrides.sql"),
    include_str!("../migrations/0012_accounts.sql"),
    include_str!("../migrations/0013_sources.sql"),
    include_str!("../migrations/0014_escalations.sql"),
    include_str!("../migrations/0015_projects.sql"),
    include_str!("../migrations/0016_errors.sql"),
    include_str!("../migrations/0017_calendars.sql"),
    include_str!("../migrations/0018_answers.sql"),
    include_str!("../migrations/0019_windows.sql"),
    include_str!("../migrations/0020_logins.sql"),
    include_str!("../migrations/0021_past.sql"),
    include_str!("../migrations/0022_error_users.sql"),
    include_str!("../migrations/0023_artifacts.sql"),
    include_str!("../migrations/0024_issue_words.sql"),
    include_str!("../migrations/0025_digests.sql"),
    include_str!("../migrations/0026_merged_users.sql"),
    include_str!("../migrations/0027_held.sql"),
    include_str!("../migrations/0028_lanes.sql"),
];

/// The migration after which lanes are numbered otherwise.
const LANES: usize = 28;

/// Two nodes that start at once migrate one after the other: any constant that nobody else uses as a lock.
const LOCK: i64 = 0x6e62_6d69_6772;

/// Brings the schema up to date.
pub(crate) fn run(tx: &mut Tx<'_>) -> Result<()> {
    if tx.engine() == Engine::Postgres {
        // an index over a long past takes longer than any statement of the running hub may
        tx.script("SET LOCAL statement_timeout TO 0; SET LOCAL lock_timeout TO 0")?;
        tx.query("SELECT 1::bigint FROM pg_advisory_xact_lock($1)", &[LOCK.into()], |_| Ok(()))?;
    }
    tx.script("CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY)")?;
    let done =
        tx.query_one("SELECT COALESCE(MAX(version), 0) FROM schema_migrations", &[], |row| row.int(0))?;
    let done = usize::try_from(done.unwrap_or(0)).unwrap_or(0);
    if done > MIGRATIONS.len() {
        let known = MIGRATIONS.len();
        return Err(StoreError::NotOurs(format!(
            "the database has schema version {done}, this program knows {known}: run a newer one"
        )));
    }
    for (version, text) in MIGRATIONS.iter().enumerate().skip(done) {
        tx.script(&in_dialect(text, tx.engine()))?;
        if version + 1 == LANES {
            deliveries::number_lanes(tx)?;
        }
        let version = i64::try_from(version + 1).unwrap_or(i64::MAX);
        tx.execute("INSERT INTO schema_migrations (version) VALUES ($1)", &[version.into()])?;
    }
    Ok(())
}

/// The few words in which the databases differ.
fn in_dialect(text: &str, engine: Engine) -> String {
    let (key, clustered, bytes) = match engine {
        // INTEGER PRIMARY KEY is SQLite's own row number: no second index
        Engine::Sqlite => ("INTEGER", "WITHOUT ROWID", "BLOB"),
        Engine::Postgres => ("BIGINT", "", "BYTEA"),
    };
    text.replace("{key}", key).replace("{clustered}", clustered).replace("{bytes}", bytes)
}

/// Registers this process; its number makes its ids its own.
pub(crate) fn register_node(tx: &mut Tx<'_>) -> Result<i64> {
    if tx.engine() == Engine::Postgres {
        tx.query("SELECT 1::bigint FROM pg_advisory_xact_lock($1)", &[LOCK.into()], |_| Ok(()))?;
    }
    let last = tx.query_one("SELECT COALESCE(MAX(id), 0) FROM nodes", &[], |row| row.int(0))?.unwrap_or(0);
    tx.execute("INSERT INTO nodes (id) VALUES ($1)", &[(last + 1).into()])?;
    Ok(last + 1)
}
