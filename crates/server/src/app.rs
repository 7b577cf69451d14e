//! What the handlers share.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use axum::http::HeaderMap;
use config::overrides::Change;
use config::{Defaults, Overrides};
use flow::Hub;
use futures::future::BoxFuture;
use model::account::Actor;
use model::{Rules, Time};
use sdk::http::Network;
use sdk::registry::Reader;
use sdk::{Registry, Surroundings};
use serde::Deserialize;
use store::StoreError;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::auth::{Auth, Peer};
use crate::counts::Http;
use crate::error::Wrong;
use crate::jobs::{Beginning, Jobs, Told, Work};
use crate::limits::MAX_LISTENERS;
use crate::oidc::{self, Oidc};
use crate::passwords::Passwords;
use crate::proxies;
use crate::rates::Rates;
use crate::refusals::Refusals;
use crate::shares::Shares;
use crate::sources::Sources;
use crate::tries::Tries;

/// An [`App`] that is in use.
pub type Shared = Arc<App>;

/// How a configuration is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConfigFormat {
    /// As `nightbell.toml`.
    Toml,
    /// As `alertmanager.yml`.
    Alertmanager,
}

/// What only the program knows how to do: to read configurations, and to put them in force.
pub trait Configuring: Send + Sync {
    /// Loads the configuration again and puts it in force, since somebody wants it so; the error says in words
    /// why it was not.
    fn reload(&self, by: &str) -> BoxFuture<'static, Result<(), String>>;

    /// Puts a configuration of the history in force; gives the version that it has now.
    fn roll_back(&self, version: i64, by: &str) -> BoxFuture<'static, Result<i64, NotRolledBack>>;

    /// Changes the overrides, and puts what they then make of the configuration in force; gives their version.
    /// The line in the audit log is written with them.
    fn override_settings(&self, wanted: Overriding, by: By)
    -> BoxFuture<'static, Result<i64, NotOverridden>>;

    /// Gets ready for what takes its time to do to a plugin of the folder of plugins. Once it is begun it says how it
    /// goes. One thing is done at a time.
    ///
    /// # Errors
    /// When it cannot be done.
    fn work_on_plugin(&self, id: &str, work: Work, told: Told) -> Result<Beginning, NotOverridden>;

    /// The rules of a text that may come from anybody. Nothing is looked up for it; the error is all that is
    /// wrong, a line each.
    fn rules_of(&self, text: &str, format: ConfigFormat) -> Result<Rules, Vec<String>>;
}

/// Who changes settings.
#[derive(Clone, Debug)]
pub struct By {
    /// How histories and logs name them.
    pub name: String,
    /// The same as the audit log has it, with where they come from.
    pub actor: Arc<Actor>,
}

/// Why a configuration of the history was not put in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRolledBack {
    /// There is none of this version.
    Unknown,
    /// It cannot be used, for this reason.
    Unusable(String),
}

/// What somebody wants of the overrides.
#[derive(Clone)]
pub enum Overriding {
    /// Other settings than the file's.
    Change {
        /// Of this section.
        section: String,
        /// Of this element; empty: the only one, or the section as a whole.
        element: String,
        /// What.
        change: Change,
    },
    /// Those of this version; 0: none.
    Back(i64),
    /// A plugin that is not to run, and whose files are to go.
    RemovePlugin(String),
    /// A plugin that is to run, or not.
    Plugin {
        /// Its id.
        id: String,
        /// Whether it is to run.
        active: bool,
    },
}

impl Overriding {
    /// What the audit log calls it, and what it is done to.
    pub fn action(&self) -> (&'static str, (&'static str, String)) {
        match self {
            Overriding::Change { section, element, .. } if element.is_empty() => {
                ("config.override", ("config", section.clone()))
            }
            Overriding::Change { section, element, .. } => {
                ("config.override", ("config", format!("{section}/{element}")))
            }
            Overriding::Back(version) => ("config.override_back", ("config", version.to_string())),
            Overriding::RemovePlugin(id) => ("plugin.remove", ("plugin", id.clone())),
            Overriding::Plugin { id, active: true } => ("plugin.enable", ("plugin", id.clone())),
            Overriding::Plugin { id, active: false } => ("plugin.disable", ("plugin", id.clone())),
        }
    }
}

