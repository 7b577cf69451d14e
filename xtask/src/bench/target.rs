//! A program under test: found or built, started on a port and a folder, watched, and killed.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use tokio::process::{Child, Command};

use super::http::Client;
use crate::shell;

/// The kernel counts processor time for programs in hundredths of a second, whatever its own clock does.
const MICROSECONDS_PER_TICK: u64 = 10_000;
/// Nightbell tells nobody in its own network and takes requests only with a token, unless it is allowed to.
const LOOPBACK: [(&str, &str); 2] =
    [("NIGHTBELL_OUTBOUND__ALLOW_PRIVATE", "true"), ("NIGHTBELL_SERVER__ALLOW_ANONYMOUS_LOOPBACK", "true")];
/// How long a program may take until it answers; it may have a large database to open.
const MAX_START: Duration = Duration::from_secs(60);
/// How long a program may go on working after the last answer.
const MAX_SETTLE: Duration = Duration::from_secs(30);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    /// Ours.
    Nightbell,
    /// The one it replaces where alerts are taken in.
    Alertmanager,
    /// The one it replaces where errors are.
    Bugsink,
}

impl Kind {
    /// Its name, for people.
    pub fn title(self) -> &'static str {
        match self {
            Kind::Nightbell => "Nightbell",
            Kind::Alertmanager => "Alertmanager",
            Kind::Bugsink => "Bugsink",
        }
    }

    /// Builds or finds its program, and installs it where that is possible.
    pub fn program(self) -> Result<PathBuf> {
        match self {
            Kind::Nightbell => shell::build_nightbell(true),
            Kind::Alertmanager => find_or_install_alertmanager(),
            Kind::Bugsink => bail!("Bugsink is measured where --bugsink says that it is installed"),
        }
    }
}

