//! Mail servers: what the settings say of one, and one talk with it. Shared by every kind that sends mail.

use std::borrow::Cow;
use std::sync::LazyLock;

use futures::FutureExt as _;
use lettre::message::Mailbox;
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, Identity, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use model::delivery::{Outcome, answer_head};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sdk::http::HttpError;
use sdk::{Answer, Context, Recent, Secret};
use serde::{Deserialize, Deserializer, Serialize};

use crate::template::{Plain, Template};

/// Makes a struct of settings that holds those of a mail server beside its own. (serde can flatten one struct
/// into another, but then errors do not say which field they are about.)
macro_rules! with_server {
    ($(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $(#[$meta])*
        pub struct $name {
            /// The mail server's name. It is also the name that its certificate must have.
            host: String,
            /// The mail server's port; by default 465 with `tls = "implicit"`, 25 with `tls = "none"`, else 587.
            port: Option<u16>,
            /// How the connection is encrypted.
            #[serde(default)]
            tls: $crate::destinations::email::server::Tls,
            /// Which certificates are taken and shown when the connection is encrypted.
            #[serde(default)]
            certificates: $crate::destinations::email::server::Certificates,
            /// The name to authenticate with. A server that offers no way to log in gets the mail without.
            username: Option<String>,
            /// The password to authenticate with.
            password: Option<sdk::Secret>,
            /// The secret that is shared with the server, to authenticate by CRAM-MD5.
            secret: Option<sdk::Secret>,
            /// Whom to act as, if not as the one who authenticates; by PLAIN only.
            identity: Option<String>,
            /// The way to authenticate; by default what the server offers.
            auth: Option<$crate::destinations::email::server::Auth>,
            /// Sends the password even when the connection is not encrypted.
            #[serde(default)]
            insecure_auth: bool,
            /// The name that we say hello with.
            #[serde(default = "crate::destinations::email::server::localhost")]
            hello: String,
            $($own)*
        }

        impl $name {
            fn server(&self) -> $crate::destinations::email::server::Server<'_> {
                $crate::destinations::email::server::Server {
                    host: &self.host,
                    port: self.port,
                    tls: self.tls,
                    certificates: &self.certificates,
                    username: self.username.as_deref(),
                    password: self.password.as_ref(),
                    secret: self.secret.as_ref(),
                    identity: self.identity.as_deref(),
                    auth: self.auth,
                    insecure_auth: self.insecure_auth,
                    hello: &self.hello,
                }
            }
        }
    };
}
pub(in crate::destinations) use with_server;

pub(in crate::destinations) fn localhost() -> String {
    "localhost".to_owned()
}

/// What the settings say of a mail server.
pub(in crate::destinations) struct Server<'a> {
    pub(in crate::destinations) host: &'a str,
    pub(in crate::destinations) port: Option<u16>,
    pub(in crate::destinations) tls: Tls,
    pub(in crate::destinations) certificates: &'a Certificates,
    pub(in crate::destinations) username: Option<&'a str>,
    pub(in crate::destinations) password: Option<&'a Secret>,
    pub(in crate::destinations) secret: Option<&'a Secret>,
    pub(in crate::destinations) identity: Option<&'a str>,
    pub(in crate::destinations) auth: Option<Auth>,
    pub(in crate::destinations) insecure_auth: bool,
    pub(in crate::destinations) hello: &'a str,
}

/// How a connection is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::destinations) enum Tls {
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

/// Which certificates are taken and shown. Nothing: what the system's authorities have signed, and none.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::destinations) struct Certificates {
    /// The authorities that the server's certificate must come from, as PEM, in place of the system's. Like the
    /// other two, mostly given as `{ file = "…" }`.
    ca: Option<Secret>,
    /// The certificate, with its chain, that the hub shows, as PEM; needs `key`.
    cert: Option<Secret>,
    /// The key of that certificate, as PEM without a password.
    key: Option<Secret>,
    /// The name that the server's certificate must be for, in place of `host`.
    server_name: Option<String>,
    /// Whether any certificate is taken: then anybody on the way can read and answer.
    insecure_skip_verify: bool,
}

impl Certificates {
    /// What they come to with a host. The system's authorities are not read for every mail.
    fn parameters(&self, host: &str) -> Result<TlsParameters, String> {
        /// By host and certificates.
        static BUILT: LazyLock<Recent<(String, Certificates), TlsParameters>> =
            LazyLock::new(Recent::default);
        BUILT.get_or(&(host.to_owned(), self.clone()), || self.build(host))
    }

