//! `cargo xtask demo`: a hub with a story, and then yours to play with.

mod client;
mod http;
mod hub;
mod receivers;
mod show;
mod story;

use std::time::Duration;

use anyhow::{Result, bail};

use crate::shell;
use hub::Hub;
use receivers::Receivers;
use show::Show;
use story::Stage;

/// Time to read after each chapter, when somebody does.
const READING_TIME: Duration = Duration::from_secs(8);

/// A hub with a short story, and then yours to play with.
#[derive(clap::Args)]
pub struct Args {
    /// End after the story, without time to read: fails when a promise was broken
    #[arg(long)]
    once: bool,
    /// Use the optimised build
    #[arg(long)]
    release: bool,
    /// Where the hub listens, on the loopback address
    #[arg(long, default_value_t = 8440)]
    port: u16,
}

/// Tells the story.
pub fn run(args: &Args) -> Result<()> {
    let binary = shell::timed("build nightbell", || shell::build_nightbell(args.release))?;
    let receivers = Receivers::open()?;
    let hub = Hub::start(binary, args.port, receivers.address)?;
    let show = Show::new(if args.once { Duration::ZERO } else { READING_TIME });
    show.says(&format!("The hub listens on http://127.0.0.1:{}; its receivers ops, db and web", args.port));
    show.says(&format!(
        "on http://{}. A line «db ◀ …» is what a receiver heard and answered.",
        receivers.address
    ));
    let mut stage = Stage { hub, receivers, show };
    story::tell(&mut stage)?;
    let (_, broken) = stage.show.sum();
    if !args.once {
        play(&stage, args.port);
    }
    if broken > 0 {
        bail!("{broken} promises were broken");
    }
    Ok(())
}

/// Leaves the stage to the visitor, and shows what the receivers hear, until Ctrl-C or until the hub ends.
fn play(stage: &Stage, port: u16) {
    let url = format!("http://127.0.0.1:{port}");
    println!(
        "\nThe hub stays up until Ctrl-C; what its receivers hear is shown here. To try in another terminal:\n"
    );
    let labels = r#""labels":{"alertname":"Hello","team":"db"},"annotations":{"summary":"It works"}"#;
    let json = "-H 'Content-Type: application/json'";
    stage.show.hint(&format!("curl {json} -d '[{{{labels}}}]' {url}/api/v2/alerts"), "something happened");
    stage.show.hint(&format!("curl '{url}/api/v1/incidents?search=Hello'"), "what became of it");
    stage.show.hint(&format!("curl {url}/api/v1/explain/ID"), "why, by an incident's id");
    stage.show.hint(&format!("curl '{url}/api/v1/deliveries?state=delivered'"), "who was told");
    stage.show.hint(&format!("amtool --alertmanager.url={url} alert"), "Alertmanager's own client");
    stage.show.hint(&format!("tail -f {}/log", stage.hub.folder().display()), "what the hub writes");
    println!();
    let mut seen = stage.receivers.count();
    while stage.hub.runs() {
        let next = stage.receivers.wait(seen, Duration::from_secs(1), |heard| heard.first().cloned());
        if let Some(heard) = next {
            stage.show.heard(&heard);
            seen += 1;
        }
    }
    println!("The hub has ended.");
}
