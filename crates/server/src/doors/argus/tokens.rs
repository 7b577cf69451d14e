//! Tokens and users. A token of this server is a key for `Authorization: Token`, as it is for `Bearer`.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use model::account::User;
use model::{Id, Time};
use sdk::Secret;
use serde_json::{Value, json};

use super::call::{Answer, Call, Reply};
use super::fields::Fields;
use super::refused::Refused;
use crate::accounts::{Login, NewToken, TokenIn};
use crate::admission;
use crate::auth::{Caller, Scope};
use crate::signed::Visitor;
use crate::tries::Trying;

/// How long a token is good that was got for a password.
const LIFE: Duration = Duration::from_secs(10 * 3600);
/// What such tokens are called.
const NAME: &str = "logged in through Argus' API";
/// Characters of a name or a password.
const MAX_TEXT: usize = 1024;

/// `POST auth/token/login/`: for a name and a password, or for a token that is good.
pub(super) async fn login(call: Call) -> Answer {
    let new = got(&call).await?;
    Reply::ok(&json!({ "expiry": new.token.expires_at, "token": new.secret }))
}

/// `POST auth/refresh-token/`: the older way.
pub(super) async fn refresh(call: Call) -> Answer {
    Reply::ok(&json!({ "token": renewed(&call).await?.secret }))
}

/// `POST token-auth/`: the older way.
pub(super) async fn token_auth(call: Call) -> Answer {
    Reply::ok(&json!({ "token": got(&call).await?.secret }))
}

async fn got(call: &Call) -> Result<NewToken, Refused> {
    let mut fields = Fields::new(call.object()?);
    if !fields.has("username") && !fields.has("password") {
        return renewed(call).await;
    }
    let name = fields.needed_text("username", MAX_TEXT);
    let password = fields.needed_text("password", MAX_TEXT);
    fields.done()?;
    let visitor = Visitor::of(&call.app, &call.headers, call.peer);
    let login = Login { name, password: Secret::new(password) };
    let logged_in = call.app.log_in(login, &visitor).await.map_err(|problem| match problem.code() {
        StatusCode::UNAUTHORIZED => Refused::whole("This name and this password do not go together."),
        _ => problem.into(),
    })?;
    call.app.tries.take(&Trying::tokens(visitor.address), call.app.now())?;
    let caller = Arc::new(Caller::with_session(&logged_in.user, logged_in.session.id, Vec::new()));
    let (actor, user) = (caller.actor(visitor.address), logged_in.user.id.to_string());
    let made = call.app.desk(&caller, actor, move |desk| {
        let new = desk.create_token_of(&user, TokenIn::lasting(NAME, LIFE))?;
        // the session was for this only
        desk.log_out()?;
        Ok(new)
    });
    Ok(made.await?)
}

/// Another token like the one that was sent.
async fn renewed(call: &Call) -> Result<NewToken, Refused> {
    let caller = admission::who(&call.app, &call.headers, &Method::POST, call.peer).await?;
    if caller.token.is_none() {
        let text = "Send a username and a password, or a token that is good.";
        return Err(Refused::Detail(StatusCode::UNAUTHORIZED, text.to_owned()));
    }
    let address = call.app.address(&call.headers, call.peer);
    call.app.tries.take(&Trying::tokens(address), call.app.now())?;
    let actor = caller.actor(address);
    Ok(call.app.desk(&caller, actor, |desk| desk.renew_token()).await?)
}

/// `POST auth/token/logout/`: ends the token that is used.
pub(super) async fn logout(call: Call) -> Answer {
    ended(&call, false).await
}

/// `POST auth/token/logoutall/`: ends all tokens of the user who asks.
pub(super) async fn logout_all(call: Call) -> Answer {
    ended(&call, true).await
}

async fn ended(call: &Call, all: bool) -> Answer {
    let caller = call.asker()?.caller.clone();
    call.app.desk(&caller, call.actor()?, move |desk| desk.end_tokens(all)).await?;
    call.app.auth.forget();
    Reply::nothing()
}

/// `GET auth/user/`.
pub(super) async fn me(call: Call) -> Answer {
    let asker = call.asker()?;
    let known = match asker.caller.user {
        Some(id) => call.app.hub.store.read(move |tx| store::users::get(tx, id)).await?,
        None => None,
    };
    let nobody = || User::new(Id(0), &asker.name, model::account::Role::Viewer, Time(0));
    Reply::ok(&shown(&known.unwrap_or_else(nobody)))
}

/// `GET auth/users/N/`.
pub(super) async fn user(call: Call) -> Answer {
    let id = Id(call.number(0)?);
    let found = call.app.hub.store.read(move |tx| store::users::get(tx, id)).await?;
    let mut user = found.ok_or_else(Refused::not_found)?;
    // how somebody is reached is for themselves and for those who run teams to know
    let caller = &call.asker()?.caller;
    if caller.user != Some(user.id) && !caller.may(Scope::Manage) {
        user.email = String::new();
    }
    Reply::ok(&shown(&user))
}

fn shown(user: &User) -> Value {
    let (first, last) = user.full_name.split_once(' ').unwrap_or((&user.full_name, ""));
    json!({ "username": user.name, "first_name": first, "last_name": last, "email": user.email })
}
