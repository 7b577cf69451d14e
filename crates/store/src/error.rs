//! What can go wrong with the database, by what the caller can do about it.

/// An error of the store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or written just now (gone, full, locked): the caller may try again,
    /// a door answers 503 with Retry-After.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A statement failed for a reason that trying again does not mend.
    #[error("the database refused a statement: {0}")]
    Refused(String),
    /// A row holds something that this program did not write there.
    #[error("a row cannot be read: {0}")]
    BadRow(String),
    /// The files or the schema are not for this program.
    #[error("{0}")]
    NotOurs(String),
}

/// A row that holds something that this program did not write there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its id.
    pub id: model::Id,
    /// What is wrong with it.
    pub why: String,
}

/// A row, where one that cannot be read must not hold up the others.
pub type Readable<T> = std::result::Result<T, Unreadable>;

/// What the functions of this crate return.
pub type Result<T> = std::result::Result<T, StoreError>;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match error.sqlite_error_code() {
            Some(
                Code::DiskFull
                | Code::DatabaseBusy
                | Code::DatabaseLocked
                | Code::SystemIoFailure
                | Code::CannotOpen
                | Code::ReadOnly
                | Code::OutOfMemory
                | Code::OperationInterrupted,
            ) => StoreError::Unavailable(error.to_string()),
            _ => StoreError::Refused(error.to_string()),
        }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        // classes of SQLSTATE: 08 connection, 25 such as a server that only reads, 40 rollback, 53 resources,
        // 55 not in that state, 57 operator
        let passing = ["08", "25", "40", "53", "55", "57"];
        match error.as_db_error() {
            Some(db) if passing.iter().any(|class| db.code().code().starts_with(class)) => {
                StoreError::Unavailable(db.to_string())
            }
            Some(db) => StoreError::Refused(db.to_string()),
            None if error.is_closed() => StoreError::Unavailable("the connection is closed".to_owned()),
            None => StoreError::Unavailable(error.to_string()),
        }
    }
}
