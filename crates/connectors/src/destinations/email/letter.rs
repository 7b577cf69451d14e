//! What a mail says: headers, text and HTML.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use lettre::message::header::{self, Header as _, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes, MessageBuilder, MultiPart, MultiPartKind, SinglePart};
use sdk::Message;
use sha2::{Digest, Sha256};

use super::server::Addresses;
use super::{Settings, Threads};
use crate::template::{BadTemplate, Html, Names, Template, cut};
use crate::words::{Words, one_line};

/// Characters of a subject, and of a header of one's own.
const MAX_HEADER_CHARS: usize = 2000;
/// Characters of a word in a header: lines can be folded between words only, and are at most 998 long (RFC 5322).
const MAX_WORD_CHARS: usize = 900;
/// Characters of a text that are quoted in an error.
const MAX_QUOTED_CHARS: usize = 250;
/// Bytes of a hash that an id is made of.
const ID_BYTES: usize = 16;

static HTML: LazyLock<Result<Template<Html>, BadTemplate>> =
    LazyLock::new(|| Template::new(include_str!("mail.html")));

/// Writes the mail that a message becomes. The same message always becomes the same mail, byte by byte.
///
/// # Errors
/// When nobody is left to send it to or from, or a header cannot be written.
pub(super) fn write(settings: &Settings, message: &Message) -> Result<lettre::Message, String> {
    let words = Words::of(message);
    let subject = words.say("subject", settings.subject.as_ref()).unwrap_or_else(|| message.title.clone());
    let text = words.say("text", settings.text.as_ref()).unwrap_or_else(|| plain_text(message));
    let html = match words.say("html", settings.html.as_ref()) {
        Some(html) => html,
        None => HTML
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|html| html.render(&Names::of(message)))
            .map_err(|error: BadTemplate| format!("html: {error}"))?,
    };
    let from = &sender(settings, &words)?;
    let mut body = MultiPart::builder()
        .kind(MultiPartKind::Alternative)
        .boundary(format!("nightbell-{}", message_key(message)))
        .build();
    if !text.is_empty() || html.is_empty() {
        body = body.singlepart(SinglePart::plain(text));
    }
    if !html.is_empty() {
        body = body.singlepart(SinglePart::html(html));
    }
    let mut builder = begin(from, message).subject(header_line(&subject));
    if let Some(id) = thread_id(settings.threads, message) {
        let thread = format!("<{id}@{}>", from.email.domain());
        builder = builder.in_reply_to(thread.clone()).references(thread);
    }
    let answers = message.answers.as_ref().and_then(|it| Some((it.reply_to()?.parse::<Mailbox>().ok()?, it)));
    match (&settings.reply_to, &answers) {
        (_, Some((address, _))) => builder = builder.reply_to(address.clone()),
        (Some(address), None) => builder = builder.reply_to(address.0.clone()),
        (None, None) => {}
    }
    for address in recipients(settings, &words)? {
        builder = builder.to(address);
    }
    let mut mail = builder.multipart(body).map_err(|error| format!("the mail cannot be written: {error}"))?;
    let mut headers = MACHINE_HEADERS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    for (name, template) in &settings.headers {
        let value = words.say(&format!("headers.{name}"), Some(template)).unwrap_or_default();
        headers.push((name.clone(), header_line(&value)));
    }
    for (name, value) in headers.into_iter().filter(|(_, value)| !value.is_empty()) {
        let bad = |error| format!("headers: {error}");
        let value = match shown_addresses(&name, &value) {
            Some(value) => value,
            None => HeaderValue::new(HeaderName::new_from_ascii(name).map_err(bad)?, value),
        };
        mail.headers_mut().insert_raw(value);
    }
    Ok(mail)
}

/// A header whose names and addresses are written each for itself, when it is one, and they can be read.
fn shown_addresses(name: &str, value: &str) -> Option<HeaderValue> {
    let all = || value.parse::<Mailboxes>().ok();
    Some(match name.to_ascii_lowercase().as_str() {
        "from" => header::From::from(all()?).display(),
        "to" => header::To::from(all()?).display(),
        "cc" => header::Cc::from(all()?).display(),
        "bcc" => header::Bcc::from(all()?).display(),
        "reply-to" => header::ReplyTo::from(all()?).display(),
        _ => return None,
    })
}

