//! What the server runs by: configuration files and the environment, put together.

use std::path::{Path, PathBuf};

use config::{
    Config, ConfigError, Format, Invalid, Level, Origin, Overrides, PluginPlaces, Problem, ShowAs, Source,
    read_file,
};
use model::Rules;
use sdk::{Registry, Surroundings};
use serde_json::{Map, Value};
use server::ConfigFormat;

/// What there is when nobody configures anything: everything is kept, to be read through the API. It also
/// stands behind a `nightbell.toml` whose routing is in an `alertmanager.yml`, where it is never used.
const INBOX: &str = "\n[route]\nreceiver = \"default\"\n\n[[receivers.default.inbox]]\n";
/// The sections that say who is told what and when.
const ROUTING: [&str; 6] = ["route", "defaults", "receivers", "inhibit", "time_intervals", "templates"];
/// The sections that an `alertmanager.yml` also says something of, which goes where the other file says nothing.
const SHARED: [&str; 2] = ["outbound", "traces"];
/// The setting that both files may have.
const RESOLVE_TIMEOUT: &str = "resolve_timeout";

/// Which files configure the server.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Files {
    /// The configuration; without it and --alertmanager-config, everything goes to an inbox
    #[arg(long, value_name = "FILE", env = "NIGHTBELL_CONFIG")]
    pub config: Option<PathBuf>,
    /// An alertmanager.yml: alone, or for the routing beside the server's settings in --config
    #[arg(long, value_name = "FILE")]
    pub alertmanager_config: Option<PathBuf>,
}

/// A configuration, of one file or of two.
#[derive(Clone)]
pub struct Settings {
    /// The server's settings. Its rules are not to be used: see `rules`.
    pub config: Config,
    /// What the flow goes by.
    pub rules: Rules,
    /// What the rules are from, when that is another file.
    routing: Option<Config>,
    /// Which files these are, for people.
    pub named: String,
}

type Environment = Vec<(String, String)>;

/// What is laid over a file.
struct Above {
    environment: Environment,
    overrides: Overrides,
}

impl Files {
    /// Reads the files, with the environment of this process over them.
    ///
    /// # Errors
    /// When one cannot be read or is wrong; all that is wrong is told.
    pub fn load(&self, registry: &Registry) -> Result<Settings, ConfigError> {
        self.load_overridden(&Overrides::default(), registry)
    }

    /// The same, with overrides over the environment.
    ///
    /// # Errors
    /// As [`Files::load`], of the files with the overrides.
    pub fn load_overridden(
        &self,
        overrides: &Overrides,
        registry: &Registry,
    ) -> Result<Settings, ConfigError> {
        let above = Above { environment: environment(), overrides: overrides.clone() };
        self.read(above, registry)?.with_receivers_that_are_there()
    }

    fn read(&self, above: Above, registry: &Registry) -> Result<Settings, ConfigError> {
        // a variable that is set to nothing is as good as none
        let ours = self.config.as_ref().filter(|path| !path.as_os_str().is_empty());
        let (path, format) = match (ours, &self.alertmanager_config) {
            (Some(ours), Some(theirs)) => return two(ours, theirs, above, registry),
            (Some(path), None) => (path, Format::of(path)),
            (None, Some(path)) => (path, Format::Alertmanager),
            (None, None) => {
                let config = read("defaults", INBOX, Path::new(""), Format::Toml, above, registry)?;
                let named =
                    "no configuration file: everything goes to the inbox of receiver `default`".to_owned();
                return Ok(Settings { rules: config.rules.clone(), config, routing: None, named });
            }
        };
        let name = path.display().to_string();
        let config = read(&name, &read_file(path)?, folder(path), format, above, registry)?;
        Ok(Settings { rules: config.rules.clone(), config, routing: None, named: name })
    }

    /// What they say of plugins, before it is known what these provide.
    pub fn plugins(&self, overrides: &Overrides) -> PluginPlaces {
        let ours = self.config.as_ref().filter(|path| !path.as_os_str().is_empty());
        let path = ours.cloned().unwrap_or_default();
        // what cannot be read is told of when it is read as a whole
        let text = ours.and_then(|path| read_file(path).ok()).unwrap_or_default();
        let (name, format) = (path.display().to_string(), Format::of(&path));
        let source = Source { name: &name, text: &text, directory: folder(&path), format };
        config::plugins_of(source, environment(), overrides)
    }

