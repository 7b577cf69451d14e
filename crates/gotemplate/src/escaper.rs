//! The ways to make a value safe for where it stands in HTML.

/// What makes a value safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escaper {
    /// Between tags.
    Html,
    /// In a title or a text area.
    Rcdata,
    /// In a quoted value.
    Attribute,
    /// In a value without quotes.
    Unquoted,
    /// As the name of an attribute.
    AttributeName,
    /// In a comment: nothing stays of it.
    Comment,
    /// At the start of a URL: its scheme must be harmless.
    UrlFilter,
    /// As a URL, or much of one.
    UrlWhole,
    /// As a part of a URL.
    UrlPart,
    Srcset,
    JsValue,
    JsString,
    JsTemplate,
    JsRegexp,
    CssValue,
    CssString,
}
