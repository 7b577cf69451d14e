//! A scripted mail server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Who signed the server's certificate, which is for `localhost`.
pub const AUTHORITY: &str = include_str!("tls/ca.pem");

/// What it answers, where that is not yes: the start of what it is told, and the answer to it. With a number before
/// it, such as `1:MAIL`, only after so many mails in one talk. An empty answer is none, ever; after one that begins
/// with `!` it hangs up.
pub type Script = &'static [(&'static str, &'static str)];

/// The server.
pub struct SmtpPeer {
    pub port: u16,
    talks: Receiver<String>,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    now: usize,
    most: usize,
    all: usize,
}

impl SmtpPeer {
    pub fn start(script: Script) -> Self {
        Self::listen(script, false)
    }

    /// One that speaks TLS from the first byte on.
    pub fn start_tls(script: Script) -> Self {
        Self::listen(script, true)
    }

    fn listen(script: Script, implicit: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, talks) = channel();
        let open = Arc::new(Mutex::new(Open::default()));
        let counted = open.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, counted, sender) = (stream.unwrap(), counted.clone(), sender.clone());
                {
                    let mut open = counted.lock().unwrap();
                    open.now += 1;
                    open.all += 1;
                    open.most = open.most.max(open.now);
                }
                std::thread::spawn(move || {
                    let mut said = String::new();
                    // a talk may end at any time, and ends well with QUIT
                    let _ = if implicit {
                        encrypted(stream, script, &mut said)
                    } else {
                        clear(stream, script, &mut said)
                    };
                    counted.lock().unwrap().now -= 1;
                    let _ = sender.send(said);
                });
            }
        });
        SmtpPeer { port, talks, open }
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.open.lock().unwrap().all
    }

    /// The most connections that were open at once.
    pub fn most_at_once(&self) -> usize {
        self.open.lock().unwrap().most
    }

    /// What was said by the client in the next talk, `(TLS)` where it became encrypted.
    pub fn next(&self) -> String {
        self.talks.recv_timeout(std::time::Duration::from_secs(20)).expect("no talk came")
    }
}

fn clear(stream: TcpStream, script: Script, said: &mut String) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    if talk(&mut reader, script, said, true)? {
        return encrypted_talk(reader.into_inner(), script, said, false);
    }
    Ok(())
}

fn encrypted(stream: TcpStream, script: Script, said: &mut String) -> std::io::Result<()> {
    encrypted_talk(stream, script, said, true)
}

fn encrypted_talk(stream: TcpStream, script: Script, said: &mut String, greet: bool) -> std::io::Result<()> {
    let chain = CertificateDer::pem_slice_iter(include_bytes!("tls/leaf.pem")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/leaf.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
    said.push_str("(TLS)\n");
    talk(&mut BufReader::new(rustls::StreamOwned::new(connection, stream)), script, said, greet).map(drop)
}

/// Talks until the end, or until the client wants to go on encrypted.
fn talk<S: Read + Write>(
    stream: &mut BufReader<S>,
    script: Script,
    said: &mut String,
    greet: bool,
) -> std::io::Result<bool> {
    let mails = std::cell::Cell::new(0);
    let reply = |stream: &mut BufReader<S>, told: &str, usual: &str| {
        let numbered = format!("{}:{told}", mails.get());
        let fits = |start: &str| told.starts_with(start) || numbered.starts_with(start);
        let scripted = script.iter().find(|(start, _)| fits(start)).map(|(_, answer)| *answer);
        let answer = scripted.unwrap_or(usual);
        if let Some(last) = answer.strip_prefix('!') {
            stream.get_mut().write_all(format!("{last}\r\n").as_bytes())?;
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        if answer.is_empty() {
            // never answers, but listens on until the client gives up
            return std::io::copy(stream, &mut std::io::sink()).and(Err(std::io::ErrorKind::TimedOut.into()));
        }
        stream.get_mut().write_all(format!("{answer}\r\n").as_bytes())?;
        stream.get_mut().flush()
    };
    if greet {
        reply(stream, "(greeting)", "220 mail.example ESMTP")?;
    }
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        said.push_str(&line.replace("\r\n", "\n"));
        let told = line.trim_end();
        match told.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => reply(
                stream,
                told,
                "250-mail.example\r\n250-8BITMIME\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN",
            )?,
            "STARTTLS" => {
                reply(stream, told, "220 Go ahead")?;
                return Ok(true);
            }
            "AUTH" => reply(stream, told, "235 Welcome")?,
            "DATA" => {
                reply(stream, told, "354 Go on")?;
                while !said.ends_with("\n.\n") {
                    line.clear();
                    if stream.read_line(&mut line)? == 0 {
                        return Ok(false);
                    }
                    said.push_str(&line.replace("\r\n", "\n"));
                }
                reply(stream, "(mail)", "250 Queued as 4F2A")?;
                mails.set(mails.get() + 1);
            }
            "QUIT" => return reply(stream, told, "221 Bye").map(|()| false),
            _ => reply(stream, told, "250 Fine")?,
        }
    }
}
