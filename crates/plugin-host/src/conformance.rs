//! Whether a plugin keeps the contract: it is greeted, asked what nobody should know, told what nobody understands,
//! given work without a network, sent lines that are none, and ended, each in a life of its own as far as need be; and
//! everything that it does is looked at. Nothing is sent anywhere.

mod made;
mod wire;
mod work;

use std::ffi::OsStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use plugin_protocol::Provides;
use plugin_protocol::calls::{
    CANCEL, Call as _, Configure, ConfigureAnswer, ConfigureParams, Drain, Events, EventsParams, Health,
    Nothing, Shutdown, Start,
};
use plugin_protocol::limits::{BEGIN_TIME, CONFIGURE_TIME, EVENTS_TIME, HEALTH_TIME, MAX_CHAIN, STOP_TIME};
use plugin_protocol::manifest::Runtime;
use plugin_protocol::provides::{Route, TOPICS, covers};
use plugin_protocol::wire::{NO_SUCH_METHOD, notification};
use serde::Serialize;
use serde_json::{Value, json};

use crate::body::Body;
use crate::folder::Found;
use crate::greeting;
use crate::host::Host;
use crate::peer::{Peer, Terms, Unanswered};
use crate::plugin::{self, Plugin, World};
use crate::schema::Schema;
use crate::spec::Spec;

/// What is said of a plugin whose beginning cannot be looked at.
const NOT_BEGUN: &str = "it needs settings, so it was not begun";
/// A method that nobody has.
const UNKNOWN: &str = "nightbell/unknown";
/// How many questions are asked at once.
const AT_ONCE: usize = 16;
/// How long the end of a plugin may take once its input is closed: then it is sent a signal.
const END_TIME: Duration = Duration::from_millis(STOP_TIME.as_millis() as u64 / 5);
/// Lines of the log of each life.
const LOG_LINES: usize = 20;
/// How long there is between two looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What a plugin is to do.
    pub rule: &'static str,
    /// What is wrong; nothing: it does it.
    pub wrong: Option<String>,
}

/// What was found, and what the plugin provides.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order in which it was looked at.
    pub findings: Vec<Finding>,
    /// What it says of itself.
    pub provides: Provides,
    /// What is right, and still worth knowing.
    pub remarks: Vec<String>,
    /// The last lines of its log.
    pub log: Vec<String>,
    /// Answers that nobody asked for.
    strays: u64,
}

impl Report {
    fn note(&mut self, rule: &'static str, result: Result<(), String>) {
        self.findings.push(Finding { rule, wrong: result.err() });
    }

    /// Whether everything is as it should be.
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| finding.wrong.is_none())
    }
}

/// One life of a plugin that is looked at.
struct Life {
    plugin: Arc<Plugin>,
    body: Body,
}

impl Life {
    async fn begin(spec: &Spec, world: &World) -> Result<Life, String> {
        let plugin = Arc::new(Plugin::new(spec.clone()));
        let body = plugin::start(&plugin, spec, world).await?;
        Ok(Life { plugin, body })
    }

    fn strays(&self) -> u64 {
        self.body.peer.strays.load(Ordering::Relaxed)
    }

    /// How long its end took, once its input was closed.
    async fn end(self, report: &mut Report) -> Duration {
        let began = tokio::time::Instant::now();
        self.body.end().await;
        let took = began.elapsed();
        report.log.extend(self.plugin.journal.last(LOG_LINES));
        took
    }
}

fn ended_by_itself(took: Duration) -> Result<(), String> {
    if took < END_TIME {
        return Ok(());
    }
    Err(format!("it took {took:?} and a signal; it should end by itself"))
}