fn find_or_install_alertmanager() -> Result<PathBuf> {
    let find = || {
        let folders = [PathBuf::from("/usr/bin")];
        // the second is its name where it does not come from Debian
        ["prometheus-alertmanager", "alertmanager"].iter().find_map(|name| shell::find(name, &folders))
    };
    if let Some(program) = find() {
        return Ok(program);
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if field(&status, "Uid:") == Some(0) && shell::find("apt-get", &[]).is_some() {
        let package = ["install", "-y", "--no-install-recommends", "prometheus-alertmanager"];
        shell::run(Process::new("apt-get").args(package).stdout(Stdio::null()))?;
    }
    find().context("there is no prometheus-alertmanager to compare with: install that Debian package")
}

/// Routing, in the format that both read.
#[derive(Clone, Copy)]
pub struct Routing {
    /// Labels that make a group: `...` for each alert its own.
    pub group_by: &'static str,
    /// How long a new group waits for more.
    pub group_wait_seconds: u64,
    /// How long until a group is told of again when it has changed or failed.
    pub group_interval_seconds: u64,
    /// Whether there is much else in the file.
    pub is_full: bool,
}

/// A configuration file.
pub enum Configuration {
    /// In the format that both read.
    Alertmanager(String),
    /// In our own.
    Toml(String),
}

impl Routing {
    /// Each alert is its own notification, at once.
    pub const EACH_AT_ONCE: Routing =
        Routing { group_by: "...", group_wait_seconds: 0, group_interval_seconds: 300, is_full: false };
    /// All alerts wait in one group, so that only the taking in is measured.
    pub const ONE_GROUP_WAITS: Routing = Routing {
        group_by: "alertname",
        group_wait_seconds: 3600,
        group_interval_seconds: 3600,
        is_full: false,
    };
    /// The first among everything that such a file may have.
    pub const FULL: Routing = Routing { is_full: true, ..Routing::EACH_AT_ONCE };

    /// A configuration file with one receiver.
    pub fn file(self, receiver: SocketAddr) -> String {
        let mut text = String::new();
        let Routing { group_by, group_wait_seconds, group_interval_seconds, is_full } = self;
        let (around, routes) = if is_full { (full(), routes()) } else { Default::default() };
        // a template in the URL, which is filled in for each message
        let url = if is_full { "http://{receiver}/{{ .Status }}" } else { "http://{receiver}/hook" };
        let url = url.replace("{receiver}", &receiver.to_string());
        // writing to a string cannot fail
        let _ = write!(
            text,
            "{around}route:\n  receiver: sink\n  group_by: ['{group_by}']\n  group_wait: {group_wait_seconds}s\n  \
             group_interval: {group_interval_seconds}s\n  repeat_interval: 4h\n{routes}\
             receivers:\n- name: sink\n  webhook_configs:\n  - url: {url}\n    send_resolved: false\n"
        );
        if is_full {
            text.push_str(OTHERS);
        }
        text
    }
}

/// Routes and inhibitions in a full file.
const MANY: usize = 200;

/// Receivers that nothing is sent to here.
const OTHERS: &str = "- name: others\n  slack_configs:\n  - api_url: https://hooks.slack.com/services/a/b/c\n    \
    channel: '#ops'\n  pagerduty_configs:\n  - routing_key: 0123456789abcdef0123456789abcdef\n  \
    opsgenie_configs:\n  - api_key: key\n  pushover_configs:\n  - user_key: u\n    token: t\n  \
    telegram_configs:\n  - bot_token: 't:1'\n    chat_id: 1\n  discord_configs:\n  \
    - webhook_url: https://discord.com/api/webhooks/1/a\n  webex_configs:\n  - room_id: r\n    \
    http_config: {authorization: {credentials: c}}\n  msteams_configs:\n  \
    - webhook_url: https://example.webhook.office.com/x\n";

/// Time intervals and inhibitions of a full file.
fn full() -> String {
    let mut text = "global:\n  resolve_timeout: 1h\ntime_intervals:\n- name: nights\n  time_intervals:\n  \
        - times: [{start_time: '22:00', end_time: '24:00'}]\n    location: Europe/Berlin\ninhibit_rules:\n"
        .to_owned();
    for n in 0..MANY {
        // writing to a string cannot fail
        let _ = write!(
            text,
            "- source_matchers: ['alertname=\"Down{n}\"']\n  \
             target_matchers: ['team=\"t{n}\"', 'severity=~\"a|b\"']\n  equal: [instance]\n"
        );
    }
    text
}

/// Routes of a full file, none of which any alert takes.
fn routes() -> String {
    let mut text = "  routes:\n".to_owned();
    for n in 0..MANY {
        // writing to a string cannot fail
        let _ = write!(
            text,
            "  - receiver: others\n    matchers: ['team=\"t{n}\"', 'instance=~\"x.*\"']\n    \
             mute_time_intervals: [nights]\n"
        );
    }
    text
}

/// A running program; dropping it kills it.
pub struct Target {
    /// Where it takes requests.
    pub address: SocketAddr,
    child: Child,
    pid: u32,
}

/// What a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Processor time, user and system, of all its threads.
    pub cpu_microseconds: u64,
    /// Memory that is in use now.
    pub resident_kib: u64,
    /// The most it ever was.
    pub peak_resident_kib: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Usage) {
        self.cpu_microseconds += other.cpu_microseconds;
        self.resident_kib += other.resident_kib;
        self.peak_resident_kib += other.peak_resident_kib;
    }
}

