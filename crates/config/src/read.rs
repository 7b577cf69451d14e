//! Reading typed values from the tree, telling all that is wrong rather than the first thing.

use serde::de::DeserializeOwned;

use crate::node::Node;
use crate::path::Path;
use crate::problem::Problems;

/// Reads a value. When something is wrong with a field, that is told and the rest is read without it, so
/// that its other fields are told of, too. `None`: something was wrong.
pub(crate) fn read<T: DeserializeOwned>(node: &Node, path: &Path, problems: &mut Problems) -> Option<T> {
    let mut node = node.clone();
    let mut removed: Vec<Path> = Vec::new();
    loop {
        let error = match serde_path_to_error::deserialize(node.to_json()) {
            Ok(value) if removed.is_empty() => return Some(value),
            Ok(_) => return None,
            Err(error) => error,
        };
        let place = Path::from_serde(error.path());
        let message = error.into_inner().to_string();
        // the field is missing because it was taken out
        let ours = removed.iter().any(|gone| gone.0.starts_with(&place.0));
        if !(ours && message.starts_with("missing field")) {
            problems.error(&node.origin_at(&place), &path.join(&place), &message);
        }
        if !node.remove(&place) {
            return None;
        }
        removed.push(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Origin;
    use crate::sections::Server;
    use serde_json::json;

    #[test]
    fn everything_that_is_wrong_is_told() {
        let json = json!({"listen": "here", "max_body_bytes": -1, "request_timeout": "soon"});
        let node = Node::from_json(&Origin::Default, &json).unwrap();
        let mut problems = Problems::default();
        assert!(read::<Server>(&node, &Path::of(&["server"]), &mut problems).is_none());
        assert_eq!(problems.errors(), 3);
    }
}
