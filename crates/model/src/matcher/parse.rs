//! Reading matchers. Alertmanager (0.27 and later) has two parsers, and so have we.
//!
//! * The *UTF-8* parser (`matcher/parse` of prometheus/alertmanager) knows any label name, quoted or not,
//!   and all escapes of Go's strings, but no bare values with special characters.
//! * The *classic* parser (`pkg/labels/parse.go`) knows only names of ASCII letters, digits, `_` and `:`,
//!   takes nearly anything for a bare value, and leaves backslashes alone that escape nothing it knows.
//!
//! In its default mode Alertmanager asks both, and where they disagree about a text that both can read, the
//! classic one has the last word, so that no old file changes its meaning (`matcher/compat/parse.go`). Hence
//! the order here: what the classic parser reads, it reads, and the UTF-8 parser gets the rest. A text that
//! neither reads is explained by the UTF-8 parser, the stricter of the two.

use super::{BadMatcher, Matcher, Op};
use crate::limits;

/// Reads one matcher, without braces: `severity="critical"`, `host=~db.*`, `team=`.
///
/// As in Alertmanager a bare value may hold commas here: `a=b,c` asks for the value `b,c`.
pub fn parse(text: &str) -> Result<Matcher, BadMatcher> {
    if text.starts_with('{') || text.ends_with('}') {
        let at = if text.starts_with('{') { 1 } else { text.chars().count() };
        let found = "a brace".to_owned();
        return Err(BadMatcher::Syntax { at, found, expected: "one matcher without braces around it" });
    }
    either(classic_one(text), || {
        let mut all = Reader { text, at: 0 }.list()?;
        match (all.pop(), all.len()) {
            (Some(one), 0) => Ok(one),
            (one, others) => Err(BadMatcher::NotOne { count: others + usize::from(one.is_some()) }),
        }
    })
}

/// Reads one matcher as Alertmanager did before 0.27: a bare value may hold braces, too, at its end as well.
pub fn parse_classic(text: &str) -> Result<Matcher, BadMatcher> {
    classic_one(text)
}

/// Reads matchers with commas between them, with or without braces around them: `{a="b",c=~"d.*"}`. The last
/// may have a comma too. No text at all and `{}` are no matchers, which match everything.
pub fn parse_list(text: &str) -> Result<Vec<Matcher>, BadMatcher> {
    either(classic_list(text), || Reader { text, at: 0 }.list())
}

/// What the classic parser read or else what the other one reads, or the error that explains more.
fn either<T>(
    classic: Result<T, BadMatcher>,
    utf8: impl FnOnce() -> Result<T, BadMatcher>,
) -> Result<T, BadMatcher> {
    classic.or_else(|classic| {
        utf8().map_err(|utf8| match classic {
            // The other one says what is wrong with the text and where.
            BadMatcher::Syntax { .. } => utf8,
            // The text was fine, but for the value in it.
            classic => classic,
        })
    })
}

/// Whether this is a label name that the classic parser knows.
pub(super) fn is_classic_name(name: &str) -> bool {
    !name.is_empty() && classic_name_bytes(name) == name.len()
}

fn classic_name_bytes(text: &str) -> usize {
    let known = |(n, byte): (usize, u8)| {
        byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':') || (n > 0 && byte.is_ascii_digit())
    };
    text.bytes().enumerate().take_while(|at| known(*at)).count()
}

/// An operator and what follows it.
fn operator(text: &str) -> Option<(Op, &str)> {
    // the longer ones first, since the shortest is the beginning of one of them
    [Op::Regex, Op::NotRegex, Op::NotEqual, Op::Equal]
        .into_iter()
        .find_map(|op| Some((op, text.strip_prefix(op.symbol())?)))
}

/// One matcher of the classic kind. Its errors have no place: nobody sees them.
fn classic_one(text: &str) -> Result<Matcher, BadMatcher> {
    // what `\s` is in Go
    const SPACES: [char; 5] = ['\t', '\n', '\x0C', '\r', ' '];
    let bad = || BadMatcher::Syntax { at: 1, found: "something else".to_owned(), expected: "a matcher" };
    let text = text.trim_start_matches(SPACES);
    let (name, rest) = text.split_at(classic_name_bytes(text));
    let (op, value) = operator(rest.trim_start_matches(SPACES)).ok_or_else(bad)?;
    if name.is_empty() {
        return Err(bad());
    }
    let value = classic_value(value.trim_matches(SPACES)).ok_or_else(bad)?;
    Matcher::new(name, op, value)
}

/// A value of the classic kind, in quotes or not. `\"`, `\\` and `\n` are escapes, any other backslash is
/// itself, and quotes within must be escaped.
fn classic_value(text: &str) -> Option<String> {
    let (inside, quoted) = text.strip_prefix('"').map_or((text, false), |inside| (inside, true));
    let mut value = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some(escaped @ ('"' | '\\')) => value.push(escaped),
                other => value.extend(std::iter::once('\\').chain(other)),
            },
            // the closing quotes, if there is something to close and nothing behind them
            '"' => return (quoted && chars.as_str().is_empty()).then_some(value),
            char => value.push(char),
        }
    }
    (!quoted).then_some(value)
}

