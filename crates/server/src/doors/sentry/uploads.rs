//! What sentry-cli and plugins of bundlers ask of a server beside events: they upload source maps and name releases.
//! Any organisation is the right one, and a token of this server stands for whoever uploads.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post, put};
use flow::tracked::uploads::Upload;
use model::Time;
use serde::Deserialize;
use serde_json::{Value, json};
use tracker::uploads::{self, Assemble, MAX_REQUEST_BYTES, Named, PIECES_OF_REQUEST, State as Upto};
use tracker::{Refusal, form};

use super::answer;
use crate::app::{App, Shared};
use crate::auth::{Need, Scope};
use crate::body;
use crate::error::{Answer, Problem};
use crate::openapi::Needs;

/// Releases that a list shows.
const MAX_RELEASES: i64 = 100;

/// Where these programs ask. Each is there with and without a slash at its end.
pub(super) const PATHS: [(&str, &[Method]); 8] = [
    ("/api/0", &[Method::GET]),
    ("/api/0/organizations/{organization}/chunk-upload", &[Method::GET, Method::POST]),
    ("/api/0/organizations/{organization}/artifactbundle/assemble", &[Method::POST]),
    ("/api/0/organizations/{organization}/releases", &[Method::POST]),
    ("/api/0/organizations/{organization}/releases/{version}", &[Method::GET, Method::PUT]),
    ("/api/0/organizations/{organization}/repos", &[Method::GET]),
    ("/api/0/projects/{organization}/{project}/releases", &[Method::GET, Method::POST]),
    ("/api/0/projects/{organization}/{project}/releases/{version}", &[Method::GET, Method::PUT]),
];

/// Its routes.
pub(super) fn routes() -> Router<Shared> {
    let handlers: [MethodRouter<Shared>; 8] = [
        get(async || said(Ok((StatusCode::OK, about())))),
        get(async |Path(organization): Path<String>| {
            let url = format!("/api/0/organizations/{}/chunk-upload/", in_path(&organization));
            said(Ok((StatusCode::OK, uploads::options(&url))))
        })
        .post(async |State(app): State<Shared>, request: Request| said(keep_pieces(&app, request).await)),
        post(async |State(app): State<Shared>, request: Request| said(assemble(&app, request).await)),
        post(async |State(app): State<Shared>, request: Request| {
            said(named(&app, None, None, request).await)
        }),
        get(async |State(app): State<Shared>, Path((_, version)): Path<(String, String)>| {
            said(release(&app, None, &version).await)
        })
        .merge(put(
            async |State(app): State<Shared>,
                   Path((_, version)): Path<(String, String)>,
                   request: Request| { said(named(&app, None, Some(version), request).await) },
        )),
        // commits are nobody's business here
        get(async || said(Ok((StatusCode::OK, json!([]))))),
        get(async |State(app): State<Shared>, Path((_, project)): Path<(String, String)>| {
            said(releases(&app, &project).await)
        })
        .merge(post(
            async |State(app): State<Shared>,
                   Path((_, project)): Path<(String, String)>,
                   request: Request| { said(named(&app, Some(project), None, request).await) },
        )),
        get(
            async |State(app): State<Shared>, Path((_, project, version)): Path<(String, String, String)>| {
                said(release(&app, Some(&project), &version).await)
            },
        )
        .merge(put(
            async |State(app): State<Shared>,
                   Path((_, project, version)): Path<(String, String, String)>,
                   request: Request| {
                said(named(&app, Some(project), Some(version), request).await)
            },
        )),
    ];
    let mut routes = Router::new();
    for ((path, _), handler) in PATHS.into_iter().zip(handlers) {
        routes = routes.route(path, handler.clone()).route(&format!("{path}/"), handler);
    }
    routes
}

/// What its routes need: what sends may upload.
pub(super) fn needs() -> Needs {
    let each = PATHS.iter().flat_map(|(path, methods)| methods.iter().map(move |method| (method, *path)));
    let both = each.flat_map(|(method, path)| [(method, path.to_owned()), (method, format!("{path}/"))]);
    both.map(|(method, path)| (method.clone(), path, Some(Need::Everywhere(Scope::Ingest)))).collect()
}

/// What is answered, in the only shape that these programs read.
fn said(answered: Answer<(StatusCode, Value)>) -> Response {
    match answered {
        Ok((status, value)) => answer::of_json(status, value.to_string()),
        Err(problem) => answer::problem(&problem),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal.status() {
            413 => Problem::too_large(refusal.detail),
            _ => Problem::bad(refusal.detail),
        }
    }
}

fn about() -> Value {
    json!({ "version": "0", "auth": { "scopes": [Scope::Ingest.name()] }, "user": null })
}

/// A text as a part of a path.
fn in_path(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

async fn all_of(app: &App, body: Body, limit: usize) -> Answer<bytes::Bytes> {
    body::read(body, limit, app.options.body_timeout).await
}

async fn keep_pieces(app: &App, request: Request) -> Answer<(StatusCode, Value)> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let kind = kind.unwrap_or_default().to_owned();
    let bytes = all_of(app, request.into_body(), MAX_REQUEST_BYTES).await?;
    let read = tokio::task::spawn_blocking(move || {
        let mut pieces = Vec::new();
        for part in form::parts(&kind, &bytes, PIECES_OF_REQUEST)? {
            let is_gzip = match part.name.as_str() {
                "file" => false,
                "file_gzip" => true,
                other => {
                    return Err(Problem::bad(format!(
                        "the part {other:?} is none: pieces are file or file_gzip"
                    )));
                }
            };
            pieces.push(uploads::piece(&part.file, part.bytes, is_gzip)?);
        }
        Ok(pieces)
    });
    let pieces = read.await.map_err(|_| Problem::internal("the pieces could not be read"))??;
    app.hub.keep_pieces(pieces).await?;
    Ok((StatusCode::OK, json!({})))
}

