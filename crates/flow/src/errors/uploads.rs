//! What is uploaded beside errors: pieces are kept as they come, put together to an archive when all are there, and its
//! source maps are kept as rows.
//!
//! Nobody waits for that: an archive is read piece by piece and its maps are written part by part, each in a
//! transaction of its own; they are found when the last one is there. What breaks off before is done again by whoever
//! asks next, and what is left of it is swept.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use model::Time;
use store::artifacts::{self, Bundle, File};
use store::{Durability, Result, Store, StoreError};
use tokio::runtime::Handle;
use tracker::Refusal;
use tracker::uploads::bundle::{self, BuiltFile, FileKind};
use tracker::uploads::{State, Sum};

use crate::core::Core;
use crate::driver::{Hub, NotAccepted};
use crate::tracked::pack::packed;
use crate::tracked::uploads::Upload;

/// Pieces that may wait to be put together: some gigabyte.
const MAX_PIECES: i64 = 1024;
/// How long they wait.
const PIECES_WAIT: Duration = Duration::from_secs(86_400);
/// How long a request waits for its archive before it hears that it is being worked on.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes that are written at once.
const PART_BYTES: usize = 512 << 10;
/// Rows of files that are written at once.
const FILES_AT_ONCE: usize = 500;
/// Bundles of a project.
pub const MAX_BUNDLES: i64 = 500;
/// Bytes of the bundles of a project, as they are kept.
pub const MAX_BYTES: i64 = 2 << 30;
/// Pieces that go in one step of a sweep.
const SWEEP_STEP: i64 = 20;

impl Hub {
    /// Keeps pieces until they are put together.
    ///
    /// # Errors
    /// When too many are waiting, or the database is gone or full.
    pub async fn keep_pieces(&self, pieces: Vec<(String, Vec<u8>)>) -> std::result::Result<(), NotAccepted> {
        let now = self.clock.now();
        if self.store.read(artifacts::count_pieces).await? >= MAX_PIECES {
            return Err(NotAccepted::Busy);
        }
        for (sum, body) in pieces {
            let keep = move |tx: &mut store::Tx<'_>| artifacts::put_piece(tx, &sum, &body, now);
            self.store.write(Durability::Lazy, keep).await?;
        }
        Ok(())
    }

    /// Puts an archive together, if all of it is there; says how far it has come.
    ///
    /// # Errors
    /// When there is too much to do, or the database is gone.
    pub async fn assemble(&self, mut upload: Upload) -> std::result::Result<State, NotAccepted> {
        upload.projects.sort_unstable();
        upload.projects.dedup();
        if let Some(state) = self.core.uploads.state(&upload) {
            return Ok(state);
        }
        let asked = upload.clone();
        let (is_there, missing) = self
            .store
            .read(move |tx| {
                let mut is_there = true;
                for project in &asked.projects {
                    is_there &= artifacts::same(tx, *project, &asked.checksum, &asked.release, &asked.build)?
                        .is_some();
                }
                let there = artifacts::pieces_there(tx, &asked.pieces)?;
                let lacks = |(place, _): &(usize, &String)| !there.contains(place);
                let missing = asked.pieces.iter().enumerate().filter(lacks).map(|(_, sum)| sum.clone());
                Ok((is_there, missing.collect::<Vec<_>>()))
            })
            .await?;
        if is_there {
            return Ok(State::Ok);
        }
        if !missing.is_empty() {
            return Ok(State::Missing(missing));
        }
        let now = self.clock.now();
        if !self.core.uploads.begin(&upload, now) {
            return Err(NotAccepted::Busy);
        }
        let (hub, told) = (self.clone(), upload.clone());
        let job = self.spawned(async move { hub.unpack(told).await });
        match tokio::time::timeout(PATIENCE, job).await {
            Ok(Ok(None)) => Ok(State::Ok),
            Ok(Ok(Some(why))) => {
                // it is told now
                self.core.uploads.state(&upload);
                Ok(State::Error(why))
            }
            Ok(Err(_)) | Err(_) => Ok(State::Assembling),
        }
    }

