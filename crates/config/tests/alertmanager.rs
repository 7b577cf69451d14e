//! `alertmanager.yml`: which files are taken, what is said about the others, and what the taken ones mean.

#![expect(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use nightbell_config::{Config, ConfigError, Format, ShowAs, Source, import_alertmanager, load, load_text};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/alertmanager")
}

/// The files by name: those that Debian's `amtool` judged, and those with what is newer than it.
fn files() -> BTreeMap<String, PathBuf> {
    let folders = [folder(), folder().join("newer")];
    let paths = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let paths = paths.map(|entry| entry.unwrap().path());
    let yml = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yml"));
    yml.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

/// Whether Alertmanager takes a file, by name. `verdicts.txt` is what `amtool` says, `newer/verdicts.txt` what
/// the documentation says, with the version that brought it.
fn verdicts() -> BTreeMap<String, bool> {
    let read = |name: &str| std::fs::read_to_string(folder().join(name)).unwrap();
    let both = read("verdicts.txt") + &read("newer/verdicts.txt");
    let lines = both.lines().map(|line| line.split_once(": ").unwrap());
    lines.map(|(name, verdict)| (name.to_owned(), verdict.starts_with("SUCCESS"))).collect()
}

/// All that is wrong with a file, with its folder left out.
fn problems(path: &Path) -> Option<String> {
    let prefix = format!("{}/", folder().display());
    match load(path, [], &connectors::registry()) {
        Ok(_) => None,
        Err(ConfigError::Invalid(invalid)) => Some(invalid.to_string().replace(&prefix, "")),
        Err(other) => panic!("{}: {other}", path.display()),
    }
}

/// Files on which we differ from `amtool check-config` (0.25.0), and why.
const DIFFERENCES: &[(&str, &str)] = &[
    // newer versions take UTF-8 names
    ("group_by_bad_name", "a dash in a name"),
    ("group_by_number", "a digit first in a name"),
    ("matchers_bad_name", "a digit first in a name"),
    ("matchers_dash_name", "a dash in a name"),
    // expressions are ours, which may repeat more often
    ("matchers_regex_repeat", "more than 1,000 times"),
    // newer versions refuse these, too
    ("http_tls_cert_alone", "a certificate without its key"),
    ("http_tls_key_alone", "a key without its certificate"),
    // files with certificates and secrets are read when the configuration is
    ("http_tls_no_file", "it is not there"),
    ("http_tls_no_pem", "there is no certificate in it"),
    // Alertmanager 0.25 is older than these
    ("email_threading", "threads came with 0.29"),
    ("webhook_payload", "payloads came with 0.30"),
    ("incidentio", "incident.io came with 0.29"),
    ("jira", "Jira came with 0.28"),
    ("mattermost", "Mattermost came with 0.30"),
    ("rocketchat", "Rocket.Chat came with 0.28"),
    // what we do not understand is refused
    ("sns_no_key", "keys are not looked for elsewhere"),
    ("email_tls_version", "a latest version"),
    ("http_oauth2_jwt", "tokens in exchange for signed claims"),
    ("http_password_ref", "there is no secret manager"),
    ("http_tls_max_old", "TLS 1.1"),
    ("email_no_domain", "no mail would ever go out"),
    ("email_own_template", "there is no template of that name"),
    ("two_documents", "Alertmanager ignores the second"),
    ("event_recorder", "all events are in the database"),
    ("receiver_labels", "receivers have no labels"),
    ("route_labels", "routes have no labels"),
    ("tracing", "traces go out over HTTP only"),
    // what could never hold is refused by the model
    ("times_empty_list", "no day is in an empty list"),
    ("times_month_13", "there is no such month"),
    // 0.25 is older than these
    ("discord_new", "the text above, name and picture came with 0.28"),
    ("msteams", "Teams came with 0.26"),
    ("msteamsv2", "Teams by workflow came with 0.28"),
    ("pagerduty_new", "the timeout came with 0.30, details of any shape with 0.29"),
    ("pushover_new", "devices and times to live came with 0.26"),
    ("telegram_new", "topics came with 0.27"),
    // it crashes on these
    ("opsgenie_nothing", "a crash that was mended later"),
    ("slack_nothing", "a crash that was mended later"),
];

#[test]
fn verdicts_are_those_of_amtool_but_for_known_differences() {
    let (files, verdicts) = (files(), verdicts());
    assert!(files.keys().eq(verdicts.keys()), "run record.sh");
    let differing: Vec<&str> = files
        .iter()
        .filter(|(name, path)| problems(path).is_none() != verdicts[*name])
        .map(|(name, _)| name.as_str())
        .collect();
    let known: Vec<&str> = DIFFERENCES.iter().map(|(name, _)| *name).collect();
    let unknown: Vec<_> = differing.iter().filter(|name| !known.contains(name)).collect();
    let gone: Vec<_> = known.iter().filter(|name| !differing.contains(name)).collect();
    assert!(unknown.is_empty() && gone.is_empty(), "unknown: {unknown:?}, no longer: {gone:?}");
}

#[test]
fn what_is_wrong_is_told_with_place_and_reason() {
    let mut told = String::new();
    for (name, path) in files() {
        if let Some(problems) = problems(&path) {
            assert!(!problems.contains("hush-hush"), "{name}: {problems}");
            assert!(!problems.contains("which is not defined"), "only what is wrong is told: {problems}");
            writeln!(told, "{problems}").unwrap();
        }
    }
    insta::assert_snapshot!(told);
}

/// The whole meaning of a file: rules, and the settings of its destinations, which rules do not show.
fn meaning(name: &str) -> String {
    let config = load(&files()[name], [], &connectors::registry()).unwrap();
    let mut text = config.show(ShowAs::Toml);
    let prefix = format!("{}/", folder().display());
    text = text.replace(&prefix, "");
    let from_route = text.find("[route]").map(|at| text.split_off(at)).unwrap_or_default();
    for route in config.rules.root.nodes() {
        writeln!(text, "{}", route.path).unwrap();
    }
    assert!(!from_route.contains("hush-hush"));
    from_route + &text[text.find("{}").unwrap_or(0)..]
}

#[test]
fn what_is_taken_means_what_it_means_to_alertmanager() {
    for name in [
        "match_old",
        "matchers_new",
        "anchors",
        "siblings",
        "email_templates",
        "email_threading",
        "email_clear_login",
        "email_cram",
        "email_identity",
        "email_headers_own",
        "webhook_payload",
        "incidentio",
        "jira",
        "mattermost",
        "rocketchat",
        "sns",
        "sns_role_all",
        "http_proxy_socks",
        "webex",
        "wechat",
        "inhibit_old",
        "times",
        "email_all",
        "slack_bot",
        "slack_static_text",
        "http_global",
        "http_other_type",
        "http_oauth2_all",
        "http_tls_all",
        "http_own_replaces_global",
        "http_headers",
        "http_proxy_all",
        "webhook",
        "email_static_subject",
        "email_implicit",
        "discord_all",
        "discord_new",
        "msteams",
        "msteamsv2",
        "opsgenie_all",
        "opsgenie_nothing",
        "pagerduty_all",
        "pagerduty_new",
        "pagerduty_global",
        "pushover_all",
        "pushover_new",
        "slack_layout",
        "telegram_all",
        "telegram_new",
        "victorops_all",
        "victorops_global",
    ] {
        insta::assert_snapshot!(name, meaning(name));
    }
}

#[test]
fn what_is_taken_and_may_not_be_meant_is_warned_of() {
    let mut told = String::new();
    let here = ("TZ".to_owned(), "Europe/Berlin".to_owned());
    for (name, path) in files() {
        let prefix = format!("{}/", folder().display());
        let Ok(config) = load(&path, [here.clone()], &connectors::registry()) else { continue };
        for warning in config.warnings {
            let warning = warning.to_string().replace(&prefix, "");
            assert!(!warning.contains("hush-hush"), "{name}: {warning}");
            // who may read the files depends on how they came here
            if !warning.contains("everybody on this machine") {
                writeln!(told, "{warning}").unwrap();
            }
        }
    }
    insta::assert_snapshot!(told);
}

#[test]
fn secrets_in_files_are_read_from_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in
        [("url", "http://x/hush\n"), ("password", "hush"), ("slack", "https://hooks.slack.com/hush")]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let file = folder.path().join("alertmanager.yml");
    let text = "global: {slack_api_url_file: slack}\nroute: {receiver: ops}\nreceivers:\n- name: ops\n  \
        slack_configs: [{}]\n  webhook_configs:\n  - url_file: url\n    http_config:\n      \
        basic_auth: {username: u, password_file: password}\n";
    std::fs::write(&file, text).unwrap();
    let config = load(&file, [], &connectors::registry()).unwrap();
    let places = &config.rules.receivers["ops"].destinations;
    assert_eq!(places[0].settings["url"], "http://x/hush");
    assert_eq!(places[0].settings["http"]["password"], "hush");
    assert_eq!(places[1].settings["url"], "https://hooks.slack.com/hush");
    assert_eq!((places[0].manners.send_resolved, places[1].manners.send_resolved), (true, false));
    assert!(!config.show(ShowAs::Toml).contains("hush"));
}

