//! What a plugin answers when it is given work, in a life without a network: so nothing can be sent, whatever it does.

use std::time::Duration;

use futures::FutureExt as _;
use plugin_protocol::calls::{
    Call, Check, CheckParams, Configure, Deliver, DeliverAnswer, Delivery, HelloAnswer, HttpRequest, Outcome,
    Request, Test, TestParams, Ticket, TicketParams, Validate, ValidateParams,
};
use plugin_protocol::limits::{CALL_TIME, CONFIGURE_TIME, TEST_TIME, TICKET_TIME};
use plugin_protocol::manifest::{Network, Runtime};
use plugin_protocol::provides::Route;
use plugin_protocol::wire::NO_SUCH_METHOD;
use sdk::{MessageKind, sample};
use serde_json::{Value, json};

use super::{Life, Report, UNKNOWN, knows_not, made, until};
use crate::greeting;
use crate::peer::{Peer, Terms, Unanswered};
use crate::plugin::World;
use crate::sandbox;
use crate::schema::Schema;
use crate::spec::Spec;

/// A kind that nobody has.
const NO_KIND: &str = "nightbell-unknown";
/// What came of deliveries that were not made.
const GIVEN_UP: [&str; 2] = ["retry", "rejected"];
/// Every word for what came of one.
const OUTCOMES: [&str; 4] = ["delivered", "retry", "rejected", "skipped"];
/// Every word for how something is.
const STATUSES: [&str; 3] = ["passing", "warning", "failing"];
/// Questions that are asked and taken back.
const TAKEN_BACK: usize = 8;

/// Gives it work of each sort that it takes.
pub(super) async fn look(spec: &Spec, world: &World, report: &mut Report) {
    let is_component = spec.found.manifest.run.runtime == Runtime::Wasm;
    let not_asked = |why: &str| format!("it was given nothing to do: {why}");
    if !is_component && !sandbox::holds_sockets() {
        return report.remarks.push(not_asked("nothing can be kept from the network here"));
    }
    let settings = match made::settings(report.provides.settings.as_ref()) {
        Ok(settings) => settings,
        Err(why) => return report.remarks.push(not_asked(&format!("its settings cannot be made up: {why}"))),
    };
    let spec = Spec { settings, ..apart(spec) };
    let life = match Life::begin(&spec, world).await {
        Ok(life) => life,
        Err(why) => return report.note("it starts again", Err(why)),
    };
    match greeting::greet(&life.body, &spec, &world.places).await {
        Ok((hello, routes)) => ask(&life.body.peer, &hello, &routes, report).await,
        Err(bad) => {
            let why = format!("without a network, and with settings that are made up, it gave: {}", bad.why);
            report.remarks.push(not_asked(&why));
        }
    }
    report.strays += life.strays();
    life.end(report).await;
}

/// The same plugin without a way to anybody.
fn apart(spec: &Spec) -> Spec {
    let mut spec = spec.clone();
    let may = &mut spec.found.manifest.permissions;
    (may.network, may.ports) = (Network::None, None);
    may.hosts.clear();
    may.write.clear();
    spec
}

async fn ask(peer: &Peer, hello: &HelloAnswer, routes: &[Route], report: &mut Report) {
    let (provides, can) = (&hello.provides, |name: &str| hello.features.iter().any(|it| it == name));
    let has_kinds = !provides.destinations.is_empty();
    if has_kinds {
        let given_up = tells(peer, &["a", "b"]).await;
        report
            .note("it says of each delivery what came of it, also of kinds that it does not have", given_up);
        report.note("it takes a delivery that is there twice", tells(peer, &["a", "b", "a"]).await);
    }
    let taken_back = answers_what_is_taken_back(peer, has_kinds).await;
    report.note("it answers what is cancelled, and goes on", taken_back);
    let bad = json!({"settings": {NO_KIND: [null]}, "generation": 2, "dry_run": true});
    let bad = answer_to(peer, Configure::METHOD, &bad, CONFIGURE_TIME).await;
    report.note("it answers when settings are bad", bad.map(drop));
    if can("validate") {
        report.note("it looks at settings", validates(peer, hello).await);
    }
    if can("test") {
        report.note("it can be tested", tests(peer, hello).await);
    }
    if can("ticket") {
        report.note("it makes a ticket, or says why not", makes_a_ticket(peer).await);
    }
    if !provides.checks.is_empty() {
        report.note("it looks at what it is to check", checks(peer, hello).await);
    }
    if !routes.is_empty() {
        report.note("it answers requests over HTTP", serves(peer, routes).await);
    }
    report.note("it goes on after all that", knows_not(peer).await);
}

