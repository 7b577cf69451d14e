//! The two databases behind one face: [`Tx`] runs one SQL text on either.
//!
//! Statements are single-row and run many times in one go: SQLite takes a prepared statement in about a
//! microsecond, and on PostgreSQL the runs are pipelined, so neither needs a text of its own
//! (`docs/adr/0003-database-drivers.md`). Parameters are written `$1`, `$2`, … and must first appear in
//! that order, since SQLite numbers them by appearance. Columns are TEXT, BIGINT, DOUBLE or BLOB.

mod ahead;
pub(crate) mod memory;
pub(crate) mod postgres;
pub(crate) mod sqlite;
mod value;

pub use value::{Row, Value};

use crate::error::{Result, StoreError};
use crate::keys::Keys;

/// A transaction, or the reading side of one. What is written through it is kept whole or not at all.
pub struct Tx<'a> {
    pub(crate) session: Session<'a>,
    /// What secrets in rows are sealed with.
    pub(crate) keys: Keys,
}

pub(crate) enum Session<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(&'a mut postgres::Session),
}

/// Which database it is, for the few texts that differ (see `dialect`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Inside the process.
    Sqlite,
    /// A server.
    Postgres,
}

impl Tx<'_> {
    /// Which database this is.
    pub fn engine(&self) -> Engine {
        match self.session {
            Session::Sqlite(_) => Engine::Sqlite,
            Session::Postgres(_) => Engine::Postgres,
        }
    }

    /// Runs a statement; returns how many rows it changed.
    ///
    /// # Errors
    /// When the database refuses it or is gone.
    pub fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64> {
        #[cfg(test)]
        crate::plans::note(sql);
        debug_assert!(in_order(sql), "parameters must first appear in order: {sql}");
        match &mut self.session {
            Session::Sqlite(connection) => sqlite::execute(connection, sql, values),
            Session::Postgres(session) => session.execute(sql, values),
        }
    }

    /// Runs a statement once for each row; returns how many rows were changed in all.
    ///
    /// # Errors
    /// When the database refuses one of them or is gone.
    pub fn execute_many<R, const N: usize>(
        &mut self,
        sql: &str,
        rows: &[R],
        bind: impl for<'r> Fn(&'r R) -> [Value<'r>; N],
    ) -> Result<u64> {
        debug_assert!(in_order(sql), "parameters must first appear in order: {sql}");
        if rows.is_empty() {
            return Ok(0);
        }
        match &mut self.session {
            Session::Sqlite(connection) => sqlite::execute_many(connection, sql, rows, bind),
            Session::Postgres(session) => session.execute_many(sql, rows, bind),
        }
    }

    /// Runs a query and reads its rows.
    ///
    /// # Errors
    /// When the database refuses it or is gone, or a row cannot be read.
    pub fn query<T>(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        #[cfg(test)]
        crate::plans::note(sql);
        debug_assert!(in_order(sql), "parameters must first appear in order: {sql}");
        let mut found = Vec::new();
        let mut each = |row: &Row<'_>| read(row).map(|item| found.push(item));
        match &mut self.session {
            Session::Sqlite(connection) => sqlite::query(connection, sql, values, &mut each)?,
            Session::Postgres(session) => session.query(sql, values, &mut each)?,
        }
        Ok(found)
    }

    /// Runs a query once for each key; the rows found come with the key's place in `keys`.
    ///
    /// # Errors
    /// As [`Tx::query`].
    pub fn query_many<K, T, const N: usize>(
        &mut self,
        sql: &str,
        keys: &[K],
        bind: impl for<'k> Fn(&'k K) -> [Value<'k>; N],
        mut read: impl FnMut(usize, &Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        #[cfg(test)]
        crate::plans::note(sql);
        debug_assert!(in_order(sql), "parameters must first appear in order: {sql}");
        let mut found = Vec::new();
        let mut each = |place: usize, row: &Row<'_>| read(place, row).map(|item| found.push(item));
        match &mut self.session {
            Session::Sqlite(connection) => sqlite::query_many(connection, sql, keys, bind, &mut each)?,
            Session::Postgres(session) => session.query_many(sql, keys, bind, &mut each)?,
        }
        Ok(found)
    }

    /// Runs a query that finds one row or none.
    ///
    /// # Errors
    /// As [`Tx::query`].
    pub fn query_one<T>(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.query(sql, values, read)?.into_iter().next())
    }

    /// Runs a part that may fail by itself: what it wrote is undone then, and the transaction goes on. A
    /// database that is gone or full fails the whole.
    ///
    /// # Errors
    /// When the database is gone or full.
    pub fn part<T>(&mut self, part: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<Result<T>> {
        self.execute("SAVEPOINT part", &[])?;
        let result = part(self);
        match &result {
            Err(StoreError::Unavailable(_) | StoreError::NotOurs(_)) => return result.map(Ok),
            Err(_) => self.execute("ROLLBACK TO SAVEPOINT part", &[])?,
            Ok(_) => 0,
        };
        self.execute("RELEASE SAVEPOINT part", &[])?;
        Ok(result)
    }

    /// Makes this transaction the only one, among all nodes, that moves the flow on: taken by every step that
    /// reads a state and writes the next. SQLite has one writer anyway.
    ///
    /// # Errors
    /// When the database is gone.
    pub fn lock_flow(&mut self) -> Result<()> {
        /// Any number that nobody else uses as a lock.
        const FLOW: i64 = 0x6e62_666c_6f77;
        if let Session::Postgres(session) = &mut self.session {
            session.holds_flow = true;
            self.query("SELECT 1::bigint FROM pg_advisory_xact_lock($1)", &[FLOW.into()], |_| Ok(()))?;
        }
        Ok(())
    }

    /// Rings the bells of other nodes on the same database, when this is committed. A hint: a lost ring costs
    /// latency only.
    ///
    /// # Errors
    /// When the database is gone.
    pub fn ring_others(&mut self, node: i64) -> Result<()> {
        match &mut self.session {
            Session::Sqlite(_) => Ok(()),
            Session::Postgres(session) => session.ring(node),
        }
    }

    /// Runs a script of several statements without parameters.
    ///
    /// # Errors
    /// When the database refuses one of them or is gone.
    pub(crate) fn script(&mut self, sql: &str) -> Result<()> {
        match &mut self.session {
            Session::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            Session::Postgres(session) => session.script(sql),
        }
    }
}

/// Whether `$1`, `$2`, … first appear in this order.
fn in_order(sql: &str) -> bool {
    let mut highest = 0;
    sql.split('$').skip(1).all(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let Ok(number) = digits.parse::<u32>() else { return true };
        let fits = number <= highest + 1;
        highest = highest.max(number);
        fits
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn parameters_must_first_appear_in_order() {
        assert!(super::in_order("SELECT $1, $2 WHERE $1 = $3"));
        assert!(!super::in_order("SELECT $2, $1"));
    }
}