    /// Whether there is none.
    pub fn are_none(&self) -> bool {
        self.config.is_none() && self.alertmanager_config.is_none()
    }

    /// What they are called in messages.
    pub fn named(&self) -> String {
        let all: Vec<_> = [&self.config, &self.alertmanager_config].into_iter().flatten().collect();
        match all.as_slice() {
            [] => "the environment".to_owned(),
            all => all.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" with "),
        }
    }

    /// Everything that is wrong with the files, warnings included.
    ///
    /// # Errors
    /// When one cannot be read at all.
    pub fn check(&self, registry: &Registry) -> Result<Vec<Problem>, ConfigError> {
        match self.load(registry) {
            Ok(settings) => Ok(settings.warnings()),
            Err(ConfigError::Invalid(Invalid(problems))) => Ok(problems),
            Err(other) => Err(other),
        }
    }
}

/// The environment of this process, as far as it is text.
pub fn environment() -> Environment {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// The rules of a text that may come from anybody; the error is all that is wrong, a line each.
pub fn rules_of(text: &str, format: ConfigFormat, kinds: &Registry) -> Result<Rules, Vec<String>> {
    let (name, format) = match format {
        ConfigFormat::Toml => ("nightbell.toml", Format::Toml),
        ConfigFormat::Alertmanager => ("alertmanager.yml", Format::Alertmanager),
    };
    let source = Source { name, text, directory: Path::new(""), format };
    config::load_rules(source, kinds).map_err(|error| match error {
        ConfigError::Invalid(Invalid(problems)) => {
            let errors = problems.iter().filter(|problem| problem.level == Level::Error);
            errors.map(ToString::to_string).collect()
        }
        other => vec![other.to_string()],
    })
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn read(
    name: &str,
    text: &str,
    directory: &Path,
    format: Format,
    above: Above,
    registry: &Registry,
) -> Result<Config, ConfigError> {
    let source = Source { name, text, directory, format };
    config::load_overridden(source, above.environment, &above.overrides, registry)
}

/// The server's settings from the first file, the routing from the second.
fn two(ours: &Path, theirs: &Path, above: Above, registry: &Registry) -> Result<Settings, ConfigError> {
    let (name, their_name) = (ours.display().to_string(), theirs.display().to_string());
    let (text, their_text) = (read_file(ours)?, read_file(theirs)?);
    let twice = routed_twice(&name, &text, &their_name);
    if !twice.is_empty() {
        return Err(ConfigError::Invalid(Invalid(twice)));
    }
    let is_routing = |name: &str| {
        let section = name.strip_prefix("NIGHTBELL_").and_then(|rest| rest.split_once("__"));
        section.is_some_and(|(section, _)| ROUTING.contains(&section.to_lowercase().as_str()))
    };
    let Above { environment, overrides } = above;
    let is_ours = |section: &str| !ROUTING.contains(&section);
    let server = Above {
        environment: environment.iter().filter(|(name, _)| !is_routing(name)).cloned().collect(),
        overrides: overrides.only(is_ours),
    };
    let above = Above { environment, overrides: overrides.only(|section| !is_ours(section)) };
    let text = format!("{text}{INBOX}");
    let config = read(&name, &text, folder(ours), Format::Toml, server, registry);
    let routing = read(&their_name, &their_text, folder(theirs), Format::Alertmanager, above, registry);
    let (mut config, routing) = match (config, routing) {
        (Ok(config), Ok(routing)) => (config, routing),
        (Err(ConfigError::Invalid(mut first)), Err(ConfigError::Invalid(second))) => {
            let new = second.0.into_iter().filter(|problem| !first.0.contains(problem)).collect::<Vec<_>>();
            first.0.extend(new);
            return Err(ConfigError::Invalid(first));
        }
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    let theirs = sections_of_theirs(&config);
    if !theirs.contains(&"traces") && !routing.traces.endpoint.is_empty() {
        let message = format!("traces are set in {name}, too; take them out there or here");
        let (level, origin) = (Level::Error, routing.origin_of("traces.endpoint"));
        let problem = Problem { level, origin, path: "tracing".to_owned(), message };
        return Err(ConfigError::Invalid(Invalid(vec![problem])));
    }
    if theirs.contains(&"traces") {
        config.traces = routing.traces.clone();
    }
    if theirs.contains(&"outbound") {
        config.outbound = routing.outbound.clone();
    }
    let mut rules = routing.rules.clone();
    rules.complete_with(&config.rules);
    if !sets_resolve_timeout(&routing) {
        rules.resolve_timeout = config.rules.resolve_timeout;
    }
    Ok(Settings { config, rules, routing: Some(routing), named: format!("{name} and {their_name}") })
}

/// One problem for each section of the first file that is the second one's matter.
fn routed_twice(name: &str, text: &str, their_name: &str) -> Vec<Problem> {
    // what is no TOML is told of later, with its place
    let table: toml::Table = text.parse().unwrap_or_default();
    let sections = ROUTING.into_iter().filter(|section| table.contains_key(*section));
    let problem = |section: &str| Problem {
        level: Level::Error,
        origin: Origin::File { name: name.into(), line: line_of(text, section), column: 1 },
        path: section.to_owned(),
        message: format!(
            "the routing is read from {their_name}; take it out here, or leave --alertmanager-config out"
        ),
    };
    sections.map(problem).collect()
}

/// The line in which a section first stands; 1 when it is written in a way that nobody writes it.
fn line_of(text: &str, section: &str) -> usize {
    let begins = |line: &str| {
        let rest = line.trim_start().trim_start_matches('[').trim_start().strip_prefix(section);
        rest.is_some_and(|rest| rest.trim_start().starts_with([']', '.', '=']))
    };
    text.lines().position(begins).map_or(1, |at| at + 1)
}

fn sets_resolve_timeout(routing: &Config) -> bool {
    sets(routing, &format!("incidents.{RESOLVE_TIMEOUT}"))
}

/// Whether anything below a path is set.
fn sets(config: &Config, path: &str) -> bool {
    let shown = shown(config);
    let origins = shown["origins"].as_object().into_iter().flatten();
    origins.filter(|(_, origin)| *origin != "default").any(|(at, _)| is_below(at, path))
}

/// The sections that are those of the `alertmanager.yml` beside this file.
fn sections_of_theirs(ours: &Config) -> Vec<&'static str> {
    let shared = SHARED.into_iter().filter(|section| !sets(ours, section));
    ROUTING.into_iter().chain(shared).collect()
}

fn shown(config: &Config) -> Value {
    serde_json::from_str(&config.show(ShowAs::Json)).unwrap_or_default()
}

impl Settings {
    /// Lets links begin with this, whatever the configuration says; and says why.
    pub fn set_links(&mut self, url: &str, why: &'static str) {
        self.rules.external_url = url.to_owned();
        self.config.set_links(url, why);
    }

    /// Whether links begin with where this server is, which it works out: nobody says with what else, and the routing
    /// is that of an `alertmanager.yml`.
    pub fn links_are_derived(&self) -> bool {
        self.alertmanager().is_some() && self.config.server.external_url.is_empty()
    }

    /// What is probably not meant.
    pub fn warnings(&self) -> Vec<Problem> {
        let mut all = self.config.warnings.clone();
        let theirs = self.routing.iter().flat_map(|routing| &routing.warnings);
        let new: Vec<_> = theirs.filter(|problem| !all.contains(problem)).cloned().collect();
        all.extend(new);
        all
    }

    /// The `alertmanager.yml` that the routing is from, without secrets.
    pub fn alertmanager(&self) -> Option<&str> {
        self.routing.as_ref().unwrap_or(&self.config).alertmanager.as_deref()
    }

    /// Names of receivers, in the order of the file that they are in.
    pub fn receivers(&self) -> &[String] {
        &self.routing.as_ref().unwrap_or(&self.config).receivers
    }

    /// What destinations of a kind have that say nothing else.
    pub fn defaults(&self) -> &config::Defaults {
        &self.routing.as_ref().unwrap_or(&self.config).defaults
    }

    /// What settings of destinations may refer to.
    pub fn templates(&self) -> &Surroundings {
        &self.routing.as_ref().unwrap_or(&self.config).templates
    }

    /// Receivers may be defined in the other file, so this is looked at when both are read.
    fn with_receivers_that_are_there(self) -> Result<Self, ConfigError> {
        let known = &self.rules.receivers;
        let canaries = self.config.self_watch.canary.iter().enumerate();
        let canaries = canaries.map(|(n, name)| (name, format!("self_watch.canary[{n}]")));
        let storms = self.rules.storms.receivers.keys().map(|name| (name, format!("storm.receivers.{name}")));
        let unknown = canaries.chain(storms).filter(|(name, _)| !known.contains_key(*name));
        let unknown = unknown.map(|(name, path)| Problem {
            level: Level::Error,
            origin: self.config.origin_of(&path),
            message: format!("there is no receiver {name:?}"),
            path,
        });
        let unknown: Vec<Problem> = unknown.collect();
        if unknown.is_empty() { Ok(self) } else { Err(ConfigError::Invalid(Invalid(unknown))) }
    }

    /// A configuration of the history, with the secrets that it refers to.
    ///
    /// # Errors
    /// When it cannot be used any more.
    pub fn kept(version: i64, text: &str, registry: &Registry) -> Result<Settings, ConfigError> {
        let named = format!("configuration {version}");
        let config = config::load_kept(&named, text, environment(), registry)?;
        Ok(Settings { rules: config.rules.clone(), config, routing: None, named })
    }

    /// The effective configuration as TOML, without secrets, with where each value came from.
    pub fn as_toml(&self) -> String {
        self.shown_as(ShowAs::Toml)
    }

    /// The same for the history: [`Settings::kept`] reads it.
    pub fn as_kept(&self) -> String {
        self.shown_as(ShowAs::Kept)
    }

    fn shown_as(&self, form: ShowAs) -> String {
        let ours = self.config.show(form);
        let Some(routing) = &self.routing else { return ours };
        let theirs = routing.show(form);
        let sections = sections_of_theirs(&self.config);
        let own = chunks(&ours).into_iter().filter(|chunk| !is_chunk_of(&sections, chunk));
        let mut text: String = own.collect();
        if sets_resolve_timeout(routing) {
            let line =
                |text: &str| text.lines().find(|line| line.starts_with(RESOLVE_TIMEOUT)).map(str::to_owned);
            if let Some((old, new)) = line(&text).zip(line(&theirs)) {
                text = text.replacen(&old, &new, 1);
            }
        }
        text.extend(chunks(&theirs).into_iter().filter(|chunk| is_chunk_of(&sections, chunk)));
        text
    }

    /// The same as JSON: `configuration`, and `origins` by path.
    pub fn as_json(&self) -> Value {
        let mut ours = shown(&self.config);
        let Some(routing) = &self.routing else { return ours };
        let (sections, theirs) = (sections_of_theirs(&self.config), shown(routing));
        let ours_too = format!("incidents.{RESOLVE_TIMEOUT}");
        for part in ["configuration", "origins"] {
            let (Some(own), Some(other)) = (ours[part].as_object_mut(), theirs[part].as_object()) else {
                continue;
            };
            take_over(own, other, |path| {
                is_path_of(&sections, path) || (path == ours_too && sets_resolve_timeout(routing))
            });
        }
        if sets_resolve_timeout(routing) {
            ours["configuration"]["incidents"][RESOLVE_TIMEOUT] =
                theirs["configuration"]["incidents"][RESOLVE_TIMEOUT].clone();
        }
        ours
    }
}

fn take_over(own: &mut Map<String, Value>, other: &Map<String, Value>, which: impl Fn(&str) -> bool) {
    own.retain(|path, _| !which(path));
    own.extend(
        other.iter().filter(|(path, _)| which(path)).map(|(path, value)| (path.clone(), value.clone())),
    );
}

fn is_path_of(sections: &[&str], path: &str) -> bool {
    sections.iter().any(|section| is_below(path, section))
}

/// Whether a path is this one, or leads on from it.
fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// A shown configuration, cut before each heading.
fn chunks(text: &str) -> Vec<&str> {
    let mut cuts: Vec<usize> = text.match_indices("\n[").map(|(at, _)| at + 1).collect();
    cuts.insert(0, 0);
    cuts.push(text.len());
    cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

fn is_chunk_of(sections: &[&str], chunk: &str) -> bool {
    let heading = chunk.lines().next().unwrap_or_default();
    heading.starts_with('[') && is_path_of(sections, heading.trim_matches(['[', ']']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const YML: &str = "global: {resolve_timeout: 7m}\nroute: {receiver: ops}\nreceivers: [{name: ops}]\n";

    fn files(folder: &Path, toml: &str) -> Files {
        let (ours, theirs) = (folder.join("nightbell.toml"), folder.join("alertmanager.yml"));
        std::fs::write(&ours, toml).unwrap();
        std::fs::write(&theirs, YML).unwrap();
        Files { config: Some(ours), alertmanager_config: Some(theirs) }
    }

    #[test]
    fn two_files_are_put_together() {
        let folder = tempfile::tempdir().unwrap();
        let toml = "[server]\nexternal_url = \"http://bell.example\"\n[incidents]\nreopen_within = \"3m\"\n";
        let settings = files(folder.path(), toml).load(&connectors::registry()).ok().unwrap();
        assert_eq!(settings.rules.root.receiver, "ops");
        assert_eq!(settings.rules.external_url, "http://bell.example");
        assert_eq!(settings.rules.resolve_timeout.as_secs(), 420);
        assert_eq!(settings.rules.reopen_within.as_secs(), 180);
        let text = settings.as_toml();
        assert!(text.contains("receiver = \"ops\"") && !text.contains("default\"\n"), "{text}");
        assert!(text.contains("resolve_timeout = \"7m\""), "{text}");
        let json = settings.as_json();
        assert_eq!(json["configuration"]["route"]["receiver"], "ops");
        assert_eq!(json["configuration"]["incidents"]["resolve_timeout"], "7m");
        assert_eq!(json["configuration"]["incidents"]["reopen_within"], "3m");
        assert!(json["configuration"]["receivers"].get("default").is_none(), "{json}");
        assert!(settings.alertmanager().unwrap().contains("resolve_timeout: 7m\nroute:\n"));
    }

    #[test]
    fn what_only_their_file_says_of_the_hub_holds() {
        let folder = tempfile::tempdir().unwrap();
        let loopback = "127.0.0.1".parse().unwrap();
        let read = |toml: &str, tracing: &str| {
            let files = files(folder.path(), toml);
            std::fs::write(folder.path().join("alertmanager.yml"), format!("{tracing}{YML}")).unwrap();
            files.load(&connectors::registry())
        };
        let tracing = "tracing: {client_type: http, endpoint: 'c:4318', sampling_fraction: 1}\n";
        let settings = read("[log]\nlevel = \"info\"\n", tracing).ok().unwrap();
        assert_eq!(settings.config.traces.endpoint, "https://c:4318");
        assert!(settings.config.outbound.allows(loopback));
        for text in [settings.as_toml(), settings.as_kept()] {
            assert_eq!(text.matches("endpoint = \"https://c:4318\"").count(), 1, "{text}");
            assert_eq!(text.matches("[traces]").count(), 1, "{text}");
            assert!(text.contains("127.0.0.0/8"), "{text}");
        }
        assert_eq!(settings.as_json()["configuration"]["traces"]["endpoint"], "https://c:4318");
        let own = "[outbound]\nallow = []\n[traces]\nendpoint = \"http://d:4318\"\n";
        let settings = read(own, "").ok().unwrap();
        assert!(!settings.config.outbound.allows(loopback));
        assert_eq!(settings.config.traces.endpoint, "http://d:4318");
        let twice = read(own, tracing).err().unwrap().to_string();
        assert!(twice.contains("alertmanager.yml:1:") && twice.contains("traces are set in"), "{twice}");
    }

    #[test]
    fn routing_in_both_files_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let toml = "[server]\n\n[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n";
        let problems = files(folder.path(), toml).check(&connectors::registry()).unwrap();
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("nightbell.toml:3:1: route: the routing is read from"), "{said:?}");
        assert!(said[1].contains("nightbell.toml:5:1: receivers: "), "{said:?}");
    }
}
