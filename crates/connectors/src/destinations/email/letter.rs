//! What a mail says: headers, text and HTML.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart, MultiPartKind, SinglePart};
use sdk::Message;
use sha2::{Digest, Sha256};

use super::Settings;
use crate::template::{BadTemplate, Html, Template, cut, names_of};
use crate::words::one_line;

/// Characters of a subject: more is cut by most mail programs anyway.
const MAX_SUBJECT_CHARS: usize = 250;
/// Bytes of a hash that an id is made of.
const ID_BYTES: usize = 16;

static HTML: LazyLock<Result<Template<Html>, BadTemplate>> =
    LazyLock::new(|| Template::new(include_str!("mail.html")));

/// Writes the mail that a message becomes. The same message always becomes the same mail, byte by byte.
///
/// # Errors
/// When a template does not come to an end, or a header cannot be written.
pub(super) fn write(settings: &Settings, message: &Message) -> Result<lettre::Message, String> {
    let names = names_of(message);
    let in_field = |field: &'static str| move |error: BadTemplate| format!("{field}: {error}");
    let subject = settings.subject.as_ref().map(|template| template.render(&names)).transpose();
    let subject = subject.map_err(in_field("subject"))?.unwrap_or_else(|| message.title.clone());
    let text = settings.text.as_ref().map(|template| template.render(&names)).transpose();
    let text = text.map_err(in_field("text"))?.unwrap_or_else(|| plain_text(message));
    let built_in = || HTML.as_ref().map_err(Clone::clone);
    let html = settings.html.as_ref().map_or_else(built_in, Ok).and_then(|template| template.render(&names));
    let html = html.map_err(in_field("html"))?;

    let from = &settings.from.0;
    let body = MultiPart::builder()
        .kind(MultiPartKind::Alternative)
        .boundary(format!("nightbell-{}", message_key(message)))
        .singlepart(SinglePart::plain(text))
        .singlepart(SinglePart::html(html));
    let thread = format!("<{}@{}>", thread_id(message), from.email.domain());
    let mut builder =
        begin(from, message).in_reply_to(thread.clone()).references(thread).subject(subject_line(&subject));
    if let Some(address) = &settings.reply_to {
        builder = builder.reply_to(address.0.clone());
    }
    for address in &settings.to {
        builder = builder.to(address.0.clone());
    }
    let mut mail = builder.multipart(body).map_err(|error| format!("the mail cannot be written: {error}"))?;
    let given = settings.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in MACHINE_HEADERS.into_iter().chain(given) {
        let name = HeaderName::new_from_ascii(name.to_owned())
            .map_err(|error| format!("headers.{name}: {error}"))?;
        mail.headers_mut().insert_raw(HeaderValue::new(name, value.to_owned()));
    }
    Ok(mail)
}

/// What tells other machines not to answer.
pub(in crate::destinations) const MACHINE_HEADERS: [(&str, &str); 2] =
    [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")];

/// Begins a mail: from whom, when, and under which id, all of which are the same on every try.
pub(in crate::destinations) fn begin(from: &Mailbox, message: &Message) -> MessageBuilder {
    let seconds = u64::try_from(message.notification.at.as_seconds()).unwrap_or(0).min(LATEST_DATE_SECONDS);
    lettre::Message::builder()
        .from(from.clone())
        .date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .message_id(Some(format!("<{}@{}>", message_key(message), from.email.domain())))
}

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

/// What all mails about one trouble have in common: the group and its oldest incident. So the mail that
/// says it is over stands below the one that said it began, and next week's trouble stands apart.
fn thread_id(message: &Message) -> String {
    let notification = &message.notification;
    let oldest = notification.alerts.iter().map(|alert| alert.incident).min();
    id(&["thread", &notification.group_key, &oldest.unwrap_or_default().to_string()])
}

fn plain_text(message: &Message) -> String {
    let mut text = message.title.clone();
    text.push_str("\n\n");
    text.push_str(&message.body);
    text.push('\n');
    for action in &message.actions {
        text.push_str(&format!("\n{}: {}", action.title, action.url));
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
fn subject_line(text: &str) -> String {
    cut(&one_line(text), MAX_SUBJECT_CHARS)
}

/// Whether a header may be given in the settings.
///
/// # Errors
/// Why not.
pub(super) fn check_header(name: &str, value: &str) -> Result<(), String> {
    const OWN: [&str; 12] = [
        "from",
        "to",
        "cc",
        "bcc",
        "reply-to",
        "subject",
        "date",
        "message-id",
        "in-reply-to",
        "references",
        "mime-version",
        "content-type",
    ];
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if !is_name {
        return Err(format!("headers.{name}: is no name of a header"));
    }
    if OWN.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Err(format!("headers.{name}: is set by the mail itself"));
    }
    match value.chars().any(char::is_control) {
        true => Err(format!("headers.{name}: cannot stand in a header")),
        false => Ok(()),
    }
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
    fn addresses_that_could_be_scripts_do_not_become_links() {
        let mut message = messages::firing();
        message.actions[0].url = "javascript:alert(1)".to_owned();
        let html = HTML.as_ref().unwrap().render(&names_of(&message)).unwrap();
        assert!(!html.contains("javascript") && html.contains("wiki.example"), "{html}");
    }

    #[test]
    fn only_headers_that_are_free_can_be_given() {
        assert!(check_header("X-Team", "db").is_ok());
        assert_eq!(check_header("Subject", "x").unwrap_err(), "headers.Subject: is set by the mail itself");
        assert_eq!(check_header("X-A", "x\nBcc: y").unwrap_err(), "headers.X-A: cannot stand in a header");
        assert_eq!(check_header("a:b", "x").unwrap_err(), "headers.a:b: is no name of a header");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_a_mail_with_its_own_headers_only(message in messages::arbitrary()) {
            let mail = write(&settings(json!({})), &message).unwrap().formatted();
            let head = String::from_utf8_lossy(&mail).split("\r\n\r\n").next().unwrap_or_default().to_owned();
            for line in head.split("\r\n") {
                prop_assert!(!line.contains(['\r', '\n']) && line.len() <= 998);
            }
        }
    }
}
