//! What the host is asked: method names.

/// Something for the log.
pub const LOG: &str = "log";
/// How the plugin is, unasked.
pub const STATUS: &str = "status";
/// Something happened.
pub const EMIT: &str = "emit";
/// What is known of an incident.
pub const INCIDENT_GET: &str = "incident.get";
/// Something is to be done about one.
pub const INCIDENT_ACT: &str = "incident.act";
/// A value that was kept.
pub const KV_GET: &str = "kv.get";
/// A value to be kept.
pub const KV_SET: &str = "kv.set";
/// One to be forgotten.
pub const KV_DELETE: &str = "kv.delete";
/// Which there are.
pub const KV_LIST: &str = "kv.list";
/// What a person, or a project, has set for this plugin.
pub const SETTINGS_GET: &str = "settings.get";
/// A mail by the hub's own account.
pub const MAIL: &str = "mail";
/// A request over HTTP through the host.
pub const FETCH: &str = "fetch";
