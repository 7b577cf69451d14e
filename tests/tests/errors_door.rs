//! The door for clients of Sentry over real HTTP: whatever encoding and framing they have, what is refused and how, and
//! that nothing secret reaches the disk.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use nightbell_acceptance::errors::issues;
use nightbell_acceptance::http::{self, Answer};
use nightbell_acceptance::{Dice, Hub, PATIENCE, wait_for};
use serde_json::{Value, json};

const TOML: &str = "[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n";

/// An error as a client writes it.
fn error(n: usize) -> String {
    json!({ "event_id": format!("{n:032x}"), "platform": "python", "message": "the door creaks" }).to_string()
}

fn envelope(n: usize) -> String {
    format!("{{\"event_id\":\"{n:032x}\"}}\n{{\"type\":\"event\"}}\n{}\n", error(n))
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn deflate(plain: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Brotli that compresses nothing (RFC 7932, 9.2): one block as it is, and an empty last one.
fn brotli(plain: &[u8]) -> Vec<u8> {
    let head = ((plain.len() as u32 - 1) << 4) | (1 << 20);
    [&head.to_le_bytes()[..3], plain, &[3]].concat()
}

/// A hub with a project, and where its programs report to.
struct Door {
    hub: Hub,
    id: String,
    key: String,
}

impl Door {
    fn open(toml: &str) -> Door {
        Door::of(Hub::start(toml), "")
    }

    /// Of a hub that lives under a path.
    fn of(hub: Hub, below: &str) -> Door {
        let made = hub.post(&format!("{below}/api/v1/projects"), &json!({ "slug": "shop" }));
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Door { id: text("id"), key: text("public_key"), hub }
    }

    fn path(&self, door: &str) -> String {
        format!("/api/{}/{door}/?sentry_key={}&sentry_version=7", self.id, self.key)
    }

    fn post(&self, door: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        http::ask_with(self.hub.address(), "POST", &self.path(door), headers, body).unwrap()
    }

    /// What is written on a connection, and what is answered.
    fn by_hand(&self, text: &str) -> Answer {
        let mut stream = http::connect(self.hub.address()).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        http::read_answer(&mut stream).unwrap()
    }

    fn times_seen(&self) -> Value {
        issues(&self.hub, "")[0]["times_seen"].clone()
    }
}

/// What a client does to a body.
type Encode<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

#[test]
fn every_encoding_of_every_client_is_read() {
    let door = Door::open(TOML);
    let mut n = 0;
    let mut next = |body: fn(usize) -> String| {
        n += 1;
        body(n)
    };
    let plain = |text: &[u8]| text.to_vec();
    let stored = |text: &[u8]| zstd::encode_all(text, 1).unwrap();
    let encodings: [(&str, Encode<'_>); 8] = [
        ("", &plain),
        ("identity", &plain),
        ("UTF-8", &plain),
        ("gzip", &gzip),
        ("deflate", &zlib),
        ("deflate", &deflate),
        ("br", &brotli),
        ("zstd", &stored),
    ];
    let mut sent = 0;
    for (name, encode) in encodings {
        for (at, body) in [("store", error as fn(usize) -> String), ("envelope", envelope)] {
            let text = next(body);
            let answer = door.post(at, &[("Content-Encoding", name)], &encode(text.as_bytes()));
            assert_eq!(answer.status, 200, "{name} at {at}: {answer:?}");
            sent += 1;
        }
    }
    // clients of old say nothing of what they do
    for text in [STANDARD.encode(zlib(next(error).as_bytes())), STANDARD.encode(next(error))] {
        let answer = door.post("store", &[("Content-Type", "application/octet-stream")], text.as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        sent += 1;
    }
    assert_eq!(door.times_seen(), sent);
}

#[test]
fn bodies_come_in_chunks_after_a_hundred_and_without_a_type() {
    let door = Door::open(TOML);
    let head = |more: &str| {
        let path = door.path("envelope");
        format!("POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{more}\r\n", door.hub.address())
    };
    let text = envelope(1);
    let chunks: String = text
        .as_bytes()
        .chunks(40)
        .map(|it| format!("{:x}\r\n{}\r\n", it.len(), String::from_utf8_lossy(it)))
        .collect();
    let answer = door.by_hand(&format!("{}{chunks}0\r\n\r\n", head("Transfer-Encoding: chunked\r\n")));
    assert_eq!(answer.status, 200, "chunked, without a type: {answer:?}");
    let text = envelope(2);
    let length = format!("Content-Length: {}\r\nExpect: 100-continue\r\n", text.len());
    let mut stream = http::connect(door.hub.address()).unwrap();
    stream.write_all(head(&length).as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n", "{}", String::from_utf8_lossy(&go_on));
    stream.write_all(text.as_bytes()).unwrap();
    assert_eq!(http::read_answer(&mut stream).unwrap().status, 200);
    let answer =
        door.post("envelope", &[("Content-Type", "text/plain;charset=UTF-8")], envelope(3).as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer =
        door.post("store", &[("Content-Type", "application/x-sentry-envelope")], envelope(4).as_bytes());
    assert_eq!((answer.status, door.times_seen()), (200, json!(4)), "{answer:?}");
    // what breaks off is nothing, and the next one is read as ever
    let mut stream = http::connect(door.hub.address()).unwrap();
    stream.write_all(head("Content-Length: 5000\r\n").as_bytes()).unwrap();
    stream.write_all(&envelope(5).as_bytes()[..50]).unwrap();
    drop(stream);
    assert_eq!(door.post("envelope", &[], envelope(6).as_bytes()).status, 200);
    assert_eq!(door.times_seen(), 5);
}

#[test]
fn what_is_too_large_is_413_however_small_it_is_on_its_way() {
    let door = Door::open(TOML);
    let large = json!({ "message": "x".repeat(3 << 20) }).to_string();
    let is_refused = |answer: &Answer| {
        let why = answer.header("x-sentry-error").unwrap_or_default();
        assert!(answer.status == 413 && why.contains("larger"), "{answer:?}");
        assert!(answer.json()["detail"].is_string());
    };
    is_refused(&door.post("store", &[], large.as_bytes()));
    // a bomb: 16 MiB in a few KiB
    let bomb = gzip(&vec![b' '; 16 << 20]);
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    for at in ["store", "security"] {
        is_refused(&door.post(at, &[("Content-Encoding", "gzip")], &bomb));
    }
    let item = format!("{{}}\n{{\"type\":\"event\",\"length\":{}}}\n{large}\n", large.len());
    is_refused(&door.post("envelope", &[("Content-Encoding", "gzip")], &gzip(item.as_bytes())));
    let cut = &gzip(error(1).as_bytes())[..20];
    let answer = door.post("store", &[("Content-Encoding", "gzip")], cut);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(issues(&door.hub, "").is_empty(), "nothing is kept of them");
    assert_eq!(door.post("store", &[], error(2).as_bytes()).status, 200);
}

#[test]
fn browsers_report_of_pages_that_are_allowed_and_below_a_path() {
    let hub = Hub::start_exactly(&format!(
        "[server]\nallow_anonymous_loopback = true\nexternal_url = \"http://bell.example/night\"\n{TOML}"
    ));
    let door = Door::of(hub, "/night");
    let shown = door.hub.get("/night/api/v1/projects/shop");
    assert_eq!(shown["dsn"], format!("http://{}@bell.example/night/{}", door.key, door.id));
    let post = |door_path: &str, headers: &[(&str, &str)], body: &str| {
        http::ask(door.hub.address(), "POST", &format!("/night{door_path}"), headers, body).unwrap()
    };
    let change = json!({ "allowed_origins": ["*.shop.example"] }).to_string();
    let json_type = [("Content-Type", "application/json")];
    let changed =
        http::ask(door.hub.address(), "PATCH", "/night/api/v1/projects/shop", &json_type, &change).unwrap();
    assert_eq!(changed.status, 200, "{changed:?}");
    let report = json!({ "csp-report": {
        "document-uri": "https://www.shop.example/pay", "violated-directive": "script-src",
        "blocked-uri": "https://evil.example/x.js",
    } })
    .to_string();
    let (good, bad) = ("https://www.shop.example", "https://evil.example");
    let security = door.path("security");
    let kind = ("Content-Type", "application/csp-report");
    let answer = post(&security, &[kind, ("Origin", good)], &report);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), Some(good));
    assert!(answer.header("access-control-expose-headers").unwrap().contains("x-sentry-rate-limits"));
    let refused = post(&security, &[kind, ("Origin", bad)], &report);
    assert_eq!(
        (refused.status, refused.header("access-control-allow-origin")),
        (403, Some(bad)),
        "{refused:?}"
    );
    assert!(refused.header("x-sentry-error").unwrap().contains("origin"));
    let asks = [
        ("Origin", good),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "x-sentry-auth"),
    ];
    let preflight =
        http::ask(door.hub.address(), "OPTIONS", &format!("/night{}", door.path("envelope")), &asks, "")
            .unwrap();
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (200, Some(good)));
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("x-sentry-auth"));
    assert_eq!(preflight.header("access-control-max-age"), Some("3600"));
    assert_eq!(post(&door.path("store"), &[], &error(1)).status, 200, "a program has no origin");
    let found = door.hub.get("/night/api/v1/issues");
    let titles: Vec<&str> =
        found["items"].as_array().unwrap().iter().map(|it| it["title"].as_str().unwrap()).collect();
    assert_eq!(titles.len(), 2, "{titles:?}");
}

#[test]
fn the_address_of_a_user_is_what_a_proxy_says_that_is_trusted() {
    let address_of = |trusted: &str| {
        let server = format!("[server]\nallow_anonymous_loopback = true\ntrusted_proxies = [{trusted}]\n");
        let door = Door::of(Hub::start_exactly(&format!("{server}{TOML}")), "");
        let event = json!({ "message": "x", "user": { "id": "7", "ip_address": "{{auto}}" } }).to_string();
        let hops = ("X-Forwarded-For", "203.0.113.9, 198.51.100.7");
        assert_eq!(door.post("store", &[hops], event.as_bytes()).status, 200);
        let id = issues(&door.hub, "")[0]["id"].as_str().unwrap().to_owned();
        let shown = door.hub.get(&format!("/api/v1/issues/{id}/events/latest"));
        shown["event"]["user"]["ip_address"].as_str().unwrap().to_owned()
    };
    assert_eq!(address_of(""), "127.0.0.1", "anybody may say anything");
    assert_eq!(address_of("\"127.0.0.1\""), "198.51.100.7");
    assert_eq!(address_of("\"127.0.0.0/8\", \"198.51.100.0/24\""), "203.0.113.9");
}

#[test]
fn who_sends_too_much_hears_for_how_long_and_of_what() {
    let door = Door::open(TOML);
    let made = door.hub.says_json(&["project", "key", "create", "shop", "--rate", "2/3600"]);
    let key = made["public_key"].as_str().unwrap();
    let path = format!("/api/{}/store/?sentry_key={key}", door.id);
    let send = |n: usize| http::ask(door.hub.address(), "POST", &path, &[], &error(n)).unwrap();
    assert_eq!((send(1).status, send(2).status), (200, 200));
    let limited = send(3);
    assert_eq!(limited.status, 429, "{limited:?}");
    let seconds: u32 = limited.header("retry-after").unwrap().parse().unwrap();
    let said = format!("{seconds}:default;error;security:key:quota");
    assert_eq!(limited.header("x-sentry-rate-limits"), Some(said.as_str()));
    assert!(limited.json()["detail"].is_string() && limited.header("x-sentry-error").is_some());
    assert_eq!(door.post("store", &[], error(4).as_bytes()).status, 200, "another key has its own");
}

/// All bytes of all files below a folder.
fn bytes_below(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(bytes_below(&path)),
            false => all.extend(std::fs::read(&path).unwrap()),
        }
    }
    all
}

