//! Whoever is told takes it from where they read it: by the link in a mail, by answering the mail, by a button in a
//! chat. People say where they are reached; through which servers is the hub's own matter.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nightbell_acceptance::http;
use nightbell_acceptance::hub::alert;
use nightbell_acceptance::{Hub, MailHost, PATIENCE, wait_for};
use serde_json::{Value, json};

/// A hub that mails, looks into a mailbox, and hears a bot's buttons.
fn start(mail: &MailHost, more: &str) -> Hub {
    let (smtp, imap) = (mail.smtp, mail.imap);
    Hub::start_exactly(&format!(
        "[server]\nexternal_url = \"http://bell.example\"\n[outbound]\nallow_private = true\n\
         [incidents]\nresolve_timeout = \"1h\"\n[route]\nreceiver = \"nobody\"\n[[receivers.nobody.inbox]]\n\
         [defaults.email]\nhost = \"127.0.0.1\"\nport = {smtp}\ntls = \"none\"\nfrom = \"bell@example.org\"\n\
         [answers.mail]\nhost = \"127.0.0.1\"\nport = {imap}\ntls = \"none\"\nusername = \"bell\"\n\
         password = \"the-password\"\n\
         address = \"bell+{{token}}@example.org\"\nevery = \"200ms\"\n{more}"
    ))
}

/// A responder with an address, who hears of everything there.
fn ann(hub: &Hub) {
    hub.post("/api/v1/users", &json!({ "name": "ann", "role": "responder", "email": "ann@example.org" }));
    let places = hub.get("/api/v1/destinations?owner=ann");
    hears_of_everything(hub, &places["items"][0]["id"]);
}

fn hears_of_everything(hub: &Hub, place: &Value) {
    let slot = define(hub, "timeslots", json!({ "windows": [{}] }));
    let filter = define(hub, "filters", json!({ "maxlevel": 5 }));
    define(
        hub,
        "profiles",
        json!({ "timeslot": slot, "filters": [filter], "destinations": [place], "active": true }),
    );
}

fn define(hub: &Hub, kind: &str, spec: Value) -> Value {
    let answer = hub.ask(
        "POST",
        &format!("/api/v1/{kind}"),
        &json!({ "name": "mine", "owner": "ann", "spec": spec }).to_string(),
    );
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()["id"].clone()
}

fn fires(hub: &Hub, name: &str) {
    hub.alerts(&[alert(&[("alertname", name), ("severity", "critical")])]);
}

fn incident(hub: &Hub, name: &str) -> Value {
    let all = hub.get("/api/v1/incidents?state=all");
    let all = all["items"].as_array().unwrap().clone();
    all.into_iter().find(|it| it["labels"]["alertname"] == name).unwrap()
}

fn becomes(hub: &Hub, name: &str, state: &str) -> Value {
    wait_for(&format!("{name} to be {state}"), PATIENCE, || {
        Some(incident(hub, name)).filter(|it| it["state"] == state)
    })
}

#[test]
fn the_link_in_a_mail_outlives_the_process_and_takes_when_it_is_asked_to() {
    let mail = MailHost::open();
    let mut hub = start(&mail, "");
    ann(&hub);
    fires(&hub, "Disk");
    let told = mail.wait_for("ann@example.org", 0);
    let link = told.after("Acknowledge: http://bell.example").to_owned();
    assert!(link.starts_with("/ack/"), "{}", told.text);
    hub.kill_and_wake();
    for method in ["GET", "HEAD"] {
        let looked = http::ask(hub.address(), method, &link, &[], "");
        // a HEAD has the length of what it does not send
        assert!(
            method == "HEAD"
                || looked.is_ok_and(|it| it.status == 200 && it.body.contains("You act as <b>ann</b>"))
        );
    }
    assert_eq!(incident(&hub, "Disk")["state"], "open", "programs that look at mails take nothing");
    let taken = http::ask(hub.address(), "POST", &link, &[], "note=coming&for=2h").unwrap();
    assert_eq!(taken.status, 200, "{}", taken.body);
    let it = becomes(&hub, "Disk", "acknowledged");
    assert_eq!(it["acknowledged_by"], "ann");
    assert_eq!(http::ask(hub.address(), "POST", &link, &[], "").unwrap().status, 409, "once");
    // nothing of it is to be found where others look
    let (log, token) = (hub.log(), link.trim_start_matches("/ack/"));
    let told = hub.get("/api/v1/deliveries").to_string();
    assert!(!log.contains(token) && !told.contains(token));
}

