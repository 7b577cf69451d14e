//! `plugin.toml`: what a plugin is, how it is run, what it provides, and what it may do.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::limits;
use crate::provides::{CheckKind, DestinationKind, Provides, Route, Subscription, Wrong};
use crate::{CONTRACT, OLDEST_CONTRACT};

/// A whole manifest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it is.
    pub plugin: About,
    /// How it is run.
    pub run: Run,
    /// Kinds of destinations.
    #[serde(default)]
    pub destinations: Vec<DestinationKind>,
    /// What it wants to hear of.
    #[serde(default)]
    pub subscriptions: Vec<Subscription>,
    /// Where it answers over HTTP.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Kinds of checks.
    #[serde(default)]
    pub checks: Vec<CheckKind>,
    /// The schema of its own settings.
    #[serde(default)]
    pub settings: Option<Value>,
    /// The schema of what each person may set.
    #[serde(default)]
    pub user: Option<Value>,
    /// The schema of what may be set for each project or service.
    #[serde(default)]
    pub project: Option<Value>,
    /// What it may do.
    #[serde(default)]
    pub permissions: Permissions,
    /// What it may take.
    #[serde(default)]
    pub limits: Limits,
    /// Settings that are handed over as variables of the environment: setting → variable.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// What a plugin is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// What it is called everywhere.
    pub id: String,
    /// Its own version; never compared.
    pub version: String,
    /// The number of the contract that it was written for.
    pub contract: u32,
    /// Its name for people.
    #[serde(default)]
    pub name: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// Who wrote it.
    #[serde(default)]
    pub authors: Vec<String>,
    /// Under which licence.
    #[serde(default)]
    pub license: String,
    /// Where more about it is to be read.
    #[serde(default)]
    pub homepage: String,
}

/// How a plugin is run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// By what.
    pub runtime: Runtime,
    /// `process`: program and arguments.
    #[serde(default)]
    pub command: Vec<String>,
    /// `python`: the module, or `module:object`.
    #[serde(default)]
    pub module: Option<String>,
    /// `python`: the file, in place of a module.
    #[serde(default)]
    pub file: Option<String>,
    /// `python`: for which other system it was written.
    #[serde(default)]
    pub compat: Option<Compat>,
    /// `python`: what is put into its environment.
    #[serde(default)]
    pub requirements: Vec<String>,
    /// `wasm`: the file.
    #[serde(default)]
    pub component: Option<String>,
}

/// What runs a plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// The system: any program.
    #[default]
    Process,
    /// Python, with our runner.
    Python,
    /// A WebAssembly engine in the hub.
    Wasm,
}

/// A system whose plugins are run as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compat {
    /// Cabot's alert plugins.
    Cabot,
    /// Sentry's notification plugins.
    Sentry,
    /// LUNA's event and background plugins.
    Luna,
    /// Argus's notification media.
    Argus,
}

impl Compat {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Compat::Cabot => "cabot",
            Compat::Sentry => "sentry",
            Compat::Luna => "luna",
            Compat::Argus => "argus",
        }
    }
}

/// What a plugin may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Permissions {
    /// How it reaches others.
    pub network: Network,
    /// Names that `fetch` may ask, with `*.` for all below, and `:port` if it is not 80 or 443.
    pub hosts: Vec<String>,
    /// TCP ports that it may connect to; none: all.
    pub ports: Option<Vec<u16>>,
    /// Variables of the hub's environment that it gets.
    pub env: Vec<String>,
    /// What it may read beside its folder.
    pub read: Vec<String>,
    /// What it may write beside its state.
    pub write: Vec<String>,
    /// Whether it may bring events in.
    pub emit: bool,
    /// Whether it may acknowledge, resolve and comment on incidents.
    pub act: bool,
    /// Whether it may send mail by the hub's own account.
    pub mail: bool,
    /// Whether it may have routes.
    pub serve: bool,
}

/// How a plugin reaches others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// By connections of its own.
    #[default]
    Direct,
    /// Through the host only.
    Fetch,
    /// Not at all.
    None,
}

