//! kill -9: what is lost of what was answered 2xx, and what is told twice.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};

use crate::bench::figures::Readings;
use crate::bench::http::Client;
use crate::bench::load::{Load, post_all};
use crate::bench::sink::Mood;
use crate::bench::stage::{Setting, Stage};
use crate::bench::target::Routing;

/// Alerts in each situation, and how they are sent.
const LOAD: Load = Load { clients: 8, batch: 64, alerts: 1_000 };
/// How long a restarted program has to deliver what it was given before.
const MAX_REDELIVERY: Duration = Duration::from_secs(30);
/// When nothing has come for so long, nothing more will.
const QUIET: Duration = Duration::from_secs(2);

/// A situation in which the program is killed: how the receiver is before, and how long after the last
/// answer it happens.
struct Death {
    name: &'static str,
    routing: Routing,
    mood: Mood,
    after: Duration,
    ids: &'static [&'static str],
}

const DEATHS: &[Death] = &[
    Death {
        name: "Wait",
        routing: Routing { group_wait_seconds: 10, ..Routing::EACH_AT_ONCE },
        mood: Mood::Healthy,
        after: Duration::from_secs(2),
        ids: &["kill_wait_lost", "kill_wait_twice"],
    },
    Death {
        name: "Sick",
        routing: Routing::EACH_AT_ONCE,
        mood: Mood::Failing,
        after: Duration::from_secs(5),
        ids: &["kill_sick_lost", "kill_sick_twice"],
    },
    Death {
        name: "Slow",
        routing: Routing::EACH_AT_ONCE,
        mood: Mood::Slow(Duration::from_secs(2)),
        after: Duration::ZERO,
        ids: &["kill_slow_lost", "kill_slow_twice", "kill_slow_keys"],
    },
    Death {
        name: "Well",
        routing: Routing::EACH_AT_ONCE,
        mood: Mood::Healthy,
        after: Duration::ZERO,
        ids: &["kill_well_lost", "kill_well_twice", "kill_well_keys"],
    },
];

/// Killed while alerts are on their way, in all situations.
pub async fn on_the_way(setting: &Setting) -> Result<Readings> {
    let mut readings = Readings::new();
    for death in DEATHS {
        let setting = Setting { name: format!("{}{}", setting.name, death.name), ..setting.clone() };
        readings.extend(die(&setting, death).await.with_context(|| format!("situation {}", death.name))?);
    }
    Ok(readings)
}

async fn die(setting: &Setting, death: &Death) -> Result<Readings> {
    let mut stage = Stage::open(setting, death.routing, LOAD.alerts).await?;
    stage.sink.set_mood(death.mood);
    post_all(stage.target()?.address, &stage.alerts, LOAD).await?;
    tokio::time::sleep(death.after).await;
    stage.kill().await?;
    // a receiver that stayed slow would only make the wait longer: 2 s for each of 1,000 alerts
    stage.sink.set_mood(Mood::Healthy);
    stage.start().await?;
    stage.sink.wait_delivered(LOAD.alerts, MAX_REDELIVERY).await;
    stage.sink.wait_quiet(QUIET, MAX_REDELIVERY).await;
    stage.readable()?;
    let ledger = stage.sink.ledger();
    let lost = LOAD.alerts - ledger.delivered;
    let values = [lost as f64, ledger.duplicates() as f64, ledger.other_keys as f64];
    Ok(death.ids.iter().copied().zip(values).collect())
}

/// Killed after everything was delivered; then the client sends the same alerts again.
pub async fn sent_again(setting: &Setting) -> Result<Readings> {
    let mut stage = Stage::open(setting, Routing::EACH_AT_ONCE, LOAD.alerts).await?;
    post_all(stage.target()?.address, &stage.alerts, LOAD).await?;
    stage.all_delivered(LOAD.alerts, MAX_REDELIVERY).await?;
    // the receiver has answered; now the answers have to be written down
    stage.target()?.settle().await?;
    stage.kill().await?;
    stage.start().await?;
    post_all(stage.target()?.address, &stage.alerts, LOAD).await?;
    stage.sink.wait_quiet(Duration::from_secs(10), MAX_REDELIVERY).await;
    stage.readable()?;
    let duplicates = stage.sink.ledger().duplicates();
    Ok(vec![("resend_twice", duplicates as f64)])
}

/// Killed five seconds after 100 silences were made.
pub async fn silences(setting: &Setting) -> Result<Readings> {
    const SILENCES: usize = 100;
    const PATH: &str = "/api/v2/silences";
    let mut stage = Stage::open(setting, Routing::ONE_GROUP_WAITS, 0).await?;
    let mut client = Client::connect(stage.target()?.address).await?;
    let begin = Timestamp::now();
    let end = begin.saturating_add(SignedDuration::from_hours(2))?;
    for number in 0..SILENCES {
        let silence = serde_json::json!({
            "matchers": [{"name": "nr", "value": number.to_string(), "isRegex": false, "isEqual": true}],
            "startsAt": begin.to_string(),
            "endsAt": end.to_string(),
            "createdBy": "bench",
            "comment": "planned work",
        });
        let answer = client.post(PATH, silence.to_string().as_bytes()).await?;
        if answer.status != 200 {
            bail!("a silence was answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    stage.kill().await?;
    stage.start().await?;
    let mut client = Client::connect(stage.target()?.address).await?;
    let list: Vec<serde_json::Value> = serde_json::from_slice(&client.get(PATH).await?.body)?;
    let left = list.iter().filter(|silence| silence["status"]["state"] != "expired").count();
    Ok(vec![("silences_left", left as f64)])
}
