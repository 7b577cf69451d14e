//! Just enough HTTP for a story on one machine: one request a connection, bodies of known length.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How long the other side may take for anything.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest body that is read.
const MAX_BODY_BYTES: u64 = 16 * 1024 * 1024;

/// A request as it arrived.
pub struct Request {
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Asks, and returns the status and body of the answer.
pub fn ask(to: SocketAddr, method: &str, path: &str, body: Option<&str>) -> Result<(u16, String)> {
    let mut stream =
        TcpStream::connect_timeout(&to, TIMEOUT).with_context(|| format!("connecting to {to}"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let body = body.unwrap_or_default();
    // 1.0: the answer ends with the connection and comes in one piece
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {to}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).context("sending a request")?;
    let mut answer = Vec::new();
    stream.take(MAX_BODY_BYTES).read_to_end(&mut answer).context("reading an answer")?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    Ok((status.context("the answer has no status")?, body.to_owned()))
}

/// Reads a request.
pub fn read(stream: &TcpStream) -> Result<Request> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut reader = BufReader::new(stream.take(MAX_BODY_BYTES));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split_whitespace().nth(1).context("no request line")?.to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            bail!("the request ended in its head");
        }
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.trim().to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length =
        length.map_or(Ok(0), |(_, length)| length.parse()).context("reading the length of a body")?;
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    Ok(Request { path, headers, body })
}

/// Answers a request with this status and ends the connection.
pub fn answer(mut stream: &TcpStream, status: u16) -> Result<()> {
    let text = format!("HTTP/1.1 {status} So\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).context("answering")
}
