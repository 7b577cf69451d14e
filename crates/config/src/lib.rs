//! The configuration: `nightbell.toml`, `alertmanager.yml` and the environment, read into one checked
//! [`Config`].
//!
//! The way of a file, which is the order of [`load`]'s steps:
//!
//! 1. A text becomes a tree in which every value knows line and column. An `alertmanager.yml` is translated
//!    into the very tree that a `nightbell.toml` of the same meaning has.
//! 2. Environment variables are laid over it, and then what was overridden while the hub ran.
//! 3. Keys that the [`schema`] does not know are told of. The schema is made of our sections and of what
//!    the kinds in the registry say of themselves.
//! 4. Secrets are put in where the schema says that one stands.
//! 5. Sections, receivers and routes are read and checked, the settings of each kind by that kind.
//!
//! All that is wrong is told at once, with file, line and column.
//!
//! *Architecture Invariant:* nothing here reads the environment or a clock, and nothing is read but the
//! file and the files that it names. A configuration is had whole or not at all.

mod alertmanager;
mod answers;
mod checks;
mod defaults;
mod entries;
mod error;
mod from_toml;
mod import;
pub mod limits;
mod load;
mod look_ahead;
mod nearest;
mod node;
mod oidc;
mod overlay;
pub mod overrides;
mod path;
mod places;
mod plugins;
mod problem;
mod read;
mod rules;
mod schema;
mod secrets;
mod sections;
mod show;
mod storms;
mod templates;
mod unknown;
mod yaml;
mod zone;

pub use answers::{Answers, ImapTls, MailAnswers, SlackAnswers, TelegramAnswers};
pub use checks::Check;
pub use defaults::Defaults;
pub use entries::is_manner;
pub use error::{ConfigError, Invalid};
pub use import::{Imported, import_alertmanager};
pub use load::{
    Config, Format, Source, check, load, load_kept, load_overridden, load_rules, load_text, read_file,
};
pub use look_ahead::{PluginPlaces, plugins_of};
pub use nearest::hint;
pub use oidc::Oidc;
pub use overrides::Overrides;
pub use places::Integration;
pub use plugins::Plugins;
pub use problem::{Level, Origin, Problem};
pub use rules::kept_intervals;
pub use schema::schema;
pub use sections::{Database, Limits, Log, LogFormat, Retention, SelfWatch, Server, TraceEncoding, Traces};
pub use show::ShowAs;

/// A full example of `nightbell.toml` with comments, for `config init` and the guide.
pub const EXAMPLE: &str = include_str!("../../../docs/nightbell.example.toml");
