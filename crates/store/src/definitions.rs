//! What people define for themselves and their teams: small documents of a few kinds, all of which nodes keep in
//! memory, and the number by which they notice that one has changed.

use model::{Id, Time};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::db::{Row, Tx, Value};
use crate::error::{Result, StoreError};
use crate::keys::{Keys, definition_row};
use crate::rules::{bump, version};

pub(crate) const COLUMNS: &str = "id, kind, owner, name, body, created_at, updated_at";
/// What people define, and who they are, has one number: who goes by one needs the other.
pub(crate) const NAME: &str = "definitions";

/// What is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Where somebody can be told something ([`model::OwnedDestination`]).
    Destination,
    /// When somebody wants to be told.
    Timeslot,
    /// Of what somebody wants to be told.
    Filter,
    /// Where somebody wants to be told of what, and when.
    Profile,
    /// Who is on call when.
    Schedule,
    /// Who is told next when nobody acts.
    Policy,
    /// When what is wrong is meant to be.
    Maintenance,
    /// How a person wants to be reached: by what first, by what later, and when not at all.
    Reach,
    /// What somebody has set for a plugin, which it is called by.
    PluginSettings,
    /// When somebody has to know of an error.
    AlertRule,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 10] = [
        Kind::Destination,
        Kind::Timeslot,
        Kind::Filter,
        Kind::Profile,
        Kind::Schedule,
        Kind::Policy,
        Kind::Maintenance,
        Kind::Reach,
        Kind::PluginSettings,
        Kind::AlertRule,
    ];

    /// Whether what one defines of it for oneself says only how oneself wants to be told.
    pub fn is_personal(self) -> bool {
        match self {
            Kind::Destination
            | Kind::Timeslot
            | Kind::Filter
            | Kind::Profile
            | Kind::Reach
            | Kind::PluginSettings => true,
            Kind::Schedule | Kind::Policy | Kind::Maintenance | Kind::AlertRule => false,
        }
    }

    /// The word for it, as in the column.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Destination => "destination",
            Kind::Timeslot => "timeslot",
            Kind::Filter => "filter",
            Kind::Profile => "profile",
            Kind::Schedule => "schedule",
            Kind::Policy => "policy",
            Kind::Maintenance => "maintenance",
            Kind::Reach => "reach",
            Kind::PluginSettings => "plugin-settings",
            Kind::AlertRule => "alert_rule",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One document.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition<T> {
    /// Its id.
    pub id: Id,
    /// The user or team whose it is; `Id(0)`: everybody's.
    pub owner: Id,
    /// What it is called; no two of a kind and owner are called alike.
    pub name: String,
    /// What it says.
    pub body: T,
    /// When it was made.
    pub created_at: Time,
    /// When it was changed last.
    pub updated_at: Time,
}

/// Keeps a document, new or changed; `false`: another of its kind and owner is called so, and it was not kept.
///
/// # Errors
/// When the database is gone or full.
pub fn put<T: Serialize>(tx: &mut Tx<'_>, kind: Kind, definition: &Definition<T>) -> Result<bool> {
    let Definition { id, owner, name, body, created_at, updated_at } = definition;
    let sql = "SELECT id FROM definitions WHERE kind = $1 AND owner = $2 AND name = $3";
    let namesake =
        tx.query_one(sql, &[kind.name().into(), (*owner).into(), Value::Text(name)], |row| row.id(0))?;
    if namesake.is_some_and(|other| other != *id) {
        return Ok(false);
    }
    keep_past(tx, "id", *id, *updated_at)?;
    let body = serde_json::to_string(body);
    let body = body.map_err(|error| StoreError::Refused(format!("writing a {}: {error}", kind.name())))?;
    let body = if WITH_SECRETS.contains(&kind) { tx.keys.seal(&body, &definition_row(id.0))? } else { body };
    let sql = "INSERT INTO definitions (id, kind, owner, name, body, created_at, updated_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, \
               name = excluded.name, body = excluded.body, updated_at = excluded.updated_at";
    let values = [
        (*id).into(),
        kind.name().into(),
        (*owner).into(),
        Value::Text(name),
        Value::Text(&body),
        (*created_at).into(),
        (*updated_at).into(),
    ];
    tx.execute(sql, &values)?;
    bump(tx, NAME)?;
    Ok(true)
}

/// One document of a kind.
///
/// # Errors
/// When the database is gone, or it cannot be read.
pub fn get<T: DeserializeOwned>(tx: &mut Tx<'_>, kind: Kind, id: Id) -> Result<Option<Definition<T>>> {
    match look(tx, kind, id)? {
        Some(Err(closed)) => Err(StoreError::BadRow(closed.body)),
        Some(Ok(found)) => Ok(Some(found)),
        None => Ok(None),
    }
}

/// A document that cannot be read, be it that its key is lost: why, in place of what it says.
pub type Closed = Definition<String>;
/// A document, if it can be read.
pub type Looked<T> = std::result::Result<Definition<T>, Closed>;

/// One document of a kind, be it readable or not.
///
/// # Errors
/// When the database is gone.
pub fn look<T: DeserializeOwned>(tx: &mut Tx<'_>, kind: Kind, id: Id) -> Result<Option<Looked<T>>> {
    let sql = format!("SELECT {COLUMNS} FROM definitions WHERE id = $1 AND kind = $2");
    let keys = tx.keys.clone();
    tx.query_one(&sql, &[id.into(), kind.name().into()], |row| look_at(row, &keys))
}

