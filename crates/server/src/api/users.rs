//! Users: who uses the hub.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use model::account::User;
use sdk::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts::{UserChange, UserIn};
use crate::app::{App, Shared};
use crate::auth::{Caller, Scope};
use crate::body::Json as JsonBody;
use crate::error::{Answer, Kind, Problem};
use crate::input::Name;
use crate::query::Query;
use crate::signed::{Signed, Visitor};
use crate::tries::Trying;
use crate::views::Page;
use crate::views::account::{SessionView, UserDetail, UserView};

/// A user as who asks may see them.
pub(super) fn view(user: User, caller: &Caller) -> UserView {
    let whole = caller.may(Scope::Manage) || caller.user == Some(user.id);
    UserView::new(user, whole)
}

/// Lists users.
#[utoipa::path(
    get,
    path = "/api/v1/users",
    tag = "accounts",
    summary = "List users",
    description = "In the order in which they were made.",
    security(("token" = ["read"])),
    params(
        ("limit" = Option<usize>, Query, description = "How many, up to 500; 50 if not given"),
        ("cursor" = Option<String>, Query, description = "Go on from here: `next` of the page before"),
    ),
    responses((status = 200, description = "A page of users", body = Page<UserView>)),
)]
pub(super) async fn list_users(
    State(app): State<Shared>,
    by: Signed,
    uri: Uri,
) -> Answer<Json<Page<UserView>>> {
    let query = Query::known(&uri, &["limit", "cursor"])?;
    let (after, limit) = (query.parsed("cursor")?, query.limit()?);
    let rows = app.hub.store.read(move |tx| store::users::page(tx, after, limit as i64 + 1)).await?;
    Ok(Json(Page::cut(rows, limit, |it| it.id, |it| view(it, &by.caller))))
}

/// Makes a user.
#[utoipa::path(
    post,
    path = "/api/v1/users",
    tag = "accounts",
    summary = "Make a user",
    description = "Without a password they choose one by an invitation.",
    security(("token" = ["admin"])),
    request_body = UserIn,
    responses(
        (status = 201, description = "The user", body = UserView),
        (status = 409, description = "There is one of this name", body = Problem),
    ),
)]
pub(super) async fn create_user(
    State(app): State<Shared>,
    by: Signed,
    JsonBody(it): JsonBody<UserIn>,
) -> Answer<(StatusCode, Json<UserView>)> {
    let hash = match &it.password {
        Some(password) => Some(app.passwords.hash(password.expose().to_owned()).await?),
        None => None,
    };
    let made = app.desk(&by.caller, by.actor, move |desk| desk.create_user(it, hash.as_deref())).await?;
    Ok((StatusCode::CREATED, Json(view(made, &by.caller))))
}

/// Shows a user.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}",
    tag = "accounts",
    summary = "Show a user",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "Their id or name")),
    responses(
        (status = 200, description = "The user, and the teams that they belong to", body = UserDetail),
        (status = 404, description = "There is none", body = Problem),
    ),
)]
pub(super) async fn get_user(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
) -> Answer<Json<UserDetail>> {
    show(&app, by, id).await.map(Json)
}

async fn show(app: &App, by: Signed, id: String) -> Answer<UserDetail> {
    let (user, teams) = app
        .desk(&by.caller, by.actor, move |desk| {
            let user = desk.get_user(&id)?;
            let teams = desk.teams_of(user.id)?;
            Ok((user, teams))
        })
        .await?;
    let teams = teams.into_iter().map(Into::into).collect();
    Ok(UserDetail { user: view(user, &by.caller), teams })
}

/// Changes a user.
#[utoipa::path(
    patch,
    path = "/api/v1/users/{id}",
    tag = "accounts",
    summary = "Change a user",
    description = "Admins change everything; users who are logged in, what they say of themselves: full name, \
        e-mail address, phone and time zone. Who is disabled is logged out everywhere at once, and none of their \
        tokens is good while they are.",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "Their id or name")),
    request_body = UserChange,
    responses(
        (status = 200, description = "The user as they are now", body = UserView),
        (status = 404, description = "There is none", body = Problem),
        (status = 409, description = "The name is taken, or it is the last admin", body = Problem),
    ),
)]
pub(super) async fn change_user(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
    JsonBody(change): JsonBody<UserChange>,
) -> Answer<Json<UserView>> {
    let changed = app.desk(&by.caller, by.actor, move |desk| desk.change_user(&id, change)).await?;
    app.auth.forget();
    Ok(Json(view(changed, &by.caller)))
}

/// Another password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPassword)]
pub(super) struct PasswordIn {
    /// The password: 12 characters or more.
    #[schema(value_type = String, format = Password)]
    password: Secret,
    /// The one before, where users change their own.
    #[schema(value_type = Option<String>, format = Password)]
    current: Option<Secret>,
}

