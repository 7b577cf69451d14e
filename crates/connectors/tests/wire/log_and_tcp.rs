//! Files and bare connections.

use model::delivery::{Fault, Outcome};
use sdk::{Answer, Context};
use serde_json::{Value, json};

use crate::support::http_peer::dead_port;
use crate::support::tcp_peer::TcpPeer;
use crate::support::{context, guarded_context, hasty_context, messages};

async fn send(kind: &str, settings: Value, context: &Context) -> Answer {
    connectors::registry().ready(kind, settings).unwrap().send(context, &messages::firing()).await
}

fn is_down(answer: &Answer) -> bool {
    matches!(answer.outcome, Outcome::Retry { fault: Fault::Destination, .. })
}

#[tokio::test]
async fn lines_are_appended_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    for _ in 0..3 {
        assert_eq!(send("log", json!({"path": path}), &context()).await.outcome, Outcome::delivered());
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() == 3 && lines.iter().all(|line| line["version"] == 1) && text.ends_with('\n'));
    let answer = send("log", json!({"path": folder.path()}), &context()).await;
    assert!(
        is_down(&answer) && answer.outcome.words().starts_with("the line cannot be written"),
        "{answer:?}"
    );
}

async fn tcp(answer: Option<&'static [u8]>, expect: Option<&str>) -> Answer {
    let peer = TcpPeer::start(answer);
    let context = if answer.is_some() { context() } else { hasty_context() };
    send("tcp", json!({"host": "127.0.0.1", "port": peer.port, "expect": expect}), &context).await
}

#[tokio::test]
async fn a_reply_must_be_the_one_that_is_expected() {
    let answer = tcp(Some(b"OK 17\r\nmore"), Some("OK")).await;
    assert_eq!(answer.outcome, Outcome::delivered());
    assert!(answer.text.starts_with("OK 17"), "{answer:?}");
    for (reply, words) in [
        (Some(b"NO\n" as &[u8]), "the reply does not begin with \"OK\""),
        (Some(b"\xff\xfe\0\n"), "the reply does not begin with \"OK\""),
        (Some(b""), "the connection ended without a reply"),
        (None, "no answer within 60ms"),
    ] {
        let answer = tcp(reply, Some("OK")).await;
        assert!(is_down(&answer) && answer.outcome.words() == words, "{answer:?}");
    }
    assert_eq!(tcp(Some(b"anything\n"), Some("")).await.outcome, Outcome::delivered());
    assert_eq!(tcp(None, None).await.outcome, Outcome::delivered());
}

#[tokio::test]
async fn an_oversize_reply_is_cut() {
    let answer = tcp(Some(&[b'O'; 100_000]), Some("OO")).await;
    assert_eq!((answer.outcome, answer.text.len()), (Outcome::delivered(), 1024));
}

#[tokio::test]
async fn nobody_there_is_tried_again_and_a_private_address_is_not() {
    assert!(is_down(&send("tcp", json!({"host": "127.0.0.1", "port": dead_port()}), &context()).await));
    let answer = send("tcp", json!({"host": "localhost", "port": 9}), &guarded_context()).await;
    assert!(matches!(answer.outcome, Outcome::Rejected { .. }), "{answer:?}");
}
