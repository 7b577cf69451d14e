//! Both databases for every test: SQLite in a temporary folder, and PostgreSQL where
//! `NIGHTBELL_TEST_POSTGRES` names a server (`cargo xtask test` starts one).

#![allow(clippy::unwrap_used, dead_code, reason = "shared by tests, of which not all need everything")]

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use store::{Location, Store};

/// Runs a test once on each database, on a fresh one.
pub fn on_both<F, R>(test: F)
where
    F: Fn(Store) -> R,
    R: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        test(Store::open(&Location::Folder(folder.path().to_owned())).await.unwrap()).await;
        match fresh_database().await {
            Some(url) => test(Store::open(&Location::Url(url)).await.unwrap()).await,
            None => eprintln!("SKIPPED ON POSTGRESQL: NIGHTBELL_TEST_POSTGRES is not set"),
        }
    });
}

/// A database of its own on the server, by URL.
#[expect(clippy::disallowed_methods, reason = "the connection ends with the test's runtime")]
pub async fn fresh_database() -> Option<String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server = std::env::var("NIGHTBELL_TEST_POSTGRES").ok()?;
    let (client, connection) = tokio_postgres::connect(&server, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let name = format!("nb_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let mut config: Vec<&str> = server.split('?').collect();
    let query = if config.len() > 1 { format!("?{}", config.remove(1)) } else { String::new() };
    let base = config[0].rsplit_once('/').map(|(base, _)| base).unwrap();
    Some(format!("{base}/{name}{query}"))
}
