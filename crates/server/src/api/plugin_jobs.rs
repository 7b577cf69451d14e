//! What is done to plugins and takes its time: each is a job, which says how it goes.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::Time;
use plugin_host::conformance::Report;
use plugin_protocol::provides::of_package;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::overrides::problem;
use crate::app::Shared;
use crate::body::OptionalJson;
use crate::error::{Answer, Problem};
use crate::input::Name;
use crate::jobs::{Job, Work};
use crate::signed::Signed;
use crate::views::Page;

/// Characters of a package with its version.
const MAX_PACKAGE_CHARS: usize = 200;

/// What is done to a plugin.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginJob)]
pub(super) struct JobView {
    /// Its number, since the server began.
    id: u64,
    /// `check` or `install`.
    what: &'static str,
    /// The plugin.
    plugin: String,
    /// Who wanted it.
    by: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    begun_at: Time,
    /// `running`, `done` or `failed`.
    state: &'static str,
    /// Why it failed; null: it has not.
    why: Option<String>,
    /// What was looked at, of a check that is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<ReportView>,
    /// The last lines that were said.
    log: Vec<String>,
}

/// What was looked at.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginReport)]
struct ReportView {
    /// Whether it keeps the contract.
    good: bool,
    /// Each rule, in the order in which it was looked at.
    findings: Vec<FindingView>,
    /// What is right, and still worth knowing.
    remarks: Vec<String>,
    /// The last lines of the plugin's log.
    log: Vec<String>,
}

/// Something that was looked at.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginFinding)]
struct FindingView {
    /// What a plugin is to do.
    rule: &'static str,
    /// What is wrong; null: it does it.
    wrong: Option<String>,
}

impl From<Report> for ReportView {
    fn from(it: Report) -> Self {
        let good = it.is_good();
        let findings = it.findings.into_iter().map(|it| FindingView { rule: it.rule, wrong: it.wrong });
        ReportView { good, findings: findings.collect(), remarks: it.remarks, log: it.log }
    }
}

impl From<Job> for JobView {
    fn from(it: Job) -> Self {
        let (state, why) = match it.ended {
            None => ("running", None),
            Some(Ok(())) => ("done", None),
            Some(Err(why)) => ("failed", Some(why)),
        };
        JobView {
            id: it.id,
            what: it.what,
            plugin: it.plugin,
            by: it.by,
            begun_at: it.begun_at,
            state,
            why,
            report: it.report.map(ReportView::from),
            log: it.lines.into(),
        }
    }
}

/// What is to be installed.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = NewPluginInstall)]
pub(super) struct InstallIn {
    /// The package that the plugin is, in one version, such as `bell-ringer==1.5`: its folder is made, too. Without it,
    /// what the plugin in the folder of plugins requires is installed.
    package: Option<String>,
    /// Whether the newest is taken of what it requires, in place of what the lock says.
    upgrade: bool,
}

/// Looks whether a plugin keeps the contract.
#[utoipa::path(
    post,
    path = "/api/v1/plugins/{id}/check",
    tag = "plugins",
    summary = "Look whether a plugin of the folder of plugins keeps the contract",
    description = "It is started some times beside the one that runs, if it does, with a folder of its own to keep \
        things in and no hub behind it. Nothing is sent. What came of it is in the job.",
    security(("token" = ["admin"])),
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 202, description = "It is being looked at", body = JobView),
        (status = 404, description = "There is none with this id in the folder of plugins", body = Problem),
        (status = 409, description = "Not now: the detail says why", body = Problem),
    ),
)]
pub(super) async fn check_plugin(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
) -> Answer<(StatusCode, Json<JobView>)> {
    begin(app, by, id, Work::Check, "plugin.check").await
}

/// Installs a plugin, or what it requires.
#[utoipa::path(
    post,
    path = "/api/v1/plugins/{id}/install",
    tag = "plugins",
    summary = "Make the environment of a plugin in Python, with what it requires; of a package, make the plugin, too",
    description = "Only where the configuration file says `plugins.remote_install = true`. It does not run yet: \
        `enable` it. How it goes is in the job.",
    security(("token" = ["admin"])),
    params(("id" = String, Path, description = "Its id: a folder of the folder of plugins, or what the package is \
        called, in small letters with - for _ and .")),
    request_body = Option<InstallIn>,
    responses(
        (status = 202, description = "It is being installed", body = JobView),
        (status = 400, description = "The package is not a name with one version", body = Problem),
        (status = 403, description = "Plugins are not installed over HTTP here", body = Problem),
        (status = 404, description = "There is none with this id in the folder of plugins", body = Problem),
        (status = 409, description = "Not now: the detail says why", body = Problem),
    ),
)]
pub(super) async fn install_plugin(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
    OptionalJson(wanted): OptionalJson<InstallIn>,
) -> Answer<(StatusCode, Json<JobView>)> {
    let InstallIn { package, upgrade } = wanted;
    if let Some(package) = &package {
        let name = one_version(package).map_err(|why| Problem::wrong("package", why))?;
        let called = of_package(name);
        if called != id {
            return Err(Problem::wrong("package", format!("its plugin is called {called:?}, not {id:?}")));
        }
    }
    begin(app, by, id, Work::Install { package, upgrade }, "plugin.install").await
}

