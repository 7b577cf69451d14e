//! Texts that must not grow.

/// The beginning of a text, of at most so many bytes and whole characters.
pub(crate) fn clipped(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

/// The text, or its first characters with an ellipsis as the last of so many.
pub(crate) fn shortened(text: &str, chars: usize) -> String {
    if text.len() <= chars || text.char_indices().nth(chars).is_none() {
        return text.to_owned();
    }
    let end = text.char_indices().nth(chars.saturating_sub(1)).map_or(0, |(at, _)| at);
    format!("{}…", &text[..end])
}

/// An id of a build, as events say it: in lower case with dashes.
pub(crate) fn debug_id(text: &str) -> Option<String> {
    let hex: String =
        text.chars().filter(|char| *char != '-').map(|char| char.to_ascii_lowercase()).collect();
    if hex.len() < 32 || !hex.bytes().take(32).all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32]].join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_builds_are_written_one_way() {
        let id = "04fe3e87-4ebe-59fc-9c82-93a839730767";
        for text in [id, "04FE3E87-4EBE-59FC-9C82-93A839730767", "04fe3e874ebe59fc9c8293a839730767"] {
            assert_eq!(debug_id(text).as_deref(), Some(id));
        }
        assert_eq!((debug_id("7"), debug_id("é4fe3e874ebe59fc9c8293a839730767é")), (None, None));
    }
}
