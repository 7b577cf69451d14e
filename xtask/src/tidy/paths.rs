//! The paths that a source mentions: `crate::a::B`, `super::{c, d::E}`, and what a module re-exports.

use super::lexer::is_word;

/// A path that is mentioned, unrolled from braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// Its segments, beginning with `crate`, `super` or `self`, or with a name within a `use`.
    pub segments: Vec<String>,
    /// The name under which a `use` brings it into its module; none when it is merely mentioned.
    pub brings: Option<String>,
    /// The byte at which it begins.
    pub at: usize,
}

/// Every path in this code that begins with `crate`, `super` or `self`, and every path of a `use`.
pub fn mentions(code: &str) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut reader = Reader { code: code.as_bytes(), at: 0 };
    while reader.at < reader.code.len() {
        let begin = reader.at;
        let Some(word) = reader.word() else {
            reader.at += 1;
            continue;
        };
        match word.as_str() {
            "use" => reader.use_item(&mut found),
            "crate" | "super" | "self" => reader.tree(Vec::new(), (word, begin), &mut found),
            _ => {}
        }
    }
    found
}

/// The modules that this code declares without a body: `mod name;`, each with its place.
pub fn declared_modules(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut reader = Reader { code: code.as_bytes(), at: 0 };
    while reader.at < reader.code.len() {
        let begin = reader.at;
        let Some(word) = reader.word() else {
            reader.at += 1;
            continue;
        };
        if word != "mod" {
            continue;
        }
        reader.blanks();
        if let Some(name) = reader.word() {
            reader.blanks();
            if reader.peek() == Some(b';') {
                found.push((name, begin));
            }
        }
    }
    found
}

struct Reader<'a> {
    code: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.code.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// A name that begins here; a raw one (`r#gen`) without its mark.
    fn word(&mut self) -> Option<String> {
        if self.code[self.at..].starts_with(b"r#")
            && self.code.get(self.at + 2).is_some_and(|&byte| is_word(byte))
        {
            self.at += 2;
        }
        let rest = &self.code[self.at..];
        let length = rest.iter().take_while(|&&byte| is_word(byte)).count();
        self.at += length;
        (length > 0).then(|| String::from_utf8_lossy(&rest[..length]).into_owned())
    }

    fn colons(&mut self) -> bool {
        let there = self.code[self.at..].starts_with(b"::");
        self.at += if there { 2 } else { 0 };
        there
    }

    /// What follows the word `use`.
    fn use_item(&mut self, found: &mut Vec<Mention>) {
        let before = found.len();
        self.blanks();
        self.colons();
        let begin = self.at;
        if self.peek() == Some(b'{') {
            self.group(&[], found);
        } else if let Some(word) = self.word() {
            self.tree(Vec::new(), (word, begin), found);
        }
        for mention in &mut found[before..] {
            let last = mention.segments.last().filter(|last| *last != "*").cloned();
            mention.brings = mention.brings.take().or(last);
        }
    }

    /// Reads the rest of a path whose first word has been read; adds every leaf to `found`.
    fn tree(&mut self, mut path: Vec<String>, first: (String, usize), found: &mut Vec<Mention>) {
        path.push(first.0);
        while self.colons() {
            self.blanks();
            match self.peek() {
                Some(b'{') => return self.group(&path, found),
                Some(b'*') => {
                    self.at += 1;
                    path.push("*".to_owned());
                    break;
                }
                _ => match self.word() {
                    Some(word) => path.push(word),
                    // `::<T>` after a function's name
                    None => break,
                },
            }
        }
        // `use a::{self}` means `a`
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let brings = self.alias();
        found.push(Mention { segments: path, brings, at: first.1 });
    }

    fn group(&mut self, path: &[String], found: &mut Vec<Mention>) {
        self.at += 1;
        loop {
            self.blanks();
            let begin = self.at;
            match self.peek() {
                None => return,
                Some(b'}') => {
                    self.at += 1;
                    return;
                }
                Some(b'{') => self.group(path, found),
                Some(b'*') => {
                    self.at += 1;
                    let segments = path.iter().cloned().chain(["*".to_owned()]).collect();
                    found.push(Mention { segments, brings: None, at: begin });
                }
                _ => match self.word() {
                    Some(word) => self.tree(path.to_vec(), (word, begin), found),
                    None => self.at += 1,
                },
            }
        }
    }

    /// ` as name`, when it follows.
    fn alias(&mut self) -> Option<String> {
        let back = self.at;
        self.blanks();
        if self.word().as_deref() == Some("as") {
            self.blanks();
            if let Some(name) = self.word() {
                return Some(name);
            }
        }
        self.at = back;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(code: &str) -> Vec<String> {
        mentions(code).into_iter().map(|mention| mention.segments.join("::")).collect()
    }

    #[test]
    fn paths_are_found_in_uses_and_in_code() {
        let code =
            "use crate::a::{self, b::C, d as e}; use f::G; let x = crate::h::i::<J>(super::k); use l::*;";
        let expected =
            ["crate::a", "crate::a::b::C", "crate::a::d", "f::G", "crate::h::i", "super::k", "l::*"];
        assert_eq!(texts(code), expected);
        let brings: Vec<_> = mentions(code).into_iter().filter_map(|mention| mention.brings).collect();
        assert_eq!(brings, ["a", "C", "e", "G"]);
    }

    #[test]
    fn modules_with_a_body_are_not_declarations() {
        let found = declared_modules("pub mod a; mod b { } pub(crate) mod r#c ;");
        assert_eq!(found.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "c"]);
    }
}
