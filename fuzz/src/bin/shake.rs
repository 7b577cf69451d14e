//! `shake list` names the targets; `shake <target> [seconds] [seed]` changes the seeds of one at random for
//! some seconds and runs it, where there is no cargo-fuzz. It does not know which inputs find new ways through
//! the code, so it finds less.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// An input that takes longer than this counts as one that hangs.
const SLOW: Duration = Duration::from_secs(10);
/// Inputs do not grow much longer than this.
const MAX_BYTES: usize = 64 * 1024;
/// Bytes that often mean something.
const TELLING: &[u8] = b"\0\n\r\t \"'\\{}[]()<>,:;=!~|&#%*-+._/09aZ\x7f\x80\xc3\xed\xf0\xff";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|name| name == "list") {
        nightbell_fuzz::TARGETS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let number = |at: usize, default: u64| args.get(at).map_or(Ok(default), |text| text.parse());
    let name = args.first().map(String::as_str).unwrap_or_default();
    let (Some(target), Ok(seconds), Ok(seed)) = (nightbell_fuzz::target(name), number(1, 60), number(2, 1))
    else {
        let known: Vec<&str> = nightbell_fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: shake <target> [seconds] [seed]; the targets are {}", known.join(", "));
        return ExitCode::FAILURE;
    };
    let seeds = nightbell_fuzz::seeds(name);
    // Each input is written down before it is tried: some failures leave no time for that.
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts").join(name).join("last-input");
    let (tried, news) = channel();
    let shaker = Shaker { target, seeds, random: Random(seed), file: file.clone() };
    // a thread's stack has the size of those that the hub reads on
    let worker = std::thread::spawn(move || shaker.run(Duration::from_secs(seconds), &tried));
    let mut count = 0u64;
    let slow = loop {
        match news.recv_timeout(SLOW) {
            Ok(()) => count += 1,
            Err(error) => break error == RecvTimeoutError::Timeout,
        }
    };
    if slow {
        eprintln!("{name}: no end after {} s; the input is in {}", SLOW.as_secs(), file.display());
    } else if worker.join().is_err() {
        eprintln!("{name}: the input is in {}", file.display());
    } else {
        println!("{name}: {count} inputs in {seconds} s, seed {seed}");
        let _ = std::fs::remove_file(file);
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

struct Shaker {
    target: fn(&[u8]),
    seeds: Vec<(PathBuf, Vec<u8>)>,
    random: Random,
    file: PathBuf,
}

impl Shaker {
    fn run(mut self, span: Duration, tried: &Sender<()>) {
        std::fs::create_dir_all(self.file.parent().expect("it has a folder")).expect("making a folder");
        let begin = Instant::now();
        while begin.elapsed() < span {
            let mut input = self.any_seed().to_vec();
            for _ in 0..=self.random.below(8) {
                self.change(&mut input);
            }
            std::fs::write(&self.file, &input).expect("writing the input down");
            (self.target)(&input);
            let _ = tried.send(());
        }
    }

    fn any_seed(&mut self) -> &[u8] {
        match self.random.below(self.seeds.len() + 1) {
            0 => &[],
            n => &self.seeds[n - 1].1,
        }
    }

    /// One small change.
    fn change(&mut self, input: &mut Vec<u8>) {
        let start = self.random.below(input.len() + 1);
        let end = (start + self.random.below(16)).min(input.len());
        let byte = TELLING[self.random.below(TELLING.len())];
        match self.random.below(7) {
            0 => drop(input.splice(start..end, [])),
            1 => drop(input.splice(start..start, [byte])),
            2 if start < input.len() => input[start] = byte,
            3 if start < input.len() => input[start] ^= 1 << self.random.below(8),
            4 => {
                let part = input[start..end].to_vec();
                input.splice(start..start, part);
            }
            5 if input.len() < MAX_BYTES => {
                let part = input[start..end].repeat(1 << self.random.below(9));
                input.splice(start..end, part);
            }
            _ if input.len() < MAX_BYTES => {
                let from = self.random.below(usize::MAX);
                let length = self.random.below(64);
                let other = self.any_seed();
                let from = from % (other.len() + 1);
                let part = other[from..(from + length).min(other.len())].to_vec();
                input.splice(start..end, part);
            }
            _ => {}
        }
    }
}

/// SplitMix64: good enough to pick bytes, and the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}
