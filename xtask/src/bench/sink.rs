//! The receiver: takes webhooks, notes when each alert arrived, and can be told to be sick.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::http::{Side, Wire};

/// How the receiver answers from now on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mood {
    /// 200 at once.
    Healthy,
    /// 200 after this time.
    Slow(Duration),
    /// 500 at once.
    Failing,
    /// 429 with this many seconds in `Retry-After`.
    TooMany { retry_after_seconds: u64 },
}

/// What is known of one alert.
#[derive(Clone, Default)]
pub struct Arrival {
    /// When it arrived first in a request that was taken, not refused.
    pub first: Option<Instant>,
    /// Requests with it that were taken.
    pub times: u32,
    /// Until when a `Retry-After` asked the sender to wait.
    not_before: Option<Instant>,
    /// Hash of the idempotency key it came with at first.
    key: Option<u64>,
}

/// What is known of all of them.
#[derive(Default)]
pub struct Ledger {
    /// By the number of the alert.
    pub arrivals: Vec<Arrival>,
    /// Alerts that arrived at least once.
    pub delivered: usize,
    /// Requests in all, refused ones too.
    pub requests: u64,
    /// Alerts that came again although they were told to wait longer.
    pub early: u64,
    /// Alerts that came again under another idempotency key, or once with a key and once without.
    pub other_keys: u64,
    /// Requests that were no webhook.
    pub unreadable: u64,
}

impl Ledger {
    /// How many times an alert arrived beyond the first.
    pub fn duplicates(&self) -> u64 {
        self.arrivals.iter().map(|arrival| u64::from(arrival.times.saturating_sub(1))).sum()
    }

    /// When the last of them arrived for the first time.
    pub fn last_first(&self) -> Option<Instant> {
        self.arrivals.iter().filter_map(|arrival| arrival.first).max()
    }

    fn take(&mut self, numbers: &[usize], key: Option<u64>, at: Instant, mood: Mood) {
        self.requests += 1;
        for &number in numbers {
            let Some(arrival) = self.arrivals.get_mut(number) else { continue };
            if arrival.not_before.is_some_and(|not_before| at < not_before) {
                self.early += 1;
            }
            match mood {
                Mood::Failing => {}
                Mood::TooMany { retry_after_seconds } => {
                    arrival.not_before = Some(at + Duration::from_secs(retry_after_seconds));
                }
                Mood::Healthy | Mood::Slow(_) => {
                    if arrival.first.is_none() {
                        arrival.first = Some(at);
                        arrival.key = key;
                        self.delivered += 1;
                    } else if arrival.key != key {
                        self.other_keys += 1;
                    }
                    arrival.times += 1;
                }
            }
        }
    }
}

/// What tasks wait for.
#[derive(Clone, Copy, Default)]
struct Progress {
    delivered: usize,
    requests: u64,
}

struct Shared {
    ledger: Mutex<Ledger>,
    mood: Mutex<Mood>,
    progress: watch::Sender<Progress>,
}

