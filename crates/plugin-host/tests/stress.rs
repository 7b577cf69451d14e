//! What a plugin may do wrong, and what becomes of it: its own deliveries wait, and that is all.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use model::delivery::{Fault, Outcome};
use plugin_host::State;
use serde_json::{Value, json};
use support::{Stage, lives, manifest, put};

fn retry_says(outcome: &Outcome, words: &str) -> bool {
    matches!(outcome, Outcome::Retry { reason, .. } if reason.contains(words))
}

fn waits(words: &str) -> impl Fn(&State) -> bool + '_ {
    move |state| matches!(state, State::Waiting { why } if why.contains(words))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_is_told_it_tells_and_outcomes_are_what_they_mean() {
    let stage = Stage::with(&[]).await;
    assert_eq!(stage.receipt("hello").await, "ok hello");
    assert!(matches!(stage.tell("reject").await.outcome, Outcome::Rejected { .. }));
    let after = Some(Duration::from_millis(1500));
    let pace = stage.tell("pace").await.outcome;
    assert!(matches!(pace, Outcome::Retry { after: it, fault: Fault::Pace, .. } if it == after));
    assert!(retry_says(&stage.tell("silent").await.outcome, "says nothing of this delivery"));
    let status = stage.host.list().remove(0);
    assert_eq!((status.destinations.as_slice(), status.starts), (&["stress".to_owned()][..], 1));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_killed_gives_its_deliveries_back_at_once_and_is_started_again() {
    let stage = Stage::with(&[]).await;
    stage.ready().await;
    let (pid, place, context) = (stage.pid(), stage.place(), support::context(Duration::from_secs(60)));
    let message = support::message("hang");
    let (answer, took) = tokio::join!(place.send(&context, &message), async {
        // it has the delivery when it answers another
        assert_eq!(stage.receipt("hello").await, "ok hello");
        let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        Instant::now()
    });
    assert!(took.elapsed() < Duration::from_secs(2), "{:?}", took.elapsed());
    assert!(retry_says(&answer.outcome, "killed by signal 9"), "{answer:?}");
    stage.until("waiting", waits("killed by signal 9")).await;
    stage.ready().await;
    assert_ne!(stage.pid(), pid);
    assert_eq!(stage.receipt("again").await, "ok again");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_removed_and_comes_back_at_once_never_runs_twice() {
    let mut stage = Stage::with(&["slow-end"]).await;
    stage.ready().await;
    let pid = stage.pid();
    let active = std::mem::take(&mut stage.wanted.active);
    stage.apply(json!(null)).await.unwrap();
    stage.wanted.active = active;
    stage.apply(json!(null)).await.unwrap();
    assert!(lives(pid), "it is still about to end");
    stage.ready().await;
    assert!(!lives(pid) && stage.pid() != pid);
    assert_eq!(stage.receipt("hello").await, "ok hello");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_without_work_is_stopped_and_started_when_there_is_some() {
    let stage = Stage::of(&manifest(&[], "[limits]\nidle_stop = '1s'\n")).await;
    assert_eq!(stage.receipt("hello").await, "ok hello");
    stage.until("idle", |state| *state == State::Idle).await;
    assert!(stage.host.running("stress").is_none());
    assert_eq!(stage.receipt("again").await, "ok again");
    assert_eq!(stage.host.list()[0].starts, 2);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_answer_in_time_is_given_up_and_one_that_is_stuck_is_started_anew() {
    let stage = Stage::of(&manifest(&[], "[limits]\nconcurrency = 2\n")).await;
    stage.ready().await;
    let pid = stage.pid();
    // a late answer is dropped, and is no harm
    let late = stage.tell_within("slow 0.4", Duration::from_millis(200)).await;
    assert!(retry_says(&late.outcome, "did not answer within"), "{late:?}");
    assert_eq!(stage.receipt("hello").await, "ok hello");
    assert_eq!(stage.pid(), pid);
    let short = Duration::from_millis(100);
    tokio::join!(stage.tell_within("block", short), stage.tell_within("hello", short));
    stage.until("waiting", waits("makes no progress: 2 deliveries are overdue")).await;
    stage.ready().await;
    assert_eq!(stage.receipt("again").await, "ok again");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_that_hang_in_threads_of_our_package_are_seen_like_any_other_work() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = tests.join("../../plugins/python").canonicalize().unwrap();
    let name = package.display().to_string();
    let manifest = manifest(&[&name], "[limits]\nconcurrency = 2\n").replace("./stress.py", "./stuck.py");
    let manifest = manifest.replace("read = [", &format!("read = [{name:?}, "));
    let mut stage = Stage::empty(&manifest);
    let guest = stage.folder.path().join("plugins/stress/stuck.py");
    std::fs::copy(tests.join("tests/guests/stuck.py"), guest).unwrap();
    stage.apply(Value::Null).await.unwrap();
    stage.ready().await;
    let short = Duration::from_millis(100);
    tokio::join!(stage.tell_within("block", short), stage.tell_within("block", short));
    stage.until("waiting", waits("makes no progress: 2 deliveries are overdue")).await;
    stage.ready().await;
    assert_eq!(stage.receipt("again").await, "ok again");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_message_is_noted_and_in_the_end_its_end() {
    let stage = Stage::with(&[]).await;
    assert_eq!(stage.receipt("garbage").await, "ok garbage");
    assert!(stage.log().contains("hello, I am no message"), "{}", stage.log());
    stage.tell("garbage").await;
    stage.tell("garbage").await;
    stage.until("waiting", waits("no message")).await;
    for (title, words) in [
        ("half", "exit status 3"),
        ("endless", "a line of more than 1048576 bytes"),
        ("close", "closed its standard output"),
    ] {
        // one that waits for its next start is brought back at once
        stage.host.plugin("stress").unwrap().restart();
        stage.ready().await;
        let told = stage.tell(title).await.outcome;
        assert!(retry_says(&told, words), "{title}: {told:?}");
        stage.until(title, waits(words)).await;
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_asked_for_move_nobody() {
    let stage = Stage::with(&[]).await;
    // the first answer counts, and the second is nobody's
    assert!(matches!(stage.tell("twice").await.outcome, Outcome::Rejected { .. }));
    assert_eq!(stage.receipt("stranger").await, "ok stranger");
    assert_eq!(stage.receipt("hello").await, "ok hello");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_it_crashes_it_is_told_why_and_tried_again() {
    for place in ["spawn", "hello", "configure", "start"] {
        let stage = Stage::with(&[&format!("crash-at-{place}")]).await;
        stage.until(place, waits("killed by signal 9")).await;
        let words = format!("I crash at {place}");
        assert!(stage.log().contains(&words), "{place}: {}", stage.log());
        let told = stage.tell("hello").await.outcome;
        assert!(matches!(told, Outcome::Retry { fault: Fault::Destination, .. }), "{told:?}");
        stage.close().await;
    }
    for place in ["drain", "shutdown"] {
        let stage = Stage::with(&[&format!("crash-at-{place}")]).await;
        stage.ready().await;
        stage.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_a_person_can_mend_rests_until_somebody_does() {
    let misconfigured = |state: &State| matches!(state, State::Misconfigured { .. });
    for wish in ["exit-78-at-spawn", "exit-78-at-start", "from-the-future", "two-minds", "open-and-not"] {
        let stage = Stage::with(&[wish]).await;
        let state = stage.until(wish, misconfigured).await;
        let words = match wish {
            "from-the-future" => "it speaks contract 7",
            "two-minds" => "say different things",
            "open-and-not" => "routes: \"POST /x\" is there twice",
            _ => "78",
        };
        assert!(state.why().unwrap().contains(words), "{state:?}");
        stage.close().await;
    }
    let mut stage = Stage::with(&[]).await;
    stage.ready().await;
    stage.apply(json!({"url": "good", "token": "t"})).await.unwrap();
    let pid = stage.pid();
    // settings that it refuses are not taken, and it goes on with those that it has
    let refused = stage.apply(json!({"url": "bad"})).await.unwrap_err();
    assert!(refused.contains("url: there is nobody at that address"), "{refused}");
    assert!(stage.receipt("settings").await.contains("good"));
    let unknown = stage.apply(json!({"ulr": "x"})).await.unwrap_err();
    assert!(unknown.contains("plugins.settings.stress") && unknown.contains("ulr"), "{unknown}");
    assert_eq!(stage.pid(), pid);
    stage.close().await;
    // from the beginning with settings that it refuses
    let mut stage = Stage::empty(&manifest(&[], ""));
    stage.apply(json!({"url": "bad"})).await.unwrap();
    let state = stage.until("refused", misconfigured).await;
    assert!(state.why().unwrap().contains("url: there is nobody at that address"), "{state:?}");
    stage.apply(json!({"url": "good"})).await.unwrap();
    stage.ready().await;
    assert!(stage.receipt("settings").await.contains("good"));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_it_started_outlives_it_whatever_it_ignores() {
    let stage = Stage::with(&["ignore-signals"]).await;
    let child: u32 = stage.receipt("fork").await.parse().unwrap();
    let pid = stage.pid();
    assert!(lives(child) && lives(pid));
    stage.close().await;
    assert!(!lives(pid), "the plugin is still there");
    assert!(!lives(child), "what it started is still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_words_is_cut_and_delays_nobody() {
    let stage = Stage::of(&manifest(&[], "[limits]\nlog_rate = 50\n")).await;
    stage.ready().await;
    let began = Instant::now();
    assert_eq!(stage.receipt("flood").await, "ok flood");
    assert_eq!(stage.receipt("hello").await, "ok hello");
    let kept = stage.host.plugin("stress").unwrap().journal.last(usize::MAX);
    let taken = kept.iter().filter(|line| line.contains("line ")).count() as u64;
    // a second may begin before, and another go on after
    let most = 50 * (began.elapsed().as_secs() + 2);
    assert!(taken > 0 && taken <= most, "{taken} of 20000 lines, and {most} may be");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_beyond_its_limit_is_not_had() {
    let stage = Stage::of(&manifest(&[], "[limits]\nmemory = '192MiB'\n")).await;
    let told = stage.tell("leak").await.outcome;
    // Python ends by an error; the hub lives on
    assert!(retry_says(&told, "exit status 1"), "{told:?}");
    assert!(stage.log().contains("MemoryError"), "{}", stage.log());
    // nor by sharing it, which no limit of the kernel counts
    if !stage.log().contains("no rules for system calls") {
        stage.host.plugin("stress").unwrap().restart();
        stage.ready().await;
        let told = stage.tell("share").await.outcome;
        assert!(retry_says(&told, "exit status 1"), "{told:?}");
        assert!(stage.log().contains("PermissionError"), "{}", stage.log());
        stage.host.plugin("stress").unwrap().restart();
        stage.ready().await;
        // nor by a file in memory, of which only what is mapped is seen
        assert_eq!(stage.receipt("unmapped").await, "refused: PermissionError");
    }
    if !stage.log().contains("no rules for files") {
        stage.host.plugin("stress").unwrap().restart();
        stage.ready().await;
        assert_eq!(stage.receipt("zero").await, "refused: PermissionError");
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_ports_and_calls_that_it_may_not_use_are_refused() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let stage = Stage::of(&manifest(&[], "[permissions]\nports = [1]\n")).await;
    let secret = stage.folder.path().join("secret");
    std::fs::write(&secret, "hush").unwrap();
    let isolated = !stage.log().contains("no rules for");
    for title in [
        format!("read {}", secret.display()),
        format!("write {}", stage.folder.path().join("plugins/stress/stress.py").display()),
        format!("write {}", secret.display()),
        format!("connect {port}"),
    ] {
        let receipt = stage.receipt(&title).await;
        // a kernel without the rules says so in the log
        assert!(receipt.starts_with("refused") || !isolated, "{title}: {receipt}; {}", stage.log());
    }
    assert_eq!(stage.receipt("trace").await, "refused");
    assert!(stage.receipt("session").await.starts_with("refused"));
    assert_eq!(stage.receipt("nice").await, (niceness() + 10).min(19).to_string(), "the hub goes first");
    for (priority, may) in [(15, "did it"), (9, "refused"), (-1, "refused"), (-20, "refused")] {
        let receipt = stage.receipt(&format!("priority {priority}")).await;
        assert!(receipt.starts_with(may), "{priority}: {receipt}");
    }
    assert!(stage.receipt("realtime").await.starts_with("refused"));
    let signal = stage.receipt("signal").await;
    assert!(signal.starts_with("refused") || !isolated, "the hub can be signalled: {signal}");
    let own = stage.folder.path().join("state/stress/file");
    assert!(stage.receipt(&format!("write {}", own.display())).await.starts_with("did it"));
    let names = stage.receipt("env").await;
    assert!(names.contains("NIGHTBELL_PLUGIN") && !names.contains("HUB_SECRET"), "{names}");
    stage.close().await;
}

/// How nice this process is.
fn niceness() -> i32 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // the name, which is the second, may have spaces in it
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').nth(16).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_with_a_user_of_its_own_has_that_users_rights_and_no_others() {
    const STRANGER: &str = "54321";
    let says = "sh', '-c', 'echo `id -u` `id -G` > who; cat ../../secret > had; exit 78";
    let (head, rest) =
        manifest(&[], "").split_once("command = [").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let rest = rest.split_once(']').unwrap().1.to_owned();
    let mut stage = Stage::empty(&format!("{head}command = ['{says}']{rest}"));
    let allow = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    allow(stage.folder.path(), 0o700);
    let secret = stage.folder.path().join("secret");
    std::fs::write(&secret, "hush").unwrap();
    allow(&secret, 0o600);
    stage.wanted.users.insert("stress".to_owned(), format!("{STRANGER}:{STRANGER}"));
    let why = stage.apply(Value::Null).await.unwrap_err();
    assert!(why.contains("plugins.users.stress"), "{why}");
    // whoever else runs these tests is told who may do this
    if why.contains("only a hub that runs as root") {
        return assert!(!rustix::process::geteuid().is_root(), "{why}");
    }
    assert!(why.contains("may not enter") && why.contains("0700"), "{why}");
    allow(stage.folder.path(), 0o711);
    stage.apply(Value::Null).await.unwrap();
    let end = stage.until("at its end", |state| state.why().is_some()).await;
    assert!(end.why().unwrap().contains("78"), "{end:?}: {}", stage.log());
    let state = stage.folder.path().join("state/stress");
    let read = |name: &str| std::fs::read_to_string(state.join(name)).unwrap();
    assert_eq!(read("who").trim(), format!("{STRANGER} {STRANGER}"), "{}", stage.log());
    assert_eq!(read("had"), "");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_network_there_are_no_sockets_and_rules_that_cannot_be_made_keep_it_from_starting() {
    for network in ["none", "fetch"] {
        let stage = Stage::of(&manifest(&[], &format!("[permissions]\nnetwork = '{network}'\n"))).await;
        assert!(stage.receipt("socket").await.starts_with("refused"));
        stage.close().await;
    }
    let odd = manifest(&[], "").replace("read = [", "read = [\"/proc/self/ns/net\", ");
    let stage = Stage::of(&odd).await;
    let state = stage.until("an end", |state| state.why().is_some() || *state == State::Ready).await;
    // a kernel without such rules starts it and says so
    let without = stage.log().contains("no rules for files");
    assert!(
        without || state.why().is_some_and(|why| why.contains("its rules for files and ports")),
        "{state:?}"
    );
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_requests_than_there_may_be_are_refused_and_hurt_nobody() {
    let stage = Stage::with(&[]).await;
    assert_eq!(stage.receipt("requests 5000").await, "ok requests 5000");
    assert_eq!(stage.receipt("hello").await, "ok hello");
    // what can be understood of an answer counts
    assert_eq!(stage.receipt("odd").await, "ok odd");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_nowhere_in_what_it_says() {
    let mut stage = Stage::with(&[]).await;
    stage.ready().await;
    stage.apply(json!({"token": "token-of-the-plugin"})).await.unwrap();
    let answer = stage.tell("secret").await;
    assert_eq!(answer.outcome, Outcome::Delivered { receipt: "ok secret".to_owned() });
    assert_eq!(answer.text, "my token is <secret> and <secret>");
    // what it writes to its log may come a moment later, and goes the same way
    stage.receipt("hello").await;
    assert!(!stage.log().contains("token-of-the-plugin"), "{}", stage.log());
    assert!(!stage.log().contains("key-of-the-place"), "{}", stage.log());
    assert!(!stage.place().describe().contains("key-of-the-place"));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_asks_is_answered_as_far_as_its_manifest_permits() {
    let stage = Stage::with(&[]).await;
    let told = stage.receipt("ask emit {\"events\": []}").await;
    assert!(told.contains("permissions.emit is not in the manifest"), "{told}");
    let told = stage.receipt("ask fetch {\"url\": \"http://example.com\"}").await;
    assert!(told.contains("permissions.hosts"), "{told}");
    let told = stage.receipt("ask dance").await;
    assert!(told.contains("-32601"), "{told}");
    // without a hub behind it
    let told = stage.receipt("ask kv.get {\"key\": \"a\"}").await;
    assert!(told.contains("-32006"), "{told}");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_is_not_there_or_not_right_is_told_of_before_anything_changes() {
    let mut stage = Stage::with(&[]).await;
    stage.ready().await;
    let pid = stage.pid();
    put(stage.folder.path(), &manifest(&[], "").replace("contract = 1", "contract = 9"));
    let why = stage.apply(json!({})).await.unwrap_err();
    assert!(why.contains("plugin.toml") && why.contains("9 is not spoken here"), "{why}");
    stage.wanted.active.push("nobody".to_owned());
    put(stage.folder.path(), &manifest(&[], ""));
    let why = stage.apply(json!({})).await.unwrap_err();
    assert!(why.contains("there is no plugin \"nobody\""), "{why}");
    assert_eq!(stage.pid(), pid);
    // one that is not wanted any more ends
    stage.wanted.active.clear();
    stage.apply(json!({})).await.unwrap();
    assert!(stage.host.plugin("stress").is_none());
    stage.close().await;
    assert!(!lives(pid));
}
