//! `incidentio_configs`.

use super::global::Global;
use super::reader::{Keys, Reader};
use crate::node::Node;
use crate::path::Path;
use crate::yaml::Yaml;

const KEYS: Keys = Keys {
    known: &[
        "send_resolved",
        "http_config",
        "url",
        "url_file",
        "alert_source_token",
        "alert_source_token_file",
        "max_alerts",
        "timeout",
    ],
    refused: &[],
};

impl Reader<'_> {
    /// A destination of the kind `incidentio`.
    pub(super) fn incidentio(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &KEYS)?;
        let mut place = Node::table(&yaml.origin);
        self.send_resolved(&mut place, yaml, path, true);
        match self.secret(&fields, path, ("url", "url_file")) {
            Some(url) => place.set("url", url),
            None => self.error(&yaml.origin, path, "one of url or url_file must be configured"),
        }
        let mut http = self.http(fields.get("http_config"), path, &global.http);
        let own = fields.get("http_config").is_some();
        let token = self.secret(&fields, path, ("alert_source_token", "alert_source_token_file"));
        match (token, http.authorization()) {
            (Some(_), Some(_)) if own => {
                let message = "cannot specify alert_source_token or alert_source_token_file when using \
                               http_config.authorization";
                self.error(&yaml.origin, path, message);
            }
            (Some(token), _) => {
                // the token takes the place of what is global
                http.take_bearer_token();
                place.set("token", token);
            }
            (None, None) => {
                let message = "at least one of alert_source_token, alert_source_token_file or \
                               http_config.authorization must be configured";
                self.error(&yaml.origin, path, message);
            }
            (None, Some(_)) => {}
        }
        http.put(&mut place);
        self.max_alerts_and_timeout(&mut place, &fields, path);
        Some(place)
    }
}