/// The name in `name==version`: nothing that a tool could take for an option, a folder or an address.
fn one_version(package: &str) -> Result<&str, String> {
    let fine = |text: &str, more: &str| {
        text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    match package.split_once("==") {
        Some((name, version))
            if package.len() <= MAX_PACKAGE_CHARS && fine(name, "-_.") && fine(version, ".+!-_") =>
        {
            Ok(name)
        }
        _ => Err(format!("{package:?} is no package in one version: write it as bell-ringer==1.5")),
    }
}

async fn begin(
    app: Shared,
    by: Signed,
    id: String,
    work: Work,
    action: &'static str,
) -> Answer<(StatusCode, Json<JobView>)> {
    let (job, told) = app.jobs.begin(&work, &id, &by.caller.signed(""), app.now());
    let details = match &work {
        Work::Check => None,
        Work::Install { package, upgrade } => Some(json!({ "package": package, "upgrade": upgrade })),
    };
    let begin = app.configuring.work_on_plugin(&id, work, told);
    let begin = begin.inspect_err(|_| app.jobs.forget(job)).map_err(problem)?;
    let noted =
        app.desk(&by.caller, by.actor, move |desk| Ok(desk.note(action, ("plugin", &id), None, details)?));
    noted.await.inspect_err(|_| app.jobs.forget(job))?;
    begin();
    let view = find(&app, job)?;
    Ok((StatusCode::ACCEPTED, Json(view)))
}

fn find(app: &Shared, id: u64) -> Answer<JobView> {
    let job = app.jobs.all().into_iter().find(|job| job.id == id);
    job.map(JobView::from).ok_or_else(|| Problem::not_found("job", id))
}

/// Lists what was done to plugins.
#[utoipa::path(
    get,
    path = "/api/v1/plugin-jobs",
    tag = "plugins",
    summary = "List the last checks and installs of plugins, newest first, since this server began",
    security(("token" = ["admin"])),
    responses((status = 200, description = "The last of them", body = Page<JobView>)),
)]
pub(super) async fn list_plugin_jobs(State(app): State<Shared>) -> Json<Page<JobView>> {
    Json(Page::whole(app.jobs.all().into_iter().map(JobView::from).collect()))
}

/// Shows one.
#[utoipa::path(
    get,
    path = "/api/v1/plugin-jobs/{id}",
    tag = "plugins",
    summary = "Show a check or an install of a plugin, and how it goes",
    security(("token" = ["admin"])),
    params(("id" = String, Path, description = "Its number")),
    responses(
        (status = 200, description = "The job", body = JobView),
        (status = 404, description = "There is none of this number, or it was forgotten", body = Problem),
    ),
)]
pub(super) async fn get_plugin_job(State(app): State<Shared>, Name(id): Name) -> Answer<Json<JobView>> {
    let number = id.parse().map_err(|_| Problem::not_found("job", &id))?;
    Ok(Json(find(&app, number)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_a_name_with_one_version_and_nothing_else() {
        for (package, name) in
            [("bell-ringer==1.5", "bell-ringer"), ("Bell_Ringer.x==1!2.0+local-1", "Bell_Ringer.x")]
        {
            assert_eq!(one_version(package), Ok(name));
        }
        let long = format!("x=={}", "1".repeat(MAX_PACKAGE_CHARS));
        for bad in [
            "bell-ringer",
            "bell-ringer>=1",
            "--index-url==http://evil.example",
            "-r==1",
            "../x==1",
            "http://x.example/y==1",
            "x==",
            "==1",
            "x==1 --hash",
            "x==1;y",
            "x[all]==1",
            "x==1==2",
            &long,
        ] {
            assert!(one_version(bad).is_err(), "{bad}");
        }
    }
}
