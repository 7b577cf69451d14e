//! The wiring of the server: configuration, database, flow and HTTP, from the start to a clean stop.

mod answers;
mod checks;
mod history;
mod in_force;
mod listen;
mod overriding;
mod reload;
mod traces;
pub mod wire;
mod workshop;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::config::{Config, ConfigError, LogFormat, Overrides};
use anyhow::{Context, Result, anyhow, bail};
use flow::{Hub, Live, SystemClock};
use plugin_host::host::Learned;
use plugin_host::{Host, Unusable};
use sdk::Secret;
use sdk::http::Http;
use server::{App, Configuring as _, GuestServices, Setup};
use store::rules::Applied;
use store::{Keys, Location, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub use listen::{Listen, show_derived_links};
pub use wire::{external_url, prefix};

use crate::log::{self, Logging};
use crate::output;
use crate::plugins::{self, Known};
use crate::settings::{Files, Settings};
use in_force::{InForce, Standing};
use reload::Reloader;

/// How long tasks that do not heed the end are waited for after everything else has ended.
const LAST_WAIT: Duration = Duration::from_millis(500);
/// Threads at the least: a thread that is kept busy must not be the only one.
const MIN_THREADS: usize = 2;
/// Connections that are seen at once to have something. What is more waits in the system: if a crowd were taken over at
/// once, whatever has been worked on already would wait behind all of it.
const MAX_READY_AT_ONCE: usize = 64;

/// What the command line asks for.
#[derive(Clone)]
pub struct Wishes {
    /// The configuration files.
    pub files: Files,
    /// Where to listen.
    pub listen: Option<Listen>,
    /// What links begin with.
    pub links: Links,
    /// Under which path to serve.
    pub route_prefix: Option<String>,
    /// The folder of the built-in database.
    pub data: Option<PathBuf>,
    /// A PostgreSQL server to be used instead.
    pub database: Option<Secret>,
    /// Whether what was overridden over the API is left aside.
    pub skip_overrides: bool,
    /// Whether programs read what is said.
    pub json: bool,
}

/// What links in messages begin with, beside what the configuration says.
#[derive(Clone, Default)]
pub struct Links {
    /// What the command line asks for, whatever the configuration says.
    pub asked: Option<String>,
    /// What goes for an `alertmanager.yml` where nobody says anything. It is known when the server listens.
    pub derived: Option<String>,
}

/// Runs the server until it is told to stop.
pub fn run(wishes: Wishes) -> Result<()> {
    let threads = std::thread::available_parallelism().map_or(MIN_THREADS, usize::from).max(MIN_THREADS);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(threads).max_io_events_per_tick(MAX_READY_AT_ONCE).enable_all();
    let runtime = builder.build().context("starting threads")?;
    let data = wishes.data.clone();
    let host = plugins::host(&wishes.files, data.as_deref())?;
    let places = wishes.files.plugins(&Overrides::default());
    let known = runtime.block_on(plugins::learn(&host, places, data.as_deref(), Unusable::Waits));
    let known = known.context("not started")?;
    let mut settings = wishes.files.load(&known.kinds).map_err(|error| unusable(&wishes.files, error))?;
    wishes.overrule(&mut settings);
    let logging = log::start(&settings.config.log)?;
    let result = runtime.block_on(whole_life(wishes, settings, host, known, logging));
    runtime.shutdown_timeout(LAST_WAIT);
    result
}

/// All that is wrong, one line each, and that the server was not started.
fn unusable(files: &Files, error: ConfigError) -> anyhow::Error {
    match error {
        ConfigError::Invalid(invalid) => {
            let lines = output::harmless(&invalid.to_string());
            eprintln!("{lines}");
            anyhow!("not started: {} cannot be used as it is, see above", files.named())
        }
        other => anyhow::Error::from(other).context("not started"),
    }
}

impl Wishes {
    /// Puts the flags over the configuration.
    fn overrule(&self, settings: &mut Settings) {
        match (&self.links.asked, &self.links.derived) {
            (Some(url), _) => {
                settings.config.server.external_url.clone_from(url);
                settings.set_links(url, "--external-url");
            }
            (None, Some(url)) if settings.config.server.external_url.is_empty() => {
                settings.set_links(url, listen::DERIVED);
            }
            _ => {}
        }
        let config = &mut settings.config;
        if let Some(prefix) = &self.route_prefix {
            config.server.route_prefix.clone_from(prefix);
        }
        if let Some(folder) = &self.data {
            config.database.data_dir.clone_from(folder);
            config.database.url = None;
        }
        if let Some(url) = &self.database {
            config.database.url = Some(url.clone());
        }
        if self.json {
            config.log.format = LogFormat::Json;
        }
    }
}

async fn whole_life(
    mut wishes: Wishes,
    settings: Settings,
    host: Host,
    known: Known,
    logging: Logging,
) -> Result<()> {
    // from here on, a signal is not lost
    let signals = Signals::listen()?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "starting with {}", settings.named);
    let store = open(&settings.config).await?;
    let listen = wishes.listen.clone().unwrap_or_else(|| Listen::from(settings.config.server.listen));
    let listener = listen.bind().await?;
    let mut files_only = InForce { settings, known, standing: Standing::default() };
    if files_only.settings.alertmanager().is_some() {
        let port = listener.local_addr().context("asking where we listen")?.port();
        let prefix = files_only.settings.config.server.prefix();
        wishes.links.derived = Some(listen::own_url(port, &prefix));
        wishes.overrule(&mut files_only.settings);
    }
    let config = files_only.settings.config.clone();
    let http = Http::new(config.outbound.clone()).map_err(|error| anyhow!("setting up HTTP: {error}"))?;
    let guests = Arc::new(GuestServices::default());
    host.serve(guests.clone(), Some(http.clone()));
    let (in_force, live) = begin(&wishes, &host, files_only, &store, &logging).await?;
    let InForce { settings, known: Known { kinds, .. }, standing } = in_force.clone();
    let hub = start_flow(live, &settings, store.clone(), http.clone()).await?;
    let traces = traces::start(&config.traces, &hub, http.clone())?;
    let listeners = answers::Listeners::start(&config.answers, &hub, &http)?;
    let json = wishes.json;
    let reloader = Reloader::new(wishes, host.clone(), hub.clone(), in_force, logging);
    let app = App::new(Setup {
        hub: hub.clone(),
        kinds: kinds.clone(),
        options: wire::options(&config),
        exposed: wire::exposed(&settings, &kinds, &standing)?,
        version: wire::version(),
        configuring: Arc::new(reloader.clone()),
        plugins: host.clone(),
        http,
    });
    guests.answer_by(&app);
    reloader.show_in(&app);
    app.listens_at(listener.local_addr().context("asking where we listen")?);
    look_after_users(&app).await?;
    reloader.look_once_more();
    reloader.follow_others();
    greet(&listener, &config.server.prefix(), json)?;
    warn_if_closed(&config, &store).await;
    let (stop, limit) = (CancellationToken::new(), config.server.shutdown_timeout);
    let (served, ended) = tokio::select! {
        both = until_stopped(listener, app, &hub, stop.clone(), limit) => both,
        () = signals.handle(reloader.clone(), stop) => (Ok(()), false),
    };
    reloader.stop();
    listeners.stop(limit).await;
    if !ended {
        let rest = "what is under way is taken up again after the next start";
        tracing::warn!("not everything ended within {}: {rest}", model::time::span::format(limit));
    }
    if let Some(traces) = traces {
        traces.finish().await;
    }
    if !host.stop(limit).await {
        tracing::warn!("not all plugins ended within {}: they are killed", model::time::span::format(limit));
    }
    drop(hub);
    store.close();
    tracing::info!("stopped");
    served.context("serving")
}