/// Sets a password.
#[utoipa::path(
    put,
    path = "/api/v1/users/{id}/password",
    tag = "accounts",
    summary = "Set a user's password",
    description = "Users who are logged in set their own, and say the one before; admins set anybody's. The user is \
        logged out everywhere but here.",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "Their id or name")),
    request_body = PasswordIn,
    responses(
        (status = 200, description = "It is set", body = UserView),
        (status = 401, description = "`current` is not the password", body = Problem),
        (status = 404, description = "There is none", body = Problem),
        (status = 429, description = "Too many tries: Retry-After says when to come again", body = Problem),
    ),
)]
pub(super) async fn set_password(
    State(app): State<Shared>,
    by: Signed,
    visitor: Visitor,
    Name(id): Name,
    JsonBody(it): JsonBody<PasswordIn>,
) -> Answer<Json<UserView>> {
    app.tries.take(&Trying::login(visitor.address), app.now())?;
    let named = id.clone();
    let (user, hash) = app
        .desk(&by.caller, by.actor.clone(), move |desk| {
            let user = desk.get_user(&named)?;
            let hash = store::users::password(desk.tx, user.id)?;
            Ok((user, hash))
        })
        .await?;
    if by.caller.is_at_desk_of(user.id) && hash.is_some() {
        app.tries.take(&Trying::name(&user.name), app.now())?;
        let current = it.current.map(|it| it.expose().to_owned()).unwrap_or_default();
        if !app.passwords.verify(current, hash).await? {
            return Err(Problem::new(Kind::WrongPassword, "current: this is not the password until now"));
        }
        app.tries.give_back(&Trying::name(&user.name));
    }
    let hash = app.passwords.hash(it.password.expose().to_owned()).await?;
    let user = app.desk(&by.caller, by.actor, move |desk| desk.set_password(&id, &hash)).await?;
    app.auth.forget();
    Ok(Json(view(user, &by.caller)))
}

/// Lists sessions.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}/sessions",
    tag = "accounts",
    summary = "List where a user is logged in",
    description = "For admins, and for the user when logged in.",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "Their id or name")),
    responses(
        (status = 200, description = "Their sessions, newest first", body = Page<SessionView>),
        (status = 404, description = "There is no such user", body = Problem),
    ),
)]
pub(super) async fn list_sessions(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
) -> Answer<Json<Page<SessionView>>> {
    let found = app.desk(&by.caller, by.actor, move |desk| desk.list_sessions(&id)).await?;
    Ok(Json(Page::whole(found.into_iter().map(SessionView::from).collect())))
}

/// Ends sessions.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{id}/sessions",
    tag = "accounts",
    summary = "Log a user out everywhere",
    description = "For admins, and for the user when logged in.",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "Their id or name")),
    responses(
        (status = 204, description = "They are logged out"),
        (status = 404, description = "There is no such user", body = Problem),
    ),
)]
pub(super) async fn end_sessions(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
) -> Answer<StatusCode> {
    app.desk(&by.caller, by.actor, move |desk| desk.end_sessions(&id)).await?;
    app.auth.forget();
    Ok(StatusCode::NO_CONTENT)
}

/// What becomes of what named somebody who is gone.
#[derive(Serialize, ToSchema)]
#[schema(as = Leaving)]
pub(super) struct LeavingView {
    /// What names somebody else now, or was given to another owner.
    pub(super) changed: Vec<String>,
}

/// Forgets a user.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{id}",
    tag = "accounts",
    summary = "Forget a user, and what is theirs",
    description = "Schedules, policies and others that need them stand in the way: the answer names them in `used_by`. \
        With `replace_with` somebody takes their place in all of these. Who is only away is better disabled.",
    security(("token" = ["admin"])),
    params(
        ("id" = String, Path, description = "Their id or name"),
        ("replace_with" = Option<String>, Query, description = "Who takes their place, by id or name"),
    ),
    responses(
        (status = 200, description = "They are gone", body = LeavingView),
        (status = 404, description = "There is none", body = Problem),
        (status = 409, description = "They are needed, or the last admin", body = Problem),
    ),
)]
pub(super) async fn delete_user(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
    uri: Uri,
) -> Answer<Json<LeavingView>> {
    let by_whom = Query::known(&uri, &["replace_with"])?.one("replace_with")?.map(str::to_owned);
    let ground = app.ground();
    let gone = app.desk(&by.caller, by.actor, move |desk| desk.delete_user(&ground, &id, by_whom.as_deref()));
    let (_, leaving) = gone.await?;
    app.auth.forget();
    app.hub.ring();
    Ok(Json(LeavingView { changed: leaving.changed }))
}
