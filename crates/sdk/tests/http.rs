//! How requests are made by a destination's `http` settings, against scripted servers.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

extern crate nightbell_sdk as sdk;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sdk::http::{Guard, Http, HttpError, HttpSettings, Outgoing, Response};
use serde_json::{Value, json};

const CA: &str = include_str!("../../connectors/tests/support/tls/ca.pem");
const CERT: &str = include_str!("../../connectors/tests/support/tls/leaf.pem");
const KEY: &str = include_str!("../../connectors/tests/support/tls/leaf.key");

type Script = dyn Fn(&str) -> (u16, String) + Send + Sync;

/// A server that answers each request by what its head and body are, and remembers them.
struct Peer {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    fn start(script: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::run(script, None)
    }

    fn run(
        script: impl Fn(&str) -> (u16, String) + Send + Sync + 'static,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let _ = match &tls {
                    None => answer(stream, &script, &kept),
                    Some(tls) => {
                        let connection = rustls::ServerConnection::new(tls.clone()).unwrap();
                        answer(rustls::StreamOwned::new(connection, stream), &script, &kept)
                    }
                };
            }
        });
        Peer { port, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// One request and its answer; nothing when the other side hangs up.
fn answer(stream: impl Read + Write, script: &Script, seen: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if reader.read_line(&mut request).ok()? == 0 {
            return None;
        }
    }
    let lower = request.to_lowercase();
    let length = lower
        .split_once("content-length: ")
        .map_or(0, |(_, rest)| rest.lines().next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.push_str(&String::from_utf8(body).unwrap());
    seen.lock().unwrap().push(request.clone());
    let (status, body) = script(&request);
    let location = if (300..400).contains(&status) { format!("Location: {body}\r\n") } else { String::new() };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} Word\r\nConnection: close\r\n{location}Content-Length: {length}\r\n");
    write!(reader.get_mut(), "{head}\r\n{body}").ok()?;
    reader.get_mut().flush().ok()
}

fn open() -> Http {
    Http::new(Guard { allow_private: true, allow: Vec::new() }).unwrap()
}

fn settings(fields: Value) -> HttpSettings {
    serde_json::from_value(fields).unwrap()
}

async fn send(http: &Http, fields: Value, url: &str) -> Result<Response, HttpError> {
    let request = Outgoing::json(url, "{}", Duration::from_secs(20));
    http.with(&settings(fields)).send(request).await
}

fn line<'a>(request: &'a str, name: &str) -> Vec<&'a str> {
    let lines = request.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

#[tokio::test]
async fn every_request_carries_headers_and_credentials_and_no_answer_shows_them() {
    let peer = Peer::start(|request| (400, request.to_owned()));
    let fields =
        json!({"username": "me", "password": "s3cr3t", "headers": {"X-Team": ["db", "core"], "X-One": "1"}});
    let response = send(&open(), fields, &peer.url("/")).await.unwrap();
    let seen = &peer.seen()[0];
    assert_eq!(line(seen, "authorization"), ["Basic bWU6czNjcjN0"]);
    assert_eq!((line(seen, "x-team"), line(seen, "x-one")), (vec!["db", "core"], vec!["1"]));
    let said = String::from_utf8_lossy(&response.body).into_owned();
    assert!(said.contains("Basic <secret>") && !said.contains("bWU6"), "{said}");
}

#[tokio::test]
async fn redirects_can_be_left_alone() {
    let peer = Peer::start(|request| match request.starts_with("POST /a") {
        true => (307, "/b".to_owned()),
        false => (200, String::new()),
    });
    let http = open();
    assert_eq!(send(&http, json!({"token": "t"}), &peer.url("/a")).await.unwrap().status, 200);
    let alone = json!({"follow_redirects": false});
    assert_eq!(send(&http, alone, &peer.url("/a")).await.unwrap().status, 307);
    // 127.0.0.1 and localhost are not the same host to credentials
    let elsewhere = Peer::start(move |_| (307, format!("http://localhost:{}/b", peer.port)));
    let error = send(&http, json!({"headers": {"X-Key": "k"}}), &elsewhere.url("/a")).await.unwrap_err();
    assert!(error.to_string().contains("must not get the credentials"), "{error}");
}