/// All documents of a kind, by id; of one owner only, if one is given. One that cannot be read is left out, which is
/// said in the log.
///
/// # Errors
/// When the database is gone.
pub fn all<T: DeserializeOwned>(
    tx: &mut Tx<'_>,
    kind: Kind,
    owner: Option<Id>,
) -> Result<Vec<Definition<T>>> {
    let leave_out = |found: Looked<T>| {
        let warn = |Closed { id, body: why, .. }| {
            tracing::warn!(id = id.0, kind = kind.name(), why, "a definition cannot be read");
        };
        found.map_err(warn).ok()
    };
    Ok(look_at_all(tx, kind, owner)?.into_iter().filter_map(leave_out).collect())
}

/// All documents of a kind as [`all`] has them, with those that cannot be read.
///
/// # Errors
/// When the database is gone.
pub fn look_at_all<T: DeserializeOwned>(
    tx: &mut Tx<'_>,
    kind: Kind,
    owner: Option<Id>,
) -> Result<Vec<Looked<T>>> {
    let keys = tx.keys.clone();
    let looked = |row: &Row<'_>| look_at(row, &keys);
    match owner {
        Some(owner) => {
            let sql = format!("SELECT {COLUMNS} FROM definitions WHERE kind = $1 AND owner = $2 ORDER BY id");
            tx.query(&sql, &[kind.name().into(), owner.into()], looked)
        }
        None => {
            let sql = format!("SELECT {COLUMNS} FROM definitions WHERE kind = $1 ORDER BY id");
            tx.query(&sql, &[kind.name().into()], looked)
        }
    }
}

/// How many documents of a kind an owner has.
///
/// # Errors
/// When the database is gone.
pub fn count(tx: &mut Tx<'_>, kind: Kind, owner: Id) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM definitions WHERE kind = $1 AND owner = $2";
    Ok(tx.query_one(sql, &[kind.name().into(), owner.into()], |row| row.int(0))?.unwrap_or_default())
}

/// Which kind a document is of; `None`: there is none with this id.
///
/// # Errors
/// When the database is gone.
pub fn kind_of(tx: &mut Tx<'_>, id: Id) -> Result<Option<Kind>> {
    let found =
        tx.query_one("SELECT kind FROM definitions WHERE id = $1", &[id.into()], |row| row.string(0))?;
    Ok(found.as_deref().and_then(Kind::from_name))
}

/// Forgets a document at this time; `false`: there was none.
///
/// # Errors
/// When the database is gone.
pub fn delete(tx: &mut Tx<'_>, kind: Kind, id: Id, at: Time) -> Result<bool> {
    keep_past(tx, "id", id, at)?;
    let sql = "DELETE FROM definitions WHERE id = $1 AND kind = $2";
    let there = tx.execute(sql, &[id.into(), kind.name().into()])? > 0;
    if there {
        bump(tx, NAME)?;
    }
    Ok(there)
}

/// Forgets all documents of an owner, who is gone, at this time; says how many there were.
///
/// # Errors
/// When the database is gone.
pub fn delete_of(tx: &mut Tx<'_>, owner: Id, at: Time) -> Result<u64> {
    keep_past(tx, "owner", owner, at)?;
    let gone = tx.execute("DELETE FROM definitions WHERE owner = $1", &[owner.into()])?;
    if gone > 0 {
        bump(tx, NAME)?;
    }
    Ok(gone)
}

/// A number that changes whenever a document does, or what is known of a user or a team.
///
/// # Errors
/// When the database is gone.
pub fn current_version(tx: &mut Tx<'_>) -> Result<i64> {
    version(tx, NAME)
}

/// Kinds with secrets in them, which are sealed.
pub(crate) const WITH_SECRETS: [Kind; 3] = [Kind::Destination, Kind::PluginSettings, Kind::Schedule];

/// Keeps documents as they are, since they are about to change: one by its id, or all of an owner. Those with secrets
/// are not kept.
fn keep_past(tx: &mut Tx<'_>, column: &str, id: Id, until: Time) -> Result<()> {
    let sql = format!(
        "INSERT INTO definitions_past (until_at, {COLUMNS}) \
         SELECT CAST($1 AS BIGINT), {COLUMNS} FROM definitions WHERE updated_at < $1 AND {column} = $2 \
         AND kind <> $3 AND kind <> $4 ON CONFLICT (id, until_at) DO NOTHING"
    );
    let secret = [Kind::Destination, Kind::PluginSettings].map(|kind| kind.name().into());
    tx.execute(&sql, &[until.into(), id.into(), secret[0], secret[1]])?;
    Ok(())
}

fn look_at<T: DeserializeOwned>(row: &Row<'_>, keys: &Keys) -> Result<Looked<T>> {
    let why = match read(row, keys) {
        Err(StoreError::BadRow(why)) => why,
        other => return other.map(Ok),
    };
    let (created_at, updated_at) = (row.time(5)?, row.time(6)?);
    Ok(Err(Definition {
        id: row.id(0)?,
        owner: row.id(2)?,
        name: row.string(3)?,
        body: why,
        created_at,
        updated_at,
    }))
}

pub(crate) fn read<T: DeserializeOwned>(row: &Row<'_>, keys: &Keys) -> Result<Definition<T>> {
    let body = keys.open(row.string(4)?, &definition_row(row.int(0)?)).map_err(StoreError::BadRow)?;
    let body = serde_json::from_str(&body);
    Ok(Definition {
        id: row.id(0)?,
        owner: row.id(2)?,
        name: row.string(3)?,
        body: body.map_err(|error| StoreError::BadRow(format!("body: {error}")))?,
        created_at: row.time(5)?,
        updated_at: row.time(6)?,
    })
}
