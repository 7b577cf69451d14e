//! Keys to sign with: those of the settings, or those of a role, which do not last and are had from AWS's Security
//! Token Service (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>).

use std::time::Duration;

use model::Time;
use sdk::http::{HttpError, Outgoing, Response, parse_url};
use sdk::secret::REDACTED;
use sdk::{Answer, Context, Message, Secret};
use url::Url;
use url::form_urlencoded::Serializer;

use super::sigv4::Signer;
use super::{CONTENT_TYPE, Settings, element, meaning, usual_url};

/// The version of the service's interface.
const VERSION: &str = "2011-06-15";
/// What a session is called, which AWS's own records show.
const SESSION_NAME: &str = "nightbell";
/// How long before their end keys are used no more.
const SPARE: Duration = Duration::from_secs(300);

/// What requests are signed with.
#[derive(Clone)]
pub(super) struct Keys {
    access_key: String,
    secret_key: Secret,
    session_token: Option<Secret>,
}

impl Keys {
    /// What no answer may show.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        self.session_token.iter().cloned().chain([self.secret_key.clone()]).collect()
    }

    /// A signed POST of a form to a service.
    pub(super) async fn post(
        &self,
        context: &Context,
        (settings, message): (&Settings, &Message),
        (service, region): (&str, &str),
        url: &Url,
        form: String,
    ) -> Result<Response, HttpError> {
        let (access_key, secret_key) = (self.access_key.as_str(), &self.secret_key);
        let session_token = self.session_token.as_ref();
        let signer = Signer { access_key, secret_key, session_token, region, service };
        let mut headers = signer.sign(url, CONTENT_TYPE, form.as_bytes(), context.now);
        headers.push(("content-type", CONTENT_TYPE.to_owned()));
        headers.push(("idempotency-key", message.idempotency_key.clone()));
        let method = reqwest::Method::POST;
        let (body, timeout) = (form.into(), context.timeout);
        let request = Outgoing { url: url.as_str(), method, headers, body, timeout };
        context.http.with(&settings.http).send(request).await
    }

    /// The keys that an answer of the service brings, and until when they are good.
    fn read(response: &Response) -> Option<(Self, Time)> {
        let xml = std::str::from_utf8(&response.body).ok().filter(|_| response.status == 200)?;
        let text = |name| element(xml, name).filter(|text| !text.is_empty());
        let keys = Keys {
            access_key: text("AccessKeyId")?.to_owned(),
            secret_key: Secret::new(text("SecretAccessKey")?),
            session_token: Some(Secret::new(text("SessionToken")?)),
        };
        Some((keys, text("Expiration")?.parse().ok()?))
    }
}

impl Settings {
    /// The keys of the settings, or those of the role: the ones of last time while they are good.
    ///
    /// # Errors
    /// What the service answered instead.
    pub(super) async fn keys(
        &self,
        context: &Context,
        message: &Message,
        region: &str,
    ) -> Result<Keys, Answer> {
        let own = Keys {
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
            session_token: self.session_token.clone(),
        };
        let Some(role) = &self.role_arn else { return Ok(own) };
        // who waits here wants the same keys
        let mut session = self.session.lock().await;
        if let Some(keys) = session.good_at(context.now) {
            return Ok(keys.clone());
        }
        let url = self.sts_url.clone().unwrap_or_else(|| usual_url("sts", region));
        let url = parse_url(&url).map_err(|error| super::rejected(format!("sts_url: {error}")))?;
        let form = request(role, self.external_id.as_deref());
        let result = own.post(context, (self, message), ("sts", region), &url, form).await;
        match result.as_ref().ok().and_then(Keys::read) {
            Some((keys, end)) => {
                session.keep(keys.clone(), end - SPARE);
                Ok(keys)
            }
            None => Err(no_keys(meaning(result, context.now)).hiding(&own.secrets())),
        }
    }
}

/// The form that asks for the keys of a role.
fn request(role: &str, external_id: Option<&str>) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("Action", "AssumeRole").append_pair("Version", VERSION);
    form.append_pair("RoleArn", role).append_pair("RoleSessionName", SESSION_NAME);
    external_id.iter().for_each(|id| {
        form.append_pair("ExternalId", id);
    });
    form.finish()
}

/// An answer that brings no keys is no success, whatever its status.
fn no_keys(mut answer: Answer) -> Answer {
    use model::delivery::Outcome;
    let about = |said: &str| format!("the role was not had: {said}");
    match &mut answer.outcome {
        Outcome::Rejected { reason } | Outcome::Retry { reason, .. } => *reason = about(reason),
        taken => {
            *taken = Outcome::down(about("there are no keys in the answer"));
            // or some that could not be read
            answer.text = REDACTED.to_owned();
        }
    }
    answer
}
