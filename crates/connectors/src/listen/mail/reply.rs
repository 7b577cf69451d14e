//! What somebody answers by mail: pure, so that anything that comes can be tried.

use mail_parser::{MessageParser, PartType};
use model::limits::MAX_NOTE_BYTES;
use model::time::span;
use sdk::answering::Verb;
use sdk::message::TOKEN;

use crate::destinations::email::letter::ANSWERED;

/// Lines of a mail that are looked at for what it says.
const MAX_LINES: usize = 50;
/// Characters of a token, at the most.
const MAX_TOKEN: usize = 100;

/// Whose mail it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The address that it is from, in lower case.
    pub from: String,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Whose.
    pub mail: Mail,
    /// What it answers.
    pub token: String,
    /// What it says to do.
    pub verb: Verb,
    /// And in which words.
    pub note: String,
}

/// Reads a mail to the address of the mailbox.
///
/// # Errors
/// Why it is no answer, in words.
pub fn read(bytes: &[u8], address: &str) -> Result<Reply, &'static str> {
    let mail = MessageParser::default().parse(bytes).ok_or("it is no mail")?;
    let headers: Vec<(String, &str)> =
        mail.headers_raw().map(|(name, value)| (name.to_ascii_lowercase(), value.trim())).collect();
    let all =
        |name: &'static str| headers.iter().filter(move |(have, _)| have == name).map(|(_, value)| *value);
    refuse_machines(&all)?;
    let mut authors = mail.from().into_iter().flat_map(|all| all.iter());
    let from = match (authors.next().and_then(|it| it.address()), authors.next()) {
        (Some(from), None) => from.trim().to_lowercase(),
        _ => return Err("it is not from one address"),
    };
    let is_ours = address.eq_ignore_ascii_case(&from) || is_at(&from, address).is_some();
    if is_ours || from.starts_with("mailer-daemon@") || from.starts_with("postmaster@") {
        return Err("it is from a mail program");
    }
    let answered = ["in-reply-to", "references"].into_iter().flat_map(all).find_map(token_of_ids);
    let written = || ["to", "delivered-to", "x-original-to", "cc"].into_iter().flat_map(all);
    let addressed = || written().find_map(|line| token_of_addresses(line, address));
    let token = answered.or_else(addressed).ok_or("it answers nothing that was sent from here")?;
    let text = match mail.text_part(0).map(|part| &part.body) {
        Some(PartType::Text(text)) => text.to_string(),
        Some(PartType::Html(html)) => plain(html),
        // what is attached is no answer
        _ => return Err("it has no text"),
    };
    let (verb, note) = command(&text).ok_or("it begins with none of ack and resolve")?;
    Ok(Reply { mail: Mail { from }, token, verb, note })
}

/// The text of a mail that is HTML only, up to what it quotes.
fn plain(html: &str) -> String {
    const QUOTE: &str = "<blockquote";
    let is_quote =
        |at: &usize| html.get(*at..at + QUOTE.len()).is_some_and(|it| it.eq_ignore_ascii_case(QUOTE));
    let end = (0..html.len()).find(is_quote).unwrap_or(html.len());
    let blocks = html[..end].replace("</div>", "<br></div>").replace("</p>", "<br></p>");
    mail_parser::decoders::html::html_to_text(&blocks)
}

/// Programs answer mails, too, and each other for ever (RFC 3834).
fn refuse_machines<'a, I: Iterator<Item = &'a str>>(
    all: &impl Fn(&'static str) -> I,
) -> Result<(), &'static str> {
    let is = |name, words: &[&str]| {
        all(name).any(|value| words.iter().any(|word| value.to_ascii_lowercase().starts_with(word)))
    };
    if all("auto-submitted").any(|value| !value.to_ascii_lowercase().starts_with("no")) {
        return Err("a program sent it");
    }
    if is("precedence", &["bulk", "junk", "list", "auto_reply"]) || is("return-path", &["<>"]) {
        return Err("a program sent it");
    }
    if ["list-id", "x-autoreply", "x-autorespond"].into_iter().any(|name| all(name).next().is_some()) {
        return Err("a program sent it");
    }
    Ok(())
}

/// The token in ids of mails: `<answer.TOKEN@bell.example.org>`.
fn token_of_ids(line: &str) -> Option<String> {
    let ids = line.split(|c: char| c.is_whitespace() || c == '<' || c == '>');
    ids.filter_map(|id| id.strip_prefix(ANSWERED)?.split('@').next())
        .find(|token| is_token(token))
        .map(str::to_owned)
}

/// The token in an address, where the mailbox's own says that one may stand there.
fn token_of_addresses(line: &str, address: &str) -> Option<String> {
    let words = line.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';' | '"'));
    words.filter_map(|word| is_at(word, address)).find(|token| is_token(token)).map(str::to_owned)
}

/// What stands for the token in an address, if it is one of the mailbox's.
fn is_at<'a>(word: &'a str, address: &str) -> Option<&'a str> {
    let (before, after) = address.split_once(TOKEN)?;
    let fits = |have: Option<&str>, want: &str| have.is_some_and(|have| have.eq_ignore_ascii_case(want));
    let end = word.len().checked_sub(after.len())?;
    let same = before.len() <= end && fits(word.get(..before.len()), before) && fits(word.get(end..), after);
    if same { word.get(before.len()..end) } else { None }
}

fn is_token(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.len() <= MAX_TOKEN && text.bytes().all(plain)
}

