//! `nightbell plugin new`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use plugin_protocol::provides::is_word;
use serde_json::json;

use crate::output::Output;

/// Make the folder of a new plugin, which works as it is
#[derive(clap::Args)]
pub struct New {
    /// What it is to be called: small letters, digits, - and _
    name: String,
    /// In which language
    #[arg(long, value_enum, default_value_t = Language::Python)]
    lang: Language,
    /// The folder of plugins that it goes into
    #[arg(long, value_name = "DIR", default_value = "plugins")]
    folder: PathBuf,
}

/// A language that there is a beginning for.
#[derive(Clone, Copy, ValueEnum)]
enum Language {
    /// With the package nightbell-plugin, which comes with this program
    Python,
    /// With types and without anything to build, for node; the package lies beside it
    Typescript,
    /// With the package that lies beside it
    Go,
    /// A program that speaks the contract itself
    Rust,
    /// A program of the shell and jq, which shows the contract at its barest
    Shell,
}

/// A file of a beginning; `@NAME@` in it is the plugin's name. Programs may be run.
struct File {
    path: &'static str,
    text: &'static str,
    is_program: bool,
}

const fn file(path: &'static str, text: &'static str) -> File {
    File { path, text, is_program: false }
}

/// The same in all languages.
const MANIFEST: File = file("plugin.toml", include_str!("templates/plugin.toml"));

const PYTHON: &[File] = &[file("@MODULE@.py", include_str!("templates/plugin.py"))];
const SHELL: &[File] =
    &[File { path: "plugin.sh", text: include_str!("templates/plugin.sh"), is_program: true }];
const RUST: &[File] = &[
    file("Cargo.toml", include_str!("templates/Cargo.toml.txt")),
    file("src/main.rs", include_str!("templates/main.rs.txt")),
    file("README.md", include_str!("templates/rust.md")),
];

macro_rules! package {
    ($from:literal, $into:literal, $($name:literal),+) => {
        &[$(file(
            concat!($into, "/", $name),
            include_str!(concat!("../../../../../plugins/", $from, "/", $name)),
        )),+]
    };
}

const TYPESCRIPT: &[File] = &[
    file("plugin.js", include_str!("templates/plugin.js")),
    file("package.json", include_str!("templates/package.json")),
    file("tsconfig.json", include_str!("templates/tsconfig.json")),
    file("README.md", include_str!("templates/typescript.md")),
];
const TYPESCRIPT_PACKAGE: &[File] =
    package!("typescript", "nightbell-plugin", "package.json", "index.js", "index.d.ts", "wire.js");
const GO: &[File] = &[
    file("go.mod", "module @NAME@-plugin\n\ngo 1.19\n"),
    file("main.go", include_str!("templates/main.go.txt")),
    file("README.md", include_str!("templates/go.md")),
];
const GO_PACKAGE: &[File] = package!(
    "go",
    "nightbell",
    "guard.go",
    "guard_linux.go",
    "guard_unix.go",
    "host.go",
    "plugin.go",
    "records.go",
    "serve.go",
    "wire.go"
);

impl Language {
    /// What belongs into the folder beside the manifest.
    fn files(self) -> impl Iterator<Item = &'static File> {
        let (own, package): (&[File], &[File]) = match self {
            Language::Python => (PYTHON, &[]),
            Language::Typescript => (TYPESCRIPT, TYPESCRIPT_PACKAGE),
            Language::Go => (GO, GO_PACKAGE),
            Language::Rust => (RUST, &[]),
            Language::Shell => (SHELL, &[]),
        };
        own.iter().chain(package)
    }

    /// How it is run, in the manifest.
    fn run(self) -> &'static str {
        match self {
            Language::Python => "runtime = \"python\"\nmodule = \"@MODULE@\"\nrequirements = []",
            Language::Typescript => "runtime = \"process\"\ncommand = [\"node\", \"./plugin.js\"]",
            Language::Go => "runtime = \"process\"\ncommand = [\"./@NAME@\"]",
            Language::Rust => {
                "runtime = \"process\"\ncommand = [\"./target/release/@NAME@\"]\n\n\
                 # It does one thing at a time.\n[limits]\nconcurrency = 1"
            }
            Language::Shell => {
                "runtime = \"process\"\ncommand = [\"./plugin.sh\"]\n\n\
                 # It does one thing at a time.\n[limits]\nconcurrency = 1"
            }
        }
    }

    /// What is to be done in its folder before it can run.
    fn build(self) -> Option<&'static str> {
        match self {
            Language::Go => Some("go build -o @NAME@ ."),
            Language::Rust => Some("cargo build --release"),
            Language::Python | Language::Typescript | Language::Shell => None,
        }
    }
}

impl New {
    pub fn run(self, output: Output) -> Result<()> {
        if !is_word(&self.name) {
            bail!(
                "{:?} cannot be the id of a plugin: a small letter, then small letters, digits, - or _",
                self.name
            );
        }
        let folder = self.folder.join(&self.name);
        if folder.exists() {
            bail!("{} is there already", folder.display());
        }
        let module = format!("{}_plugin", self.name.replace('-', "_"));
        let fill = |text: &str| text.replace("@NAME@", &self.name).replace("@MODULE@", &module);
        let mut made = Vec::new();
        for file in std::iter::once(&MANIFEST).chain(self.lang.files()) {
            let path = folder.join(fill(file.path));
            write(&path, &fill(&file.text.replace("@RUN@", self.lang.run())), file.is_program)?;
            made.push(path.display().to_string());
        }
        let place = folder.display();
        let build = self.lang.build().map(|build| format!("(cd {place} && {}) && ", fill(build)));
        let next = format!("{}nightbell plugin test {place} --set room=alerts", build.unwrap_or_default());
        output.answer(&json!({ "made": made, "next": next }), || {
            format!("made {}\nnow try it: {next}", made.join(", "))
        })
    }
}

fn write(path: &Path, text: &str, program: bool) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    if program {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
