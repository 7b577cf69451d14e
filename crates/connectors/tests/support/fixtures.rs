//! One line per destination, or per way of using it: with which settings it talks to which scripted peer.
//!
//! A new destination is covered by all of the conformance suite and the golden messages with a line here.

use sdk::{Answer, Context, Message};
use serde_json::{Value, json};

use super::http_peer::{HttpPeer, Say, Seen};
use super::smtp_peer::SmtpPeer;
use super::tcp_peer::TcpPeer;
use super::{SECRET, readable};

/// What is at the other end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Http,
    Smtp,
    Tcp,
    File,
    Inbox,
}

/// Where the peer is.
pub struct Place {
    pub port: u16,
    pub file: std::path::PathBuf,
}

impl Place {
    /// A URL whose path is a secret.
    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks/{SECRET}", self.port)
    }

    /// A URL that is no secret.
    fn open_url(&self) -> String {
        format!("http://127.0.0.1:{}/api", self.port)
    }
}

/// A way of using a destination.
pub struct Fixture {
    /// The name of its golden messages.
    pub name: &'static str,
    pub kind: &'static str,
    pub peer: Peer,
    pub settings: fn(&Place) -> Value,
    /// What a service says that means yes only by the right words.
    pub says: Option<fn(&Seen) -> &'static str>,
}

impl Fixture {
    const fn saying(mut self, says: fn(&Seen) -> &'static str) -> Self {
        self.says = Some(says);
        self
    }
}

const fn line(name: &'static str, kind: &'static str, peer: Peer, settings: fn(&Place) -> Value) -> Fixture {
    Fixture { name, kind, peer, settings, says: None }
}

