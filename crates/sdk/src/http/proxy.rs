//! Proxies: where requests go through.

use std::collections::BTreeMap;
use std::net::IpAddr;

use reqwest::NoProxy;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use url::{Host, Url};

use super::headers::Values;
use super::{Guard, HttpError};
use crate::secret::Secret;

/// This very machine is asked directly, as Go's programs do it.
const NEAR: &str = "localhost,127.0.0.0/8,::1";

/// Which proxy requests go through. Nothing: none, whatever the environment says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Proxy {
    /// The proxy, such as `http://proxy.example:3128`, with name and password where it wants them. One that speaks
    /// SOCKS 5, such as `socks5://proxy.example:1080`, is also asked where names are.
    url: Option<Secret>,
    /// What is asked directly, with commas between: names with all below them, addresses, networks, `*`.
    no_proxy: String,
    /// Whether `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` in the hub's environment say which.
    from_environment: bool,
    /// Headers that a proxy is sent with `CONNECT`. Their values count as secret.
    connect_headers: BTreeMap<String, Values>,
}

impl Proxy {
    /// What is wrong, beginning with the field.
    pub(super) fn check(&self) -> Result<(), String> {
        let wrong = |text: &str| Err(text.to_owned());
        match (&self.url, self.from_environment) {
            (Some(_), true) => return wrong("from_environment: has no meaning beside `url`"),
            (None, false) if !self.connect_headers.is_empty() => {
                return wrong("connect_headers: needs `url` or `from_environment`");
            }
            (None, _) if !self.no_proxy.is_empty() => return wrong("no_proxy: needs `url`"),
            _ => {}
        }
        if let Some(url) = &self.url {
            // the scheme is all that is told of it
            read_url(url.expose()).map_err(|error| format!("url: {error}"))?;
        }
        for entry in self.no_proxy.split(',').map(str::trim) {
            let is_address = entry.split('/').next().is_some_and(|host| host.parse::<IpAddr>().is_ok());
            if entry.contains(':') && !is_address {
                return wrong("no_proxy: entries have no ports; write the name or the address alone");
            }
        }
        self.headers().map(drop)
    }

    fn headers(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, values) in &self.connect_headers {
            let wrong = |what: &str| format!("connect_headers.{name}: {what}");
            let parsed =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("is no name of a header"))?;
            for value in values.iter() {
                let value = HeaderValue::from_str(value).map_err(|_| wrong("cannot stand in a header"))?;
                headers.append(parsed.clone(), value);
            }
        }
        Ok(headers)
    }

    /// Whether requests may go through a proxy at all.
    pub(super) fn is_used(&self) -> bool {
        self.url.is_some() || self.from_environment
    }

    /// The proxies for a client.
    pub(super) fn proxies(&self, guard: &Guard) -> Result<Vec<reqwest::Proxy>, HttpError> {
        self.proxies_among(guard, &|name| {
            let named = [name.to_owned(), name.to_lowercase()];
            named.iter().find_map(|name| std::env::var(name).ok()).filter(|text| !text.is_empty())
        })
    }

    fn proxies_among(
        &self,
        guard: &Guard,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<reqwest::Proxy>, HttpError> {
        type Make = fn(Url) -> reqwest::Result<reqwest::Proxy>;
        let mut wanted: Vec<(Make, String)> = Vec::new();
        let mut except = self.no_proxy.clone();
        match &self.url {
            Some(url) => wanted.push((reqwest::Proxy::all, url.expose().to_owned())),
            None if self.from_environment => {
                let http: Make = reqwest::Proxy::http;
                let found = [(http, "HTTP_PROXY"), (reqwest::Proxy::https, "HTTPS_PROXY")];
                wanted.extend(found.into_iter().filter_map(|(make, name)| Some((make, environment(name)?))));
                except = environment("NO_PROXY").unwrap_or_default();
            }
            None => {}
        }
        if self.from_environment || !except.is_empty() {
            except = format!("{except},{NEAR}");
        }
        let bad = |_| HttpError::Broken("the proxy's URL or headers cannot be used".to_owned());
        let mut proxies = Vec::new();
        for (make, text) in wanted {
            // the environment may leave the scheme out
            let text = if text.contains("://") { text } else { format!("http://{text}") };
            let url = read_url(&text).map_err(|error| HttpError::Broken(format!("the proxy: {error}")))?;
            judge_proxy(guard, &url)?;
            let headers = self.headers().map_err(HttpError::Broken)?;
            let proxy = make(url).map_err(bad)?.no_proxy(NoProxy::from_string(&except));
            proxies.push(if headers.is_empty() { proxy } else { proxy.headers(headers) });
        }
        Ok(proxies)
    }
}

