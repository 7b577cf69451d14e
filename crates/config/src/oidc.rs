//! The section `[oidc]`.

use std::collections::BTreeMap;

use model::account::Role;
use schemars::JsonSchema;
use sdk::Secret;
use serde::{Deserialize, Deserializer, Serialize};

/// A provider of identities that people log in by (OpenID Connect). Users with a password log in without it, as ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Oidc {
    /// The provider, by the URL that it calls itself, such as `https://id.example.org/realms/ops`. Without it nobody
    /// logs in like this.
    #[serde(deserialize_with = "issuer")]
    #[schemars(with = "String")]
    pub issuer: String,
    /// What the provider knows this hub by.
    pub client_id: String,
    /// The secret that goes with it; a public client has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that holds the user's name.
    pub name_claim: String,
    /// The claim that holds what people call them.
    pub full_name_claim: String,
    /// The claim that holds their e-mail address.
    pub email_claim: String,
    /// The claim that lists their groups.
    pub groups_claim: String,
    /// What groups make of somebody: `viewer`, `responder`, `manager` or `admin`, by the group's name. The highest
    /// counts, and counts anew at each login.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "roles")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub roles: BTreeMap<String, Role>,
    /// What somebody is whose groups make nothing of them. Without it they are not let in, or, where `roles` is empty,
    /// are what they were made here.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "some_role")]
    #[schemars(with = "Option<String>")]
    pub default_role: Option<Role>,
    /// Whether who is not known here becomes a user at the first login.
    pub create_users: bool,
    /// Whether a user who was made here without a password is taken for who has that name at the provider. Only where
    /// people cannot choose their names there.
    pub link_by_name: bool,
    /// What the provider is called on the login page.
    pub label: String,
}

impl Default for Oidc {
    fn default() -> Self {
        Oidc {
            issuer: String::new(),
            client_id: String::new(),
            client_secret: None,
            scopes: vec!["profile".to_owned(), "email".to_owned()],
            name_claim: "preferred_username".to_owned(),
            full_name_claim: "name".to_owned(),
            email_claim: "email".to_owned(),
            groups_claim: "groups".to_owned(),
            roles: BTreeMap::new(),
            default_role: None,
            create_users: false,
            link_by_name: false,
            label: "single sign-on".to_owned(),
        }
    }
}

fn role<E: serde::de::Error>(word: &str) -> Result<Role, E> {
    let known = || Role::ALL.map(Role::name).join(", ");
    Role::from_name(word).ok_or_else(|| E::custom(format!("{word:?} is not a role; known are {}", known())))
}

fn roles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Role>, D::Error> {
    let written = BTreeMap::<String, String>::deserialize(deserializer)?;
    written.into_iter().map(|(group, word)| Ok((group, role(&word)?))).collect()
}

fn some_role<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Role>, D::Error> {
    Option::<String>::deserialize(deserializer)?.map(|word| role(&word)).transpose()
}

/// A URL as the provider writes it, since a slash more or less makes it another; over TLS, unless it stays here.
fn issuer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(text);
    }
    let url = sdk::http::parse_url(&text).map_err(serde::de::Error::custom)?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    if url.scheme() != "https" && !is_here {
        return Err(serde::de::Error::custom("a provider is asked by https: anybody on the way could be it"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(serde::de::Error::custom("a provider's URL has no user, no `?` and no `#`"));
    }
    Ok(text)
}
