//! Jira: an issue per group of alerts, found again by a label, updated, resolved and reopened.

mod issue;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::delivery::Outcome;
use model::receiver::Audience;
use reqwest::Method;
use schemars::JsonSchema;
use sdk::http::{HttpSettings, Response};
use sdk::{Answer, Context, Destination, Facts, Message, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::service::{self, Dialect};
use crate::template::{Plain, Template};
use crate::texts::Tree;
use crate::words::Words;

/// Characters of a project's key or an issue's type.
const MAX_NAME_CHARS: usize = 255;
/// How many issues of a group are looked at.
const MAX_FOUND: usize = 2;
/// How many transitions of an issue an error names.
const MAX_NAMED_TRANSITIONS: usize = 20;

const ANSWERS: Dialect = Dialect { reasons: &["/errorMessages", "/errors", "/message"], receipt: "/key" };

/// The kind `jira`.
pub struct Jira;

/// Which Jira, as whom, and what becomes of issues.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "url": "https://example.atlassian.net/rest/api/2",
    "username": "nightbell@example.org",
    "token": "the-api-token",
    "project": "OPS",
    "issue_type": "Bug",
    "resolve_transition": "Done",
}))]
pub struct Settings {
    /// Where Jira's REST API is, with its version. With version 3 descriptions are documents in Atlassian's format.
    url: String,
    /// Which Jira it is, which decides how it is searched.
    #[serde(default)]
    api_type: ApiType,
    /// The user's name or address, for Jira Cloud and for passwords.
    username: Option<String>,
    /// The user's API token or password; without `username`, a personal access token.
    token: Option<Secret>,
    /// A template of the project's key.
    project: Template<Plain>,
    /// A template of the issues' type, e.g. `Bug`.
    issue_type: Template<Plain>,
    /// A template of the summary, in place of the message's title.
    summary: Option<Template<Plain>>,
    /// Whether the summary of an issue that there is already changes with the news.
    #[serde(default = "yes")]
    update_summary: bool,
    /// A template of the description, in place of the built-in one. With version 3 of the API, JSON in Atlassian's
    /// document format is taken as such.
    description: Option<Template<Plain>>,
    /// Whether the description of an issue that there is already changes with the news.
    #[serde(default = "yes")]
    update_description: bool,
    /// Templates of labels, beside the one that the issue is found by.
    #[serde(default)]
    labels: Vec<Template<Plain>>,
    /// A template of the priority's name; empty for none.
    priority: Option<Template<Plain>>,
    /// Other fields, e.g. `customfield_10001`. Every text in them is a template.
    #[serde(default)]
    fields: BTreeMap<String, Tree>,
    /// The transition by which an issue is resolved once all is over, e.g. `Done`.
    resolve_transition: Option<String>,
    /// The transition by which an issue is opened again, e.g. `To Do`.
    reopen_transition: Option<String>,
    /// For how long after it was resolved an issue is opened again; later there is a new one.
    #[serde(default, with = "model::time::span::option")]
    #[schemars(with = "Option<String>", extend("format" = "span"))]
    reopen_for: Option<Duration>,
    /// The resolution of issues that nobody wants to hear of again: there is a new one.
    wont_fix_resolution: Option<String>,
    /// How requests are made: credentials, headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
}

fn yes() -> bool {
    true
}

/// Which Jira it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ApiType {
    /// Jira Cloud at `atlassian.net`, Jira Data Center elsewhere.
    #[default]
    Auto,
    /// Jira Cloud.
    Cloud,
    /// Jira Data Center or Server.
    Datacenter,
}

