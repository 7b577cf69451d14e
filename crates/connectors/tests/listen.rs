//! Listening for answers: buttons in Slack and Telegram and a mailbox, each with the other side on this machine.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

extern crate nightbell_connectors as connectors;

#[path = "support/imap_host.rs"]
mod imap_host;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connectors::listen::{mail, slack, telegram};
use futures::future::BoxFuture;
use sdk::Secret;
use sdk::answering::{Answer, Ear, Verb, Who};
use sdk::http::{Guard, Http};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::{self, Message as Frame};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Writes down what it hears.
struct Heard {
    answers: UnboundedSender<Answer>,
    /// How often it says first that it cannot.
    busy: AtomicUsize,
    ours: AtomicBool,
}

impl Ear for Heard {
    fn hear(&self, answer: Answer) -> BoxFuture<'_, Result<String, String>> {
        let busy =
            self.busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        Box::pin(async move {
            if busy {
                return Err("the database is gone".to_owned());
            }
            // a test that is over does not listen
            let _ = self.answers.send(answer);
            Ok("You have it now.".to_owned())
        })
    }

    fn is_ours<'a>(&'a self, _: &'a str, _: Duration) -> BoxFuture<'a, bool> {
        Box::pin(async move { self.ours.load(Ordering::SeqCst) })
    }
}

fn ear(busy: usize) -> (Arc<Heard>, UnboundedReceiver<Answer>) {
    let (answers, heard) = unbounded_channel();
    (Arc::new(Heard { answers, busy: AtomicUsize::new(busy), ours: AtomicBool::new(true) }), heard)
}

fn http() -> Http {
    Http::new(Guard { allow_private: true, ..Guard::default() }).unwrap()
}

/// The next answers while somebody listens.
async fn heard(
    listening: impl Future<Output = ()>,
    answers: &mut UnboundedReceiver<Answer>,
    count: usize,
) -> Vec<Answer> {
    let all = async {
        let mut all = Vec::new();
        while all.len() < count {
            all.push(answers.recv().await.unwrap());
        }
        all
    };
    tokio::select! {
        () = listening => unreachable!("it listens until it is dropped"),
        all = tokio::time::timeout(PATIENCE, all) => all.expect("nothing was heard"),
    }
}

/// What was asked of a scripted API: path and body.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// A web API that answers by a script, which may take its time.
fn api(mut script: impl FnMut(&str, &Value) -> String + Send + 'static) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let seen = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Some((path, body)) = request(&mut BufReader::new(stream.as_ref().unwrap())) else { continue };
            seen.lock().unwrap().push((path.clone(), body.clone()));
            let said = script(&path, &body);
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{said}",
                said.len()
            );
            // the other side may have gone
            let _ = stream.unwrap().write_all(answer.as_bytes());
        }
    });
    (url, asked)
}

fn request(reader: &mut BufReader<&TcpStream>) -> Option<(String, Value)> {
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first.split(' ').nth(1)?.to_owned(), serde_json::from_slice(&body).unwrap_or_default()))
}

fn ack(who: Who) -> Answer {
    Answer { token: "the-token".to_owned(), who, verb: Verb::Acknowledge(None), note: String::new() }
}

fn press(update: i64, data: &str) -> String {
    let query =
        json!({ "id": format!("q{update}"), "from": { "id": 4711, "first_name": "Ann" }, "data": data });
    json!({ "ok": true, "result": [{ "update_id": update, "callback_query": query }] }).to_string()
}

#[tokio::test]
async fn a_button_in_telegram_is_heard_once_and_who_pressed_is_told() {
    // trouble first, garbage then, and what is not ours between
    let (api_url, asked) =
        api(|path, body| match (path.rsplit('/').next().unwrap(), body["offset"].as_i64()) {
            ("getUpdates", Some(0)) => press(7, "ack:the-token"),
            ("getUpdates", Some(8)) => press(8, "something of another program"),
            // of a shape that nobody knows
            ("getUpdates", Some(9)) => {
                json!({ "ok": true, "result": [{ "update_id": 9, "callback_query": { "id": 5 } }] })
                    .to_string()
            }
            ("getUpdates", Some(10)) => press(10, "end:the-token"),
            ("getUpdates", _) => {
                // as long as nothing is pressed
                std::thread::park_timeout(Duration::from_millis(50));
                json!({ "ok": true, "result": [] }).to_string()
            }
            _ => json!({ "ok": true, "result": true }).to_string(),
        });
    let settings = telegram::Settings { token: Secret::new("123:the-bot"), api_url };
    let (ear, mut answers) = ear(1);
    let all = heard(telegram::run(settings, http(), ear), &mut answers, 2).await;
    let who = Who::Chat("telegram", "4711".to_owned());
    assert_eq!(all, [ack(who.clone()), Answer { verb: Verb::Resolve, ..ack(who) }]);
    let asked = asked.lock().unwrap();
    let told: Vec<&Value> =
        asked.iter().filter(|(path, _)| path.ends_with("answerCallbackQuery")).map(|(_, it)| it).collect();
    assert_eq!((&told[0]["callback_query_id"], &told[0]["text"]), (&json!("q7"), &json!("You have it now.")));
    assert!(told[1]["text"].as_str().unwrap().contains("not known here"));
    assert!(asked.iter().all(|(path, _)| path.starts_with("/bot123:the-bot/")));
}