/// A token server that wants the client's name in the body, and numbers its tokens.
fn token_server() -> Peer {
    let count = Mutex::new(0);
    Peer::start(move |request| {
        if !request.contains("client_secret=s3cr3t") {
            return (401, r#"{"error": "invalid_client"}"#.to_owned());
        }
        let mut count = count.lock().unwrap();
        *count += 1;
        (200, format!(r#"{{"access_token": "token-{count}", "token_type": "bearer", "expires_in": 3600}}"#))
    })
}

fn oauth2(tokens: &Peer) -> Value {
    json!({"oauth2": {"client_id": "bell", "client_secret": "s3cr3t", "token_url": tokens.url("/token"),
        "scopes": ["a", "b"], "endpoint_params": {"audience": "x y"}}})
}

#[tokio::test]
async fn tokens_are_kept_and_asked_for_again_once_when_they_are_refused() {
    let tokens = token_server();
    let peer = Peer::start(|request| match request.contains("Bearer token-1") {
        true if request.starts_with("POST /withdrawn") => (401, String::new()),
        _ if request.starts_with("POST /never") => (401, String::new()),
        _ => (200, request.to_owned()),
    });
    let http = open();
    for _ in 0..3 {
        let response = send(&http, oauth2(&tokens), &peer.url("/")).await.unwrap();
        assert!(!String::from_utf8_lossy(&response.body).contains("token-1"));
    }
    let asked = tokens.seen();
    assert_eq!(asked.len(), 2, "once by header, once in the body, then never again");
    assert_eq!(line(&asked[0], "authorization"), ["Basic YmVsbDpzM2NyM3Q="]);
    assert!(asked[1].ends_with(
        "grant_type=client_credentials&scope=a+b&audience=x+y&client_id=bell&client_secret=s3cr3t"
    ));
    assert_eq!(send(&http, oauth2(&tokens), &peer.url("/withdrawn")).await.unwrap().status, 200);
    assert_eq!(tokens.seen().len(), 3);
    assert_eq!(send(&http, oauth2(&tokens), &peer.url("/never")).await.unwrap().status, 401);
    assert_eq!(peer.seen().len(), 3 + 2 + 2, "no more than one second try");
}

#[tokio::test]
async fn what_hinders_a_token_is_told() {
    let tokens = Peer::start(|_| (400, r#"{"error": "invalid_scope"}"#.to_owned()));
    let error = send(&open(), oauth2(&tokens), "http://127.0.0.1:1/").await.unwrap_err();
    assert_eq!(error.to_string(), "the token URL answered 400: invalid_scope");
    let tokens = Peer::start(|_| (200, "<html>".to_owned()));
    let error = send(&open(), oauth2(&tokens), "http://127.0.0.1:1/").await.unwrap_err();
    assert!(matches!(error, HttpError::NoToken(_)), "{error}");
}

#[tokio::test]
async fn the_guard_also_stands_before_token_urls_and_proxies_and_what_is_behind_them() {
    let http = Http::new(Guard::default()).unwrap();
    let public = "http://192.88.98.1:9/";
    let peer = Peer::start(|_| (200, String::new()));
    let proxy = |url: &str| json!({"proxy": {"url": url}});
    for fields in [oauth2(&peer), proxy(&peer.url("")), proxy(&format!("http://localhost:{}", peer.port))] {
        let error = send(&http, fields.clone(), public).await.unwrap_err();
        assert!(matches!(error, HttpError::Forbidden { .. }), "{fields}: {error}");
    }
    // a proxy that is allowed does not open the rest of the network
    let allow = vec!["127.0.0.1/32".parse().unwrap()];
    let http = Http::new(Guard { allow_private: false, allow }).unwrap();
    let error = send(&http, proxy(&peer.url("")), "http://169.254.169.254/latest").await.unwrap_err();
    assert!(matches!(error, HttpError::Forbidden { .. }), "{error}");
    assert!(peer.seen().is_empty());
}

#[tokio::test]
async fn requests_go_through_the_proxy_but_for_what_is_excepted() {
    let proxy = Peer::start(|_| (200, "by proxy".to_owned()));
    let peer = Peer::start(|_| (200, "directly".to_owned()));
    let url = format!("http://me:s3cr3t@127.0.0.1:{}", proxy.port);
    let http = open();
    let through = |except: &str| json!({"proxy": {"url": url, "no_proxy": except}});
    let response = send(&http, through(""), "http://other.localhost/x").await.unwrap();
    assert_eq!(response.body, "by proxy");
    let seen = &proxy.seen()[0];
    assert!(seen.starts_with("POST http://other.localhost/x HTTP/1.1\r\n"), "{seen}");
    assert_eq!(line(seen, "proxy-authorization"), ["Basic bWU6czNjcjN0"]);
    assert_eq!(send(&http, through("x.example"), &peer.url("/")).await.unwrap().body, "directly");
    let secure = json!({"proxy": {"url": url, "connect_headers": {"X-Gate": "7"}}});
    let _ = send(&http, secure, "https://other.localhost/").await;
    let seen = &proxy.seen()[1];
    assert!(seen.starts_with("CONNECT other.localhost:443 HTTP/1.1\r\n"), "{seen}");
    assert_eq!(line(seen, "x-gate"), ["7"]);
}

/// What a proxy of SOCKS 5 was asked for: name and password, and where to (RFC 1928 and 1929).
type Asked = (String, String);

/// A proxy of SOCKS 5 that leads everybody to one port of this machine, wherever they want to go.
fn socks_proxy(to: u16) -> (u16, std::sync::mpsc::Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = sender.send(greet(&mut stream));
            let peer = std::net::TcpStream::connect(("127.0.0.1", to)).unwrap();
            let (mut up, mut down) =
                ((stream.try_clone().unwrap(), peer.try_clone().unwrap()), (peer, stream));
            std::thread::spawn(move || std::io::copy(&mut up.0, &mut up.1));
            std::thread::spawn(move || std::io::copy(&mut down.0, &mut down.1));
        }
    });
    (port, asked)
}

fn take(stream: &mut std::net::TcpStream, count: u8) -> Vec<u8> {
    let mut bytes = vec![0; usize::from(count)];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// A text with its length before it.
fn take_text(stream: &mut std::net::TcpStream) -> String {
    let length = take(stream, 1)[0];
    String::from_utf8(take(stream, length)).unwrap()
}

fn greet(stream: &mut std::net::TcpStream) -> Asked {
    let methods = take(stream, 2)[1];
    let with_name = take(stream, methods).contains(&2);
    stream.write_all(&[5, if with_name { 2 } else { 0 }]).unwrap();
    let mut who = String::new();
    if with_name {
        assert_eq!(take(stream, 1), [1]);
        who = format!("{}:", take_text(stream)) + &take_text(stream);
        stream.write_all(&[1, 0]).unwrap();
    }
    assert_eq!(take(stream, 4), [5, 1, 0, 3], "a connection to a name");
    let (host, port) = (take_text(stream), take(stream, 2));
    stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).unwrap();
    (who, format!("{host}:{}", u16::from_be_bytes([port[0], port[1]])))
}

#[tokio::test]
async fn a_socks_proxy_resolves_names_itself() {
    let (peer, secure) = (Peer::start(|_| (200, "there".to_owned())), tls_peer(false));
    let http = open();
    let (port, asked) = socks_proxy(peer.port);
    for (url, who) in [("socks5://127.0.0.1", ""), ("socks5h://me:s3c%20ret@localhost", "me:s3c ret")] {
        let fields = json!({"proxy": {"url": format!("{url}:{port}")}});
        let response = send(&http, fields, "http://other.localhost:8080/x").await.unwrap();
        assert_eq!(response.body, "there");
        assert_eq!(asked.recv().unwrap(), (who.to_owned(), "other.localhost:8080".to_owned()));
    }
    let (port, asked) = socks_proxy(secure.port);
    let fields = json!({"proxy": {"url": format!("socks5://127.0.0.1:{port}")}, "tls": {"ca": CA}});
    assert_eq!(send(&http, fields, "https://localhost/").await.unwrap().status, 200);
    assert_eq!(asked.recv().unwrap().1, "localhost:443");
}

/// A server with the test's certificate; with `mutual` it wants one, too.
fn tls_peer(mutual: bool) -> Peer {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = if mutual {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(CA.as_bytes()).unwrap()).unwrap();
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let chain = CertificateDer::pem_slice_iter(CERT.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    Peer::run(|_| (200, String::new()), Some(Arc::new(builder.with_single_cert(chain, key).unwrap())))
}

#[tokio::test]
async fn certificates_are_judged_as_the_settings_say() {
    let peer = tls_peer(false);
    let (at_name, at_address) =
        (format!("https://localhost:{}/", peer.port), format!("https://127.0.0.1:{}/", peer.port));
    let http = open();
    let good = async |fields: Value, url: &str| send(&http, json!({"tls": fields}), url).await.is_ok();
    assert!(!good(json!({}), &at_name).await, "nobody knows this authority");
    assert!(good(json!({"ca": CA}), &at_name).await);
    assert!(good(json!({"ca": CA, "max_version": "TLS12"}), &at_name).await);
    assert!(good(json!({"ca": CERT}), &at_name).await, "the certificate itself");
    assert!(!good(json!({"ca": CA, "server_name": "other.example"}), &at_name).await);
    assert!(!good(json!({"ca": CERT, "server_name": "other.example"}), &at_name).await);
    assert!(good(json!({"ca": CA, "server_name": "localhost"}), &at_address).await);
    assert!(good(json!({"insecure_skip_verify": true}), &at_address).await);
    let fields = json!({"tls": {"ca": CA}, "http2": false});
    assert!(send(&http, fields, &at_name).await.is_ok());
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_is_shown_one() {
    let peer = tls_peer(true);
    let url = format!("https://localhost:{}/", peer.port);
    let http = open();
    assert!(send(&http, json!({"tls": {"ca": CA}}), &url).await.is_err());
    assert!(send(&http, json!({"tls": {"ca": CA, "cert": CERT, "key": KEY}}), &url).await.is_ok());
}

#[tokio::test]
async fn connections_that_stay_open_send_at_once_what_is_said() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = open().connect("127.0.0.1", listener.local_addr().unwrap().port()).await.unwrap();
    assert!(stream.nodelay().unwrap(), "the end of a message would wait until its beginning is confirmed");
    // what a channel keeps is there once, and goes with the way out
    let http = open();
    let kept = std::sync::Arc::downgrade(&http.keep::<std::sync::Mutex<Vec<u8>>>());
    http.keep::<std::sync::Mutex<Vec<u8>>>().lock().unwrap().push(1);
    assert_eq!(*kept.upgrade().unwrap().lock().unwrap(), [1]);
    drop(http);
    assert!(kept.upgrade().is_none());
}
