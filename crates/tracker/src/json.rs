//! JSON as SDKs write it, which is not always JSON.
//!
//! Python's encoders write `NaN` and `Infinity`; half of a surrogate pair and `\u0000` occur in real data,
//! and so do bytes that are no UTF-8. A strict parser would lose the event for each of them. This one reads
//! on: what has no meaning becomes `null` or U+FFFD. What it will not do is grow without end: nesting and the
//! number of values are bounded, and what lies beyond becomes [`Value::Cut`], so that a reader sees that
//! something stood there.
//!
//! Values borrow from the body. An event is read once and most of its strings are only copied into the event
//! that is kept.

use std::borrow::Cow;

/// How deep values may be nested. An ordinary event needs nine levels to reach a local variable.
pub const MAX_DEPTH: usize = 48;
/// How many values a body may hold. An event of 20 kB has about a thousand.
pub const MAX_VALUES: usize = 150_000;

/// A JSON value that borrows from its text.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `null`, `NaN`, `Infinity`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that fits.
    Int(i64),
    /// Any other finite number.
    Float(f64),
    /// A string, without NUL.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Value<'a>>),
    /// An object in the order of its text; a key may occur twice, and then the last one holds.
    Map(Vec<(Cow<'a, str>, Value<'a>)>),
    /// Something that was too much.
    Cut(Excess),
}

/// Why a value was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// Nested deeper than [`MAX_DEPTH`].
    Depth,
    /// The body holds more than [`MAX_VALUES`].
    Values,
}

impl<'a> Value<'a> {
    /// The value of a key; of a key that occurs twice, the last.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        match self {
            Value::Map(members) => members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if it is one, or a string that says one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(*number as i64),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Value::Int(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// Nothing stands here: `null`, or empty.
    pub fn is_nothing(&self) -> bool {
        match self {
            Value::Null => true,
            Value::Text(text) => text.is_empty(),
            Value::List(list) => list.is_empty(),
            Value::Map(members) => members.is_empty(),
            _ => false,
        }
    }
}

/// The text is no JSON, not even in a wide sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no JSON: {expected} expected at byte {at}")]
pub struct Malformed {
    /// What should have stood there.
    pub expected: &'static str,
    /// Where, in bytes from the beginning.
    pub at: usize,
}

/// The bytes as text that [`parse`] can read: what is no UTF-8 becomes U+FFFD, a byte 0 becomes a space, and
/// a byte order mark is left out.
pub fn text(body: &[u8]) -> Cow<'_, str> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = String::from_utf8_lossy(body);
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Cow::Owned(text.replace('\0', " "));
    }
    text
}

/// Reads one value; blanks may stand around it, and nothing else.
pub fn parse(text: &str) -> Result<Value<'_>, Malformed> {
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0, depth: 0, values: 0 };
    let value = parser.value()?;
    parser.blanks();
    if parser.at < parser.bytes.len() {
        return Err(parser.expected("the end"));
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    values: usize,
}