/// A running receiver; dropping it closes its door and all its connections.
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Sink {
    /// Opens a receiver for the alerts 0 to `alerts` - 1.
    pub async fn open(alerts: usize) -> Result<Sink> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("opening the receiver")?;
        let address = listener.local_addr().context("opening the receiver")?;
        let ledger = Ledger { arrivals: vec![Arrival::default(); alerts], ..Ledger::default() };
        let shared = Arc::new(Shared {
            ledger: Mutex::new(ledger),
            mood: Mutex::new(Mood::Healthy),
            progress: watch::Sender::new(Progress::default()),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Sink { address, shared, _tasks: tasks })
    }

    /// Changes how it answers and says when that was.
    pub fn set_mood(&self, mood: Mood) -> Instant {
        *lock(&self.shared.mood) = mood;
        Instant::now()
    }

    /// What has arrived so far.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.shared.ledger)
    }

    /// Waits until this many alerts have arrived, or for `most`; says whether they have.
    pub async fn wait_delivered(&self, alerts: usize, most: Duration) -> bool {
        let mut progress = self.shared.progress.subscribe();
        tokio::time::timeout(most, progress.wait_for(|progress| progress.delivered >= alerts)).await.is_ok()
    }

    /// Waits until no request has come for `quiet`, or for `most`.
    pub async fn wait_quiet(&self, quiet: Duration, most: Duration) {
        let mut progress = self.shared.progress.subscribe();
        let silence = async {
            loop {
                let before = progress.borrow_and_update().requests;
                let more = progress.wait_for(|progress| progress.requests > before);
                if tokio::time::timeout(quiet, more).await.is_err() {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(most, silence).await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // a connection that breaks off is the sender's affair: we kill it, after all
        connections.spawn(async move { drop(serve(stream, &shared).await) });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> Result<()> {
    let mut wire = Wire::new(stream)?;
    while let Some(request) = wire.read(Side::Request).await? {
        let Ok(numbers) = numbers(&request.body) else {
            lock(&shared.ledger).unreadable += 1;
            wire.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await?;
            continue;
        };
        match shared.note(&numbers, request.idempotency_key) {
            Mood::Healthy => wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?,
            Mood::Slow(delay) => {
                tokio::time::sleep(delay).await;
                wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?;
            }
            Mood::Failing => {
                wire.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n").await?;
            }
            Mood::TooMany { retry_after_seconds } => {
                let answer = format!(
                    "HTTP/1.1 429 Too Many Requests\r\nRetry-After: {retry_after_seconds}\r\n\
                     Content-Length: 0\r\n\r\n"
                );
                wire.write(answer.as_bytes()).await?;
            }
        }
        if request.close {
            break;
        }
    }
    Ok(())
}

impl Shared {
    /// Enters a request into the ledger and says how to answer it.
    fn note(&self, numbers: &[usize], key: Option<u64>) -> Mood {
        let at = Instant::now();
        let mood = *lock(&self.mood);
        let progress = {
            let mut ledger = lock(&self.ledger);
            ledger.take(numbers, key, at, mood);
            Progress { delivered: ledger.delivered, requests: ledger.requests }
        };
        // two tasks may come here in the other order: progress never goes back
        self.progress.send_if_modified(|known| {
            let newer = progress.requests > known.requests;
            if newer {
                *known = progress;
            }
            newer
        });
        mood
    }
}

/// A lock whose holder panicked is still a lock: the ledger is only counts.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As much of a webhook (Alertmanager's version 4) as is looked at.
#[derive(Deserialize)]
struct Webhook<'a> {
    #[serde(borrow)]
    alerts: Vec<Alert<'a>>,
}

#[derive(Deserialize)]
struct Alert<'a> {
    #[serde(borrow)]
    labels: Labels<'a>,
}

#[derive(Deserialize)]
struct Labels<'a> {
    /// errors have their number where the transaction is
    #[serde(borrow, alias = "transaction")]
    nr: Cow<'a, str>,
}

/// The numbers of the alerts in a webhook.
fn numbers(body: &[u8]) -> Result<Vec<usize>> {
    let webhook: Webhook = serde_json::from_slice(body).context("reading a webhook")?;
    let numbers = webhook.alerts.iter().map(|alert| alert.labels.nr.parse());
    numbers.collect::<Result<_, _>>().context("reading the number of an alert")
}

#[cfg(test)]
mod tests {
    use super::super::http::Client;
    use super::*;

    const BODY: &[u8] =
        br#"{"version":"4","alerts":[{"status":"firing","labels":{"team":"a","nr":"0000001"}},
        {"labels":{"nr":"2"},"annotations":{}}],"groupLabels":{"nr":"0000001"}}"#;

    #[test]
    fn finds_the_numbers_of_alerts() {
        assert_eq!(numbers(BODY).unwrap(), [1, 2]);
        assert!(numbers(b"{}").is_err());
    }

    #[tokio::test]
    async fn counts_what_arrives_and_refuses_when_sick() {
        let sink = Sink::open(3).await.unwrap();
        let mut client = Client::connect(sink.address).await.unwrap();
        sink.set_mood(Mood::TooMany { retry_after_seconds: 60 });
        let refused = client.post("/", BODY).await.unwrap();
        assert_eq!((refused.status, refused.retry_after_seconds), (429, Some(60)));
        assert_eq!(sink.ledger().delivered, 0);
        sink.set_mood(Mood::Healthy);
        for _ in 0..2 {
            assert_eq!(client.post("/", BODY).await.unwrap().status, 200);
        }
        assert!(sink.wait_delivered(2, Duration::from_secs(10)).await);
        let ledger = sink.ledger();
        assert_eq!((ledger.delivered, ledger.duplicates(), ledger.requests), (2, 2, 3));
        assert_eq!(ledger.early, 4, "both came twice before their time");
    }
}
