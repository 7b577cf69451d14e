//! Servers that messages go through, as both `global` and receivers write them.

use std::rc::Rc;

use super::reader::{Fields, Reader};
use crate::node::Node;
use crate::path::Path;
use crate::problem::Origin;
use crate::yaml::Yaml;

/// The method of Slack's Web API that a bot posts with.
pub(super) const POST_MESSAGE: &str = "/chat.postMessage";

/// What mail needs to know beside whom it is for.
#[derive(Clone, Default)]
pub(super) struct Smtp {
    pub(super) from: Option<Node>,
    pub(super) hello: Option<Node>,
    pub(super) smarthost: Option<Smarthost>,
    pub(super) username: Option<Node>,
    pub(super) password: Option<Node>,
    /// What CRAM-MD5 is spoken with.
    pub(super) secret: Option<Node>,
    /// Whom to act as, where that is not the user.
    pub(super) identity: Option<Node>,
    pub(super) require_tls: Option<Node>,
    pub(super) implicit_tls: Option<Node>,
    /// What `tls_config` says.
    pub(super) certificates: Option<Node>,
}

/// A mail server as Alertmanager writes it.
#[derive(Clone)]
pub(super) struct Smarthost {
    pub(super) origin: Origin,
    pub(super) host: String,
    pub(super) port: u16,
}

/// Where to post: by a webhook's URL, or as a bot.
#[derive(Clone, Default)]
pub(super) struct Post {
    pub(super) url: Option<Node>,
    pub(super) token: Option<Node>,
    /// Slack's Web API, when it is not where it usually is.
    pub(super) api_url: Option<Node>,
}

impl Reader<'_> {
    /// Host and port, as Go's `net.SplitHostPort` takes them apart.
    pub(super) fn smarthost(&mut self, yaml: Option<&Rc<Yaml>>, path: &Path) -> Option<Smarthost> {
        let node = self.filled(yaml, path)?;
        let text = node.as_text().unwrap_or_default();
        match host_and_port(text) {
            Ok((host, port)) => Some(Smarthost { origin: node.origin.clone(), host, port }),
            Err(message) => {
                self.error(&node.origin, path, message);
                None
            }
        }
    }

    /// The three ways to say where to post; the second also by a file.
    pub(super) fn slack_post(&mut self, fields: &Fields<'_>, path: &Path, keys: [&str; 3]) -> Post {
        let [url, token, app] = keys;
        let url = self.url(fields, path, (url, &format!("{url}_file")));
        let token = self.secret(fields, path, (token, &format!("{token}_file")));
        let api_url = self.static_text(fields.get(app), &path.key(app)).and_then(|node| {
            let api = node.as_text().and_then(|text| text.strip_suffix(POST_MESSAGE));
            if api.is_none() {
                let message = format!("not understood yet: must end with {POST_MESSAGE}");
                self.error(&node.origin, &path.key(app), message);
            }
            Some(Node::text(&node.origin, api?))
        });
        Post { url, token, api_url }
    }
}

fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(format!("address {text}: missing port in address"));
    };
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if inside.is_none() && host.contains(':') {
        return Err(format!("address {text}: too many colons in address"));
    }
    let port = match port {
        "" => return Err(format!("address {text:?}: port cannot be empty")),
        "smtp" => 25,
        "smtps" | "submissions" => 465,
        "submission" => 587,
        port => port.parse().map_err(|_| format!("address {text:?}: {port:?} is not a port"))?,
    };
    Ok((inside.unwrap_or(host).to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_taken_apart() {
        assert_eq!(host_and_port("[::1]:25"), Ok(("::1".to_owned(), 25)));
        assert_eq!(host_and_port("mail:submission"), Ok(("mail".to_owned(), 587)));
        for bad in ["mail", "mail:", "::1:25", "mail:x", "mail:99999"] {
            assert!(host_and_port(bad).is_err(), "{bad}");
        }
    }
}
