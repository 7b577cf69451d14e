//! Every limit of the server that is not an operator's to change, with its reason.

use std::time::Duration;

/// Rows of one page of a list, when the request names no number.
pub const PAGE: usize = 50;
/// Rows of one page of a list at the most.
pub const MAX_PAGE: usize = 500;
/// Rows that one page of a list looks at when a filter leaves most of them out: what stays well within
/// 50 ms. The answer then says where to go on.
pub const MAX_SCAN: i64 = 4000;
/// Bytes of a name, a comment, an address or another short text.
pub const MAX_TEXT_BYTES: usize = 4096;
/// Bytes of an `Idempotency-Key`.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 200;
/// Errors of one request that are listed; the rest are counted.
pub const MAX_ERRORS: usize = 100;
/// Incidents that a preview of a silence lists; the rest are counted.
pub const MAX_PREVIEW: usize = 100;
/// Listeners to live changes at once.
pub const MAX_LISTENERS: usize = 256;
/// How far in the future something may have begun: clocks differ, but not by more than a day.
pub const MAX_AHEAD: Duration = Duration::from_secs(86_400);
/// How long a good token is remembered without asking the database: a token that was revoked on another
/// node works for that long here.
pub const TOKEN_MEMORY: Duration = Duration::from_secs(5);
/// Tokens that are remembered at once.
pub const MAX_TOKENS_REMEMBERED: usize = 10_000;
/// Tokens that are made to begin with: random bytes, well above the 160 bits that guessing must face.
pub const TOKEN_BYTES: usize = 24;
/// How often a live connection carries a sign of life.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Bytes of a request's head.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Header lines of a request.
pub const MAX_HEADERS: usize = 100;
/// Seconds after which a sender that was turned away may come again.
pub const RETRY_AFTER_SECONDS: u32 = 1;
/// How often the log says at the most that requests were refused for want of a token.
pub const REFUSALS_EVERY: Duration = Duration::from_secs(60);
/// Characters of the reason that such a line shows: it repeats what the request said.
pub const MAX_REFUSAL_CHARS: usize = 400;
/// Bytes of a request that is handed to a plugin: it must fit into one line, in base64.
pub const MAX_PLUGIN_BODY_BYTES: usize = 512 * 1024;
/// Bytes of an answer of the API that a plugin gets.
pub const MAX_PLUGIN_ANSWER_BYTES: usize = 512 * 1024;
/// How long a service test may take.
pub const SERVICE_TEST_TIME: Duration = Duration::from_secs(15);
/// Configurations that the history lists.
pub const MAX_HISTORY: i64 = 200;
