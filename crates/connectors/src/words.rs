//! The words of a message for a channel: its own, or those that templates of the settings put in their
//! place; and what markup makes of them.

use sdk::Message;
use sdk::http::parse_url;

use crate::template::{Language, Names, Template, cut};

/// Characters of a link: longer ones are refused or cut by most services.
const MAX_URL_CHARS: usize = 3000;
/// Links that are shown with a message.
const MAX_LINKS: usize = 5;

/// What becomes of a field whose template fails on a message.
pub const STANDS_IN: &str = "sent as if it were not set";

/// A message and the templates that speak of it.
pub struct Words<'a> {
    names: Names<'a>,
}

impl<'a> Words<'a> {
    /// Nothing is worked out before a template asks for it.
    pub fn of(message: &'a Message) -> Self {
        Words { names: Names::of(message) }
    }

    /// What a template says; nothing where there is none, nor where it fails on this message: no message is lost
    /// for a template's sake, but it is [remarked](sdk::remarks) upon.
    pub fn say<L: Language>(&self, field: &str, template: Option<&Template<L>>) -> Option<String> {
        self.exactly(field, template).unwrap_or_else(|why| {
            sdk::remark(&format!("{why} ({STANDS_IN})"));
            None
        })
    }

    /// What a template says for which no other words could stand in, such as a key; nothing where there is none.
    ///
    /// # Errors
    /// When it fails on this message; in words that begin with the field.
    pub fn exactly<L: Language>(
        &self,
        field: &str,
        template: Option<&Template<L>>,
    ) -> Result<Option<String>, String> {
        let Some(template) = template else { return Ok(None) };
        template.render(&self.names).map(Some).map_err(|error| format!("{field}: {error}"))
    }

    /// What a template says, or our own words where there is none: at most so many characters.
    pub fn text<L: Language>(
        &self,
        field: &str,
        template: Option<&Template<L>>,
        most: usize,
        own: impl FnOnce() -> String,
    ) -> String {
        cut(&self.say(field, template).unwrap_or_else(own), most)
    }
}

/// At most so many bytes, ending in an ellipsis where something was cut.
pub fn cut_bytes(text: &str, most: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= most {
        return text.to_owned();
    }
    let Some(room) = most.checked_sub(MARK.len()) else { return String::new() };
    let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}{MARK}", &text[..end])
}

/// A text without line breaks and control characters.
pub fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Takes the meaning out of the characters that Markdown is made of.
pub fn escape_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '~' | '[' | ']' | '<' | '>' | '#' | '|') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// A link in Markdown; only its words where the address is none.
pub fn markdown_link(words: &str, url: &str) -> String {
    let words = escape_markdown(&one_line(words));
    match usable_url(url) {
        None => words,
        Some(url) => {
            let url = url.replace('(', "%28").replace(')', "%29").replace(char::is_whitespace, "%20");
            format!("[{words}]({url})")
        }
    }
}

/// What a reader may do next, as one line of Markdown; may be empty.
pub fn markdown_links(message: &Message) -> String {
    let links: Vec<String> = links(message).map(|(title, url)| markdown_link(title, url)).collect();
    links.join(" · ")
}

/// What a reader may do next: title and address.
pub fn links(message: &Message) -> impl Iterator<Item = (&str, &str)> {
    let usable =
        message.actions.iter().filter_map(|link| Some((link.title.as_str(), usable_url(&link.url)?)));
    usable.take(MAX_LINKS)
}

/// Many services refuse a whole message for one link that is none.
pub fn usable_url(url: &str) -> Option<&str> {
    (url.chars().count() <= MAX_URL_CHARS && parse_url(url).is_ok()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use crate::template::Plain;

    #[test]
    fn templates_take_the_place_of_own_words() {
        let message = messages::firing();
        let words = Words::of(&message);
        let template = Template::<Plain>::new("{{ labels.team }}!").unwrap();
        assert_eq!(words.text("title", Some(&template), 9, String::new), "db!");
        assert_eq!(words.text::<Plain>("title", None, 3, || "four".to_owned()), "fo…");
        assert_eq!(words.say::<Plain>("title", None), None);
        let endless = Template::<Plain>::new(
            "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        );
        let endless = endless.unwrap();
        assert!(words.exactly("title", Some(&endless)).unwrap_err().starts_with("title: "));
        let (text, remarks) =
            sdk::remarks::heard(|| words.text("title", Some(&endless), 9, || "ours".to_owned()));
        assert_eq!(text, "ours");
        assert!(remarks[0].starts_with("title: ") && remarks[0].ends_with("(sent as if it were not set)"));
    }

    #[test]
    fn bytes_are_cut_between_characters() {
        assert_eq!(cut_bytes("äöü", 6), "äöü");
        assert_eq!(cut_bytes("äöüx", 6), "ä…");
        assert_eq!(cut_bytes("äöü", 2), "");
    }

    #[test]
    fn markdown_loses_its_meaning() {
        assert_eq!(escape_markdown("a*b_[c]"), r"a\*b\_\[c\]");
        assert_eq!(markdown_link("a]b", "https://x.example/(1) 2"), r"[a\]b](https://x.example/%281%29%202)");
        assert_eq!(markdown_link("a", "javascript:alert(1)"), "a");
    }
}
