//! `email_configs`, and the server that mails go through.

use super::global::Global;
use super::list;
use super::reader::{Fields, Keys, Reader, go_text};
use super::servers::{NO_CRAM, Smarthost, Smtp};
use crate::node::{Node, Value as Tree};
use crate::path::Path;
use crate::problem::Origin;
use crate::yaml::Yaml;

const KEYS: Keys = Keys {
    known: &[
        "send_resolved",
        "to",
        "from",
        "hello",
        "smarthost",
        "auth_username",
        "auth_password",
        "auth_password_file",
        "auth_secret",
        "auth_secret_file",
        "auth_identity",
        "headers",
        "html",
        "text",
        "require_tls",
        "force_implicit_tls",
        "tls_config",
        "threading",
    ],
    refused: &[],
};
/// Alertmanager's own subject.
const SUBJECT: &str = r#"{{ template "email.default.subject" . }}"#;
const THREADING: Keys = Keys { known: &["enabled", "thread_by_date"], refused: &[] };

impl Reader<'_> {
    /// A destination of the kind `email`.
    pub(super) fn email(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &KEYS)?;
        let at = |key: &str| path.key(key);
        let mut place = Node::table(&yaml.origin);
        self.send_resolved(&mut place, yaml, path, false);
        match self.filled(fields.get("to"), &at("to")) {
            Some(to) => place.set("to", addresses(&to)),
            None => self.error(&yaml.origin, path, "missing to address in email config"),
        }
        let smtp = self.smtp(&fields, path, &global.smtp);
        match &smtp.smarthost {
            Some(server) => put_server(&mut place, server, &smtp),
            None => self.error(&yaml.origin, path, "no global SMTP smarthost set"),
        }
        match smtp.from {
            Some(from) => place.set("from", from),
            None => self.error(&yaml.origin, path, "no global SMTP from set"),
        }
        for (key, node) in [("hello", smtp.hello), ("username", smtp.username), ("password", smtp.password)] {
            node.into_iter().for_each(|node| place.set(key, node));
        }
        for key in ["auth_secret", "auth_secret_file", "auth_identity"] {
            self.only_empty(fields.get(key), &at(key), NO_CRAM);
        }
        let tls = fields.get("tls_config").and_then(|yaml| self.tls_config(yaml, &at("tls_config")));
        if let Some(mut tls) = tls.or_else(|| global.smtp.certificates.clone()) {
            self.spoken_versions(&mut tls, &at("tls_config"));
            place.set("certificates", tls);
        }
        // where no plain text is written, there is ours
        self.own_templates(&mut place, &fields, path, &[("text", "text")]);
        let html = ("html", "html", r#"{{ template "email.default.html" . }}"#);
        self.templates(&mut place, &fields, path, &[html]);
        if place.get("text").is_none() && place.get("html").and_then(Node::as_text) == Some("") {
            self.error(&yaml.origin, path, "not understood yet: a mail without any words");
        }
        place.set("subject", go_text(SUBJECT, &Origin::Default));
        if let Some(headers) = fields.get("headers") {
            self.headers(headers, &at("headers"), &mut place);
        }
        if let Some(threading) = fields.get("threading") {
            self.threading(threading, &at("threading"), &mut place);
        }
        Some(place)
    }

    /// What is written here, and what is not, as it is globally.
    fn smtp(&mut self, fields: &Fields<'_>, path: &Path, global: &Smtp) -> Smtp {
        let at = |key: &str| path.key(key);
        let flag = |reader: &mut Self, key: &str| fields.get(key).and_then(|it| reader.bool(it, &at(key)));
        let require_tls = flag(self, "require_tls");
        let implicit_tls = flag(self, "force_implicit_tls");
        let from = self.static_text(fields.get("from"), &at("from"));
        let hello = self.filled(fields.get("hello"), &at("hello"));
        let smarthost = self.smarthost(fields.get("smarthost"), &at("smarthost"));
        let username = self.filled(fields.get("auth_username"), &at("auth_username"));
        let password = self.secret(fields, path, ("auth_password", "auth_password_file"));
        let global = global.clone();
        Smtp {
            from: from.or(global.from),
            hello: hello.or(global.hello),
            smarthost: smarthost.or(global.smarthost),
            username: username.or(global.username),
            password: password.or(global.password),
            require_tls: require_tls.or(global.require_tls),
            implicit_tls: implicit_tls.or(global.implicit_tls),
            certificates: None,
        }
    }

    /// With mail servers, TLS 1.2 and 1.3 are spoken, and neither can be left out.
    fn spoken_versions(&mut self, tls: &mut Node, path: &Path) {
        for (key, may) in
            [("min_version", ["TLS10", "TLS11", "TLS12"].as_slice()), ("max_version", &["TLS13"])]
        {
            let Some(version) = tls.take(key) else { continue };
            if !version.as_text().is_some_and(|text| may.contains(&text)) {
                let message =
                    "not understood yet: mail servers are spoken to in TLS 1.2 or 1.3, as they choose";
                self.error(&version.origin, &path.key(key), message);
            }
        }
    }

    /// Which mails stand in one thread. Where Alertmanager makes none, those about the same trouble do.
    fn threading(&mut self, yaml: &Yaml, path: &Path, place: &mut Node) {
        let Some(fields) = self.fields(yaml, path, &THREADING) else { return };
        let enabled = fields.get("enabled").and_then(|it| self.bool(it, &path.key("enabled")));
        if !enabled.is_some_and(|node| matches!(node.value, Tree::Bool(true))) {
            return;
        }
        let by = self.filled(fields.get("thread_by_date"), &path.key("thread_by_date"));
        match by.as_ref().and_then(Node::as_text) {
            Some("none") => place.set("threads", Node::text(&yaml.origin, "group")),
            Some("daily") => place.set("threads", Node::text(&yaml.origin, "day")),
            _ => {
                let message = "threading.thread_by_date must be either 'none' or 'daily'";
                self.error(&yaml.origin, path, message);
            }
        }
    }

    /// Headers by template.
    fn headers(&mut self, yaml: &Yaml, path: &Path, place: &mut Node) {
        let mut headers = Node::table(&yaml.origin);
        let mut seen: Vec<String> = Vec::new();
        for (key, value) in self.entries(yaml, path) {
            let path = path.key(&key.text);
            let lower = key.text.to_lowercase();
            if seen.contains(&lower) {
                self.error(&key.origin, &path, format!("duplicate header {:?} in email config", key.text));
            }
            seen.push(lower.clone());
            if lower == "reply-to" {
                let text = self.static_text(Some(value), &path);
                text.into_iter().for_each(|text| place.set("reply_to", text));
                continue;
            }
            let Some(text) = self.template(Some(value), &path, "") else { continue };
            match lower.as_str() {
                "subject" => place.set("subject", text),
                _ => headers.set(&key.text, text),
            }
        }
        if headers.entries().is_some_and(|all| !all.is_empty()) {
            place.set("headers", headers);
        }
    }
}

