//! Loading: from a file and the environment to a configuration, in the order in which things follow from
//! one another. Nothing is applied by halves: there is a configuration without errors or none.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use model::Rules;
use sdk::Registry;
use sdk::http::{Guard, Network};
use serde::de::DeserializeOwned;

use crate::answers::Answers;
use crate::checks::Check;
use crate::defaults::{self, Defaults};
use crate::entries::RouteEntry;
use crate::error::{ConfigError, Invalid};
use crate::limits::MAX_FILE_BYTES;
use crate::node::Node;
use crate::oidc::Oidc;
use crate::overrides::Overrides;
use crate::path::Path;
use crate::places::{Integration, Places};
use crate::plugins::Plugins;
use crate::problem::{Level, Origin, Problem, Problems};
use crate::read::read;
use crate::rules::{self, Known, Tree};
use crate::schema::{View, schema};
use crate::secrets::{self, Reading, Surroundings};
use crate::sections::{Database, Incidents, Limits, Log, Outbound, SelfWatch, Server, Traces};
use crate::show::{ShowAs, Shown};
use crate::storms::Storms;
use crate::{alertmanager, from_toml, overlay, templates, unknown, zone};

/// A checked configuration. No `Debug` output of it shows a secret.
#[derive(Clone, Debug)]
pub struct Config {
    /// How the hub is reached.
    pub server: Server,
    /// Where everything is remembered; `data_dir` with the configuration's folder before it.
    pub database: Database,
    /// Which addresses messages may be sent to.
    pub outbound: Guard,
    /// What the hub takes on at the most.
    pub limits: Limits,
    /// How the hub is watched, and watches itself.
    pub self_watch: SelfWatch,
    /// The provider of identities that people log in by.
    pub oidc: Oidc,
    /// Where people's answers to messages are heard.
    pub answers: Answers,
    /// Where traces go.
    pub traces: Traces,
    /// What settings of destinations may refer to: templates by name.
    pub templates: sdk::Surroundings,
    /// Plugins: which run, with which settings; `folder` with the configuration's folder before it.
    pub plugins: Plugins,
    /// What the hub writes about itself.
    pub log: Log,
    /// Ways in, by name.
    pub integrations: BTreeMap<String, Integration>,
    /// What plugins look at now and then, by name.
    pub checks: BTreeMap<String, Check>,
    /// What the flow goes by. [`Rules::check`] has nothing to say about it.
    pub rules: Rules,
    /// What destinations of a kind have that say nothing else, by kind. Secrets are in here in the clear.
    pub defaults: Defaults,
    /// Names of receivers, in the order of the file.
    pub receivers: Vec<String>,
    /// The `alertmanager.yml` as it was written, without its secrets, where that is what was read.
    pub alertmanager: Option<String>,
    /// What is probably not meant.
    pub warnings: Vec<Problem>,
    pub(crate) shown: Shown,
}

impl Config {
    /// Where a setting came from, by its path such as `self_watch.canary[0]`.
    pub fn origin_of(&self, path: &str) -> Origin {
        self.shown.origin_of(path)
    }

    /// Says what links begin with, and why, where that is put over the configuration. It is shown with it, but is
    /// no part of what the history keeps.
    pub fn set_links(&mut self, url: &str, why: &'static str) {
        self.shown.set_links(url, why);
    }

    /// The effective configuration: file, environment and defaults, with where each value came from.
    /// Secrets are shown as `<secret>`, or as where they are kept.
    pub fn show(&self, form: ShowAs) -> String {
        self.shown.show(form)
    }
}

/// In which form a configuration is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `nightbell.toml`.
    Toml,
    /// `alertmanager.yml`.
    Alertmanager,
}

impl Format {
    /// By a file's name: `.yml` and `.yaml` are Alertmanager's.
    pub fn of(path: &FilePath) -> Self {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if matches!(extension, "yml" | "yaml") { Format::Alertmanager } else { Format::Toml }
    }
}

