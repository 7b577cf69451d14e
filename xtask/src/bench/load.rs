//! The generator: alerts of one size, posted by clients on kept connections.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use super::http::{Client, JSON};

/// How often a client that is told to wait asks again before it gives up.
const MAX_REFUSALS: usize = 30;
/// Connections of a paced load; when all are busy the next alert waits, and its waiting is counted.
const MAX_PACED_CLIENTS: usize = 512;
/// How many times its pace a load has at the most that fell behind: who catches up as fast as it can offers something
/// else than was asked for.
const MAX_CATCH_UP: f64 = 1.2;
/// What a timer may be late without that.
const SLACK: Duration = Duration::from_millis(5);

/// Alerts of one run: they differ in one label, `nr`, and all share one other, `alertname`.
///
/// 7 labels, 3 annotations, ends in one hour, about 520 bytes each.
#[derive(Debug)]
pub struct Alerts {
    name: String,
    starts: String,
    ends: String,
}

impl Alerts {
    /// Alerts that are no others' equal as long as `name` is not.
    pub fn new(name: &str) -> Alerts {
        let now = Timestamp::now();
        let ends = now.saturating_add(SignedDuration::from_hours(1)).unwrap_or(now);
        Alerts { name: name.to_owned(), starts: format!("{now:.3}"), ends: format!("{ends:.3}") }
    }

    /// The same ones, over by now.
    pub fn over(&self) -> Alerts {
        let ends = format!("{:.3}", Timestamp::now());
        Alerts { name: self.name.clone(), starts: self.starts.clone(), ends }
    }

    /// The body of a request that carries the alerts of these numbers.
    pub fn body(&self, numbers: Range<usize>) -> Vec<u8> {
        let mut text = String::with_capacity(numbers.len() * 560 + 2);
        text.push('[');
        for number in numbers {
            if text.len() > 1 {
                text.push(',');
            }
            // writing to a string cannot fail
            let _ = write!(
                text,
                "{{\"labels\":{{\"alertname\":\"{}\",\"instance\":\"host-{:04}.example.com:9100\",\
                 \"job\":\"node\",\"severity\":\"critical\",\"cluster\":\"eu-west-1\",\"team\":\"database\",\
                 \"nr\":\"{number:07}\"}},\"annotations\":{{\"summary\":\"disk almost full\",\
                 \"description\":\"less than ten percent left on /var/lib/data, full within a few hours from now\",\
                 \"runbook_url\":\"https://runbooks.example.com/disk\"}},\"startsAt\":\"{}\",\"endsAt\":\"{}\",\
                 \"generatorURL\":\"http://prometheus.example.com/graph?g0.expr=node_filesystem_avail\"}}",
                self.name,
                number % 10_000,
                self.starts,
                self.ends,
            );
        }
        text.push(']');
        text.into_bytes()
    }
}

/// What is sent, and through which door.
pub trait Heap: Send + Sync + 'static {
    /// The door of what has this number.
    fn path(&self, number: usize) -> &str;

    /// Lines of the head of each request, beside its length.
    fn lines(&self) -> &str {
        JSON
    }

    /// The body of a request that carries what has these numbers.
    fn body(&self, numbers: Range<usize>) -> Cow<'_, [u8]>;

    /// The answers that say that it is taken.
    fn taken(&self) -> Range<u16>;

    /// How often it is sent before the sender gives up, when the door says that it has too much to do.
    fn tries(&self) -> usize {
        1
    }

    /// Hears what was answered and after how long.
    fn answered(&self, _status: u16, _took: Duration) {}
}

/// The door through which every target takes alerts.
impl Heap for Alerts {
    fn path(&self, _number: usize) -> &str {
        "/api/v2/alerts"
    }

    fn body(&self, numbers: Range<usize>) -> Cow<'_, [u8]> {
        self.body(numbers).into()
    }

    fn taken(&self) -> Range<u16> {
        200..300
    }

    fn tries(&self) -> usize {
        MAX_REFUSALS
    }
}

/// How a heap of alerts is posted as fast as it is taken.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Connections that post at the same time.
    pub clients: usize,
    /// Alerts in a request.
    pub batch: usize,
    /// Alerts in all.
    pub alerts: usize,
}

