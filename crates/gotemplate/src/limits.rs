//! What a template may take, at the most.

/// Bytes of one file or text as written.
pub const MAX_SOURCE_BYTES: usize = 1024 * 1024;
/// How deep blocks and parentheses may nest as written.
pub const MAX_NESTING: usize = 64;
/// Bytes of one text that a function makes.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;
/// Items of one list or map that a function makes.
pub const MAX_ITEMS: usize = 100_000;
/// How deep lists and maps may lie in each other.
pub const MAX_VALUE_DEPTH: usize = 32;
/// The largest width or precision of `printf`; Go takes a thousand times as much.
pub const MAX_WIDTH: usize = 10_000;
/// Bytes that a regular expression may take, compiled.
pub const MAX_REGEX_BYTES: usize = 1024 * 1024;
/// Compiled regular expressions that are kept for the next time.
pub const MAX_KEPT_REGEXES: usize = 256;
/// Named templates that one text may come to when each is escaped for every place that it is used in.
pub const MAX_ESCAPED_TEMPLATES: usize = 1000;
/// Nodes that are looked at while escaping, over all templates and tries.
pub const MAX_ESCAPE_STEPS: usize = 200_000;

/// What one rendering may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nodes evaluated, and work of functions, roughly a microsecond for some hundreds.
    pub steps: u64,
    /// How deep templates, blocks and parentheses may run within each other.
    pub depth: usize,
    /// Bytes written.
    pub output_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { steps: 2_000_000, depth: 160, output_bytes: 1024 * 1024 }
    }
}