impl<'a> Parser<'a> {
    fn expected(&self, expected: &'static str) -> Malformed {
        Malformed { expected, at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<Value<'a>, Malformed> {
        self.blanks();
        self.values += 1;
        match self.peek() {
            Some(b'"') => Ok(Value::Text(self.string()?)),
            Some(b'{' | b'[') if self.depth >= MAX_DEPTH => self.cut(Excess::Depth),
            Some(b'{' | b'[') if self.values > MAX_VALUES => self.cut(Excess::Values),
            Some(b'{') => self.map(),
            Some(b'[') => self.list(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.word(),
            None => Err(self.expected("a value")),
        }
    }

    fn word(&mut self) -> Result<Value<'a>, Malformed> {
        const WORDS: [(&str, Value<'static>); 6] = [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Null),
            ("Infinity", Value::Null),
            ("undefined", Value::Null),
        ];
        for (word, value) in WORDS {
            if self.bytes[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.expected("a value"))
    }

    fn number(&mut self) -> Result<Value<'a>, Malformed> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
            if self.peek() == Some(b'I') {
                return self.word();
            }
        }
        let mut whole = true;
        while let Some(byte) = self.peek() {
            match byte {
                b'0'..=b'9' => {}
                b'.' | b'e' | b'E' | b'+' | b'-' => whole = false,
                _ => break,
            }
            self.at += 1;
        }
        let digits = &self.text[start..self.at];
        if whole && let Ok(number) = digits.parse() {
            return Ok(Value::Int(number));
        }
        match digits.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::Float(number)),
            Ok(_) => Ok(Value::Null),
            Err(_) => {
                self.at = start;
                Err(self.expected("a number"))
            }
        }
    }

    fn list(&mut self) -> Result<Value<'a>, Malformed> {
        self.at += 1;
        self.depth += 1;
        let mut list = Vec::new();
        loop {
            self.blanks();
            match self.peek() {
                Some(b']') if list.is_empty() => {}
                _ => {
                    let room = self.values < MAX_VALUES;
                    let value = self.value()?;
                    if room {
                        list.push(value);
                    } else if list.last() != Some(&Value::Cut(Excess::Values)) {
                        // one stands for all that follow
                        list.push(Value::Cut(Excess::Values));
                    }
                    self.blanks();
                }
            }
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.expected("`,` or `]`")),
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(Value::List(list))
    }

    fn map(&mut self) -> Result<Value<'a>, Malformed> {
        self.at += 1;
        self.depth += 1;
        let mut members = Vec::new();
        loop {
            self.blanks();
            match self.peek() {
                Some(b'}') if members.is_empty() => {}
                Some(b'"') => {
                    let key = self.string()?;
                    self.blanks();
                    if self.peek() != Some(b':') {
                        return Err(self.expected("`:`"));
                    }
                    self.at += 1;
                    let room = self.values < MAX_VALUES;
                    let value = self.value()?;
                    if room {
                        members.push((key, value));
                    } else if !matches!(members.last(), Some((_, Value::Cut(Excess::Values)))) {
                        members.push((key, Value::Cut(Excess::Values)));
                    }
                    self.blanks();
                }
                _ => return Err(self.expected("a key in quotation marks")),
            }
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.expected("`,` or `}`")),
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(Value::Map(members))
    }

    /// Passes over an array or object without recursion, by counting brackets outside strings.
    fn cut(&mut self, excess: Excess) -> Result<Value<'a>, Malformed> {
        let mut open = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'{' | b'[' => open += 1,
                b'}' | b']' => {
                    open -= 1;
                    if open == 0 {
                        self.at += 1;
                        return Ok(Value::Cut(excess));
                    }
                }
                b'"' => {
                    self.skip_string()?;
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        Err(self.expected("`]` or `}`"))
    }

    fn skip_string(&mut self) -> Result<(), Malformed> {
        self.at += 1;
        loop {
            match memchr::memchr2(b'"', b'\\', &self.bytes[self.at..]) {
                Some(ahead) if self.bytes[self.at + ahead] == b'"' => {
                    self.at += ahead + 1;
                    return Ok(());
                }
                Some(ahead) if self.at + ahead + 2 <= self.bytes.len() => self.at += ahead + 2,
                _ => {
                    self.at = self.bytes.len();
                    return Err(self.expected("`\"`"));
                }
            }
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.at += 1;
        let start = self.at;
        let Some(ahead) = memchr::memchr2(b'"', b'\\', &self.bytes[start..]) else {
            self.at = self.bytes.len();
            return Err(self.expected("`\"`"));
        };
        self.at = start + ahead;
        if self.bytes[self.at] == b'\\' {
            return self.string_with_escapes(start).map(Cow::Owned);
        }
        self.at += 1;
        Ok(Cow::Borrowed(&self.text[start..start + ahead]))
    }

    fn string_with_escapes(&mut self, start: usize) -> Result<String, Malformed> {
        let mut out = String::with_capacity((self.at - start) * 2 + 16);
        out.push_str(&self.text[start..self.at]);
        loop {
            let rest = &self.bytes[self.at..];
            let Some(ahead) = memchr::memchr2(b'"', b'\\', rest) else {
                self.at = self.bytes.len();
                return Err(self.expected("`\"`"));
            };
            out.push_str(&self.text[self.at..self.at + ahead]);
            self.at += ahead + 1;
            if rest[ahead] == b'"' {
                return Ok(out);
            }
            self.escape(&mut out)?;
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, out: &mut String) -> Result<(), Malformed> {
        let Some(letter) = self.text[self.at..].chars().next() else {
            return Err(self.expected("a character after `\\`"));
        };
        self.at += letter.len_utf8();
        match letter {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'u' => out.push(self.unicode()?),
            other => out.push(other),
        }
        Ok(())
    }

    fn unicode(&mut self) -> Result<char, Malformed> {
        let high = self.four_digits()?;
        if (0xd800..0xdc00).contains(&high) && self.bytes[self.at..].starts_with(b"\\u") {
            let before = self.at;
            self.at += 2;
            let low = self.four_digits()?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before;
        }
        Ok(char::from_u32(high).filter(|char| *char != '\0').unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn four_digits(&mut self) -> Result<u32, Malformed> {
        let mut code = 0;
        for ahead in 0..4 {
            let digit = self.bytes.get(self.at + ahead).and_then(|byte| char::from(*byte).to_digit(16));
            let Some(digit) = digit else { return Err(self.expected("four hexadecimal digits after `\\u`")) };
            code = code * 16 + digit;
        }
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value<'_> {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn what_has_no_meaning_becomes_null() {
        assert_eq!(
            read("[NaN, Infinity, -Infinity, 1e999]"),
            Value::List(vec![Value::Null, Value::Null, Value::Null, Value::Null])
        );
    }

    #[test]
    fn half_a_surrogate_pair_and_nul_are_replaced() {
        assert_eq!(read(r#""a\ud800b\u0000c\udc00""#).as_str(), Some("a\u{fffd}b\u{fffd}c\u{fffd}"));
        assert_eq!(read(r#""\ud83d\ude00\ud83d\u0041""#).as_str(), Some("\u{1f600}\u{fffd}A"));
        assert_eq!(text(b"a\xff\0b"), "a\u{fffd} b");
    }

    #[test]
    fn numbers_keep_their_kind() {
        assert_eq!(read("-12"), Value::Int(-12));
        assert_eq!(read("1.5e3"), Value::Float(1500.0));
        assert_eq!(read("18446744073709551616"), Value::Float(18446744073709551616.0));
    }

    #[test]
    fn what_is_too_deep_is_cut_and_the_rest_is_read() {
        let deep = format!("{{\"a\":{}\"x]\"{},\"b\":1}}", "[".repeat(10_000), "]".repeat(10_000));
        let value = read(&deep);
        assert_eq!(value.get("b"), Some(&Value::Int(1)));
        let mut depth = 0;
        let mut inner = value.get("a").expect("the list is there");
        while let Value::List(list) = inner {
            depth += 1;
            inner = &list[0];
        }
        assert_eq!((depth, inner), (MAX_DEPTH - 1, &Value::Cut(Excess::Depth)));
    }

    #[test]
    fn what_is_too_many_is_cut() {
        let many = format!("[[{}],7]", "{},".repeat(MAX_VALUES * 2) + "{}");
        let Value::List(list) = read(&many) else { panic!("a list") };
        let Value::List(inner) = &list[0] else { panic!("a list") };
        assert_eq!(inner.last(), Some(&Value::Cut(Excess::Values)));
        assert!(inner.len() <= MAX_VALUES + 1);
        assert_eq!(list[1], Value::Cut(Excess::Values));
    }

    #[test]
    fn what_is_no_json_says_where() {
        for (text, expected, at) in [
            ("", "a value", 0),
            ("{\"a\":1", "`,` or `}`", 6),
            ("{\"a\" 1}", "`:`", 5),
            ("[1,]", "a value", 3),
            ("\"abc", "`\"`", 4),
            ("{} x", "the end", 3),
            ("{a:1}", "a key in quotation marks", 1),
            ("-", "a number", 0),
            ("\"\\u12\"", "four hexadecimal digits after `\\u`", 3),
        ] {
            assert_eq!(parse(text), Err(Malformed { expected, at }), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_have_an_answer(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = parse(&text(&body));
        }

        #[test]
        fn strings_are_read_as_others_write_them(written in "\\PC*") {
            let json = serde_json::to_string(&written).expect("a string can be written");
            let expected = Value::Text(written.replace('\0', "\u{fffd}").into());
            proptest::prop_assert_eq!(read(&json), expected);
        }
    }
}
