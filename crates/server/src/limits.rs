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
/// Passwords that are hashed or compared at once: each takes 19 MiB and a processor.
pub const MAX_HASHES: usize = 2;
/// Passwords that are worked on or wait for it; more are turned away.
pub const MAX_HASHES_WAITING: usize = 64;
/// Random bytes that a password is salted with.
pub const SALT_BYTES: usize = 16;
/// Characters that a password must have: what guessing by the rates below does not get at.
pub const MIN_PASSWORD_CHARS: usize = 12;
/// Bytes that a password may have.
pub const MAX_PASSWORD_BYTES: usize = 1024;
/// The time within which tries come back.
pub const TRIES_WITHIN: Duration = Duration::from_secs(60);
/// Logins and accepted invitations from one address (of version six: one network of 64 bits) within that time.
pub const LOGINS_BY_ADDRESS: u32 = 30;
/// Logins under one name that fail within that time.
pub const LOGINS_BY_NAME: u32 = 10;
/// Codes that one user has sent to destinations within that time: nobody is to guess them, or to fill others'
/// mailboxes.
pub const CODES_BY_USER: u32 = 6;
/// Tokens that are made from one address within that time.
pub const TOKENS_BY_ADDRESS: u32 = 120;
/// Addresses and names whose tries are remembered one by one; beyond, they share.
pub const MAX_TRIES_REMEMBERED: usize = 10_000;
/// Random bytes of a session's, an invitation's and a login's secret.
pub const SECRET_BYTES: usize = 32;
/// How long a session lasts at the most.
pub const SESSION_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// How long a session lasts that nobody uses.
pub const SESSION_IDLE: Duration = Duration::from_secs(7 * 86_400);
/// Sessions that a user may have; beyond, the oldest end.
pub const MAX_SESSIONS: usize = 20;
/// How exactly it is known when somebody was last seen.
pub const SEEN_EVERY: Duration = Duration::from_secs(60);
/// How long an invitation is good, if nobody says otherwise.
pub const INVITATION_LIFE: Duration = Duration::from_secs(7 * 86_400);
/// How long an invitation is good at the most.
pub const MAX_INVITATION_LIFE: Duration = Duration::from_secs(90 * 86_400);
/// Invitations that a list shows.
pub const MAX_INVITATIONS: i64 = 500;
/// Users that there may be.
pub const MAX_USERS: i64 = 100_000;
/// Projects that there may be.
pub const MAX_PROJECTS: i64 = 100_000;
/// Keys that a project may have, those that were revoked among them.
pub const MAX_KEYS_OF_PROJECT: usize = 100;
/// Tokens that a user may have that are good.
pub const MAX_TOKENS_OF_USER: usize = 100;
/// Logins by a provider of identities that are under way at once.
pub const MAX_LOGINS_UNDER_WAY: i64 = 1000;
/// How long such a login may take.
pub const OIDC_LOGIN_TIME: Duration = Duration::from_secs(600);
/// How long a provider of identities may take to answer.
pub const OIDC_TIMEOUT: Duration = Duration::from_secs(10);
/// How long is gone by what a provider said of itself, its keys among it.
pub const OIDC_PROVIDER_MEMORY: Duration = Duration::from_secs(3600);
/// How soon it is asked again when a signature does not hold: its keys may be new.
pub const OIDC_KEYS_EVERY: Duration = Duration::from_secs(30);
/// How much the clocks of a provider and this hub may differ.
pub const OIDC_CLOCK_SKEW: Duration = Duration::from_secs(60);
/// Bytes of a form that somebody fills in.
pub const MAX_FORM_BYTES: usize = 16 * 1024;
/// Characters kept of what a browser calls itself.
pub const MAX_AGENT_CHARS: usize = 200;
/// Links to calendars that a user may have.
pub const MAX_LINKS_OF_USER: i64 = 50;
/// Links to calendars that there may be.
pub const MAX_CALENDAR_LINKS: i64 = 10_000;
/// Days of a schedule that are shown at once.
pub const MAX_SHOWN_DAYS: u64 = 100;
/// Shifts that are shown at once, those of all layers among them.
pub const MAX_SHOWN_SHIFTS: usize = 10_000;
/// Days that a calendar link shows: before today, and from then on.
pub const FEED_DAYS: (u64, u64) = (30, 180);
/// Entries that a calendar link shows.
pub const MAX_FEED_ENTRIES: usize = 5000;
