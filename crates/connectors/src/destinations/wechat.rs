//! WeChat Work (WeCom): messages by an application, with a token that is fetched first.

use std::time::Duration;

use model::Time;
use model::delivery::{Fault, Outcome, answer_head};
use schemars::JsonSchema;
use sdk::http::{HttpError, HttpSettings, Outgoing, Response};
use sdk::{Answer, Context, Destination, Facts, Message, Secret};
use serde::{Deserialize, Serialize};

use crate::service::{self, Cache};
use crate::template::{Plain, Template, cut};
use crate::words::{Words, cut_bytes, usable_url};

/// Bytes of a text, plain or Markdown: WeChat's own limit.
const MAX_CONTENT_BYTES: usize = 2048;
/// Characters of everything else.
const MAX_LINE_CHARS: usize = 1024;
/// Characters of what WeChat says of an error.
const MAX_ERROR_CHARS: usize = 200;
/// How long a token is used at the most, whatever WeChat says.
const MAX_TOKEN_SECONDS: u64 = 7200;
/// How long before its end a token is used no more.
const TOKEN_MARGIN_SECONDS: u64 = 60;

/// The kind `wechat`.
pub struct Wechat;

/// As which application, and to whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "corp_id": "ww0123456789abcdef",
    "secret": "the-secret",
    "agent_id": "1000002",
    "to_party": "2",
}))]
pub struct Settings {
    /// The company's id.
    corp_id: String,
    /// The application's secret.
    secret: Secret,
    /// A template of the application's id.
    agent_id: Template<Plain>,
    /// A template of who is told: ids with `|` between them, or `@all`.
    to_user: Option<Template<Plain>>,
    /// A template of which departments are told: ids with `|` between them.
    to_party: Option<Template<Plain>>,
    /// A template of which tags are told: ids with `|` between them.
    to_tag: Option<Template<Plain>>,
    /// Where WeChat's API is.
    #[serde(default = "wechat_api")]
    api_url: String,
    /// A template of the text, in place of the built-in one.
    message: Option<Template<Plain>>,
    /// How the text is shown.
    #[serde(default)]
    message_type: MessageType,
    /// How requests are made: credentials, headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
    /// The token that was fetched last: WeChat allows few of them a day.
    #[serde(skip)]
    token: Cache<Secret>,
}

fn wechat_api() -> String {
    "https://qyapi.weixin.qq.com/cgi-bin/".to_owned()
}

/// How a text is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum MessageType {
    /// As it is.
    #[default]
    Text,
    /// As Markdown, in WeChat Work only.
    Markdown,
}

impl Destination for Wechat {
    const FACTS: Facts = Facts {
        kind: "wechat",
        title: "WeChat Work",
        about: "Sends messages by an application of WeChat Work (WeCom).",
        docs: "https://developer.work.weixin.qq.com/document/path/90236",
        deduplicates: false,
    };
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.to_user.is_none() && settings.to_party.is_none() && settings.to_tag.is_none() {
            return Err("to_user: or `to_party` or `to_tag` must be given".to_owned());
        }
        if settings.corp_id.is_empty() {
            return Err("corp_id: is empty".to_owned());
        }
        service::check_url("api_url", &settings.api_url)
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let post = Post::of(settings, message);
        let token = match settings.token(context, message).await {
            Ok(token) => token,
            Err(answer) => return answer.hiding(&[Secret::new(query_of(settings.secret.expose()))]),
        };
        let url = format!("{}message/send?access_token={}", settings.api(), query_of(token.expose()));
        let meaning = |result| meaning(result, context.now);
        let (answer, verdict) = match service::request(context, message, &url, &post) {
            Ok(request) => meaning(context.http.with(&settings.http).send(request).await),
            Err(reason) => return Answer::bare(Outcome::rejected(reason)),
        };
        if verdict == Verdict::BadToken {
            settings.token.lock().await.forget();
        }
        answer.hiding(&[Secret::new(query_of(token.expose())), token])
    }
}