/// Puts what the files say in force, with what was overridden; without, when that cannot be used any more: a hub that
/// does not start tells nobody anything.
async fn begin(
    wishes: &Wishes,
    host: &Host,
    files_only: InForce,
    store: &Store,
    logging: &Logging,
) -> Result<(InForce, Live)> {
    let mut standing = Standing::read(store).await.context("reading the overrides")?;
    if wishes.skip_overrides {
        standing.refused = Some("the server was started without them".to_owned());
    }
    if !standing.in_force().is_empty() {
        let why = match in_force::load(wishes, host, &standing.all, Unusable::Waits).await {
            Err(why) => why.in_words(),
            Ok((settings, known)) => {
                let new = InForce { settings, known, standing: standing.clone() };
                match ready(host, &new).await {
                    Ok(live) => {
                        logging.set(&new.settings.config.log)?;
                        return Ok((new, live));
                    }
                    Err(why) => format!("{why:#}"),
                }
            }
        };
        tracing::error!("what was overridden is not in force, the files go alone: {why}");
        standing.refused = Some(why);
    }
    let in_force = InForce { standing, ..files_only };
    let live = ready(host, &in_force).await.context("not started")?;
    Ok((in_force, live))
}

/// Starts plugins, before the flow, so that what waits for them finds them; gives what the flow goes by.
async fn ready(host: &Host, it: &InForce) -> Result<Live> {
    let InForce { settings, known: Known { kinds, learned }, .. } = it;
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    warn_if_open_to_plugins(&settings.config, learned)?;
    let live = wire::live(settings, kinds)?;
    let subscribers = host.subscribers(learned);
    let applied = host.apply(learned.clone(), &settings.config.plugins.settings).await;
    applied.map_err(|wrong| anyhow!("{}", in_force::all_in_words(&wrong)))?;
    Ok(Live { subscribers, ..live })
}

/// Serves until it is told to stop; then requests and deliveries that are under way may end, side by side, so
/// that both together take no longer than the limit. Says whether all deliveries ended.
async fn until_stopped(
    listener: TcpListener,
    app: Arc<App>,
    hub: &Hub,
    stop: CancellationToken,
    limit: Duration,
) -> (std::io::Result<()>, bool) {
    let serving = async {
        let served = server::serve(listener, app, stop.clone()).await;
        // it may have ended by itself
        stop.cancel();
        served
    };
    let stopping = async {
        stop.cancelled().await;
        hub.stop(limit).await
    };
    tokio::join!(serving, stopping)
}

