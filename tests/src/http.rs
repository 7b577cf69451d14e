//! HTTP by hand: one request, one connection, and the bytes are ours.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Asks for something with these headers beside the usual ones.
///
/// # Errors
/// When the connection breaks before there is a whole answer.
pub fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Answer> {
    ask_with(address, method, path, headers, body.as_bytes())
}

/// The same with a body that is no text.
///
/// # Errors
/// As [`ask`].
pub fn ask_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let is_said = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let json = if body.is_empty() || is_said { "" } else { "Content-Type: application/json\r\n" };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\
         {json}{more}\r\n"
    );
    let mut stream = connect(address)?;
    stream.write_all(&[head.as_bytes(), body].concat())?;
    read_answer(&mut stream)
}

/// A connection that does not wait for ever.
///
/// # Errors
/// When nobody is there.
pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads an answer to its end.
///
/// # Errors
/// When the connection breaks before that.
pub fn read_answer(stream: &mut TcpStream) -> io::Result<Answer> {
    let mut reader = Reader { stream, bytes: Vec::new() };
    let head = reader.head()?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let status = head.first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, head.first.clone()))?;
    let body = reader.body(&head, true)?;
    Ok(Answer { status, headers: head.headers, body: String::from_utf8_lossy(&body).into_owned() })
}

/// The first line and the headers, names in lower case.
pub(crate) struct Head {
    pub(crate) first: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }
}

/// Reads messages one after another.
pub(crate) struct Reader<'a> {
    pub(crate) stream: &'a mut TcpStream,
    pub(crate) bytes: Vec<u8>,
}

impl Reader<'_> {
    fn more(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        let count = self.stream.read(&mut chunk)?;
        self.bytes.extend_from_slice(&chunk[..count]);
        Ok(count > 0)
    }

    /// The head of the next message; `None`: there is none.
    pub(crate) fn head(&mut self) -> io::Result<Option<Head>> {
        let end = loop {
            if let Some(at) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            if !self.more()? {
                return if self.bytes.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        };
        let text = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
        self.bytes.drain(..end + 4);
        let mut lines = text.lines().map(str::to_owned);
        let first = lines.next().unwrap_or_default();
        let pair = |line: String| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_lowercase(), value.trim().to_owned()))
        };
        Ok(Some(Head { first, headers: lines.filter_map(pair).collect() }))
    }

    /// The body that belongs to a head. Without a length, an answer goes on to the end of the connection.
    pub(crate) fn body(&mut self, head: &Head, is_answer: bool) -> io::Result<Vec<u8>> {
        if head.get("transfer-encoding").is_some_and(|it| it.eq_ignore_ascii_case("chunked")) {
            return self.chunks();
        }
        match head.get("content-length").and_then(|length| length.parse().ok()) {
            Some(length) => self.exactly(length),
            None if is_answer => {
                while self.more()? {}
                Ok(std::mem::take(&mut self.bytes))
            }
            None => Ok(Vec::new()),
        }
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.bytes.len() < length {
            if !self.more()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.bytes.drain(..length).collect())
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = self.bytes.windows(2).position(|two| two == b"\r\n") {
                    break at;
                }
                if !self.more()? {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            };
            let size = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
            self.bytes.drain(..end + 2);
            let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16);
            let size = size.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            body.extend(self.exactly(size)?);
            self.exactly(2)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
}
