//! Everything that is said to a plugin before its first work: hello, its settings, and that it may begin.

use plugin_protocol::calls::{
    Complaint, Configure, ConfigureParams, Hello, HelloAnswer, HelloParams, Nothing, Place, Program, Start,
    Versions,
};
use plugin_protocol::limits::{BEGIN_TIME, CONFIGURE_TIME};
use plugin_protocol::provides::Route;
use plugin_protocol::{CONTRACT, OLDEST_CONTRACT, Provides};

use crate::body::{Body, End};
use crate::peer::{Peer, Unanswered};
use crate::places::Places;
use crate::spec::Spec;

/// What a plugin does when it is configured, for people.
const TAKING_SETTINGS: &str = "taking its settings";
/// What the host can do beside what the contract asks of it.
const FEATURES: [&str; 6] = ["emit", "fetch", "incident", "kv", "mail", "settings"];

/// Why a plugin that was started is of no use.
pub struct Bad {
    /// In words.
    pub why: String,
    /// Whether only a person can mend it.
    pub misconfigured: bool,
}

impl Bad {
    async fn of(process: &Body, when: &str, why: Unanswered) -> Bad {
        if let Unanswered::Gone(_) = why {
            let End { why, misconfigured } = process.ended().await;
            return Bad { why: format!("{when}: {why}"), misconfigured };
        }
        Bad { why: format!("{when}: {why}"), misconfigured: false }
    }
}

/// Says hello. What the answer says that the plugin provides is what it and its manifest say together.
pub async fn hello(process: &Body, spec: &Spec, places: &Places) -> Result<HelloAnswer, Bad> {
    let id = spec.found.id();
    let params = HelloParams {
        protocol: Versions { min: OLDEST_CONTRACT, max: CONTRACT },
        host: Program { name: "nightbell".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        features: FEATURES.map(str::to_owned).into(),
        concurrency: spec.limits.concurrency(),
        plugin: Place {
            id: id.to_owned(),
            folder: spec.found.folder.display().to_string(),
            state: places.state(id).display().to_string(),
        },
    };
    let answer = process.peer.ask::<Hello>(&params, spec.limits.start()).await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => return Err(Bad::of(process, "saying hello", why).await),
    };
    let bad = |why: String| Bad { why: format!("saying hello: {why}"), misconfigured: true };
    if !(OLDEST_CONTRACT..=CONTRACT).contains(&answer.protocol) {
        let speaks = answer.protocol;
        return Err(bad(format!(
            "it speaks contract {speaks}, and here {OLDEST_CONTRACT} to {CONTRACT} are spoken"
        )));
    }
    let wrong = answer.provides.check();
    if !wrong.is_empty() {
        return Err(bad(wrong.join("; ")));
    }
    let provides = spec.found.manifest.provides().and(&answer.provides).map_err(bad)?;
    // each may be right, and both together not
    let wrong = provides.check();
    if !wrong.is_empty() {
        return Err(bad(wrong.join("; ")));
    }
    Ok(HelloAnswer { provides, ..answer })
}

/// Why settings were not taken.
pub enum NotTaken {
    /// The plugin says what is wrong with them.
    Refused(Vec<Complaint>),
    /// It does not say.
    Unanswered(Unanswered),
}

impl std::fmt::Display for NotTaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NotTaken::Refused(all) => {
                let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                write!(f, "it refuses its settings: {}", all.join("; "))
            }
            NotTaken::Unanswered(why) => write!(f, "{TAKING_SETTINGS}: {why}"),
        }
    }
}

/// Gives it its settings, or only asks whether it would take them.
pub async fn configure(peer: &Peer, spec: &Spec, dry_run: bool) -> Result<(), NotTaken> {
    let params = ConfigureParams { settings: spec.settings.clone(), generation: spec.generation, dry_run };
    match peer.ask::<Configure>(&params, CONFIGURE_TIME).await {
        Ok(answer) if answer.errors.is_empty() => Ok(()),
        Ok(answer) => Err(NotTaken::Refused(answer.errors)),
        // one without settings need not know the question
        Err(Unanswered::Fault(fault)) if fault.code == plugin_protocol::wire::NO_SUCH_METHOD => Ok(()),
        Err(why) => Err(NotTaken::Unanswered(why)),
    }
}

/// All of it.
pub async fn greet(process: &Body, spec: &Spec, places: &Places) -> Result<(HelloAnswer, Vec<Route>), Bad> {
    let hello = hello(process, spec, places).await?;
    match configure(&process.peer, spec, false).await {
        Ok(()) => {}
        Err(NotTaken::Unanswered(why)) => return Err(Bad::of(process, TAKING_SETTINGS, why).await),
        Err(refused) => return Err(Bad { why: refused.to_string(), misconfigured: true }),
    }
    let began = process.peer.ask::<Start>(&Nothing {}, BEGIN_TIME).await;
    let mut routes = hello.provides.routes.clone();
    match began {
        Ok(answer) => routes.extend(answer.routes),
        Err(Unanswered::Fault(fault)) if fault.code == plugin_protocol::wire::NO_SUCH_METHOD => {}
        Err(why) => return Err(Bad::of(process, "starting its work", why).await),
    }
    let wrong = Provides { routes: routes.clone(), ..Provides::default() }.check();
    if !wrong.is_empty() {
        return Err(Bad { why: format!("starting its work: {}", wrong.join("; ")), misconfigured: true });
    }
    Ok((hello, routes))
}
