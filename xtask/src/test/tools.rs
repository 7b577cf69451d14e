//! The programs that the tests need beside cargo: named when missing, and installed where we may.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::{postgres, shell};

/// A program, and the package of Debian and its kin that it comes in.
struct Tool {
    program: &'static str,
    package: &'static str,
}

/// PostgreSQL, the foreign programs that must get along with us, what keeps processes in order, and
/// Python with what its examples speak to.
const TOOLS: &[Tool] = &[
    Tool { program: "initdb", package: "postgresql" },
    Tool { program: "postgres", package: "postgresql" },
    Tool { program: "prometheus", package: "prometheus" },
    Tool { program: "amtool", package: "prometheus-alertmanager" },
    Tool { program: "prometheus-alertmanager", package: "prometheus-alertmanager" },
    Tool { program: "curl", package: "curl" },
    Tool { program: "ps", package: "procps" },
    Tool { program: "python3", package: "python3" },
    Tool { program: "python3", package: "python3-venv" },
    Tool { program: "redis-server", package: "redis-server" },
    Tool { program: "rabbitmq-server", package: "rabbitmq-server" },
    Tool { program: "jq", package: "jq" },
];

/// Services that the packages above start when they are installed.
const SERVICES: &[&str] = &[
    "postgresql",
    "prometheus",
    "prometheus-node-exporter",
    "prometheus-alertmanager",
    "redis-server",
    "rabbitmq-server",
];

/// Makes sure that all is there.
pub fn provide() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    packages.dedup();
    let programs: Vec<&str> = missing.iter().map(|tool| tool.program).collect();
    let (programs, packages_text) = (programs.join(", "), packages.join(" "));
    let root = shell::output(&mut shell::command("id", ["-u"]))?.trim() == "0";
    if !root || shell::find("apt-get", &[]).is_none() {
        bail!(
            "missing for the tests: {programs}; on Debian: apt-get install --no-install-recommends {packages_text}"
        );
    }
    shell::timed(&format!("install {packages_text} (missing: {programs})"), || install(&packages))?;
    if let Some(tool) = self::missing().first() {
        bail!("{} is not there though package {} was installed", tool.program, tool.package);
    }
    Ok(())
}

fn missing() -> Vec<&'static Tool> {
    TOOLS.iter().filter(|tool| postgres::find(tool.program).is_none()).collect()
}

fn install(packages: &[&str]) -> Result<()> {
    let ran_before: Vec<&str> = SERVICES.iter().copied().filter(|service| is_active(service)).collect();
    shell::run(&mut apt(&["update", "--quiet=2"]))?;
    let words = ["install", "--yes", "--quiet=2", "--no-install-recommends"];
    shell::run(&mut apt(&[&words, packages].concat()))?;
    for service in SERVICES.iter().filter(|service| !ran_before.contains(service)) {
        stop(service);
    }
    Ok(())
}

/// In run level 1 the packages' scripts leave their services alone, where there is no systemd to say
/// otherwise.
fn apt(words: &[&str]) -> Command {
    let mut command = shell::command("apt-get", words);
    command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    command
}

fn under_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

fn is_active(service: &str) -> bool {
    if under_systemd() {
        return shell::succeeds(&mut shell::command("systemctl", ["is-active", "--quiet", service]));
    }
    has_script(service) && shell::succeeds(&mut shell::command("service", [service, "status"]))
}

/// Stops what a package started; it is no failure when there is nothing to stop.
fn stop(service: &str) {
    if under_systemd() {
        shell::succeeds(&mut shell::command("systemctl", ["disable", "--now", "--quiet", service]));
    } else if has_script(service) {
        shell::succeeds(&mut shell::command("service", [service, "stop"]));
    }
}

fn has_script(service: &str) -> bool {
    PathBuf::from("/etc/init.d").join(service).is_file()
}
