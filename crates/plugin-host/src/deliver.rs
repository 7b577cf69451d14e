//! Deliveries: gathered into batches for one running plugin, and what it answers turned into what the flow knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use model::delivery::{Fault as Whose, Outcome, answer_head};
use plugin_protocol::calls::{self, Call as _};
use plugin_protocol::limits::MAX_PAYLOAD_BYTES;
use sdk::Answer;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::chain::Chain;
use crate::peer::{Peer, Terms, Unanswered};

/// Deliveries that may wait to be handed to one plugin. Beyond, whoever brings one waits.
pub const MAX_JOBS: usize = 256;

/// Bytes of the time that is left, which is said of each when it is handed over.
pub const DEADLINE_BYTES: usize = 40;

/// How long a batch with room waits for others while the plugin has not answered what it has. A call costs both sides
/// about as much as ten deliveries in one: without this, a quick plugin is told one at a time and is slower for it.
const COMPANY_TIME: Duration = Duration::from_millis(2);

/// Less time than this is none to begin with.
const SHORTEST_TIME: Duration = Duration::from_millis(5);

/// An answer to `deliver`, whose parts are read one by one.
#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    outcomes: Vec<Box<RawValue>>,
}

/// One delivery on its way to a plugin.
pub struct Job {
    /// Which it is.
    pub id: String,
    /// All about it but the time that is left: an object with something in it.
    pub json: Box<RawValue>,
    /// With how many others of its kind it may go, at the most.
    pub batch: usize,
    /// How long the chain is at whose end it is. Those of a call have the same.
    pub chain: u32,
    /// When nobody waits for it any more.
    pub deadline: Instant,
    /// Where its answer goes.
    pub reply: oneshot::Sender<Answer>,
    /// Whether it was handed over: until then, it was surely not sent.
    pub asked: Arc<AtomicBool>,
}

impl Job {
    /// Whether it is too late to begin with it.
    fn is_late(&self) -> bool {
        self.reply.is_closed() || self.deadline <= Instant::now() + SHORTEST_TIME
    }

    /// All about it, with the time that is left after it has waited for its place.
    fn with_what_is_left(&self) -> Box<RawValue> {
        let left = self.deadline.duration_since(Instant::now()).as_millis();
        let rest = self.json.get().strip_prefix('{').unwrap_or_default();
        let whole = RawValue::from_string(format!("{{\"deadline_ms\":{left},{rest}"));
        // an object with one thing more is one
        whole.unwrap_or_else(|_| self.json.clone())
    }
}

#[derive(Serialize)]
struct Params {
    deliveries: Vec<Box<RawValue>>,
}

/// Calls that a plugin has not answered yet.
#[derive(Default)]
struct UnderWay {
    calls: AtomicUsize,
    /// rung when one is answered
    landed: Notify,
}

impl UnderWay {
    fn land(&self) {
        self.calls.fetch_sub(1, Ordering::AcqRel);
        self.landed.notify_waiters();
    }
}

/// Hands jobs to a plugin until there are no more, as many at once as it has places.
pub async fn hand_over(
    peer: Arc<Peer>,
    mut jobs: mpsc::Receiver<Job>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
) {
    let mut held: Option<Job> = None;
    let under_way = Arc::new(UnderWay::default());
    loop {
        let next = match held.take() {
            Some(job) => Some(job),
            None => jobs.recv().await,
        };
        let Some(first) = next else { return };
        let Ok(permit) = places.clone().acquire_owned().await else { return };
        // whoever brought it may have gone while there was no place
        if first.is_late() {
            continue;
        }
        let mut batch = Batch::new(first, permit);
        held = batch.gather(&mut jobs, &places);
        if held.is_none() && !batch.is_full() && batch.has_company(&under_way).await {
            held = batch.gather(&mut jobs, &places);
        }
        under_way.calls.fetch_add(1, Ordering::AcqRel);
        let (peer, under_way) = (peer.clone(), under_way.clone());
        tasks.spawn(async move {
            tell(&peer, batch.jobs, batch.permit).await;
            under_way.land();
        });
    }
}

/// Jobs that go together.
struct Batch {
    jobs: Vec<Job>,
    permit: OwnedSemaphorePermit,
    most: usize,
    bytes: usize,
}

impl Batch {
    fn new(first: Job, permit: OwnedSemaphorePermit) -> Self {
        let (most, bytes) = (first.batch, first.json.get().len() + DEADLINE_BYTES);
        Batch { jobs: vec![first], permit, most, bytes }
    }