#[tokio::test]
async fn a_bot_that_is_refused_is_asked_again_later() {
    let mut refused = 0;
    let (api_url, _) = api(move |path, _| {
        if path.ends_with("getUpdates") && refused < 2 {
            refused += 1;
            return match refused {
                1 => json!({ "ok": false, "error_code": 409, "description": "Conflict" }),
                _ => json!("no JSON of theirs"),
            }
            .to_string();
        }
        press(1, "ack:the-token")
    });
    let settings = telegram::Settings { token: Secret::new("123:the-bot"), api_url };
    let (ear, mut answers) = ear(0);
    assert_eq!(heard(telegram::run(settings, http(), ear), &mut answers, 1).await.len(), 1);
}

/// A socket of Slack: says hello, then these, and waits after each until it was taken.
fn socket(mut stories: Vec<Vec<Value>>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/link/?ticket=the-ticket", listener.local_addr().unwrap());
    let taken = Arc::new(Mutex::new(Vec::new()));
    let seen = taken.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut socket) = tungstenite::accept(stream.unwrap()) else { continue };
            socket.send(Frame::text(json!({ "type": "hello" }).to_string())).unwrap();
            let story = if stories.is_empty() { Vec::new() } else { stories.remove(0) };
            for said in story {
                let wants_answer = said.get("envelope_id").is_some();
                let _ = socket.send(Frame::text(said.to_string()));
                if wants_answer && let Ok(answer) = socket.read() {
                    seen.lock().unwrap().push(answer.to_text().unwrap().to_owned());
                }
            }
            if !stories.is_empty() {
                // cut without a word
                continue;
            }
            // keeps the last one open
            let _ = socket.read();
        }
    });
    (url, taken)
}

fn pressed(envelope: &str, action: &str, response_url: &str) -> Value {
    let payload = json!({
        "type": "block_actions", "user": { "id": "U012AB3CD", "username": "ann" }, "response_url": response_url,
        "actions": [{ "type": "button", "action_id": action, "value": "the-token" }],
    });
    json!({ "type": "interactive", "envelope_id": envelope, "payload": payload, "accepts_response_payload": false })
}

#[tokio::test]
async fn slack_hears_at_once_that_a_button_was_taken() {
    // who pressed it cannot be told: that takes its time
    let (told_url, _) = api(|_, _| {
        std::thread::park_timeout(PATIENCE);
        String::new()
    });
    let (socket_url, taken) = socket(vec![vec![pressed("e1", "nightbell_ack", &told_url)]]);
    let (api_url, _) = api(move |_, _| json!({ "ok": true, "url": socket_url }).to_string());
    let settings = slack::Settings { app_token: Secret::new("xapp-1"), api_url };
    let (ear, _answers) = ear(0);
    let seen = async {
        while taken.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = slack::run(settings, http(), ear) => {}
        // Slack itself waits for three
        done = tokio::time::timeout(Duration::from_secs(3), seen) => done.expect("it was not taken in time"),
    }
}