/// Who sends the mail. Nobody else could stand in.
fn sender(settings: &Settings, words: &Words<'_>) -> Result<Mailbox, String> {
    let template = match &settings.from {
        Addresses::Fixed(address) => return Ok(Mailbox::clone(address)),
        Addresses::Made(template) => template,
    };
    let text = words.exactly("from", Some(template))?.unwrap_or_default();
    let bad = |error| format!("from: {:?} is no address: {error}", cut(&text, MAX_QUOTED_CHARS));
    text.trim().parse().map_err(bad)
}

/// Who gets the mail.
fn recipients(settings: &Settings, words: &Words<'_>) -> Result<Vec<Mailbox>, String> {
    let mut all = Vec::new();
    for (n, recipient) in settings.to.iter().enumerate() {
        let template = match recipient {
            Addresses::Fixed(address) => {
                all.push(Mailbox::clone(address));
                continue;
            }
            Addresses::Made(template) => template,
        };
        let text = words.say(&format!("to[{n}]"), Some(template)).unwrap_or_default();
        if text.trim().is_empty() {
            continue;
        }
        let bad =
            |error| format!("to[{n}]: {:?} is no list of addresses: {error}", cut(&text, MAX_QUOTED_CHARS));
        all.extend(text.trim().parse::<Mailboxes>().map_err(bad)?);
    }
    if all.is_empty() { Err("to: nobody is left".to_owned()) } else { Ok(all) }
}

