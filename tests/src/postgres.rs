//! Databases on the PostgreSQL of the tests.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::skip;
use crate::tool::{find_or_skip, run};

/// The variable that names the server.
const SERVER: &str = "NIGHTBELL_TEST_POSTGRES";

/// The URL of a new database, or a loud word that the story is not told.
pub fn database_or_skip() -> Option<String> {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let Ok(server) = std::env::var(SERVER) else {
        skip(&format!("{SERVER} is not set; `cargo xtask test` sets it"), false);
        return None;
    };
    let psql = find_or_skip("psql")?;
    let name = format!("acceptance_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    run(Command::new(psql).args([&server, "--quiet", "--command", &format!("CREATE DATABASE {name}")]));
    let (before, parameters) = server.split_once('?').unwrap_or((&server, ""));
    let (host, _) = before.rsplit_once('/').unwrap();
    Some(format!("{host}/{name}?{parameters}").trim_end_matches('?').to_owned())
}
