//! How much memory a process fills, as the kernel counts it.
//!
//! The limit of a plugin's memory is kept by the kernel: what a process may allocate for itself (`RLIMIT_DATA`), and no
//! memory that is shared without a name (`sandbox`). That limit is of each process: what is left, such as files in
//! memory, and what a plugin's processes fill together, is looked for here when the plugin is asked how it is. All
//! plugins share one look at who belongs to whom.

use std::collections::HashMap;
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What counts against a plugin: its own memory, what it shares in memory, and what of it was swapped out.
const COUNTED: [&str; 3] = ["RssAnon:", "RssShmem:", "VmSwap:"];
/// The same of one of several processes, in which what they have in common counts once.
const SHARED_OUT: [&str; 3] = ["Pss_Anon:", "Pss_Shmem:", "SwapPss:"];
/// How long a look at all processes goes for.
const GOES_FOR: Duration = Duration::from_secs(10);
/// Who is ended first when the machine has no memory left: plugins, rather than the hub or others.
const FIRST: &str = "1000";

/// The members of process groups beside the first.
type Groups = HashMap<u32, Vec<u32>>;

/// Bytes that the processes of a group fill together; `None`: the kernel does not say, or its first one is gone.
pub(crate) fn filled(group: u32) -> Option<u64> {
    let alone = counted(&format!("/proc/{group}/status"), &COUNTED)?;
    let others = others(group);
    if others.is_empty() {
        return Some(alone);
    }
    Some(together(group, &others).max(alone))
}

/// Bytes that several processes fill. One that has ended meanwhile fills nothing.
fn together(first: u32, others: &[u32]) -> u64 {
    let all = std::iter::once(&first).chain(others);
    all.filter_map(|pid| counted(&format!("/proc/{pid}/smaps_rollup"), &SHARED_OUT)).sum()
}

fn counted(path: &str, names: &[&str]) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let kib = |line: &str| {
        let name = names.iter().find(|name| line.starts_with(**name))?;
        line.strip_prefix(name)?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    Some(text.lines().filter_map(kib).sum::<u64>() * 1024)
}

/// The other processes of a group, as they were a moment ago.
fn others(group: u32) -> Vec<u32> {
    static LAST: Mutex<Option<(Instant, Groups)>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, groups) = match last.take() {
        Some(fresh) if fresh.0.elapsed() < GOES_FOR => last.insert(fresh),
        _ => last.insert((Instant::now(), groups())),
    };
    groups.get(&group).cloned().unwrap_or_default()
}

/// All processes of the machine that belong to the group of another, by that.
fn groups() -> Groups {
    let mut groups = Groups::new();
    let all = fs::read_dir("/proc").into_iter().flatten();
    for pid in all.filter_map(|it| it.ok()?.file_name().to_str()?.parse::<u32>().ok()) {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // a name may have spaces and brackets in it
        let after = stat.rsplit_once(") ").map(|(_, after)| after);
        let group = after.and_then(|after| after.split(' ').nth(2)?.parse::<u32>().ok());
        if let Some(group) = group.filter(|group| *group != pid) {
            groups.entry(group).or_default().push(pid);
        }
    }
    groups
}

/// Has the kernel end a process before others when there is no memory left.
pub(crate) fn expendable(pid: u32) {
    // where it does not let us, it goes by size alone
    let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), FIRST);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    #[test]
    fn what_the_processes_of_a_group_fill_counts_together_and_what_they_share_once() {
        // the child has what the parent filled, and as much of its own; it outlives its parent's care
        let program = "import os, sys\n\
            held = bytearray(b'x' * (48 << 20))\n\
            if os.fork() == 0:\n    own = bytearray(b'y' * (48 << 20))\n    \
            sys.stdout.write('!'); sys.stdout.flush(); sys.stdin.read()\n    os._exit(0)\n\
            sys.stdin.read()";
        let mut command = Command::new("python3");
        command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        // what others looked at may be older than this child
        let members = groups().remove(&child.id()).unwrap_or_default();
        let together = together(child.id(), &members);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(members.len(), 1);
        assert!((96 << 20..140 << 20).contains(&together), "{together}");
    }

    #[test]
    fn memory_that_is_shared_counts_as_well() {
        let program = "import mmap, os, sys\n\
            file = os.memfd_create('x'); os.ftruncate(file, 48 << 20)\n\
            held = mmap.mmap(file, 48 << 20); held.write(b'x' * (48 << 20))\n\
            sys.stdout.write('!'); sys.stdout.flush(); sys.stdin.read()";
        let mut command = Command::new("python3");
        command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        expendable(child.id());
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let filled = filled(child.id()).unwrap();
        let first = fs::read_to_string(format!("/proc/{}/oom_score_adj", child.id())).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!((48 << 20..512 << 20).contains(&filled), "{filled}");
        assert_eq!(first.trim(), FIRST);
        assert_eq!(super::filled(u32::MAX), None);
    }
}