/// Why overrides were not changed. What was in force still is.
pub enum NotOverridden {
    /// There is no such thing, in words.
    Unknown(String),
    /// The configuration would be wrong: where, and why.
    Wrong(Vec<Wrong>),
    /// It cannot be now, for this reason.
    Unusable(String),
    /// Whoever owns the machine does not want it so, in words.
    Forbidden(String),
    /// The database is gone or full.
    Store(StoreError),
}

/// Everything that a server is made of.
pub struct Setup {
    /// The flow.
    pub hub: Hub,
    /// The kinds that this program knows.
    pub kinds: Arc<Registry>,
    /// What it goes by.
    pub options: Options,
    /// What a reload may replace.
    pub exposed: Exposed,
    /// Which program this is.
    pub version: Version,
    /// What reads configurations and puts them in force.
    pub configuring: Arc<dyn Configuring>,
    /// Plugins.
    pub plugins: plugin_host::Host,
    /// The way out, to the provider of identities.
    pub http: sdk::http::Http,
}

/// What the server goes by.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The path that all routes begin with: empty, or a slash first and none at the end.
    pub prefix: String,
    /// Whether requests from this very machine need no token.
    pub allow_anonymous_loopback: bool,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Bytes that a body may have.
    pub max_body_bytes: usize,
    /// How long the head of a request may take to arrive; also how long a connection may idle: longer than the minute
    /// after which most programs speak again, since one that is closed just then loses them a request.
    pub header_timeout: Duration,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long a client may leave a part of an answer unread before the connection is cut.
    pub write_timeout: Duration,
    /// How long a request may take altogether.
    pub request_timeout: Duration,
    /// How long requests that are under way may take to end when the server is told to stop.
    pub shutdown_timeout: Duration,
    /// Connections at once.
    pub max_connections: usize,
    /// Requests that are worked on at once.
    pub max_requests: usize,
    /// Events in one request.
    pub max_events: usize,
    /// The share of everything that a silence may catch before it must be confirmed: 0.5 is the half.
    pub silence_share: f64,
    /// The provider of identities that people log in by; none: they do not.
    pub oidc: Option<oidc::Settings>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            prefix: String::new(),
            allow_anonymous_loopback: true,
            trusted_proxies: Vec::new(),
            max_body_bytes: 4 * 1024 * 1024,
            header_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(20),
            max_connections: 4096,
            max_requests: 512,
            max_events: 10_000,
            silence_share: 0.5,
            oidc: None,
        }
    }
}

/// A way in: a configured source.
#[derive(Clone)]
pub struct Integration {
    /// The kind of source.
    pub kind: String,
    /// What reads its requests.
    pub reader: Arc<dyn Reader>,
}

/// What of the configuration the server shows or serves; a reload replaces it whole.
#[derive(Clone, Default)]
pub struct Exposed {
    /// Ways in, by name.
    pub integrations: BTreeMap<String, Integration>,
    /// Names of receivers, in the order of the file; others follow by name.
    pub receivers: Vec<String>,
    /// The configuration as Alertmanager writes it, without secrets; `None`: made of the rules in force.
    pub alertmanager_config: Option<String>,
    /// The configuration in our own words, without secrets; empty: not to be shown.
    pub config: String,
    /// What destinations of a kind have that say nothing else.
    pub defaults: Defaults,
    /// What settings of destinations may refer to.
    pub templates: Surroundings,
    /// The same as JSON: `configuration`.
    pub shown: serde_json::Value,
    /// What of it is not as the file says.
    pub overrides: Overrides,
    /// Why what was overridden is not in force.
    pub overrides_refused: Option<String>,
}

/// The version of Alertmanager whose API this is. Its clients, such as karma and amtool, go by it: they refuse
/// or warn of what they take for a version that is too old for them.
pub(crate) const ALERTMANAGER_VERSION: &str = "0.34.0";

/// Which program this is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// Its version.
    pub version: String,
    /// The commit that it was built from; may be empty.
    pub revision: String,
    /// When it was built; may be empty.
    pub build_date: String,
}