/// What a plugin may take. What is not said is as the contract's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Memory, such as `256MiB`.
    #[serde(deserialize_with = "bytes", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub memory: Option<u64>,
    /// Time for a call that names no other, and the most for one that does, such as `10s`.
    #[serde(deserialize_with = "span", serialize_with = "in_words", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "span"))]
    pub call: Option<Duration>,
    /// Time to start, such as `10s`.
    #[serde(deserialize_with = "span", serialize_with = "in_words", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "span"))]
    pub start: Option<Duration>,
    /// Deliveries in flight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Lines of log a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_rate: Option<u32>,
    /// Open files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// Processes of the user that the hub runs as; none: as the system says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// How long nothing may be wanted of it until it is stopped, to be started when something is; none: it runs on.
    #[serde(deserialize_with = "span", serialize_with = "in_words", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "span"))]
    pub idle_stop: Option<Duration>,
}

impl Limits {
    /// Bytes of memory.
    pub fn memory(&self) -> u64 {
        self.memory.unwrap_or(limits::MEMORY_BYTES)
    }

    /// As much time for a call that names this one, or less where less is said.
    pub fn at_most(&self, time: Duration) -> Duration {
        self.call.map_or(time, |most| most.min(time))
    }

    /// Time for a call that names no other.
    pub fn call(&self) -> Duration {
        self.call.unwrap_or(limits::CALL_TIME).min(limits::MAX_CALL_TIME)
    }

    /// Time to start.
    pub fn start(&self) -> Duration {
        self.start.unwrap_or(limits::START_TIME).min(limits::MAX_CALL_TIME)
    }

    /// Deliveries in flight.
    pub fn concurrency(&self) -> u32 {
        self.concurrency.unwrap_or(limits::CONCURRENCY).clamp(1, limits::MAX_CONCURRENCY)
    }

    /// Lines of log a second.
    pub fn log_rate(&self) -> u32 {
        self.log_rate.unwrap_or(limits::LOG_RATE).clamp(1, 10 * limits::LOG_RATE)
    }

    /// Open files.
    pub fn files(&self) -> u64 {
        self.files.unwrap_or(limits::OPEN_FILES)
    }

    /// These, or what whoever runs the hub says where that is less.
    #[must_use]
    pub fn narrowed(&self, by: &Limits) -> Limits {
        let both = |mine: u64, theirs: Option<u64>| theirs.map_or(mine, |theirs| theirs.min(mine));
        let spans = |mine: Duration, theirs: Option<Duration>| theirs.map_or(mine, |theirs| theirs.min(mine));
        let small = |mine: u32, theirs: Option<u32>| theirs.map_or(mine, |theirs| theirs.min(mine));
        Limits {
            memory: Some(both(self.memory(), by.memory)),
            // without a word, calls that name their own time have that
            call: if self.call.or(by.call).is_some() { Some(spans(self.call(), by.call)) } else { None },
            start: Some(spans(self.start(), by.start)),
            concurrency: Some(small(self.concurrency(), by.concurrency)),
            log_rate: Some(small(self.log_rate(), by.log_rate)),
            files: Some(both(self.files(), by.files)),
            processes: least(self.processes, by.processes),
            idle_stop: least(self.idle_stop, by.idle_stop),
        }
    }
}

