//! As much of HTTP/1.1 as a load generator and a scripted receiver need: kept connections, plain sockets.
//!
//! Generator and receiver share the machine with the program they measure, so each microsecond spent here
//! is one that the target does not get. A full client costs several times as much.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Header lines that a message may have.
const MAX_HEADERS: usize = 48;
/// Bytes of a message; beyond it something is wrong with the other side.
const MAX_MESSAGE_BYTES: usize = 256 << 20;
/// Room that is made before each read.
const READ_BYTES: usize = 32 << 10;

/// Which half of a conversation is read.
#[derive(Clone, Copy)]
pub enum Side {
    /// What a client sends.
    Request,
    /// What a server answers.
    Response,
}

/// A message, read to its end.
#[derive(Debug, Default, PartialEq)]
pub struct Message {
    /// Status of an answer; 0 for a request.
    pub status: u16,
    /// Hash of the header `Idempotency-Key`, if there is one.
    pub idempotency_key: Option<u64>,
    /// From the header `Retry-After`, when it is a number of seconds.
    pub retry_after_seconds: Option<u64>,
    /// Whether the other side closes the connection after it.
    pub close: bool,
    /// The body, freed of its chunks.
    pub body: Vec<u8>,
}

/// A connection with what was read from it and not yet used.
pub struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Wire {
    /// Takes over a connection.
    pub fn new(stream: TcpStream) -> Result<Wire> {
        stream.set_nodelay(true).context("switching off Nagle's delay")?;
        Ok(Wire { stream, unread: Vec::new() })
    }

    /// Writes all of it.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await.context("writing to a connection")
    }

    /// The next message, or nothing when the other side has closed the connection between two messages.
    pub async fn read(&mut self, side: Side) -> Result<Option<Message>> {
        loop {
            if let Some((message, used)) = parse(&self.unread, side)? {
                self.unread.drain(..used);
                return Ok(Some(message));
            }
            if self.unread.len() > MAX_MESSAGE_BYTES {
                bail!("a message has more than {MAX_MESSAGE_BYTES} bytes");
            }
            self.unread.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.unread).await.context("reading from a connection")? == 0 {
                if self.unread.is_empty() {
                    return Ok(None);
                }
                bail!("a connection was closed in the middle of a message");
            }
        }
    }
}

/// What bodies mostly are.
pub const JSON: &str = "Content-Type: application/json\r\n";

/// A client on one kept connection.
pub struct Client {
    address: SocketAddr,
    wire: Wire,
    out: Vec<u8>,
    /// whether something was answered on this connection
    is_kept: bool,
}

impl Client {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Result<Client> {
        let stream = TcpStream::connect(address).await.context("connecting")?;
        Ok(Client { address, wire: Wire::new(stream)?, out: Vec::new(), is_kept: false })
    }

    /// Posts a JSON body and waits for the answer.
    pub async fn post(&mut self, path: &str, body: &[u8]) -> Result<Message> {
        self.send("POST", path, JSON, body).await
    }

    /// Puts a JSON body and waits for the answer.
    pub async fn put(&mut self, path: &str, body: &[u8]) -> Result<Message> {
        self.send("PUT", path, JSON, body).await
    }

    /// Patches with a JSON body and waits for the answer.
    pub async fn patch(&mut self, path: &str, body: &[u8]) -> Result<Message> {
        self.send("PATCH", path, JSON, body).await
    }

    /// Posts a body with these header lines and waits for the answer.
    pub async fn post_with(&mut self, path: &str, lines: &str, body: &[u8]) -> Result<Message> {
        self.send("POST", path, lines, body).await
    }

    async fn send(&mut self, method: &str, path: &str, lines: &str, body: &[u8]) -> Result<Message> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{lines}Content-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        self.out.clear();
        self.out.extend_from_slice(head.as_bytes());
        self.out.extend_from_slice(body);
        self.exchange().await
    }

    /// Gets a resource.
    pub async fn get(&mut self, path: &str) -> Result<Message> {
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\n\r\n", self.address);
        self.out.clear();
        self.out.extend_from_slice(head.as_bytes());
        self.exchange().await
    }

    async fn exchange(&mut self) -> Result<Message> {
        let answer = match self.try_exchange().await {
            Ok(Some(answer)) => answer,
            // a kept connection that was idle for long is closed by the other side: as any client, go on with a new one
            _ if self.is_kept => {
                let out = std::mem::take(&mut self.out);
                *self = Client { out, ..Client::connect(self.address).await? };
                self.try_exchange().await?.context("closed before the answer")?
            }
            otherwise => otherwise?.context("closed before the answer")?,
        };
        self.is_kept = true;
        if answer.close {
            *self = Client::connect(self.address).await?;
        }
        Ok(answer)
    }

    async fn try_exchange(&mut self) -> Result<Option<Message>> {
        self.wire.write(&self.out).await?;
        self.wire.read(Side::Response).await
    }
}

