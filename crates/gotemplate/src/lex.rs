//! Text and actions, cut into tokens.

use std::fmt;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Open,
    Close,
    Pipe,
    LeftParen,
    RightParen,
    Declare,
    Assign,
    Comma,
    Dot,
    Field,
    Variable,
    Identifier,
    Keyword,
    Bool,
    Nil,
    Number,
    Char,
    Quoted,
    Raw,
    End,
}

/// A token: what it is, its text, where it begins, and whether white space stands before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'s> {
    pub kind: Kind,
    pub text: &'s str,
    pub at: usize,
    pub spaced: bool,
}

/// As errors show it.
impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::End => f.write_str("EOF"),
            Kind::Keyword => write!(f, "<{}>", self.text),
            _ if self.text.len() > 10 => {
                let head: String = self.text.chars().take(10).collect();
                write!(f, "{head:?}...")
            }
            _ => write!(f, "{:?}", self.text),
        }
    }
}

/// Where a text stops being a template, and why.
pub(crate) type Wrong = (usize, String);

const KEYWORDS: [&str; 10] =
    ["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"];
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_word(char: char) -> bool {
    char == '_' || char.is_alphanumeric()
}

/// Cuts a whole source.
pub(crate) fn lex(source: &str) -> Result<Vec<Token<'_>>, Wrong> {
    let mut lexer = Lexer { source, at: 0, tokens: Vec::new(), parens: 0 };
    while lexer.text()? {
        lexer.action()?;
    }
    let end = Token { kind: Kind::End, text: "", at: source.len(), spaced: false };
    lexer.tokens.push(end);
    Ok(lexer.tokens)
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
    tokens: Vec<Token<'s>>,
    parens: usize,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn push(&mut self, kind: Kind, bytes: usize, spaced: bool) {
        let text = &self.source[self.at..self.at + bytes];
        self.tokens.push(Token { kind, text, at: self.at, spaced });
        self.at += bytes;
    }

    fn wrong<T>(&self, what: impl Into<String>) -> Result<T, Wrong> {
        Err((self.at, what.into()))
    }

    /// Everything up to the next action, and its `{{`; false at the end.
    fn text(&mut self) -> Result<bool, Wrong> {
        loop {
            let rest = self.rest();
            let Some(bytes) = rest.find("{{") else {
                if !rest.is_empty() {
                    self.push(Kind::Text, rest.len(), false);
                }
                return Ok(false);
            };
            let inside = &rest[bytes + 2..];
            let trims = inside.starts_with('-') && inside[1..].bytes().next().is_some_and(is_space);
            let text = if trims { rest[..bytes].trim_end_matches(SPACES) } else { &rest[..bytes] };
            if !text.is_empty() {
                let token = Token { kind: Kind::Text, text, at: self.at, spaced: false };
                self.tokens.push(token);
            }
            self.at += bytes;
            let mark = if trims { 2 + "- ".len() } else { 2 };
            if !self.rest()[mark..].starts_with("/*") {
                self.push(Kind::Open, 2, false);
                self.at += mark - 2;
                return Ok(true);
            }
            self.comment(mark)?;
        }
    }

    fn comment(&mut self, mark: usize) -> Result<(), Wrong> {
        let start = self.at + mark;
        let Some(length) = self.source[start..].find("*/") else {
            return self.wrong("unclosed comment");
        };
        self.at = start + length + 2;
        let rest = self.rest();
        if rest.starts_with("}}") {
            self.at += 2;
        } else if rest.bytes().next().is_some_and(is_space) && rest[1..].starts_with("-}}") {
            self.at += 4;
            self.skip_spaces();
        } else {
            return self.wrong("comment ends before closing delimiter");
        }
        Ok(())
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(SPACES).len();
    }

    /// Everything of an action, with its `}}`.
    fn action(&mut self) -> Result<(), Wrong> {
        self.parens = 0;
        loop {
            let start = self.at;
            self.skip_spaces();
            let spaced = self.at > start;
            let rest = self.rest();
            let trims = spaced && rest.starts_with("-}}");
            if trims || rest.starts_with("}}") {
                if self.parens > 0 {
                    return self.wrong("unclosed left paren");
                }
                self.at += usize::from(trims);
                self.push(Kind::Close, 2, spaced);
                if trims {
                    self.skip_spaces();
                }
                return Ok(());
            }
            self.token(spaced)?;
        }
    }

    fn token(&mut self, spaced: bool) -> Result<(), Wrong> {
        let rest = self.rest();
        let Some(char) = rest.chars().next() else { return self.wrong("unclosed action") };
        let second = rest[char.len_utf8()..].chars().next();
        match char {
            ':' if second == Some('=') => self.push(Kind::Declare, 2, spaced),
            ':' => return self.wrong("expected :="),
            '=' => self.push(Kind::Assign, 1, spaced),
            '|' => self.push(Kind::Pipe, 1, spaced),
            ',' => self.push(Kind::Comma, 1, spaced),
            '(' => {
                self.parens += 1;
                self.push(Kind::LeftParen, 1, spaced);
            }
            ')' => {
                let Some(parens) = self.parens.checked_sub(1) else {
                    return self.wrong("unexpected right paren");
                };
                self.parens = parens;
                self.push(Kind::RightParen, 1, spaced);
            }
            '"' => self.quoted('"', Kind::Quoted, "unterminated quoted string", spaced)?,
            '\'' => self.quoted('\'', Kind::Char, "unterminated character constant", spaced)?,
            '`' => match rest[1..].find('`') {
                Some(bytes) => self.push(Kind::Raw, bytes + 2, spaced),
                None => return self.wrong("unterminated raw quoted string"),
            },
            '.' if second.is_some_and(|second| second.is_ascii_digit()) => self.number(spaced)?,
            '+' | '-' | '0'..='9' => self.number(spaced)?,
            '.' if !second.is_some_and(is_word) => self.push(Kind::Dot, 1, spaced),
            '.' => self.word(Kind::Field, 1, spaced)?,
            '$' => self.word(Kind::Variable, 1, spaced)?,
            char if is_word(char) => self.word(Kind::Identifier, 0, spaced)?,
            char => {
                let what = format!("unrecognized character in action: {}", code_point(char));
                return self.wrong(what);
            }
        }
        Ok(())
    }

    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &str, spaced: bool) -> Result<(), Wrong> {
        let mut escaped = false;
        for (bytes, char) in self.rest().char_indices().skip(1) {
            match char {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                char if char == quote => {
                    self.push(kind, bytes + 1, spaced);
                    return Ok(());
                }
                _ => {}
            }
        }
        self.wrong(unterminated)
    }

    fn number(&mut self, spaced: bool) -> Result<(), Wrong> {
        let rest = self.rest();
        let bytes = number_bytes(rest);
        let next = rest[bytes..].chars().next();
        if next.is_some_and(is_word) {
            let shown: String = rest[..bytes].chars().chain(next).collect();
            return self.wrong(format!("bad number syntax: {shown:?}"));
        }
        self.push(Kind::Number, bytes, spaced);
        Ok(())
    }

    /// A name behind so many bytes that mark what it is the name of.
    fn word(&mut self, mut kind: Kind, mark: usize, spaced: bool) -> Result<(), Wrong> {
        let rest = self.rest();
        let bytes = rest[mark..].find(|char| !is_word(char)).map_or(rest.len(), |bytes| bytes + mark);
        if let Some(next) = rest[bytes..].chars().next() {
            let ends = SPACES.contains(&next) || matches!(next, '.' | ',' | '|' | ':' | '(' | ')');
            if !ends && !rest[bytes..].starts_with("}}") {
                self.at += bytes;
                return self.wrong(format!("bad character {}", code_point(next)));
            }
        }
        if kind == Kind::Identifier {
            kind = match &rest[..bytes] {
                "true" | "false" => Kind::Bool,
                "nil" => Kind::Nil,
                word if KEYWORDS.contains(&word) => Kind::Keyword,
                _ => kind,
            };
        }
        self.push(kind, bytes, spaced);
        Ok(())
    }
}

