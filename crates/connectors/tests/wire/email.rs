//! E-mail and the mail servers' moods.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::delivery::{Fault, Outcome};
use sdk::{Answer, Context};
use serde_json::{Value, json};

use crate::support::http_peer::dead_port;
use crate::support::smtp_peer::{AUTHORITY, Script, SmtpPeer};
use crate::support::{SECRET, context, guarded_context, hasty_context, messages};

pub(crate) async fn send_with(port: u16, context: &Context, fields: Value) -> Answer {
    let mut settings = json!({"host": "127.0.0.1", "port": port, "tls": "none", "from": "bell@example.org",
        "to": ["ops@example.org"]});
    settings.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let ready = connectors::registry().ready("email", settings).unwrap();
    ready.send(context, &messages::firing()).await
}

async fn told(script: Script, fields: Value) -> (Answer, String) {
    let peer = SmtpPeer::start(script);
    let answer = send_with(peer.port, &context(), fields).await;
    (answer, peer.next())
}

pub(crate) fn is_down(answer: &Answer) -> bool {
    matches!(answer.outcome, Outcome::Retry { fault: Fault::Destination, after: None, .. })
}

fn login() -> Value {
    json!({"username": "bell", "password": format!("{SECRET}-pw"), "insecure_auth": true})
}

#[tokio::test]
async fn a_mail_that_is_queued_is_delivered() {
    let (answer, _) = told(&[], json!({})).await;
    assert_eq!(answer.outcome, Outcome::Delivered { receipt: "Queued as 4F2A".into() });
    assert_eq!((answer.status, answer.text.as_str()), (Some(250), "Queued as 4F2A"));
    // a server that does not say goodbye has the mail all the same
    let (answer, _) = told(&[("QUIT", "")], json!({})).await;
    assert_eq!(answer.status, Some(250));
}

#[tokio::test]
async fn a_template_that_fails_keeps_no_mail_back() {
    let fields = json!({"subject": {"go": "{{ (index .Alerts 7).Labels.x }}"}, "text": {"go": "{{ .Status }}!"},
        "html": {"go": "{{ slice .Status 99 }}"}});
    let (answer, said) = told(&[], fields).await;
    assert!(matches!(answer.outcome, Outcome::Delivered { .. }), "{answer:?}");
    assert!(
        answer.text.starts_with("subject: line 1:4: at <index .Alerts 7>: error calling index"),
        "{answer:?}"
    );
    assert!(answer.text.contains("html: line 1:3: at <slice") && answer.text.ends_with("\nQueued as 4F2A"));
    let subject = |said: &str| said.lines().find(|line| line.starts_with("Subject: ")).unwrap().to_owned();
    assert_eq!(subject(&said), subject(&told(&[], json!({})).await.1));
    assert!(said.contains("firing!") && said.contains("text/html"), "{said}");
    // nobody else can be guessed
    let nobody = json!({"to": [{"go": "{{ slice .Status 99 }}@x.example"}]});
    let answer = send_with(dead_port(), &context(), nobody).await;
    assert_eq!(answer.outcome, Outcome::rejected("to: nobody is left"));
    assert!(answer.text.starts_with("to[0]: line 1:3"), "{answer:?}");
}

#[tokio::test]
async fn fours_are_tried_again_and_fives_are_not() {
    for (script, status) in [
        (&[("(greeting)", "421 Busy")] as Script, 421),
        (&[("MAIL", "451 Try later")], 451),
        (&[("RCPT", "450 Greylisted")], 450),
        (&[("(mail)", "452 Full")], 452),
    ] {
        let (answer, _) = told(script, json!({})).await;
        assert!(is_down(&answer) && answer.status == Some(status), "{answer:?}");
    }
    for (script, status) in [
        (&[("MAIL", "550 Not you")] as Script, 550),
        (&[("RCPT", "550 Nobody here")], 550),
        (&[("(mail)", "554 Spam")], 554),
    ] {
        let (answer, _) = told(script, json!({})).await;
        assert_eq!(answer.outcome, Outcome::rejected(format!("answered {status}")));
        assert_eq!(answer.text, script[0].1[4..]);
    }
}