/// A configuration as text.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What the file is called in problems.
    pub name: &'a str,
    /// What is in it.
    pub text: &'a str,
    /// The folder that relative paths in it begin at.
    pub directory: &'a FilePath,
    /// How it is written.
    pub format: Format,
}

/// Loads a file with the environment over it. The environment is whatever the caller says it is.
///
/// # Errors
/// When the file cannot be read or is wrong; then everything that is wrong with it is told.
pub fn load(
    path: &FilePath,
    environment: impl IntoIterator<Item = (String, String)>,
    registry: &Registry,
) -> Result<Config, ConfigError> {
    let name = path.display().to_string();
    let text = read_file(path)?;
    let directory = path.parent().unwrap_or(FilePath::new(""));
    let source = Source { name: &name, text: &text, directory, format: Format::of(path) };
    load_text(source, environment, registry)
}

/// The text of a configuration file.
///
/// # Errors
/// When it cannot be read, is too large or no text.
pub fn read_file(path: &FilePath) -> Result<String, ConfigError> {
    let name = || path.display().to_string();
    let unread = |source| ConfigError::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unread)?;
    let mut bytes = Vec::new();
    let limited = std::io::Read::take(file, MAX_FILE_BYTES as u64 + 1);
    std::io::Read::read_to_end(&mut { limited }, &mut bytes).map_err(unread)?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(ConfigError::TooLarge { name: name() });
    }
    String::from_utf8(bytes).map_err(|_| ConfigError::NotText { name: name() })
}

/// The same from a text.
///
/// # Errors
/// When it is wrong; then everything that is wrong with it is told.
pub fn load_text(
    source: Source<'_>,
    environment: impl IntoIterator<Item = (String, String)>,
    registry: &Registry,
) -> Result<Config, ConfigError> {
    load_overridden(source, environment, &Overrides::default(), registry)
}

/// The same with overrides over the environment.
///
/// # Errors
/// When file and overrides together are wrong; then everything that is wrong is told.
pub fn load_overridden(
    source: Source<'_>,
    environment: impl IntoIterator<Item = (String, String)>,
    overrides: &Overrides,
    registry: &Registry,
) -> Result<Config, ConfigError> {
    load_as(source, environment, overrides, registry, Reading::File)
}

/// A configuration from the history, as [`ShowAs::Kept`] wrote it. The environment is not laid over it again,
/// but asked for the secrets that it refers to.
///
/// # Errors
/// When it cannot be used any more: a secret is gone or was written out in the file, or a kind has changed.
pub fn load_kept(
    name: &str,
    text: &str,
    environment: impl IntoIterator<Item = (String, String)>,
    registry: &Registry,
) -> Result<Config, ConfigError> {
    let source = Source { name, text, directory: FilePath::new(""), format: Format::Toml };
    load_as(source, environment, &Overrides::default(), registry, Reading::Kept)
}

/// Only the rules of a text that may come from anybody: no environment, no secret and no file is read for it, so
/// its destinations cannot be sent to.
///
/// # Errors
/// When it is wrong; then everything that is wrong with it is told.
pub fn load_rules(source: Source<'_>, registry: &Registry) -> Result<Rules, ConfigError> {
    load_as(source, [], &Overrides::default(), registry, Reading::Rules).map(|config| config.rules)
}

fn load_as(
    source: Source<'_>,
    environment: impl IntoIterator<Item = (String, String)>,
    overrides: &Overrides,
    registry: &Registry,
    reading: Reading,
) -> Result<Config, ConfigError> {
    if source.text.len() > MAX_FILE_BYTES {
        return Err(ConfigError::TooLarge { name: source.name.to_owned() });
    }
    let directory = source.directory.to_owned();
    let among = Surroundings { directory, environment: environment.into_iter().collect(), reading };
    let mut problems = Problems::default();
    let config = assemble(source, &among, overrides, registry, &mut problems);
    let problems = problems.finish();
    match config {
        Some(config) if problems.iter().all(|problem| problem.level != Level::Error) => {
            Ok(Config { warnings: problems, ..config })
        }
        _ => Err(ConfigError::Invalid(Invalid(problems))),
    }
}

