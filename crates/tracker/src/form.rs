//! Forms of several parts (RFC 7578), of which each is held where it came.

use memchr::memmem;

use crate::refusal::Refusal;

/// Bytes of what stands before the bytes of a part.
const MAX_HEAD_BYTES: usize = 4096;

/// A part of a form.
#[derive(Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// What it is called.
    pub name: String,
    /// What its file is called.
    pub file: String,
    /// What is in it.
    pub bytes: &'a [u8],
}

/// The parts of a form, `most` at the most.
///
/// # Errors
/// When it is none, or has more.
pub fn parts<'a>(content_type: &str, body: &'a [u8], most: usize) -> Result<Vec<Part<'a>>, Refusal> {
    let broken = || Refusal::malformed("the body is no multipart/form-data, or breaks off");
    let mark = boundary(content_type).ok_or_else(broken)?;
    let mut rest = match body.strip_prefix(&mark.as_bytes()[2..]) {
        Some(rest) => rest,
        None => &body[memmem::find(body, mark.as_bytes()).ok_or_else(broken)? + mark.len()..],
    };
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        if parts.len() == most {
            return Err(Refusal::too_large(format!("the form has more than {most} parts")));
        }
        rest = rest.strip_prefix(b"\r\n").ok_or_else(broken)?;
        let head = memmem::find(&rest[..rest.len().min(MAX_HEAD_BYTES)], b"\r\n\r\n").ok_or_else(broken)?;
        let (name, file) = disposition(&String::from_utf8_lossy(&rest[..head])).ok_or_else(broken)?;
        rest = &rest[head + 4..];
        let end = memmem::find(rest, mark.as_bytes()).ok_or_else(broken)?;
        parts.push(Part { name, file, bytes: &rest[..end] });
        rest = &rest[end + mark.len()..];
    }
    Ok(parts)
}

/// What stands between two parts.
fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut parameters = parameters.split(';').filter_map(|it| it.trim().split_once('='));
    let (_, text) = parameters.find(|(name, _)| name.eq_ignore_ascii_case("boundary"))?;
    let text = text.trim_matches('"');
    (!text.is_empty() && text.len() <= 100).then(|| format!("\r\n--{text}"))
}

/// Name and file name of a part.
fn disposition(head: &str) -> Option<(String, String)> {
    let line = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let parameter = |wanted: &str| {
        let mut all = line.split(';').filter_map(|it| it.trim().split_once('='));
        all.find(|(name, _)| *name == wanted).map(|(_, value)| value.trim_matches('"').to_owned())
    };
    Some((parameter("name")?, parameter("filename").unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "multipart/form-data; boundary=--xyz";

    fn form(parts: &[(&str, &str)]) -> Vec<u8> {
        let head = |file: &str| {
            format!("----xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file}\"\r\n\r\n")
        };
        let all: String = parts.iter().map(|(file, text)| format!("{}{text}\r\n", head(file))).collect();
        format!("{all}----xyz--\r\n").into_bytes()
    }

    #[test]
    fn parts_come_as_they_are() {
        let body = form(&[("aa", "1\r\n--2"), ("bb", "")]);
        let found = parts(KIND, &body, 2).unwrap();
        let part = |file: &str, bytes| Part { name: "file".into(), file: file.into(), bytes };
        assert_eq!(found, [part("aa", b"1\r\n--2".as_slice()), part("bb", b"".as_slice())]);
        assert_eq!(parts("multipart/form-data;boundary=\"--xyz\"", &form(&[]), 2).unwrap(), []);
        assert_eq!(parts(KIND, &body, 1).unwrap_err().status(), 413);
    }

    #[test]
    fn what_breaks_off_is_refused() {
        let body = form(&[("aa", "1"), ("bb", "2")]);
        for end in 0..body.len() - 4 {
            assert!(parts(KIND, &body[..end], 9).is_err(), "{end}");
        }
        for kind in
            ["", "multipart/form-data", "application/json; boundary=--xyz", "multipart/form-data; boundary="]
        {
            assert!(parts(kind, &body, 9).is_err(), "{kind}");
        }
    }
}
