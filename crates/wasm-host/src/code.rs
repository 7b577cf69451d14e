//! Machine code of components: compiled in a process of its own, under limits, and kept by what it was made from.
//!
//! What is compiled is trusted when it is run. So it lies in a folder that only its owner may enter, and nothing is run
//! that others could have written.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plugin_host::{Journal, Launch, run};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use wasmtime::Engine;

use crate::config::config;

/// Bytes that a component may have.
const MAX_COMPONENT_BYTES: u64 = 64 * 1024 * 1024;
/// Components whose code is kept.
const MAX_KEPT: usize = 64;
/// Threads that compile one component.
const THREADS: usize = 4;

/// Where components are compiled, by what, and within which limits.
#[derive(Clone, Debug)]
pub struct Bench {
    /// Where code is kept.
    pub folder: PathBuf,
    /// A program that calls [`compile`] with its last two arguments.
    pub compiler: Vec<OsString>,
    /// How long compiling one may take.
    pub time: Duration,
    /// Bytes of address space that it may take.
    pub memory: u64,
    /// Whether nothing is compiled where the kernel cannot isolate it as it should be.
    pub require_isolation: bool,
}

impl Bench {
    /// With the usual limits: an interpreter of Python takes 400 MB and, on one slow processor, half a minute.
    pub fn new(folder: PathBuf, compiler: Vec<OsString>, require_isolation: bool) -> Self {
        let time = Duration::from_secs(300);
        Bench { folder, compiler, time, memory: 2 * 1024 * 1024 * 1024, require_isolation }
    }
}

/// Code that is kept.
pub struct Code {
    bench: Bench,
    one_at_a_time: Mutex<()>,
}

impl Code {
    /// That of this bench.
    pub fn new(bench: Bench) -> Self {
        Code { bench, one_at_a_time: Mutex::default() }
    }

    /// The file with the code of a component, which is compiled if it was not yet.
    ///
    /// # Errors
    /// When it cannot be read or compiled, in words.
    pub async fn of(&self, component: &Path, engine: &Engine, journal: &Journal) -> Result<PathBuf, String> {
        let _one = self.one_at_a_time.lock().await;
        let folder = self.folder()?;
        let sum = sum(component).await?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let kept = folder.join(format!("{sum}-{:016x}.code", hasher.finish()));
        if kept.exists() {
            only_ours(&kept)?;
            return Ok(kept);
        }
        let began = Instant::now();
        let compiled = self.compile(component, &folder, &sum, &kept, journal).await;
        compiled.map_err(|why| format!("compiling it: {why}"))?;
        journal.note(&format!("it was compiled in {} ms", began.elapsed().as_millis()));
        tidy(&folder);
        Ok(kept)
    }

    /// Forgets code that cannot be used.
    pub fn forget(&self, kept: &Path) {
        // one that is gone already is as good
        let _ = fs::remove_file(kept);
    }

    fn folder(&self) -> Result<PathBuf, String> {
        let folder = &self.bench.folder;
        let bad = |error: std::io::Error| format!("{}: {error}", folder.display());
        sdk::make_private(folder).map_err(bad)?;
        only_ours(folder)?;
        folder.canonicalize().map_err(bad)
    }

    /// Lets a process compile it that can write into a folder of its own only.
    async fn compile(
        &self,
        component: &Path,
        folder: &Path,
        of: &str,
        kept: &Path,
        journal: &Journal,
    ) -> Result<(), String> {
        let desk = folder.join("desk");
        let bad = |error: std::io::Error| format!("{}: {error}", desk.display());
        // what somebody left who was killed
        let _ = fs::remove_dir_all(&desk);
        DirBuilder::new().mode(0o700).create(&desk).map_err(bad)?;
        let made = desk.join("code");
        let (program, args) = self.bench.compiler.split_first().ok_or("there is no compiler")?;
        let mut launch = Launch::tool(program.into(), &[component], &desk, self.bench.memory);
        launch.args = args.iter().cloned().chain([component.into(), made.clone().into()]).collect();
        launch.env.insert("RAYON_NUM_THREADS".into(), THREADS.to_string().into());
        launch.require_isolation = self.bench.require_isolation;
        run(&launch, journal, self.bench.time).await?;
        // half a file would be run as if it were whole
        File::open(&made).and_then(|file| file.sync_all()).map_err(bad)?;
        only_ours(&made)?;
        if sum(component).await? != of {
            return Err("the file changed meanwhile".to_owned());
        }
        fs::rename(&made, kept).map_err(bad)?;
        fs::remove_dir_all(&desk).map_err(bad)
    }
}

/// A copy of code that is mapped and loses its name then: what is mapped must not change, or be cut short, under those
/// who run it, whatever becomes of the file that is kept.
pub struct Copy(PathBuf);

impl Copy {
    /// A copy beside it.
    ///
    /// # Errors
    /// When there cannot be one.
    pub fn of(kept: &Path) -> std::io::Result<Self> {
        static COPIES: AtomicU64 = AtomicU64::new(0);
        let number = COPIES.fetch_add(1, Ordering::Relaxed);
        let copy = Copy(kept.with_extension(format!("{}-{number}", std::process::id())));
        fs::copy(kept, copy.path())?;
        Ok(copy)
    }

    /// Where it is, as long as this value lives.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // one that stays is removed when others are
        let _ = fs::remove_file(&self.0);
    }
}

/// Compiles a component into a new file: what the process does that is started for it.
///
/// # Errors
/// When it is none, in words.
pub fn compile(component: &Path, into: &Path) -> Result<(), String> {
    let mut bytes = Vec::new();
    let read = File::open(component).and_then(|file| file.take(MAX_COMPONENT_BYTES).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    let engine = Engine::new(&config()).map_err(|error| format!("{error:#}"))?;
    let code = engine.precompile_component(&bytes).map_err(|error| format!("{error:#}"))?;
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(into);
    made.and_then(|mut file| file.write_all(&code)).map_err(|error| error.to_string())
}

/// What stands for the contents of a file.
async fn sum(path: &Path) -> Result<String, String> {
    let (file, name) = (path.to_owned(), path.display());
    let read = tokio::task::spawn_blocking(move || read_sum(&file)).await;
    read.map_err(|error| error.to_string()).and_then(|sum| sum).map_err(|why| format!("{name}: {why}"))
}

fn read_sum(path: &Path) -> Result<String, String> {
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    if length > MAX_COMPONENT_BYTES {
        return Err(format!(
            "{length} bytes are more than the {MAX_COMPONENT_BYTES} that a component may have"
        ));
    }
    let (mut sum, mut chunk) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        let read = file.read(&mut chunk).map_err(|error| error.to_string())?;
        if read == 0 {
            break;
        }
        sum.update(&chunk[..read]);
    }
    Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether nobody else can have written something.
fn only_ours(path: &Path) -> Result<(), String> {
    let facts = fs::symlink_metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let is_real = facts.is_file() || facts.is_dir();
    let is_ours = facts.uid() == rustix::process::geteuid().as_raw() && facts.mode() & 0o077 == 0;
    if is_real && is_ours {
        return Ok(());
    }
    let why =
        "must belong to the user that runs this, and nobody else may have rights to it: code is run from it";
    Err(format!("{}: {why}", path.display()))
}

/// Removes the oldest, beyond those that are kept.
fn tidy(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> =
        entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
    files.sort();
    let many = files.len().saturating_sub(MAX_KEPT);
    for (_, path) in files.iter().take(many) {
        // what is in use stays mapped
        let _ = fs::remove_file(path);
    }
}
