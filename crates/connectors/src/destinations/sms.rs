//! Text messages to phones, through a gateway that takes them by mail.

use std::borrow::Cow;

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use model::delivery::Outcome;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sdk::{Answer, Context, Destination, Facts, Message};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::email::letter::{MACHINE_HEADERS, begin};
use super::email::server::{Address, with_server};
use crate::template::{Plain, Template, cut};
use crate::words::{Words, usable_url};

/// Characters of a text: three parts of 153, which phones put together again.
const MAX_TEXT_CHARS: usize = 459;
/// Digits of a phone number (ITU-T E.164, section 6).
const MAX_DIGITS: usize = 15;
/// Digits of the shortest number that can be called from abroad.
const MIN_DIGITS: usize = 4;
/// Digits of the shortest number that a person may have whose country does not list it.
const MIN_OWN_DIGITS: usize = 7;

/// The kind `sms`.
pub struct Sms;

with_server! {
    /// Through which server and gateway, from whom, to which phone.
    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[schemars(example = serde_json::json!({
        "host": "mail.example.org",
        "from": "nightbell@example.org",
        "gateway": "sms@example.com",
        "phone_number": "+345656787643",
    }))]
    pub struct Settings {
        /// The sender's address.
        from: Address,
        /// The gateway's address.
        gateway: Address,
        /// The phone's number with its country, e.g. `+345656787643`.
        phone_number: PhoneNumber,
        /// Where the gateway looks for the number.
        #[serde(default)]
        number_in: NumberIn,
        /// A template of the text, in place of the message's title and link.
        text: Option<Template<Plain>>,
    }
}

/// Where a gateway looks for the number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum NumberIn {
    /// In the subject: `sms +345656787643`.
    #[default]
    Subject,
    /// In the recipient: `sms+345656787643@example.com`.
    Recipient,
}

/// A number as ITU-T E.164 writes it: a plus sign, the country, and the number there.
#[derive(Debug)]
struct PhoneNumber(String);

impl<'de> Deserialize<'de> for PhoneNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix('+').unwrap_or_default();
        let fits = digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
            && (MIN_DIGITS..=MAX_DIGITS).contains(&digits.len());
        if fits { Ok(PhoneNumber(text)) } else { Err(serde::de::Error::custom(bad_number(&text))) }
    }
}

/// A number as people write it, with its country, in the form of E.164.
///
/// Numbers that no numbering plan has yet are taken as long as their country is known: plans grow faster than libraries
/// learn of it, and whether a number works is shown by the code that is sent there.
fn e164(text: &str) -> Result<String, String> {
    let number = phonenumber::parse(None, text.trim()).map_err(|_| bad_number(text))?;
    let plain = number.format().mode(phonenumber::Mode::E164).to_string();
    let digits = plain.len() - 1;
    let fits = number.is_valid() || (MIN_OWN_DIGITS..=MAX_DIGITS).contains(&digits);
    if fits && number.extension().is_none() { Ok(plain) } else { Err(bad_number(text)) }
}

fn bad_number(text: &str) -> String {
    let text = cut(text, 2 * MAX_DIGITS);
    format!(
        "{text:?} is no phone number like +345656787643: a plus sign, the country, and the number \
             there, {MAX_DIGITS} digits at the most"
    )
}

impl JsonSchema for PhoneNumber {
    fn schema_name() -> Cow<'static, str> {
        "PhoneNumber".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^\+[1-9][0-9]{3,14}$" })
    }
}

impl Destination for Sms {
    const FACTS: Facts = Facts {
        kind: "sms",
        title: "SMS by mail",
        about: "Sends a text message to a phone through a gateway that takes it by mail, with the \
                number in the subject or in the recipient's address.",
        docs: "",
        deduplicates: false,
    };
    type Settings = Settings;
    const ADDRESS: &'static [&'static str] = &["phone_number"];

    fn address(settings: &mut Value) -> Result<Option<String>, String> {
        let text = settings["phone_number"].as_str().ok_or("phone_number: is missing")?;
        let number = e164(text).map_err(|reason| format!("phone_number: {reason}"))?;
        settings["phone_number"] = Value::String(number.clone());
        Ok(Some(number))
    }

    fn check(settings: &Settings) -> Result<(), String> {
        settings.recipient()?;
        settings.server().check()
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        match settings.mail(message) {
            Ok(mail) => settings.server().send(context, &mail).await,
            Err(reason) => Answer::bare(Outcome::rejected(reason)),
        }
    }
}

