//! A mail server on this machine: takes mails over SMTP, and has a mailbox that is looked into over IMAP.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{PATIENCE, wait_for};

/// A mail that was taken.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Whom it was for, as the envelope says.
    pub to: Vec<String>,
    /// All of it, with simple line ends and readable.
    pub text: String,
}

impl Mail {
    /// A header; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        let head = self.text.split("\n\n").next().unwrap_or_default();
        let find =
            |line: &'_ &str| line.split_once(": ").is_some_and(|(have, _)| have.eq_ignore_ascii_case(name));
        head.lines().find(find).map_or("", |line| &line[name.len() + 2..])
    }

    /// What follows some words in it, up to the next blank.
    pub fn after(&self, words: &str) -> &str {
        let rest = self.text.split_once(words).map_or("", |(_, rest)| rest);
        rest.split_whitespace().next().unwrap_or_default()
    }
}

#[derive(Default)]
struct State {
    taken: Vec<Mail>,
    mailbox: Vec<(String, bool)>,
}

/// The server.
pub struct MailHost {
    /// Where it takes mails.
    pub smtp: u16,
    /// Where its mailbox is.
    pub imap: u16,
    state: Arc<Mutex<State>>,
}

impl MailHost {
    /// One with an empty mailbox.
    pub fn open() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let smtp = listen(&state, take_mail);
        let imap = listen(&state, show_mailbox);
        MailHost { smtp, imap, state }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mails to an address so far.
    pub fn to(&self, address: &str) -> Vec<Mail> {
        let all = self.lock().taken.clone();
        all.into_iter().filter(|mail| mail.to.iter().any(|to| to == address)).collect()
    }

    /// Waits for a mail to an address.
    pub fn wait_for(&self, address: &str, which: usize) -> Mail {
        wait_for(&format!("mail {which} to {address}"), PATIENCE, || self.to(address).into_iter().nth(which))
    }

    /// A mail comes into the mailbox.
    pub fn comes(&self, mail: &str) {
        self.lock().mailbox.push((mail.replace('\n', "\r\n"), false));
    }

    /// Whether all that came was read.
    pub fn is_read(&self) -> bool {
        self.lock().mailbox.iter().all(|(_, seen)| *seen)
    }
}

fn listen(state: &Arc<Mutex<State>>, talk: fn(TcpStream, &Mutex<State>) -> Option<()>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let state = state.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let state = state.clone();
            // a talk may end at any time
            std::thread::spawn(move || talk(stream, &state));
        }
    });
    port
}

fn take_mail(mut stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?);
    stream.write_all(b"220 mail.example ESMTP\r\n").ok()?;
    let mut to = Vec::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let said = line.trim_end();
        let answer = match said.split([' ', ':']).next()? {
            "EHLO" => "250-mail.example\r\n250 8BITMIME",
            "RCPT" => {
                to.push(said.split(['<', '>']).nth(1)?.to_owned());
                "250 fine"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").ok()?;
                let mut text = String::new();
                while !text.ends_with("\r\n.\r\n") {
                    lines.read_line(&mut text).ok()?;
                }
                let mail = Mail { to: std::mem::take(&mut to), text: readable(&text) };
                state.lock().unwrap_or_else(PoisonError::into_inner).taken.push(mail);
                "250 taken"
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n").ok(),
            _ => "250 fine",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
    }
}

/// Quoted-printable as it is read.
fn readable(text: &str) -> String {
    let text = text.replace("=\r\n", "").replace("\r\n", "\n");
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'=').then(|| std::str::from_utf8(after.get(..2)?).ok()).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn show_mailbox(mut stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?);
    stream.write_all(b"* OK IMAP4rev1 ready\r\n").ok()?;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let (tag, command) = line.trim_end().split_once(' ')?;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let words: Vec<&str> = command.split(' ').collect();
        let uid = || words.get(2).and_then(|it| it.parse::<usize>().ok());
        let said = match (words[0], words.get(1).copied().unwrap_or_default()) {
            ("SELECT", _) => "* 0 EXISTS\r\n".to_owned(),
            ("UID", "SEARCH") => {
                let unseen = state.mailbox.iter().enumerate().filter(|(_, (_, seen))| !seen);
                let unseen: Vec<String> = unseen.map(|(at, _)| (at + 1).to_string()).collect();
                format!("* SEARCH {}\r\n", unseen.join(" "))
            }
            ("UID", "FETCH") => {
                let uid = uid()?;
                let mail = &state.mailbox[uid - 1].0;
                format!("* {uid} FETCH (UID {uid} BODY[]<0> {{{}}}\r\n{mail})\r\n", mail.len())
            }
            ("UID", "STORE") => {
                state.mailbox[uid()? - 1].1 = true;
                String::new()
            }
            _ => String::new(),
        };
        stream.write_all(format!("{said}{tag} OK done\r\n").as_bytes()).ok()?;
    }
}
