//! The Python that runs plugins: which one it really is, and what it must be able to read.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::places::{Interpreter, Places};

/// How long it may take to say who it is.
const ASK_TIME: Duration = Duration::from_secs(10);
/// What it is asked: the program behind all wrappers, its own folder, and that of the Python that it was made from. And
/// it makes the package of ours ready, which plugins may read and not write: else each start would do it anew.
const QUESTION: &str = "\
import sys
print(sys.executable)
print(sys.prefix)
print(sys.base_prefix)
if len(sys.argv) > 1 and sys.argv[1]:
    import compileall
    compileall.compile_dir(sys.argv[1], quiet=2)
";

/// Asks a Python who it is, unless it is known and still there.
///
/// # Errors
/// When there is none, or it does not answer.
pub async fn known(python: &Path, places: &Places) -> Result<Interpreter, String> {
    if let Some(interpreter) = places.interpreters.get(python) {
        return Ok(interpreter);
    }
    let interpreter = ask(python, places).await?;
    places.interpreters.keep(python, &interpreter);
    Ok(interpreter)
}

/// Asks a Python who it is. What is on the PATH may be a script that chooses one.
async fn ask(python: &Path, places: &Places) -> Result<Interpreter, String> {
    let mut command = Command::new(python);
    command.args(["-I", "-S", "-c", QUESTION]).arg(&places.sdk).env_clear().envs(&places.environment);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let name = python.display();
    let answered = tokio::time::timeout(ASK_TIME, command.output()).await;
    let output = answered.map_err(|_| format!("{name} does not say who it is within {ASK_TIME:?}"))?;
    let output = output.map_err(|error| format!("there is no Python {name}: {error}; set plugins.python"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = said.lines().map(PathBuf::from);
    let program = lines.next().filter(|it| it.is_absolute());
    let program = program.ok_or_else(|| format!("{name} does not say who it is: {}", output.status))?;
    let mut needs: Vec<PathBuf> = lines.collect();
    // an environment's program is a link to the one that it was made from
    needs.extend(program.canonicalize().ok().and_then(|real| Some(real.parent()?.to_owned())));
    // without its site, Python does not say that it is in an environment
    let above = program.parent().and_then(Path::parent);
    needs.extend(above.filter(|it| it.join("pyvenv.cfg").is_file()).map(Path::to_owned));
    // where that leads to everything, the system's own folders are enough
    needs.retain(|path| path.parent().is_some());
    Ok(Interpreter { program, needs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_environment_may_be_read_as_a_whole() {
        let places = Places { environment: std::env::vars_os().collect(), ..Places::default() };
        // what is on the PATH may be a script
        let Ok(real) = ask(Path::new("python3"), &places).await else {
            eprintln!("SKIPPED: there is no python3");
            return;
        };
        let real = real.program.canonicalize().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("bin")).unwrap();
        let home = real.parent().unwrap().display().to_string();
        std::fs::write(root.join("pyvenv.cfg"), format!("home = {home}\n")).unwrap();
        let python = root.join("bin/python");
        std::os::unix::fs::symlink(&real, &python).unwrap();
        let package = root.join("package");
        std::fs::create_dir(&package).unwrap();
        std::fs::write(package.join("of_ours.py"), "").unwrap();
        let places = Places { sdk: package.clone(), ..places };
        let asked = known(&python, &places).await.unwrap();
        assert_eq!(asked.program, python);
        assert!(asked.needs.contains(&root), "{asked:?}");
        assert!(package.join("__pycache__").is_dir(), "what plugins import is made ready for them");
        // it is asked once, until it is forgotten or gone
        std::fs::remove_dir_all(package.join("__pycache__")).unwrap();
        assert_eq!(known(&python, &places).await.unwrap(), asked);
        assert!(!package.join("__pycache__").exists());
        places.interpreters.forget();
        assert_eq!(known(&python, &places).await.unwrap(), asked);
        assert!(package.join("__pycache__").is_dir());
        std::fs::remove_file(&python).unwrap();
        assert!(known(&python, &places).await.unwrap_err().contains("there is no Python"));
    }
}
