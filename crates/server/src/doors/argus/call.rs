//! What handlers are given, what they give, and what a route is.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::response::IntoResponse;
use futures::future::BoxFuture;
use model::account::Actor;
use serde::Serialize;
use serde_json::{Map, Value};

use super::asker::Asker;
use super::refused::Refused;
use crate::app::Shared;
use crate::auth::{Need, Peer};
use crate::body;
use crate::query::Query;
use crate::signed::Signed;
use crate::sources::Book;

/// What a handler gives.
pub(super) type Answer = Result<Reply, Refused>;

/// The version of the API that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// The stable one.
    V2,
    /// The next one: tags are texts, sources say when they were last seen.
    V3,
}

/// A request that was let in.
pub(super) struct Call {
    /// The server.
    pub app: Shared,
    /// All routes, for those who describe them.
    pub routes: [&'static [Route]; 2],
    /// Who asks; nobody where anybody may.
    pub asker: Option<Asker>,
    /// In which version.
    pub version: Version,
    /// What stands for the variable parts of the path.
    pub path: Vec<String>,
    /// What stands after the question mark.
    pub query: Query,
    /// The whole address.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
    /// Where it comes from.
    pub peer: Option<Peer>,
    /// The body.
    pub body: Bytes,
}

/// An answer.
pub(super) struct Reply {
    status: StatusCode,
    kind: &'static str,
    body: Vec<u8>,
}

impl Reply {
    fn json(status: StatusCode, it: &impl Serialize) -> Self {
        // made of texts, numbers and maps, which can always be written
        let body = serde_json::to_vec(it).unwrap_or_default();
        Reply { status, kind: "application/json", body }
    }

    /// 200.
    pub fn ok(it: &impl Serialize) -> Answer {
        Ok(Reply::json(StatusCode::OK, it))
    }

    /// 201.
    pub fn created(it: &impl Serialize) -> Answer {
        Ok(Reply::json(StatusCode::CREATED, it))
    }

    /// 204.
    pub fn nothing() -> Answer {
        Ok(Reply { status: StatusCode::NO_CONTENT, kind: "", body: Vec::new() })
    }

    /// With another status.
    pub fn with(status: StatusCode, it: &impl Serialize) -> Answer {
        Ok(Reply::json(status, it))
    }

    /// 200 with a page for people.
    pub fn page(html: String) -> Answer {
        Ok(Reply { status: StatusCode::OK, kind: "text/html; charset=utf-8", body: html.into_bytes() })
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        if !self.kind.is_empty() {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        }
        response
    }
}

impl Call {
    /// Who asks.
    pub fn asker(&self) -> Result<&Asker, Refused> {
        let nobody = || Refused::Detail(StatusCode::UNAUTHORIZED, "who asks is not known".to_owned());
        self.asker.as_ref().ok_or_else(nobody)
    }

    /// The same, as the audit log has it.
    pub fn actor(&self) -> Result<Actor, Refused> {
        Ok(self.asker()?.caller.actor(self.app.address(&self.headers, self.peer)))
    }

    /// The same, and who does what is done.
    ///
    /// # Errors
    /// As [`Call::asker`].
    pub fn signed(&self) -> Result<Signed, Refused> {
        Ok(Signed::of(&self.app, self.asker()?.caller.clone(), &self.headers, self.peer))
    }

    /// The registered sources.
    pub async fn book(&self) -> Result<Arc<Book>, Refused> {
        Ok(self.app.sources.book(&self.app.hub.store, self.app.now()).await?)
    }

    /// A variable part of the path; the first is 0.
    pub fn part(&self, at: usize) -> &str {
        self.path.get(at).map_or("", String::as_str)
    }

    /// The same as the number of something.
    ///
    /// # Errors
    /// 404 when it is no number.
    pub fn number(&self, at: usize) -> Result<i64, Refused> {
        self.part(at).parse().ok().filter(|number| *number > 0).ok_or_else(Refused::not_found)
    }

    /// The body as an object; none at all is an empty one.
    ///
    /// # Errors
    /// 400 when it is none.
    pub fn object(&self) -> Result<Map<String, Value>, Refused> {
        if self.body.is_empty() {
            return Ok(Map::new());
        }
        match body::json::<Value>(&self.body)? {
            Value::Object(object) => Ok(object),
            Value::Null => Ok(Map::new()),
            other => {
                let kind = super::fields::kind_of(&other);
                Err(Refused::whole(format!("The body must be an object, and is {kind}.")))
            }
        }
    }

    /// The address of another path of this server, as this client knows the server.
    pub fn address(&self, path_and_query: &str) -> String {
        let known = &self.app.hub.core.live().rules.external_url;
        let host = self.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let secure = known.split_once("://").is_some_and(|(scheme, rest)| {
            scheme == "https" && rest.split('/').next().is_some_and(|name| name.eq_ignore_ascii_case(host))
        });
        let (scheme, prefix) = (if secure { "https" } else { "http" }, &self.app.options.prefix);
        format!("{scheme}://{host}{prefix}{path_and_query}")
    }
}

/// A path and what can be done there. Paths begin after `/api/v2/` and `/api/v3/`.
pub(super) struct Route {
    /// The path.
    pub path: &'static str,
    /// In which versions it is there.
    pub versions: &'static [u8],
    /// What can be done.
    pub verbs: &'static [Verb],
}

/// Something that can be done.
pub(super) struct Verb {
    /// By which method.
    pub method: Method,
    /// What it needs; `None`: anybody may.
    pub need: Option<Need>,
    /// What it does, in a few words.
    pub about: &'static str,
    /// The shape of its body, if it has one.
    pub takes: Option<&'static str>,
    /// The status of its answer when it did it.
    pub status: u16,
    /// The shape of that answer, if there is something in it.
    pub gives: Option<&'static str>,
    /// What does it.
    pub run: fn(Call) -> BoxFuture<'static, Answer>,
}

impl Route {
    /// What a method does here.
    pub fn verb(&self, method: &Method) -> Option<&'static Verb> {
        self.verbs.iter().find(|it| it.method == *method)
    }

    /// The methods that it takes.
    pub fn allow(&self) -> String {
        self.verbs.iter().map(|it| it.method.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Its whole paths.
    pub fn paths(&self) -> impl Iterator<Item = String> {
        self.versions.iter().map(|version| format!("/api/v{version}/{}", self.path))
    }
}