/// Matchers of the classic kind: whatever stands between commas outside of quotes.
fn classic_list(text: &str) -> Result<Vec<Matcher>, BadMatcher> {
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    let (mut all, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b',' if !quoted => {
                all.push(classic_one(&text[start..at])?);
                start = at + 1;
            }
            // A comma does not end an escape. It should, but that would read `\,"` in another way.
            b',' => {}
            b'"' => {
                quoted ^= !escaped;
                escaped = false;
            }
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
        if all.len() > limits::MAX_MATCHERS {
            return Err(BadMatcher::TooMany);
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        all.push(classic_one(last)?);
    }
    if all.len() > limits::MAX_MATCHERS { Err(BadMatcher::TooMany) } else { Ok(all) }
}

/// The UTF-8 parser: a text and how many of its bytes are read.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn list(mut self) -> Result<Vec<Matcher>, BadMatcher> {
        let mut all = Vec::new();
        let braces = self.accept('{');
        loop {
            match (self.peek(), braces) {
                (None, false) => return Ok(all),
                (None, true) => return self.expected("a closing brace }"),
                (Some('}'), true) => break,
                (Some('}'), false) => return self.expected("no closing brace, since none was opened"),
                _ => all.push(self.matcher()?),
            }
            if all.len() > limits::MAX_MATCHERS {
                return Err(BadMatcher::TooMany);
            }
            if !self.accept(',') && !matches!(self.peek(), None | Some('}')) {
                return self.expected("a comma, or the end; values with special characters need quotes");
            }
        }
        self.accept('}');
        if self.peek().is_some() { self.expected("nothing more after the closing brace") } else { Ok(all) }
    }

    fn matcher(&mut self) -> Result<Matcher, BadMatcher> {
        let name = self.word("a label name, such as severity")?;
        self.skip_spaces();
        let Some((op, rest)) = operator(&self.text[self.at..]) else {
            return self.expected("an operator: =, !=, =~ or !~");
        };
        self.at = self.text.len() - rest.len();
        let value = self.word("a value; those with special characters need quotes")?;
        Matcher::new(name, op, value)
    }

    /// A name or a value, in quotes or not.
    fn word(&mut self, expected: &'static str) -> Result<String, BadMatcher> {
        match self.peek() {
            Some('"') => self.quoted(),
            Some(char) if !is_reserved(char) => {
                let rest = &self.text[self.at..];
                let bytes = rest.find(is_reserved).unwrap_or(rest.len());
                self.at += bytes;
                Ok(rest[..bytes].to_owned())
            }
            _ => self.expected(expected),
        }
    }

    /// A string of Go's, in double quotes, that is UTF-8 when its escapes are undone (`strconv.Unquote`).
    fn quoted(&mut self) -> Result<String, BadMatcher> {
        let start = self.at;
        // bytes, since escapes may spell a character byte by byte
        let mut value = Vec::new();
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(['"', '\\', '\n']).unwrap_or(rest.len());
            value.extend_from_slice(&rest.as_bytes()[..plain]);
            self.at += plain;
            match rest[plain..].chars().next() {
                Some('"') => break self.at += 1,
                Some('\\') => {
                    let Some(bytes) = unescape(&rest[plain + 1..], &mut value) else {
                        return self.expected("an escape that Go's strings have, or \\\\ for a backslash");
                    };
                    self.at += 1 + bytes;
                }
                Some(_) => return self.expected("\\n for a line feed in quotes"),
                None => return self.expected("closing quotes"),
            }
        }
        String::from_utf8(value).or_else(|_| {
            self.at = start;
            self.expected("escapes that spell valid UTF-8")
        })
    }

    fn accept(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        self.at += if there { wanted.len_utf8() } else { 0 };
        there
    }

    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        self.skip_spaces();
        self.text[self.at..].chars().next()
    }

    fn skip_spaces(&mut self) {
        self.at = self.text.len() - self.text[self.at..].trim_start().len();
    }

    fn expected<T>(&self, expected: &'static str) -> Result<T, BadMatcher> {
        let (read, rest) = self.text.split_at(self.at);
        let found = match rest.chars().next() {
            Some(_) => format!("{:?}", rest.chars().take(12).collect::<String>()),
            None => "the end".to_owned(),
        };
        Err(BadMatcher::Syntax { at: read.chars().count() + 1, found, expected })
    }
}

/// What ends a word without quotes.
fn is_reserved(char: char) -> bool {
    char.is_whitespace() || "{}!=~,\\\"'`".contains(char)
}

/// Undoes one escape, of which the text is what follows the backslash; how many bytes of it belong to it.
fn unescape(text: &str, value: &mut Vec<u8>) -> Option<usize> {
    let number = |from: usize, digits: usize, radix: u32| {
        let text = text.get(from..from + digits)?;
        // else a sign would pass for a digit
        text.chars().all(|char| char.is_digit(radix)).then(|| u32::from_str_radix(text, radix).ok())?
    };
    let char = |from: usize, digits: usize, value: &mut Vec<u8>| {
        let char = char::from_u32(number(from, digits, 16)?)?;
        value.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        Some(from + digits)
    };
    let byte = match text.bytes().next()? {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0C,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0B,
        byte @ (b'\\' | b'"') => byte,
        b'x' => {
            value.push(u8::try_from(number(1, 2, 16)?).ok()?);
            return Some(3);
        }
        b'0'..=b'7' => {
            value.push(u8::try_from(number(0, 3, 8)?).ok()?);
            return Some(3);
        }
        b'u' => return char(1, 4, value),
        b'U' => return char(1, 8, value),
        _ => return None,
    };
    value.push(byte);
    Some(1)
}