/// What tells other machines not to answer.
pub(in crate::destinations) const MACHINE_HEADERS: [(&str, &str); 2] =
    [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")];

/// Begins a mail: from whom, when, and under which id, all of which are the same on every try.
pub(in crate::destinations) fn begin(from: &Mailbox, message: &Message) -> MessageBuilder {
    // programs that write answers say which mail they answer
    let answers = message.answers.as_ref().filter(|it| !it.mail_to.is_empty());
    let key = answers.map_or_else(|| message_key(message), |it| format!("{ANSWERED}{}", it.token.expose()));
    let seconds = u64::try_from(message.notification.at.as_seconds()).unwrap_or(0).min(LATEST_DATE_SECONDS);
    lettre::Message::builder()
        .from(from.clone())
        .date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .message_id(Some(format!("<{key}@{}>", from.email.domain())))
}

/// What the id of a mail begins with that can be answered; the token follows.
pub(crate) const ANSWERED: &str = "answer.";

/// What the mail's own id is made of.
fn message_key(message: &Message) -> String {
    id(&["message", &message.idempotency_key])
}

/// The last second of the year 9999, beyond which mail has no dates.
const LATEST_DATE_SECONDS: u64 = 253_402_300_799;

/// A name that is the same for the same parts, and no other.
fn id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(ID_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// What all mails of one thread have in common. About one trouble that is the group and its oldest incident: so
/// the mail that says it is over stands below the one that said it began, and next week's trouble stands apart.
fn thread_id(threads: Threads, message: &Message) -> Option<String> {
    let notification = &message.notification;
    let within = match threads {
        Threads::None => return None,
        Threads::Group => String::new(),
        Threads::Day => notification.at.to_timestamp().strftime("%Y-%m-%d").to_string(),
        Threads::Trouble => {
            let oldest = notification.alerts.iter().map(|alert| alert.incident).min();
            oldest.unwrap_or_default().to_string()
        }
    };
    Some(id(&["thread", &notification.group_key, &within]))
}

fn plain_text(message: &Message) -> String {
    let mut text = message.title.clone();
    text.push_str("\n\n");
    text.push_str(&message.body);
    text.push('\n');
    for action in &message.actions {
        text.push_str(&format!("\n{}: {}", action.title, action.url));
    }
    if message.answers.as_ref().is_some_and(|it| !it.mail_to.is_empty()) {
        text.push_str("\nOr answer this mail with `ack`, `ack 2h and some words`, or `resolve`.");
    }
    if !message.facts.is_empty() {
        text.push('\n');
    }
    for (name, value) in &message.facts {
        text.push_str(&format!("\n{name} = {value}"));
    }
    text.push('\n');
    text
}

/// A text that can stand in a header.
fn header_line(text: &str) -> String {
    let words = one_line(&cut(text, MAX_HEADER_CHARS));
    if words.len() <= MAX_WORD_CHARS {
        return words;
    }
    let mut line = String::with_capacity(words.len());
    let mut length = 0;
    for c in words.chars() {
        length = if c == ' ' { 0 } else { length + 1 };
        if length > MAX_WORD_CHARS {
            line.push(' ');
            length = 1;
        }
        line.push(c);
    }
    line
}

/// Whether a header may be given in the settings.
///
/// # Errors
/// Why not.
pub(super) fn check_header(name: &str) -> Result<(), String> {
    const OWN: [&str; 4] = ["subject", "mime-version", "content-type", "content-transfer-encoding"];
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if !is_name {
        return Err(format!("headers.{name}: is no name of a header"));
    }
    if OWN.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Err(format!("headers.{name}: is set by the mail itself"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn settings(fields: Value) -> Settings {
        let mut all =
            json!({"host": "mail.example", "from": "Bell <bell@example.org>", "to": ["ops@example.org"]});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn mail(fields: Value, message: &Message) -> String {
        String::from_utf8(write(&settings(fields), message).unwrap().formatted()).unwrap()
    }

    fn header<'a>(mail: &'a str, name: &str) -> &'a str {
        mail.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
    }

    #[test]
    fn what_is_over_stands_below_what_began() {
        let mails = messages::all().map(|(_, message)| mail(json!({}), &message));
        for mail in &mails {
            assert_eq!(header(mail, "References"), header(&mails[0], "References"));
            assert_eq!(header(mail, "In-Reply-To"), header(mail, "References"));
        }
        assert_ne!(header(&mails[0], "Message-ID"), header(&mails[2], "Message-ID"));
        assert_eq!(mail(json!({}), &messages::firing()), mails[0]);
    }

    #[test]
    fn own_words_take_the_place_of_the_built_in_ones() {
        let fields = json!({"subject": "{{ kind }}\n{{ labels.team }}", "text": "T {{ labels.note }}",
            "html": "<p>{{ labels.note }}</p>", "headers": {"X-Team": "db"}, "reply_to": "a@b.example"});
        let mail = mail(fields, &messages::firing());
        assert_eq!(header(&mail, "Subject"), "firing db");
        assert_eq!((header(&mail, "X-Team"), header(&mail, "Reply-To")), ("db", "a@b.example"));
        assert!(mail.contains("T <b>&\"quoted\"</b>"), "{mail}");
        assert!(mail.contains("<p>&lt;b&gt;&amp;&quot;quoted&quot;&lt;&#x2f;b&gt;</p>"), "{mail}");
    }

    #[test]
    fn recipients_may_be_made_of_labels() {
        let made = |to: &str| write(&settings(json!({"to": [to]})), &messages::firing());
        let mail = made("{{ labels.team }}@example.org, Ann <ann@{{ labels.team }}.example>").unwrap();
        let all: Vec<String> = mail.envelope().to().iter().map(ToString::to_string).collect();
        assert_eq!(all, ["db@example.org", "ann@db.example"]);
        assert_eq!(made("{{ labels.none }}").unwrap_err(), "to: nobody is left");
        assert!(made("{{ labels.team }}").unwrap_err().starts_with("to[0]: \"db\" is no list of addresses"));
    }

    #[test]
    fn a_form_that_says_nothing_is_left_out() {
        let plain = mail(json!({"html": ""}), &messages::firing());
        assert!(plain.contains("text/plain") && !plain.contains("text/html"), "{plain}");
        let html = mail(json!({"text": "{{ labels.none }}"}), &messages::firing());
        assert!(!html.contains("text/plain") && html.contains("text/html"), "{html}");
    }

    #[test]
    fn threads_are_as_long_as_they_should_be() {
        let mut later = messages::firing();
        later.notification.alerts.iter_mut().for_each(|alert| alert.incident = model::Id(7));
        let mut tomorrow = later.clone();
        tomorrow.notification.at = tomorrow.notification.at + Duration::from_secs(86_400);
        for (threads, same_later, same_tomorrow) in
            [(Threads::Trouble, false, false), (Threads::Day, true, false), (Threads::Group, true, true)]
        {
            let id = |message: &Message| thread_id(threads, message).unwrap();
            assert_eq!(id(&messages::firing()) == id(&later), same_later, "{threads:?}");
            assert_eq!(id(&messages::firing()) == id(&tomorrow), same_tomorrow, "{threads:?}");
        }
        assert!(!mail(json!({"threads": "none"}), &later).contains("References"));
    }

    #[test]
    fn addresses_that_could_be_scripts_do_not_become_links() {
        let mut message = messages::firing();
        message.actions[0].url = "javascript:alert(1)".to_owned();
        let html = HTML.as_ref().unwrap().render(&Names::of(&message)).unwrap();
        assert!(!html.contains("javascript") && html.contains("wiki.example"), "{html}");
    }

    #[test]
    fn only_headers_that_are_free_can_be_given() {
        assert!(check_header("X-Team").is_ok());
        assert_eq!(check_header("Subject").unwrap_err(), "headers.Subject: is set by the mail itself");
        assert!(check_header("content-type").is_err() && check_header("To").is_ok());
        assert_eq!(check_header("a:b").unwrap_err(), "headers.a:b: is no name of a header");
        let mail = mail(json!({"headers": {"X-A": "x\nBcc: {{ kind }}", "X-B": ""}}), &messages::firing());
        assert_eq!(header(&mail, "X-A"), "x Bcc: firing");
        assert!(!mail.contains("X-B"));
    }

    #[test]
    fn headers_may_show_something_else_than_who_gets_the_mail() {
        let fields = json!({"headers": {"To": "Team <team@x.example>, b@x.example", "cc": "Äffin <c@x.example>",
            "From": "Alerts <alerts@x.example>", "Reply-To": "a@x.example, b@x.example", "Bcc": "undisclosed",
            "Message-Id": "<1@x.example>", "Date": "{{ labels.none }}", "References": "<2@x.example>"}});
        let mail = write(&settings(fields), &messages::firing()).unwrap();
        let envelope = mail.envelope();
        assert_eq!(envelope.to().iter().map(ToString::to_string).collect::<Vec<_>>(), ["ops@example.org"]);
        assert_eq!(envelope.from().unwrap().to_string(), "bell@example.org");
        let mail = String::from_utf8(mail.formatted()).unwrap();
        assert_eq!(header(&mail, "To"), "Team <team@x.example>, b@x.example");
        assert_eq!(header(&mail, "Cc"), "=?utf-8?b?w4RmZmlu?= <c@x.example>");
        assert_eq!(header(&mail, "From"), "Alerts <alerts@x.example>");
        assert_eq!(header(&mail, "Reply-To"), "a@x.example, b@x.example");
        assert_eq!((header(&mail, "Bcc"), header(&mail, "References")), ("undisclosed", "<2@x.example>"));
        assert_eq!(mail.to_lowercase().matches("\r\nmessage-id: ").count(), 1);
        assert_eq!(mail.to_lowercase().matches("\nto: ").count(), 1);
        assert!(header(&mail, "Date").starts_with("Sat, 14 Nov 2026"), "{mail}");
    }

    #[test]
    fn senders_may_be_made_of_labels() {
        let made = |from: &str| write(&settings(json!({"from": from})), &messages::firing());
        let mail = made("{{ labels.team }} <bell@{{ labels.team }}.example>").unwrap();
        assert_eq!(mail.envelope().from().unwrap().to_string(), "bell@db.example");
        assert!(made("{{ labels.team }}").unwrap_err().starts_with("from: \"db\" is no address"));
    }

    #[test]
    fn long_headers_are_folded_not_cut() {
        let subject = "word ".repeat(200);
        let mail =
            mail(json!({"subject": subject, "headers": {"X-A": "y".repeat(1500)}}), &messages::firing());
        assert_eq!(mail.matches("word").count(), 200);
        assert_eq!(mail.matches("yyyyy").count(), 300);
        assert!(mail.lines().all(|line| line.len() <= 998));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_a_mail_with_its_own_headers_only(message in messages::arbitrary()) {
            let own = json!({"subject": "{{ body }}", "headers": {"To": "{{ body }}", "X-A": "{{ title }}"}});
            for own in [json!({}), own] {
                let mail = write(&settings(own), &message).unwrap().formatted();
                let mail = String::from_utf8_lossy(&mail);
                let head = mail.split("\r\n\r\n").next().unwrap_or_default();
                for line in head.split("\r\n") {
                    prop_assert!(!line.contains(['\r', '\n']) && line.len() <= 998);
                }
            }
        }
    }
}
