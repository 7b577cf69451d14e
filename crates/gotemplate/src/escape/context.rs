//! Where in HTML something stands.

/// White space in HTML.
pub(super) const SPACES: [char; 5] = [' ', '\t', '\n', '\x0c', '\r'];

/// A context and how many bytes led to it, or what is wrong.
pub(super) type Step = Result<(Context, usize), String>;

/// The language, and how far into one of its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) enum State {
    /// Between tags.
    #[default]
    Text,
    Tag,
    AttrName,
    /// Behind an attribute's name, where `=` may follow.
    AfterName,
    /// Behind the `=`.
    BeforeValue,
    Comment,
    /// In `<title>` or `<textarea>`.
    Rcdata,
    /// In a value that is just text.
    Attr,
    Url,
    Srcset,
    Js,
    JsDouble,
    JsSingle,
    JsTemplate,
    JsRegexp,
    JsBlockComment,
    JsLineComment,
    Css,
    CssDouble,
    CssSingle,
    CssDoubleUrl,
    CssSingleUrl,
    CssUrl,
    CssBlockComment,
    CssLineComment,
}

/// What ends an attribute's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) enum Delim {
    /// It is none.
    #[default]
    None,
    Double,
    Single,
    SpaceOrTagEnd,
}

/// How far into a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) enum UrlPart {
    #[default]
    Start,
    PreQuery,
    QueryOrFragment,
    Unknown,
}

/// What a slash is in JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) enum Slash {
    #[default]
    Regexp,
    Division,
    Unknown,
}

/// What an attribute holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) enum Attr {
    #[default]
    Plain,
    Script,
    ScriptType,
    Style,
    Url,
    Srcset,
}

/// The element whose content is special.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) enum Element {
    #[default]
    Ordinary,
    Script,
    Style,
    Textarea,
    Title,
}

impl Element {
    /// The name in its tags.
    pub(super) fn name(self) -> &'static str {
        match self {
            Element::Ordinary => "",
            Element::Script => "script",
            Element::Style => "style",
            Element::Textarea => "textarea",
            Element::Title => "title",
        }
    }

    pub(super) fn named(name: &str) -> Element {
        let special = [Element::Script, Element::Style, Element::Textarea, Element::Title];
        special.into_iter().find(|it| it.name().eq_ignore_ascii_case(name)).unwrap_or_default()
    }

    /// Where its content stands.
    pub(super) fn content(self) -> State {
        match self {
            Element::Ordinary => State::Text,
            Element::Script => State::Js,
            Element::Style => State::Css,
            Element::Textarea | Element::Title => State::Rcdata,
        }
    }
}

/// All of it together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Context {
    pub state: State,
    pub delim: Delim,
    pub url: UrlPart,
    pub slash: Slash,
    pub attr: Attr,
    pub element: Element,
}

impl Context {
    pub(super) fn with(self, state: State) -> Context {
        Context { state, ..self }
    }

    /// In the tag that an attribute's value stood in.
    pub(super) fn back_in_tag(self) -> Context {
        Context { state: State::Tag, element: self.element, ..Context::default() }
    }

    /// At the start of an attribute's value.
    pub(super) fn value(self, delim: Delim) -> Context {
        let state = match self.attr {
            Attr::Plain | Attr::ScriptType => State::Attr,
            Attr::Script => State::Js,
            Attr::Style => State::Css,
            Attr::Url => State::Url,
            Attr::Srcset => State::Srcset,
        };
        Context { state, delim, ..self }
    }

    /// How far into a URL its text leads.
    pub(super) fn along_url(self, text: &str) -> Context {
        let url = match self.url {
            _ if text.contains(['#', '?']) => UrlPart::QueryOrFragment,
            UrlPart::Start if !text.trim_matches(SPACES).is_empty() => UrlPart::PreQuery,
            part => part,
        };
        Context { url, ..self }
    }

    pub(super) fn is_comment(self) -> bool {
        matches!(
            self.state,
            State::Comment
                | State::JsBlockComment
                | State::JsLineComment
                | State::CssBlockComment
                | State::CssLineComment
        )
    }

    /// Where a value stands that is put here: an empty text moves nothing, a value may.
    pub(super) fn nudge(self) -> Context {
        match self.state {
            State::Tag => self.with(State::AttrName),
            State::BeforeValue => Context { attr: Attr::Plain, ..self.value(Delim::SpaceOrTagEnd) },
            State::AfterName => Context { state: State::AttrName, attr: Attr::Plain, ..self },
            _ => self,
        }
    }

    /// The one context that stands for both ends of a branch, if there is one.
    pub(super) fn join(self, other: Context) -> Option<Context> {
        if self == other {
            return Some(self);
        }
        if (Context { url: other.url, ..self }) == other {
            return Some(Context { url: UrlPart::Unknown, ..self });
        }
        if (Context { slash: other.slash, ..self }) == other {
            return Some(Context { slash: Slash::Unknown, ..self });
        }
        let (one, two) = (self.nudge(), other.nudge());
        if one != self || two != other { one.join(two) } else { None }
    }
}
