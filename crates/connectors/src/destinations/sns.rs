//! Amazon SNS: messages to a topic, a phone or another endpoint.

mod role;
mod sigv4;

use std::collections::BTreeMap;

use model::Time;
use model::delivery::{Fault, Outcome, answer_head};
use model::receiver::Audience;
use schemars::JsonSchema;
use sdk::http::{HttpError, HttpSettings, Response, parse_url};
use sdk::{Answer, Context, Destination, Facts, Message, Secret};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::form_urlencoded::Serializer;

use crate::service::{self, Cache};
use crate::template::{Plain, Template, cut};
use crate::words::{Words, cut_bytes, one_line, usable_url};
use role::Keys;

/// Bytes of a message: SNS's own limit.
const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// Characters of a message to a phone: SNS's own limit.
const MAX_SMS_CHARS: usize = 1600;
/// Characters of a subject: SNS wants fewer than a hundred.
const MAX_SUBJECT_CHARS: usize = 99;
/// Characters of everything else.
const MAX_LINE_CHARS: usize = 2048;
/// Characters of what SNS says of an error.
const MAX_ERROR_CHARS: usize = 200;
/// Attributes of a message that the settings may ask for.
const MAX_ATTRIBUTES: usize = 100;
/// How AWS calls keys that did not last as long as they should have.
const EXPIRED: &str = "ExpiredToken";
/// The version of SNS's interface.
const VERSION: &str = "2010-03-31";
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// The kind `sns`.
pub struct Sns;

/// As whom, and where to: exactly one of `topic_arn`, `phone_number` and `target_arn`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "access_key": "AKIAIOSFODNN7EXAMPLE",
    "secret_key": "the-secret-key",
    "topic_arn": "arn:aws:sns:us-east-2:123456789012:alerts",
}))]
#[schemars(example = serde_json::json!({
    "access_key": "AKIAIOSFODNN7EXAMPLE",
    "secret_key": "the-secret-key",
    "region": "eu-central-1",
    "phone_number": "+345656787643",
}))]
#[schemars(example = serde_json::json!({
    "access_key": "AKIAIOSFODNN7EXAMPLE",
    "secret_key": "the-secret-key",
    "role_arn": "arn:aws:iam::123456789012:role/alerts",
    "topic_arn": "arn:aws:sns:us-east-2:123456789012:alerts",
}))]
pub struct Settings {
    /// The id of the access key to sign with.
    access_key: String,
    /// The secret access key to sign with.
    secret_key: Secret,
    /// The session's token, where the key is one that does not last.
    session_token: Option<Secret>,
    /// The ARN of a role to take on, whose keys then sign the messages.
    role_arn: Option<String>,
    /// What the role's owner wants to be told by who takes it on.
    external_id: Option<String>,
    /// Where AWS's Security Token Service is, which gives out roles, if not where it usually is in the region.
    sts_url: Option<String>,
    /// The region, e.g. `eu-central-1`; by default the one that the ARN names.
    region: Option<String>,
    /// A template of where SNS is, if not where it usually is in the region.
    api_url: Option<Template<Plain>>,
    /// A template of a topic's ARN. A topic whose name ends in `.fifo` gets the messages of each group of
    /// alerts in order, and each message once.
    topic_arn: Option<Template<Plain>>,
    /// A template of a phone's number with its country, e.g. `+345656787643`.
    phone_number: Option<Template<Plain>>,
    /// A template of the ARN of an endpoint, such as an app on a phone.
    target_arn: Option<Template<Plain>>,
    /// A template of the subject, which mails have, in place of the message's title.
    subject: Option<Template<Plain>>,
    /// A template of the message, in place of the built-in one.
    message: Option<Template<Plain>>,
    /// Templates of the message's attributes.
    #[serde(default)]
    attributes: BTreeMap<String, Template<Plain>>,
    /// How requests are made: headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
    /// The keys of the role.
    #[serde(skip)]
    session: Cache<Keys>,
}