/// How many bytes the number at the start of a text has.
fn number_bytes(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let run = |from: usize, digits: &dyn Fn(u8) -> bool| {
        from + bytes[from.min(bytes.len())..]
            .iter()
            .take_while(|byte| digits(**byte) || **byte == b'_')
            .count()
    };
    let prefix = text.get(at..at + 2).unwrap_or_default().to_ascii_lowercase();
    let (digits, marks): (&dyn Fn(u8) -> bool, &[u8]) = match prefix.as_str() {
        "0x" => (&|byte| byte.is_ascii_hexdigit(), b"pP"),
        "0o" => (&|byte| matches!(byte, b'0'..=b'7'), b""),
        "0b" => (&|byte| matches!(byte, b'0' | b'1'), b""),
        _ => (&|byte| byte.is_ascii_digit(), b"eE"),
    };
    at += if matches!(prefix.as_str(), "0x" | "0o" | "0b") { 2 } else { 0 };
    at = run(at, digits);
    if bytes.get(at) == Some(&b'.') {
        at = run(at + 1, digits);
    }
    if bytes.get(at).is_some_and(|byte| marks.contains(byte)) {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        at = run(at, &|byte: u8| byte.is_ascii_digit());
    }
    at
}

fn code_point(char: char) -> String {
    format!("U+{:04X} {char:?}", u32::from(char))
}
