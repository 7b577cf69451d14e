//! One talk with a mail server (RFC 5321): lines there, replies back.

use futures::FutureExt as _;
use lettre::address::Envelope;
use sdk::http::{Duplex, HttpError, Tls, encrypted};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

/// Bytes of a line that a server answers; the standard has 512.
const MAX_LINE_BYTES: u64 = 4096;
/// Lines of an answer.
const MAX_LINES: usize = 100;

/// Why a mail was not taken.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There is no server to talk to.
    Unreachable(HttpError),
    /// The server said no.
    Refused(Reply),
    /// The talk ended early, or makes no sense.
    Broken(String),
    /// We broke it off.
    Ours(String),
}

/// A talk. Where it is dropped between two mails, it ends as it should.
#[derive(Debug)]
pub(super) struct Talk {
    stream: BufReader<Box<dyn Duplex>>,
    /// Whether nobody on the way can read it.
    pub(super) is_encrypted: bool,
    /// What the server says that it can do, a line each.
    offers: Vec<String>,
    /// Whether neither side waits for the other.
    at_rest: bool,
}

/// What a server answered.
#[derive(Debug)]
pub(super) struct Reply {
    /// Three digits: yes (2), go on (3), not now (4) or no (5).
    pub(super) code: u16,
    /// What it said to it.
    pub(super) lines: Vec<String>,
}

impl Reply {
    /// The server ends the talk.
    pub(super) const CLOSING: u16 = 421;

    pub(super) fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// Whether it will not be another one next time.
    pub(super) fn is_final(&self) -> bool {
        self.code >= 500
    }
}

impl Talk {
    /// Waits to be greeted, and says hello.
    pub(super) async fn begin(
        stream: Box<dyn Duplex>,
        is_encrypted: bool,
        hello: &str,
    ) -> Result<Self, Trouble> {
        let stream = BufReader::new(stream);
        let mut talk = Talk { stream, is_encrypted, offers: Vec::new(), at_rest: false };
        talk.listen().await?;
        talk.hello(hello).await?;
        Ok(talk)
    }

    async fn hello(&mut self, name: &str) -> Result<(), Trouble> {
        let reply = self.ask(&format!("EHLO {name}")).await?;
        self.offers = reply.lines.into_iter().skip(1).collect();
        Ok(())
    }

    /// Goes on encrypted.
    pub(super) async fn encrypted(mut self, host: &str, tls: &Tls, hello: &str) -> Result<Self, Trouble> {
        if !self.offers("STARTTLS") {
            return Err(Trouble::Ours("the server offers no encryption".to_owned()));
        }
        self.ask("STARTTLS").await?;
        self.at_rest = false;
        // what comes before the encryption and is heard after it was said by somebody on the way
        if !self.stream.buffer().is_empty() {
            return Err(Trouble::Ours("something was said between the server and its encryption".to_owned()));
        }
        let nothing: Box<dyn Duplex> = Box::new(tokio::io::join(tokio::io::empty(), tokio::io::sink()));
        let stream = std::mem::replace(&mut self.stream, BufReader::new(nothing)).into_inner();
        let stream = encrypted(stream, host, tls).await.map_err(Trouble::Unreachable)?;
        self.stream = BufReader::new(stream);
        self.is_encrypted = true;
        self.hello(hello).await?;
        Ok(self)
    }

    /// Whether the server says that it can do something.
    pub(super) fn offers(&self, what: &str) -> bool {
        self.offers
            .iter()
            .filter_map(|line| line.split_whitespace().next())
            .any(|it| it.eq_ignore_ascii_case(what))
    }

    /// The ways to log in that the server offers, as it names them.
    pub(super) fn ways(&self) -> Vec<String> {
        let ways = |line: &String| {
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            let is_auth = words.next().is_some_and(|word| word.eq_ignore_ascii_case("AUTH"));
            if is_auth { words.map(str::to_owned).collect() } else { Vec::new() }
        };
        self.offers.iter().flat_map(ways).collect()
    }

    /// Says a line, and hears what it says to it.
    pub(super) async fn ask(&mut self, line: &str) -> Result<Reply, Trouble> {
        if line.contains(char::is_control) {
            return Err(Trouble::Ours(format!(
                "{:?} has characters that end a line",
                line.split(' ').next()
            )));
        }
        self.at_rest = false;
        self.say(format!("{line}\r\n").as_bytes()).await?;
        self.listen().await
    }

