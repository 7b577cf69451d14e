//! What attributes hold, by their names.

/// What an attribute's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Plain,
    Url,
    Css,
    Js,
    Srcset,
    /// What may not be chosen by a value, since it changes what the others mean.
    Unsafe,
}

const URLS: &[&str] = &[
    "action",
    "archive",
    "background",
    "cite",
    "classid",
    "codebase",
    "data",
    "formaction",
    "href",
    "icon",
    "longdesc",
    "manifest",
    "poster",
    "profile",
    "src",
    "usemap",
    "xmlns",
];
const UNSAFE: &[&str] = &[
    "accept-charset",
    "async",
    "challenge",
    "charset",
    "content",
    "crypto",
    "defer",
    "enctype",
    "form",
    "formenctype",
    "formmethod",
    "formnovalidate",
    "http-equiv",
    "keytype",
    "language",
    "method",
    "novalidate",
    "pattern",
    "rel",
    "sandbox",
    "srcdoc",
    "type",
    "value",
];
/// Names that look as if they held a URL, and do not.
const PLAIN: &[&str] = &["datasrc", "srclang"];

/// What an attribute of this name, in small letters, holds.
pub(super) fn content(name: &str) -> Content {
    let name = match name.strip_prefix("data-") {
        // what `data-` attributes are named after is what they hold, as far as anybody can tell
        Some(rest) => rest,
        None => match name.split_once(':') {
            Some(("xmlns", _)) => return Content::Url,
            Some((_, local)) => local,
            None => name,
        },
    };
    match name {
        "style" => Content::Css,
        "srcset" => Content::Srcset,
        name if URLS.contains(&name) => Content::Url,
        name if UNSAFE.contains(&name) => Content::Unsafe,
        name if PLAIN.contains(&name) => Content::Plain,
        name if name.starts_with("on") => Content::Js,
        name if ["src", "uri", "url"].iter().any(|word| name.contains(word)) => Content::Url,
        _ => Content::Plain,
    }
}
