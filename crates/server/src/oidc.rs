//! Logging in by a provider of identities: OpenID Connect's authorization code flow, with state, nonce and PKCE.
//!
//! Local users with a password log in as ever, whatever becomes of the provider.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use model::Time;
use model::account::Role;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreIdToken, CoreIdTokenVerifier, CoreJwsSigningAlgorithm,
    CoreProviderMetadata,
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse,
    IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    TokenResponse as _,
};
use sdk::Secret;
use sdk::http::{Http, HttpError, Outgoing};
use serde_json::{Map, Value};
use store::logins::Login;
use store::{Durability, Store};

use crate::auth::{self, hash_hex};
use crate::error::{Answer, Problem};
use crate::limits::{
    MAX_LOGINS_UNDER_WAY, OIDC_CLOCK_SKEW, OIDC_KEYS_EVERY, OIDC_LOGIN_TIME, OIDC_PROVIDER_MEMORY,
    OIDC_TIMEOUT,
};

/// The path that the provider sends browsers back to.
pub const CALLBACK: &str = "/auth/oidc/callback";

/// What is known about the provider, as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The provider, by the URL that its tokens name it by.
    pub issuer: String,
    /// What the provider knows this hub by.
    pub client_id: String,
    /// The secret that goes with it; none for a public client.
    pub client_secret: Option<Secret>,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that is the user's name.
    pub name_claim: String,
    /// The claim that is what people call them.
    pub full_name_claim: String,
    /// The claim that is their e-mail address.
    pub email_claim: String,
    /// The claim that lists their groups.
    pub groups_claim: String,
    /// Which groups make somebody what; the highest counts.
    pub roles: BTreeMap<String, Role>,
    /// What somebody is whose groups make them nothing; none: they are refused.
    pub default_role: Option<Role>,
    /// Whether who is not known yet becomes a user.
    pub create_users: bool,
    /// Whether a user without password who was made before is taken for who has their name at the provider.
    pub link_by_name: bool,
    /// What the provider is called on the login page.
    pub label: String,
}

/// What a provider says of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Who says so.
    pub issuer: String,
    /// Who they are there, for ever.
    pub subject: String,
    /// The name that they have there; may be empty.
    pub name: String,
    /// What people call them; may be empty.
    pub full_name: String,
    /// Their e-mail address; empty when the provider has not verified it.
    pub email: String,
    /// What their groups make them; none: nothing.
    pub role: Option<Role>,
}

/// The provider, and the logins by it that are under way.
pub(crate) struct Oidc {
    pub(crate) settings: Settings,
    http: Http,
    store: Store,
    provider: tokio::sync::Mutex<Option<(Arc<CoreProviderMetadata>, Time)>>,
}

/// What a browser is to do to log in.
pub(crate) struct Start {
    /// Where it goes.
    pub url: String,
    /// What it keeps, to show that it is the one that began.
    pub state: String,
}

impl Oidc {
    pub(crate) fn new(settings: Settings, http: Http, store: Store) -> Self {
        Oidc { settings, http, store, provider: tokio::sync::Mutex::default() }
    }

