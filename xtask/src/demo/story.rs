//! The story: one chapter for each promise, told through the real doors. A chapter does something, shows
//! what the receivers heard of it, and checks what was promised before a deadline.

use std::time::{Duration, Instant};

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::hub::Hub;
use super::receivers::{Heard, Receivers};
use super::show::Show;

/// How long a promise may take to come true. Most take the two seconds for which groups are gathered.
const DEADLINE: Duration = Duration::from_secs(15);

/// Everything on the stage.
pub struct Stage {
    pub hub: Hub,
    pub receivers: Receivers,
    pub show: Show,
}

/// Tells the whole story.
pub fn tell(stage: &mut Stage) -> Result<()> {
    alerts_are_grouped_and_routed(stage)?;
    somebody_takes_one(stage)?;
    one_is_silenced(stage)?;
    a_receiver_is_down(stage)?;
    the_hub_is_killed(stage)?;
    it_is_over(stage)?;
    it_explains_itself(stage)
}

fn alerts_are_grouped_and_routed(stage: &mut Stage) -> Result<()> {
    stage.show.chapter("Alerts arrive, are grouped and routed");
    stage.show.says("Prometheus reports three full disks (team=db) and one slow page (team=web).");
    let since = stage.receivers.count();
    let disks = ["db-1", "db-2", "db-3"].map(|host| alert("DiskFull", "db", host, "Disk is full", None));
    let slow = alert("HighLatency", "web", "web-1", "Pages take 4 s", None);
    stage.hub.client().post_alerts(&[disks.as_slice(), &[slow]].concat())?;
    stage.hears("db hears of all three in one message", since, |heard| {
        heard.iter().find(|heard| heard.receiver == "db" && heard.taken() && heard.alerts == 3).cloned()
    });
    stage.hears("web hears of its own, and of nothing else", since, |heard| {
        let mut web = heard.iter().filter(|heard| heard.receiver == "web");
        web.all(|heard| heard.alerts == 1)
            .then(|| heard.iter().find(|heard| heard.receiver == "web").cloned())?
    });
    Ok(())
}

fn somebody_takes_one(stage: &mut Stage) -> Result<()> {
    stage.show.chapter("Somebody takes one");
    stage.show.says("Ada acknowledges the slow page.");
    let since = stage.receivers.count();
    let client = stage.hub.client();
    client.acknowledge(&client.incident("HighLatency")?, "ada", "looking at it")?;
    stage.comes_true("the incident says who has it", || {
        Ok(client.incident("HighLatency")?["state"] == "acknowledged")
    });
    stage.hears("web, which asked to, hears that somebody is on it", since, |heard| {
        heard
            .iter()
            .find(|heard| heard.receiver == "web" && heard.kind == "acknowledged" && heard.taken())
            .cloned()
    });
    Ok(())
}

fn one_is_silenced(stage: &mut Stage) -> Result<()> {
    stage.show.chapter("One is silenced");
    stage.show.says("A silence for BackupLate: the backup server is being moved. Then the alert comes.");
    let client = stage.hub.client();
    let now = now();
    let hour = SignedDuration::from_hours(1);
    client.silence("BackupLate", &now.to_string(), &(now + hour).to_string(), "moving the backup server")?;
    let since = stage.receivers.count();
    client.post_alerts(&[alert("BackupLate", "db", "backup-1", "No backup for two days", None)])?;
    // the next one goes the same way and takes as long: when it is there, the other would be, too
    client.post_alerts(&[alert("SlowQuery", "db", "db-2", "Queries take 9 s", None)])?;
    stage.hears("another alert for the same team arrives", since, |heard| {
        heard.iter().find(|heard| heard.title.contains("Queries take 9 s") && heard.taken()).cloned()
    });
    stage.comes_true("the silenced one has told nobody, and says why", || {
        let lines = client.explain(&client.incident("BackupLate")?)?;
        Ok(lines.iter().any(|line| line.to_lowercase().contains("silence")))
    });
    let silent = stage.receivers.wait(since, Duration::ZERO, |heard| named(heard, "No backup")).is_none();
    stage.show.promise("nobody has heard of it", silent);
    Ok(())
}

fn a_receiver_is_down(stage: &mut Stage) -> Result<()> {
    stage.show.chapter("A receiver is down, and recovers");
    stage.show.says("web answers 500 to everything. An alert comes for it, and one for db.");
    stage.receivers.set_down("web", true);
    let since = stage.receivers.count();
    let client = stage.hub.client();
    client.post_alerts(&[
        alert("CertExpiring", "web", "web-2", "Certificate ends tomorrow", None),
        alert("ReplicaLag", "db", "db-3", "Replica is 90 s behind", None),
    ])?;
    let tries = |heard: &[Heard]| -> Vec<Heard> {
        heard.iter().filter(|heard| heard.title.contains("Certificate")).cloned().collect()
    };
    stage.hears("db is not slowed down by its neighbour", since, |heard| named(heard, "Replica is 90 s"));
    stage.hears("web is tried again, with the same idempotency key", since, |heard| {
        let tries = tries(heard);
        (tries.len() >= 3 && tries.iter().all(|heard| heard.key == tries[0].key)).then(|| tries[2].clone())
    });
    stage.comes_true("meanwhile the message waits where everybody can see it", || {
        Ok(client.deliveries("pending")? > 0)
    });
    stage.show.says("web is back.");
    stage.receivers.set_down("web", false);
    stage.hears("web gets the message, under the same key", since, |heard| {
        let tries = tries(heard);
        tries.iter().find(|heard| heard.taken() && heard.key == tries[0].key).cloned()
    });
    stage.comes_true("nothing is left waiting", || Ok(client.deliveries("pending")? == 0));
    let taken = stage
        .receivers
        .wait(since, Duration::ZERO, |heard| Some(tries(heard).iter().filter(|heard| heard.taken()).count()));
    stage.show.promise("it took it exactly once", taken == Some(1));
    Ok(())
}