/// One that has not answered before is not waited for again and again.
fn owes_nothing(peer: &Peer) -> Result<(), String> {
    if peer.is_busy() { Err("it has not answered what it was asked before".to_owned()) } else { Ok(()) }
}

/// What it answers; nothing: it answers that it cannot, which is an answer as well.
async fn answer_to<P: serde::Serialize>(
    peer: &Peer,
    method: &'static str,
    params: &P,
    limit: Duration,
) -> Result<Option<Value>, String> {
    owes_nothing(peer)?;
    match peer.ask_raw(method, params, Terms::within(limit)).await {
        Ok(answer) => serde_json::from_str(answer.get()).map(Some).map_err(|error| error.to_string()),
        Err(Unanswered::Fault(_)) => Ok(None),
        Err(why) => Err(why.to_string()),
    }
}

/// The same for what it says it can do.
async fn asked<C: Call>(
    peer: &Peer,
    params: &C::Params,
    limit: Duration,
) -> Result<Option<C::Answer>, String> {
    owes_nothing(peer)?;
    match peer.ask::<C>(params, limit).await {
        Ok(answer) => Ok(Some(answer)),
        Err(Unanswered::Fault(fault)) if fault.code != NO_SUCH_METHOD => Ok(None),
        Err(Unanswered::Fault(_)) => Err(format!("it does not know `{}`", C::METHOD)),
        Err(why) => Err(why.to_string()),
    }
}

fn deliveries(ids: &[&str]) -> Value {
    let at = model::Time::from_seconds(1_700_000_000);
    let deliveries: Vec<Delivery> = ids
        .iter()
        .map(|id| {
            let title = sample::test_title(NO_KIND);
            let message = sample::message(MessageKind::Test, &title, model::Severity::Info, id, "check", at);
            Delivery {
                id: (*id).to_owned(),
                key: (*id).to_owned(),
                deadline_ms: 5_000,
                kind: NO_KIND.to_owned(),
                destination: format!("check/{NO_KIND}/0"),
                settings: json!({}),
                message: serde_json::to_value(message).unwrap_or_default(),
                ..Delivery::default()
            }
        })
        .collect();
    json!({ "deliveries": deliveries, "a_word_of_tomorrow": true })
}

async fn tells(peer: &Peer, ids: &[&str]) -> Result<(), String> {
    owes_nothing(peer)?;
    let said = peer.ask_raw(Deliver::METHOD, &deliveries(ids), Terms::within(CALL_TIME)).await;
    let said = said.map_err(|why| why.to_string())?;
    let DeliverAnswer { outcomes } = serde_json::from_str(said.get()).map_err(|error| error.to_string())?;
    if let Some(stranger) = outcomes.iter().find(|it| !ids.contains(&it.id.as_str())) {
        return Err(format!("it says something of {:?}, of which it was not told", stranger.id));
    }
    for id in ids {
        match outcomes.iter().find(|it| it.id == *id) {
            None => return Err(format!("it says nothing of {id:?}")),
            Some(it) if GIVEN_UP.contains(&it.outcome.as_str()) => {}
            Some(it) => return Err(format!("it says {:?} for a kind that it does not have", it.outcome)),
        }
    }
    Ok(())
}

async fn answers_what_is_taken_back(peer: &Peer, has_kinds: bool) -> Result<(), String> {
    let (method, params) =
        if has_kinds { (Deliver::METHOD, deliveries(&["a"])) } else { (UNKNOWN, json!({})) };
    for _ in 0..TAKEN_BACK {
        // asked, and given up at once: which is said to it
        let _ = peer.ask_raw(method, &params, Terms::within(CALL_TIME)).now_or_never();
    }
    if !until(CALL_TIME, || !peer.is_busy()).await {
        return Err(format!("no answer within {CALL_TIME:?}: its place is never free again"));
    }
    knows_not(peer).await
}

async fn validates(peer: &Peer, hello: &HelloAnswer) -> Result<(), String> {
    let provides = &hello.provides;
    let kinds =
        provides.destinations.iter().map(|it| ("destination", it.kind.as_str(), it.settings.as_ref()));
    let forms = [("user", &provides.user), ("project", &provides.project)];
    let forms = forms.into_iter().filter_map(|(what, schema)| Some((what, "", Some(schema.as_ref()?))));
    let all: Vec<(&str, &str, Option<&Value>)> = kinds.chain(forms).collect();
    for (what, kind, schema) in all {
        let name = if kind.is_empty() { what } else { kind };
        let below = |why: String| format!("{name}: {why}");
        let params = |value: Value| ValidateParams {
            what: what.to_owned(),
            kind: kind.to_owned(),
            value,
            others: Vec::new(),
            project: if what == "project" { "check".to_owned() } else { String::new() },
        };
        // what fits no schema does not come from a host of today; it must hold all the same
        asked::<Validate>(peer, &params(json!({NO_KIND: [null]})), CONFIGURE_TIME).await.map_err(below)?;
        let Ok(value) = made::settings(schema) else { continue };
        let answer = asked::<Validate>(peer, &params(value), CONFIGURE_TIME).await.map_err(below)?;
        let cleaned = answer.filter(|it| it.errors.is_empty()).and_then(|it| it.value);
        let fits = cleaned.map(|value| Schema::new(schema).map(|schema| schema.fit(value)));
        if let Some(Ok(Err(wrong))) = fits {
            let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            return Err(below(format!("what it makes of settings does not fit: {}", wrong.join("; "))));
        }
    }
    Ok(())
}

