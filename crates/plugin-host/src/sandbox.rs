//! What keeps a plugin's process from doing harm: limits, privileges, files, ports and system calls.
//!
//! Everything that needs memory is made ready in the hub ([`Sandbox::prepare`]); between fork and exec only system
//! calls are
//! made ([`Ready::enter`]), since a fork of a program with threads may do no more.

use std::io;
use std::path::PathBuf;

use rustix::process::{Resource, Rlimit, Signal, setrlimit};

/// Bytes that a file of a plugin may have.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// Bytes of addresses that a plugin may reserve beside the memory that it may fill. Go and V8 take 700 MiB for later,
/// and V8 another 10 GiB for each memory of WebAssembly, such as that of the HTTP client of node.
const MAX_RESERVED_BYTES: u64 = 32 * 1024 * 1024 * 1024;

/// How much nicer than the hub a plugin is: where both want a processor, the hub has nine times as much of it, and who
/// wakes in it need not wait until a plugin has had its turn.
const NICER: i32 = 10;

/// What a plugin is allowed.
#[derive(Clone, Debug, Default)]
pub struct Sandbox {
    /// Bytes of memory that it may fill; none: any.
    pub memory: Option<u64>,
    /// Open files.
    pub files: u64,
    /// Processes of its user; none: any.
    pub processes: Option<u64>,
    /// Files and folders that it may read and run.
    pub read: Vec<PathBuf>,
    /// Files and folders that it may change as well.
    pub write: Vec<PathBuf>,
    /// TCP ports that it may connect to; none: all.
    pub ports: Option<Vec<u16>>,
    /// Whether it may have sockets that it has not been given.
    pub sockets: bool,
}

/// What is to be done in the child.
pub struct Ready {
    limits: Vec<(Resource, u64)>,
    #[cfg(target_os = "linux")]
    linux: linux::Ready,
    /// What the kernel does not offer, in words.
    pub missing: Vec<String>,
}

impl Sandbox {
    /// Makes everything ready that can fail or needs memory.
    ///
    /// # Errors
    /// When a rule cannot be made that the kernel has: then nothing is started, rather than something without rules.
    pub fn prepare(&self) -> Result<Ready, String> {
        let mut limits =
            vec![(Resource::Core, 0), (Resource::Fsize, MAX_FILE_BYTES), (Resource::Nofile, self.files)];
        if let Some(bytes) = self.memory {
            let addresses = bytes.saturating_add(MAX_RESERVED_BYTES);
            limits.extend([(Resource::Data, bytes), (Resource::As, addresses)]);
        }
        limits.extend(self.processes.map(|number| (Resource::Nproc, number)));
        #[cfg(target_os = "linux")]
        {
            let mut missing = Vec::new();
            let linux = linux::Ready::prepare(self, &mut missing)?;
            Ok(Ready { limits, linux, missing })
        }
        #[cfg(not(target_os = "linux"))]
        {
            let missing = vec!["rules for files, ports and system calls need Linux".to_owned()];
            Ok(Ready { limits, missing })
        }
    }
}

/// Whether a process can be kept from having sockets here.
pub fn holds_sockets() -> bool {
    #[cfg(target_os = "linux")]
    {
        linux::refuses_calls()
    }
    #[cfg(not(target_os = "linux"))]
    {
        false
    }
}

