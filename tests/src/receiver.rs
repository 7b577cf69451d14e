//! A receiver with a script: answers as it is told to, and remembers what it heard.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::Reader;

/// What was heard.
#[derive(Clone, Debug)]
pub struct Heard {
    /// When.
    pub at: Instant,
    /// Under which path.
    pub path: String,
    /// With which headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What it said.
    pub body: Value,
    /// What was answered; 0 when the connection was cut instead.
    pub status: u16,
}

impl Heard {
    /// A header; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(have, _)| have == name).map_or("", |(_, value)| value)
    }

    /// The values of a label over all alerts, in Alertmanager's shape.
    pub fn labels(&self, name: &str) -> Vec<String> {
        let alerts = self.body["alerts"].as_array().into_iter().flatten();
        alerts.filter_map(|alert| alert["labels"][name].as_str()).map(str::to_owned).collect()
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// This status, with this header if its name is not empty.
    Status(u16, &'static str, String),
    /// This status, with these headers and this body.
    Whole(u16, Vec<(&'static str, String)>, String),
    /// Nothing: the connection is cut.
    Cut,
    /// Nothing, for as long as the other side waits.
    Hang,
}

impl Reply {
    /// A status and nothing else.
    pub fn status(status: u16) -> Self {
        Reply::Status(status, "", String::new())
    }
}

type Script = Box<dyn FnMut(&Heard) -> Reply + Send>;

struct State {
    heard: Vec<Heard>,
    script: Script,
}

struct Shared {
    state: Mutex<State>,
    rung: Condvar,
    closed: AtomicBool,
}

/// The receiver.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    /// One that answers everything with 200.
    pub fn open() -> Self {
        Receiver::with(|_| Reply::status(200))
    }

    /// One that answers by a script.
    pub fn with(script: impl FnMut(&Heard) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Mutex::new(State { heard: Vec::new(), script: Box::new(script) });
        let shared = Arc::new(Shared { state, rung: Condvar::new(), closed: AtomicBool::new(false) });
        let own = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if own.closed.load(Ordering::Relaxed) {
                    return;
                }
                let shared = own.clone();
                std::thread::spawn(move || shared.talk(stream));
            }
        });
        Receiver { address, shared }
    }

    /// Its URL.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Another script from now on.
    pub fn answers(&self, script: impl FnMut(&Heard) -> Reply + Send + 'static) {
        self.shared.lock().script = Box::new(script);
    }

    /// Everything that it heard so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.shared.lock().heard.clone()
    }

    /// Waits until what was heard holds what is looked for, and fails when it does not in time.
    pub fn wait_for<T>(&self, what: &str, limit: Duration, mut find: impl FnMut(&[Heard]) -> Option<T>) -> T {
        let end = Instant::now() + limit;
        let mut state = self.shared.lock();
        loop {
            if let Some(found) = find(&state.heard) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited {limit:?} for {what}; heard {:#?}", state.heard);
            state = self.shared.rung.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until this many requests were heard.
    pub fn wait_count(&self, count: usize, limit: Duration) -> Vec<Heard> {
        self.wait_for(&format!("{count} requests"), limit, |heard| {
            (heard.len() >= count).then(|| heard.to_vec())
        })
    }

    /// Fails when anything but the first `count` requests is heard within this time.
    pub fn stays_at(&self, count: usize, time: Duration) {
        let end = Instant::now() + time;
        let mut state = self.shared.lock();
        loop {
            assert!(state.heard.len() <= count, "heard more than {count}: {:#?}", &state.heard[count..]);
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.shared.rung.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        // wakes the thread that listens; whether it works or not, there is nothing more to do
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn talk(&self, mut stream: TcpStream) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
        let Ok(mut answers) = stream.try_clone() else { return };
        let mut reader = Reader { stream: &mut stream, bytes: Vec::new() };
        while let Ok(Some(head)) = reader.head() {
            let Ok(body) = reader.body(&head, false) else { return };
            let path = head.first.split(' ').nth(1).unwrap_or_default().to_owned();
            let text = String::from_utf8_lossy(&body).into_owned();
            let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
            let reply = self.note(Heard { at: Instant::now(), path, headers: head.headers, body, status: 0 });
            let (status, headers, body) = match reply {
                Reply::Status(status, "", _) => (status, Vec::new(), "ok".to_owned()),
                Reply::Status(status, name, value) => (status, vec![(name, value)], "ok".to_owned()),
                Reply::Whole(status, headers, body) => (status, headers, body),
                Reply::Cut => return,
                // ends when the other side has had enough
                Reply::Hang => return drop(reader.head()),
            };
            let headers: String =
                headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
            if answers.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn note(&self, mut heard: Heard) -> Reply {
        let mut state = self.lock();
        let reply = (state.script)(&heard);
        if let Reply::Status(status, ..) | Reply::Whole(status, ..) = &reply {
            heard.status = *status;
        }
        state.heard.push(heard);
        self.rung.notify_all();
        reply
    }
}