    /// Says from whom a mail is and to whom it goes, up to where the server wants to hear it.
    pub(super) async fn envelope(&mut self, envelope: &Envelope, mail: &[u8]) -> Result<(), Trouble> {
        let addresses = envelope.from().into_iter().chain(envelope.to());
        let is_plain = addresses.into_iter().all(|it| AsRef::<str>::as_ref(it).is_ascii());
        let mut from = format!("MAIL FROM:<{}>", envelope.from().map_or("", AsRef::as_ref));
        for (wanted, word, parameter) in
            [(!is_plain, "SMTPUTF8", " SMTPUTF8"), (!mail.is_ascii(), "8BITMIME", " BODY=8BITMIME")]
        {
            if wanted && !self.offers(word) {
                return Err(Trouble::Ours(format!("the mail needs {word}, which the server does not offer")));
            }
            from.push_str(if wanted { parameter } else { "" });
        }
        self.ask(&from).await?;
        for to in envelope.to() {
            self.ask(&format!("RCPT TO:<{to}>")).await?;
        }
        self.ask("DATA").await?;
        self.at_rest = false;
        Ok(())
    }

    /// Says the mail itself.
    pub(super) async fn content(&mut self, mail: &[u8]) -> Result<Reply, Trouble> {
        self.say(&lines_of(mail)).await?;
        self.listen().await
    }

    /// Whether the server has said nothing since, and not gone.
    pub(super) fn is_open(&mut self) -> bool {
        self.at_rest && self.stream.fill_buf().now_or_never().is_none()
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let broken = |error: std::io::Error| Trouble::Broken(error.to_string());
        self.stream.get_mut().write_all(bytes).await.map_err(broken)?;
        self.stream.get_mut().flush().await.map_err(broken)
    }

    /// An answer: lines such as `250-SIZE 1000`, of which the last one has a space for the hyphen.
    async fn listen(&mut self) -> Result<Reply, Trouble> {
        let mut lines = Vec::new();
        while lines.len() < MAX_LINES {
            let mut line = Vec::new();
            let read = (&mut self.stream).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await;
            read.map_err(|error| Trouble::Broken(error.to_string()))?;
            if line.last() != Some(&b'\n') {
                let why = if line.len() as u64 == MAX_LINE_BYTES {
                    "says a line without an end"
                } else {
                    "hung up"
                };
                return Err(Trouble::Broken(format!("the mail server {why}")));
            }
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            let digits = line.get(..3).filter(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
            let rest = line.get(3..).unwrap_or_default();
            let Some(code) = digits.and_then(|it| it.parse().ok()).filter(|it| (200..600).contains(it))
            else {
                return Err(Trouble::Broken("what answers is no mail server".to_owned()));
            };
            lines.push(rest.get(1..).unwrap_or_default().to_owned());
            if !rest.starts_with('-') {
                let reply = Reply { code, lines };
                self.at_rest = code != Reply::CLOSING;
                return if code < 400 { Ok(reply) } else { Err(Trouble::Refused(reply)) };
            }
        }
        Err(Trouble::Broken(format!("the mail server says more than {MAX_LINES} lines")))
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        if self.at_rest {
            // said and not waited for: nobody wants to know what it answers
            let _ = self.say(b"QUIT\r\n").now_or_never();
        }
    }
}

/// A mail as it goes over the wire, with its end: all lines end the same way, and none of them is its end but the last
/// (RFC 5321, section 4.5.2).
fn lines_of(mail: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(mail.len() + mail.len() / 32 + 8);
    let (mut at_start, mut before) = (true, 0);
    for byte in mail {
        match (*byte, before) {
            (b'\n', b'\r') => {}
            (b'\r' | b'\n', _) => {
                lines.extend_from_slice(b"\r\n");
                at_start = true;
            }
            (byte, _) => {
                if byte == b'.' && at_start {
                    lines.push(b'.');
                }
                lines.push(byte);
                at_start = false;
            }
        }
        before = *byte;
    }
    lines.extend_from_slice(if at_start { b".\r\n" } else { b"\r\n.\r\n" });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_ends_where_it_ends_however_its_lines_do() {
        for (mail, wire) in [
            ("a\r\nb\r\n", "a\r\nb\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".\r\n..\r\n.a", "..\r\n...\r\n..a\r\n.\r\n"),
            // servers that take these for ends of lines would hear the end of the mail, and commands after it
            ("a\n.\nMAIL FROM", "a\r\n..\r\nMAIL FROM\r\n.\r\n"),
            ("a\r.\rb\r\n", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\r\n\r\nb", "a\r\n\r\nb\r\n.\r\n"),
            ("", ".\r\n"),
        ] {
            assert_eq!(String::from_utf8(lines_of(mail.as_bytes())).unwrap(), wire, "{mail:?}");
        }
    }
}