    fn is_full(&self) -> bool {
        self.jobs.len() >= self.most
    }

    /// Waits a moment for others while the plugin has something to do anyway: until it has answered a call, or for as
    /// long as an answer takes. One that is at leisure is told at once. Says whether there may be others now.
    async fn has_company(&self, under_way: &UnderWay) -> bool {
        let landed = under_way.landed.notified();
        if under_way.calls.load(Ordering::Acquire) == 0 {
            return false;
        }
        // both ends are as good
        let _ = tokio::time::timeout(COMPANY_TIME, landed).await;
        true
    }

    /// Takes in what waits and may go with what is there; returns one that may not.
    fn gather(&mut self, jobs: &mut mpsc::Receiver<Job>, places: &Arc<Semaphore>) -> Option<Job> {
        while !self.is_full() {
            let job = jobs.try_recv().ok()?;
            if job.is_late() {
                continue;
            }
            let together = self.bytes + job.json.get().len() + DEADLINE_BYTES + 1;
            let twice = self.jobs.iter().any(|other| other.id == job.id);
            let place = places.clone().try_acquire_owned();
            let same_chain = self.jobs.iter().all(|other| other.chain == job.chain);
            let fits = job.batch > self.jobs.len() && together <= MAX_PAYLOAD_BYTES && same_chain;
            let (true, false, Ok(place)) = (fits, twice, place) else {
                return Some(job);
            };
            self.permit.merge(place);
            self.most = self.most.min(job.batch);
            self.bytes = together;
            self.jobs.push(job);
        }
        None
    }
}

async fn tell(peer: &Peer, batch: Vec<Job>, permit: OwnedSemaphorePermit) {
    let last = batch.iter().map(|job| job.deadline).max().unwrap_or_else(Instant::now);
    let limit = last.duration_since(Instant::now());
    batch.iter().for_each(|job| job.asked.store(true, Ordering::Release));
    let deliveries = u32::try_from(batch.len()).unwrap_or(u32::MAX);
    let params = Params { deliveries: batch.iter().map(Job::with_what_is_left).collect() };
    let chain = Chain::of(batch.first().map_or(0, |job| job.chain));
    let terms = Terms { limit, permit: Some(permit), deliveries, chain: chain.clone() };
    let answer = peer.ask_raw(calls::Deliver::METHOD, &params, terms).await;
    let answer = answer.and_then(|raw| {
        serde_json::from_str::<Answered>(raw.get()).map_err(|error| Unanswered::Unreadable(error.to_string()))
    });
    match answer {
        Ok(Answered { outcomes }) => {
            let mut outcomes: Vec<calls::Outcome> = outcomes.iter().filter_map(|raw| outcome(raw)).collect();
            for job in batch {
                let found = outcomes.iter().position(|outcome| outcome.id == job.id);
                let answer = match found {
                    Some(at) => answer_of(outcomes.swap_remove(at)),
                    None => Answer::bare(Outcome::down("the plugin's answer says nothing of this delivery")),
                };
                // whoever brought it may have gone
                let _ = job.reply.send(not_again(&chain, answer));
            }
        }
        Err(why) => {
            let answer = not_again(&chain, Answer::bare(not_answered(&why)));
            for job in batch {
                let _ = job.reply.send(answer.clone());
            }
        }
    }
}

/// One outcome, with what of it can be read: that it is delivered counts for more than a number of the wrong sort.
fn outcome(raw: &RawValue) -> Option<calls::Outcome> {
    if let Ok(whole) = serde_json::from_str(raw.get()) {
        return Some(whole);
    }
    let fields: Value = serde_json::from_str(raw.get()).ok()?;
    let text = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
    let (id, outcome, reason) = (text("id"), text("outcome"), text("reason"));
    Some(calls::Outcome { id, outcome, reason, receipt: text("receipt"), ..calls::Outcome::default() })
}

fn not_answered(why: &Unanswered) -> Outcome {
    match why {
        Unanswered::Gone(why) => {
            Outcome::down(format!("the plugin ended before it answered ({why}); it may have sent this"))
        }
        Unanswered::TimedOut(limit) => {
            Outcome::down(format!("the plugin did not answer within {limit:?}; it may send this yet"))
        }
        Unanswered::Fault(_) | Unanswered::Unreadable(_) => Outcome::down(why.to_string()),
    }
}

