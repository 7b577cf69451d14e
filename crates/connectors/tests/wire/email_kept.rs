//! Connections to mail servers are kept for the next mail, and nobody gets one twice or not at all.

use std::time::Duration;

use futures::future::join_all;
use model::delivery::Outcome;

use crate::email::{is_down, send_with};
use crate::support::context;
use crate::support::smtp_peer::{Script, SmtpPeer};
use serde_json::json;

fn is_delivered(answer: &sdk::Answer) -> bool {
    matches!(answer.outcome, Outcome::Delivered { .. })
}

/// Mails of a talk that the server took.
fn mails(said: &str) -> usize {
    said.matches("\n.\n").count()
}

#[tokio::test]
async fn mails_one_after_another_go_over_one_connection() {
    let (peer, context) = (SmtpPeer::start(&[]), context());
    for _ in 0..5 {
        let answer = send_with(peer.port, &context, json!({})).await;
        assert!(is_delivered(&answer), "{answer:?}");
    }
    assert_eq!(peer.connections(), 1);
    drop(context);
    let said = peer.next();
    assert_eq!((mails(&said), said.matches("EHLO").count()), (5, 1), "{said}");
    assert!(said.ends_with("QUIT\n"), "{said}");
}

#[tokio::test]
async fn who_logs_in_otherwise_has_a_connection_of_their_own() {
    let (peer, context) = (SmtpPeer::start(&[]), context());
    for password in ["one", "two"] {
        let login = json!({"username": "bell", "password": password, "insecure_auth": true});
        assert!(is_delivered(&send_with(peer.port, &context, login).await));
    }
    assert!(is_delivered(&send_with(peer.port, &context, json!({})).await));
    assert_eq!(peer.connections(), 3);
}

#[tokio::test]
async fn a_connection_that_its_server_left_is_replaced_and_no_mail_comes_twice() {
    for script in [
        &[("(mail)", "!250 Queued as 4F2A")] as Script,
        &[("1:MAIL", "!421 Enough for today")],
        &[("1:RCPT", "!421 Enough for today")],
        &[("1:DATA", "!421 Enough for today")],
    ] {
        let (peer, context) = (SmtpPeer::start(script), context());
        for _ in 0..3 {
            let answer = send_with(peer.port, &context, json!({})).await;
            assert!(is_delivered(&answer), "{script:?}: {answer:?}");
        }
        drop(context);
        let taken: Vec<usize> = (0..3).map(|_| mails(&peer.next())).collect();
        assert_eq!((taken, peer.connections()), (vec![1, 1, 1], 3), "{script:?}");
    }
}

#[tokio::test]
async fn a_connection_that_has_become_silent_is_replaced_within_the_same_try() {
    let (peer, mut context) = (SmtpPeer::start(&[("1:MAIL", "")]), context());
    context.timeout = Duration::from_millis(1500);
    for _ in 0..2 {
        let answer = send_with(peer.port, &context, json!({})).await;
        assert!(is_delivered(&answer), "{answer:?}");
    }
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn what_may_have_been_delivered_is_not_sent_again_within_a_try() {
    // silent, or gone, after the last line of the second mail
    for script in [&[("1:(mail)", "")] as Script, &[("1:(mail)", "!")]] {
        let (peer, mut context) = (SmtpPeer::start(script), context());
        context.timeout = Duration::from_millis(1500);
        assert!(is_delivered(&send_with(peer.port, &context, json!({})).await));
        let answer = send_with(peer.port, &context, json!({})).await;
        assert!(is_down(&answer), "{answer:?}");
        assert_eq!(peer.connections(), 1, "{script:?}");
    }
}

#[tokio::test]
async fn a_no_to_a_mail_on_a_kept_connection_is_a_no() {
    let (peer, context) = (SmtpPeer::start(&[("1:RCPT", "550 Nobody here")]), context());
    assert!(is_delivered(&send_with(peer.port, &context, json!({})).await));
    let answer = send_with(peer.port, &context, json!({})).await;
    assert_eq!(answer.outcome, Outcome::rejected("answered 550"));
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn many_at_once_share_a_few_connections() {
    let (peer, context) = (SmtpPeer::start(&[]), context());
    let all = join_all((0..60).map(|_| send_with(peer.port, &context, json!({})))).await;
    assert!(all.iter().all(is_delivered), "{all:?}");
    assert!(peer.most_at_once() <= 20, "{}", peer.most_at_once());
    drop(context);
    let mut taken = 0;
    for _ in 0..peer.connections() {
        taken += mails(&peer.next());
    }
    assert_eq!(taken, 60);
}

#[tokio::test]
async fn encrypted_connections_are_kept_as_well() {
    use crate::support::smtp_peer::AUTHORITY;
    for tls in ["required", "implicit"] {
        let peer = if tls == "implicit" { SmtpPeer::start_tls(&[]) } else { SmtpPeer::start(&[]) };
        let context = context();
        for _ in 0..3 {
            let fields = json!({"host": "localhost", "tls": tls, "certificates": {"ca": AUTHORITY}});
            let answer = send_with(peer.port, &context, fields).await;
            assert!(is_delivered(&answer), "{answer:?}");
        }
        assert_eq!(peer.connections(), 1, "{tls}");
    }
}
