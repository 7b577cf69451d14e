//! Every limit of the model, with its name and its reason. Limits that an operator may change live in
//! the configuration; these are the ones that nothing sensible reaches.

/// Labels of one event. Prometheus' own default limit on a scraped series is lower.
pub const MAX_LABELS: usize = 256;
/// Bytes of a label name.
pub const MAX_LABEL_NAME_BYTES: usize = 1024;
/// Bytes of a label value or an annotation.
pub const MAX_LABEL_VALUE_BYTES: usize = 64 * 1024;
/// Bytes of an event's key, as a sender may choose it.
pub const MAX_KEY_BYTES: usize = 1024;
/// Bytes of a person's note.
pub const MAX_NOTE_BYTES: usize = 16 * 1024;
/// Bytes of a regular expression as written.
pub const MAX_REGEX_BYTES: usize = 16 * 1024;
/// Bytes that a compiled regular expression may take.
pub const MAX_REGEX_COMPILED_BYTES: usize = 4 * 1024 * 1024;
/// Matchers of one silence, route or rule.
pub const MAX_MATCHERS: usize = 256;
/// Depth of the routing tree.
pub const MAX_ROUTE_DEPTH: usize = 64;
/// Steps that a condition or template may take before it is stopped (minijinja's fuel).
pub const TEMPLATE_FUEL: u64 = 200_000;
/// Bytes of a condition as written.
pub const MAX_CONDITION_BYTES: usize = 16 * 1024;
/// Alerts that one notification carries for people, and for templates to be run over; the rest are counted in its
/// `truncated`.
pub const MAX_ALERTS_PER_NOTIFICATION: usize = 1000;
/// Alerts that one notification carries for programs that take them as data, as Alertmanager's webhooks do.
pub const MAX_ALERTS_AS_DATA: usize = 10_000;
/// Bytes of the texts of all alerts that one notification carries: labels, annotations, titles, links. It is kept
/// for each destination, and held in memory while it is sent.
pub const MAX_NOTIFICATION_TEXT_BYTES: usize = 16 * 1024 * 1024;
/// Bytes kept of what a receiver answered.
pub const MAX_ANSWER_BYTES: usize = 1024;
/// Bytes of the name of a user or team, as in Django.
pub const MAX_USER_NAME_BYTES: usize = 150;
/// Bytes of a full name, or of what a team is for.
pub const MAX_FULL_NAME_BYTES: usize = 500;
/// Bytes of an e-mail address (RFC 5321 leaves 254 for one).
pub const MAX_EMAIL_BYTES: usize = 254;
