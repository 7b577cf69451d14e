//! The door for clients of Sentry: whatever SDK of the last fifteen years, by its DSN.
//!
//! What they send is read by `tracker`; what becomes of it is decided in `flow::errors`. Here is what an HTTP server
//! adds: who may, how much at once, and the answers that those clients understand. Nothing is answered with 200 before
//! it is on disk, and nothing with 4xx because of what kind of thing it is: some clients send again what was refused
//! until they are full. Programs that build others upload source maps beside (`uploads`).

mod admit;
mod answer;
mod beacon;
mod items;
mod uploads;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use bytes::BytesMut;
use flow::errors::report::NotReported;
use http_body_util::BodyExt as _;
use tracker::{Door, Envelope, Intake, Limits, Refusal};

use admit::{Admitted, admit, places};
use answer::{answered, limited, preflight, refused, unavailable};

use crate::app::{App, Shared};
use crate::auth::Peer;
use crate::error::Problem;
use crate::limits::RETRY_AFTER_SECONDS;
use crate::openapi::Needs;
use crate::shares::NOBODY;

/// Bytes of a body that are gathered before they are read: what most have altogether.
const GATHERED: usize = 256 * 1024;
/// Bytes of a body as it comes from the network.
const MAX_BODY_BYTES: usize = 100 << 20;

/// Where clients send to. Each is there with and without a slash at its end.
const PATHS: [(&str, Door); 7] = [
    ("/api/store", Door::Store),
    ("/api/{project}/store", Door::Store),
    ("/api/envelope", Door::Envelope),
    ("/api/{project}/envelope", Door::Envelope),
    ("/api/{project}/security", Door::Security),
    ("/api/{project}/csp-report", Door::Security),
    ("/api/{project}/nel", Door::Security),
];

/// Its routes.
pub(crate) fn routes() -> Router<Shared> {
    let mut routes = uploads::routes();
    for (path, door) in PATHS {
        let named = path.contains("{project}");
        for path in [path.to_owned(), format!("{path}/")] {
            routes = routes.route(&path, if named { of_project(door) } else { of_key(door) });
        }
    }
    beacon::PATHS.iter().fold(routes, |routes, path| routes.route(path, get(beacon::take)))
}

fn of_project(door: Door) -> MethodRouter<Shared> {
    let take = move |State(app): State<Shared>, Path(project): Path<String>, request: Request| async move {
        take(&app, door, Some(project), request).await
    };
    post(take).options(async |headers: HeaderMap| preflight(&headers))
}

fn of_key(door: Door) -> MethodRouter<Shared> {
    let take = move |State(app): State<Shared>, request: Request| async move {
        take(&app, door, None, request).await
    };
    post(take).options(async |headers: HeaderMap| preflight(&headers))
}

/// What its routes need: who reports has no token, but a key.
pub(crate) fn needs() -> Needs {
    let both = PATHS.iter().flat_map(|(path, _)| [(*path).to_owned(), format!("{path}/")]);
    let open = both.flat_map(|path| [(Method::POST, path.clone(), None), (Method::OPTIONS, path, None)]);
    let images = beacon::PATHS.map(|path| (Method::GET, path.to_owned(), None));
    open.chain(images).chain(uploads::needs()).collect()
}

/// What a request says of itself, before its body is looked at.
struct Asked {
    door: Door,
    project: Option<String>,
    headers: HeaderMap,
    uri: Uri,
    peer: Option<IpAddr>,
}

impl Asked {
    fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn intake(&self) -> Result<Intake, Refusal> {
        let encoding = self.text(header::CONTENT_ENCODING.as_str()).unwrap_or_default();
        Intake::new(self.door, self.text(header::CONTENT_TYPE.as_str()), encoding, Limits::default())
    }
}