#[tokio::test]
async fn who_is_not_there_or_no_mail_server_is_tried_again() {
    assert!(is_down(&send_with(dead_port(), &context(), json!({})).await));
    for script in [&[("(greeting)", "")] as Script, &[("(mail)", "")]] {
        let peer = SmtpPeer::start(script);
        let answer = send_with(peer.port, &hasty_context(), json!({})).await;
        assert!(is_down(&answer), "{answer:?}");
        assert_eq!(answer.outcome.words(), "no answer within 60ms");
    }
    let (answer, _) = told(&[("(greeting)", "HTTP/1.1 400 Bad Request")], json!({})).await;
    assert!(is_down(&answer), "{answer:?}");
    let peer = SmtpPeer::start(&[]);
    let answer = send_with(peer.port, &guarded_context(), json!({"host": "localhost"})).await;
    assert!(
        matches!(&answer.outcome, Outcome::Rejected { reason } if reason.contains("private")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn passwords_go_out_as_the_server_likes_and_come_back_to_nobody() {
    let plain = STANDARD.encode(format!("\0bell\0{SECRET}-pw"));
    let (_, said) = told(&[], login()).await;
    assert!(said.contains(&format!("AUTH PLAIN {plain}\n")), "{said}");

    let mut fields = login();
    fields["auth"] = json!("login");
    let (name, word) = (STANDARD.encode("bell"), STANDARD.encode(format!("{SECRET}-pw")));
    let script: Script =
        &[("AUTH", "334 VXNlcm5hbWU6"), ("YmVsbA==", "334 UGFzc3dvcmQ6"), ("czNjcj", "235 In")];
    let (answer, said) = told(script, fields).await;
    assert!(said.contains(&format!("AUTH LOGIN\n{name}\n{word}\n")), "{said}");
    assert!(matches!(answer.outcome, Outcome::Delivered { .. }), "{answer:?}");

    // AGJlbGwAczNjcjN0LXB3 is the PLAIN form of the password
    let (answer, _) = told(&[("AUTH", "535 s3cr3t-pw? AGJlbGwAczNjcjN0LXB3? No")], login()).await;
    assert_eq!((answer.status, answer.text.as_str()), (Some(535), "<secret>? <secret>? No"));
    assert!(matches!(answer.outcome, Outcome::Rejected { .. }));
}

#[tokio::test]
async fn a_password_does_not_go_out_in_the_clear() {
    let settings = json!({"host": "h", "from": "a@b.example", "to": ["a@b.example"], "tls": "none",
        "username": "bell", "password": "x"});
    let refused = connectors::registry().ready("email", settings).err().unwrap().to_string();
    assert!(refused.starts_with("tls: with \"none\""), "{refused}");
    let mut fields = login();
    fields["insecure_auth"] = json!(false);
    fields["tls"] = json!("opportunistic");
    let (answer, said) = told(&[("EHLO", "250-mail.example\r\n250 AUTH PLAIN")], fields).await;
    assert!(is_down(&answer) && !said.contains("AUTH"), "{answer:?} {said}");
}

#[tokio::test]
async fn a_server_that_lets_nobody_log_in_gets_the_mail_without() {
    for script in [&[("EHLO", "250 mail.example")] as Script, &[("EHLO", "250-mail.example\r\n250 AUTHX")]] {
        for insecure in [true, false] {
            let mut fields = login();
            fields["tls"] = json!("opportunistic");
            fields["insecure_auth"] = json!(insecure);
            let (answer, said) = told(script, fields).await;
            assert!(matches!(answer.outcome, Outcome::Delivered { .. }), "{answer:?}");
            assert!(!said.contains("AUTH"), "{said}");
        }
    }
    // another way than ours is one nevertheless
    let (answer, said) = told(&[("EHLO", "250-mail.example\r\n250 AUTH CRAM-MD5")], login()).await;
    assert!(is_down(&answer) && !said.contains("MAIL"), "{answer:?} {said}");
    // and the one that is asked for is not another
    let mut fields = login();
    fields["auth"] = json!("login");
    let (answer, said) = told(&[("EHLO", "250-mail.example\r\n250 AUTH PLAIN")], fields).await;
    assert!(is_down(&answer) && !said.contains("AUTH"), "{answer:?} {said}");
}

#[tokio::test]
async fn a_secret_stays_off_the_wire() {
    let login = json!({"username": "tim", "secret": "tanstaaftanstaaf"});
    let script: Script = &[
        ("EHLO", "250-mail.example\r\n250 AUTH CRAM-MD5 SCRAM-SHA-1"),
        // the example of RFC 2195
        ("AUTH", "334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"),
        ("dGlt", "235 In"),
    ];
    let (answer, said) = told(script, login.clone()).await;
    assert!(matches!(answer.outcome, Outcome::Delivered { .. }), "{answer:?}");
    assert!(said.contains("AUTH CRAM-MD5\ndGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\nMAIL"), "{said}");
    // beside it a password is for servers that want one
    let mut both = login.clone();
    both["password"] = json!("pw");
    both["insecure_auth"] = json!(true);
    assert!(told(script, both.clone()).await.1.contains("AUTH CRAM-MD5"));
    assert!(told(&[], both).await.1.contains("AUTH PLAIN"));
    let (answer, said) = told(&[], login.clone()).await;
    assert!(is_down(&answer) && !said.contains("MAIL"), "{answer:?}");
    assert_eq!(answer.outcome.words(), "the server takes PLAIN, LOGIN, and we have CRAM-MD5");
    // welcomed without a question
    let (answer, _) = told(&[("EHLO", "250-mail.example\r\n250 AUTH CRAM-MD5")], login).await;
    assert!(is_down(&answer), "{answer:?}");
}

#[tokio::test]
async fn who_logs_in_may_act_as_somebody_else() {
    let mut fields = login();
    fields["identity"] = json!("ops");
    let form = STANDARD.encode(format!("ops\0bell\0{SECRET}-pw"));
    let (answer, said) = told(&[], fields.clone()).await;
    assert!(said.contains(&format!("AUTH PLAIN {form}\n")), "{said}");
    assert!(matches!(answer.outcome, Outcome::Delivered { .. }), "{answer:?}");
    let (answer, _) = told(&[("AUTH", "535 No to b3BzAGJlbGwAczNjcjN0LXB3")], fields).await;
    assert_eq!((answer.status, answer.text.as_str()), (Some(535), "No to <secret>"));
}

#[tokio::test]
async fn encryption_is_had_where_it_is_wanted() {
    let trusted = |tls: &str| json!({"host": "localhost", "tls": tls, "certificates": {"ca": AUTHORITY}});
    for tls in ["required", "opportunistic"] {
        let mut fields = trusted(tls);
        fields.as_object_mut().unwrap().extend(login().as_object().unwrap().clone());
        let (answer, said) = told(&[], fields).await;
        assert_eq!(answer.status, Some(250), "{answer:?}");
        let (before, after) = said.split_once("(TLS)\n").unwrap();
        assert!(
            before.ends_with("STARTTLS\n") && !before.contains("AUTH") && after.contains("AUTH PLAIN"),
            "{said}"
        );
    }
    let peer = SmtpPeer::start_tls(&[]);
    let answer = send_with(peer.port, &context(), trusted("implicit")).await;
    assert_eq!(answer.status, Some(250), "{answer:?}");
    assert!(peer.next().starts_with("(TLS)\nEHLO localhost\n"));
}

#[tokio::test]
async fn encryption_with_somebody_else_is_no_encryption() {
    // no certificate for this name, though it is the same machine
    let (answer, said) = told(&[], json!({"tls": "required", "certificates": {"ca": AUTHORITY}})).await;
    assert!(is_down(&answer) && !said.contains("MAIL"), "{answer:?} {said}");
    // not signed by anybody who is known
    let (answer, said) = told(&[], json!({"tls": "required", "host": "localhost"})).await;
    assert!(is_down(&answer) && !said.contains("MAIL"), "{answer:?} {said}");
    // unless the name is another on purpose, or anybody will do
    let other = json!({"tls": "required", "certificates": {"ca": AUTHORITY, "server_name": "localhost"}});
    assert_eq!(told(&[], other).await.0.status, Some(250));
    let anybody = json!({"tls": "required", "certificates": {"insecure_skip_verify": true}});
    assert_eq!(told(&[], anybody).await.0.status, Some(250));
    // none at all
    let (answer, said) = told(&[("EHLO", "250 mail.example")], json!({"tls": "required"})).await;
    assert!(is_down(&answer) && !said.contains("MAIL"), "{answer:?} {said}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let refusal = |fields: Value| {
        let mut settings = json!({"host": "h", "from": "a@b.example", "to": ["a@b.example"]});
        settings.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        connectors::registry().ready("email", settings).err().unwrap().to_string()
    };
    assert_eq!(refusal(json!({"to": []})), "to: needs an address");
    assert!(refusal(json!({"from": "nobody"})).starts_with("from: \"nobody\" is not an address like"));
    assert!(refusal(json!({"to": ["a@b.example", "x"]})).starts_with("to[1]: \"x\" is not an address"));
    assert_eq!(refusal(json!({"username": "x"})), "password: is needed for `username`, or `secret`");
    let certificates = |fields: Value| refusal(json!({"certificates": fields}));
    assert_eq!(certificates(json!({"ca": "x"})), "certificates.ca: there is no certificate in it");
    assert_eq!(certificates(json!({"cert": "x"})), "certificates.cert: needs a `key`");
    assert_eq!(certificates(json!({"key": "x"})), "certificates.key: needs a `cert`");
    let no_key = certificates(json!({"cert": AUTHORITY, "key": "x"}));
    assert_eq!(no_key, "certificates.key: there is no private key without a password in it");
    assert!(
        refusal(json!({"subject": "{{ tittle }}"}))
            .starts_with("subject: there is no \"tittle\" here; known are")
    );
}

#[tokio::test]
async fn a_mail_server_that_hangs_is_given_up_in_time() {
    let peer = SmtpPeer::start(&[("RCPT", "")]);
    let mut context = context();
    context.timeout = Duration::from_millis(80);
    assert_eq!(send_with(peer.port, &context, json!({})).await.outcome.words(), "no answer within 80ms");
}
