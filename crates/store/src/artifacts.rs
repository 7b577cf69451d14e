//! What is uploaded beside errors: the source maps of builds, and the pieces that they come in.
//!
//! A bundle is written and forgotten part by part, so that nobody who reports an error waits for it. Its own row says
//! that it is not whole, and what was left halfway is swept.

use model::{Id, Time};

use crate::db::{Row, Tx, Value};
use crate::error::Result;

/// Keeps a piece; one that is there stays for longer.
///
/// # Errors
/// When the database is gone or full.
pub fn put_piece(tx: &mut Tx<'_>, checksum: &str, body: &[u8], at: Time) -> Result<()> {
    let sql = "INSERT INTO artifact_pieces (checksum, at, body) VALUES ($1, $2, $3) \
               ON CONFLICT (checksum) DO UPDATE SET at = excluded.at";
    tx.execute(sql, &[checksum.into(), at.into(), Value::Blob(body)]).map(drop)
}

/// A piece.
///
/// # Errors
/// When the database is gone.
pub fn piece(tx: &mut Tx<'_>, checksum: &str) -> Result<Option<Vec<u8>>> {
    tx.query_one("SELECT body FROM artifact_pieces WHERE checksum = $1", &[checksum.into()], |row| {
        row.bytes(0)
    })
}

/// Which pieces are there, by their places.
///
/// # Errors
/// When the database is gone.
pub fn pieces_there(tx: &mut Tx<'_>, checksums: &[String]) -> Result<Vec<usize>> {
    let sql = "SELECT 1 FROM artifact_pieces WHERE checksum = $1";
    tx.query_many(sql, checksums, |it| [Value::Text(it)], |place, _| Ok(place))
}

/// How many pieces wait to be put together.
///
/// # Errors
/// When the database is gone.
pub fn count_pieces(tx: &mut Tx<'_>) -> Result<i64> {
    Ok(tx.query_one("SELECT COUNT(*) FROM artifact_pieces", &[], |row| row.int(0))?.unwrap_or(0))
}

/// Forgets pieces.
///
/// # Errors
/// When the database is gone or full.
pub fn forget_pieces(tx: &mut Tx<'_>, checksums: &[String]) -> Result<()> {
    tx.execute_many("DELETE FROM artifact_pieces WHERE checksum = $1", checksums, |it| [Value::Text(it)])
        .map(drop)
}

/// Forgets pieces that came before a time, at most so many; returns how many went.
///
/// # Errors
/// When the database is gone or full.
pub fn sweep_pieces(tx: &mut Tx<'_>, before: Time, limit: i64) -> Result<u64> {
    let sql = "DELETE FROM artifact_pieces WHERE checksum IN \
               (SELECT checksum FROM artifact_pieces WHERE at < $1 ORDER BY at LIMIT $2)";
    tx.execute(sql, &[before.into(), limit.into()])
}

/// What was uploaded at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Its id, which says when it came.
    pub id: Id,
    /// The project.
    pub project: i64,
    /// The sum of what it came in.
    pub checksum: String,
    /// The release; empty: it goes by ids of builds only.
    pub release: String,
    /// Which build of the release; empty: any.
    pub build: String,
    /// How many maps are in it.
    pub files: i64,
    /// Their bytes, as they are kept.
    pub bytes: i64,
    /// When an error last needed it, to the day; when it came, if none did.
    pub used_at: Time,
}

const COLUMNS: &str = "id, project_id, checksum, of_release, build, files, bytes, used_at";
/// A bundle that is being written has so many files.
const WRITING: i64 = -1;
/// A bundle that is being forgotten has so many.
const GOING: i64 = -2;
/// Parts that go in one step.
const PARTS: i64 = 16;