/// Everything that is wrong with a file, warnings included; nothing: it can be used as it is.
///
/// # Errors
/// When the file cannot be read at all.
pub fn check(
    path: &FilePath,
    environment: impl IntoIterator<Item = (String, String)>,
    registry: &Registry,
) -> Result<Vec<Problem>, ConfigError> {
    match load(path, environment, registry) {
        Ok(config) => Ok(config.warnings),
        Err(ConfigError::Invalid(Invalid(problems))) => Ok(problems),
        Err(other) => Err(other),
    }
}

/// The tree of a file, and of an `alertmanager.yml` what may be shown of it.
fn parse(source: Source<'_>, problems: &mut Problems) -> Option<(Node, Option<String>)> {
    match source.format {
        Format::Toml => Some((from_toml::parse(source.name, source.text, problems)?, None)),
        Format::Alertmanager => {
            let parsed = alertmanager::parse(source.name, source.text, problems)?;
            Some((parsed.root, Some(parsed.shown)))
        }
    }
}

/// Lays environment and overrides over a tree, takes out what nobody knows, and puts in what all of a kind have.
fn complete(
    root: &mut Node,
    view: &View,
    among: &Surroundings,
    overrides: &Overrides,
    registry: &Registry,
    problems: &mut Problems,
) {
    if among.reading == Reading::File {
        overlay::lay_over(root, view, &among.environment, problems);
    }
    overrides.lay_over(root, registry, problems);
    unknown::prune(root, view, &Path::default(), problems);
    defaults::put_in(root, problems);
}

fn assemble(
    source: Source<'_>,
    among: &Surroundings,
    overrides: &Overrides,
    registry: &Registry,
    problems: &mut Problems,
) -> Option<Config> {
    let (mut root, alertmanager) = parse(source, problems)?;
    let schema = schema(registry);
    let view = View::whole(&schema);
    complete(&mut root, &view, among, overrides, registry, problems);
    let mut shown = root.clone();
    secrets::redact(&mut shown, &view);
    let checked = among.reading != Reading::Rules;
    let failed = secrets::put_in(&mut root, &view, among, problems);
    let directory = checked.then_some(among.directory.as_path());
    let local = zone::local(&among.environment);
    let templates = templates::load(&root, directory, registry.built_in(), &local, problems);
    let mut places =
        Places { root: &root, registry, templates: &templates, failed: &failed, checked, problems };
    let receivers = places.receivers();
    let (integrations, checks) = (places.integrations(), places.checks());
    let mut sections = Sections { root: &root, failed: &failed, problems };
    let server: Option<Server> = sections.server();
    let database = sections.database(&among.directory);
    let (outbound, limits) = (sections.outbound(), sections.read("limits"));
    let incidents: Option<Incidents> = sections.read("incidents");
    let (self_watch, traces) = (sections.read("self_watch"), sections.read("traces"));
    let (oidc, answers): (Option<Oidc>, Option<Answers>) = (sections.read("oidc"), sections.read("answers"));
    let storm: Option<Storms> = sections.read("storm");
    let (plugins, log) = (sections.plugins(&among.directory), sections.read("log"));
    let intervals = rules::intervals(&root, &local, problems);
    let inhibitions = rules::inhibitions(&root, problems).into();
    let route = route(Known::of(&root), problems);
    let urgent = incidents.as_ref().map(|it| rules::urgent(&root, &it.urgent, problems));
    let (server, incidents, storm) = (server?, incidents?, storm?);
    let rules = Rules {
        root: route?,
        receivers,
        inhibitions,
        intervals,
        resolve_timeout: incidents.resolve_timeout,
        reopen_within: incidents.reopen_within,
        restart_grace: incidents.restart_grace,
        urgent: urgent.unwrap_or_default(),
        flapping: incidents.flapping.into(),
        storms: storm.into(),
        external_url: server.external_url.clone(),
    };
    // with something wrong in one part, what another refers to may only seem to be missing
    if problems.errors() == 0
        && let Err(bad) = rules.check()
    {
        problems.error(&root.origin, &Path::default(), bad.to_string());
    }
    let shown = Shown::new(shown, Arc::new(schema), among.directory.clone());
    let (database, limits, self_watch, traces, log) = (database?, limits?, self_watch?, traces?, log?);
    Some(Config {
        server,
        database,
        outbound: outbound?,
        limits,
        self_watch,
        oidc: oidc?,
        answers: answers?,
        traces,
        templates,
        plugins: plugins?,
        log,
        integrations,
        checks,
        rules,
        defaults: Defaults::of(&root),
        receivers: root.names("receivers").map(str::to_owned).collect(),
        alertmanager,
        warnings: Vec::new(),
        shown,
    })
}