/// The lesser, where both are said.
fn least<T: Ord>(mine: Option<T>, theirs: Option<T>) -> Option<T> {
    match (mine, theirs) {
        (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
        (mine, theirs) => mine.or(theirs),
    }
}

impl Manifest {
    /// What it says of what it provides.
    pub fn provides(&self) -> Provides {
        Provides {
            destinations: self.destinations.clone(),
            subscriptions: self.subscriptions.clone(),
            routes: self.routes.clone(),
            checks: self.checks.clone(),
            settings: self.settings.clone(),
            user: self.user.clone(),
            project: self.project.clone(),
        }
    }

    /// What it may take. A component needs far less memory than a process, so less is given when nothing is said.
    pub fn limits(&self) -> Limits {
        let usual = (self.run.runtime == Runtime::Wasm).then_some(limits::COMPONENT_MEMORY_BYTES);
        Limits { memory: self.limits.memory.or(usual), ..self.limits.clone() }
    }

    /// What is wrong with it, with where: nothing when it can be used.
    pub fn check(&self) -> Vec<String> {
        let mut wrong = Wrong::default();
        let about = &self.plugin;
        wrong.word("plugin.id", &about.id);
        wrong.unless((OLDEST_CONTRACT..=CONTRACT).contains(&about.contract), || {
            format!(
                "plugin.contract: {} is not spoken here, only {OLDEST_CONTRACT} to {CONTRACT}",
                about.contract
            )
        });
        wrong.length("plugin.version", &about.version, limits::MAX_ID_CHARS + 1);
        wrong.length("plugin.name", &about.name, limits::MAX_NAME_CHARS);
        wrong.length("plugin.description", &about.description, limits::MAX_ABOUT_CHARS);
        self.run.check(&mut wrong);
        let permissions = &self.permissions;
        wrong.unless(self.routes.is_empty() || permissions.serve, || {
            "permissions.serve: must be true for a plugin with routes".to_owned()
        });
        let names = permissions.env.iter().chain(self.env.values());
        for name in names {
            let fine = !name.is_empty() && !name.contains(['=', '\0']);
            wrong.unless(fine, || format!("permissions.env: {name:?} is no name of a variable"));
        }
        permissions.check(&mut wrong);
        let concurrency = self.limits.concurrency;
        wrong.unless(concurrency.is_none_or(|it| (1..=limits::MAX_CONCURRENCY).contains(&it)), || {
            format!("limits.concurrency: must be within 1 to {}", limits::MAX_CONCURRENCY)
        });
        wrong.0.extend(self.provides().check());
        wrong.0
    }
}

impl Permissions {
    /// What could never mean anything.
    fn check(&self, wrong: &mut Wrong) {
        for (name, paths) in [("read", &self.read), ("write", &self.write)] {
            for path in paths {
                wrong.unless(path.starts_with('/'), || {
                    format!(
                        "permissions.{name}: {path:?} does not begin with a slash: a whole path is needed"
                    )
                });
            }
        }
        for host in &self.hosts {
            let name = match host.rsplit_once(':') {
                Some((name, port)) if port.parse::<u16>().is_ok_and(|port| port > 0) => name,
                _ => host,
            };
            let name = name.strip_prefix("*.").unwrap_or(name);
            // an address of the sixth version stands in brackets
            let name = name
                .strip_prefix('[')
                .and_then(|it| it.strip_suffix(']'))
                .map_or(name, |inside| if inside.parse::<std::net::Ipv6Addr>().is_ok() { "v6" } else { "" });
            let fine =
                !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
            wrong.unless(fine, || {
                format!(
                    "permissions.hosts: {host:?} is no name such as api.example.com, *.example.com or \
                     example.com:8080: no scheme, no path, and a star at the beginning only"
                )
            });
        }
    }
}

impl Run {
    fn check(&self, wrong: &mut Wrong) {
        let of_process = !self.command.is_empty();
        let of_python = self.module.is_some()
            || self.file.is_some()
            || self.compat.is_some()
            || !self.requirements.is_empty();
        let of_wasm = self.component.is_some();
        let (needed, foreign) = match self.runtime {
            Runtime::Process => (of_process, of_python || of_wasm),
            Runtime::Python => (self.module.is_some() != self.file.is_some(), of_process || of_wasm),
            Runtime::Wasm => (of_wasm, of_process || of_python),
        };
        let needs = match self.runtime {
            Runtime::Process => "run.command: the runtime `process` needs a program",
            Runtime::Python => "run.module: the runtime `python` needs either a module or a file",
            Runtime::Wasm => "run.component: the runtime `wasm` needs a file",
        };
        wrong.unless(needed, || needs.to_owned());
        wrong.unless(!foreign, || {
            "run: command is for the runtime `process`; module, file, compat and requirements are for \
             `python`; component is for `wasm`"
                .to_owned()
        });
        let first = self.command.first();
        wrong.unless(first.is_none_or(|first| !first.is_empty()), || {
            "run.command: its program is empty".to_owned()
        });
    }
}

/// A number of bytes: `256MiB`, `1GiB`, or a whole number.
fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let read = match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => read_bytes(&text),
        _ => None,
    };
    let why = || serde::de::Error::custom("must be a number of bytes such as \"256MiB\"");
    read.map(Some).ok_or_else(why)
}

fn in_words<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}ms", span.unwrap_or_default().as_millis()))
}

