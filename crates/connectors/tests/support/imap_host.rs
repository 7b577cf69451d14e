//! A mailbox on this machine that is looked into over IMAP (RFC 3501), as far as the hub does.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What opens it.
pub const PASSWORD: &str = "the-password";

/// A mailbox: mails, which of them were seen, and what was said to it.
#[derive(Default)]
pub struct Mailbox {
    mails: Vec<(String, bool)>,
    said: Vec<String>,
}

impl Mailbox {
    /// A mail comes.
    pub fn comes(&mut self, mail: &str) {
        self.mails.push((mail.replace('\n', "\r\n"), false));
    }

    /// Whether all that came was read.
    pub fn is_read(&self) -> bool {
        self.mails.iter().all(|(_, seen)| *seen)
    }

    /// Whether anybody has ever looked into it.
    pub fn was_asked(&self) -> bool {
        !self.said.is_empty()
    }
}

/// Serves a mailbox; returns the port.
pub fn serve(mailbox: &Arc<Mutex<Mailbox>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of this machine");
    let port = listener.local_addr().expect("it listens").port();
    let mailbox = mailbox.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mailbox = mailbox.clone();
            // a talk may end at any time
            std::thread::spawn(move || talk(stream, &mailbox));
        }
    });
    port
}

/// The mailbox, also after a test that has failed.
pub fn lock(mailbox: &Mutex<Mailbox>) -> MutexGuard<'_, Mailbox> {
    mailbox.lock().unwrap_or_else(PoisonError::into_inner)
}

fn talk(mut stream: TcpStream, mailbox: &Mutex<Mailbox>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?);
    stream.write_all(b"* OK IMAP4rev1 ready\r\n").ok()?;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let (tag, command) = line.trim_end().split_once(' ')?;
        let said = match answer(&mut lock(mailbox), command) {
            Ok(lines) => format!("{lines}{tag} OK done\r\n"),
            Err(no) => format!("{tag} NO {no}\r\n"),
        };
        stream.write_all(said.as_bytes()).ok()?;
    }
}

fn answer(mailbox: &mut Mailbox, command: &str) -> Result<String, &'static str> {
    mailbox.said.push(command.to_owned());
    let words: Vec<&str> = command.split(' ').collect();
    let uid = || words.get(2).and_then(|it| it.parse::<usize>().ok()).ok_or("no number");
    Ok(match (words[0], words.get(1).copied().unwrap_or_default()) {
        ("LOGIN", _) if !command.contains(PASSWORD) => return Err("wrong"),
        ("SELECT", _) => "* 0 EXISTS\r\n* OK [UIDVALIDITY 1] fine\r\n".to_owned(),
        ("UID", "SEARCH") => {
            let unseen = mailbox.mails.iter().enumerate().filter(|(_, (_, seen))| !seen);
            let unseen: Vec<String> = unseen.map(|(at, _)| (at + 1).to_string()).collect();
            format!("* SEARCH {}\r\n", unseen.join(" "))
        }
        ("UID", "FETCH") => {
            let uid = uid()?;
            let mail = &mailbox.mails[uid - 1].0;
            format!("* {uid} FETCH (UID {uid} BODY[]<0> {{{}}}\r\n{mail})\r\n", mail.len())
        }
        ("UID", "STORE") => {
            mailbox.mails[uid()? - 1].1 = true;
            String::new()
        }
        _ => String::new(),
    })
}
