//! E-mail over SMTP: one connection per message.

mod letter;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt as _;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use model::delivery::{Outcome, answer_head};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sdk::http::HttpError;
use sdk::{Answer, Context, Destination, Facts, Message, Secret};
use serde::{Deserialize, Deserializer, Serialize};

use crate::template::{Html, Plain, Template};

/// The kind `email`.
pub struct Email;

/// Through which server, from whom, to whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "host": "mail.example.org",
    "from": "Nightbell <nightbell@example.org>",
    "to": ["ops@example.org", "Ann <ann@example.org>"],
    "username": "nightbell",
    "password": "the-password",
}))]
pub struct Settings {
    /// The mail server's name. It is also the name that its certificate must have.
    host: String,
    /// The mail server's port; by default 465 with `tls = "implicit"`, 25 with `tls = "none"`, else 587.
    port: Option<u16>,
    /// How the connection is encrypted.
    #[serde(default)]
    tls: Tls,
    /// A certificate in PEM to trust besides the well-known ones: that of the server, or of who signed it.
    ca_certificate: Option<String>,
    /// The name to authenticate with.
    username: Option<String>,
    /// The password to authenticate with.
    password: Option<Secret>,
    /// The way to authenticate; by default what the server offers.
    auth: Option<Auth>,
    /// Sends the password even when the connection is not encrypted.
    #[serde(default)]
    insecure_auth: bool,
    /// The name that we say hello with.
    #[serde(default = "localhost")]
    hello: String,
    /// The sender, e.g. `Nightbell <nightbell@example.org>`.
    from: Address,
    /// The recipients: all of them get the same mail.
    #[schemars(length(min = 1))]
    to: Vec<Address>,
    /// Where answers go, if not to the sender.
    reply_to: Option<Address>,
    /// A template of the subject, in place of the message's title.
    subject: Option<Template<Plain>>,
    /// A template of the plain text, in place of the built-in one.
    text: Option<Template<Plain>>,
    /// A template of the HTML, in place of the built-in one. Values are escaped.
    html: Option<Template<Html>>,
    /// Headers to add.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

fn localhost() -> String {
    "localhost".to_owned()
}

/// How a connection is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Tls {
    /// With STARTTLS, or not at all.
    #[default]
    Required,
    /// With STARTTLS where the server offers it.
    Opportunistic,
    /// From the first byte on.
    Implicit,
    /// Not.
    None,
}

/// A way to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Auth {
    /// `AUTH PLAIN`
    Plain,
    /// `AUTH LOGIN`
    Login,
}

/// An address, with or without a name before it.
#[derive(Debug)]
struct Address(Mailbox);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        letter::mailbox(&text).map(Address).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Address {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Address".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl Settings {
    fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            Tls::Implicit => 465,
            Tls::None => 25,
            Tls::Required | Tls::Opportunistic => 587,
        })
    }

    fn tls_parameters(&self) -> Result<TlsParameters, String> {
        let mut builder = TlsParameters::builder(self.host.clone());
        if let Some(pem) = &self.ca_certificate {
            // lettre takes a text without any certificate for an empty list
            if !pem.contains("-----BEGIN CERTIFICATE-----") {
                return Err("ca_certificate: not a certificate in PEM".to_owned());
            }
            let bad = |error| format!("ca_certificate: not a certificate in PEM: {error}");
            builder = builder.add_root_certificate(Certificate::from_pem(pem.as_bytes()).map_err(bad)?);
        }
        builder.build().map_err(|error| format!("ca_certificate: {error}"))
    }

    /// The mechanisms to choose from, and the credentials.
    fn login(&self) -> Option<(&'static [Mechanism], Credentials)> {
        let mechanisms: &[Mechanism] = match self.auth {
            Some(Auth::Plain) => &[Mechanism::Plain],
            Some(Auth::Login) => &[Mechanism::Login],
            None => &[Mechanism::Plain, Mechanism::Login],
        };
        let (name, password) = (self.username.clone()?, self.password.as_ref()?);
        Some((mechanisms, Credentials::new(name, password.expose().to_owned())))
    }

    /// The forms that the password takes on the wire.
    fn wire_secrets(&self) -> Vec<Secret> {
        let (Some(name), Some(password)) = (&self.username, &self.password) else { return Vec::new() };
        let forms = [format!("\0{name}\0{}", password.expose()), password.expose().to_owned()];
        forms.into_iter().map(|form| Secret::new(STANDARD.encode(form))).collect()
    }
}