#[test]
fn nothing_secret_reaches_the_disk() {
    let mut door = Door::open(TOML);
    door.hub.says(&[
        "project",
        "set",
        "shop",
        "--scrub-field",
        "customer_no",
        "--scrub-pattern",
        "CUST-[0-9]{6}",
    ]);
    let secrets = [
        "hunter2hunter2",
        "sekret-cookie-value",
        "4111 1111 1111 1111",
        "Bearer abcdefghijkl",
        "token-in-query-991",
        "no-471147114711",
        "CUST-123456",
        "ann@mail.example",
        "MIIEkeykeykey",
        "form-password-77",
    ];
    let report = json!({
        "event_id": "1".repeat(32), "platform": "python", "transaction": "/pay/CUST-123456",
        "message": "ann@mail.example could not pay with 4111 1111 1111 1111 as CUST-123456",
        "exception": { "values": [{ "type": "PaymentError", "value": "sent Bearer abcdefghijkl to the bank",
            "stacktrace": { "frames": [{ "function": "pay", "module": "shop", "in_app": true,
                "context_line": "db = 'postgres://shop:hunter2hunter2@db/shop'",
                "vars": { "password": "hunter2hunter2", "key": "-----BEGIN PRIVATE KEY-----\nMIIEkeykeykey" } }] } }] },
        "request": { "url": "https://shop.example/pay", "query_string": "token=token-in-query-991",
            "headers": { "Authorization": "Bearer abcdefghijkl", "Cookie": "sessionid=sekret-cookie-value" },
            "data": { "password": "form-password-77" } },
        "tags": { "customer_no": "no-471147114711", "seen_by": "CUST-123456" },
        "extra": { "customer_no": "no-471147114711", "card": "4111 1111 1111 1111" },
        "breadcrumbs": [{ "message": "logged in with Bearer abcdefghijkl" }],
    });
    assert_eq!(door.post("store", &[], report.to_string().as_bytes()).status, 200);
    // what a user says, too
    let words = "my card 4111 1111 1111 1111 as CUST-123456";
    let said = json!({ "event_id": "1".repeat(32), "name": "Ann", "comments": words });
    let said = format!("{{}}\n{{\"type\":\"user_report\"}}\n{said}\n");
    assert_eq!(door.post("envelope", &[], said.as_bytes()).status, 200);
    let id = issues(&door.hub, "")[0]["id"].as_str().unwrap().to_owned();
    // errors lie compressed: what they say is what is read of them
    let paths = [
        format!("/api/v1/issues/{id}"),
        format!("/api/v1/issues/{id}/events/latest"),
        format!("/api/v1/issues/{id}/tags"),
        format!("/api/v1/incidents/{id}"),
        format!("/api/v1/explain/{id}"),
    ];
    let read: String = paths.iter().map(|path| door.hub.ask("GET", path, "").body).collect();
    assert!(read.contains("PaymentError") && read.contains("[Filtered]"), "{read}");
    door.hub.stop();
    let disk = bytes_below(&door.hub.data());
    assert!(holds(&disk, "PaymentError") && holds(&disk, "my card [card]"), "this is where it would be");
    for secret in secrets {
        assert!(!read.contains(secret), "{secret} can be read: {read}");
        assert!(!holds(&disk, secret), "{secret} is on the disk");
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|it| it == text.as_bytes())
}