/// Waits until something is so, at most so long.
async fn until(limit: Duration, is: impl Fn() -> bool) -> bool {
    let waiting = async {
        while !is() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(limit, waiting).await.is_ok()
}

/// Looks at one plugin, which is started for it.
pub async fn look(host: &Host, found: &Found) -> Report {
    let mut report = Report::default();
    let spec = Spec::bare(found.clone(), found.manifest.limits(), String::new());
    let world = host.world();
    match Life::begin(&spec, &world).await {
        Ok(life) => {
            report.note("it starts", Ok(()));
            let greeted = talk(&life.body, &spec, &world.places, &mut report).await;
            report.strays += life.strays();
            let ended = ended_by_itself(life.end(&mut report).await);
            report.note("it ends when its input is closed", ended);
            if greeted {
                work::look(&spec, &world, &mut report).await;
            }
            let strays = report.strays;
            let strays = if strays == 0 { Ok(()) } else { Err(format!("it gave {strays} such answers")) };
            report.note("it answers only what it was asked", strays);
            // components are asked by calls, not by lines
            if greeted && found.manifest.run.runtime != Runtime::Wasm {
                wire::look(&spec, &world, &mut report).await;
            }
        }
        Err(why) => report.note("it starts", Err(why)),
    }
    report.remarks.extend(may_circle(found, &report.provides));
    report.remarks.extend(not_there(found, &world.places));
    let garbage = report.log.iter().find(|line| line.starts_with("on standard output"));
    report.note("standard output has messages only", garbage.map_or(Ok(()), |line| Err(line.clone())));
    report
}

/// What nobody knows is answered as such.
async fn knows_not(peer: &Peer) -> Result<(), String> {
    match peer.ask_raw(UNKNOWN, &json!({}), Terms::within(HEALTH_TIME)).await {
        Err(Unanswered::Fault(fault)) if fault.code == NO_SUCH_METHOD => Ok(()),
        Err(Unanswered::Fault(fault)) => Err(format!("it answered error {}", fault.code)),
        Ok(_) => Err("it answered as if it knew it".to_owned()),
        Err(other) => Err(other.to_string()),
    }
}

/// The first life; whether it was greeted.
async fn talk(process: &Body, spec: &Spec, places: &crate::Places, report: &mut Report) -> bool {
    match greeting::hello(process, spec, places).await {
        Ok(hello) => {
            report.note("it says hello", Ok(()));
            report.provides = hello.provides;
        }
        Err(bad) => {
            report.note("it says hello", Err(bad.why));
            return false;
        }
    }
    report.note("its schemas are schemas", schemas(&report.provides, |raw| Schema::new(raw).map(drop)));
    report.note("its defaults fit its schemas", schemas(&report.provides, made::bad_defaults));
    let may_serve = spec.found.manifest.permissions.serve || report.provides.routes.is_empty();
    let served = if may_serve { Ok(()) } else { Err("permissions.serve is not in its manifest".to_owned()) };
    report.note("its routes may be served", served);
    report.note("it answers -32601 to what it does not know", knows_not(&process.peer).await);
    let all = futures::future::join_all((0..AT_ONCE).map(|_| knows_not(&process.peer))).await;
    report.note("it answers each of several questions at once", all.into_iter().collect());
    for (method, params) in [(UNKNOWN, json!({})), (CANCEL, json!({"id": 0}))] {
        if let Ok(line) = notification(method, &params) {
            process.peer.say(line).await;
        }
    }
    let params = ConfigureParams { settings: json!({}), generation: 1, dry_run: true };
    let mut params = serde_json::to_value(&params).unwrap_or_default();
    params["a_word_of_tomorrow"] = json!({"whatever": [1, 2]});
    let configured = process.peer.ask_raw(Configure::METHOD, &params, Terms::within(CONFIGURE_TIME)).await;
    let takes_none = configured.as_ref().is_ok_and(|answer| {
        serde_json::from_str::<ConfigureAnswer>(answer.get()).is_ok_and(|answer| answer.errors.is_empty())
    });
    let configured = match configured {
        // settings that are needed and were not given are rightly refused
        Ok(_) => Ok(()),
        Err(Unanswered::Fault(fault)) if fault.code == NO_SUCH_METHOD => Ok(()),
        Err(why) => Err(why.to_string()),
    };
    report.note("it ignores words that it does not know", configured);
    if takes_none {
        looks_at_beginning(process, spec, report).await;
    } else {
        report.remarks.push(NOT_BEGUN.to_owned());
    }
    ends(process, report).await;
    true
}

/// Tells it what it subscribes to, and that its end comes.
async fn ends(process: &Body, report: &mut Report) {
    let optional = |asked: Result<(), Unanswered>| match asked {
        Ok(()) => Ok(()),
        Err(Unanswered::Fault(fault)) if fault.code == NO_SUCH_METHOD => Ok(()),
        Err(why) => Err(why.to_string()),
    };
    for subscription in report.provides.subscriptions.clone() {
        // a batch without anything in it: nothing happens, but it must be known
        let params = EventsParams { subscription: subscription.name.clone(), events: Vec::new() };
        let heard = process.peer.ask::<Events>(&params, EVENTS_TIME).await;
        let heard = heard.map(drop).map_err(|why| format!("{}: {why}", subscription.name));
        report.note("it hears of what it subscribes to", heard);
    }
    let health = process.peer.ask::<Health>(&Nothing {}, HEALTH_TIME).await;
    report.note("it says how it is", optional(health.map(drop)));
    let drained = process.peer.ask::<Drain>(&Nothing {}, STOP_TIME).await;
    report.note("it finishes what it has", optional(drained.map(drop)));
    let closed = process.peer.ask::<Shutdown>(&Nothing {}, STOP_TIME).await;
    report.note("it closes", optional(closed.map(drop)));
}

/// Has it begin, if it can without anybody's settings.
async fn looks_at_beginning(process: &Body, spec: &Spec, report: &mut Report) {
    let schema = Schema::new(report.provides.settings.as_ref());
    let Some(settings) = schema.ok().and_then(|schema| schema.fit(Value::Null).ok()) else {
        return report.remarks.push(NOT_BEGUN.to_owned());
    };
    let spec = Spec { settings, ..spec.clone() };
    report.note("it begins its work", begin(process, &spec, &report.provides.routes).await);
}

/// Has it begin, with the defaults of its settings, as a hub would.
async fn begin(process: &Body, spec: &Spec, routes: &[Route]) -> Result<(), String> {
    greeting::configure(&process.peer, spec, false).await.map_err(|why| why.to_string())?;
    let began = match process.peer.ask::<Start>(&Nothing {}, BEGIN_TIME).await {
        Err(Unanswered::Fault(fault)) if fault.code == NO_SUCH_METHOD => return Ok(()),
        began => began.map_err(|why| why.to_string())?,
    };
    let routes = routes.iter().cloned().chain(began.routes).collect();
    let wrong = Provides { routes, ..Provides::default() }.check();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// What somebody should know whose plugin hears of what it may do itself.
fn may_circle(found: &Found, provides: &Provides) -> Option<String> {
    let permissions = &found.manifest.permissions;
    let own = |topic: &&str| {
        let (emits, acts) = (permissions.emit, permissions.act);
        match *topic {
            "request.served" => false,
            "event.accepted" | "incident.opened" | "delivery.finished" => emits,
            _ => emits || acts,
        }
    };
    let manifest = found.manifest.provides();
    let said = manifest.subscriptions.iter().chain(&provides.subscriptions);
    let hears = |topic: &&str| said.clone().flat_map(|it| &it.topics).any(|pattern| covers(pattern, topic));
    let both: Vec<&str> = TOPICS.into_iter().filter(own).filter(hears).collect();
    (!both.is_empty()).then(|| {
        format!(
            "it hears of {} and may bring that about itself: {MAX_CHAIN} things that plugins do because of each \
             other are taken, and the next is refused",
            both.join(", ")
        )
    })
}

/// What its manifest names that is not on this machine, and so is not given.
fn not_there(found: &Found, places: &crate::Places) -> Vec<String> {
    let permissions = &found.manifest.permissions;
    let paths = [("read", &permissions.read), ("write", &permissions.write)];
    let paths = paths.into_iter().flat_map(|(name, all)| all.iter().map(move |path| (name, path)));
    let gone = paths.filter(|(_, path)| !std::path::Path::new(path).exists());
    let gone = gone.map(|(name, path)| format!("permissions.{name}: there is no {path} here"));
    let unset = permissions.env.iter().filter(|name| !places.environment.contains_key(OsStr::new(name)));
    let unset = unset.map(|name| format!("permissions.env: {name} is not set here"));
    gone.chain(unset).collect()
}

/// Asks something of each schema.
fn schemas(provides: &Provides, ask: impl Fn(Option<&Value>) -> Result<(), String>) -> Result<(), String> {
    let own = [("settings", &provides.settings), ("user", &provides.user), ("project", &provides.project)];
    let own = own.into_iter().map(|(name, schema)| (name.to_owned(), schema.as_ref()));
    let kinds = provides.destinations.iter().flat_map(|it| {
        let settings = (format!("destinations.{}.settings", it.kind), it.settings.as_ref());
        [settings, (format!("destinations.{}.test_options", it.kind), it.test_options.as_ref())]
    });
    let checks =
        provides.checks.iter().map(|it| (format!("checks.{}.settings", it.kind), it.settings.as_ref()));
    for (name, schema) in own.chain(kinds).chain(checks) {
        ask(schema).map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(())
}