pub const FIXTURES: &[Fixture] = &[
    line("webhook", "webhook", Peer::Http, |at| json!({"url": at.url()})),
    line("webhook-nightbell", "webhook", Peer::Http, |at| {
        json!({"url": at.url(), "format": "nightbell", "username": "me",
            "password": format!("{SECRET}-pw")})
    }),
    line("webhook-signed", "webhook", Peer::Http, |at| {
        json!({"url": at.url(), "method": "PUT", "headers": {"X-Key": format!("{SECRET}-key")},
            "bearer_token": format!("{SECRET}-token"),
            "signing_secret": "new", "old_signing_secrets": ["old"],
            "body": "{{ kind }}: {{ title }}\n{{ labels.team }}\n",
            "content_type": "text/plain; charset=utf-8"})
    }),
    line("webhook-http", "webhook", Peer::Http, |at| {
        json!({"url": at.url(), "http": {"token": format!("{SECRET}-token"), "token_type": "Key",
            "headers": {"X-Key": [format!("{SECRET}-one"), format!("{SECRET}-two")]}}})
    }),
    line(
        "slack",
        "slack",
        Peer::Http,
        |at| json!({"url": at.url(), "username": "Bell", "icon_emoji": ":bell:", "link_names": true}),
    ),
    line("slack-token", "slack", Peer::Http, |at| {
        json!({"token": format!("xoxb-{SECRET}"), "channel": "#ops",
            "api_url": format!("http://127.0.0.1:{}/api/", at.port),
            "title": "{{ labels.team }}: {{ title }}", "text": "*{{ labels.note }}*"})
    }),
    line("mattermost", "mattermost", Peer::Http, |at| json!({"url": at.url(), "channel": "alerts"})),
    line("mattermost-own", "mattermost", Peer::Http, |at| {
        json!({"url": at.url(), "username": "Bell", "icon_emoji": "bell", "card": "{{ body }}",
            "priority": {"priority": "urgent", "requested_ack": true}, "text": "@channel",
            "attachments": [{"title": "{{ title }}", "color": "#123456", "footer": "of {{ labels.team }}",
                "fields": [{"title": "Team", "value": "{{ labels.team }}", "short": true}]}]})
    }),
    line("rocketchat", "rocketchat", Peer::Http, |at| {
        json!({"api_url": format!("http://127.0.0.1:{}/", at.port), "token": format!("{SECRET}-token"),
            "user_id": format!("{SECRET}-user"), "channel": "#ops"})
    })
    .saying(|_| r#"{"success":true,"message":{"_id":"7aDSXtjMA3KPLxLjt"}}"#),
    line("rocketchat-webhook", "rocketchat", Peer::Http, |at| {
        json!({"url": at.url(), "alias": "Bell", "emoji": ":bell:", "title": "{{ title }}",
            "text": "{{ labels.team }}", "color": "red", "fields": [], "actions": [{"text": "Mine", "msg": "!ack"}]})
    })
    .saying(|_| r#"{"success":true}"#),
    line("webex", "webex", Peer::Http, |at| {
        json!({"api_url": format!("http://127.0.0.1:{}/v1/messages", at.port), "token": format!("{SECRET}-token"), "room_id": "room-{{ labels.team }}"})
    }),
    line("ntfy", "ntfy", Peer::Http, |at| {
        json!({"server": format!("http://127.0.0.1:{}", at.port), "topic": "{{ labels.team }}",
            "token": format!("tk_{SECRET}")})
    }),
    line("gotify", "gotify", Peer::Http, |at| {
        json!({"server": format!("http://127.0.0.1:{}/push/", at.port), "token": format!("A.{SECRET}")})
    }),
    line("incidentio", "incidentio", Peer::Http, |at| json!({"url": at.url(), "token": format!("{SECRET}-token")})),
    line("sns", "sns", Peer::Http, |at| {
        json!({"api_url": format!("http://127.0.0.1:{}", at.port), "access_key": "AKIDEXAMPLE",
            "secret_key": "hush", "session_token": format!("{SECRET}-token"),
            "topic_arn": "arn:aws:sns:us-east-2:123456789012:{{ labels.team }}.fifo",
            "attributes": {"team": "{{ labels.team }}"}})
    }),
    line("sns-role", "sns", Peer::Http, |at| {
        json!({"api_url": format!("http://127.0.0.1:{}", at.port), "sts_url": at.open_url(),
            "access_key": "AKIDEXAMPLE", "secret_key": format!("{SECRET}-key"), "external_id": "bell",
            "session_token": format!("{SECRET}-own"),
            "role_arn": "arn:aws:iam::123456789012:role/alerts",
            "topic_arn": "arn:aws:sns:us-east-2:123456789012:{{ labels.team }}"})
    })
    .saying(|seen| match seen.body.starts_with("Action=AssumeRole") {
        true => {
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIASESSION</AccessKeyId>\
             <SecretAccessKey>s3cr3t-session</SecretAccessKey><SessionToken>s3cr3t-token</SessionToken>\
             <Expiration>2026-11-14T13:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        }
        false => "<PublishResponse><MessageId>m1</MessageId></PublishResponse>",
    }),
    line("wechat", "wechat", Peer::Http, |at| {
        json!({"api_url": format!("http://127.0.0.1:{}/cgi-bin", at.port), "corp_id": "ww01",
            "secret": format!("{SECRET}-secret"), "agent_id": "7", "to_party": "{{ labels.team }}"})
    })
    .saying(|seen| match seen.head.starts_with("GET /cgi-bin/gettoken?") {
        true => r#"{"errcode":0,"errmsg":"ok","access_token":"tok","expires_in":7200}"#,
        false => r#"{"errcode":0,"errmsg":"ok","msgid":"m1"}"#,
    }),
    line("jira", "jira", Peer::Http, |at| {
        json!({"url": format!("http://127.0.0.1:{}/rest/api/2", at.port), "username": "bell@example.org",
            "token": format!("{SECRET}-token"), "project": "OPS", "issue_type": "Bug", "labels": ["{{ labels.team }}"],
            "resolve_transition": "Done", "reopen_transition": "Reopen", "reopen_for": "1h",
            "fields": {"customfield_10001": {"value": "{{ labels.team }}"}}})
    })
    .saying(|seen| match seen.head.lines().next() {
        Some(line) if line.contains("/search") && seen.body.contains("resolutiondate is EMPTY") => r#"{"issues":[]}"#,
        Some(line) if line.contains("/search") => {
            r#"{"issues":[{"key":"OPS-7","fields":{"status":{"statusCategory":{"key":"indeterminate"}}}}]}"#
        }
        Some(line) if line.starts_with("GET ") => r#"{"transitions":[{"id":"31","name":"Done"}]}"#,
        _ => r#"{"key":"OPS-8"}"#,
    }),
    line("jira-cloud", "jira", Peer::Http, |at| {
        json!({"url": format!("http://127.0.0.1:{}/rest/api/3", at.port), "api_type": "cloud",
            "token": format!("{SECRET}-token"), "project": "OPS", "issue_type": "Bug",
            "update_summary": false, "priority": "High", "wont_fix_resolution": "Won't \"Fix\""})
    })
    .saying(|_| {
        r#"{"issues":[{"key":"OPS-7","fields":{"status":{"statusCategory":{"key":"new"}}}}]}"#
    }),
    line("email", "email", Peer::Smtp, |at| {
        json!({"host": "127.0.0.1", "port": at.port, "tls": "none", "from": "Nightbell <bell@example.org>",
            "to": ["ops@example.org", "Änn <ann@example.org>"], "headers": {"X-Team": "db"}})
    }),
    line("sms", "sms", Peer::Smtp, |at| {
        json!({"host": "127.0.0.1", "port": at.port, "tls": "none", "from": "bell@example.org",
            "gateway": "sms@example.com", "phone_number": "+345656787643"})
    }),
    line("sms-recipient", "sms", Peer::Smtp, |at| {
        json!({"host": "127.0.0.1", "port": at.port, "tls": "none", "from": "bell@example.org",
            "gateway": "sms@example.com", "phone_number": "+345656787643", "number_in": "recipient",
            "text": "{{ labels.team }}: {{ labels.alertname }}"})
    }),
    line("tcp", "tcp", Peer::Tcp, |at| json!({"host": "127.0.0.1", "port": at.port})),
    line(
        "tcp-template",
        "tcp",
        Peer::Tcp,
        |at| json!({"host": "127.0.0.1", "port": at.port, "body": "PAGE {{ title }}", "expect": "OK"}),
    ),
    line("exec", "exec", Peer::File, |at| {
        let script = "cat > \"$OUT\"; echo >> \"$OUT\"; env | grep ^NIGHTBELL_ | sort >> \"$OUT\"";
        json!({"program": "sh", "args": ["-c", script], "env": {"OUT": at.file, "KEY": SECRET}})
    }),
    line("log", "log", Peer::File, |at| json!({"path": at.file, "fsync": true})),
    line("inbox", "inbox", Peer::Inbox, |_| json!({})),
    line(
        "pagerduty",
        "pagerduty",
        Peer::Http,
        |at| json!({"routing_key": format!("{SECRET}-key"), "url": at.open_url()}),
    ),
    line("pagerduty-own", "pagerduty", Peer::Http, |at| {
        json!({"routing_key": format!("{SECRET}-{{{{ labels.team }}}}"), "url": at.open_url(), "severity": "warning",
            "description": "{{ title | upper }}", "source": "prod", "class": "disk", "component": "data",
            "group": "{{ labels.team }}", "client": "Hub", "client_url": "https://hub.example",
            "details": {"team": "{{ labels.team }}", "alerts": "{{ alerts | length }}"},
            "images": [{"src": "https://x.example/graph.png", "alt": "graph"}],
            "links": [{"href": "https://x.example", "text": "{{ labels.team }}"}]})
    }),
    line("pagerduty-v1", "pagerduty", Peer::Http, |at| {
        json!({"service_key": format!("{SECRET}-key"), "url": at.open_url(), "details": {"team": "{{ labels.team }}"}})
    }),
    line("opsgenie", "opsgenie", Peer::Http, |at| {
        json!({"api_key": format!("{SECRET}-key"), "api_url": at.open_url()})
    }),
    line("opsgenie-own", "opsgenie", Peer::Http, |at| {
        json!({"api_key": format!("{SECRET}-{{{{ labels.team }}}}"), "api_url": format!("{}/", at.open_url()),
            "message": "{{ title }}", "description": "{{ labels.team }}", "source": "hub", "note": "now",
            "details": {"who": "{{ labels.team }}"}, "entity": "disk", "actions": "ping, restart",
            "tags": "prod,{{ labels.team }}", "priority": "P4", "update_alerts": true,
            "responders": [{"type": "team", "name": "{{ labels.team }}"}]})
    }),
    line("discord", "discord", Peer::Http, |at| json!({"url": at.url()})),
    line("discord-own", "discord", Peer::Http, |at| {
        json!({"url": at.url(), "content": "<@&1> {{ labels.team }}", "title": "{{ title }}", "message": "{{ body }}",
            "username": "Bell", "avatar_url": "https://x.example/bell.png"})
    }),
    line("msteams", "msteams", Peer::Http, |at| json!({"url": at.url()})),
    line("msteams-own", "msteams", Peer::Http, |at| {
        json!({"url": at.url(), "title": "{{ title }}", "summary": "{{ labels.team }}", "text": "# {{ status }}"})
    }),
    line("msteamsv2", "msteamsv2", Peer::Http, |at| json!({"url": at.url()})),
    line("telegram", "telegram", Peer::Http, |at| {
        json!({"token": format!("1:{SECRET}"), "chat_id": -1001, "api_url": at.open_url()})
    }),
    line("telegram-own", "telegram", Peer::Http, |at| {
        json!({"token": format!("1:{SECRET}"), "chat_id": "@ops", "api_url": at.open_url(), "message_thread_id": 5,
            "message": "*{{ title }}* {{ labels.note }}", "parse_mode": "Markdown", "disable_notifications": true})
    }),
    line("victorops", "victorops", Peer::Http, |at| {
        json!({"api_key": format!("{SECRET}-key"), "routing_key": "{{ labels.team }}", "api_url": at.open_url()})
    }),
    line("victorops-own", "victorops", Peer::Http, |at| {
        json!({"api_key": format!("{SECRET}-key"), "routing_key": "r", "api_url": at.open_url(),
            "message_type": "WARNING", "entity_display_name": "{{ title }}", "state_message": "{{ status }}",
            "monitoring_tool": "hub", "custom_fields": {"team": "{{ labels.team }}"}})
    }),
    line("pushover", "pushover", Peer::Http, |at| {
        json!({"token": format!("{SECRET}-app"), "user_key": format!("{SECRET}-user"), "api_url": at.open_url()})
    }),
    line("pushover-own", "pushover", Peer::Http, |at| {
        json!({"token": format!("{SECRET}-app"), "user_key": format!("{SECRET}-{{{{ labels.team }}}}"),
            "api_url": at.open_url(), "title": "{{ labels.team }}", "message": "<b>{{ title }}</b>", "html": true,
            "url": "https://x.example", "url_title": "{{ status }}", "device": "phone", "sound": "siren",
            "priority": "1", "retry": "2m", "expire": "30m", "ttl": "1h"})
    }),
];

/// The settings of a fixture for an HTTP peer at this port.
pub fn http_settings(fixture: &Fixture, port: u16) -> Value {
    (fixture.settings)(&Place { port, file: std::path::PathBuf::from("/no/such/file") })
}

/// Sends to a fixture that can be reached at this port.
pub async fn send_to(fixture: &Fixture, port: u16, context: &Context, message: &Message) -> Answer {
    let ready = connectors::registry().ready(fixture.kind, http_settings(fixture, port)).unwrap();
    ready.send(context, message).await
}

/// Sends a message to a peer that takes it, and gives back the answer and what the peer saw.
pub async fn send(fixture: &Fixture, message: &Message) -> (Answer, String) {
    let mut context = super::context();
    match fixture.peer {
        Peer::Http => {
            let yes = Say::Status(200, &[("Content-Type", "text/plain")], b"ok".to_vec());
            let peer = HttpPeer::start(fixture.says.map_or(yes, Say::Json));
            let answer = send_to(fixture, peer.port, &context, message).await;
            (answer, peer.wire())
        }
        Peer::Smtp => {
            let peer = SmtpPeer::start(&[]);
            let answer = send_to(fixture, peer.port, &context, message).await;
            // the talk ends when nobody will send anything any more
            drop(context);
            (answer, peer.next())
        }
        Peer::Tcp => {
            let peer = TcpPeer::start(Some(b"OK taken\r\n"));
            (send_to(fixture, peer.port, &context, message).await, readable(&peer.next()))
        }
        Peer::File => {
            let folder = tempfile::tempdir().unwrap();
            let place = Place { port: 0, file: folder.path().join("out") };
            let ready = connectors::registry().ready(fixture.kind, (fixture.settings)(&place)).unwrap();
            let answer = ready.send(&context, message).await;
            let text = std::fs::read_to_string(&place.file).unwrap();
            let (first, rest) = text.split_once('\n').unwrap();
            (answer, format!("{}\n{rest}", readable(first)))
        }
        Peer::Inbox => {
            let kept = std::sync::Arc::new(super::Kept::default());
            context.inbox = kept.clone();
            let answer = send_to(fixture, 0, &context, message).await;
            let text = kept.0.lock().unwrap().join("\n");
            (answer, text)
        }
    }
}
