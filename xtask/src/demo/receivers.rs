//! The demo's receivers: one small server that takes the part of all of them, writes down what they are
//! told, and can be told to be down.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::http;

/// One message to one receiver: a try, to be exact.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Who heard it.
    pub receiver: String,
    /// What was answered.
    pub status: u16,
    /// The idempotency key: the same on every try of the same message.
    pub key: String,
    /// `firing`, `acknowledged`, `resolved`, …
    pub kind: String,
    /// The message's first line.
    pub title: String,
    /// How many alerts it tells of.
    pub alerts: usize,
}

impl Heard {
    /// Whether the receiver took it.
    pub fn taken(&self) -> bool {
        self.status == 200
    }
}

#[derive(Default)]
struct State {
    heard: Vec<Heard>,
    /// Who answers 500.
    down: BTreeSet<String>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// All receivers.
#[derive(Clone)]
pub struct Receivers {
    /// Where they listen.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receivers {
    /// Opens the server on a port that the system chooses.
    pub fn open() -> Result<Receivers> {
        let listener = TcpListener::bind("127.0.0.1:0").context("opening a port for the receivers")?;
        let receivers = Receivers { address: listener.local_addr()?, shared: Arc::default() };
        let ours = receivers.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let ours = ours.clone();
                std::thread::spawn(move || ours.serve(&stream));
            }
        });
        Ok(receivers)
    }

    /// Lets a receiver answer 500 from now on, or take messages again.
    pub fn set_down(&self, receiver: &str, down: bool) {
        let mut state = self.state();
        if down {
            state.down.insert(receiver.to_owned());
        } else {
            state.down.remove(receiver);
        }
    }

    /// How much was heard so far: where to look from in [`Receivers::wait`].
    pub fn count(&self) -> usize {
        self.state().heard.len()
    }

    /// Waits until the question about what was heard since has an answer, or the time is over.
    pub fn wait<T>(
        &self,
        since: usize,
        time: Duration,
        question: impl Fn(&[Heard]) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + time;
        let mut state = self.state();
        loop {
            if let Some(answer) = question(&state.heard[since..]) {
                return Some(answer);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: &TcpStream) {
        // whoever sends no proper request hears nothing: the story will miss the message, and say so
        let Ok(request) = http::read(stream) else { return };
        let mut heard = understand(&request);
        let mut state = self.state();
        heard.status = if state.down.contains(&heard.receiver) { 500 } else { 200 };
        let status = heard.status;
        state.heard.push(heard);
        drop(state);
        self.shared.changed.notify_all();
        let _ = http::answer(stream, status);
    }
}

/// Reads a message in Nightbell's own shape.
fn understand(request: &http::Request) -> Heard {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
    let header = request.headers.iter().find(|(name, _)| name == "idempotency-key");
    Heard {
        receiver: request.path.trim_matches('/').to_owned(),
        status: 0,
        key: header.map_or_else(|| text("idempotency_key"), |(_, value)| value.clone()),
        kind: text("kind"),
        title: text("title"),
        alerts: body["notification"]["alerts"].as_array().map_or(0, Vec::len),
    }
}