    /// Makes bundles of an archive; returns why not.
    async fn unpack(self, upload: Upload) -> Option<String> {
        let (core, store, now) = (self.core.clone(), self.store.clone(), self.clock.now());
        let _place = self.core.uploads.place().await;
        let (handle, told) = (Handle::current(), upload.clone());
        let work = tokio::task::spawn_blocking(move || Unpacking { core, store, handle, now }.run(&told));
        let failed = match work.await {
            Ok(Ok(())) => None,
            Ok(Err(Failed::Refused(refusal))) => Some(refusal.detail),
            Ok(Err(Failed::Store(error))) => {
                tracing::warn!(%error, "an upload could not be kept");
                Some(format!("the database: {error}"))
            }
            Err(_) => Some("a bug of this server: please report it".to_owned()),
        };
        self.core.maps.forget_files();
        self.core.uploads.end(&upload, failed.clone(), self.clock.now());
        failed
    }

    /// Something that was uploaded is gone: what was found in it is not looked for there again.
    pub fn forget_maps(&self) {
        self.core.maps.forget_files();
    }

    /// Retires what nobody needs of a project's bundles.
    pub(crate) async fn trim_bundles(&self, project: i64, unused_since: Time) -> Result<()> {
        let trim = move |tx: &mut store::Tx<'_>| {
            artifacts::trim(tx, project, unused_since, (MAX_BUNDLES, MAX_BYTES))
        };
        self.store.write(Durability::Lazy, trim).await.map(drop)
    }

    /// Forgets pieces that nobody put together, and bundles that are to be forgotten or were left halfway.
    pub(crate) async fn sweep_uploads(&self, now: Time) -> Result<()> {
        let before = now - PIECES_WAIT;
        let pieces = move |tx: &mut store::Tx<'_>| artifacts::sweep_pieces(tx, before, SWEEP_STEP);
        while self.store.write(Durability::Lazy, pieces).await? > 0 {}
        let bundles = move |tx: &mut store::Tx<'_>| artifacts::sweep(tx, before);
        while self.store.write(Durability::Lazy, bundles).await? > 0 {}
        Ok(())
    }
}

/// Why an archive was not taken in.
enum Failed {
    /// It is not what it has to be.
    Refused(Refusal),
    /// The database is gone or full.
    Store(StoreError),
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Failed::Refused(refusal)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Failed::Store(error)
    }
}

/// The work on an archive, on a thread that may wait.
struct Unpacking {
    core: Arc<Core>,
    store: Store,
    handle: Handle,
    now: Time,
}

impl Unpacking {
    fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        write: impl FnOnce(&mut store::Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.handle.block_on(self.store.write(durability, write))
    }

    fn run(&self, upload: &Upload) -> std::result::Result<(), Failed> {
        let pieces = Pieces::open(self, upload)?;
        for project in &upload.projects {
            let mut archive = bundle::Bundle::open(io::BufReader::new(pieces.again()))?;
            self.keep(*project, upload, &mut archive)?;
        }
        let done = upload.pieces.clone();
        self.write(Durability::Lazy, move |tx| artifacts::forget_pieces(tx, &done))?;
        Ok(())
    }

    /// Keeps an archive for a project.
    fn keep<R: Read + Seek>(
        &self,
        project: i64,
        upload: &Upload,
        archive: &mut bundle::Bundle<R>,
    ) -> std::result::Result<(), Failed> {
        let row = Bundle {
            id: self.core.id(self.now),
            project,
            checksum: upload.checksum.clone(),
            release: upload.release.clone(),
            build: upload.build.clone(),
            files: 0,
            bytes: 0,
            used_at: self.now,
        };
        let id = row.id;
        let kept = self.keep_files(row, archive);
        if kept.is_err() {
            self.write(Durability::Lazy, move |tx| artifacts::retire(tx, id))?;
        }
        kept
    }