#[tokio::test]
async fn a_button_in_slack_is_heard_over_a_socket_that_comes_back() {
    let (told_url, told) = api(|_, _| "ok".to_owned());
    let first = vec![
        json!({ "type": "nonsense" }),
        json!("no envelope"),
        pressed("e1", "of_another_app", &told_url),
        pressed("e2", "nightbell_ack", &told_url),
        json!({ "type": "disconnect", "reason": "refresh_requested" }),
    ];
    let second = vec![pressed("e3", "nightbell_resolve", &told_url)];
    let (socket_url, taken) = socket(vec![first, second]);
    let mut refused = false;
    let (api_url, asked) = api(move |_, _| {
        if !std::mem::replace(&mut refused, true) {
            return json!({ "ok": false, "error": "internal_error" }).to_string();
        }
        json!({ "ok": true, "url": socket_url }).to_string()
    });
    let settings = slack::Settings { app_token: Secret::new("xapp-1"), api_url };
    let (ear, mut answers) = ear(0);
    let mut listening = std::pin::pin!(slack::run(settings, http(), ear));
    let all = heard(listening.as_mut(), &mut answers, 2).await;
    let who = Who::Chat("slack", "U012AB3CD".to_owned());
    assert_eq!(all, [ack(who.clone()), Answer { verb: Verb::Resolve, ..ack(who) }]);
    assert!(asked.lock().unwrap().iter().all(|(path, _)| path == "/apps.connections.open"));
    let seen = async {
        while taken.lock().unwrap().len() < 3 || told.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = listening => {}
        done = tokio::time::timeout(PATIENCE, seen) => done.expect("not all was taken and told"),
    }
    let ids: Vec<String> = taken
        .lock()
        .unwrap()
        .iter()
        .map(|it| serde_json::from_str::<Value>(it).unwrap()["envelope_id"].to_string())
        .collect();
    assert_eq!(ids, ["\"e1\"", "\"e2\"", "\"e3\""]);
    let told = told.lock().unwrap();
    assert_eq!(
        (&told[0].1["text"], &told[0].1["response_type"]),
        (&json!("You have it now."), &json!("ephemeral"))
    );
}

/// A mailbox with these mails, and the port that it is at.
fn imap(mails: &[String]) -> (u16, Arc<Mutex<imap_host::Mailbox>>) {
    let mailbox = Arc::<Mutex<imap_host::Mailbox>>::default();
    mails.iter().for_each(|mail| mailbox.lock().unwrap().comes(mail));
    (imap_host::serve(&mailbox), mailbox)
}

fn mailbox_settings(port: u16) -> mail::Settings {
    mail::Settings {
        host: "127.0.0.1".to_owned(),
        port,
        tls: None,
        username: "bell".to_owned(),
        password: Secret::new(imap_host::PASSWORD),
        folder: "INBOX".to_owned(),
        address: "bell@example.org".to_owned(),
        every: Duration::from_millis(20),
    }
}

fn reply(from: &str, headers: &str, text: &str) -> String {
    format!("From: {from}\nTo: bell@example.org\n{headers}Subject: Re: [FIRING:1] Disk is full\n\n{text}\n")
}

#[tokio::test]
async fn answers_by_mail_are_read_once_and_what_is_none_is_left_alone() {
    let answered = "In-Reply-To: <answer.the-token@bell.example>\n";
    let (port, mailbox) = imap(&[
        reply("eve@example.org", "", "ack"),
        reply("robot@example.org", &format!("{answered}Auto-Submitted: auto-replied\n"), "ack"),
        reply("Ann <ann@example.org>", answered, "ACK 2h on my way\n\n> [FIRING:1]"),
        "no mail at all".to_owned(),
        reply("ann@example.org", answered, "resolve"),
    ]);
    let (ear, mut answers) = ear(1);
    let mut listening = std::pin::pin!(mail::run(mailbox_settings(port), http(), ear));
    let all = heard(listening.as_mut(), &mut answers, 2).await;
    let who = Who::Mail("ann@example.org".to_owned());
    let first = Verb::Acknowledge(Some(Duration::from_secs(7200)));
    assert_eq!(all[0], Answer { verb: first, note: "on my way".to_owned(), ..ack(who.clone()) });
    assert_eq!(all[1], Answer { verb: Verb::Resolve, ..ack(who) });
    let seen = async {
        while !mailbox.lock().unwrap().is_read() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = listening => {}
        done = tokio::time::timeout(PATIENCE, seen) => done.expect("not all of it counts as seen"),
    }
    assert!(answers.try_recv().is_err(), "nothing else was an answer");
}

#[tokio::test]
async fn whoever_fills_the_mailbox_keeps_nobody_waiting() {
    let junk = (0..150).map(|n| reply(&format!("eve{n}@example.org"), "", "buy"));
    let answer = reply("ann@example.org", "In-Reply-To: <answer.the-token@bell.example>\n", "ack");
    let (port, _mailbox) = imap(&junk.chain([answer]).collect::<Vec<_>>());
    let settings = mail::Settings { every: Duration::from_secs(3600), ..mailbox_settings(port) };
    let (ear, mut answers) = ear(0);
    assert_eq!(heard(mail::run(settings, http(), ear), &mut answers, 1).await.len(), 1);
}

#[tokio::test]
async fn nobody_asks_where_another_node_listens() {
    let (port, mailbox) = imap(&[]);
    let (ear, _answers) = ear(0);
    ear.ours.store(false, Ordering::SeqCst);
    let listening = mail::run(mailbox_settings(port), http(), ear);
    assert!(tokio::time::timeout(Duration::from_millis(100), listening).await.is_err());
    assert!(!mailbox.lock().unwrap().was_asked());
}