/// Reads the beginning of a body until an event comes in it, which most begin with: says whether one did.
fn begin(intake: &mut Intake, rest: &mut BytesMut) -> Result<bool, Refusal> {
    /// Bytes that are read, and at a time.
    const BEGINNING: (usize, usize) = (2048, 256);
    let mut read = 0;
    while !intake.has_event() && read < BEGINNING.0 && !rest.is_empty() {
        let piece = rest.split_to(rest.len().min(BEGINNING.1));
        read += piece.len();
        intake.push(&piece)?;
    }
    Ok(intake.has_event())
}

/// Why a request is answered with no.
enum No {
    /// It cannot be read, or the key is not good.
    Refused(Refusal),
    /// There is too much, for now.
    Limited(Limit),
    /// Not now.
    Unavailable(String),
}

/// Of what there is too much, and after how many seconds somebody may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// A key has sent more events than it may.
    Key(u32),
    /// A project has more requests under way than it may.
    Project(u32),
    /// Whosever it is: the server has no place.
    Server(u32),
}

impl No {
    fn of_key(seconds: u32) -> Self {
        No::Limited(Limit::Key(seconds))
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        No::Refused(refusal)
    }
}

impl From<NotReported> for No {
    fn from(why: NotReported) -> Self {
        match why {
            NotReported::Refused(refusal) => No::Refused(refusal),
            NotReported::NotAccepted(why) => No::Unavailable(why.to_string()),
        }
    }
}

async fn take(app: &Shared, door: Door, project: Option<String>, request: Request) -> Response {
    let peer = app.address(request.headers(), request.extensions().get::<Peer>().copied());
    let (parts, body) = request.into_parts();
    let origin = parts.headers.get(header::ORIGIN).cloned();
    let asked = Asked { door, project, headers: parts.headers, uri: parts.uri, peer };
    let response = match taken(app, &asked, body).await {
        Ok(response) => response,
        Err(No::Refused(refusal)) => refused(&refusal),
        Err(No::Limited(limit)) => limited(limit),
        Err(No::Unavailable(why)) => unavailable(&why),
    };
    answer::shared(response, origin)
}

async fn taken(app: &Shared, asked: &Asked, body: Body) -> Result<Response, No> {
    let in_head = tracker::auth::credentials(&places(asked, None)).ok();
    match in_head {
        Some(credentials) => {
            let admitted = admit(app, asked, &credentials).await;
            let admitted = match admitted {
                Ok(admitted) => admitted,
                Err(no) => {
                    // what was sent is read over, so that the connection goes on
                    drain(app, body).await;
                    return Err(no);
                }
            };
            let (mut intake, mut rest) = gather(app, asked, body).await?;
            // at the other doors it has been counted before it was read; here, whoever waits to be read is counted
            // already, and what is too much need not be read
            let mut is_counted = asked.door != Door::Envelope;
            if !is_counted && admitted.is_limited() && begin(&mut intake, &mut rest)? {
                admitted.count_event(app).map_err(No::of_key)?;
                is_counted = true;
            }
            run(app, asked, admitted, is_counted, move || {
                let mut intake = intake;
                intake.push(&rest)?;
                let mut envelope = intake.finish()?;
                // old clients say when they sent it beside their key
                let header = &mut envelope.header;
                header.sent_at = header.sent_at.take().or(credentials.timestamp);
                Ok(envelope)
            })
            .await
        }
        // only what was sent can say who sends: a tunnel hands on an envelope and nothing else
        None if asked.door == Door::Envelope => {
            let Some(place) = app.shares.take(NOBODY).await else {
                drain(app, body).await;
                return Err(No::Limited(Limit::Server(RETRY_AFTER_SECONDS)));
            };
            let (intake, rest) = gather(app, asked, body).await?;
            let open = move || {
                let mut intake = intake;
                intake.push(&rest)?;
                intake.finish()
            };
            let envelope = tokio::task::spawn_blocking(open).await.map_err(|_| broken())??;
            let credentials = tracker::auth::credentials(&places(asked, envelope.header.dsn.as_deref()))?;
            drop(place);
            let admitted = admit(app, asked, &credentials).await?;
            run(app, asked, admitted, false, move || Ok(envelope)).await
        }
        None => {
            drain(app, body).await;
            Err(tracker::auth::credentials(&places(asked, None))
                .err()
                .unwrap_or_else(|| Refusal::forbidden("a key is needed"))
                .into())
        }
    }
}

