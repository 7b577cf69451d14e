//! How fast generator and receiver are without anything in between: far more than what they measure.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::task::JoinSet;

use super::http::Client;
use super::sink::Sink;

/// How long it is measured.
const SPAN: Duration = Duration::from_secs(2);
/// Connections that post at the same time.
const CLIENTS: usize = 8;
/// A webhook as a program would send it, for one alert.
const WEBHOOK: &str = r#"{"receiver":"sink","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"DiskFull","cluster":"eu-west-1","instance":"host-0042.example.com:9100","job":"node","nr":"0000042","severity":"critical","team":"database"},"annotations":{"description":"less than ten percent left on /var/lib/data, full in a few hours","runbook_url":"https://runbooks.example.com/disk","summary":"disk almost full"},"startsAt":"2026-11-21T03:00:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus.example.com/graph?g0.expr=node_filesystem_avail","fingerprint":"b3ba6c3ad8c5a4a1"}],"groupLabels":{"nr":"0000042"},"commonLabels":{"alertname":"DiskFull","nr":"0000042","severity":"critical"},"commonAnnotations":{"summary":"disk almost full"},"externalURL":"http://hub.example.com","version":"4","groupKey":"{}:{nr=\"0000042\"}","truncatedAlerts":0}"#;

/// Webhooks per second from the generator straight into the receiver.
pub async fn measure() -> Result<f64> {
    let sink = Sink::open(100).await?;
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..CLIENTS {
        let mut client = Client::connect(sink.address).await?;
        tasks.spawn(async move {
            while begin.elapsed() < SPAN {
                let status = client.post("/hook", WEBHOOK.as_bytes()).await?.status;
                if status != 200 {
                    bail!("the receiver answered {status}");
                }
            }
            Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let requests = sink.ledger().requests;
    Ok(requests as f64 / begin.elapsed().as_secs_f64())
}