impl Target {
    /// Starts a program that keeps its data in `data`, and waits until it answers.
    pub async fn start(
        kind: Kind,
        program: &Path,
        data: &Path,
        configuration: &Configuration,
    ) -> Result<Target> {
        let (config, flag, text) = match configuration {
            Configuration::Alertmanager(text) => (data.with_extension("yml"), "--alertmanager-config", text),
            Configuration::Toml(text) => (data.with_extension("toml"), "--config", text),
        };
        std::fs::write(&config, text).context("writing a configuration")?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(data.with_extension("log"));
        let log = log.context("opening a log")?;
        let address = free_address()?;
        let mut command = Command::new(program);
        match kind {
            Kind::Nightbell => {
                // the developer's own settings are not part of the comparison
                for (name, _) in std::env::vars_os() {
                    if name.to_str().is_some_and(|name| name.starts_with("NIGHTBELL_")) {
                        command.env_remove(name);
                    }
                }
                command.envs(LOOPBACK);
                command.arg("serve").arg(flag).arg(&config);
                command.args(["--listen", &address.to_string(), "--data"]).arg(data);
            }
            Kind::Alertmanager => {
                command.arg(format!("--config.file={}", config.display()));
                command.arg(format!("--storage.path={}", data.display()));
                command.arg(format!("--web.listen-address={address}")).arg("--cluster.listen-address=");
            }
            Kind::Bugsink => bail!("Bugsink is several programs, none of which takes alerts"),
        }
        command.stdin(Stdio::null()).stderr(log.try_clone()?).stdout(log).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("starting {}", kind.title()))?;
        let pid = child.id().context("a program ended at once")?;
        let mut target = Target { address, child, pid };
        target.wait_ready().await.with_context(|| {
            let log = std::fs::read_to_string(data.with_extension("log")).unwrap_or_default();
            let from = log.char_indices().rev().nth(1000).map_or(0, |(at, _)| at);
            format!("starting {}; it said: {}", kind.title(), log[from..].trim())
        })?;
        Ok(target)
    }

    /// There is no event to wait for in another's process: ask until it answers.
    async fn wait_ready(&mut self) -> Result<()> {
        let begin = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while begin.elapsed() < MAX_START {
            ticks.tick().await;
            if let Some(status) = self.child.try_wait().context("watching a program")? {
                bail!("it ended at once ({status})");
            }
            let Ok(mut client) = Client::connect(self.address).await else { continue };
            if client.get("/-/ready").await.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
        }
        bail!("it was not ready after {} s", MAX_START.as_secs())
    }

    /// What it has used since it was started.
    pub fn usage(&self) -> Result<Usage> {
        usage(self.pid)
    }

    /// Waits until it has nothing more to do, so that the work behind an answer counts too.
    ///
    /// There is no event for that: idle is less than 5 % of a processor for 200 ms.
    pub async fn settle(&self) -> Result<Usage> {
        let begin = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        ticks.tick().await;
        let mut before = self.usage()?;
        loop {
            ticks.tick().await;
            let usage = self.usage()?;
            let worked = usage.cpu_microseconds - before.cpu_microseconds;
            if worked <= MICROSECONDS_PER_TICK || begin.elapsed() > MAX_SETTLE {
                return Ok(usage);
            }
            before = usage;
        }
    }

    /// `kill -9`, and waits until it is gone.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("killing a program")
    }
}

/// What a process has used since it was started.
fn usage(pid: u32) -> Result<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    let ticks = cpu_ticks(&stat.context("reading a process's time")?)?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    let status = status.context("reading a process's memory")?;
    Ok(Usage {
        cpu_microseconds: ticks * MICROSECONDS_PER_TICK,
        resident_kib: field(&status, "VmRSS:").context("reading a process's memory")?,
        peak_resident_kib: field(&status, "VmHWM:").context("reading a process's memory")?,
    })
}

/// What a process and those that it has started have used; what they share counts for each.
pub fn usage_with_children(pid: u32) -> Result<Usage> {
    let mut all = usage(pid)?;
    for entry in std::fs::read_dir("/proc").context("looking for processes")? {
        let name = entry.context("looking for processes")?.file_name();
        let Some(child) = name.to_str().and_then(|it| it.parse::<u32>().ok()) else { continue };
        // it may have ended since it was seen
        let Ok(status) = std::fs::read_to_string(format!("/proc/{child}/status")) else { continue };
        if field(&status, "PPid:") != Some(u64::from(pid)) {
            continue;
        }
        all += usage(child)?;
    }
    Ok(all)
}

/// The memory that a process has in use, in KiB.
pub fn memory_of(pid: u64) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    field(&status.context("reading a process's memory")?, "VmRSS:").context("reading a process's memory")
}

/// An address that the system says is free. Somebody might take it before the program does: then the
/// program says so and the run fails.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    listener.local_addr().context("looking for a free port")
}

/// User and system time from `/proc/PID/stat`, in ticks.
pub fn cpu_ticks(stat: &str) -> Result<u64> {
    // the second field is the program's name in brackets, which may hold spaces and brackets
    let rest = stat.rsplit_once(')').context("reading a process's time")?.1;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next().and_then(|field| field.parse::<u64>().ok());
    next().zip(next()).map(|(user, system)| user + system).context("reading a process's time")
}

/// The first number after a name in `/proc/PID/status`.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_says() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 7 3 20 0 9 0 100 1 2";
        assert_eq!(cpu_ticks(stat).unwrap(), 300);
        assert_eq!(field("Name:\tx\nVmRSS:\t  1234 kB\n", "VmRSS:"), Some(1234));
        let own = std::fs::read_to_string("/proc/self/stat").unwrap();
        assert!(cpu_ticks(&own).is_ok());
    }

    #[test]
    fn the_receiver_is_part_of_the_routing() {
        let file = Routing::EACH_AT_ONCE.file("127.0.0.1:9".parse().unwrap());
        assert!(file.contains("group_by: ['...']\n  group_wait: 0s\n"), "{file}");
        assert!(file.contains("url: http://127.0.0.1:9/hook\n    send_resolved"), "{file}");
    }
}
