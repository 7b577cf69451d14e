//! What an issue says.

use sdk::Message;
use serde_json::{Map, Value, json};

use super::{MAX_NAME_CHARS, Settings};
use crate::template::cut;
use crate::words::{Words, links, one_line};

/// Characters of a summary: Jira's own limit.
const MAX_SUMMARY_CHARS: usize = 255;
/// Characters of a description: Jira's own limit.
const MAX_DESCRIPTION_CHARS: usize = 32_767;
/// Characters of a description in our own words, so that its markup fits in as well.
const MAX_BODY_CHARS: usize = 20_000;
/// Characters of a label: Jira's own limit.
const MAX_LABEL_CHARS: usize = 255;

/// The fields of a group's issue.
pub(super) fn fields(
    settings: &Settings,
    message: &Message,
    words: &Words<'_>,
    project: &str,
    label: &str,
) -> Value {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    let kind = words.text("issue_type", Some(&settings.issue_type), MAX_NAME_CHARS, String::new);
    set("project", json!({"key": project}));
    set("issuetype", json!({"name": kind}));
    let summary = words.text("summary", settings.summary.as_ref(), usize::MAX, || message.title.clone());
    set("summary", cut(&one_line(&summary), MAX_SUMMARY_CHARS).into());
    if let Some(description) = description(settings, message, words) {
        set("description", description);
    }
    let mut labels = vec![label.to_owned()];
    for (n, template) in settings.labels.iter().enumerate() {
        labels.push(words.text(&format!("labels[{n}]"), Some(template), MAX_LABEL_CHARS, String::new));
    }
    labels.retain(|label| !label.is_empty());
    labels.sort();
    labels.dedup();
    set("labels", labels.into());
    let priority = words.text("priority", settings.priority.as_ref(), MAX_NAME_CHARS, String::new);
    if !priority.is_empty() {
        set("priority", json!({"name": priority}));
    }
    for (name, tree) in &settings.fields {
        set(name, tree.say(&format!("fields.{name}"), words));
    }
    Value::Object(fields)
}

fn description(settings: &Settings, message: &Message, words: &Words<'_>) -> Option<Value> {
    let said = words.say("description", settings.description.as_ref());
    let documents = settings.has_documents();
    match said {
        None if documents => Some(document(&cut(&message.body, MAX_BODY_CHARS), message)),
        None => Some(markup(message).into()),
        Some(text) if documents => match serde_json::from_str::<Value>(text.trim()) {
            Ok(value @ Value::Object(_)) => Some(value),
            _ if text.trim().is_empty() => None,
            _ => Some(paragraphs(vec![paragraph(text.trim())])),
        },
        Some(text) if text.is_empty() => None,
        Some(text) => Some(cut(&text, MAX_DESCRIPTION_CHARS).into()),
    }
}

/// Our own words in Jira's markup: the text as it is, and links.
fn markup(message: &Message) -> String {
    const FRAME: &str = "{noformat}";
    // nothing in between may end the frame
    let body = cut(&message.body, MAX_BODY_CHARS).replace(FRAME, "{ noformat }");
    let links = links(message).map(|(title, url)| {
        let title = one_line(title).replace(['[', ']', '|', '{', '}'], " ");
        format!("[{title}|{}]", url.replace(']', "%5D").replace('|', "%7C"))
    });
    let links: Vec<String> = links.collect();
    let text = format!("{FRAME}\n{body}\n{FRAME}\n{}", links.join(" · "));
    cut(text.trim_end(), MAX_DESCRIPTION_CHARS)
}

/// Our own words as a document
/// (<https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/>).
fn document(body: &str, message: &Message) -> Value {
    let mut content = vec![paragraph(body)];
    let mut line = Vec::new();
    for (title, url) in links(message).filter(|(title, _)| !title.is_empty()) {
        if !line.is_empty() {
            line.push(json!({"type": "text", "text": " · "}));
        }
        let marks = json!([{"type": "link", "attrs": {"href": url}}]);
        line.push(json!({"type": "text", "text": title, "marks": marks}));
    }
    if !line.is_empty() {
        content.push(json!({"type": "paragraph", "content": line}));
    }
    paragraphs(content)
}

fn paragraphs(content: Vec<Value>) -> Value {
    json!({"type": "doc", "version": 1, "content": content})
}

/// Lines one below the other. A document has no empty texts.
fn paragraph(text: &str) -> Value {
    let mut content = Vec::new();
    for (n, line) in text.lines().enumerate() {
        if n > 0 {
            content.push(json!({"type": "hardBreak"}));
        }
        if !line.is_empty() {
            content.push(json!({"type": "text", "text": line}));
        }
    }
    json!({"type": "paragraph", "content": content})
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;
    use crate::messages;
    use proptest::prelude::*;

    fn issue(settings: &Settings, message: &Message) -> Value {
        fields(settings, message, &Words::of(message), "OPS", "ALERT{1}")
    }

    #[test]
    fn own_documents_are_taken_as_such_and_texts_become_some() {
        let description = |text: &str| {
            let all = json!({"url": "https://x.atlassian.net/rest/api/3/", "description": text});
            issue(&settings(all), &messages::firing())["description"].clone()
        };
        assert_eq!(description(r#" {"type": "doc"} "#), json!({"type": "doc"}));
        assert_eq!(description(" \n"), Value::Null);
        let lines =
            json!([{"type": "text", "text": "a"}, {"type": "hardBreak"}, {"type": "text", "text": "b"}]);
        assert_eq!(description("a\nb")["content"], json!([{"type": "paragraph", "content": lines}]));
    }

    #[test]
    fn fields_of_one_s_own_are_templates_all_the_way_down() {
        let all = json!({"labels": ["{{ labels.team }}", ""], "priority": "{{ labels.none }}",
            "fields": {"customfield_1": [{"value": "{{ labels.team }}"}, 7], "environment": "x"}});
        let issue = issue(&settings(all), &messages::firing());
        assert_eq!(issue["customfield_1"], json!([{"value": "db"}, 7]));
        assert_eq!((&issue["environment"], &issue["priority"]), (&json!("x"), &Value::Null));
        assert_eq!(issue["labels"], json!(["ALERT{1}", "db"]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_an_issue_within_the_limits(message in messages::arbitrary()) {
            let issue = issue(&settings(json!({})), &message);
            let chars = |name: &str| issue[name].as_str().unwrap().chars().count();
            prop_assert!(chars("summary") <= MAX_SUMMARY_CHARS && chars("description") <= MAX_DESCRIPTION_CHARS);
            prop_assert!(!issue["summary"].as_str().unwrap().contains(char::is_control));
        }
    }
}
