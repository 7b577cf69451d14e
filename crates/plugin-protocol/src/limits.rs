//! Every limit of the contract by its name.

use std::time::Duration;

/// Bytes of one message with the end of its line.
pub const MAX_LINE_BYTES: usize = 1024 * 1024;
/// Bytes of what one message is about: what is around it takes the rest.
pub const MAX_PAYLOAD_BYTES: usize = MAX_LINE_BYTES - 4096;
/// Bytes of an id of a request that is a text.
pub const MAX_RPC_ID_BYTES: usize = 128;
/// Lines that are no messages, after which a plugin is taken for broken.
pub const MAX_GARBAGE_LINES: u32 = 3;
/// How long a plugin may leave something unread.
pub const MAX_UNREAD: Duration = Duration::from_secs(5);
/// Deliveries in flight, unless the plugin says otherwise.
pub const CONCURRENCY: u32 = 8;
/// Deliveries in flight that a plugin may ask for.
pub const MAX_CONCURRENCY: u32 = 64;
/// Deliveries or events in one call that a plugin may ask for.
pub const MAX_BATCH: u32 = 512;
/// Other things that the host asks at once.
pub const MAX_HOST_CALLS: usize = 32;
/// Things that plugins do that may lead to each other, one after the other.
pub const MAX_CHAIN: u32 = 8;
/// Requests of a plugin that may be under way.
pub const MAX_GUEST_CALLS: usize = 64;
/// How long a plugin may take to start and say hello.
pub const START_TIME: Duration = Duration::from_secs(10);
/// How long its `start` may take.
pub const BEGIN_TIME: Duration = Duration::from_secs(30);
/// How long a call may take that names no time of its own.
pub const CALL_TIME: Duration = Duration::from_secs(10);
/// The longest time that a plugin may ask for.
pub const MAX_CALL_TIME: Duration = Duration::from_secs(300);
/// How long `configure` and `validate` may take.
pub const CONFIGURE_TIME: Duration = Duration::from_secs(5);
/// How long `test` may take.
pub const TEST_TIME: Duration = Duration::from_secs(15);
/// How long `ticket` may take.
pub const TICKET_TIME: Duration = Duration::from_secs(20);
/// How long a mail may take that a plugin sends by the hub's account.
pub const MAIL_TIME: Duration = Duration::from_secs(8);
/// Whom one such mail may go to.
pub const MAX_RECIPIENTS: usize = 100;
/// How long a batch of events may take.
pub const EVENTS_TIME: Duration = Duration::from_secs(30);
/// How long `health` may take.
pub const HEALTH_TIME: Duration = Duration::from_secs(3);
/// How long there is between two questions for health.
pub const HEALTH_EVERY: Duration = Duration::from_secs(15);
/// How long `drain` and `shutdown` may take, each.
pub const STOP_TIME: Duration = Duration::from_secs(5);
/// The exit status that means: what is wrong, only a person can mend (`EX_CONFIG` of sysexits.h).
pub const EXIT_MISCONFIGURED: i32 = 78;
/// Characters of a plugin's id and of a kind.
pub const MAX_ID_CHARS: usize = 63;
/// Characters of a version, a title, or a name.
pub const MAX_NAME_CHARS: usize = 128;
/// Characters of a description.
pub const MAX_ABOUT_CHARS: usize = 4096;
/// Bytes of a manifest, and of a file with a schema.
pub const MAX_MANIFEST_BYTES: usize = 256 * 1024;
/// Things of one sort that a plugin may provide.
pub const MAX_PROVIDED: usize = 256;
/// Lines a second that a plugin may write into its log.
pub const LOG_RATE: u32 = 200;
/// Bytes of memory, unless the plugin says otherwise.
pub const MEMORY_BYTES: u64 = 1024 * 1024 * 1024;
/// Bytes of memory of each instance of a component, unless the plugin says otherwise.
pub const COMPONENT_MEMORY_BYTES: u64 = 64 * 1024 * 1024;
/// Open files, unless the plugin says otherwise.
pub const OPEN_FILES: u64 = 256;
/// Bytes of a value that a plugin keeps.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;
/// Bytes of the key of one.
pub const MAX_KEY_BYTES: usize = 128;
/// Values that a plugin keeps.
pub const MAX_KEYS: usize = 1_000;
