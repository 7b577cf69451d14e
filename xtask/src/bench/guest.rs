//! A plugin for the benchmark, in this very program: it is well, or fails in a way that it is told.

use std::io::{BufRead as _, Write as _};
use std::process::exit;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::{Value, json};

/// Lines that a flood has.
const FLOOD: usize = 2_000;
/// Bytes of a line that does not end, beyond what a line may have.
const ENDLESS: usize = 2 << 20;
/// Bytes that a leak takes at once.
const LEAK: usize = 16 << 20;

/// How a plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mood {
    /// Takes everything at once
    Well,
    /// Never answers a delivery
    Hangs,
    /// Dies of a delivery
    Crashes,
    /// Ends at once
    Ends,
    /// Answers its start with an error
    Refuses,
    /// Writes what is no message
    Garbage,
    /// Floods its log
    Floods,
    /// Answers what nobody asked
    Strangers,
    /// Reads nothing any more
    Deaf,
    /// Writes a line without an end
    Endless,
    /// Takes memory until there is none
    Leaks,
    /// Does all of this in turn, something else at each delivery
    All,
}

impl Mood {
    /// All ways to fail that one delivery or start can bring about.
    pub const FAILING: [Mood; 10] = [
        Mood::Hangs,
        Mood::Crashes,
        Mood::Ends,
        Mood::Refuses,
        Mood::Garbage,
        Mood::Floods,
        Mood::Strangers,
        Mood::Deaf,
        Mood::Endless,
        Mood::Leaks,
    ];

    /// Its name, as on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// What the plugin is told on its command line.
#[derive(clap::Args)]
pub struct Args {
    /// How it is
    #[arg(value_enum)]
    mood: Mood,
}

/// Serves the host until it ends us.
pub fn run(args: &Args) -> Result<()> {
    if args.mood == Mood::Ends {
        exit(1);
    }
    let mut output = std::io::stdout().lock();
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let asked: Value = serde_json::from_str(&line.context("reading")?).context("reading a message")?;
        let (Some(id), Some(method)) = (asked.get("id"), asked["method"].as_str()) else { continue };
        let mood = match args.mood {
            // by chance enough: each life begins elsewhere
            Mood::All => Mood::FAILING[(number + std::process::id() as usize) % Mood::FAILING.len()],
            mood => mood,
        };
        if method == "start" && args.mood == Mood::Refuses {
            let error = json!({ "code": -32603, "message": "not today" });
            writeln!(output, "{}", json!({ "jsonrpc": "2.0", "id": id, "error": error }))?;
            continue;
        }
        if method == "deliver" && !fail(mood, &mut output)? {
            continue;
        }
        let result = match method {
            "hello" => json!({ "protocol": 1, "sdk": "bench", "provides": {} }),
            "deliver" => {
                let deliveries =
                    asked["params"]["deliveries"].as_array().map(Vec::as_slice).unwrap_or_default();
                let told = |it: &Value| json!({ "id": it["id"], "outcome": "delivered" });
                json!({ "outcomes": deliveries.iter().map(told).collect::<Vec<_>>() })
            }
            _ => json!({}),
        };
        writeln!(output, "{}", json!({ "jsonrpc": "2.0", "id": id, "result": result }))?;
        output.flush()?;
    }
    Ok(())
}

/// Fails, and says whether the delivery is answered all the same.
fn fail(mood: Mood, output: &mut impl std::io::Write) -> Result<bool> {
    match mood {
        Mood::Well | Mood::Ends | Mood::Refuses | Mood::All => return Ok(true),
        Mood::Hangs => {}
        Mood::Crashes => exit(3),
        Mood::Garbage => writeln!(output, "no message at all")?,
        Mood::Floods => {
            for n in 0..FLOOD {
                eprintln!("line {n} of a flood that nobody reads to its end");
            }
            return Ok(true);
        }
        Mood::Strangers => {
            writeln!(output, "{}", json!({ "jsonrpc": "2.0", "id": 987_654_321, "result": {} }))?;
        }
        Mood::Deaf => loop {
            std::thread::park();
        },
        Mood::Endless => output.write_all(&vec![b'x'; ENDLESS])?,
        Mood::Leaks => {
            let mut held = Vec::new();
            loop {
                held.push(vec![1_u8; LEAK]);
            }
        }
    }
    Ok(false)
}
