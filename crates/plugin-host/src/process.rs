//! One process of a plugin: its pipes, its group, and its end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use plugin_protocol::Frame;
use plugin_protocol::limits::{EXIT_MISCONFIGURED, MAX_GARBAGE_LINES, MAX_LINE_BYTES, MAX_UNREAD, STOP_TIME};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, watch};

use crate::body::{Around, Body, Ear, End, Mortal};
use crate::footprint;
use crate::journal::{Journal, Level};
use crate::lines::{self, Line};
use crate::peer::Peer;
use crate::sandbox::Sandbox;
use crate::starter;
use crate::users::User;

/// Bytes of one line of its standard error.
const MAX_ERROR_LINE: usize = 8 * 1024;
/// Bytes of waiting messages that are written at once.
const WRITE_AT_ONCE: usize = 64 * 1024;
/// Bytes of what a program says that is run to its end.
const MAX_SAID: u64 = 64 * 1024;
/// How long the last words may take once a process has ended: what it left behind may hold the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How long the log of one is not read that writes more than is kept of it.
const FLOOD_PAUSE: Duration = Duration::from_millis(500);

/// How long a process may live whose standard output is closed.
const CLOSED: Duration = Duration::from_secs(1);

/// What to start, and how.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its whole environment.
    pub env: BTreeMap<OsString, OsString>,
    /// The folder that it runs in.
    pub folder: PathBuf,
    /// What it is allowed.
    pub sandbox: Sandbox,
    /// The user that it runs as; none: that of the hub.
    pub user: Option<User>,
    /// Whether it is refused where the kernel cannot isolate it as it should be.
    pub require_isolation: bool,
}

/// A process that runs.
pub struct Process {
    group: Arc<Group>,
    ended: watch::Receiver<Option<End>>,
    close_input: tokio_util::sync::CancellationToken,
}

/// A process group that does not outlive this value.
struct Group {
    leader: Option<Pid>,
    over: AtomicBool,
}