impl Destination for Sns {
    const FACTS: Facts = Facts {
        kind: "sns",
        title: "Amazon SNS",
        about: "Publishes to a topic of Amazon SNS, or to a phone or an endpoint directly. Requests are \
                signed with an access key, or with those of a role that it may take on.",
        docs: "https://docs.aws.amazon.com/sns/latest/api/API_Publish.html",
        deduplicates: false,
    };
    const AUDIENCE: Audience = Audience::Machines;
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        let given = [&settings.topic_arn, &settings.phone_number, &settings.target_arn];
        if given.iter().filter(|it| it.is_some()).count() != 1 {
            return Err(
                "topic_arn: exactly one of `topic_arn`, `phone_number` and `target_arn` must be given"
                    .to_owned(),
            );
        }
        if settings.phone_number.is_some() && settings.region.is_none() {
            return Err("region: is needed for `phone_number`".to_owned());
        }
        if settings.attributes.len() > MAX_ATTRIBUTES {
            return Err(format!("attributes: more than {MAX_ATTRIBUTES}"));
        }
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let is_region = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !plain(&settings.access_key) {
            return Err("access_key: cannot stand in a header".to_owned());
        }
        if settings.region.as_deref().is_some_and(|region| region.is_empty() || !is_region(region)) {
            return Err("region: is none like eu-central-1".to_owned());
        }
        if settings.http.authorizes() {
            return Err("http: carries credentials, but requests are signed with the keys".to_owned());
        }
        match (&settings.role_arn, &settings.external_id, &settings.sts_url) {
            (None, Some(_), _) => return Err("external_id: needs a `role_arn`".to_owned()),
            (None, _, Some(_)) => return Err("sts_url: needs a `role_arn`".to_owned()),
            (Some(role), ..) if !role.starts_with("arn:") => {
                return Err("role_arn: is none like arn:aws:iam::123456789012:role/alerts".to_owned());
            }
            _ => {}
        }
        settings.sts_url.iter().try_for_each(|url| service::check_url("sts_url", url))?;
        settings.session_token.iter().try_for_each(|token| service::check_token("session_token", token))
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let publish = match Publish::of(settings, message) {
            Ok(publish) => publish,
            Err(reason) => return rejected(reason),
        };
        let url = match parse_url(&publish.url) {
            Ok(url) => url,
            Err(error) => return rejected(format!("api_url: {error}")),
        };
        let keys = match settings.keys(context, message, &publish.region).await {
            Ok(keys) => keys,
            Err(answer) => return answer,
        };
        let service = ("sns", publish.region.as_str());
        let result = keys.post(context, (settings, message), service, &url, publish.body()).await;
        let mut answer = meaning(result, context.now);
        if let (Outcome::Rejected { reason }, Some(_)) = (&answer.outcome, &settings.role_arn)
            && reason.contains(EXPIRED)
        {
            answer.outcome = Outcome::down(reason.clone());
            settings.session.lock().await.forget();
        }
        answer.hiding(&keys.secrets())
    }
}

fn rejected(reason: String) -> Answer {
    Answer::bare(Outcome::rejected(reason))
}

/// What is published, and where.
struct Publish {
    url: String,
    region: String,
    /// By name, as SNS's interface has them.
    fields: BTreeMap<String, String>,
}

impl Publish {
    fn of(settings: &Settings, message: &Message) -> Result<Self, String> {
        let words = Words::of(message);
        let mut fields = BTreeMap::new();
        let mut arn = String::new();
        let places = [
            ("topic_arn", "TopicArn", &settings.topic_arn),
            ("phone_number", "PhoneNumber", &settings.phone_number),
            ("target_arn", "TargetArn", &settings.target_arn),
        ];
        for (field, name, template) in places {
            let Some(template) = template else { continue };
            let text = words.text(field, Some(template), MAX_LINE_CHARS, String::new);
            if name != "PhoneNumber" {
                arn.clone_from(&text);
            }
            fields.insert(name.to_owned(), text);
        }
        if fields.get("TopicArn").is_some_and(|arn| arn.ends_with(".fifo")) {
            fields.insert("MessageGroupId".to_owned(), hash(&message.notification.group_key));
            fields.insert("MessageDeduplicationId".to_owned(), hash(&message.idempotency_key));
        }
        let (text, truncated) = text(settings, message, &words);
        fields.insert("Message".to_owned(), text);
        let subject = words.text("subject", settings.subject.as_ref(), usize::MAX, || message.title.clone());
        let subject = cut(&one_line(&subject), MAX_SUBJECT_CHARS);
        if !subject.is_empty() {
            fields.insert("Subject".to_owned(), subject);
        }
        attributes(settings, truncated, &words, &mut fields);
        fields.insert("Action".to_owned(), "Publish".to_owned());
        fields.insert("Version".to_owned(), VERSION.to_owned());
        let region = settings.region.clone().or_else(|| region_of(&arn));
        let region = region.ok_or_else(|| format!("region: is not given, and {arn:?} names none"))?;
        let url = words.text("api_url", settings.api_url.as_ref(), MAX_LINE_CHARS, String::new);
        // the service's path is below it, and is no more than a slash
        let url = if url.is_empty() {
            usual_url("sns", &region)
        } else {
            format!("{}/", url.trim_end_matches('/'))
        };
        Ok(Publish { url, region, fields })
    }

