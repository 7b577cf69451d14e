//! What a mail says: headers, text and HTML.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes, MessageBuilder, MultiPart, MultiPartKind, SinglePart};
use sdk::Message;
use sha2::{Digest, Sha256};

use super::server::Recipient;
use super::{Settings, Threads};
use crate::template::{BadTemplate, Html, Template, cut, names_of};
use crate::words::{Words, one_line};

/// Characters of a subject: more is cut by most mail programs anyway.
const MAX_SUBJECT_CHARS: usize = 250;
/// Characters of a header of one's own.
const MAX_HEADER_CHARS: usize = 900;
/// Bytes of a hash that an id is made of.
const ID_BYTES: usize = 16;

static HTML: LazyLock<Result<Template<Html>, BadTemplate>> =
    LazyLock::new(|| Template::new(include_str!("mail.html")));

/// Writes the mail that a message becomes. The same message always becomes the same mail, byte by byte.
///
/// # Errors
/// When a template does not come to an end, or a header cannot be written.
pub(super) fn write(settings: &Settings, message: &Message) -> Result<lettre::Message, String> {
    let words = Words::of(message);
    let subject = words.say("subject", settings.subject.as_ref())?.unwrap_or_else(|| message.title.clone());
    let text = words.say("text", settings.text.as_ref())?.unwrap_or_else(|| plain_text(message));
    let html = match &settings.html {
        Some(html) => words.say("html", Some(html))?.unwrap_or_default(),
        None => HTML
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|html| html.render(&names_of(message)))
            .map_err(|error: BadTemplate| format!("html: {error}"))?,
    };
    let from = &settings.from.0;
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
    let mut builder = begin(from, message).subject(subject_line(&subject));
    if let Some(id) = thread_id(settings.threads, message) {
        let thread = format!("<{id}@{}>", from.email.domain());
        builder = builder.in_reply_to(thread.clone()).references(thread);
    }
    if let Some(address) = &settings.reply_to {
        builder = builder.reply_to(address.0.clone());
    }
    for address in recipients(settings, &words)? {
        builder = builder.to(address);
    }
    let mut mail = builder.multipart(body).map_err(|error| format!("the mail cannot be written: {error}"))?;
    let mut headers = MACHINE_HEADERS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    for (name, template) in &settings.headers {
        let value = words.text(&format!("headers.{name}"), Some(template), MAX_HEADER_CHARS, String::new)?;
        headers.push((name.clone(), one_line(&value)));
    }
    for (name, value) in headers.into_iter().filter(|(_, value)| !value.is_empty()) {
        let bad = |error| format!("headers: {error}");
        let name = HeaderName::new_from_ascii(name).map_err(bad)?;
        mail.headers_mut().insert_raw(HeaderValue::new(name, value));
    }
    Ok(mail)
}

/// Who gets the mail.
fn recipients(settings: &Settings, words: &Words<'_>) -> Result<Vec<Mailbox>, String> {
    let mut all = Vec::new();
    for (n, recipient) in settings.to.iter().enumerate() {
        let template = match recipient {
            Recipient::Fixed(address) => {
                all.push(Mailbox::clone(address));
                continue;
            }
            Recipient::Made(template) => template,
        };
        let text = words.say(&format!("to[{n}]"), Some(template))?.unwrap_or_default();
        if text.trim().is_empty() {
            continue;
        }
        let bad =
            |error| format!("to[{n}]: {:?} is no list of addresses: {error}", cut(&text, MAX_SUBJECT_CHARS));
        all.extend(text.trim().parse::<Mailboxes>().map_err(bad)?);
    }
    if all.is_empty() { Err("to: nobody is left".to_owned()) } else { Ok(all) }
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
pub(super) fn check_header(name: &str) -> Result<(), String> {
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
        let html = HTML.as_ref().unwrap().render(&names_of(&message)).unwrap();
        assert!(!html.contains("javascript") && html.contains("wiki.example"), "{html}");
    }

    #[test]
    fn only_headers_that_are_free_can_be_given() {
        assert!(check_header("X-Team").is_ok());
        assert_eq!(check_header("Subject").unwrap_err(), "headers.Subject: is set by the mail itself");
        assert_eq!(check_header("a:b").unwrap_err(), "headers.a:b: is no name of a header");
        let mail = mail(json!({"headers": {"X-A": "x\nBcc: {{ kind }}", "X-B": ""}}), &messages::firing());
        assert_eq!(header(&mail, "X-A"), "x Bcc: firing");
        assert!(!mail.contains("X-B"));
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