/// All that a configuration means to the flow, with the settings of its destinations.
fn rules(config: &Config) -> String {
    let places = config.rules.receivers.values().flat_map(|receiver| &receiver.destinations);
    let settings: Vec<_> = places.map(|place| (&place.id, &place.settings, &place.manners)).collect();
    format!("{:#?}\n{settings:#?}\n{:?}\n{:?}", config.rules, config.outbound, config.server)
}

#[test]
fn what_is_imported_means_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let registry = connectors::registry();
    let mut count = 0;
    for (name, path) in files() {
        let Ok(original) = load(&path, [], &registry) else {
            assert!(import_alertmanager(&path, None, &registry).is_err(), "{name}");
            continue;
        };
        let imported = import_alertmanager(&path, Some(folder.path()), &registry).unwrap();
        let toml = folder.path().join(format!("{name}.toml"));
        std::fs::write(&toml, &imported.toml).unwrap();
        let again =
            load(&toml, [], &registry).unwrap_or_else(|error| panic!("{name}: {error}\n{}", imported.toml));
        assert_eq!(rules(&again), rules(&original), "{name}:\n{}", imported.toml);
        count += 1;
    }
    assert!(count > 50, "{count}");
}

#[test]
fn what_is_imported_can_be_read_by_people() {
    let imported = import_alertmanager(&files()["whole"], None, &connectors::registry()).unwrap();
    insta::assert_snapshot!("imported", imported.toml);
    assert_eq!(
        imported.secrets,
        [
            "receivers.on-call.webhook[0].http.token",
            "receivers.on-call.webhook[0].url",
            "receivers.chat.slack[0].url"
        ]
    );
}

