//! From a manifest to a process: program, arguments, environment, and what it is allowed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use plugin_protocol::CONTRACT;
use plugin_protocol::limits::OPEN_FILES;
use plugin_protocol::manifest::{Manifest, Network, Runtime};
use serde_json::Value;

use crate::folder::{Found, inside};
use crate::places::{Interpreter, Places};
use crate::process::Launch;
use crate::sandbox::Sandbox;
use crate::spec::Spec;

/// Variables of the hub that every plugin gets.
const HANDED_ON: [&str; 5] = ["PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE"];
/// What programs need of a system to run at all, and to look up names and certificates; all of it may be read.
const SYSTEM: [&str; 33] = [
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/usr",
    "/nix/store",
    "/proc",
    // only to be read: what writes to it maps memory that nobody counts
    "/dev/zero",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/timezone",
];
/// Devices that programs use without thinking.
const DEVICES: [&str; 4] = ["/dev/null", "/dev/full", "/dev/random", "/dev/urandom"];

/// How a plugin is started, with the settings that it has at this moment.
///
/// # Errors
/// When something that it needs is not there, in words.
pub fn launch(spec: &Spec, places: &Places, interpreter: Option<&Interpreter>) -> Result<Launch, String> {
    let Spec { found, limits, settings, user, .. } = spec;
    let manifest = &found.manifest;
    let (program, args, mut read) = match manifest.run.runtime {
        Runtime::Process => process(found, places)?,
        Runtime::Python => python(found, places, interpreter)?,
        Runtime::Wasm => return Err("a component is no process".to_owned()),
    };
    let folder = places.state(found.id());
    sdk::make_private(&folder).map_err(|error| format!("its state folder {}: {error}", folder.display()))?;
    if let Some(user) = user {
        user.own(&folder).map_err(|error| format!("its state folder {}: {error}", folder.display()))?;
        for needed in std::iter::once(&folder).chain(&read) {
            user.may_reach(needed).map_err(|why| format!("plugins.users.{}: {why}", found.id()))?;
        }
    }
    let permissions = &manifest.permissions;
    read.extend(SYSTEM.iter().map(PathBuf::from));
    // one without a manifest lies among others, which are none of its business
    read.push(if found.is_bare() { found.place.clone() } else { found.folder.clone() });
    read.extend(permissions.read.iter().map(PathBuf::from));
    let mut write = vec![folder.clone()];
    write.extend(DEVICES.iter().map(PathBuf::from));
    write.extend(permissions.write.iter().map(PathBuf::from));
    let ports = match permissions.network {
        Network::Direct => permissions.ports.clone(),
        Network::Fetch | Network::None => Some(Vec::new()),
    };
    let sandbox = Sandbox {
        memory: Some(limits.memory()),
        files: limits.files(),
        processes: limits.processes,
        read,
        write,
        ports,
        sockets: permissions.network == Network::Direct,
    };
    let mut env = environment(manifest, settings, places, &folder);
    if manifest.run.runtime == Runtime::Python {
        env.insert("PYTHONPATH".into(), python_path(found, places));
        env.insert("PYTHONDONTWRITEBYTECODE".into(), "1".into());
        env.insert("PYTHONUNBUFFERED".into(), "1".into());
    }
    let (user, require_isolation) = (user.clone(), places.require_isolation);
    Ok(Launch { program, args, env, folder, sandbox, user, require_isolation })
}

impl Launch {
    /// How a program of our own is started that works on what others made: it may read these files and what every
    /// program needs, write into one folder, and has neither network nor surroundings.
    pub fn tool(program: PathBuf, read: &[&Path], folder: &Path, memory: u64) -> Launch {
        let mut readable: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
        readable.extend(read.iter().map(|path| path.to_path_buf()));
        readable.push(program.clone());
        let mut write = vec![folder.to_owned()];
        write.extend(DEVICES.iter().map(PathBuf::from));
        let sandbox = Sandbox {
            memory: Some(memory),
            files: OPEN_FILES,
            processes: None,
            read: readable,
            write,
            ports: Some(Vec::new()),
            sockets: false,
        };
        let (args, env) = (Vec::new(), BTreeMap::new());
        Launch {
            program,
            args,
            env,
            folder: folder.to_owned(),
            sandbox,
            user: None,
            require_isolation: false,
        }
    }
}

type Program = (PathBuf, Vec<OsString>, Vec<PathBuf>);

fn process(found: &Found, places: &Places) -> Result<Program, String> {
    let command = &found.manifest.run.command;
    let name = command.first().map(String::as_str).unwrap_or_default();
    let program = if name.starts_with('/') {
        PathBuf::from(name)
    } else if name.contains('/') && !found.folder.join(name).exists() {
        return Err(format!("run.command: there is no {name} in the plugin's folder: has it been built?"));
    } else if name.contains('/') {
        inside(&found.folder, name).map_err(|why| format!("run.command: {why}"))?
    } else {
        let on_path = places.on_path(name);
        on_path.ok_or_else(|| format!("run.command: there is no program {name:?} on the PATH"))?
    };
    // what a program is linked to or reads beside itself
    let real = program.canonicalize().unwrap_or_else(|_| program.clone());
    let read = real.parent().map(Path::to_owned).into_iter().collect();
    let args = command.iter().skip(1).map(|arg| argument(&found.folder, arg)).collect();
    Ok((program, args, read))
}