fn broken() -> No {
    No::Unavailable("the body could not be read, try again".to_owned())
}

async fn run(
    app: &Shared,
    asked: &Asked,
    admitted: Admitted,
    is_counted: bool,
    open: impl FnOnce() -> Result<Envelope, Refusal> + Send + 'static,
) -> Result<Response, No> {
    let (by, further) = (app.clone(), admitted.clone());
    let too_many = Arc::new(OnceLock::new());
    let over = too_many.clone();
    // only an event counts, and only it is refused when there are too many: not what comes with it
    let open = move || {
        let mut envelope = open()?;
        if !is_counted
            && envelope.event().is_some()
            && let Err(seconds) = admitted.count_event(&by)
        {
            envelope.items.retain(|it| !it.kind.is_event());
            let _ = over.set(seconds);
        }
        Ok(envelope)
    };
    let mut reported = app.hub.report(&further.key, asked.peer, open).await?;
    // browsers put several reports together, each of which is an event
    while reported.envelope.has_report() {
        further.count_event(app).map_err(No::of_key)?;
        let rest = std::mem::take(&mut reported.envelope);
        reported = app.hub.report(&further.key, asked.peer, move || Ok(rest)).await?;
    }
    items::take(app, &further.key.project, &reported.envelope).await?;
    if let Some(seconds) = too_many.get() {
        return Err(No::of_key(*seconds));
    }
    Ok(answered(asked.door, reported.event.map(|(id, _)| id), &reported.envelope))
}

/// Reads a body: what is short is gathered, to be read in one go; what is long is read piece by piece, and never held.
async fn gather(app: &App, asked: &Asked, mut body: Body) -> Result<(Intake, BytesMut), No> {
    let mut intake = match asked.intake() {
        Ok(intake) => intake,
        Err(refusal) => {
            drain(app, body).await;
            return Err(refusal.into());
        }
    };
    let (mut rest, mut length) = (BytesMut::new(), 0usize);
    let timeout = app.options.body_timeout;
    loop {
        let frame = tokio::time::timeout(timeout, body.frame()).await;
        let frame = frame.map_err(|_| Refusal::malformed("the body did not arrive in time"))?;
        let Some(frame) = frame else { return Ok((intake, rest)) };
        let frame = frame.map_err(|error| Refusal::malformed(format!("the body broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > MAX_BODY_BYTES {
            return Err(Refusal::too_large(format!("the body is larger than {MAX_BODY_BYTES} bytes")).into());
        }
        rest.extend_from_slice(&data);
        if rest.len() > GATHERED {
            let piece = rest.split();
            let push = move || intake.push(&piece).map(|()| intake);
            intake = tokio::task::spawn_blocking(push).await.map_err(|_| broken())??;
        }
    }
}

/// Reads a short body over, so that its sender sees the answer and may use the connection again.
async fn drain(app: &App, mut body: Body) {
    let read = async {
        let mut left = GATHERED;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, bytes::Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(app.options.body_timeout, read).await;
}

/// What the front answers in this door's place, in this door's shape.
pub(crate) fn from_problem(problem: &Problem) -> Response {
    answer::problem(problem)
}

/// Whether errors come by a route: then it has places of its own, and takes none of the others'.
pub(crate) fn has_places(route: &str) -> bool {
    let route = route.trim_end_matches('/');
    PATHS.iter().any(|(path, _)| *path == route)
}

/// Whether a route is one of these.
pub(crate) fn is_ours(route: &str) -> bool {
    has_places(route) || uploads::PATHS.iter().any(|(path, _)| *path == route.trim_end_matches('/'))
}