fn the_hub_is_killed(stage: &mut Stage) -> Result<()> {
    stage.show.chapter("The hub is killed with kill -9");
    stage.show.says("An alert is accepted with 200; at the same moment the process is killed.");
    let since = stage.receivers.count();
    stage.hub.client().post_alerts(&[alert("QueueStuck", "ops", "mq-1", "Queue does not drain", None)])?;
    stage.hub.kill()?;
    let told =
        stage.receivers.wait(since, Duration::ZERO, |heard| named(heard, "Queue does not drain")).is_some();
    stage.show.says(if told { "(It was quicker than the kill.)" } else { "Nobody has been told yet." });
    stage.hub.wake()?;
    stage.show.says("It is started again.");
    stage.hears("ops hears of what was accepted before the kill", since, |heard| {
        named(heard, "Queue does not drain")
    });
    Ok(())
}

fn it_is_over(stage: &mut Stage) -> Result<()> {
    stage.show.chapter("It is over");
    stage.show.says("Prometheus reports that the disks are fine again.");
    let since = stage.receivers.count();
    let end = now().to_string();
    let disks =
        ["db-1", "db-2", "db-3"].map(|host| alert("DiskFull", "db", host, "Disk is full", Some(&end)));
    stage.hub.client().post_alerts(&disks)?;
    stage.hears("db hears that all three are resolved", since, |heard| {
        let over = |heard: &&Heard| heard.receiver == "db" && heard.kind == "resolved" && heard.taken();
        heard.iter().find(over).cloned()
    });
    let client = stage.hub.client();
    stage.comes_true("the incident says so, too", || Ok(client.incident("DiskFull")?["state"] == "resolved"));
    Ok(())
}

fn it_explains_itself(stage: &mut Stage) -> Result<()> {
    stage.show.chapter("It explains itself");
    stage.show.says("What became of the certificate, in the hub's own words:");
    let client = stage.hub.client();
    let lines = client.explain(&client.incident("CertExpiring")?)?;
    stage.show.explains(&lines);
    stage.show.promise(
        "an explanation names the receiver that was told",
        lines.iter().any(|line| line.contains("web")),
    );
    let silent = stage.receivers.wait(0, Duration::ZERO, |heard| named(heard, "No backup")).is_none();
    stage.show.promise("to the end nobody has heard of what was silenced", silent);
    Ok(())
}

impl Stage {
    /// A promise about what the receivers hear; what answers it is shown.
    fn hears(&mut self, promise: &str, since: usize, question: impl Fn(&[Heard]) -> Option<Heard>) {
        let heard = self.receivers.wait(since, DEADLINE, question);
        if let Some(heard) = &heard {
            self.show.heard(heard);
        }
        self.show.promise(promise, heard.is_some());
    }

    /// A promise about what the hub says of itself.
    #[expect(clippy::disallowed_methods, reason = "another process gives no bell to wait for")]
    fn comes_true(&mut self, promise: &str, question: impl Fn() -> Result<bool>) {
        let begin = Instant::now();
        let mut answer = question();
        while !matches!(answer, Ok(true)) && begin.elapsed() < DEADLINE {
            std::thread::sleep(Duration::from_millis(100));
            answer = question();
        }
        if let Err(error) = &answer {
            self.show.says(&format!("({error:#})"));
        }
        self.show.promise(promise, matches!(answer, Ok(true)));
    }
}

/// The message with this in its title that was taken.
fn named(heard: &[Heard], words: &str) -> Option<Heard> {
    heard.iter().find(|heard| heard.title.contains(words) && heard.taken()).cloned()
}

/// An alert as Prometheus sends it.
fn alert(name: &str, team: &str, host: &str, summary: &str, ends_at: Option<&str>) -> Value {
    let mut alert = json!({
        "labels": {"alertname": name, "team": team, "instance": host, "severity": "critical"},
        "annotations": {"summary": format!("{summary} on {host}")},
        "generatorURL": "http://prometheus.example/graph",
    });
    if let Some(end) = ends_at {
        alert["endsAt"] = json!(end);
    }
    alert
}

#[expect(clippy::disallowed_methods, reason = "the demo is outside of the hub and goes by the wall clock")]
fn now() -> Timestamp {
    Timestamp::now()
}