impl Settings {
    /// The API's address with a slash at its end.
    fn api(&self) -> String {
        format!("{}/", self.api_url.trim_end_matches('/'))
    }

    /// The token of last time while it is good, or a new one.
    async fn token(&self, context: &Context, message: &Message) -> Result<Secret, Answer> {
        // who waits here wants the same token
        let mut cached = self.token.lock().await;
        if let Some(token) = cached.good_at(context.now) {
            return Ok(token.clone());
        }
        let (corp_id, secret) = (query_of(&self.corp_id), query_of(self.secret.expose()));
        let url = format!("{}gettoken?corpid={corp_id}&corpsecret={secret}", self.api());
        let request = Outgoing {
            url: &url,
            method: reqwest::Method::GET,
            headers: vec![("idempotency-key", message.idempotency_key.clone())],
            body: bytes::Bytes::new(),
            timeout: context.timeout,
        };
        let result = context.http.with(&self.http).send(request).await;
        let reply = result.as_ref().ok().and_then(|it| serde_json::from_slice::<Reply>(&it.body).ok());
        let (mut answer, verdict) = meaning(result, context.now);
        if verdict == Verdict::BadToken {
            // there is no token yet: it is the secret that is bad
            answer.outcome = Outcome::rejected(answer.outcome.words());
        }
        match reply {
            Some(reply) if verdict == Verdict::Yes && !reply.access_token.is_empty() => {
                let seconds = reply.expires_in.clamp(TOKEN_MARGIN_SECONDS, MAX_TOKEN_SECONDS);
                let span = Duration::from_secs(seconds - TOKEN_MARGIN_SECONDS);
                let token = Secret::new(reply.access_token);
                cached.keep(token.clone(), context.now + span);
                Ok(token)
            }
            _ if verdict == Verdict::Yes => {
                answer.outcome = Outcome::down("WeChat gave no token");
                Err(answer)
            }
            _ => Err(answer),
        }
    }
}