async fn open(config: &Config) -> Result<Store> {
    let location = wire::location(config);
    if let Location::Folder(folder) = &location {
        sdk::make_private(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let keys = config.database.secret_key.as_ref().map(|key| Keys::parse(key.expose()));
    let keys = keys.transpose().map_err(|why| anyhow!("database.secret_key: {why}"))?;
    let opened = Store::open_sealed(&location, keys).await;
    opened.map_err(|error| {
        let said = wire::without_secrets(error.to_string(), config);
        match location {
            Location::Folder(folder) => anyhow!("cannot open the database in {}: {said}", folder.display()),
            Location::Url(_) => anyhow!("cannot open the database: {said}"),
        }
    })
}

async fn start_flow(mut live: Live, settings: &Settings, store: Store, http: Http) -> Result<Hub> {
    let config_text = settings.as_kept();
    let before = store.read(|tx| {
        let newest = store::rules::newest(tx)?;
        store::rules::kept(tx, newest)
    });
    let before = before.await.context("reading the history")?.map(|kept| kept.applied.config);
    let summary = history::summary(&before.unwrap_or_default(), &config_text);
    live.applied = Applied { config: config_text, by: "start".to_owned(), summary, rolled_back_to: None };
    let retention = wire::retention(&settings.config.database.retention);
    Hub::start(store, live, http, Arc::new(SystemClock), retention).await.context("starting the flow")
}

/// The one line on standard output, which says where; tests and scripts wait for it.
fn greet(listener: &TcpListener, prefix: &str, json: bool) -> Result<()> {
    let address = listener.local_addr().context("asking where we listen")?;
    let url = format!("http://{address}{prefix}");
    if json {
        return output::print(&serde_json::json!({ "listening": url }).to_string());
    }
    output::print(&format!("listening on {url}"))
}

/// A hub that nobody uses yet makes a link for its first admin, and says it this once. Users from before get what new
/// ones have.
async fn look_after_users(app: &App) -> Result<()> {
    let made = server::accounts::first_admin(app).await.context("inviting the first admin")?;
    if let Some((secret, until)) = made {
        let base = app.base_url();
        tracing::info!(
            "there are no users yet: whoever opens {base}/invite/{secret} becomes the first admin, once, until \
             {until}; this is not said again (`nightbell user create` makes users, too)"
        );
    }
    let made =
        server::accounts::catch_up(app).await.context("giving users a destination at their address")?;
    if made > 0 {
        tracing::info!(
            users = made,
            "users have a destination at their address now, which they have to confirm"
        );
    }
    Ok(())
}

/// A server that knows no token and lets nobody in without one is of no use yet.
async fn warn_if_closed(config: &Config, store: &Store) {
    if config.server.allow_anonymous_loopback {
        return;
    }
    if store.read(store::tokens::list).await.is_ok_and(|tokens| tokens.is_empty()) {
        let how = "stop this server and make one with `nightbell token create NAME --data DIR`, or set \
                   server.allow_anonymous_loopback for requests from this machine";
        tracing::warn!("there are no tokens yet, so nobody is let in: {how}");
    }
}

/// A plugin that makes connections of its own may ask this very server, and needs no token where nobody does.
fn warn_if_open_to_plugins(config: &Config, learned: &Learned) -> Result<()> {
    let open: Vec<&str> = learned.with_connections().collect();
    if open.is_empty() || !config.server.allow_anonymous_loopback {
        return Ok(());
    }
    let open = open.join(", ");
    if config.plugins.require_isolation {
        let how = "unset server.allow_anonymous_loopback, or give them network = \"fetch\"";
        bail!("the plugins {open} could ask this server without a token, as anybody here may: {how}");
    }
    let how = "unset server.allow_anonymous_loopback if they are not to be trusted with that";
    tracing::warn!(
        "plugins can ask this server without a token, as anybody on this machine may ({open}): {how}"
    );
    Ok(())
}

/// What the system asks of us.
struct Signals {
    stop: [Signal; 2],
    reload: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("listening to signals");
        let stop = [listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?];
        Ok(Signals { stop, reload: listen(SignalKind::hangup())? })
    }

    /// Reloads whenever asked to, and says when to stop. Ends when asked to stop a second time: at once.
    async fn handle(self, reloader: Reloader, stop: CancellationToken) {
        let Signals { stop: [mut terminate, mut interrupt], mut reload } = self;
        loop {
            tokio::select! {
                Some(()) = terminate.recv() => {}
                Some(()) = interrupt.recv() => {}
                Some(()) = reload.recv() => {
                    // what came of it is in the log; meanwhile another signal may come
                    drop(reloader.reload("SIGHUP"));
                    continue;
                }
            }
            if stop.is_cancelled() {
                tracing::warn!("asked to stop a second time: what is under way is given up");
                return;
            }
            tracing::info!("stopping");
            stop.cancel();
        }
    }
}