/// Begins a bundle, whose files come next.
///
/// # Errors
/// When the database is gone or full.
pub fn begin(tx: &mut Tx<'_>, it: &Bundle) -> Result<()> {
    let sql = format!("INSERT INTO artifact_bundles ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    // what is halfway has a sum of its own, so that it is in nobody's way
    let checksum = halfway(it.id);
    let values = [
        it.id.into(),
        it.project.into(),
        Value::Text(&checksum),
        Value::Text(&it.release),
        Value::Text(&it.build),
        WRITING.into(),
        0.into(),
        it.used_at.into(),
    ];
    tx.execute(&sql, &values).map(drop)
}

fn halfway(id: Id) -> String {
    format!("~{id}")
}

/// Ends a bundle whose files are there. Where somebody else was faster with the same one, this one goes.
///
/// # Errors
/// When the database is gone or full.
pub fn finish(tx: &mut Tx<'_>, it: &Bundle) -> Result<()> {
    if same(tx, it.project, &it.checksum, &it.release, &it.build)?.is_some() {
        return retire(tx, it.id).map(drop);
    }
    let sql = "UPDATE artifact_bundles SET checksum = $1, files = $2, bytes = $3 WHERE id = $4";
    tx.execute(sql, &[Value::Text(&it.checksum), it.files.into(), it.bytes.into(), it.id.into()]).map(drop)
}

/// Nobody finds a bundle any more: what is in it goes with the next sweep. `false`: there is none.
///
/// # Errors
/// When the database is gone or full.
pub fn retire(tx: &mut Tx<'_>, id: Id) -> Result<bool> {
    let sql = "UPDATE artifact_bundles SET checksum = $1, files = $2 WHERE id = $3";
    Ok(tx.execute(sql, &[Value::Text(&halfway(id)), GOING.into(), id.into()])? > 0)
}

fn read(row: &Row<'_>) -> Result<Bundle> {
    Ok(Bundle {
        id: row.id(0)?,
        project: row.int(1)?,
        checksum: row.string(2)?,
        release: row.string(3)?,
        build: row.string(4)?,
        files: row.int(5)?,
        bytes: row.int(6)?,
        used_at: row.time(7)?,
    })
}

/// The bundle that this was put together to, if it was.
///
/// # Errors
/// When the database is gone.
pub fn same(tx: &mut Tx<'_>, project: i64, checksum: &str, release: &str, build: &str) -> Result<Option<Id>> {
    let sql = "SELECT id FROM artifact_bundles \
               WHERE project_id = $1 AND checksum = $2 AND of_release = $3 AND build = $4";
    tx.query_one(sql, &[project.into(), checksum.into(), release.into(), build.into()], |row| row.id(0))
}

/// A bundle.
///
/// # Errors
/// When the database is gone.
pub fn get(tx: &mut Tx<'_>, id: Id) -> Result<Option<Bundle>> {
    let sql = format!("SELECT {COLUMNS} FROM artifact_bundles WHERE id = $1 AND files >= 0");
    tx.query_one(&sql, &[id.into()], read)
}

/// Bundles of a project before one of them, the newest first.
///
/// # Errors
/// When the database is gone.
pub fn page(tx: &mut Tx<'_>, project: i64, before: Id, limit: i64) -> Result<Vec<Bundle>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM artifact_bundles WHERE project_id = $1 AND id < $2 AND files >= 0 \
         ORDER BY id DESC LIMIT $3"
    );
    tx.query(&sql, &[project.into(), before.into(), limit.into()], read)
}

/// Notes that a bundle was needed.
///
/// # Errors
/// When the database is gone or full.
pub fn touch(tx: &mut Tx<'_>, id: Id, at: Time) -> Result<()> {
    tx.execute("UPDATE artifact_bundles SET used_at = $1 WHERE id = $2", &[at.into(), id.into()]).map(drop)
}

/// Forgets a part of a bundle; returns how many rows went, zero when nothing was left.
///
/// # Errors
/// When the database is gone or full.
pub fn forget(tx: &mut Tx<'_>, id: Id) -> Result<u64> {
    let parts = "SELECT p.file_id, p.part FROM artifact_files f JOIN artifact_parts p ON p.file_id = f.id \
                 WHERE f.bundle_id = $1 LIMIT $2";
    let going = tx.query(parts, &[id.into(), PARTS.into()], |row| Ok((row.id(0)?, row.int(1)?)))?;
    if !going.is_empty() {
        let sql = "DELETE FROM artifact_parts WHERE file_id = $1 AND part = $2";
        return tx.execute_many(sql, &going, |(file, part)| [(*file).into(), (*part).into()]);
    }
    let files = tx.execute("DELETE FROM artifact_files WHERE bundle_id = $1", &[id.into()])?;
    Ok(files + tx.execute("DELETE FROM artifact_bundles WHERE id = $1", &[id.into()])?)
}

/// Any bundle of a project, whatever has become of it.
///
/// # Errors
/// When the database is gone.
pub fn any_of(tx: &mut Tx<'_>, project: i64) -> Result<Option<Id>> {
    let sql = "SELECT id FROM artifact_bundles WHERE project_id = $1 LIMIT 1";
    tx.query_one(sql, &[project.into()], |row| row.id(0))
}

/// Forgets a part of what is to be forgotten, and of what nobody has been writing at since a time; returns how many
/// rows went.
///
/// # Errors
/// When the database is gone or full.
pub fn sweep(tx: &mut Tx<'_>, before: Time) -> Result<u64> {
    let sql =
        "SELECT id FROM artifact_bundles WHERE files < 0 AND (files < $1 OR id < $2) ORDER BY id LIMIT 1";
    let found = tx.query_one(sql, &[WRITING.into(), Id::first_at(before).into()], |row| row.id(0))?;
    found.map_or(Ok(0), |id| forget(tx, id))
}

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its id.
    pub id: Id,
    /// The bundle's.
    pub bundle: Id,
    /// The project.
    pub project: i64,
    /// The release; empty: none.
    pub release: String,
    /// Which build of it; empty: any.
    pub build: String,
    /// Where it is served from.
    pub url: String,
    /// The id of its build; empty: none.
    pub debug_id: String,
    /// Where its map is, as it says itself; empty: it does not.
    pub source_map: String,
    /// Whether it is a map.
    pub is_map: bool,
}

const FILE_COLUMNS: &str = "id, bundle_id, project_id, of_release, build, url, debug_id, source_map, is_map";