/// How the length of a body is given.
enum Framing {
    Length(usize),
    Chunked,
}

/// The first message in `bytes` with the number of bytes it takes, or nothing if it is not complete yet.
fn parse(bytes: &[u8], side: Side) -> Result<Option<(Message, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let (status, end) = match side {
        Side::Request => {
            let mut request = httparse::Request::new(&mut headers);
            (0, request.parse(bytes).context("reading the head of a request")?)
        }
        Side::Response => {
            let mut response = httparse::Response::new(&mut headers);
            let end = response.parse(bytes).context("reading the head of an answer")?;
            (response.code.unwrap_or(0), end)
        }
    };
    let httparse::Status::Complete(head_bytes) = end else { return Ok(None) };
    let mut message = Message { status, ..Message::default() };
    let mut framing = Framing::Length(0);
    for header in headers.iter().take_while(|header| !header.name.is_empty()) {
        let text = std::str::from_utf8(header.value).unwrap_or_default().trim();
        match header.name.len() {
            14 if header.name.eq_ignore_ascii_case("content-length") => {
                framing = Framing::Length(text.parse().context("reading the length of a body")?);
            }
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => framing = Framing::Chunked,
            10 if header.name.eq_ignore_ascii_case("connection") => {
                message.close = text.eq_ignore_ascii_case("close");
            }
            11 if header.name.eq_ignore_ascii_case("retry-after") => {
                message.retry_after_seconds = text.parse().ok();
            }
            15 if header.name.eq_ignore_ascii_case("idempotency-key") => {
                let mut hasher = DefaultHasher::new();
                text.hash(&mut hasher);
                message.idempotency_key = Some(hasher.finish());
            }
            _ => {}
        }
    }
    let rest = &bytes[head_bytes..];
    let used = match framing {
        Framing::Length(length) => match rest.get(..length) {
            Some(body) => {
                message.body = body.to_vec();
                length
            }
            None => return Ok(None),
        },
        Framing::Chunked => match unchunk(rest)? {
            Some((body, used)) => {
                message.body = body;
                used
            }
            None => return Ok(None),
        },
    };
    Ok(Some((message, head_bytes + used)))
}

/// A chunked body and the bytes it takes, or nothing if it is not complete yet.
fn unchunk(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let size = httparse::parse_chunk_size(&bytes[at..]).ok().context("reading the size of a chunk")?;
        let httparse::Status::Complete((line_bytes, size)) = size else { return Ok(None) };
        let begin = at + line_bytes;
        let end = begin + usize::try_from(size).context("reading the size of a chunk")?;
        // the line end after the data; after the last chunk it is the end of the (empty) trailer
        let Some(chunk) = bytes.get(begin..end + 2) else { return Ok(None) };
        if !chunk.ends_with(b"\r\n") {
            bail!("a chunk does not end where it should");
        }
        body.extend_from_slice(&bytes[begin..end]);
        at = end + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_message_only_when_it_is_complete() {
        let text = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\nContent-Length: 5\r\n\r\nhello";
        for end in 0..text.len() {
            assert_eq!(parse(&text[..end], Side::Response).unwrap(), None, "{end} bytes");
        }
        let mut twice = text.to_vec();
        twice.extend_from_slice(b"HTTP/1.1 200");
        let (message, used) = parse(&twice, Side::Response).unwrap().unwrap();
        assert_eq!(used, text.len());
        assert_eq!((message.status, message.retry_after_seconds), (429, Some(7)));
        assert_eq!(message.body, b"hello");
    }

    #[test]
    fn joins_chunks() {
        let text = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
            5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(parse(&text[..end], Side::Request).unwrap(), None, "{end} bytes");
        }
        let (message, used) = parse(text, Side::Request).unwrap().unwrap();
        assert_eq!((message.body.as_slice(), used, message.close), (&b"hello world"[..], text.len(), true));
    }

    #[test]
    fn refuses_what_is_not_http() {
        assert!(parse(b"\x16\x03\x01 hello", Side::Request).is_err());
    }
}
