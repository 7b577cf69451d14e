//! Roles of AWS: their keys are asked for once, and again when AWS says that they do not last.

use model::delivery::{Fault, Outcome};
use serde_json::{Value, json};

use crate::support::http_peer::{HttpPeer, Say, Seen};
use crate::support::{context, messages};

const PUBLISHED: &str = "<PublishResponse><MessageId>m1</MessageId></PublishResponse>";
const EXPIRED: &str = "<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>";

fn settings(sts: u16, sns: u16) -> Value {
    json!({"api_url": format!("http://127.0.0.1:{sns}"), "sts_url": format!("http://127.0.0.1:{sts}"),
        "access_key": "AKIDEXAMPLE", "secret_key": "hush", "external_id": "bell",
        "role_arn": "arn:aws:iam::123456789012:role/alerts",
        "topic_arn": "arn:aws:sns:us-east-2:123456789012:alerts"})
}

fn session(_: &Seen) -> &'static str {
    // the clock of the tests stands at noon
    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIASESSION</AccessKeyId>\
     <SecretAccessKey>hushed</SecretAccessKey><SessionToken>the-session</SessionToken>\
     <Expiration>2026-11-14T13:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
}

#[tokio::test]
async fn the_keys_of_a_role_are_asked_for_once() {
    let (sts, sns) = (HttpPeer::start(Say::Json(session)), HttpPeer::start(Say::Json(|_| PUBLISHED)));
    let ready = connectors::registry().ready("sns", settings(sts.port, sns.port)).unwrap();
    for _ in 0..3 {
        let answer = ready.send(&context(), &messages::firing()).await;
        assert_eq!(answer.outcome, Outcome::Delivered { receipt: "m1".to_owned() });
    }
    let asked = sts.next();
    assert_eq!(sts.rest().count(), 0);
    assert!(
        asked.body.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Falerts"),
        "{}",
        asked.body
    );
    assert!(asked.header("authorization").unwrap().contains("AKIDEXAMPLE/20261114/us-east-2/sts/"));
    let published = sns.next();
    assert_eq!(published.header("x-amz-security-token"), Some("the-session"));
    assert!(published.header("authorization").unwrap().contains("ASIASESSION/20261114/us-east-2/sns/"));
}

#[tokio::test]
async fn keys_that_did_not_last_are_asked_for_again() {
    let sts = HttpPeer::start(Say::Json(session));
    let sns = HttpPeer::start(Say::Status(403, &[], EXPIRED.into()));
    let ready = connectors::registry().ready("sns", settings(sts.port, sns.port)).unwrap();
    for _ in 0..2 {
        let answer = ready.send(&context(), &messages::firing()).await;
        assert!(matches!(answer.outcome, Outcome::Retry { fault: Fault::Destination, .. }), "{answer:?}");
        sts.next();
    }
}

#[tokio::test]
async fn a_role_that_is_not_given_is_told_of() {
    let denied =
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>hush: no</Message></Error></ErrorResponse>";
    for (say, said) in [
        (
            Say::Status(403, &[], denied.into()),
            "the role was not had: answered 403: AccessDenied: <secret>: no",
        ),
        (Say::Json(|_| "ok"), "the role was not had: there are no keys in the answer"),
    ] {
        let sts = HttpPeer::start(say);
        let ready = connectors::registry().ready("sns", settings(sts.port, 1)).unwrap();
        let answer = ready.send(&context(), &messages::firing()).await;
        assert_eq!(answer.outcome.words(), said);
        assert!(answer.text.contains("<secret>") && !answer.text.contains("hush"), "{answer:?}");
    }
}