#[test]
fn an_answer_by_mail_takes_and_ends_and_nobody_elses_does() {
    let mail = MailHost::open();
    let hub = start(&mail, "");
    ann(&hub);
    fires(&hub, "Disk");
    let told = mail.wait_for("ann@example.org", 0);
    let (id, to) = (told.header("Message-ID").to_owned(), told.header("Reply-To").to_owned());
    assert!(
        id.starts_with("<answer.") && to.starts_with("bell+") && to.ends_with("@example.org"),
        "{}",
        told.text
    );
    let answer = |from: &str, headers: &str, text: &str| {
        mail.comes(&format!("From: {from}\nTo: bell@example.org\n{headers}Subject: Re: Disk\n\n{text}\n"));
    };
    let replied = format!("In-Reply-To: {id}\n");
    answer("eve@example.org", &replied, "ack");
    answer("ann@example.org", &format!("{replied}Auto-Submitted: auto-replied\n"), "ack");
    answer("ann@example.org", "", "ack");
    wait_for("all to be read", PATIENCE, || mail.is_read().then_some(()));
    assert_eq!(incident(&hub, "Disk")["state"], "open");
    answer("Ann <ANN@example.org>", &replied, "Ack 2h on my way\n\n> [FIRING:1] Disk");
    let it = becomes(&hub, "Disk", "acknowledged");
    assert!(it["acknowledged_until"].is_string(), "{it}");
    // by the address alone, as from a program that says nothing else
    mail.comes(&format!("From: ann@example.org\nTo: {to}\n\nresolved: it was the fan\n"));
    becomes(&hub, "Disk", "resolved");
    let line = hub.get("/api/v1/audit?action=incident.resolve")["items"][0].clone();
    assert_eq!(
        (&line["actor"]["name"], &line["after"]["note"]),
        (&json!("ann"), &json!("it was the fan")),
        "{line}"
    );
}

#[test]
fn a_text_message_goes_through_the_gateway_in_both_ways_once_its_number_is_confirmed() {
    for (number_in, to, subject) in [
        ("recipient", "sms+345656787643@example.com", "sms"),
        ("subject", "sms@example.com", "sms +345656787643"),
    ] {
        let mail = MailHost::open();
        let account = format!(
            "[defaults.sms]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"bell@example.org\"\n\
             gateway = \"sms@example.com\"\nnumber_in = \"{number_in}\"\n",
            mail.smtp
        );
        let hub = start(&mail, &account);
        hub.post("/api/v1/users", &json!({ "name": "ann", "role": "responder" }));
        let spec = json!({ "kind": "sms", "settings": { "phone_number": "5656" } });
        let wrong = json!({ "name": "x", "owner": "ann", "spec": spec });
        let wrong = hub.ask("POST", "/api/v1/destinations", &wrong.to_string());
        assert!(wrong.status == 400 && wrong.body.contains("spec.settings.phone_number"), "{}", wrong.body);
        let settings = json!({ "phone_number": "+34 5656 787 643" });
        let place = define(&hub, "destinations", json!({ "kind": "sms", "settings": settings }));
        let path = format!("/api/v1/destinations/{}", place.as_str().unwrap());
        assert_eq!(hub.get(&path)["spec"]["settings"]["phone_number"], "+345656787643");
        let again =
            json!({ "name": "again", "owner": "ann", "spec": { "kind": "sms", "settings": settings } });
        let again = hub.ask("POST", "/api/v1/destinations", &again.to_string());
        assert!(again.status == 400 && again.body.contains("already"), "{}", again.body);

        hears_of_everything(&hub, &place);
        fires(&hub, "Early");
        assert_eq!(hub.ask("POST", &format!("{path}/verification"), "").status, 202);
        let code = mail.wait_for(to, 0);
        assert_eq!(code.header("Subject"), subject);
        let code = code.text.split("is ").nth(1).unwrap()[..6].to_owned();
        let confirmed = hub.ask("PUT", &format!("{path}/verification"), &json!({ "code": code }).to_string());
        assert_eq!(confirmed.status, 200, "{}", confirmed.body);
        fires(&hub, "Disk");
        let told = mail.wait_for(to, 1);
        assert_eq!(mail.to(to).len(), 2, "what came before the code was said is not told");
        let link = told.after("http://bell.example").to_owned();
        assert!(link.starts_with("/ack/"), "{}", told.text);
        assert_eq!(http::ask(hub.address(), "POST", &link, &[], "").unwrap().status, 200);
        becomes(&hub, "Disk", "acknowledged");
        let used = hub.ask("DELETE", &path, "");
        assert!(used.status == 409 && used.body.contains("profile \\\"mine\\\""), "{}", used.body);
    }
}

