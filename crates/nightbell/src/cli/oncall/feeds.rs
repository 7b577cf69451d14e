//! Calendars that come in, and links to those that go out.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::of;
use crate::client::Client;
use crate::output::{Output, Table, field, moment};
use crate::words;

/// Upload the calendar that a layer of a schedule goes by
#[derive(clap::Args)]
pub(super) struct Upload {
    /// The schedule, by name or id
    schedule: String,
    /// The layer's name
    layer: String,
    /// A file in the format of iCalendar
    file: std::path::PathBuf,
}

/// Make a link by which a program for calendars fetches who is on call
#[derive(clap::Args)]
pub(super) struct Link {
    /// Show the shifts of this schedule, by name or id
    #[arg(long, value_name = "SCHEDULE", conflicts_with = "user")]
    schedule: Option<String>,
    /// Show the shifts of this user, by name or id; without anything, your own
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

impl Upload {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<()> {
        let shown = self.file.display();
        let bytes = std::fs::read(&self.file).with_context(|| format!("reading {shown}"))?;
        let path = of(&self.schedule, &format!("calendars/{}", words::in_path(&self.layer)));
        let answer = client.upload(&path, "text/calendar", bytes).await?;
        output.answer(&answer, || calendar(&answer))
    }
}

impl Link {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<()> {
        let body = match (self.schedule, self.user) {
            (Some(schedule), _) => json!({ "schedule": schedule }),
            (_, Some(user)) => json!({ "user": user }),
            _ => json!({}),
        };
        let answer = client.post("/api/v1/calendar-links", &body).await?;
        // alone on its line, so that a shell can take it
        output.answer(&answer, || field(&answer, "link"))
    }
}

pub(super) async fn links(client: &Client, output: Output) -> Result<()> {
    let answer = client.get("/api/v1/calendar-links", &[]).await?;
    output.answer(&answer, || {
        let mut table = Table::new(["id", "shows", "made by", "made at"], "there are none");
        for it in answer["items"].as_array().into_iter().flatten() {
            let shows = format!("{} {}", field(it, "kind"), field(it, "name"));
            table.row([field(it, "id"), shows, field(it, "owner"), moment(&field(it, "created_at"))]);
        }
        table.text()
    })
}

pub(super) async fn unlink(client: &Client, ids: &[String], output: Output) -> Result<()> {
    let mut answers = Vec::new();
    for id in ids {
        answers.push(client.delete(&format!("/api/v1/calendar-links/{}", words::in_path(id)), &[]).await?);
    }
    output.answer(&answers, || ids.iter().map(|id| format!("{id} is revoked")).collect::<Vec<_>>().join("\n"))
}

/// What is known of a calendar.
pub(super) fn calendar(it: &Value) -> String {
    let fetched = match it["fetched_at"].as_str() {
        Some(at) => format!("as of {}", moment(at)),
        None => "never fetched".to_owned(),
    };
    let mut text =
        format!("\nCalendar of layer {}: {} shifts, {fetched}\n", field(it, "layer"), field(it, "shifts"));
    if !field(it, "error").is_empty() {
        text.push_str(&format!(
            "  it cannot be fetched ({} tries): {}\n",
            field(it, "failures"),
            field(it, "error")
        ));
    }
    if it["skipped_count"] != 0 {
        text.push_str(&format!("  {} events cannot be used:\n", field(it, "skipped_count")));
    }
    for skipped in it["skipped"].as_array().into_iter().flatten() {
        let name = [field(skipped, "title"), field(skipped, "uid")].into_iter().find(|it| !it.is_empty());
        text.push_str(&format!("    {}: {}\n", name.unwrap_or_default(), field(skipped, "reason")));
    }
    text
}
