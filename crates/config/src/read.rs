//! Reading typed values from the tree, telling all that is wrong rather than the first thing.

use serde::de::DeserializeOwned;

use crate::limits::MAX_PROBLEMS;
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
        let message = plain_words(&error.into_inner().to_string());
        // the field is missing because it was taken out
        let ours = removed.iter().any(|gone| gone.0.starts_with(&place.0));
        if !(ours && message.starts_with("missing field")) {
            problems.error(&node.origin_at(&place), &path.join(&place), &message);
        }
        if problems.errors() > MAX_PROBLEMS || !node.remove(&place) {
            return None;
        }
        removed.push(place);
    }
}

/// Serde's words in those of people who write configuration. A value of the wrong type is not repeated: it
/// may be a secret that stands in the wrong place.
pub(crate) fn plain_words(message: &str) -> String {
    let Some((before, wanted)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    let wanted = match wanted {
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number, zero or more",
        "i64" | "i32" => "a whole number",
        "f64" | "f32" => "a number",
        "a sequence" => "a list",
        "a string" => "a text",
        "a boolean" => "true or false",
        "a map" => "a table",
        name if name.starts_with("struct ") => "a table",
        other => other,
    };
    let Some(have) = before.strip_prefix("invalid type: ") else {
        return format!("{before}, expected {wanted}");
    };
    let have = match have.split([' ', '`', '"']).next().unwrap_or_default() {
        "string" | "character" => "a text",
        "integer" | "floating" => "a number",
        "boolean" => "true or false",
        "sequence" => "a list",
        "map" => "a table",
        _ => "that",
    };
    format!("must be {wanted}, not {have}")
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

    #[test]
    fn values_of_the_wrong_type_are_not_repeated() {
        let told = |json| serde_json::from_value::<Vec<u16>>(json).map_err(|it| plain_words(&it.to_string()));
        assert_eq!(told(json!("hush, expected `x`")), Err("must be a list, not a text".to_owned()));
        assert_eq!(told(json!([1.5])), Err("must be a whole number, zero or more, not a number".to_owned()));
        assert_eq!(told(json!([{}])), Err("must be a whole number, zero or more, not a table".to_owned()));
    }
}