/// The working folder is the state's, so an argument that names a file of the plugin's gets its folder before it.
fn argument(folder: &Path, arg: &str) -> OsString {
    let names_a_file = arg.starts_with("./") && folder.join(arg).exists();
    if names_a_file { folder.join(arg.trim_start_matches("./")).into() } else { arg.into() }
}

fn python(found: &Found, places: &Places, interpreter: Option<&Interpreter>) -> Result<Program, String> {
    let run = &found.manifest.run;
    let missing = || "there is no Python to run it: install python3, or set plugins.python".to_owned();
    let interpreter = interpreter.ok_or_else(missing)?;
    let mut args: Vec<OsString> = vec!["-m".into(), "nightbell_plugin".into()];
    match (&run.module, &run.file) {
        (Some(module), _) => args.extend(["--module".into(), module.into()]),
        (None, Some(file)) => {
            args.extend(["--file".into(), inside(&found.folder, file)?.into()]);
        }
        (None, None) => {}
    }
    if let Some(compat) = run.compat {
        args.extend(["--compat".into(), compat.name().into()]);
    }
    let mut read = interpreter.needs.clone();
    read.push(places.sdk.clone());
    Ok((interpreter.program.clone(), args, read))
}

fn python_path(found: &Found, places: &Places) -> OsString {
    let own = (!found.is_bare()).then(|| found.folder.clone());
    // a folder with a colon in its name cannot be said this way
    std::env::join_paths(std::iter::once(places.sdk.clone()).chain(own)).unwrap_or_default()
}

fn environment(
    manifest: &Manifest,
    settings: &Value,
    places: &Places,
    state: &Path,
) -> BTreeMap<OsString, OsString> {
    let permitted = manifest.permissions.env.iter().map(String::as_str);
    let handed_on = HANDED_ON.into_iter().chain(permitted).filter_map(|name| {
        let (name, value) = places.environment.get_key_value(OsStr::new(name))?;
        Some((name.clone(), value.clone()))
    });
    let mut env: BTreeMap<OsString, OsString> = handed_on.collect();
    env.entry("PATH".into()).or_insert_with(|| "/usr/local/bin:/usr/bin:/bin".into());
    env.entry("LANG".into()).or_insert_with(|| "C.UTF-8".into());
    for (setting, variable) in &manifest.env {
        let value = match settings.pointer(&format!("/{}", setting.replace('.', "/"))) {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        if !value.contains('\0') {
            env.insert(variable.into(), value.into());
        }
    }
    // glibc reserves addresses for each thread, of which there is a limit, too
    env.insert("MALLOC_ARENA_MAX".into(), "2".into());
    env.insert("HOME".into(), state.into());
    env.insert("TMPDIR".into(), state.into());
    env.insert("NIGHTBELL_PLUGIN".into(), (&manifest.plugin.id).into());
    env.insert("NIGHTBELL_CONTRACT".into(), CONTRACT.to_string().into());
    env.insert("NIGHTBELL_STATE".into(), state.into());
    env
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugin_protocol::manifest::{About, Limits, Permissions, Run};

    fn found(run: Run, permissions: Permissions) -> Found {
        let plugin = About { id: "foo".to_owned(), ..About::default() };
        let env = BTreeMap::from([("server.token".to_owned(), "FOO_TOKEN".to_owned())]);
        let manifest = Manifest { plugin, run, permissions, env, ..Manifest::default() };
        Found { folder: PathBuf::from("/"), place: PathBuf::new(), manifest }
    }

    fn spec(found: Found, settings: Value) -> Spec {
        Spec { settings, ..Spec::bare(found, Limits::default(), String::new()) }
    }

    fn places(states: &Path) -> Places {
        let environment = [("PATH", "/usr/bin:/bin"), ("AWS_SECRET", "hush"), ("PROXY", "p")];
        let environment = environment.map(|(name, value)| (name.into(), value.into())).into();
        Places { states: states.to_owned(), environment, ..Places::default() }
    }

    #[test]
    fn the_environment_is_what_the_manifest_names_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let permissions = Permissions { env: vec!["PROXY".to_owned()], ..Permissions::default() };
        let run = Run { command: vec!["sh".to_owned(), "-c".to_owned()], ..Run::default() };
        let settings = serde_json::json!({"server": {"token": "t"}});
        let found = found(run, permissions);
        let launch = launch(&spec(found, settings), &places(folder.path()), None).unwrap();
        let names: Vec<_> = launch.env.keys().filter_map(|name| name.to_str()).collect();
        let wanted = [
            "FOO_TOKEN",
            "HOME",
            "LANG",
            "MALLOC_ARENA_MAX",
            "NIGHTBELL_CONTRACT",
            "NIGHTBELL_PLUGIN",
            "NIGHTBELL_STATE",
            "PATH",
            "PROXY",
            "TMPDIR",
        ];
        assert_eq!(names, wanted);
        assert!(launch.folder.starts_with(folder.path()) && launch.folder.is_dir());
    }

    #[test]
    fn a_program_that_is_not_there_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run { command: vec!["no-such-program".to_owned()], ..Run::default() };
        let found = found(run, Permissions::default());
        let why = launch(&spec(found, Value::Null), &places(folder.path()), None);
        assert!(why.unwrap_err().contains("no program \"no-such-program\""));
        let run = Run { command: vec!["./no-such-program".to_owned()], ..Run::default() };
        let found = self::found(run, Permissions::default());
        let why = launch(&spec(found, Value::Null), &places(folder.path()), None);
        assert!(why.unwrap_err().contains("no ./no-such-program in the plugin's folder: has it been built?"));
    }
}
