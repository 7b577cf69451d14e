//! Mail servers: what the settings say of one, and how a mail is handed to it. Shared by every kind that sends mail.

use std::borrow::Cow;
use std::sync::Arc;

use lettre::message::Mailbox;
use model::delivery::{Outcome, answer_head};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sdk::http::HttpError;
use sdk::{Answer, Context, Secret};
use serde::{Deserialize, Deserializer, Serialize};

use super::kept::{Kept, Lane, Lanes};
use super::talk::{Reply, Talk, Trouble};
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
            certificates: sdk::http::Tls,
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
    pub(in crate::destinations) certificates: &'a sdk::http::Tls,
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
        self.certificates.config().map(drop).map_err(|reason| format!("certificates.{reason}"))
    }

    /// Hands a mail over, on a connection that was kept from an earlier one where there is one.
    pub(in crate::destinations) async fn send(&self, context: &Context, mail: &lettre::Message) -> Answer {
        let talk = tokio::time::timeout(context.timeout, self.hand_over(context, mail)).await;
        let result = talk.unwrap_or(Err(Trouble::Unreachable(HttpError::Timeout(context.timeout))));
        answer(context, result).hiding(&self.wire_secrets())
    }

    async fn hand_over(&self, context: &Context, mail: &lettre::Message) -> Result<Reply, Trouble> {
        let lane: Arc<Lane> = context.http.keep::<Lanes<Which>>().lane(&self.which());
        let _place = lane.place().await;
        let (envelope, bytes) = (mail.envelope(), mail.formatted());
        if let Some(mut kept) = lane.take() {
            // its server may have left it meanwhile. Before the mail's last line went out nothing can be delivered, so
            // that it begins anew elsewhere and nobody gets it twice
            let patience = context.timeout / KEPT_SHARE;
            match tokio::time::timeout(patience, kept.talk.envelope(envelope, &bytes)).await {
                Ok(Ok(())) => return lane.finish(kept, &bytes).await,
                Ok(Err(Trouble::Refused(reply))) if reply.code != Reply::CLOSING => {
                    return Err(Trouble::Refused(reply));
                }
                _ => {}
            }
        }
        let mut new = Kept::new(self.begin(context).await?);
        new.talk.envelope(envelope, &bytes).await?;
        lane.finish(new, &bytes).await
    }

    /// Opens a talk, up to where mail is taken.
    async fn begin(&self, context: &Context) -> Result<Talk, Trouble> {
        let implicit = (self.tls == Tls::Implicit).then_some(self.certificates);
        let stream = context.http.stream(self.host, self.port(), implicit).await;
        let mut talk =
            Talk::begin(stream.map_err(Trouble::Unreachable)?, implicit.is_some(), self.hello).await?;
        let upgrade = match self.tls {
            Tls::Required => true,
            Tls::Opportunistic => talk.offers("STARTTLS"),
            Tls::Implicit | Tls::None => false,
        };
        if upgrade {
            talk = talk.encrypted(self.host, self.certificates, self.hello).await?;
        }
        self.log_in(&mut talk).await?;
        Ok(talk)
    }

    /// All that a connection depends on: who says anything else gets another one.
    fn which(&self) -> Which {
        Which {
            host: self.host.to_owned(),
            port: self.port(),
            tls: self.tls,
            certificates: self.certificates.clone(),
            username: self.username.map(str::to_owned),
            words: [self.password.cloned(), self.secret.cloned()],
            identity: self.identity.map(str::to_owned),
            auth: self.auth,
            insecure_auth: self.insecure_auth,
            hello: self.hello.to_owned(),
        }
    }
}

/// All that a connection depends on.
#[derive(Clone, PartialEq)]
struct Which {
    host: String,
    port: u16,
    tls: Tls,
    certificates: sdk::http::Tls,
    username: Option<String>,
    /// Password and shared secret.
    words: [Option<Secret>; 2],
    identity: Option<String>,
    auth: Option<Auth>,
    insecure_auth: bool,
    hello: String,
}

/// Which part of a try's time a kept connection has to show that it is still one.
const KEPT_SHARE: u32 = 3;

fn answer(context: &Context, result: Result<Reply, Trouble>) -> Answer {
    /// Characters of what a server says of a mail that it took.
    const MAX_RECEIPT: usize = 200;
    match result {
        Ok(reply) => {
            let receipt = reply.lines.first().map(|line| line.chars().take(MAX_RECEIPT).collect());
            let outcome = Outcome::Delivered { receipt: receipt.unwrap_or_default() };
            Answer {
                outcome,
                status: Some(i64::from(reply.code)),
                text: answer_head(reply.text().as_bytes()),
            }
        }
        Err(Trouble::Unreachable(error)) => Answer::from_http(Err(error), context.now),
        Err(Trouble::Ours(reason) | Trouble::Broken(reason)) => Answer::bare(Outcome::down(reason)),
        Err(Trouble::Refused(reply)) => {
            let reason = format!("answered {}", reply.code);
            let outcome = if reply.is_final() { Outcome::rejected(reason) } else { Outcome::down(reason) };
            Answer {
                outcome,
                status: Some(i64::from(reply.code)),
                text: answer_head(reply.text().as_bytes()),
            }
        }
    }
}

/// Reads an address, with or without a name before it.
pub(super) fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|error| format!("{text:?} is not an address like `Ops <ops@example.org>`: {error}"))
}
