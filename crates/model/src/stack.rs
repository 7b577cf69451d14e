//! Where expressions of the template engine are read, so that none of them is the end of the hub.
//!
//! The engine descends once more for each sign of a long expression, and the stack of an ordinary thread
//! ends long before our limits do. And it panics over some texts that it should refuse.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Stack that the engine needs for each byte of a text, at the worst: for a run of `-`, and without
/// optimisation.
const STACK_PER_BYTE: usize = 4096;
/// Stack for everything else.
const STACK_AT_LEAST: usize = 1024 * 1024;
/// Bytes of a text that are no trouble on any stack. Hardly any expression has more.
const HARMLESS_BYTES: usize = 256;

/// Reads a text of so many bytes where there is room for it.
///
/// # Errors
/// In words, when there is no room, or when reading it panics. What it was to make is lost then.
pub fn with_room<T: Send>(text_bytes: usize, read: impl FnOnce() -> T + Send) -> Result<T, String> {
    let read = || catch_unwind(AssertUnwindSafe(read)).map_err(|_| "the engine fails on it".to_owned());
    if text_bytes <= HARMLESS_BYTES {
        return read();
    }
    // only what is used of it becomes real
    let size = STACK_AT_LEAST.saturating_add(text_bytes.saturating_mul(STACK_PER_BYTE));
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(size).spawn_scoped(scope, read);
        let thread = thread.map_err(|error| format!("there is no room to read it: {error}"))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
