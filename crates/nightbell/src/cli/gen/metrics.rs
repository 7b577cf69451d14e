//! The page of all metrics: what a hub that just started says that it counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use flow::{Hub, SystemClock};
use futures::future::BoxFuture;
use model::Rules;
use sdk::http::Http;
use server::jobs::{Beginning, Told, Work};
use server::{App, By, ConfigFormat, Configuring, NotOverridden, NotRolledBack, Overriding, Setup};
use store::{Location, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::serve::wire;
use crate::settings::{self, Files};

/// How long the hub may take to stop.
const STOP: Duration = Duration::from_secs(5);

/// All metrics on one page.
pub async fn page() -> Result<String> {
    let folder = Folder(std::env::temp_dir().join(format!("nightbell-gen-{}", std::process::id())));
    Ok(table(&asked(&folder.0).await?))
}

/// Of this server nobody wants anything but its page.
struct Fixed;

impl Configuring for Fixed {
    fn reload(&self, _by: &str) -> BoxFuture<'static, std::result::Result<(), String>> {
        Box::pin(async { Err("this server is not configured".to_owned()) })
    }

    fn roll_back(
        &self,
        _version: i64,
        _by: &str,
    ) -> BoxFuture<'static, std::result::Result<i64, NotRolledBack>> {
        Box::pin(async { Err(NotRolledBack::Unknown) })
    }

    fn override_settings(
        &self,
        _wanted: Overriding,
        _by: By,
    ) -> BoxFuture<'static, std::result::Result<i64, NotOverridden>> {
        Box::pin(async { Err(NotOverridden::Unusable("this server is not configured".to_owned())) })
    }

    fn work_on_plugin(
        &self,
        _id: &str,
        _work: Work,
        _told: Told,
    ) -> std::result::Result<Beginning, NotOverridden> {
        Err(NotOverridden::Unusable("this server is not configured".to_owned()))
    }

    fn rules_of(&self, text: &str, format: ConfigFormat) -> std::result::Result<Rules, Vec<String>> {
        settings::rules_of(text, format, &connectors::registry())
    }
}

/// A folder that goes when it is dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // what cannot be removed is the system's to tidy up
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The page `/metrics` of a hub without a past.
async fn asked(folder: &Path) -> Result<String> {
    let kinds = Arc::new(connectors::registry());
    let settings = Files::default().load(&kinds)?;
    let store = Store::open(&Location::Folder(folder.to_owned())).await?;
    let (http, retention) = (Http::new(settings.config.outbound.clone())?, Default::default());
    let live = wire::live(&settings, &kinds)?;
    let hub = Hub::start(store, live, http.clone(), Arc::new(SystemClock), retention).await?;
    let app = App::new(Setup {
        hub: hub.clone(),
        kinds,
        options: wire::options(&settings.config),
        exposed: Default::default(),
        version: wire::version(),
        configuring: Arc::new(Fixed),
        plugins: plugin_host::Host::new(plugin_host::Places::default()),
        http,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.context("listening")?;
    let client = Client::new(&listener.local_addr()?.to_string(), None)?;
    let stop = CancellationToken::new();
    let ask = async {
        // the first request is the first that is counted
        client.text("/-/healthy").await?;
        let page = client.text("/metrics").await;
        stop.cancel();
        page
    };
    let (served, page) = tokio::join!(server::serve(listener, app, stop.clone()), ask);
    served.context("serving")?;
    hub.stop(STOP).await;
    page
}

/// `# HELP name text.` and `# TYPE name kind` as rows.
fn table(page: &str) -> String {
    let mut all: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for line in page.lines() {
        let mut words = line.splitn(4, ' ');
        let (Some("#"), Some(what), Some(name)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let rest = words.next().unwrap_or_default();
        let entry = all.entry(name).or_default();
        match what {
            "HELP" => entry.1 = rest.trim_end_matches('.'),
            "TYPE" => entry.0 = rest,
            _ => {}
        }
    }
    let about = "What `GET /metrics` tells Prometheus. This page is generated from the code: edit it there.";
    let mut text = format!("# Metrics\n\n{about}\n\n| metric | type | meaning |\n|---|---|---|\n");
    for (name, (kind, help)) in all {
        let total = if kind == "counter" { "_total" } else { "" };
        // writing to a String cannot fail
        let _ = writeln!(text, "| `{name}{total}` | {kind} | {help} |");
    }
    text
}