fn route(known: Known<'_>, problems: &mut Problems) -> Option<model::Route> {
    let path = Path::of(&["route"]);
    let Some(node) = known.root.get("route") else {
        problems.error(
            &known.root.origin,
            &Path::default(),
            "no route provided in config: [route] is missing",
        );
        return None;
    };
    let entry: RouteEntry = read(node, &path, problems)?;
    Tree::new(known, problems).make(&entry)
}

/// Reads sections by name.
struct Sections<'a> {
    root: &'a Node,
    /// Secrets that could not be had; their section cannot be read.
    failed: &'a [Path],
    problems: &'a mut Problems,
}

impl Sections<'_> {
    /// A section; its defaults when it is not there.
    fn read<T: DeserializeOwned + Default>(&mut self, name: &str) -> Option<T> {
        let path = Path::of(&[name]);
        match self.root.get(name) {
            _ if self.failed.iter().any(|failed| failed.0.starts_with(&path.0)) => None,
            None => Some(T::default()),
            Some(node) => read(node, &path, self.problems),
        }
    }

    fn error(&mut self, path: &Path, message: impl Into<String>) {
        self.problems.error(&self.root.origin_at(path), path, message);
    }

    fn database(&mut self, directory: &FilePath) -> Option<Database> {
        let mut database: Database = self.read("database")?;
        let path = Path::of(&["database", "url"]);
        if let Some(url) = &database.url {
            let known = ["postgres://", "postgresql://"];
            if !known.iter().any(|scheme| url.expose().starts_with(scheme)) {
                self.error(
                    &path,
                    "must begin with postgres://; for the built-in database set data_dir instead",
                );
                return None;
            }
            if self.root.at(&Path::of(&["database", "data_dir"])).is_some() {
                self.error(&path, "at most one of data_dir and url can be set");
                return None;
            }
        }
        if database.data_dir == PathBuf::new() {
            self.error(&Path::of(&["database", "data_dir"]), "is empty");
        }
        database.data_dir = directory.join(&database.data_dir);
        Some(database)
    }

    fn plugins(&mut self, directory: &FilePath) -> Option<Plugins> {
        let plugins: Plugins = self.read("plugins")?;
        let folder = plugins.folder.map(|folder| directory.join(folder));
        Some(Plugins { folder, ..plugins })
    }

    fn server(&mut self) -> Option<Server> {
        let server: Server = self.read("server")?;
        for (n, text) in server.trusted_proxies.iter().enumerate() {
            if let Err(message) = text.parse::<Network>() {
                self.error(&Path::of(&["server", "trusted_proxies"]).index(n), message);
            }
        }
        Some(server)
    }

    fn outbound(&mut self) -> Option<Guard> {
        let outbound: Outbound = self.read("outbound")?;
        let mut allow = Vec::new();
        for (n, text) in outbound.allow.iter().enumerate() {
            match text.parse() {
                Ok(network) => allow.push(network),
                Err(message) => self.error(&Path::of(&["outbound", "allow"]).index(n), message),
            }
        }
        Some(Guard { allow_private: outbound.allow_private, allow })
    }
}