async fn assemble(app: &App, request: Request) -> Answer<(StatusCode, Value)> {
    let bytes = all_of(app, request.into_body(), app.options.max_body_bytes).await?;
    let asked = body::json::<Assemble>(&bytes)?.checked()?;
    let upload = Upload {
        projects: numbers(app, &asked.projects).await?,
        checksum: asked.checksum,
        pieces: asked.chunks,
        release: asked.version.unwrap_or_default(),
        build: asked.dist.unwrap_or_default(),
    };
    let state = app.hub.assemble(upload).await?;
    let status = if state == Upto::Ok { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, state.to_json()))
}

/// The projects that are meant.
async fn numbers(app: &App, named: &[Named]) -> Answer<Vec<i64>> {
    let find =
        |named: &Named| app.hub.core.known_projects().named(&named.to_string()).map(|it| it.project.id);
    if named.iter().any(|it| find(it).is_none()) {
        // it may have been made on another node a moment ago
        app.hub.know_projects().await?;
    }
    let found = named.iter().map(|it| find(it).ok_or_else(|| Problem::not_found("project", it)));
    found.collect()
}

/// A release as a client names it.
#[derive(Deserialize)]
struct ReleaseIn {
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    projects: Vec<Named>,
}

/// A client says that there is a release, or that it is out.
async fn named(
    app: &App,
    project: Option<String>,
    version: Option<String>,
    request: Request,
) -> Answer<(StatusCode, Value)> {
    let is_new = version.is_none();
    let bytes = all_of(app, request.into_body(), app.options.max_body_bytes).await?;
    let said: ReleaseIn = body::json(&bytes)?;
    let version =
        version.or(said.version).ok_or_else(|| Problem::wrong("version", "a release has a version"))?;
    uploads::name(&version)?;
    let named = project.map_or(said.projects, |project| vec![Named::Text(project)]);
    if named.is_empty() || named.len() > uploads::MAX_PROJECTS {
        return Err(Problem::wrong("projects", format!("name 1 to {} projects", uploads::MAX_PROJECTS)));
    }
    let projects = numbers(app, &named).await?;
    let (now, release) = (app.now(), version.clone());
    let note = move |tx: &mut store::Tx<'_>| {
        let seen: Vec<_> =
            projects.iter().map(|project| (*project, "release", release.as_str(), 0)).collect();
        store::errors::note_seen(tx, &seen, now)
    };
    app.hub.store.write(store::Durability::Disk, note).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, shown(&version, now, now, &named.iter().map(ToString::to_string).collect::<Vec<_>>())))
}

async fn release(app: &App, project: Option<&str>, version: &str) -> Answer<(StatusCode, Value)> {
    let known = app.hub.core.known_projects();
    let projects: Vec<(i64, String)> = match project {
        Some(project) => {
            let number = numbers(app, &[Named::Text(project.to_owned())]).await?[0];
            vec![(number, project.to_owned())]
        }
        None => known.all().map(|it| (it.project.id, it.project.slug.clone())).collect(),
    };
    let wanted = version.to_owned();
    let read = move |tx: &mut store::Tx<'_>| {
        let mut found: Vec<(String, Time, Time)> = Vec::new();
        for (number, slug) in projects {
            let seen = store::errors::seen_at(tx, number, "release", &wanted)?;
            found.extend(seen.map(|(first, last)| (slug, first, last)));
        }
        Ok(found)
    };
    let found = app.hub.store.read(read).await?;
    let first = found.iter().map(|it| it.1).min().ok_or_else(|| Problem::not_found("release", version))?;
    let last = found.iter().map(|it| it.2).max().unwrap_or(first);
    let slugs: Vec<String> = found.into_iter().map(|it| it.0).collect();
    Ok((StatusCode::OK, shown(version, first, last, &slugs)))
}

async fn releases(app: &App, project: &str) -> Answer<(StatusCode, Value)> {
    let number = numbers(app, &[Named::Text(project.to_owned())]).await?[0];
    let seen = app.hub.store.read(move |tx| store::errors::seen(tx, number, "release", MAX_RELEASES)).await?;
    let slugs = [project.to_owned()];
    let all = seen.iter().map(|(version, first, last, _)| shown(version, *first, *last, &slugs)).collect();
    Ok((StatusCode::OK, Value::Array(all)))
}

fn shown(version: &str, first: Time, last: Time, projects: &[String]) -> Value {
    let projects: Vec<Value> = projects.iter().map(|slug| json!({ "slug": slug, "name": slug })).collect();
    json!({
        "version": version, "shortVersion": version, "url": null, "dateCreated": first, "dateReleased": null,
        "firstEvent": null, "lastEvent": last, "newGroups": 0, "projects": projects,
    })
}
