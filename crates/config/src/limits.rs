//! Every limit of reading a configuration, with its reason.

/// Bytes of a configuration file. The largest that we know of, for thousands of teams, has half of it.
pub const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a file that holds one secret. A certificate chain with its key fits.
pub const MAX_SECRET_BYTES: u64 = 64 * 1024;
/// Bytes of a file of templates. The largest that we know of has a tenth of it.
pub const MAX_TEMPLATE_BYTES: u64 = 1024 * 1024;
/// Files of templates altogether.
pub const MAX_TEMPLATE_FILES: usize = 256;
/// How deep values may be nested: twice the depth of the routing tree (a list and a table each), and some.
pub const MAX_NESTING: usize = 160;
/// Values of a YAML file after its aliases are followed: what keeps "a billion laughs" from being laughed.
pub const MAX_YAML_VALUES: usize = 500_000;
/// Bytes of all overrides together: what one would rather write into a file.
pub const MAX_OVERRIDE_BYTES: usize = 256 * 1024;
/// Problems that are told at once; who has more has other worries.
pub const MAX_PROBLEMS: usize = 100;
/// Messages under way to one destination at once, as configured.
pub const MAX_CONCURRENCY: usize = 1024;
/// Bytes that are read of a file with a time zone; the largest have a few thousand.
pub(crate) const MAX_ZONE_BYTES: u64 = 64 * 1024;