/// What the first line says that is not quoted: `ack`, `ack 2h on my way`, `resolve`.
fn command(text: &str) -> Option<(Verb, String)> {
    let lines = text.lines().take(MAX_LINES).map(str::trim);
    let line = lines.into_iter().find(|line| !line.is_empty() && !line.starts_with('>'))?;
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let word = first.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let mut rest = rest.trim();
    let verb = match word.as_str() {
        "ack" | "acknowledge" | "acknowledged" | "acked" => {
            let (next, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let next = next.trim_end_matches([',', ':', '.', ';']).to_lowercase();
            match span::parse(&next).ok().filter(|it| !it.is_zero()) {
                Some(time) => {
                    rest = after.trim();
                    Verb::Acknowledge(Some(time.min(LONGEST)))
                }
                None => Verb::Acknowledge(None),
            }
        }
        "resolve" | "resolved" => Verb::Resolve,
        _ => return None,
    };
    let end = (0..=MAX_NOTE_BYTES.min(rest.len())).rev().find(|end| rest.is_char_boundary(*end)).unwrap_or(0);
    let note = rest[..end].chars().filter(|c| !c.is_control()).collect();
    Some((verb, note))
}

/// The longest time for which somebody takes something.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(30 * 86_400);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const ADDRESS: &str = "bell+{token}@example.org";

    fn mail(headers: &str, text: &str) -> Vec<u8> {
        format!(
            "From: Ann <Ann@Example.org>\nTo: bell@example.org\nIn-Reply-To: <answer.T0-k_n@bell.example>\n{headers}\
             Subject: Re: [FIRING:1] Disk\nContent-Type: text/plain; charset=utf-8\n\n{text}"
        )
        .into_bytes()
    }

    fn said(text: &str) -> Option<(Verb, String)> {
        read(&mail("", text), ADDRESS).ok().map(|it| (it.verb, it.note))
    }

    #[test]
    fn words_are_understood_however_they_are_written() {
        let hours = |count: u64| Some(Duration::from_secs(count * 3600));
        let ack = |span, note: &str| Some((Verb::Acknowledge(span), note.to_owned()));
        for (text, meaning) in [
            ("ack", ack(None, "")),
            ("ACK\n\n> quoted", ack(None, "")),
            ("\n\n  Ack.  \n", ack(None, "")),
            ("ack 2h", ack(hours(2), "")),
            ("Ack 2H, on my way\nsecond line", ack(hours(2), "on my way")),
            ("ack on my way", ack(None, "on my way")),
            ("*acknowledged*", ack(None, "")),
            ("> On Monday Bell wrote:\n> ack\nack 1h30m ü", ack(Some(Duration::from_secs(5400)), "ü")),
            ("ack 99y", ack(Some(LONGEST), "")),
            ("Resolve: it was the fan", Some((Verb::Resolve, "it was the fan".to_owned()))),
            ("Thanks, ack", None),
            ("packed", None),
            ("> ack", None),
            ("", None),
        ] {
            assert_eq!(said(text), meaning, "{text:?}");
        }
    }

    #[test]
    fn the_token_is_found_where_programs_leave_it() {
        let found = |text: &str| read(text.as_bytes(), ADDRESS).map(|it| it.token);
        let with = |line: &str| found(&format!("From: ann@example.org\n{line}\n\nack\n"));
        assert_eq!(with("References: <a@b> <answer.abc@x> <c@d>").as_deref(), Ok("abc"));
        assert_eq!(with("In-Reply-To: <answer.abc@x>").as_deref(), Ok("abc"));
        assert_eq!(with("To: \"Bell\" <BELL+a_b-C@Example.ORG>").as_deref(), Ok("a_b-C"));
        assert_eq!(with("Delivered-To: bell+abc@example.org").as_deref(), Ok("abc"));
        for nothing in ["To: bell@example.org", "References: <a@b>", "To: bell+@example.org", "X: y"] {
            assert!(with(nothing).is_err(), "{nothing}");
        }
        assert!(found("To: bell+abc@example.org\n\nack\n").is_err(), "from nobody");
        assert!(found("From: a@x, b@x\nTo: bell+abc@example.org\n\nack\n").is_err(), "from two");
    }

    #[test]
    fn programs_are_not_answered_and_do_not_answer() {
        for header in [
            "Auto-Submitted: auto-replied\n",
            "Auto-Submitted: auto-generated (by a rule)\n",
            "Precedence: bulk\n",
            "Return-Path: <>\n",
            "List-Id: <ops.example.org>\n",
        ] {
            assert!(read(&mail(header, "ack"), ADDRESS).is_err(), "{header}");
        }
        assert!(read(&mail("Auto-Submitted: no\n", "ack"), ADDRESS).is_ok());
        for from in ["MAILER-DAEMON@example.org", "bell+x@example.org", "postmaster@mx.example"] {
            let own = format!("From: {from}\nIn-Reply-To: <answer.abc@x>\n\nack\n");
            assert!(read(own.as_bytes(), ADDRESS).is_err(), "{from}");
        }
    }

    #[test]
    fn a_mail_of_html_alone_is_read_too() {
        let html = "From: ann@example.org\nIn-Reply-To: <answer.abc@x>\nContent-Type: text/html\n\n\
            <html><body><div>Ack 2h busy</div><blockquote>resolve</blockquote></body></html>";
        let it = read(html.as_bytes(), ADDRESS).unwrap();
        assert_eq!((it.verb, it.note.as_str()), (Verb::Acknowledge(Some(Duration::from_secs(7200))), "busy"));
    }

    proptest! {
        #[test]
        fn anything_may_come(bytes in prop::collection::vec(any::<u8>(), 0..600), text in "\\PC{0,200}") {
            let _ = read(&bytes, ADDRESS);
            let _ = read(&mail("", &text), ADDRESS);
            let _ = read(text.as_bytes(), &text);
        }
    }
}