/// Fit to stand in a query.
fn query_of(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// What is posted.
#[derive(Serialize)]
struct Post {
    #[serde(skip_serializing_if = "String::is_empty")]
    touser: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    toparty: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    totag: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    agentid: String,
    msgtype: MessageType,
    safe: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Content>,
    #[serde(skip_serializing_if = "Option::is_none")]
    markdown: Option<Content>,
}

#[derive(Serialize)]
struct Content {
    content: String,
}

impl Post {
    fn of(settings: &Settings, message: &Message) -> Self {
        let words = Words::of(message);
        let line = |field: &str, template: Option<&Template<Plain>>| {
            words.text(field, template, MAX_LINE_CHARS, String::new)
        };
        let text = words.say("message", settings.message.as_ref()).unwrap_or_else(|| own_text(message));
        let content = Some(Content { content: cut_bytes(&text, MAX_CONTENT_BYTES) });
        let (text, markdown) = match settings.message_type {
            MessageType::Text => (content, None),
            MessageType::Markdown => (None, content),
        };
        Post {
            touser: line("to_user", settings.to_user.as_ref()),
            toparty: line("to_party", settings.to_party.as_ref()),
            totag: line("to_tag", settings.to_tag.as_ref()),
            agentid: line("agent_id", Some(&settings.agent_id)),
            msgtype: settings.message_type,
            safe: "0",
            text,
            markdown,
        }
    }
}

/// Title, text and link. Where there is too much of it, the text is cut.
fn own_text(message: &Message) -> String {
    let link = usable_url(&message.link).unwrap_or_default();
    let title = cut_bytes(&message.title, MAX_CONTENT_BYTES / 2);
    let room = MAX_CONTENT_BYTES.saturating_sub(title.len() + link.len() + "\n\n\n\n".len());
    let parts = [title.as_str(), &cut_bytes(&message.body, room), link];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// What WeChat answers, as far as it matters.
#[derive(Deserialize)]
struct Reply {
    errcode: i64,
    #[serde(default)]
    errmsg: String,
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    expires_in: u64,
    #[serde(default)]
    msgid: String,
}

/// What matters beside the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Yes,
    No,
    BadToken,
}

/// WeChat says `200` to everything; what it means is in the body. The codes are those of
/// <https://developer.work.weixin.qq.com/document/path/90313>.
fn meaning(result: Result<Response, HttpError>, now: Time) -> (Answer, Verdict) {
    let response = match result {
        Ok(response) if response.status == 200 => response,
        other => return (Answer::from_http(other, now), Verdict::No),
    };
    let (outcome, verdict) = match serde_json::from_slice::<Reply>(&response.body) {
        Ok(reply) => judge(&reply),
        // a proxy's page, most likely
        Err(_) => (Outcome::down("answered 200, but not as WeChat does"), Verdict::No),
    };
    (Answer { outcome, status: Some(200), text: answer_head(&response.body) }, verdict)
}

fn judge(reply: &Reply) -> (Outcome, Verdict) {
    let reason = format!("WeChat says: {} ({})", cut(&reply.errmsg, MAX_ERROR_CHARS), reply.errcode);
    match reply.errcode {
        0 => (Outcome::Delivered { receipt: cut(&reply.msgid, MAX_ERROR_CHARS) }, Verdict::Yes),
        // busy
        -1 => (Outcome::down(reason), Verdict::No),
        // too many requests: in all, of this kind, to these people
        45009 | 45033 | 45047 => (Outcome::Retry { after: None, reason, fault: Fault::Pace }, Verdict::No),
        // the token is wrong, is missing, or has run out
        40014 | 41001 | 42001 => (Outcome::down(reason), Verdict::BadToken),
        _ => (Outcome::rejected(reason), Verdict::No),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::json;

    fn settings(fields: serde_json::Value) -> Settings {
        let mut all = json!({"corp_id": "c", "secret": "s", "agent_id": "7", "to_user": "@all"});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn two_hundred_is_not_always_yes() {
        let said = |body: &'static str| {
            let response =
                Response { status: 200, headers: Vec::new(), body: Bytes::from_static(body.as_bytes()) };
            let (answer, verdict) = meaning(Ok(response), Time::default());
            (answer.outcome, verdict)
        };
        let yes = Outcome::Delivered { receipt: "m1".to_owned() };
        assert_eq!(said(r#"{"errcode":0,"errmsg":"ok","msgid":"m1"}"#), (yes, Verdict::Yes));
        let (outcome, verdict) = said(r#"{"errcode":42001,"errmsg":"access_token expired"}"#);
        assert!(matches!(outcome, Outcome::Retry { fault: Fault::Destination, .. }), "{outcome:?}");
        assert_eq!(verdict, Verdict::BadToken);
        let (outcome, _) = said(r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#);
        assert!(matches!(outcome, Outcome::Retry { fault: Fault::Pace, .. }), "{outcome:?}");
        let (outcome, _) = said(r#"{"errcode":-1,"errmsg":"system busy"}"#);
        assert!(matches!(outcome, Outcome::Retry { fault: Fault::Destination, .. }), "{outcome:?}");
        let refused = Outcome::rejected("WeChat says: invalid agentid (40056)");
        assert_eq!(said(r#"{"errcode":40056,"errmsg":"invalid agentid"}"#), (refused, Verdict::No));
        let (outcome, _) = said("<html>");
        assert!(matches!(outcome, Outcome::Retry { fault: Fault::Destination, .. }), "{outcome:?}");
    }

    #[test]
    fn somebody_must_be_told() {
        let all = json!({"corp_id": "c", "secret": "s", "agent_id": "7"});
        let error = Wechat::check(&serde_json::from_value(all).unwrap()).unwrap_err();
        assert_eq!(error, "to_user: or `to_party` or `to_tag` must be given");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_a_post_within_the_limits(message in messages::arbitrary()) {
            for fields in [json!({}), json!({"message": "{{ body }}{{ body }}"})] {
                let post = Post::of(&settings(fields), &message);
                prop_assert!(post.text.unwrap().content.len() <= MAX_CONTENT_BYTES);
            }
        }
    }
}