async fn tests(peer: &Peer, hello: &HelloAnswer) -> Result<(), String> {
    for it in &hello.provides.destinations {
        let options = made::settings(it.test_options.as_ref());
        let (Ok(settings), Ok(options)) = (made::settings(it.settings.as_ref()), options) else { continue };
        let params = TestParams { kind: it.kind.clone(), settings, options, projects: Vec::new() };
        let said = asked::<Test>(peer, &params, TEST_TIME).await;
        let said: Option<Outcome> = said.map_err(|why| format!("{}: {why}", it.kind))?;
        known(&it.kind, said.map(|it| it.outcome), &OUTCOMES)?;
    }
    Ok(())
}

async fn checks(peer: &Peer, hello: &HelloAnswer) -> Result<(), String> {
    let params = |kind: &str, settings| CheckParams { kind: kind.to_owned(), settings, deadline_ms: 5_000 };
    for it in &hello.provides.checks {
        let Ok(settings) = made::settings(it.settings.as_ref()) else { continue };
        let said = asked::<Check>(peer, &params(&it.kind, settings), CALL_TIME).await;
        let said = said.map_err(|why| format!("{}: {why}", it.kind))?;
        known(&it.kind, said.map(|it| it.status), &STATUSES)?;
    }
    match asked::<Check>(peer, &params(NO_KIND, json!({})), CALL_TIME).await? {
        Some(said) if said.status == "passing" => Err("what it does not know is passing".to_owned()),
        _ => Ok(()),
    }
}

fn known(name: &str, said: Option<String>, words: &[&str]) -> Result<(), String> {
    match said {
        Some(word) if !words.contains(&word.as_str()) => {
            Err(format!("{name}: it says {word:?}, and may say {}", words.join(", ")))
        }
        _ => Ok(()),
    }
}

async fn makes_a_ticket(peer: &Peer) -> Result<(), String> {
    let incident = json!({
        "id": "0a1b2c3d4e5f6", "title": "The disk of db1 is full", "state": "open", "severity": "error",
        "labels": {"alertname": "DiskFull"}, "annotations": {},
    });
    let [key, by, note] = ["ticket-0a1b2c3d4e5f6", "check", ""].map(str::to_owned);
    let params = TicketParams { key, incident, by, note };
    match asked::<Ticket>(peer, &params, TICKET_TIME).await? {
        Some(ticket) if ticket.id.is_empty() => Err("its ticket has no id".to_owned()),
        _ => Ok(()),
    }
}

async fn serves(peer: &Peer, routes: &[Route]) -> Result<(), String> {
    for route in routes {
        let (path, arguments) = filled(&route.path);
        for method in route.taken() {
            let params = HttpRequest {
                route: route.path.clone(),
                arguments: arguments.clone(),
                method: method.to_owned(),
                path: path.clone(),
                body: (!["GET", "HEAD"].contains(&method)).then(|| "{}".to_owned()),
                ..HttpRequest::default()
            };
            let below = |why: String| format!("{method} {}: {why}", route.path);
            let said = asked::<Request>(peer, &params, CALL_TIME).await.map_err(below)?;
            match said {
                Some(answer) if !(200..600).contains(&answer.status) => {
                    return Err(below(format!("status {} is none", answer.status)));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// A path with something in place of the names in it, and what stands for which.
fn filled(pattern: &str) -> (String, std::collections::BTreeMap<String, String>) {
    let mut arguments = std::collections::BTreeMap::new();
    let parts: Vec<&str> = pattern
        .split('/')
        .map(|part| match part.strip_prefix('<').and_then(|name| name.strip_suffix('>')) {
            Some(name) => {
                let name = name.split(':').next().unwrap_or(name);
                arguments.insert(name.to_owned(), "1".to_owned());
                "1"
            }
            None => part,
        })
        .collect();
    (parts.join("/"), arguments)
}
