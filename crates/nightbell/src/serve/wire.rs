//! From the configuration's words to those of the parts that it is for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use config::{Config, Integration};
use connectors::sources::heartbeat::HeartbeatSettings;
use flow::driver::Retention;
use flow::live::{Expected, Live, Ping, SelfWatch};
use sdk::{Registry, Secret};
use server::{Exposed, Options, Version};
use store::Location;

use super::answers;
use super::in_force::Standing;
use crate::settings::Settings;

/// The kind of source whose silence is an event.
const HEARTBEAT: &str = "heartbeat";
/// As good as for ever: a hundred years.
const EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The rules, with everything made ready.
pub fn live(settings: &Settings, kinds: &Arc<Registry>) -> Result<Live> {
    let integrations = settings.config.integrations.values();
    let heartbeats = integrations.filter(|it| it.kind == HEARTBEAT).map(expected).collect::<Result<_>>()?;
    let live = Live::within(settings.templates(), settings.rules.clone(), heartbeats, kinds);
    let live = live.map_err(|error| anyhow!("{error}"))?;
    Ok(Live {
        self_watch: self_watch(&settings.config.self_watch),
        kinds: kinds.clone(),
        accounts: Arc::new(accounts(settings, kinds)),
        answering: answers::answering(&settings.config.answers),
        ..live
    })
}

/// What destinations of a kind have that say nothing else, without their manners: through these accounts people are
/// told who bring none of their own.
fn accounts(settings: &Settings, kinds: &Registry) -> BTreeMap<String, serde_json::Value> {
    let defaults = kinds.destinations().filter_map(|(facts, _)| {
        let mut account = settings.defaults().get(facts.kind)?.clone();
        account.as_object_mut()?.retain(|name, _| !config::is_manner(name));
        Some((facts.kind.to_owned(), account))
    });
    defaults.collect()
}

fn self_watch(section: &config::SelfWatch) -> SelfWatch {
    let ping = section.ping_url.clone().map(|url| Ping {
        url,
        every: section.ping_every,
        overdue_after: section.overdue_after,
    });
    SelfWatch {
        ping,
        canary: section.canary.clone(),
        canary_every: section.canary_every,
        canary_within: section.canary_within,
    }
}

fn expected(integration: &Integration) -> Result<Expected> {
    let read = serde_json::from_value::<HeartbeatSettings>(integration.settings.clone());
    let settings = read.with_context(|| format!("integrations.{}", integration.name))?;
    Ok(Expected {
        name: integration.name.clone(),
        every: settings.every,
        grace: settings.grace,
        labels: settings.labels.into_iter().collect(),
        severity: settings.severity.into(),
        title: settings.title.unwrap_or_default(),
        alerts: settings.alerts,
        project: settings.project,
    })
}

/// What the server shows and serves of the configuration.
pub fn exposed(settings: &Settings, kinds: &Registry, standing: &Standing) -> Result<Exposed> {
    let reader = |it: &Integration| {
        let reader = kinds.reader(&it.kind, it.settings.clone());
        let reader = reader.map_err(|error| anyhow!("integrations.{}: {error}", it.name))?;
        Ok((it.name.clone(), server::Integration { kind: it.kind.clone(), reader }))
    };
    let integrations =
        settings.config.integrations.values().map(reader).collect::<Result<BTreeMap<_, _>>>()?;
    let alertmanager_config = settings.alertmanager().map(str::to_owned);
    let receivers = settings.receivers().to_vec();
    Ok(Exposed {
        integrations,
        receivers,
        alertmanager_config,
        config: settings.as_toml(),
        defaults: settings.defaults().clone(),
        templates: settings.templates().clone(),
        shown: settings.as_json(),
        overrides: standing.in_force().clone(),
        overrides_refused: standing.refused.clone(),
    })
}

