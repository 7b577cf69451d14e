//! The one list of routes: what is served, what each needs, and what the description says.

use axum::http::Method;
use futures::FutureExt as _;

use super::call::{Route, Verb};
use super::{about, acks, bulk, events, incident, list, post, sources, tags, tokens};
use crate::auth::Scope;

/// A path, its versions, and its verbs: `GET Read "about" module::function, …`.
macro_rules! route {
    ($path:literal, $versions:expr, $($method:ident $need:ident $about:literal $run:path),* $(,)?) => {
        Route {
            path: $path,
            versions: $versions,
            verbs: &[$(Verb {
                method: Method::$method,
                need: route!(@ $need),
                about: $about,
                run: |call| $run(call).boxed(),
            }),*],
        }
    };
    (@ Anybody) => { None };
    (@ $scope:ident) => { Some(Scope::$scope) };
}

const BOTH: &[u8] = &[2, 3];
const STABLE: &[u8] = &[2];

/// All of them, but for [`UNVERSIONED`].
pub(super) static ROUTES: &[Route] = &[
    route!("incidents/", BOTH,
        GET Read "List incidents, newest first" list::all,
        POST Ingest "Say that something is wrong, or happened" post::post,
    ),
    route!("incidents/mine/", BOTH,
        GET Read "List incidents of the source that asks" list::mine,
        POST Ingest "Say that something is wrong, or happened" post::post,
    ),
    route!("incidents/{pk}/", BOTH,
        GET Read "One incident" incident::get,
        PATCH Respond "Change what is known of an incident" incident::change,
        PUT Respond "The same" incident::change,
    ),
    route!("incidents/{pk}/ticket_url/", BOTH,
        PUT Respond "Say where the ticket about an incident is" incident::put_ticket_url,
    ),
    route!("incidents/{pk}/automatic-ticket/", BOTH,
        PUT Respond "Have a ticket made, where that is set up" incident::automatic_ticket,
    ),
    route!("incidents/{pk}/events/", BOTH,
        GET Read "What happened to an incident" events::list,
        POST Respond "Say what happened to an incident" events::post,
    ),
    route!("incidents/{pk}/events/{event}/", BOTH,
        GET Read "One event of an incident" events::get,
    ),
    route!("incidents/events/", BOTH,
        GET Read "Events of all incidents, the newest incidents first" events::all,
    ),
    route!("incidents/{pk}/acks/", BOTH,
        GET Read "Who took an incident" acks::list,
        POST Respond "Take an incident" acks::post,
    ),
    route!("incidents/{pk}/acks/{ack}/", BOTH,
        GET Read "One acknowledgement" acks::get,
        PUT Respond "Change until when an acknowledgement is good" acks::change,
        PATCH Respond "The same" acks::change,
    ),
    route!("incidents/{pk}/tags/", BOTH,
        GET Read "Tags of an incident" tags::list,
        POST Respond "Add a tag" tags::add,
    ),
    route!("incidents/{pk}/tags/{tag}/", BOTH,
        GET Read "One tag" tags::get,
        DELETE Respond "Remove a tag" tags::remove,
    ),
    route!("incidents/acks/bulk/", BOTH, POST Respond "Take several incidents" bulk::acks),
    route!("incidents/events/bulk/", BOTH,
        POST Respond "Say what happened to several incidents" bulk::events,
    ),
    route!("incidents/ticket_url/bulk/", BOTH,
        POST Respond "Say where the ticket about several incidents is" bulk::ticket_urls,
    ),
    route!("incidents/sources/", BOTH,
        GET Read "List sources" sources::list,
        POST Admin "Register a source" sources::create,
    ),
    route!("incidents/sources/heartbeat/", BOTH,
        POST Ingest "Say that the source that asks is well" sources::heartbeat,
    ),
    route!("incidents/sources/{pk}/", BOTH,
        GET Read "One source" sources::get,
        PUT Admin "Change a source" sources::change,
        PATCH Admin "The same" sources::change,
    ),
    route!("incidents/source-types/", BOTH,
        GET Read "List kinds of sources" sources::list_kinds,
        POST Admin "Name a kind of sources" sources::create_kind,
    ),
    route!("incidents/source-types/{name}/", BOTH, GET Read "One kind of sources" sources::get_kind),
    route!("auth/token/login/", BOTH,
        POST Anybody "Get a token for a name and a password, or for one that is good" tokens::login,
    ),
    route!("auth/token/logout/", BOTH, POST Read "End the token that is used" tokens::logout),
    route!("auth/token/logoutall/", BOTH,
        POST Read "End all tokens of the user who asks" tokens::logout_all,
    ),
    route!("auth/refresh-token/", STABLE, POST Anybody "The older way to get a token" tokens::refresh),
    route!("token-auth/", STABLE, POST Anybody "The older way to get a token" tokens::token_auth),
    route!("auth/user/", BOTH, GET Read "The user who asks" tokens::me),
    route!("auth/users/{pk}/", BOTH, GET Read "One user" tokens::user),
    route!("schema/", BOTH, GET Anybody "This description" about::schema),
    route!("schema/swagger-ui/", BOTH, GET Anybody "The same for people" about::page),
    route!("schema/redoc/", BOTH, GET Anybody "The same for people" about::page),
];

/// Those that belong to no version.
pub(super) static UNVERSIONED: &[Route] = &[
    route!("/api/", &[], GET Anybody "What this server is" about::metadata),
    route!("/api/schema/", &[], GET Anybody "The description of the stable version" about::schema),
];
