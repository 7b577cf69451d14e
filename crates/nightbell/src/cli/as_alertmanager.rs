//! Being called `alertmanager`: the flags of the one that we take the place of, so that a link with its name is
//! enough, and unit files and charts stay as they are.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Names that we answer to in this way.
const NAMES: [&str; 2] = ["alertmanager", "prometheus-alertmanager"];
/// Flags that say the same here, and how.
const SAME: [(&str, &str); 5] = [
    ("--config.file", "--alertmanager-config"),
    ("--storage.path", "--data"),
    ("--web.listen-address", "--listen"),
    ("--web.external-url", "--external-url"),
    ("--web.route-prefix", "--route-prefix"),
];
/// What Alertmanager does when nobody says otherwise.
const DEFAULTS: [(&str, &str); 3] =
    [("--alertmanager-config", "alertmanager.yml"), ("--data", "data/"), ("--listen", ":9093")];
/// Flags with a value that have nothing to say here: what they are for is done in another way, or needs no setting.
const IDLE: [&str; 14] = [
    "--alerts.gc-interval",
    "--alerts.per-alertname-limit",
    "--auto-gomemlimit.ratio",
    "--data.maintenance-interval",
    "--data.retention",
    "--dispatch.maintenance-interval",
    "--dispatch.start-delay",
    "--enable-feature",
    "--log.format",
    "--log.level",
    "--silences.max-per-silence-bytes",
    "--silences.max-silences",
    "--web.get-concurrency",
    "--web.timeout",
];
/// Flags of a family that has nothing to say here: nodes share a database.
const CLUSTER: &str = "--cluster.";
/// Flags without a value, among those.
const BARE: [&str; 2] = ["--cluster.allow-insecure-public-advertise-address-discovery", "--auto-gomemlimit"];

/// Our own words for what was asked of Alertmanager, and what is to be said about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Translated {
    /// The command line.
    pub words: Vec<OsString>,
    /// Flags that have no meaning here.
    pub idle: Vec<String>,
}

/// Translates a command line, if the program was called by Alertmanager's name.
///
/// # Errors
/// A flag that is not known, or that we do not have and that cannot be done without.
pub fn translate(words: &[OsString]) -> Option<Result<Translated, String>> {
    let (program, rest) = words.split_first()?;
    let name = Path::new(program).file_name().and_then(OsStr::to_str)?;
    NAMES.contains(&name).then(|| flags(program, rest))
}

fn flags(program: &OsStr, words: &[OsString]) -> Result<Translated, String> {
    let (mut ours, mut idle) = (Vec::<(&str, OsString)>::new(), Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let text = word.to_str().ok_or_else(|| format!("{} is no text", word.display()))?;
        if matches!(text, "--version" | "--help" | "-h") {
            return Ok(Translated { words: vec![program.to_owned(), word.clone()], idle });
        }
        let (flag, value) = match text.split_once('=') {
            Some((flag, value)) => (flag, Some(OsString::from(value))),
            None => (text, None),
        };
        let bare = flag.replacen("--no-", "--", 1);
        if BARE.contains(&bare.as_str()) {
            idle.push(flag.to_owned());
            continue;
        }
        let mut value = || match &value {
            Some(value) => Ok(value.clone()),
            None => words.next().cloned().ok_or_else(|| format!("{flag} needs a value")),
        };
        if let Some((_, same)) = SAME.iter().find(|(theirs, _)| *theirs == flag) {
            let value = value()?;
            if ours.iter().any(|(have, _)| have == same) {
                return Err(format!("{flag} can be given once: one address is listened on"));
            }
            ours.push((same, value));
        } else if flag.starts_with(CLUSTER) || IDLE.contains(&flag) {
            value()?;
            idle.push(flag.to_owned());
        } else if flag == "--web.config.file" {
            return Err(format!(
                "{flag}: TLS and passwords of the page are a proxy's; tokens are made by token create"
            ));
        } else {
            let known = SAME.iter().map(|(theirs, _)| *theirs).collect::<Vec<_>>().join(", ");
            return Err(format!(
                "{flag} is no flag of Alertmanager that has a meaning here; known are {known}"
            ));
        }
    }
    for (flag, value) in DEFAULTS {
        if !ours.iter().any(|(have, _)| *have == flag) {
            ours.push((flag, value.into()));
        }
    }
    let mut made = vec![program.to_owned(), "serve".into()];
    made.extend(ours.into_iter().flat_map(|(flag, value)| [flag.into(), value]));
    Ok(Translated { words: made, idle })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<Result<Translated, String>> {
        translate(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    fn line(line: &str) -> String {
        let made = of(line).unwrap().unwrap().words;
        made.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_command_line_of_alertmanager_says_the_same_here() {
        assert_eq!(
            line(
                "/usr/bin/prometheus-alertmanager --config.file=/etc/am.yml --web.listen-address 127.0.0.1:9 \
                 --web.external-url=http://a/b"
            ),
            "/usr/bin/prometheus-alertmanager serve --alertmanager-config /etc/am.yml --listen 127.0.0.1:9 \
             --external-url http://a/b --data data/"
        );
        assert_eq!(
            line("alertmanager"),
            "alertmanager serve --alertmanager-config alertmanager.yml --data data/ --listen :9093"
        );
        assert_eq!(line("alertmanager --version"), "alertmanager --version");
        assert!(of("/usr/bin/nightbell serve").is_none());
    }

    #[test]
    fn what_has_no_meaning_here_is_said_and_what_is_unknown_refused() {
        let made =
            of("alertmanager --log.level=debug --cluster.peer a:1 --cluster.peer=b:1 --no-auto-gomemlimit");
        let idle = made.unwrap().unwrap().idle;
        assert_eq!(idle, ["--log.level", "--cluster.peer", "--cluster.peer", "--no-auto-gomemlimit"]);
        for (wrong, says) in [
            ("alertmanager --web.config.file=x", "a proxy's"),
            ("alertmanager --storage", "no flag of Alertmanager"),
            ("alertmanager --config.file", "needs a value"),
            ("alertmanager --web.listen-address=:1 --web.listen-address=:2", "once"),
            ("alertmanager check", "no flag"),
        ] {
            let why = of(wrong).unwrap().unwrap_err();
            assert!(why.contains(says), "{wrong}: {why}");
        }
    }
}
