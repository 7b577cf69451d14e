//! A scripted HTTP server: one answer to everything, and a record of what was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

/// What it answers.
#[derive(Clone)]
pub enum Say {
    /// A status with headers and a body.
    Status(u16, &'static [(&'static str, &'static str)], Vec<u8>),
    /// A status with the whole request as body.
    Echo(u16),
    /// 200, and JSON that depends on what is asked.
    Json(fn(&Seen) -> &'static str),
    /// Bytes that are no HTTP.
    Garbage,
    /// Nothing, ever.
    Nothing,
    /// That it is fine, and then a body that breaks off.
    HalfABody,
}

impl Say {
    /// A status and `ok`.
    pub fn status(status: u16) -> Self {
        Say::Status(status, &[], b"ok".to_vec())
    }
}

/// One request.
pub struct Seen {
    pub head: String,
    pub body: String,
}

impl Seen {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let find =
            |line: &'_ &str| line.split_once(": ").is_some_and(|(have, _)| have.eq_ignore_ascii_case(name));
        self.head.lines().find(find)?.split_once(": ").map(|(_, value)| value)
    }

    /// All of it, with headers by name and without what differs from run to run.
    pub fn wire(&self, port: u16) -> String {
        let mut lines: Vec<&str> = self.head.lines().collect();
        lines[1..].sort_unstable();
        let mut head = lines.join("\n").replace(&port.to_string(), "<port>");
        // a signature goes over the port
        if let Some((before, rest)) = head.split_once(", Signature=") {
            let after = rest.trim_start_matches(|c: char| c.is_ascii_hexdigit());
            head = format!("{before}, Signature=<signature>{after}");
        }
        let is_form = self.header("content-type").is_some_and(|it| it.contains("x-www-form-urlencoded"));
        let body = match is_form {
            true => url::form_urlencoded::parse(self.body.as_bytes())
                .map(|(name, value)| format!("{name} = {value}\n"))
                .collect(),
            false => super::readable(&self.body),
        };
        format!("{head}\n\n{body}")
    }
}

/// The server.
pub struct HttpPeer {
    pub port: u16,
    seen: Receiver<Seen>,
}

impl HttpPeer {
    pub fn start(say: Say) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, seen) = channel();
        std::thread::spawn(move || {
            // connections that are not answered are kept open
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                kept.extend(serve(stream.unwrap(), &say, &sender));
            }
        });
        HttpPeer { port, seen }
    }

    /// The next request.
    pub fn next(&self) -> Seen {
        self.seen.recv_timeout(std::time::Duration::from_secs(20)).expect("no request came")
    }

    /// The requests that came besides.
    pub fn rest(&self) -> impl Iterator<Item = Seen> + '_ {
        self.seen.try_iter()
    }

    /// What went over the wire until now, at least one request.
    pub fn wire(&self) -> String {
        let all = std::iter::once(self.next()).chain(self.rest());
        all.map(|seen| seen.wire(self.port)).collect::<Vec<_>>().join("\n-------- and then\n")
    }
}

/// A port on which nobody listens.
pub fn dead_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn serve(stream: TcpStream, say: &Say, seen: &Sender<Seen>) -> Option<TcpStream> {
    let request = read(&stream)?;
    let text = match say {
        Say::Json(answer) => answer(&request).to_owned(),
        _ => format!("{}\n{}", request.head, request.body),
    };
    let _ = seen.send(request);
    let mut out = stream.try_clone().unwrap();
    let mut status = |status: u16, headers: &[(&str, &str)], body: &[u8]| {
        let mut head =
            format!("HTTP/1.1 {status} Word\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        // the other side may have heard enough before the end
        let _ = out.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| out.write_all(body));
    };
    match say {
        Say::Status(code, headers, body) => status(*code, headers, body),
        Say::Echo(code) => status(*code, &[], text.as_bytes()),
        Say::Json(_) => status(200, &[("Content-Type", "application/json")], text.as_bytes()),
        Say::Garbage => out.write_all(b"\x00\x01 this is no HTTP \xff\r\n\r\n").unwrap(),
        Say::HalfABody => out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart").unwrap(),
        Say::Nothing => {}
    }
    matches!(say, Say::Nothing).then_some(stream)
}

fn read(stream: &TcpStream) -> Option<Seen> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let seen = Seen { head: head.trim_end().replace("\r\n", "\n"), body: String::new() };
    let length = seen.header("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { body: String::from_utf8_lossy(&body).into_owned(), ..seen })
}