    fn body(&self) -> String {
        let mut form = Serializer::new(String::new());
        form.extend_pairs(&self.fields);
        form.finish()
    }
}

/// The message, and whether it had to be cut.
fn text(settings: &Settings, message: &Message, words: &Words<'_>) -> (String, bool) {
    let text = words.say("message", settings.message.as_ref()).unwrap_or_else(|| own_text(message));
    let short = match settings.phone_number {
        Some(_) => cut(&text, MAX_SMS_CHARS),
        None => cut_bytes(&text, MAX_MESSAGE_BYTES),
    };
    let truncated = short != text;
    (short, truncated)
}

fn own_text(message: &Message) -> String {
    let mut text = format!("{}\n\n{}", message.title, message.body);
    if let Some(link) = usable_url(&message.link) {
        text.push_str("\n\n");
        text.push_str(link);
    }
    text
}

fn attributes(
    settings: &Settings,
    truncated: bool,
    words: &Words<'_>,
    fields: &mut BTreeMap<String, String>,
) {
    let mut all = BTreeMap::new();
    for (name, template) in &settings.attributes {
        let field = format!("attributes.{name}");
        all.insert(name.as_str(), words.text(&field, Some(template), MAX_LINE_CHARS, String::new));
    }
    if truncated {
        all.insert("truncated", "true".to_owned());
    }
    // SNS refuses attributes that are empty
    for (n, (name, value)) in all.into_iter().filter(|(_, value)| !value.is_empty()).enumerate() {
        let at = |rest: &str| format!("MessageAttributes.entry.{}.{rest}", n + 1);
        fields.insert(at("Name"), name.to_owned());
        fields.insert(at("Value.DataType"), "String".to_owned());
        fields.insert(at("Value.StringValue"), value);
    }
}

/// `arn:aws:sns:us-east-2:123456789012:alerts` is in `us-east-2`.
fn region_of(arn: &str) -> Option<String> {
    let mut parts = arn.split(':');
    let region = (parts.next() == Some("arn")).then(|| parts.nth(2)).flatten()?;
    let fits = !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    fits.then(|| region.to_owned())
}

fn usual_url(service: &str, region: &str) -> String {
    let cloud = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{service}.{region}.{cloud}/")
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SNS answers in XML, and to who is too fast with a 400 of some kind.
fn meaning(result: Result<Response, HttpError>, now: Time) -> Answer {
    let body = result.as_ref().map(|response| answer_head(&response.body)).unwrap_or_default();
    let mut answer = Answer::from_http(result, now);
    let code = element(&body, "Code").unwrap_or_default();
    let said = element(&body, "Message").unwrap_or_default();
    let said = cut(&[code, said].join(": "), MAX_ERROR_CHARS);
    match &mut answer.outcome {
        Outcome::Delivered { receipt } => {
            *receipt = cut(element(&body, "MessageId").unwrap_or_default(), MAX_ERROR_CHARS);
        }
        Outcome::Rejected { reason } if !code.is_empty() => *reason = format!("{reason}: {said}"),
        _ => {}
    }
    if code.contains("Throttl") && matches!(answer.outcome, Outcome::Rejected { .. }) {
        answer.outcome = Outcome::Retry { after: None, reason: said, fault: Fault::Pace };
    }
    answer
}

/// The text of the first element of this name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text.trim())
}

#[cfg(test)]
mod tests {
    use super::sigv4::Signer;
    use super::*;
    use crate::messages;
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const TOPIC: &str = "arn:aws:sns:us-east-2:123456789012:alerts";

