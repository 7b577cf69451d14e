//! Errors of one sum say nearly the same, so each is compressed against the first of them: some hundred bytes instead
//! of some thousand.
//!
//! What is compressed against is a row of its own, a *base*, written in the transaction of the first error that refers
//! to it. Nodes remember some of them, for an hour at the most, so that all come to the same one.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Id, Time};
use store::errors::BaseRow;
use store::{Result, StoreError, Tx};
use zstd::zstd_safe::{CCtx, CDict, DCtx, SafeResult, compress_bound, get_error_name};

use super::lately::Lately;

/// How hard it tries: the fastest level, since what repeats is long.
const LEVEL: i32 = 1;
/// Bases that are remembered: each takes some dozens of kilobytes.
const MAX_REMEMBERED: usize = 64;
/// How long one is remembered. Retention counts on this: it forgets a base some time after there is a newer one.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// Bytes that a text may have when it is read again: more than a door lets in.
const MAX_TEXT_BYTES: usize = 16 << 20;
/// Against a base that helps so little a new one is made: the errors of this sum have changed.
const POOR_PERCENT: usize = 30;

/// Errors that are worked on at once beside the database; more wait for their turn. Of one turn nobody could have half.
pub fn most_at_once() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get).max(2)
}

/// What errors of one sum are compressed against.
pub struct Base {
    id: Id,
    content: Mutex<Content>,
    at: Time,
}

/// Preparing a text takes longer than compressing against it once, and pays from the second time on. Where many sums
/// come once each, most bases are forgotten before that.
#[derive(Clone)]
enum Content {
    Text { text: Arc<[u8]>, is_used: bool },
    Prepared(Arc<CDict<'static>>),
}

impl Base {
    fn new(id: Id, text: Vec<u8>, at: Time) -> Self {
        Base { id, content: Mutex::new(Content::Text { text: text.into(), is_used: false }), at }
    }

    fn content(&self) -> Content {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *content {
            Content::Text { is_used, .. } if !*is_used => *is_used = true,
            Content::Text { text, .. } => {
                if let Some(prepared) = CDict::try_create(text, LEVEL) {
                    *content = Content::Prepared(Arc::new(prepared));
                }
            }
            Content::Prepared(_) => {}
        }
        content.clone()
    }
}

/// A text, compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The bytes.
    pub body: Vec<u8>,
    /// The base that they need.
    pub base: Option<Id>,
    /// That base, where it is new.
    pub new_base: Option<BaseRow>,
}

/// The bases that this node remembers.
pub struct Packer(Mutex<Lately<(i64, String), Arc<Base>>>);

impl Default for Packer {
    fn default() -> Self {
        Packer(Mutex::new(Lately::new(MAX_REMEMBERED)))
    }
}

impl Packer {
    fn bases(&self) -> MutexGuard<'_, Lately<(i64, String), Arc<Base>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The base for errors of this sum, if it is remembered.
    pub fn remembered(&self, project: i64, hash: &str, now: Time) -> Option<Arc<Base>> {
        let key = (project, hash.to_owned());
        let mut bases = self.bases();
        let base = bases.get(&key)?;
        if base.at + REMEMBERED <= now || now < base.at {
            bases.forget(&key);
            return None;
        }
        Some(base)
    }

    /// Remembers a base, in the place of the one that was not used for the longest time.
    pub fn remember(&self, row: &BaseRow, now: Time) -> Result<Arc<Base>> {
        let base = Arc::new(Base::new(row.id, unpacked(&row.body, None, MAX_TEXT_BYTES)?, now));
        self.bases().put((row.project, row.hash.clone()), base.clone(), 1);
        Ok(base)
    }
}

fn refused(why: &str) -> StoreError {
    StoreError::Refused(format!("compressing an error: {why}"))
}