/// Times that the hub is killed.
const ROUNDS: usize = 8;
const SENDERS: usize = 3;

#[derive(Default)]
struct Sent {
    next: AtomicUsize,
    over: AtomicBool,
    /// those that were answered with 200
    kept: Mutex<BTreeSet<String>>,
    /// rings with each of them
    bell: Condvar,
}

impl Sent {
    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until so many more were answered.
    fn wait_for(&self, more: usize) {
        let kept = self.kept();
        let goal = kept.len() + more;
        let waited = self.bell.wait_timeout_while(kept, PATIENCE, |kept| kept.len() < goal);
        assert!(!waited.unwrap().1.timed_out(), "nothing is answered any more");
    }

    /// Posts errors until the round is over; one that was not answered is sent again.
    fn send(&self, hub: SocketAddr, path: &str) {
        let mut waiting = None;
        while !self.over.load(Ordering::Relaxed) {
            let n = waiting.take().unwrap_or_else(|| self.next.fetch_add(1, Ordering::Relaxed));
            let answer = http::ask(hub, "POST", path, &[], &error(n));
            match answer.is_ok_and(|it| it.status == 200) {
                true => {
                    self.kept().insert(format!("{n:032x}"));
                    self.bell.notify_all();
                }
                false => waiting = Some(n),
            }
        }
    }
}

