//! `sns_configs`.

use super::global::Global;
use super::reader::{Fields, Keys, Reader};
use crate::node::{Node, Value as Tree};
use crate::path::Path;
use crate::yaml::Yaml;

const KEYS: Keys = Keys {
    known: &[
        "send_resolved",
        "http_config",
        "api_url",
        "sigv4",
        "topic_arn",
        "phone_number",
        "target_arn",
        "subject",
        "message",
        "attributes",
        "use_aws_http_client",
    ],
    refused: &[],
};
const SIGV4: Keys = Keys {
    known: &["region", "access_key", "secret_key", "role_arn", "external_id", "use_fips_sts_endpoint"],
    refused: &[("profile", "keys are not looked for in files of AWS; write access_key and secret_key")],
};

impl Reader<'_> {
    /// A destination of the kind `sns`.
    pub(super) fn sns(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &KEYS)?;
        let mut place = Node::table(&yaml.origin);
        self.send_resolved(&mut place, yaml, path, true);
        self.http(fields.get("http_config"), path, &global.http).put(&mut place);
        self.sigv4(&mut place, &fields, yaml, path);
        let bare = ["api_url", "topic_arn", "phone_number", "target_arn"].map(|key| (key, key));
        self.own_templates(&mut place, &fields, path, &bare);
        let given = ["topic_arn", "phone_number", "target_arn"].iter().filter(|key| place.get(key).is_some());
        // of all three at once Alertmanager thinks otherwise, but SNS does not
        if given.count() != 1 {
            let message = "must provide either a Target ARN, Topic ARN, or Phone Number for SNS config";
            self.error(&yaml.origin, path, message);
        }
        let texts = [
            ("subject", "subject", r#"{{ template "sns.default.subject" . }}"#),
            ("message", "message", r#"{{ template "sns.default.message" . }}"#),
        ];
        self.templates(&mut place, &fields, path, &texts);
        if let Some(yaml) = fields.get("attributes") {
            let path = path.key("attributes");
            let mut attributes = Node::table(&yaml.origin);
            for (key, value) in self.entries(yaml, &path) {
                let path = path.key(&key.text);
                if key.text.contains("{{") {
                    self.error(&key.origin, &path, "not understood yet: a key cannot be a template");
                }
                let text = self.template(Some(value), &path, "");
                text.into_iter().for_each(|text| attributes.set(&key.text, text));
            }
            place.set("attributes", attributes);
        }
        // it chooses between two clients of Go
        let _ =
            fields.get("use_aws_http_client").and_then(|it| self.bool(it, &path.key("use_aws_http_client")));
        Some(place)
    }

    fn sigv4(&mut self, place: &mut Node, fields: &Fields<'_>, yaml: &Yaml, path: &Path) {
        let own = fields.get("sigv4").map(|yaml| (yaml, self.fields(yaml, &path.key("sigv4"), &SIGV4)));
        let path = path.key("sigv4");
        if let Some((_, Some(fields))) = &own {
            for key in ["region", "access_key", "secret_key"] {
                let text = self.filled(fields.get(key), &path.key(key));
                text.into_iter().for_each(|text| place.set(key, text));
            }
            self.role(place, fields, &path);
        }
        let origin = own.map_or(&yaml.origin, |(yaml, _)| &yaml.origin);
        let message = match (place.get("access_key").is_some(), place.get("secret_key").is_some()) {
            (true, true) => return,
            (false, false) => {
                "not understood yet: there is no key, and the role of an instance or a pod, variables and files \
                 of AWS are not asked for one; give access_key and secret_key"
            }
            _ => {
                "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the \
                 SigV4 config"
            }
        };
        self.error(origin, &path, message);
    }

    /// A role to take on, with what goes with one.
    fn role(&mut self, place: &mut Node, fields: &Fields<'_>, path: &Path) {
        let at = |key: &str| path.key(key);
        let id = self.filled(fields.get("external_id"), &at("external_id"));
        let fips = fields.get("use_fips_sts_endpoint");
        let fips = fips.and_then(|yaml| self.bool(yaml, &at("use_fips_sts_endpoint")));
        let Some(role) = self.filled(fields.get("role_arn"), &at("role_arn")) else {
            if let Some(id) = id {
                self.error(&id.origin, &at("external_id"), "external_id can only be used with role_arn");
            }
            return;
        };
        place.set("role_arn", role);
        id.into_iter().for_each(|id| place.set("external_id", id));
        let Some(fips) = fips.filter(|node| matches!(node.value, Tree::Bool(true))) else { return };
        match place.get("region").and_then(Node::as_text) {
            Some(region) => {
                let url = fips_url(region);
                place.set("sts_url", Node::text(&fips.origin, url));
            }
            None => {
                let message = "not understood yet: without a region nobody knows which endpoint";
                self.error(&fips.origin, &at("use_fips_sts_endpoint"), message);
            }
        }
    }
}

/// Where the Security Token Service keeps to FIPS 140 in a region
/// (<https://docs.aws.amazon.com/general/latest/gr/sts.html>).
fn fips_url(region: &str) -> String {
    let host = if region.starts_with("us-gov-") { "sts" } else { "sts-fips" };
    format!("https://{host}.{region}.amazonaws.com")
}