thread_local! {
    static COMPRESSING: RefCell<CCtx<'static>> = RefCell::new(CCtx::create());
    static READING: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

/// Compresses a text against a base; without one, or when that helps too little, the text becomes a base itself, under
/// the id that `fresh` makes.
///
/// # Errors
/// When there is no memory for it.
pub fn pack(
    text: &[u8],
    base: Option<&Base>,
    (project, hash): (i64, &str),
    fresh: impl FnOnce() -> Id,
) -> Result<Packed> {
    if let Some(base) = base {
        let body = against(text, &base.content())?;
        if body.len() * 100 <= text.len() * POOR_PERCENT {
            return Ok(Packed { body, base: Some(base.id), new_base: None });
        }
    }
    let id = fresh();
    let whole = packed(text)?;
    let body = compressed(text, |context, body| context.compress_using_dict(body, text, text, LEVEL))?;
    let new_base = BaseRow { id, project, hash: hash.to_owned(), body: whole };
    Ok(Packed { body, base: Some(id), new_base: Some(new_base) })
}

fn against(text: &[u8], base: &Content) -> Result<Vec<u8>> {
    compressed(text, |context, body| match base {
        Content::Text { text: base, .. } => context.compress_using_dict(body, text, base, LEVEL),
        Content::Prepared(base) => context.compress_using_cdict(body, text, base),
    })
}

/// A text compressed by itself.
///
/// # Errors
/// When there is no memory for it.
pub fn packed(text: &[u8]) -> Result<Vec<u8>> {
    compressed(text, |context, body| context.compress(body, text, LEVEL + 2))
}

fn compressed(
    text: &[u8],
    how: impl FnOnce(&mut CCtx<'static>, &mut Vec<u8>) -> SafeResult,
) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(compress_bound(text.len()));
    let done = COMPRESSING.with_borrow_mut(|context| how(context, &mut body));
    done.map_err(|code| refused(get_error_name(code)))?;
    body.shrink_to_fit();
    Ok(body)
}

/// A text as it was, which had `most` bytes at the most.
///
/// # Errors
/// When the bytes are not what was written.
pub fn unpacked(body: &[u8], base: Option<&[u8]>, most: usize) -> Result<Vec<u8>> {
    let bad = |why: &str| StoreError::BadRow(format!("what is compressed cannot be read: {why}"));
    let size = zstd::zstd_safe::get_frame_content_size(body).ok().flatten();
    let size = size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= most);
    let size = size.ok_or_else(|| bad("its size makes no sense"))?;
    let mut text = Vec::with_capacity(size);
    let read = READING.with_borrow_mut(|context| match base {
        Some(base) => context.decompress_using_dict(&mut text, body, base),
        None => context.decompress(&mut text, body),
    });
    read.map_err(|code| bad(get_error_name(code)))?;
    Ok(text)
}

/// Reads the event of a row.
///
/// # Errors
/// When the database is gone, or the row cannot be read.
pub fn event_of(tx: &mut Tx<'_>, row: &store::errors::EventRow) -> Result<tracker::Event> {
    let base = row.base.map(|id| {
        let found = store::errors::base_of(tx, id)?;
        unpacked(
            &found.ok_or_else(|| StoreError::BadRow(format!("base {id} of error {}", row.id)))?,
            None,
            MAX_TEXT_BYTES,
        )
    });
    let text = unpacked(&row.body, base.transpose()?.as_deref(), MAX_TEXT_BYTES)?;
    serde_json::from_slice(&text).map_err(|error| StoreError::BadRow(format!("error {}: {error}", row.id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(n: usize) -> Vec<u8> {
        let frames: String =
            (0..200).map(|it| format!("frame {it} of {} calls {}; ", it * 7919 % 1013, it * 31)).collect();
        format!("{{\"event_id\":\"{n:032x}\",\"frames\":\"{frames}\"}}").into_bytes()
    }

    #[test]
    fn what_repeats_costs_nearly_nothing_and_comes_back_as_it_was() {
        let packer = Packer::default();
        let now = Time::from_seconds(1_790_000_000);
        let first = pack(&text(1), None, (1, "aa"), || Id(7)).unwrap();
        let base = first.new_base.clone().unwrap();
        assert_eq!((first.base, base.id), (Some(Id(7)), Id(7)));
        packer.remember(&base, now).unwrap();
        let known = packer.remembered(1, "aa", now).unwrap();
        let second = pack(&text(2), Some(&known), (1, "aa"), || Id(8)).unwrap();
        assert_eq!((second.base, &second.new_base), (Some(Id(7)), &None));
        assert!(second.body.len() < 100, "{}", second.body.len());
        let third = pack(&text(3), Some(&known), (1, "aa"), || Id(8)).unwrap();
        assert!(third.body.len() < 100, "{}", third.body.len());
        assert!(matches!(known.content(), Content::Prepared(_)));
        let whole = unpacked(&base.body, None, MAX_TEXT_BYTES).unwrap();
        assert_eq!(unpacked(&second.body, Some(&whole), MAX_TEXT_BYTES).unwrap(), text(2));
        assert_eq!(unpacked(&third.body, Some(&whole), MAX_TEXT_BYTES).unwrap(), text(3));
        assert_eq!(unpacked(&first.body, Some(&whole), MAX_TEXT_BYTES).unwrap(), text(1));
        // another text under the same sum is a base of its own
        let other: Vec<u8> = (0..3000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert_eq!(pack(&other, Some(&known), (1, "aa"), || Id(9)).unwrap().base, Some(Id(9)));
        assert!(packer.remembered(1, "aa", now + REMEMBERED).is_none());
        assert!(unpacked(b"nonsense", None, MAX_TEXT_BYTES).is_err());
    }
}