impl Ready {
    /// Enters it: in the child, between fork and exec. Makes system calls and nothing else.
    ///
    /// # Errors
    /// When one of them is refused; then the program is not started.
    pub fn enter(&self) -> io::Result<()> {
        for (resource, most) in &self.limits {
            let have = rustix::process::getrlimit(*resource);
            // nobody may be given more than the hub itself has
            let most = have.maximum.map_or(*most, |maximum| maximum.min(*most));
            setrlimit(*resource, Rlimit { current: Some(most), maximum: Some(most) })?;
        }
        // where even that is refused, plugins run as they did before
        let _ = rustix::process::nice(NICER);
        #[cfg(target_os = "linux")]
        self.linux.enter()?;
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::io;
    use std::os::fd::{AsRawFd as _, OwnedFd};

    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, NetPort, PathBeneath, PathFd,
        Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, Scope,
    };
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule,
    };

    use super::{NICER, Sandbox, Signal};

    /// The newest rules of Landlock that are asked for. Older kernels are asked for what they know.
    const RULES: ABI = ABI::V6;

    /// As nice as a process can be.
    const NICEST: i32 = 19;

    /// Pastes into a console; libc has no name for it.
    const TIOCLINUX: u64 = 0x541c;

    pub struct Ready {
        rules: Option<OwnedFd>,
        calls: Option<BpfProgram>,
    }

    impl Ready {
        pub fn prepare(sandbox: &Sandbox, missing: &mut Vec<String>) -> Result<Self, String> {
            let version = version();
            let lacks = [
                (version < 1, "no rules for files (Landlock, Linux 5.13)"),
                (version < 4 && sandbox.ports.is_some(), "no rules for ports (Landlock 4, Linux 6.7)"),
                (version < 6, "no rules for signals to others (Landlock 6, Linux 6.12)"),
            ];
            let lacks = lacks.into_iter().filter(|(lacks, _)| *lacks).map(|(_, what)| what.to_owned());
            missing.extend(lacks);
            let rules = match version {
                ..1 => None,
                _ => rules(sandbox).map_err(|error| format!("its rules for files and ports: {error}"))?,
            };
            let calls = filter(sandbox);
            if calls.is_none() {
                missing.push("no rules for system calls on this machine".to_owned());
            }
            Ok(Ready { rules, calls })
        }

        pub fn enter(&self) -> io::Result<()> {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            rustix::thread::set_no_new_privs(true)?;
            if let Some(rules) = &self.rules {
                restrict_self(rules)?;
            }
            if let Some(calls) = &self.calls {
                seccompiler::apply_filter(calls).map_err(|_| io::Error::last_os_error())?;
            }
            Ok(())
        }
    }

    #[allow(
        unsafe_code,
        reason = "the crate's own way takes what is made ready by value, which needs memory in the child"
    )]
    fn restrict_self(rules: &OwnedFd) -> io::Result<()> {
        // SAFETY: a system call with an open descriptor and no memory
        let done = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Which version of Landlock the kernel has; 0 or less: none.
    #[allow(unsafe_code, reason = "the crate keeps what it finds out to itself")]
    fn version() -> i64 {
        const ASK_VERSION: u32 = 1;
        // SAFETY: a system call that takes no memory
        unsafe {
            libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, ASK_VERSION)
        }
    }

    fn rules(sandbox: &Sandbox) -> Result<Option<OwnedFd>, RulesetError> {
        let read = AccessFs::from_read(RULES);
        let all = AccessFs::from_all(RULES);
        let ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(all)?;
        let mut ruleset = ruleset.scope(Scope::Signal | Scope::AbstractUnixSocket)?;
        if sandbox.ports.is_some() {
            ruleset = ruleset.handle_access(AccessNet::ConnectTcp | AccessNet::BindTcp)?;
        }
        let mut created = ruleset.create()?;
        for (paths, access) in [(&sandbox.read, read), (&sandbox.write, all)] {
            for path in paths {
                // what is not there needs no rule
                let Ok(opened) = PathFd::new(path) else { continue };
                let access = if path.is_dir() { access } else { access & AccessFs::from_file(RULES) };
                created = created.add_rule(PathBeneath::new(opened, access))?;
            }
        }
        for port in sandbox.ports.iter().flatten() {
            created = created.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
        Ok(created.into())
    }

    /// Whether system calls can be refused on this machine.
    pub fn refuses_calls() -> bool {
        filter(&Sandbox::default()).is_some()
    }

    /// System calls that no plugin needs, and that have been ways out of a sandbox before.
    fn filter(sandbox: &Sandbox) -> Option<BpfProgram> {
        let denied = [
            libc::SYS_ptrace,
            // out of the process group, to outlive it
            libc::SYS_setsid,
            libc::SYS_setpgid,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_chroot,
            libc::SYS_setns,
            libc::SYS_unshare,
            libc::SYS_bpf,
            libc::SYS_perf_event_open,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_delete_module,
            libc::SYS_kexec_load,
            libc::SYS_reboot,
            libc::SYS_swapon,
            libc::SYS_swapoff,
            libc::SYS_keyctl,
            libc::SYS_add_key,
            libc::SYS_request_key,
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_register,
            libc::SYS_userfaultfd,
            // memory that no limit of a process counts
            libc::SYS_shmget,
            libc::SYS_memfd_create,
            libc::SYS_acct,
            libc::SYS_settimeofday,
            libc::SYS_clock_settime,
            libc::SYS_sethostname,
            // before all others at the processors, which root may
            libc::SYS_sched_setscheduler,
            libc::SYS_sched_setparam,
            libc::SYS_sched_setattr,
        ];
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
            denied.into_iter().map(|call| (call, Vec::new())).collect();
        if !sandbox.sockets {
            rules.insert(libc::SYS_socket, Vec::new());
        }
        // typing into the terminal of whoever started us
        let types = |request: u64| {
            let is_it = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, request).ok()?;
            SeccompRule::new(vec![is_it]).ok()
        };
        rules.insert(libc::SYS_ioctl, vec![types(libc::TIOCSTI)?, types(TIOCLINUX)?]);
        // to be less nice than it was made, or even less than the hub; nicer it may be
        let sets = |how: SeccompCmpOp, priority: i32| {
            let is_it = SeccompCondition::new(2, SeccompCmpArgLen::Dword, how, priority as u64).ok()?;
            SeccompRule::new(vec![is_it]).ok()
        };
        // below zero is beyond all of them, seen as a number without a sign
        let less = vec![sets(SeccompCmpOp::Lt, NICER)?, sets(SeccompCmpOp::Gt, NICEST)?];
        rules.insert(libc::SYS_setpriority, less);
        // the same without a name: it is shared with children alone, and files do that as well
        let kind = (libc::MAP_TYPE | libc::MAP_ANONYMOUS) as u64;
        let shared = (libc::MAP_SHARED | libc::MAP_ANONYMOUS) as u64;
        let mapped = SeccompCmpOp::MaskedEq(kind);
        let is_shared = SeccompCondition::new(3, SeccompCmpArgLen::Dword, mapped, shared).ok()?;
        rules.insert(libc::SYS_mmap, vec![SeccompRule::new(vec![is_shared]).ok()?]);
        let refuse = SeccompAction::Errno(libc::EPERM as u32);
        let arch = std::env::consts::ARCH.try_into().ok()?;
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).ok()?;
        filter.try_into().ok()
    }
}