/// The server, and how to talk to it: as Alertmanager does (`notify/email/email.go`), encrypted from the
/// start on port 465 or when told so, else by STARTTLS, unless that is not required; then not at all.
fn put_server(place: &mut Node, server: &Smarthost, smtp: &Smtp) {
    let is = |node: &Option<Node>, wanted: bool| {
        node.as_ref().is_some_and(|node| matches!(node.value, Tree::Bool(value) if value == wanted))
    };
    let implicit = is(&smtp.implicit_tls, true) || (server.port == 465 && smtp.implicit_tls.is_none());
    let (tls, from) = match (implicit, is(&smtp.require_tls, false)) {
        (true, _) => ("implicit", &smtp.implicit_tls),
        (false, true) => ("none", &smtp.require_tls),
        (false, false) => ("required", &smtp.require_tls),
    };
    let origin = from.as_ref().map_or(Origin::Default, |node| node.origin.clone());
    place.set("host", Node::text(&server.origin, &server.host));
    place.set("port", Node::new(&server.origin, Tree::Int(server.port.into())));
    // Go, too, sends passwords in the clear to the same machine only
    let is_near = matches!(server.host.as_str(), "localhost" | "127.0.0.1" | "::1");
    if tls == "none" && is_near && smtp.username.is_some() {
        place.set("insecure_auth", Node::new(&origin, Tree::Bool(true)));
    }
    place.set("tls", Node::text(&origin, tls));
}

/// `Ann <ann@example.org>, bob@example.org` one by one.
fn addresses(to: &Node) -> Node {
    if to.as_text().is_some_and(|text| text.contains("{{")) {
        // the whole of it, since commas may be the template's
        return list(&to.origin, vec![go_text(to.as_text().unwrap_or_default(), &to.origin)]);
    }
    let (mut all, mut one, mut quoted) = (Vec::new(), String::new(), false);
    for c in to.as_text().unwrap_or_default().chars() {
        quoted ^= c == '"';
        match c {
            ',' if !quoted => all.push(std::mem::take(&mut one)),
            c => one.push(c),
        }
    }
    all.push(one);
    let all = all.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
    list(&to.origin, all.map(|text| Node::text(&to.origin, text)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let to = Node::text(&Origin::Default, r#""Doe, Ann" <ann@example.org>, bob@example.org,"#);
        assert_eq!(
            addresses(&to).to_json(),
            serde_json::json!([r#""Doe, Ann" <ann@example.org>"#, "bob@example.org"])
        );
    }
}