    fn settings(fields: Value) -> Settings {
        let mut all = json!({"access_key": "AKIDEXAMPLE", "secret_key": "hush"});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn exactly_one_place_in_a_region_that_is_known() {
        let refusal = |fields| Sns::check(&settings(fields)).unwrap_err();
        assert!(refusal(json!({})).starts_with("topic_arn: exactly one"));
        assert!(
            refusal(json!({"topic_arn": TOPIC, "target_arn": "x"})).starts_with("topic_arn: exactly one")
        );
        assert_eq!(refusal(json!({"phone_number": "+1"})), "region: is needed for `phone_number`");
        assert!(refusal(json!({"topic_arn": TOPIC, "region": "a b"})).starts_with("region: is none"));
        assert!(refusal(json!({"topic_arn": TOPIC, "external_id": "x"})).starts_with("external_id: needs"));
        assert!(refusal(json!({"topic_arn": TOPIC, "role_arn": "x"})).starts_with("role_arn: is none"));
        let publish = Publish::of(&settings(json!({"topic_arn": TOPIC})), &messages::firing()).unwrap();
        assert_eq!(
            (publish.region.as_str(), publish.url.as_str()),
            ("us-east-2", "https://sns.us-east-2.amazonaws.com/")
        );
        let lost = Publish::of(&settings(json!({"topic_arn": "alerts"})), &messages::firing());
        assert_eq!(lost.err().as_deref(), Some("region: is not given, and \"alerts\" names none"));
        assert_eq!(usual_url("sns", "cn-north-1"), "https://sns.cn-north-1.amazonaws.com.cn/");
    }

    #[test]
    fn a_topic_in_order_gets_each_message_once_and_each_group_in_order() {
        let settings = settings(
            json!({"topic_arn": format!("{TOPIC}.fifo"), "attributes": {"b": "{{ kind }}", "a": "", "c": "x"}}),
        );
        let all = messages::all().map(|(_, message)| Publish::of(&settings, &message).unwrap().fields);
        assert_eq!(all[0]["MessageGroupId"], all[2]["MessageGroupId"]);
        assert_ne!(all[0]["MessageDeduplicationId"], all[2]["MessageDeduplicationId"]);
        assert_eq!(all[0]["MessageAttributes.entry.1.Name"], "b");
        assert_eq!(all[0]["MessageAttributes.entry.2.Value.StringValue"], "x");
    }

    #[test]
    fn requests_are_signed_as_alertmanager_signs_them() {
        // recorded by tests/alertmanager/record.py
        let record = include_str!("../../tests/alertmanager/sns.json");
        let record: Vec<Value> = serde_json::from_str(record).unwrap();
        let secret_key = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let (access_key, region, service) = ("AKIDEXAMPLE", "us-east-2", "sns");
        let signer = Signer { access_key, secret_key: &secret_key, session_token: None, region, service };
        assert_eq!(record.len(), 3);
        for request in record {
            let text = |pointer: &str| request.pointer(pointer).unwrap().as_str().unwrap();
            let url = format!("http://{}{}", text("/headers/host"), text("/path")).parse().unwrap();
            let stamp = text("/headers/x-amz-date");
            let (date, clock) = (&stamp[..8], &stamp[9..15]);
            let date = format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..]);
            let clock = format!("{}:{}:{}", &clock[..2], &clock[2..4], &clock[4..]);
            let now: Time = format!("{date}T{clock}Z").parse().unwrap();
            let headers = signer.sign(&url, text("/headers/content-type"), text("/body").as_bytes(), now);
            let header = |name: &str| headers.iter().find(|(have, _)| *have == name).unwrap().1.clone();
            assert_eq!(header("x-amz-date"), stamp);
            assert_eq!(header("authorization"), text("/headers/authorization"));
        }
    }

    #[test]
    fn answers_are_read() {
        let said = |status, body: &'static str| {
            meaning(
                Ok(Response { status, headers: Vec::new(), body: Bytes::from_static(body.as_bytes()) }),
                Time::default(),
            )
            .outcome
        };
        let yes = "<PublishResponse><PublishResult><MessageId>567910cd</MessageId></PublishResult></PublishResponse>";
        assert_eq!(said(200, yes), Outcome::Delivered { receipt: "567910cd".to_owned() });
        let no = "<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code>\
            <Message>Topic does not exist</Message></Error></ErrorResponse>";
        assert_eq!(said(404, no), Outcome::rejected("answered 404: NotFound: Topic does not exist"));
        let slow = "<Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error>";
        assert!(matches!(said(400, slow), Outcome::Retry { fault: Fault::Pace, .. }));
        assert!(matches!(said(500, ""), Outcome::Retry { fault: Fault::Destination, .. }));
    }

    #[test]
    fn a_text_message_is_cut_and_says_so() {
        let long = json!({"phone_number": "+345", "region": "eu-west-1", "message": format!("{}", "x".repeat(1601))});
        let fields = Publish::of(&settings(long), &messages::firing()).unwrap().fields;
        assert_eq!(fields["Message"].chars().count(), MAX_SMS_CHARS);
        assert_eq!(fields["MessageAttributes.entry.1.Name"], "truncated");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_is_published_within_the_limits(message in messages::arbitrary()) {
            let publish = Publish::of(&settings(json!({"topic_arn": TOPIC})), &message).unwrap();
            prop_assert!(publish.fields["Message"].len() <= MAX_MESSAGE_BYTES);
            let subject = publish.fields.get("Subject").map(String::as_str).unwrap_or_default();
            prop_assert!(subject.chars().count() <= MAX_SUBJECT_CHARS && !subject.contains(char::is_control));
        }
    }
}