#[test]
fn what_is_shown_of_a_file_has_no_secrets_and_the_same_routes() {
    let registry = connectors::registry();
    for (name, path) in files() {
        let Ok(original) = load(&path, [], &registry) else { continue };
        let shown = original.alertmanager.as_deref().unwrap();
        assert!(!shown.contains("hush-hush"), "{name}: {shown}");
        // a URL of a secret that is hidden is no URL: anything that is one stands for it; so does a bot's token
        let usable = shown.replace("bot_token: <secret>", "bot_token: 1:hidden");
        let usable = usable.replace("<secret>", "http://hidden.example/x");
        let directory = path.parent().unwrap();
        let source = Source { name: &name, text: &usable, directory, format: Format::Alertmanager };
        let Ok(again) = load_text(source, [], &registry) else { panic!("{name}: {shown}") };
        assert_eq!(format!("{:?}", again.rules.root), format!("{:?}", original.rules.root), "{name}");
    }
}

#[test]
fn traces_go_where_alertmanager_would_send_them() {
    let traces = load(&files()["tracing_http"], [], &connectors::registry()).unwrap().traces;
    assert_eq!((traces.endpoint.as_str(), traces.sample), ("http://localhost:4318", 0.5));
    let headers: Vec<_> =
        traces.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(headers, [("x-api-key", "hush-hush"), ("x-team", "ops")]);
}

#[test]
fn local_is_the_zone_of_the_machine() {
    let file = &files()["times_local"];
    let environment = |zone: &str| [("TZ".to_owned(), zone.to_owned())];
    for (zone, named) in [("Europe/Berlin", "Europe/Berlin"), ("", "UTC"), ("Asia/Kolkata", "Asia/Kolkata")] {
        let config = load(file, environment(zone), &connectors::registry()).unwrap();
        let spell = serde_json::to_value(&config.rules.intervals["times"].spells[0]).unwrap();
        assert_eq!(spell.get("location").and_then(|it| it.as_str()).unwrap_or("UTC"), named, "{spell}");
        let warned: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
        let expected =
            format!("time_intervals.times[0].location: Local is the time zone of this machine, {named}");
        assert!(warned.iter().any(|it| it.contains(&expected)), "{warned:?}");
        // it stays what it was in the file, and in the history
        assert!(config.show(ShowAs::Toml).contains("location = \"Local\""));
        let set = config.templates.templates.clone();
        let text = set.text(r#"{{ now.Local.Format "15:04" }}"#, gotemplate::Mode::Text).unwrap();
        let at = "2026-06-01T12:00:00Z".parse().unwrap();
        let said = text.render(&gotemplate::Value::text(""), &gotemplate::Limits::default(), at).unwrap();
        assert_eq!(
            said,
            match zone {
                "" => "12:00",
                "Europe/Berlin" => "14:00",
                _ => "17:30",
            }
        );
    }
}
