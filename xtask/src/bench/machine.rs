//! The machine on which the figures were taken, as far as they depend on it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::figures::{milliseconds, quantile};
use super::target::cpu_ticks;

/// Writes that are timed.
const WRITES: usize = 300;
/// Bytes of each: two pages of a database.
const WRITE_BYTES: usize = 8 << 10;
/// Bytes of the file that is overwritten, so that no write makes it grow.
const FILE_BYTES: usize = 1 << 20;

/// What a reader needs to know to compare.
#[derive(Debug)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// How many of it the system has.
    pub cores: usize,
    /// Memory, rounded up to the GiB.
    pub memory_gib: u64,
    /// The kernel's version.
    pub kernel: String,
    /// An overwrite of 8 KiB until it is on the disk: the middle one of 300, in milliseconds.
    pub fdatasync_milliseconds: f64,
}

impl Machine {
    /// Looks around; `room` lies on the disk that is measured.
    pub fn look(room: &Path) -> Result<Machine> {
        let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let processor = value(&processors, "model name").unwrap_or("unknown");
        let memory_kib =
            value(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        let version = kernel.split(['-', '+']).next().unwrap_or_default().trim();
        Ok(Machine {
            processor: processor.to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: memory_kib.unwrap_or(0).div_ceil(1 << 20),
            kernel: version.to_owned(),
            fdatasync_milliseconds: milliseconds(fdatasync(room).context("measuring the disk")?),
        })
    }
}

/// What stands behind a name and a colon.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

/// How long an overwrite takes until it is on the disk, at the median.
fn fdatasync(room: &Path) -> Result<Duration> {
    let file: File = tempfile::tempfile_in(room)?;
    file.write_all_at(&vec![1; FILE_BYTES], 0)?;
    file.sync_all()?;
    let bytes = [2; WRITE_BYTES];
    let mut times = Vec::with_capacity(WRITES);
    for write in 0..WRITES {
        let begin = Instant::now();
        file.write_all_at(&bytes, ((write * WRITE_BYTES) % FILE_BYTES) as u64)?;
        file.sync_data()?;
        times.push(begin.elapsed());
    }
    Ok(quantile(&mut times, 0.5))
}

/// Processor time that others used, to tell a quiet machine from a busy one.
pub struct Others {
    all: u64,
    ours: u64,
    begin: Instant,
}

impl Others {
    /// Begins to watch.
    pub fn watch() -> Result<Others> {
        Ok(Others { all: all_ticks()?, ours: our_ticks()?, begin: Instant::now() })
    }

    /// The share of all processors that others have used since, from 0 to 1. No child may be running: its
    /// time is known only when it has ended.
    pub fn share(&self, cores: usize) -> Result<f64> {
        let all = all_ticks()?.saturating_sub(self.all);
        let ours = our_ticks()?.saturating_sub(self.ours);
        let possible = self.begin.elapsed().as_secs_f64() * 100.0 * cores.max(1) as f64;
        Ok(all.saturating_sub(ours) as f64 / possible)
    }
}

/// Ticks in which any processor was not idle.
fn all_ticks() -> Result<u64> {
    let stat = std::fs::read_to_string("/proc/stat").context("reading the system's time")?;
    let line = stat.lines().next().context("reading the system's time")?;
    let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq; what follows counts twice or belongs to other systems
    Ok(ticks
        .iter()
        .enumerate()
        .filter(|(at, _)| *at < 7 && *at != 3 && *at != 4)
        .map(|(_, ticks)| ticks)
        .sum())
}

/// Ticks of this process and of its children that have ended.
fn our_ticks() -> Result<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("reading our time")?;
    let own = cpu_ticks(&stat)?;
    let rest = stat.rsplit_once(')').context("reading our time")?.1;
    let of_children: u64 =
        rest.split_whitespace().skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(own + of_children)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_around() {
        let machine = Machine::look(&std::env::temp_dir()).unwrap();
        assert!(machine.cores > 0 && !machine.kernel.is_empty(), "{machine:?}");
        let others = Others::watch().unwrap();
        assert!(others.share(machine.cores).unwrap() >= 0.0);
    }
}