/// What came of a load.
pub struct Posted {
    /// When the first request was sent.
    pub begin: Instant,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// From a request to its 2xx.
    pub acks: Vec<Duration>,
}

/// Posts them all and waits for each to be taken.
pub async fn post_all(target: SocketAddr, heap: &Arc<impl Heap>, load: Load) -> Result<Posted> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = Vec::new();
    for _ in 0..load.clients {
        clients.push(Client::connect(target).await?);
    }
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for mut client in clients {
        let (next, heap) = (Arc::clone(&next), Arc::clone(heap));
        tasks.spawn(async move {
            let mut acks = Vec::new();
            loop {
                let from = next.fetch_add(load.batch, Ordering::Relaxed);
                if from >= load.alerts {
                    return anyhow::Ok(acks);
                }
                let body = heap.body(from..(from + load.batch).min(load.alerts));
                acks.push(post_until_taken(&mut client, &*heap, heap.path(from), &body).await?);
            }
        });
    }
    let mut acks = Vec::new();
    while let Some(done) = tasks.join_next().await {
        acks.extend(done??);
    }
    Ok(Posted { begin, elapsed: begin.elapsed(), acks })
}

/// Posts them at an even pace, one by one, and returns when each was sent.
pub async fn post_paced(
    target: SocketAddr,
    heap: &Arc<impl Heap>,
    count: usize,
    per_second: f64,
) -> Result<Vec<Instant>> {
    let begin = Instant::now();
    let (gap, mut earliest) = (Duration::from_secs_f64(1.0 / per_second / MAX_CATCH_UP), begin);
    let mut sent = Vec::with_capacity(count);
    let mut idle = vec![Client::connect(target).await?];
    let mut busy: JoinSet<Result<Client>> = JoinSet::new();
    for number in 0..count {
        let due = begin + Duration::from_secs_f64(number as f64 / per_second);
        tokio::time::sleep_until(due.max(earliest).into()).await;
        while let Some(done) = busy.try_join_next() {
            idle.push(done??);
        }
        // the timer wakes up to a millisecond late, which is not the target's doing
        let now = Instant::now();
        sent.push(now);
        earliest = (earliest + gap).max(now.checked_sub(SLACK).unwrap_or(now));
        if idle.is_empty() && busy.len() >= MAX_PACED_CLIENTS {
            let Some(done) = busy.join_next().await else { bail!("no connection is busy or idle") };
            idle.push(done??);
        }
        let mut client = match idle.pop() {
            Some(client) => client,
            None => Client::connect(target).await?,
        };
        let heap = Arc::clone(heap);
        busy.spawn(async move {
            let body = heap.body(number..number + 1);
            post_until_taken(&mut client, &*heap, heap.path(number), &body).await?;
            Ok(client)
        });
    }
    while let Some(done) = busy.join_next().await {
        done??;
    }
    Ok(sent)
}

/// Posts a body, again and again while the target says that it has too much to do; how long the answer
/// took, with all the waiting.
async fn post_until_taken(
    client: &mut Client,
    heap: &impl Heap,
    path: &str,
    body: &[u8],
) -> Result<Duration> {
    let begin = Instant::now();
    let mut refused = 0;
    loop {
        let answer = client.post_with(path, heap.lines(), body).await?;
        heap.answered(answer.status, begin.elapsed());
        match answer.status {
            status if heap.taken().contains(&status) => return Ok(begin.elapsed()),
            429 | 503 if refused + 1 < heap.tries() => {
                refused += 1;
                let seconds = answer.retry_after_seconds.unwrap_or(1);
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
            status => {
                let said = String::from_utf8_lossy(&answer.body);
                bail!("{path} answered {status}, after {refused} refusals: {said}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_the_size_that_the_figures_name() {
        let alerts = Alerts::new("AcceptBatch");
        let body = alerts.body(41..43);
        let read: Vec<serde_json::Value> = serde_json::from_slice(&body).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[1]["labels"]["nr"], "0000042");
        assert_eq!(read[1]["labels"].as_object().unwrap().len(), 7);
        assert_eq!(read[1]["annotations"].as_object().unwrap().len(), 3);
        let bytes = alerts.body(7..8).len();
        assert!((505..=545).contains(&bytes), "{bytes} bytes");
    }
}