impl Destination for Jira {
    const FACTS: Facts = Facts {
        kind: "jira",
        title: "Jira",
        about: "Keeps an issue per group of alerts: makes it, updates it, resolves it when all is over, and \
                opens it again. The issue is found by the label `ALERT{…}`, as those are that \
                Alertmanager made.",
        docs: "https://developer.atlassian.com/cloud/jira/platform/rest/v3/intro/",
        deduplicates: true,
    };
    const AUDIENCE: Audience = Audience::Machines;
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        match &settings.username {
            Some(_) if settings.token.is_none() => return Err("token: is needed for `username`".to_owned()),
            Some(_) if !settings.http.authorizes() => {}
            _ => service::check_credentials(settings.token.as_ref(), &settings.http)?,
        }
        for (field, value) in [
            ("resolve_transition", &settings.resolve_transition),
            ("reopen_transition", &settings.reopen_transition),
            ("wont_fix_resolution", &settings.wont_fix_resolution),
        ] {
            if value.as_deref().is_some_and(str::is_empty) {
                return Err(format!("{field}: is empty"));
            }
        }
        if settings.reopen_for.is_some() && settings.reopen_transition.is_none() {
            return Err("reopen_for: needs a `reopen_transition`".to_owned());
        }
        service::check_url("url", &settings.url)
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let credentials = settings.credentials();
        let talk = Talk { context, settings, message, credentials: credentials.as_ref() };
        let answer = talk.tell().await.unwrap_or_else(|stop| stop);
        // the registry hides the settings' secrets, but does not know what was made of two of them
        answer.hiding(credentials.as_slice())
    }
}

impl Settings {
    /// What goes behind `Basic` or `Bearer`.
    fn credentials(&self) -> Option<Secret> {
        let token = self.token.as_ref()?;
        Some(match &self.username {
            Some(name) => Secret::new(STANDARD.encode(format!("{name}:{}", token.expose()))),
            None => token.clone(),
        })
    }

    /// Whether descriptions are documents: with version 3 of the API.
    fn has_documents(&self) -> bool {
        self.url.trim_end_matches('/').ends_with("/3")
    }

    fn search_url(&self) -> String {
        let url = self.url.trim_end_matches('/');
        let host = sdk::http::parse_url(url).ok().and_then(|url| url.host_str().map(str::to_owned));
        let at_atlassian =
            host.is_some_and(|host| host == "atlassian.net" || host.ends_with(".atlassian.net"));
        match self.api_type {
            // this way of searching is there in version 3 only
            ApiType::Cloud => format!("{url}/search/jql").replacen("/rest/api/2/", "/rest/api/3/", 1),
            ApiType::Auto if at_atlassian => {
                format!("{url}/search/jql").replacen("/rest/api/2/", "/rest/api/3/", 1)
            }
            ApiType::Auto | ApiType::Datacenter => format!("{url}/search"),
        }
    }

    /// The query for issues of a group that are open, or may be opened again.
    fn query(&self, project: &str, label: &str, firing: bool) -> String {
        let mut query = String::new();
        if let Some(resolution) = &self.wont_fix_resolution {
            // what is not resolved has no resolution, and no resolution is not another one either
            query = format!("(resolution is EMPTY or resolution != {}) and ", quoted(resolution));
        }
        let minutes = self.reopen_for.map_or(0, |span| span.as_secs() / 60);
        match &self.reopen_transition {
            Some(_) if firing && minutes > 0 => {
                query.push_str(&format!("(resolutiondate is EMPTY OR resolutiondate >= -{minutes}m) and "));
            }
            _ => query.push_str("statusCategory != Done and "),
        }
        query.push_str(&format!("project={} and labels={}", quoted(project), quoted(label)));
        query.push_str(" order by status ASC,resolutiondate DESC");
        query
    }
}

/// A text in Jira's query language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// An issue that was found.
#[derive(Deserialize)]
struct Found {
    key: String,
    #[serde(default)]
    fields: FoundFields,
}

#[derive(Default, Deserialize)]
struct FoundFields {
    status: Option<Value>,
}

impl Found {
    /// Whether it is done with; unknown where Jira does not say.
    fn is_done(&self) -> Option<bool> {
        let category = self.fields.status.as_ref()?.pointer("/statusCategory/key")?.as_str()?;
        Some(category == "done")
    }
}