/// What the handlers share.
pub struct App {
    /// The flow.
    pub hub: Hub,
    /// What it goes by.
    pub options: Options,
    /// Plugins.
    pub plugins: plugin_host::Host,
    /// Which program this is.
    pub version: Version,
    /// When it began.
    pub started_at: Time,
    pub(crate) configuring: Arc<dyn Configuring>,
    /// One replay at a time: it keeps a processor busy.
    pub(crate) replaying: Arc<Semaphore>,
    pub(crate) auth: Auth,
    pub(crate) passwords: Passwords,
    pub(crate) oidc: Option<Oidc>,
    pub(crate) tries: Tries,
    pub(crate) refusals: Refusals,
    pub(crate) sources: Sources,
    /// What keys of projects have sent of late.
    pub(crate) rates: Rates,
    /// Places for the errors that projects report.
    pub(crate) shares: Arc<Shares>,
    pub(crate) http: Http,
    /// What was done to plugins.
    pub(crate) jobs: Jobs,
    /// One permit for each other request that is worked on.
    pub(crate) requests: Semaphore,
    /// One permit a listener to live changes.
    pub(crate) listeners: Arc<Semaphore>,
    /// Ends what would never end by itself.
    pub(crate) stopping: CancellationToken,
    exposed: RwLock<Arc<Exposed>>,
    kinds: RwLock<Arc<Registry>>,
    /// Whether the last reload worked, and when one last did.
    reloaded: Mutex<(bool, Time)>,
    /// Where it listens, once it does.
    pub(crate) listening: OnceLock<SocketAddr>,
}

impl App {
    /// The address of who sends these headers, behind whatever proxies are trusted.
    pub(crate) fn address(&self, headers: &HeaderMap, peer: Option<Peer>) -> Option<IpAddr> {
        Some(proxies::client(&self.options.trusted_proxies, headers, peer?.0.ip()))
    }

    /// Notes that the configuration was loaded again, or could not be.
    pub fn note_reload(&self, worked: bool) {
        let mut reloaded = self.reloaded.lock().unwrap_or_else(PoisonError::into_inner);
        *reloaded = (worked, if worked { self.now() } else { reloaded.1 });
    }

    /// Whether the last reload worked, and when the configuration in force was loaded.
    pub(crate) fn last_reload(&self) -> (bool, Time) {
        *self.reloaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready to be served.
    pub fn new(setup: Setup) -> Shared {
        let Setup { hub, kinds, options, exposed, version, configuring, plugins, http } = setup;
        let now = hub.clock.now();
        let provider = |settings| Oidc::new(settings, http, hub.store.clone());
        let oidc = options.oidc.clone().map(provider);
        Arc::new(App {
            started_at: now,
            hub,
            kinds: RwLock::new(kinds),
            plugins,
            version,
            configuring,
            replaying: Arc::new(Semaphore::new(1)),
            auth: Auth::default(),
            passwords: Passwords::default(),
            oidc,
            tries: Tries::default(),
            refusals: Refusals::default(),
            sources: Sources::default(),
            rates: Rates::default(),
            shares: Shares::of(options.max_requests),
            http: Http::default(),
            jobs: Jobs::default(),
            requests: Semaphore::new(options.max_requests),
            listeners: Arc::new(Semaphore::new(MAX_LISTENERS)),
            stopping: CancellationToken::new(),
            exposed: RwLock::new(Arc::new(exposed)),
            reloaded: Mutex::new((true, now)),
            listening: OnceLock::new(),
            options,
        })
    }

    /// What of the configuration is shown and served now.
    pub fn exposed(&self) -> Arc<Exposed> {
        self.exposed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces what of the configuration is shown and served: to be called after a reload.
    pub fn expose(&self, exposed: Exposed) {
        *self.exposed.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(exposed);
    }

    /// The kinds that are known now.
    pub fn kinds(&self) -> Arc<Registry> {
        self.kinds.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the kinds that are known: to be called after a reload, which may bring plugins.
    pub fn know(&self, kinds: Arc<Registry>) {
        *self.kinds.write().unwrap_or_else(PoisonError::into_inner) = kinds;
    }

    /// What links to this server begin with: what the configuration says, or where it listens.
    pub fn base_url(&self) -> String {
        let known = self.hub.core.live().rules.external_url.trim_end_matches('/').to_owned();
        if !known.is_empty() {
            return known;
        }
        let known = self.listening.get().map(|at| local_url(*at, &self.options.prefix));
        known.unwrap_or_else(|| format!("http://localhost{}", self.options.prefix))
    }

    /// Says where it listens. One server, one listener: the first word counts.
    pub fn listens_at(&self, address: SocketAddr) {
        let _ = self.listening.set(address);
    }

    /// The time now.
    pub fn now(&self) -> Time {
        self.hub.clock.now()
    }
}

/// How somebody at this very machine reaches a server that listens here.
fn local_url(listening: SocketAddr, prefix: &str) -> String {
    let mut address = listening;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{address}{prefix}")
}