    /// Begins a login.
    ///
    /// # Errors
    /// When the provider cannot be reached, too many logins are under way, or the database is gone.
    pub(crate) async fn start(&self, base_url: &str, now: Time) -> Answer<Start> {
        let provider = self.provider(now, false).await?;
        let client = CoreClient::from_provider_metadata(
            (*provider).clone(),
            ClientId::new(self.settings.client_id.clone()),
            None,
        )
        .set_redirect_uri(redirect(base_url)?);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let request = client.authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            || CsrfToken::new(auth::secret()),
            || Nonce::new(auth::secret()),
        );
        let scopes = self.settings.scopes.iter().filter(|scope| *scope != "openid").cloned().map(Scope::new);
        let (url, state, nonce) = request.add_scopes(scopes).set_pkce_challenge(challenge).url();
        let state = state.into_secret();
        let (nonce, verifier) = (nonce.secret().clone(), verifier.into_secret());
        let (login, key) = (Login { nonce, verifier, began_at: now }, hash_hex(state.as_bytes()));
        let begun = self.store.write(Durability::Lazy, move |tx| {
            store::logins::begin(tx, &key, &login, now - OIDC_LOGIN_TIME, MAX_LOGINS_UNDER_WAY)
        });
        if !begun.await? {
            return Err(Problem::unavailable("too many logins are under way, try again in some minutes"));
        }
        Ok(Start { url: url.to_string(), state })
    }

    /// Ends a login that a browser comes back from: who the provider says it is.
    ///
    /// # Errors
    /// When it did not begin here, is too old, or the provider's word does not hold.
    pub(crate) async fn finish(
        &self,
        state: &str,
        code: String,
        base_url: &str,
        now: Time,
    ) -> Answer<Identity> {
        let key = hash_hex(state.as_bytes());
        let login = self.store.write(Durability::Disk, move |tx| store::logins::take(tx, &key)).await?;
        let login = login.filter(|it| now.since(it.began_at) < OIDC_LOGIN_TIME).ok_or_else(|| {
            Problem::wrong("state", "this login did not begin here, took too long, or is over: begin again")
        })?;
        let nonce = Nonce::new(login.nonce);
        let provider = self.provider(now, false).await?;
        let secret = self.settings.client_secret.as_ref();
        let client = CoreClient::from_provider_metadata(
            (*provider).clone(),
            ClientId::new(self.settings.client_id.clone()),
            secret.map(|it| ClientSecret::new(it.expose().to_owned())),
        )
        .set_redirect_uri(redirect(base_url)?);
        let exchange =
            client.exchange_code(AuthorizationCode::new(code)).map_err(|error| unusable(&error))?;
        let http = |request| ask(self.http.clone(), request);
        let verifier = PkceCodeVerifier::new(login.verifier);
        let answer = exchange.set_pkce_verifier(verifier).request_async(&http).await;
        let answer = answer.map_err(|error| {
            // what the provider says of it may hold what it was asked with
            tracing::warn!("the provider gave no token: {}", without_body(&error.to_string()));
            Problem::forbidden("the provider did not confirm this login: begin again")
        })?;
        let token = answer.id_token().ok_or_else(|| Problem::forbidden("the provider said not who it is"))?;
        let mut checked = self.check(&provider, token, &nonce, now);
        if checked.is_err() {
            // it may sign with a key that it did not have a while ago
            let newer = self.provider(now, true).await?;
            checked = self.check(&newer, token, &nonce, now);
        }
        checked.map_err(|why| {
            tracing::warn!("a login by the provider was refused: {why}");
            Problem::forbidden(format!("the provider's word does not hold: {why}"))
        })?;
        self.check_access_token(&provider, token, &answer)?;
        self.identity(token)
    }

    /// Whether a token was signed by the provider, for us, for this login, and holds now.
    fn check(
        &self,
        provider: &CoreProviderMetadata,
        token: &CoreIdToken,
        nonce: &Nonce,
        now: Time,
    ) -> Result<(), String> {
        let verifier = self.verifier(provider, now);
        token.claims(&verifier, nonce).map(drop).map_err(|error| error.to_string())
    }

    fn verifier<'a>(&self, provider: &CoreProviderMetadata, now: Time) -> CoreIdTokenVerifier<'a> {
        use CoreJwsSigningAlgorithm as Algorithm;
        let verifier = CoreIdTokenVerifier::new_public_client(
            ClientId::new(self.settings.client_id.clone()),
            provider.issuer().clone(),
            provider.jwks().clone(),
        );
        let at = |time: Time| DateTime::<Utc>::from_timestamp(time.as_seconds(), 0).unwrap_or_default();
        let latest = at(now + OIDC_CLOCK_SKEW);
        verifier
            // never `none`, and never one whose key both sides have
            .set_allowed_algs([
                Algorithm::RsaSsaPkcs1V15Sha256,
                Algorithm::RsaSsaPkcs1V15Sha384,
                Algorithm::RsaSsaPkcs1V15Sha512,
                Algorithm::RsaSsaPssSha256,
                Algorithm::RsaSsaPssSha384,
                Algorithm::RsaSsaPssSha512,
                Algorithm::EcdsaP256Sha256,
                Algorithm::EcdsaP384Sha384,
                Algorithm::EdDsa,
            ])
            .set_time_fn(move || at(now - OIDC_CLOCK_SKEW))
            .set_issue_time_verifier_fn(move |issued| {
                if issued <= latest { Ok(()) } else { Err("it was issued in the future".to_owned()) }
            })
    }

    /// Where the token says which access token it came with, it must be this one.
    fn check_access_token(
        &self,
        provider: &CoreProviderMetadata,
        token: &CoreIdToken,
        answer: &openidconnect::core::CoreTokenResponse,
    ) -> Answer<()> {
        let said = payload(token).ok().and_then(|claims| claims.get("at_hash")?.as_str().map(str::to_owned));
        let Some(said) = said else { return Ok(()) };
        let verifier = self.verifier(provider, Time::MIN);
        let made = token.signing_alg().ok().and_then(|algorithm| {
            let key = token.signing_key(&verifier).ok()?;
            AccessTokenHash::from_token(answer.access_token(), algorithm, key).ok()
        });
        if made.is_some_and(|made| *made == said) {
            return Ok(());
        }
        Err(Problem::forbidden("the provider's word does not hold: it came with another access token"))
    }

    /// What a token says, once it was checked.
    fn identity(&self, token: &CoreIdToken) -> Answer<Identity> {
        let claims = payload(token).map_err(Problem::forbidden)?;
        let text = |claim: &str| claims.get(claim).and_then(Value::as_str).unwrap_or_default().to_owned();
        let settings = &self.settings;
        // an address that nobody verified may be anybody's
        let verified = claims.get("email_verified").is_none_or(|it| *it == true || *it == "true");
        let email = if verified { text(&settings.email_claim) } else { String::new() };
        let groups = match claims.get(&settings.groups_claim) {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(one)) => vec![one.as_str()],
            _ => Vec::new(),
        };
        let role = groups.iter().filter_map(|group| settings.roles.get(*group)).max().copied();
        Ok(Identity {
            issuer: settings.issuer.clone(),
            subject: text("sub"),
            name: text(&settings.name_claim),
            full_name: text(&settings.full_name_claim),
            email,
            role: role.or(settings.default_role),
        })
    }

    /// What the provider says of itself. It is asked again after a while, or at once when that is wished, but not
    /// more than now and then.
    async fn provider(&self, now: Time, anew: bool) -> Answer<Arc<CoreProviderMetadata>> {
        let mut known = self.provider.lock().await;
        if let Some((provider, at)) = &*known {
            let age = now.since(*at);
            let wait = if anew { OIDC_KEYS_EVERY } else { OIDC_PROVIDER_MEMORY };
            if *at <= now && age < wait {
                return Ok(provider.clone());
            }
        }
        let issuer = IssuerUrl::new(self.settings.issuer.clone()).map_err(|error| unusable(&error))?;
        let http = |request| ask(self.http.clone(), request);
        let found = CoreProviderMetadata::discover_async(issuer, &http).await;
        let found = match (found, &*known) {
            (Ok(found), _) => Arc::new(found),
            // what it said before is as good as ever, if it cannot be asked
            (Err(_), Some((provider, _))) if !anew => provider.clone(),
            (Err(error), _) => {
                tracing::warn!("the provider cannot be asked: {}", without_body(&error.to_string()));
                let why = "the provider cannot be reached: try again, or log in with a password";
                return Err(Problem::unavailable(why));
            }
        };
        *known = Some((found.clone(), now));
        Ok(found)
    }
}

/// The claims of a token, as they are written.
fn payload(token: &CoreIdToken) -> Result<Map<String, Value>, String> {
    let text = token.to_string();
    let part = text.split('.').nth(1).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

fn redirect(base_url: &str) -> Answer<RedirectUrl> {
    RedirectUrl::new(format!("{base_url}{CALLBACK}")).map_err(|error| unusable(&error))
}

fn unusable(error: &impl std::fmt::Display) -> Problem {
    Problem::internal(format!("[oidc] cannot be used as it is: {error}"))
}

/// The first line of an error, which says what was wrong and not with what.
fn without_body(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Asks the provider by the guarded way out.
async fn ask(http: Http, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let (head, body) = request.into_parts();
    let broken = |error: &dyn std::fmt::Display| HttpError::Broken(error.to_string());
    let text = |value: &openidconnect::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
    let url = head.uri.to_string();
    let outgoing =
        Outgoing { url: &url, method: head.method, headers, body: Bytes::from(body), timeout: OIDC_TIMEOUT };
    let answer = http.send(outgoing).await?;
    let mut response = openidconnect::http::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    response.body(answer.body.to_vec()).map_err(|error| broken(&error))
}
