//! Running other programs from the root of the repository.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The root of the repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// A program, to be run from the root.
pub fn command<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// Cargo: the very one that runs us, so that toolchain overrides hold.
pub fn cargo<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    command(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()), args)
}

/// Runs a program to its end, its output going to the terminal.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {}", words(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", words(command));
    }
    Ok(())
}

/// Runs a program to its end and returns what it wrote to its standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let done =
        command.stdin(Stdio::null()).output().with_context(|| format!("starting {}", words(command)))?;
    if !done.status.success() {
        let error = String::from_utf8_lossy(&done.stderr);
        let line = error.lines().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        bail!("{} failed ({}): {}", words(command), done.status, line.trim());
    }
    String::from_utf8(done.stdout).with_context(|| format!("reading the output of {}", words(command)))
}

/// Whether a program can be run and ends well; what it writes is thrown away.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Where a program lies: in one of these folders first, then on the `PATH`.
pub fn find(program: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.iter().chain(&on_path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Builds the binary of the product and returns where it lies.
pub fn build_nightbell(release: bool) -> Result<PathBuf> {
    let mut build = cargo(["build", "--package", "nightbell"]);
    if release {
        build.arg("--release");
    }
    run(&mut build)?;
    let binary = target_folder()?.join(if release { "release" } else { "debug" }).join("nightbell");
    if !binary.is_file() {
        bail!("cargo built nightbell, but there is no {}", binary.display());
    }
    Ok(binary)
}

/// What cargo knows of the workspace, without its dependencies.
pub fn metadata() -> Result<serde_json::Value> {
    let text = output(&mut cargo(["metadata", "--no-deps", "--format-version", "1"]))?;
    serde_json::from_str(&text).context("reading cargo's metadata")
}

/// Cargo's target folder: asked for, since it can be configured.
pub fn target_folder() -> Result<PathBuf> {
    let metadata = metadata()?;
    let folder = metadata["target_directory"].as_str().context("cargo named no target folder")?;
    Ok(PathBuf::from(folder))
}

/// A failure of which all has been said already.
#[derive(Debug)]
pub struct Told(pub String);

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Told {}

/// Says what comes next.
pub fn announce(what: &str) {
    eprintln!("\n=== {what}");
}

/// Runs a step and says how long it took.
pub fn timed<T>(what: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
    announce(what);
    let begin = Instant::now();
    let done = step();
    eprintln!(
        "=== {what}: {} after {:.1} s",
        if done.is_ok() { "done" } else { "FAILED" },
        begin.elapsed().as_secs_f64()
    );
    done
}

/// The words of a command, for messages.
fn words(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
