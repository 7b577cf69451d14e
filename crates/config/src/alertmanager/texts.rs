//! Templates of Go in secrets, in tables by name and in lists of tables.

use std::rc::Rc;

use super::list;
use super::reader::{Fields, Keys, Reader, go_text};
use crate::node::Node;
use crate::path::Path;
use crate::yaml::Yaml;

impl Reader<'_> {
    /// A secret that Alertmanager expands. What is in a file is taken as it is.
    pub(super) fn secret_template(
        &mut self,
        fields: &Fields<'_>,
        path: &Path,
        keys: (&str, &str),
    ) -> Option<Node> {
        let secret = self.secret(fields, path, keys)?;
        Some(match secret.as_text() {
            Some(text) => go_text(text, &secret.origin),
            None => secret,
        })
    }

    /// Texts by name.
    pub(super) fn templates_by_name(&mut self, yaml: &Rc<Yaml>, path: &Path) -> Node {
        let mut table = Node::table(&yaml.origin);
        for (key, value) in self.entries(yaml, path) {
            let node = self.template(Some(value), &path.key(&key.text), "");
            node.into_iter().for_each(|node| table.set(&key.text, node));
        }
        table
    }

    /// A list of tables of texts, such as links.
    pub(super) fn tables(&mut self, yaml: &Rc<Yaml>, path: &Path, keys: &Keys) -> Node {
        let mut all = Vec::new();
        for (n, item) in self.items(yaml, path).iter().enumerate() {
            let path = path.index(n);
            let Some(fields) = self.fields(item, &path, keys) else { continue };
            let mut table = Node::table(&item.origin);
            for key in keys.known {
                self.own_templates(&mut table, &fields, &path, &[(key, key)]);
            }
            all.push(table);
        }
        list(&yaml.origin, all)
    }
}
