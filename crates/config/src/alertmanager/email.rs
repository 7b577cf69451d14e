//! `email_configs`, and the server that mails go through.

use super::global::Global;
use super::list;
use super::reader::{Fields, Keys, Reader, go_text};
use super::servers::{Smarthost, Smtp};
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
/// Headers that say how the mail is written.
const FORM: [&str; 3] = ["content-transfer-encoding", "content-type", "mime-version"];
const THREADING: Keys = Keys { known: &["enabled", "thread_by_date"], refused: &[] };

impl Reader<'_> {
    /// A destination of the kind `email`.
    pub(super) fn email(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &KEYS)?;
        let at = |key: &str| path.key(key);
        let mut place = Node::table(&yaml.origin);
        self.send_resolved(&mut place, yaml, path, false);
        match self.filled(fields.get("to"), &at("to")) {
            Some(to) => {
                let all = addresses(&to).into_iter().map(|one| self.address(one, &at("to"))).collect();
                place.set("to", list(&to.origin, all));
            }
            None => self.error(&yaml.origin, path, "missing to address in email config"),
        }
        let mut smtp = self.smtp(&fields, path, &global.smtp);
        self.login(&mut smtp, path);
        match &smtp.smarthost {
            Some(server) => put_server(&mut place, server, &smtp),
            None => self.error(&yaml.origin, path, "no global SMTP smarthost set"),
        }
        match smtp.from {
            Some(from) => place.set("from", self.address(from, &at("from"))),
            None => self.error(&yaml.origin, path, "no global SMTP from set"),
        }
        for (key, node) in [
            ("hello", smtp.hello),
            ("username", smtp.username),
            ("password", smtp.password),
            ("secret", smtp.secret),
            ("identity", smtp.identity),
        ] {
            node.into_iter().for_each(|node| place.set(key, node));
        }
        let tls = fields.get("tls_config").and_then(|yaml| self.tls_config(yaml, &at("tls_config")));
        if let Some(tls) = tls.or_else(|| global.smtp.certificates.clone()) {
            place.set("certificates", tls);
        }
        self.own_templates(&mut place, &fields, path, &[("text", "text")]);
        let html = ("html", "html", r#"{{ template "email.default.html" . }}"#);
        self.templates(&mut place, &fields, path, &[html]);
        if place.get("text").is_none() && place.get("html").and_then(Node::as_text) == Some("") {
            self.error(&yaml.origin, path, "not understood yet: a mail without any words");
        }
        // HTML stands alone where no plain text is written
        if place.get("text").is_none() {
            place.set("text", Node::text(&Origin::Default, ""));
        }
        place.set("subject", go_text(SUBJECT, &Origin::Default));
        if let Some(headers) = fields.get("headers") {
            self.headers(headers, &at("headers"), &mut place);
        }
        let threads = fields.get("threading").map(|it| self.threading(it, &at("threading")));
        place.set("threads", threads.unwrap_or_else(|| Node::text(&Origin::Default, "none")));
        Some(place)
    }

    /// An address, or a template of some. One without a domain is refused: Alertmanager takes it, and then can send
    /// no mail at all, since Go's `net/mail` reads it as none.
    fn address(&mut self, node: Node, path: &Path) -> Node {
        let text = node.as_text().unwrap_or_default();
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
        if !text.is_empty() && text.chars().all(is_name) {
            let message = format!(
                "{text:?} has no domain, so that Alertmanager sends no mail of this receiver; write {text}@ and \
                 the domain, which is localhost for the mail server's own people"
            );
            self.error(&node.origin, path, message);
        }
        go_text(text, &node.origin)
    }

    /// How to log in. What Alertmanager would not log in with is left out.
    fn login(&mut self, smtp: &mut Smtp, path: &Path) {
        let nobody = smtp.username.is_none();
        if let (Some(name), None, None) = (&smtp.username, &smtp.password, &smtp.secret) {
            let message = "there is no password for it, so that nobody logs in";
            self.problems.warning(&name.origin, &path.key("auth_username"), message);
            smtp.username = None;
        } else if nobody {
            (smtp.password, smtp.secret) = (None, None);
        }
        // it goes with a password only, and whoever acts as themselves need not say so
        let own = smtp.username.as_ref().and_then(Node::as_text).map(str::to_owned);
        let (identity, has_password) = (smtp.identity.take(), smtp.password.is_some());
        smtp.identity = identity.filter(|node| has_password && node.as_text() != own.as_deref());
    }

    /// What is written here, and what is not, as it is globally.
    fn smtp(&mut self, fields: &Fields<'_>, path: &Path, global: &Smtp) -> Smtp {
        let at = |key: &str| path.key(key);
        let flag = |reader: &mut Self, key: &str| fields.get(key).and_then(|it| reader.bool(it, &at(key)));
        let require_tls = flag(self, "require_tls");
        let implicit_tls = flag(self, "force_implicit_tls");
        let from = self.filled(fields.get("from"), &at("from"));
        let hello = self.filled(fields.get("hello"), &at("hello"));
        let smarthost = self.smarthost(fields.get("smarthost"), &at("smarthost"));
        let username = self.filled(fields.get("auth_username"), &at("auth_username"));
        let password = self.secret(fields, path, ("auth_password", "auth_password_file"));
        let secret = self.secret(fields, path, ("auth_secret", "auth_secret_file"));
        let identity = self.filled(fields.get("auth_identity"), &at("auth_identity"));
        let global = global.clone();
        Smtp {
            secret: secret.or(global.secret),
            identity: identity.or(global.identity),
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

    /// Which mails stand in one thread: none unless somebody wants it.
    fn threading(&mut self, yaml: &Yaml, path: &Path) -> Node {
        let word = |word: &str| Node::text(&yaml.origin, word);
        let Some(fields) = self.fields(yaml, path, &THREADING) else { return word("none") };
        let enabled = fields.get("enabled").and_then(|it| self.bool(it, &path.key("enabled")));
        if !enabled.is_some_and(|node| matches!(node.value, Tree::Bool(true))) {
            return word("none");
        }
        let by = self.filled(fields.get("thread_by_date"), &path.key("thread_by_date"));
        match by.as_ref().and_then(Node::as_text) {
            Some("none") => word("group"),
            Some("daily") => word("day"),
            _ => {
                let message = "threading.thread_by_date must be either 'none' or 'daily'";
                self.error(&yaml.origin, path, message);
                word("none")
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
            if FORM.contains(&lower.as_str()) {
                let message = "is left out: it says of what form the mail is, which only the mail can know";
                self.problems.warning(&key.origin, &path, message);
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
    // In the clear, Go says the password in the way PLAIN to the same machine only, in the way LOGIN to any.
    if tls == "none" && smtp.password.is_some() {
        place.set("insecure_auth", Node::new(&origin, Tree::Bool(true)));
        if !is_near(server) {
            place.set("auth", Node::text(&origin, "login"));
        }
    }
    place.set("tls", Node::text(&origin, tls));
}

fn is_near(server: &Smarthost) -> bool {
    matches!(server.host.as_str(), "localhost" | "127.0.0.1" | "::1")
}

/// `Ann <ann@example.org>, bob@example.org` one by one.
fn addresses(to: &Node) -> Vec<Node> {
    if to.as_text().is_some_and(|text| text.contains("{{")) {
        // the whole of it, since commas may be the template's
        return vec![to.clone()];
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
    all.map(|text| Node::text(&to.origin, text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let to = Node::text(&Origin::Default, r#""Doe, Ann" <ann@example.org>, bob@example.org,"#);
        let texts: Vec<_> = addresses(&to).iter().map(|node| node.as_text().unwrap().to_owned()).collect();
        assert_eq!(texts, [r#""Doe, Ann" <ann@example.org>"#, "bob@example.org"]);
    }
}
