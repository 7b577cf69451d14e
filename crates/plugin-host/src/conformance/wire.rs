//! What a plugin does with lines that are none, and with those that come in pieces. Each is said in a life of its own,
//! since a plugin may end of it, by itself.

use std::time::Duration;

use plugin_protocol::limits::{CALL_TIME, MAX_LINE_BYTES, STOP_TIME};
use serde_json::json;

use super::{Life, Report, UNKNOWN, ended_by_itself, until};
use crate::greeting;
use crate::peer::{Terms, Unanswered};
use crate::plugin::World;
use crate::spec::Spec;

/// What a host never says.
const GARBAGE: [&str; 5] =
    ["hello, I am no message\n", "\u{0}\n", "[]\n", "{\"id\": 1.5}\n", "{\"jsonrpc\": \n"];
/// A question, and where it is cut.
const PIECES: [&str; 2] = [
    "{\"jsonrpc\": \"2.0\", \"id\": \"in pieces\", \"met",
    "hod\": \"nightbell/unknown\", \"params\": {}}\n",
];
/// How long there is between pieces.
const BETWEEN: Duration = Duration::from_millis(50);

/// Says all of it.
pub(super) async fn look(spec: &Spec, world: &World, report: &mut Report) {
    let pieces = in_pieces(spec, world, report).await;
    report.note("it puts together a line that comes in pieces, and takes ids that are texts", pieces);
    let garbage = takes(&GARBAGE, spec, world, report).await;
    report.note("it goes on after lines that are no messages, or ends", garbage);
    let long = format!("{}\n", "x".repeat(MAX_LINE_BYTES));
    let long = takes(&[&long], spec, world, report).await;
    report.note("it goes on after a line that is too long, or ends", long);
    let half = ends_in_a_line(spec, world, report).await;
    report.note("it ends when its input is closed within a line", half);
}

async fn greeted(spec: &Spec, world: &World) -> Result<Life, String> {
    let life = Life::begin(spec, world).await?;
    greeting::hello(&life.body, spec, &world.places).await.map_err(|bad| bad.why)?;
    Ok(life)
}

async fn in_pieces(spec: &Spec, world: &World, report: &mut Report) -> Result<(), String> {
    let life = greeted(spec, world).await?;
    for piece in PIECES {
        life.body.peer.say(piece.to_owned()).await;
        tokio::time::sleep(BETWEEN).await;
    }
    // nobody here asks under such an id: so the answer counts as one that was not asked for
    let answered = until(CALL_TIME, || life.strays() > 0).await;
    life.end(report).await;
    if answered { Ok(()) } else { Err(format!("no answer within {CALL_TIME:?}")) }
}

async fn takes(lines: &[&str], spec: &Spec, world: &World, report: &mut Report) -> Result<(), String> {
    let life = greeted(spec, world).await?;
    for line in lines {
        life.body.peer.say((*line).to_owned()).await;
    }
    let result = goes_on_or_ends(&life).await;
    life.end(report).await;
    result
}

async fn goes_on_or_ends(life: &Life) -> Result<(), String> {
    let asked = life.body.peer.ask_raw(UNKNOWN, &json!({}), Terms::within(CALL_TIME)).await;
    match asked {
        Ok(_) | Err(Unanswered::Fault(_)) => Ok(()),
        Err(Unanswered::Gone(_)) => match tokio::time::timeout(STOP_TIME, life.body.ended()).await {
            Ok(end) if end.why.contains("killed") => Err(end.why),
            Ok(_) => Ok(()),
            Err(_) => Err("it does not read any more, and does not end".to_owned()),
        },
        Err(why) => Err(format!("what it was asked afterwards: {why}")),
    }
}

async fn ends_in_a_line(spec: &Spec, world: &World, report: &mut Report) -> Result<(), String> {
    let life = greeted(spec, world).await?;
    life.body.peer.say(PIECES[0].to_owned()).await;
    ended_by_itself(life.end(report).await)
}
