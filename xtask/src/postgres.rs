//! A private PostgreSQL server in a temporary folder, for tests and benchmarks.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::keeper::Kept;
use crate::shell;

/// How long a fresh server may take until it listens.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// A running server; it is stopped and its folder removed when this is dropped, and when we die otherwise.
#[derive(Debug)]
pub struct Postgres {
    /// Where to reach it, as superuser: `postgres://…`.
    pub url: String,
    _kept: Kept,
}

/// Where `initdb` and `postgres` lie: Debian keeps them off the `PATH`.
pub fn find(program: &str) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .collect::<Vec<_>>()
        .iter()
        .map(|version| version.path().join("bin"))
        .collect();
    folders.sort();
    folders.reverse();
    folders.push("/usr/local/bin".into());
    shell::find(program, &folders)
}

impl Postgres {
    /// Makes a database cluster and starts a server on it. `settings` are added to ours, e.g. `fsync=on`.
    pub fn start(settings: &[&str]) -> Result<Postgres> {
        let initdb = find("initdb").context("there is no initdb: install PostgreSQL")?;
        let server = find("postgres").context("there is no postgres: install PostgreSQL")?;
        let folder = tempfile::Builder::new().prefix("nightbell-postgres-").tempdir()?.keep();
        // until the server runs, and its keeper with it, the folder is ours to remove
        let started = start_in(&folder, &initdb, &server, settings);
        if started.is_err() {
            let _ = std::fs::remove_dir_all(&folder);
        }
        started
    }
}

fn start_in(folder: &Path, initdb: &Path, server: &Path, settings: &[&str]) -> Result<Postgres> {
    let password = password()?;
    let password_file = folder.join("password");
    std::fs::write(&password_file, &password)?;
    let data = folder.join("data");
    let user = unprivileged_user()?;
    if let Some(user) = &user {
        shell::run(&mut shell::command("chown", ["-R", user, &text(folder)]))?;
    }
    let words = [
        text(initdb),
        "--no-sync".into(),
        "--encoding=UTF8".into(),
        "--locale=C".into(),
        "--username=postgres".into(),
        "--auth=scram-sha-256".into(),
        format!("--pwfile={}", text(&password_file)),
        "--pgdata".into(),
        text(&data),
    ];
    let words = as_user(user.as_deref(), &words);
    shell::output(shell::command(&words[0], &words[1..]).current_dir(folder))?;

    let port = free_port()?;
    // nothing here must survive a crash of the machine, so nothing waits for the disk
    let mut words = vec![text(server), "-D".to_owned(), text(&data), "-p".to_owned(), port.to_string()];
    let sockets = format!("unix_socket_directories={}", text(folder));
    let ours = [
        "listen_addresses=127.0.0.1",
        &sockets,
        "max_connections=400",
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
    ];
    for setting in ours.iter().chain(settings) {
        words.extend(["-c".to_owned(), (*setting).to_owned()]);
    }
    let log = folder.join("log");
    // SIGINT is PostgreSQL's fast shutdown: it does not wait for clients
    let kept = Kept::start(&as_user(user.as_deref(), &words), "INT", &log, Some(folder))?;
    wait_for(port, &kept, &log)?;
    let url = format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres");
    Ok(Postgres { url, _kept: kept })
}

/// Waits until the server takes connections.
#[expect(clippy::disallowed_methods, reason = "another process gives no bell to wait for")]
fn wait_for(port: u16, kept: &Kept, log: &Path) -> Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < START_DEADLINE && kept.runs() {
        let ready = std::fs::read_to_string(log).is_ok_and(|log| log.contains("ready to accept connections"));
        if ready && TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let log = std::fs::read_to_string(log).unwrap_or_default();
    bail!("PostgreSQL did not start: {}", log.lines().last().unwrap_or("it said nothing"));
}

/// Whom to run the server as when we are root, whom PostgreSQL refuses.
fn unprivileged_user() -> Result<Option<String>> {
    if shell::output(&mut shell::command("id", ["-u"]))?.trim() != "0" {
        return Ok(None);
    }
    let there = |user: &&str| shell::succeeds(&mut shell::command("id", [*user]));
    let user = ["postgres", "nobody"].into_iter().find(there);
    Ok(Some(
        user.context("PostgreSQL cannot run as root, and there is no user postgres or nobody")?.to_owned(),
    ))
}

/// The words that run a program as this user.
fn as_user(user: Option<&str>, words: &[String]) -> Vec<String> {
    let Some(user) = user else { return words.to_vec() };
    // setpriv becomes the program, while runuser stays as its parent and would get the signals
    let prefix: Vec<String> = if shell::find("setpriv", &[]).is_some() {
        vec![
            "setpriv".into(),
            format!("--reuid={user}"),
            format!("--regid={}", group_of(user)),
            "--clear-groups".into(),
        ]
    } else {
        vec!["runuser".into(), "-u".into(), user.into(), "--".into()]
    };
    prefix.into_iter().chain(words.iter().cloned()).collect()
}

fn group_of(user: &str) -> String {
    let group = shell::output(&mut shell::command("id", ["-g", user]));
    group.map_or_else(|_| user.to_owned(), |group| group.trim().to_owned())
}

/// A port that the system just gave out; taken by somebody else in between, the server says so.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Others on this machine can reach the port, and a superuser can run programs: so it has a password.
fn password() -> Result<String> {
    let mut bytes = [0u8; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_starts_and_leaves_nothing_behind() {
        let (Some(initdb), Some(server)) = (find("initdb"), find("postgres")) else {
            eprintln!("skipped: no PostgreSQL here");
            return;
        };
        let folder = tempfile::tempdir().unwrap().keep();
        let postgres = start_in(&folder, &initdb, &server, &["work_mem=8MB"]).unwrap();
        let (_, address) = postgres.url.rsplit_once('@').unwrap();
        let address = address.trim_end_matches("/postgres").to_owned();
        assert!(TcpStream::connect(&address).is_ok() && folder.is_dir());
        drop(postgres);
        assert!(TcpStream::connect(&address).is_err() && !folder.exists());
    }
}
