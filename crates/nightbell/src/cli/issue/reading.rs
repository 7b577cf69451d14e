//! What there is to read of an issue besides itself: its errors, its tags, and why an error is in it.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::Value;

use super::path;
use crate::client::Client;
use crate::output::{Output, Table, field, moment};
use crate::words;

/// Levels of parts that are shown of what was looked at.
const MAX_LEVELS: usize = 12;

pub async fn events(
    hub: &Client,
    id: &str,
    limit: usize,
    cursor: Option<String>,
    output: Output,
) -> Result<()> {
    let mut query = vec![("limit", limit.to_string())];
    query.extend(cursor.map(|it| ("cursor", it)));
    let answer = hub.get(&format!("{}/events", path(id)), &query).await?;
    output.answer(&answer, || {
        let mut table = Table::new(["id", "at", "release", "environment", "user", "what"], "none is kept");
        for it in answer["items"].as_array().into_iter().flatten() {
            table.row([
                field(it, "id"),
                moment(&field(it, "at")),
                field(it, "release"),
                field(it, "environment"),
                field(it, "user"),
                field(it, "title"),
            ]);
        }
        crate::cli::with_next(table.text(), &answer)
    })
}

pub async fn tags(hub: &Client, id: &str, name: Option<String>, output: Output) -> Result<()> {
    let query: Vec<(&str, String)> = name.map(|it| ("name", it)).into_iter().collect();
    let answer = hub.get(&format!("{}/tags", path(id)), &query).await?;
    output.answer(&answer, || {
        let mut table = Table::new(["tag", "value", "times", "last seen"], "it has none");
        for it in answer["items"].as_array().into_iter().flatten() {
            let times = it["times"].to_string();
            table.row([field(it, "name"), field(it, "value"), times, moment(&field(it, "last_seen"))]);
        }
        table.text()
    })
}

pub async fn grouping(hub: &Client, id: &str, event: &str, output: Output) -> Result<()> {
    let answer = hub.get(&format!("{}/events/{}/grouping", path(id), words::in_path(event)), &[]).await?;
    output.answer(&answer, || explained(&answer))
}

fn explained(answer: &Value) -> String {
    let (mut text, grouping) = (String::new(), &answer["grouping"]);
    if let Some(rule) = grouping["rule"].as_str() {
        let _ = writeln!(text, "by the rule {rule}");
    }
    for variant in grouping["variants"].as_array().into_iter().flatten() {
        let why = variant["hint"].as_str().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let _ = writeln!(text, "{}: {}{why}", field(variant, "name"), counts(&variant["hash"]));
        for word in variant["fingerprint"].as_array().into_iter().flatten() {
            let _ = writeln!(text, "  {}", word.as_str().unwrap_or_default());
        }
        component(&mut text, &variant["component"], 1);
    }
    let _ = writeln!(text);
    for it in answer["hashes"].as_array().into_iter().flatten() {
        let leads =
            it["issue"].as_str().map_or("leads nowhere".to_owned(), |issue| format!("leads to {issue}"));
        let _ = writeln!(text, "{} {} {leads}", field(it, "variant"), field(it, "hash"));
    }
    if let Some(note) = answer["note"].as_str() {
        let _ = writeln!(text, "\n{note}");
    }
    text
}

fn counts(hash: &Value) -> String {
    hash.as_str().map_or_else(|| "does not count".to_owned(), str::to_owned)
}

/// A part of what was looked at, with a mark when it counts.
fn component(text: &mut String, it: &Value, level: usize) {
    if !it.is_object() || level > MAX_LEVELS {
        return;
    }
    let mark = if it["contributes"] == true { "+" } else { "-" };
    let value = it["value"].as_str().map(|value| format!(" {value:?}")).unwrap_or_default();
    let hint = it["hint"].as_str().map(|hint| format!(" ({hint})")).unwrap_or_default();
    let _ = writeln!(text, "{:level$}{mark} {}{value}{hint}", "", field(it, "id"), level = level * 2);
    for part in it["parts"].as_array().into_iter().flatten() {
        component(text, part, level + 1);
    }
}
