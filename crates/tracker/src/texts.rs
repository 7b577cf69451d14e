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