#[derive(Deserialize)]
struct Search {
    issues: Vec<Found>,
}

#[derive(Deserialize)]
struct Transitions {
    transitions: Vec<Transition>,
}

#[derive(Deserialize)]
struct Transition {
    id: String,
    #[serde(default)]
    name: String,
}

/// The requests that one message takes. What ends it early is an error, be it good or bad.
struct Talk<'a> {
    context: &'a Context,
    settings: &'a Settings,
    message: &'a Message,
    credentials: Option<&'a Secret>,
}

impl Talk<'_> {
    async fn tell(&self) -> Result<Answer, Answer> {
        let words = Words::of(self.message);
        let project = words.text("project", Some(&self.settings.project), MAX_NAME_CHARS, String::new);
        let label = format!("ALERT{{{}}}", service::group_hash(self.message));
        let firing = self.message.notification.is_firing();
        let fields = issue::fields(self.settings, self.message, &words, &project, &label);
        drop(words);
        let Some(found) = self.search(&self.settings.query(&project, &label, firing)).await? else {
            return self.create(fields, firing).await;
        };
        let mut answer = self.update(&found, fields).await?;
        let transition = match found.is_done() {
            Some(true) if firing => self.settings.reopen_transition.as_deref(),
            Some(false) if !firing => self.settings.resolve_transition.as_deref(),
            _ => None,
        };
        if let Some(transition) = transition {
            answer = self.transit(&found.key, transition).await?;
        }
        answer.outcome = Outcome::Delivered { receipt: found.key };
        Ok(answer)
    }

    async fn search(&self, query: &str) -> Result<Option<Found>, Answer> {
        let search = json!({"jql": query, "maxResults": MAX_FOUND, "fields": ["status"]});
        let (_, response) = self.ask(Method::POST, &self.settings.search_url(), Some(&search)).await?;
        let search: Search = read(&response)?;
        Ok(search.issues.into_iter().next())
    }

    /// What is over already needs no issue.
    async fn create(&self, fields: Value, firing: bool) -> Result<Answer, Answer> {
        if !firing {
            let receipt = "there is no open issue".to_owned();
            return Ok(Answer::bare(Outcome::Delivered { receipt }));
        }
        let (answer, _) = self.ask(Method::POST, &self.at("issue"), Some(&json!({"fields": fields}))).await?;
        Ok(answer)
    }

    async fn update(&self, found: &Found, mut fields: Value) -> Result<Answer, Answer> {
        if let Some(fields) = fields.as_object_mut() {
            let kept = [
                ("summary", self.settings.update_summary),
                ("description", self.settings.update_description),
            ];
            for (name, _) in kept.into_iter().filter(|(_, update)| !update) {
                fields.remove(name);
            }
        }
        let url = self.at(&format!("issue/{}", found.key));
        self.ask(Method::PUT, &url, Some(&json!({"fields": fields}))).await.map(|(answer, _)| answer)
    }

    async fn transit(&self, key: &str, name: &str) -> Result<Answer, Answer> {
        let url = self.at(&format!("issue/{key}/transitions"));
        let (mut answer, response) = self.ask(Method::GET, &url, None).await?;
        let all: Transitions = read(&response)?;
        let Some(transition) = all.transitions.iter().find(|it| it.name == name) else {
            let names = all.transitions.iter().map(|it| it.name.as_str()).take(MAX_NAMED_TRANSITIONS);
            let names = names.collect::<Vec<_>>().join(", ");
            let reason = format!("{key} has no transition {name:?} at present; there are: {names}");
            answer.outcome = Outcome::rejected(reason);
            return Err(answer);
        };
        let wish = json!({"transition": {"id": transition.id}});
        self.ask(Method::POST, &url, Some(&wish)).await.map(|(answer, _)| answer)
    }

    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.settings.url.trim_end_matches('/'))
    }

    /// One request. Anything but 2xx ends the talk.
    async fn ask(
        &self,
        method: Method,
        url: &str,
        body: Option<&Value>,
    ) -> Result<(Answer, Response), Answer> {
        let request = service::request(self.context, self.message, url, &body);
        let mut request = request.map_err(|reason| Answer::bare(Outcome::rejected(reason)))?;
        request.method = method;
        let scheme = if self.settings.username.is_some() { "Basic" } else { "Bearer" };
        let credentials = self.credentials.map(|it| ("authorization", format!("{scheme} {}", it.expose())));
        request.headers.extend(credentials);
        // names of transitions are compared in one language
        request.headers.push(("accept-language", "en".to_owned()));
        if body.is_none() {
            request.body = bytes::Bytes::new();
            request.headers.retain(|(name, _)| *name != "content-type");
        }
        let result = self.context.http.with(&self.settings.http).send(request).await;
        let response = result.as_ref().ok().cloned();
        let answer = ANSWERS.answer(result, self.context.now);
        match (&answer.outcome, response) {
            (Outcome::Delivered { .. }, Some(response)) => Ok((answer, response)),
            _ => Err(answer),
        }
    }
}