/// The same, but not to be tried again where the plugin was refused what it wanted to do about it: it would be again.
fn not_again(chain: &Chain, answer: Answer) -> Answer {
    match answer.outcome {
        Outcome::Retry { reason, .. } if chain.was_refused() => {
            let why = format!("the plugin went in a circle, and something was refused to it: {reason}");
            Answer { outcome: Outcome::rejected(why), ..answer }
        }
        _ => answer,
    }
}

/// What an outcome in a plugin's words means.
pub fn answer_of(said: calls::Outcome) -> Answer {
    let after = said.after_ms.map(Duration::from_millis);
    let fault = if said.fault.as_deref() == Some("pace") { Whose::Pace } else { Whose::Destination };
    let reason = |or: &str| if said.reason.is_empty() { or.to_owned() } else { said.reason.clone() };
    let outcome = match said.outcome.as_str() {
        "delivered" => Outcome::Delivered { receipt: said.receipt.clone() },
        "skipped" => {
            Outcome::Delivered { receipt: format!("skipped: {}", reason("there was nobody to tell")) }
        }
        "rejected" => Outcome::rejected(reason("the plugin refuses it")),
        "retry" => Outcome::Retry { after, reason: reason("the plugin wants it to be tried again"), fault },
        other => Outcome::down(format!("the plugin answered an outcome that is none: {other:?}")),
    };
    Answer { outcome, status: said.status, text: answer_head(said.text.as_bytes()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugin_protocol::RpcId;
    use plugin_protocol::limits::MAX_CHAIN;
    use serde_json::json;

    fn job(id: &str, batch: usize) -> (Job, oneshot::Receiver<Answer>) {
        let (reply, answer) = oneshot::channel();
        let json = RawValue::from_string(format!("{{\"id\":\"{id}\"}}")).unwrap();
        let (deadline, asked) = (Instant::now() + Duration::from_secs(1), Arc::default());
        (Job { id: id.to_owned(), json, batch, chain: 0, deadline, reply, asked }, answer)
    }

    fn asked(line: &str) -> (i64, Vec<String>) {
        let line: Value = serde_json::from_str(line).unwrap();
        let all = line["params"]["deliveries"].as_array().unwrap();
        (line["id"].as_i64().unwrap(), all.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_goes_together_as_far_as_each_may_and_there_are_places() {
        let (peer, mut lines) = Peer::new();
        let peer = Arc::new(peer);
        let (send, jobs) = mpsc::channel(16);
        let places = Arc::new(Semaphore::new(3));
        let tasks = TaskTracker::new();
        let mut answers = Vec::new();
        for (id, batch) in [("a", 8), ("b", 8), ("b", 8), ("c", 1)] {
            let (job, answer) = job(id, batch);
            assert!(send.send(job).await.is_ok());
            answers.push(answer);
        }
        tasks.spawn(hand_over(peer.clone(), jobs, places.clone(), tasks.clone()));
        // one that is there already waits for the next call, and so does one that goes alone
        let line = lines.recv().await.unwrap();
        assert!(line.contains(r#"{"deadline_ms":1000,"id":"a"}"#), "{line}");
        let (first, ids) = asked(&line);
        assert_eq!(ids, ["a", "b"]);
        let (second, ids) = asked(&lines.recv().await.unwrap());
        assert_eq!(ids, ["b"]);
        assert_eq!(places.available_permits(), 0);
        let outcome = |id: &str, outcome: &str| json!({"id": id, "outcome": outcome});
        let say = |id: i64, outcomes: Value| {
            let answer = RawValue::from_string(json!({"outcomes": outcomes}).to_string()).unwrap();
            peer.answered(&RpcId::Number(id), Ok(answer));
        };
        say(second, json!([outcome("b", "rejected")]));
        let (third, ids) = asked(&lines.recv().await.unwrap());
        assert_eq!(ids, ["c"]);
        say(first, json!([outcome("zzz", "delivered"), outcome("a", "delivered")]));
        say(third, json!([outcome("c", "what?")]));
        let mut said = Vec::new();
        for answer in answers {
            said.push(answer.await.unwrap().outcome);
        }
        assert_eq!(said[0], Outcome::delivered());
        assert!(matches!(&said[1], Outcome::Retry { reason, .. } if reason.contains("says nothing")));
        assert!(matches!(&said[2], Outcome::Rejected { .. }));
        assert!(matches!(&said[3], Outcome::Retry { reason, .. } if reason.contains("what?")));
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_in_a_circle_goes_alone_and_is_not_tried_again() {
        let (peer, mut lines) = Peer::new();
        let peer = Arc::new(peer);
        let (send, jobs) = mpsc::channel(16);
        let tasks = TaskTracker::new();
        let mut answers = Vec::new();
        for (id, chain) in [("a", 0), ("b", MAX_CHAIN), ("c", MAX_CHAIN)] {
            let (job, answer) = job(id, 8);
            assert!(send.send(Job { chain, ..job }).await.is_ok());
            answers.push(answer);
        }
        tasks.spawn(hand_over(peer.clone(), jobs, Arc::new(Semaphore::new(8)), tasks.clone()));
        for wanted in [&["a"][..], &["b", "c"]] {
            let (call, ids) = asked(&lines.recv().await.unwrap());
            assert_eq!(ids, wanted);
            let call = RpcId::Number(call);
            assert_eq!(peer.chain(&call).next("emit").is_err(), ids.len() == 2);
            let retry = json!({"outcomes": ids.iter().map(|id| json!({"id": id, "outcome": "retry"}))
                .collect::<Vec<_>>()});
            peer.answered(&call, Ok(RawValue::from_string(retry.to_string()).unwrap()));
        }
        let mut said = Vec::new();
        for answer in answers {
            said.push(answer.await.unwrap().outcome);
        }
        assert!(matches!(&said[0], Outcome::Retry { .. }), "{said:?}");
        let is_over =
            |it: &Outcome| matches!(it, Outcome::Rejected { reason, .. } if reason.contains("circle"));
        assert!(said[1..].iter().all(is_over), "{said:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_plugin_is_busy_others_wait_a_moment_for_company() {
        let (peer, mut lines) = Peer::new();
        let peer = Arc::new(peer);
        let (send, jobs) = mpsc::channel(16);
        let tasks = TaskTracker::new();
        tasks.spawn(hand_over(peer.clone(), jobs, Arc::new(Semaphore::new(64)), tasks.clone()));
        let mut answers = Vec::new();
        let mut hand = async |id: &str| {
            let (job, answer) = job(id, 8);
            assert!(send.send(job).await.is_ok());
            answers.push(answer);
            // as far as it goes without time
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        };
        let next = |lines: &mut mpsc::Receiver<String>| lines.try_recv().ok().map(|line| asked(&line));
        hand("a").await;
        let (first, ids) = next(&mut lines).unwrap();
        assert_eq!(ids, ["a"], "at leisure it is told at once");
        hand("b").await;
        hand("c").await;
        assert_eq!(next(&mut lines), None);
        peer.answered(
            &RpcId::Number(first),
            Ok(RawValue::from_string(r#"{"outcomes": []}"#.into()).unwrap()),
        );
        let (_, ids) = asked(&lines.recv().await.unwrap());
        assert_eq!(ids, ["b", "c"], "with the answer they go together");
        hand("d").await;
        assert_eq!(next(&mut lines), None);
        let before = Instant::now();
        let (_, ids) = asked(&lines.recv().await.unwrap());
        assert_eq!(
            (ids, before.elapsed() <= COMPANY_TIME),
            (vec!["d".to_owned()], true),
            "a slow one holds up nobody"
        );
    }

    #[test]
    fn outcomes_mean_what_the_contract_says() {
        let answer = |json: Value| answer_of(serde_json::from_value(json).unwrap());
        let pace = answer(json!({"outcome": "retry", "after_ms": 1500, "fault": "pace", "status": 429}));
        let wanted = Some(Duration::from_millis(1500));
        assert!(matches!(pace.outcome, Outcome::Retry { after, fault: Whose::Pace, .. } if after == wanted));
        assert_eq!(pace.status, Some(429));
        let receipt = answer(json!({"outcome": "delivered", "receipt": 17}));
        assert_eq!(receipt.outcome, Outcome::Delivered { receipt: "17".to_owned() });
        assert!(matches!(answer(json!({})).outcome, Outcome::Retry { .. }));
        let odd = RawValue::from_string(r#"{"id": "a", "outcome": "delivered", "status": "200"}"#.to_owned());
        assert_eq!(outcome(&odd.unwrap()).map(|it| it.outcome).as_deref(), Some("delivered"));
    }
}