    fn build(&self, host: &str) -> Result<TlsParameters, String> {
        let name = self.server_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(host);
        let mut builder = TlsParameters::builder(name.to_owned());
        if let Some(pem) = &self.ca {
            let pem = pem.expose();
            // lettre takes a text without any certificate for an empty list
            if !pem.contains(BEGIN_CERTIFICATE) {
                return Err("certificates.ca: there is no certificate in it".to_owned());
            }
            let bad = |error| format!("certificates.ca: not a certificate in PEM: {error}");
            builder = builder
                .certificate_store(CertificateStore::None)
                .add_root_certificate(Certificate::from_pem(pem.as_bytes()).map_err(bad)?);
        }
        match (&self.cert, &self.key) {
            (None, None) => {}
            (Some(_), None) => return Err("certificates.cert: needs a `key`".to_owned()),
            (None, Some(_)) => return Err("certificates.key: needs a `cert`".to_owned()),
            (Some(cert), Some(key)) => {
                if !cert.expose().contains(BEGIN_CERTIFICATE) {
                    return Err("certificates.cert: there is no certificate in it".to_owned());
                }
                let own = Identity::from_pem(cert.expose().as_bytes(), key.expose().as_bytes());
                let own =
                    own.map_err(|_| "certificates.key: there is no private key without a password in it")?;
                builder = builder.identify_with(own);
            }
        }
        let builder = builder
            .dangerous_accept_invalid_certs(self.insecure_skip_verify)
            .dangerous_accept_invalid_hostnames(self.insecure_skip_verify);
        builder.build().map_err(|error| format!("certificates: {error}"))
    }
}

/// How a certificate begins in PEM.
const BEGIN_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// A way to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::destinations) enum Auth {
    /// `AUTH PLAIN`
    Plain,
    /// `AUTH LOGIN`
    Login,
    /// `AUTH CRAM-MD5`
    #[serde(rename = "cram-md5")]
    CramMd5,
}

/// An address, with or without a name before it.
#[derive(Debug)]
pub(in crate::destinations) struct Address(pub(in crate::destinations) Mailbox);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        mailbox(&text).map(Address).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// Whose mail it is: an address, or a template of addresses with commas between them.
#[derive(Debug)]
pub(in crate::destinations) enum Addresses {
    Fixed(Box<Mailbox>),
    Made(Template<Plain>),
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let written = serde_json::Value::deserialize(deserializer)?;
        match written.as_str().filter(|text| !text.contains("{{") && !text.contains("{%")) {
            Some(text) => mailbox(text).map(|it| Addresses::Fixed(Box::new(it))).map_err(Error::custom),
            None => Template::deserialize(written).map(Addresses::Made).map_err(Error::custom),
        }
    }
}

impl JsonSchema for Addresses {
    fn schema_name() -> Cow<'static, str> {
        Template::<Plain>::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Template::<Plain>::json_schema(generator)
    }
}

impl Server<'_> {
    fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            Tls::Implicit => 465,
            Tls::None => 25,
            Tls::Required | Tls::Opportunistic => 587,
        })
    }

    /// Whether all of it goes together.
    ///
    /// # Errors
    /// What does not; in words that begin with the field.
    pub(in crate::destinations) fn check(&self) -> Result<(), String> {
        if self.host.trim().is_empty() {
            return Err("host: is empty".to_owned());
        }
        let (password, secret) = (self.password.is_some(), self.secret.is_some());
        match (self.username.is_some(), password || secret) {
            (true, false) => return Err("password: is needed for `username`, or `secret`".to_owned()),
            (false, true) => return Err("username: is needed for `password` and `secret`".to_owned()),
            _ if self.identity.is_some() && !password => {
                return Err("identity: needs a `password`".to_owned());
            }
            (true, true) if password && self.tls == Tls::None && !self.insecure_auth => {
                return Err("tls: with \"none\" the password would go out in the clear; \
                            set `insecure_auth` if that is meant"
                    .to_owned());
            }
            _ => {}
        }
        self.certificates.parameters(self.host).map(drop)
    }

    /// Hands a mail over: one talk on a connection of its own.
    pub(in crate::destinations) async fn send(&self, context: &Context, mail: &lettre::Message) -> Answer {
        let talk = tokio::time::timeout(context.timeout, self.talk(context, mail)).await;
        let result = talk.unwrap_or(Err(Trouble::Unreachable(HttpError::Timeout(context.timeout))));
        answer(context, result).hiding(&self.wire_secrets())
    }

    async fn talk(&self, context: &Context, mail: &lettre::Message) -> Result<Response, Trouble> {
        let tls = self.certificates.parameters(self.host).map_err(Trouble::Ours)?;
        let hello = ClientId::Domain(self.hello.to_owned());
        // the name is resolved and judged here, so that lettre connects to what was judged
        let addresses = context.http.resolve(self.host, self.port()).await.map_err(Trouble::Unreachable)?;
        let implicit = (self.tls == Tls::Implicit).then(|| tls.clone());
        let connecting = AsyncSmtpConnection::connect_tokio1(
            addresses.as_slice(),
            Some(context.timeout),
            &hello,
            implicit,
            None,
        );
        let mut connection = connecting.await?;
        let upgrade = match self.tls {
            Tls::Required => true,
            Tls::Opportunistic => connection.can_starttls(),
            Tls::Implicit | Tls::None => false,
        };
        if upgrade {
            connection.starttls(tls, &hello).await?;
        }
        self.log_in(&mut connection, &hello).await?;
        let response = connection.send(mail.envelope(), &mail.formatted()).await?;
        // the mail is taken: we say goodbye, but do not wait for an answer that could only spoil it
        let _ = connection.quit().now_or_never();
        Ok(response)
    }
}

/// Why a mail was not taken.
pub(super) enum Trouble {
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

/// Reads an address, with or without a name before it.
pub(super) fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|error| format!("{text:?} is not an address like `Ops <ops@example.org>`: {error}"))
}
