//! A scripted TCP server: reads a line, answers it, reads to the end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

/// The server.
pub struct TcpPeer {
    pub port: u16,
    heard: Receiver<String>,
}

impl TcpPeer {
    /// With `None` it never answers, but stays.
    pub fn start(answer: Option<&'static [u8]>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, heard) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut said = String::new();
                // the client may be gone at any time
                let _ = reader.read_line(&mut said);
                let _ = answer.map(|answer| stream.write_all(answer));
                if answer == Some(b"") {
                    let _ = stream.shutdown(std::net::Shutdown::Both);
                }
                let _ = reader.read_to_string(&mut said);
                let _ = sender.send(said);
            }
        });
        TcpPeer { port, heard }
    }

    /// What was said over the next connection.
    pub fn next(&self) -> String {
        self.heard.recv_timeout(std::time::Duration::from_secs(20)).expect("no connection came")
    }
}