/// Keeps files.
///
/// # Errors
/// When the database is gone or full.
pub fn insert_files(tx: &mut Tx<'_>, files: &[File]) -> Result<()> {
    let sql =
        format!("INSERT INTO artifact_files ({FILE_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)");
    tx.execute_many(&sql, files, |it| {
        [
            it.id.into(),
            it.bundle.into(),
            it.project.into(),
            Value::Text(&it.release),
            Value::Text(&it.build),
            Value::Text(&it.url),
            Value::Text(&it.debug_id),
            Value::Text(&it.source_map),
            i64::from(it.is_map).into(),
        ]
    })
    .map(drop)
}

/// Keeps a part of what is in a file.
///
/// # Errors
/// When the database is gone or full.
pub fn insert_part(tx: &mut Tx<'_>, file: Id, part: i64, body: &[u8]) -> Result<()> {
    let sql = "INSERT INTO artifact_parts (file_id, part, body) VALUES ($1, $2, $3)";
    tx.execute(sql, &[file.into(), part.into(), Value::Blob(body)]).map(drop)
}

/// What is in a file: all of its parts.
///
/// # Errors
/// When the database is gone.
pub fn body(tx: &mut Tx<'_>, file: Id) -> Result<Vec<u8>> {
    let sql = "SELECT body FROM artifact_parts WHERE file_id = $1 ORDER BY part";
    Ok(tx.query(sql, &[file.into()], |row| row.bytes(0))?.concat())
}

fn read_file(row: &Row<'_>) -> Result<File> {
    Ok(File {
        id: row.id(0)?,
        bundle: row.id(1)?,
        project: row.int(2)?,
        release: row.string(3)?,
        build: row.string(4)?,
        url: row.string(5)?,
        debug_id: row.string(6)?,
        source_map: row.string(7)?,
        is_map: row.int(8)? != 0,
    })
}

const IS_WHOLE: &str = "EXISTS (SELECT 1 FROM artifact_bundles b WHERE b.id = bundle_id AND b.files >= 0)";

/// The newest map of a build by its id.
///
/// # Errors
/// When the database is gone.
pub fn by_debug_id(tx: &mut Tx<'_>, project: i64, debug_id: &str) -> Result<Option<File>> {
    let sql = format!(
        "SELECT {FILE_COLUMNS} FROM artifact_files WHERE project_id = $1 AND debug_id = $2 AND debug_id <> '' \
         AND is_map = 1 AND {IS_WHOLE} ORDER BY id DESC LIMIT 1"
    );
    tx.query_one(&sql, &[project.into(), debug_id.into()], read_file)
}

/// The newest file of a release by where it is served from: of this build of it, or else of one that is for any.
///
/// # Errors
/// When the database is gone.
pub fn by_url(
    tx: &mut Tx<'_>,
    project: i64,
    (release, build): (&str, &str),
    url: &str,
) -> Result<Option<File>> {
    let sql = format!(
        "SELECT {FILE_COLUMNS} FROM artifact_files WHERE project_id = $1 AND of_release = $2 AND url = $3 \
         AND build IN ($4, '') AND {IS_WHOLE} ORDER BY build DESC, id DESC LIMIT 1"
    );
    tx.query_one(&sql, &[project.into(), release.into(), url.into(), build.into()], read_file)
}

/// Whether anything was uploaded for a project, and for a release of it.
///
/// # Errors
/// When the database is gone.
pub fn has_any(tx: &mut Tx<'_>, project: i64, release: &str) -> Result<(bool, bool)> {
    let any = "SELECT 1 FROM artifact_bundles WHERE project_id = $1 AND files >= 0 LIMIT 1";
    let any = tx.query_one(any, &[project.into()], |_| Ok(()))?.is_some();
    let of_release =
        "SELECT 1 FROM artifact_bundles WHERE project_id = $1 AND of_release = $2 AND files >= 0 LIMIT 1";
    let of_release =
        any && tx.query_one(of_release, &[project.into(), release.into()], |_| Ok(()))?.is_some();
    Ok((any, of_release))
}

/// Retires bundles of a project that are too much: those that nobody needed since a time, and the oldest of those
/// beyond so many or so many bytes. Returns how many.
///
/// # Errors
/// When the database is gone or full.
pub fn trim(
    tx: &mut Tx<'_>,
    project: i64,
    unused_since: Time,
    (most, most_bytes): (i64, i64),
) -> Result<u64> {
    let sql = "SELECT id, bytes, used_at FROM artifact_bundles WHERE project_id = $1 AND files >= 0 ORDER BY id DESC";
    let all = tx.query(sql, &[project.into()], |row| Ok((row.id(0)?, row.int(1)?, row.time(2)?)))?;
    let (mut count, mut sum, mut gone) = (0, 0, 0);
    for (id, bytes, used_at) in all {
        if used_at < unused_since || count >= most || sum + bytes > most_bytes {
            retire(tx, id)?;
            gone += 1;
        } else {
            count += 1;
            sum += bytes;
        }
    }
    Ok(gone)
}
