//! How much memory a process fills, as the kernel counts it.
//!
//! The limit of a plugin's memory is kept by the kernel: what a process may allocate for itself (`RLIMIT_DATA`), and no
//! memory that is shared without a name (`sandbox`). What is left, such as files in memory, is looked for here when
//! the plugin is asked how it is, which costs an idle one nothing.

use std::fs;

/// What counts against a plugin: its own memory, what it shares in memory, and what of it was swapped out.
const COUNTED: [&str; 3] = ["RssAnon:", "RssShmem:", "VmSwap:"];
/// Who is ended first when the machine has no memory left: plugins, rather than the hub or others.
const FIRST: &str = "1000";

/// Bytes that a process fills; `None`: the kernel does not say, or it is gone.
pub(crate) fn filled(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = |line: &str| {
        let name = COUNTED.iter().find(|name| line.starts_with(**name))?;
        line.strip_prefix(name)?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    Some(status.lines().filter_map(kib).sum::<u64>() * 1024)
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