/// Why a mail was not taken.
enum Trouble {
    /// There is no server to talk to.
    Unreachable(HttpError),
    /// The talk ended early.
    Smtp(lettre::transport::smtp::Error),
    /// We broke it off.
    Ours(String),
}

impl From<lettre::transport::smtp::Error> for Trouble {
    fn from(error: lettre::transport::smtp::Error) -> Self {
        Trouble::Smtp(error)
    }
}

impl Destination for Email {
    const FACTS: Facts = Facts {
        kind: "email",
        title: "E-mail",
        about: "Sends a mail over SMTP, as plain text and HTML. Mails about the same trouble stand \
                in one thread, and a mail that is sent again has the same Message-ID.",
        docs: "",
        deduplicates: false,
    };
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.host.trim().is_empty() {
            return Err("host: is empty".to_owned());
        }
        if settings.to.is_empty() {
            return Err("to: needs an address".to_owned());
        }
        match (settings.username.is_some(), settings.password.is_some()) {
            (true, false) => return Err("password: is needed for `username`".to_owned()),
            (false, true) => return Err("username: is needed for `password`".to_owned()),
            (true, true) if settings.tls == Tls::None && !settings.insecure_auth => {
                return Err("tls: with \"none\" the password would go out in the clear; \
                            set `insecure_auth` if that is meant"
                    .to_owned());
            }
            _ => {}
        }
        settings.headers.iter().try_for_each(|(name, value)| letter::check_header(name, value))?;
        settings.tls_parameters().map(drop)
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let mail = match letter::write(settings, message) {
            Ok(mail) => mail,
            Err(reason) => return Answer::bare(Outcome::rejected(reason)),
        };
        let talk = tokio::time::timeout(context.timeout, talk(context, settings, &mail)).await;
        let result = talk.unwrap_or(Err(Trouble::Unreachable(HttpError::Timeout(context.timeout))));
        answer(context, result).hiding(&settings.wire_secrets())
    }
}

async fn talk(context: &Context, settings: &Settings, mail: &lettre::Message) -> Result<Response, Trouble> {
    let tls = settings.tls_parameters().map_err(Trouble::Ours)?;
    let hello = ClientId::Domain(settings.hello.clone());
    // the name is resolved and judged here, so that lettre connects to what was judged
    let addresses =
        context.http.resolve(&settings.host, settings.port()).await.map_err(Trouble::Unreachable)?;
    let implicit = (settings.tls == Tls::Implicit).then(|| tls.clone());
    let connecting = AsyncSmtpConnection::connect_tokio1(
        addresses.as_slice(),
        Some(context.timeout),
        &hello,
        implicit,
        None,
    );
    let mut connection = connecting.await?;
    let upgrade = match settings.tls {
        Tls::Required => true,
        Tls::Opportunistic => connection.can_starttls(),
        Tls::Implicit | Tls::None => false,
    };
    if upgrade {
        connection.starttls(tls, &hello).await?;
    }
    if let Some((mechanisms, credentials)) = settings.login() {
        if !connection.is_encrypted() && !settings.insecure_auth {
            let reason = "the server offers no encryption, and the password must not go out in the clear";
            return Err(Trouble::Ours(reason.to_owned()));
        }
        connection.auth(mechanisms, &credentials).await?;
    }
    let response = connection.send(mail.envelope(), &mail.formatted()).await?;
    // the mail is taken: we say goodbye, but do not wait for an answer that could only spoil it
    let _ = connection.quit().now_or_never();
    Ok(response)
}

fn answer(context: &Context, result: Result<Response, Trouble>) -> Answer {
    match result {
        Ok(response) => {
            let text = response.message().collect::<Vec<_>>().join("\n");
            let receipt = response.first_line().unwrap_or_default().chars().take(200).collect();
            let status = Some(i64::from(u16::from(response.code())));
            Answer { outcome: Outcome::Delivered { receipt }, status, text: answer_head(text.as_bytes()) }
        }
        Err(Trouble::Unreachable(error)) => Answer::from_http(Err(error), context.now),
        Err(Trouble::Ours(reason)) => Answer::bare(Outcome::down(reason)),
        Err(Trouble::Smtp(error)) => {
            let said = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            let code = error.status().map(u16::from);
            let outcome = match code {
                Some(code) if error.is_permanent() => Outcome::rejected(format!("answered {code}")),
                Some(code) => Outcome::down(format!("answered {code}")),
                None if said.is_empty() => Outcome::down(error.to_string()),
                None => Outcome::down(said.clone()),
            };
            // only what the server said is its answer
            let text = if code.is_some() { answer_head(said.as_bytes()) } else { String::new() };
            Answer { outcome, status: code.map(i64::from), text }
        }
    }
}