fn read_bytes(text: &str) -> Option<u64> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1_u64 << 30), ("B", 1), ("", 1)];
    let (number, unit) = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    number.trim().parse::<u64>().ok()?.checked_mul(*unit)
}

/// A span: `500ms`, `10s`, `2m`.
fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000)];
    let found = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)));
    let millis = found.and_then(|(number, unit)| number.trim().parse::<u64>().ok()?.checked_mul(*unit));
    let why = || serde::de::Error::custom("must be a span such as \"10s\" and not zero");
    millis.filter(|millis| *millis > 0).map(|millis| Some(Duration::from_millis(millis))).ok_or_else(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(json: Value) -> Result<Manifest, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    fn small() -> Value {
        json!({
            "plugin": {"id": "foo", "version": "1", "contract": 1},
            "run": {"runtime": "process", "command": ["./foo"]},
        })
    }

    #[test]
    fn a_small_manifest_is_whole() {
        let manifest = manifest(small()).unwrap();
        assert_eq!(manifest.check(), Vec::<String>::new());
        assert_eq!(manifest.limits.call(), Duration::from_secs(10));
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let mut json = small();
        json["limits"] = json!({"memroy": "1GiB"});
        assert!(manifest(json).is_err_and(|why| why.contains("`memroy`") && why.contains("`memory`")));
    }

    #[test]
    fn what_does_not_fit_together_is_told() {
        let mut json = small();
        json["plugin"]["contract"] = 9.into();
        json["run"] = json!({"runtime": "python", "command": ["x"]});
        json["routes"] = json!([{"path": "/x"}]);
        let hosts = ["https://x.example", "x.example/path", "a.*.example", "*", "", "x:0", "x:http", "[::1"];
        json["permissions"] = json!({"read": ["conf", "/etc/x"], "write": ["./out"], "hosts": hosts});
        let told = manifest(json).unwrap().check().join("\n");
        for words in
            ["9 is not spoken here", "either a module or a file", "run: command", "permissions.serve"]
        {
            assert!(told.contains(words), "{words} not in\n{told}");
        }
        for path in ["permissions.read: \"conf\"", "permissions.write: \"./out\""] {
            assert!(told.contains(path), "{path} not in\n{told}");
        }
        for host in hosts {
            assert!(
                told.contains(&format!("permissions.hosts: {host:?} is no name")),
                "{host} not in\n{told}"
            );
        }
        assert!(!told.contains("/etc/x"), "{told}");
        let mut json = small();
        let hosts = [
            "api.example.com",
            "*.example.com",
            "example.com:8080",
            "127.0.0.1",
            "[::1]:80",
            "*.x:1",
            "büro.de",
        ];
        json["permissions"] = json!({ "hosts": hosts });
        assert_eq!(manifest(json).unwrap().check(), Vec::<String>::new());
    }

    #[test]
    fn limits_are_read_and_only_narrowed() {
        let mut json = small();
        json["limits"] = json!({"memory": "256MiB", "call": "500ms", "concurrency": 16});
        let limits = manifest(json).unwrap().limits;
        assert_eq!(limits.memory(), 256 << 20);
        let by = Limits { memory: Some(1 << 40), concurrency: Some(2), ..Limits::default() };
        let narrowed = limits.narrowed(&by);
        assert_eq!((narrowed.memory(), narrowed.concurrency()), (256 << 20, 2));
        assert_eq!(narrowed.call(), Duration::from_millis(500));
        // what nobody says bounds no call that names its own time
        let (long, short) = (Duration::from_secs(30), Duration::from_millis(500));
        assert_eq!([narrowed.at_most(long), narrowed.at_most(short / 2)], [short, short / 2]);
        let silent = Limits::default();
        assert_eq!(silent.narrowed(&by).at_most(long), long);
        let wide = Limits { call: Some(long), ..Limits::default() };
        assert_eq!(silent.narrowed(&wide).at_most(long), limits::CALL_TIME, "narrowed, and never widened");
        for bad in [json!("10"), json!("-1s"), json!("0s"), json!(""), json!("99999999999999999999s")] {
            let mut json = small();
            json["limits"] = json!({"call": bad});
            assert!(manifest(json).is_err(), "{bad}");
        }
    }
}
