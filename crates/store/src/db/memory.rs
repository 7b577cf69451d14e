//! SQLite in memory: one connection, nothing on disk, and no threads.

use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::{Session, Tx};
use crate::error::Result;
use crate::keys::Keys;

/// A database that is gone with its value.
pub(crate) struct Memory(Mutex<Connection>);

impl Memory {
    /// An empty one.
    pub fn open() -> Result<Self> {
        let connection = Connection::open_in_memory()?;
        connection.set_prepared_statement_cache_capacity(super::sqlite::STATEMENTS);
        Ok(Memory(Mutex::new(connection)))
    }

    /// Runs a function in a transaction, which is undone when it fails or panics.
    pub fn run<T>(&self, run: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction()?;
        let result = run(&mut Tx { session: Session::Sqlite(&transaction), keys: Keys::default() })?;
        transaction.commit()?;
        Ok(result)
    }
}