/// What Jira answered, where only JSON of a certain shape will do.
fn read<T: serde::de::DeserializeOwned>(response: &Response) -> Result<T, Answer> {
    serde_json::from_slice(&response.body).map_err(|_| Answer {
        // a proxy's page, most likely
        outcome: Outcome::down(format!("answered {}, but not as Jira does", response.status)),
        status: Some(i64::from(response.status)),
        text: model::delivery::answer_head(&response.body),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn settings(fields: Value) -> Settings {
        let mut all = json!({"url": "https://jira.example/rest/api/2", "token": "t", "project": "OPS",
            "issue_type": "Bug"});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn issues_are_looked_for_where_they_may_be_wanted() {
        let query = |fields, firing| settings(fields).query("A \"B\"", "L", firing);
        let tail = r#"project="A \"B\"" and labels="L" order by status ASC,resolutiondate DESC"#;
        assert_eq!(query(json!({}), true), format!("statusCategory != Done and {tail}"));
        let reopens = json!({"reopen_transition": "Reopen", "reopen_for": "1h30m"});
        let recent = "(resolutiondate is EMPTY OR resolutiondate >= -90m) and ";
        assert_eq!(query(reopens.clone(), true), format!("{recent}{tail}"));
        assert_eq!(query(reopens, false), format!("statusCategory != Done and {tail}"));
        let unwanted = json!({"wont_fix_resolution": "No"});
        let head = r#"(resolution is EMPTY or resolution != "No") and statusCategory != Done and "#;
        assert_eq!(query(unwanted, true), format!("{head}{tail}"));
    }

    #[test]
    fn each_jira_is_searched_in_its_own_way() {
        let url = |fields| settings(fields).search_url();
        assert_eq!(url(json!({})), "https://jira.example/rest/api/2/search");
        let cloud = "https://x.atlassian.net/rest/api/2/";
        assert_eq!(url(json!({"url": cloud})), "https://x.atlassian.net/rest/api/3/search/jql");
        let center = json!({"url": cloud, "api_type": "datacenter"});
        assert_eq!(url(center), "https://x.atlassian.net/rest/api/2/search");
        assert_eq!(url(json!({"api_type": "cloud"})), "https://jira.example/rest/api/3/search/jql");
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let refusal = |fields| Jira::check(&settings(fields)).unwrap_err();
        assert_eq!(refusal(json!({"reopen_for": "1h"})), "reopen_for: needs a `reopen_transition`");
        assert_eq!(refusal(json!({"resolve_transition": ""})), "resolve_transition: is empty");
        assert_eq!(refusal(json!({"token": "a b"})), "token: cannot stand in a header");
        assert!(refusal(json!({"http": {"token": "x"}})).starts_with("http: carries credentials"));
        assert_eq!(refusal(json!({"token": null, "username": "x"})), "token: is needed for `username`");
        assert!(refusal(json!({"url": "jira"})).starts_with("url: not a URL"));
    }
}
