//! A mail server on this machine: takes mails over SMTP, and has a mailbox that is looked into over IMAP.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{PATIENCE, wait_for};

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../../crates/connectors/tests/support/imap_host.rs"]
mod imap_host;

use imap_host::Mailbox;

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

/// The server.
pub struct MailHost {
    /// Where it takes mails.
    pub smtp: u16,
    /// Where its mailbox is.
    pub imap: u16,
    taken: Arc<Mutex<Vec<Mail>>>,
    mailbox: Arc<Mutex<Mailbox>>,
}

impl MailHost {
    /// One with an empty mailbox.
    pub fn open() -> Self {
        let (taken, mailbox) = (Arc::default(), Arc::default());
        MailHost { smtp: listen(&taken), imap: imap_host::serve(&mailbox), taken, mailbox }
    }

    /// The mails to an address so far.
    pub fn to(&self, address: &str) -> Vec<Mail> {
        let all = lock(&self.taken).clone();
        all.into_iter().filter(|mail| mail.to.iter().any(|to| to == address)).collect()
    }

    /// Waits for a mail to an address.
    pub fn wait_for(&self, address: &str, which: usize) -> Mail {
        wait_for(&format!("mail {which} to {address}"), PATIENCE, || self.to(address).into_iter().nth(which))
    }

    /// A mail comes into the mailbox.
    pub fn comes(&self, mail: &str) {
        imap_host::lock(&self.mailbox).comes(mail);
    }

    /// Whether all that came was read.
    pub fn is_read(&self) -> bool {
        imap_host::lock(&self.mailbox).is_read()
    }
}

fn lock(taken: &Mutex<Vec<Mail>>) -> MutexGuard<'_, Vec<Mail>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen(taken: &Arc<Mutex<Vec<Mail>>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let taken = taken.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let taken = taken.clone();
            // a talk may end at any time
            std::thread::spawn(move || take_mail(stream, &taken));
        }
    });
    port
}

fn take_mail(mut stream: TcpStream, taken: &Mutex<Vec<Mail>>) -> Option<()> {
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
                    if lines.read_line(&mut text).ok()? == 0 {
                        return None;
                    }
                }
                let mail = Mail { to: std::mem::take(&mut to), text: readable(&text) };
                lock(taken).push(mail);
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