#[test]
fn whatever_was_answered_with_200_is_there_after_the_hub_was_killed() {
    let mut dice = Dice::new(20_261_122);
    let mut door = Door::open(TOML);
    let (sent, path) = (Sent::default(), door.path("store"));
    for _ in 0..ROUNDS {
        sent.over.store(false, Ordering::Relaxed);
        std::thread::scope(|scope| {
            for _ in 0..SENDERS {
                let (address, sent, path) = (door.hub.address(), &sent, &path);
                scope.spawn(move || sent.send(address, path));
            }
            // while others are under way
            sent.wait_for(5 + dice.below(25) as usize);
            door.hub.kill();
            sent.over.store(true, Ordering::Relaxed);
        });
        door.hub.wake();
    }
    let kept = sent.kept().clone();
    println!("{} errors were answered with 200", kept.len());
    assert!(kept.len() > 50, "the story is too short to say anything");
    let issue = issues(&door.hub, "")[0].clone();
    let id = issue["id"].as_str().unwrap();
    let (mut there, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = door.hub.get(&format!("/api/v1/issues/{id}/events?limit=500{cursor}"));
        for it in page["items"].as_array().unwrap() {
            there.push(it["event_id"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let unique: BTreeSet<String> = there.iter().cloned().collect();
    assert_eq!(unique.len(), there.len(), "none is there twice");
    let lost: Vec<&String> = kept.difference(&unique).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), kept.len());
    assert_eq!(issue["times_seen"], there.len(), "each is counted once");
    wait_for("the hub to be well", PATIENCE, || {
        (door.post("store", &[], error(999_999).as_bytes()).status == 200).then_some(())
    });
}
