//! Just enough of Rust's lexical structure to read sources without a parser.

/// The source with comments, strings and characters blanked out: every byte stays where it was, so that
/// places in one are places in the other.
pub fn code(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => end_of_line(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => end_of_block(bytes, at),
            b'"' => end_of_string(bytes, at + 1),
            b'r' if !follows_word(bytes, at) => end_of_raw(bytes, at + 1).unwrap_or(at),
            b'\'' => end_of_char(bytes, at).unwrap_or(at),
            _ => at,
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    // only whole characters are blanked, so this is still UTF-8
    String::from_utf8_lossy(&out).into_owned()
}

/// The code without its inline test modules: `#[cfg(test)] mod name { … }`.
pub fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]") {
        let at = from + found;
        from = at + 1;
        let rest = &code[at + "#[cfg(test)]".len()..];
        let Some(after_mod) = rest.trim_start().strip_prefix("mod ") else { continue };
        let Some(opens) = after_mod.find(['{', ';']) else { continue };
        let opens = code.len() - after_mod.len() + opens;
        if code.as_bytes()[opens] == b'{' {
            let end = end_of_braces(code.as_bytes(), opens);
            out[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
            from = end;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether this byte is part of a name.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn follows_word(bytes: &[u8], at: usize) -> bool {
    // `br"…"` and `cr"…"` are raw strings too
    let before = at.checked_sub(1).map(|before| bytes[before]);
    before.is_some_and(|byte| is_word(byte) && byte != b'b' && byte != b'c')
}

fn end_of_line(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |length| at + length)
}

fn end_of_block(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at + 1 < bytes.len() {
        match (bytes[at], bytes[at + 1]) {
            (b'/', b'*') => depth += 1,
            (b'*', b'/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// After the `r`: hashes, a quote, text, a quote and as many hashes. Raw identifiers are none.
fn end_of_raw(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at..].iter().take_while(|&&byte| byte == b'#').count();
    if bytes.get(at + hashes) != Some(&b'"') {
        return None;
    }
    let closing: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let text = at + hashes + 1;
    let length = bytes[text..].windows(closing.len()).position(|window| window == closing)?;
    Some(text + length + closing.len())
}

/// A character ends with a quote after one character or an escape; a lifetime does not.
fn end_of_char(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at + 1) == Some(&b'\\') {
        let close = bytes.get(at + 3..)?.iter().position(|&byte| byte == b'\'')?;
        return Some(at + 3 + close + 1);
    }
    let text = std::str::from_utf8(bytes.get(at + 1..bytes.len().min(at + 5))?);
    let first = match text {
        Ok(text) => text.chars().next()?,
        Err(error) => {
            std::str::from_utf8(&bytes[at + 1..at + 1 + error.valid_up_to()]).ok()?.chars().next()?
        }
    };
    let close = at + 1 + first.len_utf8();
    (bytes.get(close) == Some(&b'\'')).then_some(close + 1)
}

fn end_of_braces(bytes: &[u8], opens: usize) -> usize {
    let mut depth = 0usize;
    for (at, byte) in bytes.iter().enumerate().skip(opens) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_characters_are_blanked_in_place() {
        let strings = "let s = \"q\\\"q\"; r#\"w\"w\"# br\"k\"";
        let characters = "'x' '\\'' '\\u{1}' '→' &'a str";
        let source = format!("a /* x /* y */ z */ b // c\n{strings} {characters}");
        let code = code(&source);
        assert_eq!(code.len(), source.len());
        let words: Vec<&str> = code.split_whitespace().collect();
        assert_eq!(words, ["a", "b", "let", "s", "=", ";", "b", "&'a", "str"]);
    }

    #[test]
    fn test_modules_are_left_out_and_declarations_stay() {
        let text =
            "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { { } } }\nfn c() {}\n#[cfg(test)]\nmod more;";
        let left = without_tests(text);
        assert!(
            !left.contains("fn b")
                && left.contains("fn a")
                && left.contains("fn c")
                && left.contains("mod more;")
        );
        assert_eq!(left.lines().count(), text.lines().count());
    }
}
