//! Room to read expressions on. The template engine descends once more for each sign of a long expression,
//! and the stack of an ordinary thread ends long before our limits do: that would be the end of the hub.

/// Stack that the engine needs for each byte of a text, at the worst: for a run of `-`, and without
/// optimisation.
const STACK_PER_BYTE: usize = 4096;
/// Stack for everything else.
const STACK_AT_LEAST: usize = 1024 * 1024;
/// Bytes of a text that are no trouble on any stack. Hardly any expression has more.
const HARMLESS_BYTES: usize = 256;

/// Does what descends into a text of so many bytes where there is room for it.
///
/// # Errors
/// When the system has no room to give.
pub fn with_room<T: Send>(text_bytes: usize, work: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    if text_bytes <= HARMLESS_BYTES {
        return Ok(work());
    }
    // only what is used of it becomes real
    let size = STACK_AT_LEAST.saturating_add(text_bytes.saturating_mul(STACK_PER_BYTE));
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(size).spawn_scoped(scope, work)?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}