impl Group {
    fn signal(&self, signal: Signal) {
        // once its leader has been waited for, the number may be another's
        if let Some(leader) = self.leader.filter(|_| !self.over.load(Ordering::Acquire)) {
            // that there is nobody left is what we want
            let _ = kill_process_group(leader, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

impl Process {
    /// Starts it. Its tasks run on `tasks` until it has ended.
    ///
    /// # Errors
    /// In words, when it cannot be started.
    pub async fn start(launch: Launch, around: Around) -> Result<Body, String> {
        let Around { journal, ear, tasks } = around;
        let log = journal.clone();
        let mut child = starter::start(move || spawn(&launch, &log)).await?;
        let pid = child.id();
        pid.into_iter().for_each(footprint::expendable);
        let leader = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let group = Arc::new(Group { leader, over: AtomicBool::new(false) });
        let (Some(input), Some(output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err("its pipes could not be opened".to_owned());
        };
        let (peer, unwritten) = Peer::new();
        let peer = Arc::new(peer);
        let (end, ended) = watch::channel(None);
        let close_input = tokio_util::sync::CancellationToken::new();
        let broken = Arc::new(Broken { group: group.clone(), why: std::sync::Mutex::default() });
        let closing = close_input.clone();
        tasks.spawn(write(input, unwritten, journal.clone(), broken.clone(), closing));
        let reading = read(output, peer.clone(), journal.clone(), ear, broken.clone());
        let listening = listen(errors, journal);
        let waited = peer.clone();
        let life = Lifetime { reading: Box::pin(reading), listening: Box::pin(listening), broken, waited };
        tasks.spawn(async move {
            // nobody may wait for it any more
            let _ = end.send(Some(life.whole(child).await));
        });
        Ok(Body::new(peer, pid, Process { group, ended, close_input }))
    }

    async fn has_ended(&self) -> End {
        let mut ended = self.ended.clone();
        let end = ended.wait_for(Option::is_some).await.ok().and_then(|end| end.clone());
        end.unwrap_or(End { why: "nobody knows".to_owned(), misconfigured: false })
    }
}

impl Mortal for Process {
    fn ended(&self) -> BoxFuture<'_, End> {
        self.has_ended().boxed()
    }

    /// Its input is closed, it is asked to end, and at last it is killed, with all that it started.
    fn end(&self) -> BoxFuture<'_, End> {
        let ending = async {
            self.close_input.cancel();
            if let Ok(end) = tokio::time::timeout(STOP_TIME / 5, self.ended()).await {
                return end;
            }
            self.group.signal(Signal::TERM);
            if let Ok(end) = tokio::time::timeout(STOP_TIME, self.ended()).await {
                return end;
            }
            self.kill().await
        };
        ending.boxed()
    }

    /// With all that it started.
    fn kill(&self) -> BoxFuture<'_, End> {
        self.group.signal(Signal::KILL);
        self.ended()
    }
}

/// Everything between the start of a process and its end.
struct Lifetime {
    reading: BoxFuture<'static, ()>,
    listening: BoxFuture<'static, ()>,
    broken: Arc<Broken>,
    waited: Arc<Peer>,
}

impl Lifetime {
    async fn whole(mut self, mut child: Child) -> End {
        let (mut deaf, mut silent) = (false, false);
        let mut until_killed = Box::pin(std::future::pending().boxed());
        let status = loop {
            tokio::select! {
                status = wait(&mut child, &self.broken.group) => break status,
                () = &mut self.reading, if !deaf => {
                    deaf = true;
                    until_killed = Box::pin(tokio::time::sleep(CLOSED).boxed());
                }
                () = &mut self.listening, if !silent => silent = true,
                () = &mut until_killed, if deaf => {
                    until_killed = Box::pin(std::future::pending().boxed());
                    self.broken.because("it was killed, since it closed its standard output");
                }
            }
        };
        let why = self.broken.why().unwrap_or_else(|| words(&status));
        self.waited.close(&why);
        let last_words = async {
            if !deaf {
                self.reading.await;
            }
            if !silent {
                self.listening.await;
            }
        };
        // what it left behind may keep the pipes open
        let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
        let misconfigured = status.as_ref().is_ok_and(|it| it.code() == Some(EXIT_MISCONFIGURED));
        End { why, misconfigured }
    }
}

/// Waits for a process, and kills what it leaves behind before its number can be another's.
async fn wait(child: &mut Child, group: &Group) -> std::io::Result<ExitStatus> {
    // a zombie keeps the number of its group: so it is killed while the leader is one
    let status = child.wait().await;
    if let Some(leader) = group.leader {
        let _ = kill_process_group(leader, Signal::KILL);
    }
    group.over.store(true, Ordering::Release);
    status
}

/// Why a plugin was killed, when it was for what it did on the wire.
struct Broken {
    group: Arc<Group>,
    why: std::sync::Mutex<Option<String>>,
}

impl Broken {
    fn because(&self, why: &str) {
        self.why.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(why.to_owned());
        self.group.signal(Signal::KILL);
    }

    fn why(&self) -> Option<String> {
        self.why.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

#[allow(unsafe_code, reason = "what is done between fork and exec is system calls only, see `sandbox`")]
fn spawn(launch: &Launch, journal: &Journal) -> Result<Child, String> {
    let ready = launch.sandbox.prepare()?;
    if !ready.missing.is_empty() {
        let missing = ready.missing.join("; ");
        if launch.require_isolation {
            return Err(format!("it is not started, since it cannot be isolated: {missing}"));
        }
        journal.note(&format!("not as isolated as it could be: {missing}"));
    }
    let mut command = Command::new(&launch.program);
    command.args(&launch.args).env_clear().envs(&launch.env).current_dir(&launch.folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    if let Some(user) = &launch.user {
        // groups of the hub's are left behind as well
        command.uid(user.uid).gid(user.gid);
    }
    // SAFETY: `enter` makes system calls only, and neither locks nor asks for memory
    unsafe { command.pre_exec(move || ready.enter()) };
    command.spawn().map_err(|error| why_not(launch, &error))
}

/// Runs a program to its end.
///
/// # Errors
/// In words, when it does not start, does not end well, or takes too long; then it is killed.
pub async fn run(launch: &Launch, journal: &Journal, limit: Duration) -> Result<(), String> {
    let mut child = spawn(launch, journal)?;
    let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
        return Err("its pipes could not be opened".to_owned());
    };
    let (mut ignored, mut said) = (Vec::new(), Vec::new());
    let (mut output, mut errors) = (output.take(MAX_SAID), errors.take(MAX_SAID));
    let ended = async {
        let read = (output.read_to_end(&mut ignored), errors.read_to_end(&mut said));
        let (status, ..) = tokio::join!(child.wait(), read.0, read.1);
        status
    };
    // dropping it kills it
    let status = tokio::time::timeout(limit, ended).await;
    let status = status.map_err(|_| format!("it was killed, since it took longer than {limit:?}"))?;
    if status.as_ref().is_ok_and(ExitStatus::success) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&said);
    let said = said.trim();
    Err(if said.is_empty() { words(&status) } else { format!("{}: {said}", words(&status)) })
}

/// Why a program did not start, in words that help.
fn why_not(launch: &Launch, error: &std::io::Error) -> String {
    let program = launch.program.display();
    match error.kind() {
        std::io::ErrorKind::NotFound if !launch.folder.is_dir() => {
            format!("its folder {} is not there", launch.folder.display())
        }
        std::io::ErrorKind::NotFound if launch.program.exists() => {
            format!("{program} is there, but the interpreter that its first line names is not")
        }
        std::io::ErrorKind::NotFound => format!("there is no program {program}"),
        std::io::ErrorKind::PermissionDenied => {
            format!("{program} may not be run: is it executable, and may this user reach it?")
        }
        _ if error.raw_os_error() == Some(8) => {
            format!("{program} is no program for this machine: another architecture, or no first line `#!…`")
        }
        _ => format!("{program} does not start: {error}"),
    }
}

fn words(status: &std::io::Result<ExitStatus>) -> String {
    let status = match status {
        Ok(status) => status,
        Err(error) => return format!("it cannot be waited for: {error}"),
    };
    match (status.code(), status.signal()) {
        (Some(0), _) => "it came to its end by itself".to_owned(),
        (Some(EXIT_MISCONFIGURED), _) => format!("exit status {EXIT_MISCONFIGURED}: it is misconfigured"),
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(9)) => "killed by signal 9 (KILL): by somebody, or for want of memory".to_owned(),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "nobody knows why".to_owned(),
    }
}

/// Writes what is to be said, as much at once as waits.
async fn write(
    mut input: ChildStdin,
    mut unwritten: mpsc::Receiver<String>,
    journal: Arc<Journal>,
    broken: Arc<Broken>,
    closing: tokio_util::sync::CancellationToken,
) {
    let mut together = String::new();
    loop {
        let first = tokio::select! {
            biased;
            line = unwritten.recv() => line,
            () = closing.cancelled() => None,
        };
        let Some(first) = first else { return };
        together.clear();
        together.push_str(&first);
        while together.len() < WRITE_AT_ONCE
            && let Ok(more) = unwritten.try_recv()
        {
            together.push_str(&more);
        }
        journal.said("host", together.as_bytes());
        match tokio::time::timeout(MAX_UNREAD, input.write_all(together.as_bytes())).await {
            Ok(Ok(())) => {}
            // it has ended; whoever waits for that will tell
            Ok(Err(_)) => return,
            Err(_) => return broken.because("it was killed, since it did not read what it was sent"),
        }
    }
}

/// Reads what it says.
async fn read(
    output: ChildStdout,
    peer: Arc<Peer>,
    journal: Arc<Journal>,
    ear: Arc<dyn Ear>,
    broken: Arc<Broken>,
) {
    let mut pipe = BufReader::with_capacity(WRITE_AT_ONCE, output);
    let (mut line, mut garbage) = (Vec::new(), 0);
    loop {
        match lines::next(&mut pipe, &mut line, MAX_LINE_BYTES).await {
            Ok(Line::Whole) if line.iter().all(u8::is_ascii_whitespace) => continue,
            Ok(Line::Whole) => {}
            Ok(Line::TooLong) => {
                let why = format!("it was killed, since it wrote a line of more than {MAX_LINE_BYTES} bytes");
                return broken.because(&why);
            }
            Ok(Line::End) | Err(_) => return,
        }
        journal.said("plugin", &line);
        match Frame::read(&line) {
            Ok(Frame::Answer { id, result }) => peer.answered(&id, result),
            Ok(Frame::Unread(fault)) => {
                journal.write(Level::Warning, &format!("it could not read what it was sent: {fault}"));
            }
            Ok(frame) => ear.clone().hear(&peer, frame),
            Err(error) => {
                garbage += 1;
                let head = String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned();
                journal.write(Level::Warning, &format!("on standard output, {error}: {head}"));
                if garbage >= MAX_GARBAGE_LINES {
                    let why = "it was killed, since it wrote what is no message to standard output";
                    return broken.because(why);
                }
            }
        }
    }
}

/// Its standard error is its log. While it writes more than is kept of it, it is read seldom and much at once, so that
/// the writing costs itself most.
async fn listen(errors: ChildStderr, journal: Arc<Journal>) {
    let mut line = Vec::new();
    let Ok(mut pipe) = errors.into_owned_fd().and_then(opened) else { return };
    while let Ok(Line::Whole | Line::TooLong) = lines::next(&mut pipe, &mut line, MAX_ERROR_LINE).await {
        journal.write(Level::Info, &String::from_utf8_lossy(&line));
        if pipe.buffer().is_empty() && journal.is_full() {
            // while the runtime watches it, each line that is written wakes a thread of the hub
            let unwatched = pipe.into_inner().into_nonblocking_fd();
            tokio::time::sleep(FLOOD_PAUSE).await;
            let Ok(again) = unwatched.and_then(opened) else { return };
            pipe = again;
        }
    }
}

fn opened(pipe: OwnedFd) -> std::io::Result<BufReader<Receiver>> {
    Ok(BufReader::with_capacity(WRITE_AT_ONCE, Receiver::from_owned_fd(pipe)?))
}