/// What the server goes by.
pub fn options(config: &Config) -> Options {
    let server = &config.server;
    Options {
        prefix: server.prefix(),
        allow_anonymous_loopback: server.allow_anonymous_loopback,
        // what is none was refused when it was read
        trusted_proxies: server.trusted_proxies.iter().filter_map(|it| it.parse().ok()).collect(),
        max_body_bytes: server.max_body_bytes,
        header_timeout: server.header_timeout,
        request_timeout: server.request_timeout,
        shutdown_timeout: server.shutdown_timeout,
        max_requests: config.limits.requests,
        max_events: config.limits.events_per_request,
        oidc: oidc(&config.oidc),
        ..Options::default()
    }
}

/// The provider of identities, if there is one.
fn oidc(section: &config::Oidc) -> Option<server::oidc::Settings> {
    let it = section.clone();
    let settings = server::oidc::Settings {
        issuer: it.issuer,
        client_id: it.client_id,
        client_secret: it.client_secret,
        scopes: it.scopes,
        name_claim: it.name_claim,
        full_name_claim: it.full_name_claim,
        email_claim: it.email_claim,
        groups_claim: it.groups_claim,
        roles: it.roles,
        default_role: it.default_role,
        create_users: it.create_users,
        link_by_name: it.link_by_name,
        label: it.label,
    };
    Some(settings).filter(|it| !it.issuer.is_empty())
}

/// How long things are kept.
pub fn retention(keep: &config::Retention) -> Retention {
    let or_ever = |age: Duration| if age.is_zero() { EVER } else { age };
    let (resolved, audit) = (or_ever(keep.age), or_ever(keep.audit));
    let count = |most: u64| i64::try_from(most).unwrap_or(i64::MAX);
    let (most_incidents, most_bytes) = (count(keep.incidents), count(keep.bytes));
    Retention { resolved, repeats: keep.repeats.min(resolved), most_incidents, most_bytes, audit }
}

/// Where the database is.
pub fn location(config: &Config) -> Location {
    match &config.database.url {
        Some(url) => Location::Url(url.expose().to_owned()),
        None => Location::Folder(config.database.data_dir.clone()),
    }
}

/// A text without the database's URL and password.
pub fn without_secrets(text: String, config: &Config) -> String {
    let Some(url) = &config.database.url else { return text };
    let parsed = url::Url::parse(url.expose()).ok();
    let password = parsed.as_ref().and_then(url::Url::password).filter(|password| !password.is_empty());
    let secrets: Vec<Secret> = std::iter::once(url.clone()).chain(password.map(Secret::new)).collect();
    sdk::secret::hide(text, &secrets)
}

/// Sections that differ and that a reload does not touch.
pub fn changed_sections(old: &Config, new: &Config) -> Vec<&'static str> {
    let changed = [
        ("[server]", old.server != new.server),
        ("[database]", old.database != new.database),
        ("[outbound]", old.outbound != new.outbound),
        ("[limits]", old.limits != new.limits),
        ("[oidc]", old.oidc != new.oidc),
        ("[answers]", old.answers != new.answers),
        ("[traces]", old.traces != new.traces),
        ("plugins.require_isolation", old.plugins.require_isolation != new.plugins.require_isolation),
        ("plugins.python", old.plugins.python != new.plugins.python),
        ("log.format", old.log.format != new.log.format),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
}

/// Which program this is.
pub fn version() -> Version {
    Version {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        // set by whoever builds a release
        revision: option_env!("NIGHTBELL_REVISION").unwrap_or_default().to_owned(),
        build_date: option_env!("NIGHTBELL_BUILD_DATE").unwrap_or_default().to_owned(),
    }
}

/// The flag `--external-url`.
pub fn external_url(text: &str) -> Result<String, String> {
    let server = serde_json::from_value::<config::Server>(serde_json::json!({ "external_url": text }));
    server.map(|server| server.external_url).map_err(|error| error.to_string())
}

/// The flag `--route-prefix`.
pub fn prefix(text: &str) -> Result<String, String> {
    let server = serde_json::from_value::<config::Server>(serde_json::json!({ "route_prefix": text }));
    server.map(|server| server.route_prefix).map_err(|error| error.to_string())
}
