//! `nightbell plugin new`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use plugin_protocol::provides::is_word;
use serde_json::json;

use crate::output::Output;

/// Make the folder of a new plugin, which works as it is; `apprise` without a language is the one that comes with this
/// program, for some 150 services
#[derive(clap::Args)]
pub struct New {
    /// What it is to be called: small letters, digits, - and _
    name: String,
    /// In which language; python, if not given
    #[arg(long, value_enum)]
    lang: Option<Language>,
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
    /// A WebAssembly component, made of JavaScript by a tool from npm
    JavascriptComponent,
    /// A WebAssembly component, made of Python by a tool from PyPI
    PythonComponent,
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

/// The same for all that are processes.
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
const TYPESCRIPT_PACKAGE: &[File] = package!(
    "typescript",
    "nightbell-plugin",
    "package.json",
    "index.js",
    "index.d.ts",
    "testing.js",
    "testing.d.ts",
    "wire.js"
);
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
    "testhost.go",
    "wire.go"
);

/// What components and the host say to each other.
const WIT: File = file("wit/plugin.wit", include_str!("../../../../../plugins/wit/plugin.wit"));

macro_rules! example {
    ($example:literal, $($name:literal),+) => {
        &[$(file($name, include_str!(concat!("../../../../../plugins/examples/", $example, "/", $name)))),+, WIT]
    };
}

const JAVASCRIPT_COMPONENT: &[File] = example!("hook-js", "plugin.toml", "plugin.js", "package.json");
const PYTHON_COMPONENT: &[File] = example!("hook-py", "plugin.toml", "plugin.py", "requirements.txt");
/// What in these examples is another's, and what stands for it in a beginning.
const OF_EXAMPLES: [(&str, &str); 6] = [
    ("\"hook_js\"", "\"@NAME@\""),
    ("\"hook_py\"", "\"@NAME@\""),
    ("\"A hook, in JavaScript\"", "\"@NAME@\""),
    ("\"A hook, in Python\"", "\"@NAME@\""),
    ("--wit ../../wit", "--wit wit"),
    ("-d ../../wit", "-d wit"),
];

/// The plugin that comes with this program, as it is.
const APPRISE: &[File] = package!("apprise", ".", "plugin.toml", "nightbell_apprise.py", "README.md");

impl Language {
    /// What belongs into the folder.
    fn files(self) -> impl Iterator<Item = &'static File> {
        let (own, package): (&[File], &[File]) = match self {
            Language::Python => (PYTHON, &[]),
            Language::Typescript => (TYPESCRIPT, TYPESCRIPT_PACKAGE),
            Language::Go => (GO, GO_PACKAGE),
            Language::Rust => (RUST, &[]),
            Language::Shell => (SHELL, &[]),
            Language::JavascriptComponent => (JAVASCRIPT_COMPONENT, &[]),
            Language::PythonComponent => (PYTHON_COMPONENT, &[]),
        };
        let manifest = (!self.is_component()).then_some(&MANIFEST);
        manifest.into_iter().chain(own).chain(package)
    }

    fn is_component(self) -> bool {
        matches!(self, Language::JavascriptComponent | Language::PythonComponent)
    }

    /// How one is seen to work.
    fn try_it(self) -> (&'static str, &'static str) {
        // where it posts to is said in its manifest first
        if self.is_component() { ("check", "") } else { ("test", " --set room=alerts") }
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
            // its manifest says so
            Language::JavascriptComponent | Language::PythonComponent => "",
        }
    }

    /// What is to be done in its folder before it can run.
    fn build(self) -> Option<&'static str> {
        match self {
            Language::Go => Some("go build -o @NAME@ ."),
            Language::Rust => Some("cargo build --release"),
            Language::JavascriptComponent => Some("npm install && npm run build"),
            Language::PythonComponent => Some(
                "pip install -r requirements.txt && \
                 componentize-py -d wit -w destination componentize plugin --stub-wasi -o plugin.wasm",
            ),
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
        let lang = match self.lang {
            Some(lang) => lang,
            None if self.name == "apprise" => return shipped(APPRISE, &folder, output),
            None => Language::Python,
        };
        let module = format!("{}_plugin", self.name.replace('-', "_"));
        let fill = |text: &str| text.replace("@NAME@", &self.name).replace("@MODULE@", &module);
        let blank = |text: &str| match lang.is_component() {
            true => OF_EXAMPLES.iter().fold(text.to_owned(), |text, (its, ours)| text.replace(its, ours)),
            false => text.replace("@RUN@", lang.run()),
        };
        let mut made = Vec::new();
        for file in lang.files() {
            let path = folder.join(fill(file.path));
            write(&path, &fill(&blank(file.text)), file.is_program)?;
            made.push(path.display().to_string());
        }
        let place = folder.display();
        let build = lang.build().map(|build| format!("(cd {place} && {}) && ", fill(build)));
        let (verb, more) = lang.try_it();
        let next = format!("{}nightbell plugin {verb} {place}{more}", build.unwrap_or_default());
        output.answer(&json!({ "made": made, "next": next }), || {
            format!("made {}\nnow try it: {next}", made.join(", "))
        })
    }
}

/// Writes a plugin that needs nothing but its environment.
fn shipped(files: &[File], folder: &Path, output: Output) -> Result<()> {
    for file in files {
        write(&folder.join(file.path), file.text, file.is_program)?;
    }
    let made: Vec<_> = files.iter().map(|file| folder.join(file.path).display().to_string()).collect();
    let next = format!("nightbell plugin install {}", folder.display());
    output.answer(&json!({ "made": made, "next": next }), || format!("made {}\nnow: {next}", made.join(", ")))
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