impl Settings {
    fn recipient(&self) -> Result<Mailbox, String> {
        let gateway = &self.gateway.0;
        if self.number_in == NumberIn::Subject {
            return Ok(gateway.clone());
        }
        let address = format!("{}{}@{}", gateway.email.user(), self.phone_number.0, gateway.email.domain());
        let bad = |error| format!("gateway: {address:?} is not an address: {error}");
        Ok(Mailbox::new(gateway.name.clone(), address.parse().map_err(bad)?))
    }

    fn mail(&self, message: &Message) -> Result<lettre::Message, String> {
        let text = Words::of(message).text("text", self.text.as_ref(), MAX_TEXT_CHARS, || own_text(message));
        let subject = match self.number_in {
            NumberIn::Subject => format!("sms {}", self.phone_number.0),
            NumberIn::Recipient => "sms".to_owned(),
        };
        let builder = begin(&self.from.0, message).to(self.recipient()?).subject(subject);
        let mail = builder.header(ContentType::TEXT_PLAIN).body(text);
        let mut mail = mail.map_err(|error| format!("the mail cannot be written: {error}"))?;
        for (name, value) in MACHINE_HEADERS {
            let name = HeaderName::new_from_ascii_str(name);
            mail.headers_mut().insert_raw(HeaderValue::new(name, value.to_owned()));
        }
        Ok(mail)
    }
}

/// The title, and the link where there is room for it: the one to answer by, if there is one.
fn own_text(message: &Message) -> String {
    let title = cut(&message.title, MAX_TEXT_CHARS);
    let page = message.answers.as_ref().and_then(|it| usable_url(&it.page));
    match page.or_else(|| usable_url(&message.link)) {
        Some(link) if title.chars().count() + link.chars().count() < MAX_TEXT_CHARS => {
            format!("{title}\n{link}")
        }
        _ => title,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use proptest::prelude::*;
    use serde_json::json;

    fn settings(fields: Value) -> Result<Settings, String> {
        let mut all = json!({"host": "mail.example", "from": "bell@example.org", "gateway": "sms@example.com",
            "phone_number": "+345656787643"});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let settings: Settings = serde_json::from_value(all).map_err(|error| error.to_string())?;
        Sms::check(&settings).map(|()| settings)
    }

    fn mail(fields: Value) -> String {
        let mail = settings(fields).unwrap().mail(&messages::firing()).unwrap();
        String::from_utf8(mail.formatted()).unwrap()
    }

    #[test]
    fn the_number_stands_where_the_gateway_looks_for_it() {
        let in_subject = mail(json!({}));
        assert!(in_subject.contains("Subject: sms +345656787643\r\n"), "{in_subject}");
        assert!(in_subject.contains("To: sms@example.com\r\n"), "{in_subject}");
        let in_recipient = mail(json!({"number_in": "recipient"}));
        assert!(in_recipient.contains("To: sms+345656787643@example.com\r\n"), "{in_recipient}");
        assert!(!mail(json!({"text": "{{ kind }}"})).contains("https:"));
    }

    #[test]
    fn only_numbers_with_their_country_are_taken() {
        for bad in
            ["345656787643", "+0345656787643", "+34 565", "+", "", "+1234567890123456", "+34a", "+٣٤٥٦"]
        {
            let error = settings(json!({"phone_number": bad})).unwrap_err();
            assert!(error.contains("is no phone number like +345656787643"), "{bad}: {error}");
        }
        assert!(settings(json!({"phone_number": "+4912345"})).is_ok());
    }

    #[test]
    fn numbers_of_people_are_put_into_one_form() {
        let own = |text: &str| Sms::address(&mut json!({ "phone_number": text }));
        for same in ["+47 912 34 567", "+4791234567", " tel:+47-912-34-567"] {
            assert_eq!(own(same), Ok(Some("+4791234567".to_owned())), "{same}");
        }
        assert_eq!(own("+1 (650) 253-0000"), Ok(Some("+16502530000".to_owned())));
        // of no plan, and yet a number
        assert_eq!(own("+345656787643"), Ok(Some("+345656787643".to_owned())));
        for bad in [
            "91234567",
            "0047 91234567",
            "+999123456789",
            "+34 565",
            "+12",
            "",
            "mum",
            "+47 912 34 567 ext. 5",
        ] {
            assert!(own(bad).unwrap_err().starts_with("phone_number: "), "{bad}");
        }
        let mut settings = json!({ "phone_number": "+47 912 34 567" });
        Sms::address(&mut settings).unwrap();
        assert_eq!(settings["phone_number"], "+4791234567");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_a_text_within_the_limits(message in messages::arbitrary()) {
            prop_assert!(own_text(&message).chars().count() <= MAX_TEXT_CHARS);
            let settings = settings(json!({})).unwrap();
            prop_assert!(settings.mail(&message).is_ok());
        }
    }
}
