//! `tracing`: where traces go, as `[traces]` of our own file (`tracing/config.go`).

use model::time::span;

use super::reader::{Fields, Keys, Reader};
use crate::node::{Node, Value as Tree};
use crate::path::Path;
use crate::problem::Origin;
use crate::yaml::{Value, Yaml};

const KEYS: Keys = Keys {
    known: &[
        "client_type",
        "endpoint",
        "sampling_fraction",
        "insecure",
        "tls_config",
        "headers",
        "compression",
        "timeout",
    ],
    refused: &[],
};
/// How Alertmanager sends traces when it is not told.
const USUAL_CLIENT: &str = "grpc";

impl Reader<'_> {
    /// The section `traces`.
    pub(super) fn tracing(&mut self, yaml: &Yaml) -> Option<Node> {
        let path = Path::of(&["tracing"]);
        let at = |key: &str| path.key(key);
        let fields = self.fields(yaml, &path, &KEYS)?;
        let mut traces = Node::table(&yaml.origin);
        self.client_type(&fields, yaml, &path);
        let insecure = fields.get("insecure").and_then(|it| self.bool(it, &at("insecure")));
        let scheme = match insecure.map(|node| node.value) {
            Some(Tree::Bool(true)) => "http",
            _ => "https",
        };
        match self.filled(fields.get("endpoint"), &at("endpoint")) {
            Some(node) => {
                let url = format!("{scheme}://{}", node.as_text().unwrap_or_default());
                traces.set("endpoint", Node::text(&node.origin, url));
            }
            None => self.error(&yaml.origin, &path, "tracing endpoint must be set"),
        }
        let sample = self.sampling_fraction(&fields, yaml, &path);
        traces.set("sample", sample);
        if let Some(tls) = fields.get("tls_config")
            && self.tls_config(tls, &at("tls_config")).is_some()
        {
            let message =
                "not understood yet: the collector's certificate is judged by this machine's authorities";
            self.error(&tls.origin, &at("tls_config"), message);
        }
        if let Some(headers) = fields.get("headers") {
            let headers = self.trace_headers(headers, &at("headers"));
            traces.set("headers", headers);
        }
        if let Some(compression) = self.filled(fields.get("compression"), &at("compression")) {
            match compression.as_text() {
                Some("gzip") => {
                    self.problems.warning(
                        &compression.origin,
                        &at("compression"),
                        "traces go out as they are",
                    );
                }
                _ => {
                    let message = "invalid compression type provided, valid options: gzip";
                    self.error(&compression.origin, &at("compression"), message);
                }
            }
        }
        if let Some(timeout) = self.filled(fields.get("timeout"), &at("timeout")) {
            match span::parse(timeout.as_text().unwrap_or_default()) {
                Ok(_) => {
                    let message = "each batch of traces has ten seconds, whatever is written here";
                    self.problems.warning(&timeout.origin, &at("timeout"), message);
                }
                Err(wrong) => self.error(&timeout.origin, &at("timeout"), wrong.to_string()),
            }
        }
        Some(traces)
    }

    fn client_type(&mut self, fields: &Fields<'_>, yaml: &Yaml, path: &Path) {
        let path = path.key("client_type");
        let written = self.filled(fields.get("client_type"), &path);
        let origin = written.as_ref().map_or(&yaml.origin, |node| &node.origin);
        match written.as_ref().and_then(Node::as_text).unwrap_or(USUAL_CLIENT) {
            "http" => {}
            USUAL_CLIENT => {
                let message = "not understood yet: traces go out over HTTP, not over gRPC; write client_type: http, \
                               and the collector's port for that, which is mostly 4318";
                self.error(origin, &path, message);
            }
            _ => self.error(origin, &path, "expected tracing client type to be http or grpc"),
        }
    }

    /// Without one, Alertmanager traces nothing.
    fn sampling_fraction(&mut self, fields: &Fields<'_>, yaml: &Yaml, path: &Path) -> Node {
        let path = path.key("sampling_fraction");
        let share = |share: f64, origin: &Origin| Node::new(origin, Tree::Float(share));
        let Some(written) = fields.get("sampling_fraction") else {
            let message = "is not set, so that nothing is traced; 1 traces everything";
            self.problems.warning(&yaml.origin, &path, message);
            return share(0.0, &yaml.origin);
        };
        let number = match &written.value {
            Value::Scalar { text, plain: true } => text.parse().ok().filter(|it: &f64| it.is_finite()),
            _ => None,
        };
        if number.is_none() {
            self.error(&written.origin, &path, "must be a number");
        }
        // more than all is all, and less than nothing is nothing
        share(number.unwrap_or_default().clamp(0.0, 1.0), &written.origin)
    }

    fn trace_headers(&mut self, yaml: &Yaml, path: &Path) -> Node {
        let mut headers = Node::table(&yaml.origin);
        for (name, value) in self.entries(yaml, path) {
            let path = path.key(&name.text);
            let mut values = self.header_values(value, &path);
            match values.len() {
                1 => headers.set(&name.text, values.remove(0)),
                _ => self.error(&value.origin, &path, "not understood yet: a header of traces has one value"),
            }
        }
        headers
    }
}