/// The Bot API: what was sent through it, and what is pressed.
#[derive(Default)]
struct Bot {
    sent: Vec<Value>,
    pressed: Vec<Value>,
    told: Vec<Value>,
}

fn bot() -> (String, Arc<Mutex<Bot>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let bot = Arc::new(Mutex::new(Bot::default()));
    let kept = bot.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let kept = kept.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(&stream);
                let (mut first, mut length) = (String::new(), 0);
                reader.read_line(&mut first).ok()?;
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).ok()?;
                    let line = line.trim().to_ascii_lowercase();
                    if let Some(count) = line.strip_prefix("content-length:") {
                        length = count.trim().parse().ok()?;
                    }
                    if line.is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).ok()?;
                let body: Value = serde_json::from_slice(&body).ok()?;
                let mut bot = kept.lock().unwrap();
                let result = match first
                    .split([' ', '/'])
                    .find(|word| ["sendMessage", "getUpdates", "answerCallbackQuery"].contains(word))?
                {
                    "sendMessage" => {
                        bot.sent.push(body);
                        json!({ "message_id": bot.sent.len() })
                    }
                    "getUpdates" => {
                        let offset = body["offset"].as_u64()? as usize;
                        let next: Vec<Value> =
                            bot.pressed.iter().skip(offset.saturating_sub(1)).take(1).cloned().collect();
                        drop(bot);
                        if next.is_empty() {
                            std::thread::park_timeout(Duration::from_millis(50));
                        }
                        json!(next)
                    }
                    _ => {
                        bot.told.push(body);
                        json!(true)
                    }
                };
                let said = json!({ "ok": true, "result": result }).to_string();
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", said.len());
                (&stream).write_all(format!("{head}{said}").as_bytes()).ok()
            });
        }
    });
    (url, bot)
}

#[test]
fn a_button_in_a_chat_takes_for_who_has_shown_that_it_is_theirs() {
    let (mail, (api, bot)) = (MailHost::open(), bot());
    let more = format!(
        "[defaults.telegram]\ntoken = \"123:bot\"\napi_url = \"{api}\"\n\
         [answers.telegram]\ntoken = \"123:bot\"\napi_url = \"{api}\"\n"
    );
    let hub = start(&mail, &more);
    hub.post("/api/v1/users", &json!({ "name": "ann", "role": "responder" }));
    let place = define(&hub, "destinations", json!({ "kind": "telegram", "settings": { "chat_id": 4711 } }));
    let path = format!("/api/v1/destinations/{}/verification", place.as_str().unwrap());
    assert_eq!(hub.ask("PUT", &path, "{}").status, 200, "who runs the hub confirms it");
    hears_of_everything(&hub, &place);
    fires(&hub, "Disk");
    let sent = wait_for("a message", PATIENCE, || bot.lock().unwrap().sent.first().cloned());
    assert_eq!(sent["chat_id"], "4711");
    let data = sent["reply_markup"]["inline_keyboard"][0][0]["callback_data"].clone();
    let press = |update: usize, from: i64| {
        let query = json!({ "id": format!("q{update}"), "from": { "id": from }, "data": data });
        bot.lock().unwrap().pressed.push(json!({ "update_id": update, "callback_query": query }));
        let told = || bot.lock().unwrap().told.get(update - 1).cloned();
        wait_for("who pressed to be told", PATIENCE, told)["text"].as_str().unwrap().to_owned()
    };
    let said = press(1, 666);
    assert!(said.starts_with("Not done: who answers is not known here"), "{said}");
    assert_eq!(incident(&hub, "Disk")["state"], "open");
    let said = press(2, 4711);
    assert!(said.starts_with("ann has"), "{said}");
    assert_eq!(becomes(&hub, "Disk", "acknowledged")["acknowledged_by"], "ann");
}