/// A proxy's URL. One of SOCKS means in both spellings that the proxy resolves names, as it does to Go's programs.
fn read_url(text: &str) -> Result<Url, String> {
    const REMOTE_NAMES: &str = "socks5h";
    let mut url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
    if url.scheme() == "socks5" {
        // cannot fail between two schemes that are nothing special
        let _ = url.set_scheme(REMOTE_NAMES);
    }
    if !matches!(url.scheme(), "http" | "https" | REMOTE_NAMES) {
        return Err(format!("the scheme is {:?}; http, https and socks5 are known", url.scheme()));
    }
    match url.host_str() {
        None | Some("") => Err("there is no host in it".to_owned()),
        Some(_) => Ok(url),
    }
}

/// Names are judged when they are resolved; an address that is written out is not.
fn judge_proxy(guard: &Guard, url: &Url) -> Result<(), HttpError> {
    let address = match url.host() {
        Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
        Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
        // of schemes that are nothing special, addresses are not read
        Some(Host::Domain(name)) => match name.parse() {
            Ok(address) => address,
            Err(_) => return Ok(()),
        },
        None => return Ok(()),
    };
    match guard.allows(address) {
        true => Ok(()),
        false => Err(HttpError::Forbidden { host: format!("the proxy {address}"), address }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn proxy(fields: serde_json::Value) -> Proxy {
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_field() {
        let refusal = |fields| proxy(fields).check().unwrap_err();
        let both = json!({"url": "http://p:1", "from_environment": true});
        assert_eq!(refusal(both), "from_environment: has no meaning beside `url`");
        assert_eq!(refusal(json!({"no_proxy": "a"})), "no_proxy: needs `url`");
        assert!(refusal(json!({"connect_headers": {"A": "b"}})).starts_with("connect_headers: needs"));
        assert!(refusal(json!({"url": "socks4://p:1"})).contains("http, https and socks5 are known"));
        assert_eq!(refusal(json!({"url": "socks5://"})), "url: there is no host in it");
        assert!(proxy(json!({"url": "socks5://u:p@proxy.example"})).check().is_ok());
        assert!(refusal(json!({"url": "http://p", "no_proxy": "a:80"})).starts_with("no_proxy:"));
        assert!(refusal(json!({"url": "http://p", "connect_headers": {"a b": "c"}})).contains("no name"));
        assert!(
            proxy(json!({"url": "http://p", "no_proxy": "fd00::/8, 10.0.0.1, .example"})).check().is_ok()
        );
    }

    #[test]
    fn a_private_proxy_is_refused_like_any_other_address() {
        for url in ["http://10.0.0.1:3128", "socks5://10.0.0.1", "socks5h://[::1]:1080"] {
            let error = proxy(json!({"url": url})).proxies_among(&Guard::default(), &|_| None).unwrap_err();
            assert!(matches!(error, HttpError::Forbidden { .. }), "{url}: {error}");
        }
    }

    #[test]
    fn the_environment_names_proxies_when_it_is_asked_for_them() {
        let count = |fields, named: &[&str]| {
            let environment = |name: &str| named.contains(&name).then(|| "proxy.example:3128".to_owned());
            proxy(fields).proxies_among(&Guard::default(), &environment).unwrap().len()
        };
        assert_eq!(count(json!({"from_environment": true}), &["HTTP_PROXY", "HTTPS_PROXY"]), 2);
        assert_eq!(count(json!({"from_environment": true}), &["HTTPS_PROXY"]), 1);
        assert_eq!(count(json!({}), &["HTTP_PROXY"]), 0);
    }
}
