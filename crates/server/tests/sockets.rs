//! What only sockets can show: slow clients, half requests, too many of them, and a clean stop.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use nightbell_server::{Options, serve};
use serde_json::json;
use support::Stage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SHORT: Duration = Duration::from_millis(150);
const LONG: Duration = Duration::from_secs(10);

struct Served {
    stage: Stage,
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
}

fn hasty() -> Options {
    Options {
        max_body_bytes: 64 * 1024,
        header_timeout: SHORT,
        body_timeout: SHORT,
        write_timeout: SHORT,
        shutdown_timeout: Duration::from_secs(5),
        ..Options::default()
    }
}

async fn served(options: Options) -> Served {
    let stage = Stage::with(options).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    #[expect(clippy::disallowed_methods, reason = "a test has no tracker")]
    let server = tokio::spawn(serve(listener, stage.app.clone(), stop.clone()));
    Served { stage, address, stop, server }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a text and reads until the server ends the connection.
    async fn say(&self, text: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        // the server may have said all that it has to say before it has read all
        let _ = stream.write_all(text.as_ref()).await;
        rest(&mut stream).await
    }

    async fn is_well(&self) {
        let answer = self.say("GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\nOK"), "{answer}");
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let read = tokio::time::timeout(LONG, stream.read_to_end(&mut all)).await;
    // a connection that is reset is at its end, too
    let _ = read.expect("the server did not end the connection");
    String::from_utf8_lossy(&all).into_owned()
}

fn post(path: &str, length: usize, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn a_connection_carries_many_requests() {
    let served = served(Options::default()).await;
    let mut stream = served.connect().await;
    for _ in 0..3 {
        let body = r#"[{"labels":{"alertname":"a"}}]"#;
        stream.write_all(post("/api/v2/alerts", body.len(), body).as_bytes()).await.unwrap();
        let mut answer = [0; 1024];
        let count = stream.read(&mut answer).await.unwrap();
        assert!(
            answer[..count].starts_with(b"HTTP/1.1 200 OK\r\n"),
            "{}",
            String::from_utf8_lossy(&answer[..count])
        );
    }
    let incidents = served.stage.get("/api/v1/incidents").await.expect(200);
    assert_eq!(incidents["items"][0]["times_seen"], 3);
}

#[tokio::test]
async fn who_dawdles_is_cut_off_and_nobody_else_notices() {
    let served = served(hasty()).await;
    let mut silent = served.connect().await;
    let mut half_head = served.connect().await;
    half_head.write_all(b"POST /api/v1/events HTTP/1.1\r\nHost: loc").await.unwrap();
    let mut half_body = served.connect().await;
    half_body.write_all(post("/api/v1/events", 100, r#"{"key":"#).as_bytes()).await.unwrap();
    let mut half_alert = served.connect().await;
    half_alert.write_all(post("/api/v2/alerts", 100, "[{").as_bytes()).await.unwrap();
    served.is_well().await;
    assert_eq!(rest(&mut silent).await, "");
    assert_eq!(rest(&mut half_head).await, "");
    let answer = rest(&mut half_body).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains("the body did not arrive within 0.15 seconds"), "{answer}");
    let answer = rest(&mut half_alert).await;
    assert!(
        answer.starts_with("HTTP/1.1 408 Request Timeout\r\n") && answer.ends_with("seconds\""),
        "{answer}"
    );
    assert_eq!(served.stage.get("/api/v1/events").await.expect(200)["items"], json!([]));
    served.is_well().await;
}

#[tokio::test]
async fn half_requests_and_nonsense_leave_nothing_behind() {
    let served = served(Options::default()).await;
    let mut gone = served.connect().await;
    gone.write_all(post("/api/v1/events", 100, r#"{"key":"a"}"#).as_bytes()).await.unwrap();
    gone.shutdown().await.unwrap();
    rest(&mut gone).await;
    assert!(served.say("what?\r\n\r\n").await.starts_with("HTTP/1.1 400 Bad Request\r\n"));
    assert!(
        served.say(&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..]).await.starts_with("HTTP/1.1 400")
    );
    let many: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
    let answer = served.say(format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let long = "x".repeat(100_000);
    let answer = served.say(format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    let answer =
        served.say("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(served.stage.get("/api/v1/events").await.expect(200)["items"], json!([]));
    served.is_well().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_answered_while_it_is_still_sent() {
    let served = served(hasty()).await;
    for length in [70_000, 300_000, 50_000_000] {
        let body = "x".repeat(length.min(1_000_000));
        let answer = served.say(post("/api/v1/events", length, &body)).await;
        // of a body far over the limit nothing is read, so its sender may see no more than the end
        let far = length > 64 * 1024 * 8;
        assert!(
            answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n") || (far && answer.is_empty()),
            "{length}: {answer}"
        );
        assert!(far || answer.contains("the body may have 65536 bytes"), "{length}: {answer}");
    }
    let chunks = format!("{:x}\r\n{}\r\n", 40_000, "x".repeat(40_000)).repeat(3);
    let head = "POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked";
    let answer = served.say(format!("{head}\r\nConnection: close\r\n\r\n{chunks}0\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    served.is_well().await;
}

#[tokio::test]
async fn more_connections_than_there_may_be_are_told_so() {
    let served = served(Options { max_connections: 2, ..Options::default() }).await;
    let mut kept = [served.connect().await, served.connect().await];
    for stream in &mut kept {
        stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
    }
    let mut third = served.connect().await;
    let answer = rest(&mut third).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("Retry-After: 1\r\n"), "{answer}");
    drop(kept);
    let there_is_room = async {
        while !served
            .say("GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .contains("200 OK")
        {}
    };
    tokio::time::timeout(LONG, there_is_room).await.unwrap();
}

#[tokio::test]
async fn who_does_not_read_the_answer_is_cut_off() {
    let served = served(hasty()).await;
    let alerts: Vec<_> = (0..100)
        .map(|n| json!({"labels": {"n": n.to_string()}, "annotations": {"x": "y".repeat(500)}}))
        .collect();
    served.stage.post("/api/v2/alerts", &json!(alerts)).await.expect(200);
    let mut stream = served.connect().await;
    // asks and asks and never reads: when no buffer on the way has room for more answers, it is cut off
    let requests = "GET /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    let asking = async { while stream.write_all(requests.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(LONG, asking).await.expect("nobody cut it off");
    served.is_well().await;
}

#[tokio::test]
async fn a_stop_lets_requests_end() {
    let served = served(Options::default()).await;
    let mut listening = served.connect().await;
    listening.write_all(b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("event: ready") {
        let mut some = [0; 1024];
        let count = listening.read(&mut some).await.unwrap();
        seen.extend_from_slice(&some[..count]);
    }
    let mut idle = served.connect().await;
    idle.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(idle.read(&mut [0; 1024]).await.unwrap() > 0);
    let mut under_way = served.connect().await;
    let body = r#"{"key":"last words"}"#;
    let text = post("/api/v1/events", body.len(), body);
    let (head, tail) = text.split_at(text.len() - 5);
    under_way.write_all(head.as_bytes()).await.unwrap();
    served.is_well().await;
    served.stop.cancel();
    assert_eq!(rest(&mut idle).await, "");
    assert!(rest(&mut listening).await.ends_with("0\r\n\r\n"), "live changes end in good order");
    under_way.write_all(tail.as_bytes()).await.unwrap();
    let answer = rest(&mut under_way).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("opened"), "{answer}");
    tokio::time::timeout(LONG, served.server).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}
