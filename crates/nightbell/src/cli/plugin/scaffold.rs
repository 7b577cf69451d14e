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
    /// A program of the shell and jq, which shows the contract at its barest
    Shell,
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
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let files: &[(&str, &str, bool)] = match self.lang {
            Language::Python => &[
                ("plugin.toml", include_str!("templates/python/plugin.toml"), false),
                ("MODULE.py", include_str!("templates/python/plugin.py"), false),
            ],
            Language::Shell => &[
                ("plugin.toml", include_str!("templates/shell/plugin.toml"), false),
                ("plugin.sh", include_str!("templates/shell/plugin.sh"), true),
            ],
        };
        let module = format!("{}_plugin", self.name.replace('-', "_"));
        let mut made = Vec::new();
        for (name, text, program) in files {
            let path = folder.join(name.replace("MODULE", &module));
            write(&path, &text.replace("@NAME@", &self.name).replace("@MODULE@", &module), *program)?;
            made.push(path.display().to_string());
        }
        let next = format!("nightbell plugin test {} --set room=alerts", folder.display());
        output.answer(&json!({ "made": made, "next": next }), || {
            format!("made {}\nnow try it: {next}", made.join(" and "))
        })
    }
}

fn write(path: &Path, text: &str, program: bool) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    if program {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