    fn keep_files<R: Read + Seek>(
        &self,
        mut row: Bundle,
        archive: &mut bundle::Bundle<R>,
    ) -> std::result::Result<(), Failed> {
        let of = |it: &BuiltFile| File {
            id: self.core.id(self.now),
            bundle: row.id,
            project: row.project,
            release: row.release.clone(),
            build: row.build.clone(),
            url: it.url.clone(),
            debug_id: it.debug_id.clone().unwrap_or_default(),
            source_map: it.source_map.clone().unwrap_or_default(),
            is_map: it.kind == FileKind::Map,
        };
        let files: Vec<File> = archive.files().map(of).collect();
        if !files.iter().any(|it| it.is_map) {
            let why = "the archive has no source maps: let the bundler write them, and upload them with what is built";
            return Err(Refusal::malformed(why).into());
        }
        let begun = row.clone();
        self.write(Durability::Lazy, move |tx| artifacts::begin(tx, &begun))?;
        for some in files.chunks(FILES_AT_ONCE) {
            let some = some.to_vec();
            self.write(Durability::Lazy, move |tx| artifacts::insert_files(tx, &some))?;
        }
        for (place, file) in files.iter().enumerate().filter(|(_, it)| it.is_map) {
            let body = packed(&archive.read(place)?)?;
            row.files += 1;
            row.bytes += body.len() as i64;
            for (part, some) in body.chunks(PART_BYTES).enumerate() {
                let (id, some) = (file.id, some.to_vec());
                self.write(Durability::Lazy, move |tx| artifacts::insert_part(tx, id, part as i64, &some))?;
            }
        }
        let now = self.now;
        self.write(Durability::Disk, move |tx| {
            if !row.release.is_empty() {
                store::errors::note_seen(tx, &[(row.project, "release", &row.release, 0)], now)?;
            }
            artifacts::finish(tx, &row)
        })?;
        Ok(())
    }
}

/// An archive as its pieces lie in rows: one of them is held at a time.
struct Pieces {
    store: Store,
    handle: Handle,
    sums: Arc<[String]>,
    /// where each ends
    ends: Arc<[u64]>,
    at: u64,
    held: Option<(usize, Vec<u8>)>,
}

impl Pieces {
    /// Makes sure that the pieces are what they are said to be together.
    fn open(by: &Unpacking, upload: &Upload) -> std::result::Result<Self, Failed> {
        let (mut sum, mut ends, mut end) = (Sum::default(), Vec::new(), 0u64);
        for piece in &upload.pieces {
            let body = load(&by.store, &by.handle, piece)?;
            let gone = || Refusal::malformed(format!("the piece {piece} is gone: upload again"));
            let body = body.ok_or_else(gone)?;
            sum.add(&body);
            end += body.len() as u64;
            ends.push(end);
        }
        let sum = sum.text();
        if sum != upload.checksum {
            let why = format!("the pieces together have the checksum {sum} and not {}", upload.checksum);
            return Err(Refusal::malformed(why).into());
        }
        let (store, handle) = (by.store.clone(), by.handle.clone());
        let sums = upload.pieces.clone().into();
        Ok(Pieces { store, handle, sums, ends: ends.into(), at: 0, held: None })
    }

    /// The same, from its beginning.
    fn again(&self) -> Self {
        let (store, handle) = (self.store.clone(), self.handle.clone());
        Pieces { store, handle, sums: self.sums.clone(), ends: self.ends.clone(), at: 0, held: None }
    }
}

fn load(store: &Store, handle: &Handle, sum: &str) -> Result<Option<Vec<u8>>> {
    let sum = sum.to_owned();
    handle.block_on(store.read(move |tx| artifacts::piece(tx, &sum)))
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let place = self.ends.partition_point(|end| *end <= self.at);
        let Some(sum) = self.sums.get(place) else { return Ok(0) };
        if self.held.as_ref().is_none_or(|(held, _)| *held != place) {
            let body = load(&self.store, &self.handle, sum).map_err(io::Error::other)?;
            self.held = Some((place, body.ok_or_else(|| io::Error::other("a piece of the upload is gone"))?));
        }
        let Some((_, body)) = &self.held else { return Ok(0) };
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        let from = usize::try_from(self.at - begin).unwrap_or(usize::MAX);
        let some = body.get(from..).unwrap_or_default();
        let count = some.len().min(into.len());
        into[..count].copy_from_slice(&some[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Pieces {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let length = self.ends.last().copied().unwrap_or(0);
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "before the beginning"))?;
        Ok(self.at)
    }
}
