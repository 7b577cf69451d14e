//! Values that go into statements, and rows that come out.

use bytes::BytesMut;
use model::{Id, Time};
use rusqlite::types::{ToSqlOutput, ValueRef};
use tokio_postgres::types::{IsNull, ToSql as PostgresToSql, Type, to_sql_checked};

use crate::error::{Result, StoreError};

/// A value of one of the columns' kinds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// BIGINT.
    Int(i64),
    /// DOUBLE.
    Real(f64),
    /// TEXT.
    Text(&'a str),
    /// BLOB.
    Blob(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<Id> for Value<'_> {
    fn from(id: Id) -> Self {
        Value::Int(id.0)
    }
}

impl From<Time> for Value<'_> {
    fn from(time: Time) -> Self {
        Value::Int(time.0)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Value::Blob(bytes)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(int) => ValueRef::Integer(*int),
            Value::Real(real) => ValueRef::Real(*real),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl PostgresToSql for Value<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(int) => int.to_sql(kind, out),
            Value::Real(real) => real.to_sql(kind, out),
            Value::Text(text) => text.to_sql(kind, out),
            Value::Blob(bytes) => bytes.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::FLOAT8, Type::TEXT, Type::BYTEA].contains(kind)
    }

    to_sql_checked!();
}

/// A row of an answer. Columns are asked for by their place, from 0.
pub enum Row<'a> {
    /// Of SQLite.
    Sqlite(&'a rusqlite::Row<'a>),
    /// Of PostgreSQL.
    Postgres(&'a tokio_postgres::Row),
}

impl Row<'_> {
    /// A BIGINT that is there.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn int(&self, column: usize) -> Result<i64> {
        self.opt_int(column)?.ok_or_else(|| unread(column, "a number"))
    }

    /// A BIGINT or nothing.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>> {
        match self {
            Row::Sqlite(row) => row.get(column).map_err(|_| unread(column, "a number")),
            Row::Postgres(row) => row.try_get(column).map_err(|_| unread(column, "a number")),
        }
    }

    /// A TEXT that is there, without copying it.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn text(&self, column: usize) -> Result<&str> {
        match self {
            Row::Sqlite(row) => {
                let value = row.get_ref(column).map_err(|_| unread(column, "a text"))?;
                value.as_str().map_err(|_| unread(column, "a text"))
            }
            Row::Postgres(row) => row.try_get(column).map_err(|_| unread(column, "a text")),
        }
    }

    /// A TEXT that is there.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn string(&self, column: usize) -> Result<String> {
        self.text(column).map(str::to_owned)
    }

    /// A TEXT or nothing.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn opt_string(&self, column: usize) -> Result<Option<String>> {
        match self {
            Row::Sqlite(row) => row.get(column).map_err(|_| unread(column, "a text")),
            Row::Postgres(row) => row.try_get(column).map_err(|_| unread(column, "a text")),
        }
    }

    /// A BLOB that is there.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn bytes(&self, column: usize) -> Result<Vec<u8>> {
        match self {
            Row::Sqlite(row) => row.get(column).map_err(|_| unread(column, "bytes")),
            Row::Postgres(row) => row.try_get(column).map_err(|_| unread(column, "bytes")),
        }
    }

    /// An id.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn id(&self, column: usize) -> Result<Id> {
        self.int(column).map(Id)
    }

    /// A time.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn time(&self, column: usize) -> Result<Time> {
        self.int(column).map(Time)
    }

    /// A time or nothing.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn opt_time(&self, column: usize) -> Result<Option<Time>> {
        Ok(self.opt_int(column)?.map(Time))
    }

    /// A TEXT that holds JSON.
    ///
    /// # Errors
    /// When it does not, or not of this shape.
    pub fn json<T: serde::de::DeserializeOwned>(&self, column: usize) -> Result<T> {
        serde_json::from_str(self.text(column)?)
            .map_err(|error| StoreError::BadRow(format!("column {column}: {error}")))
    }
}

fn unread(column: usize, wanted: &str) -> StoreError {
    StoreError::BadRow(format!("column {column} is not {wanted}"))
}
